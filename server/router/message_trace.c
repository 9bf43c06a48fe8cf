#include "server/router/message_trace.h"

#include <pthread.h>
#include <stdio.h>

#include "base/heap.h"
#include "base/logger.h"
#include "base/subject.h"
#include "server/monitor/content_encoding.h"
#include "server/monitor/monitor_priv.h"
#include "server/router/router_priv.h"

#define EVENT_SIZE_MAX (4u * MESSAGE_TRACE_SIZE_MAX)
#define HOP_MAX        256u /* servers are few, and each adds one number */

/* What a stream made of it. It is written when that is known. */
struct stream_part {
    bool there;
    size_t at; /* where among the entries */
    int64_t wall_ns;
    struct bytes stream, subject, error; /* owned */
    bool no_interest;
};

struct message_trace {
    struct tracer *tracer;       /* of the shard where it is */
    struct message_trace *whole; /* what this is a part of, which it holds; NULL: it is whole */
    struct account *account;     /* on that shard */
    struct bytes destination;    /* owned */
    struct bytes toward;         /* the same, where it is now; of a part: owned */
    struct bytes hop;            /* owned */
    struct buf request;          /* the members of the headers */
    struct buf entries;
    pthread_mutex_t lock; /* over entries, when parts end */
    size_t first_end;     /* before the brace that ends the first entry */
    size_t size;
    size_t held; /* of what tracer->held counts */
    struct stream_part stream;
    _Atomic unsigned hops; /* of the whole */
    unsigned parts;        /* that were ever made of it */
    _Atomic unsigned holders;
    enum content_encoding encoding;
    enum trace_export export;
    bool only;
    bool forgotten; /* nobody is told */
};

static struct message_trace *whole_of(struct message_trace *trace)
{
    return trace->whole != NULL ? trace->whole : trace;
}

/* ---- entries -------------------------------------------------------------------------------- */

/* One that finds no room is left out. */
struct entry {
    struct message_trace *trace;
    struct json_writer writer;
    size_t from;
};

static struct json_writer *entry_begin(struct entry *entry, struct message_trace *trace,
                                       const char *type)
{
    struct json_writer *w = &entry->writer;

    entry->trace = trace;
    entry->from = trace->entries.size;
    if (trace->entries.size > 0 || trace->whole != NULL)
        (void)buf_add_byte(&trace->entries, ',');
    json_writer_init(w, &trace->entries);
    json_object_begin(w);
    json_put_text(w, BYTES("type"), type);
    json_put_time(w, BYTES("ts"), trace->tracer->wall(trace->tracer->owner));
    return w;
}

static void entry_end(struct entry *entry)
{
    json_object_end(&entry->writer);
    if (entry->writer.failed)
        entry->trace->entries.size = entry->from;
}

/* ---- beginning ------------------------------------------------------------------------------ */

static void write_ingress(struct message_trace *trace, const struct trace_peer *from,
                          struct bytes subject)
{
    struct entry entry;
    struct json_writer *w = entry_begin(&entry, trace, "in");

    json_put_i64(w, BYTES("kind"), from->kind);
    json_put_u64(w, BYTES("cid"), from->id);
    json_put_given(w, BYTES("name"), from->name);
    json_put_string(w, BYTES("acc"), trace->account->name);
    json_put_string(w, BYTES("subj"), subject);
    entry_end(&entry);
    if (trace->entries.size == 0) /* a name or a subject of a MiB */
        (void)BUF_ADD(&trace->entries, "{\"type\":\"in\"}");
    trace->first_end = trace->entries.size - 1;
}

static void write_request(struct message_trace *trace, struct bytes headers)
{
    struct json_writer w;

    json_writer_init(&w, &trace->request);
    trace_write_headers(&w, headers);
    if (w.failed)
        buf_clear(&trace->request);
}

static void trace_init(struct message_trace *trace, struct tracer *tracer, struct account *account)
{
    int error = pthread_mutex_init(&trace->lock, NULL);

    assert(error == 0);
    trace->tracer = tracer;
    trace->account = account;
    atomic_init(&trace->hops, 0);
    atomic_init(&trace->holders, 1);
    buf_init(&trace->request, MESSAGE_TRACE_SIZE_MAX);
    buf_init(&trace->entries, MESSAGE_TRACE_SIZE_MAX);
}

