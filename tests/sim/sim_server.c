/*
 * sim_server: a whole server on a simulated node, model clients that publish, consume, read and
 * purge through real protocol bytes, crashes at any step (also in recovery), and the oracle. One
 * seed is one run; equal seeds give equal traces.
 *
 *     sim_server --seed N            one run, with its story
 *     sim_server --seconds N [--from S]   seeds from S on for that long
 *     sim_server --errors ...             writes and syncs fail, too
 *     sim_server --flaw NAME --seconds N  a seeded bug must be found
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "server/server.h"
#include "tests/sim/client.h"
#include "tests/sim/flaws.h"
#include "tests/sim/oracle.h"

#define PORT          4222
#define MILLISECOND   INT64_C(1000000)
#define SECOND        INT64_C(1000000000)
#define ACTIONS_MAX   400
#define PENDING_MAX   512
#define GET_MAX       64
#define PULL_NS       (500 * MILLISECOND)
#define SETTLE_MAX_NS (60 * SECOND)

static bool with_errors; /* --errors: disks that fail, too */

struct pending {
    uint64_t seq;
    char reply[160];
};

struct run {
    uint64_t seed;
    bool loud;
    struct sim *sim;
    struct prng prng; /* the driver's own: actions do not depend on the world's draws */
    size_t node, clients;
    struct server *server;
    struct options options;
    struct logger logger;
    struct sim_client client;
    struct oracle oracle;
    bool ready;       /* stream and consumer exist as far as the client knows */
    int64_t setup_ns; /* when they were last asked for */
    bool purging, draining, pulling;
    uint64_t pulls;                      /* under way */
    struct pending pending[PENDING_MAX]; /* deliveries not answered */
    size_t pending_count;
    uint64_t known_last[ORACLE_SUBJECTS];
    uint32_t ids_open[64]; /* message ids with unknown outcome, to be sent again */
    uint8_t ids_subject[64];
    size_t ids_count;
    uint64_t info_last, info_first; /* of the last STREAM.INFO */
    bool info_done;
    uint64_t got_asked; /* when */
    uint64_t got_seq;   /* of the last direct get asked for */
    int got;            /* 0: no answer yet, 1: message, 2: not found */
    int64_t delivered_ns, pulled_ns;
};

[[gnu::format(printf, 2, 3)]] static void say(struct run *run, const char *format, ...)
{
    va_list arguments;

    if (!run->loud)
        return;
    printf("%10.6f ", (double)sim_now(run->sim) / 1e9);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
}

/* ---- what the client hears
 * ----------------------------------------------------------------------------- */

static bool find_number(struct bytes text, const char *key, uint64_t *value)
{
    const char *at = memmem(text.at, text.size, key, strlen(key));

    if (at == NULL)
        return false;
    *value = strtoull(at + strlen(key), NULL, 10);
    return true;
}

static bool contains(struct bytes text, const char *part)
{
    return memmem(text.at, text.size, part, strlen(part)) != NULL;
}

static void remember_id(struct run *run, uint32_t msg_id, uint8_t subject)
{
    if (msg_id == 0 || run->ids_count == 64)
        return;
    run->ids_open[run->ids_count] = msg_id;
    run->ids_subject[run->ids_count++] = subject;
}

static void heard_publish(struct run *run, uint64_t id, const struct client_message *message)
{
    struct oracle_publish *publish = &run->oracle.publishes[id];
    uint64_t seq, code;

    if (contains(message->headers, "503") || !find_number(message->payload, "\"seq\":", &seq)) {
        /* No stream yet: it was not stored, but say nothing about it. */
        publish->outcome = ORACLE_UNKNOWN;
        remember_id(run, publish->msg_id, publish->subject);
        return;
    }
    if (find_number(message->payload, "\"err_code\":", &code)) {
        say(run, "publish %llu refused: %.*s", (unsigned long long)id, BYTES_ARG(message->payload));
        if ((code == 10077 && !contains(message->payload, "maximum")) || code == 10167) {
            /* The disk said no: it may be there after a crash all the same. */
            publish->outcome = ORACLE_UNKNOWN;
            remember_id(run, publish->msg_id, publish->subject);
        } else {
            oracle_refused(&run->oracle, id);
        }
        return;
    }
    say(run, "publish %llu acked as %llu", (unsigned long long)id, (unsigned long long)seq);
    oracle_acked(&run->oracle, id, seq, contains(message->payload, "\"duplicate\": true"));
    if (seq > run->known_last[publish->subject])
        run->known_last[publish->subject] = seq;
}

