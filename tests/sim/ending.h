/*
 * ending: a run that ends the process by a signal (an assertion, a fault, an alarm) prints which
 * seed it was, and that it failed.
 */
#ifndef TESTS_SIM_ENDING_H
#define TESTS_SIM_ENDING_H

#include <stdint.h>

void ending_watch(void);
void ending_ignore(void); /* as it was, for a process whose parent looks at how it ends */
/* What runs from now on. */
void ending_seed(uint64_t seed);

#endif
