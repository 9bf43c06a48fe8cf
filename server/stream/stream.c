#include "base/heap.h"
#include "server/api/api.h"
#include "server/stream/flaws.h"
#include "server/stream/stream_priv.h"
#include "storage/batch.h"

#define REFUSALS_TOLD_NS INT64_C(1000000000)

struct io *stream_io(const struct stream *stream)
{
    return stream->lane->io;
}

struct router *stream_router(const struct stream *stream)
{
    return stream->lane->router;
}

bool stream_failed(const struct stream *stream)
{
    return index_failed(stream->state.index);
}

void stream_publish(struct stream *stream, const struct message *message)
{
    if (!stream_failed(stream))
        (void)router_publish(stream_router(stream), stream->account, message);
}

void stream_answer(struct stream *stream, struct bytes to, struct bytes headers,
                   struct bytes payload)
{
    if (!stream_failed(stream))
        stream_lane_answer(stream->lane, stream->account, to, headers, payload);
}

/* ---- replica events: what is committed comes here, in log order ----------------------------- */

static enum err apply_effect(struct stream *stream, const struct effect *effect, log_place place,
                             uint32_t record_size, struct apply_result *result)
{
    enum err err;

    stream->applying = effect->type == EFFECT_MESSAGE ? effect : NULL;
    err = stream_state_apply(&stream->state, effect, place, record_size, result);
    stream->applying = NULL;
    return err;
}

static void apply_record(struct stream *stream, const struct log_batch *batch,
                         const struct record *record, log_place place)
{
    struct effect effect;
    struct apply_result result = {0};

    if (replica_record(record->type))
        return;
    if (record->type >= CONSUMER_RECORD_FIRST && record->type <= CONSUMER_RECORD_LAST) {
        if (stream_consumer_record(stream, record) != OK)
            logger_warn(server_logger(jetstream_server(stream->jetstream)),
                        "Stream '%.*s': unreadable consumer record at index %llu",
                        BYTES_ARG(stream->name), (unsigned long long)batch->index);
        effect = (struct effect){.type = record->type};
        if (record->type == CONSUMER_RECORD_RESET && stream->ops_flying.count > 0)
            stream_operation_applied(stream, &effect, &result);
        return;
    }
    stream->purging = record->type == EFFECT_PURGE;
    if (effect_read(record, &effect) != OK ||
        apply_effect(stream, &effect, place, record->size, &result) != OK) {
        logger_warn(server_logger(jetstream_server(stream->jetstream)),
                    "Stream '%.*s': unreadable record of type %u at index %llu",
                    BYTES_ARG(stream->name), record->type, (unsigned long long)batch->index);
        stream->purging = false;
        return;
    }
    if (effect.type == EFFECT_RESTORE)
        stream->restoring = true;
    if (stream->purging)
        stream_consumers_purged(stream);
    stream->purging = false;
    if (effect.type == EFFECT_MESSAGE && STREAM_FLAWED_STATE(stream, APPLY_DIFFERS) &&
        !stream->lead) {
        stream_state_settle(&stream->state, result.sequence);
        stream->state.flaws &= ~(uint64_t)STREAM_FLAW_APPLY_DIFFERS;
    }
    if (effect.type == EFFECT_MESSAGE && stream->lead && !result.unwanted)
        stream_republish(stream, &effect, result.previous);
    if (stream->ops_flying.count > 0 && effect.type != EFFECT_MESSAGE &&
        effect.type != EFFECT_SKIP && effect.type != EFFECT_SOURCED)
        stream_operation_applied(stream, &effect, &result);
}

/* Not what recovery finds: that took as long as the server was away. */
static void measure(struct stream *stream, const struct log_batch *batch)
{
    struct stream_latencies *latencies = &stream->lane->latencies;
    unsigned slot = batch->index % STREAM_PROPOSALS;

    if (stream->replica == NULL)
        return;
    latency_add(&latencies->applied, stream_lane_log_now(stream->lane) - batch->time_ns);
    if (!stream->lead || stream->proposals[slot].index != batch->index)
        return;
    stream->await.commit_ns = io_now(stream_io(stream)) - stream->proposals[slot].time_ns;
    latency_add(&latencies->committed, stream->await.commit_ns);
}

