#include "tests/sim/images.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/sim/hunt.h"

#define IMAGES_LEAST 2000u /* whatever the time */
#define SAY          60.0  /* seconds from one line that tells how far it is to the next */

struct asked {
    uint64_t seed, seeds;
    uint64_t images;
    uint64_t operation; /* 0: all */
    uint64_t flaws;
    double seconds;
    bool hunt;
};

static double tell_how_far(const struct images *images, uint64_t tried, uint64_t seed,
                           uint64_t operation, double seconds)
{
    printf("%s: %" PRIu64 " images in %.0f s, at seed %" PRIu64 ", operation %" PRIu64 "\n",
           images->name, tried, seconds, seed, operation);
    fflush(stdout);
    return seconds;
}

/* Images of one seed after the other until there are so many, or time is over. */
static uint64_t try_many(const struct images *images, const struct asked *asked)
{
    double begun = hunt_clock(), said = 0;
    uint64_t tried = 0;

    for (uint64_t seed = asked->seed; seed - asked->seed < asked->seeds; seed++) {
        uint64_t count = images->count(seed);

        for (uint64_t operation = 1; operation <= count; operation++) {
            double seconds = hunt_clock() - begun;

            if (tried == asked->images || (tried >= IMAGES_LEAST && seconds > asked->seconds))
                return tried;
            if (seconds - said >= SAY)
                said = tell_how_far(images, tried, seed, operation, seconds);
            images->run(seed, operation, asked->flaws);
            tried++;
        }
    }
    return tried;
}

static bool finds(const struct images *images, const struct images_flaw *flaw, double seconds)
{
    struct asked asked = {.seed = 1, .seeds = UINT64_MAX - 1, .images = UINT64_MAX};
    int status = 0;
    pid_t pid;

    printf("%-24s ", flaw->name);
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        asked.flaws = flaw->bits;
        asked.seconds = seconds;
        (void)try_many(images, &asked);
        exit(EXIT_SUCCESS);
    }
    if (waitpid(pid, &status, 0) != pid || status != 0)
        return true;
    printf("not found\n");
    return false;
}

static int hunt_flaws(const struct images *images, double seconds)
{
    size_t found = 0;

    for (size_t i = 0; i < images->flaw_count; i++)
        found += finds(images, &images->flaws[i], seconds);
    return found == images->flaw_count ? EXIT_SUCCESS : EXIT_FAILURE;
}

static bool read_number(const char *text, uint64_t *number)
{
    char *end;

    *number = strtoull(text, &end, 10);
    return end != text && *end == 0;
}

static bool read_value(struct asked *asked, const char *option, const char *text)
{
    uint64_t number;

    if (!read_number(text, &number))
        return false;
    if (strcmp(option, "--seconds") == 0)
        asked->seconds = (double)number;
    else if (strcmp(option, "--images") == 0)
        asked->images = number;
    else if (strcmp(option, "--from") == 0)
        asked->seed = number;
    else if (strcmp(option, "--seed") == 0)
        asked->seed = number, asked->seeds = 1;
    else if (strcmp(option, "--operation") == 0)
        asked->operation = number;
    else
        return false;
    return true;
}

static bool read_arguments(int argc, char **argv, struct asked *asked)
{
    *asked =
        (struct asked){.seed = 1, .seeds = UINT64_MAX - 1, .images = UINT64_MAX, .seconds = 1e9};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--flaws") == 0)
            asked->hunt = true;
        else if (i + 1 == argc || !read_value(asked, argv[i], argv[i + 1]))
            return false;
        else
            i++;
    }
    return true;
}

int images_main(const struct images *images, int argc, char **argv)
{
    struct asked asked;

    if (!read_arguments(argc, argv, &asked)) {
        fprintf(stderr,
                "usage: %s [--seconds N | --images N] [--from S | --seed S [--operation N]] "
                "[--flaws]\n",
                images->name);
        return 2;
    }
    if (asked.hunt)
        return hunt_flaws(images, asked.seconds);
    if (asked.operation != 0)
        images->run(asked.seed, asked.operation, 0);
    else
        printf("%s: %" PRIu64 " images passed, 0 failed\n", images->name, try_many(images, &asked));
    return EXIT_SUCCESS;
}
