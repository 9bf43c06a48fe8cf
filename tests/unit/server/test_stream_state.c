#include <fcntl.h>
#include <unistd.h>

#include "base/scratch.h"
#include "base/text.h"
#include "storage/index_cache.h"
#include "tests/unit/server/stream_rig.h"
#include "tests/unit/unit.h"

static struct stream_state state;
static struct apply_result result;
static uint64_t flaws;

static enum err apply(const struct effect *effect)
{
    return stream_state_apply(&state, effect, 77, 100, &result);
}

static void configure(const char *members)
{
    char json[512];
    struct effect effect = {.type = EFFECT_CONFIG, .config = {.created_ns = 5}};

    snprintf(json, sizeof json, "{\"name\":\"S\"%s%s}", members[0] != 0 ? "," : "", members);
    effect.config.json = bytes_of_text(json);
    ck_assert_int_eq(apply(&effect), OK);
}

static void begin(const char *members)
{
    stream_state_init(&state, 1);
    state.flaws = flaws;
    configure(members);
}

static void end(void)
{
    stream_state_deinit(&state);
    flaws = 0;
}

static struct effect message(uint64_t sequence, const char *subject)
{
    return (struct effect){.type = EFFECT_MESSAGE,
                           .message = {.sequence = sequence,
                                       .time_ns = (int64_t)sequence * 1000,
                                       .subject = bytes_of_text(subject)}};
}

static void store(const char *subject)
{
    struct effect effect = message(state.last_seq + 1, subject);

    ck_assert_int_eq(apply(&effect), OK);
    ck_assert_uint_eq(result.sequence, effect.message.sequence);
}

/* One message on "s.<character>" for each character. */
static void store_all(const char *subjects)
{
    for (; *subjects != 0; subjects++) {
        char subject[] = {'s', '.', *subjects, 0};

        store(subject);
    }
}

static void purge(const char *filter, uint64_t below, uint64_t keep)
{
    struct effect effect = {
        .type = EFFECT_PURGE,
        .purge = {
            .filter = bytes_of_text(filter), .below = below, .keep = keep, .last = state.last_seq}};

    ck_assert_int_eq(apply(&effect), OK);
}

static void remove_one(uint64_t sequence)
{
    struct effect effect = {.type = EFFECT_DELETE, .remove = {.sequence = sequence}};

    ck_assert_int_eq(apply(&effect), OK);
}

static void expire(uint64_t last, int64_t time_ns)
{
    struct effect effect = {.type = EFFECT_EXPIRE, .expire = {.last = last, .time_ns = time_ns}};

    ck_assert_int_eq(apply(&effect), OK);
}

/* "1:a 4:b" */
static const char *contents(void)
{
    static char text[400];
    struct index_entry entry;
    size_t size = 0;

    text[0] = 0;
    for (uint64_t from = 0; index_next(state.index, NULL, from, &entry); from = entry.sequence + 1)
        size += (size_t)snprintf(text + size, sizeof text - size, "%s%llu:%.*s",
                                 size > 0 ? " " : "", (unsigned long long)entry.sequence,
                                 (int)entry.subject.size - 2, (const char *)entry.subject.at + 2);
    return text;
}

static void check_ends(uint64_t first, uint64_t last)
{
    ck_assert_uint_eq(state.first_seq, first);
    ck_assert_uint_eq(state.last_seq, last);
}

/* ---- sequences: as asked of a nats-server 2.14 ---------------------------------------------- */

START_TEST(a_fresh_stream_has_no_place_until_something_happens)
{
    begin("");
    check_ends(0, 0);
    purge("", 1, 0);
    check_ends(0, 0);
    purge("", 0, 0);
    check_ends(1, 0);
    ck_assert_int_eq(state.last_time_ns, TIME_UNSET);
    store("s.a");
    check_ends(1, 1);
    end();
}
END_TEST

START_TEST(the_configured_first_sequence_counts_once)
{
    begin("\"first_seq\":10");
    check_ends(10, 9);
    purge("", 5, 0);
    check_ends(10, 9);
    store("s.a");
    check_ends(10, 10);
    configure("\"first_seq\":100");
    check_ends(10, 10);
    end();
    begin("\"first_seq\":1");
    check_ends(1, 0);
    end();
}
END_TEST

