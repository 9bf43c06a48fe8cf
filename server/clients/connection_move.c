#include "server/clients/connection_move.h"

#include "server/clients/connection_priv.h"
#include "server/shards/shard_load.h"

#define FOLLOW_REST_NS INT64_C(10000000000)

/* ---- letting go ----------------------------------------------------------------------------- */

/* One that has said who it is, and with which nobody is at work. */
static bool is_settled(const struct client *client)
{
    return client->state == CLIENT_OPEN && client->connected && !client->unproven &&
           client->proof == NULL && client->late.size == 0 && client->unchecked == 0 &&
           client->subs.count <= CONNECTION_MOVE_SUBS_MAX;
}

static bool may_move(const struct connection *c)
{
    return c->owner->mover != NULL && !c->moving && !c->closing && !c->gone && !c->stalled &&
           !c->leaving && !c->checking && (c->secure == SECURE_OFF || c->secure == SECURE_ON) &&
           is_settled(&c->client);
}

bool connection_part(struct connection *c, unsigned to)
{
    if (to == c->owner->shard || !may_move(c))
        return false;
    c->moving = true;
    c->move_to = (uint8_t)to;
    connection_let_go(c);
    return true;
}

void connection_let_go(struct connection *c)
{
    if (!c->moving || c->parting || c->paused || c->flight.size > 0)
        return;
    c->parting = true;
    io_sock_part(c->owner->io, c->sock);
}

void connection_parted(void *context, int64_t released)
{
    struct connection *c = context;
    struct connections *owner = c->owner;

    assert(c->moving && !c->parted && c->flight.size == 0);
    c->parted = true;
    c->sock = NULL;
    c->released = released;
    c->parted_next = NULL;
    if (owner->parted_last != NULL)
        owner->parted_last->parted_next = c;
    else
        owner->parted_first = c;
    owner->parted_last = c;
    owner->mover->parted(owner->mover->owner);
}

void connection_drop(struct connection *c)
{
    if (c->parted)
        io_sock_drop(c->owner->io, c->released);
}

/* ---- which ---------------------------------------------------------------------------------- */

static uint64_t done_by(const struct connection *c)
{
    return c->client.received.messages + c->client.sent.messages;
}

static uint64_t done_since(struct connection *c)
{
    uint64_t done = done_by(c);
    uint64_t since = done - c->done_before;

    c->done_before = done;
    return since;
}

static uint64_t look(struct connections *connections)
{
    uint64_t all = 0;

    for (struct connection *c = connections->all; c != NULL; c = c->next) {
        c->done = done_since(c);
        all += c->done;
    }
    return all;
}

void connections_look(struct connections *connections)
{
    (void)look(connections);
}

bool connections_have_to_give(const struct connections *connections)
{
    for (const struct connection *c = connections->all; c != NULL; c = c->next)
        if (done_by(c) > c->done_before && !client_streams(&c->client) && is_settled(&c->client))
            return true;
    return false;
}

void connections_give(struct connections *connections, unsigned to, unsigned share, unsigned most)
{
    uint64_t left = shard_gift_work(look(connections), share);

    for (struct connection *c = connections->all; c != NULL && most > 0; c = c->next) {
        if (c->done == 0 || c->done > left || client_streams(&c->client) || !connection_part(c, to))
            continue;
        left -= c->done;
        most--;
    }
}

void connections_give_any(struct connections *connections, unsigned to, uint64_t random)
{
    for (struct connection *c = connections->all; c != NULL; c = c->next) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
        if (random >> 63 != 0)
            (void)connection_part(c, to);
    }
}

/* One that uses streams of several shards is not to go from one to the other all the time. */
void connection_follow(struct connection *c)
{
    const struct connection_mover *mover = c->owner->mover;
    unsigned to = c->client.stream_shard;

    if (to == c->owner->shard || io_now(c->owner->io) < c->follow_ns || !may_move(c) ||
        !mover->follow(mover->owner, to))
        return;
    c->follow_ns = io_now(c->owner->io) + FOLLOW_REST_NS;
    (void)connection_part(c, to);
}

/* ---- going ---------------------------------------------------------------------------------- */

static void move_timer(struct timer *timer, struct io *from, struct io *to)
{
    int64_t due_ns = timer->deadline_ns;

    if (!timer_armed(timer))
        return;
    timers_cancel(io_timers(from), timer);
    timers_arm(io_timers(to), timer, due_ns);
}

static void move(struct connection *c, struct connections *to)
{
    struct connections *from = c->owner;

    logger_debug(from->clients.logger, "%s - Goes from shard %u to shard %u", c->client.label,
                 from->shard, to->shard);
    connection_unlist(c);
    client_move(&c->client, &to->clients);
    move_timer(&c->ping, from->io, to->io);
    move_timer(&c->auth, from->io, to->io);
    timers_cancel(io_timers(from->io), &c->deadline);
    c->owner = to;
    connection_list(c);
    connection_websocket_moved(c);
}

/* It may have ended meanwhile, or begun to say again who it is: then it stays. */
static void move_or_stay(struct connection *c, struct connections *to)
{
    assert(c->parted && !c->stalled && !c->paused);
    if (to != c->owner && !c->leaving && !c->checking && is_settled(&c->client))
        move(c, to);
    c->parted_next = c->owner->arriving;
    c->owner->arriving = c;
}

static struct connection *next_parted(struct connections *connections)
{
    struct connection *c = connections->parted_first;

    connections->parted_first = c->parted_next;
    if (connections->parted_first == NULL)
        connections->parted_last = NULL;
    return c;
}

bool connections_move(struct connections *connections, struct connections *const *all,
                      unsigned count, uint32_t *most)
{
    while (connections->parted_first != NULL && *most > 0) {
        struct connection *c = next_parted(connections);
        uint32_t work = (uint32_t)c->client.subs.count + 1; /* it counts without any, too */

        assert(c->move_to < count);
        move_or_stay(c, all[c->move_to]);
        *most -= work < *most ? work : *most;
    }
    return connections->parted_first == NULL;
}

void connections_arrive(struct connections *connections)
{
    struct connection *c;

    while ((c = connections->arriving) != NULL) {
        connections->arriving = c->parted_next;
        c->sock = io_sock_adopt(connections->io, c->released);
        c->parted = false;
        c->moving = c->parting = false;
        connection_start(c);
        client_mark(&c->client); /* it may have ended, or have something to say */
    }
}
