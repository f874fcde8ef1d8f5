#include "status/html.h"

#include <string.h>

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"

static const char *entity(char byte)
{
    static const struct {
        char byte;
        const char *entity;
    } entities[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}, {'\'', "&#39;"}};
    for (size_t i = 0; i < sizeof entities / sizeof *entities; i++) {
        if (entities[i].byte == byte)
            return entities[i].entity;
    }
    return NULL;
}

/* C0 but tab and line feed, DEL, C1 (U+0080 to U+009F), and what turns round the order of reading
 * (U+202A to U+202E, U+2066 to U+2069). */
static bool is_control(const char *bytes, size_t length)
{
    const unsigned char *byte = (const unsigned char *)bytes;
    if (length == 1)
        return (byte[0] < 0x20 && byte[0] != '\t' && byte[0] != '\n') || byte[0] == 0x7f;
    if (length == 2)
        return byte[0] == 0xc2 && byte[1] < 0xa0;
    return length == 3 && byte[0] == 0xe2 &&
           ((byte[1] == 0x80 && byte[2] >= 0xaa && byte[2] <= 0xae) ||
            (byte[1] == 0x81 && byte[2] >= 0xa6 && byte[2] <= 0xa9));
}

static void put_text(struct text *out, const char *text)
{
    for (size_t left = strlen(text), length; left > 0; text += length, left -= length) {
        length = utf8_sequence(text, left);
        const char *escaped = entity(*text);
        if (escaped)
            text_puts(out, escaped);
        else if (length == 0 || is_control(text, length))
            text_code_point(out, 0xfffd);
        else
            text_append(out, text, length);
        length = length ? length : 1;
    }
}

static void put_query(struct text *out, const char *text)
{
    for (; *text; text++) {
        if (strchr(LETTERS DIGITS "-._~", *text))
            text_putc(out, *text);
        else
            text_printf(out, "%%%02X", (unsigned)(unsigned char)*text);
    }
}

static const struct place {
    const char *mark;
    void (*put)(struct text *out, const char *text);
} places[] = {{"{}", put_text}, {"{%}", put_query}, {"{!}", text_puts}};

static const struct place *place_at(const char *template)
{
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        if (!strncmp(template, places[i].mark, strlen(places[i].mark)))
            return &places[i];
    }
    return NULL;
}

void html_put(struct text *out, const char *template, const char *const *values)
{
    while (*template) {
        const struct place *place = place_at(template);
        size_t length = place ? strlen(place->mark) : 1 + strcspn(template + 1, "{");
        if (place && *values)
            place->put(out, *values);
        else if (!place)
            text_append(out, template, length);
        if (place && !*values++) {
            text_clear(out);
            out->failed = true;
            return;
        }
        template += length;
    }
    if (*values) {
        text_clear(out);
        out->failed = true;
    }
}
