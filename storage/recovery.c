/*
 * Recovery of one log: its files are walked in the order of their ids. Where a file ends is said by
 * the files after it (the cut in their headers), for the last one by its own bytes
 * (storage/segment.h). Nothing is changed until the walk is over (recovery_end.c).
 */
#include "base/heap.h"
#include "storage/flaws.h"
#include "storage/hash.h"
#include "storage/recovery_priv.h"

#define RECORD_WORK 384u /* putting one into the state costs what reading so many bytes does */

/* ---- walking -------------------------------------------------------------------------------- */

static void count_in(struct part *part, uint64_t first, uint64_t last)
{
    if (part->first == 0)
        part->first = first;
    part->last = last;
}

/* Only what a later mark says counts: writes may have been under way behind others that were. */
static void add_unproven(struct walk *walk, unsigned part, uint64_t position,
                         const struct segment_batch *batch)
{
    if (walk->last_size == 0 || walk->last_part != part)
        walk->unproven_first = walk->unproven_count; /* a file begins when all before is durable */
    while (walk->unproven_first < walk->unproven_count &&
           walk->unproven[walk->unproven_first].index <= batch->durable)
        walk->unproven_first++;
    if (walk->unproven_first == walk->unproven_count) {
        walk->unproven_first = 0;
        walk->unproven_count = 0;
    }
    if (walk->unproven_count == walk->unproven_capacity) {
        walk->unproven_capacity = walk->unproven_capacity > 0 ? 2 * walk->unproven_capacity : 64;
        walk->unproven =
            heap_resize(walk->unproven, walk->unproven_capacity * sizeof walk->unproven[0]);
    }
    walk->unproven[walk->unproven_count++] = (struct unproven){batch->view.index, position};
}

static void hand_out(struct walk *walk, unsigned part, uint64_t position,
                     const struct segment_batch *batch)
{
    struct log *log = walk->log;
    struct log_batch view = batch->view;
    uint64_t place = (uint64_t)part << 32 | position;

    add_unproven(walk, part, position, batch);
    walk->index = view.index + 1;
    walk->previous = view.hash;
    walk->term = view.term;
    walk->last_part = part;
    walk->last_position = position;
    walk->last_size = batch->size;

    if (batch->committed > log->committed)
        log->committed = batch->committed;
    tail_add(&log->tail, (struct tail_entry){.hash = view.hash, .term = view.term});
    tail_forget(&log->tail, log->committed);
    places_add(&log->places, view.index, place);
    count_in(&walk->parts[part], view.index, view.index);

    view.below = view.index <= walk->block.index;
    view.records_place = place + BATCH_HEAD;
    view.committed = log->committed;
    walk->recovery->batch(walk->recovery->context, &view);
}

/* The walk goes on at a later index. */
static void skip(struct walk *walk, uint64_t index_next, struct log_hash previous, uint64_t why)
{
    struct log *log = walk->log;

    places_miss(&log->places, walk->index, why);
    tail_lose(&log->tail, index_next - 1,
              (struct tail_entry){.hash = previous, .term = walk->term});
    walk->index = index_next;
    walk->previous = previous;
}

/* Nothing above the block is in it, and what is below is in the block. */
static bool is_settled(const struct walk *walk, const struct block_file *listed)
{
    if (walk->recovery->unread == NULL || listed == NULL)
        return false;
    return listed->last <= walk->block.index || store_flaw(walk->log->store, FLAW_LEAVE_GOING_ON);
}

/* A file whose batches are not read: its place in the log is known from the block. */
static void pass_over(struct walk *walk, struct part *part, const struct block_file *listed)
{
    struct places *places = &walk->log->places;
    uint64_t last = listed->last < walk->block.index ? listed->last : walk->block.index;

    if (listed->first == 0 || listed->first < walk->index || last < listed->first)
        return; /* no list of ours says so */
    if (listed->first > walk->index)
        places_miss(places, walk->index, PLACES_GONE);
    places_miss(places, listed->first, PLACES_GONE);
    part->first = listed->first;
    part->last = last;
    walk->index = last + 1;
    walk->unread = true;
    if (walk->last_size == 0)
        walk->last_part = (unsigned)(part - walk->parts); /* a block is of what is on the disk */
    walk->recovery->unread(walk->recovery->context, listed->first, last);
}

/* The walk goes on behind files that were not read; `header`: of the next, NULL: there is none. */
static void pass_to_block(struct walk *walk, const struct segment_header *header)
{
    struct tail_entry entry = {.hash = walk->block.hash, .term = walk->block.term};

    if (!walk->unread)
        return;
    if (walk->index != walk->block.index + 1 && header != NULL && header->base == walk->index - 1)
        entry.hash = header->base_hash;
    walk->unread = false;
    walk->previous = entry.hash;
    walk->term = entry.term;
    tail_lose(&walk->log->tail, walk->index - 1, entry);
}

