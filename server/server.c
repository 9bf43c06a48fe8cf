#include "server/server_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/heap.h"
#include "base/owner.h"
#include "server/resolver/resolver.h"
#include "server/router/router_priv.h"
#include "server/tls/box.h"
#include "server/tls/digest.h"
#include "server/tls/ed25519.h"
#include "server/tls/tls.h"

#define PAYLOAD_DISCOURAGED (8 << 20)

/* ---- the turn ------------------------------------------------------------------------------- */

static void end_connections(struct server *server)
{
    struct connections *connections;

    server->state = SERVER_ENDING;
    timers_cancel(io_timers(server->io), &server->quiesced);
    server_shards_halt(server);
    for (unsigned i = 0; (connections = server_connections_of(server, i)) != NULL; i++)
        connections_end(connections, "Server Shutdown");
    server_shards_go_on(server);
    http_end(&server->monitor.http);
    leaves_end(server->leaves);
    if (server->cluster != NULL)
        cluster_stop(server->cluster);
}

static void stop_now(struct server *server)
{
    server->state = SERVER_STOPPED;
    timers_cancel(io_timers(server->io), &server->stopped);
    logger_info(server->logger, "Server Exiting..");
}

/* Pulls that were on their way to another shard when all were told that the server ends. Once: from
 * other nodes they come again and again. */
static bool tell_late(struct server *server)
{
    bool first = !server->late_told;

    server->late_told = true;
    return first && jetstream_say_shutdown(server->jetstream);
}

/* What was sent to streams of any shard is theirs before they are asked. */
static bool has_work_left(struct server *server)
{
    bool left;

    if (server->jetstream == NULL)
        return false;
    server_shards_halt(server);
    left = !server_shards_settle(server) || !jetstream_idle(server->jetstream);
    server_shards_go_on(server);
    return left || tell_late(server);
}

/* Before the output is sent, so that what the last of the work says still leaves. */
static void quiesce_further(struct server *server)
{
    if (server->state == SERVER_QUIESCING && !has_work_left(server))
        end_connections(server);
}

/* After that: the last connection may just have gone, and nothing else would turn the loop. */
static void end_further(struct server *server)
{
    if (server->state == SERVER_ENDING && server_connections_count(server) == 0 &&
        server->monitor.http.guests.count == 0 && leaves_ended(server->leaves) &&
        (server->cluster == NULL || cluster_stopped(server->cluster)))
        stop_now(server);
}

static void turn(void *context)
{
    struct server *server = context;

    server->connections.clients.now_ns = io_now(server->io);
    server->connections.clients.wall_ahead_ns = io_wall(server->io) - io_now(server->io);
    server_shards_read(server);
    if (server->jetstream != NULL)
        jetstream_turn(server->jetstream);
    system_turn(&server->system);
    http_turn(&server->monitor.http);
    quiesce_further(server);
    server_shards_flush(server);
    leaves_flush(server->leaves);
    connections_flush(&server->connections);
    leaves_flush(server->leaves); /* what clients that have left no longer want */
    if (server->jetstream != NULL)
        jetstream_flush(server->jetstream);
    if (server->cluster != NULL)
        cluster_flush(server->cluster);
    server_shards_flush(server); /* who is asked about clients, who has left */
    end_further(server);
}

/* ---- starting ------------------------------------------------------------------------------- */

static enum err open_jetstream(struct server *server)
{
    if (!server->options.jetstream)
        return OK;
    server_places_keep(server);
    return jetstream_open(server, &server->jetstream); /* which logs */
}

static void log_start(const struct server *server)
{
    logger_info(server->logger, "Starting nats-server");
    logger_info(server->logger, "  Version:  " NATS_VERSION);
    logger_info(server->logger, "  Millrace: " MILLRACE_VERSION);
    if (server->options.cluster.name != NULL)
        logger_info(server->logger, "  Cluster:  %s", server->options.cluster.name);
    logger_info(server->logger, "  Name:     %s", server->info.name);
    logger_info(server->logger, "  ID:       %s", server->info.id);
    if (server->options.config_file != NULL)
        logger_info(server->logger, "Using configuration file: %s (%s)",
                    server->options.config_file, server->options.config_digest);
    if (auth_has_plain_passwords(&server->auth))
        logger_warn(server->logger, "Plaintext passwords detected, use nkeys or bcrypt");
    if (server->options.max_payload > PAYLOAD_DISCOURAGED)
        logger_warn(server->logger, "Maximum payloads over 8.00 MB are generally discouraged and "
                                    "could lead to poor performance");
}

/* Follows from the other key, so that there is one secret. */
static void init_curve_key(struct info *info)
{
    static const char label[] = "curve";
    uint8_t both[NKEY_SIZE + sizeof(label)], key[NKEY_SIZE];
    bool good;

    memcpy(both, info->seed, NKEY_SIZE);
    memcpy(both + NKEY_SIZE, label, sizeof(label));
    digest_sha256(bytes_of(both, sizeof(both)), info->curve_seed);
    explicit_bzero(both, sizeof(both));
    good = box_public(info->curve_seed, key);
    assert(good);
    nkey_write(info->curve_id, NKEY_CURVE, key);
}

