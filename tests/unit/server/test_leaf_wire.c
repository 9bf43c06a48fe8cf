#include "server/leaf/leaf_wire.h"
#include "tests/unit/unit.h"

#define LIMIT 100u

static enum parse read_line(const char *text, struct leaf_line *line)
{
    return leaf_line_read(bytes_of_text(text), LIMIT, line);
}

START_TEST(a_line_is_a_verb_and_what_follows_it)
{
    static const struct {
        const char *text, *args;
        enum leaf_verb verb;
    } cases[] = {
        {"LS+ a.b\r\nrest", "a.b", LEAF_VERB_SUB},
        {"ls- a.b q\n", "a.b q", LEAF_VERB_UNSUB},
        {"LMSG a 1\r\n", "a 1", LEAF_VERB_MESSAGE},
        {"HMSG\ta  1 2 \r\n", "a  1 2", LEAF_VERB_MESSAGE_HEADERS},
        {"PING\r\n", "", LEAF_VERB_PING},
        {"pong \n", "", LEAF_VERB_PONG},
        {"+OK\r\n", "", LEAF_VERB_OK},
        {"-ERR 'x y'\r\n", "'x y'", LEAF_VERB_ERR},
        {"INFO {}\r\n", "{}", LEAF_VERB_INFO},
        {"CONNECT {}\r\n", "{}", LEAF_VERB_CONNECT},
    };

    for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
        struct bytes text = bytes_of_text(cases[i].text);
        size_t end = bytes_find(text, '\n') + 1;
        struct leaf_line line;

        ck_assert(read_line(cases[i].text, &line) == PARSE_DONE);
        ck_assert_int_eq(line.verb, cases[i].verb);
        ck_assert(bytes_equal(line.args, bytes_of_text(cases[i].args)));
        ck_assert_uint_eq(line.size, end);
        for (size_t cut = 0; cut < end; cut++)
            ck_assert(leaf_line_read(bytes_take(text, cut), LIMIT, &line) == PARSE_MORE);
    }
}
END_TEST

START_TEST(what_is_no_verb_is_bad_at_once_and_what_is_too_long_too)
{
    static const char *const bad[] = {"SUB a", "L", "LS*", "PINGS", "LS+a", "\r\n", "PUB "};
    char long_line[LIMIT + 50];
    struct leaf_line line;

    for (size_t i = 0; i < UNIT_COUNT(bad); i++)
        ck_assert_msg(read_line(bad[i], &line) == (i == 1 ? PARSE_MORE : PARSE_BAD), "%s", bad[i]);
    memset(long_line, 'a', sizeof(long_line) - 1);
    memcpy(long_line, "LS+ ", 4);
    long_line[sizeof(long_line) - 1] = 0;
    ck_assert(read_line(long_line, &line) == PARSE_LONG);
}
END_TEST

START_TEST(interest_is_read_as_it_was_written)
{
    static const struct leaf_interest said[] = {
        {BYTES("a.*"), BYTES(""), 1},
        {BYTES("a.b"), BYTES("q"), 7},
        {BYTES(">"), BYTES(""), 0},
        {BYTES("$LDS.x"), BYTES("g"), 0},
        {BYTES("a"), BYTES("q"), LEAF_WEIGHT_MAX},
    };

    for (size_t i = 0; i < UNIT_COUNT(said); i++) {
        struct leaf_interest heard;
        struct leaf_line line;
        struct buf out;

        buf_init(&out, 1000);
        leaf_write_interest(&out, &said[i]);
        ck_assert(leaf_line_read(buf_bytes(&out), LIMIT, &line) == PARSE_DONE);
        ck_assert_uint_eq(line.size, out.size);
        ck_assert(line.verb == (said[i].weight > 0 ? LEAF_VERB_SUB : LEAF_VERB_UNSUB));
        ck_assert(line.verb == LEAF_VERB_SUB ? leaf_sub_read(line.args, &heard)
                                             : leaf_unsub_read(line.args, &heard));
        ck_assert(bytes_equal(heard.subject, said[i].subject));
        ck_assert(bytes_equal(heard.queue, said[i].queue));
        ck_assert_uint_eq(heard.weight, said[i].weight);
        buf_deinit(&out);
    }
}
END_TEST

START_TEST(interest_that_nobody_may_have_is_malformed)
{
    static const char *const bad[] = {
        "",    "a..b",   ".a", "a b", "a q 0", "a q x", "a q 1 2", "a q -1", "a q 99999999999",
        ">.a", "a\x01.b"};
    struct leaf_interest heard;

    for (size_t i = 0; i < UNIT_COUNT(bad); i++)
        ck_assert_msg(!leaf_sub_read(bytes_of_text(bad[i]), &heard), "%s", bad[i]);
    ck_assert(!leaf_unsub_read(BYTES("a q 1"), &heard));
    ck_assert(!leaf_unsub_read(BYTES(""), &heard));
}
END_TEST

