/* What was counted since the last reset. */
#ifndef TALLY_H
#define TALLY_H

#include "histogram.h"

struct tally {
    uint64_t began, ended; /* nanoseconds; `ended`: when the last thing was counted */
    uint64_t events, acknowledged, refused;
    uint64_t deliveries, messages, bytes; /* at subscribers; bytes of payloads */
    uint64_t skipped, late, repeated;     /* sequence numbers, against their order */
    struct histogram delivery, answer;
};

extern struct tally tally;

void tally_reset(void);

/* One line of JSON: {"result":{…}}. `undelivered`: what did not come at all. */
void tally_print(uint64_t undelivered, uint64_t unanswered);

#endif
