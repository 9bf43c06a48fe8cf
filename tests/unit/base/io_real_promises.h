/*
 * io_real_promises: what base/io.h promises of a backend on the real system: sockets with strangers
 * at the other end, threads, the end with everything in flight. The including test says which
 * backend (real_create).
 */
#ifndef TESTS_UNIT_BASE_IO_REAL_PROMISES_H
#define TESTS_UNIT_BASE_IO_REAL_PROMISES_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/base/io_connect_promises.h"
#include "tests/unit/directory.h"

#define MEBIBYTE (1u << 20)

/* ---- the world: a temporary directory ------------------------------------------------------- */

static char root[64];

/* The backend under test, with default buffers when that is 0. Returns what creating it does. */
static enum err real_create(const char *root_or_null, unsigned buffers, unsigned buffer_size,
                            char *reason, struct io **io);

static struct io *world_begin(void)
{
    char reason[160] = "";
    struct io *io = NULL;

    directory_make(root);
    ck_assert_msg(real_create(root, 0, 0, reason, &io) == OK, "%s", reason);
    return io;
}

static void world_end(struct io *io)
{
    io_destroy(io);
    directory_remove(root);
}

/* ---- the peers: ours is an io_sock, theirs a plain socket ----------------------------------- */

struct conn {
    struct io *io;
    struct io_sock *sock;
    struct io_address peer;
    uint8_t *got; /* all that was received */
    size_t got_size;
    size_t pause_after; /* pause itself when so much was received */
    size_t ended_at;    /* got_size when the end was told */
    bool echo;
    uint8_t *echoing;
    int sent;
    int ended;
    int reason;
    int closed;
    bool parted;
    bool enough; /* for a turn, when something was received */
    int64_t released;
};

struct host {
    struct io *io;
    struct io_listener *listener;
    uint16_t port;
    struct conn *conns[64];
    size_t count;
    bool start; /* accepted sockets are started at once */
    bool echo;
};

static void echo_more(struct conn *c);

static void conn_received(void *owner, struct bytes b)
{
    struct conn *c = owner;

    ck_assert_uint_gt(b.size, 0);
    ck_assert_int_eq(c->ended, 0);
    ck_assert_int_eq(c->closed, 0);
    c->got = heap_resize(c->got, c->got_size + b.size);
    memcpy(c->got + c->got_size, b.at, b.size);
    c->got_size += b.size;
    if (c->pause_after > 0 && c->got_size >= c->pause_after) {
        c->pause_after = 0;
        io_sock_pause(c->io, c->sock);
    }
    if (c->enough)
        io_turn_enough(c->io);
    echo_more(c);
}

static void conn_sent(void *owner)
{
    struct conn *c = owner;

    ck_assert(!io_sock_sending(c->sock));
    c->sent++;
    heap_give(c->echoing);
    c->echoing = NULL;
    echo_more(c);
}

static void echo_more(struct conn *c)
{
    struct bytes piece = {c->got, c->got_size};

    if (!c->echo || io_sock_sending(c->sock) || c->got_size == 0)
        return;
    c->echoing = c->got;
    c->got = NULL;
    c->got_size = 0;
    io_sock_send(c->io, c->sock, &piece, 1);
}

static void conn_ended(void *owner, int reason)
{
    struct conn *c = owner;

    c->ended++;
    c->ended_at = c->got_size;
    c->reason = reason;
}

static void conn_closed(void *owner)
{
    struct conn *c = owner;

    c->closed++;
    heap_give(c->echoing);
    c->echoing = NULL;
}

static void conn_parted(void *owner, int64_t released)
{
    struct conn *c = owner;

    ck_assert(!c->parted);
    ck_assert(c->echoing == NULL);
    c->parted = true;
    c->released = released;
    c->sock = NULL;
}

static const struct io_sock_events conn_events = {conn_received, conn_sent, conn_ended, conn_closed,
                                                  conn_parted};

static void host_accepted(void *context, struct io_sock *sock, const struct io_address *peer)
{
    struct host *host = context;
    struct conn *c = HEAP_NEW(struct conn);

    ck_assert_uint_lt(host->count, UNIT_COUNT(host->conns));
    c->io = host->io;
    c->sock = sock;
    c->peer = *peer;
    c->echo = host->echo;
    host->conns[host->count++] = c;
    if (host->start)
        io_sock_start(host->io, sock, &conn_events, c);
}

static void host_begin(struct host *host)
{
    *host = (struct host){.io = world_begin(), .start = true};
    ck_assert_int_eq(
        io_listen(host->io, "127.0.0.1", 0, host_accepted, host, &host->listener, &host->port), OK);
    ck_assert_uint_ne(host->port, 0);
}

static void host_end(struct host *host)
{
    io_listener_close(host->io, host->listener);
    for (size_t i = 0; i < host->count; i++) {
        struct conn *c = host->conns[i];

        if (c->closed == 0)
            io_sock_close(host->io, c->sock, false);
        while (c->closed == 0)
            turn(host->io);
        ck_assert_int_eq(c->closed, 1);
        heap_give(c->got);
        heap_give(c);
    }
    world_end(host->io);
}

