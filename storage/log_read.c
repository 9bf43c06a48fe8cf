/* Reading of logs: records by their place, batches by their index. */
#include <errno.h>

#include "base/heap.h"
#include "base/owner.h"
#include "storage/log.h"
#include "storage/memory.h"
#include "storage/store.h"

#define PIECE       4096u        /* of what is looked through for envelopes */
#define NOWHERE     (1ull << 40) /* no file is so long */
#define WINDOW_SIZE (512u << 10) /* what a real read brings into memory */

static_assert(WINDOW_SIZE > PLACES_STEP + BATCH_HEAD, "a window reaches the next mark");

/* ---- records -------------------------------------------------------------------------------- */

/* The file and how much of `size` bytes at `place` is durable. What a block names in a file that
 * has been cut short since stands nowhere: a read of it finds nothing. */
static struct log_file *locate(struct log *log, log_place place, size_t *size, uint64_t *offset)
{
    struct log_file *file;

    if (place >> 32 >= LOG_KEEP_FIRST) {
        assert((place >> 32) - LOG_KEEP_FIRST < log->keep_count);
        file = log->keeps[(place >> 32) - LOG_KEEP_FIRST];
    } else {
        assert(place >> 32 < log->file_count);
        file = log->files[place >> 32];
    }
    assert(file != NULL); /* nobody reads what was said to be dead */
    *offset = place & UINT32_MAX;
    if (*offset >= file->end && file->memory == NULL) {
        *offset = NOWHERE;
        return file;
    }
    if (*size > file->end - *offset)
        *size = file->end - *offset;
    return file;
}

int64_t log_read_now(struct log *log, log_place place, void *at, size_t size)
{
    struct log_file *file;
    uint64_t offset;

    if (place >> 32 == LOG_FILE_NONE)
        return -ENOENT;
    file = locate(log, place, &size, &offset);
    if (file->memory != NULL)
        return (int64_t)memory_read(file->memory, offset, at, size);
    if (file->pack != NULL)
        return log_unpack_now(log, place, at, size);
    return io_read_now(log->store->io, file->file, offset, at, size);
}

void log_read_begin(struct log_read *read)
{
    size_t left = read->size - read->count;

    io_read(read->io, &read->op, read->file->file, read->offset + read->count,
            read->at + read->count, read->taken > 0 ? read->taken : left);
}

static void read_done(struct io_op *op, int64_t result)
{
    struct log_read *read = owner_of(op, struct log_read, op);

    if (result > 0)
        read->count += (size_t)result;
    if (read->taken > 0)
        gentle_ended(read->store, read, result > 0 && read->count < read->size);
    else if (result > 0 && read->count < read->size)
        log_read_begin(read);
    if (result > 0 && read->count < read->size)
        return;
    read->file->reads--;
    read->done(read, result < 0 ? result : (int64_t)read->count);
}

static void read_begin(struct log *log, struct log_read *read, log_place place, void *at,
                       size_t size, bool gently)
{
    uint64_t offset = NOWHERE;
    struct log_file *file = place >> 32 == LOG_FILE_NONE ? log->files[log->file_count - 1]
                                                         : locate(log, place, &size, &offset);

    read->op = (struct io_op){.done = read_done};
    read->io = log->store->io;
    read->file = file;
    file->reads++;
    read->offset = offset;
    read->at = at;
    read->size = size;
    read->count = 0;
    read->store = log->store;
    read->place = place;
    read->taken = 0;
    if (file->memory != NULL)
        memory_read_later(log, read, (int64_t)memory_read(file->memory, offset, at, size));
    else if (file->pack != NULL && offset != NOWHERE && size > 0)
        log_unpack(log, read, place);
    else if (gently && offset != NOWHERE && size > 0)
        gentle_add(log->store, read);
    else
        log_read_begin(read);
}

void log_read(struct log *log, struct log_read *read, log_place place, void *at, size_t size)
{
    read_begin(log, read, place, at, size, false);
}

void log_read_gently(struct log *log, struct log_read *read, log_place place, void *at, size_t size)
{
    read_begin(log, read, place, at, size, true);
}

