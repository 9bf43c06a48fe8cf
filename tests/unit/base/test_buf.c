#include "base/buf.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/prng.h"
#include "tests/unit/unit.h"

#define ASSERT_BYTES(b, literal) ck_assert(bytes_equal((b), BYTES(literal)))

START_TEST(what_is_added_is_read_back_in_order)
{
    struct buf buf;

    buf_init(&buf, 1000);
    ck_assert(BUF_ADD(&buf, "PUB "));
    ck_assert(buf_add_u64(&buf, UINT64_MAX));
    ck_assert(buf_add_byte(&buf, ' '));
    ck_assert(buf_add_i64(&buf, INT64_MIN));
    ck_assert(buf_print(&buf, " %s-%d", "x", 7));
    ck_assert(buf_add(&buf, bytes_of(NULL, 0)));
    ASSERT_BYTES(buf_bytes(&buf), "PUB 18446744073709551615 -9223372036854775808 x-7");
    buf_deinit(&buf);
}
END_TEST

START_TEST(numbers_print_as_printf_prints_them)
{
    struct prng prng;
    struct buf buf;
    char want[64];

    prng_seed(&prng, 1);
    buf_init(&buf, 64);
    for (int i = 0; i < 20000; i++) {
        uint64_t value = prng_next(&prng) >> prng_below(&prng, 64);

        snprintf(want, sizeof(want), "%" PRIu64 "%" PRId64, value, (int64_t)value);
        buf_clear(&buf);
        ck_assert(buf_add_u64(&buf, value) && buf_add_i64(&buf, (int64_t)value));
        ck_assert(bytes_equal(buf_bytes(&buf), bytes_of_text(want)));
    }
    buf_deinit(&buf);
}
END_TEST

START_TEST(at_the_limit_nothing_is_added_at_all)
{
    struct buf buf;

    buf_init(&buf, 10);
    ck_assert(BUF_ADD(&buf, "12345678"));
    ck_assert(!BUF_ADD(&buf, "abc"));
    ck_assert(!buf_add_u64(&buf, 123));
    ck_assert(!buf_add_i64(&buf, -12));
    ck_assert(!buf_print(&buf, "%d", 123));
    ck_assert_ptr_null(buf_reserve(&buf, 3));
    ck_assert_ptr_null(buf_reserve(&buf, SIZE_MAX));
    ASSERT_BYTES(buf_bytes(&buf), "12345678");
    ck_assert(buf_print(&buf, "%d", 90)); /* exactly full */
    ck_assert(!buf_add_byte(&buf, '!'));
    ASSERT_BYTES(buf_bytes(&buf), "1234567890");
    buf_deinit(&buf);
}
END_TEST

START_TEST(a_limit_of_nothing_takes_nothing)
{
    struct buf buf;

    buf_init(&buf, 0);
    ck_assert(buf_add(&buf, bytes_of(NULL, 0)));
    ck_assert(!buf_add_byte(&buf, 1));
    ck_assert_uint_eq(buf.size, 0);
    buf_deinit(&buf);
}
END_TEST

START_TEST(long_prints_are_whole_up_to_the_exact_limit)
{
    struct buf buf;

    for (int size = 500; size < 530; size++) {
        buf_init(&buf, (size_t)size);
        ck_assert(!buf_print(&buf, "%*d", size + 1, 7));
        ck_assert(buf_print(&buf, "%*d", size, 7));
        ck_assert_uint_eq(buf.size, (size_t)size);
        ck_assert_uint_eq(buf.at[size - 1], '7');
        buf_deinit(&buf);
    }
}
END_TEST

