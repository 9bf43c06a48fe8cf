/* consumer_api: creating, deleting and looking at consumers (reference consumers 1). The rest of
 * CONSUMER.* is in consumer_manage_api.c. */
#include <stddef.h>
#include <stdio.h>

#include "base/owner.h"
#include "base/text.h"
#include "server/api/account_limits.h"
#include "server/api/consumer_check.h"
#include "server/api/consumer_unique.h"
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
    {"stream_name", SCHEMA_STRING, 0, offsetof(struct create_request, stream_name), NULL, NULL,
     NULL},
    {"config", SCHEMA_OBJECT, 0, offsetof(struct create_request, config), NULL,
     &consumer_config_schema, NULL},
    {"action", SCHEMA_ENUM, 0, offsetof(struct create_request, action), action_names, NULL,
     "unknown consumer action: %s"},
    {"pedantic", SCHEMA_BOOL, 0, offsetof(struct create_request, pedantic), NULL, NULL, NULL},
};
static const struct schema create_schema = {"CreateConsumerRequest", sizeof(struct create_request),
                                            create_fields, 4, NULL};

/* What a create needs until it is answered. */
struct creation {
    struct consumer_config *config;
    enum create_action action;
    bool without_threshold; /* it said no inactive_threshold */
};

static struct api_request *request_of(struct stream_op *op)
{
    return (struct api_request *)((uint8_t *)op - offsetof(struct api_request, stream_op));
}

/* ---- CREATE: the three forms ---------------------------------------------------------------- */

static bool is_durable_form(const struct api_request *request)
{
    return bytes_equal(api_token(request, 1), BYTES("DURABLE"));
}

