/* mesh/links/spool_marks.c - see spool_marks.h */
#define _XOPEN_SOURCE 700
#include "mesh/links/spool_marks.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct spool_mark spool_mark_of(const struct stat *st)
{
    return (struct spool_mark){ (uint64_t)st->st_dev, (uint64_t)st->st_ino, (uint64_t)st->st_size, st->st_mtim.tv_sec,
                                st->st_mtim.tv_nsec };
}

bool spool_marks_is_known(const struct spool_marks *m, const struct spool_mark *mark)
{
    for (size_t i = 0; i < SPOOL_KNOWN_MAX; i++)
        if (memcmp(&m->known[i], mark, sizeof *mark) == 0)
            return true;
    return false;
}

void spool_marks_know(struct spool_marks *m, const struct spool_mark *mark)
{
    m->known[m->known_at++ % SPOOL_KNOWN_MAX] = *mark;
}

const char *spool_marks_ours(const struct spool_marks *m, const char *name)
{
    for (size_t i = 0; i < SPOOL_OURS_MAX; i++)
        if (strcmp(m->ours[i], name) == 0)
            return m->ours[i];
    return NULL;
}

void spool_marks_add_ours(struct spool_marks *m, const char name[SPOOL_OURS_LEN])
{
    if (spool_marks_ours(m, name) == NULL)
        memcpy(m->ours[m->ours_at++ % SPOOL_OURS_MAX], name, SPOOL_OURS_LEN);
}

bool spool_marks_is_unfinished(const struct spool_marks *m, int wd, const char *name)
{
    for (size_t i = 0; i < SPOOL_UNFINISHED_MAX; i++)
        if (m->unfinished[i].wd == wd && strcmp(m->unfinished[i].name, name) == 0)
            return true;
    return false;
}

void spool_marks_begin(struct spool_marks *m, int wd, const char *name)
{
    for (size_t i = 0; i < SPOOL_UNFINISHED_MAX && !spool_marks_is_unfinished(m, wd, name); i++)
        if (m->unfinished[i].wd == 0) {
            m->unfinished[i].wd = wd;
            snprintf(m->unfinished[i].name, SPOOL_NAME_LEN, "%s", name);
        }
}

void spool_marks_finish(struct spool_marks *m, int wd, const char *name)
{
    for (size_t i = 0; i < SPOOL_UNFINISHED_MAX; i++)
        if (m->unfinished[i].wd == wd && (name == NULL || strcmp(m->unfinished[i].name, name) == 0))
            m->unfinished[i].wd = 0;
}
