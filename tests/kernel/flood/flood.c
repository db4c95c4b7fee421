// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* Leaks as many objects of eight bytes as the parameter says. They differ, and nothing points to them. */
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/sched.h>
#include <linux/slab.h>

static unsigned long objects;
module_param(objects, ulong, 0444);
MODULE_PARM_DESC(objects, "how many are leaked");

static int __init flood_init(void)
{
	unsigned long i;

	for (i = 0; i < objects; i++) {
		unsigned long *object = kmalloc(sizeof(*object), GFP_KERNEL);

		if (!object)
			return -ENOMEM;
		*object = i;
		if (i % 4096 == 0)
			cond_resched();
	}
	return 0;
}
module_init(flood_init);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Leaks many small objects");
