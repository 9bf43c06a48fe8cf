#include "tests/sim/cluster_setting.h"

#include <assert.h>

bool setting_full(const struct setting *setting)
{
    return setting->count + 1 >= SETTING_CHANGES_MAX;
}

unsigned setting_asked(struct setting *setting, int64_t now_ns)
{
    assert(!setting_full(setting));
    setting->changes[++setting->count].asked_ns = now_ns;
    return setting->count;
}

void setting_confirmed(struct setting *setting, unsigned value, int64_t now_ns)
{
    setting->changes[value].confirmed_ns = now_ns;
}

void setting_shown(const struct setting *setting, struct report *report, unsigned stream,
                   unsigned value, int64_t asked_ns)
{
    if (value > setting->count) {
        report_violate(report, "stream S%u: its description is %u, which nobody asked for", stream,
                       value);
        return;
    }
    if (value > 0 && setting->changes[value].confirmed_ns == 0)
        return; /* whenever it happened */
    for (unsigned later = 1; later <= setting->count; later++) {
        int64_t confirmed_ns = setting->changes[later].confirmed_ns;

        if (later == value || confirmed_ns == 0 || confirmed_ns >= asked_ns ||
            setting->changes[later].asked_ns <= setting->changes[value].confirmed_ns)
            continue;
        report_violate(report, "stream S%u: its description is %u although %u was set after it",
                       stream, value, later);
        return;
    }
}
