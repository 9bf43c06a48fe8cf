#include "base/io_uring_parts.h"

#include <errno.h>
#include <time.h>

#include "base/heap.h"

/* ---- requests ------------------------------------------------------------------------------- */

/* The submission queue is full: hand it over now. Completions wait for the next turn. */
static struct io_uring_sqe *sqe_after_submit(struct uring *u)
{
    struct io_uring_sqe *sqe;

    for (int tries = 0; tries < 1000; tries++) {
        (void)io_uring_submit(&u->ring); /* if it took none, there is still no entry: try again */
        sqe = io_uring_get_sqe(&u->ring);
        if (sqe != NULL)
            return sqe;
    }
    assert(!"the kernel takes no requests"); /* out of memory: as for the heap, stop */
    return NULL;
}

struct io_uring_sqe *uring_sqe(struct uring *u, void *object, enum tag tag)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);

    assert(((uintptr_t)object & TAG_MASK) == 0);
    if (sqe == NULL)
        sqe = sqe_after_submit(u);
    /* liburing 2.3 leaves user_data alone when it fills in a request. */
    io_uring_sqe_set_data64(sqe, (uintptr_t)object | tag);
    u->owed++;
    return sqe;
}

static void wake_arm(struct uring *u)
{
    struct io_uring_sqe *sqe = uring_sqe(u, NULL, TAG_WAKE);

    io_uring_prep_read(sqe, u->waker.fd, &u->wake_count, sizeof(u->wake_count), 0);
}

/* ---- completions ---------------------------------------------------------------------------- */

static void complete(struct uring *u, uint64_t data, int result, unsigned flags)
{
    void *object = (void *)(uintptr_t)(data & ~(uint64_t)TAG_MASK);

    if ((flags & IORING_CQE_F_MORE) == 0) {
        assert(u->owed > 0);
        u->owed--;
    }
    switch ((enum tag)(data & TAG_MASK)) {
    case TAG_OP: uring_op_completed(u, object, result); break;
    case TAG_RECV: uring_recv_completed(u, object, result, flags); break;
    case TAG_SEND: uring_send_completed(u, object, result); break;
    case TAG_CANCEL: uring_cancel_completed(u, object, result); break;
    case TAG_ACCEPT: uring_accept_completed(u, object, result, flags); break;
    case TAG_WAKE:
        if (!u->stopped)
            wake_arm(u);
        break;
    case TAG_CONNECT: uring_connect_completed(u, object, result); break;
    case TAG_NONE: break;
    }
}

/* Only what is there at the start: a turn ends although its own requests complete meanwhile. */
static void complete_all(struct uring *u)
{
    unsigned count = io_uring_cq_ready(&u->ring);
    struct io_uring_cqe *cqe, copy;

    uring_buffers_turn(u);
    u->posix.io.enough = false;
    for (; count > 0 && !u->posix.io.enough; count--) {
        if (io_uring_peek_cqe(&u->ring, &cqe) != 0)
            return;
        copy = *cqe;
        io_uring_cqe_seen(&u->ring, cqe);
        complete(u, copy.user_data, copy.res, copy.flags);
    }
}

/* ---- the turn ------------------------------------------------------------------------------- */

static bool interrupted(int result)
{
    return result == -EINTR || result == -ETIME || result == -EAGAIN || result == -EBUSY;
}

/* Something that no completion will announce. */
static bool has_news(const struct uring *u)
{
    return u->sockets.ready != NULL || workers_finished(&u->workers) || waker_asked(&u->waker);
}

static int submit_and_sleep(struct uring *u, int64_t wait_ns)
{
    struct __kernel_timespec ts = {wait_ns / 1000000000, wait_ns % 1000000000};
    struct io_uring_cqe *cqe;

    return io_uring_submit_and_wait_timeout(&u->ring, &cqe, 1, &ts, NULL);
}

static int submit_and_wait(struct uring *u, int64_t wait_ns)
{
    int result;

    wait_ns = has_news(u) ? 0 : io_posix_sleep_time(&u->posix.io, wait_ns);
    if (wait_ns == 0)
        return io_uring_submit_and_get_events(&u->ring);

    waker_sleep(&u->waker);
    /* Who posted before waker_sleep is seen here, who posts after it writes to the eventfd. */
    result = has_news(u) ? io_uring_submit_and_get_events(&u->ring) : submit_and_sleep(u, wait_ns);
    waker_awake(&u->waker);
    return result;
}

