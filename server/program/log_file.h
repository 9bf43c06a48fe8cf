/*
 * log_file: where the log's lines go: standard error, or a file that is opened again when told (so
 * that others may move it) and put aside when it has grown too large. Lines may come from any
 * thread; everything else is called by the one that owns it.
 */
#ifndef SERVER_PROGRAM_LOG_FILE_H
#define SERVER_PROGRAM_LOG_FILE_H

#include "base/logger.h"
#include "server/options.h"

struct log_file {
    struct logger logger;
    _Atomic int64_t size; /* of the file, about */
    char path[1024];      /* empty: standard error */
    int64_t size_max;     /* 0: any */
    int64_t files_max;    /* 0: any */
};

/* Sets level, time and destination as the options say. False: errno says why the file could not be
 * opened; lines go to standard error. */
bool log_file_open(struct log_file *log, const struct options *options);
/* What a reload may change of it. False: as above, but the file of before stays. */
bool log_file_change(struct log_file *log, const struct options *options);
/* The file again, under its name. Says so in the log. */
void log_file_reopen(struct log_file *log);
/* Puts the file aside if it is too large. Cheap; to be called often. */
void log_file_rotate(struct log_file *log);

#endif
