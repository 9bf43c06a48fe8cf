/* schema_read: JSON into structs, with the error texts of Go's encoding/json. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/schema.h"
#include "base/schema_time.h"
#include "base/text.h"

#define QUOTED_MAX 64 /* bytes of a client's text that an error repeats */

struct place;

/* One object being read. */
struct reading {
    const struct schema *schema;
    const struct place *from; /* the field that holds this object; NULL: the document itself */
    bool strict;
    struct arena *arena;
    struct json_error *error;
};

/* Where a value stands: the schema that has the field is the object's own or its base. */
struct place {
    const struct reading *in;
    const struct schema *holder;
    const struct schema_field *field;
    bool element; /* of the field's array or map */
};

static bool read_object_into(const struct reading *in, const struct json *json, void *out);

/* ---- errors --------------------------------------------------------------------------------- */

static int quoted_size(struct bytes text)
{
    return text.size < QUOTED_MAX ? (int)text.size : QUOTED_MAX;
}

[[gnu::format(printf, 2, 3)]] static bool complain(const struct reading *in, const char *format,
                                                   ...)
{
    va_list values;

    va_start(values, format);
    vsnprintf(in->error->text, sizeof in->error->text, format, values);
    va_end(values);
    return false;
}

/* "Type.path.to.": what stands before the field's name. */
static void holder_name(const struct place *place, char *out, size_t size)
{
    const struct place *above[JSON_DEPTH_MAX];
    const struct place *root = place;
    const char *type = place->holder->go_name;
    size_t depth = 0;
    struct buf name;

    while (root->in->from != NULL) {
        assert(depth < JSON_DEPTH_MAX);
        root = above[depth++] = root->in->from;
    }
    buf_init(&name, size - 1);
    (void)buf_add(&name, bytes_of(type, strcspn(type, "."))); /* what does not fit is cut off */
    type = strchr(root->holder->go_name, '.');
    if (type != NULL)
        (void)buf_add(&name, bytes_of_text(type));
    while (depth > 0)
        (void)buf_print(&name, ".%s", above[--depth]->field->name);
    (void)buf_add_byte(&name, '.');
    memcpy(out, name.at, name.size);
    out[name.size] = 0;
    buf_deinit(&name);
}

static void go_type(const struct schema_field *field, bool element, char *out, size_t size)
{
    const char *name = "string";

    switch (field->type) {
    case SCHEMA_BOOL: name = "bool"; break;
    case SCHEMA_INT32: name = "int32"; break;
    case SCHEMA_INT64:
        name = field->flags & SCHEMA_NS       ? "time.Duration"
               : field->flags & SCHEMA_GO_INT ? "int"
                                              : "int64";
        break;
    case SCHEMA_UINT64: name = "uint64"; break;
    case SCHEMA_STRINGS: name = element ? "string" : "[]string"; break;
    case SCHEMA_INTS: name = element ? "time.Duration" : "[]time.Duration"; break;
    case SCHEMA_MAP: name = element ? "string" : "map[string]string"; break;
    case SCHEMA_OBJECT:
    case SCHEMA_EMBEDDED:
    case SCHEMA_OBJECTS:
        snprintf(out, size, "%sserver.%s",
                 field->type != SCHEMA_OBJECTS || element ? ""
                 : field->flags & SCHEMA_POINTERS         ? "[]*"
                                                          : "[]",
                 field->object->go_name);
        return;
    case SCHEMA_TIME:
    case SCHEMA_STRING:
    case SCHEMA_ENUM: break;
    }
    snprintf(out, size, "%s", name);
}

static const char *go_kind(const struct json *json)
{
    switch (json->type) {
    case JSON_FALSE:
    case JSON_TRUE: return "bool";
    case JSON_NUMBER: return "number";
    case JSON_ARRAY: return "array";
    case JSON_OBJECT: return "object";
    case JSON_STRING: return "string";
    case JSON_NULL: break;
    }
    return "null";
}

