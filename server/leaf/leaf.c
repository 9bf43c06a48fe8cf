/* What one connection says and hears. */
#include "server/leaf/leaf_priv.h"

#include <stdio.h>

#include "base/heap.h"
#include "base/subject.h"
#include "server/clients/client_row.h"
#include "server/router/mappings.h"

/* ---- interest ------------------------------------------------------------------------------- */

static void heard_violation(struct leaf *leaf, const char *what, const char *action,
                            struct bytes subject)
{
    char text[512];
    int size = subject.size < 256 ? (int)subject.size : 256;

    if (leaf->peer.hub) /* it has told us what we may */
        return;
    snprintf(text, sizeof(text), "Permissions Violation for %s to \"%.*s\"", what, size,
             (const char *)subject.at);
    logger_error(leaf->leaves->setup.logger,
                 "%s - %s Violation on \"%.*s\" - Check other side configuration", leaf->label,
                 action, size, (const char *)subject.at);
    leaf_refuse_for_long(leaf, text, "Protocol Violation");
}

/* Of who came in: a hub that we dialled is nobody's guest. NULL: none. */
static const struct account_options *limits_of(const struct leaf *leaf)
{
    return leaf->dialled || leaf->account == NULL ? NULL : leaf->account->account->options;
}

static int64_t lower(int64_t limit, int64_t other)
{
    return limit > 0 && (other <= 0 || limit < other) ? limit : other;
}

static bool subs_full(const struct leaf *leaf)
{
    const struct account_options *limits = limits_of(leaf);
    int64_t most = lower(leaf->subs_max, leaf->leaves->setup.options->max_subscriptions);

    if (limits != NULL)
        most = lower(limits->max_subscriptions, most);
    return most > 0 && (int64_t)leaf->heard.count >= most;
}

static int64_t payload_max(const struct leaf *leaf)
{
    const struct account_options *limits = limits_of(leaf);
    int64_t most = lower(leaf->payload_max, leaf->leaves->setup.info->max_payload);

    return limits != NULL ? lower(limits->max_payload, most) : most;
}

static void heard_sub(struct leaf *leaf, struct bytes args)
{
    struct leaf_interest interest;

    if (!leaf_sub_read(args, &interest)) {
        leaf_refuse(leaf, "Invalid Subject", "Protocol Violation");
        return;
    }
    if (bytes_equal(interest.subject, bytes_of_text(leaf->account->circle))) {
        leaf_circle_found(leaf);
        return;
    }
    if (!leaf_subject_free(interest.subject) && subject_literal(interest.subject) &&
        !leaf_filter_passes(&leaf->rules.out, interest.subject)) {
        heard_violation(leaf, "Subscription", "Subscription", interest.subject);
        return;
    }
    if (subs_full(leaf)) {
        leaf_refuse(leaf, "maximum subscriptions exceeded", "Maximum Subscriptions Exceeded");
        return;
    }
    leaf_hear(leaf, &interest);
}

static void heard_unsub(struct leaf *leaf, struct bytes args)
{
    struct leaf_interest interest;

    if (leaf_unsub_read(args, &interest))
        leaf_hear(leaf, &interest);
    else
        leaf_refuse(leaf, "Invalid Subject", "Protocol Violation");
}

/* ---- messages ------------------------------------------------------------------------------- */

static size_t gather_queues(struct leaves *leaves, struct bytes text)
{
    struct bytes queue;
    size_t count = 0;

    while (leaf_queue_next(&text, &queue)) {
        if (count + 1 >= leaves->queues_capacity) {
            leaves->queues_capacity =
                leaves->queues_capacity == 0 ? 16 : leaves->queues_capacity * 2;
            leaves->queues =
                heap_resize(leaves->queues, leaves->queues_capacity * sizeof(*leaves->queues));
        }
        leaves->queues[count++] = queue;
    }
    return count;
}

/* As this server's account has it: requests to JetStream in its domain, mapped subjects. */
static enum mapped map_subject(struct leaf *leaf, struct bytes subject, struct buf *out)
{
    struct leaves *leaves = leaf->leaves;
    struct bytes domain = bytes_of_text(leaves->setup.clients->domain_api);
    const struct account *account = leaf->account->account;