/* Of the next records: what the index will look up. */
static void expect_subjects(struct stream *stream, struct bytes records, uint32_t count)
{
    struct bytes subjects[INDEX_EXPECT_MAX];
    size_t found = 0;

    for (uint32_t i = 0; i < count && i < INDEX_EXPECT_MAX; i++) {
        struct record record;
        struct effect effect;

        if (record_peek(records, &record) != OK)
            break;
        if (record.type == EFFECT_MESSAGE && effect_read(&record, &effect) == OK)
            subjects[found++] = effect.message.subject;
        records = bytes_skip(records, record.size);
    }
    index_expect(stream->state.index, subjects, found);
}

static void apply(void *owner, const struct log_batch *batch)
{
    struct stream *stream = owner;
    struct bytes rest = batch->records;

    if (stream->fresh_from > stream->state.last_seq)
        stream->fresh_from = stream->state.last_seq + 1;
    if (batch->index == 1) /* it tells the log's incarnation: the same on all, and no client's */
        dedup_key(&stream->state.dedup, batch->hash.at);
    if (batch->time_ns > stream->state.log_time_ns)
        stream->state.log_time_ns = batch->time_ns;
    for (uint32_t i = 0; i < batch->record_count; i++) {
        struct record record;

        if (i % INDEX_EXPECT_MAX == 0 && index_expects(stream->state.index))
            expect_subjects(stream, rest, batch->record_count - i);
        if (record_peek(rest, &record) != OK)
            break; /* the content hash was right, so a newer version wrote it; the rest is
                      unreadable */
        apply_record(stream, batch, &record,
                     batch->records_place + (batch->records.size - rest.size));
        rest = bytes_skip(rest, record.size);
    }
    decider_applied(&stream->decider, batch->index);
    stream_quota_settle(stream);
    measure(stream, batch);
    if (stream->blocks.lacking.count > 0)
        stream_fill_applied(stream, batch->index);
    stream_expiry_applied(stream);
    stream_schedules_applied(stream);
    stream_mark(stream);
}

void stream_damaged(struct stream *stream, uint64_t sequence, uint64_t bytes, const char *how)
{
    if (!lost_add(&stream->state.lost, sequence, bytes))
        return;
    logger_error(server_logger(jetstream_server(stream->jetstream)),
                 "Stream '%.*s': message %llu is damaged on disk (%s); the rest is served",
                 BYTES_ARG(stream->name), (unsigned long long)sequence, how);
    stream_repair_wanted(stream);
}

void stream_sound(struct stream *stream, const struct index_entry *entry)
{
    if (lost_remove(&stream->state.lost, entry->sequence, entry->stored_size))
        logger_info(server_logger(jetstream_server(stream->jetstream)),
                    "Stream '%.*s': message %llu can be read again", BYTES_ARG(stream->name),
                    (unsigned long long)entry->sequence);
}

static void lost(void *owner, uint64_t first, uint64_t last, uint64_t bytes)
{
    struct stream *stream = owner;

    stream_state_lost(&stream->state, bytes);
    logger_error(server_logger(jetstream_server(stream->jetstream)),
                 "Stream '%.*s': log indexes %llu to %llu (%llu bytes) are damaged on disk; "
                 "what they held is lost, the rest is served",
                 BYTES_ARG(stream->name), (unsigned long long)first, (unsigned long long)last,
                 (unsigned long long)bytes);
}

static void lead(void *owner, uint64_t term)
{
    struct stream *stream = owner;

    stream->lead = true;
    stream->fresh_from = UINT64_MAX; /* what was recovered is not */
    stream->lead_since_ns = io_wall(stream_io(stream));
    if (stream->state.configured)
        stream_subscribe(stream);
    if (!stream->state.restoring)
        stream_consumers_lead(stream);
    stream_unheard_lead(stream);
    stream->origins_stale = true;
    stream_expiry_arm(stream);
    stream_schedules_arm(stream);
    stream_tell(stream, (struct told){.kind = TOLD_LEADS, .term = term});
    stream_leader_elected(stream);
    stream_mark(stream);
}

