#include "server/program/backup_depot.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/heap.h"
#include "server/program/backup_file.h"
#include "server/program/inspect_file.h"
#include "storage/hash.h"

#define MARK         "millrace-backups"
#define MANIFEST     "manifest"
#define NUMBER_END   UINT64_C(1000000000000)
#define MANIFEST_MAX ((uint64_t)1 << 30) /* lines of some four million files */

[[gnu::format(printf, 2, 3)]] static bool refuse(const struct depot *depot, const char *format, ...)
{
    va_list values;

    va_start(values, format);
    vsnprintf(depot->error, depot->error_size, format, values);
    va_end(values);
    return false;
}

static void path_of(const struct depot *depot, uint64_t number, const char *end,
                    char out[DEPOT_PATH_MAX])
{
    snprintf(out, DEPOT_PATH_MAX, "%s/%06" PRIu64 "%s", depot->dir, number, end);
}

/* ---- opening -------------------------------------------------------------------------------- */

/* Only what is empty, or one already, becomes one. */
static bool make(const struct depot *depot, const char *mark)
{
    int fd;

    if (access(mark, F_OK) == 0)
        return true;
    if (!backup_file_empty_directory(depot->dir))
        return refuse(depot, "%s is not empty and no directory of backups", depot->dir);
    if (mkdir(depot->dir, 0700) != 0 && errno != EEXIST)
        return refuse(depot, "%s can not be made: %s", depot->dir, strerror(errno));
    fd = open(mark, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return refuse(depot, "%s can not be made: %s", mark, strerror(errno));
    close(fd);
    if (!backup_file_sync_directory(depot->dir) || !backup_file_sync_parent(depot->dir))
        return refuse(depot, "%s: %s", depot->dir, strerror(errno));
    return true;
}

static bool hold(struct depot *depot, const char *mark, bool alone)
{
    depot->held = open(mark, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (depot->held < 0)
        return refuse(depot, "%s is no directory of backups", depot->dir);
    if (flock(depot->held, (alone ? LOCK_EX : LOCK_SH) | LOCK_NB) == 0)
        return true;
    close(depot->held);
    depot->held = -1;
    return refuse(depot, "%s is in use by another backup", depot->dir);
}

static int compare_numbers(const void *a, const void *b)
{
    uint64_t one = *(const uint64_t *)a, other = *(const uint64_t *)b;

    return one < other ? -1 : one > other;
}

static bool read_number(const char *name, uint64_t *number)
{
    char *end;

    if (name[0] < '0' || name[0] > '9')
        return false;
    *number = strtoull(name, &end, 10);
    return *number > 0 && *number < NUMBER_END && *end == 0;
}

static void list(struct depot *depot)
{
    struct inspect_names names;
    uint64_t number;

    inspect_list(depot->dir, &names);
    depot->numbers = heap_take((names.count + 1) * sizeof *depot->numbers);
    for (size_t i = 0; i < names.count; i++)
        if (read_number(names.at[i], &number))
            depot->numbers[depot->count++] = number;
    qsort(depot->numbers, depot->count, sizeof *depot->numbers, compare_numbers);
    inspect_names_free(&names);
}

bool depot_open(struct depot *depot, const char *dir, bool making, char *error, size_t error_size)
{
    char mark[DEPOT_PATH_MAX];

    *depot = (struct depot){.held = -1, .error = error, .error_size = error_size};
    if (strlen(dir) >= sizeof depot->dir - 128)
        return refuse(depot, "the path of the directory is too long");
    snprintf(depot->dir, sizeof depot->dir, "%s", dir);
    snprintf(mark, sizeof mark, "%s/" MARK, depot->dir);
    if ((making && !make(depot, mark)) || !hold(depot, mark, making))
        return false;
    list(depot);
    return true;
}

void depot_close(struct depot *depot)
{
    depot_abandon(depot);
    if (depot->held >= 0)
        close(depot->held);
    depot->held = -1;
    heap_give(depot->numbers);
    depot->numbers = NULL;
}

/* ---- reading -------------------------------------------------------------------------------- */

bool depot_has(const struct depot *depot, uint64_t number)
{
    for (size_t i = 0; i < depot->count; i++)
        if (depot->numbers[i] == number)
            return true;
    return refuse(depot, "%s has no backup %" PRIu64, depot->dir, number);
}

bool depot_manifest(const struct depot *depot, uint64_t number, struct backup_manifest *manifest)
{
    char path[DEPOT_PATH_MAX];
    struct buf text;
    enum err err = ERR_NOT_FOUND;
    uint64_t size;

    path_of(depot, number, "/" MANIFEST, path);
    backup_manifest_init(manifest);
    buf_init(&text, MANIFEST_MAX);
    if (backup_file_size(path, &size) && size > MANIFEST_MAX)
        err = ERR_CORRUPT;
    else if (inspect_read_file(path, &text))
        err = backup_manifest_decode(manifest, buf_bytes(&text));
    buf_deinit(&text);
    if (err == OK && manifest->number != number)
        err = ERR_CORRUPT;
    if (err == ERR_VERSION)
        return refuse(depot, "%s is of a later format than this version knows", path);
    if (err != OK)
        return refuse(depot, "%s %s", path, err == ERR_CORRUPT ? "is damaged" : "can not be read");
    return true;
}

void depot_path(const struct depot *depot, const struct backup_file *file, char out[DEPOT_PATH_MAX])
{
    snprintf(out, DEPOT_PATH_MAX, "%s/%06" PRIu64 "/%s", depot->dir, file->from, file->name);
}

bool depot_read(const struct depot *depot, const struct backup_file *file, struct buf *out)
{
    char path[DEPOT_PATH_MAX];
    struct log_hash hash = {0};
    uint64_t size;

    depot_path(depot, file, path);
    /* What is larger than was written is not read at all. */
    if (!backup_file_size(path, &size) || (size == file->size && !inspect_read_file(path, out)))
        return refuse(depot, "%s can not be read: %s", path, strerror(errno));
    if (size == file->size)
        hash = hash_128(buf_bytes(out));
    if (size != file->size || out->size != size || !hash_equal(&hash, &file->hash))
        return refuse(depot, "%s is damaged: it has not the bytes that were written", path);
    return true;
}

/* ---- making one ----------------------------------------------------------------------------- */

/* What a backup that was cut short has left. */
static bool sweep(const struct depot *depot)
{
    struct inspect_names names;
    bool good = true;

    inspect_list(depot->dir, &names);
    for (size_t i = 0; i < names.count; i++) {
        char path[DEPOT_PATH_MAX], *dot = strstr(names.at[i], ".new");
        uint64_t number;

        snprintf(path, sizeof path, "%s/%s", depot->dir, names.at[i]);
        if (dot == NULL || strcmp(dot, ".new") != 0)
            continue;
        *dot = 0;
        if (read_number(names.at[i], &number) && !backup_file_remove_tree(path))
            good = refuse(depot, "%s can not be removed: %s", path, strerror(errno));
    }
    inspect_names_free(&names);
    return good;
}

bool depot_begin(struct depot *depot)
{
    char path[DEPOT_PATH_MAX];

    depot->number = 0;
    if (!sweep(depot))
        return false;
    depot->number = depot->count > 0 ? depot->numbers[depot->count - 1] + 1 : 1;
    path_of(depot, depot->number, ".new", path);
    if (mkdir(path, 0700) == 0)
        return true;
    depot->number = 0;
    return refuse(depot, "%s can not be made: %s", path, strerror(errno));
}

bool depot_write(struct depot *depot, struct bytes bytes, struct backup_file *file)
{
    char path[DEPOT_PATH_MAX];

    path_of(depot, depot->number, ".new", path);
    file->from = depot->number;
    file->size = bytes.size;
    file->hash = hash_128(bytes);
    if (backup_file_write(path, file->name, bytes))
        return true;
    return refuse(depot, "%s/%s can not be written: %s", path, file->name, strerror(errno));
}

/* The directory has its name when everything in it is on the disk. */
bool depot_commit(struct depot *depot, const struct backup_manifest *manifest)
{
    char new[DEPOT_PATH_MAX], path[DEPOT_PATH_MAX];
    struct buf text;
    bool good;

    path_of(depot, depot->number, ".new", new);
    path_of(depot, depot->number, "", path);
    buf_init(&text, SIZE_MAX);
    backup_manifest_encode(manifest, &text);
    good = backup_file_write(new, MANIFEST, buf_bytes(&text)) && backup_file_sync_tree(new) &&
           rename(new, path) == 0 && backup_file_sync_directory(depot->dir);
    buf_deinit(&text);
    if (!good)
        return refuse(depot, "%s can not be written: %s", new, strerror(errno));
    depot->number = 0;
    return true;
}

void depot_abandon(struct depot *depot)
{
    char path[DEPOT_PATH_MAX];

    if (depot->number == 0)
        return;
    path_of(depot, depot->number, ".new", path);
    (void)backup_file_remove_tree(path);
    depot->number = 0;
}
