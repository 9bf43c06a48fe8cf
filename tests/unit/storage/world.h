/*
 * world: a store over a simulated disk, with one log or several, for tests of what only crashes and
 * failing disks can show. One a program: it is `w`. Batches hold one record of type 1 whose bytes
 * are all its `fill`. What a start found and what has become durable is told in the fields.
 */
#ifndef TESTS_UNIT_STORAGE_WORLD_H
#define TESTS_UNIT_STORAGE_WORLD_H

#include <stdio.h>
#include <string.h>

#include "base/io_sim.h"
#include "storage/log.h"
#include "storage/record.h"
#include "storage/store.h"
#include "tests/unit/unit.h"

#define WORLD_LOG 7u
#define MILLI     INT64_C(1000000)
#define SECOND    INT64_C(1000000000)

struct world {
    struct sim *sim;
    size_t node;
    struct io *io;
    struct store_options options;           /* of the next start; so is what follows */
    struct log_recovery recovery;           /* what is to be told beyond batches and what is lost */
    void (*seen)(const struct log_batch *); /* each that is recovered or durable, or NULL */
    bool may_fail;
    uint64_t term; /* of what is sealed; 0: 1 */

    struct store *store;
    struct log *log;
    uint64_t durable;
    uint64_t recovered, lost; /* by the last start: the index of the last, how many */
    unsigned cut_short;       /* it took a file for one that something else had cut */
    unsigned failures;
    enum err failed; /* the last one */
};

static struct world w;

static inline void world_durable(void *owner, const struct log_batch *batch)
{
    (void)owner;
    ck_assert_uint_eq(batch->index, w.durable + 1);
    w.durable = batch->index;
    if (w.seen != NULL)
        w.seen(batch);
}

static inline void world_failed(void *owner, enum err err)
{
    (void)owner;
    if (!w.may_fail)
        ck_abort_msg("a batch failed: %s", err_text(err));
    w.failures++;
    w.failed = err;
}

static inline void world_recovered(void *context, const struct log_batch *batch)
{
    (void)context;
    w.recovered = batch->index;
    if (w.seen != NULL)
        w.seen(batch);
}

static inline void world_lost(void *context, uint64_t first, uint64_t last, uint64_t bytes)
{
    (void)context;
    (void)bytes;
    w.lost += last - first + 1;
}

static inline void world_cut_short(void *context)
{
    (void)context;
    w.cut_short++;
}

static inline void world_flush(void *context)
{
    (void)context;
    store_flush(w.store);
}

/* ---- starts and ends ------------------------------------------------------------------------- */

static inline enum err world_open_store(void)
{
    struct store_error error;
    enum err err;

    w.io = sim_node_io(w.sim, w.node);
    err = store_open(w.io, "data", &w.options, &w.store, &error);
    if (err == OK)
        io_set_flush(w.io, world_flush, NULL);
    return err;
}

static inline enum err world_open_log(void)
{
    static const struct log_events events = {world_durable, world_failed};
    enum err err;

    w.recovered = w.lost = w.cut_short = 0;
    w.recovery.batch = world_recovered;
    w.recovery.lost = world_lost;
    w.recovery.cut_short = world_cut_short;
    err = log_open(w.store, WORLD_LOG, &w.recovery, &events, NULL, &w.log);
    if (err == OK)
        w.durable = log_durable(w.log);
    return err;
}

static inline void world_open(void)
{
    ck_assert_int_eq(world_open_store(), OK);
    ck_assert_int_eq(world_open_log(), OK);
}

/* A disk with nothing on it; nothing runs yet. */
static inline void world_create(uint64_t seed, struct store_options options)
{
    w = (struct world){.sim = sim_create(seed), .options = options};
    w.node = sim_node_add(w.sim);
}

/* The first start, with a new log that is not open yet. */
static inline void world_prepare(void)
{
    static const uint8_t incarnation[16] = "incarnation-0001";

    ck_assert_int_eq(world_open_store(), OK);
    ck_assert_int_eq(log_prepare(w.store, WORLD_LOG, incarnation, bytes_of(NULL, 0)), OK);
}

static inline void world_begin(void)
{
    world_prepare();
    ck_assert_int_eq(world_open_log(), OK);
}

