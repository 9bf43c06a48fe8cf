#include "consumers/pending_order.h"

#include "base/heap.h"

#define HEAP_FIRST 16u

/* ---- lists ----------------------------------------------------------------------------------- */

static struct pending_list *list_of(struct pending *pending, enum pending_order order)
{
    return order == PENDING_QUEUED ? &pending->queue : &pending->waiting;
}

static void list_add_last(struct pending *pending, enum pending_order order, uint32_t place)
{
    struct pending_list *list = list_of(pending, order);
    struct pending_entry *entry = pending_entry(pending, place);

    entry->order = order;
    entry->previous = list->last;
    entry->next = 0;
    if (list->last != 0)
        pending_entry(pending, list->last)->next = place;
    else
        list->first = place;
    list->last = place;
}

static void list_add_first(struct pending *pending, enum pending_order order, uint32_t place)
{
    struct pending_list *list = list_of(pending, order);
    struct pending_entry *entry = pending_entry(pending, place);

    entry->order = order;
    entry->previous = 0;
    entry->next = list->first;
    if (list->first != 0)
        pending_entry(pending, list->first)->previous = place;
    else
        list->last = place;
    list->first = place;
}

static void list_remove(struct pending *pending, struct pending_entry *entry)
{
    struct pending_list *list = list_of(pending, entry->order);

    if (entry->previous != 0)
        pending_entry(pending, entry->previous)->next = entry->next;
    else
        list->first = entry->next;
    if (entry->next != 0)
        pending_entry(pending, entry->next)->previous = entry->previous;
    else
        list->last = entry->previous;
}

/* ---- the heap of deadlines ------------------------------------------------------------------- */

static int64_t heap_key(const struct pending *pending, size_t slot)
{
    return pending_entry(pending, pending->heap[slot])->deadline;
}

static void heap_set(struct pending *pending, size_t slot, uint32_t place)
{
    pending->heap[slot] = place;
    pending_entry(pending, place)->previous = (uint32_t)slot;
}

static void heap_up(struct pending *pending, size_t slot, uint32_t place)
{
    int64_t deadline = pending_entry(pending, place)->deadline;

    while (slot > 0 && heap_key(pending, (slot - 1) / 2) > deadline) {
        heap_set(pending, slot, pending->heap[(slot - 1) / 2]);
        slot = (slot - 1) / 2;
    }
    heap_set(pending, slot, place);
}

static void heap_down(struct pending *pending, size_t slot, uint32_t place)
{
    int64_t deadline = pending_entry(pending, place)->deadline;

    for (size_t child; (child = 2 * slot + 1) < pending->heap_count; slot = child) {
        if (child + 1 < pending->heap_count &&
            heap_key(pending, child + 1) < heap_key(pending, child))
            child++;
        if (heap_key(pending, child) >= deadline)
            break;
        heap_set(pending, slot, pending->heap[child]);
    }
    heap_set(pending, slot, place);
}

static void heap_add(struct pending *pending, uint32_t place)
{
    if (pending->heap_count == pending->heap_capacity) {
        pending->heap_capacity =
            pending->heap_capacity == 0 ? HEAP_FIRST : pending->heap_capacity * 2;
        pending->heap = heap_resize(pending->heap, pending->heap_capacity * sizeof(*pending->heap));
    }
    pending_entry(pending, place)->order = PENDING_HEAPED;
    pending->heap_count++;
    heap_up(pending, pending->heap_count - 1, place);
}

static void heap_remove(struct pending *pending, struct pending_entry *entry)
{
    size_t slot = entry->previous;
    uint32_t moved;

    assert(slot < pending->heap_count);
    moved = pending->heap[--pending->heap_count];
    if (slot == pending->heap_count)
        return; /* it was the last itself */
    if (slot > 0 &&
        heap_key(pending, (slot - 1) / 2) > (int64_t)pending_entry(pending, moved)->deadline)
        heap_up(pending, slot, moved);
    else
        heap_down(pending, slot, moved);
}

