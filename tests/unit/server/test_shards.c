/* What clients of several shards see of each other: as if there were one. */
#include <stdio.h>

#include "base/prng.h"
#include "base/subject.h"
#include "tests/unit/server/shards.h"

static size_t count_of(const struct client *client, const char *what)
{
    struct bytes rest = buf_bytes(&client->out), text = bytes_of_text(what);
    size_t count = 0;

    for (; rest.size >= text.size; rest = bytes_skip(rest, 1))
        count += bytes_starts(rest, text);
    return count;
}

START_TEST(a_message_reaches_subscribers_of_every_shard_once)
{
    struct client clients[3];
    struct shards shards;

    shards_init(&shards, 3);
    for (unsigned i = 0; i < 3; i++) {
        shards_join(&shards, i, &clients[i]);
        shards_say(&shards, i, &clients[i], "SUB a.* 1\r\nSUB a.> 2\r\n");
    }
    shards_say(&shards, 1, &clients[1], "HPUB a.b r 12 14\r\nNATS/1.0\r\n\r\nhi\r\n");
    CK_OUT(&clients[1], "HMSG a.b 2 r 12 14\r\nNATS/1.0\r\n\r\nhi\r\n"
                        "HMSG a.b 1 r 12 14\r\nNATS/1.0\r\n\r\nhi\r\n");
    shards_settle(&shards);
    for (unsigned i = 0; i < 3; i += 2)
        CK_OUT(&clients[i], "HMSG a.b 2 r 12 14\r\nNATS/1.0\r\n\r\nhi\r\n"
                            "HMSG a.b 1 r 12 14\r\nNATS/1.0\r\n\r\nhi\r\n");
    CK_OUT(&clients[1], "");
    shards_deinit(&shards);
}
END_TEST

START_TEST(a_subscription_is_in_force_everywhere_when_its_command_was_taken)
{
    struct client a, b;
    struct shards shards;

    shards_init(&shards, 2);
    shards_join(&shards, 0, &a);
    shards_join(&shards, 1, &b);
    for (int i = 0; i < 3; i++) /* what is known of it is kept */
        shards_say(&shards, 1, &b, "PUB x 0\r\n\r\n");
    shards_settle(&shards);
    CK_OUT(&a, "");
    shards_say(&shards, 0, &a, "SUB x 1\r\n"); /* and no turn of its shard */
    shards_say(&shards, 1, &b, "PUB x 1\r\n1\r\n");
    shards_settle(&shards);
    CK_OUT(&a, "MSG x 1 1\r\n1\r\n");
    shards_say(&shards, 0, &a, "UNSUB 1\r\n");
    shards_say(&shards, 1, &b, "PUB x r 1\r\n2\r\nSUB r 9\r\nPUB x r 1\r\n3\r\n");
    shards_settle(&shards);
    CK_OUT(&a, "");
    ck_assert_uint_eq(count_of(&b, "NATS/1.0 503"), 1); /* at once: nobody is known anywhere */
    shards_deinit(&shards);
}
END_TEST

/* On one shard it could not be otherwise: flushes at both ends, the publisher's first. */
START_TEST(a_pong_stands_behind_what_was_published_before_its_ping)
{
    struct client publisher, subscriber;
    struct shards shards;

    shards_init(&shards, 2);
    shards_join(&shards, 0, &publisher);
    shards_join(&shards, 1, &subscriber);
    shards_say(&shards, 1, &subscriber, "SUB a 1\r\n");
    shards_say(&shards, 0, &publisher, "PUB a 2\r\nhi\r\nPING\r\n");
    shards_turn(&shards, 0);
    CK_OUT(&publisher, "PONG\r\n");
    shards_say(&shards, 1, &subscriber, "PING\r\n"); /* in the turn that will read the mail */
    CK_OUT(&subscriber, "MSG a 1 2\r\nhi\r\nPONG\r\n");
    shards_settle(&shards);
    CK_OUT(&subscriber, "");
    shards_deinit(&shards);
}
END_TEST

/* The first publisher has its PONG before the second begins. */
START_TEST(what_is_published_after_a_pong_stands_behind_what_was_before_it)
{
    struct client first, second, subscriber;
    struct shards shards;

    shards_init(&shards, 3);
    shards_join(&shards, 0, &first);
    shards_join(&shards, 1, &second);
    shards_join(&shards, 2, &subscriber);
    shards_say(&shards, 1, &second, "SUB a 7\r\n");
    shards_say(&shards, 2, &subscriber, "SUB a 1\r\n");
    shards_say(&shards, 0, &first, "PUB a 1\r\n1\r\nPING\r\n");
    shards_turn(&shards, 0);
    CK_OUT(&first, "PONG\r\n");
    shards_say(&shards, 1, &second, "PUB a 1\r\n2\r\n"); /* in the turn that will read the mail */
    CK_OUT(&second, "MSG a 7 1\r\n1\r\nMSG a 7 1\r\n2\r\n");
    shards_settle(&shards);
    CK_OUT(&subscriber, "MSG a 1 1\r\n1\r\nMSG a 1 1\r\n2\r\n");
    shards_deinit(&shards);
}
END_TEST

/* So much in one turn that some of it is pushed before the turn ends: that has no place before what
 * others have sent whole. */
