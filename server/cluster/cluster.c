#include "server/cluster/cluster_priv.h"

#include <stdio.h>

#include "base/heap.h"
#include "base/owner.h"
#include "base/text.h"
#include "server/cluster/route_url.h"

#define HEARTBEAT_NS_DEFAULT (250 * MILLISECOND_NS)
#define DEADLINE_NS_DEFAULT  (1500 * MILLISECOND_NS)
#define GOSSIP_NS            (5 * SECOND_NS)
#define CONTROL_MAX          (32 * MIB)
#define DATA_MAX             (FRAME_BODY_MAX + 32 * MIB)
#define NAME_MADE_UP         22u
#define STATE_FACTOR         8u

/* A frame that is allowed at all fits an empty queue. */
static_assert(DATA_MAX >= FRAME_BODY_MAX + FRAME_HEAD);

uint64_t cluster_node_id(struct bytes server_name)
{
    return bytes_hash(server_name, 0);
}

/* ---- buffers -------------------------------------------------------------------------------- */

struct buf cluster_spare_take(struct cluster *cluster)
{
    struct buf buf;

    if (cluster->spares_count > 0)
        return cluster->spares[--cluster->spares_count];
    buf_init(&buf, SIZE_MAX / 2);
    return buf;
}

void cluster_spare_give(struct cluster *cluster, struct buf *buf)
{
    if (buf->capacity == 0 || buf->capacity > SPARE_SIZE_MAX ||
        cluster->spares_count == SPARES_MAX) {
        buf_release(buf);
        return;
    }
    buf_clear(buf);
    cluster->spares[cluster->spares_count++] = *buf;
    buf_init(buf, SIZE_MAX / 2);
}

/* ---- nodes ---------------------------------------------------------------------------------- */

struct peer *cluster_peer(const struct cluster *cluster, uint64_t id)
{
    for (size_t i = 0; i < cluster->peers_count; i++)
        if (cluster->peers[i]->node.id == id)
            return cluster->peers[i];
    return NULL;
}

static void peer_free(struct peer *peer)
{
    greeting_free(&peer->greeting);
    heap_give(peer->gossip_host);
    heap_give(peer);
}

/* The place of the one that was down the longest; none: peers_count. */
static size_t forgettable(const struct cluster *cluster)
{
    size_t oldest = cluster->peers_count;

    for (size_t i = 0; i < cluster->peers_count; i++) {
        const struct peer *peer = cluster->peers[i];

        if (peer->link == NULL &&
            (oldest == cluster->peers_count || peer->seen_ns < cluster->peers[oldest]->seen_ns))
            oldest = i;
    }
    return oldest;
}

struct peer *cluster_peer_take(struct cluster *cluster, uint64_t id)
{
    struct peer *peer = cluster_peer(cluster, id);
    size_t at = cluster->peers_count;

    if (peer != NULL)
        return peer;
    if (at == CLUSTER_NODES_MAX) {
        at = forgettable(cluster);
        if (at == cluster->peers_count)
            return NULL;
        peer_free(cluster->peers[at]);
    } else {
        cluster->peers_count++;
    }
    peer = HEAP_NEW(struct peer);
    peer->cluster = cluster;
    peer->node.id = id;
    peer->seen_ns = io_now(cluster->io);
    cluster->peers[at] = peer;
    return peer;
}

void cluster_watch(struct cluster *cluster, struct cluster_watcher *watcher)
{
    watcher->next = NULL;
    *cluster->watchers_last = watcher;
    cluster->watchers_last = &watcher->next;
}

void cluster_told_up(struct cluster *cluster, struct peer *peer)
{
    for (struct cluster_watcher *w = cluster->watchers; w != NULL; w = w->next)
        if (w->up != NULL)
            w->up(w, &peer->node);
}

void cluster_told_down(struct cluster *cluster, struct peer *peer)
{
    for (struct cluster_watcher *w = cluster->watchers; w != NULL; w = w->next)
        if (w->down != NULL)
            w->down(w, &peer->node);
}

