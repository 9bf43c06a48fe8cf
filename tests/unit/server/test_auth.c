#include "server/auth/auth.h"

#include "server/auth/base64.h"
#include "server/auth/nkey.h"
#include "server/auth/password.h"
#include "server/tls/ed25519.h"
#include "tests/unit/unit.h"

/* The key of the seed 00 01 02 ... 1f, and what it signs. */
#define NKEY  "UAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3RLKK"
#define NONCE "aNonceOf11Byte"
#define SIGNATURE                                                                                  \
    "FsR3A7DlXL0r8Zw0CfPTQwE3_QY7Mh6HB6Fija99GoGyRJIUDaJjqzEn3gViXkCcQ7vZOJ_iq_xw-yr_HtCnAw"
#define HASH_2A "$2a$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW" /* of "secret" */
#define HASH_2B "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"

/* ---- keys, texts, passwords ----------------------------------------------------------------- */

START_TEST(a_key_as_text_reads_back)
{
    uint8_t key[NKEY_SIZE], read[NKEY_SIZE];
    char text[NKEY_TEXT_SIZE];

    for (size_t i = 0; i < NKEY_SIZE; i++)
        key[i] = (uint8_t)(i * 37);
    nkey_write(text, NKEY_USER, key);
    ck_assert_int_eq(text[0], 'U');
    ck_assert(nkey_read(bytes_of(text, sizeof(text)), NKEY_USER, read));
    ck_assert_mem_eq(key, read, NKEY_SIZE);
    ck_assert(!nkey_read(bytes_of(text, sizeof(text)), NKEY_ACCOUNT, read));
    for (size_t i = 0; i < sizeof(text); i++) {
        char before = text[i];

        text[i] = before == 'A' ? 'B' : 'A';
        ck_assert(!nkey_read(bytes_of(text, sizeof(text)), NKEY_USER, read));
        text[i] = before;
    }
    ck_assert(!nkey_read(bytes_of(text, sizeof(text) - 1), NKEY_USER, read));
}
END_TEST

START_TEST(base64_is_read_in_both_alphabets)
{
    const uint8_t bytes[] = {0xfb, 0xff, 0xfe, 1};
    uint8_t read[4];
    char text[8];

    base64_write_url(text, bytes_of(bytes, 4));
    ck_assert_str_eq(text, "-__-AQ");
    ck_assert(base64_read(BYTES("-__-AQ"), read, 4));
    ck_assert_mem_eq(read, bytes, 4);
    ck_assert(base64_read(BYTES("+//+AQ=="), read, 4));
    ck_assert_mem_eq(read, bytes, 4);
    ck_assert(!base64_read(BYTES("+//+A!"), read, 4));
    ck_assert(!base64_read(BYTES("+//+AQQ"), read, 4));
    ck_assert(!base64_read(BYTES(""), read, 4));
}
END_TEST

START_TEST(a_signature_holds_for_its_key_and_text_only)
{
    uint8_t key[NKEY_SIZE], signature[ED25519_SIGNATURE_SIZE];

    ck_assert(nkey_read(BYTES(NKEY), NKEY_USER, key));
    ck_assert(base64_read(BYTES(SIGNATURE), signature, sizeof(signature)));
    ck_assert(ed25519_verify(key, BYTES(NONCE), signature));
    ck_assert(!ed25519_verify(key, BYTES("another"), signature));
    signature[5] ^= 1;
    ck_assert(!ed25519_verify(key, BYTES(NONCE), signature));
}
END_TEST

START_TEST(passwords_are_plain_or_made_by_bcrypt)
{
    ck_assert(password_is_hash(BYTES(HASH_2A)));
    ck_assert(password_is_hash(BYTES(HASH_2B)));
    ck_assert(!password_is_hash(BYTES("$2a$x4$")));
    ck_assert(!password_is_hash(BYTES("secret")));
    ck_assert(password_proves(BYTES(HASH_2A), BYTES("secret")));
    ck_assert(password_proves(BYTES(HASH_2B), BYTES("secret")));
    ck_assert(!password_proves(BYTES(HASH_2B), BYTES("Secret")));
    ck_assert(!password_proves(BYTES(HASH_2B), BYTES("")));
    ck_assert(!password_proves(BYTES(HASH_2B), BYTES("secret\0more")));
    ck_assert(!password_proves(BYTES("$2b$04$short"), BYTES("secret")));
    ck_assert(password_equal(BYTES("abc"), BYTES("abc")));
    ck_assert(!password_equal(BYTES("abc"), BYTES("abd")));
    ck_assert(!password_equal(BYTES("abc"), BYTES("abcabc")));
    ck_assert(!password_equal(BYTES("abc"), BYTES("")));
    ck_assert(!password_equal(BYTES(""), BYTES("abc")));
    ck_assert(password_equal(BYTES(""), BYTES("")));
}
END_TEST

