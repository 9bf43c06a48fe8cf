/*
 * stream_fill: the state of another replica, at a block's index, made this one's (docs/raft.md,
 * Catch-up by block). The block's body is decoded beside the state. A message of it that the state
 * has, too, is where it is; the others are asked for by ranges of sequences and written into files
 * of kept records. What nobody has any more has left the stream since: the entries that follow say
 * so.
 */
#include "base/codec.h"
#include "base/heap.h"
#include "base/owner.h"
#include "server/stream/flaws.h"
#include "server/stream/stream_priv.h"
#include "storage/index_capture.h"

/*
 * A file's worth of records is gathered, those that are asked for included, while the one before is
 * written: together that is all the memory of a fill but the index, and its buffers stay until the
 * end, since faulting in 16 MiB for each file cost more than all else.
 */
#define KEEP_PIECES  16u        /* of records in one file */
#define MEMORY_BYTES (1u << 20) /* at most the same, of a log in memory: it goes as a whole */
#define BUSY_NS      INT64_C(10000000)
#define REFUSED_NS   INT64_C(1000000000) /* the disk may be full */

/* Where a record stands in the buffer. */
struct filled {
    uint64_t sequence;
    uint32_t offset;
};

struct filling {
    struct buf records;
    struct filled *at;
    size_t count, capacity;
};

/* Asked for; first 0: nothing. */
struct fill_range {
    uint64_t first, last;
};

/* Outlives its stream while something is in flight. */
struct stream_fill {
    struct stream *stream; /* NULL: it has been dropped */
    struct stream_state next;
    uint64_t index;  /* of the block */
    uint64_t cursor; /* lower sequences are settled, or asked for */
    struct fill_range asked[REPLICA_QUESTIONS];
    uint32_t asked_count;   /* of them */
    struct filling coming;  /* answers */
    struct filling keeping; /* on their way to the disk */
    struct log_keep_op keep;
    bool in_flight;
    bool asked_all;
    bool finished;
};

static void filling_clear(struct filling *filling)
{
    buf_clear(&filling->records);
    filling->count = 0;
}

static void filling_deinit(struct filling *filling)
{
    buf_deinit(&filling->records);
    heap_give(filling->at);
}

static void fill_free(struct stream_fill *fill)
{
    stream_state_deinit(&fill->next);
    filling_deinit(&fill->coming);
    filling_deinit(&fill->keeping);
    heap_give(fill);
}

static uint32_t ordinal_of(const struct index_entry *entry)
{
    return (uint32_t)(entry->place >> 32);
}

/* ---- decoding --------------------------------------------------------------------------------
 */

/* The same message here: its sequence was given to nothing else. */
static bool place(void *context, struct index_entry *entry)
{
    const struct stream *stream = context;
    struct index_entry own;

    entry->place = (uint64_t)LOG_FILE_NONE << 32;
    if (index_get(stream->state.index, entry->sequence, &own) && own.time_ns == entry->time_ns &&
        own.record_size == entry->record_size && own.stored_size == entry->stored_size &&
        bytes_equal(own.subject, entry->subject))
        entry->place = own.place;
    return true;
}

static enum err decode(struct stream *stream, struct stream_state *next, struct bytes body)
{
    struct block_sections sections = stream_block_sections(body);
    enum err err;

    if (!sections.whole)
        return ERR_CORRUPT;
    err = index_restore(next->index, sections.messages, (struct bytes){0}, place, stream);
    return err == OK ? stream_state_decode(next, sections.state) : err;
}

static void go_on(struct stream_fill *fill);

enum err stream_fill_begin(void *owner, const struct replica_block *block)
{
    struct stream *stream = owner;
    struct stream_fill *fill = HEAP_NEW(struct stream_fill);
    enum err err;

