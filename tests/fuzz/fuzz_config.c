/* Any bytes as a configuration file: refused with a sentence, or a tree whose places lie in it. */
#include "server/config/parser.h"

#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool read_file(void *context, const char *path, struct arena *arena, struct bytes *content,
                      char reason[128])
{
    if (strcmp(path, "f") != 0) {
        snprintf(reason, 128, "no such file or directory");
        return false;
    }
    *content = arena_copy(arena, *(const struct bytes *)context);
    return content->at != NULL;
}

static const char *read_environment(void *context, const char *name)
{
    (void)context;
    return name[0] == 'E' ? "[1, {a: $F}]" : NULL;
}

static void check(const struct config_value *value, unsigned depth)
{
    assert(depth <= CONFIG_DEPTH_MAX);
    for (; value != NULL; value = value->next) {
        assert(value->place.line > 0);
        if (value->type == CONFIG_STRING)
            assert(value->text.at[value->text.size] == 0);
        if (value->type == CONFIG_MAP || value->type == CONFIG_ARRAY)
            check(value->child, depth + 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes text = bytes_of(data, size);
    const struct config_source source = {read_file, read_environment, &text};
    char error[CONFIG_ERROR_SIZE];
    const struct config_value *document;
    struct arena arena;

    arena_init(&arena, 32u << 20);
    document = config_parse(&arena, &source, "f", error);
    assert((document == NULL) == (error[0] != 0));
    if (document != NULL)
        check(document->child, 0);
    arena_deinit(&arena);
    return 0;
}
