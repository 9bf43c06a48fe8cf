#include "server/clients/proto.h"

#include <stdio.h>

#include "base/prng.h"
#include "tests/unit/unit.h"

#define LIMIT 4096u

static struct bytes text(const char *s)
{
    return bytes_of_text(s);
}

#define CK_BYTES(b, s)                                                                             \
    ck_assert_msg(bytes_equal((b), text(s)), "'%.*s' is not '%s'", BYTES_ARG(b), s)

static enum parse verb_of(const char *s, enum proto_verb *verb, size_t *used)
{
    return proto_read_verb(text(s), verb, used);
}

START_TEST(verbs_are_told_in_any_case_and_from_their_first_bytes)
{
    static const struct {
        const char *in;
        enum parse parse;
        enum proto_verb verb;
        size_t used;
    } cases[] = {
        {"PUB a", PARSE_DONE, PROTO_PUB, 4},
        {"pUb\ta", PARSE_DONE, PROTO_PUB, 4},
        {"hpub a", PARSE_DONE, PROTO_HPUB, 5},
        {"SUB ", PARSE_DONE, PROTO_SUB, 4},
        {"Unsub 1", PARSE_DONE, PROTO_UNSUB, 6},
        {"PINGxyz", PARSE_DONE, PROTO_PING, 4},
        {"pong", PARSE_DONE, PROTO_PONG, 4},
        {"+ok", PARSE_DONE, PROTO_OK, 3},
        {"CONNECT{", PARSE_DONE, PROTO_CONNECT, 7},
        {"info ", PARSE_DONE, PROTO_INFO, 4},
        {"-err 'x'", PARSE_DONE, PROTO_ERR, 5},
        {"", PARSE_MORE, 0, 0},
        {"P", PARSE_MORE, 0, 0},
        {"PU", PARSE_MORE, 0, 0},
        {"PUB", PARSE_MORE, 0, 0},
        {"pi", PARSE_MORE, 0, 0},
        {"-ERR", PARSE_MORE, 0, 0},
        {"CONNEC", PARSE_MORE, 0, 0},
        {"PUB\r\n", PARSE_BAD, 0, 0},
        {"PUBa", PARSE_BAD, 0, 0},
        {"SUB\n", PARSE_BAD, 0, 0},
        {"\r\n", PARSE_BAD, 0, 0},
        {" PING", PARSE_BAD, 0, 0},
        {"PIX", PARSE_BAD, 0, 0},
        {"MSG a", PARSE_BAD, 0, 0},
        {"A+ a", PARSE_BAD, 0, 0},
        {"RS+ a", PARSE_BAD, 0, 0},
        {"LS+", PARSE_BAD, 0, 0},
    };

    for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
        enum proto_verb verb = 0;
        size_t used = 0;

        ck_assert_msg(verb_of(cases[i].in, &verb, &used) == cases[i].parse, "%s", cases[i].in);
        ck_assert_int_eq(verb, cases[i].verb);
        ck_assert_uint_eq(used, cases[i].used);
    }
}
END_TEST

START_TEST(arguments_lose_the_blanks_before_them_and_one_cr)
{
    struct bytes args;
    size_t used;

    ck_assert_int_eq(proto_read_args(text(" \t a b \r\nX"), LIMIT, &args, &used), PARSE_DONE);
    CK_BYTES(args, "a b ");
    ck_assert_uint_eq(used, 9);
    ck_assert_int_eq(proto_read_args(text("a\r\r\n"), LIMIT, &args, &used), PARSE_DONE);
    CK_BYTES(args, "a\r");
    ck_assert_int_eq(proto_read_args(text("\n"), LIMIT, &args, &used), PARSE_DONE);
    CK_BYTES(args, "");
    ck_assert_int_eq(proto_read_args(text("abc"), LIMIT, &args, &used), PARSE_MORE);
}
END_TEST

