#include "server/router/exchange.h"

#include <stdio.h>

#include "base/heap.h"
#include "base/io.h"
#include "base/subject.h"
#include "base/table.h"
#include "base/text.h"
#include "server/router/message_trace.h"
#include "server/router/share.h"

#define NODE_SIZE          8u  /* characters that tell this server's replies from others' */
#define TOKEN_SIZE         16u /* that nobody can guess */
#define SUBJECT_MAX_MAPPED (64u << 10)
#define EVENTS_NS          INT64_C(10000000000) /* for other servers to tell of a message */
#define HEADERS_MAX        (1u << 20)           /* with who asks; larger ones stay as they are */

/* A stream that another account imports, or a service that this one does. */
struct share {
    struct subject_transform transform;
    struct account *to;
    bool streamed;
    bool tells;  /* who asks */
    bool traced; /* messages are traced on the other side, too */
    int64_t threshold_ns;
};

/* Of one account. */
struct shares {
    struct share *streams; /* of its own, to those that import them */
    size_t streams_count;
    struct share *services; /* of others, that it imports */
    size_t services_count;
    struct sub replies; /* in the list of an account that exports services */
};

/* A request that waits for replies, the one that waits longest first. */
struct awaited {
    struct awaited *previous, *next;
    struct bytes subject; /* that was given out; owned, as the next */
    struct bytes reply;   /* that the requestor gave */
    struct account *account;
    int64_t deadline_ns;
    int64_t threshold_ns;
    bool streamed;
};

/* A reply on its way, copied. */
struct passing {
    struct passing *next;
    struct account *account;
    struct message message;
    uint8_t memory[];
};

struct exchange {
    struct router *router;
    struct io *io;
    struct prng prng;
    struct arena arena;             /* of what is configured */
    char prefix[4 + NODE_SIZE + 2]; /* "_R_.<node>." */
    struct table awaited;           /* by subject */
    struct awaited *first, *last;
    struct passing *passing_first, *passing_last;
    exchange_describe_fn *describe;
    void *describe_owner;
    unsigned depth;
    bool settling;
};

/* ---- what is configured --------------------------------------------------------------------- */

static const struct account_options *options_of(const struct account *account)
{
    return account != NULL ? account->options : NULL;
}

static struct shares *shares_of(struct exchange *exchange, struct account *account)
{
    if (account->shares == NULL)
        account->shares = HEAP_NEW(struct shares);
    (void)exchange;
    return account->shares;
}

static void share_add(struct share **list, size_t *count, const struct share *share)
{
    *list = heap_resize(*list, (*count + 1) * sizeof(**list));
    (*list)[(*count)++] = *share;
}

/* Replies to what others ask of it come back here. */
static void serve_replies(struct exchange *exchange, struct account *account)
{
    struct shares *shares = shares_of(exchange, account);
    char subject[sizeof(exchange->prefix) + 1];

    if (shares->replies.set != NULL)
        return;
    shares->replies.kind = SUB_REPLY;
    snprintf(subject, sizeof(subject), "%s>", exchange->prefix);
    sublist_add(&account->subs, &shares->replies, bytes_of_text(subject), BYTES(""));
}

static void add_import(struct exchange *exchange, struct account *account,
                       const struct import_options *import)
{
    struct account *from = router_account(exchange->router, import->account);
    const struct export_options *export = NULL;
    struct subject_transform_error error;
    struct share share = {.to = account};
    struct shares *shares;

    if (options_of(from) != NULL)
        export = share_export(from->options, import, account->name);
    if (export == NULL || !share_compile(import, &share.transform, &exchange->arena, &error))
        return; /* never: the configuration was checked */
    share.traced = import->kind == SHARE_STREAM ? import->traced : export->traced;
    if (import->kind == SHARE_STREAM) {
        shares = shares_of(exchange, from);
        share_add(&shares->streams, &shares->streams_count, &share);
        if (share.traced)
            serve_replies(exchange, account); /* other nodes tell of messages there */
        return;
    }
    share.to = from;
    share.streamed = export->streamed;
    share.tells = import->share;
    share.threshold_ns = export->threshold_ns;
    shares = shares_of(exchange, account);
    share_add(&shares->services, &shares->services_count, &share);
    serve_replies(exchange, from);
}

