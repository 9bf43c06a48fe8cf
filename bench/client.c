/*
 * client: connections of the load generator and the loop that serves them.
 */
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "bench/load.h"
#include "bench/names.h"
#include "bench/watch.h"

#define IN_CAPACITY  (512u * 1024u)
#define OUT_CAPACITY (1024u * 1024u)
#define EVENTS_MAX   64
#define ERRORS_SHOWN 5u

static const char greeting[] =
    "CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true,\"no_responders\":true,"
    "\"lang\":\"c\",\"version\":\"1\",\"protocol\":1}\r\n";

void die(const char *format, ...)
{
    va_list args;

    fputs("load: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1);
}

void load_error(struct load *load, const char *format, ...)
{
    va_list args;

    if (load->result.errors++ >= ERRORS_SHOWN)
        return;
    fputs("load: error: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

static void client_answer(struct client *client, const struct frame *frame)
{
    struct load *load = client->load;

    if (frame->payload.size > sizeof load->api_memory)
        die("an API answer of %zu bytes", frame->payload.size);
    if (frame->payload.size > 0)
        memcpy(load->api_memory, frame->payload.at, frame->payload.size);
    load->api_answer = (struct span){load->api_memory, frame->payload.size};
    load->api_answered = true;
    if (frame->payload.size == 0 || span_contains(frame->payload, "\"error\""))
        die("the server refused a request: %.*s%.*s", (int)frame->payload.size, frame->payload.at,
            (int)frame->header.size, frame->header.at);
}

static void client_frame(struct client *client, const struct frame *frame)
{
    char *at;

    switch (frame->op) {
    case WIRE_MSG:
    case WIRE_HMSG:
        if (span_equal(frame->subject, span_of(INBOX_API)))
            client_answer(client, frame);
        else
            client->message(client, frame);
        return;
    case WIRE_PING:
        at = conn_reserve(&client->conn, 6);
        if (!at)
            die("no room for a PONG");
        conn_commit(&client->conn, put_text(at, "PONG\r\n"));
        return;
    case WIRE_PONG: client->pongs++; return;
    case WIRE_INFO:
    case WIRE_OK: return;
    case WIRE_ERR: die("the server said %.*s", (int)frame->line.size, frame->line.at);
    default: die("the server sent %.*s", (int)frame->line.size, frame->line.at);
    }
}

static void client_read(struct client *client)
{
    enum conn_read read = conn_read(&client->conn);
    struct frame frame;
    size_t used;

    if (read == CONN_END)
        die("the server closed connection %u", client->index);
    client->load->now = clock_ns();
    for (;;) {
        switch (wire_read(conn_unread(&client->conn), &frame, &used)) {
        case WIRE_MORE: return;
        case WIRE_BAD: die("the server sent what is not the protocol");
        case WIRE_DONE: break;
        }
        client_frame(client, &frame);
        conn_consume(&client->conn, used);
    }
}

/* Writable is asked for only while something is left: a socket is writable nearly always. */
static void client_arm(struct client *client)
{
    bool want = conn_pending(&client->conn) > 0;
    struct epoll_event event = {.events = EPOLLIN | (want ? EPOLLOUT : 0u),
                                .data.u32 = client->index};

    if (want == client->conn.write_armed)
        return;
    if (epoll_ctl(client->load->epoll, EPOLL_CTL_MOD, client->conn.fd, &event) < 0)
        die("epoll_ctl: %s", strerror(errno));
    client->conn.write_armed = want;
}

static void client_flush(struct client *client)
{
    if (conn_pending(&client->conn) > 0 && !conn_flush(&client->conn))
        die("connection %u is broken: %s", client->index, strerror(errno));
    client_arm(client);
}

void load_turn(struct load *load)
{
    struct epoll_event events[EVENTS_MAX];
    bool wait = !load->restless;
    int count;

    for (uint32_t i = 0; i < load->client_count; i++) {
        client_flush(&load->clients[i]);
        wait = wait || conn_pending(&load->clients[i].conn) > 0;
    }
    do
        count = epoll_wait(load->epoll, events, EVENTS_MAX, wait ? 100 : 0);
    while (count < 0 && errno == EINTR);
    if (count < 0)
        die("epoll_wait: %s", strerror(errno));
    load->now = clock_ns();
    if (load->now > load->deadline)
        die("deadline passed after %.0f s", load->options.deadline);
    for (int i = 0; i < count; i++) {
        if (events[i].events & ~(uint32_t)EPOLLOUT)
            client_read(&load->clients[events[i].data.u32]);
    }
}

void load_clients(struct load *load, uint32_t capacity)
{
    assert(!load->clients);
    load->clients = calloc(capacity, sizeof *load->clients);
    if (!load->clients)
        die("no memory for %u connections", capacity);
    load->client_capacity = capacity;
}

struct client *client_open(struct load *load, client_message_fn *message, void *context)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = load->client_count};
    struct client *client = &load->clients[load->client_count];
    int fd;

    assert(load->client_count < load->client_capacity);
    fd = conn_dial(load->options.address, load->options.port);
    if (fd < 0)
        die("connect %s:%u: %s", load->options.address, load->options.port, strerror(errno));
    *client = (struct client){
        .load = load, .message = message, .context = context, .index = load->client_count};
    conn_init(&client->conn, fd, IN_CAPACITY, OUT_CAPACITY);
    if (epoll_ctl(load->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        die("epoll_ctl: %s", strerror(errno));
    load->client_count++;
    conn_commit(&client->conn, put_text(conn_reserve(&client->conn, sizeof greeting), greeting));
    client_barrier(client);
    return client;
}

void client_no_message(struct client *client, const struct frame *frame)
{
    load_error(client->load, "a message on %.*s", (int)frame->subject.size, frame->subject.at);
}

bool client_room(struct client *client, size_t size)
{
    return conn_reserve(&client->conn, size) != NULL;
}

static char *must_reserve(struct client *client, size_t size)
{
    char *at = conn_reserve(&client->conn, size);

    if (!at)
        die("no room for %zu bytes on connection %u", size, client->index);
    return at;
}

void client_subscribe(struct client *client, const char *subject, uint64_t sid)
{
    char *at = must_reserve(client, strlen(subject) + 32);

    at = put_text(put_text(at, "SUB "), subject);
    at = put_u64(put_text(at, " "), sid);
    conn_commit(&client->conn, put_text(at, "\r\n"));
}

void client_unsubscribe(struct client *client, uint64_t sid)
{
    char *at = must_reserve(client, 40);

    at = put_u64(put_text(at, "UNSUB "), sid);
    conn_commit(&client->conn, put_text(at, "\r\n"));
}

void client_publish(struct client *client, struct span subject, struct span reply,
                    struct span payload)
{
    char *at = must_reserve(client, subject.size + reply.size + payload.size + 40);

    at = put_span(put_text(at, "PUB "), subject);
    if (reply.size > 0)
        at = put_span(put_text(at, " "), reply);
    at = put_u64(put_text(at, " "), payload.size);
    at = put_span(put_text(at, "\r\n"), payload);
    conn_commit(&client->conn, put_text(at, "\r\n"));
}

void client_barrier(struct client *client)
{
    uint64_t pongs = client->pongs;

    conn_commit(&client->conn, put_text(must_reserve(client, 6), "PING\r\n"));
    while (client->pongs == pongs)
        load_turn(client->load);
}
