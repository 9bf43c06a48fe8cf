/* origin_info: the mirror and the sources of a stream, as its leader knows them (reference streams
 * 7.5). */
#include "server/api/request.h"
#include "server/stream/origins.h"

static void write_external(struct json_writer *writer, const struct stream_source *source)
{
    if (source->external == NULL)
        return;
    JSON_KEY(writer, "external");
    schema_encode(&stream_external_schema, source->external, writer);
}

static void write_transforms(struct json_writer *writer, const struct stream_source *source)
{
    const struct stream_transform *transforms = source->subject_transforms.at;

    if (source->subject_transforms.count == 0)
        return;
    JSON_KEY(writer, "subject_transforms");
    json_array_begin(writer);
    for (size_t i = 0; i < source->subject_transforms.count; i++)
        schema_encode(&stream_transform_schema, &transforms[i], writer);
    json_array_end(writer);
}

static void write_error(struct json_writer *writer, const struct stream_origin_info *info)
{
    if (info->error == 0)
        return;
    JSON_KEY(writer, "error");
    json_object_begin(writer);
    JSON_KEY(writer, "code");
    json_number_u64(writer, info->error_code);
    JSON_KEY(writer, "err_code");
    json_number_u64(writer, info->error);
    JSON_KEY(writer, "description");
    json_string(writer, bytes_of_text(info->error_text));
    json_object_end(writer);
}

/* A mirror's filter is told when it is in use. */
static void write_origin(struct json_writer *writer, const struct stream *stream, size_t number,
                         const struct stream_source *source, bool mirror)
{
    struct stream_origin_info info;

    stream_origin_info(stream, number, &info);
    json_object_begin(writer);
    JSON_KEY(writer, "name");
    json_string(writer, source->name);
    write_external(writer, source);
    JSON_KEY(writer, "lag");
    json_number_u64(writer, info.lag);
    JSON_KEY(writer, "active");
    json_number_i64(writer, info.active_ns);
    if ((!mirror || info.active_ns >= 0) && source->filter_subject.size > 0) {
        JSON_KEY(writer, "filter_subject");
        json_string(writer, source->filter_subject);
    }
    write_transforms(writer, source);
    write_error(writer, &info);
    json_object_end(writer);
}

void api_origins(struct json_writer *writer, const struct stream *stream)
{
    const struct stream_config *config = stream_config(stream);
    const struct stream_source *sources = config->sources.at;

    if (config->mirror != NULL) {
        JSON_KEY(writer, "mirror");
        write_origin(writer, stream, 0, config->mirror, true);
    }
    if (config->sources.count == 0)
        return;
    JSON_KEY(writer, "sources");
    json_array_begin(writer);
    for (size_t i = 0; i < config->sources.count; i++)
        write_origin(writer, stream, i, &sources[i], false);
    json_array_end(writer);
}