START_TEST(what_another_shard_has_not_sent_whole_holds_up_nothing_that_is_known)
{
    enum { PIECE = 40000, PIECES = 4 };
    struct client flooder, first, second, subscriber;
    struct shards shards;
    char *piece = malloc(PIECE + 64);

    shards_init(&shards, 3);
    shards_join(&shards, 0, &flooder);
    shards_join(&shards, 1, &first);
    shards_join(&shards, 2, &second);
    shards_join(&shards, 2, &subscriber);
    shards_say(&shards, 2, &subscriber, "SUB a 1\r\nSUB flood 2\r\n");
    (void)sprintf(piece, "PUB flood %d\r\n%0*d\r\n", PIECE, PIECE, 0);
    for (int i = 0; i < PIECES; i++)
        shards_say(&shards, 0, &flooder, piece); /* and its turn does not end */
    shards_say(&shards, 1, &first, "PUB a 1\r\n1\r\nPING\r\n");
    shards_turn(&shards, 1);
    CK_OUT(&first, "PONG\r\n");
    shards_say(&shards, 2, &second, "PUB a 1\r\n2\r\n");
    CK_OUT(&subscriber, "MSG a 1 1\r\n1\r\nMSG a 1 1\r\n2\r\n");
    shards_settle(&shards);
    ck_assert_uint_eq(count_of(&subscriber, "MSG flood"), PIECES);
    free(piece);
    shards_deinit(&shards);
}
END_TEST

/* Nothing of what it has been told leaves for its clients before its turn ends. */
START_TEST(a_shard_that_has_read_much_before_input_takes_no_more_in_that_turn)
{
    char text[2048];
    struct client publisher, other;
    struct shards shards;

    shards_init(&shards, 2);
    shards_join(&shards, 0, &publisher);
    shards_join(&shards, 1, &other);
    shards_say(&shards, 1, &other, "SUB a 1\r\n");
    snprintf(text, sizeof(text), "PUB a 1000\r\n%01000d\r\n", 7);
    for (unsigned i = 0; i < SHARD_AHEAD_MAX / 1000; i++)
        shards_say(&shards, 0, &publisher, text);
    shards_turn(&shards, 0);
    shards_say(&shards, 1, &other, "SUB b 2\r\n");
    ck_assert_uint_eq(shards.all[1].enough, 1);
    shards_turn(&shards, 1);
    shards_say(&shards, 0, &publisher, text);
    shards_turn(&shards, 0);
    shards_say(&shards, 1, &other, "UNSUB 2\r\n");
    ck_assert_uint_eq(shards.all[1].enough, 1); /* another turn, and little */
    shards_settle(&shards);
    shards_deinit(&shards);
}
END_TEST

START_TEST(a_group_is_served_once_and_each_member_has_the_same_chance)
{
    enum { MEMBERS = 7, MESSAGES = 7000 };
    struct client members[MEMBERS], publisher;
    struct shards shards;
    size_t all = 0;

    shards_init(&shards, 3);
    shards_join(&shards, 0, &publisher);
    for (unsigned i = 0; i < MEMBERS; i++) {
        unsigned shard = i == 0 ? 0 : i < 3 ? 1 : 2; /* 1, 2 and 4 of them */

        shards_join(&shards, shard, &members[i]);
        shards_say(&shards, shard, &members[i], i % 2 ? "SUB w.* q 1\r\n" : "SUB w.x q 1\r\n");
    }
    for (int i = 0; i < MESSAGES; i++)
        shards_say(&shards, 0, &publisher, "PUB w.x 0\r\n\r\n");
    shards_settle(&shards);
    for (unsigned i = 0; i < MEMBERS; i++) {
        size_t count = count_of(&members[i], "MSG w.x");

        ck_assert_uint_gt(count, MESSAGES / MEMBERS - 200);
        ck_assert_uint_lt(count, MESSAGES / MEMBERS + 200);
        all += count;
    }
    ck_assert_uint_eq(all, MESSAGES);
    shards_deinit(&shards);
}
END_TEST

START_TEST(a_member_that_left_meanwhile_is_replaced_wherever_another_is)
{
    struct client publisher, leaver, stayer;
    struct shards shards;

    shards_init(&shards, 3);
    shards_join(&shards, 0, &publisher);
    shards_join(&shards, 1, &leaver);
    shards_join(&shards, 2, &stayer);
    shards_say(&shards, 1, &leaver, "SUB w q 1\r\n");
    shards_say(&shards, 0, &publisher, "PUB w 1\r\n1\r\n"); /* for the only one */
    shards_say(&shards, 1, &leaver, "UNSUB 1\r\n");
    shards_say(&shards, 2, &stayer, "SUB w q 5\r\n");
    shards_settle(&shards);
    CK_OUT(&leaver, "");
    CK_OUT(&stayer, "MSG w 5 1\r\n1\r\n");
    shards_deinit(&shards);
}
END_TEST

START_TEST(a_request_that_finds_nobody_any_more_is_told_so)
{
    struct client publisher, leaver;
    struct shards shards;

    shards_init(&shards, 2);
    shards_join(&shards, 0, &publisher);
    shards_join(&shards, 1, &leaver);
    shards_say(&shards, 0, &publisher, "SUB r.* 7\r\n");
    shards_say(&shards, 1, &leaver, "SUB w 1\r\nSUB g q 2\r\n");
    shards_say(&shards, 0, &publisher, "PUB w r.1 0\r\n\r\nPUB g r.2 0\r\n\r\n");
    shards_say(&shards, 1, &leaver, "UNSUB 1\r\nUNSUB 2\r\n");
    shards_settle(&shards);
    CK_OUT(&leaver, "");
    CK_OUT(&publisher, "HMSG r.1 7 33 33\r\nNATS/1.0 503\r\nNats-Subject: w\r\n\r\n\r\n"
                       "HMSG r.2 7 33 33\r\nNATS/1.0 503\r\nNats-Subject: g\r\n\r\n\r\n");
    shards_deinit(&shards);
}
END_TEST

