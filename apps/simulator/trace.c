/* apps/simulator/trace.c - reading and building traces. */
#include "apps/simulator/trace.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "apps/simulator/table.h"

/* ---- One line at a time ---- */

struct line {
    const char *at, *end; /* what is left of it */
    size_t number;
};

static enum err fault_at(struct trace_fault *f, size_t line, const char *format, ...)
{
    va_list args;

    f->line = line;
    va_start(args, format);
    vsnprintf(f->text, sizeof f->text, format, args);
    va_end(args);
    return ERR_MALFORMED;
}

struct lines {
    const char *at, *end;
    size_t number;
};

static struct lines lines_of(struct bytes text)
{
    const char *at = text.len > 0 ? (const char *)text.at : "";

    return (struct lines){ at, at + text.len, 0 };
}

/* The next line that is neither empty nor a comment. */
static bool lines_next(struct lines *ls, struct line *out)
{
    while (ls->at < ls->end) {
        const char *stop = memchr(ls->at, '\n', (size_t)(ls->end - ls->at));
        const char *from = ls->at, *to = stop != NULL ? stop : ls->end;

        ls->at = stop != NULL ? stop + 1 : ls->end;
        ls->number++;
        if (to > from && to[-1] == '\r')
            to--;
        if (to == from || *from == '#')
            continue;
        *out = (struct line){ from, to, ls->number };
        return true;
    }
    return false;
}

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

/* The next word; empty at the end of the line. */
static struct bytes line_word(struct line *l)
{
    while (l->at < l->end && is_blank(*l->at))
        l->at++;

    const char *from = l->at;

    while (l->at < l->end && !is_blank(*l->at))
        l->at++;
    return bytes_of(from, (size_t)(l->at - from));
}

static bool line_is_done(struct line *l)
{
    return line_word(l).len == 0;
}

static bool word_is(struct bytes w, const char *text)
{
    return bytes_are_equal(w, bytes_of_text(text));
}

/* Decimal digits only; false when there are none, others, or more than max says. */
static bool word_number(struct bytes w, uint64_t max, uint64_t *out)
{
    uint64_t n = 0;

    if (w.len == 0)
        return false;
    for (size_t i = 0; i < w.len; i++) {
        if (w.at[i] < '0' || w.at[i] > '9')
            return false;
        n = n * 10 + (uint64_t)(w.at[i] - '0');
        if (n > max)
            return false;
    }
    *out = n;
    return true;
}

/* Seconds with up to two decimals that count; more must be zeros. */
static bool word_time(struct bytes w, int64_t *out_cs)
{
    const uint8_t *dot = w.len > 0 ? memchr(w.at, '.', w.len) : NULL;
    size_t whole_len = dot != NULL ? (size_t)(dot - w.at) : w.len;
    uint64_t whole, part = 0;

    if (!word_number(bytes_of(w.at, whole_len), (uint64_t)TRACE_TIME_MAX_CS / 100 - 1, &whole))
        return false;
    if (dot != NULL) {
        size_t n = w.len - whole_len - 1;

        if (n == 0)
            return false;
        for (size_t i = 0; i < n || i < 2; i++) {
            unsigned digit = i < n ? (unsigned)(dot[1 + i] - '0') : 0;

            if (digit > 9 || (i >= 2 && digit != 0))
                return false;
            if (i < 2)
                part = part * 10 + digit;
        }
    }
    *out_cs = (int64_t)(whole * 100 + part);
    return true;
}

/* ---- Building ---- */

static struct trace_event *add_event(struct trace *t)
{
    t->events = grow_for(t->events, t->event_count, &t->event_cap, sizeof *t->events);
    return &t->events[t->event_count++];
}

static void note_node(struct trace *t, uint32_t node)
{
    if (node >= t->node_count)
        t->node_count = node + 1;
}

void trace_add_link(struct trace *t, int64_t time_cs, uint32_t a, uint32_t b, bool is_up)
{
    *add_event(t) = (struct trace_event){ time_cs, a < b ? a : b, a < b ? b : a, is_up ? TRACE_UP : TRACE_DOWN };
    note_node(t, a);
    note_node(t, b);
}

