/* stream_query_api: STREAM.INFO, NAMES and LIST (reference streams 1.9, 3). */
#include <stddef.h>
#include <stdlib.h>

#include "base/owner.h"
#include "base/subject.h"
#include "server/api/api_priv.h"

#define NAMES_PAGE    1024u
#define LIST_PAGE     256u
#define SUBJECTS_PAGE 100000u

/* ---- INFO ----------------------------------------------------------------------------------- */

struct info_request {
    struct api_paged paged;
    bool deleted_details;
    struct bytes subjects_filter;
};
static const struct schema_field info_fields[] = {
    {"deleted_details", SCHEMA_BOOL, 0, offsetof(struct info_request, deleted_details), NULL, NULL,
     NULL},
    {"subjects_filter", SCHEMA_STRING, 0, offsetof(struct info_request, subjects_filter), NULL,
     NULL, NULL},
};
static const struct schema info_paged = API_PAGED_SCHEMA("JSApiStreamInfoRequest");
static const struct schema info_schema = {"JSApiStreamInfoRequest", sizeof(struct info_request),
                                          info_fields, 2, &info_paged};

static void count_subject(void *context, struct bytes subject, const struct index_subject *counts)
{
    (void)subject;
    (void)counts;
    (*(uint64_t *)context)++;
}

static void keep_subject(void *context, struct bytes subject, const struct index_subject *counts)
{
    struct api_subjects *subjects = context;

    subjects->at[subjects->count++] = (struct api_subject){subject, counts->count};
}

static int compare_subjects(const void *a, const void *b)
{
    return bytes_compare(((const struct api_subject *)a)->subject,
                         ((const struct api_subject *)b)->subject);
}

/* The page of matching subjects, in order; they are the index's until it changes. False: too many.
 */
static bool find_subjects(struct api_request *request, struct stream *stream,
                          const struct info_request *asked, struct api_subjects *page)
{
    struct index_filter filter = {.subjects = &asked->subjects_filter, .count = 1};
    const struct index *index = stream_applied(stream)->index;
    uint64_t total = 0;
    size_t from;

    index_subjects(index, &filter, count_subject, &total);
    if (total == 0)
        return true;
    page->at = ARENA_ARRAY(&request->arena, struct api_subject, total);
    if (page->at == NULL)
        return false;
    index_subjects(index, &filter, keep_subject, page);
    qsort(page->at, page->count, sizeof *page->at, compare_subjects);
    from = api_page_from(&asked->paged, total);
    page->total = total;
    page->offset = asked->paged.offset > 0 ? (uint64_t)asked->paged.offset
                                           : 0; /* as asked for: the reference */
    page->at += from;
    page->count = total - from < SUBJECTS_PAGE ? total - from : SUBJECTS_PAGE;
    return true;
}

static void write_page(struct json_writer *writer, uint64_t total, uint64_t offset, uint64_t limit)
{
    JSON_KEY(writer, "total");
    json_number_u64(writer, total);
    JSON_KEY(writer, "offset");
    json_number_u64(writer, offset);
    JSON_KEY(writer, "limit");
    json_number_u64(writer, limit);
}

static void answer_info(struct api_request *request, struct stream *stream)
{
    const struct info_request *parsed = request->parsed;
    struct json_writer *writer;
    struct api_subjects subjects = {0};

    if (parsed->subjects_filter.size > 0 && !find_subjects(request, stream, parsed, &subjects)) {
        api_refuse(request, 10023, NULL);
        return;
    }
    writer = api_answer_begin(request);
    write_page(writer, subjects.total, subjects.offset, subjects.total > 0 ? SUBJECTS_PAGE : 0);
    api_stream_head(writer, request, stream, true);
    api_stream_state(writer, stream, parsed->deleted_details, &subjects);
    api_stream_tail(writer, request, stream, true);
    api_alternates(writer, request, stream);
    api_answer(request);
}

static void glanced(struct stream_glance *glance, struct stream *stream)
{
    struct api_request *request = owner_of(glance, struct api_request, glance);

    if (stream == NULL)
        api_refuse(request, api_gone(request, 2), NULL);
    else
        answer_info(request, stream);
}

static void run_info(struct api_request *request)
{
    struct info_request *parsed = ARENA_NEW(&request->arena, struct info_request);
    struct stream *stream;

    if (!api_parse_optional(request, &info_schema, true, parsed))
        return;
    stream = api_stream(request, 2);
    if (stream == NULL)
        return;
    request->parsed = parsed;
    request->glance.done = glanced;
    stream_glance(stream, &request->glance);
}

/* ---- NAMES, LIST ---------------------------------------------------------------------------- */

struct list_request {
    struct api_paged paged;
    struct bytes subject;
};
static const struct schema_field list_fields[] = {
    {"subject", SCHEMA_STRING, 0, offsetof(struct list_request, subject), NULL, NULL, NULL},
};
static const struct schema names_paged = API_PAGED_SCHEMA("JSApiStreamNamesRequest");
static const struct schema names_schema = {"JSApiStreamNamesRequest", sizeof(struct list_request),
                                           list_fields, 1, &names_paged};
