#include "server/resolver/signed_accounts.h"

#include <stdio.h>

#include "base/heap.h"
#include "server/auth/base64.h"
#include "server/auth/nkey.h"
#include "server/tls/ed25519.h"
#include "tests/unit/unit.h"

#define TOKEN_SIZE 4096

struct key {
    uint8_t seed[NKEY_SIZE];
    char text[NKEY_TEXT_SIZE + 1];
};

static struct key operator, home, guest;
static struct operator_options operators;
static struct signed_accounts accounts;
static char why[SIGNED_ACCOUNT_WHY_SIZE];
static unsigned complaints;

static void make_key(struct key *key, enum nkey_kind kind, uint8_t number)
{
    uint8_t public[NKEY_SIZE];

    *key = (struct key){0};
    memset(key->seed, number, sizeof(key->seed));
    ck_assert(ed25519_public(key->seed, public));
    nkey_write(key->text, kind, public);
}

static void begin(void)
{
    make_key(&operator, NKEY_OPERATOR, 1);
    make_key(&home, NKEY_ACCOUNT, 2);
    make_key(&guest, NKEY_ACCOUNT, 3);
    operators = (struct operator_options){.keys = {bytes_of_text(operator.text)}, .count = 1};
    signed_accounts_init(&accounts, &operators, 7);
    complaints = 0;
}

/* Good until the next one. */
static struct bytes token(const struct key *by, const char *type, const struct key *whom,
                          int issued_s, const char *claims)
{
    static char out[TOKEN_SIZE * 4];
    uint8_t signature[ED25519_SIGNATURE_SIZE];
    char body[TOKEN_SIZE * 2];
    size_t size;

    snprintf(body, sizeof(body),
             "{\"iat\":%d,\"iss\":\"%s\",\"sub\":\"%s\",\"name\":\"n\",\"nats\":{\"type\":\"%s\","
             "\"version\":2%s}}",
             issued_s, by->text, whom->text, type, claims);
    base64_write_url(out, BYTES("{\"typ\":\"JWT\",\"alg\":\"ed25519-nkey\"}"));
    size = strlen(out);
    out[size++] = '.';
    base64_write_url(out + size, bytes_of_text(body));
    size += strlen(out + size);
    ck_assert(ed25519_sign(by->seed, bytes_of(out, size), signature));
    out[size++] = '.';
    base64_write_url(out + size, bytes_of(signature, sizeof(signature)));
    return bytes_of_text(out);
}

static struct signed_account *read_of(const struct key *whom, int issued_s, const char *claims)
{
    struct signed_account *account =
        signed_account_read(&operators, token(&operator, "account", whom, issued_s, claims), why);

    ck_assert_msg(account != NULL, "%s", why);
    return account;
}

static void take(const struct key *whom, int issued_s, const char *claims)
{
    signed_accounts_take(&accounts, read_of(whom, issued_s, claims));
}

static void complain(void *owner, const struct account_options *account, const char *words)
{
    (void)owner, (void)account, (void)words;
    complaints++;
}

static void settle(void)
{
    signed_accounts_settle(&accounts, complain, NULL);
    signed_accounts_forget(&accounts);
}

static const struct account_options *options_of(const struct key *key)
{
    const struct signed_account *found = signed_accounts_find(&accounts, bytes_of_text(key->text));

    return found != NULL ? found->options : NULL;
}

static bool hash_is_zero(void)
{
    uint8_t zero[DIGEST_SIZE] = {0};

    return memcmp(accounts.hash, zero, sizeof(zero)) == 0;
}

static const char *import_of(const struct key *from, const char *more)
{
    static char text[TOKEN_SIZE * 2];

    snprintf(text, sizeof(text),
             ",\"imports\":[{\"account\":\"%s\",\"subject\":\"s\",\"type\":\"stream\"%s}]",
             from->text, more);
    return text;
}

#define EXPORT  ",\"exports\":[{\"subject\":\"s\",\"type\":\"stream\"}]"
#define PRIVATE ",\"exports\":[{\"subject\":\"s\",\"type\":\"stream\",\"token_req\":true}]"

START_TEST(what_no_operator_has_signed_is_none)
{
    struct key stranger;

    begin();
    make_key(&stranger, NKEY_OPERATOR, 9);
    ck_assert(signed_account_read(&operators, token(&stranger, "account", &home, 1, ""), why) ==
              NULL);
    ck_assert_str_eq(why, "account validation failed");
    ck_assert(signed_account_read(&operators, BYTES("a.b"), why) == NULL);
    ck_assert_str_eq(why, "expected 3 chunks");
    ck_assert(signed_account_read(&operators, BYTES("a.b.c"), why) == NULL);
    ck_assert_str_eq(why, "claim failed V2 signature verification");
    signed_accounts_deinit(&accounts);
}
END_TEST

START_TEST(a_token_of_which_any_byte_is_another_is_none)
{
    uint8_t copy[TOKEN_SIZE];
    struct bytes good;

    begin();
    good = token(&operator, "account", &home, 1, "");
    memcpy(copy, good.at, good.size);
    for (size_t i = 0; i < good.size - 1; i++) { /* of the last character bits may not count */
        uint8_t before = copy[i];

        copy[i] = before == 'x' ? 'y' : 'x';
        ck_assert(signed_account_read(&operators, bytes_of(copy, good.size), why) == NULL);
        copy[i] = before;
    }
    signed_accounts_deinit(&accounts);
}
END_TEST