static bool mismatch(const struct place *place, const struct json *json)
{
    enum schema_type type = place->field->type;
    char holder[256], name[64], number[QUOTED_MAX + 2] = "";

    holder_name(place, holder, sizeof holder);
    go_type(place->field, place->element, name, sizeof name);
    if (json->type == JSON_NUMBER &&
        (type == SCHEMA_INT32 || type == SCHEMA_INT64 || type == SCHEMA_UINT64 ||
         (type == SCHEMA_INTS && place->element)))
        snprintf(number, sizeof number, " %.*s", quoted_size(json->text),
                 (const char *)json->text.at);
    return complain(place->in, "json: cannot unmarshal %s%s into Go struct field %s%s of type %s",
                    go_kind(json), number, holder, place->field->name, name);
}

static bool no_memory(const struct reading *in)
{
    return complain(in, "json: value is too large");
}

/* ---- values --------------------------------------------------------------------------------- */

static size_t child_count(const struct json *json)
{
    size_t count = 0;

    for (const struct json *child = json->child; child != NULL; child = child->next)
        count++;
    return count;
}

/* Null is the empty string, as an element of an array is. */
static bool read_string(const struct place *place, const struct json *json, struct bytes *out)
{
    struct bytes text = json->type == JSON_STRING ? json->text : bytes_of("", 0);

    if (json->type != JSON_STRING && json->type != JSON_NULL)
        return mismatch(place, json);
    *out = arena_copy(place->in->arena, text);
    return out->at != NULL || no_memory(place->in);
}

static bool read_int(const struct place *place, const struct json *json, int64_t *out)
{
    if (json->type == JSON_NULL) {
        *out = 0;
        return true;
    }
    return json_i64(json, out) || mismatch(place, json);
}

static bool read_strings(struct place place, const struct json *json, struct schema_strings *out)
{
    if (json->type != JSON_ARRAY)
        return mismatch(&place, json);
    out->count = 0;
    out->at = ARENA_ARRAY(place.in->arena, struct bytes, child_count(json) + 1);
    if (out->at == NULL)
        return no_memory(place.in);
    place.element = true;
    for (const struct json *child = json->child; child != NULL; child = child->next) {
        if (!read_string(&place, child, &out->at[out->count++]))
            return false;
    }
    return true;
}

static bool read_ints(struct place place, const struct json *json, struct schema_ints *out)
{
    if (json->type != JSON_ARRAY)
        return mismatch(&place, json);
    out->count = 0;
    out->at = ARENA_ARRAY(place.in->arena, int64_t, child_count(json) + 1);
    if (out->at == NULL)
        return no_memory(place.in);
    place.element = true;
    for (const struct json *child = json->child; child != NULL; child = child->next) {
        if (!read_int(&place, child, &out->at[out->count++]))
            return false;
    }
    return true;
}

struct pair {
    struct bytes key, value;
    size_t order; /* as written */
};

static int compare_pairs(const void *a, const void *b)
{
    const struct pair *left = a, *right = b;
    int order = bytes_compare(left->key, right->key);

    if (order != 0)
        return order;
    return left->order < right->order ? -1 : 1;
}

/* Of pairs sorted by key, then by place: the last of each key. */
static void keep_last(const struct pair *pairs, size_t count, struct schema_map *out)
{
    out->count = 0;
    for (size_t i = 0; i < count; i++) {
        if (i + 1 < count && bytes_equal(pairs[i].key, pairs[i + 1].key))
            continue;
        out->keys[out->count] = pairs[i].key;
        out->values[out->count++] = pairs[i].value;
    }
}

