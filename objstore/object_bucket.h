/*
 * object_bucket: what an object bucket is told to be, as the configuration of its stream, and back
 * (reference consumers 12.1). Pure.
 */
#ifndef OBJSTORE_OBJECT_BUCKET_H
#define OBJSTORE_OBJECT_BUCKET_H

#include "server/stream/stream_config.h"

struct object_bucket {
    struct bytes name;
    struct bytes description;
    int64_t ttl_ns;    /* of every object; 0: for ever */
    int64_t bytes_max; /* 0 and below: no limit */
    int32_t storage;   /* enum stream_storage */
    int64_t replicas;  /* 0: one */
    bool compressed;
    bool sealed; /* nothing changes in it any more; only an update may say so */
    struct stream_placement *placement;
    struct schema_map metadata;
};

/* NULL: it can be made; else why not, in words for its user. */
const char *object_bucket_check(const struct object_bucket *bucket);

/* The stream of a checked bucket, complete; views of it and of `arena`. False: `arena` is full. */
bool object_bucket_config(const struct object_bucket *bucket, struct arena *arena,
                          struct stream_config *out);

/* The bucket that a stream is; views of `config`. False: it is none. */
bool object_bucket_read(const struct stream_config *config, struct object_bucket *out);

#endif
