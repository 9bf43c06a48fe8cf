/* stream_api: endpoints that change streams (reference streams 1.9, 6.3). Looking at them is in
 * stream_query_api.c, their messages in stream_msg_api.c. */
#include <stddef.h>
#include <stdio.h>

#include "server/api/account_limits.h"
#include "server/api/api_priv.h"
#include "server/api/stream_check.h"
#include "server/api/stream_check_origins.h"

#define RESTORES_MAX 16u /* of an account at once */

struct change_request {
    struct stream_config config;
    bool pedantic;
};
static const struct schema_field change_fields[] = {
    {"pedantic", SCHEMA_BOOL, 0, offsetof(struct change_request, pedantic), NULL, NULL, NULL},
};
static const struct schema change_schema = {"StreamConfigRequest", sizeof(struct change_request),
                                            change_fields, 1, &stream_config_schema};

static struct api_request *request_of(struct catalogue_op *op)
{
    return (struct api_request *)((uint8_t *)op - offsetof(struct api_request, catalogue_op));
}

/* Does another stream of the account capture what this config would? An offline one counts, too:
 * what it captures is its own when it comes back. */
static bool overlaps(struct catalogue_op *op, const struct stream_config *config)
{
    const struct jetstream *jetstream = api_jetstream(request_of(op));
    const struct catalogue_entry *entry;

    for (size_t at = 0; (entry = jetstream_entry_next(jetstream, op->account, &at)) != NULL;) {
        if (!bytes_equal(entry->config.name, config->name) &&
            stream_check_overlap(config, &entry->config))
            return true;
    }
    return false;
}

void api_answer_changed(struct api_request *request, struct catalogue_entry *entry,
                        enum catalogue_op_kind kind, bool created)
{
    struct json_writer *writer;

    if (entry == NULL || entry->stream == NULL) {
        api_refuse(request, 10059, NULL);
        return;
    }
    if (kind == CATALOGUE_RESTORE) {
        api_restore_begin(request, entry);
        return;
    }
    writer = api_answer_begin(request);
    api_stream_info(writer, request, entry->stream, true, false);
    if (kind == CATALOGUE_CREATE) {
        JSON_KEY(writer, "did_create");
        json_bool(writer, true);
    }
    if (kind == CATALOGUE_UPDATE)
        api_advise(request, entry->config.name, bytes_of(NULL, 0), "modify");
    else if (created)
        api_advise(request, entry->config.name, bytes_of(NULL, 0), "create");
    api_answer(request);
}

static void changed(struct catalogue_op *op, struct catalogue_entry *entry)
{
    struct api_request *request = request_of(op);
    struct message message = {
        .subject = request->subject,
        .reply = request->reply,
        .headers = request->headers,
        .payload = request->body,
    };

    if (op->error != 0)
        api_refuse(request, op->error, op->error_text);
    else if (entry != NULL && jetstream_hand_answer(api_jetstream(request), entry, op, &message))
        api_request_free(request); /* the stream's leader answers */
    else
        api_answer_changed(request, entry, op->kind, op->created);
}

/* Checks the config by itself; false: answered. */
static bool check_config(struct api_request *request, struct change_request *parsed)
{
    struct verdict verdict;

    stream_check(&parsed->config, parsed->pedantic, &request->arena, &verdict);
    if (verdict.error == 0)
        return true;
    api_refuse(request, verdict.error, verdict.text);
    return false;
}

static void submit(struct api_request *request, enum catalogue_op_kind kind,
                   struct stream_config *config,
                   uint16_t (*check)(struct catalogue_op *op, bool *satisfied))
{
    request->parsed = config;
    request->catalogue_op = (struct catalogue_op){
        .kind = kind,
        .account = request->account,
        .name = config->name,
        .json = api_encode(request, &stream_config_schema, config),
        .config = config,
        .replicas = config->num_replicas,
        .placement = config->placement,
        .check = check,
        .done = changed,
    };
    if (request->catalogue_op.json.size == 0)
        api_refuse(request, 10003, NULL);
    else
        jetstream_catalogue(api_jetstream(request), &request->catalogue_op);
}

/* ---- CREATE, UPDATE, DELETE ----------------------------------------------------------------- */

/* Hands a verdict to the operation. */
static uint16_t verdict_error(struct catalogue_op *op, const struct verdict *verdict)
{
    snprintf(op->error_text, sizeof op->error_text, "%.150s", verdict->text);
    return verdict->error;
}

