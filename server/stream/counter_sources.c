#include "server/stream/counter_sources.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/json.h"

#define ARENA_MAX ((size_t)8 << 20)

/* NULL: it is none; the tree is in the arena. */
static struct json *parse(struct arena *arena, struct bytes sources)
{
    struct json_error error;
    struct json *json = json_parse(arena, sources, &error);

    if (json == NULL || json->type != JSON_OBJECT)
        return NULL;
    for (const struct json *stream = json->child; stream != NULL; stream = stream->next) {
        if (stream->type != JSON_OBJECT)
            return NULL;
        for (const struct json *subject = stream->child; subject != NULL; subject = subject->next) {
            if (subject->type != JSON_STRING)
                return NULL;
        }
    }
    return json;
}

bool counter_sources_valid(struct bytes sources)
{
    struct arena arena;
    bool valid;

    if (sources.size == 0)
        return true;
    arena_init(&arena, ARENA_MAX);
    valid = parse(&arena, sources) != NULL;
    arena_deinit(&arena);
    return valid;
}

struct counter_origin counter_origin_read(struct bytes stream_source)
{
    struct bytes rest = stream_source, words[5] = {0};

    for (size_t i = 0; i < sizeof words / sizeof *words && rest.size > 0; i++) {
        words[i] = bytes_take(rest, bytes_find(rest, ' '));
        rest = bytes_skip(rest, words[i].size);
        rest = bytes_skip(rest, rest.size > 0);
    }
    return (struct counter_origin){.stream = words[0], .subject = words[4]};
}

/* ---- writing it anew ------------------------------------------------------------------------ */

struct place {
    struct json *member;
    size_t number; /* among those that were there */
};

static int by_key(const void *a, const void *b)
{
    const struct place *left = a, *right = b;
    struct bytes x = left->member->key, y = right->member->key;
    size_t size = x.size < y.size ? x.size : y.size;
    int order = size > 0 ? memcmp(x.at, y.at, size) : 0;

    if (order == 0)
        order = (x.size > y.size) - (x.size < y.size);
    return order != 0 ? order : (left->number > right->number) - (left->number < right->number);
}

/* The member of that name; a new one if there is none. */
static struct json *member(struct arena *arena, struct json *object, struct bytes key,
                           enum json_type type)
{
    struct json *found = (struct json *)json_get(object, key);

    if (found != NULL)
        return found;
    found = ARENA_ARRAY(arena, struct json, 1);
    assert(found != NULL); /* the tree is far smaller than the arena */
    *found = (struct json){.type = type, .key = key, .next = object->child};
    object->child = found;
    return found;
}

/* Puts the members in order, the last of those of one name alone. */
static void sort(struct arena *arena, struct json *object)
{
    struct json **end = &object->child;
    struct place *all;
    size_t count = 0;

    for (const struct json *child = object->child; child != NULL; child = child->next)
        count++;
    all = ARENA_ARRAY(arena, struct place, count + 1);
    assert(all != NULL); /* the header is far smaller than the arena */
    count = 0;
    for (struct json *child = object->child; child != NULL; child = child->next, count++)
        all[count] = (struct place){.member = child, .number = count};
    qsort(all, count, sizeof *all, by_key);
    for (size_t i = 0; i < count; i++) {
        if (i + 1 < count && bytes_equal(all[i].member->key, all[i + 1].member->key))
            continue;
        *end = all[i].member;
        end = &all[i].member->next;
    }
    *end = NULL;
}

static void write(struct arena *arena, struct json *sources, struct buf *out)
{
    struct json_writer writer;

    json_writer_init(&writer, out);
    json_object_begin(&writer);
    sort(arena, sources);
    for (struct json *stream = sources->child; stream != NULL; stream = stream->next) {
        json_key(&writer, stream->key);
        json_object_begin(&writer);
        sort(arena, stream);
        for (const struct json *subject = stream->child; subject != NULL; subject = subject->next) {
            json_key(&writer, subject->key);
            json_string(&writer, subject->text);
        }
        json_object_end(&writer);
    }
    json_object_end(&writer);
}

void counter_sources_put(struct bytes sources, struct counter_origin origin, struct bytes value,
                         struct buf *out, struct buf *was)
{
    struct json none = {.type = JSON_OBJECT}, *json = &none, *subject;
    struct arena arena;

    arena_init(&arena, ARENA_MAX);
    if (sources.size > 0)
        json = parse(&arena, sources);
    assert(json != NULL);
    subject = member(&arena, member(&arena, json, origin.stream, JSON_OBJECT), origin.subject,
                     JSON_STRING);
    buf_clear(was);
    (void)buf_add(was, subject->text.size > 0 ? subject->text : BYTES("0"));
    subject->text = value;
    buf_clear(out);
    write(&arena, json, out);
    arena_deinit(&arena);
}
