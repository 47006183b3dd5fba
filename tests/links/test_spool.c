/* A stick in place of a link: what one node carries, another takes in, once, with its life and hops. */
#define _DEFAULT_SOURCE
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mesh/links/spool.h"
#include "tests/links/party.h"
#include "tests/links/spool_bundles.h"
#include "tests/support/check.h"

struct first { size_t count; uint32_t len[3]; uint64_t bytes; };

static enum err note_first(void *ctx, struct bytes bundle, uint8_t hops, uint16_t life_h)
{
    struct first *f = ctx;

    if (f->count < 3)
        f->len[f->count] = (uint32_t)bundle.len;
    f->count++;
    f->bytes += bundle.len;
    CHECK(hops <= 3); /* an own bundle starts with a random count */
    CHECK(life_h >= 67 && life_h <= 73); /* three days, on a grid of six hours */
    return ERR_NONE;
}

static void count_drain(void *ctx) { ++*(unsigned *)ctx; }

static void overwrite(const char *path, long at, const char *with, size_t len)
{
    FILE *f = fopen(path, "r+b");

    REQUIRE(f != NULL && fseek(f, at, SEEK_SET) == 0 && fwrite(with, 1, len, f) == len && fclose(f) == 0);
}

struct same { const struct store *other; unsigned missing; };

static bool note_missing(void *ctx, const struct store_entry *e)
{
    struct same *s = ctx;
    const struct store_entry *there = store_find(s->other, &e->id);

    s->missing += there == NULL || there->len != e->len;
    return true;
}

