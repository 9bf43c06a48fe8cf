/* One connection until it is up, and when it no longer is: INFO and CONNECT, whichever side
 * dialled. */
#include "server/leaf/leaf_priv.h"

#include <stdio.h>

#include "base/heap.h"
#include "base/owner.h"
#include "server/clients/client_row.h"
#include "server/router/elsewhere.h"

/* ---- INFO ----------------------------------------------------------------------------------- */

void leaf_greet(struct leaf *leaf, bool answer)
{
    const struct leaves *leaves = leaf->leaves;
    const struct leaf_options *options = leaves->options;
    const struct info *server = leaves->setup.info;
    struct leaf_info info = {
        .id = bytes_of_text(server->id),
        .name = bytes_of_text(server->name),
        .version = BYTES(NATS_VERSION),
        .host = bytes_of_text(leaves->host),
        .ip = leaves->urls.count > 0 ? leaves->urls.at[0] : bytes_of(NULL, 0),
        .port = leaves->port,
        .cluster = server->cluster,
        .domain = bytes_of_text(server->domain != NULL ? server->domain : ""),
        .nonce = bytes_of_text(leaf->nonce),
        .urls = leaves->urls.at,
        .urls_count = options->no_advertise ? 0 : leaves->urls.count,
        .client_id = leaf->id,
        .max_payload = server->max_payload,
        .headers = !server->no_headers,
        .jetstream = server->jetstream,
        .tls_required = options->tls_context != NULL && leaf->web == NULL,
        .tls_verify = options->tls != NULL && options->tls->verify && leaf->web == NULL,
        .answers = true,
    };

    if (leaf->web != NULL && !options->no_advertise) {
        info.websocket_urls = server->websocket_urls;
        info.websocket_urls_count = server->websocket_urls_count;
    }
    if (answer) {
        info.nonce = bytes_of(NULL, 0);
        info.connect_info = true;
        info.remote_account = leaf->account->account->name;
        info.system = leaf->account->account->system;
        info.may_import = &leaf->rules.out; /* as the leaf sees it */
        info.may_export = &leaf->rules.in;
    }
    leaf_info_write(&leaf->out, &info);
    leaf_mark(leaf);
}

/* ---- beginning and end ---------------------------------------------------------------------- */

void leaf_log_begin(const struct leaf *leaf)
{
    const char *account = leaf->remote != NULL && leaf->remote->options->account.size > 0
                              ? (const char *)leaf->remote->options->account.at
                              : "$G";

    if (leaf->dialled)
        logger_info(leaf->leaves->setup.logger, "%s - Leafnode connection created for account: %s",
                    leaf->label, account);
    else
        logger_info(leaf->leaves->setup.logger, "%s - Leafnode connection created", leaf->label);
}

void leaf_refuse(struct leaf *leaf, const char *text, const char *reason)
{
    if (leaf->state >= LEAF_ENDING)
        return;
    logger_error(leaf->leaves->setup.logger, "%s - %s", leaf->label, text);
    leaf_write_error(&leaf->out, bytes_of_text(text));
    leaf_close(leaf, LEAF_LAST_WORDS, reason);
}

void leaf_refuse_for_long(struct leaf *leaf, const char *text, const char *reason)
{
    if (leaf->remote != NULL)
        leaf->remote->delay_ns = LEAF_DELAY_NS;
    leaf_refuse(leaf, text, reason);
}

void leaf_circle_found(struct leaf *leaf)
{
    char text[512];

    snprintf(text, sizeof(text),
             "Loop detected for leafnode account=\"%.*s\". Delaying attempt to reconnect for 30s",
             BYTES_ARG(leaf->account->account->name));
    leaf_refuse_for_long(leaf, text, "Protocol Violation");
}

/* ---- being up ------------------------------------------------------------------------------- */

bool leaf_is_mate(const struct leaf *leaf, const struct leaf *other)
{
    return other != leaf && other->state == LEAF_UP && other->account == leaf->account &&
           other->peer.hub == leaf->peer.hub && leaf->peer.cluster.size > 0 &&
           bytes_equal(leaf->peer.cluster, other->peer.cluster);
}

