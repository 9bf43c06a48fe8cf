#include "server/api/advisory_backup.h"

#include <stdio.h>

#include "base/json.h"
#include "base/text.h"

static const struct {
    const char *prefix, *type;
} kinds[] = {
    [BACKUP_SNAPSHOT_CREATE] = {"SNAPSHOT_CREATE", "snapshot_create"},
    [BACKUP_SNAPSHOT_COMPLETE] = {"SNAPSHOT_COMPLETE", "snapshot_complete"},
    [BACKUP_RESTORE_CREATE] = {"RESTORE_CREATE", "restore_create"},
    [BACKUP_RESTORE_COMPLETE] = {"RESTORE_COMPLETE", "restore_complete"},
};

static void begin(struct json_writer *writer, struct jetstream *jetstream,
                  const struct backup_event *event, struct buf *body)
{
    char id[22], type[64];
    int size =
        snprintf(type, sizeof type, "io.nats.jetstream.advisory.v1.%s", kinds[event->kind].type);

    json_writer_init(writer, body);
    json_object_begin(writer);
    JSON_KEY(writer, "type");
    json_string(writer, bytes_of(type, (size_t)size));
    text_base62(server_prng(jetstream_server(jetstream)), id, sizeof id);
    JSON_KEY(writer, "id");
    json_string(writer, bytes_of(id, sizeof id));
    json_put_time(writer, BYTES("timestamp"), jetstream_log_now(jetstream));
    JSON_KEY(writer, "stream");
    json_string(writer, event->stream);
}

static void body_of(struct jetstream *jetstream, const struct backup_event *event, struct buf *body)
{
    const char *domain = server_options(jetstream_server(jetstream))->jetstream_options.domain;
    bool complete =
        event->kind == BACKUP_SNAPSHOT_COMPLETE || event->kind == BACKUP_RESTORE_COMPLETE;
    static const struct api_subjects none;
    struct json_writer writer;

    begin(&writer, jetstream, event, body);
    if (event->kind == BACKUP_SNAPSHOT_CREATE)
        api_stream_state(&writer, event->of, false, &none);
    if (complete) {
        json_put_time(&writer, BYTES("start"), event->start_ns);
        json_put_time(&writer, BYTES("end"), jetstream_log_now(jetstream));
    }
    if (event->kind == BACKUP_RESTORE_COMPLETE) {
        JSON_KEY(&writer, "bytes");
        json_number_u64(&writer, event->bytes);
    }
    JSON_KEY(&writer, "client");
    json_raw(&writer, event->client);
    if (domain != NULL) {
        JSON_KEY(&writer, "domain");
        json_string(&writer, bytes_of_text(domain));
    }
    json_object_end(&writer);
}

void advise_backup(struct jetstream *jetstream, struct account *account,
                   const struct backup_event *event)
{
    struct buf subject, body;

    buf_init(&subject, ADVISORY_SUBJECT_MAX);
    buf_init(&body, ADVISORY_BODY_MAX);
    if (buf_print(&subject, "$JS.EVENT.ADVISORY.STREAM.%s.%.*s", kinds[event->kind].prefix,
                  BYTES_ARG(event->stream)) &&
        jetstream_listened(jetstream, account, buf_bytes(&subject))) {
        body_of(jetstream, event, &body);
        jetstream_answer(jetstream, account, buf_bytes(&subject), bytes_of(NULL, 0),
                         buf_bytes(&body));
    }
    buf_deinit(&subject);
    buf_deinit(&body);
}
