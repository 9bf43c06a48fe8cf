/*
 * s2: the framing of S2 and Snappy streams, in which backups travel. What is written is not
 * compressed, which the format allows; what is read may be. Pure; all that is read is hostile.
 *
 * A stream is a row of chunks: u8 type, u24 size, and so many bytes. The first one is the
 * identifier; a chunk of data begins with the masked CRC-32C of what it stands for.
 */
#ifndef SERVER_BACKUP_S2_H
#define SERVER_BACKUP_S2_H

#include "base/buf.h"

#define S2_BLOCK_MAX (4u << 20) /* content of one chunk */
#define S2_CHUNK_MAX (8u << 20) /* of one as it travels: nothing that a writer makes is larger */

/* The identifier of a stream. False at the buffer's limit. */
bool s2_begin(struct buf *out);
/* `bytes` as chunks of data. */
bool s2_add(struct buf *out, struct bytes bytes);

struct s2_reader {
    bool begun; /* the identifier has come */
};
enum s2_result {
    S2_MORE, /* no whole chunk is there; nothing was taken */
    S2_OK,   /* one was taken off the front, its content appended to `out` (there may be none) */
    S2_BAD,  /* it is not as the format says, or does not fit `out` */
};
enum s2_result s2_read(struct s2_reader *reader, struct bytes *in, struct buf *out);

#endif