static const struct schema list_paged = API_PAGED_SCHEMA("JSApiStreamListRequest");
static const struct schema list_schema = {"JSApiStreamListRequest", sizeof(struct list_request),
                                          list_fields, 1, &list_paged};

struct page {
    struct catalogue_entry **all;
    size_t count, from, to;
};

/* Streams that are still being made are not listed. */
static bool wanted(const struct catalogue_entry *entry, struct bytes subject)
{
    const struct schema_strings *subjects = &entry->config.subjects;

    if (entry->configured == 0)
        return false;
    if (subject.size == 0)
        return true;
    for (size_t i = 0; i < subjects->count; i++) {
        if (subject_collide(subjects->at[i], subject))
            return true;
    }
    return false;
}

static bool find_page(struct api_request *request, const struct schema *schema, size_t limit,
                      struct page *page)
{
    struct list_request parsed;
    size_t all;

    if (!api_parse_optional(request, schema, true, &parsed))
        return false;
    page->all = jetstream_entries(api_jetstream(request), request->account, &request->arena, &all);
    page->count = 0;
    for (size_t i = 0; i < all; i++) {
        if (wanted(page->all[i], parsed.subject))
            page->all[page->count++] = page->all[i];
    }
    page->from = api_page_from(&parsed.paged, page->count);
    page->to = page->count - page->from > limit ? page->from + limit : page->count;
    return true;
}

static void run_names(struct api_request *request)
{
    struct json_writer *writer;
    struct page page;

    if (!find_page(request, &names_schema, NAMES_PAGE, &page))
        return;
    writer = api_answer_begin(request);
    write_page(writer, page.count, page.from, NAMES_PAGE);
    JSON_KEY(writer, "streams");
    if (page.from == page.to) {
        json_null(writer);
    } else {
        json_array_begin(writer);
        for (size_t i = page.from; i < page.to; i++)
            json_string(writer, page.all[i]->config.name);
        json_array_end(writer);
    }
    api_answer(request);
}

/* What was gathered stands in `infos`, in the order asked for; a stream whose leader did not answer
 * is missing. */
static void list_gathered(struct jetstream_gather *gather)
{
    struct api_request *request = gather->owner;
    const struct page *page = request->parsed;
    struct json_writer *writer = api_answer_begin(request);
    size_t missing = 0;

    write_page(writer, page->count, page->from, LIST_PAGE);
    JSON_KEY(writer, "streams");
    json_array_begin(writer);
    for (size_t i = 0; i < gather->count; i++) {
        missing += gather->infos[i].size == 0;
        if (gather->infos[i].size > 0)
            json_raw(writer, gather->infos[i]);
    }
    json_array_end(writer);
    if (missing > 0) {
        JSON_KEY(writer, "missing");
        json_array_begin(writer);
        for (size_t i = 0; i < gather->count; i++) {
            if (gather->infos[i].size == 0)
                json_string(writer, gather->names[i]);
        }
        json_array_end(writer);
    }
    api_answer(request);
}

static void run_list(struct api_request *request)
{
    struct page *page = ARENA_NEW(&request->arena, struct page);
    size_t count;

    if (!find_page(request, &list_schema, LIST_PAGE, page))
        return;
    count = page->to - page->from;
    request->parsed = page;
    request->gather = (struct jetstream_gather){
        .owner = request,
        .done = list_gathered,
        .count = count,
        .ids = ARENA_ARRAY(&request->arena, uint64_t, count + 1),
        .names = ARENA_ARRAY(&request->arena, struct bytes, count + 1),
        .infos = ARENA_ARRAY(&request->arena, struct bytes, count + 1),
        .arena = &request->arena,
    };
    for (size_t i = 0; i < count; i++) {
        request->gather.ids[i] = page->all[page->from + i]->assigned.id;
        request->gather.names[i] =
            arena_copy(&request->arena, page->all[page->from + i]->config.name);
    }
    jetstream_gather(api_jetstream(request), &request->gather);
}

void api_list_entry(struct api *api, struct account *account, struct stream *stream,
                    struct buf *out)
{
    const struct message message = {.subject = BYTES("$JS.API.STREAM.LIST")};
    struct api_request *request = api_request_make(api, account, &message);
    struct json_writer writer;

    if (request == NULL)
        return; /* too many: it is missing */
    json_writer_init(&writer, out);
    json_object_begin(&writer);
    api_stream_info(&writer, request, stream, false, false);
    json_object_end(&writer);
    api_request_free(request);
}

const struct api_endpoint api_stream_query_endpoints[] = {
    {"STREAM.INFO.*", "stream_info_response", run_info, API_PAGED},
    {"STREAM.NAMES", "stream_names_response", run_names, API_PAGED ",\"streams\":null"},
    {"STREAM.LIST", "stream_list_response", run_list, API_PAGED ",\"streams\":[]"},
    {NULL, NULL, NULL, NULL},
};
