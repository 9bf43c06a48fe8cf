/* From an address to a connection whose server has accepted us. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/json.h"
#include "cli/conn_parts.h"
#include "cli/creds.h"
#include "cli/file.h"
#include "cli/socks.h"
#include "cli/tls_client.h"
#include "cli/url.h"
#include "server/auth/base64.h"
#include "server/auth/nkey.h"
#include "server/options.h"

#define CREDS_FILE_MAX (size_t)65536

/* ---- the socket ------------------------------------------------------------------------------ */

static bool connected(int fd, int64_t until)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
    int64_t left = (until - conn_now()) / 1000000;
    int error = 0;
    socklen_t size = sizeof(error);

    if (poll(&poll_fd, 1, left < 0 ? 0 : (int)left) != 1) {
        errno = ETIMEDOUT;
        return false;
    }
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        return false;
    errno = error;
    return error == 0;
}

/* A server whose machine is gone is noticed within two minutes; without it, a command that only
 * listens would wait for ever. Nothing is lost where the system does not know how. */
static void keep_alive(int fd)
{
    const int one = 1, idle_s = 60, between_s = 10, count = 6;

    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &between_s, sizeof(between_s));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
}

static int dial(const struct addrinfo *info, int64_t until)
{
    int one = 1;
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    if ((connect(fd, info->ai_addr, info->ai_addrlen) != 0 && errno != EINPROGRESS) ||
        !connected(fd, until)) {
        int why = errno;

        (void)close(fd);
        errno = why;
        return -1;
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)); /* else only slower */
    keep_alive(fd);
    return fd;
}

/* `what` is meant to be there: a server, or a proxy to it. */
static enum conn_verdict open_socket(struct conn *conn, const struct url *address, const char *what,
                                     int64_t until)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    char host[64], port[8];
    int failed = getaddrinfo(address->host, address->port, &hints, &found);

    if (failed != 0)
        return conn_failed(conn, CONN_UNREACHABLE, "cannot find %s: %s", address->host,
                           gai_strerror(failed));
    for (const struct addrinfo *at = found; at != NULL && conn->fd < 0; at = at->ai_next) {
        conn->fd = dial(at, until);
        if (conn->fd >= 0 && getnameinfo(at->ai_addr, at->ai_addrlen, host, sizeof(host), port,
                                         sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) == 0)
            snprintf(conn->address, sizeof(conn->address),
                     at->ai_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
    }
    freeaddrinfo(found);
    if (conn->fd < 0)
        return conn_failed(conn, CONN_UNREACHABLE,
                           strchr(address->host, ':') != NULL ? "no %s at [%s]:%s: %s"
                                                              : "no %s at %s:%s: %s",
                           what, address->host, address->port, strerror(errno));
    return CONN_OK;
}

/* ---- the proxy ------------------------------------------------------------------------------- */

static enum conn_verdict ask_proxy(struct conn *conn, struct socks *socks, const struct url *proxy,
                                   int64_t until)
{
    const char *why = "it hangs up or does not answer";

    for (;;) {
        size_t used;
        enum socks_step step = socks_step(socks, bytes_skip(buf_bytes(&conn->in), conn->head),
                                          &used, &conn->out, &why);
        enum conn_verdict moved = CONN_OK;

        conn->head += used;
        if (step == SOCKS_READY)
            return CONN_OK;
        if (step == SOCKS_MORE)
            moved = conn_turn(conn, until, true);
        else if (step == SOCKS_SENT)
            moved = conn_drain(conn, until);
        if (step == SOCKS_BAD || moved == CONN_LOST || conn_now() >= until)
            return conn_failed(conn, CONN_UNREACHABLE, "SOCKS proxy %s:%s to %s:%u: %s",
                               proxy->host, proxy->port, socks->host, socks->port, why);
    }
}

/* Of what should have been an address, without what may be a password. */
static struct bytes shown(struct bytes text)
{
    const uint8_t *at = memrchr(text.at, '@', text.size);

    return at != NULL ? bytes_skip(text, (size_t)(at - text.at) + 1) : text;
}

