/*
 * io_uring: the real world behind base/io.h, one ring per struct io. Needs Linux 6.1 and a system
 * that allows io_uring; creation tests what it relies on and says what is missing.
 *
 * A turn costs one system call when there is work. Sockets are received with multishot requests
 * into a ring of buffers that all of them share, so an idle connection holds no buffer; what a
 * shard is handed is a view of such a buffer. Files are opened below a root directory.
 *
 * The thread that creates the io is the one that turns and destroys it: the kernel refuses others.
 */
#ifndef BASE_IO_URING_H
#define BASE_IO_URING_H

#include "base/io.h"

/* Zero: the default in brackets. */
struct io_uring_options {
    unsigned entries;     /* of the submission queue, a power of two [256] */
    unsigned buffers;     /* to receive into, a power of two [64] */
    unsigned buffer_size; /* of each [128 KiB]; memory is used when first received into */
    unsigned workers;     /* threads for io_work, started when needed [2] */
    char *reason;         /* IO_REASON_SIZE bytes for a sentence on failure, or NULL */
};

/*
 * `root` is made if it is missing; NULL: no files, their calls fail with ERR_NOT_FOUND.
 * ERR_UNSUPPORTED   this kernel has no io_uring, forbids it, or lacks a part that is needed
 * ERR_NO_MEMORY     the memory for the rings is not to be had
 * others            the root directory cannot be made or opened
 *
 * io_destroy cancels what is in flight, waits until the kernel has let go of all lent memory, and
 * calls nobody: whoever wants `closed` and `done` turns the loop until they came. It waits for work
 * that a worker is running. Open files are their owners' to close, before.
 */
enum err io_uring_create(const char *root, const struct io_uring_options *options, struct io **io);

#endif
