/* backup_api: STREAM.SNAPSHOT and STREAM.RESTORE (reference streams 8) from when their stream is
 * found: what is said of them while server/stream/snapshot.c and restore.c carry them out. */
#include <stddef.h>
#include <stdio.h>

#include "base/heap.h"
#include "base/subject.h"
#include "base/text.h"
#include "server/api/advisory_backup.h"
#include "server/api/api_priv.h"
#include "server/api/consumer_check.h"
#include "server/stream/restore.h"
#include "server/stream/snapshot.h"

#define CHUNK_DEFAULT  (128 << 10)
#define CHUNK_LEAST    1024
#define CHUNK_MOST     (1 << 20)
#define WINDOW_DEFAULT (8 << 20)
#define WINDOW_MOST    (32 << 20)
#define ERROR_MAX      370u /* what is said of it */

/* One that is under way. */
struct backup {
    struct api *api;
    struct account *account;
    struct api_request *request; /* not answered yet, or NULL */
    struct bytes stream, client; /* owned */
    int64_t start_ns;
};

static struct backup *backup_of(struct api_request *request, struct bytes stream)
{
    struct backup *backup = HEAP_NEW(struct backup);

    if (request->client.size == 0)
        api_request_describe(request, NULL);
    *backup = (struct backup){
        .api = request->api,
        .account = request->account,
        .request = request,
        .stream = heap_copy(stream),
        .client = heap_copy(request->client),
        .start_ns = jetstream_log_now(api_jetstream(request)),
    };
    return backup;
}

static void forget(struct backup *backup)
{
    heap_give((void *)backup->stream.at);
    heap_give((void *)backup->client.at);
    heap_give(backup);
}

static struct backup_event event_of(const struct backup *backup, enum backup_event_kind kind)
{
    return (struct backup_event){.kind = kind,
                                 .stream = backup->stream,
                                 .client = backup->client,
                                 .start_ns = backup->start_ns};
}

static void log_backup(const struct backup *backup, struct bytes what)
{
    logger_info(server_logger(jetstream_server(backup->api->jetstream)), "Stream '%.*s': %.*s",
                BYTES_ARG(backup->stream), BYTES_ARG(what));
}

/* ---- SNAPSHOT ------------------------------------------------------------------------------- */

struct snapshot_request {
    struct bytes deliver_subject;
    bool no_consumers;
    int64_t chunk_size, window_size;
    bool jsck;
};
static const struct schema_field snapshot_fields[] = {
    {"deliver_subject", SCHEMA_STRING, 0, offsetof(struct snapshot_request, deliver_subject), NULL,
     NULL, NULL},
    {"no_consumers", SCHEMA_BOOL, 0, offsetof(struct snapshot_request, no_consumers), NULL, NULL,
     NULL},
    {"chunk_size", SCHEMA_INT64, SCHEMA_GO_INT, offsetof(struct snapshot_request, chunk_size), NULL,
     NULL, NULL},
    {"window_size", SCHEMA_INT64, SCHEMA_GO_INT, offsetof(struct snapshot_request, window_size),
     NULL, NULL, NULL},
    {"jsck", SCHEMA_BOOL, 0, offsetof(struct snapshot_request, jsck), NULL, NULL, NULL},
};
static const struct schema snapshot_schema = {
    "JSApiStreamSnapshotRequest", sizeof(struct snapshot_request), snapshot_fields, 5, NULL};

static int64_t within(int64_t value, int64_t otherwise, int64_t least, int64_t most)
{
    if (value == 0)
        value = otherwise;
    if (value < least)
        return least;
    return value < most ? value : most;
}

/* As it stands among the files of a stream: with its creation, in one object. */
static struct bytes meta_of(struct api_request *request, const struct stream *stream)
{
    struct bytes config = api_encode(request, &stream_config_schema, stream_config(stream)), json;
    char created[TEXT_TIME_MAX];
    struct buf text;

    if (config.size < 2)
        return config;
    buf_init(&text, config.size + 64);
    (void)buf_print(&text, "{\"Created\":\"%.*s\",",
                    (int)text_time(created, stream_applied(stream)->created_ns), created);
    (void)buf_add(&text, bytes_skip(config, 1));
    json = arena_copy(&request->arena, buf_bytes(&text));
    buf_deinit(&text);
    return json;
}

