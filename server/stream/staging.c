#include "server/stream/staging.h"

#include "base/heap.h"
#include "server/stream/effect.h"

struct head {
    uint32_t subject, headers, payload; /* sizes */
};

static struct bytes key(const void *item)
{
    return staged_id(item);
}

void staging_init(struct staging *staging, uint64_t seed)
{
    *staging = (struct staging){.limits = STAGING_LIMITS_DEFAULT};
    table_init(&staging->batches, key, seed);
}

void staging_deinit(struct staging *staging)
{
    staging_clear(staging);
    table_deinit(&staging->batches);
}

void staging_clear(struct staging *staging)
{
    while (staging->oldest != NULL)
        staging_drop(staging, staging->oldest);
}

static struct staging_share *share(struct staging *staging)
{
    return staging->share != NULL ? staging->share : &staging->alone;
}

/* ---- by age ---------------------------------------------------------------------------------- */

static void unlink_staged(struct staging *staging, struct staged *staged)
{
    if (staged->older != NULL)
        staged->older->newer = staged->newer;
    else
        staging->oldest = staged->newer;
    if (staged->newer != NULL)
        staged->newer->older = staged->older;
    else
        staging->newest = staged->older;
}

static void link_newest(struct staging *staging, struct staged *staged)
{
    staged->older = staging->newest;
    staged->newer = NULL;
    if (staging->newest != NULL)
        staging->newest->newer = staged;
    else
        staging->oldest = staged;
    staging->newest = staged;
}

/* ---- batches --------------------------------------------------------------------------------- */

struct bytes staged_id(const struct staged *staged)
{
    return bytes_of(staged->id, staged->id_size);
}

struct staged *staging_find(const struct staging *staging, struct bytes id)
{
    return table_find(&staging->batches, id);
}

/* Taken, and given back where it was too much: never above the limit, whoever asks at once. */
static bool take_share(_Atomic uint64_t *of, uint64_t amount, uint64_t most)
{
    if (atomic_fetch_add(of, amount) + amount <= most)
        return true;
    atomic_fetch_sub(of, amount);
    return false;
}

struct staged *staging_begin(struct staging *staging, struct bytes id, int64_t now_ns)
{
    struct staged *staged;

    assert(id.size <= STAGED_ID_MAX);
    if (staging->batches.count >= staging->limits.batches ||
        !take_share(&share(staging)->batches, 1, staging->limits.batches_total))
        return NULL;
    staged = HEAP_NEW(struct staged);
    memcpy(staged->id, id.at, id.size);
    staged->id_size = (uint8_t)id.size;
    staged->touched_ns = now_ns;
    buf_init(&staged->messages, SIZE_MAX);
    table_add(&staging->batches, staged);
    link_newest(staging, staged);
    return staged;
}

void staging_drop(struct staging *staging, struct staged *staged)
{
    (void)table_remove(&staging->batches, staged_id(staged));
    unlink_staged(staging, staged);
    atomic_fetch_sub(&share(staging)->batches, 1);
    atomic_fetch_sub(&share(staging)->bytes, staged->messages.size);
    buf_deinit(&staged->messages);
    heap_give(staged);
}

/* ---- messages -------------------------------------------------------------------------------- */

static uint64_t record_bytes(const struct staged_message *message)
{
    return effect_message_size(message->subject.size, message->headers.size, message->payload.size);
}

bool staged_fits(const struct staged *staged, const struct staged_message *message)
{
    return record_bytes(message) <= STAGED_RECORDS_MAX - staged->records;
}

bool staging_add(struct staging *staging, struct staged *staged,
                 const struct staged_message *message, int64_t now_ns)
{
    struct head head = {
        .subject = (uint32_t)message->subject.size,
        .headers = (uint32_t)message->headers.size,
        .payload = (uint32_t)message->payload.size,
    };
    size_t size =
        sizeof head + message->subject.size + message->headers.size + message->payload.size;
    bool fits;

    if (!staged_fits(staged, message) ||
        !take_share(&share(staging)->bytes, size, STAGED_BYTES_MAX))
        return false;
    fits = buf_add(&staged->messages, bytes_of(&head, sizeof head)) &&
           buf_add(&staged->messages, message->subject) &&
           buf_add(&staged->messages, message->headers) &&
           buf_add(&staged->messages, message->payload);
    assert(fits);
    (void)fits;
    staged->records += record_bytes(message);
    staged->count++;
    staged->touched_ns = now_ns;
    unlink_staged(staging, staged);
    link_newest(staging, staged);
    return true;
}

static struct bytes take(const struct staged *staged, size_t *at, size_t size)
{
    struct bytes taken = bytes_take(bytes_skip(buf_bytes(&staged->messages), *at), size);

    *at += size;
    return taken;
}

bool staged_next(const struct staged *staged, size_t *at, struct staged_message *message)
{
    struct head head;

    if (*at == staged->messages.size)
        return false;
    memcpy(&head, take(staged, at, sizeof head).at, sizeof head);
    message->subject = take(staged, at, head.subject);
    message->headers = take(staged, at, head.headers);
    message->payload = take(staged, at, head.payload);
    return true;
}

/* ---- time ------------------------------------------------------------------------------------ */

struct staged *staging_oldest(const struct staging *staging)
{
    return staging->oldest;
}

int64_t staging_deadline(const struct staging *staging, const struct staged *staged)
{
    return staged->touched_ns + staging->limits.timeout_ns;
}