/* $JS.ACK.S.C.<delivered>.<sseq>.<cseq>.<ts>.<pending> */
static void heard_delivery(struct run *run, const struct client_message *message)
{
    char reply[160];
    unsigned long long count, seq;

    if (message->reply.size == 0 || message->reply.size >= sizeof reply) {
        if (run->pulls > 0)
            run->pulls--; /* a status ends the pull (heartbeats are not asked for) */
        return;
    }
    memcpy(reply, message->reply.at, message->reply.size);
    reply[message->reply.size] = 0;
    if (sscanf(reply, "$JS.ACK.S.C.%llu.%llu.", &count, &seq) != 2)
        return;
    oracle_seen(&run->oracle, run->oracle.order + 1, seq, (const char *)message->subject.at,
                message->subject.size, message->payload.at, message->payload.size);
    oracle_delivered(&run->oracle, seq, count);
    run->delivered_ns = sim_now(run->sim);
    if (run->pending_count < PENDING_MAX) {
        run->pending[run->pending_count].seq = seq;
        memcpy(run->pending[run->pending_count++].reply, reply, sizeof reply);
    }
}

static void heard_get(struct run *run, uint64_t asked, const struct client_message *message)
{
    uint64_t seq;

    if (asked != run->got_seq)
        return; /* of an earlier question */
    if (!find_number(message->headers, "Nats-Sequence: ", &seq)) {
        say(run, "get %llu: %.*s", (unsigned long long)asked, BYTES_ARG(message->headers));
        run->got = 2;
        return;
    }
    run->got = 1;
    {
        const char *subject =
            memmem(message->headers.at, message->headers.size, "Nats-Subject: ", 14);
        size_t size = strcspn(subject + 14, "\r");

        oracle_seen(&run->oracle, run->got_asked, seq, subject + 14, size, message->payload.at,
                    message->payload.size);
        if (run->draining)
            oracle_final_present(&run->oracle, seq);
    }
}

static void heard_api(struct run *run, char kind, const struct client_message *message)
{
    say(run, "api %c: %.*s", kind, message->payload.size < 1200 ? (int)message->payload.size : 1200,
        (const char *)message->payload.at);
    switch (kind) {
    case 'c':
        run->ready = contains(message->payload, "\"num_pending\"");
        break; /* consumer create */
    case 'p':
        run->purging = false;
        if (contains(message->payload, "\"success\":true"))
            oracle_purge_acked(&run->oracle);
        else
            oracle_crashed(&run->oracle); /* outcome unknown; cheap and safe to say so */
        break;
    case 'i':
        if (find_number(message->payload, "\"last_seq\":", &run->info_last) &&
            find_number(message->payload, "\"first_seq\":", &run->info_first))
            run->info_done = true;
        break;
    default: break;
    }
}

static void heard(void *context, const struct client_message *message)
{
    struct run *run = context;
    char subject[64] = {0};
    unsigned long long number;

    memcpy(subject, message->subject.at, message->subject.size < 63 ? message->subject.size : 63);
    if (sscanf(subject, "_R.p.%llu", &number) == 1)
        heard_publish(run, number, message);
    else if (sscanf(subject, "_R.a.%llu", &number) == 1)
        oracle_ack_confirmed(&run->oracle, number);
    else if (sscanf(subject, "_R.g.%llu", &number) == 1)
        heard_get(run, number, message);
    else if (strncmp(subject, "_R.j.", 5) == 0)
        heard_api(run, subject[5], message);
    else /* a delivery carries its stream subject, a status the inbox */
        heard_delivery(run, message);
}

/* ---- what the client does
 * -------------------------------------------------------------------------------- */

