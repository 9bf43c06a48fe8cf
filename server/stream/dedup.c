#include "server/stream/dedup.h"

#include "base/codec.h"
#include "base/heap.h"

#define BUCKETS_PER_WINDOW 4
#define BUCKET_SPAN_NS_MAX INT64_C(3600000000000) /* an hour of microseconds fits 32 bits */
#define TIME_UNIT_NS       1000
#define SLOTS_FIRST        16u

struct dedup_slot {
    uint64_t hash[2];
    uint32_t sequence_offset; /* from the bucket's first, plus one; 0: empty */
    uint32_t time_offset;     /* from the bucket's first, rounded up, in TIME_UNIT_NS */
};
static_assert(sizeof(struct dedup_slot) == 24, "what one id costs");

struct dedup_bucket {
    struct dedup_bucket *newer;
    int64_t first_ns, last_ns; /* times of its first and last id */
    uint64_t sequence_first;
    struct dedup_slot *slots; /* open addressing; at most three quarters full */
    size_t capacity, count;
};

void dedup_init(struct dedup *dedup, uint64_t seed)
{
    *dedup = (struct dedup){.seed = {seed, bytes_hash(bytes_of(&seed, sizeof seed), seed)}};
}

static void drop_oldest(struct dedup *dedup)
{
    struct dedup_bucket *bucket = dedup->oldest;

    dedup->oldest = bucket->newer;
    if (dedup->oldest == NULL)
        dedup->newest = NULL;
    assert(dedup->count >= bucket->count);
    dedup->count -= bucket->count;
    heap_give(bucket->slots);
    heap_give(bucket);
}

void dedup_deinit(struct dedup *dedup)
{
    while (dedup->oldest != NULL)
        drop_oldest(dedup);
}

/* ---- time ------------------------------------------------------------------------------------ */

static bool within(const struct dedup *dedup, int64_t time_ns, int64_t now_ns)
{
    return now_ns - time_ns < dedup->window_ns;
}

static int64_t slot_time(const struct dedup_bucket *bucket, const struct dedup_slot *slot)
{
    return bucket->first_ns + (int64_t)slot->time_offset * TIME_UNIT_NS;
}

static int64_t bucket_span(const struct dedup *dedup)
{
    int64_t span_ns = dedup->window_ns / BUCKETS_PER_WINDOW;

    return span_ns < BUCKET_SPAN_NS_MAX ? span_ns : BUCKET_SPAN_NS_MAX;
}

void dedup_expire(struct dedup *dedup, int64_t now_ns)
{
    /* A slot's time is rounded up by less than the unit, and so is the bucket's end here. */
    while (dedup->oldest != NULL && !within(dedup, dedup->oldest->last_ns + TIME_UNIT_NS, now_ns))
        drop_oldest(dedup);
}

/* ---- tables ---------------------------------------------------------------------------------- */

static void hash_id(const struct dedup *dedup, struct bytes id, uint64_t hash[2])
{
    hash[0] = bytes_hash(id, dedup->seed[0]);
    hash[1] = bytes_hash(id, dedup->seed[1]);
}

static struct dedup_slot *home(const struct dedup_bucket *bucket, const uint64_t hash[2])
{
    return &bucket->slots[(size_t)hash[0] & (bucket->capacity - 1)];
}

/* The id's slot, or the empty one where it would go. */
static struct dedup_slot *probe(const struct dedup_bucket *bucket, const uint64_t hash[2])
{
    size_t mask = bucket->capacity - 1;

    for (size_t i = (size_t)hash[0] & mask;; i = (i + 1) & mask) {
        struct dedup_slot *slot = &bucket->slots[i];

        if (slot->sequence_offset == 0)
            return slot;
        if (slot->hash[0] == hash[0] && slot->hash[1] == hash[1])
            return slot;
    }
}

static void bucket_set_capacity(struct dedup_bucket *bucket, size_t capacity)
{
    struct dedup_slot *old = bucket->slots;
    size_t old_capacity = bucket->capacity;

    bucket->slots = heap_take(capacity * sizeof *bucket->slots);
    bucket->capacity = capacity;
    for (size_t i = 0; i < old_capacity; i++) {
        if (old[i].sequence_offset != 0)
            *probe(bucket, old[i].hash) = old[i];
    }
    heap_give(old);
}

/* As large as the one before has become, so that a steady load seldom grows a table. */
static struct dedup_bucket *bucket_add(struct dedup *dedup, uint64_t sequence, int64_t time_ns)
{
    struct dedup_bucket *bucket = HEAP_NEW(struct dedup_bucket);
    size_t capacity = SLOTS_FIRST;

    while (dedup->newest != NULL && dedup->newest->count > capacity / 2)
        capacity *= 2;
    bucket->first_ns = time_ns;
    bucket->last_ns = time_ns;
    bucket->sequence_first = sequence;
    bucket_set_capacity(bucket, capacity);
    if (dedup->newest != NULL)
        dedup->newest->newer = bucket;
    else
        dedup->oldest = bucket;
    dedup->newest = bucket;
    return bucket;
}

