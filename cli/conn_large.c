/* Large payloads that go straight from the socket to where their receiver wants them. */
#include <sys/socket.h>
#include <sys/uio.h>

#include "cli/conn_parts.h"

#define LARGE       (size_t)(32 * 1024) /* below it a copy is cheaper than a read of its own */
#define BEHIND_SIZE (size_t)4096        /* read with it: its line end and the next frame's head */

void conn_place(struct conn *conn, const struct conn_placing *placing)
{
    if (placing == NULL)
        conn->large.at = NULL; /* its memory goes with its receiver */
    conn->placing = placing;
}

static bool is_wanted(const struct conn *conn, const struct frame *frame)
{
    return conn->placing != NULL && conn->tls == NULL && frame->kind == FRAME_MSG &&
           frame->msg.sid == conn->placing->sid && frame->msg.header.size == 0 &&
           frame->msg.payload.size >= LARGE && frame->msg.payload.size <= conn->placing->size_max &&
           frame->msg.subject.size + frame->msg.reply.size <= sizeof(conn->large.names);
}

static struct bytes keep(struct conn_large *large, size_t at, struct bytes b)
{
    if (b.size > 0)
        memcpy(large->names + at, b.at, b.size);
    return bytes_of(large->names + at, b.size);
}

bool conn_large_begin(struct conn *conn, struct bytes in, const struct frame *frame)
{
    struct conn_large *large = &conn->large;
    size_t size = frame->msg.payload.size, head = frame->size - size - 2, there;

    if (!is_wanted(conn, frame))
        return false;
    in = bytes_skip(in, head);
    there = in.size < size ? in.size : size;
    large->msg = frame->msg;
    large->msg.subject = keep(large, 0, frame->msg.subject);
    large->msg.reply = keep(large, frame->msg.subject.size, frame->msg.reply);
    large->at = conn->placing->room(conn->placing->owner, size);
    large->msg.payload = bytes_of(large->at, size);
    memcpy(large->at, in.at, there);
    large->got = there;
    conn->head += head + there;
    return true;
}

ssize_t conn_large_receive(struct conn *conn)
{
    struct conn_large *large = &conn->large;
    size_t left = large->msg.payload.size - large->got;
    uint8_t *behind = buf_reserve(&conn->in, BEHIND_SIZE);
    struct iovec parts[2] = {{.iov_base = large->at + large->got, .iov_len = left},
                             {.iov_base = behind, .iov_len = BEHIND_SIZE}};
    struct msghdr all = {.msg_iov = parts, .msg_iovlen = behind != NULL ? 2 : 1};
    ssize_t n = recvmsg(conn->fd, &all, 0);

    if (n <= 0)
        return n;
    if ((size_t)n > left) {
        buf_commit(&conn->in, (size_t)n - left);
        large->got += left;
    } else {
        large->got += (size_t)n;
    }
    return n;
}

enum conn_verdict conn_large_end(const struct conn *conn, struct bytes in, struct frame *frame)
{
    const struct conn_large *large = &conn->large;

    if (large->got < large->msg.payload.size || in.size < 2)
        return CONN_TIMEOUT;
    *frame = (struct frame){.kind = FRAME_MSG, .msg = large->msg, .size = 2};
    return CONN_OK;
}
