#include "server/stream/restore.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/heap.h"
#include "base/nuid.h"
#include "base/owner.h"
#include "base/subject.h"
#include "base/text.h"
#include "server/backup/archive.h"
#include "server/backup/consumer_file.h"
#include "server/stream/decide_origin.h"
#include "server/stream/stream_priv.h"

#define CHUNKS_MAX       (16u << 20) /* that wait */
#define IDLE_NS          INT64_C(5000000000)
#define DELETED_MAX      ((size_t)128 << 20) /* bytes of sequences */
#define DELETED_TOGETHER (8u * 65536u)       /* likewise, in one record */
#define TURN_ITEMS       4096u
#define CONSUMER_MAX     (4u << 20) /* of one record of a consumer: batches have room for that */
#define CONFIG_MAX       (8u << 20)
#define ARENA_MAX        (64u << 20)

/* What the operation under way logs. */
enum step { STEP_NONE, STEP_BEGIN, STEP_DELETES, STEP_CONSUMER, STEP_CONFIG };

struct stream_restore {
    struct stream *stream;
    struct bytes config;
    int64_t created_ns;
    uint64_t version;
    void *owner;
    struct bytes (*consumer)(void *owner, struct stream *stream, struct bytes name,
                             struct bytes json, struct arena *arena,
                             char error[static RESTORE_ERROR_MAX]);
    told_fn *begun, *ended;

    struct archive_reader reader;
    struct archive_item item; /* what was read last; views into the reader */
    bool kept;                /* it is still to be taken */
    struct outbox chunks;
    struct buf reply; /* of the chunk that is being read; empty: none is, or it was answered */
    bool reading;     /* one is */
    bool whole;       /* the last has come */
    bool refused;     /* by the disk: something of it is not in the log */
    uint64_t bytes;
    uint64_t paused; /* in that turn of the loop; it goes on in the next one */

    struct sink *sink;
    char subject[600];
    struct timer idle;

    struct stream_op op;
    enum step step;
    struct buf deleted; /* u64 each: messages that are to go when all are there */
    size_t deleted_done;
    uint64_t last;      /* the highest sequence that was named */
    int64_t last_ns;    /* its time, if it is erased; 0: not known */
    struct buf state;   /* of the consumer whose turn it is */
    struct bytes extra; /* what the archive says of the sources; owned */
    /* Messages and consumers, those that were damaged and are not among them. */
    bool told; /* how many there are to be: archives of older servers do not say it */
    uint64_t messages, messages_told, left_out, consumers, consumers_told;
};

[[gnu::format(printf, 2, 3)]] static void fail(struct stream_restore *restore, const char *format,
                                               ...);

bool stream_restoring(const struct stream *stream)
{
    return stream->restore != NULL;
}

/* ---- the end --------------------------------------------------------------------------------- */

static void free_restore(struct stream_restore *restore)
{
    archive_reader_deinit(&restore->reader);
    outbox_deinit(&restore->chunks);
    buf_deinit(&restore->reply);
    buf_deinit(&restore->deleted);
    buf_deinit(&restore->state);
    heap_give((void *)restore->config.at);
    heap_give((void *)restore->extra.at);
    heap_give(restore);
}

static void end(struct stream_restore *restore, const char *error)
{
    bool told = error == NULL || error[0] != 0;
    struct stream *stream = restore->stream;

    stream->restore = NULL;
    timers_cancel(io_timers(stream_io(stream)), &restore->idle);
    stream_sink_remove(stream, &restore->sink);
    stream_tell(stream, (struct told){.kind = TOLD_CALL,
                                      .of = restore->owner,
                                      .call = restore->ended,
                                      .quietly = !told,
                                      .text = bytes_of_text(error != NULL ? error : ""),
                                      .reply = buf_bytes(&restore->reply),
                                      .number = restore->bytes});
    free_restore(restore);
}

/* The stream goes, when the catalogue says so. An operation under way ends first. */
static void end_with(struct stream_restore *restore, const char *error)
{
    struct stream *stream = restore->stream;

    logger_warn(server_logger(jetstream_server(stream->jetstream)),
                "Stream '%.*s' could not be restored: %s", BYTES_ARG(stream->name), error);
    end(restore, error);
    stream_tell(stream, (struct told){.kind = TOLD_RESTORED, .text = bytes_of_text(error)});
}

static void fail(struct stream_restore *restore, const char *format, ...)
{
    char text[400];
    va_list values;

    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    end_with(restore, text);
}

