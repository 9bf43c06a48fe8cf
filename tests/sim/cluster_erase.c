/*
 * cluster_erase: messages are deleted for their bytes to go (the default of MSG.DELETE). In a
 * cluster others may need the entry as it was until the floor has passed it: as soon as that is so,
 * no file of any node has the bytes any more, segment, journal, packed frame or state block, and
 * they do not come back with a loss of power.
 *
 * One node may have found a message damaged, and be just about to have it from another again.
 *
 * One that is down meanwhile and comes back by a block is not told of the deletion, and erases what
 * has left the stream.
 */
#include <stdio.h>
#include <string.h>

#include "server/stream/stream_priv.h"
#include "tests/sim/cluster_stage.h"

#define DATA        "millrace"
#define DEPTH_MAX   4
#define NEEDLES     4u
#define NEEDLE_SIZE 48u
#define GONE_NS     (30 * SECOND)

struct needle {
    uint8_t at[NEEDLE_SIZE];
    size_t size;
    uint64_t sequence;
};

/* ---- looking for bytes ----------------------------------------------------------------------- */

struct listing {
    char names[64][256];
    bool directory[64];
    unsigned count;
};

static void list_one(void *context, const char *name, bool directory)
{
    struct listing *listing = context;

    if (listing->count == 64)
        return;
    snprintf(listing->names[listing->count], sizeof listing->names[0], "%s", name);
    listing->directory[listing->count++] = directory;
}

/* The path of a file on that node's platter that has the bytes; false: none. */
static bool search(const struct stage *stage, size_t node, const char *path, unsigned depth,
                   const struct needle *needle, char found[static 600])
{
    static struct listing listings[DEPTH_MAX];
    struct listing *listing = &listings[depth];
    bool has = false;

    listing->count = 0;
    if (io_list(sim_node_io(stage->sim, node), path, list_one, listing) != OK)
        return false;
    for (unsigned i = 0; i < listing->count && !has; i++) {
        char inside[600];
        struct bytes content;

        snprintf(inside, sizeof inside, "%.300s/%s", path, listing->names[i]);
        if (listing->directory[i]) {
            has = depth + 1 < DEPTH_MAX && search(stage, node, inside, depth + 1, needle, found);
        } else if (sim_durable(stage->sim, node, inside, &content)) {
            has = memmem(content.at, content.size, needle->at, needle->size) != NULL;
            if (has)
                memcpy(found, inside, sizeof inside);
        }
    }
    return has;
}

static bool anywhere(const struct stage *stage, const struct needle *needle, size_t *node,
                     char found[static 600])
{
    for (*node = 0; *node < stage->nodes->count; (*node)++) {
        if (search(stage, *node, DATA, 0, needle, found))
            return true;
    }
    return false;
}

/* ---- the scene ------------------------------------------------------------------------------- */

/* A message that is known to be there, and whose bytes are like no others. */
static bool choose(const struct stage *stage, struct needle *needle)
{
    static uint8_t payload[CONTENT_MAX];
    const struct history *history = &stage->scene->streams[0].history;
    uint64_t sequence =
        history->acked_last == 0 ? 0 : 1 + prng_below(stage->prng, history->acked_last);
    const struct history_message *message = &history->messages[sequence];
    size_t size;

    if (sequence == 0 || message->id == 0 || message->removal_asked_ns != 0 ||
        message->id % 5 == 0) /* those are mostly zeros */
        return false;
    size = content_payload(&history->content, message->id, payload);
    needle->size = size < NEEDLE_SIZE ? size : NEEDLE_SIZE;
    memcpy(needle->at, payload, needle->size);
    needle->sequence = sequence;
    return true;
}

static bool erase(const struct stage *stage, struct user *user, const struct needle *needle)
{
    if (!stage_wait_ready(stage, user, 2 * SECOND))
        return false;
    user_ask(user, ASK_ERASE, 0, needle->sequence);
    return stage_wait_ready(stage, user, 5 * SECOND) && user->ask_answered && user->ask_good;
}

static void must_be_gone(const struct stage *stage, struct user *user, const struct needle *needles,
                         unsigned count)
{
    int64_t until = stage_now(stage) + GONE_NS;
    char found[600] = "";
    size_t node = 0;
    unsigned left = count;

    while (left > 0 && stage_now(stage) < until && report_good(stage->report)) {
        if (anywhere(stage, &needles[left - 1], &node, found))
            stage_publish_for(stage, user, 300 * MILLISECOND); /* the floor rises */
        else
            left--;
    }
    for (unsigned i = 0; i < count && report_good(stage->report); i++) {
        if (anywhere(stage, &needles[i], &node, found))
            report_violate(stage->report,
                           "S0: the bytes of message %llu, erased, are in %s of n%zu",
                           (unsigned long long)needles[i].sequence, found, node + 1);
    }
}

/* What the others say reaches it so late. */
static void delay(const struct stage *stage, size_t node, int64_t ns)
{
    for (size_t i = 0; i < stage->nodes->count; i++) {
        if (i != node)
            sim_delay(stage->sim, i, node, ns, ns);
    }
}

