#include "base/io_sim_net.h"

#include <errno.h>
#include <stdio.h>

#include "base/heap.h"

#define BUF_LIMIT   (64u << 20)
#define PORTS_FIRST 30000u
#define PORTS_END   60000u
#define POWER_LOST_NS                                                                              \
    INT64_C(1000000000) /* at most until the peer of a node without power finds out */
#define KILLED_NS      INT64_C(10000000)
#define ADDRESS_PREFIX "10.0.0."

/* ---- socks ---------------------------------------------------------------------------------- */

static struct sim_sock *sock_memory(struct sim *sim)
{
    struct sim_sock *s = sim->spare_socks;

    if (s != NULL) {
        sim->spare_socks = s->ready_next;
        return s;
    }
    s = HEAP_NEW(struct sim_sock);
    s->all_next = sim->socks;
    sim->socks = s;
    return s;
}

static void sock_list(struct sim_sock *s, struct sim_process *process)
{
    s->process = process;
    s->previous = NULL;
    s->next = process->socks;
    if (s->next != NULL)
        s->next->previous = s;
    process->socks = s;
}

struct sim_sock *sim_sock_new(struct sim_node *node, struct sim_process *process)
{
    struct sim_sock *s = sock_memory(node->sim);

    *s = (struct sim_sock){.sim = node->sim,
                           .node = node,
                           .process = process,
                           .state = SIM_SOCK_NEW,
                           .all_next = s->all_next,
                           .generation = node->sim->generation_next++};
    buf_init(&s->out, BUF_LIMIT);
    buf_init(&s->arrived, BUF_LIMIT);
    if (process != NULL)
        sock_list(s, process);
    return s;
}

static void sock_unlist(struct sim_sock *s)
{
    if (s->process == NULL)
        return;
    if (s->next != NULL)
        s->next->previous = s->previous;
    if (s->previous != NULL)
        s->previous->next = s->next;
    else
        s->process->socks = s->next;
    s->process = NULL;
}

void sim_sock_move(struct sim_sock *s, struct sim_process *process)
{
    assert(!s->is_ready);
    sock_unlist(s);
    sock_list(s, process);
}

void sim_sock_free(struct sim_sock *s)
{
    assert(s->state != SIM_SOCK_SPARE);
    if (s->peer != NULL)
        s->peer->peer = NULL;
    sock_unlist(s);
    buf_deinit(&s->out);
    buf_deinit(&s->arrived);
    s->state = SIM_SOCK_SPARE;
    s->generation = 0; /* events that name it are void */
    s->ready_next = s->sim->spare_socks;
    s->sim->spare_socks = s;
}

static bool has_owner(const struct sim_sock *s)
{
    return s->process != NULL && !s->process->dead;
}

/* Parts the two; a side without an owner has nothing left to do. */
static void part(struct sim_sock *s)
{
    struct sim_sock *peer = s->peer;

    if (peer == NULL)
        return;
    s->peer = NULL;
    peer->peer = NULL;
    if (peer->process == NULL)
        sim_sock_free(peer);
}

void sim_net_break(struct sim_sock *s, int reason)
{
    part(s);
    if (s->process == NULL) {
        sim_sock_free(s);
        return;
    }
    if (s->broken)
        return;
    sim_trace(s->sim, s->node, "breaks", (uint64_t)-reason, 0, 0);
    s->broken = true;
    if (!s->end_seen)
        s->reason = reason;
    s->end_seen = true;
    buf_release(&s->out);
    sim_sock_ready(s);
}

void sim_net_break_both(struct sim_sock *s, int reason)
{
    struct sim_sock *peer = s->peer;

    part(s);
    if (peer->state != SIM_SOCK_SPARE)
        sim_net_break(peer, reason);
    sim_net_break(s, reason);
}

/* ---- delivery ------------------------------------------------------------------------------- */

static size_t room_of(const struct buf *buf, const struct sim_node *node)
{
    size_t limit = node->faults.sock_buffer;

    return buf->size < limit ? limit - buf->size : 0;
}

static const struct sim_way *way_of(const struct sim_sock *s, size_t to)
{
    return &s->sim->ways[s->node->index][to];
}

static bool parted(const struct sim_sock *s)
{
    return way_of(s, s->peer->node->index)->cut;
}

/* How long something takes to get there. */
static int64_t travel_time(const struct sim_sock *s, size_t to)
{
    const struct sim_faults *faults = &s->node->faults;
    const struct sim_way *way = way_of(s, to);
    int64_t delay_ns = sim_between(s->sim, faults->net_min_ns, faults->net_max_ns);

    if (way->delay_max_ns > 0)
        delay_ns += sim_between(s->sim, way->delay_min_ns, way->delay_max_ns);
    return delay_ns;
}

