#include "cli/commands.h"

#define LIST_OF(name) &name,
static const struct command_list *const lists[] = {COMMAND_LISTS(LIST_OF)};
#undef LIST_OF

const struct command_group command_groups[] = {
    {"stream", "str s", "Streams: what is kept"},
    {"consumer", "con c", "Who reads, and how far"},
    {"kv", NULL, "Key-value buckets"},
    {"object", "obj", "Files, in buckets"},
    {"server", "srv", "Servers"},
    {"cluster", NULL, "Servers as a group"},
    {"account", "a", "What this user may use"},
    {"bench", NULL, "How fast it is"},
    {"context", "ctx", "Saved settings"},
};
const size_t command_group_count = sizeof(command_groups) / sizeof(command_groups[0]);

const struct command *command_at(size_t index)
{
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        if (index < lists[i]->count)
            return &lists[i]->commands[index];
        index -= lists[i]->count;
    }
    return NULL;
}

bool command_is_word(const char *word, const char *name, const char *aliases)
{
    size_t size = strlen(word);

    if (strcmp(word, name) == 0)
        return true;
    while (aliases != NULL && *aliases != 0) {
        size_t end = strcspn(aliases, " ");

        if (end == size && strncmp(aliases, word, size) == 0)
            return true;
        aliases += end + (aliases[end] == ' ');
    }
    return false;
}

const struct command_group *command_find_group(const char *word)
{
    for (size_t i = 0; i < command_group_count; i++)
        if (command_is_word(word, command_groups[i].name, command_groups[i].aliases))
            return &command_groups[i];
    return NULL;
}

static const struct command *find_in_group(const char *group, const char *word)
{
    size_t size = strlen(group);
    const struct command *command;

    for (size_t i = 0; (command = command_at(i)) != NULL; i++)
        if (strncmp(command->name, group, size) == 0 && command->name[size] == ' ' &&
            command_is_word(word, command->name + size + 1, command->aliases))
            return command;
    return NULL;
}

const struct command *command_find(const char *first, const char *second, unsigned *used)
{
    const struct command_group *group = command_find_group(first);
    const struct command *command;

    *used = 1;
    for (size_t i = 0; (command = command_at(i)) != NULL; i++)
        if (strchr(command->name, ' ') == NULL &&
            command_is_word(first, command->name, command->aliases))
            return command;
    *used = 2;
    return group != NULL && second != NULL ? find_in_group(group->name, second) : NULL;
}
