#include "tests/sim/report.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/io_sim.h"

void report_say(const struct report *report, const char *format, ...)
{
    va_list arguments;

    if (!report->loud)
        return;
    printf("%10.6f ", (double)sim_now(report->sim) / 1e9);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
}

void report_violate(struct report *report, const char *format, ...)
{
    va_list arguments;

    if (!report_good(report))
        return;
    va_start(arguments, format);
    vsnprintf(report->violation, sizeof report->violation, format, arguments);
    va_end(arguments);
    report_say(report, "VIOLATION: %s", report->violation);
}

bool report_good(const struct report *report)
{
    return report->violation[0] == 0;
}
