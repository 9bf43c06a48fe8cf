#include "tests/sim/user.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND  INT64_C(1000000000)
#define ULL(x)  ((unsigned long long)(x))
#define DRAINED (4 * SECOND)

#define UNANSWERED_MAX 40 /* publishes; clients have such a limit, too */

[[gnu::format(printf, 2, 3)]] static void say(struct user *user, const char *format, ...)
{
    char text[2000];
    va_list arguments;

    if (user->say == NULL)
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    user->say(user->context, text);
}

static uint64_t below(struct user *user, uint64_t bound)
{
    return prng_below(user->prng, bound);
}

static bool chance(struct user *user, uint32_t numerator, uint32_t denominator)
{
    return prng_chance(user->prng, numerator, denominator);
}

static int64_t now(const struct user *user)
{
    return sim_now(user->sim);
}

/* ---- life ----------------------------------------------------------------------------------- */

static void draw_limits(struct user *user, struct spec_config *config)
{
    bool per_subject = config->discard_new_per_subject || chance(user, 1, 4);

    config->max_msgs = chance(user, 1, 3) ? 4 + below(user, 100) : 0;
    config->max_per_subject = per_subject ? 1 + below(user, 3) : 0;
    config->max_bytes = chance(user, 1, 5) ? 2000 + below(user, 60000) : 0;
    config->max_msg_size = chance(user, 1, 8) ? 200 : 0;
}

static void draw_config(struct user *user)
{
    user->config.rollups = chance(user, 3, 4);
    user->config.discard_new = chance(user, 1, 3);
    user->config.discard_new_per_subject = user->config.discard_new && chance(user, 1, 4);
    draw_limits(user, &user->config);
    /* Age depends on time, which the spec does not have: such a stream has nothing else. */
    if (chance(user, 1, 6)) {
        user->config = (struct spec_config){0};
        user->oracle.max_age_ns = SECOND + (int64_t)below(user, SECOND);
    }
}

void user_init(struct user *user, unsigned stream, struct sim *sim, struct sim_client *client,
               struct prng *prng)
{
    *user = (struct user){.stream = stream, .sim = sim, .client = client, .prng = prng};
    oracle_init(&user->oracle, stream);
    draw_config(user);
    worlds_init(&user->worlds, &user->config);
    spec_init(&user->guess, &user->config);
    user->worlds.given_up = user->oracle.max_age_ns > 0;
    for (unsigned i = 0; i < USER_READERS; i++)
        reader_init(&user->readers[i], (enum reader_kind)i,
                    chance(user, 1, 4) ? (int)below(user, SPEC_SUBJECTS) : -1, &user->oracle,
                    client, prng);
}

void user_deinit(struct user *user)
{
    for (unsigned i = 0; i < USER_READERS; i++)
        reader_deinit(&user->readers[i]);
    spec_deinit(&user->guess);
    worlds_deinit(&user->worlds);
    oracle_deinit(&user->oracle);
}

const char *user_violation(const struct user *user)
{
    if (user->oracle.violation[0] != 0)
        return user->oracle.violation;
    return user->worlds.violation[0] != 0 ? user->worlds.violation : NULL;
}

static void guess_again(struct user *user)
{
    spec_deinit(&user->guess);
    worlds_guess(&user->worlds, &user->guess);
}

void user_connected(struct user *user)
{
    for (unsigned i = 0; i < USER_READERS; i++)
        reader_reset(&user->readers[i]);
    user->asked_ns = 0;
}

void user_crashed(struct user *user)
{
    oracle_crashed(&user->oracle);
    for (unsigned i = 0; i < USER_READERS; i++)
        reader_crashed(&user->readers[i], now(user));
    /* Publishes amid those without an answer have failed, and others behind them have not. */
    if (user->disk_failed && !worlds_at_rest(&user->worlds))
        user->worlds.given_up = true;
    user->disk_failed = false;
    if (!user->worlds.given_up)
        worlds_crashed(&user->worlds);
    guess_again(user);
    /* Many states are possible now: mostly it is asked which one before it goes on. */
    user->state = user->worlds.possible.count > 4 && chance(user, 3, 4) ? USER_RESTING : USER_BUSY;
    user->op_again =
        user->op_open && user->worlds.op_state == WORLDS_ASKED && !user->worlds.given_up;
    user->op_open = user->op_again;
    user->get_open = false;
    user->looked = 0;
    user_connected(user);
}

