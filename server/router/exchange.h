/*
 * exchange: messages between accounts, as they were exported and imported (reference core.md 4).
 * What is published in an account goes on to those that import it as a stream; what is requested
 * there goes on to the account whose service is imported, and the replies come back.
 *
 * It stands behind the router: who publishes in one account reaches the others without knowing, in
 * the cluster, too, for each account's own interest is known everywhere. Messages cross accounts at
 * the node where they are published, replies at the node that made their subject: a subscription to
 * "_R_.<node>.>" brings them there, under a token that nobody can guess.
 *
 * How many requests wait for replies is bounded; the oldest is forgotten first.
 */
#ifndef SERVER_ROUTER_EXCHANGE_H
#define SERVER_ROUTER_EXCHANGE_H

#include "base/buf.h"
#include "server/router/router_priv.h"

#define EXCHANGE_REPLIES_MAX 65536u

struct exchange;
struct io;

/* Adds what a service is told of a client that asks, as JSON: `all` where that is shared with it,
 * else only from which account it comes. False: no room. */
typedef bool exchange_describe_fn(void *owner, const struct client *client, bool all,
                                  struct buf *out);

/* The router is given it. */
struct exchange *exchange_create(struct router *router, struct io *io, uint64_t seed,
                                 exchange_describe_fn *describe, void *owner);
void exchange_destroy(struct exchange *exchange);
/* What accounts have configured now is what counts from now on. Replies that are waited for still
 * come. */
void exchange_configure(struct exchange *exchange);

/* ---- for the router ------------------------------------------------------------------------- */

/* After the message was published in its account: how many received it elsewhere. */
size_t exchange_share(struct exchange *exchange, struct account *account,
                      const struct message *message);
/* A message on a subject that was given out for a reply; from inside a publish. */
void exchange_reply(struct exchange *exchange, const struct message *message);
/* After a publish: replies that came with it go on. */
void exchange_settle(struct exchange *exchange);
/* Changes with the subscriptions of accounts that what is published here goes on to. */
uint64_t exchange_generation(const struct account *account);
/* Would anybody in another account receive that? */
bool exchange_interest(struct exchange *exchange, struct account *account, struct bytes subject);

#endif
