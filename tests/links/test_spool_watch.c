/* A folder where sticks are mounted: files in, ours out, nothing else touched. Folders stand for mounts; where this
 * process may mount, a real one is tried, too. */
#define _GNU_SOURCE
#include <dirent.h>
#include <event2/event.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mesh/links/spool.h"
#include "tests/links/party.h"
#include "tests/support/check.h"

struct scene { struct party a, b; size_t want; const char *folder; unsigned want_files; };

static bool b_has(void *ctx)
{
    struct scene *s = ctx;

    return party_count(&s->b) >= s->want;
}

/* Files with the ending, in a folder; the last one's name. */
static unsigned count_files(const char *folder, char last[256])
{
    DIR *d = opendir(folder);
    struct dirent *e;
    unsigned count = 0;

    while (d != NULL && (e = readdir(d)) != NULL) {
        size_t len = strlen(e->d_name);

        if (len > 10 && strcmp(e->d_name + len - 10, ".staffetta") == 0) {
            count++;
            if (last != NULL && len == 18)
                snprintf(last, 256, "%s", e->d_name);
        }
    }
    if (d != NULL)
        closedir(d);
    return count;
}

static bool has_files(void *ctx)
{
    struct scene *s = ctx;

    return count_files(s->folder, NULL) >= s->want_files;
}

static void copy(const char *from, const char *to, size_t part)
{
    struct buffer b = buffer_of_limit(64 << 20);
    struct bytes all = check_file(&b, from);
    FILE *f = fopen(to, "wb");

    REQUIRE(f != NULL && fwrite(all.at, 1, part < all.len ? part : all.len, f) > 0 && fclose(f) == 0);
    buffer_clear(&b);
}

static void export(struct scene *s, const char *path)
{
    struct spool_result r;

    REQUIRE(spool_export(s->a.node, s->a.store, path, 0, &r) == ERR_NONE);
}

/* Sticks that are really mounted, over a folder that was there before: only the mount table tells. One is full, one can
 * only be read; they are read all the same, and writing is not tried in a loop. */
static void test_mounts(struct scene *s, struct event_base *base, const char *root)
{
    char source[320], inner[340], file[400], target[400];
    struct { const char *name; unsigned long flags; } kinds[] = { { "FULL", 0 }, { "READONLY", MS_RDONLY } };

    for (size_t i = 0; i < 2; i++) {
        snprintf(source, sizeof source, "%s-%s", root, kinds[i].name);
        snprintf(inner, sizeof inner, "%s/staffetta", source);
        snprintf(file, sizeof file, "%s/new.staffetta", inner);
        snprintf(target, sizeof target, "%s/%s", root, kinds[i].name);
        REQUIRE(mkdir(source, 0755) == 0 && mkdir(target, 0755) == 0);
        REQUIRE(mount("none", source, "tmpfs", 0, "size=128k") == 0);
        REQUIRE(mkdir(inner, 0755) == 0);
        party_submit(&s->a, 4, 0);
        run_for(base, 400);
        export(s, file);
        REQUIRE(mount(source, target, NULL, MS_BIND, NULL) == 0);
        if (kinds[i].flags != 0)
            REQUIRE(mount(NULL, target, NULL, MS_BIND | MS_REMOUNT | kinds[i].flags, NULL) == 0);
        s->want += 4;
        CHECK_CASE(kinds[i].name, run_until(base, 5000, b_has, s));
        run_for(base, 600);
        CHECK_CASE(kinds[i].name, count_files(inner, NULL) == 1);
        REQUIRE(umount(target) == 0); /* nothing is held open */
        run_for(base, 300);
        REQUIRE(umount(source) == 0);
    }
}

