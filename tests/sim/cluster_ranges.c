/*
 * cluster_ranges: messages of one node rot where they lie, below what a start reads. The background
 * check finds them, the others have them, and each is whole again soon, without a person and
 * without a start; meanwhile, and with a peer that hands over something else, no wrong byte is
 * served (the histories see to that). The node may die at any time on the way.
 */
#include <stdio.h>

#include "server/stream/flaws.h"
#include "server/stream/stream_priv.h"
#include "tests/sim/cluster_stage.h"

#define ROTTEN_MAX 12u
#define WHOLE_NS   (100 * SECOND)

struct rotten {
    struct truth_place at[ROTTEN_MAX];
    unsigned count;
};

/* Side by side or anywhere. */
static void choose(const struct stage *stage, size_t node, struct rotten *rotten)
{
    const struct stream *stream = truth_stream(stage->truth, "S0", node);
    const struct stream_state *state = stream_applied(stream);
    bool together = prng_chance(stage->prng, 1, 2);
    uint64_t wanted = 1 + prng_below(stage->prng, ROTTEN_MAX), at = 0;
    struct index_entry entry = {0};

    rotten->count = 0;
    for (uint64_t i = 0; i < wanted && state->last_seq > 0; i++) {
        at = together && i > 0 ? entry.sequence + 1 : 1 + prng_below(stage->prng, state->last_seq);
        if (index_next(state->index, NULL, at, &entry) &&
            truth_place(stage->truth, "S0", node, entry.sequence, &rotten->at[rotten->count]))
            rotten->count++;
    }
}

/* In its head, its checksum, its subject or its payload. */
static void rot(const struct stage *stage, size_t node, const struct rotten *rotten)
{
    for (unsigned i = 0; i < rotten->count; i++) {
        const struct truth_place *at = &rotten->at[i];

        report_say(stage->report, "n%zu: message %llu rots in %s", node + 1,
                   (unsigned long long)at->sequence, at->path);
        (void)sim_flip(stage->sim, node, at->path,
                       at->offset + prng_below(stage->prng, at->size - 8),
                       (unsigned)prng_below(stage->prng, 8));
    }
}

static void lie(const struct stage *stage, size_t node, bool lies)
{
    struct stream *stream = truth_stream(stage->truth, "S0", node);

    if (stream == NULL)
        return;
    stream->state.flaws &= ~(uint64_t)STREAM_FLAW_SERVES_OTHER;
    if (lies)
        stream->state.flaws |= STREAM_FLAW_SERVES_OTHER;
}

/* Nothing is lost any more, and all can be read. */
static bool is_whole(const struct stage *stage, size_t node)
{
    const struct stream *stream = truth_stream(stage->truth, "S0", node);

    return stream != NULL && stream_applied(stream)->lost.count == 0 &&
           truth_readable(stage->truth, "S0", node);
}

static bool again(const struct stage *stage, size_t node)
{
    return stage->nodes->at[node].server != NULL ||
           nodes_start(stage->nodes, node, SIM_CRASH_KILL, 0);
}

void ranges_must_heal(const struct stage *stage, size_t node)
{
    int64_t until = stage_now(stage) + WHOLE_NS;

    while (!is_whole(stage, node) && stage_now(stage) < until && report_good(stage->report))
        stage_pass(stage, 50 * MILLISECOND);
    if (!is_whole(stage, node))
        report_violate(stage->report, "S0: n%zu has damaged messages, and others have them whole",
                       node + 1);
}

void play_ranges(const struct stage *stage)
{
    struct user *user = &stage->users[0];
    size_t leader = truth_leader(stage->truth, "S0"), node, other;
    struct rotten rotten;

    if (leader >= stage->nodes->count)
        return;
    faults_calm_down(stage->faults);
    if (!stage_is_level(stage, 20 * SECOND) || !stage_go_to(stage, user, leader))
        return;
    stage_publish_for(stage, user, (int64_t)prng_below(stage->prng, 2 * SECOND));
    node = prng_below(stage->prng, stage->nodes->count);
    if (!stage_is_level(stage, 20 * SECOND) || !truth_has(stage->truth, "S0", node))
        return;
    choose(stage, node, &rotten);
    nodes_crash(stage->nodes, node, SIM_CRASH_KILL);
    rot(stage, node, &rotten);
    if (!again(stage, node)) {
        report_violate(stage->report, "n%zu does not start", node + 1);
        return;
    }
    other = stage_other_than(stage, node);
    lie(stage, other, prng_chance(stage->prng, 1, 3));
    stage_publish_for(stage, user, (int64_t)prng_below(stage->prng, 3 * SECOND));
    if (prng_chance(stage->prng, 1, 2)) { /* somewhere on the way, which begins after two seconds */
        for (uint64_t ms = prng_below(stage->prng, 100); ms > 0; ms--)
            stage->pass(stage->context, MILLISECOND);
        nodes_crash(stage->nodes, node,
                    prng_chance(stage->prng, 1, 2) ? SIM_CRASH_POWER : SIM_CRASH_KILL);
        if (!again(stage, node))
            return;
    }
    stage_pass(stage, 3 * SECOND);
    lie(stage, other, false);
    ranges_must_heal(stage, node);
}
