/*
 * sim_removals: one stream that loses messages, by limits per subject, in number and by age, by
 * purges of every form and by deletions, with old messages discarded or new ones refused as drawn,
 * on one server or three, while servers die at any disk operation and leaders step down. What a
 * client sees meanwhile, and the whole stream in the end, are checked against a model that knows
 * nothing of the server (removals_model.h); all replicas must end with the same.
 *
 *     sim_removals --seed N [--flaw NAME] | --seconds N [--from S] | --flaws --seconds N
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/jetstream/catalogue.h"
#include "server/jetstream/jetstream_priv.h"
#include "server/stream/flaws.h"
#include "server/stream/stream.h"
#include "tests/sim/base64.h"
#include "tests/sim/fates.h"
#include "tests/sim/leaks.h"
#include "tests/sim/removals_model.h"
#include "tests/sim/runner.h"
#include "tests/sim/words.h"

#define MILLISECOND INT64_C(1000000)
#define SECOND      INT64_C(1000000000)
#define ACTIONS     500
#define MADE_NS     (60 * SECOND)
#define SETTLE_NS   (60 * SECOND)
#define QUIET_NS    (8 * SECOND) /* more than a server lets a message wait for a leader */
#define AT_ONCE     40u          /* gets under way */
#define PADDING     300u
#define FRESH       8u
#define ULL(number) ((unsigned long long)(number))

struct run {
    uint64_t seed;
    struct report report;
    struct sim *sim;
    struct prng prng;
    struct fates fates; /* of the servers, and of the client's connection */
    struct removals_model model;
    char config[300];
    bool made, informed;
    int64_t joined_ns;       /* until then one is cut off from the others; 0: none is */
    uint64_t messages, last; /* as INFO said */
};

static struct {
    uint64_t published, removals, refused, missing, crashes;
} totals;

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
    bool full = says(message->payload, "maximum messages exceeded");
    bool subject_full = says(message->payload, "maximum messages per subject exceeded");

    if (full || subject_full)
        removals_refused(&run->model, id, subject_full, now(run));
    else if (!says(message->payload, "\"error\"") && says(message->payload, "\"seq\":"))
        removals_stored(&run->model, id, number_of(message->payload, "\"seq\":"), now(run));
    totals.refused += full || subject_full;
}

static void heard_get(struct run *run, uint64_t sequence, int64_t asked_ns,
                      const struct client_message *message)
{
    struct removals_look look = {.sequence = sequence, .asked_ns = asked_ns, .now_ns = now(run)};
    struct bytes subject = behind(message->payload, "\"subject\":\"s.");
    uint8_t payload[PADDING + 32] = {0};

    if (says(message->payload, "\"err_code\":10037")) { /* no message found */
        removals_missing(&run->model, &look);
        totals.missing++;
    }
    if (says(message->payload, "\"error\"") || subject.size == 0)
        return; /* nobody leads */
    look.subject = (unsigned)(subject.at[0] - '0');
    look.size = (unsigned)base64_decode(behind(message->payload, "\"data\":\""), payload,
                                        sizeof payload - 1);
    if (sscanf((const char *)payload, "m%u.", &look.id) != 1 ||
        number_of(message->payload, "\"seq\":") != sequence)
        look.id = 0;
    removals_found(&run->model, &look);
}

static void heard_info(struct run *run, const struct client_message *message)
{
    if (!says(message->payload, "\"state\":"))
        return;
    run->messages = number_of(message->payload, "\"messages\":");
    run->last = number_of(message->payload, "\"last_seq\":");
    run->informed = true;
}

static void heard(void *context, const struct client_message *message)
{
    struct run *run = context;
    char subject[80] = {0};
    unsigned long long number;
    long long asked_ns;

    memcpy(subject, message->subject.at, message->subject.size < 79 ? message->subject.size : 79);
    if (sscanf(subject, "_R.p%llu", &number) == 1)
        heard_publish(run, (unsigned)number, message);
    else if (sscanf(subject, "_R.g%llu.%lld", &number, &asked_ns) == 2)
        heard_get(run, number, asked_ns, message);
    else if (sscanf(subject, "_R.u%llu", &number) == 1 &&
             says(message->payload, "\"success\":true"))
        removals_done(&run->model, (unsigned)number, now(run));
    else if (strcmp(subject, "_R.i") == 0)
        heard_info(run, message);
    else if (strcmp(subject, "_R.c") == 0)
        run->made |= says(message->payload, "\"config\":");
}

