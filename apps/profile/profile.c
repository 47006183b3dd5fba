/* apps/profile/profile.c - the data folder of one person or relay. */
#define _DEFAULT_SOURCE
#include "apps/profile/profile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

#include "apps/messenger/messenger.h"
#include "apps/profile/units.h"
#include "crypto/random.h"

/* ---- Paths ---- */

static bool join(char to[PROFILE_PATH_MAX], const char *folder, const char *name)
{
    int n = snprintf(to, PROFILE_PATH_MAX, "%s%s%s", folder, name[0] != '\0' ? "/" : "", name);

    return n > 0 && n < PROFILE_PATH_MAX;
}

static const char *variable(const char *name)
{
    const char *v = getenv(name);

    return v != NULL && v[0] != '\0' ? v : NULL;
}

enum err profile_paths_init(struct profile_paths *out, const char *folder)
{
    struct profile_paths p;
    const char *data = folder != NULL && folder[0] != '\0' ? folder : variable("STAFFETTA_DATA");
    const char *share = variable("XDG_DATA_HOME"), *home = variable("HOME");
    bool is_whole;

    if (data != NULL)
        is_whole = join(p.folder, data, "");
    else if (share != NULL)
        is_whole = join(p.folder, share, "staffetta");
    else if (home != NULL)
        is_whole = join(p.folder, home, ".local/share/staffetta");
    else
        return ERR_NOT_FOUND;
    for (size_t n = is_whole ? strlen(p.folder) : 0; n > 1 && p.folder[n - 1] == '/'; n--)
        p.folder[n - 1] = '\0';
    if (!is_whole || !join(p.lock, p.folder, "lock") || !join(p.vault, p.folder, "vault") ||
        !join(p.key, p.folder, "key") || !join(p.generation, p.folder, "generation") ||
        !join(p.database, p.folder, "db") || !join(p.media, p.folder, "media") || !join(p.socket, p.folder, "api.sock"))
        return ERR_TOO_LARGE;
    *out = p;
    return ERR_NONE;
}

enum err profile_make_folder(const struct profile_paths *p)
{
    char part[PROFILE_PATH_MAX];

    memcpy(part, p->folder, sizeof part);
    for (char *at = part + 1;; at++) {
        char was = *at;

        if (was != '/' && was != '\0')
            continue;
        *at = '\0';
        if (mkdir(part, 0700) != 0 && errno != EEXIST)
            return ERR_IO;
        if (was == '\0')
            break;
        *at = was;
    }
    struct stat st;
    if (stat(p->folder, &st) != 0)
        return ERR_IO;
    if (!S_ISDIR(st.st_mode)) {
        errno = ENOTDIR;
        return ERR_IO;
    }
    return ERR_NONE;
}

enum err profile_check_folder(const struct profile_paths *p)
{
    struct stat st;

    if (stat(p->folder, &st) != 0)
        return errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
    if (!S_ISDIR(st.st_mode) || (st.st_mode & 077) != 0)
        return ERR_REFUSED;
    return ERR_NONE;
}

enum err profile_lock(const struct profile_paths *p, int *fd)
{
    int lock = open(p->lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (lock < 0)
        return ERR_IO;
    if (flock(lock, LOCK_EX | LOCK_NB) != 0) {
        int why = errno;

        close(lock);
        errno = why;
        return why == EWOULDBLOCK ? ERR_LOCKED : ERR_IO;
    }
    *fd = lock;
    return ERR_NONE;
}

/* ---- Vault ---- */

/* Argon2 takes 256 MiB where that is at most an eighth of the memory, and 64 MiB on a Pi (protocol section 8). */
enum vault_cost profile_cost(void)
{
    struct sysinfo s;
    bool is_large = sysinfo(&s) == 0 && (uint64_t)s.totalram * s.mem_unit >= (UINT64_C(2) << 30);

    return is_large ? VAULT_COST_FULL : VAULT_COST_SMALL;
}

static struct vault_key key_of(const struct profile_paths *p, struct bytes passphrase)
{
    struct vault_key key = { passphrase, passphrase.len == 0 ? p->key : NULL };

