/* tests/crypto/test_vault.c - opening, changing, duress and panic; damaged files; sealed values.
 *
 * The system's mlock is refused throughout (see mlock below): a vault has to work for users who may lock no memory.
 */
#define _XOPEN_SOURCE 700
#include "crypto/vault.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/hash.h"
#include "crypto/keyslot.h"
#include "crypto/random.h"
#include "tests/support/check.h"

static unsigned long locks_refused;

/* Stands in the way of libsodium's call. */
int mlock(const void *at, size_t len)
{
    (void)at;
    (void)len;
    locks_refused++;
    errno = EPERM;
    return -1;
}

static char path[512], key_path[512];
static struct rng rng;

static struct vault_key pass(const char *text)
{
    return (struct vault_key){ bytes_of_text(text), NULL };
}

static struct vault_key by_file(void)
{
    return (struct vault_key){ bytes_of(NULL, 0), key_path };
}

static void file_write(const char *to, struct bytes content)
{
    FILE *f = fopen(to, "wb");

    REQUIRE(f != NULL && fwrite(content.at, 1, content.len, f) == content.len && fclose(f) == 0);
}

static struct vault *created(const struct vault_key *key)
{
    struct vault *v = NULL;

    unlink(path);
    REQUIRE(vault_create(&v, path, key, VAULT_COST_TEST, &rng) == ERR_NONE);
    return v;
}

/* Stands for the master key: equal for the same vault only. */
struct mark { uint8_t octets[16]; };

static struct mark mark_of(struct vault *v)
{
    struct mark m;

    vault_key_hash(v, 0, bytes_of_text("mark"), m.octets);
    return m;
}

static bool is_same(struct mark a, struct mark b) { return memcmp(&a, &b, sizeof a) == 0; }

/* Opens, tells what came of it and closes again. */
static enum err opened(struct vault_key key, struct mark *m, bool *is_duress)
{
    struct vault *v = NULL;
    enum err e = vault_open(&v, path, &key, &rng);

    if (e != ERR_NONE) {
        CHECK(v == NULL);
        return e;
    }
    if (m != NULL)
        *m = mark_of(v);
    if (is_duress != NULL)
        *is_duress = vault_is_duress(v);
    vault_close(v);
    return e;
}

static void check_create_and_open(void)
{
    struct vault_key key = pass("correct horse");
    struct vault *v, *unused = NULL;
    struct mark first, again;
    struct stat st;
    bool is_duress = true, wants = false;

    CHECK_ERR("no file", opened(key, NULL, NULL), ERR_NOT_FOUND);
    CHECK_ERR("no file", vault_wants_passphrase(path, &wants), ERR_NOT_FOUND);
    v = created(&key);
    first = mark_of(v);
    CHECK(!vault_is_duress(v));
    vault_close(v);
    REQUIRE(stat(path, &st) == 0);
    CHECK((st.st_mode & 0777) == 0600 && st.st_size == VAULT_FILE_LEN);
    CHECK_ERR("there is one", vault_create(&unused, path, &key, VAULT_COST_TEST, &rng), ERR_EXISTS);
    CHECK_ERR("", opened(key, &again, &is_duress), ERR_NONE);
    CHECK(is_same(first, again) && !is_duress);
    CHECK_ERR("", vault_wants_passphrase(path, &wants), ERR_NONE);
    CHECK(wants);
    CHECK_ERR("wrong", opened(pass("correct hors"), NULL, NULL), ERR_AUTH);
    CHECK_ERR("longer", opened(pass("correct horse "), NULL, NULL), ERR_AUTH);
    CHECK_ERR("empty", opened(pass(""), NULL, NULL), ERR_AUTH);

    v = created(&key);
    again = mark_of(v);
    vault_close(v);
    CHECK(!is_same(first, again));

    unlink(path);
    key = pass("");
    CHECK_ERR("empty", vault_create(&unused, path, &key, VAULT_COST_TEST, &rng), ERR_REFUSED);
    static char long_text[1026];
    memset(long_text, 'x', sizeof long_text - 1);
    key = pass(long_text);
    CHECK_ERR("too long", vault_create(&unused, path, &key, VAULT_COST_TEST, &rng), ERR_TOO_LARGE);
    CHECK(access(path, F_OK) != 0);
    vault_close(NULL);
}