struct message_trace *message_trace_begin(struct tracer *tracer, struct account *account,
                                          const struct trace_peer *from,
                                          const struct message *message, size_t size,
                                          const struct trace_ask *ask, struct bytes destination)
{
    struct message_trace *trace = HEAP_NEW(struct message_trace);

    trace_init(trace, tracer, account);
    trace->destination = heap_copy(destination);
    trace->toward = trace->destination;
    trace->hop = heap_copy(from->kind == TRACE_ROUTE ? ask->hop : bytes_of(NULL, 0));
    trace->only = ask->only;
    trace->size = size;
    trace->encoding = content_encoding_asked(ask->encoding);
    write_request(trace, message->headers);
    write_ingress(trace, from, message->subject);
    return trace;
}

static bool may_begin(const struct tracer *tracer, const struct trace_ask *ask,
                      struct bytes destination)
{
    if (ask->origin_account.size > 0) {
        logger_error(tracer->logger,
                     "Message tracing disabled because of header \"Nats-Trace-Origin-Account\"");
        return false;
    }
    if (subject_literal(destination) && ask->hop.size <= HOP_MAX)
        return true;
    logger_error(tracer->logger, "Destination \"%.*s\" is not valid, won't be able to trace events",
                 (int)(destination.size < HOP_MAX ? destination.size : HOP_MAX),
                 (const char *)destination.at);
    return false;
}

bool message_trace_routed(struct router *router, struct account *account,
                          const struct trace_peer *from, const struct message *message,
                          struct message_trace **trace)
{
    struct tracer *tracer = router_tracer(router);
    struct bytes own = message_trace_account(account), destination;
    struct trace_ask ask;

    *trace = NULL;
    if (tracer == NULL || !trace_asked(message->headers, &ask))
        return true;
    destination = ask.external ? own : ask.destination;
    if (ask.external && own.size == 0)
        return true;
    if (!may_begin(tracer, &ask, destination))
        return !ask.only;
    *trace = message_trace_begin(tracer, account, from, message,
                                 message->headers.size + message->payload.size, &ask, destination);
    return true;
}

/* ---- what has become of it ------------------------------------------------------------------ */

struct bytes message_trace_destination(const struct message_trace *trace)
{
    return trace->toward;
}

void message_trace_redirect(struct message_trace *trace, struct bytes destination)
{
    trace->toward = destination;
}

bool message_trace_only(const struct message_trace *trace)
{
    return trace != NULL && trace->only;
}

/* It stands within the first entry, whatever came meanwhile. */
void message_trace_refused(struct message_trace *trace, const char *text, struct bytes what)
{
    struct buf sentence, member;
    struct json_writer w;
    size_t tail = trace->entries.size - trace->first_end;
    uint8_t *at;

    buf_init(&sentence, SIZE_MAX / 2);
    buf_init(&member, SIZE_MAX / 2);
    (void)buf_add(&sentence, bytes_of_text(text));
    if (what.size > 0) {
        (void)BUF_ADD(&sentence, "\"");
        (void)buf_add(&sentence, what);
        (void)BUF_ADD(&sentence, "\"");
    }
    (void)BUF_ADD(&member, ",\"error\":");
    json_writer_init(&w, &member);
    json_string(&w, buf_bytes(&sentence));
    if (buf_reserve(&trace->entries, member.size) != NULL) {
        at = trace->entries.at + trace->first_end;
        memmove(at + member.size, at, tail);
        memcpy(at, member.at, member.size);
        trace->entries.size += member.size;
    }
    buf_deinit(&sentence);
    buf_deinit(&member);
}

void message_trace_mapped(struct message_trace *trace, struct bytes to)
{
    struct entry entry;
    struct json_writer *w = entry_begin(&entry, trace, "sm");

    json_put_string(w, BYTES("to"), to);
    entry_end(&entry);
}

void message_trace_imported(struct message_trace *trace, struct bytes account, struct bytes from,
                            struct bytes to)
{
    struct entry entry;
    struct json_writer *w = entry_begin(&entry, trace, "si");

    json_put_string(w, BYTES("acc"), account);
    json_put_string(w, BYTES("from"), from);
    json_put_string(w, BYTES("to"), to);
    entry_end(&entry);
}

void message_trace_left(struct message_trace *trace, const struct trace_egress *egress)
{
    struct entry entry;
    struct json_writer *w = entry_begin(&entry, trace, "eg");

    json_put_i64(w, BYTES("kind"), egress->to.kind);
    json_put_u64(w, BYTES("cid"), egress->to.id);
    json_put_given(w, BYTES("name"), egress->to.name);
    json_put_given(w, BYTES("hop"), egress->hop);
    if (egress->account != NULL && egress->account != trace->account)
        json_put_string(w, BYTES("acc"), egress->account->name);
    json_put_given(w, BYTES("sub"), egress->subscription);
    json_put_given(w, BYTES("queue"), egress->queue);
    if (egress->error != NULL)
        json_put_text(w, BYTES("error"), egress->error);
    entry_end(&entry);
}