static void snapshot_ended(void *owner, struct stream *stream, const struct told *told)
{
    struct backup *backup = owner;
    struct backup_event event = event_of(backup, BACKUP_SNAPSHOT_COMPLETE);

    (void)stream;
    if (!told->quietly) {
        log_backup(backup, told->text.size > 0 ? told->text : BYTES("the backup is over"));
        advise_backup(backup->api->jetstream, backup->account, &event);
    }
    forget(backup);
}

static void answer_snapshot(struct api_request *request, struct stream *stream)
{
    static const struct api_subjects none;
    struct json_writer *writer = api_answer_begin(request);

    JSON_KEY(writer, "config");
    schema_encode(&stream_config_schema, stream_config(stream), writer);
    api_stream_state(writer, stream, false, &none);
    api_answer(request);
}

static void begin_snapshot(struct api_request *request, struct stream *stream,
                           const struct snapshot_request *asked)
{
    int64_t chunk = within(asked->chunk_size, CHUNK_DEFAULT, CHUNK_LEAST, CHUNK_MOST);
    int64_t window = within(asked->window_size, WINDOW_DEFAULT, CHUNK_LEAST, WINDOW_MOST);
    struct backup *backup = backup_of(request, stream_name(stream));
    struct snapshot_wish wish = {
        .to = asked->deliver_subject,
        .chunk_size = (uint32_t)chunk,
        .window = window > chunk ? (uint32_t)(window / chunk) : 1,
        .consumers = !asked->no_consumers,
        .whole = asked->jsck,
        .config = meta_of(request, stream),
        .owner = backup,
        .ended = snapshot_ended,
    };
    struct backup_event event = event_of(backup, BACKUP_SNAPSHOT_CREATE);
    struct jetstream *jetstream = api_jetstream(request);
    const char *error;

    event.of = stream;
    if (!stream_snapshot_begin(stream, &wish, &error)) {
        api_refuse_print(request, 10064, "snapshot failed: %s", error);
        forget(backup);
        return;
    }
    log_backup(backup, BYTES("a backup of it begins"));
    answer_snapshot(request, stream);
    advise_backup(jetstream, backup->account, &event);
}

static void run_snapshot(struct api_request *request)
{
    struct snapshot_request parsed;
    struct stream *stream;

    if (api_is_empty(request)) {
        api_refuse(request, 10003, NULL);
        return;
    }
    stream = api_stream(request, 2);
    if (stream == NULL || !api_parse(request, &snapshot_schema, true, &parsed))
        return;
    if (parsed.deliver_subject.size == 0 || !subject_valid(parsed.deliver_subject) ||
        !subject_literal(parsed.deliver_subject))
        api_refuse(request, 10015, NULL);
    else if (stream_config(stream)->storage == STORAGE_MEMORY)
        api_refuse(request, 10064, "snapshot failed: no impl"); /* as the reference has it */
    else
        begin_snapshot(request, stream, &parsed);
}

/* ---- RESTORE -------------------------------------------------------------------------------- */

static void answer_restore(struct api_request *request, struct bytes subject)
{
    struct json_writer *writer = api_answer_begin(request);

    JSON_KEY(writer, "deliver_subject");
    json_string(writer, subject);
    api_answer(request);
}

static void restore_begun(void *owner, struct stream *stream, const struct told *told)
{
    struct backup *backup = owner;
    struct backup_event event = event_of(backup, BACKUP_RESTORE_CREATE);

    (void)stream;
    log_backup(backup, BYTES("it is being restored from a backup"));
    advise_backup(backup->api->jetstream, backup->account, &event);
    answer_restore(backup->request, told->text);
    backup->request = NULL;
}

/* As a create would be answered. */
static void answer_end(struct backup *backup, struct stream *stream, struct bytes reply,
                       struct bytes error)
{
    static const struct api_endpoint create = {"", "stream_create_response", NULL, NULL};
    struct message message = {.subject = BYTES("$JS.API.STREAM.CREATE"), .reply = reply};
    struct api_request *request = api_request_make(backup->api, backup->account, &message);
    struct json_writer *writer;
    char text[400];