void trace_add_message(struct trace *t, int64_t time_cs, uint32_t from, uint32_t to, uint32_t size)
{
    t->messages = grow_for(t->messages, t->message_count, &t->message_cap, sizeof *t->messages);

    struct trace_message *m = &t->messages[t->message_count];

    *m = (struct trace_message){ .time_cs = time_cs, .from = from, .to = to, .size = size };
    snprintf(m->name, sizeof m->name, "M%zu", t->message_count + 1);
    *add_event(t) = (struct trace_event){ time_cs, (uint32_t)t->message_count, 0, TRACE_MESSAGE };
    t->message_count++;
    note_node(t, from);
    note_node(t, to);
}

/* At equal times links go down before they come up, so that adjacent windows never overlap. */
static int order_of(enum trace_kind k)
{
    return k == TRACE_DOWN ? 0 : k == TRACE_UP ? 1 : 2;
}

static int by_time(const void *x, const void *y)
{
    const struct trace_event *a = x, *b = y;

    if (a->time_cs != b->time_cs)
        return a->time_cs < b->time_cs ? -1 : 1;
    if (a->kind != b->kind)
        return order_of(a->kind) - order_of(b->kind);
    if (a->a != b->a)
        return a->a < b->a ? -1 : 1;
    return a->b < b->b ? -1 : a->b > b->b;
}

void trace_finish(struct trace *t)
{
    if (t->event_count > 0)
        qsort(t->events, t->event_count, sizeof *t->events, by_time);
}

void trace_clear(struct trace *t)
{
    free(t->events);
    free(t->messages);
    memset(t, 0, sizeof *t);
}

/* ---- The format of the traces, and ONE's log ---- */

struct parsing {
    struct trace *t;
    struct trace_fault *fault;
    struct table open, names;  /* links that are up, hashes of message ids */
    uint32_t node_count;       /* 0: any */
    int64_t last_cs;
};

static enum err read_node(struct parsing *p, struct line *l, const char *what, uint32_t *out)
{
    struct bytes w = line_word(l);
    uint64_t n;

    if (!word_number(w, TRACE_NODES_MAX - 1, &n))
        return fault_at(p->fault, l->number, "%s: not a node number: '%.*s'", what, (int)(w.len < 40 ? w.len : 40), w.at ? (const char *)w.at : "");
    if (p->node_count > 0 && n >= p->node_count)
        return fault_at(p->fault, l->number, "%s: node %u is unknown: there are %u", what, (unsigned)n, (unsigned)p->node_count);
    *out = (uint32_t)n;
    return ERR_NONE;
}

static enum err read_conn(struct parsing *p, struct line *l, int64_t time_cs)
{
    uint32_t a, b;
    enum err e;

    if ((e = read_node(p, l, "CONN", &a)) != ERR_NONE || (e = read_node(p, l, "CONN", &b)) != ERR_NONE)
        return e;

    struct bytes w = line_word(l);
    bool is_up = word_is(w, "up");
    uint64_t pair = a < b ? table_pair(a, b) : table_pair(b, a);

    if (a == b)
        return fault_at(p->fault, l->number, "node %u linked to itself", (unsigned)a);
    if (!is_up && !word_is(w, "down"))
        return fault_at(p->fault, l->number, "a link goes 'up' or 'down', not '%.*s'", (int)(w.len < 40 ? w.len : 40), w.at ? (const char *)w.at : "");
    if (is_up == (table_find(&p->open, pair) != TABLE_NONE))
        return fault_at(p->fault, l->number, is_up ? "link %u-%u is up already" : "link %u-%u goes down and was not up",
                        (unsigned)a, (unsigned)b);
    if (is_up)
        table_put(&p->open, pair, 1);
    else
        table_remove(&p->open, pair);
    trace_add_link(p->t, time_cs, a, b, is_up);
    return ERR_NONE;
}

static uint64_t hash_name(struct bytes w)
{
    uint64_t h = 0xcbf29ce484222325u;

    for (size_t i = 0; i < w.len; i++)
        h = (h ^ w.at[i]) * 0x100000001b3u;
    return h ^ h >> 31;
}

