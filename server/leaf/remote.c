/*
 * Whom we dial, and when: one of a remote's urls after the other, or of those that its hub told of,
 * with a pause after each that failed, and one after a connection has ended. A pause is as
 * long as `reconnect` says and up to twice that, so that leaves that lost their hub at the same
 * time do not come back together; longer after what only people can mend.
 */
#include <arpa/inet.h>
#include <stdio.h>

#include "base/heap.h"
#include "base/owner.h"
#include "server/auth/base64.h"
#include "server/auth/nkey.h"
#include "server/cluster/route_url.h"
#include "server/leaf/leaf_priv.h"
#include "server/tls/ed25519.h"

#define REPORT_EVERY 3600u /* attempts */

/* ---- when ----------------------------------------------------------------------------------- */

static void remote_arm(struct leaf_remote_state *remote)
{
    struct leaves *leaves = remote->leaves;
    struct io *io = leaves->setup.io;
    int64_t ns = leaves->options->reconnect_ns;

    if (leaves->ending)
        return;
    ns += (int64_t)prng_below(&leaves->prng, (uint64_t)ns + 1);
    if (remote->delay_ns > ns)
        ns = remote->delay_ns;
    remote->delay_ns = 0;
    timers_arm(io_timers(io), &remote->retry, io_now(io) + ns);
}

/* ---- whom ----------------------------------------------------------------------------------- */

static void set_place(struct leaf_remote_state *remote, struct bytes host, uint16_t port)
{
    heap_give(remote->host);
    remote->host = heap_text(host);
    remote->port = port;
}

/* Those of the configuration first, then what was learnt. */
static void choose(struct leaf_remote_state *remote)
{
    const struct leaf_remote *options = remote->options;
    size_t count = options->urls_count + remote->learnt.count;
    uint16_t port = LEAF_PORT_USUAL;
    struct bytes host;

    if (remote->at >= count)
        remote->at = 0;
    if (remote->at < options->urls_count) {
        remote->url = &options->urls[remote->order[remote->at]];
        set_place(remote, bytes_of_text(remote->url->host), (uint16_t)remote->url->port);
    } else {
        remote->url = NULL;
        host = address_split(remote->learnt.at[remote->at - options->urls_count], &port);
        set_place(remote, host, port);
    }
    remote->at++;
}

static void dial(struct leaf_remote_state *remote)
{
    struct leaves *leaves = remote->leaves;

    if (leaves->ending || remote->leaf != NULL)
        return;
    if (leaves->count >= LEAVES_MAX) {
        remote_arm(remote);
        return;
    }
    choose(remote);
    logger_debug(leaves->setup.logger,
                 "Trying to connect as leafnode to remote server on \"%s:%u\"", remote->host,
                 remote->port);
    remote->leaf = leaf_dial(leaves, remote, remote->host, remote->port);
}

static void retry_fired(struct timer *timer)
{
    dial(owner_of(timer, struct leaf_remote_state, retry));
}

/* ---- what came of it ------------------------------------------------------------------------ */

void remote_reached(struct leaf_remote_state *remote)
{
    remote->attempts = 0;
}

void remote_lost(struct leaf_remote_state *remote, const char *text)
{
    const struct leaves *leaves = remote->leaves;

    remote->leaf = NULL;
    if (text != NULL && !leaves->ending) {
        remote->attempts++;
        if (remote->attempts == 1 || remote->attempts % REPORT_EVERY == 0)
            logger_error(leaves->setup.logger,
                         "Error trying to connect as leafnode to remote server \"%s:%u\" "
                         "(attempt %u): %s",
                         remote->host, remote->port, remote->attempts, text);
    }
    remote_arm(remote);
}

static bool is_configured(const struct leaf_remote *options, struct bytes url)
{
    uint16_t port = LEAF_PORT_USUAL;
    struct bytes host = address_split(url, &port);

    for (size_t i = 0; i < options->urls_count; i++)
        if (options->urls[i].port == port &&
            bytes_equal(bytes_of_text(options->urls[i].host), host))
            return true;
    return false;
}

void remote_learn(struct leaf_remote_state *remote, const struct json *urls)
{
    if (remote->options->ignore_discovered)
        return;
    urls_clear(&remote->learnt);
    for (const struct json *e = urls->child; e != NULL; e = e->next)
        if (e->text.size > 0 && e->text.size < 256 && bytes_find(e->text, 0) == e->text.size &&
            !is_configured(remote->options, e->text))
            urls_add(&remote->learnt, e->text);
}

/* ---- who we are there ----------------------------------------------------------------------- */

static struct bytes keep(struct leaves *leaves, struct bytes text)
{
    return arena_copy(&leaves->making, text);
}

/* What the hub gave to sign, signed. */
static bool sign(struct leaf_remote_state *remote, const struct leaf *leaf,
                 struct leaf_connect *connect)
{
    struct leaves *leaves = remote->leaves;
    uint8_t seed[NKEY_SIZE], key[NKEY_SIZE], signature[ED25519_SIGNATURE_SIZE];
    char text[ED25519_SIGNATURE_SIZE * 2], name[NKEY_TEXT_SIZE];
    bool signed_it;

    signed_it = nkey_seed_read(remote->options->seed, NKEY_USER, seed) &&
                ed25519_public(seed, key) &&
                ed25519_sign(seed, bytes_of_text(leaf->nonce), signature);
    explicit_bzero(seed, sizeof(seed));
    if (!signed_it) {
        logger_error(leaves->setup.logger, "%s - Remote nkey has malformed seed", leaf->label);
        return false;
    }
    base64_write_url(text, bytes_of(signature, sizeof(signature)));
    connect->sig = keep(leaves, bytes_of_text(text));
    if (remote->options->jwt.size > 0) {
        connect->jwt = remote->options->jwt;
    } else {
        nkey_write(name, NKEY_USER, key);
        connect->nkey = keep(leaves, bytes_of(name, sizeof(name)));
    }
    return true;
}

