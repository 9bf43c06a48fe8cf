/* metrics_streams: streams with a replica here, and the consumers of those that are led here, a row
 * each as far as the limits allow; of the others it is said how many there are. */
#include "base/heap.h"
#include "raft/replica.h"
#include "server/jetstream/jetstream_core.h"
#include "server/monitor/metrics.h"
#include "server/monitor/open_metrics.h"
#include "server/server_priv.h"
#include "server/stream/origins.h"
#include "server/stream/stream_config.h"
#include "server/stream/stream_state.h"

struct consumer_row {
    const struct stream *stream;
    struct bytes name;
    struct consumer_info info;
};

struct rows {
    struct open_metrics *metrics;
    const struct server *server;
    struct arena arena;
    struct stream **streams;
    struct consumer_row *consumers;
    size_t streams_count, streams_left_out;
    size_t consumers_count, consumers_left_out;
};

/* ---- which ---------------------------------------------------------------------------------- */

static void gather_consumers(struct rows *rows, struct stream *stream, size_t limit)
{
    size_t count;
    struct consumer **consumers = stream_consumers(stream, &rows->arena, &count);

    for (size_t i = 0; i < count; i++) {
        struct consumer_row *row = &rows->consumers[rows->consumers_count];

        if (rows->consumers_count == limit) {
            rows->consumers_left_out += count - i;
            return;
        }
        if (!consumer_is_counted(consumers[i]))
            continue; /* the next time */
        row->stream = stream;
        row->name = consumer_name(consumers[i]);
        consumer_describe(consumers[i], io_now(rows->server->io),
                          jetstream_log_now(rows->server->jetstream), &row->info);
        rows->consumers_count++;
    }
}

static void gather_stream(struct rows *rows, struct stream *stream,
                          const struct metrics_limits *limits)
{
    if (rows->streams_count < limits->streams)
        rows->streams[rows->streams_count++] = stream;
    else
        rows->streams_left_out++;
    if (stream_leads(stream))
        gather_consumers(rows, stream, limits->consumers);
}

static void gather(struct rows *rows, const struct metrics_limits *limits)
{
    struct account *account;

    rows->streams = heap_take(limits->streams * sizeof(struct stream *));
    rows->consumers = heap_take(limits->consumers * sizeof(struct consumer_row));
    for (size_t at = 0; (account = router_account_next(rows->server->router, &at)) != NULL;) {
        struct catalogue_entry **entries;
        size_t count;

        if (!jetstream_serves(rows->server->jetstream, account))
            continue;
        entries = jetstream_entries(rows->server->jetstream, account, &rows->arena, &count);
        for (size_t i = 0; i < count; i++) {
            if (entries[i]->stream != NULL)
                gather_stream(rows, entries[i]->stream, limits);
        }
    }
}

/* ---- rows of streams ------------------------------------------------------------------------ */

typedef uint64_t stream_number_fn(const struct stream *stream);

static uint64_t messages_of(const struct stream *stream)
{
    return stream_state_messages(stream_applied(stream));
}

static uint64_t bytes_of_messages(const struct stream *stream)
{
    return index_bytes(stream_applied(stream)->index);
}

static uint64_t disk_of(const struct stream *stream)
{
    return log_bytes(replica_log(stream_replica(stream)));
}

static uint64_t last_of(const struct stream *stream)
{
    return stream_applied(stream)->last_seq;
}

static uint64_t consumers_of(const struct stream *stream)
{
    return stream_consumer_count(stream);
}

static uint64_t leads(const struct stream *stream)
{
    return stream_leads(stream);
}

static uint64_t term_of(const struct stream *stream)
{
    return stream_term(stream);
}

static uint64_t lost_of(const struct stream *stream)
{
    return stream_applied(stream)->lost_messages;
}

static uint64_t damaged_of(const struct stream *stream)
{
    return stream_applied(stream)->lost.count;
}