/* ---- permissions ---------------------------------------------------------------------------- */

static struct permission_list list_of(struct permission_filter *filters, size_t count)
{
    return (struct permission_list){.at = filters, .count = count};
}

#define FILTER(subject, queue)                                                                     \
    {                                                                                              \
        BYTES(subject), BYTES(queue)                                                               \
    }

START_TEST(what_is_published_must_be_allowed_and_not_denied)
{
    struct permission_filter allow[] = {FILTER("a.*", ""), FILTER("b", ""), FILTER("c.>", "")};
    struct permission_filter deny[] = {FILTER("a.x", ""), FILTER("*.y", "")};
    const struct permission_options options = {.publish_allow = list_of(allow, 3),
                                               .publish_deny = list_of(deny, 2)};
    struct permissions p;

    permissions_init(&p, &options, 1);
    ck_assert(permissions_publish(&p, BYTES("a.b")));
    ck_assert(permissions_publish(&p, BYTES("b")));
    ck_assert(permissions_publish(&p, BYTES("c.d.e")));
    ck_assert(!permissions_publish(&p, BYTES("a.x")));
    ck_assert(!permissions_publish(&p, BYTES("c.y")));
    ck_assert(!permissions_publish(&p, BYTES("a")));
    ck_assert(!permissions_publish(&p, BYTES("d")));
    ck_assert(!permissions_publish(&p, BYTES("a.b.c")));
    permissions_deinit(&p);
}
END_TEST

START_TEST(empty_lists_say_nothing_unless_only_answers_are_allowed)
{
    const struct permission_options open = {0}, answers = {.responses = true};
    struct permissions p;

    permissions_init(&p, &open, 1);
    ck_assert(permissions_publish(&p, BYTES("a")));
    ck_assert(permissions_subscribe(&p, BYTES("a.>"), BYTES("")));
    permissions_deinit(&p);
    permissions_init(&p, &answers, 1);
    ck_assert(!permissions_publish(&p, BYTES("a")));
    ck_assert(permissions_subscribe(&p, BYTES("a.>"), BYTES("")));
    permissions_deinit(&p);
}
END_TEST

START_TEST(a_pattern_is_allowed_by_a_filter_that_matches_its_text)
{
    struct permission_filter allow[] = {FILTER("foo.*", ""), FILTER("bar.>", "")};
    const struct permission_options options = {.subscribe_allow = list_of(allow, 2)};
    struct permissions p;

    permissions_init(&p, &options, 1);
    ck_assert(permissions_subscribe(&p, BYTES("foo.*"), BYTES("")));
    ck_assert(permissions_subscribe(&p, BYTES("bar.*.c"), BYTES("q")));
    ck_assert(permissions_subscribe(&p, BYTES("bar.>"), BYTES("")));
    ck_assert(!permissions_subscribe(&p, BYTES("foo.*.x"), BYTES("")));
    ck_assert(!permissions_subscribe(&p, BYTES(">"), BYTES("")));
    ck_assert(!permissions_subscribe(&p, BYTES("*.a"), BYTES("")));
    permissions_deinit(&p);
}
END_TEST

