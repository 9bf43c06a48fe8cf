#include "tests/sim/raft_truth.h"

#include <string.h>

#include "base/heap.h"

#define BROKEN(world, format, ...) world_broken(world, format __VA_OPT__(, ) __VA_ARGS__)
#define U(number)                  ((unsigned long long)(number))

struct truth *truth_new(void)
{
    return HEAP_NEW(struct truth);
}

void truth_begin(struct truth *truth)
{
    uint64_t used = truth->highest + 1, terms = truth->term_highest + 1;

    memset(truth->log, 0, used * sizeof truth->log[0]);
    memset(truth->in_term, 0, used * sizeof truth->in_term[0]);
    memset(truth->seen, 0, used * sizeof truth->seen[0]);
    memset(truth->leader, 0, terms * sizeof truth->leader[0]);
    for (uint32_t i = 0; i < NODES; i++) {
        memset(truth->votes[i], 0, terms * sizeof truth->votes[i][0]);
        for (uint32_t life = 0; life < DISK_LIVES; life++)
            memset(truth->disks[i][life].term, 0, used * sizeof(uint16_t));
    }
    truth->committed = truth->highest = truth->term_highest = 0;
    truth->commits = truth->elections = truth->reads = truth->reads_lost = 0;
    truth->changes = truth->removals = truth->sleeps = truth->snapshots = truth->damages = 0;
}

static const struct raft_config *config_at(const struct world *world, uint64_t index)
{
    while (index > 0 && world->truth->log[index].config == 0)
        index--;
    return &world->configs[world->truth->log[index].config];
}

const struct raft_config *truth_config(const struct world *world)
{
    return config_at(world, world->truth->committed);
}

static bool term_fits(struct world *world, uint64_t term)
{
    if (term >= TERMS_MAX)
        BROKEN(world, "terms rise without end: %llu", U(term));
    else if (term > world->truth->term_highest)
        world->truth->term_highest = term;
    return term < TERMS_MAX;
}

/* ---- disks and votes ------------------------------------------------------------------------ */

void truth_disk_new(struct world *world, const struct node *node)
{
    struct truth_disk *disks = world->truth->disks[node_number(world, node)];

    for (uint32_t life = DISK_LIVES - 1; life > 0; life--) {
        memcpy(disks[life].term, disks[life - 1].term,
               (world->truth->highest + 1) * sizeof(uint16_t));
        disks[life].incarnation = disks[life - 1].incarnation;
        disks[life].accepted = disks[life - 1].accepted;
    }
    memset(disks[0].term, 0, (world->truth->highest + 1) * sizeof(uint16_t));
    disks[0].incarnation = node->self.incarnation;
    disks[0].accepted = 0;
}

void truth_seen(struct world *world, const struct node *node, uint64_t index,
                const struct item *item)
{
    struct truth *truth = world->truth;

    (void)node;
    if (index > truth->highest)
        truth->highest = index;
    if (!term_fits(world, item->term))
        return;
    for (uint32_t i = 0; i < CONTENDERS; i++) {
        if (truth->seen[index][i].term == 0) {
            truth->seen[index][i].term = (uint16_t)item->term;
            truth->seen[index][i].chain = item->chain;
            return;
        }
        if (truth->seen[index][i].term == item->term) {
            if (truth->seen[index][i].chain != item->chain)
                BROKEN(world, "log matching: two histories end in index %llu of term %llu",
                       U(index), U(item->term));
            return;
        }
    }
}

void truth_durable(struct world *world, const struct node *node, uint64_t index)
{
    uint16_t *term = &world->truth->disks[node_number(world, node)][0].term[index];

    truth_seen(world, node, index, &node->disk.log[index]);
    if (node->disk.log[index].term > *term)
        *term = (uint16_t)node->disk.log[index].term;
}

/* Whether this member, with this disk, ever had the entry. */
static bool had(const struct world *world, struct raft_member member, uint64_t index, uint64_t term)
{
    const struct truth_disk *disks = world->truth->disks[member.node - 1];

    for (uint32_t life = 0; life < DISK_LIVES; life++)
        if (disks[life].incarnation == member.incarnation)
            return disks[life].term[index] >= term;
    return false;
}