/* Leadership is gone, or the stream: whoever leads next finds it unfinished. Operations have been
 * ended before. No reason: the server ends. */
void stream_restore_end(struct stream *stream, const char *reason)
{
    if (stream->restore != NULL)
        end(stream->restore, reason);
}

void stream_restore_refused(struct stream *stream)
{
    if (stream->restore != NULL)
        stream->restore->refused = true; /* it ends at its next turn, or with its operation */
}

/* ---- steps that are operations --------------------------------------------------------------- */

bool stream_restore_owns(const struct stream *stream, const struct stream_op *op)
{
    return stream->restore != NULL && op == &stream->restore->op;
}

static void step_done(struct stream_op *op, struct stream *stream);

static void submit(struct stream_restore *restore, enum step step)
{
    restore->step = step;
    restore->op = (struct stream_op){.kind = STREAM_OP_RESTORE, .own = true, .done = step_done};
    stream_submit(restore->stream, &restore->op);
}

/* The config that counts while it is filled: nothing is limited, nobody publishes to it, nothing
 * follows from what it stores. */
static bool encode_meanwhile(const struct stream_restore *restore, struct arena *arena,
                             struct buf *json)
{
    struct stream_config config = {0};
    struct json_writer writer;

    if (stream_config_decode(restore->config, arena, &config) != OK)
        return false;
    config.subjects = (struct schema_strings){0};
    config.retention = RETENTION_LIMITS;
    config.max_consumers = config.max_msgs = config.max_bytes = config.max_msgs_per_subject = -1;
    config.max_msg_size = -1;
    config.max_age_ns = config.subject_delete_marker_ttl_ns = 0;
    config.discard = DISCARD_OLD;
    config.discard_new_per_subject = config.sealed = config.deny_delete = config.deny_purge = false;
    config.allow_direct = config.mirror_direct = false;
    config.consumer_limits = (struct stream_consumer_limits){0};
    config.subject_transform = NULL;
    config.republish = NULL;
    config.mirror = NULL;
    config.sources = (struct schema_objects){0};
    json_writer_init(&writer, json);
    schema_encode(&stream_config_schema, &config, &writer);
    return !writer.failed;
}

static bool write_begin(const struct stream_restore *restore, struct buf *out)
{
    struct arena arena;
    struct buf json;
    bool written;

    arena_init(&arena, ARENA_MAX);
    buf_init(&json, CONFIG_MAX);
    written = encode_meanwhile(restore, &arena, &json);
    if (written) {
        struct effect effect = {
            .type = EFFECT_RESTORE,
            .config = {.created_ns = restore->created_ns, .json = buf_bytes(&json)}};

        written = effect_write(out, &effect);
    }
    buf_deinit(&json);
    arena_deinit(&arena);
    return written;
}

static bool write_deletes(struct stream_restore *restore, struct buf *out)
{
    struct bytes rest = bytes_skip(buf_bytes(&restore->deleted), restore->deleted_done);
    struct effect effect = {.type = EFFECT_DELETE_MANY};

    if (rest.size > DELETED_TOGETHER)
        rest = bytes_take(rest, DELETED_TOGETHER);
    effect.delete_many.sequences = rest;
    restore->deleted_done += rest.size;
    return effect_write(out, &effect);
}

static int64_t read_created(const struct json *json, int64_t otherwise)
{
    const struct json *created = json_get(json, BYTES("Created"));
    int64_t time_ns;

    if (created == NULL || created->type != JSON_STRING ||
        !text_read_time(created->text, &time_ns) || time_ns < 0 || time_ns > EFFECT_TIME_MAX)
        return otherwise;
    return time_ns;
}

static bool write_consumer(struct stream_restore *restore, struct buf *out)
{
    struct stream *stream = restore->stream;
    struct json_error error;
    struct arena arena;
    bool written = false;
    const struct json *json;

    arena_init(&arena, ARENA_MAX);
    json = json_parse(&arena, restore->item.json, &error);
    if (json != NULL) {
        struct effect effect = {.type = EFFECT_CONSUMER_STATE,
                                .consumer = {
                                    .number = restore->op.sequence,
                                    .created_ns = read_created(json, stream_log_now(stream)),
                                    .name = restore->item.name,
                                    .json = restore->op.json,
                                    .state = buf_bytes(&restore->state),
                                }};

        written = effect_write(out, &effect);
    }
    arena_deinit(&arena);
    return written;
}

/* Where the sources are goes with the config, in one batch. How many records; an archive that names
 * more than there can be is left off there. */
