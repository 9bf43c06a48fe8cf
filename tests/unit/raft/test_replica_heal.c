/*
 * Three replicas whose machines count the records that they apply, on a network that the test
 * carries. One of them miscounts; whether it comes to the others' count is looked at here.
 */
#include <string.h>

#include "base/codec.h"
#include "base/io_sim.h"
#include "raft/replica_priv.h"
#include "storage/block.h"
#include "storage/paths.h"
#include "storage/record.h"
#include "tests/unit/raft/shell.h"

#define NODES         3u
#define GROUP         7u
#define SECTION_COUNT BLOCK_SECTION_FREE
#define RECORD        3u
#define FRAMES        1024u

struct machine {
    uint64_t number;
    size_t node;
    struct io *io;
    struct store *store;
    struct groups *groups;
    struct transport transport;
    struct replica *replica;
    uint64_t count, filled;
    bool leads, captured, filling, elsewhere;
    unsigned taken;
    bool deaf;        /* nothing comes in or goes out */
    bool asks;        /* two things, instead of taking at once what it fills */
    unsigned refuses; /* so many blocks, some time after it has begun to fill */
    struct buf body;
};

struct frame {
    uint64_t from, to;
    struct bytes bytes;
};

static struct {
    struct sim *sim;
    struct machine at[NODES];
    struct frame frames[FRAMES];
    size_t frame_count;
    unsigned out;    /* times that one was said to stay out */
    unsigned differ; /* times that one was said to differ */
    unsigned first_asked, second_asked;
    bool first_told;
} w;

/* ---- the machine ---------------------------------------------------------------------------- */

static void on_apply(void *owner, const struct log_batch *batch)
{
    struct machine *m = owner;
    struct bytes rest = batch->records;
    struct record record;

    for (uint32_t i = 0; i < batch->record_count; i++) {
        ck_assert_int_eq(record_read(rest, &record), OK);
        rest = bytes_skip(rest, record.size);
        m->count += !replica_record(record.type);
    }
}

static void on_lead(void *owner, uint64_t term)
{
    (void)term;
    ((struct machine *)owner)->leads = true;
}

static void on_follow(void *owner)
{
    ((struct machine *)owner)->leads = false;
}

static void on_capture(void *owner, struct bytes head)
{
    struct machine *m = owner;
    uint8_t section[BLOCK_SECTION_HEAD + 8], own[BLOCK_SECTION_HEAD + 8];

    buf_init(&m->body, SIZE_MAX);
    replica_section(section, SECTION_COUNT, 8);
    encode_u64(section + BLOCK_SECTION_HEAD, m->count);
    replica_section_own(own, SECTION_COUNT + 1, 8); /* each has another one */
    encode_u64(own + BLOCK_SECTION_HEAD, m->number);
    ck_assert(buf_add(&m->body, head));
    ck_assert(buf_add(&m->body, bytes_of(section, sizeof section)));
    ck_assert(buf_add(&m->body, bytes_of(own, sizeof own)));
    m->captured = true;
}

/* Nothing lives in a log's files: the count is all there is. */
static void on_blocked(void *owner, enum err err)
{
    struct log *log = replica_log(((struct machine *)owner)->replica);
    struct log_file_info info;

    ck_assert_int_eq(err, OK);
    for (uint32_t i = 0; log_file_next(log, i, &info); i = info.ordinal + 1)
        if (info.droppable)
            (void)log_file_drop(log, info.ordinal);
}

static bool on_elsewhere(void *owner)
{
    return ((struct machine *)owner)->elsewhere;
}

static uint64_t count_in(struct bytes body)
{
    struct bytes section;
    struct decoder in;
    uint32_t type;

    ck_assert(replica_section_take(&body, &type, &section));
    ck_assert_uint_eq(type, SECTION_COUNT);
    decoder_init(&in, section);
    return decode_u64(&in);
}

static enum err on_restore(void *owner, const struct replica_block *block)
{
    ((struct machine *)owner)->count = count_in(block->body);
    return OK;
}

static enum err on_fill(void *owner, const struct replica_block *block)
{
    struct machine *m = owner;

