/* stream_info: StreamInfo and StreamState as JSON (reference streams 3). */

#include "base/text.h"
#include "server/api/request.h"

#define DELETED_MAX 100000u

static void write_config(struct json_writer *writer, struct api_request *request,
                         const struct stream *stream, bool dynamic)
{
    struct stream_config copy = *stream_config(stream);

    if (dynamic)
        api_metadata(&copy.metadata, &request->arena);
    JSON_KEY(writer, "config");
    schema_encode(&stream_config_schema, &copy, writer);
}

static int64_t first_time(const struct stream_state *state)
{
    struct index_entry entry;

    return index_get(state->index, index_first(state->index), &entry) ? entry.time_ns : TIME_UNSET;
}

static uint64_t deleted_count(const struct stream_state *state)
{
    uint64_t span =
        state->last_seq >= state->first_seq ? state->last_seq - state->first_seq + 1 : 0;
    uint64_t messages = stream_state_messages(state);

    return messages > 0 && span > messages ? span - messages : 0;
}

static void write_deleted(struct json_writer *writer, const struct stream_state *state)
{
    struct index_filter all = {0};
    struct index_entry entry;
    uint64_t at = state->first_seq, written = 0;

    JSON_KEY(writer, "deleted");
    json_array_begin(writer);
    while (at <= state->last_seq && written < DELETED_MAX) {
        uint64_t next =
            index_next(state->index, &all, at, &entry) ? entry.sequence : state->last_seq + 1;

        for (; at < next && written < DELETED_MAX; at++, written++)
            json_number_u64(writer, at);
        at = next + 1;
    }
    json_array_end(writer);
}

static void write_lost(struct json_writer *writer, const struct lost *lost)
{
    JSON_KEY(writer, "lost");
    json_object_begin(writer);
    JSON_KEY(writer, "msgs");
    json_array_begin(writer);
    for (size_t i = 0; i < lost->count; i++)
        json_number_u64(writer, lost->at[i]);
    json_array_end(writer);
    json_put_u64(writer, BYTES("bytes"), lost->bytes);
    json_object_end(writer);
}

static void write_subjects(struct json_writer *writer, const struct api_subjects *subjects)
{
    JSON_KEY(writer, "subjects");
    json_object_begin(writer);
    for (size_t i = 0; i < subjects->count; i++)
        json_put_u64(writer, subjects->at[i].subject, subjects->at[i].messages);
    json_object_end(writer);
}

void api_stream_state(struct json_writer *writer, struct stream *stream, bool deleted,
                      const struct api_subjects *subjects)
{
    const struct stream_state *state = stream_applied(stream);
    uint64_t gaps = deleted_count(state);

    JSON_KEY(writer, "state");
    json_object_begin(writer);
    json_put_u64(writer, BYTES("messages"), stream_state_messages(state));
    json_put_u64(writer, BYTES("bytes"), stream_state_bytes(state));
    json_put_u64(writer, BYTES("first_seq"), state->first_seq);
    json_put_time(writer, BYTES("first_ts"), first_time(state));
    json_put_u64(writer, BYTES("last_seq"), state->last_seq);
    json_put_time(writer, BYTES("last_ts"), state->last_time_ns);
    if (index_subject_count(state->index) > 0)
        json_put_u64(writer, BYTES("num_subjects"), index_subject_count(state->index));
    if (subjects->count > 0)
        write_subjects(writer, subjects);
    if (gaps > 0) {
        json_put_u64(writer, BYTES("num_deleted"), gaps);
        if (deleted)
            write_deleted(writer, state);
    }
    if (deleted && state->lost.bytes > 0)
        write_lost(writer, &state->lost);
    json_put_u64(writer, BYTES("consumer_count"), stream_consumer_count(stream));
    if (stream_lacks_space(stream)) { /* ours: whoever may not see the server has no other word */
        JSON_KEY(writer, "disk_full");
        json_bool(writer, true);
    }
    json_object_end(writer);
}

void api_stream_head(struct json_writer *writer, struct api_request *request, struct stream *stream,
                     bool dynamic)
{
    write_config(writer, request, stream, dynamic);
    json_put_time(writer, BYTES("created"), stream_applied(stream)->created_ns);
}

void api_stream_tail(struct json_writer *writer, struct api_request *request, struct stream *stream,
                     bool cluster)
{
    struct jetstream *jetstream = api_jetstream(request);
    const char *domain = server_options(jetstream_server(jetstream))->jetstream_options.domain;

    api_origins(writer, stream);
    if (cluster && domain != NULL) {
        JSON_KEY(writer, "domain");
        json_string(writer, bytes_of_text(domain));
    }
    if (cluster || jetstream_clustered(jetstream))
        api_cluster(writer, request, stream, NULL);
    json_put_time(writer, BYTES("ts"), jetstream_log_now(jetstream));
}

void api_stream_info(struct json_writer *writer, struct api_request *request, struct stream *stream,
                     bool dynamic, bool cluster)
{
    static const struct api_subjects none;

    api_stream_head(writer, request, stream, dynamic);
    api_stream_state(writer, stream, false, &none);
    api_stream_tail(writer, request, stream, cluster);
}
