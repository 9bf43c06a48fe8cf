/* Requests about accounts' claims in the system account, and what is said to them. */
#include <stdio.h>
#include <stdlib.h>

#include "base/heap.h"
#include "base/subject.h"
#include "server/auth/jwt_claims.h"
#include "server/monitor/monitor_priv.h"
#include "server/resolver/resolver_priv.h"

#define ANSWER_MAX (64u << 20)
#define ARENA_MAX  (16u << 20)

static const char *const subjects[] = {
    "$SYS.REQ.ACCOUNT.*.CLAIMS.*",
    "$SYS.ACCOUNT.*.CLAIMS.UPDATE",
    "$SYS.REQ.CLAIMS.*",
};
/* Nothing is kept here. */
static const char *const subjects_of_url[] = {
    "$SYS.REQ.ACCOUNT.*.CLAIMS.UPDATE",
    "$SYS.ACCOUNT.*.CLAIMS.UPDATE",
};

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

const char *const *resolver_subjects(const struct resolver *resolver, size_t *count)
{
    bool url = resolver->options.kind == RESOLVER_URL;

    *count = url ? COUNT(subjects_of_url) : COUNT(subjects);
    return url ? subjects_of_url : subjects;
}

/* ---- answers -------------------------------------------------------------------------------- */

void resolver_send(struct resolver *resolver, struct bytes reply, struct bytes payload)
{
    struct server *server = resolver->server;

    if (reply.size > 0)
        system_publish(server, system_account(server), reply, payload);
}

static void envelope_begin(struct resolver *resolver, struct json_writer *w, struct buf *out)
{
    buf_init(out, ANSWER_MAX);
    json_writer_init(w, out);
    json_object_begin(w);
    json_key(w, BYTES("server"));
    system_write_server(w, &resolver->server->system);
}

static void envelope_end(struct resolver *resolver, struct bytes reply, struct json_writer *w,
                         struct buf *out)
{
    json_object_end(w);
    if (!w->failed)
        resolver_send(resolver, reply, buf_bytes(out));
    buf_deinit(out);
}

void resolver_answer(struct resolver *resolver, struct bytes reply, struct bytes account,
                     const char *message)
{
    struct json_writer w;
    struct buf out;

    logger_debug(resolver->server->logger, "%s - %.*s", message, BYTES_ARG(account));
    envelope_begin(resolver, &w, &out);
    json_key(&w, BYTES("data"));
    json_object_begin(&w);
    json_put_given(&w, BYTES("account"), account);
    json_put_i64(&w, BYTES("code"), 200);
    json_put_text(&w, BYTES("message"), message);
    json_object_end(&w);
    envelope_end(resolver, reply, &w, &out);
}

void resolver_refuse(struct resolver *resolver, struct bytes reply, struct bytes account,
                     const char *message, const char *why)
{
    char text[SIGNED_ACCOUNT_WHY_SIZE + 256];
    struct json_writer w;
    struct buf out;

    if (account.size > 0)
        logger_error(resolver->server->logger, "%s - %.*s - %s", message, BYTES_ARG(account), why);
    else
        logger_error(resolver->server->logger, "%s - %s", message, why);
    snprintf(text, sizeof(text), "%s - %s", message, why);
    envelope_begin(resolver, &w, &out);
    json_key(&w, BYTES("error"));
    json_object_begin(&w);
    json_put_given(&w, BYTES("account"), account);
    json_put_i64(&w, BYTES("code"), 500);
    json_put_text(&w, BYTES("description"), text);
    json_object_end(&w);
    envelope_end(resolver, reply, &w, &out);
}

/* ---- an update ------------------------------------------------------------------------------ */

const struct resolver_words *resolver_words(const struct resolver *resolver)
{
    static const struct resolver_words usual = {"jwt updated", "jwt update skipped",
                                                "jwt update resulted in error"};
    static const struct resolver_words of_cache = {"jwt updated cache", "jwt update cache skipped",
                                                   "jwt update cache resulted in error"};

    return resolver_caches(resolver) ? &of_cache : &usual;
}

/* What is stored for an account is not taken from it with its claims. */
bool resolver_keeps_streams(const struct resolver *resolver, const struct signed_account *account)
{
    const struct server *server = resolver->server;
    const struct account *known;

    if (server->jetstream == NULL || account->options->jetstream.enabled)
        return true;
    known = router_account(server->router, signed_account_name(account));
    return known == NULL || !jetstream_has_streams(server->jetstream, known);
}

