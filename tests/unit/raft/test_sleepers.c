/*
 * A node whose many groups sleep, with leaders on another one, which dies. The test plays the
 * others: it sends what leaders send, and looks at who asks to be elected.
 */
#include <string.h>

#include "base/io_sim.h"
#include "tests/unit/raft/shell.h"

#define GROUPS    40u
#define FIRST     100u /* id of the first group */
#define LEADER    2u
#define OTHER     3u
#define HEARTBEAT (25 * MILLISECOND)
#define ELECTION  (250 * MILLISECOND)

struct world {
    struct sim *sim;
    size_t node;
    struct io *io;
    struct store *store;
    struct groups *groups;
    struct replica *replicas[GROUPS];
    bool stands[GROUPS]; /* it has asked to be elected */
};

static struct world w;

static void on_apply(void *owner, const struct log_batch *batch)
{
    (void)owner;
    (void)batch;
}

static void on_lead(void *owner, uint64_t term)
{
    (void)owner;
    (void)term;
    ck_abort_msg("nobody votes for it");
}

static void on_follow(void *owner)
{
    (void)owner;
}

static const struct replica_events events = {
    .apply = on_apply,
    .lost = shell_lost,
    .lead = on_lead,
    .follow = on_follow,
    .refused = shell_refused,
};

/* ---- the others ----------------------------------------------------------------------------- */

static bool hear(void *owner, uint64_t node, enum transport_class class, const struct bytes *pieces,
                 size_t count)
{
    static struct wire_message message;

    (void)owner;
    (void)class;
    for (size_t i = 0; i < count; i++) {
        struct bytes rest = pieces[i];

        while (node == OTHER && wire_take(&rest, &message) == OK) {
            if (message.message.type == RAFT_PREVOTE)
                w.stands[message.group - FIRST] = true;
        }
    }
    return true;
}

static void flush(void *context)
{
    (void)context;
    groups_flush(w.groups);
    store_flush(w.store);
}

static void pass(int64_t ns)
{
    for (int64_t until = sim_now(w.sim) + ns; sim_now(w.sim) < until;) {
        sim_run(w.sim, MILLISECOND);
        io_wake(w.io);
    }
}

static void say(unsigned i, uint64_t node, enum raft_message_type type, bool sleep)
{
    struct raft_message message = {
        .type = type,
        .from = {.node = node, .incarnation = node},
        .to = {.node = 1, .incarnation = 1},
        .term = type == RAFT_PREVOTE ? 3 : 2,
        .previous = 1,
        .previous_term = 1,
        .last = 1,
        .last_term = 1,
        .commit = 1,
        .probe = (uint64_t)sim_now(w.sim),
        .sleep = sleep,
    };
    uint8_t frame[WIRE_HEAD];

    wire_write(frame, FIRST + i, &message, 0, 0);
    groups_received(w.groups, node, bytes_of(frame, sizeof frame));
    io_wake(w.io);
}

/* ---- this one ------------------------------------------------------------------------------- */

static void open_all(void)
{
    for (unsigned i = 0; i < GROUPS; i++) {
        shell_prepare(w.store, FIRST + i, 3);
        ck_assert_int_eq(replica_open(w.groups, FIRST + i, &events, NULL, &w.replicas[i]), OK);
    }
}

/* They fall asleep one after the other, but for `awake` of the last ones. */
static void begin(unsigned awake)
{
    static const struct transport transport = {.send = hear, .room = shell_room};
    struct groups_options options = {
        .self = {1, 1, false}, .transport = &transport, .seed = 1, .wakes = 1};
    struct store_options store_options = {0};
    struct store_error error;

    w = (struct world){.sim = sim_create(1)};
    w.node = sim_node_add(w.sim);
    w.io = sim_node_io(w.sim, w.node);
    ck_assert_int_eq(store_open(w.io, "data", &store_options, &w.store, &error), OK);
    w.groups = groups_create(w.store, &options);
    io_set_flush(w.io, flush, NULL);
    open_all();
    groups_node(w.groups, LEADER, true);
    groups_node(w.groups, OTHER, true);
    for (unsigned turn = 0; turn < 8; turn++) { /* their votes' records are written meanwhile */
        for (unsigned i = 0; i < GROUPS; i++) {
            say(i, LEADER, RAFT_APPEND, turn == 7 && i < GROUPS - awake);
            if (turn == 7)
                pass(MILLISECOND);
        }
        pass(HEARTBEAT);
    }
    for (unsigned i = 0; i < GROUPS; i++)
        ck_assert(!w.stands[i]);
}

