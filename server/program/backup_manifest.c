#include "server/program/backup_manifest.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/heap.h"
#include "storage/hash.h"

#define LINE_SIZE  512u
#define DAMAGE_MAX ((size_t)1 << 20) /* of what is said of it; the first lines count */
#define BOOT_MAX   (UINT32_MAX - 1)  /* it is half of a file's id, and the next one is one more */

static const char first_line[] = "millrace-backup 1\n";

void backup_manifest_init(struct backup_manifest *manifest)
{
    *manifest = (struct backup_manifest){0};
    buf_init(&manifest->damage, DAMAGE_MAX);
}

void backup_manifest_free(struct backup_manifest *manifest)
{
    heap_give(manifest->files);
    buf_deinit(&manifest->damage);
    *manifest = (struct backup_manifest){0};
}

void backup_manifest_add(struct backup_manifest *manifest, const struct backup_file *file)
{
    if (manifest->count == manifest->capacity) {
        manifest->capacity = manifest->capacity == 0 ? 64 : 2 * manifest->capacity;
        manifest->files =
            heap_resize(manifest->files, manifest->capacity * sizeof *manifest->files);
    }
    manifest->files[manifest->count++] = *file;
}

static int compare(const void *a, const void *b)
{
    const struct backup_file *one = a, *other = b;

    return strcmp(one->name, other->name);
}

void backup_manifest_sort(struct backup_manifest *manifest)
{
    if (manifest->count > 0)
        qsort(manifest->files, manifest->count, sizeof *manifest->files, compare);
}

static int compare_name(const void *name, const void *file)
{
    return strcmp(name, ((const struct backup_file *)file)->name);
}

const struct backup_file *backup_manifest_find(const struct backup_manifest *manifest,
                                               const char *name)
{
    if (manifest->count == 0)
        return NULL;
    return bsearch(name, manifest->files, manifest->count, sizeof *manifest->files, compare_name);
}

void backup_manifest_damaged(struct backup_manifest *manifest, const char *format, ...)
{
    char text[LINE_SIZE - 16];
    va_list values;

    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    (void)buf_print(&manifest->damage, "%s\n", text);
}

bool backup_manifest_whole(const struct backup_manifest *manifest)
{
    return manifest->damage.size == 0;
}

/* ---- as text -------------------------------------------------------------------------------- */

static void add_hex(struct buf *out, const char *key, const uint8_t bytes[16])
{
    (void)buf_print(out, "%s", key);
    for (unsigned i = 0; i < 16; i++)
        (void)buf_print(out, "%02x", bytes[i]);
}

static void add_file(struct buf *out, const struct backup_file *file)
{
    (void)buf_print(out, "file %u %016" PRIx64 " %016" PRIx64 " %" PRIu64 " %" PRIu64, file->kind,
                    file->log_id, file->id, file->from, file->size);
    add_hex(out, " ", file->hash.at);
    add_hex(out, " ", file->mark.at);
    (void)buf_print(out, " %" PRIu64 " %" PRIu64, file->last, file->cut);
    add_hex(out, " ", file->cut_hash.at);
    (void)buf_print(out, " %s %s\n", file->damaged ? "damaged" : "whole", file->name);
}

static void add_damage(struct buf *out, struct bytes lines)
{
    while (lines.size > 0) {
        const uint8_t *end = memchr(lines.at, '\n', lines.size);
        size_t size = end != NULL ? (size_t)(end - lines.at) : lines.size;

        (void)buf_print(out, "damage %.*s\n", (int)size, (const char *)lines.at);
        lines = bytes_skip(lines, size + (end != NULL));
    }
}

void backup_manifest_encode(const struct backup_manifest *manifest, struct buf *out)
{
    struct log_hash hash;

    buf_clear(out);
    (void)buf_print(out, "%snumber %" PRIu64 "\n", first_line, manifest->number);
    add_hex(out, "store ", manifest->store_id);
    add_hex(out, "\nlineage ", manifest->lineage);
    (void)buf_print(out, "\nboot %" PRIu64 "\ntime %" PRIi64 "\nmade %" PRIi64 "\nserver %s\n",
                    manifest->boot, manifest->time_ns, manifest->made_ns,
                    manifest->live ? "running" : "stopped");
    for (size_t i = 0; i < manifest->count; i++)
        add_file(out, &manifest->files[i]);
    add_damage(out, buf_bytes(&manifest->damage));
    hash = hash_128(buf_bytes(out));
    add_hex(out, "end ", hash.at);
    (void)buf_add_byte(out, '\n');
}

static bool read_hex(const char *text, uint8_t bytes[16])
{
    for (unsigned i = 0; i < 16; i++) {
        unsigned value;

        if (strspn(text + 2 * i, "0123456789abcdef") < 2 ||
            sscanf(text + 2 * i, "%2x", &value) != 1)
            return false;
        bytes[i] = (uint8_t)value;
    }
    return true;
}

