#include "consumers/consumer_config.h"

static const char *const deliver_names[] = {
    "all",           "last",             "new",       "by_start_sequence",
    "by_start_time", "last_per_subject", "undefined", NULL,
};
static const char *const ack_names[] = {"none", "all", "explicit", "flow_control", NULL};
static const char *const replay_names[] = {"instant", "original", NULL};
static const char *const priority_names[] = {
    "none", "overflow", "pinned_client", "prioritized", NULL,
};

#define FIELD(json_name, json_type, member, ...)                                                   \
    {.name = json_name,                                                                            \
     .type = json_type,                                                                            \
     .offset = offsetof(struct consumer_config, member),                                           \
     __VA_ARGS__}

/* In the order in which responses show them (reference consumers 2.1). */
static const struct schema_field fields[] = {
    FIELD("durable_name", SCHEMA_STRING, durable_name),
    FIELD("name", SCHEMA_STRING, name),
    FIELD("description", SCHEMA_STRING, description),
    FIELD("deliver_policy", SCHEMA_ENUM, deliver_policy, .flags = SCHEMA_ALWAYS,
          .names = deliver_names),
    FIELD("opt_start_seq", SCHEMA_UINT64, opt_start_seq),
    FIELD("opt_start_time", SCHEMA_TIME, opt_start_time_ns),
    FIELD("ack_policy", SCHEMA_ENUM, ack_policy, .flags = SCHEMA_ALWAYS, .names = ack_names),
    FIELD("ack_wait", SCHEMA_INT64, ack_wait_ns),
    FIELD("max_deliver", SCHEMA_INT64, max_deliver),
    FIELD("backoff", SCHEMA_INTS, backoff_ns),
    FIELD("filter_subject", SCHEMA_STRING, filter_subject),
    FIELD("filter_subjects", SCHEMA_STRINGS, filter_subjects),
    FIELD("replay_policy", SCHEMA_ENUM, replay_policy, .flags = SCHEMA_ALWAYS,
          .names = replay_names),
    FIELD("rate_limit_bps", SCHEMA_UINT64, rate_limit_bps),
    FIELD("sample_freq", SCHEMA_STRING, sample_freq),
    FIELD("max_waiting", SCHEMA_INT64, max_waiting),
    FIELD("max_ack_pending", SCHEMA_INT64, max_ack_pending),
    FIELD("flow_control", SCHEMA_BOOL, flow_control),
    FIELD("headers_only", SCHEMA_BOOL, headers_only),
    FIELD("max_batch", SCHEMA_INT64, max_batch),
    FIELD("max_expires", SCHEMA_INT64, max_expires_ns),
    FIELD("max_bytes", SCHEMA_INT64, max_bytes),
    FIELD("deliver_subject", SCHEMA_STRING, deliver_subject),
    FIELD("deliver_group", SCHEMA_STRING, deliver_group),
    FIELD("idle_heartbeat", SCHEMA_INT64, idle_heartbeat_ns),
    FIELD("inactive_threshold", SCHEMA_INT64, inactive_threshold_ns),
    FIELD("num_replicas", SCHEMA_INT64, num_replicas, .flags = SCHEMA_ALWAYS),
    FIELD("mem_storage", SCHEMA_BOOL, mem_storage),
    FIELD("direct", SCHEMA_BOOL, direct),
    FIELD("sourcing", SCHEMA_BOOL, sourcing),
    FIELD("metadata", SCHEMA_MAP, metadata),
    FIELD("pause_until", SCHEMA_TIME, pause_until_ns),
    FIELD("priority_groups", SCHEMA_STRINGS, priority_groups, .flags = SCHEMA_REFUSED),
    FIELD("priority_policy", SCHEMA_ENUM, priority_policy, .flags = SCHEMA_REFUSED,
          .names = priority_names),
    FIELD("priority_timeout", SCHEMA_INT64, priority_timeout_ns, .flags = SCHEMA_REFUSED),
};

const struct schema consumer_config_schema = {
    .go_name = "ConsumerConfig",
    .size = sizeof(struct consumer_config),
    .fields = fields,
    .count = sizeof(fields) / sizeof(fields[0]),
};
