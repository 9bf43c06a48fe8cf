#include "server/clients/closed_clients.h"

#include "base/heap.h"
#include "server/clients/client.h"

#define CLOSED_MOST 1000000 /* whatever is configured */

void closed_clients_init(struct closed_clients *closed, int64_t max)
{
    *closed = (struct closed_clients){0};
    if (max > 0)
        closed->capacity = max < CLOSED_MOST ? (size_t)max : CLOSED_MOST;
}

void closed_clients_deinit(struct closed_clients *closed)
{
    for (size_t i = 0; i < closed->count; i++)
        heap_give(closed->ring[i]);
    heap_give(closed->ring);
}

/* ---- one record ----------------------------------------------------------------------------- */

/* The subscriptions of a client that are kept. */
struct kept {
    const struct client_sub *subs[CLOSED_SUBS_MAX];
    size_t count;
};

static void keep_subs(struct kept *kept, const struct client *client)
{
    struct client_subs_walk at = {0};
    const struct client_sub *sub;

    while (kept->count < CLOSED_SUBS_MAX && (sub = client_sub_next(client, &at)) != NULL)
        kept->subs[kept->count++] = sub;
}

static size_t texts_size(const struct client_row *row, const struct kept *kept)
{
    size_t size = row->address.size + row->name.size + row->lang.size + row->version.size +
                  row->user.size + row->account.size;

    for (size_t i = 0; i < kept->count; i++)
        size += sub_subject(&kept->subs[i]->sub).size + sub_queue(&kept->subs[i]->sub).size +
                kept->subs[i]->sid_size;
    return size;
}

static struct bytes copy(uint8_t **at, struct bytes b)
{
    struct bytes to = bytes_of(*at, b.size);

    if (b.size > 0)
        memcpy(*at, b.at, b.size);
    *at += b.size;
    return to;
}

struct closed_client *closed_client_record(const struct client_row *row)
{
    struct kept kept = {.count = 0};
    struct closed_client *made;
    struct closed_sub *subs;
    uint8_t *at;

    keep_subs(&kept, row->client);
    made = heap_take(sizeof(*made) + kept.count * sizeof(*subs) + texts_size(row, &kept));
    subs = (struct closed_sub *)(made + 1);
    at = (uint8_t *)(subs + kept.count);
    made->row = *row;
    made->row.client = NULL;
    made->row.address = copy(&at, row->address);
    made->row.name = copy(&at, row->name);
    made->row.lang = copy(&at, row->lang);
    made->row.version = copy(&at, row->version);
    made->row.user = copy(&at, row->user);
    made->row.account = copy(&at, row->account);
    for (size_t i = 0; i < kept.count; i++)
        subs[i] = (struct closed_sub){
            .subject = copy(&at, sub_subject(&kept.subs[i]->sub)),
            .queue = copy(&at, sub_queue(&kept.subs[i]->sub)),
            .sid = copy(&at, client_sub_sid(kept.subs[i])),
            .delivered = kept.subs[i]->delivered,
            .max = kept.subs[i]->max,
        };
    made->row.closed_subs = subs;
    made->row.closed_subs_count = kept.count;
    return made;
}

/* ---- all of them ---------------------------------------------------------------------------- */

void closed_clients_add(struct closed_clients *closed, const struct client_row *row)
{
    assert(row->client != NULL);
    if (closed->capacity == 0)
        return;
    if (closed->ring == NULL)
        closed->ring = heap_take(closed->capacity * sizeof(*closed->ring));
    if (closed->count == closed->capacity)
        heap_give(closed->ring[closed->next]);
    else
        closed->count++;
    closed->ring[closed->next] = closed_client_record(row);
    closed->next = (closed->next + 1) % closed->capacity;
}

const struct client_row *closed_clients_at(const struct closed_clients *closed, size_t place)
{
    size_t oldest = closed->count == closed->capacity ? closed->next : 0;

    assert(place < closed->count);
    return &closed->ring[(oldest + place) % closed->capacity]->row;
}
