/*
 * record: the frame of one effect inside a batch (docs/formats.md, Record). Bodies belong to those
 * who give the type its meaning; the frame only sizes and checks them.
 */
#ifndef STORAGE_RECORD_H
#define STORAGE_RECORD_H

#include "base/buf.h"
#include "base/err.h"

#define RECORD_HEAD     10u /* size, checksum, type, flags */
#define RECORD_SIZE_MAX (72u << 20)
#define RECORD_ERASED   0x80u /* flag: some of its content was, after it was written */

struct record {
    uint8_t type;
    uint8_t flags;
    struct bytes body; /* padding included (fewer than 8 zero bytes): types carry their own sizes */
    uint32_t size;     /* of the whole record */
};

/* Whole size of a record with a body of that size. */
uint32_t record_size(size_t body_size);

/* Room for a record at the end of `out`; returns where the body goes (body_size bytes, padding
 * behind it is zeroed), NULL at the buffer's limit. Ends with record_end, nothing else touches
 * `out` between. */
uint8_t *record_begin(struct buf *out, uint8_t type, uint8_t flags, size_t body_size);
void record_end(struct buf *out, size_t body_size); /* computes the checksum of the last record */

/* Its content was changed where it stands: the checksum is made to fit; and the flags, too. */
void record_seal(uint8_t *at, uint32_t size);
void record_erased(uint8_t *at, uint32_t size);

/* Reads the record at the start of `in`. ERR_CORRUPT: size or checksum is wrong. */
enum err record_read(struct bytes in, struct record *record);
/* The same without the checksum, for content whose hash has been verified. */
enum err record_peek(struct bytes in, struct record *record);

#endif
