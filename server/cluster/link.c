/*
 * Two nodes and the connections between them: the handshake, which of two links stays, heartbeats.
 *
 *     we dial                                    they answer
 *     HELLO on CONTROL, with a new token   ->    judged; a link in the making
 *                                          <-    WELCOME
 *     HELLO on the other connections       ->    joined by the token
 *                                          <-    WELCOME on each
 *     OPEN                                 ->    up
 *     up                                   <-    OPENED
 *
 * Both may dial at the same time. Then two OPENs cross, and the one of the node with the lower id
 * counts: it refuses the other's, and the other takes its. No side is up on the loser, so nothing
 * was sent on it. An OPEN when there is a link already means that the peer has none any more (it
 * looks before it asks), except when it may have crossed ours: there the lower id waits for its
 * heartbeats to tell.
 */
#include <stdio.h>

#include "base/codec.h"
#include "base/heap.h"
#include "base/owner.h"
#include "server/cluster/cluster_priv.h"

#define DETAIL_MAX 400u

static struct timers *timers_of(const struct link *link)
{
    return io_timers(link->cluster->io);
}

/* ---- greetings ------------------------------------------------------------------------------ */

void greeting_free(struct greeting *greeting)
{
    heap_give(greeting->memory);
    *greeting = (struct greeting){0};
}

/* Keeps what a peer said, in memory of its own. */
static void greeting_keep(struct greeting *greeting, struct bytes body)
{
    struct bytes copy = heap_copy(body);
    bool good;

    greeting_free(greeting);
    greeting->memory = (uint8_t *)copy.at;
    good = hello_decode(copy, &greeting->hello);
    assert(good); /* it was when it was judged */
    greeting->hello.user = greeting->hello.password = bytes_of(NULL, 0);
}

static void say_hello(struct lane *lane, uint8_t kind, uint64_t token, const struct dial *dial)
{
    struct cluster *cluster = lane->cluster;
    uint8_t memory[HELLO_SIZE_MAX];
    struct buf out = {.at = memory, .capacity = sizeof(memory), .limit = sizeof(memory)};
    struct hello hello;
    struct bytes body;

    cluster_hello(cluster, &hello);
    hello.class = lane->class;
    hello.token = token;
    if (dial != NULL)
        dial_credentials(dial, &hello);
    hello_encode(&out, &hello);
    body = buf_bytes(&out);
    lane_add(lane, kind, &body, 1);
}

/* ---- beginning and end ---------------------------------------------------------------------- */

static void deadline_fired(struct timer *timer);

static struct link *link_create(struct cluster *cluster, uint64_t token)
{
    struct link *link = HEAP_NEW(struct link);

    link->cluster = cluster;
    link->token = token;
    link->deadline.fire = deadline_fired;
    link->next = cluster->links;
    if (link->next != NULL)
        link->next->previous = link;
    cluster->links = link;
    return link;
}

static void lane_join(struct link *link, struct lane *lane)
{
    assert(link->lanes[lane->class] == NULL);
    link->lanes[lane->class] = lane;
    lane->link = link;
}

static void lanes_let_go(struct link *link, enum lane_end end)
{
    for (size_t i = 0; i < CLUSTER_CLASSES; i++) {
        struct lane *lane = link->lanes[i];

        if (lane == NULL)
            continue;
        lane->link = NULL;
        if (end == LANE_LAST_WORDS && link->state == LINK_UP)
            lane_add(lane, LINK_KIND_LEAVE, NULL, 0);
        lane_end(lane, end);
    }
}

static void link_free(struct link *link)
{
    struct cluster *cluster = link->cluster;

    timers_cancel(timers_of(link), &link->deadline);
    if (link->next != NULL)
        link->next->previous = link->previous;
    if (link->previous != NULL)
        link->previous->next = link->next;
    else
        cluster->links = link->next;
    greeting_free(&link->greeting);
    heap_give(link);
}

