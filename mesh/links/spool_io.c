/* mesh/links/spool_io.c - see spool_io.h */
#define _GNU_SOURCE
#include "mesh/links/spool_io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "mesh/links/spool_format.h"

enum {
    READ_LEN        = 256 * 1024,
    WRITE_LEN       = 512 * 1024,  /* synced together: a tenth of a second on a slow stick */
    SMALL_LEN       = 4096,        /* texts, which no media may crowd out */
    NAME_LEN_MAX    = 200,
};

/* Of this machine, in minutes since 2025, or SPOOL_NO_CLOCK: a clock that shows a time before this program existed is one
 * that nobody has set. */
static uint32_t clock_min(void)
{
    const int64_t epoch_s = 1735689600, plausible_s = 1767225600; /* 2025-01-01, 2026-01-01 */
    int64_t now_s = (int64_t)time(NULL);

    return now_s < plausible_s || (now_s - epoch_s) / 60 >= SPOOL_NO_CLOCK ? SPOOL_NO_CLOCK
                                                                          : (uint32_t)((now_s - epoch_s) / 60);
}

static enum err err_of_errno(void)
{
    return errno == ENOSPC || errno == EDQUOT || errno == EFBIG ? ERR_FULL : ERR_IO;
}

/* ---- Reading ---- */

struct spool_reader {
    int fd;
    bool is_begun;
    uint32_t elapsed_h;          /* the time on the stick, as far as it is known */
    struct spool_scan scan;
    struct spool_result result;
    struct node *node;           /* of the step */
    uint64_t now_ms;
    size_t len;
    uint8_t piece[READ_LEN + SPOOL_RECORD_MAX];
};

static enum err on_record(void *ctx, struct bytes bundle, uint8_t hops, uint16_t life_h)
{
    struct spool_reader *r = ctx;
    enum err e;

    if (life_h <= r->elapsed_h) {
        r->result.refused++;
        return ERR_NONE;
    }
    e = node_import(r->node, bundle, hops, (uint16_t)(life_h - r->elapsed_h), r->now_ms);
    if (e == ERR_IO || e == ERR_NO_MEMORY)
        return e;
    if (e == ERR_NONE)
        r->result.bundles++;
    else if (e == ERR_EXISTS)
        r->result.known++;
    else
        r->result.refused++;
    return ERR_NONE;
}

enum err spool_reader_new(struct spool_reader **out, int fd)
{
    struct spool_reader *r = malloc(sizeof *r);

    if (r == NULL) {
        close(fd);
        return ERR_NO_MEMORY;
    }
    memset(r, 0, offsetof(struct spool_reader, piece));
    r->fd = fd;
    r->scan.visit = on_record;
    r->scan.ctx = r;
    *out = r;
    return ERR_NONE;
}

void spool_reader_free(struct spool_reader *r)
{
    if (r == NULL)
        return;
    close(r->fd);
    free(r);
}

/* Counted only when both clocks are plausible and agree as well as two clocks of one life can: a wrong one must not
 * throw a whole stick away. */
static uint32_t time_on_stick_h(uint32_t written_min)
{
    uint32_t now_min = clock_min();

    if (now_min == SPOOL_NO_CLOCK || written_min == SPOOL_NO_CLOCK || written_min > now_min)
        return 0;
    uint32_t elapsed_h = (now_min - written_min) / 60;

    return elapsed_h <= LIFE_MAX_H ? elapsed_h : 0;
}

static enum err fill(struct spool_reader *r, bool *is_end)
{
    while (r->len < sizeof r->piece) {
        ssize_t got = read(r->fd, r->piece + r->len, sizeof r->piece - r->len);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ERR_IO;
        if (got == 0) {
            *is_end = true;
            return ERR_NONE;
        }
        r->len += (size_t)got;
        r->result.bytes += (uint64_t)got;
    }
    return ERR_NONE;
}

