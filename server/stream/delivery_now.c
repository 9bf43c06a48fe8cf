/*
 * delivery_now: the shortest way of a stored message to a consumer that logs nothing before it
 * leaves. While the consumer's machine works, what it asks for is sent as it asks: the stream has
 * just said where the message is, and the bytes around it are read ahead, so it is neither kept nor
 * looked for again. Whatever stands in the way (something waits already, the receiver is behind,
 * the bytes are not in memory) sends it the long way, by the outbox of its lane.
 */
#include "server/stream/stream_priv.h"

#define AHEAD_MIN (8u << 10)
#define AHEAD_MAX (128u << 10)

#define WAITING_MANY 1024u /* in a lane, for what is read from the disk */

void delivery_now_begin(struct consumer_shell *shell)
{
    assert(!shell->at_hand);
    if (!shell->push)
        return;
    shell->at_hand = true;
    router_congestion_reset(stream_router(shell->stream));
}

static void window_close(struct consumer_shell *shell)
{
    if (shell->lane == NULL || shell->lane->window.at == NULL)
        return;
    shell->lane->window.at = NULL;
    stream_lane_read_back(shell->stream->lane);
}

void delivery_now_end(struct consumer_shell *shell)
{
    if (!shell->at_hand)
        return;
    window_close(shell);
    shell->at_hand = false;
}

/* ---- what is at hand ------------------------------------------------------------------------ */

static struct bytes window_find(const struct consumer_lane *lane, log_place place, size_t size)
{
    uint64_t offset = place - lane->window.place;

    if (lane->window.at == NULL || offset > lane->window.size || size > lane->window.size - offset)
        return bytes_of(NULL, 0);
    return bytes_of(lane->window.at + offset, lane->window.size - offset);
}

/* Further each time, as long as what is wanted next begins in what was read or not far behind. */
static size_t how_far(const struct consumer_lane *lane, log_place place, size_t size)
{
    uint64_t offset = place - lane->window.place;
    size_t ahead = AHEAD_MIN;

    if (lane->window.ahead > 0 && offset <= 2 * lane->window.ahead)
        ahead = 2 * lane->window.ahead;
    if (ahead > AHEAD_MAX)
        ahead = AHEAD_MAX;
    return ahead > size ? ahead : size;
}

/* False: it is not in memory. */
static bool window_read(struct consumer_shell *shell, log_place place, size_t size)
{
    struct stream_lane *read = shell->stream->lane;
    struct consumer_lane *lane = shell->lane;
    size_t ahead = how_far(lane, place, size);
    uint8_t *memory;
    int64_t got;

    window_close(shell);
    memory = stream_lane_read_buffer(read, ahead);
    got = log_read_now(replica_log(shell->stream->replica), place, memory, ahead);
    if (got < (int64_t)size)
        return false;
    lane->window.at = memory;
    lane->window.place = place;
    lane->window.size = (size_t)got;
    lane->window.ahead = ahead;
    stream_lane_read_lent(read);
    return true;
}

/* ---- sending -------------------------------------------------------------------------------- */

/* Looked up anew for each: whoever has had enough leaves with the delivery before. */
bool delivery_route(struct consumer_shell *shell)
{
    struct router_route *route = &shell->lane->route;

    if (route->generation == account_generation(shell->stream->account))
        return route->set != NULL;
    return router_route_find(stream_router(shell->stream), shell->stream->account,
                             consumer_config(shell->consumer)->deliver_subject, route);
}

static bool way_is_free(const struct consumer_shell *shell)
{
    return shell->lane->deliveries.count == 0 && shell->lane->reader == NULL;
}

bool delivery_behind(struct consumer_shell *shell)
{
    if (consumer_lane(shell)->deliveries.count >= WAITING_MANY)
        return true;
    if (delivery_route(shell))
        return router_route_behind(&shell->lane->route);
    return router_congested(stream_router(shell->stream));
}

bool delivery_now(struct consumer_shell *shell, const struct consumer_delivery *delivery)
{
    struct stream *stream = shell->stream;
    struct message message;
    struct effect effect;
    struct bytes bytes;

    if (!shell->at_hand || delivery->place_size == 0 || delivery->headers_only ||
        delivery->headers.size > 0)
        return false;
    (void)consumer_lane(shell);
    if (!way_is_free(shell) || !delivery_route(shell))
        return false;
    bytes = window_find(shell->lane, delivery->place, delivery->place_size);
    if (bytes.size == 0) {
        if (!window_read(shell, delivery->place, delivery->place_size))
            return false;
        bytes = window_find(shell->lane, delivery->place, delivery->place_size);
    }
    if (!delivery_read(shell, delivery->sequence, delivery->place, bytes, &effect))
        return true; /* nor would it be found later */
    message = (struct message){
        .subject = effect.message.subject,
        .route = delivery->to,
        .reply = delivery->ack_reply,
        .headers = effect.message.headers,
        .payload = effect.message.payload,
    };
    if (stream_failed(stream))
        return true;
    if (delivery->sequence >= stream->fresh_from)
        delivery_waited(stream, effect.message.time_ns);
    (void)router_route_publish(stream_router(stream), &shell->lane->route, &message);
    return true;
}
