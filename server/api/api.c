/*
 * api: sinks collect requests, the turn works them off. A request looks up its endpoint in the
 * tables of the files *_api.c.
 */
#include "server/api/api_priv.h"

#include "base/heap.h"
#include "base/owner.h"
#include "server/jetstream/jetstream_flaws.h"
#include "server/router/message_trace.h"

/*
 * What is served of "$JS.API.>": not DIRECT.GET and CONSUMER.MSG.NEXT, which streams and consumers
 * serve themselves, so that nobody answers for those that are not there.
 */
static const char *const subjects[] = {
    "$JS.API.*",
    "$JS.API.STREAM.>",
    "$JS.API.CONSUMER.*",
    "$JS.API.CONSUMER.CREATE.>",
    "$JS.API.CONSUMER.DURABLE.>",
    "$JS.API.CONSUMER.NAMES.>",
    "$JS.API.CONSUMER.LIST.>",
    "$JS.API.CONSUMER.INFO.>",
    "$JS.API.CONSUMER.DELETE.>",
    "$JS.API.CONSUMER.PAUSE.>",
    "$JS.API.CONSUMER.UNPIN.>",
    "$JS.API.CONSUMER.RESET.>",
    "$JS.API.CONSUMER.LEADER.>",
    "$JS.API.META.>",
    "$JS.API.SERVER.>",
    "$JS.API.ACCOUNT.>",
};

#define SUBJECT_COUNT (sizeof subjects / sizeof subjects[0])

/* The system account says what the cluster shall do, and ends streams of others. It has none:
 * whoever asks for them there is told so. */
#define SYSTEM_OWN 3u
static const char *const system_subjects[] = {
    "$JS.API.META.>", "$JS.API.SERVER.REMOVE", "$JS.API.ACCOUNT.PURGE.*",
    "$JS.API.*",      "$JS.API.STREAM.>",      "$JS.API.CONSUMER.>",
};

#define SYSTEM_SUBJECT_COUNT (sizeof system_subjects / sizeof system_subjects[0])

#define DOORS_SEED 1u /* any: nobody but whoever configures chooses names of accounts */

struct api_door {
    struct api *api;
    struct account *account;
    struct sink *sinks[SUBJECT_COUNT];
    size_t count;
};

static struct bytes door_key(const void *item)
{
    return account_name(((const struct api_door *)item)->account);
}

struct api *api_create(struct jetstream *jetstream)
{
    struct api *api = HEAP_NEW(struct api);

    api->jetstream = jetstream;
    table_init(&api->doors, door_key, DOORS_SEED);
    map64_init(&api->held, DOORS_SEED); /* nobody chooses the numbers of clients */
    buf_init(&api->answer, API_ANSWER_MAX);
    return api;
}

/* What one turn takes on: others are served between. */
#define TURN_REQUESTS 1024u
#define TURN_ANSWERED (1u << 20)

/* The one behind `before`; NULL: the first. */
static struct api_request *take_behind(struct api *api, struct api_request *before)
{
    struct api_request **at = before != NULL ? &before->next : &api->first, *request = *at;

    *at = request->next;
    if (api->last == request)
        api->last = before;
    return request;
}

static void add_last(struct api *api, struct api_request *request)
{
    request->next = NULL;
    if (api->last != NULL)
        api->last->next = request;
    else
        api->first = request;
    api->last = request;
}

static void close_door(struct router *router, struct api_door *door)
{
    for (size_t i = 0; i < door->count; i++)
        router_sink_remove(router, door->sinks[i]);
    heap_give(door);
}

void api_destroy(struct api *api)
{
    struct router *router = server_router(jetstream_server(api->jetstream));
    struct api_door *door;

    for (size_t at = 0; (door = table_next(&api->doors, &at)) != NULL;)
        close_door(router, door);
    table_deinit(&api->doors);
    while (api->first != NULL)
        api_request_free(take_behind(api, NULL));
    map64_deinit(&api->held);
    /* Streams and catalogue have ended those under way, but for reads: their memory is the disk's
     * until the io ends, and then the process does. */
    buf_deinit(&api->answer);
    heap_give(api);
}

bool api_waits(const struct api *api)
{
    return api->first != NULL && !api->until_open;
}

bool api_idle(const struct api *api)
{
    return api->count == 0;
}

