/*
 * jetstream: the store, the catalogue's group and the streams of one server, and their turn.
 *
 * A change of the catalogue is intent first, effect then: the metadata group commits that a stream
 * shall exist (or be so, or go); then the stream's own log says it, and only that changes
 * behaviour. What was interrupted between the two is finished when the stream leads again, found by
 * looking.
 */
#include "server/cluster/cluster.h"
#include "server/jetstream/jetstream_cluster.h"

#include <stdlib.h>

#include "base/heap.h"
#include "server/api/api.h"
#include "server/shards/server_shards.h"

#define ELECTION_NS     INT64_C(250000000) /* heartbeats: a tenth of it */
#define TOLD_ROUNDS_MAX 16u                /* in one turn */

struct server *jetstream_server(struct jetstream *jetstream)
{
    return jetstream->server;
}

struct stream_lane *jetstream_home(struct jetstream *jetstream)
{
    return jetstream->home;
}

bool jetstream_flawed(const struct jetstream *jetstream, uint64_t flaw)
{
    return (server_options(jetstream->server)->sim.jetstream_flaws & flaw) != 0;
}

struct jetstream_stats *jetstream_counters(struct jetstream *jetstream)
{
    return &jetstream->stats;
}

int64_t jetstream_log_now(const struct jetstream *jetstream)
{
    return stream_lane_log_now(jetstream->home);
}

void jetstream_answer(struct jetstream *jetstream, struct account *account, struct bytes to,
                      struct bytes headers, struct bytes payload)
{
    stream_lane_answer(jetstream->home, account, to, headers, payload);
}

bool jetstream_listened(struct jetstream *jetstream, struct account *account, struct bytes subject)
{
    return stream_lane_listened(jetstream->home, account, subject);
}

/* ---- streams -------------------------------------------------------------------------------- */

struct groups *jetstream_groups(struct jetstream *jetstream)
{
    return jetstream->home->groups;
}

bool jetstream_elsewhere(const struct jetstream *jetstream, uint64_t stream_id)
{
    const struct catalogue_entry *entry;

    if (!jetstream_clustered(jetstream)) /* the catalogue is home's */
        return false;
    entry = catalogue_find(&jetstream->catalogue, stream_id);
    return entry != NULL && entry->wished.count > 1;
}

/* What has begun anew never takes part by itself: others may have more, as learners too. When
 * nobody leads it is looked at from outside (jetstream_afresh.c). */
bool jetstream_with_others(const struct jetstream *jetstream, uint64_t stream_id)
{
    (void)stream_id;
    return jetstream_clustered(jetstream);
}

bool jetstream_outdated(const struct jetstream *jetstream, uint64_t stream_id)
{
    const struct catalogue_entry *entry;

    if (!jetstream_clustered(jetstream)) /* a lane asks, perhaps on another thread */
        return !atomic_load(&jetstream->meta_current);
    entry = catalogue_find(&jetstream->catalogue, stream_id);
    if (entry == NULL || entry->held_term != 0)
        return true;
    if (jetstream->away) /* the metadata group is home's */
        return !atomic_load(&jetstream->meta_current);
    return jetstream->meta == NULL || !replica_caught_up(jetstream->meta);
}

bool jetstream_clustered(const struct jetstream *jetstream)
{
    return jetstream->cluster != NULL;
}

uint64_t jetstream_incarnation(const struct jetstream *jetstream)
{
    return jetstream != NULL && jetstream->home->groups != NULL
               ? groups_self(jetstream->home->groups).incarnation
               : 0;
}

struct catalogue_entry *jetstream_entry(struct jetstream *jetstream, struct account *account,
                                        struct bytes name)
{
    return catalogue_named(&jetstream->catalogue, account_name(account), name);
}

struct catalogue_entry *jetstream_entry_of(const struct jetstream *jetstream, uint64_t id)
{
    struct catalogue_entry *entry = catalogue_find(&jetstream->catalogue, id);

