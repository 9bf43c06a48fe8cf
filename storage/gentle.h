/*
 * gentle: reads of replays, in the order they were asked for, each begun when the budget has room
 * for it, beside live traffic a piece at a time (storage/read_budget.h). While there is live
 * traffic the system reads nothing ahead of them: what it would read nobody counts, and no sync
 * comes in between.
 */
#ifndef STORAGE_GENTLE_H
#define STORAGE_GENTLE_H

#include "base/timers.h"
#include "storage/read_budget.h"

struct store;
struct log_read;

/* Of a store; embedded. */
struct gentle {
    struct read_budget budget;
    struct log_read *first, *last; /* wait */
    struct timer timer;
};

void gentle_init(struct store *store);
void gentle_forget(struct store *store);
/* Begins the read, now or later: it goes through log_read_begin. */
void gentle_add(struct store *store, struct log_read *read);
/* What was begun of one has ended; the rest of it is begun as soon as there is room. */
void gentle_ended(struct store *store, struct log_read *read, bool more);
/* Something was synced. */
void gentle_synced(struct store *store, enum read_budget_sync kind, int64_t begun_ns);

#endif
