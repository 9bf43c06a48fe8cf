#include "server/clients/callout_desk.h"

#include <stdio.h>

#include "base/heap.h"
#include "base/owner.h"
#include "base/subject.h"
#include "base/table.h"
#include "base/text.h"

#define SECOND_NS    INT64_C(1000000000)
#define SHARD_SIZE   8u /* characters that tell the replies of this desk from others' */
#define SUBJECT_SIZE 64u

/* An account where it is asked. */
struct home {
    struct home *next;
    struct account *account;
    struct sink *sink; /* for what is answered there */
};

struct callout_desk {
    struct callout_desk_setup setup;
    struct home *homes;
    char shard[SHARD_SIZE + 1];
    struct table all; /* by token */
};

static struct bytes key_of(const void *item)
{
    return bytes_of_text(((const struct callout_ask *)item)->token);
}

struct callout_desk *callout_desk_create(const struct callout_desk_setup *setup)
{
    struct callout_desk *desk = HEAP_NEW(struct callout_desk);

    desk->setup = *setup;
    text_base62(setup->prng, desk->shard, SHARD_SIZE);
    table_init(&desk->all, key_of, prng_next(setup->prng));
    return desk;
}

void callout_desk_destroy(struct callout_desk *desk)
{
    struct home *home;

    if (desk == NULL)
        return;
    assert(desk->all.count == 0);
    table_deinit(&desk->all);
    while ((home = desk->homes) != NULL) {
        desk->homes = home->next;
        router_sink_remove(desk->setup.router, home->sink);
        heap_give(home);
    }
    heap_give(desk);
}

static int64_t wall_s(const struct callout_desk *desk)
{
    return io_wall(desk->setup.io) / SECOND_NS;
}

/* ---- answers -------------------------------------------------------------------------------- */

static void answered(void *owner, const struct message *message)
{
    struct callout_desk *desk = owner;
    struct callout_ask *ask = table_find(&desk->all, subject_token(message_sent_to(message), 3));
    struct io *io = desk->setup.io;

    if (ask == NULL || ask->answered || message->payload.size > CALLOUT_ASK_MAX)
        return;
    ask->answered = true;
    ask->answer = heap_copy(message->payload);
    timers_arm(io_timers(io), &ask->timer, io_now(io));
}

static void over(struct timer *timer)
{
    struct callout_ask *ask = owner_of(timer, struct callout_ask, timer);

    ask->over(ask);
}

static struct bytes xkey_of(const struct callout_desk *desk, const struct callout_about *about)
{
    const struct callout_options *options = auth_callout(desk->setup.auth, about->home);

    return options != NULL ? options->xkey : bytes_of(NULL, 0);
}

static bool is_sealed(struct bytes answer)
{
    return !bytes_starts(answer, BYTES("eyJ"));
}

static bool open_answer(const struct callout_ask *ask, struct bytes xkey, struct buf *out,
                        char why[static CALLOUT_WHY_SIZE])
{
    if (xkey.size == 0)
        return buf_add(out, ask->answer);
    if (callout_open(out, ask->answer, xkey, ask->desk->setup.info->curve_seed))
        return true;
    snprintf(why, CALLOUT_WHY_SIZE, "Error decrypting auth callout response");
    return false;
}

const struct auth_user *callout_ask_read(const struct callout_ask *ask,
                                         const struct callout_about *about)
{
    const struct callout_desk *desk = ask->desk;
    struct bytes xkey = xkey_of(desk, about);
    const struct callout_wanted wanted = {
        .user = bytes_of_text(ask->user),
        .server_id = bytes_of_text(desk->setup.info->id),
        .home = about->home,
        .sealed = xkey.size > 0 && is_sealed(ask->answer),
        .said = about->said,
        .type = about->type,
        .wall_s = wall_s(desk),
    };
    const struct auth_user *user = NULL;
    char why[CALLOUT_WHY_SIZE] = "";
    struct buf answer;

    buf_init(&answer, CALLOUT_ASK_MAX);
    if (open_answer(ask, xkey, &answer, why))
        user = callout_read(desk->setup.auth, buf_bytes(&answer), &wanted, why);
    buf_deinit(&answer);
    if (user == NULL)
        logger_warn(desk->setup.logger, "%s", why);
    return user;
}

/* ---- questions ------------------------------------------------------------------------------ */

static void make_names(struct callout_ask *ask)
{
    uint8_t random[CALLOUT_TOKEN_SIZE + NKEY_SIZE];
    struct prng prng;
    uint64_t seed;

    io_random(ask->desk->setup.io, random, sizeof(random));
    nkey_write(ask->user, NKEY_USER, random);
    memcpy(&seed, random + NKEY_SIZE, sizeof(seed));
    prng_seed(&prng, seed);
    text_base62(&prng, ask->token, CALLOUT_TOKEN_SIZE);
}

void callout_ask_begin(struct callout_desk *desk, struct callout_ask *ask,
                       void (*when_over)(struct callout_ask *ask), int64_t until_ns)
{
    *ask = (struct callout_ask){.desk = desk, .over = when_over, .timer.fire = over};
    make_names(ask);
    table_add(&desk->all, ask);
    if (until_ns < INT64_MAX)
        timers_arm(io_timers(desk->setup.io), &ask->timer, until_ns);
}

