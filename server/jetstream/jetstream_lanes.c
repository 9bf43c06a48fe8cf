/*
 * jetstream_lanes: the lanes of one server. Home's store is the data directory, each further lane's
 * one below it (docs/formats.md). Where a stream's log is found is its lane; of a new one
 * jetstream_grow.c says it, in a cluster the stream's number, which rises by one with each. All
 * that this node tells others is home's.
 */
#include "base/heap.h"
#include "base/map64.h"
#include "raft/wire.h"
#include "server/jetstream/jetstream_priv.h"
#include "server/shards/server_shards.h"

#define FOUND_SEED UINT64_C(0) /* ids are the catalogue's, nobody chooses them */

static uint64_t index_limit(const struct jetstream *jetstream)
{
    int64_t limit = server_options(jetstream->server)->jetstream_options.index_cache;

    return limit < 0 ? INDEX_CACHE_DEFAULT : (uint64_t)limit;
}

/* How many shards turn lanes: those that there are when JetStream is opened; so home alone where
 * they are begun as they are needed. Of a member of a cluster home does: links are home's. */
static unsigned count_shards(const struct jetstream *jetstream)
{
    struct server *server = jetstream->server;

    const struct options *options = server_options(server);

    if (options->sim.lanes_home || (server_cluster(server) != NULL && !options->sim.lanes_away))
        return 1;
    return server_shards_count(server);
}

/* Which shard turns the lane of that number. */
static unsigned shard_of(const struct jetstream *jetstream, unsigned number)
{
    return number % count_shards(jetstream);
}

static struct stream_lane *add_lane(struct jetstream *jetstream, unsigned shard)
{
    struct server *server = jetstream->server;
    struct stream_lane *lane = HEAP_NEW(struct stream_lane);
    unsigned number = jetstream->lane_count;

    stream_lane_init(lane, &(struct stream_lane_setup){
                               .jetstream = jetstream,
                               .number = number,
                               .shard = shard,
                               .io = server_shard_io(server, shard),
                               .router = server_shard_router(server, shard),
                               .prng = server_prng(server),
                               .log_time = &jetstream->log_time,
                               .staging = &jetstream->staging,
                               .fast = &jetstream->fast,
                           });
    late_lane_init(&jetstream->late.lanes[number], lane);
    jetstream->lanes[jetstream->lane_count++] = lane;
    jetstream->away = jetstream->away || shard > 0;
    return lane;
}

void jetstream_halt(struct jetstream *jetstream)
{
    if (jetstream->away)
        server_shards_halt(jetstream->server);
}

void jetstream_go_on(struct jetstream *jetstream)
{
    if (jetstream->away)
        server_shards_go_on(jetstream->server);
}

void jetstream_going_on(struct jetstream *jetstream)
{
    if (jetstream->away &&
        !jetstream_quotas_current(jetstream)) /* others' messages must not have to */
        jetstream_quotas_count(jetstream);
}

void jetstream_lane_is_still(const struct jetstream *jetstream, const struct stream_lane *lane)
{
    assert(lane->shard == 0 || server_shards_still(jetstream->server));
}

void jetstream_entry_is_still(const struct jetstream *jetstream,
                              const struct catalogue_entry *entry)
{
    if (entry->stream != NULL)
        jetstream_lane_is_still(jetstream, stream_lane_of(entry->stream));
}

void jetstream_lanes_init(struct jetstream *jetstream)
{
    map64_init(&jetstream->found, FOUND_SEED);
    jetstream->home = add_lane(jetstream, 0);
}

static void drop_lane(struct jetstream *jetstream)
{
    struct stream_lane *lane = jetstream->lanes[--jetstream->lane_count];

    stream_lane_deinit(lane);
    heap_give(lane);
}

void jetstream_lanes_deinit(struct jetstream *jetstream)
{
    while (jetstream->lane_count > 0) /* home is the last */
        drop_lane(jetstream);
    map64_deinit(&jetstream->found);
}

/* ---- opening -------------------------------------------------------------------------------- */

struct listing {
    struct jetstream *jetstream;
    unsigned lane;
};

static void note_log(void *context, uint64_t log_id)
{
    const struct listing *listing = context;

    map64_put(&listing->jetstream->found, log_id)->number = listing->lane;
}

static enum err open_further(struct jetstream *jetstream, struct store_error *error)
{
    struct stream_lane *lane = add_lane(jetstream, shard_of(jetstream, jetstream->lane_count));