static void clear(struct exchange *exchange)
{
    struct account *account;

    for (size_t at = 0; (account = router_account_next(exchange->router, &at)) != NULL;) {
        struct shares *shares = account->shares;

        if (shares == NULL)
            continue;
        heap_give(shares->streams);
        heap_give(shares->services);
        shares->streams = shares->services = NULL;
        shares->streams_count = shares->services_count = 0;
    }
    arena_reset(&exchange->arena);
}

void exchange_configure(struct exchange *exchange)
{
    struct account *account;

    clear(exchange);
    for (size_t at = 0; (account = router_account_next(exchange->router, &at)) != NULL;) {
        const struct account_options *options = account->options;

        for (size_t i = 0; options != NULL && i < options->imports.count; i++)
            add_import(exchange, account, &options->imports.at[i]);
    }
}

/* ---- requests that wait --------------------------------------------------------------------- */

static struct bytes awaited_key(const void *item)
{
    return ((const struct awaited *)item)->subject;
}

static void unlink_awaited(struct exchange *exchange, struct awaited *awaited)
{
    if (awaited->previous != NULL)
        awaited->previous->next = awaited->next;
    else
        exchange->first = awaited->next;
    if (awaited->next != NULL)
        awaited->next->previous = awaited->previous;
    else
        exchange->last = awaited->previous;
}

static void link_awaited(struct exchange *exchange, struct awaited *awaited)
{
    awaited->previous = exchange->last;
    awaited->next = NULL;
    if (exchange->last != NULL)
        exchange->last->next = awaited;
    else
        exchange->first = awaited;
    exchange->last = awaited;
}

static void forget(struct exchange *exchange, struct awaited *awaited)
{
    (void)table_remove(&exchange->awaited, awaited->subject);
    unlink_awaited(exchange, awaited);
    heap_give((void *)awaited->subject.at);
    heap_give((void *)awaited->reply.at);
    heap_give(awaited);
}

static void forget_old(struct exchange *exchange, int64_t now_ns)
{
    while (exchange->first != NULL && (exchange->first->deadline_ns <= now_ns ||
                                       exchange->awaited.count >= EXCHANGE_REPLIES_MAX))
        forget(exchange, exchange->first);
}

/* The subject that is given out in place of the reply. */
static struct bytes await(struct exchange *exchange, struct account *account,
                          const struct share *share, struct bytes reply)
{
    int64_t now_ns = io_now(exchange->io);
    struct awaited *awaited = HEAP_NEW(struct awaited);
    char subject[sizeof(exchange->prefix) + TOKEN_SIZE];
    size_t size = strlen(exchange->prefix);

    forget_old(exchange, now_ns);
    memcpy(subject, exchange->prefix, size);
    text_base62(&exchange->prng, subject + size, TOKEN_SIZE);
    awaited->subject = heap_copy(bytes_of(subject, size + TOKEN_SIZE));
    awaited->reply = heap_copy(reply);
    awaited->account = account;
    awaited->streamed = share->streamed;
    awaited->threshold_ns = share->threshold_ns;
    awaited->deadline_ns = now_ns + share->threshold_ns;
    table_add(&exchange->awaited, awaited);
    link_awaited(exchange, awaited);
    return awaited->subject;
}

/* ---- sharing -------------------------------------------------------------------------------- */

static struct bytes route_of(const struct message *message)
{
    return message->route.size > 0 ? message->route : message->subject;
}

static bool map(struct exchange *exchange, const struct share *share, struct bytes subject,
                struct buf *out)
{
    buf_clear(out);
    return subject_matches(share->transform.source, subject) &&
           subject_transform_apply(&share->transform, subject, &exchange->prng, out);
}

/* While a message is in another account, other servers tell of it there: what they say comes back
 * like replies. */
struct detour {
    struct bytes before, destination; /* the second is owned */
    unsigned hops;
};

static void detour_begin(struct exchange *exchange, struct detour *detour, struct account *account,
                         struct message_trace *trace)
{
    const struct share back = {.streamed = true, .threshold_ns = EVENTS_NS};

    detour->before = message_trace_destination(trace);
    detour->destination = heap_copy(await(exchange, account, &back, detour->before));
    detour->hops = message_trace_gone_on(trace);
    message_trace_redirect(trace, detour->destination);
}

