#include "server/clients/connection_priv.h"
#include "server/websocket/deflate.h"

#include "base/heap.h"
#include "base/owner.h"
#include "server/auth/base64.h"

#define STALL_NS 10000000 /* as long as the reference holds one back for a read */

static struct connection *connection_of(struct client *client)
{
    return owner_of(client, struct connection, client);
}

/* ---- closing -------------------------------------------------------------------------------- */

static void count_shared(struct connection *c)
{
    struct connections *owner = c->owner;

    atomic_fetch_add(&owner->shared->count, 1);
    atomic_fetch_add(&owner->shared->load[owner->shard], 1);
    map64_put(&owner->by_id, c->client.id)->pointer = &c->client;
}

void connection_list(struct connection *c)
{
    struct connections *owner = c->owner;

    c->previous = NULL;
    c->next = owner->all;
    if (c->next != NULL)
        c->next->previous = c;
    owner->all = c;
    owner->count++;
    if (owner->shared != NULL)
        count_shared(c);
}

void connection_unlist(struct connection *c)
{
    struct connections *owner = c->owner;

    if (c->next != NULL)
        c->next->previous = c->previous;
    if (c->previous != NULL)
        c->previous->next = c->next;
    else
        owner->all = c->next;
    owner->count--;
    if (owner->shared == NULL)
        return;
    atomic_fetch_sub(&owner->shared->count, 1);
    atomic_fetch_sub(&owner->shared->load[owner->shard], 1);
    (void)map64_remove(&owner->by_id, c->client.id, NULL);
}

void connections_share(struct connections *connections, struct connections_shared *shared)
{
    assert(connections->shared == NULL);
    connections->shared = shared;
    for (struct connection *c = connections->all; c != NULL; c = c->next)
        count_shared(c);
}

/* Of all shards. */
static size_t counted(const struct connections *connections)
{
    if (connections->shared == NULL)
        return connections->count;
    return (size_t)atomic_load(&connections->shared->count);
}

static int64_t places(const struct connections *connections)
{
    if (connections->shared == NULL)
        return connections->places;
    return atomic_load_explicit(&connections->shared->places, memory_order_relaxed);
}

void connections_limit(struct connections *connections, int64_t most)
{
    connections->places = most;
    if (connections->shared != NULL)
        atomic_store_explicit(&connections->shared->places, most, memory_order_relaxed);
}

/* The last that came is one too many. */
static bool is_full(const struct connections *connections)
{
    int64_t count = (int64_t)counted(connections);

    return count > connections->clients.options->max_connections || count > places(connections);
}

static void connection_free(struct connection *c)
{
    connection_unlist(c);
    connection_drop(c);
    clients_spare_give(&c->owner->clients, &c->flight);
    connection_tls_end(c);
    connection_websocket_end(c);
    connection_callout_leave(c);
    client_deinit(&c->client);
    heap_give(c);
}

static void connection_close(struct connection *c, bool drain)
{
    struct timers *timers = io_timers(c->owner->io);

    if (!c->closing)
        logger_debug(c->owner->clients.logger, "%s - Client connection closed: %s", c->client.label,
                     c->client.reason);
    c->closing = true;
    timers_cancel(timers, &c->ping);
    timers_cancel(timers, &c->auth);
    if (!drain)
        timers_cancel(timers, &c->deadline);
    io_sock_close(c->owner->io, c->sock, drain);
}

/* ---- sending -------------------------------------------------------------------------------- */

/* Is there something to send that is not being sent? */
static bool has_out(const struct connection *c)
{
    return connection_encrypts(c) ? connection_tls_has_out(c) : connection_says(c);
}

static void fill_flight(struct connection *c)
{
    if (connection_encrypts(c)) {
        connection_tls_fill(c);
        return;
    }
    c->flight = connection_said(c);
    c->client.flight = c->flight.size;
}

static void send_begin(struct connection *c)
{
    struct timers *timers = io_timers(c->owner->io);
    struct bytes piece;

    fill_flight(c);
    if (c->flight.size == 0)
        return;
    c->flight_since_ns = io_now(c->owner->io);
    if (!timer_armed(&c->deadline))
        timers_arm(timers, &c->deadline,
                   c->flight_since_ns + c->owner->clients.options->write_deadline_ns);
    piece = buf_bytes(&c->flight);
    io_sock_send(c->owner->io, c->sock, &piece, 1);
}

