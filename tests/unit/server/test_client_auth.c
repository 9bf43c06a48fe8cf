/* A client that must say who it is: every promise about what happens before, during and after. */
#include <stdio.h>

#include "server/clients/grants.h"
#include "tests/unit/server/shard.h"

#define HASH "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW" /* of "secret" */

#define AS(user, pass)                                                                             \
    "CONNECT {\"verbose\":false,\"pedantic\":false,\"user\":\"" user "\",\"pass\":\"" pass "\"}"   \
    "\r\n"
#define VIOLATION "-ERR 'Authorization Violation'\r\n"

static struct permission_filter allow_a[] = {{BYTES("a.>"), BYTES("")}};
static struct permission_filter allow_req[] = {{BYTES("req"), BYTES("")}};
static struct permission_filter deny_x[] = {{BYTES("a.x"), BYTES("")}};
static const struct permission_options limited = {
    .publish_allow = {allow_a, 1},
    .subscribe_allow = {allow_a, 1},
    .subscribe_deny = {deny_x, 1},
};
static const struct permission_options answering = {
    .publish_allow = {allow_req, 1},
    .responses = true,
    .responses_max = 2,
    .responses_ns = 1000,
};
static struct account_options account_a = {
    .name = BYTES("A"), .max_connections = 2, .max_subscriptions = 2, .max_payload = 8};
static struct account_options *accounts[] = {&account_a};
static struct user_options users[] = {
    {.name = BYTES("u"), .password = BYTES("p")},
    {.name = BYTES("hashed"), .password = BYTES(HASH)},
    {.name = BYTES("limited"), .permissions = &limited},
    {.name = BYTES("answering"), .permissions = &answering},
    {.name = BYTES("a"), .account = &account_a},
};

struct guarded {
    struct shard shard;
    struct auth_options options;
    struct auth auth;
};

static void guarded_init(struct guarded *g, struct bytes no_auth_user)
{
    shard_init(&g->shard);
    g->options = (struct auth_options){.users = users,
                                       .users_count = UNIT_COUNT(users),
                                       .accounts = accounts,
                                       .accounts_count = 1,
                                       .no_auth_user = no_auth_user};
    auth_init(&g->auth, &g->options, 5);
    g->shard.clients.auth = &g->auth;
    (void)router_account_add(g->shard.clients.router, BYTES("A"), &account_a);
}

static void guarded_deinit(struct guarded *g)
{
    shard_deinit(&g->shard);
    auth_deinit(&g->auth);
}

/* What a fresh client hears when it says this, in one piece and byte by byte; is it open? */
static void check_said(struct guarded *g, const char *text, const char *out, bool open)
{
    for (size_t piece = 1; piece <= strlen(text); piece += strlen(text)) {
        struct client client;

        shard_join(&g->shard, &client);
        for (size_t at = 0; at < strlen(text); at += piece)
            shard_feed(&g->shard, &client, bytes_of(text + at, piece));
        CK_OUT(&client, out);
        ck_assert_msg((client.state == CLIENT_OPEN) == open, "%s", text);
        shard_leave(&g->shard, &client);
    }
}

START_TEST(nothing_comes_before_a_connect_that_is_accepted)
{
    struct guarded g;

    guarded_init(&g, BYTES(""));
    check_said(&g, "PING\r\n", VIOLATION, false);
    check_said(&g, "SUB a 1\r\n", VIOLATION, false);
    check_said(&g, "\r\n", VIOLATION, false);
    check_said(&g, "CONNECT {}\r\nPING\r\n", VIOLATION, false);
    check_said(&g, AS("u", "x") "PING\r\n", VIOLATION, false);
    check_said(&g, AS("x", "p"), VIOLATION, false);
    check_said(&g, "CONNEXT\r\n", "-ERR 'Unknown Protocol Operation'\r\n", false);
    check_said(&g, AS("u", "p") "PING\r\n", "PONG\r\n", true);
    guarded_deinit(&g);
}
END_TEST

