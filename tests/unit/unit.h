/*
 * unit: the main of a Check program. A test program lists its tests, and says which of them must
 * end in a failed assertion:
 *
 *     int main(void)
 *     {
 *         const TTest *tests[] = {a_promise, another};
 *         const TTest *aborting[] = {a_broken_rule_stops_the_process};
 *
 *         return UNIT_RUN("buf", tests, aborting);
 *     }
 */
#ifndef TESTS_UNIT_UNIT_H
#define TESTS_UNIT_UNIT_H

#include <check.h>
#include <signal.h>
#include <stdlib.h>

#define UNIT_SECONDS_MAX 120

/* Check writes to a pipe for each assertion that holds, to name the last one if the test dies. In
 * tests of millions of assertions that is nearly all their time: only the first are written. */
#define UNIT_MARKS_MAX 10000u

static inline void unit_mark(const char *file, int line)
{
    static _Thread_local unsigned marks;

    if (marks == UNIT_MARKS_MAX)
        return;
    marks++;
    _mark_point(file, line);
}
#define _mark_point(file, line) unit_mark(file, line)

static inline int unit_run(const char *name, const TTest *const *tests, size_t count,
                           const TTest *const *aborting, size_t aborting_count)
{
    Suite *suite = suite_create(name);
    TCase *group = tcase_create(name);
    SRunner *runner;
    int failed;

    for (size_t i = 0; i < count; i++)
        tcase_add_test(group, tests[i]);
    for (size_t i = 0; i < aborting_count; i++)
        tcase_add_test_raise_signal(group, aborting[i], SIGABRT);
    tcase_set_timeout(group, UNIT_SECONDS_MAX);
    suite_add_tcase(suite, group);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#define UNIT_COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define UNIT_RUN(name, tests, aborting)                                                            \
    unit_run((name), (tests), UNIT_COUNT(tests), (aborting), UNIT_COUNT(aborting))
#define UNIT_RUN_PLAIN(name, tests) unit_run((name), (tests), UNIT_COUNT(tests), NULL, 0)

#endif