int main(void)
{
    struct event_base *base = event_base_new();
    struct party a, b, c;
    char path[300], other[320], tmp[330], store_a[300], store_b[300];
    struct spool_result r;
    struct first first = { 0 };
    struct buffer file = buffer_of_limit(64 << 20);
    struct stat st;
    unsigned drains = 0;
    bool is_damaged;

    snprintf(path, sizeof path, "%s/all.staffetta", check_folder());
    snprintf(other, sizeof other, "%s/other.staffetta", check_folder());
    snprintf(tmp, sizeof tmp, "%s/.all.staffetta.part", check_folder());
    snprintf(store_a, sizeof store_a, "%s/a", check_folder());
    snprintf(store_b, sizeof store_b, "%s/b", check_folder());
    party_init(&a, base, 1, store_a);
    party_init(&b, base, 2, store_b);
    party_init(&c, base, 3, NULL);

    /* Large ones first in, so that order is the writer's doing. */
    party_submit(&a, 40, 8);
    party_submit(&a, 3000, 0);
    run_for(base, 50);
    REQUIRE(spool_export(a.node, a.store, path, 0, &r) == ERR_NONE);
    CHECK(r.bundles == 3040 && stat(path, &st) == 0 && (uint64_t)st.st_size == r.bytes);
    CHECK(access(tmp, F_OK) != 0);
    REQUIRE(spool_parse(check_file(&file, path), note_first, &first, &is_damaged) == ERR_NONE);
    CHECK(first.count == 3040 && !is_damaged && first.len[0] == 256);
    CHECK(r.bytes == 16 + first.bytes + 3040 * 15);

    REQUIRE(spool_import(b.node, path, count_drain, &drains, host_now_ms(b.host), &r) == ERR_NONE);
    host_poke(b.host);
    run_for(base, 50);
    CHECK(r.bundles == 3040 && r.known == 0 && r.refused == 0 && !r.is_damaged && drains > 5);
    CHECK(party_count(&b) == 3040 && b.stored == 3040);
    struct same same = { b.store, 0 };

    store_walk(a.store, CLASS_SEALED, note_missing, &same);
    CHECK(same.missing == 0);

    /* Again is harmless. */
    REQUIRE(spool_import(b.node, path, NULL, NULL, host_now_ms(b.host), &r) == ERR_NONE);
    CHECK(r.bundles == 0 && r.known == 3040);

    /* A limit keeps the small and new ones. */
    REQUIRE(spool_export(a.node, a.store, other, 100000, &r) == ERR_NONE);
    CHECK(r.bytes <= 100000 && r.bundles == (100000 - 16) / (256 + 15));

    /* Damage costs what is damaged. */
    overwrite(other, 16 + 271 * 5 + 100, "xxxx", 4);
    overwrite(other, 16 + 271 * 9, "xxxx", 4);
    REQUIRE(truncate(other, 16 + 271 * 100 + 77) == 0);
    REQUIRE(spool_import(c.node, other, NULL, NULL, host_now_ms(c.host), &r) == ERR_NONE);
    CHECK(r.bundles == 98 && r.is_damaged);

    /* What is none. */
    CHECK_ERR("absent", spool_import(c.node, tmp, NULL, NULL, host_now_ms(c.host), &r), ERR_NOT_FOUND);
    CHECK_ERR("a folder", spool_import(c.node, check_folder(), NULL, NULL, host_now_ms(c.host), &r), ERR_IO);
    CHECK_ERR("a device", spool_import(c.node, "/dev/zero", NULL, NULL, host_now_ms(c.host), &r), ERR_IO);
    overwrite(other, 8, "\x02", 1);
    CHECK_ERR("version", spool_import(c.node, other, NULL, NULL, host_now_ms(c.host), &r), ERR_VERSION);
    overwrite(other, 0, "nonsense", 8);
    CHECK_ERR("nonsense", spool_import(c.node, other, NULL, NULL, host_now_ms(c.host), &r), ERR_MALFORMED);
    REQUIRE(truncate(other, 0) == 0);
    CHECK_ERR("empty", spool_import(c.node, other, NULL, NULL, host_now_ms(c.host), &r), ERR_MALFORMED);
    CHECK_ERR("no folder", spool_export(a.node, a.store, "/nonexistent/x.staffetta", 0, &r), ERR_IO);
    CHECK_ERR("a folder's name", spool_export(a.node, a.store, check_folder(), 0, &r), ERR_IO);
    CHECK_ERR("no name", spool_export(a.node, a.store, "/", 0, &r), ERR_IO);
    if (access("/dev/full", W_OK) == 0 && symlink("/dev/full", tmp) == 0) {
        /* What stands in the way under the working name is not written through. */
        CHECK_ERR("symlink", spool_export(a.node, a.store, path, 0, &r), ERR_NONE);
        CHECK(lstat(path, &st) == 0 && S_ISREG(st.st_mode));
    }

    /* Time on the stick counts: 71 hours later next to nothing is left, and 73 hours later nothing. */
    first = (struct first){ 0 };
    REQUIRE(spool_export(a.node, a.store, other, 16 + 271 * 10, &r) == ERR_NONE);
    struct bytes whole = check_file(&file, other);
    uint32_t written_min = (uint32_t)whole.at[12] | (uint32_t)whole.at[13] << 8 | (uint32_t)whole.at[14] << 16 |
                           (uint32_t)whole.at[15] << 24;
    struct { unsigned hours_ago; unsigned taken; } cases[] = { { 100, 0 }, { 60, 10 } };

    for (size_t i = 0; i < 2; i++) {
        struct party d;
        uint32_t min = written_min - cases[i].hours_ago * 60;
        char le[4] = { (char)(min & 0xff), (char)(min >> 8 & 0xff), (char)(min >> 16 & 0xff), (char)(min >> 24 & 0xff) };

        overwrite(other, 12, le, 4);
        party_init(&d, base, 4 + i, NULL);
        REQUIRE(spool_import(d.node, other, NULL, NULL, host_now_ms(d.host), &r) == ERR_NONE);
        CHECK(r.bundles == cases[i].taken && r.refused == 10 - cases[i].taken);
        party_clear(&d);
    }

    buffer_clear(&file);
    party_clear(&a);
    party_clear(&b);
    party_clear(&c);
    event_base_free(base);
    return check_report("test_spool");
}
