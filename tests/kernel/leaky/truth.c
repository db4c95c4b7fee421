// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/*
 * The truth table and its text form, one line an object, separated by tabs:
 * class, kind, address, size asked for, allocator or cache name, group.round
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/seq_file.h>
#include <linux/skbuff.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "leaky.h"

/* Makes any address, and a small per-CPU cookie too, a non-canonical number: no reference to anything. */
#define ENCODING 0x5a5a5a5a5a5a5a5aULL

enum { TABLE_ENTRIES = 12000 };

struct truth {
	u64 encoded;
	size_t size;
	struct label label;
	const char *allocator;
	unsigned int round;
};

static struct truth *table;
static unsigned int entries;
static unsigned int round;
static DEFINE_MUTEX(table_mutex);

int truth_init(void)
{
	table = vzalloc(array_size(TABLE_ENTRIES, sizeof(*table)));
	return table ? 0 : -ENOMEM;
}

void truth_next_round(void)
{
	round++;
}

noinline void truth_add(struct label label, const char *allocator, const void *address, size_t size)
{
	struct truth *truth;

	if (!address) {
		pr_err("cannot allocate %zu bytes for %s\n", size, label.kind);
		return;
	}
	mutex_lock(&table_mutex);
	if (entries < TABLE_ENTRIES) {
		truth = &table[entries];
		truth->encoded = (u64)(unsigned long)address ^ ENCODING;
		truth->size = size;
		truth->label = label;
		truth->allocator = allocator;
		truth->round = round;
		entries++;
	} else {
		pr_err_once("the truth table is full\n");
	}
	mutex_unlock(&table_mutex);
}

noinline void *truth_kmalloc(struct label label, size_t size)
{
	void *object = kzalloc(size, GFP_KERNEL);

	truth_add(label, size > KMALLOC_MAX_CACHE_SIZE ? "large" : "kmalloc", object, size);
	return object;
}

noinline void *truth_vmalloc(struct label label, size_t size)
{
	void *object = vzalloc(size);

	truth_add(label, "vmalloc", object, size);
	return object;
}

noinline void __percpu *truth_percpu(struct label label, size_t size)
{
	void __percpu *area = __alloc_percpu(size, 8);

	truth_add(label, "percpu", (__force const void *)area, size);
	return area;
}

noinline struct sk_buff *truth_skb(struct label label, size_t size)
{
	struct sk_buff *skb = alloc_skb(size, GFP_KERNEL);
	size_t head_size;

	truth_add(label, "skbuff_head_cache", skb, sizeof(*skb));
	if (!skb)
		return NULL;
	skb_put_data(skb, "leaky", 5);
	head_size = skb_end_offset(skb) + sizeof(struct skb_shared_info);
	label.kind = label.class == LEAK ? "skb-data" : "skb-live-data";
	truth_add(label, head_size > KMALLOC_MAX_CACHE_SIZE ? "large" : "kmalloc", skb->head, head_size);
	return skb;
}

static void *truth_start(struct seq_file *file, loff_t *position)
{
	return *position < READ_ONCE(entries) ? &table[*position] : NULL;
}

static void *truth_next(struct seq_file *file, void *entry, loff_t *position)
{
	++*position;
	return truth_start(file, position);
}

static void truth_stop(struct seq_file *file, void *entry)
{
}

static int truth_show(struct seq_file *file, void *entry)
{
	static const char *const class_names[] = { "leak", "live", "hard" };
	const struct truth *truth = entry;

	seq_printf(file, "%s\t%s\t0x%llx\t%zu\t%s\t%s.%u\n", class_names[truth->label.class], truth->label.kind,
		   truth->encoded ^ ENCODING, truth->size, truth->allocator, truth->label.group, truth->round);
	return 0;
}

static const struct seq_operations truth_operations = {
	.start = truth_start,
	.next = truth_next,
	.stop = truth_stop,
	.show = truth_show,
};

static int truth_open(struct inode *inode, struct file *file)
{
	return seq_open(file, &truth_operations);
}

const struct file_operations truth_fops = {
	.owner = THIS_MODULE,
	.open = truth_open,
	.read = seq_read,
	.llseek = seq_lseek,
	.release = seq_release,
};
