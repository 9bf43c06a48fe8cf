/* quiet: a logger that nobody reads. */
#ifndef TESTS_QUIET_H
#define TESTS_QUIET_H

#include "base/logger.h"

static inline void quiet_line(void *context, struct bytes line)
{
    (void)context;
    (void)line;
}

static inline int64_t quiet_now(void *context)
{
    (void)context;
    return 0;
}

static inline void quiet_init(struct logger *logger)
{
    logger_init(logger);
    logger->line = quiet_line;
    logger->now = quiet_now;
}

#endif
