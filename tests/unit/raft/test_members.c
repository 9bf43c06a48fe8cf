/* What raft/members.h and raft/membership.h promise. */
#include "raft/members.h"
#include "raft/membership.h"
#include "storage/batch.h"
#include "storage/record.h"
#include "tests/unit/unit.h"

static struct raft_member member(uint64_t node)
{
    return (struct raft_member){.node = node, .incarnation = node * 10};
}

static struct raft_member learner(uint64_t node)
{
    return (struct raft_member){.node = node, .incarnation = node * 10, .learner = true};
}

static struct raft_config config_of(const struct raft_member *members, uint32_t count)
{
    struct raft_config config = {.count = count};

    memcpy(config.at, members, count * sizeof *members);
    return config;
}

#define CONFIG(...)                                                                                \
    config_of((struct raft_member[]){__VA_ARGS__},                                                 \
              sizeof((struct raft_member[]){__VA_ARGS__}) / sizeof(struct raft_member))

START_TEST(a_members_record_is_read_as_it_was_written)
{
    struct raft_config written = CONFIG(member(1), member(2), learner(3)), got;
    struct record record;
    struct buf out;

    buf_init(&out, 4096);
    ck_assert(members_write(&out, &written));
    ck_assert_int_eq(record_read(buf_bytes(&out), &record), OK);
    ck_assert_int_eq(record.type, REPLICA_RECORD_MEMBERS);
    ck_assert_int_eq(members_read(record.body, &got), OK);
    ck_assert_uint_eq(got.count, 3);
    for (uint32_t i = 0; i < 3; i++) {
        ck_assert(members_equal(got.at[i], written.at[i]));
        ck_assert_int_eq(got.at[i].learner, written.at[i].learner);
    }
    buf_deinit(&out);
}
END_TEST

START_TEST(members_without_a_voter_or_twice_the_same_are_refused)
{
    struct raft_config bad[] = {CONFIG(learner(1)), CONFIG(member(1), member(1))}, got;

    for (size_t i = 0; i < 2; i++) {
        struct record record;
        struct buf out;

        buf_init(&out, 4096);
        ck_assert(members_write(&out, &bad[i]));
        ck_assert_int_eq(record_read(buf_bytes(&out), &record), OK);
        ck_assert_int_eq(members_read(record.body, &got), ERR_CORRUPT);
        for (size_t cut = 0; cut < record.body.size; cut += 3)
            ck_assert_int_eq(members_read(bytes_take(record.body, cut), &got), ERR_CORRUPT);
        buf_deinit(&out);
    }
}
END_TEST

START_TEST(every_first_member_writes_the_same_beginning)
{
    struct raft_config members = CONFIG(member(1), member(2), member(3)), got;
    uint8_t incarnation[16] = {1, 2, 3};
    struct batch_content content;
    struct buf a, b;

    buf_init(&a, 4096);
    buf_init(&b, 4096);
    members_bootstrap(&a, incarnation, 42, &members);
    members_bootstrap(&b, incarnation, 42, &members);
    ck_assert(bytes_equal(buf_bytes(&a), buf_bytes(&b)));
    ck_assert_int_eq(batch_content_peek(buf_bytes(&a), &content), OK);
    ck_assert_uint_eq(content.index, 1);
    ck_assert_uint_eq(content.term, 1);
    ck_assert(members_of(content.records, content.record_count, &got));
    ck_assert_uint_eq(got.count, 3);
    buf_deinit(&a);
    buf_deinit(&b);
}
END_TEST

START_TEST(a_renamed_server_knows_itself_by_its_disk)
{
    struct raft_config config = CONFIG(member(1), member(2));

    members_adopt(&config, (struct raft_member){.node = 77, .incarnation = 20});
    ck_assert_uint_eq(config.at[0].node, 1);
    ck_assert_uint_eq(config.at[1].node, 77);
}
END_TEST

/* ---- steps ---------------------------------------------------------------------------------- */

static uint32_t all_current(const struct raft_config *config, struct raft_progress *progress)
{
    for (uint32_t i = 0; i < config->count; i++)
        progress[i] = (struct raft_progress){.member = config->at[i], .current = true};
    return config->count;
}

static uint32_t voters(const struct raft_config *config)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < config->count; i++)
        count += !config->at[i].learner;
    return count;
}

