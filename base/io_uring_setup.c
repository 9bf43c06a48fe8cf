/* Opening the ring: what is asked of the kernel, and the tests of it. */
#include "base/io_uring_parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define COMPLETIONS_PER_ENTRY 16u

static const struct {
    int opcode;
    const char *name;
} opcodes_needed[] = {
    {IORING_OP_READ, "read"},           {IORING_OP_WRITE, "write"},
    {IORING_OP_WRITEV, "writev"},       {IORING_OP_FSYNC, "fsync"},
    {IORING_OP_FALLOCATE, "fallocate"}, {IORING_OP_ACCEPT, "accept"},
    {IORING_OP_RECV, "recv"},           {IORING_OP_SEND, "send"},
    {IORING_OP_SENDMSG, "sendmsg"},     {IORING_OP_ASYNC_CANCEL, "async cancel"},
};

/* ---- the ring ------------------------------------------------------------------------------- */

static enum err ring_refused(const struct io_uring_options *options, int errnum)
{
    switch (errnum) {
    case EINVAL:
        io_posix_reason(options->reason, "io_uring is older than Linux 6.1", 0);
        return ERR_UNSUPPORTED;
    case ENOSYS:
        io_posix_reason(options->reason, "the kernel has no io_uring", 0);
        return ERR_UNSUPPORTED;
    case EPERM:
    case EACCES:
        io_posix_reason(options->reason,
                        "io_uring is forbidden here (kernel.io_uring_disabled or seccomp)", 0);
        return ERR_UNSUPPORTED;
    default:
        io_posix_reason(options->reason, "io_uring cannot be set up", errnum);
        return errnum == ENOMEM ? ERR_NO_MEMORY : ERR_UNSUPPORTED;
    }
}

static enum err ring_open(struct uring *u, const struct io_uring_options *options)
{
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL |
                 IORING_SETUP_CQSIZE,
        .cq_entries = options->entries * COMPLETIONS_PER_ENTRY,
    };
    int result;

    result = io_uring_queue_init_params(options->entries, &u->ring, &params);
    if (result != 0)
        return ring_refused(options, -result);
    (void)io_uring_register_ring_fd(&u->ring); /* only makes entering cheaper */
    return OK;
}

static enum err opcodes_probe(struct uring *u, const struct io_uring_options *options)
{
    struct io_uring_probe *probe = io_uring_get_probe_ring(&u->ring);
    enum err err = OK;
    char text[64];

    if (probe == NULL) {
        io_posix_reason(options->reason, "io_uring cannot be probed", 0);
        return ERR_UNSUPPORTED;
    }
    for (size_t i = 0; i < sizeof(opcodes_needed) / sizeof(opcodes_needed[0]); i++) {
        if (io_uring_opcode_supported(probe, opcodes_needed[i].opcode))
            continue;
        snprintf(text, sizeof(text), "io_uring cannot %s", opcodes_needed[i].name);
        io_posix_reason(options->reason, text, 0);
        err = ERR_UNSUPPORTED;
    }
    io_uring_free_probe(probe);
    return err;
}

/* ---- self-test ------------------------------------------------------------------------------ */

/* The completion that comes within a second, or -ETIME. */
static int next_completion(struct uring *u, unsigned *flags)
{
    struct __kernel_timespec second = {.tv_sec = 1};
    struct io_uring_cqe *cqe;
    int result;

    result = io_uring_submit_and_wait_timeout(&u->ring, &cqe, 1, &second, NULL);
    if (result < 0)
        return result;
    if (io_uring_peek_cqe(&u->ring, &cqe) != 0)
        return -ETIME;
    result = cqe->res;
    *flags = cqe->flags;
    io_uring_cqe_seen(&u->ring, cqe);
    return result;
}

/*
 * One multishot receive into a shared buffer, and its end. This is the youngest thing that we use
 * and old kernels accept the request without understanding it; multishot accept came before it.
 */
static bool receive_works(struct uring *u, int reader, int writer)
{
    const unsigned more = IORING_CQE_F_BUFFER | IORING_CQE_F_MORE;
    struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);
    unsigned flags = 0;

    io_uring_prep_recv_multishot(sqe, reader, NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = URING_BUFFER_GROUP;
    if (write(writer, "x", 1) != 1)
        return false;
    if (next_completion(u, &flags) != 1 || (flags & more) != more)
        return false;
    uring_buffer_return(u, flags >> IORING_CQE_BUFFER_SHIFT, 1);

    shutdown(writer, SHUT_WR);
    return next_completion(u, &flags) == 0 && (flags & IORING_CQE_F_MORE) == 0;
}

static enum err self_test(struct uring *u, const struct io_uring_options *options)
{
    bool works;
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        io_posix_reason(options->reason, "no socket for the self-test", errno);
        return err_of_errno(errno);
    }
    works = receive_works(u, pair[0], pair[1]);
    close(pair[0]);
    close(pair[1]);
    if (works)
        return OK;
    io_posix_reason(options->reason, "io_uring failed its self-test: multishot receive", 0);
    return ERR_UNSUPPORTED;
}

/* ---- all of it ------------------------------------------------------------------------------ */

enum err uring_setup(struct uring *u, const struct io_uring_options *options)
{
    enum err err;

    err = ring_open(u, options);
    if (err != OK)
        return err;
    err = opcodes_probe(u, options);
    if (err == OK)
        err = uring_buffers_open(u, options);
    if (err == OK)
        err = self_test(u, options);
    if (err != OK)
        uring_teardown(u);
    return err;
}

void uring_teardown(struct uring *u)
{
    io_uring_queue_exit(&u->ring);
    uring_buffers_close(u);
}