    return entry != NULL && !entry->removed ? entry : NULL;
}

uint64_t *jetstream_entry_ids(const struct jetstream *jetstream, struct bytes account,
                              struct arena *arena, size_t *count)
{
    const struct catalogue_entry *first = jetstream->catalogue.first;
    size_t all = 0;
    uint64_t *ids;

    *count = 0;
    for (const struct catalogue_entry *entry = first; entry != NULL; entry = entry->next)
        all++;
    ids = ARENA_ARRAY(arena, uint64_t, all + 1);
    for (const struct catalogue_entry *entry = first; ids != NULL && entry != NULL;
         entry = entry->next)
        if (!entry->removed && bytes_equal(entry->assigned.account, account))
            ids[(*count)++] = entry->assigned.id;
    return ids;
}

struct stream *jetstream_stream(struct jetstream *jetstream, struct account *account,
                                struct bytes name)
{
    struct catalogue_entry *entry = jetstream_entry(jetstream, account, name);

    return entry != NULL && entry->stream != NULL && stream_applied(entry->stream)->configured
               ? entry->stream
               : NULL;
}

static int compare_entries(const void *a, const void *b)
{
    return bytes_compare((*(struct catalogue_entry *const *)a)->config.name,
                         (*(struct catalogue_entry *const *)b)->config.name);
}

struct catalogue_entry *jetstream_entry_next(const struct jetstream *jetstream,
                                             const struct account *account, size_t *at)
{
    struct catalogue_entry *entry;

    while ((entry = table_next(&jetstream->catalogue.by_name, at)) != NULL) {
        if (bytes_equal(entry->assigned.account, account_name(account)))
            return entry;
    }
    return NULL;
}

struct catalogue_entry **jetstream_entries(struct jetstream *jetstream, struct account *account,
                                           struct arena *arena, size_t *count)
{
    struct catalogue_entry **all =
        ARENA_ARRAY(arena, struct catalogue_entry *, jetstream->catalogue.by_name.count + 1);
    struct catalogue_entry *entry;
    size_t found = 0;

    *count = 0;
    if (all == NULL)
        return NULL;
    for (size_t at = 0; (entry = jetstream_entry_next(jetstream, account, &at)) != NULL;)
        all[found++] = entry;
    qsort(all, found, sizeof(struct catalogue_entry *), compare_entries);
    *count = found;
    return all;
}

static bool mirrors(const struct catalogue_entry *entry, const struct account *account,
                    struct bytes name)
{
    const struct stream_source *origin = entry->readable ? entry->config.mirror : NULL;

    return origin != NULL && origin->external == NULL && entry->configured > 0 &&
           bytes_equal(origin->name, name) &&
           bytes_equal(entry->assigned.account, account_name(account));
}

struct catalogue_entry **jetstream_mirrors(struct jetstream *jetstream, struct account *account,
                                           struct bytes name, struct arena *arena, size_t *count)
{
    const struct table *by_name = &jetstream->catalogue.by_name;
    struct catalogue_entry **all, *entry;
    size_t found = 0;

    *count = 0;
    for (size_t at = 0; (entry = table_next(by_name, &at)) != NULL;)
        found += mirrors(entry, account, name);
    all = found > 0 ? ARENA_ARRAY(arena, struct catalogue_entry *, found) : NULL;
    if (all == NULL)
        return NULL;
    for (size_t at = 0; (entry = table_next(by_name, &at)) != NULL;) {
        if (mirrors(entry, account, name))
            all[(*count)++] = entry;
    }
    qsort(all, *count, sizeof(struct catalogue_entry *), compare_entries);
    return all;
}

void jetstream_awake(struct jetstream *jetstream)
{
    stream_lane_awake(jetstream->home);
}

/* ---- opening -------------------------------------------------------------------------------- */

