/*
 * Recovery of one log: its files are walked in the order of their ids. Where a file ends is said by
 * the files after it (the cut in their headers), for the last one by its own bytes
 * (storage/segment.h). Nothing is changed until the walk is over; then the end of the log is
 * written and synced anew, because what was read may have come from memory and not from the disk.
 */
#include "base/heap.h"
#include "storage/block.h"
#include "storage/flaws.h"
#include "storage/hash.h"
#include "storage/pack.h"
#include "storage/store.h"

#define WINDOW_FIRST (256u << 10)
#define BLOCKS_MAX   8u /* that are looked at */

/* A file while it is recovered. */
struct part {
    uint64_t id;
    struct io_file *file; /* NULL once a log_file has taken it */
    struct pack *pack;    /* likewise; NULL: as it was written */
    bool packed;          /* by its name */
    bool twice;           /* both are there: the packed one is whole, the other need not be */
    uint64_t size;
    struct segment_header header;
    bool header_sound; /* as read */
    bool header_known; /* sound, or told by the first batch */
    bool empty;        /* never used */
    uint64_t first;    /* what counts of it; 0: nothing */
    uint64_t last;
    uint64_t end; /* behind the batch at which later files say that it ends; 0: not known */
    bool cut;     /* something stands behind its end, or may, and a block says so */
};

/* Where a file ends: what the files after it say, or the block's list. */
struct limit {
    bool known;
    bool hash_known;
    uint64_t index;
    struct log_hash hash;
};

/* A batch of which no mark says so far that it was durable. */
struct unproven {
    uint64_t index;
    uint64_t position;
};

struct walk {
    struct log *log;
    const struct log_recovery *recovery;
    struct part *parts;
    unsigned part_count;
    struct block block; /* index 0: none */

    /* The file's bytes in memory. */
    uint8_t *window;
    size_t window_capacity;
    uint64_t window_offset;
    size_t window_size;

    /* What comes next. */
    uint64_t index;
    struct log_hash previous;
    uint64_t term;
    bool unread; /* what stands before it was not read: `previous` and `term` are not known */

    /* The last batch that was handed out, and those before it in its file of which no mark says
     * that they were durable. */
    unsigned last_part;
    uint64_t last_position;
    uint32_t last_size;
    struct unproven *unproven; /* by rising index, it is the last of them */
    size_t unproven_first, unproven_count, unproven_capacity;

    uint64_t *spoilt; /* packed files that cannot be read, by their ids */
    unsigned spoilt_count;

    bool damaged;    /* the last file's last batches; it takes no more */
    bool ends_clean; /* the last file can be continued at `position` */
    uint64_t position;
};

/* ---- the files ---------------------------------------------------------------------------------
 */

static void found_segment(void *context, const char *name, bool directory)
{
    struct walk *walk = context;
    uint64_t id;

    bool packed = path_read_pack(name, &id);

    if (directory || (!packed && !path_read_segment(name, &id)))
        return;
    if (walk->part_count > 0 && walk->parts[walk->part_count - 1].id == id) {
        walk->parts[walk->part_count - 1].twice = true; /* the packed one came first */
        return;
    }
    walk->parts = heap_resize(walk->parts, (walk->part_count + 1) * sizeof walk->parts[0]);
    walk->parts[walk->part_count++] = (struct part){.id = id, .packed = packed};
}

static enum err part_read(const struct walk *walk, const struct part *part, uint64_t offset,
                          void *at, size_t size)
{
    struct io *io = walk->log->store->io;
    enum err err;

    if (part->pack == NULL)
        return io_read_all(io, part->file, offset, at, size);
    err = pack_read(io, part->pack, offset, at, size);
    return err == ERR_CORRUPT ? OK : err; /* what stood there is judged as in an original */
}

/* One that cannot be read leaves its file's place empty: what stood there is missing. */
static enum err open_pack(struct walk *walk, struct part *part)
{
    struct store *store = walk->log->store;
    enum err err = pack_open(store->io, store->dir, walk->log->id, part->id, &part->pack);

