/*
 * What a text of the configuration must look like. Each check returns NULL for a text that is
 * right, else what is wrong and what would be right: a constant, because a text may be a key and
 * never stands in an error.
 */
#ifndef CONFIG_CHECK_H
#define CONFIG_CHECK_H

typedef const char *text_check(const char *text);

text_check config_check_text; /* any text: UTF-8 without control characters */
text_check config_check_name;
text_check config_check_key;
text_check config_check_push_key;
text_check config_check_status_key; /* or empty */
text_check config_check_url;        /* of Flashduty's push interface */
text_check config_check_post_url;   /* of anything that takes a POST; "" too */
text_check config_check_proxy;
text_check config_check_host;
text_check config_check_topic;
text_check config_check_store;
text_check config_check_label_name;
text_check config_check_label_value;
text_check config_check_route_name;
text_check config_check_mapping_label; /* by_label */

#endif
