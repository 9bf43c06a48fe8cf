/*
 * traced: publishes that ask what becomes of them (server/router/message_trace.h). Their traces are
 * held until it is known: one that is stored until it is applied, as its ack is. A message that is
 * kept says of itself that it is traced no more, so that nobody hears of it again when it is
 * delivered.
 */
#include <stdio.h>

#include "base/heap.h"
#include "server/api/api.h"
#include "server/stream/publish_headers.h"
#include "server/stream/stream_priv.h"

struct stream_traced {
    struct stream_traced *next;
    struct message_trace *trace;
    uint64_t index; /* that is waited for */
};

struct message_trace *stream_traced_begin(struct stream *stream, const struct message *message,
                                          struct publish *publish, struct buf *headers)
{
    if (!message_trace_only(message->trace))
        publish->headers =
            trace_headers_set(message->headers, TRACE_DEST, TRACE_DISABLED, true, headers);
    return message_trace_stream(message->trace, stream->name) ? message->trace : NULL;
}

static void park(struct stream *stream, struct message_trace *trace)
{
    struct stream_traced *traced = HEAP_NEW(struct stream_traced);

    traced->trace = trace;
    traced->index = stream_tail_index(stream);
    if (stream->traced_last != NULL)
        stream->traced_last->next = traced;
    else
        stream->traced_first = traced;
    stream->traced_last = traced;
    stream_mark(stream);
}

static struct message_trace *pop(struct stream *stream)
{
    struct stream_traced *traced = stream->traced_first;
    struct message_trace *trace = traced->trace;

    stream->traced_first = traced->next;
    if (stream->traced_first == NULL)
        stream->traced_last = NULL;
    heap_give(traced);
    return trace;
}

/* ---- why it was refused --------------------------------------------------------------------- */

/* The reference says other words here than to the publisher. */
static const char *words_of(uint16_t code)
{
    switch (code) {
    case 10054: return "maximum payload exceeded";
    case 10060: return "expected stream does not match";
    case 10166: return "message TTL disabled";
    default: return NULL;
    }
}

/* What stands behind the last ": ". */
static struct bytes found_instead(const char *text)
{
    const char *colon = strrchr(text, ':');

    return colon != NULL && colon[1] == ' ' ? bytes_of_text(colon + 2) : bytes_of(NULL, 0);
}

/* "last sequence mismatch: 9 vs 1" */
static void add_mismatch(struct buf *out, const struct publish *publish, const char *text)
{
    struct publish_headers headers;
    struct bytes last = found_instead(text);

    publish_headers_read(publish->headers, &headers);
    if (headers.expected_last_sequence.size > 0)
        (void)buf_print(out, "last sequence mismatch: %.*s vs %.*s",
                        BYTES_ARG(headers.expected_last_sequence), BYTES_ARG(last));
    else
        (void)buf_print(out, "last sequence by subject mismatch: %.*s vs %.*s",
                        BYTES_ARG(headers.expected_last_subject_sequence), BYTES_ARG(last));
}

static void add_error(struct buf *out, const struct publish *publish, uint16_t code,
                      const char *text)
{
    const char *description = text[0] != 0 ? text : api_error(code)->description;

    if (words_of(code) != NULL)
        (void)buf_add(out, bytes_of_text(words_of(code)));
    else if (code == 10071 && text[0] != 0)
        add_mismatch(out, publish, text);
    else if ((code == 10077 || code == 10111) && text[0] != 0)
        (void)buf_add(out, bytes_of_text(text));
    else
        (void)buf_print(out, "%s (%u)", description, code);
}

void stream_traced_refused(struct message_trace *trace, const struct publish *publish,
                           uint16_t code, const char *text)
{
    struct buf error;

    buf_init(&error, SIZE_MAX / 2);
    add_error(&error, publish, code, text);
    message_trace_stored(trace, code == 10077 ? publish->subject : bytes_of(NULL, 0), false,
                         buf_bytes(&error)); /* that one came as far as the store */
    message_trace_end(trace);
    buf_deinit(&error);
}

/* ---- what was decided ----------------------------------------------------------------------- */

/* As it is stored. */
static void stored(struct stream *stream, struct message_trace *trace,
                   const struct publish *publish, const struct decision *decision)
{
    struct bytes none = bytes_of(NULL, 0);
    struct bytes subject = decision->subject.size > 0 ? decision->subject : publish->subject;
    bool unwanted =
        stream->state.config.retention == RETENTION_INTEREST && !stream_interested(stream, subject);

    message_trace_stored(trace, subject, unwanted, none);
}

void stream_traced_decided(struct stream *stream, struct message_trace *trace,
                           const struct publish *publish, const struct decision *decision)
{
    struct bytes none = bytes_of(NULL, 0);

    switch (decision->outcome) {
    case DECIDE_STORE:
        stored(stream, trace, publish, decision);
        park(stream, trace);
        return;
    case DECIDE_TRACED: stored(stream, trace, publish, decision); break;
    case DECIDE_DUPLICATE:
        message_trace_stored(trace, none, false, BYTES("msgid is duplicate"));
        break;
    case DECIDE_REFUSE:
        stream_traced_refused(trace, publish, decision->error, decision->error_text);
        return;
    case DECIDE_STAGED:
    case DECIDE_HANDLED: break; /* what becomes of it shows later */
    case DECIDE_WAIT:
    case DECIDE_FULL: return;
    }
    message_trace_end(trace);
}

void stream_traced_settle(struct stream *stream, uint64_t applied)
{
    while (stream->traced_first != NULL && stream->traced_first->index <= applied)
        message_trace_end(pop(stream));
}

void stream_traced_lost(struct stream *stream, uint64_t applied, struct bytes error)
{
    stream_traced_settle(stream, applied);
    while (stream->traced_first != NULL) {
        struct message_trace *trace = pop(stream);

        message_trace_stored(trace, bytes_of(NULL, 0), false, error);
        message_trace_end(trace);
    }
}

void stream_traced_forget(struct stream *stream)
{
    while (stream->traced_first != NULL)
        message_trace_forget(pop(stream));
}
