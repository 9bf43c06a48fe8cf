/*
 * index_ahead: is what a change will read in memory (storage/index_here.h)? Asked before the change
 * is decided, so that whoever decides it can wait.
 *
 * Not asked about: texts that move because their page is mostly waste, once in a page of them.
 */
#include "storage/index_here_priv.h"

#define CHAIN_MAX                                                                                  \
    4u /* removals of one subject: some may be decided before the first is applied                 \
        */

static bool nothing_lent(const struct index *index)
{
    const struct index_cache *cache = index->blocks.memory.cache;

    return cache == NULL || cache->lent == 0;
}

/* ---- subjects ------------------------------------------------------------------------------- */

/* Where a subject with that hash is, comes, or goes. */
static bool tags_here(const struct index *index, uint32_t hash, struct index_here *here)
{
    const struct index_tags_part *part = index_tags_part(&index->subjects.tags, hash);

    return !part->lent ||
           index_here_piece(here, part->tags, 0, part->capacity * sizeof part->tags[0]);
}

/* A subject that is new may take the number of one that has gone, and split a part. */
static void new_subject_here(const struct index *index, struct index_here *here)
{
    const struct index_names *names = &index->subjects.names;
    const struct index_tags *tags = &index->subjects.tags;
    const struct index_tags_part *next = &tags->parts[tags->part_count - tags->round];
    const struct index_names_page *page;
    uint32_t id = names->free_plus_1 != 0 ? names->free_plus_1 - 1 : names->limit;

    if (next->lent && tags->count + 1 >= (uint64_t)tags->part_count * tags->mean)
        (void)index_here_piece(here, next->tags, 0, next->capacity * sizeof next->tags[0]);
    if (id >> names->bits >= names->page_count)
        return; /* it begins a page */
    page = &names->pages[id >> names->bits];
    if (page->lent)
        (void)index_here_piece(here, page->at, 0, sizeof(struct index_record) << names->bits);
}

/* It may be the last of its subject, which goes, too. */
static void leaving_here(const struct index *index, uint32_t id, struct index_here *here)
{
    const struct index_subjects *subjects = &index->subjects;

    if (!index_here_text(subjects, id, here) || nothing_lent(index))
        return;
    (void)tags_here(index,
                    (uint32_t)(bytes_hash(index_subjects_text(subjects, id), subjects->seed) >> 32),
                    here);
}

/* ---- messages ------------------------------------------------------------------------------- */

/* NULL: nothing is asked of it, as it is in the newest range, or not there. */
static const struct index_block *old_block(const struct index *index, uint64_t sequence)
{
    const struct index_blocks *blocks = &index->blocks;
    size_t i = index_blocks_at_or_behind(blocks, sequence);
    const struct index_block *block;

    if (i + 1 >= blocks->count)
        return NULL;
    block = &blocks->at[blocks->head + i];
    return block->number == sequence >> blocks->bits ? block : NULL;
}

/* With all its rows: it may be written anew. While all is taken down for a state block, what
 * changes is taken down before. */
static bool whole_here(const struct index *index, const struct index_block *block,
                       struct index_here *here)
{
    const struct index_cold *cold = block->cold;

    if (index->capture != NULL)
        index_here_block(index, block, here);
    return cold == NULL ||
           (index_here_links(block, here) &&
            index_here_piece(here, cold->rows, 0, block->count * sizeof cold->rows[0]));
}

static void neighbour_here(const struct index *index, uint64_t sequence, struct index_here *here)
{
    const struct index_block *block = old_block(index, sequence);

    if (sequence != 0 && block != NULL)
        (void)whole_here(index, block, here);
}

/* False: something is missing. */
static bool slot_here(const struct index *index, uint64_t sequence, struct index_slot *slot,
                      struct index_here *here)
{
    const struct index_block *block = old_block(index, sequence);

    if (block != NULL && !whole_here(index, block, here))
        return false;
    return index_blocks_get(&index->blocks, sequence, slot);
}

void index_bare_here_remove(const struct index *index, uint64_t sequence, struct index_here *here)
{
    struct index_slot slot;

    if (here->scratch == NULL || old_block(index, sequence) == NULL ||
        !slot_here(index, sequence, &slot, here))
        return;
    leaving_here(index, slot.subject, here);
    neighbour_here(index, slot.before, here);
    neighbour_here(index, slot.after, here);
}

/* The oldest of a subject that has as many as it may have. */
static void oldest_here(const struct index *index, uint32_t id, uint64_t limit,
                        struct index_here *here)
{
    struct index_name name;
    struct index_slot slot;
    uint64_t sequence;

    index_names_read(&index->subjects.names, id, &name);
    if (limit == 0 || name.count + CHAIN_MAX <= limit)
        return;
    sequence = name.first;
    for (unsigned i = 0; i < CHAIN_MAX && sequence != 0; i++, sequence = slot.after)
        if (!slot_here(index, sequence, &slot, here))
            return;
}

/* ---- adding --------------------------------------------------------------------------------- */

void index_bare_here_add(const struct index *index, struct bytes subject, uint64_t limit,
                         struct index_here *here)
{
    const struct index_subjects *subjects = &index->subjects;
    struct index_tags_look look;
    uint32_t hash, id_plus_1;
    bool found = false;