/* ---- asking --------------------------------------------------------------------------------- */

[[gnu::format(printf, 4, 5)]] static void ask(struct user *user, const char *verb,
                                              const char *reply, const char *format, ...)
{
    char subject[80], to[64], body[800];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(body, sizeof body, format, arguments);
    va_end(arguments);
    snprintf(subject, sizeof subject, "$JS.API.%s.S%u", verb, user->stream);
    snprintf(to, sizeof to, "_R.%u.%s", user->stream, reply);
    sim_client_publish(user->client, subject, to, "", bytes_of_text(body));
}

/* 0 is "no limit" here and -1 there. */
static long long limit(uint64_t value)
{
    return value == 0 ? -1 : (long long)value;
}

static void ask_with_config(struct user *user, const char *verb, const char *reply)
{
    const struct spec_config *c = &user->config;
    int64_t age_ns = user->oracle.max_age_ns;

    ask(user, verb, reply,
        "{\"name\":\"S%u\",\"subjects\":[\"s%u.>\"],\"allow_direct\":true,\"max_msgs\":%lld,"
        "\"max_bytes\":%lld,\"max_msgs_per_subject\":%lld,\"max_msg_size\":%lld,\"discard\":\"%s\","
        "\"discard_new_per_subject\":%s,\"allow_rollup_hdrs\":%s,\"max_age\":%lld,"
        "\"duplicate_window\":%lld,\"compression\":\"%s\"}",
        user->stream, user->stream, limit(c->max_msgs), limit(c->max_bytes),
        limit(c->max_per_subject), limit(c->max_msg_size), c->discard_new ? "new" : "old",
        c->discard_new_per_subject ? "true" : "false", c->rollups ? "true" : "false",
        (long long)age_ns, (long long)(age_ns > 0 ? age_ns : 3600 * SECOND),
        user->stream % 2 == 0 ? "s2" : "none");
}

void user_set_up(struct user *user)
{
    if (!user->created) {
        if (user->asked_ns == 0 || now(user) - user->asked_ns > SECOND)
            ask_with_config(user, "STREAM.CREATE", "s");
        if (user->asked_ns == 0 || now(user) - user->asked_ns > SECOND)
            user->asked_ns = now(user);
        return;
    }
    if (user->op_again)
        ask_with_config(user, "STREAM.UPDATE", "o");
    user->op_again = false;
    for (unsigned i = 0; i < USER_READERS; i++) {
        if (!user->readers[i].ready && reader_due(&user->readers[i]))
            reader_set_up(&user->readers[i], now(user));
    }
}

bool user_ready(const struct user *user)
{
    bool ready = user->created;

    for (unsigned i = 0; i < USER_READERS; i++)
        ready = ready && (user->readers[i].ready || !reader_due(&user->readers[i]));
    return ready;
}

/* ---- publishing ----------------------------------------------------------------------------- */

[[gnu::format(printf, 3, 4)]] static size_t header(char out[static 512], size_t at,
                                                   const char *format, ...)
{
    va_list arguments;

    if (at == 0)
        at = (size_t)snprintf(out, 512, "NATS/1.0\r\n");
    va_start(arguments, format);
    at += (size_t)vsnprintf(out + at, 512 - at, format, arguments);
    va_end(arguments);
    return at + (size_t)snprintf(out + at, 512 - at, "\r\n");
}

