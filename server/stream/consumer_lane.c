/*
 * consumer_lane: what a consumer's shell needs only while something goes to the consumer or comes
 * from it, or is timed. Of thousands of consumers most have nothing of it.
 */
#include "base/heap.h"
#include "base/owner.h"
#include "server/stream/stream_priv.h"

static void on_wake(struct timer *timer)
{
    stream_consumer_mark(owner_of(timer, struct consumer_lane, wake)->shell);
}

static void on_retry(struct timer *timer)
{
    stream_consumer_mark(owner_of(timer, struct consumer_lane, retry)->shell);
}

struct consumer_lane *consumer_lane(struct consumer_shell *shell)
{
    struct consumer_lane *lane = shell->lane;

    if (lane != NULL)
        return lane;
    lane = HEAP_NEW(struct consumer_lane);
    lane->shell = shell;
    lane->wake.fire = on_wake;
    lane->retry.fire = on_retry;
    outbox_init(&lane->deliveries, STREAM_PARKED_BYTES_MAX);
    outbox_init(&lane->inbox, CONSUMER_INBOX_BYTES_MAX);
    shell->lane = lane;
    return lane;
}

void consumer_lane_rest(struct consumer_shell *shell)
{
    const struct consumer_lane *lane = shell->lane;

    if (lane != NULL && lane->inbox.count == 0 && lane->deliveries.count == 0 &&
        lane->reader == NULL && !timer_armed(&lane->wake) && !timer_armed(&lane->retry))
        consumer_lane_close(shell);
}

void consumer_lane_close(struct consumer_shell *shell)
{
    struct consumer_lane *lane = shell->lane;
    struct timers *timers = io_timers(stream_io(shell->stream));

    if (lane == NULL)
        return;
    shell->lane = NULL;
    delivery_forsake(lane);
    timers_cancel(timers, &lane->wake);
    timers_cancel(timers, &lane->retry);
    outbox_deinit(&lane->deliveries);
    outbox_deinit(&lane->inbox);
    heap_give(lane);
}