    assert(stream->blocks.fill == NULL);
    stream_state_init(&fill->next, prng_next(server_prng(jetstream_server(stream->jetstream))));
    stream_state_use(&fill->next, stream->state.scratch, stream->state.index_bits);
    err = decode(stream, &fill->next, block->body);
    if (err != OK) {
        fill_free(fill);
        return err;
    }
    stream_move_close(stream, true);
    fill->stream = stream;
    fill->index = block->index;
    buf_init(&fill->coming.records, SIZE_MAX);
    buf_init(&fill->keeping.records, SIZE_MAX);
    stream->blocks.fill = fill;
    go_on(fill);
    return OK;
}

void stream_fill_drop(void *owner)
{
    struct stream *stream = owner;
    struct stream_fill *fill = stream->blocks.fill;

    if (fill == NULL)
        return;
    stream->blocks.fill = NULL;
    timers_cancel(io_timers(stream_io(stream)), &stream->blocks.fill_timer);
    fill->stream = NULL;
    if (!fill->in_flight)
        fill_free(fill); /* else who comes back does */
}

/* The server ends: nobody comes back. */
void stream_fill_close(struct stream *stream, bool deleted)
{
    if (stream->blocks.fill != NULL && !deleted)
        stream->blocks.fill->in_flight = false;
    stream_fill_drop(stream);
}

/* ---- asking ----------------------------------------------------------------------------------
 */

/* What is lacking from the cursor on, about as much as an answer holds. False: nothing is. */
static bool next_range(struct stream_fill *fill, struct fill_range *range)
{
    struct index_entry entry;
    uint64_t bytes = 0;

    range->first = 0;
    while (index_next(fill->next.index, NULL, fill->cursor, &entry)) {
        bool lacks = ordinal_of(&entry) == LOG_FILE_NONE;

        if (!lacks && range->first != 0)
            break;
        fill->cursor = entry.sequence + 1;
        if (!lacks)
            continue;
        if (range->first == 0)
            range->first = entry.sequence;
        range->last = entry.sequence;
        bytes += entry.record_size;
        if (bytes >= replica_piece(fill->stream->replica))
            break;
    }
    return range->first != 0;
}

static void ask(struct stream_fill *fill, struct fill_range *range)
{
    uint8_t question[STREAM_QUESTION_SIZE];

    (void)encode_u64(encode_u64(question, range->first), range->last);
    replica_ask(fill->stream->replica, (uint32_t)(range - fill->asked),
                bytes_of(question, sizeof question));
}

static size_t file_size(const struct stream *stream)
{
    size_t size = KEEP_PIECES * replica_piece(stream->replica);

    return log_in_memory(replica_log(stream->replica)) && size > MEMORY_BYTES ? MEMORY_BYTES : size;
}

static bool is_full(const struct stream_fill *fill)
{
    size_t asked = fill->asked_count * replica_piece(fill->stream->replica);

    return fill->coming.records.size + asked >= file_size(fill->stream);
}

/* As many questions at a time as there may be. */
static void ask_more(struct stream_fill *fill)
{
    if ((fill->stream->state.flaws & STREAM_FLAW_FILL_WITHOUT_RECORDS) != 0)
        fill->cursor = UINT64_MAX;
    for (uint32_t i = 0; i < REPLICA_QUESTIONS && !fill->asked_all && !is_full(fill); i++) {
        struct fill_range *range = &fill->asked[i];

        if (range->first != 0)
            continue;
        fill->asked_all = !next_range(fill, range);
        if (fill->asked_all)
            break;
        fill->asked_count++;
        ask(fill, range);
    }
}

/* ---- what comes ------------------------------------------------------------------------------
 */

static void note(struct filling *filling, uint64_t sequence, struct bytes record)
{
    if (filling->count == filling->capacity) {
        filling->capacity = filling->capacity == 0 ? 256 : filling->capacity * 2;
        filling->at = heap_resize(filling->at, filling->capacity * sizeof filling->at[0]);
    }
    filling->at[filling->count++] =
        (struct filled){.sequence = sequence, .offset = (uint32_t)filling->records.size};
    (void)buf_add(&filling->records, record);
}

