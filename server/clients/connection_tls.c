/*
 * What stands between a connection and its socket when that is encrypted. Before a handshake it may
 * be plain: then INFO is said plainly and the client begins the handshake, unless it is told to, or
 * likes to, begin with it.
 *
 * A handshake is bounded in time by a timer, in memory by what one receive brings.
 */
#include "base/heap.h"
#include "server/clients/connection_priv.h"

#define SECOND_NS    INT64_C(1000000000)
#define CLIENT_HELLO 0x16         /* the first byte of a handshake */
#define CHUNK_SIZE   (256u << 10) /* of plain bytes that are encrypted at one time */

static const struct tls_options *options_of(const struct connection *c)
{
    return c->websocket != NULL ? c->owner->clients.options->websocket.tls
                                : c->owner->clients.options->tls;
}

static struct tls_context *context_of(const struct connection *c)
{
    return c->websocket != NULL ? c->owner->websocket_tls : c->owner->tls;
}

/* It may be spoken to, in whatever way its port has it. */
static void ready(struct connection *c)
{
    if (c->websocket != NULL) {
        connection_websocket_await(c);
        return;
    }
    if (!c->greeted)
        connection_greet(c);
    connection_await_auth(c);
}

static void arm(struct connection *c, int64_t ns)
{
    timers_arm(io_timers(c->owner->io), &c->auth, io_now(c->owner->io) + ns);
}

/* ---- beginning ------------------------------------------------------------------------------ */

#define COUNT_BITS 20u /* of the handshakes since a time in ms, which stands above */
#define COUNT_MAX  ((UINT64_C(1) << COUNT_BITS) - 1)
#define SECOND_MS  1000u

/* How many began in this second, on any shard, with this one. */
static int64_t count_shared(struct connections_shared *shared, uint64_t now_ms)
{
    uint64_t before = atomic_load(&shared->handshakes), now;

    do {
        now = before;
        if (now_ms >= (before >> COUNT_BITS) + SECOND_MS) /* clocks of shards differ a little */
            now = (now_ms << COUNT_BITS) + 1;
        else if ((before & COUNT_MAX) < COUNT_MAX)
            now++;
    } while (!atomic_compare_exchange_weak(&shared->handshakes, &before, now));
    return (int64_t)(now & COUNT_MAX);
}

/* How many handshakes may begin in a second is bounded. */
static bool throttled(struct connections *owner, const struct tls_options *options)
{
    int64_t now_ns = io_now(owner->io);

    if (options->rate_max == 0)
        return false;
    if (owner->shared != NULL)
        return count_shared(owner->shared, (uint64_t)now_ns / (SECOND_NS / SECOND_MS)) >
               options->rate_max;
    if (now_ns - owner->handshakes_since_ns >= SECOND_NS) {
        owner->handshakes_since_ns = now_ns;
        owner->handshakes = 0;
    }
    return ++owner->handshakes > options->rate_max;
}

static void greet_and_wait(struct connection *c)
{
    connection_greet(c);
    c->secure = SECURE_AFTER;
    arm(c, options_of(c)->timeout_ns);
}

/* Over a WebSocket there is no way to say why. */
static void turn_away(struct connection *c)
{
    if (c->websocket == NULL)
        connection_greet(c);
    client_end(&c->client,
               c->websocket == NULL ? "Connection throttling is active. Please try again later."
                                    : NULL,
               "TLS Handshake Failure");
}

void connection_tls_begin(struct connection *c)
{
    const struct tls_options *options = options_of(c);

    buf_init(&c->before, SIZE_MAX / 2);
    buf_init(&c->plain, SIZE_MAX / 2);
    if (context_of(c) == NULL) {
        ready(c);
    } else if (throttled(c->owner, options)) {
        turn_away(c);
    } else if (c->websocket != NULL) {
        c->secure = SECURE_FIRST;
        arm(c, options->timeout_ns);
    } else if (options->handshake_first && options->fallback_ns > 0) {
        c->secure = SECURE_PERHAPS;
        arm(c, options->fallback_ns);
    } else if (options->handshake_first) {
        c->secure = SECURE_FIRST;
        arm(c, options->timeout_ns);
    } else if (c->owner->clients.options->allow_non_tls) {
        connection_greet(c);
        c->secure = SECURE_CHOICE;
        connection_await_auth(c);
    } else {
        greet_and_wait(c);
    }
}

bool connection_tls_overdue(struct connection *c)
{
    switch ((enum secure)c->secure) {
    case SECURE_PERHAPS: greet_and_wait(c); return true;
    case SECURE_FIRST:
    case SECURE_AFTER:
    case SECURE_HANDSHAKE:
        logger_error(c->owner->clients.logger, "%s - TLS handshake timeout", c->client.label);
        client_doom(&c->client, "TLS Handshake Failure");
        return true;
    default: return false;
    }
}

static void handshake_begin(struct connection *c)
{
    c->tls = tls_create(context_of(c));
    c->secure = SECURE_HANDSHAKE;
    c->tls_first = !c->greeted;
    c->before = c->client.out; /* what was said plainly and has not left */
    buf_init(&c->client.out, SIZE_MAX / 2);
    arm(c, options_of(c)->timeout_ns);
}

/* ---- the handshake -------------------------------------------------------------------------- */

static void handshake_failed(struct connection *c, const char *why)
{
    logger_error(c->owner->clients.logger, "%s - TLS handshake error: %s", c->client.label, why);
    buf_clear(&c->client.out);                             /* it will never be read */
    client_end(&c->client, NULL, "TLS Handshake Failure"); /* an alert may be left to send */
}

