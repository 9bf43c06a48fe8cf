/*
 * sim_server: a whole server on a simulated node, model users of several streams that share its
 * journal (tests/sim/user.h), crashes at any disk operation, also in recovery. One seed is one run;
 * equal seeds give equal traces.
 *
 *     sim_server --seed N [--flaw NAME]   one run, with its story
 *     sim_server --seconds N [--from S]   seeds from S on for that long
 *     sim_server --errors ...             writes and syncs fail, too
 *     sim_server --seed N --minimise      the smallest run of a failing seed that fails the same
 * way sim_server --limit NAME=N ...       with less of something (limits.h; what --minimise tells)
 *     sim_server --flaws --seconds N      every seeded bug must be found, each in that time
 *     sim_server --flaw NAME --seconds N  that one
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "server/server.h"
#include "storage/index.h"
#include "storage/paths.h"
#include "tests/sim/copies.h"
#include "tests/sim/ending.h"
#include "tests/sim/hunt.h"
#include "tests/sim/index_caches.h"
#include "tests/sim/leaks.h"
#include "tests/sim/limits.h"
#include "tests/sim/paces.h"
#include "tests/sim/server_flaws.h"
#include "tests/sim/sim_shards.h"
#include "tests/sim/told_watch.h"
#include "tests/sim/user.h"

#define PORT          4222
#define MILLISECOND   INT64_C(1000000)
#define SECOND        INT64_C(1000000000)
#define ACTIONS_MAX   600
#define STREAMS_MAX   3
#define SETTLE_MAX_NS (60 * SECOND)

#define MINIMISE_SECONDS 300.0 /* of real time, at most */

enum {
    LIMIT_ACTIONS,
    LIMIT_STREAMS,
    LIMIT_CRASH,
    LIMIT_CRASH_OP,
    LIMIT_CRASH_START,
    LIMIT_CRASH_END,
    LIMIT_JUMP,
    LIMIT_ERRORS,
    LIMIT_STALLS,
    LIMIT_PIECES,
    LIMIT_COUNT,
};

static const struct limit limit_table[LIMIT_COUNT] = {
    {"actions", ACTIONS_MAX, 0},
    {"streams", STREAMS_MAX, 1},
    {"crash", 1, 0},
    {"crash_op", 1, 0},    /* at a disk operation to come */
    {"crash_start", 1, 0}, /* while it starts */
    {"crash_end", 1, 0},   /* when faults have ended */
    {"jump", 1, 0},
    {"errors", 1, 0},
    {"stalls", 1, 0}, /* of disk and network */
    {"pieces", 1, 0}, /* short counts, small network writes */
};

struct run {
    uint64_t seed;
    bool loud;
    const struct limits *limits;
    struct sim *sim;
    struct prng prng; /* the driver's own: actions do not depend on the world's draws */
    size_t node, clients;
    struct sim_shards shards;
    struct told_watch told_watch;
    struct server *server;
    struct options options;
    struct logger logger;
    struct sim_client client;
    struct user users[STREAMS_MAX];
    unsigned user_count;
    struct copies copies;
    bool copying; /* one run in two */
    unsigned crashes, starts;
    bool clock_jumps;
    /* Writes are cut within sectors, which no disk does: a last batch that was never durable may
     * then look damaged, and be reported as lost. */
    bool short_counts;
    bool half_open; /* the server runs, and a stream could not be opened */
    bool scarce;    /* it finds no descriptor */
    bool ending;    /* faults have ended */
    bool excused;   /* that has happened: nothing can be said any more */
    bool timely;    /* the network is: when something comes says when it left */
    bool logs_soon; /* the disk is not slow for long: what is written is there soon */
    bool stuck;
    bool rotted;         /* a state block has been damaged */
    char violation[400]; /* of the server as a whole */
};

/* Drawn in any case, so that what is left is as it was. */
static bool strikes(struct run *run, unsigned limit, uint32_t numerator, uint32_t denominator)
{
    return prng_chance(&run->prng, numerator, denominator) && run->limits->at[limit] > 0;
}

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

static void say_text(void *context, const char *text)
{
    say(context, "%s", text);
}

static const char *violation(const struct run *run)
{
    if (run->excused)
        return NULL;
    if (run->violation[0] != 0)
        return run->violation;
    for (unsigned i = 0; i < run->user_count; i++) {
        if (user_violation(&run->users[i]) != NULL)
            return user_violation(&run->users[i]);
    }
    return NULL;
}

