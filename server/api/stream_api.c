/* stream_api: the STREAM.* endpoints (reference streams 1.9, 3, 6.3); messages are in stream_msg_api.c. */
#include <stddef.h>
#include <stdio.h>

#include "base/subject.h"
#include "server/api/request.h"
#include "server/api/stream_check.h"

#define NAMES_PAGE    1024u
#define LIST_PAGE     256u
#define SUBJECTS_PAGE 100000u

struct change_request {
    struct stream_config config;
    bool pedantic;
};
static const struct schema_field change_fields[] = {
    {"pedantic", SCHEMA_BOOL, 0, offsetof(struct change_request, pedantic), NULL, NULL, NULL},
};
static const struct schema change_schema = {"StreamConfigRequest.StreamConfig", sizeof(struct change_request),
                                            change_fields, 1, &stream_config_schema};

static struct api_request *request_of(struct catalogue_op *op)
{
    return (struct api_request *)((uint8_t *)op - offsetof(struct api_request, catalogue_op));
}

static struct bytes encode(struct api_request *request, const struct stream_config *config)
{
    struct json_writer writer;
    struct buf text;
    struct bytes json;

    buf_init(&text, API_REQUEST_MAX);
    json_writer_init(&writer, &text);
    schema_encode(&stream_config_schema, config, &writer);
    json = writer.failed ? bytes_of(NULL, 0) : arena_copy(&request->arena, buf_bytes(&text));
    buf_deinit(&text);
    return json;
}

/* Does another stream of the account capture what this config would? */
static bool overlaps(struct catalogue_op *op, const struct stream_config *config)
{
    struct api_request *request = request_of(op);
    size_t count;
    struct stream **all = jetstream_streams(api_jetstream(request), op->account, &request->arena, &count);

    for (size_t i = 0; i < count; i++) {
        const struct schema_strings *theirs = &stream_config(all[i])->subjects;

        if (bytes_equal(stream_name(all[i]), config->name))
            continue;
        for (size_t a = 0; a < config->subjects.count; a++) {
            for (size_t b = 0; b < theirs->count; b++) {
                if (subject_collide(config->subjects.at[a], theirs->at[b]))
                    return true;
            }
        }
    }
    return false;
}

static void changed(struct catalogue_op *op, struct stream *stream)
{
    struct api_request *request = request_of(op);
    struct json_writer *writer;

    if (op->error != 0 || stream == NULL) {
        api_refuse(request, op->error != 0 ? op->error : 10059, op->error_text);
        return;
    }
    writer = api_answer_begin(request);
    api_stream_info(writer, request, stream, true, false);
    if (op->kind == CATALOGUE_CREATE) {
        JSON_KEY(writer, "did_create");
        json_bool(writer, true);
    }
    if (op->kind == CATALOGUE_UPDATE)
        api_advise(request, op->name, bytes_of(NULL, 0), "modify");
    else if (op->created)
        api_advise(request, op->name, bytes_of(NULL, 0), "create");
    api_answer(request);
}

/* Parses and checks; the normalised config, or NULL when it was answered. */
static struct stream_config *read_config(struct api_request *request)
{
    struct change_request *parsed = ARENA_NEW(&request->arena, struct change_request);
    struct bytes token = api_token(request, 2);
    struct stream_verdict verdict;

    if (!api_parse(request, &change_schema, true, parsed))
        return NULL;
    if (!bytes_equal(parsed->config.name, token)) {
        api_refuse(request, 10056, NULL);
        return NULL;
    }
    if (bytes_find(token, '/') < token.size || bytes_find(token, '\\') < token.size) {
        api_refuse(request, 10128, NULL);
        return NULL;
    }
    if (bytes_equal(api_token(request, 1), BYTES("CREATE")) && parsed->config.sealed) {
        api_refuse(request, 10052, "stream configuration for create can not be sealed");
        return NULL;
    }
    if (parsed->config.mirror_direct && parsed->config.mirror == NULL) {
        api_refuse(request, 10052, "stream has no mirror but does have mirror direct");
        return NULL;
    }
    stream_check(&parsed->config, parsed->pedantic, &request->arena, &verdict);
    if (verdict.error != 0) {
        api_refuse(request, verdict.error, verdict.text);
        return NULL;
    }
    return &parsed->config;
}

