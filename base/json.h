/*
 * json: a bounded parser into a tree of views, and a writer. The tree lives in the caller's arena
 * and strings without escapes are views of the input, so parsing copies little. Numbers keep their
 * text: whoever wants an integer asks for one and learns whether it fits (64 bits unsigned matter
 * here: sequences). Input is hostile: depth and node count are bounded, UTF-8 is not repaired.
 *
 * What is accepted is what Go's encoding/json accepts (the reference server's decoder): RFC 8259,
 * duplicate keys (the last wins, json_get), invalid UTF-8 inside strings taken as it is, half a
 * surrogate pair as U+FFFD. Its depth limit is 10000; ours is stated here.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/arena.h"
#include "base/buf.h"

#define JSON_DEPTH_MAX 64u
#define JSON_NODES_MAX 100000u

enum json_type {
    JSON_NULL,
    JSON_FALSE,
    JSON_TRUE,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT
};

struct json {
    enum json_type type;
    struct bytes key; /* in an object: the member's name, unescaped */
    struct bytes
        text; /* string: unescaped; number: as written; object, array: the source text whole */
    struct json *child; /* object, array: the first member */
    struct json *next;  /* the next sibling */
};

/*
 * Why parsing failed, in the words of Go's json.Unmarshal: "unexpected end of JSON input", "invalid
 * character 'x' looking for beginning of value".
 */
struct json_error {
    char text[320];
    size_t offset;  /* bytes read, the offending one included */
    bool truncated; /* the text ended too early */
};

/*
 * Rewrites the text into the words of Go's json.Decoder as the reference's JetStream API reports
 * it: "unexpected EOF", or the syntax error with " at offset 13" (counted from `before`, the size
 * of the documents that the same request held before this one).
 */
void json_error_of_stream(struct json_error *error, size_t before);

/* Parses one whole document (surrounding blanks allowed). NULL: *error says why. */
struct json *json_parse(struct arena *arena, struct bytes text, struct json_error *error);
/* Parses one document at the start; *used tells how much was consumed. */
struct json *json_parse_some(struct arena *arena, struct bytes text, size_t *used,
                             struct json_error *error);

/*
 * The last member of that name, or NULL, also when `object` is NULL or no object. Names of requests
 * are matched as Go matches them, by json_get_nocase: the last whose name is equal or differs only
 * in case (with Go's two strange letters: U+017F is an s, U+212A a k). `key` is ASCII there.
 */
const struct json *json_get(const struct json *object, struct bytes key);
const struct json *json_get_nocase(const struct json *object, struct bytes key);

/* Integers only, no fraction, no exponent; false when NULL, not a number or out of range. */
bool json_u64(const struct json *json, uint64_t *value);
bool json_i64(const struct json *json, int64_t *value);

/* ---- writing: commas and quotes are placed by the writer, nesting is asserted. -------------- */

/* One document: one value at depth 0, in objects every value behind its key. */
struct json_writer {
    struct buf *out;  /* failed writes (limit) set `failed`; check once at the end */
    uint64_t comma;   /* one bit per depth: a comma is due */
    uint64_t objects; /* one bit per depth: within an object */
    unsigned depth;   /* below 64 */
    bool keyed;       /* a key waits for its value */
    bool failed;
};

void json_writer_init(struct json_writer *writer, struct buf *out);
void json_object_begin(struct json_writer *writer);
void json_object_end(struct json_writer *writer);
void json_array_begin(struct json_writer *writer);
void json_array_end(struct json_writer *writer);
void json_key(struct json_writer *writer, struct bytes key);
/* Escapes as Go's encoder does (<, >, & as \u003c...; U+2028/9; invalid UTF-8 as \ufffd). */
void json_string(struct json_writer *writer, struct bytes value);
void json_number_u64(struct json_writer *writer, uint64_t value);
void json_number_i64(struct json_writer *writer, int64_t value);
/* As Go writes a float64: the shortest text that reads back equal. Finite (asserted). */
void json_number_double(struct json_writer *writer, double value);
void json_bool(struct json_writer *writer, bool value);
void json_null(struct json_writer *writer);
void json_raw(struct json_writer *writer, struct bytes json);     /* already JSON */
void json_base64(struct json_writer *writer, struct bytes value); /* standard alphabet, padded */

/* A key that is a literal. */
#define JSON_KEY(w, literal) json_key((w), BYTES(literal))

/* A key and its value. */
void json_put_string(struct json_writer *writer, struct bytes key, struct bytes value);
void json_put_given(struct json_writer *writer, struct bytes key, struct bytes value); /* not "" */
void json_put_text(struct json_writer *writer, struct bytes key, const char *value);
void json_put_i64(struct json_writer *writer, struct bytes key, int64_t value);
void json_put_u64(struct json_writer *writer, struct bytes key, uint64_t value);
void json_put_bool(struct json_writer *writer, struct bytes key, bool value);
/* RFC 3339, in UTC. */
void json_put_time(struct json_writer *writer, struct bytes key, int64_t unix_ns);
void json_put_true(struct json_writer *writer, struct bytes key, bool value); /* not false */

/* Appends `json`, a whole valid document, indented by two blanks as Go's MarshalIndent does it.
 * False at the limit of `out`; what was added stays. */
bool json_indent(struct buf *out, struct bytes json);

#endif
