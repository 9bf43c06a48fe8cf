/*
 * cluster_swapped: two nodes are down, and come back each with the other's disk: neither starts,
 * and neither disk is changed. With their own again all is as it was.
 */
#include "tests/sim/cluster_stage.h"

#define BACK_NS (20 * SECOND)

static enum sim_crash_mode mode(const struct stage *stage)
{
    return prng_chance(stage->prng, 1, 2) ? SIM_CRASH_KILL : SIM_CRASH_POWER;
}

static void swap(const struct stage *stage, size_t a, size_t b)
{
    report_say(stage->report, "n%zu and n%zu change disks", a + 1, b + 1);
    sim_swap_disks(stage->sim, a, b);
}

static bool is_refused(const struct stage *stage, size_t node, size_t owner)
{
    if (!nodes_start(stage->nodes, node, SIM_CRASH_KILL, 0))
        return true;
    report_violate(stage->report, "n%zu starts with the disk of n%zu", node + 1, owner + 1);
    return false;
}

static bool starts(const struct stage *stage, size_t node)
{
    if (nodes_start(stage->nodes, node, SIM_CRASH_KILL, 0))
        return true;
    report_violate(stage->report, "n%zu does not start with its own disk", node + 1);
    return false;
}

void play_swapped(const struct stage *stage)
{
    struct user *user = &stage->users[0];
    size_t a = prng_below(stage->prng, stage->nodes->count), b = stage_other_than(stage, a);

    faults_calm_down(stage->faults);
    if (!stage_is_level(stage, BACK_NS))
        return;
    stage_publish_for(stage, user, (int64_t)prng_below(stage->prng, SECOND));
    nodes_crash(stage->nodes, a, mode(stage));
    stage_publish_for(stage, user, (int64_t)prng_below(stage->prng, SECOND));
    nodes_crash(stage->nodes, b, mode(stage));
    swap(stage, a, b);
    if (!is_refused(stage, a, b) || !is_refused(stage, b, a))
        return;
    stage_pass(stage, (int64_t)prng_below(stage->prng, SECOND));
    swap(stage, a, b);
    if (!starts(stage, a) || !starts(stage, b))
        return;
    stage_must_serve(stage, user);
    if (!stage_is_level(stage, BACK_NS) && report_good(stage->report))
        report_violate(stage->report, "n%zu and n%zu have their disks again: %s", a + 1, b + 1,
                       truth_level(stage->truth));
}