    buf_clear(out);
    if (domain.size > 0 && leaves->setup.info->jetstream && !account->system &&
        bytes_starts(subject, domain)) {
        clients_in_domain(leaves->setup.clients, subject, out);
        return MAPPED_OTHER;
    }
    if (account->mappings == NULL)
        return MAPPED_SAME;
    return mappings_apply(account->mappings, subject, &leaves->prng, out);
}

static void publish(struct leaf *leaf, struct message *message, struct bytes queues)
{
    struct leaves *leaves = leaf->leaves;
    bool mapped = false;
    size_t count;

    switch (map_subject(leaf, message_sent_to(message), &leaves->subject)) {
    case MAPPED_SAME: break;
    case MAPPED_LOST: return;
    case MAPPED_OTHER:
        *(message->route.size > 0 ? &message->route : &message->subject) =
            buf_bytes(&leaves->subject);
        mapped = true;
        break;
    }
    count = gather_queues(leaves, queues);
    (void)router_publish_leaf(leaves->setup.router, leaf->account->account, message,
                              mapped && count == 0, leaves->queues, count);
}

static void heard_message(struct leaf *leaf, const struct leaf_message *said, const uint8_t *body)
{
    struct leaves *leaves = leaf->leaves;
    struct message message = {
        .subject = said->subject,
        .reply = said->reply,
        .headers = bytes_of(body, said->header_size),
        .payload = bytes_of(body + said->header_size, said->size - said->header_size),
        .leaf = &leaf->peer,
    };
    struct bytes shown = leaf_reply_shown(&message.reply);

    if (shown.size > 0) {
        message.route = said->subject;
        message.subject = shown;
    }

    leaf->in_messages++;
    leaf->in_bytes += said->size;
    leaves->stats.in_messages++;
    leaves->stats.in_bytes += said->size;
    traffic_add(&leaf->account->account->received, said->size);
    if (!leaf_rules_take(&leaf->rules, leaf->peer.hub, said->subject)) {
        heard_violation(leaf, "Publish", "Publish", said->subject);
        return;
    }
    publish(leaf, &message, said->queues);
}

/* ---- the rest ------------------------------------------------------------------------------- */

static void heard_error(struct leaf *leaf, struct bytes args)
{
    const struct leaves *leaves = leaf->leaves;
    int64_t delay_ns = 0;

    logger_error(leaves->setup.logger, "%s - Leafnode Error %.*s", leaf->label,
                 (int)(args.size < 512 ? args.size : 512), (const char *)args.at);
    if (memmem(args.at, args.size, "Loop detected", 13) != NULL ||
        memmem(args.at, args.size, "same cluster name", 17) != NULL ||
        memmem(args.at, args.size, "Permissions Violation", 21) != NULL)
        delay_ns = LEAF_DELAY_NS;
    else if (memmem(args.at, args.size, "minimum version", 15) != NULL)
        delay_ns = LEAF_DELAY_VERSION_NS;
    if (leaf->remote != NULL && delay_ns > leaf->remote->delay_ns)
        leaf->remote->delay_ns = delay_ns;
    leaf_close(leaf, LEAF_AT_ONCE, "Parse Error");
}

void leaf_ping(struct leaf *leaf)
{
    struct leaves *leaves = leaf->leaves;
    const struct options *options = leaves->setup.options;
    int64_t now_ns = io_now(leaves->setup.io);

    if (leaf->state != LEAF_UP)
        return;
    if ((int64_t)leaf->pings_out >= options->ping_max) {
        leaves->stats.stale++;
        leaf_refuse(leaf, "Stale Connection", "Stale Connection");
        return;
    }
    leaf->pings_out++;
    leaf->ping_sent_ns = now_ns;
    (void)BUF_ADD(&leaf->out, "PING\r\n");
    leaf_mark(leaf);
    timers_arm(io_timers(leaves->setup.io), &leaf->ping, now_ns + options->ping_interval_ns);
}

static void heard_pong(struct leaf *leaf)
{
    if (leaf->pings_out > 0)
        leaf->rtt_ns = io_now(leaf->leaves->setup.io) - leaf->ping_sent_ns;
    leaf->pings_out = 0;
}

