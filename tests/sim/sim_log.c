/*
 * sim_log: several logs in a store over a simulated disk that fails, fills up, forgets and rots,
 * with crashes at any operation, recovery included. tests/sim/log_model.h says what must hold.
 *
 *     sim_log --seed S             one run, with its trace hash
 *     sim_log --seconds N          runs with rising seeds (from --seed) until the time is over
 *     sim_log --flaw NAME          the same with a seeded bug; succeeds when a run finds it
 *     sim_log --flaws              every seeded bug, each until it is found or --seconds are over
 *     sim_log --trace              prints every event of the world
 */
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/heap.h"
#include "base/io_sim.h"
#include "base/owner.h"
#include "storage/batch.h"
#include "storage/flaws.h"
#include "storage/hash.h"
#include "storage/log.h"
#include "storage/record.h"
#include "storage/segment.h"
#include "tests/sim/hunt.h"
#include "tests/sim/log_model.h"

#define LOGS_MAX     4u
#define LIVES_MAX    8u
#define DIR          "data"
#define DISK         (256u << 20)
#define READ_MAX     (256u << 10)
#define FILES_MAX    512u
#define ATTEMPTS_MAX 4u
#define VOTES_MAX    3u /* of one log on their way */

enum log_state { ABSENT, CLOSED, OPEN, CLOSING, REMOVING };

#define BEHINDS 64u

struct sim_log {
    enum log_state state;
    bool maybe_gone; /* a crash struck while it was being removed */
    bool bootstraps; /* it is made with its first batch */
    struct log *log;
    struct model_log model;
    uint32_t records; /* gathered */
    log_place place;  /* of some durable batch of this life, 0: none */
    uint32_t place_size;
    uint64_t place_hash;
    log_place behind[BEHINDS]; /* of the newest durable batches of this life, by their indexes */
    uint64_t behind_index[BEHINDS];
    struct log_content *held; /* some content, as it was */
    struct log_hash held_hash;
    struct io_op warm;
    uint64_t warm_index; /* on its way into memory, 0: none */
    struct store_vote_op votes[VOTES_MAX];
    bool voting[VOTES_MAX];
    bool voided[VOTES_MAX]; /* the log that voted has been removed since */
    struct log_block_op block;
    uint8_t *body;       /* of the block that is being written */
    uint64_t lost_first; /* by the last recovery, 0: nothing */
    struct log_skip_op skip;
    bool skipping;
};

struct run {
    uint64_t seed;
    uint64_t flaws;
    struct prng prng;
    struct sim *sim;
    size_t node;
    struct io *io;
    struct store *store;
    struct store_options options;
    bool together; /* logs are being opened that store_settle is still to sync */
    enum err unsettled;
    struct sim_faults faults;
    struct sim_log logs[LOGS_MAX];
    unsigned log_count;
    uint64_t counter; /* makes every record unlike all others */
    unsigned flips;
    bool short_counts;
    bool journal_rots;
    bool rolls;
    bool elects;   /* in this life */
    bool buffered; /* the journal is not written directly */
    bool blocks_often;
    bool follows;   /* most batches come from elsewhere, in bursts, and some are cut */
    unsigned small; /* so many batches stay so */
    bool trace;
    char report[256];
    unsigned sealed, durable, failed, recovered, lost, crashes, removals, starts, refused_starts;
    unsigned cuts, reads, votes, blocks, drops, skips;
};

static struct run *current; /* for whoever ends the process */

void model_broken(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    printf("seed %" PRIu64 ": ", current->seed);
    vprintf(format, arguments);
    printf("\n");
    va_end(arguments);
    if (current->report[0] != 0)
        printf("the store's last report: %s\n", current->report);
    printf("0 passed, 1 failed\n");
    fflush(stdout);
    _exit(EXIT_FAILURE);
}

static void aborted(int number)
{
    char text[64];
    int size = snprintf(text, sizeof text, "seed %" PRIu64 ": signal %d\n0 passed, 1 failed\n",
                        current->seed, number);

    (void)!write(STDOUT_FILENO, text, (size_t)size);
    _exit(EXIT_FAILURE);
}

static uint64_t below(struct run *run, uint64_t bound)
{
    return prng_below(&run->prng, bound);
}

static bool chance(struct run *run, uint32_t numerator, uint32_t denominator)
{
    return prng_chance(&run->prng, numerator, denominator);
}

static enum sim_crash_mode draw_mode(struct run *run)
{
    return chance(run, 1, 2) ? SIM_CRASH_KILL : SIM_CRASH_POWER;
}

static struct sim_log *owner_log(void *owner)
{
    return owner;
}

/* ---- what the store tells ------------------------------------------------------------------- */

static void report(void *context, const char *text)
{
    struct run *run = context;

    snprintf(run->report, sizeof run->report, "%s", text);
    if (run->trace)
        printf("        %s\n", text);
}

/* Contents stay as they are while they are held, whatever happens to their log. */
static void let_go(struct sim_log *log)
{
    struct log_hash hash;

    if (log->held == NULL)
        return;
    hash = hash_128(log_content_bytes(log->held));
    if (!hash_equal(&hash, &log->held_hash))
        model_broken("log %" PRIu64 ": a content has changed", log->model.id);
    log_content_drop(log->held);
    log->held = NULL;
}

static void hold(struct sim_log *log, struct log_content *content)
{
    let_go(log);
    log->held = log_content_hold(content);
    log->held_hash = hash_128(log_content_bytes(content));
}

static void draw_incarnation(struct run *run, uint8_t at[16])
{
    for (unsigned i = 0; i < 16; i++)
        at[i] = (uint8_t)below(run, 256);
}

/* What a leader of a later term does not have. Never what is committed. */
static void cut(struct run *run, struct sim_log *log)
{
    uint64_t last = model_last(&log->model);
    uint64_t floor = log->model.committed < last ? log->model.committed : last;
    uint64_t index = last - below(run, 1 + (last - floor < 12 ? last - floor : 12));

    log_cut(log->log, index);
    model_cut(&log->model, index);
    if (index < log->lost_first)
        log->lost_first = 0;
    if (log_appended(log->log) != index)
        model_broken("log %" PRIu64 ": cut to %" PRIu64 ", it goes on at %" PRIu64, log->model.id,
                     index, log_appended(log->log));
    log->place = 0;
    run->cuts++;
}

