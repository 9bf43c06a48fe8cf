/* The bytes of one connection, TLS between them and the socket, and its timers. */
#include <stdio.h>

#include "base/heap.h"
#include "base/owner.h"
#include "server/auth/base64.h"
#include "server/leaf/leaf_priv.h"

#define END_NS         SECOND_NS /* for a peer to take what is said last, and to close */
#define PAUSE_NS       INT64_C(10000000)
#define IN_MAX         ((size_t)LEAF_LINE_MAX + (1u << 20))
#define HANDSHAKE_BYTE 0x16

static const struct io_sock_events events;

static struct io *io_of(const struct leaf *leaf)
{
    return leaf->leaves->setup.io;
}

static struct timers *timers_of(const struct leaf *leaf)
{
    return io_timers(io_of(leaf));
}

void leaf_mark(struct leaf *leaf)
{
    if (leaf->dirty)
        return;
    leaf->dirty = true;
    leaf->dirty_next = leaf->leaves->dirty;
    leaf->leaves->dirty = leaf;
}

size_t leaf_queued(const struct leaf *leaf)
{
    return leaf->out.size + leaf->flight.size;
}

/* ---- beginning and end ---------------------------------------------------------------------- */

static void ended(struct leaf *leaf, const char *reason);

/* Of a greeting, of a send, of the end. */
static void deadline_fired(struct timer *timer)
{
    struct leaf *leaf = owner_of(timer, struct leaf, deadline);

    switch ((enum leaf_state)leaf->state) {
    case LEAF_UNPROVEN:
        leaf_refuse(leaf, "Authentication Timeout", "Authentication Timeout");
        break;
    case LEAF_CONNECTING: ended(leaf, "i/o timeout"); break;
    case LEAF_ANSWERING:
        leaf_refuse(leaf, "Stale Leaf Node Connection - Closing", "Stale Connection");
        break;
    case LEAF_PROVING: leaf_proof_overdue(leaf); break;
    case LEAF_UP: leaf_mark(leaf); break; /* a send may have taken too long */
    default: leaf_close(leaf, LEAF_AT_ONCE, leaf->reason); break;
    }
}

static void pause_fired(struct timer *timer)
{
    struct leaf *leaf = owner_of(timer, struct leaf, pause);

    leaf->behind = false;
    leaf_mark(leaf);
}

static void arm(struct leaf *leaf, struct timer *timer, int64_t ns)
{
    timers_arm(timers_of(leaf), timer, io_now(io_of(leaf)) + ns);
}

static struct leaf *leaf_create(struct leaves *leaves)
{
    struct leaf *leaf = HEAP_NEW(struct leaf);

    leaf->leaves = leaves;
    leaf->peer.owner = leaf;
    leaf->start_ns = io_now(leaves->setup.io);
    leaf->id = ++leaves->setup.clients->id_last;
    if (leaves->setup.clients->ids != NULL)
        leaf->id = atomic_fetch_add(leaves->setup.clients->ids, 1) + 1;
    leaf->name = heap_text(BYTES(""));
    leaf->cluster = heap_text(BYTES(""));
    leaf->remote_account = heap_text(BYTES(""));
    leaf->isolated = leaves->options->isolate;
    leaf->alone = true;
    leaf->deadline.fire = deadline_fired;
    leaf->pause.fire = pause_fired;
    buf_init(&leaf->in, SIZE_MAX / 2);
    buf_init(&leaf->out, SIZE_MAX / 2);
    buf_init(&leaf->flight, SIZE_MAX / 2);
    leaf_interest_init(leaf);
    leaf->next = leaves->all;
    if (leaf->next != NULL)
        leaf->next->previous = leaf;
    leaves->all = leaf;
    leaves->count++;
    return leaf;
}

static void set_label(struct leaf *leaf)
{
    bool brackets = strchr(leaf->address.text, ':') != NULL;

    snprintf(leaf->label, sizeof(leaf->label), "%s%s%s:%u - %s:%llu", brackets ? "[" : "",
             leaf->address.text, brackets ? "]" : "", leaf->address.port,
             leaf_over_websocket(leaf) ? "lid_ws" : "lid", (unsigned long long)leaf->id);
}

