/*
 * Runs every test in a process of its own, against a server of its own, with a deadline. Ends
 * with the line "N passed, M failed" and with code 1 if any test failed.
 */
#include "tests/e2e/c/fixture.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define TEST_S 180

static void shell(const char *format, const char *directory)
{
    char command[600];

    snprintf(command, sizeof command, format, directory);
    if (system(command) != 0)
        fprintf(stderr, "failed: %s\n", command);
}

static void run_child(const struct test *test, const char *directory)
{
    struct fixture fixture;

    alarm(TEST_S);
    fixture_init(&fixture, directory);
    test->run(&fixture);
    fixture_deinit(&fixture);
    nats_Close();
    exit(0);
}

static bool run(const struct test *test)
{
    char directory[] = "/tmp/millrace-c-XXXXXX";
    int status = 0;
    pid_t child;
    bool good;

    check(mkdtemp(directory) != NULL);
    fflush(NULL);
    child = fork();
    check(child >= 0);
    if (child == 0)
        run_child(test, directory);
    check(waitpid(child, &status, 0) == child);
    good = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        fprintf(stderr, "not finished within %d s\n", TEST_S);
    if (!good)
        shell("tail -n 20 '%s/server.log' >&2", directory);
    shell("rm -rf '%s'", directory);
    return good;
}

int main(void)
{
    const struct test *lists[] = {tests_core, tests_stream, tests_bucket, tests_cluster};
    int passed = 0, failed = 0;

    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        for (const struct test *test = lists[i]; test->run != NULL; test++) {
            bool good = run(test);

            printf("%s: %s\n", good ? "ok" : "FAILED", test->name);
            passed += good;
            failed += !good;
        }
    printf("%d passed, %d failed\n", passed, failed);
    return failed > 0;
}
