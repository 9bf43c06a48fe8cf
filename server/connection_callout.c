/*
 * Clients whom somebody else lets in (server/auth/callout.h): asks in the account where that one
 * is, under a reply subject of this shard, and waits as long as a client may take to say who it is.
 * Those whose account is to be looked up first wait in the same way for the resolver.
 */
#include <stdio.h>

#include "base/heap.h"
#include "base/owner.h"
#include "base/subject.h"
#include "base/table.h"
#include "base/text.h"
#include "server/auth/callout.h"
#include "server/connection_priv.h"
#include "server/resolver/resolver_subject.h"

#define SECOND_NS    INT64_C(1000000000)
#define SHARD_SIZE   8u  /* characters that tell the replies of this shard from others' */
#define TOKEN_SIZE   22u /* that nobody can guess */
#define QUESTION_MAX (8u << 20)
#define SUBJECT_SIZE 64u

struct callout {
    struct callouts *owner;
    struct connection *about; /* which waits: it ends no later than that */
    struct account *account;  /* where it is asked; NULL: it was taken away meanwhile */
    char token[TOKEN_SIZE + 1];
    char user[NKEY_TEXT_SIZE + 1]; /* that the answer is to be about */
    bool answered;
    struct bytes answer; /* owned */
    struct timer timer;  /* it is over, or there is an answer */
};

/* An account where it is asked. */
struct home {
    struct home *next;
    struct account *account;
    struct sink *sink; /* for what is answered there */
};

struct callouts {
    struct connections *connections;
    struct home *homes;
    char shard[SHARD_SIZE + 1];
    struct table all; /* by token */
};

/* ---- answers -------------------------------------------------------------------------------- */

static struct bytes key_of(const void *item)
{
    return bytes_of_text(((const struct callout *)item)->token);
}

/* The first counts. It is read when nothing is being published. */
static void answered(void *owner, const struct message *message)
{
    struct callouts *callouts = owner;
    struct callout *callout =
        table_find(&callouts->all, subject_token(message_sent_to(message), 3));
    struct io *io = callouts->connections->io;

    if (callout == NULL || callout->answered)
        return;
    callout->answered = true;
    callout->answer = heap_copy(message->payload);
    timers_arm(io_timers(io), &callout->timer, io_now(io));
}

static void leave(struct callout *callout)
{
    struct callouts *owner = callout->owner;

    callout->about->callout = NULL;
    timers_cancel(io_timers(owner->connections->io), &callout->timer);
    (void)table_remove(&owner->all, bytes_of_text(callout->token));
    heap_give((void *)callout->answer.at);
    heap_give(callout);
}

static const struct callout_options *options_of(const struct callout *callout)
{
    return auth_callout(callout->owner->connections->clients.auth,
                        callout->about->client.proof->question->home);
}

static struct bytes xkey_of(const struct callout *callout)
{
    const struct callout_options *options = options_of(callout);

    return options != NULL ? options->xkey : bytes_of(NULL, 0);
}

static bool is_sealed(struct bytes answer)
{
    return !bytes_starts(answer, BYTES("eyJ"));
}

static bool open_answer(const struct callout *callout, struct buf *out,
                        char why[static CALLOUT_WHY_SIZE])
{
    const struct clients *clients = &callout->owner->connections->clients;
    struct bytes xkey = xkey_of(callout);

    if (xkey.size == 0)
        return buf_add(out, callout->answer);
    if (callout_open(out, callout->answer, xkey, clients->info->curve_seed))
        return true;
    snprintf(why, CALLOUT_WHY_SIZE, "Error decrypting auth callout response");
    return false;
}

static void read_answer(struct callout *callout)
{
    const struct clients *clients = &callout->owner->connections->clients;
    const struct client *client = &callout->about->client;
    struct client_proof *proof = client->proof;
    const struct callout_wanted wanted = {
        .user = bytes_of_text(callout->user),
        .server_id = bytes_of_text(clients->info->id),
        .home = proof->question->home,
        .sealed = xkey_of(callout).size > 0 && is_sealed(callout->answer),
        .said = proof->question->said,
        .type = client->type,
        .wall_s = (clients->wall_ahead_ns + clients->now_ns) / SECOND_NS,
    };
    char why[CALLOUT_WHY_SIZE] = "";
    struct buf answer;

    buf_init(&answer, QUESTION_MAX);
    if (open_answer(callout, &answer, why))
        proof->user = callout_read(clients->auth, buf_bytes(&answer), &wanted, why);
    buf_deinit(&answer);
    proof->proven = proof->user != NULL;
    if (!proof->proven)
        logger_warn(clients->logger, "%s", why);
}

