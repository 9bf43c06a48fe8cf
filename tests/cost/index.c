/*
 * What the subject index costs by itself, without a server: memory, CPU of adding, of look-ups, of
 * state blocks.
 *
 *     build/tests/cost/index [messages [subjects [DIRECTORY [MIB]]]]
 *
 * Subjects in random order, as docs/index.md has it; without a directory everything stays in
 * memory, with one at most so much (index_cache; 64). Anonymous memory is what the system says
 * (RssAnon).
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/prng.h"
#include "base/scratch.h"
#include "storage/index.h"
#include "storage/index_cache.h"
#include "storage/index_capture.h"

#define BATCH     INDEX_EXPECT_MAX
#define LOOK_UPS  1000000u
#define EVENTS_OF 1000u /* subjects whose every message is read */

static double cpu_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double anonymous_mib(void)
{
    FILE *status = fopen("/proc/self/status", "r");
    char line[256];
    double kib = 0;

    while (status != NULL && fgets(line, sizeof line, status) != NULL) {
        if (sscanf(line, "RssAnon: %lf", &kib) == 1)
            break;
    }
    if (status != NULL)
        fclose(status);
    return kib / 1024;
}

static struct bytes subject_of(char text[32], uint64_t number)
{
    return bytes_of(text, (size_t)snprintf(text, 32, "orders.%07u", (unsigned)number));
}

/* As the server adds them: the subjects of a batch are announced. *worst is of the slowest batch.
 */
static double add(struct index *index, struct prng *prng, uint64_t messages, uint64_t subjects,
                  double *worst)
{
    char texts[BATCH][32];
    struct bytes names[BATCH];
    double begin = cpu_seconds();
    uint64_t sequence = 0;

    for (*worst = 0; sequence < messages;) {
        double before = cpu_seconds(), took;

        for (unsigned i = 0; i < BATCH; i++)
            names[i] = subject_of(texts[i], prng_below(prng, subjects));
        if (index_expects(index))
            index_expect(index, names, BATCH);
        for (unsigned i = 0; i < BATCH; i++) {
            struct index_entry entry = {.sequence = ++sequence,
                                        .time_ns = (int64_t)sequence,
                                        .place = sequence * 160,
                                        .record_size = 160,
                                        .stored_size = 120,
                                        .subject = names[i]};

            index_add(index, &entry);
        }
        took = cpu_seconds() - before;
        *worst = took > *worst ? took : *worst;
    }
    return cpu_seconds() - begin;
}

static double find_lasts(const struct index *index, struct prng *prng, uint64_t subjects)
{
    double begin = cpu_seconds();
    uint64_t sum = 0;

    for (unsigned i = 0; i < LOOK_UPS; i++) {
        struct index_subject counts;
        struct index_entry entry = {0};
        char text[32];

        index_subject(index, subject_of(text, prng_below(prng, subjects)), &counts);
        if (counts.count > 0)
            (void)index_get(index, counts.last, &entry);
        sum += entry.sequence;
    }
    if (sum == 0)
        puts("nothing was found");
    return cpu_seconds() - begin;
}

static double walk_events(const struct index *index, struct prng *prng, uint64_t subjects,
                          uint64_t *events)
{
    double begin = cpu_seconds();

    *events = 0;
    for (unsigned i = 0; i < EVENTS_OF; i++) {
        char text[32];
        struct bytes subject = subject_of(text, prng_below(prng, subjects));
        struct index_filter filter = {.subjects = &subject, .count = 1};
        struct index_entry entry = {0};

        while (index_next(index, &filter, entry.sequence + 1, &entry))
            ++*events;
    }
    return cpu_seconds() - begin;
}

/* As a state block has it, and into a second index, as a start does. */
static bool same_place(void *context, struct index_entry *entry)
{
    (void)context;
    return entry->record_size > 0;
}

