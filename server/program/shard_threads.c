#include "server/program/shard_threads.h"

#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/heap.h"
#include "server/program/real_io.h"
#include "server/server.h"

#define TURN_WAIT_NS INT64_C(1000000000)

struct shard_thread {
    struct server_shard *shard;
    pthread_t thread;
    sem_t begun; /* opened, or could not be */
    bool opened;
};

static void turn_until_end(struct shard_thread *thread, struct io *io)
{
    const struct logger *logger = server_logger(thread->shard->server);

    while (server_shard_rest(thread->shard)) {
        if (io_turn(io, TURN_WAIT_NS) == OK)
            continue;
        logger_fatal(logger, "The event loop of shard %u failed", thread->shard->number);
        abort(); /* its clients cannot be told, and the others would wait for it */
    }
}

static void *run(void *of)
{
    struct shard_thread *thread = of;
    struct server *server = thread->shard->server;
    struct io *io;

    thread->opened = program_open_shard_io(server_options(server), server_logger(server), &io);
    if (thread->opened)
        server_shard_open(thread->shard, io);
    (void)sem_post(&thread->begun);
    if (!thread->opened)
        return NULL;
    turn_until_end(thread, io);
    io_stop(io);
    server_shard_close(thread->shard);
    io_destroy(io);
    return NULL;
}

/* As tools show it. */
static void name_thread(const struct shard_thread *thread)
{
    char name[16];

    snprintf(name, sizeof(name), "shard %u", thread->shard->number);
    (void)pthread_setname_np(thread->thread, name);
}

/* Signals are the main thread's, but for those of what a thread does itself: blocked they end the
 * process, and an error of the disk below a mapping is one (base/guard.h). */
static bool start(struct shard_thread *thread)
{
    sigset_t all, before;
    int error;

    sigfillset(&all);
    sigdelset(&all, SIGBUS);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&thread->thread, NULL, run, thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0)
        logger_error(server_logger(thread->shard->server), "Can't start a thread for shard %u: %s",
                     thread->shard->number, strerror(error));
    else
        name_thread(thread);
    return error == 0;
}

static void begin_end(struct shard_thread *thread)
{
    (void)sem_destroy(&thread->begun);
    heap_give(thread);
}

static bool begin(struct server_shard *shard)
{
    struct shard_thread *thread = HEAP_NEW(struct shard_thread);

    thread->shard = shard;
    (void)sem_init(&thread->begun, 0, 0);
    if (!start(thread)) {
        begin_end(thread);
        return false;
    }
    while (sem_wait(&thread->begun) != 0)
        ; /* a signal came */
    if (!thread->opened) {
        pthread_join(thread->thread, NULL);
        begin_end(thread);
        return false;
    }
    shard->host = thread;
    return true;
}

static int64_t worked_ns(const struct shard_host *host)
{
    struct timespec now;

    (void)host;
    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now) != 0)
        return 0;
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

#define FEIGNED_NS INT64_C(4000000000) /* busy, and as long idle */

static int64_t feigned_ns(const struct shard_host *host)
{
    struct timespec now;
    int64_t ns, within;

    (void)host;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    ns = now.tv_sec * INT64_C(1000000000) + now.tv_nsec + gettid() % 4 * (FEIGNED_NS / 2);
    within = ns % (2 * FEIGNED_NS);
    return (ns - within) / 2 + (within < FEIGNED_NS ? within : FEIGNED_NS);
}

static void end(struct server_shard *shard)
{
    struct shard_thread *thread = shard->host;

    pthread_join(thread->thread, NULL);
    begin_end(thread);
}

const struct shard_host shard_threads = {.begin = begin, .end = end, .worked_ns = worked_ns};
const struct shard_host shard_threads_feigned = {
    .begin = begin, .end = end, .worked_ns = feigned_ns, .stir_ns = 50000000};
const struct shard_host shard_threads_storm = {
    .begin = begin, .end = end, .worked_ns = feigned_ns, .stir_ns = 1000000};