/* ---- what is said ---------------------------------------------------------------------------- */

static void say(struct run *run, const char *subject, const char *reply, const char *payload)
{
    report_say(&run->report, "> %s %s %.60s", subject, reply, payload);
    sim_client_publish(&run->fates.client, subject, reply, "", bytes_of_text(payload));
}

static void publish(struct run *run)
{
    unsigned subject = (unsigned)below(run, REMOVALS_SUBJECTS), id = run->model.sent + 1;
    char to[16], reply[24], payload[PADDING + 32];
    int size = snprintf(payload, sizeof payload, "m%u.%0*u", id, (int)(1 + below(run, PADDING)), 0);

    if (removals_sent(&run->model, subject, (unsigned)size, now(run)) == 0)
        return;
    snprintf(to, sizeof to, "s.%u", subject);
    snprintf(reply, sizeof reply, "_R.p%u", id);
    say(run, to, reply, payload);
    totals.published++;
}

static void ask_removal(struct run *run, const struct removal *removal, const char *subject,
                        const char *body)
{
    unsigned number = removals_asked(&run->model, removal);
    char reply[24];

    if (number == REMOVALS_MAX)
        return;
    snprintf(reply, sizeof reply, "_R.u%u", number);
    say(run, subject, reply, body);
    totals.removals++;
}

/* Of all or one subject; whole, up to a sequence, or all but the newest. */
static void purge(struct run *run)
{
    struct removal removal = {
        .subject = chance(run, 1, 2) ? REMOVALS_ANY : (unsigned)below(run, REMOVALS_SUBJECTS),
        .asked_ns = now(run)};
    uint64_t drawn = below(run, 10);
    char filter[32] = "", body[100];

    if (drawn < 4)
        removal.below = 1 + below(run, run->model.last + 1);
    else if (drawn < 8)
        removal.keep = 1 + (unsigned)below(run, 6);
    if (removal.subject != REMOVALS_ANY)
        snprintf(filter, sizeof filter, "\"filter\":\"s.%u\"%s", removal.subject,
                 drawn < 8 ? "," : "");
    if (removal.below != 0)
        snprintf(body, sizeof body, "{%s\"seq\":%llu}", filter, ULL(removal.below));
    else if (removal.keep != 0)
        snprintf(body, sizeof body, "{%s\"keep\":%u}", filter, removal.keep);
    else
        snprintf(body, sizeof body, "{%s}", filter);
    ask_removal(run, &removal, "$JS.API.STREAM.PURGE.S", body);
}

static void delete (struct run *run)
{
    struct removal removal = {.asked_ns = now(run)};
    char body[60];

    if (run->model.last == 0)
        return;
    removal.sequence = 1 + below(run, run->model.last);
    snprintf(body, sizeof body, "{\"seq\":%llu}", ULL(removal.sequence));
    ask_removal(run, &removal, "$JS.API.STREAM.MSG.DELETE.S", body);
}

static void get(struct run *run, uint64_t sequence)
{
    char reply[60], body[40];

    snprintf(reply, sizeof reply, "_R.g%llu.%lld", ULL(sequence), (long long)now(run));
    snprintf(body, sizeof body, "{\"seq\":%llu}", ULL(sequence));
    say(run, "$JS.API.STREAM.MSG.GET.S", reply, body);
}

static void step_down(struct run *run)
{
    if (run->fates.nodes.count > 1)
        say(run, "$JS.API.STREAM.LEADER.STEPDOWN.S", "_R.x", "");
}

static void act(struct run *run)
{
    uint64_t drawn = below(run, 100);

    if (drawn < 60)
        publish(run);
    else if (drawn < 66)
        purge(run);
    else if (drawn < 71)
        delete (run);
    else if (drawn < 96 && run->model.last > 0)
        get(run, 1 + below(run, run->model.last));
    else if (drawn < 98)
        step_down(run);
}

/* ---- the network ----------------------------------------------------------------------------- */

static void join(struct run *run)
{
    for (size_t a = 0; a < run->fates.nodes.count; a++) {
        for (size_t b = 0; b < a; b++)
            sim_join(run->sim, a, b);
    }
    run->joined_ns = 0;
}

