/*
 * cluster_left: a stream of one replica is to have three, and one of the new ones dies on its way
 * in; then it is to have one again, and goes on until its log has dropped what said so. Who was
 * dead comes back and is none of its members: whatever it knew, its replica goes.
 */
#include "server/cluster/cluster.h"
#include "server/jetstream/jetstream_priv.h"
#include "tests/sim/cluster_stage.h"

#define GONE_NS (30 * SECOND)

static bool ask_for(const struct stage *stage, struct user *user, unsigned replicas)
{
    stage->scene->streams[1].replicas = replicas;
    report_say(stage->report, "S1 is to have %u replicas", replicas);
    if (!stage_wait_ready(stage, user, SECOND))
        return false;
    user_ask(user, ASK_CHANGE, 1, 0);
    return true;
}

static void publish_for(const struct stage *stage, struct user *user, int64_t ns)
{
    int64_t until = stage_now(stage) + ns;

    while (stage_now(stage) < until && report_good(stage->report)) {
        if (user_connected(user) && user->open < 30)
            user_publish(user, 1);
        stage_pass(stage, 10 * MILLISECOND);
    }
}

/* A change may be refused while another is under way. */
static bool is_wished(const struct stage *stage, size_t node)
{
    size_t meta = truth_meta_leader(stage->truth);
    const struct catalogue_entry *entry =
        meta < stage->nodes->count
            ? catalogue_named(&nodes_jetstream(stage->nodes, meta)->catalogue, BYTES("$G"),
                              BYTES("S1"))
            : NULL;
    uint64_t id = cluster_node_id(bytes_of_text(stage->nodes->at[node].name));

    return entry == NULL || members_find(&entry->wished, id) != NULL;
}

void play_left(const struct stage *stage)
{
    struct user *user = &stage->users[0];
    size_t leader = truth_leader(stage->truth, "S1"), node;
    int64_t until;

    if (leader >= stage->nodes->count || stage->scene->streams[1].replicas != 1)
        return;
    node = stage_other_than(stage, leader);
    faults_calm_down(stage->faults);
    if (!stage_go_to(stage, user, leader) || !ask_for(stage, user, 3))
        return;
    for (uint64_t ms = prng_below(stage->prng, 60); ms > 0; ms--)
        stage->pass(stage->context, MILLISECOND);
    nodes_crash(stage->nodes, node, SIM_CRASH_KILL);
    publish_for(stage, user, 500 * MILLISECOND);
    if (!ask_for(stage, user, 1))
        return;
    publish_for(stage, user, 2 * SECOND);
    if (!nodes_start(stage->nodes, node, SIM_CRASH_KILL, 0))
        return;
    until = stage_now(stage) + GONE_NS;
    while ((!stage_is_level(stage, 5 * SECOND) ||
            (!is_wished(stage, node) && truth_has(stage->truth, "S1", node))) &&
           stage_now(stage) < until && report_good(stage->report))
        stage_pass(stage, 100 * MILLISECOND);
    if (truth_level(stage->truth) == NULL && !is_wished(stage, node) &&
        truth_has(stage->truth, "S1", node))
        report_violate(stage->report, "S1: n%zu keeps a replica that nobody counts on", node + 1);
}