/* A new name of at most TRACE_NAME_MAX printable characters. */
static enum err read_name(struct parsing *p, struct line *l, char out[TRACE_NAME_MAX + 1])
{
    struct bytes w = line_word(l);

    if (w.len == 0 || w.len > TRACE_NAME_MAX)
        return fault_at(p->fault, l->number, "a message id has 1 to %d characters", TRACE_NAME_MAX);
    for (size_t i = 0; i < w.len; i++)
        if (w.at[i] <= ' ' || w.at[i] > '~' || w.at[i] == '"' || w.at[i] == '\\')
            return fault_at(p->fault, l->number, "a message id with a character that is not plain");
    memset(out, 0, TRACE_NAME_MAX + 1);
    memcpy(out, w.at, w.len);

    /* Two ids with one hash among millions are less likely than a faulty memory; walking on finds the true twin. */
    uint64_t h = hash_name(w);
    uint32_t seen;

    while ((seen = table_find(&p->names, h)) != TABLE_NONE) {
        if (strcmp(p->t->messages[seen].name, out) == 0)
            return fault_at(p->fault, l->number, "message %s is created twice", out);
        h++;
    }
    table_put(&p->names, h, (uint32_t)p->t->message_count);
    return ERR_NONE;
}

static enum err read_message(struct parsing *p, struct line *l, int64_t time_cs)
{
    char name[TRACE_NAME_MAX + 1];
    uint32_t from, to;
    uint64_t size;
    enum err e;

    if ((e = read_name(p, l, name)) != ERR_NONE || (e = read_node(p, l, "MSG", &from)) != ERR_NONE
        || (e = read_node(p, l, "MSG", &to)) != ERR_NONE)
        return e;
    if (!word_number(line_word(l), TRACE_SIZE_MAX, &size) || size == 0)
        return fault_at(p->fault, l->number, "message %s: the size is a number of bytes from 1 to %d", name, TRACE_SIZE_MAX);
    if (from == to)
        return fault_at(p->fault, l->number, "message %s goes from node %u to itself", name, (unsigned)from);
    trace_add_message(p->t, time_cs, from, to, (uint32_t)size);
    memcpy(p->t->messages[p->t->message_count - 1].name, name, sizeof name);
    return ERR_NONE;
}

static enum err read_event(struct parsing *p, struct line *l)
{
    struct bytes when = line_word(l), what = line_word(l);
    int64_t time_cs;
    enum err e;

    if (!word_time(when, &time_cs))
        return fault_at(p->fault, l->number, "not a time in seconds: '%.*s'", (int)(when.len < 40 ? when.len : 40), when.at ? (const char *)when.at : "");
    if (time_cs < p->last_cs)
        return fault_at(p->fault, l->number, "time goes back from %.2f to %.2f", (double)p->last_cs / 100, (double)time_cs / 100);
    if (p->t->event_count >= TRACE_EVENTS_MAX)
        return fault_at(p->fault, l->number, "more than %d events", TRACE_EVENTS_MAX);
    p->last_cs = time_cs;
    if (word_is(what, "CONN"))
        e = read_conn(p, l, time_cs);
    else if (word_is(what, "MSG"))
        e = read_message(p, l, time_cs);
    else
        return fault_at(p->fault, l->number, "an event is CONN or MSG, not '%.*s'", (int)(what.len < 40 ? what.len : 40), what.at ? (const char *)what.at : "");
    if (e == ERR_NONE && !line_is_done(l))
        return fault_at(p->fault, l->number, "more words than the event has");
    return e;
}

enum err trace_parse(struct trace *out, struct bytes text, uint32_t node_count, struct trace_fault *fault)
{
    struct trace t = { .node_count = node_count };
    struct parsing p = { .t = &t, .fault = fault, .node_count = node_count };
    struct lines ls = lines_of(text);
    struct line l;
    enum err e = ERR_NONE;

