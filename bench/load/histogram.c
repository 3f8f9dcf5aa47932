#include "histogram.h"

static unsigned bucket_of(uint64_t value) {
    if (value < (1 << HISTOGRAM_FINE))
        return (unsigned)value;
    unsigned shift = 63 - HISTOGRAM_FINE - (unsigned)__builtin_clzll(value);
    return ((shift + 1) << HISTOGRAM_FINE) + (unsigned)((value >> shift) - (1 << HISTOGRAM_FINE));
}

static uint64_t least_of(unsigned bucket) {
    if (bucket < (1 << HISTOGRAM_FINE))
        return bucket;
    unsigned shift = (bucket >> HISTOGRAM_FINE) - 1;
    uint64_t fine = bucket & ((1 << HISTOGRAM_FINE) - 1);
    return (fine + (1 << HISTOGRAM_FINE)) << shift;
}

void histogram_add(struct histogram *histogram, uint64_t nanoseconds) {
    histogram->buckets[bucket_of(nanoseconds)]++;
    histogram->count++;
    histogram->sum += nanoseconds;
    if (nanoseconds > histogram->most)
        histogram->most = nanoseconds;
}

static double quantile(const struct histogram *histogram, double share) {
    uint64_t rank = (uint64_t)(share * (double)histogram->count), seen = 0;
    for (unsigned bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) {
        seen += histogram->buckets[bucket];
        if (seen > rank)
            return (double)least_of(bucket) / 1e3;
    }
    return (double)histogram->most / 1e3;
}

void histogram_print(const struct histogram *histogram, FILE *to) {
    if (histogram->count == 0) {
        fputs("null", to);
        return;
    }
    fprintf(to,
            "{\"count\":%llu,\"mean\":%.1f,\"median\":%.1f,\"p90\":%.1f,\"p99\":%.1f,\"max\":%.1f}",
            (unsigned long long)histogram->count,
            (double)histogram->sum / (double)histogram->count / 1e3, quantile(histogram, 0.5),
            quantile(histogram, 0.9), quantile(histogram, 0.99), (double)histogram->most / 1e3);
}
