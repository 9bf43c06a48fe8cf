#include <stdio.h>

#include "tests/unit/server/shard.h"

#define QUIET "CONNECT {\"verbose\":false}\r\n"

struct heard {
    unsigned count;
    char subject[32];
    char payload[32];
};

static void hear(void *owner, const struct message *message)
{
    struct heard *heard = owner;

    heard->count++;
    snprintf(heard->subject, sizeof(heard->subject), "%.*s", BYTES_ARG(message->subject));
    snprintf(heard->payload, sizeof(heard->payload), "%.*s", BYTES_ARG(message->payload));
}

static size_t publish(struct shard *shard, const char *subject, const char *route)
{
    struct message message = {
        .subject = bytes_of_text(subject),
        .route = bytes_of_text(route),
        .payload = BYTES("hi"),
    };

    return router_publish(shard->clients.router, shard->clients.account, &message);
}

static struct sink *listen(struct shard *shard, const char *subject, const char *queue,
                           struct heard *heard)
{
    return router_sink_add(shard->clients.router, shard->clients.account, bytes_of_text(subject),
                           bytes_of_text(queue), hear, heard);
}

START_TEST(sinks_and_clients_receive_side_by_side)
{
    struct heard all = {0}, one = {0};
    struct sink *sink_all, *sink_one;
    struct client client;
    struct shard shard;

    shard_init(&shard);
    shard_join(&shard, &client);
    sink_all = listen(&shard, ">", "", &all);
    sink_one = listen(&shard, "a.b", "", &one);
    shard_say(&shard, &client, QUIET "SUB a.* 1\r\nPUB a.b 2\r\nyo\r\n");
    CK_OUT(&client, "MSG a.b 1 2\r\nyo\r\n");
    ck_assert_uint_eq(all.count, 1);
    ck_assert_str_eq(all.payload, "yo");
    ck_assert_uint_eq(one.count, 1);
    ck_assert_uint_eq(publish(&shard, "a.b", ""), 3);
    ck_assert_uint_eq(publish(&shard, "c", ""), 1);

    router_sink_remove(shard.clients.router, sink_all);
    ck_assert_uint_eq(publish(&shard, "c", ""), 0);
    router_sink_remove(shard.clients.router, sink_one);
    shard_leave(&shard, &client);
    shard_deinit(&shard);
}
END_TEST

START_TEST(a_route_is_matched_and_the_subject_is_shown)
{
    struct heard heard = {0};
    struct sink *sink;
    struct shard shard;

    shard_init(&shard);
    sink = listen(&shard, "deliver.here", "", &heard);
    ck_assert_uint_eq(publish(&shard, "orders.1", "deliver.here"), 1);
    ck_assert_str_eq(heard.subject, "orders.1");
    ck_assert_uint_eq(publish(&shard, "deliver.here", "elsewhere"), 0);
    router_sink_remove(shard.clients.router, sink);
    shard_deinit(&shard);
}
END_TEST

#define MEMBERS  4
#define MESSAGES 4000

START_TEST(a_queue_group_receives_once_and_its_members_share_fairly)
{
    struct client publisher, members[MEMBERS];
    struct heard heard = {0};
    uint64_t sum = 0;
    struct sink *sink;
    struct shard shard;

    shard_init(&shard);
    shard_join(&shard, &publisher);
    shard_say(&shard, &publisher, QUIET);
    for (int i = 0; i < MEMBERS; i++) {
        shard_join(&shard, &members[i]);
        shard_say(&shard, &members[i],
                  i % 2 == 0 ? QUIET "SUB a.b q 1\r\n" : QUIET "SUB a.* q 1\r\n");
    }
    sink = listen(&shard, "a.>", "q", &heard);
    for (int n = 0; n < MESSAGES; n++)
        ck_assert_uint_eq(publish(&shard, "a.b", ""), 1);
    for (int i = 0; i < MEMBERS; i++) {
        uint64_t got = members[i].out.size / strlen("MSG a.b 1 2\r\nhi\r\n");

        ck_assert_uint_gt(got, MESSAGES / 5 * 8 / 10);
        ck_assert_uint_lt(got, MESSAGES / 5 * 12 / 10);
        sum += got;
    }
    ck_assert_uint_gt(heard.count, MESSAGES / 5 * 8 / 10);
    ck_assert_uint_eq(sum + heard.count, MESSAGES);

    router_sink_remove(shard.clients.router, sink);
    for (int i = 0; i < MEMBERS; i++)
        shard_leave(&shard, &members[i]);
    shard_leave(&shard, &publisher);
    shard_deinit(&shard);
}
END_TEST

