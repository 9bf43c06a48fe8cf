/*
 * reader: from a tree of values to options. A block is described by a table that names every key
 * the reference knows; a key is read, accepted with a notice, or refused with its place. All that
 * is wrong is collected, so that whoever wrote the file hears of it at once.
 */
#ifndef SERVER_CONFIG_READER_H
#define SERVER_CONFIG_READER_H

#include "base/arena.h"
#include "base/buf.h"
#include "server/config/value.h"

#define CONFIG_REPORT_MAX (256u << 10) /* of sentences of one kind; more are dropped */

struct config_source;

struct config_reader {
    struct arena *arena;                /* what options point at */
    const struct config_source *source; /* of files that values name; only while a file is read */
    struct buf errors;                  /* lines */
    struct buf warnings;                /* the reference's: with -t they are errors */
    struct buf notices;                 /* ours: accepted, and of no effect */
    unsigned error_count;
};

void config_reader_init(struct config_reader *reader, struct arena *arena);
void config_reader_deinit(struct config_reader *reader);

/* ---- tables --------------------------------------------------------------------------------- */

typedef void config_read_fn(struct config_reader *reader, const struct config_value *value,
                            void *to);

enum config_kind {
    CONFIG_AS_BOOL,       /* bool */
    CONFIG_AS_INT,        /* int */
    CONFIG_AS_INT64,      /* int64_t */
    CONFIG_AS_DURATION,   /* int64_t ns; an integer is seconds and warned about */
    CONFIG_AS_TEXT,       /* const char * */
    CONFIG_AS_BYTES,      /* struct bytes */
    CONFIG_AS_CHARS,      /* char[size] */
    CONFIG_AS_READ,       /* by `read` */
    CONFIG_AS_IGNORED,    /* there is nothing that it could change here; said to nobody */
    CONFIG_AS_NOTICED,    /* accepted, `say` tells what does not come of it */
    CONFIG_AS_REFUSED,    /* not supported */
    CONFIG_AS_REFUSED_IF, /* a bool: only when it is asked for */
};

struct config_option {
    const char *names; /* separated by blanks, lower case; the first is how sentences call it */
    enum config_kind kind;
    size_t offset; /* in what the table fills */
    size_t size;
    config_read_fn *read; /* `to` is what the table fills */
    const char *say;
};

struct config_block {
    const struct config_option *options;
    size_t count;
    const char *unknown; /* a format with one "%.*s" for the key; NULL: the usual words */
};

#define CONFIG_FIELD(names, kind, type, field)                                                     \
    {                                                                                              \
        names, kind, offsetof(type, field), sizeof(((type *)NULL)->field), NULL, NULL              \
    }
#define CONFIG_READ(names, function)                                                               \
    {                                                                                              \
        names, CONFIG_AS_READ, 0, 0, function, NULL                                                \
    }
#define CONFIG_IGNORED(names)                                                                      \
    {                                                                                              \
        names, CONFIG_AS_IGNORED, 0, 0, NULL, NULL                                                 \
    }
#define CONFIG_NOTICED(names, say)                                                                 \
    {                                                                                              \
        names, CONFIG_AS_NOTICED, 0, 0, NULL, say                                                  \
    }
#define CONFIG_REFUSED(names)                                                                      \
    {                                                                                              \
        names, CONFIG_AS_REFUSED, 0, 0, NULL, NULL                                                 \
    }
#define CONFIG_REFUSED_IF(names)                                                                   \
    {                                                                                              \
        names, CONFIG_AS_REFUSED_IF, 0, 0, NULL, NULL                                              \
    }
#define CONFIG_BLOCK(options)                                                                      \
    {                                                                                              \
        options, sizeof(options) / sizeof((options)[0]), NULL                                      \
    }

/* Reads each member of `map`, which must be one, into `to`. False: it is no map, which was said. */
bool config_read_block(struct config_reader *reader, const struct config_value *map,
                       const struct config_block *block, void *to);

/* The row of a key, in any case; NULL: the block knows none. */
const struct config_option *config_option_find(const struct config_block *block, struct bytes key);

/* ---- saying what is wrong ------------------------------------------------------------------- */

[[gnu::format(printf, 3, 4)]] void config_error(struct config_reader *reader,
                                                const struct config_value *at, const char *format,
                                                ...);
/* `field` is what the reference names, usually the key. */
[[gnu::format(printf, 4, 5)]] void config_warn(struct config_reader *reader,
                                               const struct config_value *at, struct bytes field,
                                               const char *format, ...);
[[gnu::format(printf, 3, 4)]] void config_notice(struct config_reader *reader,
                                                 const struct config_value *at, const char *format,
                                                 ...);

/* ---- single values: each says what is wrong and returns false, leaving *to as it was -------- */

bool config_is(struct config_reader *reader, const struct config_value *value,
               enum config_type type);
bool config_bool(struct config_reader *reader, const struct config_value *value, bool *to);
bool config_int64(struct config_reader *reader, const struct config_value *value, int64_t *to);
/* Within `least` and `most`. */
bool config_int64_in(struct config_reader *reader, const struct config_value *value, int64_t least,
                     int64_t most, int64_t *to);
bool config_duration(struct config_reader *reader, const struct config_value *value, int64_t *to);
/* Only the text of a duration. */
bool config_duration_text(struct config_reader *reader, const struct config_value *value,
                          int64_t *to);
/* Without a zero in it. */
bool config_text(struct config_reader *reader, const struct config_value *value, const char **to);
bool config_bytes(struct config_reader *reader, const struct config_value *value, struct bytes *to);
bool config_chars(struct config_reader *reader, const struct config_value *value, char *to,
                  size_t size);
/* Hosts to listen on, of HOST_SIZE; *place is where they stand. */
void config_host(struct config_reader *reader, const struct config_value *value, char *host,
                 const struct config_place **place);
/* "host:port", ":port" or a port. What is not said is left as it was. */
void config_listen(struct config_reader *reader, const struct config_value *value, char *host,
                   const struct config_place **place, int *port);

/* An array of the arena for the elements of `value`: an array, or anything else as the only one. */
void *config_array(struct config_reader *reader, const struct config_value *value, size_t size,
                   size_t *count);
/* The elements: for (e = config_elements(v); e != NULL; e = config_element_next(v, e)) */
const struct config_value *config_elements(const struct config_value *value);
const struct config_value *config_element_next(const struct config_value *value,
                                               const struct config_value *element);

#define CONFIG_NEW(reader, type) ((type *)config_take((reader), sizeof(type)))
/* Never NULL: the arena has room for what a parsed file can ask for. */
void *config_take(struct config_reader *reader, size_t size);

/* For tables' functions: the key as the file has it. */
#define CONFIG_KEY(value) BYTES_ARG((value)->key)

#endif
