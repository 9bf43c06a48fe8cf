#include "server/stream/origin_headers.h"

#include "base/text.h"
#include "server/stream/effect.h"
#include "server/tls/digest.h"

#define STREAM_SOURCE "Nats-Stream-Source"

void origin_hash(struct bytes text, char out[static ORIGIN_HASH_SIZE])
{
    uint8_t digest[DIGEST_SIZE];

    digest_sha256(text, digest);
    for (size_t i = 0; i < ORIGIN_HASH_SIZE; i++)
        out[i] = TEXT_BASE62[digest[i] % 62];
}

/* ---- lines ---------------------------------------------------------------------------------- */

/* The next line without its CRLF; false at the end of the block. */
static bool next_line(struct bytes *rest, struct bytes *line)
{
    const uint8_t *end = rest->size > 0 ? memmem(rest->at, rest->size, "\r\n", 2) : NULL;

    if (end == NULL)
        return false;
    *line = bytes_take(*rest, (size_t)(end - rest->at));
    *rest = bytes_skip(*rest, line->size + 2);
    return true;
}

static bool is_named(struct bytes line, struct bytes name)
{
    return line.size > name.size && bytes_starts(line, name) && line.at[name.size] == ':';
}

static bool is_dropped(struct bytes line, bool sourced)
{
    if (bytes_starts(line, BYTES("Nats-Expected-")) || bytes_starts(line, BYTES("Nats-Batch-")))
        return true;
    return sourced && is_named(line, BYTES(STREAM_SOURCE));
}

/* Copies what stays behind the first line; *kept: how many lines did, *dropped: how many did not.
 */
static void copy_lines(struct bytes block, bool sourced, struct buf *out, size_t *kept,
                       size_t *dropped)
{
    struct bytes rest = block, line;

    *kept = *dropped = 0;
    if (!next_line(&rest, &line))
        return;
    while (next_line(&rest, &line) && line.size > 0) {
        if (is_dropped(line, sourced)) {
            ++*dropped;
            continue;
        }
        (void)buf_add(out, line);
        (void)BUF_ADD(out, "\r\n");
        ++*kept;
    }
}

struct bytes origin_headers(struct bytes block, struct bytes source, struct buf *scratch)
{
    size_t kept, dropped;
    bool fits;

    buf_clear(scratch);
    (void)BUF_ADD(scratch, "NATS/1.0\r\n");
    copy_lines(block, source.size > 0, scratch, &kept, &dropped);
    fits = scratch->size + strlen(STREAM_SOURCE ": \r\n\r\n") + source.size <= EFFECT_HEADERS_MAX;
    if (source.size == 0 && dropped == 0)
        return block;
    if ((source.size == 0 || !fits) && kept == 0)
        return bytes_of(NULL, 0);
    if (source.size > 0 && fits) {
        (void)BUF_ADD(scratch, STREAM_SOURCE ": ");
        (void)buf_add(scratch, source);
        (void)BUF_ADD(scratch, "\r\n");
    }
    (void)BUF_ADD(scratch, "\r\n");
    return buf_bytes(scratch);
}

struct bytes origin_header_value(struct bytes block, struct bytes name)
{
    struct bytes rest = block, line;

    while (next_line(&rest, &line)) {
        if (is_named(line, name))
            return bytes_trim(bytes_skip(line, name.size + 1));
    }
    return bytes_of(NULL, 0);
}

/* ---- Nats-Stream-Source --------------------------------------------------------------------- */

static void add_or_all(struct buf *out, struct bytes subject)
{
    (void)buf_add(out, subject.size > 0 ? subject : BYTES(">"));
}

/* The sources of the transforms, or their destinations, with form feeds between them. */
static void add_transforms(const struct stream_source *source, bool destinations, struct buf *out)
{
    const struct stream_transform *transforms = source->subject_transforms.at;

    for (size_t i = 0; i < source->subject_transforms.count; i++) {
        if (i > 0)
            (void)buf_add_byte(out, '\f');
        add_or_all(out, destinations ? transforms[i].destination : transforms[i].source);
    }
}

void origin_header_source(const struct stream_source *source, uint64_t sequence,
                          struct bytes subject, struct buf *out)
{
    char hash[ORIGIN_HASH_SIZE];

    buf_clear(out);
    (void)buf_add(out, source->name);
    if (source->external != NULL) {
        origin_hash(source->external->api, hash);
        (void)buf_print(out, ":%.8s", hash);
    }
    if (source->consumer != NULL) {
        origin_hash(source->consumer->name, hash);
        (void)buf_print(out, ":C=%.8s", hash);
    }
    (void)buf_print(out, " %llu ", (unsigned long long)sequence);
    if (source->subject_transforms.count == 0) {
        add_or_all(out, source->filter_subject);
        (void)BUF_ADD(out, " >");
    } else {
        add_transforms(source, false, out);
        (void)buf_add_byte(out, ' ');
        add_transforms(source, true, out);
    }
    (void)buf_add_byte(out, ' ');
    (void)buf_add(out, subject);
}
