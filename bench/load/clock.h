/* Time that the publisher and the subscribers, being one process, agree on. */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>
#include <time.h>

#define SECOND UINT64_C(1000000000)

/* Nanoseconds of CLOCK_MONOTONIC. */
static inline uint64_t clock_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

#endif
