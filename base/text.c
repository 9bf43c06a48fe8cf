#include "base/text.h"

#include <stdio.h>

#define NS_PER_S       INT64_C(1000000000)
#define SECONDS_YEAR_1 INT64_C(-62135596800) /* 0001-01-01T00:00:00Z */

/* ---- calendar -------------------------------------------------------------------------------- */

struct civil {
    int64_t year;
    unsigned month;
    unsigned day;
};

/*
 * Days since 1970 of a Gregorian date and back. Years are counted from March, so that the day that
 * comes and goes is the last of a year; 400 years always have 146097 days.
 */
static int64_t days_of(struct civil civil)
{
    int64_t year = civil.year - (civil.month <= 2);
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t month = (civil.month + 9) % 12;
    int64_t day_of_year = (153 * month + 2) / 5 + civil.day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

    return era * 146097 + day_of_era - 719468;
}

static struct civil civil_of(int64_t days)
{
    int64_t shifted = days + 719468;
    int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
    int64_t day_of_era = shifted - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153; /* 0 is March */
    struct civil civil = {
        .day = (unsigned)(day_of_year - (153 * month + 2) / 5 + 1),
        .month = (unsigned)(month < 10 ? month + 3 : month - 9),
    };

    civil.year = year_of_era + era * 400 + (civil.month <= 2);
    return civil;
}

static unsigned days_in(int64_t year, unsigned month)
{
    static const unsigned days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

    return days[month - 1] + (month == 2 && leap);
}

/* ---- times ----------------------------------------------------------------------------------- */

/* `count` digits at `at`; where they end. Times are in every direct get: printf is too slow for
 * them. */
static size_t put_digits(char *out, size_t at, uint64_t value, size_t count)
{
    for (size_t i = count; i-- > 0; value /= 10)
        out[at + i] = (char)('0' + value % 10);
    return at + count;
}

/* Writes ".5", ".000000001" or nothing; the result is the length. */
static size_t put_fraction(char *out, uint64_t fraction, int digits)
{
    if (fraction == 0)
        return 0;
    while (fraction % 10 == 0) {
        fraction /= 10;
        digits--;
    }
    out[0] = '.';
    return put_digits(out, 1, fraction, (size_t)digits);
}

static size_t put_mark(char *out, size_t at, char mark)
{
    out[at] = mark;
    return at + 1;
}

size_t text_time(char out[static TEXT_TIME_MAX], int64_t unix_ns)
{
    int64_t rest = unix_ns % NS_PER_S;
    int64_t ns = rest < 0 ? rest + NS_PER_S : rest;
    int64_t seconds = unix_ns / NS_PER_S - (rest < 0);
    int64_t days = seconds / 86400 - (seconds % 86400 < 0);
    struct civil civil;
    unsigned second;
    size_t size;

    if (unix_ns == TIME_UNSET) {
        days = SECONDS_YEAR_1 / 86400;
        seconds = SECONDS_YEAR_1;
        ns = 0;
    }
    second = (unsigned)(seconds - days * 86400);
    civil = civil_of(days);
    size = put_digits(out, 0, (unsigned)civil.year, 4);
    size = put_digits(out, put_mark(out, size, '-'), civil.month, 2);
    size = put_digits(out, put_mark(out, size, '-'), civil.day, 2);
    size = put_digits(out, put_mark(out, size, 'T'), second / 3600, 2);
    size = put_digits(out, put_mark(out, size, ':'), second / 60 % 60, 2);
    size = put_digits(out, put_mark(out, size, ':'), second % 60, 2);
    size += put_fraction(out + size, (uint64_t)ns, 9);
    out[size++] = 'Z';
    out[size] = 0;
    assert(size < TEXT_TIME_MAX);
    return size;
}

/* Reads a number of exactly `digits` digits between the bounds off the front. */
static bool read_part(struct bytes *text, size_t digits, uint64_t least, uint64_t most,
                      uint64_t *value)
{
    if (text->size < digits || !bytes_read_u64(bytes_take(*text, digits), value))
        return false;
    *text = bytes_skip(*text, digits);
    return *value >= least && *value <= most;
}

static bool read_mark(struct bytes *text, char mark)
{
    if (text->size == 0 || text->at[0] != (uint8_t)mark)
        return false;
    *text = bytes_skip(*text, 1);
    return true;
}

