/*
 * memory_cap: how far this process may still grow.
 *
 * The engine's own memory limit does not see what one function call makes (a
 * text of two gigabytes, a list of a thousand million): without a limit of the
 * system such a query ends in the kernel killing the program. Under the cap the
 * allocation fails, the engine reports it, and the program lives on.
 */
#ifndef SM_MEMORY_CAP_H
#define SM_MEMORY_CAP_H

#include "status.h"

#include <stdint.h>

/*
 * From now on the process may map at most growth_bytes more private memory than it has. A lower limit that somebody
 * set before stays. SM_IO when the system refuses.
 */
enum sm_status sm_memory_cap(uint64_t growth_bytes, struct sm_error *err);

#endif