static uint16_t check_limits(struct catalogue_op *op, const struct stream_config *config,
                             const struct stream_config *before)
{
    struct jetstream *jetstream = api_jetstream(request_of(op));
    const struct server *server = jetstream_server(jetstream);
    const struct jetstream_options *options = &server_options(server)->jetstream_options;
    struct account_usages usages = {0};
    struct account_usage all = {0};
    struct account_demand demand = {
        .config = config,
        .before = before,
        .limits = account_limits(op->account, config->num_replicas),
        .tiered = account_tiered(op->account),
        .server = options,
        .others = &usages.all,
        .all = &all,
    };
    int64_t tier = config->num_replicas;

    /* With fewer replicas it may stay in the tier that it is in. */
    if (demand.limits == NULL && before != NULL && config->num_replicas < before->num_replicas) {
        tier = before->num_replicas;
        demand.limits = account_limits(op->account, tier);
    }
    if (demand.limits == NULL)
        return account_check_stream(&demand);
    if (demand.tiered)
        demand.others = &usages.tiers[tier];
    /* Every stream is looked at: only where there is a limit to compare with. */
    if (account_counted(op->account))
        jetstream_usage(jetstream, op->account, config->name, &usages);
    if (options->memory_max >= 0 || options->store_max >= 0)
        jetstream_usage_here(jetstream, &all);
    return account_check_stream(&demand);
}

/* What depends on other streams, and at last on what is built. `before`: NULL: it is new. */
static uint16_t final_check(struct catalogue_op *op, const struct stream_config *config,
                            const struct stream_config *before)
{
    bool clustered = jetstream_clustered(api_jetstream(request_of(op)));
    struct verdict verdict;
    uint16_t error = check_limits(op, config, before);

    if (error != 0)
        return error;
    if (overlaps(op, config))
        return 10065;
    stream_check_built(config, clustered, &verdict);
    if (verdict.error == 0 && before == NULL)
        (void)stream_check_origin_filters(config, &verdict);
    return verdict_error(op, &verdict);
}

static const struct stream_config *find_config(void *owner, struct bytes name)
{
    const struct catalogue_op *op = owner;
    struct api_request *request = request_of(owner);
    const struct catalogue_entry *entry =
        jetstream_entry(api_jetstream(request), op->account, name);

    return entry != NULL && entry->readable ? &entry->config : NULL;
}

/* What depends on the streams it takes from; what that changes in it is what is logged. */
static uint16_t check_visible(struct catalogue_op *op)
{
    struct api_request *request = request_of(op);
    struct change_request *parsed = request->parsed; /* begins with the config */
    struct stream_look_up streams = {op, find_config};
    struct verdict verdict;

    if (!stream_check_visible(&parsed->config, parsed->pedantic, &streams, &verdict))
        return verdict_error(op, &verdict);
    if (parsed->config.mirror != NULL)
        op->json = api_encode(request, &stream_config_schema, &parsed->config);
    return op->json.size > 0 ? 0 : 10023;
}

/* Until its backup is there it is no stream yet. */
static bool is_restored(const struct catalogue_entry *entry)
{
    return entry->assigned.restore && entry->configured == 0;
}

static uint16_t create_check(struct catalogue_op *op, bool *satisfied)
{
    struct api_request *request = request_of(op);
    const struct stream_config *config = request->parsed;
    const struct catalogue_entry *entry =
        jetstream_entry(api_jetstream(request), op->account, op->name);
    uint16_t error = check_visible(op);

    if (error == 0 && account_limits(op->account, config->num_replicas) == NULL)
        error = 10120; /* whether or not the stream is there */
    if (error != 0)
        return error;
    if (entry != NULL) {
        *satisfied =
            !is_restored(entry) && schema_equal(&stream_config_schema, config, &entry->config);
        return *satisfied ? 0 : 10058;
    }
    return final_check(op, config, NULL);
}

static bool has_separator(struct bytes name)
{
    return bytes_find(name, '/') < name.size || bytes_find(name, '\\') < name.size;
}

/* What the reference refuses of a create before it looks at the config as a whole; 0: nothing. */
static uint16_t refused_of_create(const struct stream_config *config, struct bytes name,
                                  const char **text)
{
    *text = NULL;
    if (!bytes_equal(config->name, name))
        return 10056;
    if (has_separator(name))
        return 10128;
    if (config->sealed)
        *text = "stream configuration for create can not be sealed";
    else if (config->mirror_direct && config->mirror == NULL)
        *text = "stream has no mirror but does have mirror direct";
    return *text != NULL ? 10052 : 0;
}

static void run_create(struct api_request *request)
{
    struct change_request *parsed = ARENA_NEW(&request->arena, struct change_request);
    const char *text;
    uint16_t error;

    if (!api_parse(request, &change_schema, true, parsed))
        return;
    error = refused_of_create(&parsed->config, api_token(request, 2), &text);
    if (error != 0)
        api_refuse(request, error, text);
    else if (check_config(request, parsed)) {
        if (parsed->config.num_replicas > 1 && !jetstream_clustered(api_jetstream(request)))
            /* before it looks whether the stream is there */
            api_refuse(request,
                       account_limits(request->account, parsed->config.num_replicas) == NULL
                           ? 10120
                           : 10074,
                       NULL);
        else
            submit(request, CATALOGUE_CREATE, &parsed->config, create_check);
    }
}

