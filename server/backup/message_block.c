#include "server/backup/message_block.h"

#include <stdio.h>

#include "base/codec.h"

#define HEAD        22u /* size, sequence, time, size of the subject */
#define SUM         8u
#define HAS_HEADERS (UINT32_C(1) << 31)
#define EMPTY       (UINT64_C(1) << 63)
#define DELETED     (UINT64_C(1) << 62)

void message_block_key(struct bytes stream, uint32_t number, uint8_t key[static HIGHWAY_KEY_SIZE])
{
    char text[512];
    int size = snprintf(text, sizeof text, "%.*s-%u", BYTES_ARG(stream), number);

    assert(size > 0 && (size_t)size < sizeof text); /* names of streams are short */
    highway_key(bytes_of(text, (size_t)size), key);
}

static uint64_t sum_of(const uint8_t key[static HIGHWAY_KEY_SIZE], const uint8_t *place,
                       const struct message_block_record *record)
{
    struct highway hash;

    highway_init(&hash, key);
    highway_add(&hash, bytes_of(place, 16));
    highway_add(&hash, record->subject);
    highway_add(&hash, record->headers);
    highway_add(&hash, record->payload);
    return highway_end(&hash);
}

static uint64_t marked(const struct message_block_record *record)
{
    return record->sequence | (record->deleted ? DELETED : 0) | (record->empty ? EMPTY : 0);
}

bool message_block_add(struct buf *out, const uint8_t key[static HIGHWAY_KEY_SIZE],
                       const struct message_block_record *record)
{
    bool headed = record->headers.size > 0;
    size_t size = HEAD + record->subject.size + (headed ? 4 + record->headers.size : 0) +
                  record->payload.size + SUM;
    uint8_t *at = buf_reserve(out, size), *begin = at;

    assert(record->subject.size <= UINT16_MAX && size <= MESSAGE_BLOCK_RECORD_MAX);
    if (at == NULL)
        return false;
    at = encode_u32(at, (uint32_t)size | (headed ? HAS_HEADERS : 0));
    at = encode_u64(at, marked(record));
    at = encode_u64(at, (uint64_t)record->time_ns);
    at = encode_u16(at, (uint16_t)record->subject.size);
    at = encode_bytes(at, record->subject);
    if (headed)
        at = encode_u32(at, (uint32_t)record->headers.size);
    at = encode_bytes(at, record->headers);
    at = encode_bytes(at, record->payload);
    (void)encode_u64(at, sum_of(key, begin + 4, record));
    buf_commit(out, size);
    return true;
}

static bool read_body(struct decoder *in, bool headed, struct message_block_record *record)
{
    uint64_t sequence = decode_u64(in);
    size_t subject_size;

    record->time_ns = (int64_t)decode_u64(in);
    record->deleted = (sequence & DELETED) != 0;
    record->sequence = sequence & ~(EMPTY | DELETED);
    record->empty = (sequence & EMPTY) != 0 || record->sequence == 0;
    subject_size = decode_u16(in);
    record->subject = decode_bytes(in, subject_size);
    record->headers = bytes_of(NULL, 0);
    if (headed)
        record->headers = decode_bytes(in, decode_u32(in));
    if (in->failed || in->rest.size < SUM)
        return false;
    record->payload = decode_bytes(in, in->rest.size - SUM);
    return true;
}

enum message_block_result message_block_read(struct bytes in,
                                             const uint8_t key[static HIGHWAY_KEY_SIZE],
                                             struct message_block_record *record, size_t *size)
{
    struct decoder head, body;
    uint32_t length;

    decoder_init(&head, in);
    length = decode_u32(&head);
    *size = HEAD + SUM;
    if (head.failed)
        return MESSAGE_BLOCK_MORE;
    *size = length & ~HAS_HEADERS;
    if (*size < HEAD + SUM || *size > MESSAGE_BLOCK_RECORD_MAX)
        return MESSAGE_BLOCK_BAD;
    if (in.size < *size)
        return MESSAGE_BLOCK_MORE;
    decoder_init(&body, bytes_skip(bytes_take(in, *size), 4));
    if (!read_body(&body, (length & HAS_HEADERS) != 0, record))
        return MESSAGE_BLOCK_BAD;
    return record->empty || decode_u64(&body) == sum_of(key, in.at + 4, record) ? MESSAGE_BLOCK_OK
                                                                                : MESSAGE_BLOCK_BAD;
}
