#include "base/schema.h"

#include "base/text.h"

/* ---- looking -------------------------------------------------------------------------------- */

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
    const char *name = schema->base != NULL ? schema_refused(schema->base, in) : NULL;

    for (size_t i = 0; name == NULL && i < schema->count; i++) {
        const struct schema_field *field = &schema->fields[i];

        if ((field->flags & SCHEMA_REFUSED) &&
            !is_empty(field, (const uint8_t *)in + field->offset))
            name = field->name;
    }
    return name;
}

/* ---- writing -------------------------------------------------------------------------------- */

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

/* Sorted by key, as Go prints maps: that is how they are kept. */
static void write_map(const struct schema_map *map, struct json_writer *writer)
{
    json_object_begin(writer);
    for (size_t i = 0; i < map->count; i++) {
        assert(i == 0 || bytes_compare(map->keys[i - 1], map->keys[i]) < 0);
        json_key(writer, map->keys[i]);
        json_string(writer, map->values[i]);
    }
    json_object_end(writer);
}

static void write_time(const struct schema_field *field, int64_t time_ns,
                       struct json_writer *writer)
{
    bool year_1 = (field->flags & SCHEMA_GIVEN) != 0 && time_ns == TIME_YEAR_1;
    char text[TEXT_TIME_MAX];
    size_t size = text_time(text, year_1 ? TIME_UNSET : time_ns);

    json_string(writer, bytes_of(text, size));
}

static void write_objects(const struct schema_field *field, const struct schema_objects *objects,
                          struct json_writer *writer)
{
    json_array_begin(writer);
    for (size_t i = 0; i < objects->count; i++)
        schema_encode(field->object, (const uint8_t *)objects->at + field->object->size * i,
                      writer);
    json_array_end(writer);
}

static void write_field(const struct schema_field *field, const void *at,
                        struct json_writer *writer)
{
    switch (field->type) {
    case SCHEMA_BOOL: json_bool(writer, *(const bool *)at); break;
    case SCHEMA_INT32: json_number_i64(writer, *(const int32_t *)at); break;
    case SCHEMA_INT64: json_number_i64(writer, *(const int64_t *)at); break;
    case SCHEMA_UINT64: json_number_u64(writer, *(const uint64_t *)at); break;
    case SCHEMA_TIME: write_time(field, *(const int64_t *)at, writer); break;
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
    if (schema->base != NULL)
        schema_encode_members(schema->base, in, writer);
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

/* ---- comparing and copying ------------------------------------------------------------------- */

/* Both go through the encoding: it is the meaning, and neither is hot. */

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

static void clear_times(const struct schema *schema, uint8_t *out)
{
    if (schema->base != NULL)
        clear_times(schema->base, out);
    for (size_t i = 0; i < schema->count; i++) {
        const struct schema_field *field = &schema->fields[i];

        if (field->type == SCHEMA_TIME)
            *(int64_t *)(out + field->offset) = TIME_UNSET;
        else if (field->type == SCHEMA_EMBEDDED)
            clear_times(field->object, out + field->offset);
    }
}

void schema_clear(const struct schema *schema, void *out)
{
    memset(out, 0, schema->size);
    clear_times(schema, out);
}

/* ---- maps ----------------------------------------------------------------------------------- */

/* The first place whose key is not below `key`. */
static size_t map_place(const struct schema_map *map, struct bytes key)
{
    size_t low = 0, high = map->count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (bytes_compare(map->keys[middle], key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool schema_map_set(struct schema_map *map, struct arena *arena, struct bytes key,
                    struct bytes value)
{
    size_t at = map_place(map, key);
    bool there = at < map->count && bytes_equal(map->keys[at], key);
    size_t after = at + there;
    size_t added = value.at != NULL;
    struct schema_map changed = {.count = map->count - there + added};

    changed.keys = ARENA_ARRAY(arena, struct bytes, changed.count + 1);
    changed.values = ARENA_ARRAY(arena, struct bytes, changed.count + 1);
    if (changed.keys == NULL || changed.values == NULL)
        return false;
    for (size_t i = 0; i < at; i++) {
        changed.keys[i] = map->keys[i];
        changed.values[i] = map->values[i];
    }
    if (added) {
        changed.keys[at] = key;
        changed.values[at] = value;
    }
    for (size_t i = after; i < map->count; i++) {
        changed.keys[at + added + i - after] = map->keys[i];
        changed.values[at + added + i - after] = map->values[i];
    }
    *map = changed;
    return true;
}
