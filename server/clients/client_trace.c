/* Messages of clients that ask to be traced: who may, and where the event goes. */
#include "server/clients/client_trace.h"

#include "base/subject.h"
#include "server/clients/client_priv.h"
#include "server/router/message_trace.h"
#include "server/router/router_priv.h"

#define LOGGED_MAX 256u

static bool reserved(const struct client *client, struct bytes subject)
{
    return bytes_starts(subject, BYTES("_GR_.")) ||
           (bytes_starts(subject, BYTES("$NRG.")) && !client->account->system);
}

/* Answers that a client may give count for nothing here. */
static bool may_tell(const struct client *client, struct bytes destination)
{
    return !reserved(client, destination) &&
           (client->permissions == NULL || permissions_publish(client->permissions, destination));
}

static int logged(struct bytes b)
{
    return (int)(b.size < LOGGED_MAX ? b.size : LOGGED_MAX);
}

/* As it goes on: nobody behind here is to trace it. */
static void disable(struct message *message, struct buf *headers)
{
    message->headers =
        trace_headers_set(message->headers, TRACE_DEST, TRACE_DISABLED, false, headers);
}

static void log_origin(const struct client *client, const struct trace_ask *ask)
{
    logger_error(client->clients->logger,
                 "%s - Message tracing disabled because of header \"Nats-Trace-Origin-Account\" "
                 "with value=\"%.*s\"",
                 client->label, logged(ask->origin_account), (const char *)ask->origin_account.at);
}

static void log_invalid(const struct client *client, struct bytes destination)
{
    logger_error(client->clients->logger,
                 "%s - Destination \"%.*s\" is not valid, won't be able to trace events",
                 client->label, logged(destination), (const char *)destination.at);
}

/* Of every hundred messages as many as the account wants. */
static bool sampled(struct client *client, int64_t percent)
{
    return percent <= 0 || percent >= 100 ||
           (int64_t)prng_below(&client->clients->prng, 100) < percent;
}

/* The account's destination. Empty: it is not traced. */
static struct bytes external(struct client *client, struct message *message, struct buf *headers)
{
    struct bytes destination = message_trace_account(client->account);

    if (destination.size == 0 || sampled(client, client->account->options->trace_percent))
        return destination;
    disable(message, headers);
    return bytes_of(NULL, 0);
}

static struct message_trace *begin(struct client *client, struct tracer *tracer,
                                   const struct message *message, size_t size,
                                   const struct trace_ask *ask, struct bytes destination)
{
    const struct trace_peer from = {
        .kind = TRACE_CLIENT, .id = client->id, .name = client_name(client)};

    return message_trace_begin(tracer, client->account, &from, message, size, ask, destination);
}

/* Whoever asks for it, it is told to `destination`, if that may be. */
static bool begin_to(struct client *client, struct tracer *tracer, struct message *message,
                     size_t size, const struct trace_ask *ask, struct bytes destination)
{
    if (!subject_literal(destination)) {
        log_invalid(client, destination);
        return !ask->only;
    }
    if (!may_tell(client, destination)) {
        client_publish_refused(client, destination);
        return false;
    }
    message->trace = begin(client, tracer, message, size, ask, destination);
    return true;
}

bool client_trace_begin(struct client *client, struct message *message, size_t size,
                        struct buf *headers)
{
    struct tracer *tracer = router_tracer(client->clients->router);
    struct bytes destination;
    struct trace_ask ask;

    if (tracer == NULL || !trace_asked(message->headers, &ask))
        return true;
    if (ask.origin_account.size > 0) {
        log_origin(client, &ask);
        if (!ask.only)
            disable(message, headers);
        return !ask.only;
    }
    destination = ask.external ? external(client, message, headers) : ask.destination;
    if (ask.external && destination.size == 0)
        return true;
    return begin_to(client, tracer, message, size, &ask, destination);
}

void client_trace_too_large(struct client *client, const struct proto_pub *pub, struct bytes body)
{
    struct message message = {.subject = pub->subject};
    struct buf headers;

    message.headers = bytes_take(body, body.size < pub->header_size ? body.size : pub->header_size);
    buf_init(&headers, SIZE_MAX / 2);
    if (message_trace_hinted(client->account, message.headers))
        (void)client_trace_begin(client, &message, pub->size, &headers);
    if (message.trace != NULL)
        message_trace_refused(message.trace, "maximum payload exceeded", bytes_of(NULL, 0));
    message_trace_end(message.trace);
    buf_deinit(&headers);
}