int main(void)
{
    bool can_mount = unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
    struct event_base *base = event_base_new();
    struct scene s = { .want = 0 };
    struct spool_watch *w = NULL;
    char root[300], stick[320], inner[340], file[640], path[400], first[256] = "", second[256] = "";
    struct rng g;

    snprintf(root, sizeof root, "%s/media", check_folder());
    snprintf(stick, sizeof stick, "%s/STICK", root);
    snprintf(inner, sizeof inner, "%s/staffetta", stick);
    snprintf(path, sizeof path, "%s/from-a.staffetta", check_folder());
    party_init(&s.a, base, 1, NULL);
    party_init(&s.b, base, 2, NULL);
    g = s.b.rng;
    party_submit(&s.a, 50, 0);
    party_submit(&s.b, 5, 0);
    run_for(base, 20);
    export(&s, path);

    CHECK_ERR("absent", spool_watch_new(&w, base, s.b.host, s.b.node, s.b.store, &g, root), ERR_NOT_FOUND);
    REQUIRE(mkdir(root, 0755) == 0);
    REQUIRE(spool_watch_new(&w, base, s.b.host, s.b.node, s.b.store, &g, root) == ERR_NONE);
    run_for(base, 50);

    /* A stick that takes no part is left alone. */
    REQUIRE(mkdir(stick, 0755) == 0);
    snprintf(file, sizeof file, "%s/holiday.jpg", stick);
    copy(path, file, 1000);
    run_for(base, 600);
    CHECK(count_files(stick, NULL) == 0 && party_count(&s.b) == 5);

    /* One with a file: read, and answered beside it. */
    snprintf(file, sizeof file, "%s/x.staffetta", stick);
    copy(path, file, SIZE_MAX);
    s.want = 55;
    CHECK(run_until(base, 5000, b_has, &s));
    s.folder = stick;
    s.want_files = 2;
    CHECK(run_until(base, 5000, has_files, &s));
    count_files(stick, first);
    CHECK(strlen(first) == 18);

    /* What B wrote has all that B has; A takes it in. */
    snprintf(file, sizeof file, "%s/%s", stick, first);
    struct spool_result r;

    REQUIRE(spool_import(s.a.node, file, NULL, NULL, host_now_ms(s.a.host), &r) == ERR_NONE);
    host_poke(s.a.host);
    CHECK(r.bundles == 5 && r.known == 50);

    /* Nothing more happens by itself: our own writing is no news. */
    run_for(base, 800);
    count_files(stick, second);
    CHECK(strcmp(first, second) == 0 && count_files(stick, NULL) == 2);

    /* A second file, still being written: nothing is read until it is closed. Then ours replaces our older one. */
    party_submit(&s.a, 7, 0);
    run_for(base, 20);
    export(&s, path);
    snprintf(file, sizeof file, "%s/y.staffetta", stick);
    struct buffer whole = buffer_of_limit(1 << 20);
    struct bytes all = check_file(&whole, path);
    int fd = open(file, O_WRONLY | O_CREAT, 0644);

    REQUIRE(fd >= 0 && write(fd, all.at, all.len / 2) == (ssize_t)(all.len / 2));
    snprintf(file, sizeof file, "%s/z.staffetta", stick); /* an event that makes it look */
    copy(path, file, 16);
    run_for(base, 600);
    CHECK(party_count(&s.b) == 55);
    REQUIRE(write(fd, all.at + all.len / 2, all.len - all.len / 2) == (ssize_t)(all.len - all.len / 2) && close(fd) == 0);
    s.want = 62;
    CHECK(run_until(base, 5000, b_has, &s));
    run_for(base, 800);
    count_files(stick, second);
    CHECK(strcmp(first, second) != 0 && count_files(stick, NULL) == 4); /* x, y, z, ours */

    /* By renaming in, with the folder made for it; and hostile names: a symbolic link, a pipe, a folder. */
    REQUIRE(mkdir(inner, 0755) == 0);
    snprintf(file, sizeof file, "%s/p.staffetta", inner);
    REQUIRE(mkfifo(file, 0644) == 0);
    snprintf(file, sizeof file, "%s/l.staffetta", inner);
    REQUIRE(symlink("/dev/zero", file) == 0);
    snprintf(file, sizeof file, "%s/d.staffetta", inner);
    REQUIRE(mkdir(file, 0755) == 0);
    snprintf(file, sizeof file, "%s/broken.staffetta", inner);
    copy("/proc/self/exe", file, 5000);
    party_submit(&s.a, 3, 0);
    run_for(base, 20);
    export(&s, path);
    snprintf(file, sizeof file, "%s/q.staffetta", inner);
    REQUIRE(rename(path, file) == 0);
    s.want = 65;
    CHECK(run_until(base, 5000, b_has, &s));
    s.folder = inner;
    s.want_files = 6;
    CHECK(run_until(base, 5000, has_files, &s));

    /* Removed and gone: nothing is made anew. */
    snprintf(file, sizeof file, "%s-away", stick);
    REQUIRE(rename(stick, file) == 0);
    REQUIRE(rename(file, path) == 0);
    run_for(base, 500);
    CHECK(access(stick, F_OK) != 0);

    if (can_mount)
        test_mounts(&s, base, root);
    else
        printf("no right to mount: mounted sticks not tried\n");
    buffer_clear(&whole);
    spool_watch_free(w);
    party_clear(&s.a);
    party_clear(&s.b);
    event_base_free(base);
    return check_report("test_spool_watch");
}
