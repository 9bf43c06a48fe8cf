/*
 * sim_consumers: one consumer of one stream, of every retention and with drawn limits, on one
 * server or three, and a client that publishes, fetches, acks, refuses, ends, extends and forgets,
 * while messages are deleted and purged, servers die at any disk operation, leaders change and
 * clocks jump. What it sees is checked against a model that knows nothing of the server
 * (consumer_model.h); in the end the stream is audited for leftovers.
 *
 *     sim_consumers --seed N [--flaw NAME] | --seconds N | --flaws --seconds N
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "consumers/flaws.h"
#include "server/jetstream/catalogue.h"
#include "server/jetstream/jetstream_priv.h"
#include "server/stream/audit.h"
#include "server/stream/flaws.h"
#include "server/stream/stream.h"
#include "tests/sim/consumer_lives.h"
#include "tests/sim/consumer_model.h"
#include "tests/sim/fates.h"
#include "tests/sim/leaks.h"
#include "tests/sim/runner.h"
#include "tests/sim/words.h"

#define MILLISECOND INT64_C(1000000)
#define SECOND      INT64_C(1000000000)
#define STALLS      200000u /* of a million: what stalls, and what is not in memory */
#define UNREAD      500000u
#define ACTIONS     700
#define PUBLISH_MAX 400u
#define SID_FIRST   1000u /* of the requests' subscriptions */
#define MADE_NS     (60 * SECOND)
#define DRAINED_NS  (180 * SECOND)
#define ROUNDS_MAX  5u