/* Each of the shards thinks that another has it. */
START_TEST(a_request_that_nobody_of_several_shards_takes_is_told_so_once)
{
    struct client publisher, leavers[2];
    struct shards shards;

    shards_init(&shards, 3);
    shards_join(&shards, 0, &publisher);
    shards_say(&shards, 0, &publisher, "SUB r.* 7\r\n");
    for (unsigned i = 0; i < 2; i++) {
        shards_join(&shards, i + 1, &leavers[i]);
        shards_say(&shards, i + 1, &leavers[i], "SUB w 1\r\nSUB w.* q 2\r\n");
    }
    shards_say(&shards, 0, &publisher, "PUB w r.1 0\r\n\r\n");
    shards_say(&shards, 1, &leavers[0], "UNSUB 1\r\n");
    shards_settle(&shards);
    CK_OUT(&leavers[1], "MSG w 1 r.1 0\r\n\r\n"); /* one of them is still there */
    CK_OUT(&publisher, "");
    shards_say(&shards, 1, &leavers[0], "SUB w 1\r\n");
    shards_say(&shards, 0, &publisher, "PUB w r.2 0\r\n\r\n");
    for (unsigned i = 0; i < 2; i++)
        shards_say(&shards, i + 1, &leavers[i], "UNSUB 1\r\n");
    shards_settle(&shards);
    CK_OUT(&publisher, "HMSG r.2 7 33 33\r\nNATS/1.0 503\r\nNats-Subject: w\r\n\r\n\r\n");
    shards_deinit(&shards);
}
END_TEST

START_TEST(a_request_that_one_here_takes_is_no_matter_of_others)
{
    struct client publisher, here, leaver;
    struct shards shards;

    shards_init(&shards, 2);
    shards_join(&shards, 0, &publisher);
    shards_join(&shards, 0, &here);
    shards_join(&shards, 1, &leaver);
    shards_say(&shards, 0, &publisher, "SUB r.* 7\r\n");
    shards_say(&shards, 0, &here, "SUB w 1\r\n");
    shards_say(&shards, 1, &leaver, "SUB w 1\r\n");
    shards_say(&shards, 0, &publisher, "PUB w r.1 0\r\n\r\n");
    shards_say(&shards, 1, &leaver, "UNSUB 1\r\n");
    shards_settle(&shards);
    CK_OUT(&here, "MSG w 1 r.1 0\r\n\r\n");
    CK_OUT(&publisher, "");
    shards_deinit(&shards);
}
END_TEST

START_TEST(a_receiver_far_behind_holds_back_a_publisher_of_another_shard)
{
    struct client publisher, receiver;
    struct shards shards;

    shards_init(&shards, 2);
    shards.all[1].shard.clients.pending_stall = 1000;
    shards.all[1].shard.clients.pending_much = 100;
    shards_join(&shards, 0, &publisher);
    shards_join(&shards, 1, &receiver);
    shards_say(&shards, 1, &receiver, "SUB x 1\r\n");
    for (int i = 0; i < 40; i++)
        shards_say(&shards, 0, &publisher, "PUB x 5\r\nhello\r\n");
    shards_settle(&shards);
    ck_assert(!publisher.stalled);
    for (int i = 0; i < 40; i++)
        shards_say(&shards, 0, &publisher, "PUB x 5\r\nhello\r\n");
    shards_settle(&shards);
    ck_assert(publisher.stalled);
    ck_assert_uint_eq(publisher.stalls, 1);
    shards_deinit(&shards);
}
END_TEST

START_TEST(where_no_producer_waits_one_of_another_shard_does_not)
{
    struct client publisher, receiver;
    struct shards shards;

    shards_init(&shards, 2);
    shards.all[1].shard.options.no_fast_producer_stall = true;
    shards.all[1].shard.clients.pending_stall = 16;
    shards.all[1].shard.clients.pending_much = 10;
    shards_join(&shards, 0, &publisher);
    shards_join(&shards, 1, &receiver);
    shards_say(&shards, 1, &receiver, "SUB x 1\r\n");
    for (int i = 0; i < 40; i++)
        shards_say(&shards, 0, &publisher, "PUB x 5\r\nhello\r\n");
    shards_settle(&shards);
    ck_assert(!publisher.stalled);
    CK_OUT(&receiver, "MSG x 1 5\r\nhello\r\n");
    shards_deinit(&shards);
}
END_TEST

START_TEST(what_a_shard_does_not_take_holds_back_those_who_send_it)
{
    static char payload[1 << 20];
    struct client publisher, receiver;
    struct shards shards;
    char line[64];

    memset(payload, 'x', sizeof(payload));
    snprintf(line, sizeof(line), "PUB x %zu\r\n", sizeof(payload));
    shards_init(&shards, 2);
    shards_join(&shards, 0, &publisher);
    shards_join(&shards, 1, &receiver);
    shards_say(&shards, 1, &receiver, "SUB x 1\r\n");
    for (int i = 0; i < 9; i++) {
        ck_assert(!publisher.stalled);
        shards_say(&shards, 0, &publisher, line);
        shard_feed(&shards.all[0].shard, &publisher, bytes_of((uint8_t *)payload, sizeof(payload)));
        shards_say(&shards, 0, &publisher, "\r\n");
        shard_post_flush(&shards.all[0].post);
        if (publisher.stalled)
            break;
    }
    ck_assert(publisher.stalled);
    shards_settle(&shards);
    publisher.stalled = false;
    shards_say(&shards, 0, &publisher, "PUB x 0\r\n\r\n");
    ck_assert(!publisher.stalled);
    shards_deinit(&shards);
}
END_TEST