    if (request == NULL)
        return; /* too many: its client finds out */
    request->endpoint = &create;
    writer = api_answer_begin(request);
    if (error.size > 0) {
        snprintf(text, sizeof text, "restore failed: %.*s", BYTES_ARG(error));
        api_write_error(writer, 10062, text);
    } else {
        api_stream_info(writer, request, stream, true, false);
    }
    json_object_end(writer);
    jetstream_answer(backup->api->jetstream, backup->account, reply, bytes_of(NULL, 0),
                     buf_bytes(&backup->api->answer));
    api_request_free(request);
}

static void restore_ended(void *owner, struct stream *stream, const struct told *told)
{
    struct backup *backup = owner;
    struct backup_event event = event_of(backup, BACKUP_RESTORE_COMPLETE);
    struct bytes error = told->text;

    if (error.size == 0 && stream == NULL)
        error = BYTES("the stream was deleted");
    if (error.size > ERROR_MAX)
        error.size = ERROR_MAX;
    if (told->quietly) {
        if (backup->request != NULL)
            api_request_free(backup->request);
        forget(backup);
        return;
    }
    event.bytes = told->number;
    advise_backup(backup->api->jetstream, backup->account, &event);
    if (error.size == 0)
        log_backup(backup, BYTES("it was restored from a backup"));
    if (backup->request != NULL)
        api_refuse_print(backup->request, 10062, "restore failed: %.*s", BYTES_ARG(error));
    else if (told->reply.size > 0)
        answer_end(backup, stream, told->reply, error);
    forget(backup);
}

/* A durable consumer's config says so, another one's not: its name is that of its files. */
static bool take_consumer(struct bytes name, struct bytes json, struct arena *arena,
                          struct consumer_config *config)
{
    struct json_error error;
    const struct json *parsed = json_parse(arena, json, &error);

    schema_clear(&consumer_config_schema, config);
    if (parsed == NULL ||
        !schema_parse(&consumer_config_schema, parsed, false, arena, config, &error))
        return false;
    config->name = name;
    return config->durable_name.size == 0 || bytes_equal(config->durable_name, name);
}

/* Those of sources and mirrors are made by whoever needs them, those that are in no log have
 * nothing to be restored. */
static struct bytes restore_consumer(void *owner, struct stream *stream, struct bytes name,
                                     struct bytes json, struct arena *arena,
                                     char error[static RESTORE_ERROR_MAX])
{
    struct backup *backup = owner;
    const struct catalogue_entry *entry =
        jetstream_entry(backup->api->jetstream, backup->account, stream_name(stream));
    struct verdict verdict = {0};
    struct consumer_config config;
    struct json_writer writer;
    struct bytes logged = bytes_of(NULL, 0);
    struct buf text;

    if (entry == NULL || !take_consumer(name, json, arena, &config)) {
        snprintf(error, RESTORE_ERROR_MAX, "error restoring consumer: its config makes no sense");
        return logged;
    }
    if (config.direct || consumer_config_volatile(&config, false))
        return logged;
    consumer_check(&config, &entry->config, false, arena, &verdict);
    if (verdict.error != 0) {
        snprintf(error, RESTORE_ERROR_MAX, "error restoring consumer: error %u %.100s",
                 verdict.error, verdict.text);
        return logged;
    }
    buf_init(&text, API_REQUEST_MAX);
    json_writer_init(&writer, &text);
    schema_encode(&consumer_config_schema, &config, &writer);
    if (!writer.failed)
        logged = arena_copy(arena, buf_bytes(&text));
    buf_deinit(&text);
    return logged;
}

void api_restore_begin(struct api_request *request, struct catalogue_entry *entry)
{
    struct backup *backup = backup_of(request, entry->config.name);
    struct restore_wish wish = {
        .config = entry->assigned.json,
        .created_ns = entry->assigned.created_ns,
        .version = entry->version,
        .owner = backup,
        .consumer = restore_consumer,
        .begun = restore_begun,
        .ended = restore_ended,
    };

    if (entry->abandoned || !stream_restore_begin(entry->stream, &wish)) {
        api_refuse(request, 10062, "restore failed: the stream can not be restored any more");
        forget(backup);
    }
}

const struct api_endpoint api_backup_endpoints[] = {
    {"STREAM.SNAPSHOT.*", "stream_snapshot_response", run_snapshot, NULL},
    {NULL, NULL, NULL, NULL},
};
