/*
 * sim_starts: the power goes at each disk operation of a whole server's life (life.h) in turn; what
 * the disk kept of what was not synced is drawn per seed. On each such image a server starts: all
 * that was acknowledged is there, byte by byte, what was confirmed to be gone stays so, and it goes
 * on; and once more after the power has gone in the middle of its start.
 *
 *     sim_starts [--seconds N | --images N] [--from S | --seed S [--operation N]] [--flaws]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "storage/flaws.h"
#include "tests/sim/life.h"

#define IMAGES_CI 2000u /* at least, whatever the time */
#define START_OPS 60u   /* the power goes again within so many of a start */
#define SAY       60.0  /* seconds from one line that tells how far it is to the next */

/* In every other life the streams are on two shards, each of which opens its own. */
static void begin(struct life *life, uint64_t seed, uint64_t operation, uint64_t flaws)
{
    life_begin(life, seed, operation, flaws);
    life_shard(life, seed % 2 == 0 ? 2 : 1);
}

static uint64_t count_operations(uint64_t seed)
{
    static struct life life;
    uint64_t count;

    begin(&life, seed, 0, 0);
    life.restores = true;
    if (!life_start(&life) || !life_live(&life))
        life_fail(&life, "the power went by itself", 0);
    assert(life.truth.restored == SURE);
    life_look(&life);
    count = sim_disk_ops(life.sim, life.node);
    life_end(&life);
    return count;
}

static void try_image(uint64_t seed, uint64_t operation, uint64_t flaws)
{
    static struct life life;

    begin(&life, seed, operation, flaws);
    life.restores = true;
    sim_crash_after(life.sim, life.node, SIM_CRASH_POWER, operation);
    if (life_start(&life))
        (void)life_live(&life);
    life_power(&life);
    sim_crash_after(life.sim, life.node, SIM_CRASH_POWER, 1 + operation * 7 % START_OPS);
    (void)life_start(&life);
    life_power(&life);
    if (!life_start(&life))
        life_fail(&life, "the power went by itself", 0);
    life_look(&life);
    if (!life_live(&life))
        life_fail(&life, "it does not go on", 0);
    life_look(&life);
    life_power(&life);
    if (!life_start(&life))
        life_fail(&life, "the power went by itself", 0);
    life_look(&life);
    life_end(&life);
}

static double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void tell_how_far(uint64_t tried, uint64_t seed, uint64_t operation, double seconds)
{
    static double said;

    if (seconds - said < SAY)
        return;
    said = seconds;
    printf("sim_starts: %" PRIu64 " images in %.0f s, at seed %" PRIu64 ", operation %" PRIu64 "\n",
           tried, seconds, seed, operation);
    fflush(stdout);
}

static uint64_t try_many(uint64_t seed, uint64_t seeds, uint64_t images, double seconds,
                         uint64_t flaws)
{
    double begun = seconds_now();
    uint64_t tried = 0;

    for (uint64_t s = seed; s - seed < seeds; s++) {
        uint64_t count = count_operations(s);

        for (uint64_t operation = 1; operation <= count; operation++) {
            if (tried == images || (tried >= IMAGES_CI && seconds_now() - begun > seconds))
                return tried;
            try_image(s, operation, flaws);
            tried++;
            tell_how_far(tried, s, operation, seconds_now() - begun);
        }
    }
    return tried;
}

/* Those that some image must show; sim_log has them all. */
static int try_flaws(double seconds)
{
    static const struct {
        const char *name;
        uint64_t flaw;
    } flaws[] = {{"SKIP_REDO", FLAW_SKIP_REDO},
                 {"FORGET_DIRECTORY_SYNC", FLAW_FORGET_DIRECTORY_SYNC}};
    int missed = 0;

    for (size_t i = 0; i < sizeof flaws / sizeof flaws[0]; i++) {
        int status = 0;
        pid_t pid;

        printf("%-24s ", flaws[i].name);
        fflush(stdout);
        pid = fork();
        if (pid == 0) {
            (void)try_many(1, UINT64_MAX - 1, UINT64_MAX, seconds, flaws[i].flaw);
            exit(0);
        }
        if (waitpid(pid, &status, 0) == pid && status == 0) {
            printf("not found\n");
            missed++;
        }
    }
    return missed > 0;
}

int main(int argc, char **argv)
{
    uint64_t seed = 1, seeds = UINT64_MAX - 1, images = UINT64_MAX, operation = 0;
    double seconds = 1e9;
    bool flaws = false;

    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "0";

        if (strcmp(argv[i], "--seconds") == 0)
            seconds = atof(value);
        else if (strcmp(argv[i], "--images") == 0)
            images = strtoull(value, NULL, 10);
        else if (strcmp(argv[i], "--from") == 0)
            seed = strtoull(value, NULL, 10);
        else if (strcmp(argv[i], "--seed") == 0)
            seed = strtoull(value, NULL, 10), seeds = 1;
        else if (strcmp(argv[i], "--operation") == 0)
            operation = strtoull(value, NULL, 10);
        else if (strcmp(argv[i], "--flaws") == 0)
            flaws = true;
    }
    if (flaws)
        return try_flaws(seconds);
    if (operation != 0)
        try_image(seed, operation, 0);
    else
        printf("sim_starts: %" PRIu64 " images passed, 0 failed\n",
               try_many(seed, seeds, images, seconds, 0));
    return 0;
}
