#include "base/prng.h"
#include "server/stream/effect.h"
#include "tests/unit/unit.h"

static struct buf out;

static struct effect written_and_read(const struct effect *effect, uint8_t *flags)
{
    struct record record;
    struct effect back;

    buf_deinit(&out);
    buf_init(&out, 1 << 20);
    ck_assert(effect_write(&out, effect));
    ck_assert_int_eq(record_read(buf_bytes(&out), &record), OK);
    ck_assert_uint_eq(record.size, out.size);
    ck_assert_int_eq(effect_read(&record, &back), OK);
    ck_assert_uint_eq(back.type, effect->type);
    if (flags != NULL)
        *flags = record.flags;
    return back;
}

static void check_bytes(struct bytes a, struct bytes b)
{
    ck_assert(bytes_equal(a, b));
}

START_TEST(a_message_comes_back_as_it_was_written)
{
    struct bytes headers = BYTES("NATS/1.0\r\nNats-Msg-Id: x1\r\n\r\n");
    struct effect effect = {
        .type = EFFECT_MESSAGE,
        .flags = MESSAGE_ROLLUP_SUBJECT,
        .message = {.sequence = UINT64_MAX - 1,
                    .time_ns = 1234567890123456789,
                    .subject = BYTES("orders.new"),
                    .headers = headers,
                    .payload = BYTES("hello"),
                    .id = bytes_of(headers.at + 23, 2)},
    };
    uint8_t flags;
    struct effect back = written_and_read(&effect, &flags);

    ck_assert_uint_eq(flags, MESSAGE_ROLLUP_SUBJECT | MESSAGE_HAS_ID);
    ck_assert_uint_eq(back.flags, MESSAGE_ROLLUP_SUBJECT);
    ck_assert_uint_eq(back.message.sequence, UINT64_MAX - 1);
    ck_assert_int_eq(back.message.time_ns, 1234567890123456789);
    check_bytes(back.message.subject, BYTES("orders.new"));
    check_bytes(back.message.headers, headers);
    check_bytes(back.message.payload, BYTES("hello"));
    check_bytes(back.message.id, BYTES("x1"));
}
END_TEST

START_TEST(an_erased_message_keeps_only_what_the_log_is_applied_with)
{
    struct bytes headers =
        BYTES("NATS/1.0\r\nSecret: abc\r\nNats-Msg-Id: x1\r\nOther: def\r\n\r\n");
    struct effect effect = {
        .type = EFFECT_MESSAGE,
        .flags = MESSAGE_ROLLUP_SUBJECT,
        .message = {.sequence = 9,
                    .time_ns = 5,
                    .subject = BYTES("orders.new"),
                    .headers = headers,
                    .payload = BYTES("hello"),
                    .id = bytes_of(headers.at + 36, 2),
                    .expires_ns = 77},
    };
    struct effect back = written_and_read(&effect, NULL);
    struct record record;

    check_bytes(back.message.id, BYTES("x1"));
    effect_erase(out.at, (uint32_t)out.size);
    record_erased(out.at, (uint32_t)out.size);
    ck_assert_int_eq(record_read(buf_bytes(&out), &record), OK);
    ck_assert_int_eq(effect_read(&record, &back), OK);
    ck_assert(back.message.erased);
    ck_assert_uint_eq(back.flags, MESSAGE_ROLLUP_SUBJECT);
    ck_assert_uint_eq(back.message.sequence, 9);
    ck_assert_int_eq(back.message.expires_ns, 77);
    check_bytes(back.message.subject, BYTES("orders.new"));
    check_bytes(back.message.id, BYTES("x1"));
    ck_assert_uint_eq(back.message.headers.size, headers.size);
    for (size_t i = 0; i < headers.size; i++)
        ck_assert_int_eq(back.message.headers.at[i], i == 36 ? 'x' : i == 37 ? '1' : 0);
    ck_assert_uint_eq(back.message.payload.size, 5);
    for (size_t i = 0; i < 5; i++)
        ck_assert_int_eq(back.message.payload.at[i], 0);
}
END_TEST

START_TEST(a_message_without_headers_payload_and_id_is_one)
{
    struct effect effect = {.type = EFFECT_MESSAGE,
                            .message = {.sequence = 1, .subject = BYTES("a")}};
    uint8_t flags;
    struct effect back = written_and_read(&effect, &flags);

    ck_assert_uint_eq(flags, 0);
    ck_assert_uint_eq(back.message.headers.size, 0);
    ck_assert_uint_eq(back.message.payload.size, 0);
    ck_assert_uint_eq(back.message.id.size, 0);
}
END_TEST