/* Which token of a creation's subject names the stream. */
static size_t stream_token(const struct api_request *request)
{
    return is_durable_form(request) ? 3 : 2;
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

static const struct jetstream_limits *limits_of(const struct stream *stream,
                                                const struct consumer_config *config)
{
    return account_limits(stream_account(stream),
                          account_consumer_replicas(config, stream_config(stream)));
}

static bool too_many(const struct stream *stream, const struct jetstream_limits *limits)
{
    int64_t most = account_consumers_max(limits, stream_config(stream));

    return most > 0 && (uint64_t)most <= stream_consumer_count_tail(stream);
}

/* What an existing consumer keeps: its pause, which PAUSE alone changes, and, if it was ephemeral,
 * that it goes away when unused. */
static void keep(const struct consumer_config *from, struct consumer_config *to,
                 struct arena *arena)
{
    to->pause_until_ns = from->pause_until_ns;
    if (from->durable_name.size == 0 && to->inactive_threshold_ns == 0)
        to->inactive_threshold_ns = CONSUMER_INACTIVE_DEFAULT_NS;
    consumer_check_level(to, arena);
}

/* The reference compares a `create` before it fills in the threshold that an ephemeral consumer
 * has by itself: one that says none is never equal, and clients take that for "exists". */
static bool never_equal(const struct creation *creation, const struct consumer_config *from)
{
    return creation->action == ACTION_CREATE && from->durable_name.size == 0 &&
           creation->without_threshold;
}

static uint16_t refuse_op(struct stream_op *op, uint16_t error, const char *text)
{
    snprintf(op->error_text, sizeof op->error_text, "%.150s", text);
    return error;
}

static uint16_t check_existing(struct stream_op *op, const struct stream *stream,
                               struct consumer *consumer, struct creation *creation)
{
    struct api_request *request = request_of(op);
    const struct consumer_config *from = consumer_config(consumer);
    struct consumer_config *to = creation->config;
    struct verdict verdict;
    uint16_t error;

    if (never_equal(creation, from))
        return 10148;
    keep(from, to, &request->arena);
    if (from->sourcing && to->sourcing) { /* another leader of the stream that takes from it */
        to->deliver_policy = from->deliver_policy;
        to->opt_start_seq = from->opt_start_seq;
        to->opt_start_time_ns = from->opt_start_time_ns;
    }
    if (schema_equal(&consumer_config_schema, from, to)) {
        op->kind = STREAM_OP_READ;
        return 0;
    }
    if (creation->action == ACTION_CREATE)
        return 10148;
    consumer_check_update(from, to, consumer_is_bound(consumer) && !to->sourcing, &verdict);
    if (verdict.error != 0)
        return refuse_op(op, verdict.error, verdict.text);
    error = consumer_check_unique(stream, to);
    if (error != 0)
        return error;
    if (consumer_volatile(consumer) && to->durable_name.size > 0)
        return refuse_op(
            op, 10012,
            "an ephemeral consumer without acks can not become durable in this version of "
            "Millrace");
    op->consumer_config = consumer_volatile(consumer) ? to : NULL;
    op->refiltered = consumer_refilters(consumer, to) ? to : NULL;
    op->json = api_encode(request, &consumer_config_schema, to);
    return op->json.size > 0 ? 0 : 10023;
}

static bool is_until_acked(const struct stream *stream)
{
    return stream_config(stream)->retention != RETENTION_LIMITS;
}

static uint16_t create_check(struct stream_op *op, struct stream *stream)
{
    struct creation *creation = request_of(op)->parsed;
    struct consumer *consumer = stream_consumer(stream, op->name);
    const struct jetstream_limits *limits;

    if (consumer != NULL)
        return check_existing(op, stream, consumer, creation);
    if (creation->action == ACTION_UPDATE)
        return 10149;
    limits = limits_of(stream, creation->config);
    if (limits == NULL)
        return 10120;
    if (too_many(stream, limits))
        return 10026;
    if (consumer_config_volatile(creation->config, is_until_acked(stream)))
        op->consumer_config = creation->config;
    return consumer_check_unique(stream, creation->config);
}

/* An update of a paused consumer says that it is paused, too. */
static void advise_created(struct api_request *request, struct stream *stream,
                           const struct stream_op *op, int64_t pause_until_ns)
{
    struct consumer *consumer = stream_consumer(stream, op->name);

    if (op->created)
        api_advise(request, stream_name(stream), op->name, "create");
    if (op->created && consumer != NULL)
        stream_say_leader_of(stream, consumer);
    if (op->kind != STREAM_OP_READ && pause_until_ns > jetstream_log_now(api_jetstream(request)))
        api_advise_pause(request, stream_name(stream), op->name, true, pause_until_ns);
}

/* It may count first what is left for it, and may be gone when that is done. */
static void created(struct stream_glance *glance, struct stream *stream)
{
    struct api_request *request = owner_of(glance, struct api_request, glance);
    struct consumer *consumer =
        stream != NULL ? stream_consumer(stream, request->stream_op.name) : NULL;

    if (consumer == NULL) {
        api_refuse(request, stream == NULL ? api_gone(request, stream_token(request)) : 10014,
                   NULL);
        return;
    }
    if (stream_glance_counts(stream, glance, consumer))
        return;
    api_consumer_info(api_answer_begin(request), request, stream, consumer, true);
    api_answer(request);
}

static void create_done(struct stream_op *op, struct stream *stream)
{
    struct api_request *request = request_of(op);
    struct consumer *consumer;

    if (op->error != 0 || stream == NULL) {
        api_refuse(request, stream == NULL ? api_gone(request, stream_token(request)) : op->error,
                   op->error_text);
        return;
    }
    consumer = op->consumer_number != 0 ? op->consumer : stream_consumer(stream, op->name);
    if (consumer == NULL) { /* it is gone again */
        api_refuse(request, 10014, NULL);
        return;
    }
    advise_created(request, stream, op, consumer_config(consumer)->pause_until_ns);
    request->glance.done = created;
    created(&request->glance, stream);
}

static void submit_create(struct api_request *request, struct stream *stream,
                          struct creation *creation)
{
    struct consumer_config *config = creation->config;
    struct bytes json = api_encode(request, &consumer_config_schema, config);

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
    };
    stream_submit(stream, &request->stream_op);
}

/* What a mirror or source asks for. A stream whose messages live until they are acknowledged gives
 * it a consumer that keeps them until the other stream has them; any other one that goes with its
 * listener, and has a name of its own each time. */
