/*
 * jetstream: the store, the catalogue's group and the streams of one server, and their turn.
 *
 * A change of the catalogue is intent first, effect then: the metadata group commits that a stream shall
 * exist (or be so, or go); then the stream's own log says it, and only that changes behaviour. What was
 * interrupted between the two is finished when the stream leads again, found by looking.
 */
#include "server/jetstream_priv.h"

#include <stdlib.h>

#include "base/heap.h"
#include "server/api/api.h"

#define ROUNDS_MAX 16 /* of marked streams in one turn; what is left waits for the next */

struct server *jetstream_server(struct jetstream *jetstream)
{
    return jetstream->server;
}

struct store *jetstream_store(struct jetstream *jetstream)
{
    return jetstream->store;
}

struct arena *jetstream_arena(struct jetstream *jetstream)
{
    return &jetstream->arena;
}

struct jetstream_stats *jetstream_counters(struct jetstream *jetstream)
{
    return &jetstream->stats;
}

int64_t jetstream_log_now(const struct jetstream *jetstream)
{
    struct io *io = server_io(jetstream->server);
    /* The clock is a cache of the turn's time: asking twice in a turn changes nothing. */
    struct log_clock *clock = (struct log_clock *)&jetstream->clock;

    return log_clock_read(clock, io_now(io), io_wall(io));
}

uint8_t *jetstream_read_buffer(struct jetstream *jetstream, size_t size)
{
    buf_clear(&jetstream->read_buffer);
    return buf_reserve(&jetstream->read_buffer, size);
}

void jetstream_answer(struct jetstream *jetstream, struct account *account, struct bytes to,
                      struct bytes headers, struct bytes payload)
{
    struct message message = {.subject = to, .headers = headers, .payload = payload};

    if (to.size > 0)
        (void)router_publish(server_router(jetstream->server), account, &message);
}

bool jetstream_listened(struct jetstream *jetstream, struct account *account, struct bytes subject)
{
    return router_interest(server_router(jetstream->server), account, subject);
}

/* ---- streams --------------------------------------------------------------------------------------- */

struct stream *jetstream_stream(struct jetstream *jetstream, struct account *account, struct bytes name)
{
    const struct space *space = jetstream_space(jetstream, account);

    return space != NULL ? table_find(&space->streams, name) : NULL;
}

static int compare_streams(const void *a, const void *b)
{
    return bytes_compare(stream_name(*(struct stream *const *)a), stream_name(*(struct stream *const *)b));
}

struct stream **jetstream_streams(struct jetstream *jetstream, struct account *account,
                                  struct arena *arena, size_t *count)
{
    const struct space *space = jetstream_space(jetstream, account);
    struct stream **all;
    struct stream *stream;
    size_t found = 0;

    *count = 0;
    if (space == NULL)
        return NULL;
    all = ARENA_ARRAY(arena, struct stream *, space->streams.count + 1);
    if (all == NULL)
        return NULL;
    for (size_t at = 0; (stream = table_next(&space->streams, &at)) != NULL;) {
        if (stream_applied(stream)->configured)
            all[found++] = stream;
    }
    qsort(all, found, sizeof *all, compare_streams);
    *count = found;
    return all;
}

void jetstream_mark(struct jetstream *jetstream, struct stream *stream)
{
    stream_link_dirty(stream, &jetstream->dirty);
    jetstream_awake(jetstream);
}

/* Something is to be done: do not let the loop sleep over it. */
void jetstream_awake(struct jetstream *jetstream)
{
    struct io *io = server_io(jetstream->server);

    if (!timer_armed(&jetstream->awake) && !jetstream->turning)
        timers_arm(io_timers(io), &jetstream->awake, io_now(io));
}

static void awake_fired(struct timer *timer)
{
    (void)timer; /* its only purpose is that the loop turns */
}

struct stream *jetstream_stream_open(struct jetstream *jetstream, struct account *account,
                                     uint64_t id, struct bytes name, enum err *err)
{
    struct stream *stream = stream_open(jetstream, account, id, name, err);

    if (stream != NULL)
        table_add(&jetstream_space(jetstream, account)->streams, stream);
    return stream;
}

