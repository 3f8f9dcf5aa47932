#include "tally.h"

#include "clock.h"

struct tally tally;

void tally_reset(void) {
    tally = (struct tally){0};
    tally.began = tally.ended = clock_now();
}

static void print_count(const char *name, uint64_t count) {
    printf("\"%s\":%llu,", name, (unsigned long long)count);
}

void tally_print(uint64_t undelivered, uint64_t unanswered) {
    printf("{\"result\":{\"seconds\":%.6f,", (double)(tally.ended - tally.began) / 1e9);
    print_count("events", tally.events);
    print_count("acknowledged", tally.acknowledged);
    print_count("refused", tally.refused);
    print_count("unanswered", unanswered);
    print_count("deliveries", tally.deliveries);
    print_count("messages", tally.messages);
    print_count("bytes", tally.bytes);
    print_count("lost", tally.skipped - tally.late + undelivered);
    print_count("reordered", tally.late);
    print_count("repeated", tally.repeated);
    printf("\"delivery_us\":");
    histogram_print(&tally.delivery, stdout);
    printf(",\"answer_us\":");
    histogram_print(&tally.answer, stdout);
    printf("}}\n");
    fflush(stdout);
}
