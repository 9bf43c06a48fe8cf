/* index_restore: what was taken down of an index (index_capture.h), put into an empty one. */
#include <limits.h>

#include "base/heap.h"
#include "base/varint.h"
#include "storage/index_capture.h"
#include "storage/index_priv.h"

#define PIECE_SPAN  (1u << INDEX_PIECE_BITS)
#define SUBJECT_MAX 65535u
#define KNOWN_BITS  11u /* of a page */
#define GROUP       32u /* messages: what is asked for is still at hand when it is needed */
#define KNOWN_SPAN  (1u << KNOWN_BITS)

/* What the messages of a piece are coded against. */
struct coder {
    uint64_t sequence;
    int64_t time_ns;
    uint32_t record_size, stored_size;
    uint32_t names; /* so far */
};

/* The subject that a number of the row has stood for. */
struct known {
    uint64_t hash;      /* of its text, all of it: two that have one number are told apart */
    uint32_t id_plus_1; /* 0: for none yet */
};

static_assert(KNOWN_SPAN * sizeof(struct known) <= SCRATCH_PIECE_MAX, "one piece");

struct known_page {
    struct known *at; /* NULL: not needed yet */
    bool lent;
};

struct index_restoring {
    struct index *index;
    struct bytes pieces, places;
    bool placed; /* there is a row of places */
    bool named;  /* with numbers of subjects */
    bool (*place)(void *context, struct index_entry *entry);
    void *context;
    struct known_page *known; /* by number */
    size_t known_count;
    /* of the piece */
    struct coder coder;
    log_place expected;
    struct bytes names[PIECE_SPAN];
    uint64_t numbers[PIECE_SPAN]; /* of the names, in the row */
    uint32_t count;
    struct index_entry entries[PIECE_SPAN];
    uint32_t name_of[PIECE_SPAN]; /* of each entry, its place in `names` */
};

/* ---- decoding ------------------------------------------------------------------------------- */

/* As varint_take; most are of one byte. */
static inline bool take(struct bytes *in, uint64_t *value)
{
    if (in->size > 0 && in->at[0] < 0x80) {
        *value = in->at[0];
        *in = bytes_skip(*in, 1);
        return true;
    }
    return varint_take(in, value);
}

static inline bool take_folded(struct bytes *in, int64_t *value)
{
    uint64_t folded;

    if (!take(in, &folded))
        return false;
    *value = varint_unfold(folded);
    return true;
}

static inline bool take_u32(struct bytes *in, uint32_t *value)
{
    int64_t step;

    if (!take_folded(in, &step) || step > UINT32_MAX || step < -(int64_t)UINT32_MAX)
        return false;
    step += *value;
    *value = (uint32_t)step;
    return step >= 0 && step <= UINT32_MAX;
}

/* A subject that is new in the piece. */
static bool take_new(struct bytes *in, struct index_restoring *reading)
{
    uint64_t size;
    uint32_t name = reading->coder.names;

    if (!take(in, &size) || size > SUBJECT_MAX || size > in->size)
        return false;
    reading->names[name] = bytes_take(*in, size);
    *in = bytes_skip(*in, size);
    if (reading->named && !take(&reading->places, &reading->numbers[name]))
        return false;
    reading->coder.names++;
    return true;
}

static bool take_subject(struct bytes *in, struct index_restoring *reading, uint32_t *name)
{
    uint64_t number;

    if (!take(in, &number) || number > reading->coder.names)
        return false;
    if (number == 0) {
        if (!take_new(in, reading))
            return false;
        number = reading->coder.names;
    }
    *name = (uint32_t)number - 1;
    return true;
}

static bool take_message(struct bytes *in, struct index_restoring *reading,
                         struct index_entry *entry, uint32_t *name)
{
    struct coder *coder = &reading->coder;
    uint64_t step;
    int64_t time_step;

    if (!take(in, &step) || !take_folded(in, &time_step) || !take_u32(in, &coder->record_size) ||
        !take_u32(in, &coder->stored_size) || !take_subject(in, reading, name))
        return false;
    entry->subject = reading->names[*name];
    if (step > UINT64_MAX - coder->sequence)
        return false;
    coder->sequence += step;
    coder->time_ns = (int64_t)((uint64_t)coder->time_ns + (uint64_t)time_step);
    entry->sequence = coder->sequence;
    entry->time_ns = coder->time_ns;
    entry->record_size = coder->record_size;
    entry->stored_size = coder->stored_size;
    return true;
}

