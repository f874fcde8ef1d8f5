#include "vendors/vendor.h"

#include <string.h>

#include "base/text.h"

const struct vendor *const vendors[] = {&vendor_ces, &vendor_guance, NULL};

const struct vendor *vendor_find(const char *name)
{
    for (const struct vendor *const *vendor = vendors; *vendor; vendor++) {
        if (!strcmp((*vendor)->name, name))
            return *vendor;
    }
    return NULL;
}

const struct vendor *vendor_recognise(const cJSON *root)
{
    for (const struct vendor *const *vendor = vendors; *vendor; vendor++) {
        if ((*vendor)->recognises(root))
            return *vendor;
    }
    return NULL;
}

const struct level *vendor_level(const struct vendor *vendor, const char *word)
{
    for (const struct level *level = vendor->levels; level->word; level++) {
        if (text_equal_ignoring_case(level->word, word))
            return level;
    }
    return NULL;
}