/* To the address, by a proxy if there is one. */
static enum conn_verdict reach(struct conn *conn, const struct url *address, int64_t until)
{
    struct socks socks = {.host = address->host};
    struct url proxy;
    uint64_t port = 0;
    const char *wrong;
    enum conn_verdict verdict;

    if (conn->settings->socks_proxy == NULL)
        return open_socket(conn, address, "server", until);
    wrong = url_read_proxy(bytes_of_text(conn->settings->socks_proxy), &proxy);
    if (wrong != NULL)
        return conn_failed(conn, CONN_WRONG, "\"%.*s\" is no SOCKS proxy: %s",
                           BYTES_ARG(shown(bytes_of_text(conn->settings->socks_proxy))), wrong);
    (void)bytes_read_u64(bytes_of_text(address->port), &port); /* url_read has */
    socks.port = (unsigned)port;
    socks.user = proxy.has_password ? proxy.user : NULL;
    socks.password = proxy.password;
    verdict = open_socket(conn, &proxy, "SOCKS proxy", until);
    if (verdict == CONN_OK && !socks_begin(&socks, &conn->out))
        verdict = conn_failed(conn, CONN_WRONG, "the name is too long for a SOCKS proxy");
    if (verdict == CONN_OK)
        verdict = conn_drain(conn, until);
    if (verdict == CONN_OK)
        verdict = ask_proxy(conn, &socks, &proxy, until);
    if (verdict == CONN_OK)
        snprintf(conn->address, sizeof(conn->address), "%.60s:%s", address->host, address->port);
    return verdict;
}

/* ---- greeting -------------------------------------------------------------------------------- */

static enum conn_verdict wait_greeting(struct conn *conn, int64_t until)
{
    for (;;) {
        struct frame frame;
        struct bytes rest = bytes_skip(buf_bytes(&conn->in), conn->head);
        enum conn_verdict verdict = conn_read_frame(rest, &frame);

        if (verdict == CONN_OK && frame.kind == FRAME_INFO && conn_read_info(conn, frame.text)) {
            conn->head += frame.size;
            return CONN_OK;
        }
        if (verdict == CONN_OK && frame.kind == FRAME_ERR)
            return conn_failed(conn, CONN_UNREACHABLE, "%s turned us away: %.*s", conn->url,
                               BYTES_ARG(frame.text));
        if (verdict != CONN_TIMEOUT)
            return conn_failed(conn, CONN_UNREACHABLE, "%s is no NATS server", conn->url);
        verdict = conn_turn(conn, until, true);
        if (verdict == CONN_TIMEOUT && conn_now() >= until)
            return conn_failed(conn, CONN_UNREACHABLE, "%s does not greet", conn->url);
        if (verdict != CONN_OK && verdict != CONN_TIMEOUT)
            return conn_failed(conn, CONN_UNREACHABLE, "%s hung up before it had greeted%s",
                               conn->url, conn->tls == NULL ? "" : ": it may not expect TLS first");
    }
}

static enum conn_verdict start_tls(struct conn *conn, const struct url *address, int64_t until)
{
    const struct settings *settings = conn->settings;
    const struct tls_files files = {settings->tls_cert, settings->tls_key, settings->tls_ca};
    struct tls_client *tls = tls_client_create(&files, address->host, conn->error);

    if (tls == NULL)
        return CONN_WRONG;
    buf_clear(&conn->in);
    conn->head = 0;
    conn->tls = tls;
    for (;;) {
        enum tls_step step = tls_client_shake(tls, conn->error);
        enum conn_verdict moved;

        if (step == TLS_READY)
            return CONN_OK;
        if (step == TLS_BAD)
            return CONN_UNREACHABLE;
        moved = conn_turn(conn, until, true);
        if (moved == CONN_TIMEOUT && conn_now() >= until)
            return conn_failed(conn, CONN_UNREACHABLE, "the TLS handshake takes too long");
        /* A session that cannot be read yet says no more than that. */
        if (moved == CONN_LOST && tls_client_shake(tls, conn->error) != TLS_MORE)
            return CONN_UNREACHABLE;
        if (moved == CONN_LOST)
            return conn_failed(conn, CONN_UNREACHABLE, "the server ended the TLS handshake");
    }
}

