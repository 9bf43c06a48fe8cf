#include "server/program/backup_restore.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/program/backup_alone.h"
#include "server/program/backup_file.h"
#include "server/program/backup_lineage.h"
#include "server/program/backup_moment.h"
#include "server/program/inspect.h"
#include "storage/node.h"

static bool refuse(const struct depot *depot, const char *path)
{
    snprintf(depot->error, depot->error_size, "%s can not be written: %s", path, strerror(errno));
    return false;
}

/* ---- verifying ------------------------------------------------------------------------------ */

/* One that lies in an earlier backup is looked at with that one. */
static bool verify_files(struct depot *depot, const struct backup_manifest *manifest, bool all,
                         void (*problem)(const char *text))
{
    struct buf bytes;
    bool good = true;

    buf_init(&bytes, SIZE_MAX);
    for (size_t i = 0; i < manifest->count; i++) {
        const struct backup_file *file = &manifest->files[i];
        char path[DEPOT_PATH_MAX];

        depot_path(depot, file, path);
        if (all || file->from == manifest->number) {
            if (depot_read(depot, file, &bytes))
                continue;
        } else if (access(path, F_OK) == 0) {
            continue;
        } else {
            snprintf(depot->error, depot->error_size, "%s, which backup %" PRIu64 " needs, is gone",
                     path, manifest->number);
        }
        problem(depot->error);
        good = false;
    }
    buf_deinit(&bytes);
    return good;
}

bool backup_verify(struct depot *depot, uint64_t number, void (*problem)(const char *text))
{
    bool good = true;

    for (size_t i = 0; i < depot->count; i++) {
        struct backup_manifest manifest;

        if (number != 0 && depot->numbers[i] != number)
            continue;
        if (!depot_manifest(depot, depot->numbers[i], &manifest)) {
            problem(depot->error);
            good = false;
        } else if (!verify_files(depot, &manifest, number != 0, problem)) {
            good = false;
        }
        backup_manifest_free(&manifest);
    }
    return good;
}

/* ---- restoring ------------------------------------------------------------------------------ */

static bool write_files(struct depot *depot, const struct backup_manifest *manifest,
                        const char *path)
{
    struct buf bytes;
    bool good = true;

    buf_init(&bytes, SIZE_MAX);
    for (size_t i = 0; good && i < manifest->count; i++) {
        const struct backup_file *file = &manifest->files[i];

        good = depot_read(depot, file, &bytes);
        if (good && !backup_file_write(path, file->name, buf_bytes(&bytes)))
            good = refuse(depot, path);
    }
    buf_deinit(&bytes);
    return good;
}

static bool write_node(struct depot *depot, const struct node *node, const char *path)
{
    uint8_t at[NODE_SIZE];
    char whole[DEPOT_PATH_MAX];

    snprintf(whole, sizeof whole, "%.3900s/node", path);
    node_write(at, node);
    if ((unlink(whole) == 0 || errno == ENOENT) &&
        backup_file_write(path, "node", bytes_of(at, sizeof at)))
        return true;
    return refuse(depot, whole);
}

/* Directories that a server expects, and that it was restored. */
static bool write_rest(struct depot *depot, const char *path)
{
    static const char *const names[] = {"journal", "logs", "quarantine"};
    uint8_t lineage[16];
    char below[DEPOT_PATH_MAX];

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(below, sizeof below, "%.3900s/%s", path, names[i]);
        if (mkdir(below, 0700) != 0 && errno != EEXIST)
            return refuse(depot, below);
    }
    if (getrandom(lineage, sizeof lineage, 0) != sizeof lineage ||
        !backup_lineage_write(path, lineage) || !backup_file_write(path, "lock", bytes_of(NULL, 0)))
        return refuse(depot, path);
    return true;
}

/* ---- reading it through --------------------------------------------------------------------- */

struct reading {
    struct backup_restore *restore;
    struct alone alone;
};