void message_trace_export(struct message_trace *trace, enum trace_export export)
{
    trace->export = export;
}

enum trace_export message_trace_exported(const struct message_trace *trace)
{
    return trace->export;
}

void message_trace_exports(struct message_trace *trace, const struct account *account,
                           struct bytes to)
{
    struct entry entry;
    struct json_writer *w = entry_begin(&entry, trace, "se");

    json_put_string(w, BYTES("acc"), account->name);
    json_put_string(w, BYTES("to"), to);
    entry_end(&entry);
}

/* ---- on to other servers -------------------------------------------------------------------- */

/* Another for each, whichever part of it goes on. */
static unsigned next_hop(struct message_trace *trace)
{
    return atomic_fetch_add(&whole_of(trace)->hops, 1) + 1;
}

struct bytes message_trace_hop(struct message_trace *trace, struct bytes headers, struct buf *out,
                               struct bytes *hop)
{
    char text[HOP_MAX + 16];
    int size = snprintf(text, sizeof(text), "%.*s%s%u", BYTES_ARG(trace->hop),
                        trace->hop.size > 0 ? "." : "", next_hop(trace));
    struct bytes value = bytes_of(text, (size_t)size), block;
    struct buf directed;

    buf_init(&directed, 0);
    if (trace->export == TRACE_EXPORTED)
        headers = trace_headers_set(headers, TRACE_DEST, trace->toward, false, &directed);
    block = trace_headers_set(headers, TRACE_HOP, value, false, out);
    buf_deinit(&directed);
    /* It is the last: a line end and the end of the block stand behind it. */
    *hop = bytes_of(block.at + block.size - 4 - value.size, value.size);
    return block;
}

bool message_trace_unfollowed(struct message_trace *trace, struct trace_egress *egress)
{
    egress->error = trace->only
                        ? "Not delivered because remote does not support message tracing"
                        : "Message delivered but remote does not support message tracing so no "
                          "trace event generated from there";
    if (trace->export != TRACE_EXPORTED_UNTRACED)
        message_trace_left(trace, egress);
    return !trace->only;
}

unsigned message_trace_gone_on(const struct message_trace *trace)
{
    return atomic_load(&trace->hops) + trace->parts;
}

/* ---- into a stream -------------------------------------------------------------------------- */

static size_t held_size(const struct message_trace *trace)
{
    return sizeof(*trace) + trace->request.capacity + trace->entries.capacity;
}

bool message_trace_stream(struct message_trace *trace, struct bytes stream)
{
    struct stream_part *part = &trace->stream;
    size_t size = held_size(trace);
    struct entry entry;

    if (part->there || atomic_load(&trace->tracer->held) + size > MESSAGE_TRACE_HELD_MAX) {
        json_put_string(entry_begin(&entry, trace, "js"), BYTES("stream"), stream);
        entry_end(&entry);
        return false;
    }
    part->there = true;
    part->at = trace->entries.size;
    part->wall_ns = trace->tracer->wall(trace->tracer->owner);
    part->stream = heap_copy(stream);
    trace->held = size;
    atomic_fetch_add(&trace->tracer->held, size);
    atomic_fetch_add(&trace->holders, 1);
    return true;
}

void message_trace_stored(struct message_trace *trace, struct bytes subject, bool no_interest,
                          struct bytes error)
{
    struct stream_part *part = &trace->stream;

    assert(part->there);
    heap_give((void *)part->subject.at);
    heap_give((void *)part->error.at);
    part->subject = heap_copy(subject);
    part->error = heap_copy(error);
    part->no_interest = no_interest;
    if (subject.size > 0)
        part->wall_ns = trace->tracer->wall(trace->tracer->owner);
}

static void write_stream(struct buf *out, const struct stream_part *part)
{
    struct json_writer w;

    if (!part->there)
        return;
    (void)buf_add_byte(out, ',');
    json_writer_init(&w, out);
    json_object_begin(&w);
    json_put_text(&w, BYTES("type"), "js");
    json_put_time(&w, BYTES("ts"), part->wall_ns);
    json_put_string(&w, BYTES("stream"), part->stream);
    json_put_given(&w, BYTES("subject"), part->subject);
    json_put_true(&w, BYTES("nointerest"), part->no_interest);
    json_put_given(&w, BYTES("error"), part->error);
    json_object_end(&w);
}

/* ---- ending --------------------------------------------------------------------------------- */

