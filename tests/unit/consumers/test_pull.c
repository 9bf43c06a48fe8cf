#include <stdio.h>

#include "base/prng.h"
#include "consumers/pull.h"
#include "tests/unit/unit.h"

static struct arena arena;
static struct buf status;
static struct consumer_config config;

static bool reads(const char *headers, const char *body, struct pull *pull)
{
    arena_reset(&arena);
    return pull_read(pull, &config, bytes_of_text(headers), bytes_of_text(body), &arena, &status);
}

static void expect_batch(const char *body, uint64_t batch, bool given)
{
    struct pull pull;

    ck_assert_msg(reads("", body, &pull), "%s", body);
    ck_assert_msg(pull.batch == batch, "%s: %llu", body, (unsigned long long)pull.batch);
    ck_assert_int_eq(pull.batch_given, given);
    ck_assert_int_eq(pull.expires_ns, 0);
    ck_assert(!pull.no_wait);
}

static void expect_refused(const char *headers, const char *body, const char *text)
{
    struct pull pull;
    char block[512];

    ck_assert_msg(!reads(headers, body, &pull), "%s", body);
    snprintf(block, sizeof(block), "NATS/1.0 %s\r\n\r\n", text);
    ck_assert_uint_eq(status.size, strlen(block));
    ck_assert_mem_eq(status.at, block, status.size);
}

START_TEST(a_number_is_a_batch_and_anything_else_asks_for_one)
{
    expect_batch("", 1, true);
    expect_batch("5", 5, true);
    expect_batch(" 5\r\n", 5, true);
    expect_batch("+5", 5, true);
    expect_batch("-5", 1, true);
    expect_batch("0", 1, true);
    expect_batch("99999999999999999999", 1, true);
    expect_batch("5x", 1, true);
    expect_batch("null{", 1, true);
    expect_batch("[1]", 1, true);
    expect_batch("{}", 1, false);
    expect_batch("{\"batch\":0}", 1, false);
    expect_batch("{\"batch\":-5}", 1, false);
    expect_batch("{\"Batch\":7}", 7, true);
}
END_TEST

START_TEST(json_says_everything)
{
    struct pull pull;

    ck_assert(reads(
        "", "{\"batch\":3,\"max_bytes\":4,\"no_wait\":true,\"expires\":100,\"idle_heartbeat\":50}",
        &pull));
    ck_assert_uint_eq(pull.batch, 3);
    ck_assert_uint_eq(pull.max_bytes, 4);
    ck_assert(pull.no_wait);
    ck_assert_int_eq(pull.expires_ns, 100);
    ck_assert_int_eq(pull.heartbeat_ns, 50);
}
END_TEST

START_TEST(unknown_keys_and_groups_are_ignored)
{
    struct pull pull;

    ck_assert(reads(
        "", "{\"failover\":1,\"x\":{\"y\":[]},\"group\":\"g\",\"priority\":9,\"batch\":2}", &pull));
    ck_assert_uint_eq(pull.batch, 2);
}
END_TEST

START_TEST(malformed_json_is_refused_in_the_words_of_the_reference)
{
    expect_refused("", "{", "400 Bad Request - unexpected end of JSON input");
    expect_refused("", "{\"batch\":\"x\"}",
                   "400 Bad Request - json: cannot unmarshal string into Go struct field "
                   "JSApiConsumerGetNextRequest.batch of type int");
    expect_refused("", "{\"batch\":1,\"expires\":1.5}",
                   "400 Bad Request - json: cannot unmarshal number 1.5 into Go struct field "
                   "JSApiConsumerGetNextRequest.expires of type time.Duration");
    expect_refused("", "{\"expires\":\"2s\"}",
                   "400 Bad Request - json: cannot unmarshal string into Go struct field "
                   "JSApiConsumerGetNextRequest.expires of type time.Duration");
    expect_refused("", "{\"no_wait\":1}",
                   "400 Bad Request - json: cannot unmarshal number into Go struct field "
                   "JSApiConsumerGetNextRequest.no_wait of type bool");
}
END_TEST

START_TEST(heartbeats_must_fit_twice_into_the_expiry)
{
    struct pull pull;

    expect_refused("", "{\"idle_heartbeat\":1000000000}",
                   "400 Bad Request - heartbeat value too large");
    expect_refused("", "{\"idle_heartbeat\":51,\"expires\":101}",
                   "400 Bad Request - heartbeat value too large");
    ck_assert(reads("", "{\"idle_heartbeat\":50,\"expires\":100}", &pull));
    ck_assert(reads("", "{\"idle_heartbeat\":50,\"expires\":101}", &pull));
}
END_TEST