void link_close(struct link *link, const char *reason, enum lane_end end)
{
    struct cluster *cluster = link->cluster;
    struct peer *peer = link->state == LINK_UP ? link->peer : NULL;
    char label[128];

    if (peer != NULL)
        logger_info(cluster->logger, "%s - Router connection to \"%.*s\" closed: %s",
                    lane_label(link->lanes[CLUSTER_CONTROL], label), BYTES_ARG(peer->node.name),
                    reason);
    if (link->dial != NULL)
        link->dial->link = NULL;
    lanes_let_go(link, end);
    link_free(link);
    if (peer == NULL)
        return;
    peer->link = NULL;
    peer->node.up = false;
    peer->seen_ns = io_now(cluster->io);
    cluster_told_down(cluster, peer);
    dials_node_down(cluster, peer->node.id);
}

/* Before it was up. */
static void link_fail(struct link *link, const char *text)
{
    struct dial *dial = link->dial;
    char label[128];

    if (!link->ours)
        logger_debug(link->cluster->logger, "%s - Route was not made: %s",
                     lane_label(link->lanes[CLUSTER_CONTROL], label), text);
    link_close(link, text, LANE_NOW);
    if (dial != NULL)
        dial_failed(dial, text);
}

static void deadline_fired(struct timer *timer)
{
    struct link *link = owner_of(timer, struct link, deadline);

    link_fail(link, link->lanes[CLUSTER_CONTROL]->connected ? "it does not answer"
                                                            : "cannot connect: no answer");
}

void link_lane_lost(struct lane *lane, const char *reason)
{
    struct link *link = lane->link;

    if (link->state == LINK_UP)
        link_close(link, reason, LANE_NOW);
    else
        link_fail(link, reason);
}

struct link *link_dial(struct cluster *cluster, struct dial *dial)
{
    struct link *link = link_create(cluster, prng_next(&cluster->prng));
    struct lane *lane = lane_dial(cluster, dial->host, dial->port,
                                  lane_tls_name(cluster, dial->host), CLUSTER_CONTROL);

    link->dial = dial;
    link->ours = true;
    link->configured = dial->configured;
    link->state = LINK_GREETING;
    lane_join(link, lane);
    say_hello(lane, LINK_KIND_HELLO, link->token, dial);
    timers_arm(timers_of(link), &link->deadline,
               io_now(cluster->io) + CONNECT_NS + CLUSTER_HANDSHAKE_NS);
    return link;
}

/* ---- refusing ------------------------------------------------------------------------------- */

/* What is wrong, in one sentence for both sides' logs. */
static void describe(char text[DETAIL_MAX], const struct cluster *cluster, enum hello_reason reason,
                     const struct hello *theirs)
{
    const char *why = hello_reason_text(reason);

    switch (reason) {
    case HELLO_CLUSTER_NAME:
        snprintf(text, DETAIL_MAX, "%s: \"%s\" is in cluster \"%s\", \"%.*s\" in \"%.*s\"", why,
                 cluster->self.name.at, cluster->name, BYTES_ARG(theirs->server_name),
                 BYTES_ARG(theirs->cluster_name));
        break;
    case HELLO_DUPLICATE_NAME:
        snprintf(text, DETAIL_MAX, "%s: \"%.*s\" is the name of %.*s and of another server", why,
                 BYTES_ARG(theirs->server_name), BYTES_ARG(theirs->server_id));
        break;
    case HELLO_VERSION_UNKNOWN:
        snprintf(text, DETAIL_MAX, "%s: %u to %u, not %u to %u", why, theirs->version_min,
                 theirs->version, HELLO_VERSION_MIN, HELLO_VERSION);
        break;
    default: snprintf(text, DETAIL_MAX, "%s", why); break;
    }
}

static bool is_an_error(enum hello_reason reason)
{
    return reason != HELLO_SELF && reason != HELLO_LINKED && reason != HELLO_NO_LINK &&
           reason != HELLO_STOPPING;
}

/* Tells the peer of this lane why not, and ends the lane. */
static void refuse(struct lane *lane, enum hello_reason reason, const struct hello *theirs)
{
    uint8_t memory[HELLO_TEXT_MAX + 8];
    struct buf out = {.at = memory, .capacity = sizeof(memory), .limit = sizeof(memory)};
    char text[DETAIL_MAX], label[128];
    struct bytes body;

    describe(text, lane->cluster, reason, theirs);
    if (is_an_error(reason))
        logger_error(lane->cluster->logger, "%s - Route refused: %s", lane_label(lane, label),
                     text);
    refusal_encode(&out, reason, bytes_of_text(text));
    body = buf_bytes(&out);
    lane_add(lane, LINK_KIND_REFUSED, &body, 1);
    lane_end(lane, LANE_LAST_WORDS);
}

