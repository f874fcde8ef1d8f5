/* The sections of the configuration: the groups `smn` and `watchdog`, the list `integrations`, and
 * their `routes`. */
#ifndef CONFIG_SECTIONS_H
#define CONFIG_SECTIONS_H

#include "config/reader.h"

/* The section is the struct config, for routes the struct integration. */
void config_open_smn(struct reader *reader, void *section, const config_setting_t *node,
                     struct place place);
void config_open_watchdog(struct reader *reader, void *section, const config_setting_t *node,
                          struct place place);
void config_open_integrations(struct reader *reader, void *section, const config_setting_t *node,
                              struct place place);
void config_open_routes(struct reader *reader, void *section, const config_setting_t *node,
                        struct place place);

/* What is wrong, or probably not meant, in an integration's routes as a whole. prefix: of the
 * names in errors; place: the integration's. */
void config_check_routes(struct reader *reader, const config_setting_t *node,
                         struct integration *integration, const char *prefix, struct place place);

/* Fills in whom the watchdog looks after, when all else is read. */
void config_watch(struct reader *reader);

/* Warns of a Flashduty key that several integrations have. */
void config_check_shared_keys(struct reader *reader, const config_setting_t *list);

/* The Flashduty key that text is, or that the file it names holds ("file:PATH"). NULL after a
 * complaint. */
const char *config_flashduty_key(struct reader *reader, const char *text, struct place place);

#endif
