#include "replies.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fail.h"

/* The value of a header, or NULL. `head` ends with an empty line. */
static const char *header(const char *head, size_t size, const char *name) {
    size_t length = strlen(name);
    const char *end = head + size;
    while ((head = memmem(head, (size_t)(end - head), "\r\n", 2)) != NULL) {
        head += 2;
        if ((size_t)(end - head) > length && strncasecmp(head, name, length) == 0 &&
            head[length] == ':')
            return head + length + 1 + strspn(head + length + 1, " ");
    }
    return NULL;
}

/* Bytes of a chunked body, its end included; 0 while it is incomplete. */
static size_t chunked(const char *at, size_t size) {
    size_t used = 0;
    for (;;) {
        const char *line_end = memmem(at + used, size - used, "\r\n", 2);
        if (line_end == NULL)
            return 0;
        size_t chunk = strtoul(at + used, NULL, 16);
        used = (size_t)(line_end - at) + 2 + chunk + 2;
        if (used > size)
            return 0;
        if (chunk == 0)
            return used;
    }
}

size_t http_read(const char *at, size_t size, struct reply *reply) {
    const char *end = memmem(at, size, "\r\n\r\n", 4);
    if (end == NULL)
        return 0;
    size_t head = (size_t)(end - at) + 4, body = 0;
    const char *length = header(at, head, "content-length");
    if (length != NULL) {
        body = strtoul(length, NULL, 10);
        if (head + body > size)
            return 0;
    } else if (header(at, head, "transfer-encoding") != NULL) {
        body = chunked(end + 4, size - head);
        if (body == 0)
            return 0;
    }
    *reply = (struct reply){memcmp(at + 9, "2", 1) != 0, at, head + body};
    return head + body;
}

size_t resp_read(const char *at, size_t size, struct reply *reply) {
    const char *line_end = size ? memmem(at, size, "\r\n", 2) : NULL;
    if (line_end == NULL)
        return 0;
    size_t used = (size_t)(line_end - at) + 2;
    long count = strtol(at + 1, NULL, 10);
    if (*at == '$' && count >= 0) {
        used += (size_t)count + 2;
    } else if (*at == '*') {
        struct reply inner;
        while (count-- > 0) {
            size_t element = resp_read(at + used, size - used, &inner);
            if (element == 0)
                return 0;
            used += element;
        }
    } else if (strchr("+-:$_", *at) == NULL) {
        fail("Redis sent a reply of a kind that is not known: %c", *at);
    }
    if (used > size)
        return 0;
    *reply = (struct reply){*at == '-', at, used};
    return used;
}
