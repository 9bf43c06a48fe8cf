#include "server/reload.h"

#include <stdio.h>

#include "tests/unit/unit.h"

static struct options before, after;
static char reason[RELOAD_REASON_SIZE];

static bool allowed(void)
{
    return reload_allowed(&before, &after, reason);
}

static void reset(void)
{
    options_default(&before);
    options_default(&after);
}

START_TEST(nothing_changed_is_always_allowed)
{
    reset();
    ck_assert(allowed());
}
END_TEST

START_TEST(what_cannot_change_is_named_with_both_values)
{
    reset();
    after.max_pending = 5;
    ck_assert(!allowed());
    ck_assert_str_eq(reason, "config reload not supported for MaxPending: old=67108864, new=5");
    reset();
    snprintf(after.server_name, sizeof(after.server_name), "x");
    ck_assert(!allowed());
    ck_assert_str_eq(reason, "config reload not supported for ServerName: old=, new=x");
    reset();
    after.lame_duck_ns /= 2;
    ck_assert(!allowed());
    ck_assert_str_eq(reason,
                     "config reload not supported for LameDuckDuration: old=2m0s, new=1m0s");
    reset();
    after.jetstream = true;
    ck_assert(!allowed());
    ck_assert_str_eq(reason, "config reload not supported for JetStream: old=false, new=true");
    reset();
    before.jetstream_options.domain = "a";
    ck_assert(!allowed());
    ck_assert_str_eq(reason, "config reload not supported for JetStreamDomain: old=a, new=");
}
END_TEST

START_TEST(limits_logs_and_credentials_change)
{
    reset();
    after.max_payload = 5;
    after.max_connections = 1;
    after.ping_interval_ns = 7;
    after.debug = true;
    after.auth.token = BYTES("t");
    after.client_advertise = "x";
    ck_assert(allowed());
}
END_TEST

START_TEST(a_cluster_does_not_change)
{
    struct cluster_route routes[] = {{.url = "nats://a:1"}, {.url = "nats://a:2"}};

    reset();
    before.cluster = after.cluster = (struct cluster_options){
        .configured = true, .routes = &routes[0], .routes_count = 1, .password = "p"};
    ck_assert(allowed());
    after.cluster.password = "q";
    ck_assert(!allowed());
    ck_assert_str_eq(
        reason, "config reload not supported for cluster password: old=(hidden), new=(hidden)");
    after.cluster.password = "p";
    after.cluster.routes = &routes[1];
    ck_assert(!allowed());
    after.cluster.routes = routes;
    after.cluster.routes_count = 2;
    ck_assert(!allowed());
    after.cluster = before.cluster;
    after.client_advertise = "x";
    ck_assert(!allowed());
    ck_assert_str_eq(reason, "config reload not supported for client_advertise in a cluster");
}
END_TEST

START_TEST(room_for_streams_may_only_grow)
{
    static const struct {
        int64_t from, to;
        bool good;
    } rows[] = {{-1, -1, true}, {5, 5, true},  {5, 6, true},
                {5, -1, true},  {5, 4, false}, {-1, 5, false}};

    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        reset();
        before.jetstream_options.store_max = rows[i].from;
        after.jetstream_options.store_max = rows[i].to;
        ck_assert_int_eq(allowed(), rows[i].good);
    }
}
END_TEST

START_TEST(who_says_nothing_stays_who_it_is)
{
    reset();
    before.auth.no_auth_user = BYTES("a");
    after.auth.no_auth_user = BYTES("b");
    ck_assert(!allowed());
    ck_assert_str_eq(reason, "config reload not supported for NoAuthUser: old=a, new=b");
    after.auth.no_auth_user = BYTES("");
    ck_assert(allowed());
    after.auth.users_count = 1;
    ck_assert(!allowed());
}
END_TEST

static char lines[4000];

static void take_line(void *context, struct bytes line)
{
    (void)context;
    ck_assert_uint_lt(strlen(lines) + line.size, sizeof(lines));
    strncat(lines, (const char *)line.at, line.size);
}

START_TEST(changes_are_logged_but_no_secrets)
{
    const struct logger logger = {.level = LOGGER_INFO, .line = take_line};

    reset();
    after.max_payload = 5;
    after.write_deadline_ns = INT64_C(3000000000);
    after.trace = true;
    after.auth.token = BYTES("hush");
    lines[0] = 0;
    reload_log(&before, &after, &logger);
    ck_assert_ptr_nonnull(strstr(lines, "Reloaded: max_payload = 5\n"));
    ck_assert_ptr_nonnull(strstr(lines, "Reloaded: write_deadline = 3s\n"));
    ck_assert_ptr_nonnull(strstr(lines, "Reloaded: trace = true\n"));
    ck_assert_ptr_nonnull(strstr(lines, "Reloaded: authorization token\n"));
    ck_assert_ptr_null(strstr(lines, "hush"));
    ck_assert_ptr_null(strstr(lines, "ping_interval"));
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        nothing_changed_is_always_allowed,  what_cannot_change_is_named_with_both_values,
        limits_logs_and_credentials_change, a_cluster_does_not_change,
        room_for_streams_may_only_grow,     who_says_nothing_stays_who_it_is,
        changes_are_logged_but_no_secrets,
    };

    return UNIT_RUN_PLAIN("reload", tests);
}
