#include <stdio.h>
#include <unistd.h>

#include "base/io_real.h"
#include "storage/record.h"
#include "tests/unit/directory.h"
#include "tests/unit/raft/shell.h"

struct machine {
    char root[64];
    struct io *io;
    struct store *store;
    struct groups *groups;
    struct replica *replica;
    uint64_t applied;
    uint64_t terms; /* records of type 0 */
    uint64_t own;   /* others */
    uint64_t led;   /* term it was told to lead */
    uint64_t applied_when_led;
    bool close_in_apply;
};

static void on_apply(void *owner, const struct log_batch *batch)
{
    struct machine *m = owner;
    struct bytes rest = batch->records;
    struct record record;

    ck_assert_uint_eq(batch->index, ++m->applied);
    for (uint32_t i = 0; i < batch->record_count; i++) {
        ck_assert_int_eq(record_read(rest, &record), OK);
        rest = bytes_skip(rest, record.size);
        m->terms += record.type == REPLICA_RECORD_TERM;
        m->own += record.type != REPLICA_RECORD_TERM;
    }
    if (m->close_in_apply && m->replica != NULL) {
        replica_close(m->replica);
        m->replica = NULL;
    }
}

static void on_lead(void *owner, uint64_t term)
{
    struct machine *m = owner;

    m->led = term;
    m->applied_when_led = m->applied;
    ck_assert(replica_leads(m->replica));
}

static void flush(void *context)
{
    struct machine *m = context;

    groups_flush(m->groups);
    store_flush(m->store);
}

static const struct replica_events events = {
    .apply = on_apply,
    .lost = shell_lost,
    .lead = on_lead,
    .refused = shell_refused,
};

static void start(struct machine *m)
{
    struct groups_options alone = {.self = {.node = 1, .incarnation = 1}, .seed = 1};
    struct store_options options = {};
    struct store_error error;
    enum err err;

    m->applied = m->terms = m->own = m->led = 0;
    ck_assert_int_eq(io_real_create(m->root, IO_CHOICE_AUTO, &m->io, &(struct io_real_result){0}),
                     OK);
    ck_assert_int_eq(store_open(m->io, ".", &options, &m->store, &error), OK);
    m->groups = groups_create(m->store, &alone);
    io_set_flush(m->io, flush, m);
    err = log_prepare(m->store, 1, shell_incarnation, bytes_of(NULL, 0));
    ck_assert(err == OK || err == ERR_EXISTS);
    ck_assert_int_eq(replica_open(m->groups, 1, &events, m, &m->replica), OK);
}

static void settle(struct machine *m)
{
    for (int turn = 0; turn < 100000 && !store_idle(m->store); turn++)
        ck_assert_int_eq(io_turn(m->io, 1000000), OK);
    ck_assert(store_idle(m->store));
}

static void stop(struct machine *m)
{
    if (m->replica != NULL)
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
}

static void end(struct machine *m)
{
    stop(m);
    directory_remove(m->root);
}

static void propose(struct machine *m)
{
    struct buf *batch = replica_gather(m->replica);

    ck_assert_ptr_nonnull(record_begin(batch, 9, 0, 5));
    memset(batch->at + batch->size + RECORD_HEAD, 7, 5);
    record_end(batch, 5);
    ck_assert_uint_eq(replica_gathered(m->replica), 16);
    ck_assert_uint_eq(replica_propose(m->replica, 77, 1), replica_proposed(m->replica));
}

START_TEST(it_leads_only_after_a_batch_of_its_own_term_is_applied)
{
    struct machine m;

    begin(&m);
    ck_assert(!replica_leads(m.replica));
    ck_assert(!replica_ready(m.replica));
    ck_assert_uint_eq(m.led, 0); /* it follows from the loop */
    settle(&m);
    ck_assert(replica_leads(m.replica));
    ck_assert_uint_eq(m.led, 1);
    ck_assert_uint_eq(m.applied_when_led, 1);
    ck_assert_uint_eq(m.terms, 1);
    end(&m);
}
END_TEST

START_TEST(every_life_has_a_term_of_its_own_and_applies_all_again)
{
    struct machine m;

    begin(&m);
    for (uint64_t life = 1; life <= 5; life++) {
        settle(&m);
        ck_assert_uint_eq(m.led, life);
        ck_assert_uint_eq(replica_term(m.replica), life);
        ck_assert_uint_eq(m.own, 3 * (life - 1));
        for (int i = 0; i < 3; i++) {
            propose(&m);
            settle(&m);
        }
        ck_assert_uint_eq(replica_applied(m.replica), 4 * life);
        stop(&m);
        start(&m);
    }
    settle(&m);
    ck_assert_uint_eq(m.terms, 6);
    ck_assert_uint_eq(m.own, 15);
    end(&m);
}
END_TEST

START_TEST(it_may_be_closed_from_apply)
{
    struct machine m;

    begin(&m);
    settle(&m);
    propose(&m);
    m.close_in_apply = true;
    settle(&m);
    ck_assert_ptr_null(m.replica);
    end(&m);
}
END_TEST

START_TEST(a_group_without_a_log_cannot_be_opened)
{
    struct replica *replica;
    struct machine m;

    begin(&m);
    ck_assert_int_eq(replica_open(m.groups, 2, &events, &m, &replica), ERR_NOT_FOUND);
    end(&m);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        it_leads_only_after_a_batch_of_its_own_term_is_applied,
        every_life_has_a_term_of_its_own_and_applies_all_again,
        it_may_be_closed_from_apply,
        a_group_without_a_log_cannot_be_opened,
    };

    return UNIT_RUN_PLAIN("replica", tests);
}
