#include "tests/sim/cluster_user.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/base64.h"

#define ULL(x)   ((unsigned long long)(x))
#define SECOND   INT64_C(1000000000)
#define PULL_NS  (SECOND)
#define OPEN_MAX 40 /* publishes; clients have such a limit, too */

static int64_t now(const struct user *user)
{
    return sim_now(user->scene->sim);
}

static uint64_t below(struct user *user, uint64_t bound)
{
    return prng_below(user->scene->prng, bound);
}

static bool chance(struct user *user, uint32_t numerator, uint32_t denominator)
{
    return prng_chance(user->scene->prng, numerator, denominator);
}

#define SAY(user, format, ...)                                                                     \
    report_say((user)->scene->report, "    u%u " format, (user)->number __VA_OPT__(, ) __VA_ARGS__)

/* What of a message is text, on one line, for the story. */
static const char *shown(const struct client_message *message)
{
    static char text[300];
    struct bytes parts[] = {message->headers, message->payload};
    size_t size = 0;

    for (unsigned part = 0; part < 2; part++) {
        for (size_t i = 0; i < parts[part].size && i < 200 && size < sizeof text - 2; i++) {
            uint8_t c = parts[part].at[i];

            if (c >= ' ' && c < 127)
                text[size++] = (char)c;
            else if (c == '\n')
                text[size++] = ' ';
            else if (c != '\r')
                break;
        }
    }
    text[size] = 0;
    return text;
}

/* ---- what is heard -------------------------------------------------------------------------- */

static bool find_number(struct bytes text, const char *key, uint64_t *value)
{
    const char *at = memmem(text.at, text.size, key, strlen(key));

    if (at == NULL)
        return false;
    *value = strtoull(at + strlen(key), NULL, 10);
    return true;
}

static bool contains(struct bytes text, const char *part)
{
    return memmem(text.at, text.size, part, strlen(part)) != NULL;
}

struct verdict {
    enum history_outcome outcome;
    enum history_why why;
    uint64_t sequence;
};

/* An error that says something about the disk, not about the request. */
static bool of_disk(uint64_t code)
{
    return code == 10077;
}

static struct verdict read_verdict(const struct history_publish *publish,
                                   const struct client_message *message)
{
    struct verdict verdict = {.outcome = HISTORY_UNSURE};
    uint64_t code;

    if (find_number(message->payload, "\"err_code\":", &code)) {
        verdict.outcome = of_disk(code) ? HISTORY_UNSURE : HISTORY_REFUSED;
        if (find_number(message->payload, "wrong last sequence: ", &verdict.sequence))
            verdict.why =
                publish->expect_last != HISTORY_NONE ? HISTORY_WHY_LAST : HISTORY_WHY_SUBJECT;
        if (publish->expect_last != HISTORY_NONE && publish->expect_subject != HISTORY_NONE)
            verdict.why = HISTORY_WHY_OTHER;
    } else if (find_number(message->payload, "\"seq\":", &verdict.sequence)) {
        verdict.outcome =
            contains(message->payload, "\"duplicate\": true") ? HISTORY_DUPLICATE : HISTORY_STORED;
    } else if (bytes_starts(message->headers, BYTES("NATS/1.0 503"))) {
        verdict.outcome = HISTORY_REFUSED; /* nobody took it */
    }
    return verdict;
}

static void heard_publish(struct user *user, unsigned stream, uint64_t id,
                          const struct client_message *message)
{
    struct history *history = &user->scene->streams[stream].history;
    struct verdict verdict;

    SAY(user, "S%u publish %llu: %s", stream, ULL(id), shown(message));
    if (id == 0 || id > history->publish_count) {
        report_violate(user->scene->report, "an answer to publish %llu of S%u, which was not sent",
                       ULL(id), stream);
        return;
    }
    verdict = read_verdict(history_publish(history, id), message);
    history_answered(history, id, verdict.outcome, verdict.sequence, verdict.why, now(user));
    user->publish_ns = now(user);
    if (user->open > 0)
        user->open--;
}

