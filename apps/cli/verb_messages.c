/* apps/cli/verb_messages.c - writing and reading. */
#define _DEFAULT_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "apps/cli/cli.h"
#include "apps/messenger/messenger.h"
#include "apps/profile/units.h"
#include "crypto/text.h"

/* ---- Sending ---- */

/* All of a stream, up to a byte more than a text may have. */
static int read_text(FILE *from, const char *name, struct buffer *to)
{
    uint8_t block[4096];
    size_t n;

    while ((n = fread(block, 1, sizeof block, from)) > 0)
        if (buffer_append(to, bytes_of(block, n)) != ERR_NONE)
            return fail(EXIT_REFUSED, "%s is longer than %d bytes: send it with send-file", name, TEXT_LEN_MAX);
    if (ferror(from))
        return fail(EXIT_FAILED, "%s cannot be read: %s", name, strerror(errno));
    return EXIT_DONE;
}

static int read_file(const char *path, struct buffer *to)
{
    FILE *f = fopen(path, "rbe");

    if (f == NULL)
        return fail(errno == ENOENT ? EXIT_NOT_FOUND : EXIT_FAILED, "%s cannot be read: %s", path, strerror(errno));
    int status = read_text(f, path, to);
    fclose(f);
    return status;
}

static int join_words(const struct cli *c, struct buffer *to)
{
    for (int i = 1; i < c->arg_count; i++)
        if ((i > 1 && buffer_append(to, bytes_of_text(" ")) != ERR_NONE) ||
            buffer_append(to, bytes_of_text(c->args[i])) != ERR_NONE)
            return fail(EXIT_REFUSED, "the text is longer than %d bytes: send it in parts", TEXT_LEN_MAX);
    return EXIT_DONE;
}

static int collect_text(const struct cli *c, struct buffer *to)
{
    const char *file = cli_option(c, "file");

    if ((file != NULL) == (c->arg_count > 1))
        return fail(EXIT_USAGE, "say what to send: words, - for standard input, or --file FILE");
    if (file != NULL)
        return read_file(file, to);
    if (c->arg_count == 2 && strcmp(c->args[1], "-") == 0)
        return read_text(stdin, "the standard input", to);
    return join_words(c, to);
}

static int send_text(const struct cli *c, struct bytes text)
{
    const char *life = cli_option(c, "life");
    uint64_t life_s = 0;
    json_t *body, *reply;

    if (life != NULL && (units_duration(&life_s, life) != ERR_NONE || life_s == 0 || life_s > UINT64_C(14) * 86400))
        return fail(EXIT_USAGE, "--life wants a span up to 14d, such as 12h or 3d");
    body = json_pack("{s:s%}", "text", (const char *)text.at, text.len);
    if (body == NULL)
        return fail(EXIT_FAILED, "out of memory");
    if (life_s > 0)
        json_object_set_new(body, "life_s", json_integer((json_int_t)life_s));
    char *path = client_path("/v1/friends/", c->args[0], "/messages");
    int status = client_call(c, "POST", path, body, &reply);
    free(path);
    if (status == EXIT_DONE && c->is_json)
        words_print_json(reply);
    else if (status == EXIT_DONE)
        puts(json_text(reply, "id"));
    /* A program wants the id alone; a person wants to know that nothing is lost, and what to do with the number. */
    if (status == EXIT_DONE && !c->is_json && isatty(1) && isatty(2))
        fprintf(stderr, "Kept on disk, and goes on as soon as somebody comes by. Where is it: staffetta show %.4s\n",
                json_text(reply, "id"));
    json_decref(reply);
    return status;
}

int verb_send(struct cli *c)
{
    struct buffer text = buffer_of_limit(TEXT_LEN_MAX + 1);   /* a file may end with a line end */
    int status = collect_text(c, &text);
    bool is_file = cli_option(c, "file") != NULL || (c->arg_count == 2 && strcmp(c->args[1], "-") == 0);

    /* The line end of a file is the file's, not the text's. */
    if (status == EXIT_DONE && is_file && text.len > 0 && text.at[text.len - 1] == '\n')
        text.len--;
    if (status == EXIT_DONE && text.len > TEXT_LEN_MAX)
        status = fail(EXIT_REFUSED, "the text is longer than %d bytes: send it in parts", TEXT_LEN_MAX);
    if (status == EXIT_DONE && text.len == 0)
        status = fail(EXIT_USAGE, "there is nothing to send");
    if (status == EXIT_DONE && (!text_is_utf8(buffer_bytes(&text)) || memchr(text.at, '\0', text.len) != NULL))
        status = fail(EXIT_REFUSED, "this is no UTF-8 text: send it with send-file");
    if (status == EXIT_DONE)
        status = send_text(c, buffer_bytes(&text));
    buffer_clear(&text);
    return status;
}

