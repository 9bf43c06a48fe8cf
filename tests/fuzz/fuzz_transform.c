/* Any source, destination and subject: what compiles transforms every subject that matches it,
 * within its memory, and what a mapping or an import may say, any transform may. */
#include "server/router/subject_transform.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct bytes line(struct bytes *rest)
{
    size_t cut = bytes_find(*rest, '\n');
    struct bytes taken = bytes_take(*rest, cut);

    *rest = bytes_skip(*rest, cut < rest->size ? cut + 1 : cut);
    return taken;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes rest = bytes_of(data, size);
    struct bytes source = line(&rest), destination = line(&rest), subject = line(&rest);
    struct subject_transform_error error;
    struct subject_transform transform;
    struct arena arena;
    struct prng prng;
    struct buf out;
    bool valid;

    arena_init(&arena, 1u << 20);
    prng_seed(&prng, 1);
    buf_init(&out, 1u << 16);
    valid = subject_transform_compile(&transform, source, destination, SUBJECT_TRANSFORM_ANY,
                                      &arena, &error);
    assert(valid || error.text[0] != 0);
    if (subject_transform_valid(source, destination, SUBJECT_TRANSFORM_MAPPING, &error))
        assert(valid);
    if (subject_transform_valid(source, destination, SUBJECT_TRANSFORM_IMPORT, &error))
        assert(valid);
    if (valid && subject_transform_matches(&transform, subject))
        (void)subject_transform_apply(&transform, subject, &prng, &out);
    buf_deinit(&out);
    arena_deinit(&arena);
    return 0;
}