static void apply_all(struct jetstream *jetstream, const struct log_batch *batch)
{
    struct bytes rest = batch->records;

    if (batch->index == 1)
        jetstream_meta_began(jetstream, batch->content);
    if (batch->time_ns > jetstream->time_floor_ns)
        jetstream->time_floor_ns = batch->time_ns;
    for (uint32_t i = 0; i < batch->record_count; i++) {
        struct catalogue_entry *entry = NULL;
        struct record record;

        if (record_peek(rest, &record) != OK)
            break;
        if (!replica_record(record.type) &&
            catalogue_apply(&jetstream->catalogue, &record, &entry) != OK)
            logger_error(server_logger(jetstream->server),
                         "Catalogue: unreadable record of type %u at index %llu", record.type,
                         (unsigned long long)batch->index);
        if (entry != NULL && record.type == CATALOGUE_ASSIGN) /* no earlier life has seen it */
            entry->never_made = jetstream->checked;
        if (entry != NULL) {
            jetstream_quotas_stale(jetstream);
            jetstream_entry_changed(jetstream, entry);
        }
        if (record.type == CATALOGUE_EXPEL)
            jetstream_expelled(jetstream);
        else if (record.type == CATALOGUE_MEMBERS)
            jetstream_cluster_look(jetstream->cluster);
        rest = bytes_skip(rest, record.size);
    }
    jetstream_catalogue_applied(jetstream, batch->index);
}

/* Lanes read the catalogue plainly: it changes while they stand still. */
static void meta_apply(void *owner, const struct log_batch *batch)
{
    struct jetstream *jetstream = owner;
    bool runs = !jetstream->recovering;

    if (runs)
        jetstream_halt(jetstream);
    apply_all(jetstream, batch);
    if (runs)
        jetstream_go_on(jetstream);
}

static void meta_lost(void *owner, uint64_t first, uint64_t last, uint64_t bytes)
{
    struct jetstream *jetstream = owner;

    jetstream->unhealthy = "the catalogue's log is damaged";
    logger_error(server_logger(jetstream->server),
                 "Catalogue: log indexes %llu to %llu (%llu bytes) are damaged on disk",
                 (unsigned long long)first, (unsigned long long)last, (unsigned long long)bytes);
}

static void meta_lead(void *owner, uint64_t term)
{
    struct jetstream *jetstream = owner;

    (void)term;
    jetstream->lead = true;
    if (jetstream->cluster != NULL)
        logger_info(server_logger(jetstream->server),
                    "Self is new JetStream cluster metadata leader");
    jetstream_cluster_look(jetstream->cluster);
    jetstream_awake(jetstream);
}

static void meta_follow(void *owner)
{
    struct jetstream *jetstream = owner;

    jetstream_halt(jetstream); /* who is told so may look at streams */
    jetstream->lead = false;
    jetstream->gone_count = 0;
    jetstream_catalogue_drop(jetstream);
    jetstream_go_on(jetstream);
}

static void meta_refused(void *owner, enum err err)
{
    struct jetstream *jetstream = owner;

    logger_error(server_logger(jetstream->server), "Catalogue: could not write to disk: %s",
                 err_text(err));
    replica_gather_drop(jetstream->meta);
    jetstream_halt(jetstream);
    jetstream_catalogue_refused(jetstream, err);
    jetstream_go_on(jetstream);
}

static bool meta_elsewhere(void *owner)
{
    const struct jetstream *jetstream = owner;

    return server_options(jetstream->server)->cluster.routes_count > 0;
}

static const struct replica_events meta_events = {
    .elsewhere = meta_elsewhere,
    .apply = meta_apply,
    .lost = meta_lost,
    .lead = meta_lead,
    .follow = meta_follow,
    .refused = meta_refused,
    .capture = jetstream_meta_capture,
    .blocked = jetstream_meta_blocked,
    .restore = jetstream_meta_restore,
    .fill = jetstream_meta_fill,
    .told = jetstream_meta_told,
    .fill_drop = jetstream_meta_forget,
    .forget = jetstream_meta_forget,
    .taken = jetstream_meta_taken,
    .once = true, /* a stream that is gone would be made again */
    .asked = jetstream_meta_asked,
};