static struct metric_labels stream_labels(struct metric_label *labels, const struct stream *stream)
{
    labels[0] = (struct metric_label){"account", account_name(stream_account(stream))};
    labels[1] = (struct metric_label){"stream", stream_name(stream)};
    return (struct metric_labels){labels, 2};
}

static void stream_family(struct rows *rows, const char *name, const char *help,
                          stream_number_fn *number)
{
    metrics_gauge(rows->metrics, name, help);
    for (size_t i = 0; i < rows->streams_count; i++) {
        struct metric_label labels[2];

        metrics_number(rows->metrics, stream_labels(labels, rows->streams[i]),
                       number(rows->streams[i]));
    }
}

static void space_family(struct rows *rows)
{
    metrics_gauge(rows->metrics, "millrace_stream_space_bytes", "Of the disk, by what for.");
    for (size_t i = 0; i < rows->streams_count; i++) {
        struct metric_label labels[3];
        struct metric_labels all = stream_labels(labels, rows->streams[i]);
        uint64_t bytes[SPACE_REASONS];

        stream_space_reasons(rows->streams[i], bytes);
        all.count++;
        for (size_t reason = 0; reason < SPACE_REASONS; reason++) {
            labels[2] = (struct metric_label){"reason", bytes_of_text(stream_space_names[reason])};
            metrics_number(rows->metrics, all, bytes[reason]);
        }
    }
}

/* Only the leader knows how far the others are. */
static void lag_of_members(struct rows *rows, const struct stream *stream)
{
    struct jetstream *jetstream = rows->server->jetstream;
    const struct replica *replica = stream_replica(stream);
    struct raft_progress progress[RAFT_MEMBERS_MAX];
    uint32_t count = replica_progress(replica, progress);
    uint64_t self = groups_self(jetstream_groups(jetstream)).node;
    uint64_t last = replica_proposed(replica);

    for (uint32_t i = 0; i < count; i++) {
        struct metric_label labels[3];
        struct metric_labels all = stream_labels(labels, stream);

        if (progress[i].member.node == self)
            continue;
        labels[all.count++] =
            (struct metric_label){"peer", jetstream_node_name(jetstream, progress[i].member.node)};
        metrics_number(rows->metrics, all, progress[i].match < last ? last - progress[i].match : 0);
    }
}

typedef uint64_t origin_number_fn(const struct stream_origin_info *info);

static uint64_t lag_of(const struct stream_origin_info *info)
{
    return info->lag;
}

static uint64_t waits_of(const struct stream_origin_info *info)
{
    return info->stands != 0;
}

static void origin_row(struct rows *rows, const struct stream *stream, size_t number,
                       const struct stream_source *source, origin_number_fn *number_of)
{
    struct stream_origin_info info;
    struct metric_label labels[3];
    struct metric_labels all = stream_labels(labels, stream);

    stream_origin_info(stream, number, &info);
    labels[all.count++] = (struct metric_label){"origin", source->name};
    metrics_number(rows->metrics, all, number_of(&info));
}

static void origin_rows(struct rows *rows, const struct stream *stream, origin_number_fn *number_of)
{
    const struct stream_config *config = stream_config(stream);
    const struct stream_source *sources = config->sources.at;

    if (config->mirror != NULL)
        origin_row(rows, stream, 0, config->mirror, number_of);
    for (size_t i = 0; i < config->sources.count; i++)
        origin_row(rows, stream, i, &sources[i], number_of);
}

static void origin_family(struct rows *rows, const char *name, const char *help,
                          origin_number_fn *number_of)
{
    metrics_gauge(rows->metrics, name, help);
    for (size_t i = 0; i < rows->streams_count; i++) {
        if (stream_leads(rows->streams[i]))
            origin_rows(rows, rows->streams[i], number_of);
    }
}

