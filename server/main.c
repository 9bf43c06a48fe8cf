/*
 * main: the server as a program: the only place that takes signals; server/program/ is what it uses
 * of the system besides. A command line that asks for a command is handed to cli/.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/io.h"
#include "cli/cli.h"
#include "server/flags.h"
#include "server/program/check.h"
#include "server/program/configured.h"
#include "server/program/cores.h"
#include "server/program/file_system.h"
#include "server/program/files.h"
#include "server/program/foreign_data.h"
#include "server/program/log_file.h"
#include "server/program/notify.h"
#include "server/program/real_io.h"
#include "server/program/shard_threads.h"
#include "server/program/tell.h"
#include "server/server.h"
#include "storage/log.h"

#define TURN_WAIT_NS INT64_C(60000000000)
#define STOP_WAIT_NS INT64_C(5000000000)
#define SIGNALS      32
#define FILES_BESIDE 256 /* open files that are no client's: logs of streams, listeners, nodes */

/* What this process was started with, and what of it is in force. */
struct program {
    int argc;
    char *const *argv;
    const char *config_file; /* NULL: none */
    struct configured *configured;
    struct configured *first; /* what a reload cannot change is used for ever */
    struct log_file log;
    struct server *server;
};

/* What a signal may touch; set up before signals are let in. */
static volatile sig_atomic_t trapped[SIGNALS];
static struct io *signal_io;

/* ---- signals -------------------------------------------------------------------------------- */

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

/* ---- the process itself --------------------------------------------------------------------- */

static void raise_file_limit(const struct options *options, const struct logger *logger)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit); /* fewer connections is a limit, not a failure */
    if (limit.rlim_cur < (rlim_t)options->max_connections + FILES_BESIDE)
        logger_warn(logger,
                    "Open files are limited to %llu: max_connections of %lld will not be reached",
                    (unsigned long long)limit.rlim_cur, (long long)options->max_connections);
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

/* ---- reload --------------------------------------------------------------------------------- */

static const struct options *options_of(const struct program *program)
{
    return &program->configured->config.options;
}

/* What of the new options is this process's and not the server's. */
static void take_over(struct program *program, struct configured *configured)
{
    struct configured *before = program->configured;
    const struct options *old = &before->config.options, *new = &configured->config.options;
    struct logger *logger = &program->log.logger;
    bool ports_move = strcmp(old->ports_file_dir, new->ports_file_dir) != 0;

    if (ports_move)
        program_remove_ports(old, program->argv[0], logger);
    if (!log_file_change(&program->log, new))
        logger_error(logger, "error opening file: open %s: %s", new->log_file, strerror(errno));
    program->configured = configured;
    (void)program_write_pid(new, logger); /* which says why not */
    if (ports_move)
        program_write_ports(new, program->argv[0], program->server, logger);
    if (before != program->first)
        configured_free(before);
}

static bool reload_failed(const struct logger *logger, struct bytes why,
                          char reason[SERVER_RELOAD_REASON_SIZE])
{
    logger_error(logger, "Failed to reload server configuration: %.*s", BYTES_ARG(why));
    snprintf(reason, SERVER_RELOAD_REASON_SIZE, "%.*s", BYTES_ARG(why));
    return false;
}

static bool reload_wrong(const struct configured *configured, const struct logger *logger,
                         char reason[SERVER_RELOAD_REASON_SIZE])
{
    struct buf text;

    buf_init(&text, CONFIG_REPORT_MAX);
    configured_wrong_text(configured, &text);
    (void)reload_failed(logger, buf_bytes(&text), reason);
    buf_deinit(&text);
    return false;
}

static bool reload_read(struct program *program, char reason[SERVER_RELOAD_REASON_SIZE])
{
    const struct logger *logger = &program->log.logger;
    struct configured *configured;
    char refused[SERVER_RELOAD_REASON_SIZE];
    bool done;

    if (program->config_file == NULL)
        return reload_failed(logger,
                             BYTES("can only reload config when a file is provided using -c or "
                                   "--config"),
                             reason);
    configured = configured_read(program->argc, program->argv, program->config_file);
    if (!configured->good)
        done = reload_wrong(configured, logger, reason);
    else if (!server_reload(program->server, &configured->config.options, refused))
        done = reload_failed(logger, bytes_of_text(refused), reason);
    else
        done = true;
    if (!done) {
        configured_free(configured);
        return false;
    }
    configured_log_notices(configured, logger);
    take_over(program, configured);
    return true;
}

/* By a signal, or a request in the system account. */
static bool reload(void *owner, char reason[SERVER_RELOAD_REASON_SIZE])
{
    bool done;

    program_notify_reloading();
    done = reload_read(owner, reason);
    program_notify_ready();
    return done;
}

