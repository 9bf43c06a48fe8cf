#include "server/stream/consumer_view.h"

#include "base/subject.h"
#include "base/subject_set.h"
#include "storage/index_count.h"
#include "storage/index_here.h"

#define WALK_ASKED 1024u /* messages of a part of a count */

/* What a message of one byte adds to the sizes that the API counts. */
static uint32_t overhead(const struct consumer_view *view)
{
    return stream_stored_size(view->state->config.storage, 0, 0, 1) - 1;
}

struct consumer_message consumer_view_message(const struct consumer_view *view,
                                              const struct index_entry *entry)
{
    return (struct consumer_message){
        .sequence = entry->sequence,
        .time_ns = entry->time_ns,
        .size = entry->stored_size - overhead(view),
        .place_size = entry->record_size,
        .place = entry->place,
        .subject = entry->subject,
    };
}

static struct index_filter to_filter(const struct consumer_filter *filter)
{
    return (struct index_filter){
        .subjects = filter->subjects, .count = filter->count, .distinct = true, .set = filter->set};
}

/* ---- behind the applied state ---------------------------------------------------------------- */

static bool takes(const struct consumer_filter *filter, struct bytes subject)
{
    if (filter->set != NULL)
        return subject_set_matches(filter->set, subject);
    for (size_t i = 0; i < filter->count; i++)
        if (subject_matches(filter->subjects[i], subject))
            return true;
    return filter->count == 0;
}

static struct consumer_message gathered_message(const struct consumer_view *view,
                                                const struct overlay_entry *entry)
{
    return (struct consumer_message){
        .sequence = entry->sequence,
        .time_ns = entry->time_ns,
        .size = entry->stored_size - overhead(view),
        .subject = overlay_entry_subject(view->overlay, entry),
    };
}

static bool gathered_next(const struct consumer_view *view, const struct consumer_filter *filter,
                          uint64_t from, struct consumer_message *out)
{
    const struct overlay_entry *entry = overlay_at_or_after(view->overlay, from);

    for (; entry != NULL; entry = overlay_at_or_after(view->overlay, entry->sequence + 1)) {
        *out = gathered_message(view, entry);
        if (takes(filter, out->subject))
            return true;
    }
    return false;
}

static bool gathered_get(const struct consumer_view *view, uint64_t sequence,
                         struct consumer_message *out)
{
    const struct overlay_entry *entry = overlay_at_or_after(view->overlay, sequence);

    if (entry == NULL || entry->sequence != sequence)
        return false;
    *out = gathered_message(view, entry);
    return true;
}

static uint64_t view_ahead(void *owner, const struct consumer_filter *filter, uint64_t from)
{
    const struct consumer_view *view = owner;
    struct consumer_message message;
    uint64_t count = 0;

    if (!view->tail)
        return 0;
    for (; gathered_next(view, filter, from, &message); from = message.sequence + 1)
        count++;
    return count;
}

/* ---- the questions --------------------------------------------------------------------------- */

static uint64_t view_first(void *owner)
{
    return ((const struct consumer_view *)owner)->state->first_seq;
}

static uint64_t view_last(void *owner)
{
    return ((const struct consumer_view *)owner)->state->last_seq;
}

static bool view_get(void *owner, uint64_t sequence, struct consumer_message *out)
{
    const struct consumer_view *view = owner;
    struct index_entry entry;

    if (!index_get(view->state->index, sequence, &entry))
        return view->tail && gathered_get(view, sequence, out);
    *out = consumer_view_message(view, &entry);
    return true;
}

static bool view_next(void *owner, const struct consumer_filter *filter, uint64_t from,
                      struct consumer_message *out)
{
    const struct consumer_view *view = owner;
    struct index_filter index_filter = to_filter(filter);
    struct index_entry entry;

    if (!index_next(view->state->index, &index_filter, from, &entry))
        return view->tail && gathered_next(view, filter, from, out);
    *out = consumer_view_message(view, &entry);
    return true;
}

static int64_t view_ready(void *owner, const struct consumer_filter *filter, uint64_t from,
                          int64_t now_ns, uint64_t *to)
{
    const struct consumer_view *view = owner;
    struct index_filter index_filter = to_filter(filter);
    struct index_here here;

    *to = UINT64_MAX;
    if (view->bring == NULL || view->state->scratch == NULL)
        return 0;
    index_here_begin(&here, view->state->scratch, now_ns);
    *to = index_here_next(view->state->index, &index_filter, from, &here);
    return index_all_here(&here) ? 0 : view->bring(view->owner, &here);
}