[[gnu::format(printf, 2, 3)]] static void violate(struct run *run, const char *format, ...)
{
    va_list arguments;

    if (violation(run) != NULL)
        return;
    va_start(arguments, format);
    vsnprintf(run->violation, sizeof run->violation, format, arguments);
    va_end(arguments);
}

/* ---- what the client hears ------------------------------------------------------------------ */

/* $JS.ACK.S<n>.<consumer>.<delivered>.<stream>.<consumer>.<time>.<pending> */
static bool heard_delivery(struct run *run, const struct client_message *message)
{
    struct reader_counts counts;
    char reply[160], name[32];
    unsigned stream;

    if (message->reply.size == 0 || message->reply.size >= sizeof reply)
        return false;
    memcpy(reply, message->reply.at, message->reply.size);
    reply[message->reply.size] = 0;
    if (sscanf(reply, "$JS.ACK.S%u.%31[^.].%llu.%llu.%llu.%*u.%llu", &stream, name,
               &counts.delivered, &counts.stream, &counts.consumer, &counts.pending) != 6)
        return false;
    if (stream < run->user_count)
        user_delivered(&run->users[stream], name, &counts, message);
    return true;
}

static void heard(void *context, const struct client_message *message)
{
    struct run *run = context;
    char subject[64] = {0};
    unsigned stream;
    int rest = 0;

    if (heard_delivery(run, message))
        return;
    memcpy(subject, message->subject.at, message->subject.size < 63 ? message->subject.size : 63);
    if (sscanf(subject, "_R.%u.%n", &stream, &rest) >= 1 && rest > 0 && stream < run->user_count)
        user_heard(&run->users[stream], subject + rest, message);
}

/* ---- the server's life ---------------------------------------------------------------------- */

