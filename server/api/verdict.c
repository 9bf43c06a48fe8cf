#include "server/api/verdict.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool verdict_refuse(struct verdict *verdict, uint16_t error, const char *format, ...)
{
    va_list values;

    verdict->error = error;
    va_start(values, format);
    vsnprintf(verdict->text, sizeof verdict->text, format, values);
    va_end(values);
    return false;
}

bool verdict_refuse_plain(struct verdict *verdict, uint16_t error)
{
    verdict->error = error;
    verdict->text[0] = 0;
    return false;
}

bool verdict_name_clean(struct bytes name)
{
    for (size_t i = 0; i < name.size; i++) {
        if (memchr(" \t\r\n\f.*>\\/", name.at[i], 10) != NULL)
            return false;
    }
    return true;
}

size_t verdict_metadata_size(const struct schema_map *metadata)
{
    size_t size = 0;

    for (size_t i = 0; i < metadata->count; i++)
        size += metadata->keys[i].size + metadata->values[i].size;
    return size;
}
