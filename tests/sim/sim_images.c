/*
 * sim_images: every write, sync, rename and unlink of a life of one log, from its making over state
 * blocks, packed and dropped files, records that are moved out of a file that goes, and erasures in
 * each kind of file, and the power goes at each of them in turn. What
 * the disk kept of what was not synced is drawn anew with every seed. From each such image the log
 * is opened: all that was reported durable is there, byte by byte; nothing else is; what was erased
 * is in no file. Then the power goes once more.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/heap.h"
#include "base/io_sim.h"
#include "storage/flaws.h"
#include "storage/hash.h"
#include "storage/log.h"
#include "storage/paths.h"
#include "storage/record.h"
#include "tests/sim/images.h"

#define LOG_ID     7u
#define BATCHES    64u
#define MILLI      INT64_C(1000000)
#define TOKEN      24u
#define ERASED_RAW 13u /* stands in a segment when it is erased */
#define ERASED_PAK 8u  /* in a packed one */
#define MOVED      9u  /* of a file that goes, this one and the next live in one of kept records */
#define ERASED_KEP 10u /* there */

/* What was told, which outlives the process. */
struct truth {
    uint64_t durable;
    uint64_t dropped; /* so far files were removed */
    uint64_t block;   /* index of the newest that was reported written */
    bool erased;      /* both */
    bool erased_kept; /* that one */
    bool moved;       /* both blocks say so, and the file they came from may be gone */
    struct log_hash hashes[BATCHES + 1];
    unsigned lives[BATCHES + 1]; /* in which each was written: what was not durable may be void */
};

struct run {
    uint64_t seed, operation; /* 0: no crash */
    uint64_t flaws;
    struct sim *sim;
    size_t node;
    struct io *io;
    struct store *store;
    struct log *log;
    struct truth truth;
    log_place places[BATCHES + 1];
    uint32_t sizes[BATCHES + 1];
    unsigned life;
    uint64_t seen; /* the highest index that the last opening handed out */
    bool ended;    /* what is waited for */
    enum err err;
    struct log_block_op block;
    struct log_erase_op erase;
    struct log_keep_op keep;
    log_place kept[2]; /* of the moved ones; 0: not known */
    char local[128];   /* of the block that is written */
};

[[gnu::noreturn]] static void fail(const struct run *run, const char *what, uint64_t number)
{
    printf("seed %" PRIu64 ", operation %" PRIu64 ": %s (%" PRIu64 ")\n", run->seed, run->operation,
           what, number);
    exit(1);
}

/* ---- content -------------------------------------------------------------------------------- */

/* Found nowhere by chance. */
static void token_of(uint64_t index, unsigned life, char token[TOKEN + 1])
{
    snprintf(token, TOKEN + 1, "batch-%06" PRIu64 "-life-%06u", index, life);
}

static size_t body_of(uint64_t index)
{
    return (size_t)(100 + index * 1777 % 9000);
}

static void fill(uint8_t *body, size_t size, uint64_t index, unsigned life)
{
    char token[TOKEN + 1];

    token_of(index, life, token);
    for (size_t i = 0; i < size; i++)
        body[i] = (uint8_t)token[i % TOKEN];
}

static void erase(uint8_t *record, uint32_t size)
{
    memset(record + RECORD_HEAD, 0, size - RECORD_HEAD);
}

/* ---- what is told --------------------------------------------------------------------------- */

static void note(struct run *run, const struct log_batch *batch)
{
    run->places[batch->index] = batch->records_place;
    run->sizes[batch->index] = (uint32_t)batch->records.size;
    if (batch->records.at[RECORD_HEAD] == 'b') /* else it was erased */
        run->truth.lives[batch->index] =
            (unsigned)strtoul((const char *)batch->records.at + RECORD_HEAD + 18, NULL, 10) %
            1000000;
}

static void durable(void *owner, const struct log_batch *batch)
{
    struct run *run = owner;

    run->truth.durable = batch->index;
    run->truth.hashes[batch->index] = batch->hash;
    note(run, batch);
    run->ended = true;
}

static void failed(void *owner, enum err err)
{
    fail(owner, err_text(err), 0);
}