static enum err uring_turn(struct io *io, int64_t wait_ns)
{
    struct uring *u = (struct uring *)io;
    int result = submit_and_wait(u, wait_ns);

    if (result < 0 && !interrupted(result))
        return err_of_errno(-result);
    io_posix_clock_refresh(io);
    complete_all(u);
    uring_socks_ready(u);
    timers_run(&io->timers, io->now_ns);
    workers_collect(&u->workers);
    if (waker_take(&u->waker))
        io_run_woken(io);
    io_run_flush(io);
    return OK;
}

static void uring_work(struct io *io, struct io_work *work)
{
    workers_add(&((struct uring *)io)->workers, work);
}

static void uring_wake(struct io *io)
{
    waker_ask(&((struct uring *)io)->waker);
}

/* ---- the end -------------------------------------------------------------------------------- */

/* After this the kernel uses no memory of ours. A write that has reached the disk is waited for. */
static void cancel_all(struct uring *u)
{
    struct io_uring_sqe *sqe = uring_sqe(u, NULL, TAG_NONE);

    io_uring_prep_cancel64(sqe, 0, IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL);
    while (u->owed > 0) {
        int result = submit_and_sleep(u, 1000000000);

        assert(result >= 0 || interrupted(result));
        complete_all(u);
    }
}

static void uring_stop(struct io *io)
{
    struct uring *u = (struct uring *)io;

    u->stopped = true;
    workers_stop(&u->workers);
    cancel_all(u);
}

static void uring_destroy(struct io *io)
{
    struct uring *u = (struct uring *)io;

    uring_stop(io); /* again: closing what had been stopped may have begun something */
    workers_deinit(&u->workers);
    uring_socks_destroy(u);
    uring_listeners_destroy(u);
    connects_deinit(&u->connects);
    uring_teardown(u);
    waker_deinit(&u->waker);
    io_posix_deinit(&u->posix);
    io_deinit(io);
    heap_give(u);
}

/* ---- the beginning -------------------------------------------------------------------------- */

static const struct io_calls uring_calls = {
    IO_POSIX_CALLS,
    IO_SOCKET_CALLS,
    .turn = uring_turn,
    .destroy = uring_destroy,
    .submit = uring_submit,
    .work = uring_work,
    .stop = uring_stop,
    .wake = uring_wake,
    .listen = uring_listen,
    .listener_close = uring_listener_close,
    .connect = uring_connect,
    .sock_release = uring_sock_release,
    .sock_adopt = uring_sock_adopt,
    .sock_part = uring_sock_part,
    .sock_start = uring_sock_start,
    .sock_send = uring_sock_send,
    .sock_pause = uring_sock_pause,
    .sock_resume = uring_sock_resume,
    .sock_close = uring_sock_close,
};

static unsigned or_default(unsigned value, unsigned otherwise)
{
    return value > 0 ? value : otherwise;
}

static struct io_uring_options options_filled(const struct io_uring_options *options)
{
    struct io_uring_options filled = options != NULL ? *options : (struct io_uring_options){0};

    filled.entries = or_default(filled.entries, 256);
    filled.buffers = or_default(filled.buffers, 64);
    filled.buffer_size = or_default(filled.buffer_size, 128u << 10);
    filled.workers = or_default(filled.workers, 2);
    return filled;
}

enum err io_uring_create(const char *root, const struct io_uring_options *options, struct io **io)
{
    struct io_uring_options filled = options_filled(options);
    struct uring *u = HEAP_NEW(struct uring);
    enum err err;

    io_init(&u->posix.io, &uring_calls);
    err = io_posix_init(&u->posix, root);
    if (err != OK) {
        io_posix_reason(filled.reason, "the data directory cannot be opened", 0);
        goto no_root;
    }
    err = uring_setup(u, &filled);
    if (err != OK)
        goto no_ring;
    if (!waker_init(&u->waker)) {
        err = err_of_errno(errno);
        io_posix_reason(filled.reason, "no eventfd", errno);
        goto no_waker;
    }
    workers_init(&u->workers, &u->posix.io, &u->waker, filled.workers);
    uring_socks_init(u);
    uring_connects_init(u);
    wake_arm(u);
    io_posix_clock_refresh(&u->posix.io);
    *io = &u->posix.io;
    return OK;

no_waker:
    uring_teardown(u);
no_ring:
    io_posix_deinit(&u->posix);
no_root:
    io_deinit(&u->posix.io);
    heap_give(u);
    return err;
}