static void connection_sent(void *context)
{
    struct connection *c = context;

    clients_spare_give(&c->owner->clients, &c->flight);
    c->client.flight = c->plain.size - c->plain_at;
    client_sent(&c->client);
    if (has_out(c) || c->moving || c->client.state != CLIENT_OPEN)
        client_mark(&c->client);
}

/* The peer takes nothing for so long that we give it up. */
static void send_overdue(struct connection *c)
{
    if (c->client.state == CLIENT_OPEN) {
        c->owner->clients.stats.slow_consumers++;
        c->client.account->slow_consumers++;
        logger_info(
            c->owner->clients.logger,
            "%s - Slow Consumer Detected: WriteDeadline of %llds exceeded with %zu total bytes",
            c->client.label, (long long)(c->owner->clients.options->write_deadline_ns / 1000000000),
            c->flight.size);
    }
    client_doom(&c->client, "Slow Consumer (Write Deadline)");
    if (c->closing)
        connection_close(c, false);
}

static void deadline_fired(struct timer *timer)
{
    struct connection *c = owner_of(timer, struct connection, deadline);
    int64_t due_ns = c->flight_since_ns + c->owner->clients.options->write_deadline_ns;

    if (c->flight.size == 0)
        return;
    if (io_now(c->owner->io) < due_ns)
        timers_arm(io_timers(c->owner->io), timer, due_ns);
    else
        send_overdue(c);
}

/* ---- holding back producers ----------------------------------------------------------------- */

static void stall_begin(struct connection *c)
{
    struct connections *owner = c->owner;

    c->stalled = true;
    c->stalled_next = owner->stalled;
    owner->stalled = c;
    if (!timer_armed(&owner->stall))
        timers_arm(io_timers(owner->io), &owner->stall, io_now(owner->io) + STALL_NS);
}

/* Who waits for another receiver goes on after a while, so that one which is slow does not stop the
 * others. Who is far behind itself, with what it publishes to itself, is not heard until it has
 * read: that holds nobody else up, and the deadline of writes ends it if it never does. */
static bool stall_lasts(const struct connection *c)
{
    return c->client.state == CLIENT_OPEN &&
           c->client.out.size + c->client.flight > c->owner->clients.pending_stall;
}

static void stall_fired(struct timer *timer)
{
    struct connections *owner = owner_of(timer, struct connections, stall);
    struct connection *list = owner->stalled;
    struct connection *c;

    owner->stalled = NULL;
    while ((c = list) != NULL) {
        list = c->stalled_next;
        c->stalled = false;
        if (stall_lasts(c)) {
            stall_begin(c);
            continue;
        }
        c->client.stalled = false;
        client_mark(&c->client);
    }
}

static void pause_or_resume(struct connection *c)
{
    bool pause = c->client.pauses > 0 || c->client.stalled;

    if (c->client.stalled && !c->stalled)
        stall_begin(c);
    if (pause == c->paused)
        return;
    c->paused = pause;
    if (pause)
        io_sock_pause(c->owner->io, c->sock);
    else
        io_sock_resume(c->owner->io, c->sock);
}

/* ---- the end of the turn -------------------------------------------------------------------- */

static void proof_begin(struct connection *c)
{
    const struct client_proof *proof = c->client.proof;

    if (proof->leaving)
        connection_leave_first(c);
    else if (proof->question != NULL || proof->wanted.size > 0)
        connection_callout_begin(c);
    else
        connection_proof_begin(c);
}

static void flush_open(struct connection *c)
{
    struct client *client = &c->client;

    if (client->ping_due_ns != c->ping.deadline_ns && c->greeted)
        timers_arm(io_timers(c->owner->io), &c->ping, client->ping_due_ns);
    if (client->expires_ns > 0 && client->expires_ns != c->auth.deadline_ns)
        timers_arm(io_timers(c->owner->io), &c->auth, client->expires_ns);
    if (client->proof != NULL && !client->proof->begun)
        proof_begin(c);
    if (client->unchecked > 0)
        connection_check(c);
    pause_or_resume(c);
    if (client_streams(client) && c->owner->mover != NULL)
        connection_follow(c);
    connection_let_go(c);
    if (has_out(c) && c->flight.size == 0 && (!c->parting || c->paused))
        send_begin(c);
}