static void settle_sourcing(struct api_request *request, const struct stream_config *stream,
                            struct consumer_config *config)
{
    char *name;

    if (!config->sourcing || !config->direct)
        return;
    if (stream->retention == RETENTION_LIMITS) {
        name = arena_take(&request->arena, config->name.size + 9);
        memcpy(name, config->name.at, config->name.size);
        name[config->name.size] = '-';
        text_base62(server_prng(jetstream_server(api_jetstream(request))),
                    name + config->name.size + 1, 8);
        config->name = bytes_of(name, config->name.size + 9);
        return;
    }
    config->direct = false;
    config->durable_name = config->name;
    config->ack_policy = ACK_FLOW_CONTROL;
    config->ack_wait_ns = 0;
    config->max_deliver = -1;
    config->inactive_threshold_ns = 0;
}

static struct consumer_config *config_of(struct api_request *request,
                                         const struct create_request *parsed)
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
    struct verdict verdict;
    const struct server *server = jetstream_server(api_jetstream(request));
    const struct jetstream_limits *limits;
    int64_t ack_pending_max;
    struct stream *stream;

    if (!api_parse(request, &create_schema, true, &parsed))
        return;
    if (!bytes_equal(parsed.stream_name, api_token(request, stream_token(request)))) {
        api_refuse(request, 10056, NULL);
        return;
    }
    creation = ARENA_NEW(&request->arena, struct creation);
    creation->action = (enum create_action)parsed.action;
    creation->config = config_of(request, &parsed);
    creation->without_threshold = creation->config->inactive_threshold_ns == 0;
    if (!settle_name(request, creation->config))
        return;
    if (has_separator(creation->config->name)) {
        api_refuse(request, 10127, NULL);
        return;
    }
    if (!settle_filter(request, creation->config))
        return;
    if (creation->config->num_replicas > 1 && !jetstream_clustered(api_jetstream(request))) {
        api_refuse(request, 10074, NULL);
        return;
    }
    stream = api_stream(request, stream_token(request));
    if (stream == NULL)
        return;
    settle_sourcing(request, stream_config(stream), creation->config);
    limits = limits_of(stream, creation->config);
    if (limits == NULL) {
        api_refuse(request, 10120, NULL);
        return;
    }
    ack_pending_max = account_ack_pending_max(limits, &server_options(server)->jetstream_options);
    account_ack_pending_default(ack_pending_max, stream_config(stream), creation->config);
    consumer_check(creation->config, stream_config(stream), parsed.pedantic, &request->arena,
                   &verdict);
    if (verdict.error != 0) {
        api_refuse(request, verdict.error, verdict.text);
        return;
    }
    if (ack_pending_max > 0 && creation->config->max_ack_pending > ack_pending_max) {
        api_refuse_print(request, 10121, "consumer max ack pending exceeds system limit of %lld",
                         (long long)ack_pending_max);
        return;
    }
    submit_create(request, stream, creation);
}

/* ---- INFO, DELETE --------------------------------------------------------------------------- */

static void glanced(struct stream_glance *glance, struct stream *stream)
{
    struct api_request *request = owner_of(glance, struct api_request, glance);
    struct consumer *consumer =
        stream != NULL ? stream_consumer(stream, api_token(request, 3)) : NULL;

    if (consumer == NULL) {
        api_refuse(request, stream == NULL ? api_gone(request, 2) : 10014, NULL);
        return;
    }
    if (stream_glance_counts(stream, glance, consumer))
        return;
    api_consumer_info(api_answer_begin(request), request, stream, consumer, true);
    api_answer(request);
}

static void run_info(struct api_request *request)
{
    struct stream *stream;

    if (!api_parse_nothing(request))
        return;
    stream = api_stream(request, 2);
    if (stream == NULL)
        return;
    request->glance.done = glanced;
    stream_glance(stream, &request->glance);
}

static uint16_t delete_check(struct stream_op *op, struct stream *stream)
{
    return stream_consumer(stream, op->name) == NULL ? 10014 : 0;
}