/* A turn's worth of several batches, so that more come back than are kept. */
START_TEST(memory_of_batches_comes_back_and_what_is_kept_is_bounded)
{
    enum { BATCHES = SHARD_SPARES_MAX + 4, LINES = 1000 };
    static char payload[1024], line[64];
    struct client publisher, receiver;
    const struct shard_spares *spares;
    struct shards shards;

    memset(payload, 'x', sizeof(payload));
    snprintf(line, sizeof(line), "PUB x %zu\r\n", sizeof(payload));
    shards_init(&shards, 2);
    shards_join(&shards, 0, &publisher);
    shards_join(&shards, 1, &receiver);
    spares = &shards.all[0].post.spares;
    shards_say(&shards, 1, &receiver, "SUB x 1\r\n");
    for (int turn = 0; turn < 3; turn++) {
        for (int i = 0; i < LINES; i++) {
            shards_say(&shards, 0, &publisher, line);
            shard_feed(&shards.all[0].shard, &publisher,
                       bytes_of((uint8_t *)payload, sizeof(payload)));
            shards_say(&shards, 0, &publisher, "\r\n");
        }
        ck_assert_uint_lt(atomic_load(&spares->count), 2); /* they are used first */
        shards_settle(&shards);
        ck_assert_uint_gt(LINES * sizeof(payload), BATCHES * (size_t)(40 << 10));
        ck_assert_uint_ge(atomic_load(&spares->count), SHARD_SPARES_MAX - 1);
        ck_assert_uint_le(atomic_load(&spares->count), SHARD_SPARES_MAX);
        ck_assert_uint_eq(count_of(&receiver, "MSG x 1"), LINES);
        shard_forget(&receiver);
        publisher.stalled = false;
    }
    shards_deinit(&shards);
}
END_TEST

/* ---- sinks ---------------------------------------------------------------------------------- */

struct heard {
    unsigned count;
    char payloads[64];
};

static void hear(void *owner, const struct message *message)
{
    struct heard *heard = owner;

    heard->count++;
    ck_assert_uint_lt(strlen(heard->payloads) + message->payload.size, sizeof(heard->payloads));
    memcpy(heard->payloads + strlen(heard->payloads), message->payload.at, message->payload.size);
}

START_TEST(what_comes_from_a_hub_reaches_the_sinks_of_all_shards)
{
    struct leaf_peer hub = {.hub = true};
    struct message message = {.subject = BYTES("s.a"), .payload = BYTES("1"), .leaf = &hub};
    struct heard heard = {0};
    struct shards shards;
    struct router *home, *other;
    struct sink *sink;

    shards_init(&shards, 2);
    home = shards.all[0].shard.clients.router;
    other = shards.all[1].shard.clients.router;
    sink = router_sink_add(other, router_account_default(other), BYTES("s.>"), BYTES(""), hear,
                           &heard);
    (void)router_publish_leaf(home, router_account_default(home), &message, true, NULL, 0);
    shards_settle(&shards);
    ck_assert_str_eq(heard.payloads, "1");
    router_sink_remove(other, sink);
    shards_deinit(&shards);
}
END_TEST

/* What another node has forwarded to who leads a stream here, whose lane is wherever it is. */
START_TEST(what_is_for_sinks_alone_reaches_those_of_all_shards_and_no_client)
{
    struct message message = {.subject = BYTES("s.a"), .payload = BYTES("1")};
    struct heard heard = {0}, grouped = {0};
    struct shards shards;
    struct router *home, *other;
    struct sink *sink, *member;
    struct client listener;

    shards_init(&shards, 2);
    home = shards.all[0].shard.clients.router;
    other = shards.all[1].shard.clients.router;
    shards_join(&shards, 1, &listener);
    shards_say(&shards, 1, &listener, "SUB s.> x\r\n");
    sink = router_sink_add(other, router_account_default(other), BYTES("s.>"), BYTES(""), hear,
                           &heard);
    member = router_sink_add(other, router_account_default(other), BYTES("s.*"), BYTES("_sys_"),
                             hear, &grouped);
    ck_assert_uint_eq(router_publish_sinks(home, router_account_default(home), &message), 2);
    shards_settle(&shards);
    ck_assert_str_eq(heard.payloads, "1");
    ck_assert_str_eq(grouped.payloads, "1");
    ck_assert_uint_eq(count_of(&listener, "MSG s.a x 1"), 0);
    router_sink_remove(other, sink);
    router_sink_remove(other, member);
    ck_assert_uint_eq(router_publish_sinks(home, router_account_default(home), &message), 0);
    shards_deinit(&shards);
}
END_TEST

START_TEST(sinks_hear_clients_of_all_shards_in_their_order)
{
    struct heard heard = {0};
    struct client client;
    struct shards shards;
    struct router *home;
    struct sink *sink;

    shards_init(&shards, 2);
    home = shards.all[0].shard.clients.router;
    shards_join(&shards, 1, &client);
    sink =
        router_sink_add(home, router_account_default(home), BYTES("s.>"), BYTES(""), hear, &heard);
    shards_say(&shards, 1, &client, "PUB s.a 1\r\n1\r\nPUB s.b 1\r\n2\r\nPUB t 1\r\nx\r\n");
    shards_turn(&shards, 1);
    shards_say(&shards, 1, &client, "PUB s.a 1\r\n3\r\n");
    shards_settle(&shards);
    ck_assert_str_eq(heard.payloads, "123");
    router_sink_remove(home, sink);
    shards_say(&shards, 1, &client, "PUB s.a 1\r\n4\r\n");
    shards_settle(&shards);
    ck_assert_uint_eq(heard.count, 3);
    shards_deinit(&shards);
}
END_TEST

/* Another shard that sends as fast as this one reads. */
struct flood {
    struct shards *shards;
    struct client *publisher;
    unsigned heard;
};

static void hear_flood(void *owner, const struct message *message)
{
    struct flood *flood = owner;

    (void)message;
    if (++flood->heard >= 100)
        return;
    shards_say(flood->shards, 0, flood->publisher, "PUB f 1\r\nx\r\n");
    shards_turn(flood->shards, 0);
}

