#include "server/stream/ahead.h"

#include "server/stream/stream_priv.h"

#define SECOND_NS INT64_C(1000000000)
#define WAIT_NS   (2 * SECOND_NS)
#define STEP_MIN  32u
#define STEP_MAX  1024u
#define AGED_MOST 4096u /* by one operation: the rest by the next */

/* ---- waiting -------------------------------------------------------------------------------- */

static bool given_up(const struct ahead_wait *wait, int64_t now_ns)
{
    return wait->given_up_ns != 0 && now_ns - wait->given_up_ns < SECOND_NS;
}

static bool settle(struct stream *stream, struct ahead_wait *wait, const struct index_here *here)
{
    bool away = stream_bring(stream, here) == SCRATCH_AWAY;

    if (away && wait->since_ns == 0)
        wait->since_ns = here->now_ns;
    if (away && here->now_ns - wait->since_ns < WAIT_NS)
        return false;
    if (away)
        wait->given_up_ns = here->now_ns;
    wait->since_ns = 0;
    return true;
}

/* ---- publishing ----------------------------------------------------------------------------- */

struct excess {
    bool messages, bytes;
};

static struct excess excess_with(const struct stream *stream, uint64_t size)
{
    const struct overlay *flying = &stream->decider.overlay;
    const struct stream_config *config = &stream->state.config;
    struct index *index = stream->state.index;

    if (config->discard != DISCARD_OLD)
        return (struct excess){0};
    return (struct excess){
        .messages = config->max_msgs > 0 &&
                    index_count(index) + flying->count >= (uint64_t)config->max_msgs,
        .bytes = config->max_bytes > 0 &&
                 index_bytes(index) + flying->bytes + size > (uint64_t)config->max_bytes,
    };
}

/* More at a time, the faster they are used up: each is looked at again after a second. */
static void ask_front(struct stream *stream, uint64_t size, bool bytes, struct index_here *here)
{
    const struct overlay *flying = &stream->decider.overlay;
    struct ahead *ahead = &stream->ahead;
    bool fast = here->now_ns - ahead->asked_ns < SECOND_NS;
    struct index_front front = {.from = stream->state.first_seq, .until_ns = INT64_MAX};

    ahead->step = fast ? 2 * ahead->step : STEP_MIN;
    if (ahead->step > STEP_MAX)
        ahead->step = STEP_MAX;
    if (ahead->step < STEP_MIN)
        ahead->step = STEP_MIN;
    if (ahead->step < flying->count)
        ahead->step = flying->count;
    front.messages = flying->count + 1 + ahead->step;
    front.bytes = bytes ? 2 * (flying->bytes + size) : 0;
    index_here_front(stream->state.index, &front, here);
    if (!index_all_here(here))
        return;
    ahead->asked_ns = here->now_ns;
    ahead->left = ahead->step + 1;
    ahead->left_bytes =
        front.newest || front.bytes < flying->bytes ? UINT64_MAX : front.bytes - flying->bytes;
}

static void limits_here(struct stream *stream, uint64_t size, struct index_here *here)
{
    struct ahead *ahead = &stream->ahead;
    struct excess excess = excess_with(stream, size);

    if (!excess.messages && !excess.bytes)
        return;
    if (ahead->left == 0 || (excess.bytes && ahead->left_bytes < size) ||
        here->now_ns - ahead->asked_ns >= SECOND_NS) {
        ahead->left = 0;
        ask_front(stream, size, excess.bytes, here);
    }
    if (ahead->left > 0)
        ahead->left--;
    ahead->left_bytes -= size < ahead->left_bytes ? size : ahead->left_bytes;
}

bool stream_ahead_publish(void *owner, struct bytes subject, uint64_t size)
{
    struct stream *stream = owner;
    struct stream_state *state = &stream->state;
    int64_t limit = state->config.max_msgs_per_subject;
    struct index_here here;

    if (state->scratch == NULL)
        return true;
    stream_here(stream, &here);
    if (given_up(&stream->ahead.publish, here.now_ns))
        return true;
    index_here_add(state->index, subject, limit > 0 ? (uint64_t)limit : 0, &here);
    limits_here(stream, size, &here);
    if (index_all_here(&here) && stream->ahead.publish.since_ns == 0)
        return true;
    if (here.count > 0)
        stream_ingest_here(stream, &here);
    return settle(stream, &stream->ahead.publish, &here);
}

/* ---- ages ----------------------------------------------------------------------------------- */

struct ended {
    const struct index *index;
    struct index_here *here;
};

static bool ended_here(void *context, uint64_t sequence)
{
    struct ended *ended = context;

    index_here_remove(ended->index, sequence, ended->here);
    return ended->here->count < INDEX_AWAY_MAX;
}

bool stream_ahead_expiry(struct stream *stream, int64_t now_ns)
{
    struct stream_state *state = &stream->state;
    struct ahead *ahead = &stream->ahead;
    struct index_front front = {.from = state->aged_below, .messages = AGED_MOST};
    struct index_here here;

    stream_here(stream, &here);
    if (given_up(&ahead->expiry, here.now_ns))
        here.scratch = NULL;
    front.until_ns = now_ns - state->config.max_age_ns;
    if (state->config.max_age_ns > 0)
        index_here_front(state->index, &front, &here);
    else
        front.messages = 0;
    ahead->due_ns = now_ns;
    ahead->aged_last = front.last;
    ahead->aged_more = front.messages == AGED_MOST;
    if (!ahead->aged_more)
        (void)expiries_ended(&state->expiries, now_ns, ended_here,
                             &(struct ended){state->index, &here});
    return settle(stream, &ahead->expiry, &here);
}
