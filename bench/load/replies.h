/* Where the answers of HTTP and of Redis end. */
#ifndef REPLIES_H
#define REPLIES_H

#include <stdbool.h>
#include <stddef.h>

struct reply {
    bool refused;
    const char *body; /* what to show of it */
    size_t size;
};

/* Bytes that the reply at `at` takes; 0 while it is incomplete. */
size_t http_read(const char *at, size_t size, struct reply *reply);
size_t resp_read(const char *at, size_t size, struct reply *reply);

#endif
