/* Operations on files, each by a worker thread that waits for the disk. */
#include "base/io_epoll_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/heap.h"
#include "base/owner.h"

struct file_job {
    struct io_work work;
    struct epoll *epoll;
    struct io_op *op;
    int64_t result;
    struct file_job *next;       /* of all */
    struct file_job *spare_next; /* in the pool */
};

/* ---- on a worker ---------------------------------------------------------------------------- */

static int64_t run_write(const struct io_op *op, int flags)
{
    struct iovec piece = {op->at,
                          op->size < IO_POSIX_TRANSFER_MAX ? op->size : IO_POSIX_TRANSFER_MAX};
    ssize_t count;

    do
        count = pwritev2(io_posix_fd(op->file), &piece, 1, (off_t)op->offset, flags);
    while (count < 0 && errno == EINTR);
    return io_posix_written(op, count < 0 ? -errno : count);
}

static int64_t run_sync(const struct io_op *op)
{
    int result;

    do
        result = fdatasync(io_posix_fd(op->file));
    while (result != 0 && errno == EINTR);
    return result == 0 ? 0 : -errno;
}

static int64_t run_write_durable(const struct io_op *op)
{
    int64_t count, synced;

    if (op->file->direct)
        return run_write(op, RWF_DSYNC);
    count = run_write(op, 0);
    synced = count > 0 ? run_sync(op) : 0;
    return synced < 0 ? synced : count;
}

static int64_t run_read(const struct io_op *op)
{
    size_t size = op->size < IO_POSIX_TRANSFER_MAX ? op->size : IO_POSIX_TRANSFER_MAX;
    ssize_t count;

    do
        count = pread(io_posix_fd(op->file), op->at, size, (off_t)op->offset);
    while (count < 0 && errno == EINTR);
    return count < 0 ? -errno : count;
}

static void job_run(struct io_work *work, struct io *io)
{
    struct file_job *job = owner_of(work, struct file_job, work);
    const struct io_op *op = job->op;

    switch ((enum io_op_kind)op->kind) {
    case IO_OP_WRITE: job->result = run_write(op, 0); break;
    case IO_OP_WRITE_DURABLE: job->result = run_write_durable(op); break;
    case IO_OP_FSYNC: job->result = run_sync(op); break;
    case IO_OP_READ: job->result = run_read(op); break;
    case IO_OP_FALLOCATE: job->result = io_posix_fallocated(io, op); break;
    }
}

/* ---- on the loop ---------------------------------------------------------------------------- */

static void job_done(struct io_work *work)
{
    struct file_job *job = owner_of(work, struct file_job, work);
    struct io_op *op = job->op;

    job->op = NULL;
    job->spare_next = job->epoll->spare_jobs;
    job->epoll->spare_jobs = job;
    io_op_finish(op, job->result);
}

static struct file_job *job_take(struct epoll *e)
{
    struct file_job *job = e->spare_jobs;

    if (job != NULL) {
        e->spare_jobs = job->spare_next;
        return job;
    }
    job = HEAP_NEW(struct file_job);
    job->epoll = e;
    job->work = (struct io_work){.run = job_run, .done = job_done};
    job->next = e->jobs;
    e->jobs = job;
    return job;
}

void epoll_submit(struct io *io, struct io_op *op)
{
    struct epoll *e = (struct epoll *)io;
    struct file_job *job = job_take(e);

    job->op = op;
    workers_add(&e->file_workers, &job->work);
}

void epoll_jobs_destroy(struct epoll *e)
{
    struct file_job *job;

    while ((job = e->jobs) != NULL) {
        e->jobs = job->next;
        heap_give(job);
    }
}