START_TEST(the_limit_binds_whole_and_unfinished_lines_but_not_leading_blanks)
{
    struct proto_pub pub;
    struct proto_sub sub;
    size_t used;

    ck_assert_int_eq(proto_read_pub(text("abcdefgh 1\r\n"), 10, &pub, &used), PARSE_DONE);
    ck_assert_int_eq(proto_read_pub(text("abcdefgh 1\r\n"), 9, &pub, &used), PARSE_LONG);
    ck_assert_int_eq(proto_read_pub(text("abcdefgh 1"), 9, &pub, &used), PARSE_LONG);
    ck_assert_int_eq(proto_read_pub(text("abcdefgh 1"), 10, &pub, &used), PARSE_MORE);
    ck_assert_int_eq(proto_read_pub(text("            abcdefgh 1\n"), 10, &pub, &used), PARSE_DONE);
    ck_assert_int_eq(proto_read_sub(text("            a 1"), 3, &sub, &used), PARSE_MORE);
    ck_assert_int_eq(proto_read_sub(text("            a 12"), 3, &sub, &used), PARSE_LONG);
}
END_TEST

START_TEST(a_publish_is_subject_reply_and_size_however_it_is_spaced)
{
    static const char *const lines[] = {"foo re 12\r\n", "foo re 12\n", "  foo\tre \t 12  \r\n",
                                        "foo  re  12 \n"};
    struct proto_pub pub;
    size_t used;

    for (size_t i = 0; i < UNIT_COUNT(lines); i++) {
        ck_assert_int_eq(proto_read_pub(text(lines[i]), LIMIT, &pub, &used), PARSE_DONE);
        CK_BYTES(pub.subject, "foo");
        CK_BYTES(pub.reply, "re");
        ck_assert_uint_eq(pub.size, 12);
        ck_assert_uint_eq(pub.header_size, 0);
        ck_assert_uint_eq(used, strlen(lines[i]));
    }
    ck_assert_int_eq(proto_read_pub(text("a 0\r\n"), LIMIT, &pub, &used), PARSE_DONE);
    ck_assert_uint_eq(pub.reply.size, 0);
    ck_assert_int_eq(proto_read_pub(text("7 12 345678901\r\n"), LIMIT, &pub, &used), PARSE_DONE);
    CK_BYTES(pub.reply, "12");
    ck_assert_uint_eq(pub.size, 345678901);
    ck_assert_int_eq(proto_read_pub(text("7 1234567890 3\r\n"), LIMIT, &pub, &used), PARSE_DONE);
    CK_BYTES(pub.reply, "1234567890");
    ck_assert_int_eq(proto_read_pub(text("7 12x 3\r\n"), LIMIT, &pub, &used), PARSE_DONE);
    CK_BYTES(pub.reply, "12x");
    ck_assert_int_eq(proto_read_pub(text("7 000000012\r\n"), LIMIT, &pub, &used), PARSE_DONE);
    ck_assert_uint_eq(pub.size, 12);
    ck_assert_uint_eq(used, 13);
    ck_assert_int_eq(proto_read_pub(text("a\rb 3\r\n"), LIMIT, &pub, &used), PARSE_DONE);
    CK_BYTES(pub.subject, "a\rb");
    ck_assert_int_eq(proto_read_hpub(text("a b 12 14\r\n"), LIMIT, &pub, &used), PARSE_DONE);
    CK_BYTES(pub.reply, "b");
    ck_assert_uint_eq(pub.header_size, 12);
    ck_assert_uint_eq(pub.size, 14);
}
END_TEST

START_TEST(a_publish_with_the_wrong_words_is_bad)
{
    static const char *const pubs[] = {
        "\r\n",      "a\r\n",     "a b c 1\r\n",      "a xx\r\n",
        "a -1\r\n",  "a +1\r\n",  "a 1234567890\r\n", "a b c d 1\r\n",
        "a 0x1\r\n", "a b c 1\n", "a 1\r\r\n"};
    static const char *const hpubs[] = {"a 12\r\n",   "a 13 12\r\n",     "a -1 12\r\n",
                                        "a 12 x\r\n", "a b c 12 12\r\n", "\r\n"};
    struct proto_pub pub;
    size_t used;

    for (size_t i = 0; i < UNIT_COUNT(pubs); i++)
        ck_assert_msg(proto_read_pub(text(pubs[i]), LIMIT, &pub, &used) == PARSE_BAD, "%s",
                      pubs[i]);
    for (size_t i = 0; i < UNIT_COUNT(hpubs); i++)
        ck_assert_msg(proto_read_hpub(text(hpubs[i]), LIMIT, &pub, &used) == PARSE_BAD, "%s",
                      hpubs[i]);
}
END_TEST