static void on_problem(void *owner, const char *path, const char *text)
{
    struct backup_restore *restore = ((struct reading *)owner)->restore;

    restore->problems++;
    restore->problem(path, text);
}

static void on_segment(void *owner, const char *path, const struct segment_header *header)
{
    (void)path;
    alone_note_segment(&((struct reading *)owner)->alone, header);
}

static void on_batch(void *owner, const char *path, uint64_t position, uint64_t log_id,
                     const struct segment_batch *batch)
{
    (void)path, (void)position;
    alone_note_batch(&((struct reading *)owner)->alone, log_id, batch);
}

static void on_block(void *owner, const char *path, const struct block *block)
{
    (void)path;
    alone_note_block(&((struct reading *)owner)->alone, block);
}

static bool check(struct depot *depot, struct reading *reading, const char *path)
{
    const struct inspector inspector = {
        .owner = reading,
        .problem = on_problem,
        .segment = on_segment,
        .batch = on_batch,
        .block = on_block,
    };
    struct backup_restore *restore = reading->restore;

    restore->problems = 0;
    if (inspect(path, &inspector) == INSPECT_DONE && (restore->problems == 0 || restore->damaged))
        return true;
    snprintf(depot->error, depot->error_size,
             "what was restored is not sound, and was removed again");
    return false;
}

/* A log that others have replicas of is not led by one that has come back from an earlier time. */
static bool stand_alone(struct depot *depot, struct reading *reading, struct node *node,
                        const char *path)
{
    if (!alone_needed(&reading->alone, node))
        return true;
    if (!reading->restore->alone) {
        snprintf(depot->error, depot->error_size,
                 "this is a backup of a member of a cluster, which must not come back with votes "
                 "of an earlier time: --alone makes it a server of its own");
        return false;
    }
    if (!alone_make(&reading->alone, path, node))
        return refuse(depot, path);
    return write_node(depot, node, path) && check(depot, reading, path);
}

/* What is restored: one backup, or a moment after it. */
struct wanted {
    struct backup_manifest manifest; /* of that backup, or of the next one */
    struct backup_manifest before;   /* number 0: none */
    bool between;
};

static bool write_wanted(struct depot *depot, const struct backup_restore *restore,
                         const struct wanted *wanted, const char *path)
{
    const struct backup_moment moment = {
        .depot = depot,
        .before = wanted->before.number != 0 ? &wanted->before : NULL,
        .after = &wanted->manifest,
        .time_ns = restore->time_ns,
    };

    return wanted->between ? backup_moment_write(&moment, path)
                           : write_files(depot, &wanted->manifest, path);
}

static bool make(struct depot *depot, struct backup_restore *restore, const struct wanted *wanted,
                 const char *path)
{
    struct reading reading = {.restore = restore};
    struct node node = {.boot = wanted->manifest.boot};
    bool good;

    memcpy(node.store_id, wanted->manifest.store_id, 16);
    if (!backup_file_remove_tree(path) || mkdir(path, 0700) != 0)
        return refuse(depot, path);
    good = write_wanted(depot, restore, wanted, path) && write_rest(depot, path) &&
           write_node(depot, &node, path) && check(depot, &reading, path) &&
           stand_alone(depot, &reading, &node, path);
    alone_free(&reading.alone);
    return good;
}

static bool name(struct depot *depot, const char *new, const char *dir, const char *path)
{
    if (backup_file_sync_tree(new) && rename(new, path) == 0 && backup_file_sync_directory(dir) &&
        backup_file_sync_parent(dir))
        return true;
    return refuse(depot, path);
}

static bool is_wanted(struct depot *depot, const struct backup_restore *restore,
                      const struct backup_manifest *manifest)
{
    if (backup_manifest_whole(manifest) || restore->damaged)
        return true;
    snprintf(depot->error, depot->error_size,
             "backup %" PRIu64 " is not whole (millrace backup list %s says why): "
             "--damaged restores what there is",
             manifest->number, depot->dir);
    return false;
}

