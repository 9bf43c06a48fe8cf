#include "cli/socks.h"
#include "cli/url.h"
#include "tests/unit/unit.h"

static struct buf out;

static void begin(struct socks *socks, const char *user)
{
    bool begun;

    buf_init(&out, 4096);
    *socks = (struct socks){.user = user, .password = "secret", .host = "n1", .port = 4222};
    begun = socks_begin(socks, &out);
    ck_assert(begun);
}

static void sent(struct bytes wanted)
{
    ck_assert(bytes_equal(buf_bytes(&out), wanted));
    buf_clear(&out);
}

static enum socks_step step(struct socks *socks, struct bytes in, const char **why)
{
    size_t used;
    enum socks_step step;

    /* What is not whole takes nothing and changes nothing. */
    for (size_t i = 0; i < in.size; i++) {
        struct socks before = *socks;
        enum socks_step early = socks_step(socks, bytes_take(in, i), &used, &out, why);

        if (early == SOCKS_BAD)
            return early;
        ck_assert_int_eq(early, SOCKS_MORE);
        ck_assert_uint_eq(used, 0);
        ck_assert_int_eq(before.state, socks->state);
    }
    step = socks_step(socks, in, &used, &out, why);
    if (step != SOCKS_BAD)
        ck_assert_uint_eq(used, in.size);
    return step;
}

START_TEST(an_open_proxy_is_asked_for_the_server_by_name)
{
    struct socks socks;
    const char *why;

    begin(&socks, NULL);
    sent(BYTES("\5\1\0"));
    ck_assert_int_eq(step(&socks, BYTES("\5\0"), &why), SOCKS_SENT);
    sent(BYTES("\5\1\0\3\2n1\x10\x7e"));
    ck_assert_int_eq(step(&socks, BYTES("\5\0\0\1\x7f\0\0\1\0\x50"), &why), SOCKS_READY);
    ck_assert_int_eq(socks.state, SOCKS_THROUGH);
    buf_deinit(&out);
}
END_TEST

START_TEST(a_proxy_that_asks_is_told_the_user_and_the_password)
{
    static const struct bytes answers[] = {{(const uint8_t *)"\5\0\0\3\2ab\0\x50", 9},
                                           {(const uint8_t *)"\5\0\0\4aaaabbbbccccdddd\0\x50", 22}};

    for (size_t i = 0; i < 2; i++) {
        struct socks socks;
        const char *why;

        begin(&socks, "me");
        sent(BYTES("\5\2\0\2"));
        ck_assert_int_eq(step(&socks, BYTES("\5\2"), &why), SOCKS_SENT);
        sent(BYTES("\1\2me\6secret"));
        ck_assert_int_eq(step(&socks, BYTES("\1\0"), &why), SOCKS_SENT);
        sent(BYTES("\5\1\0\3\2n1\x10\x7e"));
        ck_assert_int_eq(step(&socks, answers[i], &why), SOCKS_READY);
        buf_deinit(&out);
    }
}
END_TEST

START_TEST(what_a_proxy_refuses_is_said)
{
    struct socks socks;
    const char *why = "";

    begin(&socks, NULL);
    ck_assert_int_eq(step(&socks, BYTES("HTTP"), &why), SOCKS_BAD);
    buf_deinit(&out);
    begin(&socks, NULL);
    ck_assert_int_eq(step(&socks, BYTES("\5\2"), &why), SOCKS_BAD);
    ck_assert(strstr(why, "wants a user") != NULL);
    buf_deinit(&out);
    begin(&socks, "me");
    ck_assert_int_eq(step(&socks, BYTES("\5\2"), &why), SOCKS_SENT);
    ck_assert_int_eq(step(&socks, BYTES("\1\1"), &why), SOCKS_BAD);
    ck_assert(strstr(why, "does not take") != NULL);
    buf_deinit(&out);
    for (unsigned code = 1; code < 256; code++) {
        uint8_t refusal[] = {5, (uint8_t)code, 0, 1, 0, 0, 0, 0, 0, 0};

        begin(&socks, NULL);
        ck_assert_int_eq(step(&socks, BYTES("\5\0"), &why), SOCKS_SENT);
        ck_assert_int_eq(step(&socks, bytes_of(refusal, sizeof(refusal)), &why), SOCKS_BAD);
        ck_assert_uint_gt(strlen(why), 5);
        buf_deinit(&out);
    }
}
END_TEST

START_TEST(the_address_of_a_proxy_is_read)
{
    struct url url;

    ck_assert_ptr_null(url_read_proxy(BYTES("socks5://me:x@host:9"), &url));
    ck_assert_str_eq(url.user, "me");
    ck_assert_str_eq(url.port, "9");
    ck_assert_ptr_null(url_read_proxy(BYTES("host"), &url));
    ck_assert_str_eq(url.port, "1080");
    ck_assert_ptr_nonnull(url_read_proxy(BYTES("http://host"), &url));
    ck_assert_ptr_nonnull(url_read_proxy(BYTES(""), &url));
}
END_TEST
int main(void)
{
    const TTest *tests[] = {an_open_proxy_is_asked_for_the_server_by_name,
                            a_proxy_that_asks_is_told_the_user_and_the_password,
                            what_a_proxy_refuses_is_said, the_address_of_a_proxy_is_read};

    return UNIT_RUN_PLAIN("socks", tests);
}
