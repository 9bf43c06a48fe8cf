/* What /varz says of the configuration: who is let in and how, what is named, what is allowed. */
#include "server/monitor/monitor_priv.h"
#include "server/server_priv.h"

#define SYNC_INTERVAL_USUAL_NS (120 * INT64_C(1000000000))

/* Whoever is let in as no_auth_user is not asked in INFO, but there are users all the same. */
void monitor_varz_access(struct json_writer *w, const struct server *server)
{
    json_put_true(w, BYTES("auth_required"), server->auth.required);
    json_put_true(w, BYTES("tls_required"), server->info.tls_required);
    json_put_true(w, BYTES("tls_verify"), server->info.tls_verify);
}

void monitor_varz_limits(struct json_writer *w, const struct server *server)
{
    const struct options *options = &server->options;
    const char *host = options->http_host[0] != 0 ? options->http_host : options->host;

    json_put_i64(w, BYTES("max_connections"), options->max_connections);
    if (options->max_subscriptions > 0)
        json_put_i64(w, BYTES("max_subscriptions"), options->max_subscriptions);
    json_put_i64(w, BYTES("ping_interval"), options->ping_interval_ns);
    json_put_i64(w, BYTES("ping_max"), options->ping_max);
    json_put_text(w, BYTES("http_host"), host);
    json_put_i64(w, BYTES("http_port"), server->http_listener.port);
    json_put_text(w, BYTES("http_base_path"),
                  options->http_base_path != NULL ? options->http_base_path : "");
    json_put_i64(w, BYTES("https_port"), server->https_listener.port);
    monitor_seconds(w, BYTES("auth_timeout"),
                    options_auth_timeout_ns(options, CONNECTION_STANDARD));
    json_put_i64(w, BYTES("max_control_line"), options->max_control_line);
    json_put_i64(w, BYTES("max_payload"), options->max_payload);
    json_put_i64(w, BYTES("max_pending"), options->max_pending);
}

void monitor_jetstream_config(struct json_writer *w, const struct server *server, bool with_place)
{
    const struct options *options = &server->options;
    const struct jetstream_options *jetstream = &options->jetstream_options;

    json_key(w, BYTES("config"));
    json_object_begin(w);
    json_put_i64(w, BYTES("max_memory"), jetstream->memory_max);
    json_put_i64(w, BYTES("max_storage"), jetstream->store_max);
    if (with_place)
        json_put_text(w, BYTES("store_dir"), options->store_dir);
    /* As the reference says it that syncs always: what is acknowledged is on disk. */
    json_put_i64(w, BYTES("sync_interval"), SYNC_INTERVAL_USUAL_NS);
    json_put_true(w, BYTES("sync_always"), true);
    if (jetstream->domain != NULL)
        json_put_text(w, BYTES("domain"), jetstream->domain);
    if (jetstream->unique_tag != NULL)
        json_put_text(w, BYTES("unique_tag"), jetstream->unique_tag);
    json_put_true(w, BYTES("compress_ok"), jetstream->memory_max >= 0 || jetstream->store_max >= 0);
    json_put_true(w, BYTES("strict"), !jetstream->lenient);
    json_object_end(w);
}

void monitor_jetstream_limits(struct json_writer *w, const struct server *server)
{
    const struct jetstream_options *options = &server->options.jetstream_options;
    const struct {
        const char *name;
        int64_t value;
    } limits[] = {
        {"max_ack_pending", options->ack_pending_max},
        {"max_duplicate_window", options->duplicate_window_max},
        {"max_batch_inflight_per_stream", options->batches_max},
        {"max_batch_inflight_total", options->batches_total_max},
        {"max_batch_size", options->batch_messages_max},
        {"max_batch_timeout", options->batch_timeout},
    };

    json_key(w, BYTES("limits"));
    json_object_begin(w);
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
        if (limits[i].value > 0) /* where there is none it is not named, as the reference does it */
            json_put_i64(w, bytes_of_text(limits[i].name), limits[i].value);
    json_object_end(w);
}

static void names(struct json_writer *w, const struct options *options)
{
    if (options->server_tags.count > 0) {
        json_key(w, BYTES("tags"));
        json_array_begin(w);
        for (size_t i = 0; i < options->server_tags.count; i++)
            json_string(w, options->server_tags.at[i]);
        json_array_end(w);
    }
    if (options->server_metadata.count > 0) {
        json_key(w, BYTES("metadata"));
        json_object_begin(w);
        for (size_t i = 0; i < options->server_metadata.count; i++) {
            json_key(w, options->server_metadata.keys[i]);
            json_string(w, options->server_metadata.values[i]);
        }
        json_object_end(w);
    }
}

void monitor_system_account(struct json_writer *w, const struct server *server)
{
    const struct account *account;

    for (size_t at = 0; (account = router_account_next(server->router, &at)) != NULL;) {
        if (!account_is_system(account))
            continue;
        json_key(w, BYTES("system_account"));
        json_string(w, account_name(account));
    }
}

void monitor_varz_config(struct json_writer *w, const struct server *server)
{
    json_put_time(w, BYTES("config_load_time"), server->reload_wall_ns);
    if (server->options.config_digest != NULL)
        json_put_text(w, BYTES("config_digest"), server->options.config_digest);
    names(w, &server->options);
    monitor_system_account(w, server);
}

void monitor_varz_tls(struct json_writer *w, const struct server *server)
{
    const struct tls_options *tls = server->options.tls;

    monitor_seconds(w, BYTES("tls_timeout"), tls != NULL ? tls->timeout_ns : TLS_TIMEOUT_NS);
}

static void flag_if(struct json_writer *w, struct bytes key, bool value)
{
    if (value)
        json_put_true(w, key, true);
}

static void origins(struct json_writer *w, const struct websocket_options *options)
{
    if (options->origins_count == 0)
        return;
    json_key(w, BYTES("allowed_origins"));
    json_array_begin(w);
    for (size_t i = 0; i < options->origins_count; i++)
        json_string(w, options->origins[i].text);
    json_array_end(w);
}

static void websocket_times(struct json_writer *w, const struct websocket_options *options)
{
    if (options->handshake_timeout_ns > 0)
        json_put_i64(w, BYTES("handshake_timeout"), options->handshake_timeout_ns);
    if (options->door.timeout_ns > 0)
        monitor_seconds(w, BYTES("auth_timeout"), options->door.timeout_ns);
}

/* What is as it is by itself is left out. */
void monitor_varz_websocket(struct json_writer *w, const struct server *server)
{
    const struct websocket_options *options = &server->options.websocket;

    json_key(w, BYTES("websocket"));
    json_object_begin(w);
    if (options->port != 0) {
        json_put_text(w, BYTES("host"),
                      options->host[0] != 0 ? options->host : server->options.host);
        json_put_i64(w, BYTES("port"), server->websocket_listener.port);
        if (options->advertise != NULL)
            json_put_text(w, BYTES("advertise"), options->advertise);
        if (options->door.no_auth_user.size > 0)
            json_put_string(w, BYTES("no_auth_user"), options->door.no_auth_user);
        if (options->jwt_cookie.size > 0)
            json_put_string(w, BYTES("jwt_cookie"), options->jwt_cookie);
        websocket_times(w, options);
        flag_if(w, BYTES("no_tls"), options->no_tls);
        flag_if(w, BYTES("tls_map"), options->tls != NULL && options->tls->map);
        flag_if(w, BYTES("same_origin"), options->same_origin);
        origins(w, options);
        flag_if(w, BYTES("compression"), options->compression);
    }
    json_object_end(w);
}