/* What is parked behind `applied` was promised nothing: say so to publishers. Who waits for the
 * confirmation of an ack takes any answer for one, so silence is the only "no". */
static void refuse_parked(struct stream *stream, enum err err)
{
    struct outbox_item item;
    uint64_t applied = replica_applied(stream->replica);

    while (outbox_peek(&stream->parked, &item)) {
        if (item.index > applied && item.kind == OUTBOX_MESSAGE) {
            outbox_pop(&stream->parked);
            continue;
        }
        if (item.index > applied) {
            item.kind = OUTBOX_ERROR;
            item.code = 10077;
            item.headers = bytes_of(NULL, 0);
            item.body = bytes_of_text(err_text(err));
        }
        item.index = 0;
        stream_send_now(stream, &item);
        outbox_pop(&stream->parked);
    }
}

static void send_answers(struct stream *stream);

/* Leadership is gone: what is parked behind `applied` was promised nothing, and nobody is told.
 * What waits to be decided goes to the next leader, when home knows: what comes until then waits
 * behind it. */
static void follow(void *owner)
{
    struct stream *stream = owner;

    send_answers(stream);
    stream->lead = false;
    if (!stream_unheard(stream))
        stream_unsubscribe_direct(stream);
    stream->gathered = stream->await.gathered = 0;
    if (!STREAM_FLAWED(stream, PARKED_TOLD))
        outbox_clear(&stream->parked);
    stream_traced_lost(stream, replica_applied(stream->replica), BYTES("not leader"));
    if (!STREAM_FLAWED(stream, OVERLAY_KEPT))
        decider_refused(&stream->decider);
    stream_operations_follow(stream);
    stream_glances_follow(stream);
    stream_look_follow(stream);
    stream_origins_stop(stream);
    stream_consumers_follow(stream);
    stream_batches_drop(stream);
    stream_schedules_drop(stream);
    stream_direct_drop(stream);
    stream_await_end(stream);
    stream_snapshot_end(stream, "the stream has another leader now");
    stream_restore_end(stream, "the stream has another leader now");
    timers_cancel(io_timers(stream_io(stream)), &stream->expiry);
    stream_tell(stream, (struct told){.kind = TOLD_FOLLOWS});
    stream_leader_gone(stream);
    stream_mark(stream);
}

bool stream_may_listen(const struct stream *stream)
{
    return stream->admitted || stream->lane->shard == 0 || !jetstream_clustered(stream->jetstream);
}

void stream_admit(struct stream *stream)
{
    assert(stream->lead);
    if (stream_may_listen(stream))
        return;
    stream->admitted = true;
    if (stream->state.configured)
        stream_subscribe(stream);
    stream_consumers_listen(stream);
}

void stream_let_go(struct stream *stream)
{
    assert(!stream->lead);
    stream->admitted = false;
    stream_unsubscribe(stream);
    consumer_inbox_close(stream);
    stream_ingest_follow(stream);
    stream_unheard_follow(stream);
}

static void changed(void *owner)
{
    struct stream *stream = owner;

    if (stream->lead)
        stream_mark(stream); /* what waited until it could be proposed */
    else if (stream->replica != NULL)
        stream_tell(stream, (struct told){.kind = TOLD_LEADER,
                                          .node = replica_leader(stream->replica).node,
                                          .term = replica_term(stream->replica)});
}

static void removed(void *owner)
{
    struct stream *stream = owner;

    if (stream->replica != NULL)
        stream_tell(stream, (struct told){.kind = TOLD_REMOVED});
}

/* A full disk refuses each batch that comes: it is said once in a while, and how often. */
static void log_refusal(struct stream *stream, enum err err)
{
    int64_t now = io_now(stream_io(stream));

    stream->refusals++;
    if (stream->refusals_told_ns != 0 && now - stream->refusals_told_ns < REFUSALS_TOLD_NS)
        return;
    logger_error(server_logger(jetstream_server(stream->jetstream)),
                 "Stream '%.*s': could not write to disk: %s (%llu times since it was last said)",
                 BYTES_ARG(stream->name), err_text(err), (unsigned long long)stream->refusals);
    stream->refusals = 0;
    stream->refusals_told_ns = now;
}

