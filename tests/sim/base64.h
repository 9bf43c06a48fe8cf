/* base64: what the API's answers hold messages in, read without the server's own decoder. */
#ifndef TESTS_SIM_BASE64_H
#define TESTS_SIM_BASE64_H

#include "base/bytes.h"

/* Up to the end of the text, what is no digit, or `capacity`. Returns how many bytes it is. */
size_t base64_decode(struct bytes text, uint8_t *out, size_t capacity);

#endif
