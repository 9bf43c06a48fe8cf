#include "consumers/progress.h"
#include "base/prng.h"
#include "tests/unit/unit.h"

#define IS(out, text)                                                                              \
    do {                                                                                           \
        ck_assert_uint_eq((out)->size, sizeof(text) - 1);                                          \
        ck_assert_mem_eq((out)->at, text, (out)->size);                                            \
    } while (0)

static struct buf out;

static void expect_runs(struct progress_runs runs, const struct run *expected, size_t count)
{
    struct run run;

    for (size_t i = 0; i < count; i++) {
        ck_assert(progress_runs_next(&runs, &run));
        ck_assert_uint_eq(run.first, expected[i].first);
        ck_assert_uint_eq(run.last, expected[i].last);
    }
    ck_assert(!progress_runs_next(&runs, &run));
}

/* docs/formats.md shows these bytes. */
START_TEST(a_set_is_written_as_documented)
{
    const struct run runs[] = {{3, 5}, {300, 300}};

    ck_assert(progress_write_ack(&out, 7, runs, 2));
    IS(&out, "\7\0\0\0\0\0\0\0"
             "\0\0\0\0"
             "\2\0\0\0"
             "\3\2"
             "\xa7\2\0");
    ck_assert(progress_write_ack_all(&out, 7, 300));
    IS(&out, "\7\0\0\0\0\0\0\0"
             "\1\0\0\0"
             "\1\0\0\0"
             "\xac\2\0");
}
END_TEST

START_TEST(a_hand_out_is_written_as_documented)
{
    struct progress_handout_writer writer;

    progress_handout_begin(&writer, &out, 7, 1, 2);
    progress_handout_redelivery(&writer, 9);
    progress_handout_redelivery(&writer, 4);
    progress_handout_redelivery(&writer, 5);
    progress_handout_new(&writer, 20);
    progress_handout_new(&writer, 21);
    progress_handout_new(&writer, 23);
    ck_assert(progress_handout_end(&writer));
    IS(&out, "\7\0\0\0\0\0\0\0"
             "\1\0\0\0\0\0\0\0"
             "\2\0\0\0"
             "\2\0\0\0"
             "\2\0\0\0"
             "\22\0"
             "\11\1"
             "\24\1"
             "\2\0");
}
END_TEST

START_TEST(a_hand_out_is_read_back_in_its_order)
{
    struct progress_handout_writer writer;
    struct progress_handout handout;

    progress_handout_begin(&writer, &out, 7, -5, 2);
    progress_handout_redelivery(&writer, 9);
    progress_handout_redelivery(&writer, 4);
    progress_handout_redelivery(&writer, 5);
    progress_handout_new(&writer, 20);
    progress_handout_new(&writer, 22);
    ck_assert(progress_handout_end(&writer));
    ck_assert_int_eq(progress_read_handout(buf_bytes(&out), &handout), OK);
    ck_assert_int_eq(handout.time_ns, -5);
    ck_assert_uint_eq(handout.revision, 2);
    ck_assert_uint_eq(handout.count, 5);
    ck_assert_uint_eq(handout.fresh_first, 20);
    expect_runs(handout.redeliveries, (const struct run[]){{9, 9}, {4, 5}}, 2);
    expect_runs(handout.fresh, (const struct run[]){{20, 20}, {22, 22}}, 2);
}
END_TEST

START_TEST(a_hand_out_of_redeliveries_only_has_no_new_sequence)
{
    struct progress_handout_writer writer;
    struct progress_handout handout;

    progress_handout_begin(&writer, &out, 7, 1, 1);
    progress_handout_redelivery(&writer, 9);
    ck_assert(progress_handout_end(&writer));
    ck_assert_int_eq(progress_read_handout(buf_bytes(&out), &handout), OK);
    ck_assert_uint_eq(handout.fresh_first, 0);
    ck_assert_uint_eq(handout.count, 1);
}
END_TEST

START_TEST(delays_and_positions_are_read_back)
{
    struct progress_delay delay;
    struct progress_position position;

    ck_assert(progress_write_delay(&out, 7, 12, -34));
    ck_assert_int_eq(progress_read_delay(buf_bytes(&out), &delay), OK);
    ck_assert_uint_eq(delay.sequence, 12);
    ck_assert_int_eq(delay.not_before_ns, -34);
    ck_assert(progress_write_position(&out, 7, 12, 34));
    ck_assert_int_eq(progress_read_position(buf_bytes(&out), &position), OK);
    ck_assert_uint_eq(position.consumer, 12);
    ck_assert_uint_eq(position.stream, 34);
}
END_TEST

