#include "base/nuid.h"

#include <string.h>

#include "base/heap.h"
#include "base/table.h"
#include "base/text.h"
#include "tests/unit/unit.h"

static struct bytes name_key(const void *name)
{
    return bytes_of(name, NUID_SIZE);
}

START_TEST(names_are_22_letters_and_never_the_same)
{
    struct prng prng;
    struct nuid nuid;
    struct table seen;
    char *name;

    prng_seed(&prng, 1);
    nuid_init(&nuid, &prng);
    table_init(&seen, name_key, 1);
    for (int i = 0; i < 20000; i++) {
        name = heap_take(NUID_SIZE);
        nuid_next(&nuid, &prng, name);
        for (size_t k = 0; k < NUID_SIZE; k++)
            ck_assert_ptr_nonnull(memchr(TEXT_BASE62, name[k], 62));
        table_add(&seen, name); /* asserts that it is new */
    }
    for (size_t at = 0; (name = table_next(&seen, &at)) != NULL;)
        heap_give(name);
    table_deinit(&seen);
}
END_TEST

static uint64_t number_of(const char name[static NUID_SIZE])
{
    uint64_t number = 0;

    for (size_t i = NUID_PREFIX_SIZE; i < NUID_SIZE; i++)
        number = number * 62 + (uint64_t)(strchr(TEXT_BASE62, name[i]) - TEXT_BASE62);
    return number;
}

START_TEST(names_of_one_prefix_rise_by_the_step)
{
    char one[NUID_SIZE], two[NUID_SIZE];
    struct prng prng;
    struct nuid nuid;

    for (uint64_t seed = 0; seed < 100; seed++) {
        prng_seed(&prng, seed);
        nuid_init(&nuid, &prng);
        nuid_next(&nuid, &prng, one);
        nuid_next(&nuid, &prng, two);
        ck_assert_int_eq(memcmp(one, two, NUID_PREFIX_SIZE), 0);
        ck_assert_uint_eq(number_of(two) - number_of(one), nuid.step);
        ck_assert_uint_ge(nuid.step, 33);
        ck_assert_uint_lt(nuid.step, 333);
    }
}
END_TEST

START_TEST(used_up_numbers_bring_a_new_prefix)
{
    char one[NUID_SIZE], two[NUID_SIZE];
    struct prng prng;
    struct nuid nuid;

    prng_seed(&prng, 2);
    nuid_init(&nuid, &prng);
    nuid.number = UINT64_C(839299365868340223) - nuid.step; /* the next is the last */
    nuid_next(&nuid, &prng, one);
    ck_assert_int_eq(memcmp(one + NUID_PREFIX_SIZE, "zzzzzzzzzz", 10), 0);
    nuid_next(&nuid, &prng, two);
    ck_assert_int_ne(memcmp(one, two, NUID_PREFIX_SIZE), 0);
    nuid.number = UINT64_C(839299365868340224) - nuid.step; /* the next would need 11 digits */
    nuid_next(&nuid, &prng, one);
    ck_assert_int_ne(memcmp(one, two, NUID_PREFIX_SIZE), 0);
}
END_TEST

START_TEST(generators_of_other_seeds_make_other_names)
{
    char one[NUID_SIZE], two[NUID_SIZE];
    struct prng prng;
    struct nuid nuid;

    prng_seed(&prng, 1);
    nuid_init(&nuid, &prng);
    nuid_next(&nuid, &prng, one);
    prng_seed(&prng, 2);
    nuid_init(&nuid, &prng);
    nuid_next(&nuid, &prng, two);
    ck_assert_int_ne(memcmp(one, two, NUID_PREFIX_SIZE), 0);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        names_are_22_letters_and_never_the_same, names_of_one_prefix_rise_by_the_step,
        used_up_numbers_bring_a_new_prefix, generators_of_other_seeds_make_other_names};

    return UNIT_RUN_PLAIN("nuid", tests);
}
