/*
 * What the files of the io_uring backend share. Private to base/io_uring*.c, the only ones that see
 * liburing.
 *
 * Every request in flight is counted in `owed` until its last completion. A completion finds its
 * object by user_data: a pointer with the kind of the request in its low bits.
 */
#ifndef BASE_IO_URING_PARTS_H
#define BASE_IO_URING_PARTS_H

#include <liburing.h>

#include "base/io_connect.h"
#include "base/io_posix.h"
#include "base/io_socket.h"
#include "base/io_uring.h"
#include "base/waker.h"
#include "base/workers.h"

enum tag {
    TAG_OP,      /* struct io_op */
    TAG_RECV,    /* struct sock, multishot */
    TAG_SEND,    /* struct sock */
    TAG_CANCEL,  /* struct sock: one of its two requests is being cancelled */
    TAG_ACCEPT,  /* struct io_listener, multishot */
    TAG_WAKE,    /* the eventfd was read */
    TAG_CONNECT, /* struct connect */
    TAG_NONE,    /* nobody waits for it */
};
#define TAG_MASK 7u

struct sock;

struct uring {
    struct io_posix posix; /* first: its struct io is ours */
    struct io_uring ring;
    uint32_t owed;
    bool stopped;

    struct waker waker;
    uint64_t wake_count; /* the eventfd is read into it */
    struct workers workers;

    struct io_uring_buf_ring *buffers;
    uint8_t *buffer_memory;
    unsigned buffer_count;
    unsigned buffer_size;
    unsigned buffers_wanted; /* by the kernel at a time */
    unsigned buffers_lent;   /* of them, it has these or has said that it filled them */
    uint16_t *buffers_kept;  /* the others; the one that came back last is lent first */
    unsigned buffers_kept_count;
    size_t received_buffers; /* in this turn */
    size_t received_bytes;

    struct sockets sockets;
    struct io_listener *listeners;
    struct connects connects;
};

/* io_uring.c */
struct io_uring_sqe *uring_sqe(struct uring *u, void *object, enum tag tag); /* counted in `owed` */

/* io_uring_setup.c: opens the ring and its buffers, or says why not. Nothing remains on failure. */
enum err uring_setup(struct uring *u, const struct io_uring_options *options);
void uring_teardown(struct uring *u);

/* io_uring_buffers.c */
#define URING_BUFFER_GROUP 0
enum err uring_buffers_open(struct uring *u, const struct io_uring_options *options);
void uring_buffers_close(struct uring *u);
/* The kernel had filled so much of it. */
void uring_buffer_return(struct uring *u, unsigned id, size_t used);
/* A turn's completions begin. */
void uring_buffers_turn(struct uring *u);
/* A receive ended as there was none left. */
void uring_buffers_used_up(struct uring *u);

/* io_uring_files.c */
void uring_submit(struct io *io, struct io_op *op);
void uring_op_completed(struct uring *u, struct io_op *op, int result);

/* io_uring_socks.c */
void uring_socks_init(struct uring *u);
struct io_sock *uring_sock_create(struct uring *u, int fd);
int64_t uring_sock_release(struct io *io, struct io_sock *sock);
struct io_sock *uring_sock_adopt(struct io *io, int64_t released);
void uring_sock_part(struct io *io, struct io_sock *sock);
void uring_sock_start(struct io *io, struct io_sock *sock, const struct io_sock_events *events,
                      void *owner);
void uring_sock_send(struct io *io, struct io_sock *sock, const struct bytes *pieces, size_t count);
void uring_sock_pause(struct io *io, struct io_sock *sock);
void uring_sock_resume(struct io *io, struct io_sock *sock);
void uring_sock_close(struct io *io, struct io_sock *sock, bool drain);
void uring_recv_completed(struct uring *u, struct sock *s, int result, unsigned flags);
void uring_send_completed(struct uring *u, struct sock *s, int result);
void uring_cancel_completed(struct uring *u, struct sock *s, int result);
void uring_socks_ready(struct uring *u);   /* tells what is ready to be told */
void uring_socks_destroy(struct uring *u); /* nothing is in flight any more */

struct io_sock *uring_sock_create_connecting(struct uring *u, struct connect *connect,
                                             const struct io_sock_events *events, void *owner);
/* The struct connect is done: with a connected socket, or -1 and why. */
void uring_sock_connected(struct sock *s, int fd, int reason);

/* io_uring_connect.c */
struct io_sock *uring_connect(struct io *io, const char *host, uint16_t port,
                              const struct io_sock_events *events, void *owner);
void uring_connect_completed(struct uring *u, struct connect *connect, int result);
void uring_connects_init(struct uring *u);

/* io_uring_listen.c */
enum err uring_listen(struct io *io, const char *host, uint16_t port, io_accepted_fn *accepted,
                      void *context, struct io_listener **listener, uint16_t *bound);
void uring_listener_close(struct io *io, struct io_listener *listener);
void uring_accept_completed(struct uring *u, struct io_listener *l, int result, unsigned flags);
void uring_listeners_destroy(struct uring *u);

#endif
