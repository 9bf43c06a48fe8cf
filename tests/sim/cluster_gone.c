/*
 * cluster_gone: a node is lost for good, or cut off, or well, and removed from the cluster
 * (SERVER.REMOVE). The others go on without it, streams have a replica elsewhere or one less. It
 * comes back with the data that it had: nothing is changed by that. It comes back with an empty
 * disk: it is a new member.
 */
#include <string.h>

#include "server/cluster/cluster.h"
#include "server/jetstream/jetstream_priv.h"
#include "tests/sim/cluster_stage.h"

#define REMOVED_NS (10 * SECOND) /* nothing else is wrong */
#define BACK_NS    (20 * SECOND)

/* One removal, asked of whoever leads until it is answered. */
struct removal {
    struct catalogue_op op;
    char name[16];
    bool under_way;
    uint16_t error;
    unsigned good;
};

static uint16_t check(struct catalogue_op *op, bool *satisfied)
{
    (void)satisfied;
    return jetstream_may_expel(op->owner, op->name, bytes_of(NULL, 0), &op->member, op->error_text,
                               sizeof op->error_text);
}

static void done(struct catalogue_op *op, struct catalogue_entry *entry)
{
    struct removal *removal = (struct removal *)op;

    (void)entry;
    removal->under_way = false;
    removal->error = op->error;
    removal->good += op->error == 0;
}

static void ask(const struct stage *stage, struct removal *removal)
{
    size_t leader = truth_meta_leader(stage->truth);
    struct jetstream *jetstream = nodes_jetstream(stage->nodes, leader);

    if (removal->under_way || leader >= stage->nodes->count)
        return;
    removal->under_way = true;
    removal->op = (struct catalogue_op){
        .kind = CATALOGUE_EXPULSION,
        .account = router_account_default(server_router(jetstream_server(jetstream))),
        .name = bytes_of_text(removal->name),
        .check = check,
        .done = done,
        .owner = jetstream};
    jetstream_catalogue(jetstream, &removal->op);
}

/* ---- who is in ------------------------------------------------------------------------------- */

static const struct jetstream *leads(const struct stage *stage)
{
    size_t leader = truth_meta_leader(stage->truth);

    return leader < stage->nodes->count ? nodes_jetstream(stage->nodes, leader) : NULL;
}

static uint64_t node_id(const struct stage *stage, size_t node)
{
    return cluster_node_id(bytes_of_text(stage->nodes->at[node].name));
}

static bool is_member(const struct stage *stage, size_t node)
{
    const struct jetstream *jetstream = leads(stage);

    return jetstream == NULL ||
           members_find(replica_members(jetstream->meta), node_id(stage, node)) != NULL;
}

/* Does any stream's group count on it? Asked of those who lead. */
static bool holds(const struct stage *stage, size_t node)
{
    for (size_t i = 0; i < stage->nodes->count; i++) {
        const struct jetstream *jetstream = nodes_jetstream(stage->nodes, i);

        if (jetstream == NULL || i == node)
            continue;
        for (struct catalogue_entry *entry = jetstream->catalogue.first; entry != NULL;
             entry = entry->next) {
            if (entry->stream != NULL && stream_leads(entry->stream) &&
                members_find(replica_members(stream_replica(entry->stream)),
                             node_id(stage, node)) != NULL)
                return true;
        }
    }
    return false;
}

static bool is_out(const struct stage *stage, size_t node)
{
    return leads(stage) != NULL && !is_member(stage, node) && !holds(stage, node);
}

/* ---- the scene ------------------------------------------------------------------------------- */

/* Those who are left do it, and go on. */
static bool take_out(const struct stage *stage, struct user *user, size_t node)
{
    static struct removal removal; /* a run that ends early ends what is under way later */
    int64_t until = stage_now(stage) + REMOVED_NS;

    removal = (struct removal){0};
    memcpy(removal.name, stage->nodes->at[node].name, sizeof removal.name);
    report_say(stage->report, "n%zu is to leave the cluster", node + 1);
    while (report_good(stage->report) &&
           (removal.under_way || (stage_now(stage) < until && !is_out(stage, node)))) {
        if (removal.good == 0 && removal.error != 10044)
            ask(stage, &removal);
        stage_publish_for(stage, user, 20 * MILLISECOND);
    }
    if (report_good(stage->report) && !is_out(stage, node))
        report_violate(stage->report, "n%zu was removed, and is counted on (error %u)", node + 1,
                       removal.error);
    return is_out(stage, node);
}

enum how { DEAD, CUT, UP };

/* With the disk that it had. */
static void come_back(const struct stage *stage, struct user *user, size_t node, enum how how)
{
    const struct jetstream *before = leads(stage);
    uint64_t term = before != NULL ? replica_term(before->meta) : 0;

    if (how == CUT)
        stage_cut_off(stage, node, false);
    else if (how == DEAD && !nodes_start(stage->nodes, node, SIM_CRASH_KILL, 0))
        return;
    stage_publish_for(stage, user, 5 * SECOND);
    if (!report_good(stage->report))
        return;
    if (is_member(stage, node) || holds(stage, node))
        report_violate(stage->report, "n%zu was removed, and is let in again", node + 1);
    else if (leads(stage) != before || replica_term(before->meta) != term)
        report_violate(stage->report, "n%zu was removed, and disturbs those who are left",
                       node + 1);
    else
        forged_by(stage, node);
}

/* Empty: a new one. */
static void join_again(const struct stage *stage, size_t node)
{
    if (nodes_up(stage->nodes, node))
        nodes_crash(stage->nodes, node, SIM_CRASH_KILL);
    nodes_wipe(stage->nodes, node);
    stage->faults->exposed = true;
    stage->faults->wipes++;
    if (!nodes_start(stage->nodes, node, SIM_CRASH_KILL, 0)) {
        report_violate(stage->report, "n%zu does not start with an empty disk", node + 1);
        return;
    }
    if (!stage_is_level(stage, BACK_NS) && report_good(stage->report))
        report_violate(stage->report, "n%zu, empty, does not come to be a member: %s", node + 1,
                       truth_level(stage->truth));
}

void play_gone(const struct stage *stage)
{
    struct user *user = &stage->users[0];
    size_t node = prng_below(stage->prng, stage->nodes->count);
    enum how how = (enum how)prng_below(stage->prng, 3);
    bool back = prng_chance(stage->prng, 2, 3);

    faults_calm_down(stage->faults);
    if (!stage_is_level(stage, BACK_NS) || !stage_go_to(stage, user, stage_other_than(stage, node)))
        return;
    if (how == CUT)
        stage_cut_off(stage, node, true);
    else if (how == DEAD)
        nodes_crash(stage->nodes, node, SIM_CRASH_KILL);
    stage_publish_for(stage, user, (int64_t)prng_below(stage->prng, 3 * SECOND));
    if (!take_out(stage, user, node))
        return;
    if (back)
        come_back(stage, user, node, how);
    else if (how == CUT)
        stage_cut_off(stage, node, false);
    if (report_good(stage->report))
        join_again(stage, node);
    stage_must_serve(stage, user);
}