void truth_voted(struct world *world, const struct node *node)
{
    const struct disk *disk = &node->disk;
    struct truth_vote *vote;

    if (disk->vote.node == 0 || !term_fits(world, disk->term))
        return;
    vote = &world->truth->votes[node_number(world, node)][disk->term];
    if (vote->incarnation == node->self.incarnation &&
        (vote->candidate.node != disk->vote.node ||
         vote->candidate.incarnation != disk->vote.incarnation))
        BROKEN(world, "node %u votes twice in term %llu", node_number(world, node) + 1,
               U(disk->term));
    vote->incarnation = node->self.incarnation;
    vote->candidate = disk->vote;
}

/* It votes again: then nothing is missing that it has accepted and that counts. */
void truth_whole(struct world *world, const struct node *node)
{
    const struct truth *truth = world->truth;
    uint64_t index = truth->disks[node_number(world, node)][0].accepted;

    if (index > truth->committed)
        index = truth->committed;
    while (index > node->disk.last && !had(world, node->self, index, truth->log[index].term))
        index--;
    if (index > node->disk.last)
        BROKEN(world, "node %u is whole again and lacks index %llu, which it accepted",
               node_number(world, node) + 1, U(index));
}

/* ---- elections ------------------------------------------------------------------------------ */

static bool same(struct raft_member a, struct raft_member b)
{
    return a.node == b.node && a.incarnation == b.incarnation;
}

static bool votes_in(const struct raft_config *config, struct raft_member member)
{
    for (uint32_t i = 0; i < config->count; i++)
        if (same(config->at[i], member))
            return !config->at[i].learner;
    return false;
}

static uint32_t voters_of(const struct raft_config *config)
{
    uint32_t voters = 0;

    for (uint32_t i = 0; i < config->count; i++)
        voters += !config->at[i].learner;
    return voters;
}

static uint32_t votes_for(const struct world *world, const struct node *node, uint64_t term)
{
    const struct raft_config *config = raft_core_config(node->core);
    uint32_t votes = 0;

    for (uint32_t i = 0; i < config->count; i++) {
        const struct truth_vote *vote = &world->truth->votes[config->at[i].node - 1][term];

        votes += !config->at[i].learner && vote->incarnation == config->at[i].incarnation &&
                 same(vote->candidate, node->self);
    }
    return votes;
}

/* In the config before the newest one in its log. */
static bool voted_before(const struct world *world, const struct node *node)
{
    uint64_t index = node->last;
    uint32_t seen = 0;

    for (; index > node->floor; index--)
        if (node->log[index].config != 0 && seen++ == 1)
            return votes_in(&world->configs[node->log[index].config], node->self);
    return votes_in(&world->configs[node->floor_config], node->self);
}

void truth_elected(struct world *world, const struct node *node, uint64_t term)
{
    struct truth *truth = world->truth;
    const struct raft_config *config = raft_core_config(node->core);
    uint32_t number = node_number(world, node) + 1;
    uint64_t index = truth->committed;
    bool alone;

    if (!term_fits(world, term))
        return;
    truth->elections++;
    /* One that is alone may have led in this term before a crash that left nothing of it. */
    alone = voters_of(config) == 1 && votes_in(config, node->self);
    if (truth->leader[term].node != 0 && !(alone && same(truth->leader[term], node->self)))
        BROKEN(world, "election safety: nodes %u and %u lead in term %llu",
               (unsigned)truth->leader[term].node, number, U(term));
    truth->leader[term] = node->self;
    if (!votes_in(config, node->self) && !voted_before(world, node) && !node->asked)
        BROKEN(world, "node %u leads and is no voter", number);
    if (votes_for(world, node, term) <= voters_of(config) / 2 && !alone)
        BROKEN(world, "node %u leads in term %llu without the durable votes of a majority", number,
               U(term));
    if (node->disk.damaged > 0)
        BROKEN(world, "node %u is damaged and leads", number);
    if (node->stuck && !alone)
        BROKEN(world, "node %u is stuck and leads", number);

    while (index > 0 && truth->in_term[index] >= term)
        index--;
    if (index > node->last ||
        (index >= node->floor && node->log[index].chain != truth->log[index].chain))
        BROKEN(world,
               "leader completeness: node %u leads in term %llu without index %llu of term %u",
               number, U(term), U(index), truth->in_term[index]);
}

