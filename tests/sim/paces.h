/* paces: what a server does now and then it does often in a simulation. */
#ifndef TESTS_SIM_PACES_H
#define TESTS_SIM_PACES_H

#define SPACE_LOOK_NS INT64_C(150000000)

#endif
