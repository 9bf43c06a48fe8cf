/*
 * sim_batches: one server on a simulated node, a client that publishes atomic batches and
 * schedules, crashes at any disk operation. In the end the stream is read whole:
 *
 *     of a batch all messages are there, side by side and in order, or none;
 *     what was acknowledged is there, what was refused is not;
 *     a schedule has fired once, and is gone.
 *
 *     sim_batches --seed N [--flaw NAME] | --seconds N | --flaws --seconds N
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "server/server.h"
#include "server/stream/flaws.h"
#include "storage/index.h"
#include "tests/sim/client.h"
#include "tests/sim/index_caches.h"
#include "tests/sim/leaks.h"
#include "tests/sim/paces.h"
#include "tests/sim/runner.h"
#include "tests/sim/words.h"

#define PORT          4222
#define MILLISECOND   INT64_C(1000000)
#define SECOND        INT64_C(1000000000)
#define ACTIONS       250
#define BATCHES_MAX   400
#define MEMBERS_MAX   8
#define SETTLE_MAX_NS (60 * SECOND)

enum answer { OPEN, STORED, REFUSED };

struct batch {
    unsigned count, seen;
    uint64_t last; /* sequence of the member seen last */
    enum answer answer;
    bool poisoned; /* its last message must be refused */
};

struct schedule {
    enum answer answer;
    unsigned fired;
};

struct run {
    uint64_t seed;
    bool loud, made;
    struct sim *sim;
    struct prng prng;
    size_t node, clients;
    struct server *server;
    struct options options;
    struct logger logger;
    struct sim_client client;
    struct batch batches[BATCHES_MAX];
    struct schedule schedules[BATCHES_MAX];
    unsigned batch_count, schedule_count, crashes;
    uint64_t last;    /* of the stream, as it says; 0: not asked */
    uint64_t reading; /* sequence that is asked for; 0: none */
    bool read;        /* it was answered */
    char violation[300];
};

[[gnu::format(printf, 2, 3)]] static void violate(struct run *run, const char *format, ...)
{
    va_list arguments;

    if (run->violation[0] != 0)
        return;
    va_start(arguments, format);
    vsnprintf(run->violation, sizeof run->violation, format, arguments);
    va_end(arguments);
}

static bool chance(struct run *run, uint32_t n, uint32_t of)
{
    return prng_chance(&run->prng, n, of);
}

/* ---- what is heard --------------------------------------------------------------------------- */

static enum answer answer_of(const struct client_message *message)
{
    return says(message->payload, "\"error\"") ? REFUSED : STORED;
}

static void heard_batch(struct run *run, unsigned id, const struct client_message *message)
{
    struct batch *batch = &run->batches[id];

    batch->answer = answer_of(message);
    if (batch->poisoned && (batch->answer == STORED || !says(message->payload, "10060")))
        violate(run, "batch %u is answered %.*s", id, BYTES_ARG(message->payload));
    if (!batch->poisoned && batch->answer == REFUSED && !says(message->payload, "10176"))
        violate(run, "batch %u is refused: %.*s", id, BYTES_ARG(message->payload));
}

static void heard_info(struct run *run, const struct client_message *message)
{
    static const char key[] = "\"last_seq\":";
    const char *at = memmem(message->payload.at, message->payload.size, key, sizeof key - 1);

    if (at != NULL)
        run->last = strtoull(at + sizeof key - 1, NULL, 10) + 1; /* at least 1 */
}

/* "b<batch>.<member>.<count>" */
static void found_member(struct run *run, uint64_t sequence, const char *payload)
{
    unsigned id, member, count;
    struct batch *batch;

    if (sscanf(payload, "b%u.%u.%u", &id, &member, &count) != 3 || id >= run->batch_count) {
        violate(run, "message %llu is '%s'", (unsigned long long)sequence, payload);
        return;
    }
    batch = &run->batches[id];
    if (member != batch->seen + 1 || count != batch->count ||
        (batch->seen > 0 && sequence != batch->last + 1))
        violate(run, "message %llu is %s after %u of it at %llu", (unsigned long long)sequence,
                payload, batch->seen, (unsigned long long)batch->last);
    batch->seen++;
    batch->last = sequence;
}

static void found_fired(struct run *run, uint64_t sequence, const char *payload)
{
    unsigned id;

    if (sscanf(payload, "x%u", &id) != 1 || id >= run->schedule_count)
        violate(run, "message %llu is '%s'", (unsigned long long)sequence, payload);
    else
        run->schedules[id].fired++;
}

