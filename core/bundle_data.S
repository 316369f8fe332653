/* The bundle that cmake/static/bundle.lua made, as read-only memory of the program. */
	.section .rodata.sm_bundle, "a"
	.globl sm_bundle_bytes
	.globl sm_bundle_len
	.balign 16
sm_bundle_len: /* in front: the page that the bundle's index is on */
	.quad bundle_end - sm_bundle_bytes
	.balign 16
sm_bundle_bytes:
	.incbin SM_BUNDLE_FILE
bundle_end:
	.section .note.GNU-stack, "", %progbits