static bool bucket_takes(const struct dedup *dedup, const struct dedup_bucket *bucket,
                         uint64_t sequence, int64_t time_ns)
{
    return bucket != NULL && time_ns - bucket->first_ns <= bucket_span(dedup) &&
           sequence - bucket->sequence_first < UINT32_MAX - 1;
}

void dedup_add(struct dedup *dedup, struct bytes id, uint64_t sequence, int64_t time_ns)
{
    struct dedup_bucket *bucket = dedup->newest;
    struct dedup_slot *slot;
    uint64_t hash[2];

    if (dedup->window_ns <= 0)
        return;
    dedup_expire(dedup, time_ns);
    bucket = dedup->newest;
    if (!bucket_takes(dedup, bucket, sequence, time_ns))
        bucket = bucket_add(dedup, sequence, time_ns);
    if (bucket->count >= bucket->capacity / 4 * 3)
        bucket_set_capacity(bucket, bucket->capacity * 2);

    assert(time_ns >= bucket->last_ns);
    bucket->last_ns = time_ns;
    hash_id(dedup, id, hash);
    slot = probe(bucket, hash);
    if (slot->sequence_offset == 0) {
        bucket->count++;
        dedup->count++;
    }
    *slot = (struct dedup_slot){
        .hash = {hash[0], hash[1]},
        .sequence_offset = (uint32_t)(sequence - bucket->sequence_first) + 1,
        .time_offset = (uint32_t)((time_ns - bucket->first_ns + TIME_UNIT_NS - 1) / TIME_UNIT_NS),
    };
}

/* ---- looking --------------------------------------------------------------------------------- */

uint64_t dedup_find(const struct dedup *dedup, struct bytes id, int64_t now_ns)
{
    uint64_t hash[2];
    uint64_t sequence = 0;

    if (dedup->count == 0 || dedup->window_ns <= 0)
        return 0;
    hash_id(dedup, id, hash);
    for (const struct dedup_bucket *bucket = dedup->oldest; bucket != NULL; bucket = bucket->newer)
        __builtin_prefetch(home(bucket, hash)); /* the misses of all tables overlap */
    for (const struct dedup_bucket *bucket = dedup->oldest; bucket != NULL;
         bucket = bucket->newer) {
        const struct dedup_slot *slot = probe(bucket, hash);

        if (slot->sequence_offset != 0 && within(dedup, slot_time(bucket, slot), now_ns))
            sequence = bucket->sequence_first + slot->sequence_offset - 1; /* the newest wins */
    }
    return sequence;
}

/* ---- the window ------------------------------------------------------------------------------ */

static void forget_outside(struct dedup *dedup, struct dedup_bucket *bucket, int64_t now_ns)
{
    struct dedup_slot *old = bucket->slots;
    size_t old_capacity = bucket->capacity;

    dedup->count -= bucket->count;
    bucket->count = 0;
    bucket->slots = heap_take(old_capacity * sizeof *old);
    for (size_t i = 0; i < old_capacity; i++) {
        if (old[i].sequence_offset == 0 || !within(dedup, slot_time(bucket, &old[i]), now_ns))
            continue;
        *probe(bucket, old[i].hash) = old[i];
        bucket->count++;
    }
    dedup->count += bucket->count;
    heap_give(old);
}

void dedup_window(struct dedup *dedup, int64_t window_ns, int64_t now_ns)
{
    int64_t narrower_ns = window_ns < dedup->window_ns ? window_ns : dedup->window_ns;

    assert(window_ns >= 0);
    dedup->window_ns = narrower_ns;
    dedup_expire(dedup, now_ns);
    for (struct dedup_bucket *bucket = dedup->oldest; bucket != NULL; bucket = bucket->newer)
        forget_outside(dedup, bucket, now_ns);
    dedup->window_ns = window_ns;
}

/* ---- as bytes -------------------------------------------------------------------------------- */

#define DEDUP_HEAD      32u /* key, window, count of buckets, zeros */
#define BUCKET_HEAD     40u /* first and last time, first sequence, capacity, count */
#define BUCKETS_MAX     4096u
#define CAPACITY_MAX    ((size_t)1 << 32)
#define CAPACITY_SPARSE 1024u /* a table may be so many times larger than what it holds */

void dedup_key(struct dedup *dedup, const uint8_t key[16])
{
    assert(dedup->count == 0);
    memcpy(dedup->seed, key, sizeof dedup->seed);
}

/* Where no cluster of slots goes on: filled in again from there on, every slot finds its place. */
static size_t first_empty(const struct dedup_bucket *bucket)
{
    size_t i = 0;

    while (bucket->slots[i].sequence_offset != 0)
        i++;
    return i;
}

