#include "server/api/request.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/heap.h"
#include "base/subject.h"
#include "base/text.h"
#include "server/api/api_priv.h"

/* ---- what was asked ---------------------------------------------------------------------------------- */

struct bytes api_token(const struct api_request *request, size_t n)
{
    return subject_token(request->subject, n + 2); /* after "$JS" and "API" */
}

struct jetstream *api_jetstream(const struct api_request *request)
{
    return request->api->jetstream;
}

struct stream *api_stream(struct api_request *request, size_t token)
{
    struct stream *stream =
        jetstream_stream(request->api->jetstream, request->account, api_token(request, token));

    if (stream != NULL && stream_applied(stream)->configured)
        return stream;
    api_refuse(request, 10059, NULL);
    return NULL;
}

/* ---- bodies --------------------------------------------------------------------------------------------- */

/* The reference decodes a stream of documents, so a cut one is an unexpected end of the file there. */
static void refuse_json(struct api_request *request, const char *text)
{
    if (strcmp(text, "unexpected end of JSON input") == 0)
        text = "unexpected EOF";
    api_refuse_print(request, 10025, "invalid JSON: %s", text);
}

bool api_parse(struct api_request *request, const struct schema *schema, bool strict, void *out)
{
    struct bytes rest = bytes_trim(request->body);
    struct json_error error;

    schema_clear(schema, out);
    while (rest.size > 0) { /* several documents fill the same request in order */
        size_t used;
        struct json *json = json_parse_some(&request->arena, rest, &used, &error);

        if (json == NULL || !schema_parse(schema, json, strict, &request->arena, out, &error)) {
            refuse_json(request, error.text);
            return false;
        }
        rest = bytes_trim(bytes_skip(rest, used));
    }
    return true;
}

bool api_parse_optional(struct api_request *request, const struct schema *schema, bool strict, void *out)
{
    struct bytes body = bytes_trim(request->body);

    if (body.size > 0 && (body.at[0] == '{' || body.at[0] == '['))
        return api_parse(request, schema, strict, out);
    schema_clear(schema, out);
    return true;
}

bool api_parse_nothing(struct api_request *request)
{
    struct json_error error;
    struct json *json;

    if (request->body.size == 0)
        return true;
    json = json_parse(&request->arena, request->body, &error);
    if (json != NULL && json->type == JSON_OBJECT && json->child == NULL)
        return true;
    api_refuse(request, 10038, NULL);
    return false;
}

/* ---- answering ---------------------------------------------------------------------------------------------- */

static void begin(struct api_request *request)
{
    struct api *api = request->api;

    buf_clear(&api->out);
    json_writer_init(&api->writer, &api->out);
    json_object_begin(&api->writer);
    JSON_KEY(&api->writer, "type");
    api_type(&api->writer, request->endpoint->type);
}

struct json_writer *api_answer_begin(struct api_request *request)
{
    begin(request);
    return &request->api->writer;
}

static void end(struct api_request *request)
{
    struct api *api = request->api;

    json_object_end(&api->writer);
    jetstream_counters(api->jetstream)->api_total++;
    if (!api->writer.failed)
        jetstream_answer(api->jetstream, request->account, request->reply, bytes_of(NULL, 0), buf_bytes(&api->out));
    api_audit(request, buf_bytes(&api->out));
    if (api->out.capacity > API_KEEP)
        buf_release(&api->out);
    api_request_free(request);
}

void api_answer(struct api_request *request)
{
    if (request->api->writer.failed)
        logger_warn(server_logger(jetstream_server(request->api->jetstream)),
                    "API answer to '%.*s' is too large", BYTES_ARG(request->subject));
    end(request);
}

void api_answer_success(struct api_request *request)
{
    struct json_writer *writer = api_answer_begin(request);

    JSON_KEY(writer, "success");
    json_bool(writer, true);
    api_answer(request);
}

static void write_error(struct json_writer *writer, uint16_t err_code, const char *text)
{
    const struct api_error *error = api_error(err_code);
    struct bytes description = bytes_of_text(text != NULL && text[0] != 0 ? text : error->description);

    JSON_KEY(writer, "error");
    json_object_begin(writer);
    JSON_KEY(writer, "code");
    json_number_u64(writer, error->code);
    JSON_KEY(writer, "err_code");
    json_number_u64(writer, err_code);
    JSON_KEY(writer, "description");
    json_string(writer, description);
    json_object_end(writer);
}

static void write_zero(struct json_writer *writer, struct bytes key)
{
    json_key(writer, key);
    json_number_u64(writer, 0);
}

void api_refuse(struct api_request *request, uint16_t err_code, const char *text)
{
    struct json_writer *writer;

    begin(request);
    writer = &request->api->writer;
    write_error(writer, err_code, text);
    if (request->endpoint->paged) {
        write_zero(writer, BYTES("total"));
        write_zero(writer, BYTES("offset"));
        write_zero(writer, BYTES("limit"));
    }
    if (strcmp(request->endpoint->type, "stream_purge_response") == 0)
        write_zero(writer, BYTES("purged"));
    jetstream_counters(request->api->jetstream)->api_errors++;
    end(request);
}

void api_refuse_print(struct api_request *request, uint16_t err_code, const char *format, ...)
{
    char text[512];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    api_refuse(request, err_code, text);
}

void api_publish_error(struct buf *out, struct bytes stream, uint16_t err_code, const char *text)
{
    struct json_writer writer;

    json_writer_init(&writer, out);
    json_object_begin(&writer);
    write_error(&writer, err_code, text);
    JSON_KEY(&writer, "stream");
    json_string(&writer, stream);
    JSON_KEY(&writer, "seq");
    json_number_u64(&writer, 0);
    json_object_end(&writer);
}

void api_time(struct json_writer *writer, struct bytes key, int64_t time_ns)
{
    char text[TEXT_TIME_MAX];
    size_t size = text_time(text, time_ns);

    json_key(writer, key);
    json_string(writer, bytes_of(text, size));
}
