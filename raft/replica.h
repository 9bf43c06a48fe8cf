/*
 * replica: this node's part in one group, as its state machine sees it. The group's log is the
 * store's log; what is committed comes back through `apply`, in order, exactly once per life.
 *
 * A group has up to RAFT_MEMBERS_MAX members, each a replica on another node; of one member the
 * same rules make committed = durable on this disk. Deciding begins only after an entry of the
 * leader's own term has been applied. What was proposed and not committed when leadership ends may
 * still be committed by another leader, or never: nobody is told either way.
 */
#ifndef RAFT_REPLICA_H
#define RAFT_REPLICA_H

#include "base/spool.h"
#include "raft/groups.h"
#include "raft/members.h"
#include "storage/log.h"

struct replica;

/* What a state block says, as recovery hands it back; views are good during the call. */
struct replica_block {
    uint64_t index;
    struct bytes body;             /* the machine's sections */
    struct bytes local;            /* as given to replica_block */
    const struct log_block *block; /* for log_block_ordinal */
    uint64_t work;                 /* of this call, as in struct log_block */
};

struct replica_events {
    /* During replica_open: no block can be read, and the log's beginning is gone. Are there other
     * members that have it all? NULL: no. */
    bool (*elsewhere)(void *owner);
    /* The same, of a log that has lost its end and has no other voter by what is left: may there be
     * some by now? NULL: no. */
    bool (*grown)(void *owner);
    /* Of a log in memory that is made anew: may others have it, learners too? Then it waits for a
     * leader as long as it takes; else it takes part with what it has when it has heard none for
     * ten seconds. NULL: no. */
    bool (*with_others)(void *owner);
    /* The same: may the group have been given up without this node knowing yet? Then it waits, too.
     * NULL: no. */
    bool (*outdated)(void *owner);
    /* A committed batch, durable on this disk. Also during replica_open, for what is known to be
     * committed. */
    void (*apply)(void *owner, const struct log_batch *batch);
    /* Recovery of a group with one member: these indexes are damaged and no peer has them. */
    void (*lost)(void *owner, uint64_t first, uint64_t last, uint64_t bytes);
    /* This node leads: decide, answer, deliver. */
    void (*lead)(void *owner, uint64_t term);
    /* It leads no more: what was gathered has been dropped, what waits for `applied` to move has
     * been promised nothing. Only after `lead`. May be NULL. */
    void (*follow)(void *owner);
    /* The only member's disk refused what was proposed after `applied`: it never happened, and it
     * still leads. What is gathered meanwhile was decided on top of it: replica_gather_drop. After
     * a crash the refused batch may come back through `apply`, as anything proposed and not
     * answered. */
    void (*refused)(void *owner, enum err err);
    /* Leader or term are others than before, or this leader may propose again because nobody took
     * over what it wanted to hand over. May be NULL. */
    void (*changed)(void *owner);
    /* It is no member of the group any more, and nobody counts on it. May be NULL. */
    void (*removed)(void *owner);

    /*
     * State blocks; all three or none.
     *
     * The machine's state is to be taken down as it is now, whatever is applied meanwhile, and
     * given to replica_block (or replica_block_drop) in a later turn. `head` is what the body
     * begins with.
     */
    void (*capture)(void *owner, struct bytes head);
    /* The block is on the disk (OK): the files that log_file_next says are droppable, and in which
     * nothing lived when it was taken down, can go. Else the log stays as it is. */
    void (*blocked)(void *owner, enum err err);
    /* During replica_open, before anything is applied: the state was that. ERR_CORRUPT: it makes no
     * sense here, and the state is as it was. ERR_AGAIN: the work was too little, and it is called
     * again with the same. */
    enum err (*restore)(void *owner, const struct replica_block *block);

    /*
     * Catch-up by block (docs/raft.md); all or none, with blocks. A machine with none of them has
     * blocks only as long as it stands alone.
     *
     * A block of another replica is to replace the state. It is decoded beside it, which goes on;
     * what the machine lacks of it, it asks for (replica_ask); then replica_take. `block` stays put
     * until drop. ERR_CORRUPT: it makes no sense here, and nothing has come of it.
     */
    enum err (*fill)(void *owner, const struct replica_block *block);
    /* To a question that was asked, in any order, perhaps twice, perhaps when it is asked no more;
     * `applied`: by whoever answers, not below the block's index. */
    void (*told)(void *owner, struct bytes answer, uint64_t applied);
    /* It will not be taken, or has been: what was decoded beside goes. */
    void (*fill_drop)(void *owner);
    /* The block is on the disk: the state is to be as that of a new machine; `restore` follows at
     * once, then `taken`. */
    void (*forget)(void *owner);
    void (*taken)(void *owner);
    /* The machine cannot be given a batch again after it was restored to what was before it: a
     * state that differs is replaced only while nothing follows the block. */
    bool once;
    /* A member that fills asks, or (index 0) one that fetches what it has lost: replica_tell, at
     * once or later, or never. */
    void (*asked)(void *owner, struct raft_member by, uint64_t index, struct bytes question);
    /* An answer to what was asked last of that member (replica_fetch), perhaps twice, perhaps of an
     * earlier question. May be NULL. */
    void (*fetched)(void *owner, struct raft_member by, struct bytes answer);
};

