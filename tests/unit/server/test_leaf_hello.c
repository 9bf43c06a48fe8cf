#include "server/leaf/leaf_hello.h"
#include "tests/unit/unit.h"

static struct arena arena;

static bool same(const struct json *list, const struct bytes *texts, size_t count)
{
    const struct json *e = list != NULL ? list->child : NULL;

    for (size_t i = 0; i < count; i++, e = e->next)
        if (e == NULL || !bytes_equal(e->text, texts[i]))
            return false;
    return e == NULL;
}

static struct bytes args_of(const struct buf *out, struct bytes verb)
{
    struct bytes line = buf_bytes(out);

    ck_assert(bytes_starts(line, verb));
    return bytes_trim(bytes_skip(line, verb.size));
}

START_TEST(info_is_read_as_it_was_written)
{
    static const struct bytes urls[] = {BYTES("10.0.0.1:7422"), BYTES("[::1]:7422")};
    struct leaf_filter import = {0}, read = {0};
    struct leaf_info heard, said = {
                                .id = BYTES("N1"),
                                .name = BYTES("hub"),
                                .version = BYTES("2.14.5"),
                                .host = BYTES("h"),
                                .cluster = BYTES("C"),
                                .domain = BYTES("D"),
                                .nonce = BYTES("abc"),
                                .remote_account = BYTES("A"),
                                .urls = urls,
                                .urls_count = 2,
                                .may_import = &import,
                                .client_id = 7,
                                .max_payload = 1000,
                                .port = 7422,
                                .headers = true,
                                .jetstream = true,
                                .tls_required = true,
                                .answers = true,
                                .connect_info = true,
                            };
    struct buf out;

    leaf_filter_allow(&import, BYTES("a.>"));
    leaf_filter_deny(&import, BYTES("a.b"));
    buf_init(&out, 10000);
    leaf_info_write(&out, &said);
    arena_init(&arena, 1u << 20);
    ck_assert(leaf_info_read(&arena, args_of(&out, BYTES("INFO ")), &heard));
    ck_assert(bytes_equal(heard.name, said.name));
    ck_assert(bytes_equal(heard.nonce, said.nonce));
    ck_assert(bytes_equal(heard.cluster, said.cluster));
    ck_assert(bytes_equal(heard.domain, said.domain));
    ck_assert(bytes_equal(heard.remote_account, said.remote_account));
    ck_assert(same(heard.urls_read, urls, 2));
    ck_assert_uint_eq(heard.client_id, 7);
    ck_assert(heard.headers && heard.tls_required && heard.answers && heard.connect_info);
    ck_assert(leaf_filter_read(heard.import, &read));
    ck_assert(leaf_filter_passes(&read, BYTES("a.c")));
    ck_assert(!leaf_filter_passes(&read, BYTES("a.b")));
    ck_assert(!leaf_filter_passes(&read, BYTES("b")));
    leaf_filter_deinit(&import);
    leaf_filter_deinit(&read);
    arena_deinit(&arena);
    buf_deinit(&out);
}
END_TEST

START_TEST(connect_is_read_as_it_was_written)
{
    static const struct bytes deny[] = {BYTES("x.>")};
    struct leaf_connect heard, said = {
                                   .version = BYTES("2.14.5"),
                                   .user = BYTES("u\"\\"),
                                   .pass = BYTES("p"),
                                   .name = BYTES("l"),
                                   .cluster = BYTES("l"),
                                   .remote_account = BYTES("$G"),
                                   .deny = deny,
                                   .deny_count = 1,
                                   .hub = true,
                                   .headers = true,
                                   .isolate = true,
                               };
    struct buf out;

    buf_init(&out, 10000);
    leaf_connect_write(&out, &said);
    arena_init(&arena, 1u << 20);
    ck_assert(leaf_connect_read(&arena, args_of(&out, BYTES("CONNECT ")), &heard));
    ck_assert(bytes_equal(heard.user, said.user));
    ck_assert(bytes_equal(heard.pass, said.pass));
    ck_assert(bytes_equal(heard.remote_account, said.remote_account));
    ck_assert(same(heard.deny_read, deny, 1));
    ck_assert(heard.hub && heard.headers && heard.isolate && !heard.jetstream);
    arena_deinit(&arena);
    buf_deinit(&out);
}
END_TEST

