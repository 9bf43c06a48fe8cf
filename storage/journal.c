#include "storage/journal.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/heap.h"
#include "base/owner.h"
#include "storage/flaws.h"
#include "storage/paths.h"

#define BUFFER_FIRST  (64u << 10)
#define MAKE_RETRY_NS 1000000000
#define FILL_PIECE    (256u << 10) /* zeros are written in pieces of this */
#define SEGMENTS_FEW  8u
#define NONE          (-1)

struct journal_file {
    struct io_file *file; /* NULL: the place is free */
    uint64_t number;
    uint64_t size;
    uint64_t offset;       /* of the next record */
    uint64_t first_record; /* number of the first record since it was last begun */
    uint32_t pins;         /* covers with this file's bit */
    uint32_t stuck;        /* of these, covers whose segment can no more be synced */
    uint32_t held;         /* votes that are nowhere else */
    uint64_t used;         /* behind the last byte that is not zero */
    bool stale;            /* is written over with zeros before it is used again */
    bool condemned;        /* a write failed */
};

/* One record: aligned memory and those who wait for it. */
struct journal_buffer {
    void *memory;
    uint8_t *at; /* aligned in memory */
    size_t capacity;
    size_t used; /* 0: empty; else the head is counted */
    uint32_t entries;
    struct journal_wait *first;
    struct journal_wait *last;
};

/* A new file, made by a worker. */
struct journal_make {
    struct io_work work;
    bool busy;
    bool stale; /* its name is gone */
    struct path path;
    struct path dir;
    uint8_t store_id[16];
    uint64_t number;
    uint64_t size;
    struct io_file *file;
    enum err err;
};

/* Files that are used no more, because a write failed, and needed by nothing; still on the disk. */
struct journal_left {
    uint64_t numbers[JOURNAL_PLACES];
    unsigned count;
    bool more; /* that are not among these */
};

/* A round of cleaning; one file at a time, then what is left is removed. */
struct journal_round {
    struct io_work work;
    struct journal_clean *first, *waiting; /* of this round, of the next */
    bool runs, busy, failed;
    struct io_file *file;
    int place;
    uint64_t used;
    struct io_work removing;
    unsigned removed; /* the first so many of those that are left */
    bool removes;     /* that has been tried */
    enum err err;
};

struct journal {
    struct io *io;
    struct journal_options options;
    struct journal_file files[JOURNAL_PLACES];
    int current; /* place of the file being filled, or NONE */
    uint64_t file_next;
    uint64_t record_next;

    struct journal_buffer gather;
    struct journal_buffer flight;
    struct io_op write;
    int write_file; /* where flight goes */
    uint64_t write_offset;
    size_t write_size;
    size_t written;

    struct journal_make make;
    int64_t make_after_ns;
    struct journal_round round;
    struct journal_left left;
};

static void report(struct journal *j, const char *what, uint64_t number, enum err err)
{
    char text[160];

    if (j->options.report == NULL)
        return;
    snprintf(text, sizeof text, "journal file %" PRIu64 ": %s: %s", number, what, err_text(err));
    j->options.report(j->options.report_context, text);
}

/* ---- covers ------------------------------------------------------------------------------------
 */

static unsigned cover_bits(const struct journal_cover *cover)
{
    return (unsigned)(cover->flight | cover->held | cover->syncing);
}

static void retire_if_unused(struct journal *j, struct journal_file *file)
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
            retire_if_unused(j, file);
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

/* ---- files -------------------------------------------------------------------------------------
 */

static bool file_free(const struct journal *j, int place)
{
    const struct journal_file *file = &j->files[place];

    if (file->file == NULL || file->condemned || place == j->current || place == j->write_file)
        return false;
    if (file->held > 0 || file->stale)
        return false;
    return file->pins == 0 || (j->options.flaws & FLAW_REUSE_JOURNAL_EARLY);
}

/* The largest file that may be written over, or NONE. */
static int find_free(const struct journal *j)
{
    int found = NONE;

    for (int i = 0; i < (int)JOURNAL_PLACES; i++)
        if (file_free(j, i) && (found == NONE || j->files[i].size > j->files[found].size))
            found = i;
    return found;
}

static bool fits(const struct journal_file *file, uint64_t offset, size_t size)
{
    return offset + size <= file->size;
}

/* Whether a record of that size could be sent now. */
static bool has_room(const struct journal *j, size_t size)
{
    int spare;

    if (j->current != NONE && fits(&j->files[j->current], j->files[j->current].offset, size))
        return true;
    spare = find_free(j);
    return spare != NONE && fits(&j->files[spare], JOURNAL_HEADER, size);
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

    if (j->current != NONE && fits(&j->files[j->current], j->files[j->current].offset, size))
        return true;
    spare = find_free(j);
    if (spare == NONE || !fits(&j->files[spare], JOURNAL_HEADER, size))
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
    return NONE;
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
    retire_if_unused(journal, &journal->files[place]);
}

