#include "tests/sim/content.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define LEAST  32u
#define ULL(x) ((unsigned long long)(x))

void content_subject(const struct content *content, uint8_t subject, char out[static 16])
{
    snprintf(out, 16, "s%u.k%u", content->stream, subject);
}

/* Mostly small, some over a page, a few over what a journal takes. */
static size_t payload_size(const struct content *content, uint64_t id)
{
    if (id % content->large == 0)
        return 150000 + id % 1000 * 200;
    if (id % 37 == 0)
        return LEAST + id % 9000;
    return LEAST + id % 200;
}

size_t content_payload(const struct content *content, uint64_t id, uint8_t out[static CONTENT_MAX])
{
    uint64_t state = (id + content->stream) * 0x9e3779b97f4a7c15u;
    size_t size = payload_size(content, id);
    int head = snprintf((char *)out, LEAST, "%u:%llu:", content->stream, ULL(id));

    assert(size <= CONTENT_MAX);
    for (size_t i = (size_t)head; i < size; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        out[i] = id % 5 == 0 ? 0 : (uint8_t)(state >> 56);
    }
    return size;
}

enum content_found content_recognise(const struct content *content, struct bytes payload,
                                     uint64_t id_last, uint64_t *id)
{
    static uint8_t expected[CONTENT_MAX];
    char text[LEAST] = {0};
    unsigned stream = 0;
    unsigned long long said = 0;

    memcpy(text, payload.at, payload.size < sizeof text - 1 ? payload.size : sizeof text - 1);
    if (sscanf(text, "%u:%llu:", &stream, &said) != 2 || stream != content->stream || said == 0 ||
        said > id_last)
        return CONTENT_STRANGE;
    *id = said;
    if (payload.size == content_payload(content, said, expected) &&
        memcmp(payload.at, expected, payload.size) == 0)
        return CONTENT_KNOWN;
    return CONTENT_CHANGED;
}
