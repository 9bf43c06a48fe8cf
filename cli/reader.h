/*
 * reader: the messages of a stream in order, by an ephemeral consumer without acknowledgements that
 * pushes with flow control: as fast as we read, and no more in flight than the server allows.
 */
#ifndef CLI_READER_H
#define CLI_READER_H

#include "cli/api.h"

struct reader_options {
    const char *filter;
    const char *deliver; /* "all", "last_per_subject", "last", "new" */
    const char *start;   /* members of a configuration that say where, in its place; or NULL */
    bool headers_only;
};

struct reader {
    struct cli *cli;
    const char *stream;
    struct reader_options options;
    const char *name;
    uint64_t sid;
    uint64_t pending;  /* what was there when it began */
    uint64_t expected; /* number of the next message of the consumer */
    int64_t heard;     /* when the server spoke of it last (conn_now), and be it that it is there */
    uint64_t last;     /* the stream's message that was handed out last, or begun behind; 0: none */
};

/* EXIT_DONE, or said. */
int reader_begin(struct reader *reader, struct cli *cli, const char *stream,
                 const struct reader_options *options);

struct reader_item {
    struct msg msg; /* good until the next call */
    uint64_t sequence;
    int64_t time_ns;
    uint64_t pending; /* how many come after it */
};
/* Waits until `until` (conn_now). CONN_LOST also when a message is missing. */
enum conn_verdict reader_next(struct reader *reader, int64_t until, struct reader_item *item);
/* A command that runs for long goes on where it was when the connection is lost (again.h).
 * EXIT_DONE, or it failed and was said. */
int reader_again(struct reader *reader, enum conn_verdict verdict);
/* The consumer goes away; it would by itself as well. */
void reader_end(struct reader *reader);

#endif
