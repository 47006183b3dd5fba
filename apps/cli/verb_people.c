/* apps/cli/verb_people.c - card, invites and friends. */
#define _DEFAULT_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "apps/cli/cli.h"
#include "apps/service/qr.h"
#include "apps/profile/units.h"
#include "crypto/card.h"

/* A call on a friend: POST /v1/friends/NAME<tail>. */
static int call_friend(const struct cli *c, const char *method, const char *tail, json_t *body, json_t **reply)
{
    char *path = client_path("/v1/friends/", c->args[0], tail);
    int status = client_call(c, method, path, body, reply);

    free(path);
    return status;
}

/* A name as a shell takes it. */
static void print_word(const char *name)
{
    bool is_plain = name[0] != '\0' && name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.")] == '\0';
    const char *quote = is_plain ? "" : strchr(name, '\'') != NULL ? "\"" : "'";

    fputs(quote, stdout);
    words_print_text(stdout, name, 0);
    fputs(quote, stdout);
}

static int print_link(const struct cli *c, const json_t *reply)
{
    const char *link = json_text(reply, "link"), *png = cli_option(c, "png");
    int status = EXIT_DONE;

    if (png != NULL)
        status = qr_write_png(png, link) == ERR_NONE ? EXIT_DONE : fail(EXIT_FAILED, "%s cannot be written: %s", png, strerror(errno));
    if (status != EXIT_DONE)
        return status;
    if (c->is_json) {
        words_print_json(reply);
        return EXIT_DONE;
    }
    if (cli_option(c, "qr") != NULL)
        status = qr_print(stdout, link, isatty(1) != 0) == ERR_NONE ? EXIT_DONE : fail(EXIT_FAILED, "no QR code can be made of this");
    puts(link);
    return status;
}

int verb_card(struct cli *c)
{
    json_t *reply;
    int status = client_call(c, "GET", "/v1/card", NULL, &reply);

    if (status == EXIT_DONE)
        status = print_link(c, reply);
    json_decref(reply);
    return status;
}

int verb_invite(struct cli *c)
{
    json_t *reply;
    int status = client_call(c, "POST", "/v1/invite", NULL, &reply);

    if (status == EXIT_DONE)
        status = print_link(c, reply);
    json_decref(reply);
    return status;
}

int verb_add(struct cli *c)
{
    bool is_id = cli_is_message_id(c->args[0]);
    json_t *body = json_pack("{s:s}", is_id ? "message" : "link", c->args[0]), *reply;
    const char *as = cli_option(c, "as");

    if (body == NULL)
        return fail(EXIT_REFUSED, "this is no Staffetta link: it is no text");
    if (as != NULL && (strlen(as) > CARD_NAME_MAX || json_object_set_new(body, "as", json_string(as)) != 0)) {
        json_decref(body);
        return fail(EXIT_USAGE, "a name has 1 to %d bytes of UTF-8 text", CARD_NAME_MAX);
    }
    int status = client_call(c, "POST", "/v1/friends", body, &reply);
    if (status == EXIT_DONE && c->is_json) {
        words_print_json(reply);
    } else if (status == EXIT_DONE) {
        words_print_text(stdout, json_text(reply, "name"), 0);
        fputs(" is in your address book. To make sure that it is really them: staffetta verify ", stdout);
        print_word(json_text(reply, "name"));
        putchar('\n');
    }
    json_decref(reply);
    return status;
}

int verb_introduce(struct cli *c)
{
    json_t *reply;
    int status = call_friend(c, "POST", "/introduce", json_pack("{s:s}", "to", c->args[1]), &reply);

    if (status == EXIT_DONE && c->is_json)
        words_print_json(reply);
    else if (status == EXIT_DONE)
        puts("Each gets the other's card from you. Whether they take it is theirs to say.");
    json_decref(reply);
    return status;
}

static void print_friend(const json_t *f)
{
    char heard[WORDS_TIME_MAX];
    const char *state = json_text(f, "state"), *name = json_text(f, "name"), *card_name = json_text(f, "card_name");
    unsigned long long unread = json_count(f, "unread");
    char span[UNITS_SPAN_TEXT_MAX];

    words_print_text(stdout, name, 0);
    if (strcmp(name, card_name) != 0) {
        fputs(" (", stdout);
        words_print_text(stdout, card_name, 0);
        fputs(")", stdout);
    }
    if (json_flag(f, "blocked")) {
        fputs(": blocked; to hear from them again: staffetta unblock ", stdout);
        print_word(name);
        putchar('\n');
        return;
    }
    if (json_flag(f, "request")) {
        fputs(": wrote to you, and is not accepted yet: staffetta accept ", stdout);
        print_word(name);
        putchar('\n');
        return;
    }
    words_time(heard, json_object_get(f, "last_heard"), (uint64_t)time(NULL));
    /* Who has written to us is heard of, even while nothing of ours has been acknowledged. */
    bool is_silent = strcmp(state, "added") == 0 && strcmp(heard, "never") == 0;
    printf(": %s", strcmp(state, "verified") == 0 ? "verified" : is_silent ? "added, no answer yet" : "not verified");
    if (json_is_string(json_object_get(f, "introduced_by"))) {
        fputs(", introduced by ", stdout);
        words_print_text(stdout, json_text(f, "introduced_by"), 0);
    }
    if (strcmp(heard, "never") != 0)
        printf(", last heard %s", heard);
    if (unread > 0)
        printf(", %llu unread", unread);
    if (json_count(f, "disappear_s") > 0) {
        units_span_text(span, json_count(f, "disappear_s"));
        printf(", messages disappear %s after reading", span);
    }
    putchar('\n');
}

