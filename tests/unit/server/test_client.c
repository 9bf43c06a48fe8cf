#include <stdio.h>

#include "tests/unit/server/shard.h"

#define SECOND INT64_C(1000000000)
#define QUIET  "CONNECT {\"verbose\":false}\r\n"
#define NOBODY "CONNECT {\"verbose\":false,\"headers\":true,\"no_responders\":true}\r\n"
#define HEADED "CONNECT {\"verbose\":false,\"headers\":true}\r\n"

#define E_UNKNOWN "-ERR 'Unknown Protocol Operation'\r\n"
#define E_INVALID "-ERR 'Invalid Publish Subject'\r\n"
#define E_LONG    "-ERR 'maximum control line exceeded'\r\n"

/* ---- golden transcripts --------------------------------------------------------------------- */

enum end { OPEN, ENDS };

struct transcript {
    const char *in;
    const char *out;
    enum end end;
};

static const struct transcript transcripts[] = {
    {"SUB foo 1\r\nPUB foo 2\r\nhi\r\nPING\r\n", "+OK\r\n+OK\r\nMSG foo 1 2\r\nhi\r\nPONG\r\n",
     OPEN},
    {"connect{\"verbose\":false}\r\nsub   foo   1\r\npub\tfoo\t2\nhi\r\nping\r\npInG xx yy\r\n",
     "MSG foo 1 2\r\nhi\r\nPONG\r\nPONG\r\n", OPEN},
    {"CONNECT {\"verbose\":true}\r\nUNSUB 99\r\nSUB a 1\r\nSUB b 1\r\nUNSUB 1 2\r\n"
     "PUB a 1\r\nx\r\nPUB a 1\r\nx\r\nPUB a 1\r\nx\r\nPUB b 1\r\nx\r\n",
     "+OK\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\nMSG a 1 1\r\nx\r\n+OK\r\nMSG a 1 "
     "1\r\nx\r\n+OK\r\n+OK\r\n",
     OPEN},
    {"CONNECT {\"verbose\":false,\"pedantic\":true}\r\nSUB > 1\r\nPUB a.* 1\r\nx\r\nPUB a..b "
     "1\r\nx\r\n",
     E_INVALID "MSG a.* 1 1\r\nx\r\n" E_INVALID, OPEN},
    {NOBODY "SUB inbox.* 7\r\nPUB nobody inbox.1 0\r\n\r\n",
     "HMSG inbox.1 7 38 38\r\nNATS/1.0 503\r\nNats-Subject: nobody\r\n\r\n\r\n", OPEN},

    {"FOO", E_UNKNOWN, ENDS},
    {"\r\n", E_UNKNOWN, ENDS},
    {" PING\r\n", E_UNKNOWN, ENDS},
    {"PUB\r\n", E_UNKNOWN, ENDS},
    {"MSG a 1 2\r\nhi\r\n", E_UNKNOWN, ENDS},
    {"PUB a 2\r\nhixx", E_UNKNOWN, ENDS},
    {"PUB a 2\r\nhix", E_UNKNOWN, ENDS},
    {"PUB a 2\r\nhi\n", E_UNKNOWN, ENDS},
    {"PUB a 0\r\n\r\r", E_UNKNOWN, ENDS},
    {"PUB a b c d\r\n", "", ENDS},
    {"PUB a xx\r\n", "", ENDS},
    {"PUB a -1\r\n", "", ENDS},
    {"PUB a 1234567890\r\n", "", ENDS},
    {"SUB a\r\n", "", ENDS},
    {"UNSUB 1 2 3\r\n", "", ENDS},
    {"HPUB a 12 12\r\n", "", ENDS},
    {HEADED "HPUB a 13 12\r\n", "", ENDS},
    {"CONNECT {\"verbose\":\r\n", "", ENDS},
    {"CONNECT {\"verbose\":\"x\"}\r\n", "", ENDS},
    {"CONNECT []\r\n", "", ENDS},
    {"CONNECT {\"protocol\":1.5}\r\n", "", ENDS},
    {"INFO bad\r\n", "", ENDS},
    {"-ERR foo\r\n", "", ENDS},
    {"PUB a 1048577\r\n", "-ERR 'Maximum Payload Violation'\r\n", ENDS},
    {HEADED "HPUB a 12 1048577\r\n", "-ERR 'Maximum Payload Violation'\r\n", ENDS},
    {"CONNECT {\"account\":\"x\"}\r\n", "-ERR 'Authorization Violation'\r\n", ENDS},
    {"CONNECT {\"new_account\":true}\r\n", "-ERR 'Authorization Violation'\r\n", ENDS},
    {"CONNECT {\"protocol\":2}\r\n", "-ERR 'invalid client protocol'\r\n", ENDS},
    {"CONNECT {\"verbose\":false,\"no_responders\":true}\r\n",
     "-ERR 'no responders requires headers support'\r\n", ENDS},

    {QUIET "SUB a..b 1\r\nSUB >.a 2\r\nPING\r\n",
     "-ERR 'Invalid Subject'\r\n-ERR 'Invalid Subject'\r\nPONG\r\n", OPEN},
    {"SUB a _sys_ 1\r\nSUB ok 1\r\nSUB ok.. 1\r\n",
     "-ERR 'Permissions Violation for Subscription to \"a\" using queue "
     "\"_sys_\"'\r\n+OK\r\n+OK\r\n",
     OPEN},
    {"+OK\r\nPONG\r\nINFO {}\r\nPING\r\n", "PONG\r\n", OPEN},
    {"CONNECT null\r\n", "+OK\r\n", OPEN},
    {"CONNECT {\"VERBOSE\":false,\"Echo\":false,\"x\":[1]}\r\nSUB a 1\r\nPUB a 1\r\nx\r\nPING\r\n",
     "PONG\r\n", OPEN},
    {QUIET "CONNECT {}\r\nPING\r\n", "PONG\r\n", OPEN}, /* the second is read over the first */
    {QUIET "SUB a 1\r\n" QUIET "PUB a 1\r\nx\r\nPING\r\n", "PONG\r\n", OPEN},
    {QUIET "SUB a 1\r\nUNSUB 1 abc\r\nPUB a 1\r\nx\r\nPING\r\n", "PONG\r\n", OPEN},
    {QUIET "SUB a 1\r\nPUB a 1\r\nx\r\nPUB a 1\r\nx\r\nUNSUB 1 1\r\nPUB a 1\r\nx\r\n",
     "MSG a 1 1\r\nx\r\nMSG a 1 1\r\nx\r\n", OPEN},
    {QUIET "SUB a 1\r\nPUB a 1\r\nx\r\nUNSUB 1 2\r\nUNSUB 1 3\r\nPUB a 1\r\nx\r\nPUB a "
           "1\r\nx\r\nPUB a 1\r\nx\r\n",
     "MSG a 1 1\r\nx\r\nMSG a 1 1\r\nx\r\nMSG a 1 1\r\nx\r\n", OPEN},
    {QUIET "SUB w 1\r\nUNSUB 1 1\r\nPUB w 1\r\nx\r\nSUB w 1\r\nPUB w 1\r\ny\r\n",
     "MSG w 1 1\r\nx\r\nMSG w 1 1\r\ny\r\n", OPEN},
    {HEADED
     "SUB a 1\r\nHPUB a r 12 14\r\nNATS/1.0\r\n\r\nhi\r\nHPUB a 0 2\r\nhi\r\nPUB a r 0\r\n\r\n",
     "HMSG a 1 r 12 14\r\nNATS/1.0\r\n\r\nhi\r\nMSG a 1 2\r\nhi\r\nMSG a 1 r 0\r\n\r\n", OPEN},
    {NOBODY "SUB i q 7\r\nPUB nobody i 0\r\n\r\nPUB nobody x 0\r\n\r\nPUB nobody 0\r\n\r\nPING\r\n",
     "PONG\r\n", OPEN},
    {NOBODY "SUB i 7\r\nUNSUB 7 1\r\nPUB n i 0\r\n\r\nPUB i 1\r\nx\r\nPUB i 1\r\nx\r\n",
     "HMSG i 7 33 33\r\nNATS/1.0 503\r\nNats-Subject: n\r\n\r\n\r\nMSG i 7 1\r\nx\r\n", OPEN},
    {"CONNECT {\"verbose\":false,\"headers\":true,\"no_responders\":true,\"echo\":false}\r\n"
     "SUB i 7\r\nSUB n 2\r\nPUB n i 0\r\n\r\n",
     "HMSG i 7 33 33\r\nNATS/1.0 503\r\nNats-Subject: n\r\n\r\n\r\n", OPEN},
    {QUIET "SUB a 1\r\nPUB a $JS.ACK.x 1\r\nx\r\nPUB a $JS.ACK. 1\r\nx\r\nPUB a _R_. 1\r\nx\r\nPUB "
           "a _GR_. 1\r\nx\r\n",
     "-ERR 'Permissions Violation for Publish with Reply of \"$JS.ACK.x\"'\r\nMSG a 1 $JS.ACK. "
     "1\r\nx\r\n"
     "-ERR 'Permissions Violation for Publish with Reply of \"_R_.\"'\r\nMSG a 1 _GR_. 1\r\nx\r\n",
     OPEN},
    {"PUB _GR_.x 1\r\nx\r\nPUB $NRG.x 1\r\nx\r\nPUB $GNR.x 1\r\nx\r\n",
     "-ERR 'Permissions Violation for Publish to \"_GR_.x\"'\r\n"
     "-ERR 'Permissions Violation for Publish to \"$NRG.x\"'\r\n+OK\r\n",
     OPEN},
    {QUIET "SUB * 1\r\nSUB a* 2\r\nPUB a* 1\r\nx\r\nPUB .a 1\r\nx\r\n",
     "MSG a* 2 1\r\nx\r\nMSG a* 1 1\r\nx\r\n" E_INVALID, OPEN},
    {QUIET "PUB foo 4\r\n\r\n\r\n\r\nPING\r\n", "PONG\r\n", OPEN},
};

