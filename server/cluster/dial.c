/*
 * Whom we call, and when. A configured route is dialled until it leads to a node that is linked,
 * and again when that link is gone, for ever; one learnt by gossip as often as options say, and
 * again when gossip brings it up again.
 *
 * A first retry comes fast, so that a cluster whose nodes start together is together within a
 * second; then the pause doubles. Jitter keeps nodes that lost each other at the same time apart.
 */
#include <stdio.h>

#include "base/heap.h"
#include "base/owner.h"
#include "server/cluster/cluster_priv.h"

#define PAUSE_FIRST_NS (100 * MILLISECOND_NS)
#define PAUSE_MAX_NS   (30 * SECOND_NS)
#define DOUBLINGS_MAX  16u

static void retry_fired(struct timer *timer);

/* ---- the list ------------------------------------------------------------------------------- */

static struct dial *dial_create(struct cluster *cluster, struct bytes host, uint16_t port)
{
    struct dial *dial = HEAP_NEW(struct dial);

    dial->cluster = cluster;
    dial->host = heap_text(host);
    dial->port = port;
    dial->retry.fire = retry_fired;
    dial->next = cluster->dials;
    cluster->dials = dial;
    return dial;
}

static void dial_free(struct dial *dial)
{
    timers_cancel(io_timers(dial->cluster->io), &dial->retry);
    if (dial->link != NULL)
        dial->link->dial = NULL;
    heap_give(dial->host);
    heap_give(dial->user);
    heap_give(dial->password);
    heap_give(dial->complaint);
    heap_give(dial);
}

static void dial_remove(struct dial *dial)
{
    struct dial **at = &dial->cluster->dials;

    while (*at != dial)
        at = &(*at)->next;
    *at = dial->next;
    dial_free(dial);
}

void dials_free(struct cluster *cluster)
{
    while (cluster->dials != NULL)
        dial_remove(cluster->dials);
}

void dials_init(struct cluster *cluster)
{
    const struct cluster_options *options = cluster->options;

    for (size_t i = 0; i < options->routes_count; i++) {
        const struct cluster_route *route = &options->routes[i];
        struct dial *dial = dial_create(cluster, bytes_of_text(route->host), (uint16_t)route->port);

        dial->configured = true;
        if (route->user != NULL)
            dial->user = heap_text(bytes_of_text(route->user));
        if (route->password != NULL)
            dial->password = heap_text(bytes_of_text(route->password));
    }
}

/* A route that names nobody is let in as whom we ourselves let in. */
void dial_credentials(const struct dial *dial, struct hello *hello)
{
    const struct cluster_options *options = dial->cluster->options;
    const char *user = dial->user != NULL ? dial->user : options->user;
    const char *password = dial->user != NULL ? dial->password : options->password;

    hello->user = bytes_of_text(user != NULL ? user : "");
    hello->password = bytes_of_text(password != NULL ? password : "");
}

/* ---- when ----------------------------------------------------------------------------------- */

static void dial_arm(struct dial *dial, int64_t pause_ns)
{
    struct cluster *cluster = dial->cluster;
    int64_t jitter_ns = (int64_t)prng_below(&cluster->prng, (uint64_t)pause_ns / 2 + 1);

    if (!cluster->stopping)
        timers_arm(io_timers(cluster->io), &dial->retry,
                   io_now(cluster->io) + pause_ns / 4 * 3 + jitter_ns);
}

static int64_t pause_after(unsigned attempts)
{
    int64_t pause_ns = PAUSE_FIRST_NS << (attempts < DOUBLINGS_MAX ? attempts : DOUBLINGS_MAX);

    return pause_ns < PAUSE_MAX_NS ? pause_ns : PAUSE_MAX_NS;
}

static bool node_is_up(const struct dial *dial)
{
    const struct peer *peer = dial->node != 0 ? cluster_peer(dial->cluster, dial->node) : NULL;

    return peer != NULL && peer->link != NULL;
}

