/*
 * What is done with the connections of several shards as with one list, the newest first: whoever
 * is one too many of its account, or of the server, is of those that came last, wherever they are
 * now. Their order in a shard's own list says nothing: who has moved is its first.
 */
#include <stdlib.h>

#include "base/heap.h"
#include "server/clients/connection_priv.h"

struct connections_sorted {
    struct connection **all;
    size_t count;
};

static int compare(const void *a, const void *b)
{
    uint64_t of_a = (*(struct connection *const *)a)->client.id;
    uint64_t of_b = (*(struct connection *const *)b)->client.id;

    return of_a < of_b ? 1 : of_a > of_b ? -1 : 0;
}

static struct connections_sorted sort(struct connections *const *all, unsigned count)
{
    struct connections_sorted sorted = {0};
    size_t size = 0;

    for (unsigned i = 0; i < count; i++)
        size += all[i]->count;
    if (size == 0)
        return sorted;
    sorted.all = heap_take(size * sizeof(struct connection *));
    for (unsigned i = 0; i < count; i++)
        for (struct connection *c = all[i]->all; c != NULL; c = c->next)
            sorted.all[sorted.count++] = c;
    assert(sorted.count == size);
    qsort(sorted.all, size, sizeof(struct connection *), compare);
    return sorted;
}

/* Of few subscriptions who has them hears at once, before anything else that is answered. */
static void auth_changed(struct client *client, const struct auth *before, uint32_t *most)
{
    client_auth_changed(client, before);
    (void)client_check_part(client, most); /* the rest when it is flushed */
}

void connections_auth_changed(struct connections *const *all, unsigned count,
                              const struct auth *before)
{
    struct connections_sorted sorted = sort(all, count);
    uint32_t most = CLIENT_CHECK_PART;

    for (size_t i = 0; i < sorted.count; i++)
        auth_changed(&sorted.all[i]->client, before, &most);
    heap_give(sorted.all);
}

void connections_account_renewed(struct connections *const *all, unsigned count,
                                 const struct auth *auth)
{
    struct connections_sorted sorted = sort(all, count);
    uint32_t most = CLIENT_CHECK_PART;

    for (size_t i = 0; i < sorted.count; i++)
        if (client_account_renewed(&sorted.all[i]->client))
            auth_changed(&sorted.all[i]->client, auth, &most);
    heap_give(sorted.all);
}

void connections_end_surplus(struct connections *const *all, unsigned count, int64_t too_many)
{
    struct connections_sorted sorted = sort(all, count);

    for (size_t i = 0; i < sorted.count && too_many > 0; i++) {
        struct client *client = &sorted.all[i]->client;

        if (client->state != CLIENT_OPEN)
            continue;
        client_end(client, "maximum connections exceeded", "Maximum Connections Exceeded");
        too_many--;
    }
    heap_give(sorted.all);
}
