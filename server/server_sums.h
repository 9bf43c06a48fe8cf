/* server_sums: what the shards of a server count, added up. While they are halted, if there are
 * several. */
#ifndef SERVER_SERVER_SUMS_H
#define SERVER_SERVER_SUMS_H

#include "server/clients/client.h"

struct server;

struct server_sums {
    struct clients_stats stats;
    size_t connections;
    uint64_t total; /* ever accepted */
    size_t subscriptions;
};
void server_sums(const struct server *server, struct server_sums *sums);

struct account_sums {
    size_t connections;
    size_t subscriptions;
    struct traffic received, sent;
    uint64_t slow_consumers;
};
void account_sums(const struct account *account, struct account_sums *sums);

/* The account's part on that shard: for (i = 0; (part = account_part(account, i)) != NULL; i++) */
const struct account *account_part(const struct account *account, unsigned shard);

#endif