START_TEST(an_emptied_stream_goes_on_behind_its_last_message)
{
    begin("");
    store_all("ab");
    remove_one(2);
    check_ends(1, 2);
    remove_one(1);
    check_ends(3, 2);
    ck_assert_int_eq(state.last_time_ns, 2000);
    store("s.a");
    check_ends(3, 3);
    end();
}
END_TEST

START_TEST(removal_of_the_first_moves_the_start_to_the_next_there_is)
{
    begin("");
    store_all("abcde");
    remove_one(2);
    remove_one(3);
    check_ends(1, 5);
    remove_one(1);
    check_ends(4, 5);
    end();
}
END_TEST

START_TEST(a_purge_beyond_the_end_moves_the_end)
{
    begin("");
    purge("", 10, 0);
    check_ends(10, 9);
    store("s.a");
    purge("", 11, 0); /* all there is, and not beyond */
    check_ends(11, 10);
    purge("", 12, 0);
    check_ends(12, 11);
    purge("", 3, 0);
    check_ends(12, 11);
    purge("s.a", 50, 0); /* some of it has no end to move */
    check_ends(12, 11);
    purge(">", 50, 0);
    check_ends(50, 49);
    purge("", UINT64_MAX, 0);
    check_ends(UINT64_MAX - 1 + 1, UINT64_MAX - 1);
    end();
}
END_TEST

/* ---- purge ---------------------------------------------------------------------------------- */

START_TEST(purges_take_what_they_say)
{
    static const struct {
        const char *filter;
        uint64_t below, keep, purged;
        const char *left;
    } rows[] = {
        {"", 0, 0, 9, ""},
        {"", 0, 3, 6, "7:a 8:b 9:c"},
        {"", 0, 7, 2, "3:c 4:a 5:b 6:c 7:a 8:b 9:c"},
        {"s.a", 0, 3, 0, "1:a 2:b 3:c 4:a 5:b 6:c 7:a 8:b 9:c"},
        {"s.a", 0, 1, 2, "2:b 3:c 5:b 6:c 7:a 8:b 9:c"},
        {"s.*", 0, 3, 6, "7:a 8:b 9:c"},
        {"s.a", 0, 0, 3, "2:b 3:c 5:b 6:c 8:b 9:c"},
        {"", 0, 100, 0, "1:a 2:b 3:c 4:a 5:b 6:c 7:a 8:b 9:c"},
        {"s.zz", 0, 1, 0, "1:a 2:b 3:c 4:a 5:b 6:c 7:a 8:b 9:c"},
        {"s.a", 5, 0, 2, "2:b 3:c 5:b 6:c 7:a 8:b 9:c"},
        {"s.*", 5, 0, 4, "5:b 6:c 7:a 8:b 9:c"},
        {">", 5, 0, 4, "5:b 6:c 7:a 8:b 9:c"},
        {">", 0, 0, 9, ""},
        {">", 0, 2, 7, "8:b 9:c"},
        {"s..", 0, 0, 0, "1:a 2:b 3:c 4:a 5:b 6:c 7:a 8:b 9:c"},
        {"", 1, 0, 0, "1:a 2:b 3:c 4:a 5:b 6:c 7:a 8:b 9:c"},
        {"", 100, 0, 9, ""},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        begin("");
        store_all("abcabcabc");
        purge(rows[i].filter, rows[i].below, rows[i].keep);
        ck_assert_uint_eq(result.purged, rows[i].purged);
        ck_assert_str_eq(contents(), rows[i].left);
        end();
    }
}
END_TEST

/* Of which it cannot be read what is to be kept, as the disk fails. */
static void purge_unread(uint64_t keep)
{
    struct index_cache cache = {.limit = UINT64_C(1) << 30}; /* only what is on the disk fails */
    struct scratch *scratch;
    int directory = open("/tmp", O_RDONLY | O_DIRECTORY);

    ck_assert_int_ge(directory, 0);
    scratch = scratch_create(directory);
    close(directory);
    ck_assert_ptr_nonnull(scratch);
    stream_state_init(&state, 1);
    stream_state_use(&state, scratch, &cache, INDEX_BITS);
    configure("");
    for (unsigned i = 0; i < 6000; i++)
        store("s.a");
    scratch_break(scratch, 0);
    purge("", 0, keep);
    ck_assert(index_failed(state.index));
    ck_assert_uint_eq(result.purged, 0);
    end();
    scratch_destroy(scratch);
}

