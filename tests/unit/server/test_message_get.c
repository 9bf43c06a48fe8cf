/* What message gets find, asked of an index without a server. */
#include "server/stream/message_get.h"
#include "tests/unit/unit.h"

static struct index *index_of(const char *const *subjects, size_t count)
{
    struct index *index = index_create(7);

    for (size_t i = 0; i < count; i++) {
        struct index_entry entry = {
            .sequence = i + 1,
            .time_ns = (int64_t)(i + 1) * 10,
            .subject = bytes_of_text(subjects[i]),
        };

        index_add(index, &entry);
    }
    return index;
}

static struct index *six(void)
{
    static const char *const subjects[] = {"a.1", "a.2", "a.1", "b", "a.2", "a.1"};

    return index_of(subjects, 6);
}

static struct message_get asking(void)
{
    struct message_get get;

    schema_clear(&message_get_schema, &get);
    return get;
}

START_TEST(nothing_asked_for_is_empty_and_anything_is_not)
{
    struct message_get get = asking();

    ck_assert(message_get_is_empty(&get));
    get.up_to_seq = 5; /* only a bound */
    get.batch = 3;
    ck_assert(message_get_is_empty(&get));
    get.seq = 1;
    ck_assert(!message_get_is_empty(&get));
    get = asking();
    get.start_time_ns = 0;
    ck_assert(!message_get_is_empty(&get));
}
END_TEST

START_TEST(one_message_is_found_by_sequence_time_and_subject)
{
    struct index *index = six();
    struct message_get get = asking();
    struct index_entry entry;

    get.seq = 4;
    ck_assert(message_get_find(&get, index, &entry) && entry.sequence == 4);
    get.seq = 7;
    ck_assert(!message_get_find(&get, index, &entry));
    get = asking();
    get.start_time_ns = 11;
    ck_assert(message_get_find(&get, index, &entry) && entry.sequence == 2);
    get.next_by_subj = BYTES("b");
    ck_assert(message_get_find(&get, index, &entry) && entry.sequence == 4);
    get.start_time_ns = 41;
    ck_assert(!message_get_find(&get, index, &entry));
    get = asking();
    get.last_by_subj = BYTES("a.*");
    ck_assert(message_get_find(&get, index, &entry) && entry.sequence == 6);
    get.last_by_subj = BYTES("c");
    ck_assert(!message_get_find(&get, index, &entry));
    index_destroy(index);
}
END_TEST

/* Every bound, against a look at all messages. */
START_TEST(the_lasts_are_each_matching_subjects_newest_at_or_below_the_bound_rising)
{
    static const char *const subjects[] = {"a.1", "a.2", "a.1", "b", "a.2", "a.1"};
    struct index *index = six();
    struct bytes filters[] = {BYTES("a.*"), BYTES("a.1")};

    for (uint64_t up_to = 1; up_to <= 6; up_to++) {
        for (uint64_t from = 0; from <= 7; from++) {
            struct message_get get = asking();
            uint64_t found[8], expected[8];
            size_t count, expected_count = 0, all, expected_all = 0;

            get.multi_last = (struct schema_strings){filters, 2};
            get.seq = from;
            all = message_get_lasts(&get, index, up_to, 8, found, &count);
            for (uint64_t s = 1; s <= up_to; s++) {
                bool last = subjects[s - 1][0] == 'a';

                for (uint64_t t = s + 1; t <= up_to; t++)
                    last = last && strcmp(subjects[s - 1], subjects[t - 1]) != 0;
                expected_all += last;
                if (last && s >= from)
                    expected[expected_count++] = s;
            }
            ck_assert_uint_eq(all, expected_all);
            ck_assert_uint_eq(count, expected_count);
            ck_assert_mem_eq(found, expected, count * sizeof *found);
        }
    }
    index_destroy(index);
}
END_TEST

START_TEST(more_lasts_than_there_is_room_for_are_counted_and_not_written)
{
    struct index *index = six();
    struct bytes all = BYTES(">");
    struct message_get get = asking();
    uint64_t found[3] = {0, 0, 99};
    size_t count;

    get.multi_last = (struct schema_strings){&all, 1};
    ck_assert_uint_eq(message_get_lasts(&get, index, 6, 2, found, &count), 3);
    ck_assert_uint_eq(found[2], 99);
    ck_assert_uint_eq(message_get_lasts(&get, index, 6, 3, found, &count), 3);
    ck_assert_uint_eq(count, 3);
    index_destroy(index);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        nothing_asked_for_is_empty_and_anything_is_not,
        one_message_is_found_by_sequence_time_and_subject,
        the_lasts_are_each_matching_subjects_newest_at_or_below_the_bound_rising,
        more_lasts_than_there_is_room_for_are_counted_and_not_written,
    };

    return UNIT_RUN_PLAIN("message_get", tests);
}