/* One of three, which may lead, is cut off for a while; its clients are not. */
static void part(struct run *run)
{
    size_t alone;

    if (run->joined_ns != 0 && now(run) >= run->joined_ns)
        join(run);
    if (run->joined_ns != 0 || run->fates.nodes.count == 1 || !chance(run, 1, 60))
        return;
    alone = (size_t)below(run, run->fates.nodes.count);
    report_say(&run->report, "n%zu is cut off", alone + 1);
    for (size_t i = 0; i < run->fates.nodes.count; i++) {
        if (i != alone)
            sim_part(run->sim, i, alone);
    }
    run->joined_ns = now(run) + (int64_t)below(run, 4000) * MILLISECOND;
}

/* ---- a run ----------------------------------------------------------------------------------- */

/* Ages are longer than all is read in the end. */
static void draw_config(struct run *run)
{
    static const unsigned subjects[] = {0, 1, 3, 10}, totals_of[] = {0, 0, 5, 20};
    struct removals_limits limits = {.per_subject = subjects[below(run, 4)],
                                     .total = totals_of[below(run, 4)],
                                     .age_ns = chance(run, 1, 3) ? 3 * SECOND : 0,
                                     .refuses = chance(run, 1, 2)};

    limits.refuses_subject = limits.refuses && limits.per_subject != 0 && chance(run, 1, 2);
    removals_init(&run->model, &run->report, &limits);
    snprintf(run->config, sizeof run->config,
             "{\"name\":\"S\",\"subjects\":[\"s.*\"],\"num_replicas\":%zu,"
             "\"max_msgs_per_subject\":%d,\"max_msgs\":%d,\"max_age\":%lld,"
             "\"duplicate_window\":1000000000,\"discard\":\"%s\",\"discard_new_per_subject\":%s}",
             run->fates.nodes.count, limits.per_subject != 0 ? (int)limits.per_subject : -1,
             limits.total != 0 ? (int)limits.total : -1, (long long)limits.age_ns,
             limits.refuses ? "new" : "old", limits.refuses_subject ? "true" : "false");
}

static void begin(struct run *run, uint64_t seed, bool loud, uint64_t flaws)
{
    memset(run, 0, sizeof *run);
    run->seed = seed;
    run->report.loud = loud;
    run->sim = sim_create(seed);
    run->report.sim = run->sim;
    prng_seed(&run->prng, seed ^ UINT64_C(0x9e40));
    fates_init(&run->fates, &run->report, run->sim, &run->prng, chance(run, 2, 3) ? 3 : 1, heard,
               run);
    run->fates.rarity = 50;
    for (size_t i = 0; i < run->fates.nodes.count; i++)
        run->fates.nodes.at[i].options.sim.stream_flaws = flaws;
    draw_config(run);
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
            (void)fates_connect(&run->fates);
        } else if (now(run) >= again_ns) {
            step(run);
            again_ns = now(run) + 100 * MILLISECOND;
        }
        sim_run(run->sim, 5 * MILLISECOND);
    }
    return report_good(&run->report);
}

static bool is_made(struct run *run)
{
    return run->made;
}

static void make(struct run *run)
{
    say(run, "$JS.API.STREAM.CREATE.S", "_R.c", run->config);
}

static bool is_informed(struct run *run)
{
    return run->informed;
}

static void look(struct run *run)
{
    say(run, "$JS.API.STREAM.INFO.S", "_R.i", "");
}

static uint64_t unread(const struct run *run, uint64_t from)
{
    while (from <= run->last && run->model.stored[from].read)
        from++;
    return from;
}

static bool is_read(struct run *run)
{
    return unread(run, 1) > run->last;
}

static void get_some(struct run *run)
{
    unsigned asked = 0;

    for (uint64_t n = 1; (n = unread(run, n)) <= run->last && asked < AT_ONCE; n++, asked++)
        get(run, n);
}

/* What each replica has applied, against what INFO says of the one that leads. */
static bool are_level(struct run *run)
{
    for (size_t i = 0; i < run->fates.nodes.count; i++) {
        struct jetstream *jetstream = nodes_jetstream(&run->fates.nodes, i);
        struct catalogue_entry *entry =
            jetstream == NULL ? NULL
                              : catalogue_named(&jetstream->catalogue, BYTES("$G"), BYTES("S"));
        const struct stream_state *state =
            entry == NULL || entry->stream == NULL ? NULL : stream_applied(entry->stream);

        if (state == NULL || stream_state_messages(state) != run->messages ||
            state->last_seq != run->last)
            return false;
    }
    return run->informed;
}

