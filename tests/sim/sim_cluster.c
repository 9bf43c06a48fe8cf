/*
 * sim_cluster: a cluster of whole servers, each on a simulated node with a disk and a network of
 * its own, model clients that speak the real protocol to any of them, and faults of every kind the
 * simulator knows. One seed is one run; equal seeds give equal traces. A run ends with a time
 * without faults, in which everything has to come back, and everything is compared.
 *
 *     sim_cluster --seed N              one run, with its story
 *     sim_cluster --seconds N [--from S] seeds from S on for that long
 *     sim_cluster --calm ...            without faults
 *     sim_cluster --seed N --minimise   the smallest run of a failing seed that fails the same way
 *     sim_cluster --limit NAME=N ...    with less of something (limits.h; what --minimise tells)
 *     sim_cluster --evicts ...          a failed sync's pages leave the cache (docs/testing.md)
 *     sim_cluster --script NAME ...     beginning with that scene (cluster_scripts.h)
 *     sim_cluster --flaws --seconds N   every seeded bug must be found, each in that time
 *     sim_cluster --flaw NAME ...       with that bug
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/sim/cluster_faults.h"
#include "tests/sim/cluster_flaws.h"
#include "tests/sim/cluster_scripts.h"
#include "tests/sim/cluster_stage.h"
#include "tests/sim/cluster_user.h"
#include "tests/sim/ending.h"
#include "tests/sim/hunt.h"
#include "tests/sim/limits.h"

#define USERS_MAX 4u

#define SEED_SECONDS_MAX   100u /* of real time: the world stands still */
#define FLAWED_SECONDS_MAX 20u

#define MINIMISE_SECONDS 300.0 /* of real time, at most */

#define FORMED_NS  (10 * SECOND) /* a fresh cluster without faults is there */
#define LEADERS_NS (3 * SECOND)  /* after faults have ended; nearly always 3 */
#define SERVED_NS  (5 * SECOND)
#define LEVEL_NS   (30 * SECOND)
#define WHOLE_NS   (100 * SECOND)
#define QUIET_NS   (4 * SECOND) /* nothing is delivered for so long: nothing is left */

/* Names of limits, and of faults behind them. */
enum {
    LIMIT_CHAOS_MS,
    LIMIT_SCRIPT,
    LIMIT_STREAMS,
    LIMIT_USERS,
    LIMIT_NODES,
    LIMIT_EVERYDAY,
    LIMIT_FAULT
};

#define CHAOS_LEAST (3 * SECOND)
#define CHAOS_MORE  (15 * SECOND)

static const struct limit limit_table[] = {
    {"chaos_ms", (CHAOS_LEAST + CHAOS_MORE) / MILLISECOND, 0},
    {"script", 1, 0},
    {"streams", SCENE_STREAMS_MAX, 1},
    {"users", USERS_MAX, 1},
    {"nodes", NODES_MAX, 3},
    {"everyday", 1, 0}, /* slow disks and networks, operations in pieces */
#define FAULT_LIMIT(name, text, most) {text, 1, 0},
    FAULT_TABLE(FAULT_LIMIT)
#undef FAULT_LIMIT
};

struct settings {
    bool loud, calm, evicts;
    unsigned nodes;                  /* 0: drawn */
    int64_t chaos_ns;                /* 0: drawn */
    enum script script;              /* NONE: drawn */
    const struct cluster_flaw *flaw; /* NULL: none */
    struct limits limits;
};

struct run {
    const struct settings *settings;
    uint64_t seed;
    struct report report;
    struct sim *sim;
    struct prng prng; /* the driver's own: what it does does not depend on the world's draws */
    struct nodes nodes;
    struct truth truth;
    struct faults faults;
    struct scene scene;
    struct user users[USERS_MAX];
    unsigned user_count;
    enum script script;
    bool memory; /* some streams are in memory */
    bool hurry;  /* waits are for one answer after the other */
};

/* ---- a run ---------------------------------------------------------------------------------- */

