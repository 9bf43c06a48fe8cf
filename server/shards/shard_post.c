#include "server/shards/shard_post.h"

#include "base/heap.h"
#include "server/clients/client_priv.h"
#include "server/router/message_trace.h"
#include "server/shards/shard_ask.h"

#define ALIGN       8u
#define BATCH_FIRST 4096u
#define BATCH_FULL  (56u << 10) /* pushed then; the allocator reuses memory of that size */
#define BATCH_ROOM  (64u << 10) /* what a batch begins with at most, by the one before */
#define SPARE_MOST  (2u * BATCH_ROOM)

enum item_kind { ITEM_MESSAGE, ITEM_NOBODY, ITEM_BEHIND, ITEM_CALL };

/* What every item in a batch begins with. */
struct item {
    uint32_t size; /* with what follows, and what aligns the next */
    uint32_t kind;
};

struct item_message {
    struct item item;
    struct account_family *family;
    struct message_trace *trace; /* a part, the item's; NULL: it is not traced */
    struct shard_ask *ask;       /* which it is to answer; NULL: none */
    uint64_t origin_id;          /* its publisher; 0: nobody who is told */
    uint8_t origin_shard;
    uint8_t hops;
    bool plain;
    bool alone;
    bool routed;
    bool sinks;
    bool only_sinks;
    bool forwarded;
    bool published;
    uint32_t queues; /* each a size and a name */
    uint32_t queues_size;
    uint32_t subject, route, reply, headers, payload; /* sizes, in the order of the texts */
};

/* To the shard of a publisher. */
struct item_return {
    struct item item;
    uint64_t origin_id;
    uint32_t subject, reply; /* of what nobody took */
};

struct item_call {
    struct item item;
    struct shard_call call;
    void *of;
};

/* ---- gathering ------------------------------------------------------------------------------ */

static struct mail *spare_take(struct shard_spares *spares)
{
    struct mail *mail;

    if (spares->mine == NULL)
        spares->mine = atomic_exchange(&spares->back, NULL);
    mail = spares->mine;
    if (mail == NULL)
        return NULL;
    spares->mine = mail->next;
    atomic_fetch_sub(&spares->count, 1);
    return mail;
}

/* On any thread. */
static void spare_give(struct shard_spares *spares, struct mail *mail)
{
    struct mail *before = atomic_load(&spares->back);

    if (mail->room > SPARE_MOST || atomic_load(&spares->count) >= SHARD_SPARES_MAX) {
        heap_give(mail);
        return;
    }
    atomic_fetch_add(&spares->count, 1);
    do
        mail->next = before;
    while (!atomic_compare_exchange_weak(&spares->back, &before, mail));
}

static void batch_begin(struct shard_post *post, struct buf *batch, size_t before)
{
    size_t room = before < BATCH_FIRST ? BATCH_FIRST : before < BATCH_ROOM ? before : BATCH_ROOM;
    struct mail *spare = spare_take(&post->spares);

    buf_init(batch, SIZE_MAX / 2);
    if (spare != NULL) {
        batch->at = (uint8_t *)spare;
        batch->capacity = spare->room;
    }
    (void)buf_reserve(batch, room); /* it has no limit that this could meet */
    memset(batch->at, 0, sizeof(struct mail));
    buf_commit(batch, sizeof(struct mail));
}

/* Not read before it is opened with the turn's other batches. */
static void push(struct shard_post *post, unsigned shard)
{
    struct shard_outgoing *to = &post->to[shard];
    struct mail *mail = (struct mail *)to->batch.at;

    if (mail == NULL || to->batch.size == sizeof(*mail))
        return;
    mail->size = to->batch.size - sizeof(*mail);
    mail->room = to->batch.capacity;
    to->pushed += mail->size;
    post->pushed |= UINT64_C(1) << shard;
    mailbox_push(&post->all->posts[shard]->inbox, &post->sender, mail);
    batch_begin(post, &to->batch, to->batch.size < BATCH_FULL ? to->batch.size : BATCH_ROOM);
}

/* Room for an item of that size. */
static void *item_add(struct shard_post *post, unsigned shard, uint32_t kind, size_t size)
{
    struct buf *batch = &post->to[shard].batch;
    size_t whole = (size + ALIGN - 1) / ALIGN * ALIGN;
    struct item *item;

    assert(shard != post->self);
    assert(whole <= UINT32_MAX);
    if (batch->at == NULL)
        batch_begin(post, batch, 0);
    else if (batch->size >= BATCH_FULL)
        push(post, shard);
    item = (struct item *)buf_reserve(batch, whole);
    buf_commit(batch, whole);
    item->size = (uint32_t)whole;
    item->kind = kind;
    return item;
}