START_TEST(a_pong_waits_for_what_was_there_and_not_for_what_still_comes)
{
    struct client publisher, other;
    struct shards shards;
    struct flood flood = {&shards, &publisher, 0};
    struct router *router;
    struct sink *sink;

    shards_init(&shards, 2);
    router = shards.all[1].shard.clients.router;
    shards_join(&shards, 0, &publisher);
    shards_join(&shards, 1, &other);
    sink = router_sink_add(router, router_account_default(router), BYTES("f"), BYTES(""),
                           hear_flood, &flood);
    shards_say(&shards, 0, &publisher, "PUB f 1\r\nx\r\nPUB f 1\r\nx\r\n");
    shards_turn(&shards, 0);
    shards_say(&shards, 1, &other, "PING\r\nPING\r\n");
    CK_OUT(&other, "PONG\r\nPONG\r\n");
    ck_assert_uint_eq(flood.heard, 2);
    shards_settle(&shards);
    ck_assert_uint_ge(flood.heard, 100);
    router_sink_remove(router, sink);
    shards_deinit(&shards);
}
END_TEST

START_TEST(interest_of_clients_is_known_on_all_shards)
{
    struct client client;
    struct shards shards;
    struct account *account;
    struct router *home;
    uint64_t generation;

    shards_init(&shards, 2);
    home = shards.all[0].shard.clients.router;
    account = router_account_default(home);
    shards_join(&shards, 1, &client);
    generation = account_generation(account);
    ck_assert(!router_interest(home, account, BYTES("a.b")));
    shards_say(&shards, 1, &client, "SUB a.* g 1\r\n");
    ck_assert_uint_ne(account_generation(account), generation);
    ck_assert(router_interest(home, account, BYTES("a.b")));
    ck_assert(!router_interest_plain(home, account, BYTES("a.b")));
    ck_assert(router_interest_literal(home, account, BYTES("a.*"), BYTES("g")));
    ck_assert(!router_interest_literal(home, account, BYTES("a.*"), BYTES("")));
    shards_say(&shards, 1, &client, "SUB a.b 2\r\n");
    ck_assert(router_interest_plain(home, account, BYTES("a.b")));
    shards_say(&shards, 1, &client, "UNSUB 1\r\nUNSUB 2\r\n");
    ck_assert(!router_interest(home, account, BYTES("a.b")));
    shards_deinit(&shards);
}
END_TEST

START_TEST(what_another_shard_has_of_the_server_s_own_is_no_client_s_interest)
{
    struct client client;
    struct shards shards;
    struct account *account;
    struct router *home, *other;
    struct sink *sink;
    struct heard heard = {0};

    shards_init(&shards, 2);
    home = shards.all[0].shard.clients.router;
    other = shards.all[1].shard.clients.router;
    account = router_account_default(other);
    shards_join(&shards, 0, &client);
    sink =
        router_sink_add(home, router_account_default(home), BYTES("a.*"), BYTES(""), hear, &heard);
    ck_assert(router_interest(other, account, BYTES("a.b")));
    ck_assert(!router_interest_plain(other, account, BYTES("a.b")));
    shards_say(&shards, 0, &client, "SUB a.> 1\r\n");
    ck_assert(router_interest_plain(other, account, BYTES("a.b")));
    router_sink_remove(home, sink);
    shards_deinit(&shards);
}
END_TEST

/* Its short way ends at this shard. */
START_TEST(a_route_is_none_while_another_shard_listens_too)
{
    struct router_route route = {0};
    struct client near, far;
    struct shards shards;
    struct account *account;
    struct router *home;

    shards_init(&shards, 2);
    home = shards.all[0].shard.clients.router;
    account = router_account_default(home);
    shards_join(&shards, 0, &near);
    shards_join(&shards, 1, &far);
    shards_say(&shards, 0, &near, "SUB d 1\r\n");
    ck_assert(router_route_find(home, account, BYTES("d"), &route));
    shards_say(&shards, 1, &far, "SUB > 1\r\n");
    ck_assert(!router_route_find(home, account, BYTES("d"), &route));
    shards_say(&shards, 1, &far, "UNSUB 1\r\nSUB d g 2\r\n");
    ck_assert(!router_route_find(home, account, BYTES("d"), &route));
    shards_say(&shards, 1, &far, "UNSUB 2\r\n");
    ck_assert(router_route_find(home, account, BYTES("d"), &route));
    shards_deinit(&shards);
}
END_TEST

/* What was kept while there was one shard is of a generation that there is no more. */
START_TEST(shards_that_are_begun_later_count_from_then_on)
{
    struct router_route route = {0};
    struct client near, far[2];
    struct shards shards;
    struct account *account;
    struct router *home;

    shards_init(&shards, 1);
    home = shards.all[0].shard.clients.router;
    account = router_account_default(home);
    shards_join(&shards, 0, &near);
    shards_say(&shards, 0, &near, "SUB d 1\r\n");
    ck_assert(router_route_find(home, account, BYTES("d"), &route));
    for (unsigned i = 0; i < 2; i++) {
        shards_grow(&shards, i + 2);
        shards_join(&shards, i + 1, &far[i]);
        shards_say(&shards, i + 1, &far[i], "SUB d 1\r\n");
        ck_assert(!router_route_find(home, account, BYTES("d"), &route));
    }
    for (unsigned i = 0; i < 2; i++) {
        shards_say(&shards, i + 1, &far[i], "PUB d 1\r\nx\r\n");
        shards_settle(&shards);
        CK_OUT(&near, "MSG d 1 1\r\nx\r\n");
        CK_OUT(&far[0], "MSG d 1 1\r\nx\r\n");
        CK_OUT(&far[1], "MSG d 1 1\r\nx\r\n");
    }
    shards_deinit(&shards);
}
END_TEST