static uint64_t handed_out(void *context, unsigned stream)
{
    struct run *run = context;
    char name[8];

    snprintf(name, sizeof name, "S%u", stream);
    return truth_handed_out(&run->truth, name, "C");
}

static size_t leader(void *context, unsigned stream)
{
    struct run *run = context;
    char name[8];

    snprintf(name, sizeof name, "S%u", stream);
    return truth_leader(&run->truth, name);
}

static bool moves(enum script script)
{
    return script == SCRIPT_MOVE || script == SCRIPT_FORGET;
}

/* With one replica the loss of its disk is the loss of it. */
static void draw_stream(struct run *run, unsigned number)
{
    struct scene_stream *stream = &run->scene.streams[number];

    stream->replicas = run->nodes.count < 3 ? 1 : 3;
    if (run->nodes.count == 5 && prng_chance(&run->prng, 1, 2))
        stream->replicas = 5;
    if (number > 0 && run->faults.mix[FAULT_WIPE] == 0 && prng_chance(&run->prng, 1, 3) &&
        run->script != SCRIPT_GONE && run->script != SCRIPT_EMPTY)
        stream->replicas = 1;
    if (moves(run->script))
        stream->replicas = prng_chance(&run->prng, 1, 2) ? 1 : 3;
    stream->removals = prng_chance(&run->prng, 1, 3);
    stream->memory = run->memory && stream->replicas >= 3 && prng_chance(&run->prng, 2, 3);
    if (moves(run->script))
        stream->memory = run->memory && prng_chance(&run->prng, 2, 3);
}

static uint64_t limited(const struct run *run, unsigned limit, uint64_t drawn)
{
    uint64_t most = run->settings->limits.at[limit];

    return drawn < most ? drawn : most;
}

static void limit_faults(struct run *run)
{
    for (unsigned i = 0; i < FAULT_COUNT; i++)
        run->faults.off[i] = run->settings->limits.at[LIMIT_FAULT + i] == 0;
    if (run->settings->limits.at[LIMIT_EVERYDAY] == 0)
        faults_calm_down(&run->faults);
}

static bool needs_single(enum script script)
{
    return script == SCRIPT_CHANGE || script == SCRIPT_SCALE || script == SCRIPT_LEFT;
}

static void draw_scene(struct run *run)
{
    uint64_t count =
        prng_chance(&run->prng, 1, 2) ? 1 : 1 + prng_below(&run->prng, SCENE_STREAMS_MAX);

    count = limited(run, LIMIT_STREAMS, count);
    if ((needs_single(run->script) || moves(run->script)) && count < 2)
        count = 2;
    scene_init(&run->scene, &run->report, run->sim, &run->nodes, &run->prng, (unsigned)count);
    run->scene.handed_out = handed_out;
    run->scene.leader = leader;
    run->scene.context = run;
    run->memory = run->script == SCRIPT_NONE && prng_chance(&run->prng, 1, 4);
    if (moves(run->script)) { /* it has faults of its own */
        faults_leave_out(&run->faults);
        run->memory = prng_chance(&run->prng, 1, 2);
    } else if (run->memory) {
        faults_spare_memory(&run->faults);
    }
    for (unsigned i = 0; i < run->scene.stream_count; i++)
        draw_stream(run, i);
    if (needs_single(run->script)) { /* it is played with a stream of one replica */
        run->scene.streams[1].replicas = 1;
        run->faults.mix[FAULT_WIPE] = 0;
    }
}