/* It is what the block says of that message, and was asked for. */
static bool is_wanted(const struct stream_fill *fill, const struct fill_range *range,
                      const struct record *record, struct effect *effect)
{
    struct index_entry entry;

    return effect_read(record, effect) == OK && effect->type == EFFECT_MESSAGE &&
           effect->message.sequence >= range->first && effect->message.sequence <= range->last &&
           index_get(fill->next.index, effect->message.sequence, &entry) &&
           ordinal_of(&entry) == LOG_FILE_NONE && entry.record_size == record->size &&
           entry.time_ns == effect->message.time_ns &&
           bytes_equal(entry.subject, effect->message.subject);
}

static void take_records(struct stream_fill *fill, const struct fill_range *range,
                         struct bytes records)
{
    uint64_t sequence = 0;
    struct record record;
    struct effect effect;

    while (records.size > 0 && record_read(records, &record) == OK) {
        if (is_wanted(fill, range, &record, &effect) && effect.message.sequence > sequence) {
            sequence = effect.message.sequence;
            note(&fill->coming, sequence, bytes_take(records, record.size));
        }
        records = bytes_skip(records, record.size);
    }
}

static struct fill_range *range_from(struct stream_fill *fill, uint64_t first)
{
    for (uint32_t i = 0; i < REPLICA_QUESTIONS; i++)
        if (first != 0 && fill->asked[i].first == first)
            return &fill->asked[i];
    return NULL;
}

/* What an answer leaves of its range is asked for at once. */
static void settle(struct stream_fill *fill, struct fill_range *range, uint64_t last)
{
    if (last < range->last) {
        range->first = last + 1;
        ask(fill, range);
        return;
    }
    range->first = 0;
    fill->asked_count--;
    replica_ask(fill->stream->replica, (uint32_t)(range - fill->asked), (struct bytes){0});
}

void stream_fill_told(void *owner, struct bytes answer)
{
    struct stream *stream = owner;
    struct stream_fill *fill = stream->blocks.fill;
    struct fill_range *range;
    struct decoder in;
    uint64_t first, last;

    decoder_init(&in, answer);
    first = decode_u64(&in);
    last = decode_u64(&in);
    if (fill == NULL || in.failed)
        return;
    range = range_from(fill, first);
    if (range == NULL || last < first || last > range->last)
        return;
    take_records(fill, range, in.rest);
    settle(fill, range, last);
    go_on(fill);
}

/* ---- to the disk -----------------------------------------------------------------------------
 */

static void kept(struct stream_fill *fill)
{
    for (size_t i = 0; i < fill->keeping.count; i++) {
        const struct filled *filled = &fill->keeping.at[i];

        index_move(fill->next.index, filled->sequence,
                   (uint64_t)fill->keep.ordinal << 32 | (LOG_KEEP_HEAD + filled->offset));
    }
    filling_clear(&fill->keeping);
}

static void later(struct stream_fill *fill, int64_t ns)
{
    struct io *io = stream_io(fill->stream);

    timers_arm(io_timers(io), &fill->stream->blocks.fill_timer, io_now(io) + ns);
}

static void keep_done(struct log_keep_op *op, enum err err)
{
    struct stream_fill *fill = owner_of(op, struct stream_fill, keep);

    fill->in_flight = false;
    if (fill->stream == NULL) {
        fill_free(fill);
        return;
    }
    if (err == OK) {
        kept(fill);
        go_on(fill);
    } else {
        later(fill, REFUSED_NS); /* the same records again */
    }
}

static void keep(struct stream_fill *fill)
{
    struct log *log = replica_log(fill->stream->replica);
    struct filling empty = fill->keeping;

    if (log_keep_busy(log)) {
        later(fill, BUSY_NS);
        return;
    }
    if (fill->keeping.count == 0) {
        fill->keeping = fill->coming;
        fill->coming = empty;
    }
    fill->keep.records = buf_bytes(&fill->keeping.records);
    fill->keep.done = keep_done;
    fill->in_flight = true;
    log_keep(log, &fill->keep);
}

