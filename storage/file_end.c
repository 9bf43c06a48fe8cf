#include "storage/file_end.h"

#include "storage/batch.h"
#include "storage/segment.h"

enum err file_end_find(struct io *io, struct io_file *file, uint64_t file_id, uint64_t from,
                       uint64_t last, uint64_t *end)
{
    struct batch_envelope envelope = {};
    uint8_t at[BATCH_ENVELOPE];
    uint64_t position = last == 0 ? SEGMENT_HEADER : from;
    enum err err = OK;

    while (err == OK && envelope.index < last) {
        err = io_read_all(io, file, position, at, sizeof at);
        if (err == OK)
            err = batch_envelope_read(bytes_of(at, sizeof at), file_id, position, &envelope);
        if (err != OK || envelope.index > last)
            break; /* the last one that counts is lost */
        position += envelope.size;
    }
    *end = position;
    return err == ERR_VERSION ? ERR_CORRUPT : err;
}
