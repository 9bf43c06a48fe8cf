/* Files that are too short for their mapping: reading behind their end is what a disk that fails
 * is. */
#include "base/guard.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/unit.h"

#define PAGE  ((size_t)4096)
#define PAGES 4u

static volatile uint8_t *map(int *fd)
{
    void *at;

    *fd = memfd_create("guard", 0);
    ck_assert_int_ge(*fd, 0);
    ck_assert_int_eq(ftruncate(*fd, (off_t)(PAGES * PAGE)), 0);
    ck_assert_int_eq(pwrite(*fd, "abc", 3, 0), 3);
    at = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
    ck_assert_ptr_ne(at, MAP_FAILED);
    return at;
}

static void unmap(volatile uint8_t *at, int fd)
{
    guard_remove((const void *)at);
    munmap((void *)at, PAGES * PAGE);
    close(fd);
}

START_TEST(what_fails_outside_of_a_frame_reads_as_zeros_and_is_said)
{
    guard_failed failed = 0;
    int fd;
    volatile uint8_t *at = map(&fd);

    ck_assert(guard_add((const void *)at, PAGES * PAGE, &failed));
    ck_assert_uint_eq(at[0], 'a');
    ck_assert_int_eq(failed, 0);
    ck_assert_int_eq(ftruncate(fd, 0), 0);
    for (size_t i = 0; i < PAGES * PAGE; i += 100)
        ck_assert_uint_eq(at[i], 0);
    ck_assert_int_ne(failed, 0);
    at[PAGE] = 7;
    ck_assert_uint_eq(at[PAGE], 7);
    unmap(at, fd);
}
END_TEST

/* One byte of it, or 1000: it failed. */
static unsigned read_in_frame(const volatile uint8_t *at)
{
    struct guard_frame frame;
    unsigned value;

    if (!guard_enter(&frame))
        return 1000;
    value = *at;
    guard_leave();
    return value;
}

START_TEST(a_frame_is_left_as_often_as_something_fails_in_it)
{
    guard_failed failed = 0;
    int fd;
    volatile uint8_t *at = map(&fd);

    ck_assert(guard_add((const void *)at, PAGES * PAGE, &failed));
    ck_assert_uint_eq(read_in_frame(at + 1), 'b');
    ck_assert_int_eq(ftruncate(fd, (off_t)PAGE), 0);
    ck_assert_uint_eq(read_in_frame(at + 1), 'b');
    ck_assert_int_eq(failed, 0);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_uint_eq(read_in_frame(at + 2 * PAGE), 1000);
    ck_assert_int_ne(failed, 0);
    ck_assert_uint_eq(at[2 * PAGE], 0);
    ck_assert_uint_eq(read_in_frame(at + 2 * PAGE), 0); /* it is there now */
    unmap(at, fd);
}
END_TEST

START_TEST(a_frame_that_was_paused_is_left_when_something_failed_meanwhile)
{
    volatile unsigned came = 0;
    guard_failed failed = 0, other = 0;
    struct guard_frame frame, *paused;
    int fd;
    volatile uint8_t *at = map(&fd);

    ck_assert(guard_add((const void *)at, PAGES * PAGE, &failed));
    ck_assert_int_eq(ftruncate(fd, 0), 0);
    if (guard_enter(&frame)) {
        paused = guard_pause();
        ck_assert_uint_eq(at[0], 0);
        guard_resume(paused, &other); /* that of another mapping is another's */
        came++;
        paused = guard_pause();
        guard_resume(paused, &failed);
        came += 10;
        guard_leave();
    }
    ck_assert_uint_eq(came, 1);
    unmap(at, fd);
}
END_TEST

START_TEST(what_is_not_guarded_ends_the_process)
{
    guard_failed failed = 0;
    int fd, second;
    volatile uint8_t *at = map(&fd), *guarded = map(&second);

    ck_assert(guard_add((const void *)guarded, PAGES * PAGE, &failed));
    ck_assert_int_eq(ftruncate(fd, 0), 0);
    (void)at[0];
}
END_TEST

START_TEST(one_that_was_sent_ends_the_process)
{
    guard_failed failed = 0;
    int fd;
    volatile uint8_t *at = map(&fd);

    ck_assert(guard_add((const void *)at, PAGES * PAGE, &failed));
    (void)kill(getpid(), SIGBUS);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("guard");
    TCase *tests = tcase_create("tests"), *ending = tcase_create("ending");
    SRunner *runner;
    int failed;

    tcase_add_test(tests, what_fails_outside_of_a_frame_reads_as_zeros_and_is_said);
    tcase_add_test(tests, a_frame_is_left_as_often_as_something_fails_in_it);
    tcase_add_test(tests, a_frame_that_was_paused_is_left_when_something_failed_meanwhile);
    tcase_add_test_raise_signal(ending, what_is_not_guarded_ends_the_process, SIGBUS);
    tcase_add_test_raise_signal(ending, one_that_was_sent_ends_the_process, SIGBUS);
    suite_add_tcase(suite, tests);
    suite_add_tcase(suite, ending);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
