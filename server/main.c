/*
 * main: the only place that reads the command line and takes signals; server/program/ is what it
 * uses of the system besides.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/io_uring.h"
#include "server/config/config.h"
#include "server/flags.h"
#include "server/program/files.h"
#include "server/program/log_file.h"
#include "server/program/tell.h"
#include "server/server.h"
#include "server/tls/tls.h"

#define TURN_WAIT_NS INT64_C(60000000000)
#define STOP_WAIT_NS INT64_C(5000000000)
#define SIGNALS      32

/* What this process was started with, and what of it is in force. */
struct program {
    int argc;
    char *const *argv;
    const char *config_file; /* NULL: none */
    struct config *config;
    char digest[CONFIG_DIGEST_SIZE];
    struct log_file log;
    struct server *server;
};

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

static void heed_signals(struct program *program)
{
    struct logger *logger = &program->log.logger;
    bool stop = signal_taken(SIGINT, "interrupt", logger);

    stop = signal_taken(SIGTERM, "terminated", logger) || stop;
    if (stop)
        server_stop(program->server, STOP_WAIT_NS);
    if (signal_taken(SIGUSR2, "user defined signal 2", logger))
        lame_duck(program->server, logger);
    if (signal_taken(SIGUSR1, "user defined signal 1", logger))
        log_file_reopen(&program->log);
    if (signal_taken(SIGHUP, "hangup", logger))
        logger_error(logger, "Failed to reload server configuration: can only reload config when a "
                             "file is provided using -c or --config");
}

