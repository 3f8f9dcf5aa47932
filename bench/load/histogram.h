/* Durations, counted in buckets that are about 1.6 % wide. */
#ifndef HISTOGRAM_H
#define HISTOGRAM_H

#include <stdint.h>
#include <stdio.h>

#define HISTOGRAM_FINE 6 /* each power of two is cut into 2^6 buckets */
#define HISTOGRAM_BUCKETS (64 << HISTOGRAM_FINE)

struct histogram {
    uint64_t buckets[HISTOGRAM_BUCKETS];
    uint64_t count, sum, most;
};

void histogram_add(struct histogram *histogram, uint64_t nanoseconds);

/* As JSON, in microseconds: {"count","mean","median","p90","p99","max"}. */
void histogram_print(const struct histogram *histogram, FILE *to);

#endif
