/* main: the only place that reads the command line, signals and the process's own surroundings. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/io_uring.h"
#include "server/flags.h"
#include "server/server.h"

#define TURN_WAIT_NS  INT64_C(60000000000)
#define STOP_WAIT_NS  INT64_C(5000000000)

/* What a signal may touch. */
static volatile sig_atomic_t stop_asked, reopen_asked;
static struct io *signal_io; /* set before signals are let in; io_wake may be called from a handler */

static void on_stop(int number)
{
    (void)number;
    stop_asked = 1;
    if (signal_io != NULL)
        io_wake(signal_io);
}

static void on_reopen(int number)
{
    (void)number;
    reopen_asked = 1;
    if (signal_io != NULL)
        io_wake(signal_io);
}

static void handle(int number, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};

    (void)sigaction(number, &action, NULL); /* cannot fail for these numbers */
}

static void raise_file_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit); /* fewer files is a limit, not a failure */
}

static bool open_log(struct logger *logger, const char *path)
{
    int descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    int before = logger->descriptor;

    if (descriptor < 0) {
        fprintf(stderr, "nats-server: can't open log file %s: %s\n", path, strerror(errno));
        return false;
    }
    logger->descriptor = descriptor;
    logger->colour = false;
    if (before > STDERR_FILENO)
        (void)close(before);
    return true;
}

static bool write_file(const char *path, const char *text, struct logger *logger)
{
    int descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    ssize_t written = descriptor >= 0 ? write(descriptor, text, strlen(text)) : -1;

    if (descriptor >= 0)
        (void)close(descriptor);
    if (written == (ssize_t)strlen(text))
        return true;
    logger_error(logger, "Could not write %s: %s", path, strerror(errno));
    return false;
}

static bool write_pid(const struct options *options, struct logger *logger)
{
    char text[24];

    if (options->pid_file[0] == 0)
        return true;
    snprintf(text, sizeof text, "%ld", (long)getpid());
    return write_file(options->pid_file, text, logger);
}

static const char *ports_path(const struct options *options, const char *program, char *path, size_t size)
{
    char copy[1024];

    snprintf(copy, sizeof copy, "%s", program);
    snprintf(path, size, "%s/%s_%ld.ports", options->ports_file_dir, basename(copy), (long)getpid());
    return path;
}

static bool write_ports(const struct options *options, const char *program, const struct server *server,
                        struct logger *logger)
{
    char path[2100], text[512];
    const char *host = strcmp(options->host, "0.0.0.0") == 0 ? "127.0.0.1" : options->host;
    int size;

    if (options->ports_file_dir[0] == 0)
        return true;
    size = snprintf(text, sizeof text, "{\n  \"nats\": [\n    \"nats://%s:%u\"\n  ]", host, server_port(server));
    if (server_http_port(server) != 0)
        size += snprintf(text + size, sizeof text - (size_t)size,
                         ",\n  \"monitoring\": [\n    \"http://%s:%u\"\n  ]", host, server_http_port(server));
    snprintf(text + size, sizeof text - (size_t)size, "\n}");
    return write_file(ports_path(options, program, path, sizeof path), text, logger);
}

static void remove_files(const struct options *options, const char *program)
{
    char path[2100];

    if (options->pid_file[0] != 0)
        (void)unlink(options->pid_file);
    if (options->ports_file_dir[0] != 0)
        (void)unlink(ports_path(options, program, path, sizeof path));
}

static void run(struct io *io, struct server *server, const struct options *options, struct logger *logger)
{
    bool stopping = false;

    while (!server_stopped(server)) {
        if (stop_asked && !stopping) {
            stopping = true;
            server_stop(server, STOP_WAIT_NS);
        }
        if (reopen_asked && options->log_file[0] != 0) {
            reopen_asked = 0;
            (void)open_log(logger, options->log_file);
            logger_info(logger, "File log re-opened");
        }
        if (io_turn(io, TURN_WAIT_NS) != OK) {
            logger_fatal(logger, "The event loop failed");
            return;
        }
    }
}

static int serve(const struct flags *flags, const char *program)
{
    const struct options *options = &flags->options;
    struct logger logger;
    struct server *server;
    struct io *io;
    char reason[IO_URING_REASON_SIZE] = "";
    struct io_uring_options io_options = {.reason = reason};

    logger_init(&logger);
    logger.level = options->trace ? LOGGER_TRACE : options->debug ? LOGGER_DEBUG : LOGGER_INFO;
    if (options->log_file[0] != 0 && !open_log(&logger, options->log_file))
        return EXIT_FAILURE;
    raise_file_limit();
    handle(SIGPIPE, SIG_IGN);
    if (io_uring_create(options->jetstream ? options->store_dir : NULL, &io_options, &io) != OK) {
        logger_fatal(&logger, "Can't start: %s", reason[0] != 0 ? reason : "io_uring is not usable here");
        return EXIT_FAILURE;
    }
    signal_io = io;
    handle(SIGINT, on_stop);
    handle(SIGTERM, on_stop);
    handle(SIGUSR1, on_reopen);
    if (server_start(io, options, &logger, &server) != OK) {
        io_destroy(io);
        return EXIT_FAILURE;
    }
    if (!write_pid(options, &logger) || !write_ports(options, program, server, &logger))
        stop_asked = 1;
    run(io, server, options, &logger);
    server_destroy(server);
    signal_io = NULL;
    io_destroy(io);
    remove_files(options, program);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    static struct flags flags;

    flags_parse(argc, argv, &flags);
    switch (flags.verdict) {
    case FLAGS_SERVE: return serve(&flags, argv[0]);
    case FLAGS_VERSION: printf("nats-server: v%s\n", NATS_VERSION); return EXIT_SUCCESS;
    case FLAGS_HELP: fputs(flags_usage, stdout); return EXIT_SUCCESS;
    case FLAGS_REFUSED: fprintf(stderr, "nats-server: %s\n", flags.error); return EXIT_FAILURE;
    case FLAGS_BAD: fprintf(stderr, "%s\n%s", flags.error, flags_usage); break;
    }
    return EXIT_FAILURE;
}
