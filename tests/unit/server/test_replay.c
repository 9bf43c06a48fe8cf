/* What a whole server promises of a stream that is read again by a push consumer which logs
 * nothing: all of it, once, in order, whatever stands in the way of the shortest way. */
#include "tests/unit/server/stream_world.h"

#define SMALL 1000u
#define LARGE 200000u /* more than what is read ahead */

static struct world world;
static struct peer *admin, *reader;

/* Each message is full of a letter of its own. */
static char letter_of(uint64_t sequence)
{
    return (char)('a' + sequence % 26);
}

static size_t size_of(uint64_t sequence)
{
    return sequence % 50 == 7 ? LARGE : SMALL;
}

static void store(uint64_t first, uint64_t last)
{
    struct buf text;

    buf_init(&text, 64u << 20);
    for (uint64_t sequence = first; sequence <= last; sequence++) {
        size_t size = size_of(sequence);

        (void)buf_print(&text, "PUB s.a %zu\r\n", size);
        memset(buf_reserve(&text, size), letter_of(sequence), size);
        buf_commit(&text, size);
        (void)BUF_ADD(&text, "\r\n");
    }
    (void)buf_add_byte(&text, 0);
    peer_say(&world, admin, (const char *)text.at);
    buf_deinit(&text);
}

/* A stream of `count` messages, and a reader of "to.me" who takes nothing yet. */
static void begin(uint64_t seed, uint64_t count)
{
    world_init(&world, seed);
    world.options.jetstream = true;
    world.options.max_pending = 2 << 20;
    world_start(&world);
    admin = peer_connect(&world, 0, 4222);
    peer_say(&world, admin, "CONNECT {\"verbose\":false,\"headers\":true}\r\nSUB in.* 1\r\n");
    say_publish(&world, admin, "$JS.API.STREAM.CREATE.S", "in.api",
                "{\"name\":\"S\",\"subjects\":[\"s.>\"]}");
    store(1, count);
    reader = peer_connect(&world, 1, 4222);
    peer_say(&world, reader, "CONNECT {\"verbose\":false,\"headers\":true}\r\nSUB to.me 7\r\n");
    io_sock_pause(reader->io, reader->sock);
    buf_clear(&reader->in);
}

/* `members` of its config, each with a comma before it. */
static void replay(const char *members)
{
    char body[400];

    snprintf(body, sizeof body,
             "{\"stream_name\":\"S\",\"config\":{\"name\":\"C\",\"deliver_subject\":\"to.me\","
             "\"ack_policy\":\"none\",\"mem_storage\":true,\"num_replicas\":1%s}}",
             members);
    say_publish(&world, admin, "$JS.API.CONSUMER.CREATE.S.C", "in.api", body);
}

static void take(void)
{
    io_sock_resume(reader->io, reader->sock);
    sim_run(world.sim, 20 * SECOND);
}

/* How far it is handed out; what is kept for a receiver who takes nothing is not. */
static uint64_t handed_out(void)
{
    const struct consumer_shell *shell = stream_consumer_shell(stream_of(&world), BYTES("C"));

    ck_assert(!reader->ended);
    ck_assert(shell->lane == NULL || shell->lane->deliveries.count == 0);
    return consumer_position(shell->consumer) - 1;
}

/* Reads one delivery; false: there is none. A status has sequence 0. */
static bool next_delivery(struct bytes *rest, uint64_t *sequence, struct bytes *payload)
{
    unsigned long long stream = 0, consumer = 0;
    size_t headers = 0, size = 0;
    char line[300] = {0};
    size_t end = bytes_find(*rest, '\n');

    if (end == rest->size)
        return false;
    if (bytes_starts(*rest, BYTES("PING\r\n"))) {
        *rest = bytes_skip(*rest, end + 1);
        return next_delivery(rest, sequence, payload);
    }
    ck_assert_uint_lt(end, sizeof line);
    memcpy(line, rest->at, end);
    if (sscanf(line, "MSG s.a 7 $JS.ACK.S.C.1.%llu.%llu.%*u.%*u %zu", &stream, &consumer, &size) !=
            3 &&
        sscanf(line, "HMSG to.me 7 %*s %zu %zu", &headers, &size) != 2)
        ck_abort_msg("what is this? %s", line);
    *rest = bytes_skip(*rest, end + 1);
    *payload = bytes_take(*rest, size);
    ck_assert_uint_ge(rest->size, size + 2);
    *rest = bytes_skip(*rest, size + 2);
    *sequence = stream;
    return true;
}

