/* tests/gateway/test_invites.c - invites on disk: made, seen by another process, revoked, counted. */
#define _XOPEN_SOURCE 700
#include "apps/gateway/invites.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apps/gateway/gate.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "tests/support/check.h"

#define GOOD "label = school\nid = 0011223344556677\nsecret = 00112233445566778899aabbccddeeff\n"

static const struct { const char *name, *text; enum err want; } cases[] = {
    { "good", GOOD, ERR_NONE },
    { "all keys", GOOD "quota = 5\nexpires = 7\nmade = 9\n", ERR_NONE },
    { "of a newer version", GOOD "colour = blue\n", ERR_NONE },
    { "of a gateway", GOOD "kind = peer\n", ERR_NONE },
    { "of users", GOOD "kind = users\n", ERR_NONE },
    { "of a kind that may do who knows what", GOOD "kind = king\n", ERR_MALFORMED },
    { "comment and empty line", "# x\n\n" GOOD, ERR_NONE },
    { "no last line end", "label = a\nid = 0011223344556677\nsecret = 00112233445566778899aabbccddeeff", ERR_NONE },
    { "empty", "", ERR_MALFORMED },
    { "no label", "id = 0011223344556677\nsecret = 00112233445566778899aabbccddeeff\n", ERR_MALFORMED },
    { "no secret", "label = a\nid = 0011223344556677\n", ERR_MALFORMED },
    { "short id", "label = a\nid = 001122\nsecret = 00112233445566778899aabbccddeeff\n", ERR_MALFORMED },
    { "long secret", "label = a\nid = 0011223344556677\nsecret = 00112233445566778899aabbccddeeff00\n", ERR_MALFORMED },
    { "no hex", "label = a\nid = 001122334455667z\nsecret = 00112233445566778899aabbccddeeff\n", ERR_MALFORMED },
    { "quota in words", GOOD "quota = much\n", ERR_MALFORMED },
    { "negative quota", GOOD "quota = -1\n", ERR_MALFORMED },
    { "quota past 64 bits", GOOD "quota = 99999999999999999999999\n", ERR_TOO_LARGE },
    { "no equals sign", GOOD "quota 5\n", ERR_MALFORMED },
    { "control character", "label = a\x01\nid = 0011223344556677\nsecret = 00112233445566778899aabbccddeeff\n", ERR_MALFORMED },
};

static struct invite made(const struct rng *rng, const char *label)
{
    struct invite v;

    memset(&v, 0, sizeof v);
    rng_fill(rng, v.id, sizeof v.id);
    rng_fill(rng, v.secret, sizeof v.secret);
    strcpy(v.label, label);
    return v;
}