START_TEST(a_purge_whose_messages_cannot_be_read_purges_nothing)
{
    purge_unread(5000); /* counted from the oldest */
    purge_unread(2900); /* and from the newest */
}
END_TEST

/* What came after the decision stays, whatever the log holds between. */
static void purge_late(void)
{
    struct effect effect = {.type = EFFECT_PURGE, .purge = {.last = 2}};

    begin("");
    store_all("abc");
    ck_assert_int_eq(apply(&effect), OK);
}

START_TEST(a_purge_leaves_what_came_after_its_decision)
{
    purge_late();
    ck_assert_str_eq(contents(), "3:c");
    end();
    flaws = STREAM_FLAW_PURGE_UNBOUNDED;
    purge_late();
    ck_assert_str_ne(contents(), "3:c");
    end();
}
END_TEST

START_TEST(a_purge_of_a_million_messages_is_not_felt)
{
    begin("");
    for (int i = 0; i < 1000000; i++)
        store(i % 3 == 0 ? "s.a" : "s.b");
    purge("s.*", 0, 10);
    ck_assert_uint_eq(result.purged, 999990);
    ck_assert_uint_eq(stream_state_messages(&state), 10);
    end();
}
END_TEST

START_TEST(a_delete_says_whether_there_was_something)
{
    begin("");
    store_all("ab");
    remove_one(1);
    ck_assert_uint_eq(result.purged, 1);
    remove_one(1);
    ck_assert_uint_eq(result.purged, 0);
    remove_one(3);
    ck_assert_uint_eq(result.purged, 0);
    ck_assert_str_eq(contents(), "2:b");
    end();
}
END_TEST

START_TEST(expiry_takes_the_old_up_to_its_bounds)
{
    begin("");
    store_all("abcd"); /* at 1000, 2000, ... */
    expire(4, 1999);
    ck_assert_str_eq(contents(), "2:b 3:c 4:d");
    expire(2, 9000);
    ck_assert_str_eq(contents(), "3:c 4:d");
    expire(4, 3000);
    ck_assert_uint_eq(result.purged, 1);
    ck_assert_str_eq(contents(), "4:d");
    end();
    flaws = STREAM_FLAW_EXPIRE_UNBOUNDED;
    begin("");
    store_all("abcd");
    expire(2, 9000);
    ck_assert_str_ne(contents(), "3:c 4:d");
    end();
}
END_TEST

/* ---- limits --------------------------------------------------------------------------------- */

START_TEST(old_messages_make_room)
{
    begin("\"max_msgs\":3");
    store_all("abcde");
    ck_assert_str_eq(contents(), "3:c 4:d 5:e");
    end();
    begin("\"max_bytes\":70"); /* a message here counts 33 bytes */
    store_all("abcde");
    ck_assert_str_eq(contents(), "4:d 5:e");
    end();
    begin("\"max_bytes\":20"); /* also the new one, if it alone is too much */
    store_all("ab");
    ck_assert_str_eq(contents(), "");
    check_ends(3, 2);
    end();
}
END_TEST

START_TEST(a_subject_makes_room_before_the_stream_does)
{
    begin("\"max_msgs\":2,\"max_msgs_per_subject\":1");
    store_all("bab");
    ck_assert_str_eq(contents(), "2:a 3:b");
    end();
    begin("\"max_msgs_per_subject\":2,\"discard\":\"new\"");
    store_all("aaba");
    ck_assert_str_eq(contents(), "2:a 3:b 4:a");
    end();
}
END_TEST

START_TEST(new_limits_count_for_what_is_stored)
{
    begin("");
    store_all("aabbaab");
    configure("\"max_msgs_per_subject\":2");
    ck_assert_str_eq(contents(), "4:b 5:a 6:a 7:b");
    configure("\"max_msgs_per_subject\":1,\"discard\":\"new\"");
    ck_assert_str_eq(contents(), "6:a 7:b");
    configure("\"max_msgs\":1,\"discard\":\"new\""); /* discard new takes nothing that is there */
    ck_assert_str_eq(contents(), "6:a 7:b");
    configure("\"max_msgs\":1");
    ck_assert_str_eq(contents(), "7:b");
    end();
}
END_TEST

