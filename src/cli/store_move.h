/* `store move`. */
#ifndef CLI_STORE_MOVE_H
#define CLI_STORE_MOVE_H

#include "cli/cli.h"

/* move SQLITE [POSTGRESQL] */
enum cli_exit move_store(const struct cli_call *call, bool is_rehearsed) __attribute__((nonnull));

#endif
