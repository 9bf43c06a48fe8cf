/* Who a client is, what it may do, and what that binds it to. */
#include <stdio.h>

#include "base/heap.h"
#include "server/auth/password.h"
#include "server/client_priv.h"
#include "server/grants.h"

/* ---- binding ----------------------------------------------------------------------------------
 */

void client_unbind(struct client *client)
{
    if (client->counted)
        client->account->connections--;
    client->counted = false;
    if (client->grants != NULL)
        grants_deinit(client->grants);
    heap_give(client->grants);
    client->grants = NULL;
    client->user = NULL;
    client->permissions = NULL;
    client->account = client->clients->account;
}

static struct account *account_of(const struct client *client, const struct auth_user *user)
{
    const struct clients *clients = client->clients;
    struct account *account;

    if (user == NULL || user->options->account == NULL)
        return clients->account;
    account = router_account(clients->router, user->options->account->name);
    assert(account != NULL); /* made of the same options */
    return account;
}

static int64_t lower(int64_t limit, int64_t other)
{
    return limit > 0 && (other <= 0 || limit < other) ? limit : other;
}

static void bind_limits(struct client *client)
{
    const struct options *options = client->clients->options;
    const struct account_options *limits = client->account->options;

    client->payload_max = options->max_payload;
    client->subs_max = options->max_subscriptions;
    if (limits == NULL)
        return;
    client->payload_max = lower(limits->max_payload, client->payload_max);
    client->subs_max = lower(limits->max_subscriptions, client->subs_max);
}

static void bind_permissions(struct client *client)
{
    const struct permission_options *may;

    client->permissions = client->user != NULL ? client->user->permissions : NULL;
    if (client->permissions == NULL)
        return;
    may = client->permissions->options;
    if (!may->responses)
        return;
    client->grants = HEAP_NEW(struct grants);
    grants_init(client->grants, may->responses_max, may->responses_ns,
                prng_next(&client->clients->prng));
}

/* False: its account has no room for it. */
static bool bind(struct client *client, const struct auth_user *user)
{
    const struct options *options = client->clients->options;
    struct account *account = account_of(client, user);
    const struct account_options *limits = account->options;

    /* What it subscribed without a CONNECT it keeps, unless it is somebody else now. */
    if (account != client->account || user != client->user)
        client_leave(client);
    client_unbind(client);
    if (limits != NULL && limits->max_connections >= 0 &&
        (int64_t)account->connections >= limits->max_connections)
        return false;
    client->account = account;
    client->user = user;
    client->unproven = false;
    client->counted = true;
    account->connections++;
    client->trace = client->clients->trace && (!account->system || options->trace_verbose);
    bind_limits(client);
    bind_permissions(client);
    return true;
}

static void bind_or_end(struct client *client, const struct auth_user *user)
{
    if (!bind(client, user))
        client_end(client, "maximum account active connections exceeded",
                   "Maximum Account Connections Exceeded");
}

/* ---- who it is --------------------------------------------------------------------------------
 */

struct bytes client_user_text(const struct client *client)
{
    static const struct bytes nobody = {(const uint8_t *)"User \"N/A\"", 10};
    struct arena *arena = &client->clients->arena;
    struct bytes name;
    char *text;

    if (client->user == NULL)
        return nobody;
    name = auth_user_name(client->user);
    arena_reset(arena);
    text = arena_take(arena, name.size + 16);
    if (text == NULL)
        return nobody;
    snprintf(text, name.size + 16, "%s \"%.*s\"",
             client->user->options->nkey.size > 0 ? "Nkey" : "User", BYTES_ARG(name));
    return bytes_of_text(text);
}

static void violation(struct client *client, struct bytes user)
{
    if (user.size > 0)
        logger_error(client->clients->logger, "%s - authentication error - User \"%.*s\"",
                     client->label, BYTES_ARG(user));
    else
        logger_error(client->clients->logger, "%s - authentication error", client->label);
    client_end(client, "Authorization Violation", "Authentication Failure");
}