static void refused(void *owner, enum err err)
{
    struct stream *stream = owner;

    log_refusal(stream, err);
    stream->gathered = stream->await.gathered = 0;
    replica_gather_drop(stream->replica);
    decider_refused(&stream->decider);
    stream_origins_stop(stream);
    refuse_parked(stream, err);
    stream_traced_lost(stream, replica_applied(stream->replica), bytes_of_text(err_text(err)));
    stream_restore_refused(stream);
    stream_operations_refused(stream, err);
    stream_glances_end(stream);
    stream_consumers_refused(stream);
    stream_mark(stream);
}

static bool elsewhere(void *owner)
{
    const struct stream *stream = owner;

    return jetstream_elsewhere(stream->jetstream, stream->id);
}

static bool with_others(void *owner)
{
    const struct stream *stream = owner;

    return jetstream_with_others(stream->jetstream, stream->id);
}

static bool outdated(void *owner)
{
    const struct stream *stream = owner;

    return jetstream_outdated(stream->jetstream, stream->id);
}

static const struct replica_events replica_events_of_stream = {
    .elsewhere = elsewhere,
    .grown = elsewhere,
    .with_others = with_others,
    .outdated = outdated,
    .apply = apply,
    .lost = lost,
    .lead = lead,
    .follow = follow,
    .refused = refused,
    .changed = changed,
    .removed = removed,
    .capture = stream_block_capture,
    .blocked = stream_block_written,
    .restore = stream_block_restore,
    .fill = stream_fill_begin,
    .told = stream_fill_told,
    .fill_drop = stream_fill_drop,
    .forget = stream_fill_forget,
    .taken = stream_fill_taken,
    .asked = stream_serve_asked,
    .fetched = stream_repair_told,
};

/* ---- state events ---------------------------------------------------------------------------- */

static void on_stored(void *owner, const struct index_entry *entry)
{
    stream_block_stored(owner, entry);
    stream_consumers_stored(owner, entry);
}

static void on_removed(void *owner, const struct index_entry *entry)
{
    struct stream *stream = owner;

    (void)lost_remove(&stream->state.lost, entry->sequence, entry->stored_size);
    stream_block_removed(owner, entry);
    stream_snapshot_removed(owner, entry);
    stream_consumers_removed(owner, entry);
}

static void on_configured(void *owner)
{
    struct stream *stream = owner;

    stream_retention_configured(stream);
    stream_origins_configured(stream); /* they look into the config that was */
    stream_batches_configured(stream);
    if (stream->lead && stream->restoring)
        stream_consumers_lead(stream);
    stream->restoring = false;
    if (stream->replica == NULL) /* in recovery: stream_open does it once, at the end */
        return;
    stream_subscribe(stream);
    if (stream->lead && !stream->leader_told)
        stream_leader_elected(stream);
}

static void on_consumer(void *owner, const struct effect *effect)
{
    stream_consumer_effect(owner, effect);
}

/* ---- life ------------------------------------------------------------------------------------ */

static struct bytes shell_key(const void *item)
{
    return shell_name(item);
}

static struct bytes shell_number(const void *item)
{
    const struct consumer_shell *shell = item;

    return consumer_number_key(shell->consumer);
}

static const struct zone *find_zone(void *owner, struct bytes name)
{
    return stream_lane_zone(owner, name);
}

/* What a stream in memory has stays there. */
static void use_scratch(struct stream *stream)
{
    const struct options *options = server_options(jetstream_server(stream->jetstream));
    unsigned bits = options->sim.index_bits;

    stream->state.flaws = options->sim.stream_flaws;
    if (!log_made_in_memory(stream->lane->store, stream->id))
        stream_state_use(&stream->state, stream_lane_scratch(stream->lane),
                         &stream->lane->index_cache, bits == 0 ? INDEX_BITS : bits);
}

