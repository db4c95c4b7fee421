// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/*
 * How long an allocation and its free take: read /sys/module/pairs/parameters/nanoseconds, for one pair, after loading. With interrupts=1 the
 * frees are made in interrupts, some at a time.
 */
#include <linux/irq_work.h>
#include <linux/ktime.h>
#include <linux/llist.h>
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/slab.h>

static unsigned int count = 100000;
module_param(count, uint, 0444);
MODULE_PARM_DESC(count, "pairs that are measured");
static unsigned int size = 64;
module_param(size, uint, 0444);
MODULE_PARM_DESC(size, "bytes of each");
static bool interrupts;
module_param(interrupts, bool, 0444);
MODULE_PARM_DESC(interrupts, "free them in interrupts");
static unsigned int nanoseconds;
module_param(nanoseconds, uint, 0444);

static LLIST_HEAD(to_free);

static void free_all(struct irq_work *work)
{
	struct llist_node *node = llist_del_all(&to_free);

	while (node) {
		struct llist_node *next = node->next;

		kfree(node);
		node = next;
	}
}
static struct irq_work free_work;

static void run_with_interrupts(void)
{
	struct llist_node *node;
	unsigned int i;

	init_irq_work(&free_work, free_all);
	for (i = 0; i < count; i++) {
		node = kmalloc(max_t(size_t, size, sizeof(*node)), GFP_KERNEL);
		if (node)
			llist_add(node, &to_free);
		if (i % 64 == 63)
			irq_work_queue(&free_work);
		if (i % 1024 == 0)
			cond_resched();
	}
	irq_work_sync(&free_work);
	free_all(&free_work);
}

static void run_without(void)
{
	unsigned int i;

	for (i = 0; i < count; i++) {
		void *block = kmalloc(size, GFP_KERNEL);

		/* Or else the compiler sees that nobody wants it. */
		OPTIMIZER_HIDE_VAR(block);
		kfree(block);
		if (i % 1024 == 0)
			cond_resched();
	}
}

static int __init pairs_init(void)
{
	u64 start = ktime_get_ns();

	if (interrupts)
		run_with_interrupts();
	else
		run_without();
	nanoseconds = div_u64(ktime_get_ns() - start, max(count, 1U));
	return 0;
}
module_init(pairs_init);

static void __exit pairs_exit(void)
{
}
module_exit(pairs_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Measures allocations");
