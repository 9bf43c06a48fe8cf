#include <stdio.h>

#include "base/text.h"
#include "server/stream/schedule.h"
#include "tests/unit/unit.h"

#define NOW "2026-03-04T05:06:07.5Z" /* a Wednesday */

static int64_t at(const char *text)
{
    int64_t ns;

    ck_assert_msg(text_read_time(bytes_of_text(text), &ns), "%s", text);
    return ns;
}

static void check(const char *pattern, const struct zone *zone, const char *from, const char *next)
{
    struct schedule_time time;
    char text[TEXT_TIME_MAX];

    ck_assert_msg(
        schedule_next(bytes_of_text(pattern), zone != NULL, zone, at(from), at(from), &time), "%s",
        pattern);
    ck_assert_msg(time.next_ns == at(next), "%s after %s: %.*s, not %s", pattern, from,
                  (int)text_time(text, time.next_ns), text, next);
}

/* ---- patterns -------------------------------------------------------------------------------- */

START_TEST(a_pattern_names_the_next_time_it_matches)
{
    static const struct {
        const char *pattern, *next;
    } rows[] = {
        {"@at 2026-05-01T12:00:00+02:00", "2026-05-01T10:00:00Z"},
        {"@at 2000-01-01T00:00:00Z", "2000-01-01T00:00:00Z"},
        {"@every 1s", "2026-03-04T05:06:09Z"}, /* from the nearest second on */
        {"@every 1h30m", "2026-03-04T06:36:08Z"},
        {"* * * * * *", "2026-03-04T05:06:08Z"},
        {"*/15 * * * * *", "2026-03-04T05:06:15Z"},
        {"0 * * * * *", "2026-03-04T05:07:00Z"},
        {"7 6 5 4 3 *", "2027-03-04T05:06:07Z"},
        {"@hourly", "2026-03-04T06:00:00Z"},
        {"@daily", "2026-03-05T00:00:00Z"},
        {"@weekly", "2026-03-08T00:00:00Z"},
        {"@monthly", "2026-04-01T00:00:00Z"},
        {"@yearly", "2027-01-01T00:00:00Z"},
        {"0 0 0 29 2 *", "2028-02-29T00:00:00Z"},
        {"0 0 12 * * mon-fri", "2026-03-04T12:00:00Z"},
        {"0 0 12 * * SAT", "2026-03-07T12:00:00Z"},
        {"0 0 12 6 * thu", "2026-03-05T12:00:00Z"}, /* either day may match */
        {"0 0 12 13 * fri", "2026-03-06T12:00:00Z"},
        {"0 0 12 */1 * fri", "2026-03-06T12:00:00Z"}, /* both: one is not restricted */
        {"0 30/10 5 * * *", "2026-03-04T05:30:00Z"},
        {"0 0 0 31 * *", "2026-03-31T00:00:00Z"},
        {"0 0 0 31 feb-apr *", "2026-03-31T00:00:00Z"},
        {"59 59 23 31 12 *", "2026-12-31T23:59:59Z"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        check(rows[i].pattern, NULL, NOW, rows[i].next);
}
END_TEST

START_TEST(only_once_is_not_repeated)
{
    struct schedule_time time;

    ck_assert(schedule_next(BYTES("@at 2200-01-01T00:00:00Z"), false, NULL, 0, 0, &time));
    ck_assert(!time.repeats);
    ck_assert(schedule_next(BYTES("@every 5s"), false, NULL, 0, 0, &time));
    ck_assert(time.repeats);
    ck_assert(schedule_next(BYTES("@hourly"), false, NULL, 0, 0, &time));
    ck_assert(time.repeats);
}
END_TEST

START_TEST(what_was_missed_fires_once_and_goes_on_from_now)
{
    struct schedule_time time;
    int64_t from = at("2026-03-04T00:00:00Z"), now = at("2026-03-04T10:00:30.2Z");

    ck_assert(schedule_next(BYTES("@every 1m"), false, NULL, from, now, &time));
    ck_assert_int_eq(time.next_ns, at("2026-03-04T10:01:30Z"));
    ck_assert(schedule_next(BYTES("@hourly"), false, NULL, from, now, &time));
    ck_assert_int_eq(time.next_ns, at("2026-03-04T11:00:00Z"));
}
END_TEST

START_TEST(what_is_no_pattern_is_refused)
{
    static const char *const rows[] = {
        "",
        "@at",
        "@at x",
        "@every",
        "@every 0s",
        "@every 999ms",
        "@every 1",
        "@never",
        "* * * * *",
        "* * * * * * *",
        "60 * * * * *",
        ", * * * * *",
        "* * * 0 * *",
        "* * * * 13 *",
        "* * * * * 7",
        "x * * * * *",
        "5-1 * * * * *",
        "*/0 * * * * *",
        "1-2-3 * * * * *",
        "1/2/3 * * * * *",
        "99999999999999999999 * * * * *",
        "0 0 0 30 2 *", /* never comes */
    };
    struct schedule_time time;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        ck_assert_msg(!schedule_next(bytes_of_text(rows[i]), false, NULL, at(NOW), at(NOW), &time),
                      "%s", rows[i]);
    ck_assert(!schedule_next(BYTES("@every 1h"), true, NULL, 0, 0, &time));
    ck_assert(!schedule_next(BYTES("@at 2200-01-01T00:00:00Z"), true, NULL, 0, 0, &time));
}
END_TEST

/* ---- zones ----------------------------------------------------------------------------------- */

/* An hour east of UTC; two from 2026-03-29T01:00Z on, one again from 2026-10-25T01:00Z on. */
static size_t zone_file(uint8_t file[256], const char *footer, bool late)
{
    static const int64_t times[] = {1774746000, 1792890000, 2145913200};
    static const uint8_t types[] = {1, 0, 0};
    uint8_t *p = file;
    uint32_t count = late ? 3 : 2;

    for (int part = 0; part < 2; part++) {
        memset(p, 0, 44);
        memcpy(p, "TZif2", 5);
        p[39] = 1; /* one type in the old block */
        p[43] = 1;
        p += 44;
        if (part == 0) {
            memset(p, 0, 7);
            p += 7;
        }
    }
    p[-44 + 35] = (uint8_t)count;
    p[-44 + 39] = 2;
    for (uint32_t i = 0; i < count; i++)
        for (int b = 7; b >= 0; b--)
            *p++ = (uint8_t)(times[i] >> (8 * b));
    memcpy(p, types, count);
    p += count;
    memcpy(p, "\x00\x00\x0e\x10\x00\x00\x00\x00\x1c\x20\x01\x00\x00", 13);
    p += 13;
    return (size_t)(p - file) + (size_t)sprintf((char *)p, "\n%s\n", footer);
}

START_TEST(a_zone_is_as_far_from_utc_as_its_file_says)
{
    uint8_t file[256];
    size_t size = zone_file(file, "XXX-1", false);
    struct zone zone;

    ck_assert_int_eq(zone_read(&zone, bytes_of(file, size)), OK);
    ck_assert_int_eq(zone_offset(&zone, 0), 3600);
    ck_assert_int_eq(zone_offset(&zone, 1774745999), 3600);
    ck_assert_int_eq(zone_offset(&zone, 1774746000), 7200);
    ck_assert_int_eq(zone_offset(&zone, 1792890000), 3600);
    zone_deinit(&zone);
}
END_TEST

START_TEST(a_file_whose_rules_end_early_is_refused)
{
    uint8_t file[256];
    struct zone zone;

    ck_assert_int_eq(
        zone_read(&zone, bytes_of(file, zone_file(file, "A-1B,M3.5.0,M10.5.0", false))),
        ERR_UNSUPPORTED);
    ck_assert_int_eq(zone_read(&zone, bytes_of(file, zone_file(file, "A-1B,M3.5.0,M10.5.0", true))),
                     OK);
    zone_deinit(&zone);
}
END_TEST

START_TEST(a_file_cut_anywhere_is_no_zone)
{
    uint8_t file[256];
    size_t size = zone_file(file, "", false) - 2;
    struct zone zone;

    for (size_t cut = 0; cut < size; cut++)
        ck_assert_int_eq(zone_read(&zone, bytes_of(file, cut)), ERR_CORRUPT);
}
END_TEST

START_TEST(cron_goes_by_the_clock_of_its_zone)
{
    uint8_t file[256];
    size_t size = zone_file(file, "XXX-1", false);
    struct zone zone;

    ck_assert_int_eq(zone_read(&zone, bytes_of(file, size)), OK);
    check("0 0 12 * * *", &zone, "2026-03-28T00:00:00Z", "2026-03-28T11:00:00Z");
    check("0 0 12 * * *", &zone, "2026-03-29T00:00:00Z", "2026-03-29T10:00:00Z");
    check("@daily", &zone, "2026-03-28T12:00:00Z", "2026-03-28T23:00:00Z");
    check("@daily", &zone, "2026-03-29T12:00:00Z", "2026-03-29T22:00:00Z");
    check("@monthly", &zone, "2026-03-29T12:00:00Z", "2026-03-31T22:00:00Z");
    /* The hour that does not come that day, and the one that comes twice. */
    check("0 30 2 * * *", &zone, "2026-03-28T12:00:00Z", "2026-03-30T00:30:00Z");
    check("0 30 2 * * *", &zone, "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z");
    check("0 30 2 * * *", &zone, "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z");
    zone_deinit(&zone);
}
END_TEST

START_TEST(a_name_of_a_zone_leads_nowhere_else)
{
    ck_assert(zone_name_valid(BYTES("Europe/Amsterdam")));
    ck_assert(zone_name_valid(BYTES("Etc/GMT+5")));
    ck_assert(!zone_name_valid(BYTES("")));
    ck_assert(!zone_name_valid(BYTES("/etc/passwd")));
    ck_assert(!zone_name_valid(BYTES("../../etc/passwd")));
    ck_assert(!zone_name_valid(BYTES("a\0b")));
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        a_pattern_names_the_next_time_it_matches,
        only_once_is_not_repeated,
        what_was_missed_fires_once_and_goes_on_from_now,
        what_is_no_pattern_is_refused,
        a_zone_is_as_far_from_utc_as_its_file_says,
        a_file_whose_rules_end_early_is_refused,
        a_file_cut_anywhere_is_no_zone,
        cron_goes_by_the_clock_of_its_zone,
        a_name_of_a_zone_leads_nowhere_else,
    };

    return UNIT_RUN_PLAIN("schedule", tests);
}