/* ---- lines ---------------------------------------------------------------------------------- */

static bool may_come(const struct leaf *leaf, enum leaf_verb verb)
{
    switch (verb) {
    case LEAF_VERB_INFO: return true;
    case LEAF_VERB_ERR:
    case LEAF_VERB_OK: return true;
    case LEAF_VERB_CONNECT: return leaf->state == LEAF_UNPROVEN;
    case LEAF_VERB_PING:
    case LEAF_VERB_PONG: return leaf->state != LEAF_UNPROVEN;
    default: return leaf->state == LEAF_UP;
    }
}

static void heard_line(struct leaf *leaf, const struct leaf_line *line)
{
    switch (line->verb) {
    case LEAF_VERB_SUB: heard_sub(leaf, line->args); break;
    case LEAF_VERB_UNSUB: heard_unsub(leaf, line->args); break;
    case LEAF_VERB_INFO: leaf_heard_info(leaf, line->args); break;
    case LEAF_VERB_CONNECT: leaf_heard_connect(leaf, line->args); break;
    case LEAF_VERB_ERR: heard_error(leaf, line->args); break;
    case LEAF_VERB_PONG: heard_pong(leaf); break;
    case LEAF_VERB_PING:
        (void)BUF_ADD(&leaf->out, "PONG\r\n");
        leaf_mark(leaf);
        break;
    default: break;
    }
}

/* A message whose line is whole. 0: its payload is not, or it was refused. */
static size_t take_message(struct leaf *leaf, struct bytes b, const struct leaf_line *line)
{
    bool headers = line->verb == LEAF_VERB_MESSAGE_HEADERS;
    struct leaf_message message;
    const char *why;
    size_t whole;

    if (!leaf_message_read(line->args, headers, &message, &why)) {
        leaf_refuse(leaf, why, "Protocol Violation");
        return 0;
    }
    if ((int64_t)message.size > payload_max(leaf)) {
        leaf_refuse(leaf, "Maximum Payload Violation", "Maximum Message Payload Exceeded");
        return 0;
    }
    whole = line->size + message.size + 2;
    if (b.size < whole)
        return 0;
    if (!bytes_equal(bytes_skip(bytes_take(b, whole), whole - 2), BYTES("\r\n"))) {
        leaf_refuse(leaf, "Unknown Protocol Operation", "Protocol Violation");
        return 0;
    }
    heard_message(leaf, &message, b.at + line->size);
    return whole;
}

static size_t line_max(const struct leaf *leaf)
{
    return leaf->state == LEAF_UNPROVEN ? LEAF_LINE_UNPROVEN_MAX : LEAF_LINE_MAX;
}

static size_t take_one(struct leaf *leaf, struct bytes b)
{
    struct leaf_line line;

    switch (leaf_line_read(b, line_max(leaf), &line)) {
    case PARSE_DONE: break;
    case PARSE_MORE: return 0;
    case PARSE_LONG:
        leaf_refuse(leaf, "maximum control line exceeded", "Maximum Control Line Exceeded");
        return 0;
    case PARSE_BAD: leaf_refuse(leaf, "Unknown Protocol Operation", "Protocol Violation"); return 0;
    }
    if (!may_come(leaf, line.verb)) {
        leaf_refuse(leaf, "Authorization Violation", "Protocol Violation");
        return 0;
    }
    if (line.verb == LEAF_VERB_MESSAGE || line.verb == LEAF_VERB_MESSAGE_HEADERS)
        return take_message(leaf, b, &line);
    heard_line(leaf, &line);
    return line.size;
}

/* While a password is proven, and where TLS begins, what follows waits. */
static bool takes(const struct leaf *leaf, bool secure)
{
    return leaf->state < LEAF_ENDING && leaf->state != LEAF_PROVING && leaf->secure == secure;
}

size_t leaf_take(struct leaf *leaf, struct bytes b)
{
    bool secure = leaf->secure;
    size_t taken = 0;

    while (takes(leaf, secure) && taken < b.size) {
        size_t size = take_one(leaf, bytes_skip(b, taken));

        if (size == 0)
            break;
        taken += size;
    }
    return taken;
}