START_TEST(before_that_a_client_takes_no_more_memory_than_a_line)
{
    struct guarded g;
    struct client client;
    char text[5000];

    guarded_init(&g, BYTES(""));
    memset(text, ' ', sizeof(text));
    memcpy(text, "CONNECT {", 9);
    shard_join(&g.shard, &client);
    shard_feed(&g.shard, &client, bytes_of(text, sizeof(text)));
    CK_OUT(&client, "-ERR 'maximum control line exceeded'\r\n");
    ck_assert_int_ne(client.state, CLIENT_OPEN);
    shard_leave(&g.shard, &client);
    guarded_deinit(&g);
}
END_TEST

START_TEST(without_a_connect_in_time_it_is_over)
{
    struct guarded g;
    struct client late, early;

    guarded_init(&g, BYTES(""));
    shard_join(&g.shard, &late);
    shard_join(&g.shard, &early);
    shard_say(&g.shard, &late, "CONN");
    shard_say(&g.shard, &early, AS("u", "p"));
    client_auth_overdue(&late);
    client_auth_overdue(&early);
    CK_OUT(&late, "-ERR 'Authentication Timeout'\r\n");
    ck_assert_int_eq(late.state, CLIENT_ENDING);
    ck_assert_int_eq(early.state, CLIENT_OPEN);
    shard_leave(&g.shard, &late);
    shard_leave(&g.shard, &early);
    guarded_deinit(&g);
}
END_TEST

START_TEST(who_says_nothing_may_be_a_user_too)
{
    struct guarded g;

    guarded_init(&g, BYTES("limited"));
    check_said(&g, "CONNECT {\"verbose\":false}\r\nPING\r\n", "PONG\r\n", true);
    check_said(&g, "SUB b 1\r\nSUB a.b 2\r\n",
               "-ERR 'Permissions Violation for Subscription to \"b\"'\r\n+OK\r\n", true);
    check_said(&g, AS("u", ""), VIOLATION, false);
    guarded_deinit(&g);
}
END_TEST

START_TEST(a_slow_password_is_proven_elsewhere_and_the_rest_is_heard_then)
{
    static const char *const said[] = {"secret", "Secret"};
    static const char *const out[] = {"MSG b 1 1\r\nx\r\nPONG\r\n", VIOLATION};

    for (int i = 0; i < 2; i++) {
        struct guarded g;
        struct client client;
        struct client_proof *proof;
        char text[300];

        guarded_init(&g, BYTES(""));
        shard_join(&g.shard, &client);
        snprintf(text, sizeof(text),
                 "CONNECT {\"verbose\":false,\"user\":\"hashed\",\"pass\":\"%s\"}\r\nSUB b 1\r\nPU",
                 said[i]);
        shard_say(&g.shard, &client, text);
        proof = client.proof;
        ck_assert_ptr_nonnull(proof);
        ck_assert_uint_eq(client.pauses, 1);
        shard_say(&g.shard, &client, "B b 1\r\nx\r\nPING\r\n");
        CK_OUT(&client, "");
        client_auth_overdue(&client);
        ck_assert_int_eq(client.state, CLIENT_OPEN);

        client_proof_run(proof);
        client_proof_done(proof, g.shard.now_ns);
        CK_OUT(&client, out[i]);
        ck_assert_uint_eq(client.pauses, 0);
        ck_assert_int_eq(client.state, i == 0 ? CLIENT_OPEN : CLIENT_ENDING);
        shard_leave(&g.shard, &client);
        guarded_deinit(&g);
    }
}
END_TEST

START_TEST(a_proof_outlives_its_client)
{
    struct guarded g;
    struct client client;
    struct client_proof *proof;

    guarded_init(&g, BYTES(""));
    shard_join(&g.shard, &client);
    shard_say(&g.shard, &client, AS("hashed", "secret") "PING\r\n");
    proof = client.proof;
    proof->begun = true;
    shard_leave(&g.shard, &client);
    client_proof_run(proof);
    client_proof_done(proof, g.shard.now_ns);
    guarded_deinit(&g);
}
END_TEST

/* Its shell has not come by: nobody else knows of the proof (a leak, where those are looked for).
 */
START_TEST(a_proof_that_nobody_has_begun_ends_with_its_client)
{
    struct guarded g;
    struct client client;

    guarded_init(&g, BYTES(""));
    shard_join(&g.shard, &client);
    shard_say(&g.shard, &client, AS("hashed", "secret"));
    ck_assert_ptr_nonnull(client.proof);
    shard_leave(&g.shard, &client);
    guarded_deinit(&g);
}
END_TEST

