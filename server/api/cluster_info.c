/* cluster_info: the `cluster` object of streams and consumers (reference streams 11.2). */
#include <stdio.h>
#include <stdlib.h>

#include "raft/replica.h"
#include "server/api/cluster_info.h"
#include "server/api/request.h"
#include "server/stream/lane.h"

struct replica_row {
    struct bytes name;
    struct raft_progress progress;
};

static int by_name(const void *a, const void *b)
{
    return bytes_compare(((const struct replica_row *)a)->name,
                         ((const struct replica_row *)b)->name);
}

/* What is known of a member: much by the leader, of others whether they are there. */
static struct raft_progress progress_of(const struct stream_lane *lane, struct raft_member member,
                                        const struct raft_progress *known, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (known[i].member.node == member.node)
            return known[i];
    }
    return (struct raft_progress){
        .member = member,
        .current = groups_node_up(lane->groups, member.node),
        .match = UINT64_MAX,
    };
}

/* All members, sorted, if `everyone`, or all but this one; how many. */
static uint32_t rows_of(const struct stream_lane *lane, const struct replica *replica,
                        bool everyone, struct replica_row rows[RAFT_MEMBERS_MAX])
{
    const struct raft_config *members = replica_members(replica);
    struct raft_progress known[RAFT_MEMBERS_MAX];
    uint32_t known_count = replica_progress(replica, known), count = 0;
    uint64_t self = groups_self(lane->groups).node;

    for (uint32_t i = 0; i < members->count; i++) {
        if (members->at[i].node == self && !everyone)
            continue;
        rows[count++] =
            (struct replica_row){.name = jetstream_node_name(lane->jetstream, members->at[i].node),
                                 .progress = progress_of(lane, members->at[i], known, known_count)};
    }
    qsort(rows, count, sizeof rows[0], by_name);
    return count;
}

static void write_row(struct json_writer *writer, const struct stream_lane *lane,
                      const struct replica *replica, const struct replica_row *row)
{
    int64_t now = io_now(lane->io);
    uint64_t last = replica_proposed(replica), match = row->progress.match;
    bool up = groups_node_up(lane->groups, row->progress.member.node);
    char peer[9];

    snprintf(peer, sizeof peer, "%08x", (unsigned)row->progress.member.node);
    json_object_begin(writer);
    JSON_KEY(writer, "name");
    json_string(writer, row->name);
    JSON_KEY(writer, "current");
    json_bool(writer, up && row->progress.current);
    if (!up) {
        JSON_KEY(writer, "offline");
        json_bool(writer, true);
    }
    JSON_KEY(writer, "active");
    json_number_u64(writer, row->progress.active_ns > 0 && row->progress.active_ns <= now
                                ? (uint64_t)(now - row->progress.active_ns)
                                : 0);
    if (match < last) {
        JSON_KEY(writer, "lag");
        json_number_u64(writer, last - match);
    }
    JSON_KEY(writer, "peer");
    json_string(writer, bytes_of_text(peer));
    json_object_end(writer);
}

/* This server is one of them, and has all that it knows of. */
static void as_self(const struct stream_lane *lane, const struct replica *replica,
                    struct replica_row *row)
{
    if (row->progress.member.node != groups_self(lane->groups).node)
        return;
    row->progress.current = true;
    row->progress.match = replica_proposed(replica);
}

void cluster_info_members(struct json_writer *writer, const struct stream_lane *lane,
                          const struct replica *replica)
{
    struct replica_row rows[RAFT_MEMBERS_MAX];
    uint32_t count = rows_of(lane, replica, true, rows);

    json_array_begin(writer);
    for (uint32_t i = 0; i < count; i++) {
        as_self(lane, replica, &rows[i]);
        write_row(writer, lane, replica, &rows[i]);
    }
    json_array_end(writer);
}

bool cluster_info_majority(const struct stream_lane *lane, const struct replica *replica)
{
    const struct groups *groups = lane->groups;
    struct replica_row rows[RAFT_MEMBERS_MAX];
    uint32_t count = rows_of(lane, replica, true, rows), up = 0;

    for (uint32_t i = 0; i < count; i++) {
        uint64_t node = rows[i].progress.member.node;

        up += node == groups_self(groups).node || groups_node_up(groups, node);
    }
    return up * 2 > count;
}

/* The others of the stream's group have it, too, and one of them leads it next; but who has asked
 * for one replica is told of one. */
static bool is_alone(const struct stream_config *stream, const struct consumer_config *config)
{
    if (config->num_replicas != 0)
        return config->num_replicas == 1;
    return config->durable_name.size == 0 && stream->retention == RETENTION_LIMITS;
}

struct bytes api_group_name(char name[API_GROUP_MAX], struct stream *stream)
{
    const struct raft_config *members = replica_members(stream_replica(stream));
    char storage = stream_config(stream)->storage == STORAGE_MEMORY ? 'M' : 'F';
    int size = snprintf(name, API_GROUP_MAX, "S-R%u%c-%08x", members->count, storage,
                        (unsigned)stream_id(stream));

    return bytes_of(name, (size_t)size);
}

void api_cluster(struct json_writer *writer, struct api_request *request, struct stream *stream,
                 const struct consumer_config *consumer)
{
    struct jetstream *jetstream = api_jetstream(request);
    const struct stream_lane *lane = jetstream_home(jetstream); /* what this thread knows */
    const struct replica *replica = stream_replica(stream);
    struct bytes name = jetstream_cluster_name(jetstream);
    struct replica_row rows[RAFT_MEMBERS_MAX];
    bool alone = consumer != NULL && is_alone(stream_config(stream), consumer);
    uint32_t count = alone ? 0 : rows_of(lane, replica, false, rows);

    JSON_KEY(writer, "cluster");
    json_object_begin(writer);
    if (name.size > 0) {
        JSON_KEY(writer, "name");
        json_string(writer, name);
    }
    if (count > 0) {
        char group[API_GROUP_MAX];

        JSON_KEY(writer, "raft_group");
        json_string(writer, api_group_name(group, stream));
    }
    JSON_KEY(writer, "leader");
    json_string(writer, bytes_of_text(server_name(jetstream_server(jetstream))));
    if (count > 0) {
        json_put_time(writer, bytes_of_text("leader_since"), stream_lead_since(stream));
        JSON_KEY(writer, "system_account");
        json_bool(writer, true);
        JSON_KEY(writer, "traffic_account");
        json_string(writer, bytes_of_text("$SYS"));
        JSON_KEY(writer, "replicas");
        json_array_begin(writer);
        for (uint32_t i = 0; i < count; i++)
            write_row(writer, lane, replica, &rows[i]);
        json_array_end(writer);
    }
    json_object_end(writer);
}
