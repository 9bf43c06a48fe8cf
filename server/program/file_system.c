#include "server/program/file_system.h"

#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>

#define NETWORK                                                                                    \
    "is a network file system: what it says is on the disk may not be, and its locks may not hold"
#define MEMORY  "is in memory: nothing of it outlives the machine"
#define LAYERED "passes on to another file system, whose syncs nobody here knows"

/* As the kernel numbers them (linux/magic.h, and those that are not in there). */
static const struct file_system unsuitable[] = {
    {0x6969, "nfs", NETWORK},           {0xff534d42, "cifs", NETWORK},
    {0xfe534d42, "smb2", NETWORK},      {0x517b, "smb", NETWORK},
    {0x00c36400, "ceph", NETWORK},      {0x5346414f, "afs", NETWORK},
    {0x01021997, "9p", NETWORK},        {0x7461636f, "ocfs2", NETWORK},
    {0x0bd00bd0, "lustre", NETWORK},    {0x01021994, "tmpfs", MEMORY},
    {0x858458f6, "ramfs", MEMORY},      {0x65735546, "fuse", LAYERED},
    {0x794c7630, "overlayfs", LAYERED}, {0xf15f, "ecryptfs", LAYERED},
};

const struct file_system *file_system_unsuitable(long type)
{
    for (size_t i = 0; i < sizeof unsuitable / sizeof unsuitable[0]; i++) {
        if ((uint32_t)unsuitable[i].type == (uint32_t)type)
            return &unsuitable[i];
    }
    return NULL;
}

/* False: nothing of the path is there. */
static bool look(const char *dir, struct statfs *found)
{
    char path[4096];
    char *slash;

    snprintf(path, sizeof path, "%s", dir);
    while (statfs(path, found) != 0) {
        slash = strrchr(path, '/');
        if (slash == NULL)
            return statfs(".", found) == 0;
        if (slash == path)
            return statfs("/", found) == 0;
        *slash = 0;
    }
    return true;
}

void program_warn_file_system(const char *dir, const struct logger *logger)
{
    const struct file_system *unsuited;
    struct statfs found;

    if (!look(dir, &found))
        return;
    unsuited = file_system_unsuitable((long)found.f_type);
    if (unsuited != NULL)
        logger_warn(logger, "The data directory '%s' lies on %s, which %s", dir, unsuited->name,
                    unsuited->warning);
}