static size_t write_headers(const struct user *user, const struct spec_publish *p,
                            char out[static 512])
{
    size_t at = 0;
    char name[16];

    out[0] = 0;
    if (p->msg_id != 0)
        at = header(out, at, "Nats-Msg-Id: id-%u", p->msg_id);
    if (p->expect_last != SPEC_NONE)
        at = header(out, at, "Nats-Expected-Last-Sequence: %llu", ULL(p->expect_last));
    if (p->expect_subject != SPEC_NONE)
        at = header(out, at, "Nats-Expected-Last-Subject-Sequence: %llu", ULL(p->expect_subject));
    if (p->expect_subject != SPEC_NONE && p->filter == SPEC_ALL) {
        at = header(out, at, "Nats-Expected-Last-Subject-Sequence-Subject: s%u.*", user->stream);
    } else if (p->expect_subject != SPEC_NONE && p->filter < SPEC_ALL) {
        content_subject(&user->oracle.content, p->filter, name);
        at = header(out, at, "Nats-Expected-Last-Subject-Sequence-Subject: %s", name);
    }
    if (p->expect_id != UINT32_MAX)
        at = header(out, at, "Nats-Expected-Last-Msg-Id: id-%u", p->expect_id);
    if (p->rollup != SPEC_KEEP)
        at = header(out, at, "Nats-Rollup: %s", p->rollup == SPEC_ROLLUP_ALL ? "all" : "sub");
    return at > 0 ? at + (size_t)snprintf(out + at, 512 - at, "\r\n") : 0;
}

static void publish(struct user *user, struct spec_publish *p)
{
    static uint8_t payload[CONTENT_MAX];
    char name[16], reply[64], headers[512];
    size_t head = write_headers(user, p, headers), body;

    p->id = oracle_sent(&user->oracle, p->subject, p->msg_id, now(user));
    body = content_payload(&user->oracle.content, p->id, payload);
    content_subject(&user->oracle.content, p->subject, name);
    p->size = (uint32_t)(head + body);
    p->stored_size = (uint32_t)(22 + strlen(name) + body + 8 + (head > 0 ? 4 + head : 0));
    if (!user->worlds.given_up) {
        worlds_sent(&user->worlds, p);
        (void)spec_publish(&user->guess, p);
    }
    say(user,
        "S%u publish %llu: subject %u, id %u, roll-up %u, expects %lld of %u, last %lld, id %d",
        user->stream, ULL(p->id), p->subject, p->msg_id, p->rollup, (long long)p->expect_subject,
        p->filter, (long long)p->expect_last, (int)p->expect_id);
    snprintf(reply, sizeof reply, "_R.%u.p.%llu", user->stream, ULL(p->id));
    sim_client_publish(user->client, name, reply, headers, bytes_of(payload, body));
}

/* Mostly what will be right. */
static uint64_t near(struct user *user, uint64_t sequence)
{
    return chance(user, 1, 4) ? below(user, sequence + 2) : sequence;
}

static void draw_expectations(struct user *user, struct spec_publish *p)
{
    if (chance(user, 1, 4)) {
        if (chance(user, 1, 2))
            p->filter = (uint8_t)below(user, SPEC_SUBJECTS + 1);
        p->expect_subject =
            near(user, spec_newest(&user->guess, p->filter == SPEC_OWN ? p->subject : p->filter));
    }
    if (chance(user, 1, 12))
        p->expect_last = near(user, user->guess.last);
    if (chance(user, 1, 30))
        p->expect_id = chance(user, 1, 2) && user->guess.last_id != 0
                           ? user->guess.last_id
                           : 1 + (uint32_t)below(user, 100);
}

static void draw_id(struct user *user, struct spec_publish *p)
{
    if (chance(user, 1, 6))
        p->msg_id = ++user->msg_id_last;
    else if (user->msg_id_last > 0 && chance(user, 1, 10))
        p->msg_id = user->msg_id_last -
                    (uint32_t)below(user, user->msg_id_last < 12 ? user->msg_id_last : 12);
}

