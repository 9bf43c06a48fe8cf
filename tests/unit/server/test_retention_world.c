/*
 * A whole server on a simulated node, random work on an interest or work-queue stream, crashes, and
 * a model that says which messages the stream holds: nothing acknowledged comes again, nothing goes
 * before its last need, nothing is left over.
 */
#include <stdio.h>
#include <sys/wait.h>

#include "base/io_sim.h"
#include "server/server.h"
#include "server/stream/flaws.h"
#include "tests/quiet.h"
#include "tests/sim/client.c" /* a unit test links archives only */
#include "tests/unit/unit.h"

#define PORT         4222
#define MESSAGES_MAX 64
#define STEPS        90

struct held {
    int subject;
    bool there;
    bool owed[2];      /* by A, by B */
    char reply[2][96]; /* of their last delivery */
};

struct world {
    struct sim *sim;
    size_t node, clients;
    struct server *server;
    struct options options;
    struct logger logger;
    struct sim_client client;
    struct prng prng;
    bool queue;
    bool consumers[2];
    struct held held[MESSAGES_MAX + 1];
    unsigned last;
    char wanted[32], text[4000]; /* the answer that is waited for */
    bool answered;
    int puller; /* whose deliveries come */
};

static struct world w;

static void check(bool good, const char *what, unsigned sequence)
{
    if (good)
        return;
    fprintf(stderr, "sequence %u: %s\n", sequence, what);
    abort();
}

/* A takes all, or on a work queue what is s.0; B takes s.1. */
static bool takes(int consumer, int subject)
{
    return consumer == 1 ? subject == 1 : !w.queue || subject == 0;
}

static void delivered(const struct client_message *message)
{
    char reply[96] = {0};
    unsigned long long count, sequence;
    char name;

    if (message->reply.size == 0 || message->reply.size >= sizeof reply)
        return;
    memcpy(reply, message->reply.at, message->reply.size);
    if (sscanf(reply, "$JS.ACK.S.%c.%llu.%llu.", &name, &count, &sequence) != 3)
        return;
    check(sequence <= w.last, "delivered before it was stored", (unsigned)sequence);
    check(w.held[sequence].owed[w.puller], "delivered after its ack", (unsigned)sequence);
    memcpy(w.held[sequence].reply[w.puller], reply, sizeof reply);
}

static void on_message(void *context, const struct client_message *message)
{
    size_t size =
        message->payload.size < sizeof w.text - 1 ? message->payload.size : sizeof w.text - 1;

    (void)context;
    if (bytes_equal(message->subject, bytes_of_text(w.wanted))) {
        memcpy(w.text, message->payload.at != NULL ? (const char *)message->payload.at : "", size);
        w.text[size] = 0;
        w.answered = true;
    } else {
        delivered(message);
    }
}

static void run_ms(int64_t ms)
{
    sim_run(w.sim, ms * 1000000);
}

static void start(void)
{
    enum err err = server_start(sim_node_io(w.sim, w.node), &w.options, &w.logger, &w.server);

    check(err == OK, "the server does not start", 0);
    while (w.client.sock != NULL) {
        sim_client_drop(&w.client);
        run_ms(1);
    }
    sim_client_connect(&w.client, w.node, PORT, "_R.>");
    run_ms(20);
}

static const char *ask(const char *subject, const char *body)
{
    static unsigned number;

    snprintf(w.wanted, sizeof w.wanted, "_R.q%u", ++number);
    w.answered = false;
    sim_client_publish(&w.client, subject, w.wanted, "", bytes_of_text(body));
    for (int i = 0; i < 5000 && !w.answered; i++)
        run_ms(1);
    check(w.answered, subject, 0);
    return w.text;
}

/* ---- the model ------------------------------------------------------------------------------- */

static void release(unsigned sequence)
{
    struct held *held = &w.held[sequence];

    if (!held->owed[0] && !held->owed[1])
        held->there = false;
}

static void publish(void)
{
    int subject = (int)prng_below(&w.prng, 3);
    char name[8], expected[32];
    struct held *held;

    if (w.last == MESSAGES_MAX)
        return;
    snprintf(name, sizeof name, "s.%d", subject);
    snprintf(expected, sizeof expected, "\"seq\":%u", ++w.last);
    check(strstr(ask(name, "x"), expected) != NULL, "is not the sequence of the ack", w.last);
    held = &w.held[w.last];
    held->subject = subject;
    held->there = true;
    for (int c = 0; c < 2; c++)
        held->owed[c] = w.consumers[c] && takes(c, subject);
    if (!w.queue)
        release(w.last);
}

static void create(int consumer)
{
    static const char *const filters[] = {"", ",\"filter_subject\":\"s.1\"",
                                          ",\"filter_subject\":\"s.0\""};
    char subject[64], body[300];

    if (w.consumers[consumer])
        return;
    snprintf(subject, sizeof subject, "$JS.API.CONSUMER.CREATE.S.%c", "AB"[consumer]);
    snprintf(body, sizeof body,
             "{\"stream_name\":\"S\",\"config\":{\"durable_name\":\"%c\",\"ack_policy\":"
             "\"explicit\",\"ack_wait\":1000000000000%s}}",
             "AB"[consumer],
             filters[consumer == 1 ? 1
                     : w.queue     ? 2
                                   : 0]);
    check(strstr(ask(subject, body), "\"error\"") == NULL, w.text, 0);
    w.consumers[consumer] = true;
    for (unsigned i = 1; i <= w.last; i++)
        w.held[i].owed[consumer] = w.held[i].there && takes(consumer, w.held[i].subject);
}