static bool receives(const struct sim_sock *s)
{
    return s->state == SIM_SOCK_NEW || s->state == SIM_SOCK_OPEN;
}

static size_t chunk_size(struct sim_sock *s, size_t room)
{
    size_t size = s->out.size < room ? s->out.size : room;

    if (sim_luck(s->sim, s->node->faults.net_tiny) && size > 3)
        return 1 + prng_below(&s->sim->prng, 3);
    if (prng_chance(&s->sim->prng, 1, 2))
        return size;
    return 1 + prng_below(&s->sim->prng, size);
}

static void deliver_chunk(struct sim_sock *s, size_t size)
{
    struct sim_sock *peer = s->peer;
    struct bytes chunk = bytes_of(s->out.at, size);
    bool added;

    sim_trace(s->sim, s->node, "delivers", peer->node->index, size, bytes_hash(chunk, 0));
    added = buf_add(&peer->arrived, chunk);
    assert(added);
    buf_consume(&s->out, size);
    sim_sock_ready(peer);
}

static void deliver_end(struct sim_sock *s)
{
    struct sim_sock *peer = s->peer;

    sim_trace(s->sim, s->node, "delivers end", peer->node->index, 0, 0);
    part(s);
    if (peer->state != SIM_SOCK_SPARE) {
        peer->end_seen = true;
        sim_sock_ready(peer);
    }
    sim_sock_free(s);
}

static void deliver(struct sim *sim, struct sim_sock *s)
{
    struct sim_sock *peer = s->peer;
    size_t room = room_of(&peer->arrived, peer->node);

    if (s->out.size == 0)
        deliver_end(s);
    else if (sim_luck(sim, s->node->faults.net_reset))
        sim_net_break_both(s, -ECONNRESET);
    else if (!receives(peer))
        sim_net_break_both(s, -ECONNRESET); /* bytes for nobody are answered with a reset */
    else if (room > 0) {
        deliver_chunk(s, chunk_size(s, room));
        sim_net_take(s);
    }
}

static void delivery_due(struct sim *sim, void *object, uint64_t generation)
{
    struct sim_sock *s = object;

    if (s->generation != generation)
        return;
    s->delivering = false;
    if (s->peer != NULL && s->peer->state != SIM_SOCK_SILENT && !parted(s))
        deliver(sim, s);
}

/* Nothing happens while the network is parted or the receiver is full; what ends that calls again.
 */
void sim_net_deliver(struct sim_sock *s)
{
    const struct sim_faults *faults = &s->node->faults;
    int64_t delay_ns;

    if (s->delivering || s->peer == NULL || s->peer->state == SIM_SOCK_SILENT || parted(s))
        return;
    if (s->out.size == 0 && s->state != SIM_SOCK_ORPHAN)
        return;
    if (s->out.size > 0 && receives(s->peer) && room_of(&s->peer->arrived, s->peer->node) == 0)
        return;
    delay_ns = travel_time(s, s->peer->node->index);
    if (sim_luck(s->sim, faults->net_stall))
        delay_ns += faults->net_stall_ns;
    s->delivering = true;
    sim_schedule(s->sim, s->sim->now_ns + delay_ns, delivery_due, s, s->generation);
}

/* True when the piece is taken whole. */
static bool take_piece(struct sim_sock *s, struct bytes *piece)
{
    size_t room = room_of(&s->out, s->node);
    size_t size = piece->size < room ? piece->size : room;
    bool added = size == 0 || buf_add(&s->out, bytes_take(*piece, size));

    assert(added);
    *piece = bytes_skip(*piece, size);
    return piece->size == 0;
}

void sim_net_take(struct sim_sock *s)
{
    if (s->connecting)
        return; /* until the peer has answered */
    while (s->pieces_at < s->pieces_count && take_piece(s, &s->pieces[s->pieces_at]))
        s->pieces_at++;
    if (s->head.sending && s->pieces_at == s->pieces_count && !s->taken) {
        s->taken = true;
        sim_sock_ready(s);
    }
    sim_net_deliver(s);
}

/* ---- the end of a side ---------------------------------------------------------------------- */

void sim_net_hang_up(struct sim_sock *s)
{
    struct sim_sock *peer = s->peer;
    bool unread = s->arrived.size > 0;

    if (peer == NULL || unread) {
        sim_sock_free(s);
        if (peer != NULL)
            sim_net_break(peer, -ECONNRESET);
        return;
    }
    sock_unlist(s);
    s->state = SIM_SOCK_ORPHAN;
    s->pieces_at = s->pieces_count; /* what was not taken is not sent */
    sim_net_deliver(s);
}

