/*
 * stream_repair: messages whose records this disk has lost, as reads, the background check or the
 * start have found, are fetched from other members one by one (docs/raft.md, Lost messages). They
 * are written together into a file of kept records, on the disk before anything leads there; then
 * the message is where that is. A crash before leaves it lost, to be found and fetched again.
 *
 * Nobody can hand over something else. A record counts if the batch that it stood in, with it in
 * its place, has the hash that this disk remembers of it (log_vouch); where nothing here says that,
 * if two others say the same, or the only one that there is.
 *
 * The others are asked one after the other, each for all that is lost. What none of them has is
 * tried again, ever more rarely.
 */
#include <stdlib.h>

#include "base/codec.h"
#include "base/heap.h"
#include "base/owner.h"
#include "server/stream/flaws.h"
#include "server/stream/stream_priv.h"
#include "storage/hash.h"
#include "storage/record.h"

#define ROUND_MESSAGES 1024u      /* gathered, then written */
#define ROUND_BYTES    (1u << 20) /* likewise, and what a question is about, but for one message */
#define ANSWER_NS      INT64_C(1000000000)
#define BUSY_NS        INT64_C(10000000)
#define AGAIN_NS       INT64_C(2000000000)
#define AGAIN_MOST_NS  INT64_C(300000000000)
#define NOTED_NS       INT64_C(1000000000) /* more may be found */
#define WITNESSES      2u

enum repair_phase {
    REPAIR_ASK,
    REPAIR_VOUCH, /* what has come is held against the log */
    REPAIR_KEEP,  /* it waits to be written, or is */
    REPAIR_KEPT,  /* it is on the disk, and waits for a state block to be taken down */
};

struct repaired {
    uint64_t sequence;
    log_place from;
    uint32_t offset, size; /* in the buffer */
    bool good;
};

/* What a member has said that nothing here could judge. */
struct repair_said {
    uint64_t sequence;
    struct log_hash hash;
    uint32_t times; /* by so many members */
};

/* Outlives its stream while something is in flight. */
struct stream_repair {
    struct stream *stream; /* NULL: it has been dropped */
    enum repair_phase phase;
    bool in_flight;
    struct raft_member others[RAFT_MEMBERS_MAX];
    uint32_t other, other_count; /* other: who is asked now */
    bool silent;                 /* that one does not answer */
    uint64_t cursor;             /* lower sequences it was asked for */
    uint64_t first, last;        /* asked for; 0: nothing */
    struct buf records;
    struct repaired at[ROUND_MESSAGES];
    size_t count;
    struct log_vouched vouched[ROUND_MESSAGES];
    struct log_vouch_op vouch;
    struct log_keep_op keep;
    struct repair_said *said; /* by rising sequences */
    size_t said_count, said_capacity;
};

static void repair_free(struct stream_repair *repair)
{
    buf_deinit(&repair->records);
    heap_give(repair->said);
    heap_give(repair);
}

static void later(struct stream *stream, int64_t ns)
{
    struct io *io = stream_io(stream);

    timers_arm(io_timers(io), &stream->blocks.repair_timer, io_now(io) + ns);
}

/* ---- asking --------------------------------------------------------------------------------- */

static size_t piece(const struct stream *stream)
{
    size_t size = replica_piece(stream->replica);

    return size < ROUND_BYTES ? size : ROUND_BYTES;
}

/* Messages that are lost side by side, about as much as an answer holds. False: no more. */
static bool next_run(struct stream_repair *repair)
{
    const struct stream *stream = repair->stream;
    struct index_entry entry;
    size_t bytes = 0, count = repair->count;

    repair->first = 0;
    for (size_t i = lost_from(&stream->state.lost, repair->cursor); i < stream->state.lost.count;
         i++) {
        uint64_t sequence = stream->state.lost.at[i];

        if (repair->first == 0) {
            if (!index_get(stream->state.index, sequence, &entry))
                continue;
            repair->first = sequence;
        } else if (!index_next(stream->state.index, NULL, repair->last + 1, &entry) ||
                   entry.sequence != sequence) {
            break;
        }
        repair->last = sequence;
        bytes += entry.record_size;
        if (bytes >= piece(stream) || ++count == ROUND_MESSAGES)
            break;
    }
    return repair->first != 0;
}

