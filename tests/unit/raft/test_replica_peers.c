/*
 * A replica of three, the other two played by the test: they grant every vote and accept every
 * entry as if it were on their disks at once, or say nothing. The world is simulated, so its own
 * disk can be made to wait.
 */
#include <string.h>

#include "base/io_sim.h"
#include "raft/mailbag.h"
#include "raft/replica_flaws.h"
#include "tests/unit/raft/shell.h"

#define GROUP 7u

struct sent {
    uint64_t node;
    struct bytes frame;
};

struct world {
    struct sim *sim;
    size_t node;
    struct io *io;
    struct store *store;
    struct groups *groups;
    struct replica *replica;
    struct sent sent[64];
    size_t sent_count;
    size_t waiting; /* bytes, on the way to each of them */
    bool peers_answer;
    bool slow; /* from its first vote on its disk takes its time */
    uint64_t applied, applied_when_led;
    bool led;
    unsigned reads_good, reads_lost;
    bool grown; /* others hold it by now, whatever its log says */
};

static struct world w;

static void on_apply(void *owner, const struct log_batch *batch)
{
    (void)owner;
    w.applied = batch->index;
}

static void on_lead(void *owner, uint64_t term)
{
    (void)owner;
    (void)term;
    w.led = true;
    w.applied_when_led = w.applied;
}

static void on_follow(void *owner)
{
    (void)owner;
    w.led = false;
}

static bool has_grown(void *owner)
{
    (void)owner;
    return w.grown;
}

static const struct replica_events events = {
    .grown = has_grown,
    .apply = on_apply,
    .lost = shell_lost,
    .lead = on_lead,
    .follow = on_follow,
    .refused = shell_refused,
};

/* ---- the other two -------------------------------------------------------------------------- */

static bool keep_sent(void *owner, uint64_t node, enum transport_class class,
                      const struct bytes *pieces, size_t count)
{
    (void)owner;
    (void)class;
    if (w.sent_count == UNIT_COUNT(w.sent))
        return false;
    w.sent[w.sent_count++] = (struct sent){node, shell_frame(pieces, count)};
    return true;
}

static size_t waiting(void *owner, uint64_t node)
{
    (void)owner;
    (void)node;
    return w.waiting;
}

static void slow_down(void)
{
    struct sim_faults slow = sim_faults_none();

    slow.disk_stall = 1000000;
    slow.disk_stall_ns = 400 * MILLISECOND;
    sim_set_faults(w.sim, w.node, &slow);
}

static void answer(uint64_t node, const struct raft_message *asked)
{
    uint64_t last = asked->previous + asked->entry_count;
    struct raft_message reply = {
        .from = {.node = node, .incarnation = node},
        .to = asked->from,
        .term = asked->term,
        .granted = true,
    };
    uint8_t frame[WIRE_HEAD];

    switch (asked->type) {
    case RAFT_PREVOTE: reply.type = RAFT_PREVOTE_ANSWER; break;
    case RAFT_VOTE:
        reply.type = RAFT_VOTE_ANSWER;
        if (w.slow)
            slow_down();
        break;
    case RAFT_APPEND:
        reply.type = RAFT_APPEND_ANSWER;
        reply.last = reply.previous = last;
        reply.commit = asked->commit < last ? asked->commit : last;
        reply.probe = asked->probe;
        break;
    default: return;
    }
    wire_write(frame, GROUP, &reply, 0, 0);
    groups_received(w.groups, node, bytes_of(frame, sizeof frame));
}

static void hear(const struct sent *sent)
{
    static struct wire_message message;
    struct bytes rest = sent->frame;

    while (w.peers_answer && rest.size > 0) {
        ck_assert_int_eq(wire_take(&rest, &message), OK);
        answer(sent->node, &message.message);
    }
    heap_give((void *)sent->frame.at);
}

static void pass(int64_t ns)
{
    int64_t until = sim_now(w.sim) + ns;

    while (sim_now(w.sim) < until) {
        sim_run(w.sim, MILLISECOND);
        for (size_t i = 0; i < w.sent_count; i++) {
            struct sent sent = w.sent[i];

            hear(&sent);
        }
        w.sent_count = 0;
        io_wake(w.io); /* what the answers led to leaves */
    }
}

/* ---- this one ------------------------------------------------------------------------------- */

static void flush(void *context)
{
    (void)context;
    groups_flush(w.groups);
    store_flush(w.store);
}

