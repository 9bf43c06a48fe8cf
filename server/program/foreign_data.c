#include "server/program/foreign_data.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define OWN_NAME "jetstream"

/* A directory that is called so already gets no other in it. */
static void find_root(const char *dir, char root[PATH_MAX])
{
    size_t size = strlen(dir);
    const char *base;

    while (size > 1 && dir[size - 1] == '/')
        size--;
    base = memrchr(dir, '/', size);
    base = base == NULL ? dir : base + 1;
    if ((size_t)(dir + size - base) == strlen(OWN_NAME) &&
        memcmp(base, OWN_NAME, strlen(OWN_NAME)) == 0)
        snprintf(root, PATH_MAX, "%.*s", (int)size, dir);
    else
        snprintf(root, PATH_MAX, "%.*s/" OWN_NAME, (int)size, dir);
}

/* Streams of one account: a directory each, with its configuration. */
static size_t count_of(const char *root, const char *account)
{
    char path[PATH_MAX];
    struct dirent *entry;
    size_t count = 0;
    DIR *streams;

    if (snprintf(path, sizeof(path), "%s/%s/streams", root, account) >= (int)sizeof(path))
        return 0;
    streams = opendir(path);
    while (streams != NULL && (entry = readdir(streams)) != NULL) {
        char file[PATH_MAX];

        if (snprintf(file, sizeof(file), "%s/%s/meta.inf", path, entry->d_name) < (int)sizeof(file))
            count += access(file, F_OK) == 0;
    }
    if (streams != NULL)
        closedir(streams);
    return count;
}

size_t program_foreign_streams(const char *dir, char root[PATH_MAX])
{
    struct dirent *entry;
    size_t count = 0;
    DIR *accounts;

    find_root(dir, root);
    accounts = opendir(root);
    if (accounts == NULL)
        return 0;
    while ((entry = readdir(accounts)) != NULL)
        count += entry->d_name[0] == '.' ? 0 : count_of(root, entry->d_name);
    closedir(accounts);
    return count;
}

void program_warn_foreign_data(const char *dir, const struct logger *logger)
{
    char root[PATH_MAX];
    size_t count = program_foreign_streams(dir, root);

    if (count > 0)
        logger_warn(logger,
                    "\"%s\" holds %zu stream%s of nats-server; nothing of that is read here: "
                    "docs/migration.md says how to bring it over, then remove that directory",
                    root, count, count == 1 ? "" : "s");
}
