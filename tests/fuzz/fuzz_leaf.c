/*
 * Any bytes as what a leaf or its hub says: lines are taken one after the other, as a connection
 * does. What was read prints back to what reads the same, and a line that is whole was not one when
 * its end had not come.
 */
#include "server/leaf/leaf_hello.h"
#include "server/leaf/leaf_wire.h"

#define LIMIT     4096u
#define ARENA_MAX (4u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void interest(struct bytes args, bool sub)
{
    struct leaf_interest read, again;
    struct leaf_line line;
    struct buf out;
    enum parse parse;
    bool good;

    if (sub ? !leaf_sub_read(args, &read) : !leaf_unsub_read(args, &read))
        return;
    buf_init(&out, 1u << 20);
    leaf_write_interest(&out, &read);
    parse = leaf_line_read(buf_bytes(&out), LIMIT + 64, &line);
    assert(parse == PARSE_DONE && line.size == out.size);
    good = sub ? leaf_sub_read(line.args, &again) : leaf_unsub_read(line.args, &again);
    assert(good);
    assert(bytes_equal(read.subject, again.subject));
    assert(bytes_equal(read.queue, again.queue));
    assert(read.weight == again.weight);
    buf_deinit(&out);
}

/* How much of what follows is its payload. */
static size_t message(struct bytes args, bool headers)
{
    struct leaf_message read;
    struct bytes rest, queue;
    const char *why = NULL;

    if (!leaf_message_read(args, headers, &read, &why)) {
        assert(why != NULL);
        return 0;
    }
    assert(read.header_size <= read.size);
    assert(read.subject.size > 0);
    for (rest = read.queues; leaf_queue_next(&rest, &queue);)
        assert(queue.size > 0);
    return (size_t)read.size + 2;
}

static void json(struct bytes args, bool connect)
{
    struct leaf_filter filter = {0};
    struct leaf_connect said;
    struct leaf_info info;
    struct arena arena;

    arena_init(&arena, ARENA_MAX);
    if (connect)
        (void)leaf_connect_read(&arena, args, &said);
    else if (leaf_info_read(&arena, args, &info))
        (void)leaf_filter_read(info.import, &filter);
    leaf_filter_deinit(&filter);
    arena_deinit(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes rest = bytes_of(data, size);
    struct leaf_line line, cut;
    size_t payload;

    while (leaf_line_read(rest, LIMIT, &line) == PARSE_DONE) {
        enum parse parse = leaf_line_read(bytes_take(rest, line.size - 1), LIMIT, &cut);

        assert(parse == PARSE_MORE);
        payload = 0;
        switch (line.verb) {
        case LEAF_VERB_SUB:
        case LEAF_VERB_UNSUB: interest(line.args, line.verb == LEAF_VERB_SUB); break;
        case LEAF_VERB_MESSAGE: payload = message(line.args, false); break;
        case LEAF_VERB_MESSAGE_HEADERS: payload = message(line.args, true); break;
        case LEAF_VERB_INFO:
        case LEAF_VERB_CONNECT: json(line.args, line.verb == LEAF_VERB_CONNECT); break;
        default: break;
        }
        rest = bytes_skip(rest, line.size);
        rest = bytes_skip(rest, payload < rest.size ? payload : rest.size);
    }
    return 0;
}
