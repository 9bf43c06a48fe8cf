/* Which subjects a filter means. */
#include "base/subject.h"
#include "base/subject_set.h"
#include "storage/index_priv.h"

bool index_filter_all(const struct index_filter *filter)
{
    if (filter == NULL || filter->count == 0)
        return true;
    for (size_t i = 0; i < filter->count; i++) {
        if (bytes_equal(filter->subjects[i], BYTES(">")))
            return true;
    }
    return false;
}

bool index_filter_literal(const struct index_filter *filter)
{
    for (size_t i = 0; i < filter->count; i++) {
        if (subject_has_wildcard(filter->subjects[i]))
            return false;
    }
    return true;
}

bool index_filter_matches(const struct index_filter *filter, struct bytes subject)
{
    if (filter->set != NULL)
        return subject_set_matches(filter->set, subject);
    for (size_t i = 0; i < filter->count; i++) {
        if (subject_matches(filter->subjects[i], subject))
            return true;
    }
    return false;
}

/* ---- names ---------------------------------------------------------------------------------- */

void index_names_begin(struct index_name_walk *walk, const struct index *index,
                       const struct index_filter *filter)
{
    bool all = index_filter_all(filter);

    *walk = (struct index_name_walk){
        .index = index,
        .filter = filter,
        .all = all,
        .literal = !all && index_filter_literal(filter),
    };
}

/* A filter may say the same subject twice; it is one name. */
static bool said_before(const struct index_filter *filter, size_t at)
{
    for (size_t i = 0; i < at; i++) {
        if (bytes_equal(filter->subjects[i], filter->subjects[at]))
            return true;
    }
    return false;
}

static const struct index_name *found(struct index_name_walk *walk, uint32_t id)
{
    index_names_read(&walk->index->subjects.names, id, &walk->name);
    return &walk->name;
}

static const struct index_name *next_literal(struct index_name_walk *walk, uint64_t *steps)
{
    for (; walk->at<walk->filter->count && * steps> 0; --*steps) {
        size_t at = walk->at++;
        uint32_t id = index_subjects_find(&walk->index->subjects, walk->filter->subjects[at]);

        if (id == INDEX_SUBJECT_NONE || (!walk->filter->distinct && said_before(walk->filter, at)))
            continue;
        --*steps;
        return found(walk, id);
    }
    return NULL;
}

const struct index_name *index_names_some(struct index_name_walk *walk, uint64_t *steps)
{
    const struct index_subjects *subjects = &walk->index->subjects;

    if (walk->literal)
        return next_literal(walk, steps);
    for (; walk->at<subjects->names.limit && * steps> 0; --*steps) {
        uint32_t id = (uint32_t)walk->at++;

        if (!index_subjects_used(subjects, id) ||
            (!walk->all && !index_filter_matches(walk->filter, index_subjects_text(subjects, id))))
            continue;
        --*steps;
        return found(walk, id);
    }
    return NULL;
}

const struct index_name *index_names_next(struct index_name_walk *walk)
{
    uint64_t steps = UINT64_MAX;

    return index_names_some(walk, &steps);
}

/* ---- memo ----------------------------------------------------------------------------------- */

void index_memo_init(struct index_memo *memo, const struct index *index,
                     const struct index_filter *filter)
{
    memo->index = index;
    memo->filter = filter;
    memo->all = index_filter_all(filter);
    memset(memo->id_plus_1, 0, sizeof memo->id_plus_1);
}

bool index_memo_matches(struct index_memo *memo, uint32_t id)
{
    uint32_t at = id % INDEX_MEMO_SIZE;

    if (memo->all)
        return true;
    if (memo->id_plus_1[at] != id + 1) {
        memo->id_plus_1[at] = id + 1;
        memo->matches[at] =
            index_filter_matches(memo->filter, index_subjects_text(&memo->index->subjects, id));
    }
    return memo->matches[at];
}