static int peer_connect(struct host *host)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(host->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

/* Connects and returns when the host has accepted. */
static int peer_accepted(struct host *host, struct conn **conn)
{
    size_t count = host->count;
    int fd = peer_connect(host);

    while (host->count == count)
        turn(host->io);
    *conn = host->conns[count];
    return fd;
}

static void peer_write(int fd, const void *at, size_t size)
{
    ck_assert_int_eq(send(fd, at, size, MSG_NOSIGNAL), (ssize_t)size);
}

static void fill_pattern(uint8_t *at, size_t size)
{
    for (size_t i = 0; i < size; i++)
        at[i] = (uint8_t)(i * 31 + i / 251);
}

/* Some turns in which nothing need happen. */
static void settle(struct io *io)
{
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(io_turn(io, SECOND / 500), OK);
}

/* ---- sockets -------------------------------------------------------------------------------- */

START_TEST(a_mebibyte_comes_back_as_it_was_sent)
{
    uint8_t *out = heap_take(MEBIBYTE), *in = heap_take(MEBIBYTE);
    size_t written = 0, read = 0;
    struct host host;
    struct conn *c;
    int fd;

    host_begin(&host);
    host.echo = true;
    fd = peer_accepted(&host, &c);
    fill_pattern(out, MEBIBYTE);
    while (read < MEBIBYTE) {
        ssize_t count = send(fd, out + written, MEBIBYTE - written, MSG_DONTWAIT | MSG_NOSIGNAL);

        written += count > 0 ? (size_t)count : 0;
        ck_assert_int_eq(io_turn(host.io, SECOND / 1000), OK);
        count = recv(fd, in + read, MEBIBYTE - read, MSG_DONTWAIT);
        read += count > 0 ? (size_t)count : 0;
    }
    ck_assert(memcmp(in, out, MEBIBYTE) == 0);
    close(fd);
    host_end(&host);
    heap_give(out);
    heap_give(in);
}
END_TEST

START_TEST(a_send_larger_than_the_socket_takes_is_continued_until_whole)
{
    uint8_t *out = heap_take(8 * MEBIBYTE), *in = heap_take(8 * MEBIBYTE);
    struct bytes pieces[IO_PIECES_MAX];
    struct host host;
    struct conn *c;
    size_t read = 0;
    int fd;

    host_begin(&host);
    fd = peer_accepted(&host, &c);
    fill_pattern(out, 8 * MEBIBYTE);
    for (size_t i = 0; i < IO_PIECES_MAX; i++)
        pieces[i] = bytes_of(out + i * MEBIBYTE / 2, i == 3 ? 0 : MEBIBYTE / 2);
    pieces[2].size = MEBIBYTE; /* piece 3 is empty and its bytes are piece 2's */
    io_sock_send(host.io, c->sock, pieces, IO_PIECES_MAX);
    memset(pieces, 0xee, sizeof(pieces)); /* the array was copied */
    while (read < 8 * MEBIBYTE) {
        ssize_t count = recv(fd, in + read, 8 * MEBIBYTE - read, MSG_DONTWAIT);

        read += count > 0 ? (size_t)count : 0;
        if (count <= 0)
            ck_assert_int_eq(io_turn(host.io, SECOND / 1000), OK);
        ck_assert(c->sent == 0 || read > 0);
    }
    while (c->sent == 0)
        turn(host.io);
    ck_assert(memcmp(in, out, 8 * MEBIBYTE) == 0);
    close(fd);
    host_end(&host);
    heap_give(out);
    heap_give(in);
}
END_TEST

START_TEST(an_accepted_socket_receives_nothing_until_it_is_started)
{
    struct host host;
    struct conn *c;
    int fd;

    host_begin(&host);
    host.start = false;
    fd = peer_accepted(&host, &c);
    peer_write(fd, "early", 5);
    settle(host.io);
    ck_assert_uint_eq(c->got_size, 0);
    io_sock_start(host.io, c->sock, &conn_events, c);
    while (c->got_size < 5)
        turn(host.io);
    ck_assert(memcmp(c->got, "early", 5) == 0);
    ck_assert_str_eq(c->peer.text, "127.0.0.1");
    ck_assert_uint_ne(c->peer.port, 0);
    close(fd);
    host_end(&host);
}
END_TEST

START_TEST(a_socket_that_is_handed_over_tells_its_new_owner_and_goes_on_with_its_send)
{
    struct host host;
    struct conn *c, other;
    int fd;

    host_begin(&host);
    host.echo = true;
    fd = peer_accepted(&host, &c);
    peer_write(fd, "first", 5);
    while (c->sent == 0 && c->echoing == NULL)
        turn(host.io);
    other = *c;
    *c = (struct conn){.io = host.io};
    io_sock_hand(host.io, other.sock, &conn_events, &other);
    while (other.sent == 0)
        turn(host.io);
    other.echo = false;
    peer_write(fd, "again", 5);
    while (other.got_size < 5)
        turn(host.io);
    ck_assert(memcmp(other.got, "again", 5) == 0);
    close(fd);
    while (other.ended == 0)
        turn(host.io);
    io_sock_close(host.io, other.sock, false);
    while (other.closed == 0)
        turn(host.io);
    ck_assert_int_eq(c->sent + c->ended + c->closed, 0);
    heap_give(other.got);
    c->closed = 1;
    host_end(&host);
}
END_TEST

START_TEST(a_socket_that_was_never_started_can_be_closed)
{
    struct host host;
    struct conn *c;
    char byte;
    int fd;

    host_begin(&host);
    host.start = false;
    fd = peer_accepted(&host, &c);
    io_sock_close(host.io, c->sock, false);
    c->closed = 1; /* nobody is told */
    settle(host.io);
    ck_assert_int_eq(recv(fd, &byte, 1, 0), 0);
    close(fd);
    host_end(&host);
}
END_TEST

START_TEST(pausing_loses_nothing_and_keeps_the_order)
{
    size_t total = 4 * MEBIBYTE, written = 0, held;
    uint8_t *out = heap_take(total);
    struct host host;
    struct conn *c;
    int fd;

    host_begin(&host);
    fd = peer_accepted(&host, &c);
    fill_pattern(out, total);
    while (c->got_size < total) {
        ssize_t count = send(fd, out + written, total - written, MSG_DONTWAIT | MSG_NOSIGNAL);

        written += count > 0 ? (size_t)count : 0;
        c->pause_after = c->got_size + 1; /* in the next call of `received` */
        io_sock_resume(host.io, c->sock);
        if (written % 3 == 0) {
            io_sock_pause(host.io, c->sock); /* before anything of it reached the kernel */
            io_sock_resume(host.io, c->sock);
        }
        settle(host.io);
        held = c->got_size;
        if (c->pause_after == 0) {
            settle(host.io);
            ck_assert_uint_eq(c->got_size, held); /* nothing while paused */
        }
    }
    ck_assert(memcmp(c->got, out, total) == 0);
    close(fd);
    host_end(&host);
    heap_give(out);
}
END_TEST

static void conn_move(struct conn *c, struct io *io)
{
    c->parted = false;
    c->io = io;
    c->sock = io_sock_adopt(io, c->released);
    io_sock_start(io, c->sock, &conn_events, c);
}

/* Bytes flow in both directions all the time. */
START_TEST(a_socket_that_changes_its_io_loses_nothing_and_keeps_the_order)
{
    uint8_t *out = heap_take(4 * MEBIBYTE), *in = heap_take(4 * MEBIBYTE);
    size_t total = 4 * MEBIBYTE, written = 0, read = 0, moves = 0;
    struct host host;
    struct io *other, *ios[2];
    struct conn *c;
    char reason[160];
    int fd;

    host_begin(&host);
    ck_assert_int_eq(real_create(NULL, 0, 0, reason, &other), OK);
    ios[0] = host.io;
    ios[1] = other;
    host.echo = true;
    fd = peer_accepted(&host, &c);
    fill_pattern(out, total);
    while (read < total) {
        size_t most = total - written < 9999 ? total - written : 9999;
        ssize_t count = send(fd, out + written, most, MSG_DONTWAIT | MSG_NOSIGNAL);

        written += count > 0 ? (size_t)count : 0;
        if (c->parted)
            conn_move(c, ios[++moves % 2]);
        else if (written % 2 == 0)
            io_sock_part(c->io, c->sock);
        for (int i = 0; i < 2; i++)
            ck_assert_int_eq(io_turn(ios[i], SECOND / 100000), OK);
        count = recv(fd, in + read, total - read, MSG_DONTWAIT);
        read += count > 0 ? (size_t)count : 0;
    }
    ck_assert(memcmp(in, out, total) == 0);
    ck_assert_uint_gt(moves, 10);
    while (c->parted || moves % 2 != 0) {
        if (c->parted)
            conn_move(c, ios[++moves % 2]);
        else
            io_sock_part(c->io, c->sock);
        for (int i = 0; i < 2; i++)
            ck_assert_int_eq(io_turn(ios[i], SECOND / 100000), OK);
    }
    close(fd);
    host_end(&host);
    io_destroy(other);
    heap_give(out);
    heap_give(in);
}
END_TEST

START_TEST(an_end_or_a_close_comes_instead_of_parting_or_after_it)
{
    struct host host;
    struct conn *c;
    int fd;

    host_begin(&host);
    fd = peer_accepted(&host, &c);
    close(fd);
    settle(host.io); /* it has ended */
    io_sock_part(host.io, c->sock);
    settle(host.io);
    ck_assert_int_eq(c->ended, 1);
    ck_assert(!c->parted);

    fd = peer_accepted(&host, &c);
    io_sock_part(host.io, c->sock);
    io_sock_close(host.io, c->sock, false);
    settle(host.io);
    ck_assert_int_eq(c->closed, 1);
    ck_assert(!c->parted);
    close(fd);

    fd = peer_accepted(&host, &c);
    io_sock_pause(host.io, c->sock);
    io_sock_part(host.io, c->sock);
    settle(host.io);
    ck_assert(!c->parted); /* it would lose what came before the pause */
    io_sock_resume(host.io, c->sock);
    settle(host.io);
    ck_assert(c->parted);
    peer_write(fd, "late", 4);
    close(fd);
    conn_move(c, host.io);
    while (c->ended == 0)
        turn(host.io);
    ck_assert_uint_eq(c->got_size, 4);

    fd = peer_accepted(&host, &c);
    io_sock_part(host.io, c->sock);
    settle(host.io);
    ck_assert(c->parted);
    io_sock_drop(host.io, c->released);
    c->closed = 1;
    close(fd);
    host_end(&host);
}
END_TEST

/* Once per turn: what was queued while paused and what arrives now meet. */
static void resume_and_pause_again(void *context)
{
    struct conn *c = ((struct host *)context)->conns[0];

    if (c == NULL || c->pause_after > 0)
        return;
    c->pause_after = c->got_size + 1;
    io_sock_resume(c->io, c->sock);
}

START_TEST(bytes_queued_while_paused_come_before_newer_ones)
{
    enum { TOTAL = 256 << 10 };
    uint8_t *out = heap_take(TOTAL);
    struct host host = {.start = true};
    int fd;

    world_end(world_begin());
    ck_assert_int_eq(real_create(root, 16, 64, NULL, &host.io), OK);
    ck_assert_int_eq(
        io_listen(host.io, "127.0.0.1", 0, host_accepted, &host, &host.listener, &host.port), OK);
    io_set_flush(host.io, resume_and_pause_again, &host);
    fill_pattern(out, TOTAL);
    fd = peer_connect(&host);
    peer_write(fd, out, TOTAL);
    while (host.count == 0 || host.conns[0]->got_size < TOTAL)
        turn(host.io);
    ck_assert(memcmp(host.conns[0]->got, out, TOTAL) == 0);
    close(fd);
    host_end(&host);
    heap_give(out);
}
END_TEST

START_TEST(the_end_is_told_after_all_bytes_and_while_paused_not_at_all)
{
    struct host host;
    struct conn *c;
    int fd;

    host_begin(&host);
    fd = peer_accepted(&host, &c);
    c->pause_after = 1;
    peer_write(fd, "first", 5);
    while (c->got_size < 5)
        turn(host.io);
    peer_write(fd, "last", 4);
    close(fd);
    settle(host.io);
    ck_assert_int_eq(c->ended, 0);
    io_sock_resume(host.io, c->sock);
    while (c->ended == 0)
        turn(host.io);
    ck_assert_uint_eq(c->ended_at, 9);
    ck_assert(memcmp(c->got, "firstlast", 9) == 0);
    ck_assert_int_eq(c->reason, 0);
    settle(host.io);
    ck_assert_int_eq(c->ended, 1);
    host_end(&host);
}
END_TEST

/* Of which a few are in use when each is filled, and all when none is. */
static void starve_nobody(unsigned buffers, unsigned buffer_size)
{
    enum { PEERS = 48, EACH = 64 << 10 };
    uint8_t *out = heap_take(EACH);
    struct host host = {.start = true};
    int fds[PEERS];

    world_end(world_begin());
    ck_assert_int_eq(real_create(root, buffers, buffer_size, NULL, &host.io), OK);
    ck_assert_int_eq(io_listen(host.io, "", 0, host_accepted, &host, &host.listener, &host.port),
                     OK);
    fill_pattern(out, EACH);
    for (int i = 0; i < PEERS; i++) {
        fds[i] = peer_connect(&host);
        peer_write(fds[i], out, EACH);
    }
    for (size_t i = 0; i < PEERS; i++) {
        while (host.count <= i || host.conns[i]->got_size < EACH)
            turn(host.io);
        ck_assert(memcmp(host.conns[i]->got, out, EACH) == 0);
        ck_assert_str_eq(host.conns[i]->peer.text, "127.0.0.1"); /* although the listener is v6 */
    }
    for (int i = 0; i < PEERS; i++)
        close(fds[i]);
    host_end(&host);
    heap_give(out);
}

START_TEST(more_senders_than_buffers_starve_nobody)
{
    starve_nobody(4, 1024);
    starve_nobody(32, 64u << 10);
    starve_nobody(32, 512u << 10);
}
END_TEST

/* All of it has come before the first turn. */
START_TEST(a_turn_that_has_had_enough_leaves_the_rest_to_the_next_ones)
{
    enum { PEERS = 5 };
    struct host host;
    int fds[PEERS];

    host_begin(&host);
    for (size_t i = 0; i < PEERS; i++) {
        struct conn *c;

        fds[i] = peer_accepted(&host, &c);
        c->enough = true;
    }
    settle(host.io);
    for (size_t i = 0; i < PEERS; i++)
        peer_write(fds[i], "x", 1);
    for (size_t told = 1; told <= PEERS; told++) {
        size_t count = 0;

        turn(host.io);
        for (size_t i = 0; i < PEERS; i++)
            count += host.conns[i]->got_size;
        ck_assert_uint_le(count, told);
    }
    for (size_t i = 0; i < PEERS; i++) {
        while (host.conns[i]->got_size == 0)
            turn(host.io);
        close(fds[i]);
    }
    host_end(&host);
}
END_TEST

static void send_too_much(struct host *host, struct conn *c, uint8_t *memory)
{
    struct bytes piece = {memory, 32 * MEBIBYTE};

    io_sock_send(host->io, c->sock, &piece, 1);
    settle(host->io);
    ck_assert_int_eq(c->sent, 0);
    ck_assert(io_sock_sending(c->sock));
}

START_TEST(closing_with_a_send_in_flight_gives_the_memory_back_at_closed)
{
    uint8_t *memory = heap_take(32 * MEBIBYTE);
    struct host host;
    struct conn *c;
    int fd;

    host_begin(&host);
    fd = peer_accepted(&host, &c);
    send_too_much(&host, c, memory);
    io_sock_close(host.io, c->sock, false);
    ck_assert_int_eq(c->closed, 0);
    while (c->closed == 0)
        turn(host.io);
    ck_assert_int_eq(c->sent, 0);
    ck_assert_int_eq(c->ended, 0);
    close(fd);
    host_end(&host);
    heap_give(memory);
}
END_TEST

START_TEST(draining_lets_the_send_finish_and_a_second_close_does_not_wait)
{
    uint8_t *memory = heap_take(32 * MEBIBYTE);

    for (int patient = 0; patient < 2; patient++) {
        size_t read = 0;
        struct host host;
        struct conn *c;
        ssize_t count;
        int fd;

        host_begin(&host);
        fd = peer_accepted(&host, &c);
        send_too_much(&host, c, memory);
        io_sock_close(host.io, c->sock, true);
        settle(host.io);
        ck_assert_int_eq(c->closed, 0);
        if (!patient)
            io_sock_close(host.io, c->sock, false);
        while (c->closed == 0) {
            count = patient ? recv(fd, NULL, MEBIBYTE, MSG_DONTWAIT | MSG_TRUNC) : 0;
            read += count > 0 ? (size_t)count : 0;
            ck_assert_int_eq(io_turn(host.io, SECOND / 1000), OK);
        }
        while (patient && (count = recv(fd, NULL, MEBIBYTE, MSG_TRUNC)) > 0)
            read += (size_t)count;
        ck_assert(!patient || read == 32 * MEBIBYTE);
        close(fd);
        host_end(&host);
    }
    heap_give(memory);
}
END_TEST

START_TEST(a_failed_send_is_told_once_as_the_end)
{
    for (int paused = 0; paused < 2; paused++) {
        uint8_t *memory = heap_take(32 * MEBIBYTE);
        struct linger reset = {.l_onoff = 1};
        struct host host;
        struct conn *c;
        int fd;

        host_begin(&host);
        fd = peer_accepted(&host, &c);
        send_too_much(&host, c, memory);
        if (paused)
            io_sock_pause(host.io, c->sock);
        settle(host.io);
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        close(fd);
        while (c->ended == 0)
            turn(host.io);
        ck_assert(!paused || c->reason < 0); /* else the reset may be seen by the receive first */
        settle(host.io);
        ck_assert_int_eq(c->ended, 1);
        ck_assert_int_eq(c->sent, 0);
        host_end(&host);
        heap_give(memory);
    }
}
END_TEST

START_TEST(what_came_before_a_failed_send_is_received)
{
    struct bytes piece = BYTES("-ERR\r\n");
    struct host host;
    struct conn *c;
    int fd;

    host_begin(&host);
    host.start = false;
    fd = peer_accepted(&host, &c);
    peer_write(fd, "PUB a 1\r\nx\r\n", 12);
    io_sock_pause(host.io, c->sock); /* before the start: the bytes stay in the kernel */
    io_sock_start(host.io, c->sock, &conn_events, c);
    settle(host.io);
    io_sock_send(host.io, c->sock, &piece, 1);
    while (c->sent == 0)
        turn(host.io);
    close(fd); /* with our bytes unread: a reset */
    settle(host.io);
    io_sock_send(host.io, c->sock, &piece, 1);
    io_sock_resume(host.io, c->sock);
    while (c->ended == 0)
        turn(host.io);
    ck_assert_uint_eq(c->ended_at, 12);
    host_end(&host);
}
END_TEST

/* A conn that closes itself from inside the call that is named. */
enum closes_in { CLOSES_IN_RECEIVED, CLOSES_IN_SENT, CLOSES_IN_ENDED };

struct closer {
    struct io *io;
    struct io_sock *sock;
    enum closes_in when;
    int closed;
};

static void closer_close(struct closer *closer, enum closes_in now)
{
    ck_assert_int_eq(closer->closed, 0);
    if (now == closer->when)
        io_sock_close(closer->io, closer->sock, false);
}

static void closer_received(void *owner, struct bytes b)
{
    (void)b;
    closer_close(owner, CLOSES_IN_RECEIVED);
}

static void closer_sent(void *owner)
{
    closer_close(owner, CLOSES_IN_SENT);
}

static void closer_ended(void *owner, int reason)
{
    (void)reason;
    closer_close(owner, CLOSES_IN_ENDED);
}

static void closer_closed(void *owner)
{
    ((struct closer *)owner)->closed++;
}

static const struct io_sock_events closer_events = {closer_received, closer_sent, closer_ended,
                                                    closer_closed};

static void closer_accepted(void *context, struct io_sock *sock, const struct io_address *peer)
{
    struct closer *closer = context;

    (void)peer;
    closer->sock = sock;
    io_sock_start(closer->io, sock, &closer_events, closer);
}

/* Paused before bytes come and resumed after, so that they are told from the ready list as well. */
START_TEST(an_owner_may_close_from_inside_any_of_its_calls)
{
    for (int round = 0; round < 6; round++) {
        struct closer closer = {.io = world_begin(), .when = (enum closes_in)(round / 2)};
        struct host host = {.io = closer.io};
        struct bytes piece = BYTES("+OK");
        bool paused = round % 2 == 1;
        int fd;

        ck_assert_int_eq(io_listen(closer.io, "127.0.0.1", 0, closer_accepted, &closer,
                                   &host.listener, &host.port),
                         OK);
        fd = peer_connect(&host);
        while (closer.sock == NULL)
            turn(closer.io);
        if (paused)
            io_sock_pause(closer.io, closer.sock);
        peer_write(fd, "PING", 4);
        settle(closer.io);
        if (closer.closed == 0 && closer.when == CLOSES_IN_SENT)
            io_sock_send(closer.io, closer.sock, &piece, 1);
        if (closer.when == CLOSES_IN_ENDED)
            shutdown(fd, SHUT_WR);
        if (paused)
            io_sock_resume(closer.io, closer.sock);
        while (closer.closed == 0)
            turn(closer.io);
        settle(closer.io);
        ck_assert_int_eq(closer.closed, 1);
        close(fd);
        io_listener_close(closer.io, host.listener);
        world_end(closer.io);
    }
}
END_TEST

START_TEST(a_closed_listener_frees_its_port_and_accepts_no_more)
{
    struct io_listener *second;
    struct host host;
    uint16_t bound;

    host_begin(&host);
    ck_assert_int_eq(
        io_listen(host.io, "127.0.0.1", host.port, host_accepted, &host, &second, &bound),
        ERR_BUSY);
    io_listener_close(host.io, host.listener);
    ck_assert_int_eq(
        io_listen(host.io, "127.0.0.1", host.port, host_accepted, &host, &second, &bound), OK);
    ck_assert_uint_eq(bound, host.port);
    host.listener = second;
    settle(host.io);
    host_end(&host);
}
END_TEST

/* As the port of a killed server, whose sockets the kernel closes a while after it. */
static void *give_port_back(void *fd)
{
    static const struct timespec a_while = {.tv_nsec = 800000000};

    nanosleep(&a_while, NULL);
    close(*(int *)fd);
    return NULL;
}

struct told {
    int count;
    uint16_t port;
    int64_t wait_ns;
};

static void told_port_taken(void *context, const char *host, uint16_t port, int64_t wait_ns)
{
    struct told *told = context;

    ck_assert_str_eq(host, "127.0.0.1");
    told->count++;
    told->port = port;
    told->wait_ns = wait_ns;
}

START_TEST(a_port_that_is_soon_free_is_waited_for_aloud)
{
    struct told told = {0};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct io_listener *listener;
    struct host host;
    pthread_t thread;
    uint16_t bound;

    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, size), 0);
    ck_assert_int_eq(listen(fd, 1), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    host_begin(&host);
    io_set_port_taken(host.io, told_port_taken, &told);
    ck_assert_int_eq(pthread_create(&thread, NULL, give_port_back, &fd), 0);
    ck_assert_int_eq(io_listen(host.io, "127.0.0.1", ntohs(address.sin_port), host_accepted, &host,
                               &listener, &bound),
                     OK);
    ck_assert_int_eq(bound, ntohs(address.sin_port));
    ck_assert_int_eq(told.count, 1);
    ck_assert_int_eq(told.port, bound);
    ck_assert_int_gt(told.wait_ns, 0);
    pthread_join(thread, NULL);
    io_listener_close(host.io, listener);
    settle(host.io);
    host_end(&host);
}
END_TEST

