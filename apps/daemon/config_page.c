/* apps/daemon/config_page.c - the table of keys as help, example, manual page and completion. */
#include <stdio.h>
#include <string.h>

#include "apps/daemon/config.h"

static const struct { const char *name, *value, *summary; } others[] = {
    { "config", "FILE", "read this file; otherwise ~/.config/staffetta/staffetta.conf, if there is one" },
    { "check-config", NULL, "read file and flags, say what is wrong, and end" },
    { "example-config", NULL, "print a commented configuration file" },
    { "completion", "SHELL", "print the completion for bash, zsh or fish" },
    { "version", NULL, "print the version" },
    { "help", NULL, "print this" },
};

static void print_flag(FILE *to, const char *name, const char *value, const char *summary, const char *usual)
{
    char flag[64];

    snprintf(flag, sizeof flag, "--%s%s%s", name, value != NULL ? " " : "", value != NULL ? value : "");
    fprintf(to, "  %-24s %s%s%s%s\n", flag, summary, usual[0] != '\0' ? " (" : "", usual, usual[0] != '\0' ? ")" : "");
}

void config_print_help(FILE *to)
{
    fputs("Usage: staffettad [FLAG]...\n\n"
          "Runs a Staffetta node in the foreground: carries sealed messages for anybody, and yours. The command\n"
          "`staffetta` talks to it. SIGHUP reads the configuration anew, SIGTERM ends it cleanly.\n\n"
          "Every key of the configuration file is a flag:\n", to);
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        char name[48];
        bool is_default_on = key->kind == CONFIG_SWITCH && strcmp(key->usual, "yes") == 0;

        snprintf(name, sizeof name, "%s%s", is_default_on ? "no-" : "", key->name);
        if (is_default_on) {
            char summary[128];

            snprintf(summary, sizeof summary, "do not %s", key->summary);
            print_flag(to, name, NULL, summary, "");
        } else {
            print_flag(to, name, key->value, key->summary, key->kind == CONFIG_SWITCH ? "" : key->usual);
        }
    }
    print_flag(to, "no-bluetooth", NULL, "the same as --bluetooth off", "");
    fputs("\nOthers:\n", to);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        print_flag(to, others[i].name, others[i].value, others[i].summary, "");
}

/* Breaks a text into comment lines of at most 100 characters. */
static void print_comment(FILE *to, const char *text)
{
    while (*text != '\0') {
        size_t len = strlen(text), width = len;

        if (len > 98) {
            for (width = 98; width > 0 && text[width] != ' '; width--)
                continue;
            if (width == 0)
                width = 98;
        }
        fprintf(to, "# %.*s\n", (int)width, text);
        text += width;
        while (*text == ' ')
            text++;
    }
}

void config_print_example(FILE *to)
{
    fputs("# Configuration of staffettad. Every key is also a flag: `listen = ...` is `--listen ...`.\n"
          "# What stands here commented out is what holds without it. See staffetta.conf(5).\n", to);
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];

        fprintf(to, "\n# %c%s.\n", key->summary[0] >= 'a' && key->summary[0] <= 'z' ? key->summary[0] - 32 : key->summary[0],
                key->summary + 1);
        print_comment(to, key->detail);
        if (!key->is_live)
            fputs("# Takes effect at the next start.\n", to);
        fprintf(to, "#%s = %s\n", key->name, key->usual[0] != '\0' ? key->usual : key->value);
    }
}

/* One sentence a line, as mdoc wants it; what the formatter would take for a macro or an escape is shielded. */
static void print_mdoc_text(FILE *to, const char *text)
{
    bool is_line_start = true;

    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '`')
            continue;
        if (is_line_start && (*at == '.' || *at == '\''))
            fputs("\\&", to);
        if (*at == '\\')
            fputs("\\e", to);
        else if (*at == '~')
            fputs("\\(ti", to);
        else
            fputc(*at, to);
        is_line_start = false;
        if (*at == '.' && at[1] == ' ') {
            fputc('\n', to);
            is_line_start = true;
            at++;
        }
    }
    fputc('\n', to);
}

void config_print_manual_keys(FILE *to)
{
    fputs(".Bl -tag -width Ds\n", to);
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];

        fprintf(to, ".It Cm %s No = Ar %s\n", key->name, key->value != NULL ? key->value : "yes | no");
        fprintf(to, "%c%s.\n", key->summary[0] >= 'a' && key->summary[0] <= 'z' ? key->summary[0] - 32 : key->summary[0],
                key->summary + 1);
        print_mdoc_text(to, key->detail);
        if (key->usual[0] != '\0')
            fprintf(to, "The default is\n.Li %s .\n", key->usual);
        if (!key->is_live)
            fputs("Takes effect at the next start.\n", to);
    }
    fputs(".El\n", to);
}