START_TEST(refusals_are_checked_in_the_references_order)
{
    config.max_batch = 2;
    config.max_expires_ns = 10;
    config.max_bytes = 3;
    expect_refused("",
                   "{\"batch\":3,\"expires\":11,\"max_bytes\":4,\"idle_heartbeat\":9,\"id\":\"x\"}",
                   "400 Bad Request - heartbeat value too large");
    expect_refused("", "{\"batch\":3,\"expires\":11,\"max_bytes\":4,\"id\":\"x\"}",
                   "409 Exceeded MaxRequestBatch of 2");
    expect_refused("", "{\"batch\":2,\"expires\":11,\"max_bytes\":4,\"id\":\"x\"}",
                   "409 Exceeded MaxRequestExpires of 10ns");
    expect_refused("", "{\"batch\":2,\"expires\":10,\"max_bytes\":4,\"id\":\"x\"}",
                   "409 Exceeded MaxRequestMaxBytes of 3");
    expect_refused("", "{\"min_pending\":1,\"id\":\"x\",\"priority\":10}",
                   "400 Bad Request - Not a Overflow Priority consumer");
    expect_refused("", "{\"min_ack_pending\":1}",
                   "400 Bad Request - Not a Overflow Priority consumer");
    expect_refused("", "{\"id\":\"x\",\"priority\":10}",
                   "400 Bad Request - Not a Pinned Client Priority consumer");
    expect_refused("", "{\"priority\":10}", "400 Bad Request - Priority must be between 0 and 9");
    expect_refused("", "{\"priority\":-1}", "400 Bad Request - Priority must be between 0 and 9");
    config = (struct consumer_config){0};
}
END_TEST

START_TEST(a_required_level_beyond_ours_is_refused_before_the_body_is_read)
{
    struct pull pull;

    expect_refused("NATS/1.0\r\nNats-Required-Api-Level: 5\r\n\r\n", "{", "412 Required Api Level");
    expect_refused("NATS/1.0\r\nNats-Required-Api-Level: x\r\n\r\n", "", "412 Required Api Level");
    expect_refused("NATS/1.0\r\nA: b\r\nNats-Required-Api-Level: -x\r\n\r\n", "",
                   "412 Required Api Level");
    ck_assert(reads("NATS/1.0\r\nA: b\r\nNats-Required-Api-Level:\r\n\r\n", "", &pull));
    ck_assert(reads("NATS/1.0\r\nNats-Required-Api-Level: -9\r\n\r\n", "", &pull));
    ck_assert(reads("NATS/1.0\r\nNats-Required-Api-Level: 4\r\n\r\n", "", &pull));
    ck_assert(reads("NATS/1.0\r\nNats-Required-Api-Level:4\r\n\r\n", "", &pull));
    ck_assert(reads("NATS/1.0\r\nX-Nats-Required-Api-Level: 9\r\n\r\n", "", &pull));
    ck_assert(reads("NATS/1.0\r\nNats-Required-Api-Levels: 9\r\n\r\n", "", &pull));
}
END_TEST

START_TEST(any_bytes_are_a_request_or_a_refusal)
{
    static const char *const words[] = {"{", "}",  "\"batch\"", ":",    "1",           ",",
                                        "-", "\"", "e9",        "true", "\"expires\"", " ",
                                        "[", "\\", "\"id\"",    "\xff", "0."};
    struct prng prng;
    struct pull pull;

    prng_seed(&prng, 1);
    for (size_t i = 0; i < 50000; i++) {
        char body[64] = "{";

        for (size_t words_left = prng_below(&prng, 6); words_left > 0; words_left--)
            strcat(body, words[prng_below(&prng, UNIT_COUNT(words))]);
        status.size = 0;
        if (!reads("", body, &pull) && status.size < 13)
            ck_abort_msg("%s", body);
    }
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        a_number_is_a_batch_and_anything_else_asks_for_one,
        json_says_everything,
        unknown_keys_and_groups_are_ignored,
        malformed_json_is_refused_in_the_words_of_the_reference,
        heartbeats_must_fit_twice_into_the_expiry,
        refusals_are_checked_in_the_references_order,
        a_required_level_beyond_ours_is_refused_before_the_body_is_read,
        any_bytes_are_a_request_or_a_refusal,
    };
    int result;

    arena_init(&arena, 1 << 20);
    buf_init(&status, 4096);
    result = UNIT_RUN_PLAIN("pull", tests);
    buf_deinit(&status);
    arena_deinit(&arena);
    return result;
}