    m->filled = count_in(block->body);
    m->filling = !m->asks;
    if (m->asks) {
        replica_ask(m->replica, 0, BYTES("first"));
        replica_ask(m->replica, 1, BYTES("second"));
    }
    return OK;
}

/* To the second it has another question at once, to the first none. */
static void on_told(void *owner, struct bytes answer, uint64_t applied)
{
    struct machine *m = owner;

    (void)applied;
    if (bytes_equal(answer, BYTES("second"))) {
        replica_ask(m->replica, 1, answer);
        return;
    }
    replica_ask(m->replica, 0, (struct bytes){0});
    w.first_told = m->filling = true;
}

static void on_nothing(void *owner)
{
    (void)owner;
}

static void on_taken(void *owner)
{
    ((struct machine *)owner)->taken++;
}

static void on_asked(void *owner, struct raft_member by, uint64_t index, struct bytes question)
{
    struct machine *m = owner;
    bool second = bytes_equal(question, BYTES("second"));

    *(second ? &w.second_asked : &w.first_asked) += 1;
    if (second || w.first_asked > 2)
        replica_tell(m->replica, by, index, question);
}

static const struct replica_events events = {
    .elsewhere = on_elsewhere,
    .apply = on_apply,
    .lost = shell_lost,
    .lead = on_lead,
    .follow = on_follow,
    .refused = shell_refused,
    .capture = on_capture,
    .blocked = on_blocked,
    .restore = on_restore,
    .fill = on_fill,
    .told = on_told,
    .fill_drop = on_nothing,
    .forget = on_nothing,
    .taken = on_taken,
    .asked = on_asked,
};

static void flush(void *context)
{
    struct machine *m = context;
    struct buf local;

    buf_init(&local, SIZE_MAX);
    if (m->captured) {
        m->captured = false;
        replica_block(m->replica, &m->body, &local);
    }
    if (m->filling && m->refuses > 0) {
        m->filling = false;
        m->refuses--;
        replica_fill_refused(m->replica);
    }
    if (m->filling) {
        m->filling = false;
        replica_take(m->replica, &local);
    }
    groups_flush(m->groups);
    store_flush(m->store);
}

/* ---- the network ---------------------------------------------------------------------------- */

static bool keep(void *owner, uint64_t node, enum transport_class class, const struct bytes *pieces,
                 size_t count)
{
    const struct machine *m = owner;
    (void)class;
    if (w.frame_count == FRAMES)
        return false;
    w.frames[w.frame_count++] = (struct frame){m->number, node, shell_frame(pieces, count)};
    return true;
}

static void deliver(void)
{
    size_t count = w.frame_count;

    for (size_t i = 0; i < count; i++) {
        const struct frame frame = w.frames[i];
        struct machine *to = &w.at[frame.to - 1];

        if (!to->deaf && !w.at[frame.from - 1].deaf)
            groups_received(to->groups, frame.from, frame.bytes);
        heap_give((void *)frame.bytes.at);
    }
    memmove(w.frames, w.frames + count, (w.frame_count - count) * sizeof w.frames[0]);
    w.frame_count -= count;
}

static void pass(int64_t ns)
{
    int64_t until = sim_now(w.sim) + ns;

    while (sim_now(w.sim) < until) {
        sim_run(w.sim, MILLISECOND);
        deliver();
        for (size_t i = 0; i < NODES; i++)
            io_wake(w.at[i].io);
    }
}

/* ---- three of them -------------------------------------------------------------------------- */

static void said(void *context, const char *text)
{
    (void)context;
    w.out += strstr(text, "stays out") != NULL;
    w.differ += strstr(text, "of this replica differs") != NULL;
}