    if (err == ERR_CORRUPT) {
        store_report(store,
                     "log %016llx: the packed file %016llx is damaged and left out: "
                     "it is moved to quarantine",
                     (unsigned long long)walk->log->id, (unsigned long long)part->id);
        walk->spoilt = heap_resize(walk->spoilt, (walk->spoilt_count + 1) * sizeof walk->spoilt[0]);
        walk->spoilt[walk->spoilt_count++] = part->id;
    }
    if (err != OK)
        return err;
    part->file = part->pack->file;
    part->size = part->pack->head.raw_size;
    if (part->pack->head.kind == PACK_SEGMENT)
        return OK;
    io_close(store->io, part->file);
    part->file = NULL;
    pack_forget(part->pack); /* log_keep.c has it */
    part->pack = NULL;
    return ERR_CORRUPT;
}

static enum err open_raw(struct walk *walk, struct part *part)
{
    struct store *store = walk->log->store;
    enum err err = io_open(store->io, path_segment(store->dir, walk->log->id, part->id).text,
                           IO_READ | IO_WRITE, &part->file);

    if (err != OK)
        return err;
    io_read_ahead(store->io, part->file, false); /* of most only the header is read */
    return io_size(store->io, part->file, &part->size);
}

static enum err read_header(struct walk *walk, struct part *part)
{
    uint8_t at[SEGMENT_HEADER];
    enum err err = part->packed ? open_pack(walk, part) : open_raw(walk, part);

    if (err == ERR_CORRUPT && part->twice) {
        part->packed = false;
        err = open_raw(walk, part);
    }
    if (err == OK)
        err = part_read(walk, part, 0, at, sizeof at);
    if (err != OK)
        return err;

    err = segment_header_read(at, &part->header);
    if (err == ERR_VERSION)
        return err;
    part->header_sound =
        err == OK && part->header.log_id == walk->log->id && part->header.file_id == part->id;
    part->header_known = part->header_sound;
    part->empty = err == ERR_NOT_FOUND; /* so far */
    return OK;
}

static const uint8_t *known_incarnation(const struct walk *walk)
{
    for (unsigned i = 0; i < walk->part_count; i++)
        if (walk->parts[i].header_sound)
            return walk->parts[i].header.incarnation;
    return NULL;
}

static bool all_zeros(struct bytes b)
{
    return b.size == 0 || (b.at[0] == 0 && memcmp(b.at, b.at + 1, b.size - 1) == 0);
}

/* Without a sound header: what the file's first batch says about it. */
static enum err rebuild_header(struct walk *walk, struct part *part)
{
    struct segment_batch batch;
    uint8_t *bytes = heap_take(part->size);
    enum err err = part_read(walk, part, 0, bytes, part->size);

    if (err == OK && part->empty)
        part->empty = all_zeros(bytes_of(bytes, part->size));
    if (err == OK && !part->empty &&
        segment_find_batch(bytes_of(bytes, part->size), part->id, known_incarnation(walk), &batch,
                           part->header.incarnation) == OK) {
        part->header.last_index = batch.view.index - 1;
        part->header.last_hash = batch.previous;
        part->header.base = batch.view.index - 1;
        part->header.base_hash = batch.previous;
        part->header_known = true;
    }
    heap_give(bytes);
    return err;
}

static enum err find_incarnation(struct walk *walk)
{
    for (unsigned i = 0; i < walk->part_count; i++) {
        if (!walk->parts[i].header_known)
            continue;
        memcpy(walk->log->incarnation, walk->parts[i].header.incarnation, 16);
        return OK;
    }
    for (unsigned i = 0; i < walk->part_count; i++)
        if (!walk->parts[i].empty)
            return ERR_CORRUPT;
    return ERR_NOT_FOUND; /* its making was cut short */
}

static enum err open_parts(struct walk *walk)
{
    struct store *store = walk->log->store;
    enum err err =
        io_list(store->io, path_log(store->dir, walk->log->id).text, found_segment, walk);

    unsigned kept = 0;

    for (unsigned i = 0; err == OK && i < walk->part_count; i++) {
        struct part part = walk->parts[i];

        err = read_header(walk, &part);
        if (err == ERR_CORRUPT && part.packed)
            err = OK; /* left out */
        else
            walk->parts[kept++] = part;
    }
    walk->part_count = kept;
    for (unsigned i = 0; err == OK && i < walk->part_count; i++)
        if (!walk->parts[i].header_sound)
            err = rebuild_header(walk, &walk->parts[i]);
    return err != OK ? err : find_incarnation(walk);
}