START_TEST(hosts_are_numbers_localhost_or_any)
{
    static const char *const good[] = {"", "0.0.0.0", "::", "localhost", "127.0.0.1", "::1"};
    static const char *const bad[] = {"no such host", "1.2.3.4.5"};
    struct io *io = world_begin();
    struct io_listener *listener;
    struct host host = {0};
    uint16_t bound;

    for (size_t i = 0; i < UNIT_COUNT(good); i++) {
        ck_assert_int_eq(io_listen(io, good[i], 0, host_accepted, &host, &listener, &bound), OK);
        io_listener_close(io, listener);
    }
    for (size_t i = 0; i < UNIT_COUNT(bad); i++)
        ck_assert_int_eq(io_listen(io, bad[i], 0, host_accepted, &host, &listener, &bound),
                         ERR_INVALID);
    /* an address of another machine */
    ck_assert_int_eq(io_listen(io, "203.0.113.7", 0, host_accepted, &host, &listener, &bound),
                     ERR_NOT_FOUND);
    world_end(io);
}
END_TEST

/* A listener whose queue is full answers nothing: connections to it hang. */
static int full_listener(uint16_t *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    ck_assert_int_eq(listen(fd, 0), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&at, &size), 0);
    *port = ntohs(at.sin_port);
    for (int i = 0; i < 4; i++) {
        int filler = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        (void)!connect(filler, (struct sockaddr *)&at, sizeof(at)); /* left open on purpose */
    }
    return fd;
}

