#include "base/io_epoll_parts.h"

#include <errno.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "base/heap.h"

#define EVENTS_MAX 256
#define SECOND_NS  INT64_C(1000000000)
#define MILLI_NS   INT64_C(1000000)

/* ---- events --------------------------------------------------------------------------------- */

int epoll_register(struct epoll *e, int fd, void *object, enum tag tag)
{
    const uint32_t both = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    struct epoll_event event = {
        .events = tag == TAG_LISTENER ? (uint32_t)EPOLLIN : both,
        .data.u64 = (uintptr_t)object | tag,
    };

    assert(((uintptr_t)object & TAG_MASK) == 0);
    return epoll_ctl(e->fd, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : -errno;
}

/* The eventfd is never read: edge-triggered, each write to it is an event of its own. */
static void dispatch(const struct epoll_event *event)
{
    void *object = (void *)(uintptr_t)(event->data.u64 & ~(uint64_t)TAG_MASK);

    switch ((enum tag)(event->data.u64 & TAG_MASK)) {
    case TAG_SOCK:
        if (object != NULL)
            epoll_sock_event(object, event->events);
        break;
    case TAG_LISTENER: epoll_listener_event(object); break;
    }
}

/* ---- the turn ------------------------------------------------------------------------------- */

/* Something that no event will announce. */
static bool has_news(const struct epoll *e)
{
    return e->sockets.ready != NULL || workers_finished(&e->workers) ||
           workers_finished(&e->file_workers) || waker_asked(&e->waker);
}

/* Rounded up: a timer fires late, never early. */
static int wait_coarse(const struct epoll *e, struct epoll_event *events, int64_t wait_ns)
{
    int64_t wait_ms = wait_ns / MILLI_NS + (wait_ns % MILLI_NS > 0);

    return epoll_wait(e->fd, events, EVENTS_MAX, wait_ms < 60000 ? (int)wait_ms : 60000);
}

/* Old kernels do not know epoll_pwait2, and old lists of permitted calls do not have it. */
static int wait_for(struct epoll *e, struct epoll_event *events, int64_t wait_ns)
{
    struct timespec ts = {wait_ns / SECOND_NS, wait_ns % SECOND_NS};
    int count;

    if (wait_ns == 0 || e->coarse)
        return wait_coarse(e, events, wait_ns);
    count = epoll_pwait2(e->fd, events, EVENTS_MAX, &ts, NULL);
    if (count >= 0 || (errno != ENOSYS && errno != EPERM))
        return count;
    e->coarse = true;
    return wait_coarse(e, events, wait_ns);
}

static int wait_for_events(struct epoll *e, struct epoll_event *events, int64_t wait_ns)
{
    int count;

    wait_ns = has_news(e) ? 0 : io_posix_sleep_time(&e->posix.io, wait_ns);
    if (wait_ns == 0)
        return wait_for(e, events, 0);

    waker_sleep(&e->waker);
    /* Who posted before waker_sleep is seen here, who posts after it writes to the eventfd. */
    count = wait_for(e, events, has_news(e) ? 0 : wait_ns);
    waker_awake(&e->waker);
    return count;
}

static enum err epoll_turn(struct io *io, int64_t wait_ns)
{
    struct epoll *e = (struct epoll *)io;
    struct epoll_event events[EVENTS_MAX];
    int count = wait_for_events(e, events, wait_ns);

    if (count < 0 && errno != EINTR)
        return err_of_errno(errno);
    io_posix_clock_refresh(io);
    io->enough = false;
    for (int i = 0; i < count; i++)
        dispatch(&events[i]);
    epoll_socks_ready(e);
    timers_run(&io->timers, io->now_ns);
    workers_collect(&e->file_workers);
    workers_collect(&e->workers);
    if (waker_take(&e->waker))
        io_run_woken(io);
    io_run_flush(io);
    epoll_listeners_bury(e);
    return OK;
}

static void epoll_work(struct io *io, struct io_work *work)
{
    workers_add(&((struct epoll *)io)->workers, work);
}

/* The operations on files run there, too, with memory that is lent. */
static void epoll_stop(struct io *io)
{
    struct epoll *e = (struct epoll *)io;

    workers_stop(&e->workers);
    workers_stop(&e->file_workers);
}

static void epoll_wake(struct io *io)
{
    waker_ask(&((struct epoll *)io)->waker);
}

/* ---- the end -------------------------------------------------------------------------------- */

static void epoll_destroy(struct io *io)
{
    struct epoll *e = (struct epoll *)io;

    workers_deinit(&e->workers);
    workers_deinit(&e->file_workers);
    epoll_jobs_destroy(e);
    epoll_socks_destroy(e);
    epoll_listeners_destroy(e);
    connects_deinit(&e->connects);
    close(e->fd);
    waker_deinit(&e->waker);
    io_posix_deinit(&e->posix);
    io_deinit(io);
    heap_give(e->buffer);
    heap_give(e);
}

/* ---- the beginning -------------------------------------------------------------------------- */

static const struct io_calls epoll_calls = {
    IO_POSIX_CALLS,
    IO_SOCKET_CALLS,
    .turn = epoll_turn,
    .destroy = epoll_destroy,
    .submit = epoll_submit,
    .work = epoll_work,
    .stop = epoll_stop,
    .wake = epoll_wake,
    .listen = epoll_listen,
    .listener_close = epoll_listener_close,
    .connect = epoll_connect,
    .sock_release = epoll_sock_release,
    .sock_adopt = epoll_sock_adopt,
    .sock_part = epoll_sock_part,
    .sock_start = epoll_sock_start,
    .sock_send = epoll_sock_send,
    .sock_pause = epoll_sock_pause,
    .sock_resume = epoll_sock_resume,
    .sock_close = epoll_sock_close,
};

static unsigned or_default(unsigned value, unsigned otherwise)
{
    return value > 0 ? value : otherwise;
}

static struct io_epoll_options options_filled(const struct io_epoll_options *options)
{
    struct io_epoll_options filled = options != NULL ? *options : (struct io_epoll_options){0};

    filled.buffer_size = or_default(filled.buffer_size, 64u << 10);
    filled.workers = or_default(filled.workers, 2);
    filled.file_workers = or_default(filled.file_workers, 4);
    return filled;
}

static enum err open_descriptors(struct epoll *e, const struct io_epoll_options *options)
{
    enum err err;

    e->fd = epoll_create1(EPOLL_CLOEXEC);
    if (e->fd < 0) {
        err = err_of_errno(errno);
        io_posix_reason(options->reason, "no epoll", errno);
        return err;
    }
    if (!waker_init(&e->waker)) {
        err = err_of_errno(errno);
        io_posix_reason(options->reason, "no eventfd", errno);
        close(e->fd);
        return err;
    }
    if (epoll_register(e, e->waker.fd, NULL, TAG_SOCK) != 0) {
        io_posix_reason(options->reason, "epoll takes no descriptor", 0);
        waker_deinit(&e->waker);
        close(e->fd);
        return ERR_NO_MEMORY;
    }
    return OK;
}

enum err io_epoll_create(const char *root, const struct io_epoll_options *options, struct io **io)
{
    struct io_epoll_options filled = options_filled(options);
    struct epoll *e = HEAP_NEW(struct epoll);
    enum err err;

    io_init(&e->posix.io, &epoll_calls);
    err = io_posix_init(&e->posix, root);
    if (err != OK) {
        io_posix_reason(filled.reason, "the data directory cannot be opened", 0);
        goto no_root;
    }
    err = open_descriptors(e, &filled);
    if (err != OK)
        goto no_descriptors;
    e->buffer_size = filled.buffer_size;
    e->buffer = heap_take(filled.buffer_size);
    workers_init(&e->workers, &e->posix.io, &e->waker, filled.workers);
    workers_init(&e->file_workers, &e->posix.io, &e->waker, filled.file_workers);
    epoll_socks_init(e);
    epoll_connects_init(e);
    io_posix_clock_refresh(&e->posix.io);
    *io = &e->posix.io;
    return OK;

no_descriptors:
    io_posix_deinit(&e->posix);
no_root:
    io_deinit(&e->posix.io);
    heap_give(e);
    return err;
}
