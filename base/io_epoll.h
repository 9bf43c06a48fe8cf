/*
 * io_epoll: the real world behind base/io.h without io_uring, for systems that forbid it. Sockets
 * do not block and are announced by epoll; what may wait for a disk is done by worker threads,
 * which are not those of io_work: a look-up or a hash that takes long delays no write.
 *
 * A socket is registered once, edge-triggered, for both directions: no call to the system says that
 * an owner wants bytes or waits for room. A send is tried at once, so it costs one call and no
 * waiting; bytes are read into one buffer that all sockets of the io share.
 */
#ifndef BASE_IO_EPOLL_H
#define BASE_IO_EPOLL_H

#include "base/io.h"

/* Zero: the default in brackets. */
struct io_epoll_options {
    unsigned buffer_size;  /* to receive into [64 KiB] */
    unsigned workers;      /* threads for io_work, started when needed [2] */
    unsigned file_workers; /* threads for operations on files, started when needed [4] */
    char *reason;          /* IO_REASON_SIZE bytes for a sentence on failure, or NULL */
};

/*
 * `root` is made if it is missing; NULL: no files, their calls fail with ERR_NOT_FOUND.
 * Fails when the root directory cannot be made or opened, or no descriptor is left.
 *
 * io_destroy calls nobody: whoever wants `closed` and `done` turns the loop until they came. It
 * waits for operations and work that a worker is running; what has not begun is forgotten. Open
 * files are their owners' to close, before.
 */
enum err io_epoll_create(const char *root, const struct io_epoll_options *options, struct io **io);

#endif
