/*
 * One connection of a link: bytes in, frames out, and the other way round. It knows the magic and
 * the frames, not what they mean.
 */
#include <stdio.h>

#include "base/heap.h"
#include "base/owner.h"
#include "server/cluster/cluster_priv.h"

#define END_NS SECOND_NS /* for a peer to take what is said last, and to close */

void lane_mark(struct lane *lane)
{
    if (lane->dirty)
        return;
    lane->dirty = true;
    lane->dirty_next = lane->cluster->dirty;
    lane->cluster->dirty = lane;
}

const char *lane_label(const struct lane *lane, char text[128])
{
    bool brackets = strchr(lane->peer.text, ':') != NULL;

    snprintf(text, 128, "%s%s%s:%u - rid:%llu", brackets ? "[" : "", lane->peer.text,
             brackets ? "]" : "", lane->peer.port, (unsigned long long)lane->rid);
    return text;
}

/* ---- beginning and end ---------------------------------------------------------------------- */

/* Nobody that we can work with: told in words that a client shows to its user. */
static void turn_away(struct lane *lane, const char *what)
{
    char label[128];

    logger_error(lane->cluster->logger, "%s - Route refused: %s", lane_label(lane, label), what);
    if (!lane->magic_seen)
        (void)BUF_ADD(&lane->out, "-ERR 'attempted to connect to route port'\r\n");
    lane_end(lane, LANE_LAST_WORDS);
}

static void deadline_fired(struct timer *timer)
{
    struct lane *lane = owner_of(timer, struct lane, deadline);

    if (lane->state != LANE_OPEN)
        lane_end(lane, LANE_NOW);
    else if (lane->link != NULL)
        link_lane_lost(lane, "the handshake took too long");
    else
        turn_away(lane, "it has said nothing for too long; a client, or a nats-server?");
}

static struct lane *lane_create(struct cluster *cluster, uint8_t class)
{
    struct lane *lane = HEAP_NEW(struct lane);

    lane->cluster = cluster;
    lane->class = class;
    lane->rid = ++cluster->rid_last;
    lane->body_max = HELLO_SIZE_MAX;
    lane->deadline.fire = deadline_fired;
    lane->start_ns = lane->last_ns = io_now(cluster->io);
    lane->start_wall_ns = io_wall(cluster->io);
    buf_init(&lane->in, FRAME_BODY_MAX + (1u << 20)); /* a frame, and a receive behind it */
    buf_init(&lane->out, SIZE_MAX / 2);
    buf_init(&lane->flight, SIZE_MAX / 2);
    lane->wanted = FRAME_MAGIC_SIZE;
    lane->next = cluster->lanes;
    if (lane->next != NULL)
        lane->next->previous = lane;
    cluster->lanes = lane;
    return lane;
}

void lane_free(struct lane *lane)
{
    struct cluster *cluster = lane->cluster;

    assert(lane->link == NULL);
    assert(!lane->dirty);
    timers_cancel(io_timers(cluster->io), &lane->deadline);
    if (lane->next != NULL)
        lane->next->previous = lane->previous;
    if (lane->previous != NULL)
        lane->previous->next = lane->next;
    else
        cluster->lanes = lane->next;
    tls_destroy(lane->tls);
    buf_deinit(&lane->in);
    buf_deinit(&lane->out);
    buf_deinit(&lane->flight);
    heap_give(lane->name);
    heap_give(lane);
}

void lane_settled(struct lane *lane)
{
    if (!lane->guest)
        return;
    lane->guest = false;
    lane->cluster->guests--;
    timers_cancel(io_timers(lane->cluster->io), &lane->deadline);
}

void lane_end(struct lane *lane, enum lane_end end)
{
    struct timers *timers = io_timers(lane->cluster->io);

    lane_settled(lane);
    if (lane->state == LANE_CLOSED || (lane->state == LANE_ENDING && end == LANE_LAST_WORDS))
        return;
    if (end == LANE_LAST_WORDS) {
        lane->state = LANE_ENDING;
        timers_arm(timers, &lane->deadline, io_now(lane->cluster->io) + END_NS);
        lane_mark(lane);
        return;
    }
    lane->state = LANE_CLOSED;
    timers_cancel(timers, &lane->deadline);
    io_sock_close(lane->cluster->io, lane->sock, false);
}

/* ---- sending -------------------------------------------------------------------------------- */

size_t lane_queued(const struct lane *lane)
{
    return lane->out.size + lane->flight.size;
}

