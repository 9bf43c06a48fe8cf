#include "base/folders.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/unit.h"

static char root[] = "/tmp/millrace-test-folders-XXXXXX";

static const char *below(const char *name)
{
    static char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/%s", root, name);
    return path;
}

static void check_mode(const char *name, mode_t mode)
{
    struct stat stat_of;

    ck_assert_int_eq(stat(below(name), &stat_of), 0);
    ck_assert(S_ISDIR(stat_of.st_mode));
    ck_assert_uint_eq(stat_of.st_mode & 0777, mode);
}

START_TEST(all_that_are_not_there_are_made_and_the_others_stay)
{
    ck_assert(mkdtemp(root) != NULL);
    ck_assert(folders_make(below("a/b"), 0700));
    ck_assert(folders_make(below("a/b//c/"), 0750));
    ck_assert(folders_make(below("a/b"), 0750));
    check_mode("a", 0700);
    check_mode("a/b", 0700);
    check_mode("a/b/c", 0750);
    ck_assert_int_eq(rmdir(below("a/b/c")), 0);
    ck_assert_int_eq(rmdir(below("a/b")), 0);
    ck_assert_int_eq(rmdir(below("a")), 0);
    ck_assert_int_eq(rmdir(root), 0);
}
END_TEST

START_TEST(what_cannot_be_says_why)
{
    static char path[2 * PATH_MAX];

    memset(path, 'x', sizeof(path) - 1);
    errno = 0;
    ck_assert(!folders_make(path, 0700));
    ck_assert_int_eq(errno, ENAMETOOLONG);
    ck_assert(!folders_make("/dev/null/x", 0700));
    ck_assert_int_eq(errno, ENOTDIR);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        all_that_are_not_there_are_made_and_the_others_stay,
        what_cannot_be_says_why,
    };

    return UNIT_RUN_PLAIN("folders", tests);
}
