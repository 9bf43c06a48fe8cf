/*
 * Scenes: a whole server on a simulated node, a client, and a crash or a disk that refuses at each
 * place in turn. What tests/sim/sim_server finds by chance and must never come back, and the rows
 * of the list of interleavings (docs/testing.md) that need a whole server.
 */
#include <stdio.h>

#include "base/io_sim.h"
#include "server/server.h"
#include "tests/quiet.h"
#include "tests/sim/client.c" /* a unit test links archives only */
#include "tests/sim/leaks.h"
#include "tests/unit/unit.h"

#define PORT        4222
#define MILLISECOND INT64_C(1000000)
#define HEARD_MAX   128

struct heard {
    char subject[64], reply[128], text[2000];
};

struct scene {
    struct sim *sim;
    size_t node, clients;
    struct server *server;
    struct options options;
    struct logger logger;
    struct sim_client client;
    struct heard heard[HEARD_MAX];
    size_t heard_count;
};

static struct scene s;

static void copy(char *out, size_t size, struct bytes b)
{
    size_t count = b.size < size - 1 ? b.size : size - 1;

    if (count > 0)
        memcpy(out, b.at, count);
    out[count] = 0;
}

static void on_message(void *context, const struct client_message *message)
{
    struct heard *heard = &s.heard[s.heard_count];

    (void)context;
    ck_assert_uint_lt(s.heard_count, HEARD_MAX);
    s.heard_count++;
    copy(heard->subject, sizeof heard->subject, message->subject);
    copy(heard->reply, sizeof heard->reply, message->reply);
    copy(heard->text, sizeof heard->text, message->payload);
}

static void run_ms(int64_t ms)
{
    sim_run(s.sim, ms * MILLISECOND);
}

static void connect_client(void)
{
    while (s.client.sock != NULL) {
        sim_client_drop(&s.client);
        run_ms(1);
    }
    sim_client_connect(&s.client, s.node, PORT, "_R.>");
    run_ms(20);
}

static void start_server(void)
{
    ck_assert_int_eq(server_start(sim_node_io(s.sim, s.node), &s.options, &s.logger, &s.server),
                     OK);
}

static void begin(uint64_t seed)
{
    s = (struct scene){.sim = sim_create(seed)};
    s.node = sim_node_add(s.sim);
    s.clients = sim_node_add(s.sim);
    options_default(&s.options);
    snprintf(s.options.host, sizeof s.options.host, "127.0.0.1");
    s.options.port = PORT;
    s.options.jetstream = true;
    quiet_init(&s.logger);
    sim_client_init(&s.client, s.sim, sim_node_io(s.sim, s.clients), on_message, NULL);
    start_server();
    connect_client();
}

static void end(void)
{
    server_destroy(s.server);
    sim_destroy(s.sim);
    sim_client_deinit(&s.client);
}

static void crash(enum sim_crash_mode mode)
{
    if (!sim_crashed(s.sim, s.node))
        sim_crash(s.sim, s.node, mode);
    server_destroy(s.server);
    sim_restart(s.sim, s.node);
    start_server();
    connect_client();
}

static void say(const char *subject, const char *reply, const char *body)
{
    sim_client_publish(&s.client, subject, reply, "", bytes_of_text(body));
}

/* The last that came to `subject`, or NULL. */
static const struct heard *find(const char *subject)
{
    for (size_t i = s.heard_count; i-- > 0;) {
        if (strcmp(s.heard[i].subject, subject) == 0)
            return &s.heard[i];
    }
    return NULL;
}

static const char *ask(const char *subject, const char *body)
{
    static unsigned number;
    char reply[32];

    snprintf(reply, sizeof reply, "_R.q%u", ++number);
    say(subject, reply, body);
    for (int i = 0; i < 15000 && find(reply) == NULL;
         i++) /* a disk that fails is tried each second */
        run_ms(1);
    ck_assert_msg(find(reply) != NULL, "%s is not answered", subject);
    return find(reply)->text;
}

