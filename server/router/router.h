/*
 * router: who gets a message. Per account one subject index (server/router/sublist.h); a
 * subscription is in force when the call that adds it returns.
 *
 * Receivers are clients, here and, where servers form a cluster, at other nodes, and *sinks*, which
 * are the server's own: streams, the API, consumers' ack subjects. A sink's `deliver` gets views
 * and must not call the router back: it keeps what it needs and acts in its own step of the turn
 * (read, sinks' work, send). That is what makes connections and streams talk by
 * messages only.
 */
#ifndef SERVER_ROUTER_ROUTER_H
#define SERVER_ROUTER_ROUTER_H

#include "base/bytes.h"

struct account;
struct client;
struct leaf_peer;
struct message_trace;
struct router;
struct sink;
struct sub_set;

/* A message on its way. All views are borrowed for the call. */
struct message {
    struct bytes subject; /* what receivers see */
    struct bytes
        route; /* what is matched; empty: the subject. Push and pull deliveries differ here */
    struct bytes reply;   /* may be empty */
    struct bytes headers; /* whole block with its blank line, or empty */
    struct bytes payload;
    struct client *origin;        /* NULL: the server itself, or a client of another shard */
    const struct leaf_peer *leaf; /* what it came from, to which it does not go; NULL: no leaf */
    bool forwarded; /* another node's sinks took it first and passed it on to these here */
    bool published; /* by a client of this server, of whichever shard */
    struct message_trace *trace; /* who is told what becomes of it; NULL: nobody */
};

/* The subject that it was sent to: what a sink that serves a subject goes by. */
static inline struct bytes message_sent_to(const struct message *message)
{
    return message->route.size > 0 ? message->route : message->subject;
}

typedef void sink_deliver_fn(void *owner, const struct message *message);

/* ---- accounts: a namespace each. "$G" is always there. -------------------------------------- */

struct account_options;

struct bytes account_name(const struct account *account);
/* Of the system's own: the server says what happens to it there, and serves who asks. */
bool account_is_system(const struct account *account);
/* What was configured of it; NULL: nothing. */
const struct account_options *account_options(const struct account *account);

struct account *router_account_default(struct router *router);
/* NULL: there is none of that name. */
struct account *router_account(const struct router *router, struct bytes name);
/* The same as this one, of whatever shard, in this router. */
struct account *router_account_here(const struct router *router, struct account *account);
/* All of them, in no order: for (at = 0; (a = router_account_next(r, &at)) != NULL;) */
struct account *router_account_next(const struct router *router, size_t *at);

/* ---- sinks ---------------------------------------------------------------------------------- */

/* `subject` may hold wildcards; `queue` may be empty. Subject and queue are copied. */
struct sink *router_sink_add(struct router *router, struct account *account, struct bytes subject,
                             struct bytes queue, sink_deliver_fn *deliver, void *owner);
/* Asked before each message: false, and it is as if there were no sink. For one that stands for
 * many which come and go. */
typedef bool sink_takes_fn(void *owner, const struct message *message);
void router_sink_choose(struct sink *sink, sink_takes_fn *takes);
/* The same, for what any node may send: a subject of its own that nobody else subscribes to. */
struct sink *router_sink_add_known(struct router *router, struct account *account,
                                   struct bytes subject, sink_deliver_fn *deliver, void *owner);
/* Not from inside a deliver. */
void router_sink_remove(struct router *router, struct sink *sink);

/* ---- publishing ----------------------------------------------------------------------------- */

/* Delivers to every match in the cluster; one member per queue group. Returns how many received it,
 * a node that has plain subscriptions counted as one (0: nobody). Not from inside a sink's deliver.
 */
size_t router_publish(struct router *router, struct account *account,
                      const struct message *message);

/*
 * Who gets what is published to one subject, looked up once for as long as nothing changes. Only
 * where that is one set of clients here: nobody else hears of it, nothing has to be picked.
 */
struct router_route {
    uint64_t generation; /* 0: nothing was looked up */
    const struct sub_set *set;
};
/* False: publish it. */
bool router_route_find(struct router *router, struct account *account, struct bytes subject,
                       struct router_route *route);
/* Of a route that was just found: has one of its receivers so much waiting as router_congested
 * says? */
bool router_route_behind(const struct router_route *route);
/* Of a route that was just found. Calls no sink, so it may be called where they must not be. */
size_t router_route_publish(struct router *router, const struct router_route *route,
                            const struct message *message);

/* As router_publish, but to sinks of this node only: for what another node has passed on, whose
 * clients had it already. */
size_t router_publish_sinks(struct router *router, struct account *account,
                            const struct message *message);

/* Has a receiver since the last reset had more than a quarter of max_pending waiting to be sent?
 * Who sends a lot (replays) looks after each message and goes on later. */
bool router_congested(const struct router *router);
/* The same of receivers that are no clients of this shard; of those only that one was far behind,
 * so that much more would be the end of it. */
bool router_congested_badly(const struct router *router);
void router_congestion_reset(struct router *router);

/* ---- interest ------------------------------------------------------------------------------- */

/* Would anything in the cluster receive a message on this literal subject (wildcard subscriptions
 * count)? */
bool router_interest(struct router *router, struct account *account, struct bytes subject);
/* The same, and has somebody who would room for it? Not where all of them are clients of this shard
 * that have so much waiting as router_congested says. */
enum router_interest {
    ROUTER_NOBODY,
    ROUTER_READY,
    ROUTER_BEHIND,
};
enum router_interest router_interest_ready(struct router *router, struct account *account,
                                           struct bytes subject);
/* Another number whenever a client that was behind when that was asked is so no more, or leaves. */
uint64_t router_caught_up(const struct router *router);
/* Has each queue group on this literal subject a member who has room? There is one at least. */
bool router_groups_ready(struct router *router, struct account *account, struct bytes subject);
/* As router_interest, but of subscriptions of clients that are in no queue group. */
bool router_interest_plain(struct router *router, struct account *account, struct bytes subject);
/* Is there a subscription whose subject is literally this one: plain ones when `queue` is empty,
 * else members of that group (push consumers, reference consumers 4.5)? */
bool router_interest_literal(struct router *router, struct account *account, struct bytes subject,
                             struct bytes queue);
/* Of all accounts. */
size_t router_subscriptions(const struct router *router);
/* Another with every change of the account's subscriptions, and of those it shares with. */
uint64_t account_generation(const struct account *account);
/* The subjects that were subscribed to or not since that generation, as account_subject_hash has
 * them. False: more than is known; anybody may have come or gone. */
#define ACCOUNT_CHANGES_MAX 64u
bool account_changes(const struct account *account, uint64_t generation,
                     uint64_t hashes[ACCOUNT_CHANGES_MAX], unsigned *count);
uint64_t account_subject_hash(const struct account *account, struct bytes subject);

#endif
