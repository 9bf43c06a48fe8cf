#include "server/stream/effect.h"

#include "base/codec.h"
#include "base/limits.h"
#include "storage/le.h"

/* Every body starts with six bytes of sizes, so that its 64-bit fields are aligned in the log. */
#define SIZES           6u
#define MESSAGE_HEAD    30u
#define DELETE_HEAD     14u
#define PURGE_HEAD      30u
#define EXPIRE_HEAD     22u
#define CONFIG_HEAD     22u
#define CONSUMER_HEAD   22u
#define SKIP_HEAD       14u
#define SOURCED_HEAD    22u
#define PADDING_MAX     7u
#define MESSAGE_ROLLUPS (MESSAGE_ROLLUP_SUBJECT | MESSAGE_ROLLUP_ALL)
#define MESSAGE_FLAGS                                                                              \
    (MESSAGE_ROLLUPS | MESSAGE_HAS_ID | MESSAGE_EXPIRES | MESSAGE_MARKER | MESSAGE_ERASED)
#define EXPIRES_SIZE 8u /* behind the head of a message, and of an expiry */

static_assert((RECORD_HEAD + SIZES) % 8 == 0, "what follows the sizes is aligned");
static_assert(MESSAGE_HEAD + EXPIRES_SIZE + EFFECT_SUBJECT_MAX + EFFECT_HEADERS_MAX +
                      EFFECT_PAYLOAD_MAX <=
                  RECORD_SIZE_MAX - RECORD_HEAD - PADDING_MAX,
              "every message that fits its fields fits a record");
static_assert(EFFECT_SUBJECT_MAX <= UINT16_MAX, "its size has 16 bits");
static_assert(EFFECT_HEADERS_MAX <= UINT16_MAX, "where the message id is in them has 16 bits");
static_assert(MAX_PAYLOAD_MAX <= EFFECT_PAYLOAD_MAX, "what may be published fits a record");

uint32_t effect_message_size(size_t subject, size_t headers, size_t payload)
{
    return record_size(MESSAGE_HEAD + subject + headers + payload);
}

/* ---- writing -------------------------------------------------------------------------------- */

static bool expires_valid(int64_t expires_ns)
{
    return expires_ns == EXPIRES_NEVER || (expires_ns >= 0 && expires_ns <= EFFECT_TIME_MAX);
}

static uint8_t message_flags(const struct effect *effect)
{
    uint8_t flags = effect->flags;

    if (effect->message.id.size > 0)
        flags |= MESSAGE_HAS_ID;
    if (effect->message.expires_ns != 0)
        flags |= MESSAGE_EXPIRES;
    if (effect->message.marker)
        flags |= MESSAGE_MARKER;
    return flags;
}

static bool write_message(struct buf *out, const struct effect *effect)
{
    struct bytes id = effect->message.id;
    uint8_t flags = message_flags(effect);
    size_t body = MESSAGE_HEAD + ((flags & MESSAGE_EXPIRES) != 0 ? EXPIRES_SIZE : 0) +
                  effect->message.subject.size + effect->message.headers.size +
                  effect->message.payload.size;
    size_t id_offset = id.size > 0 ? (size_t)(id.at - effect->message.headers.at) : 0;
    uint8_t *at;

    assert((effect->flags & ~MESSAGE_ROLLUPS) == 0);
    assert(effect->flags != MESSAGE_ROLLUPS);
    assert(effect->message.sequence > 0);
    assert(expires_valid(effect->message.expires_ns));
    assert(effect->message.time_ns >= 0 && effect->message.time_ns <= EFFECT_TIME_MAX);
    assert(effect->message.subject.size <= EFFECT_SUBJECT_MAX);
    assert(effect->message.headers.size <= EFFECT_HEADERS_MAX);
    assert(effect->message.payload.size <= EFFECT_PAYLOAD_MAX);
    assert(id_offset + id.size <= effect->message.headers.size);

    at = record_begin(out, EFFECT_MESSAGE, flags, body);
    if (at == NULL)
        return false;
    at = encode_u16(at, (uint16_t)effect->message.subject.size);
    at = encode_u32(at, (uint32_t)effect->message.headers.size);
    at = encode_u64(at, effect->message.sequence);
    at = encode_u64(at, (uint64_t)effect->message.time_ns);
    at = encode_u32(at, (uint32_t)effect->message.payload.size);
    at = encode_u16(at, (uint16_t)id_offset);
    at = encode_u16(at, (uint16_t)id.size);
    if ((flags & MESSAGE_EXPIRES) != 0)
        at = encode_u64(at, (uint64_t)effect->message.expires_ns);
    at = encode_bytes(at, effect->message.subject);
    at = encode_bytes(at, effect->message.headers);
    encode_bytes(at, effect->message.payload);
    record_end(out, body);
    return true;
}

