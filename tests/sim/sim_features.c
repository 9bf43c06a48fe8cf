/*
 * sim_features: what streams do beyond storing, on one server or three: counters and sums of
 * counters, mirrors, atomic and fast batches, messages that end and their markers, schedules, and a
 * work queue that is handed over to another stream; drawn at random, while servers die at any disk
 * operation, disks are full or refuse writes for a moment and leaders step down. In the end every
 * stream is read whole on a leader and compared with what the client was told (features_model.h).
 *
 *     sim_features --seed N [--flaw NAME] | --seconds N [--from S] | --flaws --seconds N
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "server/stream/flaws.h"
#include "tests/sim/fates.h"
#include "tests/sim/features_model.h"
#include "tests/sim/leaks.h"
#include "tests/sim/runner.h"
#include "tests/sim/words.h"

#define MILLISECOND INT64_C(1000000)
#define SECOND      INT64_C(1000000000)
#define ACTIONS     350
#define MADE_NS     (60 * SECOND)
#define SETTLE_NS   (120 * SECOND)
#define AT_ONCE     20u /* gets under way */
#define DISK_BYTES  (UINT64_C(1) << 30)
#define FULL_BYTES  4096u   /* less than is used */
#define WRITE_ERROR 300000u /* of a million */
#define MEMBERS_MAX 7u

static const struct {
    const char *name, *config;
} streams[ST_COUNT] = {
    {"A", "\"subjects\":[\"a.x\"],\"allow_msg_counter\":true"},
    {"B", "\"subjects\":[\"b.x\"],\"allow_msg_counter\":true"},
    {"T", "\"allow_msg_counter\":true,\"sources\":["
          "{\"name\":\"A\",\"subject_transforms\":[{\"src\":\"a.x\",\"dest\":\"t.x\"}]},"
          "{\"name\":\"B\",\"subject_transforms\":[{\"src\":\"b.x\",\"dest\":\"t.x\"}]}]"},
    {"M", "\"mirror\":{\"name\":\"A\"}"},
    {"L", "\"subjects\":[\"l.>\"],\"allow_atomic\":true,\"allow_batched\":true,"
          "\"allow_msg_ttl\":true,\"subject_delete_marker_ttl\":1000000000"},
    {"H", "\"subjects\":[\"h.>\"],\"allow_msg_schedules\":true,\"allow_rollup_hdrs\":true"},
    {"Q", "\"subjects\":[\"q.x\"],\"retention\":\"workqueue\""},
    {"D", "\"sources\":[{\"name\":\"Q\"}]"},
};

struct run {
    uint64_t seed;
    struct report report;
    struct sim *sim;
    struct prng prng;
    struct fates fates; /* of the servers, and of the client's connection */
    struct features_model model;
    unsigned fast_id, fast_next; /* the batch that is sent bit by bit; 0: none is */
    unsigned made;
    size_t sick; /* the node whose disk is; the nodes' count: none */
    bool lone;   /* the queue and its taker have one replica each, and a consumer made beforehand */
    bool handed; /* that one is made */
    /* how far each stream was read in the end */
    uint64_t last[ST_COUNT], messages[ST_COUNT];
    bool told[ST_COUNT];
    uint64_t reading, asked;
    bool read;
};

static bool chance(struct run *run, uint32_t n, uint32_t of)
{
    return prng_chance(&run->prng, n, of);
}

static uint64_t below(struct run *run, uint64_t bound)
{
    return prng_below(&run->prng, bound);
}

static int64_t now(const struct run *run)
{
    return sim_now(run->sim);
}

/* ---- what is heard --------------------------------------------------------------------------- */

static void heard_info(struct run *run, unsigned stream, struct bytes payload)
{
    if (stream >= ST_COUNT || !says(payload, "\"state\":"))
        return;
    run->last[stream] = number_of(payload, "\"last_seq\":");
    run->messages[stream] = number_of(payload, "\"messages\":");
    run->told[stream] = true;
}

/* Gets are asked and answered in order, or asked again from the first one that is missing. */
static void heard_get(struct run *run, unsigned stream, uint64_t sequence,
                      const struct client_message *message)
{
    static const char key[] = "Nats-Subject: ";
    struct features_found found = {.stream = stream,
                                   .sequence = sequence,
                                   .headers = message->headers,
                                   .payload = message->payload};
    const uint8_t *at = memmem(message->headers.at, message->headers.size, key, sizeof key - 1);

    if (sequence != run->reading + 1 || stream >= ST_COUNT || says(message->headers, " 503"))
        return;
    run->reading = sequence;
    if (at == NULL)
        return; /* it is gone */
    found.subject =
        bytes_skip(message->headers, (size_t)(at - message->headers.at) + sizeof key - 1);
    found.subject = bytes_take(found.subject, bytes_find(found.subject, '\r'));
    features_found(&run->model, &found);
}

