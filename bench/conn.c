#include "bench/conn.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int conn_dial(const char *address, unsigned port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int one = 1;
    int error;
    int fd;

    if (inet_pton(AF_INET, address, &to.sin_addr) != 1) {
        errno = EINVAL;
        return -1;
    }
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) < 0 ||
        fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
        error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

static void buf_init(struct conn_buf *buf, size_t capacity)
{
    *buf = (struct conn_buf){.at = malloc(capacity), .capacity = capacity};
    if (!buf->at) {
        perror("bench: buffer");
        exit(1);
    }
}

static void buf_compact(struct conn_buf *buf)
{
    if (buf->head == 0)
        return;
    memmove(buf->at, buf->at + buf->head, buf->tail - buf->head);
    buf->tail -= buf->head;
    buf->head = 0;
}

void conn_init(struct conn *conn, int fd, size_t in_capacity, size_t out_capacity)
{
    assert(fd >= 0);
    *conn = (struct conn){.fd = fd};
    buf_init(&conn->in, in_capacity);
    buf_init(&conn->out, out_capacity);
}

void conn_deinit(struct conn *conn)
{
    close(conn->fd);
    free(conn->in.at);
    free(conn->out.at);
    *conn = (struct conn){.fd = -1};
}

enum conn_read conn_read(struct conn *conn)
{
    struct conn_buf *in = &conn->in;
    ssize_t got;

    buf_compact(in);
    if (in->tail == in->capacity)
        return CONN_END;
    got = read(conn->fd, in->at + in->tail, in->capacity - in->tail);
    if (got < 0)
        return errno == EAGAIN || errno == EINTR ? CONN_NOTHING : CONN_END;
    if (got == 0)
        return CONN_END;
    in->tail += (size_t)got;
    return CONN_DATA;
}

struct span conn_unread(const struct conn *conn)
{
    return (struct span){conn->in.at + conn->in.head, conn->in.tail - conn->in.head};
}

void conn_consume(struct conn *conn, size_t size)
{
    assert(size <= conn->in.tail - conn->in.head);
    conn->in.head += size;
}

char *conn_reserve(struct conn *conn, size_t size)
{
    struct conn_buf *out = &conn->out;

    if (out->capacity - out->tail < size)
        buf_compact(out);
    if (out->capacity - out->tail < size)
        return NULL;
    return out->at + out->tail;
}

void conn_commit(struct conn *conn, const char *end)
{
    size_t tail = (size_t)(end - conn->out.at);

    assert(tail >= conn->out.tail);
    assert(tail <= conn->out.capacity);
    conn->out.tail = tail;
}

size_t conn_pending(const struct conn *conn)
{
    return conn->out.tail - conn->out.head;
}

bool conn_flush(struct conn *conn)
{
    struct conn_buf *out = &conn->out;

    while (out->head < out->tail) {
        ssize_t sent = send(conn->fd, out->at + out->head, out->tail - out->head, MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return errno == EAGAIN;
        out->head += (size_t)sent;
    }
    out->head = 0;
    out->tail = 0;
    return true;
}
