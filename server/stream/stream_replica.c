/*
 * stream_replica: what the log tells a stream: what is committed, in log order, who leads, what was
 * lost or refused, that it is removed.
 */
#include "server/stream/flaws.h"
#include "server/stream/stream_priv.h"
#include "storage/batch.h"

#define REFUSALS_TOLD_NS INT64_C(1000000000)

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

/* Leadership is gone: what is parked behind `applied` was promised nothing, and nobody is told.
 * What waits to be decided goes to the next leader, when home knows: what comes until then waits
 * behind it. */
static void follow(void *owner)
{
    struct stream *stream = owner;

    stream_send_answers(stream);
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

const struct replica_events stream_replica_events = {
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
