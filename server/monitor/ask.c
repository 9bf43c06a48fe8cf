#include "server/monitor/ask.h"

#include <stdarg.h>
#include <stdio.h>

#include "server/monitor/http.h"

void ask_of_query(struct ask *ask, struct bytes query, struct arena *arena)
{
    *ask = (struct ask){.query = query, .arena = arena, .status = 200};
}

void ask_of_body(struct ask *ask, const struct json *body, struct arena *arena)
{
    *ask = (struct ask){.body = body, .arena = arena, .status = 200};
}

/* The first thing that is wrong is told. */
void ask_refuse(struct ask *ask, unsigned status, const char *format, ...)
{
    va_list args;

    if (ask->status != 200)
        return;
    ask->status = status;
    va_start(args, format);
    vsnprintf(ask->reason, sizeof(ask->reason), format, args);
    va_end(args);
}

/* ---- of a query ----------------------------------------------------------------------------- */

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "%41+b". False: no escape follows a '%'. */
static bool unescape(struct ask *ask, struct bytes b, struct bytes *text)
{
    uint8_t *to = arena_take(ask->arena, b.size + 1);
    size_t size = 0;

    for (size_t i = 0; to != NULL && i < b.size; i++) {
        int high = i + 2 < b.size && b.at[i] == '%' ? hex_digit(b.at[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(b.at[i + 2]) : -1;

        if (b.at[i] == '%' && low < 0)
            return false;
        if (low >= 0) {
            to[size++] = (uint8_t)(high << 4 | low);
            i += 2;
        } else {
            to[size++] = b.at[i] == '+' ? ' ' : b.at[i];
        }
    }
    *text = bytes_of(to, size);
    return to != NULL;
}

/* What cannot be read is as if it were not there. */
static bool query_value(struct ask *ask, const char *name, struct bytes *value)
{
    struct bytes raw;

    return name != NULL && http_query(ask->query, bytes_of_text(name), &raw) && raw.size > 0 &&
           unescape(ask, raw, value);
}

/* ---- of a body ------------------------------------------------------------------------------ */

static const struct json *body_value(const struct ask *ask, const char *name)
{
    const struct json *value =
        name != NULL ? json_get_nocase(ask->body, bytes_of_text(name)) : NULL;

    return value == NULL || value->type == JSON_NULL ? NULL : value;
}

static void refuse_type(struct ask *ask, const struct json *value, const char *name,
                        const char *wanted)
{
    static const char *const names[] = {"null",   "bool",  "bool",  "number",
                                        "string", "array", "object"};

    ask->malformed = ask->status == 200;
    ask_refuse(ask, 400,
               "json: cannot unmarshal %s into Go struct field %sEventOptions.%sOptions.%s of "
               "type %s",
               names[value->type], ask->what, ask->what, name, wanted);
}

/* ---- values --------------------------------------------------------------------------------- */

static bool is_one_of(struct bytes text, const char *const *words)
{
    for (; *words != NULL; words++) {
        if (bytes_equal(text, bytes_of_text(*words)))
            return true;
    }
    return false;
}

static void query_bool(struct ask *ask, const char *name, bool *to)
{
    static const char *const yes[] = {"1", "t", "T", "true", "TRUE", "True", NULL};
    static const char *const no[] = {"0", "f", "F", "false", "FALSE", "False", NULL};
    struct bytes text;

    if (!query_value(ask, name, &text))
        return;
    if (is_one_of(text, yes))
        *to = true;
    else if (is_one_of(text, no))
        *to = false;
    else
        ask_refuse(
            ask, 400,
            "Error decoding boolean for '%s': strconv.ParseBool: parsing \"%.*s\": invalid syntax",
            name, BYTES_ARG(text));
}

void ask_bool(struct ask *ask, struct ask_key key, bool *to)
{
    const struct json *value;

    if (ask->body == NULL) {
        query_bool(ask, key.query, to);
        return;
    }
    value = body_value(ask, key.body);
    if (value == NULL)
        return;
    if (value->type == JSON_TRUE || value->type == JSON_FALSE)
        *to = value->type == JSON_TRUE;
    else
        refuse_type(ask, value, key.body, "bool");
}

static bool read_i64(struct bytes text, int64_t *to)
{
    bool negative = text.size > 0 && text.at[0] == '-';
    uint64_t size;

    if (text.size > 0 && (negative || text.at[0] == '+'))
        text = bytes_skip(text, 1);
    if (!bytes_read_u64(text, &size) || size > INT64_MAX)
        return false;
    *to = negative ? -(int64_t)size : (int64_t)size;
    return true;
}

void ask_int(struct ask *ask, struct ask_key key, int64_t *to)
{
    const struct json *value;
    struct bytes text;

    if (ask->body != NULL) {
        value = body_value(ask, key.body);
        if (value != NULL && !json_i64(value, to))
            refuse_type(ask, value, key.body, "int");
    } else if (query_value(ask, key.query, &text) && !read_i64(text, to)) {
        ask_refuse(ask, 400,
                   "Error decoding int for '%s': strconv.Atoi: parsing \"%.*s\": invalid syntax",
                   key.query, BYTES_ARG(text));
    }
}

void ask_u64(struct ask *ask, struct ask_key key, uint64_t *to)
{
    const struct json *value;
    struct bytes text;

    if (ask->body != NULL) {
        value = body_value(ask, key.body);
        if (value != NULL && !json_u64(value, to))
            refuse_type(ask, value, key.body, "uint64");
    } else if (query_value(ask, key.query, &text) && !bytes_read_u64(text, to)) {
        ask_refuse(
            ask, 400,
            "Error decoding uint64 for '%s': strconv.ParseUint: parsing \"%.*s\": invalid syntax",
            key.query, BYTES_ARG(text));
    }
}

static bool is_account(const char *name)
{
    return name != NULL && (strcmp(name, "acc") == 0 || strcmp(name, "account") == 0);
}

void ask_text(struct ask *ask, struct ask_key key, struct bytes *to)
{
    const struct json *value;

    if (ask->account.size > 0 && is_account(key.body)) {
        *to = ask->account;
        return;
    }
    if (ask->body == NULL) {
        (void)query_value(ask, key.query, to);
        return;
    }
    value = body_value(ask, key.body);
    if (value != NULL && value->type == JSON_STRING)
        *to = value->text;
    else if (value != NULL)
        refuse_type(ask, value, key.body, "string");
}

enum ask_subs ask_subs(struct ask *ask)
{
    bool list = false, detail = false;
    struct bytes text;

    if (ask->body == NULL && query_value(ask, "subs", &text) &&
        bytes_equal_nocase(text, BYTES("detail")))
        return ASK_SUBS_DETAIL;
    ask_bool(ask, (struct ask_key){"subs", "subscriptions"}, &list);
    ask_bool(ask, (struct ask_key){NULL, "subscriptions_detail"}, &detail);
    if (detail)
        return ASK_SUBS_DETAIL;
    return list ? ASK_SUBS_LIST : ASK_SUBS_NONE;
}