/* ---- RESTORE: from then on backup_api.c ----------------------------------------------------- */

struct restore_state {
    uint64_t messages, bytes, first_seq, last_seq, num_subjects, num_deleted, consumer_count;
    int64_t first_ns, last_ns;
    struct schema_ints deleted;
};
#define STATE_FIELD(name, type, member)                                                            \
    {                                                                                              \
        name, type, 0, offsetof(struct restore_state, member), NULL, NULL, NULL                    \
    }
static const struct schema_field state_fields[] = {
    STATE_FIELD("messages", SCHEMA_UINT64, messages),
    STATE_FIELD("bytes", SCHEMA_UINT64, bytes),
    STATE_FIELD("first_seq", SCHEMA_UINT64, first_seq),
    STATE_FIELD("first_ts", SCHEMA_TIME, first_ns),
    STATE_FIELD("last_seq", SCHEMA_UINT64, last_seq),
    STATE_FIELD("last_ts", SCHEMA_TIME, last_ns),
    STATE_FIELD("num_subjects", SCHEMA_UINT64, num_subjects),
    STATE_FIELD("num_deleted", SCHEMA_UINT64, num_deleted),
    STATE_FIELD("deleted", SCHEMA_INTS, deleted),
    STATE_FIELD("consumer_count", SCHEMA_UINT64, consumer_count),
};
static const struct schema state_schema = {"StreamState", sizeof(struct restore_state),
                                           state_fields, 10, NULL};
struct restore_request {
    struct stream_config config;
    struct restore_state state; /* the backup itself says it better */
};
static const struct schema_field restore_fields[] = {
    {"config", SCHEMA_EMBEDDED, 0, offsetof(struct restore_request, config), NULL,
     &stream_config_schema, NULL},
    {"state", SCHEMA_EMBEDDED, 0, offsetof(struct restore_request, state), NULL, &state_schema,
     NULL},
};
static const struct schema restore_schema = {
    "JSApiStreamRestoreRequest", sizeof(struct restore_request), restore_fields, 2, NULL};

/* Each may hold a record of the largest size, of which its sender needs to have sent a few bytes.
 */
static bool too_many_restores(struct catalogue_op *op)
{
    const struct jetstream *jetstream = api_jetstream(request_of(op));
    const struct catalogue_entry *entry;
    unsigned count = 0;

    for (size_t at = 0; (entry = jetstream_entry_next(jetstream, op->account, &at)) != NULL;)
        count += is_restored(entry);
    return count >= RESTORES_MAX;
}

static uint16_t restore_check(struct catalogue_op *op, bool *satisfied)
{
    struct api_request *request = request_of(op);
    const struct stream_config *config = request->parsed;
    uint16_t error = check_visible(op);

    (void)satisfied;
    if (error == 0)
        error = check_limits(op, config, NULL);
    if (error == 0 && jetstream_entry(api_jetstream(request), op->account, op->name) != NULL)
        error = 10130;
    if (error == 0 && too_many_restores(op)) {
        error = 10062;
        snprintf(op->error_text, sizeof op->error_text,
                 "restore failed: %u streams of the account are being restored already",
                 RESTORES_MAX);
    }
    return error != 0 ? error : final_check(op, config, NULL);
}

static void run_restore(struct api_request *request)
{
    struct restore_request *parsed = ARENA_NEW(&request->arena, struct restore_request);
    struct change_request *change = ARENA_NEW(&request->arena, struct change_request);
    struct bytes name = api_token(request, 2);

    if (api_is_empty(request)) {
        api_refuse(request, 10003, NULL);
        return;
    }
    if (!api_parse(request, &restore_schema, true, parsed))
        return;
    change->config = parsed->config;
    if (change->config.name.size == 0)
        change->config.name = name;
    if (!bytes_equal(change->config.name, name))
        api_refuse(request, 10056, NULL);
    else if (has_separator(name))
        api_refuse(request, 10128, NULL);
    else if (check_config(request, change)) /* a server that stands alone takes a cluster's, too */
        submit(request, CATALOGUE_RESTORE, &change->config, restore_check);
}

static bool violates(const struct consumer_config *consumer,
                     const struct stream_consumer_limits *limits)
{
    return (limits->max_ack_pending > 0 && consumer->max_ack_pending > limits->max_ack_pending) ||
           (limits->inactive_threshold_ns > 0 &&
            consumer->inactive_threshold_ns > limits->inactive_threshold_ns);
}