START_TEST(what_is_none_is_refused)
{
    static const char *const bad[] = {"",
                                      "[]",
                                      "7",
                                      "{",
                                      "{\"name\":7}",
                                      "{\"is_hub\":\"x\"}",
                                      "{\"deny_pub\":7}",
                                      "{\"deny_pub\":[7]}"};
    struct leaf_connect connect;
    struct leaf_info info;

    arena_init(&arena, 1u << 20);
    for (size_t i = 0; i < UNIT_COUNT(bad); i++)
        ck_assert_msg(!leaf_connect_read(&arena, bytes_of_text(bad[i]), &connect), "%s", bad[i]);
    ck_assert(!leaf_info_read(&arena, BYTES("{\"port\":70000}"), &info));
    ck_assert(!leaf_info_read(&arena, BYTES("{\"leafnode_urls\":{}}"), &info));
    ck_assert(leaf_info_read(&arena, BYTES("{\"PORT\":7,\"cluster\":null,\"other\":[]}"), &info));
    ck_assert_uint_eq(info.port, 7);
    ck_assert(info.urls_read == NULL);
    arena_deinit(&arena);
}
END_TEST

START_TEST(versions_are_compared_by_their_numbers)
{
    ck_assert(leaf_version_at_least(BYTES("2.10.0"), BYTES("2.8.0")));
    ck_assert(leaf_version_at_least(BYTES("2.8.0-beta"), BYTES("2.8.0")));
    ck_assert(!leaf_version_at_least(BYTES("2.8.0"), BYTES("2.10.0")));
    ck_assert(!leaf_version_at_least(BYTES(""), BYTES("2.8.0")));
    ck_assert(!leaf_version_at_least(BYTES("2.x"), BYTES("2.8.0")));
}
END_TEST

START_TEST(what_is_jetstreams_stays_on_its_side)
{
    struct leaf_rules rules = {.own = BYTES("$JS.D.API.")};

    ck_assert(leaf_rules_send(&rules, BYTES("a")));
    ck_assert(!leaf_rules_send(&rules, BYTES("$JS.API.INFO")));
    ck_assert(!leaf_rules_send(&rules, BYTES("$KV.b.k")));
    ck_assert(!leaf_rules_send(&rules, BYTES("$JS.D.API.INFO")));
    ck_assert(leaf_rules_send(&rules, BYTES("$JS.E.API.INFO")));
    ck_assert(leaf_rules_send(&rules, BYTES("$JS.ACK.S.C.1")));
    ck_assert(leaf_rules_send(&rules, BYTES("$NRG.x")));
    ck_assert(!leaf_rules_tell(&rules, BYTES("$JS.API.>")));
    ck_assert(leaf_rules_tell(&rules, BYTES("$JS.D.API.STREAM.>")));
    ck_assert(!leaf_rules_take(&rules, true, BYTES("$JS.API.INFO")));
    ck_assert(leaf_rules_take(&rules, false, BYTES("$JS.API.INFO")));
    rules.system = true;
    ck_assert(!leaf_rules_send(&rules, BYTES("$NRG.x")));
    ck_assert(!leaf_rules_send(&rules, BYTES("$JSC.x")));
}
END_TEST

START_TEST(what_is_denied_is_neither_told_nor_taken)
{
    struct leaf_rules rules = {0};

    leaf_filter_allow(&rules.in, BYTES("a.>"));
    leaf_filter_deny(&rules.in, BYTES("a.b.>"));
    ck_assert(leaf_rules_tell(&rules, BYTES("a.*")));
    ck_assert(leaf_rules_tell(&rules, BYTES("a.>"))); /* its messages are looked at one by one */
    ck_assert(!leaf_rules_tell(&rules, BYTES("a.b.c")));
    ck_assert(!leaf_rules_tell(&rules, BYTES("b")));
    ck_assert(leaf_rules_tell(&rules, BYTES("$LDS.x")));
    ck_assert(leaf_rules_take(&rules, false, BYTES("a.c")));
    ck_assert(!leaf_rules_take(&rules, false, BYTES("a.b.c")));
    ck_assert(!leaf_rules_take(&rules, true, BYTES("b")));
    ck_assert(leaf_rules_take(&rules, false, BYTES("_R_.x")));
    leaf_rules_deinit(&rules);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        info_is_read_as_it_was_written,
        connect_is_read_as_it_was_written,
        what_is_none_is_refused,
        versions_are_compared_by_their_numbers,
        what_is_jetstreams_stays_on_its_side,
        what_is_denied_is_neither_told_nor_taken,
    };

    return UNIT_RUN_PLAIN("leaf_hello", tests);
}
