#include "base/logger.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/limits.h"
#include "tests/unit/unit.h"

static struct buf lines;
static struct logger logger;

static void take_line(void *context, struct bytes line)
{
    ck_assert_ptr_eq(context, &lines);
    ck_assert(buf_add(&lines, line));
}

static int64_t fixed_now(void *context)
{
    ck_assert_ptr_eq(context, &lines);
    return INT64_C(1795230480123456789);
}

static void setup(void)
{
    buf_deinit(&lines);
    buf_init(&lines, 1 << 20);
    logger_init(&logger);
    logger.pid = 4711;
    logger.colour = false;
    logger.utc = true;
    logger.now = fixed_now;
    logger.line = take_line;
    logger.context = &lines;
}

#define ASSERT_LINES(literal)                                                                      \
    ck_assert_msg(bytes_equal(buf_bytes(&lines), BYTES(literal)), "%.*s",                          \
                  BYTES_ARG(buf_bytes(&lines)))

START_TEST(a_line_has_the_known_form)
{
    setup();
    logger_info(&logger, "Listening for client connections on %s:%d", "0.0.0.0", 4222);
    logger_info(&logger, "%s", "");
    ASSERT_LINES("[4711] 2026/11/21 03:08:00.123456 [INF] Listening for client connections on "
                 "0.0.0.0:4222\n"
                 "[4711] 2026/11/21 03:08:00.123456 [INF] \n");
}
END_TEST

START_TEST(the_time_can_be_left_out)
{
    setup();
    logger.time = false;
    logger_warn(&logger, "x");
    ASSERT_LINES("[4711] [WRN] x\n");
}
END_TEST

START_TEST(local_time_follows_the_zone)
{
    setup();
    setenv("TZ", "XXX-5:30", 1);
    tzset();
    logger.utc = false;
    logger_info(&logger, "x");
    ASSERT_LINES("[4711] 2026/11/21 08:38:00.123456 [INF] x\n");
}
END_TEST

START_TEST(levels_have_names_and_on_terminals_colours)
{
    setup();
    logger.time = false;
    logger.level = LOGGER_TRACE;
    for (int colour = 0; colour < 2; colour++) {
        logger.colour = colour;
        logger_fatal(&logger, "a");
        logger_error(&logger, "b");
        logger_warn(&logger, "c");
        logger_info(&logger, "d");
        logger_debug(&logger, "e");
        logger_trace(&logger, "f");
    }
    ASSERT_LINES("[4711] [FTL] a\n[4711] [ERR] b\n[4711] [WRN] c\n"
                 "[4711] [INF] d\n[4711] [DBG] e\n[4711] [TRC] f\n"
                 "[4711] [\x1b[31mFTL\x1b[0m] a\n[4711] [\x1b[31mERR\x1b[0m] b\n"
                 "[4711] [\x1b[0;93mWRN\x1b[0m] c\n[4711] [\x1b[32mINF\x1b[0m] d\n"
                 "[4711] [\x1b[36mDBG\x1b[0m] e\n[4711] [\x1b[33mTRC\x1b[0m] f\n");
}
END_TEST

static int evaluated;

static int evaluate(void)
{
    return ++evaluated;
}

START_TEST(what_is_less_important_than_the_level_is_not_written)
{
    for (int level = LOGGER_FATAL; level <= LOGGER_TRACE; level++) {
        setup();
        logger.level = level;
        for (int line = LOGGER_FATAL; line <= LOGGER_TRACE; line++) {
            buf_clear(&lines);
            logger_print(&logger, (enum logger_level)line, "x");
            ck_assert((lines.size > 0) == (line <= level));
            ck_assert(logger_wants(&logger, (enum logger_level)line) == (line <= level));
        }
    }
    setup();
    evaluated = 0;
    logger_debug(&logger, "%d", evaluate());
    logger_trace(&logger, "%d", evaluate());
    ck_assert_int_eq(evaluated, 0);
}
END_TEST

START_TEST(no_text_leaves_its_line_or_steers_a_terminal)
{
    setup();
    logger.time = false;
    logger_info(&logger, "a\nb\r\t\x1b[31m\x7f \xff\xc3 \xc2\x9b \xe2\x80\xae \xf3\xa0\x81\x81");
    logger_info(&logger, "Gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80 \\ \"");
    ASSERT_LINES("[4711] [INF] a\\nb\\r\\t\\x1b[31m\\x7f \\xff\\xc3 \\u009b \\u202e \\U000e0041\n"
                 "[4711] [INF] Gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80 \\ \"\n");
}
END_TEST

