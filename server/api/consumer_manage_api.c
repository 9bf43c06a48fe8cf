/* consumer_manage_api: PAUSE, RESET and UNPIN (reference consumers 1.6). */
#include <stddef.h>
#include <stdio.h>

#include "server/api/consumer_check.h"
#include "server/api/request.h"

static struct api_request *request_of(struct stream_op *op)
{
    return (struct api_request *)((uint8_t *)op - offsetof(struct api_request, stream_op));
}

/* The stream and consumer that the subject names; NULL: answered. */
static struct consumer *find_consumer(struct api_request *request, struct stream **stream)
{
    struct consumer *consumer;

    *stream = api_stream(request, 2);
    if (*stream == NULL)
        return NULL;
    consumer = stream_consumer(*stream, api_token(request, 3));
    if (consumer == NULL)
        api_refuse(request, 10014, NULL);
    return consumer;
}

/* ---- PAUSE ---------------------------------------------------------------------------------- */

struct pause_request {
    int64_t until_ns;
    bool changes; /* found out when it is its turn */
};
static const struct schema_field pause_fields[] = {
    {"pause_until", SCHEMA_TIME, 0, offsetof(struct pause_request, until_ns), NULL, NULL, NULL},
};
static const struct schema pause_schema = {"JSApiConsumerPauseRequest",
                                           sizeof(struct pause_request), pause_fields, 1, NULL};

/* The config as it is when the operation's turn has come, with another pause. */
static uint16_t pause_check(struct stream_op *op, struct stream *stream)
{
    struct api_request *request = request_of(op);
    struct pause_request *pause = request->parsed;
    struct consumer *consumer = stream_consumer(stream, op->name);
    struct consumer_config *config = ARENA_NEW(&request->arena, struct consumer_config);

    if (consumer == NULL)
        return 10014;
    if (config == NULL)
        return 10023;
    *config = *consumer_config(consumer);
    pause->changes = config->pause_until_ns != pause->until_ns;
    if (!pause->changes) {
        op->kind = STREAM_OP_READ;
        return 0;
    }
    config->pause_until_ns = pause->until_ns;
    consumer_check_level(config, &request->arena);
    op->consumer_config = consumer_volatile(consumer) ? config : NULL;
    op->json = api_encode(request, &consumer_config_schema, config);
    return op->json.size > 0 ? 0 : 10023;
}

static void paused(struct stream_op *op, struct stream *stream)
{
    struct api_request *request = request_of(op);
    const struct pause_request *pause = request->parsed;
    int64_t now_ns = jetstream_log_now(api_jetstream(request));
    bool later = pause->until_ns > now_ns;
    struct json_writer *writer;

    if (stream == NULL || op->error != 0) {
        api_refuse(request, stream == NULL ? api_gone(request, 2) : op->error, op->error_text);
        return;
    }
    if (pause->changes)
        api_advise_pause(request, stream_name(stream), op->name, later, pause->until_ns);
    writer = api_answer_begin(request);
    JSON_KEY(writer, "paused");
    json_bool(writer, later);
    json_put_time(writer, BYTES("pause_until"), pause->until_ns);
    if (later) {
        JSON_KEY(writer, "pause_remaining");
        json_number_i64(writer, pause->until_ns - now_ns);
    }
    api_answer(request);
}

static void run_pause(struct api_request *request)
{
    struct pause_request *pause = ARENA_NEW(&request->arena, struct pause_request);
    struct stream *stream;

    if (!api_parse_optional(request, &pause_schema, true, pause) ||
        find_consumer(request, &stream) == NULL)
        return;
    request->parsed = pause;
    request->stream_op = (struct stream_op){
        .kind = STREAM_OP_CONSUMER_CREATE,
        .check = pause_check,
        .done = paused,
        .name = api_token(request, 3),
        .created_ns = jetstream_log_now(api_jetstream(request)),
    };
    stream_submit(stream, &request->stream_op);
}

/* ---- RESET, UNPIN --------------------------------------------------------------------------- */

/* The body is read here as json.Unmarshal does it: one document, unknown keys ignored. */
static bool read_body(struct api_request *request, const struct schema *schema, void *out)
{
    struct json_error error;
    struct json *json = json_parse(&request->arena, request->body, &error);

    schema_clear(schema, out);
    if (json != NULL && schema_parse(schema, json, false, &request->arena, out, &error))
        return true;
    api_refuse_print(request, 10025, "invalid JSON: %s", error.text);
    return false;
}

