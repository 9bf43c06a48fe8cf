/*
 * logger: lines for people, in nats-server's form:
 *
 *     [1234] 2026/11/21 03:08:00.123456 [INF] text
 *
 * A value, owned by the program that opened it; the sink is a descriptor or a call (simulator, tests).
 * One line is one write of at most LOGGER_LINE_MAX bytes; control bytes in it are shown as \xNN, so no
 * client can forge a line.
 */
#ifndef BASE_LOGGER_H
#define BASE_LOGGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOGGER_LINE_MAX 4096u

enum logger_level { LOGGER_LEVEL_FATAL, LOGGER_LEVEL_ERROR, LOGGER_LEVEL_WARN, LOGGER_LEVEL_INFO, LOGGER_LEVEL_DEBUG, LOGGER_LEVEL_TRACE };

struct logger {
    /* Takes a whole line with its newline. */
    void (*write)(void *context, const char *line, size_t size);
    void *context;
    /* Wall clock in ns since 1970, and the process id that lines carry. */
    int64_t (*now)(void *context);
    long pid;
    bool debug;
    bool trace;
};

bool logger_shows(const struct logger *logger, enum logger_level level);
[[gnu::format(printf, 3, 4)]] void logger_print(struct logger *logger, enum logger_level level,
                                                const char *format, ...);

#define LOGGER_FATAL(logger, ...) logger_print((logger), LOGGER_LEVEL_FATAL, __VA_ARGS__)
#define LOGGER_ERROR(logger, ...) logger_print((logger), LOGGER_LEVEL_ERROR, __VA_ARGS__)
#define LOGGER_WARN(logger, ...)  logger_print((logger), LOGGER_LEVEL_WARN, __VA_ARGS__)
#define LOGGER_INFO(logger, ...)  logger_print((logger), LOGGER_LEVEL_INFO, __VA_ARGS__)
#define LOGGER_DEBUG(logger, ...) logger_print((logger), LOGGER_LEVEL_DEBUG, __VA_ARGS__)
#define LOGGER_TRACE(logger, ...) logger_print((logger), LOGGER_LEVEL_TRACE, __VA_ARGS__)

#endif
