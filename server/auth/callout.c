#include "server/auth/callout.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/heap.h"
#include "server/auth/base64.h"
#include "server/auth/jwt_members.h"
#include "server/tls/ed25519.h"

#define HEADER            "{\"typ\":\"JWT\", \"alg\":\"ed25519-nkey\"}"
#define REQUEST_AUDIENCE  "nats-authorization-request"
#define CLAIMS_MAX        (4u << 20)
#define SIGNED_MEMORY_MAX (4u << 20)

/* ---- asking --------------------------------------------------------------------------------- */

static void write_server(struct json_writer *w, const struct callout_question *question)
{
    json_key(w, BYTES("server_id"));
    json_object_begin(w);
    json_put_string(w, BYTES("name"), question->server_name);
    json_put_string(w, BYTES("host"), question->host);
    json_put_string(w, BYTES("id"), question->server_id);
    json_put_string(w, BYTES("version"), question->version);
    if (question->cluster.size > 0)
        json_put_string(w, BYTES("cluster"), question->cluster);
    if (question->tags_count > 0) {
        json_key(w, BYTES("tags"));
        json_array_begin(w);
        for (size_t i = 0; i < question->tags_count; i++)
            json_string(w, question->tags[i]);
        json_array_end(w);
    }
    if (question->server_xkey.size > 0)
        json_put_string(w, BYTES("xkey"), question->server_xkey);
    json_object_end(w);
}

static void write_request(struct json_writer *w, const struct callout_question *question)
{
    json_key(w, BYTES("nats"));
    json_object_begin(w);
    write_server(w, question);
    json_put_string(w, BYTES("user_nkey"), question->user);
    json_key(w, BYTES("client_info"));
    json_raw(w, question->client);
    json_key(w, BYTES("connect_opts"));
    json_raw(w, question->connect);
    if (question->tls.size > 0) {
        json_key(w, BYTES("client_tls"));
        json_raw(w, question->tls);
    }
    json_put_string(w, BYTES("type"), BYTES("authorization_request"));
    json_put_i64(w, BYTES("version"), 2);
    json_object_end(w);
}

static bool write_claims(struct buf *out, const struct callout_question *question)
{
    struct json_writer w;

    json_writer_init(&w, out);
    json_object_begin(&w);
    json_put_string(&w, BYTES("aud"), BYTES(REQUEST_AUDIENCE));
    json_put_i64(&w, BYTES("exp"), question->expires_s);
    json_put_string(&w, BYTES("jti"), question->id);
    json_put_i64(&w, BYTES("iat"), question->issued_s);
    json_put_string(&w, BYTES("iss"), question->server_id);
    json_put_string(&w, BYTES("sub"), question->issuer);
    write_request(&w, question);
    json_object_end(&w);
    return !w.failed;
}

static bool add_base64(struct buf *out, struct bytes b)
{
    char *encoded = heap_take(b.size / 3 * 4 + 5);
    bool added;

    base64_write_url(encoded, b);
    added = buf_add(out, bytes_of_text(encoded));
    explicit_bzero(encoded, strlen(encoded));
    heap_give(encoded);
    return added;
}

bool callout_write(struct buf *out, const struct callout_question *question,
                   const uint8_t seed[static NKEY_SIZE])
{
    uint8_t signature[ED25519_SIGNATURE_SIZE];
    struct buf claims;
    bool good;

    buf_init(&claims, CLAIMS_MAX);
    good = write_claims(&claims, question) && add_base64(out, BYTES(HEADER)) && BUF_ADD(out, ".") &&
           add_base64(out, buf_bytes(&claims)) && ed25519_sign(seed, buf_bytes(out), signature) &&
           BUF_ADD(out, ".") && add_base64(out, bytes_of(signature, sizeof(signature)));
    if (claims.size > 0)
        explicit_bzero(claims.at, claims.size); /* a password may be in it */
    buf_deinit(&claims);
    return good;
}

/* ---- in secret ------------------------------------------------------------------------------ */

