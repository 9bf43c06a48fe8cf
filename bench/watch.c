#include "bench/watch.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static uint64_t to_ns(struct timespec ts)
{
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t clock_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return to_ns(ts);
}

uint64_t watch_cpu_ns(pid_t pid)
{
    struct timespec ts;
    clockid_t clock;

    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &ts) != 0) {
        fprintf(stderr, "load: process %d cannot be watched\n", (int)pid);
        exit(1);
    }
    return to_ns(ts);
}

/* The value of a "Key:   123 kB" line of /proc/PID/status, in bytes. */
static uint64_t status_bytes(pid_t pid, const char *key)
{
    char path[64];
    char line[256];
    uint64_t kib;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    file = fopen(path, "r");
    if (!file) {
        perror(path);
        exit(1);
    }
    while (fgets(line, sizeof line, file)) {
        size_t size = strlen(key);

        if (strncmp(line, key, size) == 0 && sscanf(line + size, " %" SCNu64, &kib) == 1) {
            fclose(file);
            return kib * 1024;
        }
    }
    fprintf(stderr, "load: no %s in %s\n", key, path);
    exit(1);
}

uint64_t watch_machine_ns(void)
{
    uint64_t user, nice, system, idle, wait, irq, softirq, steal;
    FILE *file = fopen("/proc/stat", "r");
    int count;

    if (!file) {
        perror("/proc/stat");
        exit(1);
    }
    count = fscanf(file,
                   "cpu %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
                   " %" SCNu64 " %" SCNu64,
                   &user, &nice, &system, &idle, &wait, &irq, &softirq, &steal);
    fclose(file);
    if (count != 8) {
        fprintf(stderr, "load: /proc/stat is not as expected\n");
        exit(1);
    }
    return (user + nice + system + irq + softirq + steal) * 1000000000u /
           (uint64_t)sysconf(_SC_CLK_TCK);
}

uint64_t watch_rss_anon(pid_t pid)
{
    return status_bytes(pid, "RssAnon:");
}

uint64_t watch_rss(pid_t pid)
{
    return status_bytes(pid, "VmRSS:");
}