static void delete_done(struct stream_op *op, struct stream *stream)
{
    struct api_request *request = request_of(op);

    if (stream == NULL || op->error != 0) {
        api_refuse(request, stream == NULL ? api_gone(request, 2) : op->error, op->error_text);
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

/* ---- NAMES, LIST ---------------------------------------------------------------------------- */

static const struct schema paged = API_PAGED_SCHEMA("JSApiConsumersRequest");

struct page {
    struct consumer **all;
    size_t from, to;
    struct json_writer *writer;
};

/* Opens the answer and finds the page. */
static void open_page(struct api_request *request, struct stream *stream, size_t limit,
                      struct page *page)
{
    size_t count;

    page->all = api_consumers(request, stream, &count);
    page->from = api_page_from(request->parsed, count);
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
}

/* The stream whose page is asked for; NULL: answered. */
static struct stream *parse_page(struct api_request *request)
{
    struct api_paged *parsed = ARENA_NEW(&request->arena, struct api_paged);

    request->parsed = parsed;
    return api_parse_optional(request, &paged, true, parsed) ? api_stream(request, 2) : NULL;
}

static void run_names(struct api_request *request)
{
    struct stream *stream = parse_page(request);
    struct page page;

    if (stream == NULL)
        return;
    open_page(request, stream, NAMES_PAGE, &page);
    for (size_t i = page.from; i < page.to; i++)
        json_string(page.writer, consumer_name(page.all[i]));
    json_array_end(page.writer);
    api_answer(request);
}

/* Is one of the page's consumers still counting? Then it waits, and all of them are. In memory of
 * its own: it may be asked as often as there are consumers. */
static bool page_counts(struct api_request *request, struct stream *stream,
                        struct stream_glance *glance)
{
    struct consumer **all, *counting = NULL;
    struct arena arena;
    size_t count, from = 0, at = 0;

    arena_init(&arena, SIZE_MAX / 2);
    all = stream_consumers(stream, &arena, &count);
    if (count > 0)
        from = api_page_from(request->parsed, count);
    for (size_t i = 0; i < count && at < from + LIST_PAGE; i++) {
        bool shown = !consumer_config(all[i])->direct && at++ >= from;

        if (shown && !consumer_is_counted(all[i]))
            counting = all[i];
    }
    arena_deinit(&arena);
    return counting != NULL && stream_glance_counts(stream, glance, counting);
}

static void listed(struct stream_glance *glance, struct stream *stream)
{
    struct api_request *request = owner_of(glance, struct api_request, glance);
    struct page page;

    if (stream == NULL) {
        api_refuse(request, api_gone(request, 2), NULL);
        return;
    }
    if (page_counts(request, stream, glance))
        return;
    open_page(request, stream, LIST_PAGE, &page);
    for (size_t i = page.from; i < page.to; i++) {
        json_object_begin(page.writer);
        api_consumer_info(page.writer, request, stream, page.all[i], false);
        json_object_end(page.writer);
    }
    json_array_end(page.writer);
    api_answer(request);
}

/* With what is pending, so behind what was published and acknowledged before. */
static void run_list(struct api_request *request)
{
    struct stream *stream = parse_page(request);

    if (stream == NULL)
        return;
    request->glance.done = listed;
    stream_glance(stream, &request->glance);
}

const struct api_endpoint api_consumer_endpoints[] = {
    {"CONSUMER.CREATE.*", "consumer_create_response", run_create, NULL},
    {"CONSUMER.CREATE.*.>", "consumer_create_response", run_create, NULL},
    {"CONSUMER.DURABLE.CREATE.*.>", "consumer_create_response", run_create, NULL},
    {"CONSUMER.NAMES.*", "consumer_names_response", run_names, API_PAGED ",\"consumers\":[]"},
    {"CONSUMER.LIST.*", "consumer_list_response", run_list, API_PAGED ",\"consumers\":[]"},
    {"CONSUMER.INFO.*.*", "consumer_info_response", run_info, NULL},
    {"CONSUMER.DELETE.*.*", "consumer_delete_response", run_delete, NULL},
    {NULL, NULL, NULL, NULL},
};