static void detour_end(struct exchange *exchange, struct detour *detour,
                       struct message_trace *trace)
{
    struct awaited *awaited = table_find(&exchange->awaited, detour->destination);

    message_trace_redirect(trace, detour->before);
    if (awaited != NULL && message_trace_gone_on(trace) == detour->hops)
        forget(exchange, awaited); /* it went nowhere */
    heap_give((void *)detour->destination.at);
}

static size_t share_stream_traced(struct exchange *exchange, struct account *account,
                                  const struct share *share, const struct message *message)
{
    struct detour detour;
    size_t received;

    message_trace_export(message->trace, share->traced ? TRACE_EXPORTED : TRACE_EXPORTED_UNTRACED);
    if (share->traced)
        detour_begin(exchange, &detour, account, message->trace);
    received = router_publish_within(exchange->router, share->to, message);
    if (share->traced)
        detour_end(exchange, &detour, message->trace);
    message_trace_export(message->trace, TRACE_HOME);
    return received;
}

static size_t share_stream(struct exchange *exchange, struct account *account,
                           const struct share *share, const struct message *message,
                           struct buf *mapped)
{
    struct message copy = *message;

    if (!map(exchange, share, route_of(message), mapped))
        return 0;
    if (message->route.size > 0)
        copy.route = buf_bytes(mapped);
    else
        copy.subject = buf_bytes(mapped);
    if (copy.trace != NULL)
        return share_stream_traced(exchange, account, share, &copy);
    return router_publish_within(exchange->router, share->to, &copy);
}

/* Acks of JetStream carry their own way back. */
static bool keeps_reply(struct bytes reply)
{
    return reply.size == 0 || bytes_starts(reply, BYTES("$JS.ACK."));
}

/* ---- who asks -------------------------------------------------------------------------------- */

#define INFO_NAME "Nats-Request-Info:"

/* Clients read names in any case. */
static bool is_info(struct bytes line)
{
    struct bytes name = BYTES(INFO_NAME);

    return line.size >= name.size && bytes_equal_nocase(bytes_take(line, name.size), name);
}

/* The lines of a header block, but for what somebody else said of who asks. */
static void keep_lines(struct bytes headers, struct buf *out)
{
    while (headers.size > 0) {
        size_t end = bytes_find(headers, '\n');
        struct bytes line = bytes_take(headers, end < headers.size ? end + 1 : end);

        headers = bytes_skip(headers, line.size);
        if (bytes_equal(line, BYTES("\r\n")))
            return; /* the end of the block */
        if (is_info(line))
            continue;
        (void)buf_add(out, line);
        if (line.at[line.size - 1] != '\n')
            (void)BUF_ADD(out, "\r\n"); /* a block that was cut: what follows is a line, too */
    }
}

/* The headers with who asks, where that fits. */
static struct bytes tell_who(struct exchange *exchange, const struct share *share,
                             const struct message *message, struct buf *out)
{
    if (message->origin == NULL)
        return message->headers;
    if (message->headers.size > 0)
        keep_lines(message->headers, out);
    else
        (void)BUF_ADD(out, "NATS/1.0\r\n");
    if (!BUF_ADD(out, INFO_NAME " ") ||
        !exchange->describe(exchange->describe_owner, message->origin, share->tells, out) ||
        !BUF_ADD(out, "\r\n\r\n"))
        return message->headers;
    return buf_bytes(out);
}

/* ---- services ------------------------------------------------------------------------------- */

static size_t request(struct exchange *exchange, struct account *account, const struct share *share,
                      struct message *message)
{
    struct awaited *awaited;
    size_t received;

    if (keeps_reply(message->reply))
        return router_publish(exchange->router, share->to, message);
    if (!router_interest(exchange->router, share->to, message->subject))
        return 0;
    message->reply = await(exchange, account, share, message->reply);
    message->reply = heap_copy(message->reply); /* whoever answers at once has it forgotten */
    received = router_publish(exchange->router, share->to, message);
    awaited = received == 0 ? table_find(&exchange->awaited, message->reply) : NULL;
    if (awaited != NULL)
        forget(exchange, awaited);
    heap_give((void *)message->reply.at);
    return received;
}

