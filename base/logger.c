#include "base/logger.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

static const char *const level_names[] = {"FTL", "ERR", "WRN", "INF", "DBG", "TRC"};

bool logger_shows(const struct logger *logger, enum logger_level level)
{
    if (level == LOGGER_LEVEL_DEBUG)
        return logger->debug;
    if (level == LOGGER_LEVEL_TRACE)
        return logger->trace;
    return true;
}

static size_t put_prefix(const struct logger *logger, enum logger_level level, char *line)
{
    int64_t now_ns = logger->now(logger->context);
    time_t seconds = (time_t)(now_ns / 1000000000);
    struct tm tm;
    int size;

    localtime_r(&seconds, &tm);
    size = snprintf(line, LOGGER_LINE_MAX, "[%ld] %04d/%02d/%02d %02d:%02d:%02d.%06d [%s] ", logger->pid,
                    tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
                    (int)(now_ns % 1000000000 / 1000), level_names[level]);
    assert(size > 0 && size < 128);
    return (size_t)size;
}

/* Copies with control bytes shown; leaves room for the newline. */
static size_t put_text(char *line, size_t at, const char *text)
{
    static const char digits[] = "0123456789abcdef";

    for (; *text != 0 && at + 5 < LOGGER_LINE_MAX; text++) {
        uint8_t byte = (uint8_t)*text;

        if (byte >= 0x20 && byte != 0x7f) {
            line[at++] = *text;
            continue;
        }
        line[at++] = '\\';
        line[at++] = 'x';
        line[at++] = digits[byte >> 4];
        line[at++] = digits[byte & 15];
    }
    return at;
}

void logger_print(struct logger *logger, enum logger_level level, const char *format, ...)
{
    char line[LOGGER_LINE_MAX], text[LOGGER_LINE_MAX];
    va_list arguments;
    size_t size;

    if (!logger_shows(logger, level))
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    size = put_text(line, put_prefix(logger, level, line), text);
    line[size++] = '\n';
    logger->write(logger->context, line, size);
}