static void init_cores(struct stream *stream)
{
    struct prng *prng = stream->lane->prng;

    stream_state_init(&stream->state, prng_next(prng));
    use_scratch(stream);
    stream->events = (struct stream_events){
        .owner = stream,
        .stored = on_stored,
        .erased = stream_erased,
        .removed = on_removed,
        .wanted = stream_wanted,
        .configured = on_configured,
        .consumer = on_consumer,
    };
    stream->state.events = &stream->events;
    decider_init(&stream->decider, &stream->state, prng_next(prng));
    stream->decider.interested = stream_interested;
    stream->decider.here = stream_ahead_publish;
    stream->decider.owner = stream;
    stream->decider.flaws = stream->state.flaws;
    stream->decider.zones.owner = stream->lane;
    stream->decider.zones.find = find_zone;
}

static void init_consumers(struct stream *stream)
{
    struct prng *prng = stream->lane->prng;

    stream->number_next = 1;
    stream->view =
        (struct consumer_view){.state = &stream->state, .overlay = &stream->decider.overlay};
    stream->view.bring = stream_bring_view;
    stream->view.wanted = stream_lost_wanted;
    stream->view.here = stream_here_view;
    stream->view.owner = stream;
    stream_count_init(stream);
    table_init(&stream->consumers, shell_key, prng_next(prng));
    table_init(&stream->consumers_by_number, shell_number, prng_next(prng));
    sublist_init(&stream->consumer_index, prng_next(prng));
}

static void init_answers(struct stream *stream)
{
    const char *domain =
        server_options(jetstream_server(stream->jetstream))->jetstream_options.domain;

    outbox_init(&stream->parked, STREAM_PARKED_BYTES_MAX);
    outbox_init(&stream->at_once, STREAM_PARKED_BYTES_MAX);
    outbox_init(&stream->direct_requests, STREAM_WAITING_BYTES_MAX);
    outbox_init(&stream->unheard, STREAM_WAITING_BYTES_MAX);
    buf_init(&stream->direct_headers, SIZE_MAX);
    buf_init(&stream->ack_prefix, 1024);
    (void)BUF_ADD(&stream->ack_prefix, "{\"stream\":\"");
    (void)buf_add(&stream->ack_prefix, stream->name);
    if (domain != NULL)
        (void)buf_print(&stream->ack_prefix, "\",\"domain\":\"%s", domain);
    (void)BUF_ADD(&stream->ack_prefix, "\",\"seq\":");
}

struct stream *stream_opening(struct stream_lane *lane, struct account *account, uint64_t id,
                              struct bytes name, const struct log_pace *pace)
{
    struct stream *stream = HEAP_NEW(struct stream);

    stream->lane = lane;
    stream->jetstream = lane->jetstream;
    stream->account = stream_lane_account(lane, account);
    stream->id = id;
    stream->life = ++lane->lives;
    stream->name = heap_copy(name);
    init_cores(stream);
    init_consumers(stream);
    init_answers(stream);
    stream->read_number = read_cache_log(stream_lane_read_cache(lane));
    stream->expiry.fire = stream_expiry_fire;
    stream->direct_retry.fire = stream_direct_retry;
    stream_block_open(stream);
    stream_batches_init(stream);
    stream_await_init(stream);
    stream_held_init(stream);
    stream_schedules_init(stream);
    stream->opening = replica_opening(lane->groups, id, &replica_events_of_stream, stream, pace);
    return stream;
}

static void opened(struct stream *stream)
{
    stream_block_recovered(stream);
    stream_erase_remains(stream);
    if (stream->erasing.count > 0)
        stream_mark(stream);
    if (stream->state.configured)
        stream_subscribe(stream); /* what is published before it leads waits */
    if (!jetstream_clustered(stream->jetstream))
        stream_consumers_listen(stream); /* and so does what consumers are asked */
}

enum err stream_opening_step(struct stream *stream)
{
    enum err err = replica_opening_step(stream->opening, &stream->replica);