/* An account's limits hang on these. */
START_TEST(shards_that_are_begun_later_count_those_who_were_there)
{
    struct account *account;
    struct shards shards;
    struct client near;

    shards_init(&shards, 1);
    account = router_account_default(shards.all[0].shard.clients.router);
    shards_join(&shards, 0, &near);
    ck_assert_uint_eq(account->connections, 1);
    account->leaf_connections = 2;
    shards_grow(&shards, 2);
    ck_assert_int_eq(atomic_load(&account->family->connections), 1);
    ck_assert_int_eq(atomic_load(&account->family->leaves), 2);
    account->leaf_connections = 0;
    shards_deinit(&shards);
}
END_TEST

/* Whether home has had as many of its own as all have had, or not. */
START_TEST(what_changed_on_another_shard_is_never_taken_for_nothing)
{
    for (int own = 0; own < 8; own++) {
        struct client near, far;
        struct shards shards;
        struct account *account;

        shards_init(&shards, 2);
        account = router_account_default(shards.all[0].shard.clients.router);
        shards_join(&shards, 0, &near);
        shards_join(&shards, 1, &far);
        for (int i = 0; i < own; i++)
            shards_say(&shards, 0, &near, "SUB x 1\r\nUNSUB 1\r\n");
        for (int i = 0; i < 4; i++) {
            uint64_t hashes[ACCOUNT_CHANGES_MAX], since = account_generation(account);
            bool found = false;
            unsigned count;

            shards_say(&shards, 1, &far, i % 2 == 0 ? "SUB d 1\r\n" : "UNSUB 1\r\n");
            ck_assert_uint_ne(account_generation(account), since);
            if (!account_changes(account, since, hashes, &count))
                continue;
            for (unsigned at = 0; at < count; at++)
                found = found || hashes[at] == account_subject_hash(account, BYTES("d"));
            ck_assert(found);
        }
        shards_deinit(&shards);
    }
}
END_TEST

START_TEST(a_client_that_moves_keeps_what_it_has_and_misses_nothing)
{
    struct client mover, publisher, other;
    struct shards shards;

    shards_init(&shards, 3);
    shards_join(&shards, 0, &mover);
    shards_join(&shards, 1, &publisher);
    shards_join(&shards, 2, &other);
    shards_say(&shards, 0, &mover, "SUB a 1\r\nSUB a.* q x1\r\nSUB end 3\r\nUNSUB 3 3\r\n");
    shards_say(&shards, 1, &publisher, "PUB end 1\r\n1\r\nPUB a 1\r\n2\r\n");
    shards_turn(&shards, 1); /* on their way */
    shards_move(&shards, &mover, 0, 1);
    ck_assert_uint_eq(router_subscriptions(shards.all[0].shard.clients.router), 0);
    ck_assert_uint_eq(mover.subs.count, 3);
    shards_say(&shards, 1, &publisher, "PUB a.b 1\r\n3\r\n");
    shards_say(&shards, 2, &other, "PUB end 1\r\n4\r\n"); /* for where it is now */
    shards_turn(&shards, 2);
    shards_move(&shards, &mover, 1, 2);
    CK_OUT(&mover, "MSG end 3 1\r\n1\r\nMSG a 1 1\r\n2\r\nMSG a.b x1 1\r\n3\r\n"
                   "MSG end 3 1\r\n4\r\n");
    shards_say(&shards, 0, &mover, "PING\r\n"); /* whichever thread it is */
    CK_OUT(&mover, "PONG\r\n");
    shards_say(&shards, 2, &other, "PUB end 1\r\n5\r\nPUB end 1\r\n6\r\n");
    CK_OUT(&mover, "MSG end 3 1\r\n5\r\n"); /* the third was the last */
    ck_assert_uint_eq(mover.subs.count, 2);
    shards_say(&shards, 2, &mover, "UNSUB 1\r\nUNSUB x1\r\n");
    for (unsigned i = 0; i < 3; i++)
        ck_assert_uint_eq(router_subscriptions(shards.all[i].shard.clients.router), 0);
    shards_deinit(&shards);
}
END_TEST

/* The answer goes to where the question came from, which it does not name by pointer. */
START_TEST(who_moves_with_a_request_under_way_still_hears_that_nobody_took_it)
{
    struct client mover, leavers[2];
    struct shards shards;

    shards_init(&shards, 3);
    shards_join(&shards, 0, &mover);
    shards_say(&shards, 0, &mover, "SUB r 7\r\n");
    for (unsigned i = 0; i < 2; i++) {
        shards_join(&shards, i + 1, &leavers[i]);
        shards_say(&shards, i + 1, &leavers[i], i == 0 ? "SUB w 1\r\n" : "SUB w q 1\r\n");
    }
    shards_say(&shards, 0, &mover, "PUB w r 0\r\n\r\n");
    for (unsigned i = 0; i < 2; i++)
        shards_say(&shards, i + 1, &leavers[i], "UNSUB 1\r\n");
    shards_move(&shards, &mover, 0, 2);
    shards_settle(&shards);
    CK_OUT(&mover, "HMSG r 7 33 33\r\nNATS/1.0 503\r\nNats-Subject: w\r\n\r\n\r\n");
    shards_deinit(&shards);
}
END_TEST

