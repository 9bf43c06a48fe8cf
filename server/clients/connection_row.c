/* What is told of a connection. */
#include "base/owner.h"
#include "server/clients/client_row.h"
#include "server/clients/connection_priv.h"

struct bytes client_row_user(const struct client *client)
{
    const struct auth *auth = client->clients->auth;

    if (client->user != NULL)
        return auth_user_name(client->user);
    if (client->claimed != NULL)
        return bytes_of_text(client->claimed);
    if (auth == NULL || !auth->required || auth->open || client->unproven)
        return bytes_of(NULL, 0);
    if (auth->options.token.size > 0)
        return BYTES("[REDACTED]");
    return auth->options.user;
}

static void add_tls(struct client_row *row, const struct connection *c)
{
    if (c->secure != SECURE_ON)
        return;
    row->tls_version = tls_version(c->tls);
    row->tls_cipher = tls_cipher(c->tls);
    row->tls_first = c->tls_first;
}

void client_row_of(struct client_row *row, const struct connection *c, int64_t now_ns)
{
    const struct client *client = &c->client;

    *row = (struct client_row){
        .id = client->id,
        .client = client,
        .address = bytes_of_text(client->address),
        .type = client->type,
        .port = client->port,
        .start_ns = client->start_ns,
        .last_ns = client->last_in_ns,
        .stop_ns = now_ns,
        .reason = client->reason,
        .rtt_ns = client->connected ? client->rtt_ns : 0,
        .pending = client->out.size + client->flight,
        .received = client->received,
        .sent = client->sent,
        .stalls = client->stalls,
        .subs_count = client->subs.count,
        .name = client_name(client),
        .lang = client_lang(client),
        .version = client_version(client),
        .user = client_row_user(client),
        .user_nkey = client->user != NULL && client->user->options->nkey.size > 0,
        .account = account_name(client->account),
    };
    add_tls(row, c);
}

void client_row_of_client(struct client_row *row, const struct client *client, int64_t now_ns)
{
    client_row_of(row, owner_of(client, const struct connection, client), now_ns);
}
