/*
 * What a client may has changed: its subscriptions are looked at anew in parts, as it may have a
 * million of them.
 */
#include "base/owner.h"
#include "server/clients/connection_priv.h"

/* In a turn CLIENT_CHECK_PART of those that wait, and as many again of those that come. */

static void wait_add(struct connections *connections, struct connection *c)
{
    c->checking = true;
    c->checking_next = NULL;
    if (connections->checking_last != NULL)
        connections->checking_last->checking_next = c;
    else
        connections->checking_first = c;
    connections->checking_last = c;
    if (!timer_armed(&connections->check))
        timers_arm(io_timers(connections->io), &connections->check, io_now(connections->io));
}

static void wait_end(struct connections *connections, struct connection *c)
{
    assert(connections->checking_first == c);
    connections->checking_first = c->checking_next;
    if (connections->checking_first == NULL)
        connections->checking_last = NULL;
    c->checking = false;
    if (c->gone)
        client_mark(&c->client); /* to be freed */
}

/* At the next turn: its time has been reached. */
static void check_fired(struct timer *timer)
{
    struct connections *connections = owner_of(timer, struct connections, check);
    uint32_t most = CLIENT_CHECK_PART;
    struct connection *c;

    while ((c = connections->checking_first) != NULL && client_check_part(&c->client, &most))
        wait_end(connections, c);
    if (c != NULL)
        timers_arm(io_timers(connections->io), timer, io_now(connections->io));
}

void connections_check_init(struct connections *connections)
{
    connections->check.fire = check_fired;
}

void connections_check_turn(struct connections *connections)
{
    connections->check_most = CLIENT_CHECK_PART;
}

void connection_check(struct connection *c)
{
    if (!c->checking && !client_check_part(&c->client, &c->owner->check_most))
        wait_add(c->owner, c);
}