static void check_transcript(const struct transcript *t, size_t cut, size_t piece)
{
    struct bytes in = bytes_of_text(t->in);
    struct client client;
    struct shard shard;

    shard_init(&shard);
    shard_join(&shard, &client);
    for (size_t at = 0; at < in.size;) {
        size_t size = at < cut ? cut - at : piece;

        size = size < in.size - at ? size : in.size - at;
        shard_feed(&shard, &client, bytes_of(in.at + at, size));
        at += size;
    }
    if (!bytes_equal(buf_bytes(&client.out), bytes_of_text(t->out)))
        ck_abort_msg("%s\ncut at %zu gives\n%.*s", t->in, cut, BYTES_ARG(buf_bytes(&client.out)));
    if ((client.state != CLIENT_OPEN) != (t->end == ENDS))
        ck_abort_msg("%s\ncut at %zu: wrong end", t->in, cut);
    shard_leave(&shard, &client);
    shard_deinit(&shard);
}

START_TEST(transcripts_come_out_byte_for_byte_wherever_the_input_is_cut)
{
    for (size_t i = 0; i < UNIT_COUNT(transcripts); i++) {
        size_t size = strlen(transcripts[i].in);

        for (size_t cut = 0; cut <= size; cut++)
            check_transcript(&transcripts[i], cut, size);
        check_transcript(&transcripts[i], 0, 1);
        check_transcript(&transcripts[i], 0, 3);
    }
}
END_TEST

