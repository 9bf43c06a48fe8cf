/* place: which node answers a request: the leader of the stream it names, else that of the metadata
 * group. */
#include "server/api/api_priv.h"

/* The token after the prefix that names a stream, by what stands before it; 0: none does. */
static size_t stream_token(struct bytes rest)
{
    static const struct {
        const char *prefix;
        size_t token;
    } rows[] = {
        {"STREAM.INFO.", 2},     {"STREAM.PURGE.", 2},           {"STREAM.SNAPSHOT.", 2},
        {"STREAM.MSG.", 3},      {"STREAM.LEADER.STEPDOWN.", 3}, {"CONSUMER.DURABLE.CREATE.", 3},
        {"CONSUMER.CREATE.", 2}, {"CONSUMER.NAMES.", 2},         {"CONSUMER.LIST.", 2},
        {"CONSUMER.INFO.", 2},   {"CONSUMER.DELETE.", 2},        {"CONSUMER.PAUSE.", 2},
        {"CONSUMER.RESET.", 2},  {"CONSUMER.UNPIN.", 2},         {"CONSUMER.LEADER.STEPDOWN.", 3},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (bytes_starts(rest, bytes_of_text(rows[i].prefix)))
            return rows[i].token;
    }
    return 0;
}

struct bytes api_stream_asked(const struct api_request *request)
{
    size_t token = stream_token(bytes_skip(request->subject, sizeof("$JS.API.") - 1));

    return token > 0 ? api_token(request, token) : bytes_of(NULL, 0);
}

bool api_elsewhere(struct api_request *request, struct replica **group)
{
    struct jetstream *jetstream = api_jetstream(request);
    struct message message = {
        .subject = request->subject,
        .reply = request->reply,
        .headers = request->headers,
        .payload = request->body,
        .forwarded = request->forwarded,
    };
    struct bytes name = api_stream_asked(request);
    const struct catalogue_entry *entry =
        name.size > 0 ? jetstream_entry(jetstream, request->account, name) : NULL;

    if (!jetstream_forward(jetstream, request->account,
                           entry != NULL ? entry->assigned.id : CATALOGUE_LOG_ID, &message)) {
        bool here = entry != NULL && entry->stream != NULL;

        *group = here ? stream_replica(entry->stream) : jetstream_meta(jetstream);
        request->lane = here ? stream_lane_of(entry->stream) : jetstream_home(jetstream);
        return false;
    }
    api_request_free(request);
    return true;
}
