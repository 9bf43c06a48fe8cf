/*
 * features_model: what a client knows of the streams of sim_features, and what must be true of what
 * it reads there in the end. It knows what was said and heard, and nothing of the server.
 *
 *     A, B  counters           each publish adds a drawn number to one counter
 *     T     counter            sources of both: its one counter is their sum
 *     M     mirror of A        message for message
 *     L     atomic and fast batches, messages that end, with markers
 *     H     schedules that fire once
 *     Q, D  a work queue, and a stream that takes from it: each message is in D once, none in Q
 */
#ifndef TESTS_SIM_FEATURES_MODEL_H
#define TESTS_SIM_FEATURES_MODEL_H

#include "base/bytes.h"
#include "tests/sim/report.h"

#define THINGS_MAX 1200u

enum features_stream { ST_A, ST_B, ST_T, ST_M, ST_L, ST_H, ST_Q, ST_D, ST_COUNT };

enum thing_kind { THING_ADD, THING_BATCH, THING_FAST, THING_ENDING, THING_SCHEDULE, THING_QUEUED };
enum thing_answer { THING_OPEN, THING_STORED, THING_REFUSED };

/* One publish, or one batch of them. */
struct thing {
    enum thing_kind kind;
    enum features_stream stream;
    enum thing_answer answer;
    int amount;             /* ADD */
    unsigned count;         /* batches: how many were sent */
    unsigned gap;           /* FAST: this one was left out; 0: none */
    unsigned handled;       /* FAST: acknowledged up to here */
    bool poisoned, lasting; /* BATCH: is to be refused; ENDING: not while we look */
    uint64_t sequence;      /* as its ack said; 0: not */
    /* found in the end */
    unsigned seen, markers;
    uint64_t last;
};

struct features_model {
    struct report *report;
    struct thing things[THINGS_MAX];
    unsigned count;
    bool sick; /* a disk was, so a fast batch may have ended before its last message */
    /* while streams are read */
    long long value[ST_COUNT];   /* of the counters */
    unsigned messages[ST_COUNT]; /* that are there */
    uint64_t sum_a;              /* over A's and M's contents */
    uint64_t sum_m;
};

/* The number of a new one, or THINGS_MAX. */
unsigned features_add(struct features_model *model, const struct thing *thing);
/* An answer to it came. */
void features_heard(struct features_model *model, unsigned id, struct bytes payload);

/* Streams are read whole, each from its first message on. */
void features_begin(struct features_model *model);
struct features_found {
    enum features_stream stream;
    uint64_t sequence;
    struct bytes subject, headers, payload;
};
void features_found(struct features_model *model, const struct features_found *found);
void features_end(struct features_model *model);

#endif
