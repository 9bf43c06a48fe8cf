/* What raft/relay.h promises: frames and news in their order, of this life of a connection alone,
 * no more than the links take; and with a thread on each side, the same. */
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "base/io_sim.h"
#include "raft/relay.h"
#include "tests/unit/raft/shell.h"

#define NODE  2u
#define OTHER 3u
#define SENT  64u

/* The links. */
static struct {
    struct {
        uint64_t node, number;
        enum transport_class class;
    } sent[SENT];
    size_t count, room, waiting;
} links;

static bool take(void *owner, uint64_t node, enum transport_class class, const struct bytes *pieces,
                 size_t count)
{
    (void)owner;
    ck_assert_uint_eq(count, 1); /* in one piece */
    ck_assert_uint_lt(links.count, SENT);
    links.sent[links.count].node = node;
    links.sent[links.count].class = class;
    memcpy(&links.sent[links.count++].number, pieces[0].at, sizeof(uint64_t));
    return true;
}

static size_t room(void *owner, uint64_t node)
{
    (void)owner;
    (void)node;
    return links.room;
}

static size_t waiting(void *owner, uint64_t node)
{
    (void)owner;
    (void)node;
    return links.waiting;
}

static const struct transport transport = {.send = take, .room = room, .waiting = waiting};

static struct {
    struct sim *sim;
    struct store *store;
    struct groups *groups;
    struct relay relay;
} w;

static void begin(void)
{
    struct groups_options options = {.self = {1, 1, false}, .transport = &w.relay.transport};
    struct store_error error = {0};
    size_t node;

    memset(&links, 0, sizeof links);
    links.room = 1000;
    w.sim = sim_create(1);
    node = sim_node_add(w.sim);
    ck_assert_int_eq(
        store_open(sim_node_io(w.sim, node), "data", &(struct store_options){0}, &w.store, &error),
        OK);
    relay_init(&w.relay, &transport, 2);
    w.groups = groups_create(w.store, &options);
}

static void end(void)
{
    groups_destroy(w.groups);
    store_forget(w.store);
    relay_deinit(&w.relay);
    sim_destroy(w.sim);
}

/* To the groups. */
static void pass(void)
{
    ck_assert(relay_pass(&w.relay));
    relay_deliver(&w.relay, w.groups);
    ck_assert(!relay_pass(&w.relay));
}

/* In two pieces, of that many bytes together. */
static bool say(uint64_t node, enum transport_class class, uint64_t number, size_t size)
{
    const struct transport *to = &w.relay.transport;
    static const uint8_t rest[4096];
    struct bytes pieces[] = {bytes_of(&number, sizeof number),
                             bytes_of(rest, size - sizeof number)};

    return to->send(to->owner, node, class, pieces, 2);
}

static void sent(size_t at, uint64_t node, uint64_t number)
{
    ck_assert_uint_lt(at, links.count);
    ck_assert_uint_eq(links.sent[at].node, node);
    ck_assert_uint_eq(links.sent[at].number, number);
}

START_TEST(frames_go_on_in_their_order_when_they_are_handed_over)
{
    begin();
    ck_assert(!say(NODE, TRANSPORT_DATA, 1, 13)); /* not heard of yet */
    relay_node(&w.relay, NODE, true);
    relay_node(&w.relay, OTHER, true);
    pass();
    ck_assert(groups_node_up(w.groups, NODE));
    ck_assert(!relay_hand(&w.relay));
    ck_assert(say(NODE, TRANSPORT_DATA, 2, 13));
    ck_assert(say(OTHER, TRANSPORT_CONTROL, 3, 8));
    relay_send(&w.relay);
    ck_assert_uint_eq(links.count, 0);
    ck_assert(relay_hand(&w.relay));
    ck_assert(say(NODE, TRANSPORT_DATA, 4, 9));
    ck_assert(relay_hand(&w.relay));
    relay_send(&w.relay);
    ck_assert_uint_eq(links.count, 3);
    sent(0, NODE, 2);
    sent(1, OTHER, 3);
    sent(2, NODE, 4);
    ck_assert_int_eq(links.sent[1].class, TRANSPORT_CONTROL);
    end();
}
END_TEST

START_TEST(frames_of_an_earlier_connection_are_dropped)
{
    begin();
    relay_node(&w.relay, NODE, true);
    pass();
    ck_assert(say(NODE, TRANSPORT_DATA, 1, 8));
    ck_assert(relay_hand(&w.relay));
    relay_node(&w.relay, NODE, false);
    ck_assert(say(NODE, TRANSPORT_DATA, 2, 8)); /* it has not been told yet */
    relay_node(&w.relay, NODE, true);
    ck_assert(say(NODE, TRANSPORT_DATA, 3, 8));
    pass();
    ck_assert(say(NODE, TRANSPORT_DATA, 4, 8));
    ck_assert(relay_hand(&w.relay));
    relay_send(&w.relay);
    ck_assert_uint_eq(links.count, 1);
    sent(0, NODE, 4);
    relay_node(&w.relay, NODE, false);
    pass();
    ck_assert(!groups_node_up(w.groups, NODE));
    ck_assert(!say(NODE, TRANSPORT_DATA, 5, 8));
    ck_assert_uint_eq(w.relay.transport.room(&w.relay, NODE), 0);
    end();
}
END_TEST

