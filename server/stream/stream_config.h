/*
 * stream_config: what a stream is told to be: StreamConfig of the API (reference streams 2.1), its
 * defaults, validation and update rules. Stored in the log as the JSON that the table encodes.
 */
#ifndef SERVER_STREAM_STREAM_CONFIG_H
#define SERVER_STREAM_STREAM_CONFIG_H

#include "base/err.h"
#include "base/schema.h"

enum stream_retention { RETENTION_LIMITS, RETENTION_INTEREST, RETENTION_WORKQUEUE };
enum stream_discard { DISCARD_OLD, DISCARD_NEW };
enum stream_storage { STORAGE_FILE, STORAGE_MEMORY };
enum stream_compression { COMPRESSION_NONE, COMPRESSION_S2 }; /* what is inside is ours */

struct stream_consumer_limits {
    int64_t inactive_threshold_ns;
    int64_t max_ack_pending;
};

struct stream_placement {
    struct bytes cluster;
    struct schema_strings tags;
    struct bytes preferred;
};

/* What a subject becomes (server/router/subject_transform.h). */
struct stream_transform {
    struct bytes source, destination;
};

/* What is stored is published again, too. */
struct stream_republish {
    struct bytes source, destination;
    bool headers_only;
};

struct stream_external {
    struct bytes api, deliver; /* prefixes instead of "$JS.API" and "$JS.M", "$JS.S" */
};

struct stream_source_consumer {
    struct bytes name, deliver_subject;
};

/* Whose messages a stream takes: of a mirror, or one of its sources. */
struct stream_source {
    struct bytes name;
    uint64_t opt_start_seq;
    int64_t opt_start_time_ns;
    struct bytes filter_subject;
    struct schema_objects subject_transforms; /* struct stream_transform */
    struct stream_external *external;
    struct stream_source_consumer *consumer; /* made beforehand; NULL: it makes its own */
};

/* Fields that are not built are in the table (so that they are known) and refused when
 * set. */
struct stream_config {
    struct bytes name;
    struct bytes description;
    struct schema_strings subjects;
    int32_t retention;
    int64_t max_consumers;
    int64_t max_msgs;
    int64_t max_bytes;
    int64_t max_age_ns;
    int64_t max_msgs_per_subject;
    int32_t max_msg_size;
    int32_t discard;
    int32_t storage;
    int64_t num_replicas;
    bool no_ack;
    int64_t duplicate_window_ns;
    int32_t compression; /* enum stream_compression */
    uint64_t first_seq;
    bool allow_direct;
    bool mirror_direct;
    bool discard_new_per_subject;
    bool sealed;
    bool deny_delete;
    bool deny_purge;
    bool allow_rollup_hdrs;
    struct stream_consumer_limits consumer_limits;
    bool allow_msg_ttl;
    int64_t subject_delete_marker_ttl_ns;
    bool allow_msg_counter;
    bool allow_atomic;
    bool allow_msg_schedules;
    int32_t persist_mode;
    bool allow_batched;
    struct schema_map metadata;
    struct stream_transform *subject_transform;
    struct stream_republish *republish;
    struct stream_placement *placement; /* NULL: none */
    struct stream_source *mirror;
    struct schema_objects sources; /* struct stream_source */
};

extern const struct schema stream_config_schema;
extern const struct schema stream_source_schema, stream_external_schema, stream_transform_schema;

/* Reads what the table encoded, as it stands in the log. ERR_CORRUPT: it is something else. */
enum err stream_config_decode(struct bytes json, struct arena *arena, struct stream_config *out);

#endif
