/*
 * Leaves whom somebody else lets in (server/clients/callout_desk.h), as clients are
 * (connection_callout.c): it waits as long as a leaf may take to say who it is, which leaf_auth.c
 * looks after.
 */
#include "base/heap.h"
#include "base/owner.h"
#include "server/clients/callout_desk.h"
#include "server/leaf/leaf_priv.h"

struct leaf_question {
    struct callout_ask ask;
    struct leaf *leaf;
    struct bytes said; /* what it calls itself; owned, as the next */
    struct bytes home; /* the account whose claims say that it is asked */
};

static struct callout_about about_of(const struct leaf_question *question)
{
    return (struct callout_about){
        .home = question->home,
        .said = question->said,
        .type = CONNECTION_LEAFNODE,
    };
}

static void answered(struct callout_ask *ask)
{
    struct leaf_question *question = owner_of(ask, struct leaf_question, ask);
    const struct callout_about about = about_of(question);

    leaf_callout_done(question->leaf, callout_ask_read(ask, &about));
}

void leaf_question_free(struct leaf_question *question)
{
    if (question == NULL)
        return;
    callout_ask_end(&question->ask);
    heap_give((void *)question->said.at);
    heap_give((void *)question->home.at);
    heap_give(question);
}

/* ---- what is told of it --------------------------------------------------------------------- */

/* Left out where it says nothing. */
static struct bytes called(const struct leaf_connect *said, const struct auth_user *user)
{
    if (said->nkey.size > 0)
        return said->nkey;
    if (said->user.size > 0)
        return said->user;
    if (user != NULL && user->made != NULL)
        return auth_user_name(user);
    return said->token.size > 0 ? BYTES("[REDACTED]") : bytes_of(NULL, 0);
}

static void describe(const struct leaf *leaf, const struct leaf_connect *said, struct bytes called,
                     struct buf *out)
{
    struct json_writer w;

    json_writer_init(&w, out);
    json_object_begin(&w);
    json_put_given(&w, BYTES("host"), bytes_of_text(leaf->address.text));
    json_key(&w, BYTES("id"));
    json_number_u64(&w, leaf->id);
    json_put_given(&w, BYTES("user"), called);
    json_put_given(&w, BYTES("name"), said->name);
    json_put_given(&w, BYTES("kind"), BYTES("Leafnode"));
    if (said->sig.size > 0)
        json_put_given(&w, BYTES("nonce"), bytes_of_text(leaf->nonce));
    json_object_end(&w);
}

static void repeat(const struct leaf_connect *said, struct buf *out)
{
    struct json_writer w;

    json_writer_init(&w, out);
    json_object_begin(&w);
    json_put_given(&w, BYTES("jwt"), said->jwt);
    json_put_given(&w, BYTES("nkey"), said->nkey);
    json_put_given(&w, BYTES("sig"), said->sig);
    json_put_given(&w, BYTES("auth_token"), said->token);
    json_put_given(&w, BYTES("user"), said->user);
    json_put_given(&w, BYTES("pass"), said->pass);
    json_put_given(&w, BYTES("name"), said->name);
    json_put_given(&w, BYTES("version"), said->version);
    json_key(&w, BYTES("protocol"));
    json_number_i64(&w, said->protocol);
    json_object_end(&w);
}

static void describe_tls(const struct leaf *leaf, struct buf *out)
{
    struct json_writer w;

    if (leaf->tls == NULL || tls_state(leaf->tls) != TLS_OPEN)
        return;
    json_writer_init(&w, out);
    json_object_begin(&w);
    json_put_given(&w, BYTES("version"), bytes_of_text(tls_version(leaf->tls)));
    json_put_given(&w, BYTES("cipher"), bytes_of_text(tls_cipher(leaf->tls)));
    tls_peer_describe(leaf->tls, &w);
    json_object_end(&w);
}

/* ---- questions ------------------------------------------------------------------------------ */

static struct callout_desk *desk_of(struct leaves *leaves)
{
    const struct callout_desk_setup setup = {
        .io = leaves->setup.io,
        .logger = leaves->setup.logger,
        .router = leaves->setup.router,
        .auth = leaves->setup.auth,
        .info = leaves->setup.info,
        .options = leaves->setup.options,
        .prng = &leaves->prng,
    };

    if (leaves->callouts == NULL)
        leaves->callouts = callout_desk_create(&setup);
    return leaves->callouts;
}

static void ask(struct leaf_question *question, const struct leaf_connect *said,
                const struct callout_about *about, struct account *account)
{
    struct callout_told told = {.patience_ns = leaf_auth_ns(question->leaf->leaves)};
    struct buf client, connect, tls;

    buf_init(&client, CALLOUT_ASK_MAX);
    buf_init(&connect, CALLOUT_ASK_MAX);
    buf_init(&tls, CALLOUT_ASK_MAX);
    describe(question->leaf, said, question->said, &client);
    repeat(said, &connect);
    describe_tls(question->leaf, &tls);
    told.client = buf_bytes(&client);
    told.connect = buf_bytes(&connect);
    told.tls = buf_bytes(&tls);
    callout_ask_send(&question->ask, account, about, &told);
    explicit_bzero(connect.at, connect.size);
    buf_deinit(&client);
    buf_deinit(&connect);
    buf_deinit(&tls);
}

struct leaf_question *leaf_callout_ask(struct leaf *leaf, const struct leaf_connect *said,
                                       const struct auth_user *user)
{
    struct leaf_question *question = HEAP_NEW(struct leaf_question);
    struct callout_about about;
    struct account *account;

    question->leaf = leaf;
    question->said = heap_copy(called(said, user));
    if (user != NULL && user->made != NULL)
        question->home = heap_copy(user->options->account->name);
    about = about_of(question);
    callout_ask_begin(desk_of(leaf->leaves), &question->ask, answered, INT64_MAX);
    account = callout_ask_account(&question->ask, &about);
    if (account != NULL)
        ask(question, said, &about, account); /* else nobody answers */
    return question;
}