static void publish_one(struct user *user)
{
    struct spec_publish p = {
        .subject = (uint8_t)below(user, SPEC_SUBJECTS),
        .filter = SPEC_OWN,
        .expect_last = SPEC_NONE,
        .expect_subject = SPEC_NONE,
        .expect_id = UINT32_MAX,
    };

    if (user->oracle.max_age_ns == 0 && chance(user, 2, 3)) {
        draw_id(user, &p);
        draw_expectations(user, &p);
        if (chance(user, 1, 25))
            p.rollup = SPEC_ROLLUP_SUBJECT;
        else if (chance(user, 1, 80))
            p.rollup = SPEC_ROLLUP_ALL;
    }
    publish(user, &p);
}

static void publish_some(struct user *user)
{
    uint64_t count = 1 + below(user, 12);

    for (; count > 0 && worlds_unanswered(&user->worlds) < UNANSWERED_MAX; count--)
        publish_one(user);
}

/* ---- operations ----------------------------------------------------------------------------- */

static void purge(struct user *user, struct spec_op *op)
{
    char filter[48] = "", name[16];

    op->kind = SPEC_PURGE;
    op->filter = SPEC_OWN;
    if (chance(user, 3, 4)) {
        op->filter = (uint8_t)below(user, SPEC_SUBJECTS);
        content_subject(&user->oracle.content, op->filter, name);
        snprintf(filter, sizeof filter, ",\"filter\":\"%s\"", name);
    }
    if (chance(user, 1, 3))
        op->keep = 1 + below(user, 5);
    else if (chance(user, 1, 2))
        op->below = 1 + below(user, user->guess.last + 3);
    ask(user, "STREAM.PURGE", "o", "{\"seq\":%llu,\"keep\":%llu%s}", ULL(op->below), ULL(op->keep),
        filter);
}

static void delete_message(struct user *user, struct spec_op *op)
{
    op->kind = SPEC_DELETE;
    op->sequence = 1 + below(user, user->guess.last + 1);
    if (user->guess.count > 0 && chance(user, 3, 4)) /* often a subject's last */
        op->sequence = user->guess
                           .at[user->guess.count - 1 -
                               below(user, user->guess.count < 10 ? user->guess.count : 10)]
                           .sequence;
    ask(user, "STREAM.MSG.DELETE", "o", "{\"seq\":%llu%s}", ULL(op->sequence),
        chance(user, 1, 2) ? ",\"no_erase\":true" : "");
}

static void configure(struct user *user, struct spec_op *op)
{
    draw_limits(user, &user->config);
    op->kind = SPEC_CONFIGURE;
    op->config = user->config;
    ask_with_config(user, "STREAM.UPDATE", "o");
}

static void operate(struct user *user)
{
    struct spec_op op = {0};

    if (user->op_open || user->worlds.op_state != WORLDS_IDLE || user->oracle.max_age_ns > 0)
        return;
    switch (below(user, 4)) {
    case 0: purge(user, &op); break;
    case 1: configure(user, &op); break;
    default: delete_message(user, &op); break;
    }
    user->op_open = true;
    if (!user->worlds.given_up)
        worlds_op_sent(&user->worlds, &op);
    (void)spec_operate(&user->guess, &op);
    say(user, "S%u operation %d (filter %u, below %llu, keep %llu, sequence %llu)", user->stream,
        op.kind, op.filter, ULL(op.below), ULL(op.keep), ULL(op.sequence));
}

/* ---- reading -------------------------------------------------------------------------------- */

static void get(struct user *user, uint64_t sequence)
{
    char reply[32];

    user->get_open = true;
    user->get_sequence = sequence;
    user->get_stored = sequence <= user->oracle.stored_last;
    user->get_asked_ns = now(user);
    snprintf(reply, sizeof reply, "g.%llu", ULL(++user->get_number));
    ask(user, "DIRECT.GET", reply, "{\"seq\":%llu}", ULL(sequence));
}

/* ---- one thing of many ---------------------------------------------------------------------- */

void user_rest(struct user *user)
{
    if (user->state == USER_BUSY)
        user->state = USER_RESTING;
}

bool user_at_rest(const struct user *user)
{
    bool answered = !user->op_open;

    for (uint64_t id = user->oracle.publish_count; answered && id > 0; id--)
        answered = user->oracle.publishes[id].outcome != ORACLE_OPEN;
    return answered && (user->worlds.given_up || worlds_at_rest(&user->worlds));
}

