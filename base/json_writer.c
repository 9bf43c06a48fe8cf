#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/utf8.h"

#define WRITER_DEPTH_MAX 64u /* one bit each */

void json_writer_init(struct json_writer *writer, struct buf *out)
{
    *writer = (struct json_writer){.out = out};
}

static void add(struct json_writer *writer, struct bytes b)
{
    if (!writer->failed && !buf_add(writer->out, b))
        writer->failed = true;
}

static uint64_t level(const struct json_writer *writer)
{
    return UINT64_C(1) << writer->depth;
}

/* Before any value: checks that one may stand here and separates it from the one before. */
static void begin_value(struct json_writer *writer)
{
    if (writer->objects & level(writer))
        assert(writer->keyed);
    if (writer->depth == 0)
        assert(!(writer->comma & level(writer)));
    if (!writer->keyed && (writer->comma & level(writer)))
        add(writer, BYTES(","));
    writer->keyed = false;
    writer->comma |= level(writer);
}

static void enter(struct json_writer *writer, bool object, struct bytes bracket)
{
    begin_value(writer);
    assert(writer->depth + 1 < WRITER_DEPTH_MAX);
    writer->depth++;
    writer->comma &= ~level(writer);
    writer->objects &= ~level(writer);
    if (object)
        writer->objects |= level(writer);
    add(writer, bracket);
}

static void leave(struct json_writer *writer, bool object, struct bytes bracket)
{
    assert(writer->depth > 0);
    assert(!writer->keyed);
    assert(((writer->objects & level(writer)) != 0) == object);
    writer->depth--;
    add(writer, bracket);
}

void json_object_begin(struct json_writer *writer)
{
    enter(writer, true, BYTES("{"));
}

void json_object_end(struct json_writer *writer)
{
    leave(writer, true, BYTES("}"));
}

void json_array_begin(struct json_writer *writer)
{
    enter(writer, false, BYTES("["));
}

void json_array_end(struct json_writer *writer)
{
    leave(writer, false, BYTES("]"));
}

/* ---- strings --------------------------------------------------------------------------------- */

static bool plain_ascii(uint8_t byte)
{
    return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\' && byte != '<' &&
           byte != '>' && byte != '&';
}

static void add_escaped_ascii(struct json_writer *writer, uint8_t byte)
{
    static const char letters[] = "btn\0fr"; /* from 8; there is none for 11 */
    char text[8];

    if (byte == '"' || byte == '\\')
        snprintf(text, sizeof(text), "\\%c", byte);
    else if (byte >= 8 && byte <= 13 && letters[byte - 8] != 0)
        snprintf(text, sizeof(text), "\\%c", letters[byte - 8]);
    else
        snprintf(text, sizeof(text), "\\u%04x", byte);
    add(writer, bytes_of_text(text));
}

/* Adds what `b` begins with and cannot be plain ASCII; the result is how much of `b` that was. */
static size_t add_special(struct json_writer *writer, struct bytes b)
{
    uint32_t rune;
    size_t size = utf8_read(b, &rune);

    if (size == 0) {
        add(writer, BYTES("\\ufffd"));
        return 1;
    }
    if (size == 1)
        add_escaped_ascii(writer, b.at[0]);
    else if (rune == 0x2028)
        add(writer, BYTES("\\u2028"));
    else if (rune == 0x2029)
        add(writer, BYTES("\\u2029"));
    else
        add(writer, bytes_take(b, size));
    return size;
}

static void add_quoted(struct json_writer *writer, struct bytes value)
{
    size_t run;

    add(writer, BYTES("\""));
    while (value.size > 0) {
        for (run = 0; run < value.size && plain_ascii(value.at[run]); run++)
            ;
        if (run > 0)
            add(writer, bytes_take(value, run));
        value = bytes_skip(value, run);
        if (value.size > 0)
            value = bytes_skip(value, add_special(writer, value));
    }
    add(writer, BYTES("\""));
}