/* Of the url, or of the first that has any: what was learnt has none. */
static const struct leaf_url *named(const struct leaf_remote_state *remote)
{
    const struct leaf_remote *options = remote->options;

    if (remote->url != NULL && remote->url->user.size > 0)
        return remote->url;
    for (size_t i = 0; i < options->urls_count; i++)
        if (options->urls[i].user.size > 0)
            return &options->urls[i];
    return NULL;
}

/* A user alone may be a token. */
static void say_user(const struct leaf_remote_state *remote, struct leaf_connect *connect)
{
    const struct leaf_url *url = named(remote);

    if (url == NULL)
        return;
    connect->user = url->user;
    connect->pass = url->password;
    if (url->password.size == 0)
        connect->token = url->user;
}

bool remote_connect(struct leaf_remote_state *remote, struct leaf *leaf,
                    struct leaf_connect *connect)
{
    struct leaves *leaves = remote->leaves;
    const struct leaf_remote *options = remote->options;
    const struct info *server = leaves->setup.info;

    arena_reset(&leaves->making);
    *connect = (struct leaf_connect){
        .version = BYTES(NATS_VERSION),
        .id = bytes_of_text(server->id),
        .name = bytes_of_text(server->name),
        .domain = bytes_of_text(server->domain != NULL ? server->domain : ""),
        .cluster = server->cluster.size > 0 ? server->cluster : bytes_of_text(server->name),
        .remote_account = leaf->account->account->name,
        .deny = options->deny_imports,
        .deny_count = options->deny_imports_count,
        .hub = options->hub,
        .headers = leaf->headers,
        .jetstream = server->jetstream,
        .isolate = options->request_isolation,
    };
    if (options->seed.size > 0 && !sign(remote, leaf, connect))
        return false;
    say_user(remote, connect);
    return true;
}

/* ---- TLS ------------------------------------------------------------------------------------ */

bool remote_wants_tls(const struct leaf_remote_state *remote)
{
    const struct leaf_remote *options = remote->options;

    if (options->tls_context != NULL)
        return true;
    for (size_t i = 0; i < options->urls_count; i++)
        if (options->urls[i].tls)
            return true;
    return false;
}

/* Who asks for it and says no more gets what the system trusts. */
static struct tls_context *usual(struct leaves *leaves)
{
    const struct tls_options options = {
        .peers = true, .verify = true, .version_min = 12, .timeout_ns = TLS_TIMEOUT_NS};
    char reason[TLS_REASON_SIZE];

    if (leaves->tls_usual == NULL)
        leaves->tls_usual = tls_context_create(&options, reason);
    if (leaves->tls_usual == NULL)
        logger_error(leaves->setup.logger, "TLS of leafnode remotes: %s", reason);
    return leaves->tls_usual;
}

struct tls_context *remote_tls(struct leaf_remote_state *remote)
{
    return remote->options->tls_context != NULL ? remote->options->tls_context
                                                : usual(remote->leaves);
}

static bool is_numeric(const char *host)
{
    uint8_t address[16];

    return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

/* What is learnt is addresses: they show the certificate of the names that urls have. */
const char *remote_tls_name(const struct leaf_remote_state *remote)
{
    const struct leaf_remote *options = remote->options;

    for (size_t i = 0; i < options->urls_count && is_numeric(remote->host); i++)
        if (!is_numeric(options->urls[i].host))
            return options->urls[i].host;
    return remote->host;
}

/* ---- the list ------------------------------------------------------------------------------- */

static void shuffle(struct leaf_remote_state *remote)
{
    size_t count = remote->options->urls_count;

    for (size_t i = 0; i < count; i++)
        remote->order[i] = i;
    for (size_t i = count; i > 1 && !remote->options->no_randomize; i--) {
        size_t other = (size_t)prng_below(&remote->leaves->prng, i);
        size_t kept = remote->order[i - 1];

        remote->order[i - 1] = remote->order[other];
        remote->order[other] = kept;
    }
}

void remotes_create(struct leaves *leaves)
{
    struct leaf_remote_state **last = &leaves->remotes;

    for (size_t i = 0; i < leaves->options->remotes_count; i++) {
        struct leaf_remote_state *remote = HEAP_NEW(struct leaf_remote_state);

        remote->options = &leaves->options->remotes[i];
        remote->leaves = leaves;
        remote->retry.fire = retry_fired;
        remote->order = heap_take(remote->options->urls_count * sizeof(*remote->order));
        shuffle(remote);
        *last = remote;
        last = &remote->next;
    }
}

void remotes_destroy(struct leaves *leaves)
{
    struct leaf_remote_state *remote;

    while ((remote = leaves->remotes) != NULL) {
        leaves->remotes = remote->next;
        timers_cancel(io_timers(leaves->setup.io), &remote->retry);
        urls_clear(&remote->learnt);
        heap_give(remote->order);
        heap_give(remote->host);
        heap_give(remote);
    }
    tls_context_give(leaves->tls_usual);
}

void remotes_start(struct leaves *leaves)
{
    for (struct leaf_remote_state *remote = leaves->remotes; remote != NULL; remote = remote->next)
        if (!remote->options->disabled)
            dial(remote);
}

void remotes_stop(struct leaves *leaves)
{
    for (struct leaf_remote_state *remote = leaves->remotes; remote != NULL; remote = remote->next)
        timers_cancel(io_timers(leaves->setup.io), &remote->retry);
}
