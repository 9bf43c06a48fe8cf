#include "server/websocket/upgrade.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "base/http_head.h"
#include "server/auth/base64.h"
#include "server/tls/digest.h"
#include "server/websocket/header.h"

#define ACCEPT_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* RFC 6455 1.3 */

static_assert(BASE64_SIZE(DIGEST_SHA1_SIZE) <= UPGRADE_ACCEPT_SIZE, "an answer fits");

static bool bytes_ends(struct bytes b, struct bytes end)
{
    return b.size >= end.size && memcmp(b.at + b.size - end.size, end.at, end.size) == 0;
}

/* ---- where a page may come from ------------------------------------------------------------- */

static uint16_t port_of_scheme(struct bytes scheme)
{
    return bytes_equal_nocase(scheme, BYTES("https")) || bytes_equal_nocase(scheme, BYTES("wss"))
               ? 443
               : 80;
}

/* "host", "host:port", "[v6]:port" */
static bool read_host(struct bytes text, uint16_t port, struct websocket_origin *origin)
{
    size_t colon = text.size;
    uint64_t number;

    if (text.size > 0 && text.at[0] == '[') {
        size_t end = bytes_find(text, ']');

        if (end == text.size)
            return false;
        colon = end + 1;
    } else {
        colon = bytes_find(text, ':');
    }
    origin->host = bytes_take(text, colon);
    origin->port = port;
    if (colon == text.size)
        return origin->host.size > 0;
    if (text.at[colon] != ':' || !bytes_read_u64(bytes_skip(text, colon + 1), &number) ||
        number > UINT16_MAX)
        return false;
    origin->port = (uint16_t)number;
    return origin->host.size > 0;
}

bool upgrade_read_origin(struct bytes text, struct websocket_origin *origin)
{
    const uint8_t *mark = memmem(text.at, text.size, "://", 3);
    struct bytes rest;

    if (mark == NULL || mark == text.at)
        return false;
    origin->scheme = bytes_take(text, (size_t)(mark - text.at));
    rest = bytes_skip(text, origin->scheme.size + 3);
    return read_host(bytes_take(rest, bytes_find(rest, '/')), port_of_scheme(origin->scheme),
                     origin);
}

static bool origin_equal(const struct websocket_origin *a, const struct websocket_origin *b)
{
    return a->port == b->port && bytes_equal_nocase(a->host, b->host);
}

/* NULL: it may come. */
static const char *refuse_origin(struct bytes headers, struct bytes host,
                                 const struct websocket_options *options, bool encrypted)
{
    struct bytes text = header_first(headers, BYTES("Origin"));
    struct websocket_origin origin, self;

    if (!options->same_origin && options->origins_count == 0)
        return NULL;
    if (text.size == 0)
        text = header_first(headers, BYTES("Sec-Websocket-Origin"));
    if (text.size == 0) /* no browser */
        return NULL;
    if (!upgrade_read_origin(text, &origin))
        return "origin not allowed: invalid";
    if (options->same_origin &&
        (!read_host(host, encrypted ? 443 : 80, &self) || !origin_equal(&origin, &self)))
        return "origin not allowed: not same origin";
    if (options->origins_count == 0)
        return NULL;
    for (size_t i = 0; i < options->origins_count; i++) {
        if (origin_equal(&origin, &options->origins[i]) &&
            bytes_equal_nocase(origin.scheme, options->origins[i].scheme))
            return NULL;
    }
    return "origin not allowed: not in the allowed list";
}

/* ---- who asks ------------------------------------------------------------------------------- */

static struct bytes cookie(struct bytes headers, struct bytes name)
{
    struct bytes value;

