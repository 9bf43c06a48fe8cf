#include "server/router/mappings.h"

#include "base/heap.h"
#include "base/subject.h"
#include "server/router/subject_transform.h"

#define WHOLE 100 /* percent */

struct destination {
    struct subject_transform transform;
    int64_t weight;
};

struct mapping {
    struct bytes source;
    struct destination *at;
    size_t count;
    bool lossy; /* what no destination takes is dropped */
};

struct mappings {
    struct arena arena; /* of all that follows */
    struct mapping *at;
    size_t count;
};

static bool is_here(const struct mapping_options *options, struct bytes cluster)
{
    for (size_t i = 0; i < options->count && cluster.size > 0; i++) {
        if (bytes_equal(options->at[i].cluster, cluster))
            return true;
    }
    return false;
}

/* Those of this cluster, or, where none is, those of no cluster. */
static void add_destinations(struct mappings *mappings, struct mapping *mapping,
                             const struct mapping_options *options, struct bytes cluster)
{
    struct bytes wanted = is_here(options, cluster) ? cluster : bytes_of(NULL, 0);
    struct subject_transform_error error;

    for (size_t i = 0; i < options->count; i++) {
        const struct mapping_destination *from = &options->at[i];
        struct destination *to = &mapping->at[mapping->count];

        if (!bytes_equal(from->cluster, wanted))
            continue;
        mapping->lossy |= bytes_equal(from->subject, options->source);
        to->weight = from->weight;
        if (subject_transform_compile(&to->transform, options->source, from->subject,
                                      SUBJECT_TRANSFORM_MAPPING, &mappings->arena, &error))
            mapping->count++; /* always: the configuration was checked */
    }
}

struct mappings *mappings_create(const struct mapping_list *list, struct bytes cluster)
{
    struct mappings *mappings;

    if (list->count == 0)
        return NULL;
    mappings = HEAP_NEW(struct mappings);
    arena_init(&mappings->arena, SIZE_MAX / 4);
    mappings->at = ARENA_ARRAY(&mappings->arena, struct mapping, list->count);
    mappings->count = list->count;
    for (size_t i = 0; i < list->count; i++) {
        const struct mapping_options *options = &list->at[i];
        struct mapping *mapping = &mappings->at[i];

        mapping->source = arena_copy(&mappings->arena, options->source);
        mapping->at = ARENA_ARRAY(&mappings->arena, struct destination, options->count + 1);
        add_destinations(mappings, mapping, options, cluster);
    }
    return mappings;
}

void mappings_destroy(struct mappings *mappings)
{
    if (mappings == NULL)
        return;
    arena_deinit(&mappings->arena);
    heap_give(mappings);
}

static enum mapped choose(const struct mapping *mapping, struct bytes subject, struct prng *prng,
                          struct buf *out)
{
    int64_t place = (int64_t)prng_below(prng, WHOLE);

    for (size_t i = 0; i < mapping->count; i++) {
        place -= mapping->at[i].weight;
        if (place >= 0)
            continue;
        return subject_transform_apply(&mapping->at[i].transform, subject, prng, out) ? MAPPED_OTHER
                                                                                      : MAPPED_LOST;
    }
    return mapping->lossy ? MAPPED_LOST : MAPPED_SAME;
}

enum mapped mappings_apply(const struct mappings *mappings, struct bytes subject, struct prng *prng,
                           struct buf *out)
{
    for (size_t i = 0; i < mappings->count; i++) {
        if (subject_matches(mappings->at[i].source, subject))
            return choose(&mappings->at[i], subject, prng, out);
    }
    return MAPPED_SAME;
}