void callout_ask_end(struct callout_ask *ask)
{
    struct callout_desk *desk = ask->desk;

    timers_cancel(io_timers(desk->setup.io), &ask->timer);
    (void)table_remove(&desk->all, bytes_of_text(ask->token));
    heap_give((void *)ask->answer.at);
    ask->answer = bytes_of(NULL, 0);
}

static void listen_in(struct callout_desk *desk, struct account *account)
{
    char subject[SUBJECT_SIZE];
    struct home *home;

    for (home = desk->homes; home != NULL; home = home->next)
        if (home->account == account)
            return;
    home = HEAP_NEW(struct home);
    snprintf(subject, sizeof(subject), "$SYS._INBOX.%s.*", desk->shard);
    home->account = account;
    home->sink =
        router_sink_add_known(desk->setup.router, account, bytes_of_text(subject), answered, desk);
    home->next = desk->homes;
    desk->homes = home;
}

bool callout_ask_other(struct callout_ask *ask, struct account *account, struct message *message)
{
    struct callout_desk *desk = ask->desk;
    char reply[SUBJECT_SIZE];

    listen_in(desk, account);
    snprintf(reply, sizeof(reply), "$SYS._INBOX.%s.%s", desk->shard, ask->token);
    message->reply = bytes_of_text(reply);
    return router_publish(desk->setup.router, account, message) > 0;
}

struct account *callout_ask_account(const struct callout_ask *ask,
                                    const struct callout_about *about)
{
    const struct callout_desk_setup *setup = &ask->desk->setup;
    const struct callout_options *options = auth_callout(setup->auth, about->home);

    return options != NULL ? router_account(setup->router, options->account) : NULL;
}

static struct bytes or_nothing(const char *text)
{
    return text != NULL ? bytes_of_text(text) : bytes_of(NULL, 0);
}

static bool write_question(const struct callout_ask *ask, const struct callout_options *callout,
                           const struct callout_told *told, struct buf *out)
{
    const struct callout_desk *desk = ask->desk;
    const struct options *options = desk->setup.options;
    const struct info *info = desk->setup.info;
    const struct callout_question question = {
        .id = bytes_of_text(ask->token),
        .issuer = callout->issuer,
        .user = bytes_of_text(ask->user),
        .server_id = bytes_of_text(info->id),
        .server_name = or_nothing(info->name),
        .host = or_nothing(info->host),
        .server_xkey = callout->xkey.size > 0 ? bytes_of_text(info->curve_id) : bytes_of(NULL, 0),
        .version = BYTES(NATS_VERSION),
        .cluster = info->cluster,
        .tags = options->server_tags.at,
        .tags_count = options->server_tags.count,
        .client = told->client,
        .connect = told->connect,
        .tls = told->tls,
        .issued_s = wall_s(desk),
        .expires_s = wall_s(desk) + told->patience_ns / SECOND_NS,
    };

    return callout_write(out, &question, info->seed);
}

/* Both are as they are when nobody asked for secrecy. */
static bool seal(const struct callout_desk *desk, struct bytes xkey, struct buf *question,
                 struct buf *headers)
{
    const struct info *info = desk->setup.info;
    uint8_t nonce[BOX_NONCE_SIZE];
    struct buf sealed;
    bool done;

    if (xkey.size == 0)
        return true;
    io_random(desk->setup.io, nonce, sizeof(nonce));
    buf_init(&sealed, CALLOUT_ASK_MAX);
    done = callout_seal(&sealed, buf_bytes(question), xkey, info->curve_seed, nonce) &&
           buf_print(headers, "NATS/1.0\r\nNats-Server-Xkey: %s\r\n\r\n", info->curve_id);
    explicit_bzero(question->at, question->size);
    buf_clear(question);
    done = done && buf_add(question, buf_bytes(&sealed));
    buf_deinit(&sealed);
    return done;
}

/* False: nobody is there to answer, or it cannot be asked. */
static bool publish_question(struct callout_ask *ask, struct account *account,
                             const struct callout_options *callout, const struct callout_told *told)
{
    struct message message = {.subject = BYTES(CALLOUT_SUBJECT)};
    struct buf question, headers;
    bool asked = false;

    buf_init(&question, CALLOUT_ASK_MAX);
    buf_init(&headers, CALLOUT_ASK_MAX);
    if (write_question(ask, callout, told, &question) &&
        seal(ask->desk, callout->xkey, &question, &headers)) {
        message.payload = buf_bytes(&question);
        message.headers = buf_bytes(&headers);
        asked = callout_ask_other(ask, account, &message);
    }
    if (question.size > 0)
        explicit_bzero(question.at, question.size);
    buf_deinit(&question);
    buf_deinit(&headers);
    return asked;
}

void callout_ask_send(struct callout_ask *ask, struct account *account,
                      const struct callout_about *about, const struct callout_told *told)
{
    const struct callout_options *callout = auth_callout(ask->desk->setup.auth, about->home);

    if (callout == NULL || !publish_question(ask, account, callout, told))
        logger_debug(ask->desk->setup.logger,
                     "Nobody answers authorization requests on account \"%.*s\"",
                     BYTES_ARG(account_name(account)));
}
