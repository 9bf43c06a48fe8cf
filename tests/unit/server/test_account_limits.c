#include "server/api/account_limits.h"
#include "server/router/account.h"

#include "tests/unit/unit.h"

static const struct jetstream_limits open_limits = {
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
    struct jetstream_limits limits;
    struct jetstream_options server;
    struct account_usage others, all;
    struct stream_config config;
    const struct stream_config *before;
    bool tiered;
};

static struct question question_of(int32_t storage, int64_t max_bytes)
{
    return (struct question){.limits = open_limits,
                             .server = open_server,
                             .config = {.storage = storage, .max_bytes = max_bytes}};
}

static uint16_t ask(const struct question *q)
{
    return account_check_stream(&(struct account_demand){.config = &q->config,
                                                         .before = q->before,
                                                         .limits = &q->limits,
                                                         .tiered = q->tiered,
                                                         .others = &q->others,
                                                         .server = &q->server,
                                                         .all = &q->all});
}

START_TEST(without_limits_everything_fits)
{
    struct question q = question_of(STORAGE_FILE, -1);

    q.others.streams = 1000;
    ck_assert_uint_eq(ask(&q), 0);
    q.config.max_bytes = INT64_MAX;
    ck_assert_uint_eq(ask(&q), 0);
}
END_TEST

START_TEST(the_number_of_streams_binds_new_ones_only)
{
    struct question q = question_of(STORAGE_FILE, -1);

    q.limits.streams_max = 2;
    q.others.streams = 1;
    ck_assert_uint_eq(ask(&q), 0);
    q.others.streams = 2;
    ck_assert_uint_eq(ask(&q), 10027);
    q.before = &q.config;
    ck_assert_uint_eq(ask(&q), 0);
}
END_TEST