const struct cluster_node *cluster_self(const struct cluster *cluster)
{
    return &cluster->self;
}

const struct cluster_node *cluster_node(const struct cluster *cluster, uint64_t id)
{
    const struct peer *peer = cluster_peer(cluster, id);

    return peer != NULL ? &peer->node : NULL;
}

const struct cluster_node *cluster_next(const struct cluster *cluster, size_t *at)
{
    return *at < cluster->peers_count ? &cluster->peers[(*at)++]->node : NULL;
}

bool cluster_connection_next(const struct cluster *cluster, const void **at,
                             struct cluster_connection *connection)
{
    const struct lane *lane = *at;

    lane = lane == NULL ? cluster->lanes : lane->next;
    while (lane != NULL && (lane->link == NULL || lane->link->state != LINK_UP))
        lane = lane->next;
    if (lane == NULL)
        return false;
    *at = lane;
    *connection = (struct cluster_connection){
        .node = &lane->link->peer->node,
        .rid = lane->rid,
        .class = lane->class,
        .dialled = lane->dialled,
        .configured = lane->link->configured,
        .peer = lane->peer,
        .start_wall_ns = lane->start_wall_ns,
        .start_ns = lane->start_ns,
        .last_ns = lane->last_ns,
        .pending = lane_queued(lane),
        .in_frames = lane->stats.in_frames,
        .in_bytes = lane->stats.in_bytes,
        .out_frames = lane->stats.out_frames,
        .out_bytes = lane->stats.out_bytes,
    };
    return true;
}

uint64_t cluster_rid(const struct cluster *cluster, uint64_t node)
{
    struct cluster_connection c;

    for (const void *at = NULL; cluster_connection_next(cluster, &at, &c);)
        if (c.node->id == node && c.class == CLUSTER_MESSAGES)
            return c.rid;
    return 0;
}

bool cluster_flaw(const struct cluster *cluster, uint64_t flaw)
{
    return (cluster->flaws & flaw) != 0;
}

struct bytes cluster_name(const struct cluster *cluster)
{
    return bytes_of_text(cluster->name);
}

bool cluster_name_is_dynamic(const struct cluster *cluster)
{
    return cluster->name_dynamic;
}

uint16_t cluster_port(const struct cluster *cluster)
{
    return cluster->listener.port;
}

size_t cluster_routes(const struct cluster *cluster)
{
    return cluster->options->routes_count;
}

size_t cluster_routes_answered(const struct cluster *cluster)
{
    size_t count = 0;

    for (const struct dial *dial = cluster->dials; dial != NULL; dial = dial->next)
        count += dial->configured && dial->answered;
    return count;
}

/* ---- ourselves ------------------------------------------------------------------------------ */

void cluster_hello(const struct cluster *cluster, struct hello *hello)
{
    const struct cluster_node *self = &cluster->self;

    *hello = (struct hello){
        .version = HELLO_VERSION,
        .version_min = HELLO_VERSION_MIN,
        .jetstream = self->jetstream,
        .cluster_name = bytes_of_text(cluster->name),
        .cluster_name_dynamic = cluster->name_dynamic,
        .features = self->features,
        .port = self->port,
        .node = self->id,
        .incarnation = self->incarnation,
        .server_id = self->server_id,
        .server_name = self->name,
        .host = self->host,
        .urls_count = self->client_urls_count,
        .websocket_urls_count = self->websocket_urls_count,
    };
    memcpy(hello->urls, self->client_urls, sizeof(self->client_urls));
    memcpy(hello->websocket_urls, self->websocket_urls, sizeof(self->websocket_urls));
}

