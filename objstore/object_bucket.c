#include "objstore/object_bucket.h"

#include <stdio.h>

#include "objstore/object_name.h"

#define WINDOW_MAX_NS (120 * INT64_C(1000000000))

const char *object_bucket_check(const struct object_bucket *bucket)
{
    if (!object_bucket_valid(bucket->name))
        return "invalid bucket name";
    if (bucket->ttl_ns < 0)
        return "TTL must not be negative";
    return NULL;
}

/* `prefix` bucket `suffix`; .at NULL: the arena is full. */
static struct bytes text_of(struct arena *arena, const char *prefix, struct bytes bucket,
                            const char *suffix)
{
    size_t size = strlen(prefix) + bucket.size + strlen(suffix);
    char *at = arena_take(arena, size + 1);

    if (at == NULL)
        return bytes_of(NULL, 0);
    snprintf(at, size + 1, "%s%.*s%s", prefix, BYTES_ARG(bucket), suffix);
    return bytes_of(at, size);
}

bool object_bucket_config(const struct object_bucket *bucket, struct arena *arena,
                          struct stream_config *out)
{
    struct bytes *subjects = ARENA_ARRAY(arena, struct bytes, 2);

    assert(object_bucket_check(bucket) == NULL);
    if (subjects == NULL)
        return false;
    schema_clear(&stream_config_schema, out);
    out->name = text_of(arena, OBJECT_STREAM_PREFIX, bucket->name, "");
    out->description = bucket->description;
    subjects[0] = text_of(arena, "$O.", bucket->name, ".C.>");
    subjects[1] = text_of(arena, "$O.", bucket->name, ".M.>");
    out->subjects = (struct schema_strings){subjects, 2};
    out->discard = DISCARD_NEW;
    out->max_msgs = -1;
    out->max_consumers = -1;
    out->max_msg_size = -1;
    out->max_msgs_per_subject = -1;
    out->max_bytes = bucket->bytes_max > 0 ? bucket->bytes_max : -1;
    out->max_age_ns = bucket->ttl_ns;
    out->duplicate_window_ns =
        bucket->ttl_ns > 0 && bucket->ttl_ns < WINDOW_MAX_NS ? bucket->ttl_ns : WINDOW_MAX_NS;
    out->storage = bucket->storage;
    out->num_replicas = bucket->replicas > 0 ? bucket->replicas : 1;
    out->compression = bucket->compressed;
    out->allow_rollup_hdrs = true;
    out->allow_direct = true;
    out->sealed = bucket->sealed;
    out->placement = bucket->placement;
    out->metadata = bucket->metadata;
    return out->name.at != NULL && subjects[0].at != NULL && subjects[1].at != NULL;
}

bool object_bucket_read(const struct stream_config *config, struct object_bucket *out)
{
    *out = (struct object_bucket){
        .description = config->description,
        .ttl_ns = config->max_age_ns,
        .bytes_max = config->max_bytes > 0 ? config->max_bytes : 0,
        .storage = config->storage,
        .replicas = config->num_replicas,
        .compressed = config->compression != 0,
        .sealed = config->sealed,
        .placement = config->placement,
        .metadata = config->metadata,
    };
    return object_stream_bucket(config->name, &out->name);
}
