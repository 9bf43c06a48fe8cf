/*
 * What a transform is read into (subject_transform_compile.c) and what it makes of a subject
 * (subject_transform.c) have in common.
 */
#ifndef SERVER_ROUTER_SUBJECT_TRANSFORM_PRIV_H
#define SERVER_ROUTER_SUBJECT_TRANSFORM_PRIV_H

#include "server/router/subject_transform.h"

enum part_kind {
    PART_LITERAL,
    PART_WILDCARD,
    PART_PARTITION,
    PART_SPLIT_FROM_LEFT,
    PART_SPLIT_FROM_RIGHT,
    PART_SLICE_FROM_LEFT,
    PART_SLICE_FROM_RIGHT,
    PART_LEFT,
    PART_RIGHT,
    PART_SPLIT,
    PART_RANDOM,
};

struct subject_transform_part {
    enum part_kind kind;
    struct bytes text;  /* literal; split: the separator */
    int64_t number;     /* size, position, buckets */
    int64_t *wildcards; /* their indexes, then the subject's tokens they stand for */
    size_t count;
};

#endif
