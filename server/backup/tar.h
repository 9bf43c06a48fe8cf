/*
 * tar: the headers of a POSIX archive, ustar with what PAX adds to it. Pure. An archive is a row of
 * entries: a header of 512 bytes, so many bytes, zeros up to the next 512; two blocks of zeros end
 * it. What is read is hostile: only regular files and PAX headers in front of them are taken.
 */
#ifndef SERVER_BACKUP_TAR_H
#define SERVER_BACKUP_TAR_H

#include "base/buf.h"

#define TAR_BLOCK    512u
#define TAR_NAME_MAX 1024u

/* The header of a regular file, with a PAX one in front if the name asks for it. False at the
 * buffer's limit. `name` is at most TAR_NAME_MAX long. */
bool tar_add_header(struct buf *out, struct bytes name, uint64_t size, int64_t time_ns);
/* The zeros behind content of that size. */
bool tar_add_padding(struct buf *out, uint64_t size);
bool tar_add_end(struct buf *out);

static inline uint64_t tar_padded(uint64_t size)
{
    return (size + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK;
}

enum tar_type {
    TAR_FILE,
    TAR_PAX,    /* what follows says more of the next header: tar_read_pax */
    TAR_GLOBAL, /* of all that follow: nothing that counts here */
    TAR_END,    /* a block of zeros */
    TAR_BAD,    /* a wrong checksum, or anything but a regular file */
};
struct tar_entry {
    uint64_t size;
    char name[TAR_NAME_MAX + 1];
};
/* `pax`: what the PAX header before said (tar_read_pax), cleared if there was none; it goes before
 * what the header says itself. */
enum tar_type tar_read_header(const uint8_t block[static TAR_BLOCK], const struct tar_entry *pax,
                              struct tar_entry *entry);
/* False: it makes no sense. An empty name, a size of 0: it tells none. */
bool tar_read_pax(struct bytes content, struct tar_entry *pax);

#endif