static void ask(struct run *run, const char *subject, const char *reply, const char *body)
{
    sim_client_publish(&run->client, subject, reply, "", bytes_of_text(body));
}

static void set_up(struct run *run)
{
    char body[512];

    run->setup_ns = sim_now(run->sim);
    snprintf(body, sizeof body,
             "{\"name\":\"S\",\"subjects\":[\"s.>\"],\"allow_direct\":true,\"duplicate_window\":"
             "3600000000000,"
             "\"max_msgs\":%lld,\"max_msgs_per_subject\":%lld,\"discard\":\"%s\"}",
             run->oracle.max_msgs ? (long long)run->oracle.max_msgs : -1,
             run->oracle.max_msgs_per_subject ? (long long)run->oracle.max_msgs_per_subject : -1,
             run->oracle.max_msgs_per_subject ? "new" : "old");
    ask(run, "$JS.API.STREAM.CREATE.S", "_R.j.s", body);
    ask(run, "$JS.API.CONSUMER.CREATE.S.C", "_R.j.c",
        "{\"stream_name\":\"S\",\"config\":{\"durable_name\":\"C\",\"ack_policy\":\"explicit\","
        "\"ack_wait\":1000000000,\"max_ack_pending\":200}}");
}

static void publish(struct run *run, uint8_t subject, uint32_t msg_id, uint64_t expect)
{
    static uint8_t payload[16384];
    uint64_t id = oracle_send(&run->oracle, subject, msg_id, expect);
    char name[16], reply[48], headers[256] = "";
    size_t at = 0;

    if (msg_id != 0 || expect != ORACLE_NO_CHECK)
        at = (size_t)snprintf(headers, sizeof headers, "NATS/1.0\r\n");
    if (msg_id != 0)
        at += (size_t)snprintf(headers + at, sizeof headers - at, "Nats-Msg-Id: id-%u\r\n", msg_id);
    if (expect != ORACLE_NO_CHECK)
        at += (size_t)snprintf(headers + at, sizeof headers - at,
                               "Nats-Expected-Last-Subject-Sequence: %llu\r\n",
                               (unsigned long long)expect);
    if (at > 0)
        snprintf(headers + at, sizeof headers - at, "\r\n");
    oracle_subject(subject, name);
    snprintf(reply, sizeof reply, "_R.p.%llu", (unsigned long long)id);
    sim_client_publish(&run->client, name, reply, headers,
                       bytes_of(payload, oracle_payload(id, payload, sizeof payload)));
}

static void publish_some(struct run *run)
{
    uint64_t count = 1 + prng_below(&run->prng, 20);

    for (uint64_t i = 0; i < count; i++) {
        uint8_t subject = (uint8_t)prng_below(&run->prng, ORACLE_SUBJECTS);
        uint64_t kind = prng_below(&run->prng, 4);

        if (kind == 0)
            publish(run, subject, 0, run->known_last[subject]);
        else if (kind == 1)
            publish(run, subject, (uint32_t)run->oracle.publish_count + 1, ORACLE_NO_CHECK);
        else
            publish(run, subject, 0, ORACLE_NO_CHECK);
    }
}

/* Ids whose first attempt has an unknown outcome are sent again, as a careful client does. */
static void publish_again(struct run *run)
{
    while (run->ids_count > 0) {
        run->ids_count--;
        publish(run, run->ids_subject[run->ids_count], run->ids_open[run->ids_count],
                ORACLE_NO_CHECK);
    }
}

static void pull(struct run *run, bool no_wait)
{
    char body[128];

    if (sim_now(run->sim) - run->pulled_ns > PULL_NS + 200 * MILLISECOND)
        run->pulls = 0; /* a batch that is filled ends without a word, and none outlives its time */
    if (run->pulls > 4)
        return;
    run->pulls++;
    run->pulled_ns = sim_now(run->sim);
    snprintf(body, sizeof body, "{\"batch\":%d,\"expires\":%lld%s}",
             1 + (int)prng_below(&run->prng, 40), (long long)PULL_NS,
             no_wait ? ",\"no_wait\":true" : "");
    ask(run, "$JS.API.CONSUMER.MSG.NEXT.S.C", "_R.m", body);
}