static bool is_alone(const struct leaf *leaf)
{
    for (const struct leaf *other = leaf->leaves->all; other != NULL; other = other->next)
        if (leaf_is_mate(leaf, other))
            return false;
    return true;
}

static void see_mates(struct leaf *leaf)
{
    leaf->alone = is_alone(leaf);
    for (struct leaf *other = leaf->leaves->all; other != NULL; other = other->next)
        if (leaf_is_mate(leaf, other))
            other->alone = is_alone(other);
}

static void log_domains(const struct leaf *leaf, struct bytes remote)
{
    const char *own = leaf->leaves->setup.info->domain;

    logger_info(leaf->leaves->setup.logger,
                "%s - JetStream using domains: local \"%s\", remote \"%.*s\"", leaf->label,
                own != NULL ? own : "", BYTES_ARG(remote));
}

/* Requests to this server's JetStream are this server's, unless the other side says that it is of
 * the same domain, and then it is told what it asks for. */
static void set_domain(struct leaf *leaf, struct bytes remote)
{
    const struct leaves *leaves = leaf->leaves;
    const char *own = leaves->setup.info->domain;

    leaf->rules.system = leaf->account->account->system;
    if (bytes_equal(bytes_of_text(own != NULL ? own : ""), remote))
        return;
    log_domains(leaf, remote);
    if (own != NULL && leaves->setup.info->jetstream && !leaf->account->account->system)
        leaf->rules.own = heap_copy(bytes_of_text(leaves->setup.clients->domain_api));
}

static struct client_row row_of(const struct leaf *leaf)
{
    return (struct client_row){
        .id = leaf->id,
        .address = bytes_of_text(leaf->address.text),
        .port = leaf->address.port,
        .type = CONNECTION_LEAFNODE,
        .start_ns = leaf->start_ns,
        .last_ns = io_now(leaf->leaves->setup.io),
        .stop_ns = io_now(leaf->leaves->setup.io),
        .reason = leaf->reason,
        .rtt_ns = leaf->rtt_ns,
        .received = {leaf->in_messages, leaf->in_bytes},
        .sent = {leaf->out_messages, leaf->out_bytes},
        .name = bytes_of_text(leaf->name),
        .account = leaf->account->account->name,
    };
}

static void say_up(const struct leaf *leaf, bool up)
{
    const struct client_watch *watch = leaf->leaves->setup.clients->watch;
    struct client_row row = row_of(leaf);

    if (watch != NULL && up)
        watch->named(watch->owner, &row);
    else if (watch != NULL)
        watch->ended(watch->owner, &row);
}

/* What of its account's connections leaves are. */
static void count_in(struct account *account, int by)
{
    account->leaf_connections = (size_t)((int64_t)account->leaf_connections + by);
    if (account->family != NULL)
        (void)atomic_fetch_add(&account->family->leaves, by);
}

static bool account_full(const struct leaf *leaf)
{
    const struct account_options *limits = leaf->account->account->options;
    int64_t up = 0;

    if (limits == NULL || limits->max_leaves < 0)
        return false;
    for (const struct leaf *other = leaf->leaves->all; other != NULL; other = other->next)
        up += other->state == LEAF_UP && other->account == leaf->account;
    return up >= limits->max_leaves;
}

static void refuse_surplus(struct leaf *leaf)
{
    leaf_refuse(leaf, "maximum account active connections exceeded",
                "Maximum Account Connections Exceeded");
}

static void ping_fired(struct timer *timer)
{
    leaf_ping(owner_of(timer, struct leaf, ping));
}

void leaf_up(struct leaf *leaf)
{
    struct leaves *leaves = leaf->leaves;
    struct timers *timers = io_timers(leaves->setup.io);

    assert(leaf->account != NULL);
    timers_cancel(timers, &leaf->deadline);
    leaf->state = LEAF_UP;
    leaf->up = true;
    leaf->account->up++;
    count_in(leaf->account->account, 1);
    leaves->stats.up++;
    leaf->ping.fire = ping_fired;
    timers_arm(timers, &leaf->ping, io_now(leaves->setup.io) + SECOND_NS);
    see_mates(leaf);
    leaf_tell_all(leaf);
    say_up(leaf, true);
}

