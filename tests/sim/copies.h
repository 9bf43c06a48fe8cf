/*
 * copies: a stream that is copied: a mirror of it, a stream that takes all of it, and one that
 * takes some of it under other names. What the copies hold must be what the origin holds, each
 * message once, in its order. And a queue that is emptied into a stream: what it has let go of must
 * be there, once. Looks into the server; asks nobody.
 */
#ifndef TESTS_SIM_COPIES_H
#define TESTS_SIM_COPIES_H

#include "server/server.h"
#include "tests/sim/client.h"

struct prng;

struct copies {
    uint64_t sent;
    uint64_t copied; /* messages that the last comparison found */
    char violation[300];
};

/* Asks for the streams; again when nobody knows whether they are there. */
void copies_set_up(const struct copies *copies, struct sim_client *client);
/* Publishes a few, or makes the origin's end a gap. */
void copies_act(struct copies *copies, struct sim_client *client, struct prng *prng);
/* At any time: is what the copies have right as far as it goes? False: `violation` says what is
 * not. *whole: and do they have all? Only when all streams are there. */
bool copies_compare(struct copies *copies, struct server *server, bool *whole);

#endif