static void settle_deliveries(struct run *run)
{
    while (run->pending_count > 0) {
        struct pending *pending = &run->pending[--run->pending_count];
        char reply[48];

        snprintf(reply, sizeof reply, "_R.a.%llu", (unsigned long long)pending->seq);
        switch (run->draining ? 0 : prng_below(&run->prng, 6)) {
        case 0:
        case 1: sim_client_publish(&run->client, pending->reply, reply, "", BYTES("+ACK")); break;
        case 2: sim_client_publish(&run->client, pending->reply, "", "", BYTES("+ACK")); break;
        case 3: sim_client_publish(&run->client, pending->reply, "", "", BYTES("-NAK")); break;
        case 4:
            sim_client_publish(&run->client, pending->reply, "", "",
                               BYTES("-NAK {\"delay\":300000000}"));
            break;
        default: break; /* forgotten: redelivered after ack wait */
        }
    }
}

static void get_message(struct run *run, uint64_t seq)
{
    char body[64], reply[48];

    run->got = 0;
    run->got_seq = seq;
    run->got_asked = ++run->oracle.order;
    snprintf(body, sizeof body, "{\"seq\":%llu}", (unsigned long long)seq);
    snprintf(reply, sizeof reply, "_R.g.%llu", (unsigned long long)seq);
    ask(run, "$JS.API.DIRECT.GET.S", reply, body);
}

static void purge(struct run *run)
{
    if (run->purging)
        return;
    run->purging = true;
    oracle_purge_sent(&run->oracle);
    ask(run, "$JS.API.STREAM.PURGE.S", "_R.j.p", "");
}

static void act(struct run *run)
{
    if (!sim_client_connected(&run->client)) {
        if (run->client.sock == NULL)
            sim_client_connect(&run->client, run->node, PORT, "_R.>");
        run->ready = false;
        run->pulls = 0;
        run->pending_count = 0;
        run->setup_ns = 0;
        return;
    }
    if (!run->ready && sim_now(run->sim) - run->setup_ns > SECOND)
        set_up(run);
    switch (prng_below(&run->prng, 12)) {
    case 0:
    case 1:
    case 2:
    case 3: publish_some(run); break;
    case 4: publish_again(run); break;
    case 5:
    case 6: pull(run, prng_chance(&run->prng, 1, 2)); break;
    case 7:
    case 8:
    case 9: settle_deliveries(run); break;
    case 10: get_message(run, 1 + prng_below(&run->prng, run->oracle.acked_last + 2)); break;
    default:
        if (prng_chance(&run->prng, 1, 12))
            purge(run);
        break;
    }
}

/* ---- the server's life
 * ---------------------------------------------------------------------------------------- */

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
    return prng_chance(&run->prng, 1, 2) ? SIM_CRASH_KILL : SIM_CRASH_POWER;
}

static void bury(struct run *run)
{
    if (run->server != NULL)
        server_destroy(run->server);
    run->server = NULL;
}

static void on_crash(struct run *run)
{
    for (uint64_t id = 1; id <= run->oracle.publish_count; id++) {
        if (run->oracle.publishes[id].outcome == ORACLE_OPEN)
            remember_id(run, run->oracle.publishes[id].msg_id, run->oracle.publishes[id].subject);
    }
    oracle_crashed(&run->oracle);
    run->purging = false;
    run->pulls = 0;
    run->pending_count = 0;
    run->ready = false;
}