static enum err make_meta(struct jetstream *jetstream)
{
    struct raft_config members = {.at = {groups_self(jetstream->home->groups)}, .count = 1};
    uint8_t incarnation[16];
    struct buf bootstrap;
    enum err err;

    io_random(server_io(jetstream->server), incarnation, sizeof incarnation);
    buf_init(&bootstrap, 4096);
    members_bootstrap(&bootstrap, incarnation, jetstream_log_now(jetstream), &members);
    err = log_prepare(jetstream->home->store, CATALOGUE_LOG_ID, incarnation, buf_bytes(&bootstrap));
    buf_deinit(&bootstrap);
    return err;
}

enum err jetstream_meta_open(struct jetstream *jetstream)
{
    enum err err;

    jetstream->recovering = true;
    err = replica_open(jetstream->home->groups, CATALOGUE_LOG_ID, &meta_events, jetstream,
                       &jetstream->meta);
    jetstream->recovering = false;
    if (err != OK)
        return err;
    if (replica_time_last(jetstream->meta) > jetstream->time_floor_ns)
        jetstream->time_floor_ns = replica_time_last(jetstream->meta); /* it began with a block */
    jetstream->meta_found = log_appended(replica_log(jetstream->meta));
    jetstream->meta_lacked = !replica_whole(jetstream->meta);
    jetstream_lanes_settle_later(jetstream);
    jetstream_entries_open(jetstream);
    jetstream_lanes_settle(jetstream);
    return OK;
}

static enum err open_meta(struct jetstream *jetstream)
{
    enum err err = jetstream_meta_open(jetstream);

    if (err != ERR_NOT_FOUND)
        return err;
    if (jetstream->cluster != NULL)
        return OK; /* jetstream_form.c begins it when the others are there */
    err = make_meta(jetstream);
    return err == OK ? jetstream_meta_open(jetstream) : err;
}

/* A log on disk that no record of the catalogue explains is set aside, never deleted. */
static void check_log(void *context, uint64_t log_id)
{
    struct stream_lane *lane = context;
    struct jetstream *jetstream = lane->jetstream;

    if (log_id == CATALOGUE_LOG_ID || catalogue_find(&jetstream->catalogue, log_id) != NULL)
        return;
    logger_warn(server_logger(jetstream->server),
                "Log %016llx is in no catalogue: moved to quarantine", (unsigned long long)log_id);
    if (store_quarantine(lane->store, log_id) != OK)
        logger_error(server_logger(jetstream->server), "Log %016llx could not be moved",
                     (unsigned long long)log_id);
}

static void report(void *context, const char *text)
{
    struct jetstream *jetstream = context;

    logger_warn(server_logger(jetstream->server), "Store: %s", text);
}

static bool is_known(void *context, uint64_t log_id)
{
    return log_id == CATALOGUE_LOG_ID ||
           catalogue_find(&((struct jetstream *)context)->catalogue, log_id) != NULL;
}

/* As soon as all that this disk knew of the catalogue is applied: in a cluster its end may have to
 * wait for a leader to say that it is committed, and a log is made only after the record that wants
 * it. A catalogue that has lost something explains nothing until it has everything again: its log
 * is whole before what came is known to be committed. */
static bool is_known_again(struct jetstream *jetstream)
{
    const struct replica *meta = jetstream->meta;

    if (meta == NULL || !replica_whole(meta))
        return false;
    if (jetstream->meta_lacked) {
        jetstream->meta_lacked = false;
        jetstream->meta_found = replica_proposed(meta);
    }
    return replica_applied(meta) >= jetstream->meta_found;
}

static void check_lane(struct stream_lane *lane)
{
    struct jetstream *jetstream = lane->jetstream;

    store_votes_select(lane->store, is_known, jetstream);
    if (store_list(lane->store, check_log, lane) != OK)
        logger_error(server_logger(jetstream->server),
                     "Logs that are in no catalogue could not be looked for");
}

