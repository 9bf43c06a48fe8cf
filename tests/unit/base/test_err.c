#include "base/err.h"

#include <errno.h>
#include <string.h>

#include "tests/unit/unit.h"

START_TEST(every_outcome_has_a_text)
{
#define ERR_VALUE(name, text) name,
    static const enum err all[] = {ERR_TABLE(ERR_VALUE)};
#undef ERR_VALUE

    ck_assert_str_eq(err_text(OK), "ok");
    ck_assert_str_eq(err_text(ERR_CLOSED), "closed");
    for (size_t i = 0; i < UNIT_COUNT(all); i++)
        ck_assert_uint_gt(strlen(err_text(all[i])), 0);
}
END_TEST

START_TEST(an_errno_with_a_row_is_told_apart)
{
    ck_assert_int_eq(err_of_errno(EAGAIN), ERR_AGAIN);
    ck_assert_int_eq(err_of_errno(ENOSPC), ERR_NO_SPACE);
    ck_assert_int_eq(err_of_errno(ENOENT), ERR_NOT_FOUND);
    ck_assert_int_eq(err_of_errno(EEXIST), ERR_EXISTS);
    ck_assert_int_eq(err_of_errno(EACCES), ERR_ACCESS);
    ck_assert_int_eq(err_of_errno(EADDRINUSE), ERR_BUSY);
    ck_assert_int_eq(err_of_errno(EPIPE), ERR_CLOSED);
    ck_assert_int_eq(err_of_errno(EOPNOTSUPP), ERR_UNSUPPORTED);
}
END_TEST

START_TEST(no_errno_is_success)
{
    for (int errnum = 1; errnum < 200; errnum++)
        ck_assert_int_ne(err_of_errno(errnum), OK);
    ck_assert_int_eq(err_of_errno(EIO), ERR_IO);
    ck_assert_int_eq(err_of_errno(12345), ERR_IO);
}
END_TEST

START_TEST(an_errno_that_is_not_positive_is_a_bug)
{
    (void)err_of_errno(0); /* must not return */
}
END_TEST

int main(void)
{
    const TTest *tests[] = {every_outcome_has_a_text, an_errno_with_a_row_is_told_apart,
                            no_errno_is_success};
    const TTest *aborting[] = {an_errno_that_is_not_positive_is_a_bug};

    return UNIT_RUN("err", tests, aborting);
}
