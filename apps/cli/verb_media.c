/* apps/cli/verb_media.c - photos, voice notes and files: sent, watched, saved. */
#define _DEFAULT_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apps/cli/cli.h"
#include "apps/profile/units.h"

enum { PIECE_LEN = 256 << 10, SIZE_MAX_MB = 100 };

/* ---- Sending ---- */

static int upload_piece(const struct cli *c, uint64_t upload, uint64_t at, struct bytes piece)
{
    char path[96];
    json_t *reply;

    snprintf(path, sizeof path, "/v1/uploads/%llu/data?at=%llu", (unsigned long long)upload, (unsigned long long)at);
    int status = client_upload(c, path, piece, &reply);
    json_decref(reply);
    return status;
}

static int upload_all(const struct cli *c, const char *name, int fd, uint64_t upload, uint64_t size)
{
    uint8_t *piece = malloc(PIECE_LEN);
    int status = piece != NULL ? EXIT_DONE : fail(EXIT_FAILED, "out of memory");

    for (uint64_t at = 0; at < size && status == EXIT_DONE;) {
        size_t want = size - at < PIECE_LEN ? (size_t)(size - at) : PIECE_LEN, got = 0;

        while (got < want) {
            ssize_t n = read(fd, piece + got, want - got);

            if (n < 0 && errno == EINTR)
                continue;
            if (n <= 0)
                break;
            got += (size_t)n;
        }
        if (got < want)
            status = fail(EXIT_FAILED, "%s became shorter while it was read; try again", name);
        else
            status = upload_piece(c, upload, at, bytes_of(piece, want));
        at += want;
    }
    free(piece);
    return status;
}

