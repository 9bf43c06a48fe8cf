#include "server/program/check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "server/program/backup.h"
#include "server/program/dump.h"
#include "server/program/gauge.h"
#include "server/program/inspect.h"
#include "server/program/repair_node.h"

#define CODE_SOUND   0
#define CODE_DAMAGED 1
#define CODE_UNKNOWN 2
#define FOUND_MAX    ((size_t)64 * 1024 * 1024) /* of what was found, as JSON */

struct check {
    const char *dir;
    struct gauge gauge;
    bool repair, json;
    struct buf found; /* with json: what was found, objects separated by commas */
    unsigned problems, notes, repaired;
    unsigned long long batches, records, blocks, segments, journal_records;
};

/* With --json, what was found is told at the end. */
static void keep(struct check *check, const char *kind, const char *path, const char *text)
{
    struct json_writer writer;

    if (check->found.size > 0)
        (void)buf_add_byte(&check->found, ',');
    json_writer_init(&writer, &check->found);
    json_object_begin(&writer);
    JSON_KEY(&writer, "finding");
    json_string(&writer, bytes_of_text(kind));
    JSON_KEY(&writer, "path");
    json_string(&writer, bytes_of_text(path));
    JSON_KEY(&writer, "what");
    json_string(&writer, bytes_of_text(text));
    json_object_end(&writer);
}

static void on_problem(void *owner, const char *path, const char *text)
{
    struct check *check = owner;

    check->problems++;
    gauge_clear(&check->gauge);
    if (check->json)
        keep(check, "problem", path, text);
    else
        printf("DAMAGED  %s: %s\n", path, text);
}

static void on_note(void *owner, const char *path, const char *text)
{
    struct check *check = owner;

    check->notes++;
    gauge_clear(&check->gauge);
    if (check->json)
        keep(check, "note", path, text);
    else
        printf("note     %s: %s\n", path, text);
}

static void on_journal(void *owner, const char *path, uint64_t offset,
                       const struct journal_record *record, bool needed)
{
    struct check *check = owner;

    (void)path, (void)offset, (void)record;
    check->journal_records += needed;
}

static void on_segment(void *owner, const char *path, const struct segment_header *header)
{
    struct check *check = owner;

    (void)path, (void)header;
    check->segments++;
}

static void on_batch(void *owner, const char *path, uint64_t position, uint64_t log_id,
                     const struct segment_batch *batch)
{
    struct check *check = owner;

    (void)log_id, (void)batch;
    check->batches++;
    gauge_at(&check->gauge, path, position);
}

static void on_record(void *owner, uint64_t log_id, const struct record *record)
{
    struct check *check = owner;

    (void)log_id, (void)record;
    check->records++;
}

static void on_block(void *owner, const char *path, const struct block *block)
{
    struct check *check = owner;

    (void)path, (void)block;
    check->blocks++;
}

/* ---- repair: nothing is deleted ------------------------------------------------------------- */

static bool make_directory(const char *path)
{
    return mkdir(path, 0700) == 0 || errno == EEXIST;
}

static void set_aside(struct check *check, const char *path, uint64_t log_id)
{
    const char *name = strrchr(path, '/') + 1;
    char from[4096], to[4096];
    int size;

    snprintf(from, sizeof from, "%s/%s", check->dir, path);
    size = snprintf(to, sizeof to, "%s/quarantine", check->dir);
    if (!make_directory(to))
        return;
    size += snprintf(to + size, sizeof to - (size_t)size, "/%016llx", (unsigned long long)log_id);
    if (!make_directory(to))
        return;
    snprintf(to + size, sizeof to - (size_t)size, "/%s", name);
    if (access(to, F_OK) == 0 || rename(from, to) != 0) {
        fprintf(stderr, "millrace: %s could not be set aside\n", path);
        return;
    }
    check->repaired++;
    if (!check->json)
        printf("         %s was moved to quarantine/\n", path);
}

static void on_bad_block(void *owner, const char *path, uint64_t log_id, bool replaceable)
{
    struct check *check = owner;

    if (!check->repair && check->json)
        return;
    if (!check->repair)
        printf("         a start %s\n", replaceable ? "does without it" : "can not do without it");
    else if (replaceable)
        set_aside(check, path, log_id);
}

/* Without it a server refuses the directory. */
static bool on_bad_node(void *owner)
{
    struct check *check = owner;
    struct node node;
    bool found = repair_node_find(check->dir, &node);
    bool made = check->repair && found && repair_node_write(check->dir, &node);

    check->repaired += made;
    if (check->json)
        return made;
    if (made)
        printf("         node was made anew from the journal, what was there is in quarantine/\n");
    else
        printf("         %s\n", found ? "--repair makes it anew from the journal"
                                      : "the journal does not tell what was in it");
    return made;
}

static void on_stray(void *owner, const char *path, uint64_t log_id)
{
    struct check *check = owner;

    if (check->repair)
        set_aside(check, path, log_id);
}

/* ---- the command lines ---------------------------------------------------------------------- */

const char *program_find_store(const char *dir, char memory[static 4096])
{
    snprintf(memory, 4096, "%s/millrace/lock", dir);
    if (access(memory, F_OK) != 0)
        return dir;
    snprintf(memory, 4096, "%s/millrace", dir);
    return memory;
}