bool callout_seal(struct buf *out, struct bytes question, struct bytes xkey,
                  const uint8_t seed[static NKEY_SIZE], const uint8_t nonce[static BOX_NONCE_SIZE])
{
    uint8_t *sealed = heap_take(question.size + BOX_EXTRA), key[NKEY_SIZE];
    bool done = nkey_read(xkey, NKEY_CURVE, key) && box_seal(seed, key, nonce, question, sealed) &&
                buf_add(out, bytes_of(sealed, question.size + BOX_EXTRA));

    heap_give(sealed);
    return done;
}

bool callout_open(struct buf *out, struct bytes answer, struct bytes xkey,
                  const uint8_t seed[static NKEY_SIZE])
{
    uint8_t *opened, key[NKEY_SIZE];
    bool done;

    if (answer.size == 0 || bytes_starts(answer, BYTES("eyJ")))
        return buf_add(out, answer);
    if (answer.size < BOX_EXTRA)
        return false;
    opened = heap_take(answer.size);
    done = nkey_read(xkey, NKEY_CURVE, key) && box_open(seed, key, answer, opened) &&
           buf_add(out, bytes_of(opened, answer.size - BOX_EXTRA));
    heap_give(opened);
    return done;
}

/* ---- what is answered ----------------------------------------------------------------------- */

struct reading {
    const struct auth *auth;
    const struct callout_options *options;
    const struct callout_wanted *wanted;
    char *why;
};

[[gnu::format(printf, 2, 3)]] static bool refuse(const struct reading *reading, const char *format,
                                                 ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(reading->why, CALLOUT_WHY_SIZE, format, arguments);
    va_end(arguments);
    return false;
}

static bool is_for_us(const struct reading *reading, const struct jwt *answer)
{
    if (!bytes_equal(answer->subject, reading->wanted->user))
        return refuse(reading,
                      "Auth callout violation: auth callout response is not for expected user");
    if (!bytes_equal(answer->audience, reading->wanted->server_id))
        return refuse(reading, "Auth callout violation: auth callout response is not for server");
    return true;
}

/* By the claims of an account it is that account which answers. */
static bool answered_right(const struct reading *reading, const struct jwt *answer)
{
    const struct account_options *home = auth_account(reading->auth, reading->wanted->home);
    struct bytes named = member_text(answer->claims, BYTES("issuer_account"));
    const struct json *template;

    if (reading->wanted->home.size == 0 || reading->wanted->sealed)
        return true;
    if (home != NULL && jwt_account_signs(home, answer->issuer, &template) &&
        (named.size == 0 || bytes_equal(named, home->name)))
        return true;
    return refuse(reading, "Auth callout signing key is unknown");
}

/* *token: what the answer says of the user. */
static bool read_answer(const struct reading *reading, struct bytes said, struct arena *arena,
                        struct bytes *token)
{
    struct bytes error;
    struct jwt answer;

    if (said.size == 0)
        return refuse(reading, "Auth callout violation: \"no reason supplied\" on account \"%.*s\"",
                      BYTES_ARG(reading->options->account));
    if (!jwt_read(arena, said, &answer) || answer.kind != JWT_AUTHORIZATION)
        return refuse(reading, "Not an authorization response that is signed by an account");
    if (!jwt_valid_at(&answer, reading->wanted->wall_s))
        return refuse(reading, "Authorization response had validation errors: it is out of date");
    if (!is_for_us(reading, &answer) || !answered_right(reading, &answer))
        return false;
    error = member_text(answer.claims, BYTES("error"));
    *token = member_text(answer.claims, BYTES("jwt"));
    if ((error.size > 0) == (token->size > 0))
        return refuse(reading,
                      "Authorization response had validation errors: it is to have an error or a "
                      "jwt");
    if (error.size > 0)
        return refuse(reading, "Auth callout service returned an error: %.*s",
                      (int)(error.size < 256 ? error.size : 256), error.at);
    return true;
}

/* ---- who it is ------------------------------------------------------------------------------ */

static bool is_default(struct bytes account)
{
    return bytes_equal(account, BYTES("$G"));
}