/* Where the files after `part` say that it ends, and the block, if some of those files are gone. */
static struct limit find_limit(const struct walk *walk, unsigned part)
{
    const struct block_file *listed = block_find_file(&walk->block, walk->parts[part].id);
    struct limit limit = {.index = UINT64_MAX};

    if (store_flaw(walk->log->store, FLAW_IGNORE_CUT))
        return limit;
    for (unsigned i = part + 1; i < walk->part_count; i++) {
        const struct part *later = &walk->parts[i];

        if (!later->header_known || (limit.known && later->header.last_index >= limit.index))
            continue;
        limit = (struct limit){
            .known = true,
            .hash_known = true,
            .index = later->header.last_index,
            .hash = later->header.last_hash,
        };
    }
    if (listed != NULL && listed->last < limit.index &&
        !store_flaw(walk->log->store, FLAW_WALK_WITHOUT_LIST))
        limit = (struct limit){.known = true, .index = listed->last};
    return limit;
}

/* Below the block's index only what its list names counts. */
static bool is_void(const struct walk *walk, const struct part *part)
{
    return part->header_known && part->header.base < walk->block.index &&
           block_find_file(&walk->block, part->id) == NULL &&
           !store_flaw(walk->log->store, FLAW_WALK_WITHOUT_LIST);
}

/* ---- reading -----------------------------------------------------------------------------------
 */

/* What is read from `position` on: to the end of a block, so that nothing of the next one is in
 * memory, which only_zeros could not tell from data. */
static size_t window_size_at(uint64_t position, size_t need)
{
    uint64_t end = position + (need > WINDOW_FIRST ? need : WINDOW_FIRST);

    return (size_t)((end + BATCH_BLOCK - 1) / BATCH_BLOCK * BATCH_BLOCK - position);
}

/* The file's bytes from `position`, at least `need` of them unless the file ends before. */
static enum err window_at(struct walk *walk, const struct part *part, uint64_t position,
                          size_t need, struct bytes *b)
{
    uint64_t rest = part->size > position ? part->size - position : 0;
    enum err err = OK;

    if (need > rest)
        need = rest;
    if (need == 0) {
        *b = bytes_of(NULL, 0);
        return OK;
    }
    if (position < walk->window_offset ||
        position + need > walk->window_offset + walk->window_size) {
        size_t size = window_size_at(position, need);

        if (size > rest)
            size = rest;
        if (size > walk->window_capacity) {
            heap_give(walk->window);
            walk->window = heap_take(size);
            walk->window_capacity = size;
        }
        walk->window_offset = position;
        walk->window_size = 0;
        err = part_read(walk, part, position, walk->window, size);
        if (err == OK)
            walk->window_size = size;
    }
    if (err == OK)
        *b = bytes_of(walk->window + (position - walk->window_offset),
                      walk->window_offset + walk->window_size - position);
    return err;
}

static void window_forget(struct walk *walk)
{
    walk->window_offset = 0;
    walk->window_size = 0;
}

/* Whether the file holds nothing but zeros from `position`, without having it all in memory. Most
 * of a file that has room left was never written, and is not read. */
static enum err only_zeros(struct walk *walk, const struct part *part, uint64_t position,
                           bool *zeros)
{
    enum err err = OK;

    *zeros = true;
    while (err == OK && *zeros && position < part->size) {
        struct bytes b;

        if (part->pack == NULL)
            err = io_find_data(walk->log->store->io, part->file, position, &position);
        if (err == OK)
            err = window_at(walk, part, position, 1, &b);
        if (err != OK)
            break;
        *zeros = all_zeros(b);
        position += b.size;
    }
    return err;
}

/* ---- walking -----------------------------------------------------------------------------------
 */

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

static enum err read_batch(struct walk *walk, const struct part *part,
                           const struct segment_place *place, struct segment_batch *batch)
{
    struct bytes b;
    uint32_t size;
    enum err err = window_at(walk, part, walk->position, BATCH_HEAD, &b);

    if (err != OK)
        return err;
    err = segment_batch_read(b, place, batch, &size);
    if (err != ERR_AGAIN)
        return err;
    err = window_at(walk, part, walk->position, size, &b);
    if (err == OK)
        err = segment_batch_read(b, place, batch, &size);
    return err == ERR_AGAIN ? ERR_CORRUPT : err; /* the file ends within it */
}

