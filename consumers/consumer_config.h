/*
 * consumer_config: ConsumerConfig of the API (reference consumers 2.1). The table drives parsing,
 * encoding and storage; validation and update rules are in server/api.
 */
#ifndef CONSUMERS_CONSUMER_CONFIG_H
#define CONSUMERS_CONSUMER_CONFIG_H

#include "base/err.h"
#include "base/schema.h"

enum deliver_policy {
    DELIVER_ALL,
    DELIVER_LAST,
    DELIVER_NEW,
    DELIVER_BY_START_SEQUENCE,
    DELIVER_BY_START_TIME,
    DELIVER_LAST_PER_SUBJECT,
    DELIVER_UNDEFINED, /* only in requests: means all, and validation says so */
};
enum ack_policy { ACK_NONE, ACK_ALL, ACK_EXPLICIT, ACK_FLOW_CONTROL };
enum replay_policy { REPLAY_INSTANT, REPLAY_ORIGINAL };
enum priority_policy { PRIORITY_NONE, PRIORITY_OVERFLOW, PRIORITY_PINNED, PRIORITY_PRIORITIZED };

/* The order is for size: there are thousands of them. */
struct consumer_config {
    struct bytes durable_name;
    struct bytes name;
    struct bytes description;
    struct bytes filter_subject;
    struct bytes sample_freq;
    struct bytes deliver_subject;
    struct bytes deliver_group;
    struct schema_ints backoff_ns;
    struct schema_strings filter_subjects;
    struct schema_strings priority_groups;
    struct schema_map metadata;
    uint64_t opt_start_seq;
    int64_t opt_start_time_ns; /* TIME_UNSET: none */
    int64_t ack_wait_ns;
    int64_t max_deliver;
    uint64_t rate_limit_bps;
    int64_t max_waiting;
    int64_t max_ack_pending;
    int64_t max_batch;
    int64_t max_expires_ns;
    int64_t max_bytes;
    int64_t idle_heartbeat_ns;
    int64_t inactive_threshold_ns;
    int64_t num_replicas;
    int64_t pause_until_ns; /* TIME_UNSET: none */
    int64_t priority_timeout_ns;
    int32_t deliver_policy;
    int32_t ack_policy;
    int32_t replay_policy;
    int32_t priority_policy;
    bool flow_control;
    bool headers_only;
    bool mem_storage;
    bool direct;
    bool sourcing;
};

extern const struct schema consumer_config_schema;

/* What a config that the API has taken may need when it is read again: as much as there. */
#define CONSUMER_CONFIG_ARENA_MAX (64u << 20)

/*
 * A copy of `from` in `to`, and everything that it points to in one piece of memory of no more than
 * the size that it needs; the caller gives it back (heap_give). A durable name that is the name is
 * there once.
 */
void *consumer_config_pack(const struct consumer_config *from, struct consumer_config *to);

/* Reads what the table encoded, as it stands in the log. ERR_CORRUPT: it is something else. */
enum err consumer_config_decode(struct bytes json, struct arena *arena,
                                struct consumer_config *out);

#endif
