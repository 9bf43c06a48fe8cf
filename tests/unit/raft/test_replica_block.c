/* State blocks of a group of one, with the smallest of machines: it counts its own records. */
#include <stdio.h>
#include <unistd.h>

#include "base/codec.h"
#include "base/io_real.h"
#include "storage/record.h"
#include "tests/unit/directory.h"
#include "tests/unit/raft/shell.h"

#define SECTION_COUNT BLOCK_SECTION_FREE

struct machine {
    char root[64];
    struct io *io;
    struct store *store;
    struct groups *groups;
    struct replica *replica;
    uint64_t own;     /* records, of this life and of the block it began with */
    uint64_t applied; /* batches in this life */
    uint64_t restored;
    unsigned captures, written;
    struct buf body;
    bool captured;
    bool refuses; /* blocks that are read */
    bool dies;    /* before a block is written */
};

static const struct raft_member self = {.node = 1, .incarnation = 1};

static void on_apply(void *owner, const struct log_batch *batch)
{
    struct machine *m = owner;
    struct bytes rest = batch->records;
    struct record record;

    m->applied++;
    for (uint32_t i = 0; i < batch->record_count; i++) {
        ck_assert_int_eq(record_read(rest, &record), OK);
        rest = bytes_skip(rest, record.size);
        m->own += !replica_record(record.type);
    }
}

static void on_lead(void *owner, uint64_t term)
{
    (void)owner;
    (void)term;
}

static void on_capture(void *owner, struct bytes head)
{
    struct machine *m = owner;
    uint8_t section[BLOCK_SECTION_HEAD + 8];

    ck_assert(!m->captured);
    m->captures++;
    if (m->dies)
        return;
    buf_init(&m->body, SIZE_MAX);
    replica_section(section, SECTION_COUNT, 8);
    encode_u64(section + BLOCK_SECTION_HEAD, m->own);
    ck_assert(buf_add(&m->body, head));
    ck_assert(buf_add(&m->body, bytes_of(section, sizeof section)));
    m->captured = true;
}

static void on_blocked(void *owner, enum err err)
{
    struct machine *m = owner;

    ck_assert_int_eq(err, OK);
    m->written++;
}

static enum err on_restore(void *owner, const struct replica_block *block)
{
    struct machine *m = owner;
    struct bytes body = block->body, section;
    struct decoder in;
    uint32_t type;

    if (m->refuses)
        return ERR_CORRUPT;
    ck_assert_uint_eq(m->applied, 0);
    ck_assert(replica_section_take(&body, &type, &section));
    ck_assert_uint_eq(type, SECTION_COUNT);
    ck_assert_uint_eq(body.size, 0);
    decoder_init(&in, section);
    m->own = decode_u64(&in);
    m->restored = block->index;
    return OK;
}

static const struct replica_events events = {
    .apply = on_apply,
    .lost = shell_lost,
    .lead = on_lead,
    .refused = shell_refused,
    .capture = on_capture,
    .blocked = on_blocked,
    .restore = on_restore,
};

static void flush(void *context)
{
    struct machine *m = context;
    struct buf local;

    if (m->captured) {
        m->captured = false;
        buf_init(&local, SIZE_MAX);
        replica_block(m->replica, &m->body, &local);
    }
    groups_flush(m->groups);
    store_flush(m->store);
}

static void start(struct machine *m)
{
    struct groups_options alone = {.self = self, .seed = 1, .block_bytes = 4096};
    struct store_options options = {};
    struct store_error error;
    struct buf bootstrap;
    enum err err;

    m->applied = m->own = m->restored = 0;
    m->captures = m->written = 0;
    ck_assert_int_eq(io_real_create(m->root, IO_CHOICE_AUTO, &m->io, &(struct io_real_result){0}),
                     OK);
    ck_assert_int_eq(store_open(m->io, ".", &options, &m->store, &error), OK);
    m->groups = groups_create(m->store, &alone);
    io_set_flush(m->io, flush, m);
    shell_bootstrap(&bootstrap, 1);
    err = log_prepare(m->store, 1, shell_incarnation, buf_bytes(&bootstrap));
    ck_assert(err == OK || err == ERR_EXISTS);
    buf_deinit(&bootstrap);
    ck_assert_int_eq(replica_open(m->groups, 1, &events, m, &m->replica), OK);
}

static void settle(struct machine *m)
{
    for (int turn = 0; turn < 100000 && (!store_idle(m->store) || m->captured); turn++)
        ck_assert_int_eq(io_turn(m->io, 1000000), OK);
    ck_assert(store_idle(m->store));
}

static void stop(struct machine *m)
{
    replica_close(m->replica);
    m->replica = NULL;
    settle(m);
    groups_destroy(m->groups);
    store_close(m->store);
    io_destroy(m->io);
}

static void begin(struct machine *m)
{
    memset(m, 0, sizeof *m);
    directory_make(m->root);
    start(m);
    settle(m);
}

static void end(struct machine *m)
{
    stop(m);
    directory_remove(m->root);
}

