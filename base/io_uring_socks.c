/*
 * Connected sockets. One multishot receive is armed while the owner wants bytes, one send is in
 * flight while the owner sends, and cancelling either is a third request. The sock is freed only
 * when all of them have completed: `owed` counts them.
 *
 * A cancelled receive may still deliver: what was received before the kernel saw the cancellation
 * is kept in `late` and comes out at resume, before anything newer.
 */
#include "base/io_uring_parts.h"

#include <errno.h>
#include <unistd.h>

#include "base/heap.h"
#include "base/io_socket.h"

enum sock_state {
    SOCK_NEW,      /* accepted; the owner has not started it */
    SOCK_OPEN,     /* bytes flow */
    SOCK_ENDED,    /* the owner was told; its close is awaited */
    SOCK_DRAINING, /* closed by the owner, the send in flight may finish */
    SOCK_CLOSING,  /* everything is being cancelled */
};

struct late {
    struct late *next;
    size_t size;
    uint8_t at[];
};

struct sock {
    struct socket socket; /* first */
    struct uring *uring;
    struct connect *connect; /* under way; NULL: connected, or failed to */
    int reason;              /* of the end, once end_seen or broken */
    uint8_t state;
    uint8_t owed;
    bool paused;
    bool receiving;  /* the receive is armed */
    bool cancelling; /* the receive is being cancelled */
    bool end_seen;   /* nothing more will be received */
    bool broken;     /* a send failed */
    bool parting;    /* it is to go to another io */
    struct late *late_first;
    struct late *late_last;
};

static void settle(struct sock *s);

/* ---- making and freeing --------------------------------------------------------------------- */

/* Of the socket that comes first in it. */
static struct sock *sock_of(void *socket)
{
    return socket;
}

void uring_socks_init(struct uring *u)
{
    u->sockets.size = sizeof(struct sock);
}

struct io_sock *uring_sock_create(struct uring *u, int fd)
{
    struct sock *s = sock_of(socket_create(&u->sockets, fd));

    s->uring = u;
    return &s->socket.head;
}

struct io_sock *uring_sock_create_connecting(struct uring *u, struct connect *connect,
                                             const struct io_sock_events *events, void *owner)
{
    struct sock *s = sock_of(uring_sock_create(u, -1));

    s->state = SOCK_OPEN;
    s->connect = connect;
    s->socket.events = events;
    s->socket.owner = owner;
    return &s->socket.head;
}

static void late_free(struct sock *s)
{
    struct late *late;

    while ((late = s->late_first) != NULL) {
        s->late_first = late->next;
        heap_give(late);
    }
    s->late_last = NULL;
}

static void sock_free(struct sock *s)
{
    late_free(s);
    socket_free(&s->socket);
}

void uring_socks_destroy(struct uring *u)
{
    while (u->sockets.first != NULL)
        sock_free(sock_of(u->sockets.first));
    sockets_deinit(&u->sockets);
}

/* ---- requests ------------------------------------------------------------------------------- */

static struct io_uring_sqe *request(struct sock *s, enum tag tag)
{
    s->owed++;
    return uring_sqe(s->uring, s, tag);
}

