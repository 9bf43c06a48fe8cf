#include "consumers/ack_subject.h"

#include <stdio.h>

#include "base/prng.h"
#include "tests/unit/unit.h"

static struct bytes written(const struct ack_subject *ack)
{
    static char text[ACK_SUBJECT_MAX];
    size_t prefix = ack_subject_prefix(text, BYTES("S"), BYTES("C"));
    size_t size = ack_subject_write(text, prefix, ack);

    ck_assert_uint_eq(size, ack_subject_size(prefix, ack));
    return bytes_of(text, size);
}

START_TEST(it_reads_as_the_reference_writes_it)
{
    struct ack_subject ack = {1, 2, 2, 1795226247767317811, 1};

    ck_assert(bytes_equal(written(&ack), BYTES("$JS.ACK.S.C.1.2.2.1795226247767317811.1")));
}
END_TEST

START_TEST(what_is_written_is_read_back)
{
    static const uint64_t numbers[] = {0,     1,         9,          10,          99,
                                       100,   999,       1000,       9999,        10000,
                                       99999, 123456789, 9999999999, 10000000000, INT64_MAX};

    for (size_t i = 0; i < UNIT_COUNT(numbers); i++)
        for (size_t j = 0; j < UNIT_COUNT(numbers); j++) {
            struct ack_subject ack = {numbers[i], numbers[j],
                                      numbers[(i + j) % UNIT_COUNT(numbers)], (int64_t)numbers[j],
                                      numbers[i]};
            struct ack_subject back;

            ck_assert(ack_subject_read(written(&ack), &back));
            ck_assert_uint_eq(back.sequence, ack.sequence);
            back = (struct ack_subject){0};
            ck_assert(ack_subject_read_own(written(&ack), BYTES("$JS.ACK.S.C."), &back));
            ck_assert_uint_eq(back.deliveries, ack.deliveries);
            ck_assert_uint_eq(back.sequence, ack.sequence);
            ck_assert_uint_eq(back.consumer_sequence, ack.consumer_sequence);
            ck_assert_int_eq(back.time_ns, ack.time_ns);
            ck_assert_uint_eq(back.pending, ack.pending);
        }
}
END_TEST

/* Around every power of ten, and many between. */
START_TEST(every_number_of_digits_is_written_as_printf_writes_it)
{
    struct prng prng;
    uint64_t power = 1;
    char right[64];

    prng_seed(&prng, 3);
    for (unsigned digits = 1; digits <= 20; digits++, power *= 10)
        for (unsigned i = 0; i < 2000; i++) {
            uint64_t value = i < 3 ? power - 1 + i : power + prng_below(&prng, power * 9);
            struct ack_subject ack = {1, value, 2, 3, 4};

            snprintf(right, sizeof right, "$JS.ACK.S.C.1.%llu.2.3.4", (unsigned long long)value);
            ck_assert(bytes_equal(written(&ack), bytes_of_text(right)));
        }
}
END_TEST

/* As consumers count, and otherwise; so that digits are carried, and numbers grow beyond eight. */
static uint64_t moved(struct prng *prng, uint64_t value)
{
    switch (prng_below(prng, 20)) {
    case 0: return prng_next(prng) >> prng_below(prng, 64);
    case 1: return value / 10;
    case 2: return value * 10 + 9;
    case 3: return value;
    case 4:
    case 5:
    case 6: return value - 1;
    default: return value + 1;
    }
}

START_TEST(in_a_row_they_are_written_as_each_alone)
{
    struct ack_subject ack = {1, 1, 1, 1, 1};
    struct ack_series series;
    struct prng prng;

    prng_seed(&prng, 5);
    ack_series_begin(&series, BYTES("$JS.ACK.S.C."));
    for (unsigned i = 0; i < 200000; i++) {
        ack.deliveries = prng_below(&prng, 10) == 0 ? moved(&prng, ack.deliveries) : 1;
        ack.sequence = moved(&prng, ack.sequence);
        ack.consumer_sequence = moved(&prng, ack.consumer_sequence);
        ack.time_ns = (int64_t)moved(&prng, (uint64_t)ack.time_ns);
        ack.pending = moved(&prng, ack.pending);
        ck_assert(bytes_equal(ack_series_next(&series, &ack), written(&ack)));
    }
}
END_TEST

