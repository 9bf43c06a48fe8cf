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
static void run_seeds(const struct hunt *h, uint64_t *seed)
{
    double deadline = hunt_clock() + h->seconds;

    if (freopen("/dev/null", "w", stdout) == NULL || freopen("/dev/null", "w", stderr) == NULL)
        _exit(0);
    for (*seed = 1; hunt_clock() < deadline; ++*seed) {
        if (!h->run(h->context, *seed))
            _exit(1);
    }
    _exit(0);
}

bool hunt(const struct hunt *h)
{
    uint64_t *seed =
        mmap(NULL, sizeof *seed, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    double begun = hunt_clock();
    int status = 0;
    pid_t child;

    assert(seed != MAP_FAILED);
    fflush(stdout);
    child = fork();
    assert(child >= 0);
    if (child == 0)
        run_seeds(h, seed);
    while (waitpid(child, &status, 0) != child)
        continue;
    if (status != 0)
        printf("%-24s found by %s, seed %" PRIu64 ", %.1f s (%s)\n", h->name, h->simulation, *seed,
               hunt_clock() - begun, h->text);
    else
        printf("%-24s NOT FOUND by %s, %" PRIu64 " seeds, %.1f s (%s)\n", h->name, h->simulation,
               *seed - 1, hunt_clock() - begun, h->text);
    fflush(stdout);
    munmap(seed, sizeof *seed);
    return status != 0;
}