static void start(uint64_t flaws)
{
    static const struct transport transport = {
        .send = keep_sent, .room = shell_room, .waiting = waiting};
    struct groups_options options = {
        .self = {1, 1, false}, .transport = &transport, .seed = 1, .replica_flaws = flaws};
    struct store_options store_options = {.journal_batch_max = 1};
    struct store_error error;

    w.io = sim_node_io(w.sim, w.node);
    ck_assert_int_eq(store_open(w.io, "data", &store_options, &w.store, &error), OK);
    w.groups = groups_create(w.store, &options);
    io_set_flush(w.io, flush, NULL);
}

static void open_replica(void)
{
    ck_assert_int_eq(replica_open(w.groups, GROUP, &events, NULL, &w.replica), OK);
    groups_node(w.groups, 2, true);
    groups_node(w.groups, 3, true);
}

static void begin_with(uint32_t count, uint64_t flaws)
{
    w = (struct world){.sim = sim_create(1), .peers_answer = true};
    w.node = sim_node_add(w.sim);
    start(flaws);
    shell_prepare(w.store, GROUP, count);
    open_replica();
}

static void begin(uint64_t flaws)
{
    begin_with(3, flaws);
}

static void stop(void)
{
    replica_close(w.replica);
    pass(SECOND);
    groups_destroy(w.groups);
    store_close(w.store);
}

static void end(void)
{
    stop();
    sim_destroy(w.sim);
}

/* ---- F1 ------------------------------------------------------------------------------------- */

static uint64_t committed_elsewhere(uint64_t flaws)
{
    uint64_t applied;

    begin(flaws);
    w.slow = true;
    for (int i = 0; i < 2000 && !w.led; i++)
        pass(MILLISECOND);
    ck_assert(w.led);
    applied = w.applied_when_led;
    sim_heal(w.sim, w.node);
    pass(2 * SECOND);
    ck_assert_uint_eq(w.applied, 2);
    end();
    return applied;
}

/* The others have the entry of its term on their disks before it has it on its own. */
START_TEST(it_leads_when_the_entry_of_its_term_is_applied_not_when_it_is_committed)
{
    ck_assert_uint_eq(committed_elsewhere(0), 2);
    ck_assert_uint_lt(committed_elsewhere(REPLICA_FLAW_LEAD_UNAPPLIED), 2);
}
END_TEST

/* ---- F2 ------------------------------------------------------------------------------------- */

static void read_done(struct replica_read *read, bool ok)
{
    (void)read;
    w.reads_good += ok;
    w.reads_lost += !ok;
}

/* Its lease is over and nobody answers: it waits, and gives way. */
static void lose_a_read(uint64_t flaws)
{
    struct replica_read read = {.done = read_done};

    begin(flaws);
    while (!w.led)
        pass(MILLISECOND);
    pass(SECOND);
    w.peers_answer = false;
    pass(210 * MILLISECOND);
    ck_assert(w.led);
    replica_read(w.replica, &read);
    ck_assert_uint_eq(w.reads_good + w.reads_lost, 0);
    pass(SECOND);
    ck_assert(!w.led);
    ck_assert_uint_eq(w.reads_good + w.reads_lost, 1);
    end();
}

START_TEST(a_read_that_waits_when_leadership_goes_is_not_confirmed)
{
    lose_a_read(0);
    ck_assert_uint_eq(w.reads_lost, 1);
    lose_a_read(REPLICA_FLAW_READ_LOST_OK);
    ck_assert_uint_eq(w.reads_lost, 0);
}
END_TEST

/* ---- damage --------------------------------------------------------------------------------- */

#define FIRST_BATCH 4096u /* where it stands in its file */

/* Only that entry says that there are others: alone it would be its own majority. */
START_TEST(one_that_lost_the_entry_that_names_the_members_neither_leads_nor_commits)
{
    begin(0);
    while (!w.led)
        pass(MILLISECOND);
    pass(SECOND);
    ck_assert_uint_eq(w.applied, 2);
    stop();
    ck_assert(sim_flip(w.sim, w.node, "data/logs/0000000000000007/0000000100000001.seg",
                       FIRST_BATCH + 150, 3));
    w.applied = 0;
    w.led = false;
    io_destroy(w.io);
    (void)sim_restart(w.sim, w.node);
    start(0);
    open_replica();
    pass(10 * SECOND);
    ck_assert(!w.led);
    ck_assert_uint_eq(w.applied, 0);
    end();
}
END_TEST

/* What it had accepted it does not know any more: it helps nobody to a majority until it holds an
 * entry of a later term. */
static void cut_off_its_end(void)
{
    struct io_file *file;

    stop();
    ck_assert_int_eq(
        io_open(w.io, "data/logs/0000000000000007/0000000100000001.seg", IO_READ | IO_WRITE, &file),
        OK);
    ck_assert_int_eq(io_truncate(w.io, file, FIRST_BATCH + 300), OK); /* in the first or second */
    io_close(w.io, file);
    io_destroy(w.io);
    (void)sim_restart(w.sim, w.node);
    w.applied = 0;
    w.led = false;
    start(0);
    open_replica();
}

