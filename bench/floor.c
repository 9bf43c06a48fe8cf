/*
 * floor: see floor.h.
 *
 *     floor MODE -p PORT [-a ADDRESS] [-sd DIR]      MODE as of load
 */
#include "bench/floor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define IN_CAPACITY  (256u * 1024u)
#define OUT_CAPACITY (4u * 1024u * 1024u)
#define EVENTS_MAX   256
#define LISTENER     UINT32_MAX

static const char info[] =
    "INFO {\"server_id\":\"FLOOR\",\"version\":\"0\",\"headers\":true,\"max_payload\":1048576,"
    "\"jetstream\":true,\"proto\":1}\r\n";

void floor_die(const char *format, ...)
{
    va_list args;

    fputs("floor: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1);
}

char *peer_reserve(struct peer *peer, size_t size)
{
    char *at = conn_reserve(&peer->conn, size);

    if (!at)
        floor_die("no room for %zu bytes on connection %u", size, peer->index);
    return at;
}

void floor_send(struct peer *peer, struct span subject, uint64_t sid, struct span reply,
                struct span payload)
{
    char *at = peer_reserve(peer, subject.size + reply.size + payload.size + 64);

    at = put_span(put_text(at, "MSG "), subject);
    at = put_u64(put_text(at, " "), sid);
    if (reply.size > 0)
        at = put_span(put_text(at, " "), reply);
    at = put_u64(put_text(at, " "), payload.size);
    at = put_span(put_text(at, "\r\n"), payload);
    conn_commit(&peer->conn, put_text(at, "\r\n"));
}

static bool sub_matches(const struct floor_sub *sub, struct span subject)
{
    if (sub->prefix)
        return span_starts(subject, sub->subject);
    return span_equal(subject, span_of(sub->subject));
}

void floor_route(struct floor *floor, struct span subject, struct span reply, struct span payload)
{
    for (uint32_t i = 0; i < floor->sub_count; i++) {
        struct floor_sub *sub = &floor->subs[i];

        if (sub_matches(sub, subject))
            floor_send(sub->peer, subject, sub->sid, reply, payload);
    }
}

static void subscribe(struct floor *floor, struct peer *peer, const struct frame *frame)
{
    struct floor_sub *sub = &floor->subs[floor->sub_count];
    size_t size = frame->subject.size;

    if (floor->mode->subscribe) {
        floor->mode->subscribe(floor, peer, frame);
        return;
    }
    if (floor->sub_count == FLOOR_SUBS_MAX || size >= sizeof sub->subject)
        floor_die("subscription %.*s", (int)size, frame->subject.at);
    *sub = (struct floor_sub){.peer = peer};
    if (!span_u64(frame->sid, &sub->sid))
        floor_die("sid %.*s", (int)frame->sid.size, frame->sid.at);
    memcpy(sub->subject, frame->subject.at, size);
    sub->prefix = size > 0 && sub->subject[size - 1] == '*';
    if (sub->prefix)
        sub->subject[size - 1] = '\0';
    floor->sub_count++;
}

static void peer_frame(struct floor *floor, struct peer *peer, const struct frame *frame)
{
    switch (frame->op) {
    case WIRE_PUB: floor->mode->publish(floor, peer, frame); return;
    case WIRE_SUB: subscribe(floor, peer, frame); return;
    case WIRE_PING: conn_commit(&peer->conn, put_text(peer_reserve(peer, 6), "PONG\r\n")); return;
    case WIRE_CONNECT:
    case WIRE_PONG: return;
    default: floor_die("what is %.*s", (int)frame->line.size, frame->line.at);
    }
}

/* Subscriptions of one that leaves go with it; the others keep their order. */
static void peer_close(struct floor *floor, struct peer *peer)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < floor->sub_count; i++) {
        if (floor->subs[i].peer != peer)
            floor->subs[kept++] = floor->subs[i];
    }
    floor->sub_count = kept;
    conn_deinit(&peer->conn);
    peer->open = false;
}

static void peer_read(struct floor *floor, struct peer *peer)
{
    struct frame frame;
    size_t used;

    switch (conn_read(&peer->conn)) {
    case CONN_NOTHING: return;
    case CONN_END: peer_close(floor, peer); return;
    case CONN_DATA: break;
    }
    for (;;) {
        switch (wire_read(conn_unread(&peer->conn), &frame, &used)) {
        case WIRE_MORE: return;
        case WIRE_BAD: floor_die("connection %u sent what is not the protocol", peer->index);
        case WIRE_DONE: break;
        }
        peer_frame(floor, peer, &frame);
        conn_consume(&peer->conn, used);
    }
}

