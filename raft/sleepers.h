/*
 * sleepers: replicas asleep whose leader's node has died. There may be thousands: they are told a
 * few at a time, those that were used last first, so that their elections hold up neither each
 * other nor those of groups that are in use, which are told at once. Whoever is wanted meanwhile is
 * told when that shows.
 */
#ifndef RAFT_SLEEPERS_H
#define RAFT_SLEEPERS_H

#include "raft/groups_priv.h"

void sleepers_deinit(struct groups *groups);

/* Does it sleep under a leader on that node, which cannot be reached? */
bool sleepers_of(const struct groups *groups, const struct replica *replica, uint64_t node);
/* Its leader's node has died. It is told later. */
void sleepers_add(struct groups *groups, const struct replica *replica);
/* All of a node are there: the first are told. */
void sleepers_begin(struct groups *groups);
/* Somebody wants it: it is told now, if it is one. */
void sleepers_want(struct groups *groups, struct replica *replica);

#endif
