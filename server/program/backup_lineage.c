#include "server/program/backup_lineage.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "server/program/backup_file.h"

#define NAME  "restored"
#define FIRST "millrace-restored 1 "

bool backup_lineage_read(const char *store_dir, uint8_t lineage[16])
{
    char path[4200], word[33] = "";
    FILE *file;
    bool good;

    memset(lineage, 0, 16);
    snprintf(path, sizeof path, "%s/" NAME, store_dir);
    file = fopen(path, "re");
    if (file == NULL)
        return errno == ENOENT;
    good = fscanf(file, FIRST "%32[0-9a-f]", word) == 1 && strlen(word) == 32;
    fclose(file);
    for (unsigned i = 0; good && i < 16; i++) {
        unsigned value;

        good = sscanf(word + 2 * i, "%2x", &value) == 1;
        lineage[i] = (uint8_t)value;
    }
    return good;
}

bool backup_lineage_write(const char *store_dir, const uint8_t lineage[16])
{
    char text[64];
    int size = snprintf(text, sizeof text, FIRST);

    for (unsigned i = 0; i < 16; i++)
        size += snprintf(text + size, sizeof text - (size_t)size, "%02x", lineage[i]);
    text[size++] = '\n';
    return backup_file_write(store_dir, NAME, bytes_of((uint8_t *)text, (size_t)size));
}