/* All that came is what is to come from `first` on, in order; *next is what is next. */
static void check_all(uint64_t first, uint64_t without, uint64_t *next)
{
    struct bytes rest = buf_bytes(&reader->in), payload;
    uint64_t sequence;

    for (*next = first; next_delivery(&rest, &sequence, &payload);) {
        if (sequence == 0)
            continue;
        if (*next == without)
            ++*next;
        ck_assert_uint_eq(sequence, *next);
        ck_assert_uint_eq(payload.size, size_of(sequence));
        for (size_t i = 0; i < payload.size; i++)
            ck_assert_int_eq(payload.at[i], letter_of(sequence));
        ++*next;
    }
    ck_assert_uint_eq(rest.size, 0);
}

START_TEST(it_comes_whole_and_in_order)
{
    uint64_t next;

    begin(1, 300);
    io_sock_resume(reader->io, reader->sock);
    replay("");
    sim_run(world.sim, 5 * SECOND);
    check_all(1, 0, &next);
    ck_assert_uint_eq(next, 301);
    world_deinit(&world);
}
END_TEST

START_TEST(it_comes_whole_and_in_order_to_a_receiver_that_is_behind)
{
    uint64_t next;

    begin(2, 600);
    replay("");
    sim_run(world.sim, 5 * SECOND);
    ck_assert_uint_gt(handed_out(), 100);
    ck_assert_uint_lt(handed_out(), 400);
    store(601, 620); /* they must not overtake those that wait */
    take();
    check_all(1, 0, &next);
    ck_assert_uint_eq(next, 621);
    world_deinit(&world);
}
END_TEST

START_TEST(what_is_deleted_while_it_waits_is_not_sent)
{
    uint64_t next;

    begin(3, 600);
    replay("");
    ck_assert_uint_lt(handed_out(), 599);
    say_publish(&world, admin, "$JS.API.STREAM.MSG.DELETE.S", "in.api",
                "{\"seq\":599,\"no_erase\":true}");
    take();
    check_all(1, 599, &next);
    ck_assert_uint_eq(next, 601);
    world_deinit(&world);
}
END_TEST

START_TEST(it_comes_whole_and_in_order_when_much_of_it_is_not_in_memory)
{
    struct sim_faults faults = sim_faults_none();
    uint64_t next;

    for (uint64_t seed = 10; seed < 20; seed++) {
        begin(seed, 1200);
        faults.read_now_again = 500000;
        sim_set_faults(world.sim, world.server_node, &faults);
        replay("");
        take();
        check_all(1, 0, &next);
        ck_assert_uint_eq(next, 1201);
        world_deinit(&world);
    }
}
END_TEST

START_TEST(what_is_deleted_while_the_disk_is_asked_for_it_is_not_sent)
{
    struct sim_faults faults = sim_faults_none();
    uint64_t next;

    begin(5, 600);
    faults.read_now_again = 1000000;
    faults.disk_min_ns = faults.disk_max_ns = 2 * SECOND;
    sim_set_faults(world.sim, world.server_node, &faults);
    replay("");
    say_publish(&world, admin, "$JS.API.STREAM.MSG.DELETE.S", "in.api",
                "{\"seq\":599,\"no_erase\":true}");
    sim_run(world.sim, 10 * SECOND);
    ck_assert(peer_has(admin, "stream_msg_delete_response"));
    faults.read_now_again = 0;
    faults.disk_min_ns = faults.disk_max_ns = 0;
    sim_set_faults(world.sim, world.server_node, &faults);
    take();
    check_all(1, 599, &next);
    ck_assert_uint_eq(next, 601);
    world_deinit(&world);
}
END_TEST

START_TEST(a_request_for_confirmation_stands_where_it_was_due)
{
    struct bytes rest, payload;
    uint64_t sequence = 1, before = 0, next;

    begin(4, 600);
    io_sock_resume(reader->io, reader->sock);
    replay(",\"flow_control\":true,\"idle_heartbeat\":60000000000");
    sim_run(world.sim, 5 * SECOND);
    rest = buf_bytes(&reader->in);
    while (sequence != 0) {
        ck_assert(next_delivery(&rest, &sequence, &payload));
        before += sequence != 0 ? payload.size : 0;
    }
    /* Half of the first window; a message has less than a hundred bytes around it. */
    ck_assert_uint_gt(before, (1 << 20) - 60000);
    ck_assert_uint_le(before, (1 << 20) + LARGE);
    check_all(1, 0, &next);
    ck_assert_uint_lt(next, 601); /* the window is full */
    world_deinit(&world);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        it_comes_whole_and_in_order,
        it_comes_whole_and_in_order_to_a_receiver_that_is_behind,
        what_is_deleted_while_it_waits_is_not_sent,
        it_comes_whole_and_in_order_when_much_of_it_is_not_in_memory,
        what_is_deleted_while_the_disk_is_asked_for_it_is_not_sent,
        a_request_for_confirmation_stands_where_it_was_due,
    };

    return UNIT_RUN_PLAIN("replay", tests);
}
