#include "server/stream/snapshot.h"

#include <stdio.h>

#include "base/heap.h"
#include "base/map64.h"
#include "base/nuid.h"
#include "base/owner.h"
#include "base/text.h"
#include "server/backup/archive.h"
#include "server/backup/consumer_file.h"
#include "server/stream/stream_priv.h"

#define BLOCK_SIZE    (1u << 20) /* of messages in one file of the archive, unless one is larger */
#define TAIL_MAX      (256u << 20)
#define REMOVED_MAX   (4u << 20) /* messages that leave meanwhile */
#define TURN_BYTES    (1u << 20)
#define RETRY_NS      INT64_C(20000000)  /* for one that acknowledges nothing though it may */
#define LOOK_NS       INT64_C(250000000) /* while it waits: is there still somebody? */
#define LOOK_FIRST_NS INT64_C(5000000)
#define INTEREST_NS   INT64_C(2000000000) /* for somebody to listen at first */
#define FLOW_NS       INT64_C(5000000000) /* without an acknowledgement */

#define NO_INTEREST BYTES("NATS/1.0 408 No Interest\r\n\r\n")
#define NO_FLOW     BYTES("NATS/1.0 408 No Flow Response\r\n\r\n")

enum phase { PHASE_HEAD, PHASE_MESSAGES, PHASE_TAIL, PHASE_DONE };

/* Where a message stands that has left the stream. */
struct removed {
    uint64_t sequence;
    log_place place;
    uint32_t size;
};

struct stream_snapshot {
    struct stream *stream;   /* NULL: it is over, but for a read */
    struct bytes to, config; /* the latter with what the archive is to hold */
    uint32_t chunk_size, window;
    bool whole;
    void *owner;
    told_fn *ended;

    enum phase phase;
    int64_t last_ns;         /* the time of the stream's last message */
    uint64_t next, last;     /* to be looked at, up to the stream's last when it began */
    uint64_t written;        /* the last that is in a block */
    uint64_t left_out;       /* damaged ones */
    struct removed *removed; /* a heap, the lowest sequence first */
    size_t removed_count, removed_capacity;
    struct map64 held; /* how many of them a file of the log has */
    struct stream_read read;
    bool reading;
    uint32_t reading_file;

    struct buf block; /* of messages, being filled */
    uint32_t block_number;
    uint8_t key[HIGHWAY_KEY_SIZE];
    struct buf tail; /* consumers, as they were */
    size_t consumers;
    struct buf extra; /* where the sources are; empty: it has none */
    struct buf out;   /* framed; `sent` of it have left */
    size_t sent;

    struct sink *sink;
    char ack[600]; /* where chunks are acknowledged */
    uint64_t chunks;
    uint32_t unacked;
    uint32_t limit; /* of `unacked`: the window, or less while the receiver is behind */
    struct timer timer;
    int64_t patience_ns; /* until then somebody has to listen, or to acknowledge */
    bool listened;
};

/* ---- what leaves the stream meanwhile -------------------------------------------------------- */

static void heap_up(struct removed *at, size_t i)
{
    while (i > 0 && at[(i - 1) / 2].sequence > at[i].sequence) {
        struct removed moved = at[i];

        at[i] = at[(i - 1) / 2];
        at[(i - 1) / 2] = moved;
        i = (i - 1) / 2;
    }
}

static void heap_down(struct removed *at, size_t count)
{
    size_t i = 0;

    for (;;) {
        size_t least = i;
        struct removed moved = at[i];

        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < count; child++)
            least = at[child].sequence < at[least].sequence ? child : least;
        if (least == i)
            return;
        at[i] = at[least];
        at[least] = moved;
        i = least;
    }
}

static void keep_removed(struct stream_snapshot *snapshot, const struct index_entry *entry)
{
    if (snapshot->removed_count == snapshot->removed_capacity) {
        snapshot->removed_capacity =
            snapshot->removed_capacity == 0 ? 64 : 2 * snapshot->removed_capacity;
        snapshot->removed =
            heap_resize(snapshot->removed, snapshot->removed_capacity * sizeof *snapshot->removed);
    }
    snapshot->removed[snapshot->removed_count] =
        (struct removed){entry->sequence, entry->place, entry->record_size};
    heap_up(snapshot->removed, snapshot->removed_count++);
    map64_put(&snapshot->held, entry->place >> 32)->number++;
}