/* Walks to the end with everybody caught up; the leader follows transfers. */
static void walk(struct raft_config actual, const struct raft_config *wished,
                 struct raft_member self)
{
    uint32_t least = voters(&actual) < wished->count ? voters(&actual) : wished->count;
    enum membership_step step;

    for (int steps = 0; steps < 30; steps++) {
        struct raft_progress progress[RAFT_MEMBERS_MAX];
        struct raft_config next;
        struct raft_member to;

        step = membership_next(&actual, wished, self, progress, all_current(&actual, progress),
                               &next, &to);
        if (step == MEMBERSHIP_SETTLED)
            break;
        ck_assert_int_ne(step, MEMBERSHIP_WAITS);
        if (step == MEMBERSHIP_TRANSFER) {
            self = to;
            continue;
        }
        ck_assert_uint_ge(voters(&next), least);
        ck_assert(next.count + 1 >= actual.count && next.count <= actual.count + 1);
        ck_assert_ptr_nonnull(members_find(&next, self.node)); /* a leader never takes itself out */
        actual = next;
    }
    ck_assert_int_eq(step, MEMBERSHIP_SETTLED);
    ck_assert_uint_eq(actual.count, wished->count);
    ck_assert_uint_eq(voters(&actual), wished->count);
}

START_TEST(groups_grow_shrink_and_move_one_member_at_a_time)
{
    struct raft_config one = CONFIG(member(1)), three = CONFIG(member(1), member(2), member(3)),
                       other = CONFIG(member(4), member(5), member(6)),
                       five = CONFIG(member(1), member(2), member(3), member(4), member(5));

    walk(one, &three, member(1));
    walk(three, &one, member(1));
    walk(three, &one, member(3)); /* the leader has to go: it hands over first */
    walk(three, &five, member(2));
    walk(five, &three, member(5));
    walk(three, &other, member(2));
}
END_TEST

START_TEST(nobody_goes_before_the_newcomers_have_caught_up)
{
    struct raft_config actual = CONFIG(member(1), member(2), member(3), learner(4)),
                       wished = CONFIG(member(1), member(2), member(4)), next;
    struct raft_progress progress[RAFT_MEMBERS_MAX];
    uint32_t count = all_current(&actual, progress);
    struct raft_member to;

    progress[3].current = false;
    ck_assert_int_eq(membership_next(&actual, &wished, member(1), progress, count, &next, &to),
                     MEMBERSHIP_WAITS);
    progress[3].current = true;
    ck_assert_int_eq(membership_next(&actual, &wished, member(1), progress, count, &next, &to),
                     MEMBERSHIP_CHANGE);
    ck_assert(!next.at[3].learner);
}
END_TEST

START_TEST(who_lacks_something_does_not_keep_others_from_voting)
{
    struct raft_config actual = CONFIG(member(1), learner(2), learner(3)),
                       wished = CONFIG(member(1), member(2), member(3)), next;
    struct raft_progress progress[RAFT_MEMBERS_MAX];
    uint32_t count = all_current(&actual, progress);
    struct raft_member to;

    progress[1].damaged = true;
    ck_assert_int_eq(membership_next(&actual, &wished, member(1), progress, count, &next, &to),
                     MEMBERSHIP_CHANGE);
    ck_assert(next.at[1].learner && !next.at[2].learner);
    count = all_current(&next, progress);
    progress[1].damaged = true;
    actual = next;
    ck_assert_int_eq(membership_next(&actual, &wished, member(1), progress, count, &next, &to),
                     MEMBERSHIP_WAITS);
}
END_TEST

/* 2 and 3 have begun anew, and can become whole only in a later term, which nobody else can bring
 * about: 5 is lost, and not wished for any more. */
