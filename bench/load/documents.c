#include "documents.h"

#include <stdlib.h>

#include "clock.h"
#include "fail.h"
#include "stamp.h"
#include "tally.h"

struct document {
    uint64_t sequence; /* of the newest event */
    unsigned audience;
    unsigned missing[WINDOW_ROOM]; /* subscribers without the event, at sequence modulo room */
};

struct documents documents;

static struct document *all;
static unsigned document_count;

void documents_make(unsigned count) {
    all = calloc(count, sizeof *all);
    document_count = count;
}

void documents_subscribe(struct connection *connection) {
    unsigned each = connection->group->each;
    connection->last = calloc(each, sizeof *connection->last);
    for (unsigned i = 0; i < each; i++)
        all[connection_document(connection, i)].audience++;
}

uint64_t documents_add_event(unsigned number) {
    struct document *document = &all[number];
    uint64_t sequence = ++document->sequence;
    document->missing[sequence % WINDOW_ROOM] = document->audience;
    documents.pending += document->audience;
    documents.outstanding += document->audience > 0;
    return sequence;
}

static void settle(struct document *document, uint64_t from, uint64_t to) {
    documents.pending -= to - from;
    /* Without a window there may be more events than room; nobody asks for them then. */
    for (uint64_t sequence = from + 1; sequence <= to; sequence++) {
        unsigned *missing = &document->missing[sequence % WINDOW_ROOM];
        if (*missing > 0 && --*missing == 0)
            documents.outstanding--;
    }
}

static void take(struct connection *connection, const struct stamp *stamp) {
    const struct group *group = connection->group;
    unsigned first = connection_document(connection, 0);
    unsigned index = (stamp->document + group->documents - first) % group->documents;
    if (stamp->document >= document_count || index >= group->each)
        fail("%s %u was sent an event of document %u", group->name, connection->number,
             stamp->document);
    uint64_t *last = &connection->last[index];
    if (stamp->sequence == *last) {
        tally.repeated++;
        return;
    }
    tally.deliveries++;
    if (stamp->sequence < *last) {
        tally.late++;
        return;
    }
    tally.skipped += stamp->sequence - *last - 1;
    settle(&all[stamp->document], *last, stamp->sequence);
    *last = stamp->sequence;
}

void documents_on_message(struct connection *connection, const char *payload, size_t size) {
    const char *end = payload + size;
    struct stamp stamp;
    uint64_t now = clock_now();
    while ((payload = stamp_find(payload, end, &stamp)) != NULL) {
        take(connection, &stamp);
        histogram_add(&tally.delivery, now - stamp.sent);
        tally.ended = now;
    }
    tally.messages++;
    tally.bytes += size;
}

void documents_end_window(void) {
    documents.outstanding = 0;
    for (unsigned i = 0; i < document_count; i++)
        for (unsigned j = 0; j < WINDOW_ROOM; j++)
            all[i].missing[j] = 0;
}
