#include "raft/relay.h"

#include <string.h>

#include "base/heap.h"

#define ALIGN       8u
#define BATCH_FIRST 4096u
#define BATCH_KEPT  (64u << 10) /* what a batch begins with at most, by the one before */

enum item_kind { ITEM_FRAME, ITEM_UP, ITEM_DOWN, ITEM_WANT };

struct item {
    uint64_t size; /* of what follows, without what aligns the next */
    uint64_t id;   /* of the node; WANT: of the group */
    uint32_t life;
    uint16_t place;
    uint8_t kind;
    uint8_t class;
};

static size_t aligned(size_t size)
{
    return (size + ALIGN - 1) / ALIGN * ALIGN;
}

/* ---- one direction -------------------------------------------------------------------------- */

static void way_init(struct relay_way *way)
{
    mailbox_init(&way->box);
    mail_sender_init(&way->sender, 0);
}

static void way_deinit(struct relay_way *way)
{
    mailbox_deinit(&way->box);
    buf_deinit(&way->batch);
}

static void batch_begin(struct relay_way *way, size_t before)
{
    size_t room = before < BATCH_FIRST ? BATCH_FIRST : before < BATCH_KEPT ? before : BATCH_KEPT;

    buf_init(&way->batch, SIZE_MAX / 2);
    (void)buf_reserve(&way->batch, room); /* it has no limit that this could meet */
    memset(way->batch.at, 0, sizeof(struct mail));
    buf_commit(&way->batch, sizeof(struct mail));
}

static void way_add(struct relay_way *way, struct item item, const struct bytes *pieces,
                    size_t count)
{
    size_t whole = sizeof item + aligned(item.size);
    uint8_t *at;

    if (way->batch.at == NULL)
        batch_begin(way, 0);
    at = buf_reserve(&way->batch, whole);
    memcpy(at, &item, sizeof item);
    at += sizeof item;
    for (size_t i = 0; i < count; i++) {
        if (pieces[i].size > 0)
            memcpy(at, pieces[i].at, pieces[i].size);
        at += pieces[i].size;
    }
    buf_commit(&way->batch, whole);
}

static bool way_push(struct relay_way *way)
{
    struct mail *mail = (struct mail *)way->batch.at;
    size_t size = way->batch.size;

    if (mail == NULL || size == sizeof *mail)
        return false;
    mail->size = size - sizeof *mail;
    mail->room = way->batch.capacity;
    mailbox_push(&way->box, &way->sender, mail);
    mail_open(&way->sender);
    batch_begin(way, size);
    return true;
}

static struct bytes next_item(const struct mail *mail, size_t *at, struct item *item)
{
    struct bytes content;

    memcpy(item, mail->at + *at, sizeof *item);
    content = bytes_of(mail->at + *at + sizeof *item, item->size);
    *at += sizeof *item + aligned(item->size);
    return content;
}

/* ---- the groups' side ----------------------------------------------------------------------- */

static struct relay_node *known_to_groups(struct relay *relay, uint64_t node)
{
    for (unsigned i = 0; i < RELAY_NODES_MAX; i++) {
        struct relay_node *at = &relay->nodes[i];

        if (at->groups.node == node)
            return at->groups.up ? at : NULL;
    }
    return NULL;
}

/* Others use the link, too; but a frame that is alone may be as large as on a link that is not
 * shared, or it would never leave. */
static size_t room(void *owner, uint64_t node)
{
    const struct relay *relay = owner;
    const struct relay_node *at = known_to_groups(owner, node);
    uint64_t ahead = at != NULL ? at->groups.data - atomic_load(&at->data_taken) : 0;
    uint64_t all = at != NULL ? atomic_load(&at->room) : 0;
    uint64_t part = all / relay->users;

    if (ahead == 0)
        return all;
    return part > ahead ? part - ahead : 0;
}

static size_t waiting(void *owner, uint64_t node)
{
    const struct relay_node *at = known_to_groups(owner, node);
    uint64_t ahead = at != NULL ? at->groups.control - atomic_load(&at->control_taken) : 0;

    if (at == NULL)
        return 0;
    return atomic_load(&at->waiting) + (ahead > RELAY_AHEAD ? ahead : 0);
}

static bool send(void *owner, uint64_t node, enum transport_class class, const struct bytes *pieces,
                 size_t count)
{
    struct relay *relay = owner;
    struct relay_node *at = known_to_groups(relay, node);
    struct item item = {.id = node, .kind = ITEM_FRAME, .class = (uint8_t) class};

    for (size_t i = 0; i < count; i++)
        item.size += pieces[i].size;
    if (at == NULL || (class == TRANSPORT_DATA && item.size > room(owner, node)))
        return false;
    item.life = at->groups.life;
    item.place = (uint16_t)(at - relay->nodes);
    if (class == TRANSPORT_DATA)
        at->groups.data += item.size;
    else
        at->groups.control += item.size;
    way_add(&relay->out, item, pieces, count);
    return true;
}

