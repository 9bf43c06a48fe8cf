#include "server/server_sums.h"

#include "server/server_priv.h"

static void add_stats(struct clients_stats *to, const struct clients_stats *from)
{
    to->in_messages += from->in_messages;
    to->in_bytes += from->in_bytes;
    to->out_messages += from->out_messages;
    to->out_bytes += from->out_bytes;
    to->slow_consumers += from->slow_consumers;
    to->stale += from->stale;
    to->stalls += from->stalls;
}

void server_sums(const struct server *server, struct server_sums *sums)
{
    const struct connections *connections;

    *sums = (struct server_sums){0};
    for (unsigned i = 0; (connections = server_connections_of((struct server *)server, i)) != NULL;
         i++) {
        add_stats(&sums->stats, &connections->clients.stats);
        sums->connections += connections->count;
        sums->total += connections->total;
        sums->subscriptions += router_subscriptions(connections->clients.router);
    }
}

const struct account *account_part(const struct account *account, unsigned shard)
{
    if (account->family == NULL)
        return shard == 0 ? account : NULL;
    return shard < account->family->count ? account->family->members[shard] : NULL;
}

static void add_traffic(struct traffic *to, const struct traffic *from)
{
    to->messages += from->messages;
    to->bytes += from->bytes;
}

void account_sums(const struct account *account, struct account_sums *sums)
{
    const struct account *part;

    *sums = (struct account_sums){0};
    for (unsigned i = 0; (part = account_part(account, i)) != NULL; i++) {
        sums->connections += part->connections;
        sums->subscriptions += part->subs.count;
        sums->slow_consumers += part->slow_consumers;
        add_traffic(&sums->received, &part->received);
        add_traffic(&sums->sent, &part->sent);
    }
}