static void dial_now(struct dial *dial)
{
    if (dial->link == NULL && !dial->self && !dial->cluster->stopping && !node_is_up(dial))
        dial->link = link_dial(dial->cluster, dial);
}

static void retry_fired(struct timer *timer)
{
    dial_now(owner_of(timer, struct dial, retry));
}

void dials_begin(struct cluster *cluster)
{
    for (struct dial *dial = cluster->dials; dial != NULL; dial = dial->next)
        dial_now(dial);
}

void dials_stop(struct cluster *cluster)
{
    for (struct dial *dial = cluster->dials; dial != NULL; dial = dial->next)
        timers_cancel(io_timers(cluster->io), &dial->retry);
}

/* ---- what came of it ------------------------------------------------------------------------ */

static void complaint_set(struct dial *dial, const char *text)
{
    heap_give(dial->complaint);
    dial->complaint = text != NULL ? heap_text(bytes_of_text(text)) : NULL;
}

/* When there is no link to it after all, the attempt did not count as failed, nor as done. */
void dial_reached(struct dial *dial, uint64_t node)
{
    dial->answered = true;
    dial->node = node;
    dial->link = NULL;
    complaint_set(dial, NULL);
    if (node_is_up(dial))
        dial->attempts = 0;
    else
        dial_arm(dial, pause_after(dial->attempts++));
}

void dial_is_self(struct dial *dial)
{
    dial->answered = true;
    dial->self = true;
    dial->link = NULL;
    logger_debug(dial->cluster->logger, "Route to %s:%u leads to this server itself", dial->host,
                 dial->port);
}

/* One line while nothing changes, also for nodes of which gossip makes a new dial every time. */
static bool worth_a_line(const struct dial *dial, const char *text)
{
    struct peer *peer = dial->configured ? NULL : cluster_peer(dial->cluster, dial->node);

    if (dial->cluster->stopping || text == NULL || (peer != NULL && peer->complained))
        return false;
    if (peer != NULL)
        peer->complained = true;
    return dial->complaint == NULL || strcmp(dial->complaint, text) != 0;
}

void dial_failed(struct dial *dial, const char *text)
{
    struct cluster *cluster = dial->cluster;

    dial->link = NULL;
    dial->attempts++;
    if (worth_a_line(dial, text)) {
        logger_error(cluster->logger, "Error trying to connect to route %s:%u (attempt %u): %s",
                     dial->host, dial->port, dial->attempts, text);
        complaint_set(dial, text);
    }
    if (!dial->configured && dial->attempts > (uint64_t)cluster->options->connect_retries)
        dial_remove(dial);
    else
        dial_arm(dial, pause_after(dial->attempts - 1));
}

void dials_node_down(struct cluster *cluster, uint64_t node)
{
    for (struct dial *dial = cluster->dials; dial != NULL; dial = dial->next)
        if (dial->node == node && dial->link == NULL)
            dial_arm(dial, PAUSE_FIRST_NS);
}

/* The network works again, perhaps: those that wait long try soon. */
void dials_node_up(struct cluster *cluster, uint64_t node)
{
    int64_t soon_ns = io_now(cluster->io) + SECOND_NS;

    for (struct dial *dial = cluster->dials; dial != NULL; dial = dial->next)
        if (dial->node != node && timer_armed(&dial->retry) && dial->retry.deadline_ns > soon_ns)
            dial_arm(dial, PAUSE_FIRST_NS);
}

static bool leads_to(const struct dial *dial, const struct peer *peer)
{
    return dial->node == peer->node.id ||
           (dial->port == peer->node.port && strcmp(dial->host, peer->gossip_host) == 0);
}

void dial_learnt(struct cluster *cluster, struct peer *peer)
{
    struct dial *dial;

    for (dial = cluster->dials; dial != NULL; dial = dial->next)
        if (leads_to(dial, peer))
            return;
    dial = dial_create(cluster, bytes_of_text(peer->gossip_host), peer->node.port);
    dial->node = peer->node.id;
    dial_arm(dial, PAUSE_FIRST_NS);
}