static void begin(struct run *run, const struct settings *settings, uint64_t seed)
{
    *run = (struct run){.settings = settings, .seed = seed};
    ending_seed(seed);
    alarm(settings->flaw != NULL ? FLAWED_SECONDS_MAX : SEED_SECONDS_MAX);
    run->sim = sim_create(seed);
    run->report = (struct report){.sim = run->sim, .loud = settings->loud};
    prng_seed(&run->prng, seed ^ UINT64_C(0xc105));
    nodes_init(&run->nodes, &run->report, run->sim, &run->prng,
               settings->nodes > 0
                   ? settings->nodes
                   : limited(run, LIMIT_NODES,
                             prng_chance(&run->prng, moves(settings->script) ? 4 : 1, 6) ? 5 : 3));
    run->nodes.lanes = seed % 4 == 2;
    if (seed % 4 == 3)
        nodes_shard(&run->nodes, 2);
    run->nodes.away = seed % 8 == 3;
    run->script = settings->script;
    if (run->script == SCRIPT_NONE && !settings->calm && prng_chance(&run->prng, 1, 2))
        run->script = (enum script)(1 + prng_below(&run->prng, SCRIPT_DRAWN - 1));
    if (settings->script == SCRIPT_NONE && run->script == SCRIPT_MOVE &&
        prng_chance(&run->prng, 1, 2))
        run->script = SCRIPT_FORGET;
    if (settings->script == SCRIPT_NONE && run->script == SCRIPT_SCALE &&
        prng_chance(&run->prng, 1, 2))
        run->script = SCRIPT_LEFT;
    if (settings->script == SCRIPT_NONE && run->script == SCRIPT_GONE &&
        prng_chance(&run->prng, 1, 2))
        run->script = SCRIPT_EMPTY;
    /* Not drawn: what other seeds do stays what it was. */
    if (settings->script == SCRIPT_NONE && run->script == SCRIPT_EMPTY && seed % 3 == 0)
        run->script = SCRIPT_SWAPPED;
    if (settings->script == SCRIPT_NONE && run->script == SCRIPT_SHORT && seed % 3 == 0)
        run->script = SCRIPT_AGAIN;
    if (settings->limits.at[LIMIT_SCRIPT] == 0)
        run->script = SCRIPT_NONE;
    script_prepare(run->script, &run->nodes);
    for (size_t i = 0; i < run->nodes.count; i++)
        cluster_flaw_set(settings->flaw, &run->nodes.at[i].options);
    truth_init(&run->truth, &run->report, &run->nodes);
    faults_init(&run->faults, &run->report, run->sim, &run->nodes, &run->truth, &run->prng,
                settings->calm);
    run->faults.evicts = settings->evicts;
    run->truth.evicts = settings->evicts;
    limit_faults(run);
    draw_scene(run);
    run->user_count = (unsigned)limited(run, LIMIT_USERS, 1 + prng_below(&run->prng, USERS_MAX));
    if (run->script != SCRIPT_NONE && run->user_count < 2)
        run->user_count = 2;
    for (unsigned i = 0; i < run->user_count; i++)
        user_init(&run->users[i], &run->scene, i);
}

static void end(struct run *run)
{
    nodes_deinit(&run->nodes);
    sim_destroy(run->sim);
    for (unsigned i = 0; i < run->user_count; i++)
        user_deinit(&run->users[i]);
    scene_deinit(&run->scene);
    truth_deinit(&run->truth);
}

static void pass(struct run *run, int64_t ns)
{
    sim_run(run->sim, ns);
    truth_look(&run->truth);
}

static const char *not_formed(struct run *run)
{
    bool all = true;

    for (unsigned i = 0; i < run->user_count; i++)
        all = user_connected(&run->users[i]) && user_set_up(&run->users[i]) && all;
    return all ? truth_led(&run->truth) : "streams and consumers";
}

static void pass_on(void *context, int64_t ns)
{
    pass(context, ns);
}

/* As soon as there is something to play with, which may never be. */
static void play(struct run *run)
{
    const struct stage stage = {.report = &run->report,
                                .sim = run->sim,
                                .nodes = &run->nodes,
                                .truth = &run->truth,
                                .faults = &run->faults,
                                .scene = &run->scene,
                                .prng = &run->prng,
                                .users = run->users,
                                .user_count = run->user_count,
                                .pass = pass_on,
                                .context = run};

    for (int i = 0; i < 1000 && report_good(&run->report); i++) {
        if (not_formed(run) == NULL) {
            script_play(run->script, &stage);
            return;
        }
        pass(run, 10 * MILLISECOND);
        for (unsigned k = 0; k < run->user_count; k++)
            user_look_at_time(&run->users[k]);
    }
}

