/* The sections of the configuration: the group `smn` and the list `integrations`. */
#ifndef CONFIG_SECTIONS_H
#define CONFIG_SECTIONS_H

#include "config/reader.h"

void config_open_smn(struct reader *reader, const config_setting_t *node, struct place place);
void config_open_integrations(struct reader *reader, const config_setting_t *node,
                              struct place place);

#endif
