/* /metrics: the server in numbers, for whoever collects them over time (docs/metrics.md). */
#include "server/monitor/metrics.h"

#include "server/jetstream/jetstream_core.h"
#include "server/monitor/open_metrics.h"
#include "server/server_priv.h"
#include "server/server_sums.h"
#include "storage/index_cache.h"
#include "storage/log.h"

static void write_process(struct open_metrics *m, const struct server *server)
{
    const struct metric_label labels[] = {{"version", BYTES(MILLRACE_VERSION)},
                                          {"server_name", bytes_of_text(server->info.name)},
                                          {"server_id", bytes_of_text(server->info.id)}};
    struct server_process process;

    metrics_info(m, "millrace", "What this server is.",
                 (struct metric_labels){labels, sizeof(labels) / sizeof(labels[0])});
    metrics_gauge(m, "millrace_uptime_seconds", "Since the server was started.");
    metrics_seconds(m, (struct metric_labels){0}, io_now(server->io) - server->start_ns);
    if (server->process == NULL)
        return;
    server->process(&process);
    metrics_gauge_of(m, "process_resident_memory_bytes", "Memory that is resident.",
                     process.memory);
    metrics_counter(m, "process_cpu_seconds", "Processor time used.");
    metrics_seconds(m, (struct metric_labels){0}, process.cpu_ns);
}

static void write_clients(struct open_metrics *m, const struct server *server)
{
    const struct clients_stats *stats;
    struct server_sums sums;

    server_sums(server, &sums);
    stats = &sums.stats;
    metrics_gauge_of(m, "millrace_connections", "Clients that are connected.", sums.connections);
    metrics_counter_of(m, "millrace_connections_accepted", "Clients that have ever connected.",
                       sums.total);
    metrics_gauge_of(m, "millrace_subscriptions", "Subscriptions of clients and of the server.",
                     sums.subscriptions);
    metrics_counter_of(m, "millrace_received_messages", "From clients.", stats->in_messages);
    metrics_counter_of(m, "millrace_received_bytes", "Of messages from clients.", stats->in_bytes);
    metrics_counter_of(m, "millrace_sent_messages", "To clients.", stats->out_messages);
    metrics_counter_of(m, "millrace_sent_bytes", "Of messages to clients.", stats->out_bytes);
    metrics_counter_of(m, "millrace_slow_consumers", "Clients closed because they read too slowly.",
                       stats->slow_consumers);
    metrics_counter_of(m, "millrace_stale_connections", "Clients closed that answered no ping.",
                       stats->stale);
    metrics_counter_of(m, "millrace_stalls", "Times that a publisher was held back.",
                       stats->stalls);
}

static void write_nodes(struct open_metrics *m, const struct server *server)
{
    struct core_stats routed;

    if (server->core == NULL)
        return;
    core_stats(server->core, &routed);
    metrics_counter_of(m, "millrace_nodes_received_messages", "From other servers.",
                       routed.in_messages);
    metrics_counter_of(m, "millrace_nodes_sent_messages", "To other servers.", routed.out_messages);
    metrics_counter_of(m, "millrace_nodes_dropped_messages", "For other servers, dropped.",
                       routed.dropped);
    metrics_gauge_of(m, "millrace_nodes_interest", "Subjects that other servers want.",
                     routed.interest);
}

