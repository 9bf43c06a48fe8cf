#include "storage/index_here_priv.h"

#define RANGES 2u /* are asked about together: a reader soon passes the end of one */

bool index_here_piece(struct index_here *here, const void *piece, size_t at, size_t size)
{
    uint64_t slice;

    switch (scratch_here(here->scratch, piece, at, size, here->now_ns, &slice)) {
    case SCRATCH_HERE: return true;
    case SCRATCH_BROKEN: here->broken = true; return false;
    case SCRATCH_AWAY: break;
    }
    for (unsigned i = 0; i < here->count; i++)
        if (here->away[i] == slice)
            return false;
    if (here->count < INDEX_AWAY_MAX)
        here->away[here->count++] = slice;
    return false;
}

/* Of one page after the other, often the same. */
static bool page_here(struct index_here *here, unsigned kind, const void *page, size_t size)
{
    if (here->pages[kind] == page)
        return true;
    if (!index_here_piece(here, page, 0, size))
        return false;
    here->pages[kind] = page;
    return true;
}

/* ---- subjects ------------------------------------------------------------------------------- */

bool index_here_text(const struct index_subjects *subjects, uint32_t id, struct index_here *here)
{
    const struct index_names *names = &subjects->names;
    const struct index_names_page *name = &names->pages[id >> names->bits];
    const struct index_text_page *page;

    if (name->lent && !page_here(here, 0, name->at, sizeof(struct index_record) << names->bits))
        return false;
    page = &subjects->texts.pages[index_names_at(names, id)->text.page];
    return !page->cold || page_here(here, 1, page->at, page->size);
}

/* Its id, or INDEX_SUBJECT_NONE: there is none, or something is away. All that have its hash are
 * compared with it. */
static uint32_t find_here(const struct index_subjects *subjects, struct bytes subject,
                          struct index_here *here)
{
    uint32_t hash = (uint32_t)(bytes_hash(subject, subjects->seed) >> 32);
    const struct index_tags_part *part = index_tags_part(&subjects->tags, hash);
    struct index_tags_look look;
    uint32_t id_plus_1;

    if (part->lent && !index_here_piece(here, part->tags, 0, part->capacity * sizeof part->tags[0]))
        return INDEX_SUBJECT_NONE;
    index_tags_begin(&subjects->tags, hash, &look);
    while ((id_plus_1 = index_tags_next(&look)) != 0) {
        if (!index_here_text(subjects, id_plus_1 - 1, here))
            break;
        if (bytes_equal(index_subjects_text(subjects, id_plus_1 - 1), subject))
            return id_plus_1 - 1;
    }
    return INDEX_SUBJECT_NONE;
}

/* ---- messages ------------------------------------------------------------------------------- */

bool index_here_links(const struct index_block *block, struct index_here *here)
{
    return !block->lent ||
           (index_here_piece(here, block->cold, 0, sizeof *block->cold) &&
            index_here_piece(here, block->cold, 0, sizeof *block->cold + block->cold->count * 4));
}

static void row_here(const struct index *index, const struct index_cold *cold, uint32_t row,
                     struct index_here *here)
{
    if (index_here_piece(here, cold->rows, row * sizeof cold->rows[0], sizeof cold->rows[0]))
        (void)index_here_text(&index->subjects, cold->rows[row].subject, here);
}

void index_bare_here_get(const struct index *index, uint64_t sequence, struct index_here *here)
{
    const struct index_blocks *blocks = &index->blocks;
    const struct index_block *block;
    uint32_t offset = (uint32_t)(sequence & ((UINT64_C(1) << blocks->bits) - 1));
    struct index_stored stored;
    size_t i;

    if (here->scratch == NULL)
        return;
    i = index_blocks_at_or_behind(blocks, sequence);
    if (i + 1 >= blocks->count) /* the newest, whose subjects have just been said */
        return;
    block = &blocks->at[blocks->head + i];
    if (block->number != sequence >> blocks->bits)
        return;
    if (block->cold == NULL) {
        if (index_blocks_stored(blocks, sequence, &stored))
            (void)index_here_text(&index->subjects, stored.subject, here);
    } else if (index_here_links(block, here) && index_cold_live(block->cold, offset)) {
        row_here(index, block->cold, index_cold_row(block->cold, offset), here);
    }
}