static bool read_date(struct bytes *text, int64_t *days)
{
    uint64_t year, month, day;

    if (!read_part(text, 4, 1, 9999, &year) || !read_mark(text, '-') ||
        !read_part(text, 2, 1, 12, &month) || !read_mark(text, '-') ||
        !read_part(text, 2, 1, days_in((int64_t)year, (unsigned)month), &day))
        return false;
    *days = days_of((struct civil){(int64_t)year, (unsigned)month, (unsigned)day});
    return true;
}

/* Go's decoder is no purist: it takes an hour of one digit, a decimal comma, zones up to 24:60. */
static bool read_clock(struct bytes *text, int64_t *seconds)
{
    size_t hour_digits = text->size > 1 && text->at[1] == ':' ? 1 : 2;
    uint64_t hour, minute, second;

    if (!read_part(text, hour_digits, 0, 23, &hour) || !read_mark(text, ':') ||
        !read_part(text, 2, 0, 59, &minute) || !read_mark(text, ':') ||
        !read_part(text, 2, 0, 59, &second))
        return false;
    *seconds = (int64_t)(hour * 3600 + minute * 60 + second);
    return true;
}

static bool digit_first(struct bytes text)
{
    return text.size > 0 && text.at[0] >= '0' && text.at[0] <= '9';
}

/* Digits past the ninth are read and dropped. */
static bool read_fraction(struct bytes *text, int64_t *ns)
{
    int64_t unit = NS_PER_S / 10;

    *ns = 0;
    if (!read_mark(text, '.') && !read_mark(text, ','))
        return true;
    if (!digit_first(*text))
        return false;
    for (; digit_first(*text); *text = bytes_skip(*text, 1), unit /= 10)
        *ns += unit * (text->at[0] - '0');
    return true;
}

static bool read_zone(struct bytes *text, int64_t *offset_s)
{
    uint64_t hour, minute;
    bool west;

    *offset_s = 0;
    if (read_mark(text, 'Z'))
        return true;
    west = read_mark(text, '-');
    if (!west && !read_mark(text, '+'))
        return false;
    if (!read_part(text, 2, 0, 24, &hour) || !read_mark(text, ':') ||
        !read_part(text, 2, 0, 60, &minute))
        return false;
    *offset_s = (int64_t)(hour * 3600 + minute * 60);
    if (west)
        *offset_s = -*offset_s;
    return true;
}

static int64_t clamp(int64_t seconds, int64_t ns)
{
    __int128 whole = (__int128)seconds * NS_PER_S + ns;

    if (seconds == SECONDS_YEAR_1 && ns == 0)
        return TIME_UNSET;
    if (whole > INT64_MAX)
        return INT64_MAX;
    if (whole <= INT64_MIN) /* long ago, but not unset */
        return INT64_MIN + 1;
    return (int64_t)whole;
}

bool text_read_time(struct bytes text, int64_t *unix_ns)
{
    int64_t days, seconds, ns, offset_s;

    if (!read_date(&text, &days) || !read_mark(&text, 'T') || !read_clock(&text, &seconds) ||
        !read_fraction(&text, &ns) || !read_zone(&text, &offset_s) || text.size != 0)
        return false;
    *unix_ns = clamp(days * 86400 + seconds - offset_s, ns);
    return true;
}

/* ---- durations ------------------------------------------------------------------------------- */

/* Below one second: the largest unit that leaves a whole part. */
static size_t put_small(char *out, uint64_t ns)
{
    static const struct {
        uint64_t size;
        int digits;
        const char *name;
    } units[] = {{1000000, 6, "ms"}, {1000, 3, "\xc2\xb5s"}, {1, 0, "ns"}};
    size_t unit = ns >= 1000000 ? 0 : ns >= 1000 ? 1 : 2;
    size_t size = (size_t)sprintf(out, "%u", (unsigned)(ns / units[unit].size));

    size += put_fraction(out + size, ns % units[unit].size, units[unit].digits);
    return size + (size_t)sprintf(out + size, "%s", units[unit].name);
}

