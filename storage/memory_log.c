/* memory_log: making, sending and forgetting logs that are held in memory; memory.h says what they
 * are, flight.c has what they share with those on a disk. */
#include "base/heap.h"
#include "base/owner.h"
#include "storage/memory.h"
#include "storage/store.h"

/* ---- batches -------------------------------------------------------------------------------- */

/* The next batches go to a new file, which follows `base`. */
static void add_file(struct log *log, uint64_t base)
{
    struct log_file *file = log_file_create(log, NULL, memory_create(), store_file_id(log->store));

    file->base = base;
    log_add_file(log, file);
    log->active = file;
    log->rolls = false;
}

/* Everything in the flight stays where it is and counts as written. */
static void place(struct log *log)
{
    struct log_file *file = log->active;
    uint64_t position = log->flight->position;

    for (struct log_content *c = log->flight->batches.first; c != NULL; c = c->next) {
        uint32_t size = flight_place(log, c, c->at, position);

        memory_add(file->memory, position, size, c);
        file->allocated += size;
        position += size;
    }
    file->placed = position;
}

static void send(struct log *log)
{
    if (log->phase != LOG_WAITING)
        return; /* closed or cut meanwhile */
    if (log->skip != NULL) {
        uint64_t base = log->skip->index;

        add_file(log, base);
        flight_skipped(log, base, OK);
        return;
    }
    if (flight_needs_file(log))
        add_file(log, log->durable);
    flight_take(log);
    place(log);
    flight_durable(log);
}

/* ---- the next turn -------------------------------------------------------------------------- */

static void turn_later(struct store *store)
{
    if (!timer_armed(&store->memory_timer))
        timers_arm(io_timers(store->io), &store->memory_timer, io_now(store->io));
}

void memory_send_later(struct log *log)
{
    struct store *store = log->store;

    log->sending = true;
    log->send_next = NULL;
    if (store->memory_last != NULL)
        store->memory_last->send_next = log;
    else
        store->memory_first = log;
    store->memory_last = log;
    turn_later(store);
}

void memory_read_later(struct log *log, struct log_read *read, int64_t result)
{
    struct store *store = log->store;

    read->count = (size_t)result;
    read->next = store->memory_reads;
    store->memory_reads = read;
    turn_later(store);
}

static struct log *first_take(struct store *store)
{
    struct log *log = store->memory_first;

    if (log == NULL)
        return NULL;
    store->memory_first = log->send_next;
    if (store->memory_first == NULL)
        store->memory_last = NULL;
    log->sending = false;
    return log;
}

static void tell_reads(struct store *store)
{
    struct log_read *read = store->memory_reads, *next;

    store->memory_reads = NULL;
    for (; read != NULL; read = next) {
        next = read->next;
        read->file->reads--;
        read->done(read, (int64_t)read->count);
    }
}

/* What comes to wait meanwhile waits for the turn after this one. */
static void turn(struct timer *timer)
{
    struct store *store = owner_of(timer, struct store, memory_timer);
    struct log *last = store->memory_last, *log;

    tell_reads(store);
    while (last != NULL && (log = first_take(store)) != NULL) {
        bool ends = log == last;

        send(log);
        if (ends)
            break;
    }
    if (store->memory_first != NULL)
        turn_later(store);
}

void memory_init(struct store *store)
{
    store->memory_timer.fire = turn;
}

bool memory_idle(const struct store *store)
{
    return store->memory_first == NULL && store->memory_reads == NULL;
}

void memory_forget_log(struct store *store, struct log *gone)
{
    struct log *log, *rest = store->memory_first;

    store->memory_first = NULL;
    store->memory_last = NULL;
    while ((log = rest) != NULL) {
        rest = log->send_next;
        log->sending = false;
        if (log != gone)
            memory_send_later(log);
    }
}

/* ---- making and opening --------------------------------------------------------------------- */

bool log_made_in_memory(const struct store *store, uint64_t log_id)
{
    for (const struct log *log = store->made; log != NULL; log = log->send_next) {
        if (log->id == log_id)
            return true;
    }
    return false;
}

struct log *memory_take(struct store *store, uint64_t log_id)
{
    for (struct log **at = &store->made; *at != NULL; at = &(*at)->send_next) {
        struct log *log = *at;

        if (log->id != log_id)
            continue;
        *at = log->send_next;
        log->send_next = NULL;
        return log;
    }
    return NULL;
}

static bool is_known(const struct store *store, uint64_t log_id)
{
    for (const struct log *log = store->made; log != NULL; log = log->send_next) {
        if (log->id == log_id)
            return true;
    }
    return table_find(&store->logs, bytes_of(&log_id, sizeof log_id)) != NULL;
}

/* As if it had been appended and had become durable. */
static void add_first(struct log *log, struct log_content *content)
{
    struct log_file *file = log->active;
    uint32_t size = flight_place(log, content, content->at, file->end);

    memory_add(file->memory, file->end, size, content);
    places_add(&log->places, content->index, file->end);
    log_file_extend(file, content->index);
    file->end += size;
    file->placed = file->end;
    file->allocated += size;
    tail_add(&log->tail, (struct tail_entry){.hash = content->hash, .term = content->term});
    log->appended = content->index;
    log->durable = content->index;
    log->committed = content->index;
}

enum err log_make_memory(struct store *store, uint64_t log_id, const uint8_t incarnation[16],
                         struct bytes bootstrap)
{
    struct log_hash none = {};
    struct log_content *content = NULL;
    struct log *log;
    enum err err = OK;

    if (is_known(store, log_id))
        return ERR_EXISTS;
    if (bootstrap.size > LOG_CONTENT_MAX)
        return ERR_CORRUPT;
    if (bootstrap.size > 0) {
        content = log_content_make(bootstrap.size);
        memcpy(log_content_memory(content), bootstrap.at, bootstrap.size);
        err = content_read(content, incarnation, 1, &none, 0);
    }
    if (err == OK) {
        log = log_create(store, log_id);
        log->memory = true;
        memcpy(log->incarnation, incarnation, sizeof log->incarnation);
        add_file(log, 0);
        if (content != NULL)
            add_first(log, content);
        log_check(log);
        log->send_next = store->made;
        store->made = log;
    }
    if (content != NULL)
        log_content_drop(content);
    return err;
}

void memory_recover(struct log *log, const struct log_recovery *recovery)
{
    struct log_file *file = log->active;
    const struct log_content *content =
        file->memory->count > 0 ? file->memory->at[0].content : NULL;
    struct log_batch batch;

    if (content == NULL)
        return;
    batch = (struct log_batch){
        .index = content->index,
        .term = content->term,
        .time_ns = content->time_ns,
        .record_count = content->record_count,
        .content = log_content_bytes(content),
        .records = bytes_skip(log_content_bytes(content), BATCH_CONTENT_HEAD),
        .records_place = file->memory->at[0].offset + BATCH_HEAD,
        .hash = content->hash,
        .committed = log->committed,
    };
    recovery->batch(recovery->context, &batch);
}

void memory_forget(struct store *store)
{
    struct log *log;

    if (timer_armed(&store->memory_timer))
        timers_cancel(io_timers(store->io), &store->memory_timer);
    while ((log = store->made) != NULL) {
        store->made = log->send_next;
        log_destroy(log);
    }
}