START_TEST(capacity_doubles_from_256_and_never_passes_the_limit)
{
    struct buf buf;

    buf_init(&buf, 1000);
    ck_assert(buf_add_byte(&buf, 0));
    ck_assert_uint_eq(buf.capacity, 256);
    ck_assert_ptr_nonnull(buf_reserve(&buf, 256));
    ck_assert_uint_eq(buf.capacity, 512);
    ck_assert_ptr_nonnull(buf_reserve(&buf, 999));
    ck_assert_uint_eq(buf.capacity, 1000);
    buf_deinit(&buf);

    buf_init(&buf, SIZE_MAX);
    ck_assert_ptr_nonnull(buf_reserve(&buf, 300));
    ck_assert_uint_eq(buf.capacity, 512);
    buf_deinit(&buf);
}
END_TEST

START_TEST(clear_keeps_the_memory_and_release_gives_it_back)
{
    struct buf buf;

    buf_init(&buf, 1000);
    ck_assert(BUF_ADD(&buf, "abc"));
    buf_clear(&buf);
    ck_assert_uint_eq(buf.size, 0);
    ck_assert_uint_eq(buf.capacity, 256);
    buf_release(&buf);
    ck_assert_uint_eq(buf.capacity, 0);
    ck_assert_ptr_null(buf.at);
    ck_assert(BUF_ADD(&buf, "abc"));
    ASSERT_BYTES(buf_bytes(&buf), "abc");
    buf_deinit(&buf);
}
END_TEST

START_TEST(consume_drops_the_front)
{
    struct buf buf;

    buf_init(&buf, 100);
    buf_consume(&buf, 0); /* fine when empty */
    ck_assert(BUF_ADD(&buf, "abcdef"));
    buf_consume(&buf, 2);
    ASSERT_BYTES(buf_bytes(&buf), "cdef");
    buf_consume(&buf, 4);
    ck_assert_uint_eq(buf.size, 0);
    buf_deinit(&buf);
}
END_TEST

/* The model is an array and a count. */
START_TEST(any_sequence_of_calls_leaves_what_a_plain_array_would_hold)
{
    static uint8_t model[3000];
    struct prng prng;

    for (uint64_t seed = 0; seed < 200; seed++) {
        size_t size = 0;
        struct buf buf;

        prng_seed(&prng, seed);
        buf_init(&buf, sizeof(model));
        for (int step = 0; step < 200; step++) {
            uint8_t piece[400];
            size_t count = prng_below(&prng, sizeof(piece));

            memset(piece, (int)prng_below(&prng, 256), sizeof(piece));
            if (prng_chance(&prng, 2, 3)) {
                bool fits = count <= sizeof(model) - size;

                ck_assert(buf_add(&buf, bytes_of(piece, count)) == fits);
                if (fits) {
                    memcpy(model + size, piece, count);
                    size += count;
                }
            } else {
                count = prng_below(&prng, size + 1);
                buf_consume(&buf, count);
                memmove(model, model + count, size - count);
                size -= count;
            }
            ck_assert(bytes_equal(buf_bytes(&buf), bytes_of(model, size)));
        }
        buf_deinit(&buf);
    }
}
END_TEST

START_TEST(adding_a_buf_to_itself_is_a_bug)
{
    struct buf buf;

    buf_init(&buf, 1000);
    ck_assert(BUF_ADD(&buf, "abc"));
    buf_add(&buf, buf_bytes(&buf));
}
END_TEST

START_TEST(consuming_more_than_there_is_is_a_bug)
{
    struct buf buf;

    buf_init(&buf, 1000);
    buf_consume(&buf, 1);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        what_is_added_is_read_back_in_order,
        numbers_print_as_printf_prints_them,
        at_the_limit_nothing_is_added_at_all,
        a_limit_of_nothing_takes_nothing,
        long_prints_are_whole_up_to_the_exact_limit,
        capacity_doubles_from_256_and_never_passes_the_limit,
        clear_keeps_the_memory_and_release_gives_it_back,
        consume_drops_the_front,
        any_sequence_of_calls_leaves_what_a_plain_array_would_hold,
    };
    const TTest *aborting[] = {adding_a_buf_to_itself_is_a_bug,
                               consuming_more_than_there_is_is_a_bug};

    return UNIT_RUN("buf", tests, aborting);
}