/* A direct get's answer has the message itself, with headers that say what it is. */
static void heard_message(struct user *user, const struct client_message *message)
{
    struct history *history = &user->scene->streams[user->ask_stream].history;
    const char *subject = memmem(message->headers.at, message->headers.size, "Nats-Subject: ", 14);
    uint64_t sequence = 0;
    bool gone = bytes_starts(message->headers, BYTES("NATS/1.0 404"));

    user->ask_damaged = bytes_starts(message->headers, BYTES("NATS/1.0 500 Message Damaged"));
    if (history->lossy && user->ask_damaged)
        gone = true;
    if (!gone && (subject == NULL || !find_number(message->headers, "Nats-Sequence: ", &sequence)))
        return; /* no answer to what was asked */
    user->ask_good = true;
    if (!gone)
        history_shown(history, user->ask_ns, sequence,
                      bytes_of(subject + 14, strcspn(subject + 14, "\r")), message->payload,
                      now(user));
    if (user->ask == ASK_NEWEST) {
        history_newest(history, user->ask_ns, user->ask_subject, sequence, now(user));
        return;
    }
    if (!gone && sequence != user->ask_sequence)
        report_violate(user->scene->report, "S%u: asked for sequence %llu and got %llu",
                       user->ask_stream, ULL(user->ask_sequence), ULL(sequence));
    if (gone)
        history_missed(history, user->ask_ns, user->ask_sequence, now(user));
    if (user->ask == ASK_READ)
        history_message(history, user->ask_sequence)->present = !gone;
}

/* What stands behind the key, to the end of the text. */
static struct bytes behind(struct bytes text, const char *key)
{
    const uint8_t *at = memmem(text.at, text.size, key, strlen(key));

    return at != NULL ? bytes_skip(text, (size_t)(at - text.at) + strlen(key)) : bytes_of(NULL, 0);
}

static void heard_api_message(struct user *user, const struct client_message *message)
{
    static uint8_t payload[CONTENT_MAX];
    struct history *history = &user->scene->streams[user->ask_stream].history;
    struct bytes subject = behind(message->payload, "\"subject\":\"");
    struct bytes data = behind(message->payload, "\"data\":\"");
    uint64_t sequence, code;

    if (find_number(message->payload, "\"err_code\":", &code)) {
        user->ask_good = code == 10037; /* no message found */
        if (user->ask_good)
            history_missed(history, user->ask_ns, user->ask_sequence, now(user));
        return;
    }
    if (!find_number(message->payload, "\"seq\":", &sequence))
        return;
    user->ask_good = true;
    history_shown(history, user->ask_ns, sequence, bytes_take(subject, bytes_find(subject, '"')),
                  bytes_of(payload, base64_decode(data, payload, sizeof payload)), now(user));
}

/* The number in the description. */
static unsigned read_setting(const struct client_message *message)
{
    uint64_t value = 0;

    (void)find_number(message->payload, "\"description\":\"v", &value);
    return (unsigned)value;
}

static void heard_change(struct user *user, const struct client_message *message)
{
    user->ask_good = contains(message->payload, "\"created\"");
    if (user->ask_good)
        setting_confirmed(&user->scene->streams[user->ask_stream].setting,
                          (unsigned)user->ask_sequence, now(user));
}

static void heard_info(struct user *user, const struct client_message *message)
{
    const struct scene_stream *stream = &user->scene->streams[user->ask_stream];

    if (!find_number(message->payload, "\"messages\":", &user->ask_messages) ||
        !find_number(message->payload, "\"last_seq\":", &user->ask_last))
        return;
    user->ask_good = true;
    history_last(&user->scene->streams[user->ask_stream].history, user->ask_ns, user->ask_last,
                 now(user));
    if (!stream->history.lossy)
        setting_shown(&stream->setting, user->scene->report, user->ask_stream,
                      read_setting(message), user->ask_ns);
}

static void heard_delete(struct user *user, const struct client_message *message)
{
    user->ask_good = contains(message->payload, "\"success\"");
    if (user->ask_good)
        history_removed(&user->scene->streams[user->ask_stream].history, user->ask_sequence,
                        now(user));
}