/* *account NULL: the default one. */
static bool find_account(const struct reading *reading, struct bytes name,
                         const struct account_options **account)
{
    const struct auth_options *options = &reading->auth->options;

    *account = NULL;
    if (is_default(name))
        return true;
    for (size_t i = 0; i < options->accounts_count && *account == NULL; i++)
        if (bytes_equal(options->accounts[i]->name, name))
            *account = options->accounts[i];
    return *account != NULL || refuse(reading,
                                      "No valid account \"%.*s\" for auth callout response on "
                                      "account \"%.*s\"",
                                      BYTES_ARG(name), BYTES_ARG(reading->options->account));
}

static bool is_allowed(const struct callout_options *options, struct bytes name)
{
    for (size_t i = 0; i < options->accounts_count; i++) {
        if (bytes_equal(options->accounts[i], name) ||
            bytes_equal(options->accounts[i], BYTES("*")))
            return true;
    }
    return false;
}

static bool issued_right(const struct reading *reading, const struct jwt *user)
{
    const struct callout_options *options = reading->options;

    if (member_text(user->claims, BYTES("issuer_account")).size > 0)
        return refuse(reading,
                      "Error non operator mode account \"%.*s\": attempted to use issuer_account",
                      BYTES_ARG(options->account));
    return bytes_equal(user->issuer, options->issuer) ||
           refuse(reading,
                  "Wrong issuer for auth callout response on account \"%.*s\", expected \"%.*s\" "
                  "got \"%.*s\"",
                  BYTES_ARG(options->account), BYTES_ARG(options->issuer), BYTES_ARG(user->issuer));
}

void callout_deny_asking(struct auth_signed *made, const struct permission_options *usual)
{
    struct permission_options *may = &made->grant.permissions;
    struct permission_list *deny = &may->publish_deny;
    struct permission_filter *all;

    if (!made->grant.restricted && usual != NULL)
        *may = *usual;
    all = ARENA_ARRAY(&made->arena, struct permission_filter, deny->count + 1);
    assert(all != NULL);
    for (size_t i = 0; i < deny->count; i++)
        all[i] = deny->at[i];
    all[deny->count] = (struct permission_filter){.subject = BYTES(CALLOUT_SUBJECT)};
    *deny = (struct permission_list){all, deny->count + 1};
    made->grant.restricted = true;
}

/* An account that signs for it is where it goes, if it is this one or one that this one names. */
static bool place_signed(const struct reading *reading, const struct jwt *user,
                         const struct account_options **account)
{
    const struct callout_options *options = reading->options;
    struct bytes name = member_text(user->claims, BYTES("issuer_account"));
    const struct json *template;

    if (name.size == 0)
        name = user->issuer;
    if (!bytes_equal(name, options->account) && !is_allowed(options, name))
        return refuse(reading,
                      "Account \"%.*s\" not permitted as valid account option for auth callout for "
                      "account \"%.*s\"",
                      BYTES_ARG(user->issuer), BYTES_ARG(options->account));
    *account = auth_account(reading->auth, name);
    if (*account == NULL)
        return refuse(reading,
                      "No valid account \"%.*s\" for auth callout response on account \"%.*s\"",
                      BYTES_ARG(name), BYTES_ARG(options->account));
    if (!jwt_account_signs(*account, user->issuer, &template))
        return refuse(reading, "User JWT issuer \"%.*s\" is not known", BYTES_ARG(user->issuer));
    if (template != NULL && !jwt_grant_empty(user->claims))
        return refuse(reading, "User JWT is not valid: it has permissions of its own");
    if (jwt_account_revokes(*account, user) ||
        ((*account)->claims->expires_s != 0 &&
         reading->wanted->wall_s >= (*account)->claims->expires_s))
        return refuse(reading, "User JWT is revoked, or its account has ended");
    return true;
}

static bool place(const struct reading *reading, const struct jwt *user,
                  const struct account_options **account)
{
    if (reading->wanted->home.size > 0)
        return place_signed(reading, user, account);
    return issued_right(reading, user) && find_account(reading, user->audience, account);
}

/* What says what it may: its own claims, or a template of its account. */
static const struct json *template_of(const struct reading *reading, const struct jwt *user,
                                      const struct account_options *account)
{
    const struct json *template = NULL;

    if (reading->wanted->home.size > 0)
        (void)jwt_account_signs(account, user->issuer, &template); /* it does */
    return template != NULL ? template : user->claims;
}