static bool write_delete(struct buf *out, const struct effect *effect)
{
    uint8_t *at =
        record_begin(out, EFFECT_DELETE, effect->remove.erase ? DELETE_ERASE : 0, DELETE_HEAD);

    if (at == NULL)
        return false;
    at = encode_zeros(at, SIZES);
    encode_u64(at, effect->remove.sequence);
    record_end(out, DELETE_HEAD);
    return true;
}

static bool write_purge(struct buf *out, const struct effect *effect)
{
    size_t body = PURGE_HEAD + effect->purge.filter.size;
    uint8_t *at;

    assert(effect->purge.filter.size <= UINT16_MAX);
    at = record_begin(out, EFFECT_PURGE, 0, body);
    if (at == NULL)
        return false;
    at = encode_u16(at, (uint16_t)effect->purge.filter.size);
    at = encode_u32(at, 0);
    at = encode_u64(at, effect->purge.below);
    at = encode_u64(at, effect->purge.keep);
    at = encode_u64(at, effect->purge.last);
    encode_bytes(at, effect->purge.filter);
    record_end(out, body);
    return true;
}

static bool write_expire(struct buf *out, const struct effect *effect)
{
    bool ended = effect->expire.ended_ns != 0;
    size_t body = EXPIRE_HEAD + (ended ? EXPIRES_SIZE : 0);
    uint8_t *at = record_begin(out, EFFECT_EXPIRE, ended ? EXPIRE_ENDED : 0, body);

    if (at == NULL)
        return false;
    at = encode_zeros(at, SIZES);
    at = encode_u64(at, effect->expire.last);
    at = encode_u64(at, (uint64_t)effect->expire.time_ns);
    if (ended)
        encode_u64(at, (uint64_t)effect->expire.ended_ns);
    record_end(out, body);
    return true;
}

static bool write_config(struct buf *out, const struct effect *effect)
{
    size_t body = CONFIG_HEAD + effect->config.json.size;
    uint8_t *at;

    assert(effect->config.json.size <= RECORD_SIZE_MAX / 2);
    at = record_begin(out, effect->type, 0, body);
    if (at == NULL)
        return false;
    at = encode_u16(at, 0);
    at = encode_u32(at, (uint32_t)effect->config.json.size);
    at = encode_u64(at, (uint64_t)effect->config.created_ns);
    at = encode_u64(at, effect->config.version);
    encode_bytes(at, effect->config.json);
    record_end(out, body);
    return true;
}

static bool write_consumer(struct buf *out, const struct effect *effect)
{
    size_t body = CONSUMER_HEAD + effect->consumer.name.size + effect->consumer.json.size;
    uint8_t *at;

    assert(effect->consumer.name.size <= UINT16_MAX);
    assert(effect->consumer.json.size <= RECORD_SIZE_MAX / 2);
    at = record_begin(out, effect->type, 0, body);
    if (at == NULL)
        return false;
    at = encode_u16(at, (uint16_t)effect->consumer.name.size);
    at = encode_u32(at, (uint32_t)effect->consumer.json.size);
    at = encode_u64(at, effect->consumer.number);
    at = encode_u64(at, (uint64_t)effect->consumer.created_ns);
    at = encode_bytes(at, effect->consumer.name);
    encode_bytes(at, effect->consumer.json);
    record_end(out, body);
    return true;
}

static bool write_consumer_state(struct buf *out, const struct effect *effect)
{
    size_t body = CONSUMER_HEAD + 8 + effect->consumer.name.size + effect->consumer.json.size +
                  effect->consumer.state.size;
    uint8_t *at;

    assert(effect->consumer.name.size <= UINT16_MAX);
    assert(body <= RECORD_SIZE_MAX / 2);
    at = record_begin(out, effect->type, 0, body);
    if (at == NULL)
        return false;
    at = encode_u16(at, (uint16_t)effect->consumer.name.size);
    at = encode_u32(at, (uint32_t)effect->consumer.json.size);
    at = encode_u64(at, effect->consumer.number);
    at = encode_u64(at, (uint64_t)effect->consumer.created_ns);
    at = encode_u64(at, effect->consumer.state.size);
    at = encode_bytes(at, effect->consumer.name);
    at = encode_bytes(at, effect->consumer.json);
    encode_bytes(at, effect->consumer.state);
    record_end(out, body);
    return true;
}