static void heard_answer(struct user *user, uint64_t number, const struct client_message *message)
{
    struct scene_stream *stream = &user->scene->streams[user->ask_stream];

    if (number != user->ask_number || user->ask == ASK_NOTHING)
        return; /* it was given up */
    user->ask_good = user->ask_damaged = false;
    switch (user->ask) {
    case ASK_STREAM:
        stream->created = stream->created || contains(message->payload, "\"created\"");
        user->ask_good = stream->created;
        break;
    case ASK_CONSUMER:
        stream->consumer_created =
            stream->consumer_created || contains(message->payload, "\"num_pending\"");
        user->ask_good = stream->consumer_created;
        break;
    case ASK_GET:
    case ASK_NEWEST:
    case ASK_READ: heard_message(user, message); break;
    case ASK_API_GET: heard_api_message(user, message); break;
    case ASK_INFO: heard_info(user, message); break;
    case ASK_DELETE:
    case ASK_ERASE: heard_delete(user, message); break;
    case ASK_CHANGE: heard_change(user, message); break;
    case ASK_LEAVE: user->ask_good = contains(message->payload, "\"success\":true"); break;
    case ASK_NOTHING: break;
    }
    user->ask = ASK_NOTHING;
    user->ask_answered = true;
}

/* $JS.ACK.S<n>.C.<count>.<stream>.<consumer>.<time>.<pending> */
static bool heard_delivery(struct user *user, const struct client_message *message)
{
    struct scene *scene = user->scene;
    unsigned long long count, sequence, number;
    char reply[160];
    unsigned stream;

    if (message->reply.size == 0 || message->reply.size >= sizeof reply)
        return false;
    memcpy(reply, message->reply.at, message->reply.size);
    reply[message->reply.size] = 0;
    if (sscanf(reply, "$JS.ACK.S%u.C.%llu.%llu.%llu.", &stream, &count, &sequence, &number) != 4 ||
        stream >= scene->stream_count)
        return false;
    SAY(user, "S%u delivery %llu: sequence %llu, its %lluth", stream, number, sequence, count);
    watch_delivered(&scene->streams[stream].watch, sequence, count, number, now(user));
    history_shown(&scene->streams[stream].history, 0, sequence, message->subject, message->payload,
                  now(user));
    if (user->pending_count < USER_PENDING_MAX) {
        struct user_pending *pending = &user->pending[user->pending_count++];

        *pending = (struct user_pending){.stream = stream, .sequence = sequence};
        memcpy(pending->reply, reply, sizeof reply);
    }
    return true;
}

static void heard_confirmation(struct user *user, unsigned stream, uint64_t sequence,
                               const struct client_message *message)
{
    struct scene *scene = user->scene;

    SAY(user, "S%u ack of %llu: %s", stream, ULL(sequence), shown(message));
    if (message->headers.size == 0 && message->payload.size == 0)
        watch_confirmed(&scene->streams[stream].watch, sequence,
                        scene->handed_out(scene->context, stream));
}

static void heard(void *context, const struct client_message *message)
{
    struct user *user = context;
    unsigned long long number;
    char subject[64] = {0};
    unsigned stream, to, connection;
    char kind;

    user->scene->answers++;
    if (heard_delivery(user, message))
        return;
    memcpy(subject, message->subject.at, message->subject.size < 63 ? message->subject.size : 63);
    if (sscanf(subject, "_R.%u.%u.%c.%u.%llu", &to, &connection, &kind, &stream, &number) != 5 ||
        to != user->number || connection != user->connection || stream >= user->scene->stream_count)
        return;
    if (kind != 'p')
        SAY(user, "%s: %s", subject, shown(message));
    switch (kind) {
    case 'p': heard_publish(user, stream, number, message); break;
    case 'q': heard_answer(user, number, message); break;
    case 'a': heard_confirmation(user, stream, number, message); break;
    case 'm': /* a status ends the pull */
        if (user->pulls[stream] > 0)
            user->pulls[stream]--;
        break;
    }
}

/* ---- life ----------------------------------------------------------------------------------- */

