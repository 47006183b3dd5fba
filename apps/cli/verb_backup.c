/* apps/cli/verb_backup.c - a person put away, in a file or on paper, and made again. */
#define _DEFAULT_SOURCE
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "apps/cli/cli.h"
#include "apps/service/qr.h"
#include "crypto/code_words.h"

/* FILE-1.png; an ending .png that was given already is not doubled. */
static int write_images(const json_t *parts, const char *given)
{
    size_t stem = strlen(given), i;
    const json_t *part;
    char path[PROFILE_PATH_MAX];

    if (stem > 4 && strcmp(given + stem - 4, ".png") == 0)
        stem -= 4;
    json_array_foreach(parts, i, part) {
        int n = snprintf(path, sizeof path, "%.*s-%zu.png", (int)stem, given, i + 1);

        if (n < 0 || (size_t)n >= sizeof path)
            return fail(EXIT_USAGE, "the name of the images is too long");
        if (access(path, F_OK) == 0)
            return fail(EXIT_REFUSED, "%s is there already; an older backup is never overwritten: choose another name", path);
        if (qr_write_png(path, json_string_value(part)) != ERR_NONE)
            return fail(EXIT_FAILED, "%s cannot be written: %s", path, strerror(errno));
    }
    return EXIT_DONE;
}

static int print_codes(const json_t *parts)
{
    const json_t *part;
    size_t i;

    json_array_foreach(parts, i, part) {
        printf("%zu of %zu\n", i + 1, json_array_size(parts));
        if (qr_print(stdout, json_string_value(part), isatty(1) != 0) != ERR_NONE)
            return fail(EXIT_FAILED, "no QR code can be made of this");
    }
    return EXIT_DONE;
}

static void say_backup(const json_t *reply)
{
    const char *words = json_text(reply, "words");

    printf("Your identity and %llu friends are put away", (unsigned long long)json_count(reply, "friends"));
    if (words[0] != '\0')
        printf(". These words open it; write them down, and keep them apart from it:\n\n    %s\n\n", words);
    else
        puts("; the passphrase opens it.");
    puts("A backup older than 45 days still brings back who you are, but friends may have to be met again.");
}

int verb_backup(struct cli *c)
{
    const char *paper = cli_option(c, "paper");
    bool is_qr = cli_option(c, "qr") != NULL, is_paper = paper != NULL || is_qr;
    char passphrase[PASSPHRASE_LEN_MAX + 1] = "";
    json_t *body = json_object(), *reply = NULL;
    int status = EXIT_DONE;

    if (is_paper == (c->arg_count > 0))
        status = fail(EXIT_USAGE, "say where to: staffetta backup FILE, or --paper FILE, or --qr");
    if (status == EXIT_DONE && cli_option(c, "passphrase") != NULL)
        status = ask_passphrase(passphrase, "A passphrase for the backup", true);
    if (status == EXIT_DONE && is_paper)
        json_object_set_new(body, "paper", json_true());
    if (status == EXIT_DONE && !is_paper) {
        json_t *path = cli_absolute(c->args[0]);

        if (path == NULL)
            status = fail(EXIT_USAGE, "the file's path has to be text");
        else
            json_object_set_new(body, "path", path);
    }
    if (status == EXIT_DONE && passphrase[0] != '\0' && json_object_set_new(body, "passphrase", json_string(passphrase)) != 0)
        status = fail(EXIT_USAGE, "the passphrase has to be UTF-8 text");
    profile_wipe(passphrase, sizeof passphrase);
    if (status != EXIT_DONE) {
        json_decref(body);
        return status;
    }
    if ((status = client_call(c, "POST", "/v1/backup", body, &reply)) == EXIT_DONE && paper != NULL)
        status = write_images(json_object_get(reply, "parts"), paper);
    if (status == EXIT_DONE && is_qr && !c->is_json)
        status = print_codes(json_object_get(reply, "parts"));
    if (status == EXIT_DONE && c->is_json)
        words_print_json(reply);
    else if (status == EXIT_DONE)
        say_backup(reply);
    json_decref(reply);
    return status;
}

int verb_restore(struct cli *c)
{
    char secret[PASSPHRASE_LEN_MAX + 1] = "", vault[PASSPHRASE_LEN_MAX + 1] = "";
    uint8_t code[CODE_LEN];
    json_t *path, *reply = NULL;
    int status;

    if (!client_is_there(c))
        return client_call(c, "GET", "/v1/status", NULL, &reply);   /* says so */
    if ((path = cli_absolute(c->args[0])) == NULL)
        return fail(EXIT_USAGE, "the file's path has to be text");
    status = ask_passphrase(secret, "The words or the passphrase of the backup", false);
    if (status == EXIT_DONE && cli_option(c, "passphrase") != NULL)
        status = ask_passphrase(vault, "A passphrase for this device", true);
    if (status == EXIT_DONE) {
        /* Words with a slip of the pen are words, too: the daemon says so. */
        bool is_words = code_of_words(code, bytes_of_text(secret)) != ERR_MALFORMED;
        json_t *body = json_pack("{s:O, s:s, s:s?}", "path", path, is_words ? "words" : "passphrase", secret, "vault_passphrase",
                                 vault[0] != '\0' ? vault : NULL);

        status = body != NULL ? client_call(c, "POST", "/v1/restore", body, &reply) : fail(EXIT_USAGE, "passphrases have to be UTF-8 text");
    }
    profile_wipe(secret, sizeof secret);
    profile_wipe(vault, sizeof vault);
    profile_wipe(code, sizeof code);
    json_decref(path);
    if (status == EXIT_DONE && c->is_json) {
        words_print_json(reply);
    } else if (status == EXIT_DONE) {
        fputs("Welcome back, ", stdout);
        words_print_text(stdout, json_text(reply, "name"), 0);
        printf(". %llu friends are told that you begin anew, as soon as somebody carries it.\nDo not go on with the old device: two of you confuse your friends.\n",
               (unsigned long long)json_count(reply, "friends"));
    }
    json_decref(reply);
    return status;
}