/* Peers that know us by the old name meet us again by the new one. */
void cluster_adopt_name(struct cluster *cluster, struct bytes name, bool dynamic)
{
    char *old = cluster->name;

    cluster->name = heap_text(name);
    cluster->name_dynamic = dynamic;
    if (strcmp(old, cluster->name) != 0) {
        logger_info(cluster->logger, "Cluster name updated to %s", cluster->name);
        for (size_t i = 0; i < cluster->peers_count; i++)
            if (cluster->peers[i]->link != NULL)
                cluster->peers[i]->link->doom = "Cluster Name Conflict";
    }
    heap_give(old);
}

static void make_up_name(struct cluster *cluster)
{
    char name[NAME_MADE_UP];

    text_base62(&cluster->prng, name, sizeof(name));
    cluster->name = heap_text(bytes_of(name, sizeof(name)));
    cluster->name_dynamic = true;
}

struct cluster *cluster_create(const struct cluster_setup *setup)
{
    const struct cluster_options *options = setup->options;
    struct cluster *cluster = HEAP_NEW(struct cluster);

    cluster->io = setup->io;
    cluster->logger = setup->logger;
    cluster->options = options;
    prng_seed(&cluster->prng, setup->seed);
    cluster->queue_max[CLUSTER_CONTROL] = CONTROL_MAX;
    cluster->queue_max[CLUSTER_DATA] = DATA_MAX;
    cluster->queue_max[CLUSTER_MESSAGES] = setup->messages_max;
    cluster->heartbeat_ns =
        options->heartbeat_ns > 0 ? options->heartbeat_ns : HEARTBEAT_NS_DEFAULT;
    cluster->deadline_ns = options->deadline_ns > 0 ? options->deadline_ns : DEADLINE_NS_DEFAULT;
    cluster->listen_host = options->host != NULL ? options->host : setup->host;
    cluster->listen_place = options->host != NULL ? options->host_place : setup->host_place;
    cluster->watchers_last = &cluster->watchers;
    cluster->flaws = setup->flaws;
    cluster->self.id = cluster_node_id(bytes_of_text(setup->name));
    cluster->self.name = bytes_of_text(setup->name);
    cluster->self.server_id = bytes_of_text(setup->server_id);
    cluster->self.jetstream = setup->jetstream;
    cluster->self.features = CLUSTER_FEATURE_TRACES;
    cluster->self.up = true;
    if (options->name != NULL && options->name[0] != 0)
        cluster->name = heap_text(bytes_of_text(options->name));
    else
        make_up_name(cluster);
    cluster_set_tls(cluster, options->tls, options->tls_context);
    dials_init(cluster);
    return cluster;
}

void cluster_set_tls(struct cluster *cluster, const struct tls_options *tls,
                     struct tls_context *context)
{
    struct tls_context *before = cluster->tls_context;

    assert((tls == NULL) == (context == NULL));
    cluster->tls = tls;
    cluster->tls_context = context != NULL ? tls_context_hold(context) : NULL;
    tls_context_give(before);
}

/* ---- heartbeats ----------------------------------------------------------------------------- */

/* A loop that stood still has heard nobody: that says nothing of the peers. */
static void excuse_silence(struct cluster *cluster, int64_t late_ns)
{
    if (late_ns < cluster->deadline_ns / 2)
        return;
    for (struct link *link = cluster->links; link != NULL; link = link->next)
        link->heard_ns = io_now(cluster->io);
}

static void beat(struct timer *timer)
{
    struct cluster *cluster = owner_of(timer, struct cluster, beat);
    int64_t now_ns = io_now(cluster->io);
    struct link *link, *next;

    excuse_silence(cluster, now_ns - cluster->beat_due_ns);
    for (link = cluster->links; link != NULL; link = next) {
        next = link->next;
        link_beat(link);
    }
    if (now_ns >= cluster->gossip_due_ns) {
        cluster->gossip_due_ns = now_ns + GOSSIP_NS;
        gossip_beat(cluster);
    }
    cluster->beat_due_ns = now_ns + cluster->heartbeat_ns;
    timers_arm(io_timers(cluster->io), timer, cluster->beat_due_ns);
}

