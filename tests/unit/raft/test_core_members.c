/* core_members: configs, and which of them may come into force again. */
#include "raft/core_members.h"

#include <string.h>

#include "tests/unit/unit.h"

static struct raft_config config_of(const char *text)
{
    struct raft_config config = {0};

    for (; *text != 0; text++) {
        bool learner = *text >= 'a';

        config.at[config.count].node = (uint64_t)(learner ? *text - 'a' + 1 : *text - 'A' + 1);
        config.at[config.count].incarnation = 1;
        config.at[config.count++].learner = learner;
    }
    return config;
}

static bool one_step(const char *from, const char *to)
{
    struct raft_config a = config_of(from), b = config_of(to);

    return config_one_step(&a, &b);
}

START_TEST(one_step_is_one_member_more_or_less_or_in_another_role)
{
    ck_assert(one_step("ABC", "ABCd"));
    ck_assert(one_step("ABCd", "ABCD"));
    ck_assert(one_step("ABCD", "ABCd"));
    ck_assert(one_step("ABCD", "ABC"));
    ck_assert(one_step("ABCd", "CBA"));
    ck_assert(!one_step("ABC", "ABC"));
    ck_assert(!one_step("ABC", "ABCD")); /* it has nothing yet */
    ck_assert(!one_step("ABC", "ABd"));
    ck_assert(!one_step("ABC", "A"));
    ck_assert(!one_step("ABcd", "ABCD"));
    ck_assert(!one_step("ABCd", "ABcD"));
}
END_TEST

/* All configs of up to four members: whoever makes one step keeps a common majority member. */
START_TEST(majorities_of_two_configs_one_step_apart_have_a_member_in_common)
{
    for (uint32_t a = 1; a < 81; a++) {
        for (uint32_t b = 1; b < 81; b++) {
            struct raft_config from = {0}, to = {0};
            uint32_t voters_a = 0, voters_b = 0;

            for (uint32_t i = 0, x = a, y = b; i < 4; i++, x /= 3, y /= 3) {
                if (x % 3 != 0)
                    from.at[from.count++] = (struct raft_member){i + 1, 1, x % 3 == 1};
                if (y % 3 != 0)
                    to.at[to.count++] = (struct raft_member){i + 1, 1, y % 3 == 1};
                voters_a |= (x % 3 == 2 ? 1u : 0u) << i;
                voters_b |= (y % 3 == 2 ? 1u : 0u) << i;
            }
            if (!config_one_step(&from, &to))
                continue;
            for (uint32_t p = 0; p < 16; p++)
                for (uint32_t q = 0; q < 16; q++)
                    if (__builtin_popcount(p & voters_a) > __builtin_popcount(voters_a) / 2 &&
                        __builtin_popcount(q & voters_b) > __builtin_popcount(voters_b) / 2)
                        ck_assert_uint_ne(p & voters_a & q & voters_b, 0);
        }
    }
}
END_TEST

START_TEST(a_config_names_nobody_twice_and_nobody_without_a_number)
{
    struct raft_config config = config_of("ABc");

    ck_assert(config_sound(&config));
    config.at[2] = config.at[0];
    ck_assert(!config_sound(&config));
    config.at[2].incarnation = 2; /* another disk of that node */
    ck_assert(config_sound(&config));
    config.at[2].node = 0;
    ck_assert(!config_sound(&config));
    config.count = RAFT_MEMBERS_MAX + 1;
    ck_assert(!config_sound(&config));
}
END_TEST

START_TEST(another_life_of_a_disk_is_another_member)
{
    struct raft_config config = config_of("ABc");
    struct raft_member other = config.at[0];

    ck_assert(config_votes(&config, config.at[0]));
    ck_assert(!config_votes(&config, config.at[2]));
    other.incarnation = 2;
    ck_assert_ptr_null(config_find(&config, other));
    ck_assert(!config_votes(&config, other));
}
END_TEST

START_TEST(a_cut_brings_back_the_config_before)
{
    struct raft_config a = config_of("ABC"), b = config_of("ABCd"), c = config_of("ABCD");
    struct configs configs;

    configs_init(&configs, 1, &a);
    configs_add(&configs, 5, &b);
    configs_add(&configs, 9, &c);
    ck_assert_uint_eq(configs_newest_index(&configs), 9);
    ck_assert_uint_eq(configs_newest(&configs)->count, 4);
    ck_assert(configs_may_cut(&configs, 1));
    ck_assert(!configs_may_cut(&configs, 0));
    configs_cut(&configs, 8);
    ck_assert_uint_eq(configs_newest_index(&configs), 5);
    configs_cut(&configs, 4);
    ck_assert_uint_eq(configs_newest(&configs)->count, 3);
}
END_TEST

START_TEST(what_is_committed_and_on_the_disk_does_not_come_back)
{
    struct raft_config a = config_of("ABC"), b = config_of("ABCd"), c = config_of("ABCD");
    struct configs configs;

    configs_init(&configs, 1, &a);
    configs_add(&configs, 5, &b);
    configs_settle(&configs, 5, 4); /* the disk may still refuse it */
    ck_assert(configs_may_cut(&configs, 1));
    configs_settle(&configs, 4, 5);
    ck_assert(configs_may_cut(&configs, 1));
    configs_add(&configs, 9, &c); /* so the one before is committed, whoever knows */
    configs_settle(&configs, 4, 8);
    ck_assert(!configs_may_cut(&configs, 4));
    ck_assert(configs_may_cut(&configs, 5));
    ck_assert_uint_eq(configs_at(&configs, 8)->count, 4);
    ck_assert(configs_at(&configs, 8)->at[3].learner);
    ck_assert(!configs_at(&configs, 9)->at[3].learner);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        one_step_is_one_member_more_or_less_or_in_another_role,
        majorities_of_two_configs_one_step_apart_have_a_member_in_common,
        a_config_names_nobody_twice_and_nobody_without_a_number,
        another_life_of_a_disk_is_another_member,
        a_cut_brings_back_the_config_before,
        what_is_committed_and_on_the_disk_does_not_come_back,
    };

    return UNIT_RUN_PLAIN("core_members", tests);
}
