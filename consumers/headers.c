#include "consumers/headers.h"

bool headers_find(struct bytes headers, struct bytes name, struct bytes *value)
{
    while (headers.size > 0) {
        size_t size = bytes_find(headers, '\n');
        struct bytes line = bytes_take(headers, size);

        headers = bytes_skip(headers, size < headers.size ? size + 1 : size);
        if (bytes_starts(line, name) && line.size > name.size && line.at[name.size] == ':') {
            *value = bytes_trim(bytes_skip(line, name.size + 1));
            return true;
        }
    }
    return false;
}
