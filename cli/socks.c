#include "cli/socks.h"

#define VERSION       5
#define LOGIN_VERSION 1
#define CONNECT       1
#define NAME_MAX_SIZE 255u

enum method { METHOD_NONE = 0, METHOD_PASSWORD = 2 };
enum address { ADDRESS_V4 = 1, ADDRESS_NAME = 3, ADDRESS_V6 = 4 };

static void add_counted(struct buf *out, const char *text)
{
    buf_add_byte(out, (uint8_t)strlen(text));
    buf_add(out, bytes_of_text(text));
}

bool socks_begin(struct socks *socks, struct buf *out)
{
    bool login = socks->user != NULL;

    if (strlen(socks->host) > NAME_MAX_SIZE ||
        (login && (strlen(socks->user) > NAME_MAX_SIZE || strlen(socks->password) > NAME_MAX_SIZE)))
        return false;
    socks->state = SOCKS_METHOD;
    buf_add_byte(out, VERSION);
    buf_add_byte(out, login ? 2 : 1);
    buf_add_byte(out, METHOD_NONE);
    if (login)
        buf_add_byte(out, METHOD_PASSWORD);
    return true;
}

static void add_login(const struct socks *socks, struct buf *out)
{
    buf_add_byte(out, LOGIN_VERSION);
    add_counted(out, socks->user);
    add_counted(out, socks->password);
}

static void add_connect(const struct socks *socks, struct buf *out)
{
    buf_add_byte(out, VERSION);
    buf_add_byte(out, CONNECT);
    buf_add_byte(out, 0);
    buf_add_byte(out, ADDRESS_NAME);
    add_counted(out, socks->host);
    buf_add_byte(out, (uint8_t)(socks->port >> 8));
    buf_add_byte(out, (uint8_t)socks->port);
}

static enum socks_step bad(const char **why, const char *text)
{
    *why = text;
    return SOCKS_BAD;
}

static enum socks_step take_method(struct socks *socks, struct bytes in, size_t *used,
                                   struct buf *out, const char **why)
{
    if (in.size < 2)
        return SOCKS_MORE;
    *used = 2;
    if (in.at[0] != VERSION)
        return bad(why, "it is no SOCKS5 proxy");
    if (in.at[1] == METHOD_PASSWORD && socks->user != NULL) {
        add_login(socks, out);
        socks->state = SOCKS_LOGIN;
        return SOCKS_SENT;
    }
    if (in.at[1] != METHOD_NONE)
        return bad(why, "it wants a user and a password: socks5://USER:PASSWORD@HOST");
    add_connect(socks, out);
    socks->state = SOCKS_CONNECT;
    return SOCKS_SENT;
}

static enum socks_step take_login(struct socks *socks, struct bytes in, size_t *used,
                                  struct buf *out, const char **why)
{
    if (in.size < 2)
        return SOCKS_MORE;
    *used = 2;
    if (in.at[1] != 0)
        return bad(why, "it does not take this user and password");
    add_connect(socks, out);
    socks->state = SOCKS_CONNECT;
    return SOCKS_SENT;
}

static const char *reply_text(unsigned code)
{
    static const char *const texts[] = {
        "",
        "it failed",
        "its rules forbid that server",
        "the network cannot be reached",
        "no such host is known to it",
        "nobody listens there",
        "it took too long",
        "it cannot connect",
        "it knows no such address",
    };

    return code < sizeof(texts) / sizeof(texts[0]) ? texts[code] : "it says something unknown";
}

/* version, reply, 0, kind of address, address, port */
static enum socks_step take_connect(struct socks *socks, struct bytes in, size_t *used,
                                    const char **why)
{
    size_t size;

    if (in.size < 5)
        return SOCKS_MORE;
    if (in.at[0] != VERSION)
        return bad(why, "it is no SOCKS5 proxy");
    if (in.at[1] != 0)
        return bad(why, reply_text(in.at[1]));
    switch (in.at[3]) {
    case ADDRESS_V4: size = 4; break;
    case ADDRESS_V6: size = 16; break;
    case ADDRESS_NAME: size = 1 + (size_t)in.at[4]; break;
    default: return bad(why, "its answer is none");
    }
    if (in.size < 4 + size + 2)
        return SOCKS_MORE;
    *used = 4 + size + 2;
    socks->state = SOCKS_THROUGH;
    return SOCKS_READY;
}

enum socks_step socks_step(struct socks *socks, struct bytes in, size_t *used, struct buf *out,
                           const char **why)
{
    *used = 0;
    switch (socks->state) {
    case SOCKS_METHOD: return take_method(socks, in, used, out, why);
    case SOCKS_LOGIN: return take_login(socks, in, used, out, why);
    case SOCKS_CONNECT: return take_connect(socks, in, used, why);
    case SOCKS_THROUGH: break;
    }
    return SOCKS_READY;
}
