#include "consumers/consumer_config.h"

#include <stddef.h>

#include "base/heap.h"

static const char *const deliver_names[] = {
    "all",       "last", "new", "by_start_sequence", "by_start_time", "last_per_subject",
    "undefined", NULL};
static const char *const ack_names[] = {"none", "all", "explicit", "flow_control", NULL};
static const char *const replay_names[] = {"instant", "original", NULL};
static const char *const priority_names[] = {"none", "overflow", "pinned_client", "prioritized",
                                             NULL};

#define AT(field) offsetof(struct consumer_config, field)
#define FIELD(name, type, flags, at)                                                               \
    {                                                                                              \
        name, type, flags, AT(at), NULL, NULL                                                      \
    }
static const struct schema_field fields[] = {
    FIELD("durable_name", SCHEMA_STRING, 0, durable_name),
    FIELD("name", SCHEMA_STRING, 0, name),
    FIELD("description", SCHEMA_STRING, 0, description),
    {"deliver_policy", SCHEMA_ENUM, SCHEMA_ALWAYS, AT(deliver_policy), deliver_names, NULL},
    FIELD("opt_start_seq", SCHEMA_UINT64, 0, opt_start_seq),
    FIELD("opt_start_time", SCHEMA_TIME, SCHEMA_GIVEN, opt_start_time_ns),
    {"ack_policy", SCHEMA_ENUM, SCHEMA_ALWAYS, AT(ack_policy), ack_names, NULL},
    FIELD("ack_wait", SCHEMA_INT64, SCHEMA_NS, ack_wait_ns),
    FIELD("max_deliver", SCHEMA_INT64, SCHEMA_GO_INT, max_deliver),
    FIELD("backoff", SCHEMA_INTS, 0, backoff_ns),
    FIELD("filter_subject", SCHEMA_STRING, 0, filter_subject),
    FIELD("filter_subjects", SCHEMA_STRINGS, 0, filter_subjects),
    {"replay_policy", SCHEMA_ENUM, SCHEMA_ALWAYS, AT(replay_policy), replay_names, NULL},
    FIELD("rate_limit_bps", SCHEMA_UINT64, 0, rate_limit_bps),
    FIELD("sample_freq", SCHEMA_STRING, 0, sample_freq),
    FIELD("max_waiting", SCHEMA_INT64, SCHEMA_GO_INT, max_waiting),
    FIELD("max_ack_pending", SCHEMA_INT64, SCHEMA_GO_INT, max_ack_pending),
    FIELD("flow_control", SCHEMA_BOOL, 0, flow_control),
    FIELD("headers_only", SCHEMA_BOOL, 0, headers_only),
    FIELD("max_batch", SCHEMA_INT64, SCHEMA_GO_INT, max_batch),
    FIELD("max_expires", SCHEMA_INT64, SCHEMA_NS, max_expires_ns),
    FIELD("max_bytes", SCHEMA_INT64, SCHEMA_GO_INT, max_bytes),
    FIELD("deliver_subject", SCHEMA_STRING, 0, deliver_subject),
    FIELD("deliver_group", SCHEMA_STRING, 0, deliver_group),
    FIELD("idle_heartbeat", SCHEMA_INT64, SCHEMA_NS, idle_heartbeat_ns),
    FIELD("inactive_threshold", SCHEMA_INT64, SCHEMA_NS, inactive_threshold_ns),
    FIELD("num_replicas", SCHEMA_INT64, SCHEMA_ALWAYS | SCHEMA_GO_INT, num_replicas),
    FIELD("mem_storage", SCHEMA_BOOL, 0, mem_storage),
    FIELD("direct", SCHEMA_BOOL, 0, direct),
    FIELD("sourcing", SCHEMA_BOOL, 0, sourcing),
    FIELD("metadata", SCHEMA_MAP, 0, metadata),
    FIELD("pause_until", SCHEMA_TIME, 0, pause_until_ns),
    FIELD("priority_groups", SCHEMA_STRINGS, 0, priority_groups),
    {"priority_policy", SCHEMA_ENUM, 0, AT(priority_policy), priority_names, NULL,
     "unknown priority policy: %s"},
    FIELD("priority_timeout", SCHEMA_INT64, SCHEMA_NS, priority_timeout_ns),
};

const struct schema consumer_config_schema = {"ConsumerConfig", sizeof(struct consumer_config),
                                              fields, sizeof fields / sizeof fields[0]};

enum err consumer_config_decode(struct bytes json, struct arena *arena, struct consumer_config *out)
{
    struct json_error error;
    struct json *parsed = json_parse(arena, json, &error);

    schema_clear(&consumer_config_schema, out);
    if (parsed == NULL || !schema_parse(&consumer_config_schema, parsed, true, arena, out, &error))
        return ERR_CORRUPT;
    return OK;
}

/* ---- packing --------------------------------------------------------------------------------- */

/* While `memory` is NULL it only counts. */
struct packing {
    uint8_t *memory;
    size_t used;
};

static void *put(struct packing *packing, const void *from, size_t size)
{
    uint8_t *to = packing->memory == NULL ? NULL : packing->memory + packing->used;

    packing->used += size;
    if (to == NULL || size == 0)
        return (void *)from;
    return memcpy(to, from, size);
}

static void put_texts(struct packing *packing, struct bytes *texts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const uint8_t *at = put(packing, texts[i].at, texts[i].size);

        if (packing->memory != NULL)
            texts[i].at = at;
    }
}

/* What has to be aligned comes first. */
static void put_all(struct packing *packing, struct consumer_config *config)
{
    struct schema_map *metadata = &config->metadata;
    struct schema_ints *backoff = &config->backoff_ns;
    struct schema_strings *filters = &config->filter_subjects, *groups = &config->priority_groups;

    backoff->at = put(packing, backoff->at, backoff->count * sizeof *backoff->at);
    filters->at = put(packing, filters->at, filters->count * sizeof *filters->at);
    groups->at = put(packing, groups->at, groups->count * sizeof *groups->at);
    metadata->keys = put(packing, metadata->keys, metadata->count * sizeof *metadata->keys);
    metadata->values = put(packing, metadata->values, metadata->count * sizeof *metadata->values);
    put_texts(packing, filters->at, filters->count);
    put_texts(packing, groups->at, groups->count);
    put_texts(packing, metadata->keys, metadata->count);
    put_texts(packing, metadata->values, metadata->count);
    put_texts(packing, &config->name, 1);
    put_texts(packing, &config->durable_name, 1);
    put_texts(packing, &config->description, 1);
    put_texts(packing, &config->filter_subject, 1);
    put_texts(packing, &config->sample_freq, 1);
    put_texts(packing, &config->deliver_subject, 1);
    put_texts(packing, &config->deliver_group, 1);
}

void *consumer_config_pack(const struct consumer_config *from, struct consumer_config *to)
{
    bool one_name = bytes_equal(from->name, from->durable_name);
    struct packing packing = {0};

    *to = *from;
    if (one_name)
        to->durable_name = bytes_of(NULL, 0);
    put_all(&packing, to);
    packing = (struct packing){.memory = heap_take(packing.used)};
    put_all(&packing, to);
    if (one_name)
        to->durable_name = to->name;
    return packing.memory;
}