START_TEST(permissions_bind_publishing_subscribing_and_delivery)
{
    struct guarded g;
    struct client client, other;

    guarded_init(&g, BYTES(""));
    shard_join(&g.shard, &client);
    shard_join(&g.shard, &other);
    shard_say(&g.shard, &other, AS("u", "p"));
    shard_say(&g.shard, &client,
              "CONNECT {\"verbose\":false,\"headers\":true,\"user\":\"limited\"}\r\n");
    shard_say(&g.shard, &client, "PUB b 1\r\nx\r\nHPUB b 12 12\r\nNATS/1.0\r\n\r\n\r\n");
    CK_OUT(&client, "-ERR 'Permissions Violation for Publish to \"b\"'\r\n"
                    "-ERR 'Permissions Violation for Publish to \"b\"'\r\n");
    shard_say(&g.shard, &client, "SUB b 1\r\nSUB b q 2\r\nSUB a.x 3\r\nSUB a.> 4\r\n");
    CK_OUT(&client, "-ERR 'Permissions Violation for Subscription to \"b\"'\r\n"
                    "-ERR 'Permissions Violation for Subscription to \"b\" using queue \"q\"'\r\n"
                    "-ERR 'Permissions Violation for Subscription to \"a.x\"'\r\n");
    shard_say(&g.shard, &other, "PUB a.x 1\r\nx\r\nPUB a.y 1\r\ny\r\n");
    CK_OUT(&client, "MSG a.y 4 1\r\ny\r\n");
    shard_leave(&g.shard, &client);
    shard_leave(&g.shard, &other);
    guarded_deinit(&g);
}
END_TEST

START_TEST(what_a_client_was_asked_it_may_answer_so_often_and_so_long)
{
    struct guarded g;
    struct client client, other;

    guarded_init(&g, BYTES(""));
    shard_join(&g.shard, &client);
    shard_join(&g.shard, &other);
    shard_say(&g.shard, &other, AS("u", "p"));
    shard_say(&g.shard, &client, AS("answering", "") "SUB q 1\r\nPUB in 1\r\nx\r\n");
    CK_OUT(&client, "-ERR 'Permissions Violation for Publish to \"in\"'\r\n");
    shard_say(&g.shard, &other, "PUB q in 1\r\nx\r\n");
    CK_OUT(&client, "MSG q 1 in 1\r\nx\r\n");
    shard_say(&g.shard, &client, "PUB in 1\r\nx\r\nPUB in 1\r\nx\r\nPUB in 1\r\nx\r\n");
    CK_OUT(&client, "-ERR 'Permissions Violation for Publish to \"in\"'\r\n");

    shard_say(&g.shard, &other, "PUB q in 1\r\nx\r\n");
    shard_forget(&client);
    g.shard.now_ns += 1001;
    shard_say(&g.shard, &client, "PUB in 1\r\nx\r\n");
    CK_OUT(&client, "-ERR 'Permissions Violation for Publish to \"in\"'\r\n");
    shard_leave(&g.shard, &client);
    shard_leave(&g.shard, &other);
    guarded_deinit(&g);
}
END_TEST

START_TEST(accounts_are_worlds_of_their_own_with_their_limits)
{
    struct guarded g;
    struct client clients[3], other;

    guarded_init(&g, BYTES(""));
    shard_join(&g.shard, &other);
    shard_say(&g.shard, &other, AS("u", "p") "SUB > 1\r\n");
    for (int i = 0; i < 3; i++) {
        shard_join(&g.shard, &clients[i]);
        shard_say(&g.shard, &clients[i], AS("a", ""));
    }
    CK_OUT(&clients[2], "-ERR 'maximum account active connections exceeded'\r\n");
    ck_assert_int_eq(clients[2].state, CLIENT_ENDING);

    shard_say(&g.shard, &clients[0], "SUB s 1\r\nSUB t 2\r\nSUB u 3\r\n");
    CK_OUT(&clients[0], "-ERR 'maximum subscriptions exceeded'\r\n");
    shard_say(&g.shard, &clients[1], "PUB s 8\r\n12345678\r\nPUB s 9\r\n");
    CK_OUT(&clients[0], "MSG s 1 8\r\n12345678\r\n");
    CK_OUT(&clients[1], "-ERR 'Maximum Payload Violation'\r\n");
    CK_OUT(&other, "");

    shard_leave(&g.shard, &clients[1]);
    shard_join(&g.shard, &clients[1]);
    shard_say(&g.shard, &clients[1], AS("a", "") "PING\r\n");
    CK_OUT(&clients[1], "PONG\r\n");
    for (int i = 0; i < 3; i++)
        shard_leave(&g.shard, &clients[i]);
    shard_leave(&g.shard, &other);
    guarded_deinit(&g);
}
END_TEST