static void make_stream(void)
{
    ck_assert_ptr_nonnull(strstr(
        ask("$JS.API.STREAM.CREATE.S", "{\"name\":\"S\",\"subjects\":[\"s.*\"]}"), "\"created\""));
}

static void publish(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        char subject[16];

        snprintf(subject, sizeof subject, "s.%u", i % 3);
        say(subject, "", "x");
    }
}

/* $JS.ACK.S.C.<delivered>.<stream>.<consumer>.<time>.<pending> */
struct delivery {
    unsigned long long count, sequence;
};

static bool read_delivery(const struct heard *heard, struct delivery *delivery)
{
    return sscanf(heard->reply, "$JS.ACK.S.C.%llu.%llu.", &delivery->count, &delivery->sequence) ==
           2;
}

/* ---- F7 ------------------------------------------------------------------------------------- */

/* The consumer's crash strikes at the `operation`th disk operation from the pull on. */
static unsigned pull_and_crash(uint64_t operation, enum sim_crash_mode mode)
{
    unsigned long long before[8] = {0};
    unsigned seen = 0;
    struct delivery delivery;

    begin(operation);
    make_stream();
    (void)ask(
        "$JS.API.CONSUMER.CREATE.S.C",
        "{\"stream_name\":\"S\",\"config\":{\"durable_name\":\"C\",\"ack_policy\":\"explicit\","
        "\"ack_wait\":1000000000}}");
    publish(5);
    run_ms(50);
    sim_crash_after(s.sim, s.node, mode, operation);
    say("$JS.API.CONSUMER.MSG.NEXT.S.C", "_R.m", "{\"batch\":5,\"expires\":500000000}");
    publish(2);
    for (int i = 0; i < 100 && !sim_crashed(s.sim, s.node); i++)
        run_ms(1);
    run_ms(20); /* what has left arrives */
    for (size_t i = 0; i < s.heard_count; i++) {
        if (read_delivery(&s.heard[i], &delivery))
            before[delivery.sequence] = delivery.count;
    }
    crash(mode);
    s.heard_count = 0;
    run_ms(1500);
    say("$JS.API.CONSUMER.MSG.NEXT.S.C", "_R.m", "{\"batch\":20,\"expires\":500000000}");
    run_ms(600);
    for (size_t i = 0; i < s.heard_count; i++) {
        if (!read_delivery(&s.heard[i], &delivery))
            continue;
        ck_assert_msg(delivery.count > before[delivery.sequence],
                      "sequence %llu was delivered as %llu and again as %llu", delivery.sequence,
                      before[delivery.sequence], delivery.count);
        seen += before[delivery.sequence] > 0;
    }
    end();
    return seen;
}

START_TEST(no_delivery_leaves_before_its_record_is_on_disk)
{
    unsigned seen = 0;

    for (uint64_t operation = 1; operation <= 12; operation++) {
        seen += pull_and_crash(operation, SIM_CRASH_POWER);
        seen += pull_and_crash(operation, SIM_CRASH_KILL);
    }
    ck_assert_uint_gt(seen, 10); /* that it says something */
}
END_TEST

/* ---- slow disks ---- */

/* Found by sim_server: the redelivery waited for its bytes while the ack was written and confirmed.
 */
START_TEST(what_waits_for_the_disk_does_not_leave_after_its_ack_was_confirmed)
{
    struct sim_faults slow = sim_faults_none();
    unsigned confirmed = 0;

    slow.read_now_again = 1000000;
    slow.disk_min_ns = 20 * MILLISECOND;
    slow.disk_max_ns = 400 * MILLISECOND;
    for (uint64_t seed = 1; seed <= 80; seed++) {
        char reply[128] = "";
        bool settled = false;
        struct delivery delivery;

        begin(seed);
        make_stream();
        (void)ask("$JS.API.CONSUMER.CREATE.S.C",
                  "{\"stream_name\":\"S\",\"config\":{\"durable_name\":\"C\",\"ack_policy\":"
                  "\"explicit\",\"ack_wait\":1000000000,\"deliver_subject\":\"_R.d\"}}");
        publish(1);
        for (int i = 0; i < 1000 && reply[0] == 0; i++) {
            run_ms(1);
            if (s.heard_count > 0 && read_delivery(&s.heard[s.heard_count - 1], &delivery))
                snprintf(reply, sizeof reply, "%s", s.heard[s.heard_count - 1].reply);
        }
        ck_assert_str_ne(reply, "");
        sim_set_faults(s.sim, s.node, &slow);
        run_ms(990 + (int64_t)seed * 5);
        say(reply, "_R.a", "+ACK");
        run_ms(3000);
        for (size_t i = 0; i < s.heard_count; i++) {
            settled = settled || strcmp(s.heard[i].subject, "_R.a") == 0;
            ck_assert(!settled || !read_delivery(&s.heard[i], &delivery));
        }
        confirmed += settled;
        end();
    }
    ck_assert_uint_gt(confirmed, 70);
}
END_TEST

