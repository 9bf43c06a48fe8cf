/*
 * Leaves whom somebody else lets in (server/auth/callout.h), as clients are (connection_callout.c):
 * asks in the account where that one is, and waits as long as a leaf may take to say who it is.
 */
#include <stdio.h>

#include "base/heap.h"
#include "base/owner.h"
#include "base/subject.h"
#include "base/text.h"
#include "server/auth/callout.h"
#include "server/leaf/leaf_priv.h"

#define SHARD_SIZE   8u  /* characters that tell these replies from others' */
#define TOKEN_SIZE   22u /* that nobody can guess */
#define QUESTION_MAX (8u << 20)
#define SUBJECT_SIZE 64u

/* An account where it is asked. */
struct leaf_home {
    struct leaf_home *next;
    struct account *account;
    struct sink *sink; /* for what is answered there */
};

struct leaf_callouts {
    struct leaf_home *homes;
    struct leaf_question *all; /* no more than there are leaves */
    char shard[SHARD_SIZE + 1];
};

struct leaf_question {
    struct leaf_question *next;
    struct leaf *leaf;
    char token[TOKEN_SIZE + 1];
    char user[NKEY_TEXT_SIZE + 1]; /* that the answer is to be about */
    struct bytes said;             /* what it calls itself; owned, as the next */
    struct bytes home;             /* the account whose claims say that it is asked */
    bool answered;
    struct bytes answer; /* owned */
    struct timer timer;  /* there is an answer */
};

static int64_t wall_s(const struct leaves *leaves)
{
    return io_wall(leaves->setup.io) / SECOND_NS;
}

/* ---- answers -------------------------------------------------------------------------------- */

/* The first counts. It is read when nothing is being published. */
static void answered(void *owner, const struct message *message)
{
    struct leaves *leaves = owner;
    struct bytes token = subject_token(message_sent_to(message), 3);
    struct leaf_question *question = leaves->callouts->all;

    while (question != NULL && !bytes_equal(bytes_of_text(question->token), token))
        question = question->next;
    if (question == NULL || question->answered || message->payload.size > QUESTION_MAX)
        return;
    question->answered = true;
    question->answer = heap_copy(message->payload);
    timers_arm(io_timers(leaves->setup.io), &question->timer, io_now(leaves->setup.io));
}

static struct bytes xkey_of(const struct leaf_question *question)
{
    const struct callout_options *options =
        auth_callout(question->leaf->leaves->setup.auth, question->home);

    return options != NULL ? options->xkey : bytes_of(NULL, 0);
}

static bool open_answer(const struct leaf_question *question, struct buf *out,
                        char why[static CALLOUT_WHY_SIZE])
{
    const struct info *server = question->leaf->leaves->setup.info;
    struct bytes xkey = xkey_of(question);

    if (xkey.size == 0)
        return buf_add(out, question->answer);
    if (callout_open(out, question->answer, xkey, server->curve_seed))
        return true;
    snprintf(why, CALLOUT_WHY_SIZE, "Error decrypting auth callout response");
    return false;
}

static const struct auth_user *read_answer(const struct leaf_question *question)
{
    const struct leaves *leaves = question->leaf->leaves;
    const struct callout_wanted wanted = {
        .user = bytes_of_text(question->user),
        .server_id = bytes_of_text(leaves->setup.info->id),
        .home = question->home,
        .sealed = xkey_of(question).size > 0 && !bytes_starts(question->answer, BYTES("eyJ")),
        .said = question->said,
        .type = CONNECTION_LEAFNODE,
        .wall_s = wall_s(leaves),
    };
    const struct auth_user *user = NULL;
    char why[CALLOUT_WHY_SIZE] = "";
    struct buf answer;

    buf_init(&answer, QUESTION_MAX);
    if (open_answer(question, &answer, why))
        user = callout_read(leaves->setup.auth, buf_bytes(&answer), &wanted, why);
    buf_deinit(&answer);
    if (user == NULL)
        logger_warn(leaves->setup.logger, "%s", why);
    return user;
}

static void answer_fired(struct timer *timer)
{
    struct leaf_question *question = owner_of(timer, struct leaf_question, timer);

    leaf_callout_done(question->leaf, read_answer(question));
}

