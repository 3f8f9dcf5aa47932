/* Text with placeholders in braces; see ../README.md. */
#ifndef TEMPLATE_H
#define TEMPLATE_H

#include <stdint.h>

#include "bytes.h"

/* `{"text":"…"}` around it has 200 bytes. */
#define TEXT_SIZE 189

enum list_index { BY_DOCUMENT, BY_CONNECTION, BY_ITERATION };

struct list {
    char *name;
    enum list_index index;
    char **values;
    unsigned count;
    struct list *next;
};

struct part;

struct template {
    struct part *parts;
    unsigned count;
};

/* What the placeholders stand for. */
struct values {
    unsigned connection, document, iteration;
    uint64_t id, sequence, sent; /* `sent`: nanoseconds */
    const char *word;            /* of the message that is confirmed */
    size_t word_size;
};

/* Fails where a list was named that is not there yet. */
struct template template_parse(const char *text, const struct list *lists);

void template_write(const struct template *template, const struct values *values,
                    struct bytes *to);

#endif
