/* doctor, of what lies on this machine: a directory of data and the disk below it, a configuration
 * and what it means here. */
#include <errno.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "cli/doctor.h"
#include "cli/human.h"
#include "server/program/check.h"
#include "server/program/configured.h"
#include "server/program/file_system.h"
#include "server/program/foreign_data.h"
#include "server/program/gauge.h"
#include "server/program/inspect.h"

#define SHOWN_MOST      20u /* of one kind; the rest is counted */
#define SPACE_SCARCE    (UINT64_C(64) * 1024 * 1024)
#define SPACE_LOW_PART  10u /* percent */
#define INODES_LOW_PART 2u

/* ---- the disk -------------------------------------------------------------------------------- */

/* The path, or what of it is there already. */
static const char *nearest(struct cli *cli, const char *path)
{
    char *at = (char *)(uintptr_t)cli_print(cli, "%s", path);

    while (access(at, F_OK) != 0) {
        char *slash = strrchr(at, '/');

        if (slash == NULL)
            return ".";
        slash[slash == at] = 0;
    }
    return at;
}

static void check_kind(struct checkup *c, const char *path)
{
    const struct file_system *kind;
    struct statfs found;

    if (statfs(path, &found) != 0)
        return;
    kind = file_system_unsuitable(found.f_type);
    if (kind != NULL)
        checkup_find(c, FINDING_WARNING,
                     cli_print(c->cli, "%s lies on %s, which %s", path, kind->name, kind->warning),
                     "a local disk, with ext4 or XFS");
}

static void check_space(struct checkup *c, const char *path)
{
    struct cli *cli = c->cli;
    struct statvfs found;
    uint64_t room, whole;
    enum finding finding;

    if (statvfs(path, &found) != 0)
        return;
    room = (uint64_t)found.f_bavail * found.f_frsize;
    whole = (uint64_t)found.f_blocks * found.f_frsize;
    finding = room < SPACE_SCARCE                   ? FINDING_PROBLEM
              : room / SPACE_LOW_PART < whole / 100 ? FINDING_WARNING
                                                    : FINDING_WELL;
    checkup_find(c, finding,
                 cli_print(cli, "%s of %s are free below %s", human_size(cli, room),
                           human_size(cli, whole), path),
                 finding == FINDING_WELL
                     ? NULL
                     : "room: a server whose disk is full takes no more messages");
    if (found.f_files > 0 && found.f_favail / INODES_LOW_PART < found.f_files / 100)
        checkup_find(c, FINDING_WARNING,
                     cli_print(cli, "few files more can be made below %s", path),
                     "a file system with more inodes");
}

/* What nats-server has left there is not read. */
static void check_foreign(struct checkup *c, const char *path)
{
    char root[PATH_MAX];
    size_t count = program_foreign_streams(path, root);

    if (count > 0)
        checkup_find(c, FINDING_WARNING,
                     cli_print(c->cli, "%s holds %zu stream%s of nats-server, and none is read",
                               root, count, count == 1 ? "" : "s"),
                     "docs/migration.md brings them over; then the directory can go");
}

/* May this user write there? */
static void check_access(struct checkup *c, const char *path)
{
    if (access(path, R_OK | W_OK | X_OK) != 0)
        checkup_find(
            c, FINDING_WARNING,
            cli_print(c->cli, "this user may not read and write %s: %s", path, strerror(errno)),
            "chown, or the user that runs the server");
}

/* May any other? A server makes its directory for itself alone; one of before may be open. */
static void check_privacy(struct checkup *c, const char *path)
{
    char memory[4096];
    const char *store = program_find_store(path, memory);
    struct stat folder, found;

    if (stat(path, &folder) != 0 || stat(store, &found) != 0)
        return;
    if ((folder.st_mode & S_IXOTH) != 0 && (found.st_mode & (S_IROTH | S_IXOTH)) != 0)
        checkup_find(c, FINDING_WARNING,
                     cli_print(c->cli, "other users of this machine may read %s", store),
                     "chmod 700: messages stand there as they were published");
}