static void capture(struct index *index, int directory, struct scratch *scratch, bool named)
{
    struct index_cache cache = {.limit = INDEX_CACHE_DEFAULT};
    struct spool *pieces = spool_create(directory), *rows = spool_create(directory);
    struct index *second = index_create(2);
    struct index_capture *capture;
    struct buf buf;
    double begin = cpu_seconds(), down, up;

    buf_init(&buf, SIZE_MAX);
    capture = index_capture_begin(index, &buf);
    named = named && index_capture_name(capture);
    while (index_capture_step(capture, 16))
        index_capture_spool(capture, pieces, rows);
    index_capture_spool(capture, pieces, rows);
    index_capture_end(capture);
    buf_deinit(&buf);
    down = cpu_seconds();
    if (scratch != NULL)
        index_use(second, scratch, &cache, INDEX_BITS);
    if (index_restore(second, spool_bytes(pieces), spool_bytes(rows), named, same_place, NULL) !=
            OK ||
        index_count(second) != index_count(index))
        puts("it is not what was taken down");
    up = cpu_seconds();
    printf("taken down%s    %.3f us a message, put back %.3f us; %.1f and %.1f bytes\n",
           named ? ", named" : "       ", (down - begin) / (double)index_count(index) * 1e6,
           (up - down) / (double)index_count(index) * 1e6,
           (double)spool_size(pieces) / (double)index_count(index),
           (double)spool_size(rows) / (double)index_count(index));
    index_destroy(second);
    spool_destroy(pieces);
    spool_destroy(rows);
}

int main(int argc, char **argv)
{
    uint64_t messages = argc > 1 ? strtoull(argv[1], NULL, 10) : 10000000, events;
    uint64_t subjects = argc > 2 ? strtoull(argv[2], NULL, 10) : 1000000;
    int directory = argc > 3 ? open(argv[3], O_RDONLY | O_DIRECTORY) : -1;
    struct scratch *scratch = directory >= 0 ? scratch_create(directory) : NULL;
    struct index_cache cache = {.limit = argc > 4 ? strtoull(argv[4], NULL, 10) << 20
                                                  : INDEX_CACHE_DEFAULT};
    struct index *index = index_create(1);
    double before = anonymous_mib(), seconds, worst, text_seconds;
    struct prng prng;

    if (argc > 3 && scratch == NULL) {
        fprintf(stderr, "%s takes no scratch memory\n", argv[3]);
        return EXIT_FAILURE;
    }
    if (scratch != NULL)
        index_use(index, scratch, &cache, INDEX_BITS);
    prng_seed(&prng, 1);
    text_seconds = cpu_seconds(); /* what this program itself costs is not the index's */
    for (uint64_t i = 0; i < messages; i++) {
        char text[32];

        (void)subject_of(text, prng_below(&prng, subjects));
    }
    text_seconds = cpu_seconds() - text_seconds;

    seconds = add(index, &prng, messages, subjects, &worst);
    printf("%llu messages of %llu subjects\n", (unsigned long long)index_count(index),
           (unsigned long long)index_subject_count(index));
    printf("anonymous memory     %.1f MiB\n", anonymous_mib() - before);
    printf("scratch memory       %.1f MiB of disk\n",
           scratch == NULL ? 0 : (double)scratch_space(scratch) / 1048576);
    printf("index cache          %.1f MiB in memory, %.1f MiB lent\n", (double)cache.held / 1048576,
           (double)cache.lent / 1048576);
    printf("adding a message     %.3f us of CPU, the slowest batch %.1f us\n",
           (seconds - text_seconds) / (double)messages * 1e6, worst * 1e6);
    seconds = find_lasts(index, &prng, subjects) - text_seconds * LOOK_UPS / (double)messages;
    printf("last of a subject    %.3f us\n", seconds / LOOK_UPS * 1e6);
    seconds = walk_events(index, &prng, subjects, &events);
    printf("each of its messages %.3f us\n", seconds / (double)events * 1e6);
    capture(index, directory, scratch, false);
    capture(index, directory, scratch, true);
    index_destroy(index);
    scratch_destroy(scratch);
    return EXIT_SUCCESS;
}
