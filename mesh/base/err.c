/* mesh/base/err.c - words for error codes. */
#include "mesh/base/err.h"

const char *err_text(enum err e)
{
    switch (e) {
    case ERR_NONE: return "done";
    case ERR_MALFORMED: return "malformed";
    case ERR_VERSION: return "unknown version";
    case ERR_TOO_LARGE: return "too large";
    case ERR_NO_MEMORY: return "out of memory";
    case ERR_NOT_FOUND: return "not found";
    case ERR_EXISTS: return "already there";
    case ERR_FULL: return "full";
    case ERR_EXPIRED: return "expired";
    case ERR_AUTH: return "does not verify";
    case ERR_REPLAY: return "seen before";
    case ERR_STATE: return "not possible now";
    case ERR_REFUSED: return "refused";
    case ERR_LOCKED: return "locked";
    case ERR_CORRUPT: return "stored data is damaged";
    case ERR_IO: return "input or output failed";
    case ERR_UNSUPPORTED: return "not supported here";
    }
    return "unknown error";
}