/* ---- which link stays ----------------------------------------------------------------------- */

static struct link *find_opening(const struct cluster *cluster, uint64_t node)
{
    for (struct link *l = cluster->links; l != NULL; l = l->next)
        if (l->ours && l->state == LINK_OPENING && l->greeting.hello.node == node)
            return l;
    return NULL;
}

/* A peer asks to open: see the top. */
static enum hello_reason open_judge(const struct link *link)
{
    struct cluster *cluster = link->cluster;
    const struct hello *theirs = &link->greeting.hello;
    const struct peer *peer = cluster_peer(cluster, theirs->node);
    bool ours_first = cluster->self.id < theirs->node;

    if (cluster->stopping)
        return HELLO_STOPPING;
    if (cluster_flaw(cluster, CLUSTER_FLAW_RIVALS_KEPT))
        return HELLO_FINE;
    if (peer != NULL && peer->link != NULL) {
        if (!bytes_equal(peer->node.server_id, theirs->server_id))
            return HELLO_DUPLICATE_NAME;
        return peer->link->ours && ours_first ? HELLO_LINKED : HELLO_FINE;
    }
    return ours_first && find_opening(cluster, theirs->node) != NULL ? HELLO_LINKED : HELLO_FINE;
}

/* We dialled and it answered: do we still want it? */
static enum hello_reason welcome_judge(const struct link *link, const struct hello *theirs)
{
    struct cluster *cluster = link->cluster;
    const struct peer *peer = cluster_peer(cluster, theirs->node);

    if (peer != NULL && peer->link != NULL)
        return bytes_equal(peer->node.server_id, theirs->server_id) ? HELLO_LINKED
                                                                    : HELLO_DUPLICATE_NAME;
    for (struct link *l = cluster->links; l != NULL; l = l->next)
        if (l != link && l->ours && l->state != LINK_GREETING && l->state != LINK_UP &&
            l->greeting.hello.node == theirs->node)
            return HELLO_LINKED;
    return HELLO_FINE;
}

/* Other attempts at the same node are given up. */
static void drop_rivals(struct link *link)
{
    uint64_t node = link->peer->node.id;
    struct link *l = link->cluster->links, *next;

    for (; l != NULL; l = next) {
        struct dial *dial = l->dial;

        next = l->next;
        if (l == link || !l->ours || l->state == LINK_GREETING || l->greeting.hello.node != node)
            continue;
        link_close(l, "linked already", LANE_NOW);
        if (dial != NULL)
            dial_reached(dial, node);
    }
}

/* ---- up ------------------------------------------------------------------------------------- */

static void peer_learn(struct peer *peer, struct link *link)
{
    struct cluster_node *node = &peer->node;
    const struct hello *hello;

    greeting_free(&peer->greeting);
    peer->greeting = link->greeting;
    link->greeting = (struct greeting){0};
    hello = &peer->greeting.hello;
    *node = (struct cluster_node){
        .id = hello->node,
        .incarnation = hello->incarnation,
        .features = hello->features,
        .name = hello->server_name,
        .server_id = hello->server_id,
        .host = hello->host,
        .port = hello->port,
        .jetstream = hello->jetstream,
        .up = true,
        .client_urls_count = hello->urls_count,
        .websocket_urls_count = hello->websocket_urls_count,
    };
    memcpy(node->client_urls, hello->urls, sizeof(hello->urls));
    memcpy(node->websocket_urls, hello->websocket_urls, sizeof(hello->websocket_urls));
    if (node->host.size == 0)
        node->host = bytes_of_text(link->lanes[CLUSTER_CONTROL]->peer.text);
}

static void lanes_settle(struct link *link)
{
    for (size_t i = 0; i < CLUSTER_CLASSES; i++) {
        lane_settled(link->lanes[i]);
        link->lanes[i]->body_max = FRAME_BODY_MAX;
        if (link->lanes[i]->holds > 0)
            lane_release(link->lanes[i]);
    }
}

