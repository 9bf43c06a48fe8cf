/* The ports that a server listens on, and who comes in there. */
#include <stdio.h>

#include "server/server_priv.h"
#include "server/tls/tls.h"

static void client_accepted(void *context, struct io_sock *sock, const struct io_address *peer)
{
    struct server *server = context;

    server_places_look(server);
    if (!server_shards_accept(server, sock, peer, false))
        connections_accept(&server->connections, sock, peer, false);
}

static void http_accepted(void *context, struct io_sock *sock, const struct io_address *peer)
{
    struct server *server = context;

    (void)peer;
    http_accept(&server->monitor.http, sock, NULL);
}

static void leaf_accepted(void *context, struct io_sock *sock, const struct io_address *peer)
{
    struct server *server = context;

    leaves_accept(server->leaves, sock, peer);
}

static void websocket_accepted(void *context, struct io_sock *sock, const struct io_address *peer)
{
    struct server *server = context;

    server_places_look(server);
    /* Leaf nodes are home's: who may be one goes to another shard when it is known to be none. */
    if (server->options.leaf.port != 0 || !server_shards_accept(server, sock, peer, true))
        connections_accept(&server->connections, sock, peer, true);
}

static void https_accepted(void *context, struct io_sock *sock, const struct io_address *peer)
{
    struct server *server = context;

    (void)peer;
    http_accept(&server->monitor.http, sock, server->https_tls);
}

static enum err listen_monitor(struct server *server, const char *scheme, int port,
                               struct listener *listener, listener_accepted_fn *accepted)
{
    const struct options *options = &server->options;
    struct listener_at at = {options->http_host, port, options->http_host_place};
    char reason[LISTENER_REASON_SIZE], address[LISTENER_ADDRESS_SIZE];
    enum err err;

    if (port == 0)
        return OK;
    if (at.host[0] == 0)
        at = (struct listener_at){options->host, port, options->host_place};
    err = listener_open(listener, server->io, &at, accepted, server, reason);
    if (err != OK) {
        logger_fatal(server->logger, "Can't start monitoring: can't listen to the monitor port: %s",
                     reason);
        return err;
    }
    listener_address(address, sizeof(address), at.host, listener->port);
    logger_info(server->logger, "Starting %s monitor on %s", scheme, address);
    return OK;
}

bool server_https_renew(struct server *server, char reason[TLS_REASON_SIZE])
{
    struct tls_context *made = NULL;
    struct tls_options open;

    if (server->options.https_port != 0 && server->options.tls == NULL) {
        snprintf(reason, TLS_REASON_SIZE, "TLS cert and key required for HTTPS");
        return false;
    }
    if (server->options.https_port != 0) {
        open = *server->options.tls;
        open.verify = false;
        open.map = false;
        made = tls_context_create(&open, reason);
        if (made == NULL)
            return false;
    }
    tls_context_give(server->https_tls);
    server->https_tls = made;
    return true;
}

enum err server_listen_http(struct server *server)
{
    const struct options *options = &server->options;
    char reason[TLS_REASON_SIZE];
    enum err err;

    if (options->http_port != 0 && options->https_port != 0) {
        logger_fatal(server->logger,
                     "Can't start monitoring: can't specify both HTTP (%d) and HTTPs (%d) ports",
                     options->http_port, options->https_port);
        return ERR_INVALID;
    }
    if (!server_https_renew(server, reason)) {
        logger_fatal(server->logger, "Can't start monitoring: %s", reason);
        return ERR_INVALID;
    }
    err = listen_monitor(server, "https", options->https_port, &server->https_listener,
                         https_accepted);
    if (err == OK)
        err = listen_monitor(server, "http", options->http_port, &server->http_listener,
                             http_accepted);
    return err;
}

enum err server_listen_clients(struct server *server)
{
    const struct options *options = &server->options;
    const struct listener_at at = {options->host, options->port, options->host_place};
    char reason[LISTENER_REASON_SIZE], address[LISTENER_ADDRESS_SIZE];
    enum err err;

    err =
        listener_open(&server->clients_listener, server->io, &at, client_accepted, server, reason);
    if (err != OK) {
        listener_address(address, sizeof(address), options->host,
                         options->port < 0 ? 0 : options->port);
        logger_fatal(server->logger, "Error listening on port: %s, \"%s\"", address, reason);
        return err;
    }
    server_advertise(server);
    listener_address(address, sizeof(address), options->host, server->clients_listener.port);
    logger_info(server->logger, "Listening for client connections on %s", address);
    if (options->tls_context != NULL)
        logger_info(server->logger, "TLS required for client connections");
    return OK;
}

enum err server_listen_leaves(struct server *server)
{
    const struct options *options = &server->options;
    const struct listener_at at = {
        .host = options->leaf.host[0] != 0 ? options->leaf.host : "0.0.0.0",
        .port = options->leaf.port,
        .place = options->leaf.host_place,
    };
    char reason[LISTENER_REASON_SIZE], address[LISTENER_ADDRESS_SIZE];
    enum err err;

    if (options->leaf.port == 0)
        return OK;
    err = listener_open(&server->leaf_listener, server->io, &at, leaf_accepted, server, reason);
    if (err != OK) {
        logger_fatal(server->logger, "Error listening on leafnode port: %d - %s",
                     options->leaf.port, reason);
        return err;
    }
    listener_address(address, sizeof(address), at.host, server->leaf_listener.port);
    logger_info(server->logger, "Listening for leafnode connections on %s", address);
    return OK;
}

enum err server_listen_websocket(struct server *server)
{
    const struct websocket_options *options = &server->options.websocket;
    struct listener_at at = {options->host, options->port, options->host_place};
    const char *scheme = options->tls_context != NULL ? "wss" : "ws";
    char reason[LISTENER_REASON_SIZE], address[LISTENER_ADDRESS_SIZE];
    enum err err;

    if (options->port == 0)
        return OK;
    if (at.host[0] == 0)
        at = (struct listener_at){server->options.host, options->port, server->options.host_place};
    err = listener_open(&server->websocket_listener, server->io, &at, websocket_accepted, server,
                        reason);
    if (err != OK) {
        logger_fatal(server->logger, "Unable to listen for websocket connections: %s", reason);
        return err;
    }
    server_websocket_door(server);
    listener_address(address, sizeof(address), at.host, server->websocket_listener.port);
    logger_info(server->logger, "Listening for websocket clients on %s://%s", scheme, address);
    if (options->tls_context == NULL)
        logger_warn(server->logger, "Websocket not configured with TLS. DO NOT USE IN PRODUCTION!");
    return OK;
}

void server_websocket_door(struct server *server)
{
    const struct websocket_options *options = &server->options.websocket;
    struct tls_context *before = server->connections.websocket_tls;

    server->connections.websocket_tls =
        options->tls_context != NULL ? tls_context_hold(options->tls_context) : NULL;
    tls_context_give(before);
    server->connections.websocket_door = (struct info_door){
        .host = options->host[0] != 0 ? options->host : server->options.host,
        .port = server->websocket_listener.port,
        .tls_required = options->tls_context != NULL,
        .tls_verify = options->tls != NULL && options->tls->verify,
        .auth_required = server->options.auth.websocket != NULL,
    };
}