/* The current one is half full and none is free. */
static bool file_wanted(const struct journal *j)
{
    const struct journal_file *current = j->current == NONE ? NULL : &j->files[j->current];

    return (current == NULL || current->offset >= current->size / 2) && find_free(j) == NONE;
}

int journal_blocked(const struct journal *journal)
{
    bool wanted = file_wanted(journal);

    for (int i = 0; i < (int)JOURNAL_PLACES; i++) {
        const struct journal_file *file = &journal->files[i];

        if (i == journal->current || i == journal->write_file || file->pins > 0)
            continue;
        if (file->held > 0 && (wanted || file->condemned || file->stale))
            return i;
    }
    return NONE;
}

bool journal_hopeless(const struct journal *journal)
{
    return journal->gather.used == 0 && journal->write_file == NONE && !journal->make.busy &&
           !journal->round.busy && !journal_wants_syncs(journal) &&
           !has_room(journal, JOURNAL_BLOCK);
}

/* ---- new files ---------------------------------------------------------------------------------
 */

static enum err fill(struct io *io, struct io_file *file, const uint8_t *zeros, uint64_t size)
{
    enum err err = OK;

    for (uint64_t offset = 0; err == OK && offset < size; offset += FILL_PIECE) {
        uint64_t rest = size - offset;

        err =
            io_write_all(io, file, offset, bytes_of(zeros, rest < FILL_PIECE ? rest : FILL_PIECE));
    }
    return err;
}

static uint8_t *aligned_in(void *memory)
{
    return (uint8_t *)(((uintptr_t)memory + JOURNAL_BLOCK - 1) & ~(uintptr_t)(JOURNAL_BLOCK - 1));
}

/* The header comes last: a file that has one is whole. */
static enum err make_file(struct io *io, struct journal_make *make)
{
    void *memory = heap_take(FILL_PIECE + JOURNAL_BLOCK);
    uint8_t *at = aligned_in(memory);
    enum err err = io_allocate(io, make->file, 0, make->size);

    if (err == ERR_UNSUPPORTED)
        err = OK;
    if (err == OK)
        err = fill(io, make->file, at, make->size);
    if (err == OK)
        err = io_sync(io, make->file);
    journal_header_write(at, make->store_id, make->number);
    if (err == OK)
        err = io_write_all(io, make->file, 0, bytes_of(at, JOURNAL_HEADER));
    if (err == OK)
        err = io_sync(io, make->file);
    if (err == OK)
        err = io_sync_dir(io, make->dir.text);
    heap_give(memory);
    return err;
}

static void make_run(struct io_work *work, struct io *io)
{
    struct journal_make *make = owner_of(work, struct journal_make, work);

    make->err =
        io_open(io, make->path.text, IO_READ | IO_WRITE | IO_CREATE | IO_DIRECT, &make->file);
    if (make->err != OK)
        return;
    make->err = make_file(io, make);
    if (make->err == OK)
        return;
    io_close(io, make->file);
    make->file = NULL;
    (void)io_unlink(io, make->path.text); /* what is left is replaced at the next start */
}

static void make_done(struct io_work *work)
{
    struct journal_make *make = owner_of(work, struct journal_make, work);
    struct journal *j = owner_of(make, struct journal, make);

    make->busy = false;
    if (make->err == OK && make->stale) {
        io_close(j->io, make->file);
        return;
    }
    if (make->err == OK) {
        int place = journal_add_file(j, make->file, make->number, make->size);

        if (place != NONE)
            j->files[place].used = JOURNAL_HEADER; /* it is all zeros */
        return;
    }
    report(j, "cannot be made, small batches are synced one by one", make->number, make->err);
    j->make_after_ns = io_now(j->io) + MAKE_RETRY_NS;
}

static unsigned count_files(const struct journal *j)
{
    unsigned count = 0;

    for (unsigned i = 0; i < JOURNAL_PLACES; i++)
        count += j->files[i].file != NULL;
    return count;
}

/* Whether one becomes free because what is held in it moves into the current one. */
static bool blocked_one_moves(const struct journal *j)
{
    return journal_blocked(j) != NONE && j->current != NONE &&
           fits(&j->files[j->current], j->files[j->current].offset, 2 * JOURNAL_BLOCK);
}

static unsigned count_usable(const struct journal *j)
{
    unsigned count = 0;

    for (unsigned i = 0; i < JOURNAL_PLACES; i++)
        count += j->files[i].file != NULL && !j->files[i].condemned && j->files[i].stuck == 0;
    return count;
}