/* ---- starting and stopping ------------------------------------------------------------------ */

static void accepted(void *context, struct io_sock *sock, const struct io_address *peer)
{
    lane_accept(context, sock, peer);
}

static enum err open_listener(struct cluster *cluster)
{
    const struct cluster_options *options = cluster->options;
    const struct listener_at at = {cluster->listen_host, options->port, cluster->listen_place};
    char reason[LISTENER_REASON_SIZE], address[LISTENER_ADDRESS_SIZE];
    enum err err;

    err = listener_open(&cluster->listener, cluster->io, &at, accepted, cluster, reason);
    if (err != OK) {
        logger_fatal(cluster->logger, "Error listening on router port: %d - %s", options->port,
                     reason);
        return err;
    }
    listener_address(address, sizeof(address), cluster->listen_host, cluster->listener.port);
    logger_info(cluster->logger, "Listening for route connections on %s", address);
    return OK;
}

static bool host_is_wildcard(const char *host)
{
    return host[0] == 0 || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
}

/* Where others can reach us: as configured, or as listened on, or as they see us (empty). */
static void place_self(struct cluster *cluster)
{
    const char *advertise = cluster->options->advertise;
    struct cluster_node *self = &cluster->self;
    struct bytes host;
    uint16_t port = cluster->listener.port;

    if (advertise != NULL && advertise[0] != 0)
        host = address_split(bytes_of_text(advertise), &port);
    else
        host = bytes_of_text(host_is_wildcard(cluster->listen_host) ? "" : cluster->listen_host);
    if (host.size > HELLO_TEXT_MAX)
        host.size = HELLO_TEXT_MAX;
    cluster->self_host = heap_text(host);
    self->host = bytes_of_text(cluster->self_host);
    self->port = port;
}

/* The bytes are in `all` when everything is there. */
static size_t size_urls(const struct cluster_urls *urls, struct bytes to[static CLUSTER_URLS_MAX],
                        struct buf *all)
{
    size_t count = 0;

    for (size_t i = 0; urls != NULL && i < urls->count && count < CLUSTER_URLS_MAX; i++)
        if (urls->at[i].size <= HELLO_TEXT_MAX && buf_add(all, urls->at[i]))
            to[count++].size = urls->at[i].size;
    return count;
}

static struct bytes place_urls(struct bytes *urls, size_t count, struct bytes from)
{
    for (size_t i = 0; i < count; i++) {
        urls[i].at = from.at;
        from = bytes_skip(from, urls[i].size);
    }
    return from;
}

static void keep_urls(struct cluster *cluster, const struct cluster_urls *clients,
                      const struct cluster_urls *websocket)
{
    struct cluster_node *self = &cluster->self;
    struct bytes rest;
    struct buf all;

    buf_init(&all, SIZE_MAX / 2);
    self->client_urls_count = size_urls(clients, self->client_urls, &all);
    self->websocket_urls_count = size_urls(websocket, self->websocket_urls, &all);
    cluster->self_urls = all.at;
    rest = place_urls(self->client_urls, self->client_urls_count, buf_bytes(&all));
    (void)place_urls(self->websocket_urls, self->websocket_urls_count, rest);
}

enum err cluster_start(struct cluster *cluster, uint64_t incarnation,
                       const struct cluster_urls *clients, const struct cluster_urls *websocket)
{
    enum err err;

    assert(!cluster->started);
    logger_info(cluster->logger, "Cluster name is %s", cluster->name);
    if (cluster->name_dynamic)
        logger_warn(cluster->logger,
                    "Cluster name was dynamically generated, consider setting one");
    err = open_listener(cluster);
    if (err != OK)
        return err;
    cluster->started = true;
    cluster->self.incarnation = incarnation;
    place_self(cluster);
    keep_urls(cluster, clients, websocket);
    cluster->beat.fire = beat;
    cluster->beat_due_ns = io_now(cluster->io) + cluster->heartbeat_ns;
    cluster->gossip_due_ns = io_now(cluster->io) + GOSSIP_NS;
    timers_arm(io_timers(cluster->io), &cluster->beat, cluster->beat_due_ns);
    dials_begin(cluster);
    return OK;
}