/* ---- Reading ---- */

struct reading {
    const struct cli *c;
    const char *name;            /* of the one friend; NULL: everybody's unread */
    bool marks_read;
    bool is_live;                /* what was is printed; what comes is followed */
    uint64_t next;               /* number to go on from, of the one friend */
};

static void print_one(const struct reading *r, const json_t *message)
{
    if (r->c->is_json) {
        words_print_json(message);
        return;
    }
    words_print_message(stdout, message);
}

static int mark_read(const struct reading *r, const char *name, uint64_t number)
{
    char *path = client_path("/v1/friends/", name, "/read");
    json_t *reply;
    int status = client_call(r->c, "POST", path, json_pack("{s:I}", "number", (json_int_t)number), &reply);

    free(path);
    json_decref(reply);
    return status;
}

static bool is_incoming(const json_t *message)
{
    return strcmp(json_text(message, "direction"), "in") == 0;
}

/* Prints the conversation from r->next on, page by page. */
static int print_conversation(struct reading *r)
{
    uint64_t last_in = 0;
    int status = EXIT_DONE;

    for (bool is_more = true; is_more && status == EXIT_DONE;) {
        char tail[64];
        json_t *reply, *message;
        size_t i;

        snprintf(tail, sizeof tail, "/messages?from=%llu", (unsigned long long)r->next);
        char *path = client_path("/v1/friends/", r->name, tail);
        status = client_call(r->c, "GET", path, NULL, &reply);
        free(path);
        json_array_foreach(json_object_get(reply, "messages"), i, message) {
            print_one(r, message);
            r->next = json_count(message, "number") + 1;
            if (is_incoming(message) && !json_is_string(json_object_get(message, "read")))
                last_in = json_count(message, "number");
        }
        is_more = json_is_integer(json_object_get(reply, "next"));
        json_decref(reply);
    }
    if (status == EXIT_DONE && r->marks_read && last_in > 0)
        status = mark_read(r, r->name, last_in);
    return status;
}

/* Prints what is unread. Marking happens a friend at a time, up to the last printed. */
static int print_unread(struct reading *r)
{
    json_t *reply, *message, *last = json_object(), *number;
    const char *name;
    size_t i;
    int status = client_call(r->c, "GET", "/v1/inbox", NULL, &reply);

    json_array_foreach(json_object_get(reply, "messages"), i, message) {
        print_one(r, message);
        json_object_set(last, json_text(message, "friend"), json_object_get(message, "number"));
    }
    if (status == EXIT_DONE && !r->c->is_json && json_array_size(json_object_get(reply, "messages")) == 0 &&
        cli_option(r->c, "follow") == NULL)
        puts("Nothing new.");
    if (r->marks_read)
        json_object_foreach(last, name, number)
            if (status == EXIT_DONE)
                status = mark_read(r, name, (uint64_t)json_integer_value(number));
    json_decref(last);
    json_decref(reply);
    return status;
}

static int print_what_was(void *ctx)
{
    struct reading *r = ctx;
    int status = r->name != NULL ? print_conversation(r) : print_unread(r);

    fflush(stdout);
    return status == EXIT_DONE ? -1 : status;
}

static int on_event(void *ctx, const char *event, json_t *about)
{
    struct reading *r = ctx;
    uint64_t number = json_count(about, "number");

    /* Missed something: the conversation is asked from where it was left. Unread lists would repeat themselves only
     * where nothing is marked. */
    if (strcmp(event, "behind") == 0)
        return r->name != NULL || r->marks_read ? print_what_was(r) : -1;
    if (strcmp(event, "message") != 0)
        return -1;
    if (r->name != NULL && (strcmp(json_text(about, "friend"), r->name) != 0 || number < r->next))
        return -1;
    if (r->name == NULL && !is_incoming(about))
        return -1;
    if (r->name == NULL && json_is_string(json_object_get(about, "read")))
        return -1;
    print_one(r, about);
    fflush(stdout);
    if (r->name != NULL)
        r->next = number + 1;
    if (!r->marks_read || !is_incoming(about))
        return -1;
    int status = mark_read(r, json_text(about, "friend"), number);
    return status == EXIT_DONE ? -1 : status;
}

static int run_reading(struct reading *r)
{
    struct client_stream stream = { print_what_was, on_event, r };

    if (cli_option(r->c, "mark-read") != NULL && cli_option(r->c, "keep-unread") != NULL)
        return fail(EXIT_USAGE, "--mark-read or --keep-unread, not both");
    if (cli_option(r->c, "follow") != NULL)
        return client_listen(r->c, &stream);
    int status = print_what_was(r);
    return status == -1 ? EXIT_DONE : status;
}