START_TEST(queues_may_be_allowed_and_denied_by_name)
{
    struct permission_filter allow[] = {FILTER("only", "q"), FILTER("both", ""),
                                        FILTER("both", "v.*"), FILTER("free", ""),
                                        FILTER("denied", "")};
    struct permission_filter deny[] = {FILTER("free", "bad"), FILTER("denied", "")};
    const struct permission_options options = {.subscribe_allow = list_of(allow, 5),
                                               .subscribe_deny = list_of(deny, 2)};
    struct permissions p;

    permissions_init(&p, &options, 1);
    ck_assert(!permissions_subscribe(&p, BYTES("only"), BYTES("")));
    ck_assert(permissions_subscribe(&p, BYTES("only"), BYTES("q")));
    ck_assert(!permissions_subscribe(&p, BYTES("only"), BYTES("r")));
    ck_assert(permissions_subscribe(&p, BYTES("both"), BYTES("")));
    ck_assert(permissions_subscribe(&p, BYTES("both"), BYTES("v.1")));
    ck_assert(!permissions_subscribe(&p, BYTES("both"), BYTES("q")));
    ck_assert(permissions_subscribe(&p, BYTES("free"), BYTES("")));
    ck_assert(permissions_subscribe(&p, BYTES("free"), BYTES("good")));
    ck_assert(!permissions_subscribe(&p, BYTES("free"), BYTES("bad")));
    ck_assert(!permissions_subscribe(&p, BYTES("denied"), BYTES("")));
    ck_assert(!permissions_subscribe(&p, BYTES("denied"), BYTES("any")));
    permissions_deinit(&p);
}
END_TEST

START_TEST(a_pattern_that_reaches_into_what_is_denied_is_known_for_it)
{
    struct permission_filter deny[] = {FILTER("a.b", ""), FILTER("c.*", ""), FILTER("d", "q")};
    const struct permission_options options = {.subscribe_deny = list_of(deny, 3)};
    struct permissions p;

    permissions_init(&p, &options, 1);
    ck_assert(permissions_subscribe(&p, BYTES("a.*"), BYTES("")));
    ck_assert(permissions_subscribe_leaks(&p, BYTES("a.*")));
    ck_assert(permissions_subscribe_leaks(&p, BYTES("*.x")));
    ck_assert(!permissions_subscribe_leaks(&p, BYTES("a.c")));
    ck_assert(!permissions_subscribe_leaks(&p, BYTES("d")));
    ck_assert(!permissions_deliver(&p, BYTES("a.b")));
    ck_assert(!permissions_deliver(&p, BYTES("c.x")));
    ck_assert(permissions_deliver(&p, BYTES("a.c")));
    ck_assert(permissions_deliver(&p, BYTES("d")));
    permissions_deinit(&p);
}
END_TEST

/* ---- who may connect ------------------------------------------------------------------------ */

static struct account_options account = {.name = {(const uint8_t *)"A", 1}};

static struct user_options users[] = {
    {.name = {(const uint8_t *)"plain", 5}, .password = {(const uint8_t *)"pw", 2}},
    {.name = {(const uint8_t *)"hashed", 6}, .password = {(const uint8_t *)HASH_2B, 60}},
    {.nkey = {(const uint8_t *)NKEY, 56}, .account = &account},
    {.name = {(const uint8_t *)"ws", 2}, .connection_types = CONNECTION_WEBSOCKET},
};

struct asked {
    enum auth_verdict verdict;
    const struct auth_user *user;
    struct auth_proof proof;
};

static struct asked ask(const struct auth *auth, struct auth_claim claim)
{
    struct asked asked;

    if (claim.type == 0)
        claim.type = CONNECTION_STANDARD;
    asked.verdict = auth_ask(auth, &claim, &asked.user, &asked.proof);
    return asked;
}

#define ASK(auth, ...) ask((auth), (struct auth_claim){__VA_ARGS__})

START_TEST(without_users_everybody_is_let_in)
{
    const struct auth_options options = {0};
    struct auth auth;

    auth_init(&auth, &options, 1);
    ck_assert(!auth.required);
    ck_assert_int_eq(ASK(&auth, .user = BYTES("x")).verdict, AUTH_ALLOWED);
    ck_assert_ptr_null(ASK(&auth, .user = BYTES("x")).user);
    auth_deinit(&auth);
}
END_TEST