static uint8_t *put(uint8_t *at, struct bytes b)
{
    if (b.size > 0)
        memcpy(at, b.at, b.size);
    return at + b.size;
}

static uint8_t *put_queues(uint8_t *at, const struct shard_delivery *delivery)
{
    for (size_t i = 0; i < delivery->queues_count; i++) {
        uint32_t size = (uint32_t)delivery->queues[i].size;

        at = put(at, bytes_of(&size, sizeof(size)));
        at = put(at, delivery->queues[i]);
    }
    return at;
}

static size_t queues_size(const struct shard_delivery *delivery)
{
    size_t size = 0;

    for (size_t i = 0; i < delivery->queues_count; i++)
        size += sizeof(uint32_t) + delivery->queues[i].size;
    return size;
}

/* A message that is passed on keeps its publisher. */
static void put_origin(const struct shard_post *post, struct item_message *item,
                       const struct client *origin)
{
    if (origin != NULL) {
        item->origin_id = origin->id;
        item->origin_shard = (uint8_t)post->self;
    } else {
        item->origin_id = post->crossing_id;
        item->origin_shard = (uint8_t)post->crossing_shard;
    }
}

static size_t on_its_way(const struct shard_post *post, unsigned shard)
{
    const struct shard_outgoing *to = &post->to[shard];

    return to->batch.size +
           mail_waiting(&post->all->posts[shard]->inbox, &post->sender, to->pushed);
}

static void deliver(void *owner, unsigned shard, struct account *account,
                    const struct message *message, const struct shard_delivery *delivery,
                    bool *waiting)
{
    struct shard_post *post = owner;
    size_t queues = queues_size(delivery);
    size_t size = sizeof(struct item_message) + queues + message->subject.size +
                  message->route.size + message->reply.size + message->headers.size +
                  message->payload.size;
    struct item_message *item = item_add(post, shard, ITEM_MESSAGE, size);
    uint8_t *at = (uint8_t *)(item + 1);

    item->family = account->family;
    item->trace = message->trace != NULL ? message_trace_part(message->trace) : NULL;
    item->ask = delivery->ask;
    put_origin(post, item, message->origin);
    item->hops = delivery->hops;
    item->plain = delivery->plain;
    item->alone = delivery->alone;
    item->routed = delivery->routed;
    item->sinks = delivery->sinks;
    item->only_sinks = delivery->only_sinks;
    item->forwarded = message->forwarded;
    item->published = message->published;
    item->queues = (uint32_t)delivery->queues_count;
    item->queues_size = (uint32_t)queues;
    item->subject = (uint32_t)message->subject.size;
    item->route = (uint32_t)message->route.size;
    item->reply = (uint32_t)message->reply.size;
    item->headers = (uint32_t)message->headers.size;
    item->payload = (uint32_t)message->payload.size;
    at = put_queues(at, delivery);
    at = put(at, message->subject);
    at = put(at, message->route);
    at = put(at, message->reply);
    at = put(at, message->headers);
    (void)put(at, message->payload);
    *waiting = on_its_way(post, shard) > SHARD_WAITING_MAX / post->all->count;
}

void shard_post_call(struct shard_post *post, unsigned shard, struct shard_call call, void *of)
{
    struct item_call *item = item_add(post, shard, ITEM_CALL, sizeof(*item));

    item->call = call;
    item->of = of;
}

/* ---- sending -------------------------------------------------------------------------------- */

void shard_post_flush(struct shard_post *post)
{
    uint64_t woken;

    post->behind_id = 0;
    for (unsigned i = 0; i < post->all->count; i++)
        push(post, i);
    woken = post->pushed;
    if (woken == 0)
        return;
    post->pushed = 0;
    mail_open(&post->sender);
    for (; woken != 0; woken &= woken - 1) {
        struct shard_post *other = post->all->posts[__builtin_ctzll(woken)];

        other->wake(other->owner);
    }
}

/* ---- nobody --------------------------------------------------------------------------------- */

static void return_nobody(struct shard_post *post, uint64_t id, unsigned shard,
                          const struct message *request)
{
    size_t size = sizeof(struct item_return) + request->subject.size + request->reply.size;
    struct item_return *item = item_add(post, shard, ITEM_NOBODY, size);
    uint8_t *at = (uint8_t *)(item + 1);

    item->origin_id = id;
    item->subject = (uint32_t)request->subject.size;
    item->reply = (uint32_t)request->reply.size;
    at = put(at, request->subject);
    (void)put(at, request->reply);
}

/* The publisher is of this shard itself when the message had gone to others first. */
static void tell_nobody(struct shard_post *post, uint64_t id, unsigned shard,
                        const struct message *request)
{
    struct client *client;

    if (shard != post->self) {
        return_nobody(post, id, shard, request);
        return;
    }
    client = post->find(post->owner, id);
    if (client != NULL)
        client_nobody(client, request);
}