static void check_logs(struct jetstream *jetstream)
{
    bool known = is_known_again(jetstream);

    if (jetstream->checked || jetstream->meta == NULL ||
        (!known && !jetstream_flawed(jetstream, JETSTREAM_FLAW_QUARANTINE_EARLY)))
        return;
    jetstream->checked = true;
    if (jetstream->unhealthy == NULL) { /* a damaged catalogue explains nothing */
        for (unsigned i = 0; i < jetstream->lane_count; i++)
            check_lane(jetstream->lanes[i]);
    }
    jetstream_entries_make(jetstream);
}

/* Who this node is among replicas: its name, and the life of its disk. */
static void open_groups(struct jetstream *jetstream)
{
    struct bytes name = bytes_of_text(server_name(jetstream->server));
    struct groups_options options = {
        .self = {.node = cluster_node_id(name)},
        .transport = jetstream_cluster_transport(jetstream->cluster),
        .election_ns = ELECTION_NS,
        .block_bytes = server_options(jetstream->server)->sim.block_bytes,
        .wakes = server_options(jetstream->server)->sim.wakes,
        .seed = prng_next(server_prng(jetstream->server)),
        .flaws = server_options(jetstream->server)->sim.raft_flaws,
        .replica_flaws = server_options(jetstream->server)->sim.replica_flaws,
        .report = report,
        .report_context = jetstream,
    };

    memcpy(&options.self.incarnation, store_id(jetstream->home->store),
           sizeof options.self.incarnation);
    jetstream_lanes_join(jetstream, options);
}

/* As the store takes it. */
static uint64_t disk_reserve(const struct jetstream_options *options)
{
    if (options->disk_reserve < 0)
        return 0;
    return options->disk_reserve == 0 ? UINT64_MAX : (uint64_t)options->disk_reserve;
}

/* A name that is not configured is another one at each start. */
static const char *owner_of(const struct options *options)
{
    return options->cluster.configured && options->server_name[0] != 0 ? options->server_name
                                                                       : NULL;
}

/* Then it has the identity of a disk that may have voted since (docs/backup.md). */
static bool was_restored(const struct jetstream *jetstream)
{
    struct io *io = server_io(jetstream->server);
    struct io_file *file;
    enum err err = io_open(io, "millrace/restored", IO_READ, &file);

    if (err == OK)
        io_close(io, file);
    return err != ERR_NOT_FOUND; /* what cannot be read may say so */
}

static enum err open_all(struct jetstream *jetstream)
{
    struct logger *logger = server_logger(jetstream->server);
    const struct options *server = server_options(jetstream->server);
    struct store_options options = {
        .segment_size = server->sim.segment_size,
        .journal_file_size = server->sim.journal_file_size,
        .journal_batch_max = server->sim.journal_batch_max,
        .ahead_min = server->sim.ahead_min,
        .reserve = disk_reserve(&server->jetstream_options),
        .owner = owner_of(server),
        .flaws = server->sim.store_flaws,
        .report = report,
        .report_context = jetstream,
    };
    struct store_error error = {0};
    enum err err = jetstream_lanes_open(jetstream, &options, &error);

    if (err != OK) {
        logger_fatal(logger, "Can't start JetStream in \"%s/millrace\": %s",
                     server_options(jetstream->server)->store_dir,
                     error.text[0] ? error.text : err_text(err));
        return err;
    }
    jetstream->cluster = jetstream_cluster_create(jetstream);
    if (jetstream->cluster != NULL && was_restored(jetstream)) {
        logger_fatal(logger,
                     "Can't start JetStream in \"%s/millrace\": it was restored from a backup and "
                     "stands alone, it can be no member of a cluster (docs/backup.md)",
                     server_options(jetstream->server)->store_dir);
        return ERR_INVALID;
    }
    open_groups(jetstream);
    err = open_meta(jetstream);
    if (err != OK) {
        logger_fatal(logger, "Can't start JetStream: the catalogue could not be opened: %s",
                     err_text(err));
        return err;
    }
    check_logs(jetstream);
    return OK;
}