START_TEST(users_are_known_by_name_and_password)
{
    const struct auth_options options = {.users = users, .users_count = 4};
    struct auth auth;
    struct asked asked;

    auth_init(&auth, &options, 1);
    ck_assert(auth.required);
    ck_assert(auth_has_plain_passwords(&auth));
    asked = ASK(&auth, .user = BYTES("plain"), .password = BYTES("pw"));
    ck_assert_int_eq(asked.verdict, AUTH_ALLOWED);
    ck_assert(bytes_equal(auth_user_name(asked.user), BYTES("plain")));
    ck_assert_int_eq(ASK(&auth, .user = BYTES("plain"), .password = BYTES("px")).verdict,
                     AUTH_REFUSED);
    ck_assert_int_eq(ASK(&auth, .user = BYTES("plain")).verdict, AUTH_REFUSED);
    ck_assert_int_eq(ASK(&auth, .user = BYTES("nobody"), .password = BYTES("pw")).verdict,
                     AUTH_REFUSED);
    ck_assert_int_eq(ASK(&auth, .token = BYTES("pw")).verdict, AUTH_REFUSED);
    ck_assert_int_eq(ASK(&auth, .user = BYTES(NKEY)).verdict, AUTH_REFUSED);
    ck_assert_int_eq(ASK(&auth).verdict, AUTH_REFUSED);

    asked = ASK(&auth, .user = BYTES("hashed"), .password = BYTES("secret"));
    ck_assert_int_eq(asked.verdict, AUTH_PROVE);
    ck_assert(password_proves(asked.proof.hash, asked.proof.said));
    auth_deinit(&auth);
}
END_TEST

START_TEST(a_key_must_sign_the_nonce)
{
    const struct auth_options options = {.users = users, .users_count = 4};
    struct auth auth;
    struct asked asked;

    auth_init(&auth, &options, 1);
    ck_assert(auth_wants_nonce(&auth));
    asked = ASK(&auth, .nkey = BYTES(NKEY), .nonce = BYTES(NONCE), .signature = BYTES(SIGNATURE));
    ck_assert_int_eq(asked.verdict, AUTH_ALLOWED);
    ck_assert_ptr_eq(asked.user->options->account, &account);
    ck_assert_int_eq(ASK(&auth, .nkey = BYTES(NKEY), .nonce = BYTES(NONCE)).verdict, AUTH_REFUSED);
    ck_assert_int_eq(ASK(&auth, .nkey = BYTES(NKEY), .signature = BYTES(SIGNATURE)).verdict,
                     AUTH_REFUSED);
    ck_assert_int_eq(ASK(&auth, .nkey = BYTES(NKEY), .nonce = BYTES("another nonce"),
                         .signature = BYTES(SIGNATURE))
                         .verdict,
                     AUTH_REFUSED);
    auth_deinit(&auth);
}
END_TEST

START_TEST(users_may_be_bound_to_kinds_of_connections)
{
    const struct auth_options options = {.users = users, .users_count = 4};
    struct auth auth;

    auth_init(&auth, &options, 1);
    ck_assert_int_eq(ASK(&auth, .user = BYTES("ws")).verdict, AUTH_REFUSED);
    ck_assert_int_eq(ASK(&auth, .user = BYTES("ws"), .type = CONNECTION_WEBSOCKET).verdict,
                     AUTH_ALLOWED);
    auth_deinit(&auth);
}
END_TEST

START_TEST(who_says_nothing_is_the_unnamed_user)
{
    const struct auth_options options = {
        .users = users, .users_count = 4, .no_auth_user = BYTES("hashed")};
    struct auth auth;

    auth_init(&auth, &options, 1);
    ck_assert_int_eq(ASK(&auth).verdict, AUTH_ALLOWED);
    ck_assert(bytes_equal(auth_user_name(ASK(&auth).user), BYTES("hashed")));
    ck_assert_int_eq(ASK(&auth, .user = BYTES("x")).verdict, AUTH_REFUSED);
    ck_assert_int_eq(ASK(&auth, .password = BYTES("x")).verdict, AUTH_REFUSED);
    auth_deinit(&auth);
}
END_TEST

START_TEST(with_users_of_the_system_only_all_others_need_none)
{
    struct account_options *accounts[] = {&account};
    struct user_options admin[] = {{.name = BYTES("admin"), .account = &account}};
    const struct auth_options options = {.users = admin,
                                         .users_count = 1,
                                         .accounts = accounts,
                                         .accounts_count = 1,
                                         .system_account = BYTES("A")};
    struct auth auth;

    auth_init(&auth, &options, 1);
    ck_assert_int_eq(ASK(&auth).verdict, AUTH_ALLOWED);
    ck_assert_ptr_null(ASK(&auth).user);
    ck_assert_int_eq(ASK(&auth, .user = BYTES("x")).verdict, AUTH_REFUSED);
    ck_assert_ptr_nonnull(ASK(&auth, .user = BYTES("admin")).user);
    auth_deinit(&auth);
}
END_TEST

