/*
 * cluster_user: a model client with one connection to one node of a cluster at a time. It makes
 * streams and consumers, publishes, reads, pulls and acknowledges, in several streams at once, and
 * hands what it hears to their histories. When its connection goes, or answers stay away for long,
 * it goes to another node; what had no answer then has an unknown outcome for ever.
 *
 * Replies come to subjects below "_R.<user>.<connection>.".
 */
#ifndef TESTS_SIM_CLUSTER_USER_H
#define TESTS_SIM_CLUSTER_USER_H

#include "base/prng.h"
#include "tests/sim/client.h"
#include "tests/sim/cluster_consumer.h"
#include "tests/sim/cluster_nodes.h"
#include "tests/sim/cluster_setting.h"

#define SCENE_STREAMS_MAX 4u
#define USER_PENDING_MAX  256u
#define USER_PATIENCE_NS                                                                           \
    INT64_C(6000000000) /* more than a server lets a message wait for a leader */

struct scene_stream {
    struct history history;
    struct watch watch; /* of its consumer "C" */
    struct setting setting;
    unsigned replicas;
    unsigned placed; /* on these nodes, by their tags (cluster_move.c); 0: anywhere */
    bool removals;   /* messages are deleted */
    bool memory;     /* its log is: it lives as long as a majority of its replicas' processes */
    bool created, consumer_created;
    uint32_t msg_id_last;
};

/* What all users share. */
struct scene {
    struct report *report;
    struct sim *sim;
    struct nodes *nodes;
    struct prng *prng;
    struct scene_stream streams[SCENE_STREAMS_MAX];
    unsigned stream_count;
    /* The highest number of a delivery that any replica knows of; white box. */
    uint64_t (*handed_out)(void *context, unsigned stream);
    /* Which node leads it; not below nodes->count: none. */
    size_t (*leader)(void *context, unsigned stream);
    void *context;
    struct report forgiven; /* what is told of a stream that nothing can be said of */
    uint64_t answers;       /* of any kind, so far */
};

/* A question that is not a publish: one at a time. */
enum ask {
    ASK_NOTHING,
    ASK_STREAM,   /* create it */
    ASK_CONSUMER, /* create it */
    ASK_GET,      /* a sequence, directly */
    ASK_API_GET,  /* the same through the API */
    ASK_NEWEST,   /* of a subject */
    ASK_INFO,
    ASK_DELETE,
    ASK_ERASE,  /* and its bytes go */
    ASK_CHANGE, /* another description, and as many replicas and where as the scene says */
    ASK_LEAVE,  /* a node, by its number, is to hold it no more */
    ASK_READ,   /* at the end: a sequence, its presence counts */
};

struct user_pending { /* a delivery without an answer */
    unsigned stream;
    uint64_t sequence;
    char reply[160];
};

struct user {
    struct scene *scene;
    unsigned number;
    size_t machine; /* its simulated node */
    struct sim_client client;
    size_t server;       /* connected to, or the last one */
    int64_t patience_ns; /* with questions */
    unsigned connection; /* how many there were: each has an inbox of its own */
    int64_t connected_ns;

    uint64_t open;      /* publishes without an answer, on this connection */
    int64_t publish_ns; /* when something about publishes was heard or the first was sent */

    enum ask ask;
    unsigned ask_stream;
    uint64_t ask_number; /* rises */
    uint64_t ask_sequence;
    uint8_t ask_subject;
    int64_t ask_ns;
    bool ask_good;                   /* the last one was answered with success */
    uint64_t ask_last, ask_messages; /* INFO's answer */
    bool ask_answered;
    bool ask_damaged; /* the message is there, but damaged where it was asked for */

    struct user_pending pending[USER_PENDING_MAX];
    size_t pending_count;
    unsigned pulls[SCENE_STREAMS_MAX];
    int64_t pulled_ns[SCENE_STREAMS_MAX];
};

void scene_init(struct scene *scene, struct report *report, struct sim *sim, struct nodes *nodes,
                struct prng *prng, unsigned stream_count);
void scene_deinit(struct scene *scene);
/* All who held that stream in memory may have lost it: what users hear of it breaks nothing. */
void scene_forgive(struct scene *scene, unsigned stream);

void user_init(struct user *user, struct scene *scene, unsigned number);
void user_deinit(struct user *user);
/* Goes to that node; what was connected is dropped. */
void user_move(struct user *user, size_t server);
/* Connects there at once. False: what it dropped is still closing. */
bool user_go(struct user *user, size_t server);
bool user_connected(const struct user *user);

/* Does one thing of many. */
void user_act(struct user *user);
/* Nothing it has asked or sent waits for an answer. */
bool user_idle(const struct user *user);

/* ---- step by step, for a driver that wants something done ----------------------------------- */

/* Asks for what is not there yet; true: all streams and consumers are. */
bool user_set_up(struct user *user);
void user_ask(struct user *user, enum ask ask, unsigned stream, uint64_t sequence);
uint64_t user_publish(struct user *user, unsigned stream); /* a plain one; its id */
/* Pulls and acknowledges everything, with confirmations. */
void user_drain(struct user *user, unsigned stream);
/* Questions that wait too long are given up. */
void user_look_at_time(struct user *user);

#endif