static struct removed take_removed(struct stream_snapshot *snapshot)
{
    struct removed first = snapshot->removed[0];

    snapshot->removed[0] = snapshot->removed[--snapshot->removed_count];
    heap_down(snapshot->removed, snapshot->removed_count);
    if (--map64_find(&snapshot->held, first.place >> 32)->number == 0)
        (void)map64_remove(&snapshot->held, first.place >> 32, NULL);
    return first;
}

static void end(struct stream_snapshot *snapshot, struct bytes status, const char *error);

void stream_snapshot_removed(struct stream *stream, const struct index_entry *entry)
{
    struct stream_snapshot *snapshot = stream->snapshot;

    if (snapshot == NULL || entry->sequence < snapshot->next || entry->sequence > snapshot->last ||
        snapshot->removed_count >= REMOVED_MAX)
        return; /* what does not fit is found missing in the turn */
    keep_removed(snapshot, entry);
}

bool stream_snapshot_holds(const struct stream *stream, uint32_t ordinal)
{
    const struct stream_snapshot *snapshot = stream->snapshot;

    return snapshot != NULL && ((snapshot->reading && snapshot->reading_file == ordinal) ||
                                map64_find(&snapshot->held, ordinal) != NULL);
}

/* ---- what it is made of ---------------------------------------------------------------------- */

static void add_consumer(struct stream_snapshot *snapshot, const struct consumer_shell *shell)
{
    struct stream *stream = snapshot->stream;
    struct portable portable;
    struct json_writer writer;
    struct buf text, path;
    bool added;

    buf_init(&text, ARCHIVE_CONSUMER_MAX);
    buf_init(&path, TAR_NAME_MAX);
    json_writer_init(&writer, &text);
    json_object_begin(&writer);
    json_put_time(&writer, BYTES("Created"), consumer_created(shell->consumer));
    JSON_KEY(&writer, "Name");
    json_string(&writer, shell_name(shell));
    schema_encode_members(&consumer_config_schema, consumer_config(shell->consumer), &writer);
    json_object_end(&writer);
    added = !writer.failed && archive_add_config(&snapshot->tail, stream->name, shell_name(shell),
                                                 buf_bytes(&text), stream_log_now(stream));
    consumer_portable(shell->consumer, &portable);
    if (portable.snapshot_last > 0) {
        buf_clear(&text);
        (void)buf_print(&path, "obs/%.*s/millrace.inf", BYTES_ARG(shell_name(shell)));
        added = added &&
                buf_print(&text, "{\"snapshot_last\":%llu}",
                          (unsigned long long)portable.snapshot_last) &&
                archive_add_file(&snapshot->tail, buf_bytes(&path), buf_bytes(&text), 0);
    }
    buf_clear(&text);
    buf_clear(&path);
    (void)buf_print(&path, "obs/%.*s/o.dat", BYTES_ARG(shell_name(shell)));
    added = added && consumer_file_write(&portable, &text) &&
            archive_add_file(&snapshot->tail, buf_bytes(&path), buf_bytes(&text), 0);
    snapshot->tail.limit = added ? snapshot->tail.limit : 0;
    snapshot->consumers++;
    portable_deinit(&portable);
    buf_deinit(&text);
    buf_deinit(&path);
}

/* As they are now. False: they do not fit. */
static bool take_consumers(struct stream_snapshot *snapshot)
{
    struct stream *stream = snapshot->stream;
    size_t count;
    struct consumer **all = stream_consumers(stream, &stream->lane->arena, &count);

    for (size_t i = 0; i < count && snapshot->tail.limit > 0; i++) {
        const struct consumer_shell *shell = stream_consumer_shell(stream, consumer_name(all[i]));

        if (shell->logged && !shell->direct)
            add_consumer(snapshot, shell);
    }
    return snapshot->tail.limit > 0;
}

/* From what has gone missing on its way a restore would make less than there was: so the config,
 * which has a checksum, says how much it is. */
