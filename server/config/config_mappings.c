/* mappings (reference core.md 2.5). */
#include <stdio.h>

#include "base/subject.h"
#include "server/config/blocks.h"
#include "server/router/subject_transform.h"

#define WHOLE INT64_C(100) /* percent */

struct destination_block {
    struct mapping_destination *destination;
    bool weighed;
};

static void read_destination(struct config_reader *reader, const struct config_value *value,
                             void *to)
{
    struct destination_block *block = to;

    (void)config_bytes(reader, value, &block->destination->subject);
}

static void read_cluster(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct destination_block *block = to;

    (void)config_bytes(reader, value, &block->destination->cluster);
}

/* A number, or text that may end in '%'. */
static bool weight_of(const struct config_value *value, int64_t *weight)
{
    struct bytes text = value->text;
    uint64_t number;

    if (value->type == CONFIG_INTEGER) {
        *weight = value->integer;
        return true;
    }
    if (value->type != CONFIG_STRING)
        return false;
    if (text.size > 0 && text.at[text.size - 1] == '%')
        text = bytes_take(text, text.size - 1);
    if (!bytes_read_u64(text, &number) || number > INT32_MAX)
        return false;
    *weight = (int64_t)number;
    return true;
}

static void read_weight(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct destination_block *block = to;
    int64_t weight;

    block->weighed = true;
    if (!weight_of(value, &weight))
        config_error(reader, value, "Invalid weight \"%.*s\" for mapping destination",
                     BYTES_ARG(value->text));
    else if (weight < 0 || weight > WHOLE)
        config_error(reader, value, "Invalid weight %lld for mapping destination",
                     (long long)weight);
    else
        block->destination->weight = weight;
}

static const struct config_option options_of_destination[] = {
    CONFIG_READ("destination dest", read_destination),
    CONFIG_READ("weight", read_weight),
    CONFIG_READ("cluster", read_cluster),
};

static const struct config_block destination_block = {
    options_of_destination, 3, "Unknown field \"%.*s\" for mapping destination"};

/* ---- checks --------------------------------------------------------------------------------- */

static void check_destination(struct config_reader *reader, const struct config_value *at,
                              const struct mapping_options *mapping,
                              const struct mapping_destination *destination)
{
    struct subject_transform_error error;

    if (!subject_transform_valid(mapping->source, destination->subject, SUBJECT_TRANSFORM_MAPPING,
                                 &error))
        config_error(reader, at, "Error adding mapping for \"%.*s\" to \"%.*s\" : %s",
                     BYTES_ARG(mapping->source), BYTES_ARG(destination->subject), error.text);
}

static bool is_twice(const struct mapping_options *mapping, size_t place)
{
    for (size_t i = 0; i < place; i++) {
        if (bytes_equal(mapping->at[i].subject, mapping->at[place].subject) &&
            bytes_equal(mapping->at[i].cluster, mapping->at[place].cluster))
            return true;
    }
    return false;
}

static int64_t sum_of(const struct mapping_options *mapping, struct bytes cluster)
{
    int64_t sum = 0;

    for (size_t i = 0; i < mapping->count; i++) {
        if (bytes_equal(mapping->at[i].cluster, cluster))
            sum += mapping->at[i].weight;
    }
    return sum;
}

void config_mapping_check(struct config_reader *reader, const struct config_value *at,
                          const struct mapping_options *mapping)
{
    for (size_t i = 0; i < mapping->count; i++) {
        check_destination(reader, at, mapping, &mapping->at[i]);
        if (is_twice(mapping, i))
            config_error(reader, at,
                         "Error adding mapping for \"%.*s\" : duplicate entry for "
                         "\"%.*s\"",
                         BYTES_ARG(mapping->source), BYTES_ARG(mapping->at[i].subject));
        else if (sum_of(mapping, mapping->at[i].cluster) > WHOLE) {
            config_error(reader, at,
                         "Error adding mapping for \"%.*s\" : total weight needs to be <= 100",
                         BYTES_ARG(mapping->source));
            return;
        }
    }
}

/* ---- all of them ---------------------------------------------------------------------------- */

static void read_weighed(struct config_reader *reader, const struct config_value *value,
                         struct mapping_options *mapping)
{
    for (const struct config_value *e = config_elements(value); e != NULL;
         e = config_element_next(value, e)) {
        struct destination_block block = {.destination = &mapping->at[mapping->count]};

        if (e->type != CONFIG_MAP) {
            config_error(reader, e, "Expected an entry for the mapping destination");
            continue;
        }
        (void)config_read_block(reader, e, &destination_block, &block);
        if (!block.weighed)
            config_error(reader, e, "Missing weight for mapping destination \"%.*s\"",
                         BYTES_ARG(block.destination->subject));
        mapping->count++;
    }
}

static void read_mapping(struct config_reader *reader, const struct config_value *value,
                         struct mapping_list *list)
{
    struct mapping_options *mapping = &list->at[list->count];
    unsigned errors = reader->error_count;

    if (!subject_valid_strict(value->key)) {
        config_error(reader, value, "Subject \"%.*s\" is not a valid subject", CONFIG_KEY(value));
        return;
    }
    mapping->source = value->key;
    mapping->at = config_array(reader, value, sizeof(struct mapping_destination), &mapping->count);
    if (value->type == CONFIG_STRING)
        mapping->at[mapping->count++] =
            (struct mapping_destination){.subject = value->text, .weight = WHOLE};
    else if (value->type == CONFIG_ARRAY || value->type == CONFIG_MAP)
        read_weighed(reader, value, mapping);
    else
        config_error(reader, value, "Expected an entry for the mapping destination");
    if (reader->error_count == errors)
        config_mapping_check(reader, value, mapping);
    list->count++;
}

void config_mappings(struct config_reader *reader, const struct config_value *value,
                     struct mapping_list *list)
{
    size_t room = 0;

    if (value->type != CONFIG_MAP) {
        config_error(reader, value, "Expected mappings to be a map/struct, got %s",
                     config_type_text(value->type));
        return;
    }
    for (const struct config_value *e = value->child; e != NULL; e = e->next)
        room++;
    *list = (struct mapping_list){
        .at = config_take(reader, (room + 1) * sizeof(struct mapping_options))};
    for (const struct config_value *e = value->child; e != NULL; e = e->next)
        read_mapping(reader, e, list);
}
