#include "base/heap.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn static void out_of_memory(size_t size)
{
    fprintf(stderr, "out of memory: %zu bytes refused\n", size);
    abort();
}

void *heap_take(size_t size)
{
    void *at = calloc(1, size == 0 ? 1 : size);

    if (at == NULL)
        out_of_memory(size);
    return at;
}

void *heap_resize(void *at, size_t size)
{
    /* realloc to 0 may free, or not: never ask. */
    void *moved = realloc(at, size == 0 ? 1 : size);

    if (moved == NULL)
        out_of_memory(size);
    return moved;
}

void heap_give(void *at)
{
    free(at);
}

struct bytes heap_copy(struct bytes b)
{
    return bytes_of(heap_text(b), b.size);
}

char *heap_text(struct bytes b)
{
    char *text;

    assert(b.size < SIZE_MAX);
    text = heap_resize(NULL, b.size + 1);
    if (b.size > 0)
        memcpy(text, b.at, b.size);
    text[b.size] = 0;
    return text;
}
