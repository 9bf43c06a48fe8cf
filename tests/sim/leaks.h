/*
 * leaks: what a server leaves behind when it ends in the middle of a read or of a work, for the
 * leak sanitizer. The memory is the disk's until the io ends, and then nobody is told: the process
 * ends, too, except in a simulation. Include it once in a program that crashes servers.
 */
#ifndef TESTS_SIM_LEAKS_H
#define TESTS_SIM_LEAKS_H

const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:read_from_disk\n"        /* server/stream/delivery.c */
           "leak:stream_read\n"           /* server/stream/reader.c */
           "leak:start_read\n"            /* server/stream/direct.c */
           "leak:fetch_message\n"         /* server/stream/schedule_fire.c */
           "leak:stream_counter_gather\n" /* server/stream/counter_gather.c */
           "leak:api_request_make\n"      /* server/api/request.c */
           "leak:scrub_create\n"          /* server/stream/scrub.c */
           "leak:scrub_step\n"
           "leak:prepare\n"; /* server/jetstream/jetstream_catalogue.c, on a worker */
}

#endif
