/* Who dialled: as leafnodes says where it says so, else as the server's users are. */
#include <stdio.h>

#include "base/heap.h"
#include "base/owner.h"
#include "server/auth/base64.h"
#include "server/auth/nkey.h"
#include "server/auth/password.h"
#include "server/leaf/leaf_priv.h"
#include "server/resolver/resolver_subject.h"
#include "server/tls/ed25519.h"

/* A password that a worker proves. It outlives its leaf if that goes first. Or the account that
 * somebody shows claims of is looked up: with that one it is asked again when accounts have
 * changed, until its time is over. Or somebody else is asked, until then, too. */
struct leaf_proof {
    struct io_work work;
    struct timer again; /* accounts have changed */
    bool looks_up;
    struct leaf_question *question; /* NULL: nobody else is asked */
    struct leaf *leaf;              /* NULL: it is gone */
    struct bytes hash, said, connect;
    struct bytes user;    /* of the server's users; empty: one of leafnodes */
    struct bytes account; /* of that one */
    bool proven;
};

/* ---- answers -------------------------------------------------------------------------------- */

static void violation(struct leaf *leaf, struct bytes user)
{
    const struct logger *logger = leaf->leaves->setup.logger;
    int size = user.size < 256 ? (int)user.size : 256;

    if (leaf->state >= LEAF_ENDING)
        return;
    if (size > 0)
        logger_error(logger, "%s - authentication error - User \"%.*s\"", leaf->label, size,
                     (const char *)user.at);
    else
        logger_error(logger, "%s - authentication error", leaf->label);
    leaf_write_error(&leaf->out, BYTES("Authorization Violation"));
    leaf_close(leaf, LEAF_LAST_WORDS, "Authentication Failure");
}

static void admit_to(struct leaf *leaf, const struct leaf_connect *said, struct bytes name)
{
    struct router *router = leaf->leaves->setup.router;
    struct account *account =
        name.size > 0 ? router_account(router, name) : router_account_default(router);

    if (account != NULL)
        leaf_admit(leaf, said, account, NULL);
    else
        violation(leaf, said->user);
}

static void admit_user(struct leaf *leaf, const struct leaf_connect *said,
                       const struct auth_user *user)
{
    struct router *router = leaf->leaves->setup.router;
    struct account *account = router_account_default(router);

    if (user != NULL && user->options->account != NULL)
        account = router_account(router, user->options->account->name);
    assert(account != NULL); /* made of the same options */
    leaf_admit(leaf, said, account, user);
    auth_user_end(user); /* what it may was copied */
}

/* ---- proofs --------------------------------------------------------------------------------- */

static void proof_free(struct leaf_proof *proof)
{
    leaf_question_free(proof->question);
    if (proof->said.size > 0)
        explicit_bzero((void *)proof->said.at, proof->said.size);
    explicit_bzero((void *)proof->connect.at, proof->connect.size);
    heap_give((void *)proof->hash.at);
    heap_give((void *)proof->said.at);
    heap_give((void *)proof->connect.at);
    heap_give((void *)proof->user.at);
    heap_give((void *)proof->account.at);
    heap_give(proof);
}

static void proof_run(struct io_work *work, struct io *io)
{
    struct leaf_proof *proof = owner_of(work, struct leaf_proof, work);

    (void)io;
    proof->proven = password_proves(proof->hash, proof->said);
}

/* Users may have changed meanwhile: it is the one of that name whom the proof is for, or nobody. */
static void proven(struct leaf *leaf, const struct leaf_proof *proof,
                   const struct leaf_connect *said)
{
    const struct auth_user *user;

    if (proof->user.size == 0) {
        admit_to(leaf, said, proof->account);
        return;
    }
    user = auth_find(leaf->leaves->setup.auth, proof->user);
    if (user != NULL && bytes_equal(user->options->password, proof->hash))
        admit_user(leaf, said, user);
    else
        violation(leaf, said->user);
}

/* ---- as somebody else says ------------------------------------------------------------------ */

static void delegate(struct leaf *leaf, const struct leaf_connect *said, struct bytes args,
                     const struct auth_user *user)
{
    struct leaf_proof *proof = HEAP_NEW(struct leaf_proof);

    proof->leaf = leaf;
    proof->connect = heap_copy(args);
    leaf->proof = proof;
    leaf->state = LEAF_PROVING;
    leaf_mark(leaf); /* it is not heard meanwhile */
    proof->question = leaf_callout_ask(leaf, said, user);
}

static struct auth_claim claim_of(const struct leaf *leaf, const struct leaf_connect *said)
{
    return (struct auth_claim){
        .user = said->user,
        .password = said->pass,
        .token = said->token,
        .nkey = said->nkey,
        .signature = said->sig,
        .jwt = said->jwt,
        .wall_s = io_wall(leaf->leaves->setup.io) / SECOND_NS,
        .nonce = bytes_of_text(leaf->nonce),
        .type = CONNECTION_LEAFNODE,
    };
}

static bool has_own_users(const struct leaf_options *options)
{
    return options->user.size + options->nkey.size + options->users_count > 0;
}

