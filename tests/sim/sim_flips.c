/*
 * sim_flips: the store that a whole server's life has left (life.h), with one bit of one byte the
 * other way. A server starts on it and is asked for everything: what it serves is what was stored,
 * byte by byte, and when anything is missing, or there again, it has complained, or did not start.
 *
 *     sim_flips [--all | --seconds N] [--from S] [--every N]   every place, or drawn ones
 *     sim_flips --seed S --place I                             one again, with the server's log
 *     sim_flips --flaws
 *
 * The store has rested: all that was written in it has been synced. (Whoever flips a bit of the
 * journal's last record in the moment the power goes has made a write that was torn:
 * docs/formats.md.)
 *
 * A place is a byte that is not a zero among zeros. Which bit it is depends on seed and place. Each
 * is tried in a process of its own, forked from one that has the store in memory.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/heap.h"
#include "base/prng.h"
#include "tests/sim/hunt.h"
#include "tests/sim/life.h"

#define MILLI        INT64_C(1000000)
#define AROUND       64u  /* zeros that far from anything written are places, too */
#define PLACES_CI    100u /* at least, whatever the time */
#define FILES_MAX    256u
#define PATH_SIZE    200u
#define JOURNAL_SIZE (16u << 10)
#define REST         (5000 * MILLI)
#define OPENING      40u /* times that are waited for a stream */

enum outcome { HARMLESS, FOUND, WRONG }; /* exit codes */

struct file {
    char path[PATH_SIZE];
    uint32_t *offsets;
    uint32_t count;
};

struct store {
    struct file files[FILES_MAX];
    unsigned file_count;
    uint64_t places;
    unsigned complaints; /* of a start without a flip */
};

static struct life life;
static struct store store;

/* ---- places --------------------------------------------------------------------------------- */

static void add_places(const char *path)
{
    struct file *file = &store.files[store.file_count];
    struct bytes content;
    size_t last = SIZE_MAX;

    if (!sim_durable(life.sim, life.node, path, &content) || content.size == 0)
        return;
    if (store.file_count == FILES_MAX)
        life_fail(&life, "the store has too many files", FILES_MAX);
    snprintf(file->path, sizeof file->path, "%s", path);
    file->offsets = heap_take(content.size * sizeof *file->offsets);
    for (size_t at = 0; at < content.size; at++) {
        if (content.at[at] != 0)
            last = at;
        if (last != SIZE_MAX && at - last < AROUND)
            file->offsets[file->count++] = (uint32_t)at;
    }
    store.places += file->count;
    store.file_count++;
}

static void add_below(const char *path);

static void add_entry(void *context, const char *name, bool directory)
{
    const char *above = context;
    char path[PATH_SIZE];

    snprintf(path, sizeof path, "%s%s%s", above, above[0] != 0 ? "/" : "", name);
    if (directory)
        add_below(path);
    else
        add_places(path);
}

static void add_below(const char *path)
{
    char here[PATH_SIZE];

    snprintf(here, sizeof here, "%s", path);
    if (io_list(sim_node_io(life.sim, life.node), here[0] != 0 ? here : ".", add_entry, here) != OK)
        life_fail(&life, "a directory cannot be listed", 0);
}

static void place_find(uint64_t place, const char **path, uint32_t *offset)
{
    unsigned i = 0;

    while (place >= store.files[i].count)
        place -= store.files[i++].count;
    *path = store.files[i].path;
    *offset = store.files[i].offsets[place];
}

/* ---- one ------------------------------------------------------------------------------------ */

/* Is it there as it was stored? */
static bool right(unsigned sequence)
{
    char text[LIFE_SIZE + 1], subject[64];

    life_text(sequence, text);
    snprintf(subject, sizeof subject, "Nats-Subject: s.%u\r\n", sequence % 7);
    return strcmp(life.answer, text) == 0 && strstr(life.headers, subject) != NULL;
}

/* The first thing that is not as it was. */
static const char *different;
static uint64_t different_at;

static void same_if(bool same, const char *what, uint64_t number)
{
    if (same || different != NULL)
        return;
    different = what;
    different_at = number;
}

