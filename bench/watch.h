/*
 * watch: what the measured server costs, seen from outside.
 *
 * CPU time is the server's process clock, which counts user and system time of all its threads, the
 * ended ones too, in nanoseconds (/proc/PID/stat counts ticks of 10 ms).
 */
#ifndef BENCH_WATCH_H
#define BENCH_WATCH_H

#include <stdint.h>
#include <sys/types.h>

/* All of these end the program when the process is gone: there is nothing left to measure. */
uint64_t watch_cpu_ns(pid_t pid);
uint64_t watch_rss_anon(pid_t pid); /* bytes of anonymous memory in use */
uint64_t watch_rss(pid_t pid);      /* bytes of all memory in use, files and shared memory too */

/* CPU time that the whole machine has spent, on anything but idling and waiting. What is more than
 * the server's and the load generator's says how disturbed a measurement was. */
uint64_t watch_machine_ns(void);

uint64_t clock_ns(void); /* monotonic */

#endif
