#include "kv/bucket.h"

#include "kv/key.h"

const char *kv_bucket_check(const struct kv_bucket *bucket)
{
    if (!kv_bucket_valid(bucket->name))
        return "invalid bucket name";
    if (bucket->history < 0)
        return "history must not be negative";
    if (bucket->history > KV_HISTORY_MAX)
        return "history limited to a max of 64";
    if (bucket->ttl_ns < 0)
        return "TTL must not be negative";
    if (bucket->marker_ttl_ns != 0 && bucket->marker_ttl_ns < KV_MARKER_TTL_MIN_NS)
        return "limit marker TTL must be at least one second";
    if (bucket->mirror.size > 0 && !kv_bucket_valid(bucket->mirror))
        return "invalid name of the bucket to mirror";
    if (bucket->mirror.size > 0 && bucket->sources.count > 0)
        return "a mirror has no sources";
    for (size_t i = 0; i < bucket->sources.count; i++)
        if (!kv_bucket_valid(bucket->sources.at[i]))
            return "invalid name of a source bucket";
    return NULL;
}

/* ---- to a stream ----------------------------------------------------------------------------- */

/* `prefix` bucket `suffix`; .at NULL: the arena is full. */
static struct bytes text_of(struct arena *arena, struct bytes prefix, struct bytes bucket,
                            struct bytes suffix)
{
    struct bytes out = {NULL, prefix.size + bucket.size + suffix.size};
    uint8_t *at = arena_take(arena, out.size);

    if (at == NULL)
        return bytes_of(NULL, 0);
    memcpy(at, prefix.at, prefix.size);
    memcpy(at + prefix.size, bucket.at, bucket.size);
    if (suffix.size > 0)
        memcpy(at + prefix.size + bucket.size, suffix.at, suffix.size);
    out.at = at;
    return out;
}

static struct bytes stream_of(struct arena *arena, struct bytes bucket)
{
    return text_of(arena, BYTES(KV_STREAM_PREFIX), bucket, BYTES(""));
}

static struct bytes subjects_of(struct arena *arena, struct bytes bucket)
{
    return text_of(arena, BYTES(KV_SUBJECT_PREFIX), bucket, BYTES(".>"));
}

static bool set_mirror(const struct kv_bucket *bucket, struct arena *arena,
                       struct stream_config *out)
{
    out->mirror = ARENA_NEW(arena, struct stream_source);
    if (out->mirror == NULL)
        return false;
    schema_clear(&stream_source_schema, out->mirror);
    out->mirror->name = stream_of(arena, bucket->mirror);
    out->mirror_direct = true;
    return out->mirror->name.at != NULL;
}

static bool set_subjects(const struct kv_bucket *bucket, struct arena *arena,
                         struct stream_config *out)
{
    out->subjects.at = ARENA_NEW(arena, struct bytes);
    if (out->subjects.at == NULL)
        return false;
    out->subjects.at[0] = subjects_of(arena, bucket->name);
    out->subjects.count = 1;
    return out->subjects.at[0].at != NULL;
}

/* A source's keys become keys of this bucket. */
static bool set_source(struct stream_source *source, struct bytes from,
                       const struct kv_bucket *bucket, struct arena *arena)
{
    struct stream_transform *transform = ARENA_NEW(arena, struct stream_transform);

    if (transform == NULL)
        return false;
    schema_clear(&stream_source_schema, source);
    source->name = stream_of(arena, from);
    transform->source = subjects_of(arena, from);
    transform->destination = subjects_of(arena, bucket->name);
    source->subject_transforms = (struct schema_objects){transform, 1};
    return source->name.at != NULL && transform->source.at != NULL &&
           transform->destination.at != NULL;
}

static bool set_sources(const struct kv_bucket *bucket, struct arena *arena,
                        struct stream_config *out)
{
    struct stream_source *sources;

