/* The mailbox and the sleeping flag in every order of their atomic steps: the code itself is
 * included here, with a scheduling point before each of these. */
#include <stdatomic.h>
#include <stdint.h>

static void interleave_step(void);

#undef atomic_load
#undef atomic_store
#undef atomic_exchange
#undef atomic_compare_exchange_weak
#define atomic_load(at) (interleave_step(), atomic_load_explicit((at), memory_order_seq_cst))
#define atomic_store(at, value)                                                                    \
    (interleave_step(), atomic_store_explicit((at), (value), memory_order_seq_cst))
#define atomic_exchange(at, value)                                                                 \
    (interleave_step(), atomic_exchange_explicit((at), (value), memory_order_seq_cst))
#define atomic_compare_exchange_weak(at, expected, value)                                          \
    (interleave_step(),                                                                            \
     atomic_compare_exchange_strong_explicit((at), (expected), (value), memory_order_seq_cst,      \
                                             memory_order_seq_cst))

#include "base/mailbox.c"
#include "base/waker.c"

#include <poll.h>

#include "tests/unit/base/interleave.h"

#define LOOPS_MAX 3
#define SEEN_MAX  8

/* One thread: a loop that sleeps and is woken, as base/io_uring.c does it, and sends. */
struct loop {
    struct world *world;
    struct waker waker;
    struct mailbox mailbox;
    struct mail_sender sender;
    uint64_t pushed[LOOPS_MAX];
    int expects; /* it ends when it has seen so many */
    int seen[SEEN_MAX];
    int seen_count;
    void (*before)(struct loop *loop);          /* its own turn's work; NULL: none */
    void (*heard)(struct loop *loop, int what); /* what follows from one; NULL: nothing */
};

struct world {
    struct loop loops[LOOPS_MAX];
    int count;
    void (*begin)(struct world *world);
    bool begun;
    bool told; /* of what the second loop has sent, by somebody outside */
    uint64_t sleeps;
};

static bool readable(const struct waker *waker)
{
    struct pollfd p = {.fd = waker->fd, .events = POLLIN};

    return poll(&p, 1, 0) == 1;
}

static bool sleeps(void *of)
{
    return !readable(&((struct loop *)of)->waker);
}

static void push(struct loop *loop, int to, int what)
{
    struct mail *mail = heap_take(sizeof(*mail) + sizeof(what));

    mail->size = sizeof(what);
    memcpy(mail->at, &what, sizeof(what));
    loop->pushed[to] += sizeof(what);
    mailbox_push(&loop->world->loops[to].mailbox, &loop->sender, mail);
}

static void ask(struct loop *loop, int to)
{
    waker_ask(&loop->world->loops[to].waker);
}

static void drain(struct loop *loop)
{
    struct mail *mail;

    while ((mail = mailbox_take(&loop->mailbox)) != NULL) {
        int what;

        memcpy(&what, mail->at, sizeof(what));
        mailbox_done(&loop->mailbox, mail);
        ck_assert_int_lt(loop->seen_count, SEEN_MAX);
        loop->seen[loop->seen_count++] = what;
        if (loop->heard != NULL)
            loop->heard(loop, what);
    }
}

static void sleep_or_not(struct loop *loop)
{
    uint64_t count;

    if (waker_asked(&loop->waker))
        return;
    waker_sleep(&loop->waker);
    if (!waker_asked(&loop->waker)) {
        interleave_wait(sleeps);
        ck_assert_int_eq(read(loop->waker.fd, &count, sizeof(count)), sizeof(count));
        loop->world->sleeps++;
    }
    waker_awake(&loop->waker);
}

static void loop_run(void *of)
{
    struct loop *loop = of;

    if (loop->before != NULL)
        loop->before(loop);
    drain(loop); /* a loop turns for other reasons, too */
    while (loop->seen_count < loop->expects) {
        sleep_or_not(loop);
        (void)waker_take(&loop->waker);
        drain(loop);
    }
}

/* As after waker_init, with the descriptor of before. */
static void waker_again(struct waker *waker, int fd)
{
    uint64_t count;

    waker->fd = fd;
    if (readable(waker))
        ck_assert_int_eq(read(fd, &count, sizeof(count)), sizeof(count));
}

static void world_set(void *of)
{
    struct world *world = of;

    for (int i = 0; i < world->count; i++) {
        struct loop *loop = &world->loops[i];

        struct waker waker = loop->waker;

        *loop = (struct loop){.world = world};
        if (world->begun)
            waker_again(&loop->waker, waker.fd);
        else
            ck_assert(waker_init(&loop->waker));
        mailbox_init(&loop->mailbox);
        mail_sender_init(&loop->sender, (unsigned)i);
    }
    world->begun = true;
    world->begin(world);
    for (int i = 0; i < world->count; i++)
        interleave_add(loop_run, &world->loops[i]);
}

