/* The journal's files: how large the next one is, and when it is made, on a worker. */
#include "base/heap.h"
#include "base/owner.h"
#include "storage/journal_priv.h"

#define MAKE_RETRY_NS 1000000000
#define SEGMENTS_FEW  8u

static enum err fill(struct io *io, struct io_file *file, const uint8_t *zeros, uint64_t size)
{
    enum err err = OK;

    for (uint64_t offset = 0; err == OK && offset < size; offset += JOURNAL_FILL_PIECE) {
        uint64_t rest = size - offset;

        err = io_write_all(io, file, offset,
                           bytes_of(zeros, rest < JOURNAL_FILL_PIECE ? rest : JOURNAL_FILL_PIECE));
    }
    return err;
}

/* The header comes last: a file that has one is whole. */
static enum err make_file(struct io *io, struct journal_make *make)
{
    void *memory = heap_take(JOURNAL_FILL_PIECE + JOURNAL_BLOCK);
    uint8_t *at = journal_aligned(memory);
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

        if (place != JOURNAL_NONE)
            j->files[place].used = JOURNAL_HEADER; /* it is all zeros */
        return;
    }
    journal_report(j, "cannot be made, small batches are synced one by one", make->number,
                   make->err);
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
    return journal_blocked(j) != JOURNAL_NONE && j->current != JOURNAL_NONE &&
           journal_fits(&j->files[j->current], j->files[j->current].offset, 2 * JOURNAL_BLOCK);
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
    return j->current != JOURNAL_NONE && j->files[j->current].pins > SEGMENTS_FEW;
}

/* There are but small files, for many segments: the current one is half full again too soon. */
static bool outgrown(const struct journal *j)
{
    const struct journal_file *current = j->current == JOURNAL_NONE ? NULL : &j->files[j->current];

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
void journal_make_next(struct journal *j)
{
    struct journal_make *make = &j->make;
    unsigned count;

    if (make->busy || !(journal_file_wanted(j) || outgrown(j)) || io_now(j->io) < j->make_after_ns)
        return;
    if (blocked_one_moves(j))
        return;
    count = count_files(j);
    if (count == JOURNAL_PLACES ||
        (count >= JOURNAL_FILES_MAX && journal_blocked(j) == JOURNAL_NONE))
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

void journal_make_init(struct journal *j)
{
    j->make.work.run = make_run;
    j->make.work.done = make_done;
}
