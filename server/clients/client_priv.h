/*
 * What the files of the client core share. Private to server/clients/client*.c: client.c holds a
 * client's states and output, client_auth.c who it is and what it may, client_check.c what it may
 * not have any more, client_commands.c what the commands do, client_input.c takes frames apart.
 */
#ifndef SERVER_CLIENTS_CLIENT_PRIV_H
#define SERVER_CLIENTS_CLIENT_PRIV_H

#include "server/clients/client.h"
#include "server/clients/connect.h"
#include "server/clients/proto.h"

static inline int64_t client_ping_interval(const struct client *client)
{
    const struct options *options = client->clients->options;

    return client->type == CONNECTION_WEBSOCKET && options->websocket.ping_interval_ns > 0
               ? options->websocket.ping_interval_ns
               : options->ping_interval_ns;
}

/* client.c: each may find that there is no room, and then dooms the client. */
void client_out(struct client *client, struct bytes b);
/* -ERR 'before what after', where `what` is the peer's own text and may hold any byte. */
void client_out_error(struct client *client, struct bytes before, struct bytes what,
                      struct bytes after);
/* Whether it answers a CONNECT, else it is the first, or tells what has changed. */
void client_out_info(struct client *client, bool answer);

#define CLIENT_OUT_ERROR(client, text) client_out_error((client), BYTES(text), BYTES(""), BYTES(""))

/* What a client may say while its password is being proven; more is no client. It is not heard
 * beyond the first of these, but for what had arrived. */
#define CLIENT_LATE_MUCH (8u << 10)
#define CLIENT_LATE_MAX  (1u << 20)

/* client_auth.c */

/* The first that it says is no CONNECT. False: it may not, and was told so. */
bool client_begin_unnamed(struct client *client);
/* Who it is; ends it, binds it, or leaves it waiting for a proof. */
void client_authenticate(struct client *client, const struct connect *said, struct bytes args,
                         int64_t now_ns);
/* Out of its account, where it has no subscriptions any more or will be bound to again. */
void client_unbind(struct client *client);
/* It has a proof, until whose end nothing more is read from it. */
void client_proof_pause(struct client *client);
/* "User "x"", for the log. Good until the next call for this shard's clients. */
struct bytes client_user_text(const struct client *client);
/* Of a client with permissions. */
bool client_permitted_publish(struct client *client, struct bytes subject);
static inline bool client_may_publish(struct client *client, struct bytes subject)
{
    return client->permissions == NULL || client_permitted_publish(client, subject);
}
bool client_may_subscribe(const struct client *client, const struct proto_sub *said);
/* It was sent a message that it may answer. */
void client_grant(struct client *client, struct bytes reply);

/* client_check.c */

/* Its rules are other ones. */
void client_check_begin(struct client *client);

/* client_delegate.c */
struct client_question *client_question_make(const struct client *client,
                                             const struct auth_claim *claim,
                                             const struct auth_user *user,
                                             const struct connect *said);
void client_question_free(struct client_question *question); /* NULL is fine */

/* client_input.c */
void client_feed_late(struct client *client, int64_t now_ns);

/* client_commands.c */
/* What follows from a CONNECT of a client that is who it says. */
void client_connected(struct client *client, const struct connect *said, int64_t now_ns);

void client_subscribe(struct client *client, const struct proto_sub *said);
void client_unsubscribe(struct client *client, const struct proto_unsub *said);
void client_publish(struct client *client, const struct proto_pub *pub, const uint8_t *body);
/* It may not publish to that subject, and is told so. */
void client_publish_refused(struct client *client, struct bytes subject);
/* Nobody received that request of it: it is told, if it wants to know. */
void client_nobody(struct client *client, const struct message *request);
/* Takes it out of the router and frees it. */
void client_sub_end(struct client_sub *sub);
/* Over what it said before. False: it is no CONNECT. */
bool client_connect_read(struct client *client, struct bytes args, struct connect *said);
void client_connect(struct client *client, struct bytes args, int64_t now_ns);
void client_info(struct client *client, struct bytes args);
void client_erred(struct client *client, struct bytes args);
void client_pinged(struct client *client);
void client_ponged(struct client *client, int64_t now_ns);

#endif
