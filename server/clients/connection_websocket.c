/*
 * What stands between a client and what TLS, or the socket, brings when it speaks over a WebSocket:
 * the upgrade first, then frames. The client is greeted when it has been upgraded. Until then it
 * may take as much memory as a request's head, and as long as the handshake has.
 */
#include "base/heap.h"
#include "base/http_head.h"
#include "server/clients/connection_priv.h"
#include "server/leaf/leaves.h"
#include "server/websocket/frames.h"
#include "server/websocket/upgrade.h"

struct websocket {
    struct buf head;       /* of the request, while it is not whole; later: what cookies point at */
    struct buf answer;     /* to the request, until it has left */
    struct frames *frames; /* NULL: it was not upgraded yet */
    struct client_cookies cookies;
    bool refused;
    bool farewell;
    bool leaf; /* it was upgraded, and is no client: as what follows says */
    bool compressed;
    bool unmasked;
};

static const struct websocket_options *options_of(const struct connection *c)
{
    return &c->owner->clients.options->websocket;
}

/* ---- beginning and end ---------------------------------------------------------------------- */

void connection_websocket_begin(struct connection *c)
{
    c->websocket = HEAP_NEW(struct websocket);
    buf_init(&c->websocket->head, UPGRADE_HEAD_MAX);
    buf_init(&c->websocket->answer, SIZE_MAX / 2);
}

void connection_websocket_await(struct connection *c)
{
    int64_t limit_ns = options_of(c)->handshake_timeout_ns;

    if (limit_ns <= 0)
        limit_ns = WEBSOCKET_HANDSHAKE_NS;
    timers_arm(io_timers(c->owner->io), &c->auth, io_now(c->owner->io) + limit_ns);
}

bool connection_websocket_overdue(struct connection *c)
{
    if (c->websocket == NULL || c->websocket->frames != NULL)
        return false;
    client_doom(&c->client, "Client Closed");
    return true;
}

static struct deflater *deflater_of(struct connections *connections)
{
    if (connections->deflater == NULL)
        connections->deflater = deflater_create();
    return connections->deflater;
}

void connection_websocket_moved(struct connection *c)
{
    if (c->websocket == NULL || c->websocket->frames == NULL)
        return;
    if (frames_deflate(c->websocket->frames))
        frames_set_deflater(c->websocket->frames, deflater_of(c->owner));
    c->client.door = &c->owner->websocket_door;
}

void connection_websocket_end(struct connection *c)
{
    if (c->websocket == NULL)
        return;
    frames_destroy(c->websocket->frames);
    buf_deinit(&c->websocket->head);
    buf_deinit(&c->websocket->answer);
    heap_give(c->websocket);
}

/* ---- what arrives --------------------------------------------------------------------------- */

static void take_payload(void *context, struct bytes payload)
{
    struct connection *c = context;

    if (c->client.state == CLIENT_OPEN)
        client_feed(&c->client, payload, io_now(c->owner->io));
}

static size_t message_max(const struct connection *c)
{
    int64_t most = c->owner->clients.options->max_payload * 8;

    return most < (int64_t)FRAMES_MESSAGE_MAX ? (size_t)most : FRAMES_MESSAGE_MAX;
}

/* Some clients measure a frame by max_payload, as message_max. */
static size_t frame_max(const struct connection *c, bool browser)
{
    size_t most = browser ? FRAME_BROWSER_MAX : FRAME_MAX, message = message_max(c);

    return message > 0 && message < most ? message : most;
}

static void begin_frames(struct connection *c, const struct upgrade *said)
{
    struct websocket *websocket = c->websocket;
    struct frames_options options = {
        .message_max = message_max(c),
        .frame_max = frame_max(c, said->browser),
        .deflater = said->compressed ? deflater_of(c->owner) : NULL,
        .whole = said->safari,
    };

    websocket->frames = frames_create(&options, take_payload, c);
    websocket->cookies = (struct client_cookies){
        .user = said->user, .password = said->password, .token = said->token, .jwt = said->jwt};
    if (said->user.size + said->password.size + said->token.size + said->jwt.size == 0)
        buf_deinit(&websocket->head);
    client_over_websocket(&c->client, &c->owner->websocket_door, &websocket->cookies,
                          said->forwarded_for[0] != 0 ? said->forwarded_for : NULL);
    connection_greet(c);
    connection_await_auth(c);
}

/* A leaf node is given away at the end of the turn, when nobody is busy with its socket. */
static void upgraded(struct connection *c, const struct upgrade *said)
{
    struct websocket *websocket = c->websocket;

    if (!said->leaf) {
        begin_frames(c, said);
        return;
    }
    websocket->leaf = true;
    websocket->compressed = said->compressed;
    websocket->unmasked = said->unmasked;
}

