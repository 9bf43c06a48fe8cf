#include "base/heap.h"
#include "base/io_sim_world.h"

static bool earlier(const struct sim_event *a, const struct sim_event *b)
{
    return a->at_ns < b->at_ns || (a->at_ns == b->at_ns && a->order < b->order);
}

static void swap(struct sim_event *a, struct sim_event *b)
{
    struct sim_event c = *a;

    *a = *b;
    *b = c;
}

void sim_events_deinit(struct sim_events *events)
{
    heap_give(events->heap);
}

void sim_schedule(struct sim *sim, int64_t at_ns,
                  void (*run)(struct sim *sim, void *object, uint64_t generation), void *object,
                  uint64_t generation)
{
    struct sim_events *events = &sim->events;
    size_t at = events->count++;

    assert(at_ns >= sim->now_ns);
    if (events->count > events->capacity) {
        events->capacity = events->capacity == 0 ? 64 : events->capacity * 2;
        events->heap = heap_resize(events->heap, events->capacity * sizeof(*events->heap));
    }
    events->heap[at] = (struct sim_event){at_ns, events->order_next++, run, object, generation};
    while (at > 0 && earlier(&events->heap[at], &events->heap[(at - 1) / 2])) {
        swap(&events->heap[at], &events->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
}

int64_t sim_events_next(const struct sim_events *events)
{
    return events->count > 0 ? events->heap[0].at_ns : SIM_NEVER;
}

struct sim_event sim_events_take(struct sim_events *events)
{
    struct sim_event first = events->heap[0];
    size_t at = 0;

    assert(events->count > 0);
    events->heap[0] = events->heap[--events->count];
    for (;;) {
        size_t least = at;

        for (size_t child = 2 * at + 1; child <= 2 * at + 2; child++)
            if (child < events->count && earlier(&events->heap[child], &events->heap[least]))
                least = child;
        if (least == at)
            return first;
        swap(&events->heap[at], &events->heap[least]);
        at = least;
    }
}
