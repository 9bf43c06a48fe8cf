/* What is asked in the system account, and of it (reference core.md 5.3, 5.4). */
#include <stdio.h>

#include "base/subject.h"
#include "server/clients/connection_priv.h"
#include "server/jetstream/jetstream_core.h"
#include "server/monitor/monitor_priv.h"
#include "server/resolver/resolver.h"
#include "server/server_sums.h"
#include "server/system/system_priv.h"

#define ARENA_MAX (4u << 20) /* of what a request is parsed into */

/* One answer in the making. */
struct answer {
    struct system *system;
    const struct system_request *request;
    struct ask ask;
    struct arena arena;
    struct buf document; /* what "data" is */
    struct json_writer writer;
    struct buf out;
    bool waits; /* nothing was said: it is asked again */
};

/* ---- envelopes ------------------------------------------------------------------------------ */

static void send(struct answer *answer, struct json_writer *w)
{
    const struct system_request *request = answer->request;

    if (!w->failed && request->reply.size > 0)
        system_publish(answer->system->server, request->account, request->reply,
                       buf_bytes(&answer->out));
}

static void envelope_begin(struct answer *answer, struct json_writer *w)
{
    buf_clear(&answer->out);
    json_writer_init(w, &answer->out);
    json_object_begin(w);
    json_key(w, BYTES("server"));
    system_write_server(w, answer->system);
}

/* `with_data`: the question was understood, and still has no answer. */
static void send_error(struct answer *answer, unsigned code, bool with_data, const char *text)
{
    struct json_writer w;

    envelope_begin(answer, &w);
    if (with_data) {
        json_key(&w, BYTES("data"));
        json_null(&w);
    }
    json_key(&w, BYTES("error"));
    json_object_begin(&w);
    json_put_i64(&w, BYTES("code"), code);
    json_put_text(&w, BYTES("description"), text);
    json_object_end(&w);
    json_object_end(&w);
    send(answer, &w);
}

static void send_data(struct answer *answer, struct bytes key, struct bytes data)
{
    struct json_writer w;

    envelope_begin(answer, &w);
    if (data.size > 0) {
        json_key(&w, key);
        json_raw(&w, data);
    }
    json_object_end(&w);
    send(answer, &w);
}

/* What has been written as the document, or why there is none. */
static void send_document(struct answer *answer)
{
    if (answer->ask.silent)
        return;
    if (answer->ask.status != 200)
        send_error(answer, answer->ask.malformed ? 400 : 500, !answer->ask.malformed,
                   answer->ask.reason);
    else if (answer->writer.failed)
        send_error(answer, 500, true, "the answer is too large");
    else
        send_data(answer, BYTES("data"), buf_bytes(&answer->document));
}

/* ---- who is meant --------------------------------------------------------------------------- */

static bool contains(struct bytes text, struct bytes part)
{
    return part.size == 0 ||
           (text.size >= part.size && memmem(text.at, text.size, part.at, part.size) != NULL);
}

static bool fits(struct answer *answer, const char *key, struct bytes value, bool exact)
{
    struct bytes wanted = bytes_of(NULL, 0);

    ask_text(&answer->ask, (struct ask_key){NULL, key}, &wanted);
    if (wanted.size == 0)
        return true;
    return exact ? bytes_equal(wanted, value) : contains(value, wanted);
}

static bool has_tag(const struct options *options, struct bytes tag)
{
    for (size_t i = 0; i < options->server_tags.count; i++) {
        if (bytes_equal_nocase(options->server_tags.at[i], tag))
            return true;
    }
    return false;
}

static bool has_tags(const struct answer *answer)
{
    const struct json *tags = json_get(answer->ask.body, BYTES("tags"));

    if (tags == NULL || tags->type != JSON_ARRAY)
        return true;
    for (const struct json *tag = tags->child; tag != NULL; tag = tag->next) {
        if (tag->type != JSON_STRING || !has_tag(&answer->system->server->options, tag->text))
            return false;
    }
    return true;
}

static struct bytes text_or_nothing(const char *text)
{
    return text != NULL ? bytes_of_text(text) : bytes_of(NULL, 0);
}