void truth_led(struct world *world, const struct node *node, uint64_t term, uint64_t index)
{
    const struct truth *truth = world->truth;

    if (raft_core_role(node->core) != RAFT_LEADER)
        BROKEN(world, "node %u is to decide and does not lead", node_number(world, node) + 1);
    if (index > truth->committed || truth->log[index].term != term ||
        index > raft_core_committed(node->core))
        BROKEN(world, "node %u is to decide before an entry of term %llu is committed",
               node_number(world, node) + 1, U(term));
}

/* ---- commit --------------------------------------------------------------------------------- */

static void check_majority(struct world *world, const struct node *node, uint64_t index)
{
    const struct raft_config *config = raft_core_config(node->core);
    uint64_t term = node->log[index].term;
    uint32_t copies = 0;

    if (term != raft_core_term(node->core))
        BROKEN(world, "node %u commits index %llu of term %llu by counting, in term %llu",
               node_number(world, node) + 1, U(index), U(term), U(raft_core_term(node->core)));
    for (uint32_t i = 0; i < config->count; i++)
        copies += !config->at[i].learner && had(world, config->at[i], index, term);
    if (copies <= voters_of(config) / 2)
        BROKEN(world, "node %u commits index %llu, on the disks of %u of %u voters",
               node_number(world, node) + 1, U(index), copies, voters_of(config));
}

void truth_committed(struct world *world, const struct node *node, uint64_t term, uint64_t index)
{
    struct truth *truth = world->truth;
    uint64_t known = index < truth->committed ? index : truth->committed;

    if (index > node->last) {
        BROKEN(world, "node %u commits index %llu and has %llu", node_number(world, node) + 1,
               U(index), U(node->last));
        return;
    }
    if (known >= node->floor && node->log[known].chain != truth->log[known].chain)
        BROKEN(world, "state machine safety: node %u commits another index %llu",
               node_number(world, node) + 1, U(known));
    if (raft_core_role(node->core) == RAFT_LEADER && index > truth->committed)
        check_majority(world, node, index);
    for (uint64_t i = truth->committed + 1; i <= index; i++) {
        truth->log[i] = node->log[i];
        truth->in_term[i] = (uint16_t)term;
        truth->committed = i;
        truth->commits++;
    }
}

void truth_applied(struct world *world, const struct node *node, uint64_t index)
{
    if (index > world->truth->committed || node->log[index].chain != world->truth->log[index].chain)
        BROKEN(world, "node %u applies index %llu, which is not what was committed",
               node_number(world, node) + 1, U(index));
}

/* ---- membership ----------------------------------------------------------------------------- */

static uint32_t differences(const struct raft_config *a, const struct raft_config *b)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < a->count; i++)
        count += !a->at[i].learner && !votes_in(b, a->at[i]);
    for (uint32_t i = 0; i < b->count; i++)
        count += !b->at[i].learner && !votes_in(a, b->at[i]);
    return count;
}

void truth_proposed_config(struct world *world, const struct node *node,
                           const struct raft_config *old, uint64_t old_index)
{
    const struct truth *truth = world->truth;
    const struct raft_config *config = raft_core_config(node->core);
    uint64_t term = raft_core_term(node->core), committed = raft_core_committed(node->core);
    uint32_t number = node_number(world, node) + 1;

    world->truth->changes++;
    if (differences(old, config) > 1)
        BROKEN(world, "node %u changes more than one voter at once", number);
    if (old_index > truth->committed)
        BROKEN(world, "node %u changes the config while that at %llu is uncommitted", number,
               U(old_index));
    if (node->led_index > truth->committed || truth->log[node->led_index].term != term)
        BROKEN(world, "node %u changes the config before an entry of term %llu is committed",
               number, U(term));
    for (uint32_t i = 0; i < config->count; i++)
        if (!config->at[i].learner && !votes_in(old, config->at[i]) && committed > node->floor &&
            !had(world, config->at[i], committed, node->log[committed].term))
            BROKEN(world, "node %u promotes node %u, which lacks index %llu", number,
                   (unsigned)config->at[i].node, U(committed));
}

void truth_removed(struct world *world, const struct node *node)
{
    const struct raft_config *config = config_at(world, raft_core_committed(node->core));

    world->truth->removals++;
    for (uint32_t i = 0; i < config->count; i++)
        if (same(config->at[i], node->self))
            BROKEN(world, "node %u is told that it was removed, and was not",
                   node_number(world, node) + 1);
}

/* ---- messages ------------------------------------------------------------------------------- */

