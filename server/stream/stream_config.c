#include "server/stream/stream_config.h"

#include <stddef.h>

static const char *const retention_names[] = {"limits", "interest", "workqueue", NULL};
static const char *const discard_names[] = {"old", "new", NULL};
static const char *const storage_names[] = {"file", "memory", NULL};
static const char *const compression_names[] = {"none", "s2", NULL};
static const char *const persist_names[] = {"default", "async", NULL};

#define LIMIT(field) offsetof(struct stream_consumer_limits, field)
static const struct schema_field limit_fields[] = {
    {"inactive_threshold", SCHEMA_INT64, SCHEMA_NS, LIMIT(inactive_threshold_ns), NULL, NULL},
    {"max_ack_pending", SCHEMA_INT64, SCHEMA_GO_INT, LIMIT(max_ack_pending), NULL, NULL},
};
static const struct schema limits_schema = {"StreamConsumerLimits",
                                            sizeof(struct stream_consumer_limits), limit_fields,
                                            sizeof limit_fields / sizeof limit_fields[0]};

static const struct schema_field placement_fields[] = {
    {"cluster", SCHEMA_STRING, 0, offsetof(struct stream_placement, cluster), NULL, NULL},
    {"tags", SCHEMA_STRINGS, 0, offsetof(struct stream_placement, tags), NULL, NULL},
    {"preferred", SCHEMA_STRING, 0, offsetof(struct stream_placement, preferred), NULL, NULL},
};
static const struct schema placement_schema = {"Placement", sizeof(struct stream_placement),
                                               placement_fields, 3};

#define TRANSFORM(field) offsetof(struct stream_transform, field)
static const struct schema_field transform_fields[] = {
    {"src", SCHEMA_STRING, SCHEMA_ALWAYS, TRANSFORM(source), NULL, NULL},
    {"dest", SCHEMA_STRING, SCHEMA_ALWAYS, TRANSFORM(destination), NULL, NULL},
};
const struct schema stream_transform_schema = {
    "SubjectTransformConfig", sizeof(struct stream_transform), transform_fields, 2};

#define REPUBLISH(field) offsetof(struct stream_republish, field)
static const struct schema_field republish_fields[] = {
    {"src", SCHEMA_STRING, 0, REPUBLISH(source), NULL, NULL},
    {"dest", SCHEMA_STRING, SCHEMA_ALWAYS, REPUBLISH(destination), NULL, NULL},
    {"headers_only", SCHEMA_BOOL, 0, REPUBLISH(headers_only), NULL, NULL},
};
static const struct schema republish_schema = {"RePublish", sizeof(struct stream_republish),
                                               republish_fields, 3};

#define EXTERNAL(field) offsetof(struct stream_external, field)
static const struct schema_field external_fields[] = {
    {"api", SCHEMA_STRING, SCHEMA_ALWAYS, EXTERNAL(api), NULL, NULL},
    {"deliver", SCHEMA_STRING, SCHEMA_ALWAYS, EXTERNAL(deliver), NULL, NULL},
};
const struct schema stream_external_schema = {"ExternalStream", sizeof(struct stream_external),
                                              external_fields, 2};

#define CONSUMER(field) offsetof(struct stream_source_consumer, field)
static const struct schema_field source_consumer_fields[] = {
    {"name", SCHEMA_STRING, 0, CONSUMER(name), NULL, NULL},
    {"deliver_subject", SCHEMA_STRING, 0, CONSUMER(deliver_subject), NULL, NULL},
};
static const struct schema source_consumer_schema = {
    "StreamConsumerSource", sizeof(struct stream_source_consumer), source_consumer_fields, 2};

#define SOURCE(field) offsetof(struct stream_source, field)
static const struct schema_field source_fields[] = {
    {"name", SCHEMA_STRING, SCHEMA_ALWAYS, SOURCE(name), NULL, NULL},
    {"opt_start_seq", SCHEMA_UINT64, 0, SOURCE(opt_start_seq), NULL, NULL},
    {"opt_start_time", SCHEMA_TIME, SCHEMA_GIVEN, SOURCE(opt_start_time_ns), NULL, NULL},
    {"filter_subject", SCHEMA_STRING, 0, SOURCE(filter_subject), NULL, NULL},
    {"subject_transforms", SCHEMA_OBJECTS, 0, SOURCE(subject_transforms), NULL,
     &stream_transform_schema},
    {"external", SCHEMA_OBJECT, 0, SOURCE(external), NULL, &stream_external_schema},
    {"consumer", SCHEMA_OBJECT, 0, SOURCE(consumer), NULL, &source_consumer_schema},
};
const struct schema stream_source_schema = {"StreamSource", sizeof(struct stream_source),
                                            source_fields,
                                            sizeof source_fields / sizeof source_fields[0]};

#define AT(field) offsetof(struct stream_config, field)
#define FIELD(name, type, flags, at)                                                               \
    {                                                                                              \
        name, type, flags, AT(at), NULL, NULL                                                      \
    }
