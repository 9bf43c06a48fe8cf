/* owner: from an embedded member back to the struct that holds it. */
#ifndef BASE_OWNER_H
#define BASE_OWNER_H

#include <stddef.h>

/* owner_of(op, struct segment_file, write): the segment_file whose `write` is at `op`. */
#define owner_of(member, type, field)                                                              \
    ((type *)((char *)(1 ? (member) : &((type *)0)->field) - offsetof(type, field)))

#endif
