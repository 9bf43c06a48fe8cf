/*
 * schema: one table per JSON type drives parsing, defaults, encoding and comparison; a field is
 * described once. Structs are plain; what they point to lives in the arena given to schema_parse
 * (or wherever their owner put it). Error texts are those of Go's encoding/json, which clients see
 * behind "invalid JSON: ".
 */
#ifndef BASE_SCHEMA_H
#define BASE_SCHEMA_H

#include "base/json.h"

enum schema_type {
    SCHEMA_BOOL,     /* bool */
    SCHEMA_INT32,    /* int32_t */
    SCHEMA_INT64,    /* int64_t; also durations */
    SCHEMA_UINT64,   /* uint64_t */
    SCHEMA_TIME,     /* int64_t unix ns, TIME_UNSET when absent or zero time; RFC 3339 in JSON */
    SCHEMA_STRING,   /* struct bytes */
    SCHEMA_STRINGS,  /* struct schema_strings */
    SCHEMA_INTS,     /* struct schema_ints */
    SCHEMA_ENUM,     /* int32_t: index into names[] */
    SCHEMA_MAP,      /* struct schema_map: string to string, sorted by key when encoded */
    SCHEMA_OBJECT,   /* void *: NULL or a struct of `object` in the arena */
    SCHEMA_EMBEDDED, /* the struct itself */
    SCHEMA_OBJECTS,  /* struct schema_objects */
};

struct schema_strings {
    struct bytes *at;
    size_t count;
};
struct schema_ints {
    int64_t *at;
    size_t count;
};
struct schema_map {
    struct bytes *keys;
    struct bytes *values;
    size_t count;
}; /* sorted by key, no key twice */
struct schema_objects {
    void *at;
    size_t count;
}; /* array of structs of `object` */

#define SCHEMA_ALWAYS   1u /* encoded also when zero or empty (else omitted) */
#define SCHEMA_NOCASE   2u /* enum values match case-insensitively */
#define SCHEMA_EMPTY_OK 4u /* enum: "" is taken as the first value */
#define SCHEMA_REFUSED                                                                             \
    8u /* known to the reference, not to us yet: a non-zero value is refused by the                \
        * owner's validation, with the field's name (schema_refused) */

/* What Go calls an integer or an array of objects (error texts only). */
#define SCHEMA_NS       16u /* time.Duration */
#define SCHEMA_GO_INT   32u /* int */
#define SCHEMA_POINTERS 64u /* []*T */
/* A time that Go has as *time.Time: the zero time was given, and is TIME_YEAR_1. */
#define SCHEMA_GIVEN 128u

struct schema;
struct schema_field {
    const char *name;
    enum schema_type type;
    unsigned flags;
    size_t offset;
    const char *const *names;    /* enum: NULL-terminated */
    const struct schema *object; /* object types */
    /* enum: how an unknown value is refused: NULL: in the usual words; with a "%s": for the JSON
     * value; else as it stands, and values that are no string are a type error. */
    const char *unknown;
};

struct schema {
    /* The type as Go's error texts call it. At the root of a document "Type.Embedded" is how they
     * call the holder of a field. */
    const char *go_name;
    size_t size;
    const struct schema_field *fields;
    size_t count;
    const struct schema
        *base; /* its fields belong to the type, too: the struct begins with the base's */
};

/* Fills the cleared struct from a JSON object; absent fields stay as they are (put defaults first),
 * null is as absent. Strict: an unknown key is an error. False: *error holds the text. Keys match
 * case-insensitively. */
bool schema_parse(const struct schema *schema, const struct json *json, bool strict,
                  struct arena *arena, void *out, struct json_error *error);
/* Writes the members (no braces), in table order. */
void schema_encode_members(const struct schema *schema, const void *in, struct json_writer *writer);
void schema_encode(const struct schema *schema, const void *in, struct json_writer *writer);
bool schema_equal(const struct schema *schema, const void *a, const void *b);
/* Zeroes `out` and sets what is not zero when absent (times: TIME_UNSET). Before schema_parse. */
void schema_clear(const struct schema *schema, void *out);
/* Sets or (at value.at NULL) removes a key. Nothing is copied but the arrays; false: the arena is
 * full. */
bool schema_map_set(struct schema_map *map, struct arena *arena, struct bytes key,
                    struct bytes value);
/* The name of the first SCHEMA_REFUSED field that is set, or NULL. */
const char *schema_refused(const struct schema *schema, const void *in);

#endif
