/* mesh/sketch_decoder.c - what is left of their cells when ours are taken away, and how much more to ask for.
 *
 * A decoder holds, for cells not yet received, what our own set and the ids already found take away from them; a
 * cell that arrives is added to that, and what is left is the difference.
 */
#include <stdlib.h>
#include <string.h>

#include "mesh/base/limits.h"
#include "mesh/sketch.h"
#include "mesh/sketch_set.h"

enum {
    PROBES_MAX  = 128,  /* at a quarter full no honest set of ids needs more */
    INDEX_FREE  = 0,
    FINDS_MAX   = 3,    /* ids that one cell may give; an honest one nearly always gives one at most */
    FALSE_MAX   = 16,   /* false ids in one sketch; even one is rare */
    MARK_QUEUED = 0x80,
};

/* An id that one side has and the other has not. */
struct found {
    uint64_t word, state;
    uint32_t next;
    uint32_t place;      /* in the list of its sign */
    int8_t sign;         /* 1 remote only, -1 local only, 0 taken back */
};

struct sketch_decoder {
    struct sketch_key key;
    struct sketch_set members;
    uint64_t remote_count;
    struct sketch_cell *cells;
    uint32_t *queue;     /* received cells whose count was +-1 when last touched */
    uint8_t *marks;      /* of each cell: MARK_QUEUED, and how many ids it gave */
    uint32_t cells_cap, made, received, open, queue_len;
    struct found *found;
    uint32_t found_count, found_cap;
    uint32_t *index;     /* hash table: position in found, plus one */
    uint32_t index_mask;
    uint64_t *lists[2];  /* local only, remote only */
    uint32_t list_counts[2];
    double deviation;    /* sum over received cells of (net - expected)^2 / (chance (1 - chance)) */
    enum err failure;    /* sticks: the cells contradict themselves, or memory ran out */
};

enum err sketch_decoder_new(struct sketch_decoder **out, const uint64_t *sids, size_t count, const uint8_t key[16])
{
    struct sketch_decoder *s = calloc(1, sizeof *s);
    enum err e;

    if (s == NULL)
        return ERR_NO_MEMORY;
    s->key = sketch_key_of(key);
    if ((e = sketch_set_init(&s->members, sids, count, &s->key)) != ERR_NONE) {
        free(s);
        return e;
    }
    *out = s;
    return ERR_NONE;
}

void sketch_decoder_free(struct sketch_decoder *s)
{
    if (s == NULL)
        return;
    sketch_set_clear(&s->members);
    free(s->cells);
    free(s->queue);
    free(s->marks);
    free(s->found);
    free(s->index);
    free(s->lists[0]);
    free(s->lists[1]);
    free(s);
}

void sketch_decoder_expect(struct sketch_decoder *s, uint64_t remote_count)
{
    if (s->received == 0)
        s->remote_count = remote_count;
}

/* Grows *at to `cap` elements of `size`; the old block stays when memory is short. */
static bool grow(void *at, size_t cap, size_t size)
{
    void *old, *new;

    memcpy(&old, at, sizeof old);
    new = realloc(old, cap * size);
    if (new == NULL)
        return false;
    memcpy(at, &new, sizeof new);
    return true;
}

static bool cell_is_open(const struct sketch_cell *c)
{
    return c->sum != 0 || c->count != 0;
}

/* A received cell whose count allows for a single id is worth a look. */
static void cell_queue(struct sketch_decoder *s, uint32_t i)
{
    int32_t count = s->cells[i].count;

    if ((count != 1 && count != -1) || (s->marks[i] & MARK_QUEUED))
        return;
    s->marks[i] |= MARK_QUEUED;
    s->queue[s->queue_len++] = i;
}

/* Takes an id out of the cells made so far, from where its walk stands: `sign` for a remote one. */
static void found_walk(struct sketch_decoder *s, struct found *f, int32_t sign)
{
    while (f->next < s->made) {
        struct sketch_cell *c = &s->cells[f->next];
        bool was_open = cell_is_open(c);

        c->sum ^= f->word;
        c->count -= sign;
        if (f->next < s->received) {
            s->open = s->open - was_open + cell_is_open(c);
            cell_queue(s, f->next);
        }
        f->next = sketch_next(&f->state, f->next);
    }
}

static enum err decoder_extend(struct sketch_decoder *s, uint64_t want)
{
    uint32_t end = sketch_block_end(s->made, want);

    if (end > s->cells_cap) {
        if (!grow(&s->cells, end, sizeof *s->cells) || !grow(&s->queue, end, sizeof *s->queue) ||
            !grow(&s->marks, end, sizeof *s->marks))
            return ERR_NO_MEMORY;
        s->cells_cap = end;
    }
    memset(&s->cells[s->made], 0, (end - s->made) * sizeof *s->cells);
    memset(&s->marks[s->made], 0, end - s->made);
    /* The cache holds SKETCH_BLOCK_MAX cells; a longer stretch is walked in pieces. */
    while (s->made < end) {
        uint32_t from = s->made;

        s->made = end - from > SKETCH_BLOCK_MAX ? from + SKETCH_BLOCK_MAX : end;
        sketch_set_walk(&s->members, &s->cells[from], from, s->made, -1);
        for (uint32_t i = from; i < s->made; i++)
            s->cells[i].net = s->cells[i].count;
    }
    for (uint32_t i = 0; i < s->found_count; i++)
        if (s->found[i].sign != 0)
            found_walk(s, &s->found[i], s->found[i].sign);
    return ERR_NONE;
}