static bool write_sources(struct stream_restore *restore, struct buf *out, uint32_t *count)
{
    const struct json *json, *source;
    struct json_error error;
    struct arena arena;
    bool written = true;
    uint16_t number = 0;

    arena_init(&arena, ARENA_MAX);
    json = json_parse(&arena, restore->extra, &error);
    source = json != NULL ? json_get(json, BYTES("sources")) : NULL;
    for (source = source != NULL ? source->child : NULL;
         source != NULL && written && number < UINT16_MAX; source = source->next, number++) {
        struct effect effect = {.type = EFFECT_SOURCED, .sourced = {.source = number}};

        if (!json_u64(json_get(source, BYTES("origin")), &effect.sourced.origin) ||
            !json_u64(json_get(source, BYTES("sequence")), &effect.sourced.sequence))
            break;
        written = effect_write(out, &effect);
        *count += written;
    }
    arena_deinit(&arena);
    return written;
}

/* All or nothing of it. */
static bool write_config(struct stream_restore *restore, struct buf *out)
{
    struct effect effect = {.type = EFFECT_CONFIG,
                            .config = {.created_ns = restore->created_ns,
                                       .version = restore->version,
                                       .json = restore->config}};
    size_t before = out->size;
    uint32_t sources = 0;

    if (!effect_write(out, &effect) || !write_sources(restore, out, &sources)) {
        out->size = before;
        return false;
    }
    restore->stream->gathered += sources;
    return true;
}

bool stream_restore_write(struct stream *stream, struct buf *out)
{
    struct stream_restore *restore = stream->restore;

    if (restore->refused)
        return false;
    switch (restore->step) {
    case STEP_BEGIN: return write_begin(restore, out);
    case STEP_DELETES: return write_deletes(restore, out);
    case STEP_CONSUMER: return write_consumer(restore, out);
    case STEP_CONFIG: return write_config(restore, out);
    case STEP_NONE: break;
    }
    return false;
}

static void listen(struct stream_restore *restore);

static void step_done(struct stream_op *op, struct stream *stream)
{
    struct stream_restore *restore = owner_of(op, struct stream_restore, op);
    enum step step = restore->step;

    restore->step = STEP_NONE;
    if (stream == NULL || op->error == 10008)
        return; /* the stream's own end, or that of its leadership, ends it */
    if (op->error != 0) {
        fail(restore, "%s", op->error_text[0] != 0 ? op->error_text : "it could not be logged");
        return;
    }
    if (step == STEP_BEGIN)
        listen(restore);
    if (step == STEP_CONSUMER) {
        restore->kept = false;
        restore->consumers++;
    }
    if (step == STEP_CONFIG) {
        end(restore, NULL);
        stream_tell(stream, (struct told){.kind = TOLD_RESTORED});
        return;
    }
    stream_mark(stream);
}

/* ---- what comes ------------------------------------------------------------------------------ */

static void idle(struct timer *timer)
{
    struct stream_restore *restore = owner_of(timer, struct stream_restore, idle);

    if (restore->chunks.count > 0 || restore->reading || restore->step != STEP_NONE) {
        struct io *io = stream_io(restore->stream); /* it is we who are slow */

        timers_arm(io_timers(io), timer, io_now(io) + IDLE_NS);
        return;
    }
    fail(restore, "it is stalled: nothing came for five seconds");
}

static void collect(void *owner, const struct message *message)
{
    struct stream_restore *restore = owner;
    struct io *io = stream_io(restore->stream);
    struct outbox_item item = {
        .kind = OUTBOX_MESSAGE, .to = message->reply, .body = message->payload};

    restore->bytes += message->payload.size;
    if (!outbox_add(&restore->chunks, &item)) /* found missing when it is its turn */
        restore->reader.failed = true;
    timers_arm(io_timers(io), &restore->idle, io_now(io) + IDLE_NS);
    stream_mark(restore->stream);
}

static void listen(struct stream_restore *restore)
{
    struct stream *stream = restore->stream;
    struct io *io = stream_io(stream);
    char id[NUID_SIZE + 1] = {0};

    text_base62(stream->lane->prng, id, NUID_SIZE);
    snprintf(restore->subject, sizeof restore->subject, "$JS.SNAPSHOT.RESTORE.%.*s.%s",
             BYTES_ARG(stream->name), id);
    restore->sink =
        router_sink_add(stream_router(stream), stream->account, bytes_of_text(restore->subject),
                        bytes_of(NULL, 0), collect, restore);
    timers_arm(io_timers(io), &restore->idle, io_now(io) + IDLE_NS);
    stream_tell(stream, (struct told){.kind = TOLD_CALL,
                                      .of = restore->owner,
                                      .call = restore->begun,
                                      .text = bytes_of_text(restore->subject)});
}