/* A request may choose servers by what they are called. */
static bool is_meant(struct answer *answer)
{
    const struct server *server = answer->system->server;
    bool exact = false;

    ask_bool(&answer->ask, (struct ask_key){NULL, "exact_match"}, &exact);
    return fits(answer, "server_name", bytes_of_text(server->info.name), exact) &&
           fits(answer, "host", bytes_of_text(server->options.host), exact) &&
           fits(answer, "cluster", server->info.cluster, exact) &&
           fits(answer, "domain", text_or_nothing(server->info.domain), true) && has_tags(answer);
}

/* ---- about a server ------------------------------------------------------------------------- */

static void answer_id(struct answer *answer)
{
    const struct server *server = answer->system->server;
    struct json_writer w;

    buf_clear(&answer->out);
    json_writer_init(&w, &answer->out);
    json_object_begin(&w);
    json_put_text(&w, BYTES("name"), server->info.name);
    json_put_text(&w, BYTES("host"), server->options.host);
    json_put_text(&w, BYTES("id"), server->info.id);
    json_object_end(&w);
    send(answer, &w);
}

static void answer_stats(struct answer *answer)
{
    answer->waits = monitor_waits(&answer->system->server->monitor, answer->request->since_ns);
    if (answer->waits)
        return;
    if (answer->request->reply.size == 0) {
        system_say_stats(answer->system);
        return;
    }
    system_write_stats(&answer->writer, answer->system->server);
    if (!answer->writer.failed)
        send_data(answer, BYTES("statsz"), buf_bytes(&answer->document));
}

static struct connection *connection_of(struct answer *answer)
{
    const struct connections *connections;
    uint64_t cid = 0;

    ask_u64(&answer->ask, (struct ask_key){NULL, "cid"}, &cid);
    for (unsigned i = 0; (connections = server_connections_of(answer->system->server, i)) != NULL;
         i++) {
        for (struct connection *c = connections->all; c != NULL; c = c->next) {
            if (c->client.id == cid && c->client.state == CLIENT_OPEN)
                return c;
        }
    }
    return NULL;
}

static void answer_kick(struct answer *answer)
{
    struct connection *c = connection_of(answer);

    if (c == NULL) {
        send_error(answer, 500, false, "no such client or leafnode id");
        return;
    }
    client_end(&c->client, NULL, "Kicked");
    send_data(answer, BYTES("data"), BYTES(""));
}

/* One client is told that this server goes, so that it moves on. */
static void answer_lame_duck(struct answer *answer)
{
    struct server *server = answer->system->server;
    struct connection *c = connection_of(answer);
    bool before = server->info.lame_duck;

    if (c == NULL) {
        send_error(answer, 500, false, "no such client id");
    } else if (!c->client.protocol_1 || !c->client.informed) {
        send_error(answer, 500, false,
                   "client does not support Lame Duck Mode or is not ready to receive the "
                   "notification");
    } else {
        server->info.lame_duck = true;
        client_inform(&c->client);
        server->info.lame_duck = before;
        send_data(answer, BYTES("data"), BYTES(""));
    }
}

static void answer_reload(struct answer *answer)
{
    struct server *server = answer->system->server;
    char reason[SERVER_RELOAD_REASON_SIZE] = "nobody here can read a configuration";

    if (server->reload != NULL && server->reload(server->reload_owner, reason))
        send_data(answer, BYTES("data"), BYTES(""));
    else
        send_error(answer, 500, false, reason);
}

/* There is nobody who answers that. */
static void answer_nobody(struct answer *answer)
{
    const struct system_request *request = answer->request;
    struct message message = {.subject = request->reply};

    if (!request->no_responders || request->passed_on || request->reply.size == 0)
        return;
    buf_clear(&answer->out);
    if (!buf_print(&answer->out, "NATS/1.0 503\r\nNats-Subject: %.*s\r\n\r\n",
                   BYTES_ARG(request->subject)))
        return;
    message.headers = buf_bytes(&answer->out);
    (void)router_publish(answer->system->server->router, request->account, &message);
}

static void answer_document(struct answer *answer, struct bytes name)
{
    answer->waits =
        monitor_document_waits(&answer->system->server->monitor, name, answer->request->since_ns);
    if (answer->waits)
        return;
    if (monitor_document(&answer->system->server->monitor, name, &answer->writer, &answer->ask))
        send_document(answer);
    else
        answer_nobody(answer);
}