static bool write_delete_many(struct buf *out, const struct effect *effect)
{
    size_t body = SIZES + effect->delete_many.sequences.size;
    uint8_t *at = record_begin(out, EFFECT_DELETE_MANY, 0, body);

    assert(effect->delete_many.sequences.size % 8 == 0);
    if (at == NULL)
        return false;
    at = encode_u16(at, 0);
    at = encode_u32(at, (uint32_t)(effect->delete_many.sequences.size / 8));
    encode_bytes(at, effect->delete_many.sequences);
    record_end(out, body);
    return true;
}

uint8_t *effect_schedule_entry(uint8_t *at, uint64_t sequence, int64_t next_ns)
{
    return encode_u64(encode_u64(at, sequence), (uint64_t)next_ns);
}

static bool write_schedule(struct buf *out, const struct effect *effect)
{
    struct bytes entries = effect->schedule.entries;
    size_t body = SIZES + entries.size;
    uint8_t *at;

    assert(entries.size % SCHEDULE_ENTRY_SIZE == 0);
    at = record_begin(out, EFFECT_SCHEDULE, 0, body);
    if (at == NULL)
        return false;
    at = encode_u16(at, 0);
    at = encode_u32(at, (uint32_t)(entries.size / SCHEDULE_ENTRY_SIZE));
    encode_bytes(at, entries);
    record_end(out, body);
    return true;
}

static bool write_skip(struct buf *out, const struct effect *effect)
{
    bool timed = effect->skip.time_ns != 0;
    size_t body = SKIP_HEAD + (timed ? 8 : 0);
    uint8_t *at = record_begin(out, EFFECT_SKIP, timed ? SKIP_TIMED : 0, body);

    if (at == NULL)
        return false;
    at = encode_zeros(at, SIZES);
    at = encode_u64(at, effect->skip.last);
    if (timed)
        encode_u64(at, (uint64_t)effect->skip.time_ns);
    record_end(out, body);
    return true;
}

static bool write_sourced(struct buf *out, const struct effect *effect)
{
    uint8_t *at = record_begin(out, EFFECT_SOURCED, 0, SOURCED_HEAD);

    if (at == NULL)
        return false;
    at = encode_u16(at, effect->sourced.source);
    at = encode_u32(at, 0);
    at = encode_u64(at, effect->sourced.origin);
    encode_u64(at, effect->sourced.sequence);
    record_end(out, SOURCED_HEAD);
    return true;
}

bool effect_write(struct buf *out, const struct effect *effect)
{
    switch (effect->type) {
    case EFFECT_MESSAGE: return write_message(out, effect);
    case EFFECT_DELETE: return write_delete(out, effect);
    case EFFECT_PURGE: return write_purge(out, effect);
    case EFFECT_EXPIRE: return write_expire(out, effect);
    case EFFECT_SCHEDULE: return write_schedule(out, effect);
    case EFFECT_CONFIG:
    case EFFECT_RESTORE: return write_config(out, effect);
    case EFFECT_DELETE_MANY: return write_delete_many(out, effect);
    case EFFECT_CONSUMER_STATE: return write_consumer_state(out, effect);
    case EFFECT_SKIP: return write_skip(out, effect);
    case EFFECT_SOURCED: return write_sourced(out, effect);
    case EFFECT_CONSUMER_CREATE:
    case EFFECT_CONSUMER_DELETE: return write_consumer(out, effect);
    default: break;
    }
    assert(!"a type that this module writes");
    return false;
}

/* ---- reading -------------------------------------------------------------------------------- */

/* A body is read straight through; what remains must be the record's padding. */
static enum err finish(const struct decoder *in)
{
    if (in->failed || in->rest.size > PADDING_MAX)
        return ERR_CORRUPT;
    for (size_t i = 0; i < in->rest.size; i++) {
        if (in->rest.at[i] != 0)
            return ERR_CORRUPT;
    }
    return OK;
}

static enum err read_message(const struct record *record, struct effect *effect)
{
    struct decoder in;
    const uint8_t *head;
    size_t subject_size, headers_size, payload_size, id_offset, id_size;

    if ((record->flags & ~MESSAGE_FLAGS) != 0 ||
        (record->flags & MESSAGE_ROLLUPS) == MESSAGE_ROLLUPS)
        return ERR_CORRUPT;
    effect->flags = record->flags & MESSAGE_ROLLUPS;