/* False: that one cannot be asked now. */
static bool ask(struct stream_repair *repair)
{
    uint8_t question[STREAM_QUESTION_SIZE];

    (void)encode_u64(encode_u64(question, repair->first), repair->last);
    return replica_fetch(repair->stream->replica, repair->others[repair->other],
                         bytes_of(question, sizeof question));
}

static void go_on(struct stream_repair *repair);

static void next_other(struct stream_repair *repair)
{
    repair->other++;
    repair->silent = false;
    repair->cursor = 1;
    go_on(repair);
}

/* ---- what comes ----------------------------------------------------------------------------- */

/* It is what this replica knows of that message, which it does not have. */
static bool is_wanted(const struct stream_repair *repair, const struct record *record,
                      struct effect *effect, struct index_entry *entry)
{
    const struct stream_state *state = &repair->stream->state;

    return effect_read(record, effect) == OK && effect->type == EFFECT_MESSAGE &&
           !effect->message.erased && effect->message.sequence >= repair->first &&
           effect->message.sequence <= repair->last &&
           lost_has(&state->lost, effect->message.sequence) &&
           index_get(state->index, effect->message.sequence, entry) &&
           entry->record_size == record->size && entry->time_ns == effect->message.time_ns &&
           bytes_equal(entry->subject, effect->message.subject);
}

static void take_records(struct stream_repair *repair, struct bytes records)
{
    uint64_t sequence = 0;
    struct record record;
    struct effect effect;
    struct index_entry entry;

    while (records.size > 0 && repair->count < ROUND_MESSAGES &&
           record_read(records, &record) == OK) {
        if (is_wanted(repair, &record, &effect, &entry) && entry.sequence > sequence) {
            sequence = entry.sequence;
            repair->at[repair->count++] =
                (struct repaired){.sequence = sequence,
                                  .from = entry.place,
                                  .offset = (uint32_t)repair->records.size,
                                  .size = record.size};
            (void)buf_add(&repair->records, bytes_take(records, record.size));
        }
        records = bytes_skip(records, record.size);
    }
}

void stream_repair_told(void *owner, struct raft_member by, struct bytes answer)
{
    struct stream *stream = owner;
    struct stream_repair *repair = stream->blocks.repair;
    struct decoder in;
    uint64_t first, last;

    decoder_init(&in, answer);
    first = decode_u64(&in);
    last = decode_u64(&in);
    if (repair == NULL || in.failed || repair->phase != REPAIR_ASK || repair->first == 0 ||
        first != repair->first || last < first || last > repair->last ||
        !members_equal(by, repair->others[repair->other]))
        return;
    repair->last = last; /* what is behind it is asked for, and must not come twice */
    take_records(repair, in.rest);
    repair->cursor = last + 1;
    repair->first = 0;
    go_on(repair);
}

/* ---- is it that? ---------------------------------------------------------------------------- */

static int compare_places(const void *a, const void *b)
{
    log_place one = ((const struct repaired *)a)->from, other = ((const struct repaired *)b)->from;

    return one < other ? -1 : one > other;
}

static struct bytes record_of(const struct stream_repair *repair, const struct repaired *repaired)
{
    return bytes_of(repair->records.at + repaired->offset, repaired->size);
}

static struct repair_said *said_of(struct stream_repair *repair, uint64_t sequence)
{
    size_t low = 0, high = repair->said_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (repair->said[middle].sequence < sequence)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < repair->said_count && repair->said[low].sequence == sequence)
        return &repair->said[low];
    if (repair->said_count == repair->said_capacity) {
        repair->said_capacity = repair->said_capacity == 0 ? 16 : 2 * repair->said_capacity;
        repair->said = heap_resize(repair->said, repair->said_capacity * sizeof repair->said[0]);
    }
    memmove(&repair->said[low + 1], &repair->said[low],
            (repair->said_count - low) * sizeof repair->said[0]);
    repair->said_count++;
    repair->said[low] = (struct repair_said){.sequence = sequence};
    return &repair->said[low];
}