static void flush_ending(struct connection *c)
{
    if (has_out(c) && c->flight.size == 0)
        send_begin(c);
    if (has_out(c))
        return;
    if (connection_websocket_farewell(c) || connection_tls_farewell(c))
        client_mark(&c->client); /* comes by again with that to send */
    else
        connection_close(c, true);
}

static void flush_gone(struct connection *c)
{
    if (!c->stalled && !c->leaving && !c->checking)
        connection_free(c);
}

/* While it still has all that is told of it. */
static void tell_ended(struct connection *c)
{
    struct clients *clients = &c->owner->clients;
    struct client_row row;

    if (c->told)
        return;
    c->told = true;
    client_row_of(&row, c, io_now(c->owner->io));
    client_uncount(&c->client);
    connection_callout_leave(c);
    closed_clients_add(&c->owner->closed, &row);
    if (clients->watch != NULL)
        clients->watch->ended(clients->watch->owner, &row);
}

/* It is a leaf node's, with its socket. */
static void forget(struct connection *c)
{
    struct timers *timers = io_timers(c->owner->io);

    timers_cancel(timers, &c->ping);
    timers_cancel(timers, &c->auth);
    timers_cancel(timers, &c->deadline);
    connection_free(c);
}

/* False: it is no more. */
static bool visit(struct connection *c)
{
    if (c->client.state != CLIENT_OPEN || connection_websocket_visit(c) != VISIT_TAKEN)
        return true;
    forget(c);
    return false;
}

static void connection_flush(struct connection *c)
{
    if (c->parted)
        return; /* comes by again when it has arrived */
    if (c->gone) {
        flush_gone(c);
        return;
    }
    if (!visit(c))
        return;
    if (c->client.state != CLIENT_OPEN) {
        tell_ended(c);
        connection_leave(c);
    }
    if (c->closing)
        return;
    switch (c->client.state) {
    case CLIENT_OPEN: flush_open(c); break;
    case CLIENT_ENDING: flush_ending(c); break;
    case CLIENT_DOOMED: connection_close(c, false); break;
    }
}

void connections_flush(struct connections *connections)
{
    struct client *client;

    connections_leave_turn(connections);
    connections_check_turn(connections);
    while ((client = clients_dirty_next(&connections->clients)) != NULL)
        connection_flush(connection_of(client));
}

/* ---- what the socket tells ------------------------------------------------------------------ */

static void connection_received(void *context, struct bytes b)
{
    struct connection *c = context;

    if (c->secure != SECURE_OFF)
        connection_tls_received(c, b);
    else
        connection_take(c, b);
    /* Not only at the end of the turn: more of its bytes may be waiting to be handed to us in this.
     */
    if (c->client.state == CLIENT_OPEN && (c->client.stalled || c->client.pauses > 0))
        pause_or_resume(c);
}

static void connection_ended(void *context, int reason)
{
    struct connection *c = context;

    if (reason == 0)
        client_ended(&c->client);
    else
        client_doom(&c->client, "Read Error");
    client_mark(&c->client);
}

static void connection_closed(void *context)
{
    struct connection *c = context;

    timers_cancel(io_timers(c->owner->io), &c->deadline);
    c->client.flight = 0;
    c->flight.size = 0;
    c->gone = true;
    client_mark(&c->client);
}

static const struct io_sock_events connection_events = {
    .received = connection_received,
    .sent = connection_sent,
    .ended = connection_ended,
    .closed = connection_closed,
    .parted = connection_parted,
};

void connection_start(struct connection *c)
{
    io_sock_start(c->owner->io, c->sock, &connection_events, c);
}

static void ping_fired(struct timer *timer)
{
    struct connection *c = owner_of(timer, struct connection, ping);

    client_ping(&c->client, io_now(c->owner->io));
    client_mark(&c->client); /* arms it again */
}

static void auth_fired(struct timer *timer)
{
    struct connection *c = owner_of(timer, struct connection, auth);

    if (!connection_tls_overdue(c) && !connection_websocket_overdue(c))
        client_auth_overdue(&c->client);
}

