#include "cli/human.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include "base/text.h"
#include "cli/plain.h"

#define SECOND_NS INT64_C(1000000000)

const char *human_count(struct cli *cli, uint64_t value)
{
    char plain[24], out[40];
    size_t size = (size_t)snprintf(plain, sizeof(plain), "%llu", (unsigned long long)value);
    size_t at = 0;

    for (size_t i = 0; i < size; i++) {
        if (i > 0 && (size - i) % 3 == 0)
            out[at++] = ',';
        out[at++] = plain[i];
    }
    return cli_text(cli, bytes_of(out, at));
}

const char *human_size(struct cli *cli, uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double value = (double)bytes;
    size_t unit = 0;

    while (value >= 1024 && unit + 1 < sizeof(units) / sizeof(units[0])) {
        value /= 1024;
        unit++;
    }
    if (unit == 0)
        return cli_print(cli, "%llu B", (unsigned long long)bytes);
    return cli_print(cli, value < 10 ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

const char *human_duration(struct cli *cli, int64_t ns)
{
    uint64_t s = (uint64_t)(ns / SECOND_NS);

    if (ns < 0)
        return cli_print(cli, "-%s", human_duration(cli, ns == INT64_MIN ? INT64_MAX : -ns));
    if (ns < 1000)
        return cli_print(cli, "%lldns", (long long)ns);
    if (ns < 1000000)
        return cli_print(cli, "%.2fµs", (double)ns / 1e3);
    if (ns < SECOND_NS)
        return cli_print(cli, "%.2fms", (double)ns / 1e6);
    if (s < 60)
        return cli_print(cli, "%.2fs", (double)ns / 1e9);
    if (s < 3600)
        return cli_print(cli, "%llum%llus", (unsigned long long)(s / 60),
                         (unsigned long long)(s % 60));
    if (s < 86400)
        return cli_print(cli, "%lluh%llum%llus", (unsigned long long)(s / 3600),
                         (unsigned long long)(s / 60 % 60), (unsigned long long)(s % 60));
    return cli_print(cli, "%llud%lluh%llum%llus", (unsigned long long)(s / 86400),
                     (unsigned long long)(s / 3600 % 24), (unsigned long long)(s / 60 % 60),
                     (unsigned long long)(s % 60));
}

const char *human_time(struct cli *cli, struct bytes rfc3339)
{
    int64_t ns;
    struct tm tm;
    time_t seconds;
    char text[40];

    if (!text_read_time(rfc3339, &ns) || ns == TIME_UNSET)
        return "never";
    seconds = (time_t)(ns / SECOND_NS);
    (void)localtime_r(&seconds, &tm);
    return cli_text(cli, bytes_of(text, strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm)));
}

const char *human_ago(struct cli *cli, struct bytes rfc3339)
{
    struct timespec now;
    int64_t ns;

    if (!text_read_time(rfc3339, &ns) || ns == TIME_UNSET)
        return "never";
    (void)clock_gettime(CLOCK_REALTIME, &now);
    ns = (int64_t)now.tv_sec * SECOND_NS + now.tv_nsec - ns;
    return human_duration(cli, ns > 0 ? ns : 0);
}

const char *human_limit(struct cli *cli, int64_t value)
{
    return value <= 0 ? "unlimited" : human_count(cli, (uint64_t)value);
}

const char *human_size_limit(struct cli *cli, int64_t value)
{
    return value <= 0 ? "unlimited" : human_size(cli, (uint64_t)value);
}

const char *human_ns_limit(struct cli *cli, int64_t ns)
{
    return ns <= 0 ? "unlimited" : human_duration(cli, ns);
}

const char *human_title(struct cli *cli, struct bytes word)
{
    char *copy = (char *)(uintptr_t)cli_text(cli, word);

    copy[0] = (char)toupper((unsigned char)copy[0]);
    return copy;
}

void human_row(unsigned width, const char *name, const char *format, ...)
{
    va_list list;
    char *text = NULL;
    int size;

    va_start(list, format);
    size = vasprintf(&text, format, list);
    va_end(list);
    assert(size >= 0);
    plain_make(text, (size_t)size);
    printf("%*s: %s\n", (int)width, name, text);
    free(text);
}