/* Unless it has crashed by itself. Nothing is started again. */
static inline void world_crash(enum sim_crash_mode mode)
{
    if (!sim_crashed(w.sim, w.node))
        sim_crash(w.sim, w.node, mode);
    store_forget(w.store);
    sim_restart(w.sim, w.node);
}

static inline void world_end(void)
{
    store_forget(w.store);
    sim_destroy(w.sim);
}

static inline void world_step(void)
{
    ck_assert(sim_step(w.sim));
}

/* ---- batches --------------------------------------------------------------------------------- */

static inline void world_gather(struct log *log, size_t size, uint8_t fill)
{
    memset(record_begin(log_gather(log), 1, 0, size), fill, size);
    record_end(log_gather(log), size);
}

static inline void world_seal_in(struct log *log, size_t size, uint8_t fill)
{
    world_gather(log, size, fill);
    (void)log_seal(log, w.term == 0 ? 1 : w.term, 1, 1);
    io_wake(w.io);
}

static inline void world_seal(size_t size, uint8_t fill)
{
    world_seal_in(w.log, size, fill);
}

static inline void world_settle(uint64_t durable)
{
    while (w.durable < durable)
        world_step();
}

static inline void world_append(size_t size, uint8_t fill)
{
    uint64_t next = w.durable + 1;

    world_seal(size, fill);
    world_settle(next);
}

/* ---- other logs beside it -------------------------------------------------------------------- */

static inline void world_other_durable(void *owner, const struct log_batch *batch)
{
    *(uint64_t *)owner = batch->index;
}

static inline void world_other_recovered(void *context, const struct log_batch *batch)
{
    (void)context;
    (void)batch;
    ck_abort_msg("it is new");
}

/* A new one; what of it is durable is told in *durable. */
static inline struct log *world_other(uint64_t id, uint64_t *durable)
{
    static const struct log_events events = {world_other_durable, world_failed};
    static const uint8_t incarnation[16] = "incarnation-0002";
    struct log_recovery recovery = {world_other_recovered, world_lost, NULL};
    struct log *log;

    ck_assert_int_eq(log_prepare(w.store, id, incarnation, bytes_of(NULL, 0)), OK);
    ck_assert_int_eq(log_open(w.store, id, &recovery, &events, durable, &log), OK);
    return log;
}

/* ---- erasing: what is on the platter --------------------------------------------------------- */

#define WORLD_NEEDLE 64u /* so many equal bytes are a batch's */

struct world_search {
    const char *directory;
    uint8_t fill;
    unsigned found;
};

static inline bool world_has_needle(struct bytes content, uint8_t fill)
{
    uint8_t needle[WORLD_NEEDLE];

    memset(needle, fill, sizeof needle);
    return memmem(content.at, content.size, needle, sizeof needle) != NULL;
}

/* As the system would hand it out. */
static inline bool world_file_has_needle(const char *path, uint8_t fill)
{
    static uint8_t at[256 << 10];
    struct io_file *file;
    uint64_t size;
    bool has;

    ck_assert_int_eq(io_open(w.io, path, IO_READ, &file), OK);
    ck_assert_int_eq(io_size(w.io, file, &size), OK);
    ck_assert_uint_le(size, sizeof at);
    ck_assert_int_eq(io_read_all(w.io, file, 0, at, size), OK);
    has = world_has_needle(bytes_of(at, size), fill);
    io_close(w.io, file);
    return has;
}

static inline void world_search_entry(void *context, const char *name, bool directory)
{
    struct world_search *search = context;
    char path[256];
    struct bytes content;

    if (directory)
        return;
    snprintf(path, sizeof path, "%s/%s", search->directory, name);
    search->found +=
        world_file_has_needle(path, search->fill) ||
        (sim_durable(w.sim, w.node, path, &content) && world_has_needle(content, search->fill));
}

/* In how many files of the log and the journal, as they are read or on the platter, a batch's bytes
 * are. */
static inline unsigned world_files_with(uint8_t fill)
{
    struct world_search search = {.directory = "data/journal", .fill = fill};
    char log[64];

    ck_assert_int_eq(io_list(w.io, search.directory, world_search_entry, &search), OK);
    snprintf(log, sizeof log, "data/logs/%016x", WORLD_LOG);
    search.directory = log;
    ck_assert_int_eq(io_list(w.io, search.directory, world_search_entry, &search), OK);
    return search.found;
}

#endif
