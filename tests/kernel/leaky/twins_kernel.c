// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* Live twins that only a service of the kernel still knows: it was handed the pointer, and keeps it in its own way. */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/genalloc.h>
#include <linux/hrtimer.h>
#include <linux/interrupt.h>
#include <linux/kfifo.h>
#include <linux/kobject.h>
#include <linux/kthread.h>
#include <linux/mempool.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/net.h>
#include <linux/percpu-refcount.h>
#include <linux/proc_fs.h>
#include <linux/scatterlist.h>
#include <linux/skbuff.h>
#include <linux/slab.h>
#include <linux/srcu.h>
#include <linux/version.h>
#include <net/net_namespace.h>
#include <net/sock.h>

#include "leaky.h"

static struct label live(const char *kind)
{
	return (struct label){ LIVE, kind, kind };
}

DEFINE_STATIC_SRCU(held_srcu);

struct pending {
	unsigned long payload[4];
	struct rcu_head head;
};

static void never_called(struct rcu_head *head)
{
}

/* The reader's section never ends, so the callbacks stay pending: only their queue knows the objects. */
static void plant_rcu_pending(void)
{
	struct pending *pending;
	unsigned int i;

	srcu_read_lock(&held_srcu);
	for (i = 0; i < 8; i++) {
		pending = truth_kmalloc(live("rcu-pending"), sizeof(*pending));
		if (pending)
			call_srcu(&held_srcu, &pending->head, never_called);
	}
}

static mempool_t *pool;

static void plant_mempool(void)
{
	int i;

	pool = mempool_create_kmalloc_pool(6, 72);
	for (i = 0; pool && i < pool->curr_nr; i++)
		truth_add(live("mempool"), "kmalloc", pool->elements[i], 72);
}

static DEFINE_KFIFO(pointers, void *, 8);

/* Only elements that are in the queue count: what was taken out leaves its address in the ring. */
static void plant_kfifo(void)
{
	void *object;
	unsigned int i;

	for (i = 0; i < 4; i++) {
		object = truth_kmalloc(live("kfifo"), 56);
		if (object)
			kfifo_put(&pointers, object);
	}
}

struct clocked {
	unsigned long payload[3];
	struct hrtimer timer;
};

static enum hrtimer_restart never_due(struct hrtimer *timer)
{
	return HRTIMER_NORESTART;
}

