/* apps/cli/verb_space.c - what takes space, what is kept, what is freed, what is put elsewhere. */
#define _DEFAULT_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apps/cli/cli.h"
#include "apps/profile/units.h"

static int ask_about(const struct cli *c, const char *tail, json_t *body, const char *done)
{
    char *path = client_path("/v1/media/", c->args[0], tail);
    json_t *reply;
    int status = client_call(c, "POST", path, body, &reply);

    free(path);
    if (status == EXIT_DONE && c->is_json)
        words_print_json(reply);
    else if (status == EXIT_DONE)
        puts(done);
    json_decref(reply);
    return status;
}

int verb_want(struct cli *c)
{
    bool want = cli_option(c, "no") == NULL;

    return ask_about(c, "/want", json_pack("{s:b}", "want", want),
                     want ? "Asked for. It comes as couriers do; staffetta media shows how far it is." : "Nothing more of it comes.");
}

int verb_keep(struct cli *c)
{
    bool keep = cli_option(c, "no") == NULL;

    return ask_about(c, "/keep", json_pack("{s:b}", "keep", keep), keep ? "Kept." : "No longer kept.");
}

int verb_free_up(struct cli *c)
{
    const char *older = cli_option(c, "older"), *size = cli_option(c, "size");
    uint64_t older_s = 0, bytes = 0;
    json_t *body, *reply;
    char text[UNITS_SIZE_TEXT_MAX];

    if (c->arg_count > 0 && (older != NULL || size != NULL))
        return fail(EXIT_USAGE, "an ID, or --older and --size, not both");
    if (c->arg_count > 0)
        return ask_about(c, "/free", json_object(), "Removed here; the message and its preview stay.");
    if (older != NULL && (units_duration(&older_s, older) != ERR_NONE || older_s > UINT32_MAX))
        return fail(EXIT_USAGE, "--older wants a span such as 7d or 0s");
    if (size != NULL && (units_size(&bytes, size) != ERR_NONE || bytes == 0))
        return fail(EXIT_USAGE, "--size wants a size such as 500M");
    if ((body = json_object()) == NULL)
        return fail(EXIT_FAILED, "out of memory");
    if (older != NULL)
        json_object_set_new(body, "older_s", json_integer((json_int_t)older_s));
    if (bytes > 0)
        json_object_set_new(body, "bytes", json_integer((json_int_t)bytes));
    int status = client_call(c, "POST", "/v1/free-up", body, &reply);
    if (status == EXIT_DONE && c->is_json) {
        words_print_json(reply);
    } else if (status == EXIT_DONE) {
        uint64_t items = json_count(reply, "items");

        units_size_text(text, json_count(reply, "freed"));
        printf("%llu original%s removed, %s freed.\n", (unsigned long long)items, items == 1 ? "" : "s", text);
    }
    json_decref(reply);
    return status;
}

/* ---- Storage ---- */

static void print_storage(const json_t *s)
{
    const json_t *media = json_object_get(s, "media");
    char used[UNITS_SIZE_TEXT_MAX], limit[UNITS_SIZE_TEXT_MAX];
    json_t *share;
    size_t i;

    units_size_text(used, json_count(s, "bytes"));
    units_size_text(limit, json_count(s, "capacity"));
    printf("Carried: %s of %s. A share that is not used is lent to the others; when one is claimed, what is past another goes first:\n", used, limit);
    json_array_foreach(json_object_get(s, "carried"), i, share) {
        units_size_text(used, json_count(share, "bytes"));
        units_size_text(limit, json_count(share, "limit"));
        printf("  %-10s %8s of %8s  %s\n", json_text(share, "name"), used, limit, json_text(share, "rule"));
    }
    units_size_text(used, json_count(s, "database_bytes"));
    printf("Database: %s; %s.\n", used, json_text(s, "messages_rule"));
    if (!json_is_object(media))
        return;
    units_size_text(used, json_count(media, "bytes"));
    printf("Photos, voice notes, files: %s in %llu; no limit but the disk. %s.\n", used, (unsigned long long)json_count(media, "items"),
           json_text(media, "rule"));
    units_size_text(used, json_count(media, "kept_bytes"));
    units_size_text(limit, json_count(media, "free_up_bytes"));
    printf("  kept %s; staffetta free-up would free %s now.\n", used, limit);
    units_size_text(used, json_count(media, "gateway_today_bytes"));
    units_size_text(limit, json_count(media, "gateway_budget_bytes"));
    printf("  over gateways today, unasked: %s of %s.\n", used, limit);
}

