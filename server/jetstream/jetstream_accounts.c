/* jetstream_accounts: whose streams are whose, and how much of an account's share they take. */
#include "base/heap.h"
#include "server/api/api.h"
#include "server/auth/auth_options.h"
#include "server/jetstream/jetstream_priv.h"
#include "server/router/account.h"
#include "server/router/share.h"

static struct bytes space_key(const void *item)
{
    return account_name(((const struct space *)item)->account);
}

/* ---- spaces --------------------------------------------------------------------------------- */

void jetstream_spaces_init(struct jetstream *jetstream)
{
    table_init(&jetstream->spaces, space_key, prng_next(server_prng(jetstream->server)));
}

void jetstream_spaces_deinit(struct jetstream *jetstream)
{
    struct space *space;

    for (size_t at = 0; (space = table_next(&jetstream->spaces, &at)) != NULL;) {
        heap_give(space);
    }
    table_deinit(&jetstream->spaces);
}

/* Only the system's account and that of everybody: then nobody configured who has JetStream. */
static bool only_own_accounts(const struct router *router)
{
    struct account *account;

    for (size_t at = 0; (account = router_account_next(router, &at)) != NULL;) {
        if (account_options(account) != NULL && !account_is_system(account))
            return false;
    }
    return true;
}

static bool enabled_for(const struct router *router, struct account *account)
{
    const struct account_options *options = account_options(account);

    if (account_is_system(account))
        return false;
    if (options != NULL)
        return options->jetstream.enabled;
    return account == router_account_default((struct router *)router) && only_own_accounts(router);
}

static void space_add(struct jetstream *jetstream, struct account *account)
{
    struct space *space = HEAP_NEW(struct space);

    space->account = account;
    jetstream_quotas_stale(jetstream);
    table_add(&jetstream->spaces, space);
}

struct space *jetstream_space(const struct jetstream *jetstream, const struct account *account)
{
    return table_find(&jetstream->spaces, account_name(account));
}

void jetstream_spaces_make(struct jetstream *jetstream)
{
    const struct router *router = server_router(jetstream->server);
    struct account *account;

    for (size_t at = 0; (account = router_account_next(router, &at)) != NULL;) {
        if (enabled_for(router, account) && jetstream_space(jetstream, account) == NULL)
            space_add(jetstream, account);
    }
}

/* Who has no JetStream is told so, unless it asks that of another account. */
static bool is_served(const struct jetstream *jetstream, const struct account *account)
{
    return jetstream_serves(jetstream, account) || account_is_system(account) ||
           !share_requests(account_options(account), BYTES("$JS.API.INFO"));
}

void jetstream_spaces_serve(struct jetstream *jetstream)
{
    const struct router *router = server_router(jetstream->server);
    struct account *account;

    for (size_t at = 0; (account = router_account_next(router, &at)) != NULL;) {
        bool served = is_served(jetstream, account);

        if (served && !api_serves(jetstream->api, account))
            api_serve(jetstream->api, account);
        else if (!served)
            api_leave(jetstream->api, account);
    }
}

static bool is_of(const struct catalogue_entry *entry, const struct account *account)
{
    return !entry->removed && !entry->lost &&
           bytes_equal(entry->assigned.account, account_name(account));
}

bool jetstream_has_streams(const struct jetstream *jetstream, const struct account *account)
{
    for (const struct catalogue_entry *entry = jetstream->catalogue.first; entry != NULL;
         entry = entry->next) {
        if (is_of(entry, account) && (!entry->offline || entry->late != NULL))
            return true;
    }
    return false;
}

/* An account that is off now has no streams; what it had configured is forgotten. */
static void spaces_prune(struct jetstream *jetstream)
{
    const struct router *router = server_router(jetstream->server);
    struct space *space;
    size_t at = 0;

    while ((space = table_next(&jetstream->spaces, &at)) != NULL) {
        if (enabled_for(router, space->account))
            continue;
        (void)table_remove(&jetstream->spaces, account_name(space->account));
        heap_give(space);
        at = 0;
    }
}

void jetstream_accounts_changed(struct jetstream *jetstream)
{
    spaces_prune(jetstream);
    jetstream_spaces_make(jetstream);
    jetstream_quotas_configured(jetstream);
    jetstream_spaces_serve(jetstream);
    jetstream_late_admit(jetstream);
}

bool jetstream_serves(const struct jetstream *jetstream, const struct account *account)
{
    return jetstream_space(jetstream, account) != NULL;
}

/* ---- who listens ---------------------------------------------------------------------------- */

static void interest_changed(struct jetstream *jetstream, const struct account *account,
                             uint64_t since)
{
    uint64_t hashes[ACCOUNT_CHANGES_MAX];
    unsigned count;
    bool known = account_changes(account, since, hashes, &count);

    jetstream_hold_still(jetstream);
    for (struct catalogue_entry *entry = jetstream->catalogue.first; entry != NULL;
         entry = entry->next) {
        if (entry->stream == NULL || !bytes_equal(entry->assigned.account, account_name(account)))
            continue;
        jetstream_lane_is_still(jetstream, stream_lane_of(entry->stream));
        if (known)
            stream_interest_changed_of(entry->stream, hashes, count);
        else
            stream_interest_changed(entry->stream);
    }
}

void jetstream_spaces_look(struct jetstream *jetstream)
{
    struct space *space;

    for (size_t at = 0; (space = table_next(&jetstream->spaces, &at)) != NULL;) {
        uint64_t generation = account_generation(space->account);
        uint64_t since = space->interest_generation;

        if (generation == since)
            continue;
        space->interest_generation = generation;
        interest_changed(jetstream, space->account, since);
    }
}