/* The chunk that was read is answered when what was in it is in the log. */
static void answer_chunk(struct stream_restore *restore)
{
    struct outbox_item item = {.kind = OUTBOX_MESSAGE, .to = buf_bytes(&restore->reply)};

    restore->reading = false;
    stream_park(restore->stream, &item);
    buf_clear(&restore->reply);
}

/* False: none is there, or it is over. */
static bool read_chunk(struct stream_restore *restore)
{
    struct outbox_item item;

    if (restore->reading)
        answer_chunk(restore);
    if (restore->whole) {
        fail(restore, "the archive is truncated");
        return false;
    }
    if (!outbox_peek(&restore->chunks, &item))
        return false;
    buf_clear(&restore->reply);
    (void)buf_add(&restore->reply, item.to);
    if (item.to.size == 0) {
        fail(restore, "restore requires a reply subject for each chunk");
        return false;
    }
    restore->whole = item.body.size == 0;
    restore->reading = !restore->whole;
    if (!archive_feed(&restore->reader, item.body))
        restore->reader.failed = true;
    outbox_pop(&restore->chunks);
    return true;
}

/* False: it has failed. */
static bool rest_is_clean(struct stream_restore *restore, struct bytes chunk)
{
    struct archive_reader *reader = &restore->reader;

    if (archive_feed(reader, chunk) && archive_rest(reader, restore->whole))
        return true;
    fail(restore, "%s", reader->error[0] != 0 ? reader->error : "chunks came too fast");
    return false;
}

/* Behind the archive's end there must be nothing but the end of the transfer. False: not yet, or it
 * is over. */
static bool read_rest(struct stream_restore *restore)
{
    struct outbox_item item;

    if (!rest_is_clean(restore, (struct bytes){0}))
        return false;
    while (!restore->whole) {
        if (restore->reading)
            answer_chunk(restore);
        if (!outbox_peek(&restore->chunks, &item))
            return false;
        buf_clear(&restore->reply);
        (void)buf_add(&restore->reply, item.to);
        restore->whole = item.body.size == 0;
        restore->reading = !restore->whole;
        if (!rest_is_clean(restore, item.body))
            return false;
        outbox_pop(&restore->chunks);
    }
    return true;
}

/* ---- taking it ------------------------------------------------------------------------------- */

static bool sound_message(const struct message_block_record *record)
{
    return record->sequence > 0 && record->sequence < STREAM_SEQUENCE_MAX &&
           record->subject.size > 0 && record->subject.size <= EFFECT_SUBJECT_MAX &&
           subject_literal(record->subject) && record->headers.size <= EFFECT_HEADERS_MAX &&
           record->payload.size <= EFFECT_PAYLOAD_MAX;
}

static void decide(struct stream_restore *restore, const struct message_block_record *record,
                   struct decision *decision)
{
    struct stream *stream = restore->stream;
    struct buf *gather = replica_gather(stream->replica);
    struct origin_message message = {
        .sequence = record->sequence,
        .time_ns = record->time_ns,
        .subject = record->subject,
        .headers = record->headers,
        .payload = record->payload,
        .last_copy = true,
    };
    size_t limit = gather->limit;

    gather->limit = limit - GATHER_RESERVED;
    decide_mirrored(&stream->decider, &message, gather, decision);
    gather->limit = limit;
    stream->gathered += decision->records;
}

/* False: it has to wait, or it is over. */
static bool take_message(struct stream_restore *restore)
{
    const struct message_block_record *record = &restore->item.record;
    struct stream *stream = restore->stream;
    size_t size = stream_stored_size(stream->state.config.storage, record->subject.size,
                                     record->headers.size, record->payload.size);
    struct decision decision;

    if (!sound_message(record)) {
        fail(restore, "message %llu makes no sense", (unsigned long long)record->sequence);
        return false;
    }
    if (jetstream_admits(stream->jetstream, stream, size) != 0) {
        fail(restore, "insufficient resources");
        return false;
    }
    decide(restore, record, &decision);
    if (decision.outcome == DECIDE_WAIT || decision.outcome == DECIDE_FULL)
        return false;
    if (decision.outcome == DECIDE_REFUSE) {
        fail(restore, "message %llu is refused: error %u %s", (unsigned long long)record->sequence,
             decision.error, decision.error_text);
        return false;
    }
    restore->last = record->sequence > restore->last ? record->sequence : restore->last;
    restore->messages++;
    restore->kept = false;
    return true;
}

