#include "base/schema.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/text.h"

/* ---- reading ------------------------------------------------------------------------------------ */

struct reading {
    const struct schema *schema;
    bool strict;
    struct arena *arena;
    struct json_error *error;
};

static const char *go_type(enum schema_type type)
{
    switch (type) {
    case SCHEMA_BOOL: return "bool";
    case SCHEMA_INT32: return "int32";
    case SCHEMA_INT64: return "int64";
    case SCHEMA_UINT64: return "uint64";
    case SCHEMA_TIME: return "time.Time";
    case SCHEMA_STRINGS: return "[]string";
    case SCHEMA_INTS: return "[]time.Duration";
    case SCHEMA_MAP: return "map[string]string";
    case SCHEMA_OBJECTS: return "[]*struct";
    case SCHEMA_OBJECT:
    case SCHEMA_EMBEDDED: return "struct";
    case SCHEMA_STRING:
    case SCHEMA_ENUM: break;
    }
    return "string";
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

static bool mismatch(const struct reading *in, const struct schema_field *field, const struct json *json)
{
    char number[40] = "";

    if (json->type == JSON_NUMBER)
        snprintf(number, sizeof number, " %.*s", json->text.size < 32 ? (int)json->text.size : 32,
                 (const char *)json->text.at);
    snprintf(in->error->text, sizeof in->error->text,
             "json: cannot unmarshal %s%s into Go struct field %s.%s of type %s", go_kind(json), number,
             in->schema->go_name, field->name, go_type(field->type));
    return false;
}

static bool no_memory(const struct reading *in)
{
    snprintf(in->error->text, sizeof in->error->text, "json: value is too large");
    return false;
}

static size_t child_count(const struct json *json)
{
    size_t count = 0;

    for (const struct json *child = json->child; child != NULL; child = child->next)
        count++;
    return count;
}

static bool read_string(const struct reading *in, const struct json *json, struct bytes *out)
{
    *out = arena_copy(in->arena, json->text);
    return out->at != NULL || no_memory(in);
}

static bool read_strings(const struct reading *in, const struct schema_field *field, const struct json *json,
                         struct schema_strings *out)
{
    size_t count = child_count(json);

    if (json->type != JSON_ARRAY)
        return mismatch(in, field, json);
    out->at = ARENA_ARRAY(in->arena, struct bytes, count + 1);
    out->count = 0;
    if (out->at == NULL)
        return no_memory(in);
    for (const struct json *child = json->child; child != NULL; child = child->next) {
        if (child->type != JSON_STRING)
            return mismatch(in, field, child);
        if (!read_string(in, child, &out->at[out->count++]))
            return false;
    }
    return true;
}

static bool read_ints(const struct reading *in, const struct schema_field *field, const struct json *json,
                      struct schema_ints *out)
{
    size_t count = child_count(json);

    if (json->type != JSON_ARRAY)
        return mismatch(in, field, json);
    out->at = ARENA_ARRAY(in->arena, int64_t, count + 1);
    out->count = 0;
    if (out->at == NULL)
        return no_memory(in);
    for (const struct json *child = json->child; child != NULL; child = child->next) {
        if (!json_i64(child, &out->at[out->count++]))
            return mismatch(in, field, child);
    }
    return true;
}

static bool read_map(const struct reading *in, const struct schema_field *field, const struct json *json,
                     struct schema_map *out)
{
    size_t count = child_count(json);

    if (json->type != JSON_OBJECT)
        return mismatch(in, field, json);
    out->keys = ARENA_ARRAY(in->arena, struct bytes, count + 1);
    out->values = ARENA_ARRAY(in->arena, struct bytes, count + 1);
    out->count = 0;
    if (out->keys == NULL || out->values == NULL)
        return no_memory(in);
    for (const struct json *child = json->child; child != NULL; child = child->next) {
        struct bytes key = arena_copy(in->arena, child->key);
        size_t at = 0;

        if (child->type != JSON_STRING)
            return mismatch(in, field, child);
        while (at < out->count && !bytes_equal(out->keys[at], key))
            at++; /* a key given twice: the last wins */
        out->keys[at] = key;
        if (key.at == NULL || !read_string(in, child, &out->values[at]))
            return no_memory(in);
        if (at == out->count)
            out->count++;
    }
    return true;
}

static bool read_enum(const struct reading *in, const struct schema_field *field, const struct json *json,
                      int32_t *out)
{
    struct bytes text = json->type == JSON_STRING ? json->text : bytes_of(NULL, 0);

    if (json->type == JSON_STRING && text.size == 0 && (field->flags & SCHEMA_EMPTY_OK)) {
        *out = 0;
        return true;
    }
    for (int32_t i = 0; json->type == JSON_STRING && field->names[i] != NULL; i++) {
        struct bytes name = bytes_of_text(field->names[i]);

        if (bytes_equal(name, text) || ((field->flags & SCHEMA_NOCASE) && bytes_equal_nocase(name, text))) {
            *out = i;
            return true;
        }
    }
    if (json->type == JSON_STRING)
        snprintf(in->error->text, sizeof in->error->text, "can not unmarshal \"\\\"%.*s\\\"\"",
                 text.size < 64 ? (int)text.size : 64, (const char *)text.at);
    else
        snprintf(in->error->text, sizeof in->error->text, "can not unmarshal %.*s",
                 json->text.size < 64 ? (int)json->text.size : 64, (const char *)json->text.at);
    return false;
}

static bool read_time(const struct reading *in, const struct schema_field *field, const struct json *json,
                      int64_t *out)
{
    if (json->type != JSON_STRING)
        return mismatch(in, field, json);
    if (text_read_time(json->text, out))
        return true;
    snprintf(in->error->text, sizeof in->error->text,
             "parsing time \"%.*s\" as \"2006-01-02T15:04:05Z07:00\": cannot parse",
             json->text.size < 64 ? (int)json->text.size : 64, (const char *)json->text.at);
    return false;
}

static bool read_objects(const struct reading *in, const struct schema_field *field, const struct json *json,
                         struct schema_objects *out)
{
    size_t count = child_count(json);
    uint8_t *at;

    if (json->type != JSON_ARRAY)
        return mismatch(in, field, json);
    at = arena_take(in->arena, field->object->size * (count + 1));
    if (at == NULL)
        return no_memory(in);
    out->at = at;
    out->count = 0;
    for (const struct json *child = json->child; child != NULL; child = child->next) {
        void *slot = at + field->object->size * out->count++;

        schema_clear(field->object, slot);
        if (!schema_parse(field->object, child, in->strict, in->arena, slot, in->error))
            return false;
    }
    return true;
}

static bool read_object(const struct reading *in, const struct schema_field *field, const struct json *json,
                        void **out)
{
    *out = arena_take(in->arena, field->object->size);
    if (*out == NULL)
        return no_memory(in);
    schema_clear(field->object, *out);
    return schema_parse(field->object, json, in->strict, in->arena, *out, in->error);
}

static bool read_int32(const struct reading *in, const struct schema_field *field, const struct json *json,
                       int32_t *out)
{
    int64_t value;

    if (!json_i64(json, &value) || value > INT32_MAX || value < INT32_MIN)
        return mismatch(in, field, json);
    *out = (int32_t)value;
    return true;
}

static bool read_field(const struct reading *in, const struct schema_field *field, const struct json *json,
                       void *at)
{
    if (json->type == JSON_NULL && field->type != SCHEMA_ENUM)
        return true; /* as absent */
    switch (field->type) {
    case SCHEMA_BOOL:
        if (json->type != JSON_TRUE && json->type != JSON_FALSE)
            return mismatch(in, field, json);
        *(bool *)at = json->type == JSON_TRUE;
        return true;
    case SCHEMA_INT32: return read_int32(in, field, json, at);
    case SCHEMA_INT64: return json_i64(json, at) || mismatch(in, field, json);
    case SCHEMA_UINT64: return json_u64(json, at) || mismatch(in, field, json);
    case SCHEMA_TIME: return read_time(in, field, json, at);
    case SCHEMA_STRING:
        return json->type == JSON_STRING ? read_string(in, json, at) : mismatch(in, field, json);
    case SCHEMA_STRINGS: return read_strings(in, field, json, at);
    case SCHEMA_INTS: return read_ints(in, field, json, at);
    case SCHEMA_ENUM: return read_enum(in, field, json, at);
    case SCHEMA_MAP: return read_map(in, field, json, at);
    case SCHEMA_OBJECT:
        return json->type == JSON_OBJECT ? read_object(in, field, json, at) : mismatch(in, field, json);
    case SCHEMA_EMBEDDED: return schema_parse(field->object, json, in->strict, in->arena, at, in->error);
    case SCHEMA_OBJECTS: return read_objects(in, field, json, at);
    }
    return false;
}

static const struct schema_field *find_field(const struct schema *schema, struct bytes key)
{
    for (size_t i = 0; i < schema->count; i++) {
        if (bytes_equal(bytes_of_text(schema->fields[i].name), key))
            return &schema->fields[i];
    }
    for (size_t i = 0; i < schema->count; i++) {
        if (bytes_equal_nocase(bytes_of_text(schema->fields[i].name), key))
            return &schema->fields[i];
    }
    return NULL;
}

bool schema_parse(const struct schema *schema, const struct json *json, bool strict,
                  struct arena *arena, void *out, struct json_error *error)
{
    struct reading in = {.schema = schema, .strict = strict, .arena = arena, .error = error};

    if (json->type != JSON_OBJECT) {
        snprintf(error->text, sizeof error->text, "json: cannot unmarshal %s into Go value of type server.%s",
                 go_kind(json), schema->go_name);
        return false;
    }
    for (const struct json *member = json->child; member != NULL; member = member->next) {
        const struct schema_field *field = find_field(schema, member->key);

        if (field == NULL) {
            if (!strict)
                continue;
            snprintf(error->text, sizeof error->text, "json: unknown field \"%.*s\"",
                     member->key.size < 64 ? (int)member->key.size : 64, (const char *)member->key.at);
            return false;
        }
        if (!read_field(&in, field, member, (uint8_t *)out + field->offset))
            return false;
    }
    return true;
}

/* ---- looking --------------------------------------------------------------------------------------- */

static bool is_empty(const struct schema_field *field, const void *at)
{
    switch (field->type) {
    case SCHEMA_BOOL: return !*(const bool *)at;
    case SCHEMA_ENUM:
    case SCHEMA_INT32: return *(const int32_t *)at == 0;
    case SCHEMA_INT64: return *(const int64_t *)at == 0;
    case SCHEMA_UINT64: return *(const uint64_t *)at == 0;
    case SCHEMA_TIME: return *(const int64_t *)at == TIME_UNSET;
    case SCHEMA_STRING: return ((const struct bytes *)at)->size == 0;
    case SCHEMA_STRINGS: return ((const struct schema_strings *)at)->count == 0;
    case SCHEMA_INTS: return ((const struct schema_ints *)at)->count == 0;
    case SCHEMA_MAP: return ((const struct schema_map *)at)->count == 0;
    case SCHEMA_OBJECT: return *(void *const *)at == NULL;
    case SCHEMA_OBJECTS: return ((const struct schema_objects *)at)->count == 0;
    case SCHEMA_EMBEDDED: break;
    }
    return false;
}

const char *schema_refused(const struct schema *schema, const void *in)
{
    for (size_t i = 0; i < schema->count; i++) {
        const struct schema_field *field = &schema->fields[i];

        if ((field->flags & SCHEMA_REFUSED) && !is_empty(field, (const uint8_t *)in + field->offset))
            return field->name;
    }
    return NULL;
}

/* ---- writing ------------------------------------------------------------------------------------------ */

static void write_strings(const struct schema_strings *strings, struct json_writer *writer)
{
    json_array_begin(writer);
    for (size_t i = 0; i < strings->count; i++)
        json_string(writer, strings->at[i]);
    json_array_end(writer);
}

static void write_ints(const struct schema_ints *ints, struct json_writer *writer)
{
    json_array_begin(writer);
    for (size_t i = 0; i < ints->count; i++)
        json_number_i64(writer, ints->at[i]);
    json_array_end(writer);
}

/* Sorted by key, as Go prints maps; they are small. */
static void write_map(const struct schema_map *map, struct json_writer *writer)
{
    struct bytes after = {0};
    bool begun = false;

    json_object_begin(writer);
    for (size_t n = 0; n < map->count; n++) {
        size_t next = SIZE_MAX;

        for (size_t i = 0; i < map->count; i++) {
            if (begun && bytes_compare(map->keys[i], after) <= 0)
                continue;
            if (next == SIZE_MAX || bytes_compare(map->keys[i], map->keys[next]) < 0)
                next = i;
        }
        assert(next != SIZE_MAX);
        json_key(writer, map->keys[next]);
        json_string(writer, map->values[next]);
        after = map->keys[next];
        begun = true;
    }
    json_object_end(writer);
}

static void write_time(int64_t time_ns, struct json_writer *writer)
{
    char text[TEXT_TIME_MAX];
    size_t size = text_time(text, time_ns);

    json_string(writer, bytes_of(text, size));
}

static void write_objects(const struct schema_field *field, const struct schema_objects *objects,
                          struct json_writer *writer)
{
    json_array_begin(writer);
    for (size_t i = 0; i < objects->count; i++)
        schema_encode(field->object, (const uint8_t *)objects->at + field->object->size * i, writer);
    json_array_end(writer);
}

static void write_field(const struct schema_field *field, const void *at, struct json_writer *writer)
{
    switch (field->type) {
    case SCHEMA_BOOL: json_bool(writer, *(const bool *)at); break;
    case SCHEMA_INT32: json_number_i64(writer, *(const int32_t *)at); break;
    case SCHEMA_INT64: json_number_i64(writer, *(const int64_t *)at); break;
    case SCHEMA_UINT64: json_number_u64(writer, *(const uint64_t *)at); break;
    case SCHEMA_TIME: write_time(*(const int64_t *)at, writer); break;
    case SCHEMA_STRING: json_string(writer, *(const struct bytes *)at); break;
    case SCHEMA_ENUM: json_string(writer, bytes_of_text(field->names[*(const int32_t *)at])); break;
    case SCHEMA_STRINGS: write_strings(at, writer); break;
    case SCHEMA_INTS: write_ints(at, writer); break;
    case SCHEMA_MAP: write_map(at, writer); break;
    case SCHEMA_OBJECT: schema_encode(field->object, *(void *const *)at, writer); break;
    case SCHEMA_EMBEDDED: schema_encode(field->object, at, writer); break;
    case SCHEMA_OBJECTS: write_objects(field, at, writer); break;
    }
}

void schema_encode_members(const struct schema *schema, const void *in, struct json_writer *writer)
{
    for (size_t i = 0; i < schema->count; i++) {
        const struct schema_field *field = &schema->fields[i];
        const void *at = (const uint8_t *)in + field->offset;

        if (!(field->flags & SCHEMA_ALWAYS) && is_empty(field, at))
            continue;
        json_key(writer, bytes_of_text(field->name));
        write_field(field, at, writer);
    }
}

void schema_encode(const struct schema *schema, const void *in, struct json_writer *writer)
{
    json_object_begin(writer);
    schema_encode_members(schema, in, writer);
    json_object_end(writer);
}

/* ---- comparing and copying go through the encoding: it is the meaning, and neither is hot. ------- */

bool schema_equal(const struct schema *schema, const void *a, const void *b)
{
    struct buf texts[2];
    const void *sides[2] = {a, b};
    bool equal;

    for (int i = 0; i < 2; i++) {
        struct json_writer writer;

        buf_init(&texts[i], SIZE_MAX / 2);
        json_writer_init(&writer, &texts[i]);
        schema_encode(schema, sides[i], &writer);
    }
    equal = bytes_equal(buf_bytes(&texts[0]), buf_bytes(&texts[1]));
    buf_deinit(&texts[0]);
    buf_deinit(&texts[1]);
    return equal;
}

void schema_clear(const struct schema *schema, void *out)
{
    memset(out, 0, schema->size);
    for (size_t i = 0; i < schema->count; i++) {
        if (schema->fields[i].type == SCHEMA_TIME)
            *(int64_t *)((uint8_t *)out + schema->fields[i].offset) = TIME_UNSET;
    }
}

void schema_copy(const struct schema *schema, const void *from, void *to, struct arena *arena)
{
    struct buf text;
    struct json_writer writer;
    struct json_error error;
    struct json *json;
    bool parsed;

    buf_init(&text, SIZE_MAX / 2);
    json_writer_init(&writer, &text);
    schema_encode(schema, from, &writer);
    json = json_parse(arena, buf_bytes(&text), &error);
    schema_clear(schema, to);
    parsed = json != NULL && schema_parse(schema, json, true, arena, to, &error);
    assert(parsed); /* what we encoded we can read, if the arena has room */
    buf_deinit(&text);
}
