#include "consumers/pull.h"

#include "consumers/headers.h"
#include "consumers/status.h"

/* The members of the JSON form; others are ignored. */
struct pull_json {
    int64_t expires_ns;
    int64_t batch;
    int64_t max_bytes;
    bool no_wait;
    int64_t heartbeat_ns;
    struct bytes group;
    int64_t min_pending;
    int64_t min_ack_pending;
    struct bytes id;
    int64_t priority;
};

#define FIELD(json_name, json_type, json_flags, member)                                            \
    {                                                                                              \
        .name = json_name, .type = json_type, .flags = json_flags,                                 \
        .offset = offsetof(struct pull_json, member)                                               \
    }

static const struct schema_field pull_fields[] = {
    FIELD("expires", SCHEMA_INT64, SCHEMA_NS, expires_ns),
    FIELD("batch", SCHEMA_INT64, SCHEMA_GO_INT, batch),
    FIELD("max_bytes", SCHEMA_INT64, SCHEMA_GO_INT, max_bytes),
    FIELD("no_wait", SCHEMA_BOOL, 0, no_wait),
    FIELD("idle_heartbeat", SCHEMA_INT64, SCHEMA_NS, heartbeat_ns),
};

/* A struct of its own there, as the texts of its errors show. */
static const struct schema_field group_fields[] = {
    FIELD("group", SCHEMA_STRING, 0, group),
    FIELD("min_pending", SCHEMA_INT64, 0, min_pending),
    FIELD("min_ack_pending", SCHEMA_INT64, 0, min_ack_pending),
    FIELD("id", SCHEMA_STRING, 0, id),
    FIELD("priority", SCHEMA_INT64, SCHEMA_GO_INT, priority),
};

static const struct schema group_schema = {
    .go_name = "JSApiConsumerGetNextRequest.PriorityGroup",
    .size = sizeof(struct pull_json),
    .fields = group_fields,
    .count = sizeof(group_fields) / sizeof(group_fields[0]),
};

static const struct schema pull_schema = {
    .base = &group_schema,
    .go_name = "JSApiConsumerGetNextRequest",
    .size = sizeof(struct pull_json),
    .fields = pull_fields,
    .count = sizeof(pull_fields) / sizeof(pull_fields[0]),
};

/* ---- headers --------------------------------------------------------------------------------- */

/* Absent, empty, and below 0 ask for nothing; what is no number asks for too much. */
static bool level_reached(struct bytes headers)
{
    struct bytes value;
    uint64_t level;

    if (!headers_find(headers, BYTES("Nats-Required-Api-Level"), &value) || value.size == 0)
        return true;
    if (value.at[0] == '-')
        return bytes_read_u64(bytes_skip(value, 1), &level);
    return bytes_read_u64(value, &level) && level <= PULL_API_LEVEL;
}

/* ---- body ------------------------------------------------------------------------------------ */

/* A number with an optional sign, as Go's Atoi takes it. Anything else, and what is below 1, means
 * 1. */
static uint64_t read_batch(struct bytes text)
{
    uint64_t batch;

    if (text.size > 0 && text.at[0] == '+')
        text = bytes_skip(text, 1);
    return bytes_read_u64(text, &batch) && batch > 0 && batch <= INT64_MAX ? batch : 1;
}

static bool refuse(struct buf *status, enum status reason)
{
    status_write(status, reason, 0, 0);
    return false;
}

static bool check_json(const struct pull_json *json, const struct consumer_config *config,
                       struct buf *status)
{
    if (json->heartbeat_ns > 0 && json->heartbeat_ns > json->expires_ns / 2)
        return refuse(status, STATUS_HEARTBEAT_TOO_LARGE);
    if (config->max_batch > 0 && json->batch > config->max_batch) {
        status_max_batch(status, config->max_batch);
        return false;
    }
    if (config->max_expires_ns > 0 && json->expires_ns > config->max_expires_ns) {
        status_max_expires(status, config->max_expires_ns);
        return false;
    }
    if (config->max_bytes > 0 && json->max_bytes > config->max_bytes) {
        status_max_bytes(status, config->max_bytes);
        return false;
    }
    return true;
}

static bool has_group(const struct consumer_config *config, struct bytes name)
{
    for (size_t i = 0; i < config->priority_groups.count; i++)
        if (bytes_equal(config->priority_groups.at[i], name))
            return true;
    return false;
}

/* What is asked of a priority group; only the JSON form can name one. */
static bool check_group(const struct pull_json *json, const struct consumer_config *config,
                        struct buf *status)
{
    if ((json->min_pending != 0 || json->min_ack_pending != 0) &&
        config->priority_policy != PRIORITY_OVERFLOW)
        return refuse(status, STATUS_NOT_OVERFLOW);
    if (json->id.size > 0 && config->priority_policy != PRIORITY_PINNED)
        return refuse(status, STATUS_NOT_PINNED);
    if (json->priority < 0 || json->priority > 9)
        return refuse(status, STATUS_BAD_PRIORITY);
    if (config->priority_policy == PRIORITY_NONE)
        return true;
    if (json->group.size == 0)
        return refuse(status, STATUS_NO_GROUP);
    return has_group(config, json->group) ? true : refuse(status, STATUS_BAD_GROUP);
}

static bool read_json(struct pull_json *json, struct bytes body, struct arena *arena,
                      struct buf *status)
{
    struct json_error error;
    const struct json *parsed = json_parse(arena, body, &error);

    if (parsed == NULL || !schema_parse(&pull_schema, parsed, false, arena, json, &error)) {
        status_bad_request(status, error.text);
        return false;
    }
    return true;
}

bool pull_read(struct pull *pull, const struct consumer_config *config, struct bytes headers,
               struct bytes body, struct arena *arena, struct buf *status)
{
    struct pull_json json = {0};
    bool is_json;

    body = bytes_trim(body);
    is_json = body.size > 0 && body.at[0] == '{';
    if (!level_reached(headers))
        return refuse(status, STATUS_API_LEVEL);
    if (is_json) {
        if (!read_json(&json, body, arena, status))
            return false;
    } else {
        json.batch = (int64_t)read_batch(body);
    }
    if (!check_json(&json, config, status) || (is_json && !check_group(&json, config, status)))
        return false;

    *pull = (struct pull){
        .batch = json.batch > 0 ? (uint64_t)json.batch : 1,
        .batch_given = json.batch > 0,
        .max_bytes = json.max_bytes > 0 ? (uint64_t)json.max_bytes : 0,
        .expires_ns = json.expires_ns,
        .heartbeat_ns = json.heartbeat_ns > 0 ? json.heartbeat_ns : 0,
        .no_wait = json.no_wait,
        .min_pending = json.min_pending > 0 ? (uint64_t)json.min_pending : 0,
        .min_ack_pending = json.min_ack_pending > 0 ? (uint64_t)json.min_ack_pending : 0,
        .id = json.id,
        .priority = is_json ? (uint8_t)json.priority : PULL_PRIORITY_LAST,
    };
    return true;
}
