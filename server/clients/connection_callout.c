/*
 * Clients whom somebody else lets in (server/clients/callout_desk.h): waits as long as a client may
 * take to say who it is. Those whose account is to be looked up first wait in the same way for the
 * resolver.
 */
#include <stdio.h>

#include "base/heap.h"
#include "base/owner.h"
#include "server/clients/callout_desk.h"
#include "server/clients/connection_priv.h"
#include "server/resolver/resolver_subject.h"

struct callout {
    struct callout_ask ask;
    struct connection *about; /* which waits: it ends no later than that */
    struct account *account;  /* where it is asked; NULL: it was taken away meanwhile */
};

static void leave(struct callout *callout)
{
    callout->about->callout = NULL;
    callout_ask_end(&callout->ask);
    heap_give(callout);
}

static struct callout_about about_of(const struct callout *callout)
{
    const struct client *client = &callout->about->client;
    const struct client_question *question = client->proof->question;

    return (struct callout_about){
        .home = question->home,
        .said = question->said,
        .type = client->type,
    };
}

static void read_answer(struct callout *callout)
{
    struct client_proof *proof = callout->about->client.proof;
    const struct callout_about about = about_of(callout);

    proof->user = callout_ask_read(&callout->ask, &about);
    proof->proven = proof->user != NULL;
}

static void over(struct callout_ask *ask)
{
    struct callout *callout = owner_of(ask, struct callout, ask);
    struct connections *connections = callout->about->owner;
    struct client_proof *proof = callout->about->client.proof;

    if (proof->wanted.size > 0)
        client_looked_up(&callout->about->client);
    else if (ask->answered)
        read_answer(callout);
    else if (callout->account != NULL)
        logger_debug(connections->clients.logger,
                     "Authorization callout response not received in time on account \"%.*s\"",
                     BYTES_ARG(account_name(callout->account)));
    leave(callout);
    client_proof_done(proof, io_now(connections->io));
}

/* ---- questions ------------------------------------------------------------------------------ */

static struct callout_desk *desk_of(struct connections *connections)
{
    struct clients *clients = &connections->clients;
    const struct callout_desk_setup setup = {
        .io = connections->io,
        .logger = clients->logger,
        .router = clients->router,
        .auth = clients->auth,
        .info = clients->info,
        .options = clients->options,
        .prng = &clients->prng,
    };

    if (connections->callouts == NULL)
        connections->callouts = callout_desk_create(&setup);
    return connections->callouts;
}

static int64_t patience_ns(const struct connection *c)
{
    return options_auth_timeout_ns(c->owner->clients.options, c->client.type);
}

static void ask(struct callout *callout)
{
    struct connection *c = callout->about;
    const struct client_question *question = c->client.proof->question;
    const struct callout_about about = about_of(callout);
    struct callout_told told = {
        .client = buf_bytes(&question->client),
        .connect = buf_bytes(&question->connect),
        .patience_ns = patience_ns(c),
    };
    struct buf tls;

    buf_init(&tls, CALLOUT_ASK_MAX);
    if (connection_tls_describe(c, &tls)) {
        told.tls = buf_bytes(&tls);
        callout_ask_send(&callout->ask, callout->account, &about, &told);
    }
    buf_deinit(&tls);
}

static void look_up(struct callout *callout)
{
    const struct clients *clients = &callout->about->owner->clients;
    struct bytes wanted = callout->about->client.proof->wanted;
    char subject[RESOLVER_SUBJECT_SIZE];
    struct message message = {0};

    snprintf(subject, sizeof(subject), RESOLVER_SUBJECT "%.*s", clients->info->id,
             BYTES_ARG(wanted));
    message.subject = bytes_of_text(subject);
    if (!callout_ask_other(&callout->ask, callout->account, &message))
        logger_debug(clients->logger, "Nobody looks up accounts");
}

static struct account *account_to_look_up_in(const struct clients *clients)
{
    struct bytes system = clients->options->auth.system_account;

    return router_account(clients->router, system.size > 0 ? system : BYTES("$SYS"));
}

void connection_callout_begin(struct connection *c)
{
    struct connections *connections = c->owner;
    struct callout *callout = HEAP_NEW(struct callout);
    bool looks_up = c->client.proof->wanted.size > 0;
    struct callout_about about;

    c->client.proof->begun = true;
    callout->about = c;
    c->callout = callout;
    callout_ask_begin(desk_of(connections), &callout->ask, over,
                      io_now(connections->io) + patience_ns(c));
    if (looks_up) {
        callout->account = account_to_look_up_in(&connections->clients);
    } else {
        about = about_of(callout);
        callout->account = callout_ask_account(&callout->ask, &about);
    }
    if (callout->account == NULL)
        return; /* it was taken away meanwhile: nobody answers */
    if (looks_up)
        look_up(callout);
    else
        ask(callout);
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
    callout_desk_destroy(connections->callouts);
    connections->callouts = NULL;
}