START_TEST(a_second_connect_may_be_another_user)
{
    struct guarded g;
    struct client client, other;

    guarded_init(&g, BYTES(""));
    shard_join(&g.shard, &client);
    shard_join(&g.shard, &other);
    shard_say(&g.shard, &other, AS("u", "p"));
    shard_say(&g.shard, &client, AS("u", "p") "SUB s 1\r\n" AS("a", "") "SUB s 2\r\n");
    shard_say(&g.shard, &other, "PUB s 1\r\nx\r\n");
    CK_OUT(&client, "");
    shard_say(&g.shard, &client, "PUB s 1\r\nx\r\n" AS("u", "p") "SUB s 3\r\n");
    CK_OUT(&client, "MSG s 2 1\r\nx\r\n");
    shard_say(&g.shard, &other, "PUB s 1\r\ny\r\n");
    CK_OUT(&client, "MSG s 3 1\r\ny\r\n");
    shard_leave(&g.shard, &client);
    shard_leave(&g.shard, &other);
    guarded_deinit(&g);
}
END_TEST

/* Whose rights have gone is not who gets it any more, nor is what it was denied looked up in them.
 */
START_TEST(a_reload_while_a_password_is_proven_ends_what_was_subscribed_before)
{
    struct guarded g;
    struct client client, other;
    struct client_proof *proof;

    guarded_init(&g, BYTES("limited"));
    shard_join(&g.shard, &client);
    shard_join(&g.shard, &other);
    shard_say(&g.shard, &other, AS("u", "p"));
    shard_say(&g.shard, &client, "SUB a.> 1\r\n");
    shard_forget(&client);
    shard_say(&g.shard, &client, AS("hashed", "secret"));
    proof = client.proof;
    ck_assert_ptr_nonnull(proof);
    shard_say(&g.shard, &other, "PUB a.x 1\r\nx\r\nPUB a.y 1\r\ny\r\n");
    CK_OUT(&client, "MSG a.y 1 1\r\ny\r\n");
    client_auth_changed(&client, &g.auth);
    shard_say(&g.shard, &other, "PUB a.x 1\r\nx\r\nPUB a.y 1\r\ny\r\n");
    CK_OUT(&client, "");

    client_proof_run(proof);
    client_proof_done(proof, g.shard.now_ns); /* asks anew */
    proof = client.proof;
    ck_assert_ptr_nonnull(proof);
    client_proof_run(proof);
    client_proof_done(proof, g.shard.now_ns);
    shard_say(&g.shard, &client, "PING\r\n");
    CK_OUT(&client, "PONG\r\n");
    shard_leave(&g.shard, &client);
    shard_leave(&g.shard, &other);
    guarded_deinit(&g);
}
END_TEST

#define MANY (3 * CLIENT_LEAVE_PART)

static void subscribe_many(struct guarded *g, struct client *client)
{
    char line[64];

    for (unsigned i = 1; i <= MANY; i++) {
        snprintf(line, sizeof(line), "SUB s.%u %u\r\n", i, i);
        shard_say(&g->shard, client, line);
    }
}

/* As the shell does; what is published meanwhile is for nobody. */
static void leave_in_parts(struct guarded *g, struct client *client, struct client *other)
{
    uint32_t left = client->subs.count, most;

    ck_assert_uint_eq(left, MANY);
    ck_assert_uint_eq(client->pauses, 1);
    while (left > 0) {
        shard_say(&g->shard, other, "PUB s.7 1\r\nx\r\nPUB s.3000 1\r\nx\r\n");
        left = client->subs.count;
        most = CLIENT_LEAVE_PART;
        ck_assert(client_leave_part(client, &most) == (client->subs.count == 0));
        ck_assert_uint_le(left - client->subs.count, CLIENT_LEAVE_PART);
        left = client->subs.count;
        CK_OUT(client, "");
    }
    client_left(client, g->shard.now_ns);
    ck_assert_uint_eq(client->pauses, 0);
}