static void start(struct machine *m, uint64_t flaws)
{
    struct store_options store_options = {.journal_batch_max = 1};
    struct groups_options options = {.self = {m->number, m->number, false},
                                     .transport = &m->transport,
                                     .seed = m->number,
                                     .block_bytes = 1024,
                                     .replica_flaws = flaws,
                                     .report = said};
    struct store_error error;

    m->transport = (struct transport){.owner = m, .send = keep, .room = shell_room};
    m->io = sim_node_io(w.sim, m->node);
    ck_assert_int_eq(store_open(m->io, "data", &store_options, &m->store, &error), OK);
    m->groups = groups_create(m->store, &options);
    io_set_flush(m->io, flush, m);
}

static void begin(uint64_t flaws)
{
    memset(&w, 0, sizeof w);
    w.sim = sim_create(1);
    for (size_t i = 0; i < NODES; i++) {
        w.at[i].number = i + 1;
        w.at[i].node = sim_node_add(w.sim);
        start(&w.at[i], flaws);
        shell_prepare(w.at[i].store, GROUP, NODES);
        ck_assert_int_eq(replica_open(w.at[i].groups, GROUP, &events, &w.at[i], &w.at[i].replica),
                         OK);
    }
    for (size_t i = 0; i < NODES; i++)
        for (uint64_t node = 1; node <= NODES; node++)
            if (node != i + 1)
                groups_node(w.at[i].groups, node, true);
}

static void end(void)
{
    for (size_t i = 0; i < NODES; i++)
        replica_close(w.at[i].replica);
    pass(SECOND);
    for (size_t i = 0; i < NODES; i++) {
        groups_destroy(w.at[i].groups);
        store_close(w.at[i].store);
    }
    sim_destroy(w.sim);
}

static struct machine *leader(void)
{
    for (int i = 0; i < 5000; i++) {
        for (size_t k = 0; k < NODES; k++)
            if (w.at[k].leads && !w.at[k].deaf && replica_leads(w.at[k].replica))
                return &w.at[k];
        pass(MILLISECOND);
    }
    ck_abort_msg("nobody leads");
}

static struct machine *follower(void)
{
    return &w.at[leader()->number % NODES];
}

/* So many records of 200 bytes; a seal comes with every few of them. */
static void publish(unsigned count)
{
    static const uint8_t text[200];

    for (unsigned i = 0; i < count; i++) {
        struct machine *m = leader();
        struct buf *gather;

        while (!replica_ready(m->replica)) {
            pass(MILLISECOND);
            m = leader();
        }
        gather = replica_gather(m->replica);
        memcpy(record_begin(gather, RECORD, 0, sizeof text), text, sizeof text);
        record_end(gather, sizeof text);
        (void)replica_propose(m->replica, 1, 1);
        io_wake(m->io);
        pass(2 * MILLISECOND);
    }
    pass(100 * MILLISECOND);
}

static bool equal(void)
{
    return w.at[0].count == w.at[1].count && w.at[1].count == w.at[2].count;
}

/* ---- healing -------------------------------------------------------------------------------- */

START_TEST(a_follower_that_miscounts_takes_the_majoritys_state_and_what_follows_it)
{
    struct machine *m;

    begin(0);
    publish(20);
    m = follower();
    m->count += 5;
    publish(40);
    pass(2 * SECOND);
    ck_assert(equal());
    ck_assert_uint_eq(m->count, 60);
    ck_assert_uint_eq(m->taken, 1);
    ck_assert(!replica_differs(m->replica));
    end();
    begin(REPLICA_FLAW_DIFFERS_ON);
    publish(20);
    follower()->count += 5;
    publish(40);
    pass(2 * SECOND);
    ck_assert(!equal());
    end();
}
END_TEST

START_TEST(a_leader_that_miscounts_gives_way_before_it_heals)
{
    struct machine *m;

    begin(0);
    publish(20);
    m = leader();
    m->count++;
    publish(40);
    pass(2 * SECOND);
    ck_assert_ptr_ne(leader(), m);
    ck_assert(equal());
    ck_assert_uint_eq(m->count, 60);
    end();
}
END_TEST

