#include "server/websocket/header.h"

#include "base/http_head.h"

struct bytes header_first(struct bytes headers, struct bytes name)
{
    struct bytes value;

    return http_head_next(&headers, name, &value) ? value : bytes_of(NULL, 0);
}

bool header_lists(struct bytes headers, struct bytes name, struct bytes token)
{
    struct bytes value;

    while (http_head_next(&headers, name, &value)) {
        while (value.size > 0) {
            size_t size = bytes_find(value, ',');

            if (bytes_equal_nocase(bytes_trim(bytes_take(value, size)), token))
                return true;
            value = bytes_skip(value, size == value.size ? size : size + 1);
        }
    }
    return false;
}

bool header_part_next(struct bytes *list, uint8_t separator, struct bytes *part)
{
    size_t size = bytes_find(*list, separator);

    if (list->size == 0)
        return false;
    *part = bytes_trim(bytes_take(*list, size));
    *list = bytes_skip(*list, size == list->size ? size : size + 1);
    return true;
}
