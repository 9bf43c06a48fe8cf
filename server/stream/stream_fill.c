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
#define STEP_PIECES  16u        /* of 1024 messages: about 2 ms */
#define BUSY_NS      INT64_C(10000000)
#define REFUSED_NS   INT64_C(1000000000) /* the disk may be full */
#define LEFT_MAX     50000u              /* to be erased; the others go with their files */

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
    struct index_restoring *decoding; /* NULL: it is decoded */
    struct bytes state;               /* its section of the body: decoded last */
    uint64_t answered;     /* the highest index that whoever answered had applied by then */
    struct ending *ending; /* NULL: something is still lacking */
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

static void ending_free(struct ending *ending);

static void fill_free(struct stream_fill *fill)
{
    if (fill->decoding != NULL)
        index_restoring_end(fill->decoding);
    if (fill->ending != NULL)
        ending_free(fill->ending);
    stream_state_deinit(&fill->next);
    filling_deinit(&fill->coming);
    filling_deinit(&fill->keeping);
    heap_give(fill);
}

static uint32_t ordinal_of(const struct index_entry *entry)
{
    return (uint32_t)(entry->place >> 32);
}

/* ---- decoding ------------------------------------------------------------------------------- */

/* The same message here: its sequence was given to nothing else. What is damaged is asked for. */
static bool place(void *context, struct index_entry *entry)
{
    const struct stream *stream = context;
    struct index_entry own;

    entry->place = (uint64_t)LOG_FILE_NONE << 32;
    if (!lost_has(&stream->state.lost, entry->sequence) &&
        index_get(stream->state.index, entry->sequence, &own) && own.time_ns == entry->time_ns &&
        own.record_size == entry->record_size && own.stored_size == entry->stored_size &&
        bytes_equal(own.subject, entry->subject))
        entry->place = own.place;
    return true;
}

static void go_on(struct stream_fill *fill);

static void later(struct stream_fill *fill, int64_t ns)
{
    struct io *io = stream_io(fill->stream);

    timers_arm(io_timers(io), &fill->stream->blocks.fill_timer, io_now(io) + ns);
}

/* Some messages a turn: who waits for all of a million is taken for dead by the other nodes. */
static void decode_step(struct stream_fill *fill)
{
    enum err err = index_restoring_step(fill->decoding, STEP_PIECES);

    if (err == ERR_AGAIN) {
        later(fill, 0);
        return;
    }
    if (stream_failed(fill->stream))
        return; /* the block is as good as it was */
    index_restoring_end(fill->decoding);
    fill->decoding = NULL;
    if (err == OK)
        err = stream_state_decode(&fill->next, fill->state);
    if (err == OK)
        go_on(fill);
    else
        replica_fill_refused(fill->stream->replica); /* which drops this */
}

enum err stream_fill_begin(void *owner, const struct replica_block *block)
{
    struct block_sections sections = stream_block_sections(block->body);
    struct stream *stream = owner;
    struct stream_fill *fill;

    assert(stream->blocks.fill == NULL);
    if (!sections.whole)
        return ERR_CORRUPT;
    fill = HEAP_NEW(struct stream_fill);
    stream_state_init(&fill->next, prng_next(stream->lane->prng));
    stream_state_use(&fill->next, stream->state.scratch, stream->state.index_cache,
                     stream->state.index_bits);
    stream_move_close(stream, true);
    stream_repair_close(stream, true);
    fill->stream = stream;
    fill->index = block->index;
    fill->state = sections.state;
    fill->decoding = index_restoring_begin(fill->next.index, sections.messages, (struct bytes){0},
                                           false, place, stream);
    buf_init(&fill->coming.records, SIZE_MAX);
    buf_init(&fill->keeping.records, SIZE_MAX);
    stream->blocks.fill = fill;
    later(fill, 0);
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

/* ---- asking --------------------------------------------------------------------------------- */

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

/* ---- what comes ----------------------------------------------------------------------------- */

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

void stream_fill_told(void *owner, struct bytes answer, uint64_t applied)
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
    if (applied > fill->answered)
        fill->answered = applied;
    take_records(fill, range, in.rest);
    settle(fill, range, last);
    go_on(fill);
}

/* ---- to the disk ---------------------------------------------------------------------------- */

