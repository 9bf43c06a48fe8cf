#include "server/api/request.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include "base/heap.h"
#include "base/text.h"
#include "server/api/advisory.h"
#include "server/api/api_priv.h"
#include "server/router/account.h"
#include "server/shards/server_shards.h"

#define API_PREFIX "$JS.API."

#define API_TYPE_PREFIX "io.nats.jetstream.api.v1."

/* ---- life ----------------------------------------------------------------------------------- */

static struct bytes place_copy(uint8_t **at, struct bytes b)
{
    struct bytes copy = bytes_of(*at, b.size);

    if (b.size > 0)
        memcpy(*at, b.at, b.size);
    *at += b.size;
    return copy;
}

/* The events of backups tell who asked. */
static bool advised(struct bytes subject)
{
    return bytes_starts(subject, BYTES(API_PREFIX "STREAM.SNAPSHOT.")) ||
           bytes_starts(subject, BYTES(API_PREFIX "STREAM.RESTORE."));
}

static void describe_origin(struct api_request *request, const struct message *message)
{
    struct server *server = jetstream_server(request->api->jetstream);

    server_shards_halt(server);
    api_request_describe(request, server_origin(server, message));
    server_shards_go_on(server);
}

struct api_request *api_request_make(struct api *api, struct account *account,
                                     const struct message *message)
{
    struct bytes subject = message_sent_to(message);
    size_t size =
        subject.size + message->reply.size + message->headers.size + message->payload.size;
    struct api_request *request;
    uint8_t *at;

    if (api->count >= API_QUEUE_MAX || size > API_QUEUE_BYTES_MAX - api->bytes)
        return NULL;
    request = heap_take(sizeof *request + size);
    at = (uint8_t *)(request + 1);
    request->api = api;
    request->account = account;
    request->subject = place_copy(&at, subject);
    request->reply = place_copy(&at, message->reply);
    request->headers = place_copy(&at, message->headers);
    request->body = place_copy(&at, message->payload);
    request->size = size;
    request->forwarded = message->forwarded;
    request->asker = server_origin_number(jetstream_server(api->jetstream), message);
    arena_init(&request->arena, API_ARENA_MAX);
    api->count++;
    api->bytes += size;
    if (api->audited || advised(subject))
        describe_origin(request, message);
    return request;
}

void api_request_describe(struct api_request *request, const struct client *client)
{
    struct buf text;

    buf_init(&text, API_REQUEST_MAX);
    if (advisory_client(request->api->jetstream, account_name(request->account), client, &text))
        request->client = arena_copy(&request->arena, buf_bytes(&text));
    buf_deinit(&text);
}

void api_request_free(struct api_request *request)
{
    request->api->count--;
    request->api->bytes -= request->size;
    arena_deinit(&request->arena);
    heap_give(request);
}

/* ---- looking at it -------------------------------------------------------------------------- */

static struct bytes next_token(struct bytes *rest)
{
    size_t size = bytes_find(*rest, '.');
    struct bytes token = bytes_take(*rest, size);

    *rest = bytes_skip(*rest, size < rest->size ? size + 1 : size);
    return token;
}

bool api_subject_matches(const char *pattern, struct bytes subject)
{
    struct bytes rest = bytes_of_text(pattern);

    while (rest.size > 0 && subject.size > 0) {
        struct bytes wanted = next_token(&rest), token;

        if (bytes_equal(wanted, BYTES(">")))
            return true;
        token = next_token(&subject);
        if (token.size == 0 || (!bytes_equal(wanted, BYTES("*")) && !bytes_equal(wanted, token)))
            return false;
    }
    return rest.size == 0 && subject.size == 0;
}

struct bytes api_token(const struct api_request *request, size_t n)
{
    struct bytes rest = bytes_skip(request->subject, sizeof API_PREFIX - 1);

    for (size_t i = 0; i < n; i++)
        (void)next_token(&rest);
    return next_token(&rest);
}

struct jetstream *api_jetstream(const struct api_request *request)
{
    return request->api->jetstream;
}

uint16_t api_gone(const struct api_request *request, size_t token)
{
    const struct catalogue_entry *entry =
        jetstream_entry(request->api->jetstream, request->account, api_token(request, token));

    return entry != NULL && (entry->again || entry->late != NULL) ? 10008 : 10059;
}

struct stream *api_stream(struct api_request *request, size_t token)
{
    struct jetstream *jetstream = request->api->jetstream;
    struct bytes name = api_token(request, token);
    struct stream *stream = jetstream_stream(jetstream, request->account, name);
    const struct catalogue_entry *entry;