void json_key(struct json_writer *writer, struct bytes key)
{
    assert(writer->objects & level(writer));
    assert(!writer->keyed);
    if (writer->comma & level(writer))
        add(writer, BYTES(","));
    add_quoted(writer, key);
    add(writer, BYTES(":"));
    writer->keyed = true;
}

void json_string(struct json_writer *writer, struct bytes value)
{
    begin_value(writer);
    add_quoted(writer, value);
}

/* ---- the other values ------------------------------------------------------------------------ */

void json_number_u64(struct json_writer *writer, uint64_t value)
{
    begin_value(writer);
    if (!writer->failed && !buf_add_u64(writer->out, value))
        writer->failed = true;
}

void json_number_i64(struct json_writer *writer, int64_t value)
{
    begin_value(writer);
    if (!writer->failed && !buf_add_i64(writer->out, value))
        writer->failed = true;
}

/* Go's e-09 is e-9, its e+21 stays. */
static void shorten_exponent(char *text)
{
    char *exponent = strstr(text, "e-0");

    if (exponent != NULL)
        memmove(exponent + 2, exponent + 3, strlen(exponent + 3) + 1);
}

/* Digits behind the point of the shortest %e that reads back equal; 16 always do. */
static int shortest(double value)
{
    char text[40];
    int digits = 0;

    for (; digits < 16; digits++) {
        snprintf(text, sizeof(text), "%.*e", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    return digits;
}

/* The whole number that "d.ddde+XX" stands for, its unknown digits zeros as Go has them. */
static void add_whole(struct json_writer *writer, const char *text, int zeros)
{
    for (; *text != 'e'; text++) {
        if (*text != '.')
            add(writer, bytes_of(text, 1));
    }
    for (; zeros > 0; zeros--)
        add(writer, BYTES("0"));
}

void json_number_double(struct json_writer *writer, double value)
{
    char text[64];
    double size = fabs(value);
    int digits, exponent;

    assert(isfinite(value));
    digits = shortest(value);
    begin_value(writer);
    snprintf(text, sizeof(text), "%.*e", digits, value);
    exponent = atoi(strchr(text, 'e') + 1);
    if (size != 0 && (size < 1e-6 || size >= 1e21)) {
        shorten_exponent(text);
        add(writer, bytes_of_text(text));
    } else if (exponent >= digits) {
        add_whole(writer, text, exponent - digits);
    } else {
        snprintf(text, sizeof(text), "%.*f", digits - exponent, value);
        add(writer, bytes_of_text(text));
    }
}

void json_bool(struct json_writer *writer, bool value)
{
    begin_value(writer);
    add(writer, value ? BYTES("true") : BYTES("false"));
}

void json_null(struct json_writer *writer)
{
    begin_value(writer);
    add(writer, BYTES("null"));
}

void json_raw(struct json_writer *writer, struct bytes json)
{
    begin_value(writer);
    add(writer, json);
}

static void encode_three(char out[static 4], struct bytes b)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = (uint32_t)b.at[0] << 16;

    if (b.size > 1)
        bits |= (uint32_t)b.at[1] << 8;
    if (b.size > 2)
        bits |= b.at[2];
    out[0] = alphabet[bits >> 18];
    out[1] = alphabet[bits >> 12 & 63];
    out[2] = b.size > 1 ? alphabet[bits >> 6 & 63] : '=';
    out[3] = b.size > 2 ? alphabet[bits & 63] : '=';
}

/* In one reservation: values are as large as messages. */
static bool add_base64(struct buf *out, struct bytes value)
{
    size_t groups = value.size / 3 + (value.size % 3 != 0);
    uint8_t *at;

    if (groups > SIZE_MAX / 4)
        return false;
    at = buf_reserve(out, groups * 4);
    if (at == NULL)
        return false;
    for (size_t i = 0; i < groups; i++)
        encode_three((char *)at + i * 4, bytes_skip(value, i * 3));
    buf_commit(out, groups * 4);
    return true;
}

void json_base64(struct json_writer *writer, struct bytes value)
{
    begin_value(writer);
    add(writer, BYTES("\""));
    if (!writer->failed && !add_base64(writer->out, value))
        writer->failed = true;
    add(writer, BYTES("\""));
}