/* Ends the process if a wrong byte is served. */
static void look_at_messages(void)
{
    for (unsigned sequence = 1; sequence < LIFE_MESSAGES + 10; sequence++) {
        const struct truth *truth = &life.truth;
        bool gone = truth->deleted[sequence] == SURE || truth->stored[sequence] == NEVER ||
                    (sequence < LIFE_PURGED && truth->purged == SURE);
        char body[64];

        snprintf(body, sizeof body, "{\"seq\":%u}", sequence);
        (void)life_ask(&life, "$JS.API.DIRECT.GET.S", body);
        if (right(sequence) && truth->stored[sequence] != NEVER)
            same_if(!gone, "a message is there again, and nobody complains", sequence);
        else if (strstr(life.headers, "Nats-Sequence") != NULL)
            life_fail(&life, "a message has other bytes, or never was", sequence);
        else
            same_if(gone, "a message is not there, and nobody complains", sequence);
    }
}

static void look_at_stream(void)
{
    for (unsigned i = 0; i < OPENING; i++) {
        (void)life_ask(&life, "$JS.API.STREAM.INFO.S", "");
        if (life_says(&life, "\"last_seq\":"))
            break;
        sim_run(life.sim, 25 * MILLI);
    }
    same_if(life_number(&life, "\"last_seq\":") == LIFE_MESSAGES,
            "the stream ends elsewhere, and nobody complains", 0);
}

static void look_at_consumer(void)
{
    const char *floor;
    uint64_t at = 0;

    (void)life_ask(&life, "$JS.API.CONSUMER.INFO.S.C", "");
    floor = strstr(life.answer, "\"ack_floor\"");
    floor = floor != NULL ? strstr(floor, "\"stream_seq\":") : NULL;
    if (floor != NULL)
        at = strtoull(floor + 13, NULL, 10);
    same_if(at == life.truth.acked, "the consumer stands elsewhere, and nobody complains", at);
}

static void look_at_names(void)
{
    (void)life_ask(&life, "$JS.API.STREAM.NAMES", "");
    same_if(life_says(&life, "\"S\"") && !life_says(&life, "\"X\""),
            "there are other streams, and nobody complains", 0);
}

static enum outcome serve(void)
{
    life.may_refuse = true;
    if (!life_start(&life))
        return FOUND;
    look_at_stream();
    look_at_messages();
    look_at_consumer();
    look_at_names();
    if (life.complaints > store.complaints)
        return FOUND;
    if (different != NULL)
        life_fail(&life, different, different_at);
    return HARMLESS;
}

static unsigned bit_of(uint64_t seed, uint64_t place)
{
    struct prng prng;

    prng_seed(&prng, seed ^ place * 0x9e3779b97f4a7c15u);
    return (unsigned)prng_below(&prng, 8);
}

static enum outcome try_place(uint64_t seed, uint64_t place)
{
    const char *path;
    uint32_t offset;

    place_find(place, &path, &offset);
    if (!sim_flip(life.sim, life.node, path, offset, bit_of(seed, place)))
        life_fail(&life, "there is no such byte", offset);
    return serve();
}

/* In a process of its own. */
static enum outcome try_apart(uint64_t seed, uint64_t place)
{
    int status = 0;
    const char *path;
    uint32_t offset;
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        enum outcome outcome = try_place(seed, place);

        fflush(stdout);
        _exit(outcome == FOUND ? 10 : 0); /* 1: life_fail has ended it */
    }
    if (waitpid(pid, &status, 0) == pid && WIFEXITED(status)) {
        if (WEXITSTATUS(status) == 10)
            return FOUND;
        if (WEXITSTATUS(status) == 0)
            return HARMLESS;
    }
    place_find(place, &path, &offset);
    printf("sim_flips --seed %" PRIu64 " --place %" PRIu64
           " (%s at %u, bit %u): failed, status %d\n",
           seed, place, path, offset, bit_of(seed, place), status);
    return WRONG;
}

/* ---- all ------------------------------------------------------------------------------------ */