static void write_streams(struct rows *rows)
{
    stream_family(rows, "millrace_stream_messages", "Messages in the stream.", messages_of);
    stream_family(rows, "millrace_stream_bytes", "Of these messages.", bytes_of_messages);
    stream_family(rows, "millrace_stream_disk_bytes", "That its log takes, or memory.", disk_of);
    space_family(rows);
    stream_family(rows, "millrace_stream_last_sequence", "Of the last message.", last_of);
    stream_family(rows, "millrace_stream_consumers", "Consumers of the stream.", consumers_of);
    stream_family(rows, "millrace_stream_leader", "1 where the stream is led.", leads);
    stream_family(rows, "millrace_stream_term", "Rises with each election.", term_of);
    stream_family(rows, "millrace_stream_lost_messages", "At most so many were damaged on disk.",
                  lost_of);
    stream_family(rows, "millrace_stream_damaged_messages",
                  "That the disk of this server has lost and no other has given back yet.",
                  damaged_of);
    stream_family(rows, "millrace_stream_repaired_messages",
                  "That were damaged here and taken from another server.", stream_repaired);
    metrics_gauge(rows->metrics, "millrace_stream_replica_lag",
                  "Log entries that a replica has not confirmed to its leader.");
    for (size_t i = 0; i < rows->streams_count; i++)
        lag_of_members(rows, rows->streams[i]);
    origin_family(rows, "millrace_stream_origin_lag",
                  "Messages that a mirror or source has not taken yet.", lag_of);
    origin_family(rows, "millrace_stream_origin_damaged",
                  "1 where a mirror or source waits for a message that is damaged at its origin.",
                  waits_of);
}

/* ---- rows of consumers ---------------------------------------------------------------------- */

static void consumer_family(struct rows *rows, const char *name, const char *help, size_t member)
{
    metrics_gauge(rows->metrics, name, help);
    for (size_t i = 0; i < rows->consumers_count; i++) {
        const struct consumer_row *row = &rows->consumers[i];
        struct metric_label labels[3];
        struct metric_labels all = stream_labels(labels, row->stream);
        uint64_t value;

        labels[all.count++] = (struct metric_label){"consumer", row->name};
        memcpy(&value, (const char *)&row->info + member, sizeof(value));
        metrics_number(rows->metrics, all, value);
    }
}

#define CONSUMER_FAMILY(rows, name, help, member)                                                  \
    consumer_family((rows), "millrace_consumer_" name, (help),                                     \
                    offsetof(struct consumer_info, member))

static void write_consumers(struct rows *rows)
{
    CONSUMER_FAMILY(rows, "pending", "Messages not delivered yet.", num_pending);
    CONSUMER_FAMILY(rows, "ack_pending", "Messages delivered and not acknowledged yet.",
                    num_ack_pending);
    CONSUMER_FAMILY(rows, "redelivered", "Messages delivered more than once and not acknowledged.",
                    num_redelivered);
    CONSUMER_FAMILY(rows, "waiting", "Requests for messages that wait.", num_waiting);
    CONSUMER_FAMILY(rows, "delivered_sequence", "Of the last message delivered, in the stream.",
                    delivered_stream);
    CONSUMER_FAMILY(rows, "floor_sequence", "Up to which everything is acknowledged.",
                    floor_stream);
    CONSUMER_FAMILY(
        rows, "stalled_seconds",
        "For how long nothing was delivered though there is something for somebody; the "
        "log says why.",
        stalled_s);
}

void monitor_metrics_streams(struct open_metrics *metrics, const struct server *server,
                             const struct metrics_limits *limits)
{
    struct rows rows = {.metrics = metrics, .server = server};

    arena_init(&rows.arena, SIZE_MAX / 4);
    gather(&rows, limits);
    write_streams(&rows);
    write_consumers(&rows);
    metrics_gauge_of(metrics, "millrace_streams_left_out", "Streams here without rows above.",
                     rows.streams_left_out);
    metrics_gauge_of(metrics, "millrace_consumers_left_out", "The same of consumers led here.",
                     rows.consumers_left_out);
    heap_give(rows.streams);
    heap_give(rows.consumers);
    arena_deinit(&rows.arena);
}
