#include "server/auth/jwt_limits.h"

#include "tests/unit/unit.h"

static struct arena arena; /* of the one test that a process runs */

static bool limits_read(const char *text, struct account_jetstream_options *options)
{
    struct json_error error;
    const struct json *json = json_parse(&arena, bytes_of_text(text), &error);

    ck_assert_ptr_nonnull(json);
    return jwt_limits_read(&arena, json, options);
}

START_TEST(storage_of_either_kind_is_what_grants_jetstream)
{
    struct account_jetstream_options options;

    ck_assert(limits_read("{}", &options));
    ck_assert(!options.enabled);
    ck_assert(limits_read("{\"streams\":5,\"consumer\":5}", &options));
    ck_assert(!options.enabled);
    ck_assert(limits_read("{\"mem_storage\":-1}", &options));
    ck_assert(options.enabled);
    ck_assert(limits_read("{\"disk_storage\":7,\"max_bytes_required\":true}", &options));
    ck_assert(options.enabled);
    ck_assert(options.limits.bytes_required);
    ck_assert_int_eq(options.limits.store_max, 7);
    ck_assert_int_eq(options.limits.memory_max, 0);
    ck_assert_int_eq(options.limits.ack_pending_max, -1);
}
END_TEST

START_TEST(tiers_count_and_what_is_beside_them_does_not)
{
    struct account_jetstream_options options;

    ck_assert(limits_read("{\"disk_storage\":5,\"tiered_limits\":{\"R3\":{\"disk_storage\":3,"
                          "\"max_ack_pending\":9},\"R1\":{\"mem_storage\":1}}}",
                          &options));
    ck_assert(options.enabled);
    ck_assert_uint_eq(options.tiers_count, 2);
    ck_assert(bytes_equal(options.tiers[0].name, BYTES("R1")));
    ck_assert_int_eq(options.tiers[0].limits.memory_max, 1);
    ck_assert_int_eq(options.tiers[0].limits.store_max, 0);
    ck_assert(bytes_equal(options.tiers[1].name, BYTES("R3")));
    ck_assert_int_eq(options.tiers[1].limits.store_max, 3);
    ck_assert_int_eq(options.tiers[1].limits.ack_pending_max, 9);
}
END_TEST

START_TEST(tiers_without_storage_grant_nothing)
{
    struct account_jetstream_options options;

    ck_assert(
        limits_read("{\"disk_storage\":5,\"tiered_limits\":{\"R1\":{\"streams\":1}}}", &options));
    ck_assert(!options.enabled);
    ck_assert(limits_read("{\"disk_storage\":5,\"tiered_limits\":{}}", &options));
    ck_assert(options.enabled); /* there are no tiers */
    ck_assert_uint_eq(options.tiers_count, 0);
    ck_assert(limits_read("{\"tiered_limits\":null}", &options));
}
END_TEST

START_TEST(a_tier_that_is_said_twice_is_the_last_one)
{
    struct account_jetstream_options options;

    ck_assert(limits_read("{\"tiered_limits\":{\"R1\":{\"disk_storage\":1},"
                          "\"R1\":{\"disk_storage\":2}}}",
                          &options));
    ck_assert_uint_eq(options.tiers_count, 1);
    ck_assert_int_eq(options.tiers[0].limits.store_max, 2);
}
END_TEST

START_TEST(tiers_that_make_no_sense_are_refused)
{
    static const char *const texts[] = {
        "{\"tiered_limits\":5}",
        "{\"tiered_limits\":[]}",
        "{\"tiered_limits\":{\"\":{\"disk_storage\":1}}}",
        "{\"tiered_limits\":{\"R1\":5}}",
        "{\"tiered_limits\":{\"R1\":{\"disk_storage\":1},\"R2\":null}}",
    };
    struct account_jetstream_options options;

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        ck_assert(!limits_read(texts[i], &options));
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        storage_of_either_kind_is_what_grants_jetstream,
        tiers_count_and_what_is_beside_them_does_not,
        tiers_without_storage_grant_nothing,
        a_tier_that_is_said_twice_is_the_last_one,
        tiers_that_make_no_sense_are_refused,
    };

    arena_init(&arena, 1u << 20);
    return UNIT_RUN_PLAIN("jwt_limits", tests);
}