int verb_storage(struct cli *c)
{
    json_t *reply;
    int status = client_call(c, "GET", "/v1/storage", NULL, &reply);

    if (status == EXIT_DONE && c->is_json)
        words_print_json(reply);
    else if (status == EXIT_DONE)
        print_storage(reply);
    json_decref(reply);
    return status;
}

/* ---- Archive ---- */

/* Beside the text, originals as ID-NAME: names repeat, ids do not. */
static int archive_media(const struct cli *c, const json_t *m, bool is_freeing)
{
    char to[PROFILE_PATH_MAX + 512], id[32];

    snprintf(id, sizeof id, "%s", json_text(m, "id"));
    snprintf(to, sizeof to, "%s/%s-%s", c->args[1], id, json_text(m, "name"));
    int status = save_media(c, id, "/data", to);
    if (status == EXIT_DONE && is_freeing && !json_flag(m, "kept")) {
        char *path = client_path("/v1/media/", id, "/free");
        json_t *reply;

        status = client_call(c, "POST", path, NULL, &reply);
        free(path);
        json_decref(reply);
    }
    return status;
}

static int archive_pages(const struct cli *c, FILE *to, uint64_t *messages, uint64_t *files)
{
    bool is_freeing = cli_option(c, "free") != NULL;
    int status = EXIT_DONE;
    uint64_t from = 1;

    for (bool is_more = true; is_more && status == EXIT_DONE;) {
        json_t *reply, *m;
        char tail[64];
        size_t i;

        snprintf(tail, sizeof tail, "/messages?from=%llu", (unsigned long long)from);
        char *path = client_path("/v1/friends/", c->args[0], tail);
        status = client_call(c, "GET", path, NULL, &reply);
        free(path);
        json_array_foreach(json_object_get(reply, "messages"), i, m) {
            const json_t *media = json_object_get(m, "media");

            if (status == EXIT_DONE && (json_dumpf(m, to, JSON_COMPACT) != 0 || fputc('\n', to) == EOF))
                status = fail(EXIT_FAILED, "the archive cannot be written: %s", strerror(errno));
            ++*messages;
            if (status == EXIT_DONE && json_flag(media, "here") && strchr(json_text(media, "name"), '/') == NULL) {
                status = archive_media(c, media, is_freeing);
                ++*files;
            }
            from = json_count(m, "number") + 1;
        }
        is_more = json_is_integer(json_object_get(reply, "next"));
        json_decref(reply);
    }
    return status;
}

int verb_archive(struct cli *c)
{
    char path[PROFILE_PATH_MAX + 32];
    uint64_t messages = 0, files = 0;

    if (mkdir(c->args[1], 0700) != 0)
        return errno == EEXIST ? fail(EXIT_REFUSED, "%s is there already: name a new folder", c->args[1])
                               : fail(EXIT_FAILED, "%s cannot be made: %s", c->args[1], strerror(errno));
    if (snprintf(path, sizeof path, "%s/messages.jsonl", c->args[1]) >= (int)sizeof path)
        return fail(EXIT_USAGE, "the folder's path is too long");
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    FILE *to = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (to == NULL)
        return fail(EXIT_FAILED, "%s cannot be written: %s", path, strerror(errno));
    int status = archive_pages(c, to, &messages, &files);
    if (fclose(to) != 0 && status == EXIT_DONE)
        status = fail(EXIT_FAILED, "%s cannot be written: %s", path, strerror(errno));
    if (status == EXIT_DONE && c->is_json)
        printf("{\"messages\": %llu, \"files\": %llu}\n", (unsigned long long)messages, (unsigned long long)files);
    else if (status == EXIT_DONE)
        printf("%llu message%s and %llu file%s, readable by whoever has the folder.\n", (unsigned long long)messages, messages == 1 ? "" : "s",
               (unsigned long long)files, files == 1 ? "" : "s");
    return status;
}
