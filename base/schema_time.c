#include "base/schema_time.h"

#include <stdio.h>

#define LAYOUT "2006-01-02T15:04:05Z07:00"

/* One element of the layout: digits within bounds, or a literal. */
struct element {
    const char *layout;
    size_t digits; /* 0: the layout literally */
    uint64_t low, high;
    const char *range; /* what is out of range; NULL: checked elsewhere */
};

static const struct element elements[] = {
    {"2006", 4, 0, 9999, NULL}, {"-", 0, 0, 0, NULL},       {"01", 2, 1, 12, "month"},
    {"-", 0, 0, 0, NULL},       {"02", 2, 0, 99, NULL},     {"T", 0, 0, 0, NULL},
    {"15", 2, 0, 23, "hour"},   {":", 0, 0, 0, NULL},       {"04", 2, 0, 59, "minute"},
    {":", 0, 0, 0, NULL},       {"05", 2, 0, 59, "second"},
};

static bool digit(struct bytes text, size_t at)
{
    return at < text.size && text.at[at] >= '0' && text.at[at] <= '9';
}

static bool read_element(const struct element *element, struct bytes text, uint64_t *value)
{
    if (element->digits == 0)
        return bytes_starts(text, bytes_of_text(element->layout));
    return text.size >= element->digits && bytes_read_u64(bytes_take(text, element->digits), value);
}

static void cannot_parse(struct bytes whole, struct bytes rest, const char *layout,
                         struct json_error *error)
{
    snprintf(error->text, sizeof error->text,
             "parsing time \"%.*s\" as \"" LAYOUT "\": cannot parse \"%.*s\" as \"%s\"",
             BYTES_ARG(whole), BYTES_ARG(rest), layout);
}

static void out_of_range(struct bytes whole, const char *what, struct json_error *error)
{
    snprintf(error->text, sizeof error->text, "parsing time \"%.*s\": %s out of range",
             BYTES_ARG(whole), what);
}

static struct bytes skip_fraction(struct bytes rest)
{
    size_t at = 1;

    if (rest.size < 2 || (rest.at[0] != '.' && rest.at[0] != ',') || !digit(rest, 1))
        return rest;
    while (digit(rest, at))
        at++;
    return bytes_skip(rest, at);
}

/* How much of `rest` is a zone: "Z" or "+hh:mm"; 0: it is none. */
static size_t zone_size(struct bytes rest)
{
    if (rest.size > 0 && rest.at[0] == 'Z')
        return 1;
    if (rest.size < 6 || (rest.at[0] != '+' && rest.at[0] != '-') || rest.at[3] != ':')
        return 0;
    return digit(rest, 1) && digit(rest, 2) && digit(rest, 4) && digit(rest, 5) ? 6 : 0;
}

void schema_time_error(struct bytes text, struct json_error *error)
{
    struct bytes rest = text;
    size_t zone;

    for (size_t i = 0; i < sizeof elements / sizeof elements[0]; i++) {
        const struct element *element = &elements[i];
        uint64_t value = 0;

        if (!read_element(element, rest, &value)) {
            cannot_parse(text, rest, element->layout, error);
            return;
        }
        if (element->range != NULL && (value < element->low || value > element->high)) {
            out_of_range(text, element->range, error);
            return;
        }
        rest = bytes_skip(rest, element->digits > 0 ? element->digits : 1);
    }
    rest = skip_fraction(rest);
    zone = zone_size(rest);
    if (zone == 0)
        cannot_parse(text, rest, "Z07:00", error);
    else if (rest.size > zone)
        snprintf(error->text, sizeof error->text, "parsing time \"%.*s\": extra text: \"%.*s\"",
                 BYTES_ARG(text), BYTES_ARG(bytes_skip(rest, zone)));
    else
        out_of_range(text, "day", error); /* what is left to be wrong */
}