/* What cannot be guessed, for the client to sign. */
static const char *make_nonce(struct connections *connections, char text[AUTH_NONCE_TEXT_SIZE])
{
    const struct auth *auth = connections->clients.auth;
    uint8_t random[AUTH_NONCE_SIZE];

    static_assert((AUTH_NONCE_SIZE * 4 + 2) / 3 + 1 <= AUTH_NONCE_TEXT_SIZE, "a nonce fits");
    if (auth == NULL || !auth_wants_nonce(auth))
        return NULL;
    io_random(connections->io, random, sizeof(random));
    base64_write_url(text, bytes_of(random, sizeof(random)));
    return text;
}

void connection_await_auth(struct connection *c)
{
    const struct options *options = c->owner->clients.options;
    struct timers *timers = io_timers(c->owner->io);

    timers_cancel(timers, &c->auth);
    if (!c->client.unproven)
        return;
    timers_arm(timers, &c->auth,
               io_now(c->owner->io) + options_auth_timeout_ns(options, c->client.type));
}

void connection_greet(struct connection *c)
{
    c->greeted = true;
    client_greet(&c->client);
}

void connections_accept(struct connections *connections, struct io_sock *sock,
                        const struct io_address *peer, bool websocket)
{
    struct connection *c = HEAP_NEW(struct connection);
    char nonce[AUTH_NONCE_TEXT_SIZE];

    c->owner = connections;
    c->sock = sock;
    c->ping.fire = ping_fired;
    c->auth.fire = auth_fired;
    c->deadline.fire = deadline_fired;
    buf_init(&c->flight, SIZE_MAX / 2);
    client_init(&c->client, &connections->clients, peer->text, peer->port,
                make_nonce(connections, nonce), io_now(connections->io));
    connection_list(c);
    connections->total++;
    if (websocket)
        connection_websocket_begin(c);
    connection_tls_begin(c);
    connection_start(c);
    if (is_full(connections))
        client_end(&c->client, c->greeted ? "maximum connections exceeded" : NULL,
                   "Maximum Connections Exceeded");
}

/* ---- all of them ---------------------------------------------------------------------------- */

void connections_init(struct connections *connections, struct io *io, const struct options *options,
                      const struct info *info, struct logger *logger, uint64_t seed)
{
    *connections = (struct connections){.io = io, .stall.fire = stall_fired, .places = INT64_MAX};
    connections_leave_init(connections);
    connections_check_init(connections);
    closed_clients_init(&connections->closed, options->max_closed_clients);
    map64_init(&connections->by_id, seed ^ 1);
    clients_init(&connections->clients, options, info, logger, seed);
}

void connections_deinit(struct connections *connections)
{
    struct timers *timers = io_timers(connections->io);
    struct connection *c;

    while (clients_dirty_next(&connections->clients) != NULL)
        ;
    while ((c = connections->all) != NULL) {
        timers_cancel(timers, &c->ping);
        timers_cancel(timers, &c->auth);
        timers_cancel(timers, &c->deadline);
        client_leave(&c->client);
        connection_free(c);
    }
    connections_proofs_drop(connections);
    connections_callouts_drop(connections);
    timers_cancel(timers, &connections->stall);
    timers_cancel(timers, &connections->leave);
    timers_cancel(timers, &connections->check);
    deflater_destroy(connections->deflater);
    closed_clients_deinit(&connections->closed);
    map64_deinit(&connections->by_id);
    clients_deinit(&connections->clients);
}

void connections_inform(struct connections *connections)
{
    for (struct connection *c = connections->all; c != NULL; c = c->next)
        client_inform(&c->client);
}

bool connections_end_one(struct connections *connections, const char *reason)
{
    for (struct connection *c = connections->all; c != NULL; c = c->next) {
        if (c->client.state == CLIENT_OPEN) {
            client_end(&c->client, NULL, reason);
            return true;
        }
    }
    return false;
}

void connections_pause(struct connections *connections)
{
    for (struct connection *c = connections->all; c != NULL; c = c->next)
        client_pause(&c->client);
}

void connections_end(struct connections *connections, const char *reason)
{
    for (struct connection *c = connections->all; c != NULL; c = c->next)
        client_end(&c->client, NULL, reason);
}

void connections_doom(struct connections *connections, const char *reason)
{
    for (struct connection *c = connections->all; c != NULL; c = c->next) {
        client_doom(&c->client, reason);
        if (c->closing && !c->gone)
            connection_close(c, false);
    }
}
