#include "base/bytes.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

static uint8_t lower(uint8_t byte)
{
    return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte + ('a' - 'A')) : byte;
}

static bool blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

int bytes_compare(struct bytes a, struct bytes b)
{
    size_t common = a.size < b.size ? a.size : b.size;
    int order = common == 0 ? 0 : memcmp(a.at, b.at, common);

    if (order != 0)
        return order;
    return (a.size > b.size) - (a.size < b.size);
}

bool bytes_equal_nocase(struct bytes a, struct bytes b)
{
    if (a.size != b.size)
        return false;
    for (size_t i = 0; i < a.size; i++) {
        if (lower(a.at[i]) != lower(b.at[i]))
            return false;
    }
    return true;
}

size_t bytes_find(struct bytes b, uint8_t byte)
{
    const uint8_t *found = b.size == 0 ? NULL : memchr(b.at, byte, b.size);

    return found == NULL ? b.size : (size_t)(found - b.at);
}

struct bytes bytes_trim(struct bytes b)
{
    while (b.size > 0 && blank(b.at[0]))
        b = bytes_skip(b, 1);
    while (b.size > 0 && blank(b.at[b.size - 1]))
        b = bytes_take(b, b.size - 1);
    return b;
}

bool bytes_read_u64(struct bytes b, uint64_t *value)
{
    uint64_t sum = 0;

    if (b.size == 0)
        return false;
    for (size_t i = 0; i < b.size; i++) {
        uint64_t digit = (uint64_t)b.at[i] - '0';

        if (b.at[i] < '0' || b.at[i] > '9')
            return false;
        if (sum > (UINT64_MAX - digit) / 10)
            return false;
        sum = sum * 10 + digit;
    }
    *value = sum;
    return true;
}

uint64_t bytes_hash(struct bytes b, uint64_t seed)
{
    return XXH3_64bits_withSeed(b.at, b.size, seed);
}
