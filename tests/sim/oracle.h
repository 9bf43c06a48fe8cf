/*
 * oracle: what is known of the messages of one stream, and whether what is shown of them fits it:
 * content, subjects, sequences that never change their message, what is gone and stays gone. It
 * shares no code with the server. Content is checked byte for byte (content.h). tests/sim/worlds.h
 * knows what the answers may be.
 */
#ifndef TESTS_SIM_ORACLE_H
#define TESTS_SIM_ORACLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/sim/content.h"

enum oracle_outcome {
    ORACLE_OPEN,
    ORACLE_STORED,
    ORACLE_DUPLICATE,
    ORACLE_REFUSED,
    ORACLE_UNKNOWN
};

struct oracle_publish {
    uint64_t sequence; /* as answered */
    int64_t sent_ns, answered_ns;
    uint32_t msg_id;
    uint8_t subject;
    uint8_t outcome;
};

struct oracle_message { /* by sequence */
    uint64_t id;        /* of the publish; 0: never seen */
    int64_t gone_ns;    /* when it was known to be removed, 0: it is not */
    int64_t absent_ns;  /* when it was asked for and not there, 0: never */
    bool present;       /* scratch of the final check */
};

struct oracle {
    unsigned stream;
    struct content content;
    int64_t max_age_ns;               /* 0: none */
    struct oracle_publish *publishes; /* by id, from 1 */
    uint64_t publish_count, publish_capacity;
    struct oracle_message *messages; /* by sequence, from 1 */
    uint64_t message_capacity;
    uint64_t stored_last; /* highest sequence of an answer */
    uint64_t stored, refused, duplicates, shown;
    char violation[400]; /* empty: none */
};

void oracle_init(struct oracle *oracle, unsigned stream);
void oracle_deinit(struct oracle *oracle);
[[gnu::format(printf, 2, 3)]] void oracle_violate(struct oracle *oracle, const char *format, ...);

/* A new publish: its id. */
uint64_t oracle_sent(struct oracle *oracle, uint8_t subject, uint32_t msg_id, int64_t now_ns);
void oracle_answered(struct oracle *oracle, uint64_t id, enum oracle_outcome outcome,
                     uint64_t sequence, int64_t now_ns);
/* What has no answer has an unknown outcome. */
void oracle_crashed(struct oracle *oracle);

/* A message was shown, by any way of reading; it was there at some time since `asked_ns`. */
void oracle_shown(struct oracle *oracle, int64_t asked_ns, uint64_t sequence, const char *subject,
                  size_t subject_size, const uint8_t *payload, size_t size);
/* Nor may it then have been older than its stream allows. */
void oracle_check_age(struct oracle *oracle, int64_t asked_ns, uint64_t sequence);
/* It was asked for at `asked_ns`, when it had been acknowledged, and is not there at `now_ns`. */
void oracle_not_found(struct oracle *oracle, uint64_t sequence, int64_t now_ns);

struct oracle_message *oracle_message(struct oracle *oracle, uint64_t sequence);

#endif
