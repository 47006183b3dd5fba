/* tests/fuzz/fuzz_keyslot.c - arbitrary bytes as a keyslot file, or as one slot.
 *
 * What decodes is within the bounds, and encodes to the same bytes. Argon2 is not run: its cost is the
 * bounds' to keep, and they are checked.
 */
#include <assert.h>
#include <string.h>

#include "crypto/hash.h"
#include "crypto/keyslot.h"
#include "tests/support/seeded.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void slot_check(const struct keyslot *s, const uint8_t *from)
{
    static const uint8_t secret[KEYSLOT_KEY_FILE_LEN];
    uint8_t back[KEYSLOT_LEN], master[KEYSLOT_MASTER_LEN];
    enum keyslot_role role;

    keyslot_encode(s, back);
    assert(memcmp(back, from, sizeof back) == 0);
    assert(s->cost.passes <= KEYSLOT_PASSES_MAX && s->cost.kib <= KEYSLOT_KIB_MAX);
    if (s->cost.algorithm == KEYSLOT_KEY_FILE)
        assert(keyslot_unwrap(s, bytes_of(secret, sizeof secret), master, &role) == ERR_AUTH);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct keyslot_file f;
    struct keyslot one;
    uint8_t file[KEYSLOT_FILE_LEN];
    struct seeded seeded;

    if (crypto_start() != ERR_NONE)
        return 0;
    if (keyslot_decode(&one, bytes_of(data, size)) == ERR_NONE)
        slot_check(&one, data);
    /* Short inputs fill a file's two slots, so that the fuzzer need not find 4096 bytes. */
    if (size <= KEYSLOT_COUNT * KEYSLOT_LEN && size > 0) {
        memset(file, 0, sizeof file);
        for (size_t i = 0; i < size; i++)
            file[keyslot_offset(i / KEYSLOT_LEN) + i % KEYSLOT_LEN] = data[i];
        data = file;
        size = sizeof file;
    }
    if (keyslot_file_decode(&f, bytes_of(data, size)) != ERR_NONE)
        return 0;
    for (size_t i = 0; i < KEYSLOT_COUNT; i++)
        if (f.is_sound[i])
            slot_check(&f.slots[i], data + keyslot_offset(i));

    uint8_t again[KEYSLOT_FILE_LEN];
    struct keyslot_file back;
    seeded_init(&seeded, 1);
    struct rng g = seeded_rng(&seeded);
    keyslot_file_encode(&f, again, &g);
    enum err e = keyslot_file_decode(&back, bytes_of(again, sizeof again));
    assert(e == ERR_NONE && back.is_sound[0] && back.is_sound[1]);
    return 0;
}