/* Starts the server; it may be cut down in the middle of its recovery, several times. */
static bool start(struct run *run)
{
    for (int attempt = 0;; attempt++) {
        enum err err;

        if (attempt < 6 && prng_chance(&run->prng, 1, 3))
            sim_crash_after(run->sim, run->node, crash_mode(run), 1 + prng_below(&run->prng, 120));
        err = server_start(sim_node_io(run->sim, run->node), &run->options, &run->logger,
                           &run->server);
        if (err == OK && !sim_crashed(run->sim, run->node)) {
            sim_crash_after(run->sim, run->node, SIM_CRASH_KILL, 0);
            return true;
        }
        if (!sim_crashed(run->sim, run->node) && attempt < 20) {
            say(run, "did not start: %s",
                err_text(err)); /* a disk that fails is a reason to refuse */
            if (attempt > 3)
                sim_heal(run->sim, run->node);
            io_destroy(sim_node_io(run->sim, run->node));
            sim_restart(run->sim, run->node);
            continue;
        }
        if (!sim_crashed(run->sim, run->node)) {
            snprintf(run->oracle.violation, sizeof run->oracle.violation,
                     "the server does not start: %s", err_text(err));
            return false;
        }
        say(run, "crashed while starting");
        bury(run);
        if (prng_chance(&run->prng, 1, 3))
            sim_cut_power(run->sim, run->node);
        sim_restart(run->sim, run->node);
    }
}

static bool restart(struct run *run)
{
    bury(run);
    on_crash(run);
    if (prng_chance(&run->prng, 1, 3))
        sim_cut_power(run->sim, run->node);
    sim_restart(run->sim, run->node);
    sim_client_drop(&run->client);
    return start(run);
}

static bool maybe_crash(struct run *run)
{
    if (sim_crashed(run->sim, run->node)) {
        say(run, "crashed at a disk operation");
        return restart(run);
    }
    if (prng_chance(&run->prng, 1, 60)) {
        enum sim_crash_mode mode = crash_mode(run);

        say(run, "crash: %s", mode == SIM_CRASH_KILL ? "kill" : "power");
        sim_crash(run->sim, run->node, mode);
        return restart(run);
    }
    if (prng_chance(&run->prng, 1, 80))
        sim_crash_after(run->sim, run->node, crash_mode(run), 1 + prng_below(&run->prng, 40));
    return true;
}

/* ---- a run
 * -------------------------------------------------------------------------------------------------------
 */

static void draw(struct run *run)
{
    struct sim_faults faults = sim_faults_draw(&run->prng);

    /* One replica has nobody to repair it from: errors that lose data are the disk simulation's own
     * test. */
    if (prng_chance(&run->prng, 2, 3) || !with_errors)
        faults.write_error = faults.sync_error = 0;
    faults.read_error = 0;
    faults.error_sticky = 0;
    faults.sync_evicts = 0;
    faults.net_reset = 0;
    sim_set_faults(run->sim, run->node, &faults);
    switch (prng_below(&run->prng, 4)) {
    case 0: run->oracle.max_msgs = 20 + prng_below(&run->prng, 100); break;
    case 1: run->oracle.max_msgs_per_subject = 1 + prng_below(&run->prng, 3); break;
    default: break;
    }
}

static void begin(struct run *run, uint64_t seed, bool loud, const struct sim_flaws *flaws)
{
    *run = (struct run){.seed = seed, .loud = loud};
    run->sim = sim_create(seed);
    prng_seed(&run->prng, seed ^ UINT64_C(0x5eed));
    run->node = sim_node_add(run->sim);
    run->clients = sim_node_add(run->sim);
    options_default(&run->options);
    snprintf(run->options.host, sizeof run->options.host, "127.0.0.1");
    run->options.port = PORT;
    run->options.jetstream = true;
    run->options.store_flaws = flaws->store;
    run->options.stream_flaws = flaws->stream;
    logger_init(&run->logger);
    run->logger.line = log_line;
    run->logger.now = log_clock;
    run->logger.context = run;
    run->logger.pid = 1;
    oracle_init(&run->oracle);
    sim_client_init(&run->client, run->sim, sim_node_io(run->sim, run->clients), heard, run);
    draw(run);
}

static void end(struct run *run)
{
    bury(run);
    sim_destroy(run->sim);
    sim_client_deinit(&run->client);
    oracle_deinit(&run->oracle);
}

static bool wait_for(struct run *run, bool (*done)(struct run *run))
{
    int64_t deadline = sim_now(run->sim) + SETTLE_MAX_NS;

    while (!done(run)) {
        if (sim_now(run->sim) > deadline)
            return false;
        sim_run(run->sim, MILLISECOND);
        if (!sim_client_connected(&run->client) && run->client.sock == NULL) {
            sim_client_connect(&run->client, run->node, PORT, "_R.>");
            run->ready = false;
            run->setup_ns = 0;
        }
        if (!run->ready && sim_now(run->sim) - run->setup_ns > SECOND)
            set_up(run);
    }
    return true;
}