START_TEST(who_is_given_replicas_is_new_where_it_comes_to)
{
    struct stream_config before = {.num_replicas = 1, .max_bytes = -1};
    struct question q = question_of(STORAGE_FILE, -1);

    q.before = &before;
    q.config.num_replicas = 3;
    q.tiered = true;
    q.limits.streams_max = q.others.streams = 2;
    ck_assert_uint_eq(ask(&q), 10027);
    q.limits.streams_max = 3;
    q.limits.store_max = q.others.reserved_store = 10;
    ck_assert_uint_eq(ask(&q), 10047);
    before.num_replicas = 5;
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
        q.others.booked_store = q.others.booked_memory = 40;
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

START_TEST(an_update_needs_what_it_comes_to_beside_the_others)
{
    const struct stream_config before = {.max_bytes = 90};
    struct question q = question_of(STORAGE_FILE, 100);

    q.limits.store_max = 110;
    q.others.booked_store = 10;
    q.before = &before;
    ck_assert_uint_eq(ask(&q), 0);
    q.config.max_bytes = 101;
    ck_assert_uint_eq(ask(&q), 10047);
    q.config.max_bytes = 10;
    q.limits.store_max = 20;
    ck_assert_uint_eq(ask(&q), 0);
    q.limits.store_max = 9; /* the others have more than that */
    q.config.max_bytes = -1;
    ck_assert_uint_eq(ask(&q), 10047);
}
END_TEST

/* What the server has is asked for what is added: it counts itself among all. */
START_TEST(an_update_asks_the_server_for_what_it_adds)
{
    const struct stream_config before = {.max_bytes = 90};
    struct question q = question_of(STORAGE_FILE, 100);

    q.server.store_max = 100;
    q.all.reserved_store = 90;
    q.before = &before;
    ck_assert_uint_eq(ask(&q), 0);
    q.config.max_bytes = 101;
    ck_assert_uint_eq(ask(&q), 10047);
}
END_TEST

START_TEST(replicas_count_each_but_in_a_tier_once)
{
    struct question q = question_of(STORAGE_FILE, 30);

    q.config.num_replicas = 3;
    q.limits.store_max = 100;
    q.others.booked_store = 10;
    q.others.reserved_store = 70;
    ck_assert_uint_eq(ask(&q), 0);
    q.config.max_bytes = 31;
    ck_assert_uint_eq(ask(&q), 10047);
    q.tiered = true;
    q.config.max_bytes = 30;
    ck_assert_uint_eq(ask(&q), 0);
    q.config.max_bytes = 31;
    ck_assert_uint_eq(ask(&q), 10047);
    q.tiered = false;
    q.limits.store_max = INT64_MAX;
    q.config.max_bytes = INT64_MAX;
    ck_assert_uint_eq(ask(&q), 10047); /* and not by overflow nothing */
}
END_TEST

START_TEST(a_stream_may_ask_for_no_more_consumers_than_there_may_be)
{
    struct question q = question_of(STORAGE_FILE, -1);

    q.limits.consumers_max = 2;
    q.config.max_consumers = 2;
    ck_assert_uint_eq(ask(&q), 0);
    q.config.max_consumers = 3;
    ck_assert_uint_eq(ask(&q), 10026);
    q.config.max_consumers = -1;
    ck_assert_uint_eq(ask(&q), 0);
}
END_TEST

/* ---- accounts with tiers -------------------------------------------------------------------- */

static struct jetstream_tier tiers[] = {
    {.name = BYTES("R1"), .limits.store_max = 1},
    {.name = BYTES("R3"), .limits.store_max = 3},
    {.name = BYTES("fast"), .limits.store_max = 9},
};
static const struct account_options options = {
    .jetstream = {.enabled = true, .tiers = tiers, .tiers_count = 3}};

START_TEST(replicas_choose_the_tier_and_none_fits_all)
{
    struct account account = {.options = &options};

    ck_assert(account_tiered(&account));
    ck_assert_int_eq(account_limits(&account, 1)->store_max, 1);
    ck_assert_int_eq(account_limits(&account, 3)->store_max, 3);
    for (int64_t replicas = 1; replicas < 10; replicas++)
        ck_assert((account_limits(&account, replicas) != NULL) == (replicas == 1 || replicas == 3));
}
END_TEST

START_TEST(without_a_tier_there_is_no_stream)
{
    struct question q = question_of(STORAGE_FILE, -1);
    struct account_demand demand = {.config = &q.config, .server = &q.server};

    ck_assert_uint_eq(account_check_stream(&demand), 10120);
}
END_TEST

START_TEST(a_consumer_has_the_replicas_that_it_says_or_its_streams)
{
    struct stream_config stream = {.num_replicas = 3};
    struct consumer_config durable = {.durable_name = BYTES("d")}, other = {0};

    ck_assert_int_eq(account_consumer_replicas(&durable, &stream), 3);
    ck_assert_int_eq(account_consumer_replicas(&other, &stream), 1);
    stream.retention = RETENTION_INTEREST;
    ck_assert_int_eq(account_consumer_replicas(&other, &stream), 3);
    durable.num_replicas = 1;
    ck_assert_int_eq(account_consumer_replicas(&durable, &stream), 1);
    durable.num_replicas = 5;
    ck_assert_int_eq(account_consumer_replicas(&durable, &stream), 3);
}
END_TEST

START_TEST(the_smaller_limit_of_consumers_counts)
{
    struct jetstream_limits limits = open_limits;
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
        without_limits_everything_fits,
        the_number_of_streams_binds_new_ones_only,
        who_is_given_replicas_is_new_where_it_comes_to,
        a_size_may_be_required_and_bounded,
        what_is_reserved_fits_the_account_and_the_server,
        an_update_needs_what_it_comes_to_beside_the_others,
        an_update_asks_the_server_for_what_it_adds,
        replicas_count_each_but_in_a_tier_once,
        a_stream_may_ask_for_no_more_consumers_than_there_may_be,
        replicas_choose_the_tier_and_none_fits_all,
        without_a_tier_there_is_no_stream,
        a_consumer_has_the_replicas_that_it_says_or_its_streams,
        the_smaller_limit_of_consumers_counts,
    };

    return UNIT_RUN_PLAIN("account_limits", tests);
}
