/* Any bytes: the parser answers, and what it took prints back to something it takes again, equal. */
#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void print(const struct json *json, struct json_writer *writer)
{
    switch (json->type) {
    case JSON_NULL: json_null(writer); break;
    case JSON_FALSE: json_bool(writer, false); break;
    case JSON_TRUE: json_bool(writer, true); break;
    case JSON_NUMBER: json_raw(writer, json->text); break;
    case JSON_STRING: json_string(writer, json->text); break;
    case JSON_ARRAY:
        json_array_begin(writer);
        for (const struct json *child = json->child; child != NULL; child = child->next)
            print(child, writer);
        json_array_end(writer);
        break;
    case JSON_OBJECT:
        json_object_begin(writer);
        for (const struct json *child = json->child; child != NULL; child = child->next) {
            json_key(writer, child->key);
            print(child, writer);
        }
        json_object_end(writer);
        break;
    }
}

static void print_whole(const struct json *json, struct buf *out)
{
    struct json_writer writer;

    buf_init(out, 64u << 20);
    json_writer_init(&writer, out);
    print(json, &writer);
    assert(!writer.failed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct json_error error;
    struct json *json;
    struct buf once, twice;

    arena_init(&arena, 64u << 20);
    json = json_parse(&arena, bytes_of(data, size), &error);
    if (json != NULL) {
        struct json *again;

        print_whole(json, &once);
        again = json_parse(&arena, buf_bytes(&once), &error);
        assert(again != NULL);
        print_whole(again, &twice);
        assert(bytes_equal(buf_bytes(&once), buf_bytes(&twice)));
        buf_deinit(&once);
        buf_deinit(&twice);
    } else {
        assert(error.text[0] != 0);
    }
    arena_deinit(&arena);
    return 0;
}