/* Of those that the current file covers each has to be synced before it can be reused. */
static bool many_segments(const struct journal *j)
{
    return j->current != NONE && j->files[j->current].pins > SEGMENTS_FEW;
}

/* There are but small files, for many segments: the current one is half full again too soon. */
static bool outgrown(const struct journal *j)
{
    const struct journal_file *current = j->current == NONE ? NULL : &j->files[j->current];

    if (current == NULL || current->offset < current->size / 2 || !many_segments(j))
        return false;
    for (unsigned i = 0; i < JOURNAL_PLACES; i++)
        if (j->files[i].file != NULL && j->files[i].size >= j->options.file_size)
            return false;
    return true;
}

/* How large the next file may be; 0: the disk has no space for it. */
static uint64_t size_of_next(const struct journal *j, unsigned count)
{
    uint64_t size = j->options.file_size;
    uint64_t least = size < JOURNAL_FIRST_SIZE ? size : JOURNAL_FIRST_SIZE;

    if (count == 0)
        return least;
    if (count == 1 && !many_segments(j) && size > JOURNAL_SECOND_SIZE)
        size = JOURNAL_SECOND_SIZE;
    if (j->options.reserve == NULL || reserve_spares(j->options.reserve, size))
        return size;
    return count_usable(j) < 2 || journal_hopeless(j) ? least : 0;
}

/* Has the next file made in time. */
static void see_to_files(struct journal *j)
{
    struct journal_make *make = &j->make;
    unsigned count;

    if (make->busy || !(file_wanted(j) || outgrown(j)) || io_now(j->io) < j->make_after_ns)
        return;
    if (blocked_one_moves(j))
        return;
    count = count_files(j);
    if (count == JOURNAL_PLACES || (count >= JOURNAL_FILES_MAX && journal_blocked(j) == NONE))
        return;
    make->size = size_of_next(j, count);
    if (make->size == 0)
        return;

    make->busy = true;
    make->stale = false;
    make->number = j->file_next++;
    make->path = path_journal(j->options.dir, make->number);
    make->dir = path_in(j->options.dir, "journal");
    memcpy(make->store_id, j->options.store_id, 16);
    make->file = NULL;
    io_work(j->io, &make->work);
}

/* ---- buffers -----------------------------------------------------------------------------------
 */

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
    at = aligned_in(memory);
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

/* ---- writing -----------------------------------------------------------------------------------
 */

static void write_rest(struct journal *j)
{
    struct journal_file *file = &j->files[j->write_file];

    io_write_durable(j->io, &j->write, file->file, j->write_offset + j->written,
                     bytes_of(j->flight.at + j->written, j->write_size - j->written));
}