static void link_up(struct link *link, struct peer *peer)
{
    struct cluster *cluster = link->cluster;
    char label[128];

    assert(peer->link == NULL);
    timers_cancel(timers_of(link), &link->deadline);
    link->peer = peer;
    link->state = LINK_UP;
    link->heard_ns = io_now(cluster->io);
    peer->link = link;
    peer->seen_ns = link->heard_ns;
    peer->complained = false;
    peer_learn(peer, link);
    lanes_settle(link);
    drop_rivals(link);
    logger_info(cluster->logger, "%s - Route connection created: \"%.*s\"",
                lane_label(link->lanes[CLUSTER_CONTROL], label), BYTES_ARG(peer->node.name));
    if (link->dial != NULL)
        dial_reached(link->dial, peer->node.id);
    dials_node_up(cluster, peer->node.id);
    cluster_told_up(cluster, peer);
    gossip_up(cluster, peer);
}

/* ---- the handshake: we dialled -------------------------------------------------------------- */

/* The peer is no good; it is told by the end of the connection. */
static void give_up(struct link *link, enum hello_reason reason, const struct hello *theirs)
{
    struct dial *dial = link->dial;
    char text[DETAIL_MAX];

    if (reason != HELLO_SELF && reason != HELLO_LINKED) {
        describe(text, link->cluster, reason, theirs);
        link_fail(link, text);
        return;
    }
    link_close(link, hello_reason_text(reason), LANE_NOW);
    if (dial != NULL && reason == HELLO_SELF)
        dial_is_self(dial);
    else if (dial != NULL)
        dial_reached(dial, theirs->node);
}

static void join_others(struct link *link)
{
    struct lane *first = link->lanes[CLUSTER_CONTROL];

    /* A name may stand for several servers: the others go where the first one went. */
    (void)io_sock_peer(link->cluster->io, first->sock, &first->peer);
    link->state = LINK_JOINING;
    for (uint8_t class = CLUSTER_CONTROL + 1; class < CLUSTER_CLASSES; class ++) {
        struct lane *lane =
            lane_dial(link->cluster, first->peer.text, first->peer.port, first->name, class);

        lane_join(link, lane);
        say_hello(lane, LINK_KIND_HELLO, link->token, link->dial);
    }
}

static void welcomed_first(struct link *link, struct bytes body, const struct hello *theirs)
{
    struct cluster *cluster = link->cluster;
    enum hello_reason reason = welcome_judge(link, theirs);
    struct hello ours;

    if (reason == HELLO_FINE && cluster_peer_take(cluster, theirs->node) == NULL)
        reason = HELLO_FULL;
    if (reason != HELLO_FINE) {
        give_up(link, reason, theirs);
        return;
    }
    cluster_hello(cluster, &ours);
    if (hello_adopts(&ours, theirs))
        cluster_adopt_name(cluster, theirs->cluster_name, theirs->cluster_name_dynamic);
    greeting_keep(&link->greeting, body);
    join_others(link);
}

/* The dialler hears OPENED on one connection and may be sent frames on the others before: those
 * wait. */
static void welcomed(struct lane *lane, struct bytes body)
{
    struct link *link = lane->link;
    enum hello_reason reason;
    struct hello ours, theirs;

    cluster_hello(link->cluster, &ours);
    if (!hello_decode(body, &theirs)) {
        link_fail(link, hello_reason_text(HELLO_MALFORMED));
        return;
    }
    reason = hello_judge(&ours, &theirs, NULL);
    if (reason != HELLO_FINE) {
        give_up(link, reason, &theirs);
        return;
    }
    if (link->state == LINK_GREETING) {
        link->welcomed = 1u << CLUSTER_CONTROL;
        welcomed_first(link, body, &theirs);
        return;
    }
    if (!bytes_equal(theirs.server_id, link->greeting.hello.server_id)) {
        link_fail(link, "its address leads to several servers");
        return;
    }
    if (!cluster_flaw(link->cluster, CLUSTER_FLAW_FRAMES_EARLY))
        lane_hold(lane);
    link->welcomed |= 1u << lane->class;
    if (link->welcomed != (1u << CLUSTER_CLASSES) - 1)
        return;
    link->state = LINK_OPENING;
    lane_add(link->lanes[CLUSTER_CONTROL], LINK_KIND_OPEN, NULL, 0);
}

