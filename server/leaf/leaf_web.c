/*
 * What stands between a leaf connection and what TLS, or the socket, brings: a proxy that is asked
 * for a way to the hub, then the request that begins a WebSocket, then its frames. Either may be
 * alone. Until it is over it may take as much memory as the head of a reply.
 */
#include <stdio.h>

#include "base/heap.h"
#include "base/http_head.h"
#include "server/leaf/leaf_priv.h"
#include "server/websocket/dial.h"
#include "server/websocket/frames.h"

#define MESSAGE_MAX (128u << 20) /* a hub may send all that waits in one; it is taken in pieces */

enum web_state {
    WEB_PROXY,   /* its answer is awaited */
    WEB_UPGRADE, /* the hub's is */
    WEB_FRAMES,
    WEB_PLAIN, /* the proxy is through, and that was all */
};

struct leaf_web {
    enum web_state state;
    bool farewell;
    struct buf head; /* of the answer that is awaited */
    struct buf said; /* to be sent as it is, before any frame */
    struct dial_wish wish;
    struct frames *frames;
    char reason[DIAL_REASON_SIZE];
};

static struct leaf_web *web_create(struct leaf *leaf, enum web_state state)
{
    struct leaf_web *web = HEAP_NEW(struct leaf_web);

    web->state = state;
    buf_init(&web->head, UPGRADE_HEAD_MAX);
    buf_init(&web->said, SIZE_MAX / 2);
    leaf->web = web;
    return web;
}

void leaf_web_free(struct leaf *leaf)
{
    struct leaf_web *web = leaf->web;

    if (web == NULL)
        return;
    leaf->web = NULL;
    frames_destroy(web->frames);
    buf_deinit(&web->head);
    buf_deinit(&web->said);
    explicit_bzero(web, sizeof(*web));
    heap_give(web);
}

bool leaf_over_websocket(const struct leaf *leaf)
{
    const struct leaf_web *web = leaf->web;

    return web != NULL && (web->wish.path != NULL || web->frames != NULL);
}

/* ---- frames --------------------------------------------------------------------------------- */

static void take_payload(void *context, struct bytes payload)
{
    struct leaf *leaf = context;

    if (leaf->state >= LEAF_ENDING)
        return;
    leaf_received(leaf, payload);
    /* A little that was compressed may ask for many answers. */
    if (leaf->state < LEAF_ENDING && leaf->out.size > leaf->leaves->setup.clients->pending_most)
        leaf_slow(leaf);
}

static void make_random(void *context, uint8_t *at, size_t size)
{
    const struct leaf *leaf = context;

    io_random(leaf->leaves->setup.io, at, size);
}

static struct deflater *deflater_of(struct leaves *leaves)
{
    if (leaves->deflater == NULL)
        leaves->deflater = deflater_create();
    return leaves->deflater;
}

static void begin_frames(struct leaf *leaf, bool compressed, bool unmasked)
{
    const struct frames_options options = {
        .message_max = MESSAGE_MAX,
        .frame_max = FRAME_MAX,
        .deflater = compressed ? deflater_of(leaf->leaves) : NULL,
        .random = leaf->dialled ? make_random : NULL,
        .unmasked = unmasked,
    };

    leaf->web->state = WEB_FRAMES;
    leaf->web->frames = frames_create(&options, take_payload, leaf);
}

/* ---- beginning ------------------------------------------------------------------------------ */

void leaf_web_accepted(struct leaf *leaf, const struct leaf_visitor *visitor)
{
    struct leaf_web *web = web_create(leaf, WEB_FRAMES);

    (void)buf_add(&web->said, visitor->said);
    begin_frames(leaf, visitor->compressed, visitor->unmasked);
}

static void ask_hub(struct leaf *leaf)
{
    struct leaf_web *web = leaf->web;

    web->state = WEB_UPGRADE;
    io_random(leaf->leaves->setup.io, web->wish.key, sizeof(web->wish.key));
    dial_ask(&web->wish, &web->said);
    leaf_mark(leaf);
}

/* TLS first, where there is any: the request is part of what it hides. */
static void begin_websocket(struct leaf *leaf)
{
    struct tls_context *context;

    if (remote_wants_tls(leaf->remote)) {
        context = remote_tls(leaf->remote);
        if (context == NULL) {
            leaf_close(leaf, LEAF_AT_ONCE, "TLS Handshake Failure");
            return;
        }
        leaf_secure(leaf, context, remote_tls_name(leaf->remote));
    }
    ask_hub(leaf);
}

static void make_wish(struct leaf *leaf, const struct leaf_remote_state *remote)
{
    const struct leaf_remote *options = remote->options;

    leaf->web->wish = (struct dial_wish){
        .host = leaf->address.text,
        .port = leaf->address.port,
        .compressed = options->compress_websocket,
        .unmasked = options->no_masking,
        .proxy_user = options->proxy.user,
        .proxy_pass = options->proxy.password,
    };
    if (options->urls[0].websocket)
        leaf->web->wish.path = remote->url != NULL ? remote->url->path : "/leafnode";
}

