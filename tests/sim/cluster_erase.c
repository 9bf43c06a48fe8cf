/*
 * cluster_erase: messages are deleted for their bytes to go (the default of MSG.DELETE). In a
 * cluster others may need the entry as it was until the floor has passed it: as soon as that is so,
 * no file of any node has the bytes any more, segment, journal, packed frame or state block, and
 * they do not come back with a loss of power.
 *
 * All nodes are up meanwhile. One that is down as the message is deleted and comes back by a block,
 * or starts again between the deletion's block and the floor's, does not know that it is to erase
 * (docs/architecture.md).
 */
#include <stdio.h>
#include <string.h>

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

static bool all_start(const struct stage *stage)
{
    for (size_t i = 0; i < stage->nodes->count; i++) {
        if (stage->nodes->at[i].server == NULL && !nodes_start(stage->nodes, i, SIM_CRASH_KILL, 0))
            return false;
    }
    return true;
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
    for (unsigned i = 0; i < NEEDLES && report_good(stage->report); i++) {
        if (choose(stage, &needles[count]) && erase(stage, user, &needles[count]))
            count++;
    }
    must_be_gone(stage, user, needles, count);
    for (size_t i = 0; i < stage->nodes->count && prng_chance(stage->prng, 1, 2); i++)
        nodes_crash(stage->nodes, i, SIM_CRASH_POWER);
    if (all_start(stage))
        must_be_gone(stage, user, needles, count);
}
