/*
 * index_subjects: the subjects of an index, each kept once under a small number (its id). Private
 * to storage/index*.c. An id stays with its subject while that has messages and is given out again
 * afterwards.
 *
 *     hash -> id   index_tags.h     11 bytes a subject
 *     id ->        index_names.h    24 bytes: its messages, where its text is
 *     text         index_texts.h    its size and 6 bytes, in scratch memory if there is any
 */
#ifndef STORAGE_INDEX_SUBJECTS_H
#define STORAGE_INDEX_SUBJECTS_H

#include "storage/index_names.h"
#include "storage/index_tags.h"

struct index_subjects {
    struct index_tags tags;
    struct index_names names;
    struct index_texts texts;
    uint64_t count;
    uint8_t *retired; /* the text of the one that went last */
    uint64_t seed;
};

#define INDEX_SUBJECT_NONE UINT32_MAX

void index_subjects_init(struct index_subjects *subjects, uint64_t seed);
/* There are none yet. Pages are as large as ranges of 2^bits messages. */
void index_subjects_use(struct index_subjects *subjects, struct index_memory memory, unsigned bits);
/* Lends something that is in memory, after looking at some of it. False: there was nothing. */
bool index_subjects_cool(struct index_subjects *subjects);
void index_subjects_deinit(struct index_subjects *subjects);
/* Forgets all; as after init. */
void index_subjects_clear(struct index_subjects *subjects);

/* Its id, or INDEX_SUBJECT_NONE. */
uint32_t index_subjects_find(const struct index_subjects *subjects, struct bytes subject);
/* Found or added without messages; the caller gives it one. Hashes once. Adding may move texts. */
uint32_t index_subjects_intern(struct index_subjects *subjects, struct bytes subject);
/* The same in steps, for many at a time: each waits for memory that the one before has asked for.
 * Nothing is changed by steps 1 to 3. A guess is the id that the subject has if it is the one that
 * it looks like, or INDEX_SUBJECT_NONE. */
uint64_t index_subjects_hash(const struct index_subjects *subjects, struct bytes subject); /* 1 */
/* A hint: the subject with that hash is about to be looked up. */
void index_subjects_prefetch(const struct index_subjects *subjects, uint64_t hash);
uint32_t index_subjects_guess(const struct index_subjects *subjects, uint64_t hash); /* 2 */
/* Its newest message; 0: there is no guess. */
uint64_t index_subjects_guess_last(const struct index_subjects *subjects, uint32_t guess); /* 3 */
uint32_t index_subjects_intern_hashed(struct index_subjects *subjects, struct bytes subject,
                                      uint64_t hash);
/* It has no messages any more. Returns its text, readable until the next one is retired. */
struct bytes index_subjects_retire(struct index_subjects *subjects, uint32_t id);

/* Below subjects->names.limit. */
static inline bool index_subjects_used(const struct index_subjects *subjects, uint32_t id)
{
    return index_names_at(&subjects->names, id)->text.offset != 0; /* its id stands before a text */
}

/* Is it the id of the subject? Any number may be asked about. */
bool index_subjects_is(const struct index_subjects *subjects, uint32_t id, struct bytes subject);

/* Good until the next change. */
static inline struct bytes index_subjects_text(const struct index_subjects *subjects, uint32_t id)
{
    return index_texts_at(&subjects->texts, index_names_at(&subjects->names, id)->text);
}

#endif