void cluster_stop(struct cluster *cluster)
{
    if (cluster->stopping)
        return;
    cluster->stopping = true;
    listener_close(&cluster->listener, cluster->io);
    dials_stop(cluster);
    timers_cancel(io_timers(cluster->io), &cluster->beat);
    while (cluster->links != NULL)
        link_close(cluster->links, "Server Shutdown", LANE_LAST_WORDS);
    for (struct lane *lane = cluster->lanes; lane != NULL; lane = lane->next)
        if (lane->state == LANE_OPEN)
            lane_end(lane, LANE_NOW);
}

bool cluster_stopped(const struct cluster *cluster)
{
    return cluster->lanes == NULL;
}

static void drop_everything(struct cluster *cluster)
{
    struct cluster_watcher *none = NULL;

    cluster->watchers = none; /* whoever watches is going down as well */
    cluster->stopping = true;
    while (cluster->links != NULL)
        link_close(cluster->links, "Server Shutdown", LANE_NOW);
    while (cluster->lanes != NULL) {
        cluster->lanes->dirty = false;
        lane_settled(cluster->lanes);
        lane_free(cluster->lanes);
    }
}

void cluster_destroy(struct cluster *cluster)
{
    listener_close(&cluster->listener, cluster->io);
    timers_cancel(io_timers(cluster->io), &cluster->beat);
    drop_everything(cluster);
    dials_free(cluster);
    for (size_t i = 0; i < cluster->peers_count; i++)
        peer_free(cluster->peers[i]);
    while (cluster->spares_count > 0)
        buf_deinit(&cluster->spares[--cluster->spares_count]);
    heap_give(cluster->name);
    heap_give(cluster->self_host);
    heap_give(cluster->self_urls);
    tls_context_give(cluster->tls_context);
    heap_give(cluster);
}

/* ---- frames --------------------------------------------------------------------------------- */

void cluster_subscribe(struct cluster *cluster, uint8_t kind, cluster_handler_fn *handler,
                       void *owner)
{
    assert(kind >= CLUSTER_KIND_FIRST);
    assert(cluster->handlers[kind].call == NULL);
    cluster->handlers[kind] = (struct handler){handler, owner};
}

void cluster_dispatch(struct cluster *cluster, uint64_t node, const struct frame *frame)
{
    const struct handler *handler = &cluster->handlers[frame->kind];

    if (handler->call != NULL)
        handler->call(handler->owner, node, frame->class, frame->body);
}

static struct lane *lane_of(const struct cluster *cluster, uint64_t node, enum cluster_class class)
{
    const struct peer *peer = cluster_peer(cluster, node);

    assert(class < CLUSTER_CLASSES);
    if (peer == NULL || peer->link == NULL || peer->link->doom != NULL)
        return NULL;
    return peer->link->lanes[class];
}

static size_t lane_room(const struct cluster *cluster, const struct lane *lane)
{
    size_t queued = lane_queued(lane), most = cluster->queue_max[lane->class];

    return queued < most ? most - queued : 0;
}

size_t cluster_room(const struct cluster *cluster, uint64_t node, enum cluster_class class)
{
    const struct lane *lane = lane_of(cluster, node, class);

    return lane != NULL ? lane_room(cluster, lane) : 0;
}

size_t cluster_queued(const struct cluster *cluster, uint64_t node, enum cluster_class class)
{
    const struct lane *lane = lane_of(cluster, node, class);

    return lane != NULL ? lane_queued(lane) : 0;
}

void cluster_set_settle(struct cluster *cluster, void (*settle)(void *owner), void *owner)
{
    cluster->settle = settle;
    cluster->settle_owner = owner;
}

