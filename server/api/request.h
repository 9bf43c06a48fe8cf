/*
 * request: one API request from its arrival to its answer. It owns a copy of what came in and an
 * arena for what is parsed from it, and is freed by the call that answers.
 */
#ifndef SERVER_API_REQUEST_H
#define SERVER_API_REQUEST_H

#include "base/arena.h"
#include "base/json.h"
#include "raft/replica.h"
#include "server/api/api.h"

#define API_REQUEST_MAX     (8u << 20)  /* bytes of a body we look at; larger ones are refused */
#define API_ARENA_MAX       (64u << 20) /* of what is parsed from it */
#define API_ANSWER_MAX      (64u << 20)
#define API_QUEUE_MAX       10000u /* requests that wait or are under way (request_queue_limit) */
#define API_QUEUE_BYTES_MAX (256u << 20)

#define API_AUDIT_SUBJECT "$JS.EVENT.ADVISORY.API"

struct api_request;

struct api_endpoint {
    const char *subject; /* tokens; "*" stands for a stream or consumer name, ">" for any rest */
    const char *type;    /* of the answer, after "io.nats.jetstream.api.v1." */
    void (*run)(struct api_request *request);
    const char
        *with_error; /* members that stand in error answers, too, e.g. "\"purged\":0"; or NULL */
};

/* What stands in the error answers of paged lists. */
#define API_PAGED "\"total\":0,\"offset\":0,\"limit\":0"

struct api_request {
    struct api *api;
    struct account *account;
    const struct api_endpoint *endpoint;
    struct bytes subject, reply, headers, body; /* owned copies */
    struct bytes client; /* who asked, as JSON; empty while nobody wants to know */
    struct arena arena;
    struct api_request *next; /* in the queue */
    uint64_t asker; /* one number for each client, whose requests are begun in their order */
    size_t size;    /* what it holds of the queue's bound */
    bool forwarded; /* another node sent it here: it goes no further */

    /* The operation it waits for, one at a time. */
    struct stream_op stream_op;
    struct catalogue_op catalogue_op;
    struct stream_question question;
    struct stream_glance glance;
    struct jetstream_gather gather;
    struct replica_read look;
    struct stream_lane *lane; /* whose group is asked for that, on its thread */
    bool looking;             /* it is being asked, by home */
    bool looked; /* whoever leads what it is about is here, and did so after it had come */

    /* What `check` and `done` need; in the arena. */
    void *parsed;
};

/* Does the subject's part after "$JS.API." have the endpoint's form? */
bool api_subject_matches(const char *pattern, struct bytes subject);
/* The token of the subject after "$JS.API.": 0 is STREAM, CONSUMER...; empty if there is none. */
struct bytes api_token(const struct api_request *request, size_t n);
struct jetstream *api_jetstream(const struct api_request *request);
/* The stream named by that token or NULL (then 10059 has been answered and the request is gone). */
struct stream *api_stream(struct api_request *request, size_t token);
/* Why it is not there any more: it is deleted, or (10008) closed to be opened again. */
uint16_t api_gone(const struct api_request *request, size_t token);

/* What requests for pages begin with. */
struct api_paged {
    int64_t offset;
};
extern const struct schema_field api_paged_field;
#define API_PAGED_SCHEMA(type)                                                                     \
    {                                                                                              \
        type ".ApiPagedRequest", sizeof(struct api_paged), &api_paged_field, 1, NULL               \
    }

/* The place of the first of `count` things on the page. */
size_t api_page_from(const struct api_paged *paged, size_t count);

/* ---- bodies --------------------------------------------------------------------------------- */

/* Parses the body with `schema` into `out` (cleared first). An empty body is an empty object.
 * False: 10025 has been answered and the request is gone. */
bool api_parse(struct api_request *request, const struct schema *schema, bool strict, void *out);
/* The same for endpoints that look at the body only if it begins with '{' or '['. */
bool api_parse_optional(struct api_request *request, const struct schema *schema, bool strict,
                        void *out);
/* For endpoints that take nothing: false: 10038 has been answered and the request is gone. */
bool api_parse_nothing(struct api_request *request);
/* Nothing, or an object without members: what endpoints that need a body refuse. */
bool api_is_empty(struct api_request *request);

/* ---- answering: each ends the request, which is freed. -------------------------------------- */

