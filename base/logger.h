/*
 * logger: log lines in the form that tools and test suites know from nats-server:
 *
 *     [4711] 2026/11/21 03:08:00.123456 [INF] Server is ready
 *
 * A line is one write, so lines of several threads on one descriptor do not mix, and nothing is
 * lost in a buffer when the process dies. A failed or short write is dropped: nobody is left to be
 * told.
 *
 * Texts contain what clients send. Whatever is written stays on one line and cannot steer a
 * terminal: control bytes and invalid UTF-8 come out escaped ("\n", "\x1b", "\xff"); a line longer
 * than LOG_LINE_MAX is cut and ends in "...".
 */
#ifndef BASE_LOGGER_H
#define BASE_LOGGER_H

#include "base/buf.h"

/* The most important first. */
enum logger_level {
    LOGGER_FATAL,
    LOGGER_ERROR,
    LOGGER_WARN,
    LOGGER_INFO,
    LOGGER_DEBUG,
    LOGGER_TRACE,
};

/*
 * A value, set up by its owner and shared by pointer. Logging changes nothing in it, so any thread
 * may log while nobody changes it; `level` and `descriptor` may be changed by the owner at any time
 * (reload, reopened file), for they are read once per line.
 */
struct logger {
    _Atomic int descriptor; /* written to if `line` is NULL */
    _Atomic int level;      /* an enum logger_level: what is less important is not written */
    int64_t pid;            /* as it is printed */
    bool time;              /* lines carry a time */
    bool utc;               /* else local time */
    bool colour;            /* levels are coloured for a terminal */
    /* Ns since 1970; NULL: the system's clock. */
    int64_t (*now)(void *context);
    /* Takes a whole line with its line end instead of the descriptor. From any thread that logs. */
    void (*line)(void *context, struct bytes line);
    void *context;
};

/* This process, local time, level info, standard error, colour if that is a terminal. */
void logger_init(struct logger *logger);

/* Whether a line of that level would be written: to spare the making of costly texts. */
bool logger_wants(const struct logger *logger, enum logger_level level);

[[gnu::format(printf, 3, 4)]] void logger_print(const struct logger *logger,
                                                enum logger_level level, const char *format, ...);

#define logger_fatal(logger, ...) logger_print((logger), LOGGER_FATAL, __VA_ARGS__)
#define logger_error(logger, ...) logger_print((logger), LOGGER_ERROR, __VA_ARGS__)
#define logger_warn(logger, ...)  logger_print((logger), LOGGER_WARN, __VA_ARGS__)
#define logger_info(logger, ...)  logger_print((logger), LOGGER_INFO, __VA_ARGS__)
/* These are frequent: when they are not wanted their arguments are not even computed. */
#define logger_debug(logger, ...) LOGGER_IF_WANTED((logger), LOGGER_DEBUG, __VA_ARGS__)
#define logger_trace(logger, ...) LOGGER_IF_WANTED((logger), LOGGER_TRACE, __VA_ARGS__)

#define LOGGER_IF_WANTED(logger, level, ...)                                                       \
    do {                                                                                           \
        if (logger_wants((logger), (level)))                                                       \
            logger_print((logger), (level), __VA_ARGS__);                                          \
    } while (0)

/*
 * Appends `text` as Go's %q prints a string, without the quotes around it: for what a client sent,
 * where a reader must be able to tell a quote or backslash from an escape. (Of the code points past
 * ASCII only those that would upset a terminal are escaped, Go knows some more.) False at the limit
 * of `out`; what was added stays.
 */
bool logger_quote(struct buf *out, struct bytes text);

#endif