START_TEST(where_nobody_could_lead_next_voters_go_until_the_leader_can_by_itself)
{
    struct raft_config actual = CONFIG(member(1), member(2), member(5), learner(3)),
                       wished = CONFIG(member(1), member(2), member(3)), next;
    struct raft_progress progress[RAFT_MEMBERS_MAX];
    uint32_t count = all_current(&actual, progress);
    struct raft_member to;

    progress[1].damaged = progress[1].anew = progress[3].damaged = progress[3].anew = true;
    ck_assert_int_eq(membership_next(&actual, &wished, member(1), progress, count, &next, &to),
                     MEMBERSHIP_WAITS); /* 5 could */
    progress[2].offline = true;
    ck_assert_int_eq(membership_next(&actual, &wished, member(1), progress, count, &next, &to),
                     MEMBERSHIP_CHANGE);
    ck_assert_uint_eq(voters(&next), 2);
    ck_assert_ptr_null(members_find(&next, 5));

    actual = next;
    count = all_current(&actual, progress);
    progress[1].damaged = progress[1].anew = progress[2].damaged = progress[2].anew = true;
    ck_assert_int_eq(membership_next(&actual, &wished, member(1), progress, count, &next, &to),
                     MEMBERSHIP_CHANGE);
    ck_assert_uint_eq(voters(&next), 1);
    ck_assert_uint_eq(next.count, 3);
}
END_TEST

/* 4 and 5 are down: without 3 no majority would answer. */
START_TEST(no_voter_goes_whom_a_majority_needs)
{
    struct raft_config actual = CONFIG(member(1), member(2), member(3), member(4), member(5)), next;
    struct raft_progress progress[RAFT_MEMBERS_MAX];
    uint32_t count = all_current(&actual, progress);
    struct raft_member to;

    progress[1].damaged = progress[1].anew = progress[2].damaged = progress[2].anew = true;
    progress[3].offline = progress[4].offline = true;
    ck_assert_int_eq(membership_next(&actual, &actual, member(1), progress, count, &next, &to),
                     MEMBERSHIP_SETTLED);
}
END_TEST

/* Two of three are not wished for any more, and one of them is lost. With that one left in the
 * group the leader could do nothing any more. */
START_TEST(who_is_lost_goes_before_one_who_votes)
{
    struct raft_config actual = CONFIG(member(1), member(2), member(3)), wished = CONFIG(member(1)),
                       next;
    struct raft_progress progress[RAFT_MEMBERS_MAX];
    uint32_t count = all_current(&actual, progress);
    struct raft_member to;

    progress[2].offline = true;
    ck_assert_int_eq(membership_next(&actual, &wished, member(1), progress, count, &next, &to),
                     MEMBERSHIP_CHANGE);
    ck_assert_ptr_null(members_find(&next, 3));
    ck_assert_ptr_nonnull(members_find(&next, 2));

    actual = CONFIG(member(1), member(2), member(3), member(4), member(5));
    count = all_current(&actual, progress);
    progress[2].offline = progress[3].offline = true;
    wished = CONFIG(member(1), member(3), member(4));
    ck_assert_int_eq(membership_next(&actual, &wished, member(1), progress, count, &next, &to),
                     MEMBERSHIP_WAITS); /* without 2 or 5 there would be two of four */
}
END_TEST

START_TEST(an_earlier_life_of_a_node_goes_before_the_new_one_comes)
{
    struct raft_config actual = CONFIG(member(1), member(2), member(3)), wished = actual, next;
    struct raft_progress progress[RAFT_MEMBERS_MAX];
    struct raft_member to;

    wished.at[2].incarnation = 99;
    ck_assert_int_eq(membership_next(&actual, &wished, member(1), progress,
                                     all_current(&actual, progress), &next, &to),
                     MEMBERSHIP_CHANGE);
    ck_assert_uint_eq(next.count, 2);
    ck_assert_ptr_null(members_find(&next, 3));
    actual = next;
    ck_assert_int_eq(membership_next(&actual, &wished, member(1), progress,
                                     all_current(&actual, progress), &next, &to),
                     MEMBERSHIP_CHANGE);
    ck_assert_uint_eq(members_find(&next, 3)->incarnation, 99);
    ck_assert(members_find(&next, 3)->learner);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        a_members_record_is_read_as_it_was_written,
        members_without_a_voter_or_twice_the_same_are_refused,
        every_first_member_writes_the_same_beginning,
        a_renamed_server_knows_itself_by_its_disk,
        groups_grow_shrink_and_move_one_member_at_a_time,
        nobody_goes_before_the_newcomers_have_caught_up,
        who_lacks_something_does_not_keep_others_from_voting,
        where_nobody_could_lead_next_voters_go_until_the_leader_can_by_itself,
        no_voter_goes_whom_a_majority_needs,
        who_is_lost_goes_before_one_who_votes,
        an_earlier_life_of_a_node_goes_before_the_new_one_comes,
    };

    return UNIT_RUN_PLAIN("members", tests);
}
