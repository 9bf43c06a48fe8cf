/*
 * membership: the next step from the members a group has to those it shall have, one at a time and
 * without ever having fewer voters than needed: newcomers are learners first, all of them become
 * voters when they have caught up, then those go who are not wished for; a leader that has to go
 * hands over first. Where members wait for a later term (docs/raft.md, A log made anew) and no
 * other voter could lead in one, voters go first. Pure.
 */
#ifndef RAFT_MEMBERSHIP_H
#define RAFT_MEMBERSHIP_H

#include "raft/core.h"

enum membership_step {
    MEMBERSHIP_SETTLED,  /* they are those wished for */
    MEMBERSHIP_WAITS,    /* for a learner to catch up */
    MEMBERSHIP_CHANGE,   /* to *next */
    MEMBERSHIP_TRANSFER, /* leadership to *to, then go on there */
};

/* `progress`: of the members, as their leader `self` sees them. */
enum membership_step membership_next(const struct raft_config *actual,
                                     const struct raft_config *wished, struct raft_member self,
                                     const struct raft_progress *progress, uint32_t progress_count,
                                     struct raft_config *next, struct raft_member *to);

#endif
