#include "consumers/push.h"

#include "base/heap.h"
#include "base/text.h"

#define SECOND_NS 1000000000ull

void push_deinit(struct push *push)
{
    heap_give(push->flow);
    push->flow = NULL;
    push->flow_size = 0;
}

/* ---- flow control ---------------------------------------------------------------------------- */

void push_flow_start(struct push *push)
{
    push->window = PUSH_WINDOW_FIRST;
}

bool push_window_open(const struct push *push, uint64_t ahead)
{
    return push->window == 0 || push->outstanding + ahead <= push->window;
}

bool push_sent(struct push *push, uint64_t bytes)
{
    if (push->window == 0)
        return false;
    push->outstanding += bytes;
    if (push->flow_size == 0)
        return push->outstanding > push->window / 2;
    /* The answer will cover a whole window more than when it was asked for: let it free that,
     * too. */
    if (push->outstanding - push->asked >= push->window)
        push->asked += bytes;
    return false;
}

static char *add(char *at, struct bytes b)
{
    memcpy(at, b.at, b.size);
    return at + b.size;
}

struct bytes push_ask(struct push *push, struct prng *prng, struct bytes stream,
                      struct bytes consumer)
{
    struct bytes prefix = BYTES("$JS.FC.");
    char *at;

    push->flow =
        heap_resize(push->flow, prefix.size + stream.size + consumer.size + 2 + PUSH_FLOW_ID);
    at = add(push->flow, prefix);
    at = add(at, stream);
    *at++ = '.';
    at = add(at, consumer);
    *at++ = '.';
    text_base62(prng, at, PUSH_FLOW_ID);
    push->flow_size = (size_t)(at - push->flow) + PUSH_FLOW_ID;
    push->asked = push->outstanding;
    return push_asked(push);
}

struct bytes push_asked(const struct push *push)
{
    return bytes_of(push->flow, push->flow_size);
}

bool push_confirmed(struct push *push, struct bytes subject)
{
    if (push->flow_size == 0 || !bytes_equal(subject, push_asked(push)))
        return false;
    push->window = push->window < PUSH_WINDOW_MAX / 2 ? push->window * 2 : PUSH_WINDOW_MAX;
    push->outstanding -= push->asked < push->outstanding ? push->asked : push->outstanding;
    push->asked = 0;
    push->flow_size = 0;
    return true;
}

/* ---- rate limit: credit is kept as the time it takes to earn it ------------------------------ */

static int64_t time_of(const struct push *push, uint64_t bytes)
{
    return (int64_t)((unsigned __int128)bytes * SECOND_NS / push->rate);
}

static int64_t credit_at(const struct push *push, int64_t now_ns)
{
    int64_t most = time_of(push, push->burst);
    int64_t earned = now_ns - push->credit_at_ns;

    return earned >= most - push->credit_ns ? most : push->credit_ns + earned;
}

void push_rate_start(struct push *push, uint64_t bits_per_second, uint64_t burst, int64_t now_ns)
{
    push->rate = bits_per_second == 0 ? 0 : (bits_per_second + 7) / 8;
    push->burst = burst > 0 ? burst : 1;
    push->credit_at_ns = now_ns;
    if (push->rate > 0)
        push->credit_ns = time_of(push, push->burst);
}

int64_t push_rate_at(const struct push *push, uint64_t bytes, int64_t now_ns)
{
    int64_t credit, needed;

    if (push->rate == 0)
        return now_ns;
    credit = credit_at(push, now_ns);
    needed = time_of(push, bytes < push->burst ? bytes : push->burst);
    return credit >= needed ? now_ns : now_ns + (needed - credit);
}

void push_rate_take(struct push *push, uint64_t bytes, int64_t now_ns)
{
    if (push->rate == 0)
        return;
    push->credit_ns = credit_at(push, now_ns) - time_of(push, bytes);
    push->credit_at_ns = now_ns;
}
