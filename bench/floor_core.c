/*
 * Floor modes without JetStream.
 *
 * core: every publish goes to the matching subscriptions, of which there are at most a handful;
 * with none, publishing is reading frames and nothing else.
 *
 * subs: the load generator names subscription n of connection c "bench.subs.c.n" and gives it n as
 * its id, so nothing needs to be kept but who connection c is.
 */
#include <stdlib.h>
#include <string.h>

#include "bench/floor.h"

static void core_publish(struct floor *floor, struct peer *peer, const struct frame *frame)
{
    (void)peer;
    floor_route(floor, frame->subject, frame->reply, frame->payload);
}

const struct floor_mode floor_core = {.name = "core", .publish = core_publish};

#define SUBS_PEERS_MAX 4096u

static void subs_init(struct floor *floor, const char *dir)
{
    (void)dir;
    floor->state = calloc(SUBS_PEERS_MAX, sizeof(struct peer *));
    if (!floor->state)
        floor_die("no memory");
}

/* The numbers of "bench.subs.c.n". */
static void subs_numbers(struct span subject, uint64_t *connection, uint64_t *number)
{
    struct span rest;
    const char *dot;

    if (!span_starts(subject, SUBJECT_SUBS))
        floor_die("subject %.*s", (int)subject.size, subject.at);
    rest = span_skip(subject, sizeof SUBJECT_SUBS - 1);
    dot = memchr(rest.at, '.', rest.size);
    if (!dot || !span_u64((struct span){rest.at, (size_t)(dot - rest.at)}, connection) ||
        !span_u64(span_skip(rest, (size_t)(dot + 1 - rest.at)), number) ||
        *connection >= SUBS_PEERS_MAX)
        floor_die("subject %.*s", (int)subject.size, subject.at);
}

static void subs_subscribe(struct floor *floor, struct peer *peer, const struct frame *frame)
{
    struct peer **peers = floor->state;
    uint64_t connection;
    uint64_t number;

    subs_numbers(frame->subject, &connection, &number);
    peers[connection] = peer;
}

static void subs_publish(struct floor *floor, struct peer *peer, const struct frame *frame)
{
    struct peer **peers = floor->state;
    uint64_t connection;
    uint64_t number;

    (void)peer;
    subs_numbers(frame->subject, &connection, &number);
    if (peers[connection])
        floor_send(peers[connection], frame->subject, number, frame->reply, frame->payload);
}

const struct floor_mode floor_subs = {
    .name = "subs",
    .init = subs_init,
    .subscribe = subs_subscribe,
    .publish = subs_publish,
};