static struct bytes with_totals(const struct stream_snapshot *snapshot, struct bytes config)
{
    struct buf text;
    struct bytes copy;

    buf_init(&text, config.size + 100);
    (void)buf_print(&text, "{\"millrace\":{\"messages\":%llu,\"consumers\":%zu},",
                    (unsigned long long)index_count(snapshot->stream->state.index),
                    snapshot->consumers);
    (void)buf_add(&text, bytes_skip(config, 1));
    copy = heap_copy(buf_bytes(&text));
    buf_deinit(&text);
    return copy;
}

/* What our own restore asks for beside that: where the sources are. */
static void take_sources(struct stream_snapshot *snapshot)
{
    struct stream_state *state = &snapshot->stream->state;
    struct json_writer writer;

    json_writer_init(&writer, &snapshot->extra);
    json_object_begin(&writer);
    JSON_KEY(&writer, "sources");
    json_array_begin(&writer);
    for (size_t i = 0; i < state->config.sources.count; i++) {
        const struct source_position *position = positions_of_source(&state->positions, i);

        json_object_begin(&writer);
        JSON_KEY(&writer, "origin");
        json_number_u64(&writer, position->origin);
        JSON_KEY(&writer, "sequence");
        json_number_u64(&writer, position->sequence);
        json_object_end(&writer);
    }
    json_array_end(&writer);
    json_object_end(&writer);
    if (writer.failed)
        buf_clear(&snapshot->extra);
}

static void add_extra(struct stream_snapshot *snapshot)
{
    if (snapshot->stream->state.config.sources.count > 0)
        take_sources(snapshot);
    if (snapshot->extra.size > 0)
        (void)archive_add_file(&snapshot->out, BYTES("millrace.inf"), buf_bytes(&snapshot->extra),
                               0);
}

/* The same again, with what the config could not know. */
static void add_left_out(struct stream_snapshot *snapshot)
{
    struct bytes sources = buf_bytes(&snapshot->extra);
    struct buf text;

    if (sources.size > 0)
        sources = bytes_skip(sources, 1);
    buf_init(&text, sources.size + 64);
    (void)buf_print(&text, "{\"left_out\":%llu%s", (unsigned long long)snapshot->left_out,
                    sources.size > 0 ? "," : "}");
    (void)buf_add(&text, sources);
    (void)archive_add_file(&snapshot->out, BYTES("millrace.inf"), buf_bytes(&text), 0);
    buf_deinit(&text);
}

static void end_block(struct stream_snapshot *snapshot)
{
    char name[32];

    if (snapshot->block.size > 0) {
        snprintf(name, sizeof name, "msgs/%u.blk", snapshot->block_number);
        (void)archive_add_file(&snapshot->out, bytes_of_text(name), buf_bytes(&snapshot->block),
                               stream_log_now(snapshot->stream));
        buf_clear(&snapshot->block);
    }
    snapshot->block_number++;
    message_block_key(snapshot->stream->name, snapshot->block_number, snapshot->key);
}

static void add_message(struct stream_snapshot *snapshot, const struct stream_message *message)
{
    struct message_block_record record = {
        .sequence = message->sequence,
        .time_ns = message->time_ns,
        .subject = message->subject,
        .headers = message->headers,
        .payload = message->payload,
    };

    (void)message_block_add(&snapshot->block, snapshot->key, &record);
    snapshot->written = message->sequence;
    if (snapshot->block.size >= BLOCK_SIZE)
        end_block(snapshot);
}

/* The stream went on behind its last message: that one was deleted. */
static void end_messages(struct stream_snapshot *snapshot)
{
    int64_t time_ns = snapshot->last_ns;
    const struct message_block_record last = {
        .sequence = snapshot->last, .time_ns = time_ns > 0 ? time_ns : 0, .empty = true};

    if (snapshot->last > snapshot->written)
        (void)message_block_add(&snapshot->block, snapshot->key, &last);
    end_block(snapshot);
    snapshot->phase = PHASE_TAIL;
}

