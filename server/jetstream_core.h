/*
 * jetstream_core: what the API (server/api) and the streams (server/stream) share of one server's
 * JetStream: the catalogue of streams, answering, clocks. server/jetstream.c owns it all.
 */
#ifndef SERVER_JETSTREAM_CORE_H
#define SERVER_JETSTREAM_CORE_H

#include "base/arena.h"
#include "server/jetstream.h"
#include "server/stream/stream.h"

/* ---- answering ------------------------------------------------------------------------------------- */

/* Publishes to `to` inside the account; nothing when `to` is empty. Not from a sink's deliver. */
void jetstream_answer(struct jetstream *jetstream, struct account *account, struct bytes to,
                      struct bytes headers, struct bytes payload);
/* An advisory or metric, if anybody listens. */
bool jetstream_listened(struct jetstream *jetstream, struct account *account, struct bytes subject);

/* Something is to be done in a turn: the loop must not sleep over it. */
void jetstream_awake(struct jetstream *jetstream);

struct server *jetstream_server(struct jetstream *jetstream);
struct arena *jetstream_arena(struct jetstream *jetstream);     /* emptied at the end of every turn */
int64_t jetstream_log_now(const struct jetstream *jetstream);   /* log time: wall clock that never falls */
struct jetstream_stats *jetstream_counters(struct jetstream *jetstream);

/* Room to read into, good until the next call that asks for it. */
uint8_t *jetstream_read_buffer(struct jetstream *jetstream, size_t size);

/* ---- for the shells of streams ----------------------------------------------------------------------- */

struct store;
struct store *jetstream_store(struct jetstream *jetstream);
/* Links it into the list of this turn and keeps the loop awake. */
void jetstream_mark(struct jetstream *jetstream, struct stream *stream);
/* It leads now: what an interrupted change left undone is done. */
void jetstream_stream_lead(struct jetstream *jetstream, struct stream *stream);

/* ---- accounts ---------------------------------------------------------------------------------------- */

/* What the streams of an account take, and what their limits reserve. */
struct account_usage {
    uint64_t memory, store;
    uint64_t reserved_memory, reserved_store;
    uint64_t streams, consumers;
};

/* Is JetStream on for that account? */
bool jetstream_serves(const struct jetstream *jetstream, const struct account *account);
/* NULL: of all accounts. */
void jetstream_usage(const struct jetstream *jetstream, const struct account *account,
                     struct account_usage *usage);
/* Is there room for a message of that size in the account's share and the server's? 0, or the
 * error's number. It counts as taken. */
uint16_t jetstream_admits(struct jetstream *jetstream, const struct account *account, bool memory,
                          size_t size);

/* ---- the catalogue ------------------------------------------------------------------------------------- */

struct stream *jetstream_stream(struct jetstream *jetstream, struct account *account, struct bytes name);
/* All streams of the account sorted by name, in `arena`. */
struct stream **jetstream_streams(struct jetstream *jetstream, struct account *account,
                                  struct arena *arena, size_t *count);

/*
 * Creating, updating and deleting streams goes through the metadata group (intent), then the stream's
 * log (effect). One such operation runs at a time; others wait in order.
 * `check` runs when its turn has come, on the catalogue as it then is: an err_code refuses; *satisfied
 * ends the operation successfully without doing anything (create of an equal stream).
 */
enum catalogue_op_kind { CATALOGUE_CREATE, CATALOGUE_UPDATE, CATALOGUE_DELETE };

struct catalogue_op {
    enum catalogue_op_kind kind;
    struct account *account;
    struct bytes name;
    struct bytes json; /* normalised StreamConfig; owned by the op's owner until done */
    uint16_t (*check)(struct catalogue_op *op, bool *satisfied);
    void (*done)(struct catalogue_op *op, struct stream *stream); /* exactly once; stream NULL after a delete or failure */
    void *owner;
    struct catalogue_op *next;
    /* results */
    uint16_t error;
    char error_text[160];
    bool created;
    /* private to jetstream_catalogue.c */
    struct jetstream *jetstream;
    struct stream_op stream_op;
    uint64_t stream_id;
    unsigned step;
};
void jetstream_catalogue(struct jetstream *jetstream, struct catalogue_op *op);

#endif
