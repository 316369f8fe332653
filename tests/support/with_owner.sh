#!/bin/sh
# with_owner.sh OWNER COMMAND...: runs a command that ends when the process OWNER has ended, however that happens.
owner=$1
shift
"$@" &
child=$!
trap 'kill $child 2>/dev/null' TERM INT
tail --pid="$owner" -f /dev/null &
watch=$!
(
	tail --pid="$watch" -f /dev/null
	kill -9 $child 2>/dev/null
) &
wait $child
kill $watch 2>/dev/null
