/*
 * cluster_history: what clients of one stream have sent and heard, and whether it can be true of
 * one stream that everybody sees alike: nothing acknowledged is missing, nothing refused is there,
 * every answer fits one order of events in which each happened between its question and its answer.
 * It shares no code with the server.
 *
 * Many clients at once, so nobody knows the order of what is under way. What is checked at once: a
 * sequence has one message for ever; who asks after an answer sees what was answered. What is
 * checked at the end, when the content is known: expectations, duplicates, refusals.
 *
 * Content is checked byte for byte (content.h).
 */
#ifndef TESTS_SIM_CLUSTER_HISTORY_H
#define TESTS_SIM_CLUSTER_HISTORY_H

#include <stdint.h>

#include "base/bytes.h"
#include "tests/sim/content.h"
#include "tests/sim/report.h"

#define HISTORY_SUBJECTS 6u
#define HISTORY_NONE     UINT64_MAX /* nothing is expected */

enum history_outcome {
    HISTORY_OPEN, /* no answer: it may have happened, or happen later, or never */
    HISTORY_STORED,
    HISTORY_DUPLICATE,
    HISTORY_REFUSED, /* it never happened and never will */
    HISTORY_UNSURE,  /* an answer that says so: the disk refused it */
};

/* What was expected and not so, as the answer says it. */
enum history_why { HISTORY_WHY_OTHER, HISTORY_WHY_LAST, HISTORY_WHY_SUBJECT };

struct history_publish {
    uint64_t expect_last, expect_subject; /* HISTORY_NONE */
    uint64_t sequence;   /* as answered; of a refusal: the last sequence that it says */
    uint64_t known_last; /* highest acknowledged sequence when it was sent */
    uint64_t shown_as;   /* sequence it is known to have, 0: none */
    int64_t sent_ns, answered_ns;
    uint32_t msg_id; /* 0: none */
    uint8_t subject;
    uint8_t outcome;
    uint8_t why;
};

struct history_message { /* by sequence */
    uint64_t id;         /* of the publish, 0: not known */
    int64_t known_ns;    /* when it was first acknowledged or shown */
    bool acked;
    bool present;             /* at the end */
    int64_t removal_asked_ns; /* 0: nobody asked */
    int64_t removed_ns;       /* confirmed; 0: not */
    int64_t missed_ns;        /* first asked for and not there, 0: never */
};

struct history {
    struct report *report;
    unsigned stream;
    struct content content;
    struct history_publish *publishes; /* by id, from 1 */
    uint64_t publish_count, publish_capacity;
    struct history_message *messages; /* by sequence, from 1 */
    uint64_t message_capacity;
    uint64_t acked_last; /* highest sequence of an answer */
    uint64_t stored, duplicates, refused, shown;
    bool lossy; /* its only disk was lost: nothing can be said */
};

void history_init(struct history *history, struct report *report, unsigned stream);
void history_deinit(struct history *history);

/* A new publish; the caller fills in what it expects. */
uint64_t history_sent(struct history *history, uint8_t subject, uint32_t msg_id, int64_t now_ns);
struct history_publish *history_publish(struct history *history, uint64_t id);
void history_answered(struct history *history, uint64_t id, enum history_outcome outcome,
                      uint64_t sequence, enum history_why why, int64_t now_ns);

struct history_message *history_message(struct history *history, uint64_t sequence);

/* Somebody asks at `asked_ns` (0: long ago, perhaps) and is told at `now_ns`. */
void history_shown(struct history *history, int64_t asked_ns, uint64_t sequence,
                   struct bytes subject, struct bytes payload, int64_t now_ns);
void history_missed(struct history *history, int64_t asked_ns, uint64_t sequence, int64_t now_ns);
/* The newest of a subject is `sequence` (0: there is none). */
void history_newest(struct history *history, int64_t asked_ns, uint8_t subject, uint64_t sequence,
                    int64_t now_ns);
/* Stream info says so. */
void history_last(struct history *history, int64_t asked_ns, uint64_t sequence, int64_t now_ns);
void history_removal_asked(struct history *history, uint64_t sequence, int64_t now_ns);
void history_removed(struct history *history, uint64_t sequence, int64_t now_ns);

/* The end: the stream's content is as `present` and `id` of its messages say, up to `last`. */
void history_check(struct history *history, uint64_t last);

#endif
