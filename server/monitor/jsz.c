/* /jsz: JetStream, its accounts, streams and consumers (reference monitoring.md 2.9). */
#include <stdio.h>
#include <stdlib.h>

#include "base/heap.h"
#include "base/text.h"
#include "raft/replica.h"
#include "server/api/account_limits.h"
#include "server/api/detail.h"
#include "server/monitor/monitor_priv.h"
#include "server/server_priv.h"

#define LIMIT_DEFAULT 1024

struct question {
    struct bytes account;
    bool accounts, streams, consumers;
    bool leader_only, stream_leader_only;
    bool raft;
    int64_t offset;
    int64_t limit;
    struct api_detail detail;
};

/* ---- JetStream as a whole ------------------------------------------------------------------- */

static void write_api(struct json_writer *w, int64_t level, uint64_t total, uint64_t errors)
{
    json_key(w, BYTES("api"));
    json_object_begin(w);
    json_put_i64(w, BYTES("level"), level);
    json_put_u64(w, BYTES("total"), total);
    json_put_u64(w, BYTES("errors"), errors);
    json_object_end(w);
}

/* What counts against the limits of a cluster: replicas of groups that have others. */
static int64_t count_assets(const struct server *server, const struct jetstream_stats *stats)
{
    return jetstream_clustered(server->jetstream) ? (int64_t)stats->streams + 1 : 0;
}

void monitor_jetstream_stats(struct json_writer *w, const struct server *server)
{
    struct jetstream_stats stats;
    struct account_usage usage;

    jetstream_stats(server->jetstream, &stats);
    jetstream_usage_here(server->jetstream, &usage);
    json_put_u64(w, BYTES("memory"), usage.memory);
    json_put_u64(w, BYTES("storage"), usage.store);
    json_put_u64(w, BYTES("reserved_memory"), usage.reserved_memory);
    json_put_u64(w, BYTES("reserved_storage"), usage.reserved_store);
    json_put_u64(w, BYTES("accounts"), stats.accounts);
    json_put_i64(w, BYTES("ha_assets"), count_assets(server, &stats));
    write_api(w, JETSTREAM_API_LEVEL, stats.api_total, stats.api_errors);
}

/* ---- the metadata group --------------------------------------------------------------------- */

static void write_peer(struct json_writer *w, uint64_t node)
{
    char peer[9];

    snprintf(peer, sizeof(peer), "%08x", (unsigned)node);
    json_put_text(w, BYTES("peer"), peer);
}

static void write_member(struct json_writer *w, const struct server *server,
                         const struct raft_progress *progress)
{
    struct jetstream *jetstream = server->jetstream;
    struct replica *meta = jetstream_meta(jetstream);
    int64_t now_ns = io_now(server->io);
    uint64_t last = replica_proposed(meta), node = progress->member.node;
    bool up = groups_node_up(jetstream_groups(jetstream), node);

    json_object_begin(w);
    json_put_string(w, BYTES("name"), jetstream_node_name(jetstream, node));
    json_put_bool(w, BYTES("current"), up && progress->current);
    json_put_true(w, BYTES("offline"), !up);
    json_put_i64(w, BYTES("active"),
                 progress->active_ns > 0 && progress->active_ns <= now_ns
                     ? now_ns - progress->active_ns
                     : 0);
    if (progress->match < last)
        json_put_u64(w, BYTES("lag"), last - progress->match);
    write_peer(w, node);
    json_object_end(w);
}

/* Only the leader knows how the others are. */
static void write_members(struct json_writer *w, const struct server *server)
{
    struct raft_progress progress[RAFT_MEMBERS_MAX];
    uint32_t count = replica_progress(jetstream_meta(server->jetstream), progress);
    uint64_t self = groups_self(jetstream_groups(server->jetstream)).node;

    if (count < 2)
        return;
    json_key(w, BYTES("replicas"));
    json_array_begin(w);
    for (uint32_t i = 0; i < count; i++) {
        if (progress[i].member.node != self)
            write_member(w, server, &progress[i]);
    }
    json_array_end(w);
}

/* The reference's snapshots of its metadata are our catalogue's state blocks. Tools that read one
 * member of it expect it whole. */
static void write_snapshot(struct json_writer *w, const struct replica *meta)
{
    struct replica_behind behind = {0};

    if (meta != NULL)
        behind = replica_behind_block(meta);
    json_key(w, BYTES("snapshot"));
    json_object_begin(w);
    json_put_u64(w, BYTES("pending_entries"), behind.entries);
    json_put_u64(w, BYTES("pending_size"), behind.bytes);
    json_put_time(w, BYTES("last_time"), behind.written_ns != 0 ? behind.written_ns : TIME_UNSET);
    json_object_end(w);
}

