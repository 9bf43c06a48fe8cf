#include "server/stream/zone.h"

#include "base/heap.h"

#define HEAD       44u
#define TYPE_SIZE  6u
#define COUNTS_MAX 4096u
/* Rules that go on in the footer only matter if the transitions end before that. */
#define LAST_MIN INT64_C(2082758400) /* 2036 */

struct counts {
    uint32_t utc, standard, leap, times, types, chars;
};

static uint32_t u32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static int64_t i64(const uint8_t *at)
{
    return (int64_t)((uint64_t)u32(at) << 32 | u32(at + 4));
}

static bool read_head(struct bytes in, struct counts *counts)
{
    if (in.size < HEAD || !bytes_starts(in, BYTES("TZif")))
        return false;
    *counts = (struct counts){.utc = u32(in.at + 20),
                              .standard = u32(in.at + 24),
                              .leap = u32(in.at + 28),
                              .times = u32(in.at + 32),
                              .types = u32(in.at + 36),
                              .chars = u32(in.at + 40)};
    return counts->utc <= COUNTS_MAX && counts->standard <= COUNTS_MAX &&
           counts->leap <= COUNTS_MAX && counts->times <= COUNTS_MAX && counts->types > 0 &&
           counts->types <= 256 && counts->chars <= COUNTS_MAX;
}

static size_t block_size(const struct counts *counts, size_t time_size)
{
    return counts->times * (time_size + 1) + counts->types * TYPE_SIZE + counts->chars +
           counts->leap * (time_size + 4) + counts->standard + counts->utc;
}

static bool read_block(struct zone *zone, const struct counts *counts, const uint8_t *at)
{
    const uint8_t *types_of = at + counts->times * 8, *types = types_of + counts->times;

    zone->offset_first = (int32_t)u32(types);
    for (uint32_t i = 0; i < counts->times; i++) {
        if (types_of[i] >= counts->types)
            return false;
        zone->from[i] = i64(at + i * 8);
        zone->offset[i] = (int32_t)u32(types + types_of[i] * TYPE_SIZE);
        if (i > 0 && zone->from[i] <= zone->from[i - 1])
            return false;
    }
    return true;
}

/* Does the footer have rules that the transitions do not spell out? */
static bool goes_on(const struct zone *zone, struct bytes footer)
{
    return bytes_find(footer, ',') < footer.size &&
           (zone->count == 0 || zone->from[zone->count - 1] < LAST_MIN);
}

enum err zone_read(struct zone *zone, struct bytes file)
{
    struct counts counts;
    size_t skip;

    *zone = (struct zone){0};
    if (!read_head(file, &counts) || file.at[4] < '2')
        return ERR_CORRUPT;
    skip = HEAD + block_size(&counts, 4);
    if (skip > file.size)
        return ERR_CORRUPT;
    file = bytes_skip(file, skip);
    if (!read_head(file, &counts) || HEAD + block_size(&counts, 8) > file.size)
        return ERR_CORRUPT;

    zone->count = counts.times;
    zone->from = heap_take(counts.times * sizeof *zone->from);
    zone->offset = heap_take(counts.times * sizeof *zone->offset);
    if (!read_block(zone, &counts, file.at + HEAD)) {
        zone_deinit(zone);
        return ERR_CORRUPT;
    }
    if (goes_on(zone, bytes_skip(file, HEAD + block_size(&counts, 8)))) {
        zone_deinit(zone);
        return ERR_UNSUPPORTED;
    }
    return OK;
}

void zone_deinit(struct zone *zone)
{
    heap_give(zone->from);
    heap_give(zone->offset);
    *zone = (struct zone){0};
}

int32_t zone_offset(const struct zone *zone, int64_t seconds)
{
    uint32_t low = 0, high = zone->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (zone->from[middle] <= seconds)
            low = middle + 1;
        else
            high = middle;
    }
    return low == 0 ? zone->offset_first : zone->offset[low - 1];
}

bool zone_name_valid(struct bytes name)
{
    if (name.size == 0 || name.size > ZONE_NAME_MAX || name.at[0] == '/')
        return false;
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.at[i];

        if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
              c == '_' || c == '-' || c == '+' || c == '/'))
            return false;
    }
    return true;
}