/* Opens the group's log and applies what is committed; `lead` follows from the loop if this node
 * comes to lead. Blocking. Errors as log_open. */
enum err replica_open(struct groups *groups, uint64_t log_id, const struct replica_events *events,
                      void *owner, struct replica **replica);
/*
 * The same in steps (log_opening_begin). The events of a replica that is not open yet come from
 * them alone, and its owner uses it for nothing else. A step that says ERR_AGAIN is not the last,
 * and none comes while it waits; with OK it is open and in `replica`, else it is gone.
 */
struct replica *replica_opening(struct groups *groups, uint64_t log_id,
                                const struct replica_events *events, void *owner,
                                const struct log_pace *pace);
enum err replica_opening_step(struct replica *opening, struct replica **replica);
bool replica_opening_waits(const struct replica *opening);
void replica_opening_drop(struct replica *opening); /* before it is open; nobody is told */
/* As log_close; may be called from the events. */
void replica_close(struct replica *replica);
/* Frees the memory as if the process had died; before store_forget. Only reads that wait are told.
 */
void replica_forget(struct replica *replica);

bool replica_leads(const struct replica *replica); /* between `lead` and `follow` */
uint64_t replica_term(const struct replica *replica);
uint64_t replica_applied(const struct replica *replica);  /* last index given to `apply` */
int64_t replica_time_last(const struct replica *replica); /* of the last applied batch */
uint64_t replica_proposed(const struct replica *replica); /* last index proposed */
struct log *replica_log(struct replica *replica);         /* for reading */
/* Who leads as far as is known; node 0: nobody. */
struct raft_member replica_leader(const struct replica *replica);
/* The members in force, committed or not. */
const struct raft_config *replica_members(const struct replica *replica);
/* As raft_core_progress: 0 unless it leads. */
uint32_t replica_progress(const struct replica *replica,
                          struct raft_progress out[RAFT_MEMBERS_MAX]);

/* The others hear of what is committed now, and not in a while. Not from inside an event. */
void replica_tell_commit(struct replica *replica);

/* The batch being gathered (records begin behind LOG_GATHER_HEAD bytes, storage/log.h), how many
 * bytes of records are in it, and whether it can go now. Gather only while it leads. */
struct buf *replica_gather(struct replica *replica);
size_t replica_gathered(const struct replica *replica);
void replica_gather_drop(struct replica *replica);
bool replica_ready(const struct replica *replica);
/* Not all that was proposed is on this disk, but so much is gathered that it can go behind it. */
bool replica_ready_ahead(const struct replica *replica);
/* False: this disk has lost entries, and has not got them again: what is applied may be less than
 * it once was. */
bool replica_whole(const struct replica *replica);
/* False: what was wrong with its log may be over, but the next start would find it again. */
bool replica_mended(const struct replica *replica);
/* Is it a voter, by the newest config that it knows? */
bool replica_votes(const struct replica *replica);
/* It has a leader, all that it ever had, and nearly all that is committed. */
bool replica_current(const struct replica *replica);
/* Does somebody lead, as far as was heard here lately? */
bool replica_led(const struct replica *replica);
/* Has its log nothing but the beginning? */
bool replica_bare(const struct replica *replica);
/* Has it applied all that its leader had committed when it was last heard? */
bool replica_caught_up(const struct replica *replica);
/* Was its log made anew, and is it none to decide by yet (docs/raft.md)? */
bool replica_begins_anew(const struct replica *replica);
/* It waits for a leader: the newest config that it knows is one that the group has left behind, and
 * makes it the only voter (raft_core_outlived), or it has no say at all (raft_core_learns). */
bool replica_waits(const struct replica *replica);
/* Where its members are said last, as far as is known here. */
uint64_t replica_members_index(const struct replica *replica);
/* Does the newest config that it knows, which is committed, not name this node? */
bool replica_is_without(const struct replica *replica);
/* While it leads: the index of the committed config in force, which does not name that member. 0:
 * it does, or a change is under way. */
uint64_t replica_fixed_without(const struct replica *replica, struct raft_member member);
/* The term of the last entry given to `apply`. */
uint64_t replica_term_applied(const struct replica *replica);
/* Neither votes nor stands until called with false. False: somebody leads, or it is not known yet
 * what is here, and nothing has changed. Not from inside an event. */
