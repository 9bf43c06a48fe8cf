#include "server/options.h"

#include <stdio.h>

void options_default(struct options *options)
{
    *options = (struct options){
        .port = 4222,
        .max_payload = 1 << 20,
        .max_pending = 64 << 20,
        .max_control_line = 4096,
        .max_connections = 65536,
        .ping_interval_ns = INT64_C(120000000000),
        .ping_max = 2,
        .write_deadline_ns = INT64_C(10000000000),
    };
    snprintf(options->host, sizeof options->host, "0.0.0.0");
    snprintf(options->store_dir, sizeof options->store_dir, "/tmp/nats/jetstream");
}
