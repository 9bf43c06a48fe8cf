#include "base/json.h"

static bool add_line(struct buf *out, unsigned depth)
{
    bool added = BUF_ADD(out, "\n");

    for (unsigned i = 0; i < depth; i++)
        added = added && BUF_ADD(out, "  ");
    return added;
}

/* The size of the string literal at the start of `json`, or of one that the end cuts off. */
static size_t string_size(struct bytes json)
{
    size_t at = 1;

    while (at < json.size && json.at[at] != '"')
        at += json.at[at] == '\\' ? 2 : 1;
    return at < json.size ? at + 1 : json.size;
}

static bool add_open(struct buf *out, uint8_t bracket, struct bytes rest, unsigned *depth)
{
    struct bytes inside = bytes_trim(rest);

    (*depth)++;
    if (!buf_add_byte(out, bracket))
        return false;
    if (inside.size > 0 && (inside.at[0] == '}' || inside.at[0] == ']'))
        return true; /* empty: closed on the same line */
    return add_line(out, *depth);
}

static bool add_close(struct buf *out, uint8_t bracket, unsigned *depth)
{
    uint8_t last = out->size > 0 ? out->at[out->size - 1] : 0;

    assert(*depth > 0);
    (*depth)--;
    if (last != '{' && last != '[' && !add_line(out, *depth))
        return false;
    return buf_add_byte(out, bracket);
}

bool json_indent(struct buf *out, struct bytes json)
{
    unsigned depth = 0;
    bool added = true;
    size_t size;

    for (; added && json.size > 0; json = bytes_skip(json, size)) {
        size = 1;
        switch (json.at[0]) {
        case '{':
        case '[': added = add_open(out, json.at[0], bytes_skip(json, 1), &depth); break;
        case '}':
        case ']': added = add_close(out, json.at[0], &depth); break;
        case ',': added = BUF_ADD(out, ",") && add_line(out, depth); break;
        case ':': added = BUF_ADD(out, ": "); break;
        case ' ':
        case '\t':
        case '\r':
        case '\n': break;
        case '"':
            size = string_size(json);
            added = buf_add(out, bytes_take(json, size));
            break;
        default: added = buf_add_byte(out, json.at[0]);
        }
    }
    return added;
}