/* The slot of a short id in the index: its own, or the free one where it belongs. NULL: a run of ids that
 * hash alike, which only a peer who searches for them can make. */
static uint32_t *index_slot(const struct sketch_decoder *s, uint64_t sid)
{
    uint64_t hash = sketch_mix(sid);

    for (uint32_t i = 0; i < PROBES_MAX; i++) {
        uint32_t *slot = &s->index[(hash + i) & s->index_mask];

        if (*slot == INDEX_FREE || (s->found[*slot - 1].word & SKETCH_SID_MASK) == sid)
            return slot;
    }
    return NULL;
}

/* Room for one more found id in all that holds them. */
static enum err found_reserve(struct sketch_decoder *s)
{
    if (s->found_count < s->found_cap)
        return ERR_NONE;

    uint32_t cap = s->found_cap == 0 ? 16 : 2 * s->found_cap;
    uint32_t *index;

    if (!grow(&s->found, cap, sizeof *s->found) || !grow(&s->lists[0], cap, sizeof *s->lists[0]) ||
        !grow(&s->lists[1], cap, sizeof *s->lists[1]) || (index = calloc(4 * (size_t)cap, sizeof *index)) == NULL)
        return ERR_NO_MEMORY;
    free(s->index);
    s->index = index;
    s->index_mask = 4 * cap - 1;
    s->found_cap = cap;
    for (uint32_t i = 0; i < s->found_count; i++) {
        uint32_t *slot = index_slot(s, s->found[i].word & SKETCH_SID_MASK);

        if (slot == NULL)
            return ERR_MALFORMED;
        *slot = i + 1;
    }
    return ERR_NONE;
}

static void list_add(struct sketch_decoder *s, struct found *f)
{
    uint32_t side = f->sign > 0;

    f->place = s->list_counts[side]++;
    s->lists[side][f->place] = f->word & SKETCH_SID_MASK;
}

/* The last of the list takes the place that becomes free. */
static void list_remove(struct sketch_decoder *s, const struct found *f)
{
    uint32_t side = f->sign > 0;
    uint64_t last = s->lists[side][--s->list_counts[side]];

    s->lists[side][f->place] = last;
    s->found[*index_slot(s, last) - 1].place = f->place;
}

/* A short id is found with this sign, or found again with the other one, which takes it back. */
static enum err found_add(struct sketch_decoder *s, uint64_t word, uint64_t seed, int8_t sign)
{
    enum err e = found_reserve(s);
    uint32_t *slot;

    if (e != ERR_NONE)
        return e;
    if ((slot = index_slot(s, word & SKETCH_SID_MASK)) == NULL)
        return ERR_MALFORMED;
    if (*slot == INDEX_FREE) {
        /* Every true id empties a cell for good, so that there are no more of them than cells. */
        if (s->found_count >= s->received + FALSE_MAX)
            return ERR_NONE;
        s->found[s->found_count] = (struct found){ .word = word };
        *slot = ++s->found_count;
    }

    struct found *f = &s->found[*slot - 1];
    if (f->sign == sign)
        return ERR_NONE; /* a set holds a member once: the cell lies and stays unexplained */
    if (f->sign != 0) {
        list_remove(s, f);
        f->sign = 0;
    } else {
        f->sign = sign;
        list_add(s, f);
    }
    f->state = seed;
    f->next = 0;
    found_walk(s, f, sign);
    return ERR_NONE;
}

static bool walk_includes(uint64_t seed, uint32_t cell)
{
    uint32_t at = 0;

    while (at < cell)
        at = sketch_next(&seed, at);
    return at == cell;
}

/* Takes out every id that stands alone in a cell, until none does.
 *
 * Once in some thousands of sketches an XOR of several ids passes for one. It then shows up with the other sign in
 * a cell where it never was, which takes it back, and the cell that gave it may give it again: so a cell gives
 * FINDS_MAX ids and no more, and new cells settle who was right. To forbid the id instead would be wrong: when
 * a, b, c pass for d, then a, b, d pass for c, and c is real. The same rule ends streams made to go in circles. */
static enum err decoder_peel(struct sketch_decoder *s)
{
    while (s->queue_len > 0) {
        uint32_t i = s->queue[--s->queue_len];
        const struct sketch_cell *c = &s->cells[i];
        uint64_t word = c->sum, sid = word & SKETCH_SID_MASK, seed = sketch_seed(&s->key, sid);

        s->marks[i] &= (uint8_t)~MARK_QUEUED;
        if ((c->count != 1 && c->count != -1) || s->marks[i] >= FINDS_MAX || sketch_word(sid, seed) != word ||
            !walk_includes(seed, i))
            continue;
        s->marks[i]++;

        enum err e = found_add(s, word, seed, (int8_t)c->count);
        if (e != ERR_NONE)
            return e;
    }
    return ERR_NONE;
}

