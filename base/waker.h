/*
 * waker: how other threads get the attention of a loop. A post is one load while the loop is awake,
 * and one write to an eventfd for each time it goes to sleep.
 *
 * The promise rests on an order that both sides keep: the poster publishes its news, then looks
 * whether the loop sleeps; the loop says that it sleeps, then looks for news. All four are
 * sequentially consistent, so at least one of the two sees the other.
 */
#ifndef BASE_WAKER_H
#define BASE_WAKER_H

#include <stdatomic.h>
#include <stdbool.h>

struct waker {
    int fd; /* the loop has a read on it whenever it sleeps */
    atomic_bool sleeping;
    atomic_bool asked; /* by waker_ask, until the loop takes it */
};

/* False (and errno) when the system has no descriptor left. */
bool waker_init(struct waker *waker);
void waker_deinit(struct waker *waker); /* no thread may post any more */

/* From any thread, after publishing something that waker_sleep's caller looks at. */
void waker_post(struct waker *waker);
/* From any thread: the loop's next waker_take returns true. */
void waker_ask(struct waker *waker);

/* The loop is about to sleep. What it looks at after this call is not missed. */
void waker_sleep(struct waker *waker);
void waker_awake(struct waker *waker);
bool waker_take(struct waker *waker);
bool waker_asked(const struct waker *waker);

#endif