/* A million would hold up everybody else. */
START_TEST(a_second_connect_lets_many_subscriptions_go_in_parts)
{
    struct guarded g;
    struct client client, other;

    guarded_init(&g, BYTES(""));
    shard_join(&g.shard, &client);
    shard_join(&g.shard, &other);
    shard_say(&g.shard, &other, AS("u", "p"));
    for (int round = 0; round < 2; round++) { /* and the next time again */
        shard_say(&g.shard, &client, AS("u", "p"));
        subscribe_many(&g, &client);
        shard_say(&g.shard, &client, AS("u", "p") "SUB s.7 1\r\nPI");
        shard_say(&g.shard, &client, "NG\r\n");
        CK_OUT(&client, "");
        leave_in_parts(&g, &client, &other);
        CK_OUT(&client, "PONG\r\n");
        shard_say(&g.shard, &other, "PUB s.7 1\r\nx\r\n");
        CK_OUT(&client, "MSG s.7 1 1\r\nx\r\n");
        shard_say(&g.shard, &client, "UNSUB 1\r\n");
    }
    shard_leave(&g.shard, &client);
    shard_leave(&g.shard, &other);
    guarded_deinit(&g);
}
END_TEST

START_TEST(so_does_a_connect_that_makes_somebody_else_of_who_said_none)
{
    struct guarded g;
    struct client client, other;

    guarded_init(&g, BYTES("u"));
    shard_join(&g.shard, &client);
    shard_join(&g.shard, &other);
    shard_say(&g.shard, &other, AS("u", "p"));
    subscribe_many(&g, &client);
    shard_forget(&client); /* +OK of each */
    shard_say(&g.shard, &client, AS("hashed", "secret"));
    ck_assert_ptr_nonnull(client.proof);
    client_proof_run(client.proof);
    client_proof_done(client.proof, g.shard.now_ns);
    leave_in_parts(&g, &client, &other);
    ck_assert(client.connected);
    ck_assert(bytes_equal(auth_user_name(client.user), BYTES("hashed")));
    shard_say(&g.shard, &client, AS("x", ""));
    CK_OUT(&client, VIOLATION);
    shard_leave(&g.shard, &client);
    shard_leave(&g.shard, &other);
    guarded_deinit(&g);
}
END_TEST

/* The same users but for what `change` does to a copy of them. */
static void reloaded(struct guarded *g, struct client *client, struct auth *now,
                     struct user_options changed[UNIT_COUNT(users)])
{
    struct auth_options options = g->options;

    options.users = changed;
    auth_init(now, &options, 9);
    g->shard.clients.auth = now;
    client_auth_changed(client, &g->auth);
}

static void check_all(struct client *client)
{
    uint32_t most = UINT32_MAX;

    ck_assert(client_check_part(client, &most));
}

START_TEST(a_reload_leaves_alone_who_would_be_let_in_again)
{
    struct user_options same[UNIT_COUNT(users)];
    struct guarded g;
    struct client client;
    struct auth now;

    memcpy(same, users, sizeof(users));
    guarded_init(&g, BYTES(""));
    shard_join(&g.shard, &client);
    shard_say(&g.shard, &client, AS("u", "p") "SUB s 1\r\n");
    same[0].permissions = &limited;
    reloaded(&g, &client, &now, same);
    check_all(&client);
    CK_OUT(&client, "-ERR 'Permissions Violation for Subscription to \"s\" (sid \"1\")'\r\n");
    ck_assert_int_eq(client.state, CLIENT_OPEN);
    ck_assert_uint_eq(client.subs.count, 0);
    shard_say(&g.shard, &client, "PUB s 1\r\nx\r\n");
    CK_OUT(&client, "-ERR 'Permissions Violation for Publish to \"s\"'\r\n");
    shard_leave(&g.shard, &client);
    auth_deinit(&now);
    guarded_deinit(&g);
}
END_TEST

/* Subscriptions by counted sids, by others, and of both some that go by themselves. */
static void subscribe_mixed(struct guarded *g, struct client *client)
{
    char line[160];

    for (unsigned i = 1; i <= MANY; i++) {
        snprintf(line, sizeof(line),
                 "SUB a.%u %u\r\nSUB a.x.%u x%u\r\nSUB s.%u s%u\r\nUNSUB s%u 1\r\n", i, i, i, i, i,
                 i, i);
        shard_say(&g->shard, client, line);
    }
}