static bool read_group(struct api_request *request, struct bytes *group)
{
    static const struct schema_field field = {"group", SCHEMA_STRING, 0, 0, NULL, NULL, NULL};
    static const struct schema schema = {"JSApiConsumerUnpinRequest", sizeof(struct bytes), &field,
                                         1, NULL};

    return read_body(request, &schema, group);
}

static bool read_sequence(struct api_request *request, uint64_t *sequence)
{
    static const struct schema_field field = {"seq", SCHEMA_UINT64, 0, 0, NULL, NULL, NULL};
    static const struct schema schema = {"JSApiConsumerResetRequest", sizeof(uint64_t), &field, 1,
                                         NULL};

    *sequence = 0;
    return request->body.size == 0 || read_body(request, &schema, sequence);
}

/* Where it begins is decided when the operation's turn has come: acks move the floor until then. */
static uint16_t reset_check(struct stream_op *op, struct stream *stream)
{
    struct api_request *request = request_of(op);
    const uint64_t *asked = request->parsed;
    struct consumer *consumer = stream_consumer(stream, op->name);
    const char *refused;

    if (consumer == NULL)
        return 10014;
    refused = consumer_reset_check(consumer, *asked, &op->sequence);
    if (refused == NULL)
        return 0;
    snprintf(op->error_text, sizeof op->error_text, "invalid reset: %s", refused);
    return 10204;
}

static void reset_done(struct stream_op *op, struct stream *stream)
{
    struct api_request *request = request_of(op);
    struct consumer *consumer = stream != NULL ? stream_consumer(stream, op->name) : NULL;
    struct json_writer *writer;

    if (stream == NULL || op->error != 0) {
        api_refuse(request, stream == NULL ? api_gone(request, 2) : op->error, op->error_text);
        return;
    }
    if (consumer == NULL) { /* it is gone again */
        api_refuse(request, 10014, NULL);
        return;
    }
    writer = api_answer_begin(request);
    api_consumer_info(writer, request, stream, consumer, true);
    JSON_KEY(writer, "reset_seq");
    json_number_u64(writer, op->sequence);
    api_answer(request);
}

static void run_reset(struct api_request *request)
{
    uint64_t *asked = ARENA_NEW(&request->arena, uint64_t);
    struct stream *stream;

    if (!read_sequence(request, asked) || find_consumer(request, &stream) == NULL)
        return;
    request->parsed = asked;
    request->stream_op = (struct stream_op){
        .kind = STREAM_OP_CONSUMER_RESET,
        .check = reset_check,
        .done = reset_done,
        .name = api_token(request, 3),
    };
    stream_submit(stream, &request->stream_op);
}

static bool has_group(const struct consumer_config *config, struct bytes name)
{
    for (size_t i = 0; i < config->priority_groups.count; i++)
        if (bytes_equal(config->priority_groups.at[i], name))
            return true;
    return false;
}

/* A pin lives with its leader and is in no log: it goes at once. */
static void unpin(struct api_request *request, struct stream *stream, struct consumer *consumer,
                  struct bytes group)
{
    struct jetstream *jetstream = api_jetstream(request);

    consumer_unpin(consumer, io_now(server_io(jetstream_server(jetstream))),
                   jetstream_log_now(jetstream), group);
    stream_consumer_wake(stream, consumer);
    (void)api_answer_begin(request);
    api_answer(request);
}

static void run_unpin(struct api_request *request)
{
    struct consumer *consumer;
    struct stream *stream;
    struct bytes group;

    if (!read_group(request, &group))
        return;
    if (group.size == 0)
        api_refuse(request, 10025, "invalid JSON: consumer group not specified");
    else if (!consumer_check_group(group))
        api_refuse(request, 10162, NULL);
    else if ((consumer = find_consumer(request, &stream)) == NULL)
        return;
    else if (!has_group(consumer_config(consumer), group))
        api_refuse(request, 10160, NULL);
    else
        unpin(request, stream, consumer, group);
}

const struct api_endpoint api_consumer_manage_endpoints[] = {
    {"CONSUMER.PAUSE.*.*", "consumer_pause_response", run_pause,
     "\"paused\":false,\"pause_until\":\"0001-01-01T00:00:00Z\""},
    {"CONSUMER.RESET.*.*", "consumer_reset_response", run_reset, "\"reset_seq\":0"},
    {"CONSUMER.UNPIN.*.*", "consumer_unpin_response", run_unpin, NULL},
    {NULL, NULL, NULL, NULL},
};