static void chaos(struct run *run)
{
    int64_t length = run->settings->chaos_ns > 0
                         ? run->settings->chaos_ns
                         : CHAOS_LEAST + (int64_t)prng_below(&run->prng, CHAOS_MORE);
    int64_t most = (int64_t)run->settings->limits.at[LIMIT_CHAOS_MS] * MILLISECOND;
    int64_t until =
        sim_now(run->sim) + (length < most || run->settings->chaos_ns > 0 ? length : most);

    while (sim_now(run->sim) < until && report_good(&run->report)) {
        int64_t ns = 1 + (int64_t)prng_below(&run->prng, 20 * MILLISECOND);

        pass(run, ns);
        faults_happen(&run->faults, ns);
        nodes_stir(&run->nodes);
        user_act(&run->users[prng_below(&run->prng, run->user_count)]);
    }
}

/* ---- the end of a run ----------------------------------------------------------------------- */

/* Waits until `missing` says that nothing is; users go on looking after their connections. */
static bool wait_for(struct run *run, int64_t most_ns, const char *(*missing)(struct run *run),
                     const char *promise)
{
    int64_t from = sim_now(run->sim);
    const char *text = NULL;

    while (report_good(&run->report) && (text = missing(run)) != NULL) {
        if (sim_now(run->sim) - from > most_ns) {
            report_violate(&run->report, "%s: not within %lld s: %s", promise,
                           (long long)(most_ns / SECOND), text);
            return false;
        }
        pass(run, run->hurry ? MILLISECOND : 10 * MILLISECOND);
        for (unsigned i = 0; i < run->user_count; i++)
            user_look_at_time(&run->users[i]);
    }
    return report_good(&run->report);
}

static const char *no_leaders(struct run *run)
{
    return truth_led(&run->truth);
}

/* Each user in turn publishes to each stream and gets an answer. */
static const char *not_served(struct run *run)
{
    const char *text = NULL;

    for (unsigned i = 0; i < run->user_count; i++) {
        struct user *user = &run->users[i];

        if (!user_connected(user) || !user_idle(user))
            text = "a user waits for answers";
        else if (!user_set_up(user))
            text = "a stream or consumer cannot be made";
    }
    return text;
}

static const char *not_level(struct run *run)
{
    return truth_level(&run->truth);
}

/* Only where a scene makes them rot. What was fetched again is damaged once more if the process
 * dies before a state block leads to it; it is found again by the check, or as somebody asks. */
static const char *not_whole(struct run *run)
{
    for (size_t i = 0; i < run->nodes.count; i++) {
        if ((run->script == SCRIPT_ERASE || run->script == SCRIPT_RANGES) &&
            truth_has(&run->truth, "S0", i) && !truth_readable(&run->truth, "S0", i))
            return "a node has damaged messages";
    }
    return NULL;
}

static const char *not_drained(struct run *run)
{
    bool drained = true;

    for (unsigned i = 0; i < run->scene.stream_count; i++) {
        for (unsigned k = 0; k < run->user_count; k++)
            user_drain(&run->users[k], i);
        drained =
            drained && sim_now(run->sim) - run->scene.streams[i].watch.delivered_ns > QUIET_NS;
    }
    return drained ? NULL : "deliveries go on";
}

static const char *not_idle(struct run *run)
{
    return user_connected(&run->users[0]) && user_idle(&run->users[0]) ? NULL : "an answer";
}

/* Longer than the longest wait between two tries to have messages back from other nodes. */
#define MENDED_S 400

