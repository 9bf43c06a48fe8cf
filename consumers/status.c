#include "consumers/status.h"

#include "base/text.h"

#define BLOCK "NATS/1.0 "
#define END   "\r\n\r\n"

struct status_text {
    const char *text;
    bool tells_rest;
};

static const struct status_text texts[STATUS_COUNT] = {
    [STATUS_PUSH_BASED] = {"409 Consumer is push based"},
    [STATUS_API_LEVEL] = {"412 Required Api Level"},
    [STATUS_HEARTBEAT_TOO_LARGE] = {"400 Bad Request - heartbeat value too large"},
    [STATUS_NOT_OVERFLOW] = {"400 Bad Request - Not a Overflow Priority consumer"},
    [STATUS_NOT_PINNED] = {"400 Bad Request - Not a Pinned Client Priority consumer"},
    [STATUS_BAD_PRIORITY] = {"400 Bad Request - Priority must be between 0 and 9"},
    [STATUS_NO_GROUP] = {"400 Bad Request - Priority Group missing"},
    [STATUS_BAD_GROUP] = {"400 Bad Request - Invalid Priority Group"},
    [STATUS_PIN_MISMATCH] = {"423 Nats-Pin-Id mismatch"},
    [STATUS_NO_MESSAGES] = {"404 No Messages"},
    [STATUS_DAMAGED] = {"500 Message Damaged"},
    [STATUS_REQUESTS_PENDING] = {"408 Requests Pending"},
    [STATUS_MAX_WAITING] = {"409 Exceeded MaxWaiting"},
    [STATUS_CONSUMER_DELETED] = {"409 Consumer Deleted"},
    [STATUS_LEADERSHIP_CHANGE] = {"409 Leadership Change"},
    [STATUS_TIMEOUT] = {"408 Request Timeout", true},
    [STATUS_SERVER_SHUTDOWN] = {"409 Server Shutdown", true},
    [STATUS_BYTES_EXCEEDED] = {"409 Message Size Exceeds MaxBytes", true},
    [STATUS_BATCH_COMPLETED] = {"409 Batch Completed", true},
    [STATUS_WRONG_PIN] = {"423 Nats-Wrong-Pin-Id", true},
};

/* Blocks are shorter than any limit of `out` that makes sense, so writing them cannot fail. */
static void written(bool fitted)
{
    assert(fitted);
}

void status_write(struct buf *out, enum status status, uint64_t messages, uint64_t bytes)
{
    const struct status_text *text = &texts[status];

    assert(text->text != NULL);
    buf_clear(out);
    if (!text->tells_rest) {
        written(buf_print(out, BLOCK "%s" END, text->text));
        return;
    }
    written(buf_print(out,
                      BLOCK "%s\r\nNats-Pending-Messages: %llu\r\nNats-Pending-Bytes: %llu" END,
                      text->text, (unsigned long long)messages, (unsigned long long)bytes));
}

void status_bad_request(struct buf *out, const char *json_error)
{
    buf_clear(out);
    written(buf_print(out, BLOCK "400 Bad Request - %s" END, json_error));
}

void status_max_batch(struct buf *out, int64_t limit)
{
    buf_clear(out);
    written(buf_print(out, BLOCK "409 Exceeded MaxRequestBatch of %lld" END, (long long)limit));
}

void status_max_expires(struct buf *out, int64_t limit_ns)
{
    char text[40];
    size_t size = text_duration(text, limit_ns);

    buf_clear(out);
    written(buf_print(out, BLOCK "409 Exceeded MaxRequestExpires of %.*s" END, (int)size, text));
}

void status_max_bytes(struct buf *out, int64_t limit)
{
    buf_clear(out);
    written(buf_print(out, BLOCK "409 Exceeded MaxRequestMaxBytes of %lld" END, (long long)limit));
}

void status_heartbeat(struct buf *out, const struct status_alive *alive)
{
    buf_clear(out);
    written(buf_print(
        out, BLOCK "100 Idle Heartbeat\r\nNats-Last-Consumer: %llu\r\nNats-Last-Stream: %llu",
        (unsigned long long)alive->last_consumer, (unsigned long long)alive->last_stream));
    if (alive->stalled.size > 0)
        written(buf_print(out, "\r\nNats-Consumer-Stalled: %.*s", BYTES_ARG(alive->stalled)));
    if (alive->damaged != 0)
        written(
            buf_print(out, "\r\nNats-Message-Damaged: %llu", (unsigned long long)alive->damaged));
    written(BUF_ADD(out, END));
}

void status_flow_control(struct buf *out)
{
    buf_clear(out);
    written(BUF_ADD(out, BLOCK "100 FlowControl Request" END));
}

void status_pin(struct buf *out, struct bytes pin)
{
    buf_clear(out);
    written(buf_print(out, "Nats-Pin-Id: %.*s\r\n", BYTES_ARG(pin)));
}
