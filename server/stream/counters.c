#include "server/stream/counters.h"

#include "base/arena.h"
#include "base/heap.h"
#include "base/json.h"
#include "server/stream/counter_sources.h"
#include "server/stream/decimal.h"
#include "server/stream/header_block.h"

#define PAYLOAD_ARENA ((size_t)64 << 20) /* nodes are bounded, too */
#define PAYLOAD_HEAD  BYTES("{\"val\":\"")
#define PAYLOAD_TAIL  BYTES("\"}")

struct block {
    size_t value_size, sources_size;
    uint8_t text[];
};

void counters_init(struct counters *counters, uint64_t seed)
{
    *counters = (struct counters){0};
    counters->trim_above = COUNTERS_BATCH_MAX;
    map64_init(&counters->known, seed);
}

static void give_all(struct counters *counters)
{
    struct map64_slot *slot;

    for (size_t at = 0; (slot = map64_next(&counters->known, &at)) != NULL;)
        heap_give(slot->value.pointer);
}

void counters_deinit(struct counters *counters)
{
    give_all(counters);
    map64_deinit(&counters->known);
    counters->bytes = 0;
    counters->trim_above = COUNTERS_BATCH_MAX;
}

/* ---- reading --------------------------------------------------------------------------------- */

bool counters_value(struct bytes payload, struct buf *value)
{
    struct json_error error;
    const struct json *said;
    struct arena arena;
    bool valid;

    arena_init(&arena, PAYLOAD_ARENA);
    said = json_get(json_parse(&arena, payload, &error), BYTES("val"));
    valid = said != NULL && said->type == JSON_STRING && decimal_valid(said->text);
    buf_clear(value);
    if (valid)
        (void)buf_add(value, said->text);
    arena_deinit(&arena);
    return valid;
}

bool counters_read(struct bytes headers, struct bytes payload, struct counter_known *known)
{
    size_t around = PAYLOAD_HEAD.size + PAYLOAD_TAIL.size;
    struct bytes sources = header_block_value(headers, BYTES("Nats-Counter-Sources"));
    struct bytes value;

    *known = (struct counter_known){0};
    if (payload.size <= around || !bytes_starts(payload, PAYLOAD_HEAD) ||
        !bytes_equal(bytes_skip(payload, payload.size - PAYLOAD_TAIL.size), PAYLOAD_TAIL))
        return false;
    value = bytes_take(bytes_skip(payload, PAYLOAD_HEAD.size), payload.size - around);
    if (!decimal_valid(value) || !counter_sources_valid(sources))
        return false;
    *known = (struct counter_known){.value = value, .sources = sources};
    return true;
}

/* ---- what is known --------------------------------------------------------------------------- */

static size_t size_of(const struct block *block)
{
    return sizeof *block + block->value_size + block->sources_size;
}

static void forget(struct counters *counters, uint64_t sequence)
{
    union map64_value value;

    if (!map64_remove(&counters->known, sequence, &value))
        return;
    counters->bytes -= size_of(value.pointer);
    heap_give(value.pointer);
}

void counters_forget(struct counters *counters, uint64_t first, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        forget(counters, first + i);
}

size_t counters_size(struct counter_known known)
{
    return sizeof(struct block) + known.value.size + known.sources.size;
}

void counters_trim(struct counters *counters, uint64_t applied)
{
    struct counters kept = {0};
    struct map64_slot *slot;

    if (counters->bytes <= counters->trim_above)
        return;
    map64_init(&kept.known, counters->known.seed);
    for (size_t at = 0; (slot = map64_next(&counters->known, &at)) != NULL;) {
        if (slot->key <= applied) {
            heap_give(slot->value.pointer);
            continue;
        }
        map64_put(&kept.known, slot->key)->pointer = slot->value.pointer;
        kept.bytes += size_of(slot->value.pointer);
    }
    map64_deinit(&counters->known);
    kept.trim_above = kept.bytes + COUNTERS_BATCH_MAX; /* not again for each that is in flight */
    *counters = kept;
}

void counters_keep(struct counters *counters, uint64_t sequence, struct counter_known known)
{
    struct block *block;

    forget(counters, sequence);
    if (!counter_sources_valid(known.sources))
        known = (struct counter_known){0};
    block = heap_take(sizeof *block + known.value.size + known.sources.size);
    block->value_size = known.value.size;
    block->sources_size = known.sources.size;
    if (known.value.size > 0)
        memcpy(block->text, known.value.at, known.value.size);
    if (known.sources.size > 0)
        memcpy(block->text + known.value.size, known.sources.at, known.sources.size);
    counters->bytes += size_of(block);
    map64_put(&counters->known, sequence)->pointer = block;
}

bool counters_find(const struct counters *counters, uint64_t sequence, struct counter_known *known)
{
    const struct block *block = map64_pointer(&counters->known, sequence);

    if (block == NULL)
        return false;
    known->value = bytes_of(block->text, block->value_size);
    known->sources = bytes_of(block->text + block->value_size, block->sources_size);
    return true;
}