/* Judges the place where the walk stands; loads the rest of the file only if it is not zeros. */
static enum err judge(struct walk *walk, const struct part *part, const struct segment_place *place,
                      struct segment_gap *gap)
{
    struct bytes rest;
    bool zeros;
    enum err err = only_zeros(walk, part, walk->position, &zeros);

    *gap = (struct segment_gap){.tail = SEGMENT_ENDS};
    if (err != OK || zeros)
        return err;
    err = window_at(walk, part, walk->position, part->size - walk->position, &rest);
    if (err == OK)
        *gap = segment_judge(rest, place);
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

/* Walks one file to its end. A batch that is the last before the cut must be the one the cut names.
 */
static enum err walk_part(struct walk *walk, unsigned number)
{
    struct part *part = &walk->parts[number];
    struct limit limit = find_limit(walk, number);

    const struct block_file *listed = block_find_file(&walk->block, part->id);

    if (is_void(walk, part) ||
        (part->header_known && limit.known && limit.index <= part->header.base)) {
        part->cut = part->size > SEGMENT_HEADER; /* all that it had was */
        return OK;
    }
    if (is_settled(walk, listed)) {
        pass_over(walk, part, listed);
        part->cut = listed->end == 0 && part->last == listed->last;
        return OK;
    }
    window_forget(walk);
    walk->position = SEGMENT_HEADER;
    if (begins_behind(walk, part, listed, &limit)) {
        pass_over(walk, part, listed);
        pass_to_block(walk, NULL);
        walk->position = listed->end;
    } else {
        pass_to_block(walk, part->header_known ? &part->header : NULL);
        if (part->header_known)
            pass_to_base(walk, &part->header);
    }
    while (!limit.known || walk->index <= limit.index) {
        struct segment_place place = place_of(walk, part, limit.index);
        struct segment_batch batch;
        struct segment_gap gap;
        enum err err = read_batch(walk, part, &place, &batch);

        if (err == OK && limit.hash_known && batch.view.index == limit.index &&
            !hash_equal(&batch.view.hash, &limit.hash))
            break;
        if (err == OK) {
            hand_out(walk, number, walk->position, &batch);
            walk->position += batch.size;
            continue;
        }
        if (err != ERR_CORRUPT)
            return err;

        err = judge(walk, part, &place, &gap);
        if (err != OK)
            return err;
        if (gap.tail == SEGMENT_RESUMES) {
            lose(walk, part, gap.resume_index, gap.resume_previous, gap.resume - walk->position);
            walk->position = gap.resume;
            continue;
        }
        if (limit.known || !end_of_last(walk, part, &gap))
            break;
    }
    if (limit.known && walk->index <= limit.index) /* what says so marks them durable */
        lose(walk, part, limit.index + 1, limit.hash, part->size - walk->position);
    else if (limit.known && limit.hash_known && walk->last_size > 0 && walk->last_part == number &&
             walk->last_position + walk->last_size == walk->position)
        part->end = walk->position; /* behind the batch that the cut names */
    return OK;
}

/* ---- afterwards --------------------------------------------------------------------------------
 */

/* The walked files become the log's. */
static void take_files(struct walk *walk)
{
    struct log *log = walk->log;
    struct log_file *file = NULL;

    for (unsigned i = 0; i < walk->part_count; i++) {
        struct part *part = &walk->parts[i];

        if (part->pack == NULL)
            io_read_ahead(log->store->io, part->file, true);
        file = log_file_create(log, part->file, NULL, part->id);
        part->file = NULL;
        file->pack = part->pack;
        part->pack = NULL;
        file->raw = part->size;
        file->allocated = file->pack != NULL ? file->pack->size : part->size;
        file->base = part->header.base;
        file->first = part->first;
        file->last = part->last;
        file->end = part->size;
        file->placed = part->size;
        if (part->end > 0 && file->pack == NULL && i + 1 < walk->part_count)
            file->end = part->end; /* what stands behind it is void */
        file->cut = part->cut && file->pack == NULL;
        log->remains = log->remains || file->cut || file->placed > file->end;
        log_add_file(log, file);
    }
    if (walk->ends_clean && file->pack == NULL && walk->parts[walk->part_count - 1].header_sound) {
        file->end = walk->position;
        file->placed = walk->position;
        log->active = file;
    }
}

static void drop_empty(struct walk *walk)
{
    struct store *store = walk->log->store;
    unsigned kept = 0;

    for (unsigned i = 0; i < walk->part_count; i++) {
        struct part *part = &walk->parts[i];

        if (!part->empty) {
            walk->parts[kept++] = *part;
            continue;
        }
        io_close(store->io, part->file);
        (void)io_unlink(store->io, path_segment(store->dir, walk->log->id, part->id).text);
    }
    walk->part_count = kept;
}

static enum err rewrite(struct walk *walk, struct log_file *file, uint64_t offset, size_t size)
{
    uint8_t *bytes;
    enum err err;

