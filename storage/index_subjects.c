#include "storage/index_subjects.h"

#include "base/heap.h"

void index_subjects_init(struct index_subjects *subjects, uint64_t seed)
{
    *subjects = (struct index_subjects){.seed = seed};
    index_tags_init(&subjects->tags);
    index_names_init(&subjects->names, seed);
    index_texts_init(&subjects->texts);
}

void index_subjects_use(struct index_subjects *subjects, struct index_memory memory, unsigned bits)
{
    uint32_t page_size = UINT32_C(32) << bits;

    index_tags_use(&subjects->tags, memory, UINT32_C(1) << bits);
    index_names_use(&subjects->names, memory, bits);
    index_texts_use(&subjects->texts, memory,
                    page_size < INDEX_TEXT_PAGE ? page_size : INDEX_TEXT_PAGE);
}

bool index_subjects_cool(struct index_subjects *subjects)
{
    return index_names_cool(&subjects->names) || index_tags_cool(&subjects->tags);
}

void index_subjects_clear(struct index_subjects *subjects)
{
    index_tags_deinit(&subjects->tags);
    index_names_deinit(&subjects->names);
    index_texts_deinit(&subjects->texts);
    subjects->count = 0;
}

void index_subjects_deinit(struct index_subjects *subjects)
{
    index_subjects_clear(subjects);
    heap_give(subjects->retired);
    subjects->retired = NULL;
}

static uint32_t tag_of(uint64_t hash)
{
    return (uint32_t)(hash >> 32);
}

/* ---- looking up ----------------------------------------------------------------------------- */

static uint32_t find_hashed(const struct index_subjects *subjects, struct bytes subject,
                            uint64_t hash)
{
    struct index_tags_look look;
    uint32_t id_plus_1;

    index_tags_begin(&subjects->tags, tag_of(hash), &look);
    while ((id_plus_1 = index_tags_next(&look)) != 0) {
        if (bytes_equal(index_subjects_text(subjects, id_plus_1 - 1), subject))
            return id_plus_1 - 1;
    }
    return INDEX_SUBJECT_NONE;
}

uint32_t index_subjects_find(const struct index_subjects *subjects, struct bytes subject)
{
    if (subjects->count == 0)
        return INDEX_SUBJECT_NONE;
    return find_hashed(subjects, subject, bytes_hash(subject, subjects->seed));
}

bool index_subjects_is(const struct index_subjects *subjects, uint32_t id, struct bytes subject)
{
    return id < subjects->names.limit && index_subjects_used(subjects, id) &&
           bytes_equal(index_subjects_text(subjects, id), subject);
}

void index_subjects_prefetch(const struct index_subjects *subjects, uint64_t hash)
{
    struct index_tags_look look;

    index_tags_begin(&subjects->tags, tag_of(hash), &look);
    if (look.capacity > 0)
        __builtin_prefetch(&look.tags[look.at]);
}

uint64_t index_subjects_hash(const struct index_subjects *subjects, struct bytes subject)
{
    uint64_t hash = bytes_hash(subject, subjects->seed);

    index_subjects_prefetch(subjects, hash);
    return hash;
}

uint32_t index_subjects_guess(const struct index_subjects *subjects, uint64_t hash)
{
    struct index_tags_look look;
    uint32_t id_plus_1;

    index_tags_begin(&subjects->tags, tag_of(hash), &look);
    id_plus_1 = index_tags_next(&look);
    if (id_plus_1 == 0)
        return INDEX_SUBJECT_NONE;
    __builtin_prefetch(index_names_at(&subjects->names, id_plus_1 - 1), 1);
    return id_plus_1 - 1;
}

uint64_t index_subjects_guess_last(const struct index_subjects *subjects, uint32_t guess)
{
    const struct index_record *record;

    if (guess == INDEX_SUBJECT_NONE)
        return 0;
    record = index_names_at(&subjects->names, guess);
    __builtin_prefetch(index_texts_at(&subjects->texts, record->text).at);
    return record->last;
}

/* ---- adding --------------------------------------------------------------------------------- */

static void empty_page(struct index_subjects *subjects, uint32_t page);

/* The page that is full may be mostly waste. Then what is left of it begins a new one, which it
 * does not fill, and which is no waste: so it ends there. */
static struct index_text text_add(struct index_subjects *subjects, uint32_t id, struct bytes text)
{
    while (!index_texts_room(&subjects->texts, text.size)) {
        uint32_t wasteful = index_texts_seal(&subjects->texts);

        if (wasteful != INDEX_TEXT_NONE)
            empty_page(subjects, wasteful);
    }
    return index_texts_add(&subjects->texts, id, text);
}

static void empty_page(struct index_subjects *subjects, uint32_t page)
{
    struct index_text text;
    uint32_t offset = 0, id;

    while (index_texts_next(&subjects->texts, page, &offset, &id, &text)) {
        struct index_text *place = &index_names_at(&subjects->names, id)->text;

        if (index_text_same(*place, text)) /* the id may be another subject's by now */
            *place = text_add(subjects, id, index_texts_at(&subjects->texts, text));
    }
    index_texts_free(&subjects->texts, page);
}

uint32_t index_subjects_intern(struct index_subjects *subjects, struct bytes subject)
{
    return index_subjects_intern_hashed(subjects, subject, bytes_hash(subject, subjects->seed));
}

uint32_t index_subjects_intern_hashed(struct index_subjects *subjects, struct bytes subject,
                                      uint64_t hash)
{
    uint32_t id = find_hashed(subjects, subject, hash);

    if (id != INDEX_SUBJECT_NONE)
        return id;
    id = index_names_take(&subjects->names);
    index_names_at(&subjects->names, id)->text = text_add(subjects, id, subject);
    index_tags_add(&subjects->tags, tag_of(hash), id);
    subjects->count++;
    return id;
}

/* ---- removing ------------------------------------------------------------------------------- */

static struct bytes keep_text(struct index_subjects *subjects, struct bytes text)
{
    subjects->retired = heap_resize(subjects->retired, text.size);
    if (text.size > 0)
        memcpy(subjects->retired, text.at, text.size);
    return bytes_of(subjects->retired, text.size);
}

struct bytes index_subjects_retire(struct index_subjects *subjects, uint32_t id)
{
    struct index_text place = index_names_at(&subjects->names, id)->text;
    struct bytes text = keep_text(subjects, index_subjects_text(subjects, id));

    index_tags_remove(&subjects->tags, tag_of(bytes_hash(text, subjects->seed)), id);
    index_names_give(&subjects->names, id);
    subjects->count--;
    if (subjects->count == 0)
        index_subjects_clear(subjects); /* an emptied stream gives its memory back */
    else if (index_texts_drop(&subjects->texts, place))
        empty_page(subjects, place.page);
    return text;
}