static void delete (int consumer)
{
    char subject[64];

    if (!w.consumers[consumer] || prng_chance(&w.prng, 2, 3))
        return;
    snprintf(subject, sizeof subject, "$JS.API.CONSUMER.DELETE.S.%c", "AB"[consumer]);
    (void)ask(subject, "");
    w.consumers[consumer] = false;
    for (unsigned i = 1; i <= w.last; i++) {
        bool owed = w.held[i].owed[consumer];

        w.held[i].owed[consumer] = false;
        w.held[i].reply[consumer][0] = 0;
        if (owed && !w.queue)
            release(i);
    }
}

static void pull(int consumer)
{
    char subject[64];

    if (!w.consumers[consumer])
        return;
    w.puller = consumer;
    w.wanted[0] = 0;
    snprintf(subject, sizeof subject, "$JS.API.CONSUMER.MSG.NEXT.S.%c", "AB"[consumer]);
    sim_client_publish(&w.client, subject, "_R.m", "", BYTES("{\"batch\":4,\"no_wait\":true}"));
    run_ms(60);
}

static void ack(int consumer)
{
    for (unsigned i = 1; i <= w.last; i++) {
        char reply[96];

        if (w.held[i].reply[consumer][0] == 0 || prng_chance(&w.prng, 1, 2))
            continue;
        memcpy(reply, w.held[i].reply[consumer], sizeof reply);
        (void)ask(reply, prng_chance(&w.prng, 1, 2) ? "+ACK" : "+TERM");
        w.held[i].reply[consumer][0] = 0;
        w.held[i].owed[consumer] = false;
        release(i);
        return;
    }
}

static void audit(void)
{
    unsigned count = 0;
    char expected[32];

    for (unsigned i = 1; i <= w.last; i++) {
        char body[32];
        bool there;

        snprintf(body, sizeof body, "{\"seq\":%u}", i);
        there = strstr(ask("$JS.API.STREAM.MSG.GET.S", body), "\"error\"") == NULL;
        check(there || !w.held[i].there, "is gone although somebody needs it", i);
        check(!there || w.held[i].there, "is left over", i);
        count += there;
    }
    snprintf(expected, sizeof expected, "\"messages\":%u,", count);
    check(strstr(ask("$JS.API.STREAM.INFO.S", ""), expected) != NULL, "are not all there is",
          count);
}

static void crash(void)
{
    static const enum sim_crash_mode modes[] = {SIM_CRASH_POWER, SIM_CRASH_KILL};

    sim_crash(w.sim, w.node, modes[prng_below(&w.prng, 2)]);
    server_destroy(w.server);
    sim_restart(w.sim, w.node);
    start();
    audit();
}

static void step(void)
{
    int consumer = (int)prng_below(&w.prng, 2);

    switch (prng_below(&w.prng, 10)) {
    case 0: create(consumer); break;
    case 1: delete (consumer); break;
    case 2:
    case 3: pull(consumer); break;
    case 4:
    case 5:
    case 6: ack(consumer); break;
    case 7:
        if (prng_chance(&w.prng, 1, 4))
            crash();
        break;
    default: publish(); break;
    }
}

static void history(uint64_t seed, uint64_t flaws)
{
    w = (struct world){.sim = sim_create(seed)};
    prng_seed(&w.prng, seed);
    w.queue = seed % 2 == 0;
    w.node = sim_node_add(w.sim);
    w.clients = sim_node_add(w.sim);
    options_default(&w.options);
    snprintf(w.options.host, sizeof w.options.host, "127.0.0.1");
    w.options.port = PORT;
    w.options.jetstream = true;
    w.options.sim.stream_flaws = flaws;
    quiet_init(&w.logger);
    sim_client_init(&w.client, w.sim, sim_node_io(w.sim, w.clients), on_message, NULL);
    start();
    (void)ask("$JS.API.STREAM.CREATE.S",
              w.queue ? "{\"name\":\"S\",\"subjects\":[\"s.*\"],\"retention\":\"workqueue\"}"
                      : "{\"name\":\"S\",\"subjects\":[\"s.*\"],\"retention\":\"interest\"}");
    for (int i = 0; i < STEPS; i++)
        step();
    audit();
    server_destroy(w.server);
    sim_destroy(w.sim);
    sim_client_deinit(&w.client);
}

START_TEST(a_stream_holds_what_somebody_needs_and_nothing_else)
{
    for (uint64_t seed = 1; seed <= 40; seed++)
        history(seed, 0);
}
END_TEST

static bool found(uint64_t flaw)
{
    int status;
    pid_t child = fork();

    if (child == 0) {
        if (freopen("/dev/null", "w", stderr) == NULL)
            _exit(2);
        for (uint64_t seed = 1; seed <= 20; seed++)
            history(seed, flaw);
        _exit(0);
    }
    ck_assert_int_gt(child, 0);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

START_TEST(every_seeded_bug_of_retention_is_found)
{
    ck_assert(!found(0));
    ck_assert(found(STREAM_FLAW_SETTLED_KEPT));
    ck_assert(found(STREAM_FLAW_NEED_OVERLOOKED));
    ck_assert(found(STREAM_FLAW_RELEASE_FORGOTTEN));
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        a_stream_holds_what_somebody_needs_and_nothing_else,
        every_seeded_bug_of_retention_is_found,
    };

    return UNIT_RUN_PLAIN("retention_world", tests);
}