static void submit(struct api_request *request, enum catalogue_op_kind kind, struct stream_config *config,
                   uint16_t (*check)(struct catalogue_op *op, bool *satisfied))
{
    request->parsed = config;
    request->catalogue_op = (struct catalogue_op){
        .kind = kind,
        .account = request->account,
        .name = config->name,
        .json = encode(request, config),
        .check = check,
        .done = changed,
    };
    if (request->catalogue_op.json.size == 0)
        api_refuse(request, 10003, NULL);
    else
        jetstream_catalogue(api_jetstream(request), &request->catalogue_op);
}

/* ---- CREATE, UPDATE, DELETE ---------------------------------------------------------------------------------- */

static uint16_t create_check(struct catalogue_op *op, bool *satisfied)
{
    struct api_request *request = request_of(op);
    const struct stream_config *config = request->parsed;
    struct stream *stream = jetstream_stream(api_jetstream(request), op->account, op->name);

    if (stream != NULL && !stream_applied(stream)->configured)
        return 10008; /* an earlier creation has not come to its end on this disk yet */
    if (stream != NULL) {
        *satisfied = schema_equal(&stream_config_schema, config, stream_config(stream));
        return *satisfied ? 0 : 10058;
    }
    return overlaps(op, config) ? 10065 : 0;
}

static void run_create(struct api_request *request)
{
    struct stream_config *config = read_config(request);

    if (config != NULL)
        submit(request, CATALOGUE_CREATE, config, create_check);
}

static uint16_t update_check(struct catalogue_op *op, bool *satisfied)
{
    struct api_request *request = request_of(op);
    struct stream_config *config = request->parsed;
    struct stream *stream = jetstream_stream(api_jetstream(request), op->account, op->name);
    struct stream_verdict verdict;

    (void)satisfied;
    if (stream == NULL || !stream_applied(stream)->configured)
        return 10059;
    stream_check_update(stream_config(stream), config, &verdict);
    if (verdict.error != 0) {
        snprintf(op->error_text, sizeof op->error_text, "%.150s", verdict.text);
        return verdict.error;
    }
    if (overlaps(op, config))
        return 10065;
    op->json = encode(request, config); /* sealing has changed it */
    return 0;
}

static void run_update(struct api_request *request)
{
    struct stream_config *config = read_config(request);

    if (config != NULL)
        submit(request, CATALOGUE_UPDATE, config, update_check);
}

static uint16_t delete_check(struct catalogue_op *op, bool *satisfied)
{
    struct api_request *request = request_of(op);

    (void)satisfied;
    return jetstream_stream(api_jetstream(request), op->account, op->name) == NULL ? 10059 : 0;
}

static void deleted(struct catalogue_op *op, struct stream *stream)
{
    struct api_request *request = request_of(op);

    (void)stream;
    if (op->error != 0) {
        api_refuse(request, op->error, op->error_text);
        return;
    }
    api_advise(request, op->name, bytes_of(NULL, 0), "delete");
    api_answer_success(request);
}

static void run_delete(struct api_request *request)
{
    if (!api_parse_nothing(request))
        return;
    request->catalogue_op = (struct catalogue_op){
        .kind = CATALOGUE_DELETE,
        .account = request->account,
        .name = api_token(request, 2),
        .check = delete_check,
        .done = deleted,
    };
    jetstream_catalogue(api_jetstream(request), &request->catalogue_op);
}

/* ---- INFO ---------------------------------------------------------------------------------------------------------- */

struct info_request {
    int64_t offset;
    bool deleted_details;
    struct bytes subjects_filter;
};
static const struct schema_field info_fields[] = {
    {"offset", SCHEMA_INT64, SCHEMA_GO_INT, offsetof(struct info_request, offset), NULL, NULL, NULL},
    {"deleted_details", SCHEMA_BOOL, 0, offsetof(struct info_request, deleted_details), NULL, NULL, NULL},
    {"subjects_filter", SCHEMA_STRING, 0, offsetof(struct info_request, subjects_filter), NULL, NULL, NULL},
};
static const struct schema info_schema = {"JSApiStreamInfoRequest", sizeof(struct info_request), info_fields, 3, NULL};

