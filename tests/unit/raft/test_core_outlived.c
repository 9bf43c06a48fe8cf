/*
 * A member that was once the only voter, has given up its log, and is taken in again passes the
 * config of that time on its way through the log of those who lead now.
 */
#include <string.h>

#include "raft/core.h"
#include "tests/unit/unit.h"

#define SECOND INT64_C(1000000000)
#define LEADER 2u
#define TERM   5u

static const struct raft_config founders = {.at = {{LEADER, 1, false}}, .count = 1};
static const struct raft_config with_it = {.at = {{LEADER, 1, false}, {1, 1, true}}, .count = 2};
static const struct raft_config both = {.at = {{LEADER, 1, false}, {1, 1, false}}, .count = 2};
static const struct raft_config alone = {.at = {{1, 1, false}}, .count = 1};

struct rig {
    struct raft_core *core;
    int64_t now;
    bool elected;
};

static void drain(struct rig *rig)
{
    static struct raft_order order;

    while (raft_core_next(rig->core, &order)) {
        if (order.type == RAFT_ORDER_VOTE)
            raft_core_voted(rig->core, rig->now, order.number);
        if (order.type == RAFT_ORDER_APPEND)
            raft_core_durable(rig->core, rig->now, order.number);
        rig->elected = rig->elected || order.type == RAFT_ORDER_ELECTED;
    }
}

/* Its log has only the beginning, of others. */
static void begin(struct rig *rig)
{
    struct raft_options options = {.self = {1, 1, false},
                                   .election_ns = SECOND,
                                   .heartbeat_ns = SECOND / 10,
                                   .inflight_max = 4,
                                   .uncommitted_max = 50,
                                   .seed = 1};
    struct raft_recovered recovered = {.committed = 1};
    struct raft_entry first = {1, 1, &founders};

    *rig = (struct rig){.core = raft_core_new(&options, &recovered)};
    raft_core_recovered_entry(rig->core, &first);
    raft_core_start(rig->core, rig->now);
    drain(rig);
}

/* From its leader, who has committed up to there: entries from 2 on, up to that in which it is the
 * only voter, and `more` behind it. */
static void hear(struct rig *rig, uint64_t commit, uint64_t more)
{
    static struct raft_message message;

    message = (struct raft_message){.type = RAFT_APPEND,
                                    .from = {LEADER, 1, false},
                                    .to = {1, 1, false},
                                    .term = TERM,
                                    .previous = 1,
                                    .previous_term = 1,
                                    .commit = commit,
                                    .probe = 1,
                                    .entry_count = (uint32_t)(3 + more)};
    message.entries[0] = (struct raft_entry){2, 2, &with_it};
    message.entries[1] = (struct raft_entry){3, 2, &both};
    message.entries[2] = (struct raft_entry){4, 2, &alone};
    for (uint64_t i = 0; i < more; i++)
        message.entries[3 + i] = (struct raft_entry){5 + i, 3, NULL};
    raft_core_step(rig->core, rig->now, &message);
    drain(rig);
}

static void hear_nobody_for(struct rig *rig, int64_t ns)
{
    for (int64_t until = rig->now + ns; rig->now < until;) {
        rig->now += SECOND / 20;
        if (raft_core_deadline(rig->core) <= rig->now)
            raft_core_tick(rig->core, rig->now);
        drain(rig);
    }
}

START_TEST(it_does_not_lead_by_a_config_that_the_group_has_left_behind)
{
    struct rig rig;

    begin(&rig);
    hear(&rig, 9, 0);
    ck_assert_uint_eq(raft_core_last(rig.core), 4);
    ck_assert(raft_core_outlived(rig.core));
    hear_nobody_for(&rig, 20 * SECOND);
    ck_assert(!rig.elected);
    raft_core_free(rig.core);
}
END_TEST

START_TEST(nor_when_what_its_memory_lacks_is_forgiven)
{
    struct rig rig;

    begin(&rig);
    hear(&rig, 9, 2);
    hear_nobody_for(&rig, 5 * SECOND);
    (void)raft_core_forgive(rig.core, rig.now, 0);
    hear_nobody_for(&rig, 20 * SECOND);
    ck_assert(!rig.elected);
    raft_core_free(rig.core);
}
END_TEST

START_TEST(as_the_only_voter_that_has_all_that_is_committed_it_leads)
{
    struct rig rig;

    begin(&rig);
    hear(&rig, 4, 0);
    ck_assert(!raft_core_outlived(rig.core));
    hear_nobody_for(&rig, 5 * SECOND);
    ck_assert(rig.elected);
    raft_core_free(rig.core);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {it_does_not_lead_by_a_config_that_the_group_has_left_behind,
                            nor_when_what_its_memory_lacks_is_forgiven,
                            as_the_only_voter_that_has_all_that_is_committed_it_leads};

    return UNIT_RUN_PLAIN("core_outlived", tests);
}