START_TEST(subscribing_takes_two_or_three_words_and_ending_it_one_or_two)
{
    struct proto_unsub unsub;
    struct proto_sub sub;
    size_t used;

    ck_assert_int_eq(proto_read_sub(text("a.b  7\r\n"), LIMIT, &sub, &used), PARSE_DONE);
    CK_BYTES(sub.subject, "a.b");
    CK_BYTES(sub.queue, "");
    CK_BYTES(sub.sid, "7");
    ck_assert_int_eq(proto_read_sub(text("a q 7\n"), LIMIT, &sub, &used), PARSE_DONE);
    CK_BYTES(sub.queue, "q");
    ck_assert_int_eq(proto_read_sub(text("a\rq 7\r\r\n"), LIMIT, &sub, &used), PARSE_DONE);
    CK_BYTES(sub.subject, "a");
    CK_BYTES(sub.queue, "q");
    CK_BYTES(sub.sid, "7");
    ck_assert_int_eq(proto_read_sub(text("a\n"), LIMIT, &sub, &used), PARSE_BAD);
    ck_assert_int_eq(proto_read_sub(text("a b c d\n"), LIMIT, &sub, &used), PARSE_BAD);

    ck_assert_int_eq(proto_read_unsub(text("x9\r\n"), LIMIT, &unsub, &used), PARSE_DONE);
    CK_BYTES(unsub.sid, "x9");
    ck_assert_uint_eq(unsub.max, 0);
    ck_assert_int_eq(proto_read_unsub(text("1 5\r\n"), LIMIT, &unsub, &used), PARSE_DONE);
    ck_assert_uint_eq(unsub.max, 5);
    ck_assert_int_eq(proto_read_unsub(text("1 abc\r\n"), LIMIT, &unsub, &used), PARSE_DONE);
    ck_assert_uint_eq(unsub.max, 0);
    ck_assert_int_eq(proto_read_unsub(text("1 2 3\r\n"), LIMIT, &unsub, &used), PARSE_BAD);
    ck_assert_int_eq(proto_read_unsub(text("\r\n"), LIMIT, &unsub, &used), PARSE_BAD);
}
END_TEST

/* A reader that is asked too early says MORE, at every byte, and reads on as if nothing was. */
START_TEST(a_line_cut_anywhere_wants_more)
{
    static const char *const lines[] = {"foo 12\r\n", "foo reply 123\r\n", " foo \t reply 1 \n"};

    for (size_t i = 0; i < UNIT_COUNT(lines); i++) {
        struct bytes line = text(lines[i]);
        struct proto_unsub unsub;
        struct proto_pub pub;
        struct proto_sub sub;
        size_t used;

        for (size_t cut = 0; cut < line.size; cut++) {
            struct bytes part = bytes_take(line, cut);

            ck_assert_int_eq(proto_read_pub(part, LIMIT, &pub, &used), PARSE_MORE);
            ck_assert_int_eq(proto_read_hpub(part, LIMIT, &pub, &used), PARSE_MORE);
            ck_assert_int_eq(proto_read_sub(part, LIMIT, &sub, &used), PARSE_MORE);
            ck_assert_int_eq(proto_read_unsub(part, LIMIT, &unsub, &used), PARSE_MORE);
        }
        ck_assert_int_eq(proto_read_pub(line, LIMIT, &pub, &used), PARSE_DONE);
        ck_assert_uint_eq(used, line.size);
    }
}
END_TEST

