/*
 * jansson, the second opinion on what is JSON. It has a json_string, too, which is another: nobody
 * here calls it.
 */
#ifndef TESTS_SECOND_PARSER_H
#define TESTS_SECOND_PARSER_H

#define json_string jansson_string
#include <jansson.h>
#undef json_string

#endif
