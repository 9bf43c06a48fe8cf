/*
 * stream_life: a stream is opened, step by step from its log, and closed. What it is of is set up
 * here, with whom its applied state tells.
 */
#include "base/heap.h"
#include "base/limits.h"
#include "server/stream/stream_priv.h"

/* Each byte of a name takes six at most. */
#define ACK_PREFIX_MAX                                                                             \
    (6 * (NAME_SIZE_MAX + DOMAIN_SIZE_MAX) + sizeof "{'stream':'','domain':'','seq':")

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
    struct json_writer writer;

    outbox_init(&stream->parked, STREAM_PARKED_BYTES_MAX);
    outbox_init(&stream->at_once, STREAM_PARKED_BYTES_MAX);
    outbox_init(&stream->direct_requests, STREAM_WAITING_BYTES_MAX);
    outbox_init(&stream->unheard, STREAM_WAITING_BYTES_MAX);
    buf_init(&stream->direct_headers, SIZE_MAX);
    buf_init(&stream->ack_prefix, ACK_PREFIX_MAX);
    json_writer_init(&writer, &stream->ack_prefix);
    json_object_begin(&writer);
    json_put_string(&writer, BYTES("stream"), stream->name);
    if (domain != NULL)
        json_put_text(&writer, BYTES("domain"), domain);
    JSON_KEY(&writer, "seq");
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
    stream->opening = replica_opening(lane->groups, id, &stream_replica_events, stream, pace);
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