/* False: a promise was broken. */
static bool read_whole(struct run *run)
{
    run->informed = false;
    if (!until(run, SETTLE_NS, is_informed, look, "an answer to INFO"))
        return false;
    if (run->last > REMOVALS_PUBLISHES) {
        report_violate(&run->report, "R6: it ends at %llu", ULL(run->last));
        return false;
    }
    removals_begin(&run->model);
    if (!until(run, SETTLE_NS, is_read, get_some, "reading the stream"))
        return false;
    removals_end(&run->model, run->messages, run->last, now(run));
    return report_good(&run->report) &&
           until(run, SETTLE_NS, are_level, look, "the same state on all replicas");
}

/* Leaders change while messages become too old, often just as that is decided: who leads next has
 * to know what is due. */
static void hurry(struct run *run)
{
    int64_t until_ns = now(run) + run->model.limits.age_ns + SECOND;

    while (now(run) < until_ns) {
        sim_run(run->sim, (int64_t)below(run, 60 * MILLISECOND));
        part(run);
        if (chance(run, 1, 10))
            step_down(run);
        else if (chance(run, 1, 3))
            publish(run);
    }
    join(run);
}

static void conclude(struct run *run)
{
    join(run);
    fates_calm(&run->fates);
    sim_run(run->sim, QUIET_NS);
    if (!until(run, SETTLE_NS, is_informed, look, "an answer to INFO"))
        return;
    for (unsigned i = 0; i < FRESH; i++)
        publish(run); /* so that something is there whatever ages */
    sim_run(run->sim, SECOND);
    if (read_whole(run) && run->model.limits.age_ns != 0) {
        hurry(run);
        sim_run(run->sim, run->model.limits.age_ns + QUIET_NS);
        (void)read_whole(run);
    }
}

static bool run_seed(uint64_t seed, bool loud, const struct runner_flaw *flaw)
{
    static struct run run;
    bool good;

    begin(&run, seed, loud, flaw->stream);
    fates_start(&run.fates, true);
    if (until(&run, MADE_NS, is_made, make, "the stream")) {
        for (int i = 0; i < ACTIONS && report_good(&run.report); i++) {
            sim_run(run.sim, (int64_t)below(&run, 30 * MILLISECOND));
            part(&run);
            fates_live(&run.fates);
            if (sim_client_connected(&run.fates.client))
                act(&run);
            else
                (void)fates_connect(&run.fates);
        }
        if (report_good(&run.report))
            conclude(&run);
    }
    good = report_good(&run.report);
    if (loud || !good)
        printf("seed %llu: %s (%zu nodes, %u published, %u removals, %u crashes)\n  %s\n",
               ULL(seed), good ? "good" : run.report.violation, run.fates.nodes.count,
               run.model.sent, run.model.asked, run.fates.crashes, run.config);
    totals.crashes += run.fates.crashes;
    end(&run);
    return good;
}

/* ---- main ------------------------------------------------------------------------------------ */

static const struct runner_flaw flaws[] = {
    {"REMOVAL_CUT_SHORT", "a large removal ends with what one turn has time for",
     STREAM_FLAW_REMOVAL_CUT_SHORT, 0},
    {"SEQUENCE_REUSED", "an emptied stream starts again behind its last removed message",
     STREAM_FLAW_SEQUENCE_REUSED, 0},
    {"LIMIT_APPLIED", "discard new counts the applied messages only", STREAM_FLAW_LIMIT_APPLIED, 0},
    {"LIMIT_IN_DECIDE", "old messages are discarded when the new one is decided",
     STREAM_FLAW_LIMIT_IN_DECIDE, 0},
    {"LIMIT_OVERCOUNTED", "discard new refuses although a removal in flight makes room",
     STREAM_FLAW_LIMIT_OVERCOUNTED, 0},
    {"EXPIRY_STUCK", "an expiry that came to nothing counts as under way for ever",
     STREAM_FLAW_EXPIRY_STUCK, 0},
    {"FILL_WITHOUT_RECORDS", "a state is taken from another replica without its messages",
     STREAM_FLAW_FILL_WITHOUT_RECORDS, 0},
};

static void tell(void)
{
    printf(", %llu publishes (%llu refused), %llu removals, %llu looks at what is not there, %llu "
           "crashes",
           ULL(totals.published), ULL(totals.refused), ULL(totals.removals), ULL(totals.missing),
           ULL(totals.crashes));
}

int main(int argc, char **argv)
{
    static const struct runner runner = {
        .name = "sim_removals",
        .run = run_seed,
        .tell = tell,
        .flaws = flaws,
        .flaw_count = sizeof flaws / sizeof flaws[0],
    };

    return runner_main(&runner, argc, argv);
}