/* ---- the end ---------------------------------------------------------------------------------
 */

/* Ordinals in use: bits, segments first. */
struct ordinals {
    uint8_t *segments, *keeps;
    uint32_t segment_count, keep_count;
};

static void mark(uint8_t **at, uint32_t *count, uint32_t number)
{
    if (number >= *count) {
        uint32_t more = number + 1 > 2 * *count ? number + 1 : 2 * *count;

        *at = heap_resize(*at, more);
        memset(*at + *count, 0, more - *count);
        *count = more;
    }
    (*at)[number] = 1;
}

static void find_ordinals(const struct index *index, struct ordinals *found)
{
    struct index_entry entry = {0};

    while (index_next(index, NULL, entry.sequence + 1, &entry)) {
        uint32_t ordinal = ordinal_of(&entry);

        if (ordinal == LOG_FILE_NONE)
            continue;
        if (ordinal >= LOG_KEEP_FIRST)
            mark(&found->keeps, &found->keep_count, ordinal - LOG_KEEP_FIRST);
        else
            mark(&found->segments, &found->segment_count, ordinal);
    }
}

static uint32_t write_names(const struct log *log, const uint8_t *used, uint32_t count,
                            uint32_t first, struct buf *out)
{
    uint32_t written = 0;

    for (uint32_t i = 0; i < count; i++) {
        if (used[i])
            stream_block_name(log, first + i, out);
        written += used[i];
    }
    return written;
}

static void finish(struct stream_fill *fill)
{
    struct stream *stream = fill->stream;
    struct log *log = replica_log(stream->replica);
    struct ordinals used = {0};
    struct index_capture *capture;
    struct buf local, pieces;
    uint32_t count;

    fill->finished = true;
    buf_init(&local, SIZE_MAX);
    buf_init(&pieces, SIZE_MAX);
    capture = index_capture_begin(fill->next.index, &pieces);
    (void)buf_reserve(&local, 4);
    buf_commit(&local, 4);
    find_ordinals(fill->next.index, &used);
    count = write_names(log, used.segments, used.segment_count, 0, &local);
    count += write_names(log, used.keeps, used.keep_count, LOG_KEEP_FIRST, &local);
    (void)encode_u32(local.at, count);
    while (index_capture_step(capture, UINT32_MAX))
        continue;
    (void)index_capture_places(capture, &local);
    index_capture_end(capture);
    buf_deinit(&pieces);
    heap_give(used.segments);
    heap_give(used.keeps);
    replica_take(stream->replica, &local);
}

static void go_on(struct stream_fill *fill)
{
    bool whole;

    ask_more(fill);
    whole = fill->asked_count == 0 && fill->coming.count > 0;
    if (!fill->in_flight && (whole || fill->keeping.count > 0))
        keep(fill);
    else if (!fill->in_flight && fill->asked_count == 0 && fill->asked_all && !fill->finished)
        finish(fill);
}

void stream_fill_fired(struct timer *timer)
{
    struct stream *stream = owner_of(timer, struct stream, blocks.fill_timer);

    if (stream->blocks.fill != NULL)
        go_on(stream->blocks.fill);
}

/* ---- the state is another one ----------------------------------------------------------------
 */

void stream_fill_forget(void *owner)
{
    struct stream *stream = owner;

    stream_fill_drop(stream);
    stream_direct_drop(stream);
    stream_block_forget(stream);
}

void stream_fill_taken(void *owner)
{
    struct stream *stream = owner;

    stream_block_noted(stream);
    if (stream->state.configured)
        stream_subscribe(stream);
    logger_info(server_logger(jetstream_server(stream->jetstream)),
                "Stream '%.*s': taken from another replica up to sequence %llu, %llu messages",
                BYTES_ARG(stream->name), (unsigned long long)stream->state.last_seq,
                (unsigned long long)stream_state_messages(&stream->state));
    stream_mark(stream);
}
