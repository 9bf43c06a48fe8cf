#include "tests/unit/consumers/fake.h"

/* Six messages, one a second from FAKE_WALL + 1 s on: a b a c b a. Sequence 4 is gone when
 * asked. */
static struct fake *stored(void)
{
    static const char *const subjects[] = {"k.a", "k.b", "k.a", "k.c", "k.b", "k.a"};
    struct fake *fake = fake_create();

    for (size_t i = 0; i < UNIT_COUNT(subjects); i++) {
        fake->log_now_ns += FAKE_SECOND;
        fake_store(fake, subjects[i]);
    }
    return fake;
}

static struct fake *started(int32_t policy, const char *filter)
{
    struct fake *fake = stored();

    fake->config.deliver_policy = policy;
    fake->config.filter_subject = bytes_of_text(filter);
    fake_lead(fake);
    return fake;
}

/* Everything there is, as "1 3 6"; the pending count must fall to 0 on the last. */
static void expect_all(struct fake *fake, const char *sequences)
{
    uint64_t count = fake_info(fake).num_pending;
    char text[256] = "";
    size_t size = 0;

    fake_pull(fake, "in.1", "100");
    fake_turn(fake);
    for (char *line = strtok((char *)fake_asked(fake), "\n"); line != NULL;
         line = strtok(NULL, "\n")) {
        unsigned long long sequence, deliveries, consumer, pending;

        ck_assert_int_eq(sscanf(line, "%llu>in.1 d%llu c%llu p%llu", &sequence, &deliveries,
                                &consumer, &pending),
                         4);
        ck_assert_uint_eq(deliveries, 1);
        ck_assert_uint_eq(pending, --count);
        size += (size_t)snprintf(text + size, sizeof(text) - size, "%s%llu", size > 0 ? " " : "",
                                 sequence);
    }
    ck_assert_str_eq(text, sequences);
    ck_assert_uint_eq(count, 0);
    fake_destroy(fake);
}

static void expect_start(struct fake *fake, uint64_t delivered)
{
    struct consumer_info info = fake_info(fake);

    ck_assert_uint_eq(info.delivered_stream, delivered);
    ck_assert_uint_eq(info.floor_stream, delivered);
    ck_assert_uint_eq(info.delivered_consumer, 0);
    ck_assert_uint_eq(info.floor_consumer, 0);
    ck_assert_uint_eq(consumer_position(fake->consumer), delivered + 1);
}

START_TEST(all_starts_with_the_first)
{
    expect_all(started(DELIVER_ALL, ""), "1 2 3 4 5 6");
    expect_all(started(DELIVER_ALL, "k.b"), "2 5");
    expect_all(started(DELIVER_ALL, "k.*"), "1 2 3 4 5 6");
    expect_all(started(DELIVER_ALL, "other"), "");
}
END_TEST

START_TEST(last_starts_with_the_last_that_matches)
{
    struct fake *fake = started(DELIVER_LAST, "k.b");

    expect_start(fake, 4);
    expect_all(fake, "5");
    expect_all(started(DELIVER_LAST, ""), "6");
    expect_all(started(DELIVER_LAST, "other"), "");
}
END_TEST

START_TEST(last_over_several_filters_is_the_highest)
{
    struct bytes filters[] = {BYTES("k.c"), BYTES("k.b")};
    struct fake *fake = stored();

    fake->config.deliver_policy = DELIVER_LAST;
    fake->config.filter_subjects = (struct schema_strings){filters, 2};
    fake_lead(fake);
    expect_start(fake, 4);
    expect_all(fake, "5");
}
END_TEST

START_TEST(new_starts_behind_the_last)
{
    struct fake *fake = started(DELIVER_NEW, "k.a");

    expect_start(fake, 6);
    fake_store(fake, "k.b");
    fake_store(fake, "k.a");
    expect_all(fake, "8");
}
END_TEST

static struct fake *started_at(uint64_t sequence)
{
    struct fake *fake = stored();

    fake_remove(fake, 1);
    fake->config.deliver_policy = DELIVER_BY_START_SEQUENCE;
    fake->config.opt_start_seq = sequence;
    fake_lead(fake);
    return fake;
}