void scene_init(struct scene *scene, struct report *report, struct sim *sim, struct nodes *nodes,
                struct prng *prng, unsigned stream_count)
{
    *scene = (struct scene){
        .report = report, .sim = sim, .nodes = nodes, .prng = prng, .stream_count = stream_count};
    for (unsigned i = 0; i < stream_count; i++) {
        history_init(&scene->streams[i].history, report, i);
        watch_init(&scene->streams[i].watch, &scene->streams[i].history);
    }
}

void scene_deinit(struct scene *scene)
{
    for (unsigned i = 0; i < scene->stream_count; i++) {
        watch_deinit(&scene->streams[i].watch);
        history_deinit(&scene->streams[i].history);
    }
}

void scene_forgive(struct scene *scene, unsigned stream)
{
    scene->forgiven.sim = scene->sim;
    scene->streams[stream].history.lossy = true;
    scene->streams[stream].history.report = &scene->forgiven;
}

void user_init(struct user *user, struct scene *scene, unsigned number)
{
    *user = (struct user){.scene = scene, .number = number};
    user->patience_ns = chance(user, 1, 2) ? USER_PATIENCE_NS : SECOND / 2;
    user->machine = sim_node_add(scene->sim);
    sim_client_init(&user->client, scene->sim, sim_node_io(scene->sim, user->machine), heard, user);
}

void user_deinit(struct user *user)
{
    sim_client_deinit(&user->client);
}

bool user_connected(const struct user *user)
{
    return sim_client_connected(&user->client);
}

static void connect(struct user *user)
{
    char inbox[32];

    user->connection++;
    snprintf(inbox, sizeof inbox, "_R.%u.%u.>", user->number, user->connection);
    user->open = 0;
    user->ask = ASK_NOTHING;
    user->pending_count = 0;
    memset(user->pulls, 0, sizeof user->pulls);
    user->connected_ns = user->publish_ns = now(user);
    SAY(user, "connects to n%zu", user->server + 1);
    sim_client_connect(&user->client, user->server, NODES_PORT, inbox);
}

void user_move(struct user *user, size_t server)
{
    user->server = server;
    if (user->client.sock != NULL)
        sim_client_drop(&user->client);
}

bool user_go(struct user *user, size_t server)
{
    if (user->client.sock != NULL)
        return false;
    user->server = server;
    connect(user);
    return true;
}

/* Often to a leader: what it says when it is none any more is what matters. */
static void move_on(struct user *user)
{
    struct scene *scene = user->scene;
    size_t to = scene->nodes->count;

    if (chance(user, 1, 2))
        to = scene->leader(scene->context, (unsigned)below(user, scene->stream_count));
    user_move(user, to < scene->nodes->count ? to : below(user, scene->nodes->count));
}

bool user_idle(const struct user *user)
{
    return user->open == 0 && user->ask == ASK_NOTHING;
}

void user_look_at_time(struct user *user)
{
    bool late = false;

    if (user->client.sock == NULL) {
        move_on(user);
        connect(user);
        return;
    }
    if (user->open > 0 && now(user) - user->publish_ns > USER_PATIENCE_NS) {
        SAY(user, "%llu publishes have no answer", ULL(user->open));
        user->open = 0;
        late = true;
    }
    if (user->ask != ASK_NOTHING && now(user) - user->ask_ns > user->patience_ns) {
        SAY(user, "a question has no answer");
        user->ask = ASK_NOTHING;
        if (chance(user, 1, 8)) /* mostly it asks the same node again */
            move_on(user);
    }
    if (late && chance(user, 1, 2))
        move_on(user);
}

/* ---- asking --------------------------------------------------------------------------------- */

[[gnu::format(printf, 3, 4)]] static void request(struct user *user, const char *subject,
                                                  const char *format, ...)
{
    char reply[64], body[600];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(body, sizeof body, format, arguments);
    va_end(arguments);
    snprintf(reply, sizeof reply, "_R.%u.%u.q.%u.%llu", user->number, user->connection,
             user->ask_stream, ULL(user->ask_number));
    SAY(user, "%s %s", subject, body);
    sim_client_publish(&user->client, subject, reply, "", bytes_of_text(body));
}