static void heard(void *context, const struct client_message *message)
{
    struct run *run = context;
    char subject[80] = {0};
    unsigned id, stream;
    unsigned long long sequence;

    memcpy(subject, message->subject.at, message->subject.size < 79 ? message->subject.size : 79);
    if (sscanf(subject, "_R.t%u", &id) == 1)
        features_heard(&run->model, id, message->payload);
    else if (strcmp(subject, "_R.k") == 0)
        run->handed |= says(message->payload, "\"config\":");
    else if (sscanf(subject, "_R.i%u", &stream) == 1)
        heard_info(run, stream, message->payload);
    else if (sscanf(subject, "_R.g%u.%llu", &stream, &sequence) == 2)
        heard_get(run, stream, sequence, message);
    else if (sscanf(subject, "_R.c%u", &stream) == 1 && stream == run->made &&
             says(message->payload, "\"config\":"))
        run->made++;
}

/* ---- what is said ---------------------------------------------------------------------------- */

static void say(struct run *run, const char *subject, const char *reply, const char *lines,
                const char *payload)
{
    char headers[500];

    report_say(&run->report, "> %s %s %.60s", subject, reply, payload);
    snprintf(headers, sizeof headers, "NATS/1.0\r\n%s\r\n", lines);
    sim_client_publish(&run->fates.client, subject, reply, lines[0] != 0 ? headers : "",
                       bytes_of_text(payload));
}

static void publish(struct run *run, unsigned id, const char *subject, const char *lines)
{
    char reply[24], payload[40];

    snprintf(reply, sizeof reply, "_R.t%u", id);
    snprintf(payload, sizeof payload, "m%u.0", id);
    say(run, subject, reply, lines, payload);
}

static void add(struct run *run)
{
    struct thing thing = {.kind = THING_ADD,
                          .stream = chance(run, 1, 2) ? ST_A : ST_B,
                          .amount = (int)below(run, 200) - 90};
    unsigned id = features_add(&run->model, &thing);
    char lines[80], reply[24];

    if (id == THINGS_MAX)
        return;
    snprintf(lines, sizeof lines, "Nats-Incr: %d\r\nX-Id: %u\r\n", thing.amount, id);
    snprintf(reply, sizeof reply, "_R.t%u", id);
    say(run, thing.stream == ST_A ? "a.x" : "b.x", reply, lines, "");
}

static void send_batch(struct run *run)
{
    struct thing thing = {.kind = THING_BATCH,
                          .stream = ST_L,
                          .count = 1 + (unsigned)below(run, MEMBERS_MAX),
                          .poisoned = chance(run, 1, 4)};
    unsigned id = features_add(&run->model, &thing);

    for (unsigned i = 1; i <= thing.count && id < THINGS_MAX; i++) {
        bool last = i == thing.count;
        char lines[200], payload[40], reply[24];

        snprintf(lines, sizeof lines, "Nats-Batch-Id: %u\r\nNats-Batch-Sequence: %u\r\n%s%s", id, i,
                 last ? "Nats-Batch-Commit: 1\r\n" : "",
                 last && thing.poisoned ? "Nats-Expected-Stream: X\r\n" : "");
        snprintf(payload, sizeof payload, "m%u.%u", id, i);
        snprintf(reply, sizeof reply, "_R.t%u", id);
        say(run, "l.b", last ? reply : "", lines, payload);
    }
}

static void send_fast_next(struct run *run)
{
    unsigned id = run->fast_id, i = run->fast_next++;
    const struct thing *thing = &run->model.things[id];
    unsigned op = i == 1 ? 0 : i == thing->count ? 2 : 1;
    char payload[40], reply[80];

    if (i == thing->count)
        run->fast_next = 0;
    if (i == thing->gap)
        return;
    snprintf(payload, sizeof payload, "m%u.%u", id, i);
    snprintf(reply, sizeof reply, "_R.t%u.f%u.2.fail.%u.%u.$FI", id, id, i, op);
    say(run, "l.f", reply, "", payload);
}

/* All at once, or one now and then; one in three leaves a message out, behind which nothing may be
 * stored. */
