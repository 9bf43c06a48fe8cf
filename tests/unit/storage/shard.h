/*
 * shard: a store with one log over a real temporary directory, for tests. Batches hold one record
 * of type 1; what came out is counted and remembered by index.
 */
#ifndef TESTS_UNIT_STORAGE_SHARD_H
#define TESTS_UNIT_STORAGE_SHARD_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/io_real.h"
#include "storage/log.h"
#include "storage/record.h"
#include "tests/unit/directory.h"

#define SHARD_BATCHES_MAX 8192u
#define SHARD_LOG         7u

struct shard {
    char root[64];
    struct io *io;
    struct store_options options;
    struct store *store;
    struct store_error error;
    struct log *log;

    uint64_t recovered; /* batches handed out by the last opening */
    uint64_t lost_first;
    uint64_t lost_last;
    uint64_t lost_bytes;
    unsigned lost_calls;
    unsigned cut_short_calls;
    uint64_t durable;
    enum err failed;
    struct log_hash hashes[SHARD_BATCHES_MAX + 1];
    log_place places[SHARD_BATCHES_MAX + 1];
    uint32_t sizes[SHARD_BATCHES_MAX + 1];
};

static const uint8_t shard_incarnation[16] = "incarnation-0001";

static void shard_note(struct shard *s, const struct log_batch *batch)
{
    ck_assert_uint_le(batch->index, SHARD_BATCHES_MAX);
    s->hashes[batch->index] = batch->hash;
    s->places[batch->index] = batch->records_place;
    s->sizes[batch->index] = (uint32_t)batch->records.size;
}

static void shard_recovered(void *context, const struct log_batch *batch)
{
    struct shard *s = context;

    s->recovered++;
    shard_note(s, batch);
}

static void shard_lost(void *context, uint64_t first, uint64_t last, uint64_t bytes)
{
    struct shard *s = context;

    s->lost_calls++;
    s->lost_first = first;
    s->lost_last = last;
    s->lost_bytes = bytes;
}

static void shard_cut_short(void *context)
{
    ((struct shard *)context)->cut_short_calls++;
}

static void shard_durable(void *owner, const struct log_batch *batch)
{
    struct shard *s = owner;

    ck_assert_uint_eq(batch->index, s->durable + 1);
    s->durable = batch->index;
    shard_note(s, batch);
}

static void shard_failed(void *owner, enum err err)
{
    ((struct shard *)owner)->failed = err;
}

static void shard_flush(void *context)
{
    store_flush(((struct shard *)context)->store);
}

static void shard_world(struct shard *s)
{
    ck_assert_int_eq(io_real_create(s->root, IO_CHOICE_AUTO, &s->io, &(struct io_real_result){0}),
                     OK);
}

static enum err shard_open_store(struct shard *s)
{
    enum err err = store_open(s->io, "data", &s->options, &s->store, &s->error);

    if (err == OK)
        io_set_flush(s->io, shard_flush, s);
    return err;
}

static enum err shard_open_log(struct shard *s)
{
    static const struct log_events events = {shard_durable, shard_failed};
    struct log_recovery recovery = {
        .batch = shard_recovered, .lost = shard_lost, .context = s, .cut_short = shard_cut_short};
    enum err err;

    s->recovered = 0;
    s->lost_calls = 0;
    s->cut_short_calls = 0;
    err = log_open(s->store, SHARD_LOG, &recovery, &events, s, &s->log);
    if (err == OK)
        s->durable = log_durable(s->log);
    return err;
}

/* A new store with a new log. */
static inline void shard_begin(struct shard *s)
{
    memset(s, 0, sizeof *s);
    directory_make(s->root);
    shard_world(s);
    ck_assert_int_eq(shard_open_store(s), OK);
    ck_assert_int_eq(log_prepare(s->store, SHARD_LOG, shard_incarnation, bytes_of(NULL, 0)), OK);
    ck_assert_int_eq(shard_open_log(s), OK);
}

static inline void shard_settle(struct shard *s)
{
    for (int turn = 0; turn < 100000 && !store_idle(s->store); turn++)
        ck_assert_int_eq(io_turn(s->io, 1000000), OK);
    ck_assert(store_idle(s->store));
}

static inline void shard_close(struct shard *s)
{
    if (s->log != NULL)
        log_close(s->log);
    s->log = NULL;
    shard_settle(s);
    store_close(s->store);
    io_destroy(s->io);
    s->store = NULL;
}

/* As after the end of the process; the log is not opened. */
static inline void shard_reopen_store(struct shard *s)
{
    shard_close(s);
    shard_world(s);
    ck_assert_int_eq(shard_open_store(s), OK);
}

static inline void shard_reopen(struct shard *s)
{
    shard_reopen_store(s);
    ck_assert_int_eq(shard_open_log(s), OK);
}

static inline void shard_end(struct shard *s)
{
    if (s->store != NULL)
        shard_close(s);
    directory_remove(s->root);
}

/* Seals a batch of one record with a body of `size` bytes that are all `fill`. */
static inline uint64_t shard_seal(struct shard *s, size_t size, uint8_t fill)
{
    struct buf *batch = log_gather(s->log);
    uint8_t *body = record_begin(batch, 1, 0, size);

    ck_assert_ptr_nonnull(body);
    memset(body, fill, size);
    record_end(batch, size);
    return log_seal(s->log, 1, 1000, 1);
}

/* The same, and waits until it is durable. */
static inline uint64_t shard_append(struct shard *s, size_t size, uint8_t fill)
{
    uint64_t index = shard_seal(s, size, fill);

    for (int turn = 0; turn < 100000 && log_appended(s->log) > log_durable(s->log); turn++)
        ck_assert_int_eq(io_turn(s->io, 1000000), OK);
    ck_assert_uint_eq(s->durable, index);
    return index;
}

#endif