static void store_rollup(const char *subject, uint8_t flag)
{
    struct effect effect = message(state.last_seq + 1, subject);

    effect.flags = flag;
    ck_assert_int_eq(apply(&effect), OK);
}

START_TEST(a_roll_up_takes_all_that_came_before)
{
    begin("");
    store_all("abab");
    store_rollup("s.a", MESSAGE_ROLLUP_SUBJECT);
    ck_assert_str_eq(contents(), "2:b 4:b 5:a");
    store_rollup("s.c", MESSAGE_ROLLUP_ALL);
    ck_assert_str_eq(contents(), "6:c");
    check_ends(6, 6);
    end();
}
END_TEST

START_TEST(a_roll_up_makes_room_before_a_limit_does)
{
    begin("\"max_msgs\":2");
    store_all("ab");
    store_rollup("s.b", MESSAGE_ROLLUP_SUBJECT);
    ck_assert_str_eq(contents(), "1:a 3:b");
    end();
}
END_TEST

START_TEST(a_roll_up_of_a_subject_with_wildcards_is_of_all_that_it_matches)
{
    begin("");
    store_all("ab*");
    store_rollup("s.*", MESSAGE_ROLLUP_SUBJECT);
    ck_assert_str_eq(contents(), "4:*");
    end();
}
END_TEST

/* ---- what is remembered --------------------------------------------------------------------- */

static void store_with_id(uint64_t sequence, const char *headers, size_t at, size_t size)
{
    struct effect effect = message(sequence, "s.a");

    effect.message.headers = bytes_of_text(headers);
    effect.message.id = bytes_of(headers + at, size);
    ck_assert_int_eq(apply(&effect), OK);
}

START_TEST(ids_outlive_their_messages)
{
    begin("\"duplicate_window\":1000000000");
    store_with_id(1, "Nats-Msg-Id: x", 13, 1);
    ck_assert(bytes_equal(state.msg_id_last, BYTES("x")));
    purge("", 0, 0);
    ck_assert_uint_eq(dedup_find(&state.dedup, BYTES("x"), 2000), 1);
    ck_assert(bytes_equal(state.msg_id_last, BYTES("x")));
    store("s.a");
    ck_assert_uint_eq(state.msg_id_last.size, 0);
    end();
}
END_TEST

START_TEST(sizes_are_those_that_the_api_counts)
{
    ck_assert_uint_eq(stream_stored_size(STORAGE_FILE, 3, 0, 2), 35);
    ck_assert_uint_eq(stream_stored_size(STORAGE_FILE, 3, 18, 2), 57);
    ck_assert_uint_eq(stream_stored_size(STORAGE_MEMORY, 4, 0, 2), 22);
    begin("");
    store_all("ab");
    ck_assert_uint_eq(stream_state_bytes(&state), 66);
    remove_one(1);
    ck_assert_uint_eq(stream_state_bytes(&state), 33);
    end();
}
END_TEST

/* ---- records that make no sense ------------------------------------------------------------- */

static void check_refused(struct effect effect)
{
    ck_assert_int_eq(apply(&effect), ERR_CORRUPT);
    ck_assert_str_eq(contents(), "1:a 2:b");
    check_ends(1, 2);
}

START_TEST(a_message_that_does_not_follow_changes_nothing)
{
    struct effect early = message(3, "s.x");
    struct effect config = {.type = EFFECT_CONFIG, .config = {.json = BYTES("{\"name\":")}};
    struct effect unknown = {.type = 200};

    begin("");
    store_all("ab");
    check_refused(message(0, "s.x"));
    check_refused(message(2, "s.x"));
    check_refused(message(4, "s.x"));
    check_refused(message(UINT64_MAX, "s.x"));
    early.message.time_ns = 1999;
    check_refused(early);
    check_refused(config);
    check_refused(unknown);
    ck_assert(bytes_equal(state.config.name, BYTES("S")));
    end();
}
END_TEST