static void rules_become(struct guarded *g, struct client *client, struct user_options *changed,
                         const struct permission_options *permissions, struct auth *now)
{
    struct auth_options options = g->options;
    const struct auth *before = g->shard.clients.auth;

    changed[0].permissions = permissions;
    options.users = changed;
    auth_init(now, &options, 9);
    g->shard.clients.auth = now;
    client_auth_changed(client, before);
}

/* From the moment of the reload on, wherever the look at all of them has come to, and although some
 * leave meanwhile and others come. */
START_TEST(what_a_reload_denies_gets_nothing_while_many_are_looked_at_in_parts)
{
    struct user_options changed[UNIT_COUNT(users)];
    struct guarded g;
    struct client client, other;
    struct auth now;
    uint32_t most = 0;

    memcpy(changed, users, sizeof(users));
    guarded_init(&g, BYTES(""));
    shard_join(&g.shard, &client);
    shard_join(&g.shard, &other);
    shard_say(&g.shard, &other, AS("hashed", "secret"));
    client_proof_run(other.proof);
    client_proof_done(other.proof, g.shard.now_ns);
    shard_say(&g.shard, &client, AS("u", "p") "SUB a.* all\r\nSUB > everything\r\n");
    subscribe_mixed(&g, &client);
    rules_become(&g, &client, changed, &limited, &now);
    for (unsigned part = 0; client.unchecked > 0; part++) {
        char line[200];

        ck_assert_uint_lt(part, 20 * MANY / 100);
        shard_forget(&client);
        snprintf(line, sizeof(line), "PUB s.%u 1\r\ns\r\nPUB a.x 1\r\nx\r\nPUB a.%u 1\r\na\r\n",
                 part + 1, MANY - part);
        shard_say(&g.shard, &other, line);
        snprintf(line, sizeof(line), "MSG a.%u all 1\r\na\r\nMSG a.%u %u 1\r\na\r\n", MANY - part,
                 MANY - part, MANY - part);
        ck_assert_uint_eq(client.out.size, strlen(line));
        snprintf(line, sizeof(line), "UNSUB x%u\r\nUNSUB %u\r\nSUB s.%u new%u\r\n", part + 1,
                 part + 1, part + 1, part + 1);
        shard_say(&g.shard, &client, line);
        most = 100;
        ck_assert(client_check_part(&client, &most) == (client.unchecked == 0));
    }
    shard_forget(&client);
    shard_say(&g.shard, &other, "PUB s.1 1\r\ns\r\nPUB a.x 1\r\nx\r\n");
    CK_OUT(&client, "");
    for (struct client_subs_walk at = {0};;) {
        struct client_sub *sub = client_sub_next(&client, &at);

        if (sub == NULL)
            break;
        ck_assert(permissions_subscribe(client.permissions, sub_subject(&sub->sub), BYTES("")));
        ck_assert_uint_eq(sub->round, client.round);
    }
    ck_assert_uint_gt(client.subs.count, MANY);
    shard_leave(&g.shard, &client);
    shard_leave(&g.shard, &other);
    auth_deinit(&now);
    guarded_deinit(&g);
}
END_TEST

/* Rounds are few: one that was never looked at is not taken for one that was. */
START_TEST(reloads_follow_each_other_faster_than_subscriptions_are_looked_at)
{
    struct user_options changed[UNIT_COUNT(users)];
    struct guarded g;
    struct client client;
    struct auth now[2];
    uint32_t most = 1;

    memcpy(changed, users, sizeof(users));
    guarded_init(&g, BYTES(""));
    shard_join(&g.shard, &client);
    shard_say(&g.shard, &client, AS("u", "p") "SUB a.b 1\r\nSUB a.c 2\r\nSUB s 3\r\n");
    rules_become(&g, &client, changed, NULL, &now[1]);
    for (unsigned i = 0; i < 3 * CLIENT_SUB_ROUNDS + 7; i++) {
        rules_become(&g, &client, changed, i % 2 == 0 ? &limited : NULL, &now[i % 2]);
        auth_deinit(&now[1 - i % 2]);
        ck_assert_uint_eq(client.unchecked, 3);
        if (i % 2 == 0)
            shard_say(&g.shard, &client, "PUB s 1\r\nx\r\n");
        CK_OUT(&client, i % 2 == 0 ? "-ERR 'Permissions Violation for Publish to \"s\"'\r\n" : "");
        most = 1; /* the first of them alone */
        ck_assert(!client_check_part(&client, &most));
    }
    CK_OUT(&client, "");
    check_all(&client);
    CK_OUT(&client, "-ERR 'Permissions Violation for Subscription to \"s\" (sid \"3\")'\r\n");
    ck_assert_uint_eq(client.subs.count, 2);
    shard_leave(&g.shard, &client);
    auth_deinit(&now[0]);
    guarded_deinit(&g);
}
END_TEST