static void deliver(struct relay *relay, struct groups *groups, const struct item *item,
                    struct bytes content)
{
    struct relay_node *at = &relay->nodes[item->place];

    switch ((enum item_kind)item->kind) {
    case ITEM_FRAME: groups_received(groups, item->id, content); break;
    case ITEM_WANT: groups_want(groups, item->id); break;
    case ITEM_UP:
    case ITEM_DOWN:
        at->groups.node = item->id;
        at->groups.life = item->life;
        at->groups.up = item->kind == ITEM_UP;
        groups_node(groups, item->id, at->groups.up);
        break;
    }
}

void relay_deliver(struct relay *relay, struct groups *groups)
{
    struct mail *mail;

    while ((mail = mailbox_take(&relay->in.box)) != NULL) {
        for (size_t at = 0; at < mail->size;) {
            struct item item;
            struct bytes content = next_item(mail, &at, &item);

            deliver(relay, groups, &item, content);
        }
        mailbox_done(&relay->in.box, mail);
    }
}

bool relay_hand(struct relay *relay)
{
    return way_push(&relay->out);
}

/* ---- the links' side ------------------------------------------------------------------------ */

/* NULL: too many nodes; their frames are lost. */
static struct relay_node *place_of(struct relay *relay, uint64_t node)
{
    for (unsigned i = 0; i < RELAY_NODES_MAX; i++) {
        struct relay_node *at = &relay->nodes[i];

        if (at->node == 0)
            at->node = node;
        if (at->node == node)
            return at;
    }
    return NULL;
}

static void measure(struct relay *relay, struct relay_node *at)
{
    const struct transport *links = relay->links;

    atomic_store(&at->room, links->room(links->owner, at->node));
    atomic_store(&at->waiting, links->waiting != NULL ? links->waiting(links->owner, at->node) : 0);
}

void relay_node(struct relay *relay, uint64_t node, bool up)
{
    struct relay_node *at = place_of(relay, node);
    struct item item = {.id = node, .kind = up ? ITEM_UP : ITEM_DOWN};

    if (at == NULL)
        return;
    at->life++;
    at->up = up;
    measure(relay, at);
    item.life = at->life;
    item.place = (uint16_t)(at - relay->nodes);
    way_add(&relay->in, item, NULL, 0);
}

void relay_want(struct relay *relay, uint64_t group)
{
    way_add(&relay->in, (struct item){.id = group, .kind = ITEM_WANT}, NULL, 0);
}

void relay_received(struct relay *relay, uint64_t node, struct bytes frame)
{
    const struct item item = {.id = node, .kind = ITEM_FRAME, .size = frame.size};

    way_add(&relay->in, item, &frame, 1);
}

bool relay_pass(struct relay *relay)
{
    return way_push(&relay->in);
}

static void send_on(struct relay *relay, const struct item *item, struct bytes frame)
{
    const struct transport *links = relay->links;
    struct relay_node *at = &relay->nodes[item->place];

    if (item->class == TRANSPORT_DATA)
        atomic_fetch_add(&at->data_taken, frame.size);
    else
        atomic_fetch_add(&at->control_taken, frame.size);
    if (at->up && at->life == item->life)
        (void)links->send(links->owner, item->id, (enum transport_class)item->class, &frame, 1);
}

void relay_send(struct relay *relay)
{
    struct mail *mail;

    while ((mail = mailbox_take(&relay->out.box)) != NULL) {
        for (size_t at = 0; at < mail->size;) {
            struct item item;
            struct bytes frame = next_item(mail, &at, &item);

            send_on(relay, &item, frame);
        }
        mailbox_done(&relay->out.box, mail);
    }
    for (unsigned i = 0; i < RELAY_NODES_MAX && relay->nodes[i].node != 0; i++) {
        if (relay->nodes[i].up)
            measure(relay, &relay->nodes[i]);
    }
}

/* ---- life ----------------------------------------------------------------------------------- */

void relay_init(struct relay *relay, const struct transport *links, unsigned users)
{
    memset(relay, 0, sizeof *relay);
    relay->links = links;
    relay->users = users;
    relay->transport = (struct transport){
        .owner = relay,
        .send = send,
        .room = room,
        .waiting = waiting,
    };
    way_init(&relay->in);
    way_init(&relay->out);
}

void relay_deinit(struct relay *relay)
{
    way_deinit(&relay->in);
    way_deinit(&relay->out);
}
