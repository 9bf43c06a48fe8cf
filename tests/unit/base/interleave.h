/*
 * interleave: runs a few threads of control through every order in which their atomic steps can
 * mix. A small model checker: the code under test is the real one, included by the test after its
 * atomic operations were made to call interleave_step() first; its threads are coroutines of one
 * thread, and at each step the explorer says who goes on. A run is determined by these choices, so
 * all runs are found by changing the last choice that has an alternative, depth first.
 *
 * What it covers are sequentially consistent orders, and the code under test uses no weaker ones
 * for what it relies on. `switches_max` bounds how often a thread is held up that could have gone
 * on: without a bound three threads have too many orders, and what goes wrong goes wrong with few.
 */
#ifndef TESTS_UNIT_BASE_INTERLEAVE_H
#define TESTS_UNIT_BASE_INTERLEAVE_H

#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>

#include "tests/unit/unit.h"

#define INTERLEAVE_THREADS_MAX 4
#define INTERLEAVE_STEPS_MAX   4096
#define INTERLEAVE_STACK       (64u << 10)

struct interleave_thread {
    ucontext_t context; /* to begin with; from then on it is at: */
    jmp_buf at;
    bool begun;
    char *stack;
    void (*run)(void *of);
    void *of;
    bool (*blocked)(void *of); /* NULL: it is not; else it goes on when this is false */
    bool ended;
};

struct interleave {
    struct interleave_thread threads[INTERLEAVE_THREADS_MAX];
    int count;
    int running; /* -1: the explorer */
    jmp_buf explorer;
    int switches_max; /* -1: any number */
    struct {
        uint8_t choice, of;
    } path[INTERLEAVE_STEPS_MAX];
    int depth; /* of the run so far */
    int known; /* so many choices are given */
    uint64_t runs;
    bool stuck; /* nobody could go on although not all had ended */
};

static struct interleave explorer;

/* A jump costs no system call, as changing contexts does. */
static void interleave_yield(struct interleave_thread *self)
{
    if (_setjmp(self->at) == 0)
        _longjmp(explorer.explorer, 1);
}

static void interleave_resume(struct interleave_thread *thread)
{
    if (_setjmp(explorer.explorer) != 0)
        return;
    if (thread->begun)
        _longjmp(thread->at, 1);
    thread->begun = true;
    setcontext(&thread->context);
}

static void interleave_step(void)
{
    if (explorer.running >= 0)
        interleave_yield(&explorer.threads[explorer.running]);
}

/* The running thread goes on when `blocked` is false. */
static void interleave_wait(bool (*blocked)(void *of))
{
    struct interleave_thread *self = &explorer.threads[explorer.running];

    self->blocked = blocked;
    interleave_step();
    self->blocked = NULL;
}

static void interleave_main(void)
{
    struct interleave_thread *self = &explorer.threads[explorer.running];

    self->run(self->of);
    self->ended = true;
    interleave_yield(self);
}

static void interleave_add(void (*run)(void *of), void *of)
{
    struct interleave_thread *thread = &explorer.threads[explorer.count++];

    thread->run = run;
    thread->of = of;
    thread->begun = false;
    thread->ended = false;
    thread->blocked = NULL;
    if (thread->stack == NULL)
        thread->stack = malloc(INTERLEAVE_STACK);
    getcontext(&thread->context);
    thread->context.uc_stack.ss_sp = thread->stack;
    thread->context.uc_stack.ss_size = INTERLEAVE_STACK;
    makecontext(&thread->context, interleave_main, 0);
}

static bool interleave_ready(const struct interleave_thread *thread)
{
    return !thread->ended && (thread->blocked == NULL || !thread->blocked(thread->of));
}

/* Of the threads that can go on, the one before first: choice 0 switches only where it must. */
static int interleave_choose(int before, int switches)
{
    int ready[INTERLEAVE_THREADS_MAX], count = 0, choice = 0;
    bool may_stay = before >= 0 && interleave_ready(&explorer.threads[before]);

    if (may_stay)
        ready[count++] = before;
    for (int i = 0; i < explorer.count; i++)
        if (i != before && interleave_ready(&explorer.threads[i]))
            ready[count++] = i;
    if (count == 0)
        return -1;
    if (may_stay && explorer.switches_max >= 0 && switches >= explorer.switches_max)
        count = 1;
    ck_assert_int_lt(explorer.depth, INTERLEAVE_STEPS_MAX);
    if (explorer.depth < explorer.known)
        choice = explorer.path[explorer.depth].choice;
    explorer.path[explorer.depth].choice = (uint8_t)choice;
    explorer.path[explorer.depth].of = (uint8_t)count;
    explorer.depth++;
    return ready[choice];
}

static bool interleave_all_ended(void)
{
    for (int i = 0; i < explorer.count; i++)
        if (!explorer.threads[i].ended)
            return false;
    return true;
}

static void interleave_run(void)
{
    int before = -1, next, switches = 0;

    explorer.depth = 0;
    explorer.stuck = false;
    while ((next = interleave_choose(before, switches)) >= 0) {
        if (before >= 0 && next != before && interleave_ready(&explorer.threads[before]))
            switches++;
        explorer.running = next;
        interleave_resume(&explorer.threads[next]);
        explorer.running = -1;
        before = next;
    }
    explorer.stuck = !interleave_all_ended();
    explorer.runs++;
}

/* False: that was the last. */
static bool interleave_next(void)
{
    while (explorer.depth > 0 &&
           explorer.path[explorer.depth - 1].choice + 1 == explorer.path[explorer.depth - 1].of)
        explorer.depth--;
    if (explorer.depth == 0)
        return false;
    explorer.path[explorer.depth - 1].choice++;
    explorer.known = explorer.depth;
    return true;
}

/* Runs `set` (which adds threads), all threads, and `check`, in every order. */
static uint64_t interleave_all(void (*set)(void *of), void (*check)(void *of), void *of,
                               int switches_max)
{
    explorer.switches_max = switches_max;
    explorer.runs = 0;
    explorer.known = 0;
    explorer.running = -1;
    do {
        explorer.count = 0;
        set(of);
        interleave_run();
        check(of);
    } while (interleave_next());
    for (int i = 0; i < INTERLEAVE_THREADS_MAX; i++) {
        free(explorer.threads[i].stack);
        explorer.threads[i].stack = NULL;
    }
    if (getenv("INTERLEAVE_TOLD") != NULL)
        fprintf(stderr, "%llu orders\n", (unsigned long long)explorer.runs);
    return explorer.runs;
}

#endif