void leaf_free(struct leaf *leaf)
{
    struct leaves *leaves = leaf->leaves;

    assert(!leaf->dirty);
    timers_cancel(timers_of(leaf), &leaf->deadline);
    timers_cancel(timers_of(leaf), &leaf->ping);
    timers_cancel(timers_of(leaf), &leaf->expiry);
    timers_cancel(timers_of(leaf), &leaf->pause);
    if (leaf->next != NULL)
        leaf->next->previous = leaf->previous;
    if (leaf->previous != NULL)
        leaf->previous->next = leaf->next;
    else
        leaves->all = leaf->next;
    leaves->count--;
    leaf_proof_forget(leaf);
    leaf_unhear_all(leaf);
    leaf_untell_all(leaf);
    leaf_rules_deinit(&leaf->rules);
    tls_destroy(leaf->tls);
    leaf_web_free(leaf);
    buf_deinit(&leaf->in);
    buf_deinit(&leaf->out);
    buf_deinit(&leaf->flight);
    heap_give((void *)leaf->claims.at);
    heap_give(leaf->name);
    heap_give(leaf->cluster);
    heap_give(leaf->remote_account);
    heap_give(leaf);
}

static void make_nonce(struct leaf *leaf)
{
    uint8_t random[AUTH_NONCE_SIZE];

    io_random(io_of(leaf), random, sizeof(random));
    base64_write_url(leaf->nonce, bytes_of(random, sizeof(random)));
}

int64_t leaf_auth_ns(const struct leaves *leaves)
{
    const struct leaf_options *options = leaves->options;
    int64_t ns = options->auth_timeout_ns > 0 ? options->auth_timeout_ns : LEAF_AUTH_NS;

    return options->tls != NULL ? ns + options->tls->timeout_ns : ns;
}

struct leaf *leaf_accept(struct leaves *leaves, struct io_sock *sock, const struct io_address *peer)
{
    const struct leaf_options *options = leaves->options;
    struct leaf *leaf;

    if (leaves->count >= LEAVES_MAX || leaves->ending) {
        io_sock_close(leaves->setup.io, sock, false);
        return NULL;
    }
    leaf = leaf_create(leaves);
    leaf->sock = sock;
    leaf->address = *peer;
    leaf->state = LEAF_UNPROVEN;
    leaf->secure_due = options->tls_context != NULL;
    set_label(leaf);
    make_nonce(leaf);
    leaf_log_begin(leaf);
    io_sock_start(leaves->setup.io, sock, &events, leaf);
    if (leaf->secure_due && options->tls->handshake_first)
        leaf_secure(leaf, options->tls_context, NULL);
    leaf_greet(leaf, false);
    arm(leaf, &leaf->deadline, leaf_auth_ns(leaves));
    return leaf;
}

/* It was upgraded by whoever has the port, which had TLS if there is any. */
struct leaf *leaf_visit(struct leaves *leaves, const struct leaf_visitor *visitor)
{
    struct leaf *leaf;

    if (leaves->count >= LEAVES_MAX || leaves->ending)
        return NULL;
    leaf = leaf_create(leaves);
    leaf->sock = visitor->sock;
    leaf->tls = visitor->tls;
    leaf->secure = leaf->tls != NULL;
    leaf->flight = visitor->flight;
    leaf->flight_since_ns = io_now(leaves->setup.io);
    leaf->state = LEAF_UNPROVEN;
    (void)io_sock_peer(leaves->setup.io, leaf->sock, &leaf->address);
    leaf_web_accepted(leaf, visitor);
    set_label(leaf);
    make_nonce(leaf);
    leaf_log_begin(leaf);
    io_sock_hand(leaves->setup.io, leaf->sock, &events, leaf);
    leaf_greet(leaf, false);
    arm(leaf, &leaf->deadline, leaf_auth_ns(leaves));
    return leaf;
}

void leaf_begin_first(struct leaf *leaf)
{
    const struct leaf_remote *options = leaf->remote->options;

    if (options->tls != NULL && options->tls->handshake_first && options->tls_context != NULL)
        leaf_secure(leaf, options->tls_context, remote_tls_name(leaf->remote));
}

static void begin_dialled(struct leaf *leaf)
{
    leaf_web_dial(leaf);
    if (leaf->web == NULL)
        leaf_begin_first(leaf);
}

