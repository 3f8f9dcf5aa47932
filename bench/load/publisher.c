#include "publisher.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "documents.h"
#include "fail.h"
#include "tally.h"

#define FIRST_ID 1000
#define PATIENCE (3 * SECOND) /* with nothing coming at the end of a run */
#define LOOK (SECOND / 20)
#define IN_FLIGHT_ROOM 1024

static struct connection **writers;
static unsigned writer_count, turn;

static struct {
    enum pace pace;
    unsigned amount;
    uint64_t deadline, sent, limit;
} run;

void publisher_add(struct connection *writer) {
    writers = realloc(writers, (writer_count + 1) * sizeof(struct connection *));
    writers[writer_count++] = writer;
    writer->requests.sent = calloc(REQUEST_ROOM, sizeof *writer->requests.sent);
}

static bool is_answered(const struct group *group) {
    return group->protocol != WEBSOCKET || group->ack.count > 0;
}

void publisher_start(enum pace pace, unsigned amount, double seconds, uint64_t events) {
    if (writer_count == 0)
        fail("nobody publishes");
    if (pace == IN_FLIGHT && (amount > IN_FLIGHT_ROOM || !is_answered(writers[0]->group)))
        fail("inflight needs answers, and at most %d", IN_FLIGHT_ROOM);
    if (pace == WINDOW && amount > WINDOW_ROOM)
        fail("window is at most %d", WINDOW_ROOM);
    tally_reset();
    run.pace = pace;
    run.amount = amount;
    run.sent = 0;
    run.limit = events;
    run.deadline = tally.began + (uint64_t)(seconds * 1e9);
}

static bool is_running(uint64_t now) {
    return now < run.deadline && run.sent < run.limit;
}

static void publish(struct connection *writer) {
    struct requests *requests = &writer->requests;
    struct values values = connection_values(writer);
    values.document = connection_document(writer, writer->turn);
    values.sequence = documents_add_event(values.document);
    values.id = FIRST_ID + requests->next;
    values.sent = clock_now();
    writer->turn = (writer->turn + 1) % writer->group->each;
    if (is_answered(writer->group)) {
        if (requests->next - requests->oldest >= REQUEST_ROOM)
            fail("%s %u: request %llu has no answer after %.3f s, and %llu later ones have",
                 writer->group->name, writer->number,
                 (unsigned long long)(FIRST_ID + requests->oldest),
                 (double)(values.sent - requests->sent[requests->oldest % REQUEST_ROOM]) / 1e9,
                 (unsigned long long)(REQUEST_ROOM - requests->unanswered));
        requests->sent[requests->next % REQUEST_ROOM] = values.sent;
        requests->unanswered++;
    }
    requests->next++;
    run.sent++;
    tally.events++;
    connection_publish(writer, &values);
}

static void end_request(struct connection *writer, uint64_t number, bool refused) {
    struct requests *requests = &writer->requests;
    uint64_t *sent = &requests->sent[number % REQUEST_ROOM];
    if (number < requests->oldest || number >= requests->next || *sent == 0)
        connection_fail(writer, "was answered what it did not ask", "", 0);
    tally.ended = clock_now();
    histogram_add(&tally.answer, tally.ended - *sent);
    *sent = 0;
    requests->unanswered--;
    while (requests->oldest < requests->next &&
           requests->sent[requests->oldest % REQUEST_ROOM] == 0)
        requests->oldest++;
    *(refused ? &tally.refused : &tally.acknowledged) += 1;
    if (run.pace == IN_FLIGHT && is_running(tally.ended))
        publish(writer);
}

void publisher_on_reply(struct connection *writer, bool refused) {
    end_request(writer, writer->requests.oldest, refused);
}

void publisher_on_message(struct connection *writer, const char *payload, size_t size) {
    static struct bytes wanted;
    const struct group *group = writer->group;
    struct values values = connection_values(writer);
    bool refused =
        group->refused != NULL && memmem(payload, size, group->refused, strlen(group->refused));
    wanted.size = 0;
    template_write(&group->ack, &values, &wanted);
    const char *found =
        group->ack.count > 0 ? memmem(payload, size, wanted.at, wanted.size) : NULL;
    if (found != NULL && group->ack_has_id)
        end_request(writer, strtoull(found + wanted.size, NULL, 10) - FIRST_ID, refused);
    else if (found != NULL || refused)
        end_request(writer, writer->requests.oldest, refused);
}

uint64_t publisher_unanswered(void) {
    uint64_t count = 0;
    for (unsigned i = 0; i < writer_count; i++)
        count += writers[i]->requests.unanswered;
    return count;
}

static void publish_next(void) {
    publish(writers[turn]);
    turn = (turn + 1) % writer_count;
}

static void fill_in_flight(void) {
    for (unsigned i = 0; i < writer_count; i++)
        while (writers[i]->requests.unanswered < run.amount && run.sent < run.limit)
            publish(writers[i]);
}

static void fill_window(void) {
    while (documents.outstanding < run.amount && run.sent < run.limit) {
        publish_next();
        if (documents.outstanding == 0)
            fail("a window needs subscribers");
    }
}

/* Nanoseconds until the next is due. */
static uint64_t keep_rate(uint64_t now) {
    uint64_t due;
    while ((due = tally.began + run.sent * SECOND / run.amount) <= now && run.sent < run.limit)
        publish_next();
    return due > now ? due - now : LOOK;
}

uint64_t publisher_turn(void) {
    uint64_t now = clock_now();
    if (!is_running(now)) {
        bool is_done = documents.pending == 0 && publisher_unanswered() == 0;
        bool is_quiet = now > tally.ended + PATIENCE;
        return is_done || is_quiet ? 0 : LOOK;
    }
    switch (run.pace) {
    case WINDOW:
        fill_window();
        break;
    case IN_FLIGHT:
        fill_in_flight();
        break;
    case RATE:
        return keep_rate(now);
    }
    return run.deadline - now;
}