/* Who differs from the one before is believed no more than that one: it begins anew. */
static bool is_witnessed(struct stream_repair *repair, const struct repaired *repaired)
{
    struct repair_said *said = said_of(repair, repaired->sequence);
    struct log_hash hash = hash_128(record_of(repair, repaired));
    uint32_t needed = repair->other_count < WITNESSES ? repair->other_count : WITNESSES;

    if ((repair->stream->state.flaws & STREAM_FLAW_REPAIR_TRUSTS) != 0)
        return true;
    said->times = hash_equal(&said->hash, &hash) ? said->times + 1 : 1;
    said->hash = hash;
    return said->times >= needed;
}

/* Only what is good stays in the buffer. */
static void drop_others(struct stream_repair *repair)
{
    struct buf good;
    size_t count = 0;

    buf_init(&good, SIZE_MAX);
    for (size_t i = 0; i < repair->count; i++) {
        struct repaired repaired = repair->at[i];

        if (!repaired.good)
            continue;
        repaired.offset = (uint32_t)good.size;
        (void)buf_add(&good, record_of(repair, &repair->at[i]));
        repair->at[count++] = repaired;
    }
    repair->count = count;
    buf_deinit(&repair->records);
    repair->records = good;
}

static void keep(struct stream_repair *repair);

static void judge(struct stream_repair *repair)
{
    for (size_t i = 0; i < repair->count; i++)
        repair->at[i].good = repair->vouched[i].good || is_witnessed(repair, &repair->at[i]);
    drop_others(repair);
    repair->phase = REPAIR_KEEP;
    keep(repair);
}

static void vouch_done(struct log_vouch_op *op)
{
    struct stream_repair *repair = owner_of(op, struct stream_repair, vouch);

    repair->in_flight = false;
    if (repair->stream == NULL)
        repair_free(repair);
    else
        judge(repair);
}

/* An answer that came twice has nothing twice: what is asked for next is behind it. */
static void vouch(struct stream_repair *repair)
{
    struct log *log = replica_log(repair->stream->replica);

    if (log_vouch_busy(log)) { /* one that was dropped */
        later(repair->stream, BUSY_NS);
        return;
    }
    qsort(repair->at, repair->count, sizeof repair->at[0], compare_places);
    for (size_t i = 0; i < repair->count; i++)
        repair->vouched[i] = (struct log_vouched){.place = repair->at[i].from,
                                                  .record = record_of(repair, &repair->at[i])};
    repair->vouch =
        (struct log_vouch_op){.at = repair->vouched, .count = repair->count, .done = vouch_done};
    repair->in_flight = true;
    log_vouch(log, &repair->vouch);
}

/* ---- to the disk, and then read there ------------------------------------------------------- */

static void clear(struct stream_repair *repair)
{
    repair->count = 0;
    buf_clear(&repair->records);
    repair->phase = REPAIR_ASK;
    if (repair->stream->erasing.count > 0)
        stream_mark(repair->stream); /* it has waited */
}

static void say(struct stream *stream, size_t count)
{
    stream->repaired += count;
    if (count > 0)
        logger_info(server_logger(jetstream_server(stream->jetstream)),
                    "Stream '%.*s': %zu messages that were damaged on disk are whole again, taken "
                    "from another server; %zu still are",
                    BYTES_ARG(stream->name), count, stream->state.lost.count);
}

/* The damaged bytes are still what they were but for a bit: should the message be erased one day,
 * nobody would know that they are there. They go when a block leads to the others: a start from the
 * one before would still judge what it fetches by them. */
static void note_stale(struct stream *stream, log_place place, uint32_t size)
{
    struct stream_blocks *blocks = &stream->blocks;

    if (place >> 32 == LOG_FILE_NONE)
        return;
    if (blocks->stale_count == blocks->stale_capacity) {
        blocks->stale_capacity = blocks->stale_capacity == 0 ? 16 : 2 * blocks->stale_capacity;
        blocks->stale =
            heap_resize(blocks->stale, blocks->stale_capacity * sizeof blocks->stale[0]);
    }
    blocks->stale[blocks->stale_count++] = (struct log_erased){.place = place, .size = size};
}