/* ---- what is in memory ---------------------------------------------------------------------- */

/* Up to `size` bytes at `place`, at least `need`, from a window or into `at`. ERR_CORRUPT: so many
 * are not there. */
static enum err look(struct log *log, log_place place, size_t need, void *at, size_t size,
                     struct bytes *b)
{
    size_t count = 0;

    if (windows_find(&log->store->windows, log, place, need, b))
        return OK;
    while (count < need) {
        int64_t result = log_read_now(log, place + count, (uint8_t *)at + count, size - count);

        if (result == -EAGAIN)
            return ERR_AGAIN;
        if (result < 0)
            return err_of_errno((int)-result);
        if (result == 0)
            return ERR_CORRUPT;
        count += (size_t)result;
    }
    *b = bytes_of(at, count);
    return OK;
}

/* ---- where a batch stands ------------------------------------------------------------------- */

/* From where to walk to `index`. ERR_NOT_FOUND: it is not in the log. ERR_CORRUPT: it is lost. */
static enum err begin_of(const struct log *log, uint64_t index, struct places_mark *begin)
{
    const struct places_mark *mark =
        index <= log->durable ? places_find(&log->places, index) : NULL;

    if (mark == NULL || mark->place == PLACES_GONE)
        return ERR_NOT_FOUND;
    if (mark->place == PLACES_LOST)
        return ERR_CORRUPT;
    *begin = *mark;
    if (log->read_next.index > mark->index && log->read_next.index <= index)
        *begin = log->read_next;
    return OK;
}

static enum err read_envelope(const struct log *log, log_place place, struct bytes b,
                              struct batch_envelope *envelope)
{
    return batch_envelope_read(b, log->files[place >> 32]->id, place & UINT32_MAX, envelope);
}

/* Walks to `index`: *at is where it stands. */
static enum err walk_to(struct log *log, uint64_t index, struct places_mark *at,
                        struct batch_envelope *envelope)
{
    uint8_t piece[PIECE];
    struct bytes b = {};
    enum err err = begin_of(log, index, at);

    while (err == OK) {
        if ((at->place & UINT32_MAX) >= log->files[at->place >> 32]->end)
            err = ERR_CORRUPT;
        else if (b.size < BATCH_ENVELOPE)
            err = look(log, at->place, BATCH_ENVELOPE, piece, sizeof piece, &b);
        if (err == OK)
            err = read_envelope(log, at->place, b, envelope);
        if (err == OK && envelope->index != at->index)
            err = ERR_CORRUPT;
        if (err != OK || at->index == index)
            break;
        at->index++;
        at->place += envelope->size;
        b = envelope->size < b.size ? bytes_skip(b, envelope->size) : (struct bytes){};
    }
    return err;
}

/* ---- batches -------------------------------------------------------------------------------- */

static enum err add_waiting(struct log *log, uint64_t index, struct buf *out)
{
    const struct log_content *content = log_content_of(log, index);

    if (content == NULL)
        return ERR_NOT_FOUND;
    return buf_add(out, log_content_bytes(content)) ? OK : ERR_FULL;
}

static enum err check_content(const struct log *log, struct bytes content, uint64_t index,
                              const struct batch_envelope *envelope)
{
    struct log_hash hash = batch_content_hash(content);
    struct batch_content head;

    if (envelope->erased)
        return ERR_NOT_FOUND; /* nobody else could know it by its hash */
    if (memcmp(hash.at, envelope->hash.at, sizeof hash.at) != 0)
        return ERR_CORRUPT;
    if (batch_content_peek(content, &head) != OK || head.index != index)
        return ERR_CORRUPT;
    return memcmp(head.incarnation, log->incarnation, 16) == 0 ? OK : ERR_CORRUPT;
}

enum err log_batch_read_placed(struct log *log, uint64_t index, struct buf *out, log_place *place)
{
    struct batch_envelope envelope;
    struct places_mark at;
    struct bytes content;
    uint8_t *room;
    enum err err;

