/* /raftz: the groups that this node has a replica of (reference monitoring.md 2.11). */
#include <stdio.h>

#include "raft/replica.h"
#include "server/jetstream/jetstream_core.h"
#include "server/monitor/monitor_priv.h"
#include "server/server_priv.h"

struct question {
    struct bytes account, group;
};

struct groups_list {
    struct json_writer *w;
    const struct server *server;
    const struct question *question;
    struct bytes account; /* whose object is open; empty: none is */
    size_t written;
};

static void write_peers(struct json_writer *w, const struct server *server,
                        const struct replica *replica)
{
    struct raft_progress progress[RAFT_MEMBERS_MAX];
    uint32_t count = replica_progress(replica, progress);
    char id[9];

    json_key(w, BYTES("peers"));
    json_object_begin(w);
    for (uint32_t i = 0; i < count; i++) {
        snprintf(id, sizeof(id), "%08x", (unsigned)progress[i].member.node);
        json_key(w, bytes_of_text(id));
        json_object_begin(w);
        json_put_string(w, BYTES("name"),
                        jetstream_node_name(server->jetstream, progress[i].member.node));
        json_put_bool(w, BYTES("known"), true);
        json_put_u64(w, BYTES("last_replicated_index"), progress[i].match);
        json_object_end(w);
    }
    json_object_end(w);
}

static void write_group(struct groups_list *list, const struct replica *replica)
{
    struct jetstream *jetstream = list->server->jetstream;
    const struct raft_config *members = replica_members(replica);
    struct raft_member leader = replica_leader(replica);
    struct json_writer *w = list->w;
    char id[9];

    snprintf(id, sizeof(id), "%08x", (unsigned)groups_self(jetstream_groups(jetstream)).node);
    json_object_begin(w);
    json_put_text(w, BYTES("id"), id);
    json_put_text(w, BYTES("state"), replica_leads(replica) ? "LEADER" : "FOLLOWER");
    json_put_i64(w, BYTES("size"), members->count);
    json_put_i64(w, BYTES("quorum_needed"), members->count / 2 + 1);
    json_put_u64(w, BYTES("committed"), replica_applied(replica));
    json_put_u64(w, BYTES("applied"), replica_applied(replica));
    if (leader.node != 0) {
        snprintf(id, sizeof(id), "%08x", (unsigned)leader.node);
        json_put_text(w, BYTES("leader"), id);
    }
    json_put_bool(w, BYTES("ever_had_leader"), replica_term(replica) > 0);
    json_put_u64(w, BYTES("term"), replica_term(replica));
    json_put_u64(w, BYTES("pindex"), replica_proposed(replica));
    json_put_bool(w, BYTES("voter"), replica_votes(replica)); /* ours: else it is a learner */
    json_put_bool(w, BYTES("whole"), replica_whole(replica)); /* ours: else it does not vote */
    write_peers(w, list->server, replica);
    json_object_end(w);
}

/* The groups of an account come one after the other. */
static void add_group(struct groups_list *list, struct bytes account, struct bytes name,
                      const struct replica *replica)
{
    const struct question *question = list->question;

    if (question->account.size > 0 && !bytes_equal(question->account, account))
        return;
    if (question->group.size > 0 && !bytes_equal(question->group, name))
        return;
    if (!bytes_equal(list->account, account)) {
        if (list->account.size > 0)
            json_object_end(list->w);
        json_key(list->w, account);
        json_object_begin(list->w);
        list->account = account;
    }
    json_key(list->w, name);
    write_group(list, replica);
    list->written++;
}

static void add_streams(struct groups_list *list, struct account *account, struct arena *arena)
{
    size_t count;
    struct catalogue_entry **entries =
        jetstream_entries(list->server->jetstream, account, arena, &count);
    char name[64];

    for (size_t i = 0; i < count; i++) {
        struct stream *stream = entries[i]->stream;
        int size;

        if (stream == NULL)
            continue;
        size =
            snprintf(name, sizeof(name), "S-R%uF-%08x",
                     replica_members(stream_replica(stream))->count, (unsigned)stream_id(stream));
        add_group(list, account->name, bytes_of(name, (size_t)size), stream_replica(stream));
    }
}

static void write_document(struct groups_list *list)
{
    const struct server *server = list->server;
    struct bytes system = BYTES("$SYS");
    struct account *account;
    struct arena arena;

    for (size_t at = 0; (account = router_account_next(server->router, &at)) != NULL;) {
        if (account->system)
            system = account->name;
    }
    arena_init(&arena, SIZE_MAX / 4);
    json_object_begin(list->w);
    if (jetstream_meta(server->jetstream) != NULL)
        add_group(list, system, BYTES("_meta_"), jetstream_meta(server->jetstream));
    for (size_t at = 0; (account = router_account_next(server->router, &at)) != NULL;)
        add_streams(list, account, &arena);
    if (list->account.size > 0)
        json_object_end(list->w);
    json_object_end(list->w);
    arena_deinit(&arena);
}

void monitor_raftz(struct json_writer *w, struct monitor *monitor, struct ask *ask)
{
    struct question question = {.account = {0}};
    struct groups_list list = {.w = w, .server = monitor->server, .question = &question};

    ask_text(ask, (struct ask_key){"acc", "account"}, &question.account);
    ask_text(ask, (struct ask_key){"group", "group"}, &question.group);
    if (monitor->server->jetstream == NULL || !jetstream_clustered(monitor->server->jetstream)) {
        ask_refuse(ask, 404, "No Raft nodes registered");
        return;
    }
    write_document(&list);
    if (list.written == 0)
        ask_refuse(ask, 404, "No Raft nodes returned, check supplied filters");
}
