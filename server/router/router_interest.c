/* Who would take a message of some subject, asked before there is one. */
#include "server/router/router.h"

#include "base/owner.h"
#include "base/table.h"
#include "server/clients/client.h"
#include "server/router/exchange.h"
#include "server/router/router_parts.h"

bool router_interest_within(struct router *router, struct account *account, struct bytes subject)
{
    assert(!router->publishing);
    return sublist_match(&account->subs, subject)->sets_count > 0 ||
           router_shards_interest(account, subject);
}

bool router_interest_plain(struct router *router, struct account *account, struct bytes subject)
{
    const struct match *match;

    assert(!router->publishing);
    match = sublist_match(&account->subs, subject);
    for (uint32_t i = 0; i < match->plain_count; i++)
        if (match->sets[i]->kind != SUB_SINK)
            return true;
    if (router_shards_interest_plain(account, subject))
        return true;
    return router->exchange != NULL && account->shares != NULL &&
           exchange_interest(router->exchange, account, subject);
}

bool router_interest(struct router *router, struct account *account, struct bytes subject)
{
    if (router_interest_within(router, account, subject))
        return true;
    return router->exchange != NULL && account->shares != NULL &&
           exchange_interest(router->exchange, account, subject);
}

/* No member of it, who then is a client, has room; that is kept in mind. */
static bool set_is_behind(const struct sub_set *set)
{
    if (set->kind != SUB_CLIENT)
        return false;
    for (uint32_t i = 0; i < set->count; i++) {
        struct client *client = owner_of(sub_set_subs(set)[i], struct client_sub, sub)->client;

        if (!client_is_behind(client))
            return false;
        client->awaited = true;
    }
    return true;
}

static bool sets_are_behind(const struct match *match, uint32_t first, uint32_t count)
{
    for (uint32_t i = first; i < first + count; i++)
        if (!set_is_behind(match->sets[i]))
            return false;
    return true;
}

enum router_interest router_interest_ready(struct router *router, struct account *account,
                                           struct bytes subject)
{
    const struct match *match;

    assert(!router->publishing);
    match = sublist_match(&account->subs, subject);
    if (match->sets_count == 0)
        return router_interest(router, account, subject) ? ROUTER_READY : ROUTER_NOBODY;
    if (!set_is_behind(match->sets[0]) || !sets_are_behind(match, 0, match->sets_count) ||
        account->shares != NULL || router_shards_interest(account, subject))
        return ROUTER_READY;
    return ROUTER_BEHIND;
}

bool router_groups_ready(struct router *router, struct account *account, struct bytes subject)
{
    const struct match *match;

    assert(!router->publishing);
    match = sublist_match(&account->subs, subject);
    for (uint32_t i = 0; i < match->group_count; i++) {
        const struct match_group *group = &match->groups[i];

        if (sets_are_behind(match, group->first, group->count) &&
            !router_shards_have_member(account, subject, sub_set_queue(match->sets[group->first])))
            return false;
    }
    return match->group_count > 0;
}

size_t router_subscriptions(const struct router *router)
{
    const struct account *account;
    size_t count = 0;

    for (size_t at = 0; (account = table_next(&router->accounts, &at)) != NULL;)
        count += account->subs.count;
    return count;
}

bool router_interest_literal(struct router *router, struct account *account, struct bytes subject,
                             struct bytes queue)
{
    (void)router;
    return sublist_has(&account->subs, subject, queue) ||
           (account->elsewhere != NULL && elsewhere_literal(account->elsewhere, subject, queue));
}

struct client_sub *router_client_sub(struct router *router, struct account *account,
                                     struct bytes subject, const struct client *client)
{
    const struct match *match;

    assert(!router->publishing);
    match = sublist_match(&account->subs, subject);
    for (uint32_t i = 0; i < match->plain_count; i++) {
        const struct sub_set *set = match->sets[i];

        if (set->kind != SUB_CLIENT)
            continue;
        for (uint32_t n = 0; n < set->count; n++) {
            struct client_sub *sub = owner_of(sub_set_subs(set)[n], struct client_sub, sub);

            if (sub->client == client && client_sub_stands(sub))
                return sub;
        }
    }
    return NULL;
}
