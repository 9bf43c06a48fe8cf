#include "base/heap.h"

#include "tests/unit/unit.h"

START_TEST(taken_memory_is_zero)
{
    uint8_t *at = heap_take(5000);

    for (size_t i = 0; i < 5000; i++)
        ck_assert_uint_eq(at[i], 0);
    heap_give(at);
}
END_TEST

START_TEST(a_size_of_nothing_gives_a_pointer_to_free)
{
    void *at = heap_take(0);

    ck_assert_ptr_nonnull(at);
    at = heap_resize(at, 0);
    ck_assert_ptr_nonnull(at);
    heap_give(at);
    heap_give(NULL);
}
END_TEST

START_TEST(copies_are_equal_and_elsewhere)
{
    struct bytes from = BYTES("a\0b");
    struct bytes copy = heap_copy(from);
    char *text = heap_text(from);

    ck_assert(bytes_equal(copy, from));
    ck_assert_ptr_ne(copy.at, from.at);
    ck_assert_int_eq(memcmp(text, "a\0b", 4), 0); /* with the zero behind */
    heap_give((void *)copy.at);
    heap_give(text);

    text = heap_text(bytes_of(NULL, 0));
    ck_assert_str_eq(text, "");
    heap_give(text);
}
END_TEST

START_TEST(resizing_keeps_the_content)
{
    uint8_t *at = heap_take(3);

    memcpy(at, "abc", 3);
    at = heap_resize(at, 100000);
    ck_assert_int_eq(memcmp(at, "abc", 3), 0);
    heap_give(at);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {taken_memory_is_zero, a_size_of_nothing_gives_a_pointer_to_free,
                            copies_are_equal_and_elsewhere, resizing_keeps_the_content};

    return UNIT_RUN_PLAIN("heap", tests);
}
