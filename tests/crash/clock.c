/*
 * clock: wall time as a test wishes it, for one process.
 *
 *     LD_PRELOAD=clock.so MILLRACE_CLOCK=FILE program
 *
 * FILE holds one i64, little endian: nanoseconds that are added to the wall clock whenever the
 * program looks at it. Whoever writes the file sets the clock. Monotonic time is left as it is.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SECOND_NS INT64_C(1000000000)

/* Asked for by the dynamic linker, so they are nobody's prototypes but libc's. */
static int (*real_gettime)(clockid_t, struct timespec *);
static const volatile int64_t *offset_ns;

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("MILLRACE_CLOCK");
    int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;

    *(void **)&real_gettime = dlsym(RTLD_NEXT, "clock_gettime");
    if (fd < 0)
        return;
    offset_ns = mmap(NULL, sizeof *offset_ns, PROT_READ, MAP_SHARED, fd, 0);
    if (offset_ns == MAP_FAILED) {
        perror("clock");
        _exit(1);
    }
    close(fd);
}

int clock_gettime(clockid_t id, struct timespec *spec)
{
    int64_t ns;

    if (real_gettime(id, spec) != 0)
        return -1;
    if (offset_ns == NULL || (id != CLOCK_REALTIME && id != CLOCK_REALTIME_COARSE))
        return 0;
    ns = spec->tv_sec * SECOND_NS + spec->tv_nsec + *offset_ns;
    spec->tv_sec = ns / SECOND_NS;
    spec->tv_nsec = ns % SECOND_NS;
    return 0;
}

int gettimeofday(struct timeval *restrict value, void *restrict zone)
{
    struct timespec spec;

    (void)zone;
    (void)clock_gettime(CLOCK_REALTIME, &spec);
    value->tv_sec = spec.tv_sec;
    value->tv_usec = spec.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *out)
{
    struct timespec spec;

    (void)clock_gettime(CLOCK_REALTIME, &spec);
    if (out != NULL)
        *out = spec.tv_sec;
    return spec.tv_sec;
}
