#include "storage/paths.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ID_DIGITS 16u

[[gnu::format(printf, 1, 2)]] static struct path path_print(const char *format, ...)
{
    struct path path;
    va_list arguments;
    int size;

    va_start(arguments, format);
    size = vsnprintf(path.text, sizeof path.text, format, arguments);
    va_end(arguments);
    assert(size > 0);
    assert((size_t)size < sizeof path.text); /* store_open bounds the directory */
    return path;
}

struct path path_in(const char *dir, const char *name)
{
    return path_print("%s/%s", dir, name);
}

struct path path_lane(const char *dir, unsigned number)
{
    return path_print("%s/lanes/%u", dir, number);
}

struct path path_journal(const char *dir, uint64_t file)
{
    return path_print("%s/journal/%" PRIu64 ".jnl", dir, file);
}

struct path path_log(const char *dir, uint64_t log_id)
{
    return path_print("%s/logs/%016" PRIx64, dir, log_id);
}

struct path path_log_gone(const char *dir, uint64_t log_id)
{
    return path_print("%s/logs/%016" PRIx64 ".gone", dir, log_id);
}

struct path path_log_quarantine(const char *dir, uint64_t log_id)
{
    return path_print("%s/quarantine/%016" PRIx64, dir, log_id);
}

struct path path_segment(const char *dir, uint64_t log_id, uint64_t file_id)
{
    return path_print("%s/logs/%016" PRIx64 "/%016" PRIx64 ".seg", dir, log_id, file_id);
}

struct path path_block(const char *dir, uint64_t log_id, uint64_t index)
{
    return path_print("%s/logs/%016" PRIx64 "/%016" PRIx64 ".blk", dir, log_id, index);
}

struct path path_keep(const char *dir, uint64_t log_id, uint64_t file_id)
{
    return path_print("%s/logs/%016" PRIx64 "/%016" PRIx64 ".kep", dir, log_id, file_id);
}

struct path path_pack(const char *dir, uint64_t log_id, uint64_t file_id)
{
    return path_print("%s/logs/%016" PRIx64 "/%016" PRIx64 ".pak", dir, log_id, file_id);
}

struct path path_pack_quarantine(const char *dir, uint64_t log_id, uint64_t file_id)
{
    return path_print("%s/quarantine/%016" PRIx64 "-%016" PRIx64 ".pak", dir, log_id, file_id);
}

struct path path_segment_new(const char *dir, uint64_t log_id, uint64_t file_id)
{
    return path_print("%s/logs/%016" PRIx64 "/%016" PRIx64 ".new", dir, log_id, file_id);
}

static bool read_hex(const char *name, uint64_t *id, const char *ending)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < ID_DIGITS; i++) {
        char c = name[i];
        unsigned digit;

        if (c >= '0' && c <= '9')
            digit = (unsigned)(c - '0');
        else if (c >= 'a' && c <= 'f')
            digit = (unsigned)(c - 'a') + 10;
        else
            return false;
        value = value << 4 | digit;
    }
    *id = value;
    return strcmp(name + ID_DIGITS, ending) == 0;
}

bool path_read_log(const char *name, uint64_t *log_id)
{
    return read_hex(name, log_id, "");
}

bool path_read_log_gone(const char *name, uint64_t *log_id)
{
    return read_hex(name, log_id, ".gone");
}

bool path_read_segment(const char *name, uint64_t *file_id)
{
    return read_hex(name, file_id, ".seg");
}

bool path_read_segment_new(const char *name, uint64_t *file_id)
{
    return read_hex(name, file_id, ".new");
}

bool path_read_block(const char *name, uint64_t *index)
{
    return read_hex(name, index, ".blk");
}

bool path_read_keep(const char *name, uint64_t *file_id)
{
    return read_hex(name, file_id, ".kep");
}

bool path_read_pack(const char *name, uint64_t *file_id)
{
    return read_hex(name, file_id, ".pak");
}

/* Only the one way in which the name is written. */
static bool read_decimal(const char *name, uint64_t *number, const char *ending)
{
    uint64_t value = 0;
    const char *at = name;

    for (; *at >= '0' && *at <= '9'; at++) {
        if (at - name >= 18)
            return false;
        value = value * 10 + (uint64_t)(*at - '0');
    }
    if (at == name || (*name == '0' && at - name > 1))
        return false;
    *number = value;
    return strcmp(at, ending) == 0;
}

bool path_read_journal(const char *name, uint64_t *file)
{
    return read_decimal(name, file, ".jnl");
}

bool path_read_lane(const char *name, unsigned *number)
{
    uint64_t value;

    if (!read_decimal(name, &value, "") || value == 0 || value > UINT32_MAX)
        return false;
    *number = (unsigned)value;
    return true;
}
