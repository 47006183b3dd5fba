/* apps/cli/verb_vault.c - identity, passphrase, panic: with the daemon when one runs, without it otherwise. */
#define _DEFAULT_SOURCE
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "apps/cli/cli.h"
#include "crypto/card.h"

/* ---- init ---- */

static int init_through_daemon(const struct cli *c, const char *name, const char *passphrase)
{
    json_t *body = json_pack("{s:s, s:s?}", "name", name, "passphrase", passphrase[0] != '\0' ? passphrase : NULL), *reply;

    if (body == NULL)
        return fail(EXIT_USAGE, "the name and the passphrase have to be UTF-8 text");
    int status = client_call(c, "POST", "/v1/init", body, &reply);
    json_decref(reply);
    return status;
}

static int init_here(const struct cli *c, const char *name, const char *passphrase)
{
    int lock;

    if (profile_make_folder(&c->paths) != ERR_NONE)
        return fail(EXIT_FAILED, "the data folder %s cannot be made: %s", c->paths.folder, strerror(errno));
    enum err e = profile_lock(&c->paths, &lock);
    if (e == ERR_LOCKED)
        return fail(EXIT_FAILED, "a daemon works in %s, but does not answer at %s; name its socket with --api", c->paths.folder,
                    c->socket);
    if (e != ERR_NONE)
        return fail(EXIT_FAILED, "the data folder %s cannot be used: %s", c->paths.folder, strerror(errno));
    e = profile_create_person(&c->paths, bytes_of_text(name), bytes_of_text(passphrase));
    close(lock);
    switch (e) {
    case ERR_NONE:
        return EXIT_DONE;
    case ERR_EXISTS:
        return fail(EXIT_REFUSED, "there is an identity in %s already; another one needs another --data folder", c->paths.folder);
    case ERR_MALFORMED:
        return fail(EXIT_USAGE, "a name has 1 to %d bytes of text without control characters", CARD_NAME_MAX);
    case ERR_AUTH:
        return fail(EXIT_REFUSED, "there is a vault in %s already, and this passphrase does not open it", c->paths.folder);
    case ERR_FULL:
        return fail(EXIT_REFUSED, "the disk is full: free some space and try again");
    case ERR_NO_MEMORY:
        return fail(EXIT_FAILED, "the passphrase needs more free memory than there is: close something and try again");
    default:
        return fail(EXIT_FAILED, "the identity could not be made in %s: %s", c->paths.folder, err_text(e));
    }
}

int verb_init(struct cli *c)
{
    const char *name = cli_option(c, "name");
    char passphrase[PASSPHRASE_LEN_MAX + 1] = "";
    int status = EXIT_DONE;

    if (name == NULL || name[0] == '\0' || strlen(name) > CARD_NAME_MAX)
        return fail(EXIT_USAGE, "say who you are: staffetta init --name NAME (1 to %d bytes)", CARD_NAME_MAX);
    if (cli_option(c, "passphrase") != NULL)
        status = ask_passphrase(passphrase, "A passphrase", true);
    if (status == EXIT_DONE)
        status = client_is_there(c) ? init_through_daemon(c, name, passphrase) : init_here(c, name, passphrase);
    if (status == EXIT_DONE && c->is_json) {
        json_t *o = json_pack("{s:s, s:s, s:b}", "name", name, "data", c->paths.folder, "passphrase", passphrase[0] != '\0');

        words_print_json(o);
        json_decref(o);
    } else if (status == EXIT_DONE) {
        fputs("Welcome, ", stdout);
        words_print_text(stdout, name, 0);
        printf(". Your identity is in %s.\n", c->paths.folder);
        if (passphrase[0] == '\0')
            puts("It opens with the key file beside it: whoever takes this disk can read everything. `staffetta passphrase` changes that.");
        else
            puts("After every start the daemon waits for the passphrase: staffetta unlock. Without it nobody gets in again, you neither.");
        puts("Next: `staffetta invite --qr`, and show it to a friend.");
    }
    profile_wipe(passphrase, sizeof passphrase);
    return status;
}

/* ---- Passphrases ---- */

int verb_unlock(struct cli *c)
{
    char passphrase[PASSPHRASE_LEN_MAX + 1] = "";
    json_t *reply = NULL;
    int status;

    if (!client_is_there(c))
        return client_call(c, "GET", "/v1/status", NULL, &reply);   /* says so */
    status = ask_passphrase(passphrase, "The passphrase", false);
    if (status == EXIT_DONE) {
        json_t *body = json_pack("{s:s}", "passphrase", passphrase);

        status = body != NULL ? client_call(c, "POST", "/v1/unlock", body, &reply)
                              : fail(EXIT_REFUSED, "this passphrase does not open the vault");
    }
    profile_wipe(passphrase, sizeof passphrase);
    if (status == EXIT_DONE && c->is_json)
        words_print_json(reply);
    else if (status == EXIT_DONE)
        puts("Unlocked.");
    json_decref(reply);
    return status;
}

