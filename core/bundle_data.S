/* The bundle that cmake/static/bundle.lua made, as read-only memory of the program. */
	.section .rodata.sm_bundle, "a"
	.globl sm_bundle_bytes
	.globl sm_bundle_len
	.balign 16
sm_bundle_bytes:
	.incbin SM_BUNDLE_FILE
bundle_end:
	.balign 8
sm_bundle_len:
	.quad bundle_end - sm_bundle_bytes
	.section .note.GNU-stack, "", %progbits