static void peer_flush(struct floor *floor, struct peer *peer)
{
    struct epoll_event event = {.data.u32 = peer->index};
    bool want;

    if (conn_pending(&peer->conn) > 0 && !conn_flush(&peer->conn)) {
        peer_close(floor, peer);
        return;
    }
    want = conn_pending(&peer->conn) > 0;
    if (want == peer->conn.write_armed)
        return;
    event.events = EPOLLIN | (want ? EPOLLOUT : 0u);
    if (epoll_ctl(floor->epoll, EPOLL_CTL_MOD, peer->conn.fd, &event) < 0)
        floor_die("epoll_ctl: %s", strerror(errno));
    peer->conn.write_armed = want;
}

static void peer_accept(struct floor *floor)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = floor->peer_count};
    struct peer *peer;
    int one = 1;
    int fd = accept4(floor->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0)
        return;
    if (floor->peer_count == FLOOR_PEERS_MAX)
        floor_die("too many connections");
    peer = calloc(1, sizeof *peer);
    if (!peer)
        floor_die("no memory");
    conn_init(&peer->conn, fd, IN_CAPACITY, OUT_CAPACITY);
    peer->index = floor->peer_count;
    peer->open = true;
    floor->peers[floor->peer_count++] = peer;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (epoll_ctl(floor->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        floor_die("epoll_ctl: %s", strerror(errno));
    conn_commit(&peer->conn, put_text(peer_reserve(peer, sizeof info), info));
    peer_flush(floor, peer);
}

/* False: some connection takes no more for now. */
static bool flush_all(struct floor *floor)
{
    bool all = true;

    for (uint32_t i = 0; i < floor->peer_count; i++) {
        struct peer *peer = floor->peers[i];

        if (peer->open && conn_pending(&peer->conn) > 0)
            peer_flush(floor, peer);
        if (peer->open && peer->conn.write_armed)
            all = false;
    }
    return all;
}

static void floor_turn(struct floor *floor)
{
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_wait(floor->epoll, events, EVENTS_MAX, floor->restless ? 0 : -1);
    bool more;

    if (count < 0 && errno != EINTR)
        floor_die("epoll_wait: %s", strerror(errno));
    for (int i = 0; i < count; i++) {
        uint32_t index = events[i].data.u32;

        if (index == LISTENER)
            peer_accept(floor);
        else if ((events[i].events & ~(uint32_t)EPOLLOUT) && floor->peers[index]->open)
            peer_read(floor, floor->peers[index]);
    }
    more = floor->mode->turn && floor->mode->turn(floor);
    floor->restless = flush_all(floor) && more;
}

static const struct floor_mode *mode_find(const char *name)
{
    static const struct {
        const char *name;
        const struct floor_mode *mode;
    } modes[] = {
        {"pub", &floor_core},       {"fan1", &floor_core},    {"fan4", &floor_core},
        {"reqrep1", &floor_core},   {"reqrepw", &floor_core}, {"idle", &floor_core},
        {"start", &floor_core},     {"subs", &floor_subs},    {"jspub1", &floor_publish},
        {"jspubw", &floor_publish}, {"replay", &floor_read},  {"pull", &floor_read},
        {"dget1", &floor_read},     {"dgetw", &floor_read},
    };

    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        if (strcmp(modes[i].name, name) == 0)
            return modes[i].mode;
    }
    floor_die("no mode %s", name);
}

static void floor_listen(struct floor *floor, const char *address, unsigned port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = LISTENER};
    int one = 1;

    if (inet_pton(AF_INET, address, &at.sin_addr) != 1)
        floor_die("address %s", address);
    floor->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    floor->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (floor->listener < 0 || floor->epoll < 0 ||
        setsockopt(floor->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 ||
        bind(floor->listener, (struct sockaddr *)&at, sizeof at) < 0 ||
        listen(floor->listener, 1024) < 0 ||
        epoll_ctl(floor->epoll, EPOLL_CTL_ADD, floor->listener, &event) < 0)
        floor_die("listen on %s:%u: %s", address, port, strerror(errno));
}

/* Takes the flags that servers are started with; those it has no use for are skipped. */
int main(int argc, char **argv)
{
    struct floor *floor = calloc(1, sizeof *floor);
    struct rlimit files;
    const char *address = "127.0.0.1";
    const char *dir = ".";
    unsigned port = 0;

    if (argc < 2)
        floor_die("usage: floor MODE -p PORT [-a ADDRESS] [-sd DIR]");
    for (int i = 2; i + 1 < argc; i++) {
        if (strcmp(argv[i], "-p") == 0)
            port = (unsigned)strtoul(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "-a") == 0)
            address = argv[++i];
        else if (strcmp(argv[i], "-sd") == 0)
            dir = argv[++i];
    }
    if (!floor)
        floor_die("no memory");
    floor->peers = calloc(FLOOR_PEERS_MAX, sizeof(struct peer *));
    if (!floor->peers)
        floor_die("no memory");
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &files) < 0)
            fprintf(stderr, "floor: open files stay limited\n");
    }
    floor->mode = mode_find(argv[1]);
    if (floor->mode->init)
        floor->mode->init(floor, dir);
    floor_listen(floor, address, port);
    for (;;)
        floor_turn(floor);
}