static void durable(void *owner, const struct log_batch *batch)
{
    struct sim_log *log = owner_log(owner);
    struct log_content *content = log_content_of(log->log, batch->index);

    current->durable++;
    model_durable(&log->model, batch);
    if (content == NULL || log_content_index(content) != batch->index)
        model_broken("log %" PRIu64 ": no content of %" PRIu64, log->model.id, batch->index);
    log->place = batch->records_place;
    log->place_size = (uint32_t)batch->records.size;
    log->place_hash = bytes_hash(batch->records, 1);
    log->behind[batch->index % BEHINDS] = log_batch_behind(batch);
    log->behind_index[batch->index % BEHINDS] = batch->index;
    if (chance(current, 1, 4))
        hold(log, content);
    if (current->follows && chance(current, 1, 50))
        cut(current, log);
}

/* What a failure has left behind shows after a crash that comes soon. */
static void failed(void *owner, enum err err)
{
    struct sim_log *log = owner_log(owner);

    (void)err;
    current->failed++;
    model_failed(&log->model);
    log_gather_drop(log->log);
    log->records = 0;
    if (current->rolls && chance(current, 1, 2)) { /* small ones may fit where the last did not */
        current->small = 4;
        sim_crash_after(current->sim, current->node, SIM_CRASH_POWER, 3 + below(current, 4));
    } else if (chance(current, 1, 4)) {
        sim_crash_after(current->sim, current->node, draw_mode(current), 1 + below(current, 40));
    }
}

static void recovered(void *context, const struct log_batch *batch)
{
    struct model_log *model = &owner_log(context)->model;

    current->recovered++;
    if (batch->below != (batch->index <= model->block_found))
        model_broken("log %" PRIu64 ": %" PRIu64 " is on the wrong side of the block", model->id,
                     batch->index);
    model_recovered(model, batch);
}

static enum err recovered_block(void *context, const struct log_block *block)
{
    if (current->trace)
        printf("        log %" PRIu64 ": block of %" PRIu64 "\n", owner_log(context)->model.id,
               block->index);
    model_block_recovered(&owner_log(context)->model, block);
    return OK;
}

static void gone(void *context, uint64_t first, uint64_t last)
{
    if (current->trace)
        printf("        log %" PRIu64 ": %" PRIu64 " to %" PRIu64 " are gone\n",
               owner_log(context)->model.id, first, last);
    model_gone(&owner_log(context)->model, first, last);
}

static void unread(void *context, uint64_t first, uint64_t last)
{
    if (current->trace)
        printf("        log %" PRIu64 ": %" PRIu64 " to %" PRIu64 " are not read\n",
               owner_log(context)->model.id, first, last);
    model_unread(&owner_log(context)->model, first, last);
}

static void lost(void *context, uint64_t first, uint64_t last, uint64_t bytes)
{
    (void)bytes;
    current->lost += (unsigned)(last - first + 1);
    if (current->trace)
        printf("        log %" PRIu64 ": %" PRIu64 " to %" PRIu64 " are lost\n",
               owner_log(context)->model.id, first, last);
    if (owner_log(context)->lost_first == 0)
        owner_log(context)->lost_first = first;
    model_lost(&owner_log(context)->model, first, last);
}

/* Disks here forget, fail and rot, and never cut a file within a block. */
static void cut_short(void *context)
{
    model_broken("log %" PRIu64 ": takes what a crash left for damage",
                 owner_log(context)->model.id);
}

/* ---- appending ------------------------------------------------------------------------------ */

static size_t draw_size(struct run *run)
{
    if (run->small > 0) {
        run->small--;
        return 8 + below(run, 50);
    }
    if (run->rolls) /* files are full soon, and often have room for a smaller batch */
        return 8 + below(run, chance(run, 1, 2) ? 14000 : 50);
    switch (below(run, 8)) {
    case 0: return 8 + below(run, 4);
    case 1: return below(run, 3000) + 8;
    case 2: return below(run, 20000) + 8;
    case 3: return chance(run, 1, 8) ? below(run, 120000) + 8 : 20;
    default: return below(run, 300) + 8;
    }
}

/* From 8 on: rows of 57 bytes, each one more than the byte above it, for a hundred rows. */
static void fill_noise(uint8_t *body, size_t size, uint64_t noise)
{
    uint8_t row[57];

    for (unsigned i = 0; i < sizeof row; i++)
        row[i] = (uint8_t)(1 + (noise >> i & 127));
    for (size_t at = 0, number = 0; at < size; at += sizeof row, number++)
        for (size_t i = at == 0 ? 8 : 0; i < sizeof row && at + i < size; i++)
            body[at + i] = (uint8_t)(row[i] + number % 100);
}

static void fill(struct run *run, uint8_t *body, size_t size)
{
    uint64_t number = ++run->counter;
    unsigned kind = (unsigned)below(run, 8);
    uint64_t noise = prng_next(&run->prng);

    memcpy(body, &number, 8);
    if (kind == 0)
        memset(body + 8, 0, size - 8);
    else
        fill_noise(body, size, noise);
}

static void gather(struct run *run, struct sim_log *log)
{
    struct buf *batch = log_gather(log->log);
    size_t size = draw_size(run);
    uint8_t *body = record_begin(batch, 1, 0, size);

    if (body == NULL)
        model_broken("a batch of %zu has no room for %zu", batch->size, size);
    fill(run, body, size);
    record_end(batch, size);
    log->records++;
}

static void seal(struct run *run, struct sim_log *log)
{
    uint64_t index = log_seal(log->log, run->starts, sim_now(run->sim), log->records);
    struct log_content *content = log_content_of(log->log, index);

    model_sealed(&log->model, index, log_content_bytes(content));
    if (chance(run, 1, 4))
        hold(log, content);
    log->records = 0;
    run->sealed++;
}

/* A content as another replica seals it: one record. */
static bool make_content(struct run *run, struct sim_log *log, const uint8_t incarnation[16],
                         struct buf *batch)
{
    struct batch_content head = {.term = run->starts,
                                 .index = model_last(&log->model) + 1,
                                 .time_ns = sim_now(run->sim),
                                 .record_count = 1};
    size_t size = draw_size(run);

    if (!model_last_hash(&log->model, &head.previous))
        return false;
    memcpy(head.incarnation, incarnation, 16);
    buf_init(batch, BATCH_GATHER_MAX);
    if (!batch_begin(batch))
        model_broken("no room for a head");
    fill(run, record_begin(batch, 1, 0, size), size);
    record_end(batch, size);
    (void)batch_seal(batch, &head);
    return true;
}

