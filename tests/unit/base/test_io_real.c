#include "base/io_real.h"

#include <errno.h>
#include <sys/syscall.h>

#include "tests/unit/base/forbid.h"

START_TEST(names_of_choices_are_read_and_others_are_not)
{
    static const enum io_choice all[] = {IO_CHOICE_AUTO, IO_CHOICE_URING, IO_CHOICE_EPOLL};
    enum io_choice choice = IO_CHOICE_AUTO;

    for (size_t i = 0; i < UNIT_COUNT(all); i++) {
        ck_assert(io_choice_read(bytes_of_text(io_choice_name(all[i])), &choice));
        ck_assert_int_eq(choice, all[i]);
    }
    ck_assert(!io_choice_read(BYTES("poll"), &choice));
    ck_assert(!io_choice_read(BYTES(""), &choice));
    ck_assert_int_eq(choice, IO_CHOICE_EPOLL);
}
END_TEST

START_TEST(epoll_is_used_when_asked_for)
{
    struct io_real_result result;
    struct io *io;

    ck_assert_int_eq(io_real_create(NULL, IO_CHOICE_EPOLL, &io, &result), OK);
    ck_assert_int_eq(result.chosen, IO_CHOICE_EPOLL);
    ck_assert_str_eq(result.reason, "");
    io_destroy(io);
}
END_TEST

static void falls_back(unsigned errnum, const char *reason)
{
    struct io_real_result result;
    struct io *io;

    forbid(SYS_io_uring_setup, errnum);
    ck_assert_int_eq(io_real_create(NULL, IO_CHOICE_AUTO, &io, &result), OK);
    ck_assert_int_eq(result.chosen, IO_CHOICE_EPOLL);
    ck_assert_str_eq(result.reason, reason);
    ck_assert_int_eq(io_turn(io, 0), OK);
    io_destroy(io);
    ck_assert_int_eq(io_real_create(NULL, IO_CHOICE_URING, &io, &result), ERR_UNSUPPORTED);
    ck_assert_str_eq(result.reason, reason);
}

/* By a seccomp profile, or kernel.io_uring_disabled. */
START_TEST(where_io_uring_is_forbidden_epoll_is_used_and_the_reason_told)
{
    falls_back(EPERM, "io_uring is forbidden here (kernel.io_uring_disabled or seccomp)");
}
END_TEST

START_TEST(where_there_is_no_io_uring_epoll_is_used_and_the_reason_told)
{
    falls_back(ENOSYS, "the kernel has no io_uring");
}
END_TEST

/* The ring can be made, but what it is to do cannot be asked for. */
START_TEST(a_ring_that_fails_its_tests_is_not_used)
{
    struct io_real_result result;
    struct io *io;

    forbid(SYS_io_uring_register, EPERM);
    ck_assert_int_eq(io_real_create(NULL, IO_CHOICE_AUTO, &io, &result), OK);
    ck_assert_int_eq(result.chosen, IO_CHOICE_EPOLL);
    ck_assert_str_ne(result.reason, "");
    io_destroy(io);
}
END_TEST

START_TEST(a_root_that_cannot_be_opened_is_no_reason_to_look_further)
{
    struct io_real_result result;
    struct io *io;

    ck_assert_int_ne(io_real_create("/proc/nowhere", IO_CHOICE_AUTO, &io, &result), OK);
    ck_assert_str_eq(result.reason, "the data directory cannot be opened");
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        names_of_choices_are_read_and_others_are_not,
        epoll_is_used_when_asked_for,
        where_io_uring_is_forbidden_epoll_is_used_and_the_reason_told,
        where_there_is_no_io_uring_epoll_is_used_and_the_reason_told,
        a_ring_that_fails_its_tests_is_not_used,
        a_root_that_cannot_be_opened_is_no_reason_to_look_further,
    };

    return UNIT_RUN_PLAIN("io_real", tests);
}