    if (stream != NULL && stream_failed(stream)) {
        api_refuse(request, 10008, NULL);
        return NULL;
    }
    if (stream != NULL) {
        jetstream_lane_is_still(jetstream, stream_lane_of(stream));
        return stream;
    }
    entry = jetstream_entry(jetstream, request->account, name);
    if (entry != NULL && entry->offline)
        api_refuse(request, 10194, JETSTREAM_OFFLINE);
    else
        api_refuse(request, api_gone(request, token), NULL);
    return NULL;
}

/* The value of a header, or nothing. Names are matched byte for byte, as the reference does. */
static struct bytes header_value(struct bytes headers, struct bytes name)
{
    while (headers.size > 0) {
        size_t size = bytes_find(headers, '\n');
        struct bytes line = bytes_take(headers, size);

        if (bytes_starts(line, name) && line.size > name.size && line.at[name.size] == ':')
            return bytes_trim(bytes_skip(line, name.size + 1));
        headers = bytes_skip(headers, size < headers.size ? size + 1 : size);
    }
    return bytes_of(NULL, 0);
}

bool api_level_is_met(struct bytes headers)
{
    struct bytes value = header_value(headers, BYTES("Nats-Required-Api-Level"));
    uint64_t level;

    if (value.size == 0)
        return true;
    if (value.at[0] == '-')
        return bytes_read_u64(bytes_skip(value, 1), &level);
    return bytes_read_u64(value, &level) && level <= JETSTREAM_API_LEVEL;
}

/* ---- bodies --------------------------------------------------------------------------------- */

const struct schema_field api_paged_field = {
    "offset", SCHEMA_INT64, SCHEMA_GO_INT, offsetof(struct api_paged, offset), NULL, NULL, NULL};

size_t api_page_from(const struct api_paged *paged, size_t count)
{
    if (paged->offset < 0)
        return 0;
    return (uint64_t)paged->offset > count ? count : (size_t)paged->offset;
}

/* Several documents are read into the same struct one after the other, as the reference does it. */
bool api_parse(struct api_request *request, const struct schema *schema, bool strict, void *out)
{
    struct bytes rest = bytes_trim(request->body);
    size_t before = (size_t)(rest.at - request->body.at), used;
    struct json_error error;

    if (server_options(jetstream_server(api_jetstream(request)))->jetstream_options.lenient)
        strict = false;
    schema_clear(schema, out);
    while (rest.size > 0) {
        const struct json *json = json_parse_some(&request->arena, rest, &used, &error);

        if (json == NULL) {
            json_error_of_stream(&error, before);
            api_refuse_print(request, 10025, "invalid JSON: %s", error.text);
            return false;
        }
        if (!schema_parse(schema, json, strict, &request->arena, out, &error)) {
            api_refuse_print(request, 10025, "invalid JSON: %s", error.text);
            return false;
        }
        before += used;
        rest = bytes_skip(rest, used);
    }
    return true;
}

bool api_parse_optional(struct api_request *request, const struct schema *schema, bool strict,
                        void *out)
{
    struct bytes body = bytes_trim(request->body);

    if (body.size > 0 && (body.at[0] == '{' || body.at[0] == '['))
        return api_parse(request, schema, strict, out);
    schema_clear(schema, out);
    return true;
}

bool api_is_empty(struct api_request *request)
{
    struct json_error error;
    const struct json *json;

    if (request->body.size == 0)
        return true;
    json = json_parse(&request->arena, request->body, &error);
    return json != NULL && json->type == JSON_OBJECT && json->child == NULL;
}

bool api_parse_nothing(struct api_request *request)
{
    if (api_is_empty(request))
        return true;
    api_refuse(request, 10038, NULL);
    return false;
}

/* ---- answering ------------------------------------------------------------------------------ */

struct json_writer *api_answer_begin(struct api_request *request)
{
    struct api *api = request->api;
    struct json_writer *writer = &api->writer;
    char type[96];
    int size = snprintf(type, sizeof type, API_TYPE_PREFIX "%s", request->endpoint->type);

    buf_clear(&api->answer);
    json_writer_init(writer, &api->answer);
    json_object_begin(writer);
    JSON_KEY(writer, "type");
    json_string(writer, bytes_of(type, (size_t)size));
    return writer;
}

/* What is neither asked nor answered in the audit is too dear: the messages themselves. */
static bool audited(const struct api_request *request, bool failed)
{
    return failed ||
           !bytes_equal(bytes_of_text(request->endpoint->type), BYTES("stream_msg_get_response"));
}

/* Of a request that came before anybody listened only the account is known. */
static struct bytes asker(struct api_request *request)
{
    if (request->client.size == 0)
        api_request_describe(request, NULL);
    return request->client;
}

