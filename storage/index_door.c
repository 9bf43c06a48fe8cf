/*
 * index_door: the way into an index. What it reads of scratch memory may fail to be read at any
 * step, which leaves the call in its midst (base/guard.h); from then on its index has failed, and
 * answers as one without messages. It is good for nothing but to be destroyed, and whoever has it
 * makes it again from the log; what was in its structures at that moment may be lost with the
 * process, but is not given back twice: no step reads scratch memory between giving something back
 * and forgetting it.
 *
 * An index without scratch memory cannot fail, and goes straight through.
 */
#include "storage/index_capture.h"
#include "storage/index_here.h"
#include "storage/index_priv.h"

bool index_failed(const struct index *index)
{
    return index->failed != NULL && *index->failed;
}

/* It was left in its midst. */
static void interrupted(const struct index *index)
{
    if (index->blocks.memory.cache != NULL)
        index->blocks.memory.cache->interrupted = true;
}

/* Returns what `call` does, or `none`. */
#define PASS(index, type, none, call)                                                              \
    struct guard_frame frame;                                                                      \
    type answer;                                                                                   \
                                                                                                   \
    if ((index)->failed == NULL)                                                                   \
        return call;                                                                               \
    if (*(index)->failed)                                                                          \
        return none;                                                                               \
    if (!guard_enter(&frame)) {                                                                    \
        interrupted(index);                                                                        \
        return none;                                                                               \
    }                                                                                              \
    answer = call;                                                                                 \
    guard_leave();                                                                                 \
    return answer

/* The same of one that returns nothing. */
#define PASS_VOID(index, none, call)                                                               \
    struct guard_frame frame;                                                                      \
                                                                                                   \
    if ((index)->failed == NULL) {                                                                 \
        call;                                                                                      \
    } else if (*(index)->failed) {                                                                 \
        none;                                                                                      \
    } else if (guard_enter(&frame)) {                                                              \
        call;                                                                                      \
        guard_leave();                                                                             \
    } else {                                                                                       \
        interrupted(index);                                                                        \
        none;                                                                                      \
    }

/* ---- changes -------------------------------------------------------------------------------- */

void index_add(struct index *index, const struct index_entry *entry)
{
    PASS_VOID(index, (void)0, index_bare_add(index, entry))
}

void index_expect(struct index *index, const struct bytes *subjects, size_t count)
{
    PASS_VOID(index, (void)0, index_bare_expect(index, subjects, count))
}

void index_move(struct index *index, uint64_t sequence, log_place place)
{
    PASS_VOID(index, (void)0, index_bare_move(index, sequence, place))
}

bool index_remove(struct index *index, uint64_t sequence, struct index_entry *removed)
{
    PASS(index, bool, false, index_bare_remove(index, sequence, removed));
}

uint64_t index_purge(struct index *index, const struct index_filter *filter, uint64_t below,
                     void (*removed)(void *context, const struct index_entry *entry), void *context)
{
    PASS(index, uint64_t, 0, index_bare_purge(index, filter, below, removed, context));
}

/* ---- what is there -------------------------------------------------------------------------- */

uint64_t index_count(const struct index *index)
{
    return index_failed(index) ? 0 : index->count;
}

uint64_t index_bytes(const struct index *index)
{
    return index_failed(index) ? 0 : index->bytes;
}

uint64_t index_subject_count(const struct index *index)
{
    return index_failed(index) ? 0 : index->subjects.count;
}

uint64_t index_first(const struct index *index)
{
    PASS(index, uint64_t, 0, index_bare_first(index));
}

uint64_t index_last(const struct index *index)
{
    PASS(index, uint64_t, 0, index_bare_last(index));
}

bool index_get(const struct index *index, uint64_t sequence, struct index_entry *entry)
{
    PASS(index, bool, false, index_bare_get(index, sequence, entry));
}

bool index_place(const struct index *index, uint64_t sequence, log_place *place,
                 uint32_t *record_size)
{
    PASS(index, bool, false, index_bare_place(index, sequence, place, record_size));
}

bool index_next(const struct index *index, const struct index_filter *filter, uint64_t from,
                struct index_entry *entry)
{
    PASS(index, bool, false, index_bare_next(index, filter, from, entry));
}