void cluster_set_catch_up(struct cluster *cluster, void (*catch_up)(void *owner), void *owner)
{
    cluster->catch_up = catch_up;
    cluster->catch_up_owner = owner;
}

static void settle(struct cluster *cluster)
{
    if (cluster->settle != NULL)
        cluster->settle(cluster->settle_owner);
}

void cluster_send_state(struct cluster *cluster, uint64_t node, uint8_t kind,
                        enum cluster_class class, const struct bytes *pieces, size_t count)
{
    struct lane *lane = lane_of(cluster, node, class);

    assert(kind >= CLUSTER_KIND_FIRST);
    if (lane == NULL)
        return;
    lane_add(lane, kind, pieces, count);
    if (lane_queued(lane) > STATE_FACTOR * cluster->queue_max[class])
        lane->link->doom = "it does not take what it must have";
}

bool cluster_send(struct cluster *cluster, uint64_t node, uint8_t kind, enum cluster_class class,
                  const struct bytes *pieces, size_t count)
{
    struct lane *lane = lane_of(cluster, node, class);
    size_t size = FRAME_HEAD;

    assert(kind >= CLUSTER_KIND_FIRST);
    if (lane == NULL)
        return false;
    if (class == CLUSTER_MESSAGES && !cluster_flaw(cluster, CLUSTER_FLAW_INTEREST_LATE))
        settle(cluster);
    for (size_t i = 0; i < count; i++)
        size += pieces[i].size;
    if (size > lane_room(cluster, lane)) {
        if (class == CLUSTER_CONTROL)
            lane->link->doom = "it does not take what it must have";
        return false;
    }
    lane_add(lane, kind, pieces, count);
    return true;
}

void cluster_drop(struct cluster *cluster, uint64_t node, const char *reason)
{
    const struct peer *peer = cluster_peer(cluster, node);

    if (peer != NULL && peer->link != NULL && peer->link->doom == NULL)
        peer->link->doom = reason;
}

void cluster_pause(struct cluster *cluster, uint64_t node, enum cluster_class class)
{
    struct lane *lane = lane_of(cluster, node, class);

    if (lane != NULL)
        lane_hold(lane);
}

void cluster_resume(struct cluster *cluster, uint64_t node, enum cluster_class class)
{
    struct lane *lane = lane_of(cluster, node, class);

    if (lane != NULL)
        lane_release(lane);
}

static bool transport_send(void *owner, uint64_t node, enum transport_class class,
                           const struct bytes *pieces, size_t count)
{
    return cluster_send(owner, node, CLUSTER_RAFT, (enum cluster_class) class, pieces, count);
}

static size_t transport_room(void *owner, uint64_t node)
{
    return cluster_room(owner, node, CLUSTER_DATA);
}

static size_t transport_waiting(void *owner, uint64_t node)
{
    return cluster_queued(owner, node, CLUSTER_CONTROL);
}

struct transport cluster_transport(struct cluster *cluster)
{
    return (struct transport){
        .owner = cluster,
        .send = transport_send,
        .room = transport_room,
        .waiting = transport_waiting,
    };
}

/* ---- the end of the turn -------------------------------------------------------------------- */

static void close_doomed(struct cluster *cluster)
{
    struct link *link, *next;

    for (link = cluster->links; link != NULL; link = next) {
        next = link->next;
        if (link->doom != NULL)
            link_close(link, link->doom, LANE_NOW);
    }
}

void cluster_flush(struct cluster *cluster)
{
    struct lane *lane, *next;

    settle(cluster);
    close_doomed(cluster);
    while ((lane = cluster->dirty) != NULL) {
        cluster->dirty = NULL;
        for (; lane != NULL; lane = next) {
            next = lane->dirty_next;
            lane->dirty = false;
            if (lane->sock == NULL)
                lane_free(lane);
            else
                lane_flush(lane);
        }
        close_doomed(cluster); /* those that frames which had been held back have doomed */
    }
}
