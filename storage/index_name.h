/*
 * index_name: what is known of one subject, as the files of an index hand it to each other: a copy,
 * good until the next change. Private to storage/index*.c.
 */
#ifndef STORAGE_INDEX_NAME_H
#define STORAGE_INDEX_NAME_H

#include <stdint.h>

struct index_name {
    uint64_t first, last; /* its oldest and newest sequence */
    uint64_t count;       /* its messages */
    uint32_t id;
};

#endif