/* It goes on as any other message. */
static size_t request_untraced(struct exchange *exchange, struct account *account,
                               const struct share *share, struct message *message)
{
    struct buf headers;
    size_t received;

    if (message_trace_only(message->trace))
        return 0;
    message->trace = NULL;
    message->headers =
        trace_headers_set(message->headers, TRACE_DEST, TRACE_DISABLED, false, &headers);
    received = request(exchange, account, share, message);
    buf_deinit(&headers);
    return received;
}

static size_t request_traced(struct exchange *exchange, struct account *account,
                             const struct share *share, struct message *message)
{
    struct detour detour;
    struct buf headers;
    size_t received;

    detour_begin(exchange, &detour, account, message->trace);
    message->headers =
        trace_headers_set(message->headers, TRACE_DEST, detour.destination, false, &headers);
    received = request(exchange, account, share, message);
    detour_end(exchange, &detour, message->trace);
    buf_deinit(&headers);
    return received;
}

static size_t request_of(struct exchange *exchange, struct account *account,
                         const struct share *share, struct bytes from, struct message *message)
{
    if (message->trace == NULL)
        return request(exchange, account, share, message);
    message_trace_imported(message->trace, share->to->name, from, message->subject);
    return share->traced ? request_traced(exchange, account, share, message)
                         : request_untraced(exchange, account, share, message);
}

static size_t share_service(struct exchange *exchange, struct account *account,
                            const struct share *share, const struct message *message,
                            struct buf *mapped)
{
    struct message copy = *message;
    struct buf headers;
    size_t received;

    if (!map(exchange, share, route_of(message), mapped))
        return 0;
    buf_init(&headers, HEADERS_MAX);
    copy.subject = buf_bytes(mapped);
    copy.route = bytes_of(NULL, 0);
    copy.headers = tell_who(exchange, share, message, &headers);
    received = request_of(exchange, account, share, route_of(message), &copy);
    buf_deinit(&headers);
    return received;
}

size_t exchange_share(struct exchange *exchange, struct account *account,
                      const struct message *message)
{
    const struct shares *shares = account->shares;
    size_t received = 0;
    struct buf mapped;

    if (shares == NULL || exchange->depth >= SHARE_DEPTH_MAX)
        return 0;
    exchange->depth++;
    buf_init(&mapped, SUBJECT_MAX_MAPPED);
    for (size_t i = 0; i < shares->streams_count; i++)
        received += share_stream(exchange, account, &shares->streams[i], message, &mapped);
    for (size_t i = 0; i < shares->services_count; i++)
        received += share_service(exchange, account, &shares->services[i], message, &mapped);
    buf_deinit(&mapped);
    exchange->depth--;
    return received;
}

uint64_t exchange_generation(const struct account *account)
{
    const struct shares *shares = account->shares;
    uint64_t sum = 0;

    for (size_t i = 0; i < shares->streams_count; i++)
        sum += account_subs_generation(shares->streams[i].to);
    return sum;
}

bool exchange_interest(struct exchange *exchange, struct account *account, struct bytes subject)
{
    const struct shares *shares = account->shares;
    struct buf mapped;
    bool found = false;

    if (shares == NULL || exchange->depth >= SHARE_DEPTH_MAX)
        return false;
    exchange->depth++;
    buf_init(&mapped, SUBJECT_MAX_MAPPED);
    for (size_t i = 0; i < shares->streams_count && !found; i++)
        found = map(exchange, &shares->streams[i], subject, &mapped) &&
                router_interest_within(exchange->router, shares->streams[i].to, buf_bytes(&mapped));
    for (size_t i = 0; i < shares->services_count && !found; i++)
        found = map(exchange, &shares->services[i], subject, &mapped) &&
                router_interest(exchange->router, shares->services[i].to, buf_bytes(&mapped));
    buf_deinit(&mapped);
    exchange->depth--;
    return found;
}

/* ---- replies -------------------------------------------------------------------------------- */

static struct bytes keep(uint8_t **at, struct bytes b)
{
    struct bytes kept = bytes_of(*at, b.size);

    if (b.size > 0)
        memcpy(*at, b.at, b.size);
    *at += b.size;
    return kept;
}