static void heard_message(struct run *run, uint64_t sequence, const struct client_message *message)
{
    char payload[64] = {0};
    bool none = memmem(message->headers.at, message->headers.size, " 404 ", 5) != NULL;
    const char *subject =
        memmem(message->headers.at, message->headers.size, "Nats-Subject: s.", 16);

    if (sequence != run->reading || run->read)
        return;
    run->read = true;
    if (none)
        return;
    memcpy(payload, message->payload.at, message->payload.size < 63 ? message->payload.size : 63);
    if (subject == NULL)
        violate(run, "message %llu has no subject", (unsigned long long)sequence);
    else if (subject[16] == 'b')
        found_member(run, sequence, payload);
    else if (subject[16] == 't')
        found_fired(run, sequence, payload);
    else
        violate(run, "a schedule that is due is still there: %s", payload);
}

static void heard(void *context, const struct client_message *message)
{
    struct run *run = context;
    char subject[64] = {0};
    unsigned long long number;

    memcpy(subject, message->subject.at, message->subject.size < 63 ? message->subject.size : 63);
    if (sscanf(subject, "_R.b%llu", &number) == 1)
        heard_batch(run, (unsigned)number, message);
    else if (sscanf(subject, "_R.s%llu", &number) == 1)
        run->schedules[number].answer = answer_of(message);
    else if (sscanf(subject, "_R.g%llu", &number) == 1)
        heard_message(run, number, message);
    else if (strcmp(subject, "_R.i") == 0)
        heard_info(run, message);
    else
        run->made = run->made || answer_of(message) == STORED;
}

/* ---- what is done ---------------------------------------------------------------------------- */

static void send(struct run *run, const char *subject, const char *reply, const char *lines,
                 const char *payload)
{
    char headers[500];

    snprintf(headers, sizeof headers, "NATS/1.0\r\n%s\r\n", lines);
    sim_client_publish(&run->client, subject, reply, lines[0] != 0 ? headers : "",
                       bytes_of_text(payload));
}

static void publish_batch(struct run *run)
{
    unsigned id = run->batch_count;
    struct batch *batch = &run->batches[id];
    char lines[200], payload[64], reply[32];

    if (id == BATCHES_MAX)
        return;
    run->batch_count++;
    *batch = (struct batch){.count = 1 + (unsigned)prng_below(&run->prng, MEMBERS_MAX),
                            .poisoned = chance(run, 1, 3)};
    for (unsigned i = 1; i <= batch->count; i++) {
        bool last = i == batch->count;

        snprintf(lines, sizeof lines, "Nats-Batch-Id: %u\r\nNats-Batch-Sequence: %u\r\n%s%s", id, i,
                 last ? "Nats-Batch-Commit: 1\r\n" : "",
                 last && batch->poisoned ? "Nats-Expected-Stream: T\r\n" : "");
        snprintf(payload, sizeof payload, "b%u.%u.%u", id, i, batch->count);
        snprintf(reply, sizeof reply, "_R.b%u", id);
        send(run, "s.b", last ? reply : "", lines, payload);
    }
}

static void publish_schedule(struct run *run)
{
    unsigned id = run->schedule_count;
    int64_t due_ns = io_wall(sim_node_io(run->sim, run->node)) +
                     (int64_t)prng_below(&run->prng, 1500) * MILLISECOND;
    char time[TEXT_TIME_MAX], subject[32], lines[200], reply[32], payload[32];

    if (id == BATCHES_MAX)
        return;
    run->schedule_count++;
    run->schedules[id] = (struct schedule){0};
    snprintf(lines, sizeof lines, "Nats-Schedule: @at %.*s\r\nNats-Schedule-Target: s.t%u\r\n",
             (int)text_time(time, due_ns), time, id);
    snprintf(subject, sizeof subject, "s.s%u", id);
    snprintf(reply, sizeof reply, "_R.s%u", id);
    snprintf(payload, sizeof payload, "x%u", id);
    send(run, subject, reply, lines, payload);
}

static void connect_again(struct run *run)
{
    if (run->client.sock == NULL)
        sim_client_connect(&run->client, run->node, PORT, "_R.>");
}

static void make(struct run *run)
{
    send(run, "$JS.API.STREAM.CREATE.S", "_R.c", "",
         "{\"name\":\"S\",\"subjects\":[\"s.>\"],\"allow_direct\":true,\"allow_atomic\":true,"
         "\"allow_msg_schedules\":true,\"allow_rollup_hdrs\":true}");
}

