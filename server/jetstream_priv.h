/* jetstream_priv: struct jetstream, for jetstream.c and jetstream_catalogue.c. */
#ifndef SERVER_JETSTREAM_PRIV_H
#define SERVER_JETSTREAM_PRIV_H

#include "base/table.h"
#include "raft/replica.h"
#include "server/catalogue.h"
#include "server/jetstream_core.h"
#include "server/log_clock.h"
#include "server/stream/read_cache.h"

struct api;
struct preparation;

struct jetstream {
    struct server *server;
    struct store *store;
    struct replica *meta;
    struct catalogue catalogue;
    bool lead; /* of the metadata group */
    struct table streams;
    uint64_t interest_generation; /* of the account, when it was last looked at */
    struct stream *dirty; /* have something to do this turn */
    struct catalogue_op *op_first, *op_last; /* waiting */
    struct catalogue_op *op_current;
    uint64_t op_index; /* where op_current's intent was proposed; 0: not yet or past it */
    struct preparation *preparation; /* a log being made on a worker, or NULL */
    size_t removals;                 /* of files, under way */
    uint64_t *gone;    /* ids whose files are removed, to be recorded */
    size_t gone_count, gone_capacity;
    size_t gone_proposed; /* of them, in the batch at gone_index */
    uint64_t gone_index;
    struct log_clock clock;
    int64_t time_floor_ns; /* highest log time found at start */
    struct arena arena;
    struct buf read_buffer;
    struct read_cache read_cache;
    struct api *api;
    struct timer awake;
    bool turning;
    const char *unhealthy;
    struct jetstream_stats stats;
};

/* jetstream.c */
struct stream *jetstream_stream_open(struct jetstream *jetstream, uint64_t id, struct bytes name,
                                     enum err *err);
void jetstream_stream_close(struct jetstream *jetstream, struct stream *stream, bool deleted);

/* jetstream_catalogue.c */
void jetstream_catalogue_turn(struct jetstream *jetstream);
bool jetstream_catalogue_waits(const struct jetstream *jetstream);
void jetstream_catalogue_applied(struct jetstream *jetstream, uint64_t index);
void jetstream_catalogue_refused(struct jetstream *jetstream, enum err err);
void jetstream_catalogue_drop(struct jetstream *jetstream);
/* Removes a log's files on a worker and records it when they are gone. */
void jetstream_remove_files(struct jetstream *jetstream, uint64_t id);

#endif
