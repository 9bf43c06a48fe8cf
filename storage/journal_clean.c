/* Rounds of cleaning: what was written to the journal goes from its files (journal_clean). */
#include "base/heap.h"
#include "base/owner.h"
#include "storage/journal_priv.h"

static void round_run(struct io_work *work, struct io *io)
{
    struct journal_round *round = owner_of(work, struct journal_round, work);
    void *memory = heap_take(JOURNAL_FILL_PIECE + JOURNAL_BLOCK);
    const uint8_t *zeros = journal_aligned(memory);

    round->err = OK;
    for (uint64_t at = JOURNAL_HEADER; round->err == OK && at < round->used;
         at += JOURNAL_FILL_PIECE) {
        uint64_t rest = round->used - at;

        round->err =
            io_write_all(io, round->file, at,
                         bytes_of(zeros, rest < JOURNAL_FILL_PIECE ? rest : JOURNAL_FILL_PIECE));
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
        journal_retire(j, file);
        return;
    }
    file->condemned = true;
    round->failed = true;
    journal_report(j, "could not be written over, it takes no more", file->number, round->err);
    journal_retire(j, file);
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
    if (j->current != JOURNAL_NONE && j->files[j->current].stale)
        j->current = JOURNAL_NONE;
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

/* The next file that can be written over, or JOURNAL_NONE; *left: some are to be, now or later. */
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
    return JOURNAL_NONE;
}

void journal_round_step(struct journal *j)
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
    if (place == JOURNAL_NONE)
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

void journal_round_init(struct journal *j)
{
    j->round.work.run = round_run;
    j->round.work.done = round_done;
    j->round.removing.run = removing_run;
    j->round.removing.done = removing_done;
}
