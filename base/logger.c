#include "base/logger.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/utf8.h"

#define NS_PER_S   INT64_C(1000000000)
#define ESCAPE_MAX 12u /* "\U0010ffff" and a zero */

/* A line in the making. */
struct line {
    char at[LOG_LINE_MAX];
    size_t size;
    bool cut; /* no room: nothing more is added */
};

static const char cut_mark[] = "...\n";

void logger_init(struct logger *logger)
{
    *logger = (struct logger){
        .descriptor = STDERR_FILENO,
        .level = LOGGER_INFO,
        .pid = getpid(),
        .time = true,
        .colour = isatty(STDERR_FILENO),
    };
}

bool logger_wants(const struct logger *logger, enum logger_level level)
{
    return (int)level <= logger->level;
}

/* ---- escapes --------------------------------------------------------------------------------- */

/* What moves a cursor, changes the direction of writing, or is not seen at all. */
static bool upsets_terminal(uint32_t rune)
{
    static const uint32_t ranges[][2] = {
        {0x00, 0x1f},     {0x7f, 0x9f},     {0xad, 0xad},     {0x200b, 0x200f},   {0x2028, 0x202e},
        {0x2060, 0x206f}, {0xfeff, 0xfeff}, {0xfff9, 0xfffb}, {0xe0000, 0xe007f},
    };

    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        if (rune >= ranges[i][0] && rune <= ranges[i][1])
            return true;
    }
    return false;
}

static void escape_rune(char out[static ESCAPE_MAX], uint32_t rune)
{
    static const char letters[] = "abtnvfr"; /* \a is 7 */

    if (rune >= 7 && rune <= 13)
        snprintf(out, ESCAPE_MAX, "\\%c", letters[rune - 7]);
    else if (rune < 0x80)
        snprintf(out, ESCAPE_MAX, "\\x%02x", rune);
    else if (rune < 0x10000)
        snprintf(out, ESCAPE_MAX, "\\u%04x", rune);
    else
        snprintf(out, ESCAPE_MAX, "\\U%08x", rune);
}

/*
 * The first character of `text` as it is shown, either itself or `escape`; *used is its size.
 * `quoting` also escapes what delimits quoted text.
 */
static struct bytes show(struct bytes text, bool quoting, char escape[static ESCAPE_MAX],
                         size_t *used)
{
    uint32_t rune;

    *used = utf8_read(text, &rune);
    if (*used == 0) {
        *used = 1;
        snprintf(escape, ESCAPE_MAX, "\\x%02x", text.at[0]);
        return bytes_of_text(escape);
    }
    if (upsets_terminal(rune)) {
        escape_rune(escape, rune);
        return bytes_of_text(escape);
    }
    if (quoting && (rune == '"' || rune == '\\')) {
        snprintf(escape, ESCAPE_MAX, "\\%c", (char)rune);
        return bytes_of_text(escape);
    }
    return bytes_take(text, *used);
}

bool logger_quote(struct buf *out, struct bytes text)
{
    char escape[ESCAPE_MAX];
    size_t used;

    for (; text.size > 0; text = bytes_skip(text, used)) {
        if (!buf_add(out, show(text, true, escape, &used)))
            return false;
    }
    return true;
}

/* ---- lines ----------------------------------------------------------------------------------- */

/* Room for the mark of a cut is always left. */
static void add(struct line *line, struct bytes b)
{
    size_t room = sizeof(line->at) - (sizeof(cut_mark) - 1) - line->size;

    if (b.size > room)
        line->cut = true;
    if (line->cut)
        return;
    memcpy(line->at + line->size, b.at, b.size);
    line->size += b.size;
}

static void add_shown(struct line *line, struct bytes text)
{
    char escape[ESCAPE_MAX];
    size_t used;

    for (; text.size > 0 && !line->cut; text = bytes_skip(text, used))
        add(line, show(text, false, escape, &used));
}

static int64_t now(const struct logger *logger)
{
    struct timespec spec;

    if (logger->now != NULL)
        return logger->now(logger->context);
    clock_gettime(CLOCK_REALTIME, &spec);
    return spec.tv_sec * NS_PER_S + spec.tv_nsec;
}

static void add_time(struct line *line, const struct logger *logger)
{
    int64_t ns = now(logger);
    int64_t rest = ns % NS_PER_S;
    time_t seconds = ns / NS_PER_S - (rest < 0);
    char text[64], micros[16];
    struct tm tm;

    if (logger->utc)
        gmtime_r(&seconds, &tm);
    else
        localtime_r(&seconds, &tm);
    strftime(text, sizeof(text), "%Y/%m/%d %H:%M:%S", &tm);
    snprintf(micros, sizeof(micros), ".%06d ", (int)((rest < 0 ? rest + NS_PER_S : rest) / 1000));
    add(line, bytes_of_text(text));
    add(line, bytes_of_text(micros));
}

static void add_head(struct line *line, const struct logger *logger, enum logger_level level)
{
    static const struct {
        const char *name;
        const char *colour;
    } levels[] = {
        [LOGGER_FATAL] = {"FTL", "31"},  [LOGGER_ERROR] = {"ERR", "31"},
        [LOGGER_WARN] = {"WRN", "0;93"}, [LOGGER_INFO] = {"INF", "32"},
        [LOGGER_DEBUG] = {"DBG", "36"},  [LOGGER_TRACE] = {"TRC", "33"},
    };
    char text[48];

    snprintf(text, sizeof(text), "[%lld] ", (long long)logger->pid);
    add(line, bytes_of_text(text));
    if (logger->time)
        add_time(line, logger);
    if (logger->colour)
        snprintf(text, sizeof(text), "[\x1b[%sm%s\x1b[0m] ", levels[level].colour,
                 levels[level].name);
    else
        snprintf(text, sizeof(text), "[%s] ", levels[level].name);
    add(line, bytes_of_text(text));
}

static void end_line(struct line *line)
{
    const char *end = line->cut ? cut_mark : "\n";
    size_t size = strlen(end);

    assert(size <= sizeof(line->at) - line->size);
    memcpy(line->at + line->size, end, size);
    line->size += size;
}

static void write_line(const struct logger *logger, struct bytes line)
{
    ssize_t written;

    if (logger->line != NULL) {
        logger->line(logger->context, line);
        return;
    }
    do
        written = write(logger->descriptor, line.at, line.size);
    while (written < 0 && errno == EINTR);
}

void logger_print(const struct logger *logger, enum logger_level level, const char *format, ...)
{
    int errnum = errno; /* callers log before they look at it */
    char text[LOG_LINE_MAX];
    struct line line;
    va_list arguments;
    int size;

    if (!logger_wants(logger, level))
        return;
    va_start(arguments, format);
    size = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    assert(size >= 0);

    line.size = 0;
    line.cut = false;
    add_head(&line, logger, level);
    /* A text that did not fit `text` does not fit the line either: it is cut there. */
    add_shown(&line, bytes_of(text, (size_t)size < sizeof(text) ? (size_t)size : sizeof(text) - 1));
    end_line(&line);
    write_line(logger, bytes_of(line.at, line.size));
    errno = errnum;
}
