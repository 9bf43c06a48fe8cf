#include "server/config/config.h"

#include <stdlib.h>

#include "base/heap.h"
#include "base/json.h"
#include "server/config/blocks.h"
#include "server/tls/digest.h"

#define TEXT_LIMIT ((size_t)256 << 20) /* of files and their trees */

void config_init(struct config *config, const struct options *options)
{
    *config = (struct config){.options = *options};
    arena_init(&config->text, TEXT_LIMIT);
    arena_init(&config->made, SIZE_MAX / 4); /* bounded by what the tree asks for */
    config_reader_init(&config->reader, &config->made);
}

void config_deinit(struct config *config)
{
    config_reader_deinit(&config->reader);
    arena_deinit(&config->made);
    arena_deinit(&config->text);
}

bool config_load(struct config *config, const struct config_source *source, const char *path)
{
    struct config_value *document = config_parse(&config->text, source, path, config->error);

    if (document == NULL)
        return false;
    config->document = document;
    if (document->child == NULL)
        (void)buf_print(&config->reader.warnings, "%s: config has no values or is empty\n", path);
    config->reader.source = source;
    (void)config_read_block(&config->reader, document, &config_top_block, &config->options);
    config->reader.source = NULL;
    config_operator_finish(&config->reader, &config->options.auth);
    config_callout_check(&config->reader, &config->options.auth);
    config_auth_check(&config->reader, &config->options.auth);
    return config->reader.error_count == 0;
}

bool config_check(struct config *config)
{
    config_top_check(&config->reader, &config->options);
    return config->reader.error_count == 0;
}

/* ---- JSON ----------------------------------------------------------------------------------- */

static int compare_keys(const void *a, const void *b)
{
    const struct config_value *const *left = a, *const *right = b;

    return bytes_compare((*left)->key, (*right)->key);
}

static void write_value(struct json_writer *writer, const struct config_value *value);

static void write_map(struct json_writer *writer, const struct config_value *map)
{
    const struct config_value **sorted;
    size_t count = 0;

    for (const struct config_value *member = map->child; member != NULL; member = member->next)
        count++;
    sorted = heap_take((count + 1) * sizeof(struct config_value *));
    count = 0;
    for (const struct config_value *member = map->child; member != NULL; member = member->next)
        sorted[count++] = member;
    qsort(sorted, count, sizeof(struct config_value *), compare_keys);
    json_object_begin(writer);
    for (size_t i = 0; i < count; i++) {
        json_key(writer, sorted[i]->key);
        write_value(writer, sorted[i]);
    }
    json_object_end(writer);
    heap_give(sorted);
}

static void write_value(struct json_writer *writer, const struct config_value *value)
{
    switch (value->type) {
    case CONFIG_STRING:
    case CONFIG_DATE: json_string(writer, value->text); break;
    case CONFIG_INTEGER: json_number_i64(writer, value->integer); break;
    case CONFIG_FLOAT: json_number_double(writer, value->number); break;
    case CONFIG_BOOL: json_bool(writer, value->boolean); break;
    case CONFIG_ARRAY:
        json_array_begin(writer);
        for (const struct config_value *e = value->child; e != NULL; e = e->next)
            write_value(writer, e);
        json_array_end(writer);
        break;
    case CONFIG_MAP: write_map(writer, value); break;
    }
}

bool config_json(const struct config *config, struct buf *out)
{
    struct json_writer writer;

    assert(config->document != NULL);
    static_assert(CONFIG_DEPTH_MAX < 60, "what the writer can nest");
    json_writer_init(&writer, out);
    write_value(&writer, config->document);
    return !writer.failed && BUF_ADD(out, "\n");
}

void config_digest(const struct config *config, char out[static CONFIG_DIGEST_SIZE])
{
    uint8_t sum[DIGEST_SIZE];
    struct buf json;

    out[0] = 0;
    if (config->document == NULL)
        return;
    buf_init(&json, TEXT_LIMIT);
    if (config_json(config, &json)) {
        digest_sha256(buf_bytes(&json), sum);
        strcpy(out, "sha256:");
        digest_hex(sum, out + strlen(out));
    }
    buf_deinit(&json);
}