static bool is_ready(struct run *run)
{
    return run->ready && run->ids_count == 0;
}

static bool is_answered(struct run *run)
{
    for (uint64_t id = 1; id <= run->oracle.publish_count; id++) {
        if (run->oracle.publishes[id].outcome == ORACLE_OPEN)
            return false;
    }
    return !run->purging;
}

/* For the story: who waits. */
static void say_open(struct run *run)
{
    for (uint64_t id = 1; id <= run->oracle.publish_count; id++) {
        if (run->oracle.publishes[id].outcome == ORACLE_OPEN)
            say(run, "publish %llu is open (sent %llu of %llu)", (unsigned long long)id,
                (unsigned long long)run->oracle.publishes[id].sent,
                (unsigned long long)run->oracle.order);
    }
    say(run, "purging %d, connected %d", run->purging, sim_client_connected(&run->client));
}

static bool has_info(struct run *run)
{
    return run->info_done;
}

static bool has_got(struct run *run)
{
    return run->got != 0;
}

/* Nothing was delivered for longer than ack wait and any delay. */
static bool is_drained(struct run *run)
{
    settle_deliveries(run);
    if (run->pulls == 0 || sim_now(run->sim) - run->pulled_ns > PULL_NS)
        pull(run, false);
    return sim_now(run->sim) - run->delivered_ns > 4 * SECOND;
}

static void read_everything(struct run *run)
{
    oracle_final_begin(&run->oracle);
    for (uint64_t seq = run->info_first; seq <= run->info_last && run->oracle.violation[0] == 0;
         seq++) {
        get_message(run, seq);
        if (!wait_for(run, has_got))
            snprintf(run->oracle.violation, sizeof run->oracle.violation,
                     "a direct get is never answered");
    }
}

static void stuck(struct run *run, const char *what)
{
    if (run->oracle.violation[0] == 0)
        snprintf(run->oracle.violation, sizeof run->oracle.violation, "%s (%s)", what,
                 run->client.error);
}

/* Faults end, everything comes to rest, and the whole is compared. */
static void conclude(struct run *run)
{
    sim_crash_after(run->sim, run->node, SIM_CRASH_KILL, 0);
    sim_heal(run->sim, run->node);
    if (sim_crashed(run->sim, run->node) && !restart(run))
        return;
    if (prng_chance(&run->prng, 1, 2)) {
        sim_crash(run->sim, run->node, crash_mode(run));
        if (!restart(run))
            return;
    }
    run->ids_count = 0;
    if (!wait_for(run, is_ready)) {
        stuck(run, "stream and consumer are never created");
        return;
    }
    if (!wait_for(run, is_answered)) {
        say_open(run);
        stuck(run, "a publish is never answered");
        return;
    }
    run->draining = true;
    run->delivered_ns = sim_now(run->sim);
    if (!wait_for(run, is_drained))
        stuck(run, "the consumer never comes to rest");
    ask(run, "$JS.API.STREAM.INFO.S", "_R.j.i", "");
    if (!wait_for(run, has_info)) {
        stuck(run, "stream info is never answered");
        return;
    }
    read_everything(run);
    if (run->oracle.violation[0] == 0)
        oracle_final_end(&run->oracle, run->info_last, true);
}

