/*
 * jetstream_holding: what the streams that are led here hold, said to the other nodes: each knows
 * what an account uses, also of streams that it has no replica of. It is said now and then, and
 * only what has changed since; so what a node knows of others is a little old.
 */
#include "base/codec.h"
#include "base/owner.h"
#include "server/jetstream/jetstream_cluster_priv.h"

#define HOLDING_SIZE 32u
#define HOLDING_NS   INT64_C(500000000)

static uint32_t nodes_up(struct jetstream_cluster *cluster)
{
    const struct cluster_node *node;
    uint32_t count = 1; /* this one */

    for (size_t at = 0; (node = cluster_next(cluster->cluster, &at)) != NULL;)
        count += node->up && node->jetstream;
    return count;
}

static struct catalogue_holding holding_of(const struct stream *stream)
{
    return (struct catalogue_holding){.bytes = stream_state_bytes(stream_applied(stream)),
                                      .consumers = stream_consumer_count(stream),
                                      .lone = jetstream_lone_consumers(stream)};
}

static bool same(const struct catalogue_holding *a, const struct catalogue_holding *b)
{
    return a->bytes == b->bytes && a->consumers == b->consumers && a->lone == b->lone;
}

static void send(struct jetstream_cluster *cluster, struct buf *body)
{
    if (body->size > 0)
        cluster_tell_all(cluster, JETSTREAM_HOLDING, buf_bytes(body));
    buf_clear(body);
}

static void write(struct jetstream_cluster *cluster, struct buf *body, uint64_t id,
                  const struct catalogue_holding *holding)
{
    uint8_t memory[HOLDING_SIZE], *at = memory;

    at = encode_u64(at, id);
    at = encode_u64(at, holding->bytes);
    at = encode_u64(at, holding->consumers);
    (void)encode_u64(at, holding->lone);
    if (buf_add(body, bytes_of(memory, sizeof memory)))
        return;
    send(cluster, body);
    (void)buf_add(body, bytes_of(memory, sizeof memory));
}

static void say(struct jetstream_cluster *cluster, struct catalogue_entry *entry, struct buf *body)
{
    struct catalogue_holding holding;

    jetstream_entry_is_still(cluster->jetstream, entry);
    if (entry->stream == NULL || !stream_leads(entry->stream)) {
        entry->said = (struct catalogue_holding){0};
        return;
    }
    holding = holding_of(entry->stream);
    if (same(&holding, &entry->said) && !cluster->holding_again)
        return;
    entry->said = holding;
    write(cluster, body, entry->assigned.id, &holding);
}

static void fired(struct timer *timer)
{
    struct jetstream_cluster *cluster = owner_of(timer, struct jetstream_cluster, holding);
    struct io *io = server_io(cluster->jetstream->server);
    uint32_t nodes = nodes_up(cluster);
    struct buf body;

    jetstream_halt(cluster->jetstream);
    buf_init(&body, 1u << 16);
    for (struct catalogue_entry *entry = cluster->jetstream->catalogue.first; entry != NULL;
         entry = entry->next) {
        if (!entry->removed && entry->wished.count < nodes)
            say(cluster, entry, &body);
    }
    send(cluster, &body);
    buf_deinit(&body);
    jetstream_go_on(cluster->jetstream);
    cluster->holding_again = false;
    timers_arm(io_timers(io), timer, io_now(io) + HOLDING_NS);
}

void holding_begin(struct jetstream_cluster *cluster)
{
    struct io *io = server_io(cluster->jetstream->server);

    cluster->holding.fire = fired;
    timers_arm(io_timers(io), &cluster->holding, io_now(io) + HOLDING_NS);
}

void holding_end(struct jetstream_cluster *cluster)
{
    timers_cancel(io_timers(server_io(cluster->jetstream->server)), &cluster->holding);
}

void holding_received(struct jetstream_cluster *cluster, struct bytes body)
{
    struct decoder in;

    decoder_init(&in, body);
    while (in.rest.size >= HOLDING_SIZE) {
        struct catalogue_entry *entry =
            catalogue_find(&cluster->jetstream->catalogue, decode_u64(&in));
        struct catalogue_holding holding;

        holding.bytes = decode_u64(&in);
        holding.consumers = decode_u64(&in);
        holding.lone = decode_u64(&in);
        if (holding.lone > holding.consumers)
            holding.lone = holding.consumers;
        if (entry != NULL && entry->told.bytes != holding.bytes)
            jetstream_quotas_stale(cluster->jetstream);
        if (entry != NULL)
            entry->told = holding;
    }
}