/* What is not the next content is refused and changes nothing. */
static void append_wrong(struct run *run, struct sim_log *log, struct bytes content)
{
    struct bytes wrong = heap_copy(content);
    uint8_t *at = (uint8_t *)wrong.at + below(run, content.size);

    if (at >= wrong.at + 48 && at < wrong.at + 56)
        at = (uint8_t *)wrong.at; /* the time is the owner's affair */
    if (at < wrong.at + 24 && at >= wrong.at + 16)
        at = (uint8_t *)wrong.at; /* so is a higher term */
    *at ^= (uint8_t)(1u << below(run, 8));
    if (log_append(log->log, wrong) != ERR_CORRUPT)
        model_broken("log %" PRIu64 ": a wrong content is taken", log->model.id);
    heap_give((void *)wrong.at);
}

static bool append(struct run *run, struct sim_log *log)
{
    uint64_t index = model_last(&log->model) + 1;
    struct bytes content;
    struct buf batch;
    enum err err;

    if (!make_content(run, log, log_incarnation(log->log), &batch))
        return false;
    content = bytes_skip(buf_bytes(&batch), BATCH_ENVELOPE);
    if (content.size > log_append_room(log->log)) {
        buf_deinit(&batch);
        return false;
    }
    if (chance(run, 1, 20))
        append_wrong(run, log, content);
    err = log_append(log->log, content);
    if (err != OK)
        model_broken("log %" PRIu64 ": %" PRIu64 " is refused: %s", log->model.id, index,
                     err_text(err));
    model_sealed(&log->model, index, content);
    run->sealed++;
    buf_deinit(&batch);
    return true;
}

static void commit(struct run *run, struct sim_log *log)
{
    uint64_t last = model_last(&log->model);
    uint64_t index;

    if (last <= log->model.committed)
        return;
    index = log->model.committed + 1 + below(run, last - log->model.committed);
    if (index > log->model.kept_count)
        return; /* only what is durable here: nobody else would have it after a crash */
    model_committed(&log->model, index);
    log_set_committed(log->log, index);
}

static void voted(struct store_vote_op *op, enum err err)
{
    struct sim_log *log = NULL;
    struct store_vote found;
    bool voided = false;

    for (unsigned i = 0; i < current->log_count * VOTES_MAX; i++) {
        if (op != &current->logs[i / VOTES_MAX].votes[i % VOTES_MAX])
            continue;
        log = &current->logs[i / VOTES_MAX];
        log->voting[i % VOTES_MAX] = false;
        voided = log->voided[i % VOTES_MAX];
    }
    if (voided || err != OK || log->model.id != op->log_id || log->state != OPEN)
        return;
    current->votes++;
    if (op->vote.term < log->model.vote_durable)
        model_broken("log %" PRIu64 ": votes become durable out of order", log->model.id);
    log->model.vote_durable = op->vote.term;
    if (!store_vote_found(current->store, op->log_id, &found))
        model_broken("log %" PRIu64 ": a durable vote is not found", log->model.id);
    model_vote_found(&log->model, &found);
}

static void vote(struct run *run, struct sim_log *log)
{
    for (unsigned i = 0; i < VOTES_MAX; i++) {
        if (log->voting[i] || !chance(run, 1, 2))
            continue;
        log->voting[i] = true;
        log->voided[i] = false;
        log->votes[i] = (struct store_vote_op){
            .log_id = log->model.id, .vote = model_vote(++log->model.vote_begun), .done = voted};
        store_vote(run->store, &log->votes[i]);
    }
}

static void check_vote(struct run *run, struct sim_log *log)
{
    struct store_vote found;

    model_vote_found(&log->model,
                     store_vote_found(run->store, log->model.id, &found) ? &found : NULL);
}

static void block_done(struct log_block_op *op, enum err err)
{
    struct sim_log *log = owner_of(op, struct sim_log, block);

    heap_give(log->body);
    log->body = NULL;
    if (current->trace)
        printf("        log %" PRIu64 ": block of %" PRIu64 ": %s\n", log->model.id, op->index,
               err_text(err));
    if (err != OK)
        return;
    current->blocks++;
    model_block_durable(&log->model, op->index);
}

/* A state block at some committed index. */
static void write_block(struct run *run, struct sim_log *log)
{
    struct model_log *model = &log->model;
    uint64_t newest = log_block_newest(log->log), index;
    size_t size = below(run, 9000);

    if (log->body != NULL || model->committed > model->kept_count || model->committed <= newest)
        return;
    index = newest + 1 + below(run, model->committed - newest);
    if (model->skipped > newest) /* only that one tells where the rest went */
        index = model->skipped;
    if (model->kept[index - 1] == MODEL_NONE && index != model->skipped)
        return;
    log->body = heap_take(size + 8);
    fill(run, log->body, size + 8);
    log->block = (struct log_block_op){
        .index = index,
        .term = 1,
        .hash = index == model->skipped ? model->skipped_hash
                                        : model->batches[model->kept[index - 1]].content,
        .body = bytes_of(log->body, size + 8),
        .done = block_done,
    };
    if (log->behind_index[index % BEHINDS] == index && chance(run, 7, 8))
        log->block.behind = log->behind[index % BEHINDS];
    model_block_begun(model, index, log->block.body);
    log_block_write(log->log, &log->block);
}

static void skip_done(struct log_skip_op *op, enum err err)
{
    struct sim_log *log = owner_of(op, struct sim_log, skip);

    log->skipping = false;
    if (current->trace)
        printf("        log %" PRIu64 ": skip to %" PRIu64 ": %s\n", log->model.id, op->index,
               err_text(err));
    if (err != OK)
        return;
    current->skips++;
    model_skipped(&log->model, op->index, op->hash);
    model_committed(&log->model, op->index);
    log_set_committed(log->log, op->index);
    if (log_durable(log->log) != op->index || log_appended(log->log) != op->index)
        model_broken("log %" PRIu64 ": skipped to %" PRIu64 ", it is at %" PRIu64, log->model.id,
                     op->index, log_durable(log->log));
}

/* Everything from the first lost one on is taken anew. */
static void repair(struct sim_log *log)
{
    uint64_t index = log->lost_first - 1;

    log->lost_first = 0;
    if (log->body != NULL || index < log_block_newest(log->log) || index > log_appended(log->log))
        return;
    log_cut(log->log, index);
    model_cut(&log->model, index);
    log->place = 0;
}