static void take_names(struct connection *c)
{
    if (!options_of(c)->map)
        return;
    arena_init(&c->names, SIZE_MAX / 4);
    c->peer = HEAP_NEW(struct tls_peer);
    (void)tls_peer(c->tls, &c->names, c->peer); /* without a certificate it has no name */
    c->client.certificate_names = c->peer->names;
    c->client.certificate_names_count = c->peer->names_count;
    c->client.subject = c->peer->subject;
}

static void handshake_done(struct connection *c)
{
    if (!tls_peer_pinned(c->tls, options_of(c))) {
        handshake_failed(c, "certificate not pinned");
        return;
    }
    c->secure = SECURE_ON;
    logger_debug(c->owner->clients.logger, "%s - TLS handshake complete, version %s, cipher %s",
                 c->client.label, tls_version(c->tls), tls_cipher(c->tls));
    take_names(c);
    ready(c);
}

/* ---- what arrives --------------------------------------------------------------------------- */

/* What came of reading, besides bytes. */
static void look_at_state(struct connection *c)
{
    enum tls_state state = tls_state(c->tls);

    if (c->secure == SECURE_HANDSHAKE && state == TLS_FAILED)
        handshake_failed(c, tls_reason(c->tls));
    else if (c->secure == SECURE_HANDSHAKE && state != TLS_HANDSHAKE)
        handshake_done(c);
    else if (state == TLS_FAILED)
        client_doom(&c->client, "Read Error");
    else if (state == TLS_ENDED)
        client_ended(&c->client);
}

static void decrypt(struct connection *c)
{
    uint8_t plain[TLS_RECORD_MAX];
    size_t size;

    do {
        size = tls_read(c->tls, plain, sizeof(plain));
        look_at_state(c);
        if (size > 0 && c->client.state == CLIENT_OPEN)
            connection_take(c, bytes_of(plain, size));
    } while (size > 0);
    client_mark(&c->client); /* TLS may have something to say */
}

void connection_tls_received(struct connection *c, struct bytes b)
{
    if (c->client.state != CLIENT_OPEN || b.size == 0)
        return;
    if (c->secure == SECURE_CHOICE && b.at[0] != CLIENT_HELLO) {
        c->secure = SECURE_OFF;
        client_feed(&c->client, b, io_now(c->owner->io));
        return;
    }
    if (!connection_encrypts(c))
        handshake_begin(c);
    tls_feed(c->tls, b);
    decrypt(c);
}

/* ---- what leaves ---------------------------------------------------------------------------- */

static size_t plain_left(const struct connection *c)
{
    return c->plain.size - c->plain_at;
}

bool connection_tls_has_out(const struct connection *c)
{
    if (c->before.size > 0 || tls_has_out(c->tls))
        return true;
    return c->secure == SECURE_ON && (plain_left(c) > 0 || connection_says(c));
}

/* Encrypts the next piece of what the client has to say. */
static void encrypt(struct connection *c)
{
    size_t end;

    if (plain_left(c) == 0) {
        clients_spare_give(&c->owner->clients, &c->plain);
        c->plain = connection_said(c);
        c->plain_at = 0;
    }
    end = plain_left(c) < CHUNK_SIZE ? c->plain.size : c->plain_at + CHUNK_SIZE;
    while (c->plain_at < end && tls_state(c->tls) != TLS_FAILED) {
        size_t size = end - c->plain_at < TLS_RECORD_MAX ? end - c->plain_at : TLS_RECORD_MAX;

        tls_write(c->tls, bytes_of(c->plain.at + c->plain_at, size));
        c->plain_at += size;
    }
    if (tls_state(c->tls) == TLS_FAILED)
        client_doom(&c->client, "Write Error");
}

void connection_tls_fill(struct connection *c)
{
    if (c->before.size > 0) {
        c->flight = c->before;
        buf_init(&c->before, SIZE_MAX / 2);
    } else {
        c->flight = clients_spare_take(&c->owner->clients);
    }
    if (c->secure == SECURE_ON && tls_state(c->tls) != TLS_FAILED)
        encrypt(c);
    tls_out(c->tls, &c->flight);
    c->client.flight = c->flight.size + plain_left(c);
}

bool connection_tls_farewell(struct connection *c)
{
    if (c->secure != SECURE_ON || c->farewell)
        return false;
    c->farewell = true;
    tls_end(c->tls);
    return tls_has_out(c->tls);
}

bool connection_tls_describe(const struct connection *c, struct buf *out)
{
    struct json_writer w;

    if (c->tls == NULL || tls_state(c->tls) != TLS_OPEN)
        return true;
    json_writer_init(&w, out);
    json_object_begin(&w);
    json_key(&w, BYTES("version"));
    json_string(&w, bytes_of_text(tls_version(c->tls)));
    json_key(&w, BYTES("cipher"));
    json_string(&w, bytes_of_text(tls_cipher(c->tls)));
    tls_peer_describe(c->tls, &w);
    json_object_end(&w);
    return !w.failed;
}

void connection_tls_end(struct connection *c)
{
    struct clients *clients = &c->owner->clients;

    tls_destroy(c->tls);
    clients_spare_give(clients, &c->before);
    clients_spare_give(clients, &c->plain);
    if (c->peer != NULL)
        arena_deinit(&c->names);
    heap_give(c->peer);
}
