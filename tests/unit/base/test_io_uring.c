#include "base/io_uring.h"

#include "tests/unit/base/io_real_promises.h"

static enum err real_create(const char *root_or_null, unsigned buffers, unsigned buffer_size,
                            char *reason, struct io **io)
{
    struct io_uring_options options = {
        .buffers = buffers, .buffer_size = buffer_size, .reason = reason};

    return io_uring_create(root_or_null, &options, io);
}

START_TEST(a_ring_that_cannot_be_had_is_refused_with_a_reason)
{
    char reason[IO_REASON_SIZE] = "";
    struct io_uring_options options = {.buffers = 3, .reason = reason}; /* not a power of two */
    struct io *io;

    ck_assert_int_eq(io_uring_create(NULL, &options, &io), ERR_UNSUPPORTED);
    ck_assert_str_ne(reason, "");
    ck_assert_int_ne(io_uring_create("/proc/nowhere", &options, &io), OK);
    ck_assert_str_eq(reason, "the data directory cannot be opened");
}
END_TEST

/* In a container, say. There test_io_epoll keeps the promises that the server then stands on. */
static bool forbidden_here(void)
{
    char reason[IO_REASON_SIZE] = "";
    struct io_uring_options options = {.reason = reason};
    struct io *io;

    if (io_uring_create(NULL, &options, &io) == OK) {
        io_destroy(io);
        return false;
    }
    return strstr(reason, "forbidden") != NULL;
}

int main(void)
{
    const TTest *tests[] = {
        IO_REAL_PROMISES,
        a_ring_that_cannot_be_had_is_refused_with_a_reason,
    };
    const TTest *aborting[] = {IO_REAL_ABORTS};

    if (forbidden_here()) {
        printf("io_uring: not tested, it is forbidden here\n");
        return EXIT_SUCCESS;
    }
    return UNIT_RUN("io_uring", tests, aborting);
}