START_TEST(a_member_that_does_not_take_it_is_passed_over)
{
    struct client self, ended, good;
    struct shard shard;

    shard_init(&shard);
    shard_join(&shard, &self);
    shard_join(&shard, &ended);
    shard_join(&shard, &good);
    shard_say(&shard, &self, "CONNECT {\"verbose\":false,\"echo\":false}\r\nSUB a q 1\r\n");
    shard_say(&shard, &ended, QUIET "SUB a q 1\r\n");
    shard_say(&shard, &good, QUIET "SUB a q 1\r\n");
    client_doom(&ended, "for a reason");
    for (int n = 0; n < 50; n++) {
        shard_say(&shard, &self, "PUB a 1\r\nx\r\n");
        CK_OUT(&good, "MSG a 1 1\r\nx\r\n");
    }
    ck_assert_uint_eq(self.out.size + ended.out.size, 0);
    shard_leave(&shard, &self);
    shard_leave(&shard, &ended);
    shard_leave(&shard, &good);
    shard_deinit(&shard);
}
END_TEST

START_TEST(interest_is_what_would_receive_and_literal_interest_is_the_text)
{
    struct client client;
    struct router *router;
    struct account *account;
    struct shard shard;
    uint64_t generation;

    shard_init(&shard);
    router = shard.clients.router;
    account = shard.clients.account;
    shard_join(&shard, &client);
    ck_assert(bytes_equal(account_name(account), BYTES("$G")));
    generation = account_generation(account);
    shard_say(&shard, &client, "SUB a.* 1\r\nSUB b q 2\r\n");
    ck_assert_uint_gt(account_generation(account), generation);
    ck_assert(router_interest(router, account, BYTES("a.x")));
    ck_assert(router_interest(router, account, BYTES("b")));
    ck_assert(!router_interest(router, account, BYTES("c")));
    ck_assert(router_interest_literal(router, account, BYTES("a.*"), BYTES("")));
    ck_assert(!router_interest_literal(router, account, BYTES("a.x"), BYTES("")));
    ck_assert(router_interest_literal(router, account, BYTES("b"), BYTES("q")));
    ck_assert(!router_interest_literal(router, account, BYTES("b"), BYTES("")));

    generation = account_generation(account);
    shard_leave(&shard, &client);
    ck_assert_uint_gt(account_generation(account), generation);
    ck_assert(!router_interest(router, account, BYTES("a.x")));
    shard_deinit(&shard);
}
END_TEST

/* Subscriptions that end while the message is on its way to many must not disturb the walk. */
START_TEST(subscriptions_that_end_with_a_message_are_gone_after_it)
{
    struct client client;
    struct shard shard;

    shard_init(&shard);
    shard_join(&shard, &client);
    shard_say(&shard, &client, QUIET);
    for (int i = 0; i < 100; i++) {
        char line[64];

        snprintf(line, sizeof(line), "SUB a %d\r\nUNSUB %d %d\r\n", i, i, 1 + i % 2);
        shard_say(&shard, &client, line);
    }
    ck_assert_uint_eq(publish(&shard, "a", ""), 100);
    ck_assert_uint_eq(client.subs.count, 50);
    ck_assert_uint_eq(publish(&shard, "a", ""), 50);
    ck_assert_uint_eq(client.subs.count, 0);
    ck_assert_uint_eq(shard.clients.account->subs.count, 0);
    ck_assert_uint_eq(publish(&shard, "a", ""), 0);
    shard_leave(&shard, &client);
    shard_deinit(&shard);
}
END_TEST

START_TEST(what_another_node_passes_on_reaches_sinks_and_no_client)
{
    struct heard plain = {0}, grouped = {0};
    struct sink *sink_plain, *sink_grouped;
    struct message message = {.subject = BYTES("a"), .payload = BYTES("x"), .forwarded = true};
    struct client client;
    struct shard shard;

    shard_init(&shard);
    shard_join(&shard, &client);
    shard_say(&shard, &client, QUIET "SUB a 1\r\nSUB a q 2\r\n");
    sink_plain = listen(&shard, "a", "", &plain);
    sink_grouped = listen(&shard, ">", "q", &grouped);
    for (int i = 0; i < 20; i++)
        ck_assert_uint_eq(
            router_publish_sinks(shard.clients.router, shard.clients.account, &message), 2);
    ck_assert_uint_eq(plain.count, 20);
    ck_assert_uint_eq(grouped.count, 20);
    CK_OUT(&client, "");
    router_sink_remove(shard.clients.router, sink_plain);
    router_sink_remove(shard.clients.router, sink_grouped);
    shard_leave(&shard, &client);
    shard_deinit(&shard);
}
END_TEST

START_TEST(accounts_are_found_by_their_name)
{
    struct shard shard;

    shard_init(&shard);
    ck_assert_ptr_eq(router_account(shard.clients.router, BYTES("$G")), shard.clients.account);
    ck_assert_ptr_null(router_account(shard.clients.router, BYTES("$g")));
    ck_assert_ptr_null(router_account(shard.clients.router, BYTES("")));
    shard_deinit(&shard);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        sinks_and_clients_receive_side_by_side,
        a_route_is_matched_and_the_subject_is_shown,
        a_queue_group_receives_once_and_its_members_share_fairly,
        a_member_that_does_not_take_it_is_passed_over,
        interest_is_what_would_receive_and_literal_interest_is_the_text,
        subscriptions_that_end_with_a_message_are_gone_after_it,
        what_another_node_passes_on_reaches_sinks_and_no_client,
        accounts_are_found_by_their_name,
    };

    return UNIT_RUN_PLAIN("router", tests);
}