/* Asks until there is an answer, and the message is whole again. */
static bool ask(struct run *run, enum ask what, unsigned stream, uint64_t sequence)
{
    struct user *user = &run->users[0];
    int damaged = 0;

    for (int attempt = 0; attempt < 3 + damaged; attempt++) {
        if (!wait_for(run, 10 * SECOND, not_idle, "an answer"))
            return false;
        user_ask(user, what, stream, sequence);
        if (!wait_for(run, 10 * SECOND, not_idle, "an answer"))
            return false;
        if (user->ask_answered && user->ask_good)
            return true;
        if (user->ask_damaged && damaged < MENDED_S) {
            damaged++;
            pass(run, SECOND);
        }
    }
    report_violate(&run->report, "S%u: question %d about %llu has no good answer", stream,
                   (int)what, (unsigned long long)sequence);
    return false;
}

static void read_all(struct run *run, unsigned stream)
{
    struct history *history = &run->scene.streams[stream].history;
    uint64_t last;

    if (!ask(run, ASK_INFO, stream, 0))
        return;
    last = run->users[0].ask_last;
    run->hurry = true;
    for (uint64_t sequence = 1; sequence <= last && report_good(&run->report); sequence++)
        (void)ask(run, ASK_READ, stream, sequence);
    run->hurry = false;
    if (!report_good(&run->report))
        return;
    history_check(history, last);
    watch_check(&run->scene.streams[stream].watch, last);
}

/* Else who is to tell the others how their metadata log begins first has to find them again. */
static bool is_formed(struct run *run)
{
    return truth_begun(&run->truth) * 2 > run->nodes.count;
}

static void conclude(struct run *run)
{
    faults_end(&run->faults);
    while (sim_now(run->sim) < run->faults.paused_ns && report_good(&run->report))
        pass(run, 10 * MILLISECOND); /* whoever stands still is the last fault */
    for (unsigned i = 0; i < run->user_count; i++)
        run->users[i].patience_ns = USER_PATIENCE_NS;
    if (!wait_for(run, is_formed(run) ? LEADERS_NS : FORMED_NS, no_leaders,
                  "a leader after the faults"))
        return;
    /* What users wait for since before may still take their patience. */
    if (!wait_for(run, SERVED_NS + 5 * SECOND, not_served, "service after the faults") ||
        !wait_for(run, LEVEL_NS, not_level, "convergence"))
        return;
    for (unsigned i = 0; i < run->scene.stream_count; i++)
        run->scene.streams[i].watch.delivered_ns = sim_now(run->sim);
    if (!wait_for(run, 120 * SECOND, not_drained, "an end of deliveries"))
        return;
    for (unsigned i = 0; i < run->scene.stream_count && report_good(&run->report); i++)
        read_all(run, i);
    if (report_good(&run->report) && wait_for(run, LEVEL_NS, not_level, "convergence") &&
        wait_for(run, WHOLE_NS, not_whole, "damage that others can mend"))
        truth_compare(&run->truth);
}

static void tell(const struct run *run, double real)
{
    double virtual = (double)sim_now(run->sim) / 1e9;

    for (unsigned i = 0; i < run->scene.stream_count; i++) {
        const struct scene_stream *stream = &run->scene.streams[i];

        printf(
            "S%u (R%u%s): %llu stored, %llu duplicates, %llu refused, %llu shown, %llu delivered, "
            "%llu "
            "acks confirmed\n",
            i, stream->replicas, stream->memory ? ", memory" : "",
            (unsigned long long)stream->history.stored,
            (unsigned long long)stream->history.duplicates,
            (unsigned long long)stream->history.refused, (unsigned long long)stream->history.shown,
            (unsigned long long)stream->watch.delivered,
            (unsigned long long)stream->watch.confirmed);
    }
    printf("seed %llu: %s; %u crashes, %u cuts, %u disks failed, %u lost, %llu entries compared "
           "(%llu later), %llu states taken, %llu healed, %llu mended, %llu messages compared, "
           "%.1f s in %.2f s\n",
           (unsigned long long)run->seed,
           report_good(&run->report) ? "good" : run->report.violation, run->faults.crashes,
           run->faults.parts, run->faults.sicknesses, run->faults.wipes,
           (unsigned long long)run->truth.checked, (unsigned long long)run->truth.skipped,
           (unsigned long long)run->nodes.taken, (unsigned long long)run->nodes.healed,
           (unsigned long long)run->nodes.mended, (unsigned long long)run->truth.compared, virtual,
           real);
}