static struct shard_ask *ask(void *owner, const struct client *client,
                             const struct message *request)
{
    const struct shard_post *post = owner;

    if (client != NULL)
        return shard_ask_create(client->id, post->self, request);
    if (post->crossing_id != 0)
        return shard_ask_create(post->crossing_id, post->crossing_shard, request);
    return NULL;
}

static void nobody(void *owner, struct shard_ask *ask)
{
    const struct message request = {.subject = ask->subject, .reply = ask->reply};

    tell_nobody(owner, ask->origin_id, ask->origin_shard, &request);
    shard_ask_free(ask);
}

/* ---- what came ------------------------------------------------------------------------------ */

static struct bytes text(const uint8_t **at, uint32_t size)
{
    struct bytes b = bytes_of(*at, size);

    *at += size;
    return b;
}

/* Once in a turn for the same one: what it published before it heard follows closely. */
static void return_behind(struct shard_post *post)
{
    struct item_return *item;

    if (post->behind_id == post->crossing_id && post->behind_shard == post->crossing_shard)
        return;
    post->behind_id = post->crossing_id;
    post->behind_shard = post->crossing_shard;
    item = item_add(post, post->crossing_shard, ITEM_BEHIND, sizeof(*item));
    item->origin_id = post->crossing_id;
}

static void cross(struct shard_post *post, struct account *account, const struct message *message,
                  const struct shard_delivery *delivery)
{
    size_t received;

    post->clients->behind = false;
    received = router_publish_crossed(post->router, account, message, delivery);
    if (post->crossing_id == 0)
        return;
    if (received == 0 && delivery->alone && message->reply.size > 0)
        tell_nobody(post, post->crossing_id, post->crossing_shard, message);
    if (post->clients->behind && post->crossing_shard != post->self)
        return_behind(post);
}

static struct bytes *queues_room(struct shard_post *post, uint32_t count)
{
    if (count > post->queues_capacity) {
        post->queues = heap_resize(post->queues, count * sizeof(*post->queues));
        post->queues_capacity = count;
    }
    return post->queues;
}

static void read_message(struct shard_post *post, const struct item_message *item)
{
    struct bytes *queues = queues_room(post, item->queues);
    const uint8_t *at = (const uint8_t *)(item + 1);
    const struct shard_delivery delivery = {
        .plain = item->plain,
        .alone = item->alone,
        .ask = item->ask,
        .hops = item->hops,
        .routed = item->routed,
        .sinks = item->sinks,
        .only_sinks = item->only_sinks,
        .queues = queues,
        .queues_count = item->queues,
    };
    struct message message = {
        .forwarded = item->forwarded,
        .published = item->published,
        .trace = item->trace,
    };

    for (uint32_t i = 0; i < item->queues; i++) {
        uint32_t size;

        memcpy(&size, at, sizeof(size));
        at += sizeof(size);
        queues[i] = text(&at, size);
    }
    message.subject = text(&at, item->subject);
    message.route = text(&at, item->route);
    message.reply = text(&at, item->reply);
    message.headers = text(&at, item->headers);
    message.payload = text(&at, item->payload);
    post->crossing_id = item->origin_id;
    post->crossing_shard = item->origin_shard;
    if (message.trace != NULL)
        message_trace_arrive(message.trace, post->router);
    cross(post, item->family->members[post->self], &message, &delivery);
    post->crossing_id = 0;
    message_trace_end(message.trace);
}

static void read_nobody(struct shard_post *post, const struct item_return *item)
{
    const uint8_t *at = (const uint8_t *)(item + 1);
    struct client *client = post->find(post->owner, item->origin_id);
    struct message request = {0};

    if (client == NULL)
        return;
    request.subject = text(&at, item->subject);
    request.reply = text(&at, item->reply);
    client_nobody(client, &request);
}

static void read_behind(struct shard_post *post, const struct item_return *item)
{
    struct client *client = post->find(post->owner, item->origin_id);

    if (client != NULL)
        clients_behind(post->clients, client, SIZE_MAX);
}

static void read_item(struct shard_post *post, const struct item *item)
{
    const struct item_call *call = (const struct item_call *)item;

    switch ((enum item_kind)item->kind) {
    case ITEM_MESSAGE: read_message(post, (const struct item_message *)item); break;
    case ITEM_NOBODY: read_nobody(post, (const struct item_return *)item); break;
    case ITEM_BEHIND: read_behind(post, (const struct item_return *)item); break;
    case ITEM_CALL: call->call.run(call->of); break;
    }
}

