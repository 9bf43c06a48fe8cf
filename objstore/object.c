#include "objstore/object.h"

#include <stdlib.h>

#include "objstore/object_name.h"

/* ---- reading --------------------------------------------------------------------------------- */

static bool read_text(const struct json *from, const char *key, struct bytes *out)
{
    const struct json *found = json_get(from, bytes_of_text(key));

    if (found == NULL || found->type == JSON_NULL)
        return true;
    *out = found->text;
    return found->type == JSON_STRING;
}

static bool read_number(const struct json *from, const char *key, uint64_t *out)
{
    const struct json *found = json_get(from, bytes_of_text(key));

    return found == NULL || found->type == JSON_NULL || json_u64(found, out);
}

static size_t member_count(const struct json *of)
{
    size_t count = 0;

    for (const struct json *member = of->child; member != NULL; member = member->next)
        count++;
    return count;
}

static bool read_values(const struct json *from, struct arena *arena, struct schema_strings *out)
{
    if (from->type != JSON_ARRAY)
        return false;
    out->at = ARENA_ARRAY(arena, struct bytes, member_count(from));
    if (out->at == NULL)
        return false;
    for (const struct json *value = from->child; value != NULL; value = value->next) {
        if (value->type != JSON_STRING)
            return false;
        out->at[out->count++] = value->text;
    }
    return true;
}

static bool read_headers(const struct json *from, struct arena *arena, struct object *out)
{
    if (from == NULL || from->type == JSON_NULL)
        return true;
    if (from->type != JSON_OBJECT)
        return false;
    out->headers = ARENA_ARRAY(arena, struct object_header, member_count(from));
    if (out->headers == NULL)
        return false;
    for (const struct json *line = from->child; line != NULL; line = line->next) {
        struct object_header *header = &out->headers[out->header_count++];

        header->name = line->key;
        if (!read_values(line, arena, &header->values))
            return false;
    }
    return true;
}

static bool read_metadata(const struct json *from, struct arena *arena, struct object *out)
{
    if (from == NULL || from->type == JSON_NULL)
        return true;
    if (from->type != JSON_OBJECT)
        return false;
    for (const struct json *pair = from->child; pair != NULL; pair = pair->next)
        if (pair->type != JSON_STRING ||
            !schema_map_set(&out->metadata, arena, pair->key, pair->text))
            return false;
    return true;
}

static bool read_options(const struct json *from, struct object *out)
{
    const struct json *link;

    if (from == NULL || from->type == JSON_NULL)
        return true;
    if (from->type != JSON_OBJECT || !read_number(from, "max_chunk_size", &out->chunk_max))
        return false;
    link = json_get(from, BYTES("link"));
    if (link == NULL || link->type == JSON_NULL)
        return true;
    out->linked = true;
    return link->type == JSON_OBJECT && read_text(link, "bucket", &out->link.bucket) &&
           read_text(link, "name", &out->link.name) && object_bucket_valid(out->link.bucket);
}

bool object_read(struct bytes body, struct arena *arena, struct object *out)
{
    struct json_error error;
    const struct json *json = json_parse(arena, body, &error), *deleted;

    *out = (struct object){0};
    if (json == NULL || json->type != JSON_OBJECT)
        return false;
    deleted = json_get(json, BYTES("deleted"));
    out->deleted = deleted != NULL && deleted->type == JSON_TRUE;
    return read_text(json, "name", &out->name) && object_name_valid(out->name) &&
           read_text(json, "description", &out->description) &&
           read_headers(json_get(json, BYTES("headers")), arena, out) &&
           read_metadata(json_get(json, BYTES("metadata")), arena, out) &&
           read_options(json_get(json, BYTES("options")), out) &&
           read_text(json, "bucket", &out->bucket) && read_text(json, "nuid", &out->id) &&
           read_number(json, "size", &out->size) && read_number(json, "chunks", &out->chunks) &&
           read_text(json, "digest", &out->digest);
}

/* ---- writing --------------------------------------------------------------------------------- */

static void write_text(struct json_writer *writer, const char *key, struct bytes value)
{
    if (value.size == 0)
        return;
    json_key(writer, bytes_of_text(key));
    json_string(writer, value);
}

static void write_headers(struct json_writer *writer, const struct object *object)
{
    if (object->header_count == 0)
        return;
    JSON_KEY(writer, "headers");
    json_object_begin(writer);
    for (size_t i = 0; i < object->header_count; i++) {
        json_key(writer, object->headers[i].name);
        json_array_begin(writer);
        for (size_t n = 0; n < object->headers[i].values.count; n++)
            json_string(writer, object->headers[i].values.at[n]);
        json_array_end(writer);
    }
    json_object_end(writer);
}

static void write_metadata(struct json_writer *writer, const struct object *object)
{
    if (object->metadata.count == 0)
        return;
    JSON_KEY(writer, "metadata");
    json_object_begin(writer);
    for (size_t i = 0; i < object->metadata.count; i++) {
        json_key(writer, object->metadata.keys[i]);
        json_string(writer, object->metadata.values[i]);
    }
    json_object_end(writer);
}

