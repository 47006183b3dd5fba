/* tests/base/test_reader.c - reader and writer mirror each other and never pass an end. */
#include "mesh/base/reader.h"
#include "mesh/base/rng.h"
#include "mesh/base/writer.h"
#include "tests/support/check.h"
#include "tests/support/seeded.h"

static const struct {
    const char *name, *hex;
    bool is_good;
    uint64_t value;
} varints[] = {
    { "zero", "00", true, 0 },
    { "127", "7f", true, 127 },
    { "128", "8001", true, 128 },
    { "empty", "", false, 0 },
    { "cut short", "80", false, 0 },
    { "not the shortest form", "8000", false, 0 },
    { "largest", "ffffffffffffffffff01", true, UINT64_MAX },
    { "one bit too many", "ffffffffffffffffff02", false, 0 },
    { "eleven bytes", "8080808080808080808001", false, 0 },
    { "a byte left over", "0100", false, 0 },
};

static void check_varints(void)
{
    struct buffer b = buffer_of_limit(64);

    for (size_t i = 0; i < sizeof varints / sizeof varints[0]; i++) {
        struct reader r = reader_of(check_hex(&b, varints[i].hex));
        uint64_t v = reader_varint(&r);

        CHECK_CASE(varints[i].name, reader_is_done(&r) == varints[i].is_good);
        if (varints[i].is_good)
            CHECK_CASE(varints[i].name, v == varints[i].value);
    }
    buffer_clear(&b);
}

static void check_sticky(void)
{
    uint8_t three[3] = { 1, 2, 3 }, out[4] = { 9, 9, 9, 9 };
    struct reader r = reader_of(bytes_of(three, sizeof three));

    CHECK(reader_u16(&r) == 0x0201);
    CHECK(reader_u16(&r) == 0);
    CHECK(reader_u8(&r) == 0);
    reader_copy(&r, out, sizeof out);
    CHECK(out[0] == 0 && out[3] == 0);
    CHECK(reader_take(&r, 1).len == 0);
    CHECK(!reader_is_done(&r));

    r = reader_of(bytes_of(three, sizeof three));
    struct reader sub = reader_sub(&r, 2);
    CHECK(reader_u24(&sub) == 0 && sub.failed);
    CHECK(!r.failed && reader_u8(&r) == 3 && reader_is_done(&r));

    r = reader_of(bytes_of(three, sizeof three));
    sub = reader_sub(&r, SIZE_MAX);
    CHECK(sub.failed && r.failed);

    struct writer w = writer_of(out, sizeof out);
    writer_u24(&w, 1);
    writer_u16(&w, 1);
    writer_u8(&w, 7);
    CHECK(w.failed && writer_len(&w) == 3);
    CHECK(writer_gap(&w, SIZE_MAX) == NULL);
}

static void check_round_trip(uint64_t seed)
{
    struct seeded g;
    struct rng rng = (seeded_init(&g, seed), seeded_rng(&g));
    uint8_t space[64];
    uint64_t v = rng_u64(&rng) >> rng_below(&rng, 64);
    struct writer w = writer_of(space, sizeof space);

    writer_u8(&w, (uint8_t)v);
    writer_u16(&w, (uint16_t)v);
    writer_u24(&w, (uint32_t)v);
    writer_u24_be(&w, (uint32_t)v);
    writer_u32(&w, (uint32_t)v);
    writer_u48(&w, v);
    writer_u64(&w, v);
    size_t before = writer_len(&w);
    writer_varint(&w, v);
    CHECK(writer_len(&w) - before == writer_varint_len(v));

    struct reader r = reader_of(writer_bytes(&w));
    CHECK(reader_u8(&r) == (uint8_t)v);
    CHECK(reader_u16(&r) == (uint16_t)v);
    CHECK(reader_u24(&r) == (v & 0xffffff));
    CHECK(reader_u24_be(&r) == (v & 0xffffff));
    CHECK(reader_u32(&r) == (uint32_t)v);
    CHECK(reader_u48(&r) == (v & 0xffffffffffff));
    CHECK(reader_u64(&r) == v);
    CHECK(reader_varint(&r) == v);
    CHECK(reader_is_done(&r));
}

static void check_buffer(void)
{
    struct buffer b = buffer_of_limit(300);
    uint8_t block[200] = { 5 };

    CHECK_ERR("", buffer_append(&b, bytes_of(block, sizeof block)), ERR_NONE);
    CHECK_ERR("", buffer_append(&b, bytes_of(block, sizeof block)), ERR_TOO_LARGE);
    CHECK(b.len == 200);
    buffer_consume(&b, 150);
    CHECK(b.len == 50);
    CHECK_ERR("", buffer_append(&b, bytes_of(block, sizeof block)), ERR_NONE);
    CHECK(b.at[50] == 5 && b.len == 250);
    CHECK_ERR("", buffer_reserve(&b, SIZE_MAX), ERR_TOO_LARGE);
    buffer_clear(&b);
    CHECK(b.len == 0 && b.at == NULL);
}

int main(void)
{
    check_varints();
    check_sticky();
    check_buffer();
    for (uint64_t seed = 0; seed < 1000; seed++)
        check_round_trip(seed);
    return check_report("reader");
}
