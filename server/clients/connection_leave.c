/*
 * Subscriptions of connections that have ended leave the router in parts: a client may have had a
 * million, and the others go on meanwhile. Nothing is delivered to them any more, as the client is
 * not open; the connection is freed when the last is gone. So do those of a client that says
 * CONNECT again, which is taken when the last is gone.
 */
#include "base/owner.h"
#include "server/clients/connection_priv.h"

/* In a turn CLIENT_LEAVE_PART of those that wait, and as many again of those that just ended. */

static void wait_add(struct connections *connections, struct connection *c)
{
    c->leaving = true;
    c->leaving_next = NULL;
    if (connections->leaving_last != NULL)
        connections->leaving_last->leaving_next = c;
    else
        connections->leaving_first = c;
    connections->leaving_last = c;
    if (!timer_armed(&connections->leave))
        timers_arm(io_timers(connections->io), &connections->leave, io_now(connections->io));
}

static void wait_end(struct connections *connections, struct connection *c)
{
    assert(connections->leaving_first == c);
    connections->leaving_first = c->leaving_next;
    if (connections->leaving_first == NULL)
        connections->leaving_last = NULL;
    c->leaving = false;
    if (c->gone)
        client_mark(&c->client); /* to be freed */
    else if (c->client.state == CLIENT_OPEN)
        client_left(&c->client, io_now(connections->io));
}

/* At the next turn: its time has been reached. */
static void leave_fired(struct timer *timer)
{
    struct connections *connections = owner_of(timer, struct connections, leave);
    uint32_t most = CLIENT_LEAVE_PART;
    struct connection *c;

    while ((c = connections->leaving_first) != NULL && client_leave_part(&c->client, &most))
        wait_end(connections, c);
    if (c != NULL)
        timers_arm(io_timers(connections->io), timer, io_now(connections->io));
}

void connections_leave_init(struct connections *connections)
{
    connections->leave.fire = leave_fired;
}

void connections_leave_turn(struct connections *connections)
{
    connections->leave_most = CLIENT_LEAVE_PART;
}

void connection_leave_first(struct connection *c)
{
    if (!c->leaving)
        wait_add(c->owner, c);
}

void connection_leave(struct connection *c)
{
    if (!c->leaving && !client_leave_part(&c->client, &c->owner->leave_most))
        wait_add(c->owner, c);
}
