/*
 * Records that others have, held against what an open log says of them (log.h, log_vouch): each
 * batch that one of them stood in is read, with all of them in their places, and must then be what
 * its envelope says. One file after the other, each on a worker; files that are looked at stay.
 */
#include "base/heap.h"
#include "base/owner.h"
#include "storage/batch.h"
#include "storage/log.h"
#include "storage/pack.h"
#include "storage/store.h"

#define WINDOW (1u << 20) /* of a file, while it is walked */
#define SECTOR 512u

struct log_vouching {
    struct io_work work;
    struct log *log;
    struct log_vouch_op *op;
    size_t next, end; /* of the records in the file that is looked at */
    struct log_file *file;
    uint64_t file_end; /* what was durable of it when that began */
    uint8_t *window;
    uint64_t window_offset;
    size_t window_size;
};

static uint64_t offset_of(const struct log_vouched *vouched)
{
    return vouched->place & UINT32_MAX;
}

/* ---- on a worker ---------------------------------------------------------------------------- */

/* Sector by sector: zeros stand for those that cannot be read. */
static void read_pieces(const struct log_vouching *vouching, struct io *io, uint64_t offset,
                        uint8_t *at, size_t size)
{
    while (size > 0) {
        size_t piece = SECTOR - offset % SECTOR < size ? SECTOR - offset % SECTOR : size;

        if (io_read_all(io, vouching->file->file, offset, at, piece) != OK)
            memset(at, 0, piece);
        offset += piece;
        at += piece;
        size -= piece;
    }
}

static void read_at(const struct log_vouching *vouching, struct io *io, uint64_t offset,
                    uint8_t *at, size_t size)
{
    const struct log_file *file = vouching->file;
    enum err err = file->pack == NULL ? io_read_all(io, file->file, offset, at, size)
                                      : pack_read(io, file->pack, offset, at, size);

    if (err == OK || (err == ERR_CORRUPT && file->pack != NULL))
        return; /* zeros stand for damaged frames */
    if (file->pack == NULL)
        read_pieces(vouching, io, offset, at, size);
    else
        memset(at, 0, size);
}

/* The envelope that should stand there; false: none that is sound. */
static bool envelope_at(struct log_vouching *vouching, struct io *io, uint64_t position,
                        struct batch_envelope *envelope)
{
    uint64_t rest = vouching->file_end - position;

    if (rest < BATCH_ENVELOPE)
        return false;
    if (position < vouching->window_offset ||
        position + BATCH_ENVELOPE > vouching->window_offset + vouching->window_size) {
        vouching->window_offset = position;
        vouching->window_size = rest < WINDOW ? (size_t)rest : WINDOW;
        read_at(vouching, io, position, vouching->window, vouching->window_size);
    }
    return batch_envelope_read(
               bytes_of(vouching->window + (position - vouching->window_offset), BATCH_ENVELOPE),
               vouching->file->id, position, envelope) == OK &&
           envelope->size <= rest;
}

/* True: it stands in the records of the batch at `position`, and is put there. */
static bool put(const struct log_vouched *vouched, uint64_t position,
                const struct batch_envelope *envelope, uint8_t *batch)
{
    uint64_t offset = offset_of(vouched);

    if (offset < position + BATCH_HEAD ||
        vouched->record.size > position + BATCH_ENVELOPE + envelope->content_size - offset)
        return false;
    memcpy(batch + (offset - position), vouched->record.at, vouched->record.size);
    return true;
}

/* Those from `next` on that begin in the batch at `position`. */
static void judge(struct log_vouching *vouching, struct io *io, uint64_t position,
                  const struct batch_envelope *envelope)
{
    uint8_t *batch = heap_take(envelope->size);
    struct bytes bytes = bytes_of(batch, envelope->size);
    size_t first = vouching->next;
    struct batch_content content;
    bool good = true;

    read_at(vouching, io, position, batch, envelope->size);
    while (vouching->next < vouching->end &&
           offset_of(&vouching->op->at[vouching->next]) < position + envelope->size) {
        good = put(&vouching->op->at[vouching->next], position, envelope, batch) && good;
        vouching->next++;
    }
    good = good && batch_content_read(bytes, envelope, vouching->log->incarnation, &content) == OK;
    for (size_t i = first; i < vouching->next; i++)
        vouching->op->at[i].good = good;
    heap_give(batch);
}