/* The block says where what is above it begins in this file: the rest is below it, and not read. A
 * file that ends before has lost something, which is found by reading it. */
static bool begins_behind(const struct walk *walk, const struct part *part,
                          const struct block_file *listed, const struct limit *limit)
{
    if (walk->recovery->unread == NULL || listed == NULL || listed->last != UINT64_MAX)
        return false;
    if (listed->end < SEGMENT_HEADER || listed->end > part->size)
        return false;
    return listed->first >= walk->index && limit->index >= walk->block.index;
}

/* What is lost below the block is not Raft's: the log is whole up to there. */
static void before_is_block(struct walk *walk)
{
    struct log *log = walk->log;

    log->damaged = true;
    log->before_lost = walk->block.index;
    log->before_lost_entry =
        (struct tail_entry){.hash = walk->block.hash, .term = walk->block.term};
}

/* Damaged ones in `part`, NULL: in none. */
static void lose(struct walk *walk, struct part *part, uint64_t index_next,
                 struct log_hash previous, uint64_t bytes)
{
    struct log *log = walk->log;
    uint64_t first = walk->index;

    if (!log->damaged && index_next > walk->block.index + 1) {
        log->damaged = true;
        log->before_lost = first - 1;
        log->before_lost_entry = (struct tail_entry){.hash = walk->previous, .term = walk->term};
        if (first <= walk->block.index)
            before_is_block(walk);
    }
    if (part != NULL)
        count_in(part, first, index_next - 1);
    skip(walk, index_next, previous, PLACES_LOST);
    walk->recovery->lost(walk->recovery->context, first, index_next - 1, bytes);
}

/* What is before the base of a file, and no file has. */
static void pass_to_base(struct walk *walk, const struct segment_header *header)
{
    uint64_t first = walk->index;

    if (header->base < walk->index)
        return;
    if (header->base > walk->block.index || walk->recovery->gone == NULL) {
        lose(walk, NULL, header->base + 1, header->base_hash, 0);
        return;
    }
    skip(walk, header->base + 1, header->base_hash, PLACES_GONE);
    walk->recovery->gone(walk->recovery->context, first, header->base);
}

/* What is expected at walk->position of a file. */
static struct segment_place place_of(const struct walk *walk, const struct part *part,
                                     uint64_t index_cut)
{
    if (index_cut == UINT64_MAX && store_flaw(walk->log->store, FLAW_RESUME_UNPROVEN))
        index_cut--;
    return (struct segment_place){
        .file_id = part->id,
        .position = walk->position,
        .incarnation = walk->log->incarnation,
        .index = walk->index,
        .previous = walk->previous,
        .index_cut = index_cut,
    };
}

/* ERR_AGAIN: it is being read from the disk. */
static enum err read_batch(struct walk *walk, const struct segment_place *place,
                           struct segment_batch *batch)
{
    struct bytes b;
    uint32_t size;
    enum err err = scan_at(&walk->scan, walk->position, BATCH_HEAD, &b);

    if (err != OK)
        return err;
    err = segment_batch_read(b, place, batch, &size);
    if (err != ERR_AGAIN)
        return err;
    err = scan_at(&walk->scan, walk->position, size, &b);
    if (err != OK)
        return err;
    err = segment_batch_read(b, place, batch, &size);
    return err == ERR_AGAIN ? ERR_CORRUPT : err; /* the file ends within it */
}

/* Judges the place where the walk stands; loads the rest of the file only if it is not zeros. */
static enum err judge_now(struct walk *walk, const struct segment_place *place,
                          struct segment_gap *gap)
{
    struct bytes rest;
    bool zeros;
    enum err err = scan_only_zeros(&walk->scan, walk->position, &zeros);

    *gap = (struct segment_gap){.tail = SEGMENT_ENDS};
    if (err != OK || zeros)
        return err;
    err = scan_at(&walk->scan, walk->position, walk->scan.size - walk->position, &rest);
    if (err == OK)
        *gap = segment_judge(rest, place);
    return err;
}

/* It comes once in a sound log, and a little is read: that is waited for. */
static enum err judge(struct walk *walk, const struct segment_place *place, struct segment_gap *gap)
{
    void (*ready)(void *context) = walk->scan.ready;
    enum err err;

    walk->scan.ready = NULL;
    err = judge_now(walk, place, gap);
    walk->scan.ready = ready;
    return err;
}

/* The end of a file that no later file has cut; true: only of a damaged batch, more may follow. */
static bool end_of_last(struct walk *walk, struct part *part, const struct segment_gap *gap)
{
    struct store *store = walk->log->store;
    uint64_t end = gap->resume > 0 ? gap->resume : part->size;

    if (gap->tail != SEGMENT_DAMAGED) {
        walk->ends_clean = gap->tail == SEGMENT_ENDS && !walk->damaged;
        if (gap->tail == SEGMENT_TORN && store_flaw(store, FLAW_OVERWRITE_TORN_TAIL))
            walk->ends_clean = true;
        return false;
    }
    if (store_flaw(store, FLAW_CUT_DAMAGE))
        return false;
    lose(walk, part, walk->index + 1, gap->hash, end - walk->position);
    walk->damaged = true;
    walk->position = end;
    return gap->resume > 0;
}

