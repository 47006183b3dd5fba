/* apps/cli/ask.c - questions to the person at the terminal. */
#define _DEFAULT_SOURCE
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "apps/cli/cli.h"

/* A line without its end. False at the end of input, or when it is too long. Read byte by byte: no buffer keeps a copy. */
static bool read_line(int fd, char *to, size_t cap)
{
    size_t len = 0;
    char ch;

    for (;;) {
        ssize_t n = read(fd, &ch, 1);

        if (n < 0 || (n == 0 && len == 0))
            return false;
        if (n == 0 || ch == '\n')
            break;
        if (ch == '\0' || len + 1 == cap)
            return false;
        to[len++] = ch;
    }
    if (len > 0 && to[len - 1] == '\r')
        len--;
    to[len] = '\0';
    return true;
}

static bool ask_hidden(char to[PASSPHRASE_LEN_MAX + 1], const char *prompt)
{
    struct termios was, hidden;
    bool is_terminal = isatty(0) && tcgetattr(0, &was) == 0;

    if (is_terminal) {
        fprintf(stderr, "%s: ", prompt);
        hidden = was;
        hidden.c_lflag &= ~(tcflag_t)ECHO;
        tcsetattr(0, TCSAFLUSH, &hidden);
    }
    bool is_read = read_line(0, to, PASSPHRASE_LEN_MAX + 1);
    if (is_terminal) {
        tcsetattr(0, TCSAFLUSH, &was);
        fputc('\n', stderr);
    }
    return is_read;
}

int ask_passphrase(char to[PASSPHRASE_LEN_MAX + 1], const char *prompt, bool is_new)
{
    char again[PASSPHRASE_LEN_MAX + 1] = "";
    int status = EXIT_DONE;

    if (!ask_hidden(to, prompt) || to[0] == '\0')
        status = fail(EXIT_USAGE, "a passphrase is one line of 1 to %d bytes", PASSPHRASE_LEN_MAX);
    else if (is_new && isatty(0) && (!ask_hidden(again, "The same again") || strcmp(to, again) != 0))
        status = fail(EXIT_USAGE, "the two are not the same; nothing was changed");
    profile_wipe(again, sizeof again);
    if (status == EXIT_DONE && isatty(0))
        fputs("This takes some seconds, so that guessing takes years ...\n", stderr);
    return status;
}

bool ask_yes(const char *question)
{
    char answer[16];

    fprintf(stderr, "%s [y/N] ", question);
    return read_line(0, answer, sizeof answer) && (answer[0] == 'y' || answer[0] == 'Y');
}