/* Too far behind: the leader sends a block. */
static void skip(struct run *run, struct sim_log *log)
{
    struct model_log *model = &log->model;

    if (log->body != NULL || log->records > 0 || model_last(model) < model->committed)
        return;
    if (model_last(model) > model->committed) {
        uint64_t last = model_last(model);
        uint64_t index = model->committed < last ? model->committed : last;

        log_cut(log->log, index);
        model_cut(model, index);
        if (index < log->lost_first)
            log->lost_first = 0;
        log->place = 0;
    }
    if (!log_ready(log->log))
        return;
    log->skip = (struct log_skip_op){
        .index = log_appended(log->log) + 1 + below(run, 30), .term = 1, .done = skip_done};
    draw_incarnation(run, log->skip.hash.at);
    log->skipping = true;
    model_skip_begun(model, log->skip.index);
    log_skip(log->log, &log->skip);
}

/* Some files that may be removed are. */
static void drop_files(struct run *run, struct sim_log *log)
{
    struct log_file_info info;

    log_floor_set(log->log, log_block_newest(log->log));
    if (run->seed % 3 == 0)
        log_pack(log->log);
    for (uint32_t ordinal = 0; log_file_next(log->log, ordinal, &info);
         ordinal = info.ordinal + 1) {
        if (!info.droppable || !chance(run, 1, 3))
            continue;
        if (log_file_drop(log->log, info.ordinal) != OK)
            continue;
        if (run->trace)
            printf("        log %" PRIu64 ": %" PRIu64 " to %" PRIu64 " are removed\n",
                   log->model.id, info.first, info.last);
        if (info.first != 0)
            model_dropped(&log->model, info.first, info.last);
        log->place = 0;
        run->drops++;
    }
}

static void follow(struct run *run, struct sim_log *log)
{
    if (run->blocks_often && chance(run, 1, 30))
        write_block(run, log);
    if (run->blocks_often && chance(run, 1, 100))
        drop_files(run, log);
    if (log->skipping)
        return;
    if (log->lost_first != 0 && chance(run, 1, 10))
        repair(log);
    if (run->blocks_often && chance(run, 1, 300)) {
        skip(run, log);
        return;
    }
    if (chance(run, 1, 500))
        log_roll(log->log);
    if (chance(run, 1, 3))
        for (uint64_t i = below(run, 10); i > 0 && append(run, log); i--)
            continue;
    if (chance(run, 1, 30))
        cut(run, log);
    if (chance(run, 1, 5))
        commit(run, log);
    if (run->elects && chance(run, 1, 5))
        vote(run, log);
}

static void flush(void *context)
{
    struct run *run = context;

    if (run->store == NULL)
        return;
    for (unsigned i = 0; i < run->log_count; i++) {
        struct sim_log *log = &run->logs[i];

        if (log->state == OPEN && log->records > 0 && log_append_room(log->log) > 0 &&
            chance(run, 3, log_ready(log->log) || log_ready_ahead(log->log) ? 4 : 40))
            seal(run, log);
        if (log->state == OPEN && run->follows)
            follow(run, log);
    }
    store_flush(run->store);
}

/* ---- starting ------------------------------------------------------------------------------- */

/* Only now what it was found with is a promise. */
static void opened(struct run *run, struct sim_log *log)
{
    model_recovery_end(&log->model, log_durable(log->log), log_committed(log->log));
    if (log->bootstraps && log_durable(log->log) == 0 && run->flips == 0)
        model_broken("log %" PRIu64 ": there without its first batch", log->model.id);
    if (run->trace)
        printf("        log %" PRIu64 " is open up to %" PRIu64 "\n", log->model.id,
               log_durable(log->log));
    log->state = OPEN;
    log->place = 0;
    memset(log->behind_index, 0, sizeof log->behind_index); /* those of other lives: other files */
    log->records = 0;
}

static enum err open_log(struct run *run, struct sim_log *log)
{
    static const struct log_events events = {durable, failed};
    struct log_recovery recovery = {recovered,       lost, log,
                                    recovered_block, gone, .cut_short = cut_short};
    enum err err;

    if (chance(run, 2, 3))
        recovery.unread = unread;
    log->lost_first = 0;
    model_recovery_begin(&log->model);
    err = log_open(run->store, log->model.id, &recovery, &events, log, &log->log);
    if (err == OK && !run->together)
        opened(run, log);
    return err;
}

static void begin_model(struct run *run, struct sim_log *log, uint64_t id)
{
    model_init(&log->model, id);
    log->bootstraps = chance(run, 1, 2);
    log->model.cut_in_sectors = run->short_counts;
    log->model.journal_damaged = run->journal_rots;
}

static void forget_log(struct run *run, struct sim_log *log)
{
    uint64_t id = log->model.id, vote_begun = log->model.vote_begun;

    let_go(log);
    model_deinit(&log->model);
    /* A vote on its way stays where it is; old ones may be found. */
    for (unsigned i = 0; i < VOTES_MAX; i++)
        log->voided[i] = true;
    log->state = ABSENT;
    log->maybe_gone = false;
    log->place = 0;
    log->records = 0;
    begin_model(run, log, id);
    log->model.vote_begun = vote_begun;
    run->removals++;
}

static enum err make_log(struct run *run, struct sim_log *log)
{
    uint8_t incarnation[16];
    struct bytes content = {};
    struct buf batch = {};
    enum err err;

    draw_incarnation(run, incarnation);
    model_recovery_begin(&log->model); /* what earlier attempts sealed may be there or not */
    if (log->bootstraps && make_content(run, log, incarnation, &batch)) {
        content = bytes_skip(buf_bytes(&batch), BATCH_ENVELOPE);
        model_sealed(&log->model, 1, content);
    }
    err = log_prepare(run->store, log->model.id, incarnation, content);
    buf_deinit(&batch);
    if (err == OK && log->bootstraps)
        model_made(&log->model);
    if (err == OK)
        log->state = CLOSED;
    if (log->bootstraps && (err == OK || err == ERR_EXISTS))
        log->model.committed = 1;
    if (err == ERR_EXISTS) /* a crash came between its making and the answer */
        log->state = CLOSED;
    return err == ERR_EXISTS ? OK : err;
}

struct presence {
    uint64_t id;
    bool there;
};

static void look_for(void *context, uint64_t log_id)
{
    struct presence *presence = context;

    if (log_id == presence->id)
        presence->there = true;
}

/* After a crash amid its removal a log is there whole or gone. */
static enum err settle_removal(struct run *run, struct sim_log *log)
{
    struct presence presence = {.id = log->model.id};
    enum err err = store_list(run->store, look_for, &presence);

