#include "server/jetstream/placement.h"

#include <stdio.h>

static bool has(const struct schema_strings *tags, struct bytes tag)
{
    for (size_t i = 0; i < tags->count; i++) {
        if (bytes_equal_nocase(tags->at[i], tag))
            return true;
    }
    return false;
}

static bool is_exclusion(struct bytes tag)
{
    return tag.size > 0 && tag.at[0] == '!';
}

bool placement_allows(const struct stream_placement *placement, const struct schema_strings *tags,
                      struct placement_reasons *reasons)
{
    bool allowed = !has(tags, BYTES("!jetstream"));

    if (placement == NULL)
        return allowed;
    for (size_t i = 0; i < placement->tags.count && i < PLACEMENT_TAGS_MAX; i++) {
        struct bytes tag = placement->tags.at[i];
        bool excluded = is_exclusion(tag);

        if (has(tags, excluded ? bytes_skip(tag, 1) : tag) != excluded)
            continue;
        allowed = false;
        *(excluded ? &reasons->excluded : &reasons->missed) |= UINT64_C(1) << i;
    }
    return allowed;
}

bool placement_equal(const struct stream_placement *a, const struct stream_placement *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    if (!bytes_equal(a->cluster, b->cluster) || a->tags.count != b->tags.count)
        return false;
    for (size_t i = 0; i < a->tags.count; i++) {
        if (!bytes_equal(a->tags.at[i], b->tags.at[i]))
            return false;
    }
    return true;
}

bool placement_in_cluster(const struct stream_placement *placement, struct bytes cluster)
{
    return placement == NULL || placement->cluster.size == 0 ||
           bytes_equal(placement->cluster, cluster);
}

static void add(char *text, size_t size, const char *format, struct bytes word)
{
    size_t used = strlen(text);

    snprintf(text + used, size - used, format, BYTES_ARG(word));
}

static void add_tags(const struct stream_placement *placement, uint64_t which, const char *head,
                     char *text, size_t size)
{
    const char *before = "'";

    if (which == 0)
        return;
    add(text, size, "%.*s", bytes_of_text(head));
    for (size_t i = 0; i < placement->tags.count && i < PLACEMENT_TAGS_MAX; i++) {
        struct bytes tag = placement->tags.at[i];

        if ((which & UINT64_C(1) << i) == 0)
            continue;
        add(text, size, "%.*s", bytes_of_text(before));
        add(text, size, "%.*s'", is_exclusion(tag) ? bytes_skip(tag, 1) : tag);
        before = ", '";
    }
    add(text, size, "%.*s", BYTES("]"));
}

void placement_refusal(const struct stream_placement *placement,
                       const struct placement_reasons *reasons, bool offline, char *text,
                       size_t size)
{
    snprintf(text, size, "no suitable peers for placement%s", offline ? ", peer offline" : "");
    add_tags(placement, reasons->missed, ", tags not matched [", text, size);
    add_tags(placement, reasons->excluded, ", tags excluded [", text, size);
}
