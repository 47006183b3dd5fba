/* apps/daemon/api_backup.c - a person put away and made again, over the local API. */
#define _DEFAULT_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apps/daemon/api_call.h"
#include "apps/daemon/person.h"
#include "apps/messenger/paper.h"
#include "crypto/hash.h"

/* ---- Files ---- */

/* A new file of mode 0600, on the disk when this returns: an older backup is never overwritten. */
static enum err write_new(const char *path, struct bytes content)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    size_t done = 0;

    if (fd < 0)
        return errno == EEXIST ? ERR_EXISTS : errno == ENOENT || errno == ENOTDIR ? ERR_NOT_FOUND : ERR_IO;
    while (done < content.len) {
        ssize_t n = write(fd, content.at + done, content.len - done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    bool is_whole = done == content.len && fsync(fd) == 0;
    int why = errno;
    if (close(fd) != 0 || !is_whole) {
        unlink(path);
        return why == ENOSPC || why == EDQUOT ? ERR_FULL : ERR_IO;
    }
    return ERR_NONE;
}

/* Appends a whole file; whoever names a pipe or a terminal is not waited for. */
static enum err read_whole(const char *path, struct buffer *to)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    enum err e = ERR_NONE;
    ssize_t n = 1;

    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR ? ERR_NOT_FOUND : ERR_IO;
    while (e == ERR_NONE && n > 0) {
        e = buffer_reserve(to, 65536 < to->limit - to->len ? 65536 : to->limit - to->len + 1);
        if (e == ERR_NONE && (n = read(fd, to->at + to->len, to->cap - to->len)) > 0)
            to->len += (size_t)n;
    }
    close(fd);
    return e != ERR_NONE ? e : n < 0 ? ERR_IO : ERR_NONE;
}

static bool path_of(struct api_call *c, struct bytes given, char to[PROFILE_PATH_MAX])
{
    memcpy(to, given.at, given.len);
    to[given.len] = '\0';
    if (to[0] == '/')
        return true;
    api_refuse(c, 400, "malformed", "\"path\" has to begin with /");
    return false;
}

/* ---- Away ---- */

static json_t *paper_json(struct bytes file)
{
    json_t *list = json_array();
    char part[PAPER_PART_MAX];

    for (unsigned i = 0; i < paper_count(file.len); i++) {
        paper_part(part, file, i);
        json_array_append_new(list, json_string(part));
    }
    return list;
}

static void answer_backup(struct api_call *c, const char *path, struct bytes file, uint32_t friends, const char *words)
{
    bool is_paper = path[0] == '\0';
    enum err e = ERR_NONE;

    if (is_paper && paper_count(file.len) == 0) {
        api_refuse(c, 413, "too-large", "%u friends are too many for paper (%d bytes fit): make a file", friends, PAPER_FILE_MAX);
        return;
    }
    if (!is_paper)
        e = write_new(path, file);
    if (e == ERR_EXISTS)
        api_refuse(c, 409, "exists", "%.400s is there already; an older backup is never overwritten: choose another name", path);
    else if (e == ERR_NOT_FOUND)
        api_refuse(c, 404, "not-found", "the folder of %.400s does not exist; is the stick mounted?", path);
    else if (e == ERR_FULL)
        api_refuse(c, 507, "full", "there is no room for %.400s", path);
    else if (e != ERR_NONE)
        api_refuse(c, 500, "io", "%.400s cannot be written; may the daemon's user write there?", path);
    else
        api_answer(c, 201, json_pack("{s:s?, s:i, s:i, s:s?, s:o}", "path", is_paper ? NULL : path, "bytes", (int)file.len, "friends",
                                     (int)friends, "words", words, "parts", is_paper ? paper_json(file) : json_array()));
}

void api_backup(struct api_call *c)
{
    struct bytes given = bytes_of(NULL, 0), passphrase = bytes_of(NULL, 0);
    bool is_paper = false;
    const struct api_field fields[] = {
        { "path", API_TEXT, false, 1, PROFILE_PATH_MAX - 1, &given },
        { "paper", API_BOOL, false, 0, 0, &is_paper },
        { "passphrase", API_TEXT_OR_NULL, false, 1, PASSPHRASE_LEN_MAX, &passphrase },
    };
    char path[PROFILE_PATH_MAX] = "", words[CODE_WORDS_LEN + 1];
    struct buffer file = buffer_of_limit(BACKUP_FILE_LEN_MAX);
    uint8_t code[CODE_LEN];
    uint32_t friends = 0;

    if (!api_fields(c, fields, 3) || !api_needs_person(c))
        return;
    if (is_paper == (given.len > 0)) {
        api_refuse(c, 400, "malformed", "either \"path\" or \"paper\": true has to be given");
        return;
    }
    if (!is_paper && !path_of(c, given, path))
        return;
    rng_fill(&c->parts->rng, code, sizeof code);
    code_words(words, code);
    struct backup_key key = { .passphrase = passphrase, .code = passphrase.len == 0 ? code : NULL };
    enum err e = messenger_backup(c->parts->messenger, &key, profile_cost(), &file, &friends);
    if (e == ERR_NO_MEMORY)
        api_refuse(c, 503, "no-memory", "the passphrase needs more free memory than there is: close something and try again");
    else if (e != ERR_NONE)
        api_fail(c, e, "the backup");
    else
        answer_backup(c, path, buffer_bytes(&file), friends, passphrase.len == 0 ? words : NULL);
    buffer_clear(&file);
    secret_wipe(code, sizeof code);
    secret_wipe(words, sizeof words);
}

