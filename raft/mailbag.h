/*
 * mailbag: messages without entries on their way to one node. They go with the turn, together. As
 * long as what went before them still waits in this process they do not follow: a connection that
 * takes less than is said would be told everything later and later, and votes and heartbeats that
 * are seconds old elect nobody. Of what is held back only the newest of each group, member and type
 * stays: it says all that the one before it did, and any of them may be lost at any time.
 */
#ifndef RAFT_MAILBAG_H
#define RAFT_MAILBAG_H

#include "base/buf.h"
#include "base/map64.h"

#define MAILBAG_AHEAD 4096u /* bytes that may wait before what follows is held back */

struct mailbag {
    struct buf messages; /* WIRE_HEAD bytes each */
    size_t looked;       /* so many bytes of them are the newest of theirs, and in `places` */
    struct map64 places;
};

void mailbag_init(struct mailbag *mailbag, size_t most, uint64_t seed);
void mailbag_deinit(struct mailbag *mailbag);
void mailbag_clear(struct mailbag *mailbag);
/* Room for one more message; NULL: there is none. */
uint8_t *mailbag_reserve(struct mailbag *mailbag);
void mailbag_commit(struct mailbag *mailbag);
/* They do not go with this turn: those that are told again by later ones are left out. */
void mailbag_hold(struct mailbag *mailbag);

#endif