START_TEST(the_longest_fits)
{
    struct ack_subject ack = {UINT64_MAX, UINT64_MAX, UINT64_MAX, INT64_MIN, UINT64_MAX};
    char name[256], text[ACK_SUBJECT_MAX];
    size_t prefix;

    memset(name, 'n', sizeof(name));
    prefix = ack_subject_prefix(text, bytes_of(name, 255), bytes_of(name, 255));
    ck_assert_uint_eq(prefix, ACK_SUBJECT_PREFIX_MAX);
    ck_assert_uint_eq(ack_subject_write(text, prefix, &ack), ACK_SUBJECT_MAX - 7);
    ck_assert_uint_eq(ack_subject_prefix(text, bytes_of(name, 256), BYTES("C")), 0);
    ck_assert_uint_eq(ack_subject_prefix(text, BYTES("S"), bytes_of(name, 256)), 0);
}
END_TEST

START_TEST(the_second_form_is_read_whatever_follows)
{
    struct ack_subject ack;

    ck_assert(ack_subject_read(BYTES("$JS.ACK._.01234567.S.C.3.4.5.6.7"), &ack));
    ck_assert_uint_eq(ack.deliveries, 3);
    ck_assert_uint_eq(ack.sequence, 4);
    ck_assert_uint_eq(ack.consumer_sequence, 5);
    ck_assert_int_eq(ack.time_ns, 6);
    ck_assert_uint_eq(ack.pending, 7);
    ck_assert(ack_subject_read(BYTES("$JS.ACK.hub.01234567.S.C.3.44.5.6.7.more.and.more"), &ack));
    ck_assert_uint_eq(ack.sequence, 44);
}
END_TEST

START_TEST(anything_else_is_refused)
{
    static const char *const subjects[] = {
        "",
        "$JS.ACK",
        "$JS.ACK.",
        "$JS.FC.S.C.1.2.3.4.5",
        "$JS.ACK.S.C.1.2.3.4",
        "$JS.ACK.S.C.1.2.3.4.5.6",
        "$JS.ACK.S.C.1..3.4.5",
        "$JS.ACK.S.C.1.2x.3.4.5",
        "$JS.ACK.S.C.1.+2.3.4.5",
        "$JS.ACK.S.C.1.18446744073709551616.3.4.5",
        "$js.ack.S.C.1.2.3.4.5",
    };
    struct ack_subject ack;

    for (size_t i = 0; i < UNIT_COUNT(subjects); i++)
        ck_assert_msg(!ack_subject_read(bytes_of_text(subjects[i]), &ack), "%s", subjects[i]);
}
END_TEST

START_TEST(the_fast_way_reads_the_same)
{
    static const char *const subjects[] = {
        "$JS.ACK.S.C.1.2.3.4.5",
        "$JS.ACK.S.C.1.2.3.4.5.6",
        "$JS.ACK.S.C.1.2.3.4",
        "$JS.ACK.S.C.1.2.3.4.",
        "$JS.ACK.S.C.1..3.4.5",
        "$JS.ACK.S.C.x.2.3.4.5",
        "$JS.ACK.S.C.",
        "$JS.ACK.S.D.1.2.3.4.5",
        "$JS.ACK.S.C.1.2.3.4.18446744073709551615",
        "$JS.ACK.S.C.1.18446744073709551615.3.4.5",
        "$JS.ACK.S.C.1.2.3.9999999999999999999.5",
        "$JS.ACK._.hash.S.C.1.2.3.4.5",
        "$JS.ACK.S.C.1.00000000000000000000002.3.4.5",
    };

    for (size_t i = 0; i < UNIT_COUNT(subjects); i++) {
        struct ack_subject slow = {0}, fast = {0};
        bool reads = ack_subject_read(bytes_of_text(subjects[i]), &slow);

        ck_assert_int_eq(
            ack_subject_read_own(bytes_of_text(subjects[i]), BYTES("$JS.ACK.S.C."), &fast), reads);
        if (reads)
            ck_assert_mem_eq(&slow, &fast, sizeof(slow));
    }
}
END_TEST

START_TEST(bad_numbers_beside_the_sequence_read_as_none)
{
    struct ack_subject ack;

    ck_assert(ack_subject_read(BYTES("$JS.ACK.S.C.x.2.y..-1"), &ack));
    ck_assert_uint_eq(ack.deliveries, 0);
    ck_assert_uint_eq(ack.sequence, 2);
    ck_assert_uint_eq(ack.consumer_sequence, 0);
    ck_assert_int_eq(ack.time_ns, 0);
    ck_assert_uint_eq(ack.pending, 0);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        it_reads_as_the_reference_writes_it,
        what_is_written_is_read_back,
        every_number_of_digits_is_written_as_printf_writes_it,
        in_a_row_they_are_written_as_each_alone,
        the_longest_fits,
        the_second_form_is_read_whatever_follows,
        anything_else_is_refused,
        the_fast_way_reads_the_same,
        bad_numbers_beside_the_sequence_read_as_none,
    };

    return UNIT_RUN_PLAIN("ack_subject", tests);
}