START_TEST(behind_a_lost_range_the_stream_goes_on_with_a_gap)
{
    struct effect late = message(10, "s.z");

    begin("");
    store_all("ab");
    stream_state_lost(&state, 1000);
    check_ends(1, 2);
    ck_assert_int_eq(apply(&late), OK);
    ck_assert_str_eq(contents(), "1:a 2:b 10:z");
    ck_assert_uint_eq(state.lost_messages, 7);
    late = message(12, "s.z"); /* one gap for one loss */
    ck_assert_int_eq(apply(&late), ERR_CORRUPT);
    end();
}
END_TEST

START_TEST(a_loss_of_everything_ends_at_the_last_sequence)
{
    begin("");
    store("s.a");
    stream_state_lost(&state, UINT64_MAX);
    stream_state_lost(&state, UINT64_MAX);
    stream_state_lost(&state, UINT64_MAX);
    for (int i = 0; i < 100; i++)
        stream_state_lost(&state, UINT64_MAX);
    ck_assert_uint_eq(stream_state_taken(&state), STREAM_SEQUENCE_MAX);
    end();
}
END_TEST

/* ---- listeners ------------------------------------------------------------------------------ */

static char told[400];

static void tell(const char *what, uint64_t sequence)
{
    size_t size = strlen(told);

    snprintf(told + size, sizeof told - size, "%s%s%llu/%llu", size > 0 ? " " : "", what,
             (unsigned long long)sequence, (unsigned long long)state.first_seq);
}

static void on_stored(void *owner, const struct index_entry *entry)
{
    struct index_entry found;

    (void)owner;
    ck_assert(index_get(state.index, entry->sequence, &found));
    tell("+", entry->sequence);
}

static void on_removed(void *owner, const struct index_entry *entry)
{
    struct index_entry found;

    (void)owner;
    ck_assert(entry->subject.size == 3);
    ck_assert(!index_get(state.index, entry->sequence, &found));
    tell("-", entry->sequence);
}

static void on_configured(void *owner)
{
    (void)owner;
    tell("config ", state.created_ns == 5);
}

static void on_consumer(void *owner, const struct effect *effect)
{
    (void)owner;
    tell("consumer ", effect->consumer.number);
}

START_TEST(listeners_hear_each_message_come_and_go_in_order)
{
    const struct stream_events events = {.stored = on_stored,
                                         .removed = on_removed,
                                         .configured = on_configured,
                                         .consumer = on_consumer};
    struct effect consumer = {.type = EFFECT_CONSUMER_CREATE, .consumer = {.number = 4}};

    told[0] = 0;
    begin("\"max_msgs\":2");
    state.events = &events;
    store_all("abc");
    purge("", 0, 0);
    ck_assert_int_eq(apply(&consumer), OK);
    configure("");
    ck_assert_str_eq(told, "+1/1 +2/1 +3/1 -1/2 -2/3 -3/4 consumer 4/4 config 1/4");
    end();
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        a_fresh_stream_has_no_place_until_something_happens,
        the_configured_first_sequence_counts_once,
        an_emptied_stream_goes_on_behind_its_last_message,
        removal_of_the_first_moves_the_start_to_the_next_there_is,
        a_purge_beyond_the_end_moves_the_end,
        purges_take_what_they_say,
        a_purge_whose_messages_cannot_be_read_purges_nothing,
        a_purge_leaves_what_came_after_its_decision,
        a_purge_of_a_million_messages_is_not_felt,
        a_delete_says_whether_there_was_something,
        expiry_takes_the_old_up_to_its_bounds,
        old_messages_make_room,
        a_subject_makes_room_before_the_stream_does,
        new_limits_count_for_what_is_stored,
        a_roll_up_takes_all_that_came_before,
        a_roll_up_makes_room_before_a_limit_does,
        a_roll_up_of_a_subject_with_wildcards_is_of_all_that_it_matches,
        ids_outlive_their_messages,
        sizes_are_those_that_the_api_counts,
        a_message_that_does_not_follow_changes_nothing,
        behind_a_lost_range_the_stream_goes_on_with_a_gap,
        a_loss_of_everything_ends_at_the_last_sequence,
        listeners_hear_each_message_come_and_go_in_order,
    };

    return UNIT_RUN_PLAIN("stream_state", tests);
}