    if (size == 0 || store_flaw(walk->log->store, FLAW_SKIP_RECOVERY_WRITE) || file->pack != NULL)
        return OK; /* a packed one was durable before it had its name */
    bytes = heap_take(size);
    err = io_read_all(walk->log->store->io, file->file, offset, bytes, size);
    if (err == OK)
        err = io_write_all(walk->log->store->io, file->file, offset, bytes_of(bytes, size));
    heap_give(bytes);
    return err;
}

/*
 * Only the last batches, of which no mark says that they were durable, can be in memory and not on
 * the disk: what only the journal witnessed has been written and synced from there. They are
 * written again because an earlier life's failed sync may have left them in
 * memory marked as clean. The same goes for the header of a file without batches.
 */
static enum err sync_end(struct walk *walk)
{
    struct log *log = walk->log;
    struct store *store = log->store;
    struct log_file *newest = log->files[log->file_count - 1];
    enum err err = OK;

    if (store_flaw(store, FLAW_SKIP_RECOVERY_SYNC))
        return OK;
    if (store->prepared == log->id && log->file_count == 1)
        return OK; /* this process has synced it, and written nothing since */
    if (store_flaw(store, FLAW_REWRITE_LAST_ONLY))
        walk->unproven_first = walk->unproven_count - 1;
    if (walk->last_size > 0) {
        uint64_t first = walk->unproven[walk->unproven_first].position;

        err = rewrite(walk, log->files[walk->last_part], first,
                      walk->last_position + walk->last_size - first);
    }
    if (err == OK && (walk->last_size == 0 || walk->last_part != log->file_count - 1) &&
        log->active != NULL)
        err = rewrite(walk, newest, 0, SEGMENT_HEADER);
    return err == OK ? settle_log(log, walk->last_part) : err;
}

uint32_t log_block_ordinal(const struct log_block *block, uint64_t file_id)
{
    uint32_t ordinal = 0;

    if (block->files->parts == NULL)
        return log_take_ordinal(block->files->log, file_id);
    for (unsigned i = 0; i < block->files->count; i++) {
        if (block->files->parts[i].id == file_id)
            return block->files->parts[i].empty ? LOG_FILE_NONE : ordinal;
        ordinal += !block->files->parts[i].empty; /* those go before they are counted */
    }
    return log_keep_ordinal(block->files->log, file_id);
}

static enum err hand_out_block(struct walk *walk)
{
    const struct block *block = &walk->block;
    struct log_block_files files = {walk->log, walk->parts, walk->part_count};
    struct log_block view = {
        .index = block->index,
        .term = block->term,
        .hash = block->hash,
        .body = block->body,
        .local = block->local,
        .stored = block->stored,
        .files = &files,
    };

    if (memcmp(block->incarnation, walk->log->incarnation, 16) != 0)
        return ERR_CORRUPT;
    if (walk->recovery->block == NULL)
        return OK;
    return walk->recovery->block(walk->recovery->context, &view);
}

/* Without a block a log is whole from its first index on, or nobody can say what it led to. */
static enum err without_block(const struct walk *walk, unsigned blocks)
{
    struct store *store = walk->log->store;

    for (unsigned i = 0; i < walk->part_count; i++) {
        if (walk->parts[i].empty)
            continue;
        if (blocks == 0 || !walk->parts[i].header_known || walk->parts[i].header.base == 0)
            return OK;
        if (walk->recovery->blocks_lost != NULL &&
            walk->recovery->blocks_lost(walk->recovery->context))
            return OK;
        store_report(store,
                     "log %016llx: none of its state blocks can be read, and the files before "
                     "index %llu were removed: restore %s from a copy",
                     (unsigned long long)walk->log->id,
                     (unsigned long long)walk->parts[i].header.base + 1,
                     path_log(store->dir, walk->log->id).text);
        return ERR_CORRUPT;
    }
    return OK;
}

/* The newest block that is good, and good for the owner, becomes the walk's. */
static enum err find_block(struct walk *walk)
{
    struct log *log = walk->log;
    struct store *store = log->store;
    uint64_t indexes[BLOCKS_MAX];
    unsigned count;
    enum err err = block_list(store->io, store->dir, log->id, indexes, BLOCKS_MAX, &count);