/* A key that comes again adds to what it said before, as for the reference's parser. */
static bool read_map(struct place place, const struct json *json, struct schema_map *out)
{
    const struct schema_map before = *out;
    size_t count = before.count + child_count(json), at = 0;
    struct arena *arena = place.in->arena;
    struct pair *pairs;

    if (json->type != JSON_OBJECT)
        return mismatch(&place, json);
    pairs = ARENA_ARRAY(arena, struct pair, count + 1);
    out->keys = ARENA_ARRAY(arena, struct bytes, count + 1);
    out->values = ARENA_ARRAY(arena, struct bytes, count + 1);
    if (pairs == NULL || out->keys == NULL || out->values == NULL)
        return no_memory(place.in);
    for (; at < before.count; at++)
        pairs[at] = (struct pair){.key = before.keys[at], .value = before.values[at], .order = at};
    place.element = true;
    for (const struct json *child = json->child; child != NULL; child = child->next, at++) {
        pairs[at] = (struct pair){.key = arena_copy(arena, child->key), .order = at};
        if (pairs[at].key.at == NULL)
            return no_memory(place.in);
        if (!read_string(&place, child, &pairs[at].value))
            return false;
    }
    qsort(pairs, count, sizeof *pairs, compare_pairs);
    keep_last(pairs, count, out);
    return true;
}

static struct bytes literal_text(const struct json *json)
{
    switch (json->type) {
    case JSON_NULL: return BYTES("null");
    case JSON_TRUE: return BYTES("true");
    case JSON_FALSE: return BYTES("false");
    default: return bytes_take(json->text, (size_t)quoted_size(json->text));
    }
}

static bool unknown_value(const struct place *place, const struct json *json)
{
    const char *words = place->field->unknown;
    const char *quote = json->type == JSON_STRING ? "\"" : "";
    struct bytes value = literal_text(json);

    if (words == NULL) {
        quote = json->type == JSON_STRING ? "\\\"" : "";
        return complain(place->in, "can not unmarshal \"%s%.*s%s\"", quote, BYTES_ARG(value),
                        quote);
    }
    if (strchr(words, '%') != NULL)
        return complain(place->in, "%.*s%s%.*s%s", (int)strcspn(words, "%"), words, quote,
                        BYTES_ARG(value), quote);
    if (json->type != JSON_STRING && json->type != JSON_NULL)
        return mismatch(place, json);
    return complain(place->in, "%s", words);
}

static bool read_enum(const struct place *place, const struct json *json, int32_t *out)
{
    const struct schema_field *field = place->field;
    struct bytes text = json->text;

    if (json->type == JSON_STRING && text.size == 0 && (field->flags & SCHEMA_EMPTY_OK)) {
        *out = 0;
        return true;
    }
    for (int32_t i = 0; json->type == JSON_STRING && field->names[i] != NULL; i++) {
        struct bytes name = bytes_of_text(field->names[i]);

        if (bytes_equal(name, text) ||
            ((field->flags & SCHEMA_NOCASE) && bytes_equal_nocase(name, text))) {
            *out = i;
            return true;
        }
    }
    return unknown_value(place, json);
}

static bool read_time(const struct place *place, const struct json *json, int64_t *out)
{
    if (json->type != JSON_STRING)
        return complain(place->in, "Time.UnmarshalJSON: input is not a JSON string");
    if (text_read_time(json->text, out)) {
        if (*out == TIME_UNSET && (place->field->flags & SCHEMA_GIVEN) != 0)
            *out = TIME_YEAR_1;
        return true;
    }
    schema_time_error(bytes_take(json->text, (size_t)quoted_size(json->text)), place->in->error);
    return false;
}

static struct reading reading_below(const struct place *place)
{
    return (struct reading){
        .schema = place->field->object,
        .from = place,
        .strict = place->in->strict,
        .arena = place->in->arena,
        .error = place->in->error,
    };
}

static bool read_embedded(const struct place *place, const struct json *json, void *out)
{
    struct reading below = reading_below(place);

    if (json->type != JSON_OBJECT)
        return mismatch(place, json);
    return read_object_into(&below, json, out);
}

static bool read_object(const struct place *place, const struct json *json, void **out)
{
    if (json->type != JSON_OBJECT)
        return mismatch(place, json);
    *out = arena_take(place->in->arena, place->field->object->size);
    if (*out == NULL)
        return no_memory(place->in);
    schema_clear(place->field->object, *out);
    return read_embedded(place, json, *out);
}