/* ---- serving -------------------------------------------------------------------------------- */

static void heed_signals(struct program *program)
{
    struct logger *logger = &program->log.logger;
    char reason[SERVER_RELOAD_REASON_SIZE];

    if (signal_taken(SIGINT, "interrupt", logger))
        server_stop(program->server, STOP_WAIT_NS);
    /* A server that is on its way out already goes its way. */
    if (signal_taken(SIGTERM, "terminated", logger) && !server_is_lame_duck(program->server))
        server_stop(program->server, STOP_WAIT_NS);
    if (signal_taken(SIGUSR2, "user defined signal 2", logger))
        server_lame_duck(program->server, STOP_WAIT_NS);
    if (signal_taken(SIGUSR1, "user defined signal 1", logger))
        log_file_reopen(&program->log);
    if (signal_taken(SIGHUP, "hangup", logger))
        (void)reload(program, reason); /* which was logged */
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

/* Tests run servers that were written for one shard with several. */
#define SHARDS_TEST      "MILLRACE_SHARDS_TEST"
#define SHARDS_TEST_MOST 4u /* of "auto", where each pretends to be busy, and "storm" */
#define SHARDS_MOVES     "MILLRACE_SHARDS_MOVES" /* set: so they do where there are so many */

/* Counts that are none: as many as are needed. */
#define SHARDS_PLANNED UINT64_C(0)
#define SHARDS_FEIGNED UINT64_MAX
#define SHARDS_STORM   (UINT64_MAX - 1) /* likewise, and clients move without a rest */

/* Likewise, stores with several lanes. */
#define LANES_TEST "MILLRACE_LANES_TEST"

static bool read_test(struct program *program, const char *name, uint64_t *count)
{
    const char *wanted = getenv(name);

    if (wanted == NULL ||
        (bytes_read_u64(bytes_of_text(wanted), count) && *count >= 1 && *count <= SHARDS_MAX))
        return true;
    logger_fatal(&program->log.logger, "%s must be 1 to %u", name, SHARDS_MAX);
    return false;
}

static bool set_lanes(struct program *program)
{
    uint64_t lanes = 0;
    bool read = read_test(program, LANES_TEST, &lanes);

    program->configured->config.options.sim.lanes = (unsigned)lanes;
    return read;
}

/* A server that was busy before has lanes: each has its thread at once. */
static void begin_for_lanes(struct program *program, unsigned most)
{
    const struct options *options = options_of(program);
    unsigned lanes;

    if (!options->jetstream || options->cluster.configured)
        return;
    lanes = 1 + store_lanes_of(server_io(program->server), "millrace");
    if (lanes > most)
        lanes = most;
    if (lanes > 1)
        server_shards_begin_planned(program->server, lanes);
}

static void plan_shards(struct program *program, unsigned most, const struct shard_host *host)
{
    server_shards_plan(program->server, most, host);
    begin_for_lanes(program, most);
}

/* As many as there are cores, when they are needed. */
static unsigned shards_most(void)
{
    unsigned cores = program_cores();

    return cores < SHARDS_MAX ? cores : SHARDS_MAX;
}

static bool begin_shards(struct program *program, uint64_t count)
{
    if (count == SHARDS_FEIGNED)
        plan_shards(program, SHARDS_TEST_MOST, &shard_threads_feigned);
    else if (count == SHARDS_STORM)
        plan_shards(program, SHARDS_TEST_MOST, &shard_threads_storm);
    else if (count == SHARDS_PLANNED)
        plan_shards(program, shards_most(), &shard_threads);
    else if (count > 1)
        return server_shards_begin(program->server, (unsigned)count,
                                   getenv(SHARDS_MOVES) != NULL ? &shard_threads_feigned
                                                                : &shard_threads);
    return true;
}

static bool read_shards(struct program *program, uint64_t *count)
{
    int64_t shards = options_of(program)->shards;
    const char *wanted = getenv(SHARDS_TEST);

    *count = shards == SHARDS_AUTO ? SHARDS_PLANNED : (uint64_t)shards;
    if (wanted == NULL || (strcmp(wanted, "auto") != 0 && strcmp(wanted, "storm") != 0))
        return read_test(program, SHARDS_TEST, count);
    *count = wanted[0] == 'a' ? SHARDS_FEIGNED : SHARDS_STORM;
    return true;
}

static enum err open_server(struct program *program, struct io *io)
{
    uint64_t count;

    if (!set_lanes(program) || !read_shards(program, &count))
        return ERR_INVALID;
    program->server = server_create(io, options_of(program), &program->log.logger);
    if (program->server == NULL)
        return ERR_INVALID;
    if (begin_shards(program, count))
        return server_open(program->server);
    io_stop(io);
    server_destroy(program->server);
    return ERR_IO;
}

static int serve_on(struct program *program, struct io *io)
{
    struct logger *logger = &program->log.logger;
    int result;

    let_signals_in(io); /* before it says that it is ready; what comes meanwhile is heeded by run */
    if (open_server(program, io) != OK) {
        keep_signals_out();
        return EXIT_FAILURE; /* it has said why */
    }
    server_set_process(program->server, read_process);
    server_set_reload(program->server, reload, program);
    program_notify_ready();
    program_write_ports(options_of(program), program->argv[0], program->server, logger);
    result = run(program, io);
    keep_signals_out();
    program_notify_stopping();
    program_remove_ports(options_of(program), program->argv[0], logger);
    io_stop(io); /* something that the server owns may be on its way to the disk */
    server_destroy(program->server);
    return result;
}

static int serve(struct program *program)
{
    const struct options *options = options_of(program);
    struct io *io;
    int result;

    if (!log_file_open(&program->log, options)) {
        fprintf(stderr, "error opening file: open %s: %s\n", options->log_file, strerror(errno));
        return EXIT_FAILURE;
    }
    configured_log_notices(program->configured, &program->log.logger);
    (void)signal(SIGPIPE, SIG_IGN);
    raise_file_limit(options, &program->log.logger);
    if (options->jetstream) {
        program_warn_temporary_store(options, &program->log.logger);
        program_warn_file_system(options->store_dir, &program->log.logger);
        program_warn_foreign_data(options->store_dir, &program->log.logger);
    }
    if (!program_write_pid(options, &program->log.logger) ||
        !program_open_io(options, &program->log.logger, &io))
        return EXIT_FAILURE;
    result = serve_on(program, io);
    io_destroy(io);
    return result;
}

/* ---- the command line ----------------------------------------------------------------------- */

static int configure_and_serve(struct program *program)
{
    int result = EXIT_FAILURE;

    program->first = configured_read(program->argc, program->argv, program->config_file);
    program->configured = program->first;
    if (!configured_say_wrong(program->first, false))
        result = serve(program);
    if (program->configured != program->first)
        configured_free(program->configured);
    configured_free(program->first);
    return result;
}

static int test_config(struct program *program)
{
    struct configured *configured =
        configured_read(program->argc, program->argv, program->config_file);
    bool wrong = configured_say_wrong(configured, true);

    if (!wrong) {
        configured_say_notices(configured);
        fprintf(stderr, "nats-server: configuration file %s is valid (%s)\n", program->config_file,
                configured->digest);
    }
    configured_free(configured);
    return wrong ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* A text that was asked for: it must get out. */
static int say(const char *text)
{
    if (fputs(text, stdout) >= 0 && fflush(stdout) == 0)
        return EXIT_SUCCESS;
    fprintf(stderr, "nats-server: cannot write: %s\n", strerror(errno));
    return EXIT_FAILURE;
}

/* What nats-server's command line asks for. */
static int serve_by_flags(int argc, char **argv)
{
    struct program program = {.argc = argc, .argv = argv};
    struct arena arena;
    struct flags flags;

    arena_init(&arena, SIZE_MAX / 4);
    flags_parse(argc, argv, NULL, &arena, &flags);
    arena_deinit(&arena); /* what is in force is parsed again, over the configuration file */
    program.config_file = flags.config_file;
    switch (flags.verdict) {
    case FLAGS_SERVE: return configure_and_serve(&program);
    case FLAGS_TEST_CONFIG: return test_config(&program);
    case FLAGS_SIGNAL: return program_tell(flags.signal, argv[0]);
    case FLAGS_VERSION: return say("nats-server: v" NATS_VERSION "\n");
    case FLAGS_HELP: return say(flags_usage);
    case FLAGS_HELP_TLS: return say(flags_usage_tls);
    case FLAGS_BAD: fprintf(stderr, "%s\n", flags.error); return say(flags_usage);
    case FLAGS_REFUSED: fprintf(stderr, "nats-server: %s\n", flags.error); break;
    }
    return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "serve") == 0) {
        argv[1] = argv[0];
        return serve_by_flags(argc - 1, argv + 1);
    }
    if (program_tool(argc, argv) != NULL && !cli_wants_help(argc, (const char *const *)argv))
        return program_tool(argc, argv)(argc, argv);
    return cli_wanted(argc, argv) ? cli_main(argc, argv) : serve_by_flags(argc, argv);
}
