/* apps/service/qr.h - a link as a QR code, on the terminal and as an image. */
#ifndef STA_SERVICE_QR_H
#define STA_SERVICE_QR_H

#include <stdbool.h>
#include <stdio.h>

#include "mesh/base/err.h"

/* ERR_TOO_LARGE: more text than a QR code holds. */
enum err qr_print(FILE *to, const char *text, bool is_terminal);

/* A PNG file of mode 0600: an invite is a secret until it is used. ERR_IO with errno. */
enum err qr_write_png(const char *path, const char *text);

#endif
