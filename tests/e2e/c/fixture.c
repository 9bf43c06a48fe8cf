#include "tests/e2e/c/fixture.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define START_MS   60000
#define PORT_FIRST 6300
#define PORTS      1900
#define LOG_NAME   "server.log"

void check_status(natsStatus is, natsStatus wanted, const char *call, const char *file, int line)
{
    if (is == wanted)
        return;
    fprintf(stderr, "%s:%d: %s\n    gave \"%s\", not \"%s\": %s\n", file, line, call,
            natsStatus_GetText(is), natsStatus_GetText(wanted), nats_GetLastError(NULL));
    abort();
}

int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool is_free(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    bool free;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    check(fd >= 0);
    free = bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
    close(fd);
    return free;
}

/* From below those that the kernel gives to connections of any program, and those of other suites
 * (tests/e2e/ports.py, harness.js): a server that was killed finds it free when it comes back. */
int free_port(void)
{
    static int last;

    if (last == 0)
        last = PORT_FIRST + (int)(((uint64_t)getpid() * 7919 + (uint64_t)now_ms()) % PORTS);
    do {
        last = last + 1 < PORT_FIRST + PORTS ? last + 1 : PORT_FIRST;
    } while (!is_free(last));
    return last;
}

/* Replaces this process by the server. */
static void server_exec(const char *const *arguments, const char *log)
{
    const char *binary = getenv("MILLRACE_BIN");
    int fd = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0644);

    if (fd < 0 || dup2(fd, STDERR_FILENO) < 0 || dup2(fd, STDOUT_FILENO) < 0)
        _exit(126);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execv(binary == NULL ? "build/millrace" : binary, (char *const *)arguments);
    _exit(127);
}

pid_t server_spawn(const char *const *arguments, const char *log)
{
    pid_t pid = fork();

    check(pid >= 0);
    if (pid == 0)
        server_exec(arguments, log);
    return pid;
}

static bool log_has(const char *log, const char *text)
{
    static char content[1 << 16];
    FILE *file = fopen(log, "r");
    size_t size;

    if (file == NULL)
        return false;
    size = fread(content, 1, sizeof content - 1, file);
    fclose(file);
    content[size] = '\0';
    return strstr(content, text) != NULL;
}

void await_log(const char *log, const char *text)
{
    int64_t end = now_ms() + START_MS;

    while (!log_has(log, text)) {
        check(now_ms() < end);
        usleep(5000);
    }
}

/* False when another program took the port first. */
static bool server_start(struct fixture *f)
{
    int64_t end = now_ms() + START_MS;
    char port[16], store[512], log[512];
    const char *const arguments[] = {"millrace", "-a",  "127.0.0.1", "-p", port,
                                     "-js",      "-sd", store,       NULL};

    snprintf(port, sizeof port, "%d", f->port);
    snprintf(store, sizeof store, "%s/store", f->directory);
    snprintf(log, sizeof log, "%s/" LOG_NAME, f->directory);
    f->server = server_spawn(arguments, log);
    while (!log_has(log, "Server is ready")) {
        if (waitpid(f->server, NULL, WNOHANG) == f->server) {
            check(log_has(log, "address already in use"));
            return false;
        }
        check(now_ms() < end);
        usleep(5000);
    }
    return true;
}

static void server_kill(struct fixture *f)
{
    kill(f->server, SIGKILL);
    check(waitpid(f->server, NULL, 0) == f->server);
}

natsConnection *fixture_connect(const struct fixture *f)
{
    natsConnection *nc = NULL;
    natsOptions *options = NULL;
    char url[64];

    snprintf(url, sizeof url, "nats://127.0.0.1:%d", f->port);
    ok(natsOptions_Create(&options));
    ok(natsOptions_SetURL(options, url));
    ok(natsOptions_SetTimeout(options, WAIT_MS));
    ok(natsOptions_SetMaxReconnect(options, 1000));
    ok(natsOptions_SetReconnectWait(options, 20));
    ok(natsConnection_Connect(&nc, options));
    natsOptions_Destroy(options);
    return nc;
}

void fixture_init(struct fixture *f, const char *directory)
{
    jsOptions options;
    int tries = 0;

    *f = (struct fixture){.directory = directory};
    do {
        check(tries++ < 5);
        f->port = free_port();
    } while (!server_start(f));

    f->nc = fixture_connect(f);
    ok(jsOptions_Init(&options));
    options.Wait = WAIT_MS;
    ok(natsConnection_JetStream(&f->js, f->nc, &options));
}

void fixture_kill_and_restart(struct fixture *f)
{
    int64_t end = now_ms() + START_MS;
    natsStatistics *statistics = NULL;
    uint64_t before = 0, after = 0;

    ok(natsStatistics_Create(&statistics));
    ok(natsConnection_GetStats(f->nc, statistics));
    ok(natsStatistics_GetCounts(statistics, NULL, NULL, NULL, NULL, &before));
    server_kill(f);
    check(server_start(f));
    while (after <= before) {
        check(now_ms() < end);
        usleep(5000);
        ok(natsConnection_GetStats(f->nc, statistics));
        ok(natsStatistics_GetCounts(statistics, NULL, NULL, NULL, NULL, &after));
    }
    natsStatistics_Destroy(statistics);
    ok(natsConnection_FlushTimeout(f->nc, WAIT_MS));
}

void fixture_deinit(struct fixture *f)
{
    jsCtx_Destroy(f->js);
    natsConnection_Destroy(f->nc);
    server_kill(f);
}

void fixture_add_stream(struct fixture *f, const char *name, const char *subject)
{
    jsStreamConfig config;

    ok(jsStreamConfig_Init(&config));
    config.Name = name;
    config.Subjects = &subject;
    config.SubjectsLen = 1;
    ok(js_AddStream(NULL, f->js, &config, NULL, NULL));
}
