#include "server/clients/client_subs.h"

#include "base/heap.h"

#define HEAD        offsetof(struct client_sub, sid) /* what pads the struct is text */
#define ROW_BITS    10u
#define ROW         (1u << ROW_BITS)
#define ROW_FIRST   4u
#define SPARSE_MIN  64u /* so few numbers may be as sparse as they like */
#define DIGITS_MAX  18u /* any number of so many fits */
#define NUMBERS_MAX (1u << 30)

void client_subs_pool_deinit(struct client_subs_pool *pool)
{
    assert(pool->slab.blocks == 0);
    slab_deinit(&pool->slab);
}

/* ---- by number ------------------------------------------------------------------------------ */

/* Is it the one text of a number? */
static bool is_number(struct bytes sid, uint64_t *number)
{
    uint64_t sum = 0;

    if (sid.size == 0 || sid.size > DIGITS_MAX || (sid.at[0] == '0' && sid.size > 1))
        return false;
    for (size_t i = 0; i < sid.size; i++) {
        unsigned digit = sid.at[i] - (unsigned)'0';

        if (digit > 9)
            return false;
        sum = sum * 10 + digit;
    }
    *number = sum;
    return true;
}

static uint32_t *place_of(const struct client_subs *subs, uint32_t number)
{
    return &subs->rows[number >> ROW_BITS][number & (ROW - 1)];
}

/* The place of a sid that is one of the numbers, NULL: it is none. */
static uint32_t *number_find(const struct client_subs *subs, struct bytes sid)
{
    uint64_t number;

    if (subs->numbers == 0 || !is_number(sid, &number) || number - subs->first >= subs->numbers)
        return NULL;
    return place_of(subs, (uint32_t)(number - subs->first));
}

/* The only row grows by doubling, as does the list of rows; all further ones are whole. */
static void rows_grow(struct client_subs *subs)
{
    uint32_t numbers = subs->numbers, rows = numbers >> ROW_BITS;

    if (numbers == 0 && subs->rows == NULL) {
        subs->rows = heap_take(sizeof(*subs->rows));
        subs->rows[0] = heap_resize(NULL, ROW_FIRST * sizeof(uint32_t));
    } else if (numbers < ROW) {
        if (numbers >= ROW_FIRST && (numbers & (numbers - 1)) == 0)
            subs->rows[0] = heap_resize(subs->rows[0], numbers * 2 * sizeof(uint32_t));
    } else if (numbers % ROW == 0) {
        if ((rows & (rows - 1)) == 0)
            subs->rows = heap_resize(subs->rows, rows * 2 * sizeof(*subs->rows));
        subs->rows[rows] = heap_resize(NULL, ROW * sizeof(uint32_t));
    }
}

/* May the number stand in the rows: as the first, as the next, or where there was one? */
static bool number_fits(const struct client_subs *subs, uint64_t number)
{
    if (subs->numbers == 0 || number - subs->first < subs->numbers)
        return true;
    return number - subs->first == subs->numbers && subs->numbers < NUMBERS_MAX &&
           (subs->numbers < SPARSE_MIN || subs->taken >= subs->numbers / 8);
}

static void number_add(struct client_subs *subs, uint64_t number, uint32_t id)
{
    if (subs->numbers == 0)
        subs->first = number;
    if (number - subs->first == subs->numbers) {
        rows_grow(subs);
        subs->numbers++;
    }
    *place_of(subs, (uint32_t)(number - subs->first)) = id;
    subs->taken++;
}

static void rows_free(struct client_subs *subs)
{
    for (uint32_t at = 0; subs->rows != NULL && (at == 0 || at < subs->numbers); at += ROW)
        heap_give(subs->rows[at >> ROW_BITS]);
    heap_give(subs->rows);
    subs->rows = NULL;
    subs->numbers = 0;
    subs->taken = 0;
}

/* None is taken. The first few places stay: what comes and goes alone would make and free them each
 * time. */
static void rows_end(struct client_subs *subs)
{
    if (subs->numbers <= ROW_FIRST)
        subs->numbers = 0;
    else
        rows_free(subs);
}

/* ---- by text -------------------------------------------------------------------------------- */

static uint32_t sid_hash(const struct client_subs_pool *pool, struct bytes sid)
{
    return (uint32_t)bytes_hash(sid, pool->seed);
}

static uint32_t other_find(const struct client_subs *subs, const struct client_subs_pool *pool,
                           struct bytes sid)
{
    uint32_t id;

    if (subs->others.count == 0)
        return 0;
    for (struct idtable_look look = idtable_look(&subs->others, sid_hash(pool, sid));
         (id = idtable_like(&look)) != 0;)
        if (bytes_equal(client_sub_sid(slab_at(&pool->slab, id)), sid))
            break;
    return id;
}

/* ---- all ------------------------------------------------------------------------------------ */

struct client_sub *client_subs_find(const struct client_subs *subs,
                                    const struct client_subs_pool *pool, struct bytes sid)
{
    const uint32_t *place = number_find(subs, sid);
    uint32_t id = place != NULL ? *place : other_find(subs, pool, sid);

    return id != 0 ? slab_at(&pool->slab, id) : NULL;
}

struct client_sub *client_subs_add(struct client_subs *subs, struct client_subs_pool *pool,
                                   struct bytes sid)
{
    struct client_sub *sub;
    uint64_t number;
    uint32_t id;

    assert(sid.size < 1u << CLIENT_SID_SIZE_BITS);
    sub = slab_take(&pool->slab, HEAD + sid.size, &id);
    memset(sub, 0, HEAD);
    sub->sid_size = (uint32_t)sid.size & ((1u << CLIENT_SID_SIZE_BITS) - 1);
    memcpy(sub->sid, sid.at, sid.size);
    if (is_number(sid, &number) && number_fits(subs, number))
        number_add(subs, number, id);
    else
        idtable_add(&subs->others, sid_hash(pool, sid), id);
    subs->count++;
    return sub;
}

void client_subs_remove(struct client_subs *subs, struct client_subs_pool *pool,
                        struct client_sub *sub)
{
    struct bytes sid = client_sub_sid(sub);
    uint32_t *place = number_find(subs, sid);
    uint32_t id = place != NULL ? *place : other_find(subs, pool, sid);

    assert(id != 0);
    assert(slab_at(&pool->slab, id) == sub);
    if (place != NULL) {
        *place = 0;
        if (--subs->taken == 0)
            rows_end(subs);
    } else {
        idtable_remove(&subs->others, sid_hash(pool, sid), id);
    }
    subs->count--;
    slab_give(&pool->slab, id);
}

/* The id of the next. */
static uint32_t walk_on(const struct client_subs *subs, struct client_subs_walk *walk)
{
    while (walk->number < subs->numbers) {
        uint32_t id = *place_of(subs, walk->number++);

        if (id != 0)
            return id;
    }
    return idtable_next(&subs->others, &walk->other);
}

void client_subs_remove_all(struct client_subs *subs, struct client_subs_pool *pool)
{
    struct client_subs_walk walk = {0};
    uint32_t id;

    while ((id = walk_on(subs, &walk)) != 0)
        slab_give(&pool->slab, id);
    rows_free(subs);
    idtable_deinit(&subs->others);
    subs->count = 0;
}

struct client_sub *client_subs_next(const struct client_subs *subs,
                                    const struct client_subs_pool *pool,
                                    struct client_subs_walk *walk)
{
    uint32_t id = walk_on(subs, walk);

    return id != 0 ? slab_at(&pool->slab, id) : NULL;
}
