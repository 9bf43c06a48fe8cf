/* What the owner of a log does with its end: gathers, seals, appends, cuts. flight.c has the way of
 * what was appended to the disk, log_life.c opening and closing. */
#include "storage/log.h"

#include "storage/flaws.h"
#include "storage/store.h"

static_assert(LOG_GATHER_HEAD == BATCH_HEAD, "what log.h promises is what a batch needs");
static_assert(LOG_CUT_MAX + LOG_WAITING_BATCHES_MAX < TAIL_MAX, "what may be cut is known");

void log_check(const struct log *log)
{
    assert(log->durable <= log->appended);
    assert(log->appended - log->durable ==
           log->waiting.count + log->flight->kept + log->ahead->kept);
    assert(log->flight->kept <= log->flight->batches.count);
    assert(log->ahead->kept <= log->ahead->batches.count);
    assert(log->ahead->kept == 0 || log->flight->kept == log->flight->batches.count ||
           log->phase == LOG_TELLING);
    assert(log->ahead->batches.count == 0 || log->phase == LOG_SYNCING ||
           log->phase == LOG_TELLING);
    assert(log->tail.last == log->appended);
    if (log->phase == LOG_IDLE) {
        assert(log->waiting.count == 0);
        assert(log->flight->batches.count == 0);
        assert(log->skip == NULL);
    }
}

/* ---- queues ---------------------------------------------------------------------------------- */

void queue_add(struct log_queue *queue, struct log_content *content)
{
    assert(queue->count == 0 || content->index == queue->last->index + 1);
    content->next = NULL;
    if (queue->last != NULL)
        queue->last->next = content;
    else
        queue->first = content;
    queue->last = content;
    queue->count++;
    queue->bytes += content->size;
}

struct log_content *queue_take(struct log_queue *queue)
{
    struct log_content *content = queue->first;

    assert(content != NULL);
    queue->first = content->next;
    if (queue->first == NULL)
        queue->last = NULL;
    queue->count--;
    queue->bytes -= content->size;
    content->next = NULL;
    return content;
}

void queue_cut(struct log_queue *queue, uint64_t index)
{
    struct log_queue rest = *queue;

    *queue = (struct log_queue){};
    while (rest.count > 0) {
        struct log_content *content = queue_take(&rest);

        if (content->index <= index)
            queue_add(queue, content);
        else
            log_content_drop(content);
    }
}

static struct log_content *queue_find(const struct log_queue *queue, uint64_t index)
{
    struct log_content *content = queue->first;

    if (queue->count > 0 && queue->last->index == index)
        return queue->last;
    while (content != NULL && content->index != index)
        content = content->next;
    return content;
}

/* ---- gathering ------------------------------------------------------------------------------- */

struct buf *log_gather(struct log *log)
{
    if (log->gather.at == NULL) {
        bool begun;

        log->gather = store_buf_take(log->store);
        begun = batch_begin(&log->gather);
        assert(begun); /* the limit is far above the head */
    }
    return &log->gather;
}

size_t log_gathered(const struct log *log)
{
    return log->gather.at == NULL ? 0 : log->gather.size - BATCH_HEAD;
}

void log_gather_drop(struct log *log)
{
    if (log->gather.at != NULL)
        store_buf_give(log->store, &log->gather);
}

bool log_ready(const struct log *log)
{
    return log->appended == log->durable && log->skip == NULL;
}

bool log_ready_ahead(const struct log *log)
{
    size_t gathered = log_gathered(log);

    return gathered >= log->store->options.ahead_min && gathered <= log_append_room(log) &&
           flight_is_large(log);
}

/* ---- appending ------------------------------------------------------------------------------- */

void log_send_later(struct log *log)
{
    struct store *store = log->store;

    if (log->sending)
        return;
    if (log->memory) {
        memory_send_later(log);
        return;
    }
    log->sending = true;
    log->send_next = NULL;
    if (store->send_last != NULL)
        store->send_last->send_next = log;
    else
        store->send_first = log;
    store->send_last = log;
}

/* Takes the caller's reference. */
static void append(struct log *log, struct log_content *content)
{
    assert(!log->closed);
    assert(log->skip == NULL);
    assert(content->index == log->appended + 1);
    assert(content->next == NULL);

    queue_add(&log->waiting, content);
    tail_add(&log->tail, (struct tail_entry){.hash = content->hash, .term = content->term});
    log->appended++;
    if (log->phase == LOG_IDLE) {
        log->phase = LOG_WAITING;
        log_send_later(log);
    } else if (log->phase == LOG_SYNCING) {
        log_send_later(log); /* it may be enough to go ahead */
    }
    log_check(log);
}

