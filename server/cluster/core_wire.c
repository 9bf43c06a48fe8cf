#include "server/cluster/core_wire.h"

#include "base/limits.h"
#include "base/subject.h"

#define FLAG_PLAIN  1u
#define ROUTED_HEAD 20u

static void put(struct buf *out, const void *at, size_t size)
{
    bool fits = buf_add(out, bytes_of(at, size));

    assert(fits);
}

static void put_u16(struct buf *out, uint16_t value)
{
    put(out, &value, sizeof(value));
}

static void put_u32(struct buf *out, size_t value)
{
    uint32_t narrow = (uint32_t)value;

    assert(value <= UINT32_MAX);
    put(out, &narrow, sizeof(narrow));
}

static void put_bytes(struct buf *out, struct bytes b)
{
    put(out, b.at, b.size);
}

/* Whether it can stand in a protocol line. */
static bool one_word(struct bytes b)
{
    for (size_t i = 0; i < b.size; i++)
        if (b.at[i] == ' ' || b.at[i] == '\t' || b.at[i] == '\r' || b.at[i] == '\n')
            return false;
    return true;
}

/* ---- interest ------------------------------------------------------------------------------- */

void interest_begin(struct buf *out, struct bytes account)
{
    assert(account.size <= UINT16_MAX);
    put_u16(out, (uint16_t)account.size);
    put_bytes(out, account);
}

void interest_add(struct buf *out, const struct interest *interest)
{
    put_u32(out, interest->count);
    put_u32(out, interest->subject.size);
    put_u32(out, interest->queue.size);
    put_bytes(out, interest->subject);
    put_bytes(out, interest->queue);
}

bool interest_read_account(struct decoder *in, struct bytes *account)
{
    size_t size = decode_u16(in);

    *account = decode_bytes(in, size);
    return !in->failed;
}

static bool interest_good(const struct interest *interest)
{
    return interest->count <= CORE_WEIGHT_MAX && subject_valid(interest->subject) &&
           subject_token_count(interest->subject) <= SUBJECT_TOKENS_MAX &&
           one_word(interest->subject) &&
           (one_word(interest->queue) || bytes_equal(interest->queue, CORE_SINKS_QUEUE));
}

bool interest_read(struct decoder *in, struct interest *interest)
{
    size_t subject_size, queue_size;

    if (in->rest.size == 0)
        return false;
    interest->count = decode_u32(in);
    subject_size = decode_u32(in);
    queue_size = decode_u32(in);
    interest->subject = decode_bytes(in, subject_size);
    interest->queue = decode_bytes(in, queue_size);
    if (!in->failed && !interest_good(interest))
        in->failed = true;
    return !in->failed;
}

/* ---- messages ------------------------------------------------------------------------------- */

static size_t routed_size(const struct routed *routed)
{
    size_t size = ROUTED_HEAD + routed->account.size + routed->subject.size + routed->reply.size +
                  routed->route.size;

    for (size_t i = 0; i < routed->queues_count; i++)
        size += sizeof(uint32_t) + routed->queues[i].size;
    return size;
}

/* One per message and node: its room is made once. */
void routed_encode(struct buf *out, const struct routed *routed)
{
    size_t size = routed_size(routed);
    uint8_t *begin = buf_reserve(out, size), *at = begin;

    assert(begin != NULL);
    assert(routed->queues_count <= CORE_QUEUES_MAX);
    assert(routed->account.size <= UINT16_MAX);
    assert(size + routed->headers.size <= UINT32_MAX);
    at = encode_u16(at, (uint16_t)((routed->plain ? FLAG_PLAIN : 0) | routed->queues_count << 8));
    at = encode_u16(at, (uint16_t)routed->account.size);
    at = encode_u32(at, (uint32_t)routed->subject.size);
    at = encode_u32(at, (uint32_t)routed->reply.size);
    at = encode_u32(at, (uint32_t)routed->route.size);
    at = encode_u32(at, (uint32_t)routed->headers.size);
    for (size_t i = 0; i < routed->queues_count; i++) {
        at = encode_u32(at, (uint32_t)routed->queues[i].size);
        at = encode_bytes(at, routed->queues[i]);
    }
    at = encode_bytes(at, routed->account);
    at = encode_bytes(at, routed->subject);
    at = encode_bytes(at, routed->reply);
    at = encode_bytes(at, routed->route);
    assert(at == begin + size);
    buf_commit(out, size);
}

static void read_queues(struct decoder *in, struct routed *routed)
{
    for (size_t i = 0; i < routed->queues_count && !in->failed; i++) {
        size_t size = decode_u32(in);

        routed->queues[i] = decode_bytes(in, size);
    }
}

bool routed_decode(struct bytes body, struct routed *routed)
{
    size_t account_size, subject_size, reply_size, route_size, headers_size;
    struct decoder in;
    uint16_t first;

    decoder_init(&in, body);
    first = decode_u16(&in);
    routed->plain = first & FLAG_PLAIN;
    routed->queues_count = first >> 8;
    account_size = decode_u16(&in);
    subject_size = decode_u32(&in);
    reply_size = decode_u32(&in);
    route_size = decode_u32(&in);
    headers_size = decode_u32(&in);
    read_queues(&in, routed);
    routed->account = decode_bytes(&in, account_size);
    routed->subject = decode_bytes(&in, subject_size);
    routed->reply = decode_bytes(&in, reply_size);
    routed->route = decode_bytes(&in, route_size);
    routed->headers = decode_bytes(&in, headers_size);
    routed->payload = in.rest;
    return !in.failed && subject_size > 0;
}

bool routed_sound(const struct routed *routed)
{
    return one_word(routed->subject) && one_word(routed->reply) && one_word(routed->route);
}
