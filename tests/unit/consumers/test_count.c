/* What is left for a consumer is counted in parts, while its stream goes on changing. */
#include "tests/unit/consumers/fake.h"

#include "consumers/machine.h"

/* More than a few messages are more work than one part. */
static bool count(void *owner, const struct consumer_filter *filter, uint64_t from,
                  uint64_t snapshot, uint64_t *found)
{
    struct fake *fake = owner;

    (void)filter;
    (void)snapshot;
    *found = 0;
    return from > fake->last;
}

/* Looks at two messages. */
static bool count_part(void *owner, const struct consumer_filter *filter, uint64_t snapshot,
                       uint64_t *next, uint64_t *found)
{
    struct consumer_message message;
    struct fake *fake = owner;

    for (unsigned looked = 0; looked < 2; looked++) {
        if (*next > fake->last)
            return true;
        if (fake_message_at(fake, *next, &message) && fake_takes(filter, message.subject) &&
            (*next > snapshot || fake_is_last(fake, *next, snapshot)))
            ++*found;
        ++*next;
    }
    return *next > fake->last;
}

static unsigned asked; /* to call consumer_count_part */

static void counting(void *owner)
{
    (void)owner;
    asked++;
}

static struct fake *counter(void)
{
    struct fake *fake = fake_create();

    asked = 0;
    fake->stream.count = count;
    fake->stream.count_part = count_part;
    fake->out.counting = counting;
    return fake;
}

static uint64_t truth(struct fake *fake)
{
    return count_from_stream(fake->consumer);
}

static void change(struct fake *fake, struct prng *prng)
{
    static const char *const subjects[] = {"k.a", "k.b", "k.c", "other"};

    if (prng_below(prng, 2) == 0)
        fake_store(fake, subjects[prng_below(prng, 4)]);
    else
        fake_remove(fake, 1 + prng_below(prng, fake->last));
}

/* Of a consumer of that policy, which rests or does not, whatever comes between the parts. */
static void counts_right(enum deliver_policy policy, bool rests)
{
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct fake *fake = counter();
        struct prng prng;

        prng_seed(&prng, seed);
        fake->config.deliver_policy = policy;
        fake->config.filter_subject = BYTES("k.*");
        if (!rests)
            fake->config.inactive_threshold_ns = 1000 * FAKE_SECOND;
        for (unsigned i = 0; i < 40; i++)
            fake_store(fake, i % 4 == 3 ? "other" : i % 3 == 0 ? "k.a" : "k.b");
        fake_lead(fake);
        ck_assert_int_eq(consumer_resting(fake->consumer), rests);
        ck_assert(!consumer_is_counted(fake->consumer));
        ck_assert_uint_eq(asked, 1);
        do
            for (uint64_t changes = prng_below(&prng, 4); changes > 0; changes--)
                change(fake, &prng);
        while (!consumer_count_part(fake->consumer));
        for (unsigned i = 0; i < 50; i++) {
            ck_assert(consumer_is_counted(fake->consumer));
            ck_assert_uint_eq(fake_info(fake).num_pending, truth(fake));
            change(fake, &prng);
        }
        ck_assert_uint_eq(asked, 1);
        ck_assert_int_eq(consumer_resting(fake->consumer), rests);
        fake_destroy(fake);
    }
}

START_TEST(the_count_is_right_whatever_changes_meanwhile_and_afterwards)
{
    counts_right(DELIVER_ALL, false);
}
END_TEST

START_TEST(so_it_is_of_one_that_rests)
{
    counts_right(DELIVER_ALL, true);
}
END_TEST

START_TEST(so_it_is_of_the_newest_of_each_subject)
{
    counts_right(DELIVER_LAST_PER_SUBJECT, false);
    counts_right(DELIVER_LAST_PER_SUBJECT, true);
}
END_TEST

START_TEST(nothing_is_handed_out_before_it_is_counted)
{
    struct fake *fake = counter();

    fake_store_many(fake, "k.a", 9);
    fake_lead(fake);
    fake_pull(fake, "in.a", "2");
    fake_turn(fake);
    ck_assert_str_eq(fake_asked(fake), "");
    ck_assert_int_eq(consumer_hold(fake->consumer), HOLD_COUNTING);
    while (!consumer_count_part(fake->consumer))
        ;
    fake_turn(fake);
    ck_assert_str_eq(fake_asked(fake), "1>in.a d1 c1 p8\n2>in.a d1 c2 p7\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(a_request_that_does_not_wait_waits_for_the_count)
{
    struct fake *fake = counter();

    fake->config.filter_subject = BYTES("none");
    fake_store_many(fake, "k.a", 9);
    fake_lead(fake);
    fake_pull(fake, "in.a", "{\"batch\":2,\"no_wait\":true}");
    fake_turn(fake);
    ck_assert_str_eq(fake_asked(fake), "");
    while (!consumer_count_part(fake->consumer))
        ;
    fake_turn(fake);
    ck_assert_ptr_nonnull(strstr(fake_asked(fake), "404 No Messages"));
    fake_destroy(fake);
}
END_TEST

START_TEST(who_follows_counts_no_more)
{
    struct fake *fake = counter();

    fake_store_many(fake, "k.a", 9);
    fake_lead(fake);
    ck_assert(!consumer_is_counted(fake->consumer));
    consumer_follow(fake->consumer);
    ck_assert(consumer_count_part(fake->consumer));
    ck_assert(consumer_is_counted(fake->consumer));
    consumer_lead(fake->consumer, fake->now_ns, fake->log_now_ns);
    ck_assert(!consumer_is_counted(fake->consumer));
    ck_assert_uint_eq(asked, 2);
    fake_destroy(fake);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        the_count_is_right_whatever_changes_meanwhile_and_afterwards,
        so_it_is_of_one_that_rests,
        so_it_is_of_the_newest_of_each_subject,
        nothing_is_handed_out_before_it_is_counted,
        a_request_that_does_not_wait_waits_for_the_count,
        who_follows_counts_no_more,
    };

    return UNIT_RUN_PLAIN("count", tests);
}
