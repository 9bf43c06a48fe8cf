#include "server/program/backup.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/json.h"
#include "server/program/backup_restore.h"
#include "server/program/backup_take.h"
#include "server/program/check.h"

#define CODE_GOOD    0
#define CODE_DAMAGED 1
#define CODE_REFUSED 2
#define ERROR_SIZE   1024u
#define WORDS_MAX    3u
#define SECONDS_MAX  (INT64_MAX / 1000000000)

/* What stands on a command line. */
struct words {
    const char *at[WORDS_MAX];
    size_t count;
    uint64_t number; /* --backup; 0: not given */
    int64_t time_ns; /* --at; 0: not given */
    bool json, damaged, alone;
};

static int refuse(const char *error, const char *next)
{
    fprintf(stderr, "millrace: error: %s\n", error);
    if (next != NULL)
        fprintf(stderr, "  try: %s\n", next);
    return CODE_REFUSED;
}

static bool read_number(const char *text, uint64_t *number)
{
    char *end;

    if (text == NULL || text[0] < '0' || text[0] > '9')
        return false;
    *number = strtoull(text, &end, 10);
    return *end == 0 && *number > 0;
}

/* 2026-11-22T00:14:00.5Z; the fraction may be left out. A day that no month has is refused, a
 * year beyond what nanoseconds hold is as late as they go. */
static bool read_time(const char *text, int64_t *time_ns)
{
    struct tm parts = {0};
    const char *rest = text != NULL ? strptime(text, "%Y-%m-%dT%H:%M:%S", &parts) : NULL;
    int64_t fraction = 0, seconds;
    int day = parts.tm_mday;

    if (rest == NULL)
        return false;
    seconds = timegm(&parts);
    if (parts.tm_mday != day)
        return false;
    if (*rest == '.') {
        int64_t unit = 100000000;

        for (rest++; *rest >= '0' && *rest <= '9'; rest++, unit /= 10)
            fraction += unit * (*rest - '0');
    }
    *time_ns = seconds < SECONDS_MAX ? seconds * 1000000000 + fraction : INT64_MAX;
    return strcmp(rest, "Z") == 0 && seconds > 0;
}

static bool say_wrong(const char *option, const char *takes, const char *text)
{
    fprintf(stderr, "millrace: error: %s takes %s, not '%s'\n", option, takes,
            text != NULL ? text : "");
    return false;
}

static bool read_words(int argc, char **argv, struct words *words)
{
    *words = (struct words){0};
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            words->json = true;
        } else if (strcmp(argv[i], "--damaged") == 0) {
            words->damaged = true;
        } else if (strcmp(argv[i], "--alone") == 0) {
            words->alone = true;
        } else if (strcmp(argv[i], "--backup") == 0) {
            const char *text = i + 1 < argc ? argv[++i] : NULL;

            if (!read_number(text, &words->number))
                return say_wrong("--backup", "the number of one", text);
        } else if (strcmp(argv[i], "--at") == 0) {
            const char *text = i + 1 < argc ? argv[++i] : NULL;

            if (!read_time(text, &words->time_ns))
                return say_wrong("--at", "a moment like 2026-11-22T00:14:00.5Z", text);
        } else if (argv[i][0] == '-' || words->count == WORDS_MAX) {
            return false;
        } else {
            words->at[words->count++] = argv[i];
        }
    }
    return true;
}