/* ---- collecting ----------------------------------------------------------------------------- */

static void collect(void *owner, const struct message *message)
{
    struct api_door *door = owner;
    struct api *api = door->api;
    struct api_request *request = api_request_make(api, door->account, message);

    if (request == NULL) { /* the reference drops them silently, too: the client tries again */
        jetstream_counters(api->jetstream)->api_errors++;
        if (!api->overflowing)
            logger_warn(server_logger(jetstream_server(api->jetstream)),
                        "JetStream API queue limit reached: requests are dropped");
        api->overflowing = true;
        return;
    }
    api->until_open = false;
    add_last(api, request);
}

/* Traces say that the system account serves it, as it does in the reference, and no more. */
static bool takes(void *owner, const struct message *message)
{
    (void)owner;
    if (message->trace != NULL)
        message_trace_imported(message->trace, BYTES("$SYS"), message_sent_to(message),
                               message_sent_to(message));
    return !message_trace_only(message->trace);
}

void api_serve(struct api *api, struct account *account)
{
    struct router *router = server_router(jetstream_server(api->jetstream));
    struct api_door *door = HEAP_NEW(struct api_door);
    bool system = account_is_system(account);
    const char *const *served = system ? system_subjects : subjects;

    door->api = api;
    door->account = account;
    door->count = system ? SYSTEM_SUBJECT_COUNT : SUBJECT_COUNT;
    table_add(&api->doors, door);
    for (size_t i = 0; i < door->count; i++) {
        door->sinks[i] = router_sink_add(router, account, bytes_of_text(served[i]),
                                         bytes_of(NULL, 0), collect, door);
        router_sink_choose(door->sinks[i], takes);
    }
}

bool api_serves(const struct api *api, const struct account *account)
{
    return table_find(&api->doors, account_name(account)) != NULL;
}

void api_leave(struct api *api, struct account *account)
{
    struct api_door *door = table_remove(&api->doors, account_name(account));

    if (door != NULL)
        close_door(server_router(jetstream_server(api->jetstream)), door);
}

/* ---- working off ---------------------------------------------------------------------------- */

static void run_unknown(struct api_request *request)
{
    api_refuse(request, 10003, NULL);
}

static const struct api_endpoint unknown = {"", "system_response", run_unknown, NULL};

static const struct api_endpoint *const tables[] = {
    api_account_endpoints,       api_leader_endpoints,          api_server_endpoints,
    api_stream_endpoints,        api_stream_query_endpoints,    api_message_endpoints,
    api_consumer_endpoints,      api_consumer_manage_endpoints, api_backup_endpoints,
    api_account_purge_endpoints,
};

static const struct api_endpoint *find_endpoint(struct bytes subject)
{
    struct bytes rest = bytes_skip(subject, sizeof("$JS.API.") - 1);

    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        for (const struct api_endpoint *endpoint = tables[i]; endpoint->subject != NULL;
             endpoint++) {
            if (api_subject_matches(endpoint->subject, rest))
                return endpoint;
        }
    }
    return &unknown;
}

static bool is_systems_own(const struct api_request *request)
{
    for (size_t i = 0; i < SYSTEM_OWN; i++) {
        if (api_subject_matches(system_subjects[i], request->subject))
            return request->endpoint != &unknown;
    }
    return false;
}

/* As from the reference, which has a name there for INFO only. */
static void refuse_system(struct api_request *request)
{
    if (!bytes_equal(request->subject, BYTES("$JS.API.INFO")))
        request->endpoint = &unknown;
    api_refuse(request, 10039, NULL);
}

/* If leadership is gone, it goes to whoever has it now. */
static void go_on(void *of, struct stream *stream, const struct told *told)
{
    struct api_request *request = of;

    (void)stream;
    (void)told;
    request->api->until_open = false;
    add_last(request->api, request);
    jetstream_awake(request->api->jetstream);
}

static void looked(struct replica_read *look, bool ok)
{
    struct api_request *request = owner_of(look, struct api_request, look);

    request->looked = ok;
    if (request->looking)
        go_on(request, NULL, NULL);
    else
        stream_lane_end_errand(request->lane, 0, go_on, request);
}

/* Answers say what is: a leader that has been replaced, and has not heard of it, gives none. Mostly
 * its lease tells at once. */
