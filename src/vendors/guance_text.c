#include "vendors/guance_text.h"

#include <string.h>
#include <strings.h>

#include "base/text.h"

/* An HTML tag that is longer than any chat tool's is text. */
#define HTML_TAG_MAX 128

#define PEOPLE_MAX 200

#define SPACES " \t\r\n"

/* ---- HTML ---- */

/* Length of an HTML tag called name at the start of text (`<br/>`, `</font>`, `<font color=…>`);
 * 0 if there is none. */
static size_t html_tag(const char *text, const char *name)
{
    const char *start = text + 1 + (text[1] == '/');
    if (strncasecmp(start, name, strlen(name)))
        return 0;
    const char *end = start + strlen(name);
    if (!*end || !strchr(SPACES "/>", *end))
        return 0;
    size_t length = strcspn(end, "<>");
    return end[length] == '>' && length < HTML_TAG_MAX ? (size_t)(end - text) + length + 1 : 0;
}

/* ---- mentions ---- */

/* Where an event names people: lists of names, or of objects with a name and addresses. */
static const char *const people_lists[] = {
    "df_message_at_accounts",
    "df_nodata_message_at_accounts",
    "df_at_accounts",
    "df_at_accounts_nodata",
    "df_matched_alert_members",
    "df_matched_alert_upgrade_members",
    "df_matched_alert_member_groups",
};
static const char *const people_members[] = {"df_user_name", "df_user_email"};

static bool is_word_character(char c)
{
    return ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || (c >= '0' && c <= '9');
}

/* Whether an "@" behind the text would stand within a word: an address is no mention. */
static bool is_word_end(const struct text *text)
{
    return text->length > 0 && is_word_character(text_string(text)[text->length - 1]);
}

/* Length of name at the start of text, as a whole word; 0 if it is not there. */
static size_t name_at(const char *text, const char *name)
{
    size_t length = strlen(name);
    if (strncmp(text, name, length))
        return 0;
    return is_word_character(text[length]) && is_word_character(text[length - 1]) ? 0 : length;
}

/* Names and addresses. More than anybody mentions are not looked for: a text may hold a mention in
 * every other byte. */
struct people {
    const char *names[PEOPLE_MAX];
    size_t count;
};

static void add_name(struct people *people, const cJSON *name)
{
    const char *string = cJSON_GetStringValue(name);
    if (string && *string && people->count < PEOPLE_MAX)
        people->names[people->count++] = string;
}

static void find_people(const cJSON *event, struct people *people)
{
    const cJSON *person, *member;
    for (size_t i = 0; i < sizeof people_members / sizeof *people_members; i++)
        add_name(people, json_get(event, people_members[i]));
    for (size_t i = 0; i < sizeof people_lists / sizeof *people_lists; i++) {
        cJSON_ArrayForEach(person, json_get(event, people_lists[i]))
        {
            add_name(people, person);
            cJSON_ArrayForEach(member, person) add_name(people, member);
        }
    }
}

/* Length of the mention ("@NAME") at the start of text; 0 if it names nobody of the event. */
static size_t mention(const char *text, const struct people *people)
{
    size_t longest = 0;
    for (size_t i = 0; i < people->count; i++) {
        size_t length = name_at(text + 1, people->names[i]);
        longest = length > longest ? length : longest;
    }
    return longest ? longest + 1 : 0;
}

const char *guance_plain(struct arena *arena, const char *text, const cJSON *event)
{
    struct text out = {0};
    struct people people = {.count = 0};
    /* Mostly there is nothing to drop, and nobody to look for. */
    if (!text[strcspn(text, "<@")])
        return arena_string(arena, text);
    find_people(event, &people);
    while (*text) {
        size_t plain = strcspn(text, "<@"), line = 0, dropped = 0;
        text_append(&out, text, plain);
        text += plain;
        if (*text == '<') {
            line = html_tag(text, "br");
            dropped = html_tag(text, "font");
        } else if (*text == '@' && !is_word_end(&out)) {
            dropped = mention(text, &people);
        }
        if (line)
            text_putc(&out, '\n');
        else if (!dropped && *text)
            text_putc(&out, *text);
        text += line ? line : dropped ? dropped : *text != '\0';
    }
    return text_into(&out, arena);
}