static void send_fast(struct run *run)
{
    struct thing thing = {
        .kind = THING_FAST, .stream = ST_L, .count = 2 + (unsigned)below(run, MEMBERS_MAX)};
    bool slow = chance(run, 1, 2);

    if (chance(run, 1, 3))
        thing.gap = 2 + (unsigned)below(run, thing.count - 1);
    run->fast_id = features_add(&run->model, &thing);
    run->fast_next = run->fast_id < THINGS_MAX;
    while (run->fast_next != 0 && !slow)
        send_fast_next(run);
}

static void send_ending(struct run *run)
{
    struct thing thing = {.kind = THING_ENDING, .stream = ST_L, .lasting = chance(run, 1, 3)};
    unsigned id = features_add(&run->model, &thing);
    char lines[60], subject[24];

    if (id == THINGS_MAX)
        return;
    snprintf(lines, sizeof lines, "Nats-TTL: %u\r\n",
             thing.lasting ? 7200 : 1 + (unsigned)below(run, 3));
    snprintf(subject, sizeof subject, "l.e%u", id);
    publish(run, id, subject, lines);
}

static void send_schedule(struct run *run)
{
    struct thing thing = {.kind = THING_SCHEDULE, .stream = ST_H};
    unsigned id = features_add(&run->model, &thing);
    int64_t due_ns =
        io_wall(sim_node_io(run->sim, run->fates.home)) + (int64_t)below(run, 2000) * MILLISECOND;
    char time[TEXT_TIME_MAX], subject[24], lines[160];

    if (id == THINGS_MAX)
        return;
    snprintf(lines, sizeof lines, "Nats-Schedule: @at %.*s\r\nNats-Schedule-Target: h.t%u\r\n",
             (int)text_time(time, due_ns), time, id);
    snprintf(subject, sizeof subject, "h.s%u", id);
    publish(run, id, subject, lines);
}

static void send_queued(struct run *run)
{
    struct thing thing = {.kind = THING_QUEUED, .stream = ST_Q};
    unsigned id = features_add(&run->model, &thing);

    if (id < THINGS_MAX)
        publish(run, id, "q.x", "");
}

static void step_down(struct run *run)
{
    char subject[60];

    if (run->fates.nodes.count == 1)
        return;
    snprintf(subject, sizeof subject, "$JS.API.STREAM.LEADER.STEPDOWN.%s",
             streams[below(run, ST_COUNT)].name);
    say(run, subject, "_R.x", "", "");
}

static void act(struct run *run)
{
    uint64_t drawn = below(run, 100);

    if (drawn < 30)
        add(run);
    else if (drawn < 40)
        send_batch(run);
    else if (drawn < 60 && run->fast_next != 0)
        send_fast_next(run);
    else if (drawn < 60)
        send_fast(run);
    else if (drawn < 70)
        send_ending(run);
    else if (drawn < 80)
        send_schedule(run);
    else if (drawn < 93)
        send_queued(run);
    else if (drawn < 98)
        step_down(run);
}

/* ---- the servers' lives ---------------------------------------------------------------------- */

static void cure(struct run *run)
{
    if (run->sick < run->fates.nodes.count) {
        sim_set_capacity(run->sim, run->sick, DISK_BYTES);
        sim_set_faults(run->sim, run->sick, &run->fates.faults[run->sick]);
    }
    run->sick = run->fates.nodes.count;
}

/* For a moment a disk has no room, before the server can have seen it coming, or refuses writes. */
static void sicken(struct run *run)
{
    struct sim_faults faults;

    if (run->sick < run->fates.nodes.count) {
        if (chance(run, 1, 4))
            cure(run);
        return;
    }
    if (!chance(run, 1, 30))
        return;
    run->sick = (size_t)below(run, run->fates.nodes.count);
    run->model.sick = true;
    faults = run->fates.faults[run->sick];
    faults.write_error = WRITE_ERROR;
    if (chance(run, 1, 2))
        sim_set_capacity(run->sim, run->sick, FULL_BYTES);
    else
        sim_set_faults(run->sim, run->sick, &faults);
}

static void died(void *context, size_t index)
{
    struct run *run = context;

    if (index == run->sick)
        cure(run);
}

static void connect_somewhere(struct run *run)
{
    if (fates_connect(&run->fates))
        run->fast_next = 0; /* its answers went to the connection before */
}

/* ---- a run ----------------------------------------------------------------------------------- */