    while (e == ERR_NONE && lines_next(&ls, &l))
        e = read_event(&p, &l);
    if (e == ERR_NONE && t.event_count == 0)
        e = fault_at(fault, 0, "no events");
    table_clear(&p.open);
    table_clear(&p.names);
    if (e != ERR_NONE)
        trace_clear(&t);
    *out = t;
    return e;
}

/* ---- SocioPatterns ---- */

enum { WINDOW_CS = 2000 };

struct sighting {
    int64_t time_cs;
    uint32_t a, b;
};

static int by_pair(const void *x, const void *y)
{
    const struct sighting *p = x, *q = y;

    if (p->a != q->a)
        return p->a < q->a ? -1 : 1;
    if (p->b != q->b)
        return p->b < q->b ? -1 : 1;
    return p->time_cs < q->time_cs ? -1 : p->time_cs > q->time_cs;
}

static int by_number(const void *x, const void *y)
{
    uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;

    return a < b ? -1 : a > b;
}

static uint32_t rank_of(const uint32_t *ids, size_t count, uint32_t id)
{
    const uint32_t *at = bsearch(&id, ids, count, sizeof *ids, by_number);

    return (uint32_t)(at - ids);
}

/* Adjacent windows of a pair are one contact. */
static void merge_windows(struct trace *t, struct sighting *s, size_t count, int64_t start_cs)
{
    qsort(s, count, sizeof *s, by_pair);
    for (size_t i = 0; i < count;) {
        int64_t up = s[i].time_cs - WINDOW_CS, down = s[i].time_cs;
        size_t j = i + 1;

        while (j < count && s[j].a == s[i].a && s[j].b == s[i].b && s[j].time_cs - WINDOW_CS <= down)
            down = s[j++].time_cs;
        trace_add_link(t, up - start_cs, s[i].a, s[i].b, true);
        trace_add_link(t, down - start_cs, s[i].a, s[i].b, false);
        i = j;
    }
    trace_finish(t);
}

static enum err read_sighting(struct line *l, struct sighting *s, struct trace_fault *fault)
{
    uint64_t a, b;

    if (!word_time(line_word(l), &s->time_cs) || s->time_cs < WINDOW_CS)
        return fault_at(fault, l->number, "a contact starts with the end of its 20 s window, in seconds");
    if (!word_number(line_word(l), UINT32_MAX - 1, &a) || !word_number(line_word(l), UINT32_MAX - 1, &b))
        return fault_at(fault, l->number, "a contact names two people by number");
    if (a == b)
        return fault_at(fault, l->number, "%lu in contact with itself", (unsigned long)a);
    s->a = (uint32_t)(a < b ? a : b);
    s->b = (uint32_t)(a < b ? b : a);
    return ERR_NONE;
}

enum err trace_parse_contacts(struct trace *out, struct bytes text, struct trace_fault *fault)
{
    struct trace t = { 0 };
    struct lines ls = lines_of(text);
    struct line l;
    struct sighting *seen = NULL;
    uint32_t *ids = NULL;
    size_t count = 0, cap = 0, id_count = 0;
    int64_t start_cs = 0, last_cs = 0;
    enum err e = ERR_NONE;

    *out = t;
    while (e == ERR_NONE && lines_next(&ls, &l)) {
        seen = grow_for(seen, count, &cap, sizeof *seen);
        if ((e = read_sighting(&l, &seen[count], fault)) != ERR_NONE)
            break;
        if (seen[count].time_cs < last_cs)
            e = fault_at(fault, l.number, "time goes back");
        last_cs = seen[count].time_cs;
        if (count == 0)
            start_cs = last_cs - WINDOW_CS;
        if (++count >= TRACE_EVENTS_MAX / 2)
            e = fault_at(fault, l.number, "more than %d contacts", TRACE_EVENTS_MAX / 2);
    }
    if (e == ERR_NONE && count == 0)
        e = fault_at(fault, 0, "no contacts");
    if (e != ERR_NONE)
        goto out;

