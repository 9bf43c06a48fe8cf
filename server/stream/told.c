#include "server/stream/told.h"

#include <assert.h>
#include <string.h>

#include "base/heap.h"

#define CAPACITY_LEAST 16u
#define CAPACITY_KEPT  1024u /* of an empty list */

void told_init(struct told_list *list)
{
    *list = (struct told_list){0};
}

void told_deinit(struct told_list *list)
{
    struct told told;

    while (told_take(list, &told))
        told_drop(&told);
    heap_give(list->at);
    told_init(list);
}

/* At the end there is no room: what was taken before leaves some, or there is to be more. */
static void make_room(struct told_list *list)
{
    if (list->first > list->capacity / 2) {
        memmove(list->at, list->at + list->first, list->count * sizeof *list->at);
        list->first = 0;
        return;
    }
    list->capacity = list->capacity == 0 ? CAPACITY_LEAST : 2 * list->capacity;
    list->at = heap_resize(list->at, list->capacity * sizeof *list->at);
}

static struct bytes copy(struct bytes text)
{
    return text.size > 0 ? heap_copy(text) : bytes_of(NULL, 0);
}

void told_add(struct told_list *list, const struct told *told)
{
    struct told *place;

    if (list->first + list->count == list->capacity)
        make_room(list);
    place = &list->at[list->first + list->count++];
    *place = *told;
    place->text = copy(told->text);
    place->reply = copy(told->reply);
}

/* A burst does not keep its memory. */
static void emptied(struct told_list *list)
{
    list->first = 0;
    if (list->capacity <= CAPACITY_KEPT)
        return;
    heap_give(list->at);
    told_init(list);
}

bool told_take(struct told_list *list, struct told *told)
{
    if (list->count == 0)
        return false;
    *told = list->at[list->first++];
    if (--list->count == 0)
        emptied(list);
    return true;
}

void told_drop(struct told *told)
{
    heap_give((void *)told->text.at);
    heap_give((void *)told->reply.at);
    told->text = told->reply = bytes_of(NULL, 0);
}
