#include <inttypes.h>
#include <stdio.h>

#include "base/heap.h"
#include "base/owner.h"
#include "storage/flaws.h"
#include "storage/journal_priv.h"

#define BUFFER_FIRST (64u << 10)

void journal_report(struct journal *j, const char *what, uint64_t number, enum err err)
{
    char text[160];

    if (j->options.report == NULL)
        return;
    snprintf(text, sizeof text, "journal file %" PRIu64 ": %s: %s", number, what, err_text(err));
    j->options.report(j->options.report_context, text);
}

/* ---- covers --------------------------------------------------------------------------------- */

static unsigned cover_bits(const struct journal_cover *cover)
{
    return (unsigned)(cover->flight | cover->held | cover->syncing);
}

void journal_retire(struct journal *j, struct journal_file *file)
{
    if (file->file == NULL || !file->condemned || file->pins > 0 || file->held > 0)
        return;
    if (file - j->files == j->write_file)
        return;
    io_close(j->io, file->file);
    file->file = NULL;
    if (j->left.count < JOURNAL_PLACES)
        j->left.numbers[j->left.count++] = file->number;
    else
        j->left.more = true;
}

/* Replaces a cover's bits and keeps the files' counts right. */
static void cover_set(struct journal *j, struct journal_cover *cover, struct journal_cover next)
{
    unsigned before = cover_bits(cover), after = cover_bits(&next);
    unsigned stuck_before = cover->failed ? before : 0, stuck_after = next.failed ? after : 0;

    *cover = next;
    for (unsigned i = 0; i < JOURNAL_PLACES; i++) {
        struct journal_file *file = &j->files[i];
        unsigned bit = 1u << i;

        file->pins += !!(after & bit) - !!(before & bit);
        file->stuck += !!(stuck_after & bit) - !!(stuck_before & bit);
        assert(file->stuck <= file->pins);
        if ((before & ~after) & bit)
            journal_retire(j, file);
    }
}

void journal_cover_keep(struct journal *journal, struct journal_cover *cover)
{
    struct journal_cover next = *cover;

    next.held |= next.flight;
    next.flight = 0;
    cover_set(journal, cover, next);
}

void journal_cover_sync_begin(struct journal *journal, struct journal_cover *cover)
{
    struct journal_cover next = *cover;

    assert(next.syncing == 0);
    next.syncing = next.held;
    next.held = 0;
    cover_set(journal, cover, next);
}

void journal_cover_sync_end(struct journal *journal, struct journal_cover *cover, bool synced)
{
    struct journal_cover next = *cover;

    if (!synced) {
        next.held |= next.syncing;
        next.failed = true;
    }
    next.syncing = 0;
    cover_set(journal, cover, next);
}

/* ---- files ---------------------------------------------------------------------------------- */

static bool file_free(const struct journal *j, int place)
{
    const struct journal_file *file = &j->files[place];

    if (file->file == NULL || file->condemned || place == j->current || place == j->write_file)
        return false;
    if (file->held > 0 || file->stale)
        return false;
    return file->pins == 0 || (j->options.flaws & FLAW_REUSE_JOURNAL_EARLY);
}

/* The largest file that may be written over, or JOURNAL_NONE. */
static int find_free(const struct journal *j)
{
    int found = JOURNAL_NONE;

    for (int i = 0; i < (int)JOURNAL_PLACES; i++)
        if (file_free(j, i) && (found == JOURNAL_NONE || j->files[i].size > j->files[found].size))
            found = i;
    return found;
}

/* Whether a record of that size could be sent now. */
static bool has_room(const struct journal *j, size_t size)
{
    int spare;

    if (j->current != JOURNAL_NONE &&
        journal_fits(&j->files[j->current], j->files[j->current].offset, size))
        return true;
    spare = find_free(j);
    return spare != JOURNAL_NONE && journal_fits(&j->files[spare], JOURNAL_HEADER, size);
}

static void begin_file(struct journal *j, int place)
{
    j->current = place;
    j->files[place].offset = JOURNAL_HEADER;
    j->files[place].first_record = j->record_next;
}

/* Makes `current` a file with room for a record of that size. */
static bool choose_file(struct journal *j, size_t size)
{
    int spare;

    if (j->current != JOURNAL_NONE &&
        journal_fits(&j->files[j->current], j->files[j->current].offset, size))
        return true;
    spare = find_free(j);
    if (spare == JOURNAL_NONE || !journal_fits(&j->files[spare], JOURNAL_HEADER, size))
        return false;
    begin_file(j, spare);
    return true;
}