static void receive_arm(struct sock *s)
{
    struct io_uring_sqe *sqe = request(s, TAG_RECV);

    assert(!s->receiving);
    io_uring_prep_recv_multishot(sqe, s->socket.fd, NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = URING_BUFFER_GROUP;
    s->receiving = true;
}

static void cancel(struct sock *s, enum tag tag)
{
    struct io_uring_sqe *sqe = request(s, TAG_CANCEL);

    io_uring_prep_cancel64(sqe, (uintptr_t)s | tag, 0);
}

static void receive_cancel(struct sock *s)
{
    if (!s->receiving || s->cancelling)
        return;
    s->cancelling = true;
    cancel(s, TAG_RECV);
}

/* MSG_WAITALL lets the kernel itself continue a send that the socket's buffer cuts short. */
static void send_arm(struct sock *s)
{
    struct io_uring_sqe *sqe = request(s, TAG_SEND);
    struct send *send = s->socket.send;
    const struct iovec *first = &send->message.msg_iov[0];

    if (send->message.msg_iovlen == 1)
        io_uring_prep_send(sqe, s->socket.fd, first->iov_base, first->iov_len,
                           MSG_NOSIGNAL | MSG_WAITALL);
    else
        io_uring_prep_sendmsg(sqe, s->socket.fd, &send->message, MSG_NOSIGNAL | MSG_WAITALL);
}

/* ---- what happens next ---------------------------------------------------------------------- */

/* The send's failure is told after the bytes that arrived before it, unless the owner has paused
 * and would never see the end of them. */
static bool end_is_due(const struct sock *s)
{
    if (s->state != SOCK_OPEN)
        return false;
    if (s->paused)
        return s->broken;
    return s->end_seen && s->late_first == NULL;
}

static bool receive_is_due(const struct sock *s)
{
    return s->state == SOCK_OPEN && !s->paused && !s->receiving && !s->cancelling && !s->end_seen &&
           s->connect == NULL && s->late_first == NULL && !s->parting;
}

/* Nothing that the kernel has of it names this io any more. */
static bool part_is_due(const struct sock *s)
{
    return s->parting && s->state == SOCK_OPEN && s->owed == 0 && !s->socket.head.sending &&
           !s->paused && s->late_first == NULL && !s->end_seen && !s->broken && !s->socket.is_ready;
}

static void part(struct sock *s)
{
    const struct io_sock_events *events = s->socket.events;
    void *owner = s->socket.owner;
    int fd = socket_release(&s->socket);

    sock_free(s);
    events->parted(owner, fd);
}

/* From completions and from uring_socks_ready only: it calls the owner. The socket may be gone
 * then.
 */
static void settle(struct sock *s)
{
    if (end_is_due(s)) {
        s->state = SOCK_ENDED;
        receive_cancel(s);
        late_free(s);
        s->socket.events->ended(s->socket.owner, s->reason);
    } else if (receive_is_due(s)) {
        receive_arm(s);
    } else if (part_is_due(s)) {
        part(s);
    } else if (s->state == SOCK_CLOSING && s->owed == 0) {
        socket_ready(&s->socket);
    }
}

/* ---- receiving ------------------------------------------------------------------------------ */

static void late_add(struct sock *s, struct bytes b)
{
    struct late *late = heap_take(sizeof(*late) + b.size);

    late->size = b.size;
    memcpy(late->at, b.at, b.size);
    if (s->late_last != NULL)
        s->late_last->next = late;
    else
        s->late_first = late;
    s->late_last = late;
}

static void late_deliver(struct sock *s)
{
    struct late *late;

    while (s->state == SOCK_OPEN && !s->paused && (late = s->late_first) != NULL) {
        s->late_first = late->next;
        if (s->late_first == NULL)
            s->late_last = NULL;
        s->socket.events->received(s->socket.owner, bytes_of(late->at, late->size));
        heap_give(late);
    }
}

static void deliver(struct sock *s, struct bytes b)
{
    if (s->state != SOCK_OPEN)
        return;
    if (s->paused || s->late_first != NULL)
        late_add(s, b);
    else
        s->socket.events->received(s->socket.owner, b);
}

/* Ends of the request that are not the socket's: all buffers were in use (they are back by the time
 * it is armed again), it was cancelled, or interrupted. */
static bool arm_again(int result)
{
    return result > 0 || result == -ENOBUFS || result == -ECANCELED || result == -EINTR ||
           result == -EAGAIN;
}

void uring_recv_completed(struct uring *u, struct sock *s, int result, unsigned flags)
{
    unsigned id = flags >> IORING_CQE_BUFFER_SHIFT;

    if ((flags & IORING_CQE_F_MORE) == 0) {
        s->receiving = false;
        s->owed--;
        if (!arm_again(result)) {
            s->end_seen = true;
            if (!s->broken)
                s->reason = result;
        }
    }
    if (result == -ENOBUFS)
        uring_buffers_used_up(u);
    if (flags & IORING_CQE_F_BUFFER) {
        if (result > 0 && !u->stopped)
            deliver(s, bytes_of(u->buffer_memory + (size_t)id * u->buffer_size, (size_t)result));
        uring_buffer_return(u, id, result > 0 ? (size_t)result : 0);
    }
    if (!u->stopped)
        settle(s);
}

/* -EALREADY: the request was being worked on just then, and goes on. */
void uring_cancel_completed(struct uring *u, struct sock *s, int result)
{
    s->owed--;
    s->cancelling = false;
    if (u->stopped)
        return;
    if (result == -EALREADY && s->state == SOCK_CLOSING)
        shutdown(s->socket.fd, SHUT_RDWR);
    else if (result == -EALREADY && (s->paused || s->parting))
        receive_cancel(s);
    settle(s);
}

/* ---- sending -------------------------------------------------------------------------------- */

void uring_sock_send(struct io *io, struct io_sock *sock, const struct bytes *pieces, size_t count)
{
    struct sock *s = sock_of(sock);

    assert(s->state == SOCK_OPEN || s->state == SOCK_ENDED);
    (void)io;
    socket_send_begin(&s->socket, pieces, count);
    if (s->connect == NULL && !s->uring->stopped)
        send_arm(s);
}

static void send_finish(struct sock *s)
{
    socket_send_end(&s->socket);
    s->socket.head.sending = false;
    if (s->state == SOCK_DRAINING)
        s->state = SOCK_CLOSING;
    else if (s->state == SOCK_OPEN || s->state == SOCK_ENDED)
        s->socket.events->sent(s->socket.owner);
}

/* What the peer sent before can still be read: receiving ends by itself and tells the reason. */
static void send_fail(struct sock *s, int result)
{
    if (s->state == SOCK_DRAINING)
        s->state = SOCK_CLOSING;
    if (s->state == SOCK_ENDED)
        s->broken = true; /* who closes it waits for nothing */
    if (s->state != SOCK_OPEN)
        return;
    if (!s->broken)
        s->reason = result;
    s->broken = true;
    shutdown(s->socket.fd, SHUT_RDWR);
}

void uring_send_completed(struct uring *u, struct sock *s, int result)
{
    bool again = result == -EINTR || result == -EAGAIN;

    s->owed--;
    if (u->stopped)
        return;
    if (result > 0)
        send_skip(s->socket.send, (size_t)result);
    if (s->socket.send->left == 0)
        send_finish(s);
    else if ((result > 0 || again) && s->state != SOCK_CLOSING)
        send_arm(s);
    else
        send_fail(s, result);
    settle(s);
}

/* ---- connecting ----------------------------------------------------------------------------- */

void uring_sock_connected(struct sock *s, int fd, int reason)
{
    assert(s->state == SOCK_OPEN); /* else it was abandoned */
    s->connect = NULL;
    s->socket.fd = fd;
    if (fd < 0) {
        s->broken = true;
        s->end_seen = true;
        s->reason = reason;
    } else if (s->socket.head.sending) {
        send_arm(s);
    }
    socket_ready(&s->socket);
}

/* ---- the owner's calls ---------------------------------------------------------------------- */

int64_t uring_sock_release(struct io *io, struct io_sock *sock)
{
    struct sock *s = sock_of(sock);
    int fd = socket_release(&s->socket);

    (void)io;
    assert(s->state == SOCK_NEW);
    sock_free(s);
    return fd;
}

struct io_sock *uring_sock_adopt(struct io *io, int64_t released)
{
    return uring_sock_create((struct uring *)io, (int)released);
}

void uring_sock_part(struct io *io, struct io_sock *sock)
{
    struct sock *s = sock_of(sock);

    (void)io;
    assert(s->connect == NULL);
    if (s->state != SOCK_OPEN)
        return;
    s->parting = true;
    receive_cancel(s);
    socket_ready(&s->socket);
}

void uring_sock_start(struct io *io, struct io_sock *sock, const struct io_sock_events *events,
                      void *owner)
{
    struct sock *s = sock_of(sock);

    (void)io;
    assert(s->state == SOCK_NEW);
    s->state = SOCK_OPEN;
    s->socket.events = events;
    s->socket.owner = owner;
    if (!s->paused)
        receive_arm(s);
}

void uring_sock_pause(struct io *io, struct io_sock *sock)
{
    struct sock *s = sock_of(sock);

    (void)io;
    if (s->state != SOCK_OPEN && s->state != SOCK_NEW)
        return;
    s->paused = true;
    receive_cancel(s);
    if (s->broken)
        socket_ready(&s->socket);
}

void uring_sock_resume(struct io *io, struct io_sock *sock)
{
    struct sock *s = sock_of(sock);

    (void)io;
    if ((s->state != SOCK_OPEN && s->state != SOCK_NEW) || !s->paused)
        return;
    s->paused = false;
    socket_ready(&s->socket);
}

void uring_sock_close(struct io *io, struct io_sock *sock, bool drain)
{
    struct sock *s = sock_of(sock);

    (void)io;
    if (s->state == SOCK_CLOSING || (s->state == SOCK_DRAINING && drain))
        return;
    if (s->connect != NULL) {
        connect_abandon(s->connect);
        s->connect = NULL;
        s->state = SOCK_CLOSING;
        socket_ready(&s->socket);
        return;
    }
    receive_cancel(s);
    if (drain && s->socket.head.sending && !s->broken && s->socket.send->left > 0) {
        s->state = SOCK_DRAINING;
        return;
    }
    s->state = SOCK_CLOSING;
    if (s->socket.head.sending && !s->broken)
        cancel(s, TAG_SEND);
    socket_ready(&s->socket);
}

/* ---- telling -------------------------------------------------------------------------------- */

static void finish(struct sock *s)
{
    const struct io_sock_events *events = s->socket.events;
    void *owner = s->socket.owner;

    socket_discard_unread(s->socket.fd);
    sock_free(s);
    if (events != NULL)
        events->closed(owner);
}

/* An owner who closes in `received` has made it ready again: it goes at the next turn. */
static void tell(struct sock *s)
{
    bool closing = s->state == SOCK_CLOSING;

    late_deliver(s);
    if (closing && s->owed == 0)
        finish(s);
    else
        settle(s);
}

/* What owners make ready while they are told waits for the next turn. */
void uring_socks_ready(struct uring *u)
{
    struct socket *ready = sockets_take_ready(&u->sockets);

    while (ready != NULL)
        tell(sock_of(socket_take_ready(&ready)));
}
