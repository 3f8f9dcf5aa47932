#include "stamp.h"

#include <string.h>

enum { DOCUMENT_DIGITS = 5, SEQUENCE_DIGITS = 8, SENT_DIGITS = 20 };

static char *write_digits(char *to, int digits, uint64_t value) {
    for (int i = digits; i-- > 0; value /= 10)
        to[i] = (char)('0' + value % 10);
    return to + digits;
}

void stamp_write(char *to, unsigned document, uint64_t sequence, uint64_t sent) {
    *to++ = '@';
    *to++ = '@';
    to = write_digits(to, DOCUMENT_DIGITS, document);
    *to++ = ':';
    to = write_digits(to, SEQUENCE_DIGITS, sequence);
    *to++ = ':';
    to = write_digits(to, SENT_DIGITS, sent);
    *to = '@';
}

static uint64_t read_digits(const char *from, int digits) {
    uint64_t value = 0;
    for (int i = 0; i < digits; i++)
        value = value * 10 + (uint64_t)(from[i] - '0');
    return value;
}

const char *stamp_find(const char *at, const char *end, struct stamp *stamp) {
    while (end - at >= STAMP_SIZE && (at = memchr(at, '@', (size_t)(end - at))) != NULL) {
        if (end - at >= STAMP_SIZE && at[1] == '@' && at[STAMP_SIZE - 1] == '@') {
            stamp->document = (unsigned)read_digits(at + 2, DOCUMENT_DIGITS);
            stamp->sequence = read_digits(at + 8, SEQUENCE_DIGITS);
            stamp->sent = read_digits(at + 17, SENT_DIGITS);
            return at + STAMP_SIZE;
        }
        at++;
    }
    return NULL;
}
