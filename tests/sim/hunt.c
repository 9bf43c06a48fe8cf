#include "tests/sim/hunt.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

double hunt_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* What a broken promise says is about the bug, not about us. */
static void be_quiet(void)
{
    if (freopen("/dev/null", "w", stdout) == NULL || freopen("/dev/null", "w", stderr) == NULL)
        _exit(0);
}

static void run_seeds(const struct hunt *h, uint64_t *seed)
{
    double deadline = hunt_clock() + h->seconds;

    be_quiet();
    for (*seed = 1; hunt_clock() < deadline; ++*seed) {
        if (!h->run(h->context, *seed, true))
            _exit(1);
    }
    _exit(0);
}

static void run_without(const struct hunt *h, uint64_t *seed)
{
    be_quiet();
    _exit(h->run(h->context, *seed, false) ? 0 : 1);
}

static bool child_fails(const struct hunt *h, void (*child)(const struct hunt *h, uint64_t *seed),
                        uint64_t *seed)
{
    int status = 0;
    pid_t pid;

    fflush(stdout);
    pid = fork();
    assert(pid >= 0);
    if (pid == 0)
        child(h, seed);
    while (waitpid(pid, &status, 0) != pid)
        continue;
    return status != 0;
}

bool hunt(const struct hunt *h)
{
    uint64_t *seed =
        mmap(NULL, sizeof *seed, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    double begun = hunt_clock();
    bool found, good = false;

    assert(seed != MAP_FAILED);
    found = child_fails(h, run_seeds, seed);
    if (found)
        good = !child_fails(h, run_without, seed);
    printf("%-24s %s by %s, seed %" PRIu64 ", %.1f s (%s)\n", h->name,
           !found  ? "NOT FOUND"
           : !good ? "found for another reason"
                   : "found",
           h->simulation, *seed, hunt_clock() - begun, h->text);
    fflush(stdout);
    munmap(seed, sizeof *seed);
    return found && good;
}