void lane_add(struct lane *lane, uint8_t kind, const struct bytes *pieces, size_t count)
{
    size_t before = lane->out.size;
    bool added;

    if (lane->out.at == NULL)
        lane->out = cluster_spare_take(lane->cluster);
    added = frame_add(&lane->out, kind, lane->class, pieces, count);
    assert(added); /* the queue's bound is the caller's */
    if (kind >= CLUSTER_KIND_FIRST) {
        lane->stats.out_frames++;
        lane->stats.out_bytes += lane->out.size - before;
    }
    lane_mark(lane);
}

static void send_begin(struct lane *lane)
{
    struct bytes piece;

    if (lane->tls != NULL) {
        lane_tls_fill(lane);
    } else {
        lane->flight = lane->out;
        buf_init(&lane->out, SIZE_MAX / 2);
    }
    if (lane->flight.size == 0)
        return; /* TLS has failed meanwhile */
    piece = buf_bytes(&lane->flight);
    io_sock_send(lane->cluster->io, lane->sock, &piece, 1);
}

static void lane_sent(void *context)
{
    struct lane *lane = context;

    lane->connected = true;
    cluster_spare_give(lane->cluster, &lane->flight);
    lane_mark(lane);
}

/* ---- receiving ------------------------------------------------------------------------------ */

void lane_bad(struct lane *lane, const char *what)
{
    if (lane->link == NULL) {
        turn_away(lane, what);
        return;
    }
    link_lane_lost(lane, what);
    lane_end(lane, LANE_NOW);
}

static const char *other_protocol(struct bytes b)
{
    if (bytes_starts(b, BYTES("INFO ")))
        return "a nats-server or its client port: it speaks another protocol among its own";
    if (lane_is_tls(b))
        return "it wants TLS, and cluster has none here";
    return "it speaks another protocol; a client, or a nats-server?";
}

/* A wrong byte is answered without waiting for the others. */
static void take_magic(struct lane *lane, struct bytes *b)
{
    struct bytes magic = BYTES(FRAME_MAGIC);
    size_t size = b->size < magic.size ? b->size : magic.size;

    if (!bytes_equal(bytes_take(*b, size), bytes_take(magic, size))) {
        lane_bad(lane, other_protocol(*b));
        return;
    }
    lane->wanted = magic.size;
    if (b->size < magic.size)
        return;
    lane->magic_seen = true;
    *b = bytes_skip(*b, magic.size);
    if (!lane->dialled)
        (void)BUF_ADD(&lane->out, FRAME_MAGIC);
}

static void dispatch(struct lane *lane, const struct frame *frame)
{
    if (frame->kind >= CLUSTER_KIND_FIRST) {
        lane->stats.in_frames++;
        lane->stats.in_bytes += FRAME_HEAD + frame->body.size;
    }
    if (lane->link == NULL)
        link_guest(lane, frame);
    else if (frame->class != lane->class)
        lane_bad(lane, "a frame of another class");
    else
        link_frame(lane, frame);
}

static bool takes(const struct lane *lane)
{
    return lane->state == LANE_OPEN && !lane->held;
}

/* Hands over what is whole and returns how much of `b` that was. If it stops because more is
 * needed, `wanted` is how long the rest has to become. */
static size_t parse(struct lane *lane, struct bytes b)
{
    struct bytes rest = b;
    struct frame frame;

    if (!lane->magic_seen)
        take_magic(lane, &rest);
    while (lane->magic_seen && takes(lane)) {
        switch (frame_read(rest, lane->body_max, &frame, &lane->wanted)) {
        case FRAME_WHOLE:
            rest = bytes_skip(rest, lane->wanted);
            dispatch(lane, &frame);
            break;
        case FRAME_MORE: return b.size - rest.size;
        case FRAME_BAD: lane_bad(lane, "a damaged frame"); break;
        }
    }
    return b.size - rest.size;
}

static void parse_kept(struct lane *lane)
{
    buf_consume(&lane->in, parse(lane, buf_bytes(&lane->in)));
    if (lane->in.size == 0)
        buf_release(&lane->in);
}

static void keep(struct lane *lane, struct bytes b)
{
    if (!buf_add(&lane->in, b))
        lane_bad(lane, "more than was agreed");
}

/* A frame that was cut off is made whole first, by what it lacks; the rest is looked at in place.
 */