    if (err == ERR_AGAIN)
        return err;
    stream->opening = NULL;
    if (stream_failed(stream))
        err = ERR_BUSY; /* with other scratch memory it may be opened */
    if (err == OK)
        opened(stream);
    else
        stream_close(stream, false);
    return err;
}

bool stream_opening_waits(const struct stream *stream)
{
    return replica_opening_waits(stream->opening);
}

struct stream *stream_open(struct stream_lane *lane, struct account *account, uint64_t id,
                           struct bytes name, enum err *err)
{
    const struct log_pace at_once = {.work = UINT64_MAX};
    struct stream *stream = stream_opening(lane, account, id, name, &at_once);

    do {
        *err = stream_opening_step(stream);
    } while (*err == ERR_AGAIN);
    return *err == OK ? stream : NULL;
}

static void drop_reads(struct stream *stream)
{
    /* A read in flight owns its memory and outlives the stream: it is told so when it is done. */
    for (struct stream_read *read = stream->reads; read != NULL; read = read->next) {
        read->stream = NULL;
        read->gone = true;
    }
    stream->reads = NULL;
    stream_held_drop(stream);
    stream_bring_drop(stream);
    if (stream->scrub != NULL)
        scrub_leave(stream->scrub);
    stream->scrub = NULL;
    stream_questions_drop(stream);
}

void stream_leave(struct stream *stream)
{
    stream_unsubscribe(stream);
    consumer_inbox_close(stream);
}

void stream_close_anew(struct stream *stream)
{
    stream->anew = true;
    stream_close(stream, true);
}

void stream_close(struct stream *stream, bool deleted)
{
    struct timers *timers = io_timers(stream_io(stream));
    const char *reason = stream->anew ? "the stream is opened again" : "the stream was deleted";

    if (deleted && !stream->anew)
        stream_origins_leave(stream);
    stream->closing = true;
    stream->lead = false;
    stream_unsubscribe(stream);
    if (deleted && !stream->anew)
        stream_consumers_say_deleted(stream);
    stream_consumers_close(stream);
    stream_operations_drop(stream);
    stream_erase_drop(stream);
    stream_glances_follow(stream);
    stream_origins_stop(stream);
    stream_ingest_drop(stream);
    stream_batches_drop(stream);
    stream_schedules_drop(stream);
    stream_direct_drop(stream);
    stream_snapshot_end(stream, deleted ? reason : "");
    stream_restore_end(stream, deleted ? reason : "");
    timers_cancel(timers, &stream->expiry);
    stream_await_end(stream);
    drop_reads(stream);
    if (stream->opening != NULL)
        replica_opening_drop(stream->opening);
    stream_block_close(stream, deleted);
    if (stream->replica != NULL && deleted)
        replica_close(stream->replica);
    else if (stream->replica != NULL)
        replica_forget(stream->replica); /* the server ends: what is durable is found again */
    stream_count_deinit(stream);
    decider_deinit(&stream->decider);
    stream_state_deinit(&stream->state);
    table_deinit(&stream->consumers);
    table_deinit(&stream->consumers_by_number);
    sublist_deinit(&stream->consumer_index);
    outbox_deinit(&stream->parked);
    outbox_deinit(&stream->at_once);
    outbox_deinit(&stream->direct_requests);
    outbox_deinit(&stream->unheard);
    buf_deinit(&stream->direct_headers);
    buf_deinit(&stream->ack_prefix);
    heap_give((void *)stream->name.at);
    heap_give(stream);
}

void stream_tell(struct stream *stream, struct told told)
{
    told.stream = stream->id;
    told.life = stream->life;
    stream_lane_tell(stream->lane, &told);
}

/* ---- the turn -------------------------------------------------------------------------------- */

struct stream_lane *stream_lane_of(const struct stream *stream)
{
    return stream->lane;
}

void stream_mark(struct stream *stream)
{
    /* In recovery there is no replica yet, and an open that fails must not leave it in a list. */
    if (!stream->dirty && !stream->closing && stream->replica != NULL)
        stream_lane_mark(stream->lane, stream);
}

void stream_go_on(struct stream *stream)
{
    stream_mark(stream);
}

