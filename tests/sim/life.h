/*
 * life: the life of a whole server with one stream, from its making over publishes, state blocks,
 * compression, an erasure, a purge, records that move, a consumer's acks and a stream that comes
 * and goes, and what has to be there of it afterwards, as far as its client was told. If it is to
 * be, another stream is restored from an archive: it is there whole, or not at all.
 */
#ifndef TESTS_SIM_LIFE_H
#define TESTS_SIM_LIFE_H

#include "server/server.h"
#include "tests/sim/client.h"
#include "tests/sim/sim_shards.h"

#define LIFE_MESSAGES 90u /* of a life without a crash */
#define LIFE_SIZE     700u
#define LIFE_PURGED   10u /* sequences below it */

/* Of what a client was told; `asked`: it may have happened. */
enum fate { NEVER, ASKED, SURE };

struct truth {
    enum fate stored[LIFE_MESSAGES + 10], deleted[LIFE_MESSAGES + 10];
    enum fate made, purged, other, other_gone, restored;
    unsigned acked; /* sequences up to it are confirmed */
    unsigned acked_asked;
};

struct life {
    uint64_t seed, operation, flaws;
    struct sim *sim;
    size_t node, clients;
    struct sim_shards shards;
    struct server *server;
    struct options options;
    struct logger logger;
    struct sim_client client;
    struct truth truth;
    unsigned serial; /* of the question that is open */
    bool answered;
    char answer[2048];
    char reply[128]; /* of a delivered message */
    char headers[256];
    unsigned complaints; /* warnings and errors in the log */
    bool may_refuse;     /* to start */
    bool restores;       /* the owner's, set behind life_begin */
    bool story;          /* prints the log */
};

[[gnu::noreturn]] void life_fail(const struct life *life, const char *what, uint64_t number);

void life_begin(struct life *life, uint64_t seed, uint64_t operation, uint64_t flaws);
/* Right behind it: the server has so many shards, and as many lanes. */
void life_shard(struct life *life, unsigned shards);
void life_end(struct life *life);
/* A server and a client connected to it. False: the power went, or it does not start and may do so.
 */
bool life_start(struct life *life);
/* The server's end: the power goes. The node is up again, and empty. */
void life_power(struct life *life);
void life_bury(struct life *life); /* frees the server */
/* Does what is not done yet. False: the power went. */
bool life_live(struct life *life);
/* Fails unless everything is as it has to be. */
void life_look(struct life *life);

/* One question, answered in `answer` ("404": there is no such message). False: the power went. */
bool life_ask(struct life *life, const char *subject, const char *body);
bool life_send(struct life *life, const char *subject, struct bytes body); /* the same */
bool life_says(const struct life *life, const char *text);
uint64_t life_number(const struct life *life, const char *key);
/* The same in every life, and found nowhere by chance. */
void life_text(unsigned sequence, char text[LIFE_SIZE + 1]);

/* life_restore.c: the stream R. False: the power went. */
bool life_restore(struct life *life);
void life_look_at_restored(struct life *life);

#endif
