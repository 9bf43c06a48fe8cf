#include "server/router/sublist_stem.h"

#include "base/eight.h"

static_assert(STEM_HEAD == sizeof(uint64_t), "one load");

/* How many tokens are in the text; 0: one of them is empty. */
static uint32_t tokens_in(struct bytes text)
{
    uint64_t before = EIGHT_HIGH; /* its last byte: was it a dot? */
    uint32_t count = 0;
    size_t at = 0;

    for (; text.size - at >= 8; at += 8) {
        uint64_t dots = eight_equal(eight_load(text.at + at), '.');

        if ((dots & (dots << 8 | before >> 56)) != 0)
            return 0;
        count += eight_count(dots);
        before = dots;
    }
    for (bool dot = before >> 63 != 0, was_dot; at < text.size; at++) {
        was_dot = dot;
        dot = text.at[at] == '.';
        if (dot & was_dot)
            return 0;
        count += dot;
    }
    return text.size == 0 || text.at[text.size - 1] == '.' ? 0 : count + 1;
}

bool stem_cut(struct stem *stem, struct bytes subject, uint32_t depth)
{
    struct bytes rest = subject;
    uint32_t tail;
    size_t size;

    for (uint32_t i = 0; i < depth; i++) {
        size = bytes_find(rest, '.');
        if (size == rest.size)
            return false;
        rest = bytes_skip(rest, size + 1);
    }
    size = subject.size - rest.size;
    if (size < STEM_HEAD || size > STEM_MAX)
        return false;
    tail = tokens_in(rest);
    if (tail < STEM_TAIL_MIN)
        return false;
    stem->head = eight_load(subject.at);
    stem->size = (uint32_t)size;
    stem->tail = tail;
    memcpy(stem->text, subject.at, size);
    return true;
}

bool stem_same(const struct stem *a, const struct stem *b)
{
    return a->tail == b->tail &&
           bytes_equal(bytes_of(a->text, a->size), bytes_of(b->text, b->size));
}

bool stem_takes(const struct stem *stem, struct bytes subject)
{
    if (subject.size <= stem->size || eight_load(subject.at) != stem->head)
        return false;
    return bytes_starts(subject, bytes_of(stem->text, stem->size)) &&
           tokens_in(bytes_skip(subject, stem->size)) == stem->tail;
}
