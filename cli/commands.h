/* commands: the table of what there is. */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include "cli/cli.h"

struct command {
    const char *name;    /* "pub", or of a group: "stream add" */
    const char *aliases; /* of the last word, separated by blanks, or NULL */
    const char *words;   /* "<subject> [<body>]" */
    unsigned words_min, words_max;
    const char *summary;
    const char *example;
    const char *more; /* further help, or NULL */
    const struct flag *flags;
    size_t flag_count;
    int (*run)(struct cli *cli);
    bool offline; /* needs no server, and so no settings */
};

#define FLAGS(array) array, sizeof(array) / sizeof((array)[0])
#define NO_FLAGS     NULL, 0

struct command_list {
    const struct command *commands;
    size_t count;
};

/* One list per file of commands; commands.c joins them. */
#define COMMAND_LISTS(X)                                                                           \
    X(commands_publish)                                                                            \
    X(commands_subscribe)                                                                          \
    X(commands_request)                                                                            \
    X(commands_context)                                                                            \
    X(commands_stream)                                                                             \
    X(commands_stream_list)                                                                        \
    X(commands_stream_messages)                                                                    \
    X(commands_backup)                                                                             \
    X(commands_consumer)                                                                           \
    X(commands_consumer_messages)                                                                  \
    X(commands_kv_bucket)                                                                          \
    X(commands_kv)                                                                                 \
    X(commands_object)                                                                             \
    X(commands_object_move)                                                                        \
    X(commands_server_list)                                                                        \
    X(commands_cluster)                                                                            \
    X(commands_bench)                                                                              \
    X(commands_completion)                                                                         \
    X(commands_doctor)                                                                             \
    X(commands_top)                                                                                \
    X(commands_server)                                                                             \
    X(commands_help)
#define COMMAND_LIST_EXTERN(name) extern const struct command_list name;
COMMAND_LISTS(COMMAND_LIST_EXTERN)
#undef COMMAND_LIST_EXTERN

/* A group of commands: its name, others for it, and what it is about. */
struct command_group {
    const char *name;
    const char *aliases;
    const char *summary;
};
extern const struct command_group command_groups[];
extern const size_t command_group_count;

/* The index-th of all, NULL behind the last. */
const struct command *command_at(size_t index);
/* Is `word` the name or one of the aliases (blank-separated, may be NULL)? */
bool command_is_word(const char *word, const char *name, const char *aliases);
/* The group that is called so, or NULL. */
const struct command_group *command_find_group(const char *word);
/* By its words; *used says how many were needed. NULL: there is none (a group alone is none). */
const struct command *command_find(const char *first, const char *second, unsigned *used);

#endif