    if (here->scratch == NULL || subjects->count == 0)
        return;
    if (limit == 0 && subjects->texts.page_count <= 1 && nothing_lent(index))
        return; /* all texts stand in the open page */
    hash = (uint32_t)(bytes_hash(subject, subjects->seed) >> 32);
    if (!tags_here(index, hash, here))
        return;
    index_tags_begin(&subjects->tags, hash, &look);
    while ((id_plus_1 = index_tags_next(&look)) != 0) { /* mostly one, and the subject's */
        const struct index_block *block;

        found = true;
        if (!index_here_text(subjects, id_plus_1 - 1, here))
            continue;
        block = old_block(index, index_names_at(&subjects->names, id_plus_1 - 1)->last);
        if (block != NULL)
            (void)index_here_links(block, here);
        oldest_here(index, id_plus_1 - 1, limit, here);
    }
    if (!found)
        new_subject_here(index, here);
}

static void subjects_here(const struct index_subjects *subjects, struct index_here *here)
{
    const struct index_names *names = &subjects->names;
    const struct index_tags *tags = &subjects->tags;
    const struct index_texts *texts = &subjects->texts;

    for (uint32_t i = 0; i < texts->page_count && here->count < INDEX_AWAY_MAX; i++)
        if (texts->pages[i].at != NULL && texts->pages[i].cold)
            (void)index_here_piece(here, texts->pages[i].at, 0, texts->pages[i].size);
    for (uint32_t i = 0; i < names->page_count && here->count < INDEX_AWAY_MAX; i++)
        if (names->pages[i].lent)
            (void)index_here_piece(here, names->pages[i].at, 0,
                                   sizeof(struct index_record) << names->bits);
    for (uint32_t i = 0; i < tags->part_count && here->count < INDEX_AWAY_MAX; i++)
        if (tags->parts[i].lent)
            (void)index_here_piece(here, tags->parts[i].tags, 0,
                                   tags->parts[i].capacity * sizeof tags->parts[i].tags[0]);
}

bool index_bare_here_adds(const struct index *index, bool limited, size_t most,
                          struct index_here *here)
{
    const struct index_subjects *subjects = &index->subjects;
    const struct index_blocks *blocks = &index->blocks;
    bool all = limited || !nothing_lent(index); /* else blocks have nothing that is read */

    if (here->scratch == NULL)
        return true;
    if (index->capture != NULL || subjects->texts.page_count + subjects->names.page_count +
                                          subjects->tags.part_count +
                                          (all ? 2 * blocks->count : 0) >
                                      most)
        return false;
    subjects_here(subjects, here);
    for (size_t i = 0; all && i + 1 < blocks->count && here->count < INDEX_AWAY_MAX; i++) {
        const struct index_block *block = &blocks->at[blocks->head + i];

        if (limited)
            (void)whole_here(index, block, here);
        else
            (void)index_here_links(block, here);
    }
    return true;
}

/* ---- from the front ------------------------------------------------------------------------- */

struct walk {
    const struct index *index;
    struct index_front *front;
    struct index_here *here;
    uint64_t messages, bytes; /* found */
};

static bool wanted(const struct walk *walk, const struct index_stored *stored)
{
    const struct index_front *front = walk->front;

    return stored->time_ns <= front->until_ns && walk->here->count < INDEX_AWAY_MAX &&
           (walk->messages < front->messages || walk->bytes < front->bytes);
}

/* False: it is none of them any more; but it will be looked at as the oldest. */
static bool take(struct walk *walk, uint64_t sequence, const struct index_stored *stored)
{
    struct index_front *front = walk->front;

    if (!wanted(walk, stored)) {
        if (!front->newest)
            (void)index_here_text(&walk->index->subjects, stored->subject, walk->here);
        return false;
    }
    walk->messages++;
    walk->bytes += stored->stored_size;
    front->last = sequence;
    if (!front->newest)
        leaving_here(walk->index, stored->subject, walk->here);
    return true;
}

static bool take_hot(struct walk *walk, const struct index_block *block, uint64_t base)
{
    for (uint32_t i = block->start; i < block->count; i++) {
        const struct index_slot *slot = &block->slots[i];
        const struct index_stored stored = {
            .time_ns = slot->time_ns, .stored_size = slot->stored_size, .subject = slot->subject};

        if (slot->live && base + slot->offset >= walk->front->from &&
            !take(walk, base + slot->offset, &stored))
            return false;
    }
    return true;
}

static bool take_cold(struct walk *walk, const struct index_block *block, uint64_t base)
{
    const struct index_cold *cold = block->cold;
    uint32_t offset = walk->front->from > base ? (uint32_t)(walk->front->from - base) : 0;

    for (offset = index_cold_up(cold, offset); offset != INDEX_COLD_NONE;
         offset = index_cold_up(cold, offset + 1)) {
        const struct index_row *row = index_cold_at(cold, offset);
        struct index_stored stored;

        if (row == NULL) /* whoever reads it finds out */
            return false;
        index_cold_stored(cold, row, &stored);
        if (!take(walk, base + offset, &stored))
            return false;
    }
    return true;
}

void index_bare_here_front(const struct index *index, struct index_front *front,
                           struct index_here *here)
{
    const struct index_blocks *blocks = &index->blocks;
    struct walk walk = {.index = index, .front = front, .here = here};
    bool more = true;

    front->last = 0;
    front->newest = false;
    for (size_t i = index_blocks_at_or_behind(blocks, front->from); more && i < blocks->count;
         i++) {
        const struct index_block *block = &blocks->at[blocks->head + i];
        uint64_t base = block->number << blocks->bits;

        front->newest = here->scratch == NULL || i + 1 == blocks->count;
        if (!front->newest && !whole_here(index, block, here))
            break;
        more = block->cold != NULL ? take_cold(&walk, block, base) : take_hot(&walk, block, base);
    }
    front->messages = walk.messages;
    front->bytes = walk.bytes;
}