static void init_identity(struct server *server)
{
    struct info *info = &server->info;
    uint8_t key[NKEY_SIZE];
    uint64_t seed;
    bool good;

    io_random(server->io, &seed, sizeof(seed));
    prng_seed(&server->prng, seed);
    io_random(server->io, info->seed, sizeof(info->seed));
    good = ed25519_public(info->seed, key);
    assert(good);
    info_make_id(info->id, key);
    init_curve_key(info);
    server->info.name =
        server->options.server_name[0] != 0 ? server->options.server_name : server->info.id;
    server->info.host = server->options.host;
    server->info.max_payload = server->options.max_payload;
    server->info.jetstream = server->options.jetstream;
    if (server->options.jetstream)
        server->info.domain = server->options.jetstream_options.domain;
    server->info.no_headers = server->options.no_header_support;
}

/* The accounts that were configured, the system's among them, and who may connect. */
static void init_auth(struct server *server)
{
    const struct auth_options *options = &server->options.auth;
    struct bytes system =
        options->system_account.size > 0 ? options->system_account : BYTES("$SYS");
    struct account *account;

    for (size_t i = 0; i < options->accounts_count; i++)
        (void)router_account_add(server->router, options->accounts[i]->name, options->accounts[i]);
    if (options->system_account.size > 0 || !server->options.no_system_account) {
        if (router_account(server->router, system) == NULL)
            (void)router_account_add(server->router, system, NULL);
        router_set_system_account(server->router, router_account(server->router, system));
    }
    for (size_t at = 0; (account = router_account_next(server->router, &at)) != NULL;)
        account->updated_wall_ns = server->start_wall_ns;
    auth_init(&server->auth, options, prng_next(&server->prng));
    server->connections.clients.auth = &server->auth;
    server->info.auth_required = server->auth.required && options->no_auth_user.size == 0;
}

static void init_tls(struct server *server)
{
    const struct options *options = &server->options;

    if (options->tls_context == NULL)
        return;
    server->connections.tls = tls_context_hold(options->tls_context);
    server->info.tls_required = !options->allow_non_tls;
    server->info.tls_available = options->allow_non_tls;
    server->info.tls_verify = options->tls->verify;
}

static void quiesced_fired(struct timer *timer)
{
    struct server *server = owner_of(timer, struct server, quiesced);

    logger_warn(server->logger, "Shutting down with work left undone");
    end_connections(server);
}

static void stopped_fired(struct timer *timer)
{
    struct server *server = owner_of(timer, struct server, stopped);

    connections_doom(&server->connections, "Server Shutdown");
    stop_now(server);
}

static void create_leaves(struct server *server)
{
    const struct leaves_setup setup = {
        .io = server->io,
        .logger = server->logger,
        .router = server->router,
        .clients = &server->connections.clients,
        .info = &server->info,
        .options = &server->options,
        .auth = &server->auth,
        .seed = prng_next(&server->prng),
    };

    server->leaves = leaves_create(&setup);
    server->connections.leaves = server->leaves;
}

struct server *server_create(struct io *io, const struct options *options, struct logger *logger)
{
    struct server *server = HEAP_NEW(struct server);

    server->io = io;
    server->options = *options;
    server->logger = logger;
    server->quiesced.fire = quiesced_fired;
    server->stopped.fire = stopped_fired;
    server->start_ns = io_now(io);
    server->start_wall_ns = io_wall(io);
    server->reload_wall_ns = server->start_wall_ns;
    init_identity(server);
    if (options->auth.operators != NULL && resolver_has_more(&options->auth.resolver)) {
        server->resolver = resolver_create(server);
        if (server->resolver == NULL) {
            heap_give(server);
            return NULL;
        }
    }
    connections_init(&server->connections, io, &server->options, &server->info, logger,
                     prng_next(&server->prng));
    server->connections.clients.wall_ahead_ns = io_wall(io) - io_now(io);
    server->router = router_create(&server->connections.clients, prng_next(&server->prng));
    server->connections.clients.router = server->router;
    server->connections.clients.account = router_account_default(server->router);
    init_auth(server);
    init_tls(server);
    monitor_init(&server->monitor, server);
    server_cluster_create(server);
    server_shares_configure(server);
    create_leaves(server);
    system_init(&server->system, server);
    system_trace(&server->system);
    if (server->cluster != NULL)
        system_join(&server->system);
    if (server->resolver != NULL)
        resolver_start(server->resolver);
    log_start(server);
    return server;
}

enum err server_open(struct server *server)
{
    enum err err;

