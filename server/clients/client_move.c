/* A client that goes to another shard: what it has there is made anew, then taken away here. */
#include "server/clients/client_priv.h"
#include "server/router/router_priv.h"

static void sub_copy(const struct client_sub *sub, struct client_subs *subs, struct clients *to,
                     struct account *account)
{
    struct client_sub *copy = client_subs_add(subs, &to->sub_pool, client_sub_sid(sub));

    copy->sub.kind = sub->sub.kind;
    copy->client = sub->client;
    copy->delivered = sub->delivered;
    copy->max = sub->max;
    copy->filtered = sub->filtered;
    copy->round = sub->round;
    sublist_add(&account->subs, &copy->sub, sub_subject(&sub->sub), sub_queue(&sub->sub));
}

/* There before they go here: nobody who counts sees none of them. */
static void move_subs(struct client *client, struct clients *to, struct account *account)
{
    struct client_subs subs = {0};
    const struct client_sub *sub;

    for (struct client_subs_walk at = {0}; (sub = client_sub_next(client, &at)) != NULL;)
        sub_copy(sub, &subs, to, account);
    client_leave(client);
    client->subs = subs;
}

static void unmark(struct client *client)
{
    struct client **link = &client->clients->dirty;

    if (!client->dirty)
        return;
    while (*link != client)
        link = &(*link)->dirty_next;
    *link = client->dirty_next;
    client->dirty = false;
}

void client_move(struct client *client, struct clients *to)
{
    struct account *from = client->account;
    struct account *account = router_account_here(to->router, from);

    assert(to != client->clients);
    assert(client->clients->retiring_count == 0);
    assert(client->proof == NULL);
    assert(client->unchecked == 0);
    move_subs(client, to, account);
    unmark(client);
    client_not_awaited(client);
    if (client->counted) {
        from->connections--;
        account->connections++;
    }
    client->account = account;
    client->clients = to;
}