/* Consumers that have more than new limits allow; 0: none. */
static uint16_t check_consumers(struct catalogue_op *op, const struct stream *stream,
                                const struct stream_config *config)
{
    size_t count, used = 0, size = sizeof op->error_text;
    struct consumer **all = stream_consumers(stream, &request_of(op)->arena, &count);
    uint16_t error = 0;

    for (size_t i = 0; i < count; i++) {
        if (!violates(consumer_config(all[i]), &config->consumer_limits))
            continue;
        if (used < size)
            used += (size_t)snprintf(op->error_text + used, size - used, "%s%.*s",
                                     error == 0 ? "change to limits violates consumers: " : ", ",
                                     BYTES_ARG(consumer_name(all[i])));
        error = 10069;
    }
    return error;
}

static uint16_t update_check(struct catalogue_op *op, bool *satisfied)
{
    struct api_request *request = request_of(op);
    struct stream_config *config = request->parsed;
    const struct catalogue_entry *entry =
        jetstream_entry(api_jetstream(request), op->account, op->name);
    struct verdict verdict;
    uint16_t error;

    (void)satisfied;
    error = check_visible(op);
    if (error != 0)
        return error;
    if (entry == NULL || is_restored(entry))
        return 10059;
    stream_check_update(&entry->config, config, &verdict);
    error = verdict_error(op, &verdict);
    if (error == 0 && entry->stream != NULL)
        error = check_consumers(op, entry->stream, config);
    if (error == 0)
        error = final_check(op, config, &entry->config);
    if (error == 0) {
        op->json =
            api_encode(request, &stream_config_schema, config); /* sealing may have changed it */
        error = op->json.size > 0 ? 0 : 10023;
    }
    return error;
}

static void run_update(struct api_request *request)
{
    struct change_request *parsed = ARENA_NEW(&request->arena, struct change_request);

    if (!api_parse(request, &change_schema, true, parsed) || !check_config(request, parsed))
        return;
    if (!bytes_equal(parsed->config.name, api_token(request, 2)))
        api_refuse(request, 10056, NULL);
    else
        submit(request, CATALOGUE_UPDATE, &parsed->config, update_check);
}

/* Its consumers go with it, and are announced first. */
static uint16_t delete_check(struct catalogue_op *op, bool *satisfied)
{
    struct api_request *request = request_of(op);
    const struct catalogue_entry *entry =
        jetstream_entry(api_jetstream(request), op->account, op->name);
    struct schema_strings *names = request->parsed;
    struct consumer **all;
    size_t count;

    (void)satisfied;
    if (entry == NULL)
        return 10059;
    if (entry->stream == NULL)
        return 0;
    all = stream_consumers(entry->stream, &request->arena, &count);
    names->at = ARENA_ARRAY(&request->arena, struct bytes, count + 1);
    for (size_t i = 0; names->at != NULL && i < count; i++)
        names->at[names->count++] = arena_copy(&request->arena, consumer_name(all[i]));
    return 0;
}

static void deleted(struct catalogue_op *op, struct catalogue_entry *entry)
{
    struct api_request *request = request_of(op);
    const struct schema_strings *names = request->parsed;

    (void)entry;
    if (op->error != 0) {
        api_refuse(request, op->error, op->error_text);
        return;
    }
    for (size_t i = 0; i < names->count; i++)
        api_advise(request, op->name, names->at[i], "delete");
    api_advise(request, op->name, bytes_of(NULL, 0), "delete");
    api_answer_success(request);
}

static void run_delete(struct api_request *request)
{
    if (!api_parse_nothing(request))
        return;
    request->parsed = ARENA_NEW(&request->arena, struct schema_strings);
    request->catalogue_op = (struct catalogue_op){
        .kind = CATALOGUE_DELETE,
        .account = request->account,
        .name = api_token(request, 2),
        .check = delete_check,
        .done = deleted,
    };
    jetstream_catalogue(api_jetstream(request), &request->catalogue_op);
}

/* ---- PURGE ---------------------------------------------------------------------------------- */

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
static const struct schema purge_schema = {"JSApiStreamPurgeRequest", sizeof(struct purge_request),
                                           purge_fields, 3, NULL};

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
        api_refuse(request, stream == NULL ? api_gone(request, 2) : op->error, op->error_text);
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

const struct api_endpoint api_stream_endpoints[] = {
    {"STREAM.CREATE.*", "stream_create_response", run_create, NULL},
    {"STREAM.UPDATE.*", "stream_update_response", run_update, NULL},
    {"STREAM.DELETE.*", "stream_delete_response", run_delete, NULL},
    {"STREAM.PURGE.*", "stream_purge_response", run_purge, "\"purged\":0"},
    {"STREAM.RESTORE.*", "stream_restore_response", run_restore, "\"deliver_subject\":\"\""},
    {NULL, NULL, NULL, NULL},
};
