/* tests/storage/test_archive.c - sealed records, with a sealer as real as libsodium makes it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "storage/archive.h"
#include "storage/store.h"
#include "tests/storage/bundles.h"
#include "tests/storage/kind.h"
#include "tests/support/check.h"

struct keys { uint8_t seal[32], name[32]; };

enum { NONCE_LEN = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, MAC_LEN = crypto_aead_xchacha20poly1305_ietf_ABYTES };

static void key_hash(void *ctx, unsigned kind, struct bytes name, uint8_t out[16])
{
    struct keys *k = ctx;
    uint8_t prefix[4] = { (uint8_t)kind, (uint8_t)(kind >> 8), 0, 0 };
    crypto_generichash_state st;

    crypto_generichash_init(&st, k->name, sizeof k->name, 16);
    crypto_generichash_update(&st, prefix, sizeof prefix);
    if (name.len > 0)
        crypto_generichash_update(&st, name.at, name.len);
    crypto_generichash_final(&st, out, 16);
}

static void bind_to(uint8_t ad[20], unsigned kind, const uint8_t key[16])
{
    memset(ad, 0, 20);
    ad[0] = (uint8_t)kind;
    memcpy(ad + 4, key, 16);
}

static enum err seal(void *ctx, unsigned kind, const uint8_t key[16], struct bytes plain, uint8_t *out)
{
    struct keys *k = ctx;
    uint8_t ad[20];

    bind_to(ad, kind, key);
    randombytes_buf(out, NONCE_LEN);
    crypto_aead_xchacha20poly1305_ietf_encrypt(out + NONCE_LEN, NULL, plain.at, plain.len, ad, sizeof ad, NULL, out, k->seal);
    return ERR_NONE;
}

static enum err open_sealed(void *ctx, unsigned kind, const uint8_t key[16], struct bytes sealed, uint8_t *out)
{
    struct keys *k = ctx;
    uint8_t ad[20];

    bind_to(ad, kind, key);
    int rc = crypto_aead_xchacha20poly1305_ietf_decrypt(out, NULL, NULL, sealed.at + NONCE_LEN, sealed.len - NONCE_LEN,
                                                        ad, sizeof ad, sealed.at, k->seal);
    return rc == 0 ? ERR_NONE : ERR_AUTH;
}

static struct keys keys;
static const struct archive_sealer sealer = { &keys, NONCE_LEN + MAC_LEN, key_hash, seal, open_sealed };

static struct bytes text(const char *t)
{
    return bytes_of_text(t);
}

static struct archive *archive_of(struct db *db)
{
    struct archive *a = NULL;

    REQUIRE(archive_open(&a, db, &sealer) == ERR_NONE);
    return a;
}

static void test_records(void)
{
    struct db *db = kind_open(NULL);
    struct archive *a = archive_of(db);
    struct bytes v = text("untouched");

    CHECK_ERR("nothing there", archive_get(a, ARCHIVE_FRIEND, text("ana"), &v), ERR_NOT_FOUND);
    CHECK_BYTES("untouched", v, text("untouched"));
    CHECK_ERR("", archive_put(a, ARCHIVE_FRIEND, text("ana"), text("her card")), ERR_NONE);
    CHECK_ERR("", archive_put(a, ARCHIVE_SESSION, text("ana"), text("her ratchet")), ERR_NONE);
    CHECK_ERR("", archive_put(a, ARCHIVE_SESSION, text(""), text("")), ERR_NONE);
    CHECK_ERR("", db_commit(db), ERR_NONE);
    archive_close(a);
    db = kind_reopen(db, NULL);
    a = archive_of(db);
    CHECK_ERR("", archive_get(a, ARCHIVE_FRIEND, text("ana"), &v), ERR_NONE);
    CHECK_BYTES("kinds are apart", v, text("her card"));
    CHECK_ERR("", archive_get(a, ARCHIVE_SESSION, text("ana"), &v), ERR_NONE);
    CHECK_BYTES("kinds are apart", v, text("her ratchet"));
    /* What was lent may be put again. */
    CHECK_ERR("", archive_put(a, ARCHIVE_OUTBOX, text("copy"), v), ERR_NONE);
    CHECK_ERR("", archive_get(a, ARCHIVE_OUTBOX, text("copy"), &v), ERR_NONE);
    CHECK_BYTES("copy", v, text("her ratchet"));
    CHECK_ERR("", archive_get(a, ARCHIVE_SESSION, text(""), &v), ERR_NONE);
    CHECK(v.len == 0);
    CHECK_ERR("", archive_delete(a, ARCHIVE_FRIEND, text("ana")), ERR_NONE);
    CHECK_ERR("", archive_delete(a, ARCHIVE_FRIEND, text("ana")), ERR_NOT_FOUND);
    CHECK_ERR("", archive_get(a, ARCHIVE_FRIEND, text("ana"), &v), ERR_NOT_FOUND);
    db_rollback(db);
    CHECK_ERR("rolled back", archive_get(a, ARCHIVE_FRIEND, text("ana"), &v), ERR_NONE);
    archive_close(a);
    kind_close(db);
}