/* Nobody but the transcripts says what is right here; it only has to be the same. */
START_TEST(any_input_gives_the_same_output_however_it_is_cut)
{
    static const char *const frames[] = {
        QUIET,
        HEADED,
        "SUB a 1\r\n",
        "SUB a.* q 2\r\n",
        "SUB > 3\n",
        "UNSUB 1\r\n",
        "UNSUB 3 2\r\n",
        "PUB a 1\r\nx\r\n",
        "PUB a.b r 3\r\n\r\nx\r\n",
        "HPUB a 12 13\r\nNATS/1.0\r\n\r\n!\r\n",
        "PING\r\n",
        "PING \tjunk\r\n",
        "PONG\r\n",
        "+OK ok\r\n",
        "info {}\r\n",
        "CONNECT {}\r\n",
        "PUB a..b 0\r\n\r\n",
    };
    struct prng prng;

    prng_seed(&prng, 5);
    for (int round = 0; round < 3000; round++) {
        char in[600] = "";
        struct client whole, cut;
        struct shard one, two;

        for (int n = 0; n < 12; n++)
            strcat(in, frames[prng_below(&prng, UNIT_COUNT(frames))]);
        if (prng_chance(&prng, 2, 3))
            in[prng_below(&prng, strlen(in))] = (char)(1 + prng_below(&prng, 127));

        shard_init(&one);
        shard_init(&two);
        shard_join(&one, &whole);
        shard_join(&two, &cut);
        shard_say(&one, &whole, in);
        for (size_t at = 0, size; at < strlen(in); at += size) {
            size = 1 + prng_below(&prng, prng_chance(&prng, 1, 2) ? 4 : 100);
            size = size < strlen(in) - at ? size : strlen(in) - at;
            shard_feed(&two, &cut, bytes_of(in + at, size));
        }
        if (!bytes_equal(buf_bytes(&whole.out), buf_bytes(&cut.out)) || whole.state != cut.state)
            ck_abort_msg("%s\nwhole:\n%.*s\ncut:\n%.*s", in, BYTES_ARG(buf_bytes(&whole.out)),
                         BYTES_ARG(buf_bytes(&cut.out)));
        shard_leave(&one, &whole);
        shard_leave(&two, &cut);
        shard_deinit(&one);
        shard_deinit(&two);
    }
}
END_TEST

