/*
 * cluster_consumer: what the clients of one durable pull consumer have been handed, and whether it
 * can be: a delivery has a number of its own, a message's delivery count rises with it, what was
 * confirmed to be acknowledged is handed out no more, and at the end nothing has been passed over.
 *
 * Deliveries may arrive late, through a node that led once: what counts is the order in which they
 * were handed out, the consumer's sequence, not the order in which they come.
 */
#ifndef TESTS_SIM_CLUSTER_CONSUMER_H
#define TESTS_SIM_CLUSTER_CONSUMER_H

#include "tests/sim/cluster_history.h"

struct watched_message { /* by the stream's sequence */
    uint32_t count;      /* of the newest delivery */
    uint64_t number;     /* of it: the consumer's sequence */
    bool confirmed;
    uint64_t confirmed_number; /* no delivery beyond it */
};

struct watched_delivery { /* by the consumer's sequence */
    uint64_t sequence;
    uint32_t count;
};

struct watch {
    struct history *history;
    struct watched_message *messages;
    struct watched_delivery *deliveries;
    uint64_t message_capacity, delivery_capacity;
    uint64_t delivered, confirmed;
    int64_t delivered_ns; /* the newest */
};

void watch_init(struct watch *watch, struct history *history);
void watch_deinit(struct watch *watch);

void watch_delivered(struct watch *watch, uint64_t sequence, uint64_t count, uint64_t number,
                     int64_t now_ns);
/* Its ack was confirmed at a time when no delivery beyond `number` had been handed out. */
void watch_confirmed(struct watch *watch, uint64_t sequence, uint64_t number);
/* The end: every message that is there has been seen. */
void watch_check(struct watch *watch, uint64_t last);

#endif
