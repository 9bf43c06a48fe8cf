#include "server/stream/schedule.h"

#include "base/text.h"

#define NANOS     INT64_C(1000000000)
#define DAY       86400
#define STAR      (UINT64_C(1) << 63)
#define YEARS_MAX 5
#define TIME_MAX  (INT64_C(1) << 62)

enum field { SECOND, MINUTE, HOUR, DAY_OF_MONTH, MONTH, DAY_OF_WEEK, FIELDS };

static const struct bounds {
    unsigned min, max;
    const char *names; /* three letters each, from `min` on */
} bounds[FIELDS] = {
    {0, 59, ""},
    {0, 59, ""},
    {0, 23, ""},
    {1, 31, ""},
    {1, 12, "janfebmaraprmayjunjulaugsepoctnovdec"},
    {0, 6, "sunmontuewedthufrisat"},
};

/* ---- the calendar ---------------------------------------------------------------------------- */

struct civil {
    int64_t year;
    unsigned month, day, weekday; /* month and day from 1 */
};

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static int64_t days_of(int64_t year, unsigned month, unsigned day)
{
    int64_t y = year - (month <= 2), era = floor_div(y, 400);
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
           719468;
}

static struct civil civil_of(int64_t days)
{
    int64_t z = days + 719468, era = floor_div(z, 146097), day_of_era = z - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    unsigned shifted = (unsigned)((5 * day_of_year + 2) / 153);
    struct civil civil = {
        .day = (unsigned)(day_of_year - (153 * shifted + 2) / 5 + 1),
        .month = shifted < 10 ? shifted + 3 : shifted - 9,
        .weekday = (unsigned)(((days + 4) % 7 + 7) % 7),
    };

    civil.year = year_of_era + era * 400 + (civil.month <= 2);
    return civil;
}

/* ---- fields ---------------------------------------------------------------------------------- */

static bool read_number(struct bytes text, const struct bounds *bound, unsigned *number)
{
    size_t names = strlen(bound->names);
    uint64_t value;

    for (size_t i = 0; i < names; i += 3) {
        if (bytes_equal_nocase(text, bytes_of(bound->names + i, 3))) {
            *number = bound->min + (unsigned)(i / 3);
            return true;
        }
    }
    if (!bytes_read_u64(text, &value) || value > UINT16_MAX)
        return false;
    *number = (unsigned)value;
    return true;
}

/* What stands before the byte; *rest is what stands behind it, .at NULL: it is not there. */
static struct bytes split(struct bytes text, uint8_t byte, struct bytes *rest)
{
    size_t at = bytes_find(text, byte);

    *rest = at < text.size ? bytes_skip(text, at + 1) : bytes_of(NULL, 0);
    return bytes_take(text, at);
}

/* "*", "5", "5-9", each with an optional "/step". */
static bool read_range(struct bytes text, const struct bounds *bound, uint64_t *bits)
{
    struct bytes step_text, high_text, range = split(text, '/', &step_text);
    struct bytes low_text = split(range, '-', &high_text);
    static const struct bounds plain = {0, 0, ""};
    bool star = bytes_equal(low_text, BYTES("*")) || bytes_equal(low_text, BYTES("?"));
    unsigned low = bound->min, high = bound->max, step = 1;

    if (!star) {
        if (!read_number(low_text, bound, &low))
            return false;
        high = low;
        if (high_text.at != NULL && !read_number(high_text, bound, &high))
            return false;
    }
    if (step_text.at != NULL) {
        if (!read_number(step_text, &plain, &step))
            return false;
        if (high_text.at == NULL)
            high = bound->max;
    }
    if (low < bound->min || high > bound->max || low > high || step == 0)
        return false;
    for (unsigned value = low; value <= high; value += step)
        *bits |= UINT64_C(1) << value;
    if (star && step == 1)
        *bits |= STAR;
    return true;
}

static bool read_field(struct bytes text, const struct bounds *bound, uint64_t *bits)
{
    struct bytes rest = text;

    *bits = 0;
    while (rest.at != NULL && rest.size > 0) {
        struct bytes range = split(rest, ',', &rest);

        if (range.size > 0 && !read_range(range, bound, bits))
            return false;
    }
    return *bits != 0; /* only commas: no moment matches, and none is to be searched for */
}

static bool next_word(struct bytes *rest, struct bytes *word)
{
    *rest = bytes_trim(*rest);
    *word = *rest;
    for (size_t i = 0; i < rest->size; i++) {
        if (rest->at[i] == ' ' || rest->at[i] == '\t') {
            *word = bytes_take(*rest, i);
            break;
        }
    }
    *rest = bytes_skip(*rest, word->size);
    return word->size > 0;
}

static bool read_fields(struct bytes pattern, uint64_t fields[FIELDS])
{
    struct bytes word;

    for (unsigned i = 0; i < FIELDS; i++) {
        if (!next_word(&pattern, &word) || !read_field(word, &bounds[i], &fields[i]))
            return false;
    }
    return !next_word(&pattern, &word);
}

