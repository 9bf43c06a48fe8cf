/* Any bytes: the parser answers, and what it took prints back to something it takes again. The
 * first printing replaces invalid UTF-8; from then on nothing changes. */
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

/* Prints and parses what was printed. */
static struct json *again(struct arena *arena, const struct json *json, struct buf *out)
{
    struct json_error error;
    struct json *parsed;

    print_whole(json, out);
    parsed = json_parse(arena, buf_bytes(out), &error);
    assert(parsed != NULL);
    return parsed;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct json_error error;
    struct json *json;
    struct buf first, second, third;

    arena_init(&arena, 256u << 20);
    json = json_parse(&arena, bytes_of(data, size), &error);
    if (json != NULL) {
        json = again(&arena, json, &first);
        json = again(&arena, json, &second);
        (void)again(&arena, json, &third);
        assert(bytes_equal(buf_bytes(&second), buf_bytes(&third)));
        buf_deinit(&first);
        buf_deinit(&second);
        buf_deinit(&third);
    } else {
        assert(error.text[0] != 0);
    }
    arena_deinit(&arena);
    return 0;
}