static void test_sizes(void)
{
    enum { LIMIT = 1 << 20 };
    struct db *db = kind_open(NULL);
    struct archive *a = archive_of(db);
    uint8_t *big = malloc(LIMIT + 1);
    struct bytes v;

    REQUIRE(big != NULL);
    memset(big, 0x5a, LIMIT + 1);
    CHECK_ERR("limit", archive_put(a, ARCHIVE_MESSAGE, text("m"), bytes_of(big, LIMIT)), ERR_NONE);
    CHECK_ERR("", archive_get(a, ARCHIVE_MESSAGE, text("m"), &v), ERR_NONE);
    CHECK_BYTES("", v, bytes_of(big, LIMIT));
    CHECK_ERR("one more", archive_put(a, ARCHIVE_MESSAGE, text("m"), bytes_of(big, LIMIT + 1)), ERR_TOO_LARGE);
    CHECK_ERR("stands as it was", archive_get(a, ARCHIVE_MESSAGE, text("m"), &v), ERR_NONE);
    CHECK(v.len == LIMIT);
    free(big);
    archive_close(a);
    kind_close(db);
}

/* Damages every record on disk in turn. */
struct damage { uint8_t key[16], value[256]; size_t value_len; int skip; };

static bool pick(void *ctx, struct bytes key, struct bytes value)
{
    struct damage *d = ctx;

    if (d->skip-- > 0)
        return true;
    REQUIRE(key.len == sizeof d->key && value.len <= sizeof d->value);
    memcpy(d->key, key.at, key.len);
    memcpy(d->value, value.at, value.len);
    d->value_len = value.len;
    return false;
}

static void test_damage(void)
{
    struct db *db = kind_open(NULL);
    struct archive *a = archive_of(db);
    struct damage d = { .skip = 0 };
    struct bytes v;

    CHECK_ERR("", archive_put(a, ARCHIVE_SELF, text("me"), text("secret words")), ERR_NONE);
    CHECK_ERR("", db_commit(db), ERR_NONE);
    CHECK_ERR("", db_walk(db, DB_ARCHIVE, text(""), pick, &d), ERR_NONE);
    for (size_t len = 0; len <= d.value_len; len++) {
        uint8_t bad[256];

        memcpy(bad, d.value, d.value_len);
        if (len == d.value_len)
            bad[len - 1] ^= 1;
        CHECK_ERR("", db_put(db, DB_ARCHIVE, bytes_of(d.key, 16), bytes_of(bad, len)), ERR_NONE);
        CHECK_ERR("cut or changed", archive_get(a, ARCHIVE_SELF, text("me"), &v), ERR_CORRUPT);
    }
    /* A record moved to another name does not open there. */
    uint8_t other[16];
    key_hash(&keys, ARCHIVE_SELF, text("you"), other);
    CHECK_ERR("", db_put(db, DB_ARCHIVE, bytes_of(other, 16), bytes_of(d.value, d.value_len)), ERR_NONE);
    CHECK_ERR("moved", archive_get(a, ARCHIVE_SELF, text("you"), &v), ERR_CORRUPT);
    db_rollback(db);
    CHECK_ERR("", archive_get(a, ARCHIVE_SELF, text("me"), &v), ERR_NONE);

    /* A list whose plaintext is no list. */
    uint8_t sealed[128], key[16];
    static const char *const bad_lists[] = { "\x05" "abcd", "\x02" "ab" "\x01", "\xff" };
    key_hash(&keys, ARCHIVE_FRIEND + 0x80, text(""), key);
    for (size_t i = 0; i < sizeof bad_lists / sizeof bad_lists[0]; i++) {
        struct bytes plain = text(bad_lists[i]);

        seal(&keys, ARCHIVE_FRIEND + 0x80, key, plain, sealed);
        CHECK_ERR("", db_put(db, DB_ARCHIVE, bytes_of(key, 16), bytes_of(sealed, plain.len + sealer.overhead)), ERR_NONE);
        CHECK_ERR("", archive_list_add(a, ARCHIVE_FRIEND, text("x")), ERR_CORRUPT);
        CHECK_ERR("", archive_list_remove(a, ARCHIVE_FRIEND, text("x")), ERR_CORRUPT);
    }
    archive_close(a);
    kind_close(db);
}

