/*
 * libFuzzer: a query, and what the status page makes of it. A value is text within its place in the
 * page, and comes back from a link as it went there.
 */
#include "fuzz.h"
#include "status/form.h"
#include "status/html.h"

static size_t count_of(const char *text, const char *bytes)
{
    size_t count = 0;
    for (; (text = strpbrk(text, bytes)); text++)
        count++;
    return count;
}

static void must_stay_in_its_place(const char *value)
{
    static const char template[] = "<p title=\"{}\">{}</p>";
    struct text out = {0};
    html_put(&out, template, VALUES(value, value));
    MUST(!out.failed && strlen(text_string(&out)) == out.length);
    MUST(count_of(text_string(&out), "<>\"'") == count_of(template, "<>\"'"));
    must_be_utf8(text_string(&out));
    text_clear(&out);
}

static void must_come_back(const char *value)
{
    struct text link = {0};
    struct arena arena = {0};
    html_put(&link, "a={%}&q={%}", VALUES("&q=x", value));
    MUST(!strcmp(form_value(&arena, text_string(&link), "q"), value));
    text_clear(&link);
    arena_clear(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct error error = {0};
    int64_t number;
    const char *form = arena_copy(&arena, (const char *)data, size);
    must_stay_in_its_place(form);
    const char *value = form_value(&arena, form, "q");
    must_be_utf8(value);
    must_stay_in_its_place(value);
    must_come_back(value);
    if (form_number(&arena, form, "n", 1, 99, 7, &number, &error))
        MUST(number >= 1 && number <= 99);
    else
        MUST(error.code == ERROR_INVALID);
    arena_clear(&arena);
    return 0;
}
