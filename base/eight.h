/*
 * eight: eight bytes of text at a time, in one word whose lowest byte is the first. Each mask has
 * the highest bit of every byte that is asked about, and of no other.
 */
#ifndef BASE_EIGHT_H
#define BASE_EIGHT_H

#include "base/bytes.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the first byte is the lowest");

#define EIGHT_HIGH     UINT64_C(0x8080808080808080)
#define EIGHT_OF(byte) (UINT64_C(0x0101010101010101) * (byte))

static inline uint64_t eight_load(const uint8_t *at)
{
    uint64_t word;

    memcpy(&word, at, sizeof word);
    return word;
}

/* Those above `least`, which is below 128. */
static inline uint64_t eight_above(uint64_t word, uint8_t least)
{
    return (((word & ~EIGHT_HIGH) + EIGHT_OF(127u - least)) | word) & EIGHT_HIGH;
}

/* Those that are that byte. */
static inline uint64_t eight_equal(uint64_t word, uint8_t byte)
{
    return eight_above(word ^ EIGHT_OF(byte), 0) ^ EIGHT_HIGH;
}

/* The place of a mask's first byte, which it has. */
static inline unsigned eight_first(uint64_t mask)
{
    return (unsigned)__builtin_ctzll(mask) / 8;
}

/* How many bytes it has. */
static inline unsigned eight_count(uint64_t mask)
{
    return (unsigned)((mask >> 7) * EIGHT_OF(1) >> 56);
}

/* ---- decimal digits ------------------------------------------------------------------------- */

/* Those that are none. */
static inline uint64_t eight_others(uint64_t word)
{
    return eight_above(word ^ EIGHT_OF('0'), 9);
}

/* The number that the first `count` bytes are, 1 to 8 digits. */
static inline uint64_t eight_number(uint64_t word, unsigned count)
{
    uint64_t digits = (word ^ EIGHT_OF('0')) << (64 - 8 * count); /* zeros in front */
    uint64_t pairs = (digits * 10 + (digits >> 8)) & UINT64_C(0x00ff00ff00ff00ff);
    uint64_t fours = (pairs * 100 + (pairs >> 16)) & UINT64_C(0x0000ffff0000ffff);

    return (fours * 10000 + (fours >> 32)) & UINT32_MAX;
}

/* The digits of a value below 10^8, the first one in the lowest byte, as numbers: split into two
 * halves, then each of them into two, and again. */
static inline uint64_t eight_digits(uint64_t value)
{
    uint64_t halves = value / 10000 | value % 10000 << 32;
    uint64_t hundreds = halves * 10486 >> 20 & UINT64_C(0x0000007f0000007f);
    uint64_t pairs = hundreds | (halves - hundreds * 100) << 16;
    uint64_t tens = pairs * 103 >> 10 & UINT64_C(0x000f000f000f000f);

    return tens | (pairs - tens * 10) << 8;
}

#endif
