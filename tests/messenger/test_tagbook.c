/* tests/messenger/test_tagbook.c - the hash table of tags, against a plain list. */
#include <stdlib.h>
#include <string.h>

#include "apps/messenger/tagbook.h"
#include "tests/support/check.h"
#include "tests/support/seeded.h"

enum { PAIRS_MAX = 600, TAGS = 200, STEPS = 20000 };

struct pair { uint8_t tag[TAG_LEN]; uint64_t value; };
struct model { struct pair at[PAIRS_MAX]; size_t count; };

static void tag_of(unsigned n, uint8_t out[TAG_LEN])
{
    memset(out, 0, TAG_LEN);
    out[0] = (uint8_t)n;
    out[15] = (uint8_t)(n >> 8);
}

static size_t model_find(const struct model *m, const uint8_t tag[TAG_LEN], uint64_t value)
{
    size_t i = 0;

    while (i < m->count && (m->at[i].value != value || memcmp(m->at[i].tag, tag, TAG_LEN) != 0))
        i++;
    return i;
}

static size_t model_count(const struct model *m, const uint8_t tag[TAG_LEN])
{
    size_t n = 0;

    for (size_t i = 0; i < m->count; i++)
        n += memcmp(m->at[i].tag, tag, TAG_LEN) == 0;
    return n;
}

static bool is_odd(void *ctx, uint64_t value)
{
    (void)ctx;
    return value % 2 == 1;
}

static void check_same(const struct tagbook *b, const struct model *m)
{
    CHECK(tagbook_count(b) == m->count);
    for (unsigned n = 0; n < TAGS; n++) {
        uint8_t tag[TAG_LEN];
        uint64_t value;
        unsigned found = 0;

        tag_of(n, tag);
        while (tagbook_find(b, tag, found, &value)) {
            CHECK(model_find(m, tag, value) < m->count);
            found++;
        }
        CHECK(found == model_count(m, tag));
    }
}

/* Random additions, removals and clearings; the book and the list always agree. */
static void check_story(uint64_t seed)
{
    struct seeded s;
    struct tagbook *b;
    struct model *m = calloc(1, sizeof *m);

    seeded_init(&s, seed);
    struct rng g = seeded_rng(&s);
    REQUIRE(m != NULL && tagbook_new(&b, &g) == ERR_NONE);
    for (unsigned step = 0; step < STEPS; step++) {
        uint8_t tag[TAG_LEN];
        uint64_t value = rng_below(&g, 5);
        size_t i;

        tag_of(rng_below(&g, TAGS), tag);
        i = model_find(m, tag, value);
        if (rng_below(&g, 3) != 0 && m->count < PAIRS_MAX) {
            CHECK_ERR("", tagbook_add(b, tag, value), ERR_NONE);
            if (i == m->count) {
                memcpy(m->at[i].tag, tag, TAG_LEN);
                m->at[m->count++].value = value;
            }
        } else {
            CHECK(tagbook_remove(b, tag, value) == (i < m->count));
            if (i < m->count)
                m->at[i] = m->at[--m->count];
        }
        if (step % 5000 == 4999) {
            check_same(b, m);
            CHECK_ERR("", tagbook_keep(b, is_odd, NULL), ERR_NONE);
            for (i = m->count; i-- > 0;) {
                if (m->at[i].value % 2 == 0)
                    m->at[i] = m->at[--m->count];
            }
            check_same(b, m);
        }
    }
    for (size_t left = tagbook_count(b); left > 0; left--)
        CHECK(tagbook_remove_any(b, rng_u64(&g)));
    CHECK(tagbook_count(b) == 0 && !tagbook_remove_any(b, 7));
    tagbook_free(b);
    free(m);
}

int main(void)
{
    for (uint64_t seed = 1; seed <= 3; seed++)
        check_story(seed);
    tagbook_free(NULL);
    return check_report("tagbook");
}
