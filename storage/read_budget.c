#include "storage/read_budget.h"

#include <assert.h>

#define ROUND        32u               /* syncs beside reads, before the window changes */
#define ALONE_WEIGHT 64u               /* so many are the mean */
#define PAUSE_NS     INT64_C(20000000) /* at most, and */
#define PAUSE_SYNCS  4u                /* as soon as so many were alone it is over */
#define PAUSE_EACH   INT64_C(250000000)
#define TAIL_UP      4           /* what a sync is above the tail lifts it by a fourth; */
#define TAIL_DOWN    1024        /* what is below lowers it by a thousandth */
#define GROWTH       (16u << 10) /* of the window, in a round */

bool read_budget_live(const struct read_budget *budget, int64_t now_ns)
{
    return budget->synced_ns > 0 && now_ns - budget->synced_ns < READ_BUDGET_LIVE_NS;
}

static bool pausing(const struct read_budget *budget, int64_t now_ns)
{
    return now_ns < budget->pause_until_ns && budget->paused_alone < PAUSE_SYNCS;
}

/* ---- reads ---------------------------------------------------------------------------------- */

static size_t window_now(const struct read_budget *budget, int64_t now_ns)
{
    return read_budget_live(budget, now_ns) ? budget->window : READ_BUDGET_MAX;
}

size_t read_budget_piece(const struct read_budget *budget, size_t size, int64_t now_ns)
{
    return size > READ_BUDGET_PIECE && read_budget_live(budget, now_ns) ? READ_BUDGET_PIECE : size;
}

bool read_budget_take(struct read_budget *budget, size_t size, int64_t now_ns)
{
    if (read_budget_live(budget, now_ns)) {
        if (now_ns < budget->rests_until_ns || pausing(budget, now_ns))
            return false;
    }
    /* One may go whatever its size, else a small window would never let it. */
    if (budget->reads > 0 && budget->on_way + size > window_now(budget, now_ns))
        return false;
    budget->reads++;
    budget->on_way += size;
    return true;
}

static int64_t rest_behind(const struct read_budget *budget, int64_t took_ns)
{
    int64_t rest;

    if (budget->window >= READ_BUDGET_PIECE)
        return 0;
    if (took_ns > READ_BUDGET_REST_NS)
        return READ_BUDGET_REST_NS;
    rest = took_ns * (int64_t)(READ_BUDGET_PIECE - budget->window) / (int64_t)budget->window;
    return rest < READ_BUDGET_REST_NS ? rest : READ_BUDGET_REST_NS;
}

void read_budget_give(struct read_budget *budget, size_t size, int64_t begun_ns, int64_t now_ns)
{
    assert(budget->reads > 0);
    assert(budget->on_way >= size);

    budget->reads--;
    budget->on_way -= size;
    if (budget->reads == 0)
        budget->idle_since_ns = now_ns;
    if (read_budget_live(budget, now_ns))
        budget->rests_until_ns = now_ns + rest_behind(budget, now_ns - begun_ns);
}

int64_t read_budget_again(const struct read_budget *budget, int64_t now_ns)
{
    int64_t again = now_ns + READ_BUDGET_REST_NS;

    if (budget->rests_until_ns > now_ns && budget->rests_until_ns < again)
        again = budget->rests_until_ns;
    return again;
}

/* ---- syncs ---------------------------------------------------------------------------------- */

/* Where one in about a hundred is above it, both balance. */
static void learn_tail(struct read_budget_kind *kind, int64_t took_ns)
{
    if (took_ns > kind->tail_ns)
        kind->tail_ns += kind->alone < ALONE_WEIGHT ? took_ns - kind->tail_ns
                                                    : (took_ns - kind->tail_ns) / TAIL_UP;
    else
        kind->tail_ns -= kind->tail_ns / TAIL_DOWN;
}

static void learn_alone(struct read_budget_kind *kind, int64_t took_ns)
{
    if (kind->alone < ALONE_WEIGHT)
        kind->alone++;
    kind->alone_ns += (took_ns - kind->alone_ns) / (int64_t)kind->alone;
    learn_tail(kind, took_ns);
}

static void set_window(struct read_budget *budget, size_t window)
{
    if (window > READ_BUDGET_MAX)
        window = READ_BUDGET_MAX;
    if (window < READ_BUDGET_MIN)
        window = READ_BUDGET_MIN;
    budget->window = window;
}

/* So much that a small one is soon large again, and a large one does not jump. */
static size_t growth(size_t window)
{
    return window / 16 < GROWTH ? window / 16 : GROWTH;
}

static bool is_slow(const struct read_budget_kind *kind, int64_t took_ns)
{
    return kind->alone >= ALONE_WEIGHT && took_ns > 2 * kind->tail_ns;
}

static void learn_beside(struct read_budget *budget, struct read_budget_kind *kind, int64_t took_ns)
{
    int64_t sum, fine;

    if (is_slow(kind, took_ns))
        set_window(budget, budget->window * 2 / 3);
    kind->beside_ns += took_ns;
    if (++kind->beside < ROUND)
        return;
    sum = kind->beside_ns;
    fine = kind->alone_ns * 3 / 2 * (int64_t)kind->beside;
    kind->beside_ns = 0;
    kind->beside = 0;
    if (kind->alone == 0)
        return; /* a pause will tell */
    set_window(budget,
               sum > fine ? budget->window * 2 / 3 : budget->window + growth(budget->window));
}

/* Reads pause when it is long ago that a sync was alone. */
static void pause_due(struct read_budget *budget, int64_t now_ns)
{
    if (now_ns < budget->pause_at_ns)
        return;
    budget->pause_at_ns = now_ns + PAUSE_EACH;
    budget->pause_until_ns = now_ns + PAUSE_NS;
    budget->paused_alone = 0;
}

void read_budget_synced(struct read_budget *budget, enum read_budget_sync kind, int64_t begun_ns,
                        int64_t now_ns)
{
    bool alone = budget->reads == 0 && budget->idle_since_ns <= begun_ns;

    if (!read_budget_live(budget, now_ns))
        set_window(budget, READ_BUDGET_FIRST);
    budget->synced_ns = now_ns;
    if (alone) {
        learn_alone(&budget->kinds[kind], now_ns - begun_ns);
        budget->paused_alone++;
        if (!pausing(budget, now_ns))
            budget->pause_at_ns = now_ns + PAUSE_EACH;
    } else {
        learn_beside(budget, &budget->kinds[kind], now_ns - begun_ns);
        pause_due(budget, now_ns);
    }
}