static bool read_objects(struct place place, const struct json *json, struct schema_objects *out)
{
    const struct schema *object = place.field->object;
    uint8_t *at;

    if (json->type != JSON_ARRAY)
        return mismatch(&place, json);
    at = arena_take_array(place.in->arena, object->size, child_count(json) + 1);
    if (at == NULL)
        return no_memory(place.in);
    out->at = at;
    out->count = 0;
    place.element = true;
    for (const struct json *child = json->child; child != NULL; child = child->next) {
        void *slot = at + object->size * out->count++;

        schema_clear(object, slot);
        if (child->type != JSON_NULL && !read_embedded(&place, child, slot))
            return false;
    }
    return true;
}

static bool read_int32(const struct place *place, const struct json *json, int32_t *out)
{
    int64_t value;

    if (!json_i64(json, &value) || value > INT32_MAX || value < INT32_MIN)
        return mismatch(place, json);
    *out = (int32_t)value;
    return true;
}

static bool read_field(const struct place *place, const struct json *json, void *at)
{
    if (json->type == JSON_NULL && place->field->type != SCHEMA_ENUM)
        return true;
    switch (place->field->type) {
    case SCHEMA_BOOL:
        if (json->type != JSON_TRUE && json->type != JSON_FALSE)
            return mismatch(place, json);
        *(bool *)at = json->type == JSON_TRUE;
        return true;
    case SCHEMA_INT32: return read_int32(place, json, at);
    case SCHEMA_INT64: return read_int(place, json, at);
    case SCHEMA_UINT64: return json_u64(json, at) || mismatch(place, json);
    case SCHEMA_TIME: return read_time(place, json, at);
    case SCHEMA_STRING: return read_string(place, json, at);
    case SCHEMA_STRINGS: return read_strings(*place, json, at);
    case SCHEMA_INTS: return read_ints(*place, json, at);
    case SCHEMA_ENUM: return read_enum(place, json, at);
    case SCHEMA_MAP: return read_map(*place, json, at);
    case SCHEMA_OBJECT: return read_object(place, json, at);
    case SCHEMA_EMBEDDED: return read_embedded(place, json, at);
    case SCHEMA_OBJECTS: return read_objects(*place, json, at);
    }
    return false;
}

/* ---- objects -------------------------------------------------------------------------------- */

typedef bool equal_fn(struct bytes a, struct bytes b);

static const struct schema_field *find_named(const struct schema *schema, struct bytes key,
                                             equal_fn *equal, const struct schema **holder)
{
    for (; schema != NULL; schema = schema->base) {
        for (size_t i = 0; i < schema->count; i++) {
            if (equal(bytes_of_text(schema->fields[i].name), key)) {
                *holder = schema;
                return &schema->fields[i];
            }
        }
    }
    return NULL;
}

static const struct schema_field *find_field(const struct schema *schema, struct bytes key,
                                             const struct schema **holder)
{
    const struct schema_field *field = find_named(schema, key, bytes_equal, holder);

    return field != NULL ? field : find_named(schema, key, bytes_equal_nocase, holder);
}

static bool read_object_into(const struct reading *in, const struct json *json, void *out)
{
    for (const struct json *member = json->child; member != NULL; member = member->next) {
        struct place place = {.in = in};

        place.field = find_field(in->schema, member->key, &place.holder);
        if (place.field == NULL && in->strict)
            return complain(in, "json: unknown field \"%.*s\"", quoted_size(member->key),
                            (const char *)member->key.at);
        if (place.field != NULL &&
            !read_field(&place, member, (uint8_t *)out + place.field->offset))
            return false;
    }
    return true;
}

bool schema_parse(const struct schema *schema, const struct json *json, bool strict,
                  struct arena *arena, void *out, struct json_error *error)
{
    struct reading in = {.schema = schema, .strict = strict, .arena = arena, .error = error};

    if (json->type == JSON_NULL)
        return true;
    if (json->type != JSON_OBJECT)
        return complain(&in, "json: cannot unmarshal %s into Go value of type server.%.*s",
                        go_kind(json), (int)strcspn(schema->go_name, "."), schema->go_name);
    return read_object_into(&in, json, out);
}