/* ---- limits --------------------------------------------------------------------------------- */

START_TEST(a_control_line_is_bounded_before_it_ends)
{
    struct client client;
    struct shard shard;
    size_t fed = 0;

    shard_init(&shard);
    shard_join(&shard, &client);
    shard_say(&shard, &client, "PUB ");
    while (client.state == CLIENT_OPEN) {
        shard_say(&shard, &client, "aaaaaaaaaa");
        fed += 10;
        ck_assert_uint_le(fed, 4096 + 10);
    }
    ck_assert_uint_gt(fed, 4096);
    CK_OUT(&client, E_LONG);
    shard_leave(&shard, &client);

    /* Blanks that do not count do not fill us either. */
    shard_join(&shard, &client);
    shard_say(&shard, &client, "PUB ");
    for (fed = 0; client.state == CLIENT_OPEN; fed += 10) {
        shard_say(&shard, &client, "          ");
        ck_assert_uint_le(fed, 8192);
    }
    shard_leave(&shard, &client);

    /* What nobody reads is not kept. */
    shard_join(&shard, &client);
    shard_say(&shard, &client, "PING ");
    for (fed = 0; fed < 100000; fed += 10)
        shard_say(&shard, &client, "junk  junk");
    ck_assert_uint_le(client.in.size, 4);
    shard_say(&shard, &client, "\r\n");
    CK_OUT(&client, "PONG\r\n");
    shard_leave(&shard, &client);
    shard_deinit(&shard);
}
END_TEST

START_TEST(the_largest_payload_passes_in_pieces_and_its_memory_is_given_back)
{
    static uint8_t piece[16384];
    struct client client;
    struct shard shard;

    shard_init(&shard);
    shard_join(&shard, &client);
    shard_say(&shard, &client, QUIET "SUB a 1\r\nPUB a 1048576\r\n");
    memset(piece, 'x', sizeof(piece));
    for (size_t fed = 0; fed < 1048576; fed += sizeof(piece))
        shard_feed(&shard, &client, bytes_of(piece, sizeof(piece)));
    ck_assert_uint_eq(client.out.size, 0);
    shard_say(&shard, &client, "\r\n");
    ck_assert_uint_eq(client.out.size, strlen("MSG a 1 1048576\r\n") + 1048576 + 2);
    ck_assert_ptr_null(client.in.at);
    shard_leave(&shard, &client);
    shard_deinit(&shard);
}
END_TEST

START_TEST(who_does_not_read_is_given_up_alone_and_told_nothing)
{
    struct client publisher, slow, good;
    struct shard shard;
    size_t before;

    shard_init(&shard);
    shard.clients.pending_most = 1000;
    shard_join(&shard, &publisher);
    shard_join(&shard, &slow);
    shard_join(&shard, &good);
    shard_say(&shard, &publisher, QUIET);
    shard_say(&shard, &slow, QUIET "SUB a 1\r\n");
    shard_say(&shard, &good, QUIET "SUB a 1\r\n");
    for (int i = 0; i < 100; i++) {
        before = slow.out.size;
        shard_say(&shard, &publisher, "PUB a 20\r\n01234567890123456789\r\n");
        shard_forget(&good);
    }
    ck_assert_int_eq(slow.state, CLIENT_DOOMED);
    ck_assert_str_eq(slow.reason, "Slow Consumer (Pending Bytes)");
    ck_assert_uint_eq(slow.out.size, before);
    ck_assert_uint_le(slow.out.size, 1000);
    ck_assert_uint_eq(shard.clients.stats.slow_consumers, 1);
    ck_assert_int_eq(good.state, CLIENT_OPEN);
    ck_assert_int_eq(publisher.state, CLIENT_OPEN);
    shard_leave(&shard, &publisher);
    shard_leave(&shard, &slow);
    shard_leave(&shard, &good);
    shard_deinit(&shard);
}
END_TEST

START_TEST(bytes_in_flight_count_as_waiting)
{
    struct client client;
    struct shard shard;

    shard_init(&shard);
    shard.clients.pending_most = 1000;
    shard_join(&shard, &client);
    client.flight = 997;
    shard_say(&shard, &client, "PING\r\n");
    ck_assert_int_eq(client.state, CLIENT_DOOMED);
    shard_leave(&shard, &client);
    shard_deinit(&shard);
}
END_TEST

