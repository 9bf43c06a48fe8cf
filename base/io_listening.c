#include "base/io_listening.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include "base/io_address.h"
#include "base/io_backend.h"

#define BACKLOG       4096
#define TAKEN_TRIES   300
#define TAKEN_WAIT_NS 10000000
#define TOLD_AFTER    1  /* the first is followed by a question, which takes its while */
#define TAKEN_ASKS    30 /* tries between two questions whether somebody lives there */
#define LIVES_WAIT_MS 100
#define TAKEN_MOST_NS                                                                              \
    ((int64_t)TAKEN_TRIES * TAKEN_WAIT_NS +                                                        \
     INT64_C(1000000) * TAKEN_TRIES / TAKEN_ASKS * LIVES_WAIT_MS)

static enum err err_of_listen(int errnum)
{
    switch (errnum) {
    case EADDRINUSE: return ERR_BUSY;
    case EACCES:
    case EPERM: return ERR_ACCESS;
    case EADDRNOTAVAIL: return ERR_NOT_FOUND;
    default: return err_of_errno(errnum);
    }
}

/* Accepted sockets inherit TCP_NODELAY: what a shard sends in a turn is complete, waiting gains
 * nothing. */
static int open_socket(const union address *address, int socket_flags)
{
    static const int yes = 1, no = 0;
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | socket_flags, 0);

    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    if (address->any.sa_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof(no));
    if (bind(fd, &address->any, address_size(address)) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    close(fd); /* leaves errno: close of a fresh socket does not fail */
    return -1;
}

/* Of a server that was killed the kernel still takes connections, and nothing comes. One that lives
 * speaks first. */
static bool somebody_lives(const union address *address)
{
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    bool lives = false;
    char said;

    if (fd < 0)
        return false;
    if (connect(fd, &address->any, address_size(address)) == 0 || errno == EINPROGRESS)
        lives = poll(&wait, 1, LIVES_WAIT_MS) > 0 && recv(fd, &said, 1, 0) > 0;
    close(fd);
    return lives;
}

/*
 * The kernel tears down a killed process's ring after the process is gone, and its sockets with it:
 * for some milliseconds, more than half a second on a machine with six times too much to do, the
 * port of a server that is being restarted is still taken. That of one that lives stays so.
 */
static int open_socket_patiently(struct io *io, const char *host, const union address *address,
                                 int socket_flags)
{
    static const struct timespec pause = {.tv_nsec = TAKEN_WAIT_NS};

    for (int tries = 0;; tries++) {
        int fd = open_socket(address, socket_flags);

        if (fd >= 0 || errno != EADDRINUSE)
            return fd;
        if (tries == TAKEN_TRIES || (tries % TAKEN_ASKS == 0 && somebody_lives(address))) {
            errno = EADDRINUSE;
            return -1;
        }
        if (tries == TOLD_AFTER)
            io_run_port_taken(io, host, address_port(address), TAKEN_MOST_NS);
        nanosleep(&pause, NULL);
    }
}

static int open_any_version(struct io *io, const char *host, union address *address, uint16_t port,
                            int socket_flags)
{
    bool any = address_host_is_any(host);
    int fd;

    address_set_port(address, port);
    fd = open_socket_patiently(io, host, address, socket_flags);
    if (fd >= 0 || !any || (errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL))
        return fd;
    *address = (union address){.v4 = {.sin_family = AF_INET}}; /* a machine without version 6 */
    address_set_port(address, port);
    return open_socket(address, socket_flags);
}

enum err listening_open(struct io *io, const char *host, uint16_t port, int socket_flags, int *fd,
                        uint16_t *bound)
{
    union address address;
    socklen_t size = sizeof(address);

    if (!address_of_host(host, &address))
        return ERR_INVALID;
    *fd = open_any_version(io, host, &address, port, socket_flags);
    if (*fd < 0)
        return err_of_listen(errno);
    getsockname(*fd, &address.any, &size);
    *bound = address_port(&address);
    return OK;
}