void leaf_web_dial(struct leaf *leaf)
{
    const struct leaf_remote *options = leaf->remote->options;

    if (!options->urls[0].websocket && options->proxy.host == NULL)
        return;
    (void)web_create(leaf, WEB_PROXY);
    make_wish(leaf, leaf->remote);
    if (options->proxy.host == NULL) {
        begin_websocket(leaf);
        return;
    }
    dial_ask_proxy(&leaf->web->wish, &leaf->web->said);
    leaf_mark(leaf);
}

/* ---- what arrives --------------------------------------------------------------------------- */

static void fail(struct leaf *leaf)
{
    leaf_close(leaf, LEAF_AT_ONCE, leaf->web->reason);
}

static void proxy_answered(struct leaf *leaf, struct bytes head)
{
    struct leaf_web *web = leaf->web;

    if (!dial_proxy_answered(head, web->reason)) {
        fail(leaf);
    } else if (web->wish.path != NULL) {
        begin_websocket(leaf);
    } else {
        web->state = WEB_PLAIN;
        leaf_begin_first(leaf);
    }
}

static void hub_answered(struct leaf *leaf, struct bytes head)
{
    struct leaf_web *web = leaf->web;

    if (dial_answered(head, &web->wish, web->reason))
        begin_frames(leaf, web->wish.compressed, web->wish.unmasked);
    else
        fail(leaf);
}

static void take_frames(struct leaf *leaf, struct bytes b)
{
    enum frames_state state = frames_feed(leaf->web->frames, b);

    if (leaf->state < LEAF_ENDING && state != FRAMES_OPEN)
        leaf_close(leaf, LEAF_LAST_WORDS,
                   state == FRAMES_ENDED ? "Client Closed" : "Protocol Violation");
    if (frames_has_out(leaf->web->frames))
        leaf_mark(leaf);
}

/* Nothing is believed that came plainly ahead of TLS. */
static bool is_believed(const struct leaf *leaf, bool secure)
{
    return leaf->secure == secure &&
           (leaf->web->state == WEB_FRAMES || leaf->web->state == WEB_PLAIN);
}

static void take_head(struct leaf *leaf, struct bytes b)
{
    struct leaf_web *web = leaf->web;
    size_t before = web->head.size, room = UPGRADE_HEAD_MAX - before, size;
    bool secure = leaf->secure;
    struct buf head;

    (void)buf_add(&web->head, bytes_take(b, b.size < room ? b.size : room));
    size = http_head_size(buf_bytes(&web->head));
    if (size == 0 && b.size >= room) {
        snprintf(web->reason, sizeof(web->reason), "the head of an HTTP answer is too large");
        fail(leaf);
    }
    if (size == 0)
        return;
    head = web->head;
    buf_init(&web->head, UPGRADE_HEAD_MAX);
    if (web->state == WEB_PROXY)
        proxy_answered(leaf, bytes_take(buf_bytes(&head), size));
    else
        hub_answered(leaf, bytes_take(buf_bytes(&head), size));
    buf_deinit(&head);
    b = bytes_skip(b, size - before);
    if (b.size == 0 || leaf->state >= LEAF_ENDING)
        return;
    if (is_believed(leaf, secure)) {
        leaf_web_received(leaf, b);
        return;
    }
    snprintf(web->reason, sizeof(web->reason), "invalid websocket connection");
    fail(leaf);
}

void leaf_web_received(struct leaf *leaf, struct bytes b)
{
    const struct leaf_web *web = leaf->web;

    if (leaf->state >= LEAF_ENDING)
        return;
    if (web == NULL || web->state == WEB_PLAIN)
        leaf_received(leaf, b);
    else if (web->state == WEB_FRAMES)
        take_frames(leaf, b);
    else
        take_head(leaf, b);
}

/* ---- what leaves ---------------------------------------------------------------------------- */

bool leaf_web_says(const struct leaf *leaf)
{
    const struct leaf_web *web = leaf->web;

    if (web == NULL)
        return leaf->out.size > 0;
    if (web->said.size > 0)
        return true;
    return web->state == WEB_FRAMES ? leaf->out.size > 0 || frames_has_out(web->frames)
                                    : web->state == WEB_PLAIN && leaf->out.size > 0;
}

struct buf leaf_web_said(struct leaf *leaf)
{
    struct leaf_web *web = leaf->web;
    struct buf said = leaf->out;

    buf_init(&leaf->out, SIZE_MAX / 2);
    if (web == NULL || web->state == WEB_PLAIN)
        return said;
    if (web->state != WEB_FRAMES) { /* nothing is said yet but to HTTP */
        leaf->out = said;
        said = web->said;
        buf_init(&web->said, SIZE_MAX / 2);
        return said;
    }
    if (said.size > 0 || frames_has_out(web->frames)) {
        frames_write(web->frames, buf_bytes(&said), &web->said);
        buf_deinit(&said);
    }
    said = web->said;
    buf_init(&web->said, SIZE_MAX / 2);
    return said;
}

void leaf_web_farewell(struct leaf *leaf)
{
    struct leaf_web *web = leaf->web;

    if (web == NULL || web->state != WEB_FRAMES || web->farewell || leaf->out.size > 0)
        return;
    web->farewell = true;
    frames_close(web->frames, frames_close_code(leaf->reason), bytes_of_text(leaf->reason));
}
