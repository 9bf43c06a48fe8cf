/*
 * pack: a file of a log that does not change any more, compressed (docs/formats.md, Packed file).
 * It takes the place of the file that it was made of, a segment or one of kept records, and is read
 * as if it were that file: offsets are those of the original. Each frame of it is verified when it
 * is read. Blocking calls, for workers and start-up.
 */
#ifndef STORAGE_PACK_H
#define STORAGE_PACK_H

#include "base/buf.h"
#include "base/io.h"

#define PACK_HEADER 4096u
#define PACK_FRAME  (64u << 10) /* of the original */
/* Of an original. A file of a log ends at 64 MiB, or with the batch that stands there (80 MiB). */
#define PACK_RAW_MAX (UINT64_C(256) << 20)

enum pack_kind { PACK_SEGMENT = 1, PACK_KEEP = 2 };

struct pack_head {
    uint64_t log_id;
    uint8_t incarnation[16];
    uint64_t file_id;
    enum pack_kind kind;
    uint64_t raw_size; /* of the original */
    uint32_t frame_count;
};

struct pack_frame {
    uint64_t offset;
    uint32_t size; /* as large as the original: it is that itself */
    uint32_t sum;
};

struct pack {
    struct io_file *file; /* whoever opened it closes it */
    struct pack_head head;
    struct pack_frame *frames;
    uint64_t size; /* of the file */
};

/* ---- reading --------------------------------------------------------------------------------- */

/* ERR_NOT_FOUND. ERR_CORRUPT: it is not what its name says, or damaged. ERR_VERSION: of a newer
 * format. Then nothing is open. */
enum err pack_open(struct io *io, const char *dir, uint64_t log_id, uint64_t file_id,
                   struct pack **pack);
/* Exactly `size` bytes of the original; zeros past its end. ERR_CORRUPT: frames are damaged, zeros
 * stand for them. */
enum err pack_read(struct io *io, const struct pack *pack, uint64_t offset, void *at, size_t size);
/* Frees the memory; the file is the caller's. NULL: nothing. */
void pack_forget(struct pack *pack);
/* What a packed file was made of, as its first PACK_HEADER bytes say. ERR_VERSION, ERR_CORRUPT. */
enum err pack_kind_of(const uint8_t head[PACK_HEADER], enum pack_kind *kind);
/* All of the original of a packed file that is in memory. ERR_VERSION, ERR_CORRUPT: as above; what
 * could be read of it is in `out`, damaged frames as zeros. Nothing is made room for before the
 * table says where each frame of it stands in the file. */
enum err pack_expand(struct bytes file, struct pack_head *head, struct buf *out);

/* ---- making ---------------------------------------------------------------------------------- */

struct pack_writer {
    struct pack_head head;
    const char *dir;
    struct io_file *from, *to;
    const uint8_t *memory; /* in the place of `from` */
    struct pack_frame *frames;
    uint32_t next; /* frame */
    uint64_t end;  /* of `to` so far */
};

/* `head` but for the count of frames is the caller's; `from` is lent until the end, or NULL: then
 * `memory`, which the caller sets, has the original. On failure nothing is there. */
enum err pack_begin(struct pack_writer *writer, struct io *io, const char *dir,
                    const struct pack_head *head, struct io_file *from);
/* Packs up to so many frames. Anything but OK: it is to be abandoned. */
enum err pack_step(struct pack_writer *writer, struct io *io, uint32_t frames);
bool pack_whole(const struct pack_writer *writer); /* all frames are in it */
/* Makes it durable under its name. On failure it is not there, or found after a crash all the same,
 * whole. */
enum err pack_end(struct pack_writer *writer, struct io *io);
void pack_abandon(struct pack_writer *writer, struct io *io);

#endif
