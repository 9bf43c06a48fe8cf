#include "raft/members.h"

#include "base/codec.h"
#include "storage/batch.h"
#include "storage/record.h"

#define MEMBER_SIZE 24u /* node, incarnation, flags */
#define BODY_HEAD   6u  /* count, zeros: what follows stands at a multiple of 8 */
static_assert(MEMBERS_BODY_MAX == BODY_HEAD + RAFT_MEMBERS_MAX * MEMBER_SIZE, "the largest");

bool members_equal(struct raft_member a, struct raft_member b)
{
    return a.node == b.node && a.incarnation == b.incarnation;
}

const struct raft_member *members_find(const struct raft_config *config, uint64_t node)
{
    for (uint32_t i = 0; i < config->count; i++) {
        if (config->at[i].node == node)
            return &config->at[i];
    }
    return NULL;
}

void members_adopt(struct raft_config *config, struct raft_member self)
{
    for (uint32_t i = 0; i < config->count; i++) {
        if (config->at[i].incarnation == self.incarnation)
            config->at[i].node = self.node;
    }
}

uint8_t *members_encode(uint8_t *at, const struct raft_config *config)
{
    assert(config->count > 0 && config->count <= RAFT_MEMBERS_MAX);
    at = encode_u16(at, (uint16_t)config->count);
    at = encode_zeros(at, BODY_HEAD - 2);
    for (uint32_t i = 0; i < config->count; i++) {
        at = encode_u64(at, config->at[i].node);
        at = encode_u64(at, config->at[i].incarnation);
        at = encode_u64(at, config->at[i].learner ? 1 : 0);
    }
    return at;
}

bool members_write(struct buf *out, const struct raft_config *config)
{
    size_t size = BODY_HEAD + config->count * MEMBER_SIZE;
    uint8_t *at = record_begin(out, REPLICA_RECORD_MEMBERS, 0, size);

    if (at == NULL)
        return false;
    (void)members_encode(at, config);
    record_end(out, size);
    return true;
}

static bool sound(const struct raft_config *config)
{
    uint32_t voters = 0;

    for (uint32_t i = 0; i < config->count; i++) {
        if (members_find(config, config->at[i].node) != &config->at[i])
            return false;
        if (!config->at[i].learner)
            voters++;
    }
    return voters > 0;
}

enum err members_read(struct bytes body, struct raft_config *config)
{
    struct decoder in;

    decoder_init(&in, body);
    *config = (struct raft_config){.count = decode_u16(&in)};
    (void)decode_bytes(&in, BODY_HEAD - 2);
    if (config->count == 0 || config->count > RAFT_MEMBERS_MAX)
        return ERR_CORRUPT;
    for (uint32_t i = 0; i < config->count; i++) {
        config->at[i].node = decode_u64(&in);
        config->at[i].incarnation = decode_u64(&in);
        config->at[i].learner = (decode_u64(&in) & 1) != 0;
    }
    return in.failed || !sound(config) ? ERR_CORRUPT : OK;
}

bool members_of(struct bytes records, uint32_t record_count, struct raft_config *config)
{
    struct record record;

    return record_count == 1 && record_peek(records, &record) == OK &&
           record.type == REPLICA_RECORD_MEMBERS && members_read(record.body, config) == OK;
}

void members_bootstrap(struct buf *out, const uint8_t incarnation[16], int64_t time_ns,
                       const struct raft_config *config)
{
    struct batch_content content = {.term = 1, .index = 1, .time_ns = time_ns, .record_count = 1};
    struct buf batch;
    bool room;

    buf_init(&batch, 4096);
    memcpy(content.incarnation, incarnation, sizeof content.incarnation);
    room = batch_begin(&batch) && members_write(&batch, config);
    assert(room);
    (void)batch_seal(&batch, &content);
    room = buf_add(out, bytes_skip(buf_bytes(&batch), BATCH_ENVELOPE));
    assert(room); /* the caller gave room for one small batch */
    buf_deinit(&batch);
}