static void log_line(void *context, struct bytes line)
{
    struct run *run = context;

    if (memmem(line.at, line.size, "damaged on disk", 15) != NULL) {
        run->excused = run->excused || run->short_counts;
        if (!run->short_counts)
            violate(run, "the server says: %.*s", BYTES_ARG(line));
    }
    for (unsigned i = 0; i < run->user_count; i++) {
        char text[48];
        int size = snprintf(text, sizeof text, "'S%u': could not write to disk", i);

        if (memmem(line.at, line.size, text, (size_t)size) == NULL)
            continue;
        run->users[i].disk_failed = true;
        run->users[i].disk_failed_ns = sim_now(run->sim);
    }
    if (memmem(line.at, line.size, "could not be opened", 19) != NULL)
        run->half_open = true;
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

/* A disk that fails is a reason to refuse to start, or to serve a stream; soon it is healed. */
static bool start_again(struct run *run, int attempt, enum err err)
{
    if (attempt >= 20) {
        violate(run, "the server does not start: %s", err_text(err));
        return false;
    }
    say(run, "did not start: %s", err_text(err));
    if (attempt > 3)
        sim_heal(run->sim, run->node);
    if (err == OK)
        bury(run);
    io_destroy(sim_node_io(run->sim, run->node));
    sim_restart(run->sim, run->node);
    return true;
}

/* Starts the server; it may be cut down in the middle of its recovery, several times. */
static bool start(struct run *run)
{
    for (int attempt = 0;; attempt++) {
        enum err err;

        if (run->seed % 3 == 1 || run->seed % 8 == 3) /* sometimes fewer than there are */
            run->options.sim.lanes = 1 + (unsigned)(run->seed / 3 + run->starts++) % 3;
        run->options.sim.lanes_home = run->seed % 2 == 0; /* where there is more than one shard */
        if (attempt < 6 && strikes(run, LIMIT_CRASH_START, 1, 3))
            sim_crash_after(run->sim, run->node, crash_mode(run), 1 + prng_below(&run->prng, 120));
        run->half_open = false;
        sim_deny_files(run->sim, run->node, false); /* clients come later */
        err = sim_shards_start(&run->shards, sim_node_io(run->sim, run->node), &run->options,
                               &run->logger, &run->server);
        if (err == OK && !run->half_open && !sim_crashed(run->sim, run->node)) {
            if (run->ending || prng_chance(&run->prng, 1, 2)) /* else while it opens streams */
                sim_crash_after(run->sim, run->node, SIM_CRASH_KILL, 0);
            sim_deny_files(run->sim, run->node, run->scarce);
            return true;
        }
        if (!sim_crashed(run->sim, run->node)) {
            if (!start_again(run, attempt, err))
                return false;
            continue;
        }
        say(run, "crashed while starting");
        if (err != OK)
            run->server = NULL; /* it has freed itself */
        bury(run);
        if (prng_chance(&run->prng, 1, 3))
            sim_cut_power(run->sim, run->node);
        sim_restart(run->sim, run->node);
    }
}

#define STREAM_ID_FIRST 16u

static void found_block(void *context, const char *name, bool directory)
{
    uint64_t *newest = context, index;

    if (!directory && path_read_block(name, &index) && index > *newest)
        *newest = index;
}

/* A bit of a stream's newest block flips, once in a run: the older one must do, or the log. */
static void rot_block(struct run *run)
{
    uint64_t id = STREAM_ID_FIRST + prng_below(&run->prng, STREAMS_MAX), newest = 0;
    struct bytes file;
    struct path path;

    if (run->rotted || !prng_chance(&run->prng, 1, 4))
        return;
    (void)io_list(sim_node_io(run->sim, run->node), path_log("millrace", id).text, found_block,
                  &newest);
    path = path_block("millrace", id, newest);
    if (newest == 0 || !sim_durable(run->sim, run->node, path.text, &file) || file.size == 0)
        return;
    say(run, "a bit of block %llu of log %llu flips", (unsigned long long)newest,
        (unsigned long long)id);
    run->rotted = sim_flip(run->sim, run->node, path.text, prng_below(&run->prng, file.size),
                           (unsigned)prng_below(&run->prng, 8));
}

static bool restart(struct run *run)
{
    bury(run);
    run->crashes++;
    for (unsigned i = 0; i < run->user_count; i++)
        user_crashed(&run->users[i]);
    if (prng_chance(&run->prng, 1, 3))
        sim_cut_power(run->sim, run->node);
    sim_restart(run->sim, run->node);
    rot_block(run);
    sim_client_drop(&run->client);
    return start(run);
}

/* A stream that it opened after its start could not be opened: it is not tried again. */
static bool end_half_open(struct run *run)
{
    say(run, "is ended");
    sim_crash(run->sim, run->node, SIM_CRASH_KILL);
    return restart(run);
}

/* False: it cannot go on. */
static bool maybe_crash(struct run *run)
{
    if (sim_crashed(run->sim, run->node)) {
        say(run, "crashed at a disk operation");
        return restart(run);
    }
    if (run->half_open)
        return end_half_open(run);
    if (strikes(run, LIMIT_CRASH, 1, 60)) {
        enum sim_crash_mode mode = crash_mode(run);

        say(run, "crash: %s", mode == SIM_CRASH_KILL ? "kill" : "power");
        sim_crash(run->sim, run->node, mode);
        return restart(run);
    }
    if (strikes(run, LIMIT_CRASH_OP, 1, 80))
        sim_crash_after(run->sim, run->node, crash_mode(run), 1 + prng_below(&run->prng, 40));
    return true;
}

/* ---- a run ---------------------------------------------------------------------------------- */

static void draw_faults(struct run *run, bool with_errors)
{
    struct sim_faults faults = sim_faults_draw(&run->prng);

    /* One replica has nobody to repair it from: errors that lose data are sim_log's. */
    if (!with_errors)
        faults.write_error = faults.sync_error = 0;
    faults.read_error = 0;
    faults.error_sticky = 0;
    faults.sync_evicts = 0;
    faults.net_reset = 0;
    if (run->limits->at[LIMIT_ERRORS] == 0)
        faults.write_error = faults.sync_error = 0;
    if (run->limits->at[LIMIT_STALLS] == 0)
        faults.disk_stall = faults.net_stall = 0;
    if (prng_chance(&run->prng, 1, 2))
        faults.short_count = 0;
    if (run->limits->at[LIMIT_PIECES] == 0)
        faults.short_count = faults.net_tiny = 0;
    run->short_counts = faults.short_count > 0;
    /* A message whose bytes come late from the disk leaves late: its ack wait has begun before. */
    run->timely = faults.net_stall == 0 && faults.net_tiny == 0 && faults.disk_stall == 0 &&
                  faults.sock_buffer >= 65536;
    sim_set_faults(run->sim, run->node, &faults);
    run->logs_soon = faults.disk_stall == 0;
    run->clock_jumps = strikes(run, LIMIT_JUMP, 1, 4);
}

/* Small files are full, recycled and given up all the time. */
static void draw_options(struct run *run)
{
    static const int64_t pauses[] = {0, 0, 20000000, 1000000000};
    static const uint32_t segments[] = {0, 32 << 10, 64 << 10, 256 << 10};
    static const uint32_t journals[] = {0, 32 << 10, 64 << 10};
    static const uint32_t batches[] = {0, 1, 4 << 10};
    static const uint32_t aheads[] = {0, 1, 1, 4 << 10};
    static const uint64_t blocks[] = {1, 4 << 10, 16 << 10, 64 << 10, 0};

    options_default(&run->options);
    snprintf(run->options.host, sizeof run->options.host, "127.0.0.1");
    run->options.port = PORT;
    run->options.jetstream = true;
    run->options.sim.segment_size = segments[prng_below(&run->prng, 4)];
    run->options.sim.journal_file_size = journals[prng_below(&run->prng, 3)];
    run->options.sim.journal_batch_max = batches[prng_below(&run->prng, 3)];
    run->options.sim.ahead_min = aheads[run->seed / 4 % 4];
    run->options.sim.block_bytes = blocks[prng_below(&run->prng, 5)];
    run->options.sim.space_look_ns = SPACE_LOOK_NS;
    run->options.sim.late_pause_ns = pauses[prng_below(&run->prng, 4)];
    if (run->seed % 3 != 0) { /* what has a state block is opened over several turns */
        run->options.sim.late_heavy = 1;
        run->options.sim.late_work = run->seed % 3 == 1 ? 1 : 16 << 10;
    }
    if (run->seed % 4 >= 2) /* so is what stands above it */
        run->options.sim.late_at_once = run->seed % 4 == 2 ? 1 : 4 << 10;
    if (run->seed % 2 == 0) /* publishes wait after a start until all streams are counted */
        run->options.jetstream_options.store_max = INT64_C(1) << 40;
    run->options.sim.index_bits = 1 + (unsigned)prng_below(&run->prng, INDEX_BITS);
    run->options.jetstream_options.index_cache = index_cache_of(run->options.sim.index_bits);
    run->options.sim.count_part = 3; /* what is counted takes several turns */
}

struct settings {
    bool loud, with_errors;
    const struct server_flaw *flaw; /* NULL: none */
    struct limits limits;
};

static void begin(struct run *run, const struct settings *settings, uint64_t seed)
{
    bool loud = settings->loud, with_errors = settings->with_errors;

    *run = (struct run){.seed = seed, .loud = loud, .limits = &settings->limits};
    ending_seed(seed);
    run->sim = sim_create(seed);
    prng_seed(&run->prng, seed ^ UINT64_C(0x5eed));
    run->node = sim_node_add(run->sim);
    run->clients = sim_node_add(run->sim);
    sim_shards_init(&run->shards, run->sim, run->node, seed % 4 == 3 ? 2 : 1, seed % 8 == 7);
    draw_options(run);
    server_flaw_set(settings->flaw, &run->options);
    logger_init(&run->logger);
    run->logger.line = log_line;
    run->logger.now = log_clock;
    run->logger.context = run;
    run->logger.pid = 1;
    sim_client_init(&run->client, run->sim, sim_node_io(run->sim, run->clients), heard, run);
    draw_faults(run, with_errors);
    run->user_count = 1 + (unsigned)prng_below(&run->prng, STREAMS_MAX);
    if (run->user_count > run->limits->at[LIMIT_STREAMS])
        run->user_count = (unsigned)run->limits->at[LIMIT_STREAMS];
    run->copying = prng_chance(&run->prng, 1, 2);
    for (unsigned i = 0; i < run->user_count; i++) {
        user_init(&run->users[i], i, run->sim, &run->client, &run->prng);
        run->users[i].context = run;
        run->users[i].timely = run->timely;
        run->users[i].readers[READER_NONE].positions = run->logs_soon && !with_errors;
        run->users[i].say = loud ? say_text : NULL;
        run->clock_jumps = run->clock_jumps && run->users[i].oracle.max_age_ns == 0;
    }
}

static void end(struct run *run)
{
    bury(run);
    sim_destroy(run->sim);
    sim_client_deinit(&run->client);
    for (unsigned i = 0; i < run->user_count; i++)
        user_deinit(&run->users[i]);
}

/* Under a minute: log time follows smoothly, and no window comes near its end. */
static void maybe_jump(struct run *run)
{
    if (run->clock_jumps && prng_chance(&run->prng, 1, 50))
        sim_jump_wall(run->sim, run->node, ((int64_t)prng_below(&run->prng, 60) - 30) * SECOND);
}

/* What the copies hold is right at any moment, as far as it goes. */
static bool copies_right(struct run *run)
{
    bool whole = true;

    if (run->copying && !run->excused && !copies_compare(&run->copies, run->server, &whole))
        violate(run, "%s", run->copies.violation);
    return whole || !run->copying;
}

static void pass(struct run *run, int64_t ns)
{
    int64_t end_ns = sim_now(run->sim) + ns;

    while (sim_now(run->sim) < end_ns) {
        int64_t left_ns = end_ns - sim_now(run->sim);
        bool runs = !sim_crashed(run->sim, run->node);

        sim_run(run->sim, left_ns < MILLISECOND ? left_ns : MILLISECOND);
        runs = runs && !sim_crashed(run->sim, run->node);
        if (!told_watch_look(&run->told_watch, runs ? run->server : NULL, sim_now(run->sim)))
            violate(run, "home sleeps although a lane has told it something");
    }
}

static void act(struct run *run)
{
    if (!sim_crashed(run->sim, run->node))
        sim_shards_stir(&run->shards, run->server, &run->prng);
    if (sim_client_connected(&run->client)) {
        if (run->copying && prng_chance(&run->prng, 1, 4))
            copies_act(&run->copies, &run->client, &run->prng);
        user_act(&run->users[prng_below(&run->prng, run->user_count)]);
        return;
    }
    if (run->client.sock == NULL)
        sim_client_connect(&run->client, run->node, PORT, "_R.>");
    for (unsigned i = 0; i < run->user_count; i++)
        user_connected(&run->users[i]);
    if (run->copying)
        copies_set_up(&run->copies, &run->client);
}

/* ---- its end -------------------------------------------------------------------------------- */

static bool all_ready(struct run *run)
{
    bool ready = true;

    for (unsigned i = 0; i < run->user_count; i++) {
        if (sim_client_connected(&run->client))
            user_set_up(&run->users[i]);
        user_rest(&run->users[i]);
        ready = user_ready(&run->users[i]) && ready;
    }
    return ready;
}

static bool all_at_rest(struct run *run)
{
    bool rest = true;

    for (unsigned i = 0; i < run->user_count; i++)
        rest = user_at_rest(&run->users[i]) && rest;
    return rest;
}

static bool all_drained(struct run *run)
{
    bool drained = true;

    for (unsigned i = 0; i < run->user_count; i++)
        drained = user_drained(&run->users[i]) && drained;
    return drained;
}

static bool all_looked(struct run *run)
{
    bool looked = true;

    for (unsigned i = 0; i < run->user_count; i++)
        looked = user_has_looked(&run->users[i]) && looked;
    return looked;
}

static bool all_read(struct run *run)
{
    bool read = true;

    for (unsigned i = 0; i < run->user_count; i++)
        read = user_read_on(&run->users[i]) && read;
    return read;
}

static bool wait_for(struct run *run, bool (*done)(struct run *run), const char *what)
{
    int64_t deadline_ns = sim_now(run->sim) + SETTLE_MAX_NS;

    while (!done(run) && violation(run) == NULL && !run->excused) {
        if (sim_now(run->sim) > deadline_ns) {
            violate(run, "%s never comes (%s)", what, run->client.error);
            return false;
        }
        pass(run, MILLISECOND);
        if (run->half_open && !end_half_open(run)) /* since before the faults ended */
            return false;
        if (!sim_client_connected(&run->client))
            act(run);
    }
    return violation(run) == NULL && !run->excused;
}

static bool come_to_rest(struct run *run)
{
    return wait_for(run, all_ready, "a stream or consumer") &&
           wait_for(run, all_at_rest, "an answer") &&
           wait_for(run, all_drained, "a consumer's rest");
}

/* The server finds no descriptor for a while, in one run in five. */
static void maybe_scarce(struct run *run)
{
    if (run->seed % 5 != 2 || !prng_chance(&run->prng, 1, 8))
        return;
    run->scarce = !run->scarce;
    say(run, run->scarce ? "no descriptors" : "descriptors");
    sim_deny_files(run->sim, run->node, run->scarce);
}

/* Faults end, everything comes to rest, and the whole is compared. */
static void conclude(struct run *run)
{
    sim_crash_after(run->sim, run->node, SIM_CRASH_KILL, 0);
    sim_heal(run->sim, run->node);
    run->scarce = false;
    sim_deny_files(run->sim, run->node, false);
    run->ending = true;
    if (run->half_open && !sim_crashed(run->sim, run->node))
        sim_crash(run->sim, run->node, SIM_CRASH_KILL);
    if (sim_crashed(run->sim, run->node) && !restart(run))
        return;
    if (strikes(run, LIMIT_CRASH_END, 1, 2)) {
        sim_crash(run->sim, run->node, crash_mode(run));
        if (!restart(run))
            return;
    }
    if (run->copying && sim_client_connected(&run->client))
        copies_set_up(&run->copies, &run->client);
    if (!come_to_rest(run))
        return;
    if (strikes(run, LIMIT_CRASH_END, 1, 4)) { /* whoever was done stays so */
        sim_crash(run->sim, run->node, crash_mode(run));
        if (!restart(run) || !come_to_rest(run))
            return;
    }
    for (unsigned i = 0; i < run->user_count; i++)
        user_look(&run->users[i]);
    if (!wait_for(run, all_looked, "stream info") || !wait_for(run, all_read, "a message") ||
        !wait_for(run, copies_right, "a copy"))
        return;
    for (unsigned i = 0; i < run->user_count; i++)
        user_check(&run->users[i]);
}

static void tell(const struct run *run)
{
    for (unsigned i = 0; i < run->user_count; i++) {
        const struct user *user = &run->users[i];

        printf(
            "S%u: %llu stored, %llu duplicates, %llu refused, %llu shown, %llu acks confirmed%s\n",
            i, (unsigned long long)user->oracle.stored, (unsigned long long)user->oracle.duplicates,
            (unsigned long long)user->oracle.refused, (unsigned long long)user->oracle.shown,
            (unsigned long long)user->readers[READER_PULL].confirmed,
            user->oracle.max_age_ns > 0 ? ", with an age"
            : user->worlds.given_up     ? ", too many worlds"
                                        : "");
    }
    if (run->copying)
        printf("copies: %llu sent, %llu compared\n", (unsigned long long)run->copies.sent,
               (unsigned long long)run->copies.copied);
    printf("seed %llu: %s; %u crashes, %.1f s\n", (unsigned long long)run->seed,
           run->excused             ? "excused"
           : violation(run) == NULL ? "good"
                                    : violation(run),
           run->crashes, (double)sim_now(run->sim) / 1e9);
}

/* `told` (400 bytes, or NULL): what was wrong. */
static bool run_seed(const struct settings *settings, uint64_t seed, uint64_t *hash, char *told)
{
    static struct run run;
    bool good;

    begin(&run, settings, seed);
    if (start(&run)) {
        for (uint64_t i = 0;
             i < settings->limits.at[LIMIT_ACTIONS] && violation(&run) == NULL && !run.excused;
             i++) {
            pass(&run, (int64_t)prng_below(&run.prng, 15 * MILLISECOND));
            maybe_jump(&run);
            maybe_scarce(&run);
            if (i % 16 == 0 && !sim_crashed(run.sim, run.node))
                (void)copies_right(&run);
            if (!maybe_crash(&run))
                break;
            act(&run);
        }
        if (violation(&run) == NULL && !run.excused)
            conclude(&run);
    }
    *hash = sim_trace_hash(run.sim);
    good = violation(&run) == NULL;
    if (told != NULL)
        snprintf(told, 400, "%s", good ? "" : violation(&run));
    if (settings->loud)
        tell(&run);
    else if (!good)
        printf("seed %llu: %s\n", (unsigned long long)seed, violation(&run));
    end(&run);
    return good;
}

/* ---- main ----------------------------------------------------------------------------------- */

/* One seed in a hundred runs twice: equal seeds, equal traces. */
static int run_many(const struct settings *settings, uint64_t from, double seconds)
{
    double deadline = hunt_clock() + seconds;
    uint64_t seed = from, bad = 0;

    for (; hunt_clock() < deadline && bad < 5; seed++) {
        uint64_t hash, again;

        if (!run_seed(settings, seed, &hash, NULL)) {
            bad++;
            continue;
        }
        if (seed % 100 != 0)
            continue;
        (void)run_seed(settings, seed, &again, NULL);
        if (hash != again) {
            printf("seed %llu: two runs differ\n", (unsigned long long)seed);
            bad++;
        }
    }
    printf("sim_server: seeds %llu to %llu%s\n%llu passed, %llu failed\n", (unsigned long long)from,
           (unsigned long long)seed - 1, settings->with_errors ? " with errors" : "",
           (unsigned long long)(seed - from - bad), (unsigned long long)bad);
    return bad == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int run_one(const struct settings *settings, uint64_t seed)
{
    uint64_t hash;
    bool good = run_seed(settings, seed, &hash, NULL);

    printf("%d passed, %d failed\n", good, !good);
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

    ending_ignore(); /* it is told what ended it */
    return run_seed(failing->settings, failing->seed, &hash, text) ? NULL : text;
}

static int run_minimise(struct settings *settings, uint64_t seed)
{
    struct failing failing = {settings, seed};
    struct minimise m = {&settings->limits, MINIMISE_SECONDS, failing_run, &failing};

    if (!minimise(&m))
        return EXIT_SUCCESS;
    printf("build/sim/sim_server --seed %llu%s%s%s", (unsigned long long)seed,
           settings->with_errors ? " --errors" : "", settings->flaw != NULL ? " --flaw " : "",
           settings->flaw != NULL ? settings->flaw->name : "");
    limits_tell(&settings->limits);
    printf("\n");
    return EXIT_FAILURE;
}

static bool hunt_run(void *context, uint64_t seed, bool flawed)
{
    struct settings settings = {.flaw = flawed ? context : NULL, .with_errors = seed % 4 == 0};
    uint64_t hash;

    limits_init(&settings.limits, limit_table, LIMIT_COUNT);
    return run_seed(&settings, seed, &hash, NULL);
}

static int run_flaws(const char *only, double seconds)
{
    unsigned found = 0, missed = 0;

    for (size_t i = 0; i < server_flaw_count; i++) {
        const struct server_flaw *flaw = &server_flaws[i];
        struct hunt one = {"sim_server", flaw->name, flaw->text, seconds, hunt_run, (void *)flaw};

        if (flaw->hidden || (only != NULL && strcmp(flaw->name, only) != 0))
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
    fprintf(stderr,
            "usage: sim_server [--errors] [--limit NAME=N] [--minimise] [--seed N | --seconds N "
            "[--from N]] [--flaw NAME | --flaws]\n");
    return 2;
}

int main(int argc, char **argv)
{
    struct settings settings = {0};
    double seconds = 60;
    uint64_t from = 1;
    const char *seed = NULL, *flaw = NULL;
    bool all_flaws = false, smallest = false;

    limits_init(&settings.limits, limit_table, LIMIT_COUNT);

    setvbuf(stdout, NULL, _IOLBF, 0);
    ending_watch();
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--errors") == 0)
            settings.with_errors = true;
        else if (strcmp(argv[i], "--flaws") == 0)
            all_flaws = true;
        else if (strcmp(argv[i], "--minimise") == 0)
            smallest = true;
        else if (i + 1 >= argc)
            return usage();
        else if (strcmp(argv[i], "--limit") == 0 && limits_set(&settings.limits, argv[i + 1]))
            i++;
        else if (strcmp(argv[i], "--seed") == 0)
            seed = argv[++i];
        else if (strcmp(argv[i], "--seconds") == 0)
            seconds = atof(argv[++i]);
        else if (strcmp(argv[i], "--from") == 0)
            from = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--flaw") == 0 && server_flaw_named(argv[i + 1]) != NULL)
            flaw = argv[++i];
        else
            return usage();
    }
    if (seed != NULL) {
        settings.loud = !smallest;
        settings.flaw = flaw != NULL ? server_flaw_named(flaw) : NULL;
        return smallest ? run_minimise(&settings, strtoull(seed, NULL, 10))
                        : run_one(&settings, strtoull(seed, NULL, 10));
    }
    if (all_flaws || flaw != NULL)
        return run_flaws(flaw, seconds);
    return run_many(&settings, from, seconds);
}
