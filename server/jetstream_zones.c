/* jetstream_zones: the time zones that schedules name, from the system's files, each read once. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/heap.h"
#include "server/jetstream_priv.h"

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

void jetstream_zones_init(struct jetstream *jetstream, uint64_t seed)
{
    table_init(&jetstream->zones, key, seed);
}

void jetstream_zones_deinit(struct jetstream *jetstream)
{
    struct known *known;
    size_t at = 0;

    while ((known = table_next(&jetstream->zones, &at)) != NULL) {
        zone_deinit(&known->zone);
        heap_give(known);
    }
    table_deinit(&jetstream->zones);
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

const struct zone *jetstream_zone(struct jetstream *jetstream, struct bytes name)
{
    struct known *known = table_find(&jetstream->zones, name);
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
    table_add(&jetstream->zones, known);
    return &known->zone;
}
