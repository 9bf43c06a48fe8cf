/* consumer_api: the CONSUMER.* endpoints (reference consumers 1). */
#include <stddef.h>
#include <stdio.h>

#include "base/subject.h"
#include "base/text.h"
#include "server/api/consumer_check.h"
#include "server/api/request.h"

#define NAMES_PAGE 1024u
#define LIST_PAGE  256u

enum create_action { ACTION_ANY, ACTION_CREATE, ACTION_UPDATE };

struct create_request {
    struct bytes stream_name;
    void *config; /* struct consumer_config, NULL: not given */
    int32_t action;
    bool pedantic;
};

static const char *const action_names[] = {"", "create", "update", NULL};
static const struct schema_field create_fields[] = {
    {"stream_name", SCHEMA_STRING, 0, offsetof(struct create_request, stream_name), NULL, NULL, NULL},
    {"config", SCHEMA_OBJECT, 0, offsetof(struct create_request, config), NULL, &consumer_config_schema, NULL},
    {"action", SCHEMA_ENUM, 0, offsetof(struct create_request, action), action_names, NULL,
     "unknown consumer action: %s"},
    {"pedantic", SCHEMA_BOOL, 0, offsetof(struct create_request, pedantic), NULL, NULL, NULL},
};
static const struct schema create_schema = {"CreateConsumerRequest", sizeof(struct create_request), create_fields,
                                            4, NULL};

/* What a create needs until it is answered. */
struct creation {
    struct consumer_config *config;
    enum create_action action;
};

/* ---- CREATE: the three forms ---------------------------------------------------------------------------- */

static bool is_durable_form(const struct api_request *request)
{
    return bytes_equal(api_token(request, 1), BYTES("DURABLE"));
}

/* The filter in the subject: tokens from the 5th after "$JS.API" on, joined as they stand. */
static struct bytes subject_filter(const struct api_request *request)
{
    struct bytes token = api_token(request, 4);

    if (is_durable_form(request) || token.size == 0)
        return bytes_of(NULL, 0);
    return bytes_of(token.at, (size_t)(request->subject.at + request->subject.size - token.at));
}

/* Settles the name from subject and config; false: answered. */
static bool settle_name(struct api_request *request, struct consumer_config *config)
{
    bool durable_form = is_durable_form(request);
    struct bytes token = api_token(request, durable_form ? 4 : 3);

    if (durable_form && (token.size == 0 || api_token(request, 5).size > 0)) {
        api_refuse(request, 10016, NULL);
        return false;
    }
    if (durable_form && config->durable_name.size == 0) {
        api_refuse(request, 10018, NULL);
        return false;
    }
    if (token.size > 0) {
        if (config->durable_name.size > 0 && !bytes_equal(config->durable_name, token)) {
            api_refuse(request, 10017, NULL);
            return false;
        }
        config->name = token;
        return true;
    }
    if (config->durable_name.size > 0) {
        api_refuse(request, 10020, NULL);
        return false;
    }
    if (config->name.size == 0) {
        char *name = arena_take(&request->arena, 8);

        text_base62(server_prng(jetstream_server(api_jetstream(request))), name, 8);
        config->name = bytes_of(name, 8);
    }
    return true;
}

static bool has_separator(struct bytes name)
{
    return bytes_find(name, '/') < name.size || bytes_find(name, '\\') < name.size;
}

static bool settle_filter(struct api_request *request, struct consumer_config *config)
{
    struct bytes filter = subject_filter(request);

    if (filter.size == 0)
        return true;
    if (config->filter_subjects.count > 0) {
        api_refuse(request, 10137, NULL);
        return false;
    }
    if (!bytes_equal(filter, config->filter_subject)) {
        api_refuse(request, 10131, NULL);
        return false;
    }
    return true;
}

static bool too_many(const struct stream *stream)
{
    int64_t most = stream_config(stream)->max_consumers;

    return most > 0 && (uint64_t)most <= stream_consumer_count(stream);
}

/* An existing consumer keeps the pause it has: that is changed by PAUSE only. */
static uint16_t check_existing(struct stream_op *op, const struct consumer *consumer, struct creation *creation)
{
    const struct consumer_config *from = consumer_config(consumer);
    struct consumer_config *to = creation->config;
    struct consumer_verdict verdict;
    struct consumer_info info;

    to->pause_until_ns = from->pause_until_ns;
    if (schema_equal(&consumer_config_schema, from, to)) {
        op->kind = STREAM_OP_READ;
        return 0;
    }
    if (creation->action == ACTION_CREATE)
        return 10148;
    consumer_describe((struct consumer *)consumer, 0, 0, &info);
    consumer_check_update(from, to, info.push_bound, &verdict);
    if (verdict.error != 0)
        snprintf(op->error_text, sizeof op->error_text, "%.150s", verdict.text);
    op->consumer_config = consumer_volatile(consumer) ? to : NULL;
    return verdict.error;
}