/* Nobody sleeps on what it was sent, and all that was pushed is known to be done. */
static void world_check(void *of)
{
    struct world *world = of;

    ck_assert(!explorer.stuck);
    for (int i = 0; i < world->count; i++) {
        struct loop *loop = &world->loops[i];

        ck_assert_int_eq(loop->seen_count, loop->expects);
        for (int to = 0; to < world->count; to++)
            ck_assert_uint_eq(
                mail_waiting(&world->loops[to].mailbox, &loop->sender, loop->pushed[to]), 0);
        mailbox_deinit(&loop->mailbox);
    }
}

static void world_end(struct world *world)
{
    for (int i = 0; i < world->count; i++)
        waker_deinit(&world->loops[i].waker);
}

static int place(const struct loop *loop, int what)
{
    for (int i = 0; i < loop->seen_count; i++)
        if (loop->seen[i] == what)
            return i;
    ck_abort_msg("%d was not seen", what);
    return -1;
}

/* ---- one sender, one receiver: every order -------------------------------------------------- */

static void send_twice(struct loop *loop)
{
    push(loop, 1, 1);
    mail_open(&loop->sender);
    ask(loop, 1);
    push(loop, 1, 2);
    mail_open(&loop->sender);
    ask(loop, 1);
}

static void send_once(struct loop *loop)
{
    push(loop, 1, 1);
    push(loop, 1, 2);
    mail_open(&loop->sender);
    ask(loop, 1);
}

static void begin_pair(struct world *world)
{
    world->loops[0].before = send_once;
    world->loops[1].expects = 2;
}

static void begin_pair_twice(struct world *world)
{
    world->loops[0].before = send_twice;
    world->loops[1].expects = 2;
}

static void check_pair(void *of)
{
    struct world *world = of;

    world_check(of);
    ck_assert_int_lt(place(&world->loops[1], 1), place(&world->loops[1], 2));
}

START_TEST(in_every_order_a_loop_gets_all_it_is_sent_in_order_and_sleeps_on_nothing)
{
    struct world world = {.count = 2, .begin = begin_pair};

    ck_assert_uint_gt(interleave_all(world_set, check_pair, &world, -1), 1000);
    ck_assert_uint_gt(world.sleeps, 0);
    world_end(&world);
}
END_TEST

START_TEST(a_loop_that_is_asked_again_while_it_falls_asleep_turns_again)
{
    struct world world = {.count = 2, .begin = begin_pair_twice};

    ck_assert_uint_gt(interleave_all(world_set, check_pair, &world, 5), 1000);
    world_end(&world);
}
END_TEST

/* ---- two senders ---------------------------------------------------------------------------- */

static void send_to_last(struct loop *loop)
{
    int self = (int)loop->sender.place;

    push(loop, 2, 10 * self);
    push(loop, 2, 10 * self + 1);
    mail_open(&loop->sender);
    ask(loop, 2);
}

static void begin_two(struct world *world)
{
    world->loops[0].before = send_to_last;
    world->loops[1].before = send_to_last;
    world->loops[2].expects = 4;
}

static void check_two(void *of)
{
    struct world *world = of;

    world_check(of);
    ck_assert_int_lt(place(&world->loops[2], 0), place(&world->loops[2], 1));
    ck_assert_int_lt(place(&world->loops[2], 10), place(&world->loops[2], 11));
}

START_TEST(two_senders_lose_nothing_and_each_keeps_its_order)
{
    struct world world = {.count = 3, .begin = begin_two};

    ck_assert_uint_gt(interleave_all(world_set, check_two, &world, 2), 1000);
    world_end(&world);
}
END_TEST

/* ---- causes over three loops ---------------------------------------------------------------- */

enum { EFFECT_EARLY = 1, REQUEST, EFFECT_LATE };

/* The request leaves before the message does: only that both are opened at once orders them. */
static void say_both(struct loop *loop)
{
    push(loop, 1, REQUEST);
    push(loop, 2, EFFECT_EARLY);
    mail_open(&loop->sender);
    ask(loop, 1);
    ask(loop, 2);
}

static void serve(struct loop *loop, int what)
{
    ck_assert_int_eq(what, REQUEST);
    push(loop, 2, EFFECT_LATE);
    mail_open(&loop->sender);
    ask(loop, 2);
}

static void begin_causes(struct world *world)
{
    world->loops[0].before = say_both;
    world->loops[1].heard = serve;
    world->loops[1].expects = 1;
    world->loops[2].expects = 2;
}

static void check_causes(void *of)
{
    struct world *world = of;

    world_check(of);
    ck_assert_int_lt(place(&world->loops[2], EFFECT_EARLY), place(&world->loops[2], EFFECT_LATE));
}

START_TEST(what_follows_from_a_batch_is_read_after_all_of_it_by_everybody)
{
    struct world world = {.count = 3, .begin = begin_causes};

    ck_assert_uint_gt(interleave_all(world_set, check_causes, &world, 2), 1000);
    world_end(&world);
}
END_TEST

