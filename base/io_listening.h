/*
 * io_listening: a bound, listening socket, for backends with real sockets. Private to
 * base/io_uring*.c and base/io_epoll*.c.
 */
#ifndef BASE_IO_LISTENING_H
#define BASE_IO_LISTENING_H

#include "base/io.h"

/* After running out of descriptors or memory: accepting at once again would spin. */
#define LISTENING_RETRY_NS 100000000

/*
 * As io_listen; `socket_flags` besides SOCK_STREAM and SOCK_CLOEXEC. Accepted sockets inherit
 * TCP_NODELAY. May wait for some seconds for a port that is being given up, and tells that it does.
 */
enum err listening_open(struct io *io, const char *host, uint16_t port, int socket_flags, int *fd,
                        uint16_t *bound);

#endif