static void act(struct run *run)
{
    if (!sim_client_connected(&run->client))
        connect_again(run);
    else if (!run->made)
        make(run);
    else if (chance(run, 2, 3))
        publish_batch(run);
    else
        publish_schedule(run);
}

/* ---- the server's life ----------------------------------------------------------------------- */

static void log_line(void *context, struct bytes line)
{
    struct run *run = context;

    if (run->loud)
        printf("%10.6f   server: %.*s", (double)sim_now(run->sim) / 1e9, BYTES_ARG(line));
}

static int64_t log_clock(void *context)
{
    return sim_now(((struct run *)context)->sim);
}

static enum sim_crash_mode crash_mode(struct run *run)
{
    return chance(run, 1, 2) ? SIM_CRASH_KILL : SIM_CRASH_POWER;
}

static void bury(struct run *run)
{
    if (run->server != NULL)
        server_destroy(run->server);
    run->server = NULL;
}

static bool start(struct run *run)
{
    for (int attempt = 0; attempt < 20; attempt++) {
        enum err err;

        if (attempt < 4 && chance(run, 1, 4))
            sim_crash_after(run->sim, run->node, crash_mode(run), 1 + prng_below(&run->prng, 120));
        err = server_start(sim_node_io(run->sim, run->node), &run->options, &run->logger,
                           &run->server);
        if (err == OK && !sim_crashed(run->sim, run->node)) {
            sim_crash_after(run->sim, run->node, SIM_CRASH_KILL, 0);
            return true;
        }
        if (err != OK)
            run->server = NULL; /* it has freed itself */
        bury(run);
        if (!sim_crashed(run->sim, run->node))
            sim_crash(run->sim, run->node, SIM_CRASH_KILL);
        sim_restart(run->sim, run->node);
    }
    violate(run, "the server does not start");
    return false;
}

static bool restart(struct run *run)
{
    bury(run);
    run->crashes++;
    sim_restart(run->sim, run->node);
    sim_client_drop(&run->client);
    return start(run);
}

static bool maybe_crash(struct run *run)
{
    if (sim_crashed(run->sim, run->node))
        return restart(run);
    if (chance(run, 1, 60)) {
        sim_crash(run->sim, run->node, crash_mode(run));
        return restart(run);
    }
    if (chance(run, 1, 40))
        sim_crash_after(run->sim, run->node, crash_mode(run), 1 + prng_below(&run->prng, 40));
    return true;
}

/* ---- a run ----------------------------------------------------------------------------------- */

static void begin(struct run *run, uint64_t seed, bool loud, uint64_t flaws)
{
    static const uint64_t blocks[] = {1, 4 << 10, 16 << 10, 0};
    struct sim_faults faults;

    *run = (struct run){.seed = seed, .loud = loud};
    run->sim = sim_create(seed);
    prng_seed(&run->prng, seed ^ UINT64_C(0xba7c4));
    run->node = sim_node_add(run->sim);
    run->clients = sim_node_add(run->sim);
    options_default(&run->options);
    snprintf(run->options.host, sizeof run->options.host, "127.0.0.1");
    run->options.port = PORT;
    run->options.jetstream = true;
    run->options.sim.segment_size = chance(run, 1, 2) ? 32 << 10 : 0;
    run->options.sim.block_bytes = blocks[prng_below(&run->prng, 4)];
    run->options.sim.space_look_ns = SPACE_LOOK_NS;
    run->options.sim.index_bits = 1 + (unsigned)prng_below(&run->prng, INDEX_BITS);
    run->options.jetstream_options.index_cache = index_cache_of(run->options.sim.index_bits);
    run->options.sim.stream_flaws = flaws;
    logger_init(&run->logger);
    run->logger.line = log_line;
    run->logger.now = log_clock;
    run->logger.context = run;
    run->logger.pid = 1;
    sim_client_init(&run->client, run->sim, sim_node_io(run->sim, run->clients), heard, run);
    faults = sim_faults_draw(&run->prng);
    faults.write_error = faults.sync_error = faults.read_error = faults.short_count = 0;
    faults.error_sticky = faults.sync_evicts = faults.net_reset = 0;
    sim_set_faults(run->sim, run->node, &faults);
}

static void end(struct run *run)
{
    bury(run);
    sim_destroy(run->sim);
    sim_client_deinit(&run->client);
}