/* Whoever needs no CONNECT to be somebody is that one from here on. */
bool client_begin_unnamed(struct client *client)
{
    const struct auth_claim nothing = {
        .names = client->names,
        .names_count = client->names_count,
        .subject = client->subject,
        .type = CONNECTION_STANDARD,
    };
    const struct auth_user *user;
    struct auth_proof proof;

    if (auth_ask(client->clients->auth, &nothing, &user, &proof) != AUTH_ALLOWED) {
        violation(client, BYTES(""));
        return false;
    }
    bind_or_end(client, user);
    return client->state == CLIENT_OPEN;
}

void client_auth_overdue(struct client *client)
{
    if (client->unproven && client->proof == NULL)
        client_end(client, "Authentication Timeout", "Authentication Timeout");
}

/* ---- proofs -----------------------------------------------------------------------------------
 */

static void proof_begin(struct client *client, const struct auth_proof *asked,
                        const struct auth_user *user, struct bytes args)
{
    struct client_proof *proof = HEAP_NEW(struct client_proof);

    proof->client = client;
    proof->hash = heap_copy(asked->hash);
    proof->said = heap_copy(asked->said);
    proof->connect = heap_copy(args);
    proof->user = user;
    client->proof = proof;
    client_pause(client);
}

static void proof_free(struct client_proof *proof)
{
    explicit_bzero((void *)proof->said.at, proof->said.size);
    explicit_bzero((void *)proof->connect.at, proof->connect.size);
    heap_give((void *)proof->hash.at);
    heap_give((void *)proof->said.at);
    heap_give((void *)proof->connect.at);
    heap_give(proof);
}

void client_proof_run(struct client_proof *proof)
{
    proof->proven = password_proves(proof->hash, proof->said);
}

static void admit(struct client *client, const struct connect *said, const struct auth_user *user,
                  int64_t now_ns)
{
    bind_or_end(client, user);
    if (client->state == CLIENT_OPEN)
        client_connected(client, said, now_ns);
}

void client_proof_done(struct client_proof *proof, int64_t now_ns)
{
    struct client *client = proof->client;
    struct connect said;

    if (client == NULL) {
        proof_free(proof);
        return;
    }
    client->proof = NULL;
    client_resume(client);
    if (client->state == CLIENT_OPEN) {
        bool read = client_connect_read(client, proof->connect, &said);

        assert(read); /* it was read before */
        if (proof->proven)
            admit(client, &said, proof->user, now_ns);
        else
            violation(client, said.user);
    }
    proof_free(proof);
    client_feed_late(client, now_ns);
}

/* ---- CONNECT ----------------------------------------------------------------------------------
 */

void client_authenticate(struct client *client, const struct connect *said, struct bytes args,
                         int64_t now_ns)
{
    const struct auth *auth = client->clients->auth;
    const struct auth_claim claim = {
        .user = said->user,
        .password = said->pass,
        .token = said->auth_token,
        .nkey = said->nkey,
        .signature = said->sig,
        .nonce = bytes_of_text(client->nonce),
        .names = client->names,
        .names_count = client->names_count,
        .subject = client->subject,
        .type = CONNECTION_STANDARD,
    };
    const struct auth_user *user = NULL;
    struct auth_proof proof;

    if (client->connected)
        client_leave(client);
    if (auth == NULL) {
        admit(client, said, NULL, now_ns);
        return;
    }
    switch (auth_ask(auth, &claim, &user, &proof)) {
    case AUTH_ALLOWED: admit(client, said, user, now_ns); break;
    case AUTH_REFUSED: violation(client, said->user); break;
    case AUTH_PROVE: proof_begin(client, &proof, user, args); break;
    }
}

/* ---- what it may do ---------------------------------------------------------------------------
 */

bool client_may_publish(struct client *client, struct bytes subject)
{
    if (client->permissions == NULL || permissions_publish(client->permissions, subject))
        return true;
    return client->grants != NULL && grants_use(client->grants, subject, client->clients->now_ns);
}

bool client_may_subscribe(const struct client *client, const struct proto_sub *said)
{
    return client->permissions == NULL ||
           permissions_subscribe(client->permissions, said->subject, said->queue);
}

void client_grant(struct client *client, struct bytes reply)
{
    if (!permissions_publish(client->permissions, reply))
        grants_add(client->grants, reply, client->clients->now_ns);
}