static void write_options(struct json_writer *writer, const struct object *object)
{
    if (!object->linked && object->chunk_max == 0)
        return;
    JSON_KEY(writer, "options");
    json_object_begin(writer);
    if (object->linked) {
        JSON_KEY(writer, "link");
        json_object_begin(writer);
        JSON_KEY(writer, "bucket");
        json_string(writer, object->link.bucket);
        write_text(writer, "name", object->link.name);
        json_object_end(writer);
    }
    if (object->chunk_max > 0) {
        JSON_KEY(writer, "max_chunk_size");
        json_number_u64(writer, object->chunk_max);
    }
    json_object_end(writer);
}

static void write_content(struct json_writer *writer, const struct object *object)
{
    JSON_KEY(writer, "bucket");
    json_string(writer, object->bucket);
    JSON_KEY(writer, "nuid");
    json_string(writer, object->id);
    JSON_KEY(writer, "size");
    json_number_u64(writer, object->size);
    JSON_KEY(writer, "mtime"); /* readers take the message's */
    json_string(writer, BYTES("0001-01-01T00:00:00Z"));
    JSON_KEY(writer, "chunks");
    json_number_u64(writer, object->chunks);
    write_text(writer, "digest", object->digest);
    if (object->deleted) {
        JSON_KEY(writer, "deleted");
        json_bool(writer, true);
    }
}

bool object_write(const struct object *object, struct buf *out)
{
    struct json_writer writer;
    size_t before = out->size;

    json_writer_init(&writer, out);
    json_object_begin(&writer);
    JSON_KEY(&writer, "name");
    json_string(&writer, object->name);
    write_text(&writer, "description", object->description);
    write_headers(&writer, object);
    write_metadata(&writer, object);
    write_options(&writer, object);
    write_content(&writer, object);
    json_object_end(&writer);
    if (writer.failed)
        out->size = before;
    return !writer.failed;
}

/* ---- chunks ---------------------------------------------------------------------------------- */

uint64_t object_chunk_count(uint64_t size, uint64_t chunk_max)
{
    assert(chunk_max > 0);
    return size / chunk_max + (size % chunk_max > 0);
}

void object_reading_init(struct object_reading *reading, const struct object *object)
{
    *reading = (struct object_reading){.object = object};
}

bool object_chunk_take(struct object_reading *reading, uint64_t size)
{
    if (reading->chunks == reading->object->chunks || size > reading->object->size - reading->size)
        return false;
    reading->chunks++;
    reading->size += size;
    return true;
}

bool object_complete(const struct object_reading *reading)
{
    return reading->chunks == reading->object->chunks && reading->size == reading->object->size;
}

/* ---- links ----------------------------------------------------------------------------------- */

const char *object_link_check(struct bytes bucket, struct bytes name, const struct object *target)
{
    if (!object_name_valid(name))
        return "a link needs a name";
    if (target == NULL)
        return NULL;
    if (target->deleted)
        return "cannot link to a deleted object";
    if (target->linked)
        return "cannot link to another link";
    if (bytes_equal(target->bucket, bucket) && bytes_equal(target->name, name))
        return "cannot link an object to itself";
    return NULL;
}

/* ---- audit ----------------------------------------------------------------------------------- */

static int by_object_id(const void *a, const void *b)
{
    return bytes_compare(((const struct object *)a)->id, ((const struct object *)b)->id);
}

static int by_held_id(const void *a, const void *b)
{
    return bytes_compare(((const struct object_audit_chunks *)a)->id,
                         ((const struct object_audit_chunks *)b)->id);
}

static bool owns_chunks(const struct object *object)
{
    return !object->deleted && !object->linked && object->chunks > 0;
}

static bool intact(const struct object *object, const struct object_audit_chunks *held)
{
    return held->chunks == object->chunks && held->size == object->size;
}

void object_audit(struct object *objects, size_t object_count, struct object_audit_chunks *held,
                  size_t held_count, struct object_audit *out)
{
    size_t at = 0;

    *out = (struct object_audit){0};
    qsort(objects, object_count, sizeof *objects, by_object_id);
    qsort(held, held_count, sizeof *held, by_held_id);
    for (size_t i = 0; i < object_count; i++) {
        if (!owns_chunks(&objects[i]))
            continue;
        for (; at < held_count && bytes_compare(held[at].id, objects[i].id) < 0; at++) {
            out->orphans++;
            out->orphan_chunks += held[at].chunks;
        }
        if (at == held_count || !bytes_equal(held[at].id, objects[i].id)) {
            out->damaged++;
        } else {
            out->damaged += !intact(&objects[i], &held[at]);
            at++;
        }
    }
    for (; at < held_count; at++) {
        out->orphans++;
        out->orphan_chunks += held[at].chunks;
    }
}