/* What stands where a message was erased has its time; what says that one was deleted has its own.
 */
static int64_t erased_time(const struct message_block_record *record)
{
    return record->empty && record->time_ns > 0 && record->time_ns <= EFFECT_TIME_MAX
               ? record->time_ns
               : 0;
}

static bool take_deleted(struct stream_restore *restore)
{
    uint64_t sequence = restore->item.record.sequence;

    restore->kept = false;
    if (sequence > restore->last) {
        restore->last = sequence;
        restore->last_ns = erased_time(&restore->item.record);
    }
    if (sequence < STREAM_SEQUENCE_MAX && restore->item.record.empty)
        return true; /* it is not among them */
    if (sequence < STREAM_SEQUENCE_MAX &&
        buf_add(&restore->deleted, bytes_of(&sequence, sizeof sequence)))
        return true;
    fail(restore, "the archive names too many deleted messages");
    return false;
}

static void take_totals(struct stream_restore *restore, const struct json *totals)
{
    restore->told = totals != NULL &&
                    json_u64(json_get(totals, BYTES("messages")), &restore->messages_told) &&
                    json_u64(json_get(totals, BYTES("consumers")), &restore->consumers_told);
}

static bool take_stream(struct stream_restore *restore)
{
    struct json_error error;
    const struct json *json, *name;
    struct arena arena;
    bool same;

    arena_init(&arena, ARENA_MAX);
    json = json_parse(&arena, restore->item.json, &error);
    name = json != NULL ? json_get(json, BYTES("name")) : NULL;
    same = name != NULL && bytes_equal(name->text, restore->stream->name);
    if (json != NULL) {
        restore->created_ns = read_created(json, restore->created_ns);
        take_totals(restore, json_get(json, BYTES("millrace")));
    }
    arena_deinit(&arena);
    restore->kept = false;
    if (!same)
        fail(restore, "stream names do not match");
    return same;
}

static bool in_stream(void *owner, uint64_t sequence)
{
    const struct stream *stream = owner;
    struct index_entry entry;

    return index_get(stream->state.index, sequence, &entry);
}

/* A number that only we say, or 0. */
static uint64_t extra_number(struct bytes extra, struct bytes name)
{
    struct json_error error;
    const struct json *json;
    struct arena arena;
    uint64_t number = 0;

    arena_init(&arena, ARENA_MAX);
    json = extra.size > 0 ? json_parse(&arena, extra, &error) : NULL;
    if (json == NULL || !json_u64(json_get(json, name), &number))
        number = 0;
    arena_deinit(&arena);
    return number;
}

/* All messages are there: what is pending and is not among them is nothing any more. */
static bool encode_state(struct stream_restore *restore, uint64_t number)
{
    struct portable portable;
    bool sound = consumer_file_read(restore->item.state, in_stream, restore->stream, &portable);

    portable.snapshot_last = extra_number(restore->item.extra, BYTES("snapshot_last"));
    buf_clear(&restore->state);
    sound = sound && portable_encode(&portable, number, &restore->state);
    portable_deinit(&portable);
    return sound;
}

static uint16_t check_consumer(struct stream_op *op, struct stream *stream)
{
    struct stream_restore *restore = owner_of(op, struct stream_restore, op);
    struct bytes name = restore->item.name;

    op->json = restore->consumer(restore->owner, stream, name, restore->item.json,
                                 &stream->lane->arena, op->error_text);
    if (op->json.size == 0) {
        op->kind = STREAM_OP_READ; /* left out, if that is no error */
    } else if (stream_consumer_shell(stream, name) != NULL) {
        snprintf(op->error_text, sizeof op->error_text, "a consumer comes twice");
    } else {
        op->sequence = stream_consumer_number(stream);
        if (!encode_state(restore, op->sequence))
            snprintf(op->error_text, sizeof op->error_text,
                     "where a consumer stands makes no sense, or is too large");
    }
    return op->error_text[0] != 0 ? 10062 : 0;
}

/* All messages have come: sequences behind the last, and what is to go. False: it waits. */
static bool settle(struct stream_restore *restore)
{
    struct stream *stream = restore->stream;
    struct decision decision;

    if (restore->last > stream->state.last_seq) {
        if (stream->gathered > 0 || stream->decider.barrier || stream->decider.overlay.count > 0)
            return false;
        decide_skip_timed(&stream->decider, restore->last, restore->last_ns,
                          replica_gather(stream->replica), &decision);
        stream->gathered += decision.records;
        stream_mark(stream);
        return false;
    }
    if (restore->deleted_done < restore->deleted.size) {
        submit(restore, STEP_DELETES);
        return false;
    }
    return true;
}

