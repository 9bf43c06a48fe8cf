#include "storage/places.h"

#include <assert.h>
#include <string.h>

#include "base/heap.h"

static void mark(struct places *places, uint64_t index, uint64_t place)
{
    if (places->count == places->capacity) {
        places->capacity = places->capacity > 0 ? 2 * places->capacity : 4;
        places->at = heap_resize(places->at, places->capacity * sizeof places->at[0]);
    }
    places->at[places->count++] = (struct places_mark){.index = index, .place = place};
}

void places_deinit(struct places *places)
{
    heap_give(places->at);
    *places = (struct places){};
}

void places_add(struct places *places, uint64_t index, uint64_t place)
{
    const struct places_mark *last = places->count > 0 ? &places->at[places->count - 1] : NULL;

    assert(place > PLACES_GONE);
    assert(last == NULL || index > last->index);
    if (last == NULL || last->place <= PLACES_GONE || place >> 32 != last->place >> 32 ||
        place - last->place >= PLACES_STEP)
        mark(places, index, place);
}

void places_miss(struct places *places, uint64_t index, uint64_t why)
{
    assert(why <= PLACES_GONE);
    assert(places->count == 0 || index > places->at[places->count - 1].index);
    mark(places, index, why);
}

/* How many marks are at or below `index`. */
static uint32_t count_to(const struct places *places, uint64_t index)
{
    uint32_t low = 0, high = places->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (places->at[middle].index <= index)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void places_remove(struct places *places, uint64_t first, uint64_t last)
{
    uint32_t begin = count_to(places, first - 1), end = count_to(places, last);

    assert(begin < end); /* its first batch was marked */
    places->at[begin++] = (struct places_mark){.index = first, .place = PLACES_GONE};
    memmove(&places->at[begin], &places->at[end], (places->count - end) * sizeof places->at[0]);
    places->count -= end - begin;
}

const struct places_mark *places_find(const struct places *places, uint64_t index)
{
    uint32_t count = count_to(places, index);

    return count > 0 ? &places->at[count - 1] : NULL;
}

void places_cut(struct places *places, uint64_t index)
{
    while (places->count > 0 && places->at[places->count - 1].index > index)
        places->count--;
}