/* What a stream delivers keeps its subject: receivers tell it from a status by that. */
static void pass(struct exchange *exchange, const struct awaited *awaited,
                 const struct message *message)
{
    bool delivery = message->route.size > 0;
    struct bytes subject = delivery ? message->subject : awaited->reply;
    struct bytes route = delivery ? awaited->reply : bytes_of(NULL, 0);
    size_t size = subject.size + route.size + message->reply.size + message->headers.size +
                  message->payload.size;
    struct passing *passing = heap_take(sizeof(*passing) + size);
    uint8_t *at = passing->memory;

    passing->account = awaited->account;
    passing->message = (struct message){
        .subject = keep(&at, subject),
        .route = keep(&at, route),
        .reply = keep(&at, message->reply),
        .headers = keep(&at, message->headers),
        .payload = keep(&at, message->payload),
    };
    if (exchange->passing_last != NULL)
        exchange->passing_last->next = passing;
    else
        exchange->passing_first = passing;
    exchange->passing_last = passing;
}

/* Whoever asked has not said that replies may be followed to where it is. */
static void pass_untraced(struct exchange *exchange, const struct awaited *awaited,
                          const struct message *message)
{
    struct message copy = *message;
    struct buf headers;

    message_trace_imported(message->trace, awaited->account->name, route_of(message),
                           awaited->reply);
    if (message_trace_only(message->trace))
        return;
    copy.headers = trace_headers_set(message->headers, TRACE_DEST, TRACE_DISABLED, false, &headers);
    pass(exchange, awaited, &copy);
    buf_deinit(&headers);
}

void exchange_reply(struct exchange *exchange, const struct message *message)
{
    struct awaited *awaited = table_find(&exchange->awaited, route_of(message));
    int64_t now_ns = io_now(exchange->io);

    if (awaited == NULL)
        return;
    if (awaited->deadline_ns <= now_ns) {
        forget(exchange, awaited);
        return;
    }
    if (message->trace != NULL)
        pass_untraced(exchange, awaited, message);
    else
        pass(exchange, awaited, message);
    if (!awaited->streamed) {
        forget(exchange, awaited);
        return;
    }
    awaited->deadline_ns = now_ns + awaited->threshold_ns;
    unlink_awaited(exchange, awaited);
    link_awaited(exchange, awaited);
}

void exchange_settle(struct exchange *exchange)
{
    struct passing *passing;

    if (exchange->settling)
        return;
    exchange->settling = true;
    while ((passing = exchange->passing_first) != NULL) {
        exchange->passing_first = passing->next;
        if (exchange->passing_first == NULL)
            exchange->passing_last = NULL;
        (void)router_publish(exchange->router, passing->account, &passing->message);
        heap_give(passing);
    }
    exchange->settling = false;
}

/* ---- life ----------------------------------------------------------------------------------- */

struct exchange *exchange_create(struct router *router, struct io *io, uint64_t seed,
                                 exchange_describe_fn *describe, void *owner)
{
    struct exchange *exchange = HEAP_NEW(struct exchange);
    char node[NODE_SIZE];

    exchange->router = router;
    exchange->io = io;
    exchange->describe = describe;
    exchange->describe_owner = owner;
    prng_seed(&exchange->prng, seed);
    arena_init(&exchange->arena, SIZE_MAX / 4);
    table_init(&exchange->awaited, awaited_key, prng_next(&exchange->prng));
    text_base62(&exchange->prng, node, sizeof(node));
    snprintf(exchange->prefix, sizeof(exchange->prefix), "_R_.%.*s.", (int)sizeof(node), node);
    router_set_exchange(router, exchange);
    return exchange;
}

void exchange_destroy(struct exchange *exchange)
{
    struct account *account;
    struct passing *passing;

    clear(exchange);
    for (size_t at = 0; (account = router_account_next(exchange->router, &at)) != NULL;) {
        struct shares *shares = account->shares;

        if (shares != NULL && shares->replies.set != NULL)
            sublist_remove(&account->subs, &shares->replies);
        heap_give(shares);
        account->shares = NULL;
    }
    while (exchange->first != NULL)
        forget(exchange, exchange->first);
    while ((passing = exchange->passing_first) != NULL) {
        exchange->passing_first = passing->next;
        heap_give(passing);
    }
    table_deinit(&exchange->awaited);
    arena_deinit(&exchange->arena);
    router_set_exchange(exchange->router, NULL);
    heap_give(exchange);
}
