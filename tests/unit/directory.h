/* directory: one of a test's own on the real file system, and its end. */
#ifndef TESTS_UNIT_DIRECTORY_H
#define TESTS_UNIT_DIRECTORY_H

#include <check.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DIRECTORY_TEMPLATE "/tmp/millrace-test-XXXXXX"

static inline void directory_make(char path[static sizeof DIRECTORY_TEMPLATE])
{
    memcpy(path, DIRECTORY_TEMPLATE, sizeof DIRECTORY_TEMPLATE);
    ck_assert_ptr_nonnull(mkdtemp(path));
}

static inline int directory_remove_entry(const char *path, const struct stat *st, int type,
                                         struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

/* With all that is in it. */
static inline void directory_remove(const char *path)
{
    ck_assert_int_eq(nftw(path, directory_remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
}

#endif