static void damaged(struct stream_snapshot *snapshot, uint64_t sequence)
{
    struct stream *stream = snapshot->stream;

    logger_error(server_logger(jetstream_server(stream->jetstream)),
                 "Stream '%.*s': message %llu is damaged and not in the backup",
                 BYTES_ARG(stream->name), (unsigned long long)sequence);
    snapshot->left_out++;
    if (snapshot->whole)
        end(snapshot, BYTES("NATS/1.0 500 snapshot check detected bad messages\r\n\r\n"), NULL);
}

static void read_done(struct stream_read *read, const struct stream_message *message)
{
    struct stream_snapshot *snapshot = owner_of(read, struct stream_snapshot, read);

    snapshot->reading = false;
    if (snapshot->stream == NULL) {
        heap_give(snapshot);
        return;
    }
    stream_mark(snapshot->stream);
    if (message != NULL)
        add_message(snapshot, message);
    else
        damaged(snapshot, read->sequence);
}

/* The next that was there when it began, whether or not it still is. */
static bool next_entry(struct stream_snapshot *snapshot, struct index_entry *entry)
{
    bool living = index_next(snapshot->stream->state.index, NULL, snapshot->next, entry) &&
                  entry->sequence <= snapshot->last;
    struct removed gone;

    if (snapshot->removed_count == 0 || (living && entry->sequence < snapshot->removed[0].sequence))
        return living;
    gone = take_removed(snapshot);
    *entry = (struct index_entry){
        .sequence = gone.sequence, .place = gone.place, .record_size = gone.size};
    return true;
}

/* False: a message is on its way from the disk, or it is over. */
static bool produce_message(struct stream_snapshot *snapshot)
{
    struct stream *stream = snapshot->stream; /* a damaged message may end the snapshot */
    struct index_entry entry;

    if (snapshot->removed_count >= REMOVED_MAX) {
        end(snapshot, BYTES("NATS/1.0 500 too many messages were removed meanwhile\r\n\r\n"), NULL);
        return false;
    }
    if (!next_entry(snapshot, &entry)) {
        end_messages(snapshot);
        return true;
    }
    snapshot->next = entry.sequence + 1;
    snapshot->reading = true;
    snapshot->reading_file = (uint32_t)(entry.place >> 32);
    snapshot->read = (struct stream_read){.sequence = entry.sequence, .done = read_done};
    stream_read_at(stream, &snapshot->read, &entry);
    return stream->snapshot == snapshot && !snapshot->reading;
}

static bool produce(struct stream_snapshot *snapshot)
{
    switch (snapshot->phase) {
    case PHASE_HEAD:
        (void)s2_begin(&snapshot->out);
        (void)archive_add_config(&snapshot->out, snapshot->stream->name, bytes_of(NULL, 0),
                                 snapshot->config, stream_log_now(snapshot->stream));
        add_extra(snapshot);
        snapshot->phase = PHASE_MESSAGES;
        return true;
    case PHASE_MESSAGES: return produce_message(snapshot);
    case PHASE_TAIL:
        (void)buf_add(&snapshot->out, buf_bytes(&snapshot->tail));
        if (snapshot->left_out > 0)
            add_left_out(snapshot);
        (void)archive_add_end(&snapshot->out);
        buf_release(&snapshot->tail);
        snapshot->phase = PHASE_DONE;
        return true;
    case PHASE_DONE: break;
    }
    return false;
}

/* ---- sending --------------------------------------------------------------------------------- */

static size_t ready(const struct stream_snapshot *snapshot)
{
    return snapshot->out.size - snapshot->sent;
}

static void send(struct stream_snapshot *snapshot, struct bytes reply, struct bytes headers,
                 struct bytes payload)
{
    struct stream *stream = snapshot->stream;
    struct message message = {
        .subject = snapshot->to, .reply = reply, .headers = headers, .payload = payload};

    stream_publish(stream, &message);
}

static struct bytes take_ready(struct stream_snapshot *snapshot, size_t size)
{
    struct bytes chunk = bytes_take(bytes_skip(buf_bytes(&snapshot->out), snapshot->sent), size);

    snapshot->sent += size;
    return chunk;
}

