#include "server/cluster/hello.h"
#include "tests/unit/unit.h"

static struct hello hello_named(const char *name)
{
    struct hello hello = {
        .version = HELLO_VERSION,
        .version_min = HELLO_VERSION_MIN,
        .class = 2,
        .jetstream = true,
        .port = 6222,
        .features = 5,
        .token = 77,
        .incarnation = 78,
        .cluster_name = BYTES("C"),
        .server_id = bytes_of_text(name),
        .server_name = bytes_of_text(name),
        .host = BYTES("10.0.0.1"),
        .user = BYTES("u"),
        .password = BYTES("p"),
        .urls = {BYTES("a:1"), BYTES("b:2")},
        .urls_count = 2,
        .websocket_urls = {BYTES("c:3")},
        .websocket_urls_count = 1,
    };

    hello.node = bytes_hash(hello.server_name, 0);
    return hello;
}

static void encode(struct buf *out, const struct hello *hello)
{
    buf_init(out, 1u << 20);
    hello_encode(out, hello);
}

START_TEST(everything_that_is_said_is_heard)
{
    struct hello said = hello_named("n1"), heard;
    struct buf out;

    encode(&out, &said);
    ck_assert(hello_decode(buf_bytes(&out), &heard));
    ck_assert_uint_eq(heard.version, said.version);
    ck_assert_uint_eq(heard.version_min, said.version_min);
    ck_assert_uint_eq(heard.class, 2);
    ck_assert(heard.jetstream);
    ck_assert(!heard.cluster_name_dynamic);
    ck_assert_uint_eq(heard.port, 6222);
    ck_assert_uint_eq(heard.features, 5);
    ck_assert_uint_eq(heard.token, 77);
    ck_assert_uint_eq(heard.node, said.node);
    ck_assert_uint_eq(heard.incarnation, 78);
    ck_assert(bytes_equal(heard.cluster_name, said.cluster_name));
    ck_assert(bytes_equal(heard.server_id, said.server_id));
    ck_assert(bytes_equal(heard.server_name, said.server_name));
    ck_assert(bytes_equal(heard.host, said.host));
    ck_assert(bytes_equal(heard.user, said.user));
    ck_assert(bytes_equal(heard.password, said.password));
    ck_assert_uint_eq(heard.urls_count, 2);
    ck_assert(bytes_equal(heard.urls[0], BYTES("a:1")));
    ck_assert(bytes_equal(heard.urls[1], BYTES("b:2")));
    ck_assert_uint_eq(heard.websocket_urls_count, 1);
    ck_assert(bytes_equal(heard.websocket_urls[0], BYTES("c:3")));
    buf_deinit(&out);
}
END_TEST

/* The URLs for WebSocket came later. */
START_TEST(a_hello_cut_anywhere_is_malformed_and_one_with_more_is_not)
{
    struct hello said = hello_named("n1"), heard;
    size_t without = 2 + 2 + sizeof("c:3") - 1;
    struct buf out;

    encode(&out, &said);
    for (size_t cut = 0; cut < out.size; cut++)
        ck_assert_int_eq(hello_decode(bytes_of(out.at, cut), &heard), cut == out.size - without);
    ck_assert(hello_decode(bytes_of(out.at, out.size - without), &heard));
    ck_assert_uint_eq(heard.websocket_urls_count, 0);
    ck_assert(BUF_ADD(&out, "fields of a later version"));
    ck_assert(hello_decode(buf_bytes(&out), &heard));
    buf_deinit(&out);
}
END_TEST

START_TEST(names_that_would_spoil_a_log_and_empty_ones_are_malformed)
{
    static const char *const bad[] = {"", "a\nb", "a\x7f"};
    struct hello heard;

    for (size_t i = 0; i < UNIT_COUNT(bad); i++) {
        for (int field = 0; field < 3; field++) {
            struct hello said = hello_named("n1");
            struct bytes text = bytes_of_text(bad[i]);
            struct buf out;

            *(field == 0   ? &said.cluster_name
              : field == 1 ? &said.server_name
                           : &said.server_id) = text;
            encode(&out, &said);
            ck_assert(!hello_decode(buf_bytes(&out), &heard));
            buf_deinit(&out);
        }
    }
}
END_TEST

START_TEST(a_refusal_carries_its_reason_and_words)
{
    enum hello_reason reason;
    struct bytes text;
    struct buf out;

    buf_init(&out, 1000);
    refusal_encode(&out, HELLO_CLUSTER_NAME, BYTES("another"));
    ck_assert(refusal_decode(buf_bytes(&out), &reason, &text));
    ck_assert_int_eq(reason, HELLO_CLUSTER_NAME);
    ck_assert(bytes_equal(text, BYTES("another")));
    for (size_t cut = 0; cut < out.size; cut++)
        ck_assert(!refusal_decode(bytes_of(out.at, cut), &reason, &text));
    buf_deinit(&out);
}
END_TEST

