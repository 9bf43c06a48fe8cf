#include "base/heap.h"
#include "storage/index_priv.h"

#define EXPECT_SUBJECTS 4096u /* fewer stay where the processor has them at hand */
#define COOL_PAGES      16u   /* are lent at a time: more than a range of messages adds */

struct index *index_create(uint64_t seed)
{
    struct index *index = HEAP_NEW(struct index);

    index_blocks_init(&index->blocks, seed);
    index_subjects_init(&index->subjects, seed);
    return index;
}

static void use(struct index *index, struct index_memory memory, unsigned bits)
{
    index_blocks_use(&index->blocks, memory, bits);
    index_subjects_use(&index->subjects, memory, bits);
}

void index_use(struct index *index, struct scratch *scratch, struct index_cache *cache,
               unsigned bits)
{
    use(index, (struct index_memory){.scratch = scratch, .cache = cache}, bits);
    index->failed = scratch != NULL ? scratch_failed(scratch) : NULL;
}

void index_flaw(struct index *index, unsigned flaws)
{
    index->blocks.step_lost = (flaws & INDEX_FLAW_STEP_LOST) != 0;
    index->blocks.before_lost = (flaws & INDEX_FLAW_BEFORE_LOST) != 0;
}

void index_destroy(struct index *index)
{
    if (index == NULL)
        return;
    index_blocks_deinit(&index->blocks);
    index_subjects_deinit(&index->subjects);
    heap_give(index);
}

void index_fill(const struct index *index, uint64_t sequence, const struct index_slot *slot,
                struct index_entry *entry)
{
    *entry = (struct index_entry){
        .sequence = sequence,
        .time_ns = slot->time_ns,
        .place = slot->place,
        .record_size = slot->record_size,
        .stored_size = slot->stored_size,
        .subject = index_subjects_text(&index->subjects, slot->subject),
    };
}

/* ---- adding --------------------------------------------------------------------------------- */

/* The id of the next message's subject. */
static uint32_t name_it(struct index *index, struct bytes subject)
{
    uint32_t guess;

    if (index->guess < index->guess_count) {
        guess = index->guesses[index->guess++];
        if (index_subjects_is(&index->subjects, guess, subject))
            return guess;
    }
    return index_subjects_intern(&index->subjects, subject);
}

void index_bare_add(struct index *index, const struct index_entry *entry)
{
    index_add_named(index, entry, name_it(index, entry->subject));
}

/* When a range has begun: what is oldest makes room for it, the messages' steps before what is
 * known of subjects, which is small and in use. */
static void cool(struct index *index)
{
    for (unsigned i = 0; i < COOL_PAGES && index_memory_pressed(&index->blocks.memory); i++) {
        if (!index_blocks_cool(&index->blocks) && !index_subjects_cool(&index->subjects))
            return;
    }
}

void index_add_named(struct index *index, const struct index_entry *entry, uint32_t subject)
{
    size_t ranges = index->blocks.count;
    struct index_slot *slot;

    assert(entry->sequence > index->sequence_added);

    slot = index_blocks_append(&index->blocks, entry->sequence);
    slot->time_ns = entry->time_ns;
    slot->place = entry->place;
    slot->record_size = entry->record_size;
    slot->stored_size = entry->stored_size;
    slot->subject = subject;
    slot->before = index_names_newest(&index->subjects.names, subject, entry->sequence);
    if (slot->before != 0)
        index_blocks_set_after(&index->blocks, slot->before, entry->sequence);

    index->count++;
    index->bytes += entry->stored_size;
    index->sequence_added = entry->sequence;
    if (index->blocks.count != ranges)
        cool(index);
}

bool index_expects(const struct index *index)
{
    return index->subjects.count >= EXPECT_SUBJECTS;
}

void index_bare_expect(struct index *index, const struct bytes *subjects, size_t count)
{
    uint64_t hashes[INDEX_EXPECT_MAX];

    assert(count <= INDEX_EXPECT_MAX);
    for (size_t i = 0; i < count; i++)
        hashes[i] = index_subjects_hash(&index->subjects, subjects[i]);
    for (size_t i = 0; i < count; i++)
        index->guesses[i] = index_subjects_guess(&index->subjects, hashes[i]);
    for (size_t i = 0; i < count; i++)
        index_blocks_prefetch(&index->blocks,
                              index_subjects_guess_last(&index->subjects, index->guesses[i]));
    index->guess = 0;
    index->guess_count = (uint32_t)count;
}

void index_bare_move(struct index *index, uint64_t sequence, log_place place)
{
    if (index->capture != NULL)
        index_capture_touch(index->capture, sequence);
    index_blocks_set_place(&index->blocks, sequence, place);
}

/* ---- removing ------------------------------------------------------------------------------- */

static void unlink_slot(struct index *index, struct index_name *name, uint64_t sequence,
                        const struct index_slot *slot)
{
    bool first = name->first == sequence; /* what it says of the one before is nothing */

    if (first)
        name->first = slot->after;
    else
        index_blocks_set_after(&index->blocks, slot->before, slot->after);
    if (slot->after == 0)
        name->last = first ? 0 : slot->before;
    else if (!first)
        index_blocks_set_before(&index->blocks, slot->after, slot->before);
    name->count--;
}