bool index_previous(const struct index *index, const struct index_filter *filter, uint64_t up_to,
                    struct index_entry *entry)
{
    PASS(index, bool, false, index_bare_previous(index, filter, up_to, entry));
}

bool index_first_at(const struct index *index, int64_t time_ns, struct index_entry *entry)
{
    PASS(index, bool, false, index_bare_first_at(index, time_ns, entry));
}

void index_subject(const struct index *index, struct bytes subject, struct index_subject *out)
{
    PASS_VOID(index, *out = (struct index_subject){0}, index_bare_subject(index, subject, out))
}

bool index_is_last(const struct index *index, uint64_t sequence, uint64_t up_to)
{
    PASS(index, bool, false, index_bare_is_last(index, sequence, up_to));
}

void index_subjects(const struct index *index, const struct index_filter *filter,
                    void (*found)(void *context, struct bytes subject,
                                  const struct index_subject *counts),
                    void *context){
    PASS_VOID(index, (void)0, index_bare_subjects(index, filter, found, context))}

/* ---- counts --------------------------------------------------------------------------------- */

uint64_t index_pending(const struct index *index, const struct index_filter *filter, uint64_t from)
{
    PASS(index, uint64_t, 0, index_bare_pending(index, filter, from));
}

uint64_t index_pending_last(const struct index *index, const struct index_filter *filter,
                            uint64_t from, uint64_t up_to)
{
    PASS(index, uint64_t, 0, index_bare_pending_last(index, filter, from, up_to));
}

void index_count_begin(struct index_count *count, const struct index *index,
                       const struct index_filter *filter, uint64_t from, uint64_t snapshot)
{
    PASS_VOID(index, (*count = (struct index_count){.index = index, .done = true}),
              index_bare_count_begin(count, index, filter, from, snapshot))
}

bool index_count_part(struct index_count *count, uint64_t most)
{
    PASS(count->index, bool, count->done = true, index_bare_count_part(count, most));
}

bool index_count_walk(const struct index *index, const struct index_filter *filter,
                      uint64_t snapshot, uint64_t most, uint64_t *next, uint64_t *count)
{
    PASS(index, bool, true, index_bare_count_walk(index, filter, snapshot, most, next, count));
}

/* ---- blocks --------------------------------------------------------------------------------- */

bool index_capture_step(struct index_capture *capture, unsigned pieces)
{
    /* Not true, but nobody takes what there is for all. */
    PASS(index_captured(capture), bool, true, index_bare_capture_step(capture, pieces));
}

enum err index_restoring_step(struct index_restoring *reading, unsigned pieces)
{
    PASS(index_restored(reading), enum err, ERR_IO, index_bare_restoring_step(reading, pieces));
}

/* ---- what is away --------------------------------------------------------------------------- */

void index_here_get(const struct index *index, uint64_t sequence, struct index_here *here)
{
    PASS_VOID(index, here->broken = true, index_bare_here_get(index, sequence, here))
}

void index_here_subject(const struct index *index, struct bytes subject, uint64_t from,
                        struct index_here *here){
    PASS_VOID(index, here->broken = true, index_bare_here_subject(index, subject, from, here))}

uint64_t index_here_next(const struct index *index, const struct index_filter *filter,
                         uint64_t from, struct index_here *here)
{
    PASS(index, uint64_t, (here->broken = true, from),
         index_bare_here_next(index, filter, from, here));
}

void index_here_count(const struct index *index, const struct index_filter *filter, uint64_t from,
                      uint64_t names, uint64_t messages, struct index_here *here)
{
    PASS_VOID(index, here->broken = true,
              index_bare_here_count(index, filter, from, names, messages, here))
}

void index_here_add(const struct index *index, struct bytes subject, uint64_t limit,
                    struct index_here *here)
{
    PASS_VOID(index, here->broken = true, index_bare_here_add(index, subject, limit, here))
}

bool index_here_adds(const struct index *index, bool limited, size_t most, struct index_here *here)
{
    PASS(index, bool, (here->broken = true, true),
         index_bare_here_adds(index, limited, most, here));
}

void index_here_remove(const struct index *index, uint64_t sequence, struct index_here *here)
{
    PASS_VOID(index, here->broken = true, index_bare_here_remove(index, sequence, here))
}

void index_here_front(const struct index *index, struct index_front *front, struct index_here *here)
{
    PASS_VOID(index, here->broken = true, index_bare_here_front(index, front, here))
}
