/*
 * parser: a configuration file and those it includes become one tree of values. No I/O: files and
 * the environment are read through the caller.
 *
 * A variable ($NAME) stands for the member of that name in the maps around it, from inside to
 * outside, as far as they are read by then; else for what the environment says, which is read as a
 * value, too. Included files are parsed by themselves and their members then put where the include
 * stands. Everything is bounded: depth, the number and nesting of files, bytes by the arena.
 */
#ifndef SERVER_CONFIG_PARSER_H
#define SERVER_CONFIG_PARSER_H

#include "base/arena.h"
#include "server/config/value.h"

#define CONFIG_DEPTH_MAX     48u /* of maps and arrays */
#define CONFIG_VALUES_MAX    (1u << 20)
#define CONFIG_INCLUDES_MAX  16u  /* files within files */
#define CONFIG_FILES_MAX     256u /* in all */
#define CONFIG_FILE_SIZE_MAX (64u << 20)
#define CONFIG_ERROR_SIZE    1024u

struct config_source {
    /* The content of a file, into `arena`. False: `reason` says why ("no such file or directory").
     */
    bool (*read)(void *context, const char *path, struct arena *arena, struct bytes *content,
                 char reason[128]);
    /* What the environment says; NULL: nothing. */
    const char *(*environment)(void *context, const char *name);
    void *context;
};

/*
 * The map of the whole file, in `arena`. NULL: `error` is the sentence that the reference's tools
 * print, with the line or the file and place in it.
 */
struct config_value *config_parse(struct arena *arena, const struct config_source *source,
                                  const char *path, char error[CONFIG_ERROR_SIZE]);

#endif
