/*
 * Nats-TTL: a message's own end, which its publisher names. What it comes to is part of the effect,
 * so that apply, here and anywhere, reads no headers.
 */
#include "server/stream/decide_priv.h"

#define NANOS INT64_C(1000000000)

/* Only whether it is allowed; an invalid one is found later (decide_check_ttl). */
bool decide_check_ttl_allowed(struct deciding *d)
{
    int64_t seconds;

    if (d->headers.ttl.size == 0 || d->config->allow_msg_ttl)
        return true;
    return !publish_headers_ttl(d->headers.ttl, &seconds) || seconds == 0 ||
           decide_refuse(d, 10166, true);
}

/* A message that ends before the marker of its subject would have could end without leaving one
 * behind, unless it is always the only one. */
static bool ends_too_early(const struct deciding *d, int64_t seconds)
{
    return seconds > 0 && d->config->max_msgs_per_subject != 1 &&
           seconds < d->config->subject_delete_marker_ttl_ns / NANOS;
}

static void raise(struct deciding *d, int64_t seconds)
{
    d->publish.headers =
        publish_headers_with_ttl(d->publish.headers, seconds, &d->decider->ttl_headers);
    publish_headers_read(d->publish.headers, &d->headers);
    d->stored_size = stream_stored_size(d->config->storage, d->publish.subject.size,
                                        d->publish.headers.size, d->publish.payload.size);
}

static int64_t end_of(const struct deciding *d, int64_t seconds)
{
    if (seconds == PUBLISH_TTL_NEVER)
        return EXPIRES_NEVER;
    return seconds < (EFFECT_TIME_MAX - d->now_ns) / NANOS ? d->now_ns + seconds * NANOS
                                                           : EFFECT_TIME_MAX;
}

bool decide_check_ttl(struct deciding *d)
{
    int64_t seconds;

    if (d->headers.ttl.size == 0)
        return true;
    if (!publish_headers_ttl(d->headers.ttl, &seconds))
        return decide_refuse(d, 10165, false);
    if (seconds == 0)
        return true;
    if (ends_too_early(d, seconds)) {
        seconds = d->config->subject_delete_marker_ttl_ns / NANOS;
        raise(d, seconds);
    }
    d->expires_ns = end_of(d, seconds);
    return true;
}