static void kept(struct stream_fill *fill)
{
    for (size_t i = 0; i < fill->keeping.count; i++) {
        const struct filled *filled = &fill->keeping.at[i];

        index_move(fill->next.index, filled->sequence,
                   (uint64_t)fill->keep.ordinal << 32 | (LOG_KEEP_HEAD + filled->offset));
    }
    filling_clear(&fill->keeping);
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

/* ---- the end -------------------------------------------------------------------------------- */

/* The list of where messages are, made in steps: first what lives in which file, then the places.
 */
struct ending {
    uint64_t cursor; /* lower sequences are marked */
    bool marked;
    uint64_t left_cursor; /* of the state that goes: lower ones are in the next one, or noted */
    bool left_known;
    struct log_erased *left; /* what this replica has and the next state has not */
    size_t left_count, left_capacity;
    struct lost lacking; /* not among the answers */
    struct stream_places places;
    struct index_capture *capture; /* NULL: not begun, or ended */
    struct buf pieces;             /* which nobody needs */
};

static void ending_free(struct ending *ending)
{
    if (ending->capture != NULL)
        index_capture_end(ending->capture);
    buf_deinit(&ending->pieces);
    stream_places_deinit(&ending->places);
    lost_deinit(&ending->lacking);
    heap_give(ending->left);
    heap_give(ending);
}

/* False: there are more. */
static bool mark_some(const struct index *index, struct ending *ending)
{
    struct index_entry entry;

    for (uint32_t i = 0; i < STEP_PIECES * 1024; i++) {
        if (!index_next(index, NULL, ending->cursor, &entry))
            return true;
        ending->cursor = entry.sequence + 1;
        if (ordinal_of(&entry) == LOG_FILE_NONE)
            (void)lost_add(&ending->lacking, entry.sequence, entry.stored_size);
        stream_places_add(&ending->places, &entry);
    }
    return false;
}

static void note_left(struct ending *ending, const struct index_entry *entry)
{
    if (ending->left_count == ending->left_capacity) {
        ending->left_capacity = ending->left_capacity == 0 ? 64 : 2 * ending->left_capacity;
        ending->left = heap_resize(ending->left, ending->left_capacity * sizeof ending->left[0]);
    }
    ending->left[ending->left_count++] =
        (struct log_erased){.place = entry->place, .size = entry->record_size};
}

/* Does the next state lead to that file? Else it goes as a whole, and all that is in it. */
static bool is_lived_in(const struct ending *ending, log_place place)
{
    uint32_t ordinal = (uint32_t)(place >> 32);
    const struct stream_files *files =
        ordinal >= LOG_KEEP_FIRST ? &ending->places.keeps : &ending->places.segments;
    uint32_t number = ordinal >= LOG_KEEP_FIRST ? ordinal - LOG_KEEP_FIRST : ordinal;

    return number < files->count && files->at[number].messages > 0;
}

/*
 * What has left the stream since this replica was there may have been deleted for its bytes to go;
 * the deletion is among the entries that the block stands for, and nobody says it again. So all of
 * it is erased that would not go with its file. What came after the block this replica's own log
 * may still bring. False: there is more to look at.
 */
static bool note_left_some(struct stream_fill *fill)
{
    struct ending *ending = fill->ending;
    struct index_entry entry, next;

    if (STREAM_FLAWED_STATE(fill->stream, FILL_LEAVES) ||
        log_in_memory(replica_log(fill->stream->replica)))
        return true;
    for (uint32_t i = 0; i < STEP_PIECES * 1024; i++) {
        if (!index_next(fill->stream->state.index, NULL, ending->left_cursor, &entry) ||
            entry.sequence > fill->next.last_seq)
            return true;
        ending->left_cursor = entry.sequence + 1;
        if (ending->left_count < LEFT_MAX && entry.place >> 32 != LOG_FILE_NONE &&
            is_lived_in(ending, entry.place) && !index_get(fill->next.index, entry.sequence, &next))
            note_left(ending, &entry);
    }
    return false;
}

static uint32_t write_names(const struct log *log, const struct stream_files *files, uint32_t first,
                            struct buf *out)
{
    uint32_t written = 0;

    for (uint32_t i = 0; i < files->count; i++) {
        if (files->at[i].messages > 0)
            stream_block_name(log, first + i, out);
        written += files->at[i].messages > 0;
    }
    return written;
}

static void finish(struct stream_fill *fill)
{
    struct stream *stream = fill->stream;
    struct log *log = replica_log(stream->replica);
    struct ending *ending = fill->ending;
    struct buf local, erasing;
    uint32_t count;

    buf_init(&local, SIZE_MAX);
    (void)buf_reserve(&local, 4);
    buf_commit(&local, 4);
    count = write_names(log, &ending->places.segments, 0, &local);
    count += write_names(log, &ending->places.keeps, LOG_KEEP_FIRST, &local);
    buf_init(&erasing, SIZE_MAX);
    stream_erase_encode(stream, &erasing);
    stream_erase_encode_more(stream, ending->left, ending->left_count, &erasing);
    stream_block_names_end(count, buf_bytes(&erasing), (struct bytes){0}, false, &local);
    buf_deinit(&erasing);
    (void)index_capture_places(ending->capture, &local);
    index_capture_end(ending->capture);
    ending->capture = NULL;
    buf_release(&ending->pieces);
    replica_take(stream->replica, &local);
}

static void end_step(struct stream_fill *fill)
{
    struct ending *ending = fill->ending;

    if (!ending->marked) {
        ending->marked = mark_some(fill->next.index, ending);
        later(fill, 0);
    } else if (!ending->left_known) {
        ending->left_known = note_left_some(fill);
        if (ending->left_known)
            ending->capture = index_capture_begin(fill->next.index, &ending->pieces);
        later(fill, 0);
    } else if (ending->capture != NULL) {
        buf_clear(&ending->pieces);
        if (index_capture_step(ending->capture, STEP_PIECES))
            later(fill, 0);
        else
            finish(fill);
    }
}

static void begin_end(struct stream_fill *fill)
{
    fill->ending = HEAP_NEW(struct ending);
    buf_init(&fill->ending->pieces, SIZE_MAX);
    later(fill, 0);
}

static void go_on(struct stream_fill *fill)
{
    bool whole;

    if (fill->decoding != NULL || fill->ending != NULL)
        return;
    ask_more(fill);
    whole = fill->asked_count == 0 && fill->coming.count > 0;
    if (!fill->in_flight && (whole || fill->keeping.count > 0))
        keep(fill);
    else if (!fill->in_flight && fill->asked_count == 0 && fill->asked_all)
        begin_end(fill);
}

void stream_fill_fired(struct timer *timer)
{
    struct stream *stream = owner_of(timer, struct stream, blocks.fill_timer);
    struct stream_fill *fill = stream->blocks.fill;

    if (fill == NULL || stream_failed(stream))
        return;
    if (fill->decoding != NULL)
        decode_step(fill);
    else if (fill->ending != NULL)
        end_step(fill);
    else
        go_on(fill);
}

/* ---- the state is another one --------------------------------------------------------------- */

/* Found damaged since the block was decoded: the next state leads to the same place. */
static struct lost found_since(const struct stream_fill *fill)
{
    const struct stream_state *state = &fill->stream->state;
    struct lost found = {0};
    struct index_entry own, next;

    for (size_t i = 0; i < state->lost.count; i++) {
        uint64_t sequence = state->lost.at[i];

        if (!STREAM_FLAWED_STATE(fill->stream, FILL_FORGETS) &&
            index_get(state->index, sequence, &own) && ordinal_of(&own) != LOG_FILE_NONE &&
            index_get(fill->next.index, sequence, &next) && next.place == own.place)
            (void)lost_add(&found, sequence, next.stored_size);
    }
    return found;
}

void stream_fill_forget(void *owner)
{
    struct stream *stream = owner;

    struct stream_fill *fill = stream->blocks.fill;
    struct stream_filled filled = {.index = fill->next.index, .places = fill->ending->places};
    struct lost found = found_since(fill), lacking = fill->ending->lacking;
    uint64_t answered = fill->answered;

    for (size_t i = 0; i < fill->ending->left_count; i++)
        stream_erase_also(stream, fill->ending->left[i].place, fill->ending->left[i].size);
    fill->next.index = NULL;
    fill->ending->places = (struct stream_places){0};
    fill->ending->lacking = (struct lost){0};
    stream_fill_drop(stream);
    stream_direct_drop(stream);
    stream_block_forget(stream);
    stream->blocks.filled = filled;
    stream->blocks.found = found;
    stream->blocks.lacking = lacking;
    stream->blocks.lacking_until = answered;
}

/*
 * A message that was not among the answers has left the stream before the one who answered had
 * applied as much: then the log takes it out here, too. If it does not, that one's disk has lost it
 * and another one may have it.
 */
void stream_fill_applied(struct stream *stream, uint64_t index)
{
    struct lost *lacking = &stream->blocks.lacking;
    struct index_entry entry;

    if (index < stream->blocks.lacking_until)
        return;
    for (size_t i = 0; i < lacking->count; i++) {
        if (index_get(stream->state.index, lacking->at[i], &entry) &&
            ordinal_of(&entry) == LOG_FILE_NONE)
            stream_damaged(stream, entry.sequence, entry.stored_size,
                           "nor did the server have it whose state was taken");
    }
    lost_deinit(lacking);
}

static void note_found(struct stream *stream)
{
    struct lost *found = &stream->blocks.found;
    struct index_entry entry;

    for (size_t i = 0; i < found->count; i++) {
        if (index_get(stream->state.index, found->at[i], &entry))
            (void)lost_add(&stream->state.lost, entry.sequence, entry.stored_size);
    }
    lost_deinit(found);
    stream_repair_wanted(stream);
}

void stream_fill_taken(void *owner)
{
    struct stream *stream = owner;

    stream_block_noted(stream);
    note_found(stream);
    stream_fill_applied(stream, replica_applied(stream->replica));
    stream_erase_remains(stream);
    stream->taken_ns = io_now(stream_io(stream));
    if (stream->state.configured)
        stream_subscribe(stream);
    logger_info(server_logger(jetstream_server(stream->jetstream)),
                "Stream '%.*s': taken from another replica up to sequence %llu, %llu messages",
                BYTES_ARG(stream->name), (unsigned long long)stream->state.last_seq,
                (unsigned long long)stream_state_messages(&stream->state));
    stream_mark(stream);
}
