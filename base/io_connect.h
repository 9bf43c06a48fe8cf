/*
 * io_connect: what comes before a connected socket, for backends with real sockets: a name is
 * looked up, its addresses are tried one after the other, and the sock that waits is handed a
 * connected descriptor or a reason. How one address is tried is the backend's (struct
 * connect_calls). Private to base/io_uring*.c and base/io_epoll*.c.
 */
#ifndef BASE_IO_CONNECT_H
#define BASE_IO_CONNECT_H

#include "base/io_address.h"
#include "base/workers.h"

#define CONNECT_ADDRESSES_MAX 8u /* of one name */

enum connect_state {
    CONNECT_WAITING,    /* for its turn to look up its name */
    CONNECT_LOOKING_UP, /* a worker has it */
    CONNECT_TRYING,     /* the backend connects `fd` */
};

struct connect;

struct connect_calls {
    int socket_flags; /* besides SOCK_STREAM and SOCK_CLOEXEC */
    /* Begins to connect connect->fd; ends in connect_completed, from a turn. */
    void (*begin)(struct connect *connect, const union address *address);
    /* Gives up what was begun. True: no connect_completed will follow. */
    bool (*cancel)(struct connect *connect);
    /* The descriptor is the sock's now; -1: there is none, and why. */
    void (*connected)(void *sock, int fd, int reason);
};

/* All that are under way in one io. */
struct connects {
    const struct connect_calls *calls;
    struct workers *workers;
    struct connect *first;
    bool looking_up; /* one of them is with a worker */
};

struct connect {
    struct io_work work;
    struct connects *all;
    void *sock; /* NULL: abandoned */
    enum connect_state state;
    char *host; /* owned */
    uint16_t port;
    int fd;     /* being connected, or -1 */
    int reason; /* of the last address that failed */
    union address addresses[CONNECT_ADDRESSES_MAX];
    size_t count;
    size_t next_address;
    struct connect *previous;
    struct connect *next;
};

/* The worker threads have ended and the backend waits for nothing any more. Nobody is told. */
void connects_deinit(struct connects *connects);

/* connect_begin follows at once, when the sock knows it. */
struct connect *connect_create(struct connects *connects, const char *host, uint16_t port);
/* `connected` may be called before this returns: the sock tells its owner from a turn. */
void connect_begin(struct connect *connect, void *sock);
/* The backend's answer to `begin`: 0 or a negative errno. */
void connect_completed(struct connect *connect, int result);
/* Its sock is not told any more; the struct ends by itself. */
void connect_abandon(struct connect *connect);

#endif
