/*
 * removals_model: what one stream that loses messages may have lost, told from outside: by limits
 * (per subject, in number, by age), by purges of every form and by deletions. It knows what was
 * said and heard, and when, and nothing of the server.
 *
 *     R1  an acknowledged message is there, or something that was asked for or a limit took it
 *     R2  what was confirmed to be gone is gone for good, also with a change of leaders
 *     R3  limits and purges take the oldest of a subject: none is gone before an older one, but
 *         those that were deleted by themselves
 *     R4  in the end no limit is exceeded
 *     R5  a publish is refused only where the stream could be full; what is refused is not there
 *     R6  each message is there once, whole, under the sequence of its ack
 *
 * An answer that did not come leaves open whether a thing happened, and until when it may.
 */
#ifndef TESTS_SIM_REMOVALS_MODEL_H
#define TESTS_SIM_REMOVALS_MODEL_H

#include <stdint.h>

#include "tests/sim/report.h"

#define REMOVALS_SUBJECTS  4u
#define REMOVALS_PUBLISHES 400u
#define REMOVALS_MAX       100u
#define REMOVALS_ANY       REMOVALS_SUBJECTS /* a purge of all subjects */
#define REMOVALS_SLACK_NS  INT64_C(1500000000)
#define REMOVALS_NEVER     INT64_MAX

struct removals_limits { /* 0: none */
    unsigned per_subject, total;
    int64_t age_ns;
    bool refuses;         /* what would exceed `total`; else the oldest goes */
    bool refuses_subject; /* what would exceed `per_subject`, too */
};

enum attempt_answer { ATTEMPT_OPEN, ATTEMPT_STORED, ATTEMPT_REFUSED };

struct attempt {
    unsigned subject, size;
    enum attempt_answer answer;
    uint64_t sequence; /* as its ack or a reader said; 0: not known */
    int64_t sent_ns, answered_ns;
};

/* By sequence. */
struct stored {
    unsigned id;        /* of the publish; 0: not known */
    int64_t gone_ns;    /* a removal that took it was confirmed; REMOVALS_NEVER: none was */
    int64_t missed_ns;  /* a reader was told that it is not there; REMOVALS_NEVER: none was */
    bool read, present; /* in the last reading */
};

struct removal {
    uint64_t sequence; /* a deletion of this one; 0: a purge */
    unsigned subject;
    uint64_t below;            /* up to here, without it; 0: all */
    unsigned keep;             /* but for so many; 0: none is kept */
    uint64_t last;             /* the highest sequence that was known when it was asked for */
    int64_t asked_ns, done_ns; /* REMOVALS_NEVER: not confirmed, so it may still happen */
};

struct removals_model {
    struct report *report;
    struct removals_limits limits;
    struct attempt publishes[REMOVALS_PUBLISHES + 1]; /* by id, from 1 */
    struct stored stored[REMOVALS_PUBLISHES + 1];     /* by sequence, from 1 */
    struct removal removals[REMOVALS_MAX];
    unsigned sent, asked;
    uint64_t last; /* highest sequence known */
    bool calm;     /* a leader has had time for all that is due */
};

void removals_init(struct removals_model *model, struct report *report,
                   const struct removals_limits *limits);

/* The id of a new publish; 0: there are no more. */
unsigned removals_sent(struct removals_model *model, unsigned subject, unsigned size,
                       int64_t now_ns);
void removals_stored(struct removals_model *model, unsigned id, uint64_t sequence, int64_t now_ns);
/* `subject_full`: its subject is said to be full, not the stream. */
void removals_refused(struct removals_model *model, unsigned id, bool subject_full, int64_t now_ns);

/* The number of what is asked for; REMOVALS_MAX: there are no more. */
unsigned removals_asked(struct removals_model *model, const struct removal *removal);
void removals_done(struct removals_model *model, unsigned number, int64_t now_ns);

/* Somebody asked for a sequence at `asked_ns` and is told now. */
struct removals_look {
    uint64_t sequence;
    unsigned id, subject, size; /* of the message */
    int64_t asked_ns, now_ns;
};
void removals_found(struct removals_model *model, const struct removals_look *look);
void removals_missing(struct removals_model *model, const struct removals_look *look);

/* All is calm, and the stream is read whole: what is looked at from now on is what is there. */
void removals_begin(struct removals_model *model);
/* All up to `last` was looked at, and `messages` is what the stream says of itself. */
void removals_end(struct removals_model *model, uint64_t messages, uint64_t last, int64_t now_ns);

#endif
