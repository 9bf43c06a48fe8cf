#include "tests/sim/ending.h"

#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const int signals[] = {SIGABRT, SIGSEGV, SIGALRM};

static uint64_t current_seed; /* a signal handler has no other way to it */

static void ended_by(int number)
{
    char text[96];
    int size = snprintf(text, sizeof text, "seed %llu: signal %d\n0 passed, 1 failed\n",
                        (unsigned long long)current_seed, number);

    (void)!write(STDOUT_FILENO, text, (size_t)size);
    _exit(EXIT_FAILURE);
}

void ending_watch(void)
{
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        signal(signals[i], ended_by);
}

void ending_ignore(void)
{
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        signal(signals[i], SIG_DFL);
}

void ending_seed(uint64_t seed)
{
    current_seed = seed;
}
