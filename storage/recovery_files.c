/*
 * The files of a log that is opened: which there are, original or packed, what their headers say,
 * and where each ends by what the ones after it say. Nothing is changed before the walk is over but
 * that what was never a file goes.
 */
#include "base/heap.h"
#include "storage/flaws.h"
#include "storage/pack.h"
#include "storage/recovery_priv.h"

#define FILE_WORK (64u << 10) /* opening one costs what so much of a log does */

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
    return scan_read(walk->log->store->io, part->file, part->pack, offset, at, size);
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

/* Without a sound header: what the file's first batch says about it. */
static enum err rebuild_header(struct walk *walk, struct part *part)
{
    struct segment_batch batch;
    uint8_t *bytes = heap_take(part->size);
    enum err err = part_read(walk, part, 0, bytes, part->size);

    if (err == OK && part->empty)
        part->empty = scan_is_zeros(bytes_of(bytes, part->size));
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

enum err parts_find(struct walk *walk)
{
    struct store *store = walk->log->store;

    return io_list(store->io, path_log(store->dir, walk->log->id).text, found_segment, walk);
}

enum err parts_open(struct walk *walk)
{
    enum err err = OK;

    while (err == OK && walk->part_next < walk->part_count) {
        struct part part = walk->parts[walk->part_next];

        if (walk->work == 0)
            return ERR_AGAIN;
        walk_spend(walk, FILE_WORK);
        err = read_header(walk, &part);
        walk->part_next++;
        if (err == ERR_CORRUPT && part.packed)
            err = OK; /* left out */
        else
            walk->parts[walk->parts_kept++] = part;
    }
    walk->part_count = walk->parts_kept + (walk->part_count - walk->part_next);
    for (unsigned i = 0; err == OK && i < walk->part_count; i++)
        if (!walk->parts[i].header_sound)
            err = rebuild_header(walk, &walk->parts[i]);
    return err != OK ? err : find_incarnation(walk);
}

struct limit parts_limit(const struct walk *walk, unsigned part)
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

bool part_is_void(const struct walk *walk, const struct part *part)
{
    return part->header_known && part->header.base < walk->block.index &&
           block_find_file(&walk->block, part->id) == NULL &&
           !store_flaw(walk->log->store, FLAW_WALK_WITHOUT_LIST);
}

void parts_drop_empty(struct walk *walk)
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

/*
 * Space is allocated in whole blocks before anything is written to it, by redo as well, so no crash
 * leaves a file that ends within one. What was cut off at a block's end cannot be told from what
 * never was.
 */
bool parts_end_short(const struct walk *walk)
{
    return walk->part_count > 0 && walk->parts[walk->part_count - 1].size % BATCH_BLOCK != 0;
}

/* A crash came between a packed file and the end of its original. */
void parts_drop_twice(const struct walk *walk)
{
    const struct store *store = walk->log->store;

    for (unsigned i = 0; i < walk->part_count; i++)
        if (walk->parts[i].twice && walk->parts[i].packed)
            (void)io_unlink(store->io,
                            path_segment(store->dir, walk->log->id, walk->parts[i].id).text);
}

/* Of no use to the log, whether its original is there or not: said once, and not at each start. */
void parts_set_aside(const struct walk *walk)
{
    const struct store *store = walk->log->store;

    for (unsigned i = 0; i < walk->spoilt_count; i++) {
        struct path to = path_pack_quarantine(store->dir, walk->log->id, walk->spoilt[i]);

        /* Where it stays it is found again; of kept records log_keep.c may have removed it. */
        (void)io_rename(store->io, path_pack(store->dir, walk->log->id, walk->spoilt[i]).text,
                        to.text);
    }
}