void user_look(struct user *user)
{
    char name[16];

    user->state = USER_LOOKING;
    user->disk_failed = user->disk_failed && now(user) - user->disk_failed_ns < 1000000000;
    user->looked = 2;
    user->look_again = false;
    user->newest_subject = (uint8_t)below(user, SPEC_SUBJECTS);
    content_subject(&user->oracle.content, user->newest_subject, name);
    ask(user, "STREAM.INFO", "i", "%s", "");
    ask(user, "STREAM.MSG.GET", "n", "{\"last_by_subj\":\"%s\"}", name);
}

bool user_has_looked(const struct user *user)
{
    return user->looked == 0;
}

static void act_busy(struct user *user)
{
    struct reader *reader = &user->readers[below(user, USER_READERS)];

    switch (below(user, 16)) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
    case 5: publish_some(user); break;
    case 6: reader_pull(&user->readers[READER_PULL], now(user)); break;
    case 7: /* seldom: it is to be behind */
        if (user->readers[READER_NEW].ready && chance(user, 1, 3))
            reader_pull(&user->readers[READER_NEW], now(user));
        break;
    case 8:
    case 9:
    case 10: reader_settle(reader, now(user), false); break;
    case 11:
    case 12:
        if (!user->get_open)
            get(user, 1 + below(user, user->oracle.stored_last + 2));
        break;
    case 13:
    case 14: operate(user); break;
    default:
        if (chance(user, 1, 2))
            user_rest(user);
        break;
    }
}

