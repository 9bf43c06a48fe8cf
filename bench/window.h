/*
 * window: requests with answers, at most so many in flight; publishes with acks are requests too.
 *
 * Request number n (from 0) asks for its answer at INBOX n, as clients do, so answers may come in
 * any order. With more than one in flight, new requests are sent when an eighth of the window is
 * free: one system call then carries many, and the server, not the load generator, is the slow
 * part. A request's time begins when it is put into the buffer of the coming write.
 */
#ifndef BENCH_WINDOW_H
#define BENCH_WINDOW_H

#include "bench/load.h"

struct window;

/* Writes the whole PUB of request `number` at `at`; there are WINDOW_REQUEST_MAX bytes. */
typedef char *window_request_fn(const struct window *, uint64_t number, char *at);
/* Judges an answer; load_error if it is wrong. */
typedef void window_answer_fn(struct window *, uint64_t number, const struct frame *);

#define WINDOW_MAX         65536u
#define WINDOW_REQUEST_MAX (PAYLOAD_SIZE_MAX + 512u)

/* Set up by designated initializer: the first group; the rest belongs to window.c. */
struct window {
    struct client *client;
    window_request_fn *request;
    window_answer_fn *answer;
    void *context;
    uint64_t limit; /* in flight */
    uint64_t total; /* requests in all */
    bool measured;  /* fill the result's latency, end with the phase */

    uint64_t sent;
    uint64_t answered;
    uint64_t sent_ns[2 * WINDOW_MAX]; /* by number; 0: not in flight */
};

/* Runs until all is sent and answered. The client's messages must be handed to window_message and
 * its context be the window. */
void window_run(struct window *);
void window_message(struct client *, const struct frame *);

#endif
