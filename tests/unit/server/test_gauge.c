#include "server/program/gauge.h"

#include <fcntl.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/unit.h"

static char dir[] = "/tmp/millrace-gauge-XXXXXX";

/* A file of a MiB among the logs, whose half is read after a second. */
static void read_half(void)
{
    const struct timespec wait = {.tv_nsec = 600000000};
    struct gauge gauge;
    char path[128];
    int fd;

    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/logs", dir);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/logs/a.seg", dir);
    fd = open(path, O_CREAT | O_WRONLY, 0600);
    ck_assert_int_eq(ftruncate(fd, 1 << 20), 0);
    (void)close(fd);
    gauge_begin(&gauge, dir);
    gauge_at(&gauge, "logs/a.seg", 1);
    (void)nanosleep(&wait, NULL);
    gauge_at(&gauge, "logs/a.seg", 1 << 19);
    gauge_clear(&gauge);
    gauge_clear(&gauge);
    (void)unlink(path);
    snprintf(path, sizeof path, "%s/logs", dir);
    (void)rmdir(path);
    (void)rmdir(dir);
}

/* What comes on standard error. */
static size_t shown(int ours, int theirs, char *text, size_t room)
{
    int before = dup(STDERR_FILENO);
    ssize_t got;

    (void)dup2(theirs, STDERR_FILENO);
    read_half();
    (void)fflush(stderr);
    (void)dup2(before, STDERR_FILENO);
    (void)fcntl(ours, F_SETFL, O_NONBLOCK);
    got = read(ours, text, room - 1);
    text[got > 0 ? got : 0] = 0;
    return got > 0 ? (size_t)got : 0;
}

START_TEST(a_terminal_sees_how_far_it_is_and_then_nothing)
{
    int ours, theirs;
    char text[4096];

    ck_assert_int_eq(openpty(&ours, &theirs, NULL, NULL, NULL), 0);
    (void)shown(ours, theirs, text, sizeof text);
    ck_assert_msg(strstr(text, "\r 50% [===============               ] ") != NULL, "%s", text);
    ck_assert_msg(strcmp(text + strlen(text) - 4, "\r\033[K") == 0, "%s", text);
}
END_TEST

START_TEST(a_pipe_sees_nothing)
{
    int fds[2];
    char text[4096];

    ck_assert_int_eq(pipe(fds), 0);
    ck_assert_uint_eq(shown(fds[0], fds[1], text, sizeof text), 0);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {a_terminal_sees_how_far_it_is_and_then_nothing, a_pipe_sees_nothing};

    return UNIT_RUN_PLAIN("gauge", tests);
}