void jetstream_stream_close(struct jetstream *jetstream, struct stream *stream, bool deleted)
{
    struct space *space = jetstream_space(jetstream, stream_account(stream));

    (void)table_remove(&space->streams, stream_name(stream));
    stream_unlink_dirty(stream, &jetstream->dirty);
    stream_close(stream, deleted);
}

/* ---- opening ----------------------------------------------------------------------------------------- */

static void meta_apply(void *owner, const struct log_batch *batch)
{
    struct jetstream *jetstream = owner;
    struct bytes rest = batch->records;

    if (batch->time_ns > jetstream->time_floor_ns)
        jetstream->time_floor_ns = batch->time_ns;
    for (uint32_t i = 0; i < batch->record_count; i++) {
        struct record record;

        if (record_peek(rest, &record) != OK)
            break;
        if (record.type != REPLICA_RECORD_TERM && catalogue_apply(&jetstream->catalogue, &record) != OK)
            logger_error(server_logger(jetstream->server),
                         "Catalogue: unreadable record of type %u at index %llu", record.type,
                         (unsigned long long)batch->index);
        rest = bytes_skip(rest, record.size);
    }
    jetstream_catalogue_applied(jetstream, batch->index);
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
    jetstream_awake(jetstream);
}

static void meta_refused(void *owner, enum err err)
{
    struct jetstream *jetstream = owner;

    logger_error(server_logger(jetstream->server), "Catalogue: could not write to disk: %s", err_text(err));
    replica_gather_drop(jetstream->meta);
    jetstream_catalogue_refused(jetstream, err);
}

static const struct replica_events meta_events = {
    .apply = meta_apply,
    .lost = meta_lost,
    .lead = meta_lead,
    .refused = meta_refused,
};

static enum err open_meta(struct jetstream *jetstream)
{
    enum err err = replica_open(jetstream->store, CATALOGUE_LOG_ID, &meta_events, jetstream, &jetstream->meta);
    uint8_t incarnation[16];

    if (err != ERR_NOT_FOUND)
        return err;
    io_random(server_io(jetstream->server), incarnation, sizeof incarnation);
    err = log_prepare(jetstream->store, CATALOGUE_LOG_ID, incarnation);
    if (err != OK)
        return err;
    return replica_open(jetstream->store, CATALOGUE_LOG_ID, &meta_events, jetstream, &jetstream->meta);
}

static bool name_of(struct jetstream *jetstream, struct bytes json, struct bytes *name)
{
    struct stream_config config = {0};

    if (stream_config_decode(json, &jetstream->arena, &config) != OK)
        return false;
    *name = config.name;
    return true;
}

static void open_stream(struct jetstream *jetstream, struct catalogue_entry *entry)
{
    struct account *account =
        router_account(server_router(jetstream->server), entry->account);
    uint8_t incarnation[16];
    struct bytes name;
    struct stream *stream;
    enum err err;

    if (!name_of(jetstream, entry->json, &name)) {
        jetstream->unhealthy = "the config of a stream is unreadable";
        logger_error(server_logger(jetstream->server), "Stream %llu: unreadable config in the catalogue",
                     (unsigned long long)entry->id);
        return;
    }
    if (account == NULL || !jetstream_serves(jetstream, account)) {
        entry->offline = heap_copy(name);
        logger_warn(server_logger(jetstream->server),
                    "Stream '%.*s' stays closed: JetStream is not enabled for account '%.*s'",
                    BYTES_ARG(name), BYTES_ARG(entry->account));
        arena_reset(&jetstream->arena);
        return;
    }
    stream = jetstream_stream_open(jetstream, account, entry->id, name, &err);
    if (stream == NULL && err == ERR_NOT_FOUND) { /* its creation was interrupted before its log was made */
        io_random(server_io(jetstream->server), incarnation, sizeof incarnation);
        err = log_prepare(jetstream->store, entry->id, incarnation);
        if (err == OK)
            stream = jetstream_stream_open(jetstream, account, entry->id, name, &err);
    }
    if (stream == NULL) {
        jetstream->unhealthy = "a stream could not be opened";
        entry->offline = heap_copy(name); /* its name stays taken */
        logger_error(server_logger(jetstream->server), "Stream '%.*s' could not be opened: %s",
                     BYTES_ARG(name), err_text(err));
    } else if (stream_applied(stream)->log_time_ns > jetstream->time_floor_ns) {
        jetstream->time_floor_ns = stream_applied(stream)->log_time_ns;
    }
    arena_reset(&jetstream->arena);
}