static void over(struct timer *timer)
{
    struct callout *callout = owner_of(timer, struct callout, timer);
    struct connections *connections = callout->owner->connections;
    struct client_proof *proof = callout->about->client.proof;

    if (proof->wanted.size > 0)
        client_looked_up(&callout->about->client);
    else if (callout->answered)
        read_answer(callout);
    else if (callout->account != NULL)
        logger_debug(connections->clients.logger,
                     "Authorization callout response not received in time on account \"%.*s\"",
                     BYTES_ARG(account_name(callout->account)));
    leave(callout);
    client_proof_done(proof, io_now(connections->io));
}

/* ---- questions ------------------------------------------------------------------------------ */

static struct callouts *callouts_of(struct connections *connections)
{
    struct callouts *callouts = connections->callouts;

    if (callouts != NULL)
        return callouts;
    callouts = connections->callouts = HEAP_NEW(struct callouts);
    callouts->connections = connections;
    text_base62(&connections->clients.prng, callouts->shard, SHARD_SIZE);
    table_init(&callouts->all, key_of, prng_next(&connections->clients.prng));
    return callouts;
}

static void listen_in(struct callouts *callouts, struct account *account)
{
    struct router *router = callouts->connections->clients.router;
    char subject[SUBJECT_SIZE];
    struct home *home;

    for (home = callouts->homes; home != NULL; home = home->next)
        if (home->account == account)
            return;
    home = HEAP_NEW(struct home);
    snprintf(subject, sizeof(subject), "$SYS._INBOX.%s.*", callouts->shard);
    home->account = account;
    home->sink = router_sink_add_known(router, account, bytes_of_text(subject), answered, callouts);
    home->next = callouts->homes;
    callouts->homes = home;
}

static void make_names(struct callout *callout)
{
    struct connections *connections = callout->owner->connections;
    uint8_t random[TOKEN_SIZE + NKEY_SIZE];
    struct prng prng;
    uint64_t seed;

    io_random(connections->io, random, sizeof(random));
    nkey_write(callout->user, NKEY_USER, random);
    memcpy(&seed, random + NKEY_SIZE, sizeof(seed));
    prng_seed(&prng, seed);
    text_base62(&prng, callout->token, TOKEN_SIZE);
}

static struct bytes or_nothing(const char *text)
{
    return text != NULL ? bytes_of_text(text) : bytes_of(NULL, 0);
}

static bool write_question(const struct callout *callout, struct bytes tls, struct buf *out)
{
    const struct client *client = &callout->about->client;
    const struct clients *clients = &callout->owner->connections->clients;
    const struct options *options = clients->options;
    const struct client_question *about = client->proof->question;
    int64_t now_s = (clients->wall_ahead_ns + clients->now_ns) / SECOND_NS;
    int64_t patience_ns = options_auth_timeout_ns(options, client->type);
    const struct callout_question question = {
        .id = bytes_of_text(callout->token),
        .issuer = options_of(callout)->issuer,
        .user = bytes_of_text(callout->user),
        .server_id = bytes_of_text(clients->info->id),
        .server_name = or_nothing(clients->info->name),
        .host = or_nothing(clients->info->host),
        .server_xkey =
            xkey_of(callout).size > 0 ? bytes_of_text(clients->info->curve_id) : bytes_of(NULL, 0),
        .version = BYTES(NATS_VERSION),
        .cluster = clients->info->cluster,
        .tags = options->server_tags.at,
        .tags_count = options->server_tags.count,
        .client = buf_bytes(&about->client),
        .connect = buf_bytes(&about->connect),
        .tls = tls,
        .issued_s = now_s,
        .expires_s = now_s + patience_ns / SECOND_NS,
    };

    return callout_write(out, &question, clients->info->seed);
}

/* Both are as they are when nobody asked for secrecy. */
static bool seal(const struct callout *callout, struct buf *question, struct buf *headers)
{
    struct connections *connections = callout->owner->connections;
    const struct clients *clients = &connections->clients;
    uint8_t nonce[BOX_NONCE_SIZE];
    struct buf sealed;
    bool done;

    if (xkey_of(callout).size == 0)
        return true;
    io_random(connections->io, nonce, sizeof(nonce));
    buf_init(&sealed, QUESTION_MAX);
    done = callout_seal(&sealed, buf_bytes(question), xkey_of(callout), clients->info->curve_seed,
                        nonce) &&
           buf_print(headers, "NATS/1.0\r\nNats-Server-Xkey: %s\r\n\r\n", clients->info->curve_id);
    explicit_bzero(question->at, question->size);
    buf_clear(question);
    done = done && buf_add(question, buf_bytes(&sealed));
    buf_deinit(&sealed);
    return done;
}