/* By a door of its own, the token of the others is no matter, and the door's is. */
START_TEST(a_reload_looks_at_the_rules_of_the_door_that_was_taken)
{
    static const struct auth_door door = {.token = BYTES("w")}, moved = {.token = BYTES("v")};
    static const struct client_cookies cookies = {0};

    for (int same = 0; same < 2; same++) {
        struct auth_options options = {.token = BYTES("t"), .websocket = &door};
        struct guarded g;
        struct client client;
        struct auth before, now;

        guarded_init(&g, BYTES(""));
        auth_init(&before, &options, 5);
        g.shard.clients.auth = &before;
        shard_join(&g.shard, &client);
        client_over_websocket(&client, NULL, &cookies, NULL);
        shard_say(&g.shard, &client, "CONNECT {\"verbose\":false,\"auth_token\":\"w\"}\r\n");
        ck_assert_int_eq(client.state, CLIENT_OPEN);
        ck_assert(!client.unproven);
        options.token = same ? BYTES("other") : BYTES("t");
        options.websocket = same ? &door : &moved;
        auth_init(&now, &options, 9);
        g.shard.clients.auth = &now;
        client_auth_changed(&client, &before);
        ck_assert_int_eq(client.state == CLIENT_OPEN, same);
        shard_leave(&g.shard, &client);
        auth_deinit(&before);
        auth_deinit(&now);
        guarded_deinit(&g);
    }
}
END_TEST

START_TEST(a_reload_ends_who_would_not)
{
    static const char *const out[] = {VIOLATION, "", ""};

    for (int i = 0; i < 3; i++) {
        struct user_options changed[UNIT_COUNT(users)];
        struct guarded g;
        struct client client;
        struct auth now;

        memcpy(changed, users, sizeof(users));
        guarded_init(&g, BYTES(""));
        shard_join(&g.shard, &client);
        shard_say(&g.shard, &client, AS("u", "p"));
        switch (i) {
        case 0: changed[0].password = BYTES("other"); break;
        case 1: changed[0].name = BYTES("other"); break;
        case 2: changed[0].account = &account_a; break;
        }
        reloaded(&g, &client, &now, changed);
        CK_OUT(&client, out[i]);
        ck_assert_int_eq(client.state, CLIENT_ENDING);
        shard_leave(&g.shard, &client);
        auth_deinit(&now);
        guarded_deinit(&g);
    }
}
END_TEST

START_TEST(a_password_that_a_reload_changed_while_it_was_proven_is_asked_for_anew)
{
    struct user_options changed[UNIT_COUNT(users)];
    struct guarded g;
    struct client client;
    struct client_proof *proof;
    struct auth now;

    memcpy(changed, users, sizeof(users));
    guarded_init(&g, BYTES(""));
    shard_join(&g.shard, &client);
    shard_say(&g.shard, &client, AS("hashed", "secret") "PING\r\n");
    proof = client.proof;
    changed[1].password = BYTES("plain");
    reloaded(&g, &client, &now, changed);
    client_proof_run(proof);
    ck_assert(proof->proven);
    client_proof_done(proof, g.shard.now_ns);
    CK_OUT(&client, VIOLATION);
    shard_leave(&g.shard, &client);
    auth_deinit(&now);
    guarded_deinit(&g);
}
END_TEST