/* `violation` (400 bytes, or NULL): what was wrong. */
static bool run_seed(const struct settings *settings, uint64_t seed, uint64_t *hash,
                     double *seconds, char *violation)
{
    static struct run run;
    double begun = hunt_clock();
    bool good;

    begin(&run, settings, seed);
    for (size_t i = 0; i < run.nodes.count; i++)
        (void)nodes_start(&run.nodes, i, SIM_CRASH_KILL, 0);
    if (run.script != SCRIPT_NONE)
        play(&run);
    if (!settings->calm || wait_for(&run, FORMED_NS, not_formed, "a fresh cluster"))
        chaos(&run);
    if (report_good(&run.report))
        conclude(&run);
    *hash = sim_trace_hash(run.sim);
    *seconds = (double)sim_now(run.sim) / 1e9;
    good = report_good(&run.report);
    if (violation != NULL)
        snprintf(violation, 400, "%.399s", run.report.violation);
    if (settings->loud && !good)
        truth_tell(&run.truth);
    if (settings->loud)
        tell(&run, hunt_clock() - begun);
    else if (!good)
        printf("seed %llu: %s\n", (unsigned long long)seed, run.report.violation);
    end(&run);
    return good;
}

/* ---- main ----------------------------------------------------------------------------------- */

static double processor_seconds(void)
{
    struct timespec used;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}