    ids = grow(NULL, count * 2, sizeof *ids);
    for (size_t i = 0; i < count; i++) {
        ids[2 * i] = seen[i].a;
        ids[2 * i + 1] = seen[i].b;
    }
    qsort(ids, count * 2, sizeof *ids, by_number);
    for (size_t i = 0; i < count * 2; i++)
        if (i == 0 || ids[i] != ids[id_count - 1])
            ids[id_count++] = ids[i];
    if (id_count > TRACE_NODES_MAX) {
        e = fault_at(fault, 0, "more than %d people", TRACE_NODES_MAX);
        goto out;
    }
    for (size_t i = 0; i < count; i++) {
        seen[i].a = rank_of(ids, id_count, seen[i].a);
        seen[i].b = rank_of(ids, id_count, seen[i].b);
    }
    merge_windows(&t, seen, count, start_cs);
    *out = t;
out:
    free(seen);
    free(ids);
    return e;
}

/* ---- Files ---- */

enum err trace_inflate(struct buffer *text, struct bytes file, struct trace_fault *fault)
{
    static const uint8_t magic[4] = { 0x28, 0xb5, 0x2f, 0xfd };
    enum err e = ERR_NONE;

    if (file.len < 4 || memcmp(file.at, magic, 4) != 0)
        return buffer_append(text, file);

    ZSTD_DStream *z = ZSTD_createDStream();
    ZSTD_inBuffer in = { file.at, file.len, 0 };
    size_t left = 1;

    if (z == NULL)
        return ERR_NO_MEMORY;
    while (e == ERR_NONE && (in.pos < in.size || left != 0)) {
        if ((e = buffer_reserve(text, 1 << 17)) != ERR_NONE) {
            fault_at(fault, 0, "larger than a trace may be");
            break;
        }

        ZSTD_outBuffer to = { text->at + text->len, 1 << 17, 0 };

        left = ZSTD_decompressStream(z, &to, &in);
        text->len += to.pos;
        if (ZSTD_isError(left))
            e = fault_at(fault, 0, "zstd: %s", ZSTD_getErrorName(left));
        else if (left != 0 && in.pos == in.size && to.pos < to.size)
            e = fault_at(fault, 0, "zstd: the file is cut short");
    }
    ZSTD_freeDStream(z);
    return e;
}

static enum err read_file(struct buffer *to, const char *path, struct trace_fault *fault)
{
    FILE *f = fopen(path, "rb");
    enum err e = ERR_NONE;
    size_t got = 1;

    if (f == NULL) {
        fault_at(fault, 0, "cannot be opened");
        return ERR_IO;
    }
    while (e == ERR_NONE && got > 0) {
        if ((e = buffer_reserve(to, 1 << 16)) != ERR_NONE) {
            fault_at(fault, 0, "larger than a trace may be");
            break;
        }
        got = fread(to->at + to->len, 1, 1 << 16, f);
        to->len += got;
    }
    if (ferror(f)) {
        fault_at(fault, 0, "cannot be read");
        e = ERR_IO;
    }
    fclose(f);
    return e;
}

/* A list of SocioPatterns has a number where an event has its name. */
static bool is_contact_list(struct bytes text)
{
    struct lines ls = lines_of(text);
    struct line l;
    uint64_t n;

    if (!lines_next(&ls, &l))
        return false;
    line_word(&l);
    return word_number(line_word(&l), UINT32_MAX, &n);
}

enum err trace_load(struct trace *out, const char *path, uint32_t node_count, struct trace_fault *fault)
{
    struct buffer file = buffer_of_limit(TRACE_TEXT_MAX), text = buffer_of_limit(TRACE_TEXT_MAX);
    enum err e;

    memset(out, 0, sizeof *out);
    fault->line = 0;
    snprintf(fault->text, sizeof fault->text, "out of memory");
    if ((e = read_file(&file, path, fault)) == ERR_NONE
        && (e = trace_inflate(&text, buffer_bytes(&file), fault)) == ERR_NONE) {
        buffer_clear(&file);
        e = is_contact_list(buffer_bytes(&text)) ? trace_parse_contacts(out, buffer_bytes(&text), fault)
                                                 : trace_parse(out, buffer_bytes(&text), node_count, fault);
    }
    buffer_clear(&file);
    buffer_clear(&text);
    return e;
}
