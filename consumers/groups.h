/*
 * groups: the machine's side of priority groups: which of the waiting requests may be given a
 * message (reference consumers 5.6).
 *
 *     overflow     a request may name how many messages must be left, or owed, before it gets any
 *     pinned       one client is served while the others stand by; it names the pin that it was
 * given prioritized  requests wait in the order of their priority (requests.h)
 *
 * All of it is the leader's and lives as long as its leadership: a new leader begins without a pin,
 * and the client that had it is told that it is wrong.
 */
#ifndef CONSUMERS_GROUPS_H
#define CONSUMERS_GROUPS_H

#include "base/bytes.h"
#include "base/timers.h"

#define GROUP_PIN_SIZE 22u

struct consumer;
struct pull;
struct request;

struct group_pin {
    bool set;
    char id[GROUP_PIN_SIZE];
    int64_t since_ns; /* log time */
    struct timer timer;
};

enum group_admission {
    GROUP_ADMITS,
    GROUP_STANDS_BY, /* not now */
    GROUP_WRONG_PIN, /* never */
};

void groups_start(struct consumer *c); /* leadership begins, or the config has changed */
void groups_stop(struct consumer *c);

/* May it have a message now? Whoever may and comes first is pinned. */
enum group_admission groups_admit(struct consumer *c, struct request *request);
/* The pin that was just given is taken back: its request could not have the message. */
void groups_unpin_silently(struct consumer *c);
/* A request arrives. False: it names another pin than the one that is set. */
bool groups_accept(struct consumer *c, const struct pull *pull);
/* A message goes to that request: the header lines that it gets in addition. Good until the next
 * call; empty: none. */
struct bytes groups_headers(struct consumer *c, const struct request *request);

#endif
