/* Any bytes: the parser answers, and what it took prints back to something it takes again. The
 * first printing replaces invalid UTF-8; from then on nothing changes. */
#include "tests/print_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void print_whole(const struct json *json, struct buf *out)
{
    struct json_writer writer;

    buf_init(out, 64u << 20);
    json_writer_init(&writer, out);
    print_json(&writer, json);
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