/* It is over: what the leaf had said, in the arena. */
static struct leaf_connect proof_end(const struct leaf_proof *proof)
{
    struct leaf *leaf = proof->leaf;
    struct leaf_connect said;
    bool read;

    leaf->proof = NULL;
    leaf->state = LEAF_UNPROVEN;
    arena_reset(&leaf->leaves->arena);
    read = leaf_connect_read(&leaf->leaves->arena, proof->connect, &said);
    assert(read); /* it was read before */
    return said;
}

/* Its password was not the one; perhaps somebody else knows it. */
static void not_proven(struct leaf *leaf, const struct leaf_proof *proof,
                       const struct leaf_connect *said)
{
    const struct auth_claim claim = claim_of(leaf, said);

    if (!has_own_users(leaf->leaves->options) &&
        auth_delegates(leaf->leaves->setup.auth, &claim, NULL))
        delegate(leaf, said, proof->connect, NULL);
    else
        violation(leaf, said->user);
}

void leaf_callout_done(struct leaf *leaf, const struct auth_user *user)
{
    struct leaf_proof *proof = leaf->proof;
    struct leaf_connect said = proof_end(proof);

    if (user != NULL)
        admit_user(leaf, &said, user);
    else
        violation(leaf, said.user);
    leaf_mark(leaf); /* what came meanwhile */
    proof_free(proof);
}

/* ---- what workers say ----------------------------------------------------------------------- */

static void proof_done(struct io_work *work)
{
    struct leaf_proof *proof = owner_of(work, struct leaf_proof, work);
    struct leaf *leaf = proof->leaf;
    struct leaf_connect said;

    if (leaf != NULL) {
        leaf->proof = NULL;
        if (leaf->state == LEAF_PROVING) {
            said = proof_end(proof);
            if (proof->proven)
                proven(leaf, proof, &said);
            else
                not_proven(leaf, proof, &said);
        }
        leaf_mark(leaf); /* what came meanwhile */
    }
    proof_free(proof);
}

static void prove(struct leaf *leaf, struct bytes args, const struct auth_proof *asked,
                  struct bytes user, struct bytes account)
{
    struct leaf_proof *proof = HEAP_NEW(struct leaf_proof);

    proof->work.run = proof_run;
    proof->work.done = proof_done;
    proof->leaf = leaf;
    proof->hash = heap_copy(asked->hash);
    proof->said = heap_copy(asked->said);
    proof->connect = heap_copy(args);
    proof->user = heap_copy(user);
    proof->account = heap_copy(account);
    leaf->proof = proof;
    leaf->state = LEAF_PROVING;
    io_work(leaf->leaves->setup.io, &proof->work);
}

/* For others than a worker. */
static bool waits(const struct leaf_proof *proof)
{
    return proof->looks_up || proof->question != NULL;
}

void leaf_proof_forget(struct leaf *leaf)
{
    struct leaf_proof *proof = leaf->proof;

    leaf->proof = NULL;
    if (proof == NULL)
        return;
    proof->leaf = NULL;
    if (!waits(proof))
        return; /* it is the worker's */
    timers_cancel(io_timers(leaf->leaves->setup.io), &proof->again);
    proof_free(proof);
}

/* ---- claims that are replaced --------------------------------------------------------------- */

static void end(struct leaf *leaf, const char *words)
{
    if (words != NULL)
        leaf_write_error(&leaf->out, bytes_of_text(words));
    leaf_close(leaf, LEAF_LAST_WORDS, "Credentials Revoked");
}

/* What it may was copied, and is made anew when it comes back. */
void leaf_look_again(struct leaf *leaf)
{
    const struct auth *auth = leaf->leaves->setup.auth;
    const struct auth_claim claim = {
        .jwt = leaf->claims,
        .wall_s = io_wall(leaf->leaves->setup.io) / SECOND_NS,
        .proven = true,
        .type = CONNECTION_LEAFNODE,
    };
    const struct auth_user *user;

    if (leaf->claims.size == 0 || leaf->state != LEAF_UP ||
        leaf->admitted_by == leaf->account->account->options)
        return;
    leaf->admitted_by = leaf->account->account->options;
    user = auth_ask_signed(auth, &claim);
    if (user == NULL)
        end(leaf, auth_signed_words(auth, leaf->claims, claim.wall_s));
    else if (leaf->by_account || user->made->by_account)
        end(leaf, NULL);
    auth_user_end(user);
}

/* ---- as leafnodes says ---------------------------------------------------------------------- */

static void ask_password(struct leaf *leaf, const struct leaf_connect *said, struct bytes args,
                         const struct leaf_user *user)
{
    const struct auth_proof proof = {user->password, said->pass};

    if (password_is_hash(user->password))
        prove(leaf, args, &proof, bytes_of(NULL, 0), user->account);
    else if (password_equal(user->password, said->pass))
        admit_to(leaf, said, user->account);
    else
        violation(leaf, said->user);
}

