/* real_io: the io that the program's server stands on, by the backend that was asked for. */
#ifndef SERVER_PROGRAM_REAL_IO_H
#define SERVER_PROGRAM_REAL_IO_H

#include "base/io.h"
#include "base/logger.h"
#include "server/options.h"

/*
 * The backend is that of the option `io`, else of $MILLRACE_IO, else whichever this system allows;
 * the log says which, and why not io_uring. Its root is where JetStream's data is, the only files
 * that it will touch. False: there is none, and the log says why.
 */
bool program_open_io(const struct options *options, const struct logger *logger, struct io **io);

/* The same for a further shard: of the same backend, without files. On the thread that turns it. */
bool program_open_shard_io(const struct options *options, const struct logger *logger,
                           struct io **io);

#endif