    if (index > log->durable) {
        *place = (log_place)LOG_FILE_NONE << 32;
        return add_waiting(log, index, out);
    }
    err = walk_to(log, index, &at, &envelope);
    if (err != OK)
        return err;
    room = buf_reserve(out, envelope.content_size);
    if (room == NULL)
        return ERR_FULL;
    err = look(log, at.place + BATCH_ENVELOPE, envelope.content_size, room, envelope.content_size,
               &content);
    if (err == OK) {
        content = bytes_take(content, envelope.content_size);
        err = check_content(log, content, index, &envelope);
    }
    if (err != OK)
        return err;

    if (content.at != room)
        memcpy(room, content.at, content.size);
    buf_commit(out, content.size);
    log->read_next = (struct places_mark){.index = index + 1, .place = at.place + envelope.size};
    *place = at.place + BATCH_ENVELOPE;
    return OK;
}

enum err log_batch_read_now(struct log *log, uint64_t index, struct buf *out)
{
    log_place place;

    return log_batch_read_placed(log, index, out, &place);
}

/* ---- real reads ----------------------------------------------------------------------------- */

/* One on its way; found by the store if the process dies. */
struct log_warming {
    struct log_warming *next;
    struct log *log;
    struct log_read read;
    struct io_op *op; /* the owner's */
    uint64_t index;
    bool whole; /* it did not fit and is read for itself */
    log_place place;
    uint8_t *at;
    size_t size;
    size_t count;
};

static void warming_free(struct log_warming *warming)
{
    struct log_warming **at = &warming->log->warmings;

    while (*at != warming)
        at = &(*at)->next;
    *at = warming->next;
    heap_give(warming->at);
    heap_give(warming);
}

void log_read_forget(struct log *log)
{
    log_unpack_forget(log);
    while (log->warmings != NULL)
        warming_free(log->warmings);
}

static void warming_ended(struct log_warming *warming, int64_t result)
{
    struct io_op *op = warming->op;

    warming_free(warming);
    op->done(op, result);
}

/* Reads what stands at `place`: a window, or the batch of `need` bytes if that is larger. */
static void warming_read(struct log_warming *warming, log_place place, size_t need)
{
    size_t size = need > WINDOW_SIZE ? need : WINDOW_SIZE;
    uint64_t offset;

    (void)locate(warming->log, place, &size, &offset);
    heap_give(warming->at);
    warming->place = place;
    warming->size = size;
    warming->count = 0;
    warming->at = heap_resize(NULL, size);
    log_read(warming->log, &warming->read, place, warming->at, size);
}

/* The window may end within the batch that is wanted: then that one is read whole. */
static void warming_look(struct log_warming *warming)
{
    struct log *log = warming->log;
    struct batch_envelope envelope;
    struct places_mark at;
    struct bytes whole;

    windows_add(&log->store->windows, log, warming->place, bytes_of(warming->at, warming->count));
    warming->at = NULL;
    if (!warming->whole && walk_to(log, warming->index, &at, &envelope) == OK &&
        !windows_find(&log->store->windows, log, at.place, envelope.size, &whole)) {
        warming->whole = true;
        warming_read(warming, at.place, envelope.size);
        return;
    }
    warming_ended(warming, 0); /* if it is not there now the next read says why */
}

static void warming_done(struct log_read *read, int64_t result)
{
    struct log_warming *warming = owner_of(read, struct log_warming, read);

    if (result > 0)
        warming->count = (size_t)result;
    if (result <= 0)
        warming_ended(warming, result < 0 ? result : -EIO);
    else
        warming_look(warming);
}

void log_batch_warm(struct log *log, struct io_op *op, uint64_t index)
{
    struct log_warming *warming = HEAP_NEW(struct log_warming);
    const struct places_mark *mark = places_find(&log->places, index);

    assert(mark != NULL); /* log_batch_read_now has said ERR_AGAIN */
    assert(mark->place > PLACES_GONE);

    warming->log = log;
    warming->op = op;
    warming->index = index;
    warming->read.done = warming_done;
    warming->next = log->warmings;
    log->warmings = warming;
    warming_read(warming, mark->place, 0); /* any walk to it finds its beginning there */
}