START_TEST(a_connection_that_hangs_is_closed_at_once_and_destroyed_without_a_call)
{
    struct bytes ping = BYTES("ping");
    struct io *io = world_begin();
    struct end closed = {0}, left = {0};
    int64_t before_ns;
    uint16_t port;
    int fd = full_listener(&port);

    closed.sock = io_connect(io, "127.0.0.1", port, &end_events, &closed);
    left.sock = io_connect(io, "127.0.0.1", port, &end_events, &left);
    io_sock_send(io, closed.sock, &ping, 1);
    settle(io);
    ck_assert_int_eq(closed.ended + left.ended + closed.sent, 0);
    before_ns = io_now(io);
    io_sock_close(io, closed.sock, true);
    while (closed.closed == 0)
        turn(io);
    ck_assert_int_lt(io_now(io) - before_ns, SECOND);
    world_end(io);
    ck_assert_int_eq(left.ended + left.closed, 0);
    close(fd);
}
END_TEST

/* The call itself says so: no stream goes to a broadcast address. */
START_TEST(an_address_that_no_way_leads_to_is_told_as_the_end)
{
    struct io *io = world_begin();
    struct end end = {0};

    end.sock = io_connect(io, "255.255.255.255", 4222, &end_events, &end);
    while (end.ended == 0)
        turn(io);
    settle(io);
    ck_assert_int_eq(end.ended, 1);
    ck_assert_int_lt(end.reason, 0);
    end_close(io, &end);
    world_end(io);
}
END_TEST

