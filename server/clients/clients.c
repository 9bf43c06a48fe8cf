#include "server/clients/client.h"

#include <stdio.h>

#include "base/heap.h"

#define CONNECT_SIZE_MAX (1u << 20) /* memory of one parsed CONNECT */
#define ID_FIRST         4u

void clients_init(struct clients *clients, const struct options *options, const struct info *info,
                  struct logger *logger, uint64_t seed)
{
    size_t pending = (size_t)options->max_pending;

    *clients = (struct clients){
        .options = options,
        .info = info,
        .logger = logger,
        .pending_most = pending,
        .pending_stall = pending / 4 * 3,
        .pending_much = pending / 4 < CLIENTS_MUCH_MAX ? pending / 4 : CLIENTS_MUCH_MAX,
        .trace = options->trace,
        .id_last = ID_FIRST - 1,
    };
    if (options->jetstream && options->jetstream_options.domain != NULL)
        snprintf(clients->domain_api, sizeof(clients->domain_api), "$JS.%s.API.",
                 options->jetstream_options.domain);
    prng_seed(&clients->prng, seed);
    clients->sub_pool.seed = prng_next(&clients->prng);
    arena_init(&clients->arena, CONNECT_SIZE_MAX);
}

void clients_deinit(struct clients *clients)
{
    assert(clients->dirty == NULL);
    assert(clients->retiring_count == 0);
    heap_give(clients->retiring);
    client_subs_pool_deinit(&clients->sub_pool);
    while (clients->spares_count > 0)
        buf_deinit(&clients->spares[--clients->spares_count]);
    arena_deinit(&clients->arena);
}

void clients_in_domain(const struct clients *clients, struct bytes subject, struct buf *to)
{
    struct bytes rest = bytes_skip(subject, strlen(clients->domain_api));

    if (!bytes_starts(rest, BYTES("$KV.")) && !bytes_starts(rest, BYTES("$OBJ.")))
        (void)BUF_ADD(to, "$JS.API.");
    (void)buf_add(to, rest);
}

struct buf clients_spare_take(struct clients *clients)
{
    struct buf buf;

    if (clients->spares_count == 0) {
        buf_init(&buf, SIZE_MAX / 2);
        return buf;
    }
    buf = clients->spares[--clients->spares_count];
    clients->spares_size -= buf.capacity;
    return buf;
}

void clients_spare_give(struct clients *clients, struct buf *buf)
{
    bool keep = buf->capacity > 0 && buf->capacity <= CLIENTS_SPARE_SIZE_MAX &&
                clients->spares_count < CLIENTS_SPARES_MAX &&
                clients->spares_size + buf->capacity <= CLIENTS_SPARE_SUM_MAX;

    if (!keep) {
        buf_release(buf);
        return;
    }
    buf_clear(buf);
    clients->spares[clients->spares_count++] = *buf;
    clients->spares_size += buf->capacity;
    buf_init(buf, SIZE_MAX / 2);
}

/* Of those that hold so much the largest: what grows for a large message mostly grows on. */
static struct buf *find_larger(struct clients *clients, size_t need)
{
    struct buf *found = NULL;

    for (size_t i = 0; i < clients->spares_count; i++) {
        struct buf *spare = &clients->spares[i];

        if (spare->capacity >= need && (found == NULL || spare->capacity > found->capacity))
            found = spare;
    }
    return found;
}

void clients_spare_widen(struct clients *clients, struct buf *buf, size_t size)
{
    size_t need = buf->size + size;
    struct buf *spare, larger;

    if (need <= CLIENTS_WIDEN_MIN || need <= buf->capacity)
        return;
    spare = find_larger(clients, need);
    if (spare == NULL)
        return;
    larger = *spare;
    clients->spares_size -= larger.capacity;
    if (buf->size > 0)
        (void)buf_add(&larger, buf_bytes(buf));
    if (buf->capacity > 0) {
        buf_clear(buf);
        clients->spares_size += buf->capacity;
        *spare = *buf;
    } else {
        *spare = clients->spares[--clients->spares_count];
    }
    *buf = larger;
}

struct client *clients_dirty_next(struct clients *clients)
{
    struct client *client = clients->dirty;

    if (client != NULL) {
        clients->dirty = client->dirty_next;
        client->dirty = false;
    }
    return client;
}

void client_mark(struct client *client)
{
    if (client->dirty)
        return;
    client->dirty = true;
    client->dirty_next = client->clients->dirty;
    client->clients->dirty = client;
}
