#include "cli/url.h"

#include "base/percent.h"

static bool copy(char *to, size_t room, struct bytes from)
{
    if (from.size >= room)
        return false;
    memcpy(to, from.at, from.size);
    to[from.size] = 0;
    return true;
}

static size_t find_last(struct bytes b, uint8_t byte)
{
    for (size_t i = b.size; i > 0; i--)
        if (b.at[i - 1] == byte)
            return i - 1;
    return b.size;
}

static const char *read_scheme(struct bytes *text, struct url *address)
{
    for (size_t i = 0; i + 2 < text->size; i++) {
        struct bytes scheme;

        if (memcmp(text->at + i, "://", 3) != 0)
            continue;
        scheme = bytes_take(*text, i);
        *text = bytes_skip(*text, i + 3);
        address->tls = bytes_equal_nocase(scheme, BYTES("tls"));
        if (address->tls || bytes_equal_nocase(scheme, BYTES("nats")))
            return NULL;
        return "addresses begin with nats:// or tls:// (WebSockets are for browsers)";
    }
    return NULL;
}

static const char *read_user(struct bytes *text, struct url *address)
{
    size_t at = find_last(*text, '@'), colon;
    struct bytes who;

    if (at == text->size)
        return NULL;
    who = bytes_take(*text, at);
    *text = bytes_skip(*text, at + 1);
    colon = bytes_find(who, ':');
    address->has_password = colon < who.size;
    if (!percent_decode(address->user, sizeof(address->user), bytes_take(who, colon)) ||
        (address->has_password &&
         !percent_decode(address->password, sizeof(address->password), bytes_skip(who, colon + 1))))
        return "the user or password is malformed";
    return NULL;
}

static const char *read_host(struct bytes text, struct url *address, struct bytes port)
{
    struct bytes host = text;
    uint64_t number;

    if (text.size > 0 && text.at[0] == '[') {
        size_t end = bytes_find(text, ']');

        if (end == text.size)
            return "a ] is missing";
        host = bytes_of(text.at + 1, end - 1);
        text = bytes_skip(text, end + 1);
        if (text.size > 0 && text.at[0] == ':')
            port = bytes_skip(text, 1);
    } else if (bytes_find(text, ':') < text.size) {
        host = bytes_take(text, bytes_find(text, ':'));
        port = bytes_skip(text, host.size + 1);
    }
    if (host.size == 0 || !copy(address->host, sizeof(address->host), host))
        return "the host is missing or too long";
    if (!bytes_read_u64(port, &number) || number == 0 || number > 65535 ||
        !copy(address->port, sizeof(address->port), port))
        return "the port must be a number from 1 to 65535";
    return NULL;
}

const char *url_read(struct bytes text, struct url *address)
{
    const char *wrong;

    *address = (struct url){0};
    text = bytes_trim(text);
    wrong = read_scheme(&text, address);
    if (wrong == NULL) {
        while (text.size > 0 && text.at[text.size - 1] == '/')
            text.size--;
        wrong = read_user(&text, address);
    }
    return wrong != NULL ? wrong : read_host(text, address, BYTES("4222"));
}

const char *url_read_proxy(struct bytes text, struct url *address)
{
    static const struct bytes schemes[] = {{(const uint8_t *)"socks5://", 9},
                                           {(const uint8_t *)"socks5h://", 10}};
    const char *wrong;

    *address = (struct url){0};
    text = bytes_trim(text);
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
        if (bytes_starts(text, schemes[i]))
            text = bytes_skip(text, schemes[i].size);
    if (memmem(text.at, text.size, "://", 3) != NULL)
        return "proxies begin with socks5://";
    while (text.size > 0 && text.at[text.size - 1] == '/')
        text.size--;
    wrong = read_user(&text, address);
    return wrong != NULL ? wrong : read_host(text, address, BYTES("1080"));
}
