#include "server/program/files.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "server/server.h"

#define PATH_SIZE 2200u

/* ---- configuration -------------------------------------------------------------------------- */

static bool read_descriptor(int descriptor, struct arena *arena, struct bytes *content)
{
    struct stat stat;
    uint8_t *at;
    size_t size = 0;
    ssize_t got = 0;

    errno = EFBIG;
    if (fstat(descriptor, &stat) != 0 || stat.st_size > (off_t)CONFIG_FILE_SIZE_MAX)
        return false;
    if (S_ISDIR(stat.st_mode)) {
        errno = EISDIR;
        return false;
    }
    at = arena_take(arena, (size_t)stat.st_size + 1);
    if (at == NULL)
        return false;
    while (size < (size_t)stat.st_size &&
           (got = read(descriptor, at + size, (size_t)stat.st_size - size)) > 0)
        size += (size_t)got;
    *content = bytes_of(at, size);
    return got >= 0;
}

/* As Go words the common ones. */
static void say_why(char reason[128])
{
    switch (errno) {
    case ENOENT: snprintf(reason, 128, "no such file or directory"); break;
    case EACCES: snprintf(reason, 128, "permission denied"); break;
    case EISDIR: snprintf(reason, 128, "is a directory"); break;
    default: snprintf(reason, 128, "%s", strerror(errno)); break;
    }
}

static bool source_read(void *context, const char *path, struct arena *arena, struct bytes *content,
                        char reason[128])
{
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    bool read;

    (void)context;
    read = descriptor >= 0 && read_descriptor(descriptor, arena, content);
    if (!read)
        say_why(reason);
    if (descriptor >= 0)
        (void)close(descriptor);
    return read;
}

static const char *source_environment(void *context, const char *name)
{
    (void)context;
    return getenv(name);
}

const struct config_source program_source = {source_read, source_environment, NULL};

void program_place_store(struct options *options)
{
    const char *temporary = getenv("TMPDIR");
    struct options usual;
    int size;

    options_default(&usual);
    if (temporary == NULL || temporary[0] == 0 || strcmp(options->store_dir, usual.store_dir) != 0)
        return;
    size = snprintf(options->store_dir, sizeof(options->store_dir), "%s/nats/jetstream", temporary);
    if (size < 0 || (size_t)size >= sizeof(options->store_dir))
        memcpy(options->store_dir, usual.store_dir, sizeof(options->store_dir));
}

void program_warn_temporary_store(const struct options *options, const struct logger *logger)
{
    struct options usual;

    options_default(&usual);
    program_place_store(&usual);
    if (strcmp(options->store_dir, usual.store_dir) == 0)
        logger_warn(logger,
                    "Temporary storage directory used, data could be lost on system reboot");
}

/* ---- files about the process ---------------------------------------------------------------- */

/* False: errno says why. */
static bool write_file(const char *path, struct bytes text)
{
    int descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    ssize_t written;

    if (descriptor < 0)
        return false;
    written = write(descriptor, text.at, text.size);
    if (written >= 0 && (size_t)written < text.size)
        errno = ENOSPC;
    (void)close(descriptor); /* nothing rests on these files surviving a crash */
    return written == (ssize_t)text.size;
}

/* Decimal and nothing else: readers take the whole file for a number. */
bool program_write_pid(const struct options *options, const struct logger *logger)
{
    char text[24];

    if (options->pid_file[0] == 0)
        return true;
    snprintf(text, sizeof(text), "%ld", (long)getpid());
    if (write_file(options->pid_file, bytes_of_text(text)))
        return true;
    logger_fatal(logger, "Could not write pidfile: open %s: %s", options->pid_file,
                 strerror(errno));
    return false;
}

static void ports_path(const struct options *options, const char *program, char path[PATH_SIZE])
{
    const char *slash = strrchr(program, '/');

    snprintf(path, PATH_SIZE, "%s/%.255s_%ld.ports", options->ports_file_dir,
             slash != NULL ? slash + 1 : program, (long)getpid());
}

