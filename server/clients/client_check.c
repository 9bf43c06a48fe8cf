/*
 * What a client has subscribed to, looked at anew when what it may has changed. It may be a million
 * subscriptions, so they are looked at in parts. Until its turn comes each is looked at whenever
 * something would be delivered to it: so from the moment that the rules have changed nothing comes
 * to one that they deny.
 *
 * The rules of a client are numbered, and a subscription has the number of those it was last found
 * allowed by. The numbers are few: a subscription must not fall behind by all of them.
 */
#include "server/clients/client_priv.h"

static void remove_sub(struct client *client, struct client_sub *sub)
{
    struct bytes subject = sub_subject(&sub->sub), queue = sub_queue(&sub->sub);
    struct buf text;

    buf_init(&text, SIZE_MAX / 2);
    (void)buf_print(&text, "\"%.*s\"", BYTES_ARG(subject));
    if (queue.size > 0)
        (void)buf_print(&text, " using queue \"%.*s\"", BYTES_ARG(queue));
    (void)buf_print(&text, " (sid \"%.*s\")", BYTES_ARG(client_sub_sid(sub)));
    logger_info(client->clients->logger, "Removed sub %.*s for %.*s - not authorized",
                BYTES_ARG(buf_bytes(&text)), BYTES_ARG(client_user_text(client)));
    client_out_error(client, BYTES("Permissions Violation for Subscription to "), buf_bytes(&text),
                     BYTES(""));
    buf_deinit(&text);
    client_sub_end(sub);
}

/* All are one round behind the next. */
static void level(struct client *client)
{
    struct client_sub *sub;

    for (struct client_subs_walk at = {0}; (sub = client_sub_next(client, &at)) != NULL;)
        sub->round = client->round & (CLIENT_SUB_ROUNDS - 1);
    client->rounds = 1;
}

void client_check_begin(struct client *client)
{
    if (client->subs.count == 0)
        return;
    if (client->unchecked == 0)
        client->rounds = 0;
    if (++client->rounds == CLIENT_SUB_ROUNDS)
        level(client);
    client->round = (client->round + 1u) % CLIENT_SUB_ROUNDS;
    client->unchecked = client->subs.count;
    client->check_at = (struct client_subs_walk){0};
    client_mark(client);
}

bool client_sub_check(struct client_sub *sub)
{
    struct client *client = sub->client;
    const struct permissions *may = client->permissions;
    struct bytes subject = sub_subject(&sub->sub);

    assert(sub->round != client->round);
    if (may != NULL && !permissions_subscribe(may, subject, sub_queue(&sub->sub)))
        return false;
    sub->filtered = may != NULL && permissions_subscribe_leaks(may, subject);
    sub->round = client->round & (CLIENT_SUB_ROUNDS - 1);
    client->unchecked--;
    return true;
}

/* A walk passes over some when others are removed: it begins anew while any is left. */
bool client_check_part(struct client *client, uint32_t *most)
{
    if (client->deaf)
        return true; /* they are on their way out */
    for (; client->unchecked > 0 && *most > 0; --*most) {
        struct client_sub *sub = client_sub_next(client, &client->check_at);

        if (sub == NULL)
            client->check_at = (struct client_subs_walk){0};
        else if (!client_sub_stands(sub))
            remove_sub(client, sub);
    }
    return client->unchecked == 0;
}