static void reset_due(struct sim *sim, void *object, uint64_t generation)
{
    struct sim_sock *s = object;

    (void)sim;
    if (s->generation == generation)
        sim_net_break(s, -ECONNRESET);
}

/* Puts a side without an owner in the place of one whose process has died: the zombie keeps its
 * own. */
static void replace(struct sim_sock *s, bool polite)
{
    struct sim_sock *peer = s->peer;
    struct sim_sock *ghost;
    struct sim *sim = s->sim;
    struct buf empty;

    s->peer = NULL;
    if (peer == NULL)
        return;
    ghost = sim_sock_new(s->node, NULL);
    ghost->state = polite ? SIM_SOCK_ORPHAN : SIM_SOCK_SILENT;
    ghost->peer = peer;
    peer->peer = ghost;
    if (polite && s->arrived.size == 0 && prng_chance(&sim->prng, 3, 4)) {
        empty = ghost->out;
        ghost->out = s->out;
        s->out = empty;
        sim_net_deliver(ghost);
        return;
    }
    sim_schedule(sim, sim->now_ns + sim_between(sim, 0, polite ? KILLED_NS : POWER_LOST_NS),
                 reset_due, peer, peer->generation);
}

void sim_net_crash(struct sim_process *process, bool polite)
{
    for (struct sim_sock *s = process->socks; s != NULL; s = s->next)
        replace(s, polite);
}

void sim_net_free(struct sim_process *process)
{
    struct io_listener *l;

    while (process->socks != NULL) {
        part(process->socks);
        sim_sock_free(process->socks);
    }
    while ((l = process->listeners) != NULL) {
        process->listeners = l->next;
        heap_give(l);
    }
}

void sim_net_destroy(struct sim *sim)
{
    struct sim_sock *s;

    while ((s = sim->socks) != NULL) {
        sim->socks = s->all_next;
        if (s->state != SIM_SOCK_SPARE) {
            buf_deinit(&s->out);
            buf_deinit(&s->arrived);
        }
        heap_give(s);
    }
}

/* ---- connecting ----------------------------------------------------------------------------- */

static struct io_listener *listener_find(struct sim_process *process, uint16_t port)
{
    struct io_listener *l = process->listeners;

    while (l != NULL && l->port != port)
        l = l->next;
    return l;
}

static uint16_t port_take(struct sim_node *node)
{
    uint16_t port = node->port_next++;

    if (node->port_next >= PORTS_END)
        node->port_next = PORTS_FIRST;
    return port;
}

enum err sim_listen(struct io *io, const char *host, uint16_t port, io_accepted_fn *accepted,
                    void *context, struct io_listener **listener, uint16_t *bound)
{
    struct sim_process *process = sim_process_of(io);
    struct io_listener *l;

    (void)host; /* a node has one address */
    if (process->dead)
        return ERR_IO;
    if (port != 0 && listener_find(process, port) != NULL)
        return ERR_BUSY;
    while (port == 0 || listener_find(process, port) != NULL)
        port = port_take(process->node);
    l = HEAP_NEW(struct io_listener);
    *l = (struct io_listener){process, port, accepted, context, process->listeners};
    process->listeners = l;
    *listener = l;
    *bound = port;
    return OK;
}

void sim_listener_close(struct io *io, struct io_listener *listener)
{
    struct sim_process *process = sim_process_of(io);
    struct io_listener **link = &process->listeners;
    struct sim_sock *s, *next;

    if (process->dead)
        return;
    for (s = process->socks; s != NULL; s = next) {
        next = s->next;
        if (s->listener == listener) {
            s->state = SIM_SOCK_CLOSING;
            s->listener = NULL; /* nobody was told of it; the next turn hangs up */
        }
    }
    while (*link != listener)
        link = &(*link)->next;
    *link = listener->next;
    heap_give(listener);
}

static void accept_from(struct sim_sock *c, struct io_listener *l)
{
    struct sim_sock *s = sim_sock_new(l->process->node, l->process);

    snprintf(s->address.text, sizeof(s->address.text), ADDRESS_PREFIX "%zu", c->node->index + 1);
    s->address.port = port_take(c->node);
    snprintf(c->address.text, sizeof(c->address.text), ADDRESS_PREFIX "%zu", s->node->index + 1);
    c->address.port = l->port;
    s->listener = l;
    s->peer = c;
    c->connecting = false;
    c->peer = s;
    sim_trace(c->sim, c->node, "connects", s->node->index, l->port, 0);
    sim_sock_ready(s);
    sim_net_take(c);
}

