#include "tests/sim/cluster_stage.h"

#include "server/jetstream/jetstream_core.h"

/* ---- what users do meanwhile ---------------------------------------------------------------- */

int64_t stage_now(const struct stage *stage)
{
    return sim_now(stage->sim);
}

void stage_pass(const struct stage *stage, int64_t ns)
{
    int64_t until = stage_now(stage) + ns;

    while (stage_now(stage) < until && report_good(stage->report)) {
        stage->pass(stage->context, 5 * MILLISECOND);
        for (unsigned i = 0; i < stage->user_count; i++)
            user_look_at_time(&stage->users[i]);
    }
}

bool stage_ready(const struct user *user)
{
    return user_connected(user) && user_idle(user);
}

bool stage_wait_ready(const struct stage *stage, const struct user *user, int64_t most_ns)
{
    int64_t until = stage_now(stage) + most_ns;

    while (!stage_ready(user) && stage_now(stage) < until && report_good(stage->report))
        stage_pass(stage, 5 * MILLISECOND);
    return stage_ready(user);
}

bool stage_go_to(const struct stage *stage, struct user *user, size_t node)
{
    user->patience_ns = USER_PATIENCE_NS;
    user_move(user, node);
    for (int i = 0; i < 100 && !user_go(user, node); i++)
        stage->pass(stage->context, MILLISECOND);
    return stage_wait_ready(stage, user, 2 * SECOND) && user->server == node;
}

void stage_publish_for(const struct stage *stage, struct user *user, int64_t ns)
{
    int64_t until = stage_now(stage) + ns;

    while (stage_now(stage) < until && report_good(stage->report)) {
        if (user_connected(user) && user->open < 30)
            user_publish(user, 0);
        stage_pass(stage, 10 * MILLISECOND);
    }
}

size_t stage_other_than(const struct stage *stage, size_t node)
{
    size_t count = stage->nodes->count;

    return (node + 1 + prng_below(stage->prng, count - 1)) % count;
}

void stage_cut_off(const struct stage *stage, size_t node, bool off)
{
    for (size_t i = 0; i < stage->nodes->count; i++) {
        if (i == node)
            continue;
        (off ? sim_cut : sim_join)(stage->sim, node, i);
        (off ? sim_cut : sim_join)(stage->sim, i, node);
    }
}

/* Nothing is wrong with network, disks and nodes: whoever is asked has to see to it. */
void stage_must_serve(const struct stage *stage, struct user *user)
{
    const struct history *history = &stage->scene->streams[0].history;
    uint64_t stored = history->stored;
    int64_t until = stage_now(stage) + 8 * SECOND;

    while (history->stored == stored && stage_now(stage) < until && report_good(stage->report)) {
        if (stage_ready(user))
            user_publish(user, 0);
        stage_pass(stage, 100 * MILLISECOND);
    }
    if (history->stored == stored)
        report_violate(stage->report, "S0: nothing is stored by way of n%zu, and nothing is wrong",
                       user->server + 1);
}

const char *stage_not_well(const struct stage *stage)
{
    for (size_t i = 0; i < stage->nodes->count; i++) {
        struct jetstream *jetstream = nodes_jetstream(stage->nodes, i);
        struct jetstream_trouble trouble;

        if (jetstream == NULL)
            return "a server does not run";
        if (jetstream_trouble(jetstream, false, &trouble))
            return trouble.why;
    }
    return NULL;
}

bool stage_is_level(const struct stage *stage, int64_t most_ns)
{
    int64_t until = stage_now(stage) + most_ns;

    while (truth_level(stage->truth) != NULL && stage_now(stage) < until &&
           report_good(stage->report))
        stage_pass(stage, 50 * MILLISECOND);
    return truth_level(stage->truth) == NULL;
}
