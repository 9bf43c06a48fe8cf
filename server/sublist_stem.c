#include "server/sublist_stem.h"

static uint64_t head_of(const uint8_t *at)
{
    uint64_t head;

    static_assert(sizeof head == STEM_HEAD, "one load");
    memcpy(&head, at, sizeof head);
    return head;
}

/* How many tokens are in the text; 0: one of them is empty. */
static uint32_t tokens_in(struct bytes text)
{
    uint32_t count = 0;
    bool dot = true; /* what was before */

    for (size_t i = 0; i < text.size; i++) {
        bool was_dot = dot;

        dot = text.at[i] == '.';
        if (dot & was_dot)
            return 0;
        count += dot;
    }
    return dot ? 0 : count + 1;
}

bool stem_cut(struct stem *stem, struct bytes subject, uint32_t depth)
{
    struct bytes rest = subject;

    for (uint32_t i = 0; i < depth; i++) {
        size_t size = bytes_find(rest, '.');

        if (size == rest.size)
            return false;
        rest = bytes_skip(rest, size + 1);
    }
    *stem = (struct stem){.size = (uint32_t)(subject.size - rest.size), .tail = tokens_in(rest)};
    if (stem->size < STEM_HEAD || stem->size > STEM_MAX || stem->tail < STEM_TAIL_MIN)
        return false;
    memcpy(stem->text, subject.at, stem->size);
    stem->head = head_of(stem->text);
    return true;
}

bool stem_same(const struct stem *a, const struct stem *b)
{
    return a->tail == b->tail &&
           bytes_equal(bytes_of(a->text, a->size), bytes_of(b->text, b->size));
}

bool stem_takes(const struct stem *stem, struct bytes subject)
{
    if (subject.size <= stem->size || head_of(subject.at) != stem->head)
        return false;
    return bytes_starts(subject, bytes_of(stem->text, stem->size)) &&
           tokens_in(bytes_skip(subject, stem->size)) == stem->tail;
}
