/*
 * spec: what a stream is, without log, batches or time: messages, message ids, and commands that
 * happen one after the other. It shares no code with the server; the rules are those of the
 * reference's documentation and of a running one.
 *
 * Subjects are numbers, and so are message ids (0: none). Windows are taken to be longer than a
 * run.
 */
#ifndef TESTS_SIM_SPEC_H
#define TESTS_SIM_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SPEC_SUBJECTS 8
#define SPEC_ALL      SPEC_SUBJECTS       /* as a filter: all subjects */
#define SPEC_OWN      (SPEC_SUBJECTS + 1) /* as a filter: the publish's own */
#define SPEC_NONE     UINT64_MAX          /* nothing is expected */

struct spec_config {
    uint64_t max_msgs, max_bytes, max_per_subject; /* 0: none */
    uint32_t max_msg_size;                         /* 0: none */
    bool discard_new, discard_new_per_subject, rollups;
};

struct spec_message {
    uint64_t sequence;
    uint64_t id; /* of the publish */
    uint32_t stored_size;
    uint8_t subject;
};

struct spec {
    struct spec_config config;
    struct spec_message *at; /* live ones, oldest first */
    size_t count, capacity;
    uint64_t bytes;
    uint64_t *ids; /* sequence by message id, 0: not stored */
    size_t ids_capacity;
    uint64_t last;    /* sequence */
    uint32_t last_id; /* of the last message that was stored */
    bool begun;       /* has had a message, or was purged */
    uint64_t hash;    /* of messages and ids */
};

enum spec_rollup { SPEC_KEEP, SPEC_ROLLUP_SUBJECT, SPEC_ROLLUP_ALL };

struct spec_publish {
    uint64_t id; /* rises */
    uint64_t expect_last;
    uint64_t expect_subject; /* last sequence of `filter` */
    uint32_t msg_id;
    uint32_t expect_id;   /* id of the last message; UINT32_MAX: nothing is expected */
    uint32_t size;        /* headers and payload */
    uint32_t stored_size; /* as limits count it */
    uint8_t subject;
    uint8_t filter;
    uint8_t rollup;
};

enum spec_outcome {
    SPEC_STORED,
    SPEC_DUPLICATE,
    SPEC_REFUSED,
    SPEC_FAILED, /* the disk said no; never the spec's answer */
};

struct spec_answer {
    enum spec_outcome outcome;
    uint64_t sequence;
    unsigned error;
    char text[64];
};

enum spec_op_kind { SPEC_PURGE, SPEC_DELETE, SPEC_CONFIGURE };

struct spec_op {
    enum spec_op_kind kind;
    uint8_t filter;       /* purge; SPEC_OWN: of all, without a filter */
    uint64_t below, keep; /* purge; 0: none */
    uint64_t sequence;    /* delete */
    struct spec_config config;
};

void spec_init(struct spec *spec, const struct spec_config *config);
void spec_deinit(struct spec *spec);
void spec_copy(const struct spec *from, struct spec *to); /* `to` is made */
bool spec_equal(const struct spec *a, const struct spec *b);

struct spec_answer spec_publish(struct spec *spec, const struct spec_publish *publish);
/* How many messages it removed. */
uint64_t spec_operate(struct spec *spec, const struct spec_op *op);

uint64_t spec_first(const struct spec *spec); /* as stream info says it */
/* Of the newest message of the subject or filter; 0: none. */
uint64_t spec_newest(const struct spec *spec, uint8_t filter);
const struct spec_message *spec_find(const struct spec *spec, uint64_t sequence);

#endif