static void write_entries(const struct message_trace *trace, struct buf *out)
{
    struct bytes entries = buf_bytes(&trace->entries);
    size_t split = trace->stream.there ? trace->stream.at : entries.size;

    (void)buf_add(out, bytes_take(entries, split));
    write_stream(out, &trace->stream);
    (void)buf_add(out, bytes_skip(entries, split));
}

static void write_event(struct message_trace *trace, struct tracer *here, struct buf *out)
{
    unsigned hops = atomic_load(&trace->hops);
    struct json_writer w;

    (void)BUF_ADD(out, "{\"server\":");
    json_writer_init(&w, out);
    here->write_server(here->owner, &w);
    (void)BUF_ADD(out, ",\"request\":{");
    if (trace->request.size > 0) {
        (void)BUF_ADD(out, "\"header\":");
        (void)buf_add(out, buf_bytes(&trace->request));
        (void)BUF_ADD(out, ",");
    }
    (void)buf_print(out, "\"msgsize\":%zu}", trace->size);
    if (hops > 0)
        (void)buf_print(out, ",\"hops\":%u", hops);
    (void)BUF_ADD(out, ",\"events\":[");
    write_entries(trace, out);
    (void)BUF_ADD(out, "]}");
}

/* By `here`, whose shard this is. */
static void tell(struct message_trace *trace, struct tracer *here)
{
    struct account *account = router_account_here(here->router, trace->account);
    struct message message = {.subject = trace->destination};
    struct buf event, packed;

    buf_init(&event, EVENT_SIZE_MAX);
    buf_init(&packed, 2 * EVENT_SIZE_MAX);
    write_event(trace, here, &event);
    if (content_encode(trace->encoding, buf_bytes(&event), &packed)) {
        message.headers = content_encoding_headers(trace->encoding);
        message.payload = buf_bytes(&packed);
        (void)router_publish(here->router, account, &message);
    }
    buf_deinit(&packed);
    buf_deinit(&event);
}

static void trace_free(struct message_trace *trace)
{
    heap_give((void *)trace->destination.at);
    if (trace->whole != NULL)
        heap_give((void *)trace->toward.at);
    heap_give((void *)trace->hop.at);
    heap_give((void *)trace->stream.stream.at);
    heap_give((void *)trace->stream.subject.at);
    heap_give((void *)trace->stream.error.at);
    buf_deinit(&trace->request);
    buf_deinit(&trace->entries);
    pthread_mutex_destroy(&trace->lock);
    heap_give(trace);
}

static void let_go(struct message_trace *trace, struct tracer *here);

/* What has become of a part of it has become of it. What finds no room is left out. */
static void part_end(struct message_trace *part, struct tracer *here)
{
    struct message_trace *whole = part->whole;
    struct buf entries;

    buf_init(&entries, 2 * MESSAGE_TRACE_SIZE_MAX);
    write_entries(part, &entries);
    pthread_mutex_lock(&whole->lock);
    (void)buf_add(&whole->entries, buf_bytes(&entries));
    pthread_mutex_unlock(&whole->lock);
    buf_deinit(&entries);
    if (part->forgotten)
        whole->forgotten = true;
    trace_free(part);
    let_go(whole, here);
}

static void let_go(struct message_trace *trace, struct tracer *here)
{
    if (atomic_fetch_sub(&trace->holders, 1) > 1)
        return;
    atomic_fetch_sub(&trace->tracer->held, trace->held);
    if (trace->whole != NULL) {
        part_end(trace, here);
        return;
    }
    if (!trace->forgotten)
        tell(trace, here);
    trace_free(trace);
}

void message_trace_hold(struct message_trace *trace)
{
    if (trace != NULL)
        atomic_fetch_add(&trace->holders, 1);
}

void message_trace_end(struct message_trace *trace)
{
    if (trace != NULL)
        let_go(trace, trace->tracer);
}

void message_trace_forget(struct message_trace *trace)
{
    trace->forgotten = true;
    message_trace_end(trace);
}

/* ---- on other shards ------------------------------------------------------------------------ */

struct message_trace *message_trace_part(struct message_trace *trace)
{
    struct message_trace *whole = whole_of(trace), *part = HEAP_NEW(struct message_trace);

    trace_init(part, trace->tracer, trace->account);
    part->whole = whole;
    part->toward = heap_copy(trace->toward);
    part->hop = heap_copy(whole->hop);
    part->only = trace->only;
    part->export = trace->export;
    trace->parts++;
    atomic_fetch_add(&whole->holders, 1);
    return part;
}

void message_trace_arrive(struct message_trace *part, struct router *router)
{
    part->tracer = router_tracer(router);
    part->account = router_account_here(router, part->account);
}
