#include "storage/tail.h"

#include "tests/unit/unit.h"

static struct tail_entry entry_of(uint64_t index)
{
    struct tail_entry entry = {.term = index / 10};

    memcpy(entry.hash.at, &index, sizeof index);
    return entry;
}

static void check_from(const struct tail *tail, uint64_t first)
{
    ck_assert_uint_eq(tail_first(tail), first);
    for (uint64_t i = first; i <= tail->last; i++) {
        struct tail_entry entry = entry_of(i);

        ck_assert_mem_eq(tail_at(tail, i), &entry, sizeof entry);
    }
}

START_TEST(what_was_added_is_known_until_it_is_forgotten_or_cut)
{
    struct tail tail = {};

    tail_begin(&tail, 5, entry_of(5));
    for (uint64_t i = 6; i <= 1000; i++) {
        tail_add(&tail, entry_of(i));
        if (i % 7 == 0)
            tail_forget(&tail, i - 20 > 5 && i > 25 ? i - 20 : 5);
        if (i == 500) {
            tail_cut(&tail, 490);
            ck_assert_uint_eq(tail.last, 490);
            for (uint64_t again = 491; again <= 500; again++)
                tail_add(&tail, entry_of(again));
        }
    }
    check_from(&tail, 994 - 20);
    ck_assert_uint_le(tail.capacity, 64);
    tail_deinit(&tail);
}
END_TEST

START_TEST(the_newest_one_is_never_forgotten)
{
    struct tail tail = {};

    tail_begin(&tail, 0, entry_of(0));
    tail_add(&tail, entry_of(1));
    tail_forget(&tail, 100);
    check_from(&tail, 1);
    tail_cut(&tail, 1);
    check_from(&tail, 1);
    tail_deinit(&tail);
}
END_TEST

START_TEST(its_memory_is_bounded)
{
    struct tail tail = {};

    tail_begin(&tail, 0, entry_of(0));
    for (uint64_t i = 1; i <= 3 * TAIL_MAX; i++)
        tail_add(&tail, entry_of(i));
    check_from(&tail, 2 * TAIL_MAX + 1);
    tail_deinit(&tail);
}
END_TEST

START_TEST(lost_ones_are_passed_over)
{
    struct tail tail = {};

    tail_begin(&tail, 0, entry_of(0));
    tail_add(&tail, entry_of(1));
    tail_lose(&tail, 3, entry_of(3));
    tail_add(&tail, entry_of(4));
    ck_assert_uint_eq(tail_first(&tail), 0);
    ck_assert_uint_eq(tail.last, 4);
    ck_assert_mem_eq(tail_at(&tail, 2)->hash.at, (struct log_hash){}.at, 16);
    ck_assert_mem_eq(tail_at(&tail, 3)->hash.at, entry_of(3).hash.at, 16);
    tail_lose(&tail, UINT64_MAX - 1, entry_of(7));
    ck_assert_uint_eq(tail_first(&tail), UINT64_MAX - 1);
    tail_deinit(&tail);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        what_was_added_is_known_until_it_is_forgotten_or_cut,
        the_newest_one_is_never_forgotten,
        its_memory_is_bounded,
        lost_ones_are_passed_over,
    };

    return UNIT_RUN_PLAIN("tail", tests);
}