static void ask_stream(struct user *user, const char *subject)
{
    const struct scene_stream *stream = &user->scene->streams[user->ask_stream];
    char description[40] = "", placement[48] = "";

    if (stream->placed != 0)
        snprintf(placement, sizeof placement, "\"placement\":{\"tags\":[\"s%u\"]},",
                 stream->placed);
    if (user->ask == ASK_CHANGE)
        snprintf(description, sizeof description, "\"description\":\"v%u\",",
                 (unsigned)user->ask_sequence);
    request(
        user, subject,
        "{%s%s\"name\":\"S%u\",\"subjects\":[\"s%u.>\"],\"allow_direct\":true,\"num_replicas\":%u,"
        "\"storage\":\"%s\",\"duplicate_window\":3600000000000}",
        description, placement, user->ask_stream, user->ask_stream, stream->replicas,
        stream->memory ? "memory" : "file");
}

static void ask_consumer(struct user *user, const char *subject)
{
    request(
        user, subject,
        "{\"stream_name\":\"S%u\",\"config\":{\"durable_name\":\"C\",\"ack_policy\":\"explicit\","
        "\"ack_wait\":2000000000,\"max_ack_pending\":200}}",
        user->ask_stream);
}

void user_ask(struct user *user, enum ask ask, unsigned stream, uint64_t sequence)
{
    struct history *history = &user->scene->streams[stream].history;
    char subject[80], name[16];

    user->ask = ask;
    user->ask_stream = stream;
    user->ask_sequence = sequence;
    user->ask_number++;
    user->ask_ns = now(user);
    user->ask_answered = false;
    switch (ask) {
    case ASK_STREAM:
        snprintf(subject, sizeof subject, "$JS.API.STREAM.CREATE.S%u", stream);
        ask_stream(user, subject);
        break;
    case ASK_CHANGE:
        user->ask_sequence = setting_asked(&user->scene->streams[stream].setting, now(user));
        snprintf(subject, sizeof subject, "$JS.API.STREAM.UPDATE.S%u", stream);
        ask_stream(user, subject);
        break;
    case ASK_LEAVE:
        snprintf(subject, sizeof subject, "$JS.API.STREAM.PEER.REMOVE.S%u", stream);
        request(user, subject, "{\"peer\":\"n%u\"}", (unsigned)sequence);
        break;
    case ASK_CONSUMER:
        snprintf(subject, sizeof subject, "$JS.API.CONSUMER.CREATE.S%u.C", stream);
        ask_consumer(user, subject);
        break;
    case ASK_NEWEST:
        user->ask_subject = (uint8_t)sequence;
        content_subject(&history->content, user->ask_subject, name);
        snprintf(subject, sizeof subject, "$JS.API.DIRECT.GET.S%u.%s", stream, name);
        request(user, subject, "%s", "");
        break;
    case ASK_INFO:
        snprintf(subject, sizeof subject, "$JS.API.STREAM.INFO.S%u", stream);
        request(user, subject, "%s", "");
        break;
    case ASK_DELETE:
    case ASK_ERASE:
        history_removal_asked(history, sequence, now(user));
        snprintf(subject, sizeof subject, "$JS.API.STREAM.MSG.DELETE.S%u", stream);
        request(user, subject, "{\"seq\":%llu,\"no_erase\":%s}", ULL(sequence),
                ask == ASK_DELETE ? "true" : "false");
        break;
    case ASK_API_GET:
        snprintf(subject, sizeof subject, "$JS.API.STREAM.MSG.GET.S%u", stream);
        request(user, subject, "{\"seq\":%llu}", ULL(sequence));
        break;
    case ASK_GET:
    case ASK_READ:
        snprintf(subject, sizeof subject, "$JS.API.DIRECT.GET.S%u", stream);
        request(user, subject, "{\"seq\":%llu}", ULL(sequence));
        break;
    case ASK_NOTHING: break;
    }
}

bool user_set_up(struct user *user)
{
    bool all = true;

    for (unsigned i = 0; i < user->scene->stream_count; i++) {
        const struct scene_stream *stream = &user->scene->streams[i];

        if (stream->created && stream->consumer_created)
            continue;
        all = false;
        if (!user_connected(user) || user->ask != ASK_NOTHING ||
            now(user) - user->ask_ns < SECOND / 4)
            continue;
        user_ask(user, stream->created ? ASK_CONSUMER : ASK_STREAM, i, 0);
    }
    return all;
}

