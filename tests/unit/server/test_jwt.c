#include "server/auth/jwt_claims.h"

#include "tests/unit/unit.h"

/* Of keys that nobody has any more. */
#define OPERATOR_KEY "OAJMR4BEDTRZMTZSZPUSGOGX3DZZY6OESEENIJNGF5IQPZRM7TTFSUKI"
#define ACCOUNT_KEY  "ACYLQPLHCUTFJYJBILUCQO4UMCP2CXRAEEQMT3GEBSFKLVHV5GCG7L6P"
#define USER_KEY     "UBA3AZUGU45RYWX6DPP7OPL236QVLZS547L2JLSOP5WGADR3HDLVDPZ4"
#define OPERATOR                                                                                   \
    "eyJ0eXAiOiAiSldUIiwgImFsZyI6ICJlZDI1NTE5LW5rZXkifQ.eyJqdGkiOiAieCIsICJpYXQiOiAxNzAwM"         \
    "DAwMDAwLCAiaXNzIjogIk9BSk1SNEJFRFRSWk1UWlNaUFVTR09HWDNEWlpZNk9FU0VFTklKTkdGNUlRUFpST"         \
    "TdUVEZTVUtJIiwgIm5hbWUiOiAibiIsICJzdWIiOiAiT0FKTVI0QkVEVFJaTVRaU1pQVVNHT0dYM0RaWlk2T"         \
    "0VTRUVOSUpOR0Y1SVFQWlJNN1RURlNVS0kiLCAibmF0cyI6IHsidHlwZSI6ICJvcGVyYXRvciIsICJ2ZXJza"         \
    "W9uIjogMiwgInNpZ25pbmdfa2V5cyI6IFtdfX0.6Cs4Til0AQhR1UFFgy3uDH6M19881-T_yiPBzv2H5tkVA"         \
    "Auc3112CAB0dbAxbsn64DoMn7k4Gr3rk_i0FM5cDg"
#define ACCOUNT                                                                                    \
    "eyJ0eXAiOiAiSldUIiwgImFsZyI6ICJlZDI1NTE5LW5rZXkifQ.eyJqdGkiOiAieCIsICJpYXQiOiAxNzAwM"         \
    "DAwMDAwLCAiaXNzIjogIk9BSk1SNEJFRFRSWk1UWlNaUFVTR09HWDNEWlpZNk9FU0VFTklKTkdGNUlRUFpST"         \
    "TdUVEZTVUtJIiwgIm5hbWUiOiAibiIsICJzdWIiOiAiQUNZTFFQTEhDVVRGSllKQklMVUNRTzRVTUNQMkNYU"         \
    "kFFRVFNVDNHRUJTRktMVkhWNUdDRzdMNlAiLCAiZXhwIjogMTcwMDAwMTAwMCwgIm5hdHMiOiB7InR5cGUiO"         \
    "iAiYWNjb3VudCIsICJ2ZXJzaW9uIjogMiwgImxpbWl0cyI6IHsiY29ubiI6IDMsICJzdWJzIjogLTEsICJwY"         \
    "Xlsb2FkIjogLTF9LCAicmV2b2NhdGlvbnMiOiB7IlVCQTNBWlVHVTQ1UllXWDZEUFA3T1BMMjM2UVZMWlM1N"         \
    "DdMMkpMU09QNVdHQURSM0hETFZEUFo0IjogMTY5OTk5OTk5OX19fQ.26PTvdUZ95zTdzQQQrno-0YIwMkR7Q"         \
    "h_j-WQylkm8D0-69ciCebvxBzBFpB4zYh7x3LhPjJO3IGEZuqOjQAICg"
#define USER                                                                                       \
    "eyJ0eXAiOiAiSldUIiwgImFsZyI6ICJlZDI1NTE5LW5rZXkifQ.eyJqdGkiOiAieCIsICJpYXQiOiAxNzAwM"         \
    "DAwMDAwLCAiaXNzIjogIkFDWUxRUExIQ1VURkpZSkJJTFVDUU80VU1DUDJDWFJBRUVRTVQzR0VCU0ZLTFZIV"         \
    "jVHQ0c3TDZQIiwgIm5hbWUiOiAibiIsICJzdWIiOiAiVUJBM0FaVUdVNDVSWVdYNkRQUDdPUEwyMzZRVkxaU"         \
    "zU0N0wySkxTT1A1V0dBRFIzSERMVkRQWjQiLCAibmF0cyI6IHsidHlwZSI6ICJ1c2VyIiwgInZlcnNpb24iO"         \
    "iAyLCAic3VicyI6IC0xLCAiZGF0YSI6IC0xLCAicGF5bG9hZCI6IDUsICJwdWIiOiB7ImFsbG93IjogWyJhL"         \
    "j4iXSwgImRlbnkiOiBbImEuYiJdfSwgInN1YiI6IHsiYWxsb3ciOiBbInEgb25lIl19LCAicmVzcCI6IHsib"         \
    "WF4IjogMiwgInR0bCI6IDd9fX0.xdniylymAR-FEjEjfZzkn_iXI592U717RF6OrixMaQkinaCzC6xHK1goG"         \
    "n5AAgyJBNqN54P87yF9n0B5B9g7CA"