void stream_repair_captured(struct stream *stream)
{
    stream->blocks.stale_captured = stream->blocks.stale_count;
}

void stream_repair_blocked(struct stream *stream)
{
    struct stream_blocks *blocks = &stream->blocks;
    size_t count = blocks->stale_captured;

    for (size_t i = 0; i < count; i++)
        stream_erase_also(stream, blocks->stale[i].place, blocks->stale[i].size);
    blocks->stale_count -= count;
    blocks->stale_captured = 0;
    if (count > 0 && blocks->stale_count > 0)
        memmove(blocks->stale, blocks->stale + count,
                blocks->stale_count * sizeof blocks->stale[0]);
}

/* What has left the stream meanwhile, perhaps for its bytes to go, goes from there, too. */
static void apply(struct stream_repair *repair)
{
    struct stream *stream = repair->stream;
    struct index_entry entry;
    size_t count = 0;

    for (size_t i = 0; i < repair->count; i++) {
        const struct repaired *repaired = &repair->at[i];
        log_place place = (uint64_t)repair->keep.ordinal << 32 | (LOG_KEEP_HEAD + repaired->offset);

        if (!index_get(stream->state.index, repaired->sequence, &entry) ||
            entry.place != repaired->from) {
            if ((stream->state.flaws & STREAM_FLAW_REPAIR_LEAVES) == 0)
                stream_erase_also(stream, place, repaired->size);
            continue;
        }
        stream_block_removed(stream, &entry);
        if (entry.place >> 32 != LOG_FILE_NONE)
            stream_block_file(stream, (uint32_t)(entry.place >> 32))->moved = true;
        entry.place = place;
        index_move(stream->state.index, repaired->sequence, place);
        stream_block_stored(stream, &entry);
        note_stale(stream, repaired->from, repaired->size);
        count += lost_remove(&stream->state.lost, repaired->sequence, entry.stored_size);
        counters_forget(&stream->decider.counters, repaired->sequence, 1); /* that it is broken */
    }
    clear(repair);
    say(stream, count);
    stream_held_release(stream);
    go_on(repair);
}

/* Its files are counted as they were when a block was begun. */
void stream_repair_apply(struct stream *stream)
{
    struct stream_repair *repair = stream->blocks.repair;

    if (repair != NULL && repair->phase == REPAIR_KEPT)
        apply(repair);
}

static void keep_done(struct log_keep_op *op, enum err err)
{
    struct stream_repair *repair = owner_of(op, struct stream_repair, keep);

    repair->in_flight = false;
    if (repair->stream == NULL) {
        repair_free(repair);
        return;
    }
    if (err != OK) { /* the disk may be full */
        clear(repair);
        stream_repair_end(repair->stream);
        return;
    }
    repair->phase = REPAIR_KEPT;
    if (repair->stream->blocks.capture == NULL)
        apply(repair);
}

static void keep(struct stream_repair *repair)
{
    struct stream *stream = repair->stream;
    struct log *log = replica_log(stream->replica);

    if (repair->count == 0) {
        clear(repair);
        go_on(repair);
        return;
    }
    if (log_keep_busy(log)) {
        later(stream, BUSY_NS);
        return;
    }
    repair->keep = (struct log_keep_op){.records = buf_bytes(&repair->records), .done = keep_done};
    repair->in_flight = true;
    log_keep(log, &repair->keep);
}

/* ---- rounds --------------------------------------------------------------------------------- */

static bool is_full(const struct stream_repair *repair)
{
    return repair->count == ROUND_MESSAGES || repair->records.size >= ROUND_BYTES;
}

/* Asks on; else what has come is written; else it is the next one's turn. */
static void go_on(struct stream_repair *repair)
{
    if (repair->other < repair->other_count && !repair->silent && !is_full(repair) &&
        next_run(repair)) {
        repair->silent = !ask(repair);
        if (!repair->silent) {
            later(repair->stream, ANSWER_NS);
            return;
        }
    }
    repair->first = 0;
    if (repair->count > 0) {
        repair->phase = REPAIR_VOUCH;
        vouch(repair);
    } else if (repair->other < repair->other_count) {
        next_other(repair);
    } else {
        stream_repair_end(repair->stream);
    }
}