static bool is_home(const struct reading *reading, const struct account_options *account)
{
    return account != NULL ? bytes_equal(account->name, reading->options->account)
                           : is_default(reading->options->account);
}

static bool make(const struct reading *reading, struct auth_signed *made)
{
    const struct callout_wanted *wanted = reading->wanted;
    const struct account_options *account = NULL;
    struct jwt user;

    if (!jwt_read(&made->arena, made->token, &user) || user.kind != JWT_USER)
        return refuse(reading, "Error validating user JWT: it is none that an account has signed");
    if (wanted->user.size > 0 && !bytes_equal(user.subject, wanted->user))
        return refuse(
            reading, "Expected authorized user of \"%.*s\" but got \"%.*s\" on account \"%.*s\"",
            BYTES_ARG(wanted->user), BYTES_ARG(user.subject), BYTES_ARG(reading->options->account));
    if (!jwt_valid_at(&user, wanted->wall_s))
        return refuse(reading, "Authorized user on account \"%.*s\" outside of valid connect times",
                      BYTES_ARG(reading->options->account));
    if (!place(reading, &user, &account))
        return false;
    if (!jwt_grant_read(&made->arena, template_of(reading, &user, account), &made->grant))
        return refuse(reading, "Error validating user JWT: what it grants is not supported");
    made->options = (struct user_options){
        .name = user.name.size > 0 ? user.name : arena_copy(&made->arena, wanted->said),
        .account = account,
        .connection_types = made->grant.connection_types,
    };
    made->expires_s = user.expires_s;
    if (wanted->home.size > 0)
        auth_signed_set_end(made, &user);
    made->delegated = true;
    made->home = arena_copy(&made->arena, wanted->home);
    if (is_home(reading, account))
        callout_deny_asking(made, account != NULL ? account->default_permissions : NULL);
    return made->grant.connection_types == 0 ||
           (made->grant.connection_types & wanted->type) != 0 ||
           refuse(reading, "Could not register auth callout user: connection type not allowed");
}

static void set_permissions(struct auth_signed *made, const struct auth *auth)
{
    const struct permission_options *may = NULL;

    if (made->grant.restricted)
        may = &made->grant.permissions;
    else if (made->options.account != NULL)
        may = made->options.account->default_permissions;
    made->user = (struct auth_user){.options = &made->options, .made = made};
    if (may == NULL)
        return;
    permissions_init(&made->permissions, may, auth->seed);
    made->user.permissions = &made->permissions;
}

static const struct auth_user *made_of(const struct reading *reading, struct bytes token)
{
    struct auth_signed *made = HEAP_NEW(struct auth_signed);

    arena_init(&made->arena, token.size * 2 + SIGNED_MEMORY_MAX);
    made->token = arena_copy(&made->arena, token);
    if (make(reading, made)) {
        set_permissions(made, reading->auth);
        return &made->user;
    }
    arena_deinit(&made->arena);
    heap_give(made);
    return NULL;
}

const struct auth_user *callout_read(const struct auth *auth, struct bytes answer,
                                     const struct callout_wanted *wanted,
                                     char why[static CALLOUT_WHY_SIZE])
{
    const struct reading reading = {auth, auth_callout(auth, wanted->home), wanted, why};
    const struct auth_user *user = NULL;
    struct bytes token;
    struct arena arena;

    if (reading.options == NULL || answer.size > JWT_SIZE_MAX) {
        refuse(&reading, "Auth callout response is too large, or nobody asks any more");
        return NULL;
    }
    arena_init(&arena, answer.size * 2 + SIGNED_MEMORY_MAX);
    if (read_answer(&reading, answer, &arena, &token))
        user = made_of(&reading, token);
    arena_deinit(&arena);
    return user;
}

const struct auth_user *callout_again(const struct auth *auth, const struct auth_signed *before,
                                      int64_t wall_s)
{
    char why[CALLOUT_WHY_SIZE];
    const struct callout_wanted wanted = {
        .home = before->home, .said = before->options.name, .type = ~0u, .wall_s = wall_s};
    const struct reading reading = {auth, auth_callout(auth, before->home), &wanted, why};

    return reading.options != NULL ? made_of(&reading, before->token) : NULL;
}
