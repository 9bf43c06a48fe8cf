/* What a traced message does at each of its receivers: it says so in its trace, and if it is only
 * to be traced it is not delivered (reference core.md 7.1). */
#include "server/router/message_trace.h"
#include "server/router/router_parts.h"

/* Why it would not get it; NULL: it would. */
static const char *refusal(const struct client_sub *sub, const struct message *message)
{
    const struct client *client = sub->client;

    if (message->origin == client && !client->echo)
        return "Not delivered because of no echo";
    if (sub->filtered && !permissions_deliver(client->permissions, message->subject))
        return "Not delivered because subscription denies this subject";
    if (client->deaf)
        return "Not delivered because client is closed";
    if (message_trace_only(message->trace))
        return NULL;
    if (client_does_without(client, message))
        return "Not delivered because fast producer not stalled and consumer is slow";
    if (sub->max > 0 && sub->delivered >= sub->max)
        return "Not delivered because auto-unsubscribe exceeded";
    return NULL;
}

/* False: it would not get it. */
static bool deliver_named(struct client_sub *sub, const struct message *message)
{
    const struct client *client = sub->client;
    struct trace_egress egress = {
        .to = {.kind = TRACE_CLIENT, .id = client->id, .name = client_name(client)},
        .account = client->account,
        .subscription = sub_subject(&sub->sub),
        .queue = sub_queue(&sub->sub),
        .error = refusal(sub, message),
    };

    if (egress.error == NULL && !message_trace_only(message->trace) &&
        !client_deliver(sub, message))
        egress.error = "Not delivered because client is closed"; /* it had no room */
    message_trace_left(message->trace, &egress);
    return egress.error == NULL;
}

bool deliver_traced(struct delivery *delivery, struct client_sub *sub)
{
    const struct message *message = delivery->message;
    enum trace_export export = message_trace_exported(message->trace);

    /* What takes a moment to leave the index is none of its receivers any more. */
    if (sub->client->leaving || !client_sub_stands(sub))
        return client_deliver(sub, message);
    if (export != TRACE_HOME)
        message_trace_exports(message->trace, sub->client->account, message_sent_to(message));
    if (export != TRACE_EXPORTED_UNTRACED)
        return deliver_named(sub, message);
    return message_trace_only(message->trace) || client_deliver(sub, message);
}

/* It may be kept there: nobody is to be told in this account when it is delivered. */
static void deliver_sink_untraced(const struct sink *sink, struct message message)
{
    struct buf headers;

    message.headers =
        trace_headers_set(message.headers, TRACE_DEST, TRACE_DISABLED, false, &headers);
    message.trace = NULL;
    sink->deliver(sink->owner, &message);
    buf_deinit(&headers);
}

bool deliver_sink_traced(struct delivery *delivery, struct sink *sink)
{
    const struct message *message = delivery->message;

    if (message_trace_exported(message->trace) != TRACE_EXPORTED_UNTRACED)
        sink->deliver(sink->owner, message);
    else if (!message_trace_only(message->trace))
        deliver_sink_untraced(sink, *message);
    return true;
}

/* ---- other nodes ---------------------------------------------------------------------------- */

/* It is a message like any other there. */
static bool deliver_untraced(struct delivery *delivery, const struct remote_delivery *remote,
                             struct trace_egress *egress, size_t *waiting)
{
    const struct router_remotes *remotes = delivery->router->remotes;
    struct message message = *delivery->message;
    struct buf headers;
    bool sent;

    if (!message_trace_unfollowed(message.trace, egress))
        return false;
    message.headers =
        trace_headers_set(message.headers, TRACE_DEST, TRACE_DISABLED, false, &headers);
    sent = remotes->deliver(remotes->owner, delivery->account, &message, remote, waiting);
    buf_deinit(&headers);
    return sent;
}

bool deliver_remote_traced(struct delivery *delivery, const struct remote_delivery *remote,
                           size_t *waiting)
{
    const struct router_remotes *remotes = delivery->router->remotes;
    struct message message = *delivery->message;
    struct trace_egress egress = {.to = {.kind = TRACE_ROUTE}};
    struct buf headers;
    bool traces, sent;

    egress.to.name = remotes->name(remotes->owner, remote->slot, &egress.to.id, &traces);
    if (!traces || message_trace_exported(message.trace) == TRACE_EXPORTED_UNTRACED)
        return deliver_untraced(delivery, remote, &egress, waiting);
    message.headers = message_trace_hop(message.trace, message.headers, &headers, &egress.hop);
    sent = remotes->deliver(remotes->owner, delivery->account, &message, remote, waiting);
    message_trace_left(message.trace, &egress);
    buf_deinit(&headers);
    return sent;
}