static bool take_consumer(struct stream_restore *restore)
{
    if (settle(restore)) {
        submit(restore, STEP_CONSUMER);
        restore->op.check = check_consumer;
    }
    return false;
}

static bool take_extra(struct stream_restore *restore)
{
    heap_give((void *)restore->extra.at);
    restore->extra = heap_copy(restore->item.json);
    restore->left_out = extra_number(restore->extra, BYTES("left_out"));
    restore->kept = false;
    return true;
}

/* False: it has failed. Messages that were damaged when the archive was made count as told. */
static bool holds_what_it_says(struct stream_restore *restore)
{
    if (!restore->told || (restore->messages + restore->left_out == restore->messages_told &&
                           restore->consumers == restore->consumers_told))
        return true;
    fail(restore,
         "the archive is not whole: there are %llu messages and %llu consumers in it, and were "
         "%llu and %llu when it was made",
         (unsigned long long)(restore->messages + restore->left_out),
         (unsigned long long)restore->consumers, (unsigned long long)restore->messages_told,
         (unsigned long long)restore->consumers_told);
    return false;
}

static bool take_end(struct stream_restore *restore)
{
    if (!restore->reader.configured)
        fail(restore, "the archive is empty");
    else if (read_rest(restore) && holds_what_it_says(restore) && settle(restore))
        submit(restore, STEP_CONFIG);
    return false;
}

static bool take(struct stream_restore *restore)
{
    switch (restore->item.type) {
    case ARCHIVE_STREAM: return take_stream(restore);
    case ARCHIVE_MESSAGE: return take_message(restore);
    case ARCHIVE_DELETED: return take_deleted(restore);
    case ARCHIVE_CONSUMER: return take_consumer(restore);
    case ARCHIVE_EXTRA: return take_extra(restore);
    case ARCHIVE_END: return take_end(restore);
    case ARCHIVE_BAD:
        fail(restore, "%s",
             restore->reader.error[0] != 0 ? restore->reader.error : "chunks came too fast");
        return false;
    case ARCHIVE_PAUSE:
        restore->kept = false;
        restore->paused = stream_lane_turns(restore->stream->lane);
        stream_mark(restore->stream); /* others first */
        return false;
    case ARCHIVE_MORE: break;
    }
    restore->kept = false;
    return read_chunk(restore);
}

void stream_restore_turn(struct stream *stream)
{
    struct stream_restore *restore = stream->restore;

    if (restore == NULL || restore->sink == NULL)
        return;
    if (restore->paused == stream_lane_turns(stream->lane)) {
        stream_mark(stream); /* clients first, too */
        return;
    }
    for (size_t i = 0; i < TURN_ITEMS; i++) {
        if (restore->step != STEP_NONE || stream_operations_busy(stream))
            return;
        if (restore->refused) {
            fail(restore, "the disk refused a part of it");
            return;
        }
        if (!restore->kept)
            archive_next(&restore->reader, &restore->item);
        restore->kept = true;
        if (!take(restore)) {
            if (stream->restore == restore && restore->item.type == ARCHIVE_MORE)
                restore->kept = false;
            return;
        }
    }
    stream_mark(stream); /* others first */
}

bool stream_restore_begin(struct stream *stream, const struct restore_wish *wish)
{
    struct stream_restore *restore;

    if (stream->restore != NULL || !stream->lead || stream->state.configured ||
        stream->state.restoring)
        return false;
    restore = HEAP_NEW(struct stream_restore);
    *restore = (struct stream_restore){
        .stream = stream,
        .config = heap_copy(wish->config),
        .created_ns = wish->created_ns,
        .version = wish->version,
        .owner = wish->owner,
        .consumer = wish->consumer,
        .begun = wish->begun,
        .ended = wish->ended,
        .idle.fire = idle,
    };
    archive_reader_init(&restore->reader, stream->name);
    outbox_init(&restore->chunks, CHUNKS_MAX);
    buf_init(&restore->reply, SIZE_MAX);
    buf_init(&restore->deleted, DELETED_MAX);
    buf_init(&restore->state, CONSUMER_MAX);
    stream->restore = restore;
    submit(restore, STEP_BEGIN);
    return true;
}