void leaf_question_free(struct leaf_question *question)
{
    struct leaf_question **at;
    struct leaves *leaves;

    if (question == NULL)
        return;
    leaves = question->leaf->leaves;
    at = &leaves->callouts->all;
    while (*at != question)
        at = &(*at)->next;
    *at = question->next;
    timers_cancel(io_timers(leaves->setup.io), &question->timer);
    heap_give((void *)question->said.at);
    heap_give((void *)question->home.at);
    heap_give((void *)question->answer.at);
    heap_give(question);
}

/* ---- what is told of it --------------------------------------------------------------------- */

/* Left out where it says nothing. */
static void text(struct json_writer *w, struct bytes key, struct bytes value)
{
    if (value.size == 0)
        return;
    json_key(w, key);
    json_string(w, value);
}

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
    text(&w, BYTES("host"), bytes_of_text(leaf->address.text));
    json_key(&w, BYTES("id"));
    json_number_u64(&w, leaf->id);
    text(&w, BYTES("user"), called);
    text(&w, BYTES("name"), said->name);
    text(&w, BYTES("kind"), BYTES("Leafnode"));
    if (said->sig.size > 0)
        text(&w, BYTES("nonce"), bytes_of_text(leaf->nonce));
    json_object_end(&w);
}

static void repeat(const struct leaf_connect *said, struct buf *out)
{
    struct json_writer w;

    json_writer_init(&w, out);
    json_object_begin(&w);
    text(&w, BYTES("jwt"), said->jwt);
    text(&w, BYTES("nkey"), said->nkey);
    text(&w, BYTES("sig"), said->sig);
    text(&w, BYTES("auth_token"), said->token);
    text(&w, BYTES("user"), said->user);
    text(&w, BYTES("pass"), said->pass);
    text(&w, BYTES("name"), said->name);
    text(&w, BYTES("version"), said->version);
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
    text(&w, BYTES("version"), bytes_of_text(tls_version(leaf->tls)));
    text(&w, BYTES("cipher"), bytes_of_text(tls_cipher(leaf->tls)));
    tls_peer_describe(leaf->tls, &w);
    json_object_end(&w);
}

/* ---- questions ------------------------------------------------------------------------------ */

static struct leaf_callouts *callouts_of(struct leaves *leaves)
{
    if (leaves->callouts == NULL) {
        leaves->callouts = HEAP_NEW(struct leaf_callouts);
        text_base62(&leaves->prng, leaves->callouts->shard, SHARD_SIZE);
    }
    return leaves->callouts;
}

static void listen_in(struct leaves *leaves, struct account *account)
{
    struct leaf_callouts *callouts = leaves->callouts;
    char subject[SUBJECT_SIZE];
    struct leaf_home *home;

    for (home = callouts->homes; home != NULL; home = home->next)
        if (home->account == account)
            return;
    home = HEAP_NEW(struct leaf_home);
    snprintf(subject, sizeof(subject), "$SYS._INBOX.%s.*", callouts->shard);
    home->account = account;
    home->sink = router_sink_add_known(leaves->setup.router, account, bytes_of_text(subject),
                                       answered, leaves);
    home->next = callouts->homes;
    callouts->homes = home;
}

static void make_names(struct leaf_question *question)
{
    uint8_t random[TOKEN_SIZE + NKEY_SIZE];
    struct prng prng;
    uint64_t seed;

    io_random(question->leaf->leaves->setup.io, random, sizeof(random));
    nkey_write(question->user, NKEY_USER, random);
    memcpy(&seed, random + NKEY_SIZE, sizeof(seed));
    prng_seed(&prng, seed);
    text_base62(&prng, question->token, TOKEN_SIZE);
}

struct parts {
    struct buf client, connect, tls, question, headers;
};

static bool write_question(const struct leaf_question *question,
                           const struct callout_options *callout, struct parts *parts)
{
    const struct leaves *leaves = question->leaf->leaves;
    const struct info *server = leaves->setup.info;
    const struct callout_question said = {
        .id = bytes_of_text(question->token),
        .issuer = callout->issuer,
        .user = bytes_of_text(question->user),
        .server_id = bytes_of_text(server->id),
        .server_name = bytes_of_text(server->name),
        .host = bytes_of_text(server->host),
        .server_xkey = callout->xkey.size > 0 ? bytes_of_text(server->curve_id) : bytes_of(NULL, 0),
        .version = BYTES(NATS_VERSION),
        .cluster = server->cluster,
        .tags = leaves->setup.options->server_tags.at,
        .tags_count = leaves->setup.options->server_tags.count,
        .client = buf_bytes(&parts->client),
        .connect = buf_bytes(&parts->connect),
        .tls = buf_bytes(&parts->tls),
        .issued_s = wall_s(leaves),
        .expires_s = wall_s(leaves) + leaf_auth_ns(leaves) / SECOND_NS,
    };

    return callout_write(&parts->question, &said, server->seed);
}