    if (err != OK)
        return err;
    if (!presence.there)
        forget_log(run, log);
    log->maybe_gone = false;
    return OK;
}

/* As if it could not have been opened. */
static void unsettled(void *context, uint64_t log_id, enum err err)
{
    struct run *run = context;

    (void)log_id;
    run->unsettled = err;
}

/* Those that were opened together. */
static enum err settle_logs(struct run *run)
{
    run->together = false;
    run->unsettled = OK;
    store_settle(run->store, unsettled, run);
    for (unsigned i = 0; run->unsettled == OK && i < run->log_count; i++)
        if (run->logs[i].state == CLOSED && run->logs[i].log != NULL)
            opened(run, &run->logs[i]);
    return run->unsettled;
}

static enum err start_logs(struct run *run)
{
    enum err err = OK;

    run->together = chance(run, 2, 3);
    if (run->together)
        store_settle_later(run->store);
    for (unsigned i = 0; err == OK && i < run->log_count; i++) {
        struct sim_log *log = &run->logs[i];

        if (log->maybe_gone)
            err = settle_removal(run, log);
        if (err == OK && log->state == ABSENT)
            err = make_log(run, log);
        if (err == OK && (log->state != CLOSED || chance(run, 9, 10)))
            err = open_log(run, log);
    }
    if (run->together && err == OK)
        err = settle_logs(run);
    run->together = false;
    return err;
}

static enum err start_store(struct run *run)
{
    struct store_error error;
    enum err err = store_open(run->io, DIR, &run->options, &run->store, &error);

    if (err != OK) {
        run->store = NULL;
        snprintf(run->report, sizeof run->report, "%.200s", error.text);
        return err;
    }
    io_set_flush(run->io, flush, run);
    for (unsigned i = 0; i < run->log_count; i++)
        if (run->logs[i].state != ABSENT && !run->logs[i].maybe_gone)
            check_vote(run, &run->logs[i]);
    return start_logs(run);
}

/* ---- stopping ------------------------------------------------------------------------------- */

/* The process is gone; what it had in memory goes too. */
static void bury(struct run *run)
{
    if (run->store != NULL)
        store_forget(run->store);
    run->store = NULL;
    for (unsigned i = 0; i < run->log_count; i++) {
        struct sim_log *log = &run->logs[i];

        if (log->state == REMOVING)
            log->maybe_gone = true;
        if (log->state != ABSENT)
            log->state = CLOSED;
        log->warm_index = 0;
        memset(log->voting, 0, sizeof log->voting);
        heap_give(log->body);
        log->body = NULL;
        log->skipping = false;
        log->log = NULL;
    }
    run->crashes++;
}

static void crash(struct run *run)
{
    if (!sim_crashed(run->sim, run->node))
        sim_crash(run->sim, run->node, draw_mode(run));
    bury(run);
    if (chance(run, 1, 3))
        sim_cut_power(run->sim, run->node);
}

static void restart(struct run *run)
{
    run->io = sim_restart(run->sim, run->node);
    sim_set_faults(run->sim, run->node, &run->faults);
}

static void heal(struct run *run)
{
    run->faults = sim_faults_none();
    sim_set_capacity(run->sim, run->node, DISK);
}

/* Steps until nothing is in flight; false: it crashed. */
static bool settle(struct run *run)
{
    for (unsigned step = 0; step < 1000000; step++) {
        if (sim_crashed(run->sim, run->node))
            return false;
        if (store_idle(run->store))
            return true;
        io_wake(run->io);
        sim_step(run->sim);
    }
    model_broken("the store does not become idle");
}

static void close_log(struct sim_log *log)
{
    log_gather_drop(log->log);
    log_close(log->log);
    log->skipping = false;
    log->log = NULL;
    log->state = CLOSING;
    log->records = 0;
}

static bool stop(struct run *run)
{
    for (unsigned i = 0; i < run->log_count; i++)
        if (run->logs[i].state == OPEN)
            close_log(&run->logs[i]);
    if (!settle(run))
        return false;
    store_close(run->store);
    run->store = NULL;
    io_destroy(run->io);
    for (unsigned i = 0; i < run->log_count; i++)
        if (run->logs[i].state == CLOSING)
            run->logs[i].state = CLOSED;
    return true;
}

/* Starts whatever it takes: without faults and with room a start must succeed. */
static void start(struct run *run)
{
    for (unsigned attempt = 0;; attempt++) {
        enum err err;

        if (attempt >= ATTEMPTS_MAX) {
            heal(run);
            sim_heal(run->sim, run->node);
            sim_set_faults(run->sim, run->node, &run->faults);
        }
        sim_crash_after(run->sim, run->node, draw_mode(run),
                        attempt < ATTEMPTS_MAX && chance(run, 1, 2) ? 1 + below(run, 60) : 0);
        run->starts++;
        err = start_store(run);
        if (err == OK && !sim_crashed(run->sim, run->node)) {
            sim_crash_after(run->sim, run->node, SIM_CRASH_KILL, 0);
            return;
        }
        if (attempt >= ATTEMPTS_MAX)
            model_broken("a start without faults is refused: %s (%s)", err_text(err), run->report);
        run->refused_starts++;
        crash(run);
        restart(run);
    }
}

/* ---- rot ------------------------------------------------------------------------------------ */

struct files {
    char paths[FILES_MAX][96];
    unsigned count;
    const char *dir;
};

static void list_file(void *context, const char *name, bool directory)
{
    struct files *files = context;

    if (!directory && files->count < FILES_MAX)
        snprintf(files->paths[files->count++], sizeof files->paths[0], "%s/%s", files->dir, name);
}

/* Whether the bytes of the batch around `offset`, in its 4096-byte block or in its envelope, hold a
 * sector of zeros: then damage there cannot be told from a torn write. */
static bool looks_unwritten(struct bytes file, const struct batch_envelope *e, uint64_t offset)
{
    uint64_t begin = e->position, end = e->position + BATCH_ENVELOPE;

    if (offset >= end) {
        uint64_t content_end = end + e->content_size;

        begin = offset / 4096 * 4096 > end ? offset / 4096 * 4096 : end;
        end = (offset / 4096 + 1) * 4096 < content_end ? (offset / 4096 + 1) * 4096 : content_end;
    }
    for (uint64_t at = begin; at < end;) {
        uint64_t part_end = (at / 512 + 1) * 512 < end ? (at / 512 + 1) * 512 : end;
        bool zeros = true;

        for (; at < part_end; at++)
            zeros = zeros && file.at[at] == 0;
        if (zeros)
            return true;
    }
    return false;
}