/* A log on disk that no record of the catalogue explains is set aside, never deleted. */
static void check_log(void *context, uint64_t log_id)
{
    struct jetstream *jetstream = context;

    if (log_id == CATALOGUE_LOG_ID || catalogue_find(&jetstream->catalogue, log_id) != NULL)
        return;
    logger_warn(server_logger(jetstream->server),
                "Log %016llx is in no catalogue: moved to quarantine", (unsigned long long)log_id);
    if (store_quarantine(jetstream->store, log_id) != OK)
        logger_error(server_logger(jetstream->server), "Log %016llx could not be moved",
                     (unsigned long long)log_id);
}

static void report(void *context, const char *text)
{
    struct jetstream *jetstream = context;

    logger_warn(server_logger(jetstream->server), "Store: %s", text);
}

static enum err open_all(struct jetstream *jetstream)
{
    struct logger *logger = server_logger(jetstream->server);
    struct store_options options = {
        .flaws = server_options(jetstream->server)->store_flaws,
        .report = report,
        .report_context = jetstream,
    };
    struct store_error error = {0};
    enum err err = store_open(server_io(jetstream->server), "millrace", &options, &jetstream->store, &error);

    if (err != OK) {
        logger_fatal(logger, "Can't start JetStream in \"%s/millrace\": %s", server_options(jetstream->server)->store_dir,
                     error.text[0] ? error.text : err_text(err));
        return err;
    }
    err = open_meta(jetstream);
    if (err != OK) {
        logger_fatal(logger, "Can't start JetStream: the catalogue could not be opened: %s", err_text(err));
        return err;
    }
    for (struct catalogue_entry *entry = jetstream->catalogue.first; entry != NULL; entry = entry->next) {
        if (entry->removed)
            jetstream_remove_files(jetstream, entry->id);
        else
            open_stream(jetstream, entry);
    }
    if (jetstream->unhealthy == NULL && /* a damaged catalogue explains nothing */
        store_list(jetstream->store, check_log, jetstream) != OK)
        logger_error(logger, "Logs that are in no catalogue could not be looked for");
    return OK;
}

enum err jetstream_open(struct server *server, struct jetstream **out)
{
    struct jetstream *jetstream = HEAP_NEW(struct jetstream);
    struct io *io = server_io(server);
    enum err err;

    jetstream->server = server;
    jetstream->awake.fire = awake_fired;
    arena_init(&jetstream->arena, 256u << 20);
    buf_init(&jetstream->read_buffer, RECORD_SIZE_MAX + 4096);
    catalogue_init(&jetstream->catalogue);
    jetstream_spaces_init(jetstream);
    jetstream_spaces_make(jetstream);
    logger_info(server_logger(server), "Starting JetStream");
    log_clock_init(&jetstream->clock, io_now(io), io_wall(io), 0);
    err = open_all(jetstream);
    if (err != OK) {
        jetstream_close(jetstream);
        return err;
    }
    log_clock_init(&jetstream->clock, io_now(io), io_wall(io), jetstream->time_floor_ns);
    jetstream->api = api_create(jetstream);
    jetstream_spaces_serve(jetstream);
    logger_info(server_logger(server), "---------------- JETSTREAM ----------------");
    logger_info(server_logger(server), "  Store Directory: \"%s/millrace\"", server_options(server)->store_dir);
    logger_info(server_logger(server), "-------------------------------------------");
    *out = jetstream;
    return OK;
}

