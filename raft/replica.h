/*
 * replica: this node's part in one group, as its state machine sees it. The group's log is the
 * store's log; what is committed comes back through `apply`, in order, exactly once per life.
 *
 * Today a group has one member: committed = durable on this disk. The interface is that of any
 * number of members, and the rules hold here already: deciding begins only after an entry of the
 * leader's own term has been applied (for one member: the recovered tail is synced, then a record
 * of the new term is durable), and what was proposed and not committed when leadership ends never
 * happened.
 */
#ifndef RAFT_REPLICA_H
#define RAFT_REPLICA_H

#include "storage/log.h"

struct replica;

/* Record type that opens a term; its body is empty. All other types are the machine's. */
#define REPLICA_RECORD_TERM 0u

struct replica_events {
    /* A committed batch. During replica_open for what is recovered, later for what was proposed. */
    void (*apply)(void *owner, const struct log_batch *batch);
    /* Recovery only: these indexes are damaged on this disk and no peer has them. */
    void (*lost)(void *owner, uint64_t first, uint64_t last, uint64_t bytes);
    /* This node leads: decide, answer, deliver. */
    void (*lead)(void *owner, uint64_t term);
    /* What was proposed after `applied` never happened. It still leads (one member: the disk
     * refused). What is gathered meanwhile was decided on top of it: replica_gather_drop. After a
     * crash the refused batch may come back through `apply`, as anything that was proposed and not
     * answered. */
    void (*refused)(void *owner, enum err err);
};

/* Opens the group's log and applies what is committed; `lead` follows from the loop, after the
 * batch that opens the term has come through `apply` (tried again every second while the disk
 * refuses it). Blocking. Errors as log_open. */
enum err replica_open(struct store *store, uint64_t log_id, const struct replica_events *events,
                      void *owner, struct replica **replica);
/* As log_close; may be called from the events. */
void replica_close(struct replica *replica);
/* Frees the memory as if the process had died; before store_forget. */
void replica_forget(struct replica *replica);

bool replica_leads(const struct replica *replica);
uint64_t replica_term(const struct replica *replica);
uint64_t replica_applied(const struct replica *replica);  /* last index given to `apply` */
uint64_t replica_proposed(const struct replica *replica); /* last index proposed */
struct log *replica_log(struct replica *replica);         /* for reading */

/* The batch being gathered (records begin behind LOG_GATHER_HEAD bytes, storage/log.h), how many
 * bytes of records are in it, and whether it can go now. Gather only while it leads. */
struct buf *replica_gather(struct replica *replica);
size_t replica_gathered(const struct replica *replica);
void replica_gather_drop(struct replica *replica);
bool replica_ready(const struct replica *replica);
/* Proposes the gathered records; returns their index. Needs replica_leads and replica_ready. */
uint64_t replica_propose(struct replica *replica, int64_t time_ns, uint32_t record_count);

#endif