START_TEST(a_token_or_a_single_user_may_be_all_there_is)
{
    const struct auth_options token = {.token = BYTES("t")}, hashed = {.token = BYTES(HASH_2A)};
    const struct auth_options single = {.user = BYTES("u"), .password = BYTES("p")};
    struct auth auth;

    auth_init(&auth, &token, 1);
    ck_assert_int_eq(ASK(&auth, .token = BYTES("t")).verdict, AUTH_ALLOWED);
    ck_assert_int_eq(ASK(&auth, .token = BYTES("x")).verdict, AUTH_REFUSED);
    ck_assert_int_eq(ASK(&auth, .user = BYTES("t")).verdict, AUTH_REFUSED);
    ck_assert_int_eq(ASK(&auth).verdict, AUTH_REFUSED);
    auth_deinit(&auth);
    auth_init(&auth, &hashed, 1);
    ck_assert_int_eq(ASK(&auth, .token = BYTES("secret")).verdict, AUTH_PROVE);
    auth_deinit(&auth);
    auth_init(&auth, &single, 1);
    ck_assert_int_eq(ASK(&auth, .user = BYTES("u"), .password = BYTES("p")).verdict, AUTH_ALLOWED);
    ck_assert_int_eq(ASK(&auth, .user = BYTES("u")).verdict, AUTH_REFUSED);
    ck_assert_int_eq(ASK(&auth, .password = BYTES("p")).verdict, AUTH_REFUSED);
    auth_deinit(&auth);
}
END_TEST

START_TEST(a_certificate_that_counts_is_the_only_thing_that_does)
{
    const struct bytes names[] = {BYTES("someone"), BYTES("plain")};
    const struct auth_options options = {.users = users, .users_count = 4};
    struct auth auth;
    struct asked asked;

    auth_init(&auth, &options, 1);
    asked = ASK(&auth, .names = names, .names_count = 2);
    ck_assert_int_eq(asked.verdict, AUTH_ALLOWED);
    ck_assert(bytes_equal(auth_user_name(asked.user), BYTES("plain")));
    ck_assert_int_eq(ASK(&auth, .names = names, .names_count = 1, .user = BYTES("plain"),
                         .password = BYTES("pw"))
                         .verdict,
                     AUTH_REFUSED);
    auth_deinit(&auth);
}
END_TEST

START_TEST(permissions_are_a_users_own_or_those_of_all)
{
    struct permission_options mine = {0}, all = {0}, of_account = {0};
    struct account_options a = {.name = BYTES("A"), .default_permissions = &of_account};
    struct user_options some[] = {
        {.name = BYTES("1"), .permissions = &mine},
        {.name = BYTES("2")},
        {.name = BYTES("3"), .account = &a},
        {.name = BYTES("4"), .account = &account},
    };
    const struct auth_options options = {
        .users = some, .users_count = 4, .default_permissions = &all};
    struct auth auth;

    auth_init(&auth, &options, 1);
    ck_assert_ptr_eq(auth_find(&auth, BYTES("1"))->permissions->options, &mine);
    ck_assert_ptr_eq(auth_find(&auth, BYTES("2"))->permissions->options, &all);
    ck_assert_ptr_eq(auth_find(&auth, BYTES("3"))->permissions->options, &of_account);
    ck_assert_ptr_null(auth_find(&auth, BYTES("4"))->permissions);
    auth_deinit(&auth);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        a_key_as_text_reads_back,
        base64_is_read_in_both_alphabets,
        a_signature_holds_for_its_key_and_text_only,
        passwords_are_plain_or_made_by_bcrypt,
        what_is_published_must_be_allowed_and_not_denied,
        empty_lists_say_nothing_unless_only_answers_are_allowed,
        a_pattern_is_allowed_by_a_filter_that_matches_its_text,
        queues_may_be_allowed_and_denied_by_name,
        a_pattern_that_reaches_into_what_is_denied_is_known_for_it,
        without_users_everybody_is_let_in,
        users_are_known_by_name_and_password,
        a_key_must_sign_the_nonce,
        users_may_be_bound_to_kinds_of_connections,
        who_says_nothing_is_the_unnamed_user,
        with_users_of_the_system_only_all_others_need_none,
        a_token_or_a_single_user_may_be_all_there_is,
        a_certificate_that_counts_is_the_only_thing_that_does,
        permissions_are_a_users_own_or_those_of_all,
    };

    return UNIT_RUN_PLAIN("auth", tests);
}