static void recovered(void *context, const struct log_batch *batch)
{
    struct run *run = context;
    struct truth *truth = &run->truth;

    if (batch->index > BATCHES)
        fail(run, "an index that never was", batch->index);
    if (batch->index <= truth->durable && !hash_equal(&batch->hash, &truth->hashes[batch->index]))
        fail(run, "another batch came back", batch->index);
    truth->hashes[batch->index] = batch->hash;
    note(run, batch);
    run->seen = batch->index;
}

static void lost(void *context, uint64_t first, uint64_t last, uint64_t bytes)
{
    (void)last;
    (void)bytes;
    fail(context, "lost", first);
}

static void gone(void *context, uint64_t first, uint64_t last)
{
    struct run *run = context;

    if (last > run->truth.dropped)
        fail(run, "gone, and was not removed", first);
    run->seen = last;
}

static enum err block_found(void *context, const struct log_block *block)
{
    struct run *run = context;
    uint64_t file, first, second;
    char text[32], local[128] = "";
    uint32_t ordinal;

    snprintf(text, sizeof text, "state at %" PRIu64, block->index);
    if (!bytes_equal(block->body, bytes_of_text(text)))
        fail(run, "another block", block->index);
    memcpy(local, block->local.at, block->local.size < sizeof local ? block->local.size : 0);
    if (sscanf(local, "moved %" SCNu64 " %" SCNu64 " %" SCNu64, &file, &first, &second) != 3)
        return OK;
    ordinal = log_block_ordinal(block, file);
    if (ordinal == LOG_FILE_NONE)
        fail(run, "kept records that a block speaks of are not there", block->index);
    run->kept[0] = (log_place)ordinal << 32 | first;
    run->kept[1] = (log_place)ordinal << 32 | second;
    return OK;
}

static void keep_done(struct log_keep_op *op, enum err err)
{
    struct run *run = (struct run *)((char *)op - offsetof(struct run, keep));

    run->err = err;
    run->ended = true;
}

static void block_done(struct log_block_op *op, enum err err)
{
    struct run *run = (struct run *)((char *)op - offsetof(struct run, block));

    run->err = err;
    run->ended = true;
}

static void erase_done(struct log_erase_op *op, enum err err)
{
    struct run *run = (struct run *)((char *)op - offsetof(struct run, erase));

    run->err = err;
    run->ended = true;
}

/* ---- reading -------------------------------------------------------------------------------- */

struct reading {
    struct log_read read;
    bool done;
};

static void read_done(struct log_read *read, int64_t result)
{
    (void)result; /* the record says what came */
    ((struct reading *)read)->done = true;
}

static void read_place(struct run *run, log_place place, uint8_t *at, uint32_t size)
{
    struct reading reading = {.read.done = read_done};

    if (log_read_now(run->log, place, at, size) >= 0)
        return;
    log_read(run->log, &reading.read, place, at, size);
    while (!reading.done && sim_step(run->sim))
        continue;
}

/* ---- steps; false: the power went ----------------------------------------------------------- */

static void flush(void *context)
{
    store_flush(((struct run *)context)->store);
}

static bool wait_ended(struct run *run)
{
    while (!run->ended) {
        if (sim_crashed(run->sim, run->node))
            return false;
        if (!sim_step(run->sim))
            fail(run, "nothing goes on", 0);
    }
    return !sim_crashed(run->sim, run->node);
}

static bool open_all(struct run *run)
{
    static const struct log_events events = {durable, failed};
    static const uint8_t incarnation[16] = "incarnation-0001";
    struct log_recovery recovery = {recovered, lost, run, block_found, gone};
    struct store_options options = {.segment_size = 32 << 10,
                                    .journal_file_size = 64 << 10,
                                    .journal_batch_max = 4 << 10,
                                    .flaws = run->flaws};
    struct store_error error;
    enum err err;

    run->seen = 0;
    run->kept[0] = run->kept[1] = 0;
    memset(run->places, 0, sizeof run->places); /* those of another life mean other files */
    run->life++;
    run->io = sim_node_io(run->sim, run->node);
    if (store_open(run->io, "data", &options, &run->store, &error) != OK) {
        run->store = NULL;
        return false;
    }
    err = log_prepare(run->store, LOG_ID, incarnation, bytes_of(NULL, 0));
    if (err != OK && err != ERR_EXISTS)
        return false;
    if (log_open(run->store, LOG_ID, &recovery, &events, run, &run->log) != OK)
        return false;
    if (log_durable(run->log) < run->truth.durable)
        fail(run, "what was durable is not there", run->truth.durable);
    run->truth.durable = log_durable(run->log); /* it is answered from now */
    io_set_flush(run->io, flush, run);
    return !sim_crashed(run->sim, run->node);
}

