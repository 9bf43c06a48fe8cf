/*
 * main: the only place that reads the command line, the environment, signals and what the system
 * knows about this process, and that writes the files about it.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/io_uring.h"
#include "base/json.h"
#include "server/flags.h"
#include "server/server.h"

#define TURN_WAIT_NS INT64_C(60000000000)
#define STOP_WAIT_NS INT64_C(5000000000)
#define PATH_SIZE    2200u
#define SIGNALS      32

/* What a signal may touch; set up before signals are let in. */
static volatile sig_atomic_t trapped[SIGNALS];
static struct io *signal_io;

/* ---- signals ----------------------------------------------------------------------------------
 */

static void on_signal(int number)
{
    int before = errno;

    trapped[number] = 1;
    io_wake(signal_io);
    errno = before;
}

static void let_signals_in(struct io *io)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2};
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

    signal_io = io;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        (void)sigaction(numbers[i], &action, NULL); /* cannot fail for these numbers */
}

static void keep_signals_out(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2};

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        (void)signal(numbers[i], SIG_IGN);
}

/* Has it come since the last time we asked? */
static bool signal_taken(int number, const char *name, struct logger *logger)
{
    if (!trapped[number])
        return false;
    trapped[number] = 0;
    logger_info(logger, "Trapped \"%s\" signal", name);
    return true;
}

/* ---- files about the process ------------------------------------------------------------------
 */

/* False: errno says why. */
static bool write_file(const char *path, struct bytes text)
{
    int descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    ssize_t written;

    if (descriptor < 0)
        return false;
    written = write(descriptor, text.at, text.size);
    if (written >= 0 && (size_t)written < text.size)
        errno = ENOSPC;
    (void)close(descriptor); /* nothing rests on these files surviving a crash */
    return written == (ssize_t)text.size;
}

static bool open_log(struct logger *logger, const char *path)
{
    int descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    int before = logger->descriptor;

    if (descriptor < 0)
        return false;
    logger->descriptor = descriptor;
    logger->colour = false;
    if (before > STDERR_FILENO)
        (void)close(before);
    return true;
}

static void reopen_log(struct logger *logger, const char *path)
{
    if (path[0] == 0)
        logger_info(logger, "File log re-open ignored, not a file logger");
    else if (open_log(logger, path))
        logger_info(logger, "File log re-opened");
    else
        logger_error(logger, "error opening file: open %s: %s", path, strerror(errno));
}

/* Decimal and nothing else: readers take the whole file for a number. */
static bool write_pid(const struct options *options, struct logger *logger)
{
    char text[24];

    if (options->pid_file[0] == 0)
        return true;
    snprintf(text, sizeof(text), "%ld", (long)getpid());
    if (write_file(options->pid_file, bytes_of_text(text)))
        return true;
    logger_fatal(logger, "Could not write pidfile: open %s: %s", options->pid_file,
                 strerror(errno));
    return false;
}

static void ports_path(const struct options *options, const char *program, char path[PATH_SIZE])
{
    const char *slash = strrchr(program, '/');

    snprintf(path, PATH_SIZE, "%s/%.255s_%ld.ports", options->ports_file_dir,
             slash != NULL ? slash + 1 : program, (long)getpid());
}

/* {"nats":["nats://127.0.0.1:4222"],...}: addresses that a client on this machine can use. */
static void ports_entry(struct json_writer *writer, struct bytes key, const char *scheme,
                        const char *host, uint16_t port)
{
    bool brackets = strchr(host, ':') != NULL;
    char url[160];

    if (strcmp(host, "0.0.0.0") == 0)
        host = "127.0.0.1";
    if (strcmp(host, "::") == 0)
        host = "::1";
    snprintf(url, sizeof(url), "%s://%s%s%s:%u", scheme, brackets ? "[" : "", host,
             brackets ? "]" : "", port);
    json_key(writer, key);
    json_array_begin(writer);
    json_string(writer, bytes_of_text(url));
    json_array_end(writer);
}

static void write_ports(const struct options *options, const char *program,
                        const struct server *server, struct logger *logger)
{
    struct json_writer writer;
    char path[PATH_SIZE];
    struct buf text;

    if (options->ports_file_dir[0] == 0)
        return;
    buf_init(&text, 4096);
    json_writer_init(&writer, &text);
    json_object_begin(&writer);
    ports_entry(&writer, BYTES("nats"), "nats", options->host, server_port(server));
    if (server_http_port(server) != 0)
        ports_entry(&writer, BYTES("monitoring"), "http", options->host, server_http_port(server));
    if (server_cluster_port(server) != 0)
        ports_entry(&writer, BYTES("cluster"), "nats",
                    options->cluster.host != NULL ? options->cluster.host : options->host,
                    server_cluster_port(server));
    json_object_end(&writer);
    ports_path(options, program, path);
    if (!write_file(path, buf_bytes(&text)))
        logger_error(logger, "Error writing ports file (%s): open %s: %s", path, path,
                     strerror(errno));
    buf_deinit(&text);
}

static void remove_ports(const struct options *options, const char *program, struct logger *logger)
{
    char path[PATH_SIZE];

    if (options->ports_file_dir[0] == 0)
        return;
    ports_path(options, program, path);
    if (unlink(path) != 0)
        logger_error(logger, "Error cleaning up ports file %s: remove %s: %s", path, path,
                     strerror(errno));
}

/* ---- the process itself -----------------------------------------------------------------------
 */

static void raise_file_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit); /* fewer connections is a limit, not a failure */
}

static int64_t timeval_ns(struct timeval t)
{
    return (int64_t)t.tv_sec * 1000000000 + (int64_t)t.tv_usec * 1000;
}

