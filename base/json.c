#include "base/json.h"

#include <stdio.h>

#include "base/utf8.h"

/*
 * A recursive descent whose depth is bounded by JSON_DEPTH_MAX. Every function below leaves `at`
 * behind what it has read, or at the byte it could not accept, and then `error` is set.
 */
struct parser {
    struct arena *arena;
    const uint8_t *start;
    const uint8_t *at;
    const uint8_t *end;
    size_t nodes;
    unsigned depth;
    struct json_error *error;
};

/* ---- errors ---------------------------------------------------------------------------------- */

/* A byte as Go quotes it: taken for the code point of that number. */
static void quote(char out[static 16], uint8_t byte)
{
    static const char letters[] = "abtnvfr"; /* \a is 7 */

    if (byte >= 7 && byte <= 13)
        snprintf(out, 16, "'\\%c'", letters[byte - 7]);
    else if (byte == '\'' || byte == '\\')
        snprintf(out, 16, "'\\%c'", byte);
    else if (byte < 0x20 || byte == 0x7f)
        snprintf(out, 16, "'\\x%02x'", byte);
    else if (byte < 0x80)
        snprintf(out, 16, "'%c'", byte);
    else if (byte <= 0xa0 || byte == 0xad) /* what Go does not call printable */
        snprintf(out, 16, "'\\u%04x'", byte);
    else
        snprintf(out, 16, "'%c%c'", 0xc0 | byte >> 6, 0x80 | (byte & 0x3f));
}

static bool refuse_byte(struct parser *parser, uint8_t byte, const char *context)
{
    struct json_error *error = parser->error;
    char quoted[16];

    quote(quoted, byte);
    snprintf(error->text, sizeof(error->text), "invalid character %s %s", quoted, context);
    error->truncated = parser->at == parser->end;
    error->offset = (size_t)(parser->at - parser->start) + !error->truncated;
    return false;
}

/* The byte at `at`, or the end, is not what may stand there. */
static bool refuse(struct parser *parser, const char *context)
{
    struct json_error *error = parser->error;

    if (parser->at < parser->end)
        return refuse_byte(parser, *parser->at, context);
    snprintf(error->text, sizeof(error->text), "unexpected end of JSON input");
    error->truncated = true;
    error->offset = (size_t)(parser->at - parser->start);
    return false;
}

/* The same within a number, literal or escape, where Go takes the end for a blank. */
static bool refuse_within(struct parser *parser, const char *context)
{
    return refuse_byte(parser, parser->at < parser->end ? *parser->at : ' ', context);
}

static bool refuse_size(struct parser *parser)
{
    struct json_error *error = parser->error;

    error->truncated = false;
    error->offset = (size_t)(parser->at - parser->start);
    snprintf(error->text, sizeof(error->text), "JSON has too many values");
    return false;
}

void json_error_of_stream(struct json_error *error, size_t before)
{
    size_t size = strlen(error->text);

    if (error->truncated)
        snprintf(error->text, sizeof(error->text), "unexpected EOF");
    else
        snprintf(error->text + size, sizeof(error->text) - size, " at offset %zu",
                 before + error->offset);
}

/* ---- tokens ---------------------------------------------------------------------------------- */

static void skip_blanks(struct parser *parser)
{
    while (parser->at < parser->end && (*parser->at == ' ' || *parser->at == '\t' ||
                                        *parser->at == '\r' || *parser->at == '\n'))
        parser->at++;
}

static bool next_is(const struct parser *parser, uint8_t byte)
{
    return parser->at < parser->end && *parser->at == byte;
}

static bool next_is_digit(const struct parser *parser)
{
    return parser->at < parser->end && *parser->at >= '0' && *parser->at <= '9';
}

static bool read_digits(struct parser *parser, const char *context)
{
    if (!next_is_digit(parser))
        return refuse_within(parser, context);
    while (next_is_digit(parser))
        parser->at++;
    return true;
}