struct run {
    uint64_t seed;
    struct report report;
    struct sim *sim;
    struct prng prng;
    struct fates fates; /* of the servers, and of the client's connection */
    struct model model;
    struct lives lives; /* of other consumers, of a stream L */
    bool stream_made, consumer_made, lives_made, listed, delays;
    unsigned published, pulls, removals;
    unsigned subjects[PUBLISH_MAX + 1];
    bool answered[PUBLISH_MAX + 1];
    bool informed, counted;
    struct model_info info;
    uint64_t messages;
    char stream_config[300], consumer_config[500];
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

static void heard_publish(struct run *run, unsigned id, const struct client_message *message)
{
    uint64_t sequence = number_of(message->payload, "\"seq\":");

    if (id > run->published || run->answered[id] || says(message->payload, "\"error\"") ||
        sequence == 0)
        return;
    run->answered[id] = true;
    model_stored(&run->model, sequence, run->subjects[id]);
}

static void heard_delivery(struct run *run, unsigned pull, const struct client_message *message)
{
    struct model_delivery delivery = {.pull = pull, .now_ns = now(run)};
    char reply[120] = {0};
    unsigned long long sequence;
    unsigned id;

    if (message->reply.size == 0 || message->reply.size >= sizeof reply)
        return; /* a status */
    memcpy(reply, message->reply.at, message->reply.size);
    if (sscanf(reply, "$JS.ACK.S.C.%u.%llu.", &delivery.count, &sequence) != 2 ||
        sscanf((const char *)message->payload.at, "m%u.%u.", &id, &delivery.subject) != 2) {
        report_violate(&run->report, "an unknown delivery: %s", reply);
        return;
    }
    delivery.sequence = sequence;
    delivery.reply = reply;
    report_say(&run->report, "< %s for request %u", reply, pull);
    (void)model_delivered(&run->model, &delivery);
}

static void heard_given_up(struct run *run, const struct client_message *message)
{
    uint64_t sequence = number_of(message->payload, "\"stream_seq\":");
    uint64_t deliveries = number_of(message->payload, "\"deliveries\":");

    report_say(&run->report, "< %llu is given up after %llu deliveries",
               (unsigned long long)sequence, (unsigned long long)deliveries);
    model_given_up(&run->model, sequence, (unsigned)deliveries);
}

static void heard_info(struct run *run, const struct client_message *message)
{
    if (says(message->payload, "\"error\""))
        return;
    run->info = (struct model_info){
        .delivered = number_of(message->payload, "\"stream_seq\":"),
        .floor = number_of(behind(message->payload, "\"stream_seq\":"), "\"stream_seq\":"),
        .pending = number_of(message->payload, "\"num_pending\":"),
        .ack_pending = number_of(message->payload, "\"num_ack_pending\":"),
    };
    run->informed = true;
    model_informed(&run->model, &run->info);
}

static void heard_stream(struct run *run, const struct client_message *message)
{
    if (says(message->payload, "\"error\""))
        return;
    run->messages = number_of(message->payload, "\"messages\":");
    run->counted = true;
}

static void heard_list(struct run *run, const struct client_message *message)
{
    if (says(message->payload, "\"error\"") || message->payload.size == 0)
        return;
    lives_listed(&run->lives, message->payload);
    run->listed = true;
}

/* Each request has a subscription of its own: a delivery has the subject of its message. */
static unsigned sid_of(const struct client_message *message)
{
    uint64_t sid;

    return bytes_read_u64(message->sid, &sid) ? (unsigned)sid : 0;
}

static void heard(void *context, const struct client_message *message)
{
    struct run *run = context;
    char subject[64] = {0};
    unsigned long long number;

    memcpy(subject, message->subject.at, message->subject.size < 63 ? message->subject.size : 63);
    if (bytes_starts(message->subject, BYTES("$JS.EVENT.")))
        heard_given_up(run, message);
    else if (sscanf(subject, "_R.n%llu", &number) == 1)
        lives_answered(&run->lives, (unsigned)number, message->payload);
    else if (strcmp(subject, "_R.nl") == 0)
        heard_list(run, message);
    else if (strcmp(subject, "_R.cl") == 0)
        run->lives_made |= !says(message->payload, "\"error\"") && message->payload.size > 0;
    else if (sscanf(subject, "_R.p%llu", &number) == 1)
        heard_publish(run, (unsigned)number, message);
    else if (sid_of(message) >= SID_FIRST)
        heard_delivery(run, sid_of(message) - SID_FIRST, message);
    else if (sscanf(subject, "_R.a%llu", &number) == 1 && message->headers.size == 0)
        model_confirmed(&run->model, number, now(run));
    else if (strcmp(subject, "_R.i") == 0)
        heard_info(run, message);
    else if (strcmp(subject, "_R.s") == 0)
        heard_stream(run, message);
    else if (strcmp(subject, "_R.cs") == 0)
        run->stream_made |= !says(message->payload, "\"error\"") && message->payload.size > 0;
    else if (strcmp(subject, "_R.cc") == 0)
        run->consumer_made |= !says(message->payload, "\"error\"") && message->payload.size > 0;
    if (run->model.violation[0] != 0)
        report_violate(&run->report, "%s", run->model.violation);
    if (run->lives.violation[0] != 0)
        report_violate(&run->report, "%s", run->lives.violation);
}

/* ---- what is said ---------------------------------------------------------------------------- */

static void say(struct run *run, const char *subject, const char *reply, const char *payload)
{
    report_say(&run->report, "> %s %s %.60s", subject, reply, payload);
    sim_client_publish(&run->fates.client, subject, reply, "", bytes_of_text(payload));
}

static void publish(struct run *run)
{
    char subject[16], reply[24], payload[32];
    unsigned id = run->published + 1;

    if (id > PUBLISH_MAX)
        return;
    run->published = id;
    run->subjects[id] = (unsigned)below(run, 2);
    snprintf(subject, sizeof subject, "s.%u", run->subjects[id]);
    snprintf(reply, sizeof reply, "_R.p%u", id);
    snprintf(payload, sizeof payload, "m%u.%u.", id, run->subjects[id]);
    say(run, subject, reply, payload);
}

static void pull(struct run *run, unsigned batch, int64_t expires_ns, bool no_wait)
{
    char reply[24], body[100];
    unsigned id = run->pulls;

    if (id == MODEL_PULLS_MAX)
        return;
    run->pulls++;
    run->model.pulls[id] = (struct model_pull){.batch = batch, .asked_ns = now(run)};
    snprintf(reply, sizeof reply, "_Q.%u", id);
    snprintf(body, sizeof body, "SUB %s %u\r\n", reply, id + SID_FIRST);
    sim_client_say(&run->fates.client, body);
    snprintf(body, sizeof body, "{\"batch\":%u,\"expires\":%lld%s}", batch, (long long)expires_ns,
             no_wait ? ",\"no_wait\":true" : "");
    say(run, "$JS.API.CONSUMER.MSG.NEXT.S.C", reply, body);
}

/* A delivered message without an answer, from a drawn place on; 0: none. */
static uint64_t unanswered(struct run *run)
{
    uint64_t last = run->model.last;
    uint64_t from = last == 0 ? 0 : below(run, last);

    for (uint64_t i = 0; i < last; i++) {
        uint64_t sequence = 1 + (from + i) % last;

        if (run->model.messages[sequence].reply[0] != 0)
            return sequence;
    }
    return 0;
}

static void settle(struct run *run, uint64_t sequence, const char *how, bool confirm)
{
    char to[120], reply[32];

    snprintf(to, sizeof to, "%s", run->model.messages[sequence].reply);
    snprintf(reply, sizeof reply, "_R.a%llu", (unsigned long long)sequence);
    model_acked(&run->model, sequence);
    say(run, to, confirm ? reply : "", how);
}

static void refuse(struct run *run, uint64_t sequence)
{
    int64_t delay_ns =
        run->delays && chance(run, 1, 2) ? (int64_t)(1 + below(run, 2000)) * MILLISECOND : 0;
    char to[120], body[60] = "-NAK";

    snprintf(to, sizeof to, "%s", run->model.messages[sequence].reply);
    if (delay_ns > 0)
        snprintf(body, sizeof body, "-NAK {\"delay\":%lld}", (long long)delay_ns);
    model_refused(&run->model, sequence, now(run), now(run) + delay_ns);
    say(run, to, "", body);
}

static void answer(struct run *run)
{
    uint64_t sequence = unanswered(run), drawn = below(run, 100);

    if (sequence == 0)
        return;
    if (drawn < 60)
        settle(run, sequence, "+ACK", true);
    else if (drawn < 70)
        settle(run, sequence, "", false);
    else if (drawn < 75)
        settle(run, sequence, "+TERM", true);
    else if (drawn < 90)
        refuse(run, sequence);
    else
        say(run, run->model.messages[sequence].reply, "", "+WPI");
}

static void remove_some(struct run *run)
{
    uint64_t sequence = run->model.last == 0 ? 0 : 1 + below(run, run->model.last);
    char body[40];

    if (sequence == 0)
        return;
    run->removals++;
    snprintf(body, sizeof body, "{\"seq\":%llu}", (unsigned long long)sequence);
    if (chance(run, 3, 4)) {
        model_removing(&run->model, sequence, sequence);
        say(run, "$JS.API.STREAM.MSG.DELETE.S", "_R.x", body);
    } else {
        model_removing(&run->model, 1, sequence - 1);
        say(run, "$JS.API.STREAM.PURGE.S", "_R.x", body);
    }
}

static void disturb(struct run *run)
{
    if (run->fates.nodes.count > 1 && chance(run, 1, 2))
        say(run, "$JS.API.STREAM.LEADER.STEPDOWN.S", "_R.x", "");
    else if (run->fates.nodes.count > 1 && chance(run, 1, 2))
        say(run, "$JS.API.META.LEADER.STEPDOWN", "_R.x", "");
    else if (!run->delays)
        sim_jump_wall(run->sim, below(run, run->fates.nodes.count),
                      ((int64_t)below(run, 7200) - 3600) * SECOND);
}

static void live_another(struct run *run)
{
    struct life_request request;

    if (run->lives_made && lives_next(&run->lives, prng_next(&run->prng), &request))
        say(run, request.subject, request.reply, request.payload);
}

static void act(struct run *run)
{
    uint64_t drawn = below(run, 100);

    if (drawn < 28)
        publish(run);
    else if (drawn < 48)
        pull(run, 1 + (unsigned)below(run, 10), (int64_t)(1 + below(run, 3000)) * MILLISECOND,
             chance(run, 1, 4));
    else if (drawn < 85)
        answer(run);
    else if (drawn < 92)
        say(run, "$JS.API.CONSUMER.INFO.S.C", "_R.i", "");
    else if (drawn < 94)
        remove_some(run);
    else if (drawn < 97)
        disturb(run);
    else
        live_another(run);
}

/* ---- the connection -------------------------------------------------------------------------- */

static void connect_somewhere(struct run *run)
{
    if (!fates_connect(&run->fates))
        return;
    lives_lost(&run->lives);
    sim_client_say(&run->fates.client, "SUB $JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.S.C 2\r\n");
}

/* ---- a run ----------------------------------------------------------------------------------- */

static void draw_config(struct run *run)
{
    static const char *const retentions[] = {"limits", "interest", "workqueue"};
    static const unsigned delivers[] = {0, 0, 1, 2, 4}, pendings[] = {0, 1, 3, 20, 1000};
    struct model *model = &run->model;

    model->retention = (enum model_retention)below(run, 3);
    model->clustered = run->fates.nodes.count > 1;
    model->filtered = chance(run, 1, 2);
    model->wait_ns = (int64_t)(500 + below(run, 2500)) * MILLISECOND;
    model->max_deliver = delivers[below(run, 5)];
    model->max_pending = pendings[below(run, 5)];
    run->delays = chance(run, 1, 2);
    snprintf(run->stream_config, sizeof run->stream_config,
             "{\"name\":\"S\",\"subjects\":[\"s.>\"],\"retention\":\"%s\",\"num_replicas\":%zu%s}",
             retentions[model->retention], run->fates.nodes.count,
             chance(run, 1, 6) ? ",\"storage\":\"file\",\"max_msgs\":1000" : "");
    snprintf(run->consumer_config, sizeof run->consumer_config,
             "{\"stream_name\":\"S\",\"config\":{\"durable_name\":\"C\",\"ack_policy\":"
             "\"explicit\",\"ack_wait\":%lld,\"max_deliver\":%d,\"max_ack_pending\":%d%s}}",
             (long long)model->wait_ns, model->max_deliver == 0 ? -1 : (int)model->max_deliver,
             model->max_pending == 0 ? -1 : (int)model->max_pending,
             model->filtered ? ",\"filter_subject\":\"s.0\"" : "");
}

/* Of one server, in one run in four (by the seed alone): what is to be sent is read from a disk
 * that stalls, or goes over a network that does, for longer than a wait for an ack; so deliveries
 * wait to leave, and what is said meets them on their way. */
static void draw_stalls(struct run *run)
{
    struct sim_faults *faults = &run->fates.faults[0];

    if (run->fates.nodes.count > 1 || run->seed % 4 != 3)
        return;
    if (run->seed % 8 == 3) {
        faults->read_now_again = UNREAD;
        faults->read_stall = STALLS;
    } else {
        faults->net_stall = STALLS;
    }
    faults->disk_stall_ns = faults->net_stall_ns = 3 * SECOND;
    sim_set_faults(run->sim, 0, faults);
}

static void begin(struct run *run, uint64_t seed, bool loud, uint64_t consumer_flaws,
                  uint64_t stream_flaws)
{
    *run = (struct run){.seed = seed, .report.loud = loud};
    run->sim = sim_create(seed);
    run->report.sim = run->sim;
    prng_seed(&run->prng, seed ^ UINT64_C(0xc025));
    fates_init(&run->fates, &run->report, run->sim, &run->prng, chance(run, 1, 3) ? 3 : 1, heard,
               run);
    run->fates.rarity = 60;
    draw_stalls(run);
    for (size_t i = 0; i < run->fates.nodes.count; i++) {
        struct options *options = &run->fates.nodes.at[i].options;

        options->sim.consumer_flaws = consumer_flaws;
        options->sim.stream_flaws = stream_flaws;
    }
    draw_config(run);
}

static void end(struct run *run)
{
    fates_deinit(&run->fates);
    sim_destroy(run->sim);
    sim_client_deinit(&run->fates.client);
}

static void make(struct run *run)
{
    char config[100];

    snprintf(config, sizeof config, "{\"name\":\"L\",\"subjects\":[\"l.>\"],\"num_replicas\":%zu}",
             run->fates.nodes.count);
    if (!run->stream_made)
        say(run, "$JS.API.STREAM.CREATE.S", "_R.cs", run->stream_config);
    else if (!run->lives_made)
        say(run, "$JS.API.STREAM.CREATE.L", "_R.cl", config);
    else
        say(run, "$JS.API.CONSUMER.CREATE.S.C", "_R.cc", run->consumer_config);
}

/* Runs until `done`, doing `step` twice a second while connected. */
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
            again_ns = now(run) + 500 * MILLISECOND;
        }
        sim_run(run->sim, 5 * MILLISECOND);
    }
    return report_good(&run->report);
}