START_TEST(a_start_sequence_below_the_first_starts_with_the_first)
{
    struct fake *fake = started_at(1);

    expect_start(fake, 1);
    expect_all(fake, "2 3 4 5 6");
    expect_all(started_at(4), "4 5 6");
}
END_TEST

START_TEST(a_start_sequence_beyond_the_last_is_waited_for)
{
    struct fake *fake = started_at(9);

    expect_start(fake, 8);
    ck_assert_uint_eq(fake_info(fake).num_pending, 0);
    fake_pull(fake, "in.2", "9");
    for (size_t i = 0; i < 4; i++)
        fake_store(fake, "k.a");
    ck_assert_uint_eq(fake_info(fake).num_pending, 2);
    fake_turn(fake);
    EXPECT(fake, "9>in.2 d1 c1 p1\n"
                 "10>in.2 d1 c2 p0\n");
    fake_destroy(fake);
}
END_TEST

static struct fake *started_then(int64_t time_ns, const char *filter)
{
    struct fake *fake = stored();

    fake->config.deliver_policy = DELIVER_BY_START_TIME;
    fake->config.opt_start_time_ns = time_ns;
    fake->config.filter_subject = bytes_of_text(filter);
    fake_lead(fake);
    return fake;
}

START_TEST(a_start_time_starts_with_the_first_at_or_after_it)
{
    struct fake *fake = started_then(FAKE_WALL + 7 * FAKE_SECOND, "");

    expect_start(fake, 6);
    expect_all(fake, "");
    expect_all(started_then(FAKE_WALL + 3 * FAKE_SECOND, ""), "3 4 5 6");
    expect_all(started_then(FAKE_WALL + 3 * FAKE_SECOND + 1, ""), "4 5 6");
    expect_all(started_then(0, "k.b"), "2 5");
}
END_TEST

/* As observed: the start shown is that of the first match. */
START_TEST(a_filtered_start_time_shows_the_first_match)
{
    struct fake *fake = started_then(0, "k.c");

    expect_start(fake, 3);
    expect_all(fake, "4");
}
END_TEST

START_TEST(a_stream_that_was_never_used_starts_at_one)
{
    static const int32_t policies[] = {DELIVER_ALL, DELIVER_LAST, DELIVER_NEW,
                                       DELIVER_BY_START_TIME, DELIVER_LAST_PER_SUBJECT};

    for (size_t i = 0; i < UNIT_COUNT(policies); i++) {
        struct fake *fake = fake_create();

        fake->config.deliver_policy = policies[i];
        fake->config.opt_start_time_ns = 0;
        fake_lead(fake);
        expect_start(fake, 0);
        fake_store(fake, "k.a");
        expect_all(fake, "1");
    }
}
END_TEST