/* ---- a directory ----------------------------------------------------------------------------- */

struct looking {
    struct checkup *checkup;
    struct gauge gauge;
    unsigned problems, notes;
    unsigned long long batches, records;
};

static void on_problem(void *owner, const char *path, const char *text)
{
    struct looking *l = owner;

    gauge_clear(&l->gauge);
    if (l->problems++ < SHOWN_MOST)
        checkup_find(
            l->checkup, FINDING_PROBLEM,
            cli_print(l->checkup->cli, "%s is damaged: %s", path, text),
            "start it where replicas have the rest; else a backup. millrace check says all");
}

static void on_note(void *owner, const char *path, const char *text)
{
    struct looking *l = owner;

    gauge_clear(&l->gauge);
    if (l->notes++ < SHOWN_MOST)
        checkup_find(l->checkup, FINDING_WELL,
                     cli_print(l->checkup->cli, "%s: %s (harmless)", path, text), NULL);
}

static void on_batch(void *owner, const char *path, uint64_t position, uint64_t log_id,
                     const struct segment_batch *batch)
{
    struct looking *l = owner;

    (void)log_id, (void)batch;
    l->batches++;
    gauge_at(&l->gauge, path, position);
}

static void on_record(void *owner, uint64_t log_id, const struct record *record)
{
    (void)log_id, (void)record;
    ((struct looking *)owner)->records++;
}

static void say_rest(struct looking *l)
{
    struct cli *cli = l->checkup->cli;

    if (l->problems > SHOWN_MOST)
        checkup_find(l->checkup, FINDING_PROBLEM,
                     cli_print(cli, "and %u more places are damaged", l->problems - SHOWN_MOST),
                     "millrace check DIRECTORY");
    if (l->problems == 0)
        checkup_find(l->checkup, FINDING_WELL,
                     cli_print(cli, "%s batches with %s records are sound",
                               human_count(cli, l->batches), human_count(cli, l->records)),
                     NULL);
}

/* `begun`: a server has been there, or should have been. */
static void check_content(struct checkup *c, const char *path, bool begun)
{
    struct looking l = {.checkup = c};
    const struct inspector inspector = {.owner = &l,
                                        .problem = on_problem,
                                        .note = on_note,
                                        .batch = on_batch,
                                        .record = on_record};
    char memory[4096];
    enum inspect_result result;

    path = program_find_store(path, memory);
    gauge_begin(&l.gauge, path);
    result = inspect(path, &inspector);
    gauge_clear(&l.gauge);
    switch (result) {
    case INSPECT_DONE: say_rest(&l); break;
    case INSPECT_LOCKED:
        checkup_find(
            c, FINDING_WARNING,
            cli_print(c->cli, "a running server has %s: its content was not looked at", path),
            "millrace doctor server; or stop it first");
        break;
    case INSPECT_NEWER:
        checkup_find(c, FINDING_PROBLEM,
                     cli_print(c->cli, "%s is of a later format than this version knows", path),
                     "the version that has written it");
        break;
    case INSPECT_NO_STORE:
        checkup_find(c, begun ? FINDING_PROBLEM : FINDING_WELL,
                     cli_print(c->cli, "%s holds no data of a server%s", path, begun ? "" : " yet"),
                     begun ? "the directory of -sd, or store_dir of the configuration" : NULL);
        break;
    }
}

int doctor_directory(struct checkup *c, const char *path)
{
    check_kind(c, path);
    check_space(c, path);
    check_access(c, path);
    check_privacy(c, path);
    check_foreign(c, path);
    check_content(c, path, true);
    return EXIT_DONE;
}

/* ---- a configuration ------------------------------------------------------------------------- */

