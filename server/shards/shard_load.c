#include "server/shards/shard_load.h"

#define ALIKE 100u /* shares that differ by less are the same */

void shard_meter_read(struct shard_meter *meter, int64_t now_ns, int64_t worked_ns)
{
    int64_t passed = now_ns - meter->since_ns, worked = worked_ns - meter->worked_ns;
    bool first = meter->since_ns == 0;
    unsigned busy;

    meter->since_ns = now_ns;
    meter->worked_ns = worked_ns;
    if (first || passed <= 0 || worked < 0)
        return;
    if (worked > passed)
        worked = passed;
    busy = (unsigned)(worked * SHARD_SHARE / passed);
    meter->moments[meter->moment++ % SHARD_MOMENTS] = busy;
    atomic_store_explicit(&meter->busy, busy, memory_order_relaxed);
}

unsigned shard_meter_lasting(const struct shard_meter *meter)
{
    unsigned least = SHARD_SHARE;

    for (unsigned i = 0; i < SHARD_MOMENTS; i++)
        if (meter->moments[i] < least)
            least = meter->moments[i];
    return least;
}

unsigned shard_with_fewest(const struct shard_loads *loads)
{
    unsigned least = 0;

    for (unsigned i = 1; i < loads->count; i++)
        if (loads->connections[i] < loads->connections[least])
            least = i;
    return least;
}

/* Many may come before what they do shows. */
static bool is_less(const struct shard_loads *loads, unsigned a, unsigned b)
{
    if (loads->busy[a] + ALIKE <= loads->busy[b])
        return true;
    return loads->busy[a] < loads->busy[b] + ALIKE && loads->connections[a] < loads->connections[b];
}

static unsigned least_busy(const struct shard_loads *loads)
{
    unsigned least = 0;

    for (unsigned i = 1; i < loads->count; i++)
        if (is_less(loads, i, least))
            least = i;
    return least;
}

unsigned shard_for_connection(const struct shard_loads *loads)
{
    unsigned least;

    if (loads->home < SHARD_FULL)
        return 0;
    least = least_busy(loads);
    return loads->busy[least] >= SHARD_FULL && loads->count < loads->most ? loads->count : least;
}

#define STREAM_SHARE 25u /* what a new stream may come to do, as long as that does not show */

static unsigned share_at(const struct shard_loads *loads, const struct shard_place *place)
{
    return loads->busy[place->shard] + place->lately * STREAM_SHARE;
}

static bool is_better(const struct shard_loads *loads, const struct shard_place *a,
                      const struct shard_place *b)
{
    unsigned share_a = share_at(loads, a), share_b = share_at(loads, b);

    if (share_a + ALIKE <= share_b)
        return true;
    return share_a < share_b + ALIKE && a->streams < b->streams;
}

unsigned shard_place_for_stream(const struct shard_loads *loads, const struct shard_place *places,
                                unsigned count)
{
    unsigned best = count > 1 ? 1 : 0;

    for (unsigned i = 2; i <= count; i++)
        if (is_better(loads, &places[i % count], &places[best]))
            best = i % count;
    return best;
}

bool shard_wanted_for_stream(const struct shard_loads *loads)
{
    return loads->home >= SHARD_FULL && loads->count < loads->most &&
           loads->busy[least_busy(loads)] >= SHARD_FULL;
}

/* ---- evening out ---------------------------------------------------------------------------- */

static unsigned busiest(const struct shard_loads *loads)
{
    unsigned most = 0;

    for (unsigned i = 1; i < loads->count; i++)
        if (loads->busy[i] > loads->busy[most])
            most = i;
    return most;
}

static bool find_gift(const struct shard_loads *loads, struct shard_gift *gift)
{
    unsigned idle = 0;

    *gift = (struct shard_gift){.from = busiest(loads), .to = least_busy(loads)};
    if (loads->busy[gift->from] < SHARD_TIGHT)
        return false;
    if (loads->busy[gift->to] <= SHARD_IDLE) {
        idle = loads->busy[gift->to];
    } else {
        gift->to = loads->count;
        if (loads->count == loads->most)
            return false;
    }
    gift->share = (loads->busy[gift->from] - idle) * 1000 / (2 * loads->busy[gift->from]);
    return true;
}

bool shard_balance_look(struct shard_balance *balance, const struct shard_loads *loads,
                        struct shard_gift *gift)
{
    if (balance->rest > 0) {
        balance->rest--;
        return false;
    }
    if (!find_gift(loads, gift)) {
        balance->seen = 0;
        return false;
    }
    if (balance->from != gift->from)
        balance->seen = 0;
    balance->from = gift->from;
    if (++balance->seen < SHARD_LOOKS) {
        gift->share = 0;
    } else {
        balance->seen = 0;
        balance->rest = SHARD_REST;
    }
    return true;
}