struct names { struct archive *archive; struct buffer all; int stop_after; };

static bool add_name(void *ctx, struct bytes name)
{
    struct names *n = ctx;
    struct bytes record;

    /* The archive may be used while walking. */
    if (n->archive != NULL)
        CHECK_ERR("", archive_get(n->archive, ARCHIVE_FRIEND, name, &record), ERR_NONE);
    REQUIRE(buffer_append(&n->all, name) == ERR_NONE && buffer_append(&n->all, text(",")) == ERR_NONE);
    return --n->stop_after > 0;
}

static void check_list(struct archive *a, enum archive_kind kind, const char *want, int stop_after)
{
    struct names n = { kind == ARCHIVE_FRIEND ? a : NULL, buffer_of_limit(4096), stop_after };

    CHECK_ERR(want, archive_list_walk(a, kind, add_name, &n), ERR_NONE);
    CHECK_BYTES(want, buffer_bytes(&n.all), text(want));
    buffer_clear(&n.all);
}

static void test_lists(void)
{
    struct db *db = kind_open(NULL);
    struct archive *a = archive_of(db);
    static const char *const names[] = { "ben", "ana", "caro" };
    uint8_t longest[255];

    check_list(a, ARCHIVE_FRIEND, "", 9);
    CHECK_ERR("empty", archive_list_remove(a, ARCHIVE_FRIEND, text("ana")), ERR_NOT_FOUND);
    for (int i = 0; i < 3; i++) {
        CHECK_ERR("", archive_put(a, ARCHIVE_FRIEND, text(names[i]), text("card")), ERR_NONE);
        CHECK_ERR("", archive_list_add(a, ARCHIVE_FRIEND, text(names[i])), ERR_NONE);
        CHECK_ERR("twice", archive_list_add(a, ARCHIVE_FRIEND, text(names[i])), ERR_EXISTS);
    }
    CHECK_ERR("a prefix is another name", archive_list_add(a, ARCHIVE_GROUP, text("b")), ERR_NONE);
    CHECK_ERR("", db_commit(db), ERR_NONE);
    archive_close(a);
    db = kind_reopen(db, NULL);
    a = archive_of(db);
    check_list(a, ARCHIVE_FRIEND, "ben,ana,caro,", 9);
    check_list(a, ARCHIVE_FRIEND, "ben,ana,", 2);
    check_list(a, ARCHIVE_GROUP, "b,", 9);
    CHECK_ERR("", archive_list_remove(a, ARCHIVE_FRIEND, text("ana")), ERR_NONE);
    check_list(a, ARCHIVE_FRIEND, "ben,caro,", 9);
    CHECK_ERR("", archive_list_add(a, ARCHIVE_FRIEND, text("ana")), ERR_NONE);
    check_list(a, ARCHIVE_FRIEND, "ben,caro,ana,", 9);
    CHECK_ERR("", archive_list_remove(a, ARCHIVE_GROUP, text("b")), ERR_NONE);
    check_list(a, ARCHIVE_GROUP, "", 9);
    memset(longest, 'x', sizeof longest);
    CHECK_ERR("", archive_list_add(a, ARCHIVE_GROUP, bytes_of(longest, sizeof longest)), ERR_NONE);
    CHECK_ERR("", archive_list_remove(a, ARCHIVE_GROUP, bytes_of(longest, sizeof longest)), ERR_NONE);
    /* No record's name is the list's: the empty name is free. */
    struct bytes v;
    CHECK_ERR("", archive_get(a, ARCHIVE_FRIEND, text(""), &v), ERR_NOT_FOUND);
    archive_close(a);
    kind_close(db);
}

static void test_generation(void)
{
    struct db *db = kind_open(NULL);
    struct archive *a = archive_of(db);
    uint64_t g = 99;

    CHECK_ERR("", archive_generation(a, &g), ERR_NONE);
    CHECK(g == 0);
    CHECK_ERR("", archive_generation_set(a, UINT64_MAX), ERR_NONE);
    CHECK_ERR("", db_commit(db), ERR_NONE);
    archive_close(a);
    db = kind_reopen(db, NULL);
    a = archive_of(db);
    CHECK_ERR("", archive_generation(a, &g), ERR_NONE);
    CHECK(g == UINT64_MAX);
    CHECK_ERR("", db_put(db, DB_META, text("generation"), text("short")), ERR_NONE);
    CHECK_ERR("damaged", archive_generation(a, &g), ERR_CORRUPT);
    archive_close(a);
    kind_close(db);
}