static void send_chunk(struct stream_snapshot *snapshot)
{
    char reply[sizeof snapshot->ack + 48];
    int size = snprintf(reply, sizeof reply, "%s.%u.%llu", snapshot->ack, snapshot->chunk_size,
                        (unsigned long long)++snapshot->chunks);

    snapshot->unacked++;
    snapshot->patience_ns = io_now(stream_io(snapshot->stream)) + FLOW_NS;
    send(snapshot, bytes_of(reply, (size_t)size), bytes_of(NULL, 0),
         take_ready(snapshot, snapshot->chunk_size));
    if (snapshot->sent > BLOCK_SIZE) {
        buf_consume(&snapshot->out, snapshot->sent);
        snapshot->sent = 0;
    }
}

static void send_end(struct stream_snapshot *snapshot)
{
    size_t rest = ready(snapshot);

    if (rest > 0)
        send(snapshot, bytes_of(NULL, 0), bytes_of(NULL, 0), take_ready(snapshot, rest));
    end(snapshot, snapshot->chunks > 0 ? BYTES("NATS/1.0 204\r\n\r\n") : bytes_of(NULL, 0), NULL);
}

static void free_snapshot(struct stream_snapshot *snapshot)
{
    buf_deinit(&snapshot->block);
    buf_deinit(&snapshot->tail);
    buf_deinit(&snapshot->extra);
    buf_deinit(&snapshot->out);
    map64_deinit(&snapshot->held);
    heap_give(snapshot->removed);
    heap_give((void *)snapshot->to.at);
    heap_give((void *)snapshot->config.at);
    snapshot->stream = NULL;
    if (!snapshot->reading) /* else read_done gives it back */
        heap_give(snapshot);
}

static void close(struct stream_snapshot *snapshot, bool told, const char *error)
{
    struct stream *stream = snapshot->stream;

    stream->snapshot = NULL;
    timers_cancel(io_timers(stream_io(stream)), &snapshot->timer);
    stream_sink_remove(stream, &snapshot->sink);
    stream_tell(stream, (struct told){.kind = TOLD_CALL,
                                      .of = snapshot->owner,
                                      .call = snapshot->ended,
                                      .quietly = !told,
                                      .text = bytes_of_text(error != NULL ? error : "")});
    free_snapshot(snapshot);
}

/* The receiver is told by an empty message. */
static void end(struct stream_snapshot *snapshot, struct bytes status, const char *error)
{
    send(snapshot, bytes_of(NULL, 0), status, bytes_of(NULL, 0));
    close(snapshot, true, error);
}

void stream_snapshot_end(struct stream *stream, const char *reason)
{
    char status[200];
    int size;

    if (stream->snapshot == NULL)
        return;
    if (reason[0] == 0) {
        close(stream->snapshot, false, reason);
        return;
    }
    size = snprintf(status, sizeof status, "NATS/1.0 500 %s\r\n\r\n", reason);
    end(stream->snapshot, bytes_of(status, (size_t)size), reason);
}

/*
 * False: it is over. At first a subscription to the very subject is waited for: clients make it
 * when they have the answer, and one to all of their inboxes would lose what comes before that.
 */
static bool has_receiver(struct stream_snapshot *snapshot)
{
    struct stream *stream = snapshot->stream;
    bool listened = stream_lane_listened(stream->lane, stream->account, snapshot->to);
    bool late = io_now(stream_io(stream)) >= snapshot->patience_ns;

    if (!snapshot->listened && listened &&
        (late || router_interest_literal(stream_router(stream), stream->account, snapshot->to,
                                         bytes_of(NULL, 0)))) {
        snapshot->listened = true;
        snapshot->patience_ns = io_now(stream_io(stream)) + FLOW_NS;
        return true;
    }
    if (!listened && (snapshot->listened || late))
        end(snapshot, NO_INTEREST, NULL);
    else if (late && snapshot->unacked >= snapshot->window)
        end(snapshot, NO_FLOW, NULL);
    else
        return true;
    return false;
}