START_TEST(who_publishes_to_a_stream_of_another_shard_is_known_to)
{
    struct heard heard = {0};
    struct client client;
    struct shards shards;
    struct router *home;
    struct sink *sink;

    shards_init(&shards, 2);
    home = shards.all[0].shard.clients.router;
    shards_join(&shards, 1, &client);
    sink =
        router_sink_add(home, router_account_default(home), BYTES("s.>"), BYTES(""), hear, &heard);
    for (unsigned i = 0; i < CLIENT_STREAMS; i++) {
        ck_assert(!client_streams(&client));
        shards_say(&shards, 1, &client, "PUB t 0\r\n\r\nPUB s.a 0\r\n\r\n");
    }
    ck_assert(client_streams(&client));
    ck_assert_uint_eq(client.stream_shard, 0);
    shards_settle(&shards);
    ck_assert_uint_eq(heard.count, CLIENT_STREAMS);
    shards_move(&shards, &client, 1, 0);
    ck_assert(client_streams(&client));
    /* It was not for long: who publishes to others for the most part may go elsewhere again. */
    for (unsigned i = 0; i < CLIENT_STREAMS * CLIENT_STREAMS_SHARE; i++)
        shards_say(&shards, 0, &client, "PUB t 0\r\n\r\n");
    ck_assert(!client_streams(&client));
    router_sink_remove(home, sink);
    shards_deinit(&shards);
}
END_TEST

START_TEST(what_goes_to_two_shards_decides_by_what_there_is_more_of)
{
    struct heard heard = {0};
    struct client client;
    struct shards shards;
    struct sink *sinks[2];

    shards_init(&shards, 3);
    shards_join(&shards, 2, &client);
    for (unsigned i = 0; i < 2; i++) {
        struct router *router = shards.all[i].shard.clients.router;

        sinks[i] = router_sink_add(router, router_account_default(router),
                                   i == 0 ? BYTES("api.>") : BYTES("s.>"), BYTES(""), hear, &heard);
    }
    for (unsigned i = 0; i < 2 * CLIENT_STREAMS; i++)
        shards_say(&shards, 2, &client, "PUB s.a 0\r\n\r\n");
    shards_say(&shards, 2, &client, "PUB api.a 0\r\n\r\n"); /* now and then, as all do */
    ck_assert(client_streams(&client));
    ck_assert_uint_eq(client.stream_shard, 1);
    for (unsigned i = 0; i < 2 * CLIENT_STREAMS; i++)
        shards_say(&shards, 2, &client, "PUB s.a 0\r\n\r\nPUB api.a 0\r\n\r\n");
    ck_assert_uint_eq(client.stream_shard, 1);
    for (unsigned i = 0; i < 3 * CLIENT_STREAMS; i++)
        shards_say(&shards, 2, &client, "PUB api.a 0\r\n\r\n");
    ck_assert(client_streams(&client));
    ck_assert_uint_eq(client.stream_shard, 0);
    shards_settle(&shards);
    for (unsigned i = 0; i < 2; i++)
        router_sink_remove(shards.all[i].shard.clients.router, sinks[i]);
    shards_move(&shards, &client, 2, 0);
    shards_deinit(&shards);
}
END_TEST

/* ---- against a model ------------------------------------------------------------------------ */

#define MODEL_CLIENTS 9u
#define MODEL_SUBS    4u
#define MODEL_STEPS   4000

static const char *const filters[] = {"a", "b", "a.*", "a.>", ">", "a.b", "*.b"};
static const char *const subjects[] = {"a", "b", "a.b", "a.c", "c.b", "a.b.c"};
static const char *const queues[] = {"", "", "q", "p"};

struct model_sub {
    const char *filter; /* NULL: none */
    const char *queue;
    uint64_t due; /* plain: messages that it must have got */
    uint64_t got;
};

struct model {
    struct shards shards;
    struct prng prng;
    struct client clients[MODEL_CLIENTS];
    struct model_sub subs[MODEL_CLIENTS][MODEL_SUBS];
    uint64_t group_due[2];
    uint64_t group_got[2];
    unsigned shards_of[MODEL_CLIENTS];
    unsigned published;
    unsigned last[MODEL_CLIENTS][MODEL_SUBS][MODEL_CLIENTS]; /* heard there of each publisher */
};

static unsigned model_shard(const struct model *model, unsigned client)
{
    return model->shards_of[client];
}

/* What one publishes comes to every plain subscription in its order, wherever both are meanwhile.
 */
static void model_order(struct model *model, unsigned n, unsigned sid, struct bytes payload)
{
    unsigned from, number;

    ck_assert_int_eq(sscanf((const char *)payload.at, "%u-%u", &from, &number), 2);
    if (model->subs[n][sid].queue[0] != 0)
        return;
    ck_assert_uint_gt(number, model->last[n][sid][from]);
    model->last[n][sid][from] = number;
}

/* Reads "MSG subject sid size" of what a client was sent. */
static void model_hear(struct model *model, unsigned n)
{
    struct client *client = &model->clients[n];
    struct bytes rest = buf_bytes(&client->out);

    while (rest.size > 0) {
        size_t line = bytes_find(rest, '\n') + 1;
        unsigned sid = 0;

        ck_assert(bytes_starts(rest, BYTES("MSG ")));
        sscanf((const char *)rest.at, "MSG %*s %u", &sid);
        ck_assert_uint_lt(sid, MODEL_SUBS);
        model->subs[n][sid].got++;
        if (model->subs[n][sid].queue[0] != 0)
            model->group_got[model->subs[n][sid].queue[0] == 'q']++;
        rest = bytes_skip(rest, line);
        model_order(model, n, sid, rest);
        rest = bytes_skip(rest, bytes_find(rest, '\n') + 1);
    }
    shard_forget(client);
}

static void model_settle(struct model *model)
{
    shards_settle(&model->shards);
    for (unsigned n = 0; n < MODEL_CLIENTS; n++)
        model_hear(model, n);
}

static bool matches(const char *filter, const char *subject)
{
    return subject_matches(bytes_of_text(filter), bytes_of_text(subject));
}

