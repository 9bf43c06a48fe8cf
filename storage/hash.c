#include "storage/hash.h"

#include <xxhash.h>
#ifdef __x86_64__
#include <xxh_x86dispatch.h> /* the same functions by the widest registers that there are */
#endif

#include "storage/le.h"

uint64_t hash_64(struct bytes b)
{
    return XXH3_64bits(b.at, b.size);
}

uint32_t hash_32(struct bytes b)
{
    return (uint32_t)hash_64(b);
}

struct log_hash hash_128(struct bytes b)
{
    XXH128_hash_t value = XXH3_128bits(b.at, b.size);
    struct log_hash hash;

    le_put_u64(hash.at, value.low64);
    le_put_u64(hash.at + 8, value.high64);
    return hash;
}
