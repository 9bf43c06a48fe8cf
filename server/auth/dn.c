#include "server/auth/dn.h"

#include <stdlib.h>

struct parts {
    struct bytes at[DN_PARTS_MAX];
    size_t count;
};

/* Up to a comma, or a plus within a part of several, that is not escaped. */
static size_t part_size(struct bytes text)
{
    size_t at = 0;

    while (at < text.size && text.at[at] != ',' && text.at[at] != '+')
        at += 1 + (text.at[at] == '\\');
    return at < text.size ? at : text.size;
}

static int compare(const void *a, const void *b)
{
    return bytes_compare(*(const struct bytes *)a, *(const struct bytes *)b);
}

static bool split(struct bytes text, struct parts *parts)
{
    parts->count = 0;
    while (text.size > 0) {
        size_t size = part_size(text);
        struct bytes part = bytes_trim(bytes_take(text, size));

        if (parts->count == DN_PARTS_MAX || bytes_find(part, '=') == part.size)
            return false;
        parts->at[parts->count++] = part;
        text = bytes_skip(text, size < text.size ? size + 1 : size);
    }
    qsort(parts->at, parts->count, sizeof(parts->at[0]), compare);
    return parts->count > 0;
}

bool dn_equal(struct bytes a, struct bytes b)
{
    struct parts left, right;

    if (!split(a, &left) || !split(b, &right) || left.count != right.count)
        return false;
    for (size_t i = 0; i < left.count; i++) {
        if (!bytes_equal(left.at[i], right.at[i]))
            return false;
    }
    return true;
}
