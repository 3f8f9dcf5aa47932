#include "template.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stamp.h"

enum kind { LITERAL, CONNECTION, DOCUMENT, TEXT, ID, SEQUENCE, ITERATION, WORD, LIST };

struct part {
    enum kind kind;
    struct bytes literal;
    int width;          /* of a number, at least */
    unsigned long plus; /* what is added to it */
    const struct list *list;
};

static const struct {
    const char *name;
    enum kind kind;
    int width;
} PLACEHOLDERS[] = {
    {"n", CONNECTION, 1}, {"doc", DOCUMENT, 5}, {"text", TEXT, 0},
    {"id", ID, 1},        {"s", SEQUENCE, 1},   {"i", ITERATION, 1},
    {"word", WORD, 0},
};

static struct part *add_part(struct template *template, enum kind kind) {
    template->parts = realloc(template->parts, (template->count + 1) * sizeof(struct part));
    struct part *part = &template->parts[template->count++];
    *part = (struct part){.kind = kind};
    return part;
}

static void add_literal(struct template *template, char byte) {
    struct part *last = template->count ? &template->parts[template->count - 1] : NULL;
    if (last == NULL || last->kind != LITERAL)
        last = add_part(template, LITERAL);
    bytes_add(&last->literal, &byte, 1);
}

/* Digits after a name are its width, a number after a plus is added to it. */
static int add_placeholder(struct template *template, const char *inside, size_t size,
                           const struct list *lists) {
    for (const struct list *list = lists; list != NULL; list = list->next)
        if (strlen(list->name) == size && memcmp(list->name, inside, size) == 0) {
            add_part(template, LIST)->list = list;
            return 1;
        }
    size_t letters = 0;
    while (letters < size && islower((unsigned char)inside[letters]))
        letters++;
    for (size_t i = 0; i < sizeof PLACEHOLDERS / sizeof *PLACEHOLDERS; i++) {
        const char *name = PLACEHOLDERS[i].name;
        if (strlen(name) != letters || memcmp(name, inside, letters) != 0)
            continue;
        char *rest, *end;
        int width = (int)strtol(inside + letters, &rest, 10);
        if (*rest == '+' && rest != inside + letters)
            return 0;
        unsigned long plus = 0;
        end = rest;
        if (inside[letters] == '+') {
            width = 0;
            plus = strtoul(inside + letters + 1, &end, 10);
        }
        if (end != inside + size)
            return 0;
        struct part *part = add_part(template, PLACEHOLDERS[i].kind);
        part->width = width ? width : PLACEHOLDERS[i].width;
        part->plus = plus;
        return 1;
    }
    return 0;
}

/* Bytes of `text` that an escape takes; 0 where a backslash is only that. */
static size_t escape(const char *text, char *byte) {
    static const char names[] = "nrt\\", values[] = "\n\r\t\\";
    const char *found = text[1] ? strchr(names, text[1]) : NULL;
    if (found) {
        *byte = values[found - names];
        return 2;
    }
    if (text[1] == 'x' && isxdigit((unsigned char)text[2]) && isxdigit((unsigned char)text[3])) {
        char digits[3] = {text[2], text[3], 0};
        *byte = (char)strtol(digits, NULL, 16);
        return 4;
    }
    return 0;
}

struct template template_parse(const char *text, const struct list *lists) {
    struct template template = {0};
    while (*text) {
        const char *close = *text == '{' ? strchr(text, '}') : NULL;
        if (close && add_placeholder(&template, text + 1, (size_t)(close - text - 1), lists)) {
            text = close + 1;
            continue;
        }
        char byte = *text;
        size_t size = *text == '\\' ? escape(text, &byte) : 0;
        add_literal(&template, byte);
        text += size ? size : 1;
    }
    return template;
}

static void add_number(struct bytes *to, const struct part *part, uint64_t number) {
    char digits[32];
    int size = snprintf(digits, sizeof digits, "%0*llu", part->width,
                        (unsigned long long)(number + part->plus));
    bytes_add(to, digits, (size_t)size);
}

static void add_text(struct bytes *to, const struct values *values) {
    char *at = bytes_reserve(to, TEXT_SIZE);
    memset(at, 'x', TEXT_SIZE);
    stamp_write(at, values->document, values->sequence, values->sent);
    to->size += TEXT_SIZE;
}

static void add_listed(struct bytes *to, const struct list *list, const struct values *values) {
    const unsigned indexes[] = {
        [BY_DOCUMENT] = values->document,
        [BY_CONNECTION] = values->connection,
        [BY_ITERATION] = values->iteration,
    };
    const char *value = list->values[indexes[list->index] % list->count];
    bytes_add(to, value, strlen(value));
}

void template_write(const struct template *template, const struct values *values,
                    struct bytes *to) {
    for (unsigned i = 0; i < template->count; i++) {
        const struct part *part = &template->parts[i];
        switch (part->kind) {
        case LITERAL:
            bytes_add(to, part->literal.at, part->literal.size);
            break;
        case CONNECTION:
            add_number(to, part, values->connection);
            break;
        case DOCUMENT:
            add_number(to, part, values->document);
            break;
        case ID:
            add_number(to, part, values->id);
            break;
        case SEQUENCE:
            add_number(to, part, values->sequence);
            break;
        case ITERATION:
            add_number(to, part, values->iteration);
            break;
        case WORD:
            bytes_add(to, values->word, values->word_size);
            break;
        case TEXT:
            add_text(to, values);
            break;
        case LIST:
            add_listed(to, part->list, values);
            break;
        }
    }
}