void stream_repair_end(struct stream *stream)
{
    struct stream_blocks *blocks = &stream->blocks;

    stream_repair_drop(stream);
    stream_held_release(stream);
    if (stream->state.lost.count == 0) {
        blocks->repair_wait_ns = 0;
        return;
    }
    blocks->repair_wait_ns = blocks->repair_wait_ns == 0 ? AGAIN_NS : 2 * blocks->repair_wait_ns;
    if (blocks->repair_wait_ns > AGAIN_MOST_NS)
        blocks->repair_wait_ns = AGAIN_MOST_NS;
    later(stream, blocks->repair_wait_ns);
}

static void begin(struct stream *stream)
{
    struct raft_member others[RAFT_MEMBERS_MAX];
    struct stream_repair *repair;

    if (stream->state.lost.count == 0 || stream->closing)
        return;
    if (replica_others(stream->replica, others) == 0) {
        replica_block_soon(stream->replica); /* nobody has it: the next start is to know */
        return;
    }
    if (stream->blocks.fill != NULL) { /* another state comes, with all that it lacks */
        later(stream, AGAIN_NS);
        return;
    }
    repair = HEAP_NEW(struct stream_repair);
    repair->stream = stream;
    repair->other_count = replica_others(stream->replica, repair->others);
    repair->cursor = 1;
    buf_init(&repair->records, SIZE_MAX);
    stream->blocks.repair = repair;
    go_on(repair);
}

static void unanswered(struct stream_repair *repair)
{
    repair->silent = true;
    go_on(repair);
}

void stream_repair_fired(struct timer *timer)
{
    struct stream *stream = owner_of(timer, struct stream, blocks.repair_timer);
    struct stream_repair *repair = stream->blocks.repair;

    if (stream_failed(stream))
        return;
    if (repair == NULL)
        begin(stream);
    else if (repair->in_flight)
        return;
    else if (repair->phase == REPAIR_ASK)
        unanswered(repair);
    else if (repair->phase == REPAIR_VOUCH)
        vouch(repair);
    else if (repair->phase == REPAIR_KEEP)
        keep(repair);
}

/* ---- life ----------------------------------------------------------------------------------- */

void stream_repair_opened(struct stream *stream)
{
    struct raft_member others[RAFT_MEMBERS_MAX];

    if (stream->state.lost.count > 0 && replica_others(stream->replica, others) > 0)
        stream_repair_wanted(stream);
}

void stream_repair_wanted(struct stream *stream)
{
    struct raft_member others[RAFT_MEMBERS_MAX];

    if (stream->replica == NULL || stream->closing || stream->blocks.repair != NULL ||
        stream->state.lost.count == 0 || log_in_memory(replica_log(stream->replica)))
        return;
    stream->blocks.repair_wait_ns = 0;
    if (replica_others(stream->replica, others) > 0)
        later(stream, 0);
    else if (!timer_armed(&stream->blocks.repair_timer))
        later(stream, NOTED_NS);
}

bool stream_repair_holds(const struct stream *stream)
{
    const struct stream_repair *repair = stream->blocks.repair;

    return repair != NULL && repair->count > 0;
}

void stream_repair_drop(struct stream *stream)
{
    struct stream_repair *repair = stream->blocks.repair;

    timers_cancel(io_timers(stream_io(stream)), &stream->blocks.repair_timer);
    if (repair == NULL)
        return;
    stream->blocks.repair = NULL;
    repair->stream = NULL;
    if (!repair->in_flight)
        repair_free(repair); /* else who comes back does */
}

/* The server ends: nobody comes back. */
void stream_repair_close(struct stream *stream, bool deleted)
{
    if (stream->blocks.repair != NULL && !deleted)
        stream->blocks.repair->in_flight = false;
    stream_repair_drop(stream);
}