struct leaf *leaf_dial(struct leaves *leaves, struct leaf_remote_state *remote, const char *host,
                       uint16_t port)
{
    const struct leaf_remote *options = remote->options;
    const struct leaf_proxy *proxy = &options->proxy;
    struct leaf *leaf = leaf_create(leaves);
    int64_t dial_ns =
        options->dial_timeout_ns > 0 ? options->dial_timeout_ns : leaves->options->dial_timeout_ns;
    int64_t info_ns = options->info_timeout_ns > 0 ? options->info_timeout_ns : LEAF_INFO_NS;

    leaf->remote = remote;
    leaf->dialled = true;
    leaf->peer.hub = !options->hub;
    leaf->isolated = leaf->isolated || options->isolate;
    snprintf(leaf->address.text, sizeof(leaf->address.text), "%s", host);
    leaf->address.port = port;
    leaf->sock = proxy->host != NULL ? io_connect(leaves->setup.io, proxy->host,
                                                  (uint16_t)proxy->port, &events, leaf)
                                     : io_connect(leaves->setup.io, host, port, &events, leaf);
    arm(leaf, &leaf->deadline, dial_ns + proxy->timeout_ns + info_ns + TLS_TIMEOUT_NS);
    begin_dialled(leaf);
    set_label(leaf);
    return leaf;
}

void leaf_secure(struct leaf *leaf, struct tls_context *context, const char *name)
{
    assert(leaf->tls == NULL);
    leaf->secure = true;
    leaf->tls = name != NULL ? tls_create_dialling(context, name) : tls_create(context);
    leaf_mark(leaf);
}

static void log_end(const struct leaf *leaf, const char *reason)
{
    const struct account *account = leaf->account != NULL ? leaf->account->account : NULL;

    if (account == NULL)
        logger_info(leaf->leaves->setup.logger, "%s - Leafnode connection closed: %s", leaf->label,
                    reason);
    else
        logger_info(leaf->leaves->setup.logger,
                    "%s - Leafnode connection closed: %s - Remote: %s - Account: %.*s", leaf->label,
                    reason, leaf->name, BYTES_ARG(account->name));
}

/* What it wants leaves the index at the end of the turn: this may be called from inside a publish.
 */
void leaf_close(struct leaf *leaf, enum leaf_end end, const char *reason)
{
    if (leaf->state == LEAF_CLOSED || (leaf->state == LEAF_ENDING && end == LEAF_LAST_WORDS))
        return;
    if (leaf->state < LEAF_ENDING) {
        leaf->reason = reason;
        if (!leaf->dialled || leaf->state != LEAF_CONNECTING || leaf->heard_info)
            log_end(leaf, reason);
        timers_cancel(timers_of(leaf), &leaf->ping);
        timers_cancel(timers_of(leaf), &leaf->expiry);
        leaf_proof_forget(leaf); /* whatever is found out about it comes too late */
    }
    leaf_mark(leaf);
    leaf->state = end == LEAF_LAST_WORDS ? LEAF_ENDING : LEAF_CLOSED;
    if (end == LEAF_LAST_WORDS) {
        arm(leaf, &leaf->deadline, END_NS);
        return;
    }
    timers_cancel(timers_of(leaf), &leaf->deadline);
    io_sock_close(io_of(leaf), leaf->sock, false);
}

/* ---- sending -------------------------------------------------------------------------------- */

static bool may_encrypt(const struct leaf *leaf)
{
    enum tls_state state = tls_state(leaf->tls);

    return state == TLS_OPEN || state == TLS_ENDED;
}

static bool says(const struct leaf *leaf)
{
    if (leaf->tls == NULL)
        return leaf_web_says(leaf);
    return tls_has_out(leaf->tls) || (leaf_web_says(leaf) && may_encrypt(leaf));
}

/* Of one that fails on the way the rest is never read. */
static void encrypt_all(struct leaf *leaf)
{
    struct buf said = leaf_web_said(leaf);
    struct bytes rest = buf_bytes(&said);

    while (rest.size > 0 && may_encrypt(leaf)) {
        struct bytes record =
            bytes_take(rest, rest.size < TLS_RECORD_MAX ? rest.size : TLS_RECORD_MAX);

        tls_write(leaf->tls, record);
        rest = bytes_skip(rest, record.size);
    }
    buf_deinit(&said);
}

static void encrypt(struct leaf *leaf)
{
    if (may_encrypt(leaf))
        encrypt_all(leaf);
    tls_out(leaf->tls, &leaf->flight);
}

static void send_begin(struct leaf *leaf)
{
    struct bytes piece;

    if (leaf->tls != NULL) {
        encrypt(leaf);
    } else {
        buf_deinit(&leaf->flight);
        leaf->flight = leaf_web_said(leaf);
    }
    if (leaf->flight.size == 0)
        return;
    leaf->flight_since_ns = io_now(io_of(leaf));
    piece = buf_bytes(&leaf->flight);
    io_sock_send(io_of(leaf), leaf->sock, &piece, 1);
}