static void ports_url(struct json_writer *writer, const char *scheme, const char *host,
                      uint16_t port)
{
    bool brackets = strchr(host, ':') != NULL;
    char url[320];

    snprintf(url, sizeof(url), "%s://%s%s%s:%u", scheme, brackets ? "[" : "", host,
             brackets ? "]" : "", port);
    json_string(writer, bytes_of_text(url));
}

/* Whoever listens everywhere is reached at each address of this machine. */
static void ports_everywhere(struct json_writer *writer, const char *scheme, uint16_t port)
{
    struct ifaddrs *all, *at;
    char host[INET6_ADDRSTRLEN];

    if (getifaddrs(&all) != 0) {
        ports_url(writer, scheme, "127.0.0.1", port);
        return;
    }
    for (at = all; at != NULL; at = at->ifa_next) {
        int family = at->ifa_addr != NULL ? at->ifa_addr->sa_family : AF_UNSPEC;
        const void *address = (const void *)&((const struct sockaddr_in *)at->ifa_addr)->sin_addr;

        if (family == AF_INET6)
            address = (const void *)&((const struct sockaddr_in6 *)at->ifa_addr)->sin6_addr;
        if ((family == AF_INET || family == AF_INET6) &&
            inet_ntop(family, address, host, sizeof(host)) != NULL)
            ports_url(writer, scheme, host, port);
    }
    freeifaddrs(all);
}

/* "nats":["nats://127.0.0.1:4222"]: addresses that a client on this machine can use. */
static void ports_entry(struct json_writer *writer, struct bytes key, const char *scheme,
                        const char *host, uint16_t port)
{
    if (port == 0)
        return;
    json_key(writer, key);
    json_array_begin(writer);
    if (strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0)
        ports_everywhere(writer, scheme, port);
    else
        ports_url(writer, scheme, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, port);
    json_array_end(writer);
}

void program_write_ports(const struct options *options, const char *program,
                         const struct server *server, const struct logger *logger)
{
    const char *leaf_host = options->leaf.host[0] != 0 ? options->leaf.host : "0.0.0.0";
    const char *http_host = options->http_host[0] != 0 ? options->http_host : options->host;
    const char *cluster_host =
        options->cluster.host != NULL ? options->cluster.host : options->host;
    struct json_writer writer;
    char path[PATH_SIZE];
    struct buf text;

    if (options->ports_file_dir[0] == 0)
        return;
    buf_init(&text, 64u << 10);
    json_writer_init(&writer, &text);
    json_object_begin(&writer);
    ports_entry(&writer, BYTES("nats"), options->tls != NULL ? "tls" : "nats", options->host,
                server_port(server));
    if (server_https_port(server) != 0)
        ports_entry(&writer, BYTES("monitoring"), "https", http_host, server_https_port(server));
    else
        ports_entry(&writer, BYTES("monitoring"), "http", http_host, server_http_port(server));
    ports_entry(&writer, BYTES("cluster"), "nats", cluster_host, server_cluster_port(server));
    ports_entry(&writer, BYTES("websocket"), options->websocket.tls != NULL ? "wss" : "ws",
                options->websocket.host[0] != 0 ? options->websocket.host : options->host,
                server_websocket_port(server));
    ports_entry(&writer, BYTES("leafnodes"), "nats", leaf_host, server_leaf_port(server));
    json_object_end(&writer);
    ports_path(options, program, path);
    if (!write_file(path, buf_bytes(&text)))
        logger_error(logger, "Error writing ports file (%s): open %s: %s", path, path,
                     strerror(errno));
    buf_deinit(&text);
}

void program_remove_ports(const struct options *options, const char *program,
                          const struct logger *logger)
{
    char path[PATH_SIZE];

    if (options->ports_file_dir[0] == 0)
        return;
    ports_path(options, program, path);
    if (unlink(path) != 0)
        logger_error(logger, "Error cleaning up ports file %s: remove %s: %s", path, path,
                     strerror(errno));
}