static void check_vote(struct world *world, const struct node *node,
                       const struct raft_message *message)
{
    if (node->disk.damaged > 0)
        BROKEN(world, "node %u is damaged and votes", node_number(world, node) + 1);
    if (node->disk.term != message->term || !same(node->disk.vote, message->to))
        BROKEN(world, "node %u answers a vote that is not on its disk",
               node_number(world, node) + 1);
}

static void check_accepted(struct world *world, const struct node *node,
                           const struct raft_message *message)
{
    const struct node *leader = &world->nodes[message->to.node - 1];
    uint64_t *accepted = &world->truth->disks[node_number(world, node)][0].accepted;
    uint64_t index = message->last;
    uint32_t number = node_number(world, node) + 1;

    if (index > *accepted)
        *accepted = index;
    if (node->disk.term < message->term && node->disk.log[node->disk.last].term < message->term)
        BROKEN(world, "node %u answers in term %llu, which is not on its disk", number,
               U(message->term));
    if (index > node->durable)
        BROKEN(world, "node %u accepts index %llu and has %llu on its disk", number, U(index),
               U(node->durable));
    if (leader->core == NULL || !same(leader->self, message->to) ||
        raft_core_role(leader->core) != RAFT_LEADER ||
        raft_core_term(leader->core) != message->term || index <= leader->floor ||
        index <= node->floor)
        return;
    if (index > leader->last || leader->log[index].chain != node->log[index].chain)
        BROKEN(world, "node %u accepts index %llu, and its log is not the leader's", number,
               U(index));
}

static void check_successor(struct world *world, const struct node *node,
                            const struct raft_message *message)
{
    uint64_t index =
        raft_core_role(node->core) == RAFT_LEADER ? node->last : raft_core_committed(node->core);

    if (index > node->floor && !had(world, message->to, index, node->log[index].term))
        BROKEN(world, "node %u tells node %u to stand, which lacks index %llu",
               node_number(world, node) + 1, (unsigned)message->to.node, U(index));
}

void truth_sent(struct world *world, const struct node *node, const struct raft_message *message)
{
    switch (message->type) {
    case RAFT_VOTE_ANSWER:
        if (message->granted)
            check_vote(world, node, message);
        break;
    case RAFT_VOTE:
        if (node->disk.term != message->term || !same(node->disk.vote, node->self))
            BROKEN(world, "node %u asks for votes in term %llu, which is not on its disk",
                   node_number(world, node) + 1, U(message->term));
        break;
    case RAFT_APPEND_ANSWER:
        if (message->granted)
            check_accepted(world, node, message);
        break;
    case RAFT_TRANSFER: check_successor(world, node, message); break;
    default: break;
    }
}

/* ---- after every event ---------------------------------------------------------------------- */

void truth_check_node(struct world *world, const struct node *node)
{
    uint32_t number = node_number(world, node) + 1;

    if (node->core == NULL)
        return;
    if (node->last != raft_core_last(node->core))
        BROKEN(world, "node %u has %llu entries, its core %llu", number, U(node->last),
               U(raft_core_last(node->core)));
    if (raft_core_role(node->core) != RAFT_LEADER)
        return;
    if (!same(world->truth->leader[raft_core_term(node->core)], node->self))
        BROKEN(world, "node %u leads and was not elected", number);
}

/* Called after a tick: a leader that is stuck or whom no majority has answered for long is none. */
void truth_check_quorum(struct world *world, const struct node *node)
{
    const struct raft_config *config;
    uint32_t heard = 0, voters;

    if (raft_core_role(node->core) != RAFT_LEADER || raft_core_asleep(node->core) ||
        world->now - node->leader_since < 2 * ELECTION_NS)
        return;
    if (node->late > 0 && world->now - node->late < 2 * BEAT_NS)
        return; /* it stood still, and has a heartbeat's time to hear them */
    config = raft_core_config(node->core);
    voters = voters_of(config);
    if (node->stuck && voters > 1)
        BROKEN(world, "node %u is stuck and leads on", node_number(world, node) + 1);
    for (uint32_t i = 0; i < config->count; i++) {
        bool self = same(config->at[i], node->self);

        if (!config->at[i].learner &&
            (self || world->now - node->answered[config->at[i].node - 1] < 2 * ELECTION_NS))
            heard++;
    }
    if (heard <= voters / 2)
        BROKEN(world, "node %u leads on, and %u of %u voters answer", node_number(world, node) + 1,
               heard, voters);
}
