/*
 * key: names of buckets and keys, and where they live: the values of a key are the messages with
 * the subject "$KV.<bucket>.<key>" in the stream "KV_<bucket>" (reference consumers 11.1, 11.8).
 * Pure. Functions that append to `out` append all or, at its limit, nothing and return false.
 */
#ifndef KV_KEY_H
#define KV_KEY_H

#include "base/buf.h"
#include "base/limits.h"

#define KV_STREAM_PREFIX  "KV_"
#define KV_SUBJECT_PREFIX "$KV."
#define KV_BUCKET_MAX     (NAME_SIZE_MAX - (sizeof KV_STREAM_PREFIX - 1))

/* Letters, digits, '-' and '_'; at least one, at most KV_BUCKET_MAX. */
bool kv_bucket_valid(struct bytes bucket);
/* What every client library takes: letters, digits and "-/_=.", no empty token. */
bool kv_key_valid(struct bytes key);
/* A key whose tokens may be '*', and the last one '>'. */
bool kv_filter_valid(struct bytes filter);

bool kv_stream_name(struct buf *out, struct bytes bucket);
/* False: no stream of a bucket has that name. *bucket is a view of `stream`. */
bool kv_stream_bucket(struct bytes stream, struct bytes *bucket);
/* `key` may be a filter. */
bool kv_subject(struct buf *out, struct bytes bucket, struct bytes key);
/* False: no key lives there. Views of `subject`. */
bool kv_subject_read(struct bytes subject, struct bytes *bucket, struct bytes *key);

#endif