    return store_lane(jetstream->home->store, lane->io, lane->number, &lane->store, error);
}

/* Alone, home has all of them. */
static enum err find_logs(struct jetstream *jetstream)
{
    enum err err = OK;

    for (unsigned i = 0; err == OK && jetstream->lane_count > 1 && i < jetstream->lane_count; i++) {
        struct listing listing = {jetstream, i};

        err = store_list(jetstream->lanes[i]->store, note_log, &listing);
    }
    return err;
}

static unsigned count_wanted(const struct jetstream *jetstream)
{
    const struct options *options = server_options(jetstream->server);
    unsigned there = store_lanes(jetstream->home->store);
    unsigned wished = options->sim.lanes > 0 ? options->sim.lanes : count_shards(jetstream);

    if (wished > STORE_LANES_MAX + 1)
        wished = STORE_LANES_MAX + 1;
    return wished > there + 1 ? wished : there + 1;
}

/* As many as are wished for, but on a disk that is full it does without what is not there yet. */
static enum err open_wanted(struct jetstream *jetstream, struct store_error *error)
{
    struct store *home = jetstream->home->store;
    unsigned count = count_wanted(jetstream), there = store_lanes(home) + 1;
    enum err err = OK;

    while (err == OK && jetstream->lane_count < count)
        err = open_further(jetstream, error);
    if (err != OK && jetstream->lane_count <= there)
        return err; /* of those that there are */
    if (err == OK)
        err = store_lanes_set(home, count - 1);
    if (err == OK)
        return OK;
    logger_warn(server_logger(jetstream->server), "Store: a further lane can not be made: %s",
                error->text[0] ? error->text : err_text(err));
    while (jetstream->lane_count > there)
        drop_lane(jetstream);
    return OK;
}

/* What the indexes of all may hold in memory. */
static void share_index(struct jetstream *jetstream)
{
    for (unsigned i = 0; i < jetstream->lane_count; i++)
        jetstream->lanes[i]->index_cache.limit = index_limit(jetstream) / jetstream->lane_count;
}

enum err jetstream_lanes_open(struct jetstream *jetstream, const struct store_options *options,
                              struct store_error *error)
{
    enum err err = store_open(server_io(jetstream->server), "millrace", options,
                              &jetstream->home->store, error);

    if (err == OK)
        err = open_wanted(jetstream, error);
    if (err == OK)
        err = find_logs(jetstream);
    share_index(jetstream);
    return err;
}

void jetstream_lanes_join(struct jetstream *jetstream, struct groups_options options)
{
    const struct transport *links = options.transport;

    for (unsigned i = 0; i < jetstream->lane_count; i++) {
        struct stream_lane *lane = jetstream->lanes[i];

        if (i > 0 && links != NULL) { /* the links are home's */
            lane->relay = HEAP_NEW(struct relay);
            relay_init(lane->relay, links, jetstream->lane_count);
            options.transport = &lane->relay->transport;
        }
        lane->groups = groups_create(lane->store, &options);
        options.seed++;
    }
    jetstream->join = options;
}

void jetstream_lanes_add(struct jetstream *jetstream, unsigned shard, struct store *store)
{
    struct stream_lane *lane = add_lane(jetstream, shard);

    assert(server_shards_still(jetstream->server));
    assert(jetstream->cluster == NULL); /* its links are home's */
    lane->store = store;
    lane->groups = groups_create(store, &jetstream->join);
    jetstream->join.seed++;
    share_index(jetstream);
}

void jetstream_lanes_settle_later(struct jetstream *jetstream)
{
    for (unsigned i = 0; i < jetstream->lane_count; i++)
        store_settle_later(jetstream->lanes[i]->store);
}

void jetstream_lanes_settle(struct jetstream *jetstream)
{
    for (unsigned i = 0; i < jetstream->lane_count; i++)
        store_settle(jetstream->lanes[i]->store, jetstream_entry_unsettled, jetstream);
}

/* ---- where a stream is ---------------------------------------------------------------------- */

/* A vote without a log: one that is to be made anew, and must find it. */
static struct stream_lane *find_vote(struct jetstream *jetstream, uint64_t id)
{
    struct store_vote vote;

    for (unsigned i = 0; i < jetstream->lane_count; i++) {
        if (store_vote_found(jetstream->lanes[i]->store, id, &vote))
            return jetstream->lanes[i];
    }
    return NULL;
}