struct special {
    const char *name;
    void (*run)(struct answer *answer);
    bool named_only; /* not for whoever listens */
};

static const struct special specials[] = {
    {"IDZ", answer_id, false},       {"STATSZ", answer_stats, false}, {"KICK", answer_kick, true},
    {"LDM", answer_lame_duck, true}, {"RELOAD", answer_reload, true},
};

static void about_server(struct answer *answer)
{
    struct bytes subject = answer->request->subject;
    struct bytes whom = subject_token(subject, 3), what = subject_token(subject, 4);
    bool all = bytes_equal(whom, BYTES("PING"));

    if (!all && !bytes_equal(whom, bytes_of_text(answer->system->server->info.id))) {
        answer_nobody(answer);
        return;
    }
    if (!is_meant(answer))
        return;
    if (what.size == 0) {
        answer_stats(answer);
        return;
    }
    for (size_t i = 0; i < sizeof(specials) / sizeof(specials[0]); i++) {
        if (!bytes_equal(what, bytes_of_text(specials[i].name)))
            continue;
        if (all && specials[i].named_only)
            answer_nobody(answer);
        else
            specials[i].run(answer);
        return;
    }
    answer_document(answer, what);
}

/* ---- about an account ----------------------------------------------------------------------- */

static void account_info(struct answer *answer, struct account *account)
{
    if (account == NULL)
        ask_refuse(&answer->ask, 500, "Account %.*s does not exist",
                   BYTES_ARG(answer->ask.account));
    else
        monitor_account(&answer->writer, answer->system->server, account);
    send_document(answer);
}

static void account_jsz(struct answer *answer, struct account *account)
{
    struct server *server = answer->system->server;
    char text[MONITOR_UNKNOWN_SIZE];

    answer->waits = monitor_waits(&server->monitor, answer->request->since_ns);
    if (answer->waits)
        return;
    if (server->jetstream == NULL)
        ask_refuse(&answer->ask, 500, "jetstream not enabled");
    else if (account == NULL)
        ask_refuse(&answer->ask, 500, "account \"%.*s\" not found", BYTES_ARG(answer->ask.account));
    else if (!jetstream_serves(server->jetstream, account))
        ask_refuse(&answer->ask, 500, "account \"%.*s\" not jetstream enabled",
                   BYTES_ARG(answer->ask.account));
    else if (!jetstream_known(server->jetstream)) {
        monitor_say_unknown(&server->monitor, text);
        ask_refuse(&answer->ask, 503, "%s", text);
    } else {
        monitor_jsz_account(&answer->writer, server, &answer->ask, account);
    }
    send_document(answer);
}

/* Who has nobody here says nothing, unless it is asked to. */
static void account_statz(struct answer *answer, struct account *account)
{
    struct account_sums sums = {0};
    bool unused = false;

    if (account != NULL)
        account_sums(account, &sums);
    ask_bool(&answer->ask, (struct ask_key){NULL, "include_unused"}, &unused);
    if (answer->ask.account.size > 0 && (account == NULL || sums.connections == 0) && !unused)
        return;
    answer_document(answer, BYTES("ACCSTATZ"));
}

static void about_account(struct answer *answer)
{
    const struct system_request *request = answer->request;
    struct bytes name = subject_token(request->subject, 3),
                 what = subject_token(request->subject, 4);
    struct account *account;

    if (!request->account->system)
        name = request->account->name;
    if (!bytes_equal(name, BYTES("PING")))
        answer->ask.account = name;
    account = router_account(answer->system->server->router, name);
    if (bytes_equal(what, BYTES("STATZ"))) {
        account_statz(answer, account);
    } else if (answer->ask.account.size == 0) {
        return;
    } else if (bytes_equal(what, BYTES("INFO"))) {
        account_info(answer, account);
    } else if (bytes_equal(what, BYTES("JSZ"))) {
        account_jsz(answer, account);
    } else if (bytes_equal(what, BYTES("CONNZ")) || bytes_equal(what, BYTES("LEAFZ"))) {
        answer_document(answer, what);
    } else if (bytes_equal(what, BYTES("SUBSZ"))) {
        answer->ask.list_subs = true;
        answer_document(answer, what);
    } else {
        answer_nobody(answer);
    }
}