static bool read_number(struct parser *parser)
{
    if (next_is(parser, '-'))
        parser->at++;
    if (next_is(parser, '0'))
        parser->at++;
    else if (!read_digits(parser, "in numeric literal"))
        return false;

    if (next_is(parser, '.')) {
        parser->at++;
        if (!read_digits(parser, "after decimal point in numeric literal"))
            return false;
    }
    if (next_is(parser, 'e') || next_is(parser, 'E')) {
        parser->at++;
        if (next_is(parser, '+') || next_is(parser, '-'))
            parser->at++;
        if (!read_digits(parser, "in exponent of numeric literal"))
            return false;
    }
    return true;
}

static bool read_literal(struct parser *parser, const char *literal)
{
    for (size_t i = 0; literal[i] != 0; i++) {
        char context[48];

        if (!next_is(parser, (uint8_t)literal[i])) {
            snprintf(context, sizeof(context), "in literal %s (expecting '%c')", literal,
                     literal[i]);
            return refuse_within(parser, context);
        }
        parser->at++;
    }
    return true;
}

/* ---- strings --------------------------------------------------------------------------------- */

/* The value of a hexadecimal digit, or -1. */
static int hex(uint8_t byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    if (byte >= 'a' && byte <= 'f')
        return byte - 'a' + 10;
    if (byte >= 'A' && byte <= 'F')
        return byte - 'A' + 10;
    return -1;
}

static bool read_escape(struct parser *parser)
{
    parser->at++;
    if (parser->at == parser->end || *parser->at == 0 || strchr("\"\\/bfnrtu", *parser->at) == NULL)
        return refuse_within(parser, "in string escape code");
    if (*parser->at++ != 'u')
        return true;
    for (int i = 0; i < 4; i++, parser->at++) {
        if (parser->at == parser->end || hex(*parser->at) < 0)
            return refuse_within(parser, "in \\u hexadecimal character escape");
    }
    return true;
}

/* Four digits that read_escape has seen. */
static uint32_t hex4(const uint8_t *at)
{
    return (uint32_t)hex(at[0]) << 12 | (uint32_t)hex(at[1]) << 8 | (uint32_t)hex(at[2]) << 4 |
           (uint32_t)hex(at[3]);
}

/* Decodes a \u escape, `at` at its digits, together with a second one that completes a pair. */
static const uint8_t *decode_rune(const uint8_t *at, const uint8_t *end, uint32_t *rune)
{
    uint32_t low;

    *rune = hex4(at);
    at += 4;
    if (*rune < 0xd800 || *rune > 0xdfff)
        return at;
    if (*rune < 0xdc00 && end - at >= 6 && at[0] == '\\' && at[1] == 'u') {
        low = hex4(at + 2);
        if (low >= 0xdc00 && low <= 0xdfff) {
            *rune = 0x10000 + ((*rune - 0xd800) << 10) + (low - 0xdc00);
            return at + 6;
        }
    }
    *rune = UTF8_REPLACEMENT;
    return at;
}

static uint8_t unescaped(uint8_t letter)
{
    switch (letter) {
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    default: return letter;
    }
}

/* No escape is shorter than what it stands for, so the room of the source is enough. */
static bool unescape(struct parser *parser, struct bytes raw, struct bytes *text)
{
    const uint8_t *at = raw.at;
    const uint8_t *end = raw.at + raw.size;
    uint8_t *memory = arena_take(parser->arena, raw.size);
    uint8_t *out = memory;
    uint32_t rune;

    if (memory == NULL)
        return refuse_size(parser);
    while (at < end) {
        if (*at != '\\') {
            *out++ = *at++;
        } else if (at[1] != 'u') {
            *out++ = unescaped(at[1]);
            at += 2;
        } else {
            at = decode_rune(at + 2, end, &rune);
            out += utf8_put(out, rune); /* it took 6 bytes at least: there is room for 4 */
        }
    }
    *text = bytes_of(memory, (size_t)(out - memory));
    assert(text->size <= raw.size);
    return true;
}