/* ---- the order ------------------------------------------------------------------------------- */

void pending_order_moved(struct pending *pending, uint32_t from, uint32_t to)
{
    struct pending_entry *entry = pending_entry(pending, to);
    struct pending_list *list;

    switch ((enum pending_order)entry->order) {
    case PENDING_IDLE: return;
    case PENDING_HEAPED: pending->heap[entry->previous] = to; return;
    case PENDING_LISTED:
    case PENDING_QUEUED: break;
    }
    list = list_of(pending, entry->order);
    assert(entry->previous != 0 || list->first == from);
    assert(entry->next != 0 || list->last == from);
    if (entry->previous != 0)
        pending_entry(pending, entry->previous)->next = to;
    else
        list->first = to;
    if (entry->next != 0)
        pending_entry(pending, entry->next)->previous = to;
    else
        list->last = to;
}

void pending_idle(struct pending *pending, uint32_t place)
{
    struct pending_entry *entry = pending_entry(pending, place);

    switch ((enum pending_order)entry->order) {
    case PENDING_IDLE: return;
    case PENDING_HEAPED: heap_remove(pending, entry); break;
    case PENDING_QUEUED: pending->queued--; [[fallthrough]];
    case PENDING_LISTED: list_remove(pending, entry); break;
    }
    entry->order = PENDING_IDLE;
    entry->previous = 0;
    entry->next = 0;
}

static uint64_t ticks_of(int64_t deadline_ns)
{
    int64_t ticks = deadline_ns / PENDING_TICK_NS + (deadline_ns % PENDING_TICK_NS > 0);

    if (ticks < 0)
        return 0;
    return (uint64_t)(ticks < PENDING_DEADLINE_MAX ? ticks : PENDING_DEADLINE_MAX);
}

void pending_wait(struct pending *pending, uint32_t place, int64_t deadline_ns, bool usual)
{
    struct pending_entry *entry = pending_entry(pending, place);
    uint32_t last;

    assert(entry->alive);
    assert(!entry->settling);
    pending_idle(pending, place);
    entry->deadline = ticks_of(deadline_ns);
    last = pending->waiting.last;
    if (usual && (last == 0 || pending_entry(pending, last)->deadline <= entry->deadline))
        list_add_last(pending, PENDING_LISTED, place);
    else
        heap_add(pending, place);
}

void pending_queue(struct pending *pending, uint32_t place)
{
    struct pending_entry *entry = pending_entry(pending, place);

    assert(entry->alive);
    assert(!entry->settling);
    if (entry->order == PENDING_QUEUED)
        return;
    pending_idle(pending, place);
    list_add_last(pending, PENDING_QUEUED, place);
    pending->queued++;
}

void pending_queue_first(struct pending *pending, uint32_t place)
{
    assert(pending_entry(pending, place)->alive);
    assert(!pending_entry(pending, place)->settling);
    pending_idle(pending, place);
    list_add_first(pending, PENDING_QUEUED, place);
    pending->queued++;
}

/* The entry with the earliest deadline, 0: none waits. */
static uint32_t earliest(const struct pending *pending)
{
    uint32_t listed = pending->waiting.first;

    if (pending->heap_count == 0)
        return listed;
    if (listed == 0 || heap_key(pending, 0) < (int64_t)pending_entry(pending, listed)->deadline)
        return pending->heap[0];
    return listed;
}

int64_t pending_deadline(const struct pending *pending)
{
    uint32_t place = earliest(pending);

    return place == 0 ? PENDING_NEVER : pending_entry_deadline(pending_entry(pending, place));
}

uint32_t pending_due(struct pending *pending, int64_t now_ns)
{
    uint32_t place = earliest(pending);

    if (place == 0 || pending_entry_deadline(pending_entry(pending, place)) > now_ns)
        return 0;
    pending_idle(pending, place);
    return place;
}
