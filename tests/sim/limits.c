#include "tests/sim/limits.h"

#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/sim/hunt.h"

#define OUTCOME_MAX 400

void limits_init(struct limits *limits, const struct limit *table, size_t count)
{
    assert(count <= LIMITS_MAX);
    *limits = (struct limits){.table = table, .count = count};
    for (size_t i = 0; i < count; i++)
        limits->at[i] = table[i].most;
}

bool limits_set(struct limits *limits, const char *text)
{
    const char *equals = strchr(text, '=');
    size_t size = equals != NULL ? (size_t)(equals - text) : 0;

    for (size_t i = 0; size > 0 && i < limits->count; i++) {
        const struct limit *limit = &limits->table[i];

        if (strlen(limit->name) != size || strncmp(limit->name, text, size) != 0)
            continue;
        limits->at[i] = strtoull(equals + 1, NULL, 10);
        return limits->at[i] >= limit->least;
    }
    return false;
}

void limits_tell(const struct limits *limits)
{
    for (size_t i = 0; i < limits->count; i++) {
        if (limits->at[i] < limits->table[i].most)
            printf(" --limit %s=%" PRIu64, limits->table[i].name, limits->at[i]);
    }
}

/* ---- one run in a process of its own -------------------------------------------------------- */

static void be_quiet(void)
{
    if (freopen("/dev/null", "w", stdout) == NULL || freopen("/dev/null", "w", stderr) == NULL)
        _exit(0);
}

/* What it ends with: "" when it is good. */
static void run_apart(const struct minimise *m, char *shared, char out[static OUTCOME_MAX])
{
    int status = 0;
    pid_t pid;

    shared[0] = 0;
    fflush(stdout);
    pid = fork();
    assert(pid >= 0);
    if (pid == 0) {
        const char *text;

        be_quiet();
        text = m->run(m->context);
        snprintf(shared, OUTCOME_MAX, "%s", text != NULL ? text : "");
        _exit(0);
    }
    while (waitpid(pid, &status, 0) != pid)
        continue;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        memcpy(out, shared, OUTCOME_MAX);
    else
        snprintf(out, OUTCOME_MAX, "%s",
                 WIFSIGNALED(status) && WTERMSIG(status) == 14 ? "it stands still" : "it aborts");
    out[OUTCOME_MAX - 1] = 0;
}

/* Which promise, whatever the numbers are: they change with the run. */
static bool same_kind(const char *a, const char *b)
{
    while (*a != 0 || *b != 0) {
        while (isxdigit((unsigned char)*a))
            a++;
        while (isxdigit((unsigned char)*b))
            b++;
        if (*a != *b)
            return false;
        if (*a != 0) {
            a++;
            b++;
        }
    }
    return true;
}

/* ---- the search ----------------------------------------------------------------------------- */

struct search {
    const struct minimise *m;
    char *shared;
    char first[OUTCOME_MAX], last[OUTCOME_MAX];
    double deadline;
    unsigned tried;
};

static bool fails_with(struct search *search, size_t number, uint64_t value)
{
    struct limits *limits = search->m->limits;
    uint64_t before = limits->at[number];
    char outcome[OUTCOME_MAX];

    limits->at[number] = value;
    search->tried++;
    run_apart(search->m, search->shared, outcome);
    if (outcome[0] != 0 && same_kind(outcome, search->first)) {
        memcpy(search->last, outcome, sizeof outcome);
        return true;
    }
    limits->at[number] = before;
    return false;
}

/* Least first, then in ever smaller steps down from what it is. */
static bool shrink(struct search *search, size_t number)
{
    struct limits *limits = search->m->limits;
    uint64_t least = limits->table[number].least;

    for (uint64_t part = 0; part < 8 && hunt_clock() < search->deadline; part++) {
        uint64_t now = limits->at[number];
        uint64_t value = least + (now - least) * part / 8;

        if (value < now && (part == 0 || value > least) && fails_with(search, number, value))
            return true;
    }
    return false;
}

bool minimise(const struct minimise *m)
{
    struct search search = {.m = m, .deadline = hunt_clock() + m->seconds};
    bool shrunk = true;

    search.shared =
        mmap(NULL, OUTCOME_MAX, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert(search.shared != MAP_FAILED);
    run_apart(m, search.shared, search.first);
    memcpy(search.last, search.first, sizeof search.last);
    if (search.first[0] == 0) {
        printf("it does not fail: there is nothing to make smaller\n");
        munmap(search.shared, OUTCOME_MAX);
        return false;
    }
    printf("it fails: %s\n", search.first);
    while (shrunk && hunt_clock() < search.deadline) {
        shrunk = false;
        for (size_t i = 0; i < m->limits->count; i++)
            shrunk = (m->limits->at[i] > m->limits->table[i].least && shrink(&search, i)) || shrunk;
    }
    printf("smallest of %u runs:", search.tried);
    limits_tell(m->limits);
    printf("\nit fails: %s\n", search.last);
    munmap(search.shared, OUTCOME_MAX);
    return true;
}