/* Where in a file the walk begins; false: nothing is to be read of it. */
static bool enter_part(struct walk *walk, unsigned number)
{
    struct part *part = &walk->parts[number];
    const struct block_file *listed = block_find_file(&walk->block, part->id);
    struct limit limit = parts_limit(walk, number);

    if (part_is_void(walk, part) ||
        (part->header_known && limit.known && limit.index <= part->header.base)) {
        part->cut = part->size > SEGMENT_HEADER; /* all that it had was */
        return false;
    }
    if (is_settled(walk, listed)) {
        pass_over(walk, part, listed);
        part->cut = listed->end == 0 && part->last == listed->last;
        return false;
    }
    scan_begin(&walk->scan, walk->log->store->io, part->file, part->pack, part->size);
    walk->position = SEGMENT_HEADER;
    walk->limit = limit;
    if (begins_behind(walk, part, listed, &limit)) {
        pass_over(walk, part, listed);
        pass_to_block(walk, NULL);
        walk->position = listed->end;
    } else {
        pass_to_block(walk, part->header_known ? &part->header : NULL);
        if (part->header_known)
            pass_to_base(walk, &part->header);
    }
    return true;
}

/* No batch stands where one is expected. True: there is more behind it. */
static enum err pass_gap(struct walk *walk, struct part *part, const struct segment_place *place,
                         bool *more)
{
    struct segment_gap gap;
    enum err err = judge(walk, place, &gap);

    *more = false;
    if (err != OK)
        return err;
    if (gap.tail == SEGMENT_RESUMES) {
        lose(walk, part, gap.resume_index, gap.resume_previous, gap.resume - walk->position);
        walk->position = gap.resume;
        *more = true;
    } else {
        *more = !walk->limit.known && end_of_last(walk, part, &gap);
    }
    return OK;
}

/* A batch that is the last before the cut must be the one the cut names. */
static enum err walk_batches(struct walk *walk, unsigned number)
{
    struct part *part = &walk->parts[number];
    const struct limit *limit = &walk->limit;
    bool more = true;

    while (more && (!limit->known || walk->index <= limit->index)) {
        struct segment_place place = place_of(walk, part, limit->index);
        struct segment_batch batch;
        enum err err;

        if (walk->work == 0)
            return ERR_AGAIN;
        err = read_batch(walk, &place, &batch);
        if (err == OK && limit->hash_known && batch.view.index == limit->index &&
            !hash_equal(&batch.view.hash, &limit->hash))
            break;
        if (err == OK) {
            walk_spend(walk, batch.size + RECORD_WORK * (uint64_t)batch.view.record_count);
            hand_out(walk, number, walk->position, &batch);
            walk->position += batch.size;
            continue;
        }
        if (err == ERR_CORRUPT)
            err = pass_gap(walk, part, &place, &more);
        if (err != OK)
            return err;
    }
    return OK;
}

static void leave_part(struct walk *walk, unsigned number)
{
    struct part *part = &walk->parts[number];
    const struct limit *limit = &walk->limit;

    if (limit->known && walk->index <= limit->index) /* what says so marks them durable */
        lose(walk, part, limit->index + 1, limit->hash, part->size - walk->position);
    else if (limit->known && limit->hash_known && walk->last_size > 0 &&
             walk->last_part == number && walk->last_position + walk->last_size == walk->position)
        part->end = walk->position; /* behind the batch that the cut names */
}

static void end_parts(struct walk *walk)
{
    pass_to_block(walk, NULL);
    if (walk->index <= walk->block.index) {
        lose(walk, NULL, walk->block.index + 1, walk->block.hash, 0);
        walk->ends_clean = false;
    }
    if (!walk->log->damaged && walk->block.index > 0 && walk->index == walk->block.index + 1)
        before_is_block(walk); /* should it be cut there */
    if (parts_end_short(walk)) {
        walk->ends_clean = false;
        walk->log->ends_short = true;
        if (walk->recovery->cut_short != NULL)
            walk->recovery->cut_short(walk->recovery->context);
    }
}

enum err walk_parts(struct walk *walk)
{
    while (walk->part_next < walk->part_count) {
        enum err err = OK;

        if (!walk->inside)
            walk->inside = enter_part(walk, walk->part_next);
        if (walk->inside) {
            err = walk_batches(walk, walk->part_next);
            if (err != OK)
                return err;
            leave_part(walk, walk->part_next);
        }
        walk->inside = false;
        walk->part_next++;
    }
    end_parts(walk);
    return OK;
}