static uint16_t create_check(struct stream_op *op, struct stream *stream)
{
    struct api_request *request =
        (struct api_request *)((uint8_t *)op - offsetof(struct api_request, stream_op));
    struct creation *creation = request->parsed;
    struct consumer *consumer = stream_consumer(stream, op->name);

    if (consumer != NULL)
        return check_existing(op, consumer, creation);
    if (creation->action == ACTION_UPDATE)
        return 10149;
    return too_many(stream) ? 10026 : 0;
}

static void create_done(struct stream_op *op, struct stream *stream)
{
    struct api_request *request =
        (struct api_request *)((uint8_t *)op - offsetof(struct api_request, stream_op));
    struct consumer *consumer;
    struct json_writer *writer;

    if (op->error != 0 || stream == NULL) {
        api_refuse(request, stream == NULL ? 10059 : op->error, op->error_text);
        return;
    }
    consumer = op->consumer != NULL ? op->consumer : stream_consumer(stream, op->name);
    assert(consumer != NULL);
    writer = api_answer_begin(request);
    api_consumer_info(writer, request, stream, consumer, true);
    if (op->created)
        api_advise(request, stream_name(stream), op->name, "create");
    api_answer(request);
}

static struct bytes encode(struct api_request *request, const struct consumer_config *config)
{
    struct json_writer writer;
    struct buf text;
    struct bytes json;

    buf_init(&text, API_REQUEST_MAX);
    json_writer_init(&writer, &text);
    schema_encode(&consumer_config_schema, config, &writer);
    json = writer.failed ? bytes_of(NULL, 0) : arena_copy(&request->arena, buf_bytes(&text));
    buf_deinit(&text);
    return json;
}

static void submit_create(struct api_request *request, struct stream *stream, struct creation *creation)
{
    struct consumer_config *config = creation->config;
    struct bytes json = encode(request, config);

    if (json.size == 0) {
        api_refuse(request, 10003, NULL);
        return;
    }
    request->parsed = creation;
    request->stream_op = (struct stream_op){
        .kind = STREAM_OP_CONSUMER_CREATE,
        .check = create_check,
        .done = create_done,
        .json = json,
        .name = config->name,
        .created_ns = jetstream_log_now(api_jetstream(request)),
        .consumer_config = consumer_config_volatile(config, false) ? config : NULL,
    };
    stream_submit(stream, &request->stream_op);
}

static struct consumer_config *config_of(struct api_request *request, const struct create_request *parsed)
{
    struct consumer_config *config = parsed->config;

    if (config == NULL) {
        config = ARENA_NEW(&request->arena, struct consumer_config);
        schema_clear(&consumer_config_schema, config);
    }
    return config;
}

static void run_create(struct api_request *request)
{
    struct create_request parsed;
    struct creation *creation;
    struct consumer_verdict verdict;
    struct stream *stream;
    size_t stream_token = is_durable_form(request) ? 3 : 2;

    if (!api_parse(request, &create_schema, true, &parsed))
        return;
    if (!bytes_equal(parsed.stream_name, api_token(request, stream_token))) {
        api_refuse(request, 10056, NULL);
        return;
    }
    creation = ARENA_NEW(&request->arena, struct creation);
    creation->action = (enum create_action)parsed.action;
    creation->config = config_of(request, &parsed);
    if (!settle_name(request, creation->config))
        return;
    if (has_separator(creation->config->name)) {
        api_refuse(request, 10127, NULL);
        return;
    }
    if (!settle_filter(request, creation->config))
        return;
    if (creation->config->num_replicas > 1) {
        api_refuse(request, 10074, NULL);
        return;
    }
    stream = api_stream(request, stream_token);
    if (stream == NULL)
        return;
    consumer_check(creation->config, stream_config(stream), parsed.pedantic, &request->arena, &verdict);
    if (verdict.error != 0) {
        api_refuse(request, verdict.error, verdict.text);
        return;
    }
    submit_create(request, stream, creation);
}

/* ---- INFO, DELETE --------------------------------------------------------------------------------------------- */

static void run_info(struct api_request *request)
{
    struct stream *stream;
    struct consumer *consumer;

    if (!api_parse_nothing(request))
        return;
    stream = api_stream(request, 2);
    if (stream == NULL)
        return;
    consumer = stream_consumer(stream, api_token(request, 3));
    if (consumer == NULL) {
        api_refuse(request, 10014, NULL);
        return;
    }
    api_consumer_info(api_answer_begin(request), request, stream, consumer, true);
    api_answer(request);
}

static uint16_t delete_check(struct stream_op *op, struct stream *stream)
{
    return stream_consumer(stream, op->name) == NULL ? 10014 : 0;
}

static void delete_done(struct stream_op *op, struct stream *stream)
{
    struct api_request *request =
        (struct api_request *)((uint8_t *)op - offsetof(struct api_request, stream_op));

    if (stream == NULL || op->error != 0) {
        api_refuse(request, stream == NULL ? 10059 : op->error, op->error_text);
        return;
    }
    api_advise(request, stream_name(stream), op->name, "delete");
    api_answer_success(request);
}

