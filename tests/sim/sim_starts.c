/*
 * sim_starts: the power goes at each disk operation of a whole server's life (life.h) in turn; what
 * the disk kept of what was not synced is drawn per seed. On each such image a server starts: all
 * that was acknowledged is there, byte by byte, what was confirmed to be gone stays so, and it goes
 * on; and once more after the power has gone in the middle of its start.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "storage/flaws.h"
#include "tests/sim/images.h"
#include "tests/sim/life.h"

#define START_OPS 60u /* the power goes again within so many of a start */

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

int main(int argc, char **argv)
{
    static const struct images_flaw flaws[] = {
        {"SKIP_REDO", FLAW_SKIP_REDO},
        {"FORGET_DIRECTORY_SYNC", FLAW_FORGET_DIRECTORY_SYNC},
    };
    static const struct images images = {
        .name = "sim_starts",
        .count = count_operations,
        .run = try_image,
        .flaws = flaws,
        .flaw_count = sizeof flaws / sizeof flaws[0],
    };

    return images_main(&images, argc, argv);
}