void index_here_block(const struct index *index, const struct index_block *block,
                      struct index_here *here)
{
    const struct index_cold *cold = block->cold;

    if (cold == NULL) {
        for (uint32_t i = block->start; i < block->count && here->count < INDEX_AWAY_MAX; i++)
            if (block->slots[i].live)
                (void)index_here_text(&index->subjects, block->slots[i].subject, here);
        return;
    }
    if (!index_here_links(block, here) ||
        !index_here_piece(here, cold->rows, 0, cold->count * sizeof cold->rows[0]))
        return;
    for (uint32_t offset = index_cold_up(cold, 0);
         offset != INDEX_COLD_NONE && here->count < INDEX_AWAY_MAX;
         offset = index_cold_up(cold, offset + 1))
        (void)index_here_text(&index->subjects, cold->rows[index_cold_row(cold, offset)].subject,
                              here);
}

void index_bare_here_subject(const struct index *index, struct bytes subject, uint64_t from,
                             struct index_here *here)
{
    const struct index_subjects *subjects = &index->subjects;
    struct index_name name;
    uint32_t id;

    if (here->scratch == NULL || subjects->count == 0)
        return;
    id = find_here(subjects, subject, here);
    if (id == INDEX_SUBJECT_NONE)
        return;
    index_names_read(&subjects->names, id, &name);
    if (from >= name.last)
        index_bare_here_get(index, name.last, here);
    else if (from <= name.first)
        index_bare_here_get(index, name.first, here);
    else
        index_bare_here_get(index, from - 1, here); /* where a reader goes on */
}

/* Up to the last message there: who looks from behind it comes to the next range. */
static uint64_t ranges_here(const struct index *index, size_t i, struct index_here *here)
{
    const struct index_blocks *blocks = &index->blocks;
    uint64_t to = 0;

    for (size_t end = i + RANGES; i < end && i < blocks->count; i++) {
        const struct index_block *block = &blocks->at[blocks->head + i];

        index_here_block(index, block, here);
        to = block->number << blocks->bits;
        if (here->count > 0 || here->broken)
            break; /* where its last one stands may be away, too */
        to += block->cold != NULL ? index_cold_down(block->cold, INDEX_BLOCK_SPAN - 1)
                                  : block->slots[block->count - 1].offset;
    }
    return to;
}

uint64_t index_bare_here_next(const struct index *index, const struct index_filter *filter,
                              uint64_t from, struct index_here *here)
{
    const struct index_blocks *blocks = &index->blocks;
    size_t i;

    if (here->scratch == NULL)
        return UINT64_MAX;
    i = index_blocks_at_or_behind(blocks, from);
    if (i + 1 >= blocks->count)
        return UINT64_MAX;
    if (index_filter_all(filter) || !index_filter_literal(filter))
        return ranges_here(index, i, here);
    for (size_t k = 0; k < filter->count && here->count < INDEX_AWAY_MAX; k++)
        index_bare_here_subject(index, filter->subjects[k], from, here);
    return from;
}

/* A number may be nobody's. */
static void name_here(const struct index_subjects *subjects, uint32_t id, struct index_here *here)
{
    const struct index_names_page *page = &subjects->names.pages[id >> subjects->names.bits];

    if (page->lent &&
        !page_here(here, 0, page->at, sizeof(struct index_record) << subjects->names.bits))
        return;
    if (index_subjects_used(subjects, id))
        (void)index_here_text(subjects, id, here);
}

void index_bare_here_count(const struct index *index, const struct index_filter *filter,
                           uint64_t from, uint64_t names, uint64_t messages,
                           struct index_here *here)
{
    const struct index_subjects *subjects = &index->subjects;
    uint64_t to = index_bare_here_next(index, filter, from, here);

    if (here->scratch == NULL || (!index_filter_all(filter) && index_filter_literal(filter)))
        return;
    for (uint32_t id = 0; id < subjects->names.limit && id < names && here->count < INDEX_AWAY_MAX;
         id++)
        name_here(subjects, id, here);
    while (to < UINT64_MAX && to - from < messages && index_all_here(here))
        to = index_bare_here_next(index, filter, to + 1, here);
}
