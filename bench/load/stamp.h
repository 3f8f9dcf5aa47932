/* What an event carries, so that a subscriber knows which one it is and when it was sent. */
#ifndef STAMP_H
#define STAMP_H

#include <stddef.h>
#include <stdint.h>

struct stamp {
    unsigned document;
    uint64_t sequence, sent; /* `sent`: nanoseconds */
};

#define STAMP_SIZE 38 /* @@DDDDD:SSSSSSSS:NNNNNNNNNNNNNNNNNNNN@ */

void stamp_write(char *to, unsigned document, uint64_t sequence, uint64_t sent);

/* The first one from `at` on: where it ends, or NULL if there is none. */
const char *stamp_find(const char *at, const char *end, struct stamp *stamp);

#endif
