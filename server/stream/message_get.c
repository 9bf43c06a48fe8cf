#include "server/stream/message_get.h"

#include <stddef.h>
#include <stdlib.h>

#include "base/subject.h"
#include "base/text.h"

#define AT(field) offsetof(struct message_get, field)
static const struct schema_field fields[] = {
    {"seq", SCHEMA_UINT64, 0, AT(seq), NULL, NULL, NULL},
    {"last_by_subj", SCHEMA_STRING, 0, AT(last_by_subj), NULL, NULL, NULL},
    {"next_by_subj", SCHEMA_STRING, 0, AT(next_by_subj), NULL, NULL, NULL},
    {"batch", SCHEMA_INT64, SCHEMA_GO_INT, AT(batch), NULL, NULL, NULL},
    {"max_bytes", SCHEMA_INT64, SCHEMA_GO_INT, AT(max_bytes), NULL, NULL, NULL},
    {"start_time", SCHEMA_TIME, SCHEMA_GIVEN, AT(start_time_ns), NULL, NULL, NULL},
    {"multi_last", SCHEMA_STRINGS, 0, AT(multi_last), NULL, NULL, NULL},
    {"up_to_seq", SCHEMA_UINT64, 0, AT(up_to_seq), NULL, NULL, NULL},
    {"up_to_time", SCHEMA_TIME, 0, AT(up_to_time_ns), NULL, NULL, NULL},
    {"no_hdr", SCHEMA_BOOL, 0, AT(no_hdr), NULL, NULL, NULL},
};
const struct schema message_get_schema = {"JSApiMsgGetRequest", sizeof(struct message_get), fields,
                                          sizeof fields / sizeof fields[0], NULL};

bool message_get_is_empty(const struct message_get *get)
{
    return get->seq == 0 && get->last_by_subj.size == 0 && get->next_by_subj.size == 0 &&
           get->start_time_ns == TIME_UNSET && get->multi_last.count == 0;
}

bool message_get_contradicts(const struct message_get *get)
{
    bool last = get->last_by_subj.size > 0, next = get->next_by_subj.size > 0;
    bool time = get->start_time_ns != TIME_UNSET;

    return (get->seq > 0 && last) || (get->seq > 0 && time) || (time && last) || (last && next);
}

bool message_get_from(const struct message_get *get, const struct index *index, uint64_t *from)
{
    struct index_entry entry;

    *from = get->seq;
    if (get->start_time_ns == TIME_UNSET)
        return true;
    if (!index_first_at(index, get->start_time_ns, &entry))
        return false;
    *from = entry.sequence;
    return true;
}

bool message_get_find(const struct message_get *get, const struct index *index,
                      struct index_entry *entry)
{
    struct index_filter filter = {.count = 1};
    uint64_t from;

    if (get->last_by_subj.size > 0) {
        filter.subjects = &get->last_by_subj;
        return index_previous(index, &filter, UINT64_MAX, entry);
    }
    if (!message_get_from(get, index, &from))
        return false;
    if (get->next_by_subj.size > 0) {
        filter.subjects = &get->next_by_subj;
        return index_next(index, &filter, from, entry);
    }
    return index_get(index, from, entry);
}

static void subject_here(const struct index *index, struct bytes subject, uint64_t from,
                         struct index_here *here)
{
    if (subject_literal(subject))
        index_here_subject(index, subject, from, here);
}

void message_get_here(const struct message_get *get, const struct index *index,
                      struct index_here *here)
{
    if (get->last_by_subj.size > 0)
        subject_here(index, get->last_by_subj, UINT64_MAX, here);
    else if (get->start_time_ns != TIME_UNSET)
        return;
    else if (get->next_by_subj.size > 0)
        subject_here(index, get->next_by_subj, get->seq, here);
    else
        index_here_get(index, get->seq, here);
}

/* ---- last of many subjects ------------------------------------------------------------------ */

struct lasts {
    const struct index *index;
    uint64_t from, up_to;
    uint64_t *sequences;
    size_t max, count, all;
};

static uint64_t last_at_or_below(const struct index *index, struct bytes subject, uint64_t up_to)
{
    struct index_filter filter = {.subjects = &subject, .count = 1};
    struct index_entry entry;

    return index_previous(index, &filter, up_to, &entry) ? entry.sequence : 0;
}

static void found(void *context, struct bytes subject, const struct index_subject *counts)
{
    struct lasts *lasts = context;
    uint64_t last = counts->last;

    if (counts->first > lasts->up_to)
        return;
    if (last > lasts->up_to && lasts->all <= lasts->max)
        last = last_at_or_below(lasts->index, subject, lasts->up_to);
    if (lasts->all++ < lasts->max && last >= lasts->from)
        lasts->sequences[lasts->count++] = last;
}

static int by_sequence(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

size_t message_get_lasts(const struct message_get *get, const struct index *index, uint64_t up_to,
                         size_t max, uint64_t *sequences, size_t *count)
{
    struct index_filter filter = {.subjects = get->multi_last.at, .count = get->multi_last.count};
    struct lasts lasts = {
        .index = index,
        .from = get->seq,
        .up_to = up_to,
        .sequences = sequences,
        .max = max,
    };

    assert(filter.count > 0); /* no filter would mean all */
    index_subjects(index, &filter, found, &lasts);
    qsort(sequences, lasts.count, sizeof *sequences, by_sequence);
    *count = lasts.count;
    return lasts.all;
}