START_TEST(what_it_has_taken_is_there_after_a_restart)
{
    struct machine *m;

    begin(0);
    publish(20);
    m = follower();
    m->count++;
    publish(40);
    pass(2 * SECOND);
    ck_assert_uint_eq(m->taken, 1);
    m->count = 0;
    replica_close(m->replica);
    pass(500 * MILLISECOND);
    ck_assert_int_eq(replica_open(m->groups, GROUP, &events, m, &m->replica), OK);
    pass(2 * SECOND);
    ck_assert(equal());
    end();
}
END_TEST

START_TEST(one_that_differs_for_the_fourth_time_in_an_hour_stays_out_and_only_votes)
{
    struct machine *m;

    begin(0);
    publish(20);
    m = follower();
    for (int i = 0; i < 4; i++) {
        m->count += 5;
        publish(40);
        pass(2 * SECOND);
    }
    ck_assert_uint_eq(m->taken, 3);
    ck_assert_uint_eq(w.out, 1);
    ck_assert(replica_differs(m->replica));
    ck_assert(!equal());
    ck_assert_uint_eq(replica_applied(m->replica), replica_applied(leader()->replica));
    /* Its vote is still good for a majority. */
    w.at[(m->number == 1 || leader()->number == 1) ? (m->number + leader()->number == 3 ? 2 : 1)
                                                   : 0]
        .deaf = true;
    publish(5);
    ck_assert_ptr_ne(leader(), m);
    end();
}
END_TEST

START_TEST(one_that_differs_and_is_elected_hands_over_without_having_led)
{
    struct machine *m, *old;

    begin(0);
    publish(20);
    old = leader();
    m = follower();
    for (int i = 0; i < 4; i++) { /* it stays out */
        m->count += 5;
        publish(40);
        pass(2 * SECOND);
    }
    ck_assert_ptr_eq(leader(), old);
    m->leads = false;
    replica_transfer(old->replica, m->number);
    for (int i = 0; i < 3000; i++) {
        pass(MILLISECOND);
        ck_assert(!m->leads);
    }
    ck_assert_ptr_ne(leader(), m);
    publish(5);
    end();
}
END_TEST

/* ---- damage --------------------------------------------------------------------------------- */

static void stop(struct machine *m)
{
    replica_close(m->replica);
    m->deaf = true;
    pass(SECOND);
    groups_destroy(m->groups);
    store_close(m->store);
}

static enum err start_again(struct machine *m)
{
    enum err err;

    io_destroy(m->io);
    (void)sim_restart(w.sim, m->node);
    m->count = 0;
    m->leads = m->deaf = false;
    start(m, 0);
    err = replica_open(m->groups, GROUP, &events, m, &m->replica);
    for (uint64_t node = 1; node <= NODES; node++)
        if (node != m->number)
            groups_node(m->groups, node, true);
    return err;
}

/* Its server ends, all of its state blocks rot, and it is there again. */
static enum err rot(struct machine *m, bool elsewhere)
{
    uint64_t at[8];
    unsigned count;

    stop(m);
    ck_assert_int_eq(block_list(m->io, "data", GROUP, at, UNIT_COUNT(at), &count), OK);
    ck_assert_uint_eq(count, 2);
    for (unsigned i = 0; i < count; i++)
        ck_assert(sim_flip(w.sim, m->node, path_block("data", GROUP, at[i]).text, 4100, 1));
    m->elsewhere = elsewhere;
    return start_again(m);
}

START_TEST(one_none_of_whose_blocks_can_be_read_takes_all_from_its_peers)
{
    struct machine *m;

    begin(0);
    publish(100);
    m = follower();
    ck_assert_int_eq(rot(m, true), OK);
    ck_assert(!replica_whole(m->replica));
    pass(5 * SECOND);
    ck_assert_uint_eq(m->taken, 1);
    ck_assert_uint_eq(m->count, 100);
    publish(20);
    pass(SECOND);
    ck_assert(equal());
    ck_assert(replica_whole(m->replica));
    end();
}
END_TEST