/* ---- publishing ----------------------------------------------------------------------------- */

static size_t write_headers(const struct history_publish *publish, char out[static 300])
{
    size_t at = 0;

    out[0] = 0;
    if (publish->msg_id == 0 && publish->expect_last == HISTORY_NONE &&
        publish->expect_subject == HISTORY_NONE)
        return 0;
    at = (size_t)snprintf(out, 300, "NATS/1.0\r\n");
    if (publish->msg_id != 0)
        at += (size_t)snprintf(out + at, 300 - at, "Nats-Msg-Id: id-%u\r\n", publish->msg_id);
    if (publish->expect_last != HISTORY_NONE)
        at += (size_t)snprintf(out + at, 300 - at, "Nats-Expected-Last-Sequence: %llu\r\n",
                               ULL(publish->expect_last));
    if (publish->expect_subject != HISTORY_NONE)
        at += (size_t)snprintf(out + at, 300 - at, "Nats-Expected-Last-Subject-Sequence: %llu\r\n",
                               ULL(publish->expect_subject));
    return at + (size_t)snprintf(out + at, 300 - at, "\r\n");
}

static void send(struct user *user, unsigned stream, uint64_t id)
{
    static uint8_t payload[CONTENT_MAX];
    struct history *history = &user->scene->streams[stream].history;
    const struct history_publish *publish = history_publish(history, id);
    char subject[16], reply[64], headers[300];
    size_t size = content_payload(&history->content, id, payload);

    write_headers(publish, headers);
    content_subject(&history->content, publish->subject, subject);
    snprintf(reply, sizeof reply, "_R.%u.%u.p.%u.%llu", user->number, user->connection, stream,
             ULL(id));
    SAY(user, "S%u publish %llu: subject %u, id %u, last %lld, subject's last %lld", stream,
        ULL(id), publish->subject, publish->msg_id, (long long)publish->expect_last,
        (long long)publish->expect_subject);
    if (user->open == 0)
        user->publish_ns = now(user);
    user->open++;
    sim_client_publish(&user->client, subject, reply, headers, bytes_of(payload, size));
}

uint64_t user_publish(struct user *user, unsigned stream)
{
    struct history *history = &user->scene->streams[stream].history;
    uint64_t id = history_sent(history, (uint8_t)below(user, HISTORY_SUBJECTS), 0, now(user));

    send(user, stream, id);
    return id;
}

/* The newest known of the subject; mostly right. */
static uint64_t guess_newest(struct history *history, uint8_t subject)
{
    for (uint64_t sequence = history->acked_last; sequence > 0; sequence--) {
        const struct history_message *message = history_message(history, sequence);

        if (message->id != 0 && history_publish(history, message->id)->subject == subject)
            return sequence;
    }
    return 0;
}

static void publish_one(struct user *user, unsigned number)
{
    struct scene_stream *stream = &user->scene->streams[number];
    uint8_t subject = (uint8_t)below(user, HISTORY_SUBJECTS);
    uint32_t msg_id = 0;
    struct history_publish *publish;
    uint64_t id;

    if (chance(user, 1, 5))
        msg_id = ++stream->msg_id_last;
    else if (stream->msg_id_last > 0 && chance(user, 1, 8)) /* again, whatever became of it */
        msg_id = stream->msg_id_last -
                 (uint32_t)below(user, stream->msg_id_last < 6 ? stream->msg_id_last : 6);
    id = history_sent(&stream->history, subject, msg_id, now(user));
    publish = history_publish(&stream->history, id);
    if (chance(user, 1, 10))
        publish->expect_last = stream->history.acked_last + (chance(user, 1, 6) ? 1 : 0);
    else if (chance(user, 1, 6))
        publish->expect_subject = guess_newest(&stream->history, subject);
    send(user, number, id);
}

static void publish_some(struct user *user)
{
    unsigned stream = (unsigned)below(user, user->scene->stream_count);

    if (!user->scene->streams[stream].created)
        return;
    for (uint64_t count = 1 + below(user, 8); count > 0 && user->open < OPEN_MAX; count--)
        publish_one(user, stream);
}