#define USER_1                                                                                     \
    "eyJ0eXAiOiAiand0IiwgImFsZyI6ICJlZDI1NTE5In0.eyJqdGkiOiAieCIsICJpYXQiOiAxNzAwMDAwMDAw"         \
    "LCAiaXNzIjogIkFDWUxRUExIQ1VURkpZSkJJTFVDUU80VU1DUDJDWFJBRUVRTVQzR0VCU0ZLTFZIVjVHQ0c3"         \
    "TDZQIiwgIm5hbWUiOiAibiIsICJzdWIiOiAiVUJBM0FaVUdVNDVSWVdYNkRQUDdPUEwyMzZRVkxaUzU0N0wy"         \
    "SkxTT1A1V0dBRFIzSERMVkRQWjQiLCAidHlwZSI6ICJ1c2VyIiwgIm5hdHMiOiB7InB1YiI6IHt9LCAic3Vi"         \
    "Ijoge319fQ.N9x561V6d2aoHvb4t5mLI1BvWasJOERH2kttbkFm1HjSJ08seZ7c1fIHNT3InA5tT4-Mo_9CI"         \
    "cO68M2vOnydBQ"
#define ISSUED INT64_C(1700000000)

static const struct operator_options nobody;
static struct arena arena; /* of the one test that a process runs */

static struct jwt token_read(const char *token)
{
    struct jwt jwt;

    ck_assert(jwt_read(&arena, bytes_of_text(token), &jwt));
    return jwt;
}

static bool is(struct bytes text, const char *expected)
{
    return bytes_equal(text, bytes_of_text(expected));
}

START_TEST(claims_say_who_signed_them_for_whom)
{
    struct jwt jwt = token_read(ACCOUNT);

    ck_assert_int_eq(jwt.kind, JWT_ACCOUNT);
    ck_assert(is(jwt.issuer, OPERATOR_KEY) && is(jwt.subject, ACCOUNT_KEY) && is(jwt.name, "n"));
    ck_assert_int_eq(jwt.issued_s, ISSUED);
    ck_assert(jwt_valid_at(&jwt, ISSUED + 999) && !jwt_valid_at(&jwt, ISSUED + 1000));
    ck_assert_int_eq(token_read(OPERATOR).kind, JWT_OPERATOR);
    ck_assert_int_eq(token_read(USER).kind, JWT_USER);
    ck_assert_int_eq(token_read(USER_1).kind, JWT_USER);
}
END_TEST

/* Of its text every character counts, whatever it is turned into, but for bits that base64 does not
 * use at the end of a part. */
START_TEST(no_character_of_a_token_can_be_another)
{
    char token[] = USER;
    struct jwt jwt;
    unsigned taken = 0;

    for (size_t i = 0; i < sizeof token - 1; i++) {
        char before = token[i];

        token[i] = before == 'A' ? 'Q' : 'A';
        taken += jwt_read(&arena, bytes_of_text(token), &jwt);
        token[i] = before;
        arena_reset(&arena);
    }
    ck_assert_uint_le(taken, 1);
}
END_TEST

START_TEST(what_is_no_token_is_none)
{
    static const char *const texts[] = {"",         ".",         "..", "a.b.c", "eyJ9.e30.AA",
                                        "e30.e30.", "e30.W10.AA"};
    struct jwt jwt;

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        ck_assert(!jwt_read(&arena, bytes_of_text(texts[i]), &jwt));
    for (size_t size = 0; size < sizeof USER - 1; size++) {
        ck_assert(!jwt_read(&arena, bytes_of(USER, size), &jwt));
        arena_reset(&arena);
    }
}
END_TEST

START_TEST(an_account_has_the_limits_that_were_signed)
{
    struct jwt jwt = token_read(ACCOUNT);
    const char *why = NULL;
    const struct account_options *account = jwt_account_read(&arena, &nobody, &jwt, &why);

    ck_assert_ptr_nonnull(account);
    ck_assert_int_eq(account->max_connections, 3);
    ck_assert_int_eq(account->max_subscriptions, -1);
    ck_assert(!account->jetstream.enabled);
    ck_assert_int_eq(account->claims->expires_s, ISSUED + 1000);
}
END_TEST