bool leaf_down(struct leaf *leaf)
{
    struct leaves *leaves = leaf->leaves;

    assert(leaf->state >= LEAF_ENDING);
    if (!leaf->up)
        return false;
    leaf->up = false;
    leaf->account->up--;
    count_in(leaf->account->account, -1);
    leaves->stats.up--;
    say_up(leaf, false);
    leaf_unhear_all(leaf);
    leaf_untell_all(leaf);
    leaf_interest_init(leaf);
    for (struct leaf *other = leaves->all; other != NULL; other = other->next)
        if (other->state == LEAF_UP && other->account == leaf->account)
            other->alone = is_alone(other);
    return true;
}

static void set_text(char **to, struct bytes text)
{
    heap_give(*to);
    *to = heap_text(text);
}

static void set_cluster(struct leaf *leaf, struct bytes cluster)
{
    set_text(&leaf->cluster, cluster);
    leaf->peer.cluster = bytes_of_text(leaf->cluster);
}

/* ---- the other side dialled ----------------------------------------------------------------- */

static void deny_all(struct leaf_filter *filter, const struct json *list)
{
    for (const struct json *e = list != NULL ? list->child : NULL; e != NULL; e = e->next)
        leaf_filter_deny(filter, e->text);
}

/* What it may publish is what comes in, what it may subscribe to goes out. */
static void set_rules(struct leaf *leaf, const struct auth_user *user)
{
    const struct permission_options *may;

    if (user == NULL || user->permissions == NULL)
        return;
    may = user->permissions->options;
    leaf_filter_take(&leaf->rules.in, &may->publish_allow, &may->publish_deny);
    leaf_filter_take(&leaf->rules.out, &may->subscribe_allow, &may->subscribe_deny);
}

/* One that comes back before it was missed. */
static void replace_older(struct leaf *leaf)
{
    static const char text[] = "Duplicate Remote LeafNode Connection";

    for (struct leaf *other = leaf->leaves->all; other != NULL; other = other->next) {
        if (other == leaf || other->dialled || other->state != LEAF_UP ||
            other->account != leaf->account || leaf->name[0] == 0 || leaf->remote_account[0] == 0 ||
            strcmp(other->name, leaf->name) != 0 || strcmp(other->cluster, leaf->cluster) != 0 ||
            strcmp(other->remote_account, leaf->remote_account) != 0)
            continue;
        leaf_refuse(other, text, text);
        logger_warn(leaf->leaves->setup.logger, "%s - Replacing connection from same server",
                    leaf->label);
        return;
    }
}

static void set_limits(struct leaf *leaf, const struct auth_user *user)
{
    if (user == NULL || user->made == NULL)
        return;
    leaf->subs_max = user->made->grant.subs_max;
    leaf->payload_max = user->made->grant.payload_max;
}

static void expiry_fired(struct timer *timer)
{
    leaf_refuse(owner_of(timer, struct leaf, expiry), "User Authentication Expired",
                "Authentication Expired");
}

static void set_claims(struct leaf *leaf, const struct auth_user *user)
{
    if (user == NULL || user->made == NULL || user->made->delegated)
        return;
    heap_give((void *)leaf->claims.at);
    leaf->claims = heap_copy(user->made->token);
    leaf->by_account = user->made->by_account;
    leaf->admitted_by = user->options->account;
}

static void set_expiry(struct leaf *leaf, const struct auth_user *user)
{
    struct io *io = leaf->leaves->setup.io;
    int64_t left_s;

    if (user == NULL || user->made == NULL || user->made->expires_s == 0)
        return;
    left_s = user->made->expires_s - io_wall(io) / SECOND_NS;
    leaf->expiry.fire = expiry_fired;
    if (left_s < INT64_C(3) * 365 * 86400)
        timers_arm(io_timers(io), &leaf->expiry,
                   io_now(io) + (left_s > 0 ? left_s : 0) * SECOND_NS);
}