enum err jetstream_open(struct server *server, struct jetstream **out)
{
    struct jetstream *jetstream = HEAP_NEW(struct jetstream);
    enum err err;

    jetstream->server = server;
    buf_init(&jetstream->beginning, 64u << 10);
    catalogue_init(&jetstream->catalogue, prng_next(server_prng(server)));
    jetstream->op_timer.fire = jetstream_catalogue_op_due;
    jetstream->spread_timer.fire = jetstream_spread_fired;
    jetstream->again.fire = jetstream_entries_again;
    jetstream_late_init(jetstream);
    jetstream_spaces_init(jetstream);
    jetstream_lanes_init(jetstream);
    jetstream_spaces_make(jetstream);
    jetstream_quotas_configured(jetstream);
    logger_info(server_logger(server), "Starting JetStream");
    err = open_all(jetstream);
    if (err != OK) {
        jetstream_close(jetstream);
        return err;
    }
    log_time_raise(&jetstream->log_time, jetstream->time_floor_ns);
    jetstream->api = api_create(jetstream);
    jetstream_spaces_serve(jetstream);
    jetstream_scrub_begin(jetstream);
    jetstream_directory_begin(jetstream);
    jetstream_say_started(jetstream);
    *out = jetstream;
    return OK;
}

void jetstream_close(struct jetstream *jetstream)
{
    jetstream_lanes_rest(jetstream);
    (void)jetstream_told_take(jetstream); /* streams that have been opened are to be closed */
    jetstream_grow_drop(jetstream);
    jetstream_catalogue_free(jetstream);
    jetstream_entries_close(jetstream);
    jetstream_lanes_drop(jetstream);
    (void)jetstream_told_take(jetstream); /* who waits is told so */
    if (jetstream->cluster != NULL)
        jetstream_cluster_destroy(jetstream->cluster);
    jetstream->cluster = NULL;
    if (jetstream->meta != NULL)
        replica_forget(jetstream->meta);
    if (jetstream->api != NULL)
        api_destroy(jetstream->api);
    jetstream_lanes_deinit(jetstream);
    jetstream_anew_free(jetstream);
    timers_cancel(io_timers(server_io(jetstream->server)), &jetstream->op_timer);
    timers_cancel(io_timers(server_io(jetstream->server)), &jetstream->again);
    jetstream_scrub_end(jetstream);
    jetstream_directory_end(jetstream);
    catalogue_deinit(&jetstream->catalogue);
    jetstream_spaces_deinit(jetstream);
    buf_deinit(&jetstream->beginning);
    heap_give(jetstream);
}

/* ---- the turn ------------------------------------------------------------------------------- */

/* As a stream may ask at any time. */
static void look_at_meta(struct jetstream *jetstream)
{
    bool current = jetstream->meta != NULL && replica_caught_up(jetstream->meta);

    if (atomic_load(&jetstream->meta_current) != current)
        atomic_store(&jetstream->meta_current, current);
}

/* Is there anything in this turn that may have to do with streams of other shards' lanes? */
static bool has_business(const struct jetstream *jetstream)
{
    return !jetstream->checked || jetstream_told_any(jetstream) || api_waits(jetstream->api) ||
           jetstream_catalogue_busy(jetstream) || jetstream_cluster_busy(jetstream->cluster);
}

void jetstream_hold_still(struct jetstream *jetstream)
{
    if (jetstream->still || !jetstream->away)
        return;
    jetstream->still = true;
    jetstream_halt(jetstream);
}

/* What home has answered is on its way before lanes go on with what follows from it. */
static void let_go(struct jetstream *jetstream)
{
    if (!jetstream->still)
        return;
    server_shards_flush(jetstream->server);
    jetstream_go_on(jetstream);
    jetstream->still = false;
}