static int say_unknown(enum inspect_result result, const char *dir)
{
    static const char *const texts[] = {
        [INSPECT_LOCKED] = "is in use by a running server",
        [INSPECT_NEWER] = "is of a later format than this version knows; nothing was changed",
        [INSPECT_NO_STORE] = "is no data directory of this server",
    };
    static const char *const next[] = {
        [INSPECT_LOCKED] = "stop it first; or millrace doctor server",
        [INSPECT_NEWER] = "the version that wrote it",
        [INSPECT_NO_STORE] = "the directory of -sd, or store_dir of the configuration",
    };

    fprintf(stderr, "millrace: error: %s %s\n  try: %s\n", dir, texts[result], next[result]);
    return CODE_UNKNOWN;
}

struct option {
    const char *name;
    bool *given;
};

/* NULL: it was said what is wrong. */
static const char *read_arguments(int argc, char **argv, const struct option *options, size_t count)
{
    const char *dir = NULL;
    bool wrong = false;

    for (int i = 2; i < argc; i++) {
        size_t at = 0;

        while (at < count && strcmp(argv[i], options[at].name) != 0)
            at++;
        if (at < count)
            *options[at].given = true;
        else if (argv[i][0] == '-' || dir != NULL)
            wrong = true;
        else
            dir = argv[i];
    }
    if (dir != NULL && !wrong)
        return dir;
    fprintf(stderr, "usage: %s %s", argv[0], argv[1]);
    for (size_t i = 0; i < count; i++)
        fprintf(stderr, " [%s]", options[i].name);
    fputs(" DIR\n", stderr);
    return NULL;
}

static void say_sum(const struct check *check)
{
    printf(
        "%s: %llu segments, %llu batches, %llu records, %llu state blocks, %llu journal records; "
        "%u problems, %u notes",
        check->dir, check->segments, check->batches, check->records, check->blocks,
        check->journal_records, check->problems, check->notes);
    if (check->repair)
        printf(", %u files set aside", check->repaired);
    printf("\n");
}

static void say_json(const struct check *check)
{
    struct json_writer writer;
    struct buf dir;

    buf_init(&dir, 65536);
    json_writer_init(&writer, &dir);
    json_string(&writer, bytes_of_text(check->dir));
    printf("{\"directory\":%.*s,\"segments\":%llu,\"batches\":%llu,\"records\":%llu,"
           "\"state_blocks\":%llu,\"journal_records\":%llu,\"problems\":%u,\"notes\":%u,"
           "\"set_aside\":%u,\"found\":[%.*s]}\n",
           BYTES_ARG(buf_bytes(&dir)), check->segments, check->batches, check->records,
           check->blocks, check->journal_records, check->problems, check->notes, check->repaired,
           BYTES_ARG(buf_bytes(&check->found)));
    buf_deinit(&dir);
}

int program_check(int argc, char **argv)
{
    struct check check = {0};
    const struct inspector inspector = {
        .owner = &check,
        .problem = on_problem,
        .note = on_note,
        .journal = on_journal,
        .segment = on_segment,
        .batch = on_batch,
        .record = on_record,
        .block = on_block,
        .bad_block = on_bad_block,
        .bad_node = on_bad_node,
        .stray = on_stray,
    };
    const struct option options[] = {{"--repair", &check.repair}, {"--json", &check.json}};
    const char *dir = read_arguments(argc, argv, options, 2);
    char memory[4096];
    enum inspect_result result;

    if (dir == NULL)
        return CODE_UNKNOWN;
    buf_init(&check.found, FOUND_MAX);
    check.dir = program_find_store(dir, memory);
    gauge_begin(&check.gauge, check.dir);
    result = inspect(check.dir, &inspector);
    gauge_clear(&check.gauge);
    if (result == INSPECT_DONE && check.json)
        say_json(&check);
    else if (result == INSPECT_DONE)
        say_sum(&check);
    buf_deinit(&check.found);
    if (result != INSPECT_DONE)
        return say_unknown(result, check.dir);
    return check.problems > 0 ? CODE_DAMAGED : CODE_SOUND;
}

int program_dump(int argc, char **argv)
{
    bool json = false;
    const struct option options[] = {{"--json", &json}};
    const char *dir = read_arguments(argc, argv, options, 1);
    char memory[4096];
    unsigned problems = 0;
    enum inspect_result result;

    if (dir == NULL)
        return CODE_UNKNOWN;
    dir = program_find_store(dir, memory);
    result = dump(dir, json, &problems);
    if (result != INSPECT_DONE)
        return say_unknown(result, dir);
    return problems > 0 ? CODE_DAMAGED : CODE_SOUND;
}

int (*program_tool(int argc, char **argv))(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "check") == 0)
        return program_check;
    if (argc > 1 && strcmp(argv[1], "dump") == 0)
        return program_dump;
    if (argc > 1 && strcmp(argv[1], "backup") == 0)
        return program_backup;
    if (argc > 1 && strcmp(argv[1], "restore") == 0)
        return program_restore;
    return NULL;
}