static void refused(struct link *link, struct bytes body)
{
    struct dial *dial = link->dial;
    enum hello_reason reason;
    char text[DETAIL_MAX + 32];
    struct bytes why;

    if (!refusal_decode(body, &reason, &why)) {
        link_fail(link, hello_reason_text(HELLO_MALFORMED));
        return;
    }
    snprintf(text, sizeof(text), "it refused: %.*s", BYTES_ARG(why));
    if (is_an_error(reason)) {
        link_fail(link, text);
        return;
    }
    link_close(link, text, LANE_NOW);
    if (dial != NULL && reason == HELLO_SELF)
        dial_is_self(dial);
    else if (dial != NULL)
        dial_failed(dial, NULL);
}

static void opened(struct link *link)
{
    struct peer *peer = cluster_peer_take(link->cluster, link->greeting.hello.node);

    if (peer == NULL || peer->link != NULL)
        link_fail(link, hello_reason_text(peer == NULL ? HELLO_FULL : HELLO_LINKED));
    else
        link_up(link, peer);
}

static void our_handshake(struct lane *lane, const struct frame *frame)
{
    struct link *link = lane->link;
    bool first = lane->class == CLUSTER_CONTROL;

    if (frame->kind == LINK_KIND_REFUSED)
        refused(link, frame->body);
    else if (frame->kind == LINK_KIND_WELCOME && link->state != LINK_OPENING &&
             (link->welcomed >> lane->class & 1) == 0)
        welcomed(lane, frame->body);
    else if (frame->kind == LINK_KIND_OPENED && link->state == LINK_OPENING && first)
        opened(link);
    else
        link_fail(link, "a frame out of turn");
}

/* ---- the handshake: they dialled ------------------------------------------------------------ */

static struct link *find_joining(const struct cluster *cluster, const struct hello *theirs)
{
    for (struct link *l = cluster->links; l != NULL; l = l->next)
        if (!l->ours && l->state == LINK_JOINING && l->token == theirs->token &&
            l->lanes[theirs->class] == NULL &&
            bytes_equal(l->greeting.hello.server_id, theirs->server_id))
            return l;
    return NULL;
}

static enum hello_reason guest_judge(const struct cluster *cluster, const struct hello *theirs)
{
    const struct hello_guard guard = {cluster->options->user, cluster->options->password};
    const struct peer *peer = cluster_peer(cluster, theirs->node);
    enum hello_reason reason;
    struct hello ours;

    cluster_hello(cluster, &ours);
    reason = hello_judge(&ours, theirs, &guard);
    if (reason != HELLO_FINE)
        return reason;
    if (cluster->stopping)
        return HELLO_STOPPING;
    if (peer != NULL && peer->link != NULL && !bytes_equal(peer->node.server_id, theirs->server_id))
        return HELLO_DUPLICATE_NAME;
    return HELLO_FINE;
}

static enum hello_reason guest_join(struct lane *lane, const struct hello *theirs,
                                    struct bytes body)
{
    struct cluster *cluster = lane->cluster;
    struct hello ours;
    struct link *link;

    if (theirs->class >= CLUSTER_CLASSES)
        return HELLO_MALFORMED;
    if (theirs->class != CLUSTER_CONTROL) {
        link = find_joining(cluster, theirs);
        if (link == NULL)
            return HELLO_NO_LINK;
        lane->class = theirs->class;
        lane_join(link, lane);
        return HELLO_FINE;
    }
    if (cluster_peer_take(cluster, theirs->node) == NULL)
        return HELLO_FULL;
    cluster_hello(cluster, &ours);
    if (hello_adopts(&ours, theirs))
        cluster_adopt_name(cluster, theirs->cluster_name, theirs->cluster_name_dynamic);
    link = link_create(cluster, theirs->token);
    link->state = LINK_JOINING;
    greeting_keep(&link->greeting, body);
    lane_join(link, lane);
    return HELLO_FINE;
}