/* And others, with which it comes to stand in one file. */
#define ROTTEN 40u /* fewer would be moved soon: the file is sparse by its header */

/* That node's record of it rots, which does not touch the bytes that are looked for; it finds that
 * out, and what comes from the others takes its time to the disk. */
static bool rot(const struct stage *stage, size_t node, const struct needle *needle)
{
    struct sim_faults slow = stage->faults->everyday[node];
    const struct stream *stream;
    struct truth_place places[ROTTEN];
    unsigned count = 0;

    for (uint64_t i = 0; i < ROTTEN; i++)
        count += truth_place(stage->truth, "S0", node, needle->sequence + i, &places[count]);
    if (count == 0 || places[0].sequence != needle->sequence)
        return false;
    nodes_crash(stage->nodes, node, SIM_CRASH_KILL);
    for (unsigned i = 0; i < count; i++)
        (void)sim_flip(stage->sim, node, places[i].path, places[i].offset + 4, 3);
    if (!nodes_start(stage->nodes, node, SIM_CRASH_KILL, 0))
        return false;
    delay(stage, node, 150 * MILLISECOND);
    for (int i = 0; i < 5000 && report_good(stage->report); i++) {
        stream = truth_stream(stage->truth, "S0", node);
        if (stream != NULL && stream_applied(stream)->lost.count > 0)
            break;
        stage->pass(stage->context, MILLISECOND);
    }
    slow.work_min_ns = 300 * MILLISECOND;
    slow.work_max_ns = SECOND;
    sim_set_faults(stage->sim, node, &slow);
    stage_pass(stage, (int64_t)prng_below(stage->prng, 600 * MILLISECOND));
    delay(stage, node, 0);
    return true;
}

static bool erase_rotten(const struct stage *stage, struct user *user, size_t leader,
                         const struct needle *needle)
{
    size_t node = stage_other_than(stage, leader);
    bool done;

    stage_publish_for(stage, user, 2 * SECOND); /* it comes to be below a block */
    done = truth_has(stage->truth, "S0", node) && rot(stage, node, needle) &&
           erase(stage, user, needle);

    stage_pass(stage, 10 * SECOND);
    sim_set_faults(stage->sim, node, &stage->faults->everyday[node]);
    if (done)
        ranges_must_heal(stage, node);
    return done;
}

static bool all_start(const struct stage *stage)
{
    for (size_t i = 0; i < stage->nodes->count; i++) {
        if (stage->nodes->at[i].server == NULL && !nodes_start(stage->nodes, i, SIM_CRASH_KILL, 0))
            return false;
    }
    return true;
}

/* A node is away as it is deleted, so long that it needs a block. */
static void erase_away(const struct stage *stage, struct user *user, size_t leader,
                       const struct needle *needle)
{
    size_t node = stage_other_than(stage, leader);

    if (!truth_has(stage->truth, "S0", node))
        return;
    stage_publish_for(stage, user, 300 * MILLISECOND); /* it knows that it is committed */
    nodes_crash(stage->nodes, node, SIM_CRASH_KILL);
    if (erase(stage, user, needle)) {
        stage_publish_for(stage, user, 2500 * MILLISECOND);
        if (all_start(stage) && stage_is_level(stage, 30 * SECOND))
            must_be_gone(stage, user, needle, 1);
    }
    (void)all_start(stage);
}

void play_erase(const struct stage *stage)
{
    struct user *user = &stage->users[0];
    size_t leader = truth_leader(stage->truth, "S0");
    struct needle needles[NEEDLES];
    unsigned count = 0;

    if (leader >= stage->nodes->count)
        return;
    faults_calm_down(stage->faults);
    if (!stage_is_level(stage, 20 * SECOND) || !stage_go_to(stage, user, leader))
        return;
    stage_publish_for(stage, user, (int64_t)prng_below(stage->prng, SECOND));
    for (unsigned i = 0; i + 1 < NEEDLES && report_good(stage->report); i++) {
        if (choose(stage, &needles[count]) && erase(stage, user, &needles[count]))
            count++;
    }
    must_be_gone(stage, user, needles, count);
    for (size_t i = 0; i < stage->nodes->count && prng_chance(stage->prng, 1, 2); i++)
        nodes_crash(stage->nodes, i, SIM_CRASH_POWER);
    if (!all_start(stage))
        return;
    must_be_gone(stage, user, needles, count);
    leader = truth_leader(stage->truth, "S0");
    if (count < NEEDLES && leader < stage->nodes->count && stage_is_level(stage, 20 * SECOND) &&
        stage_go_to(stage, user, leader) && choose(stage, &needles[count]) &&
        erase_rotten(stage, user, leader, &needles[count]) && all_start(stage))
        must_be_gone(stage, user, &needles[count], 1);
    leader = truth_leader(stage->truth, "S0");
    if (report_good(stage->report) && leader < stage->nodes->count &&
        stage_is_level(stage, 20 * SECOND) && stage_go_to(stage, user, leader) &&
        choose(stage, &needles[0]))
        erase_away(stage, user, leader, &needles[0]);
}