static void begin(struct run *run, uint64_t seed, bool loud, uint64_t flaws)
{
    memset(run, 0, sizeof *run);
    run->seed = seed;
    run->report.loud = loud;
    run->model.report = &run->report;
    run->sim = sim_create(seed);
    run->report.sim = run->sim;
    prng_seed(&run->prng, seed ^ UINT64_C(0xfea7));
    fates_init(&run->fates, &run->report, run->sim, &run->prng, chance(run, 1, 2) ? 3 : 1, heard,
               run);
    run->fates.died = died;
    run->fates.rarity = 50;
    run->sick = run->fates.nodes.count;
    run->lone = seed % 2 == 0;
    for (size_t i = 0; i < run->fates.nodes.count; i++)
        run->fates.nodes.at[i].options.sim.stream_flaws = flaws;
}

static void end(struct run *run)
{
    fates_deinit(&run->fates);
    sim_destroy(run->sim);
    sim_client_deinit(&run->fates.client);
}

/* Runs until `done`, doing `step` some times a second while connected. */
static bool until(struct run *run, int64_t most_ns, bool (*done)(struct run *run),
                  void (*step)(struct run *run), const char *what)
{
    int64_t deadline_ns = now(run) + most_ns, again_ns = 0;

    while (!done(run) && report_good(&run->report)) {
        if (now(run) > deadline_ns)
            report_violate(&run->report, "%s does not happen", what);
        if (!sim_client_connected(&run->fates.client)) {
            connect_somewhere(run);
        } else if (now(run) >= again_ns) {
            step(run);
            again_ns = now(run) + 300 * MILLISECOND;
        }
        sim_run(run->sim, 5 * MILLISECOND);
    }
    return report_good(&run->report);
}

/* The queue and its taker may stand alone: then each disk is the only one that holds a message
 * while it is handed over, and each message is confirmed by itself. */
static size_t replicas_of(const struct run *run)
{
    return run->lone && (run->made == ST_Q || run->made == ST_D) ? 1 : run->fates.nodes.count;
}

static void make_consumer(struct run *run)
{
    say(run, "$JS.API.CONSUMER.CREATE.Q.C", "_R.k", "",
        "{\"stream_name\":\"Q\",\"config\":{\"name\":\"C\",\"durable_name\":\"C\","
        "\"deliver_subject\":\"hand.over\",\"ack_policy\":\"flow_control\","
        "\"flow_control\":true,\"idle_heartbeat\":1000000000,\"max_ack_pending\":1}}");
}

static const char *config_of(const struct run *run)
{
    if (run->lone && run->made == ST_D)
        return "\"sources\":[{\"name\":\"Q\",\"consumer\":{\"name\":\"C\","
               "\"deliver_subject\":\"hand.over\"}}]";
    return streams[run->made].config;
}

static void make(struct run *run)
{
    char subject[40], reply[16], body[600];

    if (run->lone && run->made == ST_D && !run->handed) {
        make_consumer(run);
        return;
    }
    snprintf(subject, sizeof subject, "$JS.API.STREAM.CREATE.%s", streams[run->made].name);
    snprintf(reply, sizeof reply, "_R.c%u", run->made);
    snprintf(body, sizeof body, "{\"name\":\"%s\",\"num_replicas\":%zu,\"allow_direct\":true,%s}",
             streams[run->made].name, replicas_of(run), config_of(run));
    say(run, subject, reply, "", body);
}

static bool is_made(struct run *run)
{
    return run->made == ST_COUNT;
}

/* What flows from stream to stream has flown, and no schedule and no end is open. */
static bool is_settled(struct run *run)
{
    for (unsigned i = 0; i < ST_COUNT; i++) {
        if (!run->told[i])
            return false;
    }
    return run->messages[ST_T] == run->messages[ST_A] + run->messages[ST_B] &&
           run->last[ST_M] == run->last[ST_A] && run->messages[ST_Q] == 0 &&
           run->messages[ST_D] == run->last[ST_Q];
}

static void look(struct run *run)
{
    for (unsigned i = 0; i < ST_COUNT; i++) {
        char subject[40], reply[16];

        run->told[i] = false;
        snprintf(subject, sizeof subject, "$JS.API.STREAM.INFO.%s", streams[i].name);
        snprintf(reply, sizeof reply, "_R.i%u", i);
        say(run, subject, reply, "", "");
    }
}

static unsigned current_stream; /* that is read */

static bool is_read(struct run *run)
{
    return run->reading >= run->last[current_stream];
}