static const struct schema_field fields[] = {
    FIELD("name", SCHEMA_STRING, SCHEMA_ALWAYS, name),
    FIELD("description", SCHEMA_STRING, 0, description),
    FIELD("subjects", SCHEMA_STRINGS, 0, subjects),
    {"retention", SCHEMA_ENUM, SCHEMA_ALWAYS, AT(retention), retention_names, NULL},
    FIELD("max_consumers", SCHEMA_INT64, SCHEMA_ALWAYS | SCHEMA_GO_INT, max_consumers),
    FIELD("max_msgs", SCHEMA_INT64, SCHEMA_ALWAYS, max_msgs),
    FIELD("max_bytes", SCHEMA_INT64, SCHEMA_ALWAYS, max_bytes),
    FIELD("max_age", SCHEMA_INT64, SCHEMA_ALWAYS | SCHEMA_NS, max_age_ns),
    FIELD("max_msgs_per_subject", SCHEMA_INT64, SCHEMA_ALWAYS, max_msgs_per_subject),
    FIELD("max_msg_size", SCHEMA_INT32, 0, max_msg_size),
    {"discard", SCHEMA_ENUM, SCHEMA_ALWAYS | SCHEMA_NOCASE, AT(discard), discard_names, NULL},
    {"storage", SCHEMA_ENUM, SCHEMA_ALWAYS, AT(storage), storage_names, NULL},
    FIELD("num_replicas", SCHEMA_INT64, SCHEMA_ALWAYS | SCHEMA_GO_INT, num_replicas),
    FIELD("no_ack", SCHEMA_BOOL, 0, no_ack),
    FIELD("duplicate_window", SCHEMA_INT64, SCHEMA_NS, duplicate_window_ns),
    {"placement", SCHEMA_OBJECT, 0, AT(placement), NULL, &placement_schema},
    {"mirror", SCHEMA_OBJECT, 0, AT(mirror), NULL, &stream_source_schema},
    {"sources", SCHEMA_OBJECTS, SCHEMA_POINTERS, AT(sources), NULL, &stream_source_schema},
    {"compression", SCHEMA_ENUM, SCHEMA_ALWAYS, AT(compression), compression_names, NULL,
     "unknown compression algorithm"},
    FIELD("first_seq", SCHEMA_UINT64, 0, first_seq),
    {"subject_transform", SCHEMA_OBJECT, 0, AT(subject_transform), NULL, &stream_transform_schema},
    {"republish", SCHEMA_OBJECT, 0, AT(republish), NULL, &republish_schema},
    FIELD("allow_direct", SCHEMA_BOOL, SCHEMA_ALWAYS, allow_direct),
    FIELD("mirror_direct", SCHEMA_BOOL, SCHEMA_ALWAYS, mirror_direct),
    FIELD("discard_new_per_subject", SCHEMA_BOOL, 0, discard_new_per_subject),
    FIELD("sealed", SCHEMA_BOOL, SCHEMA_ALWAYS, sealed),
    FIELD("deny_delete", SCHEMA_BOOL, SCHEMA_ALWAYS, deny_delete),
    FIELD("deny_purge", SCHEMA_BOOL, SCHEMA_ALWAYS, deny_purge),
    FIELD("allow_rollup_hdrs", SCHEMA_BOOL, SCHEMA_ALWAYS, allow_rollup_hdrs),
    {"consumer_limits", SCHEMA_EMBEDDED, SCHEMA_ALWAYS, AT(consumer_limits), NULL, &limits_schema},
    FIELD("allow_msg_ttl", SCHEMA_BOOL, SCHEMA_ALWAYS, allow_msg_ttl),
    FIELD("subject_delete_marker_ttl", SCHEMA_INT64, SCHEMA_NS, subject_delete_marker_ttl_ns),
    FIELD("allow_msg_counter", SCHEMA_BOOL, 0, allow_msg_counter),
    FIELD("allow_atomic", SCHEMA_BOOL, 0, allow_atomic),
    FIELD("allow_msg_schedules", SCHEMA_BOOL, 0, allow_msg_schedules),
    {"persist_mode", SCHEMA_ENUM, SCHEMA_EMPTY_OK, AT(persist_mode), persist_names, NULL},
    FIELD("allow_batched", SCHEMA_BOOL, 0, allow_batched),
    FIELD("metadata", SCHEMA_MAP, 0, metadata),
};

const struct schema stream_config_schema = {"StreamConfigRequest.StreamConfig",
                                            sizeof(struct stream_config), fields,
                                            sizeof fields / sizeof fields[0]};

enum err stream_config_decode(struct bytes json, struct arena *arena, struct stream_config *out)
{
    struct json_error error;
    struct json *parsed = json_parse(arena, json, &error);

    schema_clear(&stream_config_schema, out);
    if (parsed == NULL || !schema_parse(&stream_config_schema, parsed, true, arena, out, &error))
        return ERR_CORRUPT;
    return OK;
}