/* One seed in fifty runs twice: equal seeds, equal traces. */
static int run_many(const struct settings *settings, uint64_t from, double seconds)
{
    double begun = hunt_clock(), worked = processor_seconds(), virtual = 0;
    uint64_t seed = from, bad = 0;

    for (; hunt_clock() - begun < seconds && bad < 5; seed++) {
        uint64_t hash, again;
        double passed;
        bool good = run_seed(settings, seed, &hash, &passed, NULL);

        virtual += passed;
        if (!good) {
            bad++;
            continue;
        }
        if (seed % 50 != 0)
            continue;
        (void)run_seed(settings, seed, &again, &passed, NULL);
        virtual += passed;
        if (hash != again) {
            printf("seed %llu: two runs differ\n", (unsigned long long)seed);
            bad++;
        }
    }
    printf("sim_cluster: seeds %llu to %llu, %.0f virtual seconds, %.0f per second of processor\n",
           (unsigned long long)from, (unsigned long long)seed - 1, virtual,
           virtual / (processor_seconds() - worked));
    printf("%llu passed, %llu failed\n", (unsigned long long)(seed - from - bad),
           (unsigned long long)bad);
    return bad == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int run_one(const struct settings *settings, uint64_t seed)
{
    uint64_t hash;
    double passed;
    bool good = run_seed(settings, seed, &hash, &passed, NULL);

    printf("trace %016llx\n%d passed, %d failed\n", (unsigned long long)hash, good, !good);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}

struct failing {
    struct settings *settings;
    uint64_t seed;
};

static const char *failing_run(void *context)
{
    static char text[400];
    const struct failing *failing = context;
    uint64_t hash;
    double passed;

    ending_ignore(); /* it is told what ended it */
    return run_seed(failing->settings, failing->seed, &hash, &passed, text) ? NULL : text;
}

static int run_minimise(struct settings *settings, uint64_t seed)
{
    struct failing failing = {settings, seed};
    struct minimise m = {&settings->limits, MINIMISE_SECONDS, failing_run, &failing};

    if (!minimise(&m))
        return EXIT_SUCCESS;
    printf("build/sim/sim_cluster --seed %llu%s%s%s", (unsigned long long)seed,
           settings->evicts ? " --evicts" : "", settings->flaw != NULL ? " --flaw " : "",
           settings->flaw != NULL ? settings->flaw->name : "");
    limits_tell(&settings->limits);
    printf("\n");
    return EXIT_FAILURE;
}

static bool hunt_run(void *context, uint64_t seed, bool flawed)
{
    struct settings settings = {.flaw = flawed ? context : NULL, .calm = seed % 16 == 1};
    double passed;
    uint64_t hash;

    limits_init(&settings.limits, limit_table, sizeof limit_table / sizeof limit_table[0]);
    return run_seed(&settings, seed, &hash, &passed, NULL);
}

static int run_flaws(const char *only, double seconds)
{
    unsigned found = 0, missed = 0;

    for (size_t i = 0; i < cluster_flaw_count; i++) {
        const struct cluster_flaw *flaw = &cluster_flaws[i];
        struct hunt one = {"sim_cluster", flaw->name, flaw->text, seconds, hunt_run, (void *)flaw};

        if (only[0] == 0 ? flaw->elsewhere : strncmp(flaw->name, only, strlen(only)) != 0)
            continue;
        if (hunt(&one))
            found++;
        else
            missed++;
    }
    printf("%u passed, %u failed\n", found, missed);
    return missed == 0 && found > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int usage(void)
{
    fprintf(stderr, "usage: sim_cluster [--calm] [--evicts] [--nodes N] [--chaos SECONDS] "
                    "[--quiet] [--flaw NAME] "
                    "[--script NAME] [--limit NAME=N] [--minimise] "
                    "[--seed N | --seconds N [--from N] | --flaws [PREFIX] --seconds N]\n");
    return 2;
}

int main(int argc, char **argv)
{
    struct settings settings = {0};
    const char *seed = NULL, *flaws = NULL;
    double seconds = 60;
    uint64_t from = 1;
    bool quiet = false, smallest = false;

    limits_init(&settings.limits, limit_table, sizeof limit_table / sizeof limit_table[0]);
    setvbuf(stdout, NULL, _IOLBF, 0);
    ending_watch();
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--calm") == 0)
            settings.calm = true;
        else if (strcmp(argv[i], "--quiet") == 0)
            quiet = true;
        else if (strcmp(argv[i], "--evicts") == 0)
            settings.evicts = true;
        else if (strcmp(argv[i], "--minimise") == 0)
            smallest = true;
        else if (strcmp(argv[i], "--flaws") == 0)
            flaws = i + 1 < argc && argv[i + 1][0] != '-' ? argv[++i] : "";
        else if (i + 1 >= argc)
            return usage();
        else if (strcmp(argv[i], "--flaw") == 0 && cluster_flaw_named(argv[i + 1]) != NULL)
            settings.flaw = cluster_flaw_named(argv[++i]);
        else if (strcmp(argv[i], "--limit") == 0 && limits_set(&settings.limits, argv[i + 1]))
            i++;
        else if (strcmp(argv[i], "--script") == 0 && script_named(argv[i + 1]) != SCRIPT_NONE)
            settings.script = script_named(argv[++i]);
        else if (strcmp(argv[i], "--seed") == 0)
            seed = argv[++i];
        else if (strcmp(argv[i], "--seconds") == 0)
            seconds = atof(argv[++i]);
        else if (strcmp(argv[i], "--from") == 0)
            from = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--nodes") == 0)
            settings.nodes = (unsigned)strtoul(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--chaos") == 0)
            settings.chaos_ns = (int64_t)(atof(argv[++i]) * 1e9);
        else
            return usage();
    }
    if (settings.nodes > NODES_MAX)
        return usage();
    if (flaws != NULL)
        return run_flaws(flaws, seconds);
    if (seed != NULL && smallest)
        return run_minimise(&settings, strtoull(seed, NULL, 10));
    settings.loud = seed != NULL && !quiet;
    return seed != NULL ? run_one(&settings, strtoull(seed, NULL, 10))
                        : run_many(&settings, from, seconds);
}