START_TEST(a_revocation_counts_for_what_was_issued_until_then)
{
    struct jwt signed_account = token_read(ACCOUNT), user = token_read(USER);
    const char *why;
    const struct account_options *account =
        jwt_account_read(&arena, &nobody, &signed_account, &why);

    ck_assert(!jwt_account_revokes(account, &user));
    user.issued_s = ISSUED - 1;
    ck_assert(jwt_account_revokes(account, &user));
}
END_TEST

START_TEST(only_its_keys_sign_for_an_account)
{
    struct jwt jwt = token_read(ACCOUNT);
    const char *why;
    const struct account_options *account = jwt_account_read(&arena, &nobody, &jwt, &why);
    const struct json *template;

    ck_assert(jwt_account_signs(account, BYTES(ACCOUNT_KEY), &template));
    ck_assert(!jwt_account_signs(account, BYTES(USER_KEY), &template));
    ck_assert(!jwt_account_signs(account, BYTES(OPERATOR_KEY), &template));
}
END_TEST

START_TEST(a_user_may_what_was_signed)
{
    struct jwt jwt = token_read(USER);
    struct jwt_grant grant;

    ck_assert(jwt_grant_read(&arena, jwt.claims, &grant));
    ck_assert(grant.restricted && !grant.bearer);
    ck_assert(is(grant.permissions.publish_allow.at[0].subject, "a.>"));
    ck_assert(is(grant.permissions.publish_deny.at[0].subject, "a.b"));
    ck_assert(is(grant.permissions.subscribe_allow.at[0].subject, "q"));
    ck_assert(is(grant.permissions.subscribe_allow.at[0].queue, "one"));
    ck_assert_int_eq(grant.permissions.responses_max, 2);
    ck_assert_int_eq(grant.permissions.responses_ns, 7);
    ck_assert_int_eq(grant.payload_max, 5);
    ck_assert(!jwt_grant_empty(jwt.claims));
    jwt = token_read(USER_1);
    ck_assert(jwt_grant_empty(jwt.claims));
}
END_TEST

static bool grants(const char *text)
{
    struct json_error error;
    struct jwt_grant grant;

    return jwt_grant_read(&arena, json_parse(&arena, bytes_of_text(text), &error), &grant);
}

/* What would only narrow a grant, and is not built, must not widen it. */
START_TEST(what_is_not_understood_grants_nothing)
{
    ck_assert(grants("{}"));
    ck_assert(grants("{\"src\":[],\"times\":null,\"pub\":{}}"));
    ck_assert(!grants("{\"src\":[\"10.0.0.0/8\"]}"));
    ck_assert(!grants("{\"times\":[{\"start\":\"01:00:00\",\"end\":\"02:00:00\"}]}"));
    ck_assert(!grants("{\"proxy_required\":true}"));
    ck_assert(!grants("{\"allowed_connection_types\":[\"PIGEON\"]}"));
    ck_assert(!grants("{\"pub\":{\"allow\":[\"{{name()}}.>\"]}}"));
    ck_assert(!grants("{\"pub\":{\"deny\":[\"a..b\"]}}"));
    ck_assert(!grants("{\"pub\":[]}"));
    ck_assert(!grants("{\"sub\":{\"allow\":\"a\"}}"));
    ck_assert(!grants("{\"sub\":{\"deny\":[1]}}"));
}
END_TEST

START_TEST(an_operator_signs_with_its_keys)
{
    struct operator_options operators = {0};
    struct bytes system = {0};
    struct jwt jwt = token_read(OPERATOR);

    ck_assert(jwt_operator_read(&arena, &jwt, &operators, &system));
    ck_assert(jwt_operator_knows(&operators, BYTES(OPERATOR_KEY)));
    ck_assert(!jwt_operator_knows(&operators, BYTES(ACCOUNT_KEY)));
    jwt = token_read(ACCOUNT);
    ck_assert(!jwt_operator_read(&arena, &jwt, &operators, &system));
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        claims_say_who_signed_them_for_whom,
        no_character_of_a_token_can_be_another,
        what_is_no_token_is_none,
        an_account_has_the_limits_that_were_signed,
        a_revocation_counts_for_what_was_issued_until_then,
        only_its_keys_sign_for_an_account,
        a_user_may_what_was_signed,
        what_is_not_understood_grants_nothing,
        an_operator_signs_with_its_keys,
    };
    int failed;

    arena_init(&arena, 64u << 20);
    failed = UNIT_RUN_PLAIN("jwt", tests);
    arena_deinit(&arena);
    return failed;
}
