#include "server/cluster/route_url.h"

static bool read_port(struct bytes text, int *port)
{
    uint64_t number;

    if (bytes_equal(text, BYTES("-1"))) {
        *port = -1;
        return true;
    }
    if (!bytes_read_u64(text, &number) || number > UINT16_MAX)
        return false;
    *port = (int)number;
    return true;
}

/* Behind the host and its brackets there is a port or nothing. */
static bool read_host(struct bytes text, struct bytes *host, int *port)
{
    size_t end = 0;

    if (text.size > 0 && text.at[0] == '[') {
        end = bytes_find(text, ']');
        if (end == text.size)
            return false;
        *host = bytes_take(bytes_skip(text, 1), end - 1);
        end++;
    } else {
        end = bytes_find(text, ':');
        *host = bytes_take(text, end);
    }
    text = bytes_skip(text, end);
    if (text.size == 0)
        return true;
    return text.at[0] == ':' && read_port(bytes_skip(text, 1), port);
}

static void skip_scheme(struct bytes *text)
{
    static const struct bytes schemes[] = {
        BYTES("nats-route://"),
        BYTES("nats://"),
        BYTES("tls://"),
        BYTES("//"),
    };

    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        if (!bytes_starts(*text, schemes[i]))
            continue;
        *text = bytes_skip(*text, schemes[i].size);
        return;
    }
}

static bool has_bad_byte(struct bytes text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.at[i] <= ' ' || text.at[i] == 0x7f)
            return true;
    return false;
}

/* Of a path nothing would be asked. */
static bool has_path(struct bytes text)
{
    return bytes_find(text, '/') < text.size;
}

bool route_url_read(struct bytes text, struct route_url *url)
{
    size_t at, colon;

    *url = (struct route_url){0};
    if (text.size == 0 || has_bad_byte(text))
        return false;
    skip_scheme(&text);
    if (text.size > 0 && text.at[text.size - 1] == '/')
        text.size--;
    at = bytes_find(text, '@');
    if (at < text.size) {
        struct bytes who = bytes_take(text, at);

        colon = bytes_find(who, ':');
        url->user = bytes_take(who, colon);
        url->password = bytes_skip(who, colon < who.size ? colon + 1 : colon);
        text = bytes_skip(text, at + 1);
    }
    return !has_path(text) && read_host(text, &url->host, &url->port);
}

struct bytes address_split(struct bytes text, uint16_t *port)
{
    struct bytes host = text;
    int number = 0;

    if (!read_host(text, &host, &number))
        return text; /* a version 6 address without brackets, which has no port */
    if (number > 0)
        *port = (uint16_t)number;
    return host;
}