/* Records below this number are needed no more. */
static uint64_t clean_below(const struct journal *j)
{
    uint64_t clean = j->record_next;

    for (int i = 0; i < (int)JOURNAL_PLACES; i++) {
        const struct journal_file *file = &j->files[i];

        if (file->file != NULL && (file->pins > 0 || i == j->current) && file->first_record < clean)
            clean = file->first_record;
    }
    return clean;
}

bool journal_wants_syncs(const struct journal *journal)
{
    for (int i = 0; i < (int)JOURNAL_PLACES; i++)
        if (i != journal->current && journal->files[i].pins > journal->files[i].stuck)
            return true;
    return false;
}

int journal_add_file(struct journal *journal, struct io_file *file, uint64_t number, uint64_t size)
{
    if (number >= journal->file_next)
        journal->file_next = number + 1;
    for (int i = 0; i < (int)JOURNAL_PLACES; i++) {
        if (journal->files[i].file != NULL)
            continue;
        journal->files[i] =
            (struct journal_file){.file = file, .number = number, .size = size, .used = size};
        return i;
    }
    io_close(journal->io, file);
    return JOURNAL_NONE;
}

void journal_hold(struct journal *journal, int place)
{
    assert(journal->files[place].file != NULL);
    journal->files[place].held++;
}

void journal_release(struct journal *journal, int place)
{
    assert(journal->files[place].held > 0);
    journal->files[place].held--;
    journal_retire(journal, &journal->files[place]);
}

/* The current one is half full and none is free. */
bool journal_file_wanted(const struct journal *j)
{
    const struct journal_file *current = j->current == JOURNAL_NONE ? NULL : &j->files[j->current];

    return (current == NULL || current->offset >= current->size / 2) &&
           find_free(j) == JOURNAL_NONE;
}

int journal_blocked(const struct journal *journal)
{
    bool wanted = journal_file_wanted(journal);

    for (int i = 0; i < (int)JOURNAL_PLACES; i++) {
        const struct journal_file *file = &journal->files[i];

        if (i == journal->current || i == journal->write_file || file->pins > 0)
            continue;
        if (file->held > 0 && (wanted || file->condemned || file->stale))
            return i;
    }
    return JOURNAL_NONE;
}

bool journal_hopeless(const struct journal *journal)
{
    return journal->gather.used == 0 && journal->write_file == JOURNAL_NONE &&
           !journal->make.busy && !journal->round.busy && !journal_wants_syncs(journal) &&
           !has_room(journal, JOURNAL_BLOCK);
}

/* ---- buffers -------------------------------------------------------------------------------- */

static void buffer_free(struct journal_buffer *buffer)
{
    heap_give(buffer->memory);
    *buffer = (struct journal_buffer){};
}

/* Room for a record of `size` bytes. */
static void buffer_grow(struct journal_buffer *buffer, size_t size)
{
    size_t capacity = buffer->capacity > 0 ? buffer->capacity : BUFFER_FIRST;
    void *memory;
    uint8_t *at;

    if (size <= buffer->capacity)
        return;
    while (capacity < size)
        capacity *= 2;
    memory = heap_take(capacity + JOURNAL_BLOCK);
    at = journal_aligned(memory);
    if (buffer->used > 0)
        memcpy(at, buffer->at, buffer->used);
    heap_give(buffer->memory);
    buffer->memory = memory;
    buffer->at = at;
    buffer->capacity = capacity;
}

/* Empties the buffer and tells those who waited. */
static void buffer_tell(struct journal_buffer *buffer, bool durable)
{
    struct journal_wait *wait = buffer->first;

    buffer->used = 0;
    buffer->entries = 0;
    buffer->first = NULL;
    buffer->last = NULL;
    while (wait != NULL) {
        struct journal_wait *next = wait->next;

        wait->next = NULL;
        wait->done(wait, durable);
        wait = next;
    }
}

bool journal_add(struct journal *journal, const struct journal_entry *entry,
                 struct journal_wait *wait)
{
    struct journal_buffer *b = &journal->gather;
    size_t used = b->used > 0 ? b->used : JOURNAL_RECORD_HEAD;
    size_t used_then = used + journal_entry_size(entry->bytes.size);
    size_t size = journal_record_size(used_then);

    if (size > JOURNAL_GATHER_MAX || !has_room(journal, size))
        return false;

    buffer_grow(b, size);
    journal_entry_write(b->at + used, entry);
    b->used = used_then;
    b->entries++;
    wait->next = NULL;
    if (b->last != NULL)
        b->last->next = wait;
    else
        b->first = wait;
    b->last = wait;
    return true;
}