static void ask_users(struct leaf *leaf, const struct leaf_connect *said, struct bytes args)
{
    const struct leaf_options *options = leaf->leaves->options;

    for (size_t i = 0; i < options->users_count; i++) {
        if (!bytes_equal(options->users[i].name, said->user))
            continue;
        ask_password(leaf, said, args, &options->users[i]);
        return;
    }
    violation(leaf, said->user);
}

static bool has_signed(const struct leaf *leaf, const struct leaf_connect *said)
{
    uint8_t key[NKEY_SIZE], signature[ED25519_SIGNATURE_SIZE];

    return bytes_equal(said->nkey, leaf->leaves->options->nkey) &&
           nkey_read(said->nkey, NKEY_USER, key) &&
           base64_read(said->sig, signature, sizeof(signature)) &&
           ed25519_verify(key, bytes_of_text(leaf->nonce), signature);
}

/* ---- as the server's users are -------------------------------------------------------------- */

void leaf_wish(const struct leaf *leaf, struct bytes name)
{
    const struct leaves_setup *setup = &leaf->leaves->setup;
    struct bytes system = setup->options->auth.system_account;
    struct account *account =
        router_account(setup->router, system.size > 0 ? system : BYTES("$SYS"));
    char subject[RESOLVER_SUBJECT_SIZE];
    struct message message = {0};

    snprintf(subject, sizeof(subject), RESOLVER_SUBJECT "%.*s", setup->info->id, BYTES_ARG(name));
    message.subject = bytes_of_text(subject);
    if (account != NULL)
        (void)router_publish(setup->router, account, &message);
}

static void again_fired(struct timer *timer)
{
    struct leaf_proof *proof = owner_of(timer, struct leaf_proof, again);
    struct leaf *leaf = proof->leaf;
    struct leaf_connect said = proof_end(proof);

    leaf_authenticate(leaf, &said, proof->connect);
    leaf_mark(leaf); /* what came meanwhile */
    proof_free(proof);
}

static void look_up(struct leaf *leaf, const struct auth_proof *asked, struct bytes args)
{
    struct leaf_proof *proof = HEAP_NEW(struct leaf_proof);

    proof->looks_up = true;
    proof->again.fire = again_fired;
    proof->leaf = leaf;
    proof->connect = heap_copy(args);
    leaf->proof = proof;
    leaf->state = LEAF_PROVING;
    leaf_mark(leaf); /* it is not heard meanwhile */
    leaf_wish(leaf, bytes_of(asked->account, sizeof(asked->account)));
}

void leaf_ask_again(struct leaf *leaf)
{
    struct io *io = leaf->leaves->setup.io;

    if (leaf->state == LEAF_PROVING && leaf->proof->looks_up && !timer_armed(&leaf->proof->again))
        timers_arm(io_timers(io), &leaf->proof->again, io_now(io));
}

void leaf_proof_overdue(struct leaf *leaf)
{
    if (leaf->proof == NULL || !waits(leaf->proof))
        return;
    if (leaf->proof->question != NULL)
        logger_debug(leaf->leaves->setup.logger,
                     "%s - Authorization callout response not received in time", leaf->label);
    leaf_proof_forget(leaf);
    leaf->state = LEAF_UNPROVEN;
    violation(leaf, bytes_of(NULL, 0));
}

/* ---- as the server's users are -------------------------------------------------------------- */

static void ask(struct leaf *leaf, const struct leaf_connect *said, struct bytes args)
{
    const struct leaves *leaves = leaf->leaves;
    const struct auth_claim claim = claim_of(leaf, said);
    const struct auth_user *user = NULL;
    struct auth_proof proof;

    switch (auth_ask(leaves->setup.auth, &claim, &user, &proof)) {
    case AUTH_ALLOWED: admit_user(leaf, said, user); break;
    case AUTH_REFUSED: violation(leaf, said->user); break;
    case AUTH_DELEGATED:
        delegate(leaf, said, args, user);
        auth_user_end(user);
        break;
    case AUTH_UNKNOWN: look_up(leaf, &proof, args); break;
    case AUTH_PROVE:
        if (user == NULL) /* the single one, or the token */
            prove(leaf, args, &proof, bytes_of(NULL, 0), bytes_of(NULL, 0));
        else
            prove(leaf, args, &proof, auth_user_name(user), bytes_of(NULL, 0));
        break;
    }
}

void leaf_authenticate(struct leaf *leaf, const struct leaf_connect *said, struct bytes args)
{
    const struct leaf_options *options = leaf->leaves->options;

    if (options->user.size > 0) {
        const struct leaf_user alone = {options->user, options->password, options->account};

        if (bytes_equal(said->user, options->user))
            ask_password(leaf, said, args, &alone);
        else
            violation(leaf, said->user);
    } else if (options->nkey.size > 0) {
        if (has_signed(leaf, said))
            admit_to(leaf, said, options->account);
        else
            violation(leaf, said->nkey);
    } else if (options->users_count > 0) {
        ask_users(leaf, said, args);
    } else {
        ask(leaf, said, args);
    }
}