static void read_process(struct server_process *process)
{
    long total = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    struct rusage usage;

    if (file != NULL) {
        if (fscanf(file, "%ld %ld", &total, &resident) != 2)
            resident = 0;
        (void)fclose(file);
    }
    process->memory = (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
    process->cores = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
    process->cpu_ns = 0;
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        process->cpu_ns = timeval_ns(usage.ru_utime) + timeval_ns(usage.ru_stime);
}

/* ---- serving ----------------------------------------------------------------------------------
 */

/* The reference drains its clients for two minutes first; that needs INFO lines we do not send yet.
 */
static void lame_duck(struct server *server, struct logger *logger)
{
    logger_warn(logger, "Lame duck mode comes with a later release: shutting down now");
    server_stop(server, STOP_WAIT_NS);
}

static void heed_signals(struct server *server, const struct options *options,
                         struct logger *logger)
{
    bool stop = signal_taken(SIGINT, "interrupt", logger);

    stop = signal_taken(SIGTERM, "terminated", logger) || stop;
    if (stop)
        server_stop(server, STOP_WAIT_NS);
    if (signal_taken(SIGUSR2, "user defined signal 2", logger))
        lame_duck(server, logger);
    if (signal_taken(SIGUSR1, "user defined signal 1", logger))
        reopen_log(logger, options->log_file);
    if (signal_taken(SIGHUP, "hangup", logger))
        logger_error(logger, "Failed to reload server configuration: can only reload config when a "
                             "file is provided using -c or --config");
}

static int run(struct io *io, struct server *server, const struct options *options,
               struct logger *logger)
{
    while (!server_stopped(server)) {
        heed_signals(server, options, logger);
        if (io_turn(io, TURN_WAIT_NS) != OK) {
            logger_fatal(logger, "The event loop failed");
            return EXIT_FAILURE;
        }
    }
    return EXIT_SUCCESS;
}

/* The io and what follows from it: where JetStream's data is, the only files that it will touch. */
static bool open_io(const struct options *options, struct logger *logger, struct io **io)
{
    char reason[IO_URING_REASON_SIZE] = "";
    const struct io_uring_options io_options = {.reason = reason};
    enum err err = io_uring_create(options->jetstream ? options->store_dir : NULL, &io_options, io);

    if (err == OK)
        return true;
    if (options->jetstream && err != ERR_UNSUPPORTED && err != ERR_NO_MEMORY)
        logger_fatal(logger, "Can't start JetStream: could not create storage directory - %s: %s",
                     options->store_dir, reason[0] != 0 ? reason : err_text(err));
    else
        logger_fatal(logger, "Can't start: %s", reason[0] != 0 ? reason : err_text(err));
    return false;
}

static int serve_on(struct io *io, const struct options *options, const char *program,
                    struct logger *logger)
{
    struct server *server;
    int result;

    let_signals_in(io); /* before it says that it is ready; what comes meanwhile is heeded by run */
    if (server_start(io, options, logger, &server) != OK) {
        keep_signals_out();
        return EXIT_FAILURE; /* it has said why */
    }
    server_set_process(server, read_process);
    write_ports(options, program, server, logger);
    result = run(io, server, options, logger);
    keep_signals_out();
    remove_ports(options, program, logger);
    server_destroy(server);
    return result;
}

static int serve(const struct options *options, const char *program)
{
    struct logger logger;
    struct io *io;
    int result;

    logger_init(&logger);
    if (options->debug)
        logger.level = LOGGER_DEBUG;
    if (options->trace)
        logger.level = LOGGER_TRACE;
    if (options->log_file[0] != 0 && !open_log(&logger, options->log_file)) {
        fprintf(stderr, "error opening file: open %s: %s\n", options->log_file, strerror(errno));
        return EXIT_FAILURE;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    raise_file_limit();
    if (!write_pid(options, &logger) || !open_io(options, &logger, &io))
        return EXIT_FAILURE;
    result = serve_on(io, options, program, &logger);
    io_destroy(io);
    return result;
}

/* ---- the command line -------------------------------------------------------------------------
 */

/* A file that is not there is the first thing wrong with it. */
static void explain_config(struct flags *flags)
{
    if (flags->verdict == FLAGS_REFUSED && flags->config_file != NULL &&
        access(flags->config_file, R_OK) != 0)
        snprintf(flags->error, sizeof(flags->error), "open %.180s: %s", flags->config_file,
                 strerror(errno));
}

/* Without -sd the store is in the system's place for temporary files, as the reference has it. */
static void place_store(struct options *options)
{
    const char *temporary = getenv("TMPDIR");
    struct options usual;
    int size;

    options_default(&usual);
    if (temporary == NULL || temporary[0] == 0 || strcmp(options->store_dir, usual.store_dir) != 0)
        return;
    size = snprintf(options->store_dir, sizeof(options->store_dir), "%s/nats/jetstream", temporary);
    if (size < 0 || (size_t)size >= sizeof(options->store_dir))
        memcpy(options->store_dir, usual.store_dir, sizeof(options->store_dir));
}

int main(int argc, char **argv)
{
    static struct flags flags;

    flags_parse(argc, argv, &flags);
    explain_config(&flags);
    switch (flags.verdict) {
    case FLAGS_SERVE: place_store(&flags.options); return serve(&flags.options, argv[0]);
    case FLAGS_VERSION: printf("nats-server: v%s\n", NATS_VERSION); return EXIT_SUCCESS;
    case FLAGS_HELP: fputs(flags_usage, stdout); return EXIT_SUCCESS;
    case FLAGS_BAD:
        fprintf(stderr, "%s\n", flags.error);
        fputs(flags_usage, stdout);
        return EXIT_SUCCESS;
    case FLAGS_REFUSED: fprintf(stderr, "nats-server: %s\n", flags.error); break;
    }
    return EXIT_FAILURE;
}
