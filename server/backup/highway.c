#include "server/backup/highway.h"

#include "server/tls/digest.h"

static_assert(DIGEST_SIZE == HIGHWAY_KEY_SIZE, "a key is a digest");

#define LOW 0xffffffffu

static const uint64_t mul0_first[4] = {0xdbe6d5d5fe4cce2fu, 0xa4093822299f31d0u,
                                       0x13198a2e03707344u, 0x243f6a8885a308d3u};
static const uint64_t mul1_first[4] = {0x3bd39e10cb0ef593u, 0xc0acf169b5f18a8cu,
                                       0xbe5466cf34e90c6cu, 0x452821e638d01377u};

static uint64_t swap_halves(uint64_t value)
{
    return value >> 32 | value << 32;
}

void highway_key(struct bytes name, uint8_t key[static HIGHWAY_KEY_SIZE])
{
    digest_sha256(name, key);
}

void highway_init(struct highway *hash, const uint8_t key[static HIGHWAY_KEY_SIZE])
{
    uint64_t lanes[4];

    memcpy(lanes, key, sizeof lanes);
    hash->size = 0;
    for (size_t i = 0; i < 4; i++) {
        hash->mul0[i] = mul0_first[i];
        hash->mul1[i] = mul1_first[i];
        hash->v0[i] = mul0_first[i] ^ lanes[i];
        hash->v1[i] = mul1_first[i] ^ swap_halves(lanes[i]);
    }
}

/* Mixes the bytes of two lanes into two others. */
static void zip(uint64_t high, uint64_t low, uint64_t *to_high, uint64_t *to_low)
{
    *to_low += ((low & 0xff000000u) | (high & 0xff00000000u)) >> 24 |
               ((low & 0xff0000000000u) | (high & 0xff000000000000u)) >> 16 | (low & 0xff0000u) |
               (low & 0xff00u) << 32 | (high & 0xff00000000000000u) >> 8 | low << 56;
    *to_high += ((high & 0xff000000u) | (low & 0xff00000000u)) >> 24 | (high & 0xff0000u) |
                (high & 0xff0000000000u) >> 16 | (high & 0xff00u) << 24 |
                (low & 0xff000000000000u) >> 8 | (high & 0xffu) << 48 | (low & 0xff00000000000000u);
}

static void update(struct highway *hash, const uint64_t lanes[static 4])
{
    for (size_t i = 0; i < 4; i++) {
        hash->v1[i] += hash->mul0[i] + lanes[i];
        hash->mul0[i] ^= (hash->v1[i] & LOW) * (hash->v0[i] >> 32);
        hash->v0[i] += hash->mul1[i];
        hash->mul1[i] ^= (hash->v0[i] & LOW) * (hash->v1[i] >> 32);
    }
    zip(hash->v1[1], hash->v1[0], &hash->v0[1], &hash->v0[0]);
    zip(hash->v1[3], hash->v1[2], &hash->v0[3], &hash->v0[2]);
    zip(hash->v0[1], hash->v0[0], &hash->v1[1], &hash->v1[0]);
    zip(hash->v0[3], hash->v0[2], &hash->v1[3], &hash->v1[2]);
}

static void update_packet(struct highway *hash, const uint8_t packet[static 32])
{
    uint64_t lanes[4];

    memcpy(lanes, packet, sizeof lanes);
    update(hash, lanes);
}

static void update_plain(struct highway *hash, const uint8_t *packets, size_t count)
{
    for (size_t i = 0; i < count; i++)
        update_packet(hash, packets + i * sizeof hash->packet);
}

#ifdef __x86_64__

typedef uint64_t wide __attribute__((vector_size(32)));
typedef uint8_t wide_bytes __attribute__((vector_size(32)));

/* zip, of both pairs at once. */
__attribute__((target("avx2"))) static inline wide zipped(wide from)
{
    wide_bytes bytes = (wide_bytes)from;

    return (wide)__builtin_shufflevector(bytes, bytes, 3, 12, 2, 5, 14, 1, 15, 0, 11, 4, 10, 13, 9,
                                         6, 8, 7, 19, 28, 18, 21, 30, 17, 31, 16, 27, 20, 26, 29,
                                         25, 22, 24, 23);
}

/* The low half of each lane of `a` by the high half of that of `b`. */
__attribute__((target("avx2"))) static inline wide product(wide a, wide b)
{
    typedef int halves __attribute__((vector_size(32)));

    return (wide)__builtin_ia32_pmuludq256((halves)a, (halves)(b >> 32));
}

