/* Taking over new options in a running server. */
#include <stdio.h>

#include "server/reload.h"
#include "server/resolver/resolver.h"
#include "server/router/router_priv.h"
#include "server/server_priv.h"
#include "server/tls/tls.h"

/* Accounts whose streams are open stay, and stay on: closing and opening them is a start's work. */
static bool accounts_allowed(const struct server *server, const struct auth_options *options,
                             char reason[RELOAD_REASON_SIZE])
{
    const struct account *account;

    if (server->jetstream == NULL)
        return true;
    for (size_t at = 0; (account = router_account_next(server->router, &at)) != NULL;) {
        bool on = account_options(account) == NULL && options->accounts_count == 0;

        if (!jetstream_has_streams(server->jetstream, account))
            continue;
        for (size_t i = 0; i < options->accounts_count && !on; i++)
            on = options->accounts[i]->jetstream.enabled &&
                 bytes_equal(options->accounts[i]->name, account_name(account));
        if (on)
            continue;
        snprintf(
            reason, RELOAD_REASON_SIZE,
            "config reload not supported for JetStream of account \"%.*s\", which has streams: "
            "old=enabled, new=disabled",
            BYTES_ARG(account_name(account)));
        return false;
    }
    return true;
}

static void take_accounts(struct server *server, const struct auth_options *options)
{
    struct account *account;

    for (size_t at = 0; (account = router_account_next(server->router, &at)) != NULL;)
        account->options = NULL;
    for (size_t i = 0; i < options->accounts_count; i++)
        (void)router_account_add(server->router, options->accounts[i]->name, options->accounts[i]);
    for (size_t at = 0; (account = router_account_next(server->router, &at)) != NULL;)
        account->updated_wall_ns = io_wall(server->io);
    server_accounts_changed(server);
}

static void end_surplus(struct server *server)
{
    int64_t too_many = (int64_t)server_connections_count(server) - server->options.max_connections;
    struct connections *all[SHARDS_MAX];

    if (too_many <= 0)
        return;
    logger_info(server->logger, "Closed %lld connections to fall within max_connections",
                (long long)too_many);
    connections_end_surplus(all, server_connections_all(server, all), too_many);
}

static void take_auth(struct server *server)
{
    const struct auth_options *options = &server->options.auth;
    struct auth before = server->auth;
    struct connections *all[SHARDS_MAX];

    take_accounts(server, options);
    auth_init(&server->auth, options, prng_next(&server->prng));
    server->info.auth_required = server->auth.required && options->no_auth_user.size == 0;
    connections_auth_changed(all, server_connections_all(server, all), &before);
    leaves_auth_changed(server->leaves);
    end_surplus(server);
    auth_deinit(&before);
}

static void take_tls(struct server *server)
{
    struct tls_context *before = server->connections.tls;
    const struct options *options = &server->options;
    char reason[TLS_REASON_SIZE];

    server->connections.tls =
        options->tls_context != NULL ? tls_context_hold(options->tls_context) : NULL;
    server->info.tls_required = options->tls != NULL && !options->allow_non_tls;
    server->info.tls_available = options->tls != NULL && options->allow_non_tls;
    server->info.tls_verify = options->tls != NULL && options->tls->verify;
    tls_context_give(before);
    server_websocket_door(server);
    if (!server_https_renew(server, reason))
        logger_error(server->logger, "Monitoring keeps its certificate: %s", reason);
}

static void take(struct server *server, const struct options *options)
{
    struct options before = server->options;

    server->options = *options;
    server->options.cluster = before.cluster; /* which is told of no changes but certificates */
    server->options.leaf = before.leaf;
    if (server->cluster != NULL)
        cluster_set_tls(server->cluster, options->cluster.tls, options->cluster.tls_context);
    server->options.sim = before.sim;
    server->info.max_payload = options->max_payload;
    server->reload_wall_ns = io_wall(server->io);
    server_advertise(server);
    take_tls(server);
    server_shards_options(server);
    take_auth(server);
}

bool server_reload(struct server *server, const struct options *options,
                   char reason[RELOAD_REASON_SIZE])
{
    struct options before = server->options, new = *options;

    if (!reload_allowed(&before, options, reason) ||
        (server->resolver == NULL && !accounts_allowed(server, &options->auth, reason)))
        return false;
    server_shards_halt(server);
    if (server->resolver != NULL)
        resolver_reread(server->resolver, &new);
    take(server, &new);
    if (server->resolver != NULL)
        resolver_reread_done(server->resolver);
    server_shards_go_on(server);
    reload_log(&before, options, server->logger);
    logger_info(server->logger, "Reloaded server configuration (%s)",
                options->config_digest != NULL ? options->config_digest : "");
    return true;
}