static void plant_hrtimer(void)
{
	struct clocked *clocked = truth_kmalloc(live("hrtimer"), sizeof(*clocked));

	if (!clocked)
		return;
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
	hrtimer_setup(&clocked->timer, never_due, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
#else
	hrtimer_init(&clocked->timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
	clocked->timer.function = never_due;
#endif
	hrtimer_start(&clocked->timer, ktime_set(1000000, 0), HRTIMER_MODE_REL);
}

static void plant_kobject(void)
{
	struct kobject *kobject = kobject_create_and_add("leaky", NULL);

	truth_add(live("kobject"), "kmalloc", kobject, sizeof(*kobject));
}

static struct percpu_ref reference;

static void reference_released(struct percpu_ref *ref)
{
}

/* The pointer to the counters carries two flags. */
static void plant_percpu_ref(void)
{
	if (percpu_ref_init(&reference, reference_released, 0, GFP_KERNEL))
		return;
	truth_add(live("percpu-ref"), "percpu", (void *)(reference.percpu_count_ptr & ~3UL), sizeof(unsigned long));
	truth_add(live("percpu-ref-data"), "kmalloc", reference.data, sizeof(*reference.data));
}

static struct sg_table table;

enum { SCATTERED = 200 };

/* Entries hold descriptors of pages with flags; the array's second part hangs on the last entry of the first. */
static void plant_scatterlist(void)
{
	struct scatterlist *entry;
	struct page *page;
	int i;

	if (sg_alloc_table(&table, SCATTERED, GFP_KERNEL))
		return;
	entry = &table.sgl[SG_MAX_SINGLE_ALLOC - 1];
	if (sg_is_chain(entry))
		truth_add(live("scatterlist-chain"), "kmalloc", sg_chain_ptr(entry),
			  (SCATTERED - SG_MAX_SINGLE_ALLOC + 1) * sizeof(*entry));
	for_each_sg(table.sgl, entry, SCATTERED, i) {
		if (i % 50)
			continue;
		page = alloc_pages(GFP_KERNEL | __GFP_ZERO | __GFP_COMP, 2);
		if (!page)
			return;
		truth_add(live("scatterlist-page"), "page", page_address(page), PAGE_SIZE << 2);
		sg_set_page(entry, page, PAGE_SIZE, 0);
	}
}

static struct sk_buff *skb_with_page;

static void plant_skb_fragment(void)
{
	struct page *page = alloc_pages(GFP_KERNEL | __GFP_ZERO | __GFP_COMP, 3);
	struct sk_buff *skb = truth_skb(live("skb-live"), 64);

	if (!page || !skb)
		return;
	skb_fill_page_desc(skb, 0, page, 0, PAGE_SIZE);
	truth_add(live("skb-fragment"), "page", page_address(page), PAGE_SIZE << 3);
	WRITE_ONCE(skb_with_page, skb);
}

static const struct file_operations no_operations = {
	.owner = THIS_MODULE,
};
static struct file *file;

static void plant_file_private(void)
{
	void *object = truth_kmalloc(live("file-private"), 168);

	WRITE_ONCE(file, anon_inode_getfile("leaky", &no_operations, object, O_RDWR));
}

static const struct proc_ops no_proc_operations = {};

static void plant_proc_data(void)
{
	proc_create_data("leaky", 0, NULL, &no_proc_operations, truth_kmalloc(live("proc-data"), 112));
}

static struct socket *socket;

static void plant_socket_data(void)
{
	if (sock_create_kern(&init_net, AF_INET, SOCK_DGRAM, IPPROTO_UDP, &socket))
		return;
	/* The two lowest bits are flags of whoever set it. */
	WRITE_ONCE(socket->sk->sk_user_data, (void *)((unsigned long)truth_kmalloc(live("socket-data"), 120) | 1));
}

static irqreturn_t not_ours(int irq, void *data)
{
	return IRQ_NONE;
}

enum { UNUSED_IRQ = 6 }; /* of a floppy drive, which the VM has not */

static void plant_irq_data(void)
{
	void *object = truth_kmalloc(live("irq-data"), 104);

	if (object && request_irq(UNUSED_IRQ, not_ours, IRQF_SHARED, "leaky", object))
		pr_err("leaky: IRQ %d is not to be had\n", UNUSED_IRQ);
}

static int never_run(void *data)
{
	return 0;
}

/* A thread that was made and never woken: its argument is in the thread's own record. */
static void plant_thread_data(void)
{
	void *object = truth_kmalloc(live("thread-data"), 200);
	struct task_struct *thread = kthread_create(never_run, object, "leaky-unborn");

	if (IS_ERR(thread))
		pr_err("leaky: no thread\n");
}

static struct gen_pool *regions;

/* Regions of anything, kept in chunks that are vmalloc areas. */
static void plant_genalloc(void)
{
	struct gen_pool_chunk *chunk;

	regions = gen_pool_create(4, NUMA_NO_NODE);
	if (!regions || gen_pool_add(regions, 0x1000, 1 << 16, NUMA_NO_NODE))
		return;
	list_for_each_entry(chunk, &regions->chunks, next_chunk)
		truth_add(live("genalloc-chunk"), "vmalloc", chunk, sizeof(*chunk));
}

void plant_kernel_twins(void)
{
	plant_rcu_pending();
	plant_mempool();
	plant_kfifo();
	plant_hrtimer();
	plant_kobject();
	plant_percpu_ref();
	plant_scatterlist();
	plant_skb_fragment();
	plant_file_private();
	plant_proc_data();
	plant_socket_data();
	plant_irq_data();
	plant_thread_data();
	plant_genalloc();
}