/* Some words in the way of the reference: what a peer would not understand of us, or we of it. */
static bool refuse_connect(struct leaf *leaf, const struct leaf_connect *said)
{
    const struct leaves *leaves = leaf->leaves;
    struct bytes own = leaves->setup.info->cluster;
    struct bytes least = leaves->options->version_min;
    char text[256];

    if (bytes_find(said->cluster, ' ') < said->cluster.size) {
        leaf_refuse(leaf, "cluster name cannot contain spaces", "Protocol Violation");
    } else if (own.size > 0 && bytes_equal(said->cluster, own)) {
        leaf_refuse(leaf, "remote leafnode has same cluster name", "Cluster Names Identical");
    } else if (said->gateway.size > 0) {
        snprintf(text, sizeof(text),
                 "Rejecting connection from gateway \"%.*s\" on the leafnode port",
                 BYTES_ARG(bytes_take(said->gateway,
                                      said->gateway.size < 128 ? said->gateway.size : 128)));
        leaf_refuse(leaf, text, "Wrong Gateway");
    } else if (least.size > 0 && !leaf_version_at_least(said->version, least)) {
        snprintf(text, sizeof(text),
                 "connection rejected since minimum version required is \"%.*s\"",
                 BYTES_ARG(least));
        leaf_refuse(leaf, text, "Minimum Version Required");
    }
    return leaf->state >= LEAF_ENDING;
}

void leaf_admit(struct leaf *leaf, const struct leaf_connect *said, struct account *account,
                const struct auth_user *user)
{
    leaf->account = leaf_account_of(leaf->leaves, account);
    leaf->signed_in = user != NULL;
    set_claims(leaf, user);
    set_rules(leaf, user);
    set_limits(leaf, user);
    set_expiry(leaf, user);
    set_text(&leaf->name, said->name);
    set_text(&leaf->remote_account, said->remote_account);
    set_cluster(leaf, said->cluster);
    leaf->headers = said->headers && !leaf->leaves->setup.info->no_headers;
    leaf->isolated = leaf->isolated || said->isolate;
    leaf->peer.hub = said->hub;
    set_domain(leaf, said->domain);
    replace_older(leaf);
    if (account_full(leaf)) {
        refuse_surplus(leaf);
        return;
    }
    leaf_greet(leaf, true); /* with what was configured, not what it asked for */
    deny_all(&leaf->rules.out, said->deny_read);
    leaf_up(leaf);
}

void leaf_heard_connect(struct leaf *leaf, struct bytes args)
{
    struct leaf_connect said;

    arena_reset(&leaf->leaves->arena);
    if (leaf->state != LEAF_UNPROVEN) {
        leaf_refuse(leaf, "Unknown Protocol Operation", "Protocol Violation");
    } else if (!leaf_connect_read(&leaf->leaves->arena, args, &said)) {
        leaf_refuse(leaf, "Invalid CONNECT", "Protocol Violation");
    } else if (said.lang.size > 0) {
        leaf_refuse(leaf, "attempted to connect to leaf node port", "Incorrect Port");
    } else if (!refuse_connect(leaf, &said)) {
        leaf_authenticate(leaf, &said, args);
    }
}

/* ---- we dialled ----------------------------------------------------------------------------- */

static void take_rules(struct leaf *leaf, const struct leaf_info *info)
{
    const struct leaf_remote *options = leaf->remote->options;

    leaf_filter_deinit(&leaf->rules.in);
    leaf_filter_deinit(&leaf->rules.out);
    if (!leaf_filter_read(info->import, &leaf->rules.in) ||
        !leaf_filter_read(info->export, &leaf->rules.out))
        logger_warn(leaf->leaves->setup.logger, "%s - Permissions in INFO cannot be read",
                    leaf->label);
    for (size_t i = 0; i < options->deny_imports_count; i++)
        leaf_filter_deny(&leaf->rules.in, options->deny_imports[i]);
    for (size_t i = 0; i < options->deny_exports_count; i++)
        leaf_filter_deny(&leaf->rules.out, options->deny_exports[i]);
}

