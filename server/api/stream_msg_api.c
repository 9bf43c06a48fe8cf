/* stream_msg_api: STREAM.MSG.GET and STREAM.MSG.DELETE (reference streams 6.1, 6.2). */
#include <stddef.h>
#include <stdio.h>

#include "base/owner.h"
#include "base/text.h"
#include "server/api/request.h"
#include "server/stream/message_get.h"

/* ---- GET ------------------------------------------------------------------------------------ */

/* Subjects of multi_last are known here and mean nothing. */
static bool wants_one(const struct message_get *get)
{
    return get->seq > 0 || get->last_by_subj.size > 0 || get->next_by_subj.size > 0 ||
           get->start_time_ns != TIME_UNSET;
}

static void got(struct stream_question *question, const struct stream_message *message)
{
    struct api_request *request = owner_of(question, struct api_request, question);
    const struct message_get *get = request->parsed;
    struct json_writer *writer;

    if (question->unreadable) {
        api_refuse(request, 10051, "index unreadable");
        return;
    }
    if (question->damaged) {
        api_refuse(request, 10051, "message damaged");
        return;
    }
    if (message == NULL) {
        api_refuse(request, question->gone ? api_gone(request, 3) : 10037, NULL);
        return;
    }
    writer = api_answer_begin(request);
    JSON_KEY(writer, "message");
    json_object_begin(writer);
    JSON_KEY(writer, "subject");
    json_string(writer, message->subject);
    JSON_KEY(writer, "seq");
    json_number_u64(writer, message->sequence);
    if (message->headers.size > 0 && !get->no_hdr) {
        JSON_KEY(writer, "hdrs");
        json_base64(writer, message->headers);
    }
    if (message->payload.size > 0) {
        JSON_KEY(writer, "data");
        json_base64(writer, message->payload);
    }
    json_put_time(writer, BYTES("time"), message->time_ns);
    json_object_end(writer);
    api_answer(request);
}

static void run_get(struct api_request *request)
{
    struct message_get *get = ARENA_NEW(&request->arena, struct message_get);
    struct stream *stream;

    if (api_is_empty(request)) {
        api_refuse(request, 10003, NULL);
        return;
    }
    if (!api_parse(request, &message_get_schema, true, get))
        return;
    if (get->batch > 0 || get->max_bytes > 0 || !wants_one(get) || message_get_contradicts(get)) {
        api_refuse(request, 10003, NULL);
        return;
    }
    stream = api_stream(request, 3);
    if (stream == NULL)
        return;
    request->parsed = get;
    request->question = (struct stream_question){.get = get, .done = got};
    stream_ask(stream, &request->question);
}

/* ---- DELETE --------------------------------------------------------------------------------- */

struct delete_request {
    uint64_t seq;
    bool no_erase;
};
static const struct schema_field delete_fields[] = {
    {"seq", SCHEMA_UINT64, 0, offsetof(struct delete_request, seq), NULL, NULL, NULL},
    {"no_erase", SCHEMA_BOOL, 0, offsetof(struct delete_request, no_erase), NULL, NULL, NULL},
};
static const struct schema delete_schema = {"JSApiMsgDeleteRequest", sizeof(struct delete_request),
                                            delete_fields, 2, NULL};

static uint16_t delete_check(struct stream_op *op, struct stream *stream)
{
    const struct stream_state *state = stream_applied(stream);
    struct index_entry entry;
    const char *text = NULL;

    if (state->config.sealed)
        return 10109;
    if (state->config.deny_delete)
        text = "message delete not permitted";
    else if (state->config.storage == STORAGE_MEMORY)
        text = NULL; /* there only what is there counts, as in the reference */
    else if (op->sequence > state->last_seq)
        text = "stream store EOF";
    else if (op->sequence == 0 || op->sequence < state->first_seq)
        text = "no message found";
    if (text != NULL) {
        snprintf(op->error_text, sizeof op->error_text, "%s", text);
        return 10057;
    }
    if (index_get(state->index, op->sequence, &entry))
        return 0;
    snprintf(op->error_text, sizeof op->error_text, "sequence %llu not found",
             (unsigned long long)op->sequence);
    return 10043;
}

static void deleted(struct stream_op *op, struct stream *stream)
{
    struct api_request *request =
        (struct api_request *)((uint8_t *)op - offsetof(struct api_request, stream_op));

    if (op->error != 0 || stream == NULL)
        api_refuse(request, stream == NULL ? api_gone(request, 3) : op->error, op->error_text);
    else
        api_answer_success(request);
}

static void run_delete(struct api_request *request)
{
    struct delete_request parsed;
    struct stream *stream;

    if (api_is_empty(request)) {
        api_refuse(request, 10003, NULL);
        return;
    }
    if (!api_parse(request, &delete_schema, true, &parsed))
        return;
    stream = api_stream(request, 3);
    if (stream == NULL)
        return;
    request->stream_op = (struct stream_op){
        .kind = STREAM_OP_DELETE_MESSAGE,
        .check = delete_check,
        .done = deleted,
        .sequence = parsed.seq,
        .erase = !parsed.no_erase,
    };
    stream_submit(stream, &request->stream_op);
}

const struct api_endpoint api_message_endpoints[] = {
    {"STREAM.MSG.GET.*", "stream_msg_get_response", run_get, NULL},
    {"STREAM.MSG.DELETE.*", "stream_msg_delete_response", run_delete, NULL},
    {NULL, NULL, NULL, NULL},
};