static bool has_room(const struct resolver *resolver, const struct signed_account *account)
{
    return resolver->options.limit == 0 || resolver_caches(resolver) ||
           resolver_expects(resolver, signed_account_name(account)) ||
           resolver->accounts.count + resolver->adding < (size_t)resolver->options.limit;
}

const char *resolver_objection(const struct resolver *resolver,
                               const struct signed_account *account)
{
    if (!resolver_keeps_streams(resolver, account))
        return RESOLVER_HAS_STREAMS;
    return has_room(resolver, account) ? NULL : "jwt store is full";
}

/* `whom`: the account that the subject names; empty: none. */
static void update(struct resolver *resolver, const struct system_request *request,
                   struct bytes whom)
{
    const struct signed_accounts *accounts = &resolver->accounts;
    const struct resolver_words *words = resolver_words(resolver);
    bool names_it = resolver_caches(resolver) && whom.size > 0;
    struct bytes reply = request->reply;
    char why[SIGNED_ACCOUNT_WHY_SIZE];
    struct signed_account *account =
        signed_account_read(accounts->operators, bytes_trim(request->body), why);
    const char *objection = NULL;
    struct bytes name;

    if (account == NULL) {
        resolver_refuse(resolver, reply, names_it ? whom : BYTES("n/a"), words->resulted, why);
        return;
    }
    name = signed_account_name(account);
    if (whom.size > 0 && !bytes_equal(whom, name)) {
        resolver_refuse(resolver, reply, whom, words->resulted,
                        "subject does not match jwt content");
    } else if (resolver_looks_up(&resolver->options) &&
               signed_accounts_find(accounts, name) == NULL) {
        resolver_answer(resolver, reply, name, words->skipped);
    } else if (resolver_has(resolver, account)) {
        resolver_answer(resolver, reply, name, words->updated);
    } else if ((objection = resolver_objection(resolver, account)) != NULL) {
        resolver_refuse(resolver, reply, name, words->resulted, objection);
    } else if (resolver_keep(resolver, account, reply)) {
        return;
    } else {
        resolver_refuse(resolver, reply, name, words->resulted, "too many updates at one time");
    }
    signed_account_free(account);
}

/* ---- looking -------------------------------------------------------------------------------- */

static void look_up(struct resolver *resolver, const struct system_request *request,
                    struct bytes whom)
{
    const struct signed_account *account = signed_accounts_find(&resolver->accounts, whom);

    if (resolver_caches(resolver))
        return; /* those who have all answer */
    resolver_send(resolver, request->reply,
                  account != NULL ? signed_account_token(account) : BYTES(""));
}

static int compare(const void *a, const void *b)
{
    const struct signed_account *const *left = a, *const *right = b;

    return bytes_compare(signed_account_name(*left), signed_account_name(*right));
}

static bool is_shown(const struct signed_account *account, int64_t now_s)
{
    int64_t expires_s = account->options->claims->expires_s;

    return !account->gone && !account->unknown && (expires_s == 0 || expires_s >= now_s);
}

const struct signed_account **resolver_sorted(const struct resolver *resolver, size_t *count)
{
    int64_t now_s = io_wall(resolver->server->io) / INT64_C(1000000000);
    const struct signed_account *account, **all;

    all = heap_take((resolver->accounts.all.count + 1) * sizeof(struct signed_account *));
    *count = 0;
    for (size_t at = 0; (account = signed_accounts_next(&resolver->accounts, &at)) != NULL;)
        if (is_shown(account, now_s))
            all[(*count)++] = account;
    qsort(all, *count, sizeof(struct signed_account *), compare);
    return all;
}

/* Of those that count a cache has some. */
static bool is_kept(const struct resolver *resolver, const struct signed_account *account)
{
    return !resolver_caches(resolver) ||
           jwt_cache_has(&resolver->cached.jwts, signed_account_name(account));
}

static void list(struct resolver *resolver, const struct system_request *request)
{
    size_t count;
    const struct signed_account **all = resolver_sorted(resolver, &count);
    struct json_writer w;
    struct buf out;

    envelope_begin(resolver, &w, &out);
    json_key(&w, BYTES("data"));
    json_array_begin(&w);
    for (size_t i = 0; i < count; i++)
        if (is_kept(resolver, all[i]))
            json_string(&w, signed_account_name(all[i]));
    json_array_end(&w);
    envelope_end(resolver, request->reply, &w, &out);
    heap_give(all);
}

/* ---- a removal ------------------------------------------------------------------------------ */

