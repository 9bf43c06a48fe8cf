/*
 * workers: a few threads that run io_work and hand it back to their loop through a waker. Threads
 * start when work comes and none is free, so an idle server has none.
 */
#ifndef BASE_WORKERS_H
#define BASE_WORKERS_H

#include <pthread.h>

#include "base/io.h"
#include "base/waker.h"

#define WORKERS_MAX 16u

struct workers {
    struct io *io; /* handed to `run` */
    struct waker *waker;
    unsigned threads_max;

    pthread_mutex_t lock; /* over the rest, but `finished` */
    pthread_cond_t more;
    struct io_work *first;
    struct io_work *last;
    unsigned waiting; /* works not begun */
    unsigned threads;
    unsigned idle; /* threads that wait, the just signalled ones included */
    bool stopping;
    pthread_t thread[WORKERS_MAX];

    _Atomic(struct io_work *) finished; /* pushed by workers, taken whole by the loop */
};

void workers_init(struct workers *workers, struct io *io, struct waker *waker,
                  unsigned threads_max);
/* Waits for work that is running; what has not begun, or is added later, is forgotten. */
void workers_stop(struct workers *workers);
/* The same first. No `done` is called. */
void workers_deinit(struct workers *workers);

void workers_add(struct workers *workers, struct io_work *work);
/* Calls `done` of all that has finished. */
void workers_collect(struct workers *workers);
bool workers_finished(const struct workers *workers); /* workers_collect has something to do */

#endif