static void write_page(struct json_writer *writer, uint64_t total, uint64_t offset, uint64_t limit)
{
    JSON_KEY(writer, "total");
    json_number_u64(writer, total);
    JSON_KEY(writer, "offset");
    json_number_u64(writer, offset);
    JSON_KEY(writer, "limit");
    json_number_u64(writer, limit);
}

static void run_info(struct api_request *request)
{
    struct info_request parsed;
    struct json_writer *writer;
    struct stream *stream;
    uint64_t subjects;

    if (!api_parse_optional(request, &info_schema, true, &parsed))
        return;
    stream = api_stream(request, 2);
    if (stream == NULL)
        return;
    subjects = parsed.subjects_filter.size > 0 ? api_subject_count(stream, parsed.subjects_filter) : 0;
    if (subjects > SUBJECTS_PAGE || (subjects > 0 && parsed.offset > 0)) {
        api_refuse(request, 10003, "paging through subject details is not supported by this version of Millrace");
        return;
    }
    writer = api_answer_begin(request);
    write_page(writer, subjects, 0, subjects > 0 ? SUBJECTS_PAGE : 0);
    api_stream_head(writer, request, stream, true);
    api_stream_state(writer, stream, parsed.deleted_details,
                     subjects > 0 ? parsed.subjects_filter : bytes_of(NULL, 0));
    api_stream_tail(writer, request, true);
    api_answer(request);
}

/* ---- NAMES, LIST ------------------------------------------------------------------------------------------------------ */

struct list_request {
    int64_t offset;
    struct bytes subject;
};
static const struct schema_field list_fields[] = {
    {"offset", SCHEMA_INT64, SCHEMA_GO_INT, offsetof(struct list_request, offset), NULL, NULL, NULL},
    {"subject", SCHEMA_STRING, 0, offsetof(struct list_request, subject), NULL, NULL, NULL},
};
static const struct schema list_schema = {"JSApiStreamNamesRequest", sizeof(struct list_request), list_fields, 2, NULL};

struct page {
    struct stream **all;
    size_t count, from, to;
};

static bool wanted(const struct stream *stream, struct bytes subject)
{
    const struct schema_strings *subjects = &stream_config(stream)->subjects;

    if (subject.size == 0)
        return true;
    for (size_t i = 0; i < subjects->count; i++) {
        if (subject_collide(subjects->at[i], subject))
            return true;
    }
    return false;
}

static bool find_page(struct api_request *request, size_t limit, struct page *page)
{
    struct list_request parsed;
    size_t all;

    if (!api_parse_optional(request, &list_schema, true, &parsed))
        return false;
    page->all = jetstream_streams(api_jetstream(request), request->account, &request->arena, &all);
    page->count = 0;
    for (size_t i = 0; i < all; i++) {
        if (wanted(page->all[i], parsed.subject))
            page->all[page->count++] = page->all[i];
    }
    page->from = parsed.offset < 0                           ? 0
                 : (uint64_t)parsed.offset > page->count ? page->count
                                                         : (size_t)parsed.offset;
    page->to = page->count - page->from > limit ? page->from + limit : page->count;
    return true;
}

static void run_names(struct api_request *request)
{
    struct json_writer *writer;
    struct page page;

    if (!find_page(request, NAMES_PAGE, &page))
        return;
    writer = api_answer_begin(request);
    write_page(writer, page.count, page.from, NAMES_PAGE);
    JSON_KEY(writer, "streams");
    if (page.from == page.to) {
        json_null(writer);
    } else {
        json_array_begin(writer);
        for (size_t i = page.from; i < page.to; i++)
            json_string(writer, stream_name(page.all[i]));
        json_array_end(writer);
    }
    api_answer(request);
}

static void run_list(struct api_request *request)
{
    struct json_writer *writer;
    struct page page;

    if (!find_page(request, LIST_PAGE, &page))
        return;
    writer = api_answer_begin(request);
    write_page(writer, page.count, page.from, LIST_PAGE);
    JSON_KEY(writer, "streams");
    json_array_begin(writer);
    for (size_t i = page.from; i < page.to; i++) {
        json_object_begin(writer);
        api_stream_info(writer, request, page.all[i], false, false);
        json_object_end(writer);
    }
    json_array_end(writer);
    api_answer(request);
}

