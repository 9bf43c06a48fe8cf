#include "server/stream/scrub.h"

#include "base/heap.h"
#include "base/owner.h"
#include "server/stream/stream_priv.h"
#include "storage/record.h"

#define STEP_MESSAGES 4096u                /* in one go */
#define TAKEN_NS      INT64_C(60000000000) /* what follows a state that was taken is there */
#define COST_LEAST    256u /* a message counts for so many bytes at least: each is looked up */

#define NOWHERE ((log_place)LOG_FILE_NONE << 32)

static bool is_sound(struct bytes bytes, uint64_t sequence)
{
    struct record record;
    struct effect effect;

    return record_read(bytes, &record) == OK && effect_read(&record, &effect) == OK &&
           effect.type == EFFECT_MESSAGE && effect.message.sequence == sequence;
}

static bool is_absent(const struct index_entry *entry)
{
    return entry->place >> 32 == LOG_FILE_NONE;
}

/* Else it has left the stream where the state was taken from: the log says so further on. */
static bool is_missing(const struct stream *stream, const struct index_entry *entry)
{
    return is_absent(entry) &&
           (stream->taken_ns == 0 || io_now(stream_io(stream)) - stream->taken_ns > TAKEN_NS);
}

/* It is in memory whole? */
static bool covers(const struct scrub *scrub, const struct index_entry *entry)
{
    return entry->sequence <= scrub->last && entry->place >= scrub->place &&
           entry->place + entry->record_size <= scrub->place + scrub->size;
}

static void scrub_end(struct scrub *scrub, uint64_t bytes, bool end)
{
    if (scrub->stream != NULL)
        scrub->stream->scrub = NULL;
    scrub->stream = NULL;
    scrub->size = 0; /* what was read may be changed until the next step */
    scrub->done(scrub->owner, bytes, end);
}

static void damaged(struct scrub *scrub, const struct index_entry *entry)
{
    scrub->damaged++;
    stream_damaged(scrub->stream, entry->sequence, entry->stored_size,
                   "found by the background check");
}

/* What the index has of the next one. What it cannot read ends the pass of the stream. */
static enum scratch_place bring(struct scrub *scrub, struct index_entry *entry)
{
    enum scratch_place place =
        stream_bring_next(scrub->stream, NULL, scrub->sequence, &scrub->known);

    if (place != SCRATCH_HERE)
        *entry = (struct index_entry){.sequence = place == SCRATCH_AWAY ? scrub->sequence : 0,
                                      .place = NOWHERE};
    return place;
}

/* What stands in memory; the first that does not is read next. True: that is for another step, or
 * (entry->sequence 0) there is no more. */
static bool look(struct scrub *scrub, uint64_t *cost, struct index_entry *entry)
{
    for (unsigned i = 0; i < STEP_MESSAGES; i++) {
        if (bring(scrub, entry) != SCRATCH_HERE)
            return true;
        if (!index_next(scrub->stream->state.index, NULL, scrub->sequence, entry)) {
            entry->sequence = 0;
            return true;
        }
        if (!is_absent(entry) && !covers(scrub, entry))
            return false;
        if (!is_absent(entry) &&
            is_sound(bytes_of(scrub->memory + (entry->place - scrub->place), entry->record_size),
                     entry->sequence))
            stream_sound(scrub->stream, entry);
        else if (!is_absent(entry) || is_missing(scrub->stream, entry))
            damaged(scrub, entry);
        scrub->sequence = entry->sequence + 1;
        *cost += entry->record_size > COST_LEAST ? entry->record_size : COST_LEAST;
    }
    return true;
}

static void read_done(struct log_read *read, int64_t result)
{
    struct scrub *scrub = owner_of(read, struct scrub, read);
    struct index_entry entry;
    uint64_t cost = 0;

    scrub->reading = false;
    if (scrub->ended) { /* it waited for this */
        scrub_destroy(scrub);
        return;
    }
    if (scrub->stream == NULL) {
        scrub_end(scrub, 0, true);
        return;
    }
    scrub->size = result > 0 ? (size_t)result : 0;
    (void)look(scrub, &cost, &entry);
    if (cost == 0 && entry.sequence != 0 && entry.place == scrub->place) {
        damaged(scrub, &entry); /* it is not there, or cannot be read */
        scrub->sequence = entry.sequence + 1;
        cost = COST_LEAST;
    }
    scrub_end(scrub, cost, entry.sequence == 0);
}

void scrub_step(struct scrub *scrub, struct stream *stream)
{
    struct index_entry entry;
    uint64_t cost = 0;
    size_t size;

    assert(!scrub->reading);
    scrub->stream = stream;
    scrub->size = 0;
    scrub->known = (struct bring_known){0}; /* it may be of another stream */
    if (log_in_memory(replica_log(stream->replica))) {
        scrub_end(scrub, 0, true);
        return;
    }
    if (look(scrub, &cost, &entry)) {
        scrub_end(scrub, cost, entry.sequence == 0);
        return;
    }
    size = entry.record_size > SCRUB_PIECE ? entry.record_size : SCRUB_PIECE;
    if (size > scrub->capacity) {
        heap_give(scrub->memory);
        scrub->memory = heap_take(size);
        scrub->capacity = size;
    }
    scrub->place = entry.place;
    scrub->last = stream->state.last_seq;
    scrub->reading = true;
    stream->scrub = scrub;
    scrub->read.done = read_done;
    log_read(replica_log(stream->replica), &scrub->read, entry.place, scrub->memory, size);
}

void scrub_leave(struct scrub *scrub)
{
    scrub->stream = NULL;
}

struct scrub *scrub_create(scrub_done_fn *done, void *owner)
{
    struct scrub *scrub = HEAP_NEW(struct scrub);

    scrub->done = done;
    scrub->owner = owner;
    scrub->sequence = 1;
    return scrub;
}

void scrub_destroy(struct scrub *scrub)
{
    scrub->ended = true;
    if (scrub->reading)
        return; /* what is being read is still to be written there */
    heap_give(scrub->memory);
    heap_give(scrub);
}
