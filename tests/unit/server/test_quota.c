/* What server/stream/quota.h promises. */
#include <pthread.h>

#include "base/prng.h"
#include "server/stream/quota.h"
#include "tests/unit/unit.h"

#define MOST 1000

static struct quota quota_under(struct quota_sum *server, struct quota_sum *account)
{
    struct quota quota = {0};

    if (server != NULL)
        quota.server = (struct quota_limit){server, MOST, 1};
    if (account != NULL)
        quota.account = (struct quota_limit){account, MOST, 3};
    return quota;
}

START_TEST(without_limits_nothing_is_refused_and_nothing_counts)
{
    struct quota quota = {0};

    ck_assert(!quota_counts(&quota));
    ck_assert_uint_eq(quota_take(&quota, UINT64_MAX / 2), 0);
}
END_TEST

START_TEST(a_limit_may_be_reached_and_not_passed)
{
    struct quota_sum server = {0};
    struct quota one = quota_under(&server, NULL), other = quota_under(&server, NULL);

    ck_assert_uint_eq(quota_take(&one, 600), 0);
    ck_assert_uint_eq(quota_take(&other, 401), 10023);
    ck_assert_uint_eq(quota_take(&other, 400), 0);
    ck_assert_uint_eq(quota_take(&one, 1), 10023);
    ck_assert_uint_eq(server.taken, MOST);
}
END_TEST

START_TEST(a_message_counts_in_the_account_for_each_replica)
{
    struct quota_sum server = {0}, account = {0};
    struct quota quota = quota_under(&server, &account);

    ck_assert_uint_eq(quota_take(&quota, 333), 0);
    ck_assert_uint_eq(account.taken, 999);
    ck_assert_uint_eq(quota_take(&quota, 1), 10002);
    ck_assert_uint_eq(account.taken, 999);
    ck_assert_uint_eq(server.taken, 333); /* what the account has refused is not in the server's */
}
END_TEST

START_TEST(an_account_without_such_a_tier_refuses_everything)
{
    struct quota_sum server = {0};
    struct quota quota = quota_under(&server, NULL);

    quota.refuses = 10120;
    ck_assert_uint_eq(quota_take(&quota, 1), 10120);
    ck_assert_uint_eq(server.taken, 0);
}
END_TEST

START_TEST(what_was_taken_and_not_stored_is_given_back_and_what_was_let_go_of_too)
{
    struct quota_sum server = {0}, account = {0};
    struct quota quota = quota_under(&server, &account);

    ck_assert_uint_eq(quota_take(&quota, 200), 0);
    ck_assert_uint_eq(quota_take(&quota, 100), 0);
    quota_settle(&quota, 200); /* a duplicate */
    ck_assert_uint_eq(server.taken, 200);
    ck_assert_uint_eq(account.taken, 600);
    quota_settle(&quota, 0); /* purged */
    ck_assert_uint_eq(server.taken, 0);
    ck_assert_uint_eq(account.taken, 0);
    quota_settle(&quota, 2000); /* others lead it: it is stored whatever the limit says */
    ck_assert_uint_eq(quota_take(&quota, 1), 10023);
}
END_TEST

/* ---- several threads ------------------------------------------------------------------------ */

#define THREADS 3u
#define ROUNDS  20000u

struct publisher {
    pthread_t thread;
    struct quota quota;
    struct prng prng;
    _Atomic uint64_t *stored; /* of all: what the limit is about */
    uint64_t own;
    bool passed;
};

static void *publish(void *of)
{
    struct publisher *publisher = of;

    for (unsigned i = 0; i < ROUNDS; i++) {
        uint64_t size = 1 + prng_below(&publisher->prng, 300);

        if (quota_take(&publisher->quota, size) == 0) {
            publisher->passed |= atomic_fetch_add(publisher->stored, size) + size > MOST;
            publisher->own += size;
        } else { /* it lets go of what it has, and says so when that is gone */
            atomic_fetch_sub(publisher->stored, publisher->own);
            publisher->own = 0;
        }
        quota_settle(&publisher->quota, publisher->own);
    }
    return NULL;
}

START_TEST(whoever_asks_at_once_what_is_stored_is_never_above_the_limit)
{
    struct quota_sum server = {0};
    _Atomic uint64_t stored = 0;
    struct publisher publishers[THREADS] = {0};
    uint64_t own = 0;

    for (unsigned i = 0; i < THREADS; i++) {
        publishers[i].quota = quota_under(&server, NULL);
        publishers[i].stored = &stored;
        prng_seed(&publishers[i].prng, i);
        ck_assert_int_eq(pthread_create(&publishers[i].thread, NULL, publish, &publishers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(publishers[i].thread, NULL);
        ck_assert(!publishers[i].passed);
        own += publishers[i].own;
    }
    ck_assert_uint_eq(server.taken, own);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        without_limits_nothing_is_refused_and_nothing_counts,
        a_limit_may_be_reached_and_not_passed,
        a_message_counts_in_the_account_for_each_replica,
        an_account_without_such_a_tier_refuses_everything,
        what_was_taken_and_not_stored_is_given_back_and_what_was_let_go_of_too,
        whoever_asks_at_once_what_is_stored_is_never_above_the_limit,
    };

    return UNIT_RUN_PLAIN("quota", tests);
}
