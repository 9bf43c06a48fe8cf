#include "server/program/tell.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define PROCESSES_MAX 256u

/* Who is to be told. */
struct processes {
    pid_t at[PROCESSES_MAX];
    size_t count;
};

static int signal_of(const char *command)
{
    static const struct {
        const char *command;
        int number;
    } table[] = {
        {"stop", SIGKILL},   {"quit", SIGINT},   {"term", SIGTERM},
        {"reopen", SIGUSR1}, {"reload", SIGHUP}, {"ldm", SIGUSR2},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (strcmp(table[i].command, command) == 0)
            return table[i].number;
    }
    return 0;
}

static bool read_pid(const char *text, pid_t *pid)
{
    char *end;
    long number;

    if (!isdigit((unsigned char)text[0]))
        return false;
    number = strtol(text, &end, 10);
    if (*end != 0 || number <= 0 || number > INT32_MAX)
        return false;
    *pid = (pid_t)number;
    return true;
}

static bool read_pid_file(const char *path, pid_t *pid)
{
    FILE *file = fopen(path, "re");
    char text[32] = "";
    size_t size;

    if (file == NULL)
        return false;
    size = fread(text, 1, sizeof(text) - 1, file);
    (void)fclose(file);
    while (size > 0 && isspace((unsigned char)text[size - 1]))
        text[--size] = 0;
    return read_pid(text, pid);
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

/* Was that process called by the name that we were called by, or nats-server? */
static bool is_server(pid_t pid, const char *program)
{
    char path[64], name[512] = "";
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%ld/cmdline", (long)pid);
    file = fopen(path, "re");
    if (file == NULL)
        return false;
    if (fread(name, 1, sizeof(name) - 1, file) == 0)
        name[0] = 0;
    (void)fclose(file);
    return strcmp(base_name(name), base_name(program)) == 0 ||
           strcmp(base_name(name), "nats-server") == 0;
}

/* Servers that run, but for ourselves. */
static void find_servers(const char *program, struct processes *found)
{
    DIR *directory = opendir("/proc");
    struct dirent *entry;
    pid_t pid;

    if (directory == NULL)
        return;
    while ((entry = readdir(directory)) != NULL && found->count < PROCESSES_MAX) {
        if (read_pid(entry->d_name, &pid) && pid != getpid() && is_server(pid, program))
            found->at[found->count++] = pid;
    }
    (void)closedir(directory);
}

/* "12*": those whose id begins with 12. */
static void keep_matching(struct processes *found, const char *pattern, size_t size)
{
    size_t kept = 0;
    char text[24];

    for (size_t i = 0; i < found->count; i++) {
        snprintf(text, sizeof(text), "%ld", (long)found->at[i]);
        if (strncmp(text, pattern, size) == 0)
            found->at[kept++] = found->at[i];
    }
    found->count = kept;
}

/* False: it was said why nobody is to be told. */
static bool choose(const char *who, const char *program, struct processes *chosen)
{
    size_t size = strlen(who);

    if (size > 0 && who[size - 1] == '*' && strspn(who, "0123456789") == size - 1) {
        find_servers(program, chosen);
        keep_matching(chosen, who, size - 1);
    } else if (size > 0) {
        chosen->count = read_pid(who, &chosen->at[0]) || read_pid_file(who, &chosen->at[0]);
        if (chosen->count == 0)
            fprintf(stderr, "nats-server: invalid pid: %s\n", who);
        return chosen->count > 0;
    } else {
        find_servers(program, chosen);
        if (chosen->count > 1) {
            fprintf(stderr, "nats-server: multiple nats-server processes running:\n");
            for (size_t i = 0; i < chosen->count; i++)
                fprintf(stderr, "%ld\n", (long)chosen->at[i]);
            return false;
        }
    }
    if (chosen->count == 0)
        fprintf(stderr, "nats-server: no nats-server processes running\n");
    return chosen->count > 0;
}

int program_tell(const char *text, const char *program)
{
    const char *equals = strchr(text, '=');
    struct processes chosen = {.count = 0};
    char command[16];
    int number, failed = 0;

    snprintf(command, sizeof(command), "%.*s",
             equals != NULL ? (int)(equals - text) : (int)strlen(text), text);
    number = signal_of(command);
    if (!choose(equals != NULL ? equals + 1 : "", program, &chosen))
        return EXIT_FAILURE;
    if (number == 0) {
        fprintf(stderr, "nats-server: unknown signal \"%s\"\n", command);
        return EXIT_FAILURE;
    }
    for (size_t i = 0; i < chosen.count; i++) {
        if (kill(chosen.at[i], number) == 0)
            continue;
        failed++;
        fprintf(stderr, "nats-server: \nsignal \"%s\" %ld: %s\n", command, (long)chosen.at[i],
                errno == ESRCH ? "no such process" : strerror(errno));
    }
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