int verb_friends(struct cli *c)
{
    json_t *reply, *f;
    size_t i;
    int status = client_call(c, "GET", "/v1/friends", NULL, &reply);
    const json_t *list = json_object_get(reply, "friends");

    json_array_foreach(list, i, f) {
        if (cli_option(c, "names") != NULL) {
            words_print_text(stdout, json_text(f, "name"), 0);
            putchar('\n');
        } else if (c->is_json) {
            words_print_json(f);
        } else {
            print_friend(f);
        }
    }
    if (status == EXIT_DONE && !c->is_json && cli_option(c, "names") == NULL && json_array_size(list) == 0)
        puts("Nobody yet. Show a friend `staffetta invite --qr`, and `staffetta add` what they show you.");
    json_decref(reply);
    return status;
}

/* Says how a friend is after a change. */
static int print_changed(const struct cli *c, int status, json_t *reply)
{
    if (status == EXIT_DONE && c->is_json)
        words_print_json(reply);
    else if (status == EXIT_DONE)
        print_friend(reply);
    json_decref(reply);
    return status;
}

int verb_accept(struct cli *c)
{
    json_t *reply;
    int status = call_friend(c, "POST", "/accept", NULL, &reply);

    return print_changed(c, status, reply);
}

int verb_block(struct cli *c)
{
    json_t *reply;
    int status = call_friend(c, "POST", "/block", NULL, &reply);

    return print_changed(c, status, reply);
}

int verb_unblock(struct cli *c)
{
    json_t *reply;
    int status = call_friend(c, "POST", "/unblock", NULL, &reply);

    return print_changed(c, status, reply);
}

int verb_rename(struct cli *c)
{
    json_t *reply, *name = json_string(c->args[1]);

    if (name == NULL || c->args[1][0] == '\0' || strlen(c->args[1]) > CARD_NAME_MAX) {
        json_decref(name);
        return fail(EXIT_USAGE, "a name has 1 to %d bytes of UTF-8 text", CARD_NAME_MAX);
    }
    int status = call_friend(c, "POST", "/rename", json_pack("{s:o}", "name", name), &reply);
    return print_changed(c, status, reply);
}

int verb_disappear(struct cli *c)
{
    uint64_t seconds = 0;
    json_t *reply;

    if (strcmp(c->args[1], "off") != 0 && (units_duration(&seconds, c->args[1]) != ERR_NONE || seconds == 0 ||
                                           seconds > UINT64_C(366) * 86400))
        return fail(EXIT_USAGE, "\"%s\" is no span: write 30m, 12h, 7d or the like (up to 366d), or off", c->args[1]);
    int status = call_friend(c, "POST", "/disappear", json_pack("{s:I}", "seconds", (json_int_t)seconds), &reply);
    return print_changed(c, status, reply);
}

int verb_remove(struct cli *c)
{
    json_t *reply;

    if (cli_option(c, "yes") == NULL && isatty(0) == 0)
        return fail(EXIT_USAGE, "this forgets a friend and all messages with them: staffetta remove NAME --yes");
    if (cli_option(c, "yes") == NULL && !ask_yes("Forget this friend and all messages with them?"))
        return fail(EXIT_FAILED, "nothing was removed");
    int status = call_friend(c, "DELETE", "", NULL, &reply);
    if (status == EXIT_DONE && c->is_json)
        words_print_json(reply);
    else if (status == EXIT_DONE)
        puts("Forgotten.");
    json_decref(reply);
    return status;
}

static void print_safety_number(const json_t *reply)
{
    const char *digits = json_text(reply, "safety_number");

    for (size_t i = 0; digits[i] != '\0'; i++)
        printf("%s%c", i == 0 ? "  " : i % 30 == 0 ? "\n  " : i % 5 == 0 ? " " : "", digits[i]);
    putchar('\n');
}

int verb_verify(struct cli *c)
{
    bool says_yes = cli_option(c, "yes") != NULL, says_no = cli_option(c, "no") != NULL;
    json_t *reply;

    if (says_yes && says_no)
        return fail(EXIT_USAGE, "--yes or --no, not both");
    int status = call_friend(c, "GET", "/safety-number", NULL, &reply);
    if (status == EXIT_DONE && !c->is_json) {
        puts("The same number stands on your friend's screen:");
        print_safety_number(reply);
        fflush(stdout);
    }
    /* Without a terminal nobody has compared anything, so nothing is marked. */
    if (status == EXIT_DONE && !says_yes && !says_no && !c->is_json && isatty(0))
        says_yes = ask_yes("Is it the same, to the last digit?");
    if (status == EXIT_DONE && (says_yes || says_no)) {
        json_decref(reply);
        status = call_friend(c, "POST", "/verify", json_pack("{s:b}", "verified", says_yes), &reply);
    }
    if (status == EXIT_DONE && c->is_json) {
        words_print_json(reply);
    } else if (status == EXIT_DONE && json_flag(reply, "verified")) {
        puts("Verified.");
    } else if (status == EXIT_DONE) {
        fputs("Not verified. After comparing: staffetta verify ", stdout);
        print_word(c->args[0]);
        puts(" --yes");
    }
    json_decref(reply);
    return status;
}