static bool is_made(struct run *run)
{
    return run->consumer_made;
}

static bool is_drained(struct run *run)
{
    return run->informed && run->counted && run->info.pending == 0 && run->info.ack_pending == 0 &&
           unanswered(run) == 0;
}

static void drain(struct run *run)
{
    uint64_t sequence;

    while ((sequence = unanswered(run)) != 0)
        settle(run, sequence, "+ACK", true);
    run->informed = run->counted = false;
    if (run->pulls < MODEL_PULLS_MAX)
        pull(run, 50, 400 * MILLISECOND, false);
    say(run, "$JS.API.CONSUMER.INFO.S.C", "_R.i", "");
    say(run, "$JS.API.STREAM.INFO.S", "_R.s", "");
}

static void look(struct run *run)
{
    run->informed = run->counted = run->listed = false;
    say(run, "$JS.API.CONSUMER.INFO.S.C", "_R.i", "");
    say(run, "$JS.API.STREAM.INFO.S", "_R.s", "");
    say(run, "$JS.API.CONSUMER.LIST.L", "_R.nl", "");
}

static bool has_looked(struct run *run)
{
    return run->informed && run->counted && run->listed;
}

static void audit(struct run *run, size_t index)
{
    struct jetstream *jetstream = nodes_jetstream(&run->fates.nodes, index);
    struct catalogue_entry *entry =
        jetstream == NULL ? NULL : catalogue_named(&jetstream->catalogue, BYTES("$G"), BYTES("S"));
    struct stream_audit found;

    if (entry == NULL || entry->stream == NULL)
        return;
    stream_audit(entry->stream, &found);
    if (found.leftovers > 0 || found.shared > 0)
        report_violate(&run->report, "C7, C8: on node %zu %llu of %llu are left over, from %llu on",
                       index, (unsigned long long)found.leftovers,
                       (unsigned long long)found.messages,
                       (unsigned long long)found.leftover_first);
}

