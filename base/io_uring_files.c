#include "base/io_uring_parts.h"

#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>

static unsigned transfer_size(const struct io_op *op)
{
    return op->size < IO_POSIX_TRANSFER_MAX ? (unsigned)op->size : IO_POSIX_TRANSFER_MAX;
}

static void prepare(struct io_uring_sqe *sqe, const struct io_op *op)
{
    int fd = io_posix_fd(op->file);

    switch ((enum io_op_kind)op->kind) {
    case IO_OP_WRITE: io_uring_prep_write(sqe, fd, op->at, transfer_size(op), op->offset); break;
    case IO_OP_WRITE_DURABLE:
        io_uring_prep_write(sqe, fd, op->at, transfer_size(op), op->offset);
        if (op->file->direct)
            sqe->rw_flags = RWF_DSYNC;
        break;
    case IO_OP_FSYNC: io_uring_prep_fsync(sqe, fd, IORING_FSYNC_DATASYNC); break;
    case IO_OP_READ: io_uring_prep_read(sqe, fd, op->at, transfer_size(op), op->offset); break;
    case IO_OP_FALLOCATE:
        io_uring_prep_fallocate(sqe, fd, 0, (off_t)op->offset, (off_t)op->size);
        break;
    }
}

void uring_submit(struct io *io, struct io_op *op)
{
    struct uring *u = (struct uring *)io;

    if (!u->stopped)
        prepare(uring_sqe(u, op, TAG_OP), op);
}

static bool try_again(int result)
{
    return result == -EINTR || result == -EAGAIN;
}

/* The second half of a durable write where the file system has no direct I/O. */
static bool sync_follows(struct uring *u, struct io_op *op, int result)
{
    struct io_uring_sqe *sqe;

    if (op->kind != IO_OP_WRITE_DURABLE || op->file->direct || op->result > 0 || result <= 0)
        return false;
    op->result = result;
    sqe = uring_sqe(u, op, TAG_OP);
    io_uring_prep_fsync(sqe, io_posix_fd(op->file), IORING_FSYNC_DATASYNC);
    return true;
}

void uring_op_completed(struct uring *u, struct io_op *op, int result)
{
    if (u->stopped)
        return;
    if (try_again(result)) {
        op->result = 0; /* a durable write whose sync was interrupted writes again: harmless */
        uring_submit(&u->posix.io, op);
        return;
    }
    if (result == -EOPNOTSUPP && op->kind == IO_OP_FALLOCATE)
        result = (int)io_posix_fallocated(&u->posix.io, op);
    if (op->kind == IO_OP_WRITE || op->kind == IO_OP_WRITE_DURABLE)
        result = (int)io_posix_written(op, result);
    if (sync_follows(u, op, result))
        return;
    io_op_finish(op, result >= 0 && op->result > 0 ? op->result : result);
}