START_TEST(a_buffer_that_grows_much_takes_the_largest_spare_with_what_it_holds)
{
    struct clients clients = {0};
    struct buf buf, spare;

    for (size_t i = 0; i < 3; i++) {
        buf_init(&spare, SIZE_MAX / 2);
        (void)buf_reserve(&spare, (size_t)(i == 1 ? 1u << 20 : 1000));
        clients_spare_give(&clients, &spare);
    }
    buf_init(&buf, SIZE_MAX / 2);
    ck_assert(BUF_ADD(&buf, "what it holds"));
    clients_spare_widen(&clients, &buf, 1000); /* little */
    ck_assert_uint_lt(buf.capacity, 1000);
    clients_spare_widen(&clients, &buf, 2u << 20); /* more than any has */
    ck_assert_uint_lt(buf.capacity, 1000);
    clients_spare_widen(&clients, &buf, 100000);
    ck_assert_uint_eq(buf.capacity, 1u << 20);
    ck_assert(bytes_equal(buf_bytes(&buf), BYTES("what it holds")));
    ck_assert_uint_eq(clients.spares_count, 3); /* its own for that one */
    clients_spare_give(&clients, &buf);
    ck_assert_uint_eq(clients.spares_count, 4);
    clients_spare_widen(&clients, &buf, 100000); /* holds nothing, has nothing to give */
    ck_assert_uint_eq(buf.capacity, 1u << 20);
    ck_assert_uint_eq(clients.spares_count, 3);
    buf_deinit(&buf);
    while (clients.spares_count > 0) {
        clients.spares_size -= clients.spares[clients.spares_count - 1].capacity;
        buf_deinit(&clients.spares[--clients.spares_count]);
    }
    ck_assert_uint_eq(clients.spares_size, 0);
}
END_TEST

START_TEST(a_receiver_that_is_behind_stalls_its_producer_and_shows_as_congestion)
{
    struct client publisher, slow;
    struct shard shard;

    shard_init(&shard);
    shard_join(&shard, &publisher);
    shard_join(&shard, &slow);
    shard_say(&shard, &publisher, QUIET);
    shard_say(&shard, &slow, "SUB a 1\r\n");
    slow.flight = shard.clients.pending_much;
    shard_say(&shard, &publisher, "PUB a 1\r\nx\r\n");
    ck_assert(router_congested(shard.clients.router));
    ck_assert(!publisher.stalled);
    router_congestion_reset(shard.clients.router);
    ck_assert(!router_congested(shard.clients.router));
    slow.flight = shard.clients.pending_stall;
    shard_say(&shard, &publisher, "PUB a 1\r\nx\r\n");
    ck_assert(publisher.stalled);
    shard_say(&shard, &slow, "PUB a 1\r\nx\r\n");
    ck_assert(slow.stalled); /* its own are no others */
    shard_leave(&shard, &publisher);
    shard_leave(&shard, &slow);
    shard_deinit(&shard);
}
END_TEST

START_TEST(an_inbox_is_behind_when_all_who_listen_are_and_the_first_to_catch_up_is_noticed)
{
    struct client slow, other;
    struct shard shard;
    struct router *router;
    struct account *account;
    uint64_t before;

    shard_init(&shard);
    router = shard.clients.router;
    account = router_account_default(router);
    shard_join(&shard, &slow);
    shard_join(&shard, &other);
    shard_say(&shard, &slow, QUIET "SUB in.* 1\r\n");
    slow.flight = shard.clients.pending_much + 1;
    before = router_caught_up(router);
    client_sent(&slow);
    ck_assert_uint_eq(router_caught_up(router), before); /* nobody has asked for it */
    ck_assert_int_eq(router_interest_ready(router, account, BYTES("out")), ROUTER_NOBODY);
    ck_assert_int_eq(router_interest_ready(router, account, BYTES("in.1")), ROUTER_BEHIND);
    shard_say(&shard, &other, QUIET "SUB in.1 1\r\n");
    ck_assert_int_eq(router_interest_ready(router, account, BYTES("in.1")), ROUTER_READY);
    client_sent(&slow);
    ck_assert_uint_eq(router_caught_up(router), before); /* it is as it was */
    slow.flight = shard.clients.pending_much / 2;
    client_sent(&slow);
    client_sent(&slow);
    ck_assert_uint_eq(router_caught_up(router), before + 1);
    ck_assert_int_eq(router_interest_ready(router, account, BYTES("in.2")), ROUTER_READY);
    slow.flight = shard.clients.pending_much + 1;
    ck_assert_int_eq(router_interest_ready(router, account, BYTES("in.2")), ROUTER_BEHIND);
    shard_leave(&shard, &slow);
    ck_assert_uint_eq(router_caught_up(router), before + 2);
    shard_leave(&shard, &other);
    shard_deinit(&shard);
}
END_TEST