bool replica_hold_still(struct replica *replica, bool still);
/* What all had left when they held still; before it goes on: raft_core_lend. */
void replica_lend(struct replica *replica, uint64_t term, uint64_t last_term, uint64_t last);
/* Proposes the gathered records; returns their index. Needs replica_leads, and replica_ready or
 * replica_ready_ahead before the last of them were added. */
uint64_t replica_propose(struct replica *replica, int64_t time_ns, uint32_t record_count);

/* A linearizable read: `done` is told when everything that was committed anywhere when it was asked
 * for is applied here (true; perhaps at once), or that leadership is gone (false). Only while it
 * leads. */
struct replica_read {
    void (*done)(struct replica_read *read, bool ok);
    struct replica_read *next;
    uint64_t number;
    uint64_t index; /* 0: not confirmed yet */
};
void replica_read(struct replica *replica, struct replica_read *read);

/* What `capture` asked for: takes the memory of both. `local` is this replica's own: places. The
 * others are told a hash of the body's compared sections; one that differs from the majority's
 * does not lead, and its state is replaced (docs/raft.md, Comparing states). */
void replica_block(struct replica *replica, struct buf *body, struct buf *local);
/* The same of what may be large; both are the replica's from now on. Features: storage/block.h. */
void replica_block_spooled(struct replica *replica, struct spool *body, struct spool *local,
                           uint32_t features);
/* The machine wants a block soon: a leader makes one with the next batch, or at once. Not from
 * inside an event. */
void replica_block_soon(struct replica *replica);
uint64_t replica_block_size(const struct replica *replica); /* of the last one */

struct replica_behind {
    uint64_t entries; /* applied, and not in the newest block that is on the disk */
    uint64_t bytes;   /* of them, roughly: up to where a next block was begun they do not count */
    int64_t
        written_ns; /* of the wall clock: when that block was written; 0: by an earlier process */
};
struct replica_behind replica_behind_block(const struct replica *replica);
/* There will be no block this time. */
void replica_block_drop(struct replica *replica);

/* What a block's body says of its group: the log time of its batch, and the members. False: it
 * makes no sense. */
bool replica_block_members(struct bytes body, int64_t *time_ns, struct raft_config *config);

/* A machine that fills: what it lacks, of whoever leads, up to so many things at once (from
 * `fill` to `fill_drop`; `number` is below it). Each is asked again until something else is asked
 * by that number, or nothing (empty). */
#define REPLICA_QUESTIONS 4u
void replica_ask(struct replica *replica, uint32_t number, struct bytes question);
/* The block that it fills makes no sense, as it finds later: as if `fill` had said so. */
void replica_fill_refused(struct replica *replica);
/* It lacks nothing any more. Takes the memory of `local`. */
void replica_take(struct replica *replica, struct buf *local);
/* A machine that has lost something of what it applied asks that member for it, once. False: that
 * is not possible now. Of who does not know it, is down or has nothing, no answer comes. */
bool replica_fetch(struct replica *replica, struct raft_member of, struct bytes question);
/* Who could be asked; how many. */
uint32_t replica_others(const struct replica *replica, struct raft_member out[RAFT_MEMBERS_MAX]);
/* About how many bytes travel in one answer, of bodies and of machines. */
size_t replica_piece(const struct replica *replica);
/* An answer. Lost if there is no room for it: then it is asked for again. */
void replica_tell(struct replica *replica, struct raft_member to, uint64_t index,
                  struct bytes answer);

/* A body is a row of sections: u32 type, u32 0 or 1, u64 size, and so many bytes. 1: it may differ
 * between replicas that are all right, and is not compared. */
#define BLOCK_SECTION_HEAD 16u
#define BLOCK_SECTION_FREE 16u /* machines number theirs from here on */
void replica_section(uint8_t head[BLOCK_SECTION_HEAD], uint32_t type, uint64_t size);
void replica_section_own(uint8_t head[BLOCK_SECTION_HEAD], uint32_t type, uint64_t size);
bool replica_section_compared(struct bytes body); /* is its first? */
/* Takes the first; false: there is none that is whole. */
bool replica_section_take(struct bytes *body, uint32_t *type, struct bytes *section);

/* Changes the members by one. ERR_AGAIN: not now (another change is under way, a learner is behind,
 * the batch before is still being written). ERR_UNSUPPORTED: it would be a member more, and the
 * beginning of the log is gone of a machine that cannot be caught up by block. Needs replica_leads.
 */
enum err replica_change(struct replica *replica, const struct raft_config *next);
/* Hands leadership to that node (0: the best placed); gives up by itself. */
void replica_transfer(struct replica *replica, uint64_t node);
/* What it is asked for cannot be done here and perhaps elsewhere: it hands over to the best placed,
 * once in ten seconds at most, since those may be no better off. */
void replica_give_way(struct replica *replica);

#endif