static void model_publish(struct model *model)
{
    const char *subject = subjects[prng_below(&model->prng, UNIT_COUNT(subjects))];
    unsigned from = (unsigned)prng_below(&model->prng, MODEL_CLIENTS);
    bool groups[2] = {0};
    char line[64];

    for (unsigned n = 0; n < MODEL_CLIENTS; n++) {
        for (unsigned s = 0; s < MODEL_SUBS; s++) {
            struct model_sub *sub = &model->subs[n][s];

            if (sub->filter == NULL || !matches(sub->filter, subject))
                continue;
            if (sub->queue[0] != 0)
                groups[sub->queue[0] == 'q'] = true;
            else
                sub->due++;
        }
    }
    model->group_due[0] += groups[0];
    model->group_due[1] += groups[1];
    snprintf(line, sizeof(line), "PUB %s 10\r\n%u-%08u\r\n", subject, from, ++model->published);
    shards_say(&model->shards, model_shard(model, from), &model->clients[from], line);
}

static void model_check(struct model *model)
{
    for (unsigned n = 0; n < MODEL_CLIENTS; n++)
        for (unsigned s = 0; s < MODEL_SUBS; s++)
            if (model->subs[n][s].filter != NULL && model->subs[n][s].queue[0] == 0)
                ck_assert_uint_eq(model->subs[n][s].got, model->subs[n][s].due);
    ck_assert_uint_eq(model->group_got[0], model->group_due[0]);
    ck_assert_uint_eq(model->group_got[1], model->group_due[1]);
}

/* What was on its way is there first, so that the model knows what is due. */
static void model_change(struct model *model)
{
    unsigned n = (unsigned)prng_below(&model->prng, MODEL_CLIENTS);
    unsigned s = (unsigned)prng_below(&model->prng, MODEL_SUBS);
    struct model_sub *sub = &model->subs[n][s];
    char line[64];

    model_settle(model);
    model_check(model);
    if (sub->filter != NULL) {
        snprintf(line, sizeof(line), "UNSUB %u\r\n", s);
        *sub = (struct model_sub){0};
    } else {
        *sub = (struct model_sub){
            .filter = filters[prng_below(&model->prng, UNIT_COUNT(filters))],
            .queue = queues[prng_below(&model->prng, UNIT_COUNT(queues))],
        };
        snprintf(line, sizeof(line), "SUB %s %s %u\r\n", sub->filter, sub->queue, s);
    }
    memset(model->last[n][s], 0, sizeof(model->last[n][s]));
    shards_say(&model->shards, model_shard(model, n), &model->clients[n], line);
}

/* With what is on its way. */
static void model_move(struct model *model)
{
    unsigned n = (unsigned)prng_below(&model->prng, MODEL_CLIENTS);
    unsigned to = (unsigned)prng_below(&model->prng, 3);

    if (to == model->shards_of[n])
        return;
    shards_move(&model->shards, &model->clients[n], model->shards_of[n], to);
    model->shards_of[n] = to;
}

START_TEST(several_shards_deliver_what_one_would)
{
    static struct model model;

    for (uint64_t seed = 1; seed <= 3; seed++) {
        memset(&model, 0, sizeof(model));
        prng_seed(&model.prng, seed);
        shards_init(&model.shards, 3);
        for (unsigned n = 0; n < MODEL_CLIENTS; n++)
            shards_join(&model.shards, model.shards_of[n] = n % 3, &model.clients[n]);
        for (int step = 0; step < MODEL_STEPS; step++) {
            if (prng_below(&model.prng, 20) == 0)
                model_change(&model);
            else
                model_publish(&model);
            if (prng_below(&model.prng, 10) == 0)
                model_move(&model);
            if (prng_below(&model.prng, 5) == 0)
                shards_turn(&model.shards, (unsigned)prng_below(&model.prng, 3));
        }
        model_settle(&model);
        model_check(&model);
        shards_deinit(&model.shards);
    }
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        a_message_reaches_subscribers_of_every_shard_once,
        a_subscription_is_in_force_everywhere_when_its_command_was_taken,
        a_pong_stands_behind_what_was_published_before_its_ping,
        what_is_published_after_a_pong_stands_behind_what_was_before_it,
        a_shard_that_has_read_much_before_input_takes_no_more_in_that_turn,
        what_another_shard_has_not_sent_whole_holds_up_nothing_that_is_known,
        a_pong_waits_for_what_was_there_and_not_for_what_still_comes,
        a_group_is_served_once_and_each_member_has_the_same_chance,
        a_member_that_left_meanwhile_is_replaced_wherever_another_is,
        a_request_that_finds_nobody_any_more_is_told_so,
        a_request_that_nobody_of_several_shards_takes_is_told_so_once,
        a_request_that_one_here_takes_is_no_matter_of_others,
        a_receiver_far_behind_holds_back_a_publisher_of_another_shard,
        where_no_producer_waits_one_of_another_shard_does_not,
        what_a_shard_does_not_take_holds_back_those_who_send_it,
        memory_of_batches_comes_back_and_what_is_kept_is_bounded,
        sinks_hear_clients_of_all_shards_in_their_order,
        what_comes_from_a_hub_reaches_the_sinks_of_all_shards,
        what_is_for_sinks_alone_reaches_those_of_all_shards_and_no_client,
        interest_of_clients_is_known_on_all_shards,
        what_another_shard_has_of_the_server_s_own_is_no_client_s_interest,
        a_route_is_none_while_another_shard_listens_too,
        shards_that_are_begun_later_count_from_then_on,
        shards_that_are_begun_later_count_those_who_were_there,
        what_changed_on_another_shard_is_never_taken_for_nothing,
        a_client_that_moves_keeps_what_it_has_and_misses_nothing,
        who_moves_with_a_request_under_way_still_hears_that_nobody_took_it,
        who_publishes_to_a_stream_of_another_shard_is_known_to,
        what_goes_to_two_shards_decides_by_what_there_is_more_of,
        several_shards_deliver_what_one_would,
    };

    return UNIT_RUN_PLAIN("shards", tests);
}