static void read_mail(struct shard_post *post, struct mail *mail)
{
    assert(!post->reading);
    post->reading = true;
    for (size_t at = 0; at < mail->size;) {
        const struct item *item = (const struct item *)(mail->at + at);

        at += item->size; /* before it is read: the call may be the shard's last */
        read_item(post, item);
    }
    post->reading = false;
    mailbox_keep(&post->inbox, mail);
    spare_give(&post->all->posts[mail->from->place]->spares, mail);
}

bool shard_post_read(struct shard_post *post)
{
    post->read_ahead = 0;
    for (unsigned i = 0; i < SHARD_MAILS_MAX; i++) {
        struct mail *mail = mailbox_take(&post->inbox);

        if (mail == NULL)
            return true;
        read_mail(post, mail);
    }
    return false;
}

static bool has_outgoing(const struct shard_post *post)
{
    bool any = post->pushed != 0;

    for (unsigned i = 0; i < post->all->count; i++)
        any = any || post->to[i].batch.size > sizeof(struct mail);
    return any;
}

bool shard_post_quiet(struct shard_post *post)
{
    return !mailbox_has_any(&post->inbox) && !has_outgoing(post);
}

bool shard_post_settle(struct shard_post *post)
{
    bool any = false;
    struct mail *mail;

    while ((mail = mailbox_take(&post->inbox)) != NULL) {
        read_mail(post, mail);
        any = true;
    }
    any = has_outgoing(post) || any;
    shard_post_flush(post);
    return any;
}

/* All that is there now: what this shard's clients do and are told next is behind it. What comes
 * meanwhile is left to the turns: others may send as fast as this shard reads, which then would
 * never come to send on what it has read. What another is still to send on is passed by: nobody
 * knows of it. A connection that a mail brought here has its input taken in the midst of that mail:
 * what is left of it has no place before that. */
static void catch_up(void *owner)
{
    struct shard_post *post = owner;
    struct mail *mail = NULL, *next;

    if (!post->reading && mailbox_has_any(&post->inbox))
        mail = mailbox_take_all(&post->inbox);
    for (; mail != NULL; mail = next) {
        next = mail->next;
        post->read_ahead += mail->size;
        read_mail(post, mail);
    }
    if (post->read_ahead > SHARD_AHEAD_MAX && post->enough != NULL)
        post->enough(post->owner); /* receivers are to get some of it before there is more */
    if (post->behind_id != 0)
        shard_post_flush(post); /* who sends too much hears of it now */
}

/* ---- life ----------------------------------------------------------------------------------- */

void shard_post_init(struct shard_post *post, struct shard_posts *all, unsigned self,
                     struct router *router, struct clients *clients)
{
    assert(self < all->count && all->count <= SHARDS_MAX);
    *post = (struct shard_post){
        .all = all,
        .self = self,
        .router = router,
        .clients = clients,
    };
    post->shards = (struct router_shards){
        .owner = post,
        .self = self,
        .count = all->count,
        .deliver = deliver,
        .ask = ask,
        .nobody = nobody,
    };
    mailbox_init(&post->inbox);
    mail_sender_init(&post->sender, self);
    clients->catch_up = catch_up;
    clients->catch_up_owner = post;
    all->posts[self] = post;
}

static void drop_message(const struct item_message *item)
{
    if (item->trace != NULL)
        message_trace_forget(item->trace);
    if (item->ask != NULL && shard_ask_answer(item->ask, false))
        shard_ask_free(item->ask);
}

static void drop_call(const struct item_call *item)
{
    item->call.drop(item->of);
}

/* Messages are lost as with a connection; what they and calls hold is given back. */
static void drop_items(const uint8_t *items, size_t size)
{
    for (size_t at = 0; at < size;) {
        const struct item *item = (const struct item *)(items + at);

        if (item->kind == ITEM_MESSAGE)
            drop_message((const struct item_message *)item);
        else if (item->kind == ITEM_CALL)
            drop_call((const struct item_call *)item);
        at += item->size;
    }
}

static void drop_batch(struct buf *batch)
{
    if (batch->size > sizeof(struct mail))
        drop_items(batch->at + sizeof(struct mail), batch->size - sizeof(struct mail));
    buf_deinit(batch);
}

static void drop_inbox(struct mailbox *inbox)
{
    struct mail *mail;

    while ((mail = mailbox_take(inbox)) != NULL) {
        drop_items(mail->at, mail->size);
        mailbox_done(inbox, mail);
    }
}

static void drop_spares(struct shard_spares *spares)
{
    struct mail *mail;

    while ((mail = spare_take(spares)) != NULL)
        heap_give(mail);
}

void shard_post_deinit(struct shard_post *post)
{
    post->clients->catch_up = NULL;
    for (unsigned i = 0; i < SHARDS_MAX; i++)
        drop_batch(&post->to[i].batch);
    drop_inbox(&post->inbox);
    drop_spares(&post->spares);
    heap_give(post->queues);
    mailbox_deinit(&post->inbox);
}
