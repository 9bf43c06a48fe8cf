#include "base/io_uring_parts.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/heap.h"
#include "base/io_address.h"
#include "base/owner.h"

#define BACKLOG        4096
#define RETRY_AFTER_NS 100000000

struct io_listener {
    struct uring *uring;
    int fd;
    bool closing;
    io_accepted_fn *accepted;
    void *context;
    struct timer retry; /* armed while accepting rests */
    struct io_listener *previous;
    struct io_listener *next;
};

/* ---- accepting ------------------------------------------------------------------------------ */

static void accept_arm(struct io_listener *l)
{
    struct io_uring_sqe *sqe = uring_sqe(l->uring, l, TAG_ACCEPT);

    io_uring_prep_multishot_accept(sqe, l->fd, NULL, NULL, SOCK_CLOEXEC);
}

static void accept_again(struct timer *timer)
{
    accept_arm(owner_of(timer, struct io_listener, retry));
}

static void listener_free(struct io_listener *l)
{
    struct uring *u = l->uring;

    timers_cancel(&u->posix.io.timers, &l->retry);
    close(l->fd);
    if (l->next != NULL)
        l->next->previous = l->previous;
    if (l->previous != NULL)
        l->previous->next = l->next;
    else
        u->listeners = l->next;
    heap_give(l);
}

static void accepted(struct io_listener *l, int fd)
{
    union address address;
    struct io_address peer;
    socklen_t size = sizeof(address);

    if (l->closing || getpeername(fd, &address.any, &size) != 0) {
        close(fd); /* gone already */
        return;
    }
    address_show(&address, &peer);
    l->accepted(l->context, uring_sock_create(l->uring, fd), &peer);
}

/* The end of one multishot request. Out of descriptors or memory, arming at once would spin. */
static void accept_ended(struct io_listener *l, int result)
{
    struct timers *timers = &l->uring->posix.io.timers;

    if (l->closing)
        listener_free(l);
    else if (result >= 0 || result == -ECONNABORTED || result == -EINTR)
        accept_arm(l);
    else
        timers_arm(timers, &l->retry, l->uring->posix.io.now_ns + RETRY_AFTER_NS);
}

void uring_accept_completed(struct uring *u, struct io_listener *l, int result, unsigned flags)
{
    bool more = flags & IORING_CQE_F_MORE;

    if (u->destroying) {
        if (result >= 0)
            close(result);
        return;
    }
    if (result >= 0)
        accepted(l, result); /* may close the listener, which stays until its request has ended */
    if (!more)
        accept_ended(l, result);
}

/* ---- listening ------------------------------------------------------------------------------ */

static enum err err_of_listen(int errnum)
{
    switch (errnum) {
    case EADDRINUSE: return ERR_BUSY;
    case EACCES:
    case EPERM: return ERR_ACCESS;
    case EADDRNOTAVAIL: return ERR_INVALID;
    default: return err_of_errno(errnum);
    }
}

/* Accepted sockets inherit TCP_NODELAY: what a shard sends in a turn is complete, waiting gains
 * nothing. */
static int open_socket(const union address *address)
{
    static const int yes = 1, no = 0;
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

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

/*
 * The kernel tears down a killed process's ring after the process is gone, and its sockets with it:
 * for some milliseconds the port of a server that is being restarted is still taken.
 */
static int open_socket_patiently(const union address *address)
{
    static const struct timespec pause = {.tv_nsec = 10000000};

    for (int tries = 0;; tries++) {
        int fd = open_socket(address);

        if (fd >= 0 || errno != EADDRINUSE || tries == 50)
            return fd;
        nanosleep(&pause, NULL);
        errno = EADDRINUSE;
    }
}

static int open_any_version(union address *address, bool any, uint16_t port)
{
    int fd;

    address_set_port(address, port);
    fd = open_socket_patiently(address);
    if (fd >= 0 || !any || (errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL))
        return fd;
    *address = (union address){.v4 = {.sin_family = AF_INET}}; /* a machine without version 6 */
    address_set_port(address, port);
    return open_socket(address);
}

enum err uring_listen(struct io *io, const char *host, uint16_t port, io_accepted_fn *accepted_fn,
                      void *context, struct io_listener **listener, uint16_t *bound)
{
    struct uring *u = (struct uring *)io;
    union address address;
    socklen_t size = sizeof(address);
    struct io_listener *l;
    int fd;

    if (!address_of_host(host, &address))
        return ERR_INVALID;
    fd = open_any_version(&address, address_host_is_any(host), port);
    if (fd < 0)
        return err_of_listen(errno);
    getsockname(fd, &address.any, &size);
    *bound = address_port(&address);

    l = HEAP_NEW(struct io_listener);
    *l = (struct io_listener){.uring = u, .fd = fd, .accepted = accepted_fn, .context = context};
    l->retry.fire = accept_again;
    l->next = u->listeners;
    if (u->listeners != NULL)
        u->listeners->previous = l;
    u->listeners = l;
    accept_arm(l);
    *listener = l;
    return OK;
}

/* Shutting a listening socket down ends its accept request and frees the port at once. */
void uring_listener_close(struct io *io, struct io_listener *l)
{
    assert(!l->closing);
    l->closing = true;
    shutdown(l->fd, SHUT_RDWR);
    if (timer_armed(&l->retry)) {
        (void)io;
        listener_free(l);
    }
}

void uring_listeners_destroy(struct uring *u)
{
    while (u->listeners != NULL)
        listener_free(u->listeners);
}
