/*
 * oracle: what the clients of one stream know to be true, and whether what they are shown fits it. It
 * shares no code with the server. Publishes carry an id; subject, message id and payload follow from
 * it, so content is checked byte for byte without being stored.
 *
 * Time here is an order: a counter that rises with everything a client does.
 */
#ifndef TESTS_SIM_ORACLE_H
#define TESTS_SIM_ORACLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ORACLE_SUBJECTS 8
#define ORACLE_NO_CHECK UINT64_MAX

enum oracle_outcome { ORACLE_OPEN, ORACLE_ACKED, ORACLE_REFUSED, ORACLE_UNKNOWN };

struct oracle_publish {
    uint64_t sent;   /* order */
    uint64_t seq;    /* acked as */
    uint64_t expect; /* expected last sequence of the subject, or ORACLE_NO_CHECK */
    uint32_t msg_id; /* 0: none */
    uint8_t subject;
    uint8_t outcome;
    bool duplicate; /* the ack said so */
};

struct oracle_message { /* by sequence */
    uint64_t id; /* of the publish; 0: never seen */
    bool confirmed;     /* a consumer's ack was confirmed */
    bool delivered;
    bool present;       /* scratch of the final check */
    uint32_t deliveries; /* highest count seen */
};

struct oracle {
    /* what the stream promises */
    uint64_t max_msgs;             /* 0: none */
    uint64_t max_msgs_per_subject; /* 0: none */

    struct oracle_publish *publishes; /* by id, from 1 */
    uint64_t publish_count, publish_capacity;
    struct oracle_message *messages; /* by sequence, from 1 */
    uint64_t message_capacity;
    uint64_t order;
    uint64_t acked_last;      /* highest acknowledged sequence */
    uint64_t purging_from;    /* acked_last when the purge in flight was sent; UINT64_MAX: none in flight */
    uint64_t gone_below;      /* a confirmed purge removed everything below */
    uint64_t may_be_gone;     /* publishes sent before this order may have been purged */
    uint64_t acked_count, seen_count, confirmed_count, refused_count, crash_count;
    char violation[400]; /* empty: none */
};

void oracle_init(struct oracle *oracle);
void oracle_deinit(struct oracle *oracle);

/* A new publish: its id. */
uint64_t oracle_send(struct oracle *oracle, uint8_t subject, uint32_t msg_id, uint64_t expect);
void oracle_subject(uint8_t subject, char out[static 16]);
/* The payload of a publish: `size` bytes follow from id. */
size_t oracle_payload(uint64_t id, uint8_t *out, size_t capacity);

void oracle_acked(struct oracle *oracle, uint64_t id, uint64_t seq, bool duplicate);
void oracle_refused(struct oracle *oracle, uint64_t id);
/* Everything without an answer has an unknown outcome; a purge in flight may have happened. */
void oracle_crashed(struct oracle *oracle);

void oracle_purge_sent(struct oracle *oracle);
void oracle_purge_acked(struct oracle *oracle);

/* A message was shown, by any way of reading. `asked`: the order when it was asked for; what was asked for before
 * a purge was confirmed may still show what the purge took. */
void oracle_seen(struct oracle *oracle, uint64_t asked, uint64_t seq, const char *subject, size_t subject_size,
                 const uint8_t *payload, size_t size);
void oracle_delivered(struct oracle *oracle, uint64_t seq, uint64_t count);
void oracle_ack_confirmed(struct oracle *oracle, uint64_t seq);

/* At rest, everything present is read in order between begin and end. `drained`: a consumer of everything was
 * pulled until nothing came. */
void oracle_final_begin(struct oracle *oracle);
void oracle_final_present(struct oracle *oracle, uint64_t seq);
void oracle_final_end(struct oracle *oracle, uint64_t last_seq, bool drained);

#endif