/* ---- who we are ------------------------------------------------------------------------------ */

struct proof {
    char key[NKEY_TEXT_SIZE + 1];
    char signature[128];
    struct bytes jwt;
};

static enum conn_verdict read_key(struct conn *conn, struct creds *creds)
{
    const struct settings *settings = conn->settings;
    const char *file = settings->creds != NULL ? settings->creds : settings->nkey;
    struct bytes text;

    if (!file_read(file, CREDS_FILE_MAX, &conn->arena, &text))
        return conn_failed(conn, CONN_WRONG, "cannot read %s: %s", file, strerror(errno));
    if (settings->creds != NULL ? !creds_read(text, creds) : !creds_read_seed(text, creds))
        return conn_failed(conn, CONN_WRONG, "%s holds no %s", file,
                           settings->creds != NULL ? "JWT and seed of a user" : "seed of a user");
    return CONN_OK;
}

static enum conn_verdict prove(struct conn *conn, struct proof *proof)
{
    uint8_t signature[CRYPTO_SIGNATURE_SIZE], key[CRYPTO_SEED_SIZE];
    struct creds creds;
    enum conn_verdict verdict;

    *proof = (struct proof){0};
    if (conn->settings->jwt != NULL)
        proof->jwt = bytes_of_text(conn->settings->jwt); /* alone it is a bearer's */
    if (conn->settings->creds == NULL && conn->settings->nkey == NULL)
        return CONN_OK;
    verdict = read_key(conn, &creds);
    if (verdict != CONN_OK)
        return verdict;
    if (!crypto_sign(creds.seed, bytes_of_text(conn->info.nonce), signature, key))
        return conn_failed(conn, CONN_WRONG, "the key cannot sign");
    crypto_forget(creds.seed, sizeof(creds.seed));
    nkey_write(proof->key, NKEY_USER, key);
    base64_write_url(proof->signature, bytes_of(signature, sizeof(signature)));
    if (creds.jwt.size > 0)
        proof->jwt = creds.jwt;
    return CONN_OK;
}

static void add_text(struct json_writer *writer, const char *key, const char *value)
{
    if (value == NULL || value[0] == 0)
        return;
    json_key(writer, bytes_of_text(key));
    json_string(writer, bytes_of_text(value));
}

static void add_identity(struct json_writer *writer, const struct conn *conn,
                         const struct url *address, const struct proof *proof)
{
    const struct settings *settings = conn->settings;

    if (settings->user != NULL) {
        add_text(writer, "user", settings->user);
        add_text(writer, "pass", settings->password);
    } else if (settings->token != NULL) {
        add_text(writer, "auth_token", settings->token);
    } else if (address->has_password) {
        add_text(writer, "user", address->user);
        add_text(writer, "pass", address->password);
    } else {
        add_text(writer, "auth_token", address->user);
    }
    if (proof->jwt.size > 0) {
        JSON_KEY(writer, "jwt");
        json_string(writer, proof->jwt);
    } else {
        add_text(writer, "nkey", proof->key);
    }
    add_text(writer, "sig", proof->signature);
}

static enum conn_verdict introduce(struct conn *conn, const struct url *address)
{
    struct json_writer writer;
    struct proof proof;
    enum conn_verdict verdict = prove(conn, &proof);

    if (verdict != CONN_OK)
        return verdict;
    buf_add(&conn->out, BYTES("CONNECT "));
    json_writer_init(&writer, &conn->out);
    json_object_begin(&writer);
    JSON_KEY(&writer, "verbose");
    json_bool(&writer, false);
    JSON_KEY(&writer, "pedantic");
    json_bool(&writer, false);
    JSON_KEY(&writer, "tls_required");
    json_bool(&writer, conn->tls != NULL);
    add_text(&writer, "name", conn->settings->name);
    add_text(&writer, "lang", "c");
    add_text(&writer, "version", MILLRACE_VERSION);
    JSON_KEY(&writer, "protocol");
    json_number_u64(&writer, 1);
    JSON_KEY(&writer, "headers");
    json_bool(&writer, true);
    JSON_KEY(&writer, "no_responders");
    json_bool(&writer, true);
    add_identity(&writer, conn, address, &proof);
    json_object_end(&writer);
    buf_add(&conn->out, BYTES("\r\n"));
    return CONN_OK;
}