static void check_key_file(void)
{
    struct vault_key key = by_file();
    struct vault *v, *unused = NULL;
    struct mark first, again;
    struct stat st;
    bool wants = true;

    unlink(key_path);
    v = created(&key);
    first = mark_of(v);
    vault_close(v);
    REQUIRE(stat(key_path, &st) == 0);
    CHECK((st.st_mode & 0777) == 0600 && st.st_size == KEYSLOT_KEY_FILE_LEN);
    CHECK_ERR("", vault_wants_passphrase(path, &wants), ERR_NONE);
    CHECK(!wants);
    CHECK_ERR("", opened(key, &again, NULL), ERR_NONE);
    CHECK(is_same(first, again));
    CHECK_ERR("passphrase", opened(pass("x"), NULL, NULL), ERR_AUTH);

    /* One that is there is used, not replaced. */
    struct buffer content = buffer_of_limit(64);
    check_file(&content, key_path);
    v = created(&key);
    vault_close(v);
    struct buffer after = buffer_of_limit(64);
    CHECK_BYTES("", check_file(&after, key_path), buffer_bytes(&content));

    content.at[31] ^= 1;
    file_write(key_path, buffer_bytes(&content));
    CHECK_ERR("another key", opened(key, NULL, NULL), ERR_AUTH);
    file_write(key_path, bytes_of(content.at, 31));
    CHECK_ERR("short key", opened(key, NULL, NULL), ERR_CORRUPT);
    unlink(path);
    CHECK_ERR("short key", vault_create(&unused, path, &key, VAULT_COST_TEST, &rng), ERR_CORRUPT);
    unlink(key_path);
    vault_close(created(&key));
    unlink(key_path);
    CHECK_ERR("no key file", opened(key, NULL, NULL), ERR_NOT_FOUND);
    CHECK(access(key_path, F_OK) != 0);
    buffer_clear(&content);
    buffer_clear(&after);
}

/* Every byte of the file: damage to the slot in use gives an error, damage elsewhere does not matter. */
static void check_flips(void)
{
    static const uint8_t flips[] = { 0x01, 0x80 };
    struct vault_key key = pass("flip");
    struct vault *v = created(&key);
    struct mark first = mark_of(v), got;
    struct buffer file = buffer_of_limit(VAULT_FILE_LEN);
    unsigned refused[KEYSLOT_COUNT] = { 0 }, refused_outside = 0;
    char label[32];

    vault_close(v);
    check_file(&file, path);
    for (size_t at = 0; at < file.len; at++)
        for (size_t i = 0; i < sizeof flips; i++) {
            snprintf(label, sizeof label, "byte %zu", at);
            file.at[at] ^= flips[i];
            file_write(path, buffer_bytes(&file));
            file.at[at] ^= flips[i];
            enum err e = opened(key, &got, NULL);
            if (e == ERR_NONE) {
                CHECK_CASE(label, is_same(first, got));
                continue;
            }
            CHECK_CASE(label, e == ERR_AUTH || e == ERR_CORRUPT || e == ERR_VERSION);
            if (at - keyslot_offset(0) < KEYSLOT_LEN)
                refused[0]++;
            else if (at >= keyslot_offset(1) && at - keyslot_offset(1) < KEYSLOT_LEN)
                refused[1]++;
            else
                refused_outside++;
        }
    CHECK(refused_outside == 0);
    CHECK(refused[0] + refused[1] == KEYSLOT_LEN * sizeof flips && (refused[0] == 0 || refused[1] == 0));
    buffer_clear(&file);
}

static void check_sizes(void)
{
    static uint8_t space[1 << 20];
    static const size_t lens[] = { 0, 1, 119, 120, 2168, VAULT_FILE_LEN - 1, VAULT_FILE_LEN + 1, sizeof space };
    struct vault_key key = pass("size");
    struct buffer file = buffer_of_limit(VAULT_FILE_LEN);
    bool wants;

    vault_close(created(&key));
    check_file(&file, path);
    memcpy(space, file.at, file.len);
    for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
        file_write(path, bytes_of(space, lens[i]));
        CHECK_ERR("", opened(key, NULL, NULL), ERR_CORRUPT);
        CHECK_ERR("", vault_wants_passphrase(path, &wants), ERR_CORRUPT);
    }
    unlink(path);
    REQUIRE(mkdir(path, 0700) == 0);
    CHECK_ERR("a folder", opened(key, NULL, NULL), ERR_CORRUPT);
    rmdir(path);
    REQUIRE(mkfifo(path, 0600) == 0);
    CHECK_ERR("a pipe", opened(key, NULL, NULL), ERR_CORRUPT);
    unlink(path);
    buffer_clear(&file);
}