/* A store at rest, and what a start says when nothing is flipped. */
static void prepare(uint64_t seed)
{
    int status = 0;
    pid_t pid;

    life_begin(&life, seed, 0, 0);
    life.options.sim.journal_file_size = JOURNAL_SIZE;
    if (!life_start(&life) || !life_live(&life))
        life_fail(&life, "the power went by itself", 0);
    life_look(&life);
    sim_run(life.sim, REST);
    life_power(&life);
    life.complaints = 0;
    add_below("");
    store.complaints = UINT32_MAX;
    fflush(stdout);
    pid = fork();
    if (pid == 0)
        _exit(serve() == HARMLESS && different == NULL && life.complaints < 100
                  ? (int)life.complaints
                  : 100);
    if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) >= 100)
        life_fail(&life, "the store is not whole before any flip", 0);
    store.complaints = (unsigned)WEXITSTATUS(status);
}

struct plan {
    uint64_t seed, from, every;
    double seconds;
    bool all, until_wrong;
};

static int run(const struct plan *plan)
{
    uint64_t counts[3] = {0}, tried = 0;
    double begun = hunt_clock();
    struct prng prng;

    prng_seed(&prng, plan->from);
    for (uint64_t i = plan->from; plan->all ? i < store.places : true; i += plan->every) {
        if (tried >= PLACES_CI && hunt_clock() - begun > plan->seconds)
            break;
        if (plan->until_wrong && counts[WRONG] > 0)
            break;
        counts[try_apart(plan->seed, plan->all ? i : prng_below(&prng, store.places))]++;
        tried++;
    }
    printf("sim_flips: %" PRIu64 " of %" PRIu64 " places in %u files: %" PRIu64 " found, %" PRIu64
           " harmless, %" PRIu64 " failed\n",
           tried, store.places, store.file_count, counts[FOUND], counts[HARMLESS], counts[WRONG]);
    return counts[WRONG] > 0;
}

/* That this notices what is lost: whoever does not hear the complaints must find some flip wrong.
 * Bugs of the reading itself are sim_log's. */
static int try_deaf(double seconds)
{
    int status = 0;
    pid_t pid;

    printf("%-24s ", "DEAF");
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        struct plan plan = {.seed = 1, .seconds = seconds, .until_wrong = true};

        prepare(1);
        store.complaints = UINT32_MAX;
        _exit(run(&plan));
    }
    if (waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 1)
        return 0;
    printf("not found\n");
    return 1;
}

struct asked {
    struct plan plan;
    uint64_t place; /* UINT64_MAX: as planned */
    bool flaws;
};

static bool read_value(struct asked *asked, const char *option, const char *text)
{
    uint64_t number;
    char *end;

    number = strtoull(text, &end, 10);
    if (end == text || *end != 0)
        return false;
    if (strcmp(option, "--seconds") == 0)
        asked->plan.seconds = (double)number;
    else if (strcmp(option, "--from") == 0)
        asked->plan.from = number;
    else if (strcmp(option, "--every") == 0)
        asked->plan.every = number;
    else if (strcmp(option, "--seed") == 0)
        asked->plan.seed = number;
    else if (strcmp(option, "--place") == 0)
        asked->place = number;
    else
        return false;
    return true;
}

static bool read_arguments(int argc, char **argv, struct asked *asked)
{
    *asked = (struct asked){.plan = {.seed = 1, .every = 1, .seconds = 1e9}, .place = UINT64_MAX};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--flaws") == 0)
            asked->flaws = true;
        else if (strcmp(argv[i], "--all") == 0)
            asked->plan.all = true;
        else if (i + 1 == argc || !read_value(asked, argv[i], argv[i + 1]))
            return false;
        else
            i++;
    }
    return asked->plan.every > 0;
}

int main(int argc, char **argv)
{
    struct asked asked;

    if (!read_arguments(argc, argv, &asked)) {
        fprintf(stderr, "usage: sim_flips [--all | --seconds N] [--from S] [--every N] | "
                        "--seed S --place I | --flaws\n");
        return 2;
    }
    if (asked.flaws)
        return try_deaf(asked.plan.seconds);
    prepare(asked.plan.seed);
    if (asked.place == UINT64_MAX)
        return run(&asked.plan);
    life.story = true;
    printf("%s\n", try_place(asked.plan.seed, asked.place) == FOUND ? "found" : "harmless");
    return 0;
}