    decoder_init(&in, record->body);
    head = decode_bytes(&in, MESSAGE_HEAD).at; /* one check for all of it: this is read most */
    if (head == NULL)
        return ERR_CORRUPT;
    subject_size = le_u16(head);
    headers_size = le_u32(head + 2);
    effect->message.sequence = le_u64(head + 6);
    effect->message.time_ns = (int64_t)le_u64(head + 14);
    payload_size = le_u32(head + 22);
    id_offset = le_u16(head + 26);
    id_size = le_u16(head + 28);
    effect->message.marker = (record->flags & MESSAGE_MARKER) != 0;
    effect->message.erased = (record->flags & MESSAGE_ERASED) != 0;
    if ((record->flags & MESSAGE_EXPIRES) != 0)
        effect->message.expires_ns = (int64_t)decode_u64(&in);
    effect->message.subject = decode_bytes(&in, subject_size);
    effect->message.headers = decode_bytes(&in, headers_size);
    effect->message.payload = decode_bytes(&in, payload_size);
    if (finish(&in) != OK || effect->message.sequence == 0)
        return ERR_CORRUPT;
    if (!expires_valid(effect->message.expires_ns) ||
        (effect->message.expires_ns != 0) != ((record->flags & MESSAGE_EXPIRES) != 0))
        return ERR_CORRUPT;
    if (headers_size > EFFECT_HEADERS_MAX || payload_size > EFFECT_PAYLOAD_MAX)
        return ERR_CORRUPT;
    if (effect->message.time_ns < 0 || effect->message.time_ns > EFFECT_TIME_MAX)
        return ERR_CORRUPT;

    if (id_offset + id_size > headers_size ||
        (id_size > 0) != ((record->flags & MESSAGE_HAS_ID) != 0))
        return ERR_CORRUPT;
    effect->message.id = bytes_take(bytes_skip(effect->message.headers, id_offset), id_size);
    return OK;
}

static enum err read_delete(const struct record *record, struct effect *effect)
{
    struct decoder in;

    if ((record->flags & ~DELETE_ERASE) != 0)
        return ERR_CORRUPT;
    decoder_init(&in, record->body);
    decode_bytes(&in, SIZES);
    effect->remove.sequence = decode_u64(&in);
    effect->remove.erase = (record->flags & DELETE_ERASE) != 0;
    return finish(&in);
}

static enum err read_purge(const struct record *record, struct effect *effect)
{
    struct decoder in;
    size_t filter_size;

    decoder_init(&in, record->body);
    filter_size = decode_u16(&in);
    decode_u32(&in);
    effect->purge.below = decode_u64(&in);
    effect->purge.keep = decode_u64(&in);
    effect->purge.last = decode_u64(&in);
    effect->purge.filter = decode_bytes(&in, filter_size);
    return finish(&in);
}

static enum err read_expire(const struct record *record, struct effect *effect)
{
    struct decoder in;

    if ((record->flags & ~EXPIRE_ENDED) != 0)
        return ERR_CORRUPT;
    decoder_init(&in, record->body);
    decode_bytes(&in, SIZES);
    effect->expire.last = decode_u64(&in);
    effect->expire.time_ns = (int64_t)decode_u64(&in);
    if ((record->flags & EXPIRE_ENDED) != 0)
        effect->expire.ended_ns = (int64_t)decode_u64(&in);
    return finish(&in);
}

static enum err read_config(const struct record *record, struct effect *effect)
{
    struct decoder in;
    size_t json_size;

    decoder_init(&in, record->body);
    decode_u16(&in);
    json_size = decode_u32(&in);
    effect->config.created_ns = (int64_t)decode_u64(&in);
    effect->config.version = decode_u64(&in);
    effect->config.json = decode_bytes(&in, json_size);
    return finish(&in);
}

static enum err read_consumer(const struct record *record, struct effect *effect)
{
    struct decoder in;
    size_t name_size, json_size;

    decoder_init(&in, record->body);
    name_size = decode_u16(&in);
    json_size = decode_u32(&in);
    effect->consumer.number = decode_u64(&in);
    effect->consumer.created_ns = (int64_t)decode_u64(&in);
    effect->consumer.name = decode_bytes(&in, name_size);
    effect->consumer.json = decode_bytes(&in, json_size);
    return finish(&in);
}

static enum err read_consumer_state(const struct record *record, struct effect *effect)
{
    struct decoder in;
    size_t name_size, json_size;
    uint64_t state_size;