START_TEST(what_is_delivered_to_a_group_passes_over_members_that_are_behind)
{
    const struct message delivered = {
        .subject = BYTES("s"), .route = BYTES("to"), .payload = BYTES("x")};
    const struct message published = {.subject = BYTES("to"), .payload = BYTES("x")};
    struct client slow, good;
    struct shard shard;
    struct router *router;
    struct account *account;

    shard_init(&shard);
    router = shard.clients.router;
    account = router_account_default(router);
    shard_join(&shard, &slow);
    shard_join(&shard, &good);
    shard_say(&shard, &slow, QUIET "SUB to g 1\r\n");
    shard_say(&shard, &good, QUIET "SUB to g 1\r\n");
    slow.flight = shard.clients.pending_much + 1;
    ck_assert(router_groups_ready(router, account, BYTES("to")));
    for (unsigned i = 0; i < 50; i++)
        ck_assert_uint_eq(router_publish(router, account, &delivered), 1);
    ck_assert_uint_eq(good.sent.messages, 50);
    good.flight = shard.clients.pending_much + 1;
    ck_assert(!router_groups_ready(router, account, BYTES("to")));
    ck_assert_uint_eq(router_publish(router, account, &delivered), 1); /* to one all the same */
    good.flight = 0;
    for (unsigned i = 0; i < 50; i++)
        ck_assert_uint_eq(router_publish(router, account, &published), 1);
    ck_assert_uint_gt(slow.sent.messages, 1); /* which is for any member */
    ck_assert(!router_congested_badly(router));
    shard_leave(&shard, &slow);
    shard_leave(&shard, &good);
    shard_deinit(&shard);
}
END_TEST

START_TEST(where_no_producer_waits_who_is_far_behind_does_without)
{
    const struct message served = {.subject = BYTES("a"), .payload = BYTES("server")};
    struct client publisher, slow, other;
    struct shard shard;

    shard_init(&shard);
    shard.options.no_fast_producer_stall = true;
    shard_join(&shard, &publisher);
    shard_join(&shard, &slow);
    shard_join(&shard, &other);
    shard_say(&shard, &publisher, QUIET);
    shard_say(&shard, &slow, QUIET "SUB a 1\r\n");
    shard_say(&shard, &other, QUIET "SUB a 1\r\n");
    shard_forget(&slow);
    shard_forget(&other);
    slow.flight = shard.clients.pending_stall;
    shard_say(&shard, &publisher, "PUB a 1\r\nx\r\n"); /* it is not above it yet */
    shard_say(&shard, &publisher, "PUB a 1\r\ny\r\n");
    shard_say(&shard, &slow, "PUB a 1\r\nz\r\n");
    (void)router_publish(shard.clients.router, shard.clients.account, &served);
    CK_OUT(&slow, "MSG a 1 1\r\nx\r\nMSG a 1 6\r\nserver\r\n");
    CK_OUT(&other, "MSG a 1 1\r\nx\r\nMSG a 1 1\r\ny\r\nMSG a 1 1\r\nz\r\n"
                   "MSG a 1 6\r\nserver\r\n");
    ck_assert(!publisher.stalled && !slow.stalled);
    ck_assert(router_congested(shard.clients.router));
    slow.flight = 0;
    shard_say(&shard, &publisher, "PUB a 1\r\nx\r\n");
    CK_OUT(&slow, "MSG a 1 1\r\nx\r\n");
    shard_leave(&shard, &publisher);
    shard_leave(&shard, &slow);
    shard_leave(&shard, &other);
    shard_deinit(&shard);
}
END_TEST

/* ---- what differs by client ----------------------------------------------------------------- */

START_TEST(who_cannot_read_headers_gets_the_message_without)
{
    struct client publisher, plain;
    struct shard shard;

    shard_init(&shard);
    shard_join(&shard, &publisher);
    shard_join(&shard, &plain);
    shard_say(&shard, &publisher, HEADED);
    shard_say(&shard, &plain, QUIET "SUB a 1\r\n");
    shard_say(&shard, &publisher, "HPUB a 12 14\r\nNATS/1.0\r\n\r\nhi\r\n");
    CK_OUT(&plain, "MSG a 1 2\r\nhi\r\n");
    shard_leave(&shard, &publisher);
    shard_leave(&shard, &plain);
    shard_deinit(&shard);
}
END_TEST