bool index_bare_remove(struct index *index, uint64_t sequence, struct index_entry *removed)
{
    struct index_slot slot;
    struct index_name name;

    if (!index_blocks_get(&index->blocks, sequence, &slot))
        return false;
    if (index->capture != NULL)
        index_capture_touch(index->capture, sequence);
    if (removed != NULL)
        index_fill(index, sequence, &slot, removed);

    assert(index->count > 0);
    assert(index->bytes >= slot.stored_size);
    index->count--;
    index->bytes -= slot.stored_size;
    index_names_read(&index->subjects.names, slot.subject, &name);
    unlink_slot(index, &name, sequence, &slot);
    index_names_write(&index->subjects.names, &name);
    index_blocks_remove(&index->blocks, sequence);
    if (name.count == 0) {
        struct bytes subject = index_subjects_retire(&index->subjects, slot.subject);

        if (removed != NULL)
            removed->subject = subject;
    }
    return true;
}

/* It begins anew, as it was used; a capture goes on with what there was. */
static void leave_to_capture(struct index *index)
{
    struct index *gone = HEAP_NEW(struct index);

    *gone = *index;
    index_blocks_init(&index->blocks, gone->subjects.seed);
    index_subjects_init(&index->subjects, gone->subjects.seed);
    use(index, gone->blocks.memory, gone->blocks.bits);
    index->blocks.step_lost = gone->blocks.step_lost;
    index->blocks.before_lost = gone->blocks.before_lost;
    index->capture = NULL;
    index_capture_keep(gone->capture, gone);
}

static uint64_t clear(struct index *index)
{
    uint64_t count = index->count;

    if (index->capture != NULL) {
        leave_to_capture(index);
    } else {
        index_blocks_deinit(&index->blocks);
        index_subjects_clear(&index->subjects);
    }
    index->count = 0;
    index->bytes = 0;
    return count;
}

static void say_removed(const struct index *index, const struct index_entry *entry,
                        void (*removed)(void *context, const struct index_entry *entry),
                        void *context)
{
    struct guard_frame *frame = guard_pause();

    removed(context, entry);
    guard_resume(frame, index->failed);
}

uint64_t index_bare_purge(struct index *index, const struct index_filter *filter, uint64_t below,
                          void (*removed)(void *context, const struct index_entry *entry),
                          void *context)
{
    struct index_name_walk walk;
    const struct index_name *name;
    uint64_t count = 0;

    if (removed == NULL && index_filter_all(filter) && below > index_bare_last(index))
        return clear(index);
    index_names_begin(&walk, index, filter);
    while ((name = index_names_next(&walk)) != NULL) {
        uint64_t left = name->count;

        for (uint64_t sequence = name->first; left > 0 && sequence < below; left--, count++) {
            struct index_entry entry;
            uint64_t after = 0;

            (void)index_blocks_after(&index->blocks, sequence, &after);
            (void)index_bare_remove(index, sequence, &entry); /* it is there: its name says so */
            if (removed != NULL)
                say_removed(index, &entry, removed, context);
            sequence = after;
        }
    }
    return count;
}

/* ---- what is there -------------------------------------------------------------------------- */

uint64_t index_bare_first(const struct index *index)
{
    return index_blocks_first(&index->blocks);
}

uint64_t index_bare_last(const struct index *index)
{
    return index_blocks_last(&index->blocks);
}

bool index_bare_get(const struct index *index, uint64_t sequence, struct index_entry *entry)
{
    struct index_stored stored;

    if (!index_blocks_stored(&index->blocks, sequence, &stored))
        return false;
    *entry = (struct index_entry){
        .sequence = sequence,
        .time_ns = stored.time_ns,
        .place = stored.place,
        .record_size = stored.record_size,
        .stored_size = stored.stored_size,
        .subject = index_subjects_text(&index->subjects, stored.subject),
    };
    return true;
}

bool index_bare_place(const struct index *index, uint64_t sequence, log_place *place,
                      uint32_t *record_size)
{
    struct index_stored stored;

    if (!index_blocks_stored(&index->blocks, sequence, &stored))
        return false;
    *place = stored.place;
    *record_size = stored.record_size;
    return true;
}

void index_bare_subject(const struct index *index, struct bytes subject, struct index_subject *out)
{
    uint32_t id = index_subjects_find(&index->subjects, subject);
    struct index_name name;

    *out = (struct index_subject){0};
    if (id == INDEX_SUBJECT_NONE)
        return;
    index_names_read(&index->subjects.names, id, &name);
    *out = (struct index_subject){.count = name.count, .first = name.first, .last = name.last};
}

bool index_bare_is_last(const struct index *index, uint64_t sequence, uint64_t up_to)
{
    uint64_t after;

    if (sequence > up_to || !index_blocks_after(&index->blocks, sequence, &after))
        return false;
    return after == 0 || after > up_to;
}

void index_bare_subjects(const struct index *index, const struct index_filter *filter,
                         void (*found)(void *context, struct bytes subject,
                                       const struct index_subject *counts),
                         void *context)
{
    struct index_name_walk walk;
    const struct index_name *name;

    index_names_begin(&walk, index, filter);
    while ((name = index_names_next(&walk)) != NULL) {
        struct index_subject counts = {
            .count = name->count, .first = name->first, .last = name->last};
        struct bytes text = index_subjects_text(&index->subjects, name->id);
        struct guard_frame *frame = guard_pause();

        found(context, text, &counts);
        guard_resume(frame, index->failed);
    }
}