    while (name.size > 0 && http_head_next(&headers, BYTES("Cookie"), &value)) {
        while (value.size > 0) {
            size_t size = bytes_find(value, ';');
            struct bytes pair = bytes_trim(bytes_take(value, size));
            size_t equals = bytes_find(pair, '=');

            if (equals < pair.size && bytes_equal(bytes_take(pair, equals), name))
                return bytes_skip(pair, equals + 1);
            value = bytes_skip(value, size == value.size ? size : size + 1);
        }
    }
    return bytes_of(NULL, 0);
}

static void read_forwarded(struct bytes headers, char address[UPGRADE_ADDRESS_MAX])
{
    struct bytes value = header_first(headers, BYTES("X-Forwarded-For"));
    struct bytes first = bytes_trim(bytes_take(value, bytes_find(value, ',')));
    struct in6_addr parsed;

    address[0] = 0;
    if (first.size == 0 || first.size >= UPGRADE_ADDRESS_MAX)
        return;
    memcpy(address, first.at, first.size);
    address[first.size] = 0;
    if (inet_pton(AF_INET, address, &parsed) != 1 && inet_pton(AF_INET6, address, &parsed) != 1)
        address[0] = 0;
}

static bool bytes_holds(struct bytes b, struct bytes part)
{
    return memmem(b.at, b.size, part.at, part.size) != NULL;
}

/* An offer that we can keep to: any but one that wants our window to be smaller than it is. */
static bool is_our_compression(struct bytes offer)
{
    struct bytes part;

    if (!header_part_next(&offer, ';', &part) ||
        !bytes_equal_nocase(part, BYTES("permessage-deflate")))
        return false;
    while (header_part_next(&offer, ';', &part)) {
        struct bytes name = bytes_trim(bytes_take(part, bytes_find(part, '=')));

        if (bytes_equal_nocase(name, BYTES("server_max_window_bits")))
            return false;
    }
    return true;
}

static bool offers_compression(struct bytes headers)
{
    struct bytes value, offer;

    while (http_head_next(&headers, BYTES("Sec-WebSocket-Extensions"), &value)) {
        while (header_part_next(&value, ',', &offer)) {
            if (is_our_compression(offer))
                return true;
        }
    }
    return false;
}

static void read_visitor(struct bytes headers, const struct websocket_options *options,
                         struct upgrade *upgrade)
{
    struct bytes agent = header_first(headers, BYTES("User-Agent"));

    read_forwarded(headers, upgrade->forwarded_for);
    upgrade->user = cookie(headers, options->user_cookie);
    upgrade->password = cookie(headers, options->password_cookie);
    upgrade->token = cookie(headers, options->token_cookie);
    upgrade->jwt = cookie(headers, options->jwt_cookie);
    upgrade->browser = bytes_starts(agent, BYTES("Mozilla/"));
    upgrade->safari = upgrade->browser && bytes_holds(agent, BYTES("Safari/")) &&
                      !bytes_holds(agent, BYTES("Chrome/")) &&
                      !bytes_holds(agent, BYTES("Chromium/"));
    upgrade->compressed = options->compression && offers_compression(headers);
}

/* ---- answering ------------------------------------------------------------------------------ */

/* The reference tells the peer the name of the status only; the log has the reason. */
static bool refuse(struct buf *answer, struct upgrade *upgrade, const char *status,
                   const char *reason)
{
    const char *text = status + 4; /* behind its number */

    upgrade->refusal = reason;
    (void)buf_print(answer,
                    "HTTP/1.1 %s\r\nContent-Type: text/plain; charset=utf-8\r\n"
                    "X-Content-Type-Options: nosniff\r\nSec-Websocket-Version: 13\r\n"
                    "Connection: close\r\nContent-Length: %zu\r\n\r\n%s\n",
                    status, strlen(text) + 1, text);
    return false;
}

static bool key_valid(struct bytes key)
{
    uint8_t raw[UPGRADE_KEY_SIZE];

    return key.size == UPGRADE_KEY_TEXT_SIZE && base64_read(key, raw, sizeof(raw));
}