/* Neither a name nor a word of a record is on the disk. */
static void test_nothing_is_readable(void)
{
    struct db *db = kind_open(NULL);
    struct archive *a = archive_of(db);
    struct buffer file = buffer_of_limit(1 << 24);
    char path[600];

    CHECK_ERR("", archive_put(a, ARCHIVE_FRIEND, text("NAMEOFAFRIEND"), text("WORDSOFARECORD")), ERR_NONE);
    CHECK_ERR("", archive_list_add(a, ARCHIVE_FRIEND, text("NAMEOFAFRIEND")), ERR_NONE);
    CHECK_ERR("", db_commit(db), ERR_NONE);
    if (kind_is_lmdb()) {
        snprintf(path, sizeof path, "%s/data.mdb", kind_folder());
        struct bytes all = check_file(&file, path);
        bool has_facts = false;

        for (size_t i = 0; i + 16 < all.len; i++) {
            CHECK(memcmp(all.at + i, "NAMEOFAFRIEND", 13) != 0 && memcmp(all.at + i, "WORDSOFARECORD", 14) != 0);
            has_facts = has_facts || memcmp(all.at + i, "archive", 7) == 0;
        }
        CHECK(has_facts); /* the search does find what is there */
        buffer_clear(&file);
    }
    archive_close(a);
    kind_close(db);
}

/* ---- A message appended, a ratchet advanced and a bundle queued: all or none, whatever fails ---- */

static enum err story(struct archive *a, struct store *s, struct db *db)
{
    struct store_entry e = entry_plain();
    struct bytes bundle;
    enum err err;

    e.quota_class = QUOTA_OWN;
    if ((err = archive_put(a, ARCHIVE_MESSAGE, text("ana/1"), text("I'm OK"))) != ERR_NONE)
        return err;
    if ((err = archive_put(a, ARCHIVE_SESSION, text("ana"), text("ratchet 2"))) != ERR_NONE)
        return err;
    bundle = bundle_numbered(&e, 1);
    if ((err = store_put(s, &e, bundle)) != ERR_NONE)
        return err;
    if ((err = archive_list_add(a, ARCHIVE_OUTBOX, bytes_of(e.id.octets, 16))) != ERR_NONE)
        return err;
    return db_commit(db);
}

static void test_together(void)
{
    bool is_done = false;

    for (unsigned fail_at = 0; !is_done; fail_at++) {
        struct db *db = kind_open(NULL);
        struct archive *a = archive_of(db);
        struct store *s = NULL;
        struct fault_once f = { fail_at, ERR_FULL, 0, false };
        struct bundle_id id;
        struct bytes v;

        REQUIRE(store_open(&s, db, NULL) == ERR_NONE);
        REQUIRE(archive_put(a, ARCHIVE_SESSION, text("ana"), text("ratchet 1")) == ERR_NONE && db_commit(db) == ERR_NONE);
        db_set_fault(db, fault_once, &f);
        is_done = story(a, s, db) == ERR_NONE;
        CHECK(is_done == !f.has_fired);
        /* A caller that overlooks the failure and commits makes nothing durable. */
        enum err want = db_is_dirty(db) ? ERR_FULL : ERR_NONE;
        CHECK_ERR("", db_commit(db), want);
        store_close(s);
        archive_close(a);
        db = kind_reopen(db, NULL);
        a = archive_of(db);
        REQUIRE(store_open(&s, db, NULL) == ERR_NONE);
        id_numbered(&id, 1);
        CHECK((store_find(s, &id) != NULL) == is_done);
        CHECK_ERR("", archive_get(a, ARCHIVE_MESSAGE, text("ana/1"), &v), is_done ? ERR_NONE : ERR_NOT_FOUND);
        CHECK_ERR("", archive_get(a, ARCHIVE_SESSION, text("ana"), &v), ERR_NONE);
        CHECK_BYTES("", v, text(is_done ? "ratchet 2" : "ratchet 1"));
        store_close(s);
        archive_close(a);
        kind_close(db);
        REQUIRE(fail_at < 100);
    }
}

int main(int argc, char **argv)
{
    kind_choose(argc, argv);
    REQUIRE(sodium_init() >= 0);
    randombytes_buf(&keys, sizeof keys);
    test_records();
    test_sizes();
    test_damage();
    test_lists();
    test_generation();
    test_nothing_is_readable();
    test_together();
    return check_report("archive");
}
