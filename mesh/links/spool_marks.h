/* mesh/links/spool_marks.h - what a watched folder remembers of files: read already, written by us, still being written by
 * others. In memory only and bounded; the oldest is forgotten first, which costs reading a file again.
 */
#ifndef STA_LINKS_SPOOL_MARKS_H
#define STA_LINKS_SPOOL_MARKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SPOOL_KNOWN_MAX      = 256,
    SPOOL_OURS_MAX       = 64,
    SPOOL_UNFINISHED_MAX = 32,
    SPOOL_OURS_LEN       = 8 + 10 + 1,  /* XXXXXXXX.staffetta */
    SPOOL_NAME_LEN       = 256,
};

/* One state of one file. */
struct spool_mark { uint64_t dev, ino, size; int64_t time_s, time_ns; };

struct stat;
struct spool_mark spool_mark_of(const struct stat *st);

struct spool_marks {
    struct spool_mark known[SPOOL_KNOWN_MAX];
    size_t known_at;
    char ours[SPOOL_OURS_MAX][SPOOL_OURS_LEN];
    size_t ours_at;
    struct { int wd; char name[SPOOL_NAME_LEN]; } unfinished[SPOOL_UNFINISHED_MAX];
};

bool spool_marks_is_known(const struct spool_marks *m, const struct spool_mark *mark);
void spool_marks_know(struct spool_marks *m, const struct spool_mark *mark);

/* The name as we wrote it, lent, or NULL when it is not ours. */
const char *spool_marks_ours(const struct spool_marks *m, const char *name);
void spool_marks_add_ours(struct spool_marks *m, const char name[SPOOL_OURS_LEN]);

/* `wd` is the watch on the folder, positive. */
bool spool_marks_is_unfinished(const struct spool_marks *m, int wd, const char *name);
void spool_marks_begin(struct spool_marks *m, int wd, const char *name);
void spool_marks_finish(struct spool_marks *m, int wd, const char *name);  /* NULL: all in this folder */

#endif
