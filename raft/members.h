/*
 * members: the record that says who a group's members are, and the bootstrap entry that begins a
 * group's log. docs/formats.md (Records of the replica).
 */
#ifndef RAFT_MEMBERS_H
#define RAFT_MEMBERS_H

#include "base/buf.h"
#include "base/err.h"
#include "raft/core.h"

/* Record types that are the replica's own; all others are the machine's. */
#define REPLICA_RECORD_TERM    0u   /* opens a term; empty body */
#define REPLICA_RECORD_SEAL    254u /* first in its batch: a state block is due; empty body */
#define REPLICA_SEAL_SIZE      16u  /* of the record */
#define REPLICA_RECORD_MEMBERS 255u /* alone in its batch, in force from there on */

static inline bool replica_record(uint8_t type)
{
    return type == REPLICA_RECORD_TERM || type >= REPLICA_RECORD_SEAL;
}

/* The body of the record, as it stands there and in state blocks. Returns what is behind it. */
#define MEMBERS_BODY_MAX (6u + RAFT_MEMBERS_MAX * 24u)
uint8_t *members_encode(uint8_t *at, const struct raft_config *config);
/* Appends the record; false at the buffer's limit. */
bool members_write(struct buf *out, const struct raft_config *config);
/* Reads the body of such a record. ERR_CORRUPT: not one (no voter, too many, twice the same). */
enum err members_read(struct bytes body, struct raft_config *config);
/* Whether the records of an entry are a members record; if so *config is filled in. */
bool members_of(struct bytes records, uint32_t record_count, struct raft_config *config);

/* The content of index 1, term 1 of a group's log, the same on each first member. */
void members_bootstrap(struct buf *out, const uint8_t incarnation[16], int64_t time_ns,
                       const struct raft_config *config);

/* A server that stands alone may get another name, and so another node id, with each start: who has
 * our disk is us. Corrects our own entry in what was written earlier. */
void members_adopt(struct raft_config *config, struct raft_member self);

bool members_equal(struct raft_member a, struct raft_member b); /* without `learner` */
const struct raft_member *members_find(const struct raft_config *config, uint64_t node);

#endif