static int64_t unzigzag(uint64_t v)
{
    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

/* One cell, or false: a count that no set of the stated size has in this cell. */
static bool cell_read(struct reader *r, uint64_t remote_count, uint32_t i, struct sketch_cell *out)
{
    out->sum = reader_u64(r);
    int64_t delta = unzigzag(reader_varint(r));
    int64_t limit = SKETCH_SET_MAX;

    if (r->failed || delta < -limit || delta > limit)
        return false;
    int64_t count = sketch_expected(remote_count, i) + delta;
    if ((uint64_t)count > remote_count || (i == 0 && delta != 0)) /* also when below zero */
        return false;
    out->count = (int32_t)count;
    return true;
}

static enum err cells_check(const struct sketch_decoder *s, size_t count, struct reader r)
{
    struct sketch_cell c;

    for (size_t i = 0; i < count; i++)
        if (!cell_read(&r, s->remote_count, s->received + (uint32_t)i, &c))
            return ERR_MALFORMED;
    return ERR_NONE;
}

/* The count of a cell tells the size of the difference without decoding it: given `difference` ids of which the
 * signs sum to cell 0's count, each is in cell i with chance p, so the variance is p (1 - p) times their number. */
static void decoder_measure(struct sketch_decoder *s, uint32_t i)
{
    double chance = 2.0 / (2.0 + i), off = s->cells[i].net - chance * s->cells[0].net;

    if (i > 0)
        s->deviation += off * off / (chance * (1 - chance));
}

enum err sketch_decode(struct sketch_decoder *s, size_t count, struct reader *r)
{
    enum err e;

    if (s->failure != ERR_NONE)
        return s->failure;
    if (count > SKETCH_CELLS_MAX - s->received || s->remote_count > SKETCH_SET_MAX)
        return ERR_TOO_LARGE;
    /* Before memory is taken for them, the cells are there and well-formed. */
    if (r->failed || count > reader_left(r) / SKETCH_CELL_LEN_MIN || cells_check(s, count, *r) != ERR_NONE)
        return ERR_MALFORMED;
    if (s->received + count > s->made && (e = decoder_extend(s, s->received + count)) != ERR_NONE)
        return e;

    for (; count > 0; count--) {
        uint32_t i = s->received++;
        struct sketch_cell remote, *c = &s->cells[i];

        cell_read(r, s->remote_count, i, &remote);
        c->sum ^= remote.sum;
        c->count += remote.count;
        c->net += remote.count;
        s->open += cell_is_open(c);
        cell_queue(s, i);
        decoder_measure(s, i);
    }
    return s->failure = decoder_peel(s);
}

bool sketch_is_decoded(const struct sketch_decoder *s)
{
    return s->failure == ERR_NONE && s->received > 0 && s->open == 0;
}

/* Decoding needs about 1.355 d + 0.9 sqrt(d) cells, give or take 1.2 sqrt(d), and d itself is known to one part in
 * sqrt(received / 2). A further burst costs a round trip, about what 2 kB do, so the aim moves with the doubt:
 * well past the mean while the doubt is small, short of it when an overshoot would be large. */
static double cells_needed(double difference, double received)
{
    double mean = 1.355 * difference + 0.9 * sqrt(difference);
    double doubt = sqrt(1.36 * 1.36 * difference * difference * 2 / (received - 1) + 1.44 * difference);
    double aim = 3 - doubt / 40;

    return mean + (aim > -1.5 ? aim : -1.5) * doubt;
}

size_t sketch_cells_wanted(const struct sketch_decoder *s)
{
    uint32_t left = SKETCH_CELLS_MAX - s->received, step, wanted;

    if (sketch_is_decoded(s) || s->failure != ERR_NONE)
        return 0;

    /* The least to ask for: what usually ends a decoding that is nearly there. */
    step = s->received / 8 < 48 ? s->received / 8 : 48;
    if (step < s->received / 64)
        step = s->received / 64;
    if (step < 8)
        step = 8;

    if (s->received < SKETCH_BLOCK_MIN) {
        wanted = SKETCH_BLOCK_MIN - s->received;
    } else {
        double difference = s->deviation / (s->received - 1), found = (double)s->list_counts[0] + s->list_counts[1];
        double more = cells_needed(difference, s->received) - s->received;

        /* With most of it found the rest is about to fall. */
        wanted = found > 0.75 * difference || more < step ? step : more < left ? (uint32_t)more : left;
    }
    if (wanted < step)
        wanted = step;
    return wanted < left ? wanted : left;
}

const uint64_t *sketch_remote_only(const struct sketch_decoder *s, size_t *count)
{
    *count = s->list_counts[1];
    return s->lists[1];
}

const uint64_t *sketch_local_only(const struct sketch_decoder *s, size_t *count)
{
    *count = s->list_counts[0];
    return s->lists[0];
}