START_TEST(one_whose_log_was_cut_short_neither_votes_nor_stands)
{
    begin(0);
    while (!w.led)
        pass(MILLISECOND);
    pass(SECOND);
    cut_off_its_end();
    pass(10 * SECOND);
    ck_assert(!w.led);
    end();
}
END_TEST

static bool leads_when_it_was_alone(bool grown)
{
    bool led;

    begin_with(1, 0);
    while (!w.led)
        pass(MILLISECOND);
    pass(SECOND);
    w.grown = grown;
    cut_off_its_end();
    pass(10 * SECOND);
    led = w.led;
    end();
    return led;
}

/* What was cut off may have named others, who elect one of them without it. */
START_TEST(one_that_was_alone_and_has_grown_is_not_alone_for_a_log_cut_short)
{
    ck_assert(leads_when_it_was_alone(false)); /* nobody has more */
    ck_assert(!leads_when_it_was_alone(true));
}
END_TEST

/* Else a vote would come behind all that a slow connection was told before. */
START_TEST(a_connection_that_does_not_take_what_it_is_told_is_told_no_more_of_it)
{
    begin(0);
    while (!w.led)
        pass(MILLISECOND);
    w.peers_answer = false;
    w.waiting = MAILBAG_AHEAD + 1;
    for (int i = 0; i < 2000; i++) {
        sim_run(w.sim, MILLISECOND);
        io_wake(w.io);
        ck_assert_uint_eq(w.sent_count, 0);
    }
    w.waiting = 0;
    sim_run(w.sim, MILLISECOND);
    io_wake(w.io);
    sim_run(w.sim, MILLISECOND);
    ck_assert_uint_eq(w.sent_count, 2); /* one to each, of a heartbeat and a question or two */
    for (size_t i = 0; i < 2; i++)
        ck_assert_uint_le(w.sent[i].frame.size, 4 * WIRE_HEAD);
    pass(0);
    w.peers_answer = true;
    for (int i = 0; i < 3000 && !w.led; i++)
        pass(MILLISECOND);
    ck_assert(w.led);
    end();
}
END_TEST

static void recorded(struct store_vote_op *op, enum err err)
{
    (void)op;
    ck_assert_int_eq(err, OK);
}

static bool others_have_it(void *owner)
{
    (void)owner;
    return true;
}

/* A log in memory whose beginning names only this one, which had it, and others since. */
static void come_back(const struct replica_events *told)
{
    struct store_vote_op op = {
        .log_id = GROUP, .vote = {.term = 4, .damaged = RAFT_DAMAGED_ANEW}, .done = recorded};
    struct buf bootstrap;

    w = (struct world){.sim = sim_create(1)};
    w.node = sim_node_add(w.sim);
    start(0);
    store_vote(w.store, &op);
    pass(SECOND);
    shell_bootstrap(&bootstrap, 1);
    ck_assert_int_eq(log_make_memory(w.store, GROUP, shell_incarnation, buf_bytes(&bootstrap)), OK);
    buf_deinit(&bootstrap);
    ck_assert_int_eq(replica_open(w.groups, GROUP, told, NULL, &w.replica), OK);
}

START_TEST(one_in_memory_that_had_it_last_leads_when_nobody_else_does_for_a_while)
{
    come_back(&events);
    pass(9 * SECOND);
    ck_assert(!w.led);
    pass(4 * SECOND);
    ck_assert(w.led);
    ck_assert_uint_gt(replica_term(w.replica), 4);
    end();
}
END_TEST

START_TEST(one_in_memory_that_comes_back_to_others_waits_for_them)
{
    struct replica_events with_others = events;

    with_others.with_others = others_have_it;
    come_back(&with_others);
    pass(60 * SECOND);
    ck_assert(!w.led);
    end();
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        it_leads_when_the_entry_of_its_term_is_applied_not_when_it_is_committed,
        a_read_that_waits_when_leadership_goes_is_not_confirmed,
        one_that_lost_the_entry_that_names_the_members_neither_leads_nor_commits,
        one_whose_log_was_cut_short_neither_votes_nor_stands,
        one_that_was_alone_and_has_grown_is_not_alone_for_a_log_cut_short,
        a_connection_that_does_not_take_what_it_is_told_is_told_no_more_of_it,
        one_in_memory_that_had_it_last_leads_when_nobody_else_does_for_a_while,
        one_in_memory_that_comes_back_to_others_waits_for_them,
    };

    return UNIT_RUN_PLAIN("replica_peers", tests);
}
