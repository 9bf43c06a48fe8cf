/* api: sinks, the queue of requests, and which endpoint answers which subject. */
#include "server/api/api.h"

#include <stdio.h>

#include "base/heap.h"
#include "base/subject.h"
#include "server/api/advisory.h"
#include "server/api/api_priv.h"

struct api_sink {
    struct api *api;
    struct account *account;
    struct sink *sink;
    struct api_sink *next;
};

/* Everything below $JS.API but DIRECT and CONSUMER.MSG, which are subjects of streams and consumers: what
 * is missing there must look like a subject without listeners. */
static const char *const served[] = {
    "$JS.API.INFO",
    "$JS.API.STREAM.>",
    "$JS.API.CONSUMER.CREATE.>",
    "$JS.API.CONSUMER.DURABLE.>",
    "$JS.API.CONSUMER.NAMES.>",
    "$JS.API.CONSUMER.LIST.>",
    "$JS.API.CONSUMER.INFO.>",
    "$JS.API.CONSUMER.DELETE.>",
    "$JS.API.CONSUMER.PAUSE.>",
    "$JS.API.CONSUMER.UNPIN.>",
    "$JS.API.CONSUMER.RESET.>",
    "$JS.API.CONSUMER.LEADER.>",
    "$JS.API.META.>",
    "$JS.API.SERVER.>",
    "$JS.API.ACCOUNT.>",
};


static void run_unknown(struct api_request *request)
{
    api_refuse(request, 10003, NULL);
}

static const struct api_endpoint unknown = {NULL, "system_response", run_unknown, false};

static const struct api_endpoint *find_in(const struct api_endpoint *table, struct bytes subject)
{
    for (; table->subject != NULL; table++) {
        if (subject_matches(bytes_of_text(table->subject), subject))
            return table;
    }
    return NULL;
}

static const struct api_endpoint *find_endpoint(struct bytes subject)
{
    static const struct api_endpoint *const tables[] = {
        api_stream_endpoints, api_consumer_endpoints, api_account_endpoints};
    struct bytes rest = bytes_skip(subject, sizeof("$JS.API.") - 1);

    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        const struct api_endpoint *found = find_in(tables[i], rest);

        if (found != NULL)
            return found;
    }
    return &unknown;
}

/* ---- requests ---------------------------------------------------------------------------------------- */

static void collect(void *owner, const struct message *message)
{
    struct api_sink *sink = owner;
    struct api *api = sink->api;
    struct api_request *request;

    /* The reference drops its whole queue here; we drop what does not fit. */
    if (api->count >= API_QUEUE_MAX || message->payload.size > API_REQUEST_MAX)
        return;
    request = HEAP_NEW(struct api_request);
    request->api = api;
    request->account = sink->account;
    request->subject = heap_copy(message->subject);
    request->reply = heap_copy(message->reply);
    request->headers = heap_copy(message->headers);
    request->body = heap_copy(message->payload);
    arena_init(&request->arena, API_ANSWER_MAX);
    if (api->last != NULL)
        api->last->next = request;
    else
        api->first = request;
    api->last = request;
    api->count++;
    jetstream_awake(api->jetstream);
}

void api_request_free(struct api_request *request)
{
    if (request->previous != NULL) {
        *request->previous = request->next;
        if (request->next != NULL)
            request->next->previous = request->previous;
    }
    heap_give((void *)request->subject.at);
    heap_give((void *)request->reply.at);
    heap_give((void *)request->headers.at);
    heap_give((void *)request->body.at);
    arena_deinit(&request->arena);
    heap_give(request);
}

/* Nats-Required-Api-Level: an integer that is not above ours. */
static bool level_fits(const struct api_request *request)
{
    struct bytes headers = request->headers;
    static const char key[] = "\r\nNats-Required-Api-Level:";
    const uint8_t *at = headers.size > 0 ? memmem(headers.at, headers.size, key, sizeof key - 1) : NULL;
    struct bytes value;
    uint64_t level;

    if (at == NULL)
        return true;
    value = bytes_of(at + sizeof key - 1, (size_t)(headers.at + headers.size - at) - (sizeof key - 1));
    value = bytes_trim(bytes_take(value, bytes_find(value, '\r')));
    return bytes_read_u64(value, &level) && level <= JETSTREAM_API_LEVEL;
}

void api_turn(struct api *api)
{
    while (api->first != NULL) {
        struct api_request *request = api->first;

        api->first = request->next;
        if (api->first == NULL)
            api->last = NULL;
        api->count--;
        request->next = api->waiting;
        request->previous = &api->waiting;
        if (api->waiting != NULL)
            api->waiting->previous = &request->next;
        api->waiting = request;
        request->endpoint = find_endpoint(request->subject);
        if (level_fits(request))
            request->endpoint->run(request);
        else
            api_refuse(request, 10185, NULL);
    }
}

/* ---- life ------------------------------------------------------------------------------------------------ */

struct api *api_create(struct jetstream *jetstream)
{
    struct api *api = HEAP_NEW(struct api);

    api->jetstream = jetstream;
    buf_init(&api->out, API_ANSWER_MAX);
    return api;
}

void api_serve(struct api *api, struct account *account)
{
    struct router *router = server_router(jetstream_server(api->jetstream));

    for (size_t i = 0; i < sizeof served / sizeof served[0]; i++) {
        struct api_sink *sink = HEAP_NEW(struct api_sink);

        sink->api = api;
        sink->account = account;
        sink->sink = router_sink_add(router, account, bytes_of_text(served[i]), bytes_of(NULL, 0), collect, sink);
        sink->next = api->sinks;
        api->sinks = sink;
    }
}

void api_destroy(struct api *api)
{
    while (api->sinks != NULL) {
        struct api_sink *sink = api->sinks;

        api->sinks = sink->next;
        router_sink_remove(server_router(jetstream_server(api->jetstream)), sink->sink);
        heap_give(sink);
    }
    while (api->first != NULL) {
        struct api_request *request = api->first;

        api->first = request->next;
        request->previous = NULL;
        api_request_free(request);
    }
    while (api->waiting != NULL)
        api_request_free(api->waiting);
    buf_deinit(&api->out);
    heap_give(api);
}

void api_type(struct json_writer *writer, const char *type)
{
    char text[96];
    int size = snprintf(text, sizeof text, "io.nats.jetstream.api.v1.%s", type);

    json_string(writer, bytes_of(text, (size_t)size));
}

void api_audit(struct api_request *request, struct bytes response)
{
    struct api *api = request->api;
    struct bytes subject = BYTES("$JS.EVENT.ADVISORY.API");
    struct buf body;

    if (!jetstream_listened(api->jetstream, request->account, subject))
        return;
    buf_init(&body, API_ANSWER_MAX);
    if (advisory_of_request(api->jetstream, request->subject, request->body, response, &body))
        jetstream_answer(api->jetstream, request->account, subject, bytes_of(NULL, 0), buf_bytes(&body));
    buf_deinit(&body);
}
