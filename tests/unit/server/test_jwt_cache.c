#include "server/resolver/jwt_cache.h"

#include <stdio.h>

#include "base/prng.h"
#include "tests/unit/unit.h"

#define NAMES 12u
#define ROOM  64u

static struct jwt_cache cache;
static char names[NAMES][NKEY_TEXT_SIZE + 1];

static void begin(size_t limit)
{
    jwt_cache_init(&cache, limit, 7);
    for (unsigned i = 0; i < NAMES; i++)
        snprintf(names[i], sizeof(names[i]), "A%0*u", (int)NKEY_TEXT_SIZE - 1, i);
}

static struct bytes name(unsigned i)
{
    return bytes_of(names[i], NKEY_TEXT_SIZE);
}

static void put(unsigned i, int64_t until_ns)
{
    jwt_cache_put(&cache, name(i), until_ns);
}

/* Those that it has, a letter each. */
static const char *all(void)
{
    static char text[NAMES + 1];
    size_t size = 0;

    for (unsigned i = 0; i < NAMES; i++)
        if (jwt_cache_has(&cache, name(i)))
            text[size++] = (char)('a' + i);
    text[size] = 0;
    return text;
}

START_TEST(above_the_limit_the_one_goes_that_was_put_least_recently)
{
    char out[NKEY_TEXT_SIZE];

    begin(2);
    put(0, INT64_MAX);
    put(1, INT64_MAX);
    ck_assert(!jwt_cache_evict(&cache, out));
    put(0, INT64_MAX);
    put(2, INT64_MAX);
    ck_assert(jwt_cache_evict(&cache, out));
    ck_assert(bytes_equal(bytes_of(out, NKEY_TEXT_SIZE), name(1)));
    ck_assert(!jwt_cache_evict(&cache, out));
    ck_assert_str_eq(all(), "ac");
    jwt_cache_deinit(&cache);
}
END_TEST

START_TEST(each_stays_until_its_time_which_a_later_put_changes)
{
    char out[ROOM][NKEY_TEXT_SIZE];

    begin(10);
    put(0, 100);
    put(1, 50);
    put(2, INT64_MAX);
    ck_assert_uint_eq(jwt_cache_expire(&cache, 49, out, ROOM), 0);
    ck_assert_uint_eq(jwt_cache_expire(&cache, 50, out, ROOM), 1);
    ck_assert(bytes_equal(bytes_of(out[0], NKEY_TEXT_SIZE), name(1)));
    put(0, 200);
    ck_assert_uint_eq(jwt_cache_expire(&cache, 199, out, ROOM), 0);
    ck_assert_str_eq(all(), "ac");
    ck_assert_uint_eq(jwt_cache_expire(&cache, INT64_MAX - 1, out, ROOM), 1);
    ck_assert_str_eq(all(), "c");
    jwt_cache_deinit(&cache);
}
END_TEST

START_TEST(of_those_whose_time_is_over_no_more_are_taken_out_than_there_is_room_for)
{
    char out[2][NKEY_TEXT_SIZE];

    begin(10);
    for (unsigned i = 0; i < 5; i++)
        put(i, 1);
    ck_assert_uint_eq(jwt_cache_expire(&cache, 1, out, 2), 2);
    ck_assert_str_eq(all(), "cde");
    ck_assert_uint_eq(jwt_cache_expire(&cache, 1, out, 2), 2);
    ck_assert_uint_eq(jwt_cache_expire(&cache, 1, out, 2), 1);
    ck_assert_str_eq(all(), "");
    jwt_cache_deinit(&cache);
}
END_TEST

/* The same by a plain array: when each was put last (0: it is not there), and until when. */
struct plain {
    uint64_t put[NAMES];
    int64_t until_ns[NAMES];
    uint64_t clock;
};

static size_t plain_count(const struct plain *plain)
{
    size_t count = 0;

    for (unsigned i = 0; i < NAMES; i++)
        count += plain->put[i] != 0;
    return count;
}

static unsigned plain_oldest(const struct plain *plain)
{
    unsigned oldest = NAMES;

    for (unsigned i = 0; i < NAMES; i++)
        if (plain->put[i] != 0 && (oldest == NAMES || plain->put[i] < plain->put[oldest]))
            oldest = i;
    return oldest;
}

static void put_both(struct plain *plain, unsigned i, int64_t until_ns)
{
    char out[NKEY_TEXT_SIZE];

    put(i, until_ns);
    plain->put[i] = ++plain->clock;
    plain->until_ns[i] = until_ns;
    while (plain_count(plain) > cache.limit) {
        unsigned oldest = plain_oldest(plain);

        ck_assert(jwt_cache_evict(&cache, out));
        ck_assert(bytes_equal(bytes_of(out, NKEY_TEXT_SIZE), name(oldest)));
        plain->put[oldest] = 0;
    }
    ck_assert(!jwt_cache_evict(&cache, out));
}

static void expire_both(struct plain *plain, int64_t now_ns)
{
    char out[ROOM][NKEY_TEXT_SIZE];
    size_t count = 0;

    for (unsigned i = 0; i < NAMES; i++) {
        if (plain->put[i] == 0 || plain->until_ns[i] > now_ns)
            continue;
        plain->put[i] = 0;
        count++;
    }
    ck_assert_uint_eq(jwt_cache_expire(&cache, now_ns, out, ROOM), count);
}

START_TEST(whatever_is_asked_of_it_it_has_what_a_plain_array_has)
{
    struct plain plain = {0};
    struct prng prng;

    prng_seed(&prng, 7);
    begin(5);
    for (int64_t step = 0; step < 20000; step++) {
        unsigned i = (unsigned)prng_below(&prng, NAMES);

        switch (prng_below(&prng, 8)) {
        case 0:
            jwt_cache_drop(&cache, name(i));
            plain.put[i] = 0;
            break;
        case 1: expire_both(&plain, step); break;
        default: put_both(&plain, i, step + (int64_t)prng_below(&prng, 30));
        }
        ck_assert_uint_eq(cache.all.count, plain_count(&plain));
        for (unsigned n = 0; n < NAMES; n++)
            ck_assert(jwt_cache_has(&cache, name(n)) == (plain.put[n] != 0));
    }
    jwt_cache_deinit(&cache);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        above_the_limit_the_one_goes_that_was_put_least_recently,
        each_stays_until_its_time_which_a_later_put_changes,
        of_those_whose_time_is_over_no_more_are_taken_out_than_there_is_room_for,
        whatever_is_asked_of_it_it_has_what_a_plain_array_has,
    };

    return UNIT_RUN_PLAIN("jwt_cache", tests);
}
