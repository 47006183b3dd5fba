/* apps/cli/parse.c - words of the command line, judged against the table. */
#define _DEFAULT_SOURCE
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "apps/cli/cli.h"

int fail(int status, const char *format, ...)
{
    char line[2048];
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    /* It may quote what came from elsewhere. */
    fputs("staffetta: ", stderr);
    words_print_text(stderr, line, 0);
    fputc('\n', stderr);
    return status;
}

enum { MESSAGE_ID_DIGITS = 16 };

bool cli_is_message_id(const char *text)
{
    return strlen(text) <= MESSAGE_ID_DIGITS && strspn(text, "0123456789abcdef") == strlen(text);
}

const char *cli_option(const struct cli *c, const char *name)
{
    for (size_t i = 0; i < OPTIONS_MAX && c->verb->options[i].name != NULL; i++)
        if (strcmp(c->verb->options[i].name, name) == 0)
            return c->options[i];
    return NULL;
}

/* What the words before the verb and after it share. */
struct parse {
    struct cli *cli;
    const char *data, *api;
    bool is_help, is_version;
    int argc, at;
    char **argv;
};

static bool is_named(const char *word, size_t len, const char *name)
{
    return strlen(name) == len && memcmp(word, name, len) == 0;
}

/* The option's value, from "=VALUE" or the next word. */
static int take_value(struct parse *p, const char *word, const char *inline_value, const char *what, const char **to)
{
    if (inline_value == NULL && p->at + 1 < p->argc)
        inline_value = p->argv[++p->at];
    if (inline_value == NULL)
        return fail(EXIT_USAGE, "%s needs a value: %s", word, what);
    *to = inline_value;
    return EXIT_DONE;
}

static int parse_option(struct parse *p)
{
    const char *word = p->argv[p->at], *name = word + 2, *equals = strchr(name, '=');
    const char *inline_value = equals != NULL ? equals + 1 : NULL;
    size_t len = equals != NULL ? (size_t)(equals - name) : strlen(name);
    const struct verb *v = p->cli->verb;

    for (size_t i = 0; v != NULL && i < OPTIONS_MAX && v->options[i].name != NULL; i++) {
        if (!is_named(name, len, v->options[i].name))
            continue;
        if (v->options[i].value != NULL)
            return take_value(p, word, inline_value, v->options[i].value, &p->cli->options[i]);
        if (inline_value != NULL)
            return fail(EXIT_USAGE, "--%s takes no value", v->options[i].name);
        p->cli->options[i] = "";
        return EXIT_DONE;
    }
    if (is_named(name, len, "data"))
        return take_value(p, word, inline_value, "DIR", &p->data);
    if (is_named(name, len, "api"))
        return take_value(p, word, inline_value, "PATH", &p->api);
    if (inline_value == NULL && is_named(name, len, "json"))
        p->cli->is_json = true;
    else if (inline_value == NULL && is_named(name, len, "help"))
        p->is_help = true;
    else if (inline_value == NULL && is_named(name, len, "version"))
        p->is_version = true;
    else if (v != NULL)
        return fail(EXIT_USAGE, "%s is no option of %s; see staffetta help %s%s", word, v->name, v->name,
                    v->run == verb_send ? ", and put -- before a text that begins so" : "");
    else
        return fail(EXIT_USAGE, "%s is no option; see staffetta --help", word);
    return EXIT_DONE;
}

static int check_counts(const struct cli *c)
{
    const struct verb *v = c->verb;

    if (c->arg_count >= v->args_min && c->arg_count <= v->args_max)
        return EXIT_DONE;
    return fail(EXIT_USAGE, "usage: staffetta %s%s%s (see staffetta help %s)", v->name, v->synopsis[0] != '\0' ? " " : "",
                v->synopsis, v->name);
}

static int set_paths(struct parse *p)
{
    struct cli *c = p->cli;
    enum err e = profile_paths_init(&c->paths, p->data);

    if (e != ERR_NONE)
        return fail(EXIT_USAGE, e == ERR_NOT_FOUND ? "no home is known: choose a data folder with --data DIR"
                                                   : "the data folder's path is too long");
    c->has_folder = p->data != NULL;
    const char *socket = p->api != NULL ? p->api : c->paths.socket;
    if (strlen(socket) >= sizeof c->socket)
        return fail(EXIT_USAGE, "the socket's path is too long");
    strcpy(c->socket, socket);
    return EXIT_DONE;
}

int cli_parse(struct cli *c, int argc, char **argv, char **args)
{
    struct parse p = { .cli = c, .argc = argc, .argv = argv };
    bool is_text = false;
    int status;

    memset(c, 0, sizeof *c);
    c->args = args;
    for (p.at = 1; p.at < argc; p.at++) {
        const char *word = argv[p.at];

        if (!is_text && strcmp(word, "--") == 0 && c->verb != NULL) {
            is_text = true;
        } else if (!is_text && strcmp(word, "-h") == 0) {
            p.is_help = true;
        } else if (!is_text && strncmp(word, "--", 2) == 0) {
            if ((status = parse_option(&p)) != EXIT_DONE)
                return status;
        } else if (c->verb == NULL) {
            if ((c->verb = verb_find(word)) == NULL)
                return fail(EXIT_USAGE, "\"%s\" is no verb; see staffetta --help", word);
        } else if (c->arg_count == ARGS_MAX) {
            return fail(EXIT_USAGE, "too many words; put the text in quotes");
        } else {
            c->args[c->arg_count++] = argv[p.at];
        }
    }
    if (p.is_version) {
        c->verb = verb_find("version");
        c->arg_count = 0;
    } else if (p.is_help || c->verb == NULL) {
        if (c->verb == NULL && !p.is_help) {
            help_print(stderr);
            return EXIT_USAGE;
        }
        c->args[0] = (char *)(c->verb != NULL ? c->verb->name : "");
        c->arg_count = c->verb != NULL ? 1 : 0;
        c->verb = verb_find("help");
    }
    if ((status = check_counts(c)) != EXIT_DONE)
        return status;
    /* Packaging asks for these where no home is known. */
    if (c->verb->run == verb_help || c->verb->run == verb_version || c->verb->run == verb_completion)
        return EXIT_DONE;
    return set_paths(&p);
}

int cli_main(int argc, char **argv)
{
    struct cli *c = malloc(sizeof *c);
    char **args = calloc((size_t)argc + 2, sizeof *args);
    int status = EXIT_FAILED;

    if (c == NULL || args == NULL)
        fail(EXIT_FAILED, "out of memory");
    else if ((status = cli_parse(c, argc, argv, args)) == EXIT_DONE)
        status = c->verb->run(c);
    /* What could not be written was not said. */
    if (fflush(stdout) != 0 && status == EXIT_DONE)
        status = fail(EXIT_FAILED, "the output could not be written");
    free(args);
    free(c);
    return status;
}