/* ---- about whoever asks, and others --------------------------------------------------------- */

static void about_user(struct answer *answer)
{
    if (answer->request->user.size > 0)
        send_data(answer, BYTES("data"), answer->request->user);
}

static uint64_t count_at(struct account *account, struct bytes subject, struct bytes queue)
{
    const struct match *match = sublist_match(&account->subs, subject);
    uint64_t count = 0;

    for (uint32_t i = 0; i < match->sets_count; i++) {
        const struct sub_set *set = match->sets[i];

        if (set->kind == SUB_CLIENT && bytes_equal(sub_set_queue(set), queue))
            count += set->count;
    }
    return count;
}

/* "subject" or "subject queue": how many of this server's clients would receive that. */
static void count_subscribers(struct answer *answer)
{
    struct server *server = answer->system->server;
    struct bytes subject = bytes_trim(answer->request->body), queue;
    const struct connections *connections;
    uint64_t count = 0;
    size_t blank = bytes_find(subject, ' ');

    queue = bytes_trim(bytes_skip(subject, blank));
    subject = bytes_take(subject, blank);
    for (unsigned i = 0; (connections = server_connections_of(server, i)) != NULL; i++)
        count += count_at(connections->clients.account, subject, queue);
    buf_clear(&answer->out);
    if (buf_add_u64(&answer->out, count) && answer->request->reply.size > 0)
        system_publish(server, answer->request->account, answer->request->reply,
                       buf_bytes(&answer->out));
}

/* ---- one request ---------------------------------------------------------------------------- */

/* False: it cannot be read, and that was said. */
static bool read_body(struct answer *answer)
{
    static const struct json nothing = {.type = JSON_OBJECT};
    struct bytes body = bytes_trim(answer->request->body);
    struct bytes what = subject_token(answer->request->subject, 4);
    const struct json *json = &nothing;
    struct json_error error;

    if (body.size > 0) {
        json = json_parse(&answer->arena, body, &error);
        if (json == NULL) {
            send_error(answer, 400, false, error.text);
            return false;
        }
    }
    ask_of_body(&answer->ask, json, &answer->arena);
    if (what.size > 1 && what.size < sizeof(answer->ask.what))
        for (size_t i = 0; i < what.size; i++)
            answer->ask.what[i] = (char)(i == 0 ? what.at[0] : what.at[i] | 0x20);
    if (json->type != JSON_OBJECT && json->type != JSON_NULL) {
        char text[128];

        snprintf(text, sizeof(text),
                 "json: cannot unmarshal %s into Go value of type server.%sEventOptions",
                 json->type == JSON_ARRAY    ? "array"
                 : json->type == JSON_STRING ? "string"
                 : json->type == JSON_NUMBER ? "number"
                                             : "bool",
                 answer->ask.what);
        send_error(answer, 400, false, text);
        return false;
    }
    return true;
}

static void answer_it(struct answer *answer)
{
    const struct system_request *request = answer->request;
    struct bytes kind = subject_token(request->subject, 2);

    if (request->account->system && resolver_takes(request->subject)) {
        if (answer->system->server->resolver != NULL)
            resolver_asked(answer->system->server->resolver, request);
        return;
    }
    if (bytes_equal(subject_token(request->subject, 1), BYTES("DEBUG"))) {
        count_subscribers(answer);
        return;
    }
    if (bytes_equal(kind, BYTES("USER"))) {
        about_user(answer);
        return;
    }
    if (!read_body(answer))
        return;
    if (bytes_equal(kind, BYTES("ACCOUNT")) || !request->account->system)
        about_account(answer);
    else
        about_server(answer);
}

bool system_answer(struct system *system, const struct system_request *request)
{
    struct answer answer = {.system = system, .request = request};

    arena_init(&answer.arena, ARENA_MAX);
    buf_init(&answer.document, SYSTEM_ANSWER_MAX);
    buf_init(&answer.out, SYSTEM_ANSWER_MAX);
    json_writer_init(&answer.writer, &answer.document);
    server_shards_halt(system->server);
    answer_it(&answer);
    server_shards_go_on(system->server);
    buf_deinit(&answer.out);
    buf_deinit(&answer.document);
    arena_deinit(&answer.arena);
    return !answer.waits;
}