/* A place in the file's last batch: nothing behind it says that it was durable. */
static uint64_t offset_in_last(struct run *run, struct bytes file, uint64_t file_id,
                               uint64_t otherwise)
{
    struct batch_envelope e;
    uint64_t position = SEGMENT_HEADER, offset = otherwise;

    while (position < file.size &&
           batch_envelope_read(bytes_skip(file, position), file_id, position, &e) == OK) {
        offset = position + below(run, BATCH_ENVELOPE + e.content_size);
        position += e.size;
    }
    return offset < file.size ? offset : otherwise;
}

/* Flips a bit of a batch of `log` that is durable on the platter. */
static void rot_batch(struct run *run, struct sim_log *log, const char *path, uint64_t file_id)
{
    struct bytes file;
    struct batch_envelope e;
    uint64_t offset, position;

    if (!sim_durable(run->sim, run->node, path, &file) || file.size <= SEGMENT_HEADER)
        return;
    offset = SEGMENT_HEADER + below(run, file.size - SEGMENT_HEADER);
    if (chance(run, 1, 2))
        offset = offset_in_last(run, file, file_id, offset);
    for (position = SEGMENT_HEADER; position <= offset; position += 8) {
        struct model_batch *batch;
        struct bytes rest = bytes_skip(file, position);

        if (batch_envelope_read(rest, file_id, position, &e) != OK || e.size > rest.size)
            continue;
        if (offset < position + e.size) {
            batch = model_find(&log->model,
                               bytes_of(rest.at + BATCH_HEAD, e.content_size - BATCH_CONTENT_HEAD));
            if (batch == NULL)
                return;
            batch->may_look_torn = looks_unwritten(file, &e, offset) ||
                                   offset >= position + BATCH_ENVELOPE + e.content_size;
            if (sim_flip(run->sim, run->node, path, offset, (unsigned)below(run, 8))) {
                batch->may_look_torn = batch->may_look_torn || batch->damaged;
                batch->damaged = true;
                run->flips++;
                if (run->trace)
                    printf("        flipped a bit of batch %" PRIu64 " in %s\n", batch->index,
                           path);
            }
            return;
        }
        position += e.size - 8;
    }
}

/* Flips a bit of the journal: what only it holds may be lost, and nothing else may happen. */
static void rot_journal(struct run *run)
{
    struct files *files = heap_take(sizeof *files);
    struct bytes file;
    const char *path;

    files->dir = DIR "/journal";
    (void)io_list(run->io, files->dir, list_file, files);
    if (files->count > 0) {
        path = files->paths[below(run, files->count)];
        if (sim_durable(run->sim, run->node, path, &file) && file.size > 0)
            (void)sim_flip(run->sim, run->node, path, below(run, file.size),
                           (unsigned)below(run, 8));
    }
    heap_give(files);
}

/* Flips a bit of the newest block; the one before it must do. */
static void rot_block(struct run *run, struct sim_log *log)
{
    uint64_t newest = 0;
    struct bytes file;
    char path[96];

    for (unsigned i = 0; i < log->model.block_count; i++)
        if (log->model.blocks[i].durable && log->model.blocks[i].index > newest)
            newest = log->model.blocks[i].index;
    snprintf(path, sizeof path, DIR "/logs/%016" PRIx64 "/%016" PRIx64 ".blk", log->model.id,
             newest);
    if (log->body != NULL || !sim_durable(run->sim, run->node, path, &file) || file.size == 0)
        return;
    if (model_block_damaged(&log->model, newest))
        (void)sim_flip(run->sim, run->node, path, below(run, file.size), (unsigned)below(run, 8));
}

static void rot(struct run *run)
{
    struct sim_log *log = &run->logs[below(run, run->log_count)];
    struct files *files = heap_take(sizeof *files);
    char dir[64];
    const char *path;

    if (run->journal_rots)
        rot_journal(run);
    if (log->state == ABSENT || log->maybe_gone) {
        heap_give(files);
        return;
    }
    if (chance(run, 1, 4))
        rot_block(run, log);
    snprintf(dir, sizeof dir, DIR "/logs/%016" PRIx64, log->model.id);
    files->dir = dir;
    (void)io_list(run->io, dir, list_file, files);
    if (files->count > 0) {
        path = files->paths[chance(run, 1, 2) ? files->count - 1 : below(run, files->count)];
        rot_batch(run, log, path, strtoull(path + strlen(dir) + 1, NULL, 16));
    }
    heap_give(files);
}

/* ---- living --------------------------------------------------------------------------------- */

static void removed(void *context, enum err err)
{
    struct sim_log *log = context;

    if (err == OK)
        forget_log(current, log);
    else
        log->maybe_gone = true; /* and stays away until the next start */
}

static void read_back(struct run *run, struct sim_log *log)
{
    static uint8_t bytes[READ_MAX];
    int64_t count;

    if (log->place == 0 || log->place_size > sizeof bytes)
        return;
    count = log_read_now(log->log, log->place, bytes, log->place_size);
    if (count != log->place_size ||
        bytes_hash(bytes_of(bytes, log->place_size), 1) == log->place_hash)
        return;
    /* The cache lost it with a failed sync, or it rotted: then no record may look sound. */
    for (struct bytes rest = bytes_of(bytes, log->place_size); rest.size > 0;) {
        struct record record;

        if (record_read(rest, &record) != OK)
            break;
        rest = bytes_skip(rest, record.size);
        if (rest.size == 0)
            model_broken("log %" PRIu64 ": sound records that were never written", log->model.id);
    }
    if (run->faults.sync_error == 0 && run->flips == 0)
        model_broken("log %" PRIu64 ": a durable batch reads back otherwise", log->model.id);
}

/* A batch that is read by its index is the one that is durable there, or damaged. */
static enum err read_index(struct run *run, struct sim_log *log, uint64_t index)
{
    const struct model_log *model = &log->model;
    size_t batch = model->kept[index - 1];
    struct log_hash hash;
    struct buf out;
    enum err err;