START_TEST(of_two_tokens_the_later_is_newer_and_of_two_of_one_second_one_is)
{
    struct signed_account *early, *late, *other;

    begin();
    early = read_of(&home, 1, "");
    late = read_of(&home, 2, "");
    other = read_of(&home, 2, EXPORT);
    ck_assert(signed_account_newer(late, early) && !signed_account_newer(early, late));
    ck_assert(signed_account_newer(late, other) != signed_account_newer(other, late));
    ck_assert(!signed_account_newer(late, late));
    signed_account_free(early);
    signed_account_free(late);
    signed_account_free(other);
    signed_accounts_deinit(&accounts);
}
END_TEST

START_TEST(the_hash_is_of_the_tokens_that_count_in_any_order)
{
    uint8_t both[DIGEST_SIZE];

    begin();
    take(&home, 1, "");
    take(&guest, 1, "");
    memcpy(both, accounts.hash, sizeof(both));
    take(&home, 2, EXPORT);
    ck_assert(memcmp(both, accounts.hash, sizeof(both)) != 0);
    take(&home, 1, "");
    ck_assert_mem_eq(both, accounts.hash, sizeof(both));
    ck_assert_uint_eq(accounts.count, 2);
    ck_assert(signed_accounts_drop(&accounts, bytes_of_text(home.text)));
    ck_assert(!signed_accounts_drop(&accounts, bytes_of_text(home.text)));
    ck_assert(signed_accounts_drop(&accounts, bytes_of_text(guest.text)));
    ck_assert(hash_is_zero());
    ck_assert_uint_eq(accounts.count, 0);
    ck_assert(options_of(&home) == NULL);
    signed_accounts_deinit(&accounts);
}
END_TEST

START_TEST(one_that_stands_in_counts_for_nothing_until_it_is_signed_for)
{
    begin();
    signed_accounts_stand_in(&accounts, bytes_of_text(home.text));
    ck_assert(hash_is_zero());
    ck_assert_uint_eq(accounts.count, 0);
    ck_assert(options_of(&home) != NULL);
    ck_assert_int_eq(options_of(&home)->max_leaves, -1);
    take(&home, 1, "");
    signed_accounts_stand_in(&accounts, bytes_of_text(home.text));
    ck_assert(!hash_is_zero());
    ck_assert_uint_eq(accounts.count, 1);
    signed_accounts_deinit(&accounts);
}
END_TEST

START_TEST(an_import_counts_as_long_as_the_other_account_exports_it)
{
    begin();
    take(&guest, 1, import_of(&home, ""));
    settle();
    ck_assert_uint_eq(options_of(&guest)->imports.count, 0);
    ck_assert_uint_eq(complaints, 1);
    take(&home, 1, EXPORT);
    settle();
    ck_assert_uint_eq(options_of(&guest)->imports.count, 1);
    take(&home, 2, "");
    settle();
    ck_assert_uint_eq(options_of(&guest)->imports.count, 0);
    take(&home, 3, EXPORT);
    settle();
    ck_assert_uint_eq(options_of(&guest)->imports.count, 1);
    ck_assert(signed_accounts_drop(&accounts, bytes_of_text(home.text)));
    settle();
    ck_assert_uint_eq(options_of(&guest)->imports.count, 0);
    signed_accounts_deinit(&accounts);
}
END_TEST

START_TEST(what_asks_for_an_activation_counts_with_one_and_for_that_import_alone)
{
    char more[TOKEN_SIZE];

    begin();
    snprintf(more, sizeof(more), ",\"token\":\"%s\"",
             (const char *)token(&home, "activation", &guest, 1,
                                 ",\"subject\":\"s\",\"kind\":\"stream\"")
                 .at);
    take(&home, 1, PRIVATE);
    take(&guest, 1, import_of(&home, ""));
    settle();
    ck_assert_uint_eq(options_of(&guest)->imports.count, 0);
    take(&guest, 2, import_of(&home, more));
    settle();
    ck_assert_uint_eq(options_of(&guest)->imports.count, 1);
    take(&home, 2, PRIVATE); /* who it lets in is asked again */
    settle();
    ck_assert_uint_eq(options_of(&guest)->imports.count, 1);
    take(&guest, 3, import_of(&home, "")); /* it has shown one before */
    settle();
    ck_assert_uint_eq(options_of(&guest)->imports.count, 0);
    signed_accounts_deinit(&accounts);
}
END_TEST

START_TEST(of_imports_that_come_round_the_one_that_came_last_does_not_count)
{
    char both[TOKEN_SIZE * 3];

    begin();
    snprintf(both, sizeof(both), "%s%s", EXPORT, import_of(&guest, ""));
    take(&home, 1, both);
    settle();
    snprintf(both, sizeof(both), "%s%s", EXPORT, import_of(&home, ""));
    take(&guest, 1, both);
    settle();
    ck_assert_uint_eq(options_of(&guest)->imports.count + options_of(&home)->imports.count, 1);
    signed_accounts_deinit(&accounts);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        what_no_operator_has_signed_is_none,
        a_token_of_which_any_byte_is_another_is_none,
        of_two_tokens_the_later_is_newer_and_of_two_of_one_second_one_is,
        the_hash_is_of_the_tokens_that_count_in_any_order,
        one_that_stands_in_counts_for_nothing_until_it_is_signed_for,
        an_import_counts_as_long_as_the_other_account_exports_it,
        what_asks_for_an_activation_counts_with_one_and_for_that_import_alone,
        of_imports_that_come_round_the_one_that_came_last_does_not_count,
    };

    return UNIT_RUN_PLAIN("signed_accounts", tests);
}
