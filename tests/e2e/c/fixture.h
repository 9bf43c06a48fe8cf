/*
 * fixture: one server process and one libnats connection for one test.
 *
 * Each test runs in a process of its own (main.c), so a failed check may simply abort. The server
 * is told by the kernel to end with the process that started it; its directory belongs to main.c.
 */
#ifndef E2E_FIXTURE_H
#define E2E_FIXTURE_H

#include <nats/nats.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>

#define WAIT_MS 60000 /* for an answer that must come */

/* Ends the test, and says which check it was. */
#define check(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);              \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#define ok(call)            check_status((call), NATS_OK, #call, __FILE__, __LINE__)
#define gives(status, call) check_status((call), (status), #call, __FILE__, __LINE__)

void check_status(natsStatus is, natsStatus wanted, const char *call, const char *file, int line);

struct fixture {
    const char *directory;
    int port;
    pid_t server;
    natsConnection *nc;
    jsCtx *js;
};

/* Starts the server on a free port, waits until it serves and connects. Aborts on failure. */
void fixture_init(struct fixture *, const char *directory);

/* SIGKILL, then the same directory and port; the connection has come back when it returns. */
void fixture_kill_and_restart(struct fixture *);

void fixture_deinit(struct fixture *);

/* A further connection to the same server. */
natsConnection *fixture_connect(const struct fixture *);

/* A stream of one subject with the library's defaults. */
void fixture_add_stream(struct fixture *, const char *name, const char *subject);

struct test {
    const char *name;
    void (*run)(struct fixture *);
};

extern const struct test tests_core[];
extern const struct test tests_stream[];
extern const struct test tests_bucket[];
extern const struct test tests_cluster[];

/* For tests with servers of their own. Aborts when none is to be had. */
int free_port(void);
int64_t now_ms(void);
/* Runs the server with these arguments (the first is its name, the last NULL), its log in `log`. It
 * is killed with the process that starts it. */
pid_t server_spawn(const char *const *arguments, const char *log);
/* Waits for the text in a log. */
void await_log(const char *log, const char *text);

#endif
