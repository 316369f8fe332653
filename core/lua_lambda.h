/* lua_lambda: what the program `bootstrap` asks of sm.lambda. */
#ifndef SM_LUA_LAMBDA_H
#define SM_LUA_LAMBDA_H

#include "vm.h"

/* True from sm.lambda.serve until the last connection to the Runtime API is given up. */
bool sm_lambda_serves(const struct sm_host *host);
/* For a host whose Lua side does not start: tells the Runtime API at address, waits for its answer. */
void sm_lambda_init_error(const char *address, const char *type, const char *message);

#endif