static void get_some(struct run *run)
{
    uint64_t last = run->last[current_stream];

    for (uint64_t n = run->reading + 1; n <= last && n <= run->reading + AT_ONCE; n++) {
        char subject[60], reply[40], body[40];

        snprintf(subject, sizeof subject, "$JS.API.DIRECT.GET.%s", streams[current_stream].name);
        snprintf(reply, sizeof reply, "_R.g%u.%llu", current_stream, (unsigned long long)n);
        snprintf(body, sizeof body, "{\"seq\":%llu}", (unsigned long long)n);
        say(run, subject, reply, "", body);
    }
}

static void conclude(struct run *run)
{
    cure(run);
    fates_calm(&run->fates);
    sim_run(run->sim, 8 * SECOND); /* what ends has ended, what is scheduled has fired */
    if (!until(run, SETTLE_NS, is_settled, look, "what flows from stream to stream"))
        return;
    sim_run(run->sim, 5 * SECOND); /* leaders that came late did so, too */
    look(run);
    sim_run(run->sim, SECOND);
    if (!until(run, SETTLE_NS, is_settled, look, "rest"))
        return;
    features_begin(&run->model);
    for (current_stream = 0; current_stream < ST_COUNT; current_stream++) {
        run->reading = 0;
        if (!until(run, SETTLE_NS, is_read, get_some, "reading a stream"))
            return;
    }
    features_end(&run->model);
}

static struct {
    uint64_t things, crashes;
} totals;

static bool run_seed(uint64_t seed, bool loud, const struct runner_flaw *flaw)
{
    static struct run run;
    bool good;

    begin(&run, seed, loud, flaw->stream);
    fates_start(&run.fates, true);
    if (until(&run, MADE_NS, is_made, make, "the streams")) {
        for (int i = 0; i < ACTIONS && report_good(&run.report); i++) {
            sim_run(run.sim, (int64_t)below(&run, 30 * MILLISECOND));
            sicken(&run);
            fates_live(&run.fates);
            if (sim_client_connected(&run.fates.client))
                act(&run);
            else
                connect_somewhere(&run);
        }
        if (report_good(&run.report))
            conclude(&run);
    }
    good = report_good(&run.report);
    if (loud || !good)
        printf("seed %llu: %s (%zu nodes, %u things, %u crashes)\n", (unsigned long long)seed,
               good ? "good" : run.report.violation, run.fates.nodes.count, run.model.count,
               run.fates.crashes);
    totals.things += run.model.count;
    totals.crashes += run.fates.crashes;
    end(&run);
    return good;
}

/* ---- main ------------------------------------------------------------------------------------ */

static const struct runner_flaw flaws[] = {
    {"COUNTER_WHOLE", "a counter from a source is added whole, not what it has moved by",
     STREAM_FLAW_COUNTER_WHOLE, 0},
    {"COUNTER_KEPT", "a counter that never came to be is added to", STREAM_FLAW_COUNTER_KEPT, 0},
    {"POSITION_LOST", "what was taken from a source is not remembered", STREAM_FLAW_POSITION_LOST,
     0},
    {"HAND_OVER_SKIPS", "who leads anew passes over the first message that it is handed",
     STREAM_FLAW_HAND_OVER_SKIPS, 0},
    {"HANDED_OVER_EARLY", "what is handed over is confirmed before it is applied",
     STREAM_FLAW_HANDED_OVER_EARLY, 0},
    {"FAST_GAP", "a fast batch goes on behind a gap that was to end it", STREAM_FLAW_FAST_GAP, 0},
    {"BATCH_HALF", "of an atomic batch that is refused, what came before the reason stays",
     STREAM_FLAW_BATCH_HALF, 0},
    {"BLOCK_WITHOUT_ENDS", "when messages end is not in the state block",
     STREAM_FLAW_BLOCK_WITHOUT_ENDS, 0},
    {"BLOCK_WITHOUT_SCHEDULES", "when schedules fire is not in the state block",
     STREAM_FLAW_BLOCK_WITHOUT_SCHEDULES, 0},
    {"SCHEDULE_KEPT", "a schedule that has fired for good is not removed",
     STREAM_FLAW_SCHEDULE_KEPT, 0},
};

static void tell(void)
{
    printf(", %llu publishes and batches, %llu crashes", (unsigned long long)totals.things,
           (unsigned long long)totals.crashes);
}

int main(int argc, char **argv)
{
    static const struct runner runner = {
        .name = "sim_features",
        .run = run_seed,
        .tell = tell,
        .flaws = flaws,
        .flaw_count = sizeof flaws / sizeof flaws[0],
    };

    return runner_main(&runner, argc, argv);
}