/* A file that asks for the most of everything is refused before anything is taken. */
static void check_hostile_cost(void)
{
    struct vault_key key = pass("cost");
    struct buffer file = buffer_of_limit(VAULT_FILE_LEN);

    vault_close(created(&key));
    check_file(&file, path);
    for (size_t i = 0; i < KEYSLOT_COUNT; i++)
        memset(file.at + keyslot_offset(i) + 8, 0xff, 8);
    file_write(path, buffer_bytes(&file));
    CHECK_ERR("", opened(key, NULL, NULL), ERR_CORRUPT);
    buffer_clear(&file);
}

static void check_change_key(void)
{
    struct vault_key one = pass("one"), two = pass("two"), empty = pass(""), file_key = by_file();
    struct vault *v = created(&one);
    struct mark first = mark_of(v), got;
    bool wants = false;

    CHECK_ERR("", vault_change_key(v, path, &two, VAULT_COST_TEST, &rng), ERR_NONE);
    CHECK_ERR("", opened(one, NULL, NULL), ERR_AUTH);
    CHECK_ERR("", opened(two, &got, NULL), ERR_NONE);
    CHECK(is_same(first, got));
    CHECK_ERR("", vault_change_key(v, path, &empty, VAULT_COST_TEST, &rng), ERR_REFUSED);
    CHECK_ERR("", opened(two, NULL, NULL), ERR_NONE);

    unlink(key_path);
    CHECK_ERR("", vault_change_key(v, path, &file_key, VAULT_COST_TEST, &rng), ERR_NONE);
    CHECK_ERR("", opened(two, NULL, NULL), ERR_AUTH);
    CHECK_ERR("", opened(file_key, &got, NULL), ERR_NONE);
    CHECK(is_same(first, got));
    CHECK_ERR("no duress beside a key file",
              vault_set_duress(v, path, bytes_of_text("duress"), VAULT_COST_TEST, &rng), ERR_REFUSED);
    CHECK_ERR("", vault_change_key(v, path, &one, VAULT_COST_TEST, &rng), ERR_NONE);
    CHECK_ERR("", vault_wants_passphrase(path, &wants), ERR_NONE);
    CHECK(wants);
    CHECK_ERR("", opened(one, &got, NULL), ERR_NONE);
    CHECK(is_same(first, got));
    unlink(path);
    CHECK_ERR("", vault_change_key(v, path, &two, VAULT_COST_TEST, &rng), ERR_NOT_FOUND);
    vault_close(v);
}

static void check_duress(void)
{
    struct vault_key real = pass("real"), other = pass("other"), duress_key = pass("duress");
    struct bytes duress = bytes_of_text("duress");
    struct vault *v = created(&real);
    struct mark first = mark_of(v), got, empty;
    struct buffer before = buffer_of_limit(VAULT_FILE_LEN), after = buffer_of_limit(VAULT_FILE_LEN);
    bool is_duress = false;

    CHECK_ERR("same as the real one", vault_set_duress(v, path, bytes_of_text("real"), VAULT_COST_TEST, &rng),
              ERR_EXISTS);
    CHECK_ERR("another cost", vault_set_duress(v, path, duress, VAULT_COST_SMALL, &rng), ERR_REFUSED);
    CHECK_ERR("empty", vault_set_duress(v, path, bytes_of(NULL, 0), VAULT_COST_TEST, &rng), ERR_REFUSED);
    CHECK_ERR("", vault_set_duress(v, path, duress, VAULT_COST_TEST, &rng), ERR_NONE);
    CHECK_ERR("", vault_change_key(v, path, &duress_key, VAULT_COST_TEST, &rng), ERR_EXISTS);
    check_file(&before, path);
    CHECK_BYTES("nothing tells", bytes_of(before.at + keyslot_offset(0), 16),
                bytes_of(before.at + keyslot_offset(1), 16));

    /* The real one opens for as long as nobody uses the other, and may change. */
    CHECK_ERR("", opened(real, &got, &is_duress), ERR_NONE);
    CHECK(is_same(first, got) && !is_duress);
    CHECK_ERR("", vault_change_key(v, path, &other, VAULT_COST_TEST, &rng), ERR_NONE);
    CHECK_ERR("", opened(real, NULL, NULL), ERR_AUTH);
    CHECK_ERR("", opened(other, &got, &is_duress), ERR_NONE);
    CHECK(is_same(first, got) && !is_duress);
    vault_close(v);

    /* What an interrupted change left beside holds the real slot: it goes as well. */
    char beside[600];
    snprintf(beside, sizeof beside, "%s.new", path);
    check_file(&before, path);
    file_write(beside, buffer_bytes(&before));
    CHECK_ERR("", opened(duress_key, &empty, &is_duress), ERR_NONE);
    CHECK(is_duress && !is_same(first, empty));
    CHECK(access(beside, F_OK) != 0);
    CHECK_ERR("", opened(other, NULL, NULL), ERR_AUTH);
    CHECK_ERR("", opened(duress_key, &got, &is_duress), ERR_NONE);
    CHECK(is_duress && is_same(empty, got));
    check_file(&after, path);
    CHECK_BYTES("still alike", bytes_of(after.at + keyslot_offset(0), 16), bytes_of(after.at + keyslot_offset(1), 16));

    /* Only the one slot was touched. */
    size_t changed = 0;
    for (size_t i = 0; i < after.len; i++)
        changed += before.at[i] != after.at[i];
    CHECK(changed > 60 && changed <= KEYSLOT_LEN - 16);
    buffer_clear(&before);
    buffer_clear(&after);

    /* A new cost makes the other slot one that opens to nobody: two costs would tell. */
    v = created(&real);
    CHECK_ERR("", vault_set_duress(v, path, duress, VAULT_COST_TEST, &rng), ERR_NONE);
    unlink(key_path);
    struct vault_key file_key = by_file();
    CHECK_ERR("", vault_change_key(v, path, &file_key, VAULT_COST_TEST, &rng), ERR_NONE);
    CHECK_ERR("", opened(duress_key, NULL, NULL), ERR_AUTH);
    vault_close(v);
}

