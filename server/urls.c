#include "server/urls.h"

#include "base/heap.h"
#include "server/listener.h"

void urls_clear(struct urls *urls)
{
    for (size_t i = 0; i < urls->count; i++)
        heap_give((void *)urls->at[i].at);
    heap_give(urls->at);
    *urls = (struct urls){0};
}

static bool has(const struct urls *urls, struct bytes url)
{
    for (size_t i = 0; i < urls->count; i++)
        if (bytes_equal(urls->at[i], url))
            return true;
    return false;
}

void urls_add(struct urls *urls, struct bytes url)
{
    if (urls->count == URLS_MAX || has(urls, url))
        return;
    urls->at = heap_resize(urls->at, (urls->count + 1) * sizeof(*urls->at));
    urls->at[urls->count++] = heap_copy(url);
}

void urls_add_address(struct urls *urls, const char *host, uint16_t port)
{
    char text[300];

    listener_address(text, sizeof(text), host, port);
    urls_add(urls, bytes_of_text(text));
}

bool urls_equal(const struct urls *a, const struct urls *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (!bytes_equal(a->at[i], b->at[i]))
            return false;
    return true;
}