START_TEST(no_more_is_sent_than_the_links_take)
{
    begin();
    relay_node(&w.relay, NODE, true);
    pass();
    ck_assert(!say(NODE, TRANSPORT_DATA, 1, 1001));
    ck_assert(say(NODE, TRANSPORT_DATA, 2, 400)); /* half of it is another's */
    ck_assert(!say(NODE, TRANSPORT_DATA, 3, 101));
    ck_assert(say(NODE, TRANSPORT_DATA, 4, 100));
    ck_assert(!say(NODE, TRANSPORT_DATA, 5, 8));
    ck_assert(say(NODE, TRANSPORT_CONTROL, 6, 8));
    links.room = 20;
    ck_assert(relay_hand(&w.relay));
    relay_send(&w.relay);
    ck_assert_uint_eq(links.count, 3);
    ck_assert(!say(NODE, TRANSPORT_DATA, 7, 21));
    ck_assert(say(NODE, TRANSPORT_DATA, 8, 20)); /* alone, as much as the link takes */
    links.room = 1000;
    ck_assert(relay_hand(&w.relay));
    relay_send(&w.relay);
    ck_assert(say(NODE, TRANSPORT_DATA, 9, 1000));
    end();
}
END_TEST

START_TEST(what_waits_in_the_link_holds_back_and_on_the_way_there_only_much)
{
    size_t (*asked)(void *owner, uint64_t node) = w.relay.transport.waiting;

    begin();
    asked = w.relay.transport.waiting;
    links.waiting = 70;
    relay_node(&w.relay, NODE, true);
    pass();
    ck_assert_uint_eq(asked(&w.relay, NODE), 70);
    ck_assert(say(NODE, TRANSPORT_CONTROL, 1, 4000));
    ck_assert_uint_eq(asked(&w.relay, NODE), 70);
    for (unsigned i = 0; i < RELAY_AHEAD / 4000; i++)
        ck_assert(say(NODE, TRANSPORT_CONTROL, 2, 4000));
    ck_assert_uint_gt(asked(&w.relay, NODE), RELAY_AHEAD);
    ck_assert(relay_hand(&w.relay));
    links.waiting = 0;
    relay_send(&w.relay);
    ck_assert_uint_eq(asked(&w.relay, NODE), 0);
    end();
}
END_TEST

/* ---- threads -------------------------------------------------------------------------------- */

#define FRAMES 2000u

static _Atomic bool ended;
static uint64_t numbers, expected;

static bool count_numbers(void *owner, uint64_t node, enum transport_class class,
                          const struct bytes *pieces, size_t count)
{
    uint64_t number;

    (void)owner;
    (void)node;
    (void)class;
    (void)count;
    memcpy(&number, pieces[0].at, sizeof number);
    ck_assert_uint_eq(number, numbers);
    numbers++;
    return true;
}

static const struct transport counting = {.send = count_numbers, .room = room, .waiting = waiting};

/* The groups' thread. */
static void *run_groups(void *of)
{
    uint64_t number = 0;

    (void)of;
    while (number < FRAMES) {
        relay_deliver(&w.relay, w.groups);
        for (unsigned i = 0; i < 7 && number < FRAMES; i++) {
            if (!say(NODE, i % 2 == 0 ? TRANSPORT_DATA : TRANSPORT_CONTROL, number, 40))
                break;
            number++;
        }
        if (!relay_hand(&w.relay))
            sched_yield();
    }
    expected = number;
    atomic_store(&ended, true);
    return NULL;
}

START_TEST(each_side_has_its_thread)
{
    struct raft_message message = {.type = RAFT_APPEND};
    uint8_t frame[WIRE_HEAD];
    pthread_t thread;
    bool last = false;

    begin();
    w.relay.links = &counting;
    wire_write(frame, 16, &message, 0, 0);
    relay_node(&w.relay, NODE, true);
    (void)relay_pass(&w.relay);
    ck_assert_int_eq(pthread_create(&thread, NULL, run_groups, NULL), 0);
    while (!last) {
        uint64_t before = numbers;

        last = atomic_load(&ended);
        relay_received(&w.relay, NODE, bytes_of(frame, sizeof frame));
        relay_want(&w.relay, 16);
        (void)relay_pass(&w.relay);
        while (relay_send(&w.relay), numbers == before && !last && !atomic_load(&ended))
            sched_yield(); /* no more is passed than they take */
    }
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_uint_eq(numbers, expected);
    end();
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        frames_go_on_in_their_order_when_they_are_handed_over,
        frames_of_an_earlier_connection_are_dropped,
        no_more_is_sent_than_the_links_take,
        what_waits_in_the_link_holds_back_and_on_the_way_there_only_much,
        each_side_has_its_thread,
    };

    return UNIT_RUN_PLAIN("relay", tests);
}