/* Begins {"type":"...", ; add members to the writer, then api_answer. The buffer is the api's own.
 */
struct json_writer *api_answer_begin(struct api_request *request);
void api_answer(struct api_request *request);
/* {"type":..., "success":true} */
void api_answer_success(struct api_request *request);
/* Error with the constant text, or with `text` (not a format) in place of the whole description. */
void api_refuse(struct api_request *request, uint16_t err_code, const char *text);
[[gnu::format(printf, 3, 4)]] void api_refuse_print(struct api_request *request, uint16_t err_code,
                                                    const char *format, ...);

/* `in` as JSON in the request's arena; empty when it is too large. */
struct bytes api_encode(struct api_request *request, const struct schema *schema, const void *in);

/* ---- shared encoders ------------------------------------------------------------------------ */

/* Members of StreamInfo / ConsumerInfo (no braces); `dynamic`: with _nats.ver and _nats.level in
 * metadata. */
void api_stream_info(struct json_writer *writer, struct api_request *request, struct stream *stream,
                     bool dynamic, bool cluster);
/* Subjects with messages: a page of them. */
struct api_subject {
    struct bytes subject;
    uint64_t messages;
};
struct api_subjects {
    struct api_subject *at;
    size_t count;
    uint64_t total, offset;
};

/* The same in parts, for STREAM.INFO with details: config and created; state (with deleted
 * sequences, with a page of subjects, empty: none); cluster and ts. */
void api_stream_head(struct json_writer *writer, struct api_request *request, struct stream *stream,
                     bool dynamic);
void api_stream_state(struct json_writer *writer, struct stream *stream, bool deleted,
                      const struct api_subjects *subjects);
/* "mirror":{...} and "sources":[...], if there are any. */
void api_origins(struct json_writer *writer, const struct stream *stream);
/* "alternates":[...], in a cluster, if the stream has mirrors. */
void api_alternates(struct json_writer *writer, struct api_request *request,
                    const struct stream *stream);
void api_stream_tail(struct json_writer *writer, struct api_request *request, struct stream *stream,
                     bool cluster);
/* What the stream's group is called: "S-R3F-0000000a". A view of `name`. */
#define API_GROUP_MAX 32
struct bytes api_group_name(char name[API_GROUP_MAX], struct stream *stream);
/* "cluster":{...}: who leads the stream, or one of its consumers (else NULL), and the other
 * replicas as their leader sees them. */
void api_cluster(struct json_writer *writer, struct api_request *request, struct stream *stream,
                 const struct consumer_config *consumer);
void api_consumer_info(struct json_writer *writer, struct api_request *request,
                       struct stream *stream, struct consumer *consumer, bool dynamic);
/* The same, with its config or without. */
void api_consumer_detail(struct json_writer *writer, struct api_request *request,
                         struct stream *stream, struct consumer *consumer, bool configured,
                         bool dynamic);
/* The stream's consumers sorted by name, without those of sources and mirrors; in the request's
 * arena. */
struct consumer **api_consumers(struct api_request *request, const struct stream *stream,
                                size_t *count);
/* What only answers have among the metadata of a config: the server's version and API level. */
void api_metadata(struct schema_map *metadata, struct arena *arena);

/* Publishes an advisory about a stream, or its consumer when that is not empty, if anybody listens.
 */
void api_advise(struct api_request *request, struct bytes stream, struct bytes consumer,
                const char *action);

/* The same of a pause; until_ns may be TIME_UNSET. */
void api_advise_pause(struct api_request *request, struct bytes stream, struct bytes consumer,
                      bool paused, int64_t until_ns);

/* Endpoint tables, NULL-ended by subject. */
extern const struct api_endpoint api_account_endpoints[];
extern const struct api_endpoint api_backup_endpoints[];
extern const struct api_endpoint api_leader_endpoints[];
extern const struct api_endpoint api_server_endpoints[];
extern const struct api_endpoint api_account_purge_endpoints[];
extern const struct api_endpoint api_message_endpoints[];
extern const struct api_endpoint api_stream_endpoints[];
extern const struct api_endpoint api_stream_query_endpoints[];
extern const struct api_endpoint api_consumer_endpoints[];
extern const struct api_endpoint api_consumer_manage_endpoints[];
extern const struct api_endpoint api_account_endpoints[];

#endif