/* ---- consuming ------------------------------------------------------------------------------ */

static void send_pull(struct user *user, unsigned stream, int batch, const char *how)
{
    char subject[80], reply[48], body[80];

    user->pulls[stream]++;
    user->pulled_ns[stream] = now(user);
    snprintf(subject, sizeof subject, "$JS.API.CONSUMER.MSG.NEXT.S%u.C", stream);
    snprintf(reply, sizeof reply, "_R.%u.%u.m.%u.0", user->number, user->connection, stream);
    snprintf(body, sizeof body, "{\"batch\":%d,%s}", batch, how);
    sim_client_publish(&user->client, subject, reply, "", bytes_of_text(body));
}

static void pull(struct user *user, unsigned stream)
{
    if (!user->scene->streams[stream].consumer_created)
        return;
    if (now(user) - user->pulled_ns[stream] > PULL_NS + SECOND / 2)
        user->pulls[stream] = 0; /* a batch that is filled ends without a word */
    if (user->pulls[stream] > 2)
        return;
    send_pull(user, stream, 1 + (int)below(user, 40),
              chance(user, 1, 3) ? "\"no_wait\":true" : "\"expires\":1000000000");
}

static void answer_delivery(struct user *user, const struct user_pending *pending, unsigned how)
{
    static const char *const verbs[] = {
        "+ACK", "+ACK", "+ACK", "-NAK", "-NAK {\"delay\":200000000}", "+WPI"};
    char confirm[64] = "";

    if (how >= sizeof verbs / sizeof verbs[0])
        return; /* forgotten: it comes again after ack wait */
    if (how < 2)
        snprintf(confirm, sizeof confirm, "_R.%u.%u.a.%u.%llu", user->number, user->connection,
                 pending->stream, ULL(pending->sequence));
    SAY(user, "S%u %s of %llu", pending->stream, verbs[how], ULL(pending->sequence));
    sim_client_publish(&user->client, pending->reply, confirm, "", bytes_of_text(verbs[how]));
}

static void settle(struct user *user, bool all)
{
    while (user->pending_count > 0)
        answer_delivery(user, &user->pending[--user->pending_count],
                        all ? 0 : (unsigned)below(user, 8));
}

void user_drain(struct user *user, unsigned stream)
{
    settle(user, true);
    if (now(user) - user->pulled_ns[stream] > SECOND / 20)
        send_pull(user, stream, 200, "\"no_wait\":true");
}

/* ---- one thing of many ---------------------------------------------------------------------- */

static void look(struct user *user)
{
    unsigned stream = (unsigned)below(user, user->scene->stream_count);
    const struct scene_stream *at = &user->scene->streams[stream];

    if (user->ask != ASK_NOTHING || !at->created)
        return;
    switch (below(user, 9)) {
    case 8:
        if (!setting_full(&at->setting))
            user_ask(user, ASK_CHANGE, stream, 0);
        break;
    case 0: user_ask(user, ASK_INFO, stream, 0); break;
    case 1:
    case 2: user_ask(user, ASK_NEWEST, stream, below(user, HISTORY_SUBJECTS)); break;
    case 3:
        if (at->removals && at->history.acked_last > 0)
            user_ask(user, ASK_DELETE, stream, 1 + below(user, at->history.acked_last));
        break;
    default: /* often the newest */
        user_ask(user, chance(user, 1, 3) ? ASK_API_GET : ASK_GET, stream,
                 chance(user, 1, 2) && at->history.acked_last > 0
                     ? at->history.acked_last
                     : 1 + below(user, at->history.acked_last + 2));
        break;
    }
}

void user_act(struct user *user)
{
    user_look_at_time(user);
    if (!user_connected(user) || !user_set_up(user))
        return;
    switch (below(user, 10)) {
    case 0:
    case 1:
    case 2:
    case 3: publish_some(user); break;
    case 4: pull(user, (unsigned)below(user, user->scene->stream_count)); break;
    case 5:
    case 6: settle(user, false); break;
    case 7:
    case 8: look(user); break;
    default:
        if (chance(user, 1, 12))
            move_on(user);
        break;
    }
}