START_TEST(removals_come_back_as_they_were_written)
{
    struct effect effect = {.type = EFFECT_DELETE, .remove = {.sequence = 7, .erase = true}};
    struct effect back = written_and_read(&effect, NULL);

    ck_assert_uint_eq(back.remove.sequence, 7);
    ck_assert(back.remove.erase);
    effect.remove.erase = false;
    ck_assert(!written_and_read(&effect, NULL).remove.erase);

    effect = (struct effect){.type = EFFECT_PURGE,
                             .purge = {.filter = BYTES("a.*"), .below = 5, .keep = 6, .last = 9}};
    back = written_and_read(&effect, NULL);
    check_bytes(back.purge.filter, BYTES("a.*"));
    ck_assert_uint_eq(back.purge.below, 5);
    ck_assert_uint_eq(back.purge.keep, 6);
    ck_assert_uint_eq(back.purge.last, 9);

    effect = (struct effect){.type = EFFECT_EXPIRE, .expire = {.last = 3, .time_ns = -5}};
    back = written_and_read(&effect, NULL);
    ck_assert_uint_eq(back.expire.last, 3);
    ck_assert_int_eq(back.expire.time_ns, -5);
    ck_assert_int_eq(back.expire.ended_ns, 0);
    effect.expire.ended_ns = 12;
    back = written_and_read(&effect, NULL);
    ck_assert_int_eq(back.expire.time_ns, -5);
    ck_assert_int_eq(back.expire.ended_ns, 12);
}
END_TEST

START_TEST(a_messages_own_end_and_that_it_is_a_marker_come_back_as_they_were_written)
{
    static const int64_t ends[] = {0, 1, EFFECT_TIME_MAX, EXPIRES_NEVER};

    for (size_t i = 0; i < 2 * sizeof ends / sizeof ends[0]; i++) {
        struct effect effect = {.type = EFFECT_MESSAGE,
                                .message = {.sequence = 3,
                                            .subject = BYTES("s"),
                                            .payload = BYTES("p"),
                                            .expires_ns = ends[i / 2],
                                            .marker = i % 2 == 1}};
        struct effect back = written_and_read(&effect, NULL);

        ck_assert_int_eq(back.message.expires_ns, ends[i / 2]);
        ck_assert(back.message.marker == (i % 2 == 1));
        check_bytes(back.message.subject, BYTES("s"));
        check_bytes(back.message.payload, BYTES("p"));
    }
}
END_TEST

START_TEST(config_and_consumers_come_back_as_they_were_written)
{
    struct effect effect = {.type = EFFECT_CONFIG,
                            .config = {.created_ns = 77, .version = 5, .json = BYTES("{}")}};
    struct effect back = written_and_read(&effect, NULL);

    ck_assert_int_eq(back.config.created_ns, 77);
    ck_assert_uint_eq(back.config.version, 5);
    check_bytes(back.config.json, BYTES("{}"));

    effect = (struct effect){
        .type = EFFECT_CONSUMER_CREATE,
        .consumer = {.number = 3, .created_ns = 8, .name = BYTES("C"), .json = BYTES("{\"a\":1}")}};
    back = written_and_read(&effect, NULL);
    ck_assert_uint_eq(back.consumer.number, 3);
    ck_assert_int_eq(back.consumer.created_ns, 8);
    check_bytes(back.consumer.name, BYTES("C"));
    check_bytes(back.consumer.json, BYTES("{\"a\":1}"));

    effect = (struct effect){.type = EFFECT_CONSUMER_DELETE,
                             .consumer = {.number = 3, .name = BYTES("C")}};
    back = written_and_read(&effect, NULL);
    ck_assert_uint_eq(back.type, EFFECT_CONSUMER_DELETE);
    check_bytes(back.consumer.name, BYTES("C"));
}
END_TEST

START_TEST(a_full_batch_takes_nothing_and_says_so)
{
    struct effect effect = {
        .type = EFFECT_MESSAGE,
        .message = {.sequence = 1, .subject = BYTES("a"), .payload = BYTES("0123456789")}};

    buf_deinit(&out);
    buf_init(&out, 48);
    ck_assert(!effect_write(&out, &effect));
    ck_assert_uint_eq(out.size, 0);
}
END_TEST

/* Reads a record with that body; the body's content is not what it says it is. */
static enum err read_body(uint8_t type, uint8_t flags, const void *body, size_t size)
{
    struct record record = {.type = type, .flags = flags, .body = bytes_of(body, size)};
    struct effect effect;

