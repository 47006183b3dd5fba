/* apps/cli/completion.c - completion for shells, from the table of verbs. */
#include <string.h>

#include "apps/cli/cli.h"

static bool is_file_option(const struct option *o)
{
    return o->value != NULL && (strcmp(o->value, "FILE") == 0 || strcmp(o->value, "DIR") == 0 || strcmp(o->value, "PATH") == 0);
}

/* A text inside single quotes; `special` holds what else wants a backslash. */
static void print_quoted(FILE *to, const char *text, const char *special)
{
    for (; *text != '\0'; text++) {
        if (*text == '\'')
            fputs("'\\''", to);
        else if (strchr(special, *text) != NULL)
            fprintf(to, "\\%c", *text);
        else
            fputc(*text, to);
    }
}

static void print_options(FILE *to, const struct option *options, size_t count)
{
    for (size_t i = 0; i < count && options[i].name != NULL; i++)
        fprintf(to, "--%s ", options[i].name);
}

/* ---- bash ---- */

static void print_bash_values(FILE *to, const struct option *options, size_t count)
{
    for (size_t i = 0; i < count && options[i].name != NULL; i++)
        if (options[i].value != NULL)
            fprintf(to, "    --%s) %s; return ;;\n", options[i].name,
                    is_file_option(&options[i]) ? "COMPREPLY=($(compgen -f -- \"$word\"))" : "COMPREPLY=()");
}

static void print_bash(FILE *to)
{
    fputs("# bash completion of staffetta; made by `staffetta completion bash`.\n"
          "_staffetta_friends()\n{\n    local IFS=$'\\n'\n"
          "    COMPREPLY=($(compgen -W \"$(staffetta \"${data[@]}\" friends --names 2>/dev/null)\" -- \"$word\"))\n}\n"
          "_staffetta()\n{\n"
          "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} verb= first= i data=()\n"
          "    COMPREPLY=()\n"
          "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
          "        case ${COMP_WORDS[i]} in\n"
          "        --data|--api) data+=(\"${COMP_WORDS[i]}\" \"${COMP_WORDS[i+1]}\"); ((i++)) ;;\n"
          "        -*) ;;\n"
          "        *) if [ -z \"$verb\" ]; then verb=${COMP_WORDS[i]}; else first=${COMP_WORDS[i]}; fi ;;\n"
          "        esac\n"
          "    done\n"
          "    case $before in\n", to);
    print_bash_values(to, global_options, global_option_count);
    for (size_t i = 0; i < verb_count; i++)
        print_bash_values(to, verbs[i].options, OPTIONS_MAX);
    fputs("    esac\n    case $verb in\n    '') COMPREPLY=($(compgen -W '", to);
    for (size_t i = 0; i < verb_count; i++)
        fprintf(to, "%s ", verbs[i].name);
    print_options(to, global_options, global_option_count);
    fputs("' -- \"$word\")) ;;\n", to);
    for (size_t i = 0; i < verb_count; i++) {
        const struct verb *v = &verbs[i];

        fprintf(to, "    %s)\n        case $word in\n        -*) COMPREPLY=($(compgen -W '", v->name);
        print_options(to, v->options, OPTIONS_MAX);
        fputs("--json --help' -- \"$word\")) ;;\n", to);
        if (v->arg == ARG_FRIEND)
            fputs("        *) [ -n \"$first\" ] || _staffetta_friends ;;\n", to);
        else if (v->arg == ARG_FILE)
            fputs("        *) COMPREPLY=($(compgen -f -- \"$word\")) ;;\n", to);
        else if (v->words[0] != '\0')
            fprintf(to, "        *) COMPREPLY=($(compgen -W '%s' -- \"$word\")) ;;\n", v->words);
        fputs("        esac ;;\n", to);
    }
    fputs("    esac\n}\ncomplete -F _staffetta staffetta\n", to);
}

/* ---- zsh ---- */

