#include "bytes.h"

#include <stdlib.h>
#include <string.h>

#include "fail.h"

char *bytes_reserve(struct bytes *bytes, size_t more) {
    if (bytes->size + more > bytes->room) {
        size_t room = bytes->room * 2 > bytes->size + more ? bytes->room * 2 : bytes->size + more;
        bytes->at = realloc(bytes->at, room);
        if (bytes->at == NULL)
            fail("out of memory");
        bytes->room = room;
    }
    return bytes->at + bytes->size;
}

void bytes_add(struct bytes *bytes, const void *from, size_t size) {
    if (size == 0)
        return;
    memcpy(bytes_reserve(bytes, size), from, size);
    bytes->size += size;
}

void bytes_drop(struct bytes *bytes, size_t size) {
    bytes->size -= size;
    if (bytes->size > 0)
        memmove(bytes->at, bytes->at + size, bytes->size);
}

void bytes_clear(struct bytes *bytes) {
    free(bytes->at);
    *bytes = (struct bytes){0};
}