/* Who it is is asked anew when they are gone: whom it would have been may be none any more. */
START_TEST(a_reload_while_subscriptions_leave_and_an_end_while_they_do)
{
    for (int ends = 0; ends < 2; ends++) {
        struct user_options changed[UNIT_COUNT(users)];
        struct client client;
        struct guarded g;
        struct auth now;
        uint32_t most = 10;

        memcpy(changed, users, sizeof(changed));
        changed[4].name = BYTES("new");
        guarded_init(&g, BYTES("u"));
        shard_join(&g.shard, &client);
        subscribe_many(&g, &client);
        shard_forget(&client);
        shard_say(&g.shard, &client, AS("a", ""));
        ck_assert(!client_leave_part(&client, &most));
        reloaded(&g, &client, &now, changed);
        while (!client_leave_part(&client, &most))
            most = CLIENT_LEAVE_PART;
        if (ends)
            client_doom(&client, "gone");
        else
            client_left(&client, g.shard.now_ns);
        CK_OUT(&client, ends ? "" : VIOLATION);
        shard_leave(&g.shard, &client);
        auth_deinit(&now);
        guarded_deinit(&g);
    }
}
END_TEST

START_TEST(limits_of_the_server_bind_everybody)
{
    struct shard shard;
    struct client client;

    shard_init(&shard);
    shard.options.max_subscriptions = 1;
    shard.options.max_subscription_tokens = 2;
    shard.options.no_header_support = true;
    shard_join(&shard, &client);
    shard_say(&shard, &client,
              "CONNECT {\"verbose\":false,\"headers\":true}\r\n"
              "SUB a.b.c 1\r\nSUB a 1\r\nSUB b 2\r\nUNSUB 1\r\nSUB b 2\r\n");
    CK_OUT(&client,
           "-ERR 'Permissions Violation for Subscription to \"a.b.c\", too many tokens'\r\n"
           "-ERR 'maximum subscriptions exceeded'\r\n");
    shard_say(&shard, &client, "HPUB b 12 12\r\n");
    ck_assert_int_ne(client.state, CLIENT_OPEN);
    shard_leave(&shard, &client);
    shard_deinit(&shard);
}
END_TEST

START_TEST(grants_are_bounded_and_the_oldest_go_first)
{
    struct grants grants;
    char subject[16];

    grants_init(&grants, -1, -1, 3);
    for (unsigned i = 0; i < GRANTS_MAX + 10; i++) {
        snprintf(subject, sizeof(subject), "s%u", i);
        grants_add(&grants, bytes_of_text(subject), i);
    }
    ck_assert_uint_eq(grants.by_subject.count, GRANTS_MAX);
    ck_assert(!grants_use(&grants, BYTES("s9"), INT64_MAX));
    for (int i = 0; i < 100; i++)
        ck_assert(grants_use(&grants, BYTES("s10"), INT64_MAX));
    grants_deinit(&grants);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        nothing_comes_before_a_connect_that_is_accepted,
        before_that_a_client_takes_no_more_memory_than_a_line,
        without_a_connect_in_time_it_is_over,
        who_says_nothing_may_be_a_user_too,
        a_slow_password_is_proven_elsewhere_and_the_rest_is_heard_then,
        a_proof_outlives_its_client,
        a_proof_that_nobody_has_begun_ends_with_its_client,
        permissions_bind_publishing_subscribing_and_delivery,
        what_a_client_was_asked_it_may_answer_so_often_and_so_long,
        accounts_are_worlds_of_their_own_with_their_limits,
        a_second_connect_may_be_another_user,
        a_reload_while_a_password_is_proven_ends_what_was_subscribed_before,
        a_second_connect_lets_many_subscriptions_go_in_parts,
        so_does_a_connect_that_makes_somebody_else_of_who_said_none,
        a_reload_while_subscriptions_leave_and_an_end_while_they_do,
        a_reload_leaves_alone_who_would_be_let_in_again,
        what_a_reload_denies_gets_nothing_while_many_are_looked_at_in_parts,
        reloads_follow_each_other_faster_than_subscriptions_are_looked_at,
        a_reload_ends_who_would_not,
        a_reload_looks_at_the_rules_of_the_door_that_was_taken,
        a_password_that_a_reload_changed_while_it_was_proven_is_asked_for_anew,
        limits_of_the_server_bind_everybody,
        grants_are_bounded_and_the_oldest_go_first,
    };

    return UNIT_RUN_PLAIN("client_auth", tests);
}
