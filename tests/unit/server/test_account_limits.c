#include "server/api/account_limits.h"

#include "tests/unit/unit.h"

static const struct account_jetstream_options open_limits = {
    .memory_max = -1,
    .store_max = -1,
    .streams_max = -1,
    .consumers_max = -1,
    .ack_pending_max = -1,
    .memory_stream_bytes_max = -1,
    .store_stream_bytes_max = -1,
};
static const struct jetstream_options open_server = {
    .memory_max = -1, .store_max = -1, .ack_pending_max = -1};

struct question {
    struct account_jetstream_options limits;
    struct jetstream_options server;
    struct account_usage usage, all;
    struct stream_config config;
    const struct stream_config *before;
};

static struct question question_of(int32_t storage, int64_t max_bytes)
{
    return (struct question){.limits = open_limits,
                             .server = open_server,
                             .config = {.storage = storage, .max_bytes = max_bytes}};
}

static uint16_t ask(const struct question *q)
{
    return account_check_stream(&q->limits, &q->server, &q->usage, &q->all, &q->config, q->before);
}

START_TEST(without_limits_everything_fits)
{
    struct question q = question_of(STORAGE_FILE, -1);

    q.usage.streams = 1000;
    ck_assert_uint_eq(ask(&q), 0);
    q.config.max_bytes = INT64_MAX;
    ck_assert_uint_eq(ask(&q), 0);
}
END_TEST

START_TEST(the_number_of_streams_binds_new_ones_only)
{
    struct question q = question_of(STORAGE_FILE, -1);

    q.limits.streams_max = 2;
    q.usage.streams = 1;
    ck_assert_uint_eq(ask(&q), 0);
    q.usage.streams = 2;
    ck_assert_uint_eq(ask(&q), 10027);
    q.before = &q.config;
    ck_assert_uint_eq(ask(&q), 0);
}
END_TEST

START_TEST(a_size_may_be_required_and_bounded)
{
    struct question q = question_of(STORAGE_FILE, -1);

    q.limits.bytes_required = true;
    ck_assert_uint_eq(ask(&q), 10113);
    q.limits.store_stream_bytes_max = 100;
    q.config.max_bytes = 101;
    ck_assert_uint_eq(ask(&q), 10122);
    q.config.storage = STORAGE_MEMORY;
    ck_assert_uint_eq(ask(&q), 0);
    q.limits.memory_stream_bytes_max = 100;
    ck_assert_uint_eq(ask(&q), 10122);
}
END_TEST

START_TEST(what_is_reserved_fits_the_account_and_the_server)
{
    for (int32_t storage = STORAGE_FILE; storage <= STORAGE_MEMORY; storage++) {
        uint16_t error = storage == STORAGE_FILE ? 10047 : 10028;
        struct question q = question_of(storage, 60);

        q.limits.store_max = q.limits.memory_max = 100;
        q.usage.reserved_store = q.usage.reserved_memory = 40;
        ck_assert_uint_eq(ask(&q), 0);
        q.config.max_bytes = 61;
        ck_assert_uint_eq(ask(&q), error);
        q.limits = open_limits;
        ck_assert_uint_eq(ask(&q), 0);
        q.server.store_max = q.server.memory_max = 100;
        q.all.reserved_store = q.all.reserved_memory = 40;
        ck_assert_uint_eq(ask(&q), error);
    }
}
END_TEST

START_TEST(an_update_reserves_what_it_adds)
{
    const struct stream_config before = {.max_bytes = 90};
    struct question q = question_of(STORAGE_FILE, 100);

    q.limits.store_max = 100;
    q.usage.reserved_store = 90;
    q.before = &before;
    ck_assert_uint_eq(ask(&q), 0);
    q.config.max_bytes = 101;
    ck_assert_uint_eq(ask(&q), 10047);
    q.config.max_bytes = 10;
    q.usage.reserved_store = 1000;
    q.limits.store_max = 1000;
    ck_assert_uint_eq(ask(&q), 0);
}
END_TEST

START_TEST(the_smaller_limit_of_consumers_counts)
{
    struct account_jetstream_options limits = open_limits;
    struct stream_config config = {.max_consumers = -1};

    ck_assert_int_eq(account_consumers_max(&limits, &config), -1);
    limits.consumers_max = 5;
    ck_assert_int_eq(account_consumers_max(&limits, &config), 5);
    config.max_consumers = 3;
    ck_assert_int_eq(account_consumers_max(&limits, &config), 3);
    config.max_consumers = 9;
    ck_assert_int_eq(account_consumers_max(&limits, &config), 5);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        without_limits_everything_fits,     the_number_of_streams_binds_new_ones_only,
        a_size_may_be_required_and_bounded, what_is_reserved_fits_the_account_and_the_server,
        an_update_reserves_what_it_adds,    the_smaller_limit_of_consumers_counts,
    };

    return UNIT_RUN_PLAIN("account_limits", tests);
}