size_t text_duration(char out[static 40], int64_t ns)
{
    uint64_t size_ns = ns < 0 ? -(uint64_t)ns : (uint64_t)ns;
    uint64_t seconds = size_ns / (uint64_t)NS_PER_S;
    uint64_t minutes = seconds / 60;
    uint64_t hours = minutes / 60;
    size_t size = 0;

    if (ns == 0)
        return (size_t)sprintf(out, "0s");
    if (ns < 0)
        out[size++] = '-';
    if (seconds == 0)
        return size + put_small(out + size, size_ns);

    if (hours > 0)
        size += (size_t)sprintf(out + size, "%lluh", (unsigned long long)hours);
    if (minutes > 0)
        size += (size_t)sprintf(out + size, "%um", (unsigned)(minutes % 60));
    size += (size_t)sprintf(out + size, "%u", (unsigned)(seconds % 60));
    size += put_fraction(out + size, size_ns % (uint64_t)NS_PER_S, 9);
    return size + (size_t)sprintf(out + size, "s");
}

/* Digits off the front. False when they do not fit 63 bits and a sign. */
static bool read_whole(struct bytes *text, uint64_t *value)
{
    uint64_t limit = UINT64_C(1) << 63;

    *value = 0;
    for (; digit_first(*text); *text = bytes_skip(*text, 1)) {
        if (*value > limit / 10)
            return false;
        *value = *value * 10 + (uint64_t)(text->at[0] - '0');
        if (*value > limit)
            return false;
    }
    return true;
}

/* Digits behind the point. Those that no longer fit cannot matter and are dropped. */
static void read_part_of_unit(struct bytes *text, uint64_t *value, double *scale)
{
    bool full = false;

    *value = 0;
    *scale = 1;
    for (; digit_first(*text); *text = bytes_skip(*text, 1)) {
        uint64_t more;

        if (full)
            continue;
        if (*value > (uint64_t)INT64_MAX / 10) {
            full = true;
            continue;
        }
        more = *value * 10 + (uint64_t)(text->at[0] - '0');
        if (more > UINT64_C(1) << 63) {
            full = true;
            continue;
        }
        *value = more;
        *scale *= 10;
    }
}

static bool read_unit(struct bytes *text, uint64_t *unit)
{
    static const struct {
        struct bytes name;
        uint64_t size;
    } units[] = {
        {BYTES("ns"), 1},           {BYTES("us"), 1000},
        {BYTES("\xc2\xb5s"), 1000}, /* micro sign */
        {BYTES("\xce\xbcs"), 1000}, /* Greek mu */
        {BYTES("ms"), 1000000},     {BYTES("s"), 1000000000},
        {BYTES("m"), 60000000000},  {BYTES("h"), 3600000000000},
    };
    struct bytes name = *text;
    size_t size = 0;

    while (size < text->size && text->at[size] != '.' &&
           !(text->at[size] >= '0' && text->at[size] <= '9'))
        size++;
    name = bytes_take(*text, size);
    *text = bytes_skip(*text, size);
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (bytes_equal(units[i].name, name)) {
            *unit = units[i].size;
            return true;
        }
    }
    return false;
}

/* One "1.5h" off the front. The fraction goes through a double, since Go's does and rounds so. */
static bool read_term(struct bytes *text, uint64_t *ns)
{
    uint64_t whole, part = 0, unit;
    bool digits = digit_first(*text);
    double scale = 1;

    if (!read_whole(text, &whole))
        return false;
    if (read_mark(text, '.')) {
        digits = digits || digit_first(*text);
        read_part_of_unit(text, &part, &scale);
    }
    if (!digits || !read_unit(text, &unit))
        return false;
    if (whole > (UINT64_C(1) << 63) / unit)
        return false;
    *ns = whole * unit;
    if (part > 0)
        *ns += (uint64_t)((double)part * ((double)unit / scale));
    return *ns <= UINT64_C(1) << 63;
}

bool text_read_duration(struct bytes text, int64_t *ns)
{
    uint64_t limit = UINT64_C(1) << 63;
    uint64_t sum = 0, term;
    bool negative = read_mark(&text, '-');

    if (!negative)
        (void)read_mark(&text, '+'); /* it changes nothing */
    if (bytes_equal(text, BYTES("0"))) {
        *ns = 0;
        return true;
    }
    if (text.size == 0)
        return false;
    while (text.size > 0) {
        if (!read_term(&text, &term) || term > limit - sum)
            return false;
        sum += term;
    }
    if (sum == limit && !negative)
        return false;
    *ns = (int64_t)(negative ? -sum : sum);
    return true;
}

/* ---- names ----------------------------------------------------------------------------------- */

void text_base62(struct prng *prng, char *out, size_t count)
{
    for (size_t i = 0; i < count; i++)
        out[i] = TEXT_BASE62[prng_below(prng, 62)];
}
