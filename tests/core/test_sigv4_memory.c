/* sm.sigv4 while memory runs out at every single allocation. */
#include "sweep.h"

TEST(signing_survives_every_failed_allocation)
{
	sweep("local sigv4 = require 'sm.sigv4'\n"
	      "local options = { method = 'GET', path = '/a b', query = { { 'x', '1' }, { 'a', 'é' } }, region = 'r', "
	      "service = 's', time = 0,\n"
	      "  headers = { host = 'h', ['x-a'] = { '1', '2' } }, access_key = 'A', secret_key = 'S', session_token = "
	      "'T', expires = 5, debug = true,\n"
	      "  signature = ('0'):rep(64) }\n"
	      "assert(sigv4.sign(options)) assert(sigv4.presign(options)) assert(sigv4.chunk(options, 'x'))\n"
	      "options.v4a = true assert(sigv4.sign(options))\n"
	      "assert(sigv4.query(options.query)) assert(sigv4.encode('ä'))\n"
	      "disarm()",
	      false);
}

int main(void)
{
	RUN(signing_survives_every_failed_allocation);
	return check_report();
}
