/* What accounts map, export and import, brought into force. */
#include "server/router/exchange.h"
#include "server/router/mappings.h"
#include "server/server_priv.h"

static bool imports_any(const struct auth_options *options)
{
    for (size_t i = 0; i < options->accounts_count; i++) {
        if (options->accounts[i]->imports.count > 0)
            return true;
    }
    return false;
}

static void configure_mappings(struct server *server)
{
    const struct auth_options *options = &server->options.auth;
    struct account *account;

    for (size_t at = 0; (account = router_account_next(server->router, &at)) != NULL;) {
        mappings_destroy(account->mappings);
        account->mappings = NULL;
        if (account->options != NULL)
            account->mappings = mappings_create(&account->options->mappings, server->info.cluster);
        else if (account == router_account_default(server->router))
            account->mappings = mappings_create(&options->mappings, server->info.cluster);
    }
}

static bool describe(void *owner, const struct client *client, bool all, struct buf *out)
{
    return all ? system_describe_client(owner, client, out) : system_describe_account(client, out);
}

void server_exchange_configure(struct server *server, struct exchange **exchange,
                               struct router *router, struct io *io)
{
    if (*exchange == NULL && imports_any(&server->options.auth))
        *exchange = exchange_create(router, io, prng_next(&server->prng), describe, server);
    if (*exchange != NULL)
        exchange_configure(*exchange);
}

void server_shares_configure(struct server *server)
{
    configure_mappings(server);
    server_exchange_configure(server, &server->exchange, server->router, server->io);
}

void server_accounts_changed(struct server *server)
{
    server_shares_configure(server);
    server_shards_accounts(server);
    system_accounts_changed(&server->system);
    leaves_accounts_changed(server->leaves);
    if (server->jetstream != NULL)
        jetstream_accounts_changed(server->jetstream);
}

void server_shares_destroy(struct server *server)
{
    struct account *account;

    if (server->exchange != NULL)
        exchange_destroy(server->exchange);
    for (size_t at = 0; (account = router_account_next(server->router, &at)) != NULL;) {
        mappings_destroy(account->mappings);
        account->mappings = NULL;
    }
}
