// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* Live twins held by a context: per-CPU memory, timers, work, a thread's stack, a file's inode. */
#include <linux/completion.h>
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/timer.h>
#include <linux/workqueue.h>

#include "leaky.h"

#define FAR_FUTURE (100000UL * HZ)

static struct label live(const char *kind, const char *group)
{
	return (struct label){ LIVE, kind, group };
}

static DEFINE_PER_CPU(void *, static_slot);
static void *__percpu *dynamic_slot;
static unsigned long tagged_area[2];
static void *percpu_holder;

static void plant_percpu(void)
{
	void __percpu **holder;
	int cpu;

	dynamic_slot = (void *__percpu *)truth_percpu(live("percpu-global", "percpu-live"), sizeof(void *));
	for_each_possible_cpu(cpu) {
		WRITE_ONCE(per_cpu(static_slot, cpu), truth_kmalloc(live("static-percpu", "percpu-live"), 88));
		if (dynamic_slot)
			*per_cpu_ptr(dynamic_slot, cpu) = truth_kmalloc(live("dynamic-percpu", "percpu-live"), 88);
	}
	/* As percpu_ref keeps its area: flags in the two lowest bits. */
	WRITE_ONCE(tagged_area[0], (unsigned long)truth_percpu(live("percpu-tagged", "percpu-live"), 8) | 1);
	WRITE_ONCE(tagged_area[1], (unsigned long)truth_percpu(live("percpu-tagged", "percpu-live"), 64) | 3);
	holder = truth_kmalloc(live("percpu-holder", "percpu-live"), 48);
	if (holder)
		holder[2] = truth_percpu(live("percpu-in-heap", "percpu-live"), 128);
	WRITE_ONCE(percpu_holder, holder);
}

struct delayed {
	unsigned long payload[4];
	struct timer_list timer;
	struct delayed_work work;
};

static struct workqueue_struct *queue;

static void timer_expired(struct timer_list *timer)
{
}

static void work_due(struct work_struct *work)
{
}

static void plant_delayed(void)
{
	struct delayed *delayed = truth_kmalloc(live("timer", "delayed"), sizeof(*delayed));

	if (delayed) {
		timer_setup(&delayed->timer, timer_expired, 0);
		mod_timer(&delayed->timer, jiffies + FAR_FUTURE);
	}
	delayed = truth_kmalloc(live("delayed-work", "delayed"), sizeof(*delayed));
	if (delayed) {
		INIT_DELAYED_WORK(&delayed->work, work_due);
		schedule_delayed_work(&delayed->work, FAR_FUTURE);
	}
	queue = alloc_workqueue("leaky", WQ_UNBOUND, 0);
	truth_add(live("workqueue", "delayed"), "kmalloc", queue, queue ? ksize(queue) : 0);
	delayed = truth_kmalloc(live("delayed-work-own-queue", "delayed"), sizeof(*delayed));
	if (delayed && queue) {
		INIT_DELAYED_WORK(&delayed->work, work_due);
		queue_delayed_work(queue, &delayed->work, FAR_FUTURE);
	}
}

static DECLARE_COMPLETION(thread_ready);

/* The only pointer to the object is a variable on this stack. */
static int hold_on_stack(void *data)
{
	void *volatile held = truth_kmalloc(live("thread-stack", "thread"), 152);

	complete(&thread_ready);
	while (!kthread_should_stop())
		schedule_timeout_interruptible(FAR_FUTURE);
	kfree(held);
	return 0;
}

static void *place_takers[64];

static void plant_thread(void)
{
	struct task_struct *thread = kthread_run(hold_on_stack, NULL, "leaky");
	unsigned int i;

	if (!IS_ERR(thread))
		wait_for_completion(&thread_ready);
	/*
	 * The first frame of a kernel thread keeps a pointer to its struct kthread_create_info (kmalloc-64), which is
	 * freed by now. Let a live object take that place, wherever in the slab it is: a leak would be hidden there.
	 */
	for (i = 0; i < ARRAY_SIZE(place_takers); i++)
		WRITE_ONCE(place_takers[i], truth_kmalloc(live("thread-neighbour", "thread"), 64));
}

static const struct file_operations no_operations = {
	.owner = THIS_MODULE,
};

/* The only pointer is i_private of an inode of debugfs. */
static void plant_file(struct dentry *directory)
{
	void *object = truth_kmalloc(live("inode-private", "file"), 136);

	debugfs_create_file("held", 0, directory, object, &no_operations);
}

void plant_context_twins(struct dentry *directory)
{
	plant_percpu();
	plant_delayed();
	plant_thread();
	plant_file(directory);
}
