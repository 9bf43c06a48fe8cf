#include "server/stream/positions.h"

#include "base/codec.h"
#include "base/heap.h"

#define FIRST_CAPACITY 4u

void positions_init(struct positions *positions)
{
    *positions = (struct positions){0};
}

void positions_deinit(struct positions *positions)
{
    for (size_t i = 0; i < positions->count; i++)
        heap_give((void *)positions->at[i].key.at);
    heap_give(positions->at);
    heap_give(positions->of_source);
    positions_init(positions);
}

/* No text of a config holds a zero byte that matters: each part ends with one. */
static void add_part(struct buf *out, struct bytes part)
{
    (void)buf_add(out, part);
    (void)buf_add_byte(out, 0);
}

void positions_key(const struct stream_source *source, struct buf *out)
{
    const struct stream_transform *transforms = source->subject_transforms.at;

    buf_clear(out);
    add_part(out, source->name);
    add_part(out, source->external != NULL ? source->external->api : bytes_of(NULL, 0));
    add_part(out, source->filter_subject);
    for (size_t i = 0; i < source->subject_transforms.count; i++) {
        add_part(out, transforms[i].source);
        add_part(out, transforms[i].destination);
    }
    if (source->consumer != NULL)
        add_part(out, source->consumer->name);
}

static size_t find_or_add(struct positions *positions, struct bytes key)
{
    for (size_t i = 0; i < positions->count; i++) {
        if (bytes_equal(positions->at[i].key, key))
            return i;
    }
    if (positions->count == positions->capacity) {
        positions->capacity = positions->capacity == 0 ? FIRST_CAPACITY : positions->capacity * 2;
        positions->at = heap_resize(positions->at, positions->capacity * sizeof *positions->at);
    }
    positions->at[positions->count] = (struct source_position){.key = heap_copy(key)};
    return positions->count++;
}

void positions_configure(struct positions *positions, const struct stream_config *config)
{
    const struct stream_source *sources = config->sources.at;
    size_t count = config->sources.count;
    struct buf key;

    buf_init(&key, SIZE_MAX);
    heap_give(positions->of_source);
    positions->of_source = count > 0 ? heap_take(count * sizeof *positions->of_source) : NULL;
    positions->source_count = count;
    for (size_t i = 0; i < count; i++) {
        positions_key(&sources[i], &key);
        positions->of_source[i] = find_or_add(positions, buf_bytes(&key));
    }
    buf_deinit(&key);
}

struct source_position *positions_of_source(struct positions *positions, size_t source)
{
    return source < positions->source_count ? &positions->at[positions->of_source[source]] : NULL;
}

/* ---- in a state block ----------------------------------------------------------------------- */

void positions_encode(const struct positions *positions, struct buf *out)
{
    for (size_t i = 0; i < positions->count; i++) {
        const struct source_position *position = &positions->at[i];
        uint8_t *at = buf_reserve(out, 24);

        at = encode_u64(at, position->origin);
        at = encode_u64(at, position->sequence);
        (void)encode_u64(at, position->key.size);
        buf_commit(out, 24);
        (void)buf_add(out, position->key);
    }
}

enum err positions_decode(struct positions *positions, const struct stream_config *config,
                          struct bytes bytes)
{
    struct decoder in;

    positions_deinit(positions);
    decoder_init(&in, bytes);
    while (in.rest.size > 0 && !in.failed) {
        uint64_t origin = decode_u64(&in);
        uint64_t sequence = decode_u64(&in);
        struct bytes key = decode_bytes(&in, decode_u64(&in));
        size_t i;

        if (in.failed)
            break;
        i = find_or_add(positions, key);
        positions->at[i].origin = origin;
        positions->at[i].sequence = sequence;
    }
    positions_configure(positions, config);
    return in.failed ? ERR_CORRUPT : OK;
}
