#include "server/options.h"

#include <stdio.h>

#include "base/limits.h"

#define SECOND_NS       INT64_C(1000000000)
#define AUTH_TIMEOUT_NS (2 * SECOND_NS)

void options_default(struct options *options)
{
    *options = (struct options){
        .port = 4222,
        .shards = SHARDS_AUTO,
        .jetstream_options = {.memory_max = -1,
                              .store_max = -1,
                              .disk_reserve = -1,
                              .scrub_rate = -1,
                              .index_cache = -1,
                              .ack_pending_max = -1,
                              .duplicate_window_max = -1},
        .log_time = true,
        .max_payload = MAX_PAYLOAD_DEFAULT,
        .max_pending = MAX_PENDING_DEFAULT,
        .max_control_line = MAX_CONTROL_LINE_DEFAULT,
        .max_connections = MAX_CONNECTIONS_DEFAULT,
        .max_closed_clients = 10000,
        .ping_interval_ns = 120 * SECOND_NS,
        .ping_max = 2,
        .write_deadline_ns = 10 * SECOND_NS,
        .lame_duck_ns = 120 * SECOND_NS,
        .lame_duck_grace_ns = 10 * SECOND_NS,
    };
    snprintf(options->host, sizeof(options->host), "0.0.0.0");
    snprintf(options->store_dir, sizeof(options->store_dir), "/tmp/nats/jetstream");
}

int64_t options_auth_timeout_ns(const struct options *options, enum connection_type type)
{
    const struct auth_door *door = options->auth.websocket;

    if (type == CONNECTION_WEBSOCKET && door != NULL && door->timeout_ns > 0)
        return door->timeout_ns;
    if (options->auth.timeout_ns > 0)
        return options->auth.timeout_ns;
    return options->tls != NULL ? options->tls->timeout_ns + SECOND_NS : AUTH_TIMEOUT_NS;
}
