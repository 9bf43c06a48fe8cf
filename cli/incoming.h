/* incoming: messages shown as they come, by `sub`: as text, as lines of JSON, or parts of them. */
#ifndef CLI_INCOMING_H
#define CLI_INCOMING_H

#include "cli/reader.h"

struct incoming {
    bool raw, json, headers_only, subjects_only; /* as flags say; of two the first */
    struct buf line;
};

/* By the flags of `sub`. */
void incoming_init(struct incoming *incoming, struct cli *cli);
void incoming_deinit(struct incoming *incoming);

/* The message `number`, as it was published. Takes no memory for good. */
void incoming_show(struct incoming *incoming, const struct msg *msg, uint64_t number);
/* One out of a stream. */
void incoming_show_stored(struct incoming *incoming, const char *stream,
                          const struct reader_item *item, uint64_t number);

/*
 * All of `sub` when flags say that a stream is read: --stream, or where to begin.  `subject` NULL:
 * all of --stream.
 */
int incoming_from_stream(struct incoming *incoming, struct cli *cli, const char *subject);
/* Do they? */
bool incoming_stored(const struct args *args);

/* What is subscribed to already is counted by subject. The most frequent are shown when it ends, be
 * it by Ctrl-C or with the connection. */
int incoming_report(struct cli *cli);

#endif
