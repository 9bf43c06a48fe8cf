/* /healthz: may this server be relied on (reference monitoring.md 2.10). */
#include <stdarg.h>
#include <stdio.h>

#include "server/jetstream/jetstream_core.h"
#include "server/monitor/monitor_priv.h"
#include "server/server_priv.h"

#define ERROR_MAX  640u
#define ERRORS_MAX 1000u

struct question {
    bool enabled_only, server_only, meta_only, details;
    struct bytes account, stream, consumer;
};

struct health {
    struct bytes account, stream; /* that the error is of */
    unsigned status;
    const char *type;
    char error[ERROR_MAX]; /* empty: well */
    bool with_account, with_stream, with_consumer;
    bool offline; /* it is a stream that could not be opened */
};

static void read_question(struct ask *ask, struct question *question)
{
    *question = (struct question){.details = false};
    ask_bool(ask, (struct ask_key){"js-enabled", NULL}, &question->enabled_only);
    ask_bool(ask, (struct ask_key){"js-enabled-only", "js-enabled-only"}, &question->enabled_only);
    ask_bool(ask, (struct ask_key){"js-server-only", "js-server-only"}, &question->server_only);
    ask_bool(ask, (struct ask_key){"js-meta-only", "js-meta-only"}, &question->meta_only);
    ask_bool(ask, (struct ask_key){"details", "details"}, &question->details);
    ask_text(ask, (struct ask_key){"account", "account"}, &question->account);
    ask_text(ask, (struct ask_key){"stream", "stream"}, &question->stream);
    ask_text(ask, (struct ask_key){"consumer", "consumer"}, &question->consumer);
}

[[gnu::format(printf, 4, 5)]] static void unwell(struct health *health, unsigned status,
                                                 const char *type, const char *format, ...)
{
    va_list args;

    health->status = status;
    health->type = type;
    va_start(args, format);
    vsnprintf(health->error, sizeof(health->error), format, args);
    va_end(args);
}

static bool sensible(const struct question *question, struct health *health)
{
    if (question->stream.size > 0 && question->account.size == 0)
        unwell(health, 400, "BAD_REQUEST",
               "\"account\" must not be empty when checking stream health");
    else if (question->consumer.size > 0 && question->stream.size == 0)
        unwell(health, 400, "BAD_REQUEST",
               "\"stream\" must not be empty when checking consumer health");
    return health->status == 200;
}

static void look_at_consumer(const struct question *question, struct stream *stream,
                             struct health *health)
{
    if (stream == NULL || stream_consumer(stream, question->consumer) != NULL)
        return; /* what another node has, that one knows */
    unwell(health, 404, "CONSUMER",
           "JetStream consumer \"%.*s\" not found for stream \"%.*s\" on account \"%.*s\"",
           BYTES_ARG(question->consumer), BYTES_ARG(question->stream),
           BYTES_ARG(question->account));
    health->with_stream = health->with_consumer = true;
}

static void look_at_account(const struct server *server, const struct question *question,
                            struct health *health)
{
    struct account *account = router_account(server->router, question->account);

    health->with_account = true;
    if (account == NULL || !jetstream_serves(server->jetstream, account)) {
        unwell(health, 404, "ACCOUNT", "JetStream account \"%.*s\" not found",
               BYTES_ARG(question->account));
    } else if (question->stream.size == 0) {
        return;
    } else if (jetstream_entry(server->jetstream, account, question->stream) == NULL) {
        unwell(health, 404, "STREAM", "JetStream stream \"%.*s\" not found on account \"%.*s\"",
               BYTES_ARG(question->stream), BYTES_ARG(question->account));
        health->with_stream = true;
    } else if (question->consumer.size > 0) {
        look_at_consumer(question, jetstream_stream(server->jetstream, account, question->stream),
                         health);
    }
}

