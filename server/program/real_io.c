#include "server/program/real_io.h"

#include <stdlib.h>

#include "base/io_real.h"

static void log_failure(const struct options *options, const struct logger *logger, enum err err,
                        const struct io_real_result *result)
{
    const char *why = result->reason[0] != 0 ? result->reason : err_text(err);

    if (options->jetstream && err != ERR_UNSUPPORTED && err != ERR_NO_MEMORY)
        logger_fatal(logger, "Can't start JetStream: could not create storage directory - %s: %s",
                     options->store_dir, why);
    else
        logger_fatal(logger, "Can't start: %s", why);
}

static void log_choice(const struct logger *logger, const struct io_real_result *result)
{
    if (result->chosen == IO_CHOICE_URING)
        logger_info(logger, "Using io_uring");
    else if (result->reason[0] == 0)
        logger_info(logger, "Using epoll with worker threads, as asked for");
    else
        logger_warn(logger, "Using epoll with worker threads: %s", result->reason);
}

static bool read_choice(const struct options *options, const struct logger *logger,
                        enum io_choice *choice)
{
    const char *environment = getenv("MILLRACE_IO");

    *choice = IO_CHOICE_AUTO;
    if (options->io != NULL)
        return io_choice_read(bytes_of_text(options->io), choice);
    if (environment == NULL || io_choice_read(bytes_of_text(environment), choice))
        return true;
    logger_fatal(logger, "MILLRACE_IO must be auto, uring or epoll");
    return false;
}

bool program_open_io(const struct options *options, const struct logger *logger, struct io **io)
{
    struct io_real_result result;
    enum io_choice choice;
    enum err err;

    if (!read_choice(options, logger, &choice))
        return false;
    err = io_real_create(options->jetstream ? options->store_dir : NULL, choice, io, &result);
    if (err == OK)
        log_choice(logger, &result);
    else
        log_failure(options, logger, err, &result);
    return err == OK;
}

bool program_open_shard_io(const struct options *options, const struct logger *logger,
                           struct io **io)
{
    struct io_real_result result;
    enum io_choice choice;
    enum err err;

    if (!read_choice(options, logger, &choice))
        return false;
    err = io_real_create(options->jetstream ? options->store_dir : NULL, choice, io, &result);
    if (err != OK)
        logger_error(logger, "Can't begin a shard: %s",
                     result.reason[0] != 0 ? result.reason : err_text(err));
    return err == OK;
}