static void bucket_encode(const struct dedup_bucket *bucket, struct buf *out)
{
    size_t begin = first_empty(bucket), size = BUCKET_HEAD + bucket->count * sizeof *bucket->slots;
    uint8_t *at = buf_reserve(out, size);

    at = encode_u64(at, (uint64_t)bucket->first_ns);
    at = encode_u64(at, (uint64_t)bucket->last_ns);
    at = encode_u64(at, bucket->sequence_first);
    at = encode_u64(at, bucket->capacity);
    at = encode_u64(at, bucket->count);
    for (size_t i = 0; i < bucket->capacity; i++) {
        const struct dedup_slot *slot = &bucket->slots[(begin + i) & (bucket->capacity - 1)];

        if (slot->sequence_offset == 0)
            continue;
        memcpy(at, slot, sizeof *slot);
        at += sizeof *slot;
    }
    buf_commit(out, size);
}

void dedup_encode(const struct dedup *dedup, struct buf *out)
{
    uint8_t *at = buf_reserve(out, DEDUP_HEAD);
    uint32_t count = 0;

    for (const struct dedup_bucket *bucket = dedup->oldest; bucket != NULL; bucket = bucket->newer)
        count++;
    memcpy(at, dedup->seed, sizeof dedup->seed);
    at = encode_u64(at + sizeof dedup->seed, (uint64_t)dedup->window_ns);
    at = encode_u32(at, count);
    (void)encode_u32(at, 0);
    buf_commit(out, DEDUP_HEAD);
    for (const struct dedup_bucket *bucket = dedup->oldest; bucket != NULL; bucket = bucket->newer)
        bucket_encode(bucket, out);
}

static bool capacity_sound(uint64_t capacity, uint64_t count)
{
    return capacity >= SLOTS_FIRST && capacity <= CAPACITY_MAX &&
           (capacity & (capacity - 1)) == 0 && count <= capacity / 4 * 3 &&
           capacity / CAPACITY_SPARSE <= count + SLOTS_FIRST;
}

static bool bucket_begin(struct dedup *dedup, struct dedup_decoding *decoding)
{
    struct decoder in = {.rest = decoding->rest};
    int64_t first_ns = (int64_t)decode_u64(&in), last_ns = (int64_t)decode_u64(&in);
    uint64_t sequence = decode_u64(&in), capacity = decode_u64(&in), count = decode_u64(&in);
    struct dedup_bucket *bucket;

    if (in.failed || !capacity_sound(capacity, count) || last_ns < first_ns || sequence == 0 ||
        count * sizeof *bucket->slots > in.rest.size ||
        (dedup->newest != NULL && first_ns < dedup->newest->last_ns))
        return false;
    bucket = bucket_add(dedup, sequence, first_ns);
    bucket->last_ns = last_ns;
    bucket_set_capacity(bucket, capacity);
    decoding->rest = in.rest;
    decoding->ids = count;
    return true;
}

static bool id_decode(struct dedup *dedup, struct dedup_decoding *decoding)
{
    struct dedup_bucket *bucket = dedup->newest;
    struct dedup_slot slot, *to;

    memcpy(&slot, decoding->rest.at, sizeof slot); /* there are as many as the bucket says */
    if (slot.sequence_offset == 0)
        return false;
    to = probe(bucket, slot.hash);
    bucket->count += to->sequence_offset == 0;
    dedup->count += to->sequence_offset == 0;
    *to = slot;
    decoding->rest = bytes_skip(decoding->rest, sizeof slot);
    decoding->ids--;
    return true;
}

enum err dedup_decode_begin(struct dedup *dedup, struct bytes bytes,
                            struct dedup_decoding *decoding)
{
    struct decoder in;

    assert(dedup->oldest == NULL);
    decoder_init(&in, bytes);
    dedup->seed[0] = decode_u64(&in);
    dedup->seed[1] = decode_u64(&in);
    dedup->window_ns = (int64_t)decode_u64(&in);
    *decoding = (struct dedup_decoding){.buckets = decode_u32(&in)};
    (void)decode_u32(&in);
    decoding->rest = in.rest;
    if (in.failed || dedup->window_ns < 0 || decoding->buckets > BUCKETS_MAX)
        return ERR_CORRUPT;
    return OK;
}

/* A bucket costs as much as an id: its table is not touched before its ids are. */
enum err dedup_decode_part(struct dedup *dedup, struct dedup_decoding *decoding, uint64_t *left)
{
    bool sound = true;

    while (sound && decoding->ids + decoding->buckets > 0) {
        if (*left == 0)
            return ERR_AGAIN;
        --*left;
        if (decoding->ids > 0) {
            sound = id_decode(dedup, decoding);
        } else {
            decoding->buckets--;
            sound = bucket_begin(dedup, decoding);
        }
    }
    if (sound && decoding->rest.size == 0)
        return OK;
    dedup_deinit(dedup);
    return ERR_CORRUPT;
}