static int open_file(const char *path, int *fd, uint64_t *size)
{
    struct stat st;

    *fd = open(path, O_RDONLY | O_CLOEXEC);
    if (*fd < 0 || fstat(*fd, &st) != 0)
        return fail(errno == ENOENT ? EXIT_NOT_FOUND : EXIT_FAILED, "%s cannot be read: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return fail(EXIT_USAGE, "%s is no file", path);
    if (st.st_size == 0)
        return fail(EXIT_USAGE, "%s is empty", path);
    *size = (uint64_t)st.st_size;
    if (*size > (uint64_t)SIZE_MAX_MB << 20)
        return fail(EXIT_REFUSED, "%s is larger than the %d MB that can be sent", path, SIZE_MAX_MB);
    return EXIT_DONE;
}

static int announce(const struct cli *c, uint64_t upload, const char *kind, json_t **reply)
{
    const char *life = cli_option(c, "life"), *name = cli_option(c, "name"), *slash = strrchr(c->args[1], '/');
    json_t *body = json_pack("{s:I, s:s, s:b}", "upload", (json_int_t)upload, "name",
                             name != NULL ? name : slash != NULL ? slash + 1 : c->args[1], "now", cli_option(c, "now") != NULL);
    uint64_t life_s = 0;

    if (life != NULL && (units_duration(&life_s, life) != ERR_NONE || life_s == 0 || life_s > UINT64_C(14) * 86400)) {
        json_decref(body);
        return fail(EXIT_USAGE, "--life wants a span up to 14d, such as 12h or 3d");
    }
    if (body == NULL)
        return fail(EXIT_FAILED, "the name is no UTF-8 text: give another with --name");
    if (life_s > 0)
        json_object_set_new(body, "life_s", json_integer((json_int_t)life_s));
    if (kind != NULL)
        json_object_set_new(body, "kind", json_string(kind));
    if (cli_option(c, "caption") != NULL)
        json_object_set_new(body, "caption", json_string(cli_option(c, "caption")));
    char *path = client_path("/v1/friends/", c->args[0], "/media");
    int status = client_call(c, "POST", path, body, reply);
    free(path);
    return status;
}

static int send_kind(const struct cli *c, const char *kind)
{
    json_t *begun = NULL, *reply = NULL;
    uint64_t size = 0;
    int fd = -1;
    int status = open_file(c->args[1], &fd, &size);

    if (status == EXIT_DONE)
        status = client_call(c, "POST", "/v1/uploads", json_pack("{s:I}", "size", (json_int_t)size), &begun);
    if (status == EXIT_DONE)
        status = upload_all(c, c->args[1], fd, json_count(begun, "upload"), size);
    if (status == EXIT_DONE)
        status = announce(c, json_count(begun, "upload"), kind, &reply);
    if (fd >= 0)
        close(fd);
    if (status == EXIT_DONE && c->is_json)
        words_print_json(reply);
    else if (status == EXIT_DONE)
        puts(json_text(reply, "id"));
    if (status == EXIT_DONE && !c->is_json && isatty(1) && isatty(2))
        fprintf(stderr, "Kept on disk, and goes on as soon as somebody comes by. How far it is: staffetta media %.4s\n", json_text(reply, "id"));
    json_decref(begun);
    json_decref(reply);
    return status;
}

int verb_send_file(struct cli *c) { return send_kind(c, "file"); }
int verb_send_photo(struct cli *c) { return send_kind(c, "photo"); }
int verb_send_voice(struct cli *c) { return send_kind(c, "voice"); }

/* ---- Watching ---- */

static void print_progress(const json_t *m)
{
    const char *state = json_text(m, "state");
    bool is_out = strcmp(json_text(m, "direction"), "out") == 0;
    uint64_t have = json_count(m, "have"), needed = json_count(m, "needed"), couriers = json_count(m, "couriers");

    if (strcmp(state, "complete") == 0) {
        fputs(is_out ? "arrived" : json_flag(m, "here") ? "here" : "complete", stdout);
    } else if (strcmp(state, "waiting") == 0) {
        fputs("waits for a fast link, or for them to ask", stdout);
    } else if (strcmp(state, "preparing") == 0) {
        fputs("the preview is being made", stdout);
    } else if (strcmp(state, "freed") == 0) {
        fputs("removed here to free space", stdout);
    } else if (strcmp(state, "coming") == 0 || strcmp(state, "going") == 0) {
        printf("%llu of %llu chunks", (unsigned long long)have, (unsigned long long)needed);
        if (is_out)
            printf(", %llu of %llu carried", (unsigned long long)json_count(m, "carried"), (unsigned long long)json_count(m, "chunks"));
        if (couriers > 0)
            printf(", %llu courier%s", (unsigned long long)couriers, couriers == 1 ? "" : "s");
    } else {
        words_print_text(stdout, json_text(m, "reason")[0] != '\0' ? json_text(m, "reason") : state, 0);
    }
    if (json_count(m, "light_needed") > 0 && !json_flag(m, "light_here"))
        printf("; at a low rate %llu of %llu", (unsigned long long)json_count(m, "light_have"), (unsigned long long)json_count(m, "light_needed"));
    else if (json_count(m, "light_needed") > 0 && !is_out && !json_flag(m, "here"))
        fputs("; at a low rate: here", stdout);
    if (json_flag(m, "kept"))
        fputs("; kept", stdout);
}

static void print_media(const struct cli *c, const json_t *m)
{
    char size[UNITS_SIZE_TEXT_MAX];

    if (c->is_json) {
        words_print_json(m);
        return;
    }
    units_size_text(size, json_count(m, "size"));
    printf("%.8s %s ", json_text(m, "id"), strcmp(json_text(m, "direction"), "out") == 0 ? "to" : "from");
    words_print_text(stdout, json_text(m, "friend"), 0);
    printf("  %s ", json_text(m, "kind"));
    words_print_text(stdout, json_text(m, "name"), 0);
    printf(", %s: ", size);
    print_progress(m);
    putchar('\n');
    fflush(stdout);
}

struct watching { const struct cli *c; char id[64]; };

static int print_now(void *ctx)
{
    struct watching *w = ctx;
    json_t *reply, *m;
    size_t i;
    int status;

    if (w->c->arg_count > 0) {
        char *path = client_path("/v1/media/", w->c->args[0], "");

        status = client_call(w->c, "GET", path, NULL, &reply);
        free(path);
        if (status == EXIT_DONE) {
            snprintf(w->id, sizeof w->id, "%s", json_text(reply, "id"));
            print_media(w->c, reply);
        }
    } else {
        status = client_call(w->c, "GET", "/v1/media", NULL, &reply);
        json_array_foreach(json_object_get(reply, "media"), i, m)
            print_media(w->c, m);
    }
    json_decref(reply);
    return status == EXIT_DONE ? -1 : status;
}

static bool is_over(const json_t *m)
{
    const char *state = json_text(m, "state");

    return strcmp(state, "coming") != 0 && strcmp(state, "going") != 0 && strcmp(state, "waiting") != 0 && strcmp(state, "preparing") != 0;
}

static int on_progress(void *ctx, const char *event, json_t *about)
{
    struct watching *w = ctx;

    if (strcmp(event, "behind") == 0)
        return print_now(w);
    if (strcmp(event, "media") != 0 || (w->id[0] != '\0' && strcmp(json_text(about, "id"), w->id) != 0))
        return -1;
    print_media(w->c, about);
    /* One that was asked for is followed to its end. */
    return w->id[0] != '\0' && is_over(about) ? EXIT_DONE : -1;
}

int verb_media(struct cli *c)
{
    struct watching w = { .c = c };
    struct client_stream stream = { print_now, on_progress, &w };

    if (cli_option(c, "follow") != NULL)
        return client_listen(c, &stream);
    int status = print_now(&w);
    return status == -1 ? EXIT_DONE : status;
}

/* ---- Saving ---- */

/* The daemon has judged names already; one that reaches a path is judged here as well. */
static bool is_plain_name(const char *name)
{
    return name[0] != '\0' && name[0] != '.' && strchr(name, '/') == NULL;
}

int save_media(const struct cli *c, const char *id, const char *tail, const char *to)
{
    char *path = client_path("/v1/media/", id, tail);
    int status;

    if (strcmp(to, "-") == 0) {
        status = client_download(c, path, stdout);
        if (fflush(stdout) != 0 && status == EXIT_DONE)
            status = fail(EXIT_FAILED, "it cannot be written: %s", strerror(errno));
        free(path);
        return status;
    }
    int fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    FILE *f = fd >= 0 ? fdopen(fd, "wb") : NULL;
    if (f == NULL) {
        status = errno == EEXIST ? fail(EXIT_REFUSED, "%s is there already: choose another name", to)
                                 : fail(EXIT_FAILED, "%s cannot be written: %s", to, strerror(errno));
        if (fd >= 0)
            close(fd);
    } else {
        status = client_download(c, path, f);
        if (fclose(f) != 0 && status == EXIT_DONE)
            status = fail(EXIT_FAILED, "%s cannot be written: %s", to, strerror(errno));
        if (status != EXIT_DONE)
            unlink(to);
    }
    free(path);
    return status;
}

int verb_save(struct cli *c)
{
    bool is_light = cli_option(c, "light") != NULL, is_preview = cli_option(c, "preview") != NULL;
    char *path = client_path("/v1/media/", c->args[0], ""), name[512];
    json_t *m;
    int status = client_call(c, "GET", path, NULL, &m);

    free(path);
    if (status == EXIT_DONE && is_light && is_preview)
        status = fail(EXIT_USAGE, "--light or --preview, not both");
    if (status == EXIT_DONE && c->arg_count == 1 && !is_plain_name(json_text(m, "name")))
        status = fail(EXIT_REFUSED, "its name is no good for a file: give one");
    if (status == EXIT_DONE) {
        snprintf(name, sizeof name, "%s%s", json_text(m, "name"), is_light ? ".opus" : is_preview ? ".preview.jpg" : "");
        const char *to = c->arg_count > 1 ? c->args[1] : name;
        status = save_media(c, json_text(m, "id"), is_light ? "/light" : is_preview ? "/preview" : "/data", to);
        if (status == EXIT_DONE && strcmp(to, "-") != 0) {
            if (c->is_json) {
                json_object_set_new(m, "saved", json_string(to));
                words_print_json(m);
            } else {
                words_print_text(stdout, to, 0);
                putchar('\n');
            }
        }
    }
    json_decref(m);
    return status;
}
