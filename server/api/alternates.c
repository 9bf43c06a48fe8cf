/* alternates: a stream and its mirrors, of which a client of a cluster may choose one to read from
 * (reference streams 3). */
#include "server/api/request.h"

static void write_one(struct json_writer *writer, struct jetstream *jetstream, struct bytes name)
{
    const char *domain = server_options(jetstream_server(jetstream))->jetstream_options.domain;

    json_object_begin(writer);
    JSON_KEY(writer, "name");
    json_string(writer, name);
    if (domain != NULL) {
        JSON_KEY(writer, "domain");
        json_string(writer, bytes_of_text(domain));
    }
    JSON_KEY(writer, "cluster");
    json_string(writer, jetstream_cluster_name(jetstream));
    json_object_end(writer);
}

/* There is one cluster, so none is nearer: the stream itself comes first. */
void api_alternates(struct json_writer *writer, struct api_request *request,
                    const struct stream *stream)
{
    struct jetstream *jetstream = api_jetstream(request);
    struct catalogue_entry **mirrors;
    size_t count;

    if (!jetstream_clustered(jetstream))
        return;
    mirrors = jetstream_mirrors(jetstream, stream_account(stream), stream_name(stream),
                                &request->arena, &count);
    if (count == 0)
        return;
    JSON_KEY(writer, "alternates");
    json_array_begin(writer);
    write_one(writer, jetstream, stream_name(stream));
    for (size_t i = 0; i < count; i++)
        write_one(writer, jetstream, mirrors[i]->config.name);
    json_array_end(writer);
}