START_TEST(every_reason_has_words_also_those_of_later_versions)
{
    for (int reason = 0; reason < 100; reason++)
        ck_assert_uint_gt(strlen(hello_reason_text((enum hello_reason)reason)), 0);
}
END_TEST

/* ---- judging -------------------------------------------------------------------------------- */

START_TEST(two_nodes_of_one_cluster_go_on)
{
    struct hello ours = hello_named("n1"), theirs = hello_named("n2");

    ck_assert_int_eq(hello_judge(&ours, &theirs, NULL), HELLO_FINE);
    ck_assert_int_eq(hello_judge(&ours, &theirs, &(struct hello_guard){0}), HELLO_FINE);
}
END_TEST

START_TEST(versions_that_do_not_overlap_are_refused)
{
    struct hello ours = hello_named("n1"), theirs = hello_named("n2");

    ours.version = 5;
    ours.version_min = 3;
    for (uint16_t min = 1; min < 8; min++) {
        for (uint16_t max = min; max < 8; max++) {
            bool overlap = max >= 3 && min <= 5;

            theirs.version = max;
            theirs.version_min = min;
            ck_assert_int_eq(hello_judge(&ours, &theirs, NULL),
                             overlap ? HELLO_FINE : HELLO_VERSION_UNKNOWN);
        }
    }
}
END_TEST

START_TEST(credentials_are_asked_of_those_who_dial_before_anything_is_told)
{
    struct hello ours = hello_named("n1"), theirs = hello_named("n2");
    const struct hello_guard guard = {"u", "p"}, longer = {"u", "pp"}, other = {"v", "p"},
                             no_user = {NULL, "p"}, empty = {"u", NULL};

    theirs.cluster_name = BYTES("D");
    ck_assert_int_eq(hello_judge(&ours, &theirs, &longer), HELLO_CREDENTIALS);
    theirs.cluster_name = ours.cluster_name;
    ck_assert_int_eq(hello_judge(&ours, &theirs, &guard), HELLO_FINE);
    ck_assert_int_eq(hello_judge(&ours, &theirs, &longer), HELLO_CREDENTIALS);
    ck_assert_int_eq(hello_judge(&ours, &theirs, &other), HELLO_CREDENTIALS);
    ck_assert_int_eq(hello_judge(&ours, &theirs, &no_user), HELLO_CREDENTIALS);
    ck_assert_int_eq(hello_judge(&ours, &theirs, &empty), HELLO_CREDENTIALS);
    theirs.password = BYTES("");
    ck_assert_int_eq(hello_judge(&ours, &theirs, &guard), HELLO_CREDENTIALS);
}
END_TEST

START_TEST(another_cluster_ourselves_and_our_double_are_told_apart)
{
    struct hello ours = hello_named("n1"), theirs = hello_named("n2");

    theirs.cluster_name = BYTES("D");
    ck_assert_int_eq(hello_judge(&ours, &theirs, NULL), HELLO_CLUSTER_NAME);
    theirs = ours;
    ck_assert_int_eq(hello_judge(&ours, &theirs, NULL), HELLO_SELF);
    theirs.server_id = BYTES("another process");
    ck_assert_int_eq(hello_judge(&ours, &theirs, NULL), HELLO_DUPLICATE_NAME);
    theirs.node++;
    ck_assert_int_eq(hello_judge(&ours, &theirs, NULL), HELLO_MALFORMED);
}
END_TEST

START_TEST(of_two_cluster_names_exactly_one_gives_way_if_one_is_made_up)
{
    static const char *const names[] = {"A", "B"};

    for (int bits = 0; bits < 16; bits++) {
        struct hello a = hello_named("n1"), b = hello_named("n2");
        bool differ;

        a.cluster_name = bytes_of_text(names[bits & 1]);
        b.cluster_name = bytes_of_text(names[bits >> 1 & 1]);
        a.cluster_name_dynamic = bits >> 2 & 1;
        b.cluster_name_dynamic = bits >> 3 & 1;
        differ = !bytes_equal(a.cluster_name, b.cluster_name);
        if (differ && (a.cluster_name_dynamic || b.cluster_name_dynamic)) {
            ck_assert_int_eq(hello_judge(&a, &b, NULL), HELLO_FINE);
            ck_assert_int_ne(hello_adopts(&a, &b), hello_adopts(&b, &a));
        }
        ck_assert(!hello_adopts(&a, &b) || a.cluster_name_dynamic);
    }
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        everything_that_is_said_is_heard,
        a_hello_cut_anywhere_is_malformed_and_one_with_more_is_not,
        names_that_would_spoil_a_log_and_empty_ones_are_malformed,
        a_refusal_carries_its_reason_and_words,
        every_reason_has_words_also_those_of_later_versions,
        two_nodes_of_one_cluster_go_on,
        versions_that_do_not_overlap_are_refused,
        credentials_are_asked_of_those_who_dial_before_anything_is_told,
        another_cluster_ourselves_and_our_double_are_told_apart,
        of_two_cluster_names_exactly_one_gives_way_if_one_is_made_up,
    };

    return UNIT_RUN_PLAIN("cluster_hello", tests);
}