START_TEST(last_per_subject_hands_out_the_newest_of_each_and_goes_on)
{
    struct fake *fake = started(DELIVER_LAST_PER_SUBJECT, "k.*");

    ck_assert_uint_eq(fake_info(fake).num_pending, 3);
    fake_pull(fake, "in.1", "9");
    fake_turn(fake);
    EXPECT(fake, "4>in.1 d1 c1 p2\n"
                 "5>in.1 d1 c2 p1\n"
                 "6>in.1 d1 c3 p0\n");
    fake_store(fake, "k.c");
    fake_turn(fake);
    EXPECT(fake, "7>in.1 d1 c4 p0\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(last_per_subject_keeps_to_the_moment_of_its_creation)
{
    struct fake *fake = started(DELIVER_LAST_PER_SUBJECT, "k.*");

    fake_store(fake, "k.c"); /* comes after the snapshot, and the snapshot's k.c comes, too */
    expect_all(fake, "4 5 6 7");
}
END_TEST

START_TEST(last_per_subject_under_a_limit_of_one_value_hands_out_each_once)
{
    struct fake *fake = stored();

    fake_remove(fake, 1);
    fake_remove(fake, 2);
    fake_remove(fake, 3);
    fake->config.deliver_policy = DELIVER_LAST_PER_SUBJECT;
    fake->config.filter_subject = BYTES("k.*");
    fake_lead(fake);
    ck_assert_uint_eq(fake_info(fake).num_pending, 3);
    fake_store(fake, "k.c");
    fake_remove(fake, 4); /* the new value displaced it */
    ck_assert_uint_eq(fake_info(fake).num_pending, 3);
    expect_all(fake, "5 6 7");
}
END_TEST

/* As observed: the position shown is just before the first that will come. */
START_TEST(last_per_subject_starts_with_the_oldest_of_the_newest)
{
    struct fake *fake = started(DELIVER_LAST_PER_SUBJECT, "k.*");

    expect_start(fake, 3);
    expect_all(fake, "4 5 6");
    fake = started(DELIVER_LAST_PER_SUBJECT, "other"); /* nothing: the reference, too, says so */
    expect_start(fake, 5);
    expect_all(fake, "");
}
END_TEST

START_TEST(a_snapshot_message_that_leaves_hands_over_to_the_one_before)
{
    struct fake *fake = fake_create();

    fake_store(fake, "k.a");
    fake_store(fake, "k.b");
    fake_store(fake, "k.b");
    fake->config.deliver_policy = DELIVER_LAST_PER_SUBJECT;
    fake->config.filter_subject = BYTES("k.*");
    fake_lead(fake);
    ck_assert_uint_eq(fake_info(fake).num_pending, 2);
    fake_remove(fake, 3);
    ck_assert_uint_eq(fake_info(fake).num_pending, 2);
    expect_all(fake, "1 2");
}
END_TEST

START_TEST(a_snapshot_message_that_leaves_late_is_not_made_up_for)
{
    struct fake *fake = started(DELIVER_LAST_PER_SUBJECT, "k.*");

    fake_pull(fake, "in.2", "1");
    fake_turn(fake);
    EXPECT(fake, "4>in.2 d1 c1 p2\n");
    fake_remove(fake, 6); /* 3 is behind what was delivered */
    ck_assert_uint_eq(fake_info(fake).num_pending, 1);
    fake_pull(fake, "in.2", "9");
    fake_turn(fake);
    EXPECT(fake, "5>in.2 d1 c2 p0\n");
    fake_destroy(fake);
}
END_TEST

/* The search for the newest goes on where it stopped, unless what it passed becomes the newest. */
START_TEST(a_snapshot_message_that_leaves_while_the_search_is_behind_it_is_made_up_for)
{
    struct fake *fake = fake_create();

    fake_store(fake, "k.first");
    fake_store_many(fake, "k.a", 5000);
    fake->config.deliver_policy = DELIVER_LAST_PER_SUBJECT;
    fake->config.filter_subject = BYTES("k.*");
    fake_lead(fake);
    fake_pull(fake, "in.1", "9");
    fake_work(fake); /* as far as one call looks */
    fake_apply(fake);
    EXPECT(fake, "1>in.1 d1 c1 p1\n");
    for (uint64_t sequence = 5001; sequence > 3000; sequence--)
        fake_remove(fake, sequence);
    ck_assert_uint_eq(fake_info(fake).num_pending, 1);
    fake_turn(fake);
    EXPECT(fake, "3000>in.1 d1 c2 p0\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(a_snapshot_survives_a_restart)
{
    struct fake *fake = started(DELIVER_LAST_PER_SUBJECT, "k.*");

    fake_pull(fake, "in.2", "1");
    fake_turn(fake);
    fake_store(fake, "k.b");
    fake_restart(fake);
    ck_assert_uint_eq(fake_info(fake).num_pending, 3);
    (void)fake_asked(fake);
    fake_pull(fake, "in.2", "9");
    fake_turn(fake);
    EXPECT(fake, "5>in.2 d1 c2 p2\n"
                 "6>in.2 d1 c3 p1\n"
                 "7>in.2 d1 c4 p0\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(several_filters_deliver_each_message_once_in_stream_order)
{
    struct bytes filters[] = {BYTES("k.b"), BYTES("*.a")};
    struct fake *fake = stored();

    fake->config.filter_subjects = (struct schema_strings){filters, 2};
    fake_lead(fake);
    expect_all(fake, "1 2 3 5 6");
}
END_TEST

/* Not tried one by one then. */
START_TEST(many_filters_take_what_each_takes_also_after_a_change)
{
    struct bytes filters[] = {BYTES("a.1"),   BYTES("a.2"),   BYTES("b.*.c"), BYTES("c.>"),
                              BYTES("d.e.f"), BYTES("k.b.c"), BYTES("k.b"),   BYTES("*.a"),
                              BYTES("k.b.>"), BYTES("z")};
    struct fake *fake = stored();
    struct consumer_config config;

    fake->config.filter_subjects = (struct schema_strings){filters, 10};
    fake_lead(fake);
    ck_assert_ptr_nonnull(consumer_filter(fake->consumer).set);
    ck_assert_uint_eq(fake_info(fake).num_pending, 5);
    fake_store(fake, "k.b");
    fake_store(fake, "k.c");
    ck_assert_uint_eq(fake_info(fake).num_pending, 6);
    config = fake->config;
    filters[6] = BYTES("k.c");
    consumer_update(fake->consumer, fake->now_ns, fake->log_now_ns, &config);
    ck_assert_uint_eq(fake_info(fake).num_pending, 5);
    fake_store(fake, "k.c");
    ck_assert_uint_eq(fake_info(fake).num_pending, 6);
    expect_all(fake, "1 3 4 6 8 9");
}
END_TEST

START_TEST(a_filter_of_everything_filters_nothing)
{
    struct fake *fake = started(DELIVER_ALL, ">");

    ck_assert_uint_eq(consumer_filter(fake->consumer).count, 0);
    expect_all(fake, "1 2 3 4 5 6");
}
END_TEST

START_TEST(pending_follows_what_is_stored_and_removed)
{
    struct fake *fake = started(DELIVER_ALL, "k.a");

    ck_assert_uint_eq(fake_info(fake).num_pending, 3);
    fake_store(fake, "k.a");
    fake_store(fake, "k.b");
    ck_assert_uint_eq(fake_info(fake).num_pending, 4);
    fake_remove(fake, 3);
    fake_remove(fake, 2);
    ck_assert_uint_eq(fake_info(fake).num_pending, 3);
    fake_pull(fake, "in.1", "1");
    fake_turn(fake);
    EXPECT(fake, "1>in.1 d1 c1 p2\n");
    fake_remove(fake, 1); /* delivered: not pending any more */
    (void)fake_asked(fake);
    ck_assert_uint_eq(fake_info(fake).num_pending, 2);
    expect_all(fake, "6 7");
}
END_TEST

START_TEST(a_follower_counts_pending_too)
{
    struct fake *fake = stored();

    fake->config.filter_subject = BYTES("k.a");
    fake_consumer(fake);
    ck_assert_uint_eq(fake_info(fake).num_pending, 3);
    fake_store(fake, "k.a");
    ck_assert_uint_eq(fake_info(fake).num_pending, 4);
    fake_destroy(fake);
}
END_TEST

START_TEST(redeliveries_leave_pending_as_it_is)
{
    struct fake *fake = started(DELIVER_ALL, "k.a");

    fake_pull(fake, "in.1", "1");
    fake_turn(fake);
    fake_ack(fake, 1, "-NAK", "");
    (void)fake_asked(fake);
    fake_pull(fake, "in.1", "2");
    fake_turn(fake);
    EXPECT(fake, "1>in.1 d2 c2 p2\n"
                 "3>in.1 d1 c3 p1\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(a_changed_filter_keeps_the_position_and_counts_again)
{
    struct fake *fake = started(DELIVER_ALL, "k.a");
    struct consumer_config config = fake->config;

    fake_pull(fake, "in.1", "2");
    fake_turn(fake);
    EXPECT(fake, "1>in.1 d1 c1 p2\n"
                 "3>in.1 d1 c2 p1\n");
    config.filter_subject = BYTES("k.b");
    consumer_update(fake->consumer, fake->now_ns, fake->log_now_ns, &config);
    ck_assert_uint_eq(fake_info(fake).num_pending, 1);
    fake_acks(fake, 1, 1);
    fake_acks(fake, 3, 3);
    expect_all(fake, "5");
}
END_TEST

/* The messages of the old filter are not handed out, and none of the new filter's is passed
 * over. */
START_TEST(a_hand_out_that_meets_a_newer_config_is_void)
{
    struct fake *fake = started(DELIVER_ALL, "k.a");
    struct consumer_config config = fake->config;

    fake_pull(fake, "in.1", "9");
    fake_work(fake);
    config.filter_subject = BYTES("k.b");
    consumer_update(fake->consumer, fake->now_ns, fake->log_now_ns, &config);
    fake_turn(fake);
    EXPECT(fake, "2>in.1 d1 c1 p1\n"
                 "5>in.1 d1 c2 p0\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(original_speed_keeps_the_distances_between_messages)
{
    struct fake *fake = stored();

    fake->config.replay_policy = REPLAY_ORIGINAL;
    fake->config.ack_policy = ACK_NONE;
    fake_lead(fake);
    fake_pull(fake, "in.1", "9");
    fake_turn(fake);
    EXPECT(fake, "1>in.1 d1 c1 p5\n");
    fake_pass(fake, FAKE_SECOND - 1);
    EXPECT(fake, "");
    fake_pass(fake, 1);
    EXPECT(fake, "2>in.1 d1 c2 p4\n");
    fake_pass(fake, 4 * FAKE_SECOND);
    EXPECT(fake, "3>in.1 d1 c3 p3\n"
                 "4>in.1 d1 c4 p2\n"
                 "5>in.1 d1 c5 p1\n"
                 "6>in.1 d1 c6 p0\n");
    fake->log_now_ns += 100 * FAKE_SECOND;
    fake_store(fake, "k.a"); /* beyond where it began: at once */
    fake_turn(fake);
    EXPECT(fake, "7>in.1 d1 c7 p0\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(headers_only_is_asked_for_with_each_delivery)
{
    struct fake *fake = stored();

    fake->config.headers_only = true;
    fake_lead(fake);
    fake_pull(fake, "in.1", "1");
    fake_turn(fake);
    EXPECT(fake, "1>in.1 d1 c1 p5 headers\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(an_idle_consumer_does_not_search_again)
{
    struct fake *fake = started(DELIVER_ALL, "k.b");
    uint64_t looked_up;

    fake_pull(fake, "in.1", "9");
    fake_turn(fake);
    looked_up = fake->looked_up;
    for (size_t i = 0; i < 10; i++) {
        fake_store(fake, "k.a");
        fake_turn(fake);
    }
    ck_assert_uint_eq(fake->looked_up, looked_up);
    fake_destroy(fake);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        all_starts_with_the_first,
        last_starts_with_the_last_that_matches,
        last_over_several_filters_is_the_highest,
        new_starts_behind_the_last,
        a_start_sequence_below_the_first_starts_with_the_first,
        a_start_sequence_beyond_the_last_is_waited_for,
        a_start_time_starts_with_the_first_at_or_after_it,
        a_filtered_start_time_shows_the_first_match,
        a_stream_that_was_never_used_starts_at_one,
        last_per_subject_hands_out_the_newest_of_each_and_goes_on,
        last_per_subject_keeps_to_the_moment_of_its_creation,
        last_per_subject_under_a_limit_of_one_value_hands_out_each_once,
        last_per_subject_starts_with_the_oldest_of_the_newest,
        a_snapshot_message_that_leaves_hands_over_to_the_one_before,
        a_snapshot_message_that_leaves_late_is_not_made_up_for,
        a_snapshot_message_that_leaves_while_the_search_is_behind_it_is_made_up_for,
        a_snapshot_survives_a_restart,
        several_filters_deliver_each_message_once_in_stream_order,
        many_filters_take_what_each_takes_also_after_a_change,
        a_filter_of_everything_filters_nothing,
        pending_follows_what_is_stored_and_removed,
        a_follower_counts_pending_too,
        redeliveries_leave_pending_as_it_is,
        a_changed_filter_keeps_the_position_and_counts_again,
        a_hand_out_that_meets_a_newer_config_is_void,
        original_speed_keeps_the_distances_between_messages,
        headers_only_is_asked_for_with_each_delivery,
        an_idle_consumer_does_not_search_again,
    };

    return UNIT_RUN_PLAIN("start", tests);
}
