/* mesh/links/spool_format.h - the bytes of a spool file (docs/protocol.md section 7.5). Pure. */
#ifndef STA_LINKS_SPOOL_FORMAT_H
#define STA_LINKS_SPOOL_FORMAT_H

#include "mesh/base/reader.h"
#include "mesh/base/writer.h"
#include "mesh/links/spool.h"

enum {
    SPOOL_VERSION      = 1,
    SPOOL_HEADER_LEN   = 16,
    SPOOL_MARKER_LEN   = 4,
    SPOOL_CHECKSUM_LEN = 8,
    SPOOL_OVERHEAD     = SPOOL_MARKER_LEN + 1 + 2 + SPOOL_CHECKSUM_LEN,
    SPOOL_RECORD_MAX   = SPOOL_OVERHEAD + BUNDLE_LEN_MAX,
    SPOOL_DAMAGES_MAX  = 4096,  /* checksums that may fail in one file; each may cost a hash over 64 KiB */
};

#define SPOOL_NO_CLOCK UINT32_MAX

struct spool_header { uint32_t clock_min; };  /* the writer's, since 2025-01-01 UTC; SPOOL_NO_CLOCK: implausible */

void     spool_header_encode(uint8_t to[SPOOL_HEADER_LEN], const struct spool_header *h);
/* ERR_MALFORMED: not a spool file. ERR_VERSION. */
enum err spool_header_decode(struct spool_header *out, struct bytes in);

/* SPOOL_OVERHEAD + bundle.len bytes. */
void     spool_record_encode(struct writer *w, struct bytes bundle, uint8_t hops, uint16_t life_h);

/* Goes through the records of a file, which may come in parts. */
struct spool_scan {
    spool_visit *visit;
    void *ctx;
    unsigned damages;
    bool is_damaged;
};

/* Visits each whole record of `in` and says how many bytes need not be shown again; the rest, less than SPOOL_RECORD_MAX,
 * goes before the next part. With `is_last` everything is consumed. ERR_CORRUPT past SPOOL_DAMAGES_MAX; an error of
 * `visit` ends the scan. */
enum err spool_scan(struct spool_scan *s, struct bytes in, bool is_last, size_t *consumed);

#endif
