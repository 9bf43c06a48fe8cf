#include "storage/file_head.h"

#include "storage/hash.h"
#include "storage/le.h"

#define VERSION 1u

enum {
    AT_CHECKSUM = 0,
    AT_MAGIC = 8,
    AT_VERSION = 16,
    AT_FEATURES = 20,
    AT_OWN = 24,
};

static uint64_t checksum(const uint8_t *at, size_t size)
{
    return hash_64(bytes_of(at + AT_MAGIC, size - AT_MAGIC));
}

void file_head_begin(uint8_t *at, size_t size, const char magic[static FILE_HEAD_MAGIC],
                     uint32_t features)
{
    assert(size > AT_OWN);
    memset(at, 0, size);
    memcpy(at + AT_MAGIC, magic, FILE_HEAD_MAGIC);
    le_put_u32(at + AT_VERSION, VERSION);
    le_put_u32(at + AT_FEATURES, features);
}

void file_head_seal(uint8_t *at, size_t size)
{
    le_put_u64(at + AT_CHECKSUM, checksum(at, size));
}

enum err file_head_check(const uint8_t *at, size_t size, const char magic[static FILE_HEAD_MAGIC],
                         uint32_t known, uint32_t *features)
{
    *features = le_u32(at + AT_FEATURES);
    if (le_u64(at + AT_CHECKSUM) != checksum(at, size))
        return ERR_CORRUPT;
    if (memcmp(at + AT_MAGIC, magic, FILE_HEAD_MAGIC) != 0)
        return ERR_CORRUPT;
    if (le_u32(at + AT_VERSION) != VERSION || (*features & ~known) != 0)
        return ERR_VERSION;
    return OK;
}