void stream_link_dirty(struct stream *stream, struct stream **list)
{
    stream->dirty = true;
    stream->dirty_next = *list;
    *list = stream;
}

void stream_unlink_dirty(struct stream *stream)
{
    struct stream **list = &stream->lane->dirty;

    while (*list != NULL && *list != stream)
        list = &(*list)->dirty_next;
    if (*list == stream)
        *list = stream->dirty_next;
    stream->dirty = false;
}

struct stream *stream_pop_dirty(struct stream *stream)
{
    stream->dirty = false;
    return stream->dirty_next;
}

uint64_t stream_tail_index(const struct stream *stream)
{
    return replica_proposed(stream->replica) + (stream->gathered > 0 ? 1 : 0);
}

int64_t stream_log_now(const struct stream *stream)
{
    int64_t now_ns = stream_lane_log_now(stream->lane);

    if ((stream->decider.flaws & STREAM_FLAW_TIME_FALLS) != 0)
        return io_wall(stream_io(stream));
    return now_ns > stream_state_time(&stream->state) ? now_ns : stream_state_time(&stream->state);
}

void stream_propose(struct stream *stream)
{
    uint64_t index;
    unsigned slot;

    if (stream_failed(stream)) { /* decided by what was perhaps not seen */
        replica_gather_drop(stream->replica);
        return;
    }
    index = replica_propose(stream->replica, stream_log_now(stream), stream->gathered);
    slot = index % STREAM_PROPOSALS;
    stream->gathered = stream->await.gathered = 0;
    stream->proposals[slot].index = index;
    stream->proposals[slot].time_ns = io_now(stream_io(stream));
    decider_proposed(&stream->decider, index);
}

bool stream_room(const struct stream *stream)
{
    return replica_gathered(stream->replica) <= BATCH_GATHER_MAX - BATCH_HEAD - GATHER_STEP_MAX;
}

void stream_park(struct stream *stream, struct outbox_item *item)
{
    item->index = stream_tail_index(stream);
    /* Else it waits for an entry that only a leader can commit. */
    item->look = item->index <= replica_applied(stream->replica) ? stream_look_number(stream) : 0;
    /* Publishes are held back long before (see ingest.c); what is lost here is only an answer. */
    if (!outbox_add(&stream->parked, item))
        logger_warn(server_logger(jetstream_server(stream->jetstream)),
                    "Stream '%.*s': too many answers are waiting", BYTES_ARG(stream->name));
    stream_mark(stream);
}

void stream_send_now(struct stream *stream, struct outbox_item *item)
{
    item->index = item->look = 0;
    if (!outbox_add(&stream->at_once, item))
        logger_warn(server_logger(jetstream_server(stream->jetstream)),
                    "Stream '%.*s': too many answers are waiting", BYTES_ARG(stream->name));
    stream_mark(stream);
}

static void send_ack(struct stream *stream, const struct outbox_item *item)
{
    uint8_t memory[4096]; /* names and a batch's id are bounded, whatever escapes they need */
    struct buf out = {.at = memory, .capacity = sizeof memory, .limit = sizeof memory};
    bool large = item->body.size > sizeof memory / 2; /* a counter of many digits */

    if (large)
        buf_init(&out, SIZE_MAX);
    (void)buf_add(&out, buf_bytes(&stream->ack_prefix));
    (void)buf_add_u64(&out, item->sequence);
    if (item->kind == OUTBOX_DUPLICATE)
        (void)BUF_ADD(&out, ",\"duplicate\": true");
    (void)buf_add(&out, item->body);
    (void)BUF_ADD(&out, "}");
    stream_answer(stream, item->to, bytes_of(NULL, 0), buf_bytes(&out));
    if (large)
        buf_deinit(&out);
}

static void send_error(struct stream *stream, const struct outbox_item *item)
{
    struct buf out;
    char text[1024] = {0};

    memcpy(text, item->body.at,
           item->body.size < sizeof text - 1 ? item->body.size : sizeof text - 1);
    buf_init(&out, 4096);
    api_publish_error(&out, stream->name, item->code, text);
    stream_answer(stream, item->to, item->headers, buf_bytes(&out));
    buf_deinit(&out);
}

