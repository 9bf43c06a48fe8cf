/* gauge: how far the reading of a directory is, on standard error when that is a terminal. */
#ifndef SERVER_PROGRAM_GAUGE_H
#define SERVER_PROGRAM_GAUGE_H

#include <stdbool.h>
#include <stdint.h>

struct gauge {
    const char *dir;
    bool shown, drawn;
    uint64_t total;     /* bytes of what is below the directory */
    uint64_t done;      /* of the files that were left behind */
    uint64_t size;      /* of the file that is read */
    char path[256];     /* it, below the directory */
    int64_t begun, due; /* when it is drawn next */
};

void gauge_begin(struct gauge *gauge, const char *dir);
/* It is at this place of that file. */
void gauge_at(struct gauge *gauge, const char *path, uint64_t position);
/* The line goes away; it comes back with the next call of gauge_at. */
void gauge_clear(struct gauge *gauge);

#endif