static const char *time_text(int64_t time_ns, char text[static 40])
{
    time_t seconds = (time_t)(time_ns / 1000000000);
    struct tm parts;

    if (time_ns <= 0 || gmtime_r(&seconds, &parts) == NULL)
        return "the beginning";
    strftime(text, 40, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(text + 19, 20, ".%09lldZ", (long long)(time_ns % 1000000000));
    return text;
}

/* ---- one backup, told ----------------------------------------------------------------------- */

static uint64_t size_of(const struct backup_manifest *manifest, uint64_t from)
{
    uint64_t size = 0;

    for (size_t i = 0; i < manifest->count; i++)
        if (from == 0 || manifest->files[i].from == from)
            size += manifest->files[i].size;
    return size;
}

static void add_json(struct json_writer *json, const struct backup_manifest *manifest)
{
    struct bytes damage = buf_bytes(&manifest->damage);
    char text[40];

    json_object_begin(json);
    JSON_KEY(json, "backup");
    json_number_u64(json, manifest->number);
    JSON_KEY(json, "time");
    json_string(json, bytes_of_text(time_text(manifest->time_ns, text)));
    JSON_KEY(json, "files");
    json_number_u64(json, manifest->count);
    JSON_KEY(json, "bytes");
    json_number_u64(json, size_of(manifest, 0));
    JSON_KEY(json, "stored");
    json_number_u64(json, size_of(manifest, manifest->number));
    JSON_KEY(json, "whole");
    json_bool(json, backup_manifest_whole(manifest));
    JSON_KEY(json, "damage");
    json_array_begin(json);
    while (damage.size > 0) {
        const uint8_t *end = memchr(damage.at, '\n', damage.size);
        size_t size = end != NULL ? (size_t)(end - damage.at) : damage.size;

        json_string(json, bytes_take(damage, size));
        damage = bytes_skip(damage, size + (end != NULL));
    }
    json_array_end(json);
    json_object_end(json);
}

static void say_json(const struct backup_manifest *manifest)
{
    struct json_writer json;
    struct buf out;

    buf_init(&out, SIZE_MAX);
    json_writer_init(&json, &out);
    add_json(&json, manifest);
    printf("%.*s\n", BYTES_ARG(buf_bytes(&out)));
    buf_deinit(&out);
}

static void say(const struct backup_manifest *manifest)
{
    struct bytes damage = buf_bytes(&manifest->damage);
    char text[40];

    printf("backup %" PRIu64 ": everything up to %s; %zu files, %" PRIu64 " bytes, of which it "
           "stores %" PRIu64 "; %s\n",
           manifest->number, time_text(manifest->time_ns, text), manifest->count,
           size_of(manifest, 0), size_of(manifest, manifest->number),
           damage.size == 0 ? "whole" : "NOT WHOLE:");
    while (damage.size > 0) {
        const uint8_t *end = memchr(damage.at, '\n', damage.size);
        size_t size = end != NULL ? (size_t)(end - damage.at) : damage.size;

        printf("DAMAGED  %.*s\n", (int)size, (const char *)damage.at);
        damage = bytes_skip(damage, size + (end != NULL));
    }
}

static void tell(const struct words *words, const struct backup_manifest *manifest)
{
    if (words->json)
        say_json(manifest);
    else
        say(manifest);
}

/* ---- commands ------------------------------------------------------------------------------- */

static int make(const struct words *words)
{
    struct backup_manifest manifest;
    struct backup_told told;
    struct depot depot;
    enum backup_result result;
    char error[ERROR_SIZE] = "", memory[4096];

    if (!depot_open(&depot, words->at[1], true, error, sizeof error)) {
        depot_close(&depot);
        return refuse(error, "a directory that is not there yet, or of earlier backups");
    }
    result = backup_take(&depot, program_find_store(words->at[0], memory), &manifest, &told);
    depot_close(&depot);
    if (result != BACKUP_REFUSED)
        tell(words, &manifest);
    backup_manifest_free(&manifest);
    if (result == BACKUP_REFUSED)
        return refuse(error, NULL);
    return result == BACKUP_WHOLE ? CODE_GOOD : CODE_DAMAGED;
}

static void say_problem(const char *text)
{
    printf("DAMAGED  %s\n", text);
}

static int list(struct depot *depot, const struct words *words)
{
    int code = CODE_GOOD;

    for (size_t i = 0; i < depot->count; i++) {
        struct backup_manifest manifest;

        if (words->number != 0 && depot->numbers[i] != words->number)
            continue;
        if (depot_manifest(depot, depot->numbers[i], &manifest)) {
            tell(words, &manifest);
        } else {
            fprintf(stderr, "millrace: error: %s\n", depot->error);
            code = CODE_DAMAGED;
        }
        backup_manifest_free(&manifest);
    }
    return code;
}

static int verify(struct depot *depot, const struct words *words)
{
    size_t count = words->number != 0 ? 1 : depot->count;

    if (!backup_verify(depot, words->number, say_problem))
        return CODE_DAMAGED;
    printf("%s: %zu backup%s, all files as they were written\n", depot->dir, count,
           count == 1 ? "" : "s");
    return CODE_GOOD;
}

static int look(const struct words *words)
{
    char error[ERROR_SIZE] = "";
    struct depot depot;
    int code;

    if (!depot_open(&depot, words->at[1], false, error, sizeof error)) {
        depot_close(&depot);
        return refuse(error, NULL);
    }
    if (words->number != 0 && !depot_has(&depot, words->number))
        code = refuse(error, NULL);
    else
        code = strcmp(words->at[0], "list") == 0 ? list(&depot, words) : verify(&depot, words);
    depot_close(&depot);
    return code;
}

int program_backup(int argc, char **argv)
{
    struct words words;

    if (!read_words(argc, argv, &words) || words.count != 2 || words.damaged || words.alone ||
        words.time_ns != 0) {
        fprintf(stderr,
                "usage: %s backup [--json] DIR BACKUPS\n"
                "       %s backup list [--json] [--backup N] BACKUPS\n"
                "       %s backup verify [--backup N] BACKUPS\n",
                argv[0], argv[0], argv[0]);
        return CODE_REFUSED;
    }
    if (strcmp(words.at[0], "list") == 0 || strcmp(words.at[0], "verify") == 0)
        return look(&words);
    if (words.number != 0)
        return refuse("a new backup gets the next number", NULL);
    return make(&words);
}

static void say_restored(const char *path, const char *text)
{
    printf("DAMAGED  %s: %s\n", path, text);
}

static int restore(struct depot *depot, const struct words *words)
{
    struct backup_restore one = {.number = words->number,
                                 .time_ns = words->time_ns,
                                 .damaged = words->damaged,
                                 .alone = words->alone,
                                 .problem = say_restored};
    char text[40];

    if (depot->count == 0) {
        snprintf(depot->error, ERROR_SIZE, "%.900s has no backup", depot->dir);
        return CODE_REFUSED;
    }
    if (one.number == 0 && one.time_ns == 0)
        one.number = depot->numbers[depot->count - 1];
    if (!backup_restore(depot, &one, words->at[1]))
        return CODE_REFUSED;
    if (one.number != 0)
        printf("%s: backup %" PRIu64, words->at[1], one.number);
    else
        printf("%s: everything up to %s", words->at[1], time_text(one.time_ns, text));
    printf("; a server with -sd %s goes on from there\n", words->at[1]);
    return one.problems > 0 ? CODE_DAMAGED : CODE_GOOD;
}

int program_restore(int argc, char **argv)
{
    char error[ERROR_SIZE] = "";
    struct words words;
    struct depot depot;
    int code;

    if (!read_words(argc, argv, &words) || words.count != 2 || words.json ||
        (words.number != 0 && words.time_ns != 0)) {
        fprintf(stderr,
                "usage: %s restore [--backup N | --at 2026-11-22T00:14:00.5Z] [--alone] "
                "[--damaged] BACKUPS DIR\n",
                argv[0]);
        return CODE_REFUSED;
    }
    if (!depot_open(&depot, words.at[0], false, error, sizeof error)) {
        depot_close(&depot);
        return refuse(error, NULL);
    }
    code = restore(&depot, &words);
    depot_close(&depot);
    return code == CODE_REFUSED ? refuse(error, NULL) : code;
}
