#include "tests/sim/runner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/ending.h"
#include "tests/sim/hunt.h"

#define BAD_MAX 5u /* then it is clear */

static const struct runner_flaw no_flaw = {.name = "none"};

static bool run(const struct runner *runner, uint64_t seed, bool loud,
                const struct runner_flaw *flaw)
{
    ending_seed(seed);
    return runner->run(seed, loud, flaw);
}

static int run_many(const struct runner *runner, double seconds, uint64_t from)
{
    double deadline = hunt_clock() + seconds;
    uint64_t seed = from, bad = 0;

    for (; hunt_clock() < deadline && bad < BAD_MAX; seed++)
        bad += !run(runner, seed, false, &no_flaw);
    printf("%s: seeds %llu to %llu", runner->name, (unsigned long long)from,
           (unsigned long long)seed - 1);
    if (runner->tell != NULL)
        runner->tell();
    printf("\n%llu passed, %llu failed\n", (unsigned long long)(seed - from - bad),
           (unsigned long long)bad);
    return bad == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

struct hunted {
    const struct runner *runner;
    const struct runner_flaw *flaw;
};

static bool hunt_run(void *context, uint64_t seed, bool flawed)
{
    const struct hunted *hunted = context;

    return run(hunted->runner, seed, false, flawed ? hunted->flaw : &no_flaw);
}

static int run_flaws(const struct runner *runner, double seconds)
{
    size_t found = 0;

    for (size_t i = 0; i < runner->flaw_count; i++) {
        struct hunted hunted = {runner, &runner->flaws[i]};
        struct hunt one = {runner->name, hunted.flaw->name, hunted.flaw->text,
                           seconds,      hunt_run,          &hunted};

        found += hunt(&one);
    }
    printf("%zu passed, %zu failed\n", found, runner->flaw_count - found);
    return found == runner->flaw_count ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* NULL: there is none of that name. */
static const struct runner_flaw *flaw_named(const struct runner *runner, const char *name)
{
    for (size_t i = 0; i < runner->flaw_count; i++) {
        if (strcmp(runner->flaws[i].name, name) == 0)
            return &runner->flaws[i];
    }
    return NULL;
}

struct asked {
    const char *seed; /* NULL: many */
    const struct runner_flaw *flaw;
    uint64_t from;
    double seconds;
    bool flaws;
};

static bool read_arguments(const struct runner *runner, int argc, char **argv, struct asked *asked)
{
    *asked = (struct asked){.flaw = &no_flaw, .from = 1, .seconds = 60};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--flaws") == 0)
            asked->flaws = true;
        else if (i + 1 < argc && strcmp(argv[i], "--seconds") == 0)
            asked->seconds = strtod(argv[++i], NULL);
        else if (i + 1 < argc && strcmp(argv[i], "--seed") == 0)
            asked->seed = argv[++i];
        else if (i + 1 < argc && strcmp(argv[i], "--from") == 0)
            asked->from = strtoull(argv[++i], NULL, 10);
        else if (i + 1 < argc && strcmp(argv[i], "--flaw") == 0)
            asked->flaw = flaw_named(runner, argv[++i]);
        else
            return false;
    }
    return asked->flaw != NULL;
}

int runner_main(const struct runner *runner, int argc, char **argv)
{
    struct asked asked;

    setvbuf(stdout, NULL, _IOLBF, 0);
    ending_watch();
    if (!read_arguments(runner, argc, argv, &asked)) {
        fprintf(stderr,
                "usage: %s --seed N [--flaw NAME] | --seconds N [--from S] | --flaws --seconds N\n",
                runner->name);
        return 2;
    }
    if (asked.flaws)
        return run_flaws(runner, asked.seconds);
    if (asked.seed != NULL)
        return run(runner, strtoull(asked.seed, NULL, 10), true, asked.flaw) ? EXIT_SUCCESS
                                                                             : EXIT_FAILURE;
    return run_many(runner, asked.seconds, asked.from);
}
