#include "cli/conn.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "cli/conn_parts.h"
#include "cli/tls_client.h"

#define READ_SIZE      (size_t)(256 * 1024)
#define OUT_MUCH       (size_t)(64 * 1024)
#define CLOSE_WAIT_NS  INT64_C(1000000000)
#define WRITE_STALL_NS INT64_C(30000000000)
#define SKIPPED_MUCH   1024u /* so many frames that nobody waits for, then a look at the clock */

int64_t conn_now(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* is always there */
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int64_t later(int64_t after)
{
    int64_t moment;

    return __builtin_add_overflow(conn_now(), after, &moment) ? INT64_MAX : moment;
}

enum conn_verdict conn_failed(struct conn *conn, enum conn_verdict verdict, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    (void)vsnprintf(conn->error, sizeof(conn->error), format, list);
    va_end(list);
    return verdict;
}

/* ---- moving bytes ---------------------------------------------------------------------------- */

static enum conn_verdict lost(struct conn *conn, const char *why)
{
    if (conn->denied) { /* it said why before it hung up */
        conn->denied = false;
        return CONN_LOST;
    }
    return conn_failed(conn, CONN_LOST, "the server closed the connection%s%s",
                       why[0] != 0 ? ": " : "", why);
}

static enum conn_verdict received(struct conn *conn, ssize_t n)
{
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return CONN_OK;
    return n <= 0 ? lost(conn, n < 0 ? strerror(errno) : "") : CONN_OK;
}

static enum conn_verdict receive_plain(struct conn *conn)
{
    uint8_t *room = buf_reserve(&conn->in, READ_SIZE);
    ssize_t n;

    if (room == NULL)
        return conn_failed(conn, CONN_LOST, "the server sends more than fits");
    n = recv(conn->fd, room, READ_SIZE, 0);
    if (n > 0)
        buf_commit(&conn->in, (size_t)n);
    return received(conn, n);
}

static enum conn_verdict receive_cipher(struct conn *conn)
{
    uint8_t room[16384];
    ssize_t n = recv(conn->fd, room, sizeof(room), 0);
    size_t before;

    if (n <= 0)
        return received(conn, n);
    before = conn->in.size;
    tls_client_feed(conn->tls, bytes_of(room, (size_t)n));
    /* The last words may come together with the end: they are heeded first. */
    conn->tls_over = tls_client_read(conn->tls, &conn->in) == TLS_BAD;
    return conn->tls_over && conn->in.size == before ? lost(conn, "TLS ended") : CONN_OK;
}

static enum conn_verdict receive(struct conn *conn)
{
    if (conn->head > 0) {
        buf_consume(&conn->in, conn->head);
        conn->head = 0;
    }
    if (conn->tls != NULL)
        return receive_cipher(conn);
    if (conn->large.at != NULL && conn->large.got < conn->large.msg.payload.size)
        return received(conn, conn_large_receive(conn));
    return receive_plain(conn);
}

/* What must go over the wire. */
static struct buf *outgoing(struct conn *conn)
{
    if (conn->tls == NULL)
        return &conn->out;
    if (conn->out.size > 0 && tls_client_write(conn->tls, buf_bytes(&conn->out)))
        buf_clear(&conn->out);
    tls_client_take(conn->tls, &conn->wire);
    return &conn->wire;
}

static enum conn_verdict send_some(struct conn *conn, struct buf *from)
{
    ssize_t n = send(conn->fd, from->at, from->size, MSG_NOSIGNAL);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return CONN_OK;
    if (n < 0) {
        /* Its last words may be there to read. */
        return lost(conn, strerror(errno));
    }
    buf_consume(from, (size_t)n);
    return CONN_OK;
}

static int wait_ms(int64_t until)
{
    int64_t left = until == INT64_MAX ? INT64_MAX : until - conn_now();

    if (left <= 0)
        return 0;
    if (left / 1000000 >= 1000000)
        return 1000000000;
    return (int)((left + 999999) / 1000000);
}

enum conn_verdict conn_turn(struct conn *conn, int64_t until, bool read_wanted)
{
    struct buf *from = outgoing(conn);
    struct pollfd fds[2] = {
        {.fd = conn->fd,
         .events = (short)((from->size > 0 ? POLLOUT : 0) |
                           (read_wanted || conn->in.size < READ_SIZE * 16 ? POLLIN : 0))},
        {.fd = conn->wake, .events = POLLIN}};
    int ready = conn->tls_over ? 0 : poll(fds, 2, wait_ms(until));

    if (conn->tls_over)
        return lost(conn, "TLS ended");
    if (ready < 0 && errno != EINTR)
        return lost(conn, strerror(errno));
    if (ready <= 0)
        return CONN_TIMEOUT;
    if (fds[1].revents != 0) {
        conn->wake = -1; /* what cleans up now may talk again */
        return conn_failed(conn, CONN_INTERRUPTED, "interrupted");
    }
    if ((fds[0].revents & POLLOUT) != 0) {
        enum conn_verdict sent = send_some(conn, from);

        if (sent != CONN_OK)
            return sent;
    }
    if ((fds[0].revents & (POLLIN | POLLHUP | POLLERR)) != 0)
        return receive(conn);
    return CONN_OK;
}

enum conn_verdict conn_drain(struct conn *conn, int64_t until)
{
    /* The usual case: the kernel takes it at once. */
    if (conn->tls == NULL && conn->out.size > 0) {
        enum conn_verdict sent = send_some(conn, &conn->out);

        if (sent != CONN_OK)
            return sent;
    }
    while (outgoing(conn)->size > 0) {
        enum conn_verdict moved = conn_turn(conn, until, false);

        if (moved == CONN_TIMEOUT && conn_now() >= until)
            return conn_failed(conn, CONN_LOST, "the server takes no more data");
        if (moved != CONN_OK && moved != CONN_TIMEOUT)
            return moved;
    }
    return CONN_OK;
}

/* ---- sending --------------------------------------------------------------------------------- */

enum conn_verdict conn_flush(struct conn *conn)
{
    return conn_drain(conn, later(WRITE_STALL_NS));
}

/* Whatever would end a word of the protocol, and let what follows be read as something else. */
static bool ends_words(struct bytes subject)
{
    for (size_t i = 0; i < subject.size; i++)
        if (subject.at[i] == ' ' || (subject.at[i] >= '\t' && subject.at[i] <= '\r'))
            return true;
    return false;
}

enum conn_verdict conn_publish(struct conn *conn, struct bytes subject, struct bytes reply,
                               struct bytes header, struct bytes payload)
{
    struct buf *out = &conn->out;
    size_t size = header.size + payload.size;

    if (ends_words(subject) || ends_words(reply))
        return conn_failed(conn, CONN_WRONG, "\"%.*s\" is no subject",
                           BYTES_ARG(ends_words(subject) ? subject : reply));
    if (conn->info.max_payload > 0 && size > conn->info.max_payload)
        return conn_failed(conn, CONN_WRONG,
                           "a message of %zu bytes is more than the server takes (%llu)", size,
                           (unsigned long long)conn->info.max_payload);
    if (out->size > OUT_MUCH) {
        enum conn_verdict flushed = conn_flush(conn);

        if (flushed != CONN_OK)
            return flushed;
    }
    buf_add(out, header.size > 0 ? BYTES("HPUB ") : BYTES("PUB "));
    buf_add(out, subject);
    buf_add_byte(out, ' ');
    if (reply.size > 0) {
        buf_add(out, reply);
        buf_add_byte(out, ' ');
    }
    if (header.size > 0) {
        buf_add_u64(out, header.size);
        buf_add_byte(out, ' ');
    }
    buf_add_u64(out, size);
    buf_add(out, BYTES("\r\n"));
    buf_add(out, header);
    buf_add(out, payload);
    buf_add(out, BYTES("\r\n"));
    return CONN_OK;
}

uint64_t conn_subscribe(struct conn *conn, struct bytes subject, struct bytes queue)
{
    uint64_t sid = ++conn->sid_last;

    buf_add(&conn->out, BYTES("SUB "));
    buf_add(&conn->out, subject);
    buf_add_byte(&conn->out, ' ');
    buf_add(&conn->out, queue);
    buf_print(&conn->out, " %llu\r\n", (unsigned long long)sid);
    return sid;
}

void conn_unsubscribe(struct conn *conn, uint64_t sid, uint64_t max)
{
    if (max == 0)
        buf_print(&conn->out, "UNSUB %llu\r\n", (unsigned long long)sid);
    else
        buf_print(&conn->out, "UNSUB %llu %llu\r\n", (unsigned long long)sid,
                  (unsigned long long)max);
}

/* ---- receiving ------------------------------------------------------------------------------- */

static size_t stash_size(const struct msg *msg)
{
    return sizeof(struct stash) + msg->subject.size + msg->reply.size + msg->header.size +
           msg->payload.size;
}

static enum conn_verdict put_away(struct conn *conn, const struct msg *msg)
{
    size_t size = stash_size(msg);
    struct stash *stash;
    uint8_t *at;
    struct bytes *parts[4];
    const struct bytes from[4] = {msg->subject, msg->reply, msg->header, msg->payload};

    if (size > CONN_BUFFER_MAX - conn->stash_size)
        return conn_failed(conn, CONN_LOST, "the server sends more than fits");
    stash = malloc(size);
    assert(stash != NULL);
    conn->stash_size += size;
    at = stash->bytes;
    *stash = (struct stash){.msg = {.sid = msg->sid}};
    parts[0] = &stash->msg.subject;
    parts[1] = &stash->msg.reply;
    parts[2] = &stash->msg.header;
    parts[3] = &stash->msg.payload;
    for (size_t i = 0; i < 4; i++) {
        if (from[i].size > 0)
            memcpy(at, from[i].at, from[i].size);
        *parts[i] = bytes_of(at, from[i].size);
        at += from[i].size;
    }
    if (conn->stash_last != NULL)
        conn->stash_last->next = stash;
    else
        conn->stash_first = stash;
    conn->stash_last = stash;
    return CONN_OK;
}

/* The first that waits in line for `sid` (0: any). */
static bool take_away(struct conn *conn, uint64_t sid, struct msg *msg)
{
    struct stash *before = NULL;

    free(conn->handed);
    conn->handed = NULL;
    for (struct stash *at = conn->stash_first; at != NULL; before = at, at = at->next) {
        if (sid != 0 && at->msg.sid != sid)
            continue;
        if (before != NULL)
            before->next = at->next;
        else
            conn->stash_first = at->next;
        if (conn->stash_last == at)
            conn->stash_last = before;
        conn->stash_size -= stash_size(&at->msg);
        conn->handed = at;
        *msg = at->msg;
        return true;
    }
    return false;
}

static void remember_error(struct conn *conn, struct bytes text)
{
    if (text.size >= 2 && text.at[0] == '\'')
        text = bytes_of(text.at + 1, text.size - 2);
    if (text.size == 0)
        text = BYTES("the server refuses, without a word why");
    (void)conn_failed(conn, CONN_DENIED, "%.*s", BYTES_ARG(text));
    conn->denied = true;
}

/* What is not awaited: a message goes into the line, all else is dealt with here. */
static enum conn_verdict heed(struct conn *conn, const struct frame *frame)
{
    switch (frame->kind) {
    case FRAME_PING: buf_add(&conn->out, BYTES("PONG\r\n")); break;
    case FRAME_PONG: conn->pongs++; break;
    case FRAME_ERR: remember_error(conn, frame->text); break;
    case FRAME_MSG: return put_away(conn, &frame->msg);
    case FRAME_INFO: /* who else is in the cluster: we stay with this one */
    case FRAME_OK: break;
    }
    return CONN_OK;
}

/* A server that never stops talking must not talk us past the time that we wait. */
static bool talks_too_long(unsigned *skipped, int64_t until)
{
    return ++*skipped % SKIPPED_MUCH == 0 && conn_now() >= until;
}

static enum conn_verdict read_frame(const struct conn *conn, struct bytes rest, struct frame *frame)
{
    return conn->large.at != NULL ? conn_large_end(conn, rest, frame)
                                  : conn_read_frame(rest, frame);
}

/* The next frame that was read already. CONN_TIMEOUT: none is whole. */
static enum conn_verdict next_frame(struct conn *conn, struct frame *frame)
{
    struct bytes rest = bytes_skip(buf_bytes(&conn->in), conn->head);
    enum conn_verdict verdict = read_frame(conn, rest, frame);

    if (verdict == CONN_LOST)
        return conn_failed(conn, CONN_LOST, "the server speaks something else than NATS: %.*s",
                           (int)(rest.size < 60 ? bytes_find(rest, '\r') : 60), (char *)rest.at);
    if (verdict == CONN_OK) {
        conn->head += frame->size;
        conn->large.at = NULL;
    } else if (conn->large.at == NULL && frame->size > 0) {
        (void)conn_large_begin(conn, rest, frame);
    }
    return verdict;
}

static bool tell_denied(struct conn *conn)
{
    bool denied = conn->denied;

    conn->denied = false;
    return denied;
}

enum conn_verdict conn_next_of(struct conn *conn, uint64_t sid, int64_t until, struct msg *msg)
{
    unsigned skipped = 0;

    if (take_away(conn, sid, msg))
        return CONN_OK;
    for (;;) {
        struct frame frame;
        enum conn_verdict verdict = next_frame(conn, &frame);

        if (verdict == CONN_OK && frame.kind == FRAME_MSG && (sid == 0 || frame.msg.sid == sid)) {
            *msg = frame.msg;
            return CONN_OK;
        }
        if (verdict == CONN_OK) {
            verdict = heed(conn, &frame);
            if (verdict == CONN_OK && talks_too_long(&skipped, until))
                return conn_failed(conn, CONN_TIMEOUT, "no answer within the timeout");
            if (verdict == CONN_OK)
                continue;
        }
        if (verdict != CONN_TIMEOUT)
            return verdict;
        if (tell_denied(conn))
            return CONN_DENIED;
        verdict = conn_drain(conn, later(WRITE_STALL_NS));
        if (verdict == CONN_OK)
            verdict = conn_turn(conn, until, true);
        if (verdict == CONN_TIMEOUT && conn_now() >= until)
            return conn_failed(conn, CONN_TIMEOUT, "no answer within the timeout");
        if (verdict != CONN_OK && verdict != CONN_TIMEOUT)
            return verdict;
    }
}

enum conn_verdict conn_next(struct conn *conn, int64_t until, struct msg *msg)
{
    return conn_next_of(conn, 0, until, msg);
}

bool conn_has_more(const struct conn *conn)
{
    struct frame frame;

    return conn->stash_first != NULL ||
           read_frame(conn, bytes_skip(buf_bytes(&conn->in), conn->head), &frame) == CONN_OK;
}

enum conn_verdict conn_sync(struct conn *conn, int64_t timeout_ns)
{
    int64_t until = later(timeout_ns);
    unsigned skipped = 0;

    buf_add(&conn->out, BYTES("PING\r\n"));
    conn->pongs_due++;
    while (conn->pongs < conn->pongs_due) {
        struct frame frame;
        enum conn_verdict verdict = next_frame(conn, &frame);

        if (verdict == CONN_OK) {
            verdict = heed(conn, &frame);
            if (verdict == CONN_OK && talks_too_long(&skipped, until))
                verdict = CONN_TIMEOUT;
        } else if (verdict == CONN_TIMEOUT) {
            verdict = conn_drain(conn, until) == CONN_OK ? conn_turn(conn, until, true) : CONN_LOST;
        }
        if (verdict == CONN_TIMEOUT && conn_now() >= until)
            return tell_denied(conn)
                       ? CONN_DENIED
                       : conn_failed(conn, CONN_TIMEOUT, "the server does not answer");
        if (verdict != CONN_OK && verdict != CONN_TIMEOUT)
            return verdict;
    }
    return tell_denied(conn) ? CONN_DENIED : CONN_OK;
}

/* ---- requests -------------------------------------------------------------------------------- */

static void name_inbox(struct conn *conn)
{
    char unique[NUID_SIZE];

    nuid_next(&conn->nuid, &conn->prng, unique);
    snprintf(conn->inbox, sizeof(conn->inbox), "%.64s.%.*s.", conn->settings->inbox_prefix,
             (int)NUID_SIZE, unique);
}

struct bytes conn_inbox(struct conn *conn, struct arena *arena)
{
    char unique[NUID_SIZE], text[128];

    nuid_next(&conn->nuid, &conn->prng, unique);
    snprintf(text, sizeof(text), "%.64s.%.*s", conn->settings->inbox_prefix, (int)NUID_SIZE,
             unique);
    return arena_copy(arena, bytes_of_text(text));
}

uint64_t conn_ask(struct conn *conn, struct bytes subject, struct bytes header,
                  struct bytes payload, enum conn_verdict *verdict)
{
    char reply[160];

    if (conn->mux_sid == 0) {
        name_inbox(conn);
        snprintf(reply, sizeof(reply), "%s*", conn->inbox);
        conn->mux_sid = conn_subscribe(conn, bytes_of_text(reply), (struct bytes){0});
    }
    snprintf(reply, sizeof(reply), "%s%llu", conn->inbox, (unsigned long long)++conn->request_last);
    *verdict = conn_publish(conn, subject, bytes_of_text(reply), header, payload);
    return conn->request_last;
}

enum conn_verdict conn_answer(struct conn *conn, int64_t until, uint64_t *number, struct msg *msg)
{
    size_t prefix = strlen(conn->inbox);
    unsigned skipped = 0;

    for (;;) {
        enum conn_verdict verdict = conn_next_of(conn, conn->mux_sid, until, msg);

        if (verdict != CONN_OK)
            return verdict;
        if (msg->subject.size > prefix && bytes_read_u64(bytes_skip(msg->subject, prefix), number))
            return CONN_OK;
        if (talks_too_long(&skipped, until))
            return conn_failed(conn, CONN_TIMEOUT, "no answer within the timeout");
    }
}

enum conn_verdict conn_request(struct conn *conn, struct bytes subject, struct bytes header,
                               struct bytes payload, int64_t timeout_ns, struct arena *arena,
                               struct msg *answer)
{
    int64_t until = later(timeout_ns);
    enum conn_verdict verdict;
    uint64_t wanted = conn_ask(conn, subject, header, payload, &verdict), number = 0;
    unsigned skipped = 0;
    struct msg msg;

    while (verdict == CONN_OK && number != wanted) { /* what comes too late is nobody's */
        verdict = conn_answer(conn, until, &number, &msg);
        if (verdict == CONN_OK && number != wanted && talks_too_long(&skipped, until))
            verdict = conn_failed(conn, CONN_TIMEOUT, "no answer within the timeout");
    }
    if (verdict == CONN_OK)
        msg_copy(answer, &msg, arena);
    return verdict;
}

/* ---- the end --------------------------------------------------------------------------------- */

void conn_close(struct conn *conn)
{
    (void)conn_drain(conn, later(CLOSE_WAIT_NS)); /* we leave either way */
    (void)close(conn->fd);
    tls_client_destroy(conn->tls);
    while (conn->stash_first != NULL) {
        struct stash *next = conn->stash_first->next;

        free(conn->stash_first);
        conn->stash_first = next;
    }
    free(conn->handed);
    buf_deinit(&conn->in);
    buf_deinit(&conn->out);
    buf_deinit(&conn->wire);
    arena_deinit(&conn->arena);
}