/* Over many vaults the real slot stands in both places. */
static void check_places(void)
{
    struct vault_key key = pass("place");
    struct buffer file = buffer_of_limit(VAULT_FILE_LEN);
    unsigned count_in_first = 0;

    for (int i = 0; i < 64; i++) {
        vault_close(created(&key));
        check_file(&file, path);
        memset(file.at + keyslot_offset(1), 0, KEYSLOT_LEN);
        file_write(path, buffer_bytes(&file));
        count_in_first += opened(key, NULL, NULL) == ERR_NONE;
    }
    /* Fails by chance once in 10^10 runs. */
    CHECK(count_in_first > 6 && count_in_first < 58);
    buffer_clear(&file);
}

static void check_panic(void)
{
    struct vault_key key = by_file(), with_pass = pass("panic");
    char beside[600];

    unlink(key_path);
    vault_close(created(&key));
    snprintf(beside, sizeof beside, "%s.new", path);
    file_write(beside, bytes_of_text("left over"));
    REQUIRE(chmod(key_path, 0400) == 0);
    CHECK_ERR("", vault_panic(path, key_path), ERR_NONE);
    CHECK(access(path, F_OK) != 0 && access(key_path, F_OK) != 0 && access(beside, F_OK) != 0);
    CHECK_ERR("", opened(key, NULL, NULL), ERR_NOT_FOUND);
    CHECK_ERR("twice is harmless", vault_panic(path, key_path), ERR_NONE);

    /* A second name for the same file shows what was done to it before it was removed. */
    struct buffer before = buffer_of_limit(VAULT_FILE_LEN), after = buffer_of_limit(VAULT_FILE_LEN);
    char second[600];
    vault_close(created(&with_pass));
    check_file(&before, path);
    snprintf(second, sizeof second, "%s.second", path);
    REQUIRE(link(path, second) == 0);
    CHECK_ERR("", vault_panic(path, NULL), ERR_NONE);
    check_file(&after, second);
    size_t same = 0;
    for (size_t i = 0; i < VAULT_FILE_LEN; i++)
        same += before.at[i] == after.at[i];
    CHECK(after.len == VAULT_FILE_LEN && same < 64);

    /* A change of key does the same to the file it replaces. */
    struct vault *v = created(&with_pass);
    check_file(&before, path);
    unlink(second);
    REQUIRE(link(path, second) == 0);
    struct vault_key next = pass("next");
    CHECK_ERR("", vault_change_key(v, path, &next, VAULT_COST_TEST, &rng), ERR_NONE);
    check_file(&after, second);
    same = 0;
    for (size_t i = 0; i < VAULT_FILE_LEN; i++)
        same += before.at[i] == after.at[i];
    CHECK(same < 64);
    vault_close(v);
    unlink(second);
    buffer_clear(&before);
    buffer_clear(&after);
}

