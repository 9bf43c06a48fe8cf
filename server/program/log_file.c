#include "server/program/log_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/heap.h"

#define PATH_SIZE 1200u

static void write_line(void *context, struct bytes line)
{
    struct log_file *log = context;
    ssize_t written;

    do
        written = write(log->logger.descriptor, line.at, line.size);
    while (written < 0 && errno == EINTR);
    if (written > 0)
        log->size += written;
}

/* The descriptor of before is replaced where it stands: a thread that logs meanwhile writes to
 * either file, never to none. */
static bool open_file(struct log_file *log, const char *path)
{
    int descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    struct stat stat;

    if (descriptor < 0)
        return false;
    log->size = fstat(descriptor, &stat) == 0 ? stat.st_size : 0;
    if (log->logger.descriptor > STDERR_FILENO) {
        (void)dup3(descriptor, log->logger.descriptor, O_CLOEXEC);
        (void)close(descriptor);
    } else {
        log->logger.descriptor = descriptor;
    }
    log->logger.colour = false;
    if (path != log->path)
        snprintf(log->path, sizeof(log->path), "%s", path);
    return true;
}

static void to_standard_error(struct log_file *log)
{
    int before = log->logger.descriptor;

    log->logger.descriptor = STDERR_FILENO;
    log->logger.colour = isatty(STDERR_FILENO);
    log->path[0] = 0;
    if (before > STDERR_FILENO)
        (void)close(before);
}

bool log_file_change(struct log_file *log, const struct options *options)
{
    log->logger.level = options->trace ? LOGGER_TRACE : options->debug ? LOGGER_DEBUG : LOGGER_INFO;
    log->logger.time = options->log_time;
    log->logger.utc = options->log_time_utc;
    log->size_max = options->log_size_max;
    log->files_max = options->log_files_max;
    if (strcmp(options->log_file, log->path) == 0)
        return true;
    if (options->log_file[0] != 0)
        return open_file(log, options->log_file);
    to_standard_error(log);
    return true;
}

bool log_file_open(struct log_file *log, const struct options *options)
{
    *log = (struct log_file){0};
    logger_init(&log->logger);
    log->logger.line = write_line;
    log->logger.context = log;
    return log_file_change(log, options);
}

void log_file_reopen(struct log_file *log)
{
    if (log->path[0] == 0)
        logger_info(&log->logger, "File log re-open ignored, not a file logger");
    else if (open_file(log, log->path))
        logger_info(&log->logger, "File log re-opened");
    else
        logger_error(&log->logger, "error opening file: open %s: %s", log->path, strerror(errno));
}

/* ---- putting aside -------------------------------------------------------------------------- */

/* "FILE.2006.01.02.15.04.05.000000000" */
static bool aside_path(const char *path, char aside[PATH_SIZE])
{
    struct timespec now;
    struct tm tm;
    char stamp[40];

    clock_gettime(CLOCK_REALTIME, &now);
    localtime_r(&now.tv_sec, &tm);
    strftime(stamp, sizeof(stamp), "%Y.%m.%d.%H.%M.%S", &tm);
    return snprintf(aside, PATH_SIZE, "%s.%s.%09ld", path, stamp, now.tv_nsec) < (int)PATH_SIZE;
}

/* Is this the name of `file` with a time behind it? */
static bool is_aside(const char *name, const char *file)
{
    size_t size = strlen(file);

    if (strncmp(name, file, size) != 0 || name[size] != '.')
        return false;
    name += size;
    return strlen(name) == strlen(".2006.01.02.15.04.05.000000000") &&
           strspn(name, "0123456789.") == strlen(name);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void remove_oldest(const char *folder, char **names, size_t count, size_t keep)
{
    char path[PATH_SIZE + 300];

    qsort(names, count, sizeof(char *), compare_names);
    for (size_t i = 0; i + keep < count; i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        (void)unlink(path); /* what cannot be removed is tried again next time */
    }
    for (size_t i = 0; i < count; i++)
        heap_give(names[i]);
}

/* Keeps as many files as the option says, the one that is written to included. */
static void prune(const struct log_file *log)
{
    char folder[PATH_SIZE];
    const char *slash = strrchr(log->path, '/');
    const char *file = slash != NULL ? slash + 1 : log->path;
    size_t count = 0, capacity = 0;
    struct dirent *entry;
    char **names = NULL;
    DIR *directory;

    if (log->files_max <= 0)
        return;
    snprintf(folder, sizeof(folder), "%.*s", slash != NULL ? (int)(slash - log->path + 1) : 1,
             slash != NULL ? log->path : ".");
    directory = opendir(folder);
    if (directory == NULL)
        return;
    while ((entry = readdir(directory)) != NULL) {
        if (!is_aside(entry->d_name, file))
            continue;
        if (count == capacity) {
            capacity = 2 * capacity + 16;
            names = heap_resize(names, capacity * sizeof(char *));
        }
        names[count++] = heap_text(bytes_of_text(entry->d_name));
    }
    (void)closedir(directory);
    remove_oldest(folder, names, count, (size_t)log->files_max - 1);
    heap_give(names);
}

void log_file_rotate(struct log_file *log)
{
    char aside[PATH_SIZE];

    if (log->path[0] == 0 || log->size_max <= 0 || log->size <= log->size_max)
        return;
    if (!aside_path(log->path, aside) || rename(log->path, aside) != 0 ||
        !open_file(log, log->path)) {
        log->size = 0; /* not again for every line */
        logger_error(&log->logger, "Unable to rotate logfile \"%s\": %s", log->path,
                     strerror(errno));
        return;
    }
    logger_info(&log->logger, "Rotated log, backup saved as \"%s\"", aside);
    prune(log);
}
