#include "server/websocket/dial.h"

#include <stdio.h>
#include <string.h>

#include "base/http_head.h"
#include "server/auth/base64.h"
#include "server/websocket/header.h"

#define CREDENTIALS_MAX 512u
#define STATUS_AT       9u /* behind "HTTP/1.1 " */
#define STATUS_SIZE     3u

static void write_host(const struct dial_wish *wish, struct buf *out)
{
    bool brackets = strchr(wish->host, ':') != NULL;

    (void)buf_print(out, "%s%s%s:%u", brackets ? "[" : "", wish->host, brackets ? "]" : "",
                    wish->port);
}

static void write_host_line(const struct dial_wish *wish, struct buf *out)
{
    (void)BUF_ADD(out, "Host: ");
    write_host(wish, out);
    (void)BUF_ADD(out, "\r\n");
}

static bool is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

/* "HTTP/1.1 101 Switching Protocols": three digits between blanks, the text may be left out. */
static bool is_status_line(struct bytes line)
{
    if (line.size < STATUS_AT + STATUS_SIZE || !bytes_starts(line, BYTES("HTTP/1.")) ||
        !is_digit(line.at[STATUS_AT - 2]) || line.at[STATUS_AT - 1] != ' ')
        return false;
    for (size_t i = STATUS_AT; i < STATUS_AT + STATUS_SIZE; i++)
        if (!is_digit(line.at[i]))
            return false;
    return line.size == STATUS_AT + STATUS_SIZE || line.at[STATUS_AT + STATUS_SIZE] == ' ';
}

/* The first line, from the status on, and headers. False: it is no reply. */
static bool read_reply(struct bytes head, struct bytes *status, struct bytes *headers)
{
    struct bytes line, name, value, rest;

    if (!http_line_next(&head, status) || !is_status_line(*status))
        return false;
    *status = bytes_skip(*status, STATUS_AT);
    *headers = head;
    for (rest = head; http_line_next(&rest, &line) && line.size > 0;)
        if (!http_header_read(line, &name, &value))
            return false;
    return true;
}

/* ---- a proxy -------------------------------------------------------------------------------- */

static void write_credentials(const struct dial_wish *wish, struct buf *out)
{
    char plain[CREDENTIALS_MAX], text[BASE64_SIZE(CREDENTIALS_MAX)];
    int size = snprintf(plain, sizeof(plain), "%.*s:%.*s", BYTES_ARG(wish->proxy_user),
                        BYTES_ARG(wish->proxy_pass));

    if (size < (int)sizeof(plain)) {
        base64_write(text, bytes_of(plain, (size_t)size));
        (void)buf_print(out, "Proxy-Authorization: Basic %s\r\n", text);
    }
    explicit_bzero(plain, sizeof(plain));
    explicit_bzero(text, sizeof(text));
}

void dial_ask_proxy(const struct dial_wish *wish, struct buf *out)
{
    (void)BUF_ADD(out, "CONNECT ");
    write_host(wish, out);
    (void)BUF_ADD(out, " HTTP/1.1\r\n");
    write_host_line(wish, out);
    if (wish->proxy_user.size > 0)
        write_credentials(wish, out);
    (void)BUF_ADD(out, "\r\n");
}

/* A line of a log is made of it. */
static void print_plainly(char *to, size_t size, struct bytes text)
{
    size_t at = 0;

    for (; at + 1 < size && at < text.size; at++)
        to[at] = text.at[at] >= ' ' && text.at[at] < 0x7f ? (char)text.at[at] : '?';
    to[at] = 0;
}

bool dial_proxy_answered(struct bytes head, char reason[static DIAL_REASON_SIZE])
{
    struct bytes status, headers;
    char text[64];

    if (!read_reply(head, &status, &headers)) {
        snprintf(reason, DIAL_REASON_SIZE, "proxy CONNECT failed: no HTTP reply");
        return false;
    }
    if (bytes_starts(status, BYTES("200")))
        return true;
    print_plainly(text, sizeof(text), status);
    snprintf(reason, DIAL_REASON_SIZE, "proxy CONNECT failed: %s", text);
    return false;
}

/* ---- a WebSocket ---------------------------------------------------------------------------- */

void dial_ask(const struct dial_wish *wish, struct buf *out)
{
    char key[BASE64_SIZE(UPGRADE_KEY_SIZE)];

    base64_write(key, bytes_of(wish->key, sizeof(wish->key)));
    (void)buf_print(out, "GET %s HTTP/1.1\r\n", wish->path);
    write_host_line(wish, out);
    (void)buf_print(out,
                    "Connection: Upgrade\r\nSec-WebSocket-Key: %s\r\n"
                    "Sec-WebSocket-Version: 13\r\nUpgrade: websocket\r\n",
                    key);
    if (wish->compressed)
        (void)BUF_ADD(out, UPGRADE_COMPRESSION_LINE);
    if (wish->unmasked)
        (void)BUF_ADD(out, UPGRADE_UNMASKED_LINE);
    (void)BUF_ADD(out, "\r\n");
}

static bool is_accepted(struct bytes headers, const struct dial_wish *wish)
{
    char key[BASE64_SIZE(UPGRADE_KEY_SIZE)], accepted[UPGRADE_ACCEPT_SIZE];

    base64_write(key, bytes_of(wish->key, sizeof(wish->key)));
    upgrade_accept(bytes_of_text(key), accepted);
    return bytes_equal(header_first(headers, BYTES("Sec-WebSocket-Accept")),
                       bytes_of_text(accepted)) &&
           bytes_equal_nocase(header_first(headers, BYTES("Upgrade")), BYTES("websocket")) &&
           header_lists(headers, BYTES("Connection"), BYTES("upgrade"));
}

/* What we can read: each message by itself. */
static bool read_compression(struct bytes headers, bool *compressed)
{
    struct bytes list = header_first(headers, BYTES("Sec-WebSocket-Extensions")), part;
    bool server = false, client = false;

    *compressed = false;
    if (!header_part_next(&list, ';', &part) ||
        !bytes_equal_nocase(part, BYTES("permessage-deflate")))
        return true;
    *compressed = true;
    while (header_part_next(&list, ';', &part)) {
        server = server || bytes_equal_nocase(part, BYTES("server_no_context_takeover"));
        client = client || bytes_equal_nocase(part, BYTES("client_no_context_takeover"));
    }
    return server && client;
}

bool dial_answered(struct bytes head, struct dial_wish *wish, char reason[static DIAL_REASON_SIZE])
{
    bool compressed = false;
    struct bytes status, headers;

    if (!read_reply(head, &status, &headers) || !bytes_starts(status, BYTES("101")) ||
        !is_accepted(headers, wish)) {
        snprintf(reason, DIAL_REASON_SIZE, "invalid websocket connection");
        return false;
    }
    if (!read_compression(headers, &compressed) || (compressed && !wish->compressed)) {
        snprintf(reason, DIAL_REASON_SIZE, "compression negotiation error");
        return false;
    }
    wish->compressed = compressed;
    wish->unmasked = wish->unmasked &&
                     bytes_equal(header_first(headers, BYTES("Nats-No-Masking")), BYTES("true"));
    return true;
}