#define MANY 3000u

/* Counted, and by name, in no group and in one, literal and not. */
static void subscribe_many(struct shard *shard, struct client *client)
{
    char line[64];

    shard_say(shard, client, QUIET);
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(line, sizeof line, "SUB a.%u%s %s%s%u\r\n", i, i % 5 == 0 ? ".*" : "",
                 i % 3 == 0 ? "q " : "", i % 4 == 0 ? "s" : "", i);
        shard_say(shard, client, line);
    }
}

START_TEST(who_has_ended_leaves_in_parts_and_gets_nothing_meanwhile)
{
    struct client gone, stays;
    struct shard shard;
    uint32_t most, left = MANY;

    shard_init(&shard);
    shard_join(&shard, &gone);
    shard_join(&shard, &stays);
    subscribe_many(&shard, &gone);
    shard_say(&shard, &stays, QUIET "SUB a.> q 1\r\n");
    ck_assert_uint_eq(stays.account->subs.count, MANY + 1);
    client_doom(&gone, "gone");

    for (unsigned round = 0; left > 0; round++) {
        ck_assert_uint_lt(round, MANY / 300 + 10);
        most = 300;
        ck_assert(client_leave_part(&gone, &most) == (gone.subs.count == 0));
        ck_assert_uint_le(left - gone.subs.count, 300);
        left = gone.subs.count;
        ck_assert_uint_eq(stays.account->subs.count, left + 1);
        shard_say(&shard, &stays, "PUB a.2997 1\r\nx\r\nPUB a.3.z 1\r\ny\r\n");
        CK_OUT(&stays, "MSG a.2997 1 1\r\nx\r\nMSG a.3.z 1 1\r\ny\r\n");
        ck_assert_uint_eq(gone.out.size, 0);
        left = gone.subs.count; /* less what these came upon */
    }
    shard_leave(&shard, &gone);
    shard_leave(&shard, &stays);
    shard_deinit(&shard);
}
END_TEST

/* Else each message for a group of which one member is left walks past all that were. */
START_TEST(what_a_publish_comes_upon_of_one_that_leaves_goes_behind_it)
{
    struct client gone, stays;
    struct shard shard;
    uint32_t most = 1, left;
    char line[64];

    shard_init(&shard);
    shard_join(&shard, &gone);
    shard_join(&shard, &stays);
    shard_say(&shard, &gone, QUIET);
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(line, sizeof line, "SUB work %s%u\r\n", i % 2 == 0 ? "crew " : "", i);
        shard_say(&shard, &gone, line);
    }
    shard_say(&shard, &stays, QUIET "SUB work crew 1\r\n");
    client_doom(&gone, "gone");
    shard_say(&shard, &stays, "PUB work 1\r\nx\r\n");
    ck_assert_uint_eq(gone.subs.count, MANY); /* it still has all that is told of it */
    ck_assert(!client_leave_part(&gone, &most));

    for (unsigned i = 0; (left = gone.subs.count) > 0; i++) {
        ck_assert_uint_lt(i, 100);
        shard_forget(&stays);
        shard_say(&shard, &stays, "PUB work 1\r\nx\r\n");
        CK_OUT(&stays, "MSG work 1 1\r\nx\r\n");
        ck_assert_uint_le(left - gone.subs.count, 1024);
        ck_assert_uint_eq(stays.account->subs.count, gone.subs.count + 1);
    }
    ck_assert(client_leave_part(&gone, &most));
    shard_leave(&shard, &gone);
    shard_leave(&shard, &stays);
    shard_deinit(&shard);
}
END_TEST

static bool out_has(const struct client *client, const char *text)
{
    return client->out.size > 0 &&
           memmem(client->out.at, client->out.size, text, strlen(text)) != NULL;
}

