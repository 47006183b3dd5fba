/* apps/cli/help.c - help from the table of verbs. */
#include <string.h>

#include "apps/cli/cli.h"

static void print_option(FILE *to, const struct option *o)
{
    char flag[64];

    snprintf(flag, sizeof flag, "--%s%s%s", o->name, o->value != NULL ? " " : "", o->value != NULL ? o->value : "");
    fprintf(to, "  %-18s %s\n", flag, o->summary);
}

void help_print(FILE *to)
{
    fputs("Usage: staffetta [--data DIR] [--json] VERB ...\n\nVerbs:\n", to);
    for (size_t i = 0; i < verb_count; i++) {
        char usage[64];

        snprintf(usage, sizeof usage, "%s%s%s", verbs[i].name, verbs[i].synopsis[0] != '\0' ? " " : "", verbs[i].synopsis);
        fprintf(to, "  %-27s %s\n", usage, verbs[i].summary);
    }
    fputs("\nOptions:\n", to);
    for (size_t i = 0; i < global_option_count; i++)
        print_option(to, &global_options[i]);
    fputs("\n`staffetta help VERB` says more. Exit status: 0 done, 1 failed, 2 usage, 3 no daemon, 4 not found, 5 refused.\n", to);
}

void help_print_verb(FILE *to, const struct verb *v)
{
    fprintf(to, "Usage: staffetta %s%s%s%s\n\n", v->name, v->options[0].name != NULL ? " [OPTION]..." : "",
            v->synopsis[0] != '\0' ? " " : "", v->synopsis);
    fprintf(to, "%c%s.%s%s\n", v->summary[0] - 32, v->summary + 1, v->detail[0] != '\0' ? " " : "", v->detail);
    if (v->options[0].name != NULL)
        fputc('\n', to);
    for (size_t i = 0; i < OPTIONS_MAX && v->options[i].name != NULL; i++)
        print_option(to, &v->options[i]);
}

int verb_help(struct cli *c)
{
    if (c->arg_count == 0) {
        help_print(stdout);
        return EXIT_DONE;
    }
    const struct verb *v = verb_find(c->args[0]);
    if (v == NULL)
        return fail(EXIT_USAGE, "\"%s\" is no verb; see staffetta --help", c->args[0]);
    help_print_verb(stdout, v);
    return EXIT_DONE;
}

int verb_version(struct cli *c)
{
    if (c->is_json)
        puts("{\"version\":\"" STAFFETTA_VERSION "\"}");
    else
        puts("staffetta " STAFFETTA_VERSION);
    return EXIT_DONE;
}

int verb_completion(struct cli *c)
{
    if (completion_print(stdout, c->args[0]))
        return EXIT_DONE;
    return fail(EXIT_USAGE, "there is completion for bash, zsh and fish, not for \"%s\"", c->args[0]);
}