void user_act(struct user *user)
{
    user_set_up(user);
    if (!user->created)
        return;
    if (user->state == USER_RESTING && user_at_rest(user))
        user_look(user);
    if (user->state == USER_BUSY)
        act_busy(user);
    else
        reader_settle(&user->readers[chance(user, 1, 2) ? READER_PULL : READER_NEW], now(user),
                      false);
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

static void find_description(struct bytes text, char out[static 64])
{
    static const char key[] = "\"description\":\"";
    const char *at = memmem(text.at, text.size, key, sizeof key - 1);
    size_t size = 0;

    out[0] = 0;
    if (at == NULL)
        return;
    for (at += sizeof key - 1; at[size] != '"' && size < 63; size++)
        out[size] = at[size];
    out[size] = 0;
}

/* An error that says something about the disk, not about the request. */
static bool of_disk(const struct spec_answer *answer)
{
    return answer->error == 10077 && strncmp(answer->text, "maximum", 7) != 0 &&
           strncmp(answer->text, "message too large", 17) != 0;
}

static struct spec_answer read_answer(const struct client_message *message)
{
    struct spec_answer answer = {.outcome = SPEC_FAILED};
    uint64_t code;

    if (find_number(message->payload, "\"err_code\":", &code)) {
        answer.outcome = SPEC_REFUSED;
        answer.error = (unsigned)code;
        find_description(message->payload, answer.text);
        if (of_disk(&answer))
            answer.outcome = SPEC_FAILED;
    } else if (find_number(message->payload, "\"seq\":", &answer.sequence)) {
        answer.outcome =
            contains(message->payload, "\"duplicate\": true") ? SPEC_DUPLICATE : SPEC_STORED;
    }
    return answer;
}

static void heard_publish(struct user *user, uint64_t id, const struct client_message *message)
{
    static const enum oracle_outcome outcomes[] = {ORACLE_STORED, ORACLE_DUPLICATE, ORACLE_REFUSED,
                                                   ORACLE_UNKNOWN};
    struct spec_answer answer = read_answer(message);
    bool looked = !contains(message->headers, "503") && answer.error != 10167;

    say(user, "publish %llu: %.*s", ULL(id),
        message->payload.size < 200 ? (int)message->payload.size : 200,
        (const char *)message->payload.at);
    if (id == 0 || id > user->oracle.publish_count) {
        oracle_violate(&user->oracle, "an answer to publish %llu, which was not sent", ULL(id));
        return;
    }
    if (!user->worlds.given_up)
        worlds_answered(&user->worlds, id, &answer, looked);
    oracle_answered(&user->oracle, id, outcomes[answer.outcome], answer.sequence, now(user));
}

static void heard_operation(struct user *user, const struct client_message *message)
{
    uint64_t removed = UINT64_MAX, code = 0;
    bool failed = find_number(message->payload, "\"err_code\":", &code);

    if (!user->op_open)
        return;
    user->op_open = false;
    if (user->worlds.given_up)
        return;
    if (failed && (code == 10043 || contains(message->payload, "no message found")))
        worlds_op_answered(&user->worlds, 0); /* there was no such message */
    else if (failed && contains(message->payload, "not yet erased"))
        worlds_op_answered(&user->worlds, 1); /* the disk has refused more than the deletion */
    else if (failed)
        worlds_op_failed(&user->worlds);
    else if (user->worlds.op.kind == SPEC_DELETE)
        worlds_op_answered(&user->worlds, 1);
    else if (find_number(message->payload, "\"purged\":", &removed))
        worlds_op_answered(&user->worlds, removed);
    else
        worlds_op_answered(&user->worlds, UINT64_MAX);
}

/* A stream that could not be opened has no responder (503), and that says nothing of a message. */
static void heard_get(struct user *user, uint64_t number, const struct client_message *message)
{
    const char *subject = memmem(message->headers.at, message->headers.size, "Nats-Subject: ", 14);
    uint64_t sequence;

    if (!user->get_open || number != user->get_number)
        return;
    user->get_open = false;
    user->get_found =
        subject != NULL && find_number(message->headers, "Nats-Sequence: ", &sequence);
    if (user->get_found) {
        oracle_shown(&user->oracle, user->get_asked_ns, sequence, subject + 14,
                     strcspn(subject + 14, "\r"), message->payload.at, message->payload.size);
        oracle_check_age(&user->oracle, user->get_asked_ns, user->get_sequence);
    } else if (user->get_stored && contains(message->headers, "NATS/1.0 404")) {
        oracle_not_found(&user->oracle, user->get_sequence, now(user));
    }
}

/* Everything is answered, so what is not there now never comes back. */
static void remember_gone(struct user *user)
{
    const struct worlds_list *list = &user->worlds.possible;

    if (user->worlds.given_up)
        return;
    for (uint64_t sequence = 1; sequence <= user->oracle.stored_last; sequence++) {
        struct oracle_message *message = oracle_message(&user->oracle, sequence);
        bool gone = true;

        if (message->absent_ns != 0)
            worlds_seen_message(&user->worlds, sequence, false, "it was not found before");
        for (size_t i = 0; gone && i < list->count; i++)
            gone = spec_find(&list->at[i].spec, sequence) == NULL;
        if (gone && message->gone_ns == 0)
            message->gone_ns = now(user);
    }
}

static void heard_look(struct user *user, bool newest, const struct client_message *message)
{
    uint64_t sequence = 0;

    if (user->looked == 0)
        return;
    user->looked--;
    if (contains(message->payload, "\"err_code\":10194")) { /* it wants for a descriptor */
        user->look_again = true;
    } else if (newest) {
        (void)find_number(message->payload, "\"seq\":", &sequence);
        if (!user->worlds.given_up)
            worlds_seen_newest(&user->worlds, user->newest_subject, sequence);
    } else {
        struct bytes p = message->payload;

        if (!find_number(p, "\"messages\":", &user->info.messages) ||
            !find_number(p, "\"bytes\":", &user->info.bytes) ||
            !find_number(p, "\"first_seq\":", &user->info.first) ||
            !find_number(p, "\"last_seq\":", &user->info.last))
            oracle_violate(&user->oracle, "stream info is refused");
        if (!user->worlds.given_up)
            worlds_seen_info(&user->worlds, &user->info);
    }
    if (user->looked > 0)
        return;
    if (user->look_again) {
        user_look(user);
        return;
    }
    remember_gone(user);
    guess_again(user);
    user->state = USER_BUSY;
}

static void heard_stream(struct user *user, const struct client_message *message)
{
    if (contains(message->payload, "\"did_create\"") || contains(message->payload, "\"created\""))
        user->created = true;
}

static void heard_consumer(struct user *user, uint64_t kind, const struct client_message *message)
{
    if (kind < USER_READERS)
        reader_created(&user->readers[kind], contains(message->payload, "\"num_pending\""));
}

void user_heard(struct user *user, const char *rest, const struct client_message *message)
{
    unsigned long long number = 0, kind = 0;

    if (rest[0] != 'p' && rest[0] != 'g')
        say(user, "%s: %.*s", rest,
            message->payload.size < 1200 ? (int)message->payload.size : 1200,
            (const char *)message->payload.at);
    if (sscanf(rest, "p.%llu", &number) == 1)
        heard_publish(user, number, message);
    else if (sscanf(rest, "g.%llu", &number) == 1)
        heard_get(user, number, message);
    else if (sscanf(rest, "a.%llu.%llu", &kind, &number) == 2 && kind < USER_READERS)
        reader_confirmed(&user->readers[kind], number);
    else if (sscanf(rest, "c.%llu", &kind) == 1)
        heard_consumer(user, kind, message);
    else if (rest[0] == 'o')
        heard_operation(user, message);
    else if (rest[0] == 's')
        heard_stream(user, message);
    else if (rest[0] == 'i' || rest[0] == 'n')
        heard_look(user, rest[0] == 'n', message);
    else if (sscanf(rest, "m.%llu", &kind) == 1 && kind < USER_READERS)
        reader_ended_pull(&user->readers[kind]); /* a status ends the pull */
}

void user_delivered(struct user *user, const char *name, const struct reader_counts *counts,
                    const struct client_message *message)
{
    say(user, "S%u %s: sequence %llu, delivery %llu, consumer %llu, pending %llu", user->stream,
        name, counts->stream, counts->delivered, counts->consumer, counts->pending);
    for (unsigned i = 0; i < USER_READERS; i++) {
        if (strcmp(user->readers[i].name, name) == 0)
            reader_delivered(&user->readers[i], now(user), counts, message, user->timely);
    }
}

/* ---- the end -------------------------------------------------------------------------------- */

bool user_drained(struct user *user)
{
    int64_t last_ns = 0;

    user_set_up(user); /* an ordered consumer may have to start anew */
    for (unsigned i = 0; i < USER_READERS; i++) {
        struct reader *reader = &user->readers[i];

        reader_settle(reader, now(user), true);
        if (reader->delivered_ns > last_ns)
            last_ns = reader->delivered_ns;
        if (reader_pulls(reader) && reader->ready &&
            (reader->pulls == 0 || now(user) - reader->pulled_ns > SECOND / 2))
            reader_pull(reader, now(user));
    }
    return user_ready(user) && now(user) - last_ns > DRAINED;
}

static void read_sequence(struct user *user)
{
    if (!user->worlds.given_up)
        worlds_seen_message(&user->worlds, user->get_sequence, user->get_found, "read at the end");
    oracle_message(&user->oracle, user->get_sequence)->present = user->get_found;
}

bool user_read_on(struct user *user)
{
    if (user->read_next > user->info.last)
        return true;
    if (user->read_next == 0) {
        user->read_next = user->info.first > 0 ? user->info.first : 1;
    } else if (user->get_open) {
        return false;
    } else {
        read_sequence(user);
        user->read_next++;
    }
    if (user->read_next > user->info.last)
        return true;
    get(user, user->read_next);
    return false;
}

void user_check(struct user *user)
{
    for (uint64_t sequence = 1; sequence <= user->info.last; sequence++) {
        const struct oracle_message *message = oracle_message(&user->oracle, sequence);

        for (unsigned i = 0; message->present && i < USER_READERS; i++)
            reader_must_have_seen(&user->readers[i], sequence,
                                  user->oracle.publishes[message->id].subject);
    }
}