/* Where no envelope stands that can be read the next one is looked for. */
static void vouching_run(struct io_work *work, struct io *io)
{
    struct log_vouching *vouching = owner_of(work, struct log_vouching, work);
    uint64_t position = SEGMENT_HEADER;

    while (vouching->next < vouching->end && position < vouching->file_end) {
        uint64_t wanted = offset_of(&vouching->op->at[vouching->next]);
        struct batch_envelope envelope;

        if (wanted < position) { /* no batch has it */
            vouching->next++;
        } else if (!envelope_at(vouching, io, position, &envelope)) {
            position += 8;
        } else {
            if (wanted < position + envelope.size)
                judge(vouching, io, position, &envelope);
            position += envelope.size;
        }
    }
}

/* ---- one file after the other --------------------------------------------------------------- */

static void vouching_look(struct log_vouching *vouching);

static void vouching_done(struct io_work *work)
{
    struct log_vouching *vouching = owner_of(work, struct log_vouching, work);

    vouching->file->reads--;
    vouching->next = vouching->end;
    vouching_look(vouching);
}

static struct log_file *segment_at(const struct log *log, uint32_t ordinal)
{
    return ordinal < log->file_count ? log->files[ordinal] : NULL;
}

static void begin_file(struct log_vouching *vouching, struct log_file *file)
{
    vouching->file = file;
    vouching->file_end = file->end;
    vouching->window_size = 0;
    file->reads++;
    store_work(vouching->log->store, &vouching->work);
}

static void vouching_look(struct log_vouching *vouching)
{
    struct log_vouch_op *op = vouching->op;
    struct log *log = vouching->log;

    while (vouching->next < op->count && !log->closed) {
        uint32_t ordinal = (uint32_t)(op->at[vouching->next].place >> 32);
        struct log_file *file = segment_at(log, ordinal);

        vouching->end = vouching->next;
        while (vouching->end < op->count && op->at[vouching->end].place >> 32 == ordinal)
            vouching->end++;
        if (file != NULL && file->memory == NULL) {
            begin_file(vouching, file);
            return;
        }
        vouching->next = vouching->end;
    }
    log_vouch_forget(log);
    op->done(op);
}

/* ---- the door ------------------------------------------------------------------------------- */

static void nothing_run(struct io_work *work, struct io *io)
{
    (void)work;
    (void)io;
}

/* `done` never comes from inside the call. */
static void begun(struct io_work *work)
{
    struct log_vouching *vouching = owner_of(work, struct log_vouching, work);

    vouching->work.run = vouching_run;
    vouching->work.done = vouching_done;
    vouching_look(vouching);
}

void log_vouch(struct log *log, struct log_vouch_op *op)
{
    struct log_vouching *vouching = HEAP_NEW(struct log_vouching);

    assert(!log->closed);
    assert(log->vouching == NULL);
    for (size_t i = 0; i < op->count; i++) {
        assert(i == 0 || op->at[i - 1].place < op->at[i].place ||
               op->at[i].place >> 32 == LOG_FILE_NONE);
        op->at[i].good = false;
    }
    vouching->work.run = nothing_run;
    vouching->work.done = begun;
    vouching->log = log;
    vouching->op = op;
    vouching->window = heap_take(WINDOW);
    log->vouching = vouching;
    store_work(log->store, &vouching->work);
}

bool log_vouch_busy(const struct log *log)
{
    return log->vouching != NULL;
}

void log_vouch_forget(struct log *log)
{
    if (log->vouching == NULL)
        return;
    heap_give(log->vouching->window);
    heap_give(log->vouching);
    log->vouching = NULL;
}
