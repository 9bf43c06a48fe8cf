#include "server/monitor/http_path.h"
#include "tests/unit/unit.h"

static void check_clean(const char *path, const char *expected)
{
    struct buf out;

    buf_init(&out, 64);
    ck_assert(BUF_ADD(&out, "before/")); /* what was there stays */
    ck_assert(http_path_clean(bytes_of_text(path), &out));
    ck_assert(bytes_starts(buf_bytes(&out), BYTES("before/")));
    ck_assert_msg(bytes_equal(bytes_skip(buf_bytes(&out), 7), bytes_of_text(expected)),
                  "%s: %.*s, not %s", path, (int)out.size - 7, (const char *)out.at + 7, expected);
    buf_deinit(&out);
}

START_TEST(a_path_that_is_clean_stays)
{
    check_clean("/", "/");
    check_clean("/varz", "/varz");
    check_clean("/base/varz", "/base/varz");
    check_clean("/varz/", "/varz/");
    check_clean("/.varz/..a/b.", "/.varz/..a/b.");
}
END_TEST

START_TEST(words_that_say_nothing_are_left_out)
{
    check_clean("//varz", "/varz");
    check_clean("///", "/");
    check_clean("/a//b///c", "/a/b/c");
    check_clean("/./varz", "/varz");
    check_clean("/varz/.", "/varz");
    check_clean("/varz//", "/varz/");
    check_clean("", "/");
    check_clean("varz", "/varz");
}
END_TEST

START_TEST(nobody_gets_above_the_first_word)
{
    check_clean("/a/../varz", "/varz");
    check_clean("/a/b/../../varz", "/varz");
    check_clean("/../../varz", "/varz");
    check_clean("/..", "/");
    check_clean("/a/..", "/");
    check_clean("//host/../..//varz", "/varz");
}
END_TEST

START_TEST(a_path_without_room_is_told)
{
    struct buf out;

    buf_init(&out, 4);
    ck_assert(!http_path_clean(BYTES("/varz"), &out));
    buf_deinit(&out);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        a_path_that_is_clean_stays,
        words_that_say_nothing_are_left_out,
        nobody_gets_above_the_first_word,
        a_path_without_room_is_told,
    };

    return UNIT_RUN_PLAIN("http_path", tests);
}
