#include "server/program/cores.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

#define PATH_SIZE 4096u
#define TEXT_SIZE 128u
#define MOUNT     "/sys/fs/cgroup"

static struct bytes word_of(struct bytes *rest)
{
    const char *at = (const char *)rest->at;
    size_t size = 0, gap;

    while (size < rest->size && at[size] != ' ' && at[size] != '\n')
        size++;
    gap = size < rest->size ? 1 : 0;
    *rest = bytes_skip(*rest, size + gap);
    return bytes_of(at, size);
}

unsigned program_cores_of_quota(struct bytes text)
{
    struct bytes quota = word_of(&text), period = word_of(&text);
    uint64_t used, of;

    if (!bytes_read_u64(quota, &used) || !bytes_read_u64(period, &of) || used == 0 || of == 0)
        return 0;
    used = used / of + (used % of > 0);
    return used < CPU_SETSIZE ? (unsigned)used : CPU_SETSIZE;
}

static struct bytes read_text(const char *path, char text[static TEXT_SIZE])
{
    FILE *file = fopen(path, "re");
    size_t size;

    if (file == NULL)
        return bytes_of(NULL, 0);
    size = fread(text, 1, TEXT_SIZE, file);
    fclose(file);
    return bytes_of(text, size);
}

/* Its group's path below the mount, "/" at least; of the unified hierarchy, whose line is
 * "0::PATH".
 */
static void read_group(char path[static PATH_SIZE])
{
    FILE *file = fopen("/proc/self/cgroup", "re");
    char line[PATH_SIZE];

    snprintf(path, PATH_SIZE, "/");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        line[strcspn(line, "\n")] = 0;
        if (strncmp(line, "0::/", 4) == 0)
            snprintf(path, PATH_SIZE, "%s", line + 3);
    }
    if (file != NULL)
        fclose(file);
}

static unsigned lower(unsigned limit, unsigned other)
{
    return other > 0 && other < limit ? other : limit;
}

/* A limit of any group above binds, too. In a container the mount shows its own group as the root,
 * so that what is not found is passed over. */
static unsigned lower_by_groups(unsigned limit)
{
    char group[PATH_SIZE], file[PATH_SIZE + 32], text[TEXT_SIZE];
    char *end;

    read_group(group);
    for (;;) {
        snprintf(file, sizeof(file), MOUNT "%s/cpu.max", group);
        limit = lower(limit, program_cores_of_quota(read_text(file, text)));
        end = strrchr(group, '/');
        if (end == NULL || group[0] == 0)
            break;
        *end = 0;
    }
    return limit;
}

unsigned program_cores(void)
{
    cpu_set_t set;
    int count;

    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof(set), &set) != 0)
        return 1; /* more than a set has room for: nobody knows */
    count = CPU_COUNT(&set);
    return lower_by_groups(count > 1 ? (unsigned)count : 1);
}