    return key;
}

enum err profile_vault_kind(const struct profile_paths *p, enum profile_vault *out)
{
    bool is_passphrase;
    enum err e = vault_wants_passphrase(p->vault, &is_passphrase);

    if (e == ERR_NOT_FOUND)
        *out = PROFILE_VAULT_NONE;
    else if (e == ERR_NONE)
        *out = is_passphrase ? PROFILE_VAULT_PASSPHRASE : PROFILE_VAULT_KEY_FILE;
    else
        return e;
    return ERR_NONE;
}

enum err profile_vault_open(const struct profile_paths *p, struct bytes passphrase, struct vault **out)
{
    enum profile_vault kind;
    enum err e = profile_vault_kind(p, &kind);
    struct rng g = rng_system();

    if (e != ERR_NONE)
        return e;
    if (kind == PROFILE_VAULT_NONE)
        return ERR_NOT_FOUND;
    if (kind == PROFILE_VAULT_PASSPHRASE && passphrase.len == 0)
        return ERR_AUTH;
    struct vault_key key = key_of(p, kind == PROFILE_VAULT_PASSPHRASE ? passphrase : bytes_of(NULL, 0));
    return vault_open(out, p->vault, &key, &g);
}

enum err profile_vault_create(const struct profile_paths *p, struct bytes passphrase, struct vault **out)
{
    struct vault_key key = key_of(p, passphrase);
    struct rng g = rng_system();

    return vault_create(out, p->vault, &key, profile_cost(), &g);
}

/* Overwrites before removing; on flash the old block may stay, which docs/threat-model.md says. */
static void shred(const char *path)
{
    static const uint8_t zeros[256];
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;

    if (fd >= 0 && fstat(fd, &st) == 0) {
        for (off_t at = 0; at < st.st_size; at += (off_t)sizeof zeros)
            if (write(fd, zeros, sizeof zeros) < 0)
                break;
        fsync(fd);
    }
    if (fd >= 0)
        close(fd);
    unlink(path);
}

enum err profile_vault_change(const struct profile_paths *p, struct vault *v, struct bytes passphrase)
{
    struct vault_key key = key_of(p, passphrase);
    struct rng g = rng_system();
    enum err e = vault_change_key(v, p->vault, &key, profile_cost(), &g);

    if (e == ERR_NONE && passphrase.len > 0)
        shred(p->key);
    return e;
}

struct archive_sealer profile_sealer(struct vault *v)
{
    struct archive_sealer s = { v, VAULT_SEAL_OVERHEAD, vault_key_hash, vault_seal, vault_open_value };

    return s;
}

/* ---- Generation ---- */

/* A small file whole, with a final zero. */
static enum err read_small(const char *path, char *to, size_t cap, size_t *len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t have = 0;
    ssize_t n = 1;

    if (fd < 0)
        return errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
    while (have < cap && (n = read(fd, to + have, cap - have)) > 0)
        have += (size_t)n;
    int why = errno;
    close(fd);
    errno = why;
    if (n < 0)
        return ERR_IO;
    if (have == cap)
        return ERR_TOO_LARGE;
    to[have] = '\0';
    *len = have;
    return ERR_NONE;
}

enum err profile_generation(const struct profile_paths *p, uint64_t *out)
{
    char text[32];
    size_t len;
    enum err e = read_small(p->generation, text, sizeof text, &len);

    if (e == ERR_NOT_FOUND) {
        *out = 0;
        return ERR_NONE;
    }
    if (e != ERR_NONE)
        return e;
    text[strcspn(text, "\n")] = '\0';
    /* A damaged counter is no reason to refuse service; zero never claims a rollback. */
    if (units_number(out, text, UINT64_MAX) != ERR_NONE)
        *out = 0;
    return ERR_NONE;
}

enum err profile_generation_set(const struct profile_paths *p, uint64_t generation)
{
    char beside[PROFILE_PATH_MAX + 4], text[32];
    int n = snprintf(text, sizeof text, "%llu\n", (unsigned long long)generation);