START_TEST(one_that_has_no_peers_stays_closed)
{
    struct machine *m;

    begin(0);
    publish(100);
    m = follower();
    ck_assert_int_eq(rot(m, false), ERR_CORRUPT);
    for (size_t i = 0; i < NODES; i++) /* there is nothing to close */
        if (&w.at[i] != m)
            replica_close(w.at[i].replica);
    pass(SECOND);
    for (size_t i = 0; i < NODES; i++) {
        groups_destroy(w.at[i].groups);
        store_close(w.at[i].store);
    }
    sim_destroy(w.sim);
}
END_TEST

/* Its older block has been dropped by then. */
START_TEST(a_leader_whose_block_rots_makes_another_for_who_needs_one)
{
    struct machine *m;
    unsigned blocks;
    uint64_t at[8];

    begin(0);
    publish(20);
    m = follower();
    m->deaf = true;
    publish(100);
    ck_assert_int_eq(block_list(leader()->io, "data", GROUP, at, UNIT_COUNT(at), &blocks), OK);
    ck_assert(sim_flip(w.sim, leader()->node, path_block("data", GROUP, at[0]).text, 4100, 1));
    m->deaf = false;
    pass(10 * SECOND);
    ck_assert(equal());
    ck_assert_uint_eq(m->count, 120);
    end();
}
END_TEST

static void find_newest(void *context, const char *name, bool directory)
{
    uint64_t *newest = context, id;

    if (!directory && path_read_segment(name, &id) && id > *newest)
        *newest = id;
}

/* It does not know any more what it has accepted: were it elected, that might never have been. */
START_TEST(leadership_is_not_handed_to_one_that_has_lost_entries)
{
    struct io_file *file;
    uint64_t newest = 0;
    struct machine *m;
    int lacking = 0;

    begin(0);
    publish(30);
    m = follower();
    stop(m);
    ck_assert_int_eq(io_list(m->io, path_log("data", GROUP).text, find_newest, &newest), OK);
    ck_assert_int_eq(
        io_open(m->io, path_segment("data", GROUP, newest).text, IO_READ | IO_WRITE, &file), OK);
    ck_assert_int_eq(io_truncate(m->io, file, 4096 + 100), OK);
    io_close(m->io, file);
    ck_assert_int_eq(start_again(m), OK);
    for (int i = 0; i < 20000 && !replica_whole(m->replica); i++, lacking++) {
        replica_transfer(leader()->replica, m->number);
        pass(MILLISECOND);
        ck_assert(!m->leads || replica_whole(m->replica));
    }
    ck_assert_int_gt(lacking, 0);
    ck_assert(replica_whole(m->replica)); /* another one has led since */
    publish(10);
    pass(SECOND);
    ck_assert(equal());
    replica_transfer(leader()->replica, m->number);
    pass(SECOND);
    ck_assert_ptr_eq(leader(), m);
    end();
}
END_TEST

/* Somebody asks what it has left while it hears nobody, and lets it go while it already takes
 * another one's state. */
START_TEST(one_that_is_let_go_while_it_takes_a_block_votes_again)
{
    struct machine *m, *before;

    begin(0);
    publish(20);
    m = follower();
    m->asks = true; /* that takes its time */
    m->replica->heal.not_before_ns = INT64_MAX;
    m->count += 5;
    publish(40);
    ck_assert(replica_differs(m->replica));
    before = leader();
    m->deaf = true;
    for (int i = 0; i < 5000 && replica_led(m->replica); i++)
        pass(MILLISECOND);
    ck_assert(replica_hold_still(m->replica, true));
    m->replica->heal.not_before_ns = 0;
    m->deaf = false;
    for (int i = 0; i < 20000 && m->replica->catch.phase != CATCH_FILL; i++)
        pass(MILLISECOND);
    ck_assert_int_eq(m->replica->catch.phase, CATCH_FILL);
    ck_assert(replica_hold_still(m->replica, false));
    for (int i = 0; i < 20000 && m->taken == 0; i++)
        pass(MILLISECOND);
    publish(5);
    ck_assert_ptr_eq(leader(), before);
    ck_assert(!replica_differs(m->replica));
    before->deaf = true;
    ck_assert_ptr_ne(leader(), before); /* with its vote, or itself */
    end();
}
END_TEST

