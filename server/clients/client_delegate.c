/* A client that somebody else is to let in: what that one is told of it. */
#include "base/heap.h"
#include "base/json.h"
#include "server/clients/client_priv.h"

#define DESCRIPTION_MAX (4u << 20)

/* Left out where it says nothing. */
static struct bytes called(const struct auth_claim *claim, const struct auth_user *user)
{
    if (claim->nkey.size > 0)
        return claim->nkey;
    if (claim->user.size > 0)
        return claim->user;
    if (user != NULL && user->made != NULL)
        return auth_user_name(user);
    return claim->token.size > 0 ? BYTES("[REDACTED]") : bytes_of(NULL, 0);
}

static void describe(const struct client *client, const struct auth_claim *claim,
                     const struct auth_user *user, const struct connect *said, struct buf *out)
{
    struct json_writer w;

    json_writer_init(&w, out);
    json_object_begin(&w);
    json_put_given(&w, BYTES("host"), bytes_of_text(client->address));
    json_key(&w, BYTES("id"));
    json_number_u64(&w, client->id);
    json_put_given(&w, BYTES("user"), called(claim, user));
    json_put_given(&w, BYTES("name"), said->name);
    json_put_given(&w, BYTES("kind"), BYTES("Client"));
    json_put_given(&w, BYTES("type"),
                   client->type == CONNECTION_WEBSOCKET ? BYTES("websocket") : BYTES("nats"));
    if (claim->signature.size > 0)
        json_put_given(&w, BYTES("nonce"), claim->nonce);
    json_object_end(&w);
}

static void repeat(const struct auth_claim *claim, const struct connect *said, struct buf *out)
{
    struct json_writer w;

    json_writer_init(&w, out);
    json_object_begin(&w);
    json_put_given(&w, BYTES("jwt"), claim->jwt);
    json_put_given(&w, BYTES("nkey"), claim->nkey);
    json_put_given(&w, BYTES("sig"), claim->signature);
    json_put_given(&w, BYTES("auth_token"), claim->token);
    json_put_given(&w, BYTES("user"), claim->user);
    json_put_given(&w, BYTES("pass"), claim->password);
    json_put_given(&w, BYTES("name"), said->name);
    json_put_given(&w, BYTES("lang"), said->lang);
    json_put_given(&w, BYTES("version"), said->version);
    json_key(&w, BYTES("protocol"));
    json_number_i64(&w, said->protocol);
    json_object_end(&w);
}

struct client_question *client_question_make(const struct client *client,
                                             const struct auth_claim *claim,
                                             const struct auth_user *user,
                                             const struct connect *said)
{
    struct client_question *question = HEAP_NEW(struct client_question);

    buf_init(&question->client, DESCRIPTION_MAX);
    buf_init(&question->connect, DESCRIPTION_MAX);
    describe(client, claim, user, said, &question->client);
    repeat(claim, said, &question->connect);
    question->said = heap_copy(called(claim, user));
    if (user != NULL && user->made != NULL)
        question->home = heap_copy(user->options->account->name);
    return question;
}

void client_question_free(struct client_question *question)
{
    if (question == NULL)
        return;
    if (question->connect.size > 0)
        explicit_bzero(question->connect.at, question->connect.size);
    buf_deinit(&question->client);
    buf_deinit(&question->connect);
    heap_give((void *)question->said.at);
    heap_give((void *)question->home.at);
    heap_give(question);
}