static void sock_sent(void *context)
{
    struct leaf *leaf = context;

    if (leaf->flight.capacity > (1u << 20))
        buf_release(&leaf->flight);
    else
        buf_clear(&leaf->flight);
    leaf_mark(leaf);
}

/* ---- receiving ------------------------------------------------------------------------------ */

static bool takes(const struct leaf *leaf)
{
    return leaf->state < LEAF_ENDING && leaf->state != LEAF_PROVING;
}

static size_t in_max(const struct leaf *leaf)
{
    size_t payload = (size_t)leaf->leaves->setup.info->max_payload;

    return leaf->state == LEAF_UP ? IN_MAX + payload : IN_MAX;
}

/* What is whole is taken where it lies; the rest is kept. */
static void take(struct leaf *leaf, struct bytes b)
{
    if (leaf->in.size > 0) {
        (void)buf_add(&leaf->in, b);
        if (takes(leaf))
            buf_consume(&leaf->in, leaf_take(leaf, buf_bytes(&leaf->in)));
        if (leaf->in.size == 0)
            buf_release(&leaf->in);
    } else {
        size_t taken = takes(leaf) ? leaf_take(leaf, b) : 0;

        (void)buf_add(&leaf->in, bytes_skip(b, taken));
    }
    if (leaf->state < LEAF_ENDING && leaf->in.size > in_max(leaf))
        leaf_refuse(leaf, "maximum control line exceeded", "Maximum Control Line Exceeded");
}

void leaf_received(struct leaf *leaf, struct bytes b)
{
    take(leaf, b);
}

static void tls_ended(struct leaf *leaf, bool handshake)
{
    char text[TLS_REASON_SIZE + 64];

    if (handshake) {
        snprintf(text, sizeof(text), "TLS leafnode handshake error: %s", tls_reason(leaf->tls));
        logger_error(leaf->leaves->setup.logger, "%s - %s", leaf->label, text);
    }
    leaf_close(leaf, LEAF_LAST_WORDS, handshake ? "TLS Handshake Failure" : "Read Error");
}

static const struct tls_options *tls_options_of(const struct leaf *leaf)
{
    return leaf->dialled ? leaf->remote != NULL ? leaf->remote->options->tls : NULL
                         : leaf->leaves->options->tls;
}

/* False: it has come to an end. */
static bool look_at_tls(struct leaf *leaf, enum tls_state before)
{
    enum tls_state state = tls_state(leaf->tls);

    if (state == TLS_FAILED) {
        tls_ended(leaf, before == TLS_HANDSHAKE);
    } else if (before == TLS_HANDSHAKE && state != TLS_HANDSHAKE && tls_options_of(leaf) != NULL &&
               !tls_peer_pinned(leaf->tls, tls_options_of(leaf))) {
        logger_error(leaf->leaves->setup.logger, "%s - certificate not pinned", leaf->label);
        leaf_close(leaf, LEAF_AT_ONCE, "TLS Handshake Failure");
    }
    return leaf->state < LEAF_ENDING && state != TLS_FAILED;
}

static void take_secure(struct leaf *leaf, struct bytes b)
{
    uint8_t plain[TLS_RECORD_MAX];
    enum tls_state before;
    size_t size;

    tls_feed(leaf->tls, b);
    do {
        before = tls_state(leaf->tls);
        size = tls_read(leaf->tls, plain, sizeof(plain));
        if (!look_at_tls(leaf, before))
            break;
        if (size > 0)
            leaf_web_received(leaf, bytes_of(plain, size));
    } while (size > 0 && leaf->state < LEAF_ENDING);
    leaf_mark(leaf); /* TLS may have something to say */
}

/* It was told that it has to; what it says first shows whether it does. */
static bool begin_secure(struct leaf *leaf, struct bytes b)
{
    if (leaf->secure || !leaf->secure_due || b.size == 0)
        return true;
    if (b.at[0] != HANDSHAKE_BYTE) {
        leaf_refuse(leaf, "TLS required", "TLS Handshake Failure");
        return false;
    }
    leaf_secure(leaf, leaf->leaves->options->tls_context, NULL);
    return true;
}