    decoder_init(&in, record->body);
    name_size = decode_u16(&in);
    json_size = decode_u32(&in);
    effect->consumer.number = decode_u64(&in);
    effect->consumer.created_ns = (int64_t)decode_u64(&in);
    state_size = decode_u64(&in);
    effect->consumer.name = decode_bytes(&in, name_size);
    effect->consumer.json = decode_bytes(&in, json_size);
    effect->consumer.state = decode_bytes(&in, state_size);
    return finish(&in);
}

static enum err read_delete_many(const struct record *record, struct effect *effect)
{
    struct decoder in;
    size_t count;

    decoder_init(&in, record->body);
    decode_u16(&in);
    count = decode_u32(&in);
    effect->delete_many.sequences = decode_bytes(&in, count * 8);
    return finish(&in);
}

static enum err read_schedule(const struct record *record, struct effect *effect)
{
    struct decoder in;
    size_t count;

    decoder_init(&in, record->body);
    decode_u16(&in);
    count = decode_u32(&in);
    effect->schedule.entries = decode_bytes(&in, count * SCHEDULE_ENTRY_SIZE);
    if (finish(&in) != OK)
        return ERR_CORRUPT;
    for (decoder_init(&in, effect->schedule.entries); in.rest.size > 0;) {
        uint64_t sequence = decode_u64(&in);
        int64_t next_ns = (int64_t)decode_u64(&in);

        if (sequence == 0 || next_ns < 0 ||
            (next_ns > EFFECT_TIME_MAX && next_ns != SCHEDULE_FORGOTTEN))
            return ERR_CORRUPT;
    }
    return OK;
}

static enum err read_skip(const struct record *record, struct effect *effect)
{
    struct decoder in;

    decoder_init(&in, record->body);
    decode_bytes(&in, SIZES);
    effect->skip.last = decode_u64(&in);
    if ((record->flags & ~SKIP_TIMED) != 0)
        return ERR_CORRUPT;
    if (record->flags == SKIP_TIMED)
        effect->skip.time_ns = (int64_t)decode_u64(&in);
    if (effect->skip.time_ns < 0 || effect->skip.time_ns > EFFECT_TIME_MAX)
        return ERR_CORRUPT;
    return finish(&in);
}

static enum err read_sourced(const struct record *record, struct effect *effect)
{
    struct decoder in;

    decoder_init(&in, record->body);
    effect->sourced.source = decode_u16(&in);
    decode_u32(&in);
    effect->sourced.origin = decode_u64(&in);
    effect->sourced.sequence = decode_u64(&in);
    return finish(&in);
}

enum err effect_read(const struct record *record, struct effect *effect)
{
    *effect = (struct effect){.type = record->type};
    if (record->type == EFFECT_MESSAGE)
        return read_message(record, effect);
    if (record->type == EFFECT_DELETE)
        return read_delete(record, effect);
    if (record->type == EFFECT_EXPIRE)
        return read_expire(record, effect);
    if (record->type == EFFECT_SKIP)
        return read_skip(record, effect);
    if (record->flags != 0)
        return ERR_CORRUPT;
    switch (record->type) {
    case EFFECT_PURGE: return read_purge(record, effect);
    case EFFECT_SCHEDULE: return read_schedule(record, effect);
    case EFFECT_CONFIG:
    case EFFECT_RESTORE: return read_config(record, effect);
    case EFFECT_DELETE_MANY: return read_delete_many(record, effect);
    case EFFECT_CONSUMER_STATE: return read_consumer_state(record, effect);
    case EFFECT_SOURCED: return read_sourced(record, effect);
    case EFFECT_CONSUMER_CREATE:
    case EFFECT_CONSUMER_DELETE: return read_consumer(record, effect);
    default: return ERR_CORRUPT;
    }
}

/* ---- erasing -------------------------------------------------------------------------------- */

static void zero(struct bytes bytes)
{
    if (bytes.size > 0)
        memset((void *)bytes.at, 0, bytes.size);
}

void effect_erase(uint8_t *at, uint32_t size)
{
    struct record record;
    struct effect effect;

    static_assert(MESSAGE_ERASED == RECORD_ERASED);
    if (record_read(bytes_of(at, size), &record) != OK || effect_read(&record, &effect) != OK ||
        effect.type != EFFECT_MESSAGE) {
        memset(at, 0, size); /* nothing that could be told apart */
        return;
    }
    if (effect.message.id.size > 0) {
        zero(bytes_of(effect.message.headers.at,
                      (size_t)(effect.message.id.at - effect.message.headers.at)));
        zero(bytes_skip(effect.message.headers,
                        (size_t)(effect.message.id.at - effect.message.headers.at) +
                            effect.message.id.size));
    } else {
        zero(effect.message.headers);
    }
    zero(effect.message.payload);
}
