#include "kv/key.h"

static bool word(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

static bool all_words(struct bytes text)
{
    for (size_t i = 0; i < text.size; i++)
        if (!word(text.at[i]))
            return false;
    return true;
}

bool kv_bucket_valid(struct bytes bucket)
{
    return bucket.size > 0 && bucket.size <= KV_BUCKET_MAX && all_words(bucket);
}

static bool token_valid(struct bytes token, bool last, bool wild)
{
    if (wild && (bytes_equal(token, BYTES("*")) || (last && bytes_equal(token, BYTES(">")))))
        return true;
    for (size_t i = 0; i < token.size; i++)
        if (!word(token.at[i]) && token.at[i] != '/' && token.at[i] != '=')
            return false;
    return token.size > 0;
}

static bool tokens_valid(struct bytes key, bool wild)
{
    for (;;) {
        size_t end = bytes_find(key, '.');

        if (!token_valid(bytes_take(key, end), end == key.size, wild))
            return false;
        if (end == key.size)
            return true;
        key = bytes_skip(key, end + 1);
    }
}

bool kv_key_valid(struct bytes key)
{
    return key.size <= SUBJECT_SIZE_MAX && tokens_valid(key, false);
}

bool kv_filter_valid(struct bytes filter)
{
    return filter.size <= SUBJECT_SIZE_MAX && tokens_valid(filter, true);
}

static bool add_two(struct buf *out, struct bytes prefix, struct bytes rest)
{
    size_t before = out->size;

    if (buf_add(out, prefix) && buf_add(out, rest))
        return true;
    out->size = before;
    return false;
}

bool kv_stream_name(struct buf *out, struct bytes bucket)
{
    return add_two(out, BYTES(KV_STREAM_PREFIX), bucket);
}

bool kv_stream_bucket(struct bytes stream, struct bytes *bucket)
{
    if (!bytes_starts(stream, BYTES(KV_STREAM_PREFIX)))
        return false;
    *bucket = bytes_skip(stream, BYTES(KV_STREAM_PREFIX).size);
    return kv_bucket_valid(*bucket);
}

bool kv_subject(struct buf *out, struct bytes bucket, struct bytes key)
{
    size_t before = out->size;

    if (add_two(out, BYTES(KV_SUBJECT_PREFIX), bucket) && add_two(out, BYTES("."), key))
        return true;
    out->size = before;
    return false;
}

bool kv_subject_read(struct bytes subject, struct bytes *bucket, struct bytes *key)
{
    size_t dot;

    if (!bytes_starts(subject, BYTES(KV_SUBJECT_PREFIX)))
        return false;
    subject = bytes_skip(subject, BYTES(KV_SUBJECT_PREFIX).size);
    dot = bytes_find(subject, '.');
    if (dot == subject.size)
        return false;
    *bucket = bytes_take(subject, dot);
    *key = bytes_skip(subject, dot + 1);
    return kv_bucket_valid(*bucket) && key->size > 0;
}
