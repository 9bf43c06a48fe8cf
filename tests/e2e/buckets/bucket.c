/*
 * One operation on a key-value bucket with libnats, for tests/e2e/buckets:
 *     bucket kvput|kvget|kvdel PORT BUCKET KEY [FILE]
 * Ends with 3 when there is no such key.
 */
#include <nats/nats.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALUE_MAX (1u << 20)

static void must(natsStatus status, const char *what)
{
    if (status == NATS_OK)
        return;
    fprintf(stderr, "%s: %s\n", what, natsStatus_GetText(status));
    exit(1);
}

static kvStore *open_bucket(jsCtx *js, const char *name)
{
    kvStore *kv = NULL;
    kvConfig config;

    if (js_KeyValue(&kv, js, name) == NATS_OK)
        return kv;
    kvConfig_Init(&config);
    config.Bucket = name;
    config.History = 5;
    must(js_CreateKeyValue(&kv, js, &config), "create");
    return kv;
}

static void put(kvStore *kv, const char *key, const char *path)
{
    char *value = malloc(VALUE_MAX);
    FILE *file = fopen(path, "rb");
    size_t size;

    if (file == NULL || value == NULL)
        exit(1);
    size = fread(value, 1, VALUE_MAX, file);
    fclose(file);
    must(kvStore_Put(NULL, kv, key, value, (int)size), "put");
    free(value);
}

static int get(kvStore *kv, const char *key, const char *path)
{
    kvEntry *entry = NULL;
    natsStatus status = kvStore_Get(&entry, kv, key);
    FILE *file;

    if (status == NATS_NOT_FOUND)
        return 3;
    must(status, "get");
    file = fopen(path, "wb");
    if (file == NULL)
        exit(1);
    fwrite(kvEntry_Value(entry), 1, (size_t)kvEntry_ValueLen(entry), file);
    fclose(file);
    kvEntry_Destroy(entry);
    return 0;
}

int main(int argc, char **argv)
{
    natsConnection *connection = NULL;
    jsCtx *js = NULL;
    kvStore *kv;
    char url[64];
    int status = 0;

    if (argc < 5)
        return 2;
    snprintf(url, sizeof url, "nats://127.0.0.1:%.8s", argv[2]);
    must(natsConnection_ConnectTo(&connection, url), "connect");
    must(natsConnection_JetStream(&js, connection, NULL), "JetStream");
    kv = open_bucket(js, argv[3]);
    if (strcmp(argv[1], "kvdel") == 0)
        must(kvStore_Delete(kv, argv[4]), "delete");
    else if (argc < 6)
        status = 2;
    else if (strcmp(argv[1], "kvput") == 0)
        put(kv, argv[4], argv[5]);
    else
        status = get(kv, argv[4], argv[5]);
    kvStore_Destroy(kv);
    jsCtx_Destroy(js);
    natsConnection_Destroy(connection);
    nats_Close();
    return status;
}