/* The name as the daemon writes it: events carry that, whatever case was typed. */
static int find_name(const struct cli *c, json_t **found)
{
    char *path = client_path("/v1/friends/", c->args[0], "");
    int status = client_call(c, "GET", path, NULL, found);

    free(path);
    return status;
}

int verb_messages(struct cli *c)
{
    json_t *found;
    int status = find_name(c, &found);

    if (status == EXIT_DONE) {
        struct reading r = { .c = c, .name = json_text(found, "name"), .marks_read = cli_option(c, "keep-unread") == NULL };

        status = run_reading(&r);
    }
    json_decref(found);
    return status;
}

/* Who holds a card may write under any name: the reader learns that somebody among these is not a friend yet. */
static void tell_of_requests(const struct cli *c)
{
    json_t *status;

    if (client_call(c, "GET", "/v1/status", NULL, &status) != EXIT_DONE)
        return;
    uint64_t n = json_count(json_object_get(status, "people"), "requests");
    json_decref(status);
    if (n > 0)
        printf("%llu %s not accepted yet, and may be anybody: staffetta friends\n", (unsigned long long)n, n == 1 ? "sender is" : "senders are");
}

int verb_inbox(struct cli *c)
{
    struct reading r = { .c = c, .marks_read = cli_option(c, "mark-read") != NULL ||
                                               (isatty(1) != 0 && cli_option(c, "keep-unread") == NULL) };

    int status = run_reading(&r);

    if (status == EXIT_DONE && !c->is_json)
        tell_of_requests(c);
    return status;
}

int verb_read(struct cli *c)
{
    char *path = client_path("/v1/friends/", c->args[0], "/read");
    json_t *reply;
    int status = client_call(c, "POST", path, NULL, &reply);

    free(path);
    if (status == EXIT_DONE && c->is_json)
        words_print_json(reply);
    else if (status == EXIT_DONE)
        puts("Marked as read.");
    json_decref(reply);
    return status;
}

/* ---- One message ---- */

static void print_time_and(const json_t *m, const char *key, const char *label, const char *more)
{
    char at[WORDS_TIME_MAX];

    if (!json_is_string(json_object_get(m, key)))
        return;
    words_time(at, json_object_get(m, key), (uint64_t)time(NULL));
    printf("  %-12s %s%s\n", label, at, more);
}

static void print_time_line(const json_t *m, const char *key, const char *label)
{
    print_time_and(m, key, label, "");
}

static void print_whole(const json_t *m)
{
    char custody[WORDS_CUSTODY_MAX];
    bool is_out = !is_incoming(m);

    words_custody(custody, m, (uint64_t)time(NULL));
    fputs(is_out ? "to " : "from ", stdout);
    words_print_text(stdout, json_text(m, "friend"), 0);
    fputs(": ", stdout);
    words_print_text(stdout, json_text(m, "text"), 4);
    putchar('\n');
    words_print_text(stdout, custody, 0);
    putchar('\n');
    print_time_line(m, "time", is_out ? "written" : "their clock");
    print_time_line(m, "arrived", "arrived");
    print_time_line(m, "carried", "carried");
    print_time_line(m, "gateway", "gateway");
    print_time_line(m, "delivered", "delivered");
    print_time_line(m, "read", "read");
    /* Only a receipt ends the trying; until this hour couriers carry what they have. */
    print_time_and(m, "next_try", "sent again", ", unless a receipt comes first");
    print_time_line(m, "expires", "expires");
    if (json_count(m, "tries") > 1)
        printf("  %-12s %llu\n", "tries", (unsigned long long)json_count(m, "tries"));
    printf("  %-12s %s\n", "id", json_text(m, "id"));
}

int verb_show(struct cli *c)
{
    char *path = client_path("/v1/messages/", c->args[0], "");
    json_t *reply;
    int status = client_call(c, "GET", path, NULL, &reply);

    free(path);
    if (status == EXIT_DONE && c->is_json)
        words_print_json(reply);
    else if (status == EXIT_DONE)
        print_whole(reply);
    json_decref(reply);
    return status;
}

int verb_delete(struct cli *c)
{
    char *path = client_path("/v1/messages/", c->args[0], "");
    json_t *reply;
    int status = client_call(c, "DELETE", path, NULL, &reply);

    free(path);
    if (status == EXIT_DONE && c->is_json)
        words_print_json(reply);
    else if (status == EXIT_DONE)
        puts("Deleted here.");
    json_decref(reply);
    return status;
}
