#include "base/percent.h"

static int hex(uint8_t digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    digit |= 0x20;
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* The byte that "%41" is, or -1. */
static int escaped(struct bytes b)
{
    if (b.size < 3 || hex(b.at[1]) < 0 || hex(b.at[2]) < 0)
        return -1;
    return hex(b.at[1]) << 4 | hex(b.at[2]);
}

bool percent_decode(char *to, size_t room, struct bytes from)
{
    size_t size = 0;

    while (from.size > 0) {
        bool is_escape = from.at[0] == '%';
        int byte = is_escape ? escaped(from) : from.at[0];

        if (byte <= 0 || size + 1 >= room)
            return false;
        to[size++] = (char)byte;
        from = bytes_skip(from, is_escape ? 3 : 1);
    }
    if (size >= room)
        return false;
    to[size] = 0;
    return true;
}
