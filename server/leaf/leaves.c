/* All connections between leaves and hubs. */
#include "server/leaf/leaves.h"

#include <stdio.h>

#include "base/heap.h"
#include "server/clients/callout_desk.h"
#include "server/cluster/core_shards.h"
#include "server/leaf/leaf_priv.h"
#include "server/websocket/deflate.h"

#define ARENA_MAX (4u << 20)

/* ---- for the router ------------------------------------------------------------------------- */

static struct leaf *leaf_of(const struct leaf_peer *peer)
{
    return peer->owner;
}

static size_t size_of(const struct leaf *leaf, const struct message *message)
{
    return (leaf->headers ? message->headers.size : 0) + message->payload.size;
}

static bool takes(void *owner, const struct leaf_peer *peer, const struct message *message)
{
    const struct leaf *leaf = leaf_of(peer);

    (void)owner;
    return leaf->state == LEAF_UP && leaf_rules_send(&leaf->rules, message_sent_to(message));
}

void leaf_slow(struct leaf *leaf)
{
    struct leaves *leaves = leaf->leaves;

    leaves->stats.slow_consumers++;
    logger_warn(leaves->setup.logger, "%s - Slow Consumer Detected: MaxPending of %lld Exceeded",
                leaf->label, (long long)leaves->setup.options->max_pending);
    leaf_close(leaf, LEAF_AT_ONCE, "Slow Consumer (Pending Bytes)");
}

static void count(struct leaf *leaf, size_t size)
{
    leaf->out_messages++;
    leaf->out_bytes += size;
    leaf->leaves->stats.out_messages++;
    leaf->leaves->stats.out_bytes += size;
    traffic_add(&leaf->account->account->sent, size);
}

/* A consumer's delivery shows another subject than it is sent to: behind the one for its ack. */
static struct bytes reply_of(struct leaves *leaves, const struct message *message)
{
    if (message->route.size == 0 || !bytes_starts(message->reply, BYTES("$JS.ACK.")))
        return message->reply;
    buf_clear(&leaves->reply);
    (void)buf_add(&leaves->reply, message->reply);
    (void)buf_add_byte(&leaves->reply, '@');
    (void)buf_add(&leaves->reply, message->subject);
    return buf_bytes(&leaves->reply);
}

static size_t deliver(void *owner, struct leaf_peer *peer, const struct message *message,
                      const struct bytes *queues, size_t queues_count)
{
    struct leaves *leaves = owner;
    struct leaf *leaf = leaf_of(peer);
    size_t size = size_of(leaf, message);

    if (leaf->state != LEAF_UP)
        return 0;
    leaf_interest_settle(leaves); /* it may answer to what is asked for just now */
    if (leaf_queued(leaf) + size > leaves->setup.clients->pending_most) {
        leaf_slow(leaf);
        return 0;
    }
    leaf_write_message(&leaf->out, message_sent_to(message), reply_of(leaves, message), queues,
                       queues_count, leaf->headers ? message->headers.size : 0, size);
    if (leaf->headers)
        (void)buf_add(&leaf->out, message->headers);
    (void)buf_add(&leaf->out, message->payload);
    (void)BUF_ADD(&leaf->out, "\r\n");
    leaf_mark(leaf);
    count(leaf, size);
    return leaf_queued(leaf);
}

/* ---- the address ---------------------------------------------------------------------------- */

static bool is_any(const char *host)
{
    return host[0] == 0 || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
}

static void add_interface(void *context, const char *text)
{
    struct leaves *leaves = context;

    if (leaves->urls.count == 0)
        urls_add_address(&leaves->urls, text, leaves->port);
}

static void set_address(struct leaves *leaves)
{
    const struct leaf_options *options = leaves->options;
    const char *host = options->host[0] != 0 ? options->host : "0.0.0.0";
    const char *advertise = options->advertise;

    snprintf(leaves->host, sizeof(leaves->host), "%s", host);
    if (advertise != NULL && advertise[0] != 0) {
        urls_add(&leaves->urls, bytes_of_text(advertise));
        logger_info(leaves->setup.logger, "Advertise address for leafnode is set to %s", advertise);
    } else if (is_any(host)) {
        io_addresses(leaves->setup.io, add_interface, leaves);
    } else {
        urls_add_address(&leaves->urls, host, leaves->port);
    }
}

/* ---- life ----------------------------------------------------------------------------------- */

struct leaves *leaves_create(const struct leaves_setup *setup)
{
    const struct leaf_options *options = &setup->options->leaf;
    struct leaves *leaves;

    if (options->port == 0 && options->remotes_count == 0)
        return NULL;
    leaves = HEAP_NEW(struct leaves);
    leaves->setup = *setup;
    leaves->options = options;
    prng_seed(&leaves->prng, setup->seed);
    leaves->seed = prng_next(&leaves->prng);
    arena_init(&leaves->arena, ARENA_MAX);
    arena_init(&leaves->making, ARENA_MAX);
    buf_init(&leaves->noted, SIZE_MAX / 2);
    buf_init(&leaves->key, SIZE_MAX / 2);
    buf_init(&leaves->subject, SIZE_MAX / 2);
    buf_init(&leaves->reply, SIZE_MAX / 2);
    leaves->router = (struct router_leaves){
        .owner = leaves,
        .takes = takes,
        .deliver = deliver,
        .changed = leaf_interest_changed,
    };
    router_set_leaves(setup->router, &leaves->router);
    remotes_create(leaves);
    return leaves;
}

static void drop(struct leaf *leaf)
{
    leaf->dirty = false;
    leaf->remote = NULL;
    leaf->state = LEAF_CLOSED;
    (void)leaf_down(leaf);
    leaf_free(leaf);
}

