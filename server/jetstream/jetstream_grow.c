/*
 * jetstream_grow: lanes that are made while the server runs, one for each shard that was begun
 * because the others are busy (docs/shards.md), and which lane a new stream goes to.
 *
 * The new shard's thread makes the lane's directory and journal; nobody stops for that. Then home
 * counts the lane in the node file, and only for linking it do the others stand still. A lane that
 * was made and not counted is empty, and is taken over by whoever makes one of its number.
 */
#include "base/heap.h"
#include "server/jetstream/jetstream_priv.h"
#include "server/server_priv.h"
#include "server/shards/server_shards.h"
#include "server/stream/flaws.h"

struct lane_making {
    struct jetstream *jetstream;
    unsigned number, shard;
    struct io *io; /* the shard's */
    struct store *store;
    struct store_error error;
    enum err err;
};

/* ---- making --------------------------------------------------------------------------------- */

/* The server ends. */
static void drop(void *of)
{
    struct lane_making *making = of;

    if (making->store != NULL)
        store_forget(making->store);
    heap_give(making);
}

static void made(void *of)
{
    struct lane_making *making = of;

    making->jetstream->growing.made = making;
    jetstream_awake(making->jetstream);
}

/* On the shard's thread. */
static void make(void *of)
{
    struct lane_making *making = of;
    struct jetstream *jetstream = making->jetstream;

    making->err = store_lane(jetstream->home->store, making->io, making->number, &making->store,
                             &making->error);
    server_shard_call(jetstream->server, making->shard, 0, (struct shard_call){made, drop}, making);
}

static bool may_grow(const struct jetstream *jetstream)
{
    return jetstream->cluster == NULL && !jetstream->growing.under_way &&
           !server_options(jetstream->server)->sim.lanes_home &&
           jetstream->lane_count <= STORE_LANES_MAX;
}

static bool has_lane(const struct jetstream *jetstream, unsigned shard)
{
    for (unsigned i = 0; i < jetstream->lane_count; i++) {
        if (jetstream->lanes[i]->shard == shard)
            return true;
    }
    return false;
}

/* One after the other: a shard is tried once. */
void jetstream_shard_begun(struct jetstream *jetstream)
{
    struct lane_making *making;
    unsigned shard = jetstream->growing.tried + 1;

    while (shard < server_shards_count(jetstream->server) && has_lane(jetstream, shard))
        shard++;
    if (shard >= server_shards_count(jetstream->server) || !may_grow(jetstream))
        return;
    jetstream->growing.tried = shard;
    jetstream->growing.under_way = true;
    making = HEAP_NEW(struct lane_making);
    making->jetstream = jetstream;
    making->number = jetstream->lane_count;
    making->shard = shard;
    making->io = server_shard_io(jetstream->server, shard);
    server_shard_call(jetstream->server, 0, shard, (struct shard_call){make, drop}, making);
}

static void link_lane(struct jetstream *jetstream, const struct lane_making *making)
{
    server_shards_halt(jetstream->server);
    jetstream_lanes_add(jetstream, making->shard, making->store);
    server_shards_go_on(jetstream->server);
    logger_info(server_logger(jetstream->server),
                "Lane %u is made: new streams may be turned by shard %u", making->number,
                making->shard);
}

/* Nothing of its store is under way; its shard stands still, on whose loop it was opened. */
static void do_without(struct jetstream *jetstream, struct lane_making *making, enum err err)
{
    logger_warn(server_logger(jetstream->server), "Store: a further lane can not be made: %s",
                making->error.text[0] ? making->error.text : err_text(err));
    if (making->store == NULL)
        return;
    server_shards_halt(jetstream->server);
    store_forget(making->store);
    server_shards_go_on(jetstream->server);
}

static bool forgets_to_count(const struct jetstream *jetstream)
{
    return (server_options(jetstream->server)->sim.stream_flaws & STREAM_FLAW_LANE_UNCOUNTED) != 0;
}

void jetstream_grow_turn(struct jetstream *jetstream)
{
    struct lane_making *making = jetstream->growing.made;
    enum err err;

    if (making == NULL || jetstream->directory.looking) /* which may make home's node file anew */
        return;
    jetstream->growing.made = NULL;
    jetstream->growing.under_way = false;
    err = making->err;
    if (err == OK && !forgets_to_count(jetstream))
        err = store_lanes_set(jetstream->home->store, making->number);
    if (err == OK)
        link_lane(jetstream, making);
    else
        do_without(jetstream, making, err);
    heap_give(making);
    jetstream_shard_begun(jetstream); /* others may have been begun meanwhile */
}

void jetstream_grow_drop(struct jetstream *jetstream)
{
    if (jetstream->growing.made != NULL)
        drop(jetstream->growing.made);
    jetstream->growing.made = NULL;
}

/* ---- which lane a new stream goes to -------------------------------------------------------- */

#define COUNT_NS INT64_C(1000000000) /* between two counts of what is in them */

static void count_streams(struct jetstream *jetstream)
{
    struct jetstream_places *places = &jetstream->places;

    for (unsigned i = 0; i < jetstream->lane_count; i++)
        places->at[i] = (struct shard_place){.shard = jetstream->lanes[i]->shard};
    for (const struct catalogue_entry *entry = jetstream->catalogue.first; entry != NULL;
         entry = entry->next) {
        if (entry->lane != NULL && !entry->removed)
            places->at[entry->lane->number].streams++;
    }
}

static void look_at_places(struct jetstream *jetstream)
{
    struct jetstream_places *places = &jetstream->places;
    int64_t now_ns = io_now(server_io(jetstream->server));

    if (places->count == jetstream->lane_count && now_ns - places->counted_ns < COUNT_NS)
        return;
    places->counted_ns = now_ns;
    places->count = jetstream->lane_count;
    count_streams(jetstream);
}

struct stream_lane *jetstream_lane_for_new(struct jetstream *jetstream)
{
    struct jetstream_places *places = &jetstream->places;
    struct shard_loads loads;
    unsigned to;

    server_shards_loads(jetstream->server, &loads);
    if (shard_wanted_for_stream(&loads))
        jetstream->growing.wanted = true;
    if (jetstream->lane_count == 1)
        return jetstream->home;
    look_at_places(jetstream);
    to = shard_place_for_stream(&loads, places->at, places->count);
    places->at[to].streams++;
    places->at[to].lately++;
    return jetstream->lanes[to];
}

bool jetstream_wants_shard(struct jetstream *jetstream)
{
    bool wanted = jetstream->growing.wanted && may_grow(jetstream);

    jetstream->growing.wanted = false;
    return wanted;
}