    snprintf(beside, sizeof beside, "%s.new", p->generation);
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return ERR_IO;
    bool is_written = write(fd, text, (size_t)n) == n && fsync(fd) == 0;
    if (close(fd) != 0 || !is_written || rename(beside, p->generation) != 0) {
        unlink(beside);
        return ERR_IO;
    }
    fd = open(p->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    return ERR_NONE;
}

enum err profile_generation_raise(const struct profile_paths *p, struct archive *a, struct db *db, bool *is_rolled_back)
{
    uint64_t inside, outside;
    enum err e;

    if ((e = archive_generation(a, &inside)) != ERR_NONE || (e = profile_generation(p, &outside)) != ERR_NONE)
        return e;
    uint64_t next = (inside > outside ? inside : outside) + 1;
    /* The database first: a crash between the two leaves it ahead, which is harmless. */
    if ((e = archive_generation_set(a, next)) != ERR_NONE || (e = db_commit(db)) != ERR_NONE)
        return e;
    /* A full disk may keep the file behind: then a roll-back goes unnoticed until the next raise, and nothing else does. */
    (void)profile_generation_set(p, next);
    *is_rolled_back = inside < outside;
    return ERR_NONE;
}

/* ---- Coming and going ---- */

enum err profile_create_person(const struct profile_paths *p, struct bytes name, struct bytes passphrase)
{
    struct vault *vault = NULL;
    struct db *db = NULL;
    struct store *store = NULL;
    struct archive *archive = NULL;
    bool is_rolled_back, is_made, is_person = false;
    enum err e = profile_vault_create(p, passphrase, &vault);

    is_made = e == ERR_NONE;
    if (e == ERR_EXISTS)
        e = profile_vault_open(p, passphrase, &vault);
    if (e != ERR_NONE)
        goto out;
    struct archive_sealer sealer = profile_sealer(vault);
    if ((e = db_open_lmdb(&db, p->database, NULL)) != ERR_NONE || (e = store_open(&store, db, NULL)) != ERR_NONE ||
        (e = archive_open(&archive, db, &sealer)) != ERR_NONE)
        goto out;
    struct messenger_config config = {
        .archive = archive, .store = store, .rng = rng_system(), .wall_unix_s = (uint64_t)time(NULL),
    };
    if ((e = messenger_init(&config, name)) != ERR_NONE || (e = db_commit(db)) != ERR_NONE)
        goto out;
    is_person = true;
    e = profile_generation_raise(p, archive, db, &is_rolled_back);
out:
    archive_close(archive);
    store_close(store);
    db_close(db);
    vault_close(vault);
    /* A vault without anybody in it would hold the next try to this passphrase. */
    if (is_made && !is_person)
        (void)vault_panic(p->vault, p->key);
    return e;
}

/* Removes the database's files; it holds nothing else. */
static enum err remove_database(const char *path)
{
    DIR *d = opendir(path);
    enum err e = ERR_NONE;

    if (d == NULL)
        return errno == ENOENT ? ERR_NONE : ERR_IO;
    for (struct dirent *entry; (entry = readdir(d)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            unlinkat(dirfd(d), entry->d_name, 0) != 0)
            e = ERR_IO;
    closedir(d);
    return rmdir(path) != 0 ? ERR_IO : e;
}

enum err profile_panic(const struct profile_paths *p)
{
    enum err first = vault_panic(p->vault, p->key);
    enum err e = remove_database(p->database);

    /* A relay has no keys to destroy. */
    if (first == ERR_NOT_FOUND)
        first = ERR_NONE;
    shred(p->key);
    unlink(p->generation);
    unlink(p->socket);
    return first != ERR_NONE ? first : e;
}

enum err profile_read_passphrase(const char *path, char to[PASSPHRASE_LEN_MAX + 1])
{
    char text[PASSPHRASE_LEN_MAX + 3];
    size_t len;
    enum err e = read_small(path, text, sizeof text, &len);

    if (e == ERR_NONE) {
        size_t line = strcspn(text, "\r\n");

        if (line == 0 || (line == strlen(text) && line != len))
            e = ERR_MALFORMED;
        else if (line > PASSPHRASE_LEN_MAX)
            e = ERR_TOO_LARGE;
        else {
            memcpy(to, text, line);
            to[line] = '\0';
        }
    }
    profile_wipe(text, sizeof text);
    return e;
}

void profile_wipe(void *at, size_t len)
{
    explicit_bzero(at, len);
}
