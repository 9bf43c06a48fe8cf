/* Any two texts as subjects: the rules agree with each other. */
#include "base/subject.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes all = bytes_of(data, size);
    size_t cut = bytes_find(all, '\n');
    struct bytes a = bytes_take(all, cut);
    struct bytes b = cut < size ? bytes_skip(all, cut + 1) : bytes_of(data, 0);

    if (subject_literal(a))
        assert(subject_valid(a) && !subject_has_wildcard(a));
    if (!subject_valid(a) || !subject_valid(b))
        return 0;
    assert(subject_collide(a, b) == subject_collide(b, a));
    assert(subject_covers(a, a) && subject_collide(a, a));
    if (subject_covers(a, b))
        assert(subject_collide(a, b));
    if (subject_literal(b)) {
        assert(subject_matches(a, b) == subject_covers(a, b));
        assert(subject_matches(a, b) == subject_collide(a, b));
    }
    return 0;
}