void leaves_destroy(struct leaves *leaves)
{
    struct leaf_account *account;

    if (leaves == NULL)
        return;
    leaves->ending = true;
    while (leaves->all != NULL)
        drop(leaves->all);
    router_set_leaves(leaves->setup.router, NULL);
    callout_desk_destroy(leaves->callouts);
    remotes_destroy(leaves);
    while ((account = leaves->accounts) != NULL) {
        leaves->accounts = account->next;
        leaf_account_free(account);
    }
    deflater_destroy(leaves->deflater);
    urls_clear(&leaves->urls);
    match_deinit(&leaves->scratch);
    arena_deinit(&leaves->arena);
    arena_deinit(&leaves->making);
    buf_deinit(&leaves->noted);
    buf_deinit(&leaves->key);
    buf_deinit(&leaves->subject);
    buf_deinit(&leaves->reply);
    heap_give(leaves->queues);
    heap_give(leaves);
}

void leaves_start(struct leaves *leaves, uint16_t port)
{
    if (leaves == NULL)
        return;
    leaves->port = port;
    if (port != 0)
        set_address(leaves);
    remotes_start(leaves);
}

void leaves_accept(struct leaves *leaves, struct io_sock *sock, const struct io_address *peer)
{
    (void)leaf_accept(leaves, sock, peer);
}

bool leaves_visit(struct leaves *leaves, const struct leaf_visitor *visitor)
{
    return leaves->options->port != 0 && leaf_visit(leaves, visitor) != NULL;
}

void leaves_end(struct leaves *leaves)
{
    if (leaves == NULL)
        return;
    leaves->ending = true;
    remotes_stop(leaves);
    for (struct leaf *leaf = leaves->all; leaf != NULL; leaf = leaf->next)
        leaf_close(leaf,
                   leaf_queued(leaf) > 0 && leaf->state == LEAF_UP ? LEAF_LAST_WORDS : LEAF_AT_ONCE,
                   "Server Shutdown");
}

bool leaves_ended(const struct leaves *leaves)
{
    return leaves == NULL || leaves->count == 0;
}

void leaves_flush(struct leaves *leaves)
{
    struct leaf *leaf;

    if (leaves == NULL)
        return;
    leaf_interest_settle(leaves);
    while ((leaf = leaves->dirty) != NULL) {
        leaves->dirty = leaf->dirty_next;
        leaf->dirty = false;
        leaf_flush(leaf);
        if (leaf->sock == NULL && !leaf->dirty)
            leaf_free(leaf);
        leaf_interest_settle(leaves); /* what ended is told to the others */
    }
}

/* ---- changes -------------------------------------------------------------------------------- */

void leaves_auth_changed(struct leaves *leaves)
{
    const struct leaf_options *options;

    if (leaves == NULL)
        return;
    options = leaves->options;
    if (options->user.size + options->nkey.size + options->users_count > 0)
        return; /* which are not of what has changed */
    for (struct leaf *leaf = leaves->all; leaf != NULL; leaf = leaf->next)
        if (!leaf->dialled && leaf->state < LEAF_ENDING &&
            (leaf->signed_in || leaves->setup.auth->required))
            leaf_close(leaf, LEAF_LAST_WORDS, "Credentials Revoked");
}

void leaves_accounts_changed(struct leaves *leaves)
{
    if (leaves == NULL)
        return;
    for (struct leaf_account *account = leaves->accounts; account != NULL; account = account->next)
        leaf_account_offers(leaves, account);
    for (struct leaf *leaf = leaves->all; leaf != NULL; leaf = leaf->next) {
        leaf_look_again(leaf);
        leaf_ask_again(leaf);
    }
}

void leaves_add_shard(struct leaves *leaves, struct core_news *news)
{
    assert(leaves->news_count < SHARDS_MAX);
    leaves->news[leaves->news_count++] = news;
}

void leaves_forget_shards(struct leaves *leaves)
{
    leaves->news_count = 0;
}

/* ---- monitoring ----------------------------------------------------------------------------- */

void leaves_stats(const struct leaves *leaves, struct leaves_stats *stats)
{
    *stats = leaves != NULL ? leaves->stats : (struct leaves_stats){0};
}

bool leaves_next(const struct leaves *leaves, const void **at, struct leaf_row *row)
{
    const struct leaf *leaf = *at;

    if (leaves == NULL)
        return false;
    leaf = leaf != NULL ? leaf->next : leaves->all;
    while (leaf != NULL && leaf->state != LEAF_UP)
        leaf = leaf->next;
    *at = leaf;
    if (leaf == NULL)
        return false;
    *row = (struct leaf_row){
        .id = leaf->id,
        .account = leaf->account->account,
        .name = bytes_of_text(leaf->name),
        .peer = &leaf->address,
        .hub = leaf->peer.hub,
        .dialled = leaf->dialled,
        .isolated = leaf->isolated,
        .rtt_ns = leaf->rtt_ns,
        .in_messages = leaf->in_messages,
        .in_bytes = leaf->in_bytes,
        .out_messages = leaf->out_messages,
        .out_bytes = leaf->out_bytes,
        .subscriptions = leaf->heard.count,
        .of = leaf,
    };
    return true;
}

void leaf_row_walk(const struct leaf_row *row,
                   void (*interest)(void *context, struct bytes subject, struct bytes queue),
                   void *context)
{
    const struct leaf *leaf = row->of;
    const struct leaf_heard *heard;

    for (size_t at = 0; (heard = table_next(&leaf->heard, &at)) != NULL;)
        interest(context, sub_subject(&heard->sub.sub), sub_queue(&heard->sub.sub));
}