struct stream_lane *jetstream_lane(struct jetstream *jetstream, struct catalogue_entry *entry)
{
    uint64_t id = entry->assigned.id;
    bool flawed = jetstream_flawed(jetstream, JETSTREAM_FLAW_LANE_BY_NUMBER);
    union map64_value found;

    if (entry->lane == NULL && map64_remove(&jetstream->found, id, &found) && !flawed)
        entry->lane = jetstream->lanes[found.number];
    if (entry->lane == NULL && !flawed)
        entry->lane = find_vote(jetstream, id);
    if (entry->lane == NULL && !flawed && jetstream->cluster == NULL)
        entry->lane = jetstream_lane_for_new(jetstream);
    if (entry->lane == NULL)
        entry->lane = jetstream->lanes[id % jetstream->lane_count];
    return entry->lane;
}

/* ---- the turn ------------------------------------------------------------------------------- */

void jetstream_lanes_begin(struct jetstream *jetstream, unsigned shard)
{
    for (unsigned i = 0; i < jetstream->lane_count; i++) {
        if (jetstream->lanes[i]->shard == shard)
            stream_lane_begin(jetstream->lanes[i]);
    }
}

void jetstream_lanes_turn(struct jetstream *jetstream, unsigned shard)
{
    for (unsigned i = 0; i < jetstream->lane_count; i++) {
        if (jetstream->lanes[i]->shard == shard)
            stream_lane_turn(jetstream->lanes[i]);
    }
}

void jetstream_lanes_end(struct jetstream *jetstream, unsigned shard)
{
    for (unsigned i = 0; i < jetstream->lane_count; i++) {
        if (jetstream->lanes[i]->shard == shard)
            stream_lane_end(jetstream->lanes[i]);
    }
}

void jetstream_lanes_flush(struct jetstream *jetstream, unsigned shard)
{
    for (unsigned i = 0; i < jetstream->lane_count; i++) {
        if (jetstream->lanes[i]->shard == shard)
            stream_lane_flush(jetstream->lanes[i]);
    }
}

void jetstream_shard_turn(struct jetstream *jetstream, unsigned shard)
{
    jetstream_lanes_begin(jetstream, shard);
    jetstream_late_turn(jetstream, shard);
    jetstream_lanes_turn(jetstream, shard);
    jetstream_lanes_end(jetstream, shard);
}

/* Home, which waits for that, may have nothing to turn for. */
static void tell_rest(struct jetstream *jetstream, struct stream_lane *lane)
{
    bool idle = stream_lane_idle(lane) && !late_lane_waits(&jetstream->late.lanes[lane->number]);

    if (idle && !lane->rests)
        io_wake(server_io(jetstream->server));
    lane->rests = idle;
}

void jetstream_shard_flush(struct jetstream *jetstream, unsigned shard)
{
    jetstream_lanes_flush(jetstream, shard);
    for (unsigned i = 0; atomic_load(&jetstream->ends) && i < jetstream->lane_count; i++) {
        if (jetstream->lanes[i]->shard == shard)
            tell_rest(jetstream, jetstream->lanes[i]);
    }
}

void jetstream_lanes_rest(struct jetstream *jetstream)
{
    for (unsigned i = 0; i < jetstream->lane_count; i++)
        stream_lane_rest(jetstream->lanes[i]);
}

void jetstream_lanes_drop(struct jetstream *jetstream)
{
    for (unsigned i = 0; i < jetstream->lane_count; i++)
        stream_lane_errands(jetstream->lanes[i], true);
}

bool jetstream_lanes_idle(const struct jetstream *jetstream)
{
    for (unsigned i = 0; i < jetstream->lane_count; i++) {
        if (!stream_lane_idle(jetstream->lanes[i]))
            return false;
    }
    return true;
}

/* ---- other nodes ---------------------------------------------------------------------------- */

void jetstream_lanes_node(struct jetstream *jetstream, uint64_t node, bool up)
{
    groups_node(jetstream->home->groups, node, up);
    for (unsigned i = 1; i < jetstream->lane_count; i++)
        relay_node(jetstream->lanes[i]->relay, node, up);
}

/* Home's passes over what it does not have. */
static struct stream_lane *lane_of_group(const struct jetstream *jetstream, uint64_t group)
{
    const struct catalogue_entry *entry = catalogue_find(&jetstream->catalogue, group);

