/* crypto/code_words.h - a code of 128 random bits as words that a person can write down and read out.
 *
 * Nine words of five letters (proquints: consonant, vowel, consonant, vowel, consonant), "lusab babad ...": eight for the code and
 * one that notices a slip of the pen. No language's word list has to be at hand, and none is anybody's foreign language.
 */
#ifndef STA_CRYPTO_CODE_WORDS_H
#define STA_CRYPTO_CODE_WORDS_H

#include "mesh/base/bytes.h"

enum {
    CODE_LEN       = 16,
    CODE_WORDS     = 9,
    CODE_WORDS_LEN = CODE_WORDS * 6 - 1,   /* with a space between two */
};

void code_words(char to[CODE_WORDS_LEN + 1], const uint8_t code[CODE_LEN]);

/* Takes either case, and white space, hyphens, commas or dots between words. ERR_MALFORMED: these are not such words at all;
 * ERR_AUTH: they are, but one is wrong. */
enum err code_of_words(uint8_t code[CODE_LEN], struct bytes text);

#endif