static bool append(struct run *run, uint64_t up_to)
{
    while (log_durable(run->log) < up_to) {
        uint64_t index = log_durable(run->log) + 1;
        size_t size = body_of(index);
        uint8_t *body = record_begin(log_gather(run->log), 1, 0, size);

        fill(body, size, index, run->life);
        record_end(log_gather(run->log), size);
        run->ended = false;
        (void)log_seal(run->log, 1, 1, 1);
        io_wake(run->io);
        if (!wait_ended(run))
            return false;
    }
    return true;
}

static bool write_block(struct run *run, uint64_t index)
{
    char text[32];

    if (log_block_newest(run->log) >= index)
        return true;
    snprintf(text, sizeof text, "state at %" PRIu64, index);
    run->local[0] = 0;
    if (run->kept[0] != 0)
        snprintf(run->local, sizeof run->local, "moved %" PRIu64 " %" PRIu64 " %" PRIu64,
                 log_file_id(run->log, (uint32_t)(run->kept[0] >> 32)), run->kept[0] & UINT32_MAX,
                 run->kept[1] & UINT32_MAX);
    run->block = (struct log_block_op){.index = index,
                                       .term = 1,
                                       .hash = run->truth.hashes[index],
                                       .body = bytes_of_text(text),
                                       .local = bytes_of_text(run->local),
                                       .done = block_done};
    log_set_committed(run->log, log_durable(run->log));
    run->ended = false;
    log_block_write(run->log, &run->block);
    if (!wait_ended(run))
        return false;
    if (run->err != OK)
        fail(run, "a block was not written", index);
    run->truth.block = index;
    return true;
}

static bool rest(struct run *run, int64_t ms)
{
    io_wake(run->io);
    sim_run(run->sim, ms * MILLI);
    return !sim_crashed(run->sim, run->node);
}

static bool drop_first(struct run *run)
{
    struct log_file_info info;

    if (!log_file_next(run->log, 0, &info) || !info.droppable || info.first != 1)
        return true;
    run->truth.dropped = info.last; /* from here on it may be gone */
    if (log_file_drop(run->log, info.ordinal) != OK)
        fail(run, "a file cannot be removed", info.first);
    return rest(run, 10);
}

static bool erase_both(struct run *run)
{
    struct log_erased at[] = {{run->places[ERASED_RAW], run->sizes[ERASED_RAW]},
                              {run->places[ERASED_PAK], run->sizes[ERASED_PAK]}};
    size_t count = run->places[ERASED_PAK] != 0 ? 2 : 1; /* its file may have gone with it */

    run->erase =
        (struct log_erase_op){.at = at, .count = count, .erase = erase, .done = erase_done};
    run->ended = false;
    log_erase(run->log, &run->erase);
    if (!wait_ended(run))
        return false;
    if (run->err != OK)
        fail(run, "it cannot be erased", run->err);
    run->truth.erased = true;
    return true;
}

/* Both are in one file, as they are found there. */
static bool move(struct run *run)
{
    uint8_t *at;
    bool going;

    if (run->kept[0] != 0)
        return true;
    at = heap_take(run->sizes[MOVED] + run->sizes[MOVED + 1]);
    for (unsigned i = 0, offset = 0; i < 2; offset += run->sizes[MOVED + i], i++)
        read_place(run, run->places[MOVED + i], at + offset, run->sizes[MOVED + i]);
    run->keep = (struct log_keep_op){
        .records = bytes_of(at, run->sizes[MOVED] + run->sizes[MOVED + 1]), .done = keep_done};
    run->ended = false;
    log_keep(run->log, &run->keep);
    going = wait_ended(run);
    if (going && run->err != OK)
        fail(run, "records cannot be moved", run->err);
    if (going) {
        run->kept[0] = (log_place)run->keep.ordinal << 32 | LOG_KEEP_HEAD;
        run->kept[1] = run->kept[0] + run->sizes[MOVED];
    }
    heap_give(at);
    return going;
}