static void write_ended(struct journal *j, bool durable)
{
    struct journal_file *file = &j->files[j->write_file];

    j->write_file = NONE;
    if (!durable) {
        file->condemned = true;
        if (j->current == file - j->files)
            j->current = NONE;
        report(j, "a write failed, it takes no more", file->number, ERR_IO);
    }
    buffer_tell(&j->flight, durable);
    retire_if_unused(j, file);
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

/* ---- cleaning ----------------------------------------------------------------------------------
 */

static void round_run(struct io_work *work, struct io *io)
{
    struct journal_round *round = owner_of(work, struct journal_round, work);
    void *memory = heap_take(FILL_PIECE + JOURNAL_BLOCK);
    const uint8_t *zeros = aligned_in(memory);

    round->err = OK;
    for (uint64_t at = JOURNAL_HEADER; round->err == OK && at < round->used; at += FILL_PIECE) {
        uint64_t rest = round->used - at;

        round->err = io_write_all(io, round->file, at,
                                  bytes_of(zeros, rest < FILL_PIECE ? rest : FILL_PIECE));
    }
    if (round->err == OK)
        round->err = io_sync(io, round->file);
    heap_give(memory);
}

static void round_done(struct io_work *work)
{
    struct journal_round *round = owner_of(work, struct journal_round, work);
    struct journal *j = owner_of(round, struct journal, round);
    struct journal_file *file = &j->files[round->place];

    round->busy = false;
    file->stale = false;
    if (round->err == OK) {
        file->used = JOURNAL_HEADER;
        retire_if_unused(j, file);
        return;
    }
    file->condemned = true;
    round->failed = true;
    report(j, "could not be written over, it takes no more", file->number, round->err);
    retire_if_unused(j, file);
}

static void removing_run(struct io_work *work, struct io *io)
{
    struct journal_round *round = owner_of(work, struct journal_round, removing);
    struct journal *j = owner_of(round, struct journal, round);

    round->err = OK;
    for (unsigned i = 0; i < round->removed && round->err == OK; i++) {
        round->err = io_unlink(io, path_journal(j->options.dir, j->left.numbers[i]).text);
        if (round->err == ERR_NOT_FOUND)
            round->err = OK;
    }
    if (round->err == OK)
        round->err = io_sync_dir(io, path_in(j->options.dir, "journal").text);
}

static void removing_done(struct io_work *work)
{
    struct journal_round *round = owner_of(work, struct journal_round, removing);
    struct journal_left *left = &owner_of(round, struct journal, round)->left;

    round->busy = false;
    if (round->err != OK) {
        round->failed = true;
        return;
    }
    left->count -= round->removed;
    memmove(left->numbers, left->numbers + round->removed, left->count * sizeof left->numbers[0]);
}

/* False: nothing is left, or it was tried. */
static bool remove_left(struct journal *j)
{
    struct journal_round *round = &j->round;

    round->failed = round->failed || j->left.more;
    if (round->removes || j->left.count == 0)
        return false;
    round->removes = true;
    round->busy = true;
    round->removed = j->left.count;
    io_work(j->io, &round->removing);
    return true;
}

static void round_begin(struct journal *j)
{
    struct journal_round *round = &j->round;

    round->runs = true;
    round->failed = false;
    round->removes = false;
    round->first = round->waiting;
    round->waiting = NULL;
    for (int i = 0; i < (int)JOURNAL_PLACES; i++)
        j->files[i].stale = j->files[i].file != NULL && j->files[i].used > JOURNAL_HEADER;
    if (j->current != NONE && j->files[j->current].stale)
        j->current = NONE;
}

static void round_end(struct journal *j)
{
    struct journal_clean *clean = j->round.first;
    bool failed = j->round.failed;

    j->round.first = NULL;
    j->round.runs = false;
    while (clean != NULL) {
        struct journal_clean *next = clean->next;

        clean->done(clean, !failed);
        clean = next;
    }
}

/* The next file that can be written over, or NONE; *left: some are to be, now or later. */
static int round_next(struct journal *j, bool *left)
{
    *left = false;
    for (int i = 0; i < (int)JOURNAL_PLACES; i++) {
        struct journal_file *file = &j->files[i];

        if (file->file == NULL || !file->stale)
            continue;
        if (file->condemned || file->stuck > 0) { /* it is kept until the next start */
            file->stale = false;
            j->round.failed = true;
            continue;
        }
        *left = true;
        if (file->pins == 0 && file->held == 0 && i != j->write_file)
            return i;
    }
    return NONE;
}

static void round_step(struct journal *j)
{
    struct journal_round *round = &j->round;
    bool left;
    int place;

    if (!round->runs && round->waiting != NULL)
        round_begin(j);
    if (!round->runs || round->busy)
        return;
    place = round_next(j, &left);
    if (!left) {
        if (!remove_left(j))
            round_end(j);
        return;
    }
    if (place == NONE)
        return;
    round->busy = true;
    round->place = place;
    round->file = j->files[place].file;
    round->used = j->files[place].used;
    io_work(j->io, &round->work);
}

void journal_clean(struct journal *journal, struct journal_clean *clean)
{
    clean->next = journal->round.waiting;
    journal->round.waiting = clean;
    io_wake(journal->io); /* what follows is done at the end of turns */
}

void journal_flush(struct journal *journal)
{
    if (journal->gather.used > 0 && journal->write_file == NONE)
        send(journal);
    round_step(journal);
    see_to_files(journal);
}

/* ---- life --------------------------------------------------------------------------------------
 */

struct journal *journal_create(struct io *io, const struct journal_options *options)
{
    struct journal *j = HEAP_NEW(struct journal);

    assert(options->file_size >= 4 * JOURNAL_BLOCK);
    assert(options->file_size % JOURNAL_BLOCK == 0);

    j->io = io;
    j->options = *options;
    j->current = NONE;
    j->write_file = NONE;
    j->record_next = options->boot << 32 | 1;
    j->write.done = write_done;
    j->make.work.run = make_run;
    j->make.work.done = make_done;
    j->round.work.run = round_run;
    j->round.work.done = round_done;
    j->round.removing.run = removing_run;
    j->round.removing.done = removing_done;
    return j;
}

void journal_renew(struct journal *journal)
{
    journal->current = NONE;
    journal->make.stale = true;
    journal->make_after_ns = 0;
    for (unsigned i = 0; i < JOURNAL_PLACES; i++) {
        if (journal->files[i].file == NULL)
            continue;
        journal->files[i].condemned = true;
        if (journal->round.busy && journal->round.place == (int)i)
            continue; /* when that has ended */
        retire_if_unused(journal, &journal->files[i]);
    }
}

bool journal_idle(const struct journal *journal)
{
    return journal->gather.used == 0 && journal->write_file == NONE && !journal->make.busy &&
           !journal->round.runs && journal->round.waiting == NULL;
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