/* A line of random pieces: mostly as clients write it, now and then odd. */
static size_t odd_line(struct prng *prng, char *to)
{
    static const char *const pieces[] = {" ",    "a.b",        "12",     " ",  "7",
                                         "\r\n", "queue.name", " ",      "\t", "\r",
                                         "\n",   "\v",         "x\x01y", "  ", "0"};
    size_t size = 0, count = 1 + prng_below(prng, 8);

    for (size_t i = 0; i < count; i++) {
        bool word = i % 2 == 0;
        const char *piece = prng_chance(prng, 1, 6) ? pieces[prng_below(prng, UNIT_COUNT(pieces))]
                            : word                  ? pieces[1 + prng_below(prng, 2)]
                                                    : " ";

        size += (size_t)sprintf(to + size, "%s", piece);
    }
    if (prng_chance(prng, 9, 10))
        size += (size_t)sprintf(to + size, "\r\nMSG");
    return size;
}

/* A blank in front, which changes nothing, leaves a line to the reader of any line. */
START_TEST(usual_lines_are_read_as_the_same_lines_with_a_blank_before_them)
{
    struct prng prng;
    char line[256] = " ";

    prng_seed(&prng, 3);
    for (int i = 0; i < 300000; i++) {
        size_t limit = 5 + prng_below(&prng, 60), size = odd_line(&prng, line + 1);
        struct bytes any = bytes_of(line, size + 1), usual = bytes_of(line + 1, size);
        struct proto_unsub unsubs[2] = {0};
        struct proto_sub subs[2] = {0};
        struct proto_pub pubs[2] = {0};
        size_t used[2] = {0};

        ck_assert_int_eq(proto_read_sub(usual, limit, &subs[0], &used[0]),
                         proto_read_sub(any, limit, &subs[1], &used[1]));
        ck_assert(bytes_equal(subs[0].subject, subs[1].subject));
        ck_assert(bytes_equal(subs[0].queue, subs[1].queue));
        ck_assert(bytes_equal(subs[0].sid, subs[1].sid));
        ck_assert_int_eq(proto_read_unsub(usual, limit, &unsubs[0], &used[0]),
                         proto_read_unsub(any, limit, &unsubs[1], &used[1]));
        ck_assert(bytes_equal(unsubs[0].sid, unsubs[1].sid));
        ck_assert_uint_eq(unsubs[0].max, unsubs[1].max);
        if (proto_read_hpub(usual, limit, &pubs[0], &used[0]) == PARSE_DONE) {
            ck_assert_int_eq(proto_read_hpub(any, limit, &pubs[1], &used[1]), PARSE_DONE);
            ck_assert_uint_eq(used[0] + 1, used[1]);
            ck_assert(bytes_equal(pubs[0].subject, pubs[1].subject));
            ck_assert(bytes_equal(pubs[0].reply, pubs[1].reply));
            ck_assert_uint_eq(pubs[0].header_size, pubs[1].header_size);
            ck_assert_uint_eq(pubs[0].size, pubs[1].size);
        } else {
            ck_assert_int_ne(proto_read_hpub(any, limit, &pubs[1], &used[1]), PARSE_DONE);
        }
    }
}
END_TEST

START_TEST(numbers_are_written_as_printf_writes_them)
{
    struct prng prng;

    prng_seed(&prng, 1);
    for (int round = 0; round < 100000; round++) {
        uint32_t value = (uint32_t)prng_next(&prng) >> prng_below(&prng, 32);
        uint8_t at[PROTO_DIGITS_MAX + 1];
        char expected[PROTO_DIGITS_MAX + 1];

        if (round < 20)
            value = round < 10 ? (uint32_t)round : UINT32_MAX - (uint32_t)round + 10;
        *proto_write_u32(at, value) = 0;
        snprintf(expected, sizeof(expected), "%u", value);
        ck_assert_str_eq((char *)at, expected);
    }
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        verbs_are_told_in_any_case_and_from_their_first_bytes,
        arguments_lose_the_blanks_before_them_and_one_cr,
        the_limit_binds_whole_and_unfinished_lines_but_not_leading_blanks,
        a_publish_is_subject_reply_and_size_however_it_is_spaced,
        a_publish_with_the_wrong_words_is_bad,
        subscribing_takes_two_or_three_words_and_ending_it_one_or_two,
        a_line_cut_anywhere_wants_more,
        usual_lines_are_read_as_the_same_lines_with_a_blank_before_them,
        numbers_are_written_as_printf_writes_them,
    };

    return UNIT_RUN_PLAIN("proto", tests);
}
