/* A run of bytes that grows at its end and is consumed from its beginning. */
#ifndef BYTES_H
#define BYTES_H

#include <stddef.h>

struct bytes {
    char *at;
    size_t size, room;
};

void bytes_add(struct bytes *bytes, const void *from, size_t size);
void bytes_drop(struct bytes *bytes, size_t size); /* from the front */
void bytes_clear(struct bytes *bytes);             /* gives its memory back */

/* Room for so many more at the end; where they go. The caller adds to `size` what it wrote. */
char *bytes_reserve(struct bytes *bytes, size_t more);

#endif
