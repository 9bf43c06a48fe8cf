/* Whatever members send, the core stands: it may be misled, but neither stops nor grows. */
#include <string.h>

#include "base/prng.h"
#include "raft/core.h"
#include "tests/unit/unit.h"

#define SECOND INT64_C(1000000000)

struct rig {
    struct raft_core *core;
    struct prng prng;
    int64_t now;
    uint64_t last;
    struct raft_config configs[4];
};

static uint64_t some_number(struct rig *rig)
{
    switch (prng_below(&rig->prng, 8)) {
    case 0: return prng_next(&rig->prng);
    case 1: return UINT64_MAX - prng_below(&rig->prng, 3);
    case 2: return RAFT_NUMBER_MAX - prng_below(&rig->prng, 3);
    case 3: return raft_core_last(rig->core) + prng_below(&rig->prng, 4);
    case 4: return raft_core_term(rig->core);
    default: return prng_below(&rig->prng, 12);
    }
}

static uint64_t some_term(struct rig *rig)
{
    uint64_t term = raft_core_term(rig->core);

    return prng_chance(&rig->prng, 9, 10) ? term + prng_below(&rig->prng, 3) : some_number(rig);
}

static struct raft_member some_member(struct rig *rig)
{
    return (struct raft_member){1 + prng_below(&rig->prng, 5), 1 + prng_below(&rig->prng, 8) / 7,
                                false};
}

static void some_entries(struct rig *rig, struct raft_message *message)
{
    uint64_t term = message->previous_term;

    message->entry_count = (uint32_t)prng_below(&rig->prng, 5);
    if (prng_chance(&rig->prng, 1, 50))
        message->entry_count = (uint32_t)prng_next(&rig->prng);
    for (uint32_t i = 0; i < RAFT_ENTRIES_MAX; i++) {
        struct raft_entry *entry = &message->entries[i];

        entry->index =
            prng_chance(&rig->prng, 39, 40) ? message->previous + 1 + i : some_number(rig);
        term += prng_below(&rig->prng, 6) == 0;
        entry->term = prng_chance(&rig->prng, 39, 40) ? term : some_number(rig);
        entry->config =
            prng_chance(&rig->prng, 1, 4) ? &rig->configs[prng_below(&rig->prng, 4)] : NULL;
    }
}

static void some_message(struct rig *rig, struct raft_message *message)
{
    memset(message, 0, sizeof *message);
    message->type = (enum raft_message_type)(1 + prng_below(&rig->prng, 8));
    if (prng_chance(&rig->prng, 1, 2))
        message->type = prng_chance(&rig->prng, 2, 3) ? RAFT_APPEND : RAFT_APPEND_ANSWER;
    message->from = some_member(rig);
    message->to =
        prng_chance(&rig->prng, 9, 10) ? (struct raft_member){1, 1, false} : some_member(rig);
    message->term = some_term(rig);
    message->previous = some_number(rig);
    message->previous_term = prng_chance(&rig->prng, 1, 2)
                                 ? raft_core_term_at(rig->core, message->previous)
                                 : some_number(rig);
    message->commit = some_number(rig);
    message->last = some_number(rig);
    message->last_term = some_number(rig);
    message->probe = prng_chance(&rig->prng, 1, 2) ? (uint64_t)rig->now : some_number(rig);
    message->damaged = prng_chance(&rig->prng, 1, 10) ? some_number(rig) : 0;
    message->granted = prng_chance(&rig->prng, 2, 3);
    message->transfer = prng_chance(&rig->prng, 1, 2);
    message->sleep = prng_chance(&rig->prng, 1, 4);
    message->removed = prng_chance(&rig->prng, 1, 8);
    some_entries(rig, message);
}

/* Orders are bounded however many messages there were. */
static void drain(struct rig *rig)
{
    static struct raft_order order;
    uint32_t count = 0;

    while (raft_core_next(rig->core, &order)) {
        ck_assert_uint_lt(++count, 300);
        switch (order.type) {
        case RAFT_ORDER_VOTE: raft_core_voted(rig->core, rig->now, order.number); break;
        case RAFT_ORDER_CUT: rig->last = order.index; break;
        case RAFT_ORDER_APPEND:
            ck_assert_uint_eq(order.index, rig->last + 1);
            rig->last = order.number;
            if (prng_chance(&rig->prng, 2, 3))
                raft_core_durable(rig->core, rig->now, rig->last);
            break;
        case RAFT_ORDER_ELECTED: {
            struct raft_entry entry = {++rig->last, order.term, NULL};

            raft_core_proposed(rig->core, rig->now, &entry);
            raft_core_durable(rig->core, rig->now, rig->last);
            break;
        }
        case RAFT_ORDER_SEND: ck_assert_uint_le(order.message.entry_count, RAFT_ENTRIES_MAX); break;
        default: break;
        }
    }
    ck_assert_uint_eq(raft_core_last(rig->core), rig->last);
}

static void make_configs(struct rig *rig)
{
    static const uint32_t sizes[] = {3, 3, 5, 1};

    for (uint32_t i = 0; i < 4; i++) {
        rig->configs[i].count = sizes[i];
        for (uint32_t k = 0; k < sizes[i]; k++)
            rig->configs[i].at[k] = (struct raft_member){k + 1 + (i == 3), 1, i == 1 && k == 0};
    }
}

static void begin(struct rig *rig, uint64_t seed)
{
    struct raft_options options = {.self = {1, 1, false},
                                   .election_ns = SECOND,
                                   .heartbeat_ns = SECOND / 10,
                                   .sleep_ns = 2 * SECOND,
                                   .inflight_max = 4,
                                   .uncommitted_max = 50,
                                   .seed = seed};
    struct raft_recovered recovered = {.committed = 1};
    struct raft_entry first = {1, 1, &rig->configs[0]};

    memset(rig, 0, sizeof *rig);
    prng_seed(&rig->prng, seed);
    make_configs(rig);
    rig->last = 1;
    rig->core = raft_core_new(&options, &recovered);
    raft_core_recovered_entry(rig->core, &first);
    raft_core_start(rig->core, rig->now);
    drain(rig);
}

START_TEST(no_message_stops_it)
{
    static struct raft_message message;
    struct rig rig;

    for (uint64_t seed = 1; seed <= 200; seed++) {
        begin(&rig, seed);
        for (int i = 0; i < 2000; i++) {
            rig.now += (int64_t)prng_below(&rig.prng, 100000000);
            some_message(&rig, &message);
            raft_core_step(rig.core, rig.now, &message);
            drain(&rig);
            if (raft_core_deadline(rig.core) <= rig.now) {
                raft_core_tick(rig.core, rig.now);
                drain(&rig);
            }
            if (prng_chance(&rig.prng, 1, 50)) {
                raft_core_node(rig.core, rig.now, 1 + prng_below(&rig.prng, 6),
                               prng_chance(&rig.prng, 1, 2));
                drain(&rig);
            }
        }
        raft_core_free(rig.core);
    }
}
END_TEST

int main(void)
{
    const TTest *tests[] = {no_message_stops_it};

    return UNIT_RUN_PLAIN("core_hostile", tests);
}