static void propose(struct machine *m, size_t size)
{
    struct buf *batch = replica_gather(m->replica);

    ck_assert_ptr_nonnull(record_begin(batch, 9, 0, size));
    memset(batch->at + batch->size + RECORD_HEAD, 7, size);
    record_end(batch, size);
    (void)replica_propose(m->replica, 77, 1);
    settle(m);
}

START_TEST(a_log_that_has_grown_is_sealed_and_a_start_goes_on_from_there)
{
    struct machine m;
    uint64_t applied, written;

    begin(&m);
    for (int i = 0; i < 100; i++)
        propose(&m, 300);
    ck_assert_uint_ge(m.written, 5);
    ck_assert_uint_eq(m.written, m.captures);
    ck_assert_uint_eq(m.own, 100);
    ck_assert_uint_gt(log_floor(replica_log(m.replica)), 50);
    applied = replica_applied(m.replica);
    written = log_floor(replica_log(m.replica));
    stop(&m);

    start(&m);
    settle(&m);
    ck_assert_uint_eq(m.restored, written);
    ck_assert_uint_eq(m.own, 100);
    ck_assert_uint_eq(m.applied, applied - written + 1); /* and its own term's */
    ck_assert_uint_eq(replica_members(m.replica)->count, 1);
    propose(&m, 300);
    ck_assert_uint_eq(m.own, 101);
    end(&m);
}
END_TEST

START_TEST(a_block_that_the_machine_cannot_read_leaves_the_log_to_begin_with)
{
    struct machine m;

    begin(&m);
    for (int i = 0; i < 60; i++)
        propose(&m, 300);
    stop(&m);
    m.refuses = true;
    start(&m); /* no file was dropped: it is whole */
    settle(&m);
    ck_assert_uint_eq(m.restored, 0);
    ck_assert_uint_eq(m.own, 60);
    end(&m);
}
END_TEST

START_TEST(a_group_that_takes_no_blocks_does_not_grow_when_its_floor_has_risen)
{
    struct raft_config two = {.at = {self, {.node = 2, .incarnation = 2, .learner = true}},
                              .count = 2};
    struct machine m;

    begin(&m);
    propose(&m, 10);
    for (int i = 0; i < 60; i++)
        propose(&m, 300);
    ck_assert_uint_gt(log_floor(replica_log(m.replica)), 0);
    ck_assert_int_eq(replica_change(m.replica, &two), ERR_UNSUPPORTED);
    end(&m);
}
END_TEST

START_TEST(a_seal_that_nothing_follows_does_not_stand_in_the_way)
{
    struct machine m;

    begin(&m);
    propose(&m, 5000);
    (void)replica_gather(m.replica); /* the seal, and then nothing */
    ck_assert_uint_gt(replica_gathered(m.replica), 0);
    (void)replica_propose(m.replica, 77, 0);
    settle(&m);
    ck_assert_uint_eq(m.written, 1);
    ck_assert_uint_eq(m.own, 1);
    end(&m);
}
END_TEST

/* One block would be written after the other, each as large as the state. */
START_TEST(while_a_seal_is_on_its_way_there_is_no_second_one)
{
    struct buf *batch;
    struct machine m;

    begin(&m);
    propose(&m, 5000);
    batch = replica_gather(m.replica);
    ck_assert_uint_eq(replica_gathered(m.replica), REPLICA_SEAL_SIZE);
    ck_assert_ptr_nonnull(record_begin(batch, 9, 0, 8));
    record_end(batch, 8);
    (void)replica_propose(m.replica, 77, 1);
    (void)replica_gather(m.replica); /* what comes meanwhile */
    ck_assert_uint_eq(replica_gathered(m.replica), 0);
    replica_gather_drop(m.replica);
    settle(&m);
    ck_assert_uint_eq(m.written, 1);
    end(&m);
}
END_TEST

START_TEST(a_block_that_an_end_came_before_is_made_up_for)
{
    struct machine m;

    begin(&m);
    propose(&m, 5000);
    m.dies = true;
    propose(&m, 300); /* with the seal */
    ck_assert_uint_eq(m.captures, 1);
    replica_block_drop(m.replica);
    stop(&m);
    m.dies = false;

    start(&m);
    settle(&m);
    ck_assert_uint_eq(m.restored, 0);
    ck_assert_uint_eq(m.own, 2);
    propose(&m, 300);
    ck_assert_uint_eq(m.written, 1);
    propose(&m, 300);
    ck_assert_uint_eq(m.written, 1);
    ck_assert_uint_eq(m.captures, 1);
    end(&m);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        a_block_that_an_end_came_before_is_made_up_for,
        a_log_that_has_grown_is_sealed_and_a_start_goes_on_from_there,
        a_block_that_the_machine_cannot_read_leaves_the_log_to_begin_with,
        a_group_that_takes_no_blocks_does_not_grow_when_its_floor_has_risen,
        a_seal_that_nothing_follows_does_not_stand_in_the_way,
        while_a_seal_is_on_its_way_there_is_no_second_one,
    };

    return UNIT_RUN_PLAIN("replica_block", tests);
}