void lane_take(struct lane *lane, struct bytes b)
{
    while (takes(lane) && lane->in.size > 0 && b.size > 0) {
        size_t lack = lane->wanted - lane->in.size;

        assert(lane->wanted > lane->in.size);
        lack = lack < b.size ? lack : b.size;
        keep(lane, bytes_take(b, lack));
        b = bytes_skip(b, lack);
        if (takes(lane) && lane->in.size >= lane->wanted)
            parse_kept(lane);
    }
    if (takes(lane) && b.size > 0)
        b = bytes_skip(b, parse(lane, b));
    if (lane->state == LANE_OPEN && b.size > 0)
        keep(lane, b);
}

static void lane_received(void *context, struct bytes b)
{
    struct lane *lane = context;

    if (lane->cluster->catch_up != NULL)
        lane->cluster->catch_up(lane->cluster->catch_up_owner);
    lane->connected = true;
    lane->last_ns = io_now(lane->cluster->io);
    if (lane->state != LANE_OPEN)
        return;
    if (lane->link != NULL)
        lane->link->heard_ns = lane->last_ns;
    if (lane->tls != NULL)
        lane_tls_received(lane, b);
    else
        lane_take(lane, b);
}

void lane_hold(struct lane *lane)
{
    if (lane->holds++ > 0 || lane->held)
        return;
    lane->held = true;
    if (lane->state == LANE_OPEN)
        io_sock_pause(lane->cluster->io, lane->sock);
}

void lane_release(struct lane *lane)
{
    assert(lane->holds > 0);
    if (--lane->holds == 0)
        lane_mark(lane);
}

/* What had arrived meanwhile comes first, and may hold it again. */
static void go_on(struct lane *lane)
{
    lane->held = false;
    if (lane->in.size > 0)
        parse_kept(lane);
    if (takes(lane))
        io_sock_resume(lane->cluster->io, lane->sock);
}

/* ---- the end of the turn -------------------------------------------------------------------- */

static bool says(const struct lane *lane)
{
    return lane->tls != NULL ? lane_tls_says(lane) : lane->out.size > 0;
}

void lane_flush(struct lane *lane)
{
    if (lane->held && lane->holds == 0 && lane->state == LANE_OPEN)
        go_on(lane);
    if (lane->state == LANE_CLOSED)
        return;
    if (says(lane) && !io_sock_sending(lane->sock))
        send_begin(lane);
}

/* ---- what the socket tells ------------------------------------------------------------------ */

static void ended_text(char text[128], const struct lane *lane, int reason)
{
    if (reason == 0)
        snprintf(text, 128, "the peer closed it");
    else
        snprintf(text, 128, "%s: %s", lane->connected ? "connection lost" : "cannot connect",
                 strerror(-reason));
}

static void lane_ended(void *context, int reason)
{
    struct lane *lane = context;
    char text[128];

    ended_text(text, lane, reason);
    if (lane->link != NULL)
        link_lane_lost(lane, text);
    lane_end(lane, LANE_NOW);
}

static void lane_closed(void *context)
{
    struct lane *lane = context;

    lane->flight.size = 0;
    if (lane->dirty)
        lane->sock = NULL; /* cluster_flush frees it */
    else
        lane_free(lane);
}

static const struct io_sock_events events = {
    .received = lane_received,
    .sent = lane_sent,
    .ended = lane_ended,
    .closed = lane_closed,
};

struct lane *lane_dial(struct cluster *cluster, const char *host, uint16_t port, const char *name,
                       uint8_t class)
{
    struct lane *lane = lane_create(cluster, class);

    lane->dialled = true;
    (void)BUF_ADD(&lane->out, FRAME_MAGIC);
    snprintf(lane->peer.text, sizeof(lane->peer.text), "%s", host);
    lane->peer.port = port;
    lane->name = heap_text(bytes_of_text(name));
    lane_tls_begin(lane, lane->name);
    lane->sock = io_connect(cluster->io, host, port, &events, lane);
    lane_mark(lane); /* TLS speaks first */
    return lane;
}

void lane_accept(struct cluster *cluster, struct io_sock *sock, const struct io_address *peer)
{
    struct lane *lane;

    if (cluster->guests == GUESTS_MAX || cluster->stopping) {
        io_sock_close(cluster->io, sock, false);
        return;
    }
    lane = lane_create(cluster, CLUSTER_CONTROL);
    lane->sock = sock;
    lane->peer = *peer;
    lane->guest = true;
    cluster->guests++;
    lane_tls_begin(lane, NULL);
    timers_arm(io_timers(cluster->io), &lane->deadline, io_now(cluster->io) + CLUSTER_HANDSHAKE_NS);
    io_sock_start(cluster->io, sock, &events, lane);
}