/* False: it goes no further now. */
static bool pump_one(struct stream_snapshot *snapshot, size_t *budget, int64_t *wait_ns)
{
    struct stream *stream = snapshot->stream;

    if (snapshot->unacked >= snapshot->window || !snapshot->listened) {
        *wait_ns = snapshot->listened ? LOOK_NS : LOOK_FIRST_NS;
        return false;
    }
    if (snapshot->unacked >= snapshot->limit) {
        *wait_ns = RETRY_NS;
        return false;
    }
    if (*budget < snapshot->chunk_size) {
        stream_mark(stream); /* others first */
        return false;
    }
    while (ready(snapshot) < snapshot->chunk_size && snapshot->phase != PHASE_DONE) {
        if (!produce(snapshot))
            return false;
    }
    if (ready(snapshot) < snapshot->chunk_size) {
        send_end(snapshot);
        return false;
    }
    *budget -= snapshot->chunk_size;
    send_chunk(snapshot);
    /* From then on a chunk leaves when one was taken: more would only pile up here. */
    snapshot->limit =
        router_congested(stream_router(stream)) ? snapshot->unacked : snapshot->window;
    return true;
}

void stream_snapshot_turn(struct stream *stream)
{
    struct stream_snapshot *snapshot = stream->snapshot;
    struct io *io = stream_io(stream);
    size_t budget = TURN_BYTES;
    int64_t wait_ns = 0;

    if (snapshot == NULL || snapshot->reading || !has_receiver(snapshot))
        return;
    router_congestion_reset(stream_router(stream));
    while (pump_one(snapshot, &budget, &wait_ns))
        continue;
    if (wait_ns > 0 && stream->snapshot == snapshot)
        timers_arm(io_timers(io), &snapshot->timer, io_now(io) + wait_ns);
}

static void fire(struct timer *timer)
{
    struct stream_snapshot *snapshot = owner_of(timer, struct stream_snapshot, timer);

    if (snapshot->limit < snapshot->window)
        snapshot->limit++;
    stream_mark(snapshot->stream);
}

static void acked(void *owner, const struct message *message)
{
    struct stream_snapshot *snapshot = owner;

    (void)message;
    if (snapshot->unacked > 0)
        snapshot->unacked--;
    stream_mark(snapshot->stream);
}

static void listen_for_acks(struct stream_snapshot *snapshot)
{
    struct stream *stream = snapshot->stream;
    char subject[sizeof snapshot->ack + 4], id[NUID_SIZE + 1] = {0};

    text_base62(stream->lane->prng, id, NUID_SIZE);
    snprintf(snapshot->ack, sizeof snapshot->ack, "$JS.SNAPSHOT.ACK.%.*s.%s",
             BYTES_ARG(stream->name), id);
    snprintf(subject, sizeof subject, "%s.>", snapshot->ack);
    snapshot->sink = router_sink_add(stream_router(stream), stream->account, bytes_of_text(subject),
                                     bytes_of(NULL, 0), acked, snapshot);
}

bool stream_snapshot_begin(struct stream *stream, const struct snapshot_wish *wish,
                           const char **error)
{
    struct stream_snapshot *snapshot;

    *error = "snapshot in progress";
    if (stream->snapshot != NULL && has_receiver(stream->snapshot)) /* else it ends here */
        return false;
    snapshot = HEAP_NEW(struct stream_snapshot);
    *snapshot = (struct stream_snapshot){
        .stream = stream,
        .to = heap_copy(wish->to),
        .chunk_size = wish->chunk_size,
        .window = wish->window,
        .limit = wish->window,
        .whole = wish->whole,
        .owner = wish->owner,
        .ended = wish->ended,
        .next = 1,
        .last = stream->state.last_seq,
        .last_ns = stream->state.last_time_ns,
        .timer.fire = fire,
        .patience_ns = io_now(stream_io(stream)) + INTEREST_NS,
    };
    map64_init(&snapshot->held, stream->id);
    buf_init(&snapshot->block, SIZE_MAX);
    buf_init(&snapshot->tail, TAIL_MAX);
    buf_init(&snapshot->extra, ARCHIVE_CONFIG_MAX);
    buf_init(&snapshot->out, SIZE_MAX);
    end_block(snapshot); /* the first is number 1 */
    if (wish->consumers && !take_consumers(snapshot)) {
        *error = "the state of the consumers is too large";
        free_snapshot(snapshot);
        return false;
    }
    snapshot->config = with_totals(snapshot, wish->config);
    listen_for_acks(snapshot);
    stream->snapshot = snapshot;
    stream_mark(stream);
    return true;
}