static void write_usage(struct open_metrics *m, struct jetstream *jetstream)
{
    struct jetstream_stats stats;
    struct jetstream_trouble trouble;
    struct account_usage usage;
    struct store_space space = jetstream_disk(jetstream);

    struct jetstream_scrubbed scrubbed = jetstream_scrubbed(jetstream);
    struct index_cache index = jetstream_index_cache(jetstream);

    jetstream_stats(jetstream, &stats);
    jetstream_usage_here(jetstream, &usage);
    metrics_gauge_of(m, "millrace_jetstream_storage_bytes", "Of messages in files.", usage.store);
    metrics_gauge_of(m, "millrace_jetstream_memory_bytes", "Of messages in memory.", usage.memory);
    metrics_gauge_of(m, "millrace_jetstream_reserved_storage_bytes", "That streams have reserved.",
                     usage.reserved_store);
    metrics_gauge_of(m, "millrace_jetstream_reserved_memory_bytes", "That streams have reserved.",
                     usage.reserved_memory);
    metrics_gauge_of(m, "millrace_jetstream_streams", "Streams with a replica here.",
                     stats.streams);
    metrics_gauge_of(m, "millrace_jetstream_consumers", "Consumers of these.", stats.consumers);
    metrics_counter_of(m, "millrace_jetstream_api_requests", "Requests to the API.",
                       stats.api_total);
    metrics_counter_of(m, "millrace_jetstream_api_errors", "Of these, refused.", stats.api_errors);
    metrics_gauge_of(m, "millrace_jetstream_disk_available_bytes",
                     "Free on the disk, as it was last seen.", space.available);
    metrics_gauge_of(m, "millrace_jetstream_disk_reserve_bytes",
                     "Of these publishes leave so many.", space.kept);
    metrics_gauge_of(m, "millrace_jetstream_disk_scarce",
                     "1 while publishes are refused for lack of space.", space.scarce);
    metrics_gauge_of(m, "millrace_jetstream_index_cache_limit_bytes",
                     "Of memory that the indexes of streams in files may take (index_cache).",
                     index.limit);
    metrics_gauge_of(m, "millrace_jetstream_index_memory_bytes", "That they take.", index.held);
    metrics_gauge_of(
        m, "millrace_jetstream_index_excess_bytes",
        "Of these, beyond the limit: what cannot be lent, or the disk has no room for.",
        index_cache_excess(&index));
    metrics_gauge_of(m, "millrace_jetstream_index_lent_bytes",
                     "That are in scratch memory instead, for the limit.", index.lent);
    metrics_counter_of(m, "millrace_jetstream_scrubbed_bytes",
                       "Of messages that the background check has read.", scrubbed.bytes);
    metrics_counter_of(m, "millrace_jetstream_scrub_passes", "How often it has come to the end.",
                       scrubbed.passes);
    metrics_counter_of(m, "millrace_jetstream_scrub_damaged_messages",
                       "That it found damaged, each time it did.", scrubbed.damaged);
    metrics_gauge_of(m, "millrace_jetstream_healthy",
                     "1 unless a stream or the metadata is broken, behind, or without a leader.",
                     !jetstream_trouble(jetstream, false, &trouble));
}

static void write_latencies(struct open_metrics *m, struct jetstream *jetstream)
{
    struct jetstream_latencies latencies;

    jetstream_latencies(jetstream, &latencies);
    metrics_latency(m, "millrace_sync_seconds",
                    "From the beginning of a write to its batches being on the disk.",
                    &latencies.durable);
    metrics_latency(m, "millrace_commit_seconds",
                    "From the proposal of a batch by its leader here to its commit.",
                    &latencies.streams.committed);
    metrics_latency(m, "millrace_apply_seconds",
                    "From the decision of a batch by its leader, here or not, to its being applied "
                    "here.",
                    &latencies.streams.applied);
    metrics_latency(m, "millrace_delivery_seconds",
                    "From the decision of a message to its leaving for a consumer that waited.",
                    &latencies.streams.delivered);
}

bool monitor_metrics(const struct server *server, const struct metrics_limits *limits,
                     struct buf *out)
{
    struct open_metrics m = {.out = out};

    write_process(&m, server);
    write_clients(&m, server);
    write_nodes(&m, server);
    if (server->jetstream != NULL) {
        write_usage(&m, server->jetstream);
        write_latencies(&m, server->jetstream);
        monitor_metrics_streams(&m, server, limits);
    }
    metrics_end(&m);
    return !m.failed;
}