static void say_connect(struct leaf *leaf)
{
    struct leaf_connect connect = {0};

    if (!remote_connect(leaf->remote, leaf, &connect)) {
        leaf_close(leaf, LEAF_AT_ONCE, "Authentication Failure");
        return;
    }
    leaf_connect_write(&leaf->out, &connect);
    leaf_mark(leaf);
    leaf->state = LEAF_ANSWERING;
}

static void let_in(struct leaf *leaf, struct bytes remote_account)
{
    set_text(&leaf->remote_account, remote_account);
    remote_reached(leaf->remote);
    leaf_up(leaf);
}

/* Its first INFO: who it is, and whether TLS follows. */
static void met(struct leaf *leaf, const struct leaf_info *info)
{
    struct leaves *leaves = leaf->leaves;
    struct account *account;

    leaf_log_begin(leaf);
    if (info->client_id == 0 || info->urls_read == NULL) {
        logger_error(leaves->setup.logger, "%s - attempted to connect to wrong port", leaf->label);
        leaf_close(leaf, LEAF_AT_ONCE, "Incorrect Port");
        return;
    }
    account = leaf->remote->options->account.size > 0
                  ? router_account(leaves->setup.router, leaf->remote->options->account)
                  : router_account_default(leaves->setup.router);
    if (account == NULL) {
        logger_error(leaves->setup.logger,
                     "Unable to lookup account %.*s for solicited leafnode connection",
                     BYTES_ARG(leaf->remote->options->account));
        if (leaves->setup.options->auth.finder.more)
            leaf_wish(leaf, leaf->remote->options->account); /* it is dialled again */
        leaf_close(leaf, LEAF_AT_ONCE, "Missing Account");
        return;
    }
    if (info->nonce.size < sizeof(leaf->nonce))
        snprintf(leaf->nonce, sizeof(leaf->nonce), "%.*s", BYTES_ARG(info->nonce));
    set_text(&leaf->name, info->name.size > 0 ? info->name : info->id);
    set_cluster(leaf, info->cluster);
    leaf->headers = info->headers && !leaves->setup.info->no_headers;
    leaf->answered = info->answers;
    leaf->account = leaf_account_of(leaves, account);
    set_domain(leaf, info->domain);
    leaf->heard_info = true;
    if (account_full(leaf)) {
        refuse_surplus(leaf);
        return;
    }
    if (leaf->tls == NULL && !leaf_over_websocket(leaf) &&
        (info->tls_required || remote_wants_tls(leaf->remote))) {
        struct tls_context *context = remote_tls(leaf->remote);

        if (context == NULL) {
            leaf_close(leaf, LEAF_AT_ONCE, "TLS Handshake Failure");
            return;
        }
        leaf_secure(leaf, context, remote_tls_name(leaf->remote));
    }
    say_connect(leaf);
}

void leaf_heard_info(struct leaf *leaf, struct bytes args)
{
    struct leaf_info info;
    bool first = !leaf->heard_info, secure = leaf->secure;
    const struct json *urls;

    if (!leaf->dialled) /* it offers compression, which it finds is not done here */
        return;
    arena_reset(&leaf->leaves->arena);
    if (!leaf_info_read(&leaf->leaves->arena, args, &info)) {
        leaf_refuse(leaf, "Invalid INFO", "Protocol Violation");
        return;
    }
    if (leaf->remote == NULL)
        return;
    if (first || info.import != NULL || info.export != NULL)
        take_rules(leaf, &info);
    if (first)
        met(leaf, &info);
    /* Before TLS anybody may say it, and where it leads is told who we are. */
    urls = leaf_over_websocket(leaf) ? info.websocket_urls_read : info.urls_read;
    if (urls != NULL && leaf->secure == secure)
        remote_learn(leaf->remote, urls);
    if (leaf->state == LEAF_ANSWERING && ((first && !leaf->answered) || info.connect_info))
        let_in(leaf, info.remote_account);
}