static void connect_fail(struct sim_sock *c, int reason)
{
    c->connecting = false;
    c->refused = true;
    sim_net_break(c, reason);
}

static void connect_due(struct sim *sim, void *object, uint64_t generation)
{
    struct sim_sock *c = object;
    struct sim_process *process;
    struct io_listener *l = NULL;

    if (c->generation != generation || !has_owner(c))
        return;
    process = sim->nodes[c->to_node].process;
    if (process != NULL && !process->dead)
        l = listener_find(process, c->to_port);
    if (way_of(c, c->to_node)->cut || sim->ways[c->to_node][c->node->index].cut)
        connect_fail(c, -ETIMEDOUT);
    else if (l == NULL)
        connect_fail(c, -ECONNREFUSED);
    else
        accept_from(c, l);
}

static struct sim_sock *connect_begin(struct sim_process *process, uint16_t port,
                                      const struct io_sock_events *events, void *owner)
{
    struct sim_sock *c = sim_sock_new(process->node, process);

    c->state = SIM_SOCK_OPEN;
    c->events = events;
    c->owner = owner;
    c->to_port = port;
    c->connecting = true;
    return c;
}

static void connect_to(struct sim_sock *c, size_t node)
{
    struct sim *sim = c->sim;

    c->to_node = node;
    sim_schedule(sim, sim->now_ns + travel_time(c, node), connect_due, c, c->generation);
}

struct io_sock *sim_connect(struct sim *sim, struct io *from, size_t node, uint16_t port,
                            const struct io_sock_events *events, void *owner)
{
    struct sim_sock *c = connect_begin(sim_process_of(from), port, events, owner);

    assert(node < sim->nodes_count);
    connect_to(c, node);
    return &c->head;
}

/* ---- hosts ---------------------------------------------------------------------------------- */

#define NODE_NONE SIZE_MAX

/* The node that `text` names behind its prefix, counted from `first`. */
static size_t node_numbered(const struct sim *sim, const char *text, const char *prefix,
                            size_t first)
{
    struct bytes b = bytes_of_text(text), p = bytes_of_text(prefix);
    uint64_t number;

    if (!bytes_starts(b, p) || !bytes_read_u64(bytes_skip(b, p.size), &number))
        return NODE_NONE;
    return number >= first && number - first < sim->nodes_count ? number - first : NODE_NONE;
}

void sim_addresses(struct io *io, void (*address)(void *context, const char *text), void *context)
{
    char text[32];

    snprintf(text, sizeof(text), ADDRESS_PREFIX "%zu", sim_process_of(io)->node->index + 1);
    address(context, text);
}

static bool host_is_self(const char *host)
{
    return *host == 0 || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "127.0.0.1") == 0 ||
           strcmp(host, "::1") == 0 || strcmp(host, "::") == 0 || strcmp(host, "localhost") == 0;
}

static bool host_is_number(const char *host)
{
    return host[strspn(host, "0123456789abcdef.:")] == 0;
}

static size_t node_of_host(const struct sim_node *from, const char *host)
{
    size_t node;

    if (host_is_self(host) || bytes_equal_nocase(bytes_of_text(host), BYTES("localhost")))
        return from->index;
    node = node_numbered(from->sim, host, ADDRESS_PREFIX, 1);
    return node != NODE_NONE ? node : node_numbered(from->sim, host, "node", 0);
}

static void looked_up(struct sim *sim, void *object, uint64_t generation)
{
    struct sim_sock *c = object;

    (void)sim;
    if (c->generation != generation || !has_owner(c))
        return;
    if (c->to_node != NODE_NONE) {
        connect_to(c, c->to_node);
        return;
    }
    connect_fail(c, -EHOSTUNREACH);
}

struct io_sock *sim_connect_host(struct io *io, const char *host, uint16_t port,
                                 const struct io_sock_events *events, void *owner)
{
    struct sim_process *process = sim_process_of(io);
    struct sim_sock *c = connect_begin(process, port, events, owner);
    const struct sim_faults *faults = &process->node->faults;
    struct sim *sim = process->sim;
    int64_t delay_ns = 0;

    if (process->dead)
        return &c->head;
    c->to_node = node_of_host(process->node, host);
    if (!host_is_number(host))
        delay_ns = sim_between(sim, faults->work_min_ns, faults->work_max_ns);
    sim_schedule(sim, sim->now_ns + delay_ns, looked_up, c, c->generation);
    return &c->head;
}