static void audit(struct api_request *request)
{
    struct jetstream *jetstream = request->api->jetstream;
    struct bytes subject = BYTES(API_AUDIT_SUBJECT);
    struct buf body;

    if (!jetstream_listened(jetstream, request->account, subject))
        return;
    buf_init(&body, API_ANSWER_MAX);
    if (advisory_of_request(jetstream_home(jetstream), asker(request), request->subject,
                            request->body, buf_bytes(&request->api->answer), &body))
        jetstream_answer(jetstream, request->account, subject, bytes_of(NULL, 0), buf_bytes(&body));
    buf_deinit(&body);
}

static void send(struct api_request *request, bool failed)
{
    struct api *api = request->api;

    jetstream_counters(api->jetstream)->api_total++;
    request->account->api_total++;
    if (failed) {
        jetstream_counters(api->jetstream)->api_errors++;
        request->account->api_errors++;
    }
    jetstream_answer(api->jetstream, request->account, request->reply, bytes_of(NULL, 0),
                     buf_bytes(&api->answer));
    if (audited(request, failed))
        audit(request);
    if (api->answer.capacity > (1u << 20))
        buf_release(&api->answer);
    api_request_free(request);
}

void api_answer(struct api_request *request)
{
    struct json_writer *writer = &request->api->writer;

    json_object_end(writer);
    if (jetstream_index_failed(request->api->jetstream)) {
        api_refuse(request, 10008, NULL); /* what it says may be of a stream that was not seen */
        return;
    }
    if (writer->failed) {
        api_refuse(request, 10023, NULL); /* longer than any answer may be */
        return;
    }
    request->api->answered += request->api->answer.size;
    send(request, false);
}

void api_answer_success(struct api_request *request)
{
    struct json_writer *writer = api_answer_begin(request);

    JSON_KEY(writer, "success");
    json_bool(writer, true);
    api_answer(request);
}

void api_refuse(struct api_request *request, uint16_t err_code, const char *text)
{
    struct json_writer *writer = api_answer_begin(request);
    struct buf *answer = &request->api->answer;

    api_write_error(writer, err_code, text);
    if (request->endpoint->with_error != NULL)
        (void)buf_print(answer, ",%s", request->endpoint->with_error); /* far from the limit */
    json_object_end(writer);
    assert(!writer->failed);
    send(request, true);
}

void api_refuse_print(struct api_request *request, uint16_t err_code, const char *format, ...)
{
    char text[1024];
    va_list values;

    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    api_refuse(request, err_code, text);
}

struct bytes api_encode(struct api_request *request, const struct schema *schema, const void *in)
{
    struct json_writer writer;
    struct buf text;
    struct bytes json;

    buf_init(&text, API_REQUEST_MAX);
    json_writer_init(&writer, &text);
    schema_encode(schema, in, &writer);
    json = writer.failed ? bytes_of(NULL, 0) : arena_copy(&request->arena, buf_bytes(&text));
    buf_deinit(&text);
    return json;
}

/* ---- advisories ----------------------------------------------------------------------------- */

static void advise(struct api_request *request, const struct buf *subject, const struct buf *body)
{
    struct jetstream *jetstream = request->api->jetstream;

    if (jetstream_listened(jetstream, request->account, buf_bytes(subject)))
        jetstream_answer(jetstream, request->account, buf_bytes(subject), bytes_of(NULL, 0),
                         buf_bytes(body));
}

void api_advise(struct api_request *request, struct bytes stream, struct bytes consumer,
                const char *action)
{
    struct buf subject, body;

    buf_init(&subject, ADVISORY_SUBJECT_MAX);
    buf_init(&body, ADVISORY_BODY_MAX);
    if (advisory_of_action(jetstream_home(request->api->jetstream), stream, consumer, action,
                           &subject, &body))
        advise(request, &subject, &body);
    buf_deinit(&subject);
    buf_deinit(&body);
}

void api_advise_pause(struct api_request *request, struct bytes stream, struct bytes consumer,
                      bool paused, int64_t until_ns)
{
    struct buf subject, body;

    buf_init(&subject, ADVISORY_SUBJECT_MAX);
    buf_init(&body, ADVISORY_BODY_MAX);
    if (advisory_of_pause(jetstream_home(request->api->jetstream), stream, consumer, paused,
                          until_ns, &subject, &body))
        advise(request, &subject, &body);
    buf_deinit(&subject);
    buf_deinit(&body);
}

void api_metadata(struct schema_map *metadata, struct arena *arena)
{
    char level[8];
    int size = snprintf(level, sizeof level, "%d", JETSTREAM_API_LEVEL);

    (void)schema_map_set(metadata, arena, BYTES("_nats.ver"), BYTES(NATS_VERSION));
    (void)schema_map_set(metadata, arena, BYTES("_nats.level"),
                         arena_copy(arena, bytes_of(level, (size_t)size)));
}