    buf_init(&out, LOG_CONTENT_MAX);
    err = log_batch_read_now(log->log, index, &out);
    hash = hash_128(buf_bytes(&out));
    buf_deinit(&out);
    run->reads += err == OK;
    if (err == OK && (batch == MODEL_NONE || !hash_equal(&hash, &model->batches[batch].content)))
        model_broken("log %" PRIu64 ": %" PRIu64 " reads as another batch", model->id, index);
    if (err == ERR_NOT_FOUND && index <= model->unread_last)
        return err;
    if (err == ERR_NOT_FOUND && batch != MODEL_NONE && model->batches[batch].dropped)
        return err;
    if (err == OK || err == ERR_AGAIN || batch == MODEL_NONE || sim_crashed(run->sim, run->node))
        return err;
    if (err == ERR_CORRUPT && (run->flips > 0 || run->faults.sync_error > 0))
        return err; /* rotted, or the cache lost it with a failed sync */
    if (err != ERR_IO || run->faults.read_error == 0)
        model_broken("log %" PRIu64 ": %" PRIu64 " cannot be read: %s", model->id, index,
                     err_text(err));
    return err;
}

static void warm_done(struct io_op *op, int64_t result)
{
    struct sim_log *log = owner_of(op, struct sim_log, warm);
    uint64_t index = log->warm_index;

    log->warm_index = 0;
    if (log->state != OPEN || index > log->model.kept_count || result < 0)
        return;
    if (read_index(current, log, index) == ERR_AGAIN && !sim_crashed(current->sim, current->node))
        model_broken("log %" PRIu64 ": %" PRIu64 " was read and is not in memory", log->model.id,
                     index);
}

static void read_some(struct run *run, struct sim_log *log)
{
    uint64_t index;

    if (log->model.kept_count == 0 || log->warm_index != 0)
        return;
    index = 1 + below(run, log->model.kept_count);
    for (unsigned i = 0; i < 10 && index <= log->model.kept_count; i++, index++) {
        if (read_index(run, log, index) != ERR_AGAIN)
            continue;
        log->warm_index = index;
        log->warm = (struct io_op){.done = warm_done};
        log_batch_warm(log->log, &log->warm, index);
        return;
    }
}

static void act_on_closed(struct run *run, struct sim_log *log)
{
    enum err err = OK;

    if (log->maybe_gone)
        return;
    switch (log->state) {
    case ABSENT: err = make_log(run, log); break;
    case CLOSED:
        if (chance(run, 1, 4)) {
            log->state = REMOVING;
            store_remove(run->store, log->model.id, removed, log);
            return;
        }
        err = open_log(run, log);
        break;
    case CLOSING:
        err = open_log(run, log);
        if (err == ERR_BUSY)
            return; /* not done yet */
        break;
    case OPEN:
    case REMOVING: return;
    }
    if (err != OK && !sim_crashed(run->sim, run->node) && run->faults.write_error == 0 &&
        run->faults.sync_error == 0 && run->faults.read_error == 0 && err != ERR_NO_SPACE)
        model_broken("log %" PRIu64 ": a disk without faults refuses: %s", log->model.id,
                     err_text(err));
    if (err != OK && log->state == CLOSING)
        log->state = CLOSED;
}

static void act(struct run *run)
{
    struct sim_log *log = &run->logs[below(run, run->log_count)];

    if (log->state != OPEN) {
        if (chance(run, 1, 10))
            act_on_closed(run, log);
        return;
    }
    switch (below(run, 40)) {
    case 0:
        if (chance(run, 1, 10))
            close_log(log);
        break;
    case 1: read_back(run, log); break;
    case 3: read_some(run, log); break;
    case 2:
        if (chance(run, 1, 10))
            rot(run);
        break;
    default:
        if (run->small > 0 || chance(run, 1, 3))
            gather(run, log);
        break;
    }
}

static void toggle_space(struct run *run)
{
    uint64_t available, total;

    if (chance(run, 1, 2)) {
        sim_set_capacity(run->sim, run->node, DISK);
        return;
    }
    if (io_space(run->io, &available, &total) == OK)
        sim_set_capacity(run->sim, run->node, total - available + below(run, 300000));
}

static void live(struct run *run, bool small_disk)
{
    uint64_t steps = below(run, 4) == 0 ? below(run, 60) : below(run, 3000);
    uint64_t doom = chance(run, 3, 4) ? below(run, steps + 1) : UINT64_MAX;

    for (uint64_t step = 0; step < steps && !sim_crashed(run->sim, run->node); step++) {
        if (step == doom)
            sim_crash_after(run->sim, run->node, draw_mode(run), 1 + below(run, 20));
        if (small_disk && chance(run, 1, 100))
            toggle_space(run);
        act(run);
        if (chance(run, 1, 4))
            io_wake(run->io);
        if (!sim_crashed(run->sim, run->node))
            sim_step(run->sim);
    }
}

/* ---- runs ----------------------------------------------------------------------------------- */

static void trace_line(void *context, const char *text)
{
    (void)context;
    puts(text);
}

static void draw_options(struct run *run)
{
    static const uint32_t segments[] = {32 << 10, 32 << 10, 64 << 10, 64 << 10, 256 << 10, 1 << 20};
    static const uint32_t journals[] = {32 << 10, 64 << 10, 256 << 10};
    static const uint32_t batches[] = {1, 1 << 10, 8 << 10, 32 << 10};
    static const uint32_t aheads[] = {1, 1, 4 << 10, 0};

    run->options = (struct store_options){
        .segment_size = segments[below(run, 6)],
        .journal_file_size = journals[below(run, 3)],
        .journal_batch_max = batches[below(run, 4)],
        .ahead_min = aheads[run->seed / 4 % 4],
        .reserve = run->seed % 2 == 0 ? UINT64_MAX : 0,
        .flaws = run->flaws,
        .report = report,
        .report_context = run,
    };
    run->log_count = 1 + (unsigned)below(run, LOGS_MAX);
    run->rolls = chance(run, 1, 3);
    run->follows = chance(run, 1, 2);
    if (run->rolls && chance(run, 1, 2)) { /* every second batch needs a new file */
        run->log_count = 1;
        run->options.segment_size = segments[0];
    }
    run->buffered = chance(run, 1, 3);
    run->blocks_often = chance(run, 1, 2);
    run->short_counts = chance(run, 1, 4);
    run->journal_rots = chance(run, 1, 16);
    for (unsigned i = 0; i < run->log_count; i++) {
        begin_model(run, &run->logs[i], i + 1);
    }
}