/* ---- PURGE -------------------------------------------------------------------------------------------------------------- */

struct purge_request {
    uint64_t seq;
    struct bytes filter;
    uint64_t keep;
};
static const struct schema_field purge_fields[] = {
    {"seq", SCHEMA_UINT64, 0, offsetof(struct purge_request, seq), NULL, NULL, NULL},
    {"filter", SCHEMA_STRING, 0, offsetof(struct purge_request, filter), NULL, NULL, NULL},
    {"keep", SCHEMA_UINT64, 0, offsetof(struct purge_request, keep), NULL, NULL, NULL},
};
static const struct schema purge_schema = {"JSApiStreamPurgeRequest", sizeof(struct purge_request), purge_fields, 3, NULL};

static uint16_t purge_check(struct stream_op *op, struct stream *stream)
{
    (void)op;
    if (stream_config(stream)->sealed)
        return 10109;
    if (stream_config(stream)->deny_purge) {
        snprintf(op->error_text, sizeof op->error_text, "stream purge not permitted");
        return 10110;
    }
    return 0;
}

static void purged(struct stream_op *op, struct stream *stream)
{
    struct api_request *request =
        (struct api_request *)((uint8_t *)op - offsetof(struct api_request, stream_op));
    struct json_writer *writer;

    if (op->error != 0 || stream == NULL) {
        api_refuse(request, stream == NULL ? 10059 : op->error, op->error_text);
        return;
    }
    writer = api_answer_begin(request);
    JSON_KEY(writer, "success");
    json_bool(writer, true);
    JSON_KEY(writer, "purged");
    json_number_u64(writer, op->purged);
    api_answer(request);
}

static void run_purge(struct api_request *request)
{
    struct purge_request parsed;
    struct stream *stream;

    if (!api_parse_optional(request, &purge_schema, true, &parsed))
        return;
    if (parsed.seq > 0 && parsed.keep > 0) {
        api_refuse(request, 10003, NULL);
        return;
    }
    stream = api_stream(request, 2);
    if (stream == NULL)
        return;
    request->stream_op = (struct stream_op){
        .kind = STREAM_OP_PURGE,
        .check = purge_check,
        .done = purged,
        .sequence = parsed.seq,
        .filter = parsed.filter,
        .keep = parsed.keep,
    };
    stream_submit(stream, &request->stream_op);
}

/* ---- what is refused ------------------------------------------------------------------------------------------------- */

static void run_cluster_only(struct api_request *request)
{
    api_refuse(request, 10010, NULL);
}

static void run_unsupported(struct api_request *request)
{
    if (api_stream(request, 2) != NULL)
        api_refuse(request, 10003, "snapshots are not supported by this version of Millrace");
}

static void run_restore(struct api_request *request)
{
    api_refuse(request, 10003, "restore is not supported by this version of Millrace");
}

const struct api_endpoint api_stream_endpoints[] = {
    {"STREAM.CREATE.*", "stream_create_response", run_create, NULL},
    {"STREAM.UPDATE.*", "stream_update_response", run_update, NULL},
    {"STREAM.INFO.*", "stream_info_response", run_info, API_PAGED},
    {"STREAM.NAMES", "stream_names_response", run_names, API_PAGED ",\"streams\":null"},
    {"STREAM.LIST", "stream_list_response", run_list, API_PAGED ",\"streams\":null"},
    {"STREAM.DELETE.*", "stream_delete_response", run_delete, NULL},
    {"STREAM.PURGE.*", "stream_purge_response", run_purge, "\"purged\":0"},
    {"STREAM.SNAPSHOT.*", "stream_snapshot_response", run_unsupported, NULL},
    {"STREAM.RESTORE.*", "stream_restore_response", run_restore, NULL},
    {"STREAM.LEADER.STEPDOWN.*", "stream_leader_stepdown_response", run_cluster_only, NULL},
    {"STREAM.PEER.REMOVE.*", "stream_remove_peer_response", run_cluster_only, NULL},
    {NULL, NULL, NULL, NULL},
};