static enum conn_verdict be_accepted(struct conn *conn, int64_t until)
{
    enum conn_verdict verdict = conn_sync(conn, until - conn_now());

    if (verdict == CONN_OK)
        return CONN_OK;
    /* Only a refusal ends a connection that early with a word; it is in `error`. */
    if (verdict == CONN_DENIED || strncasecmp(conn->error, "auth", 4) == 0)
        return CONN_REFUSED;
    return verdict == CONN_WRONG ? verdict : CONN_UNREACHABLE;
}

/* ---- opening --------------------------------------------------------------------------------- */

static void begin(struct conn *conn, const struct settings *settings)
{
    uint64_t seed = 0;

    *conn = (struct conn){.settings = settings, .fd = -1, .wake = -1};
    arena_init(&conn->arena, CONN_BUFFER_MAX);
    buf_init(&conn->in, CONN_BUFFER_MAX);
    (void)buf_reserve(&conn->in,
                      1); /* so that what was read has an address, even when it is nothing */
    buf_init(&conn->out, CONN_BUFFER_MAX);
    buf_init(&conn->wire, CONN_BUFFER_MAX);
    if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
        seed = (uint64_t)conn_now() ^ (uint64_t)getpid();
    prng_seed(&conn->prng, seed);
    nuid_init(&conn->nuid, &conn->prng);
}

static enum conn_verdict open_one(struct conn *conn, const struct url *address, int64_t until)
{
    const struct settings *settings = conn->settings;
    bool want = address->tls || settings->tls_first || settings->tls_ca != NULL ||
                settings->tls_cert != NULL;
    enum conn_verdict verdict;

    snprintf(conn->url, sizeof(conn->url),
             strchr(address->host, ':') ? "%s://[%s]:%s" : "%s://%s:%s",
             address->tls ? "tls" : "nats", address->host, address->port);
    verdict = reach(conn, address, until);
    if (verdict == CONN_OK && settings->tls_first)
        verdict = start_tls(conn, address, until);
    if (verdict == CONN_OK)
        verdict = wait_greeting(conn, until);
    if (verdict == CONN_OK && conn->tls == NULL && want && !conn->info.tls_required)
        (void)conn_failed(conn, verdict = CONN_UNREACHABLE, "%s does not offer TLS", conn->url);
    if (verdict == CONN_OK && conn->tls == NULL && conn->info.tls_required)
        verdict = start_tls(conn, address, until);
    if (verdict == CONN_OK)
        verdict = introduce(conn, address);
    return verdict == CONN_OK ? be_accepted(conn, until) : verdict;
}

static enum conn_verdict open_text(struct conn *conn, const struct settings *settings,
                                   struct bytes text)
{
    struct url address;
    const char *wrong = url_read(text, &address);
    char error[CONN_ERROR_SIZE];
    enum conn_verdict verdict;

    begin(conn, settings);
    verdict = wrong == NULL ? open_one(conn, &address, conn_now() + settings->timeout_ns)
                            : conn_failed(conn, CONN_WRONG, "\"%.*s\" is no address: %s",
                                          BYTES_ARG(shown(text)), wrong);
    if (verdict == CONN_OK)
        return CONN_OK;
    memcpy(error, conn->error, sizeof(error));
    buf_clear(&conn->out); /* nothing more for this one */
    conn_close(conn);
    memcpy(conn->error, error, sizeof(error));
    return verdict;
}

enum conn_verdict conn_open(struct conn *conn, const struct settings *settings)
{
    struct bytes rest = bytes_of_text(settings->url);
    enum conn_verdict verdict = CONN_WRONG;

    do {
        size_t end = bytes_find(rest, ',');

        verdict = open_text(conn, settings, bytes_take(rest, end));
        rest = bytes_skip(rest, end < rest.size ? end + 1 : end);
    } while (verdict == CONN_UNREACHABLE && rest.size > 0);
    return verdict;
}