static void end(void)
{
    for (unsigned i = 0; i < GROUPS; i++)
        replica_close(w.replicas[i]);
    pass(SECOND);
    groups_destroy(w.groups);
    store_close(w.store);
    sim_destroy(w.sim);
}

static unsigned standing(unsigned first, unsigned end)
{
    unsigned count = 0;

    for (unsigned i = first; i < end; i++)
        count += w.stands[i];
    return count;
}

/* ---- promises ------------------------------------------------------------------------------- */

START_TEST(one_a_heartbeat_stands_and_who_slept_last_is_first)
{
    begin(0);
    groups_node(w.groups, LEADER, false);
    for (unsigned told = 1; told <= GROUPS; told++) {
        pass(HEARTBEAT - MILLISECOND);
        ck_assert_uint_eq(standing(0, GROUPS - told), 0);
        pass(MILLISECOND);
    }
    pass(2 * ELECTION);
    ck_assert_uint_eq(standing(0, GROUPS), GROUPS);
    end();
}
END_TEST

START_TEST(those_that_are_awake_do_not_wait_for_sleepers)
{
    begin(10);
    groups_node(w.groups, LEADER, false);
    pass(ELECTION);
    ck_assert_uint_eq(standing(GROUPS - 10, GROUPS), 10);
    ck_assert_uint_eq(standing(0, GROUPS - 10 - 11), 0);
    end();
}
END_TEST

START_TEST(one_of_which_something_is_wanted_does_not_wait_for_its_turn)
{
    begin(0);
    groups_node(w.groups, LEADER, false);
    groups_want(w.groups, FIRST);
    say(1, OTHER, RAFT_PREVOTE, false);
    pass(2 * ELECTION);
    ck_assert(w.stands[0]);
    ck_assert(w.stands[1]); /* nobody else led meanwhile */
    ck_assert_uint_eq(standing(2, GROUPS - 21), 0);
    pass(GROUPS * HEARTBEAT);
    ck_assert_uint_eq(standing(0, GROUPS), GROUPS);
    end();
}
END_TEST

START_TEST(a_leader_that_is_there_again_in_time_is_not_missed)
{
    begin(0);
    groups_node(w.groups, LEADER, false);
    pass(HEARTBEAT);
    groups_node(w.groups, LEADER, true);
    for (unsigned i = 0; i < GROUPS; i++)
        say(i, LEADER, RAFT_APPEND, true);
    pass(GROUPS * HEARTBEAT + 2 * ELECTION);
    ck_assert_uint_eq(standing(0, GROUPS - 2), 0);
    end();
}
END_TEST

START_TEST(a_group_that_is_closed_while_it_waits_is_not_told)
{
    begin(0);
    groups_node(w.groups, LEADER, false);
    for (unsigned i = 0; i < GROUPS; i += 2) {
        replica_close(w.replicas[i]);
        w.replicas[i] = NULL;
    }
    pass(GROUPS * HEARTBEAT + 2 * ELECTION);
    for (unsigned i = 0; i < GROUPS; i++)
        ck_assert_int_eq(w.stands[i], i % 2);
    for (unsigned i = 0; i < GROUPS; i += 2)
        ck_assert_int_eq(replica_open(w.groups, FIRST + i, &events, NULL, &w.replicas[i]), OK);
    end();
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        one_a_heartbeat_stands_and_who_slept_last_is_first,
        those_that_are_awake_do_not_wait_for_sleepers,
        one_of_which_something_is_wanted_does_not_wait_for_its_turn,
        a_leader_that_is_there_again_in_time_is_not_missed,
        a_group_that_is_closed_while_it_waits_is_not_told,
    };

    return UNIT_RUN_PLAIN("sleepers", tests);
}
