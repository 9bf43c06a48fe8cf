/* Hostile pieces of a state block are refused or give an index that is whole; and any row of
 * changes leaves an index with scratch memory equal to one without. */
#include "base/scratch.h"
#include "storage/index_cache.h"
#include "storage/index_capture.h"

#define STEPS_MAX 4000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct pair {
    struct index_cache cache;
    struct scratch *scratch;
    struct index *cold, *plain;
    uint64_t sequence;
};

static void check_equal(const struct pair *pair)
{
    struct index_entry a, b;
    uint64_t from = 0;

    assert(index_count(pair->cold) == index_count(pair->plain));
    assert(index_bytes(pair->cold) == index_bytes(pair->plain));
    assert(index_subject_count(pair->cold) == index_subject_count(pair->plain));
    while (index_next(pair->plain, NULL, from, &a)) {
        struct index_filter filter = {.subjects = &a.subject, .count = 1};
        struct index_entry next_a, next_b;
        bool more;

        assert(index_next(pair->cold, NULL, from, &b));
        assert(a.sequence == b.sequence && a.time_ns == b.time_ns && a.place == b.place);
        assert(a.record_size == b.record_size && a.stored_size == b.stored_size);
        assert(bytes_equal(a.subject, b.subject));
        more = index_next(pair->plain, &filter, a.sequence + 1, &next_a);
        assert(index_next(pair->cold, &filter, a.sequence + 1, &next_b) == more);
        assert(!more || next_a.sequence == next_b.sequence);
        more = index_previous(pair->plain, &filter, a.sequence - 1, &next_a);
        assert(index_previous(pair->cold, &filter, a.sequence - 1, &next_b) == more);
        assert(!more || next_a.sequence == next_b.sequence);
        from = a.sequence + 1;
    }
    assert(!index_next(pair->cold, NULL, from, &b));
}

static void add(struct pair *pair, uint8_t what)
{
    static const char *const subjects[] = {"a", "b", "a.b", "c.d", "c.e", "f", "g.h.i", "a.*"};
    struct index_entry entry = {
        .sequence = pair->sequence += 1 + (what >> 6 == 3 ? 40 : what >> 6),
        .time_ns = (int64_t)(pair->sequence / 3 << (what >> 6 == 2 ? 44 : 2)),
        .place = pair->sequence * 7,
        .record_size = 40 + what,
        .stored_size = what,
        .subject = bytes_of_text(subjects[what & 7]),
    };

    index_add(pair->cold, &entry);
    index_add(pair->plain, &entry);
}

static void change(struct pair *pair, uint8_t what, uint8_t where)
{
    uint64_t from = index_first(pair->plain) + where;
    struct index_entry entry;

    if (what % 4 < 2) {
        add(pair, where);
        return;
    }
    if (!index_next(pair->plain, NULL, from, &entry))
        return;
    if (what % 4 == 2) {
        assert(index_remove(pair->cold, entry.sequence, NULL));
        assert(index_remove(pair->plain, entry.sequence, NULL));
        return;
    }
    index_move(pair->cold, entry.sequence, what);
    index_move(pair->plain, entry.sequence, what);
}

static void run_changes(struct bytes in, unsigned bits)
{
    struct pair pair = {
        .cache = {.limit = bits % 4 * 1000}, /* often nothing may be in memory */
        .scratch = scratch_create_twin(1, 8),
        .cold = index_create(1),
        .plain = index_create(2),
    };
    size_t steps = in.size / 2 < STEPS_MAX ? in.size / 2 : STEPS_MAX;

    index_use(pair.cold, pair.scratch, &pair.cache, bits);
    for (size_t i = 0; i < steps; i++)
        change(&pair, in.at[2 * i], in.at[2 * i + 1]);
    check_equal(&pair);
    index_destroy(pair.cold);
    index_destroy(pair.plain);
    assert(pair.cache.held == 0 && pair.cache.lent == 0);
    assert(scratch_space(pair.scratch) == 0);
    scratch_destroy(pair.scratch);
}

static bool any_place(void *context, struct index_entry *entry)
{
    (void)context;
    (void)entry;
    return true;
}

static void run_pieces(struct bytes pieces, struct bytes places, bool named, unsigned bits)
{
    struct scratch *scratch = scratch_create_twin(1, 8);
    struct index_cache cache = {.limit = bits % 4 * 1000};
    struct index *index = index_create(1), *again = index_create(2);
    struct index_capture *capture;
    struct buf out, out_places;

    index_use(index, scratch, &cache, bits);
    buf_init(&out, SIZE_MAX);
    buf_init(&out_places, SIZE_MAX);
    if (index_restore(index, pieces, places, named, any_place, NULL) == OK) {
        capture = index_capture_begin(index, &out);
        named = bits % 2 == 0 && index_capture_name(capture);
        while (index_capture_step(capture, 1))
            continue;
        (void)index_capture_places(capture, &out_places);
        index_capture_end(capture);
        assert(index_restore(again, buf_bytes(&out), buf_bytes(&out_places), named, any_place,
                             NULL) == OK);
        check_equal(&(struct pair){.cold = index, .plain = again});
    }
    buf_deinit(&out);
    buf_deinit(&out_places);
    index_destroy(index);
    index_destroy(again);
    scratch_destroy(scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned bits;
    size_t cut;

    if (size < 4)
        return 0;
    bits = 1 + data[0] / 2 % INDEX_BITS;
    if (data[0] % 2 == 0) {
        run_changes(bytes_of(data + 1, size - 1), bits);
        return 0;
    }
    cut = (data[1] | (size_t)data[2] << 8) % (size - 3 + 1);
    run_pieces(bytes_of(data + 3, cut), bytes_of(data + 3 + cut, size - 3 - cut), data[0] >= 128,
               bits);
    return 0;
}
