#include "server/stream/origin.h"

#include <stdio.h>

void origin_init(struct origin *origin, uint64_t taken, int64_t now_ns)
{
    *origin = (struct origin){.taken = taken, .due_ns = now_ns, .active_ns = ORIGIN_NEVER};
}

/* Twice as long each time, and up to a quarter more, so that many do not ask at once. */
static int64_t retry_after(uint32_t failures, uint64_t jitter)
{
    int64_t wait_ns = ORIGIN_RETRY_MIN_NS;

    while (failures-- > 0 && wait_ns < ORIGIN_RETRY_MAX_NS)
        wait_ns *= 2;
    if (wait_ns > ORIGIN_RETRY_MAX_NS)
        wait_ns = ORIGIN_RETRY_MAX_NS;
    return wait_ns + (int64_t)(jitter % (uint64_t)(wait_ns / 4));
}

void origin_failed(struct origin *origin, int64_t now_ns, uint64_t jitter)
{
    origin->phase = ORIGIN_RESTING;
    origin->due_ns = now_ns + retry_after(origin->failures, jitter);
    origin->failures += origin->failures < 64;
}

void origin_refused(struct origin *origin, int64_t now_ns, uint64_t jitter, uint64_t error,
                    const char *text)
{
    origin->stands = 0;
    origin->error_code = 400;
    origin->error = error;
    snprintf(origin->error_text, sizeof origin->error_text, "%s", text);
    origin_failed(origin, now_ns, jitter);
}

bool origin_due(struct origin *origin, int64_t now_ns, uint64_t jitter)
{
    if (now_ns < origin->due_ns)
        return false;
    if (origin->phase == ORIGIN_RESTING)
        return true;
    origin_failed(origin, now_ns, jitter);
    return false;
}

void origin_asked(struct origin *origin, int64_t now_ns)
{
    assert(origin->phase == ORIGIN_RESTING);
    origin->phase = ORIGIN_ASKED;
    origin->due_ns = now_ns + ORIGIN_ASK_NS;
    origin->heard = 0;
}

void origin_alive(struct origin *origin, int64_t now_ns)
{
    origin->active_ns = now_ns;
    origin->due_ns = now_ns + ORIGIN_SILENCE_NS;
    origin->failures = 0;
}

void origin_accepted(struct origin *origin, uint64_t pending, int64_t now_ns)
{
    uint32_t failures = origin->failures;

    origin->phase = ORIGIN_FOLLOWING;
    if (origin->stands == 0) /* else the first heartbeat says */
        origin->error = 0;
    origin->lag = pending;
    origin_alive(origin, now_ns);
    origin->failures = failures; /* until something comes of it */
}

enum origin_came origin_came(const struct origin *origin, const struct ack_subject *ack)
{
    if (ack->consumer_sequence != origin->heard + 1)
        return ORIGIN_GAP;
    return ack->sequence <= origin->taken ? ORIGIN_OLD : ORIGIN_NEXT;
}

void origin_taken(struct origin *origin, const struct ack_subject *ack, int64_t now_ns)
{
    assert(ack->consumer_sequence == origin->heard + 1);
    origin->heard = ack->consumer_sequence;
    if (ack->sequence > origin->taken)
        origin->taken = ack->sequence;
    origin->lag = ack->pending > 0 ? ack->pending - 1 : 0; /* as the reference counts it */
    origin_alive(origin, now_ns);
}

bool origin_stands(struct origin *origin, uint64_t sequence)
{
    if (origin->stands == sequence)
        return false;
    origin->stands = sequence;
    origin->error = 0;
    if (sequence == 0)
        return true;
    origin->error_code = 500;
    origin->error = 10051;
    snprintf(origin->error_text, sizeof origin->error_text, "message %llu is damaged at the origin",
             (unsigned long long)sequence);
    return true;
}

bool origin_heartbeat(struct origin *origin, uint64_t sent, int64_t now_ns)
{
    if (sent != origin->heard)
        return false;
    origin_alive(origin, now_ns);
    return true;
}
