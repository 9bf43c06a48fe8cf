#include "server/program/notify.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* False: nobody wants to be told, or not in a way that we know. */
static bool address_of(const char *path, struct sockaddr_un *address, socklen_t *size)
{
    size_t length = path != NULL ? strlen(path) : 0;

    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (length < 2 || length >= sizeof(address->sun_path) || (path[0] != '/' && path[0] != '@'))
        return false;
    memcpy(address->sun_path, path, length);
    if (path[0] == '@')
        address->sun_path[0] = 0; /* the abstract namespace */
    *size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    return true;
}

static void tell(const char *text)
{
    struct sockaddr_un address;
    socklen_t size;
    int fd;

    if (!address_of(getenv("NOTIFY_SOCKET"), &address, &size))
        return;
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    (void)sendto(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT,
                 (const struct sockaddr *)&address, size);
    (void)close(fd);
}

void program_notify_ready(void)
{
    tell("READY=1");
}

void program_notify_reloading(void)
{
    struct timespec now = {0};
    char text[80];

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%lld",
             (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
    tell(text);
}

void program_notify_stopping(void)
{
    tell("STOPPING=1");
}
