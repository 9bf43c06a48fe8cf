/*
 * cluster_empty: a disk is lost and its node comes back with an empty one; then another node dies.
 * As soon as all servers call themselves well, the rest must go on without it: one that is not
 * counted on yet does not call itself well. Dies another before that, it may be needed, and when it
 * is back all is as it was.
 */
#include "tests/sim/cluster_stage.h"

#define BACK_NS   (20 * SECOND)
#define LOOK_NS   MILLISECOND
#define CHOOSE_NS (5 * SECOND) /* a leader for what has lost one */

static bool comes_back_empty(const struct stage *stage, size_t node)
{
    nodes_crash(stage->nodes, node, SIM_CRASH_KILL);
    nodes_wipe(stage->nodes, node);
    stage->faults->exposed = true;
    stage->faults->wipes++;
    if (nodes_start(stage->nodes, node, SIM_CRASH_KILL, 0))
        return true;
    report_violate(stage->report, "n%zu does not start with an empty disk", node + 1);
    return false;
}

/* In the very moment: it is looked for once a millisecond, and publishes go on. */
static bool all_come_to_be_well(const struct stage *stage, struct user *user)
{
    int64_t until = stage_now(stage) + BACK_NS;

    while (stage_not_well(stage) != NULL && stage_now(stage) < until &&
           report_good(stage->report)) {
        if (user_connected(user) && user->open < 5)
            user_publish(user, 0);
        stage->pass(stage->context, LOOK_NS);
        user_look_at_time(user);
    }
    if (stage_not_well(stage) != NULL && report_good(stage->report))
        report_violate(stage->report, "a disk was lost, and %lld s later: %s",
                       (long long)(BACK_NS / SECOND), stage_not_well(stage));
    return report_good(stage->report);
}

static void must_go_on(const struct stage *stage, struct user *user)
{
    int64_t until = stage_now(stage) + CHOOSE_NS;

    while (truth_led(stage->truth) != NULL && stage_now(stage) < until &&
           report_good(stage->report))
        stage_pass(stage, 10 * MILLISECOND);
    stage_must_serve(stage, user);
    if (report_good(stage->report) && truth_led(stage->truth) != NULL)
        report_violate(stage->report, "all were well, one died, and the rest does not go on: %s",
                       truth_led(stage->truth));
}

void play_empty(const struct stage *stage)
{
    struct user *user = &stage->users[0];
    size_t empty = prng_below(stage->prng, stage->nodes->count), dies;
    bool waits = prng_chance(stage->prng, 2, 3);

    faults_calm_down(stage->faults);
    if (!stage_is_level(stage, BACK_NS) || !stage_go_to(stage, user, empty))
        return;
    stage_publish_for(stage, user, (int64_t)prng_below(stage->prng, SECOND));
    if (!comes_back_empty(stage, empty) || (waits && !all_come_to_be_well(stage, user)))
        return;
    if (!waits)
        stage_publish_for(stage, user, (int64_t)prng_below(stage->prng, 2 * SECOND));
    dies = truth_leader(stage->truth, "S0");
    if (dies >= stage->nodes->count || dies == empty)
        dies = stage_other_than(stage, empty);
    report_say(stage->report, "n%zu dies, and n%zu was empty", dies + 1, empty + 1);
    nodes_crash(stage->nodes, dies, SIM_CRASH_KILL);
    if (waits)
        must_go_on(stage, user);
    else
        stage_pass(stage, (int64_t)prng_below(stage->prng, 3 * SECOND));
    if (!report_good(stage->report) || !nodes_start(stage->nodes, dies, SIM_CRASH_KILL, 0))
        return;
    stage_must_serve(stage, user);
    if (!stage_is_level(stage, BACK_NS) && report_good(stage->report))
        report_violate(stage->report, "n%zu came back empty, n%zu died and is back: %s", empty + 1,
                       dies + 1, truth_level(stage->truth));
}