    return entry != NULL && entry->lane != NULL ? entry->lane : jetstream->home;
}

/* The messages at the frame's beginning that are for the same lane. What is not well formed is for
 * home's, which says so. */
static struct bytes first_part(const struct jetstream *jetstream, struct bytes frame,
                               struct stream_lane **lane)
{
    struct bytes rest = frame;
    uint64_t group;
    size_t size;

    *lane = NULL;
    while (wire_peek(rest, &group, &size)) {
        struct stream_lane *next = lane_of_group(jetstream, group);

        if (*lane != NULL && next != *lane)
            return bytes_of(frame.at, frame.size - rest.size);
        *lane = next;
        rest = bytes_skip(rest, size);
    }
    if (*lane == NULL)
        *lane = jetstream->home;
    return *lane == jetstream->home ? frame : bytes_of(frame.at, frame.size - rest.size);
}

static void receive_part(struct stream_lane *lane, uint64_t node, struct bytes part)
{
    if (lane->relay == NULL)
        groups_received(lane->groups, node, part);
    else
        relay_received(lane->relay, node, part);
}

void jetstream_lanes_received(struct jetstream *jetstream, uint64_t node, struct bytes frame)
{
    struct stream_lane *lane = jetstream->home;

    if (jetstream->lane_count == 1) {
        receive_part(lane, node, frame);
        return;
    }
    while (frame.size > 0) {
        struct bytes part = first_part(jetstream, frame, &lane);

        receive_part(lane, node, part);
        frame = bytes_skip(frame, part.size);
    }
}

void jetstream_lanes_want(struct jetstream *jetstream, uint64_t group)
{
    struct stream_lane *lane = lane_of_group(jetstream, group);

    if (lane->relay == NULL)
        groups_want(lane->groups, group);
    else
        relay_want(lane->relay, group);
}

/* Those of home's shard have it at the beginning of their turn, which is home's. */
void jetstream_lanes_pass(struct jetstream *jetstream)
{
    for (unsigned i = 1; i < jetstream->lane_count; i++) {
        struct stream_lane *lane = jetstream->lanes[i];

        if (lane->relay != NULL && relay_pass(lane->relay) && lane->shard > 0)
            io_wake(lane->io);
    }
}

void jetstream_lanes_send(struct jetstream *jetstream)
{
    for (unsigned i = 1; i < jetstream->lane_count; i++) {
        if (jetstream->lanes[i]->relay != NULL)
            relay_send(jetstream->lanes[i]->relay);
    }
}

/* ---- looking at all of them ----------------------------------------------------------------- */

/* All of them are on one disk, and each looks at it for itself. */
struct store_space jetstream_disk(const struct jetstream *jetstream)
{
    struct store_space all = store_space(jetstream->home->store);

    for (unsigned i = 1; i < jetstream->lane_count; i++) {
        struct store_space one = store_space(jetstream->lanes[i]->store);

        all.scarce = all.scarce || one.scarce;
        if (one.available < all.available)
            all.available = one.available;
    }
    return all;
}

bool jetstream_index_failed(const struct jetstream *jetstream)
{
    for (unsigned i = 0; i < jetstream->lane_count; i++) {
        const struct stream_lane *lane = jetstream->lanes[i];

        if ((lane->shard == 0 || server_shards_still(jetstream->server)) &&
            stream_lane_failed(lane))
            return true;
    }
    return false;
}

struct index_cache jetstream_index_cache(const struct jetstream *jetstream)
{
    struct index_cache all = {.limit = index_limit(jetstream)};

    for (unsigned i = 0; i < jetstream->lane_count; i++) {
        all.held += jetstream->lanes[i]->index_cache.held;
        all.lent += jetstream->lanes[i]->index_cache.lent;
    }
    return all;
}

void jetstream_latencies(const struct jetstream *jetstream, struct jetstream_latencies *latencies)
{
    *latencies = (struct jetstream_latencies){0};
    for (unsigned i = 0; i < jetstream->lane_count; i++) {
        const struct stream_lane *lane = jetstream->lanes[i];

        latency_join(&latencies->streams.committed, &lane->latencies.committed);
        latency_join(&latencies->streams.applied, &lane->latencies.applied);
        latency_join(&latencies->streams.delivered, &lane->latencies.delivered);
        latency_join(&latencies->durable, store_durable_latency(lane->store));
    }
}
