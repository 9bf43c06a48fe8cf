/* Who a client is, what it may do, and what that binds it to. */
#include <stdio.h>

#include "base/heap.h"
#include "server/auth/callout.h"
#include "server/auth/password.h"
#include "server/clients/client_priv.h"
#include "server/clients/grants.h"
#include "server/router/elsewhere.h"

#define SECOND_NS   INT64_C(1000000000)
#define YEARS_S     (INT64_C(3) * 365 * 86400)
#define CLAIMED_MAX 256u /* bytes of a name that is remembered of whoever was refused */

/* ---- binding -------------------------------------------------------------------------------- */

/* Of all shards; the count before. */
static int64_t count_in(struct account *account, int by)
{
    int64_t before = (int64_t)account->connections;

    account->connections = (size_t)(before + by);
    return account->family != NULL ? atomic_fetch_add(&account->family->connections, by) : before;
}

void client_uncount(struct client *client)
{
    if (client->counted)
        (void)count_in(client->account, -1);
    client->counted = false;
}

void client_unbind(struct client *client)
{
    client_uncount(client);
    if (client->grants != NULL)
        grants_deinit(client->grants);
    heap_give(client->grants);
    client->grants = NULL;
    auth_user_end(client->user);
    client->user = NULL;
    client->expires_ns = 0;
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

/* What the system says to itself is of use to few. */
static void look_at_trace(struct client *client)
{
    const struct clients *clients = client->clients;

    client->trace = clients->trace && (!client->account->system || clients->options->trace_verbose);
}

static void bind_limits(struct client *client)
{
    const struct options *options = client->clients->options;
    const struct account_options *limits = client->account->options;

    client->payload_max = options->max_payload;
    client->subs_max = options->max_subscriptions;
    if (client->user != NULL && client->user->made != NULL) {
        client->payload_max = lower(client->user->made->grant.payload_max, client->payload_max);
        client->subs_max = lower(client->user->made->grant.subs_max, client->subs_max);
    }
    if (limits == NULL)
        return;
    client->payload_max = lower(limits->max_payload, client->payload_max);
    client->subs_max = lower(limits->max_subscriptions, client->subs_max);
}

static int64_t wall_s(const struct client *client)
{
    return (client->clients->wall_ahead_ns + client->clients->now_ns) / SECOND_NS;
}

/* When what it said of itself counts no more; what is years away will be said again by then. */
static void bind_end(struct client *client)
{
    const struct auth_signed *made = client->user != NULL ? client->user->made : NULL;
    int64_t left_s;

    client->expires_ns = 0;
    if (made == NULL || made->expires_s == 0)
        return;
    left_s = made->expires_s > wall_s(client) ? made->expires_s - wall_s(client) : 0;
    if (left_s < YEARS_S)
        client->expires_ns = client->clients->now_ns + left_s * SECOND_NS;
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

static int64_t connections_max(const struct account_options *limits)
{
    return limits != NULL && limits->max_connections >= 0 ? limits->max_connections : INT64_MAX;
}

/* What it subscribed without a CONNECT it keeps, unless it is somebody else now. */
static bool is_another(const struct client *client, const struct account *account,
                       const struct auth_user *user)
{
    return account != client->account || user != client->user;
}

/* Leaves count among them, though they have a limit of their own. */
static int64_t leaves_of(const struct account *account)
{
    return account->family != NULL ? atomic_load(&account->family->leaves)
                                   : (int64_t)account->leaf_connections;
}

/* False: its account has no room for it. */
static bool bind(struct client *client, const struct auth_user *user)
{
    struct account *account = account_of(client, user);
    const struct account_options *limits = account->options;

    if (is_another(client, account, user))
        client_leave(client);
    client_unbind(client);
    if (count_in(account, 1) + leaves_of(account) >= connections_max(limits)) {
        (void)count_in(account, -1);
        auth_user_end(user);
        return false;
    }
    client->account = account;
    client->user = user;
    client->unproven = false;
    client->counted = true;
    look_at_trace(client);
    bind_limits(client);
    bind_end(client);
    bind_permissions(client);
    return true;
}

static void end_surplus(struct client *client)
{
    client_end(client, "maximum account active connections exceeded",
               "Maximum Account Connections Exceeded");
}

static void bind_or_end(struct client *client, const struct auth_user *user)
{
    if (!bind(client, user))
        end_surplus(client);
}

/* ---- who it is ------------------------------------------------------------------------------ */

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
    if (user.size > 0 && user.size <= CLAIMED_MAX && client->claimed == NULL)
        client->claimed = heap_text(user);
    client_end(client, "Authorization Violation", "Authentication Failure");
}

/* Whoever needs no CONNECT to be somebody is that one from here on. */
bool client_begin_unnamed(struct client *client)
{
    const struct auth_claim nothing = {
        .names = client->certificate_names,
        .names_count = client->certificate_names_count,
        .subject = client->subject,
        .type = client->type,
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
    else if (client->expires_ns > 0 && client->user->made->account_expires)
        client_end(client, "Account Authentication Expired", "Authentication Expired");
    else if (client->expires_ns > 0)
        client_end(client, "User Authentication Expired", "Authentication Expired");
}

/* ---- proofs --------------------------------------------------------------------------------- */

static struct client_proof *proof_make(struct client *client, struct bytes args)
{
    struct client_proof *proof = HEAP_NEW(struct client_proof);

    proof->client = client;
    proof->connect = heap_copy(args);
    client->proof = proof;
    client_mark(client);
    return proof;
}

void client_proof_pause(struct client *client)
{
    if (client->proof->pauses)
        return;
    client->proof->pauses = true;
    client_pause(client);
}

static void proof_begin(struct client *client, const struct auth_proof *asked,
                        const struct auth_user *user, struct bytes args)
{
    struct client_proof *proof = proof_make(client, args);

    proof->hash = heap_copy(asked->hash);
    proof->said = heap_copy(asked->said);
    proof->user = user;
    client_proof_pause(client);
}

/* Somebody else is to say who it is, which may take long: it is heard so far that its end is. */
static void question_begin(struct client *client, const struct auth_claim *claim,
                           const struct auth_user *user, const struct connect *said,
                           struct bytes args)
{
    proof_make(client, args)->question = client_question_make(client, claim, user, said);
}

/* The account whose claims it shows is not known here: it is looked up once. */
static void look_up(struct client *client, const struct auth_proof *asked, struct bytes args)
{
    proof_make(client, args)->wanted = heap_copy(bytes_of(asked->account, NKEY_TEXT_SIZE));
}

void client_looked_up(struct client *client)
{
    client->looked_up = true;
    client->proof->again = true;
}

/* What it subscribed to leaves first: the shell takes that out in parts, as a million would hold up
 * everybody. Nothing of it is heard meanwhile. */
static struct client_proof *leave_begin(struct client *client, struct bytes args)
{
    struct client_proof *proof = proof_make(client, args);

    proof->leaving = true;
    client->deaf = true;
    client_proof_pause(client);
    return proof;
}

static bool has_many(const struct client *client)
{
    return client->subs.count > CLIENT_LEAVE_PART;
}

/* Of those that own it. */
static void proof_forget_user(struct client_proof *proof)
{
    if (proof->question != NULL || proof->leaving)
        auth_user_end(proof->user); /* nobody took it */
    proof->user = NULL;
}

static void proof_free(struct client_proof *proof)
{
    proof_forget_user(proof);
    client_question_free(proof->question);
    if (proof->said.size > 0)
        explicit_bzero((void *)proof->said.at, proof->said.size);
    explicit_bzero((void *)proof->connect.at, proof->connect.size);
    heap_give((void *)proof->hash.at);
    heap_give((void *)proof->wanted.at);
    heap_give((void *)proof->said.at);
    heap_give((void *)proof->connect.at);
    heap_give(proof);
}

void client_proof_drop(struct client *client)
{
    struct client_proof *proof = client->proof;

    if (proof == NULL)
        return;
    client->proof = NULL;
    proof->client = NULL;
    if (!proof->begun)
        proof_free(proof);
}

void client_proof_run(struct client_proof *proof)
{
    proof->proven = password_proves(proof->hash, proof->said);
}

static void admit(struct client *client, const struct connect *said, struct bytes args,
                  const struct auth_user *user, int64_t now_ns)
{
    if (is_another(client, account_of(client, user), user) && has_many(client)) {
        struct client_proof *proof = leave_begin(client, args);

        proof->user = user;
        proof->proven = true;
        return;
    }
    bind_or_end(client, user);
    if (client->state == CLIENT_OPEN)
        client_connected(client, said, now_ns);
}

/* ---- CONNECT -------------------------------------------------------------------------------- */

static struct bytes or_cookie(struct bytes said, struct bytes cookie)
{
    return said.size > 0 ? said : cookie;
}

static struct auth_claim claim_of(const struct client *client, const struct connect *said)
{
    static const struct client_cookies none;
    const struct client_cookies *cookies = client->cookies != NULL ? client->cookies : &none;

    return (struct auth_claim){
        .user = or_cookie(said->user, cookies->user),
        .password = or_cookie(said->pass, cookies->password),
        .token = or_cookie(said->auth_token, cookies->token),
        .nkey = said->nkey,
        .signature = said->sig,
        .jwt = or_cookie(said->jwt, cookies->jwt),
        .wall_s = wall_s(client),
        .nonce = bytes_of_text(client->nonce),
        .names = client->certificate_names,
        .names_count = client->certificate_names_count,
        .subject = client->subject,
        .type = client->type,
    };
}

void client_authenticate(struct client *client, const struct connect *said, struct bytes args,
                         int64_t now_ns)
{
    const struct auth_claim claim = claim_of(client, said);
    const struct auth *auth = client->clients->auth;
    const struct auth_user *user = NULL;
    struct auth_proof proof;

    if (client->connected && has_many(client)) {
        leave_begin(client, args)->again = true;
        return;
    }
    if (client->connected)
        client_leave(client);
    if (auth == NULL) {
        admit(client, said, args, NULL, now_ns);
        return;
    }
    switch (auth_ask(auth, &claim, &user, &proof)) {
    case AUTH_ALLOWED: admit(client, said, args, user, now_ns); break;
    case AUTH_REFUSED: violation(client, said->user); break;
    case AUTH_DELEGATED:
        question_begin(client, &claim, user, said, args);
        auth_user_end(user);
        break;
    case AUTH_PROVE: proof_begin(client, &proof, user, args); break;
    case AUTH_UNKNOWN:
        if (!client->looked_up)
            look_up(client, &proof, args);
        else
            violation(client, said->user);
        break;
    }
    client->looked_up = false;
}

/* Its password was not the one; perhaps somebody else knows it. */
static void not_proven(struct client *client, const struct client_proof *proof,
                       const struct connect *said)
{
    const struct auth_claim claim = claim_of(client, said);

    if (proof->question == NULL && auth_delegates(client->clients->auth, &claim, NULL))
        question_begin(client, &claim, NULL, said, proof->connect);
    else
        violation(client, said->user);
}

static void take_user(struct client *client, struct client_proof *proof, const struct connect *said,
                      int64_t now_ns)
{
    const struct auth_user *user = proof->user;

    proof->user = NULL;
    admit(client, said, proof->connect, user, now_ns);
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
    if (proof->pauses)
        client_resume(client);
    if (client->state == CLIENT_OPEN) {
        bool read = client_connect_read(client, proof->connect, &said);

        assert(read); /* it was read before */
        if (proof->again)
            client_authenticate(client, &said, proof->connect, now_ns);
        else if (proof->proven)
            take_user(client, proof, &said, now_ns);
        else
            not_proven(client, proof, &said);
    }
    proof_free(proof);
    if (client->proof == NULL)
        client_feed_late(client, now_ns);
    if (client->proof == NULL && client->said_all)
        client_end(client, NULL, "Client Closed");
}

void client_left(struct client *client, int64_t now_ns)
{
    assert(client->state == CLIENT_OPEN);
    assert(client->subs.count == 0);
    client->deaf = false;
    client->leaving = false;
    client->leave_at = (struct client_subs_walk){0};
    client_proof_done(client->proof, now_ns);
}

/* ---- a reload ------------------------------------------------------------------------------- */

/* The new user of that name, if the same credentials would let it in. */
static const struct auth_user *user_still(const struct auth *auth, const struct auth_user *before)
{
    const struct auth_user *user = auth_find(auth, auth_user_name(before));

    if (user == NULL || !bytes_equal(user->options->password, before->options->password))
        return NULL;
    return bytes_equal(user->options->nkey, before->options->nkey) ? user : NULL;
}

/* The same for whoever came by a door with rules of its own, with its token or single user. */
static bool door_still(const struct auth_door *new, const struct auth_door *old)
{
    return old != NULL && bytes_equal(new->token, old->token) &&
           bytes_equal(new->user, old->user) && bytes_equal(new->password, old->password);
}

/* The same for whoever came with the token, as the single user, or without either. */
static bool nobody_still(const struct auth *auth, const struct auth *before,
                         enum connection_type type)
{
    const struct auth_options *new = &auth->options, *old = &before->options;

    if (type == CONNECTION_WEBSOCKET && new->websocket != NULL)
        return door_still(new->websocket, old->websocket);
    if (!auth->required || auth->open)
        return true;
    return before->required && !before->open && (old->token.size > 0 || old->user.size > 0) &&
           bytes_equal(new->token, old->token) && bytes_equal(new->user, old->user) &&
           bytes_equal(new->password, old->password);
}

/* What it was asked before, by rules that said the same of answers, it may answer still. */
static void keep_grants(struct client *client, struct grants *before)
{
    struct grants *now = client->grants;

    if (now != NULL && now->messages_max == before->messages_max &&
        now->time_max_ns == before->time_max_ns) {
        client->grants = before;
        before = now;
    }
    grants_deinit(before);
    heap_give(before);
}

/* The same client under new rules, in the account that it was in. */
static void rebind(struct client *client, const struct auth_user *user)
{
    struct grants *grants = client->grants;
    bool counted = client->counted, ruled = client->permissions != NULL;

    client->grants = NULL;
    client_unbind(client);
    client->account = account_of(client, user);
    client->user = user;
    client->counted = counted;
    (void)count_in(client->account, counted);
    bind_limits(client);
    bind_end(client);
    bind_permissions(client);
    if (grants != NULL)
        keep_grants(client, grants);
    if (ruled || client->permissions != NULL)
        client_check_begin(client);
}

/* What one that has to go is told. `now`: whom it would be, in another account. */
static const char *words_for(const struct client *client, const struct auth_user *now)
{
    const struct auth_signed *made = client->user->made;

    if (now != NULL || (made->delegated && made->home.size == 0))
        return NULL;
    return auth_signed_words(client->clients->auth, made->token, wall_s(client));
}

/* What it has shown is looked at anew, but for the nonce. */
static const struct auth_user *signed_again(struct client *client)
{
    const struct auth_claim claim = {
        .jwt = client->user->made->token,
        .wall_s = wall_s(client),
        .proven = true,
        .type = client->type,
    };
    const struct auth *auth = client->clients->auth;
    const struct auth_user *user = NULL;

    if (client->user->made->delegated)
        user = callout_again(auth, client->user->made, wall_s(client));
    else if (auth->options.operators != NULL)
        user = auth_ask_signed(auth, &claim);

    if (user == NULL || account_of(client, user) != client->account) {
        client_end(client, words_for(client, user), "Credentials Revoked");
        auth_user_end(user);
        return NULL;
    }
    return user;
}

/* Whoever is gone, or of another account now, is closed without a word; whoever has other
 * credentials now is told. */
static const struct auth_user *look_again(struct client *client, const struct auth *before)
{
    const struct auth *auth = client->clients->auth;
    const struct auth_user *user;

    if (client->user == NULL) {
        if (!nobody_still(auth, before, client->type))
            violation(client, BYTES(""));
        return NULL;
    }
    if (client->user->made != NULL)
        return signed_again(client);
    user = auth_find(auth, auth_user_name(client->user));
    if (user == NULL || account_of(client, user) != client->account)
        client_end(client, NULL, "Credentials Revoked");
    else if (user_still(auth, client->user) == NULL)
        violation(client, auth_user_name(client->user));
    return user;
}

/* The account has more connections than it may now. Asked of the newest first, the oldest stay. */
static bool is_surplus(const struct client *client)
{
    return client->counted && count_in(client->account, 0) + leaves_of(client->account) >
                                  connections_max(client->account->options);
}

static bool is_renewed(const struct client *client, const struct auth_user *user)
{
    return user != NULL && user->made != NULL &&
           user->options->account != account_of(client, user)->options;
}

/* Who it is about to be counts, too. */
bool client_account_renewed(const struct client *client)
{
    return is_renewed(client, client->user) || (client->proof != NULL && client->proof->leaving &&
                                                is_renewed(client, client->proof->user));
}

void client_auth_changed(struct client *client, const struct auth *before)
{
    const struct auth_user *user = NULL;

    look_at_trace(client);
    if (client->proof != NULL) {
        client->proof->again = true;
        if (client->proof->leaving)
            proof_forget_user(client->proof);
        else if (client->user != NULL)
            client_leave(client); /* nobody is there any more whose rights would bind them */
    } else if (client->unproven) {
        client->unproven = auth_required(client->clients->auth, client->type);
    } else if (client->state == CLIENT_OPEN) {
        user = look_again(client, before);
        if (client->state == CLIENT_OPEN && !is_surplus(client)) {
            rebind(client, user);
            return;
        }
        if (client->state == CLIENT_OPEN) {
            auth_user_end(user);
            client_uncount(client);
            end_surplus(client);
        }
    }
    client->permissions = NULL;
    auth_user_end(client->user);
    client->user = NULL;
    client->expires_ns = 0;
}

/* ---- what it may do ------------------------------------------------------------------------- */

bool client_permitted_publish(struct client *client, struct bytes subject)
{
    if (permissions_publish(client->permissions, subject))
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
