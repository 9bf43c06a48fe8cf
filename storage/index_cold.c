#include "storage/index_cold.h"

static_assert(INDEX_BLOCK_SPAN * sizeof(struct index_row) <= SCRATCH_PIECE_MAX, "one piece");

/* ---- making --------------------------------------------------------------------------------- */

/* A row for it, false: a step or the time is too large. */
static bool row_of(const struct index_slot *slot, uint64_t sequence, int64_t time_base,
                   struct index_row *row)
{
    uint64_t time = (uint64_t)slot->time_ns - (uint64_t)time_base;
    uint64_t before = slot->before == 0 ? 0 : sequence - slot->before;

    if (time > INDEX_TIME_MASK || before > UINT32_MAX)
        return false;
    if (slot->after != 0 && slot->after - sequence > UINT32_MAX)
        return false;
    *row = (struct index_row){
        .place = slot->place,
        .record_size = slot->record_size,
        .stored_size = slot->stored_size,
        .subject = slot->subject,
        .before = (uint32_t)before,
        .time_48 = time | (uint64_t)slot->offset << INDEX_TIME_BITS,
    };
    return true;
}

/* Rows and what stays in memory; false: one does not fit. */
static bool fill(struct index_cold *cold, uint64_t base, const struct index_slot *slots,
                 uint32_t count, struct index_row *rows)
{
    uint32_t row = 0;

    for (uint32_t i = 0; i < count; i++) {
        const struct index_slot *slot = &slots[i];
        uint64_t sequence = base + slot->offset;

        if (!slot->live)
            continue;
        if (row == 0)
            cold->time_base = slot->time_ns;
        if (!row_of(slot, sequence, cold->time_base, &rows[row]))
            return false;
        cold->time_last = slot->time_ns;
        cold->present[slot->offset / 64] |= UINT64_C(1) << slot->offset % 64;
        cold->after[row] = slot->after == 0 ? 0 : (uint32_t)(slot->after - sequence);
        row++;
    }
    for (uint32_t i = 0, rank = 0; i < INDEX_COLD_WORDS; i++) {
        cold->ranks[i] = (uint16_t)rank;
        rank += (uint32_t)__builtin_popcountll(cold->present[i]);
        cold->live[i] = cold->present[i];
    }
    cold->count = row;
    return true;
}

static uint32_t live_of(const struct index_slot *slots, uint32_t count)
{
    uint32_t live = 0;

    for (uint32_t i = 0; i < count; i++)
        live += slots[i].live;
    return live;
}

static size_t size_of(uint32_t rows)
{
    const struct index_cold *cold;

    return sizeof *cold + rows * sizeof cold->after[0];
}

struct index_cold *index_cold_create(const struct index_memory *memory, uint64_t base,
                                     const struct index_slot *slots, uint32_t count, bool *lent,
                                     const struct index_row **rows)
{
    uint32_t live = live_of(slots, count);
    struct index_row filled[INDEX_BLOCK_SPAN];
    union {
        struct index_cold cold;
        uint8_t bytes[sizeof(struct index_cold) + INDEX_BLOCK_SPAN * sizeof(uint32_t)];
    } made;
    struct index_cold *cold;

    assert(live <= INDEX_BLOCK_SPAN);
    *rows = NULL;
    if (live == 0)
        return NULL;
    made.cold = (struct index_cold){0};
    if (!fill(&made.cold, base, slots, count, filled))
        return NULL;
    /* First what may fail, for then the frame is left (base/guard.h), and memory would be nobody's.
     */
    *rows = scratch_put(memory->scratch, bytes_of(filled, live * sizeof filled[0]));
    if (*rows == NULL)
        return NULL;
    cold = index_memory_take(memory, size_of(live), lent);
    memcpy(cold, &made, size_of(live));
    cold->rows = *rows;
    return cold;
}

void index_cold_destroy(const struct index_memory *memory, struct index_cold *cold, bool lent,
                        const struct index_row *rows, uint32_t count)
{
    scratch_give(memory->scratch, rows, count * sizeof rows[0]);
    index_memory_give(memory, cold, size_of(count), lent);
}

struct index_cold *index_cold_move(const struct index_memory *memory, struct index_cold *cold)
{
    return index_memory_move(memory, cold, size_of(cold->count));
}

/* ---- one message ---------------------------------------------------------------------------- */

uint64_t index_cold_after(const struct index_cold *cold, uint64_t base, uint32_t offset)
{
    uint32_t step = cold->after[index_cold_row(cold, offset)];

    return step == 0 ? 0 : base + offset + step;
}

bool index_cold_set_after(struct index_cold *cold, uint64_t base, uint32_t offset, uint32_t row,
                          uint64_t after)
{
    uint64_t step = after == 0 ? 0 : after - (base + offset);

    if (step > UINT32_MAX)
        return false;
    assert(row < INDEX_BLOCK_SPAN);
    cold->after[row] = (uint32_t)step;
    return true;
}

void index_cold_read(const struct index_cold *cold, const struct index_row *row, uint64_t base,
                     uint32_t offset, struct index_slot *slot)
{
    *slot = (struct index_slot){
        .time_ns = (int64_t)((uint64_t)cold->time_base + (row->time_48 & INDEX_TIME_MASK)),
        .place = row->place,
        .before = row->before == 0 ? 0 : base + offset - row->before,
        .after = index_cold_after(cold, base, offset),
        .record_size = row->record_size,
        .stored_size = row->stored_size,
        .subject = row->subject,
        .offset = (uint16_t)offset,
        .live = true,
    };
}

/* ---- walking -------------------------------------------------------------------------------- */

uint32_t index_cold_up(const struct index_cold *cold, uint32_t from)
{
    uint64_t mask;

    if (from >= INDEX_BLOCK_SPAN)
        return INDEX_COLD_NONE;
    mask = UINT64_MAX << from % 64;
    for (uint32_t i = from / 64; i < INDEX_COLD_WORDS; i++, mask = UINT64_MAX) {
        if ((cold->live[i] & mask) != 0)
            return i * 64 + (uint32_t)__builtin_ctzll(cold->live[i] & mask);
    }
    return INDEX_COLD_NONE;
}

uint32_t index_cold_down(const struct index_cold *cold, uint32_t up_to)
{
    uint64_t mask;

    assert(up_to < INDEX_BLOCK_SPAN);
    mask = UINT64_MAX >> (63 - up_to % 64);
    for (uint32_t i = up_to / 64 + 1; i-- > 0; mask = UINT64_MAX) {
        if ((cold->live[i] & mask) != 0)
            return i * 64 + 63 - (uint32_t)__builtin_clzll(cold->live[i] & mask);
    }
    return INDEX_COLD_NONE;
}

uint32_t index_cold_below(const struct index_cold *cold, uint32_t offset)
{
    uint32_t below = 0;

    for (uint32_t i = 0; i < offset / 64; i++)
        below += (uint32_t)__builtin_popcountll(cold->live[i]);
    if (offset % 64 != 0)
        below += (uint32_t)__builtin_popcountll(cold->live[offset / 64] &
                                                ((UINT64_C(1) << offset % 64) - 1));
    return below;
}

uint32_t index_cold_at_time(const struct index_cold *cold, int64_t time_ns)
{
    uint32_t low = 0, high = cold->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        uint64_t time = cold->rows[middle].time_48 & INDEX_TIME_MASK;

        if ((int64_t)((uint64_t)cold->time_base + time) < time_ns)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == cold->count)
        return INDEX_COLD_NONE;
    return index_cold_up(cold, (uint32_t)(cold->rows[low].time_48 >> INDEX_TIME_BITS));
}
