#include "server/stream/zones.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/heap.h"

#define DIRECTORY "/usr/share/zoneinfo/"

/* One that was found. */
struct known {
    struct zone zone;
    uint8_t name_size;
    uint8_t name[ZONE_NAME_MAX];
};

static struct bytes key(const void *item)
{
    const struct known *known = item;

    return bytes_of(known->name, known->name_size);
}

void zones_init(struct zones *zones, uint64_t seed)
{
    table_init(&zones->known, key, seed);
}

void zones_deinit(struct zones *zones)
{
    struct known *known;
    size_t at = 0;

    while ((known = table_next(&zones->known, &at)) != NULL) {
        zone_deinit(&known->zone);
        heap_give(known);
    }
    table_deinit(&zones->known);
}

static enum err read_file(struct bytes name, struct zone *zone)
{
    uint8_t *memory;
    char path[sizeof DIRECTORY + ZONE_NAME_MAX];
    enum err err = ERR_NOT_FOUND;
    ssize_t size;
    int file;

    snprintf(path, sizeof path, DIRECTORY "%.*s", BYTES_ARG(name));
    file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return err;
    memory = heap_take(ZONE_FILE_MAX);
    size = read(file, memory, ZONE_FILE_MAX);
    close(file);
    if (size > 0)
        err = zone_read(zone, bytes_of(memory, (size_t)size));
    heap_give(memory);
    return err;
}

const struct zone *zones_find(struct zones *zones, struct bytes name)
{
    struct known *known = table_find(&zones->known, name);
    struct zone zone = {0};

    if (known != NULL)
        return &known->zone;
    if (!zone_name_valid(name))
        return NULL;
    if (!bytes_equal(name, BYTES("UTC")) && read_file(name, &zone) != OK)
        return NULL;
    known = HEAP_NEW(struct known);
    known->zone = zone;
    known->name_size = (uint8_t)name.size;
    memcpy(known->name, name.at, name.size);
    table_add(&zones->known, known);
    return &known->zone;
}
