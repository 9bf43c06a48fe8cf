#include "server/backup/crc32c.h"

#define POLYNOMIAL 0x82f63b78u /* reversed */

static uint32_t crc_of_byte(uint32_t value)
{
    for (unsigned bit = 0; bit < 8; bit++)
        value = value >> 1 ^ ((value & 1) != 0 ? POLYNOMIAL : 0);
    return value;
}

/* The table is made anew each time: next to what a chunk holds it costs nothing, and nobody keeps
 * it. */
uint32_t crc32c_plain(struct bytes bytes)
{
    uint32_t table[256], crc = ~0u;

    for (uint32_t i = 0; i < 256; i++)
        table[i] = crc_of_byte(i);
    for (size_t i = 0; i < bytes.size; i++)
        crc = crc >> 8 ^ table[(crc ^ bytes.at[i]) & 0xff];
    return ~crc;
}

#ifdef __x86_64__

#include <immintrin.h>

/*
 * The instruction takes three cycles but can begin one in each, so three thirds of a stretch are
 * summed side by side. A sum is then moved over the thirds behind it: times x to the power of their
 * bits, modulo the polynomial. Multiplying without carries gives that times x, and the instruction
 * that reduces it times x^32, so the constants are x to the power of the bits less 33.
 */
#define THIRD    (size_t)1024
#define OVER_TWO 0xa51b6135u /* x^(16 * THIRD - 33) */
#define OVER_ONE 0x170076fau /* x^(8 * THIRD - 33) */
#define TARGET   __attribute__((target("sse4.2,pclmul")))

TARGET static inline uint64_t word_at(const uint8_t *at)
{
    uint64_t word;

    memcpy(&word, at, sizeof(word));
    return word;
}

TARGET static inline uint32_t moved(uint64_t crc, uint32_t over)
{
    __m128i product =
        _mm_clmulepi64_si128(_mm_cvtsi64_si128((int64_t)crc), _mm_cvtsi64_si128((int64_t)over), 0);

    return (uint32_t)_mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(product));
}

TARGET static uint32_t by_thirds(uint64_t first, const uint8_t *at)
{
    uint64_t second = 0, third = 0;

    for (size_t i = 0; i < THIRD; i += sizeof(uint64_t)) {
        first = _mm_crc32_u64(first, word_at(at + i));
        second = _mm_crc32_u64(second, word_at(at + THIRD + i));
        third = _mm_crc32_u64(third, word_at(at + 2 * THIRD + i));
    }
    return moved(first, OVER_TWO) ^ moved(second, OVER_ONE) ^ (uint32_t)third;
}

TARGET static uint32_t by_processor(struct bytes bytes)
{
    uint64_t crc = ~0u;

    for (; bytes.size >= 3 * THIRD; bytes = bytes_skip(bytes, 3 * THIRD))
        crc = by_thirds(crc, bytes.at);
    for (; bytes.size >= sizeof(uint64_t); bytes = bytes_skip(bytes, sizeof(uint64_t)))
        crc = _mm_crc32_u64(crc, word_at(bytes.at));
    for (size_t i = 0; i < bytes.size; i++)
        crc = _mm_crc32_u8((uint32_t)crc, bytes.at[i]);
    return ~(uint32_t)crc;
}

uint32_t crc32c(struct bytes bytes)
{
    return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul")
               ? by_processor(bytes)
               : crc32c_plain(bytes);
}

#else

uint32_t crc32c(struct bytes bytes)
{
    return crc32c_plain(bytes);
}

#endif
