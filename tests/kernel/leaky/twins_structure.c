// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* Live twins held by the kernel's data structures. */
#include <linux/idr.h>
#include <linux/list.h>
#include <linux/notifier.h>
#include <linux/rbtree.h>
#include <linux/rhashtable.h>
#include <linux/skbuff.h>
#include <linux/slab.h>
#include <linux/version.h>
#include <linux/xarray.h>
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 1, 0)
#include <linux/maple_tree.h>
#endif

#include "leaky.h"

struct item {
	unsigned long payload[2];
	struct list_head link;
	struct hlist_node hash_link;
	struct rb_node tree_link;
	struct rhash_head table_link;
	u32 key;
};

static struct item *live_item(const char *kind)
{
	return truth_kmalloc((struct label){ LIVE, kind, kind }, sizeof(struct item));
}

static LIST_HEAD(list);
static HLIST_HEAD(hash_list);

static void plant_lists(void)
{
	struct item *item;
	unsigned int i;

	for (i = 0; i < 8; i++) {
		item = live_item("list-live");
		if (item)
			list_add(&item->link, &list);
		item = live_item("hlist");
		if (item)
			hlist_add_head(&item->hash_link, &hash_list);
	}
}

static struct rb_root tree = RB_ROOT;

static void plant_rbtree(void)
{
	struct rb_node **place, *parent;
	struct item *item;
	u32 key;

	for (key = 0; key < 32; key++) {
		item = live_item("rbtree");
		if (!item)
			return;
		item->key = key;
		for (place = &tree.rb_node, parent = NULL; *place; place = &parent->rb_right)
			parent = *place; /* keys only grow: always the rightmost place */
		rb_link_node(&item->tree_link, parent, place);
		rb_insert_color(&item->tree_link, &tree);
	}
}

static DEFINE_XARRAY(array);
static DEFINE_IDR(ids);

static void plant_indexed(void)
{
	struct item *item;
	unsigned long i;

	for (i = 0; i < 200; i++) {
		item = live_item("xarray");
		if (!item)
			return;
		xa_store(&array, i * 7, i % 3 ? item : xa_tag_pointer(item, 1), GFP_KERNEL);
		if (i % 5 == 0)
			xa_set_mark(&array, i * 7, XA_MARK_0);
	}
	for (i = 0; i < 80; i++) {
		item = live_item("idr");
		if (item)
			idr_alloc(&ids, item, 0, 0, GFP_KERNEL);
	}
}

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 1, 0)
static DEFINE_MTREE(ranges);

static void plant_maple_tree(void)
{
	unsigned long i;

	for (i = 0; i < 100; i++)
		mtree_store_range(&ranges, i * 16, i * 16 + 7, live_item("maple-tree"), GFP_KERNEL);
}
#else
static void plant_maple_tree(void)
{
}
#endif

static struct rhashtable table;
static const struct rhashtable_params table_parameters = {
	.head_offset = offsetof(struct item, table_link),
	.key_offset = offsetof(struct item, key),
	.key_len = sizeof(u32),
};

static void plant_rhashtable(void)
{
	struct item *item;
	u32 key;

	if (rhashtable_init(&table, &table_parameters))
		return;
	for (key = 0; key < 100; key++) {
		item = live_item("rhashtable");
		if (!item)
			return;
		item->key = key;
		rhashtable_insert_fast(&table, &item->table_link, table_parameters);
	}
}

static RAW_NOTIFIER_HEAD(notifiers);

static int notified(struct notifier_block *block, unsigned long event, void *data)
{
	return NOTIFY_DONE;
}

static void plant_notifiers(void)
{
	struct notifier_block *block;
	unsigned int i;

	for (i = 0; i < 3; i++) {
		block = truth_kmalloc((struct label){ LIVE, "notifier", "notifier" }, sizeof(*block));
		if (!block)
			return;
		block->notifier_call = notified;
		raw_notifier_chain_register(&notifiers, block);
	}
}

static struct sk_buff_head queue;

static void plant_skb_queue(void)
{
	struct sk_buff *skb;
	unsigned int i;

	skb_queue_head_init(&queue);
	for (i = 0; i < 4; i++) {
		skb = truth_skb((struct label){ LIVE, "skb-live", "skb-queue" }, i % 2 ? 20000 : 100);
		if (skb)
			skb_queue_tail(&queue, skb);
	}
}

void plant_structure_twins(void)
{
	plant_lists();
	plant_rbtree();
	plant_indexed();
	plant_maple_tree();
	plant_rhashtable();
	plant_notifiers();
	plant_skb_queue();
}
