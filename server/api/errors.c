#include "server/api/api.h"

#define API_ERROR(err_code, code, description) {err_code, code, description},
static const struct api_error errors[] = {
#include "server/api/errors.inc"
};
#undef API_ERROR

#define ERROR_COUNT (sizeof errors / sizeof errors[0])

/* The table is in rising order of err_code. */
const struct api_error *api_error(uint16_t err_code)
{
    static const struct api_error unknown = {0, 500, ""};
    size_t low = 0, high = ERROR_COUNT;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (errors[middle].err_code == err_code)
            return &errors[middle];
        if (errors[middle].err_code < err_code)
            low = middle + 1;
        else
            high = middle;
    }
    return &unknown;
}
