/*
 * replica_priv: struct replica, for replica.c (its life, its owner's calls, what the core wants
 * done), replica_vote.c (what it has promised), replica_send.c (entries to other nodes),
 * replica_block.c (state blocks) and replica_recover.c (what was found on disk).
 */
#ifndef RAFT_REPLICA_PRIV_H
#define RAFT_REPLICA_PRIV_H

#include "base/timers.h"
#include "raft/cache.h"
#include "raft/groups_priv.h"
#include "raft/replica.h"
#include "raft/replica_flaws.h"

#define REPLICA_CACHE_BYTES     (4u << 20) /* kept for followers, beyond what is not applied */
#define REPLICA_UNCOMMITTED_MAX 4096u      /* entries */
#define REPLICA_SLEEP_NS        INT64_C(10000000000)
#define REPLICA_APPEND_BYTES    (1u << 20) /* of entries in one message, unless one is larger */

struct replica {
    struct groups *groups;
    struct io *io;
    uint64_t id;
    struct log *log;
    struct raft_core *core;
    struct replica_events events;
    void *owner;

    uint64_t applied;
    int64_t time_last;         /* of the newest applied batch */
    struct raft_config config; /* as of `applied`; count 0: the log does not say */
    uint64_t lead_index;       /* applied: it leads. 0: nothing to lead for */
    bool leads;                /* between `lead` and `follow` */
    bool elected;              /* the term is to be opened as soon as the log is ready */
    bool alone; /* it is the only member: what is durable is committed, nothing is cached */

    struct cache cache;
    const struct log_batch *fresh;       /* durable in this call, perhaps not in the cache */
    const struct wire_message *stepping; /* the message whose entries APPEND speaks of */
    struct replica_read *reads;          /* waiting */
    struct io_op warm;                   /* brings an entry into memory that a follower needs */
    struct raft_member warm_for;
    struct buf scratch; /* entries read back from the log */

    struct store_vote_op ballot; /* being written */
    uint64_t ballot_number;
    bool ballot_busy;
    bool ballot_waits; /* another is to be written after it */
    struct store_vote ballot_next;
    uint64_t ballot_next_number;
    struct timer ballot_again; /* the disk has refused it: it is written once more */

    struct {
        uint64_t bytes; /* of contents applied since the last seal */
        uint64_t due;   /* at so many comes the next */
        uint64_t size;  /* of the newest block */
        bool gathered;  /* the batch that is gathered begins with a seal */
        bool busy;      /* the machine takes its state down, or it is written */
        struct log_block_op op;
        struct buf body, local; /* being written */
    } block;

    struct timer timer; /* the core's deadline */

    int64_t stuck_ns; /* since when nothing more became durable although something waits; 0: it goes
                         on */
    uint64_t stuck_at; /* what was durable then */
    bool stuck;        /* the core was told */
    uint64_t
        repair_from;    /* lost from here on: noted durably first, then cut. 0: nothing to repair */
    uint64_t repair_to; /* highest index that this disk had */
    bool forgets;       /* its log is in memory, and was lost with the life before */
    struct timer forgive; /* no leader all the time: it votes and stands for what it has */
    unsigned busy;        /* calls on the stack that go on using it */
    bool draining;
    bool closed;
};

#define REPLICA_FLAWED(replica, name)                                                              \
    (((replica)->groups->options.replica_flaws & REPLICA_FLAW_##name) != 0)

/* The owner may close the replica from any event: whoever goes on using it holds it meanwhile. */
void replica_hold(struct replica *replica);
void replica_let_go(struct replica *replica);
/* Carries out what the core has ordered and arms its timer. */
void replica_drain(struct replica *replica);
/* Gives the owner what is committed and durable here; begins to lead when its time has come. */
void replica_apply_ready(struct replica *replica);
/* The core says where this node stands: see whether it is alone in its group. */
void replica_look_at_members(struct replica *replica);

/* replica_vote.c */
void replica_vote(struct replica *replica, const struct raft_order *order);
void replica_repair(struct replica *replica);
void replica_ballot_fired(struct timer *timer);

/* replica_send.c */
void replica_send(struct replica *replica, const struct raft_message *message);
void replica_warmed(struct io_op *op, int64_t result);

/* replica_block.c */
bool replica_blocks(const struct replica *replica); /* does this group have any? */
/* Before the first record of a batch: puts in a seal if one is due. */
void replica_seal_gather(struct replica *replica, struct buf *gather);
/* Of every batch, in order, recovered ones too. */
void replica_block_count(struct replica *replica, const struct log_batch *batch);
/* Of those that are applied in this life. */
void replica_block_applied(struct replica *replica, const struct log_batch *batch);
void replica_block_begin(struct replica *replica); /* the log is open */
enum err replica_block_restore(struct replica *replica, const struct log_block *block);

/* replica_recover.c */
enum err replica_recover(struct replica *replica, const struct log_events *events);

#endif
