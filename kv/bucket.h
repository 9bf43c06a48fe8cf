/*
 * bucket: what a key-value bucket is told to be, as the configuration of its stream, and back
 * (reference consumers 11.1, 11.2). Clients of every language make the same stream from the same
 * options; this is the one table of how. Pure.
 */
#ifndef KV_BUCKET_H
#define KV_BUCKET_H

#include "server/stream/stream_config.h"

#define KV_HISTORY_MAX       64
#define KV_MARKER_TTL_MIN_NS 1000000000
#define KV_WINDOW_MAX_NS     (120 * INT64_C(1000000000))

struct kv_bucket {
    struct bytes name;
    struct bytes description;
    int64_t history;       /* values of a key that are kept; 0: one */
    int64_t ttl_ns;        /* of every value; 0: for ever */
    int64_t marker_ttl_ns; /* how long it shows that a value expired; 0: values have no own TTL */
    int64_t bytes_max;     /* 0 and below: no limit */
    int32_t value_max;     /* 0 and below: no limit */
    int32_t storage;       /* enum stream_storage */
    int64_t replicas;      /* 0: one */
    bool compressed;
    struct stream_placement *placement;
    struct stream_republish *republish;
    struct schema_map metadata;
    struct bytes mirror;           /* the bucket it is a copy of; empty: none */
    struct schema_strings sources; /* buckets whose values it takes */
};

/* NULL: it can be made; else why not, in words for its user. */
const char *kv_bucket_check(const struct kv_bucket *bucket);

/*
 * The stream of a checked bucket: what STREAM.CREATE and STREAM.UPDATE are to be given, complete.
 * What it points to is in `arena` or the bucket's. False: `arena` is full.
 */
bool kv_bucket_config(const struct kv_bucket *bucket, struct arena *arena,
                      struct stream_config *out);

/* The bucket that a stream is, views of `config`. Names of sources are in `arena`. False: it is
 * none, or `arena` is full. */
bool kv_bucket_read(const struct stream_config *config, struct arena *arena, struct kv_bucket *out);

/*
 * What stands before a key in the subject under which the bucket's values are read: a mirror keeps
 * the subjects of its origin, and what is put into it goes to the origin, too. Appended to `out`:
 * "$KV.<bucket>.". False: `out` is at its limit.
 */
bool kv_bucket_prefix(const struct kv_bucket *bucket, struct buf *out);

#endif