    return effect_read(&record, &effect);
}

START_TEST(a_body_that_is_cut_or_too_long_is_damaged)
{
    struct effect effect = {
        .type = EFFECT_MESSAGE,
        .message = {.sequence = 1, .subject = BYTES("ab"), .payload = BYTES("x")}};
    struct record record;
    struct bytes body;

    (void)written_and_read(&effect, NULL);
    ck_assert_int_eq(record_read(buf_bytes(&out), &record), OK);
    body = record.body;
    ck_assert_int_eq(read_body(EFFECT_MESSAGE, 0, body.at, 33), OK);
    for (size_t size = 0; size < 33; size++)
        ck_assert_int_eq(read_body(EFFECT_MESSAGE, 0, body.at, size), ERR_CORRUPT);
    for (uint8_t type = EFFECT_DELETE; type <= EFFECT_CONSUMER_DELETE; type++) {
        uint8_t zeros[64] = {0};

        ck_assert_int_eq(read_body(type, 0, zeros, 13), ERR_CORRUPT);
        ck_assert_int_eq(read_body(type, 0, zeros, 64), ERR_CORRUPT);
    }
}
END_TEST

START_TEST(unknown_types_and_flags_are_damage_not_guesses)
{
    uint8_t zeros[30] = {0};

    zeros[6] = 1; /* sequence */
    ck_assert_int_eq(read_body(EFFECT_MESSAGE, 0, zeros, 30), OK);
    ck_assert_int_eq(read_body(EFFECT_MESSAGE, 8, zeros, 30), ERR_CORRUPT);
    ck_assert_int_eq(
        read_body(EFFECT_MESSAGE, MESSAGE_ROLLUP_ALL | MESSAGE_ROLLUP_SUBJECT, zeros, 30),
        ERR_CORRUPT);
    ck_assert_int_eq(read_body(EFFECT_MESSAGE, MESSAGE_HAS_ID, zeros, 30), ERR_CORRUPT);
    ck_assert_int_eq(read_body(EFFECT_PURGE, 1, zeros, 30), ERR_CORRUPT);
    ck_assert_int_eq(read_body(EFFECT_DELETE, 2, zeros, 14), ERR_CORRUPT);
    ck_assert_int_eq(read_body(8, 0, zeros, 30), ERR_CORRUPT);
    ck_assert_int_eq(read_body(EFFECT_TERM, 0, zeros, 0), ERR_CORRUPT);
    zeros[6] = 0;
    ck_assert_int_eq(read_body(EFFECT_MESSAGE, 0, zeros, 30), ERR_CORRUPT); /* sequence 0 */
    zeros[6] = 1;
    zeros[21] = 0x80; /* a time before 1970 */
    ck_assert_int_eq(read_body(EFFECT_MESSAGE, 0, zeros, 30), ERR_CORRUPT);
    zeros[21] = 0;
    zeros[26] = 1; /* an id outside the headers */
    ck_assert_int_eq(read_body(EFFECT_MESSAGE, 0, zeros, 30), ERR_CORRUPT);
}
END_TEST

START_TEST(any_bytes_are_read_or_refused)
{
    struct prng prng;
    uint8_t body[48];

    prng_seed(&prng, 4711);
    for (int i = 0; i < 300000; i++) {
        size_t size = prng_below(&prng, sizeof body + 1);
        struct record record = {.type = (uint8_t)prng_below(&prng, 9),
                                .flags = (uint8_t)prng_below(&prng, 9),
                                .body = bytes_of(body, size)};
        struct effect effect;

        for (size_t k = 0; k < size; k++)
            body[k] = prng_chance(&prng, 1, 3) ? (uint8_t)prng_below(&prng, 40) : 0;
        if (effect_read(&record, &effect) != OK)
            continue;
        buf_deinit(&out);
        buf_init(&out, 4096);
        ck_assert(effect_write(&out, &effect)); /* what was read can be written */
    }
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        a_message_comes_back_as_it_was_written,
        an_erased_message_keeps_only_what_the_log_is_applied_with,
        a_message_without_headers_payload_and_id_is_one,
        removals_come_back_as_they_were_written,
        a_messages_own_end_and_that_it_is_a_marker_come_back_as_they_were_written,
        config_and_consumers_come_back_as_they_were_written,
        a_full_batch_takes_nothing_and_says_so,
        a_body_that_is_cut_or_too_long_is_damaged,
        unknown_types_and_flags_are_damage_not_guesses,
        any_bytes_are_read_or_refused,
    };

    return UNIT_RUN_PLAIN("effect", tests);
}