static void close_streams(struct jetstream *jetstream)
{
    struct space *space;
    struct stream *stream;

    for (size_t at = 0; (space = table_next(&jetstream->spaces, &at)) != NULL;) {
        size_t first = 0;

        while ((stream = table_next(&space->streams, &first)) != NULL) {
            jetstream_stream_close(jetstream, stream, false);
            first = 0;
        }
    }
}

void jetstream_close(struct jetstream *jetstream)
{
    jetstream->turning = true; /* nothing arms the loop any more */
    jetstream_catalogue_drop(jetstream);
    close_streams(jetstream);
    if (jetstream->api != NULL)
        api_destroy(jetstream->api);
    if (jetstream->meta != NULL)
        replica_forget(jetstream->meta);
    if (jetstream->store != NULL)
        store_forget(jetstream->store); /* an end is like a crash: what was answered is on disk */
    timers_cancel(io_timers(server_io(jetstream->server)), &jetstream->awake);
    jetstream_spaces_deinit(jetstream);
    catalogue_deinit(&jetstream->catalogue);
    buf_deinit(&jetstream->read_buffer);
    arena_deinit(&jetstream->arena);
    heap_give(jetstream);
}

/* ---- the turn ------------------------------------------------------------------------------------------ */

static void streams_turn(struct jetstream *jetstream)
{
    for (int round = 0; round < ROUNDS_MAX && jetstream->dirty != NULL; round++) {
        struct stream *list = jetstream->dirty;

        jetstream->dirty = NULL;
        while (list != NULL) {
            struct stream *stream = list;

            list = stream_pop_dirty(stream);
            stream_turn(stream);
        }
    }
}

/* Who listens has changed: push consumers start and stop with it. */
static void look_for_interest(struct jetstream *jetstream)
{
    struct space *space;
    struct stream *stream;

    for (size_t at = 0; (space = table_next(&jetstream->spaces, &at)) != NULL;) {
        uint64_t generation = account_generation(space->account);

        if (generation == space->interest_generation)
            continue;
        space->interest_generation = generation;
        for (size_t n = 0; (stream = table_next(&space->streams, &n)) != NULL;)
            stream_interest_changed(stream);
    }
}

void jetstream_turn(struct jetstream *jetstream)
{
    jetstream->turning = true;
    look_for_interest(jetstream);
    api_turn(jetstream->api);
    jetstream_catalogue_turn(jetstream);
    streams_turn(jetstream);
    jetstream_catalogue_turn(jetstream); /* what the streams finished */
    if (jetstream->read_buffer.capacity > (1u << 20))
        buf_release(&jetstream->read_buffer);
    arena_reset(&jetstream->arena);
    jetstream->turning = false;
    if (jetstream->dirty != NULL || jetstream_catalogue_waits(jetstream))
        jetstream_awake(jetstream);
}

void jetstream_flush(struct jetstream *jetstream)
{
    store_flush(jetstream->store);
}

bool jetstream_idle(const struct jetstream *jetstream)
{
    return jetstream->dirty == NULL && jetstream->preparation == NULL && jetstream->removals == 0 &&
           store_idle(jetstream->store);
}

void jetstream_stats(const struct jetstream *jetstream, struct jetstream_stats *stats)
{
    const struct space *space;
    struct stream *stream;

    *stats = jetstream->stats;
    for (size_t at = 0; (space = table_next(&jetstream->spaces, &at)) != NULL;) {
        stats->accounts++;
        stats->streams += space->streams.count;
        for (size_t n = 0; (stream = table_next(&space->streams, &n)) != NULL;) {
            stats->consumers += stream_consumer_count(stream);
            stats->messages += stream_state_messages(stream_applied(stream));
            stats->bytes += stream_state_bytes(stream_applied(stream));
        }
    }
}

const char *jetstream_unhealthy(const struct jetstream *jetstream)
{
    return jetstream->unhealthy;
}
