/* tests/daemon/test_cli_table.c - the table of verbs, and that help, completion and manual pages say the same as it. */
#define _XOPEN_SOURCE 700
#include <stdlib.h>
#include <string.h>

#include "apps/cli/cli.h"
#include "apps/daemon/config.h"
#include "tests/support/check.h"

#define MANUAL TEST_DATA "/../packaging/man/"

/* What people and scripts were promised. */
static const char *const promised[] = {
    "init", "card", "invite", "add", "friends", "verify", "remove", "send", "messages", "inbox", "show", "status",
    "neighbours", "doctor", "export", "import", "gateway", "gateways",
};

static void check_table(void)
{
    for (size_t i = 0; i < sizeof promised / sizeof promised[0]; i++)
        CHECK_CASE(promised[i], verb_find(promised[i]) != NULL);
    for (size_t i = 0; i < verb_count; i++) {
        const struct verb *v = &verbs[i];

        CHECK_CASE(v->name, v->run != NULL && v->args_min <= v->args_max && verb_find(v->name) == v);
        CHECK_CASE(v->name, v->summary[0] >= 'a' && v->summary[0] <= 'z' && v->summary[strlen(v->summary) - 1] != '.');
        CHECK_CASE(v->name, (v->args_max == 0) == (v->synopsis[0] == '\0'));
        for (size_t k = 0; k < OPTIONS_MAX && v->options[k].name != NULL; k++)
            for (size_t j = 0; j < global_option_count; j++)
                CHECK_CASE(v->name, strcmp(v->options[k].name, global_options[j].name) != 0);
    }
}

/* What a program writes to a stream, as a string to be freed. */
static char *printed(void (*print)(FILE *to, const char *what), const char *what)
{
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);

    REQUIRE(f != NULL);
    print(f, what);
    REQUIRE(fclose(f) == 0);
    return text;
}

static void print_help(FILE *to, const char *what)
{
    (void)what;
    help_print(to);
}

static void print_completion(FILE *to, const char *shell)
{
    CHECK_CASE(shell, completion_print(to, shell));
}

static void print_daemon_completion(FILE *to, const char *shell)
{
    CHECK_CASE(shell, config_print_completion(to, shell));
}

static bool has_option(const char *text, const char *dashes, const char *name)
{
    char option[64];

    snprintf(option, sizeof option, "%s%s", dashes, name);
    return strstr(text, option) != NULL;
}

static void check_pages(void)
{
    static const struct { const char *shell, *dashes; } shells[] = { { "bash", "--" }, { "zsh", "--" }, { "fish", "-l " } };
    char *help = printed(print_help, "");

    for (size_t i = 0; i < verb_count; i++)
        CHECK_CASE(verbs[i].name, strstr(help, verbs[i].summary) != NULL);
    free(help);
    for (size_t s = 0; s < 3; s++) {
        char *text = printed(print_completion, shells[s].shell);

        for (size_t i = 0; i < verb_count; i++) {
            CHECK_CASE(verbs[i].name, strstr(text, verbs[i].name) != NULL);
            for (size_t k = 0; k < OPTIONS_MAX && verbs[i].options[k].name != NULL; k++)
                CHECK_CASE(verbs[i].options[k].name, has_option(text, shells[s].dashes, verbs[i].options[k].name));
        }
        free(text);
        text = printed(print_daemon_completion, shells[s].shell);
        for (size_t i = 0; i < config_key_count; i++)
            CHECK_CASE(config_keys[i].name, has_option(text, shells[s].dashes, config_keys[i].name));
        free(text);
    }
    CHECK(!completion_print(stdout, "tcsh") && !config_print_completion(stdout, "tcsh"));
}