/* `at` is at the opening quote. */
static bool read_string(struct parser *parser, struct bytes *text)
{
    const uint8_t *start = ++parser->at;
    bool escaped = false;

    while (!next_is(parser, '"')) {
        if (next_is(parser, '\\')) {
            escaped = true;
            if (!read_escape(parser))
                return false;
        } else if (parser->at == parser->end || *parser->at < 0x20) {
            return refuse(parser, "in string literal");
        } else {
            parser->at++;
        }
    }
    *text = bytes_of(start, (size_t)(parser->at - start));
    parser->at++;
    return escaped ? unescape(parser, *text, text) : true;
}

/* ---- values ---------------------------------------------------------------------------------- */

static struct json *read_value(struct parser *parser);

static struct json *node_create(struct parser *parser, enum json_type type)
{
    struct json *json = NULL;

    if (parser->nodes < JSON_NODES_MAX)
        json = ARENA_NEW(parser->arena, struct json);
    if (json == NULL) {
        (void)refuse_size(parser);
        return NULL;
    }
    parser->nodes++;
    json->type = type;
    return json;
}

/* `at` is at the opening brace or bracket. */
static bool enter(struct parser *parser)
{
    if (parser->depth == JSON_DEPTH_MAX)
        return refuse(parser, "exceeded max depth");
    parser->depth++;
    parser->at++;
    skip_blanks(parser);
    return true;
}

static void leave(struct parser *parser)
{
    parser->at++;
    parser->depth--;
}

static struct json *read_member(struct parser *parser)
{
    struct bytes key;
    struct json *value;

    skip_blanks(parser);
    if (!next_is(parser, '"')) {
        (void)refuse(parser, "looking for beginning of object key string");
        return NULL;
    }
    if (!read_string(parser, &key))
        return NULL;
    skip_blanks(parser);
    if (!next_is(parser, ':')) {
        (void)refuse(parser, "after object key");
        return NULL;
    }
    parser->at++;
    value = read_value(parser);
    if (value != NULL)
        value->key = key;
    return value;
}

/* What is between brackets or braces. */
static bool read_children(struct parser *parser, struct json *parent)
{
    bool object = parent->type == JSON_OBJECT;
    uint8_t end = object ? '}' : ']';
    struct json **tail = &parent->child;

    if (!enter(parser))
        return false;
    if (next_is(parser, end)) {
        leave(parser);
        return true;
    }
    for (;;) {
        *tail = object ? read_member(parser) : read_value(parser);
        if (*tail == NULL)
            return false;
        tail = &(*tail)->next;
        skip_blanks(parser);
        if (next_is(parser, end))
            break;
        if (!next_is(parser, ','))
            return refuse(parser, object ? "after object key:value pair" : "after array element");
        parser->at++;
    }
    leave(parser);
    return true;
}

/* False also when no value begins with `byte`. */
static bool type_of(uint8_t byte, enum json_type *type)
{
    switch (byte) {
    case '{': *type = JSON_OBJECT; return true;
    case '[': *type = JSON_ARRAY; return true;
    case '"': *type = JSON_STRING; return true;
    case 't': *type = JSON_TRUE; return true;
    case 'f': *type = JSON_FALSE; return true;
    case 'n': *type = JSON_NULL; return true;
    default: *type = JSON_NUMBER; return byte == '-' || (byte >= '0' && byte <= '9');
    }
}

static bool read_content(struct parser *parser, struct json *json)
{
    switch (json->type) {
    case JSON_OBJECT:
    case JSON_ARRAY: return read_children(parser, json);
    case JSON_STRING: return read_string(parser, &json->text);
    case JSON_TRUE: return read_literal(parser, "true");
    case JSON_FALSE: return read_literal(parser, "false");
    case JSON_NULL: return read_literal(parser, "null");
    case JSON_NUMBER: return read_number(parser);
    }
    __builtin_unreachable();
}

static struct json *read_value(struct parser *parser)
{
    const uint8_t *start;
    enum json_type type;
    struct json *json;