/* ---- And back ---- */

/* The file, or the parts of a printed one. False: refused already. */
static bool take_file(struct api_call *c, const char *path, struct buffer *file)
{
    struct buffer text = buffer_of_limit(BACKUP_FILE_LEN_MAX);
    unsigned missing = 0;
    enum err e = read_whole(path, &text);

    if (e == ERR_NONE)
        e = paper_is(buffer_bytes(&text)) ? paper_join(file, buffer_bytes(&text), &missing) : buffer_append(file, buffer_bytes(&text));
    buffer_clear(&text);
    if (e == ERR_NONE)
        return true;
    if (missing > 0)
        api_refuse(c, 422, "incomplete", "code %u of the printed backup is missing: scan that one, too", missing);
    else if (e == ERR_STATE)
        api_refuse(c, 422, "bad-link", "these codes belong to different backups: take those that were printed together");
    else if (e == ERR_NOT_FOUND)
        api_refuse(c, 404, "not-found", "%.400s does not exist", path);
    else if (e == ERR_IO)
        api_refuse(c, 500, "io", "%.400s cannot be read; may the daemon's user read it?", path);
    else if (e == ERR_NO_MEMORY)
        api_fail(c, e, "the backup");
    else
        api_refuse(c, 422, "bad-link", "%.400s is no backup, or a damaged one", path);
    return false;
}

static void refuse_restore(struct api_call *c, enum err e, bool has_words)
{
    switch (e) {
    case ERR_EXISTS:
        api_refuse(c, 409, "exists", "there is an identity here already; a backup is restored into an empty --data folder");
        break;
    case ERR_STATE:
        api_refuse(c, 403, "auth", has_words ? "this backup opens with a passphrase, not with words" : "this backup opens with its nine words, not with a passphrase");
        break;
    case ERR_AUTH:
        api_refuse(c, 403, "auth", has_words ? "these are the words of another backup, or the file is damaged"
                                             : "this passphrase does not open the backup, or the file is damaged");
        break;
    case ERR_MALFORMED:
    case ERR_TOO_LARGE:
        api_refuse(c, 422, "bad-link", "this is no backup, or it was cut short");
        break;
    case ERR_VERSION:
        api_refuse(c, 422, "version", "the backup was made by a newer Staffetta: update this one");
        break;
    case ERR_REFUSED:
        api_refuse(c, 403, "refused", "this daemon is only a relay (key relay); start it without that first");
        break;
    case ERR_LOCKED:
        api_refuse(c, 423, "locked", "there is a locked vault here; a backup is restored into an empty --data folder");
        break;
    case ERR_NO_MEMORY:
        api_refuse(c, 503, "no-memory", "the passphrase needs more free memory than there is: close something and try again");
        break;
    default:
        api_fail(c, e, "the backup");
        break;
    }
}

void api_restore(struct api_call *c)
{
    struct bytes given = bytes_of(NULL, 0), passphrase = bytes_of(NULL, 0), words = bytes_of(NULL, 0), vault = bytes_of(NULL, 0);
    const struct api_field fields[] = {
        { "path", API_TEXT, true, 1, PROFILE_PATH_MAX - 1, &given },
        { "passphrase", API_TEXT, false, 1, PASSPHRASE_LEN_MAX, &passphrase },
        { "words", API_TEXT, false, 1, 400, &words },
        { "vault_passphrase", API_TEXT_OR_NULL, false, 1, PASSPHRASE_LEN_MAX, &vault },
    };
    struct buffer file = buffer_of_limit(BACKUP_FILE_LEN_MAX);
    char path[PROFILE_PATH_MAX];
    uint8_t code[CODE_LEN];
    uint32_t friends = 0;

    if (!api_fields(c, fields, 4) || !api_needs_node(c) || !path_of(c, given, path))
        return;
    if ((passphrase.len > 0) == (words.len > 0)) {
        api_refuse(c, 400, "malformed", "either \"passphrase\" or \"words\" has to be given");
        return;
    }
    enum err e = words.len > 0 ? code_of_words(code, words) : ERR_NONE;
    if (e != ERR_NONE) {
        api_refuse(c, 403, "auth", e == ERR_AUTH ? "one of the nine words is wrong, or two have changed places" : "the words of a backup are nine, of five letters each");
        return;
    }
    if (!take_file(c, path, &file)) {
        buffer_clear(&file);
        return;
    }
    struct backup_key key = { .passphrase = passphrase, .code = words.len > 0 ? code : NULL };
    e = person_restore(c->parts, buffer_bytes(&file), &key, vault, &friends);
    if (e != ERR_NONE)
        refuse_restore(c, e, words.len > 0);
    else
        api_answer(c, 201, json_pack("{s:s, s:i, s:b}", "name", messenger_name(c->parts->messenger), "friends", (int)friends, "passphrase",
                                     vault.len > 0));
    buffer_clear(&file);
    secret_wipe(code, sizeof code);
}