void upgrade_accept(struct bytes key, char accepted[static UPGRADE_ACCEPT_SIZE])
{
    char text[UPGRADE_KEY_TEXT_SIZE + sizeof(ACCEPT_GUID)];
    uint8_t digest[DIGEST_SHA1_SIZE];

    assert(key.size == UPGRADE_KEY_TEXT_SIZE);
    snprintf(text, sizeof(text), "%.*s" ACCEPT_GUID, BYTES_ARG(key));
    digest_sha1(bytes_of_text(text), digest);
    base64_write(accepted, bytes_of(digest, sizeof(digest)));
}

static void write_accept(struct bytes key, struct buf *answer)
{
    char accepted[UPGRADE_ACCEPT_SIZE];

    upgrade_accept(key, accepted);
    (void)buf_print(answer, "Sec-WebSocket-Accept: %s\r\n", accepted);
}

static void welcome(struct bytes key, const struct websocket_options *options,
                    const struct upgrade *upgrade, struct buf *answer)
{
    (void)BUF_ADD(answer, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                          "Connection: Upgrade\r\n");
    write_accept(key, answer);
    if (upgrade->compressed)
        (void)BUF_ADD(answer, UPGRADE_COMPRESSION_LINE);
    if (upgrade->unmasked)
        (void)BUF_ADD(answer, UPGRADE_UNMASKED_LINE);
    for (size_t i = 0; i < options->headers_count; i++)
        (void)buf_print(answer, "%.*s: %.*s\r\n", BYTES_ARG(options->headers[i].name),
                        BYTES_ARG(options->headers[i].value));
    (void)BUF_ADD(answer, "\r\n");
}

bool upgrade_answer(struct bytes text, bool more, const struct websocket_options *options,
                    bool encrypted, struct buf *answer, struct upgrade *upgrade)
{
    struct http_head head;
    struct bytes headers, host, key;
    const char *reason;

    if (!http_head_read(text, &head))
        return refuse(answer, upgrade, "400 Bad Request", "no HTTP request");
    headers = head.headers;
    host = header_first(headers, BYTES("Host"));
    key = header_first(headers, BYTES("Sec-WebSocket-Key"));
    if (bytes_ends(head.path, BYTES("/mqtt")))
        return refuse(answer, upgrade, "404 Not Found", "mqtt websocket endpoint not enabled");
    if (!bytes_equal(head.method, BYTES("GET")))
        return refuse(answer, upgrade, "405 Method Not Allowed", "request method must be GET");
    if (host.size == 0)
        return refuse(answer, upgrade, "400 Bad Request", "'Host' missing in request");
    if (!header_lists(headers, BYTES("Upgrade"), BYTES("websocket")))
        return refuse(answer, upgrade, "400 Bad Request", "invalid value for header 'Upgrade'");
    if (!header_lists(headers, BYTES("Connection"), BYTES("upgrade")))
        return refuse(answer, upgrade, "400 Bad Request", "invalid value for header 'Connection'");
    if (key.size == 0)
        return refuse(answer, upgrade, "400 Bad Request", "key missing");
    if (!key_valid(key))
        return refuse(answer, upgrade, "400 Bad Request", "invalid websocket key");
    if (!header_lists(headers, BYTES("Sec-WebSocket-Version"), BYTES("13")))
        return refuse(answer, upgrade, "400 Bad Request", "invalid version");
    if ((reason = refuse_origin(headers, host, options, encrypted)) != NULL)
        return refuse(answer, upgrade, "403 Forbidden", reason);
    if (more)
        return refuse(answer, upgrade, "400 Bad Request",
                      "client sent data before handshake is complete");
    read_visitor(headers, options, upgrade);
    upgrade->leaf = bytes_ends(head.path, BYTES("/leafnode"));
    upgrade->unmasked = upgrade->leaf &&
                        bytes_equal(header_first(headers, BYTES("Nats-No-Masking")), BYTES("true"));
    welcome(key, options, upgrade, answer);
    return true;
}