static void print_zsh_options(FILE *to, const struct option *options, size_t count)
{
    for (size_t i = 0; i < count && options[i].name != NULL; i++) {
        fprintf(to, " '--%s[", options[i].name);
        print_quoted(to, options[i].summary, "[]:\\");
        fputs("]", to);
        if (options[i].value != NULL)
            fprintf(to, ":%s:%s", options[i].value, is_file_option(&options[i]) ? "_files" : "");
        fputs("'", to);
    }
}

static void print_zsh(FILE *to)
{
    fputs("#compdef staffetta\n# zsh completion of staffetta; made by `staffetta completion zsh`.\n"
          "_staffetta_friends()\n{\n    local -a names\n    names=(${(f)\"$(staffetta friends --names 2>/dev/null)\"})\n"
          "    compadd -a names\n}\n"
          "_staffetta()\n{\n    local context state line\n    _arguments -C", to);
    print_zsh_options(to, global_options, global_option_count);
    fputs(" '1:verb:->verb' '*::argument:->rest'\n    case $state in\n    verb)\n        local -a list\n        list=(\n", to);
    for (size_t i = 0; i < verb_count; i++) {
        fprintf(to, "            '%s:", verbs[i].name);
        print_quoted(to, verbs[i].summary, ":\\");
        fputs("'\n", to);
    }
    fputs("        )\n        _describe verb list ;;\n    rest)\n        case $line[1] in\n", to);
    for (size_t i = 0; i < verb_count; i++) {
        const struct verb *v = &verbs[i];

        fprintf(to, "        %s) _arguments", v->name);
        print_zsh_options(to, v->options, OPTIONS_MAX);
        if (v->arg == ARG_FRIEND)
            fputs(" '1:friend:_staffetta_friends' '*:text:'", to);
        else if (v->arg == ARG_FILE)
            fputs(" '1:file:_files'", to);
        else if (v->words[0] != '\0')
            fprintf(to, " '1:word:(%s)' '*:value:'", v->words);
        else
            fputs(" '*:value:'", to);
        fputs(" ;;\n", to);
    }
    fputs("        esac ;;\n    esac\n}\nif [ \"$funcstack[1]\" = _staffetta ]; then _staffetta \"$@\"; else compdef _staffetta "
          "staffetta; fi\n", to);
}

/* ---- fish ---- */

static void print_fish_options(FILE *to, const char *condition, const struct option *options, size_t count)
{
    for (size_t i = 0; i < count && options[i].name != NULL; i++) {
        fprintf(to, "complete -c staffetta%s -l %s%s -d '", condition, options[i].name,
                options[i].value == NULL ? "" : is_file_option(&options[i]) ? " -r -F" : " -x");
        print_quoted(to, options[i].summary, "\\");
        fputs("'\n", to);
    }
}

static void print_fish(FILE *to)
{
    char condition[96];

    fputs("# fish completion of staffetta; made by `staffetta completion fish`.\ncomplete -c staffetta -f\n", to);
    print_fish_options(to, "", global_options, global_option_count);
    for (size_t i = 0; i < verb_count; i++) {
        fprintf(to, "complete -c staffetta -n __fish_use_subcommand -a %s -d '", verbs[i].name);
        print_quoted(to, verbs[i].summary, "\\");
        fputs("'\n", to);
    }
    for (size_t i = 0; i < verb_count; i++) {
        const struct verb *v = &verbs[i];

        snprintf(condition, sizeof condition, " -n '__fish_seen_subcommand_from %s'", v->name);
        print_fish_options(to, condition, v->options, OPTIONS_MAX);
        if (v->arg == ARG_FRIEND)
            fprintf(to, "complete -c staffetta%s -a '(staffetta friends --names 2>/dev/null)'\n", condition);
        else if (v->arg == ARG_FILE)
            fprintf(to, "complete -c staffetta%s -F\n", condition);
        else if (v->words[0] != '\0')
            fprintf(to, "complete -c staffetta%s -a '%s'\n", condition, v->words);
    }
}

bool completion_print(FILE *to, const char *shell)
{
    if (strcmp(shell, "bash") == 0)
        print_bash(to);
    else if (strcmp(shell, "zsh") == 0)
        print_zsh(to);
    else if (strcmp(shell, "fish") == 0)
        print_fish(to);
    else
        return false;
    return true;
}