/* All that it has in the file that it writes. */
static void spoil(struct machine *m)
{
    static const uint8_t garbage[64] = {0xA5, 0x5A, 0xA5};
    struct io_file *file;
    uint64_t newest = 0;

    ck_assert_int_eq(io_list(m->io, path_log("data", GROUP).text, find_newest, &newest), OK);
    ck_assert_int_eq(
        io_open(m->io, path_segment("data", GROUP, newest).text, IO_READ | IO_WRITE, &file), OK);
    for (uint64_t at = 4096; at < 8192; at += sizeof garbage)
        ck_assert_int_eq(io_write_all(m->io, file, at, bytes_of(garbage, sizeof garbage)), OK);
    io_close(m->io, file);
    cache_drop(&m->replica->cache, m->replica->applied);
}

START_TEST(one_that_cannot_read_what_follows_the_block_heals_with_a_later_one)
{
    struct machine *m;
    uint64_t applied;

    begin(0);
    publish(20);
    m = follower();
    m->count += 5;
    m->replica->heal.not_before_ns = INT64_MAX;
    for (int i = 0; i < 100; i++) {
        publish(1);
        if (replica_differs(m->replica) && m->replica->applied >= m->replica->block.newest + 2)
            break;
    }
    ck_assert(replica_differs(m->replica));
    applied = m->replica->applied;
    ck_assert_uint_ge(applied, m->replica->block.newest + 2);
    spoil(m);
    m->replica->heal.not_before_ns = 0;
    pass(2 * SECOND);
    ck_assert_uint_eq(m->taken, 1); /* not again and again */
    ck_assert_uint_lt(m->replica->applied, applied);
    publish(40);
    pass(12 * SECOND);
    ck_assert(!replica_differs(m->replica));
    ck_assert(equal());
    ck_assert_uint_eq(replica_applied(m->replica), replica_applied(leader()->replica));
    end();
}
END_TEST

/* Entries above the floor that only those who are here have: `m` needs them. No seal is among them.
 */
static void lag(struct machine *m)
{
    publish(20);
    while (leader()->replica->block.bytes > leader()->replica->block.due / 2)
        publish(1);
    m->deaf = true;
    publish(1);
    ck_assert_uint_gt(replica_applied(leader()->replica), log_floor(leader()->replica->log));
}

START_TEST(an_entry_that_the_leader_cannot_read_comes_from_another_one)
{
    struct machine *m, *before;
    uint64_t floor;

    begin(0);
    publish(1);
    m = follower();
    lag(m);
    before = leader();
    floor = log_floor(before->replica->log);
    spoil(before);
    m->deaf = false;
    pass(3 * SECOND);
    ck_assert_ptr_ne(leader(), before);
    ck_assert(equal());
    ck_assert_uint_eq(m->taken, 0);
    ck_assert_uint_eq(log_floor(leader()->replica->log), floor);
    end();
}
END_TEST

START_TEST(an_entry_that_no_leader_can_read_is_taken_as_a_block)
{
    struct machine *m;

    begin(0);
    publish(1);
    m = follower();
    lag(m);
    for (size_t i = 0; i < NODES; i++)
        if (&w.at[i] != m)
            spoil(&w.at[i]);
    m->deaf = false;
    pass(10 * SECOND);
    ck_assert(equal());
    ck_assert_uint_eq(m->taken, 1);
    publish(10);
    ck_assert(equal());
    end();
}
END_TEST

/* ---- no false alarm ------------------------------------------------------------------------- */

/* As if `from` had said so. */
static void say(struct machine *to, uint64_t from, uint64_t index, uint64_t hash, uint64_t chain,
                uint64_t definition)
{
    struct raft_message message = {.from = {from, from, false},
                                   .to = {to->number, to->number, false},
                                   .previous = index,
                                   .previous_term = definition,
                                   .last = hash,
                                   .probe = chain};

    replica_audit_step(to->replica, &message);
}

