/* Documents about what this server has none of, or little to say of: gateways, queues between
 * its parts, groups (reference monitoring.md 2.4, 2.11). */
#include "server/monitor/monitor_priv.h"
#include "server/server_priv.h"

void monitor_gatewayz(struct json_writer *w, struct monitor *monitor, struct ask *ask)
{
    (void)ask;
    json_object_begin(w);
    monitor_head(w, monitor->server);
    monitor_empty(w, BYTES("outbound_gateways"));
    monitor_empty(w, BYTES("inbound_gateways"));
    json_object_end(w);
}

/* The parts of a shard hand each other nothing through queues that could fill up. */
void monitor_ipqueuesz(struct json_writer *w, struct monitor *monitor, struct ask *ask)
{
    (void)monitor;
    (void)ask;
    json_object_begin(w);
    json_object_end(w);
}