    if (bucket->sources.count == 0)
        return true;
    sources = ARENA_ARRAY(arena, struct stream_source, bucket->sources.count);
    if (sources == NULL)
        return false;
    for (size_t i = 0; i < bucket->sources.count; i++)
        if (!set_source(&sources[i], bucket->sources.at[i], bucket, arena))
            return false;
    out->sources = (struct schema_objects){sources, bucket->sources.count};
    return true;
}

static void set_limits(const struct kv_bucket *bucket, struct stream_config *out)
{
    out->max_msgs_per_subject = bucket->history > 0 ? bucket->history : 1;
    out->max_bytes = bucket->bytes_max > 0 ? bucket->bytes_max : -1;
    out->max_msg_size = bucket->value_max > 0 ? bucket->value_max : -1;
    out->max_msgs = -1;
    out->max_consumers = -1;
    out->max_age_ns = bucket->ttl_ns;
    out->duplicate_window_ns = KV_WINDOW_MAX_NS;
    if (bucket->ttl_ns > 0 && bucket->ttl_ns < KV_WINDOW_MAX_NS)
        out->duplicate_window_ns = bucket->ttl_ns;
    out->allow_msg_ttl = bucket->marker_ttl_ns > 0;
    out->subject_delete_marker_ttl_ns = bucket->marker_ttl_ns;
}

bool kv_bucket_config(const struct kv_bucket *bucket, struct arena *arena,
                      struct stream_config *out)
{
    assert(kv_bucket_check(bucket) == NULL);
    schema_clear(&stream_config_schema, out);
    out->name = stream_of(arena, bucket->name);
    out->description = bucket->description;
    out->discard = DISCARD_NEW;
    out->storage = bucket->storage;
    out->num_replicas = bucket->replicas > 0 ? bucket->replicas : 1;
    out->compression = bucket->compressed;
    out->allow_rollup_hdrs = true;
    out->allow_direct = true;
    out->deny_delete = true;
    out->placement = bucket->placement;
    out->republish = bucket->republish;
    out->metadata = bucket->metadata;
    set_limits(bucket, out);
    if (out->name.at == NULL)
        return false;
    if (bucket->mirror.size > 0)
        return set_mirror(bucket, arena, out);
    return set_subjects(bucket, arena, out) && set_sources(bucket, arena, out);
}

/* ---- from a stream --------------------------------------------------------------------------- */

static bool read_sources(const struct stream_config *config, struct arena *arena,
                         struct kv_bucket *out)
{
    const struct stream_source *sources = config->sources.at;

    if (config->sources.count == 0)
        return true;
    out->sources.at = ARENA_ARRAY(arena, struct bytes, config->sources.count);
    if (out->sources.at == NULL)
        return false;
    for (size_t i = 0; i < config->sources.count; i++)
        if (kv_stream_bucket(sources[i].name, &out->sources.at[out->sources.count]))
            out->sources.count++; /* any stream may be a source; only buckets are listed */
    return true;
}

bool kv_bucket_read(const struct stream_config *config, struct arena *arena, struct kv_bucket *out)
{
    *out = (struct kv_bucket){
        .description = config->description,
        .history = config->max_msgs_per_subject,
        .ttl_ns = config->max_age_ns,
        .marker_ttl_ns = config->subject_delete_marker_ttl_ns,
        .bytes_max = config->max_bytes > 0 ? config->max_bytes : 0,
        .value_max = config->max_msg_size > 0 ? config->max_msg_size : 0,
        .storage = config->storage,
        .replicas = config->num_replicas,
        .compressed = config->compression != 0,
        .placement = config->placement,
        .republish = config->republish,
        .metadata = config->metadata,
    };
    if (!kv_stream_bucket(config->name, &out->name) || config->max_msgs_per_subject < 1)
        return false;
    if (config->mirror != NULL && !kv_stream_bucket(config->mirror->name, &out->mirror))
        return false;
    return read_sources(config, arena, out);
}

bool kv_bucket_prefix(const struct kv_bucket *bucket, struct buf *out)
{
    struct bytes holder = bucket->mirror.size > 0 ? bucket->mirror : bucket->name;

    return kv_subject(out, holder, BYTES(""));
}
