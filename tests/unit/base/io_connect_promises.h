/*
 * io_connect_promises: what base/io.h promises of connections that are begun here, whoever stands
 * behind it. Both ends are in one io.
 */
#ifndef TESTS_UNIT_BASE_IO_CONNECT_PROMISES_H
#define TESTS_UNIT_BASE_IO_CONNECT_PROMISES_H

#include "tests/unit/base/io_promises.h"

struct end {
    struct io_sock *sock;
    char got[64];
    size_t got_size;
    int sent;
    int ended;
    int reason;
    int closed;
};

struct ends {
    struct io *io;
    struct io_listener *listener;
    uint16_t port;
    struct end dialled;
    struct end accepted;
};

static void end_received(void *owner, struct bytes b)
{
    struct end *end = owner;

    ck_assert_uint_le(end->got_size + b.size, sizeof(end->got));
    memcpy(end->got + end->got_size, b.at, b.size);
    end->got_size += b.size;
}

static void end_sent(void *owner)
{
    ((struct end *)owner)->sent++;
}

static void end_ended(void *owner, int reason)
{
    struct end *end = owner;

    end->ended++;
    end->reason = reason;
}

static void end_closed(void *owner)
{
    ((struct end *)owner)->closed++;
}

static const struct io_sock_events end_events = {end_received, end_sent, end_ended, end_closed};

static void ends_accepted(void *context, struct io_sock *sock, const struct io_address *peer)
{
    struct ends *ends = context;

    ck_assert_uint_ne(peer->port, 0);
    ends->accepted.sock = sock;
    io_sock_start(ends->io, sock, &end_events, &ends->accepted);
}

static void ends_begin(struct ends *ends)
{
    *ends = (struct ends){.io = world_begin()};
    ck_assert_int_eq(
        io_listen(ends->io, "127.0.0.1", 0, ends_accepted, ends, &ends->listener, &ends->port), OK);
}

static void end_close(struct io *io, struct end *end)
{
    if (end->sock == NULL || end->closed > 0)
        return;
    io_sock_close(io, end->sock, false);
    while (end->closed == 0)
        turn(io);
    ck_assert_int_eq(end->closed, 1);
}

static void ends_end(struct ends *ends)
{
    end_close(ends->io, &ends->dialled);
    end_close(ends->io, &ends->accepted);
    if (ends->listener != NULL)
        io_listener_close(ends->io, ends->listener);
    world_end(ends->io);
}

static void dial(struct ends *ends, const char *host)
{
    ends->dialled.sock = io_connect(ends->io, host, ends->port, &end_events, &ends->dialled);
    ck_assert_ptr_nonnull(ends->dialled.sock);
    ck_assert_int_eq(ends->dialled.ended, 0); /* nothing is told from inside the call */
}

static void carries_bytes(const char *host)
{
    struct bytes ping = BYTES("ping"), pong = BYTES("pong");
    struct io_address peer;
    struct ends ends;

    ends_begin(&ends);
    dial(&ends, host);
    ck_assert(!io_sock_peer(ends.io, ends.dialled.sock, &peer));
    io_sock_send(ends.io, ends.dialled.sock, &ping, 1);
    ck_assert(io_sock_sending(ends.dialled.sock));
    while (ends.accepted.got_size < 4)
        turn(ends.io);
    while (ends.dialled.sent == 0)
        turn(ends.io);
    ck_assert(memcmp(ends.accepted.got, "ping", 4) == 0);
    io_sock_send(ends.io, ends.accepted.sock, &pong, 1);
    while (ends.dialled.got_size < 4)
        turn(ends.io);
    ck_assert(memcmp(ends.dialled.got, "pong", 4) == 0);
    ck_assert(io_sock_peer(ends.io, ends.dialled.sock, &peer));
    ck_assert_uint_eq(peer.port, ends.port);
    ck_assert(strncmp(peer.text, "127.0.0.1", 9) == 0 || strncmp(peer.text, "10.0.0.1", 8) == 0);
    ck_assert_int_eq(ends.dialled.sent, 1);
    ck_assert_int_eq(ends.dialled.ended, 0);
    ends_end(&ends);
}

