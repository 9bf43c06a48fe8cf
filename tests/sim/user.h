/*
 * user: the model clients of one stream: who makes it, publishes, removes, changes its limits,
 * reads and consumes, all over one connection, and checks every answer (tests/sim/worlds.h), every
 * message (oracle.h) and every delivery (reader.h). Now and then it sends nothing until all is
 * answered and compares what the stream says of itself.
 *
 * Replies come to subjects below "_R.<stream>.".
 */
#ifndef TESTS_SIM_USER_H
#define TESTS_SIM_USER_H

#include "tests/sim/reader.h"
#include "tests/sim/worlds.h"

#define USER_READERS 5

enum user_state {
    USER_BUSY,
    USER_RESTING, /* waits for all answers */
    USER_LOOKING, /* has asked what the stream holds */
};

struct user {
    unsigned stream;
    struct sim *sim;
    struct sim_client *client;
    struct prng *prng;
    void (*say)(void *context, const char *text); /* for the story */
    void *context;

    struct spec_config config; /* as last wished */
    struct oracle oracle;
    struct worlds worlds;
    struct reader readers[USER_READERS];
    struct spec guess; /* what the stream probably is when all that was sent has happened */
    uint32_t msg_id_last;
    bool disk_failed;       /* for the stream, and not all answers to that have come */
    int64_t disk_failed_ns; /* when the server said so last: once a second, however often */
    bool timely;            /* the network delays nothing for long */

    bool created; /* the stream is there */
    int64_t asked_ns;
    enum user_state state;
    bool op_open, op_again; /* AGAIN: a crash has swallowed the answer */
    uint64_t looked;        /* answers that are still to come */
    bool look_again;        /* when they have: the stream could not be looked at */
    struct worlds_info info;
    uint8_t newest_subject;

    uint64_t get_number, get_sequence;
    int64_t get_asked_ns;
    uint64_t read_next;                   /* of everything, at the end; 0: not begun */
    bool get_open, get_found, get_stored; /* STORED: it had been acknowledged when asked for */
};

void user_init(struct user *user, unsigned stream, struct sim *sim, struct sim_client *client,
               struct prng *prng);
void user_deinit(struct user *user);
/* What went wrong, or NULL. */
const char *user_violation(const struct user *user);

void user_connected(struct user *user);
void user_crashed(struct user *user);
/* Asks for the stream and its consumers until they are there. */
void user_set_up(struct user *user);
bool user_ready(const struct user *user);

/* Does one thing of many. */
void user_act(struct user *user);
/* A message to "_R.<stream>.<rest>". */
void user_heard(struct user *user, const char *rest, const struct client_message *message);
/* A delivery of consumer `name`. */
void user_delivered(struct user *user, const char *name, const struct reader_counts *counts,
                    const struct client_message *message);

/* ---- the end -------------------------------------------------------------------------------- */

void user_rest(struct user *user); /* sends nothing new from now on, but looks */
bool user_at_rest(const struct user *user);
/* Consumes what is left. True: nothing has come for longer than any delay. */
bool user_drained(struct user *user);
void user_look(struct user *user);
bool user_has_looked(const struct user *user);
/* Reads sequence by sequence; true: all is read. Call until then. */
bool user_read_on(struct user *user);
void user_check(struct user *user);

#endif
