#include "base/io_real.h"

#include "base/io_epoll.h"
#include "base/io_uring.h"

static const char *const names[] = {
    [IO_CHOICE_AUTO] = "auto",
    [IO_CHOICE_URING] = "uring",
    [IO_CHOICE_EPOLL] = "epoll",
};

bool io_choice_read(struct bytes name, enum io_choice *choice)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (bytes_equal(name, bytes_of_text(names[i]))) {
            *choice = (enum io_choice)i;
            return true;
        }
    }
    return false;
}

const char *io_choice_name(enum io_choice choice)
{
    return names[choice];
}

/* That io_uring is not to be had is a reason to look further; that a directory is not, none. */
static bool may_fall_back(enum io_choice choice, enum err err)
{
    return choice == IO_CHOICE_AUTO && (err == ERR_UNSUPPORTED || err == ERR_NO_MEMORY);
}

enum err io_real_create(const char *root, enum io_choice choice, struct io **io,
                        struct io_real_result *result)
{
    struct io_uring_options uring = {.reason = result->reason};
    struct io_epoll_options epoll = {.reason = result->reason};
    enum err err;

    result->reason[0] = 0;
    result->chosen = IO_CHOICE_URING;
    if (choice != IO_CHOICE_EPOLL) {
        err = io_uring_create(root, &uring, io);
        if (!may_fall_back(choice, err))
            return err;
        epoll.reason = NULL; /* what is told is why io_uring did not do */
    }
    result->chosen = IO_CHOICE_EPOLL;
    return io_epoll_create(root, &epoll, io);
}