START_TEST(last_words_to_a_peer_that_is_gone_hold_no_close_back)
{
    static const struct linger reset = {.l_onoff = 1, .l_linger = 0};
    struct bytes words = BYTES("last words");
    struct host host;
    struct conn *c;
    int fd;

    host_begin(&host);
    fd = peer_accepted(&host, &c);
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
    close(fd);
    while (c->ended == 0)
        turn(host.io);
    io_sock_send(host.io, c->sock, &words, 1);
    turn(host.io);
    io_sock_close(host.io, c->sock, true);
    for (int i = 0; i < 100 && c->closed == 0; i++)
        turn(host.io);
    ck_assert_int_eq(c->closed, 1);
    world_end(host.io);
    heap_give(c);
}
END_TEST

START_TEST(look_ups_that_wait_their_turn_end_or_are_given_up)
{
    struct io *io = world_begin();
    struct end ends[8] = {0};

    for (size_t i = 0; i < UNIT_COUNT(ends); i++)
        ends[i].sock = io_connect(io, "no such host", 1, &end_events, &ends[i]);
    for (size_t i = 0; i < UNIT_COUNT(ends); i += 2)
        io_sock_close(io, ends[i].sock, false);
    for (size_t i = 0; i < UNIT_COUNT(ends); i++) {
        while (i % 2 == 0 ? ends[i].closed == 0 : ends[i].ended == 0)
            turn(io);
        ck_assert_int_eq(ends[i].ended, (int)(i % 2));
    }
    world_end(io);
}
END_TEST

