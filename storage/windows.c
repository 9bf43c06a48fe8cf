#include "storage/windows.h"

#include "base/heap.h"

static void empty(struct window *window)
{
    heap_give((void *)window->bytes.at);
    *window = (struct window){};
}

static size_t bytes_kept(const struct windows *windows)
{
    size_t bytes = 0;

    for (unsigned i = 0; i < WINDOWS_MAX; i++)
        bytes += windows->at[i].bytes.size;
    return bytes;
}

/* The first to go. */
static struct window *oldest(struct windows *windows)
{
    struct window *found = NULL;

    for (unsigned i = 0; i < WINDOWS_MAX; i++) {
        struct window *window = &windows->at[i];

        if (window->log != NULL && (found == NULL || window->used < found->used))
            found = window;
    }
    return found;
}

static struct window *free_window(struct windows *windows)
{
    for (unsigned i = 0; i < WINDOWS_MAX; i++)
        if (windows->at[i].log == NULL)
            return &windows->at[i];
    return NULL;
}

void windows_add(struct windows *windows, const struct log *log, uint64_t place, struct bytes bytes)
{
    while (bytes_kept(windows) > WINDOWS_BYTES_MAX || free_window(windows) == NULL)
        empty(oldest(windows));
    *free_window(windows) =
        (struct window){.log = log, .place = place, .bytes = bytes, .used = ++windows->uses};
}

bool windows_find(struct windows *windows, const struct log *log, uint64_t place, size_t size,
                  struct bytes *bytes)
{
    for (unsigned i = 0; i < WINDOWS_MAX; i++) {
        struct window *window = &windows->at[i];

        if (window->log != log || place < window->place)
            continue;
        if (place - window->place >= window->bytes.size ||
            window->bytes.size - (place - window->place) < size)
            continue;
        window->used = ++windows->uses;
        *bytes = bytes_skip(window->bytes, place - window->place);
        return true;
    }
    return false;
}

void windows_drop(struct windows *windows, const struct log *log)
{
    for (unsigned i = 0; i < WINDOWS_MAX; i++)
        if (windows->at[i].log != NULL && (log == NULL || windows->at[i].log == log))
            empty(&windows->at[i]);
}