static int run(struct program *program, struct io *io)
{
    while (!server_stopped(program->server)) {
        heed_signals(program);
        if (io_turn(io, TURN_WAIT_NS) != OK) {
            logger_fatal(&program->log.logger, "The event loop failed");
            return EXIT_FAILURE;
        }
        log_file_rotate(&program->log);
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

static int serve_on(struct program *program, struct io *io)
{
    const struct options *options = &program->config->options;
    struct logger *logger = &program->log.logger;
    int result;

    let_signals_in(io); /* before it says that it is ready; what comes meanwhile is heeded by run */
    if (server_start(io, options, logger, &program->server) != OK) {
        keep_signals_out();
        return EXIT_FAILURE; /* it has said why */
    }
    server_set_process(program->server, read_process);
    program_write_ports(options, program->argv[0], program->server, logger);
    result = run(program, io);
    keep_signals_out();
    program_remove_ports(options, program->argv[0], logger);
    server_destroy(program->server);
    return result;
}

/* What was accepted in the file and does nothing. */
static void log_notices(const struct config *config, const struct logger *logger)
{
    struct bytes rest = buf_bytes(&config->reader.notices);

    while (rest.size > 0) {
        size_t size = bytes_find(rest, '\n');

        logger_warn(logger, "%.*s", BYTES_ARG(bytes_take(rest, size)));
        rest = bytes_skip(rest, size < rest.size ? size + 1 : size);
    }
}

static int serve(struct program *program)
{
    struct options *options = &program->config->options;
    struct io *io;
    int result;

    program_place_store(options);
    if (!log_file_open(&program->log, options)) {
        fprintf(stderr, "error opening file: open %s: %s\n", options->log_file, strerror(errno));
        return EXIT_FAILURE;
    }
    log_notices(program->config, &program->log.logger);
    (void)signal(SIGPIPE, SIG_IGN);
    raise_file_limit();
    if (!program_write_pid(options, &program->log.logger) ||
        !open_io(options, &program->log.logger, &io))
        return EXIT_FAILURE;
    result = serve_on(program, io);
    io_destroy(io);
    return result;
}

/* ---- configuration ----------------------------------------------------------------------------
 */

/* What is wrong, as the reference prints it; with `strict` its warnings are wrong, too. */
static bool say_what_is_wrong(const struct config *config, bool strict)
{
    const struct buf *errors = &config->reader.errors, *warnings = &config->reader.warnings;
    bool wrong = config->error[0] != 0 || errors->size > 0 || (strict && warnings->size > 0);

    if (config->error[0] != 0)
        fprintf(stderr, "nats-server: %s\n", config->error);
    else if (wrong)
        fprintf(stderr, "nats-server: %.*s%.*s\n", BYTES_ARG(buf_bytes(warnings)),
                BYTES_ARG(buf_bytes(errors)));
    else if (warnings->size > 0)
        fprintf(stderr, "%.*s", BYTES_ARG(buf_bytes(warnings)));
    return wrong;
}

/* The files that a tls block names are read as part of the configuration. */
static void load_certificates(struct config *config)
{
    const struct tls_options *tls = config->options.tls;
    struct config_value at = {0};
    char reason[TLS_REASON_SIZE];

    if (tls == NULL)
        return;
    config->options.tls_context = tls_context_create(tls, reason);
    if (config->options.tls_context != NULL)
        return;
    if (tls->place != NULL)
        at.place = *tls->place;
    config_error(&config->reader, &at, "%s", reason);
}

/* Reads the file, if there is one, and the command line over it. False: it was said why not. */
static bool configure(struct program *program, bool strict)
{
    struct config *config = program->config;
    struct flags flags;
    bool good = true;

    if (program->config_file != NULL)
        good = config_load(config, &program_source, program->config_file);
    if (good) {
        flags_parse(program->argc, program->argv, &config->options, &config->made, &flags);
        config->options = flags.options;
        config_digest(config, program->digest);
        config->options.config_file = program->config_file;
        config->options.config_digest = program->digest;
        if (flags.verdict == FLAGS_REFUSED)
            config_error(&config->reader, NULL, "%s", flags.error);
        else
            (void)config_check(config);
        load_certificates(config);
    }
    return !say_what_is_wrong(config, strict);
}

static int test_config(struct program *program)
{
    if (!configure(program, true))
        return EXIT_FAILURE;
    fprintf(stderr, "nats-server: configuration file %s is valid (%s)\n", program->config_file,
            program->digest);
    return EXIT_SUCCESS;
}

static int with_config(struct program *program, int (*then)(struct program *program))
{
    struct options usual;
    struct config config;
    int result;

    options_default(&usual);
    config_init(&config, &usual);
    program->config = &config;
    result = then(program);
    tls_context_give(config.options.tls_context);
    config_deinit(&config);
    return result;
}

static int configure_and_serve(struct program *program)
{
    return configure(program, false) ? serve(program) : EXIT_FAILURE;
}

/* ---- the command line -------------------------------------------------------------------------
 */

int main(int argc, char **argv)
{
    struct program program = {.argc = argc, .argv = argv};
    struct arena arena;
    struct flags flags;

    arena_init(&arena, SIZE_MAX / 4);
    flags_parse(argc, argv, NULL, &arena, &flags);
    arena_deinit(&arena); /* what is in force is parsed again, over the configuration file */
    program.config_file = flags.config_file;
    switch (flags.verdict) {
    case FLAGS_SERVE: return with_config(&program, configure_and_serve);
    case FLAGS_TEST_CONFIG: return with_config(&program, test_config);
    case FLAGS_SIGNAL: return program_tell(flags.signal, argv[0]);
    case FLAGS_VERSION: printf("nats-server: v%s\n", NATS_VERSION); return EXIT_SUCCESS;
    case FLAGS_HELP: fputs(flags_usage, stdout); return EXIT_SUCCESS;
    case FLAGS_HELP_TLS: fputs(flags_usage_tls, stdout); return EXIT_SUCCESS;
    case FLAGS_BAD:
        fprintf(stderr, "%s\n", flags.error);
        fputs(flags_usage, stdout);
        return EXIT_SUCCESS;
    case FLAGS_REFUSED: fprintf(stderr, "nats-server: %s\n", flags.error); break;
    }
    return EXIT_FAILURE;
}