START_TEST(destroying_with_everything_in_flight_waits_for_the_kernel_and_calls_nobody)
{
    uint8_t *memory = heap_take(32 * MEBIBYTE);
    struct request r = request_new();
    struct io_file *file;
    struct host host;
    struct conn *c;
    int fd;

    host_begin(&host);
    fd = peer_accepted(&host, &c);
    send_too_much(&host, c, memory);
    file = file_create(host.io, "a", 0);
    io_write(host.io, &r.op, file, 0, bytes_of(memory, MEBIBYTE));
    world_end(host.io);
    memset(memory, 0xee, 32 * MEBIBYTE);
    ck_assert_int_eq(r.done + c->closed + c->sent, 0);
    close(fd);
    heap_give(c);
    heap_give(memory);
    heap_give(file); /* its descriptor ends with this process */
}
END_TEST

/* ---- threads -------------------------------------------------------------------------------- */

struct ringer {
    struct io *io;
    pthread_t thread;
    int rings;
    _Atomic int rung;
    int heard; /* the loop's: rings that some woken has seen */
};

static void *ringer_main(void *context)
{
    struct ringer *ringer = context;

    for (int i = 0; i < ringer->rings; i++) {
        ringer->rung++;
        io_wake(ringer->io);
        if (i % 64 == 0)
            usleep(100); /* lets the loop fall asleep */
    }
    return NULL;
}

static void ringer_heard(void *context)
{
    struct ringer *ringer = context;

    ringer->heard = ringer->rung;
}

/* The loop would sleep for an hour: one lost wake-up hangs the test. */
START_TEST(no_wake_from_another_thread_is_lost)
{
    struct io *io = world_begin();
    struct ringer ringer = {.io = io, .rings = 20000};

    io_set_wake(io, ringer_heard, &ringer);
    ck_assert_int_eq(pthread_create(&ringer.thread, NULL, ringer_main, &ringer), 0);
    while (ringer.heard < ringer.rings)
        ck_assert_int_eq(io_turn(io, 3600 * SECOND), OK);
    pthread_join(ringer.thread, NULL);
    world_end(io);
}
END_TEST

struct job {
    struct io_work work;
    struct io *io;
    int left;
    int total; /* written by a worker, read by the loop */
};

static void job_run(struct io_work *work, struct io *io)
{
    (void)io;
    owner_of(work, struct job, work)->total++;
}

static void job_done(struct io_work *work)
{
    struct job *job = owner_of(work, struct job, work);

    if (--job->left > 0)
        io_work(job->io, &job->work);
}

