/* Key-value buckets with libnats. */
#include "tests/e2e/c/fixture.h"

#include <string.h>

static kvStore *bucket(struct fixture *f, uint8_t history)
{
    kvConfig config;
    kvStore *kv = NULL;

    ok(kvConfig_Init(&config));
    config.Bucket = "B";
    config.History = history;
    ok(js_CreateKeyValue(&kv, f->js, &config));
    return kv;
}

static void expect_value(kvStore *kv, const char *key, const char *value, uint64_t revision)
{
    kvEntry *entry = NULL;

    ok(kvStore_Get(&entry, kv, key));
    check(strcmp(kvEntry_ValueString(entry), value) == 0);
    check(kvEntry_Revision(entry) == revision);
    kvEntry_Destroy(entry);
}

static void a_put_is_what_a_get_finds(struct fixture *f)
{
    kvStore *kv = bucket(f, 1);
    kvEntry *entry = NULL;
    uint64_t revision = 0;

    for (uint64_t i = 1; i <= 5; i++) {
        ok(kvStore_PutString(&revision, kv, "key", i % 2 == 0 ? "even" : "odd"));
        check(revision == i);
        expect_value(kv, "key", i % 2 == 0 ? "even" : "odd", i);
    }
    gives(NATS_NOT_FOUND, kvStore_Get(&entry, kv, "none"));
    kvStore_Destroy(kv);
}

static void create_and_update_check_the_revision(struct fixture *f)
{
    kvStore *kv = bucket(f, 1);
    uint64_t revision = 0;

    ok(kvStore_CreateString(&revision, kv, "k", "1"));
    check(kvStore_CreateString(NULL, kv, "k", "2") != NATS_OK);
    ok(kvStore_UpdateString(&revision, kv, "k", "2", revision));
    check(kvStore_UpdateString(NULL, kv, "k", "3", revision - 1) != NATS_OK);
    expect_value(kv, "k", "2", revision);
    ok(kvStore_Delete(kv, "k"));
    ok(kvStore_CreateString(&revision, kv, "k", "again"));
    expect_value(kv, "k", "again", revision);
    kvStore_Destroy(kv);
}

static void deleted_and_purged_keys_are_not_found(struct fixture *f)
{
    kvStore *kv = bucket(f, 5);
    kvEntry *entry = NULL;
    kvEntryList history = {NULL, 0};

    ok(kvStore_PutString(NULL, kv, "a", "1"));
    ok(kvStore_PutString(NULL, kv, "a", "2"));
    ok(kvStore_Delete(kv, "a"));
    gives(NATS_NOT_FOUND, kvStore_Get(&entry, kv, "a"));
    ok(kvStore_History(&history, kv, "a", NULL));
    check(history.Count == 3);
    kvEntryList_Destroy(&history);
    ok(kvStore_Purge(kv, "a", NULL));
    gives(NATS_NOT_FOUND, kvStore_Get(&entry, kv, "a"));
    ok(kvStore_History(&history, kv, "a", NULL));
    check(history.Count == 1);
    kvEntryList_Destroy(&history);
    kvStore_Destroy(kv);
}

static void keys_are_listed(struct fixture *f)
{
    kvStore *kv = bucket(f, 1);
    kvKeysList keys = {NULL, 0};

    for (int i = 0; i < 10; i++) {
        char key[16];

        snprintf(key, sizeof key, "k.%d", i);
        ok(kvStore_PutString(NULL, kv, key, "x"));
    }
    ok(kvStore_Delete(kv, "k.3"));
    ok(kvStore_Keys(&keys, kv, NULL));
    check(keys.Count == 9);
    kvKeysList_Destroy(&keys);
    kvStore_Destroy(kv);
}

static void expect_entry(kvWatcher *watcher, const char *key, const char *value)
{
    kvEntry *entry = NULL;

    ok(kvWatcher_Next(&entry, watcher, WAIT_MS));
    if (key == NULL) {
        check(entry == NULL); /* all that was there has been shown */
        return;
    }
    check(strcmp(kvEntry_Key(entry), key) == 0);
    check(strcmp(kvEntry_ValueString(entry), value) == 0);
    kvEntry_Destroy(entry);
}

static void a_watch_shows_what_is_there_and_what_changes(struct fixture *f)
{
    kvStore *kv = bucket(f, 1);
    kvWatcher *watcher = NULL;

    ok(kvStore_PutString(NULL, kv, "a", "1"));
    ok(kvStore_PutString(NULL, kv, "b", "1"));
    ok(kvStore_PutString(NULL, kv, "a", "2"));
    ok(kvStore_WatchAll(&watcher, kv, NULL));
    expect_entry(watcher, "b", "1");
    expect_entry(watcher, "a", "2");
    expect_entry(watcher, NULL, NULL);
    ok(kvStore_PutString(NULL, kv, "c", "1"));
    expect_entry(watcher, "c", "1");
    kvWatcher_Destroy(watcher);
    kvStore_Destroy(kv);
}

static void a_bucket_survives_a_kill(struct fixture *f)
{
    kvStore *kv = bucket(f, 1);
    uint64_t revision = 0;

    for (int i = 0; i < 50; i++)
        ok(kvStore_PutString(&revision, kv, i % 2 == 0 ? "even" : "odd", "x"));
    ok(kvStore_PutString(&revision, kv, "odd", "last"));
    fixture_kill_and_restart(f);
    expect_value(kv, "odd", "last", revision);
    ok(kvStore_UpdateString(&revision, kv, "odd", "next", revision));
    check(revision == 52);
    kvStore_Destroy(kv);
}

const struct test tests_bucket[] = {
    {"a put is what a get finds", a_put_is_what_a_get_finds},
    {"create and update check the revision", create_and_update_check_the_revision},
    {"deleted and purged keys are not found", deleted_and_purged_keys_are_not_found},
    {"keys are listed", keys_are_listed},
    {"a watch shows what is there and what changes", a_watch_shows_what_is_there_and_what_changes},
    {"a bucket survives a kill", a_bucket_survives_a_kill},
    {NULL, NULL},
};