/* What it said itself of its newest block, with something changed. */
static void contradict(struct machine *m, unsigned voters, uint64_t chain_off,
                       uint64_t definition_off)
{
    const struct audited *own = NULL;

    for (uint32_t i = 0; i < AUDITS_MAX; i++)
        if (m->replica->audits[i].member.node == m->number &&
            m->replica->audits[i].index == m->replica->block.newest)
            own = &m->replica->audits[i];
    ck_assert(own != NULL);
    for (uint64_t from = 1, told = 0; from <= NODES && told < voters; from++) {
        if (from == m->number)
            continue;
        say(m, from, own->index, own->hash + 1, own->chain + chain_off, 2 + definition_off);
        told++;
    }
}

START_TEST(nobody_is_told_to_differ_by_less_than_a_majority_or_about_something_else)
{
    struct machine *m;

    begin(0);
    publish(60);
    pass(SECOND);
    m = follower();
    contradict(m, 2, 1, 0); /* another log */
    contradict(m, 2, 0, 1); /* another definition of what is hashed */
    contradict(m, 1, 0, 0);
    pass(SECOND);
    ck_assert_uint_eq(w.differ, 0);
    contradict(m, 2, 0, 0);
    ck_assert_uint_eq(w.differ, 1);
    end();
}
END_TEST

/* It believes that it differs, and nobody has what the liars said: nothing is taken. */
START_TEST(a_state_that_is_not_the_majoritys_is_not_taken)
{
    struct machine *m;

    begin(0);
    publish(60);
    pass(SECOND);
    m = follower();
    contradict(m, 2, 0, 0);
    pass(4 * SECOND);
    ck_assert_uint_eq(m->taken, 0);
    ck_assert(equal());
    publish(40); /* what is said next is true again */
    pass(6 * SECOND);
    ck_assert(!replica_differs(m->replica));
    ck_assert(equal());
    end();
}
END_TEST

START_TEST(what_is_not_answered_is_asked_again_however_much_else_is)
{
    struct machine *m;

    begin(0);
    publish(20);
    m = follower();
    m->asks = true;
    m->count += 5;
    publish(40);
    pass(5 * SECOND);
    ck_assert(w.first_told);
    ck_assert_uint_eq(w.first_asked, 3);    /* and no more often: the answer takes its place */
    ck_assert_uint_gt(w.second_asked, 100); /* it does not wait for the first */
    ck_assert_uint_eq(m->taken, 1);
    ck_assert(equal());
    end();
}
END_TEST

START_TEST(a_block_that_is_found_to_make_no_sense_later_is_given_up_and_another_comes)
{
    struct machine *m;

    begin(0);
    publish(20);
    m = follower();
    m->refuses = 2;
    m->count += 5;
    publish(40);
    pass(5 * SECOND);
    ck_assert_uint_eq(m->refuses, 0);
    ck_assert_uint_eq(m->taken, 1);
    ck_assert(equal());
    end();
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        a_follower_that_miscounts_takes_the_majoritys_state_and_what_follows_it,
        a_leader_that_miscounts_gives_way_before_it_heals,
        what_it_has_taken_is_there_after_a_restart,
        one_that_differs_for_the_fourth_time_in_an_hour_stays_out_and_only_votes,
        one_that_differs_and_is_elected_hands_over_without_having_led,
        one_none_of_whose_blocks_can_be_read_takes_all_from_its_peers,
        one_that_has_no_peers_stays_closed,
        a_leader_whose_block_rots_makes_another_for_who_needs_one,
        leadership_is_not_handed_to_one_that_has_lost_entries,
        one_that_is_let_go_while_it_takes_a_block_votes_again,
        one_that_cannot_read_what_follows_the_block_heals_with_a_later_one,
        an_entry_that_the_leader_cannot_read_comes_from_another_one,
        an_entry_that_no_leader_can_read_is_taken_as_a_block,
        nobody_is_told_to_differ_by_less_than_a_majority_or_about_something_else,
        a_state_that_is_not_the_majoritys_is_not_taken,
        what_is_not_answered_is_asked_again_however_much_else_is,
        a_block_that_is_found_to_make_no_sense_later_is_given_up_and_another_comes,
    };

    return UNIT_RUN_PLAIN("replica_heal", tests);
}
