#include "server/stream/fast_batches.h"

#include "base/heap.h"

#define SUFFIX       BYTES(".$FI")
#define FLOW_DEFAULT 10

enum operation { START, APPEND, COMMIT, COMMIT_END, PING };

/* ---- replies --------------------------------------------------------------------------------- */

bool fast_mark_is(struct bytes reply)
{
    return reply.size > SUFFIX.size &&
           bytes_equal(bytes_skip(reply, reply.size - SUFFIX.size), SUFFIX);
}

/* Takes the last token off, with the dot before it. */
static bool last_token(struct bytes *rest, struct bytes *token)
{
    size_t at = rest->size;

    while (at > 0 && rest->at[at - 1] != '.')
        at--;
    if (at == 0)
        return false;
    *token = bytes_skip(*rest, at);
    *rest = bytes_take(*rest, at - 1);
    return true;
}

static bool read_operation(struct bytes token, struct fast_mark *mark, uint64_t *operation)
{
    if (!bytes_read_u64(token, operation) || *operation > PING)
        return false;
    mark->ping = *operation == PING;
    mark->end = *operation == COMMIT_END;
    mark->commit = mark->end || *operation == COMMIT;
    return true;
}

static bool number_fits(const struct fast_mark *mark, uint64_t operation)
{
    if (mark->number == 0 || mark->number == UINT64_MAX)
        return false;
    if (mark->number == 1)
        return operation != APPEND && operation != COMMIT_END;
    return operation != START;
}

static bool read_gap(struct bytes token, struct fast_mark *mark)
{
    mark->gap_ok = bytes_equal(token, BYTES("ok"));
    return mark->gap_ok || bytes_equal(token, BYTES("fail"));
}

/* Whatever is not a number asks for the default. */
static uint16_t read_flow(struct bytes token)
{
    uint64_t flow;

    if (!bytes_read_u64(token, &flow) || flow == 0)
        return FLOW_DEFAULT;
    return (uint16_t)(flow < UINT16_MAX ? flow : UINT16_MAX);
}

bool fast_mark_read(struct bytes reply, struct fast_mark *mark)
{
    struct bytes rest = bytes_take(reply, reply.size - SUFFIX.size), token;
    uint64_t operation;

    assert(fast_mark_is(reply));
    if (!last_token(&rest, &token) || !read_operation(token, mark, &operation))
        return false;
    if (!last_token(&rest, &token) || !bytes_read_u64(token, &mark->number) ||
        !number_fits(mark, operation))
        return false;
    if (!last_token(&rest, &token) || !read_gap(token, mark))
        return false;
    if (!last_token(&rest, &token))
        return false;
    mark->flow = read_flow(token);
    return last_token(&rest, &mark->id);
}

/* ---- batches --------------------------------------------------------------------------------- */

static struct bytes key(const void *item)
{
    const struct fast_batch *batch = item;

    return bytes_of(batch->id, batch->id_size);
}

void fast_batches_init(struct fast_batches *batches, uint64_t seed)
{
    *batches = (struct fast_batches){.limits = FAST_LIMITS_DEFAULT};
    table_init(&batches->batches, key, seed);
}

void fast_batches_deinit(struct fast_batches *batches)
{
    fast_batches_clear(batches);
    table_deinit(&batches->batches);
}

void fast_batches_clear(struct fast_batches *batches)
{
    while (batches->oldest != NULL)
        fast_batches_drop(batches, batches->oldest);
}

static struct fast_share *share(struct fast_batches *batches)
{
    return batches->share != NULL ? batches->share : &batches->alone;
}

static void unlink_batch(struct fast_batches *batches, struct fast_batch *batch)
{
    if (batch->older != NULL)
        batch->older->newer = batch->newer;
    else
        batches->oldest = batch->newer;
    if (batch->newer != NULL)
        batch->newer->older = batch->older;
    else
        batches->newest = batch->older;
}

static void link_newest(struct fast_batches *batches, struct fast_batch *batch)
{
    batch->older = batches->newest;
    batch->newer = NULL;
    if (batches->newest != NULL)
        batches->newest->newer = batch;
    else
        batches->oldest = batch;
    batches->newest = batch;
}

struct fast_batch *fast_batches_find(const struct fast_batches *batches, struct bytes id)
{
    return table_find(&batches->batches, id);
}

/* Taken, and given back where it was too much: never above the limit, whoever asks at once. */
static bool take_place(struct fast_batches *batches)
{
    if (atomic_fetch_add(&share(batches)->batches, 1) < batches->limits.batches_total)
        return true;
    atomic_fetch_sub(&share(batches)->batches, 1);
    return false;
}

struct fast_batch *fast_batches_begin(struct fast_batches *batches, const struct fast_mark *mark,
                                      int64_t now_ns)
{
    struct fast_batch *batch;

    assert(mark->id.size <= FAST_ID_MAX);
    if (batches->batches.count >= batches->limits.batches || !take_place(batches))
        return NULL;
    batch = HEAP_NEW(struct fast_batch);
    batch->id_size = (uint8_t)mark->id.size;
    memcpy(batch->id, mark->id.at, mark->id.size);
    batch->every_max = mark->flow;
    batch->every = mark->flow < FAST_FLOW_MAX ? mark->flow : FAST_FLOW_MAX;
    if (batches->batches.count > 0)
        batch->every = 1; /* with others it begins slowly */
    batch->touched_ns = now_ns;
    table_add(&batches->batches, batch);
    link_newest(batches, batch);
    return batch;
}

void fast_batches_touch(struct fast_batches *batches, struct fast_batch *batch, int64_t now_ns)
{
    batch->touched_ns = now_ns;
    unlink_batch(batches, batch);
    link_newest(batches, batch);
}

void fast_batches_drop(struct fast_batches *batches, struct fast_batch *batch)
{
    (void)table_remove(&batches->batches, key(batch));
    unlink_batch(batches, batch);
    atomic_fetch_sub(&share(batches)->batches, 1);
    heap_give(batch);
}

int64_t fast_batches_expire(struct fast_batches *batches, int64_t now_ns)
{
    while (batches->oldest != NULL) {
        int64_t due_ns = batches->oldest->touched_ns + batches->limits.timeout_ns;

        if (due_ns > now_ns)
            return due_ns;
        fast_batches_drop(batches, batches->oldest);
    }
    return 0;
}

/* ---- acks ------------------------------------------------------------------------------------ */

static uint16_t every_max(const struct fast_batches *batches, const struct fast_batch *batch)
{
    size_t max = FAST_FLOW_MAX / batches->batches.count;

    if (max > batch->every_max)
        max = batch->every_max;
    return (uint16_t)(max > 0 ? max : 1);
}

bool fast_batch_ack_due(const struct fast_batches *batches, struct fast_batch *batch)
{
    uint32_t max = every_max(batches, batch), every = batch->every;

    if (batch->stored < batch->acked + every)
        return false;
    batch->acked += (batch->stored - batch->acked) / every * every;
    if (every < max)
        every = every * 2 < max ? every * 2 : max;
    else if (every > max)
        every = every / 2 > max ? every / 2 : max;
    batch->every = (uint16_t)every;
    return true;
}