/* The manual describes each verb with its options under ".It Cm VERB", and no others. */
static void check_manual(void)
{
    struct buffer b = buffer_of_limit(1 << 20);
    static const uint8_t zero = 0;
    size_t described = 0;

    check_file(&b, MANUAL "staffetta.1");
    REQUIRE(buffer_append(&b, bytes_of(&zero, 1)) == ERR_NONE);
    const char *text = (const char *)b.at;
    for (const char *at = text; (at = strstr(at, "\n.It Cm ")) != NULL; at++)
        described++;
    CHECK(described == verb_count);
    for (size_t i = 0; i < verb_count; i++) {
        const struct verb *v = &verbs[i];
        char item[64];
        size_t len = (size_t)snprintf(item, sizeof item, "\n.It Cm %s", v->name);
        const char *at = strstr(text, item);

        while (at != NULL && at[len] != '\n' && at[len] != ' ')
            at = strstr(at + 1, item);
        if (!CHECK_CASE(v->name, at != NULL))
            continue;
        const char *end = strstr(at + 1, "\n.It Cm ");
        size_t section = end != NULL ? (size_t)(end - at) : strlen(at);
        for (size_t k = 0; k < OPTIONS_MAX && v->options[k].name != NULL; k++) {
            char flag[64];

            snprintf(flag, sizeof flag, "Fl Fl %s", v->options[k].name);
            const char *found = strstr(at, flag);
            CHECK_CASE(flag, found != NULL && (size_t)(found - at) < section);
        }
    }
    for (size_t i = 0; i < global_option_count; i++)
        CHECK_CASE(global_options[i].name, has_option(text, "Fl Fl ", global_options[i].name));

    b.len = 0;
    check_file(&b, MANUAL "staffettad.8");
    REQUIRE(buffer_append(&b, bytes_of(&zero, 1)) == ERR_NONE);
    for (size_t i = 0; i < config_key_count; i++)
        CHECK_CASE(config_keys[i].name, has_option((const char *)b.at, "Fl Fl ", config_keys[i].name) ||
                                            has_option((const char *)b.at, "Fl Fl no-", config_keys[i].name));
    buffer_clear(&b);
}

static const struct { const char *line; int want; const char *verb; int args; } lines[] = {
    { "status", 0, "status", 0 }, { "--json status", 0, "status", 0 }, { "status --json", 0, "status", 0 },
    { "--data /x --api /y status --watch", 0, "status", 0 }, { "--data=/x status", 0, "status", 0 },
    { "send ana hello there", 0, "send", 3 }, { "send ana -- --hello", 0, "send", 2 }, { "send ana -", 0, "send", 2 },
    { "send --life 3d ana x", 0, "send", 2 }, { "send ana x --life=3d", 0, "send", 2 }, { "send ana --file f", 0, "send", 1 },
    { "--help", 0, "help", 0 }, { "-h", 0, "help", 0 }, { "send --help", 0, "help", 1 }, { "--version", 0, "version", 0 },
    { "help send", 0, "help", 1 },
    { "", 2, "", 0 }, { "dance", 2, "", 0 }, { "--dance", 2, "", 0 }, { "status --dance", 2, "", 0 }, { "status now", 2, "", 0 },
    { "send", 2, "", 0 }, { "send ana --hello", 2, "", 0 }, { "send ana x --life", 2, "", 0 }, { "status --watch=yes", 2, "", 0 },
    { "add", 2, "", 0 }, { "add a b", 2, "", 0 }, { "rename a", 2, "", 0 }, { "--data", 2, "", 0 }, { "show", 2, "", 0 },
};

static void check_lines(void)
{
    struct cli *c = malloc(sizeof *c);

    REQUIRE(c != NULL);
    setenv("HOME", "/nowhere", 1);
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        char copy[128], *argv[12] = { NULL }, *args[12], *word;
        int argc = 0;

        snprintf(copy, sizeof copy, "staffetta %s", lines[i].line);
        for (word = strtok(copy, " "); word != NULL; word = strtok(NULL, " "))
            argv[argc++] = word;
        int status = cli_parse(c, argc, argv, args);
        CHECK_CASE(lines[i].line, status == lines[i].want);
        if (status != EXIT_DONE)
            continue;
        CHECK_CASE(lines[i].line, strcmp(c->verb->name, lines[i].verb) == 0 && c->arg_count == lines[i].args);
    }
    free(c);
}

int main(void)
{
    check_table();
    check_pages();
    check_manual();
    check_lines();
    return check_report("cli_table");
}