static bool give(struct connection *c)
{
    const struct leaf_visitor visitor = {
        .sock = c->sock,
        .tls = c->tls,
        .flight = c->flight,
        .said = buf_bytes(&c->websocket->answer),
        .compressed = c->websocket->compressed,
        .unmasked = c->websocket->unmasked,
    };

    if (c->owner->leaves == NULL || !leaves_visit(c->owner->leaves, &visitor))
        return false;
    if (c->paused)
        io_sock_resume(c->owner->io, c->sock);
    c->sock = NULL;
    c->tls = NULL;
    c->secure = SECURE_OFF;
    buf_init(&c->flight, SIZE_MAX / 2);
    return true;
}

enum visit connection_websocket_visit(struct connection *c)
{
    if (c->websocket == NULL || !c->websocket->leaf)
        return VISIT_NONE;
    if (give(c))
        return VISIT_TAKEN;
    logger_error(c->owner->clients.logger, "%s",
                 c->owner->clients.options->leaf.port == 0
                     ? "Not configured to accept leaf node connections"
                     : "Too many leaf node connections");
    client_end(&c->client, NULL, "Client Closed");
    return VISIT_REFUSED;
}

static void refuse(struct connection *c, const char *why)
{
    logger_error(c->owner->clients.logger, "%s - websocket handshake error: %s", c->client.label,
                 why);
    c->websocket->refused = true;
    client_end(&c->client, NULL, "Client Closed");
}

static void take_head(struct connection *c, struct bytes b)
{
    struct websocket *websocket = c->websocket;
    struct upgrade said = {0};
    size_t size;

    if (!buf_add(&websocket->head, b)) {
        (void)BUF_ADD(&websocket->answer,
                      "HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\n\r\n");
        refuse(c, "request too large");
        return;
    }
    size = http_head_size(buf_bytes(&websocket->head));
    if (size == 0)
        return;
    if (upgrade_answer(bytes_take(buf_bytes(&websocket->head), size), size < websocket->head.size,
                       options_of(c), c->secure == SECURE_ON, &websocket->answer, &said))
        upgraded(c, &said);
    else
        refuse(c, said.refusal);
    client_mark(&c->client);
}

static void take_frames(struct connection *c, struct bytes b)
{
    enum frames_state state = frames_feed(c->websocket->frames, b);

    if (state == FRAMES_ENDED)
        client_end(&c->client, NULL, "Client Closed");
    else if (state == FRAMES_BROKEN)
        client_end(&c->client, NULL, "Protocol Violation");
    if (frames_has_out(c->websocket->frames))
        client_mark(&c->client);
}

void connection_take(struct connection *c, struct bytes b)
{
    if (c->websocket == NULL)
        client_feed(&c->client, b, io_now(c->owner->io));
    else if (c->client.state != CLIENT_OPEN)
        return;
    else if (c->websocket->leaf)
        client_doom(&c->client, "Client Closed"); /* it has not been told that it may speak */
    else if (c->websocket->frames == NULL)
        take_head(c, b);
    else
        take_frames(c, b);
}

/* ---- what leaves ---------------------------------------------------------------------------- */

bool connection_says(const struct connection *c)
{
    const struct websocket *websocket = c->websocket;

    if (websocket == NULL)
        return c->client.out.size > 0;
    if (websocket->answer.size > 0)
        return true;
    return websocket->frames != NULL &&
           (c->client.out.size > 0 || frames_has_out(websocket->frames));
}

struct buf connection_said(struct connection *c)
{
    struct websocket *websocket = c->websocket;
    struct buf said = c->client.out;

    if (websocket == NULL) {
        buf_init(&c->client.out, SIZE_MAX / 2);
        return said;
    }
    said = clients_spare_take(&c->owner->clients);
    (void)buf_add(&said, buf_bytes(&websocket->answer));
    buf_deinit(&websocket->answer);
    buf_init(&websocket->answer, SIZE_MAX / 2);
    if (websocket->frames != NULL)
        frames_write(websocket->frames, buf_bytes(&c->client.out), &said);
    buf_clear(&c->client.out);
    return said;
}

bool connection_websocket_farewell(struct connection *c)
{
    struct websocket *websocket = c->websocket;

    if (websocket == NULL || websocket->frames == NULL || websocket->farewell)
        return false;
    websocket->farewell = true;
    frames_close(websocket->frames, frames_close_code(c->client.reason),
                 bytes_of_text(c->client.reason));
    return frames_has_out(websocket->frames);
}