static int jobs_left(const struct job *jobs, int count)
{
    int left = 0;

    for (int i = 0; i < count; i++)
        left += jobs[i].left;
    return left;
}

START_TEST(work_goes_back_and_forth_without_being_lost)
{
    enum { JOBS = 7, ROUNDS = 2000 };
    struct io *io = world_begin();
    struct job jobs[JOBS];

    for (int i = 0; i < JOBS; i++) {
        jobs[i] =
            (struct job){.work = {.run = job_run, .done = job_done}, .io = io, .left = ROUNDS};
        io_work(io, &jobs[i].work);
    }
    while (jobs_left(jobs, JOBS) > 0)
        ck_assert_int_eq(io_turn(io, 3600 * SECOND), OK);
    for (int i = 0; i < JOBS; i++)
        ck_assert_int_eq(jobs[i].total, ROUNDS);
    world_end(io);
}
END_TEST

struct meeting {
    struct io_work work;
    pthread_barrier_t *barrier;
    int *done;
};

static void meeting_run(struct io_work *work, struct io *io)
{
    (void)io;
    pthread_barrier_wait(owner_of(work, struct meeting, work)->barrier);
}

static void meeting_done(struct io_work *work)
{
    (*owner_of(work, struct meeting, work)->done)++;
}

/* Each waits for the other: with one thread it would hang. Twice: with new threads and with idle
 * ones. */
START_TEST(two_works_run_at_the_same_time)
{
    struct io *io = world_begin();
    struct meeting meetings[2];
    pthread_barrier_t barrier;
    int done = 0;

    pthread_barrier_init(&barrier, NULL, 2);
    for (int round = 1; round <= 2; round++) {
        for (int i = 0; i < 2; i++) {
            meetings[i] =
                (struct meeting){{.run = meeting_run, .done = meeting_done}, &barrier, &done};
            io_work(io, &meetings[i].work);
        }
        while (done < 2 * round)
            turn(io);
    }
    pthread_barrier_destroy(&barrier);
    world_end(io);
}
END_TEST

struct slow {
    struct io_work work;
    atomic_int begun, ended;
};

static void slow_run(struct io_work *work, struct io *io)
{
    struct slow *slow = owner_of(work, struct slow, work);

    (void)io;
    slow->begun++;
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    slow->ended++;
}

static void slow_done(struct io_work *work)
{
    (void)work;
    ck_abort_msg("there was no turn");
}

/* Its owner may be freed then, and the io later. */
START_TEST(work_that_is_stopped_has_ended_and_none_is_begun)
{
    struct io *io = world_begin();
    struct slow runs = {.work = {.run = slow_run, .done = slow_done}}, late = runs;

    io_work(io, &runs.work);
    while (runs.begun == 0)
        sched_yield();
    io_stop(io);
    ck_assert_int_eq(runs.ended, 1);
    io_work(io, &late.work);
    io_stop(io);
    ck_assert_int_eq(late.begun, 0);
    world_end(io);
}
END_TEST

static bool all_stopped;

static void told_no_more(struct io_op *op, int64_t result)
{
    (void)op;
    (void)result; /* with epoll a worker reads, and not from a pipe */
    ck_assert(!all_stopped);
}

/* The file that was opened last under that name is another one from now on. */
static void descriptor_replace(const char *name, int by)
{
    char path[sizeof root + 64], link[sizeof root + 64];

    for (int fd = 3; fd < 256; fd++) {
        ssize_t size;

        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        size = readlink(link, path, sizeof path);
        if (size < (ssize_t)strlen(name) ||
            memcmp(path + size - strlen(name), name, strlen(name)) != 0)
            continue;
        ck_assert_int_eq(dup2(by, fd), fd);
        return;
    }
    ck_abort_msg("%s is not open", name);
}

/* A read that waits, as of a disk that takes long; with io_uring the kernel has its memory. */
START_TEST(what_was_lent_is_not_used_once_all_is_stopped)
{
    struct io *io = world_begin();
    struct io_op *op = calloc(1, sizeof *op), *late = calloc(1, sizeof *late);
    struct io_file *file = file_create(io, "a-pipe", 0);
    char path[sizeof root + 8], *memory = calloc(1, 8), byte = 0;
    int fd;

    snprintf(path, sizeof path, "%s/b", root);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    fd = open(path, O_RDWR);
    ck_assert_int_ge(fd, 0);
    descriptor_replace("a-pipe", fd);
    close(fd);
    op->done = told_no_more;
    late->done = told_no_more;
    io_read(io, op, file, 0, memory, 4);
    settle(io);
    all_stopped = true;
    io_stop(io);
    free(op); /* the address sanitizer sees who still looks at it */
    fd = open(path, O_RDWR | O_NONBLOCK);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, "x", 1), 1);
    io_write(io, late, file, 0, BYTES("late"));
    free(late);
    io_destroy(io);
    ck_assert_int_eq(memory[0], 0);
    ck_assert_int_eq(read(fd, &byte, 1), 1);
    ck_assert_int_eq(byte, 'x');
    ck_assert_int_eq(read(fd, &byte, 1), -1);
    free(memory);
    heap_give(file); /* its descriptor ends with this process */
    close(fd);
    directory_remove(root);
}
END_TEST

START_TEST(what_a_send_was_lent_is_not_sent_once_all_is_stopped)
{
    static uint8_t got[1 << 16];
    uint8_t *memory = heap_take(32 * MEBIBYTE);
    struct host host;
    struct conn *c;
    ssize_t count;
    int fd;

    memset(memory, 'a', 32 * MEBIBYTE);
    host_begin(&host);
    fd = peer_accepted(&host, &c);
    send_too_much(&host, c, memory);
    io_stop(host.io);
    memset(memory, 'b', 32 * MEBIBYTE);
    while ((count = recv(fd, got, sizeof got, MSG_DONTWAIT)) > 0)
        ck_assert_ptr_null(memchr(got, 'b', (size_t)count));
    io_sock_close(host.io, c->sock, true);
    heap_give(c);
    world_end(host.io);
    while ((count = recv(fd, got, sizeof got, 0)) > 0)
        ck_assert_ptr_null(memchr(got, 'b', (size_t)count));
    close(fd);
    heap_give(memory);
}
END_TEST