START_TEST(info_greets_and_answers_the_first_ping_after_connect_of_a_protocol_1_client)
{
    struct client client;
    struct shard shard;

    shard_init(&shard);
    client_init(&client, &shard.clients, "10.1.2.3", 5000, NULL, shard.now_ns);
    client_greet(&client);
    ck_assert(out_has(&client, "INFO {"));
    ck_assert(out_has(&client, "\"client_ip\":\"10.1.2.3\""));
    ck_assert(out_has(&client, "\"version\":\"" NATS_VERSION "\""));
    ck_assert(out_has(&client, "\"server_id\":\"N"));
    ck_assert(out_has(&client, "} \r\n"));
    ck_assert(!out_has(&client, "connect_info"));
    shard_forget(&client);

    shard_say(&shard, &client, "PING\r\n");
    CK_OUT(&client, "PONG\r\n");
    shard_say(&shard, &client, "CONNECT {\"verbose\":false,\"protocol\":1}\r\nPING\r\n");
    ck_assert(bytes_starts(buf_bytes(&client.out), BYTES("PONG\r\nINFO {")));
    ck_assert(out_has(&client, "\"connect_info\":true"));
    ck_assert(out_has(&client, "\"remote_account\":\"$G\""));
    shard_forget(&client);
    shard_say(&shard, &client, "PING\r\n");
    CK_OUT(&client, "PONG\r\n");
    shard_leave(&shard, &client);
    shard_deinit(&shard);
}
END_TEST

/* ---- liveness ------------------------------------------------------------------------------- */

static void pass(struct shard *shard, struct client *client)
{
    shard->now_ns = client->ping_due_ns;
    client_ping(client, shard->now_ns);
}

START_TEST(the_first_ping_follows_connect_by_two_seconds_and_traffic_spares_the_next)
{
    struct client client;
    struct shard shard;
    int64_t begin;

    shard_init(&shard);
    shard_join(&shard, &client);
    begin = shard.now_ns;
    ck_assert_int_eq(client.ping_due_ns, begin + 120 * SECOND);
    shard_say(&shard, &client, QUIET);
    ck_assert_int_ge(client.ping_due_ns, begin + 2 * SECOND);
    ck_assert_int_le(client.ping_due_ns, begin + 2 * SECOND + SECOND * 4 / 10);

    pass(&shard, &client);
    CK_OUT(&client, "PING\r\n");
    shard_say(&shard, &client, "PONG\r\n");
    shard.now_ns += 60 * SECOND;
    shard_say(&shard, &client, "SUB a 1\r\n");
    pass(&shard, &client);
    CK_OUT(&client, "");
    pass(&shard, &client);
    CK_OUT(&client, "PING\r\n");
    shard_leave(&shard, &client);
    shard_deinit(&shard);
}
END_TEST

START_TEST(unanswered_pings_end_the_connection_and_any_pong_forgives_them)
{
    struct client client;
    struct shard shard;

    shard_init(&shard);
    shard_join(&shard, &client);
    for (int again = 0; again < 2; again++) {
        pass(&shard, &client);
        pass(&shard, &client);
        CK_OUT(&client, "PING\r\nPING\r\n");
        ck_assert_int_eq(client.state, CLIENT_OPEN);
        if (again == 0)
            shard_say(&shard, &client, "PONG\r\n");
        if (again == 0)
            shard.now_ns += 3600 * SECOND; /* the round trip is to be measured again */
    }
    client.stalled = true; /* we do not hear what it may have answered */
    pass(&shard, &client);
    ck_assert_int_eq(client.state, CLIENT_OPEN);
    client.stalled = false;
    pass(&shard, &client);
    CK_OUT(&client, "-ERR 'Stale Connection'\r\n");
    ck_assert_int_eq(client.state, CLIENT_ENDING);
    shard_leave(&shard, &client);
    shard_deinit(&shard);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        transcripts_come_out_byte_for_byte_wherever_the_input_is_cut,
        any_input_gives_the_same_output_however_it_is_cut,
        a_control_line_is_bounded_before_it_ends,
        the_largest_payload_passes_in_pieces_and_its_memory_is_given_back,
        who_does_not_read_is_given_up_alone_and_told_nothing,
        bytes_in_flight_count_as_waiting,
        a_receiver_that_is_behind_stalls_its_producer_and_shows_as_congestion,
        an_inbox_is_behind_when_all_who_listen_are_and_the_first_to_catch_up_is_noticed,
        what_is_delivered_to_a_group_passes_over_members_that_are_behind,
        where_no_producer_waits_who_is_far_behind_does_without,
        a_buffer_that_grows_much_takes_the_largest_spare_with_what_it_holds,
        who_has_ended_leaves_in_parts_and_gets_nothing_meanwhile,
        what_a_publish_comes_upon_of_one_that_leaves_goes_behind_it,
        who_cannot_read_headers_gets_the_message_without,
        info_greets_and_answers_the_first_ping_after_connect_of_a_protocol_1_client,
        the_first_ping_follows_connect_by_two_seconds_and_traffic_spares_the_next,
        unanswered_pings_end_the_connection_and_any_pong_forgives_them,
    };

    return UNIT_RUN_PLAIN("client", tests);
}
