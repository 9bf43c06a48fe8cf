#include "server/stream/origin_request.h"

#include <stdio.h>

#include "base/json.h"
#include "base/text.h"

#define ACK_WAIT_NS                                                                                \
    INT64_C(79200000000000) /* without acks it means nothing: as the reference says */

static void add_prefix(const struct stream_source *source, struct buf *out)
{
    if (source->external != NULL && source->external->api.size > 0)
        (void)buf_add(out, source->external->api);
    else
        (void)BUF_ADD(out, "$JS.API");
}

void origin_request_subject(const struct stream_source *source, struct buf *out)
{
    add_prefix(source, out);
    (void)BUF_ADD(out, ".CONSUMER.CREATE.");
    (void)buf_add(out, source->name);
}

static void add_of_consumer(const struct stream_source *source, const char *verb,
                            struct bytes consumer, struct buf *out)
{
    add_prefix(source, out);
    (void)buf_print(out, ".CONSUMER.%s.%.*s.%.*s", verb, BYTES_ARG(source->name),
                    BYTES_ARG(consumer));
}

void origin_request_reset(const struct stream_source *source, struct bytes consumer,
                          struct buf *out)
{
    add_of_consumer(source, "RESET", consumer, out);
}

void origin_request_deletion(const struct stream_source *source, struct bytes consumer,
                             struct buf *out)
{
    add_of_consumer(source, "DELETE", consumer, out);
}

static void write_true(struct json_writer *writer, struct bytes key)
{
    json_key(writer, key);
    json_bool(writer, true);
}

static void write_start(struct json_writer *writer, const struct origin_request *request)
{
    const struct stream_source *source = request->source;

    if (request->after > 0 || source->opt_start_seq > 0) {
        json_put_string(writer, BYTES("deliver_policy"), BYTES("by_start_sequence"));
        json_put_u64(writer, BYTES("opt_start_seq"),
                     request->after > 0 ? request->after + 1 : source->opt_start_seq);
    } else if (source->opt_start_time_ns != TIME_UNSET) {
        json_put_string(writer, BYTES("deliver_policy"), BYTES("by_start_time"));
        json_put_time(writer, BYTES("opt_start_time"), source->opt_start_time_ns);
    } else {
        json_put_string(writer, BYTES("deliver_policy"), BYTES("all"));
    }
}

static void write_filters(struct json_writer *writer, const struct stream_source *source)
{
    const struct stream_transform *transforms = source->subject_transforms.at;
    size_t count = source->subject_transforms.count;

    if (source->filter_subject.size > 0)
        json_put_string(writer, BYTES("filter_subject"), source->filter_subject);
    if (count == 0)
        return;
    JSON_KEY(writer, "filter_subjects");
    json_array_begin(writer);
    for (size_t i = 0; i < count; i++)
        json_string(writer, transforms[i].source.size > 0 ? transforms[i].source : BYTES(">"));
    json_array_end(writer);
}

static void write_metadata(struct json_writer *writer, const struct origin_request *request)
{
    JSON_KEY(writer, "metadata");
    json_object_begin(writer);
    json_put_string(writer, request->mirror ? BYTES("_nats.mirror.acc") : BYTES("_nats.src.acc"),
                    request->account);
    json_put_string(writer,
                    request->mirror ? BYTES("_nats.mirror.stream") : BYTES("_nats.src.stream"),
                    request->stream);
    json_object_end(writer);
}

void origin_request_body(const struct origin_request *request, struct buf *out)
{
    struct json_writer writer;

    json_writer_init(&writer, out);
    json_object_begin(&writer);
    json_put_string(&writer, BYTES("stream_name"), request->source->name);
    JSON_KEY(&writer, "config");
    json_object_begin(&writer);
    json_put_string(&writer, BYTES("name"), request->consumer);
    write_start(&writer, request);
    json_put_string(&writer, BYTES("ack_policy"), BYTES("none"));
    json_put_u64(&writer, BYTES("ack_wait"), (uint64_t)ACK_WAIT_NS);
    json_put_u64(&writer, BYTES("max_deliver"), 1);
    write_filters(&writer, request->source);
    json_put_string(&writer, BYTES("replay_policy"), BYTES("instant"));
    write_true(&writer, BYTES("flow_control"));
    json_put_string(&writer, BYTES("deliver_subject"), request->deliver);
    json_put_u64(&writer, BYTES("idle_heartbeat"), (uint64_t)ORIGIN_HEARTBEAT_NS);
    json_put_u64(&writer, BYTES("inactive_threshold"), (uint64_t)ORIGIN_SILENCE_NS);
    write_true(&writer, BYTES("direct"));
    write_true(&writer, BYTES("sourcing"));
    write_metadata(&writer, request);
    json_object_end(&writer);
    json_object_end(&writer);
}

/* ---- the answer ----------------------------------------------------------------------------- */

static void set_error(struct origin *origin, uint64_t code, uint64_t error, struct bytes text)
{
    origin->error_code = code;
    origin->error = error;
    snprintf(origin->error_text, sizeof origin->error_text, "%.*s",
             (int)(text.size < ORIGIN_ERROR_TEXT_MAX ? text.size : ORIGIN_ERROR_TEXT_MAX - 1),
             (const char *)text.at);
}

static struct bytes text_of(const struct json *object, struct bytes key)
{
    const struct json *value = json_get(object, key);

    return value != NULL && value->type == JSON_STRING ? value->text : bytes_of(NULL, 0);
}

bool origin_request_answer(struct origin *origin, struct bytes body, struct arena *arena,
                           struct origin_answer *out)
{
    struct json_error unreadable;
    const struct json *answer = json_parse(arena, body, &unreadable);
    const struct json *error = json_get(answer, BYTES("error"));
    const struct json *description = json_get(error, BYTES("description"));
    uint64_t code = 0, number = 0;

    *out = (struct origin_answer){0};
    if (answer == NULL) { /* a status: nobody is there to answer */
        set_error(origin, 500, origin->error, BYTES("no answer"));
        origin->error = 0;
        return false;
    }
    (void)json_u64(json_get(answer, BYTES("num_pending")), &out->pending);
    (void)json_u64(json_get(json_get(answer, BYTES("delivered")), BYTES("stream_seq")),
                   &out->behind);
    out->consumer = text_of(answer, BYTES("name"));
    out->keeps = bytes_equal(text_of(json_get(answer, BYTES("config")), BYTES("ack_policy")),
                             BYTES("flow_control"));
    if (error == NULL)
        return true;
    (void)json_u64(json_get(error, BYTES("code")), &code);
    (void)json_u64(json_get(error, BYTES("err_code")), &number);
    set_error(origin, code, number, description != NULL ? description->text : BYTES(""));
    return false;
}
