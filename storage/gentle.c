#include "base/owner.h"
#include "storage/store.h"

static void begin(struct store *store, struct log_read *read, int64_t now_ns)
{
    read->begun_ns = now_ns;
    io_read_ahead(store->io, read->file->file, !read_budget_live(&store->gentle.budget, now_ns));
    log_read_begin(read);
}

static struct log_read *take_first(struct gentle *gentle)
{
    struct log_read *read = gentle->first;

    gentle->first = read->next;
    if (gentle->first == NULL)
        gentle->last = NULL;
    read->file->queued--;
    return read;
}

/* A packed file has taken the place of its own meanwhile: it is read whole from that one. */
static void unpack(struct log_read *read)
{
    read->taken = 0;
    log_unpack(read->file->log, read, read->place);
}

static bool may_begin(struct gentle *gentle, const struct log_file *file, size_t piece,
                      int64_t now_ns)
{
    return now_ns >= file->yield_ns && read_budget_take(&gentle->budget, piece, now_ns);
}

static void begin_more(struct store *store)
{
    struct gentle *gentle = &store->gentle;
    int64_t now_ns = io_now(store->io);

    while (gentle->first != NULL) {
        struct log_read *read = gentle->first;
        size_t piece = read_budget_piece(&gentle->budget, read->size - read->count, now_ns);

        if (read->file->pack != NULL) {
            unpack(take_first(gentle));
            continue;
        }
        if (!may_begin(gentle, read->file, piece, now_ns)) {
            timers_arm(io_timers(store->io), &gentle->timer,
                       read_budget_again(&gentle->budget, now_ns));
            return;
        }
        (void)take_first(gentle);
        read->taken = piece;
        begin(store, read, now_ns);
    }
}

static void on_time(struct timer *timer)
{
    begin_more(owner_of(timer, struct store, gentle.timer));
}

void gentle_init(struct store *store)
{
    store->gentle.timer.fire = on_time;
}

void gentle_forget(struct store *store)
{
    timers_cancel(io_timers(store->io), &store->gentle.timer);
}

void gentle_add(struct store *store, struct log_read *read)
{
    struct gentle *gentle = &store->gentle;

    read->next = NULL;
    read->file->queued++;
    if (gentle->last != NULL)
        gentle->last->next = read;
    else
        gentle->first = read;
    gentle->last = read;
    begin_more(store);
}

void gentle_ended(struct store *store, struct log_read *read, bool more)
{
    struct gentle *gentle = &store->gentle;

    read_budget_give(&gentle->budget, read->taken, read->begun_ns, io_now(store->io));
    if (more) { /* before the others: whoever has all of it can send it */
        read->file->queued++;
        read->next = gentle->first;
        gentle->first = read;
        if (gentle->last == NULL)
            gentle->last = read;
    }
    begin_more(store);
}

void gentle_synced(struct store *store, enum read_budget_sync kind, int64_t begun_ns)
{
    read_budget_synced(&store->gentle.budget, kind, begun_ns, io_now(store->io));
    if (store->gentle.first != NULL)
        begin_more(store);
}