enum err spool_reader_step(struct spool_reader *r, struct node *n, uint64_t now_ms, bool *is_done)
{
    struct spool_header h;
    size_t start = 0, consumed;
    bool is_end = false;
    enum err e;

    r->node = n;
    r->now_ms = now_ms;
    if ((e = fill(r, &is_end)) != ERR_NONE)
        return e;
    if (!r->is_begun) {
        e = spool_header_decode(&h, bytes_of(r->piece, r->len < SPOOL_HEADER_LEN ? r->len : SPOOL_HEADER_LEN));
        if (e != ERR_NONE)
            return e;
        r->is_begun = true;
        r->elapsed_h = time_on_stick_h(h.clock_min);
        start = SPOOL_HEADER_LEN;
    }
    e = spool_scan(&r->scan, bytes_of(r->piece + start, r->len - start), is_end, &consumed);
    r->result.is_damaged = r->scan.is_damaged;
    if (e != ERR_NONE && e != ERR_CORRUPT)
        return e;
    consumed += start;
    memmove(r->piece, r->piece + consumed, r->len - consumed);
    r->len -= consumed;
    *is_done = is_end || e == ERR_CORRUPT;
    return ERR_NONE;
}

void spool_reader_result(const struct spool_reader *r, struct spool_result *out)
{
    *out = r->result;
}

/* ---- Writing ---- */

struct spool_writer {
    struct store *store;
    int folder_fd, fd;
    char name[NAME_LEN_MAX + 1], part[NAME_LEN_MAX + 8];
    uint64_t max_bytes;
    uint64_t *seqs;
    size_t count, cap, at;
    bool is_small_wanted, is_part_made, is_out_of_memory;
    struct spool_result result;
    uint8_t piece[WRITE_LEN + SPOOL_RECORD_MAX];
};

static bool on_entry(void *ctx, const struct store_entry *entry)
{
    struct spool_writer *w = ctx;

    /* One that has taken all its hops would be refused wherever it arrives. */
    if (entry->hops >= HOPS_MAX || (entry->len <= SMALL_LEN) != w->is_small_wanted)
        return true;
    if (w->count == w->cap) {
        size_t cap = w->cap > 0 ? w->cap * 2 : 256;
        uint64_t *grown = realloc(w->seqs, cap * sizeof *grown);

        if (grown == NULL) {
            w->is_out_of_memory = true;
            return false;
        }
        w->seqs = grown;
        w->cap = cap;
    }
    w->seqs[w->count++] = entry->seq;
    return true;
}

static enum err choose(struct spool_writer *w)
{
    for (int is_large = 0; is_large < 2; is_large++) {
        w->is_small_wanted = !is_large;
        for (int c = 0; c < CLASS_COUNT; c++)
            store_walk(w->store, (enum bundle_class)c, on_entry, w);
    }
    return w->is_out_of_memory ? ERR_NO_MEMORY : ERR_NONE;
}

static enum err part_create(struct spool_writer *w)
{
    const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;

    snprintf(w->part, sizeof w->part, ".%s.part", w->name);
    w->fd = openat(w->folder_fd, w->part, flags, 0644);
    if (w->fd < 0 && errno == EEXIST && unlinkat(w->folder_fd, w->part, 0) == 0) /* left by a crash */
        w->fd = openat(w->folder_fd, w->part, flags, 0644);
    if (w->fd < 0)
        return err_of_errno();
    w->is_part_made = true;
    /* The next node that reads the stick is another user; and the file holds nothing that strangers may not see. */
    (void)fchmod(w->fd, 0644);
    return ERR_NONE;
}

static enum err write_all(int fd, struct bytes b)
{
    while (b.len > 0) {
        ssize_t done = write(fd, b.at, b.len);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return err_of_errno();
        b = bytes_of(b.at + done, b.len - (size_t)done);
    }
    return ERR_NONE;
}