static void sock_received(void *context, struct bytes b)
{
    struct leaf *leaf = context;
    bool secure;

    clients_catch_up(leaf->leaves->setup.clients);
    if (leaf->state >= LEAF_ENDING || !begin_secure(leaf, b))
        return;
    leaf->leaves->setup.clients->behind = false;
    secure = leaf->secure;
    if (secure)
        take_secure(leaf, b);
    else
        leaf_web_received(leaf, b);
    if (leaf->secure && !secure && leaf->in.size > 0 && leaf->state < LEAF_ENDING)
        leaf_close(leaf, LEAF_AT_ONCE, "Protocol Violation"); /* a server says no more before TLS */
    if (leaf->leaves->setup.clients->behind && leaf->state == LEAF_UP) {
        leaf->behind = true;
        arm(leaf, &leaf->pause, PAUSE_NS);
        leaf_mark(leaf);
    }
}

/* ---- the end of the turn -------------------------------------------------------------------- */

static bool is_paused(const struct leaf *leaf)
{
    return leaf->state == LEAF_PROVING || leaf->behind;
}

static void pause_or_resume(struct leaf *leaf)
{
    bool wanted = is_paused(leaf);

    if (wanted == leaf->paused)
        return;
    leaf->paused = wanted;
    if (wanted) {
        io_sock_pause(io_of(leaf), leaf->sock);
        return;
    }
    if (leaf->in.size > 0)
        take(leaf, bytes_of(NULL, 0));
    if (leaf->state < LEAF_ENDING)
        io_sock_resume(io_of(leaf), leaf->sock);
}

/* The longest that a send may take, or the time of the end. */
static void watch_flight(struct leaf *leaf)
{
    const struct options *options = leaf->leaves->setup.options;
    int64_t ns = leaf->leaves->options->write_deadline_ns > 0
                     ? leaf->leaves->options->write_deadline_ns
                     : options->write_deadline_ns;

    if (leaf->state != LEAF_UP || ns <= 0)
        return;
    if (leaf->flight.size == 0) {
        timers_cancel(timers_of(leaf), &leaf->deadline);
    } else if (io_now(io_of(leaf)) - leaf->flight_since_ns >= ns) {
        leaf->leaves->stats.slow_consumers++;
        logger_warn(leaf->leaves->setup.logger,
                    "%s - Slow Consumer Detected: WriteDeadline exceeded", leaf->label);
        leaf_close(leaf, LEAF_AT_ONCE, "Slow Consumer (Write Deadline)");
    } else if (!timer_armed(&leaf->deadline)) {
        timers_arm(timers_of(leaf), &leaf->deadline, leaf->flight_since_ns + ns);
    }
}

static void leave(struct leaf *leaf)
{
    struct leaf_remote_state *remote = leaf->remote;
    bool was_up = leaf_down(leaf);

    leaf->remote = NULL;
    if (remote != NULL)
        remote_lost(remote, was_up ? NULL : leaf->reason);
}

/* Of answers to its PINGs and of interest, behind what it does not take; all interest at once may
 * be more. */
static bool is_overfull(const struct leaf *leaf)
{
    return leaf->flight.size > 0 && leaf->out.size > leaf->leaves->setup.clients->pending_most;
}

void leaf_flush(struct leaf *leaf)
{
    if (leaf->state < LEAF_ENDING)
        pause_or_resume(leaf);
    if (leaf->state < LEAF_ENDING && is_overfull(leaf))
        leaf_slow(leaf);
    if (leaf->state >= LEAF_ENDING)
        leave(leaf);
    if (leaf->state == LEAF_CLOSED)
        return;
    if (leaf->state == LEAF_ENDING)
        leaf_web_farewell(leaf);
    if (says(leaf) && !io_sock_sending(leaf->sock))
        send_begin(leaf);
    watch_flight(leaf);
}

/* ---- what the socket tells ------------------------------------------------------------------ */

static void ended(struct leaf *leaf, const char *reason)
{
    leaf_close(leaf, LEAF_AT_ONCE, reason);
}

static void sock_ended(void *context, int reason)
{
    struct leaf *leaf = context;

    if (leaf->state == LEAF_CONNECTING && !leaf->heard_info)
        ended(leaf, reason != 0 ? strerror(-reason) : "connection closed");
    else
        ended(leaf, reason != 0 ? "Read Error" : "Client Closed");
}

static void sock_closed(void *context)
{
    struct leaf *leaf = context;

    leaf->flight.size = 0;
    if (leaf->dirty)
        leaf->sock = NULL; /* leaves_flush frees it */
    else
        leaf_free(leaf);
}

static const struct io_sock_events events = {
    .received = sock_received,
    .sent = sock_sent,
    .ended = sock_ended,
    .closed = sock_closed,
};
