#include "base/utf8.h"

/* What the first byte says: how many follow, its own bits, and the least that is not overlong. */
struct form {
    size_t follow;
    uint32_t bits;
    uint32_t least;
};

static bool form_of(uint8_t first, struct form *form)
{
    if (first >= 0xc0 && first <= 0xdf)
        *form = (struct form){1, first & 0x1f, 0x80};
    else if (first >= 0xe0 && first <= 0xef)
        *form = (struct form){2, first & 0x0f, 0x800};
    else if (first >= 0xf0 && first <= 0xf7)
        *form = (struct form){3, first & 0x07, 0x10000};
    else
        return false;
    return true;
}

size_t utf8_read(struct bytes b, uint32_t *rune)
{
    struct form form;

    assert(b.size > 0);
    if (b.at[0] < 0x80) {
        *rune = b.at[0];
        return 1;
    }
    if (!form_of(b.at[0], &form) || b.size <= form.follow)
        return 0;
    for (size_t i = 1; i <= form.follow; i++) {
        if ((b.at[i] & 0xc0) != 0x80)
            return 0;
        form.bits = form.bits << 6 | (b.at[i] & 0x3f);
    }
    if (form.bits < form.least || form.bits > 0x10ffff)
        return 0;
    if (form.bits >= 0xd800 && form.bits <= 0xdfff)
        return 0;
    *rune = form.bits;
    return form.follow + 1;
}

size_t utf8_put(uint8_t out[static UTF8_SIZE_MAX], uint32_t rune)
{
    static const uint8_t firsts[] = {0, 0, 0xc0, 0xe0, 0xf0};
    size_t size = rune < 0x80 ? 1 : rune < 0x800 ? 2 : rune < 0x10000 ? 3 : 4;

    assert(rune <= 0x10ffff);
    for (size_t i = size; i > 1; i--) {
        out[i - 1] = (uint8_t)(0x80 | (rune & 0x3f));
        rune >>= 6;
    }
    out[0] = (uint8_t)(firsts[size] | rune);
    return size;
}
