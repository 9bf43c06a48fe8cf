/*
 * index_subjects: the subjects of an index, each kept once under a small number (its id). Private
 * to storage/index*.c. An id stays with its subject while that has messages and is given out again
 * afterwards.
 */
#ifndef STORAGE_INDEX_SUBJECTS_H
#define STORAGE_INDEX_SUBJECTS_H

#include "base/bytes.h"

struct index_name {
    uint64_t hash;
    uint64_t first, last; /* its oldest and newest sequence */
    uint64_t count;       /* its messages */
    uint32_t id;
    uint32_t size;
    uint8_t text[];
};

struct index_name_slot {
    uint32_t hash_high; /* spares most looks at names that differ */
    uint32_t id_plus_1; /* 0: empty */
};

struct index_subjects {
    struct index_name_slot *slots; /* open addressing, a power of two */
    size_t capacity, count;
    struct index_name **names; /* by id; free ids hold NULL */
    uint32_t id_limit, id_capacity;
    uint32_t *free_ids;
    size_t free_count, free_capacity;
    struct index_name *retired; /* readable until the next change */
    uint64_t seed;
};

void index_subjects_init(struct index_subjects *subjects, uint64_t seed);
void index_subjects_deinit(struct index_subjects *subjects);
/* Forgets all; as after init. */
void index_subjects_clear(struct index_subjects *subjects);

struct index_name *index_subjects_find(const struct index_subjects *subjects, struct bytes subject);
/* Found or added without messages; the caller gives it one. Hashes once. */
struct index_name *index_subjects_intern(struct index_subjects *subjects, struct bytes subject);
/* The same in steps, for many at a time: each waits for memory that the one before has asked for.
 * Nothing is changed by steps 1 to 3. */
uint64_t index_subjects_hash(const struct index_subjects *subjects, struct bytes subject); /* 1 */
void index_subjects_fetch_place(const struct index_subjects *subjects, uint64_t hash);     /* 2 */
void index_subjects_fetch_name(const struct index_subjects *subjects, uint64_t hash);      /* 3 */
/* The newest message of the subject, if it is the one that it looks like; 0: not there. */
uint64_t index_subjects_guess_last(const struct index_subjects *subjects, uint64_t hash); /* 4 */
struct index_name *index_subjects_intern_hashed(struct index_subjects *subjects,
                                                struct bytes subject, uint64_t hash);
/* It has no messages any more. Its memory stays readable until the next change. */
void index_subjects_retire(struct index_subjects *subjects, struct index_name *name);
void index_subjects_release(struct index_subjects *subjects); /* frees what is retired */

static inline struct bytes index_name_text(const struct index_name *name)
{
    return bytes_of(name->text, name->size);
}

#endif