static void look(struct api_request *request, struct replica *group)
{
    request->look.done = looked;
    request->looking = true;
    replica_read(group, &request->look);
    request->looking = false;
}

static void run(struct api_request *request)
{
    struct replica *group = NULL;

    if (api_elsewhere(request, &group))
        return;
    if (!request->looked && group != NULL && replica_leads(group) &&
        !jetstream_flawed(api_jetstream(request), JETSTREAM_FLAW_API_AT_ONCE)) {
        look(request, group);
        return;
    }
    request->endpoint = find_endpoint(request->subject);
    if (request->body.size > API_REQUEST_MAX)
        api_refuse(request, 10025, "invalid JSON: request is too large");
    else if (account_is_system(request->account) && !is_systems_own(request))
        refuse_system(request);
    else if (!account_is_system(request->account) &&
             !jetstream_serves(request->api->jetstream, request->account))
        api_refuse(request, 10039, NULL);
    else if (!api_level_is_met(request->headers))
        api_refuse(request, 10185, NULL);
    else
        request->endpoint->run(request);
}

/* What is asked of one stream needs that one; all else may look at all of them, so it waits until
 * they are open. */
static bool is_there(const struct api_request *request)
{
    struct bytes name = api_stream_asked(request);

    return name.size == 0 ? jetstream_is_complete(api_jetstream(request))
                          : jetstream_need(api_jetstream(request), request->account, name);
}

/* What is behind one that waits, and of the same client, waits, too: it may be about what that
 * makes. Others do not. */
static bool can_run(const struct api_request *request)
{
    struct api *api = request->api;
    const union map64_value *held = map64_find(&api->held, request->asker);

    if (held != NULL && held->number == api->turn)
        return false;
    if (is_there(request))
        return true;
    map64_put(&api->held, request->asker)->number = api->turn;
    return false;
}

static void work_off(struct api *api)
{
    struct api_request *before = NULL, *request;
    size_t begun = 0;

    api->turn++;
    while ((request = before != NULL ? before->next : api->first) != NULL) {
        if (begun == TURN_REQUESTS || api->answered >= TURN_ANSWERED)
            return;
        if (can_run(request)) {
            jetstream_hold_still(api->jetstream);
            run(take_behind(api, before));
            begun++;
        } else {
            before = request;
        }
    }
    api->until_open = before != NULL;
    if (before == NULL && api->held.count > 0)
        map64_deinit(&api->held);
}

void api_turn(struct api *api)
{
    api->answered = 0;
    api->until_open = false;
    work_off(api);
    api->overflowing = api->overflowing && api->count >= API_QUEUE_MAX / 2;
    /* Sinks must not ask the router. A client that has been told of a subscription to the audit by
     * whoever made it asks in a later turn. */
    api->audited = jetstream_listened(
        api->jetstream, router_account_default(server_router(jetstream_server(api->jetstream))),
        BYTES(API_AUDIT_SUBJECT));
}

void api_changed(struct api *api, struct account *account, const struct message *message,
                 struct catalogue_entry *entry, enum catalogue_op_kind kind, bool created)
{
    struct api_request *request = api_request_make(api, account, message);

    if (request == NULL)
        return; /* too many: its client asks again */
    request->endpoint = find_endpoint(request->subject);
    api_answer_changed(request, entry, kind, created);
}

/* ---- publish errors ------------------------------------------------------------------------- */

void api_write_error(struct json_writer *writer, uint16_t err_code, const char *text)
{
    const struct api_error *error = api_error(err_code);

    JSON_KEY(writer, "error");
    json_object_begin(writer);
    JSON_KEY(writer, "code");
    json_number_u64(writer, error->code);
    JSON_KEY(writer, "err_code");
    json_number_u64(writer, err_code);
    JSON_KEY(writer, "description");
    json_string(writer, bytes_of_text(text != NULL && text[0] != 0 ? text : error->description));
    json_object_end(writer);
}

void api_publish_error(struct buf *out, struct bytes stream, uint16_t err_code, const char *text)
{
    struct json_writer writer;

    json_writer_init(&writer, out);
    json_object_begin(&writer);
    api_write_error(&writer, err_code, text);
    JSON_KEY(&writer, "stream");
    json_string(&writer, stream);
    JSON_KEY(&writer, "seq");
    json_number_u64(&writer, 0);
    json_object_end(&writer);
}
