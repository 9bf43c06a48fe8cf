/*
 * consumer_model: what one pull consumer with explicit acks owes its client, told from outside:
 * from what was asked, said and heard, and when. It shares no code with the server and looks at
 * nothing inside. The promises (numbers as in the list of invariants that docs/testing.md follows):
 *
 *     C1   delivered and ack floor of infos never fall; the floor is not above what is delivered
 *     C2   in the end every matching message that is there was delivered, and settled or exhausted
 *     C3   after a confirmed ack, or a term, a message is not delivered again
 *     C4   no redelivery before its wait is over; counts of a message rise; none exceeds
 * max_deliver C5   no more messages than a request asked for; no more pending than may be C6   when
 * all is settled, nothing is counted as pending any more C7   a work queue holds in the end only
 * what was never settled C8   so does a stream with interest
 *     C9   a message that was delivered as often as allowed is told of once, and no other is
 *
 * In a cluster the old leader's deliveries may arrive behind the new one's: there a count may come
 * late, but not twice.
 */
#ifndef TESTS_SIM_CONSUMER_MODEL_H
#define TESTS_SIM_CONSUMER_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#define MODEL_MESSAGES_MAX 600u
#define MODEL_PULLS_MAX    1500u

enum model_retention { MODEL_LIMITS, MODEL_INTEREST, MODEL_QUEUE };

struct model_message { /* by sequence */
    bool stored;       /* its publish was acknowledged */
    bool matches;
    bool removed;   /* by a delete or purge that may have happened */
    bool confirmed; /* its ack was answered, then */
    int64_t confirmed_ns;
    bool settled;       /* or may have been taken */
    unsigned count;     /* highest delivery count heard */
    uint64_t counts;    /* which counts were heard, a bit each */
    int64_t again_ns;   /* not before */
    bool given_up;      /* it was told that it was delivered as often as allowed */
    bool crossing;      /* a refusal that deliveries may meet on their way, */
    int64_t said_ns;    /* said then: one for a request of later was handed out behind it; */
    int64_t refused_ns; /* so it may ask for the one behind any before, from then on */
    char reply[120];    /* of the last delivery; empty: answered */
};

struct model_pull {
    unsigned batch, got;
    int64_t asked_ns;
};

struct model {
    enum model_retention retention;
    bool clustered;
    bool filtered;        /* only subject 0 */
    int64_t wait_ns;      /* the shortest wait for an ack */
    unsigned max_deliver; /* 0: no limit */
    unsigned max_pending; /* 0: no limit */
    struct model_message messages[MODEL_MESSAGES_MAX + 1];
    struct model_pull pulls[MODEL_PULLS_MAX];
    uint64_t unknown; /* publishes without an answer */
    uint64_t last;    /* highest sequence known of */
    uint64_t delivered, floor;
    uint64_t heard, redelivered, confirmed, given_up;
    char violation[300]; /* empty: none */
};

void model_stored(struct model *model, uint64_t sequence, unsigned subject);
/* A delete (sequence) or a purge of everything up to it was sent. */
void model_removing(struct model *model, uint64_t from, uint64_t to);

/* A delivery for that request. False: it is not to be answered. */
struct model_delivery {
    uint64_t sequence;
    unsigned count, pull, subject;
    int64_t now_ns;
    const char *reply;
};
bool model_delivered(struct model *model, const struct model_delivery *delivery);

/* What was said about the last delivery of a message, before it is sent; a delayed refusal holds
 * for that long from now. */
void model_acked(struct model *model, uint64_t sequence);
void model_refused(struct model *model, uint64_t sequence, int64_t now_ns, int64_t until_ns);
void model_confirmed(struct model *model, uint64_t sequence, int64_t now_ns);

/* The advisory came that it was delivered so many times, as often as allowed. */
void model_given_up(struct model *model, uint64_t sequence, unsigned deliveries);

struct model_info {
    uint64_t delivered, floor, pending, ack_pending;
};
void model_informed(struct model *model, const struct model_info *info);
/* Everything is quiet and all answered: what must be true then. `messages`: of the stream. */
void model_finished(struct model *model, const struct model_info *info, uint64_t messages);

#endif
