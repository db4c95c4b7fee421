// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* A module that can be unloaded, and leaves memory behind: seven blocks while it is loaded, five while it is unloaded. */
#include <linux/module.h>
#include <linux/slab.h>

static noinline void leave(unsigned int count, size_t bytes)
{
	unsigned int i;

	for (i = 0; i < count; i++) {
		char *block = kmalloc(bytes, GFP_KERNEL);

		if (block)
			memset(block, 'L', bytes);
	}
}

static noinline void leave_while_loading(void)
{
	leave(7, 1900);
	barrier(); /* or else the call is a jump, and this function in no stack */
}

static noinline void leave_while_unloading(void)
{
	leave(5, 3900);
	barrier();
}

static int __init leaver_init(void)
{
	leave_while_loading();
	return 0;
}
module_init(leaver_init);

static void __exit leaver_exit(void)
{
	leave_while_unloading();
}
module_exit(leaver_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Leaks memory and goes");