/* What a restore writes stays below the directory that it makes. */
static bool names_itself(const struct backup_file *file)
{
    static const char *const ends[][2] = {
        [BACKUP_SEGMENT] = {"seg", "seg"},
        [BACKUP_PACKED] = {"pak", "pak"},
        [BACKUP_BLOCK] = {"blk", "blk"},
        [BACKUP_KEPT] = {"kep", "pak"},
    };
    char name[BACKUP_NAME_MAX];

    for (unsigned i = 0; i < 2; i++) {
        snprintf(name, sizeof name, "logs/%016" PRIx64 "/%016" PRIx64 ".%s", file->log_id, file->id,
                 ends[file->kind][i]);
        if (strcmp(name, file->name) == 0)
            return true;
    }
    return false;
}

static bool read_file(const char *line, struct backup_file *file)
{
    char hash[33], mark[33], cut_hash[33], state[8];
    unsigned kind;

    *file = (struct backup_file){0};
    if (sscanf(line,
               "file %1u %16" SCNx64 " %16" SCNx64 " %" SCNu64 " %" SCNu64 " %32s %32s %" SCNu64
               " %" SCNu64 " %32s %7s %63s",
               &kind, &file->log_id, &file->id, &file->from, &file->size, hash, mark, &file->last,
               &file->cut, cut_hash, state, file->name) != 12)
        return false;
    if (kind > BACKUP_KEPT)
        return false;
    file->kind = kind;
    file->damaged = strcmp(state, "whole") != 0;
    return read_hex(hash, file->hash.at) && read_hex(mark, file->mark.at) &&
           read_hex(cut_hash, file->cut_hash.at) && names_itself(file);
}

static bool read_line(struct backup_manifest *manifest, const char *line)
{
    struct backup_file file;
    char word[40];

    if (strncmp(line, "file ", 5) == 0) {
        if (!read_file(line, &file) || file.from > manifest->number)
            return false;
        backup_manifest_add(manifest, &file);
        return true;
    }
    if (strncmp(line, "damage ", 7) == 0) {
        backup_manifest_damaged(manifest, "%s", line + 7);
        return true;
    }
    if (sscanf(line, "store %32s", word) == 1)
        return read_hex(word, manifest->store_id);
    if (sscanf(line, "lineage %32s", word) == 1)
        return read_hex(word, manifest->lineage);
    if (sscanf(line, "server %15s", word) == 1) {
        manifest->live = strcmp(word, "running") == 0;
        return true;
    }
    return sscanf(line, "number %" SCNu64, &manifest->number) == 1 ||
           sscanf(line, "boot %" SCNu64, &manifest->boot) == 1 ||
           sscanf(line, "time %" SCNi64, &manifest->time_ns) == 1 ||
           sscanf(line, "made %" SCNi64, &manifest->made_ns) == 1;
}

/* The last line: a checksum of all before it. */
static bool take_end(struct bytes *text)
{
    static const size_t size = sizeof "end \n" - 1 + 32;
    struct bytes line;
    struct log_hash said, hash;
    char word[33];

    if (text->size < size)
        return false;
    line = bytes_skip(*text, text->size - size);
    if (memcmp(line.at, "end ", 4) != 0 || line.at[size - 1] != '\n')
        return false;
    memcpy(word, line.at + 4, 32);
    word[32] = 0;
    *text = bytes_take(*text, text->size - size);
    hash = hash_128(*text);
    return read_hex(word, said.at) && hash_equal(&said, &hash);
}

static bool names_each_once(const struct backup_manifest *manifest)
{
    for (size_t i = 1; i < manifest->count; i++)
        if (strcmp(manifest->files[i - 1].name, manifest->files[i].name) == 0)
            return false;
    return true;
}

enum err backup_manifest_decode(struct backup_manifest *manifest, struct bytes text)
{
    backup_manifest_init(manifest);
    if (!take_end(&text))
        return ERR_CORRUPT;
    if (text.size < sizeof first_line - 1 ||
        memcmp(text.at, first_line, sizeof first_line - 1) != 0)
        return ERR_VERSION;
    text = bytes_skip(text, sizeof first_line - 1);
    while (text.size > 0) {
        const uint8_t *end = memchr(text.at, '\n', text.size);
        char line[LINE_SIZE];
        size_t size;

        if (end == NULL || (size_t)(end - text.at) >= sizeof line)
            return ERR_CORRUPT;
        size = (size_t)(end - text.at);
        memcpy(line, text.at, size);
        line[size] = 0;
        if (!read_line(manifest, line))
            return ERR_CORRUPT;
        text = bytes_skip(text, size + 1);
    }
    backup_manifest_sort(manifest);
    return manifest->number > 0 && manifest->boot <= BOOT_MAX && names_each_once(manifest)
               ? OK
               : ERR_CORRUPT;
}
