/* What a whole server promises of a client that pulls as much as it may and acknowledges it soon,
 * counted in batches of the log: a batch is a sync. */
#include "tests/unit/server/stream_world.h"

#define MILLISECOND INT64_C(1000000)
#define MESSAGES    4000u

static struct world world;
static struct peer *peer;
static size_t looked; /* so much of what came has been acknowledged, or not, as it was decided */

/* A stream of many messages, a disk of that speed, a network of 0.1 ms. */
static void begin(uint64_t seed, int64_t sync_ns)
{
    struct sim_faults faults = sim_faults_none();
    struct lines lines = {.size = 0};

    peer = start_with_stream(&world, seed, "");
    for (unsigned i = 0; i < MESSAGES; i++) {
        lines_publish(&lines, "s.a", "none", "x");
        if (i % 1000 == 999)
            lines_say(&lines, &world, peer);
    }
    say_publish(&world, peer, "$JS.API.CONSUMER.CREATE.S.C", "in.api",
                "{\"stream_name\":\"S\",\"config\":{\"durable_name\":\"C\","
                "\"ack_policy\":\"explicit\",\"max_ack_pending\":1000}}");
    ck_assert(peer_has(peer, "consumer_create_response"));
    faults.disk_min_ns = faults.disk_max_ns = sync_ns;
    sim_set_faults(world.sim, world.server_node, &faults);
    buf_clear(&peer->in);
    looked = 0;
}

static void say(struct buf *text)
{
    struct bytes b;

    (void)buf_add_byte(text, 0);
    b = bytes_of(text->at, text->size - 1);
    if (b.size > 0)
        io_sock_send(peer->io, peer->sock, &b, 1);
    sim_run(world.sim, MILLISECOND / 2);
    buf_deinit(text);
}

static void pull(void)
{
    struct buf text;

    buf_init(&text, 4096);
    (void)buf_print(&text, "PUB $JS.API.CONSUMER.MSG.NEXT.S.C in.pull 4\r\n%u\r\n", MESSAGES);
    say(&text);
}

/* Acknowledges up to `most` of what came since; returns how many. */
static unsigned acknowledge(unsigned most, const char *reply)
{
    unsigned count = 0;
    struct buf text;

    buf_init(&text, 1 << 20);
    while (count < most) {
        const uint8_t *at = memmem(peer->in.at + looked, peer->in.size - looked, "$JS.ACK.", 8);
        struct bytes subject;

        if (at == NULL)
            break;
        looked = (size_t)(at - peer->in.at);
        subject = bytes_of(at, peer->in.size - looked);
        subject = bytes_take(subject, bytes_find(subject, ' '));
        (void)buf_print(&text, "PUB %.*s %s4\r\n+ACK\r\n", BYTES_ARG(subject), reply);
        looked += subject.size;
        count++;
    }
    say(&text);
    return count;
}

/* How many batches it takes until all is delivered and acknowledged. */
static uint64_t batches_until_done(void)
{
    uint64_t before = batches(&world);
    unsigned acknowledged = 0;

    pull();
    for (unsigned i = 0; i < 10000 && acknowledged < MESSAGES; i++)
        acknowledged += acknowledge(MESSAGES, "");
    ck_assert_uint_eq(acknowledged, MESSAGES);
    return batches(&world) - before;
}

START_TEST(acks_that_come_sooner_than_a_sync_takes_share_one)
{
    begin(1, 5 * MILLISECOND);
    /* A thousand with each, and not half of that. */
    ck_assert_uint_le(batches_until_done(), 6);
    world_deinit(&world);
}
END_TEST

/* The client is slow: a millisecond for ten messages. */
START_TEST(acks_that_come_later_are_hardly_waited_for)
{
    uint64_t before;
    int64_t began;

    begin(2, 5 * MILLISECOND);
    pull();
    sim_run(world.sim, 20 * MILLISECOND);
    before = batches(&world);
    began = io_now(peer->io);
    for (unsigned i = 0; i < 800; i++)
        (void)acknowledge(10, "");
    /* The disk was busy nearly all the time: at least eight syncs where ten would fit. */
    ck_assert_uint_ge((int64_t)(batches(&world) - before) * 5 * MILLISECOND,
                      (io_now(peer->io) - began) / 10 * 8);
    world_deinit(&world);
}
END_TEST

START_TEST(an_ack_that_wants_an_answer_does_not_wait_for_others)
{
    int64_t began;

    begin(3, 5 * MILLISECOND);
    pull();
    sim_run(world.sim, 20 * MILLISECOND);
    (void)acknowledge(10, "");
    began = io_now(peer->io);
    (void)acknowledge(1, "in.sure ");
    for (unsigned i = 0; i < 100 && !peer_has(peer, "MSG in.sure 1 0\r\n"); i++)
        sim_run(world.sim, MILLISECOND / 10);
    ck_assert(peer_has(peer, "MSG in.sure 1 0\r\n"));
    ck_assert_int_le(io_now(peer->io) - began, 5 * MILLISECOND + MILLISECOND);
    world_deinit(&world);
}
END_TEST

START_TEST(a_publish_does_not_wait_for_acks)
{
    int64_t began;
    struct buf text;

    begin(4, 5 * MILLISECOND);
    pull();
    sim_run(world.sim, 20 * MILLISECOND);
    (void)acknowledge(10, "");
    began = io_now(peer->io);
    buf_init(&text, 4096);
    (void)BUF_ADD(&text, "PUB s.b in.stored 1\r\nx\r\n");
    say(&text);
    for (unsigned i = 0; i < 100 && !peer_has(peer, "MSG in.stored"); i++)
        sim_run(world.sim, MILLISECOND / 10);
    ck_assert(peer_has(peer, "MSG in.stored"));
    ck_assert_int_le(io_now(peer->io) - began, 5 * MILLISECOND + MILLISECOND);
    world_deinit(&world);
}
END_TEST

START_TEST(what_waited_is_logged_when_no_more_acks_come)
{
    begin(5, 5 * MILLISECOND);
    pull();
    sim_run(world.sim, 20 * MILLISECOND);
    (void)acknowledge(10, "");
    sim_run(world.sim, 50 * MILLISECOND);
    ck_assert_uint_eq(told(peer, "$JS.ACK.S.C.1."), 1010);
    world_deinit(&world);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        acks_that_come_sooner_than_a_sync_takes_share_one,
        acks_that_come_later_are_hardly_waited_for,
        an_ack_that_wants_an_answer_does_not_wait_for_others,
        a_publish_does_not_wait_for_acks,
        what_waited_is_logged_when_no_more_acks_come,
    };

    return UNIT_RUN_PLAIN("await_acks", tests);
}