__attribute__((target("avx2"))) static void update_wide(struct highway *hash,
                                                        const uint8_t *packets, size_t count)
{
    wide v0, v1, mul0, mul1, packet;

    memcpy(&v0, hash->v0, sizeof v0);
    memcpy(&v1, hash->v1, sizeof v1);
    memcpy(&mul0, hash->mul0, sizeof mul0);
    memcpy(&mul1, hash->mul1, sizeof mul1);
    for (size_t i = 0; i < count; i++) {
        memcpy(&packet, packets + i * sizeof packet, sizeof packet);
        v1 += mul0 + packet;
        mul0 ^= product(v1, v0);
        v0 += mul1;
        mul1 ^= product(v0, v1);
        v0 += zipped(v1);
        v1 += zipped(v0);
    }
    memcpy(hash->v0, &v0, sizeof v0);
    memcpy(hash->v1, &v1, sizeof v1);
    memcpy(hash->mul0, &mul0, sizeof mul0);
    memcpy(hash->mul1, &mul1, sizeof mul1);
}

static void update_many(struct highway *hash, const uint8_t *packets, size_t count)
{
    if (__builtin_cpu_supports("avx2"))
        update_wide(hash, packets, count);
    else
        update_plain(hash, packets, count);
}

#else

static void update_many(struct highway *hash, const uint8_t *packets, size_t count)
{
    update_plain(hash, packets, count);
}

#endif

/* What is whole is hashed where it lies; the rest waits in `packet`. */
static void add_by(struct highway *hash, struct bytes bytes,
                   void (*by)(struct highway *, const uint8_t *, size_t))
{
    size_t count, begun = hash->size;

    if (begun > 0) {
        size_t size = sizeof hash->packet - begun;

        if (size > bytes.size)
            size = bytes.size;
        memcpy(hash->packet + begun, bytes.at, size);
        hash->size += size;
        bytes = bytes_skip(bytes, size);
        if (hash->size < sizeof hash->packet)
            return;
        by(hash, hash->packet, 1);
        hash->size = 0;
    }
    count = bytes.size / sizeof hash->packet;
    by(hash, bytes.at, count);
    bytes = bytes_skip(bytes, count * sizeof hash->packet);
    if (bytes.size > 0)
        memcpy(hash->packet, bytes.at, bytes.size);
    hash->size = bytes.size;
}

void highway_add(struct highway *hash, struct bytes bytes)
{
    if (bytes.size > 0)
        add_by(hash, bytes, update_many);
}

void highway_add_plain(struct highway *hash, struct bytes bytes)
{
    if (bytes.size > 0)
        add_by(hash, bytes, update_plain);
}

static uint64_t rotate_halves(uint64_t lane, unsigned count)
{
    uint32_t low = (uint32_t)lane, high = (uint32_t)(lane >> 32);

    low = low << count | low >> (32 - count);
    high = high << count | high >> (32 - count);
    return (uint64_t)high << 32 | low;
}

/* The last packet, of fewer than 32 bytes, at least one. */
static void update_rest(struct highway *hash)
{
    size_t size = hash->size, odd = size & 3;
    const uint8_t *rest = hash->packet + (size & ~(size_t)3);
    uint8_t packet[32] = {0};

    for (size_t i = 0; i < 4; i++) {
        hash->v0[i] += ((uint64_t)size << 32) + size;
        hash->v1[i] = rotate_halves(hash->v1[i], (unsigned)size);
    }
    memcpy(packet, hash->packet, size & ~(size_t)3);
    if ((size & 16) != 0) {
        memcpy(packet + 28, rest + odd - 4, 4);
    } else if (odd != 0) {
        packet[16] = rest[0];
        packet[17] = rest[odd >> 1];
        packet[18] = rest[odd - 1];
    }
    update_packet(hash, packet);
}

uint64_t highway_end(struct highway *hash)
{
    if (hash->size > 0)
        update_rest(hash);
    for (size_t i = 0; i < 4; i++) {
        const uint64_t lanes[4] = {swap_halves(hash->v0[2]), swap_halves(hash->v0[3]),
                                   swap_halves(hash->v0[0]), swap_halves(hash->v0[1])};

        update(hash, lanes);
    }
    return hash->v0[0] + hash->v1[0] + hash->mul0[0] + hash->mul1[0];
}