/* Nothing else in the file of the moved ones lives, and both blocks know where they are. */
static bool drop_moved(struct run *run)
{
    struct log_file_info info = {0};

    for (uint32_t i = 0; log_file_next(run->log, i, &info) && info.last < MOVED;)
        i = info.ordinal + 1;
    run->truth.moved = true;
    if (info.first > MOVED || info.last < MOVED || !info.droppable)
        return true;
    if (info.last > run->truth.dropped)
        run->truth.dropped = info.last;
    if (log_file_drop(run->log, info.ordinal) != OK)
        fail(run, "a file cannot be removed", info.first);
    return rest(run, 10);
}

static bool erase_kept(struct run *run)
{
    struct log_erased at = {run->kept[1], run->sizes[ERASED_KEP]};

    run->erase = (struct log_erase_op){.at = &at, .count = 1, .erase = erase, .done = erase_done};
    run->ended = false;
    log_erase(run->log, &run->erase);
    if (!wait_ended(run))
        return false;
    if (run->err != OK)
        fail(run, "it cannot be erased", run->err);
    run->truth.erased_kept = true;
    return true;
}

/* Each step looks at what there is: a life goes on where the one before it ended. */
static bool live(struct run *run)
{
    if (!append(run, 14) || !write_block(run, 6) || !append(run, 18) || !write_block(run, 12))
        return false;
    log_floor_set(run->log, log_block_newest(run->log));
    log_pack(run->log);
    if (!rest(run, 200) || !drop_first(run) || !erase_both(run))
        return false;
    if (!append(run, 22) || !write_block(run, 20) || !append(run, 24) || !move(run))
        return false;
    log_pack(run->log);
    if (!rest(run, 50) || !write_block(run, 24) || !append(run, 28) || !write_block(run, 28))
        return false;
    log_floor_set(run->log, log_block_newest(run->log));
    return drop_moved(run) && erase_kept(run) && append(run, 32) && rest(run, 50);
}

/* ---- looking -------------------------------------------------------------------------------- */

static bool is_erased(const struct run *run, uint64_t index)
{
    return (run->truth.erased && (index == ERASED_RAW || index == ERASED_PAK)) ||
           (run->truth.erased_kept && index == ERASED_KEP);
}

struct search {
    struct run *run;
    const char *dir;
    uint64_t index;
};

static bool holds(struct bytes bytes, const char *token)
{
    return bytes.size > 0 && memmem(bytes.at, bytes.size, token, TOKEN) != NULL;
}

static void search_file(void *context, const char *name, bool directory)
{
    const struct search *search = context;
    struct run *run = search->run;
    struct io_file *file;
    char path[400], token[TOKEN + 1];
    uint64_t size;
    uint8_t *at;

    snprintf(path, sizeof path, "%s/%s", search->dir, name);
    if (directory || io_open(run->io, path, IO_READ, &file) != OK)
        return;
    token_of(search->index, run->truth.lives[search->index], token);
    if (io_size(run->io, file, &size) == OK && size > 0) {
        at = heap_take(size);
        if (io_read_all(run->io, file, 0, at, size) == OK && holds(bytes_of(at, size), token)) {
            printf("in %s\n", path);
            fail(run, "erased, and still there", search->index);
        }
        heap_give(at);
    }
    io_close(run->io, file);
}

/* Packed files are compressed: what is in them is read through the log. */
static void search_all(struct run *run)
{
    static const uint64_t erased[] = {ERASED_RAW, ERASED_PAK, ERASED_KEP};

    for (size_t i = 0; i < 3; i++) {
        struct search search = {run, "data/journal", erased[i]};
        struct path path = path_log("data", LOG_ID);

        if (!is_erased(run, erased[i]))
            continue;
        (void)io_list(run->io, search.dir, search_file, &search);
        search.dir = path.text;
        (void)io_list(run->io, search.dir, search_file, &search);
    }
}

