/*
 * worlds: every state that a stream may be in, as far as its only publisher can know. One
 * connection publishes, so the stream decides in the order of sending; an operation (purge, delete,
 * new config) falls somewhere between two publishes; a crash keeps the first few of what had no
 * answer yet. Each answer rules worlds out, and when none is left a promise was broken.
 *
 * At most one operation is under way at a time. Answers that depend on the stream come in order.
 */
#ifndef TESTS_SIM_WORLDS_H
#define TESTS_SIM_WORLDS_H

#include "tests/sim/spec.h"

#define WORLDS_MAX 2000 /* more are given up: nothing is checked from then on */

struct world {
    struct spec spec;
    bool operated; /* the operation under way has happened */
    uint64_t removed;
};

struct worlds_list {
    struct world *at;
    size_t count, capacity;
};

/* A publish without a verdict. */
struct worlds_publish {
    struct spec_publish publish;
    bool answered;
    bool skipped; /* refused without a look at the stream: it never was */
    struct spec_answer answer;
};

enum worlds_op_state { WORLDS_IDLE, WORLDS_ASKED, WORLDS_ANSWERED };

struct worlds {
    struct worlds_list possible;
    /* What a failed write may have left on the disk: it comes back with a crash, if nothing has
     * been stored since. */
    struct worlds_list ghosts;
    struct worlds_publish *waiting; /* in order of sending */
    size_t waiting_head, waiting_count, waiting_capacity;
    struct spec_op op;
    enum worlds_op_state op_state;
    bool op_stored;     /* ANSWERED: it is in the log */
    uint64_t op_last;   /* ANSWERED: the last publish that was sent before the answer */
    uint64_t sent_last; /* publish */
    bool given_up;
    char violation[400];
};

void worlds_init(struct worlds *worlds, const struct spec_config *config);
void worlds_deinit(struct worlds *worlds);

void worlds_sent(struct worlds *worlds, const struct spec_publish *publish);
/* `looked`: the answer depends on the stream. */
void worlds_answered(struct worlds *worlds, uint64_t id, const struct spec_answer *answer,
                     bool looked);
void worlds_op_sent(struct worlds *worlds, const struct spec_op *op);
/* `removed`: UINT64_MAX if the answer does not tell. */
void worlds_op_answered(struct worlds *worlds, uint64_t removed);
void worlds_op_failed(struct worlds *worlds); /* the disk said no */
/* A new config without an answer is still on its way: the server may have noted the wish. It has to
 * be asked for again, until there is an answer. Other operations have happened or never will. */
void worlds_crashed(struct worlds *worlds);

/* ---- at rest: nothing has been sent that is not answered ------------------------------------ */

bool worlds_at_rest(const struct worlds *worlds);
size_t worlds_unanswered(const struct worlds *worlds); /* publishes */
struct worlds_info {
    uint64_t messages, bytes, first, last;
};
/* Stream info. */
void worlds_seen_info(struct worlds *worlds, const struct worlds_info *info);
/* Whether the sequence is there; `how` says who says so. */
void worlds_seen_message(struct worlds *worlds, uint64_t sequence, bool there, const char *how);
void worlds_seen_newest(struct worlds *worlds, uint8_t filter, uint64_t sequence);

/* One of the possible states, with all that waits in it: a good guess for expectations. */
void worlds_guess(const struct worlds *worlds, struct spec *spec);

#endif