/* ---- Completion ---- */

static const char *value_words(const struct config_key *key)
{
    switch (key->kind) {
    case CONFIG_LEVEL: return "error warning info debug";
    case CONFIG_ADAPTER: return "auto off hci0";
    case CONFIG_POWER: return "auto mains battery low";
    case CONFIG_PROXY: return "off tor://localhost:9050 socks5:// http://";
    case CONFIG_CLASSIC: return "off listen";
    default: return "";
    }
}

static void print_flag_words(FILE *to)
{
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];

        fprintf(to, "--%s ", key->name);
        if (key->kind == CONFIG_SWITCH || key->kind == CONFIG_ADAPTER)
            fprintf(to, "--no-%s ", key->name);
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        fprintf(to, "--%s ", others[i].name);
}

static void print_bash(FILE *to)
{
    fputs("# bash completion of staffettad; made by `staffettad --completion bash`.\n"
          "_staffettad()\n{\n"
          "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n"
          "    COMPREPLY=()\n"
          "    case $before in\n"
          "    --config) COMPREPLY=($(compgen -f -- \"$word\")); return ;;\n"
          "    --completion) COMPREPLY=($(compgen -W 'bash zsh fish' -- \"$word\")); return ;;\n", to);
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];

        if (key->kind == CONFIG_PATH)
            fprintf(to, "    --%s) COMPREPLY=($(compgen -f -- \"$word\")); return ;;\n", key->name);
        else if (key->kind != CONFIG_SWITCH)
            fprintf(to, "    --%s) COMPREPLY=($(compgen -W '%s' -- \"$word\")); return ;;\n", key->name, value_words(key));
    }
    fputs("    esac\n    COMPREPLY=($(compgen -W '", to);
    print_flag_words(to);
    fputs("' -- \"$word\"))\n}\ncomplete -F _staffettad staffettad\n", to);
}

/* In single quotes of a shell; zsh's own brackets and colons are shielded as well. */
static void print_quoted(FILE *to, const char *text, bool is_zsh)
{
    for (; *text != '\0'; text++) {
        if (*text == '\'')
            fputs("'\\''", to);
        else if (is_zsh && (*text == '[' || *text == ']' || *text == ':'))
            fprintf(to, "\\%c", *text);
        else
            fputc(*text, to);
    }
}

static void print_zsh_flag(FILE *to, const char *name, const char *summary, const char *value, bool is_path, const char *words)
{
    fprintf(to, "    '--%s[", name);
    print_quoted(to, summary, true);
    fputs("]", to);
    if (value != NULL && is_path)
        fprintf(to, ":%s:_files", value);
    else if (value != NULL)
        fprintf(to, ":%s:(%s)", value, words);
    fputs("' \\\n", to);
}

static void print_zsh(FILE *to)
{
    fputs("#compdef staffettad\n# zsh completion of staffettad; made by `staffettad --completion zsh`.\n_arguments \\\n", to);
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];

        print_zsh_flag(to, key->name, key->summary, key->value, key->kind == CONFIG_PATH, value_words(key));
        if (key->kind == CONFIG_SWITCH || key->kind == CONFIG_ADAPTER)
            fprintf(to, "    '--no-%s[switch %s off]' \\\n", key->name, key->name);
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        print_zsh_flag(to, others[i].name, others[i].summary, others[i].value, strcmp(others[i].name, "config") == 0,
                       strcmp(others[i].name, "completion") == 0 ? "bash zsh fish" : "");
    fputs("    && return 0\n", to);
}

static void print_fish(FILE *to)
{
    fputs("# fish completion of staffettad; made by `staffettad --completion fish`.\ncomplete -c staffettad -f\n", to);
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];

        fprintf(to, "complete -c staffettad -l %s%s -d '", key->name,
                key->kind == CONFIG_SWITCH ? "" : key->kind == CONFIG_PATH ? " -r -F" : " -x");
        print_quoted(to, key->summary, false);
        fputs("'", to);
        if (value_words(key)[0] != '\0')
            fprintf(to, " -a '%s'", value_words(key));
        fputc('\n', to);
        if (key->kind == CONFIG_SWITCH || key->kind == CONFIG_ADAPTER)
            fprintf(to, "complete -c staffettad -l no-%s -d 'switch %s off'\n", key->name, key->name);
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        fprintf(to, "complete -c staffettad -l %s%s -d '", others[i].name, others[i].value != NULL ? " -r" : "");
        print_quoted(to, others[i].summary, false);
        fprintf(to, "'%s\n", strcmp(others[i].name, "completion") == 0 ? " -a 'bash zsh fish'" : "");
    }
}

bool config_print_completion(FILE *to, const char *shell)
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
