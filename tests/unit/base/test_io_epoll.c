#include "base/io_epoll.h"

#include <sys/syscall.h>

#include "tests/unit/base/forbid.h"
#include "tests/unit/base/io_real_promises.h"

static enum err real_create(const char *root_or_null, unsigned buffers, unsigned buffer_size,
                            char *reason, struct io **io)
{
    struct io_epoll_options options = {.buffer_size = buffer_size, .reason = reason};

    (void)buffers; /* there is one */
    return io_epoll_create(root_or_null, &options, io);
}

static void mark_fired(struct timer *timer)
{
    timer->fire = NULL;
}

static void sleeps_without(unsigned errnum)
{
    struct timer timer = {.fire = mark_fired};
    struct io *io = world_begin();
    int64_t due_ns = io_now(io) + 2500000;

    forbid(SYS_epoll_pwait2, errnum);
    timers_arm(io_timers(io), &timer, due_ns);
    while (timer.fire != NULL) {
        ck_assert_int_eq(io_turn(io, SECOND), OK);
        ck_assert(timer.fire != NULL || io_now(io) >= due_ns);
    }
    world_end(io);
}

/* Old kernels lack the precise way to sleep, and so do old lists of permitted calls. */
START_TEST(without_epoll_pwait2_timers_fire_and_not_early)
{
    sleeps_without(ENOSYS);
}
END_TEST

START_TEST(where_epoll_pwait2_is_forbidden_timers_fire_and_not_early)
{
    sleeps_without(EPERM);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        IO_REAL_PROMISES,
        without_epoll_pwait2_timers_fire_and_not_early,
        where_epoll_pwait2_is_forbidden_timers_fire_and_not_early,
    };
    const TTest *aborting[] = {IO_REAL_ABORTS};

    return UNIT_RUN("io_epoll", tests, aborting);
}
