#include "cli/template.h"

#include <stdio.h>
#include <time.h>

#include "base/text.h"

static int64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now); /* is always there */
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static bool add_clock(struct buf *out)
{
    time_t now = (time_t)(now_ns() / 1000000000);
    struct tm tm;
    char text[32];

    (void)localtime_r(&now, &tm);
    return buf_add(out, bytes_of(text, strftime(text, sizeof(text), "%I:%M%p", &tm)));
}

static bool add_random(struct bytes arguments, const struct template_values *values,
                       struct buf *out)
{
    size_t gap = bytes_find(arguments, ' ');
    uint64_t min, max, size;
    uint8_t *room;

    if (gap == arguments.size || !bytes_read_u64(bytes_take(arguments, gap), &min) ||
        !bytes_read_u64(bytes_trim(bytes_skip(arguments, gap)), &max) || min > max ||
        max > TEMPLATE_RANDOM_MAX)
        return false;
    size = min + prng_below(values->prng, max - min + 1);
    room = buf_reserve(out, size + 1);
    if (room == NULL)
        return false;
    text_base62(values->prng, (char *)room, size);
    buf_commit(out, size);
    return true;
}

static bool add_id(const struct template_values *values, struct buf *out)
{
    char unique[NUID_SIZE];

    nuid_next(values->nuid, values->prng, unique);
    return buf_add(out, bytes_of(unique, sizeof(unique)));
}

static bool add_time(struct buf *out)
{
    char text[TEXT_TIME_MAX];

    return buf_add(out, bytes_of(text, text_time(text, now_ns())));
}

/* False: not one of ours, or no room. */
static bool add_value(struct bytes name, const struct template_values *values, struct buf *out)
{
    if (bytes_equal(name, BYTES("Count")))
        return buf_add_u64(out, values->count);
    if (bytes_equal(name, BYTES("TimeStamp")))
        return add_time(out);
    if (bytes_equal(name, BYTES("Unix")))
        return buf_add_i64(out, now_ns() / 1000000000);
    if (bytes_equal(name, BYTES("UnixNano")))
        return buf_add_i64(out, now_ns());
    if (bytes_equal(name, BYTES("Time")))
        return add_clock(out);
    if (bytes_equal(name, BYTES("ID")))
        return add_id(values, out);
    if (bytes_equal(name, BYTES("Request")))
        return buf_add(out, values->request);
    if (bytes_starts(name, BYTES("Random ")))
        return add_random(bytes_trim(bytes_skip(name, strlen("Random "))), values, out);
    return false;
}

static size_t find_pair(struct bytes text, const char *pair)
{
    const uint8_t *at = text.size < 2 ? NULL : memmem(text.at, text.size, pair, 2);

    return at == NULL ? text.size : (size_t)(at - text.at);
}

bool template_fill(struct bytes text, const struct template_values *values, struct buf *out)
{
    while (text.size > 0) {
        size_t open = find_pair(text, "{{"), close;

        if (!buf_add(out, bytes_take(text, open)))
            return false;
        text = bytes_skip(text, open);
        if (text.size == 0)
            break;
        close = find_pair(text, "}}");
        if (close == text.size)
            return buf_add(out, text);
        close += 2;
        if (!add_value(bytes_trim(bytes_of(text.at + 2, close - 4)), values, out) &&
            !buf_add(out, bytes_take(text, close)))
            return false;
        text = bytes_skip(text, close);
    }
    return true;
}