/* It may be erased before that was told. */
static bool may_be_erased(uint64_t index)
{
    return index == ERASED_RAW || index == ERASED_PAK || index == ERASED_KEP;
}

static void read_record(struct run *run, uint64_t index, log_place place)
{
    uint8_t *at = heap_take(run->sizes[index]), *wanted = heap_take(run->sizes[index]);
    struct record record;

    read_place(run, place, at, run->sizes[index]);
    if (record_read(bytes_of(at, run->sizes[index]), &record) != OK)
        fail(run, "a record is not sound", index);
    fill(wanted, body_of(index), index, run->truth.lives[index]);
    if ((record.flags & RECORD_ERASED) != 0 && !may_be_erased(index))
        fail(run, "a record is erased that nobody erased", index);
    if (is_erased(run, index) && (record.flags & RECORD_ERASED) == 0)
        fail(run, "a record came back", index);
    if ((record.flags & RECORD_ERASED) == 0 && memcmp(record.body.at, wanted, body_of(index)) != 0)
        fail(run, "a record has other bytes", index);
    heap_give(wanted);
    heap_give(at);
}

static void read_moved(struct run *run)
{
    if (run->truth.moved && run->kept[0] == 0)
        fail(run, "nothing says where the moved records are", MOVED);
    for (unsigned i = 0; run->kept[0] != 0 && i < 2; i++) {
        run->sizes[MOVED + i] = record_size(body_of(MOVED + i));
        read_record(run, MOVED + i, run->kept[i]);
    }
}

static void look(struct run *run)
{
    search_all(run);
    for (uint64_t index = run->truth.dropped + 1; index <= run->truth.durable; index++)
        if (!(index == ERASED_KEP && run->truth.erased_kept))
            read_record(run, index, run->places[index]);
    read_moved(run);
}

/* ---- images --------------------------------------------------------------------------------- */

static void power(struct run *run)
{
    if (!sim_crashed(run->sim, run->node))
        sim_crash(run->sim, run->node, SIM_CRASH_POWER);
    if (run->store != NULL)
        store_forget(run->store);
    run->store = NULL;
    run->log = NULL;
    sim_restart(run->sim, run->node);
}

static void begin(struct run *run, uint64_t seed, uint64_t operation, uint64_t flaws)
{
    *run =
        (struct run){.seed = seed, .operation = operation, .flaws = flaws, .sim = sim_create(seed)};
    run->node = sim_node_add(run->sim);
}

static void end(struct run *run)
{
    if (run->store != NULL)
        store_forget(run->store);
    sim_destroy(run->sim);
}

/* How many operations there are without a crash. */
static uint64_t count_operations(uint64_t seed)
{
    struct run run;
    uint64_t count;

    begin(&run, seed, 0, 0);
    if (!open_all(&run) || !live(&run))
        fail(&run, "it ends by itself", 0);
    look(&run);
    count = sim_disk_ops(run.sim, run.node);
    end(&run);
    return count;
}

static void try_image(uint64_t seed, uint64_t operation, uint64_t flaws)
{
    struct run run;

    begin(&run, seed, operation, flaws);
    sim_crash_after(run.sim, run.node, SIM_CRASH_POWER, operation);
    if (open_all(&run))
        (void)live(&run);
    power(&run);
    if (!open_all(&run))
        fail(&run, "it cannot be opened", 0);
    look(&run);
    if (!live(&run))
        fail(&run, "it does not go on", 0);
    power(&run);
    if (!open_all(&run))
        fail(&run, "it cannot be opened a second time", 0);
    look(&run);
    end(&run);
}

int main(int argc, char **argv)
{
    static const struct images_flaw flaws[] = {
        {"ACK_BEFORE_DURABLE", FLAW_ACK_BEFORE_DURABLE},
        {"SKIP_REDO", FLAW_SKIP_REDO},
        {"FORGET_DIRECTORY_SYNC", FLAW_FORGET_DIRECTORY_SYNC},
    };
    static const struct images images = {
        .name = "sim_images",
        .count = count_operations,
        .run = try_image,
        .flaws = flaws,
        .flaw_count = sizeof flaws / sizeof flaws[0],
    };

    return images_main(&images, argc, argv);
}