/* False: nobody is there to answer, or it cannot be asked. */
static bool ask(struct callout *callout)
{
    struct callouts *callouts = callout->owner;
    struct router *router = callouts->connections->clients.router;
    char reply[SUBJECT_SIZE];
    struct message message = {.subject = BYTES(CALLOUT_SUBJECT)};
    struct buf question, headers, tls;
    size_t received = 0;

    snprintf(reply, sizeof(reply), "$SYS._INBOX.%s.%s", callouts->shard, callout->token);
    buf_init(&question, QUESTION_MAX);
    buf_init(&headers, QUESTION_MAX);
    buf_init(&tls, QUESTION_MAX);
    if (connection_tls_describe(callout->about, &tls) &&
        write_question(callout, buf_bytes(&tls), &question) && seal(callout, &question, &headers)) {
        message.reply = bytes_of_text(reply);
        message.payload = buf_bytes(&question);
        message.headers = buf_bytes(&headers);
        received = router_publish(router, callout->account, &message);
    }
    if (question.size > 0)
        explicit_bzero(question.at, question.size);
    buf_deinit(&question);
    buf_deinit(&headers);
    buf_deinit(&tls);
    return received > 0;
}

static bool look_up(struct callout *callout)
{
    struct callouts *callouts = callout->owner;
    const struct clients *clients = &callouts->connections->clients;
    struct bytes wanted = callout->about->client.proof->wanted;
    char subject[RESOLVER_SUBJECT_SIZE], reply[SUBJECT_SIZE];
    struct message message = {0};

    snprintf(reply, sizeof(reply), "$SYS._INBOX.%s.%s", callouts->shard, callout->token);
    message.reply = bytes_of_text(reply);
    snprintf(subject, sizeof(subject), RESOLVER_SUBJECT "%.*s", clients->info->id,
             BYTES_ARG(wanted));
    message.subject = bytes_of_text(subject);
    return router_publish(clients->router, callout->account, &message) > 0;
}

/* Where it is asked; NULL: there is no such account. */
static struct account *account_of(const struct callout *callout)
{
    const struct clients *clients = &callout->owner->connections->clients;
    struct bytes system = clients->options->auth.system_account;
    const struct callout_options *asked;

    if (callout->about->client.proof->wanted.size > 0)
        return router_account(clients->router, system.size > 0 ? system : BYTES("$SYS"));
    asked = options_of(callout);
    return asked != NULL ? router_account(clients->router, asked->account) : NULL;
}

void connection_callout_begin(struct connection *c)
{
    struct connections *connections = c->owner;
    const struct options *options = connections->clients.options;
    struct callouts *callouts = callouts_of(connections);
    struct callout *callout = HEAP_NEW(struct callout);
    bool asked;

    c->client.proof->begun = true;
    callout->owner = callouts;
    callout->about = c;
    c->callout = callout;
    callout->account = account_of(callout);
    callout->timer.fire = over;
    make_names(callout);
    table_add(&callouts->all, callout);
    timers_arm(io_timers(connections->io), &callout->timer,
               io_now(connections->io) + options_auth_timeout_ns(options, c->client.type));
    if (callout->account == NULL)
        return; /* it was taken away meanwhile: nobody answers */
    listen_in(callouts, callout->account);
    asked = c->client.proof->wanted.size > 0 ? look_up(callout) : ask(callout);
    if (!asked)
        logger_debug(connections->clients.logger,
                     "Nobody answers authorization requests on account \"%.*s\"",
                     BYTES_ARG(account_name(callout->account)));
}

/* The answer, if one still comes, is nobody's. */
void connection_callout_leave(struct connection *c)
{
    if (c->callout == NULL)
        return;
    leave(c->callout);
    c->client.proof->begun = false;
    client_proof_drop(&c->client);
}

void connections_callouts_drop(struct connections *connections)
{
    struct callouts *callouts = connections->callouts;
    struct home *home;

    if (callouts == NULL)
        return;
    assert(callouts->all.count == 0);
    table_deinit(&callouts->all);
    while ((home = callouts->homes) != NULL) {
        callouts->homes = home->next;
        router_sink_remove(connections->clients.router, home->sink);
        heap_give(home);
    }
    heap_give(callouts);
    connections->callouts = NULL;
}
