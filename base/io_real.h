/*
 * io_real: the real world behind base/io.h, by whichever backend this system allows: io_uring, or
 * epoll with workers where io_uring is forbidden, too old, or fails the tests it does of itself.
 */
#ifndef BASE_IO_REAL_H
#define BASE_IO_REAL_H

#include "base/io.h"

enum io_choice {
    IO_CHOICE_AUTO, /* io_uring where it works */
    IO_CHOICE_URING,
    IO_CHOICE_EPOLL,
};

/* "auto", "uring", "epoll"; false: neither of them, nothing has changed. */
bool io_choice_read(struct bytes name, enum io_choice *choice);
const char *io_choice_name(enum io_choice choice);

struct io_real_result {
    enum io_choice chosen; /* never AUTO; of a success */
    /* A sentence: why there is no io, or why it is epoll although io_uring was preferred. */
    char reason[IO_REASON_SIZE];
};

/* As io_uring_create and io_epoll_create: base/io_uring.h and base/io_epoll.h say the rest. */
enum err io_real_create(const char *root, enum io_choice choice, struct io **io,
                        struct io_real_result *result);

#endif