    listener_say_waits(server->io, server->logger);
    err = server_listen_http(server);
    if (err == OK)
        err = open_jetstream(server);
    if (err == OK)
        err = server_listen_leaves(server);
    if (err == OK)
        err = server_listen_websocket(server);
    if (err == OK)
        err = server_listen_clients(server);
    if (err == OK)
        err = server_cluster_start(server);
    if (err != OK) {
        server_destroy(server);
        return err;
    }
    leaves_start(server->leaves, server->leaf_listener.port);
    io_set_flush(server->io, turn, server);
    server_shards_opened(server);
    logger_info(server->logger, "Server is ready");
    return OK;
}

enum err server_start(struct io *io, const struct options *options, struct logger *logger,
                      struct server **out)
{
    struct server *server = server_create(io, options, logger);
    enum err err = server == NULL ? ERR_INVALID : server_open(server);

    if (err == OK)
        *out = server;
    return err;
}

/* ---- stopping ------------------------------------------------------------------------------- */

void server_stop(struct server *server, int64_t deadline_ns)
{
    struct timers *timers = io_timers(server->io);
    int64_t now_ns = io_now(server->io);
    struct connections *connections;

    assert(deadline_ns > 0);
    if (server->state != SERVER_RUNNING)
        return;
    logger_info(server->logger, "Initiating Shutdown...");
    system_say_state(&server->system, ".SHUTDOWN");
    server->state = SERVER_QUIESCING;
    timers_cancel(timers, &server->lame_duck);
    listener_close(&server->clients_listener, server->io);
    listener_close(&server->http_listener, server->io);
    listener_close(&server->https_listener, server->io);
    listener_close(&server->leaf_listener, server->io);
    listener_close(&server->websocket_listener, server->io);
    server_shards_halt(server);
    for (unsigned i = 0; (connections = server_connections_of(server, i)) != NULL; i++)
        connections_pause(connections);
    server_shards_go_on(server);
    if (server->jetstream != NULL)
        (void)jetstream_say_shutdown(server->jetstream);
    timers_arm(timers, &server->quiesced, now_ns + deadline_ns / 2);
    timers_arm(timers, &server->stopped, now_ns + deadline_ns);
    io_wake(server->io);
}

bool server_stopped(const struct server *server)
{
    return server->state == SERVER_STOPPED;
}

void server_destroy(struct server *server)
{
    struct timers *timers = io_timers(server->io);

    io_set_flush(server->io, NULL, NULL);
    timers_cancel(timers, &server->quiesced);
    timers_cancel(timers, &server->stopped);
    timers_cancel(timers, &server->lame_duck);
    listener_close(&server->clients_listener, server->io);
    listener_close(&server->http_listener, server->io);
    listener_close(&server->https_listener, server->io);
    listener_close(&server->leaf_listener, server->io);
    listener_close(&server->websocket_listener, server->io);
    system_deinit(&server->system);
    server_shards_end(server);
    connections_deinit(&server->connections);
    tls_context_give(server->connections.tls);
    tls_context_give(server->connections.websocket_tls);
    monitor_deinit(&server->monitor);
    tls_context_give(server->https_tls);
    if (server->jetstream != NULL)
        jetstream_close(server->jetstream);
    leaves_destroy(server->leaves);
    server_cluster_destroy(server);
    server_shares_destroy(server);
    resolver_destroy(server->resolver); /* whose accounts everybody was in, on all shards */
    server_shards_destroy(server);
    router_destroy(server->router);
    server_shards_free(server);
    auth_deinit(&server->auth);
    heap_give(server);
}

void server_set_process(struct server *server, void (*read)(struct server_process *process))
{
    server->process = read;
}

void server_set_reload(struct server *server, server_reload_fn *reload, void *owner)
{
    server->reload = reload;
    server->reload_owner = owner;
}

/* ---- for the modules ------------------------------------------------------------------------ */

struct io *server_io(struct server *server)
{
    return server->io;
}

struct router *server_router(struct server *server)
{
    return server->router;
}

struct logger *server_logger(struct server *server)
{
    return server->logger;
}

struct prng *server_prng(struct server *server)
{
    return &server->prng;
}

const struct options *server_options(const struct server *server)
{
    return &server->options;
}

int64_t server_wall_of(const struct server *server, int64_t time_ns)
{
    return server->start_wall_ns + (time_ns - server->start_ns);
}

const char *server_id(const struct server *server)
{
    return server->info.id;
}

const char *server_name(const struct server *server)
{
    return server->info.name;
}

uint16_t server_port(const struct server *server)
{
    return server->clients_listener.port;
}

uint16_t server_http_port(const struct server *server)
{
    return server->http_listener.port;
}

uint16_t server_https_port(const struct server *server)
{
    return server->https_listener.port;
}

uint16_t server_leaf_port(const struct server *server)
{
    return server->leaf_listener.port;
}

uint16_t server_websocket_port(const struct server *server)
{
    return server->websocket_listener.port;
}
