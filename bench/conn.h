/*
 * conn: a non-blocking TCP connection with a buffer each way.
 *
 * Reads take all that fits, writes send all that is pending: under load both move many messages
 * with one system call. It knows bytes only; wire.h finds the frames in them.
 */
#ifndef BENCH_CONN_H
#define BENCH_CONN_H

#include <stdbool.h>
#include <stddef.h>

#include "bench/wire.h"

/* Bytes [head, tail) are content. */
struct conn_buf {
    char *at;
    size_t head;
    size_t tail;
    size_t capacity;
};

struct conn {
    int fd;           /* -1: closed */
    bool write_armed; /* epoll is asked for EPOLLOUT */
    struct conn_buf in;
    struct conn_buf out;
};

enum conn_read { CONN_DATA, CONN_NOTHING, CONN_END };

/* A connected, non-blocking socket, or -1 with errno. Only IPv4 literals: no resolver is measured.
 */
int conn_dial(const char *address, unsigned port);

/* Takes over `fd`. Ends the program when memory is short. */
void conn_init(struct conn *, int fd, size_t in_capacity, size_t out_capacity);
void conn_deinit(struct conn *);

/* One read into the free part of `in`; what is left of a frame moves to its front first, so views
 * into `in` end here. A full buffer is CONN_END: the frame is larger than the program allows. */
enum conn_read conn_read(struct conn *);

/* What was read and not consumed. */
struct span conn_unread(const struct conn *);
void conn_consume(struct conn *, size_t size);

/* Room for `size` bytes at the end of `out`, or NULL. Follow with conn_commit. */
char *conn_reserve(struct conn *, size_t size);
void conn_commit(struct conn *, const char *end);
size_t conn_pending(const struct conn *);

/* Sends what is pending as far as the kernel takes it. False: the connection is broken. */
bool conn_flush(struct conn *);

#endif
