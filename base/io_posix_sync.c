/*
 * Many syncs at once. Each waits in a thread of its own: a file system joins those that wait for it
 * at the same time into one commit, and a disk their flushes into one, which one after the other
 * they never are. The threads live only as long as the call: it is for starts.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "base/io_posix.h"

#define THREADS_MAX 64u
#define STACK_BYTES (256u << 10)

struct crew {
    struct io *io;
    struct io_syncing *items;
    size_t count;
    _Atomic size_t next;
};

static void *sync_some(void *context)
{
    struct crew *crew = context;
    size_t at;

    while ((at = atomic_fetch_add(&crew->next, 1)) < crew->count) {
        struct io_syncing *item = &crew->items[at];

        item->err = item->file != NULL ? io_posix_sync(crew->io, item->file)
                                       : io_posix_sync_dir(crew->io, item->path);
    }
    return NULL;
}

/* They take no signals: those are for the main thread. How many there are. */
static unsigned hire(struct crew *crew, pthread_t threads[THREADS_MAX])
{
    unsigned started = 0;
    pthread_attr_t attr;
    sigset_t all, old;

    if (crew->count < 2 || pthread_attr_init(&attr) != 0)
        return 0;
    (void)pthread_attr_setstacksize(&attr, STACK_BYTES); /* else the default does */
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &old);
    while (started < THREADS_MAX && started + 1 < crew->count &&
           pthread_create(&threads[started], &attr, sync_some, crew) == 0)
        started++;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    return started;
}

void io_posix_sync_all(struct io *io, struct io_syncing *items, size_t count)
{
    struct crew crew = {.io = io, .items = items, .count = count};
    pthread_t threads[THREADS_MAX];
    unsigned started = hire(&crew, threads);

    sync_some(&crew); /* all of it, if there are no threads to be had */
    for (unsigned i = 0; i < started; i++)
        (void)pthread_join(threads[i], NULL);
}
