/* apps/cli/cli.h - staffetta, the command: what a verb is given and what it may use.
 *
 * One table (verbs.c) drives dispatch, help, completion and the check of the manual page. A verb returns the exit
 * status; errors are one line on standard error that says what to do.
 */
#ifndef STA_CLI_CLI_H
#define STA_CLI_CLI_H

#include <jansson.h>
#include <stdio.h>

#include "apps/profile/profile.h"

enum exit_status { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_NO_DAEMON = 3, EXIT_NOT_FOUND = 4, EXIT_REFUSED = 5 };

enum { OPTIONS_MAX = 6, ARGS_MAX = 4096 };

struct option {
    const char *name;            /* without dashes */
    const char *value;           /* what stands for its value; NULL for a switch */
    const char *summary;
};

enum arg_kind { ARG_NONE, ARG_FRIEND, ARG_FILE, ARG_MESSAGE, ARG_SHELL, ARG_WORDS };

struct cli;
struct verb {
    const char *name;
    const char *synopsis;        /* its arguments as in the manual page; "" when none */
    const char *summary;         /* one line */
    const char *detail;          /* sentences for `help VERB`; may be "" */
    int args_min, args_max;
    enum arg_kind arg;           /* what the first argument is, for completion */
    const char *words;           /* of ARG_WORDS */
    struct option options[OPTIONS_MAX];
    int (*run)(struct cli *c);
};

extern const struct verb verbs[];
extern const size_t verb_count;
extern const struct option global_options[];
extern const size_t global_option_count;

const struct verb *verb_find(const char *name);

struct cli {
    struct profile_paths paths;
    char socket[PROFILE_PATH_MAX];
    bool is_json;
    bool has_folder;             /* --data was given */
    const struct verb *verb;
    const char *options[OPTIONS_MAX];   /* values in the verb's order; "" for a switch given; NULL: not given */
    char **args;
    int arg_count;
};

/* The value of an option of the verb at hand; NULL when it is not given. */
const char *cli_option(const struct cli *c, const char *name);

/* Reads the words; EXIT_DONE, or EXIT_USAGE after saying what is wrong. `args` holds argc pointers. */
int cli_parse(struct cli *c, int argc, char **argv, char **args);
int cli_main(int argc, char **argv);

/* Could be the id of a message, or its beginning; a link is longer. */
bool cli_is_message_id(const char *text);

/* One line on standard error. Returns `status`. */
int fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- client.c ---- */

/* Asks the daemon. EXIT_DONE and *reply (the caller's), or what went wrong, said already. `body` is taken; may be NULL. */
int client_call(const struct cli *c, const char *method, const char *path, json_t *body, json_t **reply);

/* The same with bytes that are no JSON. */
int client_upload(const struct cli *c, const char *path, struct bytes piece, json_t **reply);

/* Writes the bytes that are answered to `to`. */
int client_download(const struct cli *c, const char *path, FILE *to);

/* True when a daemon answers the socket. */
bool client_is_there(const struct cli *c);

/* What starts the daemon that this command would talk to. */
void client_start_command(char *to, size_t cap, const struct cli *c);

/* Listens to events until `on_event` returns a status other than -1, which is then returned. `on_open` (may be NULL) runs
 * once the stream is open, so that nothing is missed between asking and listening. */
struct client_stream {
    int (*on_open)(void *ctx);
    int (*on_event)(void *ctx, const char *name, json_t *about);
    void *ctx;
};
int client_listen(const struct cli *c, const struct client_stream *stream);

/* "/v1/friends/" + the name, percent-encoded, + tail. */
char *client_path(const char *head, const char *name, const char *tail);

/* ---- verb_media.c ---- */

/* Writes what GET /v1/media/ID + tail answers to a new file, or to the standard output for "-". */
int save_media(const struct cli *c, const char *id, const char *tail, const char *to);

/* ---- verb_node.c ---- */

/* A path from the root, for the daemon has another folder than the caller; NULL: it is no text. */
json_t *cli_absolute(const char *path);

/* ---- words.c ---- */

/* A text from somewhere else, made harmless for a terminal; new lines are indented by `indent`. */
void words_print_text(FILE *to, const char *text, unsigned indent);

/* "14:02", "Thursday 14:02", "2026-11-22 14:02", local time; "never" for null. */
enum { WORDS_TIME_MAX = 64, WORDS_CUSTODY_MAX = 512 };
void words_time(char to[WORDS_TIME_MAX], const json_t *rfc3339, uint64_t now_unix_s);

/* The one honest line about a message. */
void words_custody(char to[WORDS_CUSTODY_MAX], const json_t *message, uint64_t now_unix_s);

void words_print_message(FILE *to, const json_t *message);
void words_print_json(const json_t *object);

const char *json_text(const json_t *object, const char *key);       /* "" when absent */
uint64_t    json_count(const json_t *object, const char *key);      /* 0 when absent */
bool        json_flag(const json_t *object, const char *key);

/* ---- ask.c ---- */

/* Asks without echo on the terminal, or takes a line of standard input when that is none. Twice when `is_new`. */
int ask_passphrase(char to[PASSPHRASE_LEN_MAX + 1], const char *prompt, bool is_new);

/* True on a terminal when the person says yes, and where there is no terminal to ask. */
bool ask_yes(const char *question);

/* ---- help.c, completion.c ---- */

void help_print(FILE *to);
void help_print_verb(FILE *to, const struct verb *v);
bool completion_print(FILE *to, const char *shell);

/* ---- verbs ---- */

int verb_init(struct cli *c), verb_card(struct cli *c), verb_invite(struct cli *c), verb_add(struct cli *c),
    verb_friends(struct cli *c), verb_accept(struct cli *c), verb_block(struct cli *c), verb_unblock(struct cli *c),
    verb_introduce(struct cli *c), verb_verify(struct cli *c), verb_rename(struct cli *c),
    verb_remove(struct cli *c), verb_disappear(struct cli *c), verb_send(struct cli *c), verb_messages(struct cli *c),
    verb_inbox(struct cli *c), verb_read(struct cli *c), verb_show(struct cli *c), verb_delete(struct cli *c),
    verb_status(struct cli *c), verb_neighbours(struct cli *c), verb_doctor(struct cli *c), verb_export(struct cli *c),
    verb_import(struct cli *c), verb_gateway(struct cli *c), verb_gateways(struct cli *c), verb_unlock(struct cli *c),
    verb_passphrase(struct cli *c), verb_settings(struct cli *c), verb_panic(struct cli *c), verb_completion(struct cli *c),
    verb_send_file(struct cli *c), verb_send_photo(struct cli *c), verb_send_voice(struct cli *c), verb_media(struct cli *c),
    verb_save(struct cli *c), verb_want(struct cli *c), verb_keep(struct cli *c), verb_free_up(struct cli *c),
    verb_backup(struct cli *c), verb_restore(struct cli *c), verb_archive(struct cli *c), verb_storage(struct cli *c),
    verb_version(struct cli *c), verb_help(struct cli *c);

#endif