static bool take_place(struct index_restoring *reading, struct index_entry *entry)
{
    int64_t step = 0;
    struct guard_frame *frame;
    bool known;

    if (reading->placed && !take_folded(&reading->places, &step))
        return false;
    entry->place = reading->expected + (uint64_t)step;
    reading->expected = entry->place + entry->record_size;
    frame = guard_pause();
    known = reading->place(reading->context, entry);
    guard_resume(frame, reading->index->failed);
    return known;
}

static bool take_piece(struct index_restoring *reading)
{
    uint64_t count, number, last = reading->index->sequence_added;

    if (!take(&reading->pieces, &count) || count == 0 || count > PIECE_SPAN ||
        !take(&reading->pieces, &number) || number > UINT64_MAX >> INDEX_PIECE_BITS)
        return false;
    reading->coder = (struct coder){.sequence = number << INDEX_PIECE_BITS};
    reading->expected = 0;
    reading->count = (uint32_t)count;
    for (uint32_t i = 0; i < reading->count; i++) {
        struct index_entry *entry = &reading->entries[i];

        if (!take_message(&reading->pieces, reading, entry, &reading->name_of[i]) ||
            entry->sequence >> INDEX_PIECE_BITS != number || entry->sequence <= last ||
            entry->sequence == UINT64_MAX || /* whoever goes on behind it would begin anew */
            !take_place(reading, entry))
            return false;
        last = entry->sequence;
    }
    return true;
}

/* ---- subjects ------------------------------------------------------------------------------- */

/* In scratch memory, if there is any: it is soon given back, and what it is for may be bounded. */
static void make_page(const struct index_restoring *reading, struct known_page *page)
{
    struct scratch *scratch = reading->index->blocks.memory.scratch;
    size_t size = KNOWN_SPAN * sizeof page->at[0];

    if (scratch != NULL)
        page->at = scratch_lend(scratch, size);
    page->lent = page->at != NULL;
    if (!page->lent)
        page->at = heap_take(size);
    memset(page->at, 0, size);
}

static void give_pages(struct index_restoring *reading)
{
    struct scratch *scratch = reading->index->blocks.memory.scratch;

    for (size_t i = 0; i < reading->known_count; i++) {
        if (reading->known[i].lent)
            scratch_give(scratch, reading->known[i].at, KNOWN_SPAN * sizeof(struct known));
        else
            heap_give(reading->known[i].at);
    }
    heap_give(reading->known);
}

/* NULL: it is no number of a subject. */
static struct known *known_at(struct index_restoring *reading, uint64_t number)
{
    size_t page = number >> KNOWN_BITS;

    if (number >= INDEX_IDS_MAX)
        return NULL;
    if (page >= reading->known_count) {
        size_t count = page + 1 > 2 * reading->known_count ? page + 1 : 2 * reading->known_count;

        reading->known = heap_resize(reading->known, count * sizeof reading->known[0]);
        for (size_t i = reading->known_count; i < count; i++)
            reading->known[i] = (struct known_page){0};
        reading->known_count = count;
    }
    if (reading->known[page].at == NULL)
        make_page(reading, &reading->known[page]);
    return &reading->known[page].at[number & (KNOWN_SPAN - 1)];
}

/* The ids of the names from `from` to before `to`. With a million subjects each look-up waits for
 * memory several times: those of a group are asked for at once, and each is looked up once in a
 * piece. */
static void find_by_text(const struct index_restoring *reading, uint32_t from, uint32_t to,
                         uint32_t ids[PIECE_SPAN])
{
    struct index *index = reading->index;
    struct index_subjects *subjects = &index->subjects;
    uint64_t hashes[PIECE_SPAN];

    for (uint32_t i = from; i < to; i++)
        hashes[i] = index_subjects_hash(subjects, reading->names[i]);
    for (uint32_t i = from; i < to; i++)
        ids[i] = index_subjects_guess(subjects, hashes[i]);
    for (uint32_t i = from; i < to; i++)
        index_blocks_prefetch(&index->blocks, index_subjects_guess_last(subjects, ids[i]));
    for (uint32_t i = from; i < to; i++)
        ids[i] = index_subjects_intern_hashed(subjects, reading->names[i], hashes[i]);
}

