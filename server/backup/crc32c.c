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

__attribute__((target("sse4.2"))) static uint32_t by_processor(struct bytes bytes)
{
    uint64_t crc = ~0u, word;

    for (; bytes.size >= sizeof(word); bytes = bytes_skip(bytes, sizeof(word))) {
        memcpy(&word, bytes.at, sizeof(word));
        crc = __builtin_ia32_crc32di(crc, word);
    }
    for (size_t i = 0; i < bytes.size; i++)
        crc = __builtin_ia32_crc32qi((uint32_t)crc, bytes.at[i]);
    return ~(uint32_t)crc;
}

uint32_t crc32c(struct bytes bytes)
{
    return __builtin_cpu_supports("sse4.2") ? by_processor(bytes) : crc32c_plain(bytes);
}

#else

uint32_t crc32c(struct bytes bytes)
{
    return crc32c_plain(bytes);
}

#endif
