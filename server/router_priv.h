/* What server.c and client.c need of the router beyond router.h. */
#ifndef SERVER_ROUTER_PRIV_H
#define SERVER_ROUTER_PRIV_H

#include "server/router.h"

struct client_sub;
struct clients;

/* `clients` outlives the router. */
struct router *router_create(struct clients *clients, uint64_t seed);
/* Sinks and subscriptions still in it are forgotten. */
void router_destroy(struct router *router);

/* The account of that name, made if it is new; the name is copied. Accounts stay as long as the
 * router. `options` outlive it or are set again; NULL: none. */
struct account *router_account_add(struct router *router, struct bytes name,
                                   const struct account_options *options);
/* Which one is the system's; NULL: none. */
void router_set_system_account(struct router *router, struct account *account);

/* A plain subscription of this client that matches the literal subject, or NULL. */
struct client_sub *router_client_sub(struct router *router, struct account *account,
                                     struct bytes subject, const struct client *client);

#endif
