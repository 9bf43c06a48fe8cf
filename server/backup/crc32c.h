/* crc32c: CRC-32C (Castagnoli), by the processor where it can. Pure. */
#ifndef SERVER_BACKUP_CRC32C_H
#define SERVER_BACKUP_CRC32C_H

#include "base/bytes.h"

uint32_t crc32c(struct bytes bytes);
/* The same without the processor's help. */
uint32_t crc32c_plain(struct bytes bytes);

#endif