static void send_item(struct stream *stream, const struct outbox_item *item)
{
    switch ((enum outbox_kind)item->kind) {
    case OUTBOX_STORED:
    case OUTBOX_DUPLICATE: send_ack(stream, item); break;
    case OUTBOX_ERROR: send_error(stream, item); break;
    case OUTBOX_MESSAGE: stream_answer(stream, item->to, item->headers, item->body); break;
    }
}

static void send_answers(struct stream *stream)
{
    struct outbox_item item;
    uint64_t applied =
        STREAM_FLAWED(stream, ANSWER_UNCOMMITTED) ? UINT64_MAX : replica_applied(stream->replica);

    while (outbox_peek(&stream->at_once, &item)) {
        send_item(stream, &item);
        outbox_pop(&stream->at_once);
    }
    while (outbox_peek(&stream->parked, &item) && item.index <= applied &&
           stream_looked(stream, item.look)) {
        send_item(stream, &item);
        outbox_pop(&stream->parked);
    }
    stream_traced_settle(stream, applied);
}

static void propose(struct stream *stream)
{
    bool ready = replica_ready(stream->replica) || replica_ready_ahead(stream->replica);

    if (!ready || stream_awaits_acks(stream))
        return;
    stream_consumers_hand_out(stream);
    if (replica_gathered(stream->replica) > 0)
        stream_propose(stream);
}

static void turn(struct stream *stream)
{
    if (stream_failed(stream))
        return; /* home closes it, and opens it again */
    stream_look(stream);
    send_answers(stream);
    stream_erase_turn(stream);
    stream_held_turn(stream);
    stream_questions_turn(stream);
    if (!stream->lead)
        return;
    stream_operations_decided(stream);
    stream_ingest_waiting(stream);
    stream_origins_turn(stream);
    stream_restore_turn(stream);
    stream_count_turn(stream);
    stream_consumers_work(stream);
    stream_operations(stream);
    stream_ingest_waiting(stream); /* operations that logged nothing have let them go on */
    stream_consumers_work(stream);
    stream_look(stream);
    stream_look_settle(stream);
    stream_direct_turn(stream);
    stream_snapshot_turn(stream);
    send_answers(stream); /* of refusals that looked at nothing uncommitted */
    propose(stream);
    stream_glances_turn(stream);
}

void stream_turn(struct stream *stream)
{
    turn(stream);
    stream_quota_settle(stream);
    stream->fresh_from = UINT64_MAX;
}

/* ---- looking at it --------------------------------------------------------------------------- */

struct account *stream_account(const struct stream *stream)
{
    return stream->account;
}

struct bytes stream_name(const struct stream *stream)
{
    return stream->name;
}

const struct stream_state *stream_applied(const struct stream *stream)
{
    return &stream->state;
}

uint64_t stream_bytes_tail(const struct stream *stream)
{
    return stream_state_bytes(&stream->state) + stream->decider.overlay.bytes;
}

struct quota *stream_quota(struct stream *stream)
{
    return &stream->quota;
}

void stream_quota_settle(struct stream *stream)
{
    if (quota_counts(&stream->quota) && jetstream_quotas_current(stream->jetstream) &&
        !stream_failed(stream)) /* what it had it has */
        quota_settle(&stream->quota, stream_bytes_tail(stream));
}

const struct stream_config *stream_config(const struct stream *stream)
{
    return &stream->state.config;
}

uint64_t stream_id(const struct stream *stream)
{
    return stream->id;
}

uint64_t stream_life(const struct stream *stream)
{
    return stream->life;
}

struct replica *stream_replica(const struct stream *stream)
{
    return stream->replica;
}

uint64_t stream_repaired(const struct stream *stream)
{
    return stream->repaired;
}

uint64_t stream_term(const struct stream *stream)
{
    return replica_term(stream->replica);
}

bool stream_leads(const struct stream *stream)
{
    return stream->lead;
}

int64_t stream_lead_since(const struct stream *stream)
{
    return stream->lead_since_ns;
}