/* ---- writing -------------------------------------------------------------------------------- */

static void write_rest(struct journal *j)
{
    struct journal_file *file = &j->files[j->write_file];

    io_write_durable(j->io, &j->write, file->file, j->write_offset + j->written,
                     bytes_of(j->flight.at + j->written, j->write_size - j->written));
}

static void write_ended(struct journal *j, bool durable)
{
    struct journal_file *file = &j->files[j->write_file];

    j->write_file = JOURNAL_NONE;
    if (!durable) {
        file->condemned = true;
        if (j->current == file - j->files)
            j->current = JOURNAL_NONE;
        journal_report(j, "a write failed, it takes no more", file->number, ERR_IO);
    }
    buffer_tell(&j->flight, durable);
    journal_retire(j, file);
}

static void write_done(struct io_op *op, int64_t result)
{
    struct journal *j = owner_of(op, struct journal, write);

    if (result <= 0) {
        write_ended(j, false);
        return;
    }
    /* After a short write the block it ended in is written again whole: the same bytes. */
    j->written += (size_t)result;
    if (j->written < j->write_size) {
        j->written &= ~(size_t)(JOURNAL_BLOCK - 1);
        write_rest(j);
        return;
    }
    write_ended(j, true);
}

static void mark_covers(struct journal *j, struct journal_wait *wait)
{
    for (; wait != NULL; wait = wait->next) {
        struct journal_cover next;

        wait->place = j->current;
        if (wait->cover == NULL)
            continue;
        next = *wait->cover;
        next.flight = (uint16_t)(1u << j->current);
        cover_set(j, wait->cover, next);
    }
}

static void send(struct journal *j)
{
    struct journal_buffer empty = j->flight;
    struct journal_file *file;
    struct journal_record record;

    assert(empty.used == 0);
    if (!choose_file(j, journal_record_size(j->gather.used))) {
        buffer_tell(&j->gather, false); /* the file it was meant for failed meanwhile */
        return;
    }
    j->flight = j->gather;
    j->gather = empty;

    file = &j->files[j->current];
    mark_covers(j, j->flight.first);
    record.entry_count = j->flight.entries;
    record.number = j->record_next++;
    record.clean = clean_below(j);
    journal_record_seal(j->flight.at, j->flight.used, j->options.store_id, &record);

    j->write_file = j->current;
    j->write_offset = file->offset;
    j->write_size = record.size;
    j->written = 0;
    file->offset += record.size;
    if (file->offset > file->used)
        file->used = file->offset;
    write_rest(j);
}

/* ---- turns ---------------------------------------------------------------------------------- */

void journal_flush(struct journal *journal)
{
    if (journal->gather.used > 0 && journal->write_file == JOURNAL_NONE)
        send(journal);
    journal_round_step(journal);
    journal_make_next(journal);
}

/* ---- life ----------------------------------------------------------------------------------- */

struct journal *journal_create(struct io *io, const struct journal_options *options)
{
    struct journal *j = HEAP_NEW(struct journal);

    assert(options->file_size >= 4 * JOURNAL_BLOCK);
    assert(options->file_size % JOURNAL_BLOCK == 0);

    j->io = io;
    j->options = *options;
    j->current = JOURNAL_NONE;
    j->write_file = JOURNAL_NONE;
    j->record_next = options->boot << 32 | 1;
    j->write.done = write_done;
    journal_make_init(j);
    journal_round_init(j);
    return j;
}

void journal_renew(struct journal *journal)
{
    journal->current = JOURNAL_NONE;
    journal->make.stale = true;
    journal->make_after_ns = 0;
    for (unsigned i = 0; i < JOURNAL_PLACES; i++) {
        if (journal->files[i].file == NULL)
            continue;
        journal->files[i].condemned = true;
        if (journal->round.busy && journal->round.place == (int)i)
            continue; /* when that has ended */
        journal_retire(journal, &journal->files[i]);
    }
}

bool journal_idle(const struct journal *journal)
{
    return journal->gather.used == 0 && journal->write_file == JOURNAL_NONE &&
           !journal->make.busy && !journal->round.runs && journal->round.waiting == NULL;
}

void journal_forget(struct journal *journal)
{
    buffer_free(&journal->gather);
    buffer_free(&journal->flight);
    heap_give(journal);
}

void journal_destroy(struct journal *journal)
{
    assert(journal_idle(journal));
    for (unsigned i = 0; i < JOURNAL_PLACES; i++)
        if (journal->files[i].file != NULL)
            io_close(journal->io, journal->files[i].file);
    journal_forget(journal);
}
