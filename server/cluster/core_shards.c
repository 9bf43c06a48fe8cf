#include "server/cluster/core_shards.h"

#include "base/heap.h"
#include "server/cluster/core_wire.h"
#include "server/router/elsewhere.h"

/* ---- noting --------------------------------------------------------------------------------- */

/* What stands before the texts of each. */
struct note {
    struct account_family *family;
    uint32_t subject_size, queue_size;
};

static void lock(pthread_mutex_t *mutex)
{
    int error = pthread_mutex_lock(mutex);

    assert(error == 0);
}

static void unlock(pthread_mutex_t *mutex)
{
    int error = pthread_mutex_unlock(mutex);

    assert(error == 0);
}

/* It has no limit that this could meet. */
static void note_add(struct buf *out, struct account_family *family, struct bytes subject,
                     struct bytes queue)
{
    const struct note note = {family, (uint32_t)subject.size, (uint32_t)queue.size};

    (void)buf_add(out, bytes_of(&note, sizeof(note)));
    (void)buf_add(out, subject);
    (void)buf_add(out, queue);
}

/* Plain subscriptions are there or not, however many. */
static bool is_news(struct bytes queue, uint32_t before, uint32_t count)
{
    return queue.size > 0 || (before == 0) != (count == 0);
}

static void changed(void *owner, struct account *account, struct bytes subject, struct bytes queue,
                    uint32_t count, int by)
{
    struct core_news *news = owner;
    bool first;

    if (!is_news(queue, (uint32_t)((int64_t)count - by), count))
        return;
    lock(&news->lock);
    note_add(&news->noted, account->family, subject, queue);
    first = !atomic_exchange(&news->any, true);
    unlock(&news->lock);
    if (first)
        news->wake(news->owner);
}

/* Of a stream whose lane is there. The system's own are served by each node for itself. */
static void sinks_changed(void *owner, struct account *account, struct bytes subject,
                          uint32_t count, int by)
{
    if (!account_is_system(account))
        changed(owner, account, subject, CORE_SINKS_QUEUE, count, by);
}

void core_news_init(struct core_news *news, void (*wake)(void *owner), void *owner)
{
    int error;

    *news = (struct core_news){.wake = wake, .owner = owner};
    news->remotes =
        (struct router_remotes){.owner = news, .changed = changed, .sinks_changed = sinks_changed};
    error = pthread_mutex_init(&news->lock, NULL);
    assert(error == 0);
    buf_init(&news->noted, SIZE_MAX / 2);
}

void core_news_deinit(struct core_news *news)
{
    pthread_mutex_destroy(&news->lock);
    buf_deinit(&news->noted);
}

void core_news_take(struct core_news *news, struct buf *out)
{
    struct buf empty = *out;

    assert(out->size == 0);
    if (!atomic_load(&news->any))
        return;
    lock(&news->lock);
    *out = news->noted;
    news->noted = empty;
    atomic_store(&news->any, false);
    unlock(&news->lock);
}

bool core_noted_next(struct bytes *rest, struct core_noted *noted)
{
    struct note note;

    if (rest->size == 0)
        return false;
    memcpy(&note, rest->at, sizeof(note));
    *rest = bytes_skip(*rest, sizeof(note));
    noted->account = note.family->members[0];
    noted->subject = bytes_take(*rest, note.subject_size);
    *rest = bytes_skip(*rest, note.subject_size);
    noted->queue = bytes_take(*rest, note.queue_size);
    *rest = bytes_skip(*rest, note.queue_size);
    return true;
}

/* ---- counting ------------------------------------------------------------------------------- */

struct exact {
    struct bytes subject, queue;
    bool sinks;
    uint32_t count;
};

static bool is_of(const struct sub_set *set, bool sinks)
{
    return sinks ? set->kind == SUB_SINK : sub_kind_known(set->kind);
}

static void count_exact(void *context, const struct match *match)
{
    struct exact *exact = context;

    for (uint32_t i = 0; i < match->sets_count; i++) {
        const struct sub_set *set = match->sets[i];

        if (is_of(set, exact->sinks) && bytes_equal(sub_set_subject(set), exact->subject) &&
            (exact->sinks || bytes_equal(sub_set_queue(set), exact->queue)))
            exact->count += sub_set_weight(set);
    }
}

/* A subscription's text, taken as a literal subject, is matched by that subscription. */
static uint32_t count_on(const struct account *account, struct bytes subject, struct bytes queue,
                         struct match *scratch)
{
    struct exact exact = {subject, queue, bytes_equal(queue, CORE_SINKS_QUEUE), 0};

    sublist_look((struct sublist *)&account->subs, subject, scratch, count_exact, &exact);
    return exact.count;
}

uint32_t core_shards_count(const struct account *account, struct bytes subject, struct bytes queue,
                           struct match *scratch)
{
    const struct account_family *family = account->family;
    uint32_t count = 0;

    for (unsigned i = 0; i < family->count; i++)
        count += count_on(family->members[i], subject, queue, scratch);
    return count;
}

/* ---- walking -------------------------------------------------------------------------------- */

/* The texts that one shard has, as notes. */
static void list_texts(const struct account *account, bool sinks, struct buf *out)
{
    const struct sublist *list = &account->subs;
    struct sublist_walk walk = {0};
    const struct sub_set *set;

    lock(&list->guard->lock);
    while ((set = sublist_next(list, &walk)) != NULL)
        if (is_of(set, sinks))
            note_add(out, account->family, sub_set_subject(set),
                     sinks ? CORE_SINKS_QUEUE : sub_set_queue(set));
    unlock(&list->guard->lock);
}

/* Of all shards; 0: one before has some, and they were counted there. */
static uint32_t count_first(const struct account_family *family, unsigned shard,
                            const struct core_noted *noted, struct match *scratch)
{
    for (unsigned i = 0; i < shard; i++)
        if (count_on(family->members[i], noted->subject, noted->queue, scratch) > 0)
            return 0;
    return core_shards_count(family->members[shard], noted->subject, noted->queue, scratch);
}

/* No two locks are held at once. What changes meanwhile is noted. */
void core_shards_walk(const struct account *account, bool sinks, struct match *scratch,
                      void (*interest)(void *context, const struct interest *interest),
                      void *context)
{
    const struct account_family *family = account->family;
    struct core_noted noted;
    struct bytes rest;
    struct buf texts;

    buf_init(&texts, SIZE_MAX / 2);
    for (unsigned i = 0; i < family->count; i++) {
        buf_clear(&texts);
        list_texts(family->members[i], sinks, &texts);
        rest = buf_bytes(&texts);
        while (core_noted_next(&rest, &noted)) {
            uint32_t count = count_first(family, i, &noted, scratch);

            if (count > 0)
                interest(context, &(struct interest){count, noted.subject, noted.queue});
        }
    }
    buf_deinit(&texts);
}