static void unwell_stream(struct health *health, const struct jetstream_trouble *trouble)
{
    health->offline = trouble->reason != NULL;
    unwell(health, 503, "STREAM", "JetStream stream '%.*s > %.*s' is not current: %s%s%s",
           BYTES_ARG(trouble->account), BYTES_ARG(trouble->stream), trouble->why,
           health->offline ? ": " : "", health->offline ? trouble->reason : "");
    health->account = trouble->account;
    health->stream = trouble->stream;
    health->with_account = health->with_stream = true;
}

/* What is wrong here whatever was asked for. */
static void look_at_jetstream(const struct server *server, const struct question *question,
                              struct health *health)
{
    struct jetstream_trouble trouble;

    if (!jetstream_trouble(server->jetstream, question->meta_only, &trouble))
        return;
    if (trouble.stream.size == 0) {
        unwell(health, 503, "JETSTREAM", "%s", trouble.why);
        return;
    }
    unwell_stream(health, &trouble);
}

/* It ends by itself, and nothing but publishes fails: no restart helps, so what probes of liveness
 * ask (js-enabled-only, js-server-only) does not come here. */
static void look_at_disk(const struct server *server, const struct question *question,
                         struct health *health)
{
    struct store_space space = jetstream_disk(server->jetstream);

    if (health->status == 200 && space.scarce && !question->meta_only)
        unwell(health, 503, "JETSTREAM",
               "JetStream takes no messages: no space left on the disk, %llu MiB are free and "
               "%llu are kept",
               (unsigned long long)(space.available >> 20), (unsigned long long)(space.kept >> 20));
}

static void examine(const struct server *server, const struct question *question,
                    struct health *health)
{
    if (!sensible(question, health) || question->server_only)
        return;
    if (server->jetstream == NULL) {
        if (server->options.jetstream)
            unwell(health, 503, "JETSTREAM", "JetStream not enabled");
        return;
    }
    if (question->enabled_only)
        return;
    look_at_jetstream(server, question, health);
    if (health->status == 200 && question->account.size > 0 && !question->meta_only)
        look_at_account(server, question, health);
    look_at_disk(server, question, health);
}

static void write_error(struct json_writer *w, const struct question *question,
                        const struct health *health)
{
    json_object_begin(w);
    json_put_text(w, BYTES("type"), health->type);
    if (health->with_account)
        json_put_string(w, BYTES("account"), health->account);
    if (health->with_stream)
        json_put_string(w, BYTES("stream"), health->stream);
    if (health->with_consumer)
        json_put_string(w, BYTES("consumer"), question->consumer);
    json_put_text(w, BYTES("error"), health->error);
    json_object_end(w);
}

/* The first of them is what the answer is about, the rest the streams that are offline like it. */
static void write_errors(struct json_writer *w, const struct server *server,
                         const struct question *question, struct health *health)
{
    const struct catalogue_entry *at = NULL;
    struct jetstream_trouble trouble;

    json_key(w, BYTES("errors"));
    json_array_begin(w);
    if (health->offline) {
        for (unsigned i = 0;
             i < ERRORS_MAX && jetstream_offline_next(server->jetstream, &at, &trouble); i++) {
            unwell_stream(health, &trouble);
            write_error(w, question, health);
        }
    } else {
        write_error(w, question, health);
    }
    json_array_end(w);
}

static const char *word(const struct health *health, bool details)
{
    if (health->error[0] == 0)
        return "ok";
    return (health->status == 503 || health->status == 404) && !details ? "unavailable" : "error";
}

void monitor_healthz(struct json_writer *w, struct monitor *monitor, struct ask *ask)
{
    struct health health = {.status = 200};
    struct question question;

    read_question(ask, &question);
    if (ask->status != 200)
        return;
    health.account = question.account;
    health.stream = question.stream;
    examine(monitor->server, &question, &health);
    json_object_begin(w);
    json_put_text(w, BYTES("status"), word(&health, question.details));
    if (ask->body != NULL)
        json_put_i64(w, BYTES("status_code"), health.status);
    if (health.error[0] != 0 && question.details)
        write_errors(w, monitor->server, &question, &health);
    else if (health.error[0] != 0)
        json_put_text(w, BYTES("error"), health.error);
    json_object_end(w);
    monitor->health_status = health.status;
}
