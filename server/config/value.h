/*
 * value: what a configuration file says, as a tree: nothing is known here of which keys there are.
 *
 * Every value remembers the place it was written at, so whoever finds fault with it can say where.
 * The tree lives in the arena it was parsed into and does not change after that, but for `used`.
 * Where a variable stood, the children are those of what it stands for, so walking the tree may
 * pass a value more than once; `height` and `weight` count that and are bounded.
 */
#ifndef SERVER_CONFIG_VALUE_H
#define SERVER_CONFIG_VALUE_H

#include "base/bytes.h"

enum config_type {
    CONFIG_STRING,
    CONFIG_INTEGER, /* suffixes are worked in */
    CONFIG_FLOAT,
    CONFIG_BOOL,
    CONFIG_DATE, /* valid syntax that no option wants; `text` as written */
    CONFIG_ARRAY,
    CONFIG_MAP,
};

/* The column is the reference's: bytes behind the last line end, so from 0 in the first line. */
struct config_place {
    const char *file;
    uint32_t line;
    uint32_t column;
};

struct config_value {
    enum config_type type;
    bool used; /* somewhere as $key: then nobody need know the key */
    bool boolean;
    uint8_t height;            /* how deep the maps and arrays within it go, 0: it is none */
    uint32_t weight;           /* how many values it is, itself included */
    struct config_place place; /* of a member its key's, of an element its own */
    struct bytes key;          /* of a member; a zero follows */
    struct bytes text;         /* string, date; a zero follows that is not counted */
    int64_t integer;
    double number;
    struct config_value *child; /* map, array: the first; of equal keys only the last is here */
    struct config_value *next;
};

/* What a value is, for sentences: "a string", "a map". */
const char *config_type_text(enum config_type type);

/* The member of that very name, or NULL. */
const struct config_value *config_member(const struct config_value *map, struct bytes key);

#endif