    skip_blanks(parser);
    start = parser->at;
    if (start == parser->end || !type_of(*start, &type)) {
        (void)refuse(parser, "looking for beginning of value");
        return NULL;
    }
    json = node_create(parser, type);
    if (json == NULL || !read_content(parser, json))
        return NULL;
    if (type != JSON_STRING)
        json->text = bytes_of(start, (size_t)(parser->at - start));
    return json;
}

static struct parser parser_of(struct arena *arena, struct bytes text, struct json_error *error)
{
    struct bytes safe = text.size == 0 ? BYTES("") : text; /* at may be NULL */

    *error = (struct json_error){0};
    return (struct parser){
        .arena = arena,
        .start = safe.at,
        .at = safe.at,
        .end = safe.at + safe.size,
        .error = error,
    };
}

struct json *json_parse(struct arena *arena, struct bytes text, struct json_error *error)
{
    struct parser parser = parser_of(arena, text, error);
    struct json *json = read_value(&parser);

    if (json == NULL)
        return NULL;
    assert(parser.depth == 0);
    skip_blanks(&parser);
    if (parser.at != parser.end) {
        (void)refuse(&parser, "after top-level value");
        return NULL;
    }
    return json;
}

struct json *json_parse_some(struct arena *arena, struct bytes text, size_t *used,
                             struct json_error *error)
{
    struct parser parser = parser_of(arena, text, error);
    struct json *json = read_value(&parser);

    if (json == NULL)
        return NULL;
    *used = (size_t)(parser.at - parser.start);
    return json;
}

/* ---- reading the tree ------------------------------------------------------------------------ */

const struct json *json_get(const struct json *object, struct bytes key)
{
    const struct json *found = NULL;

    if (object == NULL || object->type != JSON_OBJECT)
        return NULL;
    for (const struct json *member = object->child; member != NULL; member = member->next) {
        if (bytes_equal(member->key, key))
            found = member;
    }
    return found;
}

/* The next letter of a name, folded; *size is what it takes. Other non-ASCII stays as it is. */
static uint8_t fold(struct bytes name, size_t *size)
{
    *size = 1;
    if (bytes_starts(name, BYTES("\xc5\xbf"))) {
        *size = 2;
        return 's';
    }
    if (bytes_starts(name, BYTES("\xe2\x84\xaa"))) {
        *size = 3;
        return 'k';
    }
    if (name.at[0] >= 'A' && name.at[0] <= 'Z')
        return (uint8_t)(name.at[0] + ('a' - 'A'));
    return name.at[0];
}

static bool folds_equal(struct bytes a, struct bytes b)
{
    size_t a_size, b_size;

    while (a.size > 0 && b.size > 0) {
        if (fold(a, &a_size) != fold(b, &b_size))
            return false;
        a = bytes_skip(a, a_size);
        b = bytes_skip(b, b_size);
    }
    return a.size == b.size;
}

const struct json *json_get_nocase(const struct json *object, struct bytes key)
{
    const struct json *found = NULL;

    if (object == NULL || object->type != JSON_OBJECT)
        return NULL;
    for (const struct json *member = object->child; member != NULL; member = member->next) {
        if (folds_equal(member->key, key))
            found = member;
    }
    return found;
}

bool json_u64(const struct json *json, uint64_t *value)
{
    return json != NULL && json->type == JSON_NUMBER && bytes_read_u64(json->text, value);
}

bool json_i64(const struct json *json, int64_t *value)
{
    struct bytes digits;
    uint64_t size, size_max;
    bool negative;

    if (json == NULL || json->type != JSON_NUMBER)
        return false;
    negative = json->text.at[0] == '-';
    digits = bytes_skip(json->text, negative);
    size_max = (uint64_t)INT64_MAX + negative;
    if (!bytes_read_u64(digits, &size) || size > size_max)
        return false;
    *value = negative ? (int64_t)-size : (int64_t)size;
    return true;
}
