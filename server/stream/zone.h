/*
 * zone: how far a time zone is from UTC at any time, from the bytes of its TZif file (RFC 8536,
 * version 2 or later). Pure.
 *
 * What comes after the last transition in the file is as that left it: a file whose rules go on in
 * its footer only is refused, as its clock would stand wrong for half of every year.
 */
#ifndef SERVER_STREAM_ZONE_H
#define SERVER_STREAM_ZONE_H

#include "base/bytes.h"
#include "base/err.h"

#define ZONE_FILE_MAX (64u << 10)
#define ZONE_NAME_MAX 64u

struct zone {
    int64_t *from;   /* seconds since 1970 from which on ... */
    int32_t *offset; /* ... seconds east of UTC */
    uint32_t count;
    int32_t offset_first; /* before the first */
};

/* ERR_CORRUPT: not such a file. ERR_UNSUPPORTED: see above. What it takes is zone_deinit's to free.
 */
enum err zone_read(struct zone *zone, struct bytes file);
void zone_deinit(struct zone *zone);

int32_t zone_offset(const struct zone *zone, int64_t seconds);
/* May that be a zone's name, and so a file's below the directory of zones? */
bool zone_name_valid(struct bytes name);

#endif