/* Around the limit, byte by byte, and with characters that are shown longer than they are. */
START_TEST(a_long_line_is_cut_at_the_limit)
{
    static const char *const fillers[] = {"x", "\x01", "\xc3\xa9"};
    static char text[3 * LOG_LINE_MAX];

    for (size_t filler = 0; filler < UNIT_COUNT(fillers); filler++) {
        size_t size = strlen(fillers[filler]);

        setup();
        for (size_t i = 0; i < sizeof(text) - 1; i++)
            text[i] = fillers[filler][i % size];
        for (size_t count = LOG_LINE_MAX - 100; count < LOG_LINE_MAX + 100; count++) {
            buf_clear(&lines);
            logger_info(&logger, "%.*s", (int)count, text);
            ck_assert_uint_le(lines.size, LOG_LINE_MAX);
            ck_assert_uint_eq(lines.at[lines.size - 1], '\n');
            if (lines.size < LOG_LINE_MAX - 8)
                ck_assert_int_ne(memcmp(lines.at + lines.size - 4, "...\n", 4), 0);
        }
        ck_assert_int_eq(memcmp(lines.at + lines.size - 4, "...\n", 4), 0);
        ck_assert_uint_gt(lines.size, LOG_LINE_MAX - 8);
        buf_clear(&lines);
        logger_info(&logger, "%s", text);
        ck_assert_uint_gt(lines.size, LOG_LINE_MAX - 8);
    }
}
END_TEST

START_TEST(a_descriptor_gets_one_write_per_line)
{
    int ends[2];
    char text[256];
    ssize_t size;

    ck_assert_int_eq(pipe2(ends, O_DIRECT), 0);
    setup();
    logger.line = NULL;
    logger.time = false;
    logger.descriptor = ends[1];
    errno = 77;
    logger_info(&logger, "one");
    logger_error(&logger, "two");
    ck_assert_int_eq(errno, 77);              /* and errno is the caller's */
    size = read(ends[0], text, sizeof(text)); /* one packet is one write */
    ck_assert(bytes_equal(bytes_of(text, (size_t)size), BYTES("[4711] [INF] one\n")));
    size = read(ends[0], text, sizeof(text));
    ck_assert(bytes_equal(bytes_of(text, (size_t)size), BYTES("[4711] [ERR] two\n")));
    close(ends[0]);
    close(ends[1]);
    logger_info(&logger, "nobody listens"); /* and nothing happens */
    ck_assert_int_eq(errno, 77);
}
END_TEST

START_TEST(quoting_lets_text_be_told_from_escapes)
{
    struct buf out;

    buf_init(&out, 100);
    ck_assert(logger_quote(&out, BYTES("a\"b\\n\n\0\xff\xc3\xa9")));
    ck_assert(bytes_equal(buf_bytes(&out), BYTES("a\\\"b\\\\n\\n\\x00\\xff\xc3\xa9")));
    buf_deinit(&out);
    buf_init(&out, 5);
    ck_assert(!logger_quote(&out, BYTES("abc\n\n")));
    ck_assert_uint_le(out.size, 5);
    buf_deinit(&out);
}
END_TEST

START_TEST(a_new_logger_writes_as_this_process)
{
    struct logger fresh;

    logger_init(&fresh);
    ck_assert_int_eq(fresh.pid, getpid());
    ck_assert_int_eq(fresh.descriptor, STDERR_FILENO);
    ck_assert_int_eq(fresh.level, LOGGER_INFO);
    ck_assert(fresh.time && !fresh.utc);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        a_line_has_the_known_form,
        the_time_can_be_left_out,
        local_time_follows_the_zone,
        levels_have_names_and_on_terminals_colours,
        what_is_less_important_than_the_level_is_not_written,
        no_text_leaves_its_line_or_steers_a_terminal,
        a_long_line_is_cut_at_the_limit,
        a_descriptor_gets_one_write_per_line,
        quoting_lets_text_be_told_from_escapes,
        a_new_logger_writes_as_this_process,
    };

    return UNIT_RUN_PLAIN("logger", tests);
}