size_t log_append_room(const struct log *log)
{
    const struct log_queue *flight = &log->flight->batches, *ahead = &log->ahead->batches;
    size_t bytes = log->waiting.bytes + flight->bytes + ahead->bytes;
    uint32_t count = log->waiting.count + flight->count + ahead->count;

    if (log->skip != NULL)
        return 0;
    if (count == 0)
        return LOG_CONTENT_MAX;
    if (count >= LOG_WAITING_BATCHES_MAX || bytes >= LOG_WAITING_MAX)
        return 0;
    return LOG_WAITING_MAX - bytes;
}

uint64_t log_seal(struct log *log, uint64_t term, int64_t time_ns, uint32_t record_count)
{
    const struct tail_entry *last = tail_at(&log->tail, log->appended);
    struct batch_content head = {
        .term = term,
        .index = log->appended + 1,
        .previous = last->hash,
        .time_ns = time_ns,
        .record_count = record_count,
    };

    assert(record_count > 0);
    assert(log_gathered(log) > 0);
    assert(term >= last->term);
    assert(log_append_room(log) > 0);

    memcpy(head.incarnation, log->incarnation, 16);
    append(log, content_seal(&log->gather, &head));
    log_gather_drop(log);
    return log->appended;
}

enum err log_append_content(struct log *log, struct log_content *content)
{
    const struct tail_entry *last = tail_at(&log->tail, log->appended);
    enum err err;

    if (content->size > log_append_room(log))
        return ERR_FULL;
    err = content_read(content, log->incarnation, log->appended + 1, &last->hash, last->term);
    if (err == OK)
        append(log, log_content_hold(content));
    return err;
}

enum err log_append(struct log *log, struct bytes content)
{
    struct log_content *own;
    enum err err;

    if (content.size > LOG_CONTENT_MAX)
        return ERR_CORRUPT;
    if (content.size > log_append_room(log))
        return ERR_FULL;
    own = log_content_make(content.size);
    memcpy(log_content_memory(own), content.at, content.size);
    err = log_append_content(log, own);
    log_content_drop(own);
    return err;
}

struct log_content *log_content_of(struct log *log, uint64_t index)
{
    struct log_content *content = NULL;

    if (index <= log->appended)
        content = queue_find(&log->waiting, index);
    if (content == NULL && index <= log->appended)
        content = queue_find(&log->flight->batches, index);
    if (content == NULL && index <= log->appended)
        content = queue_find(&log->ahead->batches, index);
    return content;
}

/* ---- cutting --------------------------------------------------------------------------------- */

static void cut_tail(struct log *log, uint64_t index)
{
    if (index >= tail_first(&log->tail)) {
        tail_cut(&log->tail, index);
    } else {
        assert(log->damaged); /* else LOG_CUT_MAX, and not below what is committed */
        assert(index == log->before_lost);
        tail_begin(&log->tail, index, log->before_lost_entry);
    }
    if (index <= log->before_lost)
        log->damaged = false; /* what was lost never happened */
}

void log_cut(struct log *log, uint64_t index)
{
    assert(!log->closed);
    assert(log->skip == NULL);
    assert(index <= log->appended);
    assert(index >= log->block_newest);

    if (index == log->appended)
        return;
    queue_cut(&log->waiting, index);
    flight_cut(log, index);
    cut_tail(log, index);
    log->appended = index;
    log->remains = true;
    if (index < log->durable) {
        log->durable = index;
        log->cut_unnamed = true;
        places_cut(&log->places, index);
        for (uint32_t i = 0; i < log->file_count; i++)
            if (log->files[i] != NULL)
                log_file_cut(log->files[i], index);
        log->read_next = (struct places_mark){};
        if (log->active != NULL && !store_flaw(log->store, FLAW_CUT_IN_PLACE))
            log->active->ended = true;
    }
    flight_look(log);
    log_check(log);
}

bool log_end_unsaid(const struct log *log)
{
    return !log->memory && (log->cut_unnamed || log->ends_short);
}

void log_end_say(struct log *log)
{
    assert(!log->closed);
    if (!log_end_unsaid(log))
        return;
    log->renew = true;
    if (log->phase == LOG_IDLE)
        log_renew(log);
}

void log_skip(struct log *log, struct log_skip_op *op)
{
    assert(!log->closed);
    assert(log->skip == NULL);
    assert(log_ready(log));
    assert(op->index > log->appended);

    log->skip = op;
    if (log->phase == LOG_IDLE) {
        log->phase = LOG_WAITING;
        log_send_later(log);
    }
}

void log_set_committed(struct log *log, uint64_t index)
{
    if (index <= log->committed)
        return;
    log->committed = index;
    tail_forget(&log->tail, index < log->durable ? index : log->durable);
}
