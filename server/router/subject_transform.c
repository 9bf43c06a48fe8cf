/* A subject becomes another. */
#include "base/subject.h"
#include "base/utf8.h"
#include "server/router/subject_transform_priv.h"

static bool is_everything(struct bytes subject)
{
    return subject.size == 0 || bytes_equal(subject, BYTES(">"));
}

static bool changes_nothing(const struct subject_transform *transform)
{
    return transform->destination.size == 0 ||
           (is_everything(transform->source) && is_everything(transform->destination));
}

bool subject_transform_matches(const struct subject_transform *transform, struct bytes subject)
{
    if (is_everything(transform->source))
        return changes_nothing(transform) || subject_literal(subject);
    return subject_literal(subject) && subject_matches(transform->source, subject);
}

/* FNV-1a of 32 bits. */
static uint32_t hash_more(uint32_t hash, struct bytes b)
{
    for (size_t i = 0; i < b.size; i++)
        hash = (hash ^ b.at[i]) * UINT32_C(16777619);
    return hash;
}

static bool add_partition(const struct subject_transform_part *part, struct bytes subject,
                          struct buf *out)
{
    uint32_t hash = UINT32_C(2166136261), buckets = (uint32_t)part->number;

    for (size_t i = 0; i < part->count; i++)
        hash = hash_more(hash, subject_token(subject, (size_t)part->wildcards[i]));
    if (part->count == 0)
        hash = hash_more(hash, subject);
    return buf_add_u64(out, buckets == 0 ? 0 : hash % buckets);
}

static bool add_random(const struct subject_transform_part *part, struct prng *prng,
                       struct buf *out)
{
    uint64_t below = part->number < 0 ? 0 - (uint64_t)part->number : (uint64_t)part->number;

    return buf_add_u64(out, below == 0 ? 0 : prng_below(prng, below));
}

static bool add_two(struct buf *out, struct bytes token, size_t cut)
{
    return buf_add(out, bytes_take(token, cut)) && buf_add_byte(out, '.') &&
           buf_add(out, bytes_skip(token, cut));
}

/* Pieces of `size`, the first perhaps shorter: `first`. */
static bool add_slices(struct buf *out, struct bytes token, size_t first, size_t size)
{
    while (first < token.size) {
        if (!buf_add(out, bytes_take(token, first)) || !buf_add_byte(out, '.'))
            return false;
        token = bytes_skip(token, first);
        first = size;
    }
    return buf_add(out, token);
}

/* The bytes of the UTF-8 character at the start, one if there is none. */
static size_t character_size(struct bytes text)
{
    uint32_t rune;
    size_t size = utf8_read(text, &rune);

    return size > 0 ? size : 1;
}

/* Where the next separator is; text.size: nowhere. Without one every character stands alone. */
static size_t find_separator(struct bytes text, struct bytes separator)
{
    if (separator.size == 0)
        return text.size == 0 ? 0 : character_size(text);
    for (size_t at = 0; at + separator.size <= text.size; at++) {
        if (bytes_starts(bytes_skip(text, at), separator))
            return at;
    }
    return text.size;
}

/* Pieces that are empty leave no dot, but for a first one with an empty one behind it. */
static bool add_split(struct buf *out, struct bytes rest, struct bytes separator)
{
    bool lead = true; /* nothing but an empty first piece so far */

    for (;;) {
        size_t size = find_separator(rest, separator);
        struct bytes piece = bytes_take(rest, size);
        bool more = size < rest.size, follows;

        if (!buf_add(out, piece))
            return false;
        if (!more)
            return true;
        rest = bytes_skip(rest, size + separator.size);
        follows = rest.size > 0 && (separator.size == 0 || !bytes_starts(rest, separator));
        if (follows && !(lead && piece.size == 0) && !buf_add_byte(out, '.'))
            return false;
        lead = false;
    }
}

static bool add_cut(const struct subject_transform_part *part, struct bytes token, struct buf *out)
{
    size_t size = (size_t)part->number;

    if (part->number <= 0 || size >= token.size)
        return buf_add(out, token);
    switch (part->kind) {
    case PART_SPLIT_FROM_LEFT: return add_two(out, token, size);
    case PART_SPLIT_FROM_RIGHT: return add_two(out, token, token.size - size);
    case PART_SLICE_FROM_LEFT: return add_slices(out, token, size, size);
    case PART_SLICE_FROM_RIGHT:
        return add_slices(out, token, token.size % size != 0 ? token.size % size : size, size);
    case PART_LEFT: return buf_add(out, bytes_take(token, size));
    case PART_RIGHT: return buf_add(out, bytes_skip(token, token.size - size));
    default: break;
    }
    assert(!"a part that cuts");
    return false;
}

static bool add_part(const struct subject_transform_part *part, struct bytes subject,
                     struct prng *prng, struct buf *out)
{
    struct bytes token;

    switch (part->kind) {
    case PART_LITERAL: return buf_add(out, part->text);
    case PART_PARTITION: return add_partition(part, subject, out);
    case PART_RANDOM: return add_random(part, prng, out);
    default: break;
    }
    token = subject_token(subject, (size_t)part->wildcards[0]);
    if (part->kind == PART_WILDCARD)
        return buf_add(out, token);
    if (part->kind == PART_SPLIT)
        return add_split(out, token, part->text);
    return add_cut(part, token, out);
}

/* The subject's own tokens behind what the source names. */
static struct bytes tail_of(const struct subject_transform *transform, struct bytes subject)
{
    for (size_t i = 0; i < transform->tail_from; i++)
        subject = bytes_skip(subject, bytes_find(subject, '.') + 1);
    return subject;
}

bool subject_transform_apply(const struct subject_transform *transform, struct bytes subject,
                             struct prng *prng, struct buf *out)
{
    assert(is_everything(transform->source) || subject_matches(transform->source, subject));

    if (changes_nothing(transform))
        return buf_add(out, subject);
    for (size_t i = 0; i < transform->count; i++) {
        if (i > 0 && !buf_add_byte(out, '.'))
            return false;
        if (!add_part(&transform->parts[i], subject, prng, out))
            return false;
    }
    if (!transform->tail)
        return true;
    if (transform->count > 0 && !buf_add_byte(out, '.'))
        return false;
    return buf_add(out, tail_of(transform, subject));
}
