#include "server/cluster/route_url.h"
#include "tests/unit/unit.h"

static void reads(const char *text, const char *user, const char *password, const char *host,
                  int port)
{
    struct route_url url;

    ck_assert_msg(route_url_read(bytes_of_text(text), &url), "%s", text);
    ck_assert_msg(bytes_equal(url.user, bytes_of_text(user)), "%s", text);
    ck_assert_msg(bytes_equal(url.password, bytes_of_text(password)), "%s", text);
    ck_assert_msg(bytes_equal(url.host, bytes_of_text(host)), "%s", text);
    ck_assert_int_eq(url.port, port);
}

START_TEST(urls_name_a_host_and_perhaps_who_asks)
{
    reads("nats-route://n1:6222", "", "", "n1", 6222);
    reads("nats://n1:6222/", "", "", "n1", 6222);
    reads("tls://n1", "", "", "n1", 0);
    reads("//n1:6222", "", "", "n1", 6222);
    reads("//u:p@n1:6222/", "u", "p", "n1", 6222);
    reads("10.0.0.1:6222", "", "", "10.0.0.1", 6222);
    reads("nats://u:p@n1:1", "u", "p", "n1", 1);
    reads("nats://u@n1:1", "u", "", "n1", 1);
    reads("nats://[::1]:6222", "", "", "::1", 6222);
    reads("nats://127.0.0.1:-1", "", "", "127.0.0.1", -1);
    reads("nats://:6222", "", "", "", 6222);
}
END_TEST

START_TEST(what_is_no_such_url_is_refused)
{
    static const char *const bad[] = {"",
                                      "http://n1:1",
                                      "//n1/a:1",
                                      "/n1:1",
                                      "nats://nats://n1:1",
                                      "nats://n1:x",
                                      "nats://n1:65536",
                                      "nats://[::1",
                                      "nats://n 1:1",
                                      "nats://[::1]6222",
                                      "n1:"};
    struct route_url url;

    for (size_t i = 0; i < UNIT_COUNT(bad); i++)
        ck_assert_msg(!route_url_read(bytes_of_text(bad[i]), &url), "%s", bad[i]);
}
END_TEST

START_TEST(an_address_has_a_port_or_keeps_the_one_there_was)
{
    static const struct {
        const char *text, *host;
        uint16_t port;
    } cases[] = {
        {"n1:7", "n1", 7}, {"n1", "n1", 5},     {"[::1]:7", "::1", 7},
        {"::1", "::1", 5}, {"[::1]", "::1", 5},
    };

    for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
        uint16_t port = 5;

        ck_assert(bytes_equal(address_split(bytes_of_text(cases[i].text), &port),
                              bytes_of_text(cases[i].host)));
        ck_assert_uint_eq(port, cases[i].port);
    }
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        urls_name_a_host_and_perhaps_who_asks,
        what_is_no_such_url_is_refused,
        an_address_has_a_port_or_keeps_the_one_there_was,
    };

    return UNIT_RUN_PLAIN("route_url", tests);
}
