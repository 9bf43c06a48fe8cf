/* text_source: a text as the one file of a configuration, in an empty environment. */
#ifndef TESTS_TEXT_SOURCE_H
#define TESTS_TEXT_SOURCE_H

#include "server/config/parser.h"

static inline bool text_source_read(void *context, const char *path, struct arena *arena,
                                    struct bytes *content, char reason[128])
{
    (void)path;
    (void)reason;
    *content = arena_copy(arena, bytes_of_text(context));
    return true;
}

static inline const char *text_source_environment(void *context, const char *name)
{
    (void)context;
    (void)name;
    return NULL;
}

/* The text is borrowed. */
static inline struct config_source text_source(const char *text)
{
    return (struct config_source){text_source_read, text_source_environment, (void *)text};
}

#endif