START_TEST(sets_that_make_no_sense_are_refused)
{
    static const struct {
        const char *body;
        size_t size;
    } bad[] = {
#define BAD(text) {text, sizeof(text) - 1}
        BAD(""),
        BAD("\7\0\0\0\0\0\0"),
        BAD("\7\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),         /* no run */
        BAD("\7\0\0\0\0\0\0\0\2\0\0\0\1\0\0\0\1\0"),     /* unknown flag */
        BAD("\7\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0\0"),     /* sequence 0 */
        BAD("\7\0\0\0\0\0\0\0\0\0\0\0\2\0\0\0\1\0"),     /* a run is missing */
        BAD("\7\0\0\0\0\0\0\0\0\0\0\0\2\0\0\0\1\0\0\0"), /* the second does not rise */
        BAD("\7\0\0\0\0\0\0\0\1\0\0\0\1\0\0\0\1\1"),     /* everything up to two sequences */
        BAD("\7\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\1\200"),   /* a varint that goes on */
        BAD("\7\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\1\0\1"),   /* padding is zero */
        BAD("\7\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\377\377\377\377\377\377\377\377\377\2\0"), /* 65 bits */
        BAD("\7\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\1\376\377\377\377\377\377\377\377\377\1"), /* to the end */
        BAD("\7\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\2\376\377\377\377\377\377\377\377\377\1"), /* and beyond */
#undef BAD
    };
    struct progress_set set;

    for (size_t i = 0; i < UNIT_COUNT(bad); i++)
        ck_assert_msg(progress_read_ack(bytes_of(bad[i].body, bad[i].size), &set) == ERR_CORRUPT,
                      "case %zu", i);
}
END_TEST

START_TEST(a_set_that_names_too_many_is_refused_unless_it_is_acks)
{
    struct progress_set set;

    ck_assert(progress_write_set(&out, 7, &(struct run){1, PROGRESS_SEQUENCES_MAX}, 1));
    ck_assert_int_eq(progress_read_set(buf_bytes(&out), &set), OK);
    ck_assert(progress_write_set(&out, 7, &(struct run){1, PROGRESS_SEQUENCES_MAX + 1}, 1));
    ck_assert_int_eq(progress_read_set(buf_bytes(&out), &set), ERR_CORRUPT);
    ck_assert_int_eq(progress_read_ack(buf_bytes(&out), &set), OK);
    ck_assert_uint_eq(set.last, PROGRESS_SEQUENCES_MAX + 1);
    /* only acks may mean everything below */
    ck_assert(progress_write_ack_all(&out, 7, 5));
    ck_assert_int_eq(progress_read_set(buf_bytes(&out), &set), ERR_CORRUPT);
}
END_TEST

/* Whatever the bytes: no crash, and what was taken prints back the same. */
START_TEST(any_bytes_are_refused_or_mean_what_they_say)
{
    struct prng prng;
    uint8_t body[48];

    prng_seed(&prng, 1);
    for (size_t i = 0; i < 200000; i++) {
        size_t size = prng_below(&prng, sizeof(body));
        struct bytes bytes = bytes_of(body, size);
        struct progress_handout handout;
        struct progress_set set;
        struct run run;

        for (size_t j = 0; j < size; j++)
            body[j] = prng_chance(&prng, 2, 3) ? (uint8_t)prng_below(&prng, 4)
                                               : (uint8_t)prng_next(&prng);
        if (progress_read_handout(bytes, &handout) == OK) {
            uint64_t count = 0;

            while (progress_runs_next(&handout.redeliveries, &run))
                count += run.last - run.first + 1;
            while (progress_runs_next(&handout.fresh, &run))
                count += run.last - run.first + 1;
            ck_assert(count == handout.count);
        }
        if (progress_read_ack(bytes, &set) == OK) {
            uint64_t last = 0;

            while (progress_runs_next(&set.runs, &run)) {
                ck_assert(run.first > last && run.last >= run.first);
                last = run.last;
            }
            ck_assert(last == set.last);
        }
    }
}
END_TEST

START_TEST(integers_are_little_endian_and_varints_short)
{
    static const uint64_t values[] = {0, 1, 127, 128, 16383, 16384, UINT32_MAX, UINT64_MAX};
    struct bytes in;
    uint64_t value;
    uint32_t small;

    for (size_t i = 0; i < UNIT_COUNT(values); i++) {
        buf_clear(&out);
        ck_assert(progress_add_varint(&out, values[i]));
        ck_assert(progress_add_u64(&out, values[i]));
        ck_assert(progress_add_u32(&out, (uint32_t)values[i]));
        in = buf_bytes(&out);
        ck_assert(progress_take_varint(&in, &value));
        ck_assert_uint_eq(value, values[i]);
        ck_assert(progress_take_u64(&in, &value));
        ck_assert_uint_eq(value, values[i]);
        ck_assert(progress_take_u32(&in, &small));
        ck_assert_uint_eq(small, (uint32_t)values[i]);
        ck_assert(!progress_take_u32(&in, &small));
    }
}
END_TEST

START_TEST(a_full_buffer_is_said)
{
    struct progress_handout_writer writer;
    struct buf tight;

    for (size_t limit = 1; limit < 30; limit++) {
        buf_init(&tight, limit);
        progress_handout_begin(&writer, &tight, 7, 1, 1);
        progress_handout_new(&writer, 1);
        ck_assert(!progress_handout_end(&writer) || tight.size == 30);
        buf_deinit(&tight);
    }
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        a_set_is_written_as_documented,
        a_hand_out_is_written_as_documented,
        a_hand_out_is_read_back_in_its_order,
        a_hand_out_of_redeliveries_only_has_no_new_sequence,
        delays_and_positions_are_read_back,
        sets_that_make_no_sense_are_refused,
        a_set_that_names_too_many_is_refused_unless_it_is_acks,
        any_bytes_are_refused_or_mean_what_they_say,
        integers_are_little_endian_and_varints_short,
        a_full_buffer_is_said,
    };
    int result;

    buf_init(&out, 1 << 20);
    result = UNIT_RUN_PLAIN("progress", tests);
    buf_deinit(&out);
    return result;
}
