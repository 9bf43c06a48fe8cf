#include "base/io_address.h"
#include "tests/unit/unit.h"

START_TEST(a_name_is_bound_at_its_first_address_of_version_4)
{
    const union address found[] = {
        {.v6 = {.sin6_family = AF_INET6}},
        {.v4 = {.sin_family = AF_INET, .sin_addr.s_addr = 1}},
        {.v4 = {.sin_family = AF_INET, .sin_addr.s_addr = 2}},
    };

    ck_assert_ptr_eq(address_to_bind(found, 3), &found[1]);
    ck_assert_ptr_eq(address_to_bind(found + 2, 1), &found[2]);
}
END_TEST

START_TEST(one_without_such_is_bound_at_its_first)
{
    const union address found[] = {
        {.v6 = {.sin6_family = AF_INET6, .sin6_scope_id = 1}},
        {.v6 = {.sin6_family = AF_INET6, .sin6_scope_id = 2}},
    };

    ck_assert_ptr_eq(address_to_bind(found, 2), &found[0]);
    ck_assert_ptr_null(address_to_bind(found, 0));
}
END_TEST

/* The system takes it for a name, and needs to ask nobody. */
START_TEST(what_is_no_address_is_looked_up)
{
    union address address;

    ck_assert(address_of_host("127.1", &address));
    ck_assert_int_eq(address.any.sa_family, AF_INET);
    ck_assert_uint_eq(ntohl(address.v4.sin_addr.s_addr), INADDR_LOOPBACK);
    ck_assert(!address_of_host("no such host", &address));
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        a_name_is_bound_at_its_first_address_of_version_4,
        one_without_such_is_bound_at_its_first,
        what_is_no_address_is_looked_up,
    };

    return UNIT_RUN_PLAIN("io_address", tests);
}
