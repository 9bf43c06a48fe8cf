/*
 * relay: a transport for groups on one thread over links that are another's. What the groups send
 * in a turn goes to the links' thread in one piece, and what comes for them back in the same way:
 * frames, nodes that come and go, groups of which something is wanted, all in their order. Neither
 * side waits for the other, nor looks at what is the other's.
 *
 * A frame belongs to the life of the connection in which it was sent: those of an earlier one are
 * dropped at the links, as a transport does. The links say now and then how much they would take,
 * so that groups hear of a slow connection while they send; what is over it all the same is lost,
 * as on any network.
 *
 *     groups' thread, each turn      links' thread, each turn
 *     relay_deliver                  relay_node, relay_want, relay_received
 *     (the groups' own turn)         relay_pass, then wakes the groups
 *     relay_hand, then wakes         relay_send
 *     the links
 */
#ifndef RAFT_RELAY_H
#define RAFT_RELAY_H

#include "base/buf.h"
#include "base/mailbox.h"
#include "raft/groups.h"

#define RELAY_NODES_MAX 64u
/* Bytes of CONTROL on their way to the links do not count as backed up: the links' thread has its
 * turn soon. Beyond that it does not. */
#define RELAY_AHEAD (64u << 10)

/* One direction. */
struct relay_way {
    struct mailbox box;
    struct mail_sender sender; /* and the next: of the thread that sends */
    struct buf batch;          /* begins with room for a struct mail */
};

struct relay_node {
    uint64_t node; /* 0: a free place. As are the next, the links' */
    uint32_t life; /* of its connection */
    bool up;
    struct {
        uint64_t node;
        uint32_t life;
        bool up;
        uint64_t data, control;                 /* bytes that were ever sent */
    } groups;                                   /* what these know of it */
    _Atomic uint64_t data_taken, control_taken; /* of those */
    _Atomic uint64_t room;                      /* for DATA, in the link */
    _Atomic uint64_t waiting;                   /* of CONTROL, there */
};

struct relay {
    struct transport transport; /* for the groups */
    const struct transport *links;
    unsigned users; /* of the links: each is promised its part of their room */
    struct relay_way in, out;
    struct relay_node nodes[RELAY_NODES_MAX];
};

/* Before either thread uses it. It does not move. */
void relay_init(struct relay *relay, const struct transport *links, unsigned users);
/* Neither uses it any more; what was on its way is lost. */
void relay_deinit(struct relay *relay);

/* ---- the groups' thread ---------------------------------------------------------------------- */

/* What has come is told to the groups. */
void relay_deliver(struct relay *relay, struct groups *groups);
/* What they have sent is for the links now. True: these are to be woken. */
bool relay_hand(struct relay *relay);

/* ---- the links' thread ----------------------------------------------------------------------- */

/* As of the groups, in their next turn (raft/groups.h). */
void relay_node(struct relay *relay, uint64_t node, bool up);
void relay_want(struct relay *relay, uint64_t group);
void relay_received(struct relay *relay, uint64_t node, struct bytes frame);
/* What was said since the last time is for the groups now. True: these are to be woken. */
bool relay_pass(struct relay *relay);
/* What the groups have handed over goes to the links. */
void relay_send(struct relay *relay);

#endif
