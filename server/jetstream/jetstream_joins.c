/*
 * jetstream_joins: which changes of the catalogue share a commit. An operation is checked against
 * what is applied, so those of one batch must not matter to each other: creations with names and
 * subjects of their own, where nothing is counted that another one of them would change.
 */
#include "base/subject.h"
#include "server/api/account_limits.h"
#include "server/jetstream/jetstream_cluster.h"
#include "server/jetstream/jetstream_priv.h"
#include "server/router/account.h"

#define JOINED_MAX         64u
#define JOINED_MAX_CLUSTER 16u /* they are placed without regard to each other */
#define REPLICAS_MIN       3   /* which leave little to choose */

/* Is something counted for the account, or for the server? */
static bool is_limited(const struct jetstream *jetstream, const struct account *account)
{
    const struct jetstream_options *options = &server_options(jetstream->server)->jetstream_options;

    return account_counted(account) || options->memory_max >= 0 || options->store_max >= 0;
}

static bool stands_alone(const struct jetstream *jetstream, const struct catalogue_op *op)
{
    const struct stream_config *config = op->config;

    if (op->kind != CATALOGUE_CREATE || config == NULL)
        return true;
    if (config->mirror != NULL || config->sources.count > 0)
        return true; /* they are looked up */
    if (jetstream->cluster != NULL && op->replicas < REPLICAS_MIN)
        return true;
    return is_limited(jetstream, op->account);
}

static bool overlap(const struct stream_config *a, const struct stream_config *b)
{
    for (size_t i = 0; i < a->subjects.count; i++) {
        for (size_t k = 0; k < b->subjects.count; k++) {
            if (subject_collide(a->subjects.at[i], b->subjects.at[k]))
                return true;
        }
    }
    return false;
}

bool jetstream_joins(const struct jetstream *jetstream, const struct catalogue_op *batch,
                     const struct catalogue_op *op)
{
    uint64_t most = jetstream->cluster != NULL ? JOINED_MAX_CLUSTER : JOINED_MAX;

    if (jetstream->op_joined >= most || stands_alone(jetstream, batch) ||
        stands_alone(jetstream, op))
        return false;
    for (const struct catalogue_op *other = batch; other != NULL; other = other->next) {
        if (other->account != op->account)
            continue;
        if (bytes_equal(other->name, op->name) || overlap(other->config, op->config))
            return false;
    }
    return true;
}