/* A name that is looked up and a password that is hashed hold up no disk. */
START_TEST(slow_work_delays_no_operation_on_a_file)
{
    struct io *io = world_begin();
    struct io_file *file = file_create(io, "a", 0);
    struct request r = request_new();
    struct meeting meetings[2];
    pthread_barrier_t barrier;
    int done = 0;

    pthread_barrier_init(&barrier, NULL, 3);
    for (int i = 0; i < 2; i++) {
        meetings[i] = (struct meeting){{.run = meeting_run, .done = meeting_done}, &barrier, &done};
        io_work(io, &meetings[i].work);
    }
    io_write(io, &r.op, file, 0, BYTES("x"));
    while (r.done == 0)
        turn(io);
    ck_assert_int_eq(r.result, 1);
    ck_assert_int_eq(done, 0);
    pthread_barrier_wait(&barrier);
    while (done < 2)
        turn(io);
    pthread_barrier_destroy(&barrier);
    io_close(io, file);
    world_end(io);
}
END_TEST

/* ---- what is not there ---------------------------------------------------------------------- */

START_TEST(without_a_root_file_calls_find_nothing)
{
    struct io_file *file;
    struct io *io;

    ck_assert_int_eq(real_create(NULL, 0, 0, NULL, &io), OK);
    ck_assert_int_eq(io_open(io, "a", IO_READ, &file), ERR_NOT_FOUND);
    ck_assert_int_eq(io_mkdir(io, "a"), ERR_NOT_FOUND);
    ck_assert_int_eq(io_lock(io, "a"), ERR_NOT_FOUND);
    io_destroy(io);
}
END_TEST

static unsigned mode_of(const char *path)
{
    char whole[sizeof root + 16];
    struct stat st;

    (void)snprintf(whole, sizeof whole, "%s/%s", root, path);
    ck_assert_int_eq(stat(whole, &st), 0);
    return st.st_mode & 0777u;
}

START_TEST(what_is_made_is_for_the_servers_user_alone)
{
    mode_t before = umask(0);
    struct io *io = world_begin();

    ck_assert_int_eq(io_mkdir(io, "d"), OK);
    io_close(io, file_create(io, "d/a", 0));
    ck_assert_int_eq(io_lock(io, "lock"), OK);
    ck_assert_uint_eq(mode_of("d"), 0700);
    ck_assert_uint_eq(mode_of("d/a"), 0600);
    ck_assert_uint_eq(mode_of("lock"), 0600);
    world_end(io);
    (void)umask(before);
}
END_TEST

START_TEST(an_unaligned_write_to_a_direct_file_stops_the_process)
{
    struct io *io = world_begin();
    struct io_file *file = file_create(io, "a", IO_DIRECT);
    struct request r = request_new();

    ck_assert_int_eq(io_unlink(io, "a"), OK);
    rmdir(root); /* nothing tidies up after an abort */
    io_write_durable(io, &r.op, file, 0, BYTES("short"));
}
END_TEST

START_TEST(a_path_that_leaves_the_root_stops_the_process)
{
    struct io *io;

    ck_assert_int_eq(real_create(NULL, 0, 0, NULL, &io), OK);
    (void)io_unlink(io, "a/../../b"); /* stops */
}
END_TEST

#define IO_REAL_PROMISES                                                                           \
    IO_PROMISES, IO_CONNECT_PROMISES, a_mebibyte_comes_back_as_it_was_sent,                        \
        a_send_larger_than_the_socket_takes_is_continued_until_whole,                              \
        an_accepted_socket_receives_nothing_until_it_is_started,                                   \
        a_socket_that_is_handed_over_tells_its_new_owner_and_goes_on_with_its_send,                \
        a_socket_that_was_never_started_can_be_closed, pausing_loses_nothing_and_keeps_the_order,  \
        a_socket_that_changes_its_io_loses_nothing_and_keeps_the_order,                            \
        an_end_or_a_close_comes_instead_of_parting_or_after_it,                                    \
        bytes_queued_while_paused_come_before_newer_ones,                                          \
        the_end_is_told_after_all_bytes_and_while_paused_not_at_all,                               \
        more_senders_than_buffers_starve_nobody,                                                   \
        a_turn_that_has_had_enough_leaves_the_rest_to_the_next_ones,                               \
        closing_with_a_send_in_flight_gives_the_memory_back_at_closed,                             \
        draining_lets_the_send_finish_and_a_second_close_does_not_wait,                            \
        a_failed_send_is_told_once_as_the_end, what_came_before_a_failed_send_is_received,         \
        an_owner_may_close_from_inside_any_of_its_calls, slow_work_delays_no_operation_on_a_file,  \
        a_closed_listener_frees_its_port_and_accepts_no_more,                                      \
        a_port_that_is_soon_free_is_waited_for_aloud, hosts_are_numbers_localhost_or_any,          \
        a_connection_that_hangs_is_closed_at_once_and_destroyed_without_a_call,                    \
        an_address_that_no_way_leads_to_is_told_as_the_end,                                        \
        last_words_to_a_peer_that_is_gone_hold_no_close_back,                                      \
        look_ups_that_wait_their_turn_end_or_are_given_up,                                         \
        destroying_with_everything_in_flight_waits_for_the_kernel_and_calls_nobody,                \
        no_wake_from_another_thread_is_lost, work_goes_back_and_forth_without_being_lost,          \
        work_that_is_stopped_has_ended_and_none_is_begun, two_works_run_at_the_same_time,          \
        what_was_lent_is_not_used_once_all_is_stopped,                                             \
        what_a_send_was_lent_is_not_sent_once_all_is_stopped,                                      \
        without_a_root_file_calls_find_nothing, what_is_made_is_for_the_servers_user_alone

#define IO_REAL_ABORTS                                                                             \
    an_unaligned_write_to_a_direct_file_stops_the_process,                                         \
        a_path_that_leaves_the_root_stops_the_process

#endif
