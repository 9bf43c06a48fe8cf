/* jetstream_priv: struct jetstream, for jetstream.c and jetstream_catalogue.c. */
#ifndef SERVER_JETSTREAM_PRIV_H
#define SERVER_JETSTREAM_PRIV_H

#include "base/table.h"
#include "raft/replica.h"
#include "server/catalogue.h"
#include "server/jetstream_core.h"
#include "server/log_clock.h"

struct api;
struct preparation;

/* The streams of one account. */
struct space {
    struct account *account;
    struct table streams;         /* by name */
    uint64_t interest_generation; /* of the account, when it was last looked at */
    struct account_usage usage;   /* as it was at that time */
    int64_t usage_looked_ns;
};

struct jetstream {
    struct server *server;
    struct store *store;
    struct replica *meta;
    struct catalogue catalogue;
    bool lead; /* of the metadata group */
    struct table spaces; /* by account */
    struct account_usage usage; /* of all, as it was at that time */
    int64_t usage_looked_ns;
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
    struct api *api;
    struct timer awake;
    bool turning;
    const char *unhealthy;
    struct jetstream_stats stats;
};

/* jetstream.c */
struct stream *jetstream_stream_open(struct jetstream *jetstream, struct account *account,
                                     uint64_t id, struct bytes name, enum err *err);
void jetstream_stream_close(struct jetstream *jetstream, struct stream *stream, bool deleted);

/* jetstream_accounts.c */
void jetstream_spaces_init(struct jetstream *jetstream);
void jetstream_spaces_deinit(struct jetstream *jetstream); /* when all streams are closed */
/* One for each account that JetStream is on for and that has none. */
void jetstream_spaces_make(struct jetstream *jetstream);
/* The API for every account. */
void jetstream_spaces_serve(struct jetstream *jetstream);
/* NULL: the account has no JetStream. */
struct space *jetstream_space(const struct jetstream *jetstream, const struct account *account);

/* jetstream_catalogue.c */
void jetstream_catalogue_turn(struct jetstream *jetstream);
bool jetstream_catalogue_waits(const struct jetstream *jetstream);
void jetstream_catalogue_applied(struct jetstream *jetstream, uint64_t index);
void jetstream_catalogue_refused(struct jetstream *jetstream, enum err err);
void jetstream_catalogue_drop(struct jetstream *jetstream);
/* Removes a log's files on a worker and records it when they are gone. */
void jetstream_remove_files(struct jetstream *jetstream, uint64_t id);

#endif
