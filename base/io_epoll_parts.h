/*
 * What the files of the epoll backend share. Private to base/io_epoll*.c.
 *
 * An event finds its object by a pointer with its kind in the low bit. Events are fetched in
 * batches, so what is given up while a batch is handed out is freed after it: socks from the ready
 * list, listeners by epoll_listeners_bury.
 */
#ifndef BASE_IO_EPOLL_PARTS_H
#define BASE_IO_EPOLL_PARTS_H

#include "base/io_connect.h"
#include "base/io_epoll.h"
#include "base/io_posix.h"
#include "base/io_socket.h"
#include "base/waker.h"
#include "base/workers.h"

enum tag {
    TAG_SOCK,     /* struct sock; NULL: the eventfd */
    TAG_LISTENER, /* struct io_listener */
};
#define TAG_MASK 1u

struct sock;
struct file_job;

struct epoll {
    struct io_posix posix; /* first: its struct io is ours */
    int fd;
    bool coarse; /* epoll_pwait2 is not to be had: it sleeps for whole milliseconds */

    struct waker waker;
    struct workers workers;
    struct workers file_workers;

    uint8_t *buffer; /* received into; its bytes are borrowed for one call of `received` */
    unsigned buffer_size;

    struct sockets sockets;
    struct io_listener *listeners; /* all, the dead included */
    bool listener_died;
    struct connects connects;
    struct file_job *jobs;       /* all that were ever made */
    struct file_job *spare_jobs; /* of them, without an operation */
};

/* io_epoll.c: 0 or a negative errno. Both directions, edge-triggered unless it is a listener. */
int epoll_register(struct epoll *e, int fd, void *object, enum tag tag);

/* io_epoll_files.c */
void epoll_submit(struct io *io, struct io_op *op);
void epoll_jobs_destroy(struct epoll *e); /* no worker runs any more */

/* io_epoll_socks.c */
void epoll_socks_init(struct epoll *e);
struct io_sock *epoll_sock_create(struct epoll *e, int fd);
int64_t epoll_sock_release(struct io *io, struct io_sock *sock);
struct io_sock *epoll_sock_adopt(struct io *io, int64_t released);
void epoll_sock_part(struct io *io, struct io_sock *sock);
void epoll_sock_start(struct io *io, struct io_sock *sock, const struct io_sock_events *events,
                      void *owner);
void epoll_sock_send(struct io *io, struct io_sock *sock, const struct bytes *pieces, size_t count);
void epoll_sock_pause(struct io *io, struct io_sock *sock);
void epoll_sock_resume(struct io *io, struct io_sock *sock);
void epoll_sock_close(struct io *io, struct io_sock *sock, bool drain);
struct io_sock *epoll_connect(struct io *io, const char *host, uint16_t port,
                              const struct io_sock_events *events, void *owner);
void epoll_connects_init(struct epoll *e);
void epoll_sock_event(struct sock *s, uint32_t events);
void epoll_socks_ready(struct epoll *e); /* tells what is ready to be told */
void epoll_socks_destroy(struct epoll *e);

/* io_epoll_listen.c */
enum err epoll_listen(struct io *io, const char *host, uint16_t port, io_accepted_fn *accepted,
                      void *context, struct io_listener **listener, uint16_t *bound);
void epoll_listener_close(struct io *io, struct io_listener *listener);
void epoll_listener_event(struct io_listener *l);
void epoll_listeners_bury(struct epoll *e); /* frees what was closed */
void epoll_listeners_destroy(struct epoll *e);

#endif