START_TEST(a_connection_may_be_written_to_before_it_is_there_and_carries_bytes_both_ways)
{
    carries_bytes("127.0.0.1");
}
END_TEST

/* In capitals it is a name like any other, and may have an address where nobody listens. */
START_TEST(a_name_is_looked_up_and_its_addresses_are_tried)
{
    carries_bytes("LOCALHOST");
}
END_TEST

START_TEST(a_refused_connection_is_told_as_the_end_even_while_paused)
{
    for (int paused = 0; paused < 2; paused++) {
        struct bytes ping = BYTES("ping");
        struct ends ends;

        ends_begin(&ends);
        io_listener_close(ends.io, ends.listener);
        ends.listener = NULL;
        turn(ends.io);
        dial(&ends, "127.0.0.1");
        if (paused)
            io_sock_pause(ends.io, ends.dialled.sock);
        else
            io_sock_send(ends.io, ends.dialled.sock, &ping, 1);
        while (ends.dialled.ended == 0)
            turn(ends.io);
        ck_assert_int_eq(ends.dialled.reason, -ECONNREFUSED);
        ck_assert_int_eq(ends.dialled.sent, 0);
        ck_assert_int_eq(ends.dialled.ended, 1);
        ends_end(&ends);
    }
}
END_TEST

START_TEST(an_unknown_name_is_told_as_the_end)
{
    struct ends ends;

    ends_begin(&ends);
    dial(&ends, "no such host");
    while (ends.dialled.ended == 0)
        turn(ends.io);
    ck_assert_int_eq(ends.dialled.reason, -EHOSTUNREACH);
    ends_end(&ends);
}
END_TEST

/* With a look-up under way, with a connection under way, and a turn or more later. */
START_TEST(a_connection_can_be_closed_at_any_time)
{
    static const char *const hosts[] = {"127.0.0.1", "LOCALHOST", "no such host"};

    for (size_t host = 0; host < UNIT_COUNT(hosts); host++) {
        for (int turns = 0; turns < 6; turns++) {
            struct bytes ping = BYTES("ping");
            struct ends ends;

            ends_begin(&ends);
            dial(&ends, hosts[host]);
            io_sock_send(ends.io, ends.dialled.sock, &ping, 1);
            for (int i = 0; i < turns; i++)
                ck_assert_int_eq(io_turn(ends.io, SECOND / 1000), OK);
            io_sock_close(ends.io, ends.dialled.sock, turns % 2 == 0);
            ck_assert_int_eq(ends.dialled.closed, 0);
            while (ends.dialled.closed == 0)
                turn(ends.io);
            ck_assert(turns > 0 || ends.dialled.sent + (int)ends.accepted.got_size == 0);
            ends_end(&ends);
        }
    }
}
END_TEST

static void check_address(void *context, const char *text)
{
    ck_assert_uint_gt(strlen(text), 0);
    ck_assert_uint_eq(strspn(text, "0123456789abcdef.:"), strlen(text));
    ck_assert(strncmp(text, "127.", 4) != 0);
    ck_assert_str_ne(text, "::1");
    ck_assert(strncmp(text, "fe80", 4) != 0);
    ++*(int *)context;
}

START_TEST(addresses_of_the_machine_are_numbers_that_others_can_use)
{
    struct io *io = world_begin();
    int count = 0;

    io_addresses(io, check_address, &count);
    ck_assert_int_lt(count, 1000);
    world_end(io);
}
END_TEST

#define IO_CONNECT_PROMISES                                                                        \
    a_connection_may_be_written_to_before_it_is_there_and_carries_bytes_both_ways,                 \
        a_name_is_looked_up_and_its_addresses_are_tried,                                           \
        a_refused_connection_is_told_as_the_end_even_while_paused,                                 \
        an_unknown_name_is_told_as_the_end, a_connection_can_be_closed_at_any_time,                \
        addresses_of_the_machine_are_numbers_that_others_can_use

#endif
