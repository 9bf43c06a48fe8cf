/*
 * What goes into a flight: which of the batches that wait, where in the file they stand, and the
 * bytes of their write. Nothing is written here.
 */
#include "storage/flaws.h"
#include "storage/flight_priv.h"
#include "storage/memory.h"

#define FLIGHT_MAX (1u << 20) /* bytes of several batches that are written together */

uint64_t flight_file_max(const struct log *log)
{
    return log->memory ? MEMORY_FILE_SIZE : log->store->options.segment_size;
}

/* Whether the next one that waits may stand at `position`, below `limit`. */
static bool fits(const struct log *log, uint64_t position, uint64_t limit)
{
    const struct log_content *next = log->waiting.first;

    return next != NULL && position + batch_size(next->size, position) <= limit;
}

/* What waits and goes into one write, below `limit`, and the first of it in any case. */
static void take_fresh(struct log_flight *flight, uint64_t limit)
{
    struct log *log = flight->log;

    flight->fresh = log->waiting.first;
    flight->fresh_position = flight->end;
    if (limit > flight->end + FLIGHT_MAX)
        limit = flight->end + FLIGHT_MAX;
    do {
        struct log_content *content = queue_take(&log->waiting);

        flight->end += batch_size(content->size, flight->end);
        queue_add(&flight->batches, content);
        flight->kept++;
    } while (fits(log, flight->end, limit));
}

void flight_take(struct log *log)
{
    struct log_flight *flight = log->flight;

    flight->position = log->active->end;
    flight->end = flight->position;
    take_fresh(flight, flight_file_max(log));
}

/* ---- their bytes ----------------------------------------------------------------------------- */

uint32_t flight_place(struct log *log, const struct log_content *content, uint8_t *at,
                      uint64_t position)
{
    struct batch_envelope envelope = {
        .file_id = log->active->id,
        .position = position,
        .durable = log->durable,
        .committed = log->committed,
        .hash = content->hash,
    };

    if (log->phase == LOG_SYNCING && store_flaw(log->store, FLAW_AHEAD_PROVES))
        envelope.durable += log->flight->kept;
    batch_place(at, content->size, &envelope);
    return envelope.size;
}

static void stage(struct log_flight *flight)
{
    struct log *log = flight->log;
    struct buf *staged = &flight->staged;

    *staged = store_buf_take(log->store);
    for (struct log_content *c = flight->fresh; c != NULL; c = c->next) {
        uint64_t position = flight->fresh_position + staged->size;
        uint8_t *at = buf_reserve(staged, batch_size(c->size, position));

        assert(at != NULL); /* FLIGHT_MAX is far below a batch's limit */
        memcpy(at + BATCH_ENVELOPE, log_content_bytes(c).at, c->size);
        buf_commit(staged, flight_place(log, c, at, position));
    }
    flight->bytes = buf_bytes(staged);
}

/* Gives the fresh ones their places in the file. */
static void place_fresh(struct log_flight *flight)
{
    struct log_content *first = flight->fresh;

    if (first->next != NULL)
        stage(flight);
    else
        flight->bytes = bytes_of(
            first->at, flight_place(flight->log, first, first->at, flight->fresh_position));
}

void flight_form(struct log *log)
{
    flight_take(log);
    log->flight->begun_ns = io_now(log->store->io);
    place_fresh(log->flight);
}

/* ---- ahead ----------------------------------------------------------------------------------- */

/* Where the next batch would stand that is written ahead; 0: none is now. */
static uint64_t position_ahead(const struct log *log)
{
    const struct log_flight *flight = log->flight, *ahead = log->ahead;
    const struct log_file *file = log->active;

    if (log->phase != LOG_SYNCING || flight->segment == WITNESS_FAILED || file->condemned)
        return 0;
    if (ahead->segment == WITNESS_WAITING || ahead->segment == WITNESS_FAILED)
        return 0;
    if (log->closed || log->rolls || log->renew || log->skip != NULL || file->ended)
        return 0;
    if (flight->kept < flight->batches.count || ahead->kept < ahead->batches.count)
        return 0; /* cut: the file ends */
    return ahead->batches.count > 0 ? ahead->end : flight->end;
}

/* Nothing is allocated while a sync is under way. */
static uint64_t limit_ahead(const struct log *log)
{
    uint64_t limit = flight_file_max(log);

    return limit < log->active->allocated ? limit : log->active->allocated;
}

bool flight_form_ahead(struct log *log)
{
    struct log_flight *ahead = log->ahead;
    uint64_t position = position_ahead(log);

    if (position == 0 || log->waiting.bytes < log->store->options.ahead_min)
        return false;
    if (!fits(log, position, limit_ahead(log)))
        return false; /* nor what is behind it: order */
    if (ahead->batches.count == 0) {
        ahead->position = log->flight->end;
        ahead->end = ahead->position;
        ahead->begun_ns = io_now(log->store->io);
    }
    take_fresh(ahead, limit_ahead(log));
    place_fresh(ahead);
    return true;
}
