/*
 * raft_truth: what must be true of all nodes of a raft_world together, kept apart from the cores:
 * they are never asked whether they are right. A breach is world_broken.
 *
 *     one leader a term, elected by durable votes of voters of its config, one vote a term and disk
 *     a leader has all that was committed in terms before its own
 *     logs that agree on an entry agree on all before; what is committed anywhere is so everywhere
 *     a leader commits entries of its term, on the disks of a majority of its config's voters
 *     a config follows a committed one that differs by one member, in a term with a committed entry
 *     a read sees all that was committed when it was asked for
 *     what is accepted or voted for is on the disk; what is damaged votes for nobody
 */
#ifndef TESTS_SIM_RAFT_TRUTH_H
#define TESTS_SIM_RAFT_TRUTH_H

#include "tests/sim/raft_world.h"

#define TERMS_MAX  2048u
#define CONTENDERS 8u /* different entries that one index had */
#define DISK_LIVES 4u

struct truth_vote {
    uint64_t incarnation;
    struct raft_member candidate;
};

/* Which entries were ever on a disk: by index the highest term. */
struct truth_disk {
    uint64_t incarnation;
    uint16_t term[LOG_ROOM];
};

struct truth {
    struct item log[LOG_ROOM]; /* committed */
    uint16_t in_term[LOG_ROOM];
    uint64_t committed;
    uint64_t highest; /* index that any log ever had */
    struct raft_member leader[TERMS_MAX];
    struct truth_vote votes[NODES][TERMS_MAX];
    struct truth_disk disks[NODES][DISK_LIVES]; /* this life of the disk, and those before */
    struct {
        uint16_t term;
        uint64_t chain;
    } seen[LOG_ROOM][CONTENDERS];
    uint64_t term_highest;
    uint64_t commits, elections, reads, reads_lost, changes, removals, sleeps, snapshots, damages;
};

struct truth *truth_new(void);
void truth_begin(struct truth *truth);

void truth_disk_new(struct world *world, const struct node *node);
/* An entry is where others can see it, or a later life: in a message or on the disk. */
void truth_seen(struct world *world, const struct node *node, uint64_t index,
                const struct item *item);
void truth_durable(struct world *world, const struct node *node, uint64_t index);
void truth_voted(struct world *world, const struct node *node); /* its disk holds another vote */
void truth_whole(struct world *world, const struct node *node);
void truth_elected(struct world *world, const struct node *node, uint64_t term);
void truth_committed(struct world *world, const struct node *node, uint64_t term, uint64_t index);
void truth_applied(struct world *world, const struct node *node, uint64_t index);
void truth_led(struct world *world, const struct node *node, uint64_t term, uint64_t index);
void truth_proposed_config(struct world *world, const struct node *node,
                           const struct raft_config *old, uint64_t old_index);
void truth_sent(struct world *world, const struct node *node, const struct raft_message *message);
void truth_removed(struct world *world, const struct node *node);
void truth_check_node(struct world *world, const struct node *node);
void truth_check_quorum(struct world *world, const struct node *node);

/* Where a config entry is committed, the newest such; the bootstrap's at least. */
const struct raft_config *truth_config(const struct world *world);

#endif