START_TEST(a_message_is_read_as_it_was_written)
{
    static const struct bytes queues[] = {BYTES("q1"), BYTES("q2"), BYTES("q3")};

    for (unsigned with = 0; with < 16; with++) {
        struct bytes reply = with & 1 ? BYTES("re.ply") : BYTES("");
        size_t count = with >> 1 & 3, headers = with & 8 ? 12 : 0;
        struct leaf_message heard;
        struct leaf_line line;
        struct bytes queue;
        const char *why;
        struct buf out;

        buf_init(&out, 1000);
        leaf_write_message(&out, BYTES("a.b"), reply, queues, count, headers, 20);
        ck_assert(leaf_line_read(buf_bytes(&out), LIMIT, &line) == PARSE_DONE);
        ck_assert(line.verb == (headers > 0 ? LEAF_VERB_MESSAGE_HEADERS : LEAF_VERB_MESSAGE));
        ck_assert(leaf_message_read(line.args, headers > 0, &heard, &why));
        ck_assert(bytes_equal(heard.subject, BYTES("a.b")));
        ck_assert(bytes_equal(heard.reply, reply));
        ck_assert_uint_eq(heard.header_size, headers);
        ck_assert_uint_eq(heard.size, 20);
        for (size_t i = 0; i < count; i++) {
            ck_assert(leaf_queue_next(&heard.queues, &queue));
            ck_assert(bytes_equal(queue, queues[i]));
        }
        ck_assert(!leaf_queue_next(&heard.queues, &queue));
        buf_deinit(&out);
    }
}
END_TEST

START_TEST(a_message_that_is_none_is_refused_with_its_reason)
{
    static const struct {
        const char *args, *why;
        bool headers;
    } cases[] = {
        {"", "Bad or Missing Size", false},
        {"a", "Bad or Missing Size", false},
        {"a -1", "Bad or Missing Size", false},
        {"a 99999999999", "Bad or Missing Size", false},
        {"5", "Parse Error", false},
        {"a ? r q 5", "Bad or Missing Reply Indicator", false},
        {"a ++ r q 5", "Bad or Missing Reply Indicator", false},
        {"a 5", "Parse Error", true},
        {"a x 5", "Bad or Missing Header Size", true},
        {"a 6 5", "Header Size larger then TotalSize", true},
    };

    for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
        struct leaf_message heard;
        const char *why = "";

        ck_assert_msg(
            !leaf_message_read(bytes_of_text(cases[i].args), cases[i].headers, &heard, &why), "%s",
            cases[i].args);
        if (i != 7)
            ck_assert_str_eq(why, cases[i].why);
    }
}
END_TEST

START_TEST(a_delivery_shows_its_subject_behind_that_for_its_ack)
{
    static const struct {
        const char *reply, *left, *shown;
    } cases[] = {
        {"$JS.ACK.S.C.1.2.3.4.5@a.b", "$JS.ACK.S.C.1.2.3.4.5", "a.b"},
        {"$JS.ACK.S@x.C@y.1.2.3.4.5@a@b", "$JS.ACK.S@x.C@y.1.2.3.4.5", "a@b"},
        {"$JS.ACK.S.C.1.2.3.4.5", "$JS.ACK.S.C.1.2.3.4.5", ""},
        {"$JS.ACK.S.C.1.2.3.4.5@", "$JS.ACK.S.C.1.2.3.4.5@", ""},
        {"_INBOX.a@b", "_INBOX.a@b", ""},
        {"", "", ""},
    };

    for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
        struct bytes reply = bytes_of_text(cases[i].reply);

        ck_assert(bytes_equal(leaf_reply_shown(&reply), bytes_of_text(cases[i].shown)));
        ck_assert(bytes_equal(reply, bytes_of_text(cases[i].left)));
    }
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        a_line_is_a_verb_and_what_follows_it,
        what_is_no_verb_is_bad_at_once_and_what_is_too_long_too,
        interest_is_read_as_it_was_written,
        interest_that_nobody_may_have_is_malformed,
        a_message_is_read_as_it_was_written,
        a_message_that_is_none_is_refused_with_its_reason,
        a_delivery_shows_its_subject_behind_that_for_its_ack,
    };

    return UNIT_RUN_PLAIN("leaf_wire", tests);
}
