/*
 * connection_move: a connection goes from one shard to another (docs/shards.md, Moving). Three
 * steps: its own shard lets go of the socket, which takes a turn or two; while all shards rest and
 * nothing is on its way between them, home takes what it has out of the one and puts it into the
 * other; that one takes the socket. It is heard no more from the first step to the last, and what
 * is to be sent to it meanwhile waits with it.
 */
#ifndef SERVER_CLIENTS_CONNECTION_MOVE_H
#define SERVER_CLIENTS_CONNECTION_MOVE_H

#include "server/clients/connection.h"

/* All stand still meanwhile: so many subscriptions has one that moves at most, and as many or one
 * more go at once, so that nobody waits longer because many others move. */
#define CONNECTION_MOVE_SUBS_MAX  1024u
#define CONNECTIONS_MOVE_SUBS_MAX 4096u

struct connection;

/* Whoever moves those that have let go of their sockets. */
struct connection_mover {
    void *owner;
    /* One has. */
    void (*parted)(void *owner);
    /* One publishes into streams of that shard, all the time: may it go there? */
    bool (*follow)(void *owner, unsigned shard);
};

/* ---- on the shard that has them ------------------------------------------------------------- */

/* Begins it. False: it is not one that moves, or not now. */
bool connection_part(struct connection *c, unsigned to);
/* Of those that have something to do, `most` at most, which do up to `share` thousandths of all
 * that was done since the last look. Others than those that follow a stream. */
void connections_give(struct connections *connections, unsigned to, unsigned share, unsigned most);
/* Is there one that could go, and does something? */
bool connections_have_to_give(const struct connections *connections);
/* The look alone. */
void connections_look(struct connections *connections);
/* Any of them, at random: for tests. */
void connections_give_any(struct connections *connections, unsigned to, uint64_t random);

/* ---- while all rest ------------------------------------------------------------------------- */

/* To where they go, `all` of `count` shards, in the order in which they let go; *most:
 * subscriptions that may go, less those that went. False: some are left. */
bool connections_move(struct connections *connections, struct connections *const *all,
                      unsigned count, uint32_t *most);

/* ---- on the shard that they came to --------------------------------------------------------- */

void connections_arrive(struct connections *connections);

#endif
