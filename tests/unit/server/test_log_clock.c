/* What server/jetstream/log_clock.h promises. */
#include "server/jetstream/log_clock.h"
#include "tests/unit/unit.h"

#define SECOND INT64_C(1000000000)
#define START  (1000 * SECOND)

static struct log_clock clock_at(int64_t wall_ns, int64_t floor_ns)
{
    struct log_clock clock;

    log_clock_init(&clock, SECOND, wall_ns, floor_ns);
    return clock;
}

START_TEST(log_time_follows_the_wall_clock)
{
    struct log_clock clock = clock_at(START, 0);

    for (int64_t i = 1; i < 100; i++)
        ck_assert_int_eq(log_clock_read(&clock, SECOND + i * SECOND, START + i * SECOND),
                         START + i * SECOND);
}
END_TEST

START_TEST(log_time_starts_after_the_newest_record_even_if_the_wall_clock_is_behind)
{
    struct log_clock clock = clock_at(START, START + 50 * SECOND);

    ck_assert_int_ge(log_clock_read(&clock, 2 * SECOND, START + SECOND), START + 50 * SECOND);
}
END_TEST

START_TEST(a_small_step_back_slows_log_time_until_they_meet)
{
    struct log_clock clock = clock_at(START, 0);
    int64_t before = log_clock_read(&clock, 2 * SECOND, START + SECOND);
    int64_t now = before;

    for (int64_t i = 1; i <= 40; i++) {
        int64_t next = log_clock_read(&clock, (2 + i) * SECOND, START + (i - 9) * SECOND);

        ck_assert_int_ge(next, now);
        now = next;
    }
    ck_assert_int_eq(now, START + 31 * SECOND); /* met */
}
END_TEST

START_TEST(after_a_long_silence_a_clock_that_was_a_little_ahead_is_right)
{
    struct log_clock clock = clock_at(START, 0);

    ck_assert_int_eq(log_clock_read(&clock, 10 * SECOND, START + 9 * SECOND - 1),
                     START + 9 * SECOND - 1);
    ck_assert_int_eq(log_clock_read(&clock, 20 * SECOND, START + 19 * SECOND - 2),
                     START + 19 * SECOND - 2);
}
END_TEST

START_TEST(a_jump_ahead_that_does_not_last_is_not_believed)
{
    struct log_clock clock = clock_at(START, 0);
    int64_t year = 365 * 86400 * SECOND;

    ck_assert_int_eq(log_clock_read(&clock, 2 * SECOND, START + year), START + SECOND);
    ck_assert_int_eq(log_clock_read(&clock, 3 * SECOND, START + 2 * SECOND), START + 2 * SECOND);
    /* A second jump starts its own waiting. */
    ck_assert_int_eq(log_clock_read(&clock, 4 * SECOND, START + year), START + 3 * SECOND);
    ck_assert_int_eq(log_clock_read(&clock, 4 * SECOND + LOG_CLOCK_LAST_NS - SECOND, START + year),
                     START + 2 * SECOND + LOG_CLOCK_LAST_NS);
}
END_TEST

START_TEST(a_jump_ahead_that_lasts_is_adopted)
{
    struct log_clock clock = clock_at(START, 0);
    int64_t year = 365 * 86400 * SECOND;

    (void)log_clock_read(&clock, 2 * SECOND, START + year);
    ck_assert_int_eq(log_clock_read(&clock, 2 * SECOND + LOG_CLOCK_LAST_NS, START + year + SECOND),
                     START + year + SECOND);
}
END_TEST

START_TEST(log_time_never_falls_and_never_stands_still_for_ten_years_back)
{
    struct log_clock clock = clock_at(START, 0);
    int64_t before = log_clock_read(&clock, 2 * SECOND, START + SECOND);
    int64_t back = START - 10 * 365 * 86400 * SECOND;

    for (int64_t i = 1; i < 1000; i++) {
        int64_t now = log_clock_read(&clock, (2 + i) * SECOND, back + i * SECOND);

        ck_assert_int_eq(now, before + i * SECOND);
    }
}
END_TEST

START_TEST(it_is_raised_to_what_a_log_has_and_runs_on_from_there)
{
    struct log_clock clock = clock_at(START, 0);

    log_clock_raise(&clock, START - SECOND); /* nothing to raise */
    ck_assert_int_eq(log_clock_read(&clock, SECOND, START), START);
    log_clock_raise(&clock, START + 30 * SECOND);
    ck_assert_int_ge(log_clock_read(&clock, 2 * SECOND, START + SECOND), START + 30 * SECOND);
    log_clock_raise(&clock, 2 * START); /* far ahead of the wall clock */
    ck_assert_int_eq(log_clock_read(&clock, 3 * SECOND, START + 2 * SECOND), 2 * START + SECOND);
}
END_TEST

START_TEST(no_clock_of_several_gives_a_time_before_another_has)
{
    struct log_time time = {0};
    struct log_clock clocks[] = {clock_at(START, 0), clock_at(START - 20 * SECOND, 0)};
    int64_t walls[] = {START, START - 20 * SECOND}, before = 0;

    for (int i = 0; i < 1000; i++) { /* in turns, and each a few times in a row */
        int at = i / 3 % 2;
        int64_t now =
            log_time_read(&time, &clocks[at], SECOND + i * SECOND, walls[at] + i * SECOND);

        ck_assert_int_ge(now, before);
        before = now;
    }
    ck_assert_int_le(before, START + 999 * SECOND); /* and neither runs away */
    ck_assert_int_ge(before, START + 996 * SECOND);
}
END_TEST

START_TEST(what_a_log_has_is_behind_every_clock)
{
    struct log_time time = {0};
    struct log_clock clocks[] = {clock_at(START, 0), clock_at(START, 0)};

    ck_assert_int_eq(log_time_read(&time, &clocks[0], SECOND, START), START);
    (void)log_time_raise(&time, START + 30 * SECOND);
    for (int i = 0; i < 2; i++)
        ck_assert_int_ge(log_time_read(&time, &clocks[i], 2 * SECOND, START + SECOND),
                         START + 30 * SECOND);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        log_time_follows_the_wall_clock,
        log_time_starts_after_the_newest_record_even_if_the_wall_clock_is_behind,
        a_small_step_back_slows_log_time_until_they_meet,
        after_a_long_silence_a_clock_that_was_a_little_ahead_is_right,
        a_jump_ahead_that_does_not_last_is_not_believed,
        a_jump_ahead_that_lasts_is_adopted,
        log_time_never_falls_and_never_stands_still_for_ten_years_back,
        it_is_raised_to_what_a_log_has_and_runs_on_from_there,
        no_clock_of_several_gives_a_time_before_another_has,
        what_a_log_has_is_behind_every_clock,
    };

    return UNIT_RUN_PLAIN("log_clock", tests);
}
