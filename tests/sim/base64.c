#include "tests/sim/base64.h"

#include <string.h>

static int digit(uint8_t c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c != 0 ? strchr(digits, c) : NULL;

    return at != NULL ? (int)(at - digits) : -1;
}

size_t base64_decode(struct bytes text, uint8_t *out, size_t capacity)
{
    uint32_t bits = 0;
    unsigned count = 0;
    size_t size = 0;

    for (size_t i = 0; i < text.size && digit(text.at[i]) >= 0 && size < capacity; i++) {
        bits = bits << 6 | (uint32_t)digit(text.at[i]);
        count += 6;
        if (count < 8)
            continue;
        count -= 8;
        out[size++] = (uint8_t)(bits >> count);
    }
    return size;
}