    for (unsigned i = 0; err == OK && i < count; i++) {
        err = block_read(store->io, store->dir, log->id, indexes[i], &walk->block);
        if (err == OK) {
            err = hand_out_block(walk);
            if (err == OK) {
                log->block_newest = indexes[i];
                log->block_older = i + 1 < count ? indexes[i + 1] : 0;
                log->committed = indexes[i];
                return OK;
            }
            block_free(&walk->block);
        }
        if (err != ERR_CORRUPT)
            return err;
        store_report(store, "log %016llx: state block %llu is damaged and passed over",
                     (unsigned long long)log->id, (unsigned long long)indexes[i]);
        err = OK;
    }
    return err == OK ? without_block(walk, count) : err;
}

/*
 * Space is allocated in whole blocks before anything is written to it, by redo as well, so no crash
 * leaves a file that ends within one. What was cut off at a block's end cannot be told from what
 * never was.
 */
static bool cut_short(const struct walk *walk)
{
    return walk->part_count > 0 && walk->parts[walk->part_count - 1].size % BATCH_BLOCK != 0;
}

/* A crash came between a packed file and the end of its original. */
static void drop_twice(const struct walk *walk)
{
    const struct store *store = walk->log->store;

    for (unsigned i = 0; i < walk->part_count; i++)
        if (walk->parts[i].twice && walk->parts[i].packed)
            (void)io_unlink(store->io,
                            path_segment(store->dir, walk->log->id, walk->parts[i].id).text);
}

/* Of no use to the log, whether its original is there or not: said once, and not at each start. */
static void set_aside(const struct walk *walk)
{
    const struct store *store = walk->log->store;

    for (unsigned i = 0; i < walk->spoilt_count; i++) {
        struct path to = path_pack_quarantine(store->dir, walk->log->id, walk->spoilt[i]);

        /* Where it stays it is found again; of kept records log_keep.c may have removed it. */
        (void)io_rename(store->io, path_pack(store->dir, walk->log->id, walk->spoilt[i]).text,
                        to.text);
    }
}

static enum err walk_all(struct walk *walk)
{
    enum err err = open_parts(walk);

    if (err == OK)
        err = log_keep_find(walk->log);
    if (err == OK)
        err = find_block(walk);
    if (err != OK)
        return err;
    drop_empty(walk);
    for (unsigned i = 0; err == OK && i < walk->part_count; i++)
        err = walk_part(walk, i);
    if (err != OK)
        return err;
    pass_to_block(walk, NULL);
    if (walk->index <= walk->block.index) {
        lose(walk, NULL, walk->block.index + 1, walk->block.hash, 0);
        walk->ends_clean = false;
    }
    drop_twice(walk);
    set_aside(walk);
    if (!walk->log->damaged && walk->block.index > 0 && walk->index == walk->block.index + 1)
        before_is_block(walk); /* should it be cut there */
    if (cut_short(walk)) {
        walk->ends_clean = false;
        walk->log->ends_short = true;
        if (walk->recovery->cut_short != NULL)
            walk->recovery->cut_short(walk->recovery->context);
    }
    take_files(walk);
    return sync_end(walk);
}

enum err recovery_run(struct log *log, const struct log_recovery *recovery)
{
    struct walk walk = {.log = log, .recovery = recovery, .index = 1};
    enum err err = walk_all(&walk);

    if (err == OK) {
        log->durable = walk.index - 1;
        log->appended = log->durable;
    }
    for (unsigned i = 0; i < walk.part_count; i++) {
        if (walk.parts[i].file != NULL)
            io_close(log->store->io, walk.parts[i].file);
        pack_forget(walk.parts[i].pack);
    }
    block_free(&walk.block);
    heap_give(walk.unproven);
    heap_give(walk.parts);
    heap_give(walk.spoilt);
    heap_give(walk.window);
    return err;
}
