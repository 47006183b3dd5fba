/* mesh/base/err.h - the one way a call says that it failed.
 *
 * A call that can fail returns an enum err, zero for success, and writes its
 * outputs only on success. Codes of libraries and the system are turned into
 * these in the file that includes the foreign header.
 */
#ifndef STA_BASE_ERR_H
#define STA_BASE_ERR_H

enum err {
    ERR_NONE = 0,
    ERR_MALFORMED,   /* bytes from outside break the format */
    ERR_VERSION,     /* a version or suite that this build does not speak */
    ERR_TOO_LARGE,   /* beyond a limit of mesh/base/limits.h */
    ERR_NO_MEMORY,
    ERR_NOT_FOUND,
    ERR_EXISTS,      /* already there; nothing changed */
    ERR_FULL,        /* over quota, or the disk is full; nothing changed */
    ERR_EXPIRED,
    ERR_AUTH,        /* a seal, signature, MAC or passphrase does not verify */
    ERR_REPLAY,      /* seen before, and once is all there is */
    ERR_STATE,       /* not now: out of order, or the other side is not ready */
    ERR_REFUSED,     /* policy says no */
    ERR_LOCKED,      /* the vault is locked, or another process holds the data */
    ERR_CORRUPT,     /* our own stored bytes are not what we wrote */
    ERR_IO,          /* the system failed us; errno has the reason in apps/ */
    ERR_UNSUPPORTED, /* this machine or build cannot do it */
};

/* A short English phrase without a full stop, such as "not found". Never NULL. */
const char *err_text(enum err e);

#endif
