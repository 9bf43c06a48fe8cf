/*
 * cluster_short: a log ends too early on one node after the other, each time when all servers have
 * called themselves well since, until that has happened to a majority; then the power of all of
 * them fails. They must go on: what was made good is forgotten, and nothing is asked of anybody in
 * between that would bring another entry. The mending node may lose its power while it does so.
 */
#include "tests/sim/cluster_stage.h"

#define BACK_NS   (20 * SECOND)
#define CHOOSE_NS (5 * SECOND)
#define OPS_MAX   150 /* disk operations in which a log is mended, and more */

static bool starts(const struct stage *stage, size_t node)
{
    if (nodes_start(stage->nodes, node, SIM_CRASH_KILL, 0))
        return true;
    report_violate(stage->report, "n%zu does not start", node + 1);
    return false;
}

static bool all_come_to_be_well(const struct stage *stage)
{
    int64_t until = stage_now(stage) + BACK_NS;

    while (stage_not_well(stage) != NULL && stage_now(stage) < until &&
           report_good(stage->report)) {
        size_t fallen = nodes_fallen(stage->nodes);

        if (fallen < stage->nodes->count && !starts(stage, fallen))
            return false;
        stage->pass(stage->context, MILLISECOND);
    }
    if (stage_not_well(stage) != NULL && report_good(stage->report))
        report_violate(stage->report, "a log ended too early, and %lld s later: %s",
                       (long long)(BACK_NS / SECOND), stage_not_well(stage));
    return report_good(stage->report);
}

static bool cut_one(const struct stage *stage, size_t node, uint64_t log)
{
    nodes_crash(stage->nodes, node, SIM_CRASH_KILL);
    (void)nodes_cut_log(stage->nodes, node, log);
    if (!starts(stage, node))
        return false;
    if (prng_chance(stage->prng, 1, 2))
        sim_crash_after(stage->sim, node, SIM_CRASH_POWER, 1 + prng_below(stage->prng, OPS_MAX));
    if (!all_come_to_be_well(stage))
        return false;
    sim_crash_after(stage->sim, node, SIM_CRASH_KILL, 0);
    return true;
}

static bool power_fails(const struct stage *stage)
{
    size_t count = stage->nodes->count;

    for (size_t i = 0; i < count; i++)
        nodes_crash(stage->nodes, i, SIM_CRASH_POWER);
    stage_pass(stage, (int64_t)prng_below(stage->prng, SECOND));
    for (size_t i = 0; i < count; i++) {
        if (!starts(stage, i))
            return false;
    }
    return true;
}

static void must_be_led(const struct stage *stage)
{
    int64_t until = stage_now(stage) + CHOOSE_NS;

    while (truth_led(stage->truth) != NULL && stage_now(stage) < until &&
           report_good(stage->report))
        stage_pass(stage, 10 * MILLISECOND);
    if (truth_led(stage->truth) != NULL && report_good(stage->report))
        report_violate(stage->report, "all had what they lost again, and now: %s",
                       truth_led(stage->truth));
}

void play_again(const struct stage *stage)
{
    size_t count = stage->nodes->count, node = prng_below(stage->prng, count), cut = 0;
    uint64_t log = prng_chance(stage->prng, 1, 2) ? 1 : truth_log(stage->truth, "S0");

    faults_calm_down(stage->faults);
    if (!stage_is_level(stage, BACK_NS) || !all_come_to_be_well(stage))
        return;
    for (size_t i = 0; i < count && cut <= count / 2; i++, node = (node + 1) % count) {
        if (log != 1 && !truth_has(stage->truth, "S0", node))
            continue;
        if (!cut_one(stage, node, log))
            return;
        cut++;
    }
    if (!power_fails(stage))
        return;
    must_be_led(stage);
    stage_must_serve(stage, &stage->users[0]);
}
