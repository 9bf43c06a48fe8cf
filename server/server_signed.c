/* Accounts that operators have signed for anew, while the server runs. */
#include "server/router/router_priv.h"
#include "server/server_priv.h"

static void take_accounts(struct server *server)
{
    const struct auth_options *options = &server->options.auth;
    struct account *account;

    server->auth.options.accounts = options->accounts;
    server->auth.options.accounts_count = options->accounts_count;
    for (size_t i = 0; i < options->accounts_count; i++) {
        const struct account_options *new = options->accounts[i];

        account = router_account(server->router, new->name);
        if (account != NULL && account->options == new)
            continue;
        account = router_account_add(server->router, new->name, new);
        account->updated_wall_ns = io_wall(server->io);
    }
}

void server_accounts_renewed(struct server *server)
{
    struct connections *all[SHARDS_MAX];

    server_shards_halt(server);
    take_accounts(server);
    server_accounts_changed(server);
    connections_account_renewed(all, server_connections_all(server, all), &server->auth);
    server_shards_go_on(server);
}