void monitor_jetstream_meta(struct json_writer *w, struct bytes key, const struct server *server)
{
    struct jetstream *jetstream = server->jetstream;
    struct replica *meta;
    struct raft_member leader;

    if (!jetstream_clustered(jetstream))
        return;
    meta = jetstream_meta(jetstream);
    json_key(w, key);
    json_object_begin(w);
    json_put_string(w, BYTES("name"), jetstream_cluster_name(jetstream));
    if (meta != NULL) {
        leader = replica_leader(meta);
        if (leader.node != 0) {
            json_put_string(w, BYTES("leader"), jetstream_node_name(jetstream, leader.node));
            write_peer(w, leader.node);
        }
        write_members(w, server);
        json_put_i64(w, BYTES("cluster_size"), replica_members(meta)->count);
        json_put_i64(w, BYTES("quorum_needed"), replica_members(meta)->count / 2 + 1);
    }
    json_put_i64(w, BYTES("pending"), 0);
    json_put_i64(w, BYTES("pending_requests"), 0);
    json_put_i64(w, BYTES("pending_infos"), 0);
    write_snapshot(w, meta);
    json_object_end(w);
}

/* ---- accounts ------------------------------------------------------------------------------- */

/* Without a limit it is the greatest number there is, as the reference has it. */
static uint64_t reserved(int64_t most)
{
    return most < 0 ? UINT64_MAX : (uint64_t)most;
}

static void write_usage(struct json_writer *w, const struct server *server,
                        const struct account *account)
{
    const struct jetstream_limits *limits =
        account_tiered(account) ? NULL : account_limits(account, 1);
    struct account_usages usages;

    jetstream_usage(server->jetstream, account, bytes_of(NULL, 0), &usages);
    json_put_u64(w, BYTES("memory"), usages.all.memory);
    json_put_u64(w, BYTES("storage"), usages.all.store);
    json_put_u64(w, BYTES("reserved_memory"), limits != NULL ? reserved(limits->memory_max) : 0);
    json_put_u64(w, BYTES("reserved_storage"), limits != NULL ? reserved(limits->store_max) : 0);
    json_put_i64(w, BYTES("accounts"), 0);
    json_put_i64(w, BYTES("ha_assets"), 0);
    write_api(w, 0, account->api_total, account->api_errors);
}

static void write_streams(struct json_writer *w, const struct server *server,
                          const struct question *question, struct account *account,
                          struct arena *arena)
{
    size_t count, written = 0;
    struct catalogue_entry **entries = jetstream_entries(server->jetstream, account, arena, &count);

    for (size_t i = 0; i < count; i++) {
        struct stream *stream = entries[i]->stream;

        if (stream == NULL || (question->stream_leader_only && !stream_leads(stream)))
            continue;
        if (written++ == 0) {
            json_key(w, BYTES("stream_detail"));
            json_array_begin(w);
        }
        api_stream_detail(w, server->jetstream, stream, &question->detail);
    }
    if (written > 0)
        json_array_end(w);
}

static void write_account(struct json_writer *w, const struct server *server,
                          const struct question *question, struct account *account,
                          struct arena *arena)
{
    json_object_begin(w);
    json_put_string(w, BYTES("name"), monitor_account_name(account));
    json_put_string(w, BYTES("id"), account->name);
    write_usage(w, server, account);
    if (question->streams)
        write_streams(w, server, question, account, arena);
    json_object_end(w);
}

static int by_name(const void *a, const void *b)
{
    const struct account *const *first = a, *const *second = b;

    return bytes_compare((*first)->name, (*second)->name);
}

/* Those with JetStream, sorted. */
static struct account **served(const struct server *server, size_t *count)
{
    struct account **all, *account;
    size_t room = 0;

    for (size_t at = 0; router_account_next(server->router, &at) != NULL;)
        room++;
    all = heap_take(room * sizeof(struct account *));
    *count = 0;
    for (size_t at = 0; (account = router_account_next(server->router, &at)) != NULL;) {
        if (jetstream_serves(server->jetstream, account))
            all[(*count)++] = account;
    }
    qsort(all, *count, sizeof(struct account *), by_name);
    return all;
}

static bool is_shown(const struct question *question, const struct account *account, size_t place)
{
    if (question->account.size > 0)
        return bytes_equal(question->account, account->name);
    return place >= (size_t)question->offset &&
           place - (size_t)question->offset < (size_t)question->limit;
}

/* Returns how many accounts there are. */
static size_t write_accounts(struct json_writer *w, const struct server *server,
                             const struct question *question)
{
    size_t count, written = 0;
    struct account **all = served(server, &count);
    struct arena arena;

    arena_init(&arena, SIZE_MAX / 4);
    for (size_t i = 0; i < count && question->accounts; i++) {
        if (!is_shown(question, all[i], i))
            continue;
        if (written++ == 0) {
            json_key(w, BYTES("account_details"));
            json_array_begin(w);
        }
        write_account(w, server, question, all[i], &arena);
    }
    if (written > 0)
        json_array_end(w);
    arena_deinit(&arena);
    heap_give(all);
    return count;
}

/* ---- the document --------------------------------------------------------------------------- */