/* As it is when nobody asked for secrecy. */
static bool seal(const struct leaf_question *question, struct bytes xkey, struct parts *parts)
{
    const struct leaves *leaves = question->leaf->leaves;
    const struct info *server = leaves->setup.info;
    uint8_t nonce[BOX_NONCE_SIZE];
    struct buf sealed;
    bool done;

    if (xkey.size == 0)
        return true;
    io_random(leaves->setup.io, nonce, sizeof(nonce));
    buf_init(&sealed, QUESTION_MAX);
    done = callout_seal(&sealed, buf_bytes(&parts->question), xkey, server->curve_seed, nonce) &&
           buf_print(&parts->headers, "NATS/1.0\r\nNats-Server-Xkey: %s\r\n\r\n", server->curve_id);
    explicit_bzero(parts->question.at, parts->question.size);
    buf_clear(&parts->question);
    done = done && buf_add(&parts->question, buf_bytes(&sealed));
    buf_deinit(&sealed);
    return done;
}

static void forget(struct buf *secret)
{
    if (secret->size > 0)
        explicit_bzero(secret->at, secret->size);
    buf_deinit(secret);
}

static bool publish(const struct leaf_question *question, struct account *account,
                    const struct parts *parts)
{
    struct leaves *leaves = question->leaf->leaves;
    struct message message = {
        .subject = BYTES(CALLOUT_SUBJECT),
        .payload = buf_bytes(&parts->question),
        .headers = buf_bytes(&parts->headers),
    };
    char reply[SUBJECT_SIZE];

    snprintf(reply, sizeof(reply), "$SYS._INBOX.%s.%s", leaves->callouts->shard, question->token);
    message.reply = bytes_of_text(reply);
    return router_publish(leaves->setup.router, account, &message) > 0;
}

static void ask(struct leaf_question *question, const struct leaf_connect *said,
                const struct callout_options *callout, struct account *account)
{
    struct leaves *leaves = question->leaf->leaves;
    struct parts parts;
    bool asked;

    for (struct buf *buf = &parts.client; buf <= &parts.headers; buf++)
        buf_init(buf, QUESTION_MAX);
    describe(question->leaf, said, question->said, &parts.client);
    repeat(said, &parts.connect);
    describe_tls(question->leaf, &parts.tls);
    listen_in(leaves, account);
    asked = write_question(question, callout, &parts) && seal(question, callout->xkey, &parts) &&
            publish(question, account, &parts);
    if (!asked)
        logger_debug(leaves->setup.logger,
                     "Nobody answers authorization requests on account \"%.*s\"",
                     BYTES_ARG(account_name(account)));
    forget(&parts.connect);
    forget(&parts.question);
    buf_deinit(&parts.client);
    buf_deinit(&parts.tls);
    buf_deinit(&parts.headers);
}

struct leaf_question *leaf_callout_ask(struct leaf *leaf, const struct leaf_connect *said,
                                       const struct auth_user *user)
{
    struct leaves *leaves = leaf->leaves;
    struct leaf_callouts *callouts = callouts_of(leaves);
    struct leaf_question *question = HEAP_NEW(struct leaf_question);
    const struct callout_options *callout;
    struct account *account;

    question->leaf = leaf;
    question->timer.fire = answer_fired;
    question->said = heap_copy(called(said, user));
    if (user != NULL && user->made != NULL)
        question->home = heap_copy(user->options->account->name);
    question->next = callouts->all;
    callouts->all = question;
    make_names(question);
    callout = auth_callout(leaves->setup.auth, question->home);
    account = callout != NULL ? router_account(leaves->setup.router, callout->account) : NULL;
    if (account != NULL)
        ask(question, said, callout, account); /* else nobody answers */
    return question;
}

void leaf_callouts_free(struct leaves *leaves)
{
    struct leaf_callouts *callouts = leaves->callouts;
    struct leaf_home *home;

    if (callouts == NULL)
        return;
    assert(callouts->all == NULL);
    while ((home = callouts->homes) != NULL) {
        callouts->homes = home->next;
        router_sink_remove(leaves->setup.router, home->sink);
        heap_give(home);
    }
    heap_give(callouts);
    leaves->callouts = NULL;
}