static int64_t view_here(void *owner, const uint64_t *sequences, size_t count, int64_t now_ns)
{
    const struct consumer_view *view = owner;
    struct index_here here;

    if (view->bring == NULL || view->state->scratch == NULL)
        return 0;
    index_here_begin(&here, view->state->scratch, now_ns);
    for (size_t i = 0; i < count && here.count < INDEX_AWAY_MAX; i++)
        index_here_get(view->state->index, sequences[i], &here);
    return index_all_here(&here) ? 0 : view->bring(view->owner, &here);
}

static bool view_previous(void *owner, const struct consumer_filter *filter, uint64_t up_to,
                          struct consumer_message *out)
{
    const struct consumer_view *view = owner;
    struct index_filter index_filter = to_filter(filter);
    struct index_entry entry;

    if (!index_previous(view->state->index, &index_filter, up_to, &entry))
        return false;
    *out = consumer_view_message(view, &entry);
    return true;
}

static bool view_first_at(void *owner, int64_t time_ns, struct consumer_message *out)
{
    const struct consumer_view *view = owner;
    struct index_entry entry;

    if (!index_first_at(view->state->index, time_ns, &entry))
        return false;
    *out = consumer_view_message(view, &entry);
    return true;
}

static uint64_t view_pending(void *owner, const struct consumer_filter *filter, uint64_t from)
{
    const struct consumer_view *view = owner;
    struct index_filter index_filter = to_filter(filter);

    return index_pending(view->state->index, &index_filter, from);
}

static uint64_t view_pending_last(void *owner, const struct consumer_filter *filter, uint64_t from,
                                  uint64_t up_to)
{
    const struct consumer_view *view = owner;
    struct index_filter index_filter = to_filter(filter);

    return index_pending_last(view->state->index, &index_filter, from, up_to);
}

static bool view_is_last(void *owner, uint64_t sequence, uint64_t up_to)
{
    return index_is_last(((const struct consumer_view *)owner)->state->index, sequence, up_to);
}

static bool view_damaged(void *owner, uint64_t sequence)
{
    const struct consumer_view *view = owner;

    if (!lost_has(&view->state->lost, sequence))
        return false;
    if (view->wanted != NULL)
        view->wanted(view->owner, sequence);
    return true;
}

static uint64_t part_of(const struct consumer_view *view)
{
    return view->count_part != 0 ? view->count_part : UINT64_MAX;
}

/* No more than what is here long enough, when all its pieces have to be brought. */
static uint64_t walk_of(const struct consumer_view *view)
{
    bool asks = view->bring != NULL && view->state->scratch != NULL;

    return asks && part_of(view) > WALK_ASKED ? WALK_ASKED : part_of(view);
}

static bool count_here(const struct consumer_view *view, const struct index_filter *filter,
                       uint64_t from, uint64_t names, uint64_t messages, struct index_here *here)
{
    if (view->bring == NULL || view->state->scratch == NULL)
        return true;
    view->here(view->owner, here);
    index_here_count(view->state->index, filter, from, names, messages, here);
    return here->count == 0 || here->broken; /* who reads it finds out */
}

static bool view_count(void *owner, const struct consumer_filter *filter, uint64_t from,
                       uint64_t snapshot, uint64_t *count)
{
    const struct consumer_view *view = owner;
    struct index_filter index_filter = to_filter(filter);
    struct index_count counted;
    struct index_here here;
    bool done;

    if ((snapshot > 0 || filter->count > 0) && /* else it is known */
        !count_here(view, &index_filter, from, part_of(view), part_of(view), &here))
        return false; /* then in parts */
    index_count_begin(&counted, view->state->index, &index_filter, from, snapshot);
    done = index_count_part(&counted, part_of(view));
    *count = counted.count;
    return done;
}

static bool view_count_part(void *owner, const struct consumer_filter *filter, uint64_t snapshot,
                            uint64_t *next, uint64_t *count)
{
    const struct consumer_view *view = owner;
    struct index_filter index_filter = to_filter(filter);
    struct index_here here;

    if (!count_here(view, &index_filter, *next, 0, walk_of(view), &here) &&
        view->bring(view->owner, &here) != 0)
        return false;
    return index_count_walk(view->state->index, &index_filter, snapshot, walk_of(view), next,
                            count);
}

struct consumer_stream consumer_view_stream(struct consumer_view *view, struct bytes name,
                                            uint32_t message_max)
{
    return (struct consumer_stream){
        .owner = view,
        .name = name,
        .until_acked = view->state->config.retention != RETENTION_LIMITS,
        .message_max = message_max,
        .first = view_first,
        .last = view_last,
        .get = view_get,
        .next = view_next,
        .ready = view_ready,
        .here = view_here,
        .ahead = view_ahead,
        .previous = view_previous,
        .first_at = view_first_at,
        .pending = view_pending,
        .pending_last = view_pending_last,
        .is_last = view_is_last,
        .damaged = view_damaged,
        .count = view_count,
        .count_part = view_count_part,
    };
}