/* NULL: all of them may go. */
static const char *wrong_names(const struct resolver *resolver, const struct json *names)
{
    const struct auth_options *options = &resolver->server->options.auth;
    uint8_t key[NKEY_SIZE];

    if (names == NULL || names->type != JSON_ARRAY)
        return "malformed request";
    for (const struct json *e = names->child; e != NULL; e = e->next) {
        if (e->type != JSON_STRING || !nkey_read(e->text, NKEY_ACCOUNT, key))
            return "malformed request";
        if (bytes_equal(e->text, options->system_account))
            return "not allowed to delete system account";
    }
    return NULL;
}

static const char *wrong_removal(const struct resolver *resolver, const struct jwt *jwt)
{
    if (!resolver->options.delete_allowed)
        return "delete must be enabled in server config";
    if (!bytes_equal(jwt->subject, jwt->issuer))
        return "not self signed";
    if (!jwt_operator_knows(resolver->accounts.operators, jwt->issuer))
        return "not trusted";
    return wrong_names(resolver, json_get(jwt->claims, BYTES("accounts")));
}

static bool remove_all(struct resolver *resolver, const struct json *names, struct bytes reply)
{
    struct bytes *copies;
    size_t count = 0;

    for (const struct json *e = names->child; e != NULL; e = e->next)
        count++;
    copies = heap_take((count + 1) * sizeof(*copies));
    count = 0;
    for (const struct json *e = names->child; e != NULL; e = e->next)
        copies[count++] = heap_copy(e->text);
    if (resolver_remove(resolver, copies, count, reply))
        return true;
    while (count > 0)
        heap_give((void *)copies[--count].at);
    heap_give(copies);
    return false;
}

static void refuse_removal(struct resolver *resolver, const struct system_request *request,
                           struct bytes by, const char *why)
{
    char message[NKEY_TEXT_SIZE + 64];

    snprintf(message, sizeof(message), "delete accounts request by %.*s failed",
             (int)(by.size < NKEY_TEXT_SIZE ? by.size : NKEY_TEXT_SIZE), by.at);
    resolver_refuse(resolver, request->reply, BYTES(""), message, why);
}

static void delete (struct resolver *resolver, const struct system_request *request)
{
    struct bytes token = bytes_trim(request->body);
    const char *why;
    struct arena arena;
    struct jwt jwt;

    arena_init(&arena, token.size * 2 + ARENA_MAX);
    if (!jwt_read(&arena, token, &jwt)) {
        refuse_removal(resolver, request, BYTES(""), "claim failed V2 signature verification");
    } else if ((why = wrong_removal(resolver, &jwt)) != NULL) {
        refuse_removal(resolver, request, jwt.subject, why);
    } else if (!remove_all(resolver, json_get(jwt.claims, BYTES("accounts")), request->reply)) {
        refuse_removal(resolver, request, jwt.subject, "too many updates at one time");
    }
    arena_deinit(&arena);
}

/* ---- which it is ---------------------------------------------------------------------------- */

bool resolver_takes(struct bytes subject)
{
    for (size_t i = 0; i < COUNT(subjects); i++) {
        if (subject_covers(bytes_of_text(subjects[i]), subject))
            return true;
    }
    return false;
}

bool resolver_answers_alone(struct bytes subject)
{
    return bytes_equal(subject, BYTES("$SYS.REQ.CLAIMS.PACK"));
}

static void asked_of(struct resolver *resolver, const struct system_request *request,
                     struct bytes whom, struct bytes what)
{
    if (bytes_equal(what, BYTES("UPDATE")))
        update(resolver, request, whom);
    else if (bytes_equal(what, BYTES("LOOKUP")))
        look_up(resolver, request, whom);
}

void resolver_asked(struct resolver *resolver, const struct system_request *request)
{
    struct bytes subject = request->subject, what;

    if (!bytes_equal(subject_token(subject, 1), BYTES("REQ"))) {
        update(resolver, request, subject_token(subject, 2));
        return;
    }
    if (bytes_equal(subject_token(subject, 2), BYTES("ACCOUNT"))) {
        asked_of(resolver, request, subject_token(subject, 3), subject_token(subject, 5));
        return;
    }
    what = subject_token(subject, 3);
    if (bytes_equal(what, BYTES("UPDATE")))
        update(resolver, request, BYTES(""));
    else if (bytes_equal(what, BYTES("LIST")))
        list(resolver, request);
    else if (bytes_equal(what, BYTES("DELETE")))
        delete (resolver, request);
    else if (bytes_equal(what, BYTES("PACK")) && resolver_caches(resolver))
        resolver_pass_pack_on(resolver, request);
    else if (bytes_equal(what, BYTES("PACK")))
        resolver_pack(resolver, request->reply, request->body);
}