/* What was decided as the faults ended may show only now: a message whose publish nobody answered,
 * or one that was handed out by a leader who could not send it any more. It comes in the last
 * round, and is owed an ack as any other. */
static bool all_drained(struct run *run)
{
    for (unsigned round = 0; round < ROUNDS_MAX; round++) {
        if (!until(run, DRAINED_NS, is_drained, drain, "the end of what is pending"))
            return false;
        sim_run(run->sim, 4 * SECOND); /* replicas follow, and what was pulled for has come */
        drain(run);
        sim_run(run->sim, SECOND);
        if (is_drained(run) || !report_good(&run->report))
            return report_good(&run->report);
    }
    report_violate(&run->report, "C6: something is left in each of %u rounds", ROUNDS_MAX);
    return false;
}

static void conclude(struct run *run)
{
    fates_calm(&run->fates);
    lives_lost(&run->lives);
    for (unsigned id = 1; id <= run->published; id++)
        run->model.unknown += !run->answered[id];
    if (!all_drained(run))
        return;
    look(run);
    if (!until(run, MADE_NS, has_looked, look, "a last look"))
        return;
    model_finished(&run->model, &run->info, run->messages);
    if (run->model.violation[0] != 0)
        report_violate(&run->report, "%s", run->model.violation);
    for (size_t i = 0; i < run->fates.nodes.count; i++)
        audit(run, i);
}