/* One life between two starts; how it ends is drawn. */
static void run_life(struct run *run)
{
    bool faulty = chance(run, 1, 2), small_disk = chance(run, 1, 4);

    run->faults = faulty ? sim_faults_draw(&run->prng) : sim_faults_none();
    if (chance(run, 1, run->rolls ? 3 : 12))
        run->faults.sync_error =
            run->rolls ? 50000 : 150000; /* often enough that a new file cannot be made */
    if (!run->short_counts)
        run->faults.short_count = 0;
    run->elects = chance(run, 1, 2);
    run->faults.direct_refused = run->faults.direct_refused || run->buffered;
    sim_set_capacity(run->sim, run->node, DISK);
    sim_heal(run->sim, run->node);
    sim_set_faults(run->sim, run->node, &run->faults);
    start(run);
    live(run, small_disk);
    if (!sim_crashed(run->sim, run->node) && chance(run, 1, 4))
        rot(run);
    if (sim_crashed(run->sim, run->node) || chance(run, 1, 2) || !stop(run))
        crash(run);
    restart(run);
}

static uint64_t run_seed(struct run *run, uint64_t seed, uint64_t flaws, bool trace)
{
    uint64_t hash;
    unsigned lives;

    *run = (struct run){.seed = seed, .flaws = flaws, .trace = trace};
    current = run;
    prng_seed(&run->prng, seed);
    run->sim = sim_create(seed);
    if (trace)
        sim_trace_to(run->sim, trace_line, NULL);
    run->node = sim_node_add(run->sim);
    run->io = sim_node_io(run->sim, run->node);
    draw_options(run);

    lives = 2 + (unsigned)below(run, LIVES_MAX);
    for (unsigned life = 0; life < lives; life++)
        run_life(run);

    heal(run);
    sim_heal(run->sim, run->node);
    start(run);
    if (!stop(run))
        model_broken("it crashed by itself");

    hash = sim_trace_hash(run->sim);
    sim_destroy(run->sim);
    for (unsigned i = 0; i < run->log_count; i++) {
        let_go(&run->logs[i]);
        model_deinit(&run->logs[i].model);
    }
    return hash;
}

/* ---- the program ---------------------------------------------------------------------------- */

struct arguments {
    uint64_t seed;
    uint64_t flaws;
    unsigned seconds;
    bool once;
    bool all_flaws;
    bool trace;
};

static const struct {
    const char *name;
    uint64_t bit;
    const char *text;
} flaws[] = {
#define FLAW_ROW(name, text) {#name, FLAW_##name, text},
    FLAW_TABLE(FLAW_ROW)
#undef FLAW_ROW
};

static void print_run(const struct run *run, uint64_t hash)
{
    printf("seed %" PRIu64 ": %u sealed, %u durable, %u failed, %u cuts, %u read, %u votes, %u "
           "blocks, %u drops, %u skips, %u "
           "recovered, %u lost by %u flips, "
           "%u starts, %u refused, %u crashes, %u removals, trace %016" PRIx64 "\n",
           run->seed, run->sealed, run->durable, run->failed, run->cuts, run->reads, run->votes,
           run->blocks, run->drops, run->skips, run->recovered, run->lost, run->flips, run->starts,
           run->refused_starts, run->crashes, run->removals, hash);
}

/* Runs until the time is over; a broken promise ends the process. */
static uint64_t run_seconds(const struct arguments *a)
{
    static struct run run;
    double end = hunt_clock() + a->seconds;
    uint64_t seed = a->seed;

    do {
        uint64_t hash = run_seed(&run, seed, a->flaws, a->trace);

        if (a->once)
            print_run(&run, hash);
        if (seed % 50 == 0 && run_seed(&run, seed, a->flaws, false) != hash)
            model_broken("the same seed ran otherwise the second time");
        seed++;
    } while (!a->once && hunt_clock() < end);
    return seed - a->seed;
}

struct hunted {
    struct run *run;
    uint64_t flaws;
};

static bool hunt_run(void *context, uint64_t seed, bool flawed)
{
    struct hunted *hunted = context;

    (void)run_seed(hunted->run, seed, flawed ? hunted->flaws : 0, false);
    return true; /* a broken promise ends the process */
}

static int run_flaws(const struct arguments *a, const char *only)
{
    static struct run run;
    unsigned found = 0, missed = 0;

    for (unsigned i = 0; i < FLAW_COUNT; i++) {
        struct hunted hunted = {&run, flaws[i].bit};
        struct hunt one = {"sim_log", flaws[i].name, flaws[i].text, a->seconds, hunt_run, &hunted};

        if (only != NULL && strcmp(flaws[i].name, only) != 0)
            continue;
        if (hunt(&one))
            found++;
        else
            missed++;
    }
    printf("%u passed, %u failed\n", found, missed);
    return missed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static void usage(void)
{
    fprintf(stderr, "usage: sim_log [--seed S] [--seconds N] [--flaw NAME | --flaws] [--trace]\n");
    for (unsigned i = 0; i < FLAW_COUNT; i++)
        fprintf(stderr, "    %-24s %s\n", flaws[i].name, flaws[i].text);
    exit(2);
}

static bool known_flaw(const char *name)
{
    for (unsigned i = 0; i < FLAW_COUNT; i++)
        if (strcmp(flaws[i].name, name) == 0)
            return true;
    return false;
}

int main(int count, char **words)
{
    struct arguments a = {.seed = 1};
    const char *flaw = NULL;
    uint64_t runs;

    for (int i = 1; i < count; i++) {
        const char *value = i + 1 < count ? words[i + 1] : NULL;

        if (strcmp(words[i], "--flaws") == 0)
            a.all_flaws = true;
        else if (strcmp(words[i], "--trace") == 0)
            a.trace = true;
        else if (value == NULL)
            usage();
        else if (strcmp(words[i], "--seed") == 0)
            a.seed = strtoull(words[++i], NULL, 10);
        else if (strcmp(words[i], "--seconds") == 0)
            a.seconds = (unsigned)strtoul(words[++i], NULL, 10);
        else if (strcmp(words[i], "--flaw") == 0 && known_flaw(value))
            flaw = words[++i];
        else
            usage();
    }
    signal(SIGABRT, aborted);
    signal(SIGSEGV, aborted);
    a.once = a.seconds == 0;
    if (a.all_flaws || flaw != NULL) {
        a.once = false;
        if (a.seconds == 0)
            a.seconds = 60;
        return run_flaws(&a, flaw);
    }
    runs = run_seconds(&a);
    printf("sim_log: seeds %" PRIu64 " to %" PRIu64 "\n%" PRIu64 " passed, 0 failed\n", a.seed,
           a.seed + runs - 1, runs);
    return EXIT_SUCCESS;
}
