#include "base/workers.h"

#include <signal.h>

#define STACK_SIZE (512u << 10)

static void finish(struct workers *workers, struct io_work *work)
{
    struct io_work *head = atomic_load(&workers->finished);

    do
        work->next = head;
    while (!atomic_compare_exchange_weak(&workers->finished, &head, work));
    waker_post(workers->waker);
}

/* Called with the lock held; NULL when stopping. */
static struct io_work *wait_for_work(struct workers *workers)
{
    struct io_work *work;

    while (workers->first == NULL && !workers->stopping) {
        workers->idle++;
        pthread_cond_wait(&workers->more, &workers->lock);
        workers->idle--;
    }
    if (workers->stopping)
        return NULL;
    work = workers->first;
    workers->first = work->next;
    if (workers->first == NULL)
        workers->last = NULL;
    workers->waiting--;
    return work;
}

static void *worker_main(void *context)
{
    struct workers *workers = context;
    struct io_work *work;

    pthread_mutex_lock(&workers->lock);
    while ((work = wait_for_work(workers)) != NULL) {
        pthread_mutex_unlock(&workers->lock);
        work->run(work, workers->io);
        finish(workers, work);
        pthread_mutex_lock(&workers->lock);
    }
    pthread_mutex_unlock(&workers->lock);
    return NULL;
}

/* Called with the lock held. Workers take no signals: those are for the main thread, but for what a
 * read of a mapping causes itself (base/guard.h), which would end the process if it were blocked.
 */
static void start_thread(struct workers *workers)
{
    pthread_attr_t attr;
    sigset_t all, old;
    int error;

    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_SIZE);
    sigfillset(&all);
    sigdelset(&all, SIGBUS);
    pthread_sigmask(SIG_BLOCK, &all, &old);
    error = pthread_create(&workers->thread[workers->threads], &attr, worker_main, workers);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    if (error == 0) /* by its own name, not that of the thread that needs it */
        (void)pthread_setname_np(workers->thread[workers->threads++], "worker");
    assert(workers->threads > 0); /* without any, the work would never end */
}

void workers_init(struct workers *workers, struct io *io, struct waker *waker, unsigned threads_max)
{
    assert(threads_max > 0);
    assert(threads_max <= WORKERS_MAX);

    memset(workers, 0, sizeof(*workers));
    workers->io = io;
    workers->waker = waker;
    workers->threads_max = threads_max;
    pthread_mutex_init(&workers->lock, NULL);
    pthread_cond_init(&workers->more, NULL);
    atomic_init(&workers->finished, NULL);
}

void workers_stop(struct workers *workers)
{
    pthread_mutex_lock(&workers->lock);
    workers->stopping = true;
    pthread_cond_broadcast(&workers->more);
    pthread_mutex_unlock(&workers->lock);
    for (unsigned i = 0; i < workers->threads; i++)
        pthread_join(workers->thread[i], NULL);
    workers->threads = 0;
}

void workers_deinit(struct workers *workers)
{
    workers_stop(workers);
    pthread_cond_destroy(&workers->more);
    pthread_mutex_destroy(&workers->lock);
}

void workers_add(struct workers *workers, struct io_work *work)
{
    if (workers->stopping) /* told by the loop, which adds, too */
        return;
    work->next = NULL;
    pthread_mutex_lock(&workers->lock);
    if (workers->last != NULL)
        workers->last->next = work;
    else
        workers->first = work;
    workers->last = work;
    workers->waiting++;
    if (workers->waiting > workers->idle && workers->threads < workers->threads_max)
        start_thread(workers);
    pthread_cond_signal(&workers->more);
    pthread_mutex_unlock(&workers->lock);
}

void workers_collect(struct workers *workers)
{
    struct io_work *work, *next;

    if (!workers_finished(workers))
        return;
    for (work = atomic_exchange(&workers->finished, NULL); work != NULL; work = next) {
        next = work->next; /* `done` may free the work */
        work->done(work);
    }
}

bool workers_finished(const struct workers *workers)
{
    return atomic_load(&workers->finished) != NULL;
}