static bool take_told(struct jetstream *jetstream)
{
    if (!jetstream_told_any(jetstream))
        return false;
    jetstream_hold_still(jetstream);
    return jetstream_told_take(jetstream);
}

/* What one tells may be for another, or an operation that is to begin now. What is told last waits
 * for the next turn. */
static void turn_lanes(struct jetstream *jetstream)
{
    jetstream_lanes_turn(jetstream, 0);
    for (unsigned i = 0; i < TOLD_ROUNDS_MAX && take_told(jetstream); i++)
        jetstream_lanes_turn(jetstream, 0);
}

/* What was published before a request, to a stream of whatever shard, is there before it is run. */
static void begin_business(struct jetstream *jetstream)
{
    jetstream_hold_still(jetstream);
    if (api_waits(jetstream->api))
        (void)server_shards_settle(jetstream->server);
}

void jetstream_turn(struct jetstream *jetstream)
{
    jetstream_grow_turn(jetstream);
    if (jetstream->lane_count > 1)
        jetstream_lanes_pass(jetstream);
    if (jetstream->away) /* before others stand still for it */
        jetstream_late_turn(jetstream, 0);
    if (jetstream->away && has_business(jetstream))
        begin_business(jetstream);
    if (jetstream->away || !jetstream_clustered(jetstream))
        look_at_meta(jetstream);
    jetstream_lanes_begin(jetstream, 0);
    (void)take_told(jetstream); /* by what has come since the last turn */
    jetstream_spaces_look(jetstream);
    jetstream_cluster_turn(jetstream->cluster);
    check_logs(jetstream);
    jetstream->late.heard = false;
    api_turn(jetstream->api);
    if (!jetstream->away)
        jetstream_late_turn(jetstream, 0);
    jetstream_catalogue_turn(jetstream);
    turn_lanes(jetstream);
    jetstream_catalogue_turn(jetstream); /* what the streams finished */
    jetstream_lanes_end(jetstream, 0);
    let_go(jetstream);
    if (jetstream_catalogue_waits(jetstream) || api_waits(jetstream->api) ||
        jetstream->late.heard) /* a request may wait for that one */
        jetstream_awake(jetstream);
}

void jetstream_flush(struct jetstream *jetstream)
{
    jetstream_lanes_flush(jetstream, 0);
    if (jetstream->lane_count == 1)
        return;
    jetstream_lanes_pass(jetstream); /* what this turn wants */
    jetstream_lanes_send(jetstream);
}

bool jetstream_say_shutdown(struct jetstream *jetstream)
{
    bool any = false;

    jetstream_halt(jetstream);
    for (struct catalogue_entry *entry = jetstream->catalogue.first; entry != NULL;
         entry = entry->next) {
        if (entry->stream != NULL)
            any = stream_say_shutdown(entry->stream) || any;
    }
    jetstream_go_on(jetstream);
    atomic_store(&jetstream->ends, true);
    return any;
}

bool jetstream_idle(const struct jetstream *jetstream)
{
    return jetstream_lanes_idle(jetstream) && jetstream->preparations == NULL &&
           jetstream->preparation_jobs == NULL && jetstream->removals == 0 &&
           !jetstream_late_waits(jetstream) && api_idle(jetstream->api) &&
           (jetstream->scrub.step == NULL || !jetstream->scrub.step->reading);
}

void jetstream_stats(const struct jetstream *jetstream, struct jetstream_stats *stats)
{
    *stats = jetstream->stats;
    stats->accounts = jetstream->spaces.count;
    for (struct catalogue_entry *entry = jetstream->catalogue.first; entry != NULL;
         entry = entry->next) {
        struct stream *stream = entry->stream;

        if (stream == NULL)
            continue;
        stats->streams++;
        stats->consumers += stream_consumer_count(stream);
        stats->messages += stream_state_messages(stream_applied(stream));
        stats->bytes += stream_state_bytes(stream_applied(stream));
    }
}
