#include "cli/creds.h"
#include "cli/url.h"
#include "tests/unit/unit.h"

#define SEED "SUAAAAICAMCAKBQHBAEQUCYMBUHA6EARCIJRIFIWC4MBSGQ3DQOR4H776Y"

START_TEST(every_part_of_an_address_is_read)
{
    struct url url;

    ck_assert_ptr_null(url_read(BYTES("nats://me:s%40cret@host:1234/"), &url));
    ck_assert_str_eq(url.user, "me");
    ck_assert_str_eq(url.password, "s@cret");
    ck_assert_str_eq(url.host, "host");
    ck_assert_str_eq(url.port, "1234");
    ck_assert(!url.tls);
    ck_assert_ptr_null(url_read(BYTES("tls://[::1]"), &url));
    ck_assert_str_eq(url.host, "::1");
    ck_assert_str_eq(url.port, "4222");
    ck_assert(url.tls);
    ck_assert_ptr_null(url_read(BYTES(" token@localhost "), &url));
    ck_assert_str_eq(url.user, "token");
    ck_assert(!url.has_password);
}
END_TEST

START_TEST(what_is_no_address_is_refused)
{
    static const char *const wrong[] = {"",         "http://x", "nats://",   "x:0",    "x:65536",
                                        "x:port",   "[::1",     "a%4@host",  "a%zz@h", "ws://x",
                                        "nats://:", "x:1:2",    "u%00@host", "@:"};
    char huge[2000];
    struct url url;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        ck_assert_msg(url_read(bytes_of_text(wrong[i]), &url) != NULL, "%s", wrong[i]);
    memset(huge, 'x', sizeof(huge));
    ck_assert_ptr_nonnull(url_read(bytes_of(huge, sizeof(huge)), &url));
}
END_TEST

START_TEST(a_seed_is_read_only_when_its_checksum_holds)
{
    char text[] = "# a comment\n" SEED "\n";
    struct creds creds;
    bool good = creds_read_seed(bytes_of_text(text), &creds);

    ck_assert(good);
    for (size_t i = 12; i < sizeof(text) - 2; i++) {
        char was = text[i];

        text[i] = was == 'A' ? 'B' : 'A';
        ck_assert(!creds_read_seed(bytes_of_text(text), &creds));
        text[i] = was;
    }
    ck_assert(!creds_read_seed(BYTES(""), &creds));
    ck_assert(!creds_read_seed(BYTES("SUA"), &creds));
    ck_assert(!creds_read(bytes_of_text(text), &creds)); /* a seed alone is no credentials */
}
END_TEST

int main(void)
{
    const TTest *tests[] = {every_part_of_an_address_is_read, what_is_no_address_is_refused,
                            a_seed_is_read_only_when_its_checksum_holds};

    return UNIT_RUN_PLAIN("url", tests);
}