static int change_through_daemon(const struct cli *c, const char *fresh)
{
    json_t *body = json_pack("{s:s?}", "passphrase", fresh[0] != '\0' ? fresh : NULL), *reply = NULL;
    int status = body != NULL ? client_call(c, "POST", "/v1/passphrase", body, &reply)
                              : fail(EXIT_USAGE, "the passphrase has to be UTF-8 text");

    json_decref(reply);
    return status;
}

/* Without a daemon the vault has to be opened here, with what opens it now. */
static int change_here(const struct cli *c, const char *fresh)
{
    char old[PASSPHRASE_LEN_MAX + 1] = "";
    struct vault *vault = NULL;
    enum profile_vault kind;
    int lock = -1, status = EXIT_DONE;
    enum err e = profile_vault_kind(&c->paths, &kind);

    if (e == ERR_NONE && kind == PROFILE_VAULT_NONE)
        return fail(EXIT_FAILED, "there is no identity in %s; staffetta init --name NAME makes one", c->paths.folder);
    if (e == ERR_NONE && profile_lock(&c->paths, &lock) != ERR_NONE)
        return fail(EXIT_FAILED, "%s is in use; name the daemon's socket with --api", c->paths.folder);
    if (e == ERR_NONE && kind == PROFILE_VAULT_PASSPHRASE)
        status = ask_passphrase(old, "The present passphrase", false);
    if (e == ERR_NONE && status == EXIT_DONE)
        e = profile_vault_open(&c->paths, bytes_of_text(old), &vault);
    profile_wipe(old, sizeof old);
    if (e == ERR_NONE && status == EXIT_DONE)
        e = profile_vault_change(&c->paths, vault, bytes_of_text(fresh));
    vault_close(vault);
    if (lock >= 0)
        close(lock);
    if (e == ERR_AUTH)
        return fail(EXIT_REFUSED, "this passphrase does not open the vault");
    return e == ERR_NONE ? status : fail(EXIT_FAILED, "the passphrase could not be changed: %s", err_text(e));
}

int verb_passphrase(struct cli *c)
{
    char fresh[PASSPHRASE_LEN_MAX + 1] = "";
    bool is_none = cli_option(c, "none") != NULL;
    int status = is_none ? EXIT_DONE : ask_passphrase(fresh, "The new passphrase", true);

    if (status == EXIT_DONE)
        status = client_is_there(c) ? change_through_daemon(c, fresh) : change_here(c, fresh);
    profile_wipe(fresh, sizeof fresh);
    if (status == EXIT_DONE && c->is_json)
        puts(is_none ? "{\"passphrase\":false}" : "{\"passphrase\":true}");
    else if (status == EXIT_DONE)
        puts(is_none ? "The vault opens with a key file now: whoever takes this disk can read everything."
                     : "After every start the daemon waits for it: staffetta unlock. Without it nobody gets in again, you neither.");
    return status;
}

/* ---- Others ---- */

int verb_settings(struct cli *c)
{
    bool is_on = strcmp(c->args[1], "on") == 0;
    json_t *reply;

    if (strcmp(c->args[0], "read-marks") != 0 || (!is_on && strcmp(c->args[1], "off") != 0))
        return fail(EXIT_USAGE, "usage: staffetta settings read-marks on|off");
    int status = client_call(c, "POST", "/v1/settings", json_pack("{s:b}", "read_marks", is_on), &reply);
    if (status == EXIT_DONE && c->is_json)
        words_print_json(reply);
    else if (status == EXIT_DONE)
        puts(is_on ? "Friends see when you have read." : "Friends no longer see when you have read.");
    json_decref(reply);
    return status;
}

int verb_panic(struct cli *c)
{
    json_t *reply = NULL;
    bool is_there;
    int status = EXIT_DONE;

    if (cli_option(c, "yes") == NULL)
        return fail(EXIT_USAGE, "this destroys identity, friends and messages for good: staffetta panic --yes");
    is_there = client_is_there(c);
    if (is_there)
        status = client_call(c, "POST", "/v1/panic", json_pack("{s:s}", "confirm", "panic"), &reply);
    json_decref(reply);
    /* Also when the daemon hangs: the key slots need nobody's permission. */
    if (!is_there || status != EXIT_DONE) {
        enum err e = profile_panic(&c->paths);

        status = e == ERR_NONE ? EXIT_DONE : fail(EXIT_FAILED, "not everything in %s could be destroyed: %s; remove it by hand",
                                                  c->paths.folder, err_text(e));
    }
    if (status == EXIT_DONE && c->is_json)
        puts("{\"destroyed\":true}");
    else if (status == EXIT_DONE)
        puts("Destroyed.");
    return status;
}