/* Line by line. */
static void find_lines(struct checkup *c, enum finding finding, const struct buf *lines,
                       const char *next)
{
    struct bytes rest = buf_bytes(lines);

    while (rest.size > 0) {
        size_t size = bytes_find(rest, '\n');
        struct bytes line = bytes_trim(bytes_take(rest, size));

        if (line.size > 0)
            checkup_find(c, finding, cli_text(c->cli, line), next);
        rest = bytes_skip(rest, size < rest.size ? size + 1 : size);
    }
}

static void check_store(struct checkup *c, const struct options *options)
{
    struct cli *cli = c->cli;
    struct stat found;
    const char *at;

    if (!options->jetstream)
        return;
    if (options->store_dir_place == NULL)
        checkup_find(c, FINDING_WARNING,
                     cli_print(cli,
                               "store_dir is not set: data goes to %s, where a reboot may "
                               "remove it",
                               options->store_dir),
                     "jetstream { store_dir: /var/lib/millrace }");
    at = nearest(cli, options->store_dir);
    if (stat(at, &found) == 0 && !S_ISDIR(found.st_mode)) {
        checkup_find(c, FINDING_PROBLEM,
                     cli_print(cli, "store_dir %s cannot be made: %s is no directory",
                               options->store_dir, at),
                     "another store_dir");
        return;
    }
    check_kind(c, at);
    check_space(c, at);
    check_access(c, at);
    check_foreign(c, options->store_dir);
    if (strcmp(at, options->store_dir) == 0) {
        check_privacy(c, at);
        check_content(c, at, false);
    } else
        checkup_find(c, FINDING_WELL,
                     cli_print(cli, "%s will be made by the first start", options->store_dir),
                     NULL);
}

static bool is_local(const char *host)
{
    return strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0 ||
           strcmp(host, "localhost") == 0;
}

/* "port 4222"; -1 is the system's choice, at the start. */
static const char *port_of(struct cli *cli, const struct options *options)
{
    return options->port > 0 ? cli_print(cli, "port %d", options->port) : "whichever port it gets";
}

static void check_door(struct checkup *c, const struct options *options)
{
    const struct auth_options *auth = &options->auth;
    bool open = auth->operators == NULL && auth->user.size == 0 && auth->token.size == 0 &&
                auth->users_count == 0;
    bool verified = options->tls != NULL && options->tls->verify;

    if (is_local(options->host))
        return;
    if (open && !verified)
        checkup_find(c, FINDING_WARNING,
                     cli_print(c->cli, "whoever reaches %s may do everything: there are no users",
                               port_of(c->cli, options)),
                     "authorization { users: [...] }, or listen: 127.0.0.1:4222");
    else if (!open && options->tls == NULL)
        checkup_find(c, FINDING_WARNING,
                     cli_print(c->cli, "passwords travel in the clear to %s: there is no tls block",
                               port_of(c->cli, options)),
                     "tls { cert_file: ..., key_file: ... }");
}

int doctor_config(struct checkup *c, const char *path)
{
    char *argv[] = {(char *)(uintptr_t) "millrace", NULL};
    struct configured *configured = configured_read(1, argv, path);
    const struct config *config = &configured->config;

    if (config->error[0] != 0)
        checkup_find(c, FINDING_PROBLEM, cli_print(c->cli, "%s", config->error),
                     "the line that is named; docs/config.md");
    find_lines(c, FINDING_PROBLEM, &config->reader.errors, "docs/config.md says what can be there");
    find_lines(c, FINDING_WARNING, &config->reader.warnings, NULL);
    find_lines(c, FINDING_WARNING, &config->reader.notices,
               "it can go: nothing comes of it here (docs/config.md)");
    if (configured->good) {
        checkup_find(c, FINDING_WELL, cli_print(c->cli, "%s can be started with", path), NULL);
        check_store(c, &config->options);
        check_door(c, &config->options);
    }
    configured_free(configured);
    return EXIT_DONE;
}