/* Runs until `done`; whatever was asked meanwhile is asked again over a new connection. */
static bool settle(struct run *run, bool (*done)(struct run *run), void (*ask)(struct run *run))
{
    int64_t deadline_ns = sim_now(run->sim) + SETTLE_MAX_NS, asked_ns = -SECOND;

    while (!done(run) && run->violation[0] == 0) {
        if (sim_now(run->sim) > deadline_ns)
            violate(run, "an answer never comes");
        if (!sim_client_connected(&run->client)) {
            connect_again(run);
            asked_ns = -SECOND;
        } else if (sim_now(run->sim) - asked_ns >= SECOND) {
            ask(run);
            asked_ns = sim_now(run->sim);
        }
        sim_run(run->sim, MILLISECOND);
    }
    return run->violation[0] == 0;
}

static bool is_made(struct run *run)
{
    return run->made;
}

static bool has_last(struct run *run)
{
    return run->last != 0;
}

static void ask_info(struct run *run)
{
    send(run, "$JS.API.STREAM.INFO.S", "_R.i", "", "");
}

static bool has_read(struct run *run)
{
    return run->read;
}

static void ask_message(struct run *run)
{
    char reply[32], body[32];

    snprintf(reply, sizeof reply, "_R.g%llu", (unsigned long long)run->reading);
    snprintf(body, sizeof body, "{\"seq\":%llu}", (unsigned long long)run->reading);
    send(run, "$JS.API.DIRECT.GET.S", reply, "", body);
}

static bool read_all(struct run *run)
{
    if (!settle(run, is_made, make) || !settle(run, has_last, ask_info))
        return false;
    for (run->reading = 1; run->reading < run->last; run->reading++) {
        run->read = false;
        if (!settle(run, has_read, ask_message))
            return false;
    }
    return true;
}

static void check(struct run *run)
{
    for (unsigned i = 0; i < run->batch_count; i++) {
        const struct batch *batch = &run->batches[i];

        if (batch->seen != 0 && batch->seen != batch->count)
            violate(run, "of batch %u there are %u of %u", i, batch->seen, batch->count);
        if (batch->seen > 0 ? batch->poisoned || batch->answer == REFUSED : batch->answer == STORED)
            violate(run, "batch %u was answered %d and has %u messages", i, batch->answer,
                    batch->seen);
    }
    for (unsigned i = 0; i < run->schedule_count; i++) {
        const struct schedule *schedule = &run->schedules[i];

        if (schedule->fired > 1 || (schedule->answer == STORED && schedule->fired == 0))
            violate(run, "schedule %u was answered %d and has fired %u times", i, schedule->answer,
                    schedule->fired);
    }
}

static void conclude(struct run *run)
{
    sim_crash_after(run->sim, run->node, SIM_CRASH_KILL, 0);
    sim_heal(run->sim, run->node);
    if (sim_crashed(run->sim, run->node) && !restart(run))
        return;
    if (chance(run, 1, 2)) {
        sim_crash(run->sim, run->node, crash_mode(run));
        if (!restart(run))
            return;
    }
    sim_crash_after(run->sim, run->node, SIM_CRASH_KILL, 0);
    sim_run(run->sim, 5 * SECOND); /* all schedules are due */
    if (read_all(run))
        check(run);
}

static bool run_seed(uint64_t seed, bool loud, const struct runner_flaw *flaw)
{
    static struct run run;
    bool good;

    begin(&run, seed, loud, flaw->stream);
    if (start(&run)) {
        for (int i = 0; i < ACTIONS && run.violation[0] == 0; i++) {
            sim_run(run.sim, (int64_t)prng_below(&run.prng, 30 * MILLISECOND));
            if (!maybe_crash(&run))
                break;
            act(&run);
        }
        if (run.violation[0] == 0)
            conclude(&run);
    }
    good = run.violation[0] == 0;
    if (loud || !good)
        printf("seed %llu: %s (%u batches, %u schedules, %u crashes)\n", (unsigned long long)seed,
               good ? "good" : run.violation, run.batch_count, run.schedule_count, run.crashes);
    end(&run);
    return good;
}

/* ---- main ------------------------------------------------------------------------------------ */

static const struct runner_flaw flaws[] = {
    {"BATCH_HALF", "of a refused batch, what came before the reason stays", STREAM_FLAW_BATCH_HALF,
     0},
    {"SCHEDULE_KEPT", "a schedule that has fired is not removed", STREAM_FLAW_SCHEDULE_KEPT, 0},
    {"SCHEDULE_LATE", "that a schedule has fired is logged later", STREAM_FLAW_SCHEDULE_LATE, 0},
};

int main(int argc, char **argv)
{
    static const struct runner runner = {
        .name = "sim_batches",
        .run = run_seed,
        .flaws = flaws,
        .flaw_count = sizeof flaws / sizeof flaws[0],
    };

    return runner_main(&runner, argc, argv);
}