static bool find(struct depot *depot, const struct backup_restore *restore, uint64_t number,
                 struct backup_manifest *manifest)
{
    backup_manifest_free(manifest);
    return depot_manifest(depot, number, manifest) && is_wanted(depot, restore, manifest);
}

/* The first backup that is not earlier than the moment, and the one before it in the same life. */
static bool find_moment(struct depot *depot, const struct backup_restore *restore,
                        struct wanted *wanted)
{
    for (size_t i = 0; i < depot->count; i++) {
        backup_manifest_free(&wanted->manifest);
        if (!depot_manifest(depot, depot->numbers[i], &wanted->manifest))
            return false;
        if (wanted->manifest.time_ns < restore->time_ns)
            continue;
        if (!is_wanted(depot, restore, &wanted->manifest))
            return false;
        wanted->between = wanted->manifest.time_ns > restore->time_ns;
        if (i > 0 && !find(depot, restore, depot->numbers[i - 1], &wanted->before))
            return false;
        if (memcmp(wanted->before.lineage, wanted->manifest.lineage, 16) != 0 ||
            wanted->before.time_ns > restore->time_ns)
            wanted->before.number = 0;
        return true;
    }
    snprintf(depot->error, depot->error_size,
             "no backup is as late as that: without --at the newest one is restored");
    return false;
}

static bool find_wanted(struct depot *depot, const struct backup_restore *restore,
                        struct wanted *wanted)
{
    backup_manifest_init(&wanted->manifest);
    backup_manifest_init(&wanted->before);
    wanted->between = false;
    if (restore->number == 0)
        return find_moment(depot, restore, wanted);
    return depot_has(depot, restore->number) &&
           find(depot, restore, restore->number, &wanted->manifest);
}

/* ---- where to ------------------------------------------------------------------------------- */

/* Nothing is written over, and not into a server's own files. */
static bool may_be_written(const struct depot *depot, const char *dir, const char *path)
{
    char node[DEPOT_PATH_MAX];

    snprintf(node, sizeof node, "%.3900s/node", dir);
    if (access(path, F_OK) == 0)
        snprintf(depot->error, depot->error_size, "%.900s is there: nothing is written over", path);
    else if (access(node, F_OK) == 0)
        snprintf(depot->error, depot->error_size, "%.900s is a server's data itself", dir);
    else
        return true;
    return false;
}

/* Against another restore into it, which would remove what this one has written so far. A file
 * system that holds no directories is taken as it is. -1: refused. */
static int hold(const struct depot *depot, const char *dir)
{
    int fd;

    if (mkdir(dir, 0700) != 0 && errno != EEXIST) {
        (void)refuse(depot, dir);
        return -1;
    }
    fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        (void)refuse(depot, dir);
    } else if (flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        snprintf(depot->error, depot->error_size, "%.900s is being restored already", dir);
        close(fd);
        fd = -1;
    }
    return fd;
}

bool backup_restore(struct depot *depot, struct backup_restore *restore, const char *dir)
{
    char new[DEPOT_PATH_MAX], path[DEPOT_PATH_MAX];
    struct wanted wanted;
    bool good = find_wanted(depot, restore, &wanted);
    int held = -1;

    snprintf(new, sizeof new, "%.3900s/millrace.restoring", dir);
    snprintf(path, sizeof path, "%.3900s/millrace", dir);
    if (good) {
        good = may_be_written(depot, dir, path);
        held = good ? hold(depot, dir) : -1;
        good = held >= 0;
    }
    if (good) {
        good = make(depot, restore, &wanted, new) && name(depot, new, dir, path);
        if (!good)
            (void)backup_file_remove_tree(new);
    }
    if (held >= 0)
        close(held);
    backup_manifest_free(&wanted.manifest);
    backup_manifest_free(&wanted.before);
    return good;
}