/* ---- F12 ------------------------------------------------------------------------------------ */

#define STORED 24u

/* Everything that the consumer delivers, in order. */
static unsigned consume(unsigned long long sequences[static STORED])
{
    unsigned count = 0;
    struct delivery delivery;

    s.heard_count = 0;
    say("$JS.API.CONSUMER.MSG.NEXT.S.C", "_R.m", "{\"batch\":50,\"expires\":300000000}");
    run_ms(400);
    for (size_t i = 0; i < s.heard_count; i++) {
        if (!read_delivery(&s.heard[i], &delivery))
            continue;
        ck_assert_uint_lt(count, STORED);
        sequences[count++] = delivery.sequence;
    }
    return count;
}

/* Subjects go round s.0, s.1, s.2: is this the snapshot at `last`, and then everything? */
static bool is_last_per_subject(const unsigned long long *sequences, unsigned count,
                                unsigned long long last, unsigned long long stored)
{
    unsigned at = 0;

    for (unsigned long long sequence = last > 3 ? last - 2 : 1; sequence <= stored; sequence++) {
        if (at == count || sequences[at++] != sequence)
            return false;
    }
    return at == count;
}

/* A consumer is made with publishes in flight before and behind it; the crash strikes somewhere. */
static void start_and_crash(uint64_t operation, const char *policy, bool snapshot)
{
    char body[300];
    unsigned long long sequences[STORED], stored, last;
    unsigned count;
    const char *state;
    bool fits = false;

    begin(operation);
    make_stream();
    snprintf(
        body, sizeof body,
        "{\"stream_name\":\"S\",\"config\":{\"durable_name\":\"C\",\"ack_policy\":\"explicit\","
        "\"deliver_policy\":\"%s\"%s}}",
        policy, snapshot ? ",\"filter_subject\":\"s.*\"" : "");
    publish(6);
    run_ms(50);
    sim_crash_after(s.sim, s.node, SIM_CRASH_POWER, operation);
    publish(6);
    say("$JS.API.CONSUMER.CREATE.S.C", "_R.c", body);
    publish(6);
    for (int i = 0; i < 60 && !sim_crashed(s.sim, s.node); i++)
        run_ms(1);
    crash(SIM_CRASH_POWER);
    (void)ask("$JS.API.CONSUMER.CREATE.S.C", body); /* the same again, or for the first time */
    count = consume(sequences);
    state = strstr(ask("$JS.API.STREAM.INFO.S", ""), "\"last_seq\":");
    stored = state != NULL ? strtoull(state + 11, NULL, 10) : 18;
    for (last = 6; last <= stored && !fits; last++) {
        fits = snapshot ? is_last_per_subject(sequences, count, last, stored)
                        : count == stored - last && (count == 0 || sequences[0] == last + 1);
    }
    ck_assert_msg(fits, "%s: crash at %llu: %u deliveries from %llu on, of %llu", policy,
                  (unsigned long long)operation, count, count > 0 ? sequences[0] : 0, stored);
    for (unsigned i = 1; i < count; i++)
        ck_assert_uint_eq(sequences[i], sequences[i - 1] + 1);
    end();
}