enum err spool_writer_new(struct spool_writer **out, struct store *s, int folder_fd, const char *name,
                          uint64_t max_bytes)
{
    struct spool_header h = { clock_min() };
    uint8_t header[SPOOL_HEADER_LEN];
    struct spool_writer *w;
    enum err e;

    if (strlen(name) > NAME_LEN_MAX)
        return ERR_IO;
    if ((w = malloc(sizeof *w)) == NULL)
        return ERR_NO_MEMORY;
    memset(w, 0, offsetof(struct spool_writer, piece));
    w->store = s;
    w->max_bytes = max_bytes != 0 ? max_bytes : UINT64_MAX;
    w->fd = -1;
    snprintf(w->name, sizeof w->name, "%s", name);
    if ((w->folder_fd = fcntl(folder_fd, F_DUPFD_CLOEXEC, 0)) < 0) {
        e = ERR_IO;
        goto failed;
    }
    if ((e = choose(w)) != ERR_NONE || (e = part_create(w)) != ERR_NONE)
        goto failed;
    spool_header_encode(header, &h);
    if ((e = write_all(w->fd, bytes_of(header, sizeof header))) != ERR_NONE)
        goto failed;
    w->result.bytes = sizeof header;
    *out = w;
    return ERR_NONE;
failed:
    spool_writer_free(w);
    return e;
}

void spool_writer_free(struct spool_writer *w)
{
    if (w == NULL)
        return;
    if (w->fd >= 0)
        close(w->fd);
    if (w->is_part_made)
        (void)unlinkat(w->folder_fd, w->part, 0);
    if (w->folder_fd >= 0)
        close(w->folder_fd);
    free(w->seqs);
    free(w);
}

static uint16_t life_left_h(const struct store *s, const struct store_entry *entry)
{
    uint32_t now_s = store_clock_s(s);
    uint32_t left_h = entry->deadline_s > now_s ? (entry->deadline_s - now_s) / 3600 + 1 : 0;

    return (uint16_t)(left_h < LIFE_MAX_H ? left_h : LIFE_MAX_H);
}

/* Left out without a word: what has gone since, has expired, does not fit any more or cannot be read. */
static void append(struct spool_writer *w, struct writer *to, uint64_t seq)
{
    const struct store_entry *found = store_find_seq(w->store, seq);
    struct store_entry entry;
    struct bytes bundle;
    uint16_t life_h;

    if (found == NULL)
        return;
    entry = *found;
    life_h = life_left_h(w->store, &entry);
    if (life_h == 0 || w->result.bytes + writer_len(to) + entry.len + SPOOL_OVERHEAD > w->max_bytes ||
        store_read(w->store, &entry, &bundle) != ERR_NONE)
        return;
    spool_record_encode(to, bundle, entry.hops, life_h);
    w->result.bundles++;
}

static enum err finish(struct spool_writer *w)
{
    if (fsync(w->fd) != 0 || renameat(w->folder_fd, w->part, w->folder_fd, w->name) != 0)
        return err_of_errno();
    w->is_part_made = false;
    /* vfat knows no sync of a folder; then the rename is as durable as it can be. */
    (void)fsync(w->folder_fd);
    return ERR_NONE;
}

enum err spool_writer_step(struct spool_writer *w, bool *is_done)
{
    struct writer to = writer_of(w->piece, sizeof w->piece);
    enum err e;

    for (; w->at < w->count && writer_len(&to) < WRITE_LEN; w->at++)
        append(w, &to, w->seqs[w->at]);
    if ((e = write_all(w->fd, writer_bytes(&to))) != ERR_NONE)
        return e;
    w->result.bytes += writer_len(&to);
    if (w->at < w->count)
        return fdatasync(w->fd) == 0 ? ERR_NONE : err_of_errno();
    if ((e = finish(w)) != ERR_NONE)
        return e;
    *is_done = true;
    return ERR_NONE;
}

void spool_writer_result(const struct spool_writer *w, struct spool_result *out)
{
    *out = w->result;
}
