#include "kv/entry.h"

#include "base/text.h"
#include "kv/key.h"
#include "server/stream/header_block.h"

/* Clients know three reasons; what is unknown still marks that the key is gone. */
static enum kv_operation of_marker(struct bytes reason)
{
    return bytes_equal(reason, BYTES("Remove")) ? KV_DELETE : KV_PURGE;
}

static enum kv_operation operation_of(struct bytes headers, bool *expired)
{
    struct bytes said = header_block_value(headers, BYTES(KV_OPERATION_HEADER));
    struct bytes marker = header_block_value(headers, BYTES(KV_MARKER_HEADER));

    *expired = marker.at != NULL;
    if (bytes_equal(said, BYTES(KV_OPERATION_DELETE)))
        return KV_DELETE;
    if (bytes_equal(said, BYTES(KV_OPERATION_PURGE)))
        return KV_PURGE;
    return marker.at != NULL ? of_marker(marker) : KV_PUT;
}

bool kv_entry_read(const struct kv_message *message, struct kv_entry *out)
{
    *out = (struct kv_entry){
        .value = message->payload,
        .revision = message->sequence,
        .created_ns = message->time_ns,
    };
    if (!kv_subject_read(message->subject, &out->bucket, &out->key))
        return false;
    if (message->headers.size > 0)
        out->operation = operation_of(message->headers, &out->expired);
    return true;
}

static bool add_line(struct buf *out, const char *name, const char *value)
{
    return buf_print(out, "%s: %s\r\n", name, value);
}

static bool add_operation(struct buf *out, enum kv_operation operation)
{
    switch (operation) {
    case KV_PUT: return true;
    case KV_DELETE: return add_line(out, KV_OPERATION_HEADER, KV_OPERATION_DELETE);
    case KV_PURGE:
        return add_line(out, KV_OPERATION_HEADER, KV_OPERATION_PURGE) &&
               add_line(out, KV_ROLLUP_HEADER, KV_ROLLUP_SUBJECT);
    }
    return false;
}

static bool add_ttl(struct buf *out, int64_t ttl_ns)
{
    char text[40];

    if (ttl_ns == 0)
        return true;
    text_duration(text, ttl_ns);
    return add_line(out, KV_TTL_HEADER, text);
}

bool kv_write_headers(const struct kv_write *write, struct buf *out)
{
    size_t before = out->size;

    assert(write->ttl_ns >= 0);
    if (write->operation == KV_PUT && !write->conditional && write->ttl_ns == 0)
        return true;
    if (BUF_ADD(out, "NATS/1.0\r\n") && add_operation(out, write->operation) &&
        (!write->conditional ||
         buf_print(out, KV_EXPECTED_HEADER ": %llu\r\n", (unsigned long long)write->expected)) &&
        add_ttl(out, write->ttl_ns) && BUF_ADD(out, "\r\n"))
        return true;
    out->size = before;
    return false;
}

bool kv_create_again(const struct kv_entry *last, uint64_t *expected)
{
    if (last->operation == KV_PUT)
        return false;
    *expected = last->revision;
    return true;
}

size_t kv_history_first(const struct kv_entry *entries, size_t count, int64_t history,
                        int64_t ttl_ns, int64_t now_ns)
{
    size_t first = count;

    while (first > 0 && count - first < (uint64_t)(history > 0 ? history : 1)) {
        const struct kv_entry *entry = &entries[first - 1];

        if (ttl_ns > 0 && now_ns - entry->created_ns >= ttl_ns)
            break;
        first--;
        if (entry->operation == KV_PURGE)
            break;
    }
    return first;
}