static void run_delete(struct api_request *request)
{
    struct stream *stream;

    if (!api_parse_nothing(request))
        return;
    stream = api_stream(request, 2);
    if (stream == NULL)
        return;
    request->stream_op = (struct stream_op){
        .kind = STREAM_OP_CONSUMER_DELETE,
        .check = delete_check,
        .done = delete_done,
        .name = api_token(request, 3),
    };
    stream_submit(stream, &request->stream_op);
}

/* ---- NAMES, LIST ------------------------------------------------------------------------------------------------- */

struct page_request {
    int64_t offset;
};
static const struct schema_field page_fields[] = {
    {"offset", SCHEMA_INT64, SCHEMA_GO_INT, offsetof(struct page_request, offset), NULL, NULL, NULL},
};
static const struct schema page_schema = {"ApiPagedRequest", sizeof(struct page_request), page_fields, 1, NULL};

struct page {
    struct consumer **all;
    size_t from, to;
    struct json_writer *writer;
};

/* Opens the answer and finds the page; false: answered. */
static bool open_page(struct api_request *request, struct stream **stream, size_t limit, struct page *page)
{
    struct page_request parsed;
    size_t count;

    if (!api_parse_optional(request, &page_schema, true, &parsed))
        return false;
    *stream = api_stream(request, 2);
    if (*stream == NULL)
        return false;
    page->all = stream_consumers(*stream, &request->arena, &count);
    page->from = parsed.offset < 0 ? 0 : (uint64_t)parsed.offset > count ? count : (size_t)parsed.offset;
    page->to = count - page->from > limit ? page->from + limit : count;
    page->writer = api_answer_begin(request);
    JSON_KEY(page->writer, "total");
    json_number_u64(page->writer, count);
    JSON_KEY(page->writer, "offset");
    json_number_u64(page->writer, page->from);
    JSON_KEY(page->writer, "limit");
    json_number_u64(page->writer, limit);
    JSON_KEY(page->writer, "consumers");
    json_array_begin(page->writer);
    return true;
}

static void run_names(struct api_request *request)
{
    struct stream *stream;
    struct page page;

    if (!open_page(request, &stream, NAMES_PAGE, &page))
        return;
    for (size_t i = page.from; i < page.to; i++)
        json_string(page.writer, consumer_name(page.all[i]));
    json_array_end(page.writer);
    api_answer(request);
}

static void run_list(struct api_request *request)
{
    struct stream *stream;
    struct page page;

    if (!open_page(request, &stream, LIST_PAGE, &page))
        return;
    for (size_t i = page.from; i < page.to; i++) {
        json_object_begin(page.writer);
        api_consumer_info(page.writer, request, stream, page.all[i], false);
        json_object_end(page.writer);
    }
    json_array_end(page.writer);
    api_answer(request);
}

/* ---- what is refused --------------------------------------------------------------------------------------------- */

static void run_cluster_only(struct api_request *request)
{
    api_refuse(request, 10010, NULL);
}

static bool consumer_exists(struct api_request *request)
{
    struct stream *stream = api_stream(request, 2);

    if (stream == NULL)
        return false;
    if (stream_consumer(stream, api_token(request, 3)) == NULL) {
        api_refuse(request, 10014, NULL);
        return false;
    }
    return true;
}

static void run_pause(struct api_request *request)
{
    if (consumer_exists(request))
        api_refuse(request, 10003, "consumer pause is not supported by this version of Millrace");
}

static void run_reset(struct api_request *request)
{
    if (consumer_exists(request))
        api_refuse(request, 10204, "invalid reset: not supported by this version of Millrace");
}

/* No consumer has groups here. */
static void run_unpin(struct api_request *request)
{
    if (consumer_exists(request))
        api_refuse(request, 10160, NULL);
}

const struct api_endpoint api_consumer_endpoints[] = {
    {"CONSUMER.CREATE.*", "consumer_create_response", run_create, NULL},
    {"CONSUMER.CREATE.*.>", "consumer_create_response", run_create, NULL},
    {"CONSUMER.DURABLE.CREATE.*.>", "consumer_create_response", run_create, NULL},
    {"CONSUMER.NAMES.*", "consumer_names_response", run_names, API_PAGED ",\"consumers\":[]"},
    {"CONSUMER.LIST.*", "consumer_list_response", run_list, API_PAGED ",\"consumers\":[]"},
    {"CONSUMER.INFO.*.*", "consumer_info_response", run_info, NULL},
    {"CONSUMER.DELETE.*.*", "consumer_delete_response", run_delete, NULL},
    {"CONSUMER.PAUSE.*.*", "consumer_pause_response", run_pause,
     "\"paused\":false,\"pause_until\":\"0001-01-01T00:00:00Z\""},
    {"CONSUMER.RESET.*.*", "consumer_reset_response", run_reset, NULL},
    {"CONSUMER.UNPIN.*.*", "consumer_unpin_response", run_unpin, NULL},
    {"CONSUMER.LEADER.STEPDOWN.*.*", "consumer_leader_stepdown_response", run_cluster_only, NULL},
    {NULL, NULL, NULL, NULL},
};