START_TEST(a_consumer_starts_at_one_place_in_the_log_whatever_is_in_flight)
{
    for (uint64_t operation = 1; operation <= 16; operation++) {
        start_and_crash(operation, "new", false);
        start_and_crash(operation, "last_per_subject", true);
    }
}
END_TEST

/* ---- a disk that refuses -------------------------------------------------------------------- */

static void refuse_writes(uint32_t of_million)
{
    struct sim_faults faults = sim_faults_none();

    faults.write_error = faults.sync_error = of_million;
    sim_set_faults(s.sim, s.node, &faults);
}

/* Found by sim_server: the retry made a second stream of that name, and no later start succeeded.
 */
START_TEST(a_stream_that_the_disk_refused_to_make_can_be_made_again_and_is_there_once)
{
    unsigned refused = 0;

    for (uint64_t seed = 1; seed <= 60; seed++) {
        const char *answer;

        begin(seed);
        refuse_writes(250000);
        answer = ask("$JS.API.STREAM.CREATE.S", "{\"name\":\"S\",\"subjects\":[\"s.*\"]}");
        refused += strstr(answer, "10049") != NULL;
        sim_heal(s.sim, s.node);
        answer = ask("$JS.API.STREAM.CREATE.S", "{\"name\":\"S\",\"subjects\":[\"s.*\"]}");
        if (strstr(answer, "10194") != NULL ||
            strstr(answer, "10008") != NULL) { /* half made: a start ends it */
            crash(SIM_CRASH_KILL);
            answer = ask("$JS.API.STREAM.CREATE.S", "{\"name\":\"S\",\"subjects\":[\"s.*\"]}");
        }
        ck_assert_msg(strstr(answer, "\"created\"") != NULL, "seed %llu: %s",
                      (unsigned long long)seed, answer);
        crash(SIM_CRASH_KILL);
        ck_assert_ptr_nonnull(strstr(ask("$JS.API.STREAM.NAMES", ""), "\"total\":1"));
        ck_assert_ptr_nonnull(strstr(ask("$JS.API.STREAM.INFO.S", ""), "\"created\""));
        end();
    }
    ck_assert_uint_gt(refused, 10);
}
END_TEST

/* Found by sim_server: clients take any answer to an ack for its confirmation. */
START_TEST(an_ack_that_the_disk_refused_is_not_answered)
{
    unsigned silent = 0;

    for (uint64_t seed = 1; seed <= 20; seed++) {
        char reply[128] = "";
        struct delivery delivery;

        begin(seed);
        make_stream();
        (void)ask("$JS.API.CONSUMER.CREATE.S.C", "{\"stream_name\":\"S\",\"config\":{\"durable_"
                                                 "name\":\"C\",\"ack_policy\":\"explicit\"}}");
        publish(1);
        say("$JS.API.CONSUMER.MSG.NEXT.S.C", "_R.m", "{\"batch\":1,\"expires\":500000000}");
        run_ms(100);
        for (size_t i = 0; i < s.heard_count; i++) {
            if (read_delivery(&s.heard[i], &delivery))
                snprintf(reply, sizeof reply, "%s", s.heard[i].reply);
        }
        ck_assert_str_ne(reply, "");
        refuse_writes(1000000);
        say(reply, "_R.a", "+ACK");
        run_ms(200);
        ck_assert_ptr_null(find("_R.a"));
        sim_heal(s.sim, s.node);
        say(reply, "_R.b", "+ACK");
        run_ms(200);
        silent += find("_R.b") != NULL && find("_R.b")->text[0] == 0;
        end();
    }
    ck_assert_uint_eq(silent, 20); /* and asked again it is confirmed */
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        no_delivery_leaves_before_its_record_is_on_disk,
        what_waits_for_the_disk_does_not_leave_after_its_ack_was_confirmed,
        a_consumer_starts_at_one_place_in_the_log_whatever_is_in_flight,
        a_stream_that_the_disk_refused_to_make_can_be_made_again_and_is_there_once,
        an_ack_that_the_disk_refused_is_not_answered,
    };

    return UNIT_RUN_PLAIN("scenes", tests);
}