/* ---- what is known and must be done --------------------------------------------------------- */

enum { KNOWN = 10 };

static void send_and_tell(struct loop *loop)
{
    push(loop, 2, KNOWN);
    mail_open(&loop->sender);
    loop->world->told = true;
    ask(loop, 2);
}

/* In two turns, of which the first is pushed in pieces. */
static void send_slowly(struct loop *loop)
{
    push(loop, 2, 1);
    push(loop, 2, 2);
    mail_open(&loop->sender);
    push(loop, 2, 3);
    mail_open(&loop->sender);
    ask(loop, 2);
}

static bool knows_nothing(void *of)
{
    return !((struct loop *)of)->world->told;
}

static void do_all(struct loop *loop)
{
    struct mail *mail, *next;

    for (mail = mailbox_take_all(&loop->mailbox); mail != NULL; mail = next) {
        next = mail->next;
        memcpy(&loop->seen[loop->seen_count++], mail->at, sizeof(int));
        mailbox_done(&loop->mailbox, mail);
    }
}

/* Whatever the first loop is in the midst of. */
static void know_and_do(struct loop *loop)
{
    interleave_wait(knows_nothing);
    do_all(loop);
    (void)place(loop, KNOWN);
}

static void begin_known(struct world *world)
{
    world->told = false;
    world->loops[0].before = send_slowly;
    world->loops[1].before = send_and_tell;
    world->loops[2].before = know_and_do;
    world->loops[2].expects = 4;
}

static void check_known(void *of)
{
    struct world *world = of;
    const struct loop *receiver = &world->loops[2];

    world_check(of);
    ck_assert_int_lt(place(receiver, 1), place(receiver, 2));
    ck_assert_int_lt(place(receiver, 2), place(receiver, 3));
}

START_TEST(who_knows_of_a_batch_has_it_though_another_sender_is_in_the_midst_of_its_turn)
{
    struct world world = {.count = 3, .begin = begin_known};

    ck_assert_uint_gt(interleave_all(world_set, check_known, &world, 3), 1000);
    world_end(&world);
}
END_TEST

/* ---- both ways ------------------------------------------------------------------------------ */

static void send_across(struct loop *loop)
{
    int other = 1 - (int)loop->sender.place;

    push(loop, other, 1);
    mail_open(&loop->sender);
    ask(loop, other);
}

static void begin_across(struct world *world)
{
    for (int i = 0; i < 2; i++) {
        world->loops[i].before = send_across;
        world->loops[i].expects = 1;
    }
}

START_TEST(two_loops_that_send_to_each_other_both_end)
{
    struct world world = {.count = 2, .begin = begin_across};

    ck_assert_uint_gt(interleave_all(world_set, world_check, &world, 5), 1000);
    world_end(&world);
}
END_TEST

/* ---- what waits ----------------------------------------------------------------------------- */

START_TEST(a_sender_knows_how_much_of_its_own_waits)
{
    struct world world = {.count = 2, .begin = begin_pair};
    struct loop *from = &world.loops[0], *to = &world.loops[1];
    struct mail *mail;

    explorer.running = -1;
    explorer.count = 0;
    world_set(&world);
    push(from, 1, 1);
    push(to, 1, 2); /* of another */
    ck_assert_uint_eq(mail_waiting(&to->mailbox, &from->sender, from->pushed[1]), 4);
    ck_assert_ptr_null(mailbox_take(&to->mailbox)); /* not open */
    mail_open(&from->sender);
    mail = mailbox_take(&to->mailbox);
    ck_assert_ptr_nonnull(mail);
    ck_assert_uint_eq(mail_waiting(&to->mailbox, &from->sender, from->pushed[1]), 4);
    mailbox_done(&to->mailbox, mail);
    ck_assert_uint_eq(mail_waiting(&to->mailbox, &from->sender, from->pushed[1]), 0);
    ck_assert_ptr_null(mailbox_take(&to->mailbox)); /* the other's is not */
    for (int i = 0; i < 2; i++) {
        mailbox_deinit(&world.loops[i].mailbox);
        waker_deinit(&world.loops[i].waker);
    }
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        in_every_order_a_loop_gets_all_it_is_sent_in_order_and_sleeps_on_nothing,
        a_loop_that_is_asked_again_while_it_falls_asleep_turns_again,
        two_senders_lose_nothing_and_each_keeps_its_order,
        what_follows_from_a_batch_is_read_after_all_of_it_by_everybody,
        who_knows_of_a_batch_has_it_though_another_sender_is_in_the_midst_of_its_turn,
        two_loops_that_send_to_each_other_both_end,
        a_sender_knows_how_much_of_its_own_waits,
    };

    return UNIT_RUN_PLAIN("mailbox", tests);
}
