#include "server/stream/ahead.h"

#include "server/stream/stream_priv.h"

#define SECOND_NS  INT64_C(1000000000)
#define WAIT_NS    (2 * SECOND_NS)
#define STEP_MIN   32u
#define STEP_MAX   1024u
#define ALL_AFTER  512u  /* publishes */
#define ALL_PIECES 2048u /* a call of the system for each: half a millisecond */
#define ALL_AWAY   4u
#define AGED_MOST  4096u /* by one operation: the rest by the next */

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

static uint64_t step_of(const struct ahead *ahead, const struct overlay *flying, bool fast)
{
    uint64_t step = fast ? 2 * ahead->step : STEP_MIN;

    step = step > STEP_MAX ? STEP_MAX : step;
    return step > flying->count ? step : flying->count;
}

/* More at a time, the faster they are used up: each is looked at again after a second. */
static void ask_front(struct stream *stream, uint64_t size, bool bytes, struct index_here *here)
{
    const struct overlay *flying = &stream->decider.overlay;
    struct ahead *ahead = &stream->ahead;
    bool fast = here->now_ns - ahead->asked_ns < SECOND_NS; /* goes on behind what is known */
    uint64_t room = bytes ? flying->bytes + size : 0;
    struct index_front front = {.until_ns = INT64_MAX};

    ahead->step = step_of(ahead, flying, fast);
    front.from = fast ? ahead->front_last + 1 : stream->state.first_seq;
    front.messages = ahead->step + (fast ? 0 : flying->count + 1);
    front.bytes = fast ? room : 2 * room;
    index_here_front(stream->state.index, &front, here);
    if (!index_all_here(here))
        return;
    if (!fast) {
        ahead->asked_ns = here->now_ns;
        ahead->left = ahead->left_bytes = 0;
        front.bytes -= flying->bytes < front.bytes ? flying->bytes : front.bytes;
    }
    if (front.last != 0)
        ahead->front_last = front.last;
    ahead->left += ahead->step + 1;
    ahead->left_bytes = front.newest ? UINT64_MAX : ahead->left_bytes + front.bytes;
}

static void limits_here(struct stream *stream, uint64_t size, bool bytes, struct index_here *here)
{
    struct ahead *ahead = &stream->ahead;

    if (ahead->left == 0 || (bytes && ahead->left_bytes < size) ||
        here->now_ns - ahead->asked_ns >= SECOND_NS)
        ask_front(stream, size, bytes, here);
    if (ahead->left > 0)
        ahead->left--;
    ahead->left_bytes -= size < ahead->left_bytes ? size : ahead->left_bytes;
}

/* Who publishes much asks about all at once, and then for a second no more. What has just been
 * written may seem to be away, in a slice that is not full. */
static void ask_all(struct stream *stream, bool removes, int64_t now_ns)
{
    struct ahead *ahead = &stream->ahead;
    struct index_here here;

    if (++ahead->asked < ALL_AFTER)
        return;
    ahead->asked = 0;
    stream_here(stream, &here);
    if (!index_here_adds(stream->state.index, removes, ALL_PIECES, &here))
        return;
    if (!index_all_here(&here)) {
        if (here.count <= ALL_AWAY)
            (void)stream_bring(stream, &here);
        return;
    }
    ahead->all_until_ns = now_ns + SECOND_NS;
    ahead->all_removes = removes;
}

bool stream_ahead_publish(void *owner, struct bytes subject, uint64_t size)
{
    struct stream *stream = owner;
    struct ahead *ahead = &stream->ahead;
    struct stream_state *state = &stream->state;
    int64_t limit = state->config.max_msgs_per_subject;
    struct excess excess;
    struct index_here here;
    bool removes;

    if (state->scratch == NULL)
        return true;
    excess = excess_with(stream, size);
    removes = limit > 0 || excess.messages || excess.bytes;
    stream_here(stream, &here);
    if ((here.now_ns < ahead->all_until_ns && (ahead->all_removes || !removes)) ||
        given_up(&ahead->publish, here.now_ns))
        return true;
    index_here_add(state->index, subject, limit > 0 ? (uint64_t)limit : 0, &here);
    if (excess.messages || excess.bytes)
        limits_here(stream, size, excess.bytes, &here);
    ask_all(stream, removes, here.now_ns);
    if (index_all_here(&here) && ahead->publish.since_ns == 0)
        return true;
    if (here.count > 0)
        stream_ingest_here(stream, &here);
    return settle(stream, &ahead->publish, &here);
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

/* What is due, as far as it can be looked at: with here->scratch NULL all of it. */
static void take_due(struct stream *stream, int64_t now_ns, struct index_here *here)
{
    struct stream_state *state = &stream->state;
    struct ahead *ahead = &stream->ahead;
    struct index_front front = {
        .from = state->aged_below,
        .messages = AGED_MOST,
        .until_ns = now_ns - state->config.max_age_ns,
    };

    if (state->config.max_age_ns > 0)
        index_here_front(state->index, &front, here);
    else
        front.messages = 0;
    ahead->due_ns = now_ns;
    ahead->aged_last = front.last;
    ahead->aged_more = front.messages == AGED_MOST;
    if (!ahead->aged_more)
        (void)expiries_ended(&state->expiries, now_ns, ended_here,
                             &(struct ended){state->index, here});
}

bool stream_ahead_expiry(struct stream *stream, int64_t now_ns)
{
    struct ahead *ahead = &stream->ahead;
    struct index_here here;

    stream_here(stream, &here);
    if (given_up(&ahead->expiry, here.now_ns))
        here.scratch = NULL;
    take_due(stream, now_ns, &here);
    if (!settle(stream, &ahead->expiry, &here))
        return false;
    if (!index_all_here(&here)) { /* else it would be decided for ever that nothing goes */
        stream_here(stream, &here);
        here.scratch = NULL;
        take_due(stream, now_ns, &here);
    }
    return true;
}