static void check_names(void)
{
    struct vault_key key = pass("names");
    struct vault *v = created(&key);
    uint8_t a[16], b[16];

    vault_key_hash(v, 1, bytes_of_text("ana"), a);
    vault_key_hash(v, 1, bytes_of_text("ana"), b);
    CHECK_BYTES("", bytes_of(a, 16), bytes_of(b, 16));
    vault_key_hash(v, 2, bytes_of_text("ana"), b);
    CHECK(memcmp(a, b, 16) != 0);
    vault_key_hash(v, 1, bytes_of_text("anb"), b);
    CHECK(memcmp(a, b, 16) != 0);
    vault_key_hash(v, 1, bytes_of(NULL, 0), b);
    CHECK(memcmp(a, b, 16) != 0);
    vault_close(v);
}

static void check_values(void)
{
    struct vault_key key = pass("values");
    struct vault *v = created(&key), *other;
    uint8_t place[16] = { 1 }, elsewhere[16] = { 2 }, out[64], sealed[5 + VAULT_SEAL_OVERHEAD], back[5];
    struct bytes plain = bytes_of_text("hello");

    CHECK_ERR("", vault_seal(v, 3, place, plain, sealed), ERR_NONE);
    CHECK_ERR("", vault_open_value(v, 3, place, bytes_of(sealed, sizeof sealed), back), ERR_NONE);
    CHECK_BYTES("", bytes_of(back, sizeof back), plain);
    CHECK_ERR("another kind", vault_open_value(v, 4, place, bytes_of(sealed, sizeof sealed), back), ERR_AUTH);
    CHECK_ERR("another key", vault_open_value(v, 3, elsewhere, bytes_of(sealed, sizeof sealed), back), ERR_AUTH);
    for (size_t bit = 0; bit < sizeof sealed * 8; bit++) {
        sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
        CHECK_ERR("flipped", vault_open_value(v, 3, place, bytes_of(sealed, sizeof sealed), back), ERR_AUTH);
        sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t len = 0; len < sizeof sealed; len++)
        CHECK_ERR("cut", vault_open_value(v, 3, place, bytes_of(sealed, len), back), ERR_AUTH);

    CHECK_ERR("", vault_seal(v, 3, place, bytes_of(NULL, 0), out), ERR_NONE);
    CHECK_ERR("empty", vault_open_value(v, 3, place, bytes_of(out, VAULT_SEAL_OVERHEAD), back), ERR_NONE);

    /* The master key is the same after closing, and another vault's is another. */
    vault_close(v);
    REQUIRE(vault_open(&v, path, &key, &rng) == ERR_NONE);
    CHECK_ERR("", vault_open_value(v, 3, place, bytes_of(sealed, sizeof sealed), back), ERR_NONE);
    other = created(&key);
    CHECK_ERR("another vault", vault_open_value(other, 3, place, bytes_of(sealed, sizeof sealed), back), ERR_AUTH);
    vault_close(v);
    vault_close(other);
}

static int compare_nonces(const void *a, const void *b) { return memcmp(a, b, 24); }

/* The same value put again and again, across closing and opening. */
static void check_nonces(void)
{
    enum { COUNT = 20000 };
    static uint8_t nonces[COUNT][24];
    struct vault_key key = pass("nonces");
    struct vault *v = created(&key);
    uint8_t place[16] = { 1 }, sealed[4 + VAULT_SEAL_OVERHEAD];

    for (size_t i = 0; i < COUNT; i++) {
        if (i % 1000 == 999) {
            vault_close(v);
            REQUIRE(vault_open(&v, path, &key, &rng) == ERR_NONE);
        }
        REQUIRE(vault_seal(v, 1, place, bytes_of_text("same"), sealed) == ERR_NONE);
        memcpy(nonces[i], sealed, 24);
    }
    qsort(nonces, COUNT, 24, compare_nonces);
    for (size_t i = 1; i < COUNT; i++)
        CHECK(memcmp(nonces[i - 1], nonces[i], 24) != 0);
    vault_close(v);
}

int main(void)
{
    REQUIRE(crypto_start() == ERR_NONE);
    rng = rng_system();
    snprintf(path, sizeof path, "%s/vault", check_folder());
    snprintf(key_path, sizeof key_path, "%s/vault.key", check_folder());
    check_create_and_open();
    check_key_file();
    check_flips();
    check_sizes();
    check_hostile_cost();
    check_change_key();
    check_duress();
    check_places();
    check_panic();
    check_names();
    check_values();
    check_nonces();
    CHECK(locks_refused > 0);
    return check_report("vault");
}
