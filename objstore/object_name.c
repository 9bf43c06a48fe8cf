#include "objstore/object_name.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* ---- base64 ---------------------------------------------------------------------------------- */

/* Four characters for one to three bytes. */
static void encode_group(const uint8_t *at, size_t size, char out[static 4])
{
    uint32_t bits =
        (uint32_t)at[0] << 16 | (size > 1 ? (uint32_t)at[1] << 8 : 0) | (size > 2 ? at[2] : 0);

    out[0] = alphabet[bits >> 18];
    out[1] = alphabet[bits >> 12 & 63];
    out[2] = size > 1 ? alphabet[bits >> 6 & 63] : '=';
    out[3] = size > 2 ? alphabet[bits & 63] : '=';
}

static bool encode(struct buf *out, struct bytes text)
{
    char group[4];

    while (text.size > 0) {
        size_t size = text.size < 3 ? text.size : 3;

        encode_group(text.at, size, group);
        if (!buf_add(out, bytes_of(group, sizeof group)))
            return false;
        text = bytes_skip(text, size);
    }
    return true;
}

static bool value_of(uint8_t c, uint32_t *value)
{
    const char *at = c == 0 ? NULL : strchr(alphabet, c);

    if (at == NULL)
        return false;
    *value = (uint32_t)(at - alphabet);
    return true;
}

/* Two to four characters; bits that belong to no byte must be zero, so a name has one text. */
static bool decode_group(struct bytes text, uint8_t out[static 3])
{
    uint32_t bits = 0;

    for (size_t i = 0; i < 4; i++) {
        uint32_t value = 0;

        if (i < text.size && !value_of(text.at[i], &value))
            return false;
        bits = bits << 6 | value;
    }
    out[0] = (uint8_t)(bits >> 16);
    out[1] = (uint8_t)(bits >> 8);
    out[2] = (uint8_t)bits;
    return (bits & (text.size == 4 ? 0u : text.size == 3 ? 0xffu : 0xffffu)) == 0;
}

static bool decode(struct buf *out, struct bytes text)
{
    uint8_t bytes[3];

    for (size_t padding = 0; padding < 2 && text.size % 4 == (4 - padding) % 4 && text.size > 0 &&
                             text.at[text.size - 1] == '=';
         padding++)
        text.size--;
    while (text.size > 0) {
        size_t size = text.size < 4 ? text.size : 4;

        if (size < 2 || !decode_group(bytes_take(text, size), bytes) ||
            !buf_add(out, bytes_of(bytes, size - 1)))
            return false;
        text = bytes_skip(text, size);
    }
    return true;
}

/* ---- names ----------------------------------------------------------------------------------- */

static bool word(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

bool object_bucket_valid(struct bytes bucket)
{
    for (size_t i = 0; i < bucket.size; i++)
        if (!word(bucket.at[i]))
            return false;
    return bucket.size > 0 && bucket.size <= OBJECT_BUCKET_MAX;
}

bool object_name_valid(struct bytes name)
{
    return name.size > 0 && name.size <= OBJECT_NAME_MAX;
}

bool object_stream_name(struct buf *out, struct bytes bucket)
{
    size_t before = out->size;

    if (BUF_ADD(out, OBJECT_STREAM_PREFIX) && buf_add(out, bucket))
        return true;
    out->size = before;
    return false;
}

bool object_stream_bucket(struct bytes stream, struct bytes *bucket)
{
    if (!bytes_starts(stream, BYTES(OBJECT_STREAM_PREFIX)))
        return false;
    *bucket = bytes_skip(stream, BYTES(OBJECT_STREAM_PREFIX).size);
    return object_bucket_valid(*bucket);
}

/* ---- subjects -------------------------------------------------------------------------------- */

bool object_chunk_subject(struct buf *out, struct bytes bucket, struct bytes id)
{
    size_t before = out->size;

    if (BUF_ADD(out, "$O.") && buf_add(out, bucket) && BUF_ADD(out, ".C.") && buf_add(out, id))
        return true;
    out->size = before;
    return false;
}

bool object_meta_subject(struct buf *out, struct bytes bucket, struct bytes name)
{
    size_t before = out->size;

    if (BUF_ADD(out, "$O.") && buf_add(out, bucket) && BUF_ADD(out, ".M.") && encode(out, name))
        return true;
    out->size = before;
    return false;
}

/* "$O.<bucket>.M.<rest>" with one token as rest. */
static bool split(struct bytes subject, struct bytes *bucket, struct bytes *rest)
{
    size_t dot;

    if (!bytes_starts(subject, BYTES("$O.")))
        return false;
    subject = bytes_skip(subject, 3);
    dot = bytes_find(subject, '.');
    if (subject.size - dot < 4 || subject.at[dot + 1] != 'M' || subject.at[dot + 2] != '.')
        return false;
    *bucket = bytes_take(subject, dot);
    *rest = bytes_skip(subject, dot + 3);
    return object_bucket_valid(*bucket) && bytes_find(*rest, '.') == rest->size;
}

bool object_meta_read(struct bytes subject, struct bytes *bucket, struct buf *name)
{
    size_t before = name->size;
    struct bytes text;

    if (split(subject, bucket, &text) && decode(name, text))
        return true;
    name->size = before;
    return false;
}

/* ---- digests --------------------------------------------------------------------------------- */

#define DIGEST_PREFIX BYTES("SHA-256=")

void object_digest_write(const uint8_t hash[static OBJECT_HASH_SIZE],
                         char out[static OBJECT_DIGEST_SIZE + 1])
{
    char *at = out + DIGEST_PREFIX.size;

    memcpy(out, DIGEST_PREFIX.at, DIGEST_PREFIX.size);
    for (size_t from = 0; from < OBJECT_HASH_SIZE; from += 3, at += 4)
        encode_group(hash + from, OBJECT_HASH_SIZE - from < 3 ? OBJECT_HASH_SIZE - from : 3, at);
    *at = 0;
    assert(at == out + OBJECT_DIGEST_SIZE);
}

bool object_digest_read(struct bytes digest, uint8_t hash[static OBJECT_HASH_SIZE])
{
    struct buf out;
    bool good;

    if (!bytes_starts(digest, DIGEST_PREFIX))
        return false;
    buf_init(&out, OBJECT_HASH_SIZE);
    good = decode(&out, bytes_skip(digest, DIGEST_PREFIX.size)) && out.size == OBJECT_HASH_SIZE;
    if (good)
        memcpy(hash, out.at, OBJECT_HASH_SIZE);
    buf_deinit(&out);
    return good;
}