void link_guest(struct lane *lane, const struct frame *frame)
{
    enum hello_reason reason;
    struct hello theirs = {0};

    if (frame->kind != LINK_KIND_HELLO || !hello_decode(frame->body, &theirs)) {
        refuse(lane, HELLO_MALFORMED, &theirs);
        return;
    }
    reason = guest_judge(lane->cluster, &theirs);
    if (reason == HELLO_FINE)
        reason = guest_join(lane, &theirs, frame->body);
    if (reason != HELLO_FINE)
        refuse(lane, reason, &theirs);
    else
        say_hello(lane, LINK_KIND_WELCOME, theirs.token, NULL);
}

static bool all_joined(const struct link *link)
{
    for (size_t i = 0; i < CLUSTER_CLASSES; i++)
        if (link->lanes[i] == NULL)
            return false;
    return true;
}

static void open_asked(struct lane *lane)
{
    struct link *link = lane->link;
    enum hello_reason reason = open_judge(link);
    struct hello theirs = link->greeting.hello;
    struct peer *peer = cluster_peer_take(link->cluster, theirs.node);

    if (reason == HELLO_FINE && peer == NULL)
        reason = HELLO_FULL;
    if (reason != HELLO_FINE) {
        refuse(lane, reason, &theirs); /* before the link that `theirs` looks at is gone */
        link_close(link, hello_reason_text(reason), LANE_LAST_WORDS);
        return;
    }
    if (peer->link != NULL)
        link_close(peer->link, "its other side is gone: there is a new one", LANE_NOW);
    lane_add(lane, LINK_KIND_OPENED, NULL, 0);
    link_up(link, peer);
}

static void their_handshake(struct lane *lane, const struct frame *frame)
{
    if (frame->kind == LINK_KIND_OPEN && lane->class == CLUSTER_CONTROL && all_joined(lane->link))
        open_asked(lane);
    else
        link_fail(lane->link, "a frame out of turn");
}

/* ---- frames --------------------------------------------------------------------------------- */

static void ponged(struct link *link, struct bytes body)
{
    uint64_t now_ns = (uint64_t)io_now(link->cluster->io), sent_ns;
    struct decoder in;

    decoder_init(&in, body);
    sent_ns = decode_u64(&in);
    if (!in.failed && sent_ns <= now_ns)
        link->peer->node.rtt_ns = sent_ns < now_ns ? (int64_t)(now_ns - sent_ns) : 1;
}

static void own_frame(struct lane *lane, const struct frame *frame)
{
    struct link *link = lane->link;

    switch (frame->kind) {
    case LINK_KIND_PING:
        if (frame->body.size == sizeof(int64_t))
            lane_add(lane, LINK_KIND_PONG, &frame->body, 1);
        break;
    case LINK_KIND_PONG: ponged(link, frame->body); break;
    case LINK_KIND_PEERS:
        if (!gossip_take(link->cluster, frame->body))
            link_close(link, "gossip that cannot be read", LANE_NOW);
        break;
    case LINK_KIND_LEAVE:
        link->left |= 1u << lane->class;
        if (link->left == (1u << CLUSTER_CLASSES) - 1)
            link_close(link, "the peer left", LANE_NOW);
        break;
    default: break; /* of a later version */
    }
}

void link_frame(struct lane *lane, const struct frame *frame)
{
    struct link *link = lane->link;

    if (link->state != LINK_UP) {
        if (link->ours)
            our_handshake(lane, frame);
        else
            their_handshake(lane, frame);
    } else if (frame->kind < CLUSTER_KIND_FIRST) {
        own_frame(lane, frame);
    } else {
        cluster_dispatch(link->cluster, link->peer->node.id, frame);
    }
}

void link_beat(struct link *link)
{
    int64_t now_ns = io_now(link->cluster->io);
    struct bytes body = bytes_of(&now_ns, sizeof(now_ns));

    if (link->state != LINK_UP)
        return;
    if (now_ns - link->heard_ns > link->cluster->deadline_ns &&
        !cluster_flaw(link->cluster, CLUSTER_FLAW_SILENCE_UNNOTICED))
        link_close(link, "Stale Connection", LANE_NOW);
    else
        lane_add(link->lanes[CLUSTER_CONTROL], LINK_KIND_PING, &body, 1);
}
