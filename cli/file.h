/*
 * file: files that are there whole or not at all. What is being written has no name until it is
 * complete (O_TMPFILE), so neither Ctrl-C nor a full disk leaves a part of it under the final name;
 * where a file system has no such files, it has a name beginning with a dot and is removed.
 */
#ifndef CLI_FILE_H
#define CLI_FILE_H

#include <errno.h>
#include <sys/types.h>

#include "base/arena.h"

/* The content, with a zero behind it; false with errno (EFBIG: more than `max`). */
bool file_read(const char *path, size_t max, struct arena *arena, struct bytes *content);

/* The same of a regular file only: a pipe that nobody writes to is refused instead of waited for.
 * EISDIR or FILE_IRREGULAR then, which file_why has words for. */
bool file_read_regular(const char *path, size_t max, struct arena *arena, struct bytes *content);
/* Opens one for reading; negative: errno as above. */
int file_open(const char *path);
#define FILE_IRREGULAR EMEDIUMTYPE
const char *file_why(int error);

#define FILE_UNRESERVED ((off_t)INT64_MAX)

struct file_out {
    int fd;
    const char *path;
    char hidden[4200];     /* the name meanwhile; empty: none */
    off_t written, handed; /* so far; of that, what the disk was told to begin with */
    off_t reserved;        /* room there is up to here; FILE_UNRESERVED: none is asked for */
};

/* False with errno; nothing is left behind then, and file_finish and file_drop must not follow. */
bool file_begin(struct file_out *out, const char *path, mode_t mode);
bool file_write(struct file_out *out, struct bytes b);
/* What was written is on disk; one that is full may say so only now. */
bool file_sync(struct file_out *out);
/* Puts the file in its place, over what was there; on failure (errno) it is dropped. */
bool file_finish(struct file_out *out);
void file_drop(struct file_out *out);

/* All of it in one step. */
bool file_replace(const char *path, struct bytes content, mode_t mode);

#endif
