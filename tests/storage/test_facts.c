/* tests/storage/test_facts.c - the facts record: what is written is read, and nothing else is. */
#include <stdio.h>
#include <string.h>

#include "storage/facts.h"
#include "tests/storage/bundles.h"
#include "tests/support/check.h"

/* The example of docs/storage.md; its checksum was reckoned by a program of its own. */
static const char example[] =
    "0101031502ff0400" "00020000" "40420f00" "70170000" "56341200" "05000000" "00000000"
    "000102030405060708090a0b0c0d0e0f" "101112131415161718191a1b1c1d1e1f" "832b258a";

static struct store_entry example_entry(void)
{
    struct store_entry e = entry_plain();

    e.len = 512;
    e.stamp_bits = 21;
    e.hops = 2;
    e.given = 4;
    e.bucket = 0x123456;
    e.contributor = 5;
    for (uint8_t i = 0; i < 16; i++) {
        e.id.octets[i] = i;
        e.tag[i] = (uint8_t)(16 + i);
    }
    return e;
}

static const struct { const char *name; size_t at; uint8_t octet; enum err want; } cases[] = {
    { "version 0",            0, 0,    ERR_VERSION },
    { "version 2",            0, 2,    ERR_VERSION },
    { "bundle class",         1, 3,    ERR_CORRUPT },
    { "quota class",          2, 5,    ERR_CORRUPT },
    { "spare octet",          7, 1,    ERR_CORRUPT },
    { "length no power of 2", 8, 1,    ERR_CORRUPT },
    { "length too short",     9, 0,    ERR_CORRUPT },
    { "length too long",     10, 2,    ERR_CORRUPT },
    { "expiry of 32 bits",   19, 1,    ERR_CORRUPT },
    { "bucket of 32 bits",   23, 1,    ERR_CORRUPT },
    { "spare word",          28, 1,    ERR_CORRUPT },
    { "any stamp",            3, 255,  ERR_NONE },
    { "any contributor",     27, 255,  ERR_NONE },
    { "any deadline",        15, 255,  ERR_NONE },
};

int main(void)
{
    struct buffer b = buffer_of_limit(FACTS_LEN);
    struct bytes want = check_hex(&b, example);
    struct store_entry e = example_entry(), got;
    uint8_t record[FACTS_LEN], fixed[FACTS_LEN];

    facts_encode(&e, record);
    CHECK_BYTES("example", bytes_of(record, sizeof record), want);
    memset(&got, 0, sizeof got);
    CHECK_ERR("example", facts_decode(&got, want), ERR_NONE);
    CHECK(memcmp(&got, &e, sizeof e) == 0);

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        memcpy(record, want.at, sizeof record);
        record[cases[i].at] = cases[i].octet;
        CHECK_ERR(cases[i].name, facts_decode(&got, bytes_of(record, sizeof record)), ERR_CORRUPT);
        CHECK(facts_fix_checksum(fixed, bytes_of(record, sizeof record)));
        CHECK_ERR(cases[i].name, facts_decode(&got, bytes_of(fixed, sizeof fixed)), cases[i].want);
    }
    for (size_t bit = 0; bit < FACTS_LEN * 8; bit++) {
        memcpy(record, want.at, sizeof record);
        record[bit / 8] ^= (uint8_t)(1 << bit % 8);
        CHECK_ERR("one bit", facts_decode(&got, bytes_of(record, sizeof record)), ERR_CORRUPT);
    }
    for (size_t len = 0; len < FACTS_LEN; len++)
        CHECK_ERR("cut", facts_decode(&got, bytes_of(want.at, len)), ERR_CORRUPT);
    buffer_clear(&b);
    return check_report("facts");
}
