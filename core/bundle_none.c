/* The empty bundle of the builds that read lua/ from the disk. */
#include "bundle.h"

extern const unsigned char sm_bundle_bytes[];
extern const uint64_t sm_bundle_len;
const unsigned char sm_bundle_bytes[1];
const uint64_t sm_bundle_len;
