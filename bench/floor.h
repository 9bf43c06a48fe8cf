/*
 * floor: the least that a server can do and still give the load generator what it checks.
 *
 * It is no server: it knows the load generator's names, keeps no more state than its mode needs,
 * and refuses nothing. It answers "how much of the measured cost is the kernel, the disk and the
 * protocol itself", so that a ratio to it says how much is left to gain.
 *
 * One thread, one epoll loop. A turn reads every ready connection once and hands its frames to the
 * mode; then the mode's `turn` runs; then every connection is flushed. So what a mode makes durable
 * in `turn` is on the disk before the acks, buffered by then, leave.
 */
#ifndef BENCH_FLOOR_H
#define BENCH_FLOOR_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/conn.h"
#include "bench/names.h"
#include "bench/wire.h"

#define FLOOR_SUBS_MAX  64u
#define FLOOR_PEERS_MAX 65536u

struct floor;

struct peer {
    struct conn conn;
    uint32_t index;
    bool open;
};

/* A trailing "*" is cut off and makes the rest a prefix. */
struct floor_sub {
    char subject[128];
    bool prefix;
    uint64_t sid;
    struct peer *peer;
};

struct floor_mode {
    const char *name;
    /* May be NULL. `dir` is the store directory. */
    void (*init)(struct floor *, const char *dir);
    /* NULL: subscriptions are kept in the floor's table. */
    void (*subscribe)(struct floor *, struct peer *, const struct frame *);
    void (*publish)(struct floor *, struct peer *, const struct frame *);
    /* May be NULL. True: there is more to send, so call again as soon as there is room. */
    bool (*turn)(struct floor *);
};

struct floor {
    const struct floor_mode *mode;
    void *state; /* the mode's own */
    struct peer **peers;
    uint32_t peer_count;
    struct floor_sub subs[FLOOR_SUBS_MAX];
    uint32_t sub_count;
    bool restless; /* more to send, and room: the next turn waits for nothing */
    int epoll;
    int listener;
};

/* Ends the program. */
[[gnu::noreturn, gnu::format(printf, 1, 2)]] void floor_die(const char *format, ...);

/* Room in the peer's output, or the end of the program: the load generator's windows are smaller.
 */
char *peer_reserve(struct peer *, size_t size);

/* One MSG to one connection. */
void floor_send(struct peer *, struct span subject, uint64_t sid, struct span reply,
                struct span payload);

/* One MSG to each subscription that matches. */
void floor_route(struct floor *, struct span subject, struct span reply, struct span payload);

extern const struct floor_mode floor_core;    /* pub, fan-out, request and reply, idle */
extern const struct floor_mode floor_subs;    /* subscriptions by the number in their name */
extern const struct floor_mode floor_publish; /* JetStream publish: durable, then acknowledged */
extern const struct floor_mode floor_read;    /* replay, pull, direct get */

#endif
