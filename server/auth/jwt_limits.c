#include "server/auth/jwt_limits.h"

#include "server/auth/jwt_members.h"

#include <stdlib.h>

static int64_t positive_or_none(const struct json *limits, struct bytes key)
{
    int64_t value = member_number(limits, key, -1);

    return value > 0 ? value : -1;
}

static struct jetstream_limits read_set(const struct json *limits)
{
    return (struct jetstream_limits){
        .memory_max = member_number(limits, BYTES("mem_storage"), 0),
        .store_max = member_number(limits, BYTES("disk_storage"), 0),
        .streams_max = member_number(limits, BYTES("streams"), 0), /* 0: any number */
        .consumers_max = member_number(limits, BYTES("consumer"), 0),
        .ack_pending_max = positive_or_none(limits, BYTES("max_ack_pending")),
        .memory_stream_bytes_max = positive_or_none(limits, BYTES("mem_max_stream_bytes")),
        .store_stream_bytes_max = positive_or_none(limits, BYTES("disk_max_stream_bytes")),
        .bytes_required = member_is_true(limits, BYTES("max_bytes_required")),
    };
}

/* Where no storage is granted there is no JetStream. */
static bool grants(const struct jetstream_limits *limits)
{
    return limits->memory_max != 0 || limits->store_max != 0;
}

static int by_name(const void *a, const void *b)
{
    const struct jetstream_tier *one = a, *other = b;

    return bytes_compare(one->name, other->name);
}

bool jwt_limits_read(struct arena *arena, const struct json *limits,
                     struct account_jetstream_options *options)
{
    const struct json *tiers = json_get(limits, BYTES("tiered_limits"));

    *options = (struct account_jetstream_options){.limits = read_set(limits)};
    if (!member_is_list(tiers, JSON_OBJECT))
        return false;
    if (!member_given(tiers)) {
        options->enabled = grants(&options->limits);
        return true;
    }
    options->tiers = ARENA_ARRAY(arena, struct jetstream_tier, member_children(tiers));
    for (const struct json *e = tiers->child; e != NULL; e = e->next) {
        struct jetstream_tier *tier;

        if (e->type != JSON_OBJECT || e->key.size == 0)
            return false;
        if (json_get(tiers, e->key) != e)
            continue; /* it is said again, and that counts */
        tier = &options->tiers[options->tiers_count++];
        *tier = (struct jetstream_tier){.name = e->key, .limits = read_set(e)};
        options->enabled |= grants(&tier->limits);
    }
    qsort(options->tiers, options->tiers_count, sizeof *options->tiers, by_name);
    return true;
}