static bool has(uint64_t bits, unsigned value)
{
    return (bits >> value & 1) != 0;
}

/* Two that are both restricted: either may match. */
static bool day_matches(const uint64_t fields[FIELDS], const struct civil *civil)
{
    bool of_month = has(fields[DAY_OF_MONTH], civil->day);
    bool of_week = has(fields[DAY_OF_WEEK], civil->weekday);

    if (((fields[DAY_OF_MONTH] | fields[DAY_OF_WEEK]) & STAR) != 0)
        return of_month && of_week;
    return of_month || of_week;
}

/* ---- cron ------------------------------------------------------------------------------------ */

static int32_t offset_at(const struct zone *zone, int64_t seconds)
{
    return zone == NULL ? 0 : zone_offset(zone, seconds);
}

/* When that day begins there; later than `after` whatever the clocks do. */
static int64_t day_begin(const struct zone *zone, int64_t days, int64_t after)
{
    int64_t local = days * DAY, seconds = local - offset_at(zone, local);

    seconds = local - offset_at(zone, seconds);
    return seconds > after ? seconds : after + 1;
}

/* The next moment that may match when this one does not; the same when it does. */
static int64_t forward(const uint64_t fields[FIELDS], const struct zone *zone, int64_t at)
{
    int64_t local = at + offset_at(zone, at), days = floor_div(local, DAY);
    unsigned second = (unsigned)(local - days * DAY);
    struct civil civil = civil_of(days);

    if (!has(fields[MONTH], civil.month))
        return day_begin(zone,
                         civil.month == 12 ? days_of(civil.year + 1, 1, 1)
                                           : days_of(civil.year, civil.month + 1, 1),
                         at);
    if (!day_matches(fields, &civil))
        return day_begin(zone, days + 1, at);
    if (!has(fields[HOUR], second / 3600))
        return at + 3600 - second % 3600;
    if (!has(fields[MINUTE], second / 60 % 60))
        return at + 60 - second % 60;
    return has(fields[SECOND], second % 60) ? at : at + 1;
}

static bool cron_next(const uint64_t fields[FIELDS], const struct zone *zone, int64_t from_ns,
                      int64_t *next_ns)
{
    int64_t at = floor_div(from_ns, NANOS) + 1, moved;
    int64_t year_max = civil_of(floor_div(at + offset_at(zone, at), DAY)).year + YEARS_MAX;

    while ((moved = forward(fields, zone, at)) != at) {
        at = moved;
        if (civil_of(floor_div(at + offset_at(zone, at), DAY)).year > year_max)
            return false;
    }
    *next_ns = at * NANOS;
    return true;
}

/* ---- patterns -------------------------------------------------------------------------------- */

static int64_t rounded(int64_t time_ns)
{
    return floor_div(time_ns + NANOS / 2, NANOS) * NANOS;
}

static bool every(struct bytes text, int64_t from_ns, int64_t now_ns, struct schedule_time *time)
{
    int64_t ns;

    if (!text_read_duration(text, &ns) || ns < NANOS || ns > TIME_MAX - now_ns ||
        ns > TIME_MAX - from_ns)
        return false;
    time->repeats = true;
    time->next_ns = rounded(from_ns) + ns;
    if (time->next_ns < now_ns)
        time->next_ns = rounded(now_ns) + ns;
    return true;
}

static struct bytes spelled_out(struct bytes pattern)
{
    static const char *const names[][2] = {
        {"@yearly", "0 0 0 1 1 *"}, {"@annually", "0 0 0 1 1 *"}, {"@monthly", "0 0 0 1 * *"},
        {"@weekly", "0 0 0 * * 0"}, {"@daily", "0 0 0 * * *"},    {"@midnight", "0 0 0 * * *"},
        {"@hourly", "0 0 * * * *"},
    };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (bytes_equal(pattern, bytes_of_text(names[i][0])))
            return bytes_of_text(names[i][1]);
    }
    return pattern;
}

bool schedule_next(struct bytes pattern, bool zoned, const struct zone *zone, int64_t from_ns,
                   int64_t now_ns, struct schedule_time *time)
{
    uint64_t fields[FIELDS];

    *time = (struct schedule_time){0};
    if (bytes_starts(pattern, BYTES("@at ")))
        return !zoned && text_read_time(bytes_skip(pattern, 4), &time->next_ns);
    if (bytes_starts(pattern, BYTES("@every ")))
        return !zoned && every(bytes_skip(pattern, 7), from_ns, now_ns, time);
    time->repeats = true;
    if (!read_fields(spelled_out(pattern), fields) ||
        !cron_next(fields, zone, from_ns, &time->next_ns))
        return false;
    return time->next_ns >= now_ns || cron_next(fields, zone, rounded(now_ns), &time->next_ns);
}