static void check_invites_folder(const char *folder)
{
    struct rng rng = rng_system();
    struct invites *a, *b;
    struct invite one = made(&rng, "school"), two = made(&rng, "school"), other = made(&rng, "clinic"), bad = made(&rng, "");
    size_t count;

    one.quota_bytes_per_day = 1000;
    REQUIRE(invites_open(&a, folder) == ERR_NONE && invites_open(&b, folder) == ERR_NONE);
    CHECK(invites_add(a, &bad) == ERR_MALFORMED);
    REQUIRE(invites_add(a, &one) == ERR_NONE && invites_add(a, &two) == ERR_NONE && invites_add(a, &other) == ERR_NONE);
    /* Another process sees them. */
    CHECK(invites_refresh(b) && !invites_refresh(b));
    CHECK(invites_count(b) == 3);
    struct invite *seen = invites_find(b, one.id);
    REQUIRE(seen != NULL);
    CHECK(memcmp(seen->secret, one.secret, sizeof one.secret) == 0 && seen->quota_bytes_per_day == 1000 && seen->contributor > 1);
    CHECK(invites_by_contributor(b, seen->contributor) == seen);
    /* Counted by day, and kept over a restart. */
    invite_count_use(seen, 600, 86400 * 10);
    CHECK(invite_allowance(seen, 86400 * 10 + 5) == 400 && invite_allowance(seen, 86400 * 11) == 1000);
    invite_count_use(seen, 600, 86400 * 10);
    CHECK(invite_allowance(seen, 86400 * 10) == 0);
    CHECK(invite_allowance(invites_find(b, two.id), 0) == UINT64_MAX);
    REQUIRE(invites_save_usage(b) == ERR_NONE);
    uint32_t contributor = seen->contributor;
    invites_close(b);
    REQUIRE(invites_open(&b, folder) == ERR_NONE);
    invites_load_usage(b);
    CHECK(invites_find(b, one.id)->total_bytes == 1200 && invites_find(b, one.id)->used_day == 10);
    /* Revoked by label: both of that label, and nobody else's. */
    invites_refresh(a);
    CHECK(invites_revoke(a, "nobody", &count) == ERR_NOT_FOUND);
    CHECK(invites_revoke(a, "school", &count) == ERR_NONE && count == 2);
    CHECK(invites_refresh(b) && invites_find(b, one.id) == NULL && invites_find(b, two.id) == NULL);
    CHECK(invites_find(b, other.id) != NULL && invites_by_contributor(b, 1) == NULL);
    CHECK(invites_by_contributor(b, contributor) != NULL && invites_by_contributor(b, contributor)->is_gone);
    invites_close(a);
    invites_close(b);
}

static void check_gate(const char *folder)
{
    struct rng rng = rng_system();
    struct invites *s;
    struct gate *gate;
    struct gateway g;
    struct invite v = made(&rng, "gate");
    uint8_t binding[TOKEN_BINDING_LEN], token[TOKEN_LEN];
    size_t count;

    memset(&g, 0, sizeof g);
    rng_fill(&rng, g.key, sizeof g.key);
    rng_fill(&rng, binding, sizeof binding);
    memcpy(g.id, v.id, sizeof g.id);
    memcpy(g.secret, v.secret, sizeof g.secret);
    v.expires_unix_s = 5000;
    REQUIRE(invites_open(&s, folder) == ERR_NONE && invites_add(s, &v) == ERR_NONE && invites_refresh(s));
    REQUIRE(gate_new(&gate, s, g.key, &rng) == ERR_NONE);
    token_make(&g, binding, &rng, token);
    CHECK(gate_judge(gate, token, binding, 4999) != NULL);
    CHECK(gate_judge(gate, token, binding, 0) != NULL);      /* no clock: nothing expires */
    CHECK(gate_judge(gate, token, binding, 5000) == NULL);
    binding[0] ^= 1;
    CHECK(gate_judge(gate, token, binding, 4999) == NULL);
    binding[0] ^= 1;
    g.secret[0] ^= 1;
    token_make(&g, binding, &rng, token);
    CHECK(gate_judge(gate, token, binding, 4999) == NULL);
    g.secret[0] ^= 1;
    g.id[0] ^= 1;
    token_make(&g, binding, &rng, token);
    CHECK(gate_judge(gate, token, binding, 4999) == NULL);
    g.id[0] ^= 1;
    token_make(&g, binding, &rng, token);
    CHECK(invites_revoke(s, "gate", &count) == ERR_NONE && invites_refresh(s) && gate_judge(gate, token, binding, 4999) == NULL);
    gate_free(gate);
    invites_close(s);
}

int main(void)
{
    char folder[] = "/tmp/staffetta-invites-XXXXXX", command[128];
    struct invite v;

    REQUIRE(crypto_start() == ERR_NONE && mkdtemp(folder) != NULL);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        CHECK_CASE(cases[i].name, invite_read(&v, cases[i].text, strlen(cases[i].text)) == cases[i].want);
    check_invites_folder(folder);
    check_gate(folder);
    snprintf(command, sizeof command, "rm -r %s", folder);
    CHECK(system(command) == 0);
    return check_report("invites");
}