/* The same by their numbers: of those met before neither table nor text is looked at. */
static void find_by_number(struct index_restoring *reading, uint32_t from, uint32_t to,
                           uint32_t ids[PIECE_SPAN])
{
    struct index *index = reading->index;
    struct index_subjects *subjects = &index->subjects;
    struct known *known[PIECE_SPAN];
    uint64_t hashes[PIECE_SPAN];

    for (uint32_t i = from; i < to; i++) {
        hashes[i] = bytes_hash(reading->names[i], subjects->seed);
        known[i] = known_at(reading, reading->numbers[i]);
        __builtin_prefetch(known[i], 1);
    }
    for (uint32_t i = from; i < to; i++) {
        bool met = known[i] != NULL && known[i]->id_plus_1 != 0 && known[i]->hash == hashes[i];

        ids[i] = met ? known[i]->id_plus_1 - 1 : INDEX_SUBJECT_NONE;
        if (met)
            __builtin_prefetch(index_names_at(&subjects->names, ids[i]), 1);
        else
            index_subjects_prefetch(subjects, hashes[i]);
    }
    for (uint32_t i = from; i < to; i++) {
        if (ids[i] != INDEX_SUBJECT_NONE)
            index_blocks_prefetch(&index->blocks, index_names_at(&subjects->names, ids[i])->last);
    }
    for (uint32_t i = from; i < to; i++) {
        if (ids[i] != INDEX_SUBJECT_NONE)
            continue;
        ids[i] = index_subjects_intern_hashed(subjects, reading->names[i], hashes[i]);
        if (known[i] != NULL)
            *known[i] = (struct known){.id_plus_1 = ids[i] + 1, .hash = hashes[i]};
    }
}

static void add_piece(struct index_restoring *reading)
{
    uint32_t ids[PIECE_SPAN], names = 0;

    for (uint32_t first = 0; first < reading->count; first += GROUP) {
        uint32_t end = reading->count - first < GROUP ? reading->count : first + GROUP;
        uint32_t named = names;

        for (uint32_t i = first; i < end; i++)
            named = reading->name_of[i] >= named ? reading->name_of[i] + 1 : named;
        if (reading->named)
            find_by_number(reading, names, named, ids);
        else
            find_by_text(reading, names, named, ids);
        names = named;
        for (uint32_t i = first; i < end; i++)
            index_add_named(reading->index, &reading->entries[i], ids[reading->name_of[i]]);
    }
}

/* ---- in steps ------------------------------------------------------------------------------- */

struct index_restoring *index_restoring_begin(
    struct index *index, struct bytes pieces, struct bytes places, bool named,
    bool (*place)(void *context, struct index_entry *entry), void *context)
{
    struct index_restoring *reading = HEAP_NEW(struct index_restoring);

    assert(index->sequence_added == 0);
    reading->index = index;
    reading->pieces = pieces;
    reading->places = places;
    reading->placed = places.size > 0;
    reading->named = named;
    reading->place = place;
    reading->context = context;
    return reading;
}

const struct index *index_restored(const struct index_restoring *reading)
{
    return reading->index;
}

enum err index_bare_restoring_step(struct index_restoring *reading, unsigned pieces)
{
    for (unsigned i = 0; i < pieces && reading->pieces.size > 0; i++) {
        if (!take_piece(reading))
            return ERR_CORRUPT;
        add_piece(reading);
    }
    if (reading->pieces.size > 0)
        return ERR_AGAIN;
    return reading->places.size == 0 ? OK : ERR_CORRUPT;
}

void index_restoring_end(struct index_restoring *reading)
{
    give_pages(reading);
    heap_give(reading);
}

enum err index_restore(struct index *index, struct bytes pieces, struct bytes places, bool named,
                       bool (*place)(void *context, struct index_entry *entry), void *context)
{
    struct index_restoring *reading =
        index_restoring_begin(index, pieces, places, named, place, context);
    enum err err = ERR_AGAIN;

    while (err == ERR_AGAIN)
        err = index_restoring_step(reading, UINT_MAX);
    index_restoring_end(reading);
    return err;
}