static void read_question(struct ask *ask, struct question *question)
{
    *question = (struct question){.limit = LIMIT_DEFAULT};
    ask_text(ask, (struct ask_key){"acc", "account"}, &question->account);
    ask_bool(ask, (struct ask_key){"accounts", "accounts"}, &question->accounts);
    ask_bool(ask, (struct ask_key){"streams", "streams"}, &question->streams);
    ask_bool(ask, (struct ask_key){"consumers", "consumer"}, &question->consumers);
    ask_bool(ask, (struct ask_key){"direct-consumers", "direct_consumer"},
             &question->detail.direct);
    ask_bool(ask, (struct ask_key){"config", "config"}, &question->detail.config);
    ask_bool(ask, (struct ask_key){"leader-only", "leader_only"}, &question->leader_only);
    ask_bool(ask, (struct ask_key){"stream-leader-only", "stream_leader_only"},
             &question->stream_leader_only);
    ask_bool(ask, (struct ask_key){"raft", "raft"}, &question->raft);
    ask_int(ask, (struct ask_key){"offset", "offset"}, &question->offset);
    ask_int(ask, (struct ask_key){"limit", "limit"}, &question->limit);
    question->detail.raft = question->raft;
    question->detail.consumers = question->consumers;
    question->streams |= question->consumers;
    question->accounts |= question->streams || question->account.size > 0;
    if (question->offset < 0)
        question->offset = 0;
    if (question->limit <= 0)
        question->limit = LIMIT_DEFAULT;
}

void monitor_jsz_account(struct json_writer *w, const struct server *server, struct ask *ask,
                         struct account *account)
{
    struct question question;
    struct arena arena;

    read_question(ask, &question);
    if (ask->status != 200)
        return;
    arena_init(&arena, SIZE_MAX / 4);
    write_account(w, server, &question, account, &arena);
    arena_deinit(&arena);
}

static bool leads(const struct server *server)
{
    struct replica *meta = jetstream_meta(server->jetstream);

    return meta != NULL && replica_leads(meta);
}

/* How many of the streams are led here, and the consumers with them. */
static void write_leads(struct json_writer *w, const struct server *server)
{
    size_t accounts_count, count;
    struct account **accounts = served(server, &accounts_count);
    uint64_t streams = 0, consumers = 0;
    struct arena arena;

    arena_init(&arena, SIZE_MAX / 4);
    for (size_t i = 0; i < accounts_count; i++) {
        struct catalogue_entry **entries =
            jetstream_entries(server->jetstream, accounts[i], &arena, &count);

        for (size_t n = 0; n < count; n++) {
            if (entries[n]->stream == NULL || !stream_leads(entries[n]->stream))
                continue;
            streams++;
            consumers += stream_consumer_count(entries[n]->stream);
        }
    }
    arena_deinit(&arena);
    heap_give(accounts);
    if (streams > 0)
        json_put_u64(w, BYTES("streams_leader"), streams);
    if (consumers > 0)
        json_put_u64(w, BYTES("consumers_leader"), consumers);
}

static void write_disabled(struct json_writer *w, const struct server *server)
{
    static const char *const counts[] = {"streams", "consumers", "messages", "bytes"};
    static const char *const usage[] = {"memory",           "storage",  "reserved_memory",
                                        "reserved_storage", "accounts", "ha_assets"};

    json_object_begin(w);
    for (size_t i = 0; i < sizeof(usage) / sizeof(usage[0]); i++)
        json_put_i64(w, bytes_of_text(usage[i]), 0);
    write_api(w, 0, 0, 0);
    monitor_head(w, server);
    json_put_bool(w, BYTES("disabled"), true);
    json_key(w, BYTES("config"));
    json_object_begin(w);
    json_put_i64(w, BYTES("max_memory"), 0);
    json_put_i64(w, BYTES("max_storage"), 0);
    json_object_end(w);
    monitor_empty(w, BYTES("limits"));
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
        json_put_i64(w, bytes_of_text(counts[i]), 0);
    json_put_i64(w, BYTES("total"), 0);
    json_object_end(w);
}

static void write_document(struct json_writer *w, const struct server *server,
                           const struct question *question)
{
    struct jetstream_stats stats;

    jetstream_stats(server->jetstream, &stats);
    json_object_begin(w);
    monitor_jetstream_stats(w, server);
    monitor_head(w, server);
    monitor_jetstream_config(w, server, true);
    monitor_jetstream_limits(w, server);
    json_put_u64(w, BYTES("streams"), stats.streams);
    json_put_u64(w, BYTES("consumers"), stats.consumers);
    if (question->raft)
        write_leads(w, server);
    json_put_u64(w, BYTES("messages"), stats.messages);
    json_put_u64(w, BYTES("bytes"), stats.bytes);
    monitor_jetstream_meta(w, BYTES("meta_cluster"), server);
    json_put_u64(w, BYTES("total"), write_accounts(w, server, question));
    json_object_end(w);
}

void monitor_jsz(struct json_writer *w, struct monitor *monitor, struct ask *ask)
{
    const struct server *server = monitor->server;
    struct question question;

    read_question(ask, &question);
    if (ask->status != 200)
        return;
    if (server->jetstream == NULL) {
        write_disabled(w, server);
    } else if (question.leader_only && !leads(server)) {
        ask->silent = true; /* another one answers */
        ask_refuse(ask, 400, "%s is not leader", server->info.name);
    } else {
        write_document(w, server, &question);
    }
}