static bool run_seed(uint64_t seed, bool loud, const struct sim_flaws *flaws, uint64_t *hash)
{
    static struct run run;
    bool good;

    begin(&run, seed, loud, flaws);
    if (start(&run)) {
        for (int i = 0; i < ACTIONS_MAX && run.oracle.violation[0] == 0; i++) {
            sim_run(run.sim, (int64_t)prng_below(&run.prng, 20 * MILLISECOND));
            if (!maybe_crash(&run))
                break;
            act(&run);
        }
        if (run.oracle.violation[0] == 0)
            conclude(&run);
    }
    *hash = sim_trace_hash(run.sim);
    good = run.oracle.violation[0] == 0;
    if (!good && flaws->store == 0 && flaws->stream == 0)
        printf("seed %llu: %s\n", (unsigned long long)seed, run.oracle.violation);
    if (loud)
        printf("seed %llu: %s; %llu acked, %llu refused, %llu shown, %llu confirmed, %llu crashes, "
               "%.1f s\n",
               (unsigned long long)seed, good ? "good" : run.oracle.violation,
               (unsigned long long)run.oracle.acked_count,
               (unsigned long long)run.oracle.refused_count,
               (unsigned long long)run.oracle.seen_count,
               (unsigned long long)run.oracle.confirmed_count,
               (unsigned long long)run.oracle.crash_count, (double)sim_now(run.sim) / 1e9);
    end(&run);
    return good;
}

/* ---- main
 * ----------------------------------------------------------------------------------------------------------
 */

static double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* One seed in a hundred runs twice: equal seeds, equal traces. */
static int run_many(uint64_t from, double seconds, const struct sim_flaws *flaws)
{
    double deadline = seconds_now() + seconds;
    uint64_t seed = from, bad = 0;

    for (; seconds_now() < deadline && bad < 5; seed++) {
        uint64_t hash, again;

        if (!run_seed(seed, false, flaws, &hash))
            bad++;
        if (seed % 100 == 0) {
            (void)run_seed(seed, false, flaws, &again);
            if (hash != again) {
                printf("seed %llu: two runs differ\n", (unsigned long long)seed);
                bad++;
            }
        }
    }
    printf("sim_server: seeds %llu to %llu\n%llu passed, %llu failed\n", (unsigned long long)from,
           (unsigned long long)seed - 1, (unsigned long long)(seed - from - bad),
           (unsigned long long)bad);
    return bad == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* The simulation must find the bug in time. */
static int run_flaw(const struct sim_flaws *flaws, double seconds)
{
    double begun = seconds_now();
    uint64_t hash;

    for (uint64_t seed = 1; seconds_now() - begun < seconds; seed++) {
        if (!run_seed(seed, false, flaws, &hash)) {
            printf("%-40s found by seed %llu after %.1f s\n", flaws->name, (unsigned long long)seed,
                   seconds_now() - begun);
            return EXIT_SUCCESS;
        }
    }
    printf("%-40s NOT found in %.0f s\n", flaws->name, seconds);
    return EXIT_FAILURE;
}

static int run_flaws(const char *name, double seconds)
{
    int found = 0, missed = 0;

    for (size_t i = 0; i < sim_flaw_count; i++) {
        if (name != NULL && strcmp(name, sim_flaws[i].name) != 0)
            continue;
        if (run_flaw(&sim_flaws[i], seconds) == EXIT_SUCCESS)
            found++;
        else
            missed++;
    }
    printf("%d passed, %d failed\n", found, missed);
    return missed == 0 && found > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    static const struct sim_flaws none = {0};
    double seconds = 60;
    uint64_t from = 1, hash;
    const char *seed = NULL, *flaw = NULL;
    bool flaws = false;

    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
            seed = argv[++i];
        else if (strcmp(argv[i], "--seconds") == 0 && i + 1 < argc)
            seconds = atof(argv[++i]);
        else if (strcmp(argv[i], "--from") == 0 && i + 1 < argc)
            from = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--flaw") == 0 && i + 1 < argc)
            flaw = argv[++i];
        else if (strcmp(argv[i], "--errors") == 0)
            with_errors = true;
        else if (strcmp(argv[i], "--flaws") == 0)
            flaws = true;
        else
            return fprintf(stderr, "usage: sim_server [--seed N | [--seconds N] [--from N] [--flaw "
                                   "NAME | --flaws]]\n"),
                   2;
    }
    if (seed != NULL)
        return run_seed(strtoull(seed, NULL, 10), true, &none, &hash) ? EXIT_SUCCESS : EXIT_FAILURE;
    if (flaws || flaw != NULL)
        return run_flaws(flaw, seconds);
    return run_many(from, seconds, &none);
}