static struct {
    uint64_t heard, redelivered, confirmed, crashes, given_up, lives, deaths, refused;
} totals;

static bool run_seed(uint64_t seed, bool loud, const struct runner_flaw *flaw)
{
    static struct run run;
    bool good;

    begin(&run, seed, loud, flaw->consumer, flaw->stream);
    fates_start(&run.fates, true);
    if (until(&run, MADE_NS, is_made, make, "the consumer")) {
        for (int i = 0; i < ACTIONS && report_good(&run.report); i++) {
            sim_run(run.sim, (int64_t)below(&run, 30 * MILLISECOND));
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
        printf("seed %llu: %s (%zu nodes, %u published, %llu delivered, %u crashes)\n  %s\n  %s\n",
               (unsigned long long)seed, good ? "good" : run.report.violation,
               run.fates.nodes.count, run.published, (unsigned long long)run.model.heard,
               run.fates.crashes, run.stream_config, run.consumer_config);
    totals.heard += run.model.heard;
    totals.redelivered += run.model.redelivered;
    totals.confirmed += run.model.confirmed;
    totals.crashes += run.fates.crashes;
    totals.given_up += run.model.given_up;
    totals.lives += run.lives.created;
    totals.deaths += run.lives.deleted;
    totals.refused += run.lives.refused;
    end(&run);
    return good;
}

/* ---- main ------------------------------------------------------------------------------------ */

static const struct runner_flaw flaws[] = {
    {"DELIVER_AT_PROPOSAL", "a message leaves when its hand-out is proposed", 0,
     CONSUMER_FLAW_DELIVER_AT_PROPOSAL},
    {"UNSENT_WAITED", "a wait for an ack ends although the message has not left", 0,
     CONSUMER_FLAW_UNSENT_WAITED},
    {"SETTLED_KEPT", "a work queue keeps what was acknowledged", STREAM_FLAW_SETTLED_KEPT, 0},
    {"BLOCK_WITHOUT_CONSUMERS", "what consumers have pending is not in the state block",
     STREAM_FLAW_BLOCK_WITHOUT_CONSUMERS, 0},
};

static void tell(void)
{
    printf(", %llu deliveries (%llu again), %llu confirmed acks, %llu crashes, %llu given up; %llu "
           "other consumers made, %llu deleted, %llu changes refused",
           (unsigned long long)totals.heard, (unsigned long long)totals.redelivered,
           (unsigned long long)totals.confirmed, (unsigned long long)totals.crashes,
           (unsigned long long)totals.given_up, (unsigned long long)totals.lives,
           (unsigned long long)totals.deaths, (unsigned long long)totals.refused);
}

int main(int argc, char **argv)
{
    static const struct runner runner = {
        .name = "sim_consumers",
        .run = run_seed,
        .tell = tell,
        .flaws = flaws,
        .flaw_count = sizeof flaws / sizeof flaws[0],
    };

    return runner_main(&runner, argc, argv);
}
